"""The float64 nearest to a real number that square roots or balls describe, over the whole range of
float64.

A rational is rounded by one division of integers (:func:`exact.arithmetic.numbers.nearest_float`)
and its square root by one integer root. For everything else an enclosure is narrowed until both of
its bounds round to the same float (Ziv 1991): no sum, product or square is ever formed in float64,
so nothing cancels, underflows or overflows on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isqrt

import numpy as np

from exact.arithmetic.numbers import (
    Ball,
    FloatArray,
    Rational,
    ball_bounds,
    ball_precision,
    nearest_float,
    rational,
)

_FIRST_BITS, _MOST_BITS = 128, 1 << 13
# of an integer root: more than twice what a float64 has, so that one bit tells what was cut off
_ROOT_BITS = 128
# half of the bits of a float64; and a number that no sum of a few terms of its size takes beyond
_HALF, _LARGE = 26, Rational(1 << 1000)


def nearest_of(enclose: Callable[[int], Ball | None]) -> float:
    """The float64 nearest to a number that `enclose(bits)` encloses, called at that working
    precision; None asks for more.

    A number that 8,192 bits do not tell from the middle between two floats gets one of the two; one
    that is zero gets 0.0. Cost: as a rule one enclosure of 128 bits.
    """
    bits, found = _FIRST_BITS, (float("-inf"), float("inf"))
    while bits <= _MOST_BITS:
        with ball_precision(bits):
            ball = enclose(bits)
            if ball is not None and ball.is_finite():
                low, high = ball_bounds(ball)
                found = nearest_float(low), nearest_float(high)
                if found[0] == found[1]:
                    return found[0] + 0.0  # an underflow has no sign
        bits *= 2
    return found[0] if abs(found[0]) < abs(found[1]) else found[1]


def follow(found: object, exact: Sequence[Rational]) -> bool:
    """Whether floats that somebody computed are these exact values, to half of a float64's digits
    of the largest: what tells a wrong formula from rounding, and decides nothing else. Values
    beyond float64 are not judged.

    >>> import numpy as np
    >>> from exact.arithmetic.numbers import Rational
    >>> follow(np.array([0.1, 0.2]), [Rational(1, 10), Rational(1, 5)])
    True
    >>> follow([0.1, 0.3], [Rational(1, 10), Rational(1, 5)]), follow([0.1], [])
    (False, False)
    """
    values = np.asarray(found)
    if values.dtype.kind != "f" or values.size != len(exact):
        return False
    largest = max(map(abs, exact), default=Rational(0))
    if largest >= _LARGE:
        return True
    pairs = zip(values.reshape(-1).tolist(), exact, strict=True)
    return bool(np.isfinite(values).all()) and all(
        abs(rational(value) - x) * (1 << _HALF) <= largest for value, x in pairs
    )


def exact_root(square: Rational) -> Rational | None:
    """The square root of a rational that is not negative, where it is rational.

    >>> from exact.arithmetic.numbers import Rational
    >>> exact_root(Rational(9, 4)), exact_root(Rational(2))
    (3/2, None)
    """
    p, q = int(square.p), int(square.q)
    numerator, denominator = isqrt(p), isqrt(q)
    return Rational(numerator, denominator) if numerator**2 == p and denominator**2 == q else None


def nearest_root(square: Rational) -> float:
    """The float64 nearest to the square root of a rational that is not negative, also where its
    square is no float64.

    >>> from exact.arithmetic.numbers import Rational
    >>> nearest_root(Rational(2)), nearest_root(Rational(1, 10**400))
    (1.4142135623730951, 1e-200)
    """
    p, q = int(square.p), int(square.q)
    shift = max(0, _ROOT_BITS - (p.bit_length() - q.bit_length()) // 2)
    whole, rest = divmod(p << 2 * shift, q)
    root = isqrt(whole)
    # then the root lies strictly between `root` and `root + 1`, never on a float
    cut = rest != 0 or root * root != whole
    return nearest_float(Rational(2 * root + cut, 1 << (shift + 1)))


def nearest_roots(squares: Iterable[Rational]) -> FloatArray:
    """The nearest float64 of the square root of each value."""
    return np.array([nearest_root(square) for square in squares], dtype=np.float64)


def exponent(value: Rational) -> int:
    """An e with 2^(e - 1) < |value| < 2^(e + 1); 0 for zero."""
    return int(value.p).bit_length() - int(value.q).bit_length() if value != 0 else 0


def scaled_by(value: Rational, power: int) -> Rational:
    """`value 2^power`, exactly."""
    return value * (1 << power) if power >= 0 else value / (1 << -power)


def in_range(values: Sequence[Rational]) -> list[Rational]:
    """The values times the one power of two that brings the largest of them near one; all zero
    stays zero.
    """
    largest = max((exponent(value) for value in values if value != 0), default=0)
    return [scaled_by(value, -largest) for value in values]


def short_rational(value: Rational, bits: int) -> Rational:
    """A dyadic number with a numerator of about `bits` bits, within 2^(1 - bits) of a value of any
    size, relatively.

    >>> from exact.arithmetic.numbers import Rational
    >>> short_rational(Rational(1, 3), 4)
    5/16
    """
    power = bits - exponent(value)
    return scaled_by(Rational(int(scaled_by(value, power).floor())), -power)


def turn_between(first: tuple[Ball, Ball], last: tuple[Ball, Ball]) -> Ball | None:
    """The angle in (0, 2 pi) from one direction counter-clockwise to another; None when the
    precision does not tell.

    Where the cosine is negative the angle is continuous in sine and cosine, and the sign of the
    sine does not matter.
    """
    sine, cosine = first[0] * last[1] - first[1] * last[0], first[0] * last[0] + first[1] * last[1]
    if cosine < 0:
        return Ball.pi() + (sine / cosine).atan()
    if sine > 0:
        return Ball.pi() / 2 - (cosine / sine).atan()
    return Ball.pi() * 3 / 2 - (cosine / sine).atan() if sine < 0 else None
