"""The error of approximate methods against their budget: a panel a quantity, a line a method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from exact import InvalidInput
from viz import style

FLOOR = 1e-4
"""Errors below are drawn here: zero has no place on a logarithmic axis."""
COLUMNS = 3


@dataclass(frozen=True)
class ErrorCurve:
    """The errors of one method: `errors[d][k]` in dimension d at `budgets[k]`, NaN where there is
    none.
    """

    name: str
    budgets: Sequence[int]
    errors: Mapping[int, Sequence[float]]

    def together(self) -> np.ndarray:
        """The root of the mean squared error over dimensions, at each budget."""
        table = np.array([list(row) for row in self.errors.values()], dtype=np.float64)
        known = np.isfinite(table)
        squares = np.where(known, table, 0.0) ** 2
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(squares.sum(axis=0) / known.sum(axis=0)))


def error_curves(curves: Sequence[ErrorCurve], ax: Axes, unit: str) -> tuple[Line2D, ...]:
    """A bold line for each method over its budgets, all dimensions together, and a thin one for
    each dimension; both axes are logarithmic. Returns the bold ones.

    Raises InvalidInput where a method has not one error a budget.
    """
    bold = []
    for number, curve in enumerate(curves):
        lengths = {len(row) for row in curve.errors.values()}
        if lengths != {len(curve.budgets)}:
            raise InvalidInput(
                "errors do not fit the budgets",
                value=f"{curve.name}: {sorted(lengths)} errors, {len(curve.budgets)} budgets",
                remedy="give one error a budget, in each dimension",
            )
        colour = style.series_colour(number)
        for row in curve.errors.values():
            ax.plot(
                curve.budgets,
                np.maximum(row, FLOOR),
                color=style.tint(colour, style.SOFT),
                linewidth=style.THIN,
            )
        bold += ax.plot(
            curve.budgets,
            np.maximum(curve.together(), FLOOR),
            color=colour,
            linewidth=style.LINE,
            marker=style.MARKERS[number % len(style.MARKERS)],
            markersize=4,
            label=curve.name,
        )
    ax.set(xlabel=unit)
    ax.set_ylim(FLOOR / 2, 2 * max(_largest(curves), 100 * FLOOR))
    style.logarithmic(ax, "x")
    style.logarithmic(ax, "y")
    return tuple(bold)


def _largest(curves: Sequence[ErrorCurve]) -> float:
    """The largest error of all, 0 without any."""
    known = [error for curve in curves for row in curve.errors.values() for error in row]
    return max((error for error in known if math.isfinite(error)), default=0.0)


def error_figure(
    panels: Mapping[str, tuple[str, Sequence[ErrorCurve]]], *, subtitle: str = ""
) -> Figure:
    """A panel for each quantity: its title, the unit of its budgets, and the curves of its methods.

    Raises InvalidInput when there is no panel.
    """
    if not panels:
        raise InvalidInput("there is no panel to draw", value=panels, remedy="give one method")
    rows, columns = math.ceil(len(panels) / COLUMNS), min(COLUMNS, len(panels))
    with style.house():
        fig, axes = style.figure(3.4 * columns, 2.9 * rows, rows, columns, squeeze=False)
        places = list(axes.flat)
        for ax, (title, (unit, curves)) in zip(places, panels.items(), strict=False):
            error_curves(curves, ax, unit)
            style.headline(ax, title, subtitle)
            ax.legend(loc="best", fontsize=style.TINY)
        for ax in places[::columns]:
            ax.set_ylabel("relative error (RMS over nets)")
        for ax in places[len(panels) :]:
            ax.set_axis_off()
    return fig
