"""Codes from smallest strata: against polytopes, against surds alone, against cells of balls;
floats that cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import comb
from typing import Any
from unittest import mock

import numpy as np
import pytest

from exact import Ball, Budget, GreatSphere, Network, Outcome, RealSpace, Sphere, partition
from exact.arithmetic.numbers import Rational, RationalArray
from exact.check import Status
from exact.geometry.polyhedra.minimum_norm import RoundBody
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.cells import SphereCodes
from exact.regions.spheres.codes import CodePartition
from exact.regions.spheres.engines import code_words
from exact.regions.spheres.engines import strata as sphere_flats
from exact.regions.spheres.engines.exact_strata import NotSimple
from exact.regions.spheres.engines.sphere_polytopes import SpherePolytopes
from exact.regions.spheres.engines.strata import SphereFlats
from exact.sources import tensors


def layer(weight: Any, bias: Any) -> Network:
    return tensors.mlp([(np.array(weight, dtype=float), bias), (np.ones((1, len(bias))), [0])])


def gaussian(seed: int, n: int, m: int, scale: float) -> Network:
    generator = np.random.default_rng(seed)
    return layer(generator.normal(size=(m, n)), scale * generator.normal(size=m))


def flats(network: Network, radius_squared: object) -> SphereCodes:
    return SphereFlats().run(Job(Problem(network, Sphere(radius_squared))))


def answers(found: SphereCodes) -> tuple[set[bytes], set[frozenset[bytes]]]:
    """Codes and pairs, after checking that none comes twice."""
    keys, pairs = [bytes(code) for code in found.codes], found.pairs()
    edges = {frozenset((keys[i], keys[j])) for i, j in pairs.tolist()}
    assert len(set(keys)) == len(keys) and len(edges) == len(pairs)
    return set(keys), edges


def only_exactly() -> Any:
    """No kernel: every hyperplane is left open, so that rationals and surds decide everything."""

    def walk(search: Any) -> Iterator[Any]:
        count, words = len(search.given.planes), search.masks.shape[1]
        none = np.zeros((0, search.chart.dim), dtype=np.int64)
        yield none, np.zeros((0, words), dtype=np.uint64), [], [(j,) for j in range(count)]

    return mock.patch.object(sphere_flats._Search, "_walk", walk)


CASES = [
    (seed, n, m, scale)
    for seed, (n, m, scale) in enumerate(
        [(3, 9, 0.3), (3, 9, 1.5), (4, 8, 0.5), (4, 8, 2.0), (5, 6, 0.7), (5, 6, 1.8), (6, 4, 1.0)]
    )
]


@pytest.mark.parametrize("case", CASES)
def test_three_routes_agree(case: tuple[int, int, int, float]) -> None:
    network = gaussian(*case)
    found = flats(network, 3)
    assert "handed_over" not in found.decisions
    expected = SpherePolytopes().run(Job(Problem(network, Sphere(3))))
    assert answers(found) == answers(expected)
    places = {bytes(code): i for i, code in enumerate(expected.codes)}
    for i in range(0, len(found), 1 + len(found) // 6):
        assert found.components(i) == expected.components(places[bytes(found.codes[i])])
    with only_exactly():
        exact = flats(network, 3)
    assert exact.decisions["filter"] == 0 and exact.decisions["exact"] == found.decisions["filter"]
    assert exact.decisions["uncut"] == found.decisions["uncut"]
    assert answers(exact) == answers(found)


def test_the_cases_have_uncut_spheres_and_missed_flats() -> None:
    decisions = [flats(gaussian(*case), 3).decisions for case in CASES]
    assert (
        sum(d["uncut"] > 0 for d in decisions) >= 2 and sum(d["missed"] > 0 for d in decisions) >= 3
    )


@pytest.mark.parametrize("seed", range(12))
def test_small_integers_are_full_of_degeneracies(seed: int) -> None:
    generator = np.random.default_rng(seed)
    n = int(generator.integers(3, 6))
    network = layer(
        generator.integers(-1, 2, size=(6, n)), generator.integers(-2, 3, size=6).tolist()
    )
    for square in (1, 2, "7/3"):
        found = flats(network, square)
        assert found.outcome is Outcome.COMPLETE
        assert answers(found) == answers(
            SpherePolytopes().run(Job(Problem(network, Sphere(square))))
        )


def test_some_of_the_small_integers_are_handed_over() -> None:
    found = flats(layer([*np.eye(4).tolist(), [1, 1, 0, 0]], [0] * 5), 1)
    assert found.decisions["handed_over"] == 1
    assert len(found) == 24 and "not simple" in found.evidence
    touching = flats(layer(np.eye(3), [-1, -1, 0]), 2)
    assert touching.decisions["handed_over"] == 1 and "touch" in touching.evidence
    pencil = flats(layer([[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]], [0, 0, 0]), 1)
    assert (
        pencil.decisions["handed_over"] == 1
        and len(pencil) == 6
        and "codimension 2" in pencil.evidence
    )
    parallel = flats(layer([[1, 0, 0], [1, 0, 0], [0, 1, 0]], [0, 1, 0]), 2)
    assert "handed_over" not in parallel.decisions and len(parallel) == 6


@pytest.mark.parametrize("seed", range(4))
def test_codes_are_the_cells_of_the_ball_that_leave_it(seed: int) -> None:
    """Another engine's cells of the open ball, less those whose polytope is bounded with all
    vertices in the closed ball.
    """
    n, square = 3, 3
    network = gaussian(20 + seed, n, 8, 0.6)
    inside = partition(network, Ball([0] * n, square))
    whole = partition(network, RealSpace(n))
    assert isinstance(whole, FlatPartition)
    kept = set()
    for region in inside.regions:
        index = whole.index_of(region.code)
        assert index is not None
        cell = whole.regions[index]
        within = cell.is_bounded and all(
            sum(x * x for x in vertex) <= square for vertex in cell.vertices
        )
        if not within:
            kept.add(region.code.packed)
    assert answers(flats(network, square))[0] == kept


@pytest.mark.parametrize(("n", "m"), [(3, 12), (4, 10), (5, 8)])
def test_the_most_codes_there_can_be(n: int, m: int) -> None:
    """Hyperplanes next to the centre in general position: 2 sum_{i <= k} C(m - 1, i) codes on S^k,
    of one cell each.
    """
    found = flats(gaussian(1, n, m, 2.0**-20), 1)
    assert len(found) == 2 * sum(comb(m - 1, i) for i in range(n))
    crossings = 2 * comb(m, n - 1)
    assert found.decisions["filter"] == crossings


@pytest.mark.parametrize("m", [63, 64, 65, 130])
def test_codes_of_one_word_and_of_several(m: int) -> None:
    """On S^2, F = 2 + V cells when circles are connected, each with its own code; pairs are arcs, E
    = 2 V.
    """
    generator = np.random.default_rng(m)
    normals = generator.normal(size=(m, 3))
    found = flats(layer(normals, (2.0**-10 * generator.normal(size=m)).tolist()), 1)
    codes, edges = answers(found)
    assert len(codes) == m * (m - 1) + 2 and len(edges) == 2 * m * (m - 1)


def test_hashes_may_collide() -> None:
    """Equal hashes of different codes cost time, and change nothing but the engine's own order."""
    generator = np.random.default_rng(0)
    network = layer(generator.normal(size=(66, 3)), (2.0**-10 * generator.normal(size=66)).tolist())
    expected = answers(flats(network, 1))
    hashes = code_words.hashes_of

    def colliding(codes: code_words.Words) -> code_words.Words:
        return hashes(codes) & np.uint64(7)

    with (
        mock.patch.object(code_words, "hashes_of", colliding),
        mock.patch.object(sphere_flats, "hashes_of", colliding),
    ):
        assert answers(flats(network, 1)) == expected


