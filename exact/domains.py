"""Where a network is partitioned: boxes, all of R^d, slices, lines, circles and spheres.

A flat domain is a closed convex set, given as an affine map from parameters R^d into the network's input space with halfspaces
in parameter space. The map is a chart of the set's affine hull, so the points strictly inside all halfspaces are dense in
it, and the regions are those relative to the hull: a set of lower dimension is not empty. A curve is a pencil
`alpha u + beta v`: a straight line is an arc of its directions, a circle all directions (alpha : beta) around the origin. All
domains stand in this one file, longer than others, because it is the list of what can be partitioned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

from exact.affine_hulls import AffineHull, affine_hull
from exact.errors import InvalidInput
from exact.halfspace import Halfspace, Point, affine
from exact.linear_algebra import Vector, dot, rank
from exact.lp import Farkas
from exact.numbers import Rational, RationalArray, fractions, listed, rational, rationals, whole_number
from exact.printing import short_repr, shown

_ZERO, _ONE = Rational(0), Rational(1)
_REPR = 120  # characters of the points of a domain that its `repr` writes out
Pair = tuple[Rational, Rational]


@short_repr
@dataclass(frozen=True)
class Flat:
    """An affine chart `origin + sum_k s_k directions[k]` with open halfspaces on the parameters s."""

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


@short_repr
@dataclass(frozen=True)
class Curve:
    """A pencil `alpha u + beta v` over the directions from (1, 0) counter-clockwise to `end`, or over all of them.

    On a straight line the functional `one` is the constant 1, so that the points are `(alpha u + beta v) / one` and the
    parameter t is `along / one`. A circle has neither. `radius_squared` is the squared radius of a circle that no norm
    supplies.
    """

    u: tuple[Rational, ...]
    v: tuple[Rational, ...]
    end: Pair | None
    one: Pair | None = None
    along: Pair | None = None
    radius_squared: Rational | None = None

    def state(self) -> RationalArray:
        """The inputs as coefficients over (alpha, beta)."""
        return RationalArray(len(self.u), 2, [x for pair in zip(self.u, self.v, strict=True) for x in pair])

    def ambient(self, alpha: Rational, beta: Rational) -> tuple[Fraction, ...]:
        """The input at a rational direction: a point of the line, or a vector along that direction of the circle."""
        scale = _ONE if self.one is None else self.one[0] * alpha + self.one[1] * beta
        return fractions((alpha * x + beta * y) / scale for x, y in zip(self.u, self.v, strict=True))


class Domain(ABC):
    """A subset of the input space of a network."""

    @abstractmethod
    def check(self, input_dim: int) -> None:
        """Raise InvalidInput unless the domain lies in R^input_dim."""

    def _check_dim(self, own: int, input_dim: int) -> None:
        if own != input_dim:
            raise InvalidInput(f"{type(self).__name__} does not fit the network",
                               value=f"dimension {own}, the network reads {input_dim}",
                               remedy=f"give a domain in R^{input_dim}")  # fmt: skip


class FlatDomain(Domain):
    """A convex domain with a flat chart."""

    @abstractmethod
    def flat(self) -> Flat:
        """The chart and its walls."""

    @property
    def is_polyhedral(self) -> bool:
        """Whether the walls of the chart cut out the whole domain; a ball has a boundary that no wall describes."""
        return True

    @property
    def empty(self) -> Farkas | None:
        """A proof that no point satisfies the walls of the chart: multipliers that cancel the normals and leave a sum < 0."""
        return None

    @property
    def is_lower_dimensional(self) -> bool:
        """Whether bounds or halfspaces hold with equality all over the domain, so that it has its affine hull's dimension."""
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
    """The points of R^n with `side (x_k - bound) > 0`, side being 1 or -1; a rational is reduced, so these are coprime."""
    numerator, denominator = int(bound.p), int(bound.q)
    return Halfspace((*[0] * k, side * denominator, *[0] * (n - 1 - k), -side * numerator))


