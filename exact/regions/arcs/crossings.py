"""Crossings: the points of a curve where hinges change sign or touch zero, as exact angles,
parameters and points.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.numbers import Rational, fraction
from exact.arithmetic.texts.printing import shown
from exact.errors import InvalidInput
from exact.geometry.combinatorics.codes import Hinge
from exact.geometry.domains.base import Curve
from exact.geometry.pencils.isolated_directions import IsolatedDirection
from exact.geometry.pencils.pencil import Frame
from exact.geometry.pencils.positions import (
    CurvePoint,
    base_point,
    coordinates_sympy,
    position_bounds,
    position_float,
)

if TYPE_CHECKING:
    import sympy


@members_in_ieee_floats
@dataclass(frozen=True)
class Crossing:
    """A point of the curve where hinges change sign, or, when `tangent`, touch zero without
    changing it.

    `undefined` marks a point where the norm divides by zero. On a circle positions are angles from
    u towards v in [0, 2 pi), on a line parameters t.
    """

    hinges: tuple[Hinge, ...]
    tangent: bool
    undefined: bool
    direction: CurvePoint
    frame: Frame
    curve: Curve

    def __repr__(self) -> str:
        place = (
            f"{'t' if self.frame.is_straight else 'angle'} "
            f"{position_float(self.frame, self.direction):.6g}"
        )
        what = "undefined" if self.undefined else "touched by" if self.tangent else "flips"
        return f"<crossing at {place}: {what} {shown(self.hinges, 100)}>"

    @property
    def point(self) -> sympy.Matrix:
        """The exact point as a SymPy column; behind a norm the point of radius sqrt(n) on its
        sphere.
        """
        import sympy

        a, b = coordinates_sympy(self.direction)
        u, v = (
            sympy.Matrix([sympy.Rational(int(x.p), int(x.q)) for x in w])
            for w in (self.curve.u, self.curve.v)
        )
        scale = _scale(self.frame, self.direction)
        if scale == 0:
            pairs = zip(a * u + b * v, self._base(), strict=True)
            return sympy.Matrix(
                [finite if x == 0 else sympy.sign(x) * sympy.oo for x, finite in pairs]
            )
        # an algebraic number of high degree: nothing simplifies
        centre = self._centre()
        if isinstance(self.direction, IsolatedDirection):
            return centre + (a * u + b * v) / scale
        whole = (a * u + b * v).applyfunc(lambda x: sympy.radsimp(sympy.simplify(x / scale)))
        return centre + whole

    def _centre(self) -> sympy.Matrix:
        """That of an ellipse, else zero."""
        import sympy

        centre = self.curve.centre or (Rational(0),) * len(self.curve.u)
        return sympy.Matrix([sympy_rational(x) for x in centre])

    def _base(self) -> list[sympy.Rational]:
        """A finite point of the line: coordinates that do not run to infinity keep its values."""
        return [sympy_rational(x) for x in base_point(self.curve)]

    @property
    def angle(self) -> sympy.Expr:
        """The exact angle as a SymPy expression (circles)."""
        if self.frame.is_straight:
            raise InvalidInput(
                "a straight line has no angle", value="angle", remedy="read .parameter"
            )
        return exact_angle(self.frame, self.direction)

    @property
    def angle_float(self) -> float:
        """The angle in radians, in [0, 2 pi): the nearest float64 (circles)."""
        if self.frame.is_straight:
            raise InvalidInput(
                "a straight line has no angle", value="angle_float", remedy="read .parameter_float"
            )
        return position_float(self.frame, self.direction)

    @property
    def parameter(self) -> sympy.Expr:
        """The exact parameter t as a SymPy expression (lines)."""
        if not self.frame.is_straight:
            raise InvalidInput(
                "a circle has no parameter t", value="parameter", remedy="read .angle"
            )
        return exact_parameter(self.frame, self.direction)

    @property
    def parameter_float(self) -> float:
        """The parameter t: the nearest float64 (lines)."""
        if not self.frame.is_straight:
            raise InvalidInput(
                "a circle has no parameter t", value="parameter_float", remedy="read .angle_float"
            )
        return position_float(self.frame, self.direction)

    def position_bounds(self, bits: int = 64) -> tuple[Fraction, Fraction]:
        """Rational bounds on the parameter (lines, not at infinity) or the angle (circles), about
        2^-bits apart, certified.
        """
        low, high = position_bounds(self.frame, self.direction, bits)
        return fraction(low), fraction(high)


def exact_angle(frame: Frame, direction: CurvePoint) -> sympy.Expr:
    """The angle on a circle: atan2 in the orthonormal frame (u, v - projection of v), brought to
    [0, 2 pi).
    """
    import sympy

    a, b, det = (sympy_rational(x) for x in (frame.form.a, frame.form.b, frame.form.determinant))
    alpha, beta = coordinates_sympy(direction)
    if isinstance(direction, IsolatedDirection):
        angle = sympy.atan2(beta * sympy.sqrt(det), alpha * a + beta * b)
        return angle + 2 * sympy.pi if direction.quadrant > 1 else angle
    angle = sympy.atan2(sympy.radsimp(beta * sympy.sqrt(det)), sympy.radsimp(alpha * a + beta * b))
    return angle + 2 * sympy.pi if direction.beta.sign() < 0 else angle


def exact_parameter(frame: Frame, direction: CurvePoint) -> sympy.Expr:
    """The parameter t on a straight line; an infinity of its sign where the line ends."""
    import sympy

    if isinstance(direction, IsolatedDirection):
        assert frame.one is not None and frame.along is not None, (
            "a circle has angles, not parameters"
        )
        alpha, beta = coordinates_sympy(direction)
        along, one = (
            sympy_rational(x) * alpha + sympy_rational(y) * beta
            for x, y in (frame.along, frame.one)
        )
        return along / one
    parameter = frame.parameter(direction)
    if parameter is None:
        return sympy.oo if frame.position_float(direction) > 0 else -sympy.oo
    return sympy.radsimp(parameter.sympy())


def _scale(frame: Frame, direction: CurvePoint) -> sympy.Expr:
    """What a vector along the direction is divided by to lie on the curve."""
    import sympy

    a, b = coordinates_sympy(direction)
    if frame.one is not None:
        return a * sympy_rational(frame.one[0]) + b * sympy_rational(frame.one[1])
    form = frame.form
    square = (
        sympy_rational(form.a) * a * a
        + 2 * sympy_rational(form.b) * a * b
        + sympy_rational(form.c) * b * b
    )
    return sympy.sqrt(sympy.expand(square) / sympy_rational(frame.radius_squared))


def sympy_rational(value: Rational) -> sympy.Rational:
    """A rational as SymPy's."""
    import sympy

    return sympy.Rational(int(value.p), int(value.q))
