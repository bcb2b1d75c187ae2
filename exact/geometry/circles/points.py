"""Points where circles on a sphere `y' G y = R` meet: exact predicates, and enclosures that the
float filter starts from.

In integers: G the scaled Gram matrix, B its adjugate, delta its determinant, planes `n_i . y + c_i
= 0`. With s_ij = n_i' B n_j, w = s_ii s_jj - s_ij^2 and q = c_i^2 s_jj - 2 c_i c_j s_ij + c_j^2
s_ii two planes and the sphere meet in `y = (P +- sqrt(d) u) / w`, where u = n_i x n_j, P = -B
((s_jj c_i - s_ij c_j) n_i + (s_ii c_j - s_ij c_i) n_j) and d = delta (R w - delta q): twice, once,
or never by the sign of R w - delta q. (P is the foot of the centre on their common line, and u' G u
= w / delta.) The circle of i runs with the positive side on its left, along `n_i x G y`; at the
point with `+` it leaves the positive side of j.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cmp_to_key

import numpy as np

from exact.arithmetic.numbers import (
    Ball,
    FloatArray,
    Integer,
    Rational,
    RationalArray,
    ball_precision,
)
from exact.arithmetic.surds import Surd, sign_of_biquadratic, sign_of_surd
from exact.geometry.circles.complex import SurdPoint

Vector = tuple[Integer, Integer, Integer]
# the other circle, and +1 where its positive side is left, -1 where it is entered
Spot = tuple[int, int]
_ZERO = Integer(0)
_ROW_BITS, _FINE = 128, 2.0**-70
_NARROW = 2.0**-44  # of an enclosure made in balls
_MOST_BITS = 4096


def _dot(a: Vector, b: Vector) -> Integer:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    """The cross product."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _sign(value: Integer) -> int:
    return (value > 0) - (value < 0)