@dataclass(frozen=True, init=False)
class Box(FlatDomain):
    """The box `lo_i <= x_i <= hi_i`. Scalars with `dim`, or sequences of length d.

    Where lo_i = hi_i that coordinate is frozen; the parameters of the box are the others, in their order. All frozen leave a
    point, which has one region of dimension 0. Raises InvalidInput where lo_i > hi_i.

    >>> Box(-1, 1, dim=2), Box([0, 2, 0], [1, 2, 1])
    (Box([-1, 1] x [-1, 1]), Box([0, 1] x {2} x [0, 1]))
    """

    lo: tuple[Rational, ...]
    hi: tuple[Rational, ...]

    def __init__(self, lo: Any, hi: Any, dim: int | None = None) -> None:
        given = {len(x) for x in (lo, hi) if _has_entries(x)}
        sizes = given if dim is None else given | {whole_number(dim, "dim")}
        if len(sizes) != 1 or (size := next(iter(sizes))) < 1:
            raise InvalidInput("the dimension of the box is unclear", value=sorted(sizes), remedy="give dim= or equal lengths")
        bounds = [rationals(x if _has_entries(x) else [x] * size, name) for x, name in ((lo, "lo"), (hi, "hi"))]
        for i, (a, b) in enumerate(zip(*bounds, strict=True)):
            if a > b:
                raise InvalidInput("the box is empty", value=f"lo[{i}] = {a}, hi[{i}] = {b}", remedy="give lo <= hi")
        object.__setattr__(self, "lo", tuple(bounds[0]))
        object.__setattr__(self, "hi", tuple(bounds[1]))

    def check(self, input_dim: int) -> None:
        self._check_dim(len(self.lo), input_dim)

    @property
    def is_lower_dimensional(self) -> bool:
        return any(a == b for a, b in zip(self.lo, self.hi, strict=True))

    def flat(self) -> Flat:
        bounds = list(zip(self.lo, self.hi, strict=True))
        free = [i for i, (a, b) in enumerate(bounds) if a < b]
        units, n = _unit_vectors(len(bounds)), len(free)
        walls = [_bound(n, k, 1, self.lo[i]) for k, i in enumerate(free)]
        walls += [_bound(n, k, -1, self.hi[i]) for k, i in enumerate(free)]
        return Flat(tuple(_ZERO if a < b else a for a, b in bounds), tuple(units[i] for i in free), tuple(walls))

    def __repr__(self) -> str:
        pairs = list(zip(self.lo, self.hi, strict=True))
        sides = [f"[{shown(a, 32)}, {shown(b, 32)}]" if a < b else f"{{{shown(a, 32)}}}" for a, b in pairs]
        text = f"Box({' x '.join(sides)})" if len(sides) <= 16 else ""
        return text if 0 < len(text) <= _REPR else f"Box({sides[0]} x ... of {len(sides)} sides)"


@dataclass(frozen=True)
class RealSpace(FlatDomain):
    """All of R^dim: no bounding box, so unbounded regions are found too."""

    dim: int

    def __post_init__(self) -> None:
        if type(self.dim) is not int or self.dim < 1:
            raise InvalidInput("R^d needs a whole d >= 1", value=repr(self.dim), remedy="give the network's input dimension")

    def check(self, input_dim: int) -> None:
        self._check_dim(self.dim, input_dim)

    def flat(self) -> Flat:
        return Flat((_ZERO,) * self.dim, _unit_vectors(self.dim), ())

    def __repr__(self) -> str:
        return f"RealSpace({self.dim})"


