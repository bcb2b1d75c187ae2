"""Nearest boundaries, judged by all hinges at high precision and by the facets and arcs of
partitions.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product

import mpmath
import numpy as np
import pytest

from exact import (
    GELU,
    Block,
    InvalidInput,
    Layer,
    LayerNorm,
    Network,
    Norm,
    RealSpace,
    ReLU,
    RMSNorm,
    Sphere,
    Unsupported,
    nearest_boundaries,
    partition,
)
from exact.arithmetic.numbers import fraction
from exact.instruments.batches.hinges import sheets
from exact.sources import tensors

DRAW = np.random.default_rng(3)
mpmath.mp.dps = 32
GAIN, BIAS = [1.5, -0.5, 2.0, 0.75], [0.25, 0.5, -1.0, 0.125]
CASES = list(product((LayerNorm, RMSNorm), (0, "1/7", 2), ("var", "std")))


def layer(width: int, dim: int, activation: object = None) -> Layer:
    return Layer.of(
        DRAW.integers(-9, 10, size=(width, dim)) / 4,
        DRAW.integers(-9, 10, size=width) / 4,
        activation or ReLU(),
    )


def behind(norm: Norm, *widths: int) -> Network:
    layers, dim = [], norm.dim
    for width in widths:
        layers.append(layer(width, dim))
        dim = width
    return Network((Block(tuple(layers), norm),))


def number(value: object) -> mpmath.mpf:
    """A rational at 40 digits."""
    found = Fraction(str(value))
    return mpmath.mpf(found.numerator) / found.denominator


def column(values: object) -> mpmath.matrix:
    return mpmath.matrix([number(x) for x in values])


def caps(network: Network) -> list[tuple[mpmath.matrix, mpmath.mpf]]:
    """Normal in the image of P, and offset, of every hinge of the first layer."""
    norm, first = network.blocks[0].norm, network.hidden_layers[0]
    assert norm is not None
    gain, bias = column(norm.gain.column()), column(norm.bias.column())
    found = []
    for j in range(first.width):
        w = column(first.weight.row(j))
        scaled = mpmath.matrix([a * b for a, b in zip(w, gain, strict=True)])
        shift = number(first.bias.row(j)[0]) + (w.T * bias)[0]
        found.append((project(norm, scaled), shift))
    return found


def project(norm: Norm, x: mpmath.matrix) -> mpmath.matrix:
    if isinstance(norm, RMSNorm):
        return x
    mean = sum(x) / len(x)
    return mpmath.matrix([value - mean for value in x])


def angle(norm: Norm, x: mpmath.matrix, w: mpmath.matrix, c: mpmath.mpf) -> mpmath.mpf | None:
    y, length = project(norm, x), mpmath.norm(w)
    if not length or abs(c) >= mpmath.sqrt(norm.dim) * length:
        return None
    phi = mpmath.acos((w.T * y)[0] / (length * mpmath.norm(y)))
    return abs(phi - mpmath.acos(-c / (mpmath.sqrt(norm.dim) * length)))


def distance(norm: Norm, x: mpmath.matrix, w: mpmath.matrix, c: mpmath.mpf) -> mpmath.mpf:
    """By searching the zero set itself, a curve over the distance from the axis."""
    y, length, n = project(norm, x), mpmath.norm(w), norm.dim
    h = (w.T * y)[0] / length
    rho = mpmath.sqrt(max(mpmath.norm(y) ** 2 - h * h, 0))
    kappa = -c / (mpmath.sqrt(n) * length)
    eps = number(norm.eps)

    def height(s: mpmath.mpf) -> mpmath.mpf:
        if norm.eps_rule == "var":
            return kappa * mpmath.sqrt((s * s + n * eps) / (1 - kappa**2))
        low = kappa * mpmath.sqrt(n) * eps
        root = mpmath.sqrt(low**2 + (1 - kappa**2) * s * s)
        return (low + kappa * root) / (1 - kappa**2)

    def square(s: mpmath.mpf) -> mpmath.mpf:
        return (s - rho) ** 2 + (height(s) - h) ** 2

    grid = [mpmath.mpf(k) / 20 * (rho + abs(h)) * 2 for k in range(80)]
    at = min(range(len(grid)), key=lambda k: square(grid[k]))
    low, high = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    for _ in range(70):  # a thinning bracket around the one minimum
        third = (high - low) / 3
        low, high = (
            (low, high - third)
            if square(low + third) < square(high - third)
            else (low + third, high)
        )
    return mpmath.sqrt(square((low + high) / 2))


@pytest.mark.parametrize(("kind", "eps", "rule"), CASES)
def test_every_hinge_behind_a_norm_in_order(kind: type[Norm], eps: object, rule: str) -> None:
    norm = kind.of(eps, GAIN, BIAS, eps_rule=rule)
    network = behind(norm, 9)
    points = DRAW.integers(-20, 21, size=(5, 4)) / 8 + np.arange(4)
    found = nearest_boundaries(network, points, k=9)
    for i, point in enumerate(points):
        x = column(point)
        wanted = [(angle(norm, x, w, c), j) for j, (w, c) in enumerate(caps(network))]
        order = sorted((value, j) for value, j in wanted if value is not None)
        count = len(order)
        assert found.neurons[i, :count].tolist() == [j for _, j in order]
        assert (found.layers[i, count:] == 0).all() and (found.neurons[i, count:] == -1).all()
        code = network.code(point.tolist()).bits
        for place, (value, j) in enumerate(order):
            assert (
                abs(found.angles_float[i, place] - value) <= found.angles_bound[i, place] < 2**-30
            )
            away = distance(norm, x, *caps(network)[j])
            assert abs(found.distances_float[i, place] - away) <= (
                found.distances_bound[i, place] + mpmath.mpf(10) ** -18
            )
            assert found.distances_bound[i, place] < 2**-20
            assert found.on[i, place] == code[j]
        for place, exact in enumerate(found.exact(i)[: 2 * (i < 2)]):
            assert abs(mpmath.acos(exact.cosine().evalf(40)) - order[place][0]) < 1e-15
            assert exact.on == found.on[i, place]
            if exact.squared_distance is not None:
                away = float(exact.squared_distance) ** 0.5
                assert abs(away - found.distances_float[i, place]) <= (
                    found.distances_bound[i, place] + 2e-16
                )
            assert (exact.squared_distance is None) == (eps != 0)


@pytest.mark.parametrize(("kind", "eps", "rule"), CASES)
def test_every_hinge_behind_a_norm_by_distance(kind: type[Norm], eps: object, rule: str) -> None:
    """Against the distances of all hinges at 32 digits; equal ones in the order of the code."""
    norm = kind.of(eps, GAIN, BIAS, eps_rule=rule)
    network = behind(norm, 9)
    axes = [[float(x) for x in w] for w, _ in caps(network)[:2]]
    points = np.vstack([DRAW.integers(-20, 21, size=(3, 4)) / 16 + np.arange(4) / 2, *axes])
    found = nearest_boundaries(network, points, k=9, by="distance")
    by_angle = nearest_boundaries(network, points, k=9)
    for i, point in enumerate(points):
        x, wanted = column(point), list[tuple[mpmath.mpf, int]]()
        for j, (w, c) in enumerate(caps(network)):
            if angle(norm, x, w, c) is not None:
                wanted.append((mpmath.nint(distance(norm, x, w, c) * 10**12), j))
        count = len(wanted)
        assert found.neurons[i, :count].tolist() == [j for _, j in sorted(wanted)]
        assert (found.neurons[i, count:] == -1).all()
        assert [x.hinge.neuron for x in found.exact(i)] == found.neurons[i, :count].tolist()
        for place, j in enumerate(found.neurons[i, :count].tolist()):
            same = by_angle.neurons[i].tolist().index(j)
            for name in ("on", "angles_float", "distances_float"):
                assert getattr(found, name)[i, place] == getattr(by_angle, name)[i, same]
    for k in (1, 3):
        first = nearest_boundaries(network, points, k=k, by="distance")
        assert (first.neurons == found.neurons[:, :k]).all()
    assert sum(found.decisions.values()) == len(points) and found.by == "distance"


CURVED, PLANE = [1, 0, 0, 0], [1, 1, 2, 2]
MEETINGS = {  # rule, eps, point, a plane through the centre as far from it as the sheet of CURVED
    "var": ("1/2", ["7/4", "3/4", 0, 0], PLANE, Fraction(5, 8)),
    "std": ("3/2", [5, "5/2", 0, 0], [0, 1, 2, 0], Fraction(5, 4)),
}


@pytest.mark.parametrize("rule", MEETINGS)
@pytest.mark.parametrize(
    "change", [0, "1/10000000000000000000000000", "-1/10000000000000000000000"]
)
@pytest.mark.parametrize("turned", [1, -1])
def test_equal_distances_of_a_plane_and_a_curved_sheet(
    rule: str, change: str | int, turned: int
) -> None:
    """The sheet's nearest point is rational, and so its squared distance; another offset, by far
    less than floats tell, moves it.
    """
    eps, point, plane, square = MEETINGS[rule]
    norm = RMSNorm.of(eps, dim=4, eps_rule=rule)  # type: ignore[arg-type]
    curved = [turned * x for x in CURVED], -turned * (1 + Fraction(change))
    for order in ((curved, (plane, 0)), ((plane, 0), curved)):
        rows, shifts = ([pair[k] for pair in order] for k in (0, 1))
        network = Network((Block((Layer.of(rows, shifts, ReLU()),), norm),))
        found = nearest_boundaries(network, [point], k=2, by="distance")
        near = distance(norm, column(point), column(curved[0]), number(curved[1]))
        assert abs(near**2 - number(square)) < 1e-13
        assert abs(found.distances_float[0, 0] - float(square) ** 0.5) <= 1e-12
        assert found.decisions == {"filter": 0, "exact": 1}
        first = 0 if not change else order.index(curved if Fraction(change) > 0 else (plane, 0))
        assert found.neurons[0].tolist() == [first, 1 - first]


@pytest.mark.parametrize("rule", ["var", "std"])
def test_distances_are_within_the_bounds_that_leave_few(rule: str) -> None:
    draw, zero = np.random.default_rng(6), np.zeros(3000)
    angles, eps = draw.uniform(0.05, 3.09, 3000), draw.choice([0, 0.1, 3], 3000)
    sheet = sheets.sheet(np.cos(angles), zero, np.sin(angles), zero, eps, rule)
    h, rho = draw.normal(size=3000), np.abs(draw.normal(size=3000))
    feet = sheets.distances(sheet, h, rho, zero)
    low, high = sheets.reach(sheet, h, rho, zero)
    assert (low <= feet.distances + feet.bounds).all()
    assert (high >= feet.distances - feet.bounds).all()
    assert (high * np.sin(angles) < low * 1.03 + 1e-9).all() and np.median(low / high) > 0.6


def test_equal_hinges_by_distance() -> None:
    factors = np.array([13, -7, 11, 3, -1, 29, 17, -23, 37])
    rows, shifts = factors[:, None] * np.array([1, 5, -3]), factors * 2
    for norm in (LayerNorm.of(1, dim=3), RMSNorm.of("1/3", dim=3, eps_rule="std")):
        network = Network((Block((Layer.of(rows, shifts, ReLU()),), norm),))
        points = np.random.default_rng(0).normal(size=(20, 3))
        found = nearest_boundaries(network, points, k=3, by="distance")
        assert found.neurons.tolist() == [[0, 1, 2]] * 20
        assert found.decisions == {"filter": 0, "exact": 20}


@pytest.mark.parametrize(("kind", "rule"), [(RMSNorm, "std"), (LayerNorm, "var")])
def test_deep_networks_by_distance(kind: type[Norm], rule: str) -> None:
    """Against all hinges, continued as they are at the point, at 32 digits."""
    norm = kind.of("1/7", GAIN, BIAS, eps_rule=rule)
    network = behind(norm, 6, 5, 4)
    points = np.random.default_rng(8).normal(size=(8, 4)) / 4
    found = nearest_boundaries(network, points, by="distance")
    other = nearest_boundaries(network, points)
    for i, point in enumerate(points):
        away = []
        for hinge, (w, c) in zip(network.hinges, continued(network, point), strict=True):
            if angle(norm, column(point), w, c) is not None:
                away.append((distance(norm, column(point), w, c), tuple(hinge)))
        least, hinge = min(away, key=lambda pair: (mpmath.nint(pair[0] * 10**12), pair[1]))
        assert (found.layers[i, 0], found.neurons[i, 0], 0) == hinge
        assert abs(found.distances_float[i, 0] - least) <= found.distances_bound[i, 0] + 1e-15
    assert found.layers.max() > 1 and (found.neurons != other.neurons).any()


def continued(network: Network, point: np.ndarray) -> list[tuple[mpmath.matrix, mpmath.mpf]]:
    """Normal and offset of all hinges behind a norm, continued from the pieces at the point."""
    bits, found = network.code(point.tolist()).bits.astype(int).tolist(), caps(network)
    rows = mpmath.matrix([list(w) for w, _ in found]), mpmath.matrix([c for _, c in found])
    for before, layer in pairwise(network.hidden_layers):
        on, bits = mpmath.diag(bits[: before.width]), bits[before.width :]
        weight = mpmath.matrix([list(column(layer.weight.row(j))) for j in range(layer.width)])
        shift = column(layer.bias.column())
        rows = weight * on * rows[0], weight * on * rows[1] + shift
        found += [(rows[0][j, :].T, rows[1][j]) for j in range(layer.width)]
    return found


def test_orders_that_are_refused() -> None:
    plain = Network((Block((layer(5, 4),)),))
    points = DRAW.normal(size=(3, 4))
    assert nearest_boundaries(plain, points, by="distance").by == "distance"
    assert nearest_boundaries(plain, points).by == "distance"
    with pytest.raises(InvalidInput, match="without a norm there are no angles"):
        nearest_boundaries(plain, points, by="angle")
    with pytest.raises(InvalidInput, match="unknown order of hinges"):
        nearest_boundaries(plain, points, by="depth")  # type: ignore[arg-type]


def test_planes_without_a_norm_in_order_and_exactly() -> None:
    rows = [[3, 4], [1, 0], [0, 0], [-6, -8], [0, 2]]
    network = Network((Block((Layer.of(rows, [5, 1, 7, -10, -3], ReLU()),)),))
    found = nearest_boundaries(network, [[1, 2], [0, 0], ["1/3", -1]], k=4)
    assert found.neurons.tolist() == [[4, 1, 0, 3], [0, 1, 3, 4], [0, 3, 1, 4]]
    squares = [[fraction(x.squared_distance.a) for x in found.exact(i)] for i in range(3)]
    assert squares[0] == [Fraction(1, 4), 4, Fraction(256, 25), Fraction(256, 25)]
    assert squares[1] == [1, 1, 1, Fraction(9, 4)]
    assert squares[2] == [Fraction(4, 25), Fraction(4, 25), Fraction(16, 9), Fraction(25, 4)]
    assert found.decisions == {"filter": 0, "exact": 3}
    assert np.isnan(found.angles_float).all()
    assert found.on.tolist()[1] == [True, True, False, False]


def test_points_on_hinges_and_on_axes() -> None:
    norm = RMSNorm.of(0, dim=3)
    network = Network(
        (Block((Layer.of([[1, 0, 0], [0, 1, 0], [3, 4, 0]], [0, -1, 0], ReLU()),), norm),)
    )
    found = nearest_boundaries(network, [[0, 1, 1], [0, 2, 0], [4, -3, 0]], k=3)
    assert found.angles_float[0, 0] == 0 and found.neurons[0, 0] == 0 and not found.on[0, 0]
    assert found.neurons[1].tolist() == [0, 2, 1]  # angles 0, asin(4/5), acos(1/sqrt 3)
    assert found.neurons[2, 0] == 2 and found.exact(2)[0].squared_distance.sign() == 0
    assert (found.distances_bound < 2**-40).all() and (found.angles_bound < 2**-40).all()


@pytest.mark.parametrize("scale", [2.0**-600, 2.0**-300, 1.0, 2.0**500])
def test_no_size_of_points_or_weights_loses_the_answer(scale: float) -> None:
    draw = np.random.default_rng(5)
    weight, points = draw.normal(size=(6, 4)), draw.normal(size=(5, 4))
    plain = [
        Network((Block((Layer.of(weight * s, 0.5 * s * np.arange(6) - s, ReLU()),), norm),))
        for s in (1.0, scale)
        for norm in (LayerNorm.of(0, dim=4),)
    ]
    wanted = nearest_boundaries(plain[0], points, k=3)
    for network, at in ((plain[0], points * scale), (plain[1], points)):
        found = nearest_boundaries(network, at, k=3)
        assert (found.neurons == wanted.neurons).all() and (found.on == wanted.on).all()
        gap = np.abs(found.angles_float - wanted.angles_float)
        there = found.neurons >= 0
        assert (gap <= found.angles_bound + wanted.angles_bound)[there].all()


def test_equal_hinges_are_decided_exactly_and_counted() -> None:
    rows = [[1, 2, -1], [2, 4, -2], [-3, -6, 3], [1, 0, 0]]
    network = Network((Block((Layer.of(rows, [1, 2, -3, 0.5], ReLU()),), LayerNorm.of(1, dim=3)),))
    found = nearest_boundaries(network, [[1, 2, 4], [0.5, 0, 3]], k=3)
    for i in range(2):
        places = [found.neurons[i].tolist().index(j) for j in (0, 1) if j in found.neurons[i]]
        assert places == sorted(places)
    assert found.decisions["exact"] == 2


@pytest.mark.parametrize("norm", [None, LayerNorm.of(1, dim=3), RMSNorm.of(0, dim=3)])
def test_hinges_that_differ_by_their_rounding_only_are_equal(norm: Norm | None) -> None:
    """Each is the same hinge times an integer, whose unit normal rounds in its own way."""
    factors = np.array([13, 7, 11, 3, 1, 29, 17, 23, 37])
    rows, shifts = factors[:, None] * np.array([1, 5, -3]), factors * 2
    network = Network((Block((Layer.of(rows, shifts, ReLU()),), norm),))
    points = np.random.default_rng(0).normal(size=(20, 3))
    found = nearest_boundaries(network, points, k=3)
    assert found.neurons.tolist() == [[0, 1, 2]] * 20
    assert found.decisions == {"filter": 0, "exact": 20}


@pytest.mark.parametrize("depth", [2, 3])
def test_deep_networks_against_the_facets_of_the_region(depth: int) -> None:
    draw = np.random.default_rng(depth)
    sizes = [2, *[5] * depth, 1]
    network = tensors.mlp(
        [
            (draw.integers(-5, 6, size=(b, a)), draw.integers(-5, 6, size=b))
            for a, b in pairwise(sizes)
        ]
    )
    cells = partition(network, RealSpace(2))
    points = draw.integers(-16, 17, size=(40, 2)) / 7
    found = nearest_boundaries(network, points)
    for i, point in enumerate(points):
        facets = cells.regions[cells.locate(point.tolist())].facets
        squares = list[tuple[Fraction, tuple[object, ...]]]()
        for facet in facets:
            *normal, offset = (Fraction(x) for x in facet.hyperplane)
            height = sum(a * Fraction(x) for a, x in zip(normal, point, strict=True)) + offset
            squares.append((height**2 / sum(a * a for a in normal), facet.flipped))
        least = min(square for square, _ in squares)
        (exact,) = found.exact(i)
        assert fraction(exact.squared_distance.a) == least
        assert any(
            square == least and tuple(exact.hinge)[:2] in [tuple(f)[:2] for f in flipped]
            for square, flipped in squares
        )
        assert abs(found.distances_float[i, 0] - float(least) ** 0.5) <= (
            found.distances_bound[i, 0] + 1e-15
        )
        assert (
            found.on[i, 0] == network.code(point.tolist()).bits[network.hinges.index(exact.hinge)]
        )
    assert found.layers.max() > 1


@pytest.mark.parametrize("kind", [RMSNorm, LayerNorm])
def test_deep_networks_against_the_arcs_of_the_sphere(kind: type[Norm]) -> None:
    dim = 2 if kind is RMSNorm else 3
    norm = kind.of(0, GAIN[:dim], BIAS[:dim])
    network = behind(norm, 6, 5, 4)
    circle = partition(network, Sphere())
    angles = np.array([crossing.angle_float for crossing in circle.crossings])
    points = np.random.default_rng(8).normal(size=(30, dim))
    found = nearest_boundaries(network, points)
    for i, point in enumerate(points):
        ends = np.array(circle.regions[circle.locate(point.tolist())].endpoints_float)
        unit = project_float(norm, point)
        cosines = [float(unit @ project_float(norm, np.array(end, dtype=float))) for end in ends]
        nearest = np.arccos(np.clip(max(cosines), -1, 1))
        assert abs(found.angles_float[i, 0] - nearest) < 1e-7
    assert len(angles) > 4 and found.layers.max() > 1


def project_float(norm: Norm, x: np.ndarray) -> np.ndarray:
    y = norm.project_float(x[None])[0]
    return np.asarray(y / np.linalg.norm(y))


def test_layer_one_of_a_deep_network_has_any_k() -> None:
    network = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [-3]), ([[1]], [0])])
    found = nearest_boundaries(network, [[2, 5]], k=2, layer=1)
    assert found.neurons.tolist() == [[0, 1]] and found.exact(0)[1].squared_distance.a == 25
    with pytest.raises(Unsupported, match="bend outside the cell"):
        nearest_boundaries(network, [[2, 5]], k=2)
    with pytest.raises(Unsupported, match="bend outside the set"):
        nearest_boundaries(network, [[2, 5]], layer=2)


def test_bad_rows_are_named_or_kept() -> None:
    network = behind(LayerNorm.of(1, GAIN, BIAS), 5)
    points = DRAW.normal(size=(4, 4))
    points[1], points[2, 3] = 7.0, np.nan
    with pytest.raises(InvalidInput, match="row 2 of X is not finite"):
        nearest_boundaries(network, points)
    with pytest.raises(InvalidInput, match="projection of row 1 of X is zero"):
        nearest_boundaries(network, points[[0, 1]])
    with pytest.raises(InvalidInput, match="does not fit the network"):
        nearest_boundaries(network, points[:, :3])
    with pytest.raises(InvalidInput, match="k is not positive"):
        nearest_boundaries(network, points, k=0)
    kept = nearest_boundaries(network, points, errors="keep")
    assert (kept.layers[:, 0] > 0).tolist() == [True, False, False, True]
    assert np.isnan(kept.angles_float[1:3]).all() and kept.exact(1) == ()
    table = kept.to_pandas()
    assert list(table.columns[:4]) == ["row", "rank", "layer", "neuron"] and len(table) == 4


@pytest.mark.parametrize("norm", [None, LayerNorm.of("1/9", dim=4)])
@pytest.mark.parametrize("kept", [0, 5])
def test_bad_rows_of_deep_networks_are_passed_over(norm: Norm | None, kept: int) -> None:
    """Floats, and thirds beside them: what is left has the answers that it has alone."""
    network = Network((Block((layer(6, 4), layer(5, 6), layer(4, 5)), norm),))
    points = DRAW.integers(-9, 10, size=(6, 4)) / 4
    bad = points.copy()
    bad[kept:, 2] = np.nan
    found = nearest_boundaries(network, bad, errors="keep")
    assert (found.layers[:, 0] > 0).tolist() == [True] * kept + [False] * (6 - kept)
    for i in range(kept):
        alone = nearest_boundaries(network, points[i])
        assert found.neurons[i] == alone.neurons[0] and found.on[i] == alone.on[0]
        place = network.hinges.index(found.exact(i)[0].hinge)
        assert found.on[i, 0] == network.code(points[i].tolist()).bits[place]
    if norm is not None:
        thirds = [[Fraction(int(4 * x), 12) for x in row] for row in points] + [[1, 1, 1, 1]]
        kept_thirds = nearest_boundaries(network, thirds, errors="keep")
        for i, row in enumerate(thirds[:-1]):
            assert kept_thirds.neurons[i] == nearest_boundaries(network, [row]).neurons[0]
        assert kept_thirds.layers[-1, 0] == 0


def test_smooth_layers_have_boundaries_where_they_are_the_first() -> None:
    smooth = Network((Block((layer(5, 4, GELU()), layer(3, 5)), LayerNorm.of(1, GAIN, BIAS)),))
    assert (nearest_boundaries(smooth, DRAW.normal(size=(3, 4)), layer=1, k=2).layers == 1).all()
    with pytest.raises(Unsupported, match="piecewise linear"):
        nearest_boundaries(smooth, DRAW.normal(size=(3, 4)))


@pytest.mark.gpu
def test_the_device_changes_nothing() -> None:
    network = behind(LayerNorm.of(1, GAIN, BIAS), 50)
    points = DRAW.normal(size=(300, 4))
    one, other = (nearest_boundaries(network, points, k=3, device=d) for d in ("cpu", "cuda"))
    assert (one.neurons == other.neurons).all() and (one.on == other.on).all()
