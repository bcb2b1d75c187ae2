"""`circle`: every one-dimensional domain, exactly - circles behind a norm or of a given radius,
straight lines, and ellipses, behind a norm around the origin.

Along a pencil every pre-activation is `p alpha + q beta + c N` (see curves). In each layer the
zeros are isolated and put in order (see isolation): proposed in float64, proved by opposite signs
around each, and where floats abstain - tangencies, zeros that coincide or nearly do - settled by
comparing quadratic surds. A function has at most two zeros, so none is missing. Deeper layers
repeat this inside every arc, where they are again functions of this shape. One norm may stand
anywhere; a zero of its root splits the curve. Cost: one matrix product and a sort for the first
layer, then the same per arc; zeros stay arrays until they are asked for (10^5 neurons on a circle:
0.4 s).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.linear_algebra import matrix, rows_of
from exact.arithmetic.numbers import Rational, RationalArray
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput
from exact.geometry.budgets import Stopped
from exact.geometry.combinatorics.running_codes import RunningCodes
from exact.geometry.domains.base import Curve, CurveDomain
from exact.geometry.domains.round import Ellipse, GreatCircle, Sphere
from exact.geometry.pencils.pencil import CIRCLE, Direction, Form, Frame
from exact.networks.layers import norms_in
from exact.networks.network import Network
from exact.networks.norms import Norm
from exact.propagation.chart import carried
from exact.propagation.cursor import Cursor, advance, begin, pass_norm
from exact.propagation.pencil_charts import begun, pencil_chart, two_columns
from exact.regions.arcs.cells import CurveCells
from exact.regions.arcs.engines.curve_cells import Run, collected
from exact.regions.arcs.engines.edges import Edge, Tally, between, edge_at, seam_edge, sorted_edges
from exact.regions.arcs.engines.isolation import Isolated, LayerFunctions, isolate
from exact.regions.arcs.refusals import curve_refusal
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal, in_front_refusal, one_norm_refusal

_ZERO, _ONE = Rational(0), Rational(1)
_FULL_TURN = Rational(4)


@short_repr
@dataclass(frozen=True)
class Arc:
    """An open arc between two edges, the network's state on it (None without a hidden layer), the
    code so far.
    """

    start: Edge
    end: Edge
    cursor: Cursor | None
    form: Form
    bits: tuple[BitArray, ...] = ()


class Circle(Engine):
    """Exact arcs on one-dimensional domains."""

    name = "circle"

    def refusal(self, problem: Problem) -> Refusal | None:
        network, domain = problem.network, problem.domain
        radius = getattr(domain, "radius_squared", None)
        if isinstance(domain, Sphere | GreatCircle) and radius is not None and network.has_norm:
            return Refusal(
                "behind a norm it knows circles of directions only, and this one has a radius"
            )
        reason = curve_refusal(problem)
        if (
            isinstance(domain, Sphere)
            and network.blocks[0].norm is not None
            and problem.sphere_dim == 0
        ):
            reason = None  # two points
        elif isinstance(domain, CurveDomain) and domain.curve().one is None and network.has_norm:
            reason = in_front_refusal(network, "circle")
        if isinstance(domain, Ellipse):
            reason = _ellipse_refusal(network, domain)
        return reason or one_norm_refusal(network, so="and it can do one")

    def cost(self, problem: Problem) -> float:
        if len(problem.network.hidden_layers) > 1:
            return 3000.0  # behind the first layer, a filter for every arc
        # one filter, which costs 4 ms to start
        return 5.0 + 4000.0 / max(60, problem.network.hinge_count)

    def run(self, job: Job) -> CurveCells:
        if job.problem.sphere_dim == 0:
            return _two_points(job.network)
        chart, tally = pencil_chart(job.network, job.domain), Tally(check=job.watch.check)
        curve, frame = chart.curve, chart.frame
        arcs, runs, found = [whole_curve(job.network, curve)], list[Run](), 0
        while arcs and not job.out_of_budget(found):
            arc, known = arcs.pop(), len(tally.tangent)
            try:
                if arc.cursor is None or (arc.cursor.norm is None and arc.cursor.is_last_hidden):
                    runs.append(_last_run(arc, tally, job.device))
                    found += len(runs[-1])
                else:
                    arcs.extend(reversed(_refine(arc, arc.cursor, tally, job.device)))
            except Stopped:
                arcs.append(arc)
                del tally.tangent[known:]
        excess = found - (found if job.most is None else job.most)
        if excess > 0:
            runs[-1] = runs[-1].up_to(len(runs[-1]) - excess)
        return collected(job.network, curve, frame, runs, tally, len(arcs) + max(0, excess))


def whole_curve(network: Network, curve: Curve) -> Arc:
    """The whole curve as one arc; a circle is cut open at (1, 0), and closed again when cells are
    collected.
    """
    start, end = seam_edge(_ZERO), seam_edge(_FULL_TURN)
    if curve.end is not None:
        start, end = replace(start, seam=False), edge_at(*curve.end, undefined=False)
    state, one, form = begun(curve)
    return Arc(start, end, begin(network, state, one), CIRCLE if form is None else form)


def _ellipse_refusal(network: Network, domain: Ellipse) -> Refusal | None:
    """Why behind a norm hinges are not `p cos t + q sin t + c N` with the root N of a form in cos t
    and sin t: P x has a constant part, or eps beside the root stands for a second one.
    """
    if not norms_in(network.steps_to_last_hinge):
        return None
    so, norm = "and it knows one root, of a form in cos t and sin t", network.norms[0]
    centre = matrix([[x] for x in domain.centre], 1)
    if in_front_refusal(network, "ellipse") is not None or any(
        x != 0 for x in norm.project(carried(network, centre)).entries()
    ):
        return Refusal("the norm reads more than multiples of cos t and sin t", so)
    if norm.eps_beside_root != 0:
        return Refusal("eps stands beside the root of the norm", so)
    return None


def only_arc(network: Network, curve: Curve) -> Arc:
    """A circle of directions as one arc in front of the first hidden layer, behind the norm if
    there is one.
    """
    arc = whole_curve(network, curve)
    if arc.cursor is not None and arc.cursor.norm is not None:
        (arc,) = _apply_norm(arc, arc.cursor, arc.cursor.norm, Tally())
    return arc


def _refine(arc: Arc, cursor: Cursor, tally: Tally, device: str) -> list[Arc]:
    """Apply the next norm, or cut the arc by a hidden layer in front of others; the parts come in
    order.
    """
    if cursor.norm is not None:
        return _apply_norm(arc, cursor, cursor.norm, tally)
    zeros, bits = _cut(arc, cursor, tally, device)
    edges = [arc.start, *zeros, arc.end]
    z, parts = cursor.current.pre_activations(cursor.inner, cursor.one), []
    for start, end in itertools.pairwise(edges):
        if start is not arc.start:
            bits = bits.copy()
            bits[list(start.rows)] ^= True
        tally.check()
        following = advance(cursor, z, [bool(b) for b in bits])
        parts.append(replace(arc, start=start, end=end, cursor=following, bits=(*arc.bits, bits)))
    return parts


def _cut(arc: Arc, cursor: Cursor, tally: Tally, device: str) -> tuple[Isolated, BitArray]:
    """The zeros of the hidden layer in front of the cursor, and its bits on the first part of the
    arc.
    """
    functions = layer_functions(cursor, device)
    zeros, balls = isolate(functions, arc.form, arc.start, arc.end, tally)
    first = between(arc.start, zeros[0] if zeros else arc.end)
    return zeros, functions.bits_at(first, arc.form, balls)


def layer_functions(cursor: Cursor, device: str) -> LayerFunctions:
    """The hinges of the hidden layer in front of the cursor."""
    offset = sum(cursor.network.bits_per_layer[: cursor.hidden])
    return LayerFunctions(cursor.current, cursor.inner, cursor.one, device, offset)


def _last_run(arc: Arc, tally: Tally, device: str) -> Run:
    """An arc cut by the last hidden layer; one cell where there is none."""
    if arc.cursor is None:
        return Run(arc.start, arc.end, None, np.zeros(0, dtype=bool), 0)
    zeros, bits = _cut(arc, arc.cursor, tally, device)
    return Run(arc.start, arc.end, zeros, np.concatenate([*arc.bits, bits]), zeros.functions.offset)


def _apply_norm(arc: Arc, cursor: Cursor, norm: Norm, tally: Tally) -> list[Arc]:
    """The norm's value over (alpha, beta, N); the arc is cut where the norm's root N is zero."""
    centred = norm.project(cursor.inner)
    e, d = norm.eps_under_root, norm.eps_beside_root
    one, square = cursor.one, _square_of_one(cursor, arc.form)
    gram = Form.gram(*two_columns(centred), Rational(norm.dim))
    form = Form(gram.a + e * square.a, gram.b + e * square.b, gram.c + e * square.c)
    if form == Form(_ZERO, _ZERO, _ZERO) and norm.eps == 0:
        raise InvalidInput(
            "the norm is undefined along a whole arc: P x = 0 and eps = 0",
            value="0 / 0",
            remedy="give a curve that the norm's projection does not collapse to a point",
        )
    shift = (d * one[0], d * one[1])
    inner = [
        (g * x + b * shift[0], g * y + b * shift[1], b)
        for (x, y, *_), g, b in zip(
            rows_of(centred), norm.gain.column(), norm.bias.column(), strict=True
        )
    ]
    state = RationalArray(norm.dim, 3, [x for row in inner for x in row])
    following = pass_norm(cursor, state, (*shift, _ONE))
    kernel = form.kernel
    ends = [] if kernel is None or form.a == form.c == 0 else [kernel, (-kernel[0], -kernel[1])]
    cuts = sorted_edges(
        [edge_at(*end, undefined=norm.eps == 0) for end in ends], arc.start, arc.end, tally
    )
    edges = [_without_norm(arc.start, ends) if norm.eps == 0 else arc.start, *cuts, arc.end]
    return [
        replace(arc, start=a, end=b, cursor=following, form=form)
        for a, b in itertools.pairwise(edges)
    ]


def _square_of_one(cursor: Cursor, root: Form) -> Form:
    """The square of the constant 1, which on an ellipse is the root N itself."""
    (p, q, *c) = cursor.one
    return root if c else Form(p * p, p * q, q * q)


def _without_norm(start: Edge, ends: Sequence[tuple[Rational, Rational]]) -> Edge:
    """The crossing where an arc starts, marked where the root of the norm is zero just there."""
    at = start.find()
    if any(at.compare(Direction.rational(*end)) == 0 for end in ends):
        return replace(start, undefined=True)
    return start


def _two_points(network: Network) -> CurveCells:
    """The sphere of dimension 0 behind a norm: two opposite points, each a cell of its own."""
    norm = network.norms[0]
    u = norm.sphere_basis()[0]
    curve = Curve(tuple(u), (_ZERO,) * norm.dim, None)
    frame = Frame(Form.gram(curve.u, curve.v, _ONE), Rational(norm.dim))
    limit = Network(
        tuple(replace(b, norm=replace(b.norm, eps=_ZERO)) if b.norm else b for b in network.blocks)
    )
    signs = (_ONE, -_ONE)
    codes = RunningCodes.of_bits(
        np.stack([limit.code([s * x for x in u]).bits for s in signs]), closed=False
    )
    return CurveCells(
        curve,
        frame,
        (),
        codes,
        [(s, _ZERO) for s in signs],
        (),
        Outcome.COMPLETE,
        "the sphere has two points, and both were evaluated exactly",
        {},
        closed=False,
    )
