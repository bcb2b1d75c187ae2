"""Lengths, angles and areas on spheres: closed forms, a second opinion with mpmath, and their
sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from exact.arithmetic.enclosures.intervals import Interval
from exact.geometry.circles.code_tree import CodeTree
from exact.geometry.circles.complex import SphereComplex
from exact.geometry.circles.measures import RoundGeometry
from tests.exact.spheres_by_hand import AXES, BANDS, SIX, cut, skewed

TIGHT = mpmath.mpf(2) ** -60


def walks(at: SphereComplex) -> list[list[list[int]]]:
    """The walks of every cell."""
    found: list[list[list[int]]] = [[] for _ in range(at.cell_count)]
    for w, cell in enumerate(at.cell_of_walk):
        half = first = int(np.flatnonzero(at.walk_of == w)[0])
        walk = [first]
        while (half := int(at.following[half])) != first:
            walk.append(half)
        found[cell].append(walk)
    return found


def holds(interval: Interval, value: Any) -> bool:
    """Whether the interval is tight around a value computed to 60 digits."""
    low, high = (mpmath.mpf(x.numerator) / x.denominator for x in (interval.lower, interval.upper))
    return bool(low * (1 - TIGHT) <= value <= high * (1 + TIGHT) and high - low <= TIGHT * value)


def areas(at: SphereComplex) -> list[Interval]:
    geometry = RoundGeometry(at)
    return [geometry.area(rows) for rows in walks(at)]


@pytest.fixture(autouse=True)
def _digits() -> Any:
    with mpmath.workdps(60):
        yield


def test_octants() -> None:
    at = cut(AXES, 4)
    geometry = RoundGeometry(at)
    assert all(holds(area, 2 * mpmath.pi) for area in areas(at))
    assert all(
        holds(geometry.length(e), mpmath.pi) and holds(geometry.angle(e), mpmath.pi / 2)
        for e in range(12)
    )
    assert all(holds(geometry.exterior_angle(h), mpmath.pi / 2) for h in range(24))
    assert all(holds(geometry.perimeter(rows), 3 * mpmath.pi) for rows in walks(at))


def test_caps_and_a_band() -> None:
    at = cut(BANDS)
    geometry, cap = RoundGeometry(at), mpmath.pi
    found = sorted(zip(areas(at), walks(at), strict=True), key=lambda pair: len(pair[1]))
    assert [len(rows) for _, rows in found] == [1, 1, 2]
    assert all(holds(area, x) for (area, _), x in zip(found, (cap, cap, 2 * cap), strict=True))
    lengths = [geometry.perimeter(rows) for _, rows in found]
    assert all(
        holds(length, k * mpmath.pi * mpmath.sqrt(3))
        for length, k in zip(lengths, (1, 1, 2), strict=True)
    )
    assert all(geometry.exterior_angle(h) == Interval(Fraction(0), Fraction(0)) for h in range(4))


def test_the_whole_sphere_and_nothing_around_it() -> None:
    at = cut([[0, 0, 1, -5]], 3)
    geometry = RoundGeometry(at)
    assert holds(geometry.area([]), 12 * mpmath.pi)
    assert geometry.perimeter([]) == Interval(Fraction(0), Fraction(0))


@pytest.mark.parametrize(
    "rows", [AXES, SIX, [[1, 2, 3, 1], [3, -1, 0, 2], [0, 1, -2, 1], [2, 2, 2, -3]]]
)
def test_a_skew_basis_measures_the_same(rows: Sequence[Sequence[int]]) -> None:
    a, gram = skewed()
    turned = [
        [sum(row[i] * a[i][j] for i in range(3)) for j in range(3)] + [row[3]] for row in rows
    ]
    plain, skew = cut(rows, "7/3"), cut(turned, "7/3", gram)
    for measure in (areas, lambda at: [RoundGeometry(at).length(e) for e in range(at.arc_count)]):
        first, second = (sorted(float(x) for x in measure(at)) for at in (plain, skew))
        assert first == pytest.approx(second, rel=1e-14)


def lens(first: Any, second: Any, apart: Any) -> Any:
    """The common area of two caps on the unit sphere, from the triangle of their centres and a
    point of both circles.
    """
    c1, c2, d = mpmath.cos(first), mpmath.cos(second), mpmath.cos(apart)
    s1, s2, s = mpmath.sin(first), mpmath.sin(second), mpmath.sin(apart)
    top = mpmath.acos((d - c1 * c2) / (s1 * s2))
    left, right = mpmath.acos((c2 - d * c1) / (s * s1)), mpmath.acos((c1 - d * c2) / (s * s2))
    return 2 * (mpmath.pi - top - left * c1 - right * c2)


@pytest.mark.parametrize(
    ("a", "b"), [((1, 0, 0, "-1/2"), (0, 1, 0, "-1/3")), ((1, 1, 0, -1), (1, 0, 1, "-1/8"))]
)
def test_lenses(a: Sequence[Any], b: Sequence[Any]) -> None:
    at = cut([a, b])
    rows = [
        [mpmath.mpf(Fraction(x).numerator) / Fraction(x).denominator for x in row] for row in (a, b)
    ]
    sizes = [mpmath.norm(row[:3]) for row in rows]
    apart = mpmath.acos(
        sum(x * y for x, y in zip(rows[0][:3], rows[1][:3], strict=True)) / (sizes[0] * sizes[1])
    )
    expected = lens(
        *(mpmath.acos(-row[3] / size) for row, size in zip(rows, sizes, strict=True)), apart
    )
    tree = CodeTree(at, np.zeros(2, dtype=bool))
    found = [area for i, area in enumerate(areas(at)) if len(tree.differing(both(at), i)) == 0]
    assert len(found) == 1
    assert holds(found[0], expected)


def both(at: SphereComplex) -> int:
    """The cell on the positive side of every arc around it."""
    odd = {int(at.arc_sides[e, 1]) for e in range(at.arc_count)}
    return next(c for c in range(at.cell_count) if c not in odd)


def test_a_lune_as_thin_as_a_double_is_fine() -> None:
    at = cut([[1, 0, 0, 0], [1, Fraction(1, 2**200), 0, 0]])
    thin = 2 * mpmath.atan(mpmath.mpf(2) ** -200)
    found = sorted(areas(at), key=lambda area: area.lower)
    assert [holds(area, x) for area, x in zip(found, (thin, thin), strict=False)] == [True, True]


def test_short_arcs_keep_their_length() -> None:
    at = cut(
        [[1, 2, 3, 1], [2, -1, 1, Fraction(1, 3)], [2, -1, 1, Fraction(1, 3) + Fraction(1, 2**60)]]
    )
    geometry = RoundGeometry(at)
    certain = [float(geometry.length(e)) for e in range(at.arc_count)]
    assert min(certain) < 2.0**-60
    assert geometry.lengths_float().tolist() == pytest.approx(certain, rel=1e-9, abs=0)


def test_cusps() -> None:
    at = cut(SIX, 2)
    geometry = RoundGeometry(at)
    turns = [geometry.exterior_angle(h) for h in range(2 * at.arc_count)]
    assert {round(float(turn) / np.pi, 12) for turn in turns} == {0.0, 1.0}
    assert sum(float(turn) == 0 for turn in turns) == 24


@pytest.mark.parametrize("radius", [4, 3, "5/2", 2, "3/2", "1/4"])
def test_areas_sum_to_the_sphere(radius: Any) -> None:
    at = cut(SIX, radius)
    found = areas(at)
    low, high = sum(x.lower for x in found), sum(x.upper for x in found)
    sphere = 4 * mpmath.pi * Fraction(radius).numerator / Fraction(radius).denominator
    assert (
        mpmath.mpf(low.numerator) / low.denominator
        <= sphere
        <= mpmath.mpf(high.numerator) / high.denominator
    )
    assert high - low < Fraction(1, 2**60)
    assert RoundGeometry(at).areas_float().tolist() == pytest.approx(
        [float(x) for x in found], rel=1e-12
    )


def test_an_interval() -> None:
    third = Interval(Fraction(1, 3), Fraction(2, 3))
    low, high = map(Fraction, map(float, str(third)[1:-1].split(", ")))
    assert (
        low < third.lower < low + Fraction(1, 2**50)
        and high - Fraction(1, 2**50) < third.upper < high
    )
    half = Interval(Fraction(1, 2), Fraction(3, 4))
    assert half.contains(Fraction(1, 2)) and not half.contains(Fraction(4, 5))
    assert half + half == Interval(Fraction(1), Fraction(3, 2))
    assert (float(half), half.width, str(half)) == (0.625, Fraction(1, 4), "[0.5, 0.75]")
