"""The front door: `partition(network, domain)` chooses an engine, checks the job, and returns a
Partition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.errors import InvalidInput, TooLarge, Unsupported
from exact.geometry.budgets import LITTLE, Budget, readable_bytes, readable_count
from exact.geometry.domains.base import CurveDomain, Domain, FlatDomain
from exact.geometry.domains.round import NormBall
from exact.networks.network import Network
from exact.propagation.bounds import arrangement_bound, least_regions
from exact.regions.arcs.cells import CurveCells
from exact.regions.arcs.engines.circle import Circle
from exact.regions.arcs.engines.nested_roots import NestedRoots
from exact.regions.arcs.engines.slice_line import SliceLine
from exact.regions.arcs.partition import CurvePartition
from exact.regions.cells import Cells
from exact.regions.engine import Engine, Job, Problem, Progress, Refusal, all_refusals, with_reason
from exact.regions.partition import Partition
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines.brute_force import BruteForce
from exact.regions.polytopes.engines.facet_walk import FacetWalk
from exact.regions.polytopes.engines.live_tree import LiveTree
from exact.regions.polytopes.engines.lp_tree import LPTree
from exact.regions.polytopes.engines.points import point_cells
from exact.regions.polytopes.engines.round_layers import RoundLayers
from exact.regions.polytopes.engines.skeleton import Skeleton
from exact.regions.polytopes.engines.slice_graph import SliceGraph
from exact.regions.polytopes.engines.sliced import Sliced
from exact.regions.polytopes.engines.subdivision import Subdivision
from exact.regions.polytopes.engines.vertices import Vertices
from exact.regions.polytopes.norm_ball import NormBallPartition
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.cells import SphereCells, SphereCodes
from exact.regions.spheres.codes import CodePartition
from exact.regions.spheres.engines.small_circles import SmallCircles
from exact.regions.spheres.engines.sphere_polytopes import SpherePolytopes
from exact.regions.spheres.engines.strata import SphereFlats
from exact.regions.spheres.engines.subdivision import SphereSubdivision
from exact.regions.spheres.partition import SpherePartition

ENGINES: tuple[Engine, ...] = (
    Circle(),
    NestedRoots(),
    Subdivision(),
    Skeleton(),
    Vertices(),
    RoundLayers(),
    LiveTree(),
    Sliced(Subdivision(), Skeleton(), LiveTree(), LPTree()),
    LPTree(),
    FacetWalk(),
    SmallCircles(),
    SphereSubdivision(),
    SphereFlats(),
    SpherePolytopes(),
    BruteForce(),
    SliceGraph(),
    SliceLine(),
)
"""Every engine; `partition` takes the one that can do the job at the least cost."""

VIEWS: Mapping[type[Cells | Domain], type[Partition]] = {
    FlatCells: FlatPartition,
    CurveCells: CurvePartition,
    SphereCells: SpherePartition,
    SphereCodes: CodePartition,
    NormBall: NormBallPartition,
}
"""What users hold of each kind of cells, and of the flat cells of a norm's ball."""

DEFAULT_LIMIT = 10**10


