"""Spheres, circles of directions, ellipses, and the ball that a norm leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from exact.arithmetic.linear_algebra import dot, rank
from exact.arithmetic.nearest import exact_root, nearest_root
from exact.arithmetic.numbers import Rational, rational, rationals
from exact.arithmetic.texts.printing import shown
from exact.errors import InvalidInput
from exact.geometry.domains.base import (
    _ZERO,
    Curve,
    CurveDomain,
    Domain,
    _difference,
    _has_entries,
    _same_length,
    _show,
)
from exact.geometry.domains.options import Option

_BELOW_ONE = 1.0 - 2.0**-53


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
class Ellipse(CurveDomain):
    """The ellipse `centre + cos t u + sin t v`, t from 0 to 2 pi; u and v need be neither
    orthogonal nor of one length, and `centre=None` (or 0) is the origin.

    With a rational `cosine` between -1 and 1, that of an angle W, v lies at t = W and not at a
    quarter turn: the points are `centre + alpha u + beta v` with `alpha^2 + 2 cosine alpha beta +
    beta^2 = 1`, which is `centre + [sin(W - t) u + sin(t) v] / sin W`. So :meth:`slerp` and
    :meth:`through` are rational although sin W is not. Its points are inputs: unlike that of a
    circle of directions, the eps of a norm counts. Raises InvalidInput for dependent vectors.

    >>> Ellipse([2, 0], [0, 1]), Ellipse([1, 0], [1, 1], centre=["1/2", 3], cosine="1/2")
    (Ellipse((2, 0), (0, 1)), Ellipse((1, 0), (1, 1), centre (1/2, 3), cosine 1/2))
    """

    u: tuple[Rational, ...]
    v: tuple[Rational, ...]
    centre: tuple[Rational, ...]
    cosine: Rational

    cli = Option(
        name="ellipse",
        points="CENTRE U V",
        help="CENTRE + cos t U + sin t V; 0 is the origin.",
        example="0 2,0 1,1",
        place=75,
    )

    def __init__(self, u: Any, v: Any, centre: Any = None, cosine: Any = 0) -> None:
        object.__setattr__(self, "u", tuple(rationals(u, "u")))
        object.__setattr__(self, "v", tuple(rationals(v, "v")))
        is_origin = centre is None or (not _has_entries(centre) and centre == 0)
        middle = [_ZERO] * len(self.u) if is_origin else rationals(centre, "centre")
        object.__setattr__(self, "centre", tuple(middle))
        object.__setattr__(self, "cosine", rational(cosine, "cosine"))
        _same_length((self.u, self.v, self.centre))
        if rank([self.u, self.v]) < 2:
            raise InvalidInput(
                "u and v do not span an ellipse",
                value=f"u = {_show((self.u,))}, v = {_show((self.v,))}",
                remedy="give two independent vectors",
            )
        if not -1 < self.cosine < 1:
            raise InvalidInput(
                "not the cosine of an angle between 0 and pi",
                value=cosine,
                remedy="give a rational between -1 and 1, 0 for centre + cos t u + sin t v",
            )

    @classmethod
    def slerp(cls, p: Any, q: Any, cosine: Any = None) -> Ellipse:
        """Spherical interpolation between p (t = 0) and q (t = W): `[sin(W - t) p + sin(t) q] / sin
        W`, W the angle between them, and on around the ellipse.

        cos W = p.q / (|p| |q|) is rational where p and q have one length, and seldom else; then
        InvalidInput tells a float near it. With any `cosine` of one's own the ellipse goes exactly
        through p, q, -p and -q, and is the one of slerp as nearly as `cosine` is cos W.

        >>> Ellipse.slerp([3, 0], [3, 4])
        Ellipse((3, 0), (3, 4), cosine 3/5)
        """
        first, second = rationals(p, "p"), rationals(q, "q")
        _same_length((first, second))
        if cosine is None and rank([first, second]) == 2:
            cosine = _cosine(first, second)
        return cls(first, second, cosine=0 if cosine is None else cosine)

    @classmethod
    def through(cls, a: Any, b: Any, c: Any) -> Ellipse:
        """The ellipse around their mean through three points, at t = 0, 2 pi / 3 and 4 pi / 3: of
        all ellipses through them the one of least area (Steiner). Exact, with u = a - mean, v = b -
        mean and the cosine -1/2.

        Raises InvalidInput for points on one line.

        >>> Ellipse.through([3, 0], [0, 3], [0, 0])
        Ellipse((2, -1), (-1, 2), centre (1, 1), cosine -1/2)
        """
        points = [rationals(x, name) for x, name in ((a, "a"), (b, "b"), (c, "c"))]
        _same_length(points)
        mean = [sum(column, _ZERO) / 3 for column in zip(*points, strict=True)]
        u, v = (_difference(point, mean) for point in points[:2])
        if rank([u, v]) < 2:
            raise InvalidInput(
                "three points on one line lie on no ellipse",
                value=_show(points),
                remedy="give three points that span a triangle, or a Segment",
            )
        return cls(u, v, mean, Rational(-1, 2))

    @classmethod
    def of_points(
        cls, points: Sequence[Sequence[Fraction]], dim: int, radius_squared: Fraction | None = None
    ) -> Ellipse:
        centre, u, v = points
        return cls(u, v, None if list(centre) == [0] else centre)

    def check(self, input_dim: int) -> None:
        self._check_dim(len(self.u), input_dim)

    def curve(self) -> Curve:
        return Curve(self.u, self.v, None, centre=self.centre, cosine=self.cosine)

    def __repr__(self) -> str:
        centre = f", centre {_show((self.centre,))}" if any(self.centre) else ""
        cosine = f", cosine {shown(self.cosine)}" if self.cosine != 0 else ""
        return f"Ellipse({_show((self.u, self.v))}{centre}{cosine})"


def _cosine(p: Sequence[Rational], q: Sequence[Rational]) -> Rational:
    """The cosine of the angle between two vectors, where it is rational."""
    inner, squares = dot(p, q), dot(p, p) * dot(q, q)
    size, sign = exact_root(inner * inner / squares), -1 if inner < 0 else 1
    if size is None:
        near = sign * min(nearest_root(inner * inner / squares), _BELOW_ONE)
        raise InvalidInput(
            "the cosine of the angle between p and q is irrational",
            value=f"p = {_show((p,))}, q = {_show((q,))}",
            remedy=f"give one near it, cosine={near!r}: the ellipse still goes through p and q",
        )
    return sign * size


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
