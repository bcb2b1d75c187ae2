"""`small_circles`: one hidden layer on a 2-sphere, whose hinges are circles on it: all cells, arcs
and vertices, exactly.

LayerNorm in R^4, RMSNorm in R^3, a radius in R^3, and great 2-spheres through three activations in
any dimension. The arrangement is made by :func:`exact.geometry.circles.arrangement.arrange`; it is
proved complete by Euler's relation. Cost: the layer's forms on the sphere in rationals, a product
for every two hinges, and under a microsecond for each cell.
"""

from __future__ import annotations

import numpy as np

from exact.geometry.circles.arrangement import CircleArrangement, arrange_while
from exact.geometry.circles.complex import SphereComplex, SurdPoint
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.propagation.charts import SphereChart, sphere_chart
from exact.propagation.cursor import layer_halfspaces
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal, one_layer_refusal
from exact.regions.spheres.cells import SphereCells
from exact.regions.spheres.engines.sphere_polytopes import two_sphere_refusal


class SmallCircles(Engine):
    """One hidden layer on a 2-sphere, any degeneracy.

    Cells of fewer circles are no cells of the network, so a budget that is used up leaves none:
    seconds are counted until the order along the last circle is known, regions when all are found.
    """

    name = "small_circles"

    def refusal(self, problem: Problem) -> Refusal | None:
        return two_sphere_refusal(problem) or one_layer_refusal(problem.network)

    def cost(self, problem: Problem) -> float:
        return 1.0

    def run(self, job: Job) -> SphereCells:
        chart = sphere_chart(job.network, job.domain)
        made = arrange_while(
            lambda: not job.watch.is_up(), _planes(chart), chart.gram, chart.radius_squared
        )
        room = job.most
        if made is None or (room is not None and made.complex.cell_count > room):
            return _stopped(job, chart, made)
        job.out_of_budget(made.complex.cell_count)
        evidence = _evidence(made.complex, job.network.hinge_count)
        return SphereCells(
            chart,
            made.complex,
            made.root,
            job.network.hinge_count,
            Outcome.COMPLETE,
            evidence,
            made.decisions,
        )


def _planes(chart: SphereChart) -> tuple[Halfspace, ...]:
    cursor = chart.cursor
    if cursor is None:
        return ()
    return layer_halfspaces(cursor, cursor.current.pre_activations(cursor.inner, cursor.one))


def _evidence(made: SphereComplex, hinges: int) -> str:
    whole = int(np.count_nonzero(made.arc_ends[:, 0] < 0))
    return (
        f"{hinges} hinges are {len(made.circles)} circles in {made.components} connected pieces; "
        f"Euler's relation holds: "
        f"{made.vertex_count + whole} vertices - {made.arc_count} arcs + {made.cell_count} cells "
        f"= 1 + {made.components}"
        + (f" ({whole} whole circles with a vertex each)" if whole else "")
    )


def _stopped(job: Job, chart: SphereChart, made: CircleArrangement | None) -> SphereCells:
    """No cells: those of fewer circles would be wrong, and some of all would leave sides of arcs
    unknown.
    """
    if made:
        reason = f"there are {made.complex.cell_count} cells"
    else:
        reason = "the time was up before all circles were in place"
    evidence, hinges = f"stopped early: {reason}", job.network.hinge_count
    nothing = SphereComplex(
        chart.gram,
        chart.radius_squared,
        (),
        Incidence(np.zeros(1, np.int64), np.zeros(0, np.int64)),
        _none(0),
        _none(0, 2),
        _none(0, 2),
        _none(0),
        _none(0),
        _none(0),
        0,
        0,
        0,
        _no_vertex,
        np.zeros((0, 3)),
    )
    return SphereCells(
        chart, nothing, np.zeros(hinges, dtype=bool), hinges, Outcome.BUDGET_REACHED, evidence, {}
    )


def _none(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.zeros(shape, dtype=np.int32)


def _no_vertex(index: int) -> SurdPoint:
    raise IndexError(f"vertex {index} of 0")
