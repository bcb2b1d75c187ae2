"""What a norm leaves for eps > 0: a network on the open ball of radius sqrt(n), its cells there,
and the inputs behind them.

`norm(x) = gain y + bias` with y = P x sqrt(n) / sqrt(r^2 + n eps) ("var") or P x sqrt(n) / (r +
sqrt(n) eps) ("std"), r = |P x| (mathematics.md, "LayerNorm and RMSNorm"). Both rules map onto the
same open ball |y|^2 < n of the image of P, and a direction onto a radius of it. Gain and bias are
folded into the first layer, so cells are convex polytopes cut by the ball. At a point y of the ball
|y|^2 = n s^2, and the inputs there have P x = y T with

    "var":  s = r / sqrt(r^2 + n eps),    T^2 = eps / (1 - s^2),
    "std":  s = r / (r + sqrt(n) eps),    T = eps (1 + s) / (1 - s^2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from itertools import pairwise
from math import inf, isqrt

import numpy as np

from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.arithmetic.linear_algebra import dot
from exact.arithmetic.numbers import FloatArray, Rational, fraction, fractions, rational, rationals
from exact.arithmetic.surds import Surd
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, Undecided, Unsupported, certain
from exact.geometry.combinatorics.lazy import OnDemand
from exact.geometry.domains.flat import Ball
from exact.geometry.domains.round import NormBall
from exact.geometry.polyhedra.halfspace import Point, affine
from exact.geometry.polyhedra.minimum_norm import RoundBody
from exact.networks.network import Network
from exact.networks.norms import Norm
from exact.propagation.charts import BallChart
from exact.regions.certificate import Json
from exact.regions.polytopes.partition import FlatPartition, Polytope

_FIRST_BITS, _MOST_BITS = 4, 1 << 14
_ZERO, _ONE = Rational(0), Rational(1)


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class RadiusRange:
    """The open interval of image radii |y| that a cell of the ball has, as squares: `inner < |y|^2
    < outer`.

    `inner` is 0 with `holds_centre` where the cell contains the centre. `outer` is n iff the cell
    comes arbitrarily near to the sphere, so that inputs of every large radius are in it;
    `on_sphere` says whether it also has points on the sphere, which are the limits eps = 0 (a cell
    that only touches the sphere has none).
    """

    inner: Fraction
    outer: Fraction
    holds_centre: bool
    on_sphere: bool

    def met_by(self, square: Fraction) -> bool:
        """Whether the cell has points with |y|^2 = square, for a square below n."""
        return self.inner < square < self.outer or (square == 0 and self.holds_centre)


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class CellsByRadius:
    """How many cells of the ball the inputs of one radius meet, as an exact step function of it.

    `breaks` are the squares |y|^2 = n s^2 at which the number changes, from 0 to n; `counts[i]`
    holds between breaks i and i + 1. At a break itself ask :meth:`at`.
    """

    norm: Norm
    breaks: tuple[Fraction, ...]
    counts: tuple[int, ...]
    ranges: tuple[RadiusRange, ...]

    def at(self, square: object) -> int:
        """The number of cells met at |y|^2 = square, 0 <= square < n."""
        value = fraction(rational(square, "square"))
        if not 0 <= value < self.norm.dim:
            raise InvalidInput(
                "no point of the ball is there",
                value=square,
                remedy=f"give 0 <= |y|^2 < {self.norm.dim}",
            )
        return sum(one.met_by(value) for one in self.ranges)

    @property
    def radii_float(self) -> FloatArray:
        """The input radii |P x| at the breaks, each the nearest float64; the last one is
        infinite.
        """
        squares = [
            input_radius_squared(self.norm, rational(b) / self.norm.dim) for b in self.breaks[:-1]
        ]
        return np.array([square.root_float() for square in squares] + [inf])


@in_ieee_floats
def input_radius_squared(norm: Norm, s_squared: Rational) -> Surd:
    """r^2 = |P x|^2 of the inputs at s^2 in [0, 1): rational for "var", in Q(s) for "std"."""
    rest = 1 - s_squared
    if norm.eps_rule == "var":
        return Surd(norm.dim * norm.eps * s_squared / rest)
    factor = Surd(norm.eps / rest, norm.eps / rest, s_squared)  # T = eps (1 + s) / (1 - s^2)
    return (factor * factor).scaled(norm.dim * s_squared)


class NormBallPartition(FlatPartition):
    """The cells of a network on the open ball of its norm, eps > 0: one convex cell per spline
    code.

    `network` is the network with its norm. Witnesses are rational inputs; the points of the ball
    they stand for, and facets and halfspaces, are over the rational basis `ball.directions` of the
    image of P. Counts, codes and adjacency are those of the whole input space: every input,
    whatever its norm, lies in one cell or on a boundary.
    """

    chart: BallChart
    domains = (NormBall,)

    @property
    def folded(self) -> Network:
        """The network behind the norm, gain and bias folded in."""
        return self.problem.network

    @property
    def ball(self) -> Ball:
        """The ball of the norm's values, before gain and bias."""
        return self.chart.ball

    def records(self, maps: bool) -> Iterator[Json]:
        raise self._no_certificate()

    def domain_record(self) -> Json:
        raise self._no_certificate()

    def _no_certificate(self) -> Unsupported:
        return Unsupported(
            "such a partition has no certificate",
            value=repr(self),
            remedy="polytopes, lines, circles and spheres have, behind one norm at most",
        )

    @cached_property
    def regions(self) -> Sequence[NormBallCell]:
        return OnDemand(partial(NormBallCell, self), len(self))

    @property
    def norm(self) -> Norm:
        """The norm in front."""
        return self.network.norms[0]

    def locate(self, x: Sequence[object]) -> int:
        found = self.index_of(self.network.code(x))
        if found is None:
            raise self._not_located(x)
        return found

    def input_in(self, index: int) -> tuple[Fraction, ...]:
        """A rational input with the code of cell `index`, confirmed by exact signs behind the norm.

        The input of the engine's witness y is y T with T as a rule irrational; a rational near T is
        taken, nearer until the code is right, which ends because cells are open.
        """
        y, code = rationals(self.flat.ambient(self.witness_of(index))), self.code_of(index)
        bits = _FIRST_BITS
        while bits <= _MOST_BITS:
            scale = _near(self.norm, dot(y, y) / self.norm.dim, bits)
            x = [scale * value for value in y]
            if self.network.code(x) == code:
                return fractions(x)
            bits *= 2
        raise Undecided(
            "no rational input of a cell was found",
            value=f"cell {index}, {_MOST_BITS} bits",
            remedy="use image_point, a rational point of the ball in the cell",
        )

    def radii(self, index: int) -> RadiusRange:
        """The image radii of a cell, exactly: its nearest and farthest point from the centre of the
        ball.
        """
        index = self._number(index)
        body = self.chart.body
        shape, holds_centre = body.around(), True
        for wall in self._walls_around(index):
            holds_centre = holds_centre and wall.offset > 0
            if not body.misses(wall):
                part, _ = shape.split(wall)
                part = certain(part, "a cell has interior")
                shape = part
        squares = [body.norm_squared(affine(vertex)) for vertex in shape.vertices]
        outer = min(max(squares), body.radius_squared)
        inner = _ZERO if holds_centre else _least_square(body, shape.vertices)
        return RadiusRange(
            fraction(inner), fraction(outer), holds_centre, max(squares) > body.radius_squared
        )

    @cached_property
    def cells_by_radius(self) -> CellsByRadius:
        """How many cells the inputs of each radius meet. Cost: one polytope per cell."""
        ranges = tuple(self.radii(i) for i in range(len(self)))
        ends = {Fraction(0), Fraction(self.norm.dim)}
        breaks = sorted(ends.union(*({one.inner, one.outer} for one in ranges)))
        middles = [(a + b) / 2 for a, b in pairwise(breaks)]
        counts = tuple(sum(one.met_by(middle) for one in ranges) for middle in middles)
        return CellsByRadius(self.norm, tuple(breaks), counts, ranges)


