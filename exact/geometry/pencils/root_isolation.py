"""Every zero of a function with nested square roots in an interval, with certainty: balls first,
then elimination.

An interval on which a ball shows no zero, or a slope without zero and the signs at both ends, is
settled. What cannot be settled by halving - double zeros, zeros of two functions at one point,
functions that vanish identically - is decided on the real zeros of the eliminant: there the
function vanishes or not, and in between it has one sign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from exact.arithmetic.numbers import Rational, ball_precision
from exact.arithmetic.root_towers import HIGHEST_DEGREE, RootPoint, degree_bound
from exact.arithmetic.texts.printing import short_repr
from exact.errors import Undecided
from exact.geometry.pencils.isolated_directions import IsolatedDirection
from exact.geometry.pencils.nested_functions import NestedFunction

Interval = tuple[Rational, Rational]
Inside = Callable[[IsolatedDirection], bool]
# widths 2^-bits at which halving gives up, with an eliminant at hand and without one
_EARLY, _LATE = (40, 160)
_FEW, _MANY = 250, 1500  # intervals looked at likewise


@short_repr
@dataclass(frozen=True)
class Zero:
    """A zero of a function: a sign change, or a point that is only touched."""

    place: IsolatedDirection
    touching: bool = False


def zeros_in(
    function: NestedFunction, quadrant: int, intervals: Sequence[Interval], is_inside: Inside
) -> list[Zero]:
    """The zeros of a function in some intervals of t, those that lie strictly inside the arc, in
    order; [] for zero itself.

    Raises Undecided (value: the interval) where neither halving nor an eliminant of a degree up to
    HIGHEST_DEGREE decides.
    """
    merged = _merged(intervals)
    low, high = merged[0]
    can_eliminate = degree_bound(function.element) <= HIGHEST_DEGREE
    if function.sign_at((low + high) / 2) == 0 and can_eliminate and function.is_zero:
        return []
    found, left = list[Zero](), list[Interval]()
    for interval in merged:
        _halve(
            function,
            quadrant,
            interval,
            *((_EARLY, _FEW) if can_eliminate else (_LATE, _MANY)),
            found,
            left,
        )
    for interval in _merged(left):
        if not can_eliminate:
            raise Undecided(
                "a hinge cannot be decided on an interval",
                value=_text(quadrant, interval),
                remedy=f"its eliminant has a degree up to {degree_bound(function.element)}",
            )
        found += _by_elimination(function, quadrant, interval, is_inside)
    return sorted(
        (zero for zero in found if is_inside(zero.place)), key=lambda zero: zero.place.low
    )


def _text(quadrant: int, interval: Interval) -> str:
    low, high = (quadrant + int(x.p) / int(x.q) for x in interval)
    return f"diamond angles {low!r} to {high!r}"


def _merged(intervals: Sequence[Interval]) -> list[Interval]:
    """Disjoint intervals with the same union, in order."""
    merged: list[Interval] = []
    for low, high in sorted(intervals, key=lambda pair: (pair[0], pair[1])):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _halve(
    function: NestedFunction,
    quadrant: int,
    whole: Interval,
    bits: int,
    most: int,
    found: list[Zero],
    left: list[Interval],
) -> None:
    """Halve until every part is settled, or narrower than 2^-bits, or `most` parts have been seen:
    then to `left`.
    """
    stack, width = [whole], Rational(1, 1 << bits)
    for _ in range(most):
        if not stack:
            return
        low, high = stack.pop()
        middle = (low + high) / 2
        with ball_precision(2 * bits + 96):
            jet = function.over(middle, (high - low) / 2)
            empty, monotone = jet.excludes_zero(), jet.is_monotone()
        if empty:
            continue
        if monotone:
            _by_signs(function, quadrant, (low, high), found)
        elif high - low < width:
            left.append((low, high))
        else:
            stack += [(middle, high), (low, middle)]
    left.extend(stack)


def _by_signs(
    function: NestedFunction, quadrant: int, interval: Interval, found: list[Zero]
) -> None:
    """The zero of a monotone function, from its signs at the ends; a zero at an end is found from
    its left interval too.
    """
    low, high = interval
    first, last = function.sign_at(low), function.sign_at(high)
    if first * last < 0:
        found.append(Zero(IsolatedDirection(quadrant, low, high, lambda: function)))
    for end, at in ((low, first), (high, last)):
        if at == 0 and not any(zero.place.low == zero.place.high == end for zero in found):
            found.append(Zero(IsolatedDirection(quadrant, end, end)))


def _by_elimination(
    function: NestedFunction, quadrant: int, interval: Interval, is_inside: Inside
) -> list[Zero]:
    """The zeros among the real zeros of the eliminant; signs between those tell crossings from
    touching points.
    """
    candidates, found = function.candidates, list[Zero]()
    for index, point in enumerate(candidates):
        place = _place(quadrant, point)
        if (
            not _meets(place, interval)
            or not is_inside(place)
            or function.sign_at_point(point) != 0
        ):
            continue
        before, after = (
            _sign_beside(function, candidates, index, place, step, is_inside) for step in (-1, 1)
        )
        found.append(Zero(place, touching=before == after))
    return found


def _place(quadrant: int, point: RootPoint) -> IsolatedDirection:
    return IsolatedDirection(quadrant, point.low, point.high, polynomial=point.polynomial)


def _meets(place: IsolatedDirection, interval: Interval) -> bool:
    return place.compare_rational(interval[0]) >= 0 and place.compare_rational(interval[1]) <= 0


def _sign_beside(
    function: NestedFunction,
    candidates: list[RootPoint],
    index: int,
    place: IsolatedDirection,
    step: int,
    is_inside: Inside,
) -> int:
    """The sign of the function on one side of a zero, at a rational point before the next candidate
    and inside the arc.
    """
    other = index + step
    limit: Any = None
    if 0 <= other < len(candidates):
        limit = candidates[other].high if step < 0 else candidates[other].low
    if limit is None:
        gap = Rational(1, 1 << 20)
    else:
        gap = abs((place.low if step < 0 else place.high) - limit) / 2
    while True:
        beside = place.low - gap if step < 0 else place.high + gap
        if is_inside(IsolatedDirection(place.quadrant, beside, beside)):
            return function.sign_at(beside)
        gap /= 2
        place.refine(int(gap.q).bit_length() - int(gap.p).bit_length() + 2)