@dataclass(frozen=True, init=False)
class HPolytope(FlatDomain):
    """The closed polyhedron `normal_i . x + offset_i >= 0` for every row i; bounded or not.

    `rows` are Halfspaces, or sequences of d + 1 rationals: the normal, then the offset. `dim` is needed without rows. Where
    rows hold with equality on all of it, it is partitioned on its affine hull, found exactly (:mod:`exact.affine_hulls`): the
    parameters are coordinates of x that determine the others, the first ones where there is a choice. A polyhedron without
    any point has no region, which its partition proves by a Farkas vector. Raises InvalidInput for rows of different lengths.
    Cost: one exact LP when its chart is first asked for, one more for every time that equalities are found.

    >>> HPolytope([[1, 0, 0], [0, 1, 0], [-1, -1, 1]])
    HPolytope(3 halfspaces of R^2)
    """

    rows: tuple[Halfspace, ...]
    dim: int

    def __init__(self, rows: Sequence[Any], dim: int | None = None) -> None:
        halfspaces = tuple(_halfspace(row, f"rows[{i}]") for i, row in enumerate(listed(rows, "rows")))
        given = {len(h.normal) for h in halfspaces}
        sizes = given if dim is None else given | {whole_number(dim, "dim")}
        if len(sizes) != 1 or (size := next(iter(sizes))) < 1:
            raise InvalidInput("the dimension of the polyhedron is unclear", value=sorted(sizes),
                               remedy="give rows of d + 1 numbers: normal, then offset; without rows, dim=")  # fmt: skip
        object.__setattr__(self, "rows", halfspaces)
        object.__setattr__(self, "dim", size)

    def check(self, input_dim: int) -> None:
        self._check_dim(self.dim, input_dim)

    @cached_property
    def hull(self) -> AffineHull | Farkas:
        """The affine hull with the proof of its equalities, or the proof that there is no point."""
        return affine_hull(self.rows, self.dim)

    @property
    def empty(self) -> Farkas | None:
        return self.hull if isinstance(self.hull, Farkas) else None

    @property
    def is_lower_dimensional(self) -> bool:
        return isinstance(self.hull, AffineHull) and len(self.hull.directions) < self.dim

    def flat(self) -> Flat:
        if isinstance(self.hull, Farkas):
            return Flat((_ZERO,) * self.dim, _unit_vectors(self.dim), self.rows)
        return Flat(self.hull.origin, self.hull.directions, self.hull.walls)

    def __repr__(self) -> str:
        return f"HPolytope({len(self.rows)} halfspaces of R^{self.dim})"


def _halfspace(row: Any, name: str) -> Halfspace:
    if isinstance(row, Halfspace):
        return Halfspace.of([Rational(x) for x in row.coefficients])
    if not _has_entries(row):
        raise InvalidInput(f"{name} is not a row", value=repr(row), remedy="give the normal, then the offset")
    return Halfspace.of(rationals(row, name))


@dataclass(frozen=True, init=False)
class Ball(FlatDomain):
    """The open ball `|x - centre|^2 < radius_squared`, with rational centre and squared radius.

    With `directions` it is the part of that ball in the flat `centre + sum_k s_k directions[k]`, an ellipsoid in the
    parameters s; without, its chart is all of R^d. Only the engines `vertices` (one hidden layer) and `round_layers` (any
    depth) cut it. Raises InvalidInput unless `radius_squared` is positive and the directions are independent.

    >>> Ball([0, "1/2"], 2)
    Ball(centre (0, 1/2), radius_squared 2)
    >>> Ball([0, 0, 0], 3, [[1, -1, 0], [0, 1, -1]])
    Ball(centre (0, 0, 0), radius_squared 3, 2 directions)
    """

    centre: tuple[Rational, ...]
    radius_squared: Rational
    directions: tuple[tuple[Rational, ...], ...] | None

    def __init__(self, centre: Any, radius_squared: Any, directions: Any = None) -> None:
        middle, square = tuple(rationals(centre, "centre")), rational(radius_squared, "radius_squared")
        if not middle:
            raise InvalidInput("the centre of the ball has no coordinate", value="()", remedy="give d >= 1 numbers")
        if square <= 0:
            raise InvalidInput("a ball has no positive radius", value=radius_squared, remedy="give radius_squared > 0")
        object.__setattr__(self, "centre", middle)
        object.__setattr__(self, "radius_squared", square)
        object.__setattr__(self, "directions", None if directions is None else _span(directions, middle))

    def check(self, input_dim: int) -> None:
        self._check_dim(len(self.centre), input_dim)

    def flat(self) -> Flat:
        n = len(self.centre)
        return Flat((_ZERO,) * n, _unit_vectors(n), ()) if self.directions is None else Flat(self.centre, self.directions, ())

    @property
    def is_polyhedral(self) -> bool:
        return False

    def contains(self, point: Point) -> bool:
        flat = self.flat()
        columns = zip(*flat.directions, strict=True)
        place = [x + dot(affine(point), column) for x, column in zip(flat.origin, columns, strict=True)]
        gaps = _difference(place, self.centre)
        return bool(dot(gaps, gaps) < self.radius_squared)

    def __repr__(self) -> str:
        span = "" if self.directions is None else f", {len(self.directions)} directions"
        return f"Ball(centre {_show((self.centre,))}, radius_squared {shown(self.radius_squared)}{span})"


