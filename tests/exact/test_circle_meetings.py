"""Which circles meet and in which order: slots and twins, ranks, one more circle and where it
crosses.
"""

from __future__ import annotations

import numpy as np
import pytest

from exact.arithmetic.linear_algebra import identity
from exact.arithmetic.numbers import Rational
from exact.errors import TooLarge
from exact.geometry.circles import meetings as circle_meetings
from exact.geometry.circles.meetings import Meetings
from exact.geometry.circles.points import CirclePlanes

# On |y| = 5: a belt around the x axis, two that touch it from both sides, one that crosses all, a
# far cap, a great circle.
ROWS = [(1, 0, 0, -3), (0, 1, 0, -4), (0, 1, 0, 4), (0, 0, 1, -1), (1, 0, 0, 4), (2, 1, 0, 0)]


def meetings(rows: list[tuple[int, ...]], filtered: bool) -> Meetings:
    geometry = CirclePlanes(identity(3), Rational(25))
    assert all(geometry.add(row) > 0 for row in rows)
    found = Meetings(geometry, filtered)
    for i in range(len(rows)):
        found.sort_circle(i)
    return found


@pytest.mark.parametrize("filtered", [True, False])
def test_slots_and_ranks(filtered: bool) -> None:
    found = meetings(ROWS, filtered)
    assert [found.neighbours(i).tolist() for i in range(6)] == [
        [1, 2, 3],
        [0, 3, 5],
        [0, 3, 5],
        [0, 1, 2, 4, 5],
        [3],
        [1, 2, 3],
    ]
    for t, s in enumerate(found.twin.tolist()):
        assert found.twin[s] == t
        assert found.starts[found.neighbour[t]] <= s < found.starts[found.neighbour[t] + 1]
    # seen from x > 3 counter-clockwise: y = 4 is touched, z = 1 entered and left, y = -4 touched
    assert found.ranks(0).tolist() == [0, 0, 3, 3, 1, 2]
    assert found.ranks(4).tolist() == [0, 1]


def test_floats_and_integers_give_the_same() -> None:
    fast, slow = meetings(ROWS, True), meetings(ROWS, False)
    for i in range(len(ROWS)):
        assert fast.ranks(i).tolist() == slow.ranks(i).tolist()
    assert slow.decisions["filter"] == 0 < fast.decisions["filter"]
    assert 0 < fast.decisions["exact"] < slow.decisions["exact"]


@pytest.mark.parametrize("filtered", [True, False])
def test_one_more_circle(filtered: bool) -> None:
    found = meetings(ROWS[:5], filtered)
    assert found.crossings((4, -3, 1, 0)) is None  # through the point where 0 and 1 touch
    assert found.crossings((41, -30, 10, 0)) is not None
    found.forget()
    assert found.crossings((0, 3, 4, 0)) is None  # touches 1 and 2
    assert found.crossings((1, 0, 0, -4)) is not None
    found.forget()
    assert found.crossings((0, 0, 10, 49)) is None  # crosses nothing
    assert len(found.geometry) == 5
    spots = found.crossings((100, 1, 7, 0))
    assert spots is not None
    assert sorted(spots) == [(j, side) for j in (1, 2, 3) for side in (-1, 1)]
    for j, side in spots:
        assert 2 * found.starts[j] <= found.before(j, (j, side)) < 2 * found.starts[j + 1]


def test_where_one_more_circle_crosses() -> None:
    """Along the belt x = 3 the added great circle is crossed after entering z = 1 and after leaving
    it.
    """
    found = meetings([(1, 0, 0, -3), (0, 0, 1, -1)], True)
    spots = found.crossings((1, 9, -1, 0))
    assert spots is not None
    entered, left = found.before(0, (0, 1)), found.before(0, (0, -1))
    assert sorted([entered, left]) == [0, 1]
    whole = meetings([(1, 0, 0, -3), (0, 0, 1, -1)], False)
    assert whole.crossings((1, 9, -1, 0)) is not None
    assert (whole.before(0, (0, 1)), whole.before(0, (0, -1))) == (entered, left)


def test_too_many_arcs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circle_meetings, "_MOST", 4 * 17)
    with pytest.raises(TooLarge, match="9 pairs of circles"):
        meetings(ROWS, True)


def test_no_circle() -> None:
    found = meetings([], True)
    assert (found.count, found.starts.tolist(), len(found.points)) == (0, [0], 0)
    assert np.shape(found.rows) == (0, 11)


@pytest.mark.parametrize("power", [100, 600, 1100])
def test_circles_that_differ_by_less_than_the_least_float(power: int) -> None:
    """Two planes whose circles cross at an angle of 2^-power, and one across both: floats enclose
    what integers order.
    """
    big = 2**power
    rows = [(-2, 2**60, -(2**61), 2**60), (-4, -1, -1, -1), (-4 * big + 1, -big, -big, -big)]
    plain, filtered = (meetings(rows, way) for way in (False, True))
    assert [len(plain.neighbours(i)) for i in range(3)] == [2, 2, 2]
    for i in range(len(rows)):
        assert plain.ranks(i).tolist() == filtered.ranks(i).tolist()
