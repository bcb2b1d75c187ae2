"""Circles on which planes touch, coincide and meet at corners as a rule: rational points with many
planes through them.
"""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from exact import Sphere, partition
from tests.laws.random_networks import LayerSpec, Spec, codes, layers
from tests.truths import reading
from tests.truths.cases import sphere

UNIT_POINTS = tuple(
    (Fraction(a, 5), Fraction(b, 5))
    for a, b in ((5, 0), (0, 5), (3, 4), (4, -3), (-5, 0), (0, -5), (-4, 3))
)
FACTORS = st.sampled_from([Fraction(1), Fraction(-1), Fraction(3), Fraction(-1, 2)])


@st.composite
def touching_rows(draw: st.DrawFn) -> tuple[Fraction, Fraction, Fraction]:
    """A line that touches the unit circle at a rational point, or that joins two of these
    points.
    """
    p, q = draw(st.sampled_from(UNIT_POINTS)), draw(st.sampled_from(UNIT_POINTS))
    factor = draw(FACTORS)
    normal = p if p == q else (p[1] - q[1], q[0] - p[0])
    return factor * normal[0], factor * normal[1], -factor * (normal[0] * p[0] + normal[1] * p[1])


@st.composite
def touching(draw: st.DrawFn) -> Spec:
    rows = draw(st.lists(touching_rows(), min_size=1, max_size=5))
    activation = draw(st.sampled_from(["relu", "leaky_relu", "absolute_value"]))
    first = LayerSpec(tuple(row[:2] for row in rows), tuple(row[2] for row in rows), activation)
    width, found = first.width, [first]
    if draw(st.booleans()):
        found.append(draw(layers(2, width, "relu")))
        width = 2
    return Spec((*found, draw(layers(1, width, "identity"))))


@given(touching())
def test_like_the_oracle(spec: Spec) -> None:
    opinion = reading.second_opinion({"network": spec.data, "domain": sphere(1)})
    found = partition(spec.network, Sphere(radius_squared=1))
    counts = {"code_count": found.code_count, "cell_count": found.cell_count}
    counts |= {
        "linear_piece_count": found.linear_piece_count,
        "distinct_map_count": found.distinct_map_count,
    }
    assert counts == {name: opinion[name] for name in counts}


@given(touching(), st.integers(1, 3), st.booleans())
def test_turning_the_plane_turns_the_cells(spec: Spec, quarters: int, mirrored: bool) -> None:
    """Right angles and mirrors move the point where the circle is cut open, and touching points
    onto it.
    """
    first = spec.layers[0]
    weight = first.weight
    for _ in range(quarters):
        weight = tuple((-y, x) for x, y in weight)
    weight = tuple((x, -y) for x, y in weight) if mirrored else weight
    moved = spec.with_layer(0, LayerSpec(weight, first.bias, first.activation))
    before, after = (
        codes(partition(each.network, Sphere(radius_squared=1))) for each in (spec, moved)
    )
    expected = before[::-1] if mirrored else before
    assert any(after == expected[k:] + expected[:k] for k in range(len(expected)))
