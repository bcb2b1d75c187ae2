"""Scan lines: where in the triangle of three points boundaries are dense, by exact crossings on
parallel lines.

In each of m directions, turned evenly, parallel lines at a distance h cross the triangle, and each
is partitioned exactly. Lines at the angle a to a piece of boundary of length L meet it L |sin a| /
h times on average, and |sin a| is 2 / pi on average over directions: so pi / (2 m) times the sum of
h over all crossings stands for the length of boundary (Cauchy 1841, Crofton 1868), in the triangle
or in a pixel of it. What is exact are the crossings on the lines: their number, order, neurons, and
on demand their points. What lies between lines is not seen. A long straight boundary has its length
but for the share (pi / 2 m)^2 / 3 that m directions miss at most, 2.3 % for six. Cost: one
partition a line.

On the line through two activations all coordinates vanish that are zero in both: hundreds of
neurons and windows change there at one point, by how the plane was chosen. Lines that reach beyond
the triangle are cut out 2^-12 around these lines, so that what stands there counts neither within
nor outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray, RationalMatrix, rational
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput
from exact.geometry.budgets import Budget
from exact.geometry.domains.straight import Segment
from exact.geometry.pencils.positions import position_float
from exact.instruments.batches.polylines import outcome_of
from exact.networks.network import Network
from exact.partition import partition
from exact.regions.arcs.partition import CurvePartition
from exact.regions.cells import Outcome

_SIDES = 2.0**-12  # how far lines stay from the lines through two corners, in parameters
_FLAT = 2.0**-22  # area over the square of the longest side, below which three points are in line


@short_repr
@dataclass(frozen=True, eq=False)
class Triangle:
    """The triangle of three points (3 x d), `scale` times as large about its centre, in float64.

    Its points have parameters (s, t), those of `Plane(*corners)`, and coordinates (x, y) in units
    of the space around it: the first corner is (0, 0), the second on the positive x-axis, the third
    above it. Raises InvalidInput for other shapes, for three points in line, and for scales that
    are not positive.

    >>> import numpy as np
    >>> from exact.instruments.batches.scan_lines import Triangle
    >>> whole = Triangle(np.array([[0.0, 0, 0], [3, 0, 0], [3, 4, 0]]))
    >>> whole.coordinates([[0, 0], [1, 0], [0, 1]]).tolist(), whole.area
    ([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]], 6.0)
    """

    corners: FloatArray
    scale: float = 1.0

    def __post_init__(self) -> None:
        shape = np.shape(self.corners)
        if len(shape) != 2 or shape[0] != 3 or shape[1] < 2:
            raise InvalidInput(
                "a triangle has three corners in two dimensions or more",
                value=f"shape {shape}",
                remedy="give three rows of coordinates",
            )
        object.__setattr__(self, "corners", np.asarray(self.corners, dtype=np.float64))
        sides = np.linalg.norm(self.corners - np.roll(self.corners, 1, axis=0), axis=1)
        if not self._twice > _FLAT * float(sides.max()) ** 2:
            raise InvalidInput(
                "three corners are in line, or nearly",
                value=f"area {self._twice / 2:.3g}, longest side {sides.max():.3g}",
                remedy="give three points that span a triangle",
            )
        if not 0 < self.scale < math.inf:
            raise InvalidInput(
                "a triangle has no such size", value=self.scale, remedy="give a positive scale"
            )

    @cached_property
    def frame(self) -> FloatArray:
        """The matrix that takes parameters to coordinates (2 x 2)."""
        upper = np.linalg.qr((self.corners[1:] - self.corners[0]).T, mode="r")
        return np.asarray(upper * np.where(np.diag(upper) < 0, -1.0, 1.0)[:, None])

    @property
    def _twice(self) -> float:
        return float(self.frame[0, 0] * self.frame[1, 1])

    @property
    def area(self) -> float:
        """With its scale."""
        return self.scale**2 * self._twice / 2

    @property
    def least(self) -> float:
        """What s, t and 1 - s - t are at least."""
        return (1 - self.scale) / 3

    @property
    def outline(self) -> FloatArray:
        """The parameters of its corners, with its scale (3 x 2)."""
        low = self.least
        return np.array([[low, low], [1 - 2 * low, low], [low, 1 - 2 * low]])

    def coordinates(self, parameters: Any) -> FloatArray:
        """Of points with these parameters (N x 2)."""
        return np.asarray(np.asarray(parameters, dtype=np.float64) @ self.frame.T)

    def parameters(self, coordinates: Any) -> FloatArray:
        """Of points with these coordinates (N x 2)."""
        given = np.asarray(coordinates, dtype=np.float64)
        return np.asarray(np.linalg.solve(self.frame, given.T).T)

    def holds(self, parameters: Any, scale: float | None = None) -> BitArray:
        """Which points (N x 2) are in it, or in the one of another scale."""
        given = np.asarray(parameters, dtype=np.float64)
        low = self.least if scale is None else (1 - scale) / 3
        found: BitArray = np.minimum(given.min(axis=1), 1 - given.sum(axis=1)) >= low
        return found

    @cached_property
    def square(self) -> tuple[FloatArray, float]:
        """The lower left corner and the side of the least square around it, in coordinates."""
        ends = self.coordinates(self.outline)
        low, high = ends.min(axis=0), ends.max(axis=0)
        side = float((high - low).max())
        return (low + high - side) / 2, side

    def points(self, parameters: Any) -> FloatArray:
        """The points of space with these parameters (N x d)."""
        sides = self.corners[1:] - self.corners[0]
        return np.asarray(self.corners[0] + np.asarray(parameters, dtype=np.float64) @ sides)


@short_repr
@dataclass(frozen=True, eq=False)
class ScanLines:
    """Exact partitions of lines across a triangle: `parts[i]` from parameters `ends[i, 0]` to
    `ends[i, 1]` (L x 2 x 2), one of the lines of its direction at distances `steps[i]`.
    """

    triangle: Triangle
    directions: int
    ends: FloatArray
    steps: FloatArray
    parts: tuple[CurvePartition, ...]

    @property
    def outcome(self) -> Outcome:
        """That of all lines: complete, or what ended the first that is not."""
        return outcome_of(self.parts)

    @cached_property
    def counts(self) -> IndexArray:
        """The number of crossings on each line."""
        return np.array([max(0, len(part) - 1) for part in self.parts], dtype=np.int64)

    @cached_property
    def line(self) -> IndexArray:
        """The line of each crossing, in order."""
        return np.repeat(np.arange(len(self.parts)), self.counts)

    @cached_property
    def parameters(self) -> FloatArray:
        """Where crossings are (N x 2), within 2^-29 of a turn as their cuts promise;
        `parts[i].crossings` has them exactly.
        """
        at = [
            position_float(part.frame, part.cells.cuts[k].near)
            for part in self.parts
            for k in range(1, len(part))
        ]
        first, last = self.ends[self.line, 0], self.ends[self.line, 1]
        return np.asarray(first + np.array(at, dtype=np.float64)[:, None] * (last - first))

    @cached_property
    def changes(self) -> IndexArray:
        """How many neurons and windows change at each crossing: the Hamming distance across it."""
        found = [np.zeros(0, dtype=np.int64)]
        for part in self.parts:
            codes, units = part.cells.codes, _units(part.network)
            if len(codes) > 1:
                begin = int(codes.starts[1])
                step = np.repeat(np.arange(len(codes) - 1), np.diff(codes.starts)[1:])
                met = np.unique(np.stack([step, units[codes.rows[begin:]]]), axis=1)
                found.append(np.bincount(met[0], minlength=len(codes) - 1))
        return np.concatenate(found)

    @cached_property
    def stands_for(self) -> FloatArray:
        """The length of boundary that each crossing stands for."""
        return np.asarray(math.pi / (2 * self.directions) * self.steps[self.line])

    @property
    def length(self) -> float:
        """Of all boundaries in the triangle: an estimate from exact crossings."""
        return float(self.stands_for.sum())

    def length_within(self, scale: float) -> float:
        """The same in the triangle of another scale, within that of the lines."""
        return float(self.stands_for[self.triangle.holds(self.parameters, scale)].sum())

    def density(self, side: int, *, changes: bool = False) -> FloatArray:
        """The length of boundary per area in `side` x `side` pixels of the square around the
        triangle, by [x, y], NaN where no line passes; with `changes` every boundary as often as
        neurons and windows change there.
        """
        crossed, seen = np.zeros((side, side)), np.zeros((side, side))
        weights = self.stands_for * (self.changes if changes else 1)
        np.add.at(crossed, _pixels(self.triangle, self.parameters, side), weights)
        for (first, last), step in zip(self.ends, self.steps.tolist(), strict=True):
            a, b = self.triangle.coordinates([first, last])
            shares = _shares(a, b, self.triangle, side)
            middles = first + ((shares[:-1] + shares[1:]) / 2)[:, None] * (last - first)
            pieces = np.diff(shares) * np.linalg.norm(self.triangle.coordinates([last - first]))
            np.add.at(seen, _pixels(self.triangle, middles, side), pieces * step / self.directions)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(seen > 0, crossed / np.where(seen > 0, seen, 1.0), np.nan))


def _units(network: Network) -> IndexArray:
    """The number of the neuron or window of every hinge."""
    numbers: dict[tuple[int, int], int] = {}
    found = [numbers.setdefault((h.layer, h.neuron), len(numbers)) for h in network.hinges]
    return np.array(found, dtype=np.int64)


def _pixels(triangle: Triangle, parameters: FloatArray, side: int) -> tuple[IndexArray, IndexArray]:
    low, width = triangle.square
    at = np.floor((triangle.coordinates(parameters) - low) * (side / width)).astype(np.int64)
    x, y = np.clip(at, 0, side - 1).T
    return x, y


def _shares(first: FloatArray, last: FloatArray, triangle: Triangle, side: int) -> FloatArray:
    """Where a line from one point to another passes into other pixels, and 0 and 1."""
    low, width = triangle.square
    found = [np.array([0.0, 1.0])]
    for axis in (0, 1):
        gap = last[axis] - first[axis]
        if gap:
            share = (low[axis] + np.arange(side + 1) * (width / side) - first[axis]) / gap
            found.append(share[(share > 0) & (share < 1)])
    return np.sort(np.concatenate(found))


def lines_across(triangle: Triangle, lines: int, directions: int) -> tuple[FloatArray, FloatArray]:
    """The parameters of both ends (L x 2 x 2) of `lines` parallel lines in each of some directions,
    and the distance of each to the next one. Where the triangle is enlarged they are in pieces
    between the lines through two corners. Pieces shorter than a 2^20th are left out.

    >>> import numpy as np
    >>> from exact.instruments.batches.scan_lines import Triangle, lines_across
    >>> unit = Triangle(np.array([[0.0, 0], [1, 0], [0, 1]]))
    >>> ends, steps = lines_across(unit, 1, 2)
    >>> ends.round(3).tolist(), steps.round(3).tolist()
    ([[[0.5, 0.0], [0.0, 0.5]], [[0.0, 0.0], [0.5, 0.5]]], [0.707, 1.414])
    """
    outline = triangle.outline
    ends, steps = list[FloatArray](), list[float]()
    for number in range(directions):
        angle = math.pi * (number + 0.5) / directions
        normal = triangle.frame.T @ np.array([math.cos(angle), math.sin(angle)])
        heights = outline @ normal
        low, high = float(heights.min()), float(heights.max())
        step = (high - low) / lines
        for place in range(lines):
            own = _across(outline, heights, low + (place + 0.5) * step)
            for piece in _between_sides(own) if triangle.scale > 1 else (own,):
                if np.abs(piece[1] - piece[0]).max() > 2.0**-20:
                    ends.append(piece)
                    steps.append(step)
    return np.array(ends).reshape(-1, 2, 2), np.array(steps)


def _across(outline: FloatArray, heights: FloatArray, at: float) -> FloatArray:
    """The two points at which a line at a height leaves a triangle."""
    found = list[FloatArray]()
    for a, b in ((0, 1), (0, 2), (1, 2)):
        if (heights[a] - at) * (heights[b] - at) <= 0 and heights[a] != heights[b]:
            share = (at - heights[a]) / (heights[b] - heights[a])
            found.append(outline[a] + share * (outline[b] - outline[a]))
    # three where one passes through a corner: the two that are farthest apart
    pairs = [(p, q) for i, p in enumerate(found) for q in found[i + 1 :]]
    return np.array(max(pairs, key=lambda pair: float(np.abs(pair[1] - pair[0]).max())))


def _between_sides(own: FloatArray) -> list[FloatArray]:
    """A line in pieces that stay away from s = 0, t = 0 and s + t = 1."""
    margins = np.column_stack([own, 1 - own.sum(axis=1)])
    open_ones = [(0.0, 1.0)]
    for a, b in margins.T.tolist():
        if a == b:
            continue
        left, right = sorted(((_SIDES - a) / (b - a), (-_SIDES - a) / (b - a)))
        parts = (
            ((p, min(q, left)) for p, q in open_ones),
            ((max(p, right), q) for p, q in open_ones),
        )
        open_ones = [(p, q) for some in parts for p, q in some if p < q]
    return [own[0] + np.array([[p], [q]]) * (own[1] - own[0]) for p, q in sorted(open_ones)]


def scan_lines(
    network: Network,
    corners: Any,
    *,
    lines: int = 40,
    directions: int = 6,
    scale: float = 1.0,
    budget: Budget | None = None,
) -> ScanLines:
    """Cut `lines` lines in each of some directions across the triangle of three inputs (3 x d), or
    across one `scale` times as large about its centre, exactly. A budget is that of each line.

    Raises InvalidInput for corners that span no triangle and for no lines or directions, and what
    :func:`partition` does. Cost: that of `partition`, a line at a time.

    >>> from exact.sources import tensors
    >>> fold = tensors.mlp([([[1, 0]], [-0.25]), ([[1]], [0])])
    >>> found = scan_lines(fold, [[0, 0], [1, 0], [0, 1]], lines=20, directions=6)
    >>> round(found.length, 2), found.outcome.value  # x = 1/4, 3/4 long
    (0.75, 'complete')
    """
    for name, count in (("lines", lines), ("directions", directions)):
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise InvalidInput(f"there are no {name}", value=count, remedy=f"give {name}=1 or more")
    exact = RationalMatrix.read(corners, "corners").exact
    rows = [[exact[i, k] for k in range(exact.ncols())] for i in range(exact.nrows())]
    triangle = Triangle(np.array([[float(x.p) / float(x.q) for x in row] for row in rows]), scale)
    ends, steps = lines_across(triangle, lines, directions)
    parts = tuple(
        partition(network, Segment(*(_point(rows, end) for end in own)), budget=budget).seen_as(
            CurvePartition
        )
        for own in ends
    )
    return ScanLines(triangle, directions, ends, steps, parts)


def _point(rows: Sequence[Sequence[Any]], parameters: FloatArray) -> list[Any]:
    """The exact point of some parameters."""
    s, t = map(rational, parameters.tolist())
    columns = zip(*rows, strict=True)
    return [a + s * (b - a) + t * (c - a) for a, b, c in columns]
