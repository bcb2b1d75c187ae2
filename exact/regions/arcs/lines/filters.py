"""Float64 filters for many straight lines at once: where the hinges of a network cross them, with
proved enclosures, or no answer.

A line is `(1 - f) A + f B` times a positive factor, 0 <= f <= 1: a segment from A to B, or the ray
from A along B. Without a norm every pre-activation on a piece between two cuts is of this form
again, so that one product with two columns a piece gives all hinges of a layer. Behind a norm in
front of the first hidden layer it is `(1 - f) P + f Q + c N(f)`, N the norm's root, the length of a
vector that is affine in f: a third column. A hinge h vanishes where `((1 - f) P + f Q)^2 = c^2
N^2`, hence at most twice.

Proofs. The computed function differs from h by at most E at every f of the whole line, by norms of
rows and columns (see roundoff). Signs count beyond E only. Ends of opposite sign hold one zero;
ends of the same sign s hold none where s h is concave (s c <= 0), or where `N(f) >= <v(f), v(m)> /
N(m)`, the Cauchy-Schwarz inequality for the vector v of N at any m, keeps s h positive; and they
hold two where s h is negative at m. A proposed zero is enclosed by two points at which the sign is
proved. A piece reaches from within the enclosure of one cut to within that of the next: its signs
are taken at the inner ends, and count beyond E and what h can change inside the enclosures. Zeros
of all layers count where their enclosures are disjoint; else the line is left to exact arithmetic.
Written in torch alone, for CPU and GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import U
from exact.regions.arcs.lines.columns import (
    UP,
    Columns,
    LayerFloats,
    LinePlan,
    NormFloats,
    One,
    Root,
    activated,
    bent,
    hinges_of,
    normalised,
    of_pieces,
    pre_activations,
    total,
)

if TYPE_CHECKING:
    from torch import Tensor


class LineEvents(NamedTuple):
    """Sign changes of the hinges of B lines, one line after another and in order: enclosures of f,
    hinges; the bits (B x hinges) where each line starts; which lines are proved.
    """

    lines: Tensor
    low: Tensor
    high: Tensor
    hinges: Tensor
    first: Tensor
    proved: Tensor


class _Pieces(NamedTuple):
    """Pieces of lines, in order: line, inner ends, the largest width of the enclosures at its
    ends (None: exact), and whether each starts its line.
    """

    line: Tensor
    start: Tensor
    end: Tensor
    sliver: Tensor | None
    heads: Tensor


@dataclass
class _Found:
    """The events so far, in order, those of the last layer marked as new, and which lines are
    proved.
    """

    line: Tensor
    low: Tensor
    high: Tensor
    hinge: Tensor
    new: Tensor
    proved: Tensor


def line_events(
    plan: LinePlan, ends: Tensor, errors: Tensor, one: tuple[float, float], most: int
) -> LineEvents | None:
    """The events of lines with the given ends (B x 2 x n), known within `errors` (B); None where
    more than `most` numbers a column would be made, and there are several lines.
    """
    count, device = len(ends), ends.device
    values = {0: Columns(ends, None, errors)}
    unit, root = One(*one, 0.0), None
    lines = torch.arange(count, device=device)
    start = torch.zeros(count, dtype=ends.dtype, device=device)
    pieces = _Pieces(lines, start, torch.ones_like(start), None, lines)
    none = torch.zeros(0, dtype=ends.dtype, device=device)
    index = torch.zeros(0, dtype=torch.int64, device=device)
    found = _Found(index, none, none, index, index > 0, errors.isfinite())
    first, offset = list[torch.Tensor](), 0
    for k, (does, inputs) in enumerate(plan.steps):
        given = [values[i] for i in inputs]
        if does is None:
            values[k + 1] = total(given, None if root is None else root.of(pieces.line))
        elif isinstance(does, NormFloats):
            values[k + 1], unit, root = normalised(does, given[0], unit)
            found.proved &= ~root.low.isnan()
        else:
            local = None if root is None else root.of(pieces.line)
            z, error = pre_activations(does, given[0], unit, local)
            if not does.bits:
                values[k + 1] = activated(does, z, None, unit, error, local)
            else:
                hinges, bounds = hinges_of(does, z, unit, error, local)
                first.append(_cut(does, hinges, bounds, pieces, local, found, offset))
                offset += does.bits
                if k + 1 < len(plan.steps):
                    pieces, parents = _pieces_between(found, pieces, count)
                    if len(pieces.line) * plan.widest > most and count > 1:
                        return None
                    for i in {*values} - {*plan.forgets[k]}:
                        values[i] = of_pieces(values[i], parents)
                    z, error = of_pieces(z, parents), error.of(parents)
                    local = None if root is None else root.of(pieces.line)
                    middle = (pieces.start + pieces.end) / 2
                    values[k + 1] = bent(does, z, unit, error, local, middle)
        for i in plan.forgets[k]:
            values.pop(i, None)
    width = torch.zeros(count, 0, dtype=torch.bool, device=device)
    bits = torch.cat([width, *first], 1)
    return LineEvents(found.line, found.low, found.high, found.hinge, bits, found.proved)


# ---- cuts


def _cut(
    layer: LayerFloats,
    hinges: Columns,
    bounds: Tensor,
    pieces: _Pieces,
    root: Root | None,
    found: _Found,
    offset: int,
) -> Tensor:
    """Add the events of a layer to those before, in order; the bits of its hinges where lines
    start.
    """
    start, across = hinges.ends[:, 0], hinges.ends[:, 1] - hinges.ends[:, 0]
    third = hinges.root
    if pieces.sliver is None:
        left, right, ends = start, hinges.ends[:, 1], bounds
    else:
        left = torch.addcmul(start, pieces.start[:, None], across)
        right = torch.addcmul(start, pieces.end[:, None], across)
        steep = across.abs()
        if root is not None and third is not None:
            steep = steep + third.abs() * (2 * root.high)[:, None]
        ends = torch.addcmul(bounds, steep, pieces.sliver[:, None]) * UP
    if root is not None and third is not None:
        left = left + third * root.at(pieces.start)[:, None]
        right = right + third * root.at(pieces.end)[:, None]
    first = (left[pieces.heads] > 0) & ~layer.is_zero
    known = ((left.abs() > ends) & (right.abs() > ends)) | layer.is_zero
    crosses = ((left > 0) != (right > 0)) & ~layer.is_zero
    found.proved[pieces.line[~known.all(dim=1)]] = False
    sure = found.proved[pieces.line]
    rows, columns = torch.nonzero(crosses & sure[:, None], as_tuple=True)
    flat = _Flat.of(hinges, bounds, root, rows, columns)
    found_left, found_right = pieces.start[rows], pieces.end[rows]
    rising = left[rows, columns] < 0
    events = [(rows, columns, *flat.enclosed(found_left, found_right, rising))]
    if root is not None and third is not None:
        events += _twice(hinges, bounds, pieces, root, left, right, ends, sure, found)
    _merge(events, pieces, found, offset)
    return first


def _twice(
    hinges: Columns,
    bounds: Tensor,
    pieces: _Pieces,
    root: Root,
    left: Tensor,
    right: Tensor,
    ends: Tensor,
    sure: Tensor,
    found: _Found,
) -> list[tuple[Tensor, ...]]:
    """The zeros of hinges that have the same sign at both ends; lines on which some hinge neither
    has two for certain nor none are not proved.
    """
    third = hinges.root
    assert third is not None
    drop = [(root.at(f) - root.low + root.error)[:, None] for f in (pieces.start, pieces.end)]
    size = third.abs()
    away = torch.minimum(left.abs() - size * drop[0], right.abs() - size * drop[1]) > ends
    same = ((left > 0) == (right > 0)) & (left * third > 0) & ~away & sure[:, None]
    rows, columns = torch.nonzero(same, as_tuple=True)
    flat = _Flat.of(hinges, bounds, root, rows, columns)
    start, end = pieces.start[rows], pieces.end[rows]
    above = left[rows, columns] > 0
    middle = flat.least().clamp(min=start, max=end)
    there = torch.where(above, 1.0, -1.0) * flat.at(middle)
    twice = there < -flat.bound
    never = flat.stays(above, middle, start, end)
    found.proved[pieces.line[rows[~(twice | never)]]] = False
    both, flat = twice.nonzero()[:, 0], flat.only(twice)
    rows, columns, start, end = rows[both], columns[both], start[both], end[both]
    middle, above = middle[both], above[both]
    return [
        (rows, columns, *flat.enclosed(start, middle, ~above)),
        (rows, columns, *flat.enclosed(middle, end, above)),
    ]


class _Flat(NamedTuple):
    """Some hinges one by one: `start + f across + third N(f)`, within `bound`."""

    start: Tensor
    across: Tensor
    third: Tensor | None
    bound: Tensor
    root: Root | None

    @classmethod
    def of(
        cls, hinges: Columns, bounds: Tensor, root: Root | None, rows: Tensor, columns: Tensor
    ) -> _Flat:
        """Hinge columns[i] of piece rows[i]."""
        start, end = (hinges.ends[rows, k, columns] for k in (0, 1))
        third = hinges.root
        if third is None or root is None:
            return cls(start, end - start, None, bounds[rows, columns], None)
        c = third[0, columns] if len(third) == 1 else third[rows, columns]
        return cls(start, end - start, c, bounds[rows, columns], root.of(rows))

    def only(self, those: Tensor) -> _Flat:
        """Some of them."""
        start, across, bound = self.start[those], self.across[those], self.bound[those]
        if self.third is None or self.root is None:
            return _Flat(start, across, None, bound, None)
        return _Flat(start, across, self.third[those], bound, self.root.of(those))

    def at(self, f: Tensor) -> Tensor:
        """The value at f."""
        value = torch.addcmul(self.start, f, self.across)
        if self.third is None or self.root is None:
            return value
        return torch.addcmul(value, self.third, self.root.at(f))

    def with_slope(self, f: Tensor) -> tuple[Tensor, Tensor]:
        """The value and the derivative at f."""
        if self.third is None or self.root is None:
            return self.at(f), self.across
        a, b, c = self.root[:3]
        there, rise = self.root.at(f), torch.addcmul(b - a, f, a + c - 2 * b)
        value = torch.addcmul(torch.addcmul(self.start, f, self.across), self.third, there)
        return value, torch.addcmul(self.across, self.third, rise / there)

    def least(self) -> Tensor:
        """Where the function is flat, about; anything where it nowhere is."""
        assert self.third is not None and self.root is not None
        a, b, c = self.root[:3]
        bend = a + c - 2 * b
        beyond = self.third * self.third * bend - self.across * self.across
        depth = (a * c - b * b).clamp(min=0.0) / bend
        away = (self.across.abs() / bend.sqrt()) * (depth / beyond).sqrt()
        flat = (a - b) / bend - torch.copysign(away, self.across * self.third)
        side = torch.where(self.across * self.third > 0, 0.0, 1.0)
        return torch.where(flat.isfinite(), flat, side)

    def stays(self, above: Tensor, middle: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Whether the sign is the same all over [start, end], by Cauchy-Schwarz at `middle`."""
        assert self.third is not None and self.root is not None
        a, b, c = self.root[:3]
        first, second = a + middle * (b - a), b + middle * (c - b)
        sign, size = torch.where(above, 1.0, -1.0), self.third.abs()
        there, room = self.root.at(middle), self.bound + size * self.root.loose
        values = [
            sign * (self.start + f * self.across) + size * ((first + f * (second - first)) / there)
            for f in (start, end)
        ]
        return torch.minimum(values[0], values[1]) > room * UP

    def enclosed(self, left: Tensor, right: Tensor, rising: Tensor) -> tuple[Tensor, ...]:
        """The zero between `left` and `right`: an enclosure, and whether it is proved."""
        near = self._proposed(left, right)
        value, slope = self.with_slope(near)
        if self.third is not None:
            near = near - value / slope
        width = 4 * self.bound / slope.abs() + 4 * U
        low, high = near - width, near + width
        sign = torch.where(rising, 1.0, -1.0)
        proved = (sign * self.at(low) < -self.bound) & (sign * self.at(high) > self.bound)
        return low, high, proved & (low > left) & (high < right)

    def _proposed(self, left: Tensor, right: Tensor) -> Tensor:
        """A zero in closed form: of two the one inside where the sign of the affine part fits."""
        if self.third is None or self.root is None:
            return -self.start / self.across
        a, b, c = self.root[:3]
        square = self.third * self.third
        second = self.across * self.across - square * (a + c - 2 * b)
        first = self.start * self.across - square * (b - a)
        zeroth = self.start * self.start - square * a
        root = (first * first - second * zeroth).clamp(min=0.0).sqrt()
        total = -(first + torch.copysign(root, first))
        one, other = total / second, zeroth / total
        fits = (one > left) & (one < right)
        fits &= torch.addcmul(self.start, one, self.across) * self.third <= 0
        return torch.where(fits, one, other)


