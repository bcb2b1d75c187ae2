"""Cells of a simple arrangement, each from the one vertex that is its lowest point: batched,
streamed, no hash set.

Vertex bijection (mathematics.md, "Cells of hyperplane arrangements"): for a generic direction c
every vertex, d hyperplanes, is the lowest point of exactly one cell. Cells unbounded below come
from the same in fewer dimensions: cut by y_1 = -K_1, ..., and K_1 << K_2 << ..., the vertices of i
< d hyperplanes are, to leading order, those of the arrangement of the last i coordinate columns
with the column before them as offset, and all other signs there are reversed. The coordinates y are
generic: a fixed invertible integer map of the given ones. Hyperplanes that are parallel never meet,
their sides on each other are known from their coefficients alone. Where more than d hyperplanes
meet in a point, all its bases are grouped and the cells above it are those of the central
arrangement there on which c is positive: cells of its slice c = 1 that do not reappear at c = -1.
Any other coincidence raises NotSimple: another method has to do it.

Vertices are found line by line. A dictionary (tableau) writes every form over the slacks of i - 1
hyperplanes and the height t along the line where they meet; a form `alpha t + beta` meets the line
at -beta / alpha, so signs at the vertices are comparisons of these heights, and the signs of the
tight hyperplanes are read off the tableau. Each entry carries a proved radius (the running error
analysis of exact.arithmetic.enclosures.ball_tensors); a vertex with an uncertain sign is computed
again with integers. The levels, lines and vertices of one enumeration share its tableaus and stand
in one file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import comb, inf

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import LEAST, U, inflation
from exact.arithmetic.linear_algebra import dot, matrix, solve
from exact.arithmetic.numbers import Rational, nearest_floats, rounding_error
from exact.errors import certain
from exact.geometry.arrangements.arrangement import Arrangement, Essential, arrangement
from exact.geometry.arrangements.generic_coordinates import (
    bounds_of,
    in_unit_cube,
    parallels_of,
    turned,
)
from exact.geometry.budgets import Watch
from exact.geometry.polyhedra.halfspace import Halfspace

_INFLATE = inflation(64)  # a bound is made of some thirty roundings
_TINY = LEAST
# entries of a tableau block: cache on a CPU, memory on a GPU
_BLOCK = {"cpu": 2**17, "cuda": 2**23}
_TOGETHER = 2**8  # so many blocks of lines are cut together: few operations on much


class NotSimple(Exception):
    """More hyperplanes than i meet in a flat of codimension i, or a direction is not generic."""


@dataclass
class Decisions:
    """How many vertices the filter settled, and how many integers did."""

    filter: int = 0
    exact: int = 0


@dataclass(frozen=True)
class _Tableau:
    """Blocks of forms over (t, 1, slacks and coordinates): `mid`, `rad` are (B x N x C), `chosen`
    (B x k) hyperplanes.
    """

    mid: torch.Tensor
    rad: torch.Tensor
    chosen: torch.Tensor


Local = Callable[[Arrangement], BitArray]
"""Enumerates the cells of a small arrangement: the sides of its hyperplanes (R x planes)."""

_MOST_POINTS = 64


class LowestVertices:
    """The cells of `given`, on the sides of its hyperplanes (bool blocks, V x planes).

    `local` enumerates the arrangements at points where more than d hyperplanes meet, 64 points at
    most; without it they raise NotSimple. Lines that are not many are cut together, unless the
    first coincidence is expected soon: `one_by_one` finds it early. Raises Stopped when `watch` is
    up.
    """

    def __init__(
        self,
        given: Essential,
        device: str,
        local: Local | None = None,
        watch: Watch | None = None,
        one_by_one: bool = False,
    ) -> None:
        self.local = local
        self.points = list[torch.Tensor]()
        self.watch = watch or Watch(most_bytes=inf)
        self.dim, self.planes, self.device = given.dim, given.planes, device
        bounds = bounds_of(given)
        self.boxed = bounds is not None
        self.rows = turned(given) if bounds is None else in_unit_cube(given, bounds, self.watch)
        self.count = len(self.rows)
        self.parallels = parallels_of(given.rows, device, self.watch)
        self.block = _BLOCK[torch.device(device).type]
        self.most_together = 0 if one_by_one else _TOGETHER * self.block
        self.decisions = Decisions()

    def blocks(self) -> Iterator[BitArray]:
        """All cells once, level by level; raises NotSimple, possibly after some blocks. Bounded
        cells have the last level.
        """
        if not self.boxed:
            yield from self._deepest()
        for level in range(self.dim if self.boxed else 1, self.dim + 1):
            for lines, first in self._lines(level):
                yield self._cells(lines, level, first)

    def _deepest(self) -> Iterator[BitArray]:
        """The one cell far down the last coordinate: every side is opposite to the coefficient
        there.
        """
        signs = [-row[self.dim] for row in self.rows]
        if self.dim and not all(signs):
            raise NotSimple
        if all(x > 0 for x in signs[self.planes :]):
            self.decisions.exact += 1
            yield np.array([[x > 0 for x in signs[: self.planes]]], dtype=bool)

    def _columns(self, level: int) -> list[int]:
        """Indices into a row: height, offset, the other free coordinates."""
        top = self.dim - level
        return [top + 1, top, *range(top + 2, self.dim + 1)]

    def _start(self, level: int) -> _Tableau:
        scales = [1 << max(abs(x) for x in row).bit_length() for row in self.rows]
        mid = np.empty((self.count, level + 1))
        exactly = np.empty((self.count, level + 1), dtype=bool)
        for i, (row, scale) in enumerate(zip(self.rows, scales, strict=True)):
            self.watch.check()
            entries = [Rational(row[j], scale) for j in self._columns(level)]
            mid[i] = nearest_floats(entries)
            exactly[i] = [
                Rational(*x.as_integer_ratio()) == y
                for x, y in zip(mid[i].tolist(), entries, strict=True)
            ]
        rad = np.where(exactly, 0.0, rounding_error(mid))
        shape = (1, self.count, level + 1)
        middle, radius = (torch.from_numpy(x.reshape(shape)).to(self.device) for x in (mid, rad))
        return _Tableau(middle, radius, torch.zeros((1, 0), dtype=torch.int64, device=self.device))

    def _lines(self, level: int) -> Iterator[tuple[_Tableau, int]]:
        """Blocks of the lines of level - 1 hyperplanes, with the first hyperplane to cut them: all
        cut later than theirs. Where the lines are not many they come together, each to be cut by
        those later than its last, and else by their last hyperplane.
        """
        start = self._start(level)
        if level == 1:
            yield start, 0
            return
        lasts = range(level - 2, self.count - 1)
        together = comb(self.count, level - 1) * self.count * (level + 1) <= self.most_together
        for begin in lasts[:1] if together else lasts:
            self.watch.check()
            ends = lasts if together else (begin,)
            chosen = torch.tensor(ends, dtype=torch.int64, device=self.device)
            if self.boxed:
                chosen = chosen[self._reached(start, torch.zeros_like(chosen), chosen)]
            if len(chosen) == 0:
                continue
            root = self._pivot(
                start, torch.zeros_like(chosen), chosen, begin + 1 if level == 2 else None
            )
            yield from ((lines, begin + 1) for lines in self._expand(root, level - 2, begin + 1))

    def _expand(self, nodes: _Tableau, missing: int, first: int) -> Iterator[_Tableau]:
        """Add `missing` hyperplanes, each before the last one chosen, in blocks of bounded size."""
        if missing == 0:
            yield nodes
            return
        below = torch.arange(self.count, device=self.device)
        allowed = (below < nodes.chosen[:, -1:]) & (below >= missing - 1)
        if self.parallels.some:
            allowed &= ~self.parallels.mask[nodes.chosen].any(1)
        parents, chosen = torch.nonzero(allowed, as_tuple=True)
        if self.boxed:
            reached = self._reached(nodes, parents, chosen)
            parents, chosen = parents[reached], chosen[reached]
        size = max(1, self.block // (nodes.mid.shape[1] * nodes.mid.shape[2]))
        for begin in range(0, len(parents), size):
            self.watch.check()
            part = slice(begin, begin + size)
            children = self._pivot(
                nodes, parents[part], chosen[part], first if missing == 1 else None
            )
            yield from self._expand(children, missing - 1, first)

    def _reached(
        self, nodes: _Tableau, parents: torch.Tensor, chosen: torch.Tensor
    ) -> torch.Tensor:
        """False where hyperplane `chosen[b]` is known to miss the box inside the flat of
        `parents[b]`.

        All coordinates lie in [-1, 1] there, so a wall whose form cannot be positive for such
        values is not reached.
        """
        free = 2 + nodes.chosen.shape[1]
        each, walls = torch.arange(len(parents), device=self.device), slice(self.planes, self.count)
        row = nodes.mid[parents, chosen][:, None, :]
        row_rad = nodes.rad[parents, chosen][:, None, :]
        mid, rad = nodes.mid[:, walls][parents], nodes.rad[:, walls][parents]
        best = row[:, 0, free:].abs().argmax(1) + free
        at = (each, slice(None), best)
        factor, factor_rad = _quotient(mid[at], rad[at], row[at], row_rad[at])
        for columns in (slice(0, 2), slice(free, mid.shape[2])):
            _subtract(
                mid[:, :, columns],
                rad[:, :, columns],
                factor[:, :, None],
                factor_rad[:, :, None],
                row[:, :, columns],
                row_rad[:, :, columns],
            )
        mid[at], rad[at] = 0.0, 0.0
        reach = (
            mid[:, :, 0].abs()
            + mid[:, :, free:].abs().sum(2)
            + rad[:, :, :2].sum(2)
            + rad[:, :, free:].sum(2)
        )
        reached = ~(mid[:, :, 1] + (reach * _INFLATE + _TINY) < 0).any(1)
        if free + 1 == mid.shape[2]:  # a line: the walls leave an interval of heights
            height, spread = _quotient(-mid[:, :, 1], rad[:, :, 1], mid[:, :, 0], rad[:, :, 0])
            up = mid[:, :, 0] > 0
            bottom = torch.where(up, height - spread, -1.0).amax(1)
            top = torch.where(up, 1.0, height + spread).amin(1)
            reached &= bottom <= top
        return reached

    def _pivot(
        self, nodes: _Tableau, parents: torch.Tensor, chosen: torch.Tensor, first: int | None
    ) -> _Tableau:
        """Exchange the largest free coordinate of hyperplane `chosen[b]` for its slack in the
        tableau of `parents[b]`.

        With `first`, the lines are complete: slack columns are wanted only of the hyperplanes from
        `first` on, and the others are left out of date.
        """
        depth, count = nodes.chosen.shape[1], len(parents)
        mid, rad = nodes.mid[parents], nodes.rad[parents]
        each = torch.arange(count, device=self.device)
        free = mid.shape[2] - (2 + depth)
        if free > 1:
            best = mid[each, chosen, 2 + depth :].abs().argmax(1) + 2 + depth
            order = torch.arange(mid.shape[2], device=self.device).repeat(count, 1)
            order[:, 2 + depth], order[each, best] = best, 2 + depth
            wide = order[:, None, :].expand(mid.shape)
            mid, rad = mid.gather(2, wide), rad.gather(2, wide)
        if first is None:
            parts = [slice(0, self.count)]
        else:
            parts = [slice(0, self.count), slice(first, self.count)]
        columns = (
            [slice(0, mid.shape[2])] if first is None else [slice(0, 2), slice(2, mid.shape[2])]
        )
        row, row_rad = mid[each, chosen][:, None, :], rad[each, chosen][:, None, :]
        q = 2 + depth
        factor, factor_rad = _quotient(mid[:, :, q], rad[:, :, q], row[:, :, q], row_rad[:, :, q])
        for rows, cols in zip(parts, columns, strict=True):
            _subtract(
                mid[:, rows, cols],
                rad[:, rows, cols],
                factor[:, rows, None],
                factor_rad[:, rows, None],
                row[:, :, cols],
                row_rad[:, :, cols],
            )
        mid[:, :, q], rad[:, :, q] = factor, factor_rad
        return _Tableau(mid, rad, torch.cat([nodes.chosen[parents], chosen[:, None]], 1))

    def _cells(self, lines: _Tableau, level: int, first: int) -> BitArray:
        """The cells whose lowest points are vertices of these lines with hyperplanes from `first`
        on.
        """
        alpha, alpha_rad = lines.mid[:, :, 0], lines.rad[:, :, 0]
        height, spread = _quotient(-lines.mid[:, :, 1], lines.rad[:, :, 1], alpha, alpha_rad)
        low, high = height - spread, height + spread
        together = self.parallels.mask[lines.chosen].any(1)
        for bound in (low, high):
            bound.masked_fill_(together, torch.inf)
        pick, at = self._selected(lines, level, first, low, high, together)
        low, high, rising, together = low[pick], high[pick], (alpha > 0)[pick], together[pick]
        own_low, own_high = low.gather(1, at)[:, :, None], high.gather(1, at)[:, :, None]
        above, below = own_low > high[:, None, :], own_high < low[:, None, :]
        sides = above ^ ~rising[:, None, :]
        if level < self.dim:
            sides.logical_not_()
        unsure = (above | below).logical_not_()
        unsure &= ~together[:, None, :]
        unsure &= ~self.parallels.mask[at] if self.parallels.some else True
        unsure.scatter_(2, at[:, :, None], False)
        doubtful = (
            unsure.any(2)
            | ~own_high[:, :, 0].isfinite()
            | self._set_tight(sides, lines, pick, at, rising.gather(1, at))
        )
        wanted = ~together.gather(1, at)
        chosen = lines.chosen[pick]
        for point in self.points:
            wanted &= ~(point[chosen].all(1)[:, None] & point[at])
        if self.parallels.some:
            self._set_parallel(
                sides, torch.cat([chosen[:, None, :].expand(*at.shape, -1), at[:, :, None]], 2)
            )
        return self._collect(sides, chosen, at, level, doubtful & wanted, wanted)

    def _selected(
        self,
        lines: _Tableau,
        level: int,
        first: int,
        low: torch.Tensor,
        high: torch.Tensor,
        together: torch.Tensor,
    ) -> tuple[slice | torch.Tensor, torch.Tensor]:
        """Lines and hyperplanes that meet in a vertex not known to lie outside the walls: (lines,
        hyperplanes of each).

        Walls leave an interval of every line. Far below, where the lines of a lower level are,
        their sides are reversed.
        """
        cuts = torch.arange(first, self.count, device=self.device)
        later = cuts > lines.chosen[:, :1] if level > 1 else cuts.expand(len(low), -1) >= first
        if self.planes == self.count:
            if bool(later.all()):
                return slice(None), cuts.expand(len(low), -1)
            pick, at = torch.nonzero(later, as_tuple=True)
            return pick, at[:, None] + first
        walls = slice(self.planes, self.count)
        alpha = lines.mid[:, walls, 0]
        free = ~together[:, walls] & low[:, walls].isfinite() & high[:, walls].isfinite()
        up = (alpha > 0) ^ (level < self.dim)
        bottom = torch.where(free & up, low[:, walls], -torch.inf).amax(1, keepdim=True)
        top = torch.where(free & ~up, high[:, walls], torch.inf).amin(1, keepdim=True)
        near = ~((high[:, first:] < bottom) | (low[:, first:] > top)) & (bottom <= top) & later
        outside = (self.parallels.mask & ~self.parallels.side)[:, walls]
        own = torch.arange(self.count - self.planes, device=self.device)
        outside[own + self.planes, own] = False
        behind = outside.any(1)
        near &= ~behind[lines.chosen].any(1)[:, None] & ~behind[None, first:]
        pick, at = torch.nonzero(near, as_tuple=True)
        return pick, at[:, None] + first

    def _set_tight(
        self,
        sides: torch.Tensor,
        lines: _Tableau,
        pick: slice | torch.Tensor,
        at: torch.Tensor,
        rising: torch.Tensor,
    ) -> torch.Tensor:
        """Set the sides of the hyperplanes through each vertex; True where one is uncertain.

        On the line, `alpha t = form j - sum_l m_l form_l - beta`, so the height t has the
        coefficients 1 / alpha and -m_l / alpha over the tight forms, and the cell above the vertex
        has their signs.
        """
        sides.scatter_(2, at[:, :, None], rising[:, :, None])
        width = lines.mid.shape[2] - 2
        if isinstance(pick, slice):
            slack, slack_rad = lines.mid[:, -at.shape[1] :, 2:], lines.rad[:, -at.shape[1] :, 2:]
        else:
            slack, slack_rad = (x[pick, at[:, 0], 2:][:, None, :] for x in (lines.mid, lines.rad))
        if width:
            index = lines.chosen[pick][:, None, :].expand(slack.shape)
            sides.scatter_(2, index, (slack > 0) ^ rising[:, :, None])
        return ~(slack.abs() > slack_rad).all(2)

    def _set_parallel(self, sides: torch.Tensor, through: torch.Tensor) -> None:
        """Hyperplanes parallel to one of those through the vertex have a constant side there."""
        for member in through.unbind(2):
            beside = self.parallels.mask[member].scatter(2, member[:, :, None], False)
            torch.where(beside, self.parallels.side[member], sides, out=sides)

    def _collect(
        self,
        sides: torch.Tensor,
        chosen: torch.Tensor,
        at: torch.Tensor,
        level: int,
        doubtful: torch.Tensor,
        wanted: torch.Tensor,
    ) -> BitArray:
        """The settled cells inside the walls, and the doubtful ones by integers."""
        settled = wanted & ~doubtful
        self.decisions.filter += int(settled.sum())
        settled &= sides[:, :, self.planes :].all(2)
        found: BitArray = sides[settled][:, : self.planes].cpu().numpy()
        exact = list[list[bool]]()
        for b, j in torch.nonzero(doubtful).tolist():
            self.watch.check()
            exact += self._exact_cells([*chosen[b].tolist(), int(at[b, j])], level)
        return (
            np.concatenate([found, np.array(exact, dtype=bool).reshape(len(exact), self.planes)])
            if exact
            else found
        )

    def _exact_cells(self, tight: Sequence[int], level: int) -> list[list[bool]]:
        """The cells above one vertex, by rational arithmetic: one, or none outside the walls, or
        those of a crowded point.
        """
        if any(bool(point[tight].all()) for point in self.points):
            return []
        self.decisions.exact += 1
        top = self.dim - level
        forms = [[Rational(x) for x in row[top + 1 :]] for row in self.rows]
        offsets = [Rational(row[top]) for row in self.rows]
        square = matrix([forms[j] for j in tight], level)
        vertex = solve(square, [-offsets[j] for j in tight])
        if vertex is None:
            raise NotSimple
        slopes = solve(square.transpose(), [Rational(int(k == 0)) for k in range(level)])
        slopes = certain(slopes, "the transpose of a regular matrix is regular")
        flip = 1 if level == self.dim else -1
        values = [
            flip * (dot(form, vertex) + offset) for form, offset in zip(forms, offsets, strict=True)
        ]
        if level == self.dim and values.count(Rational(0)) > level:
            return self._crowded_cells(
                [k for k, x in enumerate(values) if x == 0], [x > 0 for x in values]
            )
        for j, slope in zip(tight, slopes, strict=True):
            values[j] = slope
        return self._unless_zero(self._beside(values, tight))

    def _beside(self, values: list[Rational], tight: Sequence[int]) -> list[Rational]:
        """Replace the values of hyperplanes parallel to a tight one by their constant signs."""
        for j in tight:
            beside = self.parallels.mask[j].tolist()
            for k in (k for k, same in enumerate(beside) if same and k != j):
                values[k] = Rational(1 if self.parallels.side[j, k] else -1)
        return values

    def _unless_zero(self, values: list[Rational]) -> list[list[bool]]:
        if any(x == 0 for x in values):
            raise NotSimple
        inside = all(x > 0 for x in values[self.planes :])
        return [[bool(x > 0) for x in values[: self.planes]]] if inside else []

    def _crowded_cells(self, through: list[int], sides: list[bool]) -> list[list[bool]]:
        """The cells above a point on more than d hyperplanes, given the sides of the others; found
        once for all its bases.
        """
        if self.local is None or len(self.points) == _MOST_POINTS:
            raise NotSimple
        point = torch.zeros(self.count, dtype=torch.bool, device=self.device)
        point[through] = True
        self.points.append(point)
        if not all(sides[k] or k in through for k in range(self.planes, self.count)):
            return []
        planes = [k for k in through if k < self.planes]
        above, below = (
            {tuple(row) for row in self._slice(through, height).tolist()} for height in (1, -1)
        )
        cells = []
        for local in sorted(above - below):
            cell = list(sides[: self.planes])
            for k, side in zip(planes, local, strict=True):
                cell[k] = side
            cells.append(cell)
        return cells

    def _slice(self, through: Sequence[int], height: int) -> BitArray:
        """The cells of the hyperplanes and walls through a point at this height above it."""
        forms = [
            Halfspace.of([Rational(x) for x in (*self.rows[k][2:], height * self.rows[k][1])])
            for k in through
        ]
        planes = [form for form, k in zip(forms, through, strict=True) if k < self.planes]
        walls = [form for form, k in zip(forms, through, strict=True) if k >= self.planes]
        given = arrangement(planes, walls, self.dim - 1)
        assert self.local is not None
        return given.hinge_bits(self.local(given))


def _quotient(
    mid: torch.Tensor, rad: torch.Tensor, by: torch.Tensor, by_rad: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """mid / by with |x/y - X/Y| <= (dx + |X/Y| dy) / (|Y| - dy), where |Y| > dy; an infinite radius
    elsewhere.
    """
    quotient, room = mid / by, by.abs() - by_rad
    spread = (
        (rad + quotient.abs() * by_rad) / (room * (1 - 2 * U)) + quotient.abs() * (4 * U)
    ) * _INFLATE + _TINY
    known = (room > 0) & quotient.isfinite() & spread.isfinite()
    return torch.where(known, quotient, 0.0), torch.where(known, spread, torch.inf)


def _subtract(
    mid: torch.Tensor,
    rad: torch.Tensor,
    factor: torch.Tensor,
    factor_rad: torch.Tensor,
    row: torch.Tensor,
    row_rad: torch.Tensor,
) -> None:
    """mid - factor * row in place: radii add up, with U |product| and U |difference| for the
    rounding of each.
    """
    product = factor * row
    mid -= product
    rad += factor.abs() * row_rad
    rad += factor_rad * (row.abs() + row_rad)
    rad += product.abs_().mul_(2 * U)
    rad += mid.abs() * (2 * U)
    rad *= _INFLATE
    rad += _TINY