def _span(directions: Any, centre: Sequence[Rational]) -> tuple[tuple[Rational, ...], ...]:
    rows = tuple(tuple(rationals(row, f"directions[{i}]")) for i, row in enumerate(listed(directions, "directions")))
    _same_length((centre, *rows))
    if not rows or rank(rows) < len(rows):
        raise InvalidInput("the directions of a ball are dependent", value=_show(rows), remedy="give independent vectors")
    return rows


@dataclass(frozen=True, init=False)
class Plane(FlatDomain):
    """The affine plane through three points: `p0 + s (p1 - p0) + t (p2 - p0)`, optionally with bounds on s and t.

    Parameters (s, t) are the chart in which `polygons()` draws; bounds that coincide freeze a parameter, as in a Box. Raises
    InvalidInput when the points are collinear.
    """

    points: tuple[tuple[Rational, ...], ...]
    bounds: Box | None

    def __init__(self, p0: Any, p1: Any, p2: Any, s: Any = None, t: Any = None) -> None:
        points = tuple(tuple(rationals(p, f"p{i}")) for i, p in enumerate((p0, p1, p2)))
        _same_length(points)
        if rank([_difference(points[1], points[0]), _difference(points[2], points[0])]) < 2:
            raise InvalidInput("the three points of a plane are collinear", value=_show(points), remedy="move one of them")
        if (s is None) != (t is None):
            raise InvalidInput("a plane is bounded in one parameter only", value=(s, t), remedy="give both s= and t=, or none")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "bounds", None if s is None else _rectangle(s, t))

    def check(self, input_dim: int) -> None:
        self._check_dim(len(self.points[0]), input_dim)

    def flat(self) -> Flat:
        p0, p1, p2 = self.points
        plane = Flat(p0, (tuple(_difference(p1, p0)), tuple(_difference(p2, p0))), ())
        if self.bounds is None:
            return plane
        inner = self.bounds.flat()
        origin = [x + dot(inner.origin, sides) for x, sides in zip(p0, zip(*plane.directions, strict=True), strict=True)]
        return Flat(tuple(origin), tuple(plane.directions[e.index(_ONE)] for e in inner.directions), inner.walls)

    @property
    def is_lower_dimensional(self) -> bool:
        return self.bounds is not None and self.bounds.is_lower_dimensional

    def __repr__(self) -> str:
        return f"Plane(through {_show(self.points)})"


def _rectangle(s: Any, t: Any) -> Box:
    bounds = [rationals(values, name) for values, name in ((s, "s"), (t, "t"))]
    for values, name in zip(bounds, ("s", "t"), strict=True):
        if len(values) != 2:
            raise InvalidInput(f"{name} is not a pair of bounds", value=f"{len(values)} numbers", remedy=f"give {name}=(0, 1)")
    return Box([low for low, _ in bounds], [high for _, high in bounds])


class _StraightLine(FlatDomain, CurveDomain):
    """A straight one-dimensional domain `p + t d`; subclasses say which t."""

    @abstractmethod
    def _point(self) -> tuple[Rational, ...]: ...

    @abstractmethod
    def _direction(self) -> tuple[Rational, ...]: ...

    @abstractmethod
    def _walls(self) -> tuple[Halfspace, ...]:
        """The open halfspaces on t."""

    def check(self, input_dim: int) -> None:
        self._check_dim(len(self._point()), input_dim)

    def flat(self) -> Flat:
        return Flat(self._point(), (self._direction(),), self._walls())

    def curve(self) -> Curve:
        end = (_ONE, _ONE) if len(self._walls()) == 2 else (_ZERO, _ONE)
        return Curve(self._point(), self._direction(), end, one=(_ONE, _ZERO), along=(_ZERO, _ONE))

    def _validate(self, names: tuple[str, str]) -> None:
        _same_length((self._point(), self._direction()))
        if not any(x != 0 for x in self._direction()):
            raise InvalidInput(f"{type(self).__name__} has no length", value="direction 0",
                               remedy=f"give a {names[1]} that differs from {names[0]}")  # fmt: skip


_FROM_ZERO, _TO_ONE = Halfspace((1, 0)), Halfspace((-1, 1))


