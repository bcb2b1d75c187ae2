"""Great circles across a complex: which arcs they cross and in which order, and where they refuse
to answer.
"""

from __future__ import annotations

import pytest

from exact import Sphere, Undecided, partition
from exact.arithmetic.linear_algebra import Vector
from exact.arithmetic.numbers import Ball, ball_precision, rational
from exact.arithmetic.surds import Surd
from exact.geometry.circles.chords import Chord, is_towards, rounded
from exact.geometry.circles.code_tree import rows_by_label
from exact.geometry.circles.measures import RoundGeometry
from exact.sources import tensors
from tests.exact.spheres_by_hand import AXES, BANDS, cut

OCTANTS = RoundGeometry(cut(AXES))
CAPS = RoundGeometry(cut(BANDS))


def vector(*values: object) -> Vector:
    return [rational(x) for x in values]


def chord(geometry: RoundGeometry, start: Vector, towards: Vector) -> Chord:
    found = Chord.through(geometry, start, towards)
    assert found is not None
    return found


def arcs(geometry: RoundGeometry) -> dict[int, list[int]]:
    at = geometry.complex
    return {
        c: rows_by_label(at.arc_circle, len(at.circles)).row(c).tolist()
        for c in range(len(at.circles))
    }


def test_parallel_vectors_span_no_circle() -> None:
    assert Chord.through(OCTANTS, vector(1, 2, 3), vector(-2, -4, -6)) is None
    assert Chord.through(OCTANTS, vector(0, 0, 0), vector(1, 0, 0)) is None


def test_crossings_of_an_octahedron_in_order() -> None:
    found = chord(OCTANTS, vector(3, 2, 1), vector(-1, 3, 1)).crossings(arcs(OCTANTS))
    assert found is not None
    planes = [OCTANTS.complex.circles[int(OCTANTS.complex.arc_circle[p.arc])].normal for p in found]
    assert [normal.index(1) for normal in planes] == [0, 2, 1, 0, 2, 1]
    assert [p.rises for p in found] == [False, False, False, True, True, True]
    sides = [OCTANTS.complex.arc_sides[p.arc].tolist()[:: -1 if p.rises else 1] for p in found]
    assert [b[0] for b in sides] == [a[1] for a in [sides[-1], *sides[:-1]]], (
        "what is entered is what is left next"
    )


def test_the_first_crossing() -> None:
    at = OCTANTS.complex
    first = chord(OCTANTS, vector(3, 2, 1), vector(-1, 3, 1)).first(
        rows_by_label(at.arc_circle, len(at.circles))
    )
    assert first is not None
    assert at.circles[int(at.arc_circle[first.arc])].normal == (1, 0, 0)
    assert not first.rises


def test_circles_that_are_missed_or_touched_are_not_crossed() -> None:
    assert chord(CAPS, vector(1, 0, 0), vector(0, 1, 0)).crossings(arcs(CAPS)) == []
    touching = RoundGeometry(cut([[0, 0, 5, -3]]))
    assert chord(touching, vector(1, 0, 0), vector(0, 4, 3)).crossings(arcs(touching)) == []
    assert (
        len(
            chord(touching, vector(1, 0, 0), vector(0, 4, "3001/1000")).crossings(arcs(touching))
            or []
        )
        == 2
    )


@pytest.mark.parametrize(
    ("start", "towards"),
    [((1, 1, 1), (1, 1, 2)), ((1, 2, 0), (1, 1, 1)), ((1, 0, 2), (3, 0, 1))],
    ids=["through a vertex", "from an arc", "along a circle"],
)
def test_what_is_not_transversal_is_given_up(
    start: tuple[int, ...], towards: tuple[int, ...]
) -> None:
    assert chord(OCTANTS, vector(*start), vector(*towards)).crossings(arcs(OCTANTS)) is None


def test_a_great_circle_of_the_complex_itself_is_given_up() -> None:
    alone = RoundGeometry(cut([[0, 1, 0, 0]]))
    assert chord(alone, vector(1, 0, 2), vector(3, 0, 1)).crossings(arcs(alone)) is None


def test_towards_a_point_or_away_from_it() -> None:
    root = tuple(Surd(rational(0), rational(b), rational(2)) for b in (1, 2, 0))
    assert is_towards(root, vector(3, 6, 0))
    assert not is_towards(root, vector(-3, -6, 0))
    assert not is_towards(root, vector(3, 6, "1/9"))


def test_points_between_two_angles() -> None:
    line = chord(OCTANTS, vector(3, 2, 1), vector(-1, 3, 1))
    found = line.crossings(arcs(OCTANTS))
    assert found is not None
    for first, last in zip(found, [*found[1:], found[0]], strict=True):
        point = line.between(first.angle, last.angle)
        assert point is not None
        octant = [x > 0 for x in point]
        carrier = int(OCTANTS.complex.arc_circle[first.arc])
        assert octant[OCTANTS.complex.circles[carrier].normal.index(1)] == first.rises
    with ball_precision(256):
        thin = Ball(1), Ball(1) + Ball(rational("1/1267650600228229401496703205376"))
    point = line.between(*thin)
    assert point is not None
    assert max(abs(x.p) for x in point) > 2**30


def test_whether_the_start_is_on_an_arc() -> None:
    line = chord(OCTANTS, vector(1, 1, 0), vector(0, 0, 1))
    flat = next(c for c, plane in enumerate(OCTANTS.complex.circles) if plane.normal == (0, 0, 1))
    members = arcs(OCTANTS)[flat]
    assert [line.starts_on(flat, [e]) for e in members].count(True) == 1
    assert chord(OCTANTS, vector(1, 0, 0), vector(0, 1, 1)).starts_on(flat, members), "a vertex"
    near = chord(OCTANTS, vector(1, rational("1/2") ** 8000, 0), vector(0, 0, 1))
    with pytest.raises(Undecided, match="2,048 bits"):
        near.starts_on(flat, [e for e in members if not line.starts_on(flat, [e])])


def test_half_a_circle_does_not_hold_the_other_half() -> None:
    """Layer 2 reads relu(x) + z: the circle z = 0 where x < 0, another one where x > 0."""
    net = tensors.mlp(
        [([[1, 0, 0], [0, 0, 1], [0, 0, -1]], [0, 0, 0]), ([[1, 1, -1]], [0]), ([[1]], [0])]
    )
    at = RoundGeometry(
        partition(net, Sphere(radius_squared=1), engine="sphere_subdivision").complex
    )
    bent = next(
        c for c, plane in enumerate(at.complex.circles) if plane.coefficients == (1, 0, 1, 0)
    )
    for sign in (1, -1):
        line = chord(at, vector(sign, 1, -sign), vector(0, 0, 1))
        assert line.starts_on(bent, arcs(at)[bent]) == (sign > 0)


def test_rounded_vectors_are_short_and_near() -> None:
    with ball_precision(64):
        assert rounded([Ball(rational("1/3")), Ball(-1), Ball(0)], 4) == vector(5, -16, 0)
