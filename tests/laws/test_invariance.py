"""What must not change the partition: names of neurons, positive scales, copies, coordinates, the
way it is cut up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from exact import Box, Network, Partition, Plane, RealSpace, partition
from exact.geometry.domains.base import Domain
from tests.laws.random_networks import (
    HINGES,
    POSITIVE,
    Bits,
    LayerSpec,
    Rows,
    Spec,
    codes,
    matrices,
    relu_specs,
    specs,
    vectors,
)
from tests.truths import engines, oracle

DIMS = st.integers(1, 3)


ENGINE = st.sampled_from([None, *(name for name in engines.ONE_LAYER if name != "brute_force")])
"""The engine that cuts, where it takes the network; else, and for None, `partition` chooses."""


def cut(engine: str | None, network: Network, domain: Domain) -> Partition:
    wanted = engine if engine is not None and engines.takes(engine, network, domain) else None
    return partition(network, domain, engine=wanted)


def spaces(spec: Spec) -> list[RealSpace | Box]:
    return [RealSpace(spec.input_dim), Box(-1, 2, dim=spec.input_dim)]


@given(relu_specs(DIMS), st.randoms(use_true_random=False), ENGINE)
def test_permuting_neurons_permutes_bits(spec: Spec, random: Random, engine: str | None) -> None:
    first, second = spec.layers[:2]
    order = random.sample(range(first.width), first.width)
    permuted = replace(
        first,
        weight=tuple(first.weight[i] for i in order),
        bias=tuple(first.bias[i] for i in order),
    )
    read = replace(second, weight=tuple(tuple(row[i] for i in order) for row in second.weight))
    other = spec.with_layer(0, permuted).with_layer(1, read)
    for space in spaces(spec):
        before, after = cut(engine, spec.network, space), cut(engine, other.network, space)
        moved = {(*(code[i] for i in order), *code[first.hinges :]) for code in codes(before)}
        assert moved == set(codes(after))
        assert before.linear_piece_count == after.linear_piece_count


@given(relu_specs(DIMS), st.data(), ENGINE)
def test_positive_scales_change_nothing(
    spec: Spec, data: st.DataObject, engine: str | None
) -> None:
    first, second = spec.layers[:2]
    scales = data.draw(vectors(first.width, POSITIVE))
    weight = tuple(tuple(s * x for x in row) for s, row in zip(scales, first.weight, strict=True))
    scaled = replace(
        first, weight=weight, bias=tuple(s * b for s, b in zip(scales, first.bias, strict=True))
    )
    read = tuple(tuple(x / s for s, x in zip(scales, row, strict=True)) for row in second.weight)
    other = spec.with_layer(0, scaled).with_layer(1, replace(second, weight=read))
    for space in spaces(spec):
        before, after = cut(engine, spec.network, space), cut(engine, other.network, space)
        assert set(codes(before)) == set(codes(after))
        assert before.digest == after.digest
        assert {region.code: region.affine for region in before.regions} == {
            region.code: region.affine for region in after.regions
        }


def append_unread(spec: Spec, index: int, weight: Rows, bias: Sequence[Fraction]) -> Spec:
    """Add neurons to a layer; the next layer gives them weight zero."""
    layer, reader = spec.layers[index : index + 2]
    wider = replace(layer, weight=layer.weight + weight, bias=(*layer.bias, *bias))
    blind = replace(
        reader, weight=tuple((*row, *(Fraction(0) for _ in bias)) for row in reader.weight)
    )
    return spec.with_layer(index, wider).with_layer(index + 1, blind)


@given(relu_specs(DIMS, hinges=4), st.data(), ENGINE)
def test_copies_and_negatives_cut_nothing_new(
    spec: Spec, data: st.DataObject, engine: str | None
) -> None:
    index = data.draw(st.integers(0, len(spec.layers) - 2))
    layer = spec.layers[index]
    neuron, factor = data.draw(st.integers(0, layer.width - 1)), data.draw(POSITIVE)
    factors = (factor, -factor)
    weight = tuple(tuple(f * x for x in layer.weight[neuron]) for f in factors)
    wider = append_unread(spec, index, weight, [f * layer.bias[neuron] for f in factors])
    for space in spaces(spec):
        before, after = cut(engine, spec.network, space), cut(engine, wider.network, space)
        assert before.region_count == after.region_count
        assert before.linear_piece_count == after.linear_piece_count
        assert before.distinct_map_count == after.distinct_map_count


@given(specs(DIMS), st.data(), ENGINE)
def test_zero_rows_cut_nothing(spec: Spec, data: st.DataObject, engine: str | None) -> None:
    index = data.draw(st.integers(0, len(spec.layers) - 2))
    columns = len(spec.layers[index].weight[0])
    zeros: Rows = ((Fraction(0),) * columns,) * 3
    wider = append_unread(spec, index, zeros, [Fraction(1), Fraction(0), Fraction(-3)])
    for space in spaces(spec):
        assert (
            cut(engine, spec.network, space).region_count
            == cut(engine, wider.network, space).region_count
        )


def identity_rows(size: int) -> Rows:
    return tuple(tuple(Fraction(int(i == j)) for j in range(size)) for i in range(size))


@given(specs(DIMS), st.data(), ENGINE)
def test_identity_layer_changes_nothing(
    spec: Spec, data: st.DataObject, engine: str | None
) -> None:
    index = data.draw(st.integers(0, len(spec.layers)))
    width = spec.input_dim if index == 0 else spec.layers[index - 1].width
    inserted = LayerSpec(identity_rows(width), (Fraction(0),) * width, "identity")
    other = replace(spec, layers=(*spec.layers[:index], inserted, *spec.layers[index:]))
    for space in spaces(spec):
        before, after = cut(engine, spec.network, space), cut(engine, other.network, space)
        assert before.digest == after.digest
        assert before.distinct_map_count == after.distinct_map_count


@given(relu_specs(DIMS, hinges=3), st.data(), ENGINE)
def test_second_relu_repeats_the_bits(spec: Spec, data: st.DataObject, engine: str | None) -> None:
    index = data.draw(st.integers(0, len(spec.layers) - 2))
    layer = replace(spec.layers[index], activation="relu")
    again = LayerSpec(identity_rows(layer.width), (Fraction(0),) * layer.width, "relu")
    once = spec.with_layer(index, layer)
    twice = replace(once, layers=(*once.layers[: index + 1], again, *once.layers[index + 1 :]))
    start = sum(before.hinges for before in once.layers[:index])
    end = start + layer.width
    for space in spaces(spec):
        repeated = {
            (*code[:end], *code[start:end], *code[end:])
            for code in codes(cut(engine, once.network, space))
        }
        assert repeated == set(codes(cut(engine, twice.network, space)))


def determinant(rows: Rows) -> Fraction:
    if len(rows) == 1:
        return rows[0][0]
    minors = (tuple(row[:k] + row[k + 1 :] for row in rows[1:]) for k in range(len(rows)))
    return sum(
        ((-1) ** k * rows[0][k] * determinant(minor) for k, minor in enumerate(minors)), Fraction(0)
    )


def after_affine(spec: Spec, matrix: Rows, shift: Sequence[Fraction]) -> Spec:
    """The network x -> spec(matrix x + shift)."""
    first = spec.layers[0]
    columns = list(zip(*matrix, strict=True))
    weight = tuple(tuple(oracle.dot(row, column) for column in columns) for row in first.weight)
    bias = tuple(
        b + oracle.dot(row, shift) for row, b in zip(first.weight, first.bias, strict=True)
    )
    return spec.with_layer(0, replace(first, weight=weight, bias=bias))


@given(specs(DIMS), st.data(), ENGINE)
def test_coordinates_do_not_matter(spec: Spec, data: st.DataObject, engine: str | None) -> None:
    n = spec.input_dim
    matrix, shift = data.draw(matrices(n, n)), data.draw(vectors(n, POSITIVE))
    assume(determinant(matrix) != 0)
    before = cut(engine, spec.network, RealSpace(n))
    after = cut(engine, after_affine(spec, matrix, shift).network, RealSpace(n))
    assert before.digest == after.digest
    assert before.linear_piece_count == after.linear_piece_count
    assert before.graph().number_of_edges() == after.graph().number_of_edges()


@given(specs(3), st.data(), ENGINE)
def test_plane_is_an_affine_map_of_the_plane(
    spec: Spec, data: st.DataObject, engine: str | None
) -> None:
    points = data.draw(matrices(3, 3))
    sides = [tuple(a - b for a, b in zip(point, points[0], strict=True)) for point in points[1:]]
    assume(
        any(
            sides[0][i] * sides[1][j] != sides[0][j] * sides[1][i]
            for i in range(3)
            for j in range(i)
        )
    )
    chart = tuple(zip(*sides, strict=True))
    in_chart = cut(engine, after_affine(spec, chart, points[0]).network, RealSpace(2))
    assert cut(engine, spec.network, Plane(*points)).digest == in_chart.digest


@given(specs(DIMS), st.data(), ENGINE)
def test_halves_of_a_box_glue(spec: Spec, data: st.DataObject, engine: str | None) -> None:
    n = spec.input_dim
    axis, middle = (
        data.draw(st.integers(0, n - 1)),
        data.draw(st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(1)])),
    )
    left = Box([-1] * n, [middle if k == axis else 2 for k in range(n)])
    right = Box([middle if k == axis else -1 for k in range(n)], [2] * n)
    halves = [set(codes(cut(engine, spec.network, half))) for half in (left, right)]
    assert halves[0] | halves[1] == set(codes(cut(engine, spec.network, Box(-1, 2, dim=n))))


@given(specs(DIMS), ENGINE)
def test_box_codes_are_codes_of_the_space(spec: Spec, engine: str | None) -> None:
    everywhere, inside = (
        Counter[Bits](codes(cut(engine, spec.network, space))) for space in spaces(spec)
    )
    assert inside <= everywhere


def test_every_activation_is_tried() -> None:
    assert set(HINGES) == set(oracle.ACTIVATIONS) | {"leaky_relu", "hard_tanh"}
