"""The geometry of a norm: its three maps as exact maps, its image, and the axes of the
image.

`norm = h o g o f`: f projects (f(x) = P x, rational), g scales to the sphere or into the ball of
radius sqrt(n) (coordinates `a + b sqrt(q)`, one radicand for all), h is `gain * y + bias`. The
image at eps = 0 is the ellipsoid h(sphere), and for eps > 0 its open inside. The squared semi-axes
are n times the nonzero eigenvalues of `diag(gain) P diag(gain)`, the axes its eigenvectors. For
RMSNorm (P = I) that is diagonal. For LayerNorm it is diag(gain^2) minus a matrix of rank one, so
with the distinct squares v_1 < ... < v_p > 0 of the gain, v_j held by m_j coordinates, the
eigenvalues are

    v_j itself, m_j - 1 times, and one simple zero of  1 - (1/n) sum_j m_j v_j / (v_j - t)  in each
    (v_j, v_j+1) and in
    (0, v_1) when some gain is zero (otherwise that zero is t = 0: the normal of the hyperplane of
    the image).

Source: Golub 1973, "Some modified matrix eigenvalue problems" (the secular equation and its
interlacing zeros); mathematics.md, "The image of a norm". Maps, image and axes stand in one file,
longer than others, because each is read off the one before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.arithmetic.linear_algebra import dot, matrix
from exact.arithmetic.nearest import exponent, nearest_root, scaled_by
from exact.arithmetic.numbers import (
    Ball,
    FloatArray,
    Rational,
    RationalArray,
    ball_bounds,
    ball_precision,
    fraction,
    fractions,
    nearest_float,
    nearest_floats,
    rational,
    rationals,
)
from exact.arithmetic.surds import Surd
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, Unsupported
from exact.networks.norms import Norm

_ZERO, _ONE = Rational(0), Rational(1)
_EXACT_DEGREE = 12  # polynomials up to here are factored, to find eigenvalues of degree one and two
_FINE = 96  # bits of an eigenvalue behind the float64 directions, at first
_CLOSE = 2.0**-60  # and how well the directions are enclosed before they are rounded


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class Projection:
    """f: x -> P x."""

    norm: Norm

    def __call__(self, x: Sequence[object]) -> tuple[Fraction, ...]:
        return fractions(_project(self.norm, rationals(x, "x")))

    @cached_property
    def matrix(self) -> RationalArray:
        """P."""
        n = self.norm.dim
        return self.norm.project(
            matrix([[Rational(int(i == j)) for j in range(n)] for i in range(n)], n)
        )


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class Scaling:
    """g: v -> sqrt(n) v / sqrt(|v|^2 + n eps) ("var") or sqrt(n) v / (|v| + sqrt(n) eps) ("std"); v
    = P x.
    """

    norm: Norm

    def __call__(self, v: Sequence[object]) -> tuple[Surd, ...]:
        values = rationals(v, "v")
        factor = self.factor(values)
        return tuple(factor.scaled(value) for value in values)

    def factor(self, v: Sequence[Rational]) -> Surd:
        """What v is multiplied by; InvalidInput for v = 0 with eps = 0."""
        n, square, eps = Rational(self.norm.dim), dot(v, v), self.norm.eps
        if square == 0 and eps == 0:
            raise InvalidInput(
                "the norm is undefined where P x = 0 and eps = 0",
                value="0 / 0",
                remedy="give another x",
            )
        if self.norm.eps_rule == "var":
            below = square + n * eps
            return Surd(_ZERO, 1 / below, n * below)
        # sqrt(n) / (|v| + sqrt(n) eps) = (sqrt(n |v|^2) - n eps) / (|v|^2 - n eps^2)
        rest = square - n * eps * eps
        return Surd(1 / (2 * eps)) if rest == 0 else Surd(-n * eps / rest, 1 / rest, n * square)


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class GainAndBias:
    """h: y -> gain * y + bias."""

    norm: Norm

    def __call__(self, y: Sequence[Surd]) -> tuple[Surd, ...]:
        pairs = zip(self.norm.gain.column(), y, self.norm.bias.column(), strict=True)
        return tuple(value.scaled(g) + Surd(b) for g, value, b in pairs)


@in_ieee_floats
def decompose(norm: Norm) -> tuple[Projection, Scaling, GainAndBias]:
    """The maps f, g, h with `norm(x) = h(g(f(x)))`.

    >>> from exact import LayerNorm
    >>> f, g, h = decompose(LayerNorm.of(eps=0, gain=[1, 2, 1], bias=[0, 0, 5]))
    >>> [str(x) for x in f([1, 2, 6])]
    ['-2', '-1', '3']
    >>> [value.sympy() for value in h(g(f([1, 2, 6])))]
    [-sqrt(42)/7, -sqrt(42)/7, 3*sqrt(42)/14 + 5]
    """
    _check_norm(norm)
    return Projection(norm), Scaling(norm), GainAndBias(norm)


def _check_norm(norm: object) -> None:
    if not isinstance(norm, Norm):
        raise InvalidInput(
            "not a norm",
            value=type(norm).__name__,
            remedy="give LayerNorm.of(...) or RMSNorm.of(...)",
        )


def _is_centred(norm: Norm) -> bool:
    """Whether P takes the mean off, and not nothing; Unsupported for any other P, whose image has
    other axes.
    """
    found = norm.projector()
    if not isinstance(found, str):
        raise Unsupported(
            "the axes and sides of an image are known for P = I and P = I - 11'/n",
            value=type(norm).__name__,
            remedy="take LayerNorm or RMSNorm; image() and decompose() do any norm",
        )
    return found == "mean"


@in_ieee_floats
def image(norm: Norm, x: Sequence[object]) -> tuple[Surd, ...]:
    """`norm(x)` exactly: coordinates `a + b sqrt(q)` with one q; `.sympy()` and `float()` convert
    them.
    """
    f, g, h = decompose(norm)
    return h(g(f(x)))


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class ImagePoints:
    """The images of many inputs (N x n): float64 at once, any of them exactly on demand."""

    norm: Norm
    inputs: FloatArray

    @cached_property
    def float64(self) -> FloatArray:
        """All images (N x n), to a few roundings of P x and of the result."""
        return self.norm.forward_float(self.inputs)

    def exact(self, index: int) -> tuple[Surd, ...]:
        """The image of input `index`."""
        return image(self.norm, self.inputs[index].tolist())

    def __len__(self) -> int:
        return len(self.inputs)


@in_ieee_floats
def image_points(norm: Norm, inputs: Any) -> ImagePoints:
    """The images of the rows of an array (N x n)."""
    _check_norm(norm)
    try:
        rows = np.asarray(inputs, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            "the inputs are not an array of numbers",
            value=str(error),
            remedy=f"give rows of {norm.dim} numbers",
        ) from error
    if rows.ndim != 2 or rows.shape[1] != norm.dim:
        raise InvalidInput(
            "the inputs do not fit the norm",
            value=rows.shape,
            remedy=f"give rows of {norm.dim} numbers",
        )
    return ImagePoints(norm, rows)


# ---- membership


@in_ieee_floats
def side_of(norm: Norm, z: Sequence[object]) -> int | None:
    """Where a rational point lies: -1 strictly inside the ellipsoid of the norm, 0 on it, 1
    outside, None off its flat.

    The flat is `bias` plus the image of diag(gain) P. A point of it is gain * y + bias for some y
    in the image of P, and its side is that of the smallest |y|^2 against n: where the gain is zero
    y is free, and least when spread evenly.
    """
    _check_norm(norm)
    square = _least_preimage(norm, rationals(z, "z"))
    return None if square is None else (square > norm.dim) - (square < norm.dim)


@in_ieee_floats
def is_image(norm: Norm, z: Sequence[object]) -> bool:
    """Whether a rational point is `norm(x)` for some real x, exactly and for both eps rules.

    For eps > 0 the image is the open ellipsoid in its flat; for eps = 0 its surface, or all of it
    with the surface where zero gains flatten the sphere.

    >>> from exact.instruments.norm_geometry import side_of
    >>> from exact import LayerNorm
    >>> norm = LayerNorm.of(eps=0, dim=3)
    >>> is_image(norm, [1, -1, 0]), side_of(norm, [1, -1, 0]), side_of(norm, [1, 1, 1])
    (False, -1, None)
    """
    side = side_of(norm, z)
    if side is None or norm.sphere_dim < 0:
        return side is not None and norm.eps > 0
    if norm.eps > 0:
        return side < 0
    return side <= 0 if ellipsoid(norm).is_solid else side == 0


def _least_preimage(norm: Norm, z: Sequence[Rational]) -> Rational | None:
    if len(z) != norm.dim:
        raise InvalidInput(
            "the point does not fit the norm",
            value=f"{len(z)} coordinates",
            remedy=f"give {norm.dim}",
        )
    gain, gaps = norm.gain.column(), [x - b for x, b in zip(z, norm.bias.column(), strict=True)]
    if any(x != 0 for x, g in zip(gaps, gain, strict=True) if g == 0):
        return None
    y, free = [x / g for x, g in zip(gaps, gain, strict=True) if g != 0], sum(g == 0 for g in gain)
    if not _is_centred(norm):
        return dot(y, y)
    total = sum(y, _ZERO)
    if not free:
        return dot(y, y) if total == 0 else None
    return dot(y, y) + total * total / free


# ---- the ellipsoid


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class Axis:
    """A semi-axis of the image, or several equal ones: `multiplicity` orthogonal directions of
    squared length `bounds`.

    `squared` is the exact square where it is rational or quadratic, else None; `bounds` always
    enclose it, equal when it is rational and known. The multiplicity is exact.
    """

    norm: Norm
    squared: Surd | None
    bounds: tuple[Fraction, Fraction]
    multiplicity: int
    support: tuple[int, ...]

    @property
    def length_float(self) -> float:
        """The length of the semi-axis: the nearest float64."""
        if self.squared is not None:
            return self.squared.root_float()
        function = _Secular(self.norm)
        (low, high) = (rational(x) / self.norm.dim for x in self.bounds)
        n = self.norm.dim
        while (length := nearest_root(n * low)) != nearest_root(n * high):
            low, high = function.narrowed(low, high, (low + high) / 2)
        return length

    @cached_property
    def directions(self) -> tuple[tuple[Surd, ...], ...] | None:
        """Exact orthogonal directions, of no special length; None where the squared axis is of
        degree above two.

        Of a simple eigenvalue t: gain_i / (gain_i^2 - t). Of a repeated one: contrasts of the
        coordinates that hold it.
        """
        if self.support:
            return tuple(tuple(Surd(x) for x in row) for row in _contrasts(self.norm, self.support))
        if self.squared is None:
            return None
        t = self.squared.scaled(Rational(1, self.norm.dim))
        return (tuple((Surd(g * g) - t).inverse().scaled(g) for g in self.norm.gain.column()),)

    @cached_property
    def _enclosed(self) -> tuple[FloatArray, float]:
        bits = _FINE
        while True:
            with ball_precision(2 * bits):
                repeated = [[Ball(x) for x in row] for row in _contrasts(self.norm, self.support)]
                unit = [
                    [x / length for x in row]
                    for row in repeated or [self._simple(bits)]
                    for length in [_norm(row)]
                ]
                if all(x.is_finite() and x.rad() < _CLOSE for row in unit for x in row):
                    floats = np.array([[float(x) for x in row] for row in unit])
                    gaps = [
                        abs(x - Ball(rational(float(v))))
                        for row, values in zip(unit, floats, strict=True)
                        for x, v in zip(row, values, strict=True)
                    ]
                    return floats, max((_above(gap) for gap in gaps), default=0.0)
            bits *= 2

    def _simple(self, bits: int) -> list[Ball]:
        if self.squared is None:
            t = _refined(self.norm, self.bounds, bits)
        else:
            t = self.squared.ball() / self.norm.dim
        return [Ball(g) / (Ball(g * g) - t) for g in self.norm.gain.column()]

    @property
    def directions_float(self) -> FloatArray:
        """Orthonormal directions (multiplicity x n, float64), each entry within `direction_error`
        of an exact axis.
        """
        return self._enclosed[0]

    @property
    def direction_error(self) -> float:
        """A proved bound on the error of every entry of `directions_float`."""
        return self._enclosed[1]


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class Ellipsoid:
    """The image of a norm at eps = 0: centre `bias`, semi-axes from the longest; for eps > 0 the
    image is its open inside.

    `is_solid`: zero gains flatten the sphere, so that the image is the ellipsoid with its inside (a
    segment, a disc, ...).
    """

    norm: Norm
    centre: tuple[Fraction, ...]
    axes: tuple[Axis, ...]
    is_solid: bool

    @property
    def dim(self) -> int:
        """The dimension of the flat that the ellipsoid spans: the number of its axes."""
        return sum(axis.multiplicity for axis in self.axes)


@in_ieee_floats
def ellipsoid(norm: Norm) -> Ellipsoid:
    """The centre and the axes of the image, with certified multiplicities and enclosures.

    Floats propose the eigenvalues, signs of the secular function at rational points prove where
    they lie. Cost: a few sums of n terms per axis; small cases are also factored, which gives exact
    squares.

    >>> from exact import LayerNorm
    >>> flat = ellipsoid(LayerNorm.of(eps=0, gain=[0, 1, 2]))
    >>> [axis.squared.sympy() for axis in flat.axes], flat.is_solid
    ([sqrt(13) + 5, 5 - sqrt(13)], False)
    """
    _check_norm(norm)
    groups = dict[Rational, list[int]]()
    for i, g in enumerate(norm.gain.column()):
        groups.setdefault(g * g, []).append(i)
    values = sorted(value for value in groups if value != 0)
    axes = [_repeated(norm, value, groups[value]) for value in values]
    simple = _simple_axes(norm, values) if _is_centred(norm) else []
    found = sorted(
        [axis for axis in axes if axis.multiplicity] + simple,
        key=lambda axis: axis.bounds[0],
        reverse=True,
    )
    whole = sum(axis.multiplicity for axis in found) == norm.sphere_dim + 1
    return Ellipsoid(norm, fractions(norm.bias.column()), tuple(found), not whole)


def _repeated(norm: Norm, value: Rational, members: list[int]) -> Axis:
    square = norm.dim * value
    held = len(members) - _is_centred(norm)
    return Axis(norm, Surd(square), (fraction(square), fraction(square)), held, tuple(members))


def _contrasts(norm: Norm, support: Sequence[int]) -> list[list[Rational]]:
    """Orthogonal vectors on the coordinates that hold one squared gain: for LayerNorm those across
    the gain there, else all.
    """
    n, gain = norm.dim, norm.gain.column()
    if not _is_centred(norm):
        return [[Rational(int(i == j)) for i in range(n)] for j in support]
    sign = {i: _ONE if gain[i] > 0 else -_ONE for i in support}
    rows = []
    for k in range(1, len(support)):
        row = [_ZERO] * n
        for i in support[:k]:
            row[i] = sign[i]
        row[support[k]] = -k * sign[support[k]]
        rows.append(row)
    return rows


def _project(norm: Norm, x: Sequence[Rational]) -> list[Rational]:
    if len(x) != norm.dim:
        raise InvalidInput(
            "the point does not fit the norm",
            value=f"{len(x)} coordinates",
            remedy=f"give {norm.dim}",
        )
    return list(norm.project(matrix([[value] for value in x], 1)).entries())


# ---- the secular function


def _simple_axes(norm: Norm, values: Sequence[Rational]) -> list[Axis]:
    """One axis between every two neighbouring squares of the gain, and one below the least where a
    gain is zero.
    """
    zero = any(g == 0 for g in norm.gain.column())
    gaps = [*([(_ZERO, values[0])] if zero and values else []), *pairwise(values)]
    known = _small_roots(norm, values)
    guesses = _guesses(norm) if len(gaps) > len(known) else []
    function = _Secular(norm)
    return [_axis_between(norm, function, a, b, known, guesses) for a, b in gaps]


def _axis_between(
    norm: Norm,
    function: _Secular,
    a: Rational,
    b: Rational,
    known: Sequence[Surd],
    guesses: Sequence[Rational],
) -> Axis:
    exact = next((t for t in known if t.compare(Surd(a)) > 0 and t.compare(Surd(b)) < 0), None)
    if exact is None:
        low, high = _bracket(function, a, b, guesses)
        return Axis(norm, None, (fraction(norm.dim * low), fraction(norm.dim * high)), 1, ())
    square = exact.scaled(Rational(norm.dim))
    with ball_precision(_FINE):
        low, high = (square.a, square.a) if square.is_rational else ball_bounds(square.ball())
    return Axis(norm, square, (fraction(low), fraction(high)), 1, ())


class _Secular:
    """n times the secular function; the squares of the gain, each once with the number of
    coordinates that hold it.
    """

    def __init__(self, norm: Norm) -> None:
        self.dim, held = norm.dim, Counter(g * g for g in norm.gain.column())
        self.terms = [(m * v, v) for v, m in held.items() if v != 0]
        with ball_precision(2 * _FINE):
            self.balls = [(Ball(w), Ball(v)) for w, v in self.terms]

    def sign(self, t: Rational) -> int:
        """The sign at t, which is no square of the gain: by balls, exactly where they abstain."""
        with ball_precision(2 * _FINE):
            at = Ball(t)
            total = self.dim - sum((w / (v - at) for w, v in self.balls), Ball(0))
            if bool(total > 0) or bool(total < 0):
                return 1 if bool(total > 0) else -1
        exact = self.dim - sum((w / (v - t) for w, v in self.terms), _ZERO)
        return (exact > 0) - (exact < 0)

    def narrowed(self, low: Rational, high: Rational, t: Rational) -> tuple[Rational, Rational]:
        """The part of an interval around a zero, below which the function is positive, on its side
        of t.
        """
        sign = self.sign(t)
        return (t, t) if sign == 0 else (t, high) if sign > 0 else (low, t)


def _guesses(norm: Norm) -> list[Rational]:
    """The eigenvalues as floats find them, a power of two taken out of the gain so that they have
    them in their range.
    """
    power = max(exponent(g) for g in norm.gain.column() if g != 0)
    gain = nearest_floats(scaled_by(g, -power) for g in norm.gain.column())
    table = np.diag(gain * gain) - np.outer(gain, gain) / norm.dim
    return [scaled_by(rational(guess), 2 * power) for guess in np.linalg.eigvalsh(table).tolist()]


def _bracket(
    function: _Secular, a: Rational, b: Rational, guesses: Sequence[Rational]
) -> tuple[Rational, Rational]:
    """Rational bounds around the zero in (a, b), above which the function is negative; near a
    float's guess if it is good.
    """
    low, high = a, b
    for guess in [guess for guess in guesses if a < guess < b][:1]:
        reach = (b - a) / 2**44
        for t in (guess - reach, guess + reach):
            low, high = function.narrowed(low, high, t) if low < t < high else (low, high)
    while high - low > (b - a) / 2**40 or low == a:
        low, high = function.narrowed(low, high, (low + high) / 2)
    return low, high


def _refined(norm: Norm, bounds: tuple[Fraction, Fraction], bits: int) -> Ball:
    """The eigenvalue of an axis as a narrow ball."""
    function, (low, high) = _Secular(norm), (rational(x) / norm.dim for x in bounds)
    goal = (high - low) / 2 ** (bits - 40)
    while high - low > goal:
        low, high = function.narrowed(low, high, (low + high) / 2)
    return Ball(low).union(Ball(high))


def _small_roots(norm: Norm, values: Sequence[Rational]) -> list[Surd]:
    """Zeros of the secular function of degree one and two over the rationals, where its numerator
    is small.
    """
    if not 0 < len(values) <= _EXACT_DEGREE:
        return []
    import sympy

    t, n = sympy.Symbol("t"), norm.dim
    held = [sum(g * g == value for g in norm.gain.column()) for value in values]
    exact = [sympy.Rational(int(v.p), int(v.q)) for v in values]
    whole = n * sympy.prod([v - t for v in exact])
    rest = [
        m * v * sympy.prod([w - t for w in exact if w != v])
        for m, v in zip(held, exact, strict=True)
    ]
    _, factors = sympy.Poly(sympy.expand(whole - sum(rest)), t).factor_list()
    return [
        root for factor, _ in factors for root in _roots([rational(c) for c in factor.all_coeffs()])
    ]


def _roots(coefficients: Sequence[Rational]) -> list[Surd]:
    """The real zeros of a polynomial of degree one or two, highest coefficient first; none of a
    higher degree.
    """
    if len(coefficients) == 2:
        return [Surd(-coefficients[1] / coefficients[0])]
    if len(coefficients) != 3:
        return []
    a, b, c = coefficients
    return [Surd(-b / (2 * a), sign / (2 * a), b * b - 4 * a * c) for sign in (_ONE, -_ONE)]


def _norm(row: Sequence[Ball]) -> Ball:
    return sum((x * x for x in row), Ball(0)).sqrt()


def _above(ball: Ball) -> float:
    """A float64 that is not below a small ball."""
    return float(np.nextafter(nearest_float(ball_bounds(ball)[1]), np.inf))
