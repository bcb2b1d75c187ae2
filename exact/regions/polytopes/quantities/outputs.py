"""Which outputs win on the regions of a flat domain, and between which values outputs lie there.

An output is affine on a region, so that it is extreme at vertices, and larger than another one all
over the region iff it is nowhere smaller at them and not equal to it. Floats with proved bounds at
the vertices of all regions settle most of that; what they leave open is decided by exact maps, LPs
and vertices, region by region.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import inf

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.enclosures.roundoff import LEAST, U, inflation
from exact.arithmetic.linear_algebra import Vector, rows_of
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    fraction,
    fractions,
    nearest_float,
    nearest_floats,
    rational,
    rounding_error,
)
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, require
from exact.geometry.polyhedra.faces import SymbolicPoint
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine
from exact.geometry.polyhedra.programmes.lp import Interior, strict_feasibility
from exact.geometry.polyhedra.volumes import BoundedPolytope, corners
from exact.regions.polytopes.quantities.hyperplanes import Walled
from exact.regions.polytopes.quantities.in_boxes import InBox, winners
from exact.regions.polytopes.quantities.valued_complexes import Valued

_UP = inflation(4096)
_BLOCK = 2**11  # regions whose vertices are looked at together
_ZERO = Rational(0)


@short_repr
@dataclass(frozen=True)
class OutputRange:
    """The least and the greatest value of an output on the closure of a region or of the domain,
    exactly, and a vertex with each, in the parameters of the domain; None where there is none.
    """

    least: Fraction | None
    greatest: Fraction | None
    least_at: tuple[Fraction, ...] | None
    greatest_at: tuple[Fraction, ...] | None


@dataclass(frozen=True)
class _Values:
    """The outputs at the vertices of some regions: values and bounds (N x m), and where the rows of
    each region begin.
    """

    regions: IndexArray
    starts: IndexArray
    values: FloatArray
    errors: FloatArray


@members_in_ieee_floats
class Classified(Walled, Valued):
    """The winning outputs of a partition of a flat domain: class c wins where output c is the first
    largest one, as in argmax. A single output decides between two classes: 1 where it is positive,
    else 0.

    Raises NotPiecewiseLinear behind GELU or SiLU, Unsupported in a ball. Cost: a few microseconds a
    region for each class, and exact LPs on regions in which several classes win.
    """

    @property
    def class_count(self) -> int:
        """The number of classes."""
        return max(2, int(self.maps_float.shape[1]))

    @property
    def class_ids(self) -> IndexArray:
        """The class that wins on all of a region, -1 where several do (R); decided exactly.

        A class wins where its output is the first largest one: of outputs that tie all over a
        region the first, and where they tie only in part the classes of both sides, so that -1
        stands there. A single output decides between class 1, where it is positive, and class 0,
        where it is negative or zero.

        >>> from exact import Box, partition
        >>> from exact.sources import tensors
        >>> both = tensors.mlp([([[1], [-1]], [0, 0]), ([[2, 0], [0, 1]], [0, "1/2"])])
        >>> found = partition(both, Box(-1, 1, dim=1), engine="subdivision")
        >>> found.class_ids.tolist(), found.class_sets.tolist()
        ([1, -1], [[False, True], [True, True]])
        >>> [str(x) for x in found.class_volumes]
        ['3/4', '5/4']
        >>> found.output_ranges_float[1].tolist(), found.output_range(1).greatest_at
        ([[0.0, 2.0], [0.5, 0.5]], (Fraction(-1, 1),))
        """
        several = self.class_sets.sum(axis=1) > 1
        ids: IndexArray = np.where(several, -1, self.class_sets.argmax(axis=1))
        return ids

    @cached_property
    def class_sets(self) -> BitArray:
        """Which classes win on an open part of a region (R x classes), exactly."""
        count, classes = len(self.codes), self.class_count
        found, settled = np.zeros((count, classes), bool), np.zeros(count, bool)
        never = np.zeros((count, classes), bool)
        for some in self._values_at_vertices():
            values, errors = _with_zero(some.values, some.errors)
            low, high = values - errors, values + errors
            first = values.argmax(axis=1)
            every = np.arange(len(first))
            others = high.copy()
            others[every, first] = -inf
            wins = np.zeros_like(high, bool)
            wins[every, first] = low[every, first] > others.max(axis=1)
            found[some.regions] = np.logical_or.reduceat(wins, some.starts, axis=0)
            sure = np.logical_and.reduceat(wins.any(axis=1), some.starts)
            settled[some.regions] = sure & (found[some.regions].sum(axis=1) == 1)
            for c in range(classes):
                beaten = np.logical_and.reduceat(low > high[:, c : c + 1], some.starts, axis=0)
                never[some.regions, c] = beaten.any(axis=1)
        for i in np.flatnonzero(~settled).tolist():
            if self._in_box is not None and (region := self._in_box.region(i)) is not None:
                found[i], never[i] = winners(self._output_functions(self._in_box, i), region)
            known, open_ = found[i], ~found[i] & ~never[i]
            for c in np.flatnonzero(open_).tolist():
                known[c] = self._wins(i, c)
            require(bool(known.any()), "some class wins on a region", i)
        return found

    def _output_functions(self, box: InBox, index: int) -> FloatArray:
        """The outputs on a region as rows over the box; zero before a single one."""
        rows = box.functions(self.maps_float[index], self.maps_bound[index])
        return rows if len(rows) > 1 else np.concatenate([np.zeros_like(rows), rows])

    def _wins(self, index: int, c: int) -> bool:
        """Whether a class wins on an open part of a region, by an exact LP."""
        rows = self._margins_over(index, c)
        if rows is None:
            return False
        walls = (*self.walls_known(index), *rows)
        return isinstance(strict_feasibility(walls, self.flat.dim), Interior)

    def _margins_over(self, index: int, c: int) -> tuple[Halfspace, ...] | None:
        """The halfspaces in which class c is above each other one, as functions on one region; None
        where there is no such point.
        """
        outputs, found = self._output_rows(index), list[Halfspace]()
        for other, row in enumerate(outputs):
            gap = [x - y for x, y in zip(outputs[c], row, strict=True)]
            if any(gap[:-1]):
                found.append(Halfspace.of(gap))
            elif other != c and (gap[-1] < 0 or (gap[-1] == 0 and other < c)):
                return None
        return tuple(found)

    def _output_rows(self, index: int) -> list[Vector]:
        """The exact outputs on a region; zero before a single one."""
        rows = rows_of(self.map_columns(index))
        return rows if len(rows) > 1 else [[_ZERO] * len(rows[0]), rows[0]]

    # ---- how much of the domain each class has

    @cached_property
    def class_volumes(self) -> tuple[Fraction, ...]:
        """The volume of the part of the domain in which each class wins, exactly: regions in which
        several win are cut where they tie. InvalidInput where a region is unbounded.

        Cost: an exact volume a region; `class_volumes_float` takes it of regions with ties only.
        """
        totals = [_ZERO] * self.class_count
        for i, c in enumerate(self.class_ids.tolist()):
            if c >= 0:
                totals[c] += self.solid(i).volume
        for c, volume in self._parts():
            totals[c] += volume
        return fractions(totals)

    @property
    def class_shares(self) -> tuple[Fraction, ...]:
        """`class_volumes` as shares of their sum."""
        whole = sum(self.class_volumes)
        return tuple(volume / whole for volume in self.class_volumes)

    @cached_property
    def _class_volumes(self) -> tuple[FloatArray, FloatArray]:
        ids, sums, bounds = self.class_ids, np.zeros(self.class_count), np.zeros(self.class_count)
        own = ids >= 0
        np.add.at(sums, ids[own], self.volumes_float[own])
        np.add.at(bounds, ids[own], self.volumes_bound[own])
        for c, volume in self._parts():
            value = np.array([nearest_float(volume)])
            sums[c], bounds[c] = sums[c] + value[0], bounds[c] + rounding_error(value)[0]
        return sums, (bounds + (len(ids) + 4) * U * sums) * _UP

    @property
    def class_volumes_float(self) -> FloatArray:
        """The same as floats (classes), inf where a class wins on an unbounded region."""
        return self._class_volumes[0]

    @property
    def class_volumes_bound(self) -> FloatArray:
        """Proved bounds on the errors of `class_volumes_float`."""
        return self._class_volumes[1]

    def _parts(self) -> Iterator[tuple[int, Rational]]:
        """The parts of regions in which several classes win: class and exact volume."""
        for i in np.flatnonzero(self.class_ids < 0).tolist():
            if not self.is_bounded_region[i]:
                self.solid(i)  # which says why it has no volume
            walls = [Halfspace(facet.hyperplane) for facet in self.facets_of(i)]
            for c in np.flatnonzero(self.class_sets[i]).tolist():
                sides = (*walls, *(self._margins_over(i, c) or ()))
                solid = BoundedPolytope.of(corners(sides, self.flat.dim), sides)
                yield c, solid.volume

    # ---- between which values

    @cached_property
    def _output_ranges(self) -> tuple[FloatArray, FloatArray]:
        shape = len(self.codes), self.maps_float.shape[1]
        found, bounds, known = np.zeros((*shape, 2)), np.zeros(shape), np.zeros(shape[0], bool)
        for some in self._values_at_vertices():
            found[some.regions, :, 0] = np.minimum.reduceat(some.values, some.starts, axis=0)
            found[some.regions, :, 1] = np.maximum.reduceat(some.values, some.starts, axis=0)
            bounds[some.regions] = np.maximum.reduceat(some.errors, some.starts, axis=0)
            known[some.regions] = np.isfinite(bounds[some.regions]).all(axis=1)
        if self._in_box is not None:
            for i in range(len(found)):
                functions = self._in_box.functions(self.maps_float[i], self.maps_bound[i])
                found[i], bounds[i] = self._in_box.ranges(i, functions)
            known[:] = np.isfinite(bounds).all(axis=1)
        for i in np.flatnonzero(~known).tolist():
            for k, own in enumerate(self.output_ranges_of(i)):
                ends = own.least, own.greatest
                there = np.array([x is not None for x in ends])
                found[i, k] = -inf, inf
                found[i, k, there] = nearest_floats(rational(x) for x in ends if x is not None)
                bounds[i, k] = rounding_error(found[i, k, there]).max(initial=0.0)
        return found, bounds

    @property
    def output_ranges_float(self) -> FloatArray:
        """The least and the greatest value of every output on the closure of every region (R x
        outputs x 2), -inf and inf where there is none; `output_ranges_bound` (R x outputs) bounds
        the errors of both, inf where one is beyond the range of floats, and
        `regions[i].output_ranges` are exact.
        """
        return self._output_ranges[0]

    @property
    def output_ranges_bound(self) -> FloatArray:
        """Proved bounds on the errors of `output_ranges_float`."""
        return self._output_ranges[1]

    def output_ranges_of(self, index: int) -> tuple[OutputRange, ...]:
        """The exact range of every output on one region."""
        rows = rows_of(self.map_columns(index))
        if self._in_box is not None:
            return tuple(_between(*self._in_box.extremes(index, row)) for row in rows)
        places = self._symbolic_corners(index)
        return tuple(_range(row, places) for row in rows)

    def _output_range_of(self, index: int, output: int) -> OutputRange:
        row = rows_of(self.map_columns(index))[output]
        if self._in_box is not None:
            return _between(*self._in_box.extremes(index, row))
        return _range(row, self._symbolic_corners(index))

    def output_range(self, output: int) -> OutputRange:
        """The exact range of an output over the domain: of regions whose floats leave open whether
        they hold the least or the greatest value the exact ranges are made.

        Raises InvalidInput for an output that is not there, and without any region.
        """
        count = self.maps_float.shape[1]
        if output not in range(-count, count) or not len(self.codes):
            raise InvalidInput(
                "no such output on a region",
                value=f"output {output} of {count}, {len(self.codes)} regions",
                remedy=f"give 0 .. {count - 1}, of a partition with regions",
            )
        ends, slack = self.output_ranges_float[:, output], self.output_ranges_bound[:, output]
        vague = np.isinf(slack)  # of values beyond the range of floats
        off = np.where(vague, 0.0, slack)[:, None]
        below = np.where(vague[:, None], -inf, ends - off)
        above = np.where(vague[:, None], inf, ends + off)
        low = np.flatnonzero(below[:, 0] <= above[:, 0].min())
        high = np.flatnonzero(above[:, 1] >= below[:, 1].max())
        least, _ = self._extreme(low, output, 1)
        greatest, _ = self._extreme(high, output, -1)
        return OutputRange(least.least, greatest.greatest, least.least_at, greatest.greatest_at)

    def difference_range(self, a: int, b: int) -> OutputRange:
        """The least and the greatest value of output a minus output b over the closed domain,
        exactly, each with a vertex where it is reached: they are reached at vertices of regions.

        Raises InvalidInput for outputs that are not there, and as `valued_complex` does.

        >>> from exact import Box, partition
        >>> from exact.sources import tensors
        >>> two = tensors.mlp([([[1, 1], [1, -1]], [0, 0]), ([[1, 0], [0, 1]], [0, "1/2"])])
        >>> found = partition(two, Box(-1, 1, dim=2)).difference_range(0, 1)
        >>> print(found.least, *found.least_at, found.greatest, *found.greatest_at)
        -5/2 1 -1 3/2 1 1
        """
        whole = self.valued_complex
        count = self.map_columns(0).nrows()
        if not {a, b} <= {*range(count)}:
            raise InvalidInput(
                "no such outputs", value=(a, b), remedy=f"give two from 0 to {count - 1}"
            )
        values = [x - y for x, y in zip(whole.values[a], whole.values[b], strict=True)]
        low, high = values.index(min(values)), values.index(max(values))
        least, greatest = fraction(values[low]), fraction(values[high])
        return OutputRange(
            least, greatest, fractions(whole.points[low]), fractions(whole.points[high])
        )

    def _extreme(self, regions: IndexArray, output: int, sign: int) -> tuple[OutputRange, int]:
        """The range with the least (sign 1) or the greatest value (-1), and its region."""
        best: tuple[OutputRange, int] | None = None
        for i in regions.tolist():
            own = self._output_range_of(i, output)
            end = own.least if sign > 0 else own.greatest
            if end is None:
                return own, i
            before = None if best is None else (best[0].least if sign > 0 else best[0].greatest)
            if before is None or sign * end < sign * before:
                best = own, i
        assert best is not None, "some region is the best by floats"
        return best

    def _symbolic_corners(self, index: int) -> list[SymbolicPoint]:
        """The vertices of a region, those at infinity too."""
        if self._complex is not None:
            faces = self._complex.faces
            return [faces.vertex(int(i)) for i in faces.corners.row(index)]
        points, bounded = self.corners_of(index)
        if not bounded:
            raise InvalidInput(
                "the region is unbounded, and no complex of faces is at hand",
                value=f"region {index}",
                remedy="partition with engine='subdivision', or a bounded domain",
            )
        return [SymbolicPoint(point, (0,) * self.flat.dim) for point in points]

    def _values_at_vertices(self) -> Iterator[_Values]:
        """The outputs at the vertices of bounded regions, in blocks; none without a complex."""
        maps, slack = self.maps_float, self.maps_bound  # which refuse smooth networks
        if self._complex is None:
            return
        rows, (points, off, _) = self._complex.faces.corners, self._complex.at
        every = np.flatnonzero(self.is_bounded_region)
        lengths = np.diff(rows.starts)
        for start in range(0, len(every), _BLOCK):
            regions = every[start : start + _BLOCK]
            size = lengths[regions]
            starts = np.cumsum(size) - size
            shift = np.repeat(rows.starts[regions] - starts, size)
            vertex = rows.members[shift + np.arange(len(shift))]
            a, b = (x[np.repeat(regions, size)] for x in (maps, slack))
            x, e = points[vertex], off[vertex]
            values = np.einsum("nmk,nk->nm", a[:, :, :-1], x) + a[:, :, -1]
            sizes = np.einsum("nmk,nk->nm", np.abs(a[:, :, :-1]), np.abs(x)) + np.abs(a[:, :, -1])
            errors = np.abs(a[:, :, :-1]).sum(axis=2) * e[:, None] + sizes * ((x.shape[1] + 4) * U)
            errors += np.einsum("nmk,nk->nm", b[:, :, :-1], np.abs(x) + e[:, None]) + b[:, :, -1]
            yield _Values(regions, starts, values, errors * _UP + LEAST)


def _with_zero(values: FloatArray, errors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A single output with zero, which is exact, before it."""
    if values.shape[1] > 1:
        return values, errors
    zero = np.zeros_like(values)
    return np.concatenate([zero, values], axis=1), np.concatenate([zero, errors], axis=1)