class CirclePlanes:
    """Planes that cut a sphere, in integers; circles are named by their index."""

    def __init__(self, gram: RationalArray, radius_squared: Rational) -> None:
        numerators, denominator = gram.numer_denom()
        entries = [x * radius_squared.q for x in numerators.entries()]
        square, divisor = Integer(denominator * radius_squared.p), Integer(0)
        for x in (*entries, square):
            divisor = divisor.gcd(x)
        g = [x // divisor for x in entries]
        self.gram: tuple[Vector, ...] = ((g[0], g[1], g[2]), (g[3], g[4], g[5]), (g[6], g[7], g[8]))
        self.adjugate = tuple(
            cross(self.gram[(k + 1) % 3], self.gram[(k + 2) % 3]) for k in range(3)
        )
        self.delta, self.square = _dot(self.gram[0], self.adjugate[0]), square // divisor
        self.normals, self.offsets = list[Vector](), list[Integer]()
        self.axes, self.norms = list[Vector](), list[Integer]()
        self._factors = dict[int, tuple[Ball, ...]]()
        self._rows = dict[tuple[int, int], tuple[Ball, ...]]()

    def __len__(self) -> int:
        return len(self.normals)

    def add(self, coefficients: Sequence[int | Integer]) -> int:
        """Add the plane with coefficients (normal, offset), whatever its place; returns the sign of
        its number of points.

        1: a circle; 0: one point; -1: none, or the normal is zero.
        """
        a, b, c, offset = map(Integer, coefficients)
        normal = (a, b, c)
        axis = (
            _dot(self.adjugate[0], normal),
            _dot(self.adjugate[1], normal),
            _dot(self.adjugate[2], normal),
        )
        self.normals.append(normal)
        self.offsets.append(offset)
        self.axes.append(axis)
        self.norms.append(_dot(axis, normal))
        return _sign(self.excess(len(self) - 1)) if self.norms[-1] != 0 else -1

    def drop(self) -> None:
        """Take back the plane added last."""
        for column in (self.normals, self.offsets, self.axes, self.norms):
            column.pop()
        for key in [key for key in self._rows if key[0] == len(self)]:
            del self._rows[key]

    def excess(self, i: int) -> Integer:
        """R s_ii - delta c_i^2, a positive multiple of the squared radius of the circle."""
        return self.square * self.norms[i] - self.delta * self.offsets[i] * self.offsets[i]

    def _products(self, i: int, j: int) -> tuple[Integer, Integer, Integer]:
        """(s_ij, w, R w - delta q)."""
        s = self.norms[i]
        t = self.norms[j]
        mixed = _dot(self.axes[i], self.normals[j])
        c = self.offsets[i]
        e = self.offsets[j]
        w = s * t - mixed * mixed
        return mixed, w, self.square * w - self.delta * (c * c * t - 2 * c * e * mixed + e * e * s)

    def meeting(self, i: int, j: int) -> int:
        """1 when two different circles cross, 0 when they touch, -1 when they miss each other."""
        return _sign(self._products(i, j)[2])

    def alignment(self, i: int, j: int) -> int:
        """The sign of the inner product of the directions of two circles where they meet."""
        mixed = _dot(self.axes[i], self.normals[j])
        return _sign(self.square * mixed - self.delta * self.offsets[i] * self.offsets[j])

    def compare_curvature(self, first: Spot, second: Spot) -> int:
        """The sign of the difference of the geodesic curvatures of two circles, each run along (1)
        or against (-1) its sense.

        Positive for a circle that bends to its left; the curvature is a positive multiple of `-c /
        sqrt(excess)`.
        """
        (i, s), (j, t) = first, second
        a, b = -s * self.offsets[i], -t * self.offsets[j]
        if _sign(a) != _sign(b) or a == 0:
            return (_sign(a) > _sign(b)) - (_sign(a) < _sign(b))
        return _sign(a) * _sign(a * a * self.excess(j) - b * b * self.excess(i))

    def side(self, i: int, j: int) -> int:
        """The sign of plane j on circle i, which it does not cross (at most touches)."""
        mixed = _dot(self.axes[i], self.normals[j])
        return _sign(self.offsets[j] * self.norms[i] - self.offsets[i] * mixed)

    def line(self, i: int, j: int) -> tuple[Vector, Vector, Integer, Integer]:
        """(P, u, d, w): the two points are `(P +- sqrt(d) u) / w`."""
        mixed, w, excess = self._products(i, j)
        a = self.norms[j] * self.offsets[i] - mixed * self.offsets[j]
        b = self.norms[i] * self.offsets[j] - mixed * self.offsets[i]
        p, q = self.axes[i], self.axes[j]
        foot = (-(a * p[0] + b * q[0]), -(a * p[1] + b * q[1]), -(a * p[2] + b * q[2]))
        return foot, cross(self.normals[i], self.normals[j]), self.delta * excess, w

    def point(self, i: int, spot: Spot) -> SurdPoint:
        """The exact coordinates of a point of circle i."""
        foot, along, d, w = self.line(i, spot[0])
        x, y, z = (
            Surd(Rational(p, w), Rational(spot[1] * u, w), Rational(d))
            for p, u in zip(foot, along, strict=True)
        )
        return x, y, z

    # ---- enclosures

    def unit_rows(self, first: int = 0) -> FloatArray:
        """The circles from `first` on the unit sphere, as `exact.kernels.small_circles` reads them;
        each entry within 2^-53.
        """
        rows = [self._unit_row(i) for i in range(first, len(self))]
        return np.array(rows, dtype=np.float64).reshape(len(rows), 11)

    def _unit_row(self, i: int) -> list[float]:
        bits = _ROW_BITS
        while True:
            row = self.ball_row(i, bits)
            if all(float(x.rad()) < _FINE for x in row):
                return [float(x) for x in row]
            bits *= 2

    def ball_row(self, i: int, bits: int) -> tuple[Ball, ...]:
        """The unit normal, the height, one minus its square, and the frame of a circle on the unit
        sphere, as balls.

        The point y of the sphere is `L' y / sqrt(R)` on the unit sphere, with the Cholesky factor G
        = L L'.
        """
        with ball_precision(bits):
            a, b, c, d, e, f = self._cholesky(bits)
            length, normal = Ball(Rational(self.norms[i], self.delta)).sqrt(), self.normals[i]
            x = normal[0] / a
            y = (normal[1] - b * x) / c
            nu = (x / length, y / length, (normal[2] - d * x - e * y) / f / length)
            along = self.frame_vector(i)
            size = Ball(_dot(along, self.lowered(along))).sqrt()
            first = (
                (a * along[0] + b * along[1] + d * along[2]) / size,
                (c * along[1] + e * along[2]) / size,
                f * along[2] / size,
            )
            second = (
                nu[1] * first[2] - nu[2] * first[1],
                nu[2] * first[0] - nu[0] * first[2],
                nu[0] * first[1] - nu[1] * first[0],
            )
            height = -self.offsets[i] / (length * Ball(self.square).sqrt())
            excess = Ball(Rational(self.excess(i), self.square * self.norms[i]))
            return (*nu, height, excess, *first, *second)

    def frame_vector(self, i: int) -> Vector:
        """A vector in the plane of circle i, from which positions on it are counted."""
        x, y, z = (abs(v) for v in self.normals[i])
        a, b, c = self.normals[i]
        if x <= y and x <= z:
            return (_ZERO, c, -b)
        return (-c, _ZERO, a) if y <= z else (b, -a, _ZERO)

    def lowered(self, vector: Vector) -> Vector:
        """G times a vector."""
        return (_dot(self.gram[0], vector), _dot(self.gram[1], vector), _dot(self.gram[2], vector))

    def _cholesky(self, bits: int) -> tuple[Ball, ...]:
        """The lower triangle of L, row by row."""
        if bits not in self._factors:
            g = self.gram
            a = Ball(g[0][0]).sqrt()
            b, d = g[1][0] / a, g[2][0] / a
            # of the first two rows: no difference, so no cancellation
            minor = Rational(self.adjugate[2][2], g[0][0])
            c = Ball(minor).sqrt()
            e = (g[2][1] - d * b) / c
            self._factors[bits] = (
                a,
                b,
                c,
                d,
                e,
                Ball(Rational(self.delta, self.adjugate[2][2])).sqrt(),
            )
        return self._factors[bits]

    def from_unit(self) -> FloatArray:
        """The matrix that leads from the unit sphere to coordinates y, approximately."""
        with ball_precision(_ROW_BITS):
            a, b, c, d, e, f = self._cholesky(_ROW_BITS)
            root = Ball(self.square).sqrt()
            zero = Ball(0)
            upper = (
                (1 / a, -b / (a * c), (b * e - c * d) / (a * c * f)),
                (zero, 1 / c, -e / (c * f)),
                (zero, zero, 1 / f),
            )
            return np.array([[float(root * x) for x in row] for row in upper], dtype=np.float64)

    def enclosed(self, i: int, spot: Spot) -> tuple[float, float]:
        """Bounds on the diamond angle of a point of circle i from its frame vector, the lower one
        in [0, 4).
        """
        bits = _ROW_BITS
        while bits <= _MOST_BITS:
            with ball_precision(bits):
                angle = self._diamond(i, spot, bits)
                if float(angle.rad()) < _NARROW:
                    low, high = (float(angle) - 2 * _NARROW, float(angle) + 2 * _NARROW)
                    return (low + 4.0, high + 4.0 + _NARROW) if low < 0 else (low, high)
            bits *= 2
        return 0.0, 4.0

    def _kept_row(self, i: int, bits: int) -> tuple[Ball, ...]:
        if (i, bits) not in self._rows:
            self._rows[i, bits] = self.ball_row(i, bits)
        return self._rows[i, bits]

    def _diamond(self, i: int, spot: Spot, bits: int) -> Ball:
        j, leaving = spot
        own, other = self._kept_row(i, bits), self._kept_row(j, bits)
        g, p, r = (
            sum((x * y for x, y in zip(other[:3], own[k : k + 3], strict=True)), Ball(0))
            for k in (0, 5, 8)
        )
        q = other[3] - own[3] * g
        excess = self.square * self._products(i, j)[2]
        s = (
            -leaving
            * Ball(
                Rational(excess, self.square * self.square * self.norms[i] * self.norms[j])
            ).sqrt()
        )
        x, y = p * q + r * s, r * q - p * s
        size = abs(x) + abs(y)
        if abs(x.mid()) < abs(y.mid()):  # as balls: both may be below the least float
            return 1 - x / size if y.mid() > 0 else 3 + x / size
        return y / size if x.mid() > 0 else 2 - y / size


class CircleOrder:
    """The exact order of points along one circle."""

    def __init__(self, planes: CirclePlanes, circle: int) -> None:
        self._planes, self._circle = planes, circle
        self._axis, self._start = planes.axes[circle], planes.frame_vector(circle)
        self._lines: dict[int, tuple[Vector, Vector, Integer, Vector, Vector]] = {}
        self.decisions = 0

    def groups(self, spots: Sequence[Spot]) -> list[list[Spot]]:
        """The points in order, equal ones together; all within half a turn of each other."""
        return self._grouped(spots, lambda p, q: -self.turn(p, q))

    def all_groups(self, spots: Sequence[Spot]) -> list[list[Spot]]:
        """The points in cyclic order from the frame vector, equal ones together."""
        half = {spot: self._half(spot) for spot in spots}
        return self._grouped(spots, lambda p, q: half[p] - half[q] or -self.turn(p, q))

    def _grouped(
        self, spots: Sequence[Spot], compare: Callable[[Spot, Spot], int]
    ) -> list[list[Spot]]:
        def first(a: list[Spot], b: list[Spot]) -> int:
            return compare(a[0], b[0])

        found = dict[tuple[Integer, ...], list[Spot]]()
        for spot in spots:
            found.setdefault(self._key(spot), []).append(spot)
        self.decisions += len(spots)
        return sorted(found.values(), key=cmp_to_key(first))

    def _key(self, spot: Spot) -> tuple[Integer, ...]:
        """The same for equal points only: the coordinates, or of each `a + b sqrt(d)` a, and b^2 d
        with the sign of b.

        An irrational number of this form determines both.
        """
        foot, along, d, w = self._planes.line(self._circle, spot[0])
        root = d.isqrt()
        if root * root == d:
            parts = [Rational(p + spot[1] * root * u, w) for p, u in zip(foot, along, strict=True)]
        else:
            parts = [Rational(p, w) for p in foot] + [
                Rational(spot[1] * u * abs(u) * d, w * w) for u in along
            ]
        return tuple(x for part in parts for x in (part.p, part.q))

    def turn(self, p: Spot, q: Spot) -> int:
        """The sign of the turn from p to q about the axis of the circle: of the determinant of the
        axis, p and q.
        """
        self.decisions += 1
        _, _, d, foot_turn, along_turn = self._line(p[0])
        foot, along, e, _, _ = self._line(q[0])
        x, y = _dot(foot_turn, foot), p[1] * _dot(along_turn, foot)
        z, w = q[1] * _dot(foot_turn, along), p[1] * q[1] * _dot(along_turn, along)
        return sign_of_biquadratic(
            Rational(x), Rational(y), Rational(z), Rational(w), Rational(d), Rational(e)
        )

    def _half(self, spot: Spot) -> int:
        """0 for points less than half a turn from the frame vector, counter-clockwise, 1 for the
        others.
        """
        foot, along, d, _, _ = self._line(spot[0])
        across = cross(self._axis, self._start)
        side = sign_of_surd(
            Rational(_dot(across, foot)), Rational(spot[1] * _dot(across, along)), Rational(d)
        )
        if side == 0:
            metric = self._planes.lowered(self._start)
            side = sign_of_surd(
                Rational(_dot(metric, foot)), Rational(spot[1] * _dot(metric, along)), Rational(d)
            )
        return 0 if side > 0 else 1

    def _line(self, j: int) -> tuple[Vector, Vector, Integer, Vector, Vector]:
        if j not in self._lines:
            foot, along, d, _ = self._planes.line(self._circle, j)
            self._lines[j] = (foot, along, d, cross(self._axis, foot), cross(self._axis, along))
        return self._lines[j]


Outgoing = tuple[int, int]  # a circle, and +1 to leave the vertex along it, -1 against it


class Rotation:
    """The counter-clockwise order in which circles leave one vertex."""

    def __init__(self, geometry: CirclePlanes) -> None:
        self._geometry = geometry
        self._turns = dict[tuple[int, int], int]()

    def add(self, i: int, j: int, turn: int) -> None:
        """Circle j turns off circle i to the left (1) or to the right (-1); both, where they
        touch.
        """
        self._turns[i, j] = self._turns.get((i, j), 0) + turn

    def sorted(self, directions: list[Outgoing]) -> list[Outgoing]:
        """The directions in counter-clockwise order."""
        first = min(directions)
        half = {d: self._half(first, d) for d in directions}

        def compare(a: Outgoing, b: Outgoing) -> int:
            return half[a] - half[b] or -self._turn(a, b) or self._bend(a, b)

        return sorted(directions, key=cmp_to_key(compare))

    def _turn(self, a: Outgoing, b: Outgoing) -> int:
        return a[1] * b[1] * self._turns.get((a[0], b[0]), 0)

    def _half(self, first: Outgoing, d: Outgoing) -> int:
        turn = self._turn(first, d)
        if turn == 0:
            turn = (
                first[1]
                * d[1]
                * (1 if first[0] == d[0] else self._geometry.alignment(first[0], d[0]))
            )
        return 0 if turn > 0 else 1

    def _bend(self, a: Outgoing, b: Outgoing) -> int:
        """The order of two circles that leave in the same direction: what bends more to the left
        comes later.
        """
        return 0 if a == b else self._geometry.compare_curvature(a, b)
