"""Points at which functions of the parameters vanish, and functions at points.

A function is d coefficients and a constant, and where the domain reaches infinity a multiple of K,
a symbol larger than every number; a point is `x, x0`, or `p, x0, q` for (p + K q) / x0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import NamedTuple

from exact.check.network import sum_of_products
from exact.check.records import Integers, Rejected, Values

Rows = Sequence[Sequence[int]]
_DIGITS = b"01" + bytes(254)
_KEPT = 20000


def values_at(rows: Rows, point: Integers, far: Integers) -> Integers:
    """Functions of the parameters at a point, or far out, where the multiple of K is not zero."""
    found = _combined(rows, point)
    if not any(far):
        return found
    return [x or y for x, y in zip(_combined(rows, [*far, 0]), found, strict=True)]


def _combined(rows: Rows, factors: Integers) -> Integers:
    if len(factors) == 3:
        x, y, z = factors
        return [x * a + y * b + z * c for a, b, c in rows]
    if len(factors) == 4:
        x, y, z, w = factors
        return [x * a + y * b + z * c + w * d for a, b, c, d in rows]
    return [sum_of_products(row, factors) for row in rows]


def signs(values: Integers) -> tuple[int, list[int]]:
    """Which of some numbers are positive, as bits, the first one the highest; and which vanish."""
    positive = int(bytes(x > 0 for x in values).translate(_DIGITS) or b"0", 2)
    return positive, [k for k, x in enumerate(values) if not x] if 0 in values else []


def meet(rows: Rows, dim: int, place: str) -> Values:
    """The one point at which functions vanish, `(p + K q) / x0`, as p, x0 > 0 and, where there is a
    multiple of K, q, without common factor.
    """
    point = _meet(rows, dim)
    if not point or not point[dim]:
        raise Rejected(f"{place}: the constraints do not meet in one point")
    divisor = gcd(*point) if point[dim] > 0 else -gcd(*point)
    return tuple(x // divisor for x in point)


def _meet(rows: Rows, dim: int) -> Integers:
    """As `meet`, with common factors; x0 = 0, or nothing, where there is no such point."""
    if dim == len(rows) == 2:
        return _crossing(*rows)
    if dim == len(rows) == 3:
        return _corner(*rows)
    return _eliminated(rows, dim)


class Meets:
    """Points at which d functions without a multiple of K vanish, with what was found of the first
    few of them for others that begin with these.

    All homogeneous points x, x0 at which k independent functions vanish are the combinations of
    d + 1 - k; one more function f leaves `f(p) b - f(b) p` of them, p one at which it is not zero.
    Divided by what f(p) was for the function before, these are integers, determinants as in
    Bareiss' elimination.
    """

    def __init__(self, dim: int) -> None:
        units = [[int(i == k) for i in range(dim + 1)] for k in range(dim + 1)]
        self._dim, self._root, self._count = dim, _Span(units, 1, {}), 0

    def at(self, names: Sequence[int], rows: Rows, place: str) -> Integers:
        """The one point at which functions with these names vanish, as x, x0 > 0."""
        if self._dim in (2, 3):
            found = _meet(rows, self._dim)
        else:
            span = self._root
            for name, row in zip(names, rows, strict=True):
                known, own = span.known.get(name, (None, span))
                if known is not row:
                    own = self._narrowed(span, name, row)
                span = own
            found = span.points[0] if len(span.points) == 1 else []
        if not found or not found[-1]:
            raise Rejected(f"{place}: the constraints do not meet in one point")
        return found if found[-1] > 0 else [-x for x in found]

    def _narrowed(self, span: _Span, name: int, row: Sequence[int]) -> _Span:
        """What is left where one more function vanishes: kept, unless it is a point."""
        values = [sum_of_products(row, point) for point in span.points]
        pivot = next((k for k, x in enumerate(values) if x), -1)
        if pivot < 0:  # it depends on the others
            return span
        scale, by, points = values[pivot], span.points[pivot], list[Integers]()
        for k, (value, point) in enumerate(zip(values, span.points, strict=True)):
            if k != pivot:
                both = zip(point, by, strict=True)
                points.append([(scale * x - value * y) // span.last for x, y in both])
        found = _Span(points, scale, {})
        if len(points) > 1:
            self._count += 1
            if self._count > _KEPT:
                self._root.known.clear()
                self._count = 0
            span.known[name] = row, found
        return found


class _Span(NamedTuple):
    """Points of which all at which some functions vanish are combinations, by what they were
    divided last, and what is left with one more function.
    """

    points: list[Integers]
    last: int
    known: dict[int, tuple[Sequence[int], _Span]]


def _crossing(first: Sequence[int], second: Sequence[int]) -> Integers:
    """Where two lines meet."""
    a, b, e, *p = first
    c, d, f, *q = second
    far = [[b * v - d * u, c * u - a * v] for u, v in zip(p, q, strict=True)]
    return [b * f - d * e, c * e - a * f, a * d - b * c, *(x for pair in far for x in pair)]


def _corner(first: Sequence[int], second: Sequence[int], third: Sequence[int]) -> Integers:
    """Where three planes meet (Cramer)."""
    a, b, c = _cross(second, third), _cross(third, first), _cross(first, second)
    parts = [
        [-x * p - y * q - z * r for x, y, z in zip(a, b, c, strict=True)]
        for p, q, r in zip(first[3:], second[3:], third[3:], strict=True)
    ]
    scale = sum_of_products(first[:3], a)
    return [*parts[0], scale, *(x for part in parts[1:] for x in part)]


def _cross(first: Sequence[int], second: Sequence[int]) -> Integers:
    (a, b, c), (d, e, f) = first[:3], second[:3]
    return [b * f - c * e, c * d - a * f, a * e - b * d]


def _eliminated(rows: Rows, dim: int) -> Integers:
    """Where functions vanish, by elimination without fractions of the first ones that are
    independent (Bareiss); nothing where they do not determine a point.
    """
    done = list[tuple[int, Sequence[int]]]()
    for given in rows:
        row, last = given, 1
        for column, pivot in done:
            lead, top = row[column], pivot[column]
            row = [(top * x - lead * y) // last for x, y in zip(row, pivot, strict=True)]
            last = top
        column = next((k for k in range(dim) if row[k]), -1)
        if column >= 0:
            done.append((column, row))
        if len(done) == dim:
            break
    if len(done) < dim:
        return []
    scale = done[-1][1][done[-1][0]]
    parts = list[Integers]()
    for part in range(dim, len(rows[0])):  # the constants, and the multiples of K
        point = [0] * dim
        for column, row in reversed(done):
            rest = row[part] * scale + sum_of_products(row[:dim], point)
            point[column] = -rest // row[column]
        parts.append(point)
    return [*parts[0], scale, *(x for point in parts[1:] for x in point)]
