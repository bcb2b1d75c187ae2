"""The pictures that several questions need: values with their intervals, one subject a row, and
curves. What an axis cannot hold stands at its edge, with a mark of its own: nothing vanishes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from studies.statistics import Degenerate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Row:
    """A subject, its value, and the ends of an interval (none for exact values)."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def numbers(self) -> tuple[float, ...]:
        """The value and the ends."""
        return tuple(x for x in (self.value, self.low, self.high) if x is not None)


def beyond(rows: Iterable[Row]) -> str:
    """What a caption says of the rows whose value the axis cannot hold; empty where there is
    none.
    """
    names = [row.label for row in rows if not math.isfinite(row.value)]
    return f" An arrow at the edge: infinite ({'; '.join(names)})." if names else ""


def forest(
    rows: Sequence[Row],
    title: str,
    subtitle: str,
    axis: str,
    *,
    mark: float | None = None,
    scale: Literal["linear", "log"] = "linear",
) -> Figure:
    """Values as dots over their intervals, exact ones as filled squares; `mark` draws a vertical
    line. Infinite values are arrows at the edge, and so are zeros on a logarithmic axis. Degenerate
    where there is no row.
    """
    from viz import style

    if not rows:
        raise Degenerate("there is nothing to draw", value="no row", remedy="give other subjects")

    with style.house():
        figure: Figure
        figure, ax = style.figure(width=7.2, height=1.2 + 0.24 * len(rows))
        low, high = _window([*(x for row in rows for x in row.numbers), mark], scale)
        for place, row in enumerate(reversed(rows)):
            exact = row.low is None or row.high is None
            if row.low is not None and row.high is not None:
                ends = [min(max(end, low), high) for end in (row.low, row.high)]
                ax.plot(ends, [place, place], color=style.MUTED, linewidth=style.LINE)
            marker, colour = ("s", style.BLUE) if exact else ("o", style.VERMILLION)
            if not low <= row.value <= high:
                marker = ">" if row.value > high else "<"
            value = min(max(row.value, low), high)
            ax.plot(value, place, marker=marker, color=colour, markersize=4.5, clip_on=False)
        if mark is not None:
            ax.axvline(mark, color=style.HAIRLINE, linewidth=style.LINE, zorder=0)
        ax.set_yticks(range(len(rows)), [row.label for row in reversed(rows)])
        ax.set(xlabel=axis, xscale=scale, xlim=(low, high), ylim=(-0.6, len(rows) - 0.4))
        ax.tick_params(axis="y", length=0)
        style.headline(ax, title, subtitle)
        return figure


def _window(values: Iterable[float | None], scale: str) -> tuple[float, float]:
    """The ends of an axis that shows all values it can hold, with a margin."""
    shown = [
        x for x in values if x is not None and math.isfinite(x) and (scale == "linear" or x > 0)
    ]
    low, high = min(shown, default=1.0), max(shown, default=1.0)
    if scale == "log":
        margin = (high / low) ** 0.06 if high > low else 10.0
        return low / margin, high * margin
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


@dataclass(frozen=True)
class Curve:
    """A line of points; those of one `group` have one colour, and a `dashed` one beside a solid one
    is its control.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    group: int = 0
    dashed: bool = False


def sweeps(
    panels: Sequence[tuple[str, Sequence[Curve]]], title: str, subtitle: str, x_axis: str
) -> Figure:
    """Panels (axis, curves) side by side on logarithmic axes; zeros are open marks at the lower
    edge. A curve of group -1 is a thin reference without marks.
    """
    from viz import style

    with style.house():
        figure: Figure
        figure, axes = style.figure(max(4.2 * len(panels), 6.4), 4.6, 1, len(panels), squeeze=False)
        for ax, (axis, lines) in zip(axes[0], panels, strict=True):
            _sweep(ax, lines)
            ax.set(xlabel=x_axis, ylabel=axis)
        style.headline(axes[0][0], title, subtitle)
        handles, _ = axes[0][0].get_legend_handles_labels()
        style.key(figure, handles, columns=2)
        return figure


def _sweep(ax: Axes, lines: Sequence[Curve]) -> None:
    from viz import style

    low, high = _window([y for line in lines for y in line.y], "log")
    for line in lines:
        drawn = line.group >= 0
        colour = style.series_colour(line.group) if drawn else style.INK
        seen = [value if value > 0 else math.nan for value in line.y]
        ax.plot(
            line.x,
            seen,
            color=colour,
            linewidth=style.LINE,
            linestyle=(":" if not drawn else "--" if line.dashed else "-"),
            marker=style.MARKERS[line.group % 8] if drawn else "",
            markersize=_size(line),
            label=line.label,
        )
        none = [place for place, value in zip(line.x, line.y, strict=True) if not value > 0]
        (edge,) = ax.plot(
            none,
            [low] * len(none),
            linestyle="",
            marker=style.MARKERS[line.group % 8],
            markersize=_size(line),
            markerfacecolor=style.PAPER,
            markeredgecolor=colour,
            clip_on=False,
        )
        edge.set_in_layout(False)
    ax.set(ylim=(low, high))
    style.logarithmic(ax, "x")
    style.logarithmic(ax, "y")


def _size(line: Curve) -> float:
    """Of its marks: smaller ones lie on larger ones, where curves coincide."""
    return max(3.0, 7.0 - 1.2 * line.group)
