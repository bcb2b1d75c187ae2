"""Along a ray behind a norm with eps > 0: which neurons flip, at which input radius, in which
order.

The image of the ray t x, t > 0, is the radius `tau P x`, 0 < tau |P x| < sqrt(n), of the open ball:
a straight line, so along it a network of any depth has rational flips tau. With q = |P x|^2 and s^2
= tau^2 q / n < 1 the input is at

    "var":  t^2 = tau^2 eps / (1 - s^2),    "std":  t = tau eps (1 + s) / (1 - s^2),    s = tau
    sqrt(q / n),

and r = t sqrt(q). Beyond the last flip, the critical radius, the direction is constant. A neuron of
the first layer, z = tau a + c, flips at tau = -c / a iff that lies in the open range: on one ray at
most once, and never for c = 0 (mathematics.md, "Critical radii").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.arithmetic.linear_algebra import dot, matrix
from exact.arithmetic.numbers import Rational, fractions, nearest_float, rationals
from exact.arithmetic.surds import Surd
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, Unsupported, certain, require, shown
from exact.geometry.combinatorics.codes import Hinge, SplineCode
from exact.geometry.domains.round import Sphere
from exact.geometry.domains.straight import Ray
from exact.geometry.pencils.pencil import Direction
from exact.instruments.batches.neurons.radius_bounds import require_one_layer
from exact.networks.evaluation.required import require_network
from exact.networks.network import Network
from exact.networks.norms import Norm
from exact.partition import partition
from exact.regions.arcs.partition import CurvePartition
from exact.regions.engine import behind_norm
from exact.regions.polytopes.norm_ball import input_radius_squared

_ZERO, _ONE = Rational(0), Rational(1)


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class Flip:
    """A point of a ray where hinges flip.

    `s_squared` is |y|^2 / n of its image y in the ball, in (0, 1). `parameter` is t on `Ray(0, x)`
    and `radius_squared` the square of r = |P t x|, both exact; r itself is `radius_float`, or
    `radius()` as a SymPy expression.
    """

    hinges: tuple[Hinge, ...]
    s_squared: Fraction
    parameter: Surd
    radius_squared: Surd

    @property
    def radius_float(self) -> float:
        """The input radius r: the nearest float64."""
        return self.radius_squared.root_float()

    def radius(self) -> Any:
        """The input radius r as a SymPy expression."""
        import sympy

        return sympy.sqrt(self.radius_squared.sympy())


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class RayFlips:
    """All flips along `t x`, t > 0, from the centre outwards; `codes[i]` holds between flips i - 1
    and i, the last for ever.

    `at_centre` is the code of every input with P x = 0: hinges that vanish there count as off,
    which on the ray they need not be.
    """

    direction: tuple[Fraction, ...]
    flips: tuple[Flip, ...]
    codes: tuple[SplineCode, ...]
    at_centre: SplineCode

    @property
    def at_infinity(self) -> SplineCode:
        """The code beyond the critical radius."""
        return self.codes[-1]

    @property
    def critical_radius_squared(self) -> Surd:
        """The squared radius of the last flip; zero when none flips."""
        return self.flips[-1].radius_squared if self.flips else Surd(_ZERO)

    @property
    def critical_radius_float(self) -> float:
        """The radius |P x| of the last flip: the nearest float64; zero when none flips."""
        return self.flips[-1].radius_float if self.flips else 0.0


@in_ieee_floats
def critical_radii(network: Network, x: Sequence[object]) -> RayFlips:
    """Every flip along the ray of x behind the network's norm, exactly, for any number of hidden
    layers behind it.

    With eps = 0 the ray is one point of the sphere: no flip, one code. Raises InvalidInput for an x
    that P sends to zero, and what :func:`exact.regions.engine.behind_norm` raises. Cost: one
    partition of a straight line.

    >>> from exact.sources import tensors
    >>> network = tensors.block([[3, 0]], [-1], [[1]], [0], norm="rms", eps=1)
    >>> found = critical_radii(network, [1, 0])
    >>> found.flips[0].radius_squared.sympy(), [str(code) for code in found.codes]
    (2/17, ['0', '1'])
    """
    require_network(network)
    point = rationals(x, "x")
    if len(point) != network.input_dim:
        raise InvalidInput(
            "the direction does not fit the network",
            value=f"{len(point)} coordinates",
            remedy=f"give {network.input_dim}",
        )
    if network.norms and network.norms[0].eps == 0:
        return _without_flips(network, point)
    folded, _ = behind_norm(network)
    norm = network.norms[0]
    image = _projected(norm, point)
    square = dot(image, image)
    line = partition(folded, Ray(0, image))
    flips = list[Flip]()
    for crossing in line.crossings:
        assert isinstance(crossing.direction, Direction), (
            "without a norm no crossing is a nested root"
        )
        tau = certain(
            crossing.frame.parameter(crossing.direction),
            "hinges meet a line without norm in finite points",
        )
        require(tau.is_rational, "hinges meet a line without norm in rational points", tau)
        if crossing.tangent or tau.a * tau.a * square >= norm.dim:
            break
        flips.append(_flip(norm, crossing.hinges, tau.a, square))
    codes = tuple(line.code_of(i) for i in range(len(flips) + 1))
    return RayFlips(
        fractions(point), tuple(flips), codes, network.code([_ZERO] * network.input_dim)
    )


def _without_flips(network: Network, point: list[Rational]) -> RayFlips:
    _projected(network.norms[0], point)
    code = network.code(point)
    return RayFlips(fractions(point), (), (code,), code)


def _projected(norm: Norm, point: list[Rational]) -> list[Rational]:
    image = list(norm.project(matrix([[x] for x in point], 1)).entries())
    if not any(value != 0 for value in image):
        raise InvalidInput(
            "the norm's projection of x is zero, so it has no direction",
            value=shown(point),
            remedy="give an x with P x != 0",
        )
    return image


def _flip(norm: Norm, hinges: tuple[Hinge, ...], tau: Rational, square: Rational) -> Flip:
    s_squared = tau * tau * square / norm.dim
    if norm.eps_rule == "var":
        parameter = Surd(_ZERO, tau, norm.eps / (1 - s_squared))
    else:
        factor = tau * norm.eps / (1 - s_squared)
        parameter = Surd(factor, factor * tau, square / norm.dim)
    return Flip(hinges, fractions([s_squared])[0], parameter, input_radius_squared(norm, s_squared))


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class FlipCap:
    """The directions along which a neuron of the first layer flips: a cap of the sphere of
    directions.

    It holds the directions at an angle below theta from one pole, `cosine` = cos theta = |c| /
    (sqrt(n) |w|) in [0, 1). `share_float` is its share of all directions, as good as SciPy's
    incomplete beta function: to about 1e-12 of itself.
    """

    hinge: Hinge
    cosine: Surd
    share_float: float


@in_ieee_floats
def flip_caps(network: Network) -> tuple[FlipCap, ...]:
    """The hinges of the first hidden layer that flip along some direction, each with its cap.

    Hinge j flips iff 0 < |c_j| < sqrt(n) |w_j| (mathematics.md, "Critical radii"); its critical
    radius then takes every value above that of the cap's pole and has no bound, unless the sphere
    has dimension 0. So the supremum of all critical radii is infinite iff some hinge has a cap,
    else zero: no direction ever flips. Closed form; needs one hidden layer.

    >>> from exact.sources import tensors
    >>> network = tensors.block([[3, 0, 0], [0, 1, 0]], [-1, 2], [[1, 1]], [0], norm="rms", eps=1)
    >>> caps = flip_caps(network)
    >>> [(cap.hinge.neuron, cap.cosine.sympy(), round(cap.share_float, 3)) for cap in caps]
    [(0, sqrt(3)/9, 0.404)]
    """
    folded, ball = behind_norm(network)
    require_one_layer(folded)
    assert ball.directions is not None
    layer, dim = folded.hidden_layers[0], len(ball.directions) - 1
    shifts = [b - t for b in layer.bias.column() for t in layer.activation.breakpoints]
    found = list[FlipCap]()
    for hinge, c in zip(folded.hinges, shifts, strict=True):
        w = layer.operator.row(hinge.neuron)
        square = dot(w, w) * ball.radius_squared
        if c != 0 and c * c < square:
            cosine = Surd(_ZERO, _ONE, c * c / square)
            found.append(FlipCap(hinge, cosine, _cap_share(dim, nearest_float(1 - c * c / square))))
    return tuple(found)


@in_ieee_floats
def quiet_share(network: Network) -> Any:
    """The share of directions along which no neuron flips, exactly, as a SymPy expression: one
    hidden layer, a circle.

    On the circle it is the length of the arcs on which every hinge with a cap has the side of the
    centre. (For one cap in any dimension it is one minus its share.) Raises Unsupported for spheres
    of other dimensions and for several hidden layers.

    >>> from exact.sources import tensors
    >>> quiet_share(tensors.block([[1, 0]], [-1], [[1]], [0], norm="rms", eps=1))
    3/4
    """
    import sympy

    wanted = {cap.hinge for cap in flip_caps(network)}
    if network.norms[0].sphere_dim != 1:
        raise Unsupported(
            "the share is exact on circles only",
            value=f"a sphere of dimension {network.norms[0].sphere_dim}",
            remedy="use flip_caps, or eps_comparison for a sampled share",
        )
    arcs = partition(network, Sphere()).seen_as(CurvePartition)
    kept = [i for i, hinge in enumerate(network.hinges) if hinge in wanted]
    centre = network.code([_ZERO] * network.input_dim).bits[kept]
    quiet = [arc.length for arc in arcs.regions if bool((arc.code.bits[kept] == centre).all())]
    return sympy.simplify(sympy.Add(*quiet) / (2 * sympy.pi * sympy.sqrt(network.norms[0].dim)))


def _cap_share(dim: int, sine_squared: float) -> float:
    """The share of a sphere of dimension `dim` within an angle up to pi / 2 of a pole (Li 2011)."""
    from scipy.special import betainc

    return 0.5 if dim == 0 else float(betainc(dim / 2, 0.5, sine_squared)) / 2
