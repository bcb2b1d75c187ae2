"""What every engine shares: the problem, why an engine refuses one, the budget, the job, and what
`partition` asks of an engine.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import TypeVar

from exact.arithmetic.enclosures import late
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.numbers import Rational
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, NotPiecewiseLinear, Unsupported
from exact.geometry.budgets import Budget, Watch
from exact.geometry.domains.base import Domain, Flat, FlatDomain
from exact.geometry.domains.flat import Ball
from exact.geometry.domains.round import GreatCircle, GreatSphere, NormBall, Sphere
from exact.geometry.workers import Workers
from exact.networks.evaluation.required import require_network
from exact.networks.layers import layers_in_front, norms_in, passes_a_norm_by
from exact.networks.network import Network
from exact.networks.norms import Norm
from exact.propagation.chart import Chart, chart, flat_of, sphere_dimension
from exact.propagation.norm_walks import radius_matters
from exact.regions.cells import Cells, Outcome

Progress = Callable[[int], None]


# ---- why an engine cannot do a problem


@short_repr
@dataclass(frozen=True)
class Refusal:
    """Why an engine cannot do a problem: a `fact`, what follows from it, and what to do instead.

    `needs` names the domains that an engine cuts which cuts none of this kind. `of_size` says that
    an engine's own reach is exceeded, in dimensions or layers; other facts are about the network.

    >>> str(Refusal("the network has 2 norms", "and it can do one", "cut along a Line"))
    'the network has 2 norms, and it can do one; cut along a Line'
    """

    fact: str
    so: str = ""
    advice: str = ""
    needs: str = ""
    of_size: bool = False

    @classmethod
    def elsewhere(cls, needs: str, domain: Domain, verb: str = "enumerates") -> Refusal:
        """That of an engine for domains of other kinds."""
        return cls(f"it {verb} {needs}, not {type(domain).__name__}", needs=needs)

    @property
    def statement(self) -> str:
        """The fact and what follows."""
        return f"{self.fact}, {self.so}" if self.so else self.fact

    def __str__(self) -> str:
        return _joined(self.statement, self.advice)


def all_refusals(refusals: Mapping[str, Refusal], kind: str) -> str:
    """The refusals of engines in one sentence, every fact once: first those about the network, last
    the engines for other domains than this kind.

    >>> flat = Refusal("it cuts balls, not Box", needs="balls")
    >>> norm = Refusal("there is a norm", advice="use Sphere")
    >>> all_refusals({"a": flat, "b": norm, "c": Refusal("there is a norm", "so no")}, "Box")
    'there is a norm, so no; use Sphere (b, c); for other domains than Box: a (balls)'
    """
    facts, others = dict[tuple[bool, str], dict[str, Refusal]](), dict[str, list[str]]()
    for engine, refusal in refusals.items():
        if refusal.needs:
            others.setdefault(refusal.needs, []).append(engine)
        else:
            facts.setdefault((refusal.of_size, refusal.fact), {})[engine] = refusal
    clauses = list[str]()
    for key in sorted(facts, key=lambda key: key[0]):
        told = facts[key].values()
        statement = max((one.statement for one in told), key=len)
        advice = dict.fromkeys(one.advice for one in told)
        clauses.append(f"{_joined(statement, *advice)} ({', '.join(facts[key])})")
    elsewhere = ", ".join(f"{', '.join(names)} ({needs})" for needs, names in others.items())
    return _joined(*clauses, elsewhere and f"for other domains than {kind}: {elsewhere}")


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def jump_refusal(network: Network) -> Refusal | None:
    """That of engines that go beyond curves: facets behind a jump can border several regions."""
    for layer in network.hidden_layers[:-1]:
        if not layer.activation.is_continuous:
            return Refusal(
                f"hidden layers stand behind {layer.activation.name}, which jumps",
                "so hinges break off at facets",
            )
    return None


def in_front_refusal(network: Network, place: str) -> Refusal | None:
    """That of directions, on a sphere or a circle, in front of a norm: no constant 1 is there."""
    front = layers_in_front(network.steps)
    if any(layer.bits for layer in front):
        return Refusal(
            "hidden layers stand in front of the norm",
            f"so directions do not determine the {place}",
        )
    if any(x != 0 for layer in front for x in layer.as_affine.bias.column()):
        return Refusal(
            "a bias stands in front of the norm",
            advice="use network.from_block(k) to start at the norm",
        )
    return None


def one_norm_refusal(network: Network, so: str = "", advice: str = "") -> Refusal | None:
    """That of engines for one norm before the last hidden layer, and no skip around it when hidden
    layers follow.
    """
    needed = network.steps_to_last_hinge
    if norms_in(needed) > 1:
        return Refusal(f"hidden layers stand behind {norms_in(needed)} norms", so, advice)
    if passes_a_norm_by(needed):
        return Refusal("hidden layers follow a skip connection around a norm", advice=advice)
    return None


def one_layer_refusal(network: Network) -> Refusal | None:
    """That of engines that cut by one hidden layer."""
    layers = len(network.hidden_layers)
    found = Refusal(f"it cuts by one hidden layer, and this network has {layers}", of_size=True)
    return None if layers <= 1 else found


CHAIN = Refusal("it cuts graphs, not chains of blocks", needs="graphs")
NORM_IS_NOT_FIRST = Refusal(
    "the norm is not in front of the first block", advice="use network.from_block(k) to start there"
)


@short_repr
@dataclass(frozen=True)
class Problem:
    """What engines cut: a network on a domain that fit, with what is derived of both once.

    For a `NormBall` that is the network behind its norm on the ball of all its values, and `given`
    is the network and the domain as they were given.

    >>> from exact import Sphere
    >>> from exact.sources import tensors
    >>> net = tensors.block([[1, 2, 3]], [0], [[1]], [0], norm="layernorm", eps="1/9")
    >>> problem = Problem.of(net, NormBall())
    >>> type(problem.domain).__name__, problem.network.has_norm, problem.asked == (net, NormBall())
    ('Ball', False, True)
    >>> Problem.of(net, Sphere()).sphere_dim
    1
    """

    network: Network
    domain: Domain
    given: tuple[Network, Domain] | None = None

    @classmethod
    @in_ieee_floats
    def of(cls, network: Network, domain: Domain) -> Problem:
        """The problem of a network and a domain.

        Raises InvalidInput where they do not fit, NotPiecewiseLinear for hidden layers behind a
        smooth activation, and what :func:`behind_norm` raises.
        """
        require_network(network)
        if not isinstance(domain, Domain):
            raise InvalidInput(
                "not a domain",
                value=repr(domain),
                remedy="give Box, RealSpace, Plane, Segment, ..., Sphere",
            )
        domain.check(network.input_dim)
        problem = cls(network, domain)
        problem._check_radius()
        _check_smooth(network)
        if isinstance(domain, NormBall):
            return cls(*behind_norm(network), (network, domain))
        return problem

    @property
    def asked(self) -> tuple[Network, Domain]:
        """The network and the domain as they were given."""
        return self.given or (self.network, self.domain)

    @cached_property
    def flat(self) -> Flat:
        """The chart of a flat domain."""
        assert isinstance(self.domain, FlatDomain), "engines for flat domains refuse others"
        return flat_of(self.domain)

    @cached_property
    def jump_refusal(self) -> Refusal | None:
        """That of engines that go beyond curves, or None."""
        return jump_refusal(self.network)

    @cached_property
    def chart(self) -> Chart:
        """How the network stands on the domain; the flat chart of a line."""
        return chart(self.network, self.domain)

    @cached_property
    def sphere_dim(self) -> int | None:
        """The dimension of the sphere that the domain means; None where it is none, -1 where there
        is none.
        """
        return sphere_dimension(self.network, self.domain)

    @cached_property
    def sphere_refusal(self) -> Refusal | None:
        """Why the network does not live on the sphere of the domain (of any dimension), or None."""
        network = self.network
        if self.sphere_dim is None:
            return Refusal.elsewhere("spheres", self.domain)
        if self.jump_refusal is not None or not network.has_norm:
            return self.jump_refusal
        if isinstance(self.domain, Sphere) and network.blocks[0].norm is None:
            return NORM_IS_NOT_FIRST
        return in_front_refusal(network, "sphere") or one_norm_refusal(
            network, advice="curves (GreatCircle, Segment, ...) can do that"
        )

    def _check_radius(self) -> None:
        network, domain = self.network, self.domain
        if not isinstance(domain, Sphere | GreatCircle | GreatSphere):
            return
        if not network.has_norm:
            if domain.radius_squared is None:
                raise InvalidInput(
                    "the network has no norm, so the radius is unknown",
                    value=domain,
                    remedy="give radius_squared=",
                )
            return
        is_circle = isinstance(domain, GreatCircle) or self.sphere_dim == 1
        if domain.radius_squared is not None and not (is_circle and radius_matters(network)):
            raise InvalidInput(
                "the network's norm fixes the radius",
                value=domain,
                remedy="leave out radius_squared=",
            )


def _check_smooth(network: Network) -> None:
    for layer in network.hidden_layers[:-1]:
        if not layer.activation.is_piecewise_linear:
            raise NotPiecewiseLinear(
                "hidden layers stand behind a smooth activation, so there are no affine regions",
                value=layer.activation.name,
                remedy="partition the first hidden layer only, or use network.relu_ised()",
            )


@in_ieee_floats
def behind_norm(network: Network) -> tuple[Network, Ball]:
    """The network behind its first norm as a function of y, gain and bias folded in, and the ball
    of all y.

    Raises InvalidInput for a network without norm, for eps = 0 (no ball but a sphere) and for a
    norm that leaves a single point; Unsupported where hidden layers stand in front of the norm or
    behind a second one.
    """
    norm = require_ball(network)
    return network.folded(), Ball([Rational(0)] * norm.dim, norm.dim, norm.sphere_basis())


def require_ball(network: Network) -> Norm:
    """The norm that a network stands behind; raises what :func:`behind_norm` does."""
    require_network(network)
    norm = network.norms[0] if network.norms else None
    if norm is None:
        raise InvalidInput(
            "the network has no norm, so its inputs fill no ball",
            value="no norm",
            remedy="give Ball(centre, radius_squared)",
        )
    if (refusal := Problem(network, Sphere()).sphere_refusal) is not None:
        raise Unsupported(
            "the network does not live on one norm's ball", value=NormBall(), remedy=str(refusal)
        )
    if norm.eps == 0:
        raise InvalidInput(
            "eps is 0, so the image of the norm is a sphere, not a ball",
            value=norm,
            remedy="use Sphere()",
        )
    if norm.sphere_dim < 0:
        raise InvalidInput(
            "the norm maps every input to one point",
            value=norm,
            remedy="give a norm of more coordinates",
        )
    return norm


@short_repr
@dataclass
class Job:
    """One call of partition: what to enumerate, where the filters run, when to stop.

    `limit` bounds the regions of a job whose budget bounds neither regions nor seconds. The clock
    starts when the job is made; jobs that share a `watch` share it. `threads` is how many threads
    the engine may use, and never changes the result. Raises InvalidInput for what is no device,
    budget, progress, limit or number of threads.
    """

    problem: Problem
    device: str = "cpu"
    budget: Budget = field(default_factory=Budget)
    progress: Progress | None = None
    limit: int | None = None
    shared: Watch | None = None
    threads: int = 1
    watch: Watch = field(init=False)
    workers: Workers = field(init=False)

    def __post_init__(self) -> None:
        self._check()
        self.workers = Workers(self.threads)
        if self.budget.regions is not None or self.budget.seconds is not None:
            self.limit = None
        self.watch = self.shared = self.shared or Watch(self.budget.seconds, self.budget.bytes)

    def _check(self) -> None:
        budget, limit, progress, device = self.budget, self.limit, self.progress, self.device
        is_count = isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0
        known = isinstance(device, str) and re.fullmatch(r"(cpu|cuda)(:\d+)?", device)
        is_here = not known or device.startswith("cpu") or late.torch.cuda.is_available()
        _require(
            isinstance(budget, Budget),
            "not a budget",
            budget,
            "write budget=Budget(seconds=10) or Budget(regions=100)",
        )
        _require(
            limit is None or is_count,
            "not a limit",
            limit,
            "give a whole number of regions, or None",
        )
        wanted = "give a function of one number, or None"
        _require(
            progress is None or callable(progress), "progress cannot be called", progress, wanted
        )
        _require(bool(known), "unknown device", device, 'write "cpu" or "cuda"')
        _require(is_here, "no CUDA device is available", device, 'write device="cpu"')

    @property
    def network(self) -> Network:
        """What is cut by."""
        return self.problem.network

    @property
    def domain(self) -> Domain:
        """What is cut."""
        return self.problem.domain

    @property
    def most(self) -> int | None:
        """The number of regions that ends the job, by the budget or the limit."""
        return self.limit if self.budget.regions is None else self.budget.regions

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
        told = f"the limit of {self.most:,} regions is reached"
        return f"{told}: give limit=None or a larger one to go on"


def _require(holds: bool, wrong: str, value: object, remedy: str) -> None:
    if not holds:
        raise InvalidInput(wrong, value=repr(value), remedy=remedy)


AnyCells = TypeVar("AnyCells", bound=Cells)


def with_reason(job: Job, cells: AnyCells) -> AnyCells:
    """The cells of a job that its budget ended, with the reason in their evidence."""
    reason = job.why_stopped(len(cells)) if cells.outcome is Outcome.BUDGET_REACHED else ""
    return replace(cells, evidence=f"{cells.evidence}; {reason}") if reason else cells  # type: ignore[type-var]


class Engine(ABC):
    """An exact enumerator. Engines are stateless; `run` may assume that `refusal` returned None."""

    name: str
    cuts_graphs = cuts_maxima = False  # steps in any order; symbols of several values

    def __repr__(self) -> str:
        return f"<engine {self.name}>"

    @abstractmethod
    def refusal(self, problem: Problem) -> Refusal | None:
        """Why this engine cannot do the job, or None when it can."""

    def cost(self, problem: Problem) -> float:
        """Rough microseconds per region, by which `partition` chooses among engines; infinite: on
        request only.
        """
        return inf

    def bytes_per_region(self, problem: Problem) -> float:
        """About how much memory a region takes, at least: by this a job is refused that cannot
        fit.
        """
        return float((problem.network.hinge_count + 7) // 8)

    def first_hinges(self, problem: Problem) -> int:
        """At most how many hinges of the first hidden layer cut a flat domain, before it starts."""
        return sum(layer.bits for layer in problem.network.hidden_layers[:1])

    def graph_refusal(self, problem: Problem) -> Refusal | None:
        """Why it cannot walk through the network whatever the domain, or None."""
        if not (problem.network.is_chain or self.cuts_graphs):
            return Refusal("the network is a graph, and it walks over chains of blocks")
        if self.cuts_maxima or not problem.network.has_maxima:
            return None
        return Refusal("the network has maxima, and it knows neurons")

    @abstractmethod
    def run(self, job: Job) -> Cells:
        """Enumerate, exactly."""