@dataclass(frozen=True, init=False)
class Segment(_StraightLine):
    """The segment from p to q, with parameter t from 0 (p) to 1 (q)."""

    p: tuple[Rational, ...]
    q: tuple[Rational, ...]

    def __init__(self, p: Any, q: Any) -> None:
        object.__setattr__(self, "p", tuple(rationals(p, "p")))
        object.__setattr__(self, "q", tuple(rationals(q, "q")))
        _same_length((self.p, self.q))
        self._validate(("p", "q"))

    def _point(self) -> tuple[Rational, ...]:
        return self.p

    def _direction(self) -> tuple[Rational, ...]:
        return tuple(_difference(self.q, self.p))

    def _walls(self) -> tuple[Halfspace, ...]:
        return (_FROM_ZERO, _TO_ONE)

    def __repr__(self) -> str:
        return f"Segment({_show((self.p,))} to {_show((self.q,))})"


@dataclass(frozen=True, init=False)
class Ray(_StraightLine):
    """The ray `origin + t direction`, t > 0. `origin=0` stands for the origin of the space."""

    origin: tuple[Rational, ...]
    direction: tuple[Rational, ...]

    def __init__(self, origin: Any, direction: Any) -> None:
        object.__setattr__(self, "direction", tuple(rationals(direction, "direction")))
        start = [origin] * len(self.direction) if not _has_entries(origin) and origin == 0 else origin
        object.__setattr__(self, "origin", tuple(rationals(start, "origin")))
        self._validate(("zero", "direction"))

    def _point(self) -> tuple[Rational, ...]:
        return self.origin

    def _direction(self) -> tuple[Rational, ...]:
        return self.direction

    def _walls(self) -> tuple[Halfspace, ...]:
        return (_FROM_ZERO,)

    def __repr__(self) -> str:
        return f"Ray({_show((self.origin,))} along {_show((self.direction,))})"


@dataclass(frozen=True, init=False)
class Line(_StraightLine):
    """The whole line `point + t direction`, t real."""

    point: tuple[Rational, ...]
    direction: tuple[Rational, ...]

    def __init__(self, point: Any, direction: Any) -> None:
        object.__setattr__(self, "point", tuple(rationals(point, "point")))
        object.__setattr__(self, "direction", tuple(rationals(direction, "direction")))
        self._validate(("zero", "direction"))

    def _point(self) -> tuple[Rational, ...]:
        return self.point

    def _direction(self) -> tuple[Rational, ...]:
        return self.direction

    def _walls(self) -> tuple[Halfspace, ...]:
        return ()

    def curve(self) -> Curve:
        reversed_direction = tuple(-x for x in self.direction)
        return Curve(reversed_direction, self.point, (-_ONE, _ZERO), one=(_ZERO, _ONE), along=(-_ONE, _ZERO))

    def __repr__(self) -> str:
        return f"Line({_show((self.point,))} along {_show((self.direction,))})"


def _radius(value: object) -> Rational | None:
    radius_squared = None if value is None else rational(value, "radius_squared")
    if radius_squared is not None and radius_squared <= 0:
        raise InvalidInput("a sphere has no positive radius", value=value, remedy="give radius_squared > 0")
    return radius_squared


@dataclass(frozen=True, init=False)
class Sphere(Domain):
    """The sphere that the network's first norm projects on, at eps = 0; without a norm, |x|^2 = `radius_squared`.

    LayerNorm in R^n leaves a sphere of dimension n - 2 and radius sqrt(n), RMSNorm one of dimension n - 1. With
    eps > 0 it is the limit of every ray far from the origin; `Ray` shows what happens on the way. A circle behind a norm may
    be given a radius where that changes anything, for eps > 0 or a skip connection around the norm: then it consists of
    the inputs with |x|^2 = `radius_squared` in the image of the norm's projection.
    """

    radius_squared: Rational | None

    def __init__(self, radius_squared: Any = None) -> None:
        object.__setattr__(self, "radius_squared", _radius(radius_squared))

    def check(self, input_dim: int) -> None:
        return

    def __repr__(self) -> str:
        return "Sphere()" if self.radius_squared is None else f"Sphere(radius_squared={shown(self.radius_squared)})"


