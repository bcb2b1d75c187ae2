"""A norm with eps > 0 in its plane: the open disc of its image, cut into cells, inside the circle
that eps = 0 leaves.

On the left the disc |y|^2 < n with a colour per spline code, the lines of the first layer, and
around it the arcs of the circle in the same colours: a cell that reaches the circle is an arc of
it, the others are only seen by inputs of small norm. On the right, for every direction, the
critical radius |P x| beyond which its code stays the same, for eps under the root and beside it
(`exact.instruments.critical_radii`). The cells and arcs are exact, the drawing is float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import shapely
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Wedge

from exact import InvalidInput, Network, Sphere, SplineCode, partition
from exact.arithmetic.numbers import nearest_float, nearest_floats, rational
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
from exact.instruments.critical_radii import critical_radii
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.norm_ball import NormBallPartition, input_radius_squared
from viz import style
from viz.catalogue import Make, Subject, figure
from viz.figures.circle import circle_axes
from viz.labels import without_ties
from viz.projections import CirclePlane

_TURN = (
    720  # sides of the polygon drawn for the disc, and directions of the curves of one hidden layer
)
_FEW = 360  # directions of the curves of deeper networks, one exact line each
_BESIDE = 2.0**-16  # radians from the end of an arc to the directions drawn beside it
_RING = (1.03, 1.1)  # inner and outer edge of the arcs, in radii
_FARTHEST = 0.85  # the share of the finite critical radii that the polar panel shows


@dataclass(frozen=True)
class NormBallArtists:
    """What was drawn: polygon k is cell `indices[k]` (cells too small for floats have none), the
    ring, lines and curves.
    """

    cells: PolyCollection
    indices: tuple[int, ...]
    ring: PatchCollection
    lines: LineCollection


def norm_ball(ball: NormBallPartition, arcs: CurvePartition, ax: Axes) -> NormBallArtists:
    """Draw the cells of a two-dimensional ball and, around it, the arcs of the circle of the same
    network.

    `arcs` is `partition(network, Sphere())`. Raises InvalidInput for balls of other dimensions and
    for arcs of another network.
    """
    _check(ball, arcs)
    plane = CirclePlane.of(arcs)
    circle_axes(ax, plane)
    keys = [ball.code_of(i) for i in range(len(ball))]
    colours = dict(zip(keys, style.distinct_colours(keys, ball.neighbours().tolist()), strict=True))
    shapes = [_cell(ball, plane, i) for i in range(len(ball))]
    drawn = [(i, part) for i, shape in enumerate(shapes) if (part := _polygon(shape)) is not None]
    cells = PolyCollection(
        [np.array(part.exterior.coords)[:-1] for _, part in drawn],
        edgecolors=style.PAPER,
        linewidths=0.3,
        facecolors=[style.tint(colours[keys[i]], style.SOFT) for i, _ in drawn],
        zorder=1,
    )
    ax.add_collection(cells)
    ring = ax.add_collection(
        PatchCollection(_ring(arcs, plane, colours), match_original=True, zorder=3)
    )
    lines = _lines(ball, plane)
    ax.add_collection(lines)
    reach = 1.16 * plane.radius
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
    ax.set_aspect("equal")
    return NormBallArtists(cells, tuple(i for i, _ in drawn), ring, lines)


def critical_curve(network: Network, arcs: CurvePartition, ax: Axes) -> tuple[Line2D, ...]:
    """Draw the critical radius of every direction of the circle into polar axes, for both eps
    rules; returns the two curves.

    A direction that never flips is at the centre. Where an arc ends a neuron flips arbitrarily far
    out, on one side of that direction: there the curve leaves the panel, and is interrupted.
    """
    plane, ends = (
        CirclePlane.of(arcs),
        np.array([c.angle_float for c in arcs.crossings if not c.tangent]),
    )
    count = _TURN if len(network.hidden_layers) == 1 else _FEW
    angles = np.sort(
        np.concatenate([2 * math.pi * np.arange(count + 1) / count, ends - _BESIDE, ends + _BESIDE])
    )
    radii = _radii(network, plane.points(angles))
    shown = np.concatenate([values[np.isfinite(values) & (values > 0)] for values in radii])
    limit = 1.15 * float(np.quantile(shown, _FARTHEST)) if len(shown) else 1.0
    order = np.argsort(np.concatenate([angles, ends]), kind="stable")
    curves = tuple(
        ax.plot(
            np.concatenate([angles, ends])[order],
            np.concatenate([values, np.full(len(ends), np.nan)])[order],
            color=style.series_colour(k),
            linewidth=style.LINE,
            linestyle=("-", "--")[k],
            zorder=3,
        )[0]
        for k, values in enumerate(radii)
    )
    ax.set_ylim(0, limit)
    ax.set_xticks((2 * np.arange(4) + 1) * math.pi / 4, ["45°", "135°", "225°", "315°"])
    ax.yaxis.set_major_locator(style.few_ticks())
    longest = max(
        (region.parameters_float for region in arcs.regions), key=lambda span: span[1] - span[0]
    )
    ax.set_rlabel_position(math.degrees(sum(longest) / 2))
    ax.grid(visible=True)
    ax.spines[:].set_color(style.HAIRLINE)
    return curves


def norm_ball_figure(
    ball: NormBallPartition, arcs: CurvePartition, *, title: str | None = None
) -> Figure:
    """A complete figure: :func:`norm_ball` on the left, :func:`critical_curve` on the right."""
    with style.house():
        fig, (left, right) = style.figure(11.0, 5.8, 1, 2)
        right.remove()
        right = fig.add_subplot(1, 2, 2, projection="polar")
        norm_ball(ball, arcs, left)
        critical_curve(ball.network, arcs, right)
        inner = sum(not ball.radii(i).on_sphere for i in range(len(ball)))
        style.headline(
            left,
            title or f"{type(ball.norm).__name__}'s ball, ε > 0, inside its circle, ε = 0",
            f"{len(ball)} cells of the disc |y| < √{ball.norm.dim}, exact{without_ties(ball)}; "
            f"{inner} of them vanish as ε → 0\n"
            f"{arcs.cell_count} arcs of the circle with {arcs.code_count} codes; colour: spline "
            f"code",
        )
        style.headline(
            right,
            "Critical radius of every direction",
            f"input radius |P x| beyond which the code stays, ε = "
            f"{nearest_float(ball.norm.eps):g};\n"
            "at the centre: no neuron flips; out of view: it flips farther out",
        )
        style.key(fig, _key(), columns=5)
    return fig


def _check(ball: NormBallPartition, arcs: CurvePartition) -> None:
    wrong = "this figure draws balls of two dimensions"
    remedy = "partition NormBall() of LayerNorm in R^3 or RMSNorm in R^2"
    if ball.seen_as(NormBallPartition, wrong, remedy).flat.dim != 2:
        raise InvalidInput(wrong, value=ball.domain, remedy=remedy)
    wrong = "the arcs are not those of the ball's network"
    remedy = "give partition(network, Sphere()) of the same network"
    is_same = arcs.seen_as(CurvePartition, wrong, remedy).network.sha256 == ball.network.sha256
    if not is_same or not arcs.chart.is_projected:
        raise InvalidInput(wrong, value=arcs.domain, remedy=remedy)


def _cell(ball: NormBallPartition, plane: CirclePlane, index: int) -> shapely.Geometry:
    """A cell in plane coordinates: the disc, cut by one half-plane after another."""
    shape = shapely.Polygon(plane.flat_points(2 * math.pi * np.arange(_TURN) / _TURN))
    for normal, offset in _in_plane(ball, plane, ball.regions[index].halfspaces):
        shape = _cut(shape, normal, offset)
    return shape


def _in_plane(
    ball: NormBallPartition, plane: CirclePlane, halfspaces: tuple[tuple[int, ...], ...]
) -> list[tuple[np.ndarray, float]]:
    """Halfspaces over the ball's chart as unit normals and offsets over the orthonormal plane."""
    # q = y chart
    chart = np.array([nearest_floats(row) for row in ball.flat.directions]) @ plane.axes.T
    found = []
    for row in halfspaces:
        *unit, offset = Halfspace(row).float_row
        normal = np.linalg.solve(chart, np.array(unit))
        length = float(np.linalg.norm(normal))
        found.append((normal / length, offset / length))
    return found


