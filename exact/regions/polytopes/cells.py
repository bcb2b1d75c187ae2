"""What engines for flat domains return: codes, witnesses, walls, perhaps the whole complex."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.combinatorics.dual_graph import Adjacency
from exact.geometry.combinatorics.varying_codes import Varying
from exact.geometry.polyhedra.faces import FaceComplex
from exact.geometry.polyhedra.halfspace import Halfspace, Point
from exact.geometry.polyhedra.programmes.lp import Farkas
from exact.regions.cells import Cells, Outcome
from exact.regions.polytopes.walls.simple_vertices import SimpleVertices


@short_repr
@dataclass(frozen=True)
class FlatCells(Cells):
    """Regions of a flat domain as arrays, in the engine's own order; what is costly is made when
    asked for.

    `codes` are the spline codes, bit-packed as numpy.packbits does (R x ceil(hinges / 8)); with
    `varying` only the bits that vary, and `whole_codes()` writes all of them out.
    `witness(i)` is an exact point strictly inside region i. `walls(i)` gives halfspaces among which
    all its facets are, the domain's included; without it they are read off the code. `pairs()`
    lists every two regions that share a facet, once (E x 2); without it they are found by rays and
    LPs. `faces` is the polyhedral complex, from engines that build one. `empty` proves that the
    domain has no interior point. `adjacency()` is the graph of `pairs()` with the hinges that flip,
    from engines that know both and list regions in canonical order. `simple()` are the vertices
    where no more than d constraints meet anywhere, else None, from engines that know. `in_box(i)`,
    from engines that work in the box around the domain, gives the walls of region i that are no
    sides of it and a point inside, in floats
    (:mod:`exact.geometry.polyhedra.programmes.box_rows`). `decisions`
    counts what settled the questions on the way.
    """

    codes: ByteArray
    hinges: int
    witness: Callable[[int], Point]
    outcome: Outcome
    evidence: str
    decisions: Mapping[str, int]
    walls: Callable[[int], tuple[Halfspace, ...]] | None = None
    pairs: Callable[[], IndexArray] | None = None
    faces: FaceComplex | None = None
    empty: Farkas | None = None
    adjacency: Callable[[], Adjacency] | None = None
    simple: Callable[[], SimpleVertices | None] | None = None
    in_box: Callable[[int], tuple[FloatArray, FloatArray]] | None = None
    varying: Varying | None = None

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def bits(self) -> BitArray:
        """The codes as bools (R x hinges)."""
        return np.unpackbits(self.whole_codes(), axis=1, count=self.hinges).astype(bool)

    def whole_codes(self) -> ByteArray:
        """The packed codes with all their bits."""
        return self.codes if self.varying is None else self.varying.whole(self.codes)


def empty_cells(hinges: int, proof: Farkas) -> FlatCells:
    """No region at all, because the walls of the domain leave no interior point."""
    evidence = "the walls of the domain have no common interior point, by a Farkas vector"
    return _none(hinges, Outcome.COMPLETE, evidence, proof)


def no_cells(hinges: int) -> FlatCells:
    """No region, because the budget ended before there was one."""
    return _none(hinges, Outcome.BUDGET_REACHED, "stopped early, before the first region", None)


def _none(hinges: int, outcome: Outcome, evidence: str, proof: Farkas | None) -> FlatCells:
    codes = np.zeros((0, (hinges + 7) // 8), dtype=np.uint8)
    return FlatCells(codes, hinges, _no_witness, outcome, evidence, {}, empty=proof)


def _no_witness(index: int) -> Point:
    raise IndexError(f"region {index} of 0")
