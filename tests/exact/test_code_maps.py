"""The maps of all regions as arrays: floats within their bounds of the exact maps, and numbers that
are equal iff these are, on every kind of domain and on networks that are degenerate in every way.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from itertools import islice, pairwise
from math import prod
from typing import Any

import networkx as nx
import numpy as np
import pytest

from exact import (
    AbsoluteValue,
    Activation,
    Block,
    Box,
    Ellipse,
    GreatCircle,
    HardTanh,
    HPolytope,
    LeakyReLU,
    Line,
    Network,
    NormBall,
    NotPiecewiseLinear,
    Plane,
    Ray,
    RealSpace,
    ReLU,
    Segment,
    Sphere,
    partition,
)
from exact.arithmetic.linear_algebra import matrix
from exact.arithmetic.numbers import Rational, fraction, rational
from exact.networks.evaluation import code_maps, code_residues
from exact.networks.evaluation.code_blocks import relevant_bits
from exact.networks.evaluation.code_maps import CodeMaps
from exact.networks.evaluation.code_residues import Residues, primes
from exact.regions.partition import Partition
from exact.sources import tensors

Layers = list[tuple[Any, Any]]


def drawn(sizes: Sequence[int], seed: int, scale: float = 1.0) -> Layers:
    rng = np.random.default_rng(seed)
    return [(scale * rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in pairwise(sizes)]


def whole(sizes: Sequence[int], seed: int, bias: bool = True) -> Layers:
    rng = np.random.default_rng(seed)
    return [
        (rng.integers(-1, 2, (b, a)), rng.integers(-1, 2, b) if bias else None)
        for a, b in pairwise(sizes)
    ]


def doubled(layers: Layers) -> Layers:
    """Every neuron of the first layer again as its opposite, with the negative weights behind it:
    relu(z) - relu(-z) = z.
    """
    (weight, bias), (after, shift), *rest = layers
    return [
        (np.concatenate([weight, -weight]), np.concatenate([bias, -bias])),
        (np.concatenate([after, -after], axis=1), shift),
        *rest,
    ]


def dead(layers: Layers) -> Layers:
    """The second layer off everywhere on a box."""
    first, (weight, bias), *rest = layers
    return [first, (weight, bias - 1000.0), *rest]


def thirds(layers: Layers) -> Layers:
    return [
        (
            [[Fraction(int(4 * x), 3) for x in row] for row in w],
            [Fraction(int(5 * x), 7) for x in b],
        )
        for w, b in layers
    ]


def mlp(layers: Layers, activation: Activation | None = None) -> Network:
    return tensors.mlp(layers, activation=activation or ReLU())


def block(seed: int, n: int, eps: float, residual: bool = False) -> Network:
    rng = np.random.default_rng(seed)
    return tensors.block(
        rng.normal(size=(2 * n, n)),
        rng.normal(size=2 * n),
        rng.normal(size=(n, 2 * n)),
        None,
        norm="layernorm",
        eps=eps,
        residual=residual,
    )


def with_skip() -> Network:
    first, inner, last = (mlp(drawn(s, 7)).blocks for s in ((2, 4, 3), (3, 4, 3), (3, 4, 1)))
    return Network((*first, Block(inner[0].layers, residual=True), *last))


BOX, BOX3 = Box(-1, 1, dim=2), Box(-1, 1, dim=3)
JOBS = {
    "random": lambda: (mlp(drawn((2, 8, 6, 2), 0)), BOX),
    "integers": lambda: (mlp(whole((3, 6, 6, 2), 8)), BOX3),
    "bias-free": lambda: (mlp(whole((2, 6, 5, 2), 8, bias=False)), RealSpace(2)),
    "doubled": lambda: (mlp(doubled(drawn((2, 5, 6, 1), 3))), BOX),
    "dead": lambda: (mlp(dead(drawn((3, 5, 4, 3, 2), 4))), BOX3),
    "thirds": lambda: (mlp(thirds(drawn((2, 6, 5, 2), 5))), BOX),
    "absolute": lambda: (mlp(whole((2, 6, 4, 1), 2), AbsoluteValue()), BOX),
    "hard tanh": lambda: (mlp(drawn((2, 4, 4, 1), 7), HardTanh()), BOX),
    "leaky": lambda: (
        mlp(drawn((3, 5, 4, 2), 8), LeakyReLU(Fraction(1, 3))),
        Plane([0, 0, 0], [1, 0, 0], [0, "1/3", 1]),
    ),
    "huge": lambda: (mlp(drawn((2, 6, 5, 2), 9, 1e90)), BOX),
    "tiny": lambda: (mlp([(1e-120 * w, 1e-120 * b) for w, b in drawn((2, 6, 5, 2), 9)]), BOX),
    "no hinge": lambda: (mlp([([[1, 2], [3, 4]], [5, 6])]), BOX),
    "skip": lambda: (with_skip(), BOX),
    "empty": lambda: (mlp(drawn((2, 4, 1), 1)), HPolytope([[1, 0, -1], [-1, 0, 0]])),
    "segment": lambda: (mlp(drawn((3, 6, 6, 2), 10)), Segment([0, 0, 0], [1, "1/3", 1])),
    "line": lambda: (mlp(doubled(drawn((3, 5, 6, 2), 11))), Line([0, "1/7", 0], [1, "1/3", 1])),
    "ray": lambda: (mlp(drawn((3, 6, 6, 2), 12)), Ray(0, [1, "1/3", 1])),
    "circle": lambda: (
        mlp(drawn((3, 6, 6, 2), 13)),
        GreatCircle([1, 0, 0], [0, 1, "1/3"], radius_squared=4),
    ),
    "ellipse": lambda: (mlp(drawn((3, 6, 6, 2), 14)), Ellipse.slerp([2, 0, 0], [0, 0, 1])),
    "sphere": lambda: (mlp(drawn((3, 5, 5, 2), 15)), Sphere(radius_squared=2)),
    "norm, circle": lambda: (block(16, 3, 0.0, residual=True), Sphere()),
    "norm, ray": lambda: (block(17, 3, 1e-5), Ray(0, [1, 2, 4])),
    "norm, sphere": lambda: (block(18, 4, 0.0), Sphere()),
    "norm, 3-sphere": lambda: (block(19, 5, 0.0), Sphere()),
    "norm, ball": lambda: (block(20, 3, 1e-5), NormBall()),
}
every_job = pytest.mark.parametrize("name", JOBS)


@cache
def found(name: str) -> Partition:
    network, domain = JOBS[name]()
    return partition(network, domain)


def exact_maps(result: Partition) -> list[tuple[Rational, ...]]:
    """One by one, as they have always been made."""
    return [tuple(result.map_columns(i).entries()) for i in range(len(result))]


@every_job
def test_floats_are_within_their_bounds(name: str) -> None:
    result = found(name)
    outputs = result.network.output_dim
    assert result.maps_float.shape == result.maps_bound.shape
    assert result.maps_float.shape[:2] == (len(result), outputs)
    for own, maps, bounds in zip(
        exact_maps(result), result.maps_float, result.maps_bound, strict=True
    ):
        for x, y, bound in zip(own, maps.ravel(), bounds.ravel(), strict=True):
            assert abs(x - rational(y)) <= rational(bound)
    largest = np.abs(result.maps_float).max(initial=0.0)
    assert result.maps_bound.max(initial=0.0) <= 2.0**-36 * largest


@every_job
def test_ambient_floats_are_within_their_bounds(name: str) -> None:
    result = found(name)
    for region, maps, bounds in zip(
        result.regions, result.ambient_maps_float, result.ambient_maps_bound, strict=True
    ):
        affine = region.affine
        rows = zip(affine.matrix.tolist(), affine.offset.tolist(), strict=True)
        own = [x for row, shift in rows for x in (*row, *shift)]
        for x, y, bound in zip(own, maps.ravel(), bounds.ravel(), strict=True):
            assert abs(x - Fraction(float(y))) <= Fraction(float(bound))


@every_job
def test_numbers_are_equal_iff_maps_are(name: str) -> None:
    result, first = found(name), dict[tuple[Rational, ...], int]()
    maps = exact_maps(result)
    expected = [first.setdefault(own, len(first)) for own in maps]
    assert result.map_ids.tolist() == expected and result.distinct_map_count == len(first)
    merged: nx.Graph[int] = nx.Graph()
    merged.add_nodes_from(range(len(result)))
    merged.add_edges_from((a, b) for a, b in result.neighbours().tolist() if maps[a] == maps[b])
    parts = sorted(map(sorted, nx.connected_components(merged)))
    pieces = result.piece_ids.tolist()
    assert [[i for i, p in enumerate(pieces) if p == k] for k in range(len(parts))] == parts
    assert result.linear_piece_count == len(parts)


def test_maps_meet_on_facets() -> None:
    """Across a facet n.y + c = 0 the difference of two maps is w (n.y + c)."""
    result = found("random")
    checked = 0
    for region in result.regions:
        for facet in region.facets:
            if facet.neighbour is None:
                continue
            own, other = (result.map_columns(i) for i in (region.index, facet.neighbour))
            rows = (own - other).tolist()
            wall = [Rational(x) for x in facet.hyperplane]
            k = next(i for i, x in enumerate(wall) if x != 0)
            assert all(row[j] * wall[k] == row[k] * wall[j] for row in rows for j in range(3))
            same = result.map_ids[region.index] == result.map_ids[facet.neighbour]
            assert same == (not any(x != 0 for row in rows for x in row))
            checked += 1
    assert checked == 2 * len(result.neighbours()) > 20


def test_degenerate_networks_have_equal_maps() -> None:
    """Otherwise the tests above would prove little."""
    for name in ("integers", "doubled", "dead", "line", "absolute", "bias-free"):
        assert found(name).distinct_map_count < len(found(name)), name
    assert found("doubled").distinct_map_count == found("doubled").linear_piece_count


# ---- the ways to a decision


@pytest.mark.parametrize("name", ["integers", "doubled", "thirds", "line"])
def test_without_primes_maps_are_compared_as_rationals(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, asked = found(name), list[bytes]()
    exact = CodeMaps.exact
    monkeypatch.setattr(code_residues, "MOST_PRIMES", 0)
    monkeypatch.setattr(
        Residues, "fingerprints", lambda self, codes: np.zeros(len(codes), np.int64)
    )
    monkeypatch.setattr(
        CodeMaps, "exact", lambda self, c: (asked.append(bytes(c)), exact(self, c))[1]
    )
    again = CodeMaps(*result.chart.functions()).classes(result.codes)
    assert again.tolist() == result.map_ids.tolist() and asked


@pytest.mark.parametrize("name", ["integers", "doubled", "dead", "thirds", "hard tanh", "skip"])
def test_fingerprints_that_tell_nothing_decide_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = found(name)
    monkeypatch.setattr(
        Residues, "fingerprints", lambda self, codes: np.zeros(len(codes), np.int64)
    )
    again = CodeMaps(*result.chart.functions()).classes(result.codes)
    assert again.tolist() == result.map_ids.tolist()


def test_a_difference_that_primes_divide_is_seen() -> None:
    """relu(p x) for a product p of the first primes is zero modulo each of them."""
    step = 1
    for prime, _ in zip(primes(), range(4), strict=False):
        step *= prime
    found = partition(mlp([([[1]], [0]), ([[step]], [0])]), Box(-1, 1, dim=1))
    assert len(found) == 2 and found.map_ids.tolist() == [0, 1]
    assert len(set(found._maps._residues.fingerprints(found.codes).tolist())) == 1
    assert 4 < found._maps._residues.primes_needed < 9


@pytest.mark.parametrize("place", range(3))
def test_one_prime_of_several_is_enough_to_tell_maps_apart(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference of all primes but one is seen by that one alone, whether it comes first or last;
    and labels that differ stay apart whatever the maps are.
    """
    some = list(islice(primes(), 3))
    step = prod(p for k, p in enumerate(some) if k != place)
    net = mlp([([[1]], [0]), ([[step]], [0])])
    found = partition(net, Box(-1, 1, dim=1))
    residues = Residues(*found.chart.functions(), 8)
    monkeypatch.setattr(Residues, "primes_needed", 3)
    for labels in ([0, 0], [0, 1], [1, 0]):
        told = residues.refined(found.codes, np.array(labels))
        assert told is not None
        assert told[0] != told[1]
    same = residues.refined(found.codes[[1, 1]], np.array([0, 1]))
    assert same is not None
    assert same[0] != same[1]