def _cut(shape: shapely.Geometry, normal: np.ndarray, offset: float) -> shapely.Geometry:
    """The part of a convex polygon where `normal . q + offset` is positive."""
    if shape.is_empty:
        return shape
    low, high = shape.bounds[:2], shape.bounds[2:]
    reach = 4 * max(map(abs, (*low, *high, offset)))
    along, foot = np.array([-normal[1], normal[0]]), -offset * normal
    corners = [
        foot - reach * along,
        foot + reach * along,
        foot + reach * (along + normal),
        foot + reach * (normal - along),
    ]
    return shape.intersection(shapely.Polygon(corners))


def _polygon(shape: shapely.Geometry) -> shapely.Polygon | None:
    return shape if isinstance(shape, shapely.Polygon) and not shape.is_empty else None


def _ring(
    arcs: CurvePartition, plane: CirclePlane, colours: dict[SplineCode, style.RGB]
) -> list[Wedge]:
    inner, outer = (plane.radius * x for x in _RING)
    wedges = []
    for region in arcs.regions:
        start, end = (math.degrees(angle) for angle in region.parameters_float)
        wedges.append(
            Wedge(
                (0, 0),
                outer,
                start,
                end,
                width=outer - inner,
                facecolor=colours[region.code],
                edgecolor=style.PAPER,
                linewidth=0.8,
            )
        )
    return wedges


