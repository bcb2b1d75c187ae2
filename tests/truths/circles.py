"""Truths about circles, and about spheres of two points."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tests.truths.cases import (
    Case,
    case,
    differences,
    great_circle,
    identity,
    layer,
    layer_norm,
    network,
    planes_network,
    readout,
    rms_norm,
    sphere,
    text,
    unit,
)


def on_sphere(
    name: str, source: str, net: Case, domain: Case, codes: int, cells: int, **more: int
) -> Case:
    """Counts on a circle: as many edges as cells, since each cut joins two arcs; a single cell has
    no cut.
    """
    edges = {"edge_count": cells if cells > 1 else 0} | more
    return case(name, source, net, domain, code_count=codes, cell_count=cells, **edges)


def square_on_circle() -> Iterator[Case]:
    planes = [[1, 0, -1], [-1, 0, -1], [0, 1, -1], [0, -1, -1]]
    above = Fraction(2**50 + 1, 2**50)
    for squared, codes, cells in (
        ("1/2", 1, 1),
        (1, 1, 1),
        (above, 5, 8),
        ("3/2", 5, 8),
        (4 - 2 * above, 5, 8),
        (2, 4, 4),
        (2 * above, 8, 8),
        (9, 8, 8),
    ):
        source = (
            "lines x_i = 1, -1 on |x|^2 = R^2 in the plane: sum over k < R^2 of 2^k C(2,k), "
            "plus 1 if R^2 < 2"
        )
        net = planes_network(planes)
        label = text(squared).replace("/", "-over-")
        yield on_sphere(f"square-on-circle-{label}", source, net, sphere(squared), codes, cells)
    source = "RMSNorm in the plane is the circle R^2 = 2, through the corners of the square"
    yield on_sphere(
        "square-on-rms-circle", source, planes_network(planes, rms_norm(2)), sphere(), 4, 4
    )


def rms_circle() -> Iterator[Case]:
    net = planes_network([[1, 0, 0], [0, 1, 0]], rms_norm(2))
    yield on_sphere(
        "rms-axes", "RMSNorm, planes y_i = 0: 4 arcs", net, sphere(), 4, 4, linear_piece_count=4
    )
    net = planes_network([[1, -1, 0]], rms_norm(2))
    yield on_sphere("rms-diagonal", "RMSNorm, plane y_1 = y_2: 2 arcs", net, sphere(), 2, 2)
    tiny = Fraction(1, 2**50)
    for name, offset, codes in (("below", 2 - tiny, 2), ("at", 2, 1), ("above", 2 + tiny, 1)):
        for sign in (1, -1):
            net = planes_network([[sign, sign, -sign * offset]], rms_norm(2))
            side = "outside" if sign == 1 else "inside"
            source = (
                "plane y_1 + y_2 = 2 touches the circle of squared radius 2; a touching "
                "point cuts nothing"
            )
            yield on_sphere(f"rms-tangent-{name}-{side}", source, net, sphere(), codes, codes)
    for n in (1, 2, 3, 8):
        net = planes_network([[1, k, 0] for k in range(n)], rms_norm(2))
        source = "n central lines cut a circle in 2n arcs"
        yield on_sphere(f"rms-central-{n}", source, net, sphere(), 2 * n, 2 * n)
    fold = rms_norm(2, gain=[2, "-1/3"], bias=["1/2", 5])
    net = planes_network([[1, 0, "-5/2"], [0, 1, "-14/3"], [-1, 0, "-3/2"], [0, -1, "16/3"]], fold)
    yield on_sphere(
        "rms-square-folded",
        "gain and bias folded: the square y_i = 1, -1 again",
        net,
        sphere(),
        4,
        4,
    )


def layer_norm_circle() -> Iterator[Case]:
    tiny = Fraction(1, 2**50)
    root_half, root_two = Fraction(6369051672525773, 2**53), Fraction(6369051672525773, 2**52)
    for label, c, codes, cells in (
        ("1-2", Fraction(1, 2), 6, 6),
        ("1", Fraction(1), 4, 6),
        ("3", Fraction(3), 1, 1),
        ("just-below-root-half", root_half - tiny, 6, 6),
        ("just-above-root-half", root_half + tiny, 4, 6),
        ("just-below-root-two", root_two - tiny, 4, 6),
        ("just-above-root-two", root_two + tiny, 1, 1),
    ):
        source = (
            "LayerNorm n = 3, planes y_i = c: sum over s of C(3,s) [s c^2 < 3-s], plus 1 if "
            "2 c^2 > 1"
        )
        net = planes_network([unit(3, {i: 1}, -c) for i in range(3)], layer_norm(3))
        yield on_sphere(f"caps-{label}", source, net, sphere(), codes, cells)
        gain, bias = (2, Fraction(-1, 2), 3), (1, 0, Fraction(-7, 5))
        folded = [
            [Fraction(i == j) / g for j in range(3)] + [-c - h / g]
            for i, (g, h) in enumerate(zip(gain, bias, strict=True))
        ]
        net = planes_network(folded, layer_norm(3, gain, bias))
        yield on_sphere(
            f"caps-{label}-folded", f"{source}; gain and bias folded", net, sphere(), codes, cells
        )
    net = planes_network([unit(3, {i: 1}) for i in range(3)], layer_norm(3))
    yield on_sphere(
        "layer-norm-axes", "LayerNorm n = 3, planes y_i = 0: 2^3 - 2", net, sphere(), 6, 6
    )
    net = planes_network(differences(3, [0]), layer_norm(3))
    yield on_sphere(
        "layer-norm-braid", "LayerNorm n = 3, planes y_i = y_j: 3!", net, sphere(), 6, 6
    )
    both = planes_network([unit(3, {i: 1}) for i in range(3)] + differences(3, [0]), layer_norm(3))
    source = "planes y_i = 0 and y_i = y_j are the 6 reflection lines of a hexagon: 12"
    yield on_sphere("layer-norm-axes-and-braid", source, both, sphere(), 12, 12)
    net = planes_network([[1, 1, 1, 5], [2, 2, 2, 0], [1, 0, 0, -1], [2, 1, 1, -1]], layer_norm(3))
    source = "planes along 1 never cut; y_1 = 1 and the plane equal to it modulo 1 cut once"
    yield on_sphere("layer-norm-kernel", source, net, sphere(), 2, 2)


def zero_spheres() -> Iterator[Case]:
    for name, planes, norm_, codes in (
        ("axes", [[1, 0, 0], [0, 1, 0]], layer_norm(2), 2),
        ("braid", [[1, -1, 0]], layer_norm(2), 2),
        ("beyond", [[1, 0, -2]], layer_norm(2), 1),
        ("through-a-point", [[1, 0, -1], [0, 1, -1]], layer_norm(2), 1),
        ("rms", [[2, 1]], rms_norm(1), 2),
        ("rms-uncut", [[2, 3]], rms_norm(1), 1),
    ):
        source = "the sphere of two points: two cells, and as many codes as the points have"
        net = planes_network(planes, norm_)
        yield on_sphere(f"two-points-{name}", source, net, sphere(), codes, 2, edge_count=0)


def great_circles() -> Iterator[Case]:
    tiny = Fraction(1, 2**50)
    for label, c, codes in (("below", 2 - tiny, 2), ("at", 2, 1), ("above", 2 + tiny, 1)):
        net = planes_network([unit(5, {i: 1}, -c) for i in range(5)], layer_norm(5))
        circle = great_circle([4, -1, -1, -1, -1], [0, 1, -1, 0, 0])
        source = "LayerNorm n = k^2+1, planes y_i = k touch the sphere, one of them on this circle"
        yield on_sphere(f"great-circle-tangent-{label}", source, net, circle, codes, codes)
    for n in (3, 4, 5):
        net = planes_network(differences(n, [0]), layer_norm(n))
        circle = great_circle([n * k for k in range(n)], [k * k * k for k in range(n)])
        arcs = n * (n - 1)
        source = "a generic great circle meets each of the C(n,2) central planes twice"
        yield on_sphere(f"great-circle-braid-{n}", source, net, circle, arcs, arcs)
    net = planes_network(differences(4, [0]), layer_norm(4))
    circle = great_circle([1, -1, 0, 0], [0, 0, 1, -1])
    source = (
        "planes y_i = y_j on the circle (a, -a, b, -b): a = 0, b = 0, a = b twice, a = -b "
        "twice: 8 arcs"
    )
    yield on_sphere("great-circle-braid-special", source, net, circle, 8, 8)
    net = planes_network([unit(4, {i: 1}) for i in range(4)], rms_norm(4))
    circle = great_circle([1, 0, 0, 0], [0, 1, 0, 0])
    source = (
        "coordinate circle of R^4, planes y_i = 0: two cut it, two contain it (zero on an "
        "open set is off): 4"
    )
    yield on_sphere("great-circle-in-planes", source, net, circle, 4, 4)
    net = planes_network([unit(3, {i: 1}, -1) for i in range(3)])
    circle = great_circle([1, 1, 0], [0, 0, 2], 3)
    source = (
        "x_i = 1 on the circle (a, a, b), 2 a^2 + b^2 = 3: cuts (1, 1, 1), where all three "
        "planes meet, and two more"
    )
    yield on_sphere("great-circle-through-corner", source, net, circle, 3, 3)


def deep_circles() -> Iterator[Case]:
    absolute = layer(identity(2), None, "absolute_value")
    for name, plane, squared, codes, cells in (
        ("diagonals", [1, -1, 0], 1, 8, 8),
        ("diamond-inside", [1, 1, -1], 1, 4, 4),
        ("diamond-across", [1, 1, "-5/4"], 1, 8, 12),
        ("diamond-touching", [1, 1, -2], 2, 4, 4),
        ("diamond-outside", [1, 1, -3], 2, 4, 4),
    ):
        net = network(absolute, layer([plane[:-1]], [plane[-1]]), readout([[1]]))
        source = (
            "|x| - |y| = 0 or |x| + |y| = t on a circle; a second layer that touches cuts nothing"
        )
        yield on_sphere(f"deep-circle-{name}", source, net, sphere(squared), codes, cells)
    for depth, codes, cells in ((1, 2, 2), (2, 4, 6)):
        fold = [layer([[1, 0]], [0], "absolute_value")] + [layer([[-2]], [1], "absolute_value")] * (
            depth - 1
        )
        net = network(*fold, readout([[1]]))
        source = "folds of the first coordinate on the unit circle"
        yield on_sphere(f"deep-circle-folds-{depth}", source, net, sphere(1), codes, cells)
    pairs = layer([[1, -1, 0], [0, 1, -1], [1, 0, -1]])
    relu = network(layer(identity(3)), pairs, readout(identity(3)), norm=layer_norm(3))
    source = (
        "LayerNorm n = 3, quadrants y_i = 0, then relu(y_i) = relu(y_j) where both are on: 6 "
        "+ 3 arcs"
    )
    yield on_sphere("deep-circle-layer-norm", source, relu, sphere(), 9, 9)


FAMILIES = (
    square_on_circle,
    rms_circle,
    layer_norm_circle,
    zero_spheres,
    great_circles,
    deep_circles,
)
