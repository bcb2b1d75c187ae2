"""Functions with nested square roots along a piece of a curve: a basis made step by step, and
combinations of it.

On one quarter of the directions of a pencil alpha and beta are linear in t. A norm adds the root of
a quadratic form of the functions before it; a skip connection around a norm multiplies by two
denominators. Everything stays polynomial in t and in the roots, because pre-activations are
multiplied by positive functions, which changes no sign. The same steps are taken with real balls
(values and two Taylor coefficients over an interval) and in the exact tower of roots.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self, TypeVar

from exact.arithmetic.numbers import Ball, Polynomial, Rational, ball_precision, square_free
from exact.arithmetic.root_towers import (
    Nested,
    Point,
    RootPoint,
    eliminant,
    isolated_roots,
    sign_at,
    sign_at_rational,
)
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.pencils.pencil import CIRCLE, Function
from exact.geometry.pencils.pencil import Form as PencilForm

_ZERO, _ONE = Rational(0), Rational(1)
# precisions at which a sign is tried with balls before it is decided exactly
_BALL_BITS = (96, 256)
REACH = (Rational(-1, 16), Rational(17, 16))
"""Where zeros of eliminants are looked for: t runs over [0, 1], and functions go on a little
beyond.
"""


class Ring(Protocol):
    """What steps need of the values they work on."""

    def __add__(self, other: Self) -> Self: ...

    def __mul__(self, other: Self) -> Self: ...

    def scaled(self, factor: Rational) -> Self:
        """This value times a rational."""

    def root(self) -> Self:
        """The positive square root."""

    def times_root(self, square: Rational) -> Self:
        """This value times the root of a positive rational."""

    def one(self) -> Self:
        """The constant 1 among such values."""


T = TypeVar("T", bound=Ring)
Form = tuple[tuple[Rational, ...], ...]


def combination(coefficients: Sequence[Rational], values: Sequence[T]) -> T:
    """The sum of coefficients times values."""
    total: T | None = None
    for c, value in zip(coefficients, values, strict=False):
        if c != 0:
            total = value.scaled(c) if total is None else total + value.scaled(c)
    return values[0].scaled(_ZERO) if total is None else total


class Step(ABC):
    """One step of a chain: from the functions so far to the functions behind it."""

    @abstractmethod
    def extend(self, values: list[T]) -> list[T]:
        """The functions behind the step."""


@short_repr
@dataclass(frozen=True)
class FormRoot(Step):
    """Append the root of a quadratic form, positive inside the piece."""

    form: Form

    def extend(self, values: list[T]) -> list[T]:
        terms = [
            x * combination(row, values)
            for x, row in zip(values, self.form, strict=True)
            if any(c != 0 for c in row)
        ]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return [*values, total.root()]


@short_repr
@dataclass(frozen=True)
class LineRoot(Step):
    """Append sqrt(square) times a linear form that is positive inside the piece: the root of a form
    of rank one.
    """

    square: Rational
    line: tuple[Rational, ...]

    def extend(self, values: list[T]) -> list[T]:
        return [*values, combination(self.line, values).times_root(self.square)]


@short_repr
@dataclass(frozen=True)
class Constants(Step):
    """Replace all functions by 1 and sqrt(square): behind a norm that sees one direction only."""

    square: Rational

    def extend(self, values: list[T]) -> list[T]:
        one = values[0].one()
        return [one, one.times_root(self.square)]


@short_repr
@dataclass(frozen=True)
class SkipProduct(Step):
    """Replace the functions by the first `len(outer)` of them times `inner`, then all of them times
    `outer`.

    `inner` and `outer` are linear forms: the denominators inside and outside a skip connection.
    """

    inner: tuple[Rational, ...]
    outer: tuple[Rational, ...]

    def extend(self, values: list[T]) -> list[T]:
        inside, outside = combination(self.inner, values), combination(self.outer, values)
        return [*(x * inside for x in values[: len(self.outer)]), *(x * outside for x in values)]


def quarter(quadrant: int) -> tuple[tuple[Rational, Rational], tuple[Rational, Rational]]:
    """alpha and beta on a quarter of the diamond, each as (value at t = 0, slope)."""
    pairs = (((1, -1), (0, 1)), ((0, -1), (1, -1)), ((-1, 1), (0, -1)), ((0, 1), (-1, 1)))[quadrant]
    (a, b), (c, d) = pairs
    return (Rational(a), Rational(b)), (Rational(c), Rational(d))


@short_repr
@dataclass(frozen=True, eq=False)
class Chain:
    """The basis on a quarter of the directions: `steps` on top of (alpha, beta) there.

    With quadrant 0, 1, 2, 3 the pair is (1 - t, t), (-t, 1 - t), (t - 1, -t), (t, t - 1): the
    direction with diamond angle quadrant + t (see curves).
    """

    quadrant: int
    steps: tuple[Step, ...] = ()
    before: Chain | None = None

    def __getstate__(self) -> dict[str, object]:
        """Without the tower, which is made again when it is asked for."""
        return {"quadrant": self.quadrant, "steps": self.steps, "before": self.before}

    def extended(self, step: Step) -> Chain:
        """The chain with one more step."""
        return Chain(self.quadrant, (*self.steps, step), self)

    def values(self, start: list[T]) -> list[T]:
        """The basis made from values of alpha and beta."""
        for step in self.steps:
            start = step.extend(start)
        return start

    @cached_property
    def tower(self) -> list[Nested]:
        """The basis in the exact tower."""
        if self.before is None:
            return [Nested.polynomial(list(pair)) for pair in quarter(self.quadrant)]
        values = self.steps[-1].extend(self.before.tower)
        radicands = max((value.radicands for value in values), key=len)
        # all know every root: the next one gets a new number
        return [Nested(value.terms, radicands) for value in values]

    def at(self, t: Rational) -> list[Value]:
        """The basis at a rational t, at the working precision."""
        return self.values([Value(Ball(c + slope * t)) for c, slope in quarter(self.quadrant)])

    def over(self, middle: Rational, half: Rational) -> list[Jet]:
        """The basis with its Taylor coefficients on [middle - half, middle + half], at the working
        precision.
        """
        zero, reach, width = Ball(0), Ball(0, Ball(half).upper()), Ball(half)
        return self.values(
            [
                Jet(
                    (Ball(c + k * middle), Ball(k), zero),
                    (Ball(c + k * middle) + reach * Ball(k), Ball(k), zero),
                    width,
                )
                for c, k in quarter(self.quadrant)
            ]
        )


@short_repr
@dataclass(frozen=True)
class Value:
    """A real ball as a ring element."""

    ball: Ball

    def __add__(self, other: Value) -> Value:
        return Value(self.ball + other.ball)

    def __mul__(self, other: Value) -> Value:
        return Value(self.ball * other.ball)

    def scaled(self, factor: Rational) -> Value:
        return Value(self.ball * Ball(factor))

    def root(self) -> Value:
        return Value(self.ball.sqrt())

    def times_root(self, square: Rational) -> Value:
        return Value(self.ball * Ball(square).sqrt())

    def one(self) -> Value:
        return Value(Ball(1))


Taylor = tuple[Ball, Ball, Ball]


@short_repr
@dataclass(frozen=True)
class Jet:
    """Value, slope and half the second derivative, in the middle of an interval and over all of it,
    with its half-width.
    """

    middle: Taylor
    wide: Taylor
    half: Ball

    def __add__(self, other: Jet) -> Jet:
        return self._of(_sum(self.middle, other.middle), _sum(self.wide, other.wide))

    def __mul__(self, other: Jet) -> Jet:
        return self._of(
            _taylor_product(self.middle, other.middle), _taylor_product(self.wide, other.wide)
        )

    def scaled(self, factor: Rational) -> Jet:
        """This function times a rational."""
        return self._times(Ball(factor))

    def root(self) -> Jet:
        """The root; balls without any information where the radicand may vanish."""
        return self._of(_taylor_root(self.middle), _taylor_root(self.wide))

    def times_root(self, square: Rational) -> Jet:
        """This function times the root of a positive rational."""
        return self._times(Ball(square).sqrt())

    def one(self) -> Jet:
        """The constant 1 on the interval."""
        constant = Ball(1), Ball(0), Ball(0)
        return Jet(constant, constant, self.half)

    def excludes_zero(self) -> bool:
        """Whether the function certainly has no zero on the interval."""
        (value, slope, _), reach = self.middle, _symmetric(self.half)
        return not (value + reach * slope + reach * reach * self.wide[2]).contains(0)

    def is_monotone(self) -> bool:
        """Whether the slope certainly has no zero on the interval."""
        return not (self.middle[1] + 2 * _symmetric(self.half) * self.wide[2]).contains(0)

    def _times(self, factor: Ball) -> Jet:
        a, b, c = self.middle
        x, y, z = self.wide
        return Jet(
            (a * factor, b * factor, c * factor), (x * factor, y * factor, z * factor), self.half
        )

    def _of(self, middle: Taylor, wide: Taylor) -> Jet:
        """Enclosures over the interval are replaced by their mean value forms where those are
        narrower.
        """
        reach = _symmetric(self.half)
        slope = _narrower(wide[1], middle[1] + 2 * reach * wide[2])
        return Jet(
            middle, (_narrower(wide[0], middle[0] + reach * slope), slope, wide[2]), self.half
        )


def _symmetric(half: Ball) -> Ball:
    return Ball(0, half.upper())


def _narrower(first: Ball, second: Ball) -> Ball:
    return second if bool(second.rad() < first.rad()) or not first.is_finite() else first


def _sum(x: Taylor, y: Taylor) -> Taylor:
    return x[0] + y[0], x[1] + y[1], x[2] + y[2]


def _taylor_product(x: Taylor, y: Taylor) -> Taylor:
    return x[0] * y[0], x[0] * y[1] + x[1] * y[0], x[0] * y[2] + x[1] * y[1] + x[2] * y[0]


def _taylor_root(x: Taylor) -> Taylor:
    root = x[0].sqrt()
    slope = x[1] / (2 * root)
    return root, slope, (x[2] - slope * slope) / (2 * root)


@short_repr
@dataclass(frozen=True, eq=False)
class NestedFunction:
    """A combination of the basis of a chain, on an arc that contains the rational interval (low,
    high).

    All roots are positive inside the arc; at its ends they may vanish.
    """

    chain: Chain
    row: tuple[Rational, ...]
    low: Rational
    high: Rational

    def __getstate__(self) -> dict[str, object]:
        """Without what was computed from the combination."""
        return {"chain": self.chain, "row": self.row, "low": self.low, "high": self.high}

    def over(self, middle: Rational, half: Rational) -> Jet:
        """The function on [middle - half, middle + half], at the working precision."""
        return combination(self.row, self.chain.over(middle, half))

    def ball(self, t: Rational, bits: int) -> Ball:
        """An enclosure of the value at a rational t."""
        with ball_precision(bits):
            return combination(self.row, self.chain.at(t)).ball

    @cached_property
    def element(self) -> Nested:
        """The function in the exact tower."""
        return combination(self.row, self.chain.tower)

    def sign_at(self, t: Rational) -> int:
        """The exact sign at a rational t: balls first, then conjugation."""
        for bits in _BALL_BITS:
            value = self.ball(t, bits)
            if not value.contains(0):
                return 1 if bool(value > 0) else -1
        return sign_at_rational(self.element, t)

    def sign_at_point(self, point: Point) -> int:
        """The exact sign at an algebraic t."""
        return sign_at(self.element, point)

    @cached_property
    def eliminant(self) -> Polynomial:
        """A square-free polynomial that vanishes at every zero; the zero polynomial iff the
        function is 0 on the arc.

        Raises Undecided when its degree could exceed HIGHEST_DEGREE.
        """
        found = eliminant(self.element, self.low, self.high)
        return found if found.degree() < 0 else square_free(found)

    @property
    def pencil(self) -> tuple[Function, PencilForm] | None:
        """The function as `p alpha + q beta + c N` with the form whose root is N (see curves), when
        it is of this shape.
        """
        row, steps = self.row, self.chain.steps
        if not steps:
            return (row[0], row[1], _ZERO), CIRCLE
        step = steps[0]
        if len(steps) > 1 or len(row) != 3:
            return None
        if isinstance(step, FormRoot):
            return (row[0], row[1], row[2]), PencilForm(
                step.form[0][0], step.form[0][1], step.form[1][1]
            )
        if isinstance(step, LineRoot):
            (x, y), square = step.line, step.square
            return (row[0], row[1], row[2]), PencilForm(
                square * x * x, square * x * y, square * y * y
            )
        return None

    @property
    def is_zero(self) -> bool:
        """Whether the function vanishes on the whole arc."""
        return self.eliminant.degree() < 0

    @cached_property
    def candidates(self) -> list[RootPoint]:
        """The zeros of the eliminant in [0, 1] and a little beyond, in order: zeros of this
        function or of a conjugate.
        """
        return isolated_roots(self.eliminant, *REACH)
