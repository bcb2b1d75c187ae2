"""Truths about circles on a sphere that are known from the plane: stereographic projection takes
circles to circles.

From the pole (0, 0, 1) of the unit sphere, (u, v) = (x, y) / (1 - z), so that `a (u^2 + v^2) + b u
+ c v + d = 0` is the plane `b x + c y + (a - d) z + (a + d) = 0`: lines are circles through the
pole. The same circles are also written behind LayerNorm, on a great sphere, with copies and with
planes that cut nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from math import gcd

from tests.truths import oracle
from tests.truths.sphere_files import Number, Rows, SphereTruth, Vector, rows, vector
from tests.truths.sphere_tables import TINY, Planes, disjoint_circles, on_two_sphere, truth

Curves = list[list[Number]]


def disc(u: Number, v: Number, squared: Number) -> list[Number]:
    """The circle of a squared radius about (u, v), positive inside."""
    p, q = Fraction(u), Fraction(v)
    return [-1, 2 * p, 2 * q, Fraction(squared) - p * p - q * q]


def line(b: Number, c: Number, d: Number) -> list[Number]:
    """The line b u + c v + d = 0."""
    return [0, b, c, d]


def lifted(curves: Sequence[Sequence[Number]]) -> Planes:
    """The planes of the circles on the unit sphere."""
    return [[b, c, Fraction(a) - Fraction(d), Fraction(a) + Fraction(d)] for a, b, c, d in curves]


def plain(name: str, source: str, curves: Curves, counts: dict[str, int]) -> SphereTruth:
    return truth(name, source, lifted(curves), counts, 1)


def touching_counts(codes: int, touching: int) -> dict[str, int]:
    """Connected circles, two of which meet in each vertex: every vertex has degree four, so F = V +
    2.
    """
    return on_two_sphere(codes, touching + 2, touching, 2 * touching, 1)


# --- lines: circles through the pole
# ----------------------------------------------------------------------------------


def lines_through_the_pole() -> Iterator[SphereTruth]:
    for k in range(2, 7):
        curves = [line(t, 1, t * t) for t in range(k)]
        cells, vertices = 1 + k + k * (k - 1) // 2, 1 + k * (k - 1) // 2
        source = (
            "k lines in general position in the plane, and the pole where all meet: 1 + k + C(k,2)"
        )
        yield plain(
            f"pole-generic-{k}", source, curves, on_two_sphere(cells, cells, vertices, k * k, 1)
        )
        curves = [line(1, 0, t) for t in range(k)]
        source = "k parallel lines: circles that touch each other in the pole, k + 1 cells"
        yield plain(f"pole-touching-{k}", source, curves, on_two_sphere(k + 1, k + 1, 1, k, 1))
        curves = [line(1, t, 0) for t in range(k)]
        source = "k lines through a point: circles through two points, 2k cells"
        yield plain(
            f"pole-concurrent-{k}", source, curves, on_two_sphere(2 * k, 2 * k, 2, 2 * k, 1)
        )
    for a, b in ((1, 1), (2, 2), (3, 2), (4, 3)):
        curves = [line(1, 0, t) for t in range(a)] + [line(0, 1, t) for t in range(b)]
        cells, edges = (a + 1) * (b + 1), a * (b + 1) + b * (a + 1)
        source = (
            "a grid of a and b lines: (a + 1)(b + 1) cells; in the pole two families of "
            "touching circles cross"
        )
        yield plain(
            f"pole-grid-{a}-{b}", source, curves, on_two_sphere(cells, cells, a * b + 1, edges, 1)
        )


# --- circles that touch
# -----------------------------------------------------------------------------------------------


def two_circles() -> Iterator[SphereTruth]:
    for gap, side in ((-TINY, "apart"), (Fraction(0), "touching"), (TINY, "crossing")):
        counts = {
            "apart": disjoint_circles(2),
            "touching": on_two_sphere(3, 3, 1, 2, 1),
            "crossing": on_two_sphere(4, 4, 2, 4, 1),
        }[side]
        source = f"two circles, {side}: squared radii 1 and 1 + gap about points at distance 2"
        yield plain(
            f"two-circles-outside-{side}", source, [disc(0, 0, 1), disc(2, 0, 1 + gap)], counts
        )
        source = (
            f"a circle inside another, {side}: squared radii 9 and 1 + gap about points at "
            f"distance 2"
        )
        yield plain(
            f"two-circles-inside-{side}", source, [disc(0, 0, 9), disc(0, 2, 1 + gap)], counts
        )
        curves = [[-Fraction(x) for x in disc(0, 0, 9)], disc(0, 2, 1 + gap)]
        yield plain(
            f"two-circles-inside-out-{side}",
            f"{source}; the large one is positive outside",
            curves,
            counts,
        )


def earrings() -> Iterator[SphereTruth]:
    for k in (2, 3, 6):
        curves = [disc(i, 0, i * i) for i in range(1, k + 1)]
        source = "nested circles that touch in one point: k + 1 cells"
        yield plain(f"earring-{k}", source, curves, on_two_sphere(k + 1, k + 1, 1, k, 1))
        curves += [disc(-i, 0, i * i) for i in range(1, k + 1)]
        source = "nested circles on both sides of the point in which all touch: 2k + 1 cells"
        yield plain(
            f"earrings-{k}", source, curves, on_two_sphere(2 * k + 1, 2 * k + 1, 1, 2 * k, 1)
        )
    for k in (2, 3, 5):
        curves = [disc(t, 0, 1 + t * t) for t in range(k)]
        source = "k circles through the points (0, 1) and (0, -1): 2k cells"
        yield plain(f"pencil-{k}", source, curves, on_two_sphere(2 * k, 2 * k, 2, 2 * k, 1))
    curves = [disc(0, 0, 1), disc(1, 0, 1), disc("1/2", 1, 1)]
    yield plain(
        "venn-3",
        "three circles in general position: all eight codes",
        curves,
        on_two_sphere(8, 8, 6, 12, 1),
    )


Discs = Sequence[tuple[Number, Number, Fraction]]


def packings(
    name: str, source: str, discs: Discs, around: Curves, touching: int
) -> Iterator[SphereTruth]:
    """Discs in curves around them that touch in so many points; and with all discs a little smaller
    or larger.

    All gaps are one code. When the discs grow, every touching point becomes two crossings and a
    lens with a code of its own.
    """
    number = len(discs) + len(around)
    for gap, side in ((-TINY, "shrunk"), (Fraction(0), "touching"), (TINY, "grown")):
        curves = around + [disc(u, v, squared + gap) for u, v, squared in discs]
        counts = {
            "shrunk": disjoint_circles(number),
            "touching": touching_counts(number + 1, touching),
            "grown": touching_counts(number + 1 + touching, 2 * touching),
        }[side]
        yield plain(f"{name}-{side}", f"{source}; {side}", curves, counts)


def lattices() -> Iterator[SphereTruth]:
    for a, b in ((2, 1), (6, 1), (2, 2), (3, 3), (4, 2)):
        discs = [(2 * i, 2 * j, Fraction(1)) for i in range(a) for j in range(b)]
        touching = a * (b - 1) + b * (a - 1)
        source = (
            "a lattice of unit discs, each touching its neighbours: the gaps and the outside "
            "are one code"
        )
        yield from packings(f"lattice-{a}-{b}", source, discs, [], touching)


def apollonian(generations: int) -> list[tuple[int, int, int]]:
    """(bend, bend times centre) of a packing in the unit disc, which comes first with bend -1."""
    found = [(-1, 0, 0), (2, 1, 0), (2, -1, 0), (3, 0, 2)]
    fresh = [tuple(found)]
    for _ in range(generations):
        grown = [(four, reflected(four, k), k) for four in fresh for k in range(4)]
        fresh = [(*four[:k], new, *four[k + 1 :]) for four, new, k in grown if new not in found]
        found += [new for _, new, _ in grown if new not in found]
    return found


def reflected(four: Sequence[tuple[int, int, int]], k: int) -> tuple[int, int, int]:
    """The other circle that touches the same three (Descartes): twice the sum of the three, less
    the fourth.
    """
    others = [circle for i, circle in enumerate(four) if i != k]
    return tuple(
        2 * sum(parts) - own for parts, own in zip(zip(*others, strict=True), four[k], strict=True)
    )  # type: ignore[return-value]


def apollonian_packings() -> Iterator[SphereTruth]:
    for generations in range(3):
        circles = apollonian(generations)[1:]
        discs = [
            (Fraction(u, bend), Fraction(v, bend), Fraction(1, bend**2)) for bend, u, v in circles
        ]
        touching = 3 * (len(circles) + 1) - 6
        source = (
            "an Apollonian packing of n circles touches in 3n - 6 points, since its contacts "
            "triangulate the sphere"
        )
        yield from packings(
            f"apollonian-{len(circles) + 1}", source, discs, [disc(0, 0, 1)], touching
        )


def ford_circles() -> Iterator[SphereTruth]:
    for order in (1, 2, 3, 5):
        points = sorted(
            {Fraction(p, q) for q in range(1, order + 1) for p in range(q + 1) if gcd(p, q) == 1}
        )
        discs = [
            (point, Fraction(1, 2 * point.denominator**2), Fraction(1, 4 * point.denominator**4))
            for point in points
        ]
        touching = len(points) + 2 * len(points) - 3
        source = (
            "the N Ford circles of a Farey sequence touch the line, and each other in 2N - 3 points"
        )
        yield from packings(f"ford-{len(points)}", source, discs, [line(0, 1, 0)], touching)


# --- the same circles elsewhere
# ---------------------------------------------------------------------------------------

SIGNS = ((1, 1, -1, -1), (1, -1, 1, -1), (1, -1, -1, 1))
"""Orthogonal vectors of sum zero and length 2: on LayerNorm's sphere in R^4, x_k = SIGNS_k . y / 4
has length one.
"""
FRAME = tuple(
    tuple(Fraction(x, length) for x in numbers)
    for numbers, length in (((1, 2, 2, 0, 0), 3), ((2, 1, -2, 0, 0), 3), ((0, 0, 0, 3, 4), 5))
)
"""Orthonormal rational vectors of R^5."""


def carried(
    planes: Rows, frame: Sequence[Sequence[Number]], scale: Number, kernel: Sequence[int]
) -> Rows:
    """The planes as functions of a point z with x_k = scale frame_k . z, with a multiple of the
    kernel added to normals.
    """
    columns = [
        [Fraction(scale) * Fraction(x) for x in column] for column in zip(*frame, strict=True)
    ]
    return tuple(
        (
            *(
                oracle.dot(plane[:-1], column) + i * k
                for column, k in zip(columns, kernel, strict=True)
            ),
            plane[-1],
        )
        for i, plane in enumerate(planes)
    )


def behind_layer_norm(base: SphereTruth) -> SphereTruth:
    planes = carried(base.layers[0], SIGNS, Fraction(1, 4), (1, 1, 1, 1))
    return replace(
        base,
        name=f"{base.name}-layer-norm",
        dim=4,
        layers=(planes,),
        norm="layer_norm",
        radius_squared=None,
    )


def behind_gain_and_bias(base: SphereTruth) -> SphereTruth:
    """The ellipsoid, and an eps that the sphere does not see."""
    gain, bias = vector([2, "-1/3", 1, 5]), vector([0, 1, "-7/2", 3])
    planes = behind_layer_norm(base).layers[0]
    folded = tuple(unfold(plane, gain, bias) for plane in planes)
    return replace(
        behind_layer_norm(base),
        name=f"{base.name}-gain-and-bias",
        layers=(folded,),
        gain=gain,
        bias=bias,
        eps=Fraction(1, 100_000),
    )


def unfold(plane: Vector, gain: Vector, bias: Vector) -> Vector:
    """The plane of gain * y + bias that is `plane` of y."""
    normal = [a / g for a, g in zip(plane[:-1], gain, strict=True)]
    return (*normal, plane[-1] - oracle.dot(normal, bias))


def with_other_eps(base: SphereTruth) -> SphereTruth:
    return replace(
        behind_layer_norm(base), name=f"{base.name}-eps-std", eps=Fraction(1, 3), eps_rule="std"
    )


def on_great_sphere(base: SphereTruth) -> SphereTruth:
    a, b, c = FRAME
    span = (
        a,
        tuple(x + y for x, y in zip(a, b, strict=True)),
        tuple(x - y + 2 * z for x, y, z in zip(a, b, c, strict=True)),
    )
    planes = carried(base.layers[0], FRAME, 1, (2, -2, 1, -4, 3))
    return replace(base, name=f"{base.name}-great-sphere", dim=5, layers=(planes,), span=span)


def on_great_sphere_of_rms_norm(base: SphereTruth) -> SphereTruth:
    frame = ((1, 1, 1, 1), (1, 1, -1, -1), (1, -1, 1, -1))
    planes = carried(base.layers[0], frame, Fraction(1, 4), (1, -1, -1, 1))
    span = rows([frame[2], frame[0], [x + 3 * y for x, y in zip(frame[0], frame[1], strict=True)]])
    return replace(
        base,
        name=f"{base.name}-rms-norm",
        dim=4,
        layers=(planes,),
        norm="rms_norm",
        radius_squared=None,
        span=span,
    )


def with_copies(base: SphereTruth) -> SphereTruth:
    """Duplicates, opposites and multiples of every plane: the same circles."""
    copies = [
        tuple(factor * x for x in plane)
        for plane in base.layers[0]
        for factor in (1, Fraction(-1), Fraction(3, 7))
    ]
    return replace(base, name=f"{base.name}-copies", layers=(tuple(copies),))


def with_planes_that_cut_nothing(base: SphereTruth) -> SphereTruth:
    """Constant planes, planes that miss the sphere, and planes that touch it, in the pole among
    other points.
    """
    idle = rows(
        [
            [0, 0, 0, 1],
            [0, 0, 0, 0],
            [0, 0, 0, -2],
            [1, 1, 1, 2],
            [2, 0, 0, -3],
            [0, 0, 1, -1],
            [0, 0, 2, 2],
            [1, 2, -2, 3],
            [-3, 4, 0, 5],
        ]
    )
    return replace(
        base, name=f"{base.name}-idle-planes", layers=((*idle[:5], *base.layers[0], *idle[5:]),)
    )


def with_identity_layers(base: SphereTruth) -> SphereTruth:
    """Two further layers that pass on what is on: their neurons vanish on whole cells and flip with
    the first layer's.
    """
    number = len(base.layers[0])
    identity = tuple(tuple(Fraction(int(i == j)) for j in range(number + 1)) for i in range(number))
    return replace(
        base, name=f"{base.name}-identity-layers", layers=(*base.layers, identity, identity)
    )


VARIANTS: tuple[Callable[[SphereTruth], SphereTruth], ...] = (
    behind_layer_norm,
    with_copies,
    on_great_sphere,
    with_identity_layers,
    behind_gain_and_bias,
    with_planes_that_cut_nothing,
    on_great_sphere_of_rms_norm,
    with_other_eps,
)
IN_THE_PLANE = (
    lines_through_the_pole,
    two_circles,
    earrings,
    lattices,
    apollonian_packings,
    ford_circles,
)


def circles_of_the_plane() -> Iterator[SphereTruth]:
    """Every arrangement on the unit sphere, and once more in another place."""
    for i, base in enumerate(chain.from_iterable(family() for family in IN_THE_PLANE)):
        yield from (base, VARIANTS[i % len(VARIANTS)](base))


def one_arrangement_everywhere() -> Iterator[SphereTruth]:
    """A touching and a crossing arrangement in all places."""
    for base in (*list(lattices())[7:9], *list(lines_through_the_pole())[3:5]):
        yield from (
            replace(made, name=f"everywhere-{made.name}")
            for made in (variant(base) for variant in VARIANTS)
        )


FAMILIES = (circles_of_the_plane, one_arrangement_everywhere)
