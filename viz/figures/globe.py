"""A 2-sphere cut by circles, as an orthographic globe: filled cells and solid arcs in front, dashed
ones behind.

LayerNorm leaves a 2-sphere of R^4, RMSNorm of R^3, and a GreatSphere is one in any R^n. The cells,
their codes and their neighbours are exact; the picture is float64. Arcs are true curves: cubic
Bézier pieces of ellipses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.path import Path
from matplotlib.text import Text

from exact import InvalidInput, Outcome, Sphere
from exact.regions.spheres.partition import SpherePartition
from viz import style
from viz.catalogue import Make, Subject, figure
from viz.figures.polytopes import class_handles
from viz.hemisphere import Hemisphere
from viz.labels import Label, around_circle, fit_circle, text_width, without_ties
from viz.sphere_arcs import SphereArcs, tangents

ColourBy = Literal["auto", "code", "area"]
Labels = Literal["auto", "codes", "numbers", "none"]
_SOFT = 0.4
_REACH = 1.05  # of the radius: where labels outside begin
# tilted, so that no circle of a symmetric case is edge-on
_DEFAULT_VIEW, _TILT, _WEAK = ((0.74, -0.5, 0.45), 0.2, 0.05)
_MANY = 4_000  # curves or areas from which on they are written as pixels into SVG and PDF
_MOST_CODE_BITS, _MOST_LABELS, _MOST_HIDDEN = 16, 28, 400


@dataclass(frozen=True)
class GlobeArtists:
    """What was drawn: path k of `cells` is cell `indices[k]`, paths of `front` and `back` are parts
    of the arcs listed.
    """

    cells: PathCollection
    indices: tuple[int, ...]
    front: PathCollection
    front_arcs: tuple[int, ...]
    back: PathCollection | None
    back_arcs: tuple[int, ...]
    labels: tuple[Text, ...]
    points: tuple[PathCollection, ...]
    meaning: str


def globe(
    partition: SpherePartition,
    ax: Axes,
    *,
    view: Sequence[object] | None = None,
    colour_by: ColourBy = "auto",
    labels: Labels = "auto",
    data: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
) -> GlobeArtists:
    """Draw a partitioned 2-sphere as seen from far away.

    `view` is an input vector, whose direction is the middle of the picture; None looks where most
    of the boundary is. `colour_by`: "code" (equal codes have equal colours), "area", or "auto"
    (codes while colours suffice). `labels` as for the circle. Hidden arcs are left out where there
    are more than 400. `data` (k x n) are input vectors, drawn where they are in front. Raises
    InvalidInput for what is no 2-sphere and for a view without direction.
    """
    arcs = SphereArcs.of(partition)
    half = Hemisphere.seen_from(arcs, view_towards(arcs, view))
    colours, meaning = cell_colours(partition, colour_by)
    found = half.cells
    indices = tuple(index for index, _ in found)
    cells = draw_paths(
        ax,
        [path for _, path in found],
        facecolors=[colours[i] for i in indices],
        linewidths=0,
        zorder=1,
    )
    front, front_arcs = arc_lines(ax, arcs, half.lines(front=True))
    back, back_arcs = None, ()
    if len(arcs) <= _MOST_HIDDEN:
        hidden = half.lines(front=False)
        back_arcs = tuple(arc for arc, _ in hidden)
        back = draw_paths(
            ax,
            [path for _, path in hidden],
            facecolors="none",
            edgecolors=style.MUTED,
            linewidths=style.THIN,
            linestyles=[(0, (3, 3))],
            alpha=0.7,
            zorder=2,
        )
    ax.add_patch(
        Circle((0, 0), 1.0, facecolor="none", edgecolor=style.MUTED, linewidth=style.THIN, zorder=3)
    )
    points = _data(ax, half, data, classes)
    texts = _labels(ax, half, label_kind(partition, labels))
    ax.set_axis_off()
    return GlobeArtists(cells, indices, front, front_arcs, back, back_arcs, texts, points, meaning)


def globe_figure(
    partition: SpherePartition,
    *,
    title: str | None = None,
    view: Sequence[object] | None = None,
    colour_by: ColourBy = "auto",
    labels: Labels = "auto",
    data: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
    class_names: Sequence[str] = (),
) -> Figure:
    """A complete figure of :func:`globe`: what was counted, what the colours mean, how lines are
    drawn.
    """
    with style.house():
        arcs = SphereArcs.of(partition)
        fig, ax = style.figure(6.2, 6.6)
        style.headline(ax, title or sphere_title(partition), f"{sphere_counts(partition)}\n ")
        handles = class_handles(classes if data is not None else None, class_names)
        style.key(fig, [*line_handles(arcs, hidden=True), *handles], columns=3)
        drawn = globe(
            partition, ax, view=view, colour_by=colour_by, labels=labels, data=data, classes=classes
        )
        below = ax.texts[0]
        below.set_text(
            f"{sphere_counts(partition)}\n{drawn.meaning}; {len(drawn.indices):,} cells in view"
        )
        area_bar(fig, ax, partition, drawn.meaning)
    return fig


# ---- shared with the other figures of spheres


def view_towards(arcs: SphereArcs, view: Sequence[object] | None) -> np.ndarray:
    """The direction of an input vector on the unit sphere; None: where most of the boundary is."""
    if view is not None:
        y = arcs.partition.coordinates_of(view)
        return np.asarray(arcs.partition.frame_float @ np.array([float(x) for x in y]))
    pull = np.sum(arcs.lengths[:, None] * _middles(arcs), axis=0)
    if np.linalg.norm(pull) < _WEAK * arcs.lengths.sum() or not len(arcs):
        return np.array(_DEFAULT_VIEW)
    right, up = tangents(pull / np.linalg.norm(pull))
    return pull / np.linalg.norm(pull) + _TILT * (right - up)


def _middles(arcs: SphereArcs) -> np.ndarray:
    """A point for every arc: its middle, or that of the smaller cap of a whole circle."""
    t = (arcs.start + arcs.turn / 2)[:, None]
    middles = (
        arcs.centre[arcs.circle]
        + np.cos(t) * arcs.first[arcs.circle]
        + np.sin(t) * arcs.second[arcs.circle]
    )
    whole = arcs.partition.complex.arc_ends[:, :1] < 0
    return np.where(
        whole, np.sign(arcs.height)[arcs.circle, None] * arcs.axis[arcs.circle], middles
    )


def cell_colours(partition: SpherePartition, colour_by: ColourBy) -> tuple[list[style.RGB], str]:
    """A colour per cell and what it means."""
    if colour_by not in ("auto", "code", "area"):
        raise InvalidInput(
            "unknown colouring", value=repr(colour_by), remedy='write "auto", "code" or "area"'
        )
    if colour_by != "area":
        keys = [row.tobytes() for row in partition.codes]
        recur = " (colours recur, never side by side)" if len(set(keys)) > style.DISTINCT else ""
        try:
            colours = style.distinct_colours(keys, partition.neighbours().tolist(), soften=_SOFT)
            return colours, f"colour: spline code{recur}"
        except InvalidInput:
            if colour_by == "code":
                raise
    shades = style.sequential()(area_scale(partition)(partition.areas_float()))
    return [(float(r), float(g), float(b)) for r, g, b, _ in shades], "colour: area"


def area_scale(partition: SpherePartition) -> LogNorm:
    """The logarithmic scale of the areas of a partition, from the second percentile."""
    areas = partition.areas_float()
    low, high = float(np.quantile(areas, 0.02)), float(areas.max())
    return LogNorm(min(low, high * 0.999), high, clip=True)


def area_bar(fig: Figure, ax: Axes, partition: SpherePartition, meaning: str) -> None:
    """A bar of the areas where colours mean them and there are several."""
    if meaning == "colour: area" and len(partition) > 1:
        shades = ScalarMappable(area_scale(partition), style.sequential())
        bar = fig.colorbar(shades, cax=ax.inset_axes((1.0, 0.1, 0.03, 0.8)), label="area of a cell")
        style.logarithmic(bar.ax, "y")


def arc_lines(
    ax: Axes, arcs: SphereArcs, lines: Sequence[tuple[int, Path]]
) -> tuple[PathCollection, tuple[int, ...]]:
    """Draw curves, each a part of an arc; in deep networks in the colour of the layer that flips
    there.
    """
    width = 0.9 if len(arcs) <= 300 else 0.45 if len(arcs) <= 3000 else 0.2
    deep = len(arcs.partition.network.widths) > 1
    colours = (
        [style.layer_colour(arcs.layers[arc]) for arc, _ in lines]
        if deep
        else [style.INK] * len(lines)
    )
    drawn = draw_paths(
        ax,
        [path for _, path in lines],
        facecolors="none",
        edgecolors=colours or style.INK,
        linewidths=width,
        capstyle="round",
        zorder=4,
    )
    return drawn, tuple(arc for arc, _ in lines)


def line_handles(arcs: SphereArcs, hidden: bool) -> list[Artist]:
    """What lines mean: one entry per layer in deep networks, and the hidden ones."""
    handles: list[Artist] = []
    if len(arcs) and len(arcs.partition.network.widths) == 1:
        handles.append(
            Line2D([], [], color=style.INK, linewidth=0.9, label="a neuron changes sign")
        )
    elif len(arcs):
        names = {
            layer: f"flips in layer {layer}" if layer else "flips in several layers"
            for layer in sorted(set(arcs.layers))
        }
        handles += [
            Line2D([], [], color=style.layer_colour(k), linewidth=0.9, label=name)
            for k, name in names.items()
        ]
    if hidden and 0 < len(arcs) <= _MOST_HIDDEN:
        handles.append(
            Line2D(
                [],
                [],
                color=style.MUTED,
                linewidth=style.THIN,
                linestyle=(0, (3, 3)),
                label="on the far side",
            )
        )
    return handles


def sphere_title(partition: SpherePartition) -> str:
    """The title of a figure that was given none."""
    norm = partition.network.blocks[0].norm
    return (
        "A 2-sphere cut by circles"
        if norm is None
        else f"{type(norm).__name__}'s 2-sphere, cut by its neurons"
    )


def sphere_counts(partition: SpherePartition) -> str:
    """Cells, codes, arcs and vertices, and how they are known."""
    at = partition.complex
    known = (
        "exact"
        if partition.outcome is Outcome.COMPLETE
        else f"a lower bound ({partition.outcome.value})"
    )
    names = (
        (len(partition), "cell"),
        (partition.code_count, "spline code"),
        (at.arc_count, "arc"),
        (at.vertex_count, "vertex"),
    )
    return (
        ", ".join(f"{count:,} {_plural(name, count)}" for count, name in names)
        + f"; {known}{without_ties(partition)}"
    )


def _plural(name: str, count: int) -> str:
    return name if count == 1 else "vertices" if name == "vertex" else f"{name}s"


def draw_paths(ax: Axes, paths: Sequence[Path], **options: object) -> PathCollection:
    """Put curves or areas into the axes; from some thousands on they are pixels in SVG and PDF."""
    drawn = PathCollection(list(paths), rasterized=len(paths) >= _MANY, **options)
    ax.add_collection(drawn, autolim=False)
    return drawn


# ---- labels and data


def label_kind(partition: SpherePartition, labels: str) -> str:
    """What cells are labelled with: "codes", "numbers" or "none"."""
    if labels not in ("auto", "codes", "numbers", "none"):
        raise InvalidInput(
            "unknown labels",
            value=repr(labels),
            remedy='write "auto", "codes", "numbers" or "none"',
        )
    if labels != "auto":
        return labels
    return (
        "codes"
        if partition.network.hinge_count <= _MOST_CODE_BITS and len(partition) <= 4 * _MOST_LABELS
        else "none"
    )


def _labels(ax: Axes, half: Hemisphere, kind: str) -> tuple[Text, ...]:
    """Labels inside the cells where there is room, and outside the globe with leaders for some
    others.
    """
    if kind == "none":
        fit_circle(ax, _REACH, [], style.SMALL)
        return ()
    partition, found = half.arcs.partition, half.deepest
    texts = {i: str(partition.code_of(i)) if kind == "codes" else str(i) for i in found}
    flat = {i: half.project(point) for i, (point, _) in found.items()}
    shown = sorted(found, key=lambda i: -found[i][1])[:_MOST_LABELS]
    outside = [
        Label(texts[i], math.atan2(*flat[i][::-1]), float(np.hypot(*flat[i])), found[i][1])
        for i in shown
    ]
    scale = fit_circle(ax, _REACH, outside, style.SMALL)
    inside = {
        i for i in shown if fits(texts[i], found[i][1] * abs(found[i][0] @ half.towards) * scale)
    }
    written = [
        ax.text(
            *flat[i],
            texts[i],
            fontsize=style.SMALL,
            family=style.MONOSPACE,
            ha="center",
            va="center",
            zorder=6,
            in_layout=False,
        )
        for i in shown
        if i in inside
    ]
    rest = [label for i, label in zip(shown, outside, strict=True) if i not in inside]
    beside, leaders = around_circle(ax, rest, _REACH, scale, style.SMALL)
    leaders.set(zorder=5, color=style.MUTED, linewidth=0.4)
    ax.plot(
        *np.array([flat[i] for i in shown if i not in inside]).reshape(-1, 2).T,
        linestyle="",
        marker="o",
        markersize=1.8,
        color=style.MUTED,
        zorder=5,
    )
    return (*written, *beside)


def fits(text: str, radius: float) -> bool:
    """Whether a line of text fits into a circle of so many points."""
    return math.hypot(text_width(text, style.SMALL), 1.2 * style.SMALL) / 2 < radius


def _data(
    ax: Axes, half: Hemisphere, data: np.ndarray | None, classes: Sequence[int] | None
) -> tuple[PathCollection, ...]:
    """The directions of input vectors that are in front, a colour and a marker per class."""
    if data is None:
        return ()
    points = half.arcs.unit(data)
    labels = np.zeros(len(points), dtype=int) if classes is None else np.asarray(classes, dtype=int)
    seen = half.is_front(points)
    return tuple(
        ax.scatter(
            *half.project(points[seen & (labels == c)]).T,
            s=11,
            color=style.class_colour(c),
            marker=style.MARKERS[c % len(style.MARKERS)],
            edgecolors=style.PAPER,
            linewidths=0.3,
            zorder=5,
        )
        for c in sorted(set(labels.tolist()))
    )


@figure("globe", SpherePartition)
def _of(subject: Subject) -> Make:
    """A 2-sphere as a globe."""
    title, rows = f"Cells of {subject.name}", sphere_rows(subject)
    return lambda: globe_figure(subject.partition, title=title, **rows)


def sphere_rows(subject: Subject) -> Mapping[str, Any]:
    """The data of a subject where the sphere is all directions, not a slice of them."""
    return subject.rows() if isinstance(subject.partition.domain, Sphere) else {}
