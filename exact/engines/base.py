"""What every engine shares: the job, the budget, the outcome, and the arrays an enumeration returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property, lru_cache
from math import inf
from typing import TypeVar, overload

import numpy as np

from exact.budgets import Watch
from exact.curve_positions import CurvePoint
from exact.curves import Direction, Frame
from exact.domains import Curve, Domain, Flat, FlatDomain
from exact.errors import InvalidInput
from exact.faces import FaceComplex, IndexArray
from exact.halfspace import Halfspace, Point
from exact.lp import Farkas
from exact.network import Network
from exact.numbers import FloatArray, Rational
from exact.printing import short_repr
from exact.running_codes import RunningCodes
from exact.sphere_charts import SphereChart
from exact.sphere_complex import SphereComplex
from exact.spline_code import BitArray, ByteArray

Progress = Callable[[int], None]
T = TypeVar("T")


class Outcome(Enum):
    """How an enumeration ended. Has no truth value: compare with `is`."""

    COMPLETE = "complete"
    BUDGET_REACHED = "budget reached"
    UNDECIDED = "undecided"

    def __bool__(self) -> bool:
        raise TypeError("an Outcome has no truth value; got bool(outcome); write outcome is Outcome.COMPLETE")


@short_repr
@dataclass(frozen=True)
class Budget:
    """A bound on the number of regions, on seconds, on bytes of memory, or on several; None means no bound of one's own.

    The bytes are those that the process grows by. Without them memory is bounded all the same, by half of what is available
    when the job starts; `bytes=math.inf` takes that bound away.
    """

    regions: int | None = None
    seconds: float | None = None
    bytes: float | None = None

    def __post_init__(self) -> None:
        for name, bound in (("regions", self.regions), ("seconds", self.seconds), ("bytes", self.bytes)):
            numbers = int if name == "regions" else int | float
            if bound is not None and (isinstance(bound, bool) or not (isinstance(bound, numbers) and bound >= 0)):
                raise InvalidInput(f"a budget of {name} is not a number from 0", value=repr(bound),
                                   remedy=f"write Budget({name}=100), or leave it out")  # fmt: skip

    @property
    def is_endless(self) -> bool:
        """Whether it bounds nothing."""
        return self.regions is None and self.seconds is None and self.bytes is None


@short_repr
@dataclass
class Job:
    """One call of partition: what to enumerate, where the filters run, when to stop.

    `limit` bounds the regions as the budget does. The clock starts when the job is made; jobs that share a `watch` share it.
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
        return min((bound for bound in (self.budget.regions, self.limit) if bound is not None), default=None)

    def out_of_budget(self, found: int) -> bool:
        """Report progress and say whether the budget is used up after `found` regions."""
        if self.progress is not None:
            self.progress(found)
        return self.watch.is_up() or (self.most is not None and found >= self.most)

    def why_stopped(self, found: int) -> str:
        """What ended the job early after `found` regions, and how to go on; nothing where no budget did."""
        if self.watch.reason or self.most is None or 0 < found < self.most:
            return self.watch.reason
        if self.most == self.budget.regions:
            return f"the budget of {self.most:,} regions is reached: give a larger one to go on"
        return f"the limit of {self.most:,} regions is reached: give limit=None or a larger one to go on"


