"""`nested_roots`: one-dimensional domains through any number of norms, with every crossing isolated
for certain.

Along an arc on which all earlier bits are fixed, a pre-activation is a polynomial in t and in
nested square roots, one for each norm (see exact.geometry.pencils.nested_functions). Its zeros are
isolated by float64 balls (exact.kernels.nested_roots); what those leave open - double zeros, zeros
of two functions at one point - is decided by real balls of higher precision and then by elimination
of the roots, which for the second norm gives a quartic in t (mathematics.md, "Several norms along a
curve"). A zero of a norm's root splits the curve. Where an eliminant would have too high a degree
the outcome is UNDECIDED, and the cells up to there are returned. Cost: a few small matrix products
for every arc and layer, then exact arithmetic for what is open.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.ball_matrices import BallMatrix
from exact.arithmetic.linear_algebra import independent_rows, rows_of
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, nearest_floats
from exact.errors import EngineDefect, InvalidInput, Undecided
from exact.geometry.budgets import Stopped
from exact.geometry.combinatorics.running_codes import RunningCodes
from exact.geometry.domains.base import Curve, CurveDomain, Domain
from exact.geometry.pencils.ellipses import point_between
from exact.geometry.pencils.isolated_directions import IsolatedDirection, local
from exact.geometry.pencils.nested_functions import Chain, FormRoot, LineRoot, NestedFunction
from exact.geometry.pencils.pencil import Frame, dyadic_direction
from exact.geometry.pencils.positions import CurvePoint
from exact.kernels.nested_roots import roots_are_positive
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.networks.norms import Norm
from exact.propagation.norm_walks import (
    Affine,
    BallState,
    Bend,
    ExactState,
    Normalise,
    Program,
    Remember,
    Stage,
    direction_refusal,
    rank_one,
    stages,
)
from exact.propagation.pencil_charts import begun, pencil_chart
from exact.regions.arcs.cells import CurveCells, Cut
from exact.regions.arcs.engines.nested_arcs import (
    Arc,
    Edge,
    Functions,
    Tally,
    Walk,
    between,
    edge_at,
)
from exact.regions.arcs.refusals import curve_refusal
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal

_ZERO, _ONE = Rational(0), Rational(1)
_MIDDLE = 2.0**100


class NestedRoots(Engine):
    """Exact arcs on one-dimensional domains behind any number of norms."""

    name = "nested_roots"

    def refusal(self, problem: Problem) -> Refusal | None:
        network, domain = problem.network, problem.domain
        reason = curve_refusal(problem)
        if reason is not None and reason.needs:
            return reason
        if not network.hidden_layers:
            return Refusal("the network has no hidden layer")
        if isinstance(domain, CurveDomain) and not domain.curve().is_of_directions:
            return None
        if reason is None and getattr(domain, "radius_squared", None) is None:
            fact = direction_refusal(network)
            reason = None if fact is None else Refusal(fact, advice="give radius_squared=")
        return reason

    def cost(self, problem: Problem) -> float:
        if _leaves_the_middle(problem.network, problem.domain):
            return 5000.0  # its filter says nothing there
        return 80.0 if len(problem.network.hidden_layers) <= 1 else 300.0

    def run(self, job: Job) -> CurveCells:
        chart = pencil_chart(job.network, job.domain)
        curve, frame = chart.curve, chart.frame
        sweep = _Sweep(job.network, curve, job.watch.check)
        arcs, leaves, failure = sweep.quarters(), list[Arc](), None
        while arcs and not job.out_of_budget(len(leaves)):
            arc = arcs.pop()
            if arc.stage == len(sweep.stages):
                leaves.append(arc)
                continue
            known = len(sweep.tally.tangent)
            try:
                arcs.extend(reversed(sweep.refined(arc)))
            except Stopped:
                arcs.append(arc)
                del sweep.tally.tangent[known:]
            except EngineDefect:
                raise
            except Undecided as error:
                arcs.append(arc)
                failure = f"undecided: {error}"
                break
        return _collect(sweep, frame, leaves, len(arcs), failure)


def _leaves_the_middle(network: Network, domain: Domain) -> bool:
    """Whether weights or the domain have numbers whose products may leave the range of float64."""
    radius_squared = getattr(domain, "radius_squared", None)
    sizes = nearest_floats([] if radius_squared is None else [radius_squared])
    own = [domain.curve().balls.mid] if isinstance(domain, CurveDomain) else []
    arrays = [
        array
        for layer in network.hidden_layers
        for array in (layer.weight.float64(), layer.bias.float64())
    ]
    return any(_is_beyond(array) for array in (sizes, *own, *arrays))


def _is_beyond(array: FloatArray) -> bool:
    """Whether some number that is not zero lies outside 2^-100 to 2^100."""
    size = np.abs(array)
    return bool(np.any((size > _MIDDLE) | ((size < 1 / _MIDDLE) & (size > 0))))


# ---- from arc to arcs


class _Sweep:
    """The stages of one network along one curve, and what was settled how.

    `quarter_zeros` lists hinges that vanish where a quarter starts: (hinges before the layer, hinge
    of the layer).
    """

    def __init__(self, network: Network, curve: Curve, check: Callable[[], None]) -> None:
        self.network, self.curve, self.stages, self.tally = (
            network,
            curve,
            stages(network),
            Tally(check=check),
        )
        self.quarter_zeros = dict[int, list[tuple[int, int]]]()
        self._begun = begun(curve)
        state = self._begun[0]
        self._inner = curve.balls if state is curve.state() else BallMatrix.of(state)

    def quarters(self) -> list[Arc]:
        """The whole curve cut at the multiples of a quarter turn of the diamond, the first on top
        of the stack.
        """
        last, t = (3, _ONE) if self.curve.end is None else local(*self.curve.end)
        if t == 0:
            last, t = last - 1, _ONE
        arcs = [self._quarter(k, t if k == last else _ONE) for k in range(last + 1)]
        return arcs[::-1]

    def _quarter(self, quadrant: int, stop: Rational) -> Arc:
        chain, program = Chain(quadrant), Program.start(quadrant)
        state, one, form = self._begun
        if form is not None:
            chain = chain.extended(FormRoot(((form.a, form.b), (form.b, form.c))))
            program = program.with_root(
                BallMatrix.of(RationalArray(2, 2, [form.a, form.b, form.b, form.c]))
            )
        exact = ExactState(chain, state, one)
        start, end = (edge_at(quadrant, t) for t in (_ZERO, stop))
        return Arc(start, end, Walk(BallState.of(exact, program, self._inner), lambda: exact))

    def refined(self, arc: Arc) -> list[Arc]:
        """The parts of an arc behind the next stage, in order."""
        stage, walk = self.stages[arc.stage], arc.walk
        if isinstance(stage, Bend):
            return self._bent(arc, stage)
        if isinstance(stage, Normalise):
            return self._normalised(arc, stage.norm)
        return [arc.behind(_passed(stage, walk))]

    def _bent(self, arc: Arc, stage: Bend) -> list[Arc]:
        """Cut an arc where hinges of a layer vanish."""
        layer, balls = stage.layer, arc.walk.balls.hinges(stage.layer)

        def exact_row(index: int) -> tuple[Rational, ...]:
            state = arc.walk.exact
            neuron, bend = divmod(index, len(layer.activation.breakpoints))
            row = layer.pre_activation(neuron, state.inner, state.one)
            return tuple(
                x - layer.activation.breakpoints[bend] * y
                for x, y in zip(row, state.one, strict=True)
            )

        functions = Functions(arc, balls, exact_row, lambda row: self._name(stage, row))
        inner = functions.zeros(self.tally)
        self.tally.tangent += [
            (edge.place, stage.offset + row) for edge in inner for row in edge.touching
        ]
        if arc.start.is_quarter:
            self.quarter_zeros.setdefault(arc.quadrant, []).extend(
                (stage.offset, row) for row in functions.touched_at_start()
            )
        edges, parts = [arc.start, *inner, arc.end], list[Arc]()
        bits = functions.bits_at(between(edges[0], edges[1]))
        for start, end in itertools.pairwise(edges):
            if start is not arc.start:
                bits = bits.copy()
                bits[list(start.rows)] ^= True
            self.tally.check()
            walk = arc.walk if arc.stage + 1 == len(self.stages) else _bent(arc.walk, layer, bits)
            parts.append(Arc(start, end, walk, arc.stage + 1, (*arc.bits, bits)))
        return parts

    def _name(self, stage: Bend, row: int) -> str:
        hinge = self.network.hinges[stage.offset + row]
        return f"neuron {hinge.neuron} of hidden layer {hinge.layer}"

    def _normalised(self, arc: Arc, norm: Norm) -> list[Arc]:
        """Apply a norm; the arc is cut where its root vanishes."""
        balls = arc.walk.balls
        program = balls.program.with_root(balls.form(norm))
        if roots_are_positive(program.steps, *arc.around):
            return [
                arc.behind(
                    Walk(balls.normalised(norm, program), lambda: _with_root(arc.walk.exact, norm))
                )
            ]
        form = arc.walk.exact.form(norm)
        return [self._with_norm(part, norm, form) for part in self._cut_at_zeros(arc, form, norm)]

    def _with_norm(self, arc: Arc, norm: Norm, form: RationalArray) -> Arc:
        """Apply a norm on an arc inside which its root does not vanish."""
        balls, single = arc.walk.balls, rank_one(form)
        if single is None:
            program = balls.program.with_root(BallMatrix.of(form))
            return arc.behind(
                Walk(balls.normalised(norm, program), lambda: _with_root(arc.walk.exact, norm))
            )
        square, line = single
        if (
            any(line)
            and NestedFunction(arc.walk.exact.chain, line, *arc.inside).sign_at(arc.middle) < 0
        ):
            line = tuple(-x for x in line)
        exact, root = arc.walk.exact, BallMatrix.of(RationalArray(1, 1, [square])).root()
        if exact.outside is None and norm.eps_beside_root == 0:
            state = exact.constant(norm, square, line)
            return arc.behind(
                Walk(BallState.of(state, balls.program.with_constants(root)), lambda: state)
            )
        scaled = BallMatrix.of(RationalArray(1, len(line), list(line))).times(root)
        step = LineRoot(square, line)
        return arc.behind(
            Walk(
                balls.normalised(norm, balls.program.with_line(scaled)),
                lambda: exact.normalised(norm, step),
            )
        )

    def _cut_at_zeros(self, arc: Arc, form: RationalArray, norm: Norm) -> list[Arc]:
        """Cut an arc where a norm's radicand x' F x vanishes: where all rows of F x do, because F
        is semidefinite.
        """
        rows = rows_of(form)
        rows = [rows[i] for i in independent_rows(rows, len(rows))]
        balls = BallMatrix.of(
            RationalArray(len(rows), form.ncols(), [x for row in rows for x in row])
        )
        functions = Functions(
            arc, balls, lambda index: tuple(rows[index]), lambda _: f"the root of {norm!r}"
        )
        free = {index for index in range(len(rows)) if not functions.vanishes(index)}
        if not free and norm.eps != 0:
            return [arc]
        if not free:
            raise InvalidInput(
                "a norm is undefined along a whole arc: P x = 0 and eps = 0",
                value="0 / 0",
                remedy="give the norm a positive eps, or start behind it: network.from_block(k)",
            )
        met = [edge for edge in functions.zeros(self.tally) if {*edge.rows, *edge.touching} == free]
        cuts = [Edge(edge.place, smooth=False, undefined=norm.eps == 0) for edge in met]
        start, end = (self._end(edge, functions, free, norm) for edge in (arc.start, arc.end))
        return [replace(arc, start=a, end=b) for a, b in itertools.pairwise([start, *cuts, end])]

    def _end(self, edge: Edge, functions: Functions, free: set[int], norm: Norm) -> Edge:
        """An end of the arc, marked when the root vanishes there too."""
        if not all(functions.vanishes_at(index, edge.place) for index in free):
            return edge
        return replace(edge, smooth=False, undefined=norm.eps == 0)


def _passed(stage: Stage, walk: Walk) -> Walk:
    """Behind a stage that cuts nothing."""
    if isinstance(stage, Remember):
        return Walk(walk.balls.remember(), lambda: walk.exact.remember())
    if isinstance(stage, Affine):
        layer = stage.layer
        return Walk(
            walk.balls.activated(layer, np.zeros(0, dtype=bool)), lambda: walk.exact.affine(layer)
        )
    return Walk(walk.balls.skipped(), lambda: walk.exact.skipped())


def _bent(walk: Walk, layer: Layer, bits: BitArray) -> Walk:
    return Walk(walk.balls.activated(layer, bits), lambda: walk.exact.bent(layer, bits))


def _with_root(state: ExactState, norm: Norm) -> ExactState:
    return state.normalised(norm, FormRoot(tuple(tuple(row) for row in rows_of(state.form(norm)))))


# ---- cells


def _collect(
    sweep: _Sweep, frame: Frame, leaves: Sequence[Arc], unexplored: int, failure: str | None
) -> CurveCells:
    """Join arcs across edges that change nothing, close the circle, and pack the result."""
    network, tally, is_circle = sweep.network, sweep.tally, sweep.curve.end is None
    bits = [np.concatenate(leaf.bits) if leaf.bits else np.zeros(0, dtype=bool) for leaf in leaves]
    kept = [
        k
        for k in range(len(leaves))
        if k == 0 or leaves[k].start.undefined or bool(np.any(bits[k] != bits[k - 1]))
    ]
    starts = [
        leaves[k].start if k or is_circle else replace(leaves[k].start, undefined=False)
        for k in kept
    ]
    cells = np.array([bits[k] for k in kept], dtype=bool).reshape(len(kept), network.hinge_count)
    spots = [leaves[k] for k in kept]
    closed = is_circle and not unexplored
    if closed and not starts[0].undefined and (len(kept) == 1 or not np.any(cells[0] != cells[-1])):
        starts = starts[1:]
        cells, spots = (cells[1:], spots[1:]) if len(kept) > 1 else (cells, spots)
    edges = (
        starts
        if closed
        else [
            *starts,
            *(
                replace(leaf.end, undefined=leaf.end.undefined and unexplored > 0)
                for leaf in leaves[-1:]
            ),
        ]
    )
    evidence = (
        f"every zero of every pre-activation is isolated and in order: {tally.filtered} by the "
        f"float64 filter, "
        f"{tally.exact} functions by real balls and elimination"
    )
    outcome = (
        Outcome.UNDECIDED if failure else Outcome.BUDGET_REACHED if unexplored else Outcome.COMPLETE
    )
    return CurveCells(
        sweep.curve,
        frame,
        tuple(_cut(edge) for edge in edges),
        RunningCodes.of_bits(cells, closed=closed),
        [_witness(sweep.curve, arc) for arc in spots],
        tuple(
            (_direction(place), hinge)
            for place, hinge in [*tally.tangent, *_touched_quarters(sweep, leaves, bits, closed)]
        ),
        outcome,
        failure or (f"stopped early: {unexplored} arcs unexplored" if unexplored else evidence),
        {"filter": tally.filtered, "exact": tally.exact},
        closed=closed,
    )


def _witness(curve: Curve, arc: Arc) -> tuple[Rational, Rational]:
    """A rational direction inside an arc, on an ellipse one with a rational point."""
    if curve.centre is None:
        return dyadic_direction(arc.quadrant + arc.middle)
    low, high = arc.inside
    return point_between(arc.quadrant + low, arc.quadrant + high, curve.cosine)


def _touched_quarters(
    sweep: _Sweep, leaves: Sequence[Arc], bits: list[BitArray], closed: bool
) -> list[tuple[IsolatedDirection, int]]:
    """Hinges that touch zero just where two quarters meet: they vanish there, and no bit of theirs
    or before them changes.
    """
    found = []
    for k, leaf in enumerate(leaves):
        if leaf.start.is_quarter and (k or closed):
            for offset, row in sweep.quarter_zeros.get(leaf.quadrant, []):
                same = bits[k] == bits[k - 1]
                if np.all(same[:offset]) and same[offset + row]:
                    found.append((leaf.start.place, offset + row))
    return found


def _cut(edge: Edge) -> Cut:
    return Cut(lambda: _direction(edge.place), edge.place.near, edge.undefined)


def _direction(place: IsolatedDirection) -> CurvePoint:
    """The point as an exact direction, with coordinates in a quadratic field where it is seen to
    have them.
    """
    return place.quadratic() or place