def _lines(ball: NormBallPartition, plane: CirclePlane) -> LineCollection:
    """The chords of the first layer's hinges."""
    normals, offsets = plane.first_layer(ball.network)
    chords = []
    for normal, offset in zip(normals, offsets, strict=True):
        length = math.hypot(*normal)
        if length * plane.radius > abs(offset):
            foot = -offset / length**2 * normal
            half = (
                math.sqrt(plane.radius**2 - foot @ foot)
                * np.array([-normal[1], normal[0]])
                / length
            )
            chords.append([foot - half, foot + half])
    return LineCollection(chords, colors=style.HYPERPLANE, linewidths=0.9, zorder=2)


def _radii(network: Network, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The critical radii for eps under the root, and beside it."""
    first, *rest = network.blocks
    assert first.norm is not None, "the network of a ball has a norm"
    under, beside = (replace(first.norm, eps_rule=rule) for rule in ("var", "std"))
    if len(network.hidden_layers) == 1:
        both = (Network((replace(first, norm=norm), *rest)) for norm in (under, beside))
        return tuple(critical_radii_float(one, directions).upper for one in both)
    flips = [critical_radii(network, x).flips for x in directions.tolist()]
    squares = [rational(found[-1].s_squared) if found else rational(0) for found in flips]
    return tuple(
        np.array([input_radius_squared(norm, s).root_float() for s in squares])
        for norm in (under, beside)
    )


def _key() -> list[Artist]:
    return [
        Patch(facecolor=style.tint(style.BLUE, style.SOFT), label="cell of the ball (ε > 0)"),
        Patch(facecolor=style.BLUE, label="arc of the circle (ε = 0)"),
        Line2D(
            [], [], color=style.HYPERPLANE, linewidth=0.9, label="hyperplane of a neuron of layer 1"
        ),
        Line2D(
            [],
            [],
            color=style.series_colour(0),
            linewidth=style.LINE,
            label="ε under the root (PyTorch)",
        ),
        Line2D(
            [],
            [],
            color=style.series_colour(1),
            linewidth=style.LINE,
            linestyle="--",
            label="ε beside the root",
        ),
    ]


@figure("norm_ball", NormBallPartition)
def _of(subject: Subject) -> Make:
    """The disc that a norm leaves for eps > 0, beside the critical radii."""
    ball = subject.partition
    if ball.flat.dim != 2:
        raise InvalidInput(
            "only balls of two dimensions are drawn", value=ball.domain, remedy="give --sphere"
        )
    arcs = partition(ball.network, Sphere()).seen_as(CurvePartition)
    return lambda: norm_ball_figure(ball, arcs, title=f"What ε > 0 leaves of {subject.name}")
