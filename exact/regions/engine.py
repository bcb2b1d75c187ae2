"""What every engine shares: the job, the budget, and what `partition` asks of an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import TypeVar

from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput
from exact.geometry.budgets import Watch
from exact.geometry.domains.base import Domain
from exact.networks.network import Network
from exact.propagation.charts import flat_of as chart_of
from exact.regions.cells import Cells, Outcome

__all__ = ["Budget", "Engine", "Job", "Progress", "chart_of", "with_reason"]

Progress = Callable[[int], None]


@short_repr
@dataclass(frozen=True)
class Budget:
    """A bound on the number of regions, on seconds, on bytes of memory, or on several; None means
    no bound of one's own.

    The bytes are those that the process grows by. Without them memory is bounded all the same, by
    half of what is available when the job starts; `bytes=math.inf` takes that bound away.

    >>> Budget(regions=100, seconds=2.5)
    Budget(regions=100, seconds=2.5, bytes=None)
    """

    regions: int | None = None
    seconds: float | None = None
    bytes: float | None = None

    def __post_init__(self) -> None:
        for name, bound in (
            ("regions", self.regions),
            ("seconds", self.seconds),
            ("bytes", self.bytes),
        ):
            numbers = int if name == "regions" else int | float
            if bound is not None and (
                isinstance(bound, bool) or not (isinstance(bound, numbers) and bound >= 0)
            ):
                raise InvalidInput(
                    f"a budget of {name} is not a number from 0",
                    value=repr(bound),
                    remedy=f"write Budget({name}=100), or leave it out",
                )

    @property
    def is_endless(self) -> bool:
        """Whether it bounds nothing."""
        return self.regions is None and self.seconds is None and self.bytes is None


@short_repr
@dataclass
class Job:
    """One call of partition: what to enumerate, where the filters run, when to stop.

    `limit` bounds the regions as the budget does. The clock starts when the job is made; jobs that
    share a `watch` share it.
    """

    network: Network
    domain: Domain
    device: str = "cpu"
    budget: Budget = field(default_factory=Budget)
    progress: Progress | None = None
    limit: int | None = None
    shared: Watch | None = None
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = self.shared = self.shared or Watch(self.budget.seconds, self.budget.bytes)

    @property
    def most(self) -> int | None:
        """The number of regions that ends the job, by the budget or the limit."""
        return min(
            (bound for bound in (self.budget.regions, self.limit) if bound is not None),
            default=None,
        )

    def out_of_budget(self, found: int) -> bool:
        """Report progress and say whether the budget is used up after `found` regions."""
        if self.progress is not None:
            self.progress(found)
        return self.watch.is_up() or (self.most is not None and found >= self.most)

    def why_stopped(self, found: int) -> str:
        """What ended the job early after `found` regions, and how to go on; nothing where no budget
        did.
        """
        if self.watch.reason or self.most is None or 0 < found < self.most:
            return self.watch.reason
        if self.most == self.budget.regions:
            return f"the budget of {self.most:,} regions is reached: give a larger one to go on"
        return (
            f"the limit of {self.most:,} regions is reached: give limit=None or a larger one "
            f"to go on"
        )


AnyCells = TypeVar("AnyCells", bound=Cells)


def with_reason(job: Job, cells: AnyCells) -> AnyCells:
    """The cells of a job that its budget ended, with the reason in their evidence."""
    reason = job.why_stopped(len(cells)) if cells.outcome is Outcome.BUDGET_REACHED else ""
    return replace(cells, evidence=f"{cells.evidence}; {reason}") if reason else cells  # type: ignore[type-var]


class Engine(ABC):
    """An exact enumerator. Engines are stateless; `run` may assume that `refusal` returned None."""

    name: str

    @abstractmethod
    def refusal(self, network: Network, domain: Domain) -> str | None:
        """Why this engine cannot do the job, or None when it can."""

    def cost(self, network: Network, domain: Domain) -> float:
        """Rough microseconds per region, by which `partition` chooses among engines; infinite: on
        request only.
        """
        return inf

    def bytes_per_region(self, network: Network, domain: Domain) -> float:
        """About how much memory a region takes, at least: by this a job is refused that cannot
        fit.
        """
        return float((network.hinge_count + 7) // 8)

    @abstractmethod
    def run(self, job: Job) -> Cells:
        """Enumerate, exactly."""
