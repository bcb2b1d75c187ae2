"""Methods before their referees: one row for every estimate, whatever came of it.

A method that raises or returns nonsense has rows that say so, and the rest goes on.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from exact import Box, EngineDefect, ExactlensError, MissingExtra, Network, Unsupported
from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.errors import abbreviated
from studies.methods import QUANTITIES, Method, MethodEstimate, Quantity
from studies.methods.quantities.region_volume import covered_share
from studies.own_code import said, written
from studies.validation.population import Net
from studies.validation.problems import PROBLEMS, Problem

OK, RAISED, NONSENSE, REFUSED = "ok", "raised", "nonsense", "refused"
MISSING, NO_REFEREE, NO_NET = "missing", "no referee", "no net"
LONGEST = 300  # characters of an outcome
_NAN = math.nan


@dataclass(frozen=True)
class Row:
    """One estimate of one method on one domain of one net.

    `outcome` is "ok", or begins with "raised", "nonsense", "refused" (the method says that it has
    no meaning there), "missing" (a library), "no referee" or "no net", and says why behind a colon.
    `value`, `truth` and `error` are what `Quantity.compare` says; `within` too. `covered` is the
    exact share of a box that the regions of the codes fill that the method met. Numbers that there
    are not are NaN.
    """

    quantity: str
    method: str
    number: str
    unit: str
    budget: int
    family: str
    norm: str
    dimension: int
    trained: bool
    seed: int
    item: int
    label: str
    outcome: str
    value: float = _NAN
    truth: float = _NAN
    error: float = _NAN
    within: float = _NAN
    low: float = _NAN
    high: float = _NAN
    covered: float = _NAN
    passes: int = 0
    seconds: float = _NAN
    referee_seconds: float = _NAN
    accuracy: float = _NAN

    @property
    def result(self) -> str:
        """The first word or two of the outcome."""
        return self.outcome.split(":")[0]

    @property
    def is_ok(self) -> bool:
        """Whether there is an estimate and an exact value."""
        return self.outcome == OK


FIELDS = tuple(field.name for field in fields(Row))


def judge(
    methods: Sequence[Method],
    nets: Iterable[Net],
    *,
    budgets: Sequence[int] | None = None,
    most: int | None = None,
    seed: int = 0,
) -> Iterator[list[Row]]:
    """The rows of each net in turn. `budgets` stand in for those of the methods, `most` leaves out
    larger ones.
    """
    by_quantity: dict[str, list[Method]] = {}
    for name in PROBLEMS:
        asked = [method for method in methods if method.quantity == name]
        if asked:
            by_quantity[name] = asked
    for net in nets:
        rows = []
        with one_thread():
            for name, asked in by_quantity.items():
                for item, problem in enumerate(PROBLEMS[name](net)):
                    judged = _Item(QUANTITIES[name], net, item, problem)
                    rows += judged.rows(asked, lambda m: ladder(m, budgets, most), seed)
        yield rows


def ladder(
    method: Method, budgets: Sequence[int] | None = None, most: int | None = None
) -> tuple[int, ...]:
    """The budgets a method is run with: its smallest where all are larger than `most`."""
    own = method.budgets if budgets is None else tuple(sorted(set(budgets)))
    kept = tuple(budget for budget in own if most is None or budget <= most)
    return kept or own[:1]


@dataclass(frozen=True)
class _Item:
    """A quantity of a net on one domain."""

    quantity: Quantity
    net: Net
    number: int
    problem: Problem

    def rows(
        self, methods: Sequence[Method], budgets: Callable[[Method], Sequence[int]], seed: int
    ) -> list[Row]:
        """The rows of all methods; the referee is asked once."""
        blank = [self._blank(method, budget) for method in methods for budget in budgets(method)]
        network = self.net.network
        if network is None:
            return [replace(row, outcome=_outcome(NO_NET, self.net.failure)) for row in blank]
        started = time.perf_counter()
        try:
            truth = self.quantity.referee(network, self.problem.domain)
        except EngineDefect:
            raise
        except ExactlensError as error:
            return [replace(row, outcome=_outcome(NO_REFEREE, str(error))) for row in blank]
        took = time.perf_counter() - started
        known = {method.name: method for method in methods}
        return [
            replace(self._row(row, known[row.method], network, truth, seed), referee_seconds=took)
            for row in blank
        ]

    def _blank(self, method: Method, budget: int) -> Row:
        kind = self.net.kind
        return Row(
            self.quantity.name,
            method.name,
            method.number,
            method.unit,
            budget,
            kind.family,
            kind.norm,
            kind.dimension,
            self.net.trained,
            self.net.seed,
            self.number,
            self.problem.label,
            "",
            accuracy=self.net.accuracy,
        )

    def _row(self, row: Row, method: Method, network: Network, truth: Any, seed: int) -> Row:
        rng = generator(seed, row)
        started = time.perf_counter()
        try:
            found = method(network, self.problem.domain, row.budget, rng)
            seconds = time.perf_counter() - started
            fault = self.fault(found, truth)
        except Unsupported as error:
            return replace(row, outcome=_outcome(REFUSED, said(error)))
        except MissingExtra as error:
            return replace(row, outcome=_outcome(MISSING, said(error)))
        except (Exception, SystemExit) as error:  # a user's code and its values may do anything
            why = f"{type(error).__name__}: {said(error)}"
            return replace(row, outcome=_outcome(RAISED, why))
        if fault:
            return replace(row, outcome=_outcome(NONSENSE, fault), seconds=seconds)
        compared = self.quantity.compare(found, truth)
        low, high = found.interval or (_NAN, _NAN)
        return replace(
            row,
            outcome=OK,
            value=compared.value,
            truth=compared.truth,
            error=compared.error,
            within=compared.within,
            low=float(low),
            high=float(high),
            covered=self._covered(found, network),
            passes=int(found.forward_passes),
            seconds=seconds,
        )

    def fault(self, found: Any, truth: Any) -> str:
        """Why what a method returned is nonsense; empty where it is an estimate."""
        if not isinstance(found, MethodEstimate):
            return f"it returned no MethodEstimate but {abbreviated(repr(found), 60)}"
        passes = found.forward_passes
        if not isinstance(passes, int | np.integer) or isinstance(passes, bool) or passes < 0:
            return f"the forward passes are no number from 0 on: {abbreviated(repr(passes), 60)}"
        wrong = self.quantity.fault(found, truth)
        if wrong or found.codes is None:
            return wrong
        codes, hinges = found.codes, self.net.network.hinge_count if self.net.network else 0
        is_table = isinstance(codes, np.ndarray) and codes.dtype == np.bool_ and codes.ndim == 2
        if not is_table or codes.shape[1] != hinges:
            return f"the codes are no bools of {hinges} hinges: {abbreviated(repr(codes), 60)}"
        return ""

    def _covered(self, found: MethodEstimate, network: Network) -> float:
        domain = self.problem.domain
        if found.codes is None or not isinstance(domain, Box):
            return _NAN
        return covered_share(network, domain, found.codes)


def generator(seed: int, row: Row) -> np.random.Generator:
    """The generator of an estimate: its own, whatever else is judged beside it."""
    names = (row.quantity, row.method, row.family, row.norm, row.label)
    words = [zlib.crc32(name.encode()) for name in names]
    numbers = (seed, row.seed, row.dimension, int(row.trained), row.item, row.budget)
    return np.random.default_rng([*words, *numbers])


def _outcome(result: str, why: str) -> str:
    """An outcome that a file can hold."""
    return f"{result}: {abbreviated(written(why), LONGEST)}"


def counts(rows: Iterable[Row]) -> Mapping[str, int]:
    """How many rows have each outcome, by its first words."""
    found: dict[str, int] = {}
    for row in rows:
        found[row.result] = found.get(row.result, 0) + 1
    return found
