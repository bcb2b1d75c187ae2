"""LayerNorm's circle cut into arcs: what the hyperplanes of the neurons leave of it
(mathematics.md, "Curves as pencils").

The plane is 1^perp for LayerNorm in R^3, and the plane of any GreatCircle otherwise; an ellipse is
drawn as the circle of its (cos t, sin t). Angles and end points are exact until they are drawn;
here they become float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Wedge
from matplotlib.text import Text

from exact import Ellipse, InvalidInput
from exact.regions.arcs.partition import CurvePartition
from viz import style
from viz.arc_tables import arc_table, crossing_table
from viz.catalogue import Make, Subject, figure
from viz.figures.polytopes import class_handles
from viz.labels import Label, Table, around_circle, fit_circle, without_ties
from viz.projections import CirclePlane

Spans = Sequence[tuple[float, float]]
Labels = Literal["auto", "codes", "numbers", "none"]
_RING = (0.965, 1.035)  # inner and outer edge of the arcs, in radii
_REACH, _REACH_OF_MANY, _TEXT = 1.13, 1.07, 1.2  # where hyperplanes end, where labels begin
_MOST_CODE_BITS, _MOST_CODES, _MOST_NAMED, _MOST_ROWS, _MOST_UNLISTED = 16, 32, 14, 96, 40
_MOST_TICKS, _MOST_DOTS = 24, 120


@dataclass(frozen=True)
class CircleArtists:
    """What was drawn: `arcs[i]` is region i, all of them in `ring`; `hyperplanes` within reach; a
    marker per crossing.
    """

    arcs: tuple[Wedge, ...]
    ring: PatchCollection
    hyperplanes: LineCollection
    crossings: Line2D
    labels: tuple[Text, ...]
    points: tuple[PathCollection, ...]
    numbered: bool


def circle(
    partition: CurvePartition,
    ax: Axes,
    *,
    labels: Labels = "auto",
    data: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
) -> CircleArtists:
    """Draw a partitioned circle (Sphere of dimension 1, or GreatCircle) in its plane, an ellipse in
    that of (cos t, sin t).

    Arcs with equal codes have equal colours. Lines are the hinges of the first layer, gain and bias
    folded in, with ticks on their on side. `labels`: "codes" (bits, for short codes), "numbers"
    (region indices), "none", or "auto"; labels without room are left out, the longest arcs keep
    theirs. `data` (k x n) are directions of the input space, shown inside the ring. Labels are
    placed for the present size of the axes. Raises InvalidInput where there is no circle.
    """
    plane, spans = (
        CirclePlane.of(partition),
        [region.parameters_float for region in partition.regions],
    )
    kind = _kind(partition, labels)
    circle_axes(ax, plane)
    arcs = _arcs(partition, plane.radius, spans)
    ring = ax.add_collection(PatchCollection(arcs, match_original=True, zorder=3))
    hyperplanes, lines = _hyperplanes(partition, ax, plane)
    crossings = _crossings(partition, ax, plane)
    points = _data(ax, plane, data, classes)
    texts = [] if kind == "none" else _arc_labels(partition, plane.radius, kind, spans)
    if kind == "codes" and len(lines) <= _MOST_NAMED:
        texts += _names(lines, spans)
    size = style.SMALL if len(texts) <= 40 else style.TINY
    scale = fit_circle(ax, _TEXT * plane.radius, texts, size)
    written, _ = around_circle(ax, texts, _TEXT * plane.radius, scale, size)
    return CircleArtists(
        arcs, ring, hyperplanes, crossings, tuple(written), points, kind == "numbers"
    )


def circle_figure(
    partition: CurvePartition,
    *,
    title: str | None = None,
    labels: Labels = "auto",
    data: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
    class_names: Sequence[str] = (),
) -> Figure:
    """A complete figure of :func:`circle`; numbered arcs are listed beside it while they are few
    enough.

    Beside arcs with codes stand the crossings, with their points as exact expressions, where some
    of these are short.
    """
    with style.house():
        kind = _kind(partition, labels)
        colours, table = arc_colours(partition), None
        if kind == "codes":
            table = crossing_table(partition, colours)
        elif kind == "numbers" and len(partition) <= _MOST_ROWS:
            table = arc_table(partition, colours)
        fig, ax, side = _canvas(table)
        below = style.headline(
            ax, title or _title(partition), f"{_counts(partition)}\n{_meaning(partition)}"
        )
        style.key(
            fig,
            [*_key(partition), *class_handles(classes if data is not None else None, class_names)],
        )
        drawn = circle(partition, ax, labels=kind, data=data, classes=classes)
        below.set_text(below.get_text() + _omitted(partition, drawn))
        if table is not None and side is not None:
            table.draw(side)
    return fig


def _kind(partition: CurvePartition, labels: str) -> str:
    """What arcs are labelled with: "codes", "numbers" or "none"."""
    if labels not in ("auto", "codes", "numbers", "none"):
        raise InvalidInput(
            "unknown labels",
            value=repr(labels),
            remedy='write "auto", "codes", "numbers" or "none"',
        )
    if labels != "auto":
        return labels
    short = partition.network.hinge_count <= _MOST_CODE_BITS and len(partition) <= _MOST_CODES
    return "codes" if short else "numbers"


def circle_axes(ax: Axes, plane: CirclePlane) -> None:
    """Axes of the plane of a circle: ticks at the centre and the radius, no frame."""
    root = plane.radius_name
    ticks, names = [-plane.radius, 0, plane.radius], [f"−{root}", "0", root]
    ax.set_xticks(ticks, names)
    ax.set_yticks(ticks, names)
    ax.set(xlabel=plane.names[0], ylabel=plane.names[1])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def arc_colours(partition: CurvePartition) -> list[style.RGB]:
    """A colour per arc: equal for equal codes, different for neighbours."""
    count = len(partition)
    keys = [row.tobytes() for row in partition.codes]
    return style.distinct_colours(keys, [(i, (i + 1) % count) for i in range(count)])


def _arcs(partition: CurvePartition, radius: float, spans: Spans) -> tuple[Wedge, ...]:
    inner, outer = (radius * x for x in _RING)
    edge, wedges = 0.3 if len(spans) <= _MOST_DOTS else 0.0, []
    for span, colour in zip(spans, arc_colours(partition), strict=True):
        start, end = (math.degrees(angle) for angle in span)
        wedges.append(
            Wedge(
                (0, 0),
                outer,
                start,
                end,
                width=outer - inner,
                facecolor=colour,
                edgecolor=style.MUTED,
                linewidth=edge,
            )
        )
    return tuple(wedges)


@dataclass(frozen=True)
class _Line:
    """The line of a hinge inside the reach of the drawing, and its unit normal towards the on
    side.
    """

    name: str
    ends: np.ndarray
    normal: np.ndarray


def _lines(partition: CurvePartition, plane: CirclePlane) -> list[_Line]:
    """The lines in which the first layer's hinges meet the plane, as far as they come near the
    circle.
    """
    if isinstance(partition.domain, Ellipse) and partition.network.has_norm:
        return []  # no lines: the norm bends them
    normals, offsets = plane.first_layer(partition.network)
    reach, found = (_REACH if len(normals) <= _MOST_TICKS else _REACH_OF_MANY) * plane.radius, []
    for hinge, normal, offset in zip(partition.network.hinges, normals, offsets, strict=False):
        length = math.hypot(*normal)
        if length * reach > abs(offset):
            unit, along = normal / length, np.array([-normal[1], normal[0]]) / length
            foot = -offset / length * unit
            half = reach * math.sqrt(1 - (offset / length / reach) ** 2) * along
            found.append(
                _Line(
                    f"n{hinge.neuron}" + "′" * hinge.breakpoint,
                    np.array([foot - half, foot + half]),
                    unit,
                )
            )
    return found


def _hyperplanes(
    partition: CurvePartition, ax: Axes, plane: CirclePlane
) -> tuple[LineCollection, list[_Line]]:
    """Draw the lines, few of them with ticks on their on side."""
    lines = _lines(partition, plane)
    few = sum(partition.network.bits_per_layer[:1]) <= _MOST_TICKS
    width, alpha = (0.9, 0.9) if few else (0.4, max(0.06, min(0.45, 100 / max(len(lines), 1))))
    drawn = LineCollection(
        [x.ends for x in lines], colors=style.HYPERPLANE, linewidths=width, alpha=alpha, zorder=2
    )
    ax.add_collection(drawn)
    ticks = (
        [[end, end + 0.045 * plane.radius * x.normal] for x in lines for end in x.ends]
        if few
        else []
    )
    ax.add_collection(
        LineCollection(ticks, colors=style.HYPERPLANE, linewidths=style.BOLD, zorder=2)
    )
    return drawn, lines


def _names(lines: Sequence[_Line], spans: Spans) -> list[Label]:
    """A label for each line, at that of its ends which is farther from the labels of arcs and other
    lines.
    """
    taken, names = [(start + end) / 2 for start, end in spans], []
    for line in lines:
        angles = [math.atan2(y, x) for x, y in line.ends]
        free = [
            min(abs((angle - other + math.pi) % (2 * math.pi) - math.pi) for other in taken)
            for angle in angles
        ]
        best = int(np.argmax(free))
        taken.append(angles[best])
        start = math.hypot(*line.ends[best])
        names.append(
            Label(line.name, angles[best], start, math.inf, style.HYPERPLANE, monospace=False)
        )
    return names


def _crossings(partition: CurvePartition, ax: Axes, plane: CirclePlane) -> Line2D:
    """Filled dots where hinges change sign, hollow diamonds where one only touches zero."""
    size = 4.2 if len(partition) <= 40 else 2.2 if len(partition) <= _MOST_DOTS else 0.0
    changing = plane.flat_points([c.angle_float for c in partition.crossings if not c.tangent])
    touching = plane.flat_points([c.angle_float for c in partition.crossings if c.tangent])
    ax.plot(
        *touching.T,
        linestyle="",
        marker="D",
        markersize=5,
        color=style.PAPER,
        markeredgecolor=style.INK,
        zorder=5,
    )
    return ax.plot(
        *changing.T,
        linestyle="",
        marker="o",
        markersize=size,
        color=style.INK,
        markeredgecolor=style.PAPER,
        markeredgewidth=0.6,
        zorder=5,
    )[0]


def _data(
    ax: Axes, plane: CirclePlane, data: np.ndarray | None, classes: Sequence[int] | None
) -> tuple[PathCollection, ...]:
    """Directions as dots just inside the ring, a class per radius."""
    if data is None:
        return ()
    flat = plane.seen(data)
    angles = np.arctan2(flat[:, 1], flat[:, 0])
    labels = np.zeros(len(flat), dtype=int) if classes is None else np.asarray(classes, dtype=int)
    return tuple(
        ax.scatter(
            *((0.91 - 0.05 * c) * plane.flat_points(angles[labels == c])).T,
            s=9,
            color=style.class_colour(c),
            marker=style.MARKERS[c % len(style.MARKERS)],
            linewidths=0,
            alpha=0.7,
            zorder=3,
            label=f"class {c}",
        )
        for c in sorted(set(labels.tolist()))
    )


def _arc_labels(partition: CurvePartition, radius: float, kind: str, spans: Spans) -> list[Label]:
    labels = []
    for region, (start, end) in zip(partition.regions, spans, strict=True):
        text = str(region.code) if kind == "codes" else str(region.index)
        labels.append(
            Label(
                text, (start + end) / 2, _RING[1] * radius, end - start, monospace=kind == "codes"
            )
        )
    listed = kind == "codes" or len(labels) <= _MOST_ROWS
    return labels if listed else sorted(labels, key=lambda label: -label.priority)[:_MOST_UNLISTED]


def _canvas(table: Table | None) -> tuple[Figure, Axes, Axes | None]:
    """A figure with the circle's axes, and beside them those of the table if there is one."""
    if table is None:
        fig, ax = style.figure(6.4, 6.4)
        return fig, ax, None
    room = table.width(5.4 * 72) / 72
    fig, (ax, side) = style.figure(6.4 + room, 6.4, 1, 2, width_ratios=(6.2, room))
    return fig, ax, side


