"""Truths about spheres whose counts are formulas: cubes, caps, central arrangements, bands, and
single tangencies.

Every number is written out from a formula or by hand; `sphere_oracle` counts again, and no engine
is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, permutations, product
from math import comb, factorial

from tests.truths.sphere_files import Number, SphereTruth, rows

TINY = Fraction(1, 2**50)
Planes = Sequence[Sequence[Number]]
Counted = dict[str, int]


def truth(
    name: str,
    source: str,
    planes: Planes,
    counts: Counted,
    radius_squared: Number | None = None,
    norm: str | None = None,
    further: Sequence[Planes] = (),
) -> SphereTruth:
    """A truth whose first layer are the planes, without span, gain and bias."""
    squared = None if radius_squared is None else Fraction(radius_squared)
    layers = tuple(rows(layer) for layer in (planes, *further))
    return SphereTruth(
        name, source, len(layers[0][0]) - 1, layers, counts, norm=norm, radius_squared=squared
    )


def on_two_sphere(codes: int, cells: int, vertices: int, edges: int, components: int) -> Counted:
    return {
        "codes": codes,
        "cells": cells,
        "vertices": vertices,
        "edges": edges,
        "components": components,
    }


def disjoint_circles(number: int) -> Counted:
    """Circles of which no two meet: every one adds a cell and a code."""
    return on_two_sphere(number + 1, number + 1, 0, number, number)


def in_any_dimension(sphere_dim: int, codes: int, cells: int) -> Counted:
    """Codes and cells; on a circle also the points between the cells."""
    return {"codes": codes, "cells": cells} | (
        {"edges": cells if cells > 1 else 0} if sphere_dim == 1 else {}
    )


def unit(dim: int, entries: dict[int, Number], offset: Number = 0) -> list[Number]:
    """The plane sum of entries[i] x_i + offset = 0."""
    return [entries.get(k, 0) for k in range(dim)] + [offset]


def label(number: Number) -> str:
    """A number for a name: nearly whole ones by the side they are on."""
    value = Fraction(number)
    for side, gap in (("below", -TINY), ("above", TINY)):
        if value.denominator == TINY.denominator:
            near = value - gap
            if near.denominator < 100:
                return f"just-{side}-{label(near)}"
    return str(value).replace("/", "-over-")


# --- the cube
# --------------------------------------------------------------------------------------------------


def cube_planes(dim: int) -> Planes:
    return [unit(dim, {i: side}, -1) for i in range(dim) for side in (1, -1)]


def cube_codes(dim: int, squared: Fraction) -> int:
    return sum(2**k * comb(dim, k) for k in range(1, dim + 1) if k < squared) + (squared < dim)


def cube_cells(dim: int, squared: Fraction) -> int:
    """A code with k >= 1 coordinates outside has one cell; the code of the inside has the
    components of the open cube's part.

    That part is the cube's surface without the faces whose centre is within R: for 1 < R^2 < n - 1
    it keeps the edges and is connected, from n - 1 on it is the 2^n corners.
    """
    inside = 0 if squared >= dim else 2**dim if squared > 1 and squared >= dim - 1 else 1
    return cube_codes(dim, squared) - (squared < dim) + inside


CUBE_SOURCE = (
    "planes x_i = 1 and x_i = -1 on |x|^2 = R^2: codes are the sum over 1 <= k <= n, k < R^2 of "
    "2^k C(n,k), "
    "plus 1 if R^2 < n"
)


def cube_on_two_sphere(squared: Fraction) -> tuple[int, int, int, str]:
    """Vertices, edges and components by hand, and why."""
    if squared <= 1:
        return 0, 0, 0, "no circle"
    if squared < 2:
        return 0, 6, 6, "six disjoint circles"
    if squared == 2:
        return (
            12,
            24,
            1,
            "six circles, each touching four others: one vertex on each edge of the cube",
        )
    if squared == 3:
        return 8, 24, 1, "three circles through each of the eight corners"
    return 24, 48, 1, "two crossings on each edge of the cube"


def cube() -> Iterator[SphereTruth]:
    for dim in range(2, 7):
        whole = range(1, dim + 1)
        near = [k + side * TINY for k in (whole if dim == 3 else [dim]) for side in (-1, 1)]
        for squared in sorted(
            {Fraction(1, 2), *map(Fraction, whole), *(k + Fraction(1, 2) for k in whole), *near}
        ):
            yield cube_truth(dim, squared, None)
        yield cube_truth(dim, Fraction(dim), "rms_norm")


def cube_truth(dim: int, squared: Fraction, norm: str | None) -> SphereTruth:
    codes, cells = cube_codes(dim, squared), cube_cells(dim, squared)
    counts, source = in_any_dimension(dim - 1, codes, cells), CUBE_SOURCE
    if dim == 3:
        vertices, edges, components, why = cube_on_two_sphere(squared)
        counts, source = (
            on_two_sphere(codes, cells, vertices, edges, components),
            f"{source}; {why}",
        )
    if norm is not None:
        return truth(
            f"cube-{dim}-rms-norm",
            f"{source}; RMSNorm is R^2 = n",
            cube_planes(dim),
            counts,
            norm=norm,
        )
    return truth(f"cube-{dim}-at-{label(squared)}", source, cube_planes(dim), counts, squared)


# --- caps of LayerNorm
# ------------------------------------------------------------------------------------------------


def caps_planes(dim: int, offset: Fraction) -> Planes:
    return [unit(dim, {i: 1}, -offset) for i in range(dim)]


def caps_codes(dim: int, c: Fraction) -> int:
    some = sum(comb(dim, s) for s in range(1, dim) if s * c * c < dim - s)
    return some + (c * c * (dim - 1) > 1)


def caps_cells(dim: int, c: Fraction) -> int:
    """A code with some neuron on has one cell; the code with none has the components of the open
    simplex's part.

    The simplex y_i <= c has its faces with k tight coordinates at k c^2 d / (d - k) squared: within
    the sphere up to k = d - 2, only its d corners stick out, else its edges keep that part
    connected.
    """
    none_on = c * c * (dim - 1) > 1
    corners = c * c < dim - 1 and (dim - 2) * c * c <= 2
    return caps_codes(dim, c) - none_on + none_on * (dim if corners else 1)


def caps_on_two_sphere(c: Fraction) -> tuple[int, int, int]:
    """Vertices, edges and components of the four circles y_i = c on the sphere of radius 2."""
    if c * c >= 3:
        return 0, 0, 0
    if c > 1:
        return 0, 4, 4
    return (6, 12, 1) if c == 1 else (12, 24, 1)


def caps() -> Iterator[SphereTruth]:
    for dim in range(3, 9):
        seen = set()
        for c in map(
            Fraction,
            (
                "1/4",
                "1/3",
                "2/5",
                "1/2",
                "3/5",
                "3/4",
                "1",
                "5/4",
                "3/2",
                "7/4",
                "2",
                "9/4",
                "5/2",
                "3",
            ),
        ):
            sides = tuple((s * c * c > dim - s) - (s * c * c < dim - s) for s in range(1, dim))
            if sides not in seen:
                yield caps_truth(dim, c)
            if sides not in seen and 0 in sides:
                yield from (caps_truth(dim, c + side * TINY) for side in (-1, 1))
            seen.add(sides)


def caps_truth(dim: int, c: Fraction, name: str = "caps") -> SphereTruth:
    codes, cells = caps_codes(dim, c), caps_cells(dim, c)
    counts = (
        on_two_sphere(codes, cells, *caps_on_two_sphere(c))
        if dim == 4
        else in_any_dimension(dim - 2, codes, cells)
    )
    source = (
        "LayerNorm, planes y_i = c: codes are the sum over 1 <= s < d of C(d,s) [s c^2 < "
        "d-s], plus 1 if c^2 (d-1) > 1"
    )
    return truth(
        f"{name}-{dim}-at-{label(c)}", source, caps_planes(dim, c), counts, norm="layer_norm"
    )


def touching_caps() -> Iterator[SphereTruth]:
    """d = k^2 + 1 and c = k: every plane touches the sphere; k = 2 is among the caps already."""
    for c in (3 - TINY, Fraction(3), 3 + TINY):
        yield caps_truth(10, c)


def single_tangency() -> Iterator[SphereTruth]:
    """One plane at a distance of R, a little less, a little more; from both sides."""
    for dim in range(3, 8):
        normal = [1, 2, 2, 4, 0, 0, 0][:dim] if dim > 3 else [1, 2, 2]
        length = 5 if dim > 3 else 3
        for gap, codes in ((-TINY, 2), (Fraction(0), 1), (TINY, 1)):
            for side, sign in (("outside", 1), ("inside", -1)):
                plane = [sign * x for x in normal] + [-sign * (2 * length + gap)]
                circles = [0, codes - 1, codes - 1]
                counts = (
                    on_two_sphere(codes, codes, *circles)
                    if dim == 3
                    else in_any_dimension(dim - 1, codes, codes)
                )
                name = (
                    f"tangent-{dim}-{'at' if not gap else 'below' if gap < 0 else 'above'}-{side}"
                )
                source = (
                    "a plane at distance 2 from the centre touches |x| = 2 and cuts nothing; "
                    "a little nearer it cuts a cap"
                )
                yield truth(name, source, [plane], counts, 4)


# --- central arrangements
# ---------------------------------------------------------------------------------------------


def central(
    name: str,
    source: str,
    planes: Planes,
    codes: int,
    setting: Number | str,
    dim: int,
    vertices: int | None = None,
) -> SphereTruth:
    """Great spheres: every code is an open convex cone, so one cell; on a 2-sphere E = V + F -
    2.
    """
    counts = in_any_dimension(dim, codes, codes)
    if dim == 2:
        assert vertices is not None
        counts = on_two_sphere(codes, codes, vertices, vertices + codes - 2, 1)
    if isinstance(setting, str):
        return truth(name, source, planes, counts, norm=setting)
    return truth(name, source, planes, counts, setting)


def differences(dim: int, pairs: Sequence[tuple[int, int]] | None = None) -> Planes:
    """The planes x_i - x_j = 0."""
    return [unit(dim, {i: 1, j: -1}) for i, j in (pairs or list(combinations(range(dim), 2)))]


def sums(dim: int) -> Planes:
    """The planes x_i + x_j = 0."""
    return [unit(dim, {i: 1, j: 1}) for i, j in combinations(range(dim), 2)]


def subset_sums(dim: int) -> Planes:
    """The planes sum over S of x_i = 0, for every nonempty S."""
    return [[*chosen, 0] for chosen in product((0, 1), repeat=dim) if any(chosen)]


def central_arrangements() -> Iterator[SphereTruth]:
    for d in range(3, 9):
        source = "LayerNorm, planes y_i = 0: 2^d - 2, since not all signs can be equal"
        yield central(
            f"layer-norm-axes-{d}",
            source,
            caps_planes(d, Fraction(0)),
            2**d - 2,
            "layer_norm",
            d - 2,
            12,
        )
    for d in range(3, 7):
        source = (
            "LayerNorm, planes y_i = y_j: d! orders; for d = 4 eight triple and six double points"
        )
        yield central(
            f"layer-norm-braid-{d}", source, differences(d), factorial(d), "layer_norm", d - 2, 14
        )
    for n in range(3, 7):
        axes = caps_planes(n, Fraction(0))
        yield central(
            f"rms-norm-axes-{n}", "RMSNorm, planes y_i = 0: 2^n", axes, 2**n, "rms_norm", n - 1, 6
        )
    for n in (3, 4):
        planes = [*caps_planes(n, Fraction(0)), *differences(n), *sums(n)]
        source = "type B: 2^n n!; for n = 3 the 26 vertices of the divided cube"
        yield central(f"type-b-{n}", source, planes, 2**n * factorial(n), "rms_norm", n - 1, 26)
        planes, source = (
            [*differences(n), *sums(n)],
            "type D: 2^(n-1) n!; for n = 3 that of the braid, 14 vertices",
        )
        yield central(f"type-d-{n}", source, planes, 2 ** (n - 1) * factorial(n), 7, n - 1, 14)
    for n, codes in ((3, 8), (4, 46)):
        yield central(
            f"threshold-{n}", "planes x_i + x_j = 0: 2, 8, 46", sums(n), codes, 2, n - 1, 6
        )
    for n, codes in ((3, 32), (4, 370)):
        source = "resonance arrangement: 2, 6, 32, 370; for n = 3 six triple and three double lines"
        yield central(f"resonance-{n}", source, subset_sums(n), codes, "rms_norm", n - 1, 18)
    for n, codes in ((3, 14), (4, 104)):
        planes = [[*signs, 1, 0] for signs in product((1, -1), repeat=n - 1)]
        source = "linear threshold functions of n - 1 inputs: 14, 104"
        yield central(f"linear-threshold-{n}", source, planes, codes, Fraction(1, 3), n - 1, 12)
    for d in (4, 5):
        cycle = [(i, (i + 1) % d) for i in range(d)]
        source = "graphical arrangement of the cycle: 2^d - 2"
        yield central(
            f"layer-norm-cycle-{d}",
            source,
            differences(d, cycle),
            2**d - 2,
            "layer_norm",
            d - 2,
            12,
        )


def moment(dim: int, t: int) -> list[Number]:
    """The plane through the centre whose normal is the point t of the moment curve: any `dim` of
    them are independent.
    """
    return [t**k for k in range(dim)] + [0]


def great_spheres() -> Iterator[SphereTruth]:
    for k in range(1, 9):
        planes = [moment(3, t) for t in range(-3, k - 3)]
        edges, components = (1, 1) if k == 1 else (2 * k * (k - 1), 1)
        counts = on_two_sphere(k * k - k + 2, k * k - k + 2, k * (k - 1), edges, components)
        yield truth(
            f"great-circles-{k}",
            "k great circles in general position: k^2 - k + 2",
            planes,
            counts,
            2,
        )
    for dim, ks in ((4, (1, 2, 4, 6, 8)), (5, (3, 5, 7)), (6, (6, 7))):
        for k in ks:
            codes = 2 * sum(comb(k - 1, i) for i in range(dim))
            source = "k great spheres of S^n in general position: 2 sum over i <= n of C(k-1, i)"
            yield central(
                f"great-spheres-{dim}-{k}",
                source,
                [moment(dim, t) for t in range(k)],
                codes,
                3,
                dim - 1,
            )
    for k in range(2, 7):
        for dim in (3, 4, 5):
            planes = [unit(dim, {0: 1, 1: t}) for t in range(k)]
            source = "k great spheres through one axis: 2k lunes"
            yield central(f"lunes-{dim}-{k}", source, planes, 2 * k, Fraction(5, 7), dim - 1, 2)
    for k in range(3, 8):
        planes = [*(unit(3, {0: 1, 1: t}) for t in range(k - 1)), [1, 1, 1, 0]]
        source = "near-pencil of great circles: k - 1 through one axis, and another: 4 (k - 1)"
        yield central(f"near-pencil-{k}", source, planes, 4 * (k - 1), "rms_norm", 2, 2 * k)


# --- circles that do not meet
# -----------------------------------------------------------------------------------------


def bands() -> Iterator[SphereTruth]:
    for dim in (3, 4, 6):
        for k in (1, 2, 5, 9):
            heights = [Fraction(2 * i + 1, k) - 1 for i in range(k)]
            planes = [
                unit(dim, {0: (-1) ** i * 2, 1: (-1) ** i}, (-1) ** i * 5 * h)
                for i, h in enumerate(heights)
            ]
            counts = disjoint_circles(k) if dim == 3 else in_any_dimension(dim - 1, k + 1, k + 1)
            yield truth(
                f"bands-{dim}-{k}",
                "k parallel planes cut a sphere in k + 1 bands",
                planes,
                counts,
                5,
            )
    heights = [Fraction(h) for h in ("-2", "-1", "-1/2", "1/3", "1", "3/2")]
    planes = [unit(3, {2: 1}, h) for h in heights]
    source = (
        "parallel planes that miss the sphere, touch it at both poles, or cut it: only the "
        "last make bands"
    )
    yield truth("bands-touching-both-poles", source, planes, disjoint_circles(2), 1)


def islands() -> Iterator[SphereTruth]:
    """Caps of which no two meet: one cell around them all, with as many holes."""
    centres = sorted(
        {
            tuple(s * x for s, x in zip(signs, order, strict=True))
            for order in permutations((1, 2, 2))
            for signs in product((1, -1), repeat=3)
        }
    )
    for number in (2, 3, 8, 24):
        planes = [[*centre, Fraction(-297, 100)] for centre in centres[:number]]
        source = (
            "small caps about the points (+-1, +-2, +-2)/3 and permutations, at least "
            "arccos(8/9) apart: disjoint"
        )
        yield truth(f"islands-{number}", source, planes, disjoint_circles(number), 1)
    for number in (4, 12):
        planes = [
            [*centre, offset]
            for centre in centres[:number]
            for offset in (Fraction(-297, 100), Fraction(299, -100))
        ]
        source = "a smaller cap inside each of the disjoint caps: rings of land"
        yield truth(f"rings-{number}", source, planes, disjoint_circles(2 * number), 1)
    planes = [
        [0, 0, -1, Fraction(-1, 5)],
        *([*centre, Fraction(-297, 100)] for centre in centres if centre[2] > 0),
    ]
    source = "caps on the northern side of a circle, which is no cap of theirs"
    yield truth("islands-in-the-north", source, planes, disjoint_circles(len(planes)), 1)


def corners() -> Iterator[SphereTruth]:
    planes = [unit(3, {i: 1}, -1) for i in range(3)]
    for squared, codes, cells, vertices, edges, why in (
        (3 - TINY, 7, 8, 6, 12, "a triangle of the code 000 opens between them"),
        (Fraction(3), 7, 7, 4, 9, "a vertex of degree six"),
        (3 + TINY, 8, 8, 6, 12, "a triangle of the code 111 opens between them"),
    ):
        source = f"the planes x_i = 1 meet in (1, 1, 1), which lies on |x|^2 = 3; {why}"
        counts = on_two_sphere(codes, cells, vertices, edges, 1)
        yield truth(f"corner-at-{label(squared)}", source, planes, counts, squared)


def columns() -> Iterator[SphereTruth]:
    """A square facet between two codes of which only the four corners may lie on the sphere: there
    they share no arc.
    """
    planes = [*cube_planes(3)[:4], unit(3, {2: 1})]
    for squared, cells, vertices, edges, why in (
        (2 - TINY, 10, 8, 16, "four disjoint circles, each crossed by the equator twice"),
        (Fraction(2), 10, 4, 12, "four vertices on the equator, in which neighbours touch"),
        (2 + TINY, 18, 16, 32, "four lenses open, which the equator cuts in two"),
    ):
        source = f"planes x = +-1, y = +-1 and z = 0 on |x|^2 = R^2: {why}"
        yield truth(
            f"column-at-{label(squared)}",
            source,
            planes,
            on_two_sphere(cells, cells, vertices, edges, 1),
            squared,
        )


def empty_arrangements() -> Iterator[SphereTruth]:
    for name, planes in (
        ("constants", [[0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, -1]]),
        ("misses", [[1, 0, 0, -2], [1, 1, 1, 2], [0, 0, -1, 7]]),
        ("touches", [[1, 0, 0, -1], [-1, 0, 0, 1], [1, 2, 2, 3], [3, 0, -4, -5], [1, 0, 0, 1]]),
    ):
        yield truth(
            f"uncut-{name}",
            "planes that do not cut the sphere: one cell",
            planes,
            disjoint_circles(0),
            1,
        )
    planes = [
        [1, 1, 1, 1, 5],
        [2, 2, 2, 2, -1],
        [1, 1, 1, 1, 0],
        [2, 1, 1, 1, -1],
        [1, 0, 0, 0, -1],
    ]
    source = (
        "planes along the ones are constant behind LayerNorm; y_1 = 1 and the plane equal to "
        "it modulo ones are one circle"
    )
    yield truth("layer-norm-kernel", source, planes, disjoint_circles(1), norm="layer_norm")


FAMILIES = (
    cube,
    caps,
    touching_caps,
    single_tangency,
    central_arrangements,
    great_spheres,
    bands,
    islands,
    corners,
    columns,
    empty_arrangements,
)