def _least_square(body: RoundBody, points: Sequence[Point]) -> Rational:
    """The least |y|^2 over a hull of points: each step asks for a point nearer than the last one,
    until there is none.
    """
    least = min(body.norm_squared(affine(point)) for point in points)
    while least > 0:
        nearer = RoundBody(body.gram, least).nearest(points)
        if not nearer.is_inside:
            break
        least = body.norm_squared(nearer.point)
    return least


def _near(norm: Norm, s_squared: Rational, bits: int) -> Rational:
    """A rational within 2^-bits, relatively, of the T that takes a point of the ball back to an
    input.
    """
    if norm.eps_rule == "var":
        return _root_near(norm.eps / (1 - s_squared), bits)
    return norm.eps * (1 + _root_near(s_squared, bits)) / (1 - s_squared)


def _root_near(square: Rational, bits: int) -> Rational:
    """A rational below sqrt(square) and within 2^-bits of it, relatively."""
    p, q = int(square.p), int(square.q)
    if p == 0:
        return _ZERO
    shift = max(0, bits + 2 - (p * q).bit_length() // 2)
    return Rational(isqrt(p * q << 2 * shift), q << shift)


class NormBallCell(Polytope):
    """A cell of the open ball behind a norm."""

    _owner: NormBallPartition

    @property
    def witness(self) -> tuple[Fraction, ...]:
        """A rational input whose image lies in the cell."""
        return self._owner.input_in(self.index)

    @property
    def image_point(self) -> tuple[Fraction, ...]:
        """A rational point y of the ball in the cell, before gain and bias (its inputs may be
        irrational).
        """
        return self._owner.chart.ambient(self.coordinates)

    @property
    def radii(self) -> RadiusRange:
        """The interval of |y|^2 over the cell; :func:`input_radius_squared` takes a square / n back
        to inputs.
        """
        return self._owner.radii(self.index)
