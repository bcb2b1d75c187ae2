"""The circle engine: deep and normed curves against samples and 100 digits, seams, undefined
points, refusals.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import isclose, pi, sqrt
from typing import Any
from unittest import mock

import numpy as np
import pytest

from exact import (
    AbsoluteValue,
    Block,
    Budget,
    GreatCircle,
    HardTanh,
    InvalidInput,
    Layer,
    LayerNorm,
    LeakyReLU,
    Line,
    Network,
    Norm,
    Outcome,
    Partition,
    Ray,
    RealSpace,
    ReLU,
    RMSNorm,
    Segment,
    Sphere,
    Unsupported,
    partition,
)
from exact.arithmetic.numbers import fraction
from exact.geometry.domains.base import Domain
from exact.regions.arcs.engines import isolation
from exact.regions.arcs.engines.circle import Circle
from exact.regions.arcs.partition import Arc, CurvePartition
from exact.regions.engine import Problem
from exact.sources import tensors
from tests.exact import reference
from tests.exact.reference import Floats, float_gaps

# ---- every arc of small curves


def deep(
    seed: int, widths: Sequence[int], norm: Norm | None = None, activation: Any = None
) -> Network:
    generator = np.random.default_rng(seed)
    layers = [
        Layer.of(generator.normal(size=(b, a)), generator.normal(size=b), activation or ReLU())
        for a, b in pairwise(widths)
    ]
    layers[-1] = Layer.of(layers[-1].weight, layers[-1].bias)
    return Network((Block(tuple(layers), norm),))


def norm_later(seed: int, norm: Norm, residual: bool) -> Network:
    """One or two hidden layers, then a block behind a norm with another; it may have a skip."""
    n = norm.dim
    first = deep(seed, [2, 4, 3, n] if n > 2 else [2, 4, n]).blocks[0]
    return Network(
        (replace(first, residual=n == 2), Block(deep(seed + 1, [n, 4, n]).layers, norm, residual))
    )


def path(network: Network, domain: Domain, positions: Floats) -> Floats:
    """Points at angles or parameters, in float64; on a circle of directions they have length
    one.
    """
    if not isinstance(domain, GreatCircle):
        assert isinstance(domain, Segment | Ray | Line)
        flat = domain.flat()
        p, d = (
            np.array([float(fraction(x)) for x in w]) for w in (flat.origin, flat.directions[0])
        )
        return np.asarray(p + positions[:, None] * d)
    u, v = (np.array([float(fraction(x)) for x in w]) for w in (domain.u, domain.v))
    if network.norms and isinstance(network.norms[0], LayerNorm):
        u, v = (x - x.mean() for x in (u, v))
    across = v - u * (u @ v) / (u @ u)
    ring = np.outer(np.cos(positions), u / np.linalg.norm(u)) + np.outer(
        np.sin(positions), across / np.linalg.norm(across)
    )
    return np.asarray(
        ring
        * (1.0 if domain.radius_squared is None else sqrt(float(fraction(domain.radius_squared))))
    )


def positions_for(found: Partition, domain: Domain, count: int = 3000) -> Floats:
    """Evenly spaced angles; on lines parameters that spread to infinity around the crossings."""
    steps = (np.arange(count) + 0.5) / count
    if isinstance(domain, GreatCircle):
        return np.asarray(steps * 2 * pi)
    if isinstance(domain, Segment):
        return steps
    ends = [region.parameters_float[0] for region in found.regions[1:]]
    positions = np.median(ends) + 3 * np.subtract(*np.quantile(ends, [0.75, 0.25])) * np.tan(
        pi * (steps - 0.5)
    )
    return np.asarray(positions[positions > 0] if isinstance(domain, Ray) else positions)


CIRCLE4 = GreatCircle([1, 2, 0, -1], [0, 1, 5, 2])
CIRCLE3 = GreatCircle([1, -1, "1/2"], [2, 0, 1], radius_squared="7/3")
CURVES: dict[str, tuple[Network, Domain]] = {
    "circle of a radius, deep": (deep(1, [3, 5, 4, 3, 1]), CIRCLE3),
    "circle, hard tanh": (deep(2, [3, 4, 4, 1], activation=HardTanh()), CIRCLE3),
    "layer norm, deep": (deep(3, [4, 5, 5, 2], LayerNorm.of(0, dim=4)), CIRCLE4),
    "layer norm, gain and bias": (
        deep(4, [4, 6, 3, 2], LayerNorm.of(0, [1, -2, "1/2", 3], [0, 1, 0, -1])),
        CIRCLE4,
    ),
    "rms, absolute value": (
        deep(5, [4, 5, 3, 2], RMSNorm.of(0, [1, -2, "1/2", 3]), AbsoluteValue()),
        CIRCLE4,
    ),
    "segment, deep": (deep(6, [2, 6, 5, 4, 1]), Segment([-3, 2], [2, "-5/2"])),
    "line, leaky": (deep(7, [2, 6, 5, 1], activation=LeakyReLU()), Line([0, 1], [1, "1/3"])),
    "ray, deep": (deep(8, [2, 6, 5, 1]), Ray([1, 1], [-1, -2])),
    "segment behind a norm, var": (
        deep(16, [3, 9, 5, 1], LayerNorm.of("1/10", dim=3)),
        Segment([-3, 2, 1], [2, -1, 0]),
    ),
    "segment behind a norm, std": (
        deep(16, [3, 9, 5, 1], LayerNorm.of("1/10", dim=3, eps_rule="std")),
        Segment([-3, 2, 1], [2, -1, 0]),
    ),
    "line behind rms, std": (
        deep(10, [3, 6, 4, 1], RMSNorm.of("1/4", [1, 2, -1], eps_rule="std")),
        Line([0, 1, 2], [1, 1, -1]),
    ),
    "line behind rms, var": (
        deep(10, [3, 6, 4, 1], RMSNorm.of("1/4", [1, 2, -1])),
        Line([0, 1, 2], [1, 1, -1]),
    ),
    "norm later, segment": (
        norm_later(11, LayerNorm.of("1/100", dim=3), False),
        Segment([-2, -2], [2, 3]),
    ),
    "norm later, residual": (
        norm_later(12, LayerNorm.of("1/100", dim=2), True),
        Segment([-2, 3], [2, -2]),
    ),
    "norm later, std, line": (
        norm_later(13, LayerNorm.of("1/20", dim=3, eps_rule="std"), False),
        Line([0, 0], [2, 1]),
    ),
    "norm later, rms, ray": (
        norm_later(14, RMSNorm.of("1/20", dim=3), False),
        Ray([-5, 1], [2, 1]),
    ),
}


@pytest.mark.parametrize("name", CURVES)
def test_arcs_have_the_sampled_codes(name: str) -> None:
    """3,000 samples have the code of the arc between whose float ends they lie; no arc is missing,
    none too much.
    """
    network, domain = CURVES[name]
    found = partition(network, domain)
    assert len(found) > 5
    positions = positions_for(found, domain)
    gaps = float_gaps(network, path(network, domain, positions))
    clear = np.abs(gaps).min(axis=1) > 1e-9
    assert clear.mean() > 0.95
    ends = [region.parameters_float for region in found.regions]
    assert all(start < end for start, end in ends)
    starts = [start for start, _ in ends]
    inside = [
        (bisect.bisect(starts, position) - 1) % len(starts) for position in positions.tolist()
    ]
    assert ((gaps > 0) == found.bits[inside])[clear].all()


@pytest.mark.parametrize("name", CURVES)
def test_witnesses_have_the_code_of_their_arc(name: str) -> None:
    """By 100 digits, on the sphere without eps, and found again by `locate`."""
    network, domain = CURVES[name]
    found = partition(network, domain)
    judged = reference.without_eps(network) if isinstance(domain, GreatCircle) else network
    for region in found.regions:
        x = region.witness
        if isinstance(domain, GreatCircle) and domain.radius_squared is not None:
            length = sum(v * v for v in x)
            scaled = np.array([float(v) for v in x]) * sqrt(
                float(fraction(domain.radius_squared)) / float(length)
            )
            assert ((float_gaps(network, scaled[None])[0] > 0) == region.code.bits).all()
        else:
            assert reference.code(judged, x) == str(region.code)
        assert found.locate(x) == region.index


@pytest.mark.parametrize("name", CURVES)
def test_crossings_flip_what_they_say(name: str) -> None:
    found = partition(*CURVES[name])
    assert isinstance(found, CurvePartition)
    inner = [crossing for crossing in found.crossings if not crossing.tangent]
    first = 0 if found.cells.closed else 1
    assert len(inner) == len(found) - first
    hinges = found.network.hinges
    for k, crossing in enumerate(inner, first):
        changed = np.flatnonzero(found.bits[k - 1] != found.bits[k])
        assert crossing.hinges == tuple(hinges[int(i)] for i in changed) != ()
        assert not crossing.undefined


@pytest.mark.gpu
def test_cuda_runs_deep_curves_too() -> None:
    network = deep(3, [4, 60, 60, 2], LayerNorm.of(0, dim=4))
    domain = GreatCircle([1, 2, 0, -1], [0, 1, 5, 2])
    on_cpu, on_cuda = (partition(network, domain, device=device) for device in ("cpu", "cuda"))
    assert np.array_equal(on_cpu.bits, on_cuda.bits)


# ---- where the circle is cut open


@pytest.mark.parametrize("threshold", [0, 10**9])
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        ([[0, 1, 0]], ["1", "0"]),
        ([[0, -1, 0]], ["0", "1"]),
        ([[0, 1, 0], [0, -1, 0]], ["10", "01"]),
        ([[0, 1, 0], [1, 0, 0]], ["11", "10", "00", "01"]),
        ([[1, 0, -1]], ["0"]),
        ([[-1, 0, 1]], ["1"]),
        ([[1, 1, -1]], ["1", "0"]),
        ([[1, 0, -1], [1, 1, -1], [1, -1, -1]], ["010", "000", "001"]),
        ([[1, 0, 1], [1, 0, -1]], ["10"]),
    ],
)
def test_zeros_at_the_seam(
    rows: list[list[int]], codes: list[str], turns: int, threshold: int
) -> None:
    """Lines through or touching (1, 0) on the unit circle, and turned by right angles: the cyclic
    codes stay.
    """
    for _ in range(turns):
        rows = [[-y, x, c] for x, y, c in rows]
    for domain in (Sphere(radius_squared=1), GreatCircle([2, 0], [1, 1], radius_squared=1)):
        network = tensors.mlp(
            [([row[:2] for row in rows], [row[2] for row in rows]), ([[1] * len(rows)], [0])]
        )
        with mock.patch.object(isolation, "SMALL", threshold):
            found = partition(network, domain)
        seen = [str(region.code) for region in found.regions]
        assert any(seen == codes[k:] + codes[:k] for k in range(len(codes)))
        assert isclose(sum(region.length_float for region in found.regions), 2 * pi)


@pytest.mark.parametrize("threshold", [0, 10**9])
@pytest.mark.parametrize("bits", [20, 44, 46, 60, 200])
def test_zeros_next_to_the_seam(bits: int, threshold: int) -> None:
    """y = 0, and lines through the centre that meet the circle 2^-bits before and after it."""
    tiny = Fraction(1, 2**bits)
    network = tensors.mlp([([[0, 1], [-tiny, 1], [tiny, 1]], [0, 0, 0]), ([[1, 1, 1]], [0])])
    with mock.patch.object(isolation, "SMALL", threshold):
        found = partition(network, Sphere(radius_squared=1))
    codes = ["001", "101", "111", "110", "010", "000"]
    seen = [str(region.code) for region in found.regions]
    assert any(seen == codes[k:] + codes[:k] for k in range(6))
    for region in found.regions:
        assert network.code(region.witness) == region.code


def test_a_cell_may_run_across_the_seam() -> None:
    network = tensors.mlp([([[1, 0]], [0]), ([[1]], [0])])
    found = partition(network, Sphere(radius_squared=1))
    on = next(region for region in found.regions if str(region.code) == "1")
    assert on.parameters_float[0] > pi
    assert isclose(on.parameters_float[1] - on.parameters_float[0], pi)
    assert found.locate([1, 0]) == on.index
    assert network.code(on.witness) == on.code


# ---- points where the norm is undefined


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_a_line_through_the_centre_is_cut_there(kind: type[Norm]) -> None:
    """x = (t, -t, 0): for eps = 0 the norm jumps at t = 0, even where the code does not."""
    rows = [[1, 0, 0], [1, 1, -2]]
    network = Network(
        (Block((Layer.of(rows, [0, 1], ReLU()), Layer.of([[1, 1]])), kind.of(0, dim=3)),)
    )
    line, segment = Line([0, 0, 0], [1, -1, 0]), Segment([-1, 1, 0], [1, -1, 0])
    for domain, at, ends in ((line, 0, 2), (segment, Fraction(1, 2), 4)):
        found = partition(network, domain)
        assert isinstance(found, CurvePartition)
        assert [str(region.code) for region in found.regions] == ["01", "11"]
        (crossing,) = found.crossings
        assert crossing.undefined
        assert crossing.parameter == at
        assert found.graph().number_of_edges() == 0
        assert [facet.neighbour for region in found.regions for facet in region.facets] == [
            None
        ] * ends
    constant = Network(
        (Block((Layer.of(rows[1:], [1], ReLU()), Layer.of([[1]])), kind.of(0, dim=3)),)
    )
    assert [str(r.code) for r in partition(constant, Line([0, 0, 0], [1, -1, 0])).regions] == [
        "1",
        "1",
    ]


def test_with_eps_nothing_is_undefined() -> None:
    network = Network(
        (Block((Layer.of([[1, 0, 0]], [0], ReLU()), Layer.of([[1]])), LayerNorm.of("1/9", dim=3)),)
    )
    found = partition(network, Line([0, 0, 0], [1, -1, 0]))
    assert isinstance(found, CurvePartition)
    assert [crossing.undefined for crossing in found.crossings] == [False]
    assert found.graph().number_of_edges() == 1


def test_a_bend_of_the_norm_alone_cuts_nothing() -> None:
    """eps beside the root: the norm is defined at the centre and bends there, but no hinge of a
    constant network flips.
    """
    norm = LayerNorm.of("1/9", dim=3, eps_rule="std")
    constant = Network((Block((Layer.of([[1, 1, -2]], [1], ReLU()), Layer.of([[1]])), norm),))
    for domain in (Line([0, 0, 0], [1, -1, 0]), Segment([-1, 1, 0], [2, -2, 0])):
        found = partition(constant, domain)
        assert [str(region.code) for region in found.regions] == ["1"]
        assert found.crossings == ()


def test_a_line_that_the_projection_collapses() -> None:
    network = tensors.block([[1, 0, 0]], [0], [[1]], [0], norm="layernorm", eps=0)
    with pytest.raises(InvalidInput, match="along a whole arc"):
        partition(network, Line([1, 1, 1], [2, 2, 2]))
    found = partition(network, Line([1, 2, 1], [2, 2, 2]))
    assert [str(region.code) for region in found.regions] == ["0"]


# ---- budgets, refusals, small spheres


def test_a_budget_on_regions_stops_early() -> None:
    network = deep(1, [3, 8, 6, 1])
    whole = partition(network, CIRCLE3)
    part = partition(network, CIRCLE3, budget=Budget(regions=3))
    assert part.outcome is Outcome.BUDGET_REACHED
    assert 1 <= len(part) < len(whole)
    assert "stopped early" in part.evidence
    assert {row.tobytes() for row in part.codes} <= {row.tobytes() for row in whole.codes}


def test_a_budget_that_suffices_is_complete() -> None:
    network = deep(1, [3, 8, 6, 1])
    whole = partition(network, CIRCLE3)
    assert (
        partition(network, CIRCLE3, budget=Budget(regions=len(whole) + 9, seconds=600)).outcome
        is Outcome.COMPLETE
    )
    none = partition(network, CIRCLE3, budget=Budget(seconds=0))
    assert (none.outcome, len(none)) == (Outcome.BUDGET_REACHED, 0)


def test_two_points_of_a_sphere_of_dimension_zero() -> None:
    """LayerNorm in R^2 leaves +-(1, -1); with bias (0, 3) the inputs of the layer are (1, 2) and
    (-1, 4).
    """
    network = tensors.block(
        [[1, 0], [0, 1], [1, 1]],
        [0, -3, -2],
        [[1, 1, 1]],
        [0],
        norm="layernorm",
        bias=[0, 3],
        eps=0.5,
    )
    found = partition(network, Sphere())
    assert [str(region.code) for region in found.regions] == ["101", "011"]
    assert [region.length for region in found.regions] == [0, 0]
    assert [found.locate(region.witness) for region in found.regions] == [0, 1]
    assert found.graph().number_of_edges() == 0


NORM2 = LayerNorm.of(0, dim=2)
REFUSALS: dict[str, tuple[Network, Domain, str]] = {
    "flat domain": (deep(1, [2, 3, 1]), RealSpace(2), "one-dimensional"),
    "large sphere": (deep(1, [5, 3, 1], LayerNorm.of(0, dim=5)), Sphere(), "dimension 3"),
    "point without norm": (deep(1, [1, 3, 1]), Sphere(radius_squared=1), "dimension 0"),
    "norm not in front": (
        Network((*deep(1, [2, 3, 2]).blocks, *deep(2, [2, 3, 1], NORM2).blocks)),
        Sphere(),
        "not in front",
    ),
    "bias in front": (
        Network((Block((Layer.of([[1, 0], [0, 1]], [1, 0]),)), *deep(2, [2, 3, 1], NORM2).blocks)),
        GreatCircle([1, 0], [0, 1]),
        "bias stands in front",
    ),
    "hidden layer in front": (
        Network((*deep(1, [2, 3, 2]).blocks, *deep(2, [2, 3, 1], NORM2).blocks)),
        GreatCircle([1, 0], [0, 1]),
        "hidden layers stand in front",
    ),
    "two norms": (
        Network((*deep(1, [2, 3, 2], NORM2).blocks, *deep(2, [2, 3, 1], NORM2).blocks)),
        Line([0, 1], [1, 1]),
        "2 norms",
    ),
    "skip around a norm": (
        Network((Block(deep(1, [2, 3, 2]).layers, NORM2, True), *deep(2, [2, 3, 1]).blocks)),
        Line([0, 1], [1, 1]),
        "skip connection",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_say_why(name: str) -> None:
    network, domain, reason = REFUSALS[name]
    refusal = Circle().refusal(Problem(network, domain))
    assert refusal is not None
    assert reason in str(refusal)
    with pytest.raises(Unsupported, match="engine circle cannot"):
        partition(network, domain, engine="circle")


def test_norms_and_skips_behind_the_last_hidden_layer_do_not_matter() -> None:
    tail = Block((Layer.of([[1, 1]]),), LayerNorm.of(0, dim=2))
    network = Network((Block(deep(1, [2, 3, 2]).layers, residual=True), tail))
    assert Circle().refusal(Problem(network, Line([0, 1], [1, 1]))) is None
    assert len(partition(network, Line([0, 1], [1, 1]))) > 1


def test_affine_blocks_in_front_of_the_norm_move_the_circle() -> None:
    """The block x -> A x without bias, then the norm: the same arcs as the norm's own on A u, A
    v.
    """
    matrix = [[1, 2, 0], [0, 1, "1/2"], [1, 0, -1]]
    behind = deep(4, [3, 5, 1], LayerNorm.of(0, dim=3))
    moved = Network((Block((Layer.of(matrix),)), *behind.blocks))
    u, v = [1, 0, 2], [0, 1, 1]
    image = [
        [sum(Fraction(a) * x for a, x in zip(row, w, strict=True)) for row in matrix]
        for w in (u, v)
    ]
    first, second = partition(moved, GreatCircle(u, v)), partition(behind, GreatCircle(*image))
    assert first.digest == second.digest
    angles = [[region.parameters_float[0] for region in found.regions] for found in (first, second)]
    np.testing.assert_allclose(angles[0], angles[1], rtol=1e-12)


def test_nearly_parallel_directions_of_very_different_lengths() -> None:
    u = [Fraction(10) ** 200, 0, 0]
    v = [Fraction(10) ** 200, Fraction(1, 10**200), 0]
    network = tensors.mlp([([[1, 0, 0], [0, 1, 0], [1, 1, 1]], [0, 0, "-1/2"]), ([[1, 1, 1]], [0])])
    plain = partition(network, GreatCircle([1, 0, 0], [0, 1, 0], radius_squared=2))
    found = partition(network, GreatCircle(u, v, radius_squared=2))
    assert [str(r.code) for r in found.regions] == [str(r.code) for r in plain.regions]
    np.testing.assert_allclose(
        [r.length_float for r in found.regions], [r.length_float for r in plain.regions]
    )


def test_integers_on_a_line_behind_no_norm() -> None:
    """Kinks of |x - k| are exactly at k."""
    network = tensors.mlp(
        [([[1]] * 60, [-k for k in range(60)]), ([[1] * 60], [0])], activation=AbsoluteValue()
    )
    found = partition(network, Ray([Fraction(-1, 2)], [1]))
    assert isinstance(found, CurvePartition)
    assert [crossing.parameter for crossing in found.crossings] == [
        k + Fraction(1, 2) for k in range(60)
    ]
    assert all(isinstance(region, Arc) for region in found.regions)


@pytest.mark.parametrize("engine", ["circle", "nested_roots"])
def test_an_undefined_point_where_earlier_neurons_cross_separates_the_cells(engine: str) -> None:
    # (t, 0) for t > 0, (0, -t) for t < 0: nothing to scale at t = 0
    both = Block((Layer.of([[1], [-1]], [0, 0], ReLU()),))
    network = Network((both, Block((Layer.of([[1, -1]], [0], ReLU()),), RMSNorm.of(0, dim=2))))
    found = partition(network, Segment([-1], [1]), engine=engine)
    assert [(c.undefined, c.parameter_float, len(c.hinges)) for c in found.crossings] == [
        (True, 0.5, 3)
    ]
    assert found.neighbours().tolist() == [] and found.graph().number_of_edges() == 0
