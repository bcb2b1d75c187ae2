"""The whole of a 2-sphere in one plane: stereographic projection from inside a large cell, in which
circles stay circles.

The centre of projection is far inside the largest cell, which becomes the outside of the map; all
other cells are bounded. Angles are kept, areas are not: a point at distance |p| from the middle is
enlarged by (1 + |p|^2) / 2. Arcs and cells are those of the partition; the map is float64, its arcs
cubic Bézier curves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.text import Text

from exact.regions.spheres.partition import SpherePartition
from viz import style
from viz.catalogue import Make, Subject, figure
from viz.curves_in_plane import Piece, closed_path, open_path
from viz.figures.globe import (
    ColourBy,
    Labels,
    arc_lines,
    area_bar,
    cell_colours,
    draw_paths,
    fits,
    label_kind,
    line_handles,
    sphere_counts,
    sphere_rows,
    sphere_title,
)
from viz.figures.polytopes import class_handles
from viz.labels import size_in_points
from viz.sphere_arcs import SphereArcs, tangents

_FARTHEST = 4.0  # the map shows |p| up to this
_MARGIN = 1.12
_SAME = (
    1e-7  # radians: spans closer to a full turn than this are empty, unless the arc itself is long
)
_MOST_LABELS = 120


@dataclass(frozen=True)
class Stereographic:
    """The projection of the unit sphere from the unit vector `centre`; `right` and `up` are the
    axes of the map.

    The sphere keeps its orientation: the left of an arc, seen from outside, is its left in the map.
    """

    arcs: SphereArcs
    centre: np.ndarray
    right: np.ndarray
    up: np.ndarray

    @classmethod
    def from_inside(cls, arcs: SphereArcs, cell: int) -> Stereographic:
        """The projection from a point far inside a cell."""
        walks = arcs.walks[cell]
        centre, _ = arcs.deep_point([(half, 0.5) for walk in walks for half in walk])
        right, up = tangents(-centre)
        return cls(arcs, centre, right, up)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points of the unit sphere (k x 3) in the map (k x 2)."""
        return points @ np.column_stack([self.right, self.up]) / (1 - points @ self.centre)[:, None]

    def piece(self, arc: int) -> Piece:
        """An arc of the map: `a . u = h` is the circle (a.c - h) |p|^2 + 2 a.p = a.c + h."""
        arcs, c = self.arcs, self.arcs.circle[arc]
        axis, height = arcs.axis[c], arcs.height[c]
        # not zero: the centre of projection is inside a cell
        across = float(axis @ self.centre) - float(height)
        middle = -np.array([axis @ self.right, axis @ self.up]) / across
        radius = math.sqrt(max(1 - float(height) ** 2, 0.0)) / abs(across)
        begin, end = (
            math.atan2(*(point - middle)[::-1]) for point in self.project(arcs.points(arc, [0, 1]))
        )
        # the positive side is on the left
        turn = (end - begin if across < 0 else begin - end) % (2 * math.pi)
        if arcs.partition.complex.arc_ends[arc, 0] == arcs.partition.complex.arc_ends[arc, 1]:
            turn = 2 * math.pi
        elif turn > 2 * math.pi - _SAME and arcs.turn[arc] < 1:
            turn = 0.0
        first, second = np.array([radius, 0.0]), np.array([0.0, radius])
        return Piece(middle, first, second, begin, begin + (turn if across < 0 else -turn))

    def enlargement(self, point: np.ndarray) -> float:
        """How much longer a short line at a point of the sphere is in the map."""
        return 1 / (1 - float(point @ self.centre))


@dataclass(frozen=True)
class StereographicArtists:
    """What was drawn: path k of `cells` is cell `indices[k]`, the first one the outer cell; path e
    of `lines` is arc e.
    """

    projection: Stereographic
    cells: PathCollection
    indices: tuple[int, ...]
    lines: PathCollection
    labels: tuple[Text, ...]
    points: tuple[PathCollection, ...]
    meaning: str
    reach: float


def stereographic(
    partition: SpherePartition,
    ax: Axes,
    *,
    centre: int | None = None,
    colour_by: ColourBy = "auto",
    labels: Labels = "auto",
    data: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
) -> StereographicArtists:
    """Draw all cells of a partitioned 2-sphere in one plane.

    `centre` is the cell that becomes the outside (None: the largest). `colour_by`, `labels` and
    `data` as for the globe. Labels are placed for the present size of the axes. Raises InvalidInput
    for what is no 2-sphere.
    """
    arcs = SphereArcs.of(partition)
    outer = (
        int(np.argmax(partition.areas_float())) if centre is None else range(len(partition))[centre]
    )
    projection = Stereographic.from_inside(arcs, outer)
    pieces = [projection.piece(arc) for arc in range(len(arcs))]
    colours, meaning = cell_colours(partition, colour_by)
    reach = _reach(pieces)
    rest = [index for index in range(len(partition)) if index != outer]
    paths = [
        _outer_path(_loops(arcs, pieces, outer), reach),
        *(closed_path(_loops(arcs, pieces, i)) for i in rest),
    ]
    indices = (outer, *rest)
    cells = draw_paths(ax, paths, facecolors=[colours[i] for i in indices], linewidths=0, zorder=1)
    lines, _ = arc_lines(ax, arcs, [(arc, open_path([piece])) for arc, piece in enumerate(pieces)])
    _axes(ax, reach)
    points = _data(ax, projection, data, classes)
    texts = _labels(ax, projection, outer, label_kind(partition, labels), reach)
    return StereographicArtists(projection, cells, indices, lines, texts, points, meaning, reach)


