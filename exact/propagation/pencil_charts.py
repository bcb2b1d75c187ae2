"""The chart of lines, circles and ellipses: a pencil of directions with its metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from exact.arithmetic.linear_algebra import matrix, rows_of
from exact.arithmetic.nearest import short_rational
from exact.arithmetic.numbers import Rational, RationalArray
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, Unsupported
from exact.geometry.domains.base import Curve, CurveDomain, Domain
from exact.geometry.domains.round import Ellipse, GreatCircle, GreatSphere, Sphere
from exact.geometry.pencils.pencil import Form, Frame
from exact.networks.network import Network
from exact.propagation.chart import Chart, carried, chart_on, combination, sphere_dimension, widened
from exact.propagation.charts import sphere_chart, whole_basis

if TYPE_CHECKING:
    import sympy

_ZERO, _ONE = Rational(0), Rational(1)


@short_repr
@dataclass(frozen=True)
class PencilChart(Chart):
    """A line, a circle or an ellipse as directions (alpha, beta); `frame` is its metric."""

    network: Network
    curve: Curve
    frame: Frame
    off_span = "the point does not lie on the curve", "give alpha u + beta v"

    @property
    def dim(self) -> int:
        return 1

    @property
    def is_projected(self) -> bool:
        """Whether it is a circle of directions, on which only what the norm's projection leaves
        counts.
        """
        return self.curve.is_of_directions and self.network.has_norm

    @cached_property
    def image(self) -> Curve:
        """The curve that points are reported on: a circle behind a norm lies in the image of the
        norm's projection.
        """
        if not self.is_projected:
            return self.curve
        rows = rows_of(carried(self.network, self.curve.state()))
        return replace(self.curve, u=tuple(row[0] for row in rows), v=tuple(row[1] for row in rows))

    def state(self) -> RationalArray:
        """Over (alpha, beta) on a line without norm, else over (alpha, beta, D): D is the root
        behind a norm, or the radius of a circle; on an ellipse over (alpha, beta, N), behind a norm
        with D.
        """
        if self.network.has_norm:
            if self.network.blocks[0].norm is None and not self.is_projected:
                raise Unsupported(
                    "maps behind a norm that is not in front are not computed along curves",
                    value=self.network.norms[0],
                    remedy="use network.from_block(k) to start at the norm",
                )
            return widened(carried(self.network, self.curve.state()))
        is_circle = self.curve.one is None and self.curve.centre is None
        return widened(self.curve.state()) if is_circle else self.curve.state()

    def ambient(self, y: Sequence[Rational]) -> tuple[Fraction, ...]:
        return self.curve.ambient(*y)

    def functions(self) -> tuple[Network, RationalArray, tuple[Rational, ...]]:
        if self.curve.one is None or self.network.has_norm:
            return super().functions()
        return self.network, self.state(), self.curve.one

    def symbols(self) -> tuple[sympy.Symbol, ...]:
        import sympy

        return (sympy.Symbol("theta" if self.curve.one is None else "t", real=True),)

    @property
    def _input_dim(self) -> int:
        return len(self.curve.u)

    def _solved(self, x: Sequence[Rational]) -> list[Rational] | None:
        """On a line `one . (alpha, beta)` is 1; on a sphere of two points, where v is zero, so is
        beta. On an ellipse they count from the centre.
        """
        if self.curve.centre is not None:
            x = [a - c for a, c in zip(x, self.curve.centre, strict=True)]
        columns, point = _directions(self.curve), matrix([[v] for v in x], 1)
        if self.is_projected:
            columns, point = carried(self.network, columns), carried(self.network, point)
        rows, right = rows_of(columns), list(point.entries())
        if self.curve.one is not None:
            rows, right = [*rows, [*self.curve.one]], [*right, _ONE]
        elif not any(row[1] for row in rows):
            rows, right = [*rows, [_ZERO, _ONE]], [*right, _ZERO]
        return combination(matrix(rows, 2), right)


def pencil_chart(network: Network, domain: Domain) -> PencilChart:
    """The pencil of a curve, or of a sphere of dimension 1, with its metric.

    On circles v is replaced by a nearly orthogonal rational combination; on ellipses (alpha, beta)
    stay as they are. Raises InvalidInput where the norm's projection collapses the circle.
    """
    if isinstance(domain, CurveDomain):
        curve = domain.curve()
    else:
        assert isinstance(domain, Sphere)
        u, v = whole_basis(network)
        curve = Curve(u, v, None, radius_squared=domain.radius_squared)
    if curve.one is None and curve.centre is None:
        curve = well_conditioned(curve, curve_frame(curve, network).form)
    return PencilChart(network, curve, curve_frame(curve, network))


@chart_on.register(GreatCircle)
@chart_on.register(Ellipse)
def _on_circle(domain: GreatCircle | Ellipse, network: Network) -> PencilChart:
    return pencil_chart(network, domain)


@chart_on.register(Sphere)
@chart_on.register(GreatSphere)
def _on_sphere(domain: Sphere | GreatSphere, network: Network) -> Chart:
    if sphere_dimension(network, domain) == 1:
        return pencil_chart(network, domain)
    return sphere_chart(network, domain)


def well_conditioned(curve: Curve, form: Form) -> Curve:
    """The same circle with v replaced by a rational combination that is nearly orthogonal to u and
    about as long.
    """
    share = short_rational(form.b / form.a, 24)
    v = [y - share * x for x, y in zip(curve.u, curve.v, strict=True)]
    ratio = form.a / (form.c - 2 * share * form.b + share * share * form.a)
    bits = (int(ratio.p).bit_length() - int(ratio.q).bit_length()) // 2
    scale = Rational(1 << bits) if bits >= 0 else Rational(1, 1 << -bits)
    return replace(curve, v=tuple(scale * y for y in v))


def curve_frame(curve: Curve, network: Network) -> Frame:
    """The metric of a curve: behind a norm that of the projected directions, radius sqrt(n) (see
    norms); on a circle of given radius points are inputs with that |x|^2. An ellipse has that of
    its parameters, in which it is the unit circle.
    """
    if curve.one is not None:
        form, (a, b) = Form.gram(curve.u, curve.v, _ONE), curve.one
        return Frame(form, form(b, -a), curve.one, curve.along)  # the square of b u - a v
    if curve.radius_squared is not None:
        return Frame(Form.gram(curve.u, curve.v, _ONE), curve.radius_squared)
    if curve.centre is not None:
        return Frame(Form(_ONE, curve.cosine, _ONE), _ONE)
    columns = carried(network, curve.state())
    form = Form.gram(*two_columns(columns), _ONE)
    if form.determinant == 0:
        raise InvalidInput(
            "u and v do not span a circle of directions",
            value=f"u = {_text(curve.u)}, v = {_text(curve.v)}",
            remedy="give two vectors that stay independent under the norm's projection",
        )
    return Frame(form, Rational(columns.nrows()))


def begun(curve: Curve) -> tuple[RationalArray, tuple[Rational, ...], Form | None]:
    """The inputs and the constant 1 as coefficients over (alpha, beta), and (0, 0) for 1 on a
    circle of directions. Where it is the root N of a form, over (alpha, beta, N), with the form.
    """
    if curve.one is not None:
        return curve.state(), curve.one, None
    if curve.centre is not None:
        return curve.state(), (_ZERO, _ZERO, _ONE), Form(_ONE, curve.cosine, _ONE)
    if curve.radius_squared is None:
        return curve.state(), (_ZERO, _ZERO), None
    root = Form.gram(curve.u, curve.v, curve.radius_squared)
    return widened(curve.state()), (_ZERO, _ZERO, _ONE), root


def _directions(curve: Curve) -> RationalArray:
    """The two vectors of a pencil as columns."""
    return matrix(list(zip(curve.u, curve.v, strict=True)), 2)


def _text(vector: Sequence[Rational]) -> str:
    return (
        f"({', '.join(map(str, vector))})" if len(vector) <= 4 else f"a vector of R^{len(vector)}"
    )


def two_columns(columns: RationalArray) -> tuple[list[Rational], list[Rational]]:
    """The columns of a matrix that has two, or more."""
    rows = rows_of(columns)
    return [row[0] for row in rows], [row[1] for row in rows]
