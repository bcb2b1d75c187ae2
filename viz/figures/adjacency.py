"""The adjacency graph of a partition, drawn over its regions: who shares a facet with whom, and
which layer flips there.

The graph comes from exact facets. A node is drawn at the centre of its polygon, an edge passes
through the middle of the shared facet; these positions are float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from exact import Box, Hinge
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.partition import FlatPartition
from viz import style
from viz.catalogue import Make, Subject, figure
from viz.figures.circle import circle_axes
from viz.figures.polytopes import check_flat, count_of, fit_height, frame
from viz.labels import without_ties
from viz.outlines import Outlines
from viz.projections import CirclePlane

_NEAR = 1e-9  # of the region's size: how far float corners may lie off an exact hyperplane


@dataclass(frozen=True)
class Adjacency:
    """What was drawn: node k of `nodes` is region `indices[k]`; line k of `edges` joins `pairs[k]`,
    flipping `layers[k]`.
    """

    nodes: PathCollection
    indices: tuple[int, ...]
    edges: LineCollection
    pairs: tuple[tuple[int, int], ...]
    layers: tuple[int, ...]
    regions: PolyCollection | None = None


def adjacency(
    partition: FlatPartition, ax: Axes, *, clip: Box | None = None, graph: Any = None
) -> Adjacency:
    """Draw the graph of a two-dimensional partition over its polygons.

    Edges have the colour of the layer whose hinge flips (ink where several layers flip at once).
    Regions and facets outside `clip` are left out. `graph` spares the time of `partition.graph()`
    when it is at hand.
    """
    check_flat(partition)
    seen = Outlines.of(partition, clip)
    indices, corners = seen.indices, dict(zip(seen.indices, seen.corners, strict=True))
    centres = dict(zip(indices, seen.centres, strict=True))
    regions = PolyCollection(
        list(corners.values()),
        facecolor=style.tint(style.SURFACE, 0.75),
        edgecolor=style.HAIRLINE,
        linewidth=style.THIN,
        zorder=1,
    )
    ax.add_collection(regions)
    joined = (graph if graph is not None else partition.graph()).edges(data="flipped")
    found = [
        (a, b, _layer(flipped), middle)
        for a, b, flipped in joined
        if a in corners and b in corners
        for middle in _facet_middles(partition, a, b, corners[a])
    ]
    lines = [np.array([centres[a], middle, centres[b]]) for a, b, _, middle in found]
    layers = tuple(layer for _, _, layer, _ in found)
    edges, nodes = _draw(ax, lines, layers, np.array([centres[i] for i in indices]).reshape(-1, 2))
    frame(ax, partition, seen)
    return Adjacency(nodes, indices, edges, tuple((a, b) for a, b, *_ in found), layers, regions)


def adjacency_ring(partition: CurvePartition, ax: Axes) -> Adjacency:
    """Draw the graph of a partitioned circle as a ring: a node per arc at its middle, an edge
    through each crossing.

    Dotted chords join arcs of equal code: one code can own several cells of a circle.
    """
    plane = CirclePlane.of(partition)
    radius = plane.radius
    middles = [sum(region.parameters_float) / 2 for region in partition.regions]
    found = [
        (a, b, _layer(data["flipped"]), _bow(middles[a], middles[b], data["position"], radius))
        for a, b, data in partition.graph().edges(data=True)
    ]
    layers = tuple(layer for _, _, layer, _ in found)
    points = _on_circle(radius, middles)
    chords = [points[[a, b]] for a, b in _equal_codes(partition)]
    ax.add_collection(
        LineCollection(chords, colors=style.MUTED, linewidths=style.THIN, linestyles=":", zorder=1)
    )
    edges, nodes = _draw(ax, [line for *_, line in found], layers, points)
    circle_axes(ax, plane)
    ax.set(
        xlim=(-1.12 * radius, 1.12 * radius), ylim=(-1.12 * radius, 1.12 * radius), aspect="equal"
    )
    return Adjacency(
        nodes, tuple(range(len(partition))), edges, tuple((a, b) for a, b, *_ in found), layers
    )


def adjacency_figure(
    partition: FlatPartition | CurvePartition,
    *,
    title: str = "Which regions share a facet",
    clip: Box | None = None,
    graph: Any = None,
) -> Figure:
    """A complete figure of :func:`adjacency`, or for circles of :func:`adjacency_ring`."""
    with style.house():
        fig, ax = style.figure(5.6, 6.4)
        drawn, what, handles = _drawn(partition, ax, clip, graph)
        degree = 2 * len(drawn.pairs) / max(len(drawn.indices), 1)
        style.headline(
            ax,
            title,
            f"{what}; {len(drawn.pairs):,} edges drawn\nmean degree {degree:.3g} in this picture",
        )
        style.key(fig, [*_key(drawn.layers), *handles])
        fit_height(fig, ax)
    return fig


@singledispatch
def _drawn(
    partition: CurvePartition, ax: Axes, clip: Box | None, graph: Any
) -> tuple[Adjacency, str, list[Artist]]:
    """What is drawn, how many regions it has in words, and what the key says of it: here, of a
    circle.
    """
    drawn = adjacency_ring(partition, ax)
    handles = [_chord_handle()] if partition.code_count < len(partition) else []
    return drawn, f"{len(partition):,} arcs, exact{without_ties(partition)}", handles


@_drawn.register
def _(
    partition: FlatPartition, ax: Axes, clip: Box | None, graph: Any
) -> tuple[Adjacency, str, list[Artist]]:
    drawn = adjacency(partition, ax, clip=clip, graph=graph)
    return drawn, count_of(partition, len(drawn.indices)), []


def _layer(flipped: Iterable[Hinge]) -> int:
    """The layer of the flipped hinges; 0 when several layers flip at once."""
    layers = {hinge.layer for hinge in flipped}
    return layers.pop() if len(layers) == 1 else 0


def _facet_middles(
    partition: FlatPartition, a: int, b: int, corners: np.ndarray
) -> list[np.ndarray]:
    """The middles of the facets of region a behind which b lies, as far as they are inside the
    window.
    """
    near, middles = _NEAR * float(np.ptp(corners, axis=0).max()), []
    for facet in partition.regions[a].facets:
        if facet.neighbour == b:
            largest = max(map(abs, facet.hyperplane[:2]))
            row = np.array([x / largest for x in facet.hyperplane])
            on_it = corners[np.abs(corners @ row[:2] + row[2]) < near]
            middles += [on_it.mean(axis=0)] if len(on_it) >= 2 else []
    return middles


def _on_circle(radius: float, angles: Sequence[float] | np.ndarray) -> np.ndarray:
    return radius * np.column_stack([np.cos(angles), np.sin(angles)])


def _bow(first: float, second: float, position: float, radius: float) -> np.ndarray:
    """The arc between the middles of two cells that passes the crossing at `position`."""
    turn = (second - first) % (2 * math.pi) or 2 * math.pi
    if (position - first) % (2 * math.pi) > turn:
        first, turn = second, 2 * math.pi - turn
    return _on_circle(radius, first + turn * np.linspace(0, 1, 2 + int(60 * turn)))


def _equal_codes(partition: CurvePartition) -> list[tuple[int, int]]:
    """Each arc with the next one of the same code."""
    last: dict[bytes, int] = {}
    pairs = []
    for index, row in enumerate(partition.codes):
        if row.tobytes() in last:
            pairs.append((last[row.tobytes()], index))
        last[row.tobytes()] = index
    return pairs


def _draw(
    ax: Axes, lines: Sequence[np.ndarray], layers: Sequence[int], points: np.ndarray
) -> tuple[LineCollection, PathCollection]:
    """Edges in the colours of their layers, nodes on top of them."""
    many = len(points) > 150
    edges = LineCollection(
        lines,
        colors=[style.layer_colour(k) for k in layers],
        linewidths=0.9 if many else style.LINE,
        capstyle="round",
        joinstyle="round",
        zorder=2,
    )
    ax.add_collection(edges)
    nodes = ax.scatter(
        *points.T,
        s=5 if many else 20,
        color=style.INK,
        edgecolors=style.PAPER,
        linewidths=0.5,
        zorder=3,
    )
    return edges, nodes


def _key(layers: Sequence[int]) -> list[Artist]:
    """One line per layer that occurs."""
    names = {
        layer: f"flips in layer {layer}" if layer else "flips in several layers"
        for layer in sorted(set(layers))
    }
    return [
        Line2D([], [], color=style.layer_colour(k), linewidth=style.LINE, label=name)
        for k, name in names.items()
    ]


def _chord_handle() -> Artist:
    return Line2D([], [], color=style.MUTED, linewidth=style.THIN, linestyle=":", label="same code")


@figure("adjacency", FlatPartition)
def _polygons(subject: Subject) -> Make:
    """Which regions of a box or plane share a facet."""
    title = f"Which regions of {subject.name} share a facet"
    return lambda: adjacency_figure(subject.partition, title=title)


@figure("adjacency", CurvePartition)
def _ring(subject: Subject) -> Make | None:
    """Which arcs of a circle touch."""
    if subject.partition.frame.is_straight:
        return None
    return lambda: adjacency_figure(subject.partition, title=f"Which arcs of {subject.name} touch")