def test_primes_that_divide_a_denominator_are_passed_over() -> None:
    first, second = (next(p for k, p in enumerate(primes()) if k == n) for n in (0, 1))
    net = mlp([([[Fraction(1, first)], [Fraction(-1, second)]], [0, 1]), ([[1, 1]], [0])])
    result = partition(net, Box(-1, 1, dim=1))
    assert result.map_ids.tolist() == [0, 1]


def test_products_of_wide_layers_stay_exact() -> None:
    """A thousand terms of half a prime each, in one sum."""
    rng = np.random.default_rng(0)
    wide = [(rng.normal(size=(1000, 2)), 9 + rng.random(1000)), (rng.normal(size=(1, 1000)), None)]
    state = matrix([[Rational(1), Rational(0)], [Rational(0), Rational(1)]], 2)
    net, one = mlp(wide), [Rational(3), Rational(5)]
    code = np.packbits(np.ones((1, 1000), bool), axis=1)
    field = next(Residues(net, state, one, 8)._fields(mixed=False))
    (residues,) = field.maps(next(code_maps.blocks(code, (1000,), 8))[1])
    own = CodeMaps(net, state, one).exact(code[0]).entries()
    p = next(primes())
    assert residues.tolist() == [int(x.p) * pow(int(x.q), -1, p) % p for x in own]


