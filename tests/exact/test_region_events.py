"""Events between two networks, judged by linear programmes over every pair of regions, by exact
codes at many points, and by the other way to find them.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from exact import (
    Block,
    Box,
    Budget,
    Domain,
    EngineDefect,
    GreatCircle,
    GreatSphere,
    InvalidInput,
    Layer,
    LayerNorm,
    LeakyReLU,
    Line,
    Network,
    NormBall,
    Outcome,
    Partition,
    Plane,
    Ray,
    RealSpace,
    ReLU,
    RMSNorm,
    Segment,
    Sphere,
    TooLarge,
    Undecided,
    Unsupported,
    partition,
    region_events,
    region_history,
)
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.programmes.lp import Interior, strict_feasibility
from exact.instruments.comparisons.region_events import RegionEvents, _pairs
from exact.instruments.comparisons.side_by_side import bits_of_each, side_by_side
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.polytopes.walls.facets import region_walls
from exact.sources import tensors

NORMS: dict[str, type[LayerNorm | RMSNorm]] = {"layernorm": LayerNorm, "rms": RMSNorm}


def layers(rng: np.random.Generator, *widths: int) -> tuple[Layer, ...]:
    """Random layers with weights in eighths, all but the last with ReLUs."""
    pairs = [*pairwise(widths)]
    return tuple(
        Layer.of(
            rng.integers(-16, 17, (after, before)) / 8,
            rng.integers(-8, 9, after) / 8,
            ReLU() if number < len(pairs) else None,
        )
        for number, (before, after) in enumerate(pairs, 1)
    )


def normed(rng: np.random.Generator, norm: str, eps: str, *widths: int) -> Block:
    gain, bias = rng.integers(4, 13, widths[0]) / 8, rng.integers(-4, 5, widths[0]) / 8
    return Block(layers(rng, *widths), NORMS[norm].of(eps=Fraction(eps), gain=gain, bias=bias))


def pair(kind: str, *widths: int, eps: str = "1/8", seed: int = 0) -> tuple[Network, Network]:
    """Two networks of one shape with weights of their own."""

    def one(rng: np.random.Generator) -> Network:
        if kind in NORMS:
            return Network((normed(rng, kind, eps, *widths),))
        if kind == "residual":
            inner = Block(layers(rng, widths[0], widths[1], widths[0]), residual=True)
            return Network((inner, inner, Block(layers(rng, *widths))))
        if kind == "embedded":
            front = Block(layers(rng, 2, widths[0]))
            return Network((front, normed(rng, "layernorm", eps, *widths)))
        if kind == "between":
            first, last = widths[:2], widths[1:]
            norm = LayerNorm.of(eps=Fraction(eps), dim=first[0])
            return Network(
                (
                    Block((Layer.of(rng.integers(-16, 17, (5, 3)) / 8, None, ReLU()),), norm),
                    normed(rng, "rms", eps, *last),
                )
            )
        return Network((Block(layers(rng, *widths)),))

    before, after = (one(np.random.default_rng((seed, k))) for k in (1, 2))
    return before, after


# ---- both side by side


SHAPES: list[tuple[str, tuple[int, ...]]] = [
    ("mlp", (2, 4, 3, 1)),
    ("residual", (2, 3, 1)),
    ("layernorm", (4, 5, 3, 1)),
    ("rms", (3, 4, 2)),
]


@pytest.mark.parametrize(("kind", "widths"), SHAPES)
def test_side_by_side_computes_both(kind: str, widths: tuple[int, ...]) -> None:
    first, second = pair(kind, *widths)
    both = side_by_side(first, second)
    x = np.random.default_rng(0).normal(size=(20, first.input_dim))
    for own, mine, its in zip(
        both.hidden_float(x), first.hidden_float(x), second.hidden_float(x), strict=True
    ):
        np.testing.assert_allclose(own, np.hstack([mine, its]), rtol=1e-12, atol=1e-12)
    points = np.random.default_rng(1).integers(-40, 41, (20, first.input_dim)) / 8
    bits, columns = both.codes(points).bits, bits_of_each(first)
    for network, own in zip((first, second), columns, strict=True):
        assert np.array_equal(bits[:, own], network.codes(points).bits)
    assert sorted(np.concatenate(columns).tolist()) == list(range(both.hinge_count))


# ---- judged by linear programmes


def by_programmes(found: RegionEvents) -> list[list[int]]:
    """The pairs of regions whose open inequalities have a common point."""
    before, after = (one.seen_as(FlatPartition) for one in (found.before, found.after))
    dim = before.flat.dim

    def walls(one: FlatPartition, index: int) -> tuple[Halfspace, ...]:
        bits = [bool(bit) for bit in one.code_of(index).bits]
        return region_walls(one.network, one.flat, bits)

    return [
        [i, j]
        for i in range(len(before))
        for j in range(len(after))
        if isinstance(strict_feasibility([*walls(before, i), *walls(after, j)], dim), Interior)
    ]


FLAT: list[tuple[str, tuple[int, ...], Domain]] = [
    ("mlp", (2, 4, 1), Box(-1, 1, dim=2)),
    ("mlp", (2, 3, 3, 1), RealSpace(2)),
    ("residual", (2, 2, 1), Box(-2, 2, dim=2)),
    ("mlp", (3, 3, 2, 1), Plane([0, 0, 0], [1, 0, 1], [0, 1, 1])),
    ("mlp", (1, 3, 2, 1), RealSpace(1)),
]


@pytest.mark.parametrize(("kind", "widths", "domain"), FLAT, ids=str)
def test_pairs_are_those_whose_inequalities_have_a_common_point(
    kind: str, widths: tuple[int, ...], domain: Domain
) -> None:
    found = region_events(*pair(kind, *widths), domain)
    assert found.outcome is Outcome.COMPLETE
    assert found.pairs.tolist() == by_programmes(found)
    check_events(found)


def check_events(found: RegionEvents) -> None:
    """Codes and counts say what the definitions say."""
    old, new = ({one.code_of(i) for i in range(len(one))} for one in (found.before, found.after))
    assert {*found.kept} == old & new
    assert {*found.dead} == old - new
    assert {*found.born} == new - old
    for codes in (found.kept, found.dead, found.born):
        assert [code.packed for code in codes] == sorted(code.packed for code in codes)
    pairs = found.pairs.tolist()
    assert pairs == sorted(pairs)
    for side, one, several in ((0, found.before, found.split), (1, found.after, found.merged)):
        counts = [sum(row[side] == cell for row in pairs) for cell in range(len(one))]
        assert min(counts) > 0
        assert several.tolist() == [cell for cell, count in enumerate(counts) if count > 1]


# ---- curves: merged crossings, judged by points and by both side by side


CURVES: list[tuple[str, tuple[int, ...], Domain]] = [
    ("mlp", (2, 4, 3, 1), Segment([-2, 1], [2, 0])),
    ("mlp", (2, 4, 3, 1), Ray([0, 0], [1, 2])),
    ("mlp", (2, 4, 3, 1), Line([0, 1], [1, 1])),
    ("mlp", (2, 4, 3, 1), GreatCircle([1, 0], [0, 1], radius_squared=1)),
    ("residual", (2, 3, 1), Segment([-2, 1], [2, 0])),
    ("layernorm", (3, 5, 3, 1), Segment([-2, 1, 0], [2, 0, 1])),
    ("layernorm", (3, 5, 3, 1), Sphere()),
    ("rms", (3, 5, 3, 1), GreatCircle([1, 0, 0], [0, 1, 1])),
    ("rms", (2, 1, 1), Sphere()),
    ("layernorm", (2, 3, 1), Sphere()),
]


@pytest.mark.parametrize(("kind", "widths", "domain"), CURVES, ids=str)
def test_merged_crossings_are_those_of_both_side_by_side(
    kind: str, widths: tuple[int, ...], domain: Domain
) -> None:
    before, after = pair(kind, *widths)
    found = region_events(before, after, domain)
    both = partition(side_by_side(before, after), domain)
    assert found.pairs.tolist() == _pairs(found.before, found.after, both).tolist()
    check_events(found)


@pytest.mark.parametrize("kind", ["embedded", "between"])
@pytest.mark.parametrize("seed", range(2))
def test_crossings_are_merged_where_no_network_computes_both(kind: str, seed: int) -> None:
    """Norms behind embeddings of their own, and several norms; judged by the floats of the ends,
    which are the nearest ones.
    """
    widths = (3, 4, 1) if kind == "embedded" else (3, 5, 3, 1)
    before, after = pair(kind, *widths, seed=seed)
    start, end = ([k, 1 - k, 2 * k][: before.input_dim] for k in (-2, 3))
    found = region_events(before, after, Segment(start, end))
    ends = [[arc.parameters_float for arc in one.regions] for one in (found.before, found.after)]
    common = [[min(a[1], b[1]) - max(a[0], b[0]) for b in ends[1]] for a in ends[0]]
    expected = [[i, j] for i, row in enumerate(common) for j, x in enumerate(row) if x > 1e-12]
    assert found.pairs.tolist() == expected
    assert min(map(len, ends)) > 1
    check_events(found)


def test_a_circle_that_one_network_does_not_cut() -> None:
    """Constant neurons have no crossing; the other has two, so its first arc runs through u."""
    whole, halves = (tensors.mlp([([row], [bias]), ([[1]], [0])]) for row, bias in CUTS)
    circle = GreatCircle([1, 0], [0, 1], radius_squared=1)
    found = region_events(whole, halves, circle)
    assert (len(found.before), len(found.after)) == (1, 2)
    assert found.pairs.tolist() == [[0, 0], [0, 1]]
    assert region_events(halves, whole, circle).pairs.tolist() == [[0, 0], [1, 0]]
    assert region_events(whole, whole, circle).pairs.tolist() == [[0, 0]]
    assert region_events(halves, halves, circle).pairs.tolist() == [[0, 0], [1, 1]]


CUTS = [([0, 0], 1), ([1, 0], 0)]


def test_norms_of_two_kinds_meet_on_a_segment_but_measure_angles_differently() -> None:
    before, after = (pair(norm, 3, 4, 1)[0] for norm in ("layernorm", "rms"))
    found = region_events(before, after, Segment([-3, 1, 2], [3, 0, -2]))
    check_events(found)
    points = [[Fraction(k, 9) - 3, 1 - Fraction(k, 54), 2 - Fraction(2 * k, 27)] for k in range(54)]
    cells = [one.locate_all(points, errors="keep") for one in (found.before, found.after)]
    seen = {(i, j) for i, j in np.stack(cells, axis=1).tolist() if min(i, j) >= 0}
    assert len(seen) > 3
    assert seen <= {*map(tuple, found.pairs.tolist())}
    with pytest.raises(Unsupported, match="the cells lie on curves of different bases"):
        region_events(before, after, GreatCircle([1, 0, 0], [0, 1, 2]))


def test_cells_of_two_curves_do_not_meet() -> None:
    network = pair("mlp", 2, 4, 1)[0]
    first, second = (partition(network, Segment([0, 0], [1, k])) for k in (1, 2))
    with pytest.raises(Unsupported, match="the cells lie on curves of different bases"):
        first.meetings(second)
    flat = partition(network, RealSpace(2))
    assert flat.meetings(flat) is None
    with pytest.raises(InvalidInput, match="not a CurvePartition"):
        first.meetings(flat)


# ---- spheres and balls, judged by points


ROUND: list[tuple[str, tuple[int, ...], Domain]] = [
    ("layernorm", (4, 4, 1), Sphere()),
    ("layernorm", (4, 2, 2, 1), Sphere()),
    ("rms", (3, 3, 1), Sphere()),
    ("layernorm", (5, 3, 1), Sphere()),
    ("mlp", (3, 3, 1), Sphere(radius_squared=1)),
    ("rms", (4, 3, 1), GreatSphere([1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0])),
    ("layernorm", (3, 4, 2, 1), NormBall()),
    ("rms", (2, 4, 1), NormBall()),
]


def inputs(domain: Domain, dim: int) -> list[list[int]]:
    rng = np.random.default_rng(5)
    if isinstance(domain, GreatSphere):
        basis = [domain.u, domain.v, domain.w]
        shares = rng.integers(-50, 51, (100, 3)).tolist()
        return [
            [
                sum(int(c * y) for c, y in zip(row, column, strict=True))
                for column in zip(*basis, strict=True)
            ]
            for row in shares
        ]
    scale = 4 if isinstance(domain, NormBall) else 50
    return [row for row in rng.integers(-scale, scale + 1, (100, dim)).tolist() if any(row)]


@pytest.mark.parametrize(("kind", "widths", "domain"), ROUND, ids=str)
def test_pairs_on_spheres_and_balls_hold_every_point(
    kind: str, widths: tuple[int, ...], domain: Domain
) -> None:
    before, after = pair(kind, *widths)
    found = region_events(before, after, domain)
    assert found.outcome is Outcome.COMPLETE
    check_events(found)
    rows = inputs(domain, before.input_dim)
    cells = [one.locate_all(rows, errors="keep") for one in (found.before, found.after)]
    seen = np.stack(cells, axis=1)
    seen = np.unique(seen[(seen >= 0).all(axis=1)], axis=0)
    assert len(seen) > 5
    assert {*map(tuple, seen.tolist())} <= {*map(tuple, found.pairs.tolist())}
    both = partition(side_by_side(before, after), domain)
    for region in both.regions:  # and no pair without a point of both
        cell = [one.locate(region.witness) for one in (found.before, found.after)]
        assert cell in found.pairs.tolist()
    assert len(both) >= len(found.pairs)


def test_cells_of_one_code_are_told_apart() -> None:
    """A beam along z leaves the sphere at both ends, under one code; the caps of two beams meet at
    the same end only.
    """
    sides = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]
    before, after = (
        tensors.mlp([(sides, [a, b, half, half]), ([[1] * 4], [0])])
        for a, b, half in (("1/2", "1/2", "1/2"), ("3/8", "5/8", "1/2"))
    )
    found = region_events(before, after, Sphere(radius_squared=1))
    check_events(found)
    ends = []
    for one in (found.before, found.after):
        assert (one.code_count, one.cell_count) == (9, 10)
        caps = [cell for cell in one.regions if str(cell.code) == "1111"]
        ends.append({cell.index: cell.witness[2] > 0 for cell in caps})
        assert sorted(ends[-1].values()) == [False, True]
    met = [
        (ends[0][i], ends[1][j]) for i, j in found.pairs.tolist() if i in ends[0] and j in ends[1]
    ]
    assert sorted(met) == [(False, False), (True, True)]


# ---- what ends early, and what is refused


def test_what_ends_early_says_so() -> None:
    before, after = pair("mlp", 2, 5, 1)
    whole = region_events(before, after, RealSpace(2))
    for most in (6, len(whole.before)):
        found = region_events(before, after, RealSpace(2), budget=Budget(regions=most))
        assert found.outcome is Outcome.BUDGET_REACHED
        for name in ("kept", "dead", "born", "split", "merged"):
            with pytest.raises(Undecided, match="an enumeration is not complete, so some events"):
                getattr(found, name)
        assert named(found) < named(whole)
    assert len(found.pairs) > 0
    with pytest.raises(TooLarge, match="the limit is 4"):
        region_events(before, after, RealSpace(2), limit=4)
    curve = region_events(before, after, Segment([-2, 1], [2, 0]), budget=Budget(regions=2))
    assert curve.outcome is Outcome.BUDGET_REACHED
    assert len(curve.pairs) == 0


def named(found: RegionEvents) -> set[tuple[str, str]]:
    return {
        (str(found.before.code_of(i)), str(found.after.code_of(j))) for i, j in found.pairs.tolist()
    }


def test_networks_of_other_shapes_are_refused() -> None:
    one, other = pair("mlp", 2, 4, 1)[0], pair("mlp", 2, 3, 1)[0]
    with pytest.raises(InvalidInput, match="codes of different networks are not compared"):
        region_events(one, other, RealSpace(2))
    other = Network((Block((Layer.of(one.layers[0].weight, None, LeakyReLU()),)),))
    with pytest.raises(InvalidInput, match="the networks differ in shape"):
        region_events(one, other, RealSpace(2))
    skipping = Network((Block(one.layers[:1]), Block((Layer.of(np.eye(4)), *one.layers[1:]))))
    with pytest.raises(InvalidInput, match="the networks differ in shape; got 2 inputs, hidden"):
        side_by_side(one, Network((Block((Layer.of(np.eye(2)), *one.layers)),)))
    assert side_by_side(one, skipping).widths == (8,)
    with pytest.raises(InvalidInput, match="the network has no hidden layer, so no regions"):
        side_by_side(*[Network((Block((Layer.of([[1, 1]]),)),))] * 2)


def test_norms_that_cannot_be_shared_are_refused() -> None:
    ball = NormBall()
    first = pair("rms", 3, 4, 1)[0]
    with pytest.raises(Unsupported, match="the networks have different norms; got RMSNorm"):
        region_events(first, pair("rms", 3, 4, 1, eps="1/4")[1], ball)
    with pytest.raises(Unsupported, match="the networks have different norms"):
        side_by_side(first, pair("layernorm", 3, 4, 1)[1])
    with pytest.raises(Unsupported, match="only one norm of each network can be shared; got 2 and"):
        side_by_side(*pair("between", 3, 5, 3, 1))
    with pytest.raises(Unsupported, match="only one norm of each network can be shared; got 1 and"):
        side_by_side(first, pair("mlp", 3, 4, 1)[0])
    before, after = pair("embedded", 4, 4, 1)
    sphere = GreatSphere([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0])
    fronts = [
        Network((Block((Layer.of(np.eye(4) * k),)), *one.blocks[1:]))
        for k, one in ((1, before), (2, after))
    ]
    with pytest.raises(Unsupported, match="the norms stand behind different layers, so they read"):
        region_events(*fronts, sphere)
    shared = [Network((fronts[0].blocks[0], *one.blocks[1:])) for one in fronts]
    check_events(region_events(shared[0], shared[1], sphere))
    hidden = Network((Block(layers(np.random.default_rng(0), 3, 3, 3)), *first.blocks))
    with pytest.raises(Unsupported, match="hidden layers stand in front of the norm; got 1 blocks"):
        side_by_side(hidden, hidden)


def test_a_code_that_one_network_has_not_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    from exact.instruments.comparisons import region_events as module

    monkeypatch.setattr(module, "bits_of_each", lambda network: bits_of_each(network)[::-1])
    with pytest.raises(EngineDefect, match="has a code that one of them has not"):
        region_events(*pair("mlp", 2, 4, 1), RealSpace(2))


# ---- a history


def test_a_history_cuts_each_network_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from exact.instruments.comparisons import region_events as module

    counted = list[Network]()

    def cut(network: Network, domain: Domain, **options: Any) -> Partition:
        counted.append(network)
        return partition(network, domain, **options)

    monkeypatch.setattr(module, "partition", cut)
    first, second = pair("mlp", 2, 4, 1)
    networks = [first, second, first]
    found = region_history(networks, Box(-1, 1, dim=2))
    assert len(counted) == 5
    assert found[0].after is found[1].before
    assert found[0].born == found[1].dead
    assert sorted(found[0].pairs[:, ::-1].tolist()) == found[1].pairs.tolist()
    assert region_history([first], Box(-1, 1, dim=2)) == ()


def test_nothing_happens_between_equal_networks() -> None:
    network = pair("layernorm", 4, 5, 1)[0]
    found = region_events(network, network, Sphere())
    count = len(found.before)
    assert found.pairs.tolist() == [[i, i] for i in range(count)]
    codes = found.before.code_count
    assert str(found) == f"codes: {codes} kept, 0 dead, 0 born; cells: 0 split, 0 merged"
