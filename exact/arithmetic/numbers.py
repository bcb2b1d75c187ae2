"""Rational numbers and matrices: floats enter without loss, and nothing else in Exactlens touches
the backend.

A finite float is a dyadic rational, so a network of floats *is* a network of rationals
(mathematics.md, "Networks of rationals"). The backend is FLINT through python-flint; this module is
the only one that imports it. Numbers and matrices therefore stand in one file.
"""

from __future__ import annotations

import hashlib
import reprlib
import struct
import threading
from collections.abc import Iterable, Mapping, Sequence, Set
from fractions import Fraction
from functools import cached_property
from numbers import Rational as AbstractRational
from typing import Any

import numpy as np
from flint import acb, arb, ctx, fmpq, fmpq_mat, fmpq_poly, fmpz, fmpz_mat

from exact.arithmetic.stored_numbers import FloatArray as FloatArray
from exact.arithmetic.stored_numbers import (
    is_array,
    plain_array,
    subnormal,
    subnormal_units,
    without_negative_zeros,
)
from exact.errors import MOST, InvalidInput

Rational = fmpq
Integer = fmpz
RationalArray = fmpq_mat
IntegerArray = fmpz_mat
Polynomial = fmpq_poly
Ball = arb
_LEAST_NORMAL = 2.0**-1022
_UNITS = 2**1074  # of the least subnormal in 1
LARGEST_EXPONENT = 10**5  # of ten, in a text
_MOST_KEPT = 2**16  # entries of a matrix whose exact rows are kept


def rational(value: object, name: str = "number") -> fmpq:
    """Return `value` as a rational without loss; refuse NaN and infinities.

    Accepts ints, floats of any width (a finite float is a dyadic rational), Fractions, NumPy
    scalars, strings such as "1/3", SymPy rationals and backend rationals.

    >>> rational(0.5), rational("1/3")
    (1/2, 1/3)
    """
    if isinstance(value, fmpq):
        return value
    if isinstance(value, fmpz | int | np.integer):
        return fmpq(int(value))
    if isinstance(value, float | np.longdouble):
        return _from_float(value, name)
    return _from_array(value, name) if is_array(value) else _from_other(value, name)


def _from_float(value: float | np.longdouble, name: str) -> fmpq:
    try:
        numerator, denominator = value.as_integer_ratio()
    except (OverflowError, ValueError) as error:
        raise InvalidInput(
            f"{name} is not finite", value=value, remedy="give finite numbers only"
        ) from error
    # or a subnormal, where the processor flushes them
    if numerator == 0 and isinstance(value, float):
        (bits,) = struct.unpack("<q", struct.pack("<d", value))
        return fmpq(bits, _UNITS) if bits >= 0 else fmpq(-(bits + 2**63), _UNITS)
    return fmpq(int(numerator), int(denominator))


def _from_array(value: Any, name: str) -> fmpq:
    """A number that stands in an array without axes."""
    array = plain_array(value, name)
    if array.ndim == 0:
        return rational(array.item(), name)
    raise InvalidInput(
        f"{name} is not one number",
        value=f"an array of shape {array.shape}",
        remedy="give one entry",
    )


def _from_other(value: Any, name: str) -> fmpq:
    if isinstance(value, AbstractRational):
        return fmpq(int(value.numerator), int(value.denominator))
    if getattr(value, "is_Rational", False):
        return fmpq(int(value.p), int(value.q))
    if isinstance(value, str):
        _require_short(value, name)
        try:
            return rational(Fraction(value))
        except (ValueError, ZeroDivisionError):
            pass  # falls through to the one error below, which names the text
    raise InvalidInput(
        f"{name} is not a rational number",
        value=reprlib.repr(value),
        remedy='write 3, 0.25, "1/3" or Fraction',
    )


def _require_short(text: str, name: str) -> None:
    """A few letters may write a number that fills the memory."""
    _, _, exponent = text.lower().partition("e")
    digits = exponent.strip().lstrip("+-").replace("_", "")
    if digits.isdecimal() and (len(digits) > 9 or int(digits) > LARGEST_EXPONENT):
        raise InvalidInput(
            f"{name} has too large an exponent",
            value=reprlib.repr(text),
            remedy=f"give one of at most {LARGEST_EXPONENT}",
        )


