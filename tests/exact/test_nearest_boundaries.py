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
    rho, kappa = mpmath.sqrt(mpmath.norm(y) ** 2 - h * h), -c / (mpmath.sqrt(n) * length)
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