@in_ieee_floats
def partition(
    network: Network,
    domain: Domain,
    *,
    engine: str | None = None,
    device: str = "cpu",
    threads: int = 1,
    limit: int | None = DEFAULT_LIMIT,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Partition:
    """Cut `domain` into the activation regions of `network`, exactly.

    Domains: Box, RealSpace, Plane, HPolytope (polytopes, networks without norm), Ball, NormBall;
    Segment, Ray, Line, GreatCircle, Ellipse (arcs, also behind norms); GreatSphere (cells);
    Sphere, of dimension 0 and 1 (points, arcs), 2 (cells), 3 and more (codes). On a sphere or
    circle behind a norm without `radius_squared` only directions count: the first norm's eps plays
    no part, those of later norms do.

    The engine is chosen by cost (see :func:`choose`); `engine` overrides the choice and names one
    of `ENGINES`. `device` is where the float64 filters run ("cpu" or "cuda"), and `threads` how
    many threads the engine may use (`skeleton`, for the adjacency too, and `lp_tree`; others one):
    neither changes the result. What ends a job early is what it really finds: `limit` regions
    (None, or a budget of regions or seconds: no limit), the regions, seconds or bytes of the
    `budget`, and, whatever else is given, half of the memory that is available (see Budget). The
    outcome is BUDGET_REACHED then, what was done is kept, and `evidence` says how to go on. Without
    a budget of regions or seconds a job is refused where its first hidden layer alone cuts the
    domain into too many regions, by the flats that were found to meet it (see
    counting.least_regions). `progress` is called with the number of regions found. On curves behind
    several norms a sign that cannot be decided ends with outcome UNDECIDED.

    Raises InvalidInput (domain and network do not fit), Unsupported (no engine can, with the
    reasons), TooLarge, NotPiecewiseLinear (hidden layers behind GELU or SiLU), Undecided.

    >>> from exact import Box, partition
    >>> from exact.sources import tensors
    >>> hat = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1]], [0])])
    >>> result = partition(hat, Box(-1, 3, dim=1))
    >>> result.region_count, str(result.regions[0].affine.offset[0])
    (4, '0')
    """
    problem = Problem.of(network, domain)
    given = Budget() if budget is None else budget
    job = Job(problem, device, given, progress, limit, threads=threads)
    chosen = choose(problem, engine).engine
    _require_room(job, chosen)
    cells = _run(chosen, job)
    view: Callable[..., Partition] = VIEWS[type(cells) if problem.given is None else NormBall]
    return view(problem, chosen.name, cells)


@dataclass(frozen=True)
class Choice:
    """The engine for a problem, the costs of all that can do it (about microseconds a region), and
    why the others cannot.

    >>> from exact import NormBall
    >>> from exact.sources import tensors
    >>> net = tensors.block([[1, 2, 3]], [0], [[1]], [0], norm="layernorm", eps="1/9")
    >>> print(str(choose(Problem.of(net, NormBall()))).splitlines()[0])
    vertices (20 us a region); also: round_layers (1000 us a region)
    """

    engine: Engine
    costs: Mapping[str, float]
    refusals: Mapping[str, Refusal]

    def __repr__(self) -> str:
        return f"<{self.engine.name}; {len(self.costs)} engines can, {len(self.refusals)} refuse>"

    def __str__(self) -> str:
        """The choice on one line, then a line for each engine that refuses."""
        told = {name: f"{name} ({cost:g} us a region)" for name, cost in self.costs.items()}
        chosen = told.pop(self.engine.name)
        also = f"; also: {', '.join(told.values())}" if told else ""
        refused = (f"{name}: {refusal}" for name, refusal in self.refusals.items())
        return "\n".join((f"{chosen}{also}", *refused))


@in_ieee_floats
def choose(problem: Problem, engine: str | None = None) -> Choice:
    """The engine that `partition` takes: the cheapest that can do the problem, or the named one.

    - Curves (GreatCircle, Ellipse, Segment, Ray, Line, a Sphere that is a circle): `circle` for one
      hidden layer behind one norm at most (5 to 72); `nested_roots` for more hidden layers (300),
      behind several norms, on a circle with a radius behind a norm, and on an ellipse where the
      norm reads a centre or a bias, or eps stands beside its root.
    - Box, RealSpace, Plane, HPolytope: the cheapest of `skeleton` (1 to 40, to d = 8; more where
      hinges are few and d is 4 at most), `subdivision` (3^d / 6, to d = 8), for one hidden layer
      `vertices` (2 to 50), and `lp_tree` (45, deeper 85). In more dimensions also `live_tree` where
      every coordinate has bounds (10 beyond d = 16 or where bounds fix half of the first layer,
      else 60 to 90), and `slice` where several hidden layers and the walls have fewer rows than
      dimensions (30). `facet_walk` (450) and `brute_force` come on request only, and so do all of
      these on a line.
    - Ball, NormBall: `vertices` for one hidden layer, `round_layers` (1000) for more.
    - 2-spheres: `small_circles` (1) for one hidden layer, `sphere_subdivision` (300) for more.
    - Spheres of dimension 3 and more: `sphere_flats` (20) for one hidden layer, to dimension 8,
      `sphere_polytopes` (1000) else.

    Raises InvalidInput for a name that is no engine's, Unsupported (with the reasons) where none
    can.

    >>> from exact import Box
    >>> from exact.sources import tensors
    >>> hat = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1]], [0])])
    >>> choice = choose(Problem.of(hat, Box(-1, 3, dim=1)))
    >>> choice.engine.name, choice.costs["subdivision"], choice.costs["lp_tree"]
    ('subdivision', 0.5, 45.0)
    >>> str(choice.refusals["circle"])
    'it enumerates one-dimensional domains, not Box'
    """
    if not isinstance(problem, Problem):
        raise InvalidInput(
            "not a problem",
            value=type(problem).__name__,
            remedy="write choose(Problem.of(network, domain))",
        )
    known = {one.name: one for one in ENGINES}
    if engine is not None and not (isinstance(engine, str) and engine in known):
        raise InvalidInput(
            "no such engine", value=repr(engine), remedy=f"choose one of {', '.join(known)}"
        )
    asked = known if engine is None else {engine: known[engine]}
    answers = {
        name: one.graph_refusal(problem) or one.refusal(problem) for name, one in asked.items()
    }
    refusals = {name: refusal for name, refusal in answers.items() if refusal is not None}
    costs = {name: one.cost(problem) for name, one in asked.items() if name not in refusals}
    best = min(costs, key=costs.__getitem__, default=None)
    if best is not None and (engine is not None or costs[best] < inf):
        return Choice(known[best], costs, refusals)
    told = {name: refusals.get(name, Refusal("only on request")) for name in asked}
    if engine is not None:
        raise Unsupported(
            f"engine {engine} cannot do this job",
            value=f"{problem.domain!r}",
            remedy=f"{engine}: {told[engine]}",
        )
    raise Unsupported(
        "no engine can do this job",
        value=f"{problem.domain!r}",
        remedy=all_refusals(told, type(problem.domain).__name__),
    )


def _require_room(job: Job, engine: Engine) -> None:
    """Refuse what its first hidden layer alone makes too large for the limit or the memory that an
    engine needs for a region; all else is stopped when it is. Raises TooLarge.
    """
    network, domain = job.network, job.domain
    if job.budget.regions is not None or job.budget.seconds is not None:
        return
    if not isinstance(domain, FlatDomain) or isinstance(domain, CurveDomain):
        return
    limit = inf if job.limit is None else job.limit
    if network.has_norm:
        return
    bytes_each = engine.bytes_per_region(job.problem)
    bound = arrangement_bound(engine.first_hinges(job.problem), job.problem.flat.dim)
    if job.budget.bytes is None and bound <= limit and bound * bytes_each <= LITTLE:
        return  # wherever Python runs there is room, without asking
    most_bytes = job.watch.most_bytes
    most = min(most_bytes / bytes_each if bytes_each else inf, limit)
    if bound <= most:
        return  # the flats of the first layer cannot be more
    least = least_regions(network, domain, enough=most)
    if least > most:
        size = readable_count(least * ((network.hinge_count + 7) // 8))
        told = "" if job.limit is None else f", and the limit is {job.limit:,}"
        way = "limit=None" if least > limit else "Budget(bytes=...)"
        raise TooLarge(
            "the job is too large",
            value=f"at least {readable_count(least)} regions ({size} bytes of codes)",
            remedy=f"give {way}, a smaller domain, or a budget of regions or seconds; there is "
            f"room for {readable_bytes(most_bytes)}{told}",
        )


def _run(engine: Engine, job: Job) -> Cells:
    """The cells, and where a budget ended the job, why."""
    try:
        with one_thread():
            is_point = isinstance(job.domain, FlatDomain) and job.problem.flat.dim == 0
            return with_reason(job, point_cells(job) if is_point else engine.run(job))
    finally:
        job.workers.close()
        job.watch.close()