@pytest.mark.parametrize("power", [40, 60, 200, None])
def test_circles_through_nearly_one_point(power: int | None) -> None:
    """Planes x = 0, y = 0, x + y = s on the unit sphere: two poles for s = 0, and two small
    triangles else.
    """
    shift = Fraction(0) if power is None else Fraction(1, 2**power)
    network = tensors.mlp(
        [
            ([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]], [0, 0, -shift, Fraction(-1, 2)]),
            ([[1] * 4], [0]),
        ]
    )
    found = flats(network, 1)
    expected = SpherePolytopes().run(Job(Problem(network, Sphere(1))))
    assert answers(found) == answers(expected)
    if power is not None and power > 48:
        assert found.decisions["exact"] > 0
    assert ("handed_over" in found.decisions) is (power is None)


@pytest.mark.parametrize("sign", [-1, 0, 1])
def test_flats_that_nearly_touch(sign: int) -> None:
    """Two caps on S^3 whose circle is a point, next to nothing, or missing, by 2^-60."""
    shift = Fraction(sign, 2**60)
    network = tensors.mlp([([[1, 0, 0, 0], [0, 1, 0, 0]], [-1, -1 + shift]), ([[1, 1]], [0])])
    found = flats(network, 2)
    assert len(found) == (4 if sign > 0 else 3)
    assert len(found.pairs()) == (4 if sign > 0 else 2)
    assert ("handed_over" in found.decisions) is (sign == 0)
    assert answers(found) == answers(SpherePolytopes().run(Job(Problem(network, Sphere(2)))))


