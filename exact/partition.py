"""The front door: `partition(network, domain)` chooses an engine, checks the job, and returns a
Partition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import inf

from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.errors import InvalidInput, NotPiecewiseLinear, TooLarge, Unsupported
from exact.geometry.budgets import readable_bytes
from exact.geometry.domains.base import CurveDomain, Domain, FlatDomain
from exact.geometry.domains.round import GreatCircle, GreatSphere, NormBall, Sphere
from exact.networks.network import Network
from exact.propagation.bounds import least_regions, region_bound
from exact.propagation.charts import sphere_dimension
from exact.propagation.norm_walks import radius_matters
from exact.regions.arcs.cells import CurveCells
from exact.regions.arcs.engines.circle import Circle
from exact.regions.arcs.engines.nested_roots import NestedRoots
from exact.regions.arcs.partition import CurvePartition
from exact.regions.cells import Cells
from exact.regions.engine import Budget, Engine, Job, Progress, chart_of, with_reason
from exact.regions.partition import Partition
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines.brute_force import BruteForce
from exact.regions.polytopes.engines.facet_walk import FacetWalk
from exact.regions.polytopes.engines.lp_tree import LPTree
from exact.regions.polytopes.engines.points import point_cells
from exact.regions.polytopes.engines.round_layers import RoundLayers
from exact.regions.polytopes.engines.subdivision import Subdivision
from exact.regions.polytopes.engines.vertices import Vertices
from exact.regions.polytopes.norm_ball import NormBallPartition, behind_norm
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.cells import SphereCells, SphereCodes
from exact.regions.spheres.codes import CodePartition
from exact.regions.spheres.engines.polytopes import SpherePolytopes
from exact.regions.spheres.engines.small_circles import SmallCircles
from exact.regions.spheres.engines.strata import SphereFlats
from exact.regions.spheres.engines.subdivision import SphereSubdivision
from exact.regions.spheres.partition import SpherePartition

ENGINES: tuple[Engine, ...] = (
    Circle(),
    NestedRoots(),
    Subdivision(),
    Vertices(),
    RoundLayers(),
    LPTree(),
    FacetWalk(),
    SmallCircles(),
    SphereSubdivision(),
    SphereFlats(),
    SpherePolytopes(),
    BruteForce(),
)
"""Every engine; `partition` takes the one that can do the job at the least cost."""

VIEWS: Mapping[type[Cells], Callable[..., Partition]] = {
    FlatCells: FlatPartition,
    CurveCells: CurvePartition,
    SphereCells: SpherePartition,
    SphereCodes: CodePartition,
}
"""What users hold of each kind of cells; those of a norm's ball are flat cells that a
NormBallPartition shows.
"""

DEFAULT_LIMIT = 10**10


@in_ieee_floats
def partition(
    network: Network,
    domain: Domain,
    *,
    engine: str | None = None,
    device: str = "cpu",
    limit: int | None = DEFAULT_LIMIT,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Partition:
    """Cut `domain` into the activation regions of `network`, exactly.

    Domains: Box, RealSpace, Plane, HPolytope (polytopes, networks without norm), Ball, NormBall;
    Segment, Ray, Line, GreatCircle (arcs, also behind norms); GreatSphere (connected cells);
    Sphere, of dimension 0 and 1 (points, arcs), 2 (cells), 3 and more (codes). On a sphere or
    circle behind a norm without `radius_squared` only directions count: the first norm's eps plays
    no part, those of later norms do.

    The engine is chosen by cost; `engine` overrides the choice and names one of `ENGINES`. `device`
    is where the float64 filters run ("cpu" or "cuda"); it never changes the result. What ends a job
    early is what it really finds: `limit` regions (None, or a budget of regions or seconds: no
    limit), the regions, seconds or bytes of the `budget`, and, whatever else is given, half of the
    memory that is available (see Budget). The outcome is BUDGET_REACHED then, what was done is
    kept, and `evidence` says how to go on. Without a budget of regions or seconds a job is refused
    where its first hidden layer alone cuts the domain into too many regions, by the flats that were
    found to meet it (see counting.least_regions). `progress` is called with the number of regions
    found. On curves behind several norms a sign that cannot be decided ends with outcome UNDECIDED.

    Raises InvalidInput (domain and network do not fit), Unsupported (no engine can, with the
    reasons), TooLarge, NotPiecewiseLinear (hidden layers behind GELU or SiLU), Undecided.

    >>> from exact import Box, partition
    >>> from exact.sources import tensors
    >>> hat = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1]], [0])])
    >>> result = partition(hat, Box(-1, 3, dim=1))
    >>> result.region_count, str(result.regions[0].affine.offset[0])
    (4, '0')
    """
    _check_types(network, domain)
    _check_bounds(limit, budget)
    _check_progress(progress)
    domain.check(network.input_dim)
    _check_radius(network, domain)
    _check_smooth(network)
    read, place = behind_norm(network) if isinstance(domain, NormBall) else (network, domain)
    _check_device(device)
    budget = budget or Budget()
    bounded = budget.regions is not None or budget.seconds is not None
    job = Job(read, place, device, budget, progress, None if bounded else limit)
    chosen = _choose(read, place, engine)
    _check_size(job, chosen)
    cells = _run(chosen, job)
    view: Callable[..., Partition] = (
        NormBallPartition if isinstance(domain, NormBall) else VIEWS[type(cells)]
    )
    return view(network, domain, chosen.name, cells)


def _run(engine: Engine, job: Job) -> Cells:
    """The cells, and where a budget ended the job, why."""
    try:
        with one_thread():
            is_point = isinstance(job.domain, FlatDomain) and job.domain.flat().dim == 0
            return with_reason(job, point_cells(job) if is_point else engine.run(job))
    finally:
        job.watch.close()


def _check_types(network: object, domain: object) -> None:
    if not isinstance(network, Network):
        raise InvalidInput(
            "not a network",
            value=type(network).__name__,
            remedy="read it first with exact.sources.torch_modules.read(module)",
        )
    if not isinstance(domain, Domain):
        raise InvalidInput(
            "not a domain",
            value=repr(domain),
            remedy="give Box, RealSpace, Plane, Segment, ..., Sphere",
        )


def _check_bounds(limit: object, budget: object) -> None:
    if budget is not None and not isinstance(budget, Budget):
        raise InvalidInput(
            "not a budget",
            value=repr(budget),
            remedy="write budget=Budget(seconds=10) or Budget(regions=100)",
        )
    if limit is not None and (
        isinstance(limit, bool) or not (isinstance(limit, int) and limit >= 0)
    ):
        raise InvalidInput(
            "not a limit", value=repr(limit), remedy="give a whole number of regions, or None"
        )


def _check_progress(progress: object) -> None:
    if progress is not None and not callable(progress):
        raise InvalidInput(
            "progress cannot be called",
            value=repr(progress),
            remedy="give a function of one number, or None",
        )


def _check_radius(network: Network, domain: Domain) -> None:
    if not isinstance(domain, Sphere | GreatCircle | GreatSphere):
        return
    if (
        network.has_norm
        and domain.radius_squared is not None
        and not _is_circle_with_radius(network, domain)
    ):
        raise InvalidInput(
            "the network's norm fixes the radius", value=domain, remedy="leave out radius_squared="
        )
    if not network.has_norm and domain.radius_squared is None:
        raise InvalidInput(
            "the network has no norm, so the radius is unknown",
            value=domain,
            remedy="give radius_squared=",
        )


def _is_circle_with_radius(network: Network, domain: Domain) -> bool:
    """Whether a domain is a circle on which a network with a norm depends on the radius (see
    exact.propagation.norm_walks).
    """
    return (
        isinstance(domain, GreatCircle) or sphere_dimension(network, domain) == 1
    ) and radius_matters(network)


def _check_smooth(network: Network) -> None:
    for layer in network.hidden_layers[:-1]:
        if not layer.activation.is_piecewise_linear:
            raise NotPiecewiseLinear(
                "hidden layers stand behind a smooth activation, so there are no affine regions",
                value=layer.activation.name,
                remedy="partition the first hidden layer only, or use network.relu_ised()",
            )


def _choose(network: Network, domain: Domain, name: str | None) -> Engine:
    known = {engine.name: engine for engine in ENGINES}
    if name is not None and not (isinstance(name, str) and name in known):
        raise InvalidInput(
            "no such engine", value=repr(name), remedy=f"choose one of {', '.join(known)}"
        )
    candidates = [known[name]] if name else list(ENGINES)
    reasons = {engine.name: engine.refusal(network, domain) for engine in candidates}
    able = [engine for engine in candidates if reasons[engine.name] is None]
    costs = {engine.name: 0.0 if name else engine.cost(network, domain) for engine in able}
    best = min(able, key=lambda engine: costs[engine.name], default=None)
    if best is not None and costs[best.name] < inf:
        return best
    told = {engine: reason or "only on request" for engine, reason in reasons.items()}
    if name is not None:
        raise Unsupported(
            f"engine {name} cannot do this job", value=f"{domain!r}", remedy=f"{name}: {told[name]}"
        )
    raise Unsupported(
        "no engine can do this job",
        value=f"{domain!r}",
        remedy=_grouped(told, type(domain).__name__),
    )


def _grouped(reasons: Mapping[str, str], kind: str) -> str:
    """Every reason once, with its engines: first those about the network, last the engines for
    other kinds of domain.

    Reasons that state the same fact are one, with all that they conclude (", so ...") and advise
    ("; ...").
    """
    specific, elsewhere = dict[str, dict[str, str]](), dict[str, list[str]]()
    for engine, reason in reasons.items():
        other = _other_domains(reason, kind)
        if other is None:
            specific.setdefault(re.split("; |, so |, and it ", reason)[0], {})[engine] = reason
        else:
            elsewhere.setdefault(other, []).append(engine)
    facts = sorted(specific, key=lambda fact: fact.startswith(("it ", "the sphere has dimension")))
    others = [f"{', '.join(engines)} ({other})" for other, engines in elsewhere.items()]
    return "; ".join(
        [
            *(_clause(specific[fact]) for fact in facts),
            *([f"for other domains than {kind}: {', '.join(others)}"] if others else []),
        ]
    )


def _clause(reasons: Mapping[str, str]) -> str:
    """Reasons that state one fact, and their engines."""
    parts = [reason.partition("; ") for reason in reasons.values()]
    conclusion, advice = (
        max((head for head, _, _ in parts), key=len),
        dict.fromkeys(tail for _, _, tail in parts if tail),
    )
    return f"{'; '.join([conclusion, *advice])} ({', '.join(reasons)})"


def _other_domains(reason: str, kind: str) -> str | None:
    """What an engine enumerates instead, where its reason is that it does not do domains of this
    kind at all.
    """
    if f"a {kind} is round" in reason:
        return "domains with walls"
    found = re.fullmatch(rf"it \w+ (.+), not {kind}", reason)
    return None if found is None else found[1]


def _check_size(job: Job, engine: Engine) -> None:
    """Refuse what its first hidden layer alone makes too large for the limit or the memory; all
    else is stopped when it is.
    """
    if (
        job.budget.regions is not None
        or job.budget.seconds is not None
        or not isinstance(job.domain, FlatDomain)
    ):
        return
    if isinstance(job.domain, CurveDomain):
        return
    bytes_each, most_bytes = engine.bytes_per_region(job.network, job.domain), job.watch.most_bytes
    most = min(
        most_bytes / bytes_each if bytes_each else inf, inf if job.limit is None else job.limit
    )
    if job.network.has_norm or region_bound(job.network, chart_of(job.domain).dim) <= most:
        return
    least = least_regions(job.network, job.domain, enough=most)
    if least > most:
        size = least * ((job.network.hinge_count + 7) // 8)
        limit = "" if job.limit is None else f", and the limit is {job.limit:,}"
        way = "limit=None" if job.limit is not None and least > job.limit else "Budget(bytes=...)"
        raise TooLarge(
            "the job is too large",
            value=f"at least {_readable(least)} regions ({_readable(size)} bytes of codes)",
            remedy=f"give {way}, a smaller domain, or a budget of regions or seconds; there is "
            f"room "
            f"for {readable_bytes(most_bytes)}{limit}",
        )


def _readable(count: int) -> str:
    return f"{count:,}" if count < 10**15 else f"10^{len(str(count)) - 1}"


def _check_device(device: str) -> None:
    import torch

    if not isinstance(device, str) or re.fullmatch(r"(cpu|cuda)(:\d+)?", device) is None:
        raise InvalidInput("unknown device", value=repr(device), remedy='write "cpu" or "cuda"')
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InvalidInput(
            "no CUDA device is available", value=repr(device), remedy='write device="cpu"'
        )