def rationals(values: Iterable[object], name: str = "vector") -> list[fmpq]:
    """Return the values as rationals; an error names the vector and the index of the first bad
    entry.
    """
    return [rational(value, f"{name}[{index}]") for index, value in enumerate(listed(values, name))]


def listed(values: Any, name: str = "vector") -> list[Any]:
    """The entries of a sequence, array or iterator; refuse numbers, None, text, and what has no
    order of its own.
    """
    if not isinstance(values, str | bytes | Set | Mapping):
        try:
            entries = iter(plain_array(values, name) if is_array(values) else values)
        except TypeError:
            pass  # falls through to the one error below, which names the value
        else:
            return list(entries)
    value = " ".join(reprlib.repr(values).split())
    raise InvalidInput(
        f"{name} is not a sequence", value=value, remedy="give its entries in order, such as [1, 2]"
    )


def whole_number(value: object, name: str = "number") -> int:
    """Return an int or a NumPy integer as int; refuse anything else, such as 2.5, "3" or True.

    >>> import numpy as np
    >>> whole_number(np.int64(3))
    3
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidInput(
            f"{name} is not a whole number", value=repr(value), remedy="give an int, such as 3"
        )
    return int(value)


def fraction(value: fmpq) -> Fraction:
    """Return a backend rational as :class:`fractions.Fraction`, the type users see."""
    return Fraction(int(value.p), int(value.q))


def fractions(values: Iterable[fmpq]) -> tuple[Fraction, ...]:
    """Return backend rationals as a tuple of Fractions."""
    return tuple(fraction(value) for value in values)


def nearest_float(value: fmpq) -> float:
    """Return the float64 nearest to `value`; beyond the largest float64, an infinity of its
    sign.
    """
    return nearest_quotient(int(value.p), int(value.q))


def nearest_quotient(numerator: int, denominator: int) -> float:
    """Return the float64 nearest to `numerator / denominator`, the latter positive, as
    :func:`nearest_float` does.
    """
    try:
        quotient = numerator / denominator
    except OverflowError:
        return float("inf") if numerator > 0 else float("-inf")
    if not numerator or abs(quotient) > _LEAST_NORMAL:
        return quotient
    return _nearest_tiny(numerator, denominator)


def _nearest_tiny(numerator: int, denominator: int) -> float:
    """The nearest float64 below the normal ones from its bits, which no mode of the processor
    flushes; ties to even.
    """
    units, rest = divmod(abs(numerator) * _UNITS, denominator)
    units += 2 * rest > denominator or (2 * rest == denominator and units % 2 == 1)
    nearest: float = struct.unpack("<d", struct.pack("<Q", units | (numerator < 0) << 63))[0]
    return nearest


def nearest_floats(values: Iterable[fmpq]) -> FloatArray:
    """Return the nearest float64 of each value."""
    nearest = [nearest_quotient(int(value.p), int(value.q)) for value in values]
    rounded: FloatArray = np.array(nearest, dtype=np.float64)
    return rounded


def rounding_error(value: FloatArray) -> FloatArray:
    """Return a bound on |nearest float64 - exact| for correctly rounded values: half an ulp, or the
    least subnormal.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        bound: FloatArray = np.abs(value) * 2.0**-52 + np.nextafter(0.0, 1.0)
    return bound