def _title(partition: CurvePartition) -> str:
    norm = partition.network.blocks[0].norm
    if isinstance(partition.domain, Ellipse):
        return "An ellipse cut into arcs, in its parameter t"
    return (
        "A circle cut into arcs"
        if norm is None
        else f"{type(norm).__name__}'s circle, cut into arcs"
    )


def _counts(partition: CurvePartition) -> str:
    arcs, codes = partition.cell_count, partition.code_count
    crossing = len({h for c in partition.crossings if not c.tangent for h in c.hinges})
    return (
        f"{arcs} arc{'s' * (arcs != 1)} with {codes} spline code{'s' * (codes != 1)}, "
        f"exact{without_ties(partition)}; "
        f"{crossing} of "
        f"{partition.network.hinge_count} hinges change on the circle"
    )


def _meaning(partition: CurvePartition) -> str:
    return "colour: spline code" + (
        " (colours recur, never side by side)" if partition.code_count > style.DISTINCT else ""
    )


def _omitted(partition: CurvePartition, drawn: CircleArtists) -> str:
    """Which arcs have a number, when not all do."""
    count = len(drawn.labels)
    return (
        f"; numbers: the {count} longest arcs" if drawn.numbered and count < len(partition) else ""
    )


def _key(partition: CurvePartition) -> list[Artist]:
    plane = CirclePlane.of(partition)
    ticks = " (ticks: on side)" if sum(partition.network.bits_per_layer[:1]) <= _MOST_TICKS else ""
    hyperplane = Line2D(
        [], [], color=style.HYPERPLANE, linewidth=0.9, label=f"hyperplane of a neuron{ticks}"
    )
    handles: list[Artist] = [hyperplane] if _lines(partition, plane) else []
    if len(partition.crossings) and len(partition) <= _MOST_DOTS:
        handles.append(
            Line2D(
                [], [], linestyle="", marker="o", markersize=4.2, color=style.INK, label="crossing"
            )
        )
    if any(c.tangent for c in partition.crossings):
        handles.append(
            Line2D(
                [],
                [],
                linestyle="",
                marker="D",
                markersize=5,
                color=style.PAPER,
                markeredgecolor=style.INK,
                label="tangency",
            )
        )
    return handles


@figure("circle", CurvePartition)
def _of(subject: Subject) -> Make | None:
    """Arcs on a circle."""
    if subject.partition.frame.is_straight:
        return None
    title = f"Arcs of {subject.name}"
    return lambda: circle_figure(subject.partition, title=title, **subject.rows())
