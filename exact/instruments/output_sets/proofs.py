"""What a certificate of :func:`exact.holds` says: the network, the domain, the condition, and why.

A condition that fails has its witness. Of one that holds the tree of boxes is told from its root:
along which axis a box was halved, which case of the condition holds on it, or which wall of the
domain keeps it out; so that a checker takes bounds of its own. On the boxes that were left to exact
arithmetic the tree goes on by the signs of neurons, in their order: multipliers prove that nothing
is on one side, or both are followed; at the end others prove that no violation is there. Neurons
whose sign bounds settle on the box are left out.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from exact.arithmetic.numbers import Rational, RationalArray
from exact.atomic_files import place_to_write, write_atomically
from exact.errors import require
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.halfspace import Halfspace, affine
from exact.geometry.polyhedra.programmes.boxes import Bounds
from exact.geometry.polyhedra.programmes.lp import Farkas, Interior, strict_feasibility
from exact.instruments.output_sets.boxes import CELLS, HALVED, WALL, BoxSearch, OpenBox
from exact.instruments.output_sets.cells import Part, common_point, rows_over
from exact.instruments.output_sets.conditions import Condition
from exact.networks.network import Network
from exact.propagation.cursor import Cursor, advance, begin, layer_halfspaces
from exact.regions.certificate import network_record
from exact.regions.polytopes.certificate import domain_record

Json = dict[str, Any]
FORMAT = "exactlens condition 1"


def question(network: Network, flat: Flat, condition: Condition) -> Json:
    """What is certified: without an answer yet."""
    cases = [
        [[[*map(str, one.factors), str(one.bound)], one.strict] for one in case]
        for case in condition.cases
    ]
    return {
        "format": FORMAT,
        "network": network_record(network),
        "domain": domain_record(Part(flat)),
        "condition": {"width": condition.width, "cases": cases},
    }


def write(record: Json, path: Any) -> None:
    """A certificate into a file, whole or not at all; packed where its name ends in `.gz`."""
    target = place_to_write(path, "a certificate", "proof.json.gz")
    content = json.dumps(record, separators=(",", ":")).encode() + b"\n"
    if target.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    write_atomically(target, content)


def multipliers(proof: Farkas) -> list[list[Any]]:
    """A vector of Farkas as pairs: the number of a row, and its multiplier."""
    return [[i, str(m)] for i, m in zip(proof.rows, proof.multipliers, strict=True)]


def bounds_record(bounds: Bounds, walls: Sequence[Halfspace]) -> list[Json]:
    """The box around the walls: each end with multipliers of the walls, then of what lies beyond,
    that prove it. An end that is a wall needs no linear programme.
    """
    found, dim = list[Json](), len(bounds.lo)
    places = {wall: i for i, wall in enumerate(walls)}
    for k in range(dim):
        for end, side in ((bounds.lo[k], -1), (bounds.hi[k], 1)):
            row = [Rational(0)] * (dim + 1)
            row[k], row[dim] = Rational(side), -side * end
            beyond = Halfspace.of(row)
            if (wall := places.get(beyond.opposite)) is not None:
                found.append({"end": str(end), "proof": [[wall, "1"], [len(walls), "1"]]})
                continue
            proof = strict_feasibility([*walls, beyond], dim)
            require(isinstance(proof, Farkas), "a box holds the domain that it is of", end)
            assert isinstance(proof, Farkas)
            found.append({"end": str(end), "proof": multipliers(proof)})
    return found


@dataclass(frozen=True)
class TreeWriter:
    """The tree of a condition that holds, as records that stand in each other."""

    network: Network
    flat: Flat
    condition: Condition
    bounds: Bounds | None
    search: BoxSearch | None

    def record(self) -> Json:
        """The tree of boxes, or of cells alone where there are no boxes."""
        inner = strict_feasibility(self.flat.walls, self.flat.dim)
        require(isinstance(inner, Interior), "a chart of a domain has room", self.flat.dim)
        assert isinstance(inner, Interior)
        inside = {"inside": [str(x) for x in affine(inner.point)]}
        if self.search is None or self.bounds is None:
            return inside | {"cells": self.cells([], None)}
        ends = bounds_record(self.bounds, self.flat.walls)
        open_ = {box.number: box for box in self.search.left}
        records = [self._node(number, open_) for number in range(self.search.made)]
        return inside | {"bounds": ends, "nodes": records}

    def _node(self, number: int, open_: dict[int, OpenBox]) -> Json:
        assert self.search is not None and self.bounds is not None
        node = self.search.nodes[number]
        record: Json = {"lines": node.lines.hex()}
        if node.kind == CELLS:
            box = open_[number]
            return record | {"cells": self.cells(box.walls(self.bounds, every=True), box)}
        if node.kind == HALVED:
            return record | {"axis": node.number, "children": node.children}
        if node.kind == WALL:
            slanted = [i for i, wall in enumerate(self.flat.walls) if wall.axis is None]
            return record | {"wall": slanted[node.number]}
        return record | {"case": node.number}

    # ---- cells

    def cells(self, sides: Sequence[Halfspace], box: OpenBox | None) -> Json:
        """The tree of signs on a box, or on the whole domain."""
        walls = [*self.flat.walls, *sides]
        inner = strict_feasibility(walls, self.flat.dim)
        if isinstance(inner, Farkas):
            return {"empty": multipliers(inner)}
        signs = [None] * self.network.hinge_count if box is None else box.signs
        start = begin(self.network, self.flat.state(), self._one)
        return self._signs(_Place(start, ()), walls, signs)

    @property
    def _one(self) -> list[Rational]:
        return [Rational(0)] * self.flat.dim + [Rational(1)]

    def _signs(self, place: _Place, walls: list[Halfspace], signs: Sequence[bool | None]) -> Json:
        """Go on neuron by neuron, from a hidden layer whose bits so far are known."""
        steps = list[Any]()
        while place.cursor is not None:
            cursor = place.cursor
            z = cursor.current.pre_activations(cursor.inner, cursor.one)
            hinges = layer_halfspaces(cursor, z)
            while len(place.bits) - place.passed < len(hinges):
                number = len(place.bits)
                hinge, known = hinges[number - place.passed], signs[number]
                if hinge.is_constant or known is not None:
                    place = place.with_bit(hinge.offset > 0 if hinge.is_constant else bool(known))
                    continue
                closed = self._closed(walls, hinge)
                if closed is None:
                    both = [
                        self._signs(place.with_bit(on), [*walls, side], signs)
                        for on, side in ((True, hinge), (False, hinge.opposite))
                    ]
                    return {"steps": steps, "split": number, "sides": both}
                on, proof = closed
                steps.append([number, on, multipliers(proof)])
                walls = [*walls, hinge if on else hinge.opposite]
                place = place.with_bit(on)
            place = place.behind(z)
        return {"steps": steps, "cases": self._cases(place.bits, walls)}

    def _closed(self, walls: list[Halfspace], hinge: Halfspace) -> tuple[bool, Farkas] | None:
        """The only sign that a neuron has inside walls, and why it has no other; None where it
        has both.
        """
        for on, other in ((True, hinge.opposite), (False, hinge)):
            found = strict_feasibility([*walls, other], self.flat.dim)
            if isinstance(found, Farkas):
                return on, found
            assert isinstance(found, Interior)
        return None

    def _cases(self, bits: tuple[bool, ...], walls: list[Halfspace]) -> list[Any]:
        """Why no case of what violates the condition is there, in the order of their product."""
        columns = self._columns(bits)
        found = list[Any]()
        for picked in product(*self.condition.cases):
            rows = rows_over([one.negation for one in picked], columns)
            proof = common_point(walls, rows, self.flat.dim)
            require(isinstance(proof, Farkas), "a condition that holds does so on all cells", bits)
            assert isinstance(proof, Farkas)
            found.append(multipliers(proof))
        return found

    def _columns(self, bits: tuple[bool, ...]) -> RationalArray:
        ends = [0]
        for size in self.network.bits_per_layer:
            ends.append(ends[-1] + size)

        def choose(hidden: int, _: RationalArray) -> list[bool]:
            return [*bits][ends[hidden] : ends[hidden + 1]]

        return self.network.propagate(self.flat.state(), self._one, choose)


@dataclass(frozen=True)
class _Place:
    """In front of a hidden layer, None behind the last: the bits so far, and how many of them
    belong to the layers passed.
    """

    cursor: Cursor | None
    bits: tuple[bool, ...]
    passed: int = 0

    def with_bit(self, bit: bool) -> _Place:
        return _Place(self.cursor, (*self.bits, bit), self.passed)

    def behind(self, z: RationalArray) -> _Place:
        assert self.cursor is not None
        cursor = advance(self.cursor, z, self.bits[self.passed :])
        return _Place(cursor, self.bits, len(self.bits))
