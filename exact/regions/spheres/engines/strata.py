"""`sphere_flats`: the codes of one hidden layer on a sphere, from the smallest strata of its
arrangement.

Every code's closure holds a smallest stratum: a crossing, where k hyperplanes meet the sphere S^k,
or a whole subsphere in which fewer meet it and no other comes. At a simple stratum of c hyperplanes
all 2^c completions of the other signs occur. Crossings are walked through depth first in compiled
float64 with certificates (see kernels.sphere_flats), dropping every flat that misses the sphere
with all its subsets; what floats leave open is decided in rationals and surds. A layer in which
some stratum is not simple (dependent or touching hyperplanes) is handed over to `sphere_polytopes`
as a whole. Cost: about a microsecond per crossing, and sorting 2^k codes for each. Source:
mathematics.md, "Codes on spheres".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    nearest_float,
    nearest_floats,
    rational,
)
from exact.errors import certain
from exact.geometry.arrangements.arrangement import Arrangement, arrangement
from exact.geometry.budgets import Stopped
from exact.geometry.polyhedra.double_description import VertexPolytope
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.minimum_norm import RoundBody, components, straddling_pair
from exact.propagation.charts import SphereChart, sphere_chart
from exact.propagation.cursor import layer_halfspaces
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.spheres.cells import SphereCodes
from exact.regions.spheres.engines.code_words import (
    Words,
    completions,
    distinct,
    hashes_of,
    masks,
    packed_bytes,
    places,
)
from exact.regions.spheres.engines.exact_strata import Chosen, ExactFlats, NotSimple
from exact.regions.spheres.engines.sphere_polytopes import codes_refusal, enumerate_polytopes

_CODES = 1 << 18  # that the crossings written by one call of the kernel may give
_OTHERS = 1 << 12
_WORST_ETA = 2.0**-30  # a metric that floats know no better than this is left to the polytopes
_WIDEST = 8  # the largest k for which the kernel's bounds are proved
_BLOCK = 1 << 18


class SphereFlats(Engine):
    """One hidden layer, k = 2 .. 8; complete unless the budget ends first."""

    name = "sphere_flats"

    def refusal(self, problem: Problem) -> Refusal | None:
        reason, dim = codes_refusal(problem), problem.sphere_dim
        if reason is not None or dim is None:
            return reason
        if len(problem.network.hidden_layers) > 1:
            advice = "sphere_polytopes goes deeper"
            return Refusal("it enumerates one hidden layer", advice=advice, of_size=True)
        if dim > _WIDEST:
            fact = f"it enumerates spheres of dimension {_WIDEST} at most, not {dim}"
            return Refusal(fact, advice="sphere_polytopes does those", of_size=True)
        return None

    def cost(self, problem: Problem) -> float:
        return 20.0

    def run(self, job: Job) -> SphereCodes:
        chart = sphere_chart(job.network, job.domain)
        search = _Search(job, chart)
        try:
            outcome = search.run()
        except NotSimple as reason:
            handed = {
                "filter": search.decisions["filter"],
                "exact": search.decisions["exact"],
                "handed_over": 1,
            }
            found = enumerate_polytopes(job, chart, handed)
            return _with_reason(found, str(reason))
        return search.codes(outcome)


def _with_reason(found: SphereCodes, reason: str) -> SphereCodes:
    return replace(
        found, evidence=f"{reason}, so strata are not simple; as polytopes, {found.evidence}"
    )


@dataclass(frozen=True)
class _Strata:
    """Strata of c hyperplanes each (V x c), and the signs of all others there (V x words, bits of
    the c are zero).
    """

    members: IndexArray
    codes: Words


def _sets(rows: IndexArray) -> list[Chosen]:
    """Rows of hyperplanes, filled up with -1, as tuples."""
    return [tuple(j for j in row if j >= 0) for row in rows.tolist()]


class _Search:
    """One run: the hyperplanes that cross the sphere, the strata found, and what decided."""

    def __init__(self, job: Job, chart: SphereChart) -> None:
        self.job, self.chart = job, chart
        self.body = RoundBody(chart.gram, chart.radius_squared)
        cursor = chart.cursor
        hinges = (
            ()
            if cursor is None
            else layer_halfspaces(cursor, cursor.current.pre_activations(cursor.inner, cursor.one))
        )
        self.given = _crossing(hinges, self.body)
        self.masks = masks(len(self.given.planes))
        self.exact = ExactFlats(self.given.planes, self.body, job.watch)
        self.strata = list[_Strata]()
        self.waiting = list[Words]()
        self.words: Words = np.zeros((0, self.masks.shape[1]), dtype=np.uint64)
        self.decisions = {"filter": 0, "exact": 0, "missed": 0, "uncut": 0}
        self.path: tuple[list[VertexPolytope], BitArray] = (
            [self.body.around()],
            np.zeros(0, dtype=bool),
        )

    def run(self) -> Outcome:
        """Find all strata; BUDGET_REACHED with some of them. Raises NotSimple."""
        if not self.given.planes:
            self._add(
                _Strata(
                    np.zeros((1, 0), dtype=np.int64),
                    np.zeros((1, self.masks.shape[1]), dtype=np.uint64),
                )
            )
            return Outcome.COMPLETE
        try:
            for crossings, codes, uncut, left in self._walk():
                self.decisions["filter"] += len(crossings)
                self._add(_Strata(crossings, codes))
                for chosen in left:
                    self.exact.settle(chosen)
                for chosen in uncut:
                    self.exact.check(chosen)
                self._add_exact()
                if self.job.out_of_budget(len(self.words)):
                    return Outcome.BUDGET_REACHED
        except Stopped:
            return Outcome.BUDGET_REACHED
        return Outcome.COMPLETE

    def _walk(self) -> Iterator[tuple[IndexArray, Words, list[Chosen], list[Chosen]]]:
        """Crossings with their codes, uncut flats, and flats left open, in portions."""
        from exact.kernels import sphere_flats as kernel

        floats = _float_planes(self.given.planes, self.body)
        k, n = self.chart.dim, self.chart.dim + 1
        planes = kernel.Planes(*floats, self.masks, _eta(self.body))
        state = kernel.Walk(
            np.zeros(k, dtype=np.int64),
            np.zeros(k, dtype=np.int64),
            np.zeros(1, dtype=np.int64),
            np.zeros((k, n)),
            np.zeros((k, k)),
            np.zeros((k, n)),
            np.zeros((k, k)),
            np.zeros((3, n)),
            np.zeros((n, n)),
            np.zeros((n, n)),
        )
        counts, answer, room = np.zeros(4, dtype=np.int64), kernel.FULL, _CODES >> k
        uncut, left = (np.zeros((_OTHERS, k), dtype=np.int64) for _ in range(2))
        while answer == kernel.FULL:
            crossings = np.zeros((room, k), dtype=np.int64)
            codes = np.zeros((room, self.masks.shape[1]), dtype=np.uint64)
            answer = kernel.traverse(
                planes, state, kernel.Found(crossings, codes, uncut, left, counts)
            )
            self.decisions["missed"] += int(counts[3])
            yield (
                crossings[: counts[0]],
                codes[: counts[0]],
                _sets(uncut[: counts[1]]),
                _sets(left[: counts[2]]),
            )

    def _add(self, strata: _Strata) -> None:
        if len(strata.members):
            self.strata.append(strata)
            self.waiting.append(distinct(completions(strata.codes, self.masks[strata.members])))
            if sum(map(len, self.waiting)) > len(self.words):
                self._merge()

    def _merge(self) -> None:
        """Put the codes that wait among the others; done when they are as many, so the whole cost
        is that of sorting.
        """
        self.words, self.waiting = distinct(np.concatenate([self.words, *self.waiting])), []

    def _add_exact(self) -> None:
        """The strata that were found in rationals."""
        for chosen, sides in self.exact.taken():
            self.decisions["uncut" if len(chosen) < self.chart.dim else "exact"] += 1
            code = np.bitwise_or.reduce(
                self.masks[[j for j, on in enumerate(sides) if on]], axis=0, initial=0
            )
            self._add(
                _Strata(np.array([chosen], dtype=np.int64), np.asarray(code, dtype=np.uint64)[None])
            )

    # ---- the result

    def codes(self, outcome: Outcome) -> SphereCodes:
        """The codes found, ascending by the sides of the hyperplanes."""
        self._merge()
        cell = lru_cache(maxsize=16)(self._cell)
        packed = [
            self.packed(self.words[i : i + _BLOCK]) for i in range(0, len(self.words), _BLOCK)
        ]
        return SphereCodes(
            self.chart,
            np.concatenate(packed),
            self.given.hinges,
            lambda i: straddling_pair(self.body, cell(i), self.given.walls),
            self.pairs,
            lambda i: components(self.body, cell(i)),
            outcome,
            self._evidence(outcome),
            self.decisions,
        )

    def _evidence(self, outcome: Outcome) -> str:
        if outcome is not Outcome.COMPLETE:
            return (
                f"stopped early: codes around "
                f"{self.decisions['filter'] + self.decisions['exact']} crossings"
            )
        k, found = self.chart.dim, self.decisions
        return (
            f"the smallest strata of the arrangement on the sphere are "
            f"{found['filter'] + found['exact']} crossings of {k} "
            f"hyperplanes ({found['filter']} by Krawczyk's test, {found['exact']} in surds) and "
            f"{found['uncut']} uncut "
            f"subspheres; all are simple, so the completions of their signs are all codes"
        )

    def sides_of(self, words: Words) -> BitArray:
        """The sides of the hyperplanes (R x planes)."""
        return np.unpackbits(packed_bytes(words), axis=1, count=len(self.given.planes)).astype(bool)

    def packed(self, words: Words) -> ByteArray:
        """The packed spline codes."""
        return np.packbits(self.given.hinge_bits(self.sides_of(words)), axis=1)

    def _cell(self, index: int) -> VertexPolytope:
        """The polytope of a code without the hinges that miss the open ball, which cut nothing off
        the sphere's open cells.

        Cut from the last polytope asked for, as far as its code is the same: neighbours in order
        share most of theirs.
        """
        sides = self.sides_of(self.words[index : index + 1])[0]
        path, before = self.path
        kept = int(np.argmin(np.append(sides[: len(before)] == before, False)))
        path = path[: kept + 1]
        for plane, on in zip(self.given.planes[kept:], sides[kept:], strict=True):
            path.append(_cutting(path[-1], plane if on else plane.opposite))
        self.path = path, sides
        return path[-1]

    def pairs(self) -> IndexArray:
        """Two codes that differ in one hyperplane at a stratum on it; every facet has a stratum in
        its closure.
        """
        groups, hashes = [_OnPlanes.of(strata) for strata in self._by_size()], hashes_of(self.words)
        found = [np.zeros((0, 2), dtype=np.int64)]
        for plane, mask in enumerate(self.masks):
            near = [group.around(plane, self.masks) for group in groups]
            off = distinct(np.concatenate(near))
            found.append(
                np.stack(
                    [places(self.words, hashes, off), places(self.words, hashes, off | mask)],
                    axis=1,
                )
            )
        return np.concatenate(found)

    def _by_size(self) -> list[_Strata]:
        """The strata, joined by their number of hyperplanes."""
        sizes = sorted({strata.members.shape[1] for strata in self.strata})
        alike = [[s for s in self.strata if s.members.shape[1] == size] for size in sizes]
        return [
            _Strata(
                np.concatenate([s.members for s in same]), np.concatenate([s.codes for s in same])
            )
            for same in alike
        ]


def _cutting(cell: VertexPolytope, side: Halfspace) -> VertexPolytope:
    inner, _ = cell.split(side)
    inner = certain(inner, "the halfspaces of a code have common points")
    return inner


@dataclass(frozen=True)
class _OnPlanes:
    """Strata by the hyperplanes they lie on: `entries` are the places in the members, sorted by
    hyperplane.
    """

    strata: _Strata
    entries: IndexArray
    planes: IndexArray

    @classmethod
    def of(cls, strata: _Strata) -> _OnPlanes:
        """Sort the members."""
        members = strata.members.ravel()
        entries = np.argsort(members, kind="stable")
        return cls(strata, entries, members[entries])

    def around(self, plane: int, masks: Words) -> Words:
        """The codes off a hyperplane that have a stratum on it in their closure."""
        size = self.strata.members.shape[1]
        first, last = np.searchsorted(self.planes, [plane, plane + 1])
        rows, places = np.divmod(self.entries[first:last], max(size, 1))
        others = self.strata.members[rows][np.arange(size) != places[:, None]].reshape(
            len(rows), max(size, 1) - 1
        )
        return completions(self.strata.codes[rows], masks[others])


def _crossing(hinges: Sequence[Halfspace], body: RoundBody) -> Arrangement:
    """The distinct hyperplanes that meet the open ball, inside the others, which are constant on
    the sphere but for a point.
    """
    missing = [h for h in hinges if not h.is_constant and body.misses(h)]
    return arrangement(hinges, [h if h.offset > 0 else h.opposite for h in missing], body.dim)


def _coordinates(body: RoundBody) -> RationalArray:
    """A matrix L with L' G L near r^2 times the identity, from floats. Raises NotSimple for a
    nearly singular metric.

    A power of four brings G / r^2 to the size of one first, so that no radius is out of the range
    of floats.
    """
    entries = [x / body.radius_squared for x in body.gram.entries()]
    largest = max(abs(x) for x in entries)
    halvings = (int(largest.p).bit_length() - int(largest.q).bit_length()) // 2
    shift = Rational(1 << halvings) if halvings >= 0 else Rational(1, 1 << -halvings)
    scaled = nearest_floats([x / (shift * shift) for x in entries]).reshape(body.dim, body.dim)
    try:
        found = np.linalg.inv(np.linalg.cholesky(scaled)).T
    except np.linalg.LinAlgError as error:
        raise NotSimple("the metric of the sphere is nearly singular") from error
    if not np.isfinite(found).all():
        raise NotSimple("the metric of the sphere is nearly singular")
    return RationalArray(body.dim, body.dim, [rational(x) / shift for x in found.ravel().tolist()])


def _eta(body: RoundBody) -> float:
    """A bound on |L' G L / r^2 - I|, row sums."""
    change = _coordinates(body)
    form = (change.transpose() * body.gram * change).entries()
    off = [abs(x / body.radius_squared - int(i % (body.dim + 1) == 0)) for i, x in enumerate(form)]
    eta = nearest_float(sum(off, Rational(0))) * 1.5 + 2.0**-100
    if not eta < _WORST_ETA:
        raise NotSimple("the metric of the sphere is nearly singular")
    return eta


def _float_planes(planes: Sequence[Halfspace], body: RoundBody) -> tuple[FloatArray, FloatArray]:
    """Normals of length near one and offsets in coordinates in which the sphere is nearly |x| = 1,
    each within 4 U.
    """
    change = _coordinates(body)
    normals = (
        RationalArray(
            len(planes), body.dim, [Rational(x) for plane in planes for x in plane.normal]
        )
        * change
    )
    scaled = []
    for i, plane in enumerate(planes):
        row = [normals[i, j] for j in range(body.dim)]
        largest = max(abs(x) for x in row)
        scaled.append(nearest_floats([x / largest for x in (*row, Rational(plane.offset))]))
    table = np.array(scaled).reshape(len(planes), body.dim + 1)
    table /= np.linalg.norm(table[:, :-1], axis=1)[:, None]
    return np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(table[:, -1])
