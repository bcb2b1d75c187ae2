"""Along a line or around a circle: how the code changes, what the network says, and the cells that
are passed.

Cells are exact; their ends and the outputs are float64 here. On a circle behind a norm the outputs
are those at eps = 0, the limit far from the origin; along a Segment, Ray or Line eps is included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from exact import InvalidInput
from exact.regions.arcs.partition import CurvePartition
from viz import style
from viz.catalogue import Make, Subject, figure
from viz.labels import without_ties
from viz.projections import outputs_on_circle, outputs_on_line

_SAMPLES, _MOST_KINKS, _MOST_OUTPUTS = 800, 150, 4
_ROUND = {"Sphere": "the circle", "GreatCircle": "a great circle", "Ellipse": "an ellipse"}


@dataclass(frozen=True)
class Cell:
    """A cell, or the part of it in the window: from `start` to `end` on the axis, of region
    `index`.
    """

    start: float
    end: float
    index: int


@dataclass(frozen=True)
class Profile:
    """The figure's three panels: step lines of the code, lines and kinks of the outputs, and the
    strip of cells.
    """

    cells: tuple[Cell, ...]
    code: tuple[Line2D, ...]
    outputs: tuple[Line2D, ...]
    kinks: tuple[Line2D, ...]
    strip: PolyCollection


def cells_along(partition: CurvePartition, *, log: bool = False) -> tuple[Cell, ...]:
    """The cells in order along the axis: angles from 0 to 2 pi, or t in a window that shows every
    crossing.

    A cell across angle 0 appears at both ends. `log` leaves out t <= 0; InvalidInput where nothing
    remains, or on a circle.
    """
    _check(partition, log)
    spans = [(*region.parameters_float, region.index) for region in partition.regions]
    if not partition.frame.is_straight:
        turn = 2 * math.pi
        spans += [(start - turn, end - turn, index) for start, end, index in spans]
        low, high = 0.0, turn
    else:
        low, high = _window(spans, log)
    cells = [Cell(max(start, low), min(end, high), index) for start, end, index in spans]
    return tuple(sorted((c for c in cells if c.start < c.end), key=lambda c: c.start))


def code_profile(
    partition: CurvePartition, ax: Axes, cells: Sequence[Cell]
) -> tuple[Line2D, Line2D]:
    """Step lines of the bits flipped so far, and of the Hamming distance from the first of `cells`
    (from `cells_along`).
    """
    bits = partition.bits[[cell.index for cell in cells]]
    so_far = np.concatenate([[0], np.cumsum((bits[1:] != bits[:-1]).sum(axis=1))])
    distance = (bits != bits[0]).sum(axis=1)
    edges = [*(cell.start for cell in cells), cells[-1].end]
    lines = [
        ax.step(
            edges, [*values, values[-1]], where="post", color=colour, linewidth=width, label=label
        )[0]
        for values, colour, width, label in (
            (so_far, style.SKY, 2 * style.BOLD, "bits flipped so far"),
            (distance, style.INK, style.LINE, "Hamming distance\nfrom the start"),
        )
    ]
    ax.set(ylabel="bits of the code", ylim=(-0.03 * max(so_far[-1], 1), 1.05 * max(so_far[-1], 1)))
    ax.yaxis.get_major_locator().set_params(integer=True)
    return lines[0], lines[1]


def output_profile(
    partition: CurvePartition,
    ax: Axes,
    cells: Sequence[Cell],
    *,
    outputs: Sequence[int] | None = None,
    log: bool = False,
) -> tuple[tuple[Line2D, ...], tuple[Line2D, ...]]:
    """Output components along the axis, with dots at the crossings, where their slope may jump.

    `outputs` are component indices; without it the four that vary most. Returns (lines, dots); no
    dots beyond 150 crossings.
    """
    ends = np.array([cell.start for cell in cells[1:]])
    low, high = cells[0].start, cells[-1].end
    grid = np.geomspace(low, high, _SAMPLES) if log else np.linspace(low, high, _SAMPLES)
    grid = np.union1d(grid, ends)
    values = _outputs(partition, grid)
    chosen = _most_varying(values) if outputs is None else _checked(outputs, values.shape[1])
    at_ends = values[np.searchsorted(grid, ends)]
    lines, dots = [], []
    for number, k in enumerate(chosen):
        colour = style.series_colour(number)
        lines.append(
            ax.plot(grid, values[:, k], color=colour, linewidth=style.LINE, label=f"output {k}")[0]
        )
        if len(ends) <= _MOST_KINKS:
            dots += ax.plot(
                ends,
                at_ends[:, k],
                linestyle="",
                marker="o",
                markersize=3,
                color=colour,
                markeredgecolor=style.PAPER,
                markeredgewidth=0.4,
            )
    ax.set_ylabel("output")
    return tuple(lines), tuple(dots)


def cell_strip(partition: CurvePartition, ax: Axes, cells: Sequence[Cell]) -> PolyCollection:
    """A strip of the cells, coloured by code: equal codes alike, neighbours apart."""
    keys = [partition.codes[cell.index].tobytes() for cell in cells]
    colours = style.distinct_colours(keys, [(i, i + 1) for i in range(len(cells) - 1)])
    boxes = [[(c.start, 0), (c.end, 0), (c.end, 1), (c.start, 1)] for c in cells]
    strip = PolyCollection(boxes, facecolors=colours, linewidths=0)
    ax.add_collection(strip)
    ax.set(ylim=(0, 1), yticks=[], ylabel="cells")
    ax.yaxis.label.set(rotation=0, ha="right", va="center")
    ax.spines["left"].set_visible(False)
    return strip


def profile(
    partition: CurvePartition,
    axes: Sequence[Axes],
    *,
    outputs: Sequence[int] | None = None,
    log: bool = False,
) -> Profile:
    """Draw the three panels into three axes with a common abscissa; `log` is for rays, where eps
    acts at small t.
    """
    cells = cells_along(partition, log=log)
    code = code_profile(partition, axes[0], cells)
    lines, kinks = output_profile(partition, axes[1], cells, outputs=outputs, log=log)
    strip = cell_strip(partition, axes[2], cells)
    for ax in axes:
        ax.set_xlim(cells[0].start, cells[-1].end)
        if log:
            style.logarithmic(ax, "x")
    _abscissa(partition, axes[-1], log)
    return Profile(cells, code, lines, kinks, strip)


def profile_figure(
    partition: CurvePartition,
    *,
    title: str | None = None,
    outputs: Sequence[int] | None = None,
    log: bool = False,
) -> Figure:
    """A complete figure of :func:`profile`."""
    with style.house():
        fig, axes = style.figure(7.4, 5.2, 3, 1, sharex=True, height_ratios=(1.0, 1.2, 0.14))
        drawn = profile(partition, axes, outputs=outputs, log=log)
        axes[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.05))
        axes[1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.05))
        straight = partition.frame.is_straight
        where = (
            f"Along the {type(partition.domain).__name__.lower()}"
            if straight
            else f"Around {_ROUND[type(partition.domain).__name__]}"
        )
        shown, total = len(drawn.outputs), partition.network.output_dim
        some = (
            f"{shown} of {total} outputs, those that vary most"
            if outputs is None and shown < total
            else f"{shown} outputs"
        )
        style.headline(
            axes[0], title or where, f"{_counts(partition)}\n{'1 output' if total == 1 else some}"
        )
    return fig


def _check(partition: CurvePartition, log: bool) -> None:
    curve = partition.seen_as(
        CurvePartition, "profiles follow curves", "partition a Ray, Segment or GreatCircle"
    )
    if log and not curve.frame.is_straight:
        raise InvalidInput(
            "angles have no logarithmic axis",
            value=partition.domain,
            remedy="use log=True with a Ray",
        )


def _window(spans: Sequence[tuple[float, float, int]], log: bool) -> tuple[float, float]:
    """The range of t: the domain where it is bounded, a margin beyond the outermost crossings where
    it is not.
    """
    low, high = spans[0][0], spans[-1][1]
    inner = [start for start, _, _ in spans[1:] if not log or start > 0]
    if log:
        if high <= 0:
            raise InvalidInput(
                "no part of the line has t > 0", value=(low, high), remedy="use log=False"
            )
        first, last = (inner[0], inner[-1]) if inner else (min(1.0, high / 2), min(1.0, high / 2))
        return max(low, first / 4), min(high, last * 4)
    first, last = (inner[0], inner[-1]) if inner else (max(low, -1.0), min(high, 1.0))
    margin = 0.15 * (last - (first if math.isinf(low) else low) or abs(last) or 1.0)
    return first - margin if math.isinf(low) else low, last + margin if math.isinf(high) else high


def _outputs(partition: CurvePartition, grid: np.ndarray) -> np.ndarray:
    return (
        outputs_on_line(partition, grid)
        if partition.frame.is_straight
        else outputs_on_circle(partition, grid)
    )


def _most_varying(values: np.ndarray) -> list[int]:
    finite = np.where(np.isfinite(values), values, 0.0)
    return sorted(np.argsort(-np.ptp(finite, axis=0), kind="stable")[:_MOST_OUTPUTS].tolist())


def _checked(outputs: Sequence[int], count: int) -> list[int]:
    if not outputs or not all(0 <= k < count for k in outputs):
        raise InvalidInput(
            "no such output", value=list(outputs), remedy=f"give indices from 0 to {count - 1}"
        )
    return list(outputs)


def _abscissa(partition: CurvePartition, ax: Axes, log: bool) -> None:
    if partition.frame.is_straight:
        ax.set_xlabel("parameter t (logarithmic)" if log else "parameter t")
        return
    ax.set_xticks([k * math.pi / 2 for k in range(5)], ["0", "π/2", "π", "3π/2", "2π"])
    ax.set_xlabel("angle θ (radians)")


def _counts(partition: CurvePartition) -> str:
    cells, codes = len(partition), partition.code_count
    return (
        f"{cells:,} cell{'s' * (cells != 1)} with {codes:,} spline code{'s' * (codes != 1)}, "
        f"exact{without_ties(partition)}"
    )


@figure("profile", CurvePartition)
def _of(subject: Subject) -> Make:
    """Code, outputs and cells along a ray, a segment or a circle."""
    kind = type(subject.partition.domain).__name__
    where = _ROUND.get(kind, f"a {kind.lower()}")
    return lambda: profile_figure(subject.partition, title=f"Along {where} of {subject.name}")
