"""Laws of spheres of dimension two and more: engines against the oracle and each other, and what
may not change anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exact import Block, GreatCircle, GreatSphere, Network, Partition, Sphere, partition
from tests.laws.random_networks import (
    HINGES,
    POSITIVE,
    LayerSpec,
    Rows,
    Spec,
    codes,
    layers,
    matrices,
    specs,
    vectors,
)
from tests.laws.random_spheres import SQUARES, SphereSpec, code_pairs, faults, spheres
from tests.truths import engines
from tests.truths.cases import layer_norm, rms_norm
from tests.truths.oracle import Point

TWO_SPHERES = st.sampled_from([3, 4])
"""Input dimensions: behind LayerNorm, 4 is a 2-sphere."""


def bent(spec: Spec) -> bool:
    """Whether there is a hinge at all."""
    return any(HINGES[layer.activation] for layer in spec.layers)


def on_two_spheres(hinges: int = 5, depth: int = 2) -> st.SearchStrategy[SphereSpec]:
    return spheres(specs(TWO_SPHERES, hinges=hinges, depth=depth).filter(bent), 2)


def on_three_spheres(hinges: int = 4, depth: int = 2) -> st.SearchStrategy[SphereSpec]:
    return spheres(specs(st.sampled_from([4, 5]), hinges=hinges, depth=depth).filter(bent), 3)


def run(job: SphereSpec, engine: str | None = None) -> Partition:
    return partition(job.network, job.domain, engine=engine)


# --- engines
# --------------------------------------------------------------------------------------------------


def depth_of(engine: str) -> int:
    return 2 if engine in engines.DEEP_ON_SPHERES else 1


@pytest.mark.parametrize("engine", engines.ON_TWO_SPHERES)
@given(data=st.data())
def test_like_the_oracle_on_two_spheres(engine: str, data: st.DataObject) -> None:
    job = data.draw(on_two_spheres(depth=depth_of(engine)))
    assume(engines.takes(engine, job.network, job.domain))
    assert list(faults(job, run(job, engine))) == []


@pytest.mark.parametrize("engine", engines.ON_THREE_SPHERES)
@given(data=st.data())
def test_like_the_oracle_on_three_spheres(engine: str, data: st.DataObject) -> None:
    job = data.draw(on_three_spheres(depth=depth_of(engine)))
    assume(engines.takes(engine, job.network, job.domain))
    assert list(faults(job, run(job, engine))) == []


@pytest.mark.parametrize(("first", "second"), list(combinations(engines.ON_SPHERES, 2)))
@given(data=st.data())
def test_engines_agree(first: str, second: str, data: st.DataObject) -> None:
    """On S^2 to S^4, with planes whose entries are -1, 0 and 1: repeated, opposite and concurrent
    as a rule.
    """
    both = {first, second}
    n = data.draw(st.integers(3, 5 if both <= set(engines.ON_THREE_SPHERES) else 3))
    count, entries = data.draw(st.integers(1, 5)), st.integers(-1, 1).map(Fraction)
    hidden, readout = (
        data.draw(layers(count, n, "relu", entries)),
        data.draw(layers(1, count, "identity", entries)),
    )
    job = SphereSpec(Spec((hidden, readout)), data.draw(st.sampled_from(SQUARES)))
    assume(all(engines.takes(engine, job.network, job.domain) for engine in both))
    assert_same(run(job, first), run(job, second))


def assert_same(first: Partition, second: Partition) -> None:
    """Equal as far as both kinds of result go."""
    assert set(codes(first)) == set(codes(second))
    assert code_pairs(first) == code_pairs(second)
    assert (first.code_count, first.cell_count) == (second.code_count, second.cell_count)
    if type(first) is type(second):
        assert first.digest == second.digest
        assert len(first.neighbours()) == len(second.neighbours())


@pytest.mark.gpu
@given(on_two_spheres())
def test_the_device_changes_nothing(job: SphereSpec) -> None:
    assert_same(run(job), partition(job.network, job.domain, device="cuda"))


# --- what may not change anything
# -------------------------------------------------------------------------------------


def counts(found: Partition) -> tuple[int, int, int]:
    return found.code_count, found.cell_count, len(found.neighbours())


@given(on_two_spheres(), st.randoms(use_true_random=False))
def test_neurons_may_be_permuted(job: SphereSpec, random: object) -> None:
    first, *rest = job.spec.layers
    assume(first.activation == "relu" and rest)
    order = list(range(first.width))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = LayerSpec(tuple(first.weight[j] for j in order), tuple(first.bias[j] for j in order))
    following = replace(
        rest[0], weight=tuple(tuple(row[j] for j in order) for row in rest[0].weight)
    )
    found = run(job)
    after = run(replace(job, spec=replace(job.spec, layers=(moved, following, *rest[1:]))))
    shuffled = {tuple(code[j] for j in order) + code[first.width :] for code in codes(found)}
    assert set(codes(after)) == shuffled
    assert counts(after) == counts(found)


@given(on_two_spheres(depth=1), st.lists(POSITIVE, min_size=6, max_size=6))
def test_rows_may_be_scaled(job: SphereSpec, factors: list[Fraction]) -> None:
    first, *rest = job.spec.layers
    assume(first.activation in ("relu", "absolute_value"))
    rows = zip(first.weight, first.bias, factors, strict=False)
    weight, bias = zip(*((tuple(s * x for x in row), s * b) for row, b, s in rows), strict=True)
    assert_same(
        run(job),
        run(
            replace(
                job,
                spec=replace(job.spec, layers=(LayerSpec(weight, bias, first.activation), *rest)),
            )
        ),
    )


@given(
    on_two_spheres(depth=1),
    st.lists(st.sampled_from([1, -1, 3, Fraction(-1, 2)]), min_size=1, max_size=4),
)
def test_copies_and_opposites_add_no_cell(job: SphereSpec, factors: list[Fraction]) -> None:
    first = job.spec.layers[0]
    assume(first.activation == "relu")
    more = [(tuple(s * x for x in first.weight[0]), s * first.bias[0]) for s in factors]
    weight, bias = (*first.weight, *(row for row, _ in more)), (*first.bias, *(b for _, b in more))
    readout = LayerSpec(((Fraction(1),) * len(weight),), (Fraction(0),), "identity")
    after = run(replace(job, spec=replace(job.spec, layers=(LayerSpec(weight, bias), readout))))
    before = run(job)
    assert counts(after) == counts(before)
    assert {code[: first.width] for code in codes(after)} == set(codes(before))


@given(
    specs(3, hinges=5, depth=2).filter(bent),
    st.permutations(range(3)),
    vectors(3, st.sampled_from([1, -1])),
    st.data(),
)
def test_signed_permutations_turn_the_sphere(
    spec: Spec, order: Sequence[int], signs: Point, data: st.DataObject
) -> None:
    squared = data.draw(st.sampled_from([None, *SQUARES]))
    norm = rms_norm(3) if squared is None else None
    first = spec.layers[0]
    turned = replace(
        first,
        weight=tuple(
            tuple(s * row[j] for j, s in zip(order, signs, strict=True)) for row in first.weight
        ),
    )
    jobs = [
        SphereSpec(replace(spec.with_layer(0, layer), norm=norm), squared)
        for layer in (first, turned)
    ]
    assert_same(*map(run, jobs))


@given(specs(4, hinges=5, depth=2).filter(bent), vectors(4, POSITIVE), vectors(4), st.data())
def test_gain_and_bias_fold_into_the_weights(
    spec: Spec, gain: Point, bias: Point, data: st.DataObject
) -> None:
    make = data.draw(st.sampled_from([layer_norm, rms_norm]))
    first = spec.layers[0]
    weight = tuple(tuple(a * g for a, g in zip(row, gain, strict=True)) for row in first.weight)
    offsets = (
        b + sum(a * h for a, h in zip(row, bias, strict=True))
        for row, b in zip(first.weight, first.bias, strict=True)
    )
    folded = spec.with_layer(0, replace(first, weight=weight, bias=tuple(offsets)))
    jobs = [
        SphereSpec(replace(spec, norm=make(4, gain, bias))),
        SphereSpec(replace(folded, norm=make(4))),
    ]
    assume(bent(spec) and spec.layers[0].hinges <= 4)
    assert_same(*map(run, jobs))


@given(on_two_spheres(depth=1), POSITIVE, st.sampled_from(["var", "std"]))
def test_eps_does_not_reach_the_sphere(job: SphereSpec, eps: Fraction, rule: str) -> None:
    (block,) = job.network.blocks
    assume(block.norm is not None)
    norm = type(block.norm).of(eps, block.norm.gain, block.norm.bias, block.norm.dim, rule)  # type: ignore[union-attr, arg-type]
    found, other = run(job), partition(Network((Block(block.layers, norm),)), job.domain)
    assert_same(found, other)


@given(on_two_spheres(depth=1))
def test_an_identity_layer_adds_no_cell(job: SphereSpec) -> None:
    first, *rest = job.spec.layers
    assume(first.activation == "relu" and len(rest) == 1)
    unit = tuple(
        tuple(Fraction(int(i == j)) for j in range(first.width)) for i in range(first.width)
    )
    inserted = LayerSpec(unit, (Fraction(0),) * first.width)
    after = run(replace(job, spec=replace(job.spec, layers=(first, inserted, *rest))))
    before = run(job)
    assert counts(after) == counts(before)
    assert set(codes(after)) == {code + code for code in codes(before)}


# --- parts of a sphere
# ------------------------------------------------------------------------------------------------


def independent(rows: Rows) -> bool:
    """Whether three vectors of R^3 or more span a space."""
    u, v, w = rows
    triples = combinations(range(len(u)), 3)
    return any(
        u[i] * (v[j] * w[k] - v[k] * w[j])
        - u[j] * (v[i] * w[k] - v[k] * w[i])
        + u[k] * (v[i] * w[j] - v[j] * w[i])
        for i, j, k in triples
    )


@given(on_two_spheres(), matrices(2, 4))
def test_a_great_circle_meets_cells_of_the_sphere(job: SphereSpec, pair: Rows) -> None:
    n = job.spec.input_dim
    u, v = (row[:n] for row in pair)
    assume(
        independent((u, v, (Fraction(1),) * n))
        if job.truth.norm == "layer_norm"
        else any_minor(u, v)
    )
    whole = run(job)
    known = codes(whole)
    circle = partition(job.network, GreatCircle(u, v, job.radius_squared))
    for region, code in zip(circle.regions, codes(circle), strict=True):
        # the circle may lie in a plane, and is on its zero side there
        if off_every_plane(job, region.witness):
            assert known[whole.locate(region.witness)] == code


def any_minor(u: Point, v: Point) -> bool:
    """Whether two vectors are independent."""
    return any(u[i] * v[j] != u[j] * v[i] for i, j in combinations(range(len(u)), 2))


@given(specs(4, hinges=5, depth=2).filter(bent), matrices(3, 4), st.sampled_from(SQUARES))
def test_a_great_sphere_that_is_everything(spec: Spec, span: Rows, squared: Fraction) -> None:
    """In R^3 every three independent vectors span the whole sphere."""
    span = tuple(row[:3] for row in span)
    assume(independent(span))
    first = spec.layers[0]
    flat = spec.with_layer(0, replace(first, weight=tuple(row[:3] for row in first.weight)))
    whole = partition(flat.network, Sphere(squared))
    assert_same(whole, partition(flat.network, GreatSphere(*span, squared)))


@given(
    on_two_spheres(), st.lists(vectors(4, st.integers(-9, 9).map(Fraction)), min_size=3, max_size=3)
)
def test_directions_are_found_in_their_cells(job: SphereSpec, points: list[Point]) -> None:
    found, n = run(job), job.spec.input_dim
    known = codes(found)
    for point in (point[:n] for point in points):
        if len({*point, *[Fraction(0)] * (job.truth.norm != "layer_norm")}) > 1 and off_every_plane(
            job, point
        ):
            assert known[found.locate(point)] == job.code_at(point)


def off_every_plane(job: SphereSpec, point: Sequence[Fraction]) -> bool:
    """Whether the code is the same a little beside the point, in directions that span the space:
    nothing is zero there.
    """
    steps = [
        [side * (-1) ** (i & k).bit_count() for i in range(len(point))]
        for k in range(4)
        for side in (1, -1)
    ]
    moved = (
        [x + Fraction(step, 10**12) for x, step in zip(point, direction, strict=True)]
        for direction in steps
    )
    return {job.code_at(near) for near in moved} == {job.code_at(point)}
