"""Exact coordinates of the vertices of a subdivision, and exact signs at them, made on demand.

A vertex is the meet of d hyperplanes: walls of the domain, sides of the cube at infinity, or hinges
of a hidden layer on a region of the layers before. Hinges become integer forms by exact propagation
along the region's code.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from exact.arithmetic.arrays import ByteArray
from exact.arithmetic.linear_algebra import matrix
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    nearest_quotient,
    rounding_error,
)
from exact.errors import EngineDefect, certain
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.constructions import shortened
from exact.geometry.polyhedra.faces import FaceComplex, SymbolicPoint
from exact.geometry.polyhedra.halfspace import Halfspace, Point, homogeneous, is_inside, primitive
from exact.geometry.polyhedra.programmes.lp import short_point
from exact.networks.network import Network
from exact.propagation.cursor import Cursor, advance, begin

IntArray = np.ndarray[Any, Any]
_ZERO, _ONE = Rational(0), Rational(1)
_KEPT = 4096
# first plane, layer, regions, hinges, codes, first bit
Segment = tuple[int, int, IntArray, IntArray, ByteArray, int]
Form = tuple[tuple[int, ...], int]  # (normal, offset) as integers, and the coefficient of K


def _no_planes(vertex: int) -> IntArray:
    raise IndexError(f"vertex {vertex} of 0")


class ExactVertices:
    """Planes by number, vertices by the planes that define them."""

    def __init__(self, network: Network, flat: Flat) -> None:
        self.network, self.flat, self.dim = network, flat, flat.dim
        self._one = [_ZERO] * flat.dim + [_ONE]
        self._fixed = list[Form]()
        self._segments = list[Segment]()
        self._starts = list[int]()
        self._cursors: OrderedDict[tuple[int, bytes], Cursor] = OrderedDict()
        self._forms: dict[int, Form] = {}
        self._points: dict[int, SymbolicPoint] = {}
        self.planes: Callable[[int], IntArray] = _no_planes

    def add_walls(self, forms: list[Form]) -> None:
        """Planes that are there from the start, in order."""
        self._fixed += forms

    @property
    def walls(self) -> tuple[Form, ...]:
        """The planes that are there from the start."""
        return tuple(self._fixed)

    def add_hinges(
        self,
        first: int,
        layer: int,
        regions: IntArray,
        hinges: IntArray,
        codes: ByteArray,
        bit0: int,
    ) -> None:
        """Planes `first`, `first + 1`, ...: hinge of `layer` on the region whose code in front of
        it is codes[region].
        """
        self._segments.append((first, layer, regions, hinges, codes, bit0))
        self._starts.append(first)

    def form(self, plane: int) -> Form:
        """The integer form of a plane."""
        if plane < len(self._fixed):
            return self._fixed[plane]
        if plane not in self._forms:
            first, layer, regions, hinges, codes, bit0 = self._segment(plane)
            code, hinge = codes[int(regions[plane - first])], int(hinges[plane - first])
            self._forms[plane] = self.hinge_form(layer, code, bit0, hinge)
        return self._forms[plane]

    def hinge(self, plane: int) -> int:
        """The index of the plane's hinge in the code, or -1 for a wall."""
        if plane < len(self._fixed):
            return -1
        first, _, _, hinges, _, bit0 = self._segment(plane)
        return bit0 + int(hinges[plane - first])

    def _segment(self, plane: int) -> Segment:
        return self._segments[bisect_right(self._starts, plane) - 1]

    def hinge_form(self, layer: int, code: ByteArray, bit0: int, hinge: int) -> Form:
        """The integer form of a hinge of `layer` on the region with this code in front of it."""
        cursor = self._cursor(layer, np.unpackbits(code, count=bit0).astype(bool).tolist())
        here = cursor.current
        bends = here.activation.breakpoints
        row = here.pre_activation(hinge // len(bends), cursor.inner, cursor.one)
        return Halfspace.of([*row[:-1], row[-1] - bends[hinge % len(bends)]]).coefficients, 0

    def _cursor(self, layer: int, bits: list[bool]) -> Cursor:
        """The exact state in front of a hidden layer on the region with these bits before it."""
        key = layer, bytes(bits)
        if key in self._cursors:
            self._cursors.move_to_end(key)
            return self._cursors[key]
        if layer == 0:
            cursor = begin(self.network, self.flat.state(), self._one)
        else:
            size = self.network.bits_per_layer[layer - 1]
            before = self._cursor(layer - 1, bits[: len(bits) - size])
            z = before.current.pre_activations(before.inner, before.one)
            cursor = advance(before, z, bits[len(bits) - size :])
        cursor = certain(cursor, "the layer exists")
        self._cursors[key] = cursor
        if len(self._cursors) > _KEPT:
            self._cursors.popitem(last=False)
        return cursor

    def point(self, vertex: int) -> SymbolicPoint:
        """The exact coordinates of a vertex."""
        if vertex not in self._points:
            self._points[vertex] = self.meet([self.form(int(h)) for h in self.planes(vertex)])
        return self._points[vertex]

    def forget_points(self) -> None:
        """Vertices are numbered anew."""
        self._points.clear()

    def meet(self, forms: list[Form]) -> SymbolicPoint:
        """The one common point of d independent planes."""
        rows = [[Rational(x) for x in form[:-1]] for form, _ in forms]
        right = RationalArray(
            self.dim, 2, [Rational(x) for form, k in forms for x in (-form[-1], -k)]
        )
        solution = matrix(rows, self.dim).solve(right)
        p, q = ([solution[i, k] for i in range(self.dim)] for k in (0, 1))
        both = homogeneous([*p, *q])
        return SymbolicPoint((*both[: self.dim], both[-1]), both[self.dim : -1])

    def share(self, forms: list[Form], direction: Sequence[int], slot: int) -> int:
        """The sign of the multiple of form `slot`'s normal in the direction as a sum of multiples
        of the normals of d independent forms: whether it rises where that form alone does.
        """
        rows = [[Rational(form[i]) for form, _ in forms] for i in range(self.dim)]
        right = RationalArray(self.dim, 1, [Rational(x) for x in direction])
        found = matrix(rows, self.dim).solve(right)[slot, 0]
        return (found > 0) - (found < 0)

    def sign(self, vertex: int, plane: int) -> int:
        """The exact sign of a plane's form at a vertex."""
        return self.sign_of(vertex, self.form(plane))

    def sign_of(self, vertex: int, of: Form) -> int:
        """The exact sign of a form at a vertex."""
        form, k = of
        if k == 0 and not any(form[:-1]):
            return (form[-1] > 0) - (form[-1] < 0)
        point = self.point(vertex)
        high = sum(a * x for a, x in zip(form, point.infinite, strict=False)) + k * point.finite[-1]
        value = high or sum(a * x for a, x in zip(form, point.finite, strict=True))
        return (value > 0) - (value < 0)

    def floats(
        self, vertex: int
    ) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
        """The nearest float64 coordinates of the finite and the infinite part, each with bounds on
        the rounding errors.
        """
        point = self.point(vertex)
        return _nearest(point.finite[:-1], point.finite[-1]), _nearest(
            point.infinite, point.finite[-1]
        )


def _nearest(numerators: tuple[int, ...], denominator: int) -> tuple[FloatArray, FloatArray]:
    floats = np.array([nearest_quotient(x, denominator) for x in numerators], np.float64)
    return floats, np.where(np.array(numerators) == 0, 0.0, rounding_error(floats))


class FloatGeometry(Protocol):
    """What floats know of a complex, in the order of its faces."""

    def facet_planes(self) -> IntArray:
        """The plane of every facet."""

    def positions(self) -> FloatArray:
        """The coordinates of every vertex; NaN at infinity."""


class Witnesses:
    """Exact interior points of regions, from the planes of their facets: the region is where all of
    them are positive.

    Floats propose a short dyadic near the mean of the vertices; what fails the exact test falls
    back on an exact mean of them, with K large enough where some are at infinity, rounded to a
    short point inside.
    """

    def __init__(
        self, vertices: ExactVertices, faces: FaceComplex, floats: FloatGeometry, codes: ByteArray
    ) -> None:
        self._vertices, self._faces, self._floats, self._codes = vertices, faces, floats, codes

    @cached_property
    def _facet_planes(self) -> IntArray:
        return self._floats.facet_planes()

    @cached_property
    def _near(self) -> FloatArray:
        return self._floats.positions()

    def __call__(self, region: int) -> Point:
        """A point strictly inside, homogeneous."""
        walls = self.walls(region)
        proposed = self._proposed(region, walls)
        if proposed is not None and is_inside(walls, proposed):
            return proposed
        points = [self._faces.vertex(int(v)) for v in self._faces.corners.row(region)]
        found = mean_inside(points, walls)
        if not is_inside(walls, found):
            raise EngineDefect("the mean of the vertices is not inside", value=region)
        return shortened(found, walls)

    def walls(self, region: int) -> tuple[Halfspace, ...]:
        """The halfspaces of the facets, sides of the cube at infinity left out."""
        bits = np.unpackbits(self._codes[region])
        found = list[Halfspace]()
        for facet in self._faces.boundary[self._faces.dim].row(region):
            plane = int(self._facet_planes[facet])
            (form, k), hinge = self._vertices.form(plane), self._vertices.hinge(plane)
            if k == 0:
                wall = Halfspace(form)
                found.append(wall if hinge < 0 or bits[hinge] else wall.opposite)
        return tuple(found)

    def _proposed(self, region: int, walls: tuple[Halfspace, ...]) -> Point | None:
        middle = self._near[self._faces.corners.row(region)].mean(axis=0)
        if not walls or not np.isfinite(middle).all():
            return None
        rows = np.stack([wall.float_row for wall in walls])
        return short_point(middle, float((rows[:, :-1] @ middle + rows[:, -1]).min()))


def mean_inside(points: list[SymbolicPoint], walls: tuple[Halfspace, ...]) -> Point:
    """A mean of points, of weights that differ by less than 2 so that no common denominator is
    needed; K large for the walls.

    Summing homogeneous points weighs each by its last coordinate; shifts make these equally long.
    """
    bits = max(point.finite[-1].bit_length() for point in points)
    shifts = [bits - point.finite[-1].bit_length() for point in points]
    finite, drift = (
        _shifted_sum(rows, shifts)
        for rows in ([p.finite for p in points], [p.infinite for p in points])
    )
    ratios = [
        -value // slope
        for wall in walls
        if (slope := wall.slope(drift)) > 0 and (value := wall.value(finite)) <= 0
    ]
    power = max((ratio + 1).bit_length() for ratio in ratios) if ratios else 0
    return primitive(
        [*(x + (y << power) for x, y in zip(finite[:-1], drift, strict=True)), finite[-1]]
    )


def _shifted_sum(rows: list[tuple[int, ...]], shifts: list[int]) -> tuple[int, ...]:
    return tuple(
        sum(x << shift for x, shift in zip(column, shifts, strict=True))
        for column in zip(*rows, strict=True)
    )
