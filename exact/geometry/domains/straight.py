"""Segments, rays and lines: flat domains that are curves too."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from exact.arithmetic.numbers import Rational, rationals
from exact.errors import InvalidInput
from exact.geometry.domains.base import (
    _ONE,
    _ZERO,
    Curve,
    CurveDomain,
    Flat,
    FlatDomain,
    _difference,
    _has_entries,
    _same_length,
    _show,
)
from exact.geometry.domains.options import Option
from exact.geometry.polyhedra.halfspace import Halfspace


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
        return self._curve

    @cached_property
    def _curve(self) -> Curve:
        end = (_ONE, _ONE) if len(self._walls()) == 2 else (_ZERO, _ONE)
        return Curve(self._point(), self._direction(), end, one=(_ONE, _ZERO), along=(_ZERO, _ONE))

    def _validate(self, names: tuple[str, str]) -> None:
        _same_length((self._point(), self._direction()))
        if not any(x != 0 for x in self._direction()):
            raise InvalidInput(
                f"{type(self).__name__} has no length",
                value="direction 0",
                remedy=f"give a {names[1]} that differs from {names[0]}",
            )


_FROM_ZERO, _TO_ONE = Halfspace((1, 0)), Halfspace((-1, 1))


@dataclass(frozen=True, init=False)
class Segment(_StraightLine):
    """The segment from p to q, with parameter t from 0 (p) to 1 (q).

    >>> Segment([0, 0], ["1/2", 3])
    Segment((0, 0) to (1/2, 3))
    """

    p: tuple[Rational, ...]
    q: tuple[Rational, ...]

    cli = Option(
        name="segment", points="P Q", help="The segment from P to Q.", example="-1,-1 1,1", place=40
    )

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
    """The ray `origin + t direction`, t > 0. `origin=0` stands for the origin of the space.

    >>> Ray(0, [1, 2])
    Ray((0, 0) along (1, 2))
    """

    origin: tuple[Rational, ...]
    direction: tuple[Rational, ...]

    cli = Option(
        name="ray",
        points="ORIGIN DIRECTION",
        help="The ray from ORIGIN along DIRECTION; 0 is the origin.",
        example="0 1,2,4",
        place=50,
    )

    def __init__(self, origin: Any, direction: Any) -> None:
        object.__setattr__(self, "direction", tuple(rationals(direction, "direction")))
        start = (
            [origin] * len(self.direction) if not _has_entries(origin) and origin == 0 else origin
        )
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
    """The whole line `point + t direction`, t real.

    >>> Line([0, 1], [1, 2])
    Line((0, 1) along (1, 2))
    """

    point: tuple[Rational, ...]
    direction: tuple[Rational, ...]

    cli = Option(
        name="line",
        points="POINT DIRECTION",
        help="The whole line through POINT along DIRECTION.",
        example="0,0 1,2",
        place=60,
    )

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
        return Curve(
            reversed_direction, self.point, (-_ONE, _ZERO), one=(_ZERO, _ONE), along=(-_ONE, _ZERO)
        )

    def __repr__(self) -> str:
        return f"Line({_show((self.point,))} along {_show((self.direction,))})"