def _merge(events: list[tuple[Tensor, ...]], pieces: _Pieces, found: _Found, offset: int) -> None:
    """Put new events among those before, and let go of lines where enclosures meet."""
    rows, columns, low, high, proved = (
        torch.cat(x) if len(x) > 1 else x[0] for x in zip(*events, strict=True)
    )
    line, hinge = pieces.line[rows], columns + offset
    found.proved[line[~proved]] = False
    new = torch.ones_like(proved)
    if len(found.line):
        line, low, high = (
            torch.cat(pair) for pair in ((found.line, line), (found.low, low), (found.high, high))
        )
        hinge, new = torch.cat([found.hinge, hinge]), torch.cat([torch.zeros_like(found.new), new])
    order = torch.argsort(torch.where(found.proved[line], line + (low + high) / 2, torch.inf))
    line, low, high = line[order], low[order], high[order]
    kept = found.proved[line]
    meets = torch.where(line[1:] == line[:-1], ~(high[:-1] < low[1:]), line[1:] < line[:-1])
    meets &= kept[1:] & kept[:-1]
    if bool(meets.any()):
        found.proved[line[1:][meets]] = False
        found.proved[line[:-1][meets]] = False
        kept = found.proved[line]
    if not bool(kept.all()):
        line, low, high, order = line[kept], low[kept], high[kept], order[kept]
    found.line, found.low, found.high = line, low, high
    found.hinge, found.new = hinge[order], new[order]


def _pieces_between(found: _Found, before: _Pieces, count: int) -> tuple[_Pieces, Tensor]:
    """The pieces between all events, and the piece in `before` that each is a part of."""
    line, lines = found.line, torch.arange(count, device=found.line.device)
    counts = torch.bincount(line, minlength=count)
    owner = torch.repeat_interleave(lines, counts + 1)
    heads = lines + torch.cumsum(counts, 0) - counts
    after = torch.arange(len(line), device=line.device) + line + 1
    start = torch.zeros(len(owner), dtype=found.low.dtype, device=line.device)
    end, sliver, old = torch.ones_like(start), torch.zeros_like(start), torch.zeros_like(owner)
    start[after], end[after - 1] = found.high, found.low
    width = (found.high - found.low) * UP
    sliver[after] = width
    sliver[after - 1] = torch.maximum(sliver[after - 1], width)
    old[after] = (~found.new).to(old.dtype)
    passed = torch.cumsum(old, 0)
    parents = before.heads[owner] + passed - passed[heads][owner]
    return _Pieces(owner, start, end, sliver, heads), parents
