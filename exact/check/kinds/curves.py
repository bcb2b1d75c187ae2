"""Kind `curve`: the cells of a line or a circle, with one norm at most, in order.

Call the part of the curve on which the bits of the layers before layer l do not change a stretch of
l: there its hinges are fixed functions `p alpha + q beta + c N`, each with two sign changes at
most, in closed form (`pencils`). (1) At a rational point of the first cell of each stretch the
signs of its functions are the bits. (2) A cut between cells is where functions of the lowest layer
with a flip change sign as the flip says; where several are named, at the same direction. (3) Cuts
are in strict order. (4) Every other sign change of a function lies outside the inside of its
stretch. So inside every cell all hinges of layer 1, then of layer 2, ... have the sign of the bit:
the cell has its code, and no cut is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from exact.check.charts import Chart, are_independent, is_definite
from exact.check.network import Network
from exact.check.pencils import NO_ROOT, Direction, compare, rational, sign_changes, value_sign
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
    written_code,
)
from exact.check.stages import Stage, Stages

SEAM = rational(1, 0)
Changes = tuple[Direction, Direction] | None


@dataclass(frozen=True)
class Curve:
    """The points `(alpha u + beta v) / one` from (1, 0) counter-clockwise to `end`, or a circle of
    directions.
    """

    chart: Chart
    one: Integers
    end: Direction | None

    @classmethod
    def read(cls, record: Any, inputs: int) -> Curve:
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

    def begin(self, network: Network) -> Stages:
        """The network along the curve; no norm is undefined anywhere on a circle."""
        if self.end is None:
            stages = self.chart.begin(network)
            if stages.sizes and (stages.form is None or not is_definite(stages.form)):
                raise Rejected(
                    "domain: neither a radius, nor a norm that is defined all around the circle"
                )
            return stages
        return Stages(network, self.chart.columns, self.one, self.chart.denominator, None)

    def __str__(self) -> str:
        size = len(self.chart.columns[0])
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
    cuts = _Sweep(curve, curve.begin(network), claim).run(records)
    return (
        f"{claim.regions} cells between {cuts} cuts, in which no hinge of any layer changes its "
        f"sign",
        str(curve),
    )


@dataclass
class _Stretch:
    """A run of cells with the same functions of one layer; `left` are their sign changes that no
    cut has named yet.
    """

    stage: Stage
    start: Direction | None
    first: int
    changes: list[Changes]
    named: set[tuple[int, int]] = field(default_factory=set)

    def open_changes(self) -> list[tuple[int, Direction]]:
        """The sign changes that were not named: hinge, direction."""
        return [
            (j, pair[k])
            for j, pair in enumerate(self.changes)
            if pair
            for k in (0, 1)
            if (j, k) not in self.named
        ]


class _Sweep:
    """One pass over the cells in order."""

    def __init__(self, curve: Curve, stages: Stages, claim: Claim) -> None:
        self.curve, self.stages, self.claim = curve, stages, claim
        self.closed, self.count = curve.end is None, claim.regions
        self.offsets = [sum(stages.sizes[:k]) for k in range(len(stages.sizes) + 1)]
        self.hinges = self.offsets[-1]
        self.stretches = list[_Stretch]()
        self.first: Direction | None = None if self.closed else SEAM
        self.place, self.code, self.first_code = "cell 0", 0, 0

    def run(self, records: Records) -> int:
        """Read and check all cells; the number of cuts."""
        record = records.next("cell 0")
        only(record, {"code", "flips", "witness"}, "cell 0")
        self.code = self.first_code = self.claim.add(record, self.hinges, "cell 0")
        bits = bits_of(self.code, self.hinges)
        closing = self._flips(record)
        if self.closed and closing:
            self.first, _ = self._cut(bits, closing, False, before=True)
        if (not self.closed and closing) or (self.closed and self.count > 1 and not closing):
            raise Rejected(
                "cell 0: flips at the start of a line, or none where cells of a circle meet"
            )
        cut, witness = self.first, self._witness(record)
        self._enter(0, bits, witness, cut, 0)
        for i in range(1, self.count):
            self.place = f"cell {i}"
            record = records.next(self.place)
            following = self._next_cut(i, bits, record, cut, witness)
            cut, witness = following, self._witness(record)
        self._finish(closing, cut, witness)
        return self.count + 1 if not self.closed else self.count if self.first is not None else 0

    def _next_cut(
        self, i: int, bits: list[bool], record: Any, cut: Direction | None, witness: Integers
    ) -> Direction:
        """Pass the cut in front of cell i: the bits behind it, and the stretches that end and start
        there.
        """
        flips, undefined = self._flips(record), "undefined" in record
        only(record, {"flips", "witness", "undefined"}, self.place)
        if undefined and record["undefined"] is not True:
            raise Rejected(f"{self.place}: undefined, or not")
        found, kept = self._cut(bits, flips, undefined)
        if cut is not None and compare(cut, found) >= 0:
            raise Rejected(f"{self.place}: the cut before it is not behind the one before that")
        self._inside(witness, cut, found, f"cell {i - 1}")
        for hinge in flips:
            bits[hinge] = not bits[hinge]
        for stretch in self.stretches[kept:]:
            self._close(stretch, found, wraps=False)
        del self.stretches[kept:]
        self._enter(kept, bits, self._witness(record), found, i)
        self.code ^= self._mask(flips)
        self.claim.add({"code": written_code(self.code, self.hinges)}, self.hinges, self.place)
        return found

    def _cut(
        self, bits: Sequence[bool], flips: Integers, undefined: bool, before: bool = False
    ) -> tuple[Direction, int]:
        """The direction of a cut, and how many layers go on behind it with the same functions.

        `bits` are those of the cell before it or, with `before`, behind it.
        """
        layers = [
            next(k for k in range(len(self.stages.sizes)) if hinge < self.offsets[k + 1])
            for hinge in flips
        ]
        kept = min(layers) + 1 if layers else len(self.stages.sizes)
        found: Direction | None = None
        if undefined:
            found, behind_norm = self._kernel(bits, kept)
            kept = min(kept, behind_norm)
        for hinge, layer in zip(flips, layers, strict=True):
            if layer < kept:
                here = self._change(bits, layer, hinge, before)
                if found is not None and compare(found, here):
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

    def _change(self, bits: Sequence[bool], layer: int, hinge: int, before: bool) -> Direction:
        """Where a hinge changes its sign as its bit says; the change is crossed off the list of its
        stretch.
        """
        j, falls = hinge - self.offsets[layer], int(bits[hinge] != before)
        if before:
            stage = self.stages.at(layer, bits)
            pair = sign_changes(stage.hinges[j], stage.form or NO_ROOT)
        else:
            pair = self.stretches[layer].changes[j]
            self.stretches[layer].named.add((j, falls))
        if pair is None:
            raise Rejected(
                f"{self.place}: hinge {hinge} flips, and changes its sign nowhere around"
            )
        return pair[falls]

    def _kernel(self, bits: Sequence[bool], kept: int) -> tuple[Direction, int]:
        """Where the norm is undefined on a line, of which (1, 0) is the start, and the first layer
        behind the norm.
        """
        for layer in range(len(self.stages.sizes)):
            form = self.stages.at(layer, bits).form
            if form is not None and form.undefined and (kernel := form.kernel):
                return rational(*kernel), layer
            if form is not None or layer >= kept:
                break
        raise Rejected(
            f"{self.place}: a cut where a norm is undefined, and it is defined everywhere"
        )

    def _enter(
        self, layer: int, bits: list[bool], witness: Integers, start: Direction | None, cell: int
    ) -> None:
        """Start the stretches of all layers from `layer` on: their bits are the signs at the
        witness.
        """
        for k in range(layer, len(self.stages.sizes)):
            stage = self.stages.at(k, bits)
            form, offset = stage.form or NO_ROOT, self.offsets[k]
            for j, function in enumerate(stage.hinges):
                if (value_sign(function, form, *witness) > 0) != bits[offset + j]:
                    raise Rejected(
                        f"{self.place}: hinge {offset + j} has not the sign of its bit at the "
                        f"witness"
                    )
            self.stretches.append(
                _Stretch(stage, start, cell, [sign_changes(f, form) for f in stage.hinges])
            )

    def _finish(self, closing: Integers, cut: Direction | None, witness: Integers) -> None:
        """The end of the curve, which on a circle is its first cut."""
        self.place = "the last cell"
        last = self.first if self.closed else self.curve.end
        if self.closed:
            if self.code ^ self._mask(closing) != self.first_code:
                raise Rejected("cell 0: the flips before it do not lead from the last cell to it")
        elif cut is not None and last is not None and compare(cut, last) >= 0:
            raise Rejected("the last cell: it starts behind the end of the curve")
        self._inside(witness, cut, last, f"cell {self.count - 1}")
        for stretch in self.stretches:
            self._close(stretch, last, wraps=self.closed)

    def _close(self, stretch: _Stretch, end: Direction | None, wraps: bool) -> None:
        """No sign change without a cut, and no undefined point, lies inside a stretch that ends
        here.
        """
        for j, at in stretch.open_changes():
            if _is_inside(at, stretch.start, end, wraps):
                raise Rejected(
                    f"cells {stretch.first} to the one before {self.place}: hinge {j} of a layer "
                    f"changes its sign "
                    "inside, where no cut is"
                )
        form = stretch.stage.form
        if form is None or not form.undefined or (kernel := form.kernel) is None:
            return
        ends = [rational(k * kernel[0], k * kernel[1]) for k in (1, -1)]
        if form.matrix == NO_ROOT.matrix or any(
            _is_inside(at, stretch.start, end, wraps) for at in ends
        ):
            raise Rejected(
                f"cells {stretch.first} to the one before {self.place}: the norm is undefined "
                f"inside"
            )

    def _inside(
        self, witness: Integers, start: Direction | None, end: Direction | None, place: str
    ) -> None:
        wraps = self.closed and end is self.first
        if not any(witness) or not _is_inside(rational(*witness), start, end, wraps):
            raise Rejected(f"{place}: the witness is not inside the cell")

    def _mask(self, flips: Integers) -> int:
        return sum(1 << (self.hinges - 1 - hinge) for hinge in flips)

    def _flips(self, record: Any) -> Integers:
        return indices(get(record, "flips", list, self.place), self.hinges, f"{self.place}, flips")

    def _witness(self, record: Any) -> Integers:
        return integers(get(record, "witness", str, self.place), 2, f"{self.place}, witness")


def _is_inside(at: Direction, start: Direction | None, end: Direction | None, wraps: bool) -> bool:
    """Strictly between start and end; beyond the seam too if the end belongs to the next turn."""
    if start is None or end is None:
        return True
    if wraps:
        return compare(start, at) < 0 or compare(at, end) < 0
    return compare(start, at) < 0 and compare(at, end) < 0
