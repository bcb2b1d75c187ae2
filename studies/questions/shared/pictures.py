"""The one picture that every question needs: values with their intervals, one subject a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Row:
    """A subject, its value, and the ends of an interval (none for exact values)."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


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
    line.
    """
    from viz import style

    with style.house():
        figure: Figure
        figure, ax = style.figure(width=7.2, height=1.2 + 0.24 * len(rows))
        for place, row in enumerate(reversed(rows)):
            exact = row.low is None or row.high is None
            if row.low is not None and row.high is not None:
                ax.plot(
                    [row.low, row.high], [place, place], color=style.MUTED, linewidth=style.LINE
                )
            marker, colour = ("s", style.BLUE) if exact else ("o", style.VERMILLION)
            ax.plot(row.value, place, marker=marker, color=colour, markersize=4.5)
        if mark is not None:
            ax.axvline(mark, color=style.HAIRLINE, linewidth=style.LINE, zorder=0)
        ax.set_yticks(range(len(rows)), [row.label for row in reversed(rows)])
        ax.set(xlabel=axis, xscale=scale, ylim=(-0.6, len(rows) - 0.4))
        ax.tick_params(axis="y", length=0)
        style.headline(ax, title, subtitle)
        return figure