def stereographic_figure(
    partition: SpherePartition,
    *,
    title: str | None = None,
    centre: int | None = None,
    colour_by: ColourBy = "auto",
    labels: Labels = "auto",
    data: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
    class_names: Sequence[str] = (),
) -> Figure:
    """A complete figure of :func:`stereographic`."""
    with style.house():
        arcs = SphereArcs.of(partition)
        fig, ax = style.figure(6.2, 6.9)
        below = style.headline(
            ax, title or f"{sphere_title(partition)}, as a map", f"{sphere_counts(partition)}\n \n "
        )
        equator = Line2D(
            [],
            [],
            color=style.MUTED,
            linewidth=style.THIN,
            linestyle=":",
            label="|p| = 1: half the sphere",
        )
        handles = class_handles(classes if data is not None else None, class_names)
        style.key(fig, [*line_handles(arcs, hidden=False), equator, *handles], columns=3)
        drawn = stereographic(
            partition,
            ax,
            centre=centre,
            colour_by=colour_by,
            labels=labels,
            data=data,
            classes=classes,
        )
        outside = f"projected from inside cell {drawn.indices[0]}, which is all around"
        below.set_text(f"{sphere_counts(partition)}\n{drawn.meaning}\n{outside}{_beyond(drawn)}")
        area_bar(fig, ax, partition, drawn.meaning)
    return fig


def _loops(arcs: SphereArcs, pieces: Sequence[Piece], cell: int) -> list[list[Piece]]:
    return [
        [pieces[h >> 1].reverse if h & 1 else pieces[h >> 1] for h in walk]
        for walk in arcs.walks[cell]
    ]


def _reach(pieces: Sequence[Piece]) -> float:
    """Half the width of the map: all arcs, as far as they are not farther out than the map goes."""
    ends = [np.abs(open_path([piece]).vertices).max() for piece in pieces]
    return float(np.clip(_MARGIN * max(ends, default=1.0), _MARGIN, _FARTHEST))


def _outer_path(loops: list[list[Piece]], reach: float) -> Path:
    """A square around everything, with holes: all boundaries of the outer cell run clockwise."""
    far = max([2 * reach, *(2 * float(np.abs(open_path(loop).vertices).max()) for loop in loops)])
    square = Path(far * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]), [1, 2, 2, 2, 79])
    return Path.make_compound_path(square, closed_path(loops)) if loops else square


def _axes(ax: Axes, reach: float) -> None:
    turns = np.linspace(0, 2 * math.pi, 181)
    ax.plot(
        np.cos(turns),
        np.sin(turns),
        color=style.MUTED,
        linewidth=style.THIN,
        linestyle=":",
        zorder=5,
    )
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="p₁", ylabel="p₂")
    ax.set_aspect("equal")
    ax.xaxis.set_major_locator(style.few_ticks())
    ax.yaxis.set_major_locator(style.few_ticks())
    ax.spines[:].set_visible(True)


def _beyond(drawn: StereographicArtists) -> str:
    """What part of the sphere the frame shows, when it cuts arcs off."""
    if drawn.reach < _FARTHEST:
        return ""
    return (
        f"; the frame holds more than "
        f"{math.floor(100 * drawn.reach**2 / (1 + drawn.reach**2))}% of the sphere"
    )


def _labels(
    ax: Axes, projection: Stereographic, outer: int, kind: str, reach: float
) -> tuple[Text, ...]:
    """A label in every bounded cell that has room for it, and that of the outer cell in a
    corner.
    """
    if kind == "none":
        return ()
    partition, (deep, depth) = projection.arcs.partition, projection.arcs.deepest
    scale = min(size_in_points(ax)) / 2 / reach
    texts = [
        str(partition.code_of(i)) if kind == "codes" else str(i) for i in range(len(partition))
    ]
    flat = projection.project(
        np.where(np.arange(len(deep))[:, None] == outer, -projection.centre, deep)
    )
    room = [
        0.0 if i == outer else depth[i] * projection.enlargement(deep[i]) * scale
        for i in range(len(partition))
    ]
    order = np.argsort(-np.array(room)).tolist()[:_MOST_LABELS]
    shown = [i for i in order if fits(texts[i], room[i]) and np.abs(flat[i]).max() < 0.9 * reach]
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
    ]
    corner = ax.annotate(
        f"outside: {texts[outer]}",
        (1, 1),
        (-4, -4),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=style.SMALL,
        family=style.MONOSPACE,
        ha="right",
        va="top",
        zorder=7,
        bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
    )
    return (corner, *written)


def _data(
    ax: Axes, projection: Stereographic, data: np.ndarray | None, classes: Sequence[int] | None
) -> tuple[PathCollection, ...]:
    if data is None:
        return ()
    flat = projection.project(projection.arcs.unit(data))
    labels = np.zeros(len(flat), dtype=int) if classes is None else np.asarray(classes, dtype=int)
    return tuple(
        ax.scatter(
            *flat[labels == c].T,
            s=11,
            color=style.class_colour(c),
            marker=style.MARKERS[c % len(style.MARKERS)],
            edgecolors=style.PAPER,
            linewidths=0.3,
            zorder=5,
        )
        for c in sorted(set(labels.tolist()))
    )


@figure("stereographic", SpherePartition)
def _of(subject: Subject) -> Make:
    """A 2-sphere as a map."""
    title, rows = f"Cells of {subject.name}, as a map", sphere_rows(subject)
    return lambda: stereographic_figure(subject.partition, title=title, **rows)
