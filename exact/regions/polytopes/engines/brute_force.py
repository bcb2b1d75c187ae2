"""`brute_force`: the oracle. Tests every one of the 2^m sign vectors of a layer in a cell; no LP,
no tree, no float.

A cell of an arrangement, made homogeneous, is an open cone; modulo the space on which every form
vanishes it is spanned by extreme rays, each cut out by r - 1 independent forms (r the rank). So a
sign vector is realised iff the rays that agree with it weakly include, for every form, one that is
not zero there; their sum is then an interior point. Cost: C(m, r - 1) null vectors and 2^m codes
per cell and layer; refused beyond 14 bits in a layer or 20,000 subsets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import comb

import numpy as np

from exact.arithmetic.linear_algebra import independent_rows, null_space
from exact.arithmetic.numbers import Rational
from exact.geometry.budgets import Stopped, Watch
from exact.geometry.polyhedra.halfspace import Halfspace, Point, primitive, sides_of
from exact.geometry.polyhedra.programmes.lp import Farkas, strict_feasibility
from exact.propagation.cursor import Cursor, advance, begin, layer_halfspaces
from exact.regions.cells import Outcome, packed
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.refusals import flat_refusal

MAX_BITS, MAX_SUBSETS = 14, 20_000
Cell = tuple[tuple[bool, ...], tuple[Halfspace, ...], Point]


class BruteForce(Engine):
    """Exhaustive enumeration for small networks; the reference for every other engine."""

    name = "brute_force"
    cuts_graphs = True

    def refusal(self, problem: Problem) -> Refusal | None:
        network, reason = problem.network, flat_refusal(problem)
        if reason is not None:
            return reason
        if max(network.bits_per_layer, default=0) > MAX_BITS:
            fact = f"a hidden layer has {max(network.bits_per_layer)} bits, more than {MAX_BITS}"
            return Refusal(fact, of_size=True)
        flat = problem.flat
        subsets = comb(len(flat.walls) + network.hinge_count + 1, flat.dim)
        found = Refusal(f"{subsets} subsets, more than {MAX_SUBSETS}", of_size=True)
        return found if subsets > MAX_SUBSETS else None

    def run(self, job: Job) -> FlatCells:
        flat = job.problem.flat
        one = [Rational(0)] * flat.dim + [Rational(1)]
        watch, start = job.watch, begin(job.network, flat.state(), one)
        found = (
            cell
            for _, _, witness in _realised((), flat.walls, flat.dim, watch)
            for cell in _explore(start, ((), flat.walls, witness), flat.dim, watch)
        )
        cells, outcome = list[Cell](), Outcome.COMPLETE
        evidence = "every sign vector of every layer was tested in every cell"
        try:
            for cell in found:
                if job.out_of_budget(len(cells)):
                    raise Stopped
                cells.append(cell)
        except Stopped:
            outcome = Outcome.BUDGET_REACHED
            evidence = "stopped early: sign vectors are left untested"
        hinges = job.network.hinge_count
        codes = packed([cell[0] for cell in cells], hinges)
        walls = [tuple(dict.fromkeys(cell[1])) for cell in cells]
        if cells or outcome is not Outcome.COMPLETE:
            proof = None
        else:
            proof = strict_feasibility(flat.walls, flat.dim)
        return FlatCells(
            codes,
            hinges,
            lambda i: cells[i][2],
            outcome,
            evidence,
            {},
            walls.__getitem__,
            empty=proof if isinstance(proof, Farkas) else None,
        )


def _explore(cursor: Cursor | None, cell: Cell, dim: int, watch: Watch) -> Iterator[Cell]:
    if cursor is None:
        yield cell
        return
    z = cursor.current.pre_activations(cursor.inner, cursor.one)
    for bits, walls, witness in _realised(layer_halfspaces(cursor, z), cell[1], dim, watch):
        yield from _explore(advance(cursor, z, bits), (cell[0] + bits, walls, witness), dim, watch)


def _realised(
    free: Sequence[Halfspace], fixed: Sequence[Halfspace], dim: int, watch: Watch
) -> Iterator[Cell]:
    """Every sign vector of `free` that has an open cell inside `fixed`: its bits, its walls, a
    point.
    """
    moving = [h for h in free if not h.is_constant]
    if any(h.is_constant and h.offset <= 0 for h in fixed):
        return
    forms = [h.coefficients for h in (*moving, *(h for h in fixed if not h.is_constant))] + [
        (0,) * dim + (1,)
    ]
    rays, signs = _rays(forms, dim + 1, watch)
    for choice in _consistent(signs, len(moving), watch):
        point = primitive([sum(ray[i] for ray in rays[choice[1]]) for i in range(dim + 1)])
        chosen = iter(choice[0])
        bits = tuple(h.offset > 0 if h.is_constant else bool(next(chosen)) for h in free)
        yield bits, (*fixed, *sides_of(free, bits)), point


def _rays(
    forms: Sequence[tuple[int, ...]], width: int, watch: Watch
) -> tuple[np.ndarray, np.ndarray]:
    """All candidate extreme rays (as integer vectors) and the signs of every form on them."""
    rows = [[Rational(x) for x in form] for form in forms]
    kept = independent_rows([list(column) for column in zip(*rows, strict=True)], len(rows))
    reduced = [[row[j] for j in kept] for row in rows]
    rays = {
        tuple(sign * int(x) for x in v)
        for subset in combinations(range(len(rows)), len(kept) - 1)
        for v in _single([reduced[i] for i in subset], len(kept), watch)
        for sign in (1, -1)
    }
    vectors = np.empty(len(rays), dtype=object)
    signs = np.zeros((len(rays), len(rows)), dtype=np.int8)
    for k, ray in enumerate(sorted(rays)):
        full = [0] * width
        for j, x in zip(kept, ray, strict=True):
            full[j] = x
        values = [sum(a * x for a, x in zip(form, full, strict=True)) for form in forms]
        vectors[k], signs[k] = tuple(full), [(v > 0) - (v < 0) for v in values]
    return vectors, signs


def _single(rows: Sequence[list[Rational]], width: int, watch: Watch) -> list[list[Rational]]:
    """A basis of the null space where that is a line, and nothing for a larger space: its rays come
    from other subsets.
    """
    watch.check()
    basis = null_space(rows, width)
    return basis if len(basis) == 1 else []


def _consistent(
    signs: np.ndarray, free: int, watch: Watch
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Sign vectors of the first `free` forms (the rest positive) that some set of rays realises
    strictly.
    """
    allowed = np.all(signs[:, free:] >= 0, axis=1)
    for code in range(2**free):
        watch.check()
        bits = tuple(code >> k & 1 for k in range(free))
        wanted = np.array([1 if bit else -1 for bit in bits], dtype=np.int8)
        rays = np.flatnonzero(allowed & np.all(signs[:, :free] * wanted >= 0, axis=1))
        if np.all(np.any(signs[rays] != 0, axis=0)):
            yield bits, rays
