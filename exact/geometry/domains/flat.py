"""Flat domains: boxes, all of R^d, polyhedra, balls, and planes through three points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from exact.arithmetic.linear_algebra import dot, rank
from exact.arithmetic.numbers import Rational, listed, rational, rationals, whole_number
from exact.arithmetic.texts.printing import shown
from exact.errors import InvalidInput
from exact.geometry.domains.base import (
    _ONE,
    _REPR,
    _ZERO,
    Domain,
    Flat,
    FlatDomain,
    _bound,
    _difference,
    _has_entries,
    _same_length,
    _show,
    _unit_vectors,
)
from exact.geometry.domains.options import Option
from exact.geometry.polyhedra.affine_hulls import AffineHull, affine_hull
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine
from exact.geometry.polyhedra.programmes.lp import Farkas


@dataclass(frozen=True, init=False)
class Box(FlatDomain):
    """The box `lo_i <= x_i <= hi_i`. Scalars with `dim`, or sequences of length d.

    Where lo_i = hi_i that coordinate is frozen; the parameters of the box are the others, in their
    order. All frozen leave a point, which has one region of dimension 0. Raises InvalidInput where
    lo_i > hi_i.

    >>> Box(-1, 1, dim=2), Box([0, 2, 0], [1, 2, 1])
    (Box([-1, 1] x [-1, 1]), Box([0, 1] x {2} x [0, 1]))
    """

    lo: tuple[Rational, ...]
    hi: tuple[Rational, ...]

    cli = Option(
        name="box",
        points="LO HI",
        help="The box from LO to HI: one number for all coordinates, or vectors (0,-1 2,1).",
        example="-1 1",
        place=10,
    )

    def __init__(self, lo: Any, hi: Any, dim: int | None = None) -> None:
        given = {len(x) for x in (lo, hi) if _has_entries(x)}
        sizes = given if dim is None else given | {whole_number(dim, "dim")}
        if len(sizes) != 1 or (size := next(iter(sizes))) < 1:
            raise InvalidInput(
                "the dimension of the box is unclear",
                value=sorted(sizes),
                remedy="give dim= or equal lengths",
            )
        bounds = [
            rationals(x if _has_entries(x) else [x] * size, name)
            for x, name in ((lo, "lo"), (hi, "hi"))
        ]
        for i, (a, b) in enumerate(zip(*bounds, strict=True)):
            if a > b:
                raise InvalidInput(
                    "the box is empty",
                    value=f"lo[{i}] = {a}, hi[{i}] = {b}",
                    remedy="give lo <= hi",
                )
        object.__setattr__(self, "lo", tuple(bounds[0]))
        object.__setattr__(self, "hi", tuple(bounds[1]))

    @classmethod
    def of_points(
        cls, points: Sequence[Sequence[Fraction]], dim: int, radius_squared: Fraction | None = None
    ) -> Domain:
        for point in points:
            if len(point) not in (1, dim):
                raise InvalidInput(
                    "--box does not fit the network",
                    value=f"a corner of {len(point)} entries",
                    remedy=f"give one number, or {dim} with commas: --box -1 1 or --box "
                    f"{','.join(['-1'] * dim)} {','.join(['1'] * dim)}"
                    if dim <= 8
                    else f"give one number, or {dim} with commas: --box -1 1",
                )
        lo, hi = ((*point,) * dim if len(point) == 1 else point for point in points)
        return cls(lo, hi)

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
        return Flat(
            tuple(_ZERO if a < b else a for a, b in bounds),
            tuple(units[i] for i in free),
            tuple(walls),
        )

    def __repr__(self) -> str:
        pairs = list(zip(self.lo, self.hi, strict=True))
        sides = [
            f"[{shown(a, 32)}, {shown(b, 32)}]" if a < b else f"{{{shown(a, 32)}}}"
            for a, b in pairs
        ]
        text = f"Box({' x '.join(sides)})" if len(sides) <= 16 else ""
        return text if 0 < len(text) <= _REPR else f"Box({sides[0]} x ... of {len(sides)} sides)"


@dataclass(frozen=True)
class RealSpace(FlatDomain):
    """All of R^dim: no bounding box, so unbounded regions are found too.

    >>> RealSpace(3)
    RealSpace(3)
    """

    dim: int

    cli = Option(name="space", points="", help="All of R^d.", place=100)

    @classmethod
    def of_points(
        cls, points: Sequence[Sequence[Fraction]], dim: int, radius_squared: Fraction | None = None
    ) -> Domain:
        return cls(dim)

    def __post_init__(self) -> None:
        if type(self.dim) is not int or self.dim < 1:
            raise InvalidInput(
                "R^d needs a whole d >= 1",
                value=repr(self.dim),
                remedy="give the network's input dimension",
            )

    def check(self, input_dim: int) -> None:
        self._check_dim(self.dim, input_dim)

    def flat(self) -> Flat:
        return Flat((_ZERO,) * self.dim, _unit_vectors(self.dim), ())

    def __repr__(self) -> str:
        return f"RealSpace({self.dim})"


@dataclass(frozen=True, init=False)
class HPolytope(FlatDomain):
    """The closed polyhedron `normal_i . x + offset_i >= 0` for every row i; bounded or not.

    `rows` are Halfspaces, or sequences of d + 1 rationals: the normal, then the offset. `dim` is
    needed without rows. Where rows hold with equality on all of it, it is partitioned on its affine
    hull, found exactly (:mod:`exact.geometry.polyhedra.affine_hulls`): the parameters are
    coordinates of x that determine the others, the first ones where there is a choice. A polyhedron
    without any point has no region, which its partition proves by a Farkas vector. Raises
    InvalidInput for rows of different lengths. Cost: one exact LP when its chart is first asked
    for, one more for every time that equalities are found.

    >>> HPolytope([[1, 0, 0], [0, 1, 0], [-1, -1, 1]])
    HPolytope(3 halfspaces of R^2)
    """

    rows: tuple[Halfspace, ...]
    dim: int

    def __init__(self, rows: Sequence[Any], dim: int | None = None) -> None:
        halfspaces = tuple(
            _halfspace(row, f"rows[{i}]") for i, row in enumerate(listed(rows, "rows"))
        )
        given = {len(h.normal) for h in halfspaces}
        sizes = given if dim is None else given | {whole_number(dim, "dim")}
        if len(sizes) != 1 or (size := next(iter(sizes))) < 1:
            raise InvalidInput(
                "the dimension of the polyhedron is unclear",
                value=sorted(sizes),
                remedy="give rows of d + 1 numbers: normal, then offset; without rows, dim=",
            )
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
        raise InvalidInput(
            f"{name} is not a row", value=repr(row), remedy="give the normal, then the offset"
        )
    return Halfspace.of(rationals(row, name))


@dataclass(frozen=True, init=False)
class Ball(FlatDomain):
    """The open ball `|x - centre|^2 < radius_squared`, with rational centre and squared radius.

    With `directions` it is the part of that ball in the flat `centre + sum_k s_k directions[k]`, an
    ellipsoid in the parameters s; without, its chart is all of R^d. Only the engines `vertices`
    (one hidden layer) and `round_layers` (any depth) cut it. Raises InvalidInput unless
    `radius_squared` is positive and the directions are independent.

    >>> Ball([0, "1/2"], 2)
    Ball(centre (0, 1/2), radius_squared 2)
    >>> Ball([0, 0, 0], 3, [[1, -1, 0], [0, 1, -1]])
    Ball(centre (0, 0, 0), radius_squared 3, 2 directions)
    """

    centre: tuple[Rational, ...]
    radius_squared: Rational
    directions: tuple[tuple[Rational, ...], ...] | None

    def __init__(self, centre: Any, radius_squared: Any, directions: Any = None) -> None:
        middle = tuple(rationals(centre, "centre"))
        square = rational(radius_squared, "radius_squared")
        if not middle:
            raise InvalidInput(
                "the centre of the ball has no coordinate", value="()", remedy="give d >= 1 numbers"
            )
        if square <= 0:
            raise InvalidInput(
                "a ball has no positive radius",
                value=radius_squared,
                remedy="give radius_squared > 0",
            )
        object.__setattr__(self, "centre", middle)
        object.__setattr__(self, "radius_squared", square)
        object.__setattr__(
            self, "directions", None if directions is None else _span(directions, middle)
        )

    def check(self, input_dim: int) -> None:
        self._check_dim(len(self.centre), input_dim)

    def flat(self) -> Flat:
        n = len(self.centre)
        if self.directions is None:
            return Flat((_ZERO,) * n, _unit_vectors(n), ())
        return Flat(self.centre, self.directions, ())

    @property
    def is_polyhedral(self) -> bool:
        return False

    def contains(self, point: Point) -> bool:
        flat = self.flat()
        columns = zip(*flat.directions, strict=True)
        place = [
            x + dot(affine(point), column) for x, column in zip(flat.origin, columns, strict=True)
        ]
        gaps = _difference(place, self.centre)
        return bool(dot(gaps, gaps) < self.radius_squared)

    def __repr__(self) -> str:
        span = "" if self.directions is None else f", {len(self.directions)} directions"
        return (
            f"Ball(centre {_show((self.centre,))}, radius_squared "
            f"{shown(self.radius_squared)}{span})"
        )


def _span(directions: Any, centre: Sequence[Rational]) -> tuple[tuple[Rational, ...], ...]:
    rows = tuple(
        tuple(rationals(row, f"directions[{i}]"))
        for i, row in enumerate(listed(directions, "directions"))
    )
    _same_length((centre, *rows))
    if not rows or rank(rows) < len(rows):
        raise InvalidInput(
            "the directions of a ball are dependent",
            value=_show(rows),
            remedy="give independent vectors",
        )
    return rows


@dataclass(frozen=True, init=False)
class Plane(FlatDomain):
    """The affine plane through three points: `p0 + s (p1 - p0) + t (p2 - p0)`, optionally with
    bounds on s and t.

    Parameters (s, t) are the chart in which `polygons()` draws; bounds that coincide freeze a
    parameter, as in a Box. Raises InvalidInput when the points are collinear.

    >>> Plane([0, 0, 0], [1, 0, 0], [0, 1, 1], s=(-1, 1), t=(0, 2))
    Plane(through (0, 0, 0), (1, 0, 0), (0, 1, 1))
    """

    points: tuple[tuple[Rational, ...], ...]
    bounds: Box | None

    cli = Option(
        name="plane",
        points="P0 P1 P2",
        help="The plane through three points.",
        example="0,0,0 1,0,0 0,1,0",
        place=90,
    )

    def __init__(self, p0: Any, p1: Any, p2: Any, s: Any = None, t: Any = None) -> None:
        points = tuple(tuple(rationals(p, f"p{i}")) for i, p in enumerate((p0, p1, p2)))
        _same_length(points)
        if rank([_difference(points[1], points[0]), _difference(points[2], points[0])]) < 2:
            raise InvalidInput(
                "the three points of a plane are collinear",
                value=_show(points),
                remedy="move one of them",
            )
        if (s is None) != (t is None):
            raise InvalidInput(
                "a plane is bounded in one parameter only",
                value=(s, t),
                remedy="give both s= and t=, or none",
            )
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
        origin = [
            x + dot(inner.origin, sides)
            for x, sides in zip(p0, zip(*plane.directions, strict=True), strict=True)
        ]
        return Flat(
            tuple(origin),
            tuple(plane.directions[e.index(_ONE)] for e in inner.directions),
            inner.walls,
        )

    @property
    def is_lower_dimensional(self) -> bool:
        return self.bounds is not None and self.bounds.is_lower_dimensional

    def __repr__(self) -> str:
        return f"Plane(through {_show(self.points)})"


def _rectangle(s: Any, t: Any) -> Box:
    bounds = [rationals(values, name) for values, name in ((s, "s"), (t, "t"))]
    for values, name in zip(bounds, ("s", "t"), strict=True):
        if len(values) != 2:
            raise InvalidInput(
                f"{name} is not a pair of bounds",
                value=f"{len(values)} numbers",
                remedy=f"give {name}=(0, 1)",
            )
    return Box([low for low, _ in bounds], [high for _, high in bounds])
