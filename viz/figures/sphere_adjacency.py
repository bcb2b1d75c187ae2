"""The adjacency graph of a partitioned 2-sphere, drawn on the sphere itself, from both sides.

A node stands far inside its cell, an edge passes through the middle of the arc that two cells
share; cells that share several arcs have several edges. Cells, arcs and pairs are exact, positions
are float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from exact import InvalidInput
from exact.arithmetic.nearest import nearest_root
from exact.arithmetic.numbers import nearest_floats
from exact.regions.spheres.partition import SpherePartition
from viz import style
from viz.catalogue import Make, Subject, figure
from viz.figures.globe import area_bar, area_scale, draw_paths, sphere_counts, view_towards
from viz.hemisphere import Hemisphere
from viz.projections import outputs_on_sphere
from viz.sphere_arcs import SphereArcs

NodeColour = Literal["area", "decision"]
_STEPS, _RING = 9, 64  # points of each half of an edge; samples of a whole circle
_MANY, _MOST = 150, 5000

MOST_NODES = 1_000
"""The most cells whose nodes the command draws."""


@dataclass(frozen=True)
class SphereAdjacency:
    """What was drawn on one side: node k is cell `indices[k]`; line k of `edges` is a visible part
    of arc `arcs[k]`.
    """

    nodes: PathCollection
    indices: tuple[int, ...]
    edges: LineCollection
    arcs: tuple[int, ...]


def sphere_adjacency(
    partition: SpherePartition,
    ax: Axes,
    *,
    view: Sequence[object] | None = None,
    far: bool = False,
    colour_by: NodeColour = "area",
) -> SphereAdjacency:
    """Draw the visible half of the graph over pale arcs; `far` looks from the opposite side.

    `view` as for the globe. `colour_by`: "area", or "decision" (the largest output at the node, or
    the sign of the only one). Edges have the colour of the layer that flips. Raises InvalidInput
    beyond 5,000 cells, where nothing could be seen.
    """
    return _draw(SphereArcs.of(partition), ax, view, far, colour_by)


def _draw(
    arcs: SphereArcs, ax: Axes, view: Sequence[object] | None, far: bool, colour_by: NodeColour
) -> SphereAdjacency:
    partition, towards = arcs.partition, view_towards(arcs, view)
    if len(partition) > _MOST:
        raise InvalidInput(
            "too many cells for a graph on paper",
            value=f"{len(partition):,}",
            remedy="use partition.graph()",
        )
    half, nodes = Hemisphere.seen_from(arcs, -towards if far else towards), arcs.deepest[0]
    draw_paths(
        ax,
        [path for _, path in half.lines(front=True)],
        facecolors="none",
        edgecolors=style.HAIRLINE,
        linewidths=style.THIN,
        zorder=1,
    )
    ax.add_patch(
        Circle(
            (0, 0),
            1.0,
            facecolor=style.tint(style.SURFACE, 0.8),
            edgecolor=style.MUTED,
            linewidth=style.THIN,
            zorder=0,
        )
    )
    found = [
        (arc, line)
        for arc in range(len(arcs))
        for line in half.runs(_edge(arcs, nodes, arc), front=True)
    ]
    many = len(partition) > _MANY
    edges = LineCollection(
        [line for _, line in found],
        colors=[style.layer_colour(arcs.layers[arc]) for arc, _ in found],
        linewidths=0.5 if many else 1.0,
        capstyle="round",
        joinstyle="round",
        zorder=2,
    )
    ax.add_collection(edges, autolim=False)
    seen = np.flatnonzero(half.is_front(nodes))
    colours = node_colours(partition, nodes, colour_by)
    dots = ax.scatter(
        *half.project(nodes[seen]).T,
        s=6 if many else 26,
        color=[colours[i] for i in seen],
        zorder=3,
        edgecolors=style.INK,
        linewidths=0.2 if many else 0.5,
    )
    ax.set(xlim=(-1.03, 1.03), ylim=(-1.03, 1.03))
    ax.set_aspect("equal")
    ax.set_axis_off()
    return SphereAdjacency(dots, tuple(seen.tolist()), edges, tuple(arc for arc, _ in found))


def sphere_adjacency_figure(
    partition: SpherePartition,
    *,
    title: str = "Which cells of the sphere share an arc",
    view: Sequence[object] | None = None,
    colour_by: NodeColour = "area",
) -> Figure:
    """A complete figure of :func:`sphere_adjacency`: the half in view and the far one."""
    with style.house():
        arcs = SphereArcs.of(partition)
        fig, (near, far) = style.figure(9.6, 6.2, 1, 2)
        degree = 2 * partition.complex.arc_count / max(len(partition), 1)
        style.headline(near, title, f"{sphere_counts(partition)}\nthis side")
        style.headline(far, " ", f"{_pairs(partition)}; mean degree {degree:.3g}\nthe far side")
        for ax in (near, far):
            _draw(arcs, ax, view, ax is far, colour_by)
        area_bar(fig, far, partition, f"colour: {colour_by}")
        style.key(fig, [*_key(arcs), *(_decisions(partition) if colour_by == "decision" else [])])
    return fig


def node_colours(partition: SpherePartition, points: np.ndarray, colour_by: str) -> list[object]:
    """A colour per cell: of its area, or of the decision at a point of it."""
    if colour_by == "area":
        return list(style.sequential()(area_scale(partition)(partition.areas_float())))
    if colour_by != "decision":
        raise InvalidInput(
            "unknown colouring", value=repr(colour_by), remedy='write "area" or "decision"'
        )
    return [style.class_colour(k) for k in _decided(partition, points)]


def _decided(partition: SpherePartition, points: np.ndarray) -> list[int]:
    radius = nearest_root(partition.complex.radius_squared)
    y = radius * np.linalg.solve(partition.frame_float, points.T)
    image = np.array([nearest_floats(row) for row in partition.image.tolist()])
    outputs = outputs_on_sphere(partition.network, (image @ y).T)
    found = outputs[:, 0] > 0 if outputs.shape[1] == 1 else np.argmax(outputs, axis=1)
    return [int(k) for k in found]


def _edge(arcs: SphereArcs, nodes: np.ndarray, arc: int) -> np.ndarray:
    """Points from one cell's node over the middle of the arc to the other's (k x 3)."""
    a, b = arcs.partition.complex.arc_sides[arc]
    middle = arcs.points(arc, [0.5])[0]
    if arcs.partition.complex.arc_ends[arc, 0] < 0:
        ring = arcs.points(arc, np.arange(_RING) / _RING)
        middle = ring[int(np.argmax(ring @ (nodes[a] + nodes[b])))]
    return np.concatenate([_geodesic(nodes[a], middle), _geodesic(middle, nodes[b])[1:]])


def _geodesic(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    shares = np.linspace(0, 1, _STEPS)[:, None]
    chord = (1 - shares) * start + shares * end
    return chord / np.maximum(np.linalg.norm(chord, axis=1, keepdims=True), 1e-12)


def _pairs(partition: SpherePartition) -> str:
    """How many pairs of cells there are, and how many of them share several arcs."""
    pairs, counts = np.unique(np.sort(partition.neighbours(), axis=1), axis=0, return_counts=True)
    several = int((counts > 1).sum())
    return f"{len(pairs):,} pairs share an arc" + (
        f", {several:,} of them several" if several else ""
    )


def _key(arcs: SphereArcs) -> list[Artist]:
    names = {
        layer: f"flips in layer {layer}" if layer else "flips in several layers"
        for layer in sorted(set(arcs.layers))
    }
    return [
        Line2D([], [], color=style.layer_colour(k), linewidth=style.LINE, label=name)
        for k, name in names.items()
    ]


def _decisions(partition: SpherePartition) -> list[Artist]:
    outputs = partition.network.output_dim
    names = (
        ["output ≤ 0", "output > 0"]
        if outputs == 1
        else [f"largest output: {k}" for k in range(outputs)]
    )
    return [
        Line2D([], [], linestyle="", marker="o", color=style.class_colour(k), label=name)
        for k, name in enumerate(names)
    ]


@figure("adjacency", SpherePartition)
def _of(subject: Subject) -> Make | None:
    """Which cells of a 2-sphere share an arc, for so few that their nodes can be told apart."""
    if len(subject.partition) > MOST_NODES:
        return None
    title = f"Which cells of {subject.name} share an arc"
    return lambda: sphere_adjacency_figure(subject.partition, title=title)
