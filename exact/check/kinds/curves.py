"""Kind `curve`: the cells of a line, a circle or an ellipse, with one norm at most, in order.

Call the part of the curve on which the bits of the layers before layer l do not change a stretch of
l: there its hinges are fixed functions, each with two sign changes at most, in closed form
(`pencils`), on an ellipse with four (`ellipses`). (1) At a rational point of the first cell of each
stretch the signs of its functions are the bits. (2) A cut between cells is where functions of the
lowest layer with a flip change sign as the flip says; where several are named, at the same
direction. Of several such changes of one function it is the next. (3) Cuts are in strict order. (4)
Every other sign change of a function lies outside the inside of its stretch. So inside every cell
all hinges of layer 1, then of layer 2, ... have the sign of the bit: the cell has its code, and no
cut is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key
from typing import Any, Generic

from exact.check.functions.charts import Chart, are_independent, is_definite
from exact.check.functions.pencils import Direction, rational
from exact.check.functions.stages import Stage, Stages
from exact.check.kinds.curve_points import OfEllipse, OfPencil, Point, Points
from exact.check.kinds.ellipses import Conic, conic_of
from exact.check.network import Network
from exact.check.records import (
    Claim,
    Integers,
    Json,
    Records,
    Rejected,
    bits_of,
    get,
    indices,
    integers,
    only,
    scaled,
    written_code,
)

SEAM = rational(1, 0)


@dataclass(frozen=True)
class Curve:
    """The points `(alpha u + beta v) / one` from (1, 0) counter-clockwise to `end`, or a circle of
    directions; or an ellipse, whose chart has the centre as its third column.
    """

    chart: Chart
    one: Integers
    end: Direction | None
    conic: Conic | None = None

    @classmethod
    def read(cls, record: Any, inputs: int) -> Curve:
        if "cosine" in record:
            return cls._ellipse(record, inputs)
        only(record, {"chart", "radius_squared", "end", "one"}, "domain")
        chart = Chart.read(record, 2, inputs)
        if not record.keys() & {"end", "one"}:
            if not are_independent(chart.columns):
                raise Rejected("domain: the vectors of the chart do not span a circle")
            return cls(chart, [0, 0], None)
        end, one = (integers(record.get(key), 2, f"domain, {key}") for key in ("end", "one"))
        ahead = end[1] > 0 or (end[1] == 0 and end[0] < 0)
        inside = one[0] + (one[0] * end[0] + one[1] * end[1]) if end[1] else one[1]
        if (
            chart.form
            or not ahead
            or one[0] < 0
            or one[0] * end[0] + one[1] * end[1] < 0
            or inside <= 0
        ):
            raise Rejected("domain: no segment, ray or line")
        if not are_independent(
            [[*column, x] for column, x in zip(chart.columns, one, strict=True)]
        ):
            raise Rejected("domain: a line of one point")
        return cls(chart, [x * chart.denominator for x in one], rational(*end))

    @classmethod
    def _ellipse(cls, record: Any, inputs: int) -> Curve:
        only(record, {"chart", "cosine"}, "domain")
        conic = conic_of(scaled(record["cosine"], 1, "domain, cosine"))
        chart = Chart.around(record, 2, inputs)
        if not are_independent(chart.columns[:2]):
            raise Rejected("domain: the vectors of the chart do not span an ellipse")
        return cls(chart, [0, 0, chart.denominator], None, conic)

    def begin(self, network: Network) -> Stages:
        """The network along the curve; no norm is undefined anywhere on a circle."""
        if self.end is None and self.conic is None:
            stages = self.chart.begin(network)
            if stages.sizes and (stages.form is None or not is_definite(stages.form)):
                raise Rejected(
                    "domain: neither a radius, nor a norm that is defined all around the circle"
                )
            return stages
        return Stages(network, self.chart.columns, self.one, self.chart.denominator, None)

    def __str__(self) -> str:
        size = len(self.chart.columns[0])
        if self.conic is not None:
            return f"the ellipse in R^{size} that is in the file"
        if self.end is None:
            return (
                f"the circle {self.chart.size} spanned by two vectors of R^{size}, as in the file"
            )
        return f"the part of a straight line in R^{size} that is in the file"


def check_curve(header: Json, network: Network, claim: Claim, records: Records) -> tuple[str, str]:
    """What a certificate of the cells of a curve proves, and in which domain."""
    curve = Curve.read(get(header, "domain", dict, "header"), network.input_dim)
    if claim.maps or not claim.complete or claim.faces or not claim.regions:
        raise Rejected(
            "header: maps, counts of faces, no cell, or a list that is not complete, which no "
            "curve can have"
        )
    stages, end = curve.begin(network), curve.end
    if curve.conic is None:
        ends = None if end is None else (SEAM, end)
        cuts = _Sweep(OfPencil(), ends, stages, claim).run(records)
    else:
        cuts = _Sweep(OfEllipse(curve.conic), None, stages, claim).run(records)
    return (
        f"{claim.regions} cells between {cuts} cuts, in which no hinge of any layer changes its "
        f"sign",
        str(curve),
    )


@dataclass
class _Stretch(Generic[Point]):
    """A run of cells with the same functions of one layer; `named` are their sign changes where a
    cut was.
    """

    stage: Stage
    start: Point | None
    first: int
    changes: list[list[tuple[Point, bool]]]
    named: set[tuple[int, int]] = field(default_factory=set)

    def open_changes(self) -> list[tuple[int, Point]]:
        """The sign changes that were not named: hinge, point."""
        return [
            (j, at)
            for j, changes in enumerate(self.changes)
            for k, (at, _) in enumerate(changes)
            if (j, k) not in self.named
        ]


class _Sweep(Generic[Point]):
    """One pass over the cells in order; `cut` is the last one. A line has its two `ends`."""

    def __init__(
        self, points: Points[Point], ends: tuple[Point, Point] | None, stages: Stages, claim: Claim
    ) -> None:
        self.points, self.ends, self.stages, self.claim = points, ends, stages, claim
        self.closed, self.count = ends is None, claim.regions
        self.offsets = [sum(stages.sizes[:k]) for k in range(len(stages.sizes) + 1)]
        self.hinges = self.offsets[-1]
        self.stretches = list[_Stretch[Point]]()
        self.first = self.cut = None if ends is None else ends[0]
        self.place, self.code, self.first_code = "cell 0", 0, 0

    def run(self, records: Records) -> int:
        """Read and check all cells; the number of cuts."""
        record = records.next("cell 0")
        only(record, {"code", "flips", "witness", *(["undefined"] * self.closed)}, "cell 0")
        self.code = self.first_code = self.claim.add(record, self.hinges, "cell 0")
        bits = bits_of(self.code, self.hinges)
        closing, witness = self._flips(record), self._witness(record)
        undefined = self._is_undefined(record)
        if self.closed and (closing or undefined):
            self.first = self.cut = self._cut(bits, closing, undefined, is_first=True)[0]
        if (not self.closed and closing) or (self.closed and self.count > 1 and self.first is None):
            raise Rejected(
                "cell 0: flips at the start of a line, or none where cells of a circle meet"
            )
        self._enter(0, bits, witness, 0)
        for i in range(1, self.count):
            self.place = f"cell {i}"
            record = records.next(self.place)
            self._pass(i, bits, record, witness)
            witness = self._witness(record)
        self._finish(closing, witness)
        return self.count + 1 if not self.closed else self.count if self.first is not None else 0

    def _pass(self, i: int, bits: list[bool], record: Any, witness: Integers) -> None:
        """Pass the cut in front of cell i: the bits behind it, and the stretches that end and start
        there.
        """
        only(record, {"flips", "witness", "undefined"}, self.place)
        flips, undefined = self._flips(record), self._is_undefined(record)
        if not flips and not undefined:
            raise Rejected(f"{self.place}: nothing changes at the cut before it")
        found, kept = self._cut(bits, flips, undefined)
        if self.cut is not None and self.points.compare(self.cut, found) >= 0:
            raise Rejected(f"{self.place}: the cut before it is not behind the one before that")
        self._inside(witness, found, f"cell {i - 1}")
        for hinge in flips:
            bits[hinge] = not bits[hinge]
        for stretch in self.stretches[kept:]:
            self._close(stretch, found, wraps=False)
        del self.stretches[kept:]
        self.cut = found
        self._enter(kept, bits, self._witness(record), i)
        self.code ^= self._mask(flips)
        self.claim.add({"code": written_code(self.code, self.hinges)}, self.hinges, self.place)

    def _cut(
        self, bits: Sequence[bool], flips: Integers, undefined: bool, is_first: bool = False
    ) -> tuple[Point, int]:
        """The point of a cut, and how many layers go on behind it with the same functions.

        `bits` are those of the cell before it or, of the first cut of a circle, behind it.
        """
        layers = [
            next(k for k in range(len(self.stages.sizes)) if hinge < self.offsets[k + 1])
            for hinge in flips
        ]
        kept = min(layers) + 1 if layers else len(self.stages.sizes)
        found: Point | None = None
        if undefined:
            found, behind_norm = self._undefined_at(bits, kept)
            kept = min(kept, behind_norm)
        for hinge, layer in zip(flips, layers, strict=True):
            if layer < kept:
                here = self._change(bits, layer, hinge, is_first)
                if found is not None and self.points.compare(found, here):
                    raise Rejected(
                        f"{self.place}: hinge {hinge} does not change its sign where the cut is"
                    )
                found = here
        if found is None:
            raise Rejected(
                f"{self.place}: no hinge of the lowest layer that changes gives the direction of "
                f"the cut"
            )
        return found, kept

    def _change(self, bits: Sequence[bool], layer: int, hinge: int, is_first: bool) -> Point:
        """Where a hinge changes its sign as its bit says; the change is crossed off the list of its
        stretch.
        """
        j, rises = hinge - self.offsets[layer], bits[hinge] == is_first
        if is_first:
            stage = self.stages.at(layer, bits)
            changes = self.points.sign_changes(stage.hinges[j], stage.form)
        else:
            changes = self.stretches[layer].changes[j]
        found = self._next([at for at, rising in changes if rising == rises])
        if found is None:
            raise Rejected(
                f"{self.place}: hinge {hinge} flips, and changes its sign nowhere around"
            )
        if not is_first:
            place = next(k for k, (at, _) in enumerate(changes) if at is found)
            self.stretches[layer].named.add((j, place))
        return found

    def _next(self, candidates: Sequence[Point]) -> Point | None:
        """Of points in any order the next one after the last cut, else the first of all: cuts are
        in order from the seam on.
        """
        compare, cut = self.points.compare, self.cut
        ordered = sorted(candidates, key=cmp_to_key(compare))
        after = [at for at in ordered if cut is None or compare(cut, at) < 0]
        return next(iter(after or ordered), None)

    def _undefined_at(self, bits: Sequence[bool], kept: int) -> tuple[Point, int]:
        """Where the norm is undefined, and the first layer behind the norm."""
        for layer in range(len(self.stages.sizes)):
            form = self.stages.at(layer, bits).form
            if form is not None and form.undefined:
                found = self._next(self.points.zeros(form))
                if found is not None:
                    return found, layer
            if form is not None or layer >= kept:
                break
        raise Rejected(
            f"{self.place}: a cut where a norm is undefined, and it is defined everywhere"
        )

    def _enter(self, layer: int, bits: list[bool], witness: Integers, cell: int) -> None:
        """Start the stretches of all layers from `layer` on: their bits are the signs at the
        witness.
        """
        for k in range(layer, len(self.stages.sizes)):
            stage = self.stages.at(k, bits)
            form, offset = stage.form, self.offsets[k]
            for j, function in enumerate(stage.hinges):
                if (self.points.value_sign(function, form, witness) > 0) != bits[offset + j]:
                    raise Rejected(
                        f"{self.place}: hinge {offset + j} has not the sign of its bit at the "
                        f"witness"
                    )
            changes = [self.points.sign_changes(f, form) for f in stage.hinges]
            self.stretches.append(_Stretch(stage, self.cut, cell, changes))

    def _finish(self, closing: Integers, witness: Integers) -> None:
        """The end of the curve, which on a circle is its first cut."""
        self.place = "the last cell"
        last = self.first if self.ends is None else self.ends[1]
        if self.ends is None:
            if self.code ^ self._mask(closing) != self.first_code:
                raise Rejected("cell 0: the flips before it do not lead from the last cell to it")
        elif self.cut is not None and self.points.compare(self.cut, self.ends[1]) >= 0:
            raise Rejected("the last cell: it starts behind the end of the curve")
        self._inside(witness, last, f"cell {self.count - 1}")
        for stretch in self.stretches:
            self._close(stretch, last, wraps=self.closed)

    def _close(self, stretch: _Stretch[Point], end: Point | None, wraps: bool) -> None:
        """No sign change without a cut, and no undefined point, lies inside a stretch that ends
        here.
        """
        cells = f"cells {stretch.first} to the one before {self.place}"
        for j, at in stretch.open_changes():
            if self._is_inside(at, stretch.start, end, wraps):
                raise Rejected(
                    f"{cells}: hinge {j} of a layer changes its sign inside, where no cut is"
                )
        form = stretch.stage.form
        for at in self.points.zeros(form) if form is not None and form.undefined else ():
            if self._is_inside(at, stretch.start, end, wraps):
                raise Rejected(f"{cells}: the norm is undefined inside")

    def _inside(self, witness: Integers, end: Point | None, place: str) -> None:
        wraps = self.closed and end is self.first
        if not self._is_inside(self.points.at(witness, place), self.cut, end, wraps):
            raise Rejected(f"{place}: the witness is not inside the cell")

    def _is_inside(self, at: Point, start: Point | None, end: Point | None, wraps: bool) -> bool:
        """Strictly between start and end; beyond the seam too if the end belongs to the next
        turn.
        """
        if start is None or end is None:
            return True
        after, before = self.points.compare(start, at) < 0, self.points.compare(at, end) < 0
        return after or before if wraps else after and before

    def _mask(self, flips: Integers) -> int:
        return sum(1 << (self.hinges - 1 - hinge) for hinge in flips)

    def _flips(self, record: Any) -> Integers:
        return indices(get(record, "flips", list, self.place), self.hinges, f"{self.place}, flips")

    def _is_undefined(self, record: Any) -> bool:
        if "undefined" in record and record["undefined"] is not True:
            raise Rejected(f"{self.place}: undefined, or not")
        return "undefined" in record

    def _witness(self, record: Any) -> Integers:
        return integers(get(record, "witness", str, self.place), 2, f"{self.place}, witness")