def test_bits_that_count() -> None:
    """The first neuron enters the second layer's first only, which is off in the first code."""
    net = mlp([([[1], [2]], [0, 0]), ([[1, 0], [1, 1]], [0, 0]), ([[1, 1]], [0])])
    no_path = mlp([([[1], [2]], [0, 0]), ([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    codes = np.packbits([[1, 1, 0, 1], [0, 1, 0, 1], [1, 1, 0, 0]], axis=1)
    assert relevant_bits(net.steps, codes).astype(int).tolist() == [
        [1, 1, 0, 1],
        [0, 1, 0, 1],
        [0] * 4,
    ]
    assert relevant_bits(no_path.steps, codes).astype(int).tolist() == [
        [0, 1, 0, 1],
        [0, 1, 0, 1],
        [0, 0, 0, 0],
    ]


def test_smooth_networks_have_no_maps() -> None:
    from exact import GELU

    smooth = partition(
        tensors.mlp([([[1]], [0]), ([[1]], [0])], activation=GELU()), Box(-1, 1, dim=1)
    )
    for ask in ("maps_float", "map_ids", "ambient_maps_float", "piece_ids"):
        with pytest.raises(NotPiecewiseLinear, match="GELU"):
            getattr(smooth, ask)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    result = found("integers")
    monkeypatch.setattr(CodeMaps, "_most", 7)
    again = CodeMaps(*result.chart.functions())
    maps, bounds = again.floats(result.codes)
    assert again.classes(result.codes).tolist() == result.map_ids.tolist()
    assert (np.abs(maps - result.maps_float) <= bounds + result.maps_bound).all()
    assert fraction(rational(maps[3, 0, 0])) == Fraction(float(result.maps_float[3, 0, 0]))
