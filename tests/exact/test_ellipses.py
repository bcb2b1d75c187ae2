"""Rational points and lengths of ellipses, and the polynomials by which the checker orders their
points.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from exact import Ellipse, GreatCircle, check, partition
from exact.arithmetic.numbers import Ball, Rational, ball_precision
from exact.check.functions.pencils import Form, rational
from exact.check.functions.pencils import compare as compare_directions
from exact.check.functions.pencils import sign_changes as pencil_changes
from exact.check.kinds.ellipses import (
    SEAM,
    Conic,
    Place,
    at,
    chain_of,
    common,
    compare,
    count,
    remainder,
    roots,
    value,
)
from exact.geometry.pencils.ellipses import half_turn_direction, length_ball, point_between
from exact.geometry.pencils.isolated_directions import local
from exact.regions import certificate as certificates
from exact.sources import tensors
from tests.exact.forgeries import Record, numbers, records_of, signed, written
from tests.exact.reference import q

# ---- rational points, lengths


def test_rational_points_lie_between_and_on_the_conic() -> None:
    draw = random.Random(0)
    for _ in range(300):
        k = Rational(draw.randint(-999, 999), 1000)
        low = Rational(draw.randint(0, 4 * 10**6 - 1), 10**6)
        high = min(Rational(4), low + Rational(1, 10 ** draw.randint(1, 40)))
        alpha, beta = point_between(low, high, k)
        assert alpha * alpha + 2 * k * alpha * beta + beta * beta == 1
        quadrant, t = local(alpha, beta)
        assert low < quadrant + t < high
        c, s = half_turn_direction(alpha, beta, k)
        size = c * c + 2 * k * c * s + s * s
        assert ((c * c - s * s) / size, 2 * s * (c + k * s) / size) == (alpha, beta)


def test_rational_points_are_short() -> None:
    assert point_between(Rational(1), Rational(3), Rational(1, 3)) == (-1, 0)
    alpha, beta = point_between(Rational(1, 4), Rational(3, 4), Rational(0))
    assert max(int(alpha.q), int(beta.q)) < 100


@pytest.mark.parametrize(
    ("domain", "start", "turn"),
    [
        (Ellipse([3, 0], [0, 1]), 0.3, 1.2),
        (Ellipse([1, 2, 0], [0, 1, 5]), 3.0, 6.0),
        (Ellipse([1, 2, 0], [0, 1, 5], [9, 9, 9], "-4/5"), -1.0, 0.01),
        (Ellipse([0, 2], [2, 0]), 1.0, 2.0),
        (Ellipse([1, 0], ["1/1000", "1/1000"]), 0.0, 3.0),
    ],
    ids=str,
)
def test_lengths_are_integrals_of_the_speed(domain: Ellipse, start: float, turn: float) -> None:
    u, v = (
        np.array([float(Fraction(int(x.p), int(x.q))) for x in w]) for w in (domain.u, domain.v)
    )
    k = float(Fraction(int(domain.cosine.p), int(domain.cosine.q)))
    across = (v - k * u) / math.sqrt(1 - k * k)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    pieces = np.linspace(start, start + turn, 201)
    t = (pieces[:-1, None] + pieces[1:, None]) / 2 + np.diff(pieces)[:, None] / 2 * nodes
    speeds = np.linalg.norm(-np.sin(t)[..., None] * u + np.cos(t)[..., None] * across, axis=2)
    expected = float((speeds @ weights * np.diff(pieces) / 2).sum())
    with ball_precision(100):
        found = length_ball(domain.curve(), (Ball(start).cos(), Ball(start).sin()), Ball(turn))
    assert float(found.mid()) == pytest.approx(expected, rel=1e-12)
    assert found.rad() < 1e-20


# ---- polynomials of the checker


def times(*factors: list[int]) -> list[int]:
    found = [1]
    for factor in factors:
        found = [
            sum(found[i] * factor[k - i] for i in range(len(found)) if 0 <= k - i < len(factor))
            for k in range(len(found) + len(factor) - 1)
        ]
    return found


TWO, THREE, NONE = [-2, 0, 1], [-3, 0, 1], [1, 0, 1]


@pytest.mark.parametrize(
    ("polynomial", "expected"),
    [
        (times(TWO, THREE), [-(3**0.5), -(2**0.5), 2**0.5, 3**0.5]),
        (times(TWO, TWO), [-(2**0.5), 2**0.5]),
        (times(NONE, NONE), []),
        (times(NONE, [0, 1], [0, 1]), [0.0]),
        (times([0, 1], [-1, 2], [-1, 4], [-1, 8]), [0.0, 0.125, 0.25, 0.5]),
        (times([-1, 1], [-1, 1], [-1, 1], [7, 3]), [-7 / 3, 1.0]),
        (times([-1, 10**30], [-1, 10**30 + 1], TWO), [-(2**0.5), 1e-30, 1e-30, 2**0.5]),
        ([5], []),
        ([], []),
        ([3, -2], [1.5]),
    ],
    ids=str,
)
def test_roots_are_isolated_in_order(polynomial: list[int], expected: list[float]) -> None:
    found = roots(polynomial)
    for before, after in pairwise(found):
        assert before.high <= after.low and compare(before, after) == -1
        assert before.high < after.low or before.low < before.high or after.low < after.high
    for place in found:
        for _ in range(120):
            place.refine()
    assert [float(place.low) for place in found] == pytest.approx(expected)


def test_roots_of_random_polynomials() -> None:
    draw = random.Random(1)
    for _ in range(200):
        polynomial = [draw.randint(-5, 5) for _ in range(draw.randint(1, 4))] + [
            draw.choice([-3, 1])
        ]
        chain = chain_of(polynomial)
        reach = Fraction(20)
        assert len(roots(polynomial)) == count(chain, -reach, reach)
        true = np.roots(polynomial[::-1])
        real = sorted(x.real for x in true if abs(x.imag) < 1e-9)
        if all(b - a > 1e-3 for a, b in pairwise(real)):
            found = roots(polynomial)
            for place in found:
                for _ in range(60):
                    place.refine()
            assert [float(place.low) for place in found] == pytest.approx(real, abs=1e-6)


def place_near(polynomial: list[int], x: float) -> Place:
    """The root of a polynomial that is nearest to a number."""
    found = roots(polynomial)
    for place in found:
        for _ in range(30):
            place.refine()
    return min(found, key=lambda place: abs(float(place.low) - x))


def test_places_of_different_polynomials_are_told_apart() -> None:
    root = 2**0.5
    same = [place_near(p, root) for p in (TWO, times(TWO, [-5, 1]), times(TWO, TWO), [-4, 0, 2])]
    for one in same:
        assert [compare(one, other) for other in same] == [0] * len(same)
    close = [-2 * 10**40 - 1, 0, 10**40]  # larger by 10^-41
    assert compare(place_near(close, root), place_near(TWO, root)) == 1
    assert compare(place_near(TWO, root), place_near(close, root)) == -1
    half = place_near(times([-1, 2], TWO), 0.5)
    assert compare(half, at(Fraction(1, 2))) == 0 == compare(at(Fraction(1, 2)), half)
    assert compare(at(Fraction(1, 3)), at(Fraction(1, 2))) == -1
    assert compare(place_near(TWO, root), at(Fraction(3, 2))) == -1
    assert (compare(SEAM, half), compare(half, SEAM), compare(SEAM, SEAM)) == (-1, 1, 0)


def test_remainders_and_divisors_keep_signs() -> None:
    assert remainder([1, 0, 0, 1], [-1, 1]) == [1]  # 2, and a multiple of it is positive
    assert remainder([1, 0, 0, 1], [1, -1]) == [1]
    assert remainder([-1, 0, 1], [-1, 1]) == []
    assert common(times(TWO, THREE), times(TWO, NONE)) in (TWO, [2, 0, -1])
    assert value([1, 2, 3], Fraction(-2, 5)) == 25 - 20 + 12


CONICS = [Conic(0, 1), Conic(1, 2), Conic(-4, 5)]


@pytest.mark.parametrize("conic", CONICS, ids=str)
def test_coordinates_lie_on_the_conic(conic: Conic) -> None:
    k = Fraction(conic.cosine, conic.denominator)
    for c, s in ((1, 0), (3, 2), (-5, 1), (0, 1), (-4, 7)):
        alpha, beta, n = conic.coordinates(c, s)
        assert alpha**2 + 2 * k * alpha * beta + beta**2 == n**2
        assert n > 0


@pytest.mark.parametrize("conic", CONICS, ids=str)
def test_sign_changes_are_those_that_samples_see(conic: Conic) -> None:
    """Functions with and without a root, of a definite form, of one of rank one, and of rank two in
    all three coordinates.
    """
    draw = random.Random(conic.cosine)
    for _ in range(60):
        rows = [[draw.randint(-2, 2) for _ in range(3)] for _ in range(draw.randint(1, 2))]
        matrix = tuple(tuple(sum(r[i] * r[j] for r in rows) for j in range(3)) for i in range(3))
        form = draw.choice([None, Form(matrix, draw.randint(1, 3), True)])
        function = tuple(draw.randint(-3, 3) for _ in range(3 if form is None else 4))
        changes = conic.sign_changes(function, form)
        assert all(compare(a, b) < 0 for (a, _), (b, _) in pairwise(changes))
        assert all(x != y for (_, x), (_, y) in pairwise(changes))
        assert len(changes) % 2 == 0
        for cotangent in (Fraction(draw.randint(-400, 400), 97) for _ in range(12)):
            here = at(cotangent)
            if all(compare(place, here) for place, _ in changes):
                before = [rises for place, rises in changes if compare(place, here) < 0]
                expected = before[-1] if before else (changes[-1][1] if changes else None)
                seen = conic.value_sign(function, form, -cotangent.numerator, cotangent.denominator)
                assert expected is None or (seen > 0) == expected or seen == 0


def test_without_a_root_the_changes_are_those_of_the_pencil() -> None:
    """On the unit circle `p alpha + q beta + r N` is a function of a pencil with the unit form."""
    form, conic = Form(((1, 0), (0, 1)), 1, False), Conic(0, 1)
    for function in ((1, 2, 1), (3, -4, 5), (3, -4, -2), (1, 0, -1), (0, 1, 0), (1, 0, 0)):
        changes, pair = conic.sign_changes(function, None), pencil_changes(function, form)
        assert len(changes) == (2 if pair else 0)
        if pair:
            told = dict(zip((True, False), pair, strict=True))
            first, second = ((rises, told[rises]) for _, rises in changes)
            assert compare_directions(first[1], second[1]) < 0
            for place, rises in changes:
                assert place.is_seam == (compare_directions(told[rises], rational(1, 0)) == 0)


def test_zeros_of_forms_and_of_functions_that_vanish_with_them() -> None:
    conic = Conic(0, 1)
    beta = Form(((0, 0, 0), (0, 1, 0), (0, 0, 0)), 1, True)
    assert [place.is_seam for place in conic.zeros(beta)] == [True, False]
    assert conic.zeros(Form(((1, 0, 0), (0, 1, 0), (0, 0, 1)), 1, True)) == []
    # beta + |beta| is positive on the upper half, and zero on the other
    changes = conic.sign_changes((0, 1, 0, 1), beta)
    assert [(place.is_seam, rises) for place, rises in changes] == [(True, True), (False, False)]
    assert conic.sign_changes((0, 0, 0, 1), beta) == []
    assert conic.sign_changes((0, 0, 0, 0), beta) == []


# ---- what the checker refuses


NET = tensors.block([[1, 0, 1], [2, -1, 0]], [0, 1], [[1, 1]], [0], norm="rms", eps="1/2")


def honest() -> list[Record]:
    found = partition(NET, Ellipse([1, 2, 0], [0, 1, 1], [0, 0, "1/2"]))
    return records_of(certificates.of(found))


def opposite(record: Record) -> str:
    """The same point, by the direction that no file may write."""
    return written([-x for x in numbers(record["witness"])])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r[0]["domain"].update(cosine="1 1"), "not the cosine of an angle"),
        (lambda r: r[0]["domain"].update(cosine="-5 4"), "not the cosine of an angle"),
        (lambda r: r[0]["domain"].update(cosine="1 0"), "the denominator is not positive"),
        (lambda r: r[0]["domain"].update(cosine="1"), "domain, cosine: "),
        (lambda r: r[0]["domain"].update(cosine=None), "domain, cosine: "),
        (lambda r: r[0]["domain"].update(radius_squared="1 1"), "no entry radius_squared"),
        (lambda r: r[0]["domain"].update(end="0 1", one="1 0"), "there is no entry end"),
        (lambda r: r[0]["domain"].pop("cosine"), "a chart of directions with an offset"),
        (
            lambda r: r[0]["domain"]["chart"].update(rows=["1 2 0", "1 2 0", "0 0 1"]),
            "do not span an ellipse",
        ),
        (lambda r: r[0]["domain"]["chart"].update(rows=["1 2", "1 2", "0 0"]), "integers"),
        (lambda r: r[1].update(witness=opposite(r[1])), "cell 0: the witness does not lie between"),
        (lambda r: r[2].update(witness=opposite(r[2])), "cell 1: the witness does not lie between"),
        (lambda r: r[2].update(witness="1 0"), "cell 1: "),
        (lambda r: r[1].update(undefined=True), "cell 0: a cut where a norm is undefined"),
        (lambda r: r[2].update(undefined=True), "cell 1: a cut where a norm is undefined"),
    ],
)
def test_entries_of_ellipses(change: Any, said: str) -> None:
    records = honest()
    assert check.verify(signed(records)).status is check.Status.COMPLETE
    change(records)
    answer = check.verify(signed(records))
    assert answer.status is check.Status.REJECTED
    assert said in answer.reason


def test_two_ellipses_have_two_digests() -> None:
    digests = {
        check.domain_digest(records_of(certificates.of(partition(NET, domain)))[0]["domain"])
        for domain in (
            Ellipse([1, 2, 0], [0, 1, 1]),
            Ellipse([1, 2, 0], [0, 1, 1], cosine="1/2"),
            Ellipse([1, 2, 0], [0, 1, 1], [0, 0, 1]),
            Ellipse([2, 4, 0], [0, 1, 1]),
        )
    }
    assert len(digests) == 4
    circle = partition(NET, GreatCircle([1, 2, 0], [0, 1, 1]))
    assert check.domain_digest(circle.domain_record()) not in digests


def test_a_witness_is_a_rational_point() -> None:
    for region in partition(NET, Ellipse([1, 2, 0], [0, 1, 1], cosine="3/5")).regions:
        alpha, beta = region.coordinates
        assert alpha * alpha + q("6/5") * alpha * beta + beta * beta == 1