@short_repr
@dataclass(frozen=True)
class FlatCells:
    """Regions of a flat domain as arrays, in the engine's own order; what is costly is made when asked for.

    `codes` are the spline codes, bit-packed as numpy.packbits does (R x
    ceil(hinges / 8)). `witness(i)` is an exact point
    strictly inside region i. `walls(i)` gives halfspaces among which all its facets are, the domain's included; without
    it they are read off the code. `pairs()` lists every two regions that share a facet, once (E x 2); without it they are
    found by rays and LPs. `faces` is the polyhedral complex, from engines that build one. `empty` proves that the domain
    has no interior point. `decisions` counts what settled the questions on the way.
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

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def bits(self) -> BitArray:
        """The codes as bools (R x hinges)."""
        return np.unpackbits(self.codes, axis=1, count=self.hinges).astype(bool)


class MadeOnDemand(Sequence[T]):
    """A sequence of `count` items that `make(index)` makes when they are asked for, and that are kept then."""

    def __init__(self, make: Callable[[int], T], count: int) -> None:
        self._make, self._count, self._made = make, count, dict[int, T]()

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        place = range(self._count)[index]
        if place not in self._made:
            self._made[place] = self._make(place)
        return self._made[place]


@short_repr
@dataclass(frozen=True)
class Cut:
    """A point between two cells of a curve, or its end; `find` gives the exact direction.

    `near` is a rational direction within 2^-29 of a turn of it (as a rule within 2^-44), which costs nothing.
    """

    find: Callable[[], CurvePoint]
    near: Direction
    undefined: bool = False

    @cached_property
    def direction(self) -> CurvePoint:
        """The exact direction."""
        return self.find()


@short_repr
@dataclass(frozen=True)
class CurveCells:
    """Cells of a curve in order: cell i lies between cuts i and i + 1 (modulo their number when `closed`).

    `cuts`, and `witnesses`, rational directions (alpha, beta) inside the cells, are made when asked for by engines that can
    (see `MadeOnDemand`). `codes` flip at cut i what their step i says. `tangent` lists points where a hinge of the first
    layer it concerns touches zero without changing sign. A full circle without a cut has one cell and no cut. `enclosures`
    are diamond angles around every cut (float64, cuts x 2, see curves), and `breaks` the cuts where a norm is undefined;
    engines that have no arrays leave both out, and breaks are read off the cuts.
    """

    curve: Curve
    frame: Frame
    cuts: Sequence[Cut]
    codes: RunningCodes
    witnesses: Sequence[tuple[Rational, Rational]]
    tangent: tuple[tuple[CurvePoint, int], ...]
    outcome: Outcome
    evidence: str
    decisions: Mapping[str, int]
    closed: bool
    enclosures: FloatArray | None = None
    breaks: frozenset[int] | None = None

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def undefined(self) -> frozenset[int]:
        """The cuts where a norm divides by zero."""
        return frozenset(i for i, cut in enumerate(self.cuts) if cut.undefined) if self.breaks is None else self.breaks

    @property
    def bits(self) -> BitArray:
        """The codes as bools (cells x hinges)."""
        return self.codes.bits()


@short_repr
@dataclass(frozen=True)
class SphereCells:
    """Cells of a 2-sphere as a cell complex; cell 0 has the code `root`, and every arc says which hinges flip across it.

    `decisions` counts what settled the questions on the way ("filter", "exact", ...). `hinges` is the length of the code.
    """

    chart: SphereChart
    complex: SphereComplex
    root: BitArray
    hinges: int
    outcome: Outcome
    evidence: str
    decisions: Mapping[str, int]

    def __len__(self) -> int:
        return self.complex.cell_count


@short_repr
@dataclass(frozen=True)
class SphereCodes:
    """Spline codes on a sphere of any dimension as arrays, in the engine's own order; each owns one cell or several.

    `codes` are bit-packed as in `FlatCells`. On every code the pre-activations are affine in the coordinates y of the
    chart, and `witness(i)` gives two points (y, 1) of that open polyhedron with `y' gram y` below and above
    `radius_squared`: by convexity the code occurs on the sphere between them. `pairs()` lists every two codes that meet in
    a facet, once (E x 2). `components(i)` is the number of connected cells of a code, None where it was not decided.
    """

    chart: SphereChart
    codes: ByteArray
    hinges: int
    witness: Callable[[int], tuple[Point, Point]]
    pairs: Callable[[], IndexArray]
    components: Callable[[int], int | None]
    outcome: Outcome
    evidence: str
    decisions: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.codes)


AnyCells = TypeVar("AnyCells", bound=FlatCells | CurveCells | SphereCells | SphereCodes)


def with_reason(job: Job, cells: AnyCells) -> AnyCells:
    """The cells of a job that its budget ended, with the reason in their evidence."""
    reason = job.why_stopped(len(cells)) if cells.outcome is Outcome.BUDGET_REACHED else ""
    return replace(cells, evidence=f"{cells.evidence}; {reason}") if reason else cells


@lru_cache(maxsize=8)
def chart_of(domain: FlatDomain) -> Flat:
    """The chart of a flat domain, made once: a box in hundreds of dimensions takes a second for it."""
    return domain.flat()


class Engine(ABC):
    """An exact enumerator. Engines are stateless; `run` may assume that `refusal` returned None."""

    name: str

    @abstractmethod
    def refusal(self, network: Network, domain: Domain) -> str | None:
        """Why this engine cannot do the job, or None when it can."""

    def cost(self, network: Network, domain: Domain) -> float:
        """Rough microseconds per region, by which `partition` chooses among engines; infinite: on request only."""
        return inf

    def bytes_per_region(self, network: Network, domain: Domain) -> float:
        """About how much memory a region takes, at least: by this a job is refused that cannot fit."""
        return float((network.hinge_count + 7) // 8)

    @abstractmethod
    def run(self, job: Job) -> FlatCells | CurveCells | SphereCells | SphereCodes:
        """Enumerate, exactly."""


def packed(bits: Sequence[Sequence[bool]] | BitArray, hinges: int) -> ByteArray:
    """The codes of R regions, given as R rows of bits, bit-packed."""
    return np.packbits(np.array(bits, dtype=bool).reshape(len(bits), hinges), axis=1)


def empty_cells(hinges: int, proof: Farkas) -> FlatCells:
    """No region at all, because the walls of the domain leave no interior point."""
    evidence = "the walls of the domain have no common interior point, by a Farkas vector"
    codes = np.zeros((0, (hinges + 7) // 8), dtype=np.uint8)
    return FlatCells(codes, hinges, _no_witness, Outcome.COMPLETE, evidence, {}, empty=proof)


def no_cells(job: Job) -> FlatCells:
    """No region, because the budget ended before there was one."""
    hinges = job.network.hinge_count
    codes = np.zeros((0, (hinges + 7) // 8), dtype=np.uint8)
    return FlatCells(codes, hinges, _no_witness, Outcome.BUDGET_REACHED, "stopped early, before the first region", {})


def _no_witness(index: int) -> Point:
    raise IndexError(f"region {index} of 0")


def flat_refusal(network: Network, domain: Domain) -> str | None:
    """The refusal shared by engines for flat domains: curved domains, norms."""
    if not isinstance(domain, FlatDomain):
        return f"it enumerates flat domains, not {type(domain).__name__}"
    if not domain.is_polyhedral:
        return f"it knows domains by their walls, and a {type(domain).__name__} is round; round_layers cuts it"
    if network.has_norm:
        return (
            "the network has a norm, so its regions in a flat domain are not polytopes; "
            "use Sphere, GreatCircle, Segment, Ray or Line, or network.folded() for the layers behind it"
        )
    return network.jump_refusal
