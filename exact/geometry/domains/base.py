"""Where a network is partitioned: boxes, all of R^d, slices, lines, circles and spheres.

A flat domain is a closed convex set, given as an affine map from parameters R^d into the network's
input space with halfspaces in parameter space. The map is a chart of the set's affine hull, so the
points strictly inside all halfspaces are dense in it, and the regions are those relative to the
hull: a set of lower dimension is not empty. A curve is a pencil `alpha u + beta v`: a straight line
is an arc of its directions, a circle all directions (alpha : beta) around the origin. The kinds
stand in `flat`, `straight` and `round`, the list of what can be partitioned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np

from exact.arithmetic.enclosures.ball_matrices import BallMatrix
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, inflation
from exact.arithmetic.linear_algebra import Vector
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    fractions,
    nearest_floats,
    rounding_error,
)
from exact.arithmetic.texts.printing import short_repr, shown
from exact.errors import InvalidInput
from exact.geometry.domains.options import Option
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine
from exact.geometry.polyhedra.polygons import Polygon, polygon
from exact.geometry.polyhedra.programmes.lp import Farkas

_ZERO, _ONE = Rational(0), Rational(1)
_REPR = 120  # characters of the points of a domain that its `repr` writes out
Pair = tuple[Rational, Rational]


@short_repr
@dataclass(frozen=True)
class Flat:
    """An affine chart `origin + sum_k s_k directions[k]` with open halfspaces on the parameters
    s.
    """

    origin: tuple[Rational, ...]
    directions: tuple[tuple[Rational, ...], ...]
    walls: tuple[Halfspace, ...]

    @property
    def dim(self) -> int:
        """The number of parameters d."""
        return len(self.directions)

    def state(self) -> RationalArray:
        """The inputs as coefficients over (s_1, ..., s_d, 1)."""
        rows = [[*(v[i] for v in self.directions), x] for i, x in enumerate(self.origin)]
        return RationalArray(len(self.origin), self.dim + 1, [x for row in rows for x in row])

    def ambient(self, point: Point) -> tuple[Fraction, ...]:
        """The input-space coordinates of a parameter point."""
        columns = RationalArray(self.dim + 1, 1, [*affine(point), _ONE])
        return fractions((self.state() * columns).entries())

    @cached_property
    @in_ieee_floats
    def float_state(self) -> tuple[FloatArray, FloatArray]:
        """The rows of :meth:`state` as floats, transposed (d + 1 x inputs), and bounds on Frobenius
        norms: of the errors of the linear part and of the offset, and of both themselves.
        """
        columns = [*self.directions, self.origin]
        exact = [x in (_ZERO, _ONE) for column in columns for x in column]
        rows = nearest_floats([x for column in columns for x in column])
        errors = np.where(exact, 0.0, rounding_error(rows)).reshape(len(columns), -1)
        rows = rows.reshape(len(columns), -1)
        parts = (errors[:-1], errors[-1], rows[:-1], rows[-1])
        norms = np.array([np.linalg.norm(part) for part in parts])
        return rows, norms * inflation(4 * rows.size) + LEAST_ROOT

    @cached_property
    def polygon(self) -> Polygon | None:
        """The walls of two parameters as a bounded polygon; None where they leave none with inner
        points.
        """
        return polygon(self.walls) if self.dim == 2 else None


@short_repr
@dataclass(frozen=True)
class Curve:
    """A pencil `alpha u + beta v` over the directions from (1, 0) counter-clockwise to `end`, or
    over all of them.

    On a straight line the functional `one` is the constant 1, so that the points are `(alpha u +
    beta v) / one` and the parameter t is `along / one`. A circle has neither. `radius_squared` is
    the squared radius of a circle that no norm supplies. An ellipse has a `centre`: its points are
    `centre + (alpha u + beta v) / N` with N^2 = alpha^2 + 2 cosine alpha beta + beta^2.
    """

    u: tuple[Rational, ...]
    v: tuple[Rational, ...]
    end: Pair | None
    one: Pair | None = None
    along: Pair | None = None
    radius_squared: Rational | None = None
    centre: tuple[Rational, ...] | None = None
    cosine: Rational = _ZERO

    @property
    def is_of_directions(self) -> bool:
        """Whether it is a circle whose radius is left to a norm."""
        return self.one is None and self.radius_squared is None and self.centre is None

    def state(self) -> RationalArray:
        """The inputs as coefficients over (alpha, beta), on an ellipse over (alpha, beta, N)."""
        return self._state

    def __getstate__(self) -> dict[str, object]:
        """Without what is made again when asked for: the backend's matrices do not travel."""
        made = ("balls", "_state")
        return {name: value for name, value in vars(self).items() if name not in made}

    @cached_property
    @in_ieee_floats
    def balls(self) -> BallMatrix:
        """The entries of :meth:`state` as floats, with what they err by."""
        return BallMatrix.of(self._state)

    @cached_property
    def _state(self) -> RationalArray:
        columns = (self.u, self.v, *(() if self.centre is None else (self.centre,)))
        rows = zip(*columns, strict=True)
        return RationalArray(len(self.u), len(columns), [x for row in rows for x in row])

    def ambient(self, alpha: Rational, beta: Rational) -> tuple[Fraction, ...]:
        """The input at a rational direction: a point of the line, or a vector along that direction
        of the circle; from the centre of an ellipse, a point of it where N is 1.
        """
        scale = _ONE if self.one is None else self.one[0] * alpha + self.one[1] * beta
        points = [(alpha * x + beta * y) / scale for x, y in zip(self.u, self.v, strict=True)]
        if self.centre is None:
            return fractions(points)
        return fractions(x + c for x, c in zip(points, self.centre, strict=True))