def test_a_metric_beyond_floats_is_handed_over() -> None:
    far = [[1, 0, 0], [1, 2**-40, 0], [0, 0, 1]]
    network = layer(np.eye(3), [0.25, -0.25, 0.5])
    found = SphereFlats().run(Job(Problem(network, GreatSphere(*far, radius_squared=1))))
    assert found.decisions["handed_over"] == 1 and "nearly singular" in found.evidence
    assert answers(found) == answers(
        SpherePolytopes().run(Job(Problem(network, GreatSphere(*far, radius_squared=1))))
    )


def test_a_metric_that_floats_barely_resolve_is_measured() -> None:
    """The kernel's bounds need |L' G L / r^2 - I| to be small; Cholesky in floats leaves 2^-53
    times the condition number.
    """
    near = sphere_flats._eta(RoundBody(RationalArray(2, 2, [2, 1, 1, 2]), Rational(3)))
    assert 0 < near < 2.0**-45
    skew = RationalArray(2, 2, [Rational(1), Rational(1), Rational(1), 1 + Rational(1, 2**30)])
    with pytest.raises(NotSimple, match="nearly singular"):
        sphere_flats._eta(RoundBody(skew, Rational(1, 3)))


def test_results_do_not_depend_on_how_often_the_kernel_stops() -> None:
    network = gaussian(2, 4, 10, 1.0)
    whole = flats(network, 3)
    with (
        mock.patch.object(sphere_flats, "_CODES", 1 << 4),
        mock.patch.object(sphere_flats, "_OTHERS", 1),
    ):
        pieces = flats(network, 3)
    assert pieces.codes.tolist() == whole.codes.tolist()
    assert pieces.pairs().tolist() == whole.pairs().tolist() and pieces.decisions == whole.decisions


def test_a_budget_ends_between_portions() -> None:
    network = gaussian(2, 4, 10, 1.0)
    with mock.patch.object(sphere_flats, "_CODES", 1 << 4):
        found = SphereFlats().run(Job(Problem(network, Sphere(3)), budget=Budget(regions=20)))
    assert found.outcome is Outcome.BUDGET_REACHED
    codes, edges = answers(found)
    every, all_edges = answers(flats(network, 3))
    assert 20 <= len(codes) < len(every) and codes < every and edges < all_edges


# ---- hinges that miss or touch the sphere


def touched() -> Network:
    """Planes through the sphere of squared radius 1, others that touch it, and others that miss it
    by next to nothing.
    """
    miss = Fraction(-1) - Fraction(1, 2**60)
    rows = [[1, 2, 3], [1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]]
    return tensors.mlp([(rows, [0, -1, -1, miss, -1, miss, miss]), ([[1] * 7], [0])])


def missed(seed: int) -> Network:
    """A LayerNorm network most of whose hinges miss the sphere."""
    generator = np.random.default_rng(seed)
    rows, bias = generator.normal(size=(8, 5)), 3 * generator.normal(size=8)
    return tensors.block(rows, bias, np.ones((1, 8)), [0], norm="layernorm")


BESIDE = [
    (touched(), Sphere(1)),
    *((missed(seed), Sphere()) for seed in range(6)),
    (tensors.mlp([([[0, 0, 0, -2], [2, 2, -1, 0]], [2, 1]), ([[1, 1]], [0])]), Sphere(1)),
]


@pytest.mark.parametrize("case", range(len(BESIDE)))
def test_straddling_points_have_the_bits_of_hinges_that_miss_the_sphere(case: int) -> None:
    network, domain = BESIDE[case]
    found = partition(network, domain, engine="sphere_flats")
    assert isinstance(found, CodePartition) and "handed_over" not in found.decisions
    for region in found.regions:
        for point in region.straddling:
            bits = [
                sum(a * x for a, x in zip(side.coefficients, (*point, 1), strict=True)) > 0
                for side in found.halfspaces_of(region.index)
            ]
            assert bits == region.code.bits.tolist()
    assert found.check().status is Status.COMPLETE
