"""The same input plane without and with LayerNorm: polygons on the left, angular sectors on the
right.

Points of the plane enter as E x + e in R^n; behind the norm only the direction of P(E x + e)
matters, far enough out that eps does not. Where the norm's image is a plane (LayerNorm in R^3,
RMSNorm in R^2) the map x -> P(E x + e) is an affine bijection of planes, so an arc of the circle is
the cone of its preimages, with the apex x0 where P(E x0 + e) = 0. The arcs are exact; the cones are
drawn in float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.figure import Figure

from exact import Box, Ellipse, InvalidInput
from exact.arithmetic.numbers import nearest_floats
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.partition import FlatPartition
from viz import style
from viz.catalogue import Make, Subject, figure
from viz.decision import angles_on_arc
from viz.figures.circle import arc_colours
from viz.figures.polytopes import (
    class_handles,
    count_of,
    decision_handle,
    decision_lines,
    fit_height,
    polytopes,
    scatter,
)
from viz.labels import without_ties
from viz.projections import CirclePlane, image_basis

_STEPS_PER_TURN = 360
_ASIDE = 1e-9  # of the embedding: how far its image may lie off the plane of the circle


@dataclass(frozen=True)
class Sectors:
    """What was drawn: path k of `cones` is a visible part of arc `indices[k]`; `apex` is x0."""

    cones: PolyCollection
    indices: tuple[int, ...]
    apex: np.ndarray
    points: tuple[PathCollection, ...]
    decision: LineCollection | None


@dataclass(frozen=True)
class _PlaneMap:
    """x -> linear x + offset, from the input plane to the plane of the circle."""

    linear: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, plane: CirclePlane, embedding: tuple[np.ndarray, np.ndarray]) -> _PlaneMap:
        E, e = (np.asarray(part, dtype=np.float64) for part in embedding)
        n = plane.axes.shape[1]
        if E.shape != (n, 2) or e.shape != (n,):
            raise InvalidInput(
                "the embedding does not fit the norm",
                value=f"E {E.shape}, e {e.shape}",
                remedy=f"give E as ({n}, 2) and e as ({n},)",
            )
        linear = plane.axes @ E
        if np.linalg.matrix_rank(linear) < 2:
            raise InvalidInput(
                "the embedding maps the plane to a line of directions",
                value=E.tolist(),
                remedy="give an embedding whose columns stay independent under P",
            )
        return cls(linear, plane.axes @ e)

    @property
    def apex(self) -> np.ndarray:
        return -np.linalg.solve(self.linear, self.offset)

    def directions(self, angles: Sequence[float]) -> np.ndarray:
        """Directions in the input plane of angles on the circle, as angles there."""
        back = np.linalg.solve(self.linear, np.array([np.cos(angles), np.sin(angles)]))
        return np.arctan2(back[1], back[0])


def sectors(
    partition: CurvePartition,
    ax: Axes,
    embedding: tuple[np.ndarray, np.ndarray],
    window: Box,
    *,
    data: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
    decision: bool = False,
) -> Sectors:
    """Draw the sectors that the arcs of a partitioned circle cut out of the input plane.

    `embedding` is (E, e) with E (n x 2) and e (n,), `window` a Box of the plane, `data` (k x 2)
    points of it. Equal codes have equal colours. Raises InvalidInput for embeddings that lose a
    dimension.
    """
    plane = CirclePlane.of(partition)
    _check_image(partition, plane, embedding)
    chart = _PlaneMap.of(plane, embedding)
    view = shapely.box(*nearest_floats([*window.lo, *window.hi]))
    shapes = [_cone(chart, view, *region.parameters_float) for region in partition.regions]
    drawn = [(i, part) for i, shape in enumerate(shapes) for part in _parts(shape)]
    indices, colours = tuple(i for i, _ in drawn), arc_colours(partition)
    cones = PolyCollection(
        [np.array(part.exterior.coords)[:-1] for _, part in drawn],
        edgecolors=style.INK,
        facecolors=[style.tint(colours[i], style.SOFT) for i in indices],
        linewidths=0.25 if len(drawn) > 300 else 0.5,
        zorder=1,
    )
    ax.add_collection(cones)
    lines = _decision(partition, chart, view, ax) if decision else None
    points = scatter(ax, data, classes)
    left, bottom, right, top = view.bounds
    ax.set(xlim=(left, right), ylim=(bottom, top), xlabel="input x₁", ylabel="input x₂")
    ax.set_aspect("equal")
    ax.spines[:].set_visible(True)
    return Sectors(cones, indices, chart.apex, points, lines)


def sectors_figure(
    without: FlatPartition,
    behind: CurvePartition,
    embedding: tuple[np.ndarray, np.ndarray],
    *,
    title: str = "The same task without and with LayerNorm",
    window: Box | None = None,
    data: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
    class_names: Sequence[str] = (),
    decision: bool = False,
) -> Figure:
    """A complete figure: the polygons of `without` beside the sectors of `behind`, in one window.

    `without` is a partition of a two-dimensional Box or RealSpace, `behind` that of the Sphere
    after the embedding. Without `window` the domain of `without` is used, which then must be a Box.
    """
    if window is None and not isinstance(without.domain, Box):
        raise InvalidInput(
            "the window is not known", value=without.domain, remedy="give window=Box(lo, hi, dim=2)"
        )
    view = window if window is not None else without.domain
    with style.house():
        fig, (left, right) = style.figure(9.6, 5.6, 1, 2, sharex=True, sharey=True)
        flat = polytopes(without, left, clip=view, data=data, classes=classes, decision=decision)
        sectors(behind, right, embedding, view, data=data, classes=classes, decision=decision)
        style.headline(
            left,
            "Without norm: polygons",
            f"{count_of(without, len(flat.indices))}\n{flat.meaning}",
        )
        codes = (
            f"{len(behind)} arcs with {behind.code_count} spline codes, exact{without_ties(behind)}"
        )
        style.headline(
            right, "With norm: sectors", f"{codes}\ncolour: spline code; limit of small ε"
        )
        fig.suptitle(title, x=0.01, ha="left", fontsize=style.HEADING + 1, fontweight="bold")
        right.label_outer()
        fit_height(fig, left, panels=2, extra=0.35)
        handles = class_handles(classes if data is not None else None, class_names)
        style.key(fig, [*handles, *([decision_handle()] if decision else [])])
    return fig


def _check_image(
    partition: CurvePartition, plane: CirclePlane, embedding: tuple[np.ndarray, np.ndarray]
) -> None:
    """The norm must take the embedded plane to the plane of the circle: all of its image, or that
    of a GreatCircle.
    """
    norm = partition.network.blocks[0].norm
    if norm is None:
        raise InvalidInput(
            "the norm's image is no plane",
            value=norm,
            remedy="use LayerNorm in R^3 or RMSNorm in R^2",
        )
    if norm.sphere_dim == 1:
        return
    basis = image_basis(norm)
    columns = np.column_stack([np.asarray(part, dtype=np.float64) for part in embedding])
    image = columns.T @ basis.T @ basis
    aside = image - image @ plane.axes.T @ plane.axes
    if np.abs(aside).max() > _ASIDE * np.abs(image).max():
        raise InvalidInput(
            "the norm's image is no plane, nor that of the embedded one the circle's",
            value=norm,
            remedy="use LayerNorm in R^3 or RMSNorm in R^2, or embed with u and v of a GreatCircle",
        )


def _radius(chart: _PlaneMap, view: shapely.Polygon) -> float:
    """Twice the distance from the apex to the farthest corner of the window."""
    return 2 * float(np.linalg.norm(np.array(view.exterior.coords) - chart.apex, axis=1).max())


def _cone(chart: _PlaneMap, view: shapely.Polygon, start: float, end: float) -> shapely.Geometry:
    """The preimage of an arc inside the window: a fan of directions from the apex."""
    if end - start >= 2 * math.pi:
        return view
    first, last = chart.directions([start, end])
    turn = math.copysign(1.0, float(np.linalg.det(chart.linear)))
    sweep = (turn * (last - first)) % (2 * math.pi)
    # a linear map keeps half-turns: only rounding can leave their side
    if (sweep > math.pi) != (end - start > math.pi):
        sweep = 0.0 if end - start < math.pi / 2 else math.pi
    angles = first + turn * np.linspace(0, sweep, 2 + int(sweep / (2 * math.pi) * _STEPS_PER_TURN))
    rim = chart.apex + _radius(chart, view) * np.column_stack([np.cos(angles), np.sin(angles)])
    return shapely.Polygon([chart.apex, *rim]).intersection(view)


def _parts(shape: shapely.Geometry) -> list[shapely.Polygon]:
    """The polygons of a clipped cone: none, one, or two when a reflex cone leaves the window on
    both sides.
    """
    return [
        part
        for part in getattr(shape, "geoms", [shape])
        if part.geom_type == "Polygon" and part.area > 0
    ]


def _decision(
    partition: CurvePartition, chart: _PlaneMap, view: shapely.Polygon, ax: Axes
) -> LineCollection:
    """Rays from the apex where the decision changes."""
    plane, pieces = CirclePlane.of(partition), []
    for region in partition.regions:
        if region.affine.skip:
            raise InvalidInput(
                "a residual block's output depends on more than the direction",
                value="residual=True",
                remedy="draw it with decision=False",
            )
        matrix, offset = region.affine.float64()
        rows = np.column_stack([matrix @ plane.axes.T, offset])
        pieces += [
            _ray(chart, view, angle)
            for angle in angles_on_arc(*region.parameters_float, plane.radius, rows)
        ]
    return decision_lines([piece for piece in pieces if len(piece) == 2], ax)


def _ray(chart: _PlaneMap, view: shapely.Polygon, angle: float) -> np.ndarray:
    """The visible part of the ray whose points have this angle on the circle."""
    (direction,) = chart.directions([angle])
    tip = chart.apex + _radius(chart, view) * np.array([math.cos(direction), math.sin(direction)])
    return np.array(shapely.LineString([chart.apex, tip]).intersection(view).coords)


@figure("sectors", CurvePartition)
def _of(subject: Subject) -> Make | None:
    """The sectors of the input plane where an affine embedding of it stands in front of a norm
    whose image is a plane.
    """
    layers = [layer for block in subject.before for layer in block.layers]
    norm = subject.partition.network.blocks[0].norm
    if (
        len(layers) != 1
        or layers[0].bits
        or layers[0].weight.shape[1] != 2
        or norm is None
        or norm.sphere_dim != 1
        or subject.partition.frame.is_straight
        or isinstance(subject.partition.domain, Ellipse)
    ):
        return None
    embedding = layers[0].weight.float64(), layers[0].bias.float64()[:, 0]
    return lambda: _alone(subject, embedding)


@style.house()
def _alone(subject: Subject, embedding: tuple[np.ndarray, np.ndarray]) -> Figure:
    rows = subject.rows_in_front()
    fig, ax = style.figure(5.6, 6.0)
    sectors(subject.partition, ax, embedding, Box(-1, 1, dim=2), decision=True, **rows)
    style.headline(
        ax,
        f"Sectors of {subject.name}",
        f"{len(subject.partition)} arcs, exact; colour: spline code; limit of small ε",
    )
    style.key(fig, [*class_handles(rows.get("classes")), decision_handle()])
    return fig