def _range(row: Sequence[Rational], places: Sequence[SymbolicPoint]) -> OutputRange:
    """The range of `row . (x, 1)` over the hull of points `p + K q`, K larger than every number."""
    found = [(_slope(row, place), _value(row, place.finite), place) for place in places]
    fall, low, at_low = min(found, key=lambda one: (one[0], one[1], not one[2].is_finite))
    rise, high, at_high = max(found, key=lambda one: (one[0], one[1], one[2].is_finite))
    return OutputRange(
        None if fall < 0 else fraction(low),
        None if rise > 0 else fraction(high),
        _place(at_low) if fall == 0 else None,
        _place(at_high) if rise == 0 else None,
    )


def _between(low: tuple[Rational, Vector], high: tuple[Rational, Vector]) -> OutputRange:
    """The range between two values with their points."""
    return OutputRange(fraction(low[0]), fraction(high[0]), fractions(low[1]), fractions(high[1]))


def _place(vertex: SymbolicPoint) -> tuple[Fraction, ...] | None:
    return fractions(affine(vertex.finite)) if vertex.is_finite else None


def _slope(row: Sequence[Rational], place: SymbolicPoint) -> Rational:
    slopes = (a * x for a, x in zip(row, place.infinite, strict=False))
    return sum(slopes, _ZERO) / place.finite[-1]


def _value(row: Sequence[Rational], point: Point) -> Rational:
    return sum((a * x for a, x in zip(row, affine(point), strict=False)), _ZERO) + row[-1]
