"""Laws of circles: against the oracle, under scaling and reversal, and where LayerNorm forgets the
length.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import isclose, pi, sqrt

from hypothesis import assume, given
from hypothesis import strategies as st

from exact import GreatCircle, InvalidInput, Partition, Sphere, partition
from tests.laws.random_networks import POSITIVE, Bits, Spec, codes, edges, specs, vectors
from tests.truths import oracle, reading
from tests.truths.cases import great_circle, layer_norm, rms_norm, sphere
from tests.truths.oracle import Point

SQUARES = st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(2), Fraction(9), Fraction(5, 3)])
NORMS = st.sampled_from([layer_norm(3), rms_norm(2), layer_norm(3, [2, -1, "1/2"], [0, 1, "-1/3"])])


@st.composite
def normed(draw: st.DrawFn, depth: int = 2) -> Spec:
    norm = draw(NORMS)
    return draw(specs(norm["dim"], hinges=6, depth=depth, norm=norm))  # type: ignore[arg-type]


def assert_like_oracle(found: Partition, opinion: dict[str, int]) -> None:
    counts = {
        "code_count": found.code_count,
        "cell_count": found.cell_count,
        "edge_count": found.graph().number_of_edges(),
    }
    assert counts == {name: opinion[name] for name in counts}


@given(normed())
def test_sphere_behind_a_norm(spec: Spec) -> None:
    opinion = reading.second_opinion({"network": spec.data, "domain": sphere()})
    assert_like_oracle(partition(spec.network, Sphere()), opinion)


@given(specs(2, depth=2), SQUARES)
def test_circle_in_the_plane(spec: Spec, squared: Fraction) -> None:
    opinion = reading.second_opinion({"network": spec.data, "domain": sphere(squared)})
    found = partition(spec.network, Sphere(radius_squared=squared))
    assert_like_oracle(found, opinion)
    assert (found.linear_piece_count, found.distinct_map_count) == (
        opinion["linear_piece_count"],
        opinion["distinct_map_count"],
    )


@st.composite
def circles(draw: st.DrawFn, dim: int = 4) -> tuple[Point, Point]:
    u, v = draw(vectors(dim)), draw(vectors(dim))
    assume(
        any(a * d != b * c for a, b in zip(u, v, strict=True) for c, d in zip(u, v, strict=True))
    )
    return u, v


@given(specs(4, depth=2), circles(), SQUARES)
def test_great_circle_without_norm(
    spec: Spec, pair: tuple[Point, Point], squared: Fraction
) -> None:
    opinion = reading.second_opinion({"network": spec.data, "domain": great_circle(*pair, squared)})
    assert_like_oracle(partition(spec.network, GreatCircle(*pair, radius_squared=squared)), opinion)


@given(specs(4, depth=2, norm=rms_norm(4)), circles())
def test_great_circle_behind_rms_norm(spec: Spec, pair: tuple[Point, Point]) -> None:
    opinion = reading.second_opinion({"network": spec.data, "domain": great_circle(*pair)})
    assert_like_oracle(partition(spec.network, GreatCircle(*pair)), opinion)


@given(specs(4, depth=2), circles(), SQUARES)
def test_reversal_reverses_the_cells(
    spec: Spec, pair: tuple[Point, Point], squared: Fraction
) -> None:
    u, v = pair
    forth = partition(spec.network, GreatCircle(u, v, radius_squared=squared))
    for first, second in ((u, tuple(-x for x in v)), (v, u)):
        back = partition(spec.network, GreatCircle(first, second, radius_squared=squared))
        assert is_rotation(codes(back), codes(forth)[::-1])
        assert edges(back) == edges(forth)


@given(specs(4, depth=2), circles(), SQUARES, POSITIVE, POSITIVE)
def test_spanning_vectors_may_be_scaled(
    spec: Spec, pair: tuple[Point, Point], squared: Fraction, first: Fraction, second: Fraction
) -> None:
    scaled = [tuple(s * x for x in vector) for s, vector in zip((first, second), pair, strict=True)]
    before = partition(spec.network, GreatCircle(*pair, radius_squared=squared))
    after = partition(spec.network, GreatCircle(*scaled, radius_squared=squared))
    assert is_rotation(codes(before), codes(after))


def is_rotation(first: list[Bits], second: list[Bits]) -> bool:
    return len(first) == len(second) and any(
        first == second[k:] + second[:k] for k in range(len(second))
    )


@given(specs(4, depth=2), circles(), SQUARES)
def test_lengths_sum_to_the_circumference(
    spec: Spec, pair: tuple[Point, Point], squared: Fraction
) -> None:
    found = partition(spec.network, GreatCircle(*pair, radius_squared=squared))
    assert isclose(
        sum(region.length_float for region in found.regions), 2 * pi * sqrt(squared), rel_tol=1e-9
    )
    assert all(region.length_float > 0 for region in found.regions)


@given(normed())
def test_lengths_sum_to_the_circumference_behind_a_norm(spec: Spec) -> None:
    total = sum(region.length_float for region in partition(spec.network, Sphere()).regions)
    assert isclose(total, 2 * pi * sqrt(spec.input_dim), rel_tol=1e-9)


@given(normed(), st.data(), st.fractions(1, 1000))
def test_norm_forgets_the_length(spec: Spec, data: st.DataObject, factor: Fraction) -> None:
    point = data.draw(vectors(spec.input_dim))
    assume(len(set(point)) > 1)
    found = partition(spec.network, Sphere())
    longer = tuple(factor * x for x in point)
    assert located(found, point) == located(found, longer)
    assert spec.network.code(point) == spec.network.code(longer)
    if spec.norm is not None and spec.norm["name"] == "layer_norm":
        assert located(found, point) == located(found, tuple(x + 7 for x in point))


def located(found: Partition, point: tuple[Fraction, ...]) -> int | None:
    """The cell of a point; None where the partition says that it lies on a crossing."""
    try:
        return found.locate(point)
    except InvalidInput as error:
        assert "crossing" in error.wrong
        return None


@given(normed())
def test_witnesses_lie_in_their_arcs(spec: Spec) -> None:
    found = partition(spec.network, Sphere())
    assert [found.locate(region.witness) for region in found.regions] == list(
        range(len(found.regions))
    )
    assert [tuple(spec.network.code(region.witness).bits) for region in found.regions] == codes(
        found
    )


@given(normed(depth=1), st.integers(-60, 60), st.data())
def test_scaled_rows_cut_alike(spec: Spec, exponent: int, data: st.DataObject) -> None:
    first = spec.layers[0]
    factors = data.draw(
        st.tuples(
            *[st.sampled_from([Fraction(3), Fraction(2) ** exponent, Fraction(1, 7)])] * first.width
        )
    )
    assume(first.activation != "hard_tanh")
    weight = tuple(tuple(f * x for x in row) for f, row in zip(factors, first.weight, strict=True))
    bias = tuple(f * b for f, b in zip(factors, first.bias, strict=True))
    scaled = spec.with_layer(0, type(first)(weight, bias, first.activation))
    before, after = (partition(each.network, Sphere()) for each in (spec, scaled))
    assert codes(before) == codes(after)
    assert edges(before) == edges(after)


@given(specs(4, depth=1, activations=("relu",)), circles(), SQUARES)
def test_central_planes_cut_antipodally(
    spec: Spec, pair: tuple[Point, Point], squared: Fraction
) -> None:
    first = spec.layers[0]
    central = spec.with_layer(0, type(first)(first.weight, (Fraction(0),) * first.width, "relu"))
    found = partition(central.network, GreatCircle(*pair, radius_squared=squared))
    cells = codes(found)
    half = len(cells) // 2
    off = tuple(1 if any(oracle.dot(row, vector) for vector in pair) else 0 for row in first.weight)
    opposite = [tuple(o - b for o, b in zip(off, code, strict=True)) for code in cells]
    assert Counter(opposite) == Counter(cells)
    assert len(cells) == 1 or opposite == cells[half:] + cells[:half]


@given(specs(2, depth=2, activations=("relu",)), st.data())
def test_crossings_lie_on_their_planes(spec: Spec, data: st.DataObject) -> None:
    norm_free = partition(spec.network, Sphere(radius_squared=data.draw(SQUARES)))
    for crossing in norm_free.crossings:
        point = [float(x) for x in crossing.point]
        first = [hinge for hinge in crossing.hinges if hinge.layer == 1]
        for hinge in first:
            row, bias = spec.layers[0].weight[hinge.neuron], spec.layers[0].bias[hinge.neuron]
            assert (
                abs(sum(float(w) * x for w, x in zip(row, point, strict=True)) + float(bias)) < 1e-6
            )
