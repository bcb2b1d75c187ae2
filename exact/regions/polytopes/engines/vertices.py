"""`vertices`: the cells of one hidden layer, an arrangement of hyperplanes in R^d, in a polyhedron
or in a ball.

The layer's forms are reduced exactly to distinct hyperplanes in as few coordinates as they need
(`exact.geometry.arrangements.arrangement`). Simple arrangements come from their vertices, in blocks
(`lowest_vertices`); degenerate ones with small integer coefficients by deletion and restriction in
compiled loops (`restriction`); those with long coefficients from their vertices too, a crowded
vertex by its own small arrangement; and should all that fail, from the LP tree. In a ball polytopes
are cut by one hyperplane after another (`round_cells`). Cost: one form at one vertex for every bit
of every code, in all but the last two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.numbers import RationalMatrix, rational
from exact.errors import EngineDefect
from exact.geometry.arrangements.arrangement import Arrangement, Essential, arrangement, essential
from exact.geometry.arrangements.lowest_vertices import LowestVertices, NotSimple
from exact.geometry.arrangements.restriction import NotCertified, SweptCells, fits, swept
from exact.geometry.budgets import Stopped
from exact.geometry.domains.base import CurveDomain
from exact.geometry.domains.flat import Ball, HPolytope
from exact.geometry.polyhedra.halfspace import Halfspace, Point
from exact.geometry.polyhedra.programmes.lp import Farkas, Interior, strict_feasibility
from exact.networks.activations import ReLU
from exact.networks.layers import Block, Layer
from exact.networks.network import Network
from exact.propagation.bounds import arrangement_bound
from exact.propagation.charts import BallChart
from exact.propagation.cursor import first_layer
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal, one_layer_refusal
from exact.regions.polytopes.cells import FlatCells, empty_cells, no_cells
from exact.regions.polytopes.engines.lp_tree import LPTree
from exact.regions.polytopes.engines.round_cells import Part, parts, witness
from exact.regions.polytopes.refusals import affine_refusal, flat_refusal

_BLOCK = 2**16


class Vertices(Engine):
    """One hidden layer in any dimension, any degeneracy; blocks of cells are counted against the
    budget.
    """

    name = "vertices"

    def refusal(self, problem: Problem) -> Refusal | None:
        reason = affine_refusal if isinstance(problem.domain, Ball) else flat_refusal
        return reason(problem) or one_layer_refusal(problem.network)

    def cost(self, problem: Problem) -> float:
        if isinstance(problem.domain, CurveDomain):
            return inf  # the engines for curves tell the crossings too
        dim, hinges = problem.flat.dim, problem.network.hinge_count
        if problem.flat.walls:
            return 12.0 if dim >= 4 and hinges >= 40 else 50.0
        bound = arrangement_bound(hinges, dim)
        if dim >= 6 or bound > (10**4 if dim >= 4 else 10**6):
            return 2.0
        if dim >= 4 and _is_whole(problem.network):
            return 2.0  # whose hyperplanes meet as a rule where those of the skeleton must not
        return 10.0 if dim >= 4 else 20.0  # few regions take as long as many small blocks

    def bytes_per_region(self, problem: Problem) -> float:
        return 2.0 * ((problem.network.hinge_count + 7) // 8)  # the blocks, and all of them in one

    def run(self, job: Job) -> FlatCells:
        try:
            return self._run(job)
        except Stopped:
            return no_cells(job.network.hinge_count)

    def _run(self, job: Job) -> FlatCells:
        flat = job.problem.flat
        given = arrangement(first_layer(job.network, flat), flat.walls, flat.dim)
        if isinstance(job.problem.chart, BallChart):
            return _in_ball(job, given, job.problem.chart)
        job.watch.check()
        start = strict_feasibility(flat.walls, flat.dim, job.watch)
        if isinstance(start, Farkas):
            return empty_cells(given.hinges, start)
        job.watch.check()
        return _enumerated(job, given)


def _is_whole(network: Network) -> bool:
    """Whether all weights and biases of the first hidden layer are whole numbers."""
    parts = [part.float64() for x in network.hidden_layers[:1] for part in (x.weight, x.bias)]
    return all(bool((np.rint(part) == part).all()) for part in parts)


def _enumerated(job: Job, given: Arrangement) -> FlatCells:
    """By vertices when the arrangement is simple, else by restriction when its coefficients are
    small, else by vertices with the crowded ones treated on their own, and by LPs when even that
    fails."""
    reduced = essential(given)
    small = fits(reduced)
    methods: list[Callable[[Job, Arrangement, Essential], FlatCells]] = [
        partial(_by_vertices, crowded=not small, one_by_one=small)
    ]
    methods += [_by_restriction, partial(_by_vertices, crowded=True)] if small else []
    for method in methods:
        try:
            return method(job, given, reduced)
        except (NotSimple, NotCertified):
            continue
    return _by_programmes(job, given)


def _by_programmes(job: Job, given: Arrangement) -> FlatCells:
    """The LP tree over the distinct hyperplanes."""
    normals, offsets = [h.normal for h in given.planes], [h.offset for h in given.planes]
    layer = Layer.of(
        RationalMatrix.from_rationals(normals), RationalMatrix.from_rationals(offsets), ReLU()
    )
    problem = Problem(Network((Block((layer,)),)), HPolytope(given.walls, dim=given.dim))
    cells = LPTree().run(replace(job, problem=problem))
    view = _View(given, np.packbits(given.hinge_bits(cells.bits), axis=1))
    return replace(cells, codes=view.codes, hinges=given.hinges, pairs=view.pairs)


@dataclass
class _Collected:
    """Packed codes of the blocks found so far, and whether the budget ended them."""

    given: Arrangement
    job: Job
    parts: list[ByteArray] = field(default_factory=list)
    found: int = 0
    stopped: bool = False

    def collect(self, blocks: Iterator[BitArray], mirrored: bool) -> None:
        """Pack block after block until they end or the budget does."""
        try:
            for block in blocks:
                if len(block) and self.job.out_of_budget(self.found):
                    self.stopped = True
                    return
                self.add(block, mirrored)
        except Stopped:
            self.stopped = True

    def add(self, block: BitArray, mirrored: bool = False) -> None:
        """Pack one block, no more regions than the budget allows."""
        sides = _with_opposites(block) if mirrored else block
        room = self.job.most
        if room is not None and self.found + len(sides) > room:
            sides, self.stopped = sides[: room - self.found], True
        self.parts.append(np.packbits(self.given.hinge_bits(sides), axis=1))
        self.found += len(sides)

    @property
    def codes(self) -> ByteArray:
        """All codes, in the order found."""
        empty = np.zeros((0, (self.given.hinges + 7) // 8), dtype=np.uint8)
        codes: ByteArray = np.concatenate([empty, *self.parts])
        return codes


def _with_opposites(block: BitArray) -> BitArray:
    """Cells on the positive side of the first hyperplane of a central arrangement, then their
    opposites.
    """
    cells = np.concatenate([np.ones((len(block), 1), dtype=bool), block], axis=1)
    return np.concatenate([cells, ~cells])


def _by_vertices(
    job: Job, given: Arrangement, reduced: Essential, crowded: bool, one_by_one: bool = False
) -> FlatCells:
    local = (lambda inner: _local(job, inner)) if crowded else None
    source = LowestVertices(reduced, job.device, local, job.watch, one_by_one)
    kept = _Collected(given, job)
    kept.collect(source.blocks(), reduced.mirrored)
    counts = {"filter": source.decisions.filter, "exact": source.decisions.exact}
    evidence = (
        f"each vertex of {len(given.planes)} distinct hyperplanes, at infinity too, is the lowest "
        f"point of exactly one cell "
        f"(of several, enumerated there, at {len(source.points)} points on more than "
        f"{reduced.dim}): {kept.found} in the domain"
    )
    return _cells(kept, evidence, counts, None)


def _in_ball(job: Job, given: Arrangement, chart: BallChart) -> FlatCells:
    found, kept = list[Part](), _Collected(given, job)
    planes = [chart.from_centre(plane) for plane in given.planes]
    try:
        for part in parts(chart.body, planes, chart.body.around(), job.watch):
            if job.out_of_budget(len(found)):
                kept.stopped = True
                break
            found.append(part)
    except Stopped:
        kept.stopped = True
    kept.add(
        np.array([sides for sides, _ in found], dtype=bool).reshape(len(found), len(given.planes))
    )
    evidence = (
        f"a simplex around the ball, cut by {len(given.planes)} distinct hyperplanes, and of its "
        f"parts those with points in "
        f"the ball: {kept.found}"
    )
    return _cells(
        kept,
        evidence,
        {"filter": 0, "exact": kept.found},
        lambda index: witness(chart, found[index][1]),
    )


def _local(job: Job, given: Arrangement) -> BitArray:
    """The cells of an arrangement at a crowded vertex; raises Stopped, since some of them would be
    worth nothing.
    """
    empty = Network((Block((Layer.of([[0] * given.dim]),)),))
    cells = _enumerated(
        Job(Problem(empty, HPolytope(given.walls, dim=given.dim)), job.device, shared=job.watch),
        given,
    )
    if cells.outcome is not Outcome.COMPLETE:
        raise Stopped
    return given.plane_sides(cells.bits)


def _by_restriction(job: Job, given: Arrangement, reduced: Essential) -> FlatCells:
    cells = swept(reduced, job.watch, job.out_of_budget)
    kept = _Collected(given, job, stopped=not cells.complete)
    for begin in range(0, len(cells.words), _BLOCK):
        kept.add(cells.sides(begin, begin + _BLOCK), reduced.mirrored)
    evidence = (
        f"the cells of {len(given.planes)} distinct hyperplanes: one, and for each hyperplane as "
        f"many more as the earlier ones "
        f"cut it into (deletion and restriction): {kept.found}"
    )
    return _cells(kept, evidence, {}, partial(_swept_witness, reduced, cells))


def _swept_witness(reduced: Essential, cells: SweptCells, index: int) -> Point:
    """The float64 witness of a cell, exactly as it is; every block of cells is followed by their
    opposites, if they are.
    """
    block, within = divmod(index, _BLOCK * (1 + reduced.mirrored))
    size = min(_BLOCK, len(cells.words) - block * _BLOCK)
    coordinates = cells.points[block * _BLOCK + within % size].tolist()
    return reduced.lift([rational(x) for x in coordinates], opposite=within >= size)


def _cells(
    kept: _Collected, evidence: str, counts: dict[str, int], witness: Callable[[int], Point] | None
) -> FlatCells:
    outcome = Outcome.BUDGET_REACHED if kept.stopped else Outcome.COMPLETE
    evidence = f"stopped early, with {kept.found} cells" if kept.stopped else evidence
    view = _View(kept.given, kept.codes)
    return FlatCells(
        view.codes,
        kept.given.hinges,
        witness or view.witness,
        outcome,
        evidence,
        counts,
        view.walls,
        view.pairs,
    )


@dataclass(frozen=True)
class _View:
    """What is asked of a cell is made from its code."""

    given: Arrangement
    codes: ByteArray

    def sides(self, index: int) -> BitArray:
        """The sides of the distinct hyperplanes."""
        bits = np.unpackbits(self.codes[index : index + 1], axis=1, count=self.given.hinges).astype(
            bool
        )
        sides: BitArray = self.given.plane_sides(bits)[0]
        return sides

    def walls(self, index: int) -> tuple[Halfspace, ...]:
        """The domain's walls and one side of every distinct hyperplane."""
        pairs = zip(self.given.planes, self.sides(index), strict=True)
        return (*self.given.walls, *(h if side else h.opposite for h, side in pairs))

    def witness(self, index: int) -> Point:
        """A point strictly inside, proposed by an LP and tested exactly."""
        found = strict_feasibility(self.walls(index), self.given.dim)
        if not isinstance(found, Interior):
            raise EngineDefect(
                "a region of the enumeration has no interior point", value=f"region {index}"
            )
        return found.point

    def pairs(self) -> IndexArray:
        """Every two cells whose codes differ in exactly the hinges on one hyperplane: they share a
        facet.

        Both lie in the convex cut-out of all other hyperplanes and the domain, on either side of
        the one, which therefore cuts it in a set of dimension d - 1. One probe of a hash table per
        cell and hyperplane.
        """
        from exact.kernels.arrangement import pairs_across

        lines = range(len(self.given.planes))
        masks = np.array([np.packbits(self.given.plane == k) for k in lines], dtype=np.uint8)
        masks = masks.reshape(len(self.given.planes), self.codes.shape[1])
        return pairs_across(_as_words(self.codes), _as_words(masks))


def _as_words(codes: ByteArray) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Packed codes as rows of 64-bit words, filled up with zeros."""
    padded = np.zeros((len(codes), max(1, (codes.shape[1] + 7) // 8) * 8), dtype=np.uint8)
    padded[:, : codes.shape[1]] = codes
    return padded.view(np.uint64)