class Domain(ABC):
    """A subset of the input space of a network.

    `cli` says how a command line asks for it, where it can.

    >>> from exact import Box
    >>> isinstance(Box(-1, 1, dim=2), Domain)
    True
    """

    cli: ClassVar[Option | None] = None

    @classmethod
    def of_points(
        cls, points: Sequence[Sequence[Fraction]], dim: int, radius_squared: Fraction | None = None
    ) -> Domain:
        """The domain in R^dim that the points behind its option ask for.

        A bare 0 is the origin, but for directions. Raises InvalidInput where the points do not span
        the domain.

        >>> from exact import Segment
        >>> Segment.of_points([[0], [1, 2]], dim=2)
        Segment((0, 0) to (1, 2))
        """
        make: Callable[..., Domain] = cls
        if cls.cli is not None and cls.cli.takes_radius:
            return make(*points, radius_squared)
        bare = ((*point,) * dim if len(point) == 1 and point[0] == 0 else point for point in points)
        return make(*bare)

    @abstractmethod
    def check(self, input_dim: int) -> None:
        """Raise InvalidInput unless the domain lies in R^input_dim."""

    def _check_dim(self, own: int, input_dim: int) -> None:
        if own != input_dim:
            raise InvalidInput(
                f"{type(self).__name__} does not fit the network",
                value=f"dimension {own}, the network reads {input_dim}",
                remedy=f"give a domain in R^{input_dim}",
            )


class FlatDomain(Domain):
    """A convex domain with a flat chart."""

    @abstractmethod
    def flat(self) -> Flat:
        """The chart and its walls."""

    @property
    def is_polyhedral(self) -> bool:
        """Whether the walls of the chart cut out the whole domain; a ball has a boundary that no
        wall describes.
        """
        return True

    @property
    def empty(self) -> Farkas | None:
        """A proof that no point satisfies the walls of the chart: multipliers that cancel the
        normals and leave a sum < 0.
        """
        return None

    @property
    def is_lower_dimensional(self) -> bool:
        """Whether bounds or halfspaces hold with equality all over the domain, so that it has its
        affine hull's dimension.
        """
        return False

    def contains(self, point: Point) -> bool:
        """Whether a parameter point lies in the relative interior of the domain."""
        return all(wall.value(point) > 0 for wall in self.flat().walls)


class CurveDomain(Domain):
    """A one-dimensional domain."""

    @abstractmethod
    def curve(self) -> Curve:
        """The pencil and its arc."""


@lru_cache(maxsize=4)
def _unit_vectors(n: int) -> tuple[tuple[Rational, ...], ...]:
    zeros = (_ZERO,) * n
    return tuple((*zeros[:i], _ONE, *zeros[i + 1 :]) for i in range(n))


def _bound(n: int, k: int, side: int, bound: Rational) -> Halfspace:
    """The points of R^n with `side (x_k - bound) > 0`, side being 1 or -1; a rational is reduced,
    so these are coprime.
    """
    numerator, denominator = int(bound.p), int(bound.q)
    return Halfspace((*[0] * k, side * denominator, *[0] * (n - 1 - k), -side * numerator))


def _has_entries(value: object) -> bool:
    """Whether a value is meant as a vector: text and arrays without an axis are numbers."""
    return (
        hasattr(value, "__len__") and not isinstance(value, str) and getattr(value, "ndim", 1) > 0
    )


def _difference(a: Sequence[Rational], b: Sequence[Rational]) -> Vector:
    return [x - y for x, y in zip(a, b, strict=True)]


def _same_length(points: Sequence[Sequence[Rational]]) -> None:
    if len({len(p) for p in points}) != 1 or not points[0]:
        raise InvalidInput(
            "points of one domain differ in dimension",
            value=[len(p) for p in points],
            remedy="give vectors of equal length",
        )


def _show(points: Sequence[Sequence[Rational]]) -> str:
    """Points for messages: short ones in full, long ones by their dimension."""
    texts = [f"({', '.join(map(shown, p))})" if len(p) <= 4 else f"<R^{len(p)}>" for p in points]
    pairs = zip(texts, points, strict=True)
    return ", ".join(
        text if len(text) <= _REPR // len(texts) else f"<R^{len(point)}>" for text, point in pairs
    )