def coprime_integers(values: Sequence[fmpq]) -> tuple[int, ...]:
    """Return the positive multiple of `values` with coprime integer entries (all zero stays zero).

    Scaling by a positive number keeps every sign, so hyperplanes written this way are equal iff
    they are the same oriented hyperplane.

    >>> coprime_integers([rational("1/2"), rational("-3/4")])
    (2, -3)
    """
    numerators, _ = fmpq_mat(1, len(values), list(values)).numer_denom()
    entries = numerators.entries()
    divisor = fmpz(0)
    for entry in entries:
        divisor = divisor.gcd(entry)
    return (
        tuple(int(entry // divisor) for entry in entries) if divisor != 0 else (0,) * len(entries)
    )


_PRECISION = threading.RLock()  # FLINT's working precision belongs to the process, not to a thread


class ball_precision:  # noqa: N801 - a context manager reads as a verb phrase
    """Context manager that sets the working precision of real balls to `bits` and restores it on
    exit.

    One thread at a time is inside, so that none works at the precision of another.
    """

    def __init__(self, bits: int) -> None:
        self._bits, self._before = bits, 0

    def __enter__(self) -> None:
        _PRECISION.acquire()
        self._before = ctx.prec
        ctx.prec = self._bits

    def __exit__(self, *_: object) -> None:
        ctx.prec = self._before
        _PRECISION.release()


class backend_defaults:  # noqa: N801 - a context manager reads as a verb phrase
    """Context manager: balls of 53 bits and short prints, as the backend starts with; on exit as
    the caller has set them.

    The first thread that comes in sets them and the last one that leaves restores them: what
    another thread computes at, inside
    :class:`ball_precision`, is never changed under its hands.
    """

    _inside = 0
    _before = 0, True

    def __enter__(self) -> None:
        with _PRECISION:
            if backend_defaults._inside == 0:
                backend_defaults._before = ctx.prec, ctx.pretty
                ctx.prec, ctx.pretty = 53, True
            backend_defaults._inside += 1

    def __exit__(self, *_: object) -> None:
        with _PRECISION:
            backend_defaults._inside -= 1
            if backend_defaults._inside == 0:
                ctx.prec, ctx.pretty = backend_defaults._before


def ball_bounds(ball: arb) -> tuple[fmpq, fmpq]:
    """Rational lower and upper bounds of a ball, as tight as the working precision."""
    return _exactly(ball.lower()), _exactly(ball.upper())


def _exactly(point: arb) -> fmpq:
    mantissa, exponent = point.man_exp()
    power = int(exponent)
    return fmpq(int(mantissa) << power) if power >= 0 else fmpq(int(mantissa), 1 << -power)


def elliptic_e(amplitude: arb, parameter: arb) -> arb:
    """The elliptic integral of the second kind, of sqrt(1 - parameter sin^2 s) from 0 to the
    amplitude; a ball without any information where the parameter may be 1.
    """
    return acb.elliptic_e_inc(acb(amplitude), acb(parameter)).real


def square_free(polynomial: fmpq_poly) -> fmpq_poly:
    """The polynomial with the same zeros, each of them simple, and coprime integer coefficients;
    not for the zero polynomial.

    >>> from exact.arithmetic.numbers import Polynomial
    >>> square_free(Polynomial([0, 0, 1, 2]))    # t^2 (1 + 2 t)
    2*x^2 + x
    """
    primitive = fmpq_poly(polynomial.numer())
    repeated = primitive.gcd(primitive.derivative())
    return fmpq_poly((primitive // repeated).numer())


class RationalMatrix:
    """An immutable matrix of rationals that stays in float64 storage for as long as that is
    lossless.

    A matrix read from floats keeps the float array (768 x 3072 weights cost nothing); rows become
    backend rationals only when an exact answer needs them. A vector is a matrix with one column and
    may be indexed by one integer.

    >>> RationalMatrix.from_floats([[0.5, 2.0]])[0, 0]
    Fraction(1, 2)
    """

    __slots__ = ("__dict__", "_floats", "_rows", "shape")

    def __init__(
        self, floats: FloatArray | None, rows: fmpq_mat | None, shape: tuple[int, int]
    ) -> None:
        self._floats, self._rows, self.shape = floats, rows, shape

    @classmethod
    def from_floats(cls, array: Any, name: str = "matrix") -> RationalMatrix:
        """Read an array or tensor of finite floats or ints of at most 2 axes; one axis makes a
        column.

        Raises InvalidInput with `name` and the index of the first NaN or infinity.
        """
        values = _as_float64(plain_array(array, name), name)
        if values.ndim not in (1, 2):
            raise InvalidInput(
                f"{name} must have 1 or 2 axes",
                value=values.shape,
                remedy="give a vector or a matrix",
            )
        _refuse_non_finite(values, name)
        values = values.reshape(-1, 1) if values.ndim == 1 else values
        values = without_negative_zeros(values)
        values.flags.writeable = False
        return cls(values, None, (values.shape[0], values.shape[1]))

    @classmethod
    def from_rationals(cls, rows: Sequence[Any], name: str = "matrix") -> RationalMatrix:
        """Read nested sequences of anything :func:`rational` accepts; a flat sequence makes a
        column.
        """
        nested = [listed(row, name) if _is_sequence(row) else [row] for row in listed(rows, name)]
        width = len(nested[0]) if nested else 0
        for index, row in enumerate(nested):
            if len(row) != width:
                raise InvalidInput(
                    f"{name} is ragged",
                    value=f"row {index} has {len(row)} entries, row 0 {width}",
                    remedy="give rows of equal length",
                )
        entries = [
            rational(x, f"{name}[{i}, {j}]")
            for i, row in enumerate(nested)
            for j, x in enumerate(row)
        ]
        return cls(None, fmpq_mat(len(nested), width, entries), (len(nested), width))

    @classmethod
    def from_backend(cls, matrix: fmpq_mat) -> RationalMatrix:
        """Wrap a backend matrix."""
        return cls(None, matrix, (matrix.nrows(), matrix.ncols()))

    @classmethod
    def read(cls, values: Any, name: str = "matrix") -> RationalMatrix:
        """Read floats or rationals, whichever `values` holds; a RationalMatrix passes through."""
        if isinstance(values, RationalMatrix):
            return values
        array = plain_array(values, name) if is_array(values) else None
        if array is None or array.dtype.kind in "OU":
            return cls.from_rationals(values if array is None else list(array), name)
        return cls.from_floats(array, name)

    @cached_property
    def exact(self) -> fmpq_mat:
        """The whole matrix in the backend (converted once; a large float matrix costs a microsecond
        an entry).
        """
        if self._rows is not None:
            return self._rows
        assert self._floats is not None
        return fmpq_mat(*self.shape, _exact_entries(self._floats.ravel()))

    def row(self, index: int) -> list[fmpq]:
        """One row as backend rationals, converting no other row; those of small matrices are kept,
        since exact signs ask for few rows often.
        """
        if self._rows is None and self._floats is not None:
            if self._floats.size > _MOST_KEPT:
                return _exact_entries(self._floats[index])
            if index not in self._kept:
                self._kept[index] = _exact_entries(self._floats[index], self._has_subnormals)
            return list(self._kept[index])
        return [self.exact[index, j] for j in range(self.shape[1])]

    @cached_property
    def _kept(self) -> dict[int, list[fmpq]]:
        return {}

    @cached_property
    def _has_subnormals(self) -> bool:
        return self._floats is not None and bool(subnormal(self._floats).any())

    @cached_property
    def is_zero(self) -> bool:
        """Whether all entries are; of floats no rational is made.

        >>> RationalMatrix.from_floats([0.0, -0.0]).is_zero
        True
        >>> RationalMatrix.from_floats([0.0, 5e-324]).is_zero
        False
        """
        if self._floats is None:
            return not any(self.exact.entries())
        # by bits but the sign's, whatever the processor makes of subnormals
        bits = np.ascontiguousarray(self._floats).view(np.uint64)
        return not bool((bits << np.uint64(1)).any())

    def column(self) -> list[fmpq]:
        """The entries of a one-column matrix as backend rationals."""
        return list(self.exact.entries())

    @property
    def stores_floats(self) -> bool:
        """Whether it is stored as float64, and no rational is needed to know its entries."""
        return self._floats is not None

    def float64(self) -> FloatArray:
        """The nearest float64 array, approximate only where :attr:`is_float` is False."""
        return self._floats if self._floats is not None else self._rounded

    @cached_property
    def _rounded(self) -> FloatArray:
        return nearest_floats(self.exact.entries()).reshape(self.shape)

    def float64_error(self) -> FloatArray:
        """A bound on |float64() - exact|, entry by entry; zero where the storage is lossless."""
        return np.zeros(self.shape) if self._floats is not None else rounding_error(self._rounded)

    @cached_property
    def is_float(self) -> bool:
        """Whether every entry is a float64."""
        if self._floats is not None:
            return True
        values = self._rounded.ravel()
        return bool(np.isfinite(values).all()) and _exact_entries(values) == list(
            self.exact.entries()
        )

    @cached_property
    def digest(self) -> bytes:
        """sha256 of the values: of the float64 bytes where that is lossless, else of the fractions
        as text.
        """
        if self.is_float:
            body = without_negative_zeros(self.float64()).astype("<f8").tobytes()
        else:
            body = ",".join(f"{x.p}/{x.q}" for x in self.exact.entries()).encode()
        return hashlib.sha256(f"{self.shape}:{self.is_float}:".encode() + body).digest()

    def tolist(self) -> list[list[Fraction]]:
        """Nested lists of Fractions."""
        return [[fraction(x) for x in self.row(i)] for i in range(self.shape[0])]

    def __getitem__(self, index: int | tuple[int, int]) -> Fraction:
        i, j = index if isinstance(index, tuple) else (index, 0)
        if not isinstance(index, tuple) and self.shape[1] != 1:
            raise InvalidInput("a matrix needs two indices", value=index, remedy="write m[i, j]")
        if self._floats is not None:
            return fraction(rational(self._floats[i, j]))
        rows, columns = self.shape
        if not (-rows <= i < rows and -columns <= j < columns):
            raise IndexError(f"index ({i}, {j}) of a {rows} x {columns} matrix")
        return fraction(self.exact[i % rows, j % columns])

    def __reduce__(self) -> tuple[object, ...]:
        """The floats where they are lossless, else the entries: what was computed from them stays
        behind.
        """
        entries = None if self._rows is None else self._rows.entries()
        return _restored_matrix, (self._floats, entries, self.shape)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, RationalMatrix)
            and self.shape == other.shape
            and self.digest == other.digest
        )

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"RationalMatrix({self.shape[0]} x {self.shape[1]})"

    def __str__(self) -> str:
        """The fractions, row by row; only the shape where they would be longer than 200
        characters.
        """
        if self.shape[0] * self.shape[1] > 64:
            return repr(self)
        text = "[" + ", ".join("[" + ", ".join(map(str, row)) + "]" for row in self.tolist()) + "]"
        return text if len(text) <= MOST else repr(self)


def _restored_matrix(
    floats: FloatArray | None, entries: list[fmpq] | None, shape: tuple[int, int]
) -> RationalMatrix:
    if floats is not None:
        floats.flags.writeable = False
    return RationalMatrix(floats, None if entries is None else fmpq_mat(*shape, entries), shape)


def _exact_entries(floats: FloatArray, with_subnormals: bool = True) -> list[fmpq]:
    """Finite float64 numbers as backend rationals; subnormals from their bits, whatever the
    processor makes of them, unless there are none.
    """
    entries = [fmpq(*x.as_integer_ratio()) for x in floats.tolist()]
    if not with_subnormals:
        return entries
    for index in np.flatnonzero(subnormal(floats)):
        entries[index] = fmpq(int(subnormal_units(floats[index : index + 1])[0]), _UNITS)
    return entries


def _is_sequence(value: object) -> bool:
    many = isinstance(value, Sequence) or is_array(value)
    return many and not isinstance(value, str) and getattr(value, "ndim", 1) > 0


def _as_float64(values: np.ndarray[Any, Any], name: str) -> FloatArray:
    """The same numbers in float64; refuse integers that it cannot hold, objects and text."""
    if (
        values.dtype.kind in "iu"
        and values.size
        and max(-int(values.min()), int(values.max())) > 2**53
    ):
        raise InvalidInput(
            f"{name} has integers beyond 2^53", value=values.dtype, remedy="give Fractions"
        )
    if values.dtype.kind not in "ifbu":
        raise InvalidInput(
            f"{name} is not an array of floats", value=values.dtype, remedy="give float16, 32 or 64"
        )
    return values if values.dtype == np.float64 else values.astype(np.float64)


def _refuse_non_finite(values: FloatArray, name: str) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        index = tuple(int(i) for i in bad[0])
        place = ", ".join(map(str, index))
        raise InvalidInput(
            "a tensor has a non-finite entry",
            value=f"{name}[{place}] = {values[index]}",
            remedy="train or export the network again: every entry must be finite",
        )
