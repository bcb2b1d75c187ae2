"""A sphere that circles cut: chart, complex, measures and codes as one value.

Views and the partition stand on it.
Cells, arcs and carriers (the circles, whole) are known by their numbers here, from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.linear_algebra import Vector, apply, dot, solve
from exact.arithmetic.numbers import Rational, RationalArray
from exact.arithmetic.surds import sign_of_surd
from exact.arithmetic.texts.printing import short_repr
from exact.errors import certain
from exact.geometry.circles.chords import Chord, near_middle
from exact.geometry.circles.code_tree import CodeTree, rows_by_label
from exact.geometry.circles.complex import SphereComplex
from exact.geometry.circles.measures import RoundGeometry
from exact.geometry.combinatorics.codes import Hinge
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.polyhedra.halfspace import Halfspace, homogeneous
from exact.geometry.polyhedra.minimum_norm import RoundBody
from exact.networks.network import Network
from exact.propagation.charts import SphereChart
from exact.propagation.cursor import Cursor, advance, layer_halfspaces

_ZERO = Rational(0)
_ATTEMPTS = 64


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True, eq=False)
class CutSphere:
    """The cells of a 2-sphere and where the network stands on them; cell 0 has the code `root`."""

    network: Network
    chart: SphereChart
    complex: SphereComplex
    root: BitArray

    @cached_property
    def geometry(self) -> RoundGeometry:
        """Areas, lengths and angles."""
        return RoundGeometry(self.complex)

    @cached_property
    def tree(self) -> CodeTree:
        """The codes, as a tree over the arcs."""
        return CodeTree(self.complex, self.root)

    # ---- boundaries

    def walks_of(self, index: int) -> tuple[tuple[int, ...], ...]:
        """The boundary of a cell: one tuple of half-edges per boundary component, the cell on their
        left.

        Half-edge h belongs to arc h // 2; odd ones run against it.
        """
        return tuple(tuple(self._walk(int(w))) for w in self.tree.walks_of_cell.row(index))

    def _walk(self, walk: int) -> Iterator[int]:
        first = half = int(self.tree.first_half_edge[walk])
        while True:
            yield half
            half = int(self.complex.following[half])
            if half == first:
                return

    def side(self, half: int) -> int:
        """The cell on the left of a half-edge."""
        return int(self.complex.arc_sides[half >> 1, half & 1])

    def flipped(self, arc: int) -> tuple[Hinge, ...]:
        """The hinges that flip across an arc."""
        hinges = self.network.hinges
        return tuple(
            hinges[int(i)] for i in self.complex.flips.row(int(self.complex.arc_circle[arc]))
        )

    # ---- points

    @cached_property
    def arcs_of_circle(self) -> Incidence:
        """The arcs of every carrier."""
        return rows_by_label(self.complex.arc_circle, len(self.complex.circles))

    def targets(self) -> Iterator[Vector]:
        """Rational vectors near points of arcs spread over the complex."""
        count, step = self.complex.arc_count, 0x9E3779B1
        for k in range(_ATTEMPTS):
            yield self.near_middle(k * step % count, 53)

    def is_on_arc(self, y: Vector) -> bool:
        """Whether the direction y lies on an arc."""
        length = self.complex.radius_squared * dot(y, apply(self.chart.gram, y))
        for carrier, plane in enumerate(self.complex.circles):
            slope = sum((c * v for c, v in zip(plane.normal, y, strict=True)), _ZERO)
            if (
                sign_of_surd(slope * self.complex.radius_squared, Rational(plane.offset), length)
                == 0
            ):
                chord = Chord.through(self.geometry, y, self._direction_across(carrier))
                chord = certain(
                    chord, "the pole of a circle is not on it, but for a point that is no circle"
                )
                if chord.starts_on(carrier, self.arcs_of_circle.row(carrier).tolist()):
                    return True
        return False

    def _direction_across(self, carrier: int) -> Vector:
        """A vector that is not parallel to one of the circle: along a small one, or the pole."""
        if self.complex.circles[carrier].offset:
            return self.geometry.circle(carrier).along
        return self.pole(carrier)

    def pole(self, carrier: int) -> Vector:
        """A vector towards the pole of a carrier on its positive side."""
        return (
            solve(self.chart.gram, [Rational(x) for x in self.complex.circles[carrier].normal])
            or []
        )

    def near_middle(self, arc: int, bits: int) -> Vector:
        """Integers of about `bits` bits, a vector in nearly the direction of a point well inside an
        arc.
        """
        return near_middle(self.geometry, arc, bits)

    # ---- halfspaces

    def halfspaces(self, index: int) -> tuple[Halfspace, ...]:
        """The code of a cell as open halfspaces over y, each once, without those that are
        constant.
        """
        bits = iter(self.tree.bits(index))
        found = dict[Halfspace, None]()
        cursor = self.chart.cursor
        while cursor is not None:
            cursor = self._pass_layer(cursor, bits, found)
        return tuple(found)

    def touches(self, index: int, y: Vector) -> bool:
        """Whether a hinge of a cell is zero in the direction y inside it: only where its plane
        touches the sphere there.

        Cost: the halfspaces of the cell behind several hidden layers; else a comparison per plane
        that touches the sphere.
        """
        sides = self._touching if len(self.network.hidden_layers) == 1 else self.halfspaces(index)
        if not sides:
            return False
        point = homogeneous(y)[:-1]
        vector = [Rational(x) for x in point]
        ratio = dot(vector, apply(self.chart.gram, vector)) / self.chart.radius_squared
        return any(_is_zero_at(side, point, ratio) for side in sides)

    @cached_property
    def _touching(self) -> tuple[Halfspace, ...]:
        """The hinges of the first layer whose planes touch the sphere."""
        body = RoundBody(self.chart.gram, self.chart.radius_squared)
        return tuple(
            side for side in self._first_layer[1] if not side.is_constant and body.touches(side)
        )

    def _pass_layer(
        self, cursor: Cursor, bits: Iterator[np.bool_], found: dict[Halfspace, None]
    ) -> Cursor | None:
        z, sides = self._first_layer if cursor is self.chart.cursor else _layer(cursor)
        own = [bool(next(bits)) for _ in sides]
        found.update(
            {
                side if on else side.opposite: None
                for side, on in zip(sides, own, strict=True)
                if not side.is_constant
            }
        )
        return advance(cursor, z, own)

    @cached_property
    def _first_layer(self) -> tuple[RationalArray, tuple[Halfspace, ...]]:
        assert self.chart.cursor is not None, "asked for layers that are there"
        return _layer(self.chart.cursor)


def _layer(cursor: Cursor) -> tuple[RationalArray, tuple[Halfspace, ...]]:
    """The pre-activations of the layer in front of a cursor, and its halfspaces."""
    z = cursor.current.pre_activations(cursor.inner, cursor.one)
    return z, layer_halfspaces(cursor, z)


def _is_zero_at(side: Halfspace, point: Sequence[int], ratio: Rational) -> bool:
    """Whether a plane holds the direction of a point whose squared length is `ratio` times that of
    the sphere's points.
    """
    slope, offset = side.slope(point), side.offset
    if slope * offset >= 0:
        return slope == offset == 0
    return bool(slope**2 * ratio.q == offset**2 * ratio.p)
