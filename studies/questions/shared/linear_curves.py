"""Curves over a linear axis in one panel: profiles along a way, effects layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from studies.questions.shared.pictures import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NARROW = 5.4  # inches: readable where a page is 420 pixels wide


def linear_curves(
    lines: Sequence[Curve],
    title: str,
    subtitle: str,
    axes: tuple[str, str],
    *,
    level: float | None = None,
    upright: float | None = None,
    x_scale: Literal["linear", "log"] = "linear",
) -> Figure:
    """One panel of curves, named by (x, y); `level` and `upright` draw a thin line each. A dashed
    curve is the control of the solid one of its group.
    """
    from viz import style

    with style.house():
        figure: Figure
        figure, ax = style.figure(NARROW, 4.4)
        if level is not None:
            ax.axhline(level, color=style.HAIRLINE, linewidth=style.LINE, zorder=0)
        if upright is not None:
            ax.axvline(upright, color=style.HAIRLINE, linewidth=style.LINE, zorder=0)
        for line in lines:
            ax.plot(
                line.x,
                line.y,
                color=style.series_colour(line.group),
                linewidth=style.LINE,
                linestyle="--" if line.dashed else "-",
                marker=style.MARKERS[line.group % 8],
                markersize=3.5,
                markerfacecolor=style.PAPER if line.dashed else None,
                label=line.label,
            )
        ax.set(xlabel=axes[0], ylabel=axes[1])
        if x_scale == "log":
            style.logarithmic(ax, "x")
        elif lines and all(float(x).is_integer() for line in lines for x in line.x):
            ax.set_xticks(sorted({int(x) for line in lines for x in line.x}))
        style.headline(ax, title, subtitle)
        style.key(figure, ax.get_legend_handles_labels()[0], columns=2)
        return figure