@dataclass(frozen=True, init=False)
class GreatCircle(CurveDomain):
    """The directions `alpha u + beta v`: the geodesic circle through u and v, from u towards v.

    Behind a norm the circle lies on the norm's sphere, through the projections of u and v; without one,
    |x|^2 = `radius_squared` is needed. With a norm a radius may be given where it changes anything, for eps > 0 or a skip
    connection around the first norm: then the circle consists of the inputs `alpha u + beta v` with that |x|^2.
    """

    u: tuple[Rational, ...]
    v: tuple[Rational, ...]
    radius_squared: Rational | None

    def __init__(self, u: Any, v: Any, radius_squared: Any = None) -> None:
        object.__setattr__(self, "u", tuple(rationals(u, "u")))
        object.__setattr__(self, "v", tuple(rationals(v, "v")))
        object.__setattr__(self, "radius_squared", _radius(radius_squared))
        _same_length((self.u, self.v))
        if rank([self.u, self.v]) < 2:
            value = f"u = {_show((self.u,))}, v = {_show((self.v,))}"
            raise InvalidInput("u and v do not span a circle of directions", value=value, remedy="give two independent vectors")

    def check(self, input_dim: int) -> None:
        self._check_dim(len(self.u), input_dim)

    def curve(self) -> Curve:
        return Curve(self.u, self.v, None, radius_squared=self.radius_squared)

    def __repr__(self) -> str:
        return f"GreatCircle(through {_show((self.u, self.v))})"


@dataclass(frozen=True, init=False)
class GreatSphere(Domain):
    """The directions `alpha u + beta v + gamma w`: the great 2-sphere through u, v and w, such as three activations.

    Behind a norm it lies on the norm's sphere, through the projections of u, v and w; without one,
    |x|^2 = `radius_squared` is needed. Raises InvalidInput when the three vectors are dependent.
    """

    u: tuple[Rational, ...]
    v: tuple[Rational, ...]
    w: tuple[Rational, ...]
    radius_squared: Rational | None

    def __init__(self, u: Any, v: Any, w: Any, radius_squared: Any = None) -> None:
        for name, vector in (("u", u), ("v", v), ("w", w)):
            object.__setattr__(self, name, tuple(rationals(vector, name)))
        object.__setattr__(self, "radius_squared", _radius(radius_squared))
        _same_length((self.u, self.v, self.w))
        if rank([self.u, self.v, self.w]) < 3:
            raise InvalidInput("u, v and w do not span a sphere of directions", value=_show((self.u, self.v, self.w)),
                               remedy="give three independent vectors")  # fmt: skip

    def check(self, input_dim: int) -> None:
        self._check_dim(len(self.u), input_dim)

    def __repr__(self) -> str:
        return f"GreatSphere(through {_show((self.u, self.v, self.w))})"


@dataclass(frozen=True)
class NormBall(Domain):
    """The image of the network's first norm for eps > 0: an open ball of radius sqrt(n), before gain and bias.

    Every input reaches it and every point of it is reached, by both eps rules: a direction is a radius of the ball, its
    origin the centre, and the sphere that `Sphere` cuts (eps = 0) is its boundary. Of dimension n - 1 behind LayerNorm, n
    behind RMSNorm. See :class:`exact.norm_balls.NormBallPartition`.

    >>> NormBall()
    NormBall()
    """

    def check(self, input_dim: int) -> None:
        return


def _has_entries(value: object) -> bool:
    """Whether a value is meant as a vector: text and arrays without an axis are numbers."""
    return hasattr(value, "__len__") and not isinstance(value, str) and getattr(value, "ndim", 1) > 0


def _difference(a: Sequence[Rational], b: Sequence[Rational]) -> Vector:
    return [x - y for x, y in zip(a, b, strict=True)]


def _same_length(points: Sequence[Sequence[Rational]]) -> None:
    if len({len(p) for p in points}) != 1 or not points[0]:
        raise InvalidInput("points of one domain differ in dimension", value=[len(p) for p in points],
                           remedy="give vectors of equal length")  # fmt: skip


def _show(points: Sequence[Sequence[Rational]]) -> str:
    """Points for messages: short ones in full, long ones by their dimension."""
    texts = [f"({', '.join(map(shown, p))})" if len(p) <= 4 else f"<R^{len(p)}>" for p in points]
    pairs = zip(texts, points, strict=True)
    return ", ".join(text if len(text) <= _REPR // len(texts) else f"<R^{len(point)}>" for text, point in pairs)
