"""Isolation of zeros: the float kernel, halving with balls, and elimination must find every zero,
whichever decides.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from exact import Undecided
from exact.arithmetic.enclosures.ball_matrices import BallMatrix
from exact.arithmetic.numbers import Polynomial, Rational, RationalArray, ball_precision, fraction
from exact.arithmetic.surds import Surd
from exact.geometry.pencils import root_isolation
from exact.geometry.pencils.isolated_directions import IsolatedDirection, local
from exact.geometry.pencils.nested_functions import Chain, FormRoot, NestedFunction
from exact.geometry.pencils.pencil import Direction, dyadic_direction
from exact.geometry.pencils.root_isolation import zeros_in
from exact.kernels.nested_roots import Balls, Zeros, isolate, point_signs, roots_are_positive
from exact.propagation.norm_walks import Program

ZERO, ONE = Rational(0), Rational(1)
FORM = ((Rational(1), ZERO), (ZERO, Rational(1)))
SECOND = tuple(tuple(map(Rational, row)) for row in ((2, 1, 0), (1, 2, 1), (0, 1, 3)))
TINY = Rational(1, 1 << 50)


def quadratic_chain() -> Chain:
    """Basis (1 - t, t, N) with N = sqrt((1 - t)^2 + t^2)."""
    return Chain(0).extended(FormRoot(FORM))


def function(*row: Rational | int | str, chain: Chain | None = None) -> NestedFunction:
    coefficients = tuple(Rational(*map(int, str(x).split("/"))) for x in row)
    return NestedFunction(chain or quadratic_chain(), coefficients, ZERO, ONE)


def everywhere(_: IsolatedDirection) -> bool:
    return True


def found(
    f: NestedFunction, inside: Callable[[IsolatedDirection], bool] = everywhere
) -> list[tuple[float, bool]]:
    zeros = zeros_in(f, 0, [(ZERO, ONE)], inside)
    return [(float(zero.place), zero.touching) for zero in zeros]


def by_kernel(*rows: tuple[Rational, ...]) -> list[tuple[int, float, float, bool]]:
    program = Program.start(0).with_root(
        BallMatrix.of(RationalArray(2, 2, [x for row in FORM for x in row]))
    )
    balls = BallMatrix.of(RationalArray(len(rows), 3, [x for row in rows for x in row]))
    zeros = Zeros(np.zeros(99, int), np.zeros(99), np.zeros(99), np.zeros(99, bool))
    count = isolate(program.steps, Balls(balls.mid, balls.rad), -0.01, 1.01, zeros)
    return sorted(zip(*(array[:count].tolist() for array in zeros), strict=True))


# ---- 1 = 3/4 N sqrt 2 ...: c + N with zeros where |x| = c |a + b|: t^2 + (1 - t)^2 = c^2, t = 1/2
# +- sqrt(2 c^2 - 1) / 2


def test_two_zeros_of_one_function() -> None:
    c = Rational(4, 5)
    root = (0.5 - (2 * 0.64 - 1) ** 0.5 / 2, 0.5 + (2 * 0.64 - 1) ** 0.5 / 2)
    f = function(-4, -4, 5)
    assert found(f) == [
        (pytest.approx(root[0], abs=1e-15), False),
        (pytest.approx(root[1], abs=1e-15), False),
    ]
    kernel = by_kernel((-c, -c, ONE))
    assert [sure for *_, sure in kernel] == [True, True]
    assert all(
        low < expected < high and high - low < 1e-12
        for (_, low, high, _), expected in zip(kernel, root, strict=True)
    )


def almost_touching(gap: Rational) -> NestedFunction:
    """(1 - t) 3/5 + t 4/5 against N: touches at gap 0, crosses twice for a smaller N, misses for a
    larger one.
    """
    return NestedFunction(quadratic_chain(), (Rational(3, 5), Rational(4, 5), gap - 1), ZERO, ONE)


def test_touching_at_exactly_c_and_beside_it() -> None:
    assert found(almost_touching(ZERO)) == [(pytest.approx(4 / 7, abs=1e-15), True)]
    crossing = found(almost_touching(TINY))
    assert [touching for _, touching in crossing] == [False, False]
    assert crossing[1][0] - crossing[0][0] == pytest.approx(
        2 * (2 * 2.0**-50) ** 0.5 * (5 / 7) ** 2, rel=1e-3
    )
    assert found(almost_touching(-TINY)) == []


def test_the_kernel_leaves_what_only_touches_open() -> None:
    kernel = by_kernel(almost_touching(ZERO).row)
    assert kernel and not any(sure for *_, sure in kernel)
    assert kernel[0][1] < 4 / 7 < kernel[-1][2]
    assert by_kernel((ZERO, ZERO, ONE)) == []


def test_a_zero_at_a_halving_point_is_found_once() -> None:
    assert found(function(1, -1, 0)) == [(0.5, False)]
    assert found(function(1, -1, 0), lambda place: place.compare_rational(Rational(1, 2)) > 0) == []


def test_a_function_that_vanishes_identically_has_no_zero() -> None:
    absolute = Chain(0).extended(FormRoot(((ONE, ONE), (ONE, ONE))))  # |a + b|
    assert found(NestedFunction(absolute, (ONE, ONE, -ONE), ZERO, ONE)) == []


def test_a_root_that_vanishes_inside_does_not_hide_zeros() -> None:
    absolute = Chain(0).extended(FormRoot(((ONE, -ONE), (-ONE, ONE))))  # |1 - 2 t|
    # 4 t - 1 - |1 - 2 t| = 2 t beyond 1/2
    f = NestedFunction(absolute, (-ONE, Rational(3), -ONE), Rational(1, 2), ONE)
    assert (
        zeros_in(
            f, 0, [(Rational(1, 2), ONE)], lambda place: place.compare_rational(Rational(1, 2)) > 0
        )
        == []
    )
    # zero at 5/8
    g = NestedFunction(absolute, (-Rational(1, 4), -Rational(1, 4), ONE), Rational(1, 2), ONE)
    (zero,) = zeros_in(
        g, 0, [(Rational(1, 2), ONE)], lambda place: place.compare_rational(Rational(1, 2)) > 0
    )
    assert zero.place.compare_rational(Rational(5, 8)) == 0


def test_without_an_eliminant_a_double_zero_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_isolation, "HIGHEST_DEGREE", 1)
    with pytest.raises(Undecided, match=r"diamond angles 0\.571428"):
        found(almost_touching(ZERO))
    assert len(found(almost_touching(TINY))) == 2


# ---- isolated directions


def zero_of(f: NestedFunction, low: str = "0", high: str = "1") -> IsolatedDirection:
    return IsolatedDirection(0, *(function(x, 0, 0).row[0] for x in (low, high)), lambda: f)


def test_refinement_reaches_any_width_and_keeps_the_zero() -> None:
    place = zero_of(function(-4, -4, 5), "0", "1/2")
    for bits in (10, 60, 200, 1000):
        place.refine(bits)
        assert fraction(place.high - place.low) <= fraction(Rational(1, 1 << bits))
        low, high = (2 * x - 1 for x in (place.low, place.high))
        assert high * high < Rational(7, 25) < low * low  # t = 1/2 - sqrt(7) / 10


def test_equal_zeros_of_different_functions_compare_equal_and_near_ones_do_not() -> None:
    nested = quadratic_chain().extended(FormRoot(SECOND))
    one = zero_of(function(-4, -4, 5), "0", "1/2")
    same = zero_of(function(-12, -12, 15, 0, chain=nested), "0", "1/2")
    assert one.compare(same) == 0 and same.compare(one) == 0
    shifted = NestedFunction(
        quadratic_chain(), (Rational(-4), Rational(-4), 5 + TINY**2), ZERO, ONE
    )
    assert one.compare(zero_of(shifted, "0", "1/2")) == -1
    assert zero_of(shifted, "0", "1/2").compare(one) == 1


def test_comparison_with_rational_and_quadratic_directions() -> None:
    place = zero_of(function(-4, -4, 5), "0", "1/2")
    assert place.compare(Direction.rational(*dyadic_direction(Rational(1, 4)))) == -1
    assert place.compare(Direction.rational(ONE, ZERO)) == 1
    assert place.compare(Direction.rational(-ONE, ZERO)) < 0
    assert place.compare(Direction(Surd(ONE), Surd(ZERO, ONE, Rational(2)))) == -1
    half = zero_of(function(1, -1, 0))
    assert half.compare(Direction.rational(ONE, ONE)) == 0


def test_a_polynomial_zero_is_exact_in_sympy() -> None:
    import sympy

    alpha, beta = zero_of(function(-4, -4, 5), "0", "1/2").sympy()
    t = sympy.Rational(1, 2) - sympy.sqrt(7) / 10
    assert sympy.N(beta - t, 50) == pytest.approx(0, abs=1e-40)
    assert sympy.N(alpha + beta - 1, 50) == pytest.approx(0, abs=1e-40)


@pytest.mark.parametrize("sigma", ["0", "1/3", "1", "7/5", "2", "11/4", "3", "39/10"])
def test_the_quadrant_and_t_of_a_rational_direction(sigma: str) -> None:
    value = function(sigma, 0, 0).row[0]
    quadrant, t = local(*(3 * x for x in dyadic_direction(value)))
    assert quadrant + t == value and 0 <= t < 1


def test_an_interval_without_zero_is_seen_at_any_width() -> None:
    f = almost_touching(TINY)  # between its two zeros, where it is 2^-50 and nearly flat
    with ball_precision(256):
        for width in (30, 60, 120):
            assert f.over(
                Rational(int(Rational(4, 7) * 2**width), 2**width), Rational(1, 1 << width)
            ).excludes_zero()


# ---- the kernel alone


@pytest.mark.parametrize("quadrant", range(4))
def test_certain_signs_at_points(quadrant: int) -> None:
    program = Program.start(quadrant).with_root(
        BallMatrix.of(RationalArray(2, 2, [x for row in FORM for x in row]))
    )
    rows = [
        tuple(map(Rational, row))
        for row in ((1, 0, 0), (0, 1, 0), (1, 1, -1), (1, -1, 1), (0, 0, 0))
    ]
    balls = BallMatrix.of(RationalArray(5, 3, [x for row in rows for x in row]))
    chain = Chain(quadrant).extended(FormRoot(FORM))
    for t in (0.125, 0.4, 0.9):
        signs = point_signs(program.steps, Balls(balls.mid, balls.rad), t)
        exact = [
            NestedFunction(chain, row, ZERO, ONE).sign_at(Rational(*t.as_integer_ratio()))
            for row in rows
        ]
        assert signs.tolist() == exact


def test_a_radicand_with_a_zero_is_not_called_positive() -> None:
    positive = Program.start(0).with_root(
        BallMatrix.of(RationalArray(2, 2, [ONE, ZERO, ZERO, ONE]))
    )
    vanishing = Program.start(0).with_root(
        BallMatrix.of(RationalArray(2, 2, [ONE, -ONE, -ONE, ONE]))
    )
    nearly = Program.start(0).with_root(
        BallMatrix.of(RationalArray(2, 2, [ONE + TINY, -ONE, -ONE, ONE]))
    )
    answers = [roots_are_positive(p.steps, 0.0, 1.0) for p in (positive, vanishing, nearly)]
    assert answers[:2] == [True, False]
    assert not answers[2]  # it is positive, but 2^-50 is beyond the floats here: they abstain


def test_polynomials_separate_the_zeros_of_an_isolated_root() -> None:
    place = IsolatedDirection(2, ZERO, ONE, polynomial=Polynomial([-1, 0, 3]))
    low, high = place.diamond(100)
    assert low < high and 3 * (low - 2) ** 2 < 1 < 3 * (high - 2) ** 2
    assert place.near.compare(Direction.rational(-ONE, ZERO)) == 1
