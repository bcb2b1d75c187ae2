"""Spheres, circles of directions, and the ball that a norm leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exact.arithmetic.linear_algebra import rank
from exact.arithmetic.numbers import Rational, rational, rationals
from exact.arithmetic.texts.printing import shown
from exact.errors import InvalidInput
from exact.geometry.domains.base import Curve, CurveDomain, Domain, _same_length, _show
from exact.geometry.domains.options import Option


def _radius(value: object) -> Rational | None:
    radius_squared = None if value is None else rational(value, "radius_squared")
    if radius_squared is not None and radius_squared <= 0:
        raise InvalidInput(
            "a sphere has no positive radius", value=value, remedy="give radius_squared > 0"
        )
    return radius_squared


@dataclass(frozen=True, init=False)
class Sphere(Domain):
    """The sphere that the network's first norm projects on, at eps = 0; without a norm, |x|^2 =
    `radius_squared`.

    LayerNorm in R^n leaves a sphere of dimension n - 2 and radius sqrt(n), RMSNorm one of dimension
    n - 1. With eps > 0 it is the limit of every ray far from the origin; `Ray` shows what happens
    on the way. A circle behind a norm may be given a radius where that changes anything, for eps >
    0 or a skip connection around the norm: then it consists of the inputs with |x|^2 =
    `radius_squared` in the image of the norm's projection.

    >>> Sphere(), Sphere("9/4")
    (Sphere(), Sphere(radius_squared=9/4))
    """

    radius_squared: Rational | None

    cli = Option(
        name="sphere",
        points="",
        help="The sphere that the norm leaves, or that of --radius-squared.",
        place=20,
        starts_at_norm=True,
        takes_radius=True,
    )

    def __init__(self, radius_squared: Any = None) -> None:
        object.__setattr__(self, "radius_squared", _radius(radius_squared))

    def check(self, input_dim: int) -> None:
        return

    def __repr__(self) -> str:
        if self.radius_squared is None:
            return "Sphere()"
        return f"Sphere(radius_squared={shown(self.radius_squared)})"


@dataclass(frozen=True, init=False)
class GreatCircle(CurveDomain):
    """The directions `alpha u + beta v`: the geodesic circle through u and v, from u towards v.

    Behind a norm the circle lies on the norm's sphere, through the projections of u and v; without
    one,
    |x|^2 = `radius_squared` is needed. With a norm a radius may be given where it changes
    anything, for eps > 0 or a skip
    connection around the first norm: then the circle consists of the inputs `alpha u + beta v` with
    that |x|^2.

    >>> GreatCircle([1, -1, 0], [0, 1, -1])
    GreatCircle(through (1, -1, 0), (0, 1, -1))
    """

    u: tuple[Rational, ...]
    v: tuple[Rational, ...]
    radius_squared: Rational | None

    cli = Option(
        name="great-circle",
        points="U V",
        help="The circle of directions through U and V.",
        example="1,0,-1 0,1,-1",
        place=70,
        starts_at_norm=True,
        takes_radius=True,
    )

    def __init__(self, u: Any, v: Any, radius_squared: Any = None) -> None:
        object.__setattr__(self, "u", tuple(rationals(u, "u")))
        object.__setattr__(self, "v", tuple(rationals(v, "v")))
        object.__setattr__(self, "radius_squared", _radius(radius_squared))
        _same_length((self.u, self.v))
        if rank([self.u, self.v]) < 2:
            value = f"u = {_show((self.u,))}, v = {_show((self.v,))}"
            raise InvalidInput(
                "u and v do not span a circle of directions",
                value=value,
                remedy="give two independent vectors",
            )

    def check(self, input_dim: int) -> None:
        self._check_dim(len(self.u), input_dim)

    def curve(self) -> Curve:
        return Curve(self.u, self.v, None, radius_squared=self.radius_squared)

    def __repr__(self) -> str:
        return f"GreatCircle(through {_show((self.u, self.v))})"


@dataclass(frozen=True, init=False)
class GreatSphere(Domain):
    """The directions `alpha u + beta v + gamma w`: the great 2-sphere through u, v and w, such as
    three activations.

    Behind a norm it lies on the norm's sphere, through the projections of u, v and w; without one,
    |x|^2 = `radius_squared` is needed. Raises InvalidInput when the three vectors are dependent.

    >>> GreatSphere([1, 0, 0], [0, 1, 0], [0, 0, 1], radius_squared=1)
    GreatSphere(through (1, 0, 0), (0, 1, 0), (0, 0, 1))
    """

    u: tuple[Rational, ...]
    v: tuple[Rational, ...]
    w: tuple[Rational, ...]
    radius_squared: Rational | None

    cli = Option(
        name="great-sphere",
        points="U V W",
        help="The 2-sphere of directions through U, V and W.",
        example="1,0,0,-1 0,1,0,-1 0,0,1,-1",
        place=80,
        starts_at_norm=True,
        takes_radius=True,
    )

    def __init__(self, u: Any, v: Any, w: Any, radius_squared: Any = None) -> None:
        for name, vector in (("u", u), ("v", v), ("w", w)):
            object.__setattr__(self, name, tuple(rationals(vector, name)))
        object.__setattr__(self, "radius_squared", _radius(radius_squared))
        _same_length((self.u, self.v, self.w))
        if rank([self.u, self.v, self.w]) < 3:
            raise InvalidInput(
                "u, v and w do not span a sphere of directions",
                value=_show((self.u, self.v, self.w)),
                remedy="give three independent vectors",
            )

    def check(self, input_dim: int) -> None:
        self._check_dim(len(self.u), input_dim)

    def __repr__(self) -> str:
        return f"GreatSphere(through {_show((self.u, self.v, self.w))})"


@dataclass(frozen=True)
class NormBall(Domain):
    """The image of the network's first norm for eps > 0: an open ball of radius sqrt(n), before
    gain and bias.

    Every input reaches it and every point of it is reached, by both eps rules: a direction is a
    radius of the ball, its origin the centre, and the sphere that `Sphere` cuts (eps = 0) is its
    boundary. Of dimension n - 1 behind LayerNorm, n behind RMSNorm. See
    :class:`exact.regions.polytopes.norm_ball.NormBallPartition`.

    >>> NormBall()
    NormBall()
    """

    cli = Option(
        name="norm-ball",
        points="",
        help="The open ball that the norm leaves for eps > 0.",
        place=30,
        starts_at_norm=True,
    )

    def check(self, input_dim: int) -> None:
        return
