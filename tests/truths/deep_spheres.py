"""Truths about networks of several layers on spheres: boundaries bend inside the cells of the
layers before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import comb, factorial

from tests.truths.sphere_files import Number, SphereTruth
from tests.truths.sphere_tables import (
    TINY,
    Planes,
    caps_planes,
    differences,
    disjoint_circles,
    in_any_dimension,
    label,
    on_two_sphere,
    truth,
    unit,
)


def both_signs(dim: int) -> Planes:
    """x_i and -x_i: behind the ReLUs stand both parts of every coordinate."""
    return [unit(dim, {i: sign}) for i in range(dim) for sign in (1, -1)]


def orders() -> Iterator[SphereTruth]:
    """Behind LayerNorm the positive coordinates are compared: sum over 1 <= s < d of C(d,s) s!
    cells.
    """
    for d in (4, 5):
        codes = sum(comb(d, s) * factorial(s) for s in range(1, d))
        pairs = differences(d)
        source = (
            "quadrants y_i = 0, then relu(y_i) = relu(y_j), which bends: sum over 1 <= s < d "
            "of C(d,s) s!"
        )
        counts = (
            on_two_sphere(codes, codes, 28, 66, 1)
            if d == 4
            else in_any_dimension(d - 2, codes, codes)
        )
        yield truth(
            f"orders-{d}",
            source,
            caps_planes(d, Fraction(0)),
            counts,
            norm="layer_norm",
            further=[pairs],
        )


def octahedra() -> Iterator[SphereTruth]:
    """|x_1| + ... + |x_n| = t on |x|^2 = R^2."""
    bent = (
        "|x| + |y| + |z| = t on |x|^2 = R^2: eight pieces of circles, bent at the coordinate "
        "circles"
    )
    for squared, t, codes, cells, vertices, edges, components, why in (
        (1, Fraction(1, 2), 8, 8, 6, 12, 1, "on everywhere"),
        (1, Fraction(1), 8, 8, 6, 12, 1, "it touches the six poles only"),
        (
            1,
            1 + TINY,
            16,
            32,
            30,
            60,
            1,
            "off about the six poles, four corners in each octant cut off",
        ),
        (1, Fraction(5, 4), 16, 32, 30, 60, 1, "off about the six poles"),
        (2, Fraction(2), 16, 32, 18, 48, 1, "circles that touch the three sides of each octant"),
        (2, 2 + TINY, 16, 16, 6, 20, 9, "a disc inside each octant"),
        (3, Fraction(5, 2), 16, 16, 6, 20, 9, "a disc inside each octant"),
        (3, 3 - TINY, 16, 16, 6, 20, 9, "a tiny disc inside each octant"),
        (3, Fraction(3), 8, 8, 6, 12, 1, "it touches the eight points (+-1, +-1, +-1) and is off"),
        (3, 3 + TINY, 8, 8, 6, 12, 1, "off everywhere"),
    ):
        counts = on_two_sphere(codes, cells, vertices, edges, components)
        last = [[1] * 6 + [-t]]
        yield truth(
            f"octahedron-{squared}-at-{label(t)}",
            f"{bent}; {why}",
            both_signs(3),
            counts,
            squared,
            further=[last],
        )
    for t, codes, cells in (
        (2, 16, 16),
        (2 + TINY, 32, 80),
        ("5/2", 32, 80),
        (3, 32, 32),
        (4 - TINY, 32, 32),
        (4, 16, 16),
    ):
        source = (
            "|x_1| + ... + |x_4| = t on |x| = 2: from 2 to 4, in each of 16 orthants a cap that "
            "is on; the rest are "
            "four corners, or one cell when t > 2 sqrt(2) and the cap leaves the edges"
        )
        counts = in_any_dimension(3, codes, cells)
        last = [[1] * 8 + [-Fraction(t)]]
        yield truth(
            f"octahedron-4d-at-{label(t)}", source, both_signs(4), counts, 4, further=[last]
        )


def folded_bands() -> Iterator[SphereTruth]:
    """|x_1| = c, cut by the equator x_1 = 0."""
    for dim in (3, 4, 5):
        for c, number in ((Fraction(1, 3), 3), (1 - TINY, 3), (Fraction(1), 1), (1 + TINY, 1)):
            planes: list[list[Number]] = [unit(dim, {0: 1}), unit(dim, {0: -1})]
            counts = (
                disjoint_circles(number)
                if dim == 3
                else in_any_dimension(dim - 1, number + 1, number + 1)
            )
            source = (
                "|x_1| = c on the unit sphere: two parallel circles and the equator; at c = "
                "1 it touches the poles"
            )
            yield truth(
                f"folded-bands-{dim}-at-{label(c)}",
                source,
                planes,
                counts,
                1,
                further=[[[1, 1, -c]]],
            )
    planes = [unit(3, {0: 1}), unit(3, {0: -1})]
    thrice: Sequence[Planes] = ([[1, 1, "-1/2"], [-1, -1, "1/2"]], [[1, 1, "-1/4"]])
    source = "||x_1| - 1/2| = 1/4: folded twice, parallel circles at 0, +-1/4, +-1/2 and +-3/4"
    yield truth("folded-bands-twice", source, planes, disjoint_circles(7), 1, further=thrice)


def dead_layers() -> Iterator[SphereTruth]:
    axes = [unit(3, {i: 1}) for i in range(3)]
    octants = on_two_sphere(8, 8, 6, 12, 1)
    for name, last, why in (
        ("dead", [[1, 1, 1, -9], [-1, -1, -1, 0]], "never on"),
        ("alive", [[1, 1, 1, 9], [1, 1, 1, 1]], "always on"),
        ("constant", [[0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, -1]], "constant"),
        (
            "sum",
            [[1, 1, 1, 0], [2, 2, 2, 0]],
            "off on the octant where all are off, which is cut already",
        ),
        (
            "repeated",
            [[1, 0, 0, 0], [-1, 0, 0, 0], [0, 5, 0, 0]],
            "zero on whole octants, where off is the sign",
        ),
    ):
        source = f"the octants, and a second layer whose neurons cut nothing new: {why}"
        yield truth(f"second-layer-{name}", source, axes, octants, 3, further=[last])
        yield truth(
            f"second-layer-{name}-rms", source, axes, octants, norm="rms_norm", further=[last]
        )
    dead = [unit(3, {i: 1}, -4) for i in range(3)]
    source = "a first layer that is off everywhere, and a second that is constant"
    yield truth(
        "first-layer-dead",
        source,
        dead,
        disjoint_circles(0),
        3,
        further=[[[1, 2, 3, 1], [1, 1, 1, 0]]],
    )
    planes = [[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]]
    source = (
        "relu(x) + relu(y) - relu(x + y) is zero where x and y have one sign, positive "
        "elsewhere: six lunes"
    )
    yield truth(
        "sum-of-relus", source, planes, on_two_sphere(6, 6, 2, 6, 1), 2, further=[[[1, 1, -1, 0]]]
    )


def capped_octants() -> Iterator[SphereTruth]:
    """relu(x) + relu(y) + relu(z) = 1/2 on the unit sphere."""
    source = (
        "relu(x) + relu(y) + relu(z) = 1/2 on the unit sphere: on for all of the octant +++, an "
        "arc in each of the six other "
        "octants that are not all negative, which together close around ---"
    )
    axes = [unit(3, {i: 1}) for i in range(3)]
    counts = on_two_sphere(14, 14, 12, 24, 1)
    yield truth(
        "ring-around-an-octant", source, axes, counts, 1, further=[[[1, 1, 1, Fraction(-1, 2)]]]
    )


FAMILIES = (orders, octahedra, folded_bands, dead_layers, capped_octants)
