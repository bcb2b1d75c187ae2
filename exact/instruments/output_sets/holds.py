"""Whether a condition on the outputs holds on all of a domain: `holds(network, domain, condition)`.

Bounds come first: boxes that linear bounds settle need no region listed. On the boxes that are left
all cells are listed and decided in rationals, so that the answer is exact, ties included. Points at
which floats see the condition violated are tried in rationals on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    fractions,
    nearest_floats,
    rational,
)
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, Unsupported
from exact.geometry.budgets import Budget, Watch
from exact.geometry.combinatorics.codes import SplineCode
from exact.geometry.domains.base import Domain, Flat, FlatDomain
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, homogeneous
from exact.geometry.polyhedra.programmes.boxes import Bounds, enclosing
from exact.geometry.polyhedra.programmes.lp import Interior, strict_feasibility
from exact.instruments.output_sets import proofs
from exact.instruments.output_sets.boxes import WIDE, BoxSearch, OpenBox
from exact.instruments.output_sets.cells import violated_on
from exact.instruments.output_sets.chains import ExactChain
from exact.instruments.output_sets.conditions import Condition, rows_of_cases
from exact.instruments.output_sets.listing import Visit, visit
from exact.kernels.linear_bounds import Boxes, Lines
from exact.networks.network import Network
from exact.partition import partition
from exact.propagation.chart import flat_of
from exact.regions.engine import Problem
from exact.regions.polytopes.refusals import flat_refusal

_POINTS = 512  # points that are tried before anything else
_FIRST = 256  # boxes after which listing is tried
_THEN = 4  # times as many until the next trial
_SEEN = 2  # points a box, whose signs are looked at before
_SHARE = 0.25  # of the points that have other signs than all before, at most, where cells are few
_REGIONS, _REGIONS_WIDE = 4, 0.125  # a point, or box left, that are listed; where one takes long
_MANY = 64  # boxes left to exact arithmetic, from which on the whole domain may be cheaper
_TRIED = 3  # of the points at which floats see a violation, at most, in rationals


class Verdict(Enum):
    """What is known of a condition. Has no truth value: compare with `is`.

    >>> [verdict.value for verdict in Verdict]
    ['holds', 'fails', 'budget reached']
    """

    HOLDS = "holds"
    FAILS = "fails"
    BUDGET_REACHED = "budget reached"

    def __bool__(self) -> bool:
        raise TypeError(
            "a Verdict has no truth value; got bool(verdict); write verdict is Verdict.HOLDS"
        )


@short_repr
@dataclass(frozen=True)
class Answer:
    """What :func:`holds` found: `verdict`, how it is known in `evidence`, and how much was looked
    at.

    A condition that fails has a `witness`, an input of the domain in fractions, and its `outputs`.
    `boxes` are those that bounds were taken of, `cells` those listed, and `left` the boxes that
    were not done when the budget was reached.
    """

    network: Network
    domain: Domain
    condition: Condition
    verdict: Verdict
    evidence: str
    witness: tuple[Fraction, ...] | None = None
    outputs: tuple[Fraction, ...] | None = None
    boxes: int = 0
    cells: int = 0
    left: int = 0
    place: Point | None = None
    _search: BoxSearch | None = field(default=None, repr=False, compare=False)

    def certificate(self, path: Any = None) -> dict[str, Any]:
        """Why it holds, or fails, for others to check; written to `path` too, packed where that
        ends in `.gz`.

        :func:`exact.check.conditions.check` checks it, and shares nothing with what
        made it. Raises InvalidInput where the budget was reached. Cost: the tree of boxes as it is;
        for every cell that was listed as many linear programmes as neurons change sign on its box,
        about a millisecond each.

        >>> from exact import Box, holds, outputs
        >>> from exact.check.conditions import check
        >>> from exact.sources import tensors
        >>> absolute = tensors.mlp([([[1], [-1]], [0, 0]), ([[1, 1]], [0])])
        >>> square, (y,) = Box(-1, 1, dim=1), outputs(absolute)
        >>> check(holds(absolute, square, y <= 1).certificate())
        'holds'
        >>> check(holds(absolute, square, y < 1).certificate())
        'fails'
        """
        if self.verdict is Verdict.BUDGET_REACHED:
            raise InvalidInput(
                "nothing is known that could be certified",
                value=self.verdict.value,
                remedy="give a larger budget",
            )
        with one_thread():
            record = proofs.question(self.network, self.flat, self.condition) | self._proof()
        if path is not None:
            proofs.write(record, path)
        return record

    @property
    def flat(self) -> Flat:
        """The chart and the walls of the domain."""
        assert isinstance(self.domain, FlatDomain), "others are refused"
        return flat_of(self.domain)

    def _proof(self) -> dict[str, Any]:
        assert isinstance(self.domain, FlatDomain)
        if self.place is not None and self.witness is not None:
            place = [str(x) for x in affine(self.place)]
            return {"place": place, "witness": [str(rational(x)) for x in self.witness]}
        if () in self.condition.cases:
            return {"true": True}
        if self.domain.empty is not None:
            return {"empty": proofs.multipliers(self.domain.empty)}
        box = None if self._search is None else enclosing(self.flat.walls, self.flat.dim)
        return proofs.TreeWriter(
            self.network, self.flat, self.condition, box, self._search
        ).record()

    def __bool__(self) -> bool:
        raise TypeError(
            "an answer has no truth value, for a budget can end it; got bool(holds(...)); write "
            "holds(...).verdict is Verdict.HOLDS"
        )

    def __str__(self) -> str:
        looked = f"boxes bounded: {self.boxes:,}, cells listed: {self.cells:,}"
        return f"{self.verdict.value}: {self.evidence} ({looked})"


@in_ieee_floats
def holds(
    network: Network, domain: Domain, condition: Condition, *, budget: Budget | None = None
) -> Answer:
    """Whether a condition on the outputs holds at every point of a domain, decided exactly.

    `condition` is written with `outputs(network)`: `y[0] < 1`, `(y[0] < y[1]) | (y[0] < y[2])`. The
    domain is closed: its edges count, and a tie fails `<` and fulfils `<=`. Without any point in
    the domain every condition holds. The verdict is HOLDS, FAILS with a `witness`, or
    BUDGET_REACHED: the `budget` bounds the seconds, and by its regions the boxes and cells.

    How: the box around a bounded domain is halved until linear bounds, by substitution backwards
    (Zhang et al. 2018), prove a case of the condition or leave few neurons that change sign; the
    cells of what is left are listed by `partition`, and on each the affine map is held against what
    violates the condition by exact linear programmes. Networks with skip connections, or functions
    that bend more than once, are listed without bounds. Where points show few cells, all are
    listed as soon as that is cheaper than the boxes so far.

    Raises InvalidInput for a condition on another number of outputs, NotPiecewiseLinear for smooth
    activations, Unsupported for round domains, norms, and functions that jump. Cost: about a
    tenth of a millisecond a box for networks of some hundred neurons; of cells as listing them, and
    a millisecond each.

    >>> from exact import Box, holds, outputs
    >>> from exact.sources import tensors
    >>> absolute = tensors.mlp([([[1], [-1]], [0, 0]), ([[1, 1]], [0])])
    >>> y = outputs(absolute)
    >>> print(holds(absolute, Box(-1, 1, dim=1), y[0] <= 1))
    holds: bounds and exact cells cover the domain (boxes bounded: 1, cells listed: 2)
    >>> tie = holds(absolute, Box(-1, 1, dim=1), (y[0] < 1) & (y[0] >= 0))
    >>> tie.verdict.value, tie.witness, tie.outputs
    ('fails', (Fraction(1, 1),), (Fraction(1, 1),))
    """
    with one_thread():
        return _Decision.of(network, domain, condition, budget or Budget()).answer()


def outputs_at(network: Network, x: Sequence[Rational]) -> list[Rational]:
    """The outputs at a point, exactly."""
    layers = network.hidden_layers

    def bits(hidden: int, z: RationalArray) -> list[bool]:
        bends = layers[hidden].activation.breakpoints
        return [value > bend for value in z.entries() for bend in bends]

    return list(network.propagate(RationalArray(len(x), 1, [*x]), [Rational(1)], bits).entries())


@dataclass
class _Decision:
    """A question, and how far it is decided."""

    network: Network
    domain: Domain
    condition: Condition
    violations: Condition
    flat: Flat
    budget: Budget
    watch: Watch
    search: BoxSearch | None = None
    cells: int = 0
    boxes: int = 0

    @classmethod
    def of(
        cls, network: Network, domain: Domain, condition: Condition, budget: Budget
    ) -> _Decision:
        """The question, where it can be asked."""
        problem = Problem.of(network, domain)
        if not isinstance(condition, Condition) or condition.width != network.output_dim:
            raise InvalidInput(
                "no condition on the outputs of this network",
                value=repr(condition)[:60],
                remedy=f"write it with y = outputs({network.output_dim}), such as y[0] < 1",
            )
        refused = flat_refusal(problem)
        if refused is not None:
            raise Unsupported(
                "conditions are decided on flat domains of continuous networks",
                value=str(refused),
                remedy="give a Box, HPolytope, Segment, Plane, ... and a network without norms",
            )
        network.require_piecewise_linear()
        assert isinstance(domain, FlatDomain), "others are refused"
        watch = Watch(budget.seconds, inf if budget.bytes is None else budget.bytes)
        return cls(network, domain, condition, ~condition, flat_of(domain), budget, watch)

    def answer(self) -> Answer:
        """The answer, by the cheapest way that there is."""
        assert isinstance(self.domain, FlatDomain)
        if not self.violations.cases:
            return self._told(Verdict.HOLDS, "the condition is true of all outputs")
        if self.domain.empty is not None:
            return self._told(Verdict.HOLDS, "the domain has no point")
        if self.flat.dim == 0:
            found, evidence = self._at((1,)), "the domain is one point"
        elif not self.condition.cases:
            found, evidence = self._at(self._inner_point()), "a condition that nothing fulfils"
        elif self._chain is None:
            seen = self._visit((), self._rest())
            found, evidence = self._visited(seen), "all cells were listed"
        else:
            found, evidence = self._by_boxes(), "bounds and exact cells cover the domain"
        return self._told(Verdict.HOLDS, evidence) if found is None else found

    @cached_property
    def _box(self) -> Bounds | None:
        return enclosing(self.flat.walls, self.flat.dim)

    @cached_property
    def _chain(self) -> ExactChain | None:
        """The network over the box around the domain; None where there is no box, or no chain."""
        if self._box is None:
            return None
        return ExactChain.of(
            self.network, self.flat, self._box, rows_of_cases(self.condition.cases)
        )

    def _by_boxes(self) -> Answer | None:
        """A violation, or that the budget was reached; None where boxes and cells cover the
        domain.
        """
        assert self._chain is not None and self._box is not None
        rows = rows_of_cases(self.condition.cases)
        cases = [[rows.index(one) for one in case] for case in self.condition.cases]
        slanted = [wall for wall in self.flat.walls if wall.axis is None]
        search = BoxSearch.start(self._chain.floats(), cases, slanted, self._box)
        self.search = search
        found = self._proposed(_spread(self.flat.dim))
        trial, regions = _FIRST, _REGIONS if self.flat.dim <= WIDE else _REGIONS_WIDE
        while search.stack and found is None and not self._is_up:
            found = self._proposed(_ends(*search.step()))
            if found is None and search.stack and len(search.nodes) >= trial:
                points, trial = _SEEN * trial, _THEN * trial
                few = search.codes_at(_chance(points, self.flat.dim)) <= _SHARE * points
                seen = self._listed(int(regions * points)) if few else None
                if seen is not None:
                    return self._all_visited(seen)
        if found is None and len(search.left) > _MANY and not search.stack:
            seen = self._listed(_REGIONS * len(search.left))
            if seen is not None:
                return self._all_visited(seen)
        done = 0
        while found is None and done < len(search.left) and not self._is_up:
            found = self._visited(self._looked_at(search.left[done]), len(search.left) - done)
            done += 1
        left = sum(map(len, search.stack)) + len(search.left) - done
        return self._stopped(left) if found is None and left else found

    def _all_visited(self, seen: Visit) -> Answer | None:
        """What the cells of the whole domain tell, without any box."""
        self.search, self.boxes = None, self._seen - self.cells
        return self._visited(seen)

    def _listed(self, most: int) -> Visit | None:
        """What the cells of the whole domain tell, where they are no more than that."""
        rest = self._rest()
        few = replace(rest, regions=most if rest.regions is None else min(most, rest.regions))
        seen = self._visit((), few)
        return None if seen.point is None and seen.stopped is not None else seen

    def _visit(self, walls: Sequence[Halfspace], budget: Budget) -> Visit:
        return visit(partition, self.network, self.flat, walls, self.violations, budget, self.watch)

    def _looked_at(self, box: OpenBox) -> Visit:
        """What the cells of a box tell; where no neuron changes sign it is one."""
        assert self._box is not None
        walls = box.walls(self._box)
        if not (box.on | box.off).all():
            return self._visit(walls, self._rest())
        code = SplineCode.of(box.on.tolist(), self.network.bits_per_layer)
        columns = self.network.propagate_code(self.flat.state(), code)
        every = [*self.flat.walls, *walls]
        return Visit(violated_on(self.violations, every, columns, self.flat.dim), 1)

    # ---- points

    def _inner_point(self) -> Point:
        inner = strict_feasibility(self.flat.walls, self.flat.dim)
        assert isinstance(inner, Interior), "a domain that is not empty fills its chart"
        return inner.point

    def _proposed(self, places: FloatArray) -> Answer | None:
        """A violation among points in units of the box, if floats see one there and fractions
        agree.
        """
        assert self._box is not None
        middle, half = nearest_floats(self._box.middle), nearest_floats(self._box.half)
        state = self.flat.float_state[0]
        with np.errstate(all="ignore"):
            x = (middle + half * places) @ state[:-1] + state[-1]
            excess = self._excess(self.network.forward_float(x))
        likely = np.argsort(-excess, kind="stable")[:_TRIED]
        for i in likely[excess[likely] >= 0].tolist():
            found = self._at(
                homogeneous(self._box.place([rational(u) for u in places[i].tolist()]))
            )
            if found is not None:
                return found
        return None

    def _excess(self, values: FloatArray) -> FloatArray:
        """By how much outputs fulfil what violates the condition, in floats; below 0 they do
        not.
        """
        best = np.full(len(values), -np.inf)
        for case in self.violations.cases:
            least = np.full(len(values), np.inf)
            for one in case:
                bound = nearest_floats([one.bound])[0] - values @ nearest_floats(one.factors)
                least = np.minimum(least, bound)
            best = np.fmax(best, least)
        return best

    def _at(self, place: Point) -> Answer | None:
        """The answer that a parameter point is a violation, if it is one."""
        if any(wall.value(place) < 0 for wall in self.flat.walls):
            return None
        x = self.flat.ambient(place)
        y = outputs_at(self.network, [rational(value) for value in x])
        if self.condition.at(y):
            return None
        told = self._told(Verdict.FAILS, "an exact point violates it")
        return replace(told, witness=x, outputs=fractions(y), place=place)

    # ---- budgets and answers

    @property
    def _seen(self) -> int:
        return self.cells + (self.boxes if self.search is None else len(self.search.nodes))

    @property
    def _is_up(self) -> bool:
        regions = self.budget.regions
        return self.watch.is_up() or (regions is not None and self._seen >= regions)

    def _rest(self) -> Budget:
        """What is left of the budget."""
        regions = self.budget.regions
        seconds = None if self.budget.seconds is None else self.watch.seconds_left
        rest = None if regions is None else max(0, regions - self._seen)
        return Budget(rest, seconds, self.budget.bytes)

    def _visited(self, seen: Visit, left: int = 1) -> Answer | None:
        """What cells tell: a violation, or that the budget was reached; None where neither."""
        self.cells += seen.cells
        if seen.point is not None:
            found = self._at(seen.point)
            assert found is not None, "a common point is in the domain and violates the condition"
            return found
        return self._stopped(left) if seen.stopped is not None else None

    def _stopped(self, left: int) -> Answer:
        text = f"no violation so far, {left:,} boxes are left; give a larger budget to go on"
        return self._told(Verdict.BUDGET_REACHED, text, left=left)

    def _told(self, verdict: Verdict, evidence: str, left: int = 0) -> Answer:
        boxes = self.boxes if self.search is None else len(self.search.nodes)
        return Answer(
            self.network,
            self.domain,
            self.condition,
            verdict,
            evidence,
            boxes=boxes,
            cells=self.cells,
            left=left,
            _search=self.search,
        )


def _spread(dim: int) -> FloatArray:
    """Points all over the box in its units: its centre, corners, and others by chance."""
    inner = _chance(_POINTS, dim)
    return np.concatenate([np.zeros((1, dim)), np.sign(inner[: _POINTS // 4]), inner])


def _ends(boxes: Boxes, lines: Lines) -> FloatArray:
    """Of every box its centre, and the corners at which the sum of the lines is most and least."""
    middle, total = (boxes.lo + boxes.hi) / 2, lines.slopes.sum(axis=1)
    corner = np.where(total > 0, boxes.hi, boxes.lo)
    return np.concatenate([middle, corner, boxes.lo + boxes.hi - corner])


def _chance(count: int, dim: int) -> FloatArray:
    """Points by chance in the box in its units, the same ones each time."""
    return np.random.default_rng(0).uniform(-1, 1, size=(count, dim))
