"""Curves on linear axes, one panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from studies.questions.shared.pictures import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves(
    lines: Sequence[Curve],
    title: str,
    subtitle: str,
    axes: tuple[str, str],
    *,
    marks: Sequence[float] = (),
) -> Figure:
    """Curves over one x axis; `axes` names x and y, and `marks` are vertical hairlines. Dashed
    curves are controls, and one of group -1 is a thin reference.
    """
    from viz import style

    with style.house():
        figure: Figure
        figure, ax = style.figure(6.4, 4.4)
        for place in marks:
            ax.axvline(place, color=style.HAIRLINE, linewidth=style.THIN, zorder=0)
        for line in lines:
            drawn = line.group >= 0
            ax.plot(
                line.x,
                line.y,
                color=style.series_colour(line.group) if drawn else style.INK,
                linewidth=style.LINE,
                linestyle=":" if not drawn else "--" if line.dashed else "-",
                label=line.label,
            )
        ax.set(xlabel=axes[0], ylabel=axes[1])
        style.headline(ax, title, subtitle)
        style.key(figure, ax.get_legend_handles_labels()[0], columns=2)
        return figure
