"""Which neurons are on everywhere, nowhere, or both on a domain, with proof.

A hinge is `always` on where z >= 0 on the whole domain without being zero on all of it (so it is on
but for a border that it touches), `never` where z <= 0: that is what the codes of open regions say.
In the first layer the range of z over a sphere, ball, box, or hull of points has a closed form, and
over a polyhedron two linear programmes with exact certificates decide. Deeper, intervals are
carried through the layers; a point of each side shows `sometimes`; then all regions are listed
where they are few. What is left is undecided, and says its interval.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, U
from exact.arithmetic.linear_algebra import dot, matrix, solve
from exact.arithmetic.nearest import nearest_root
from exact.arithmetic.numbers import FloatArray, Rational, nearest_float, nearest_floats
from exact.arithmetic.stored_numbers import is_array
from exact.errors import InvalidInput, TooLarge, Unsupported, certain
from exact.geometry.domains.base import Domain, FlatDomain
from exact.geometry.domains.flat import Ball, Box, RealSpace
from exact.geometry.domains.round import NormBall, Sphere
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.programmes.lp import Interior, strict_feasibility
from exact.instruments.batches.hinges.hinge_rows import ExactHinge, HingeRows
from exact.instruments.batches.neurons.status_behind_norms import (
    bounds_behind_norm,
    points_of_box,
    signs_at,
)
from exact.instruments.batches.neurons.statuses import NeuronStatus, Status
from exact.instruments.batches.points import Rows, read_rows
from exact.networks.activations import Activation
from exact.networks.graphs.steps import Sum, walk
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.networks.norms import Norm
from exact.partition import partition
from exact.propagation.enclosures import PointWalk, stages
from exact.regions.cells import Outcome

_ZERO = Rational(0)
_WIDER = 8  # units of roundoff that an interval of closed form is widened by
Interval = tuple[FloatArray, FloatArray]


@in_ieee_floats
def neuron_status(network: Network, domain: Any, limit: int = 10_000) -> NeuronStatus:
    """The status of every hinge on a domain: Sphere or NormBall behind the norm, Sphere(r^2), Ball,
    Box, a polyhedron, or the convex hull of the rows of an array.

    Deeper layers that bounds and points leave open are decided by listing at most `limit` regions;
    hulls of points have no such list. In front of a norm boxes and hulls have bounds with proof and
    points that show both signs: what neither settles is undecided, with its interval
    (:mod:`exact.instruments.batches.neurons.status_behind_norms`); other domains are Unsupported
    there. What data shows beside it: `.with_data(X)`.

    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1], [1], [1]], [0, 2, -2]), ([[1, 1, -4]], [1]), ([[1]], [0])])
    >>> found = neuron_status(net, Box(-1, 1, dim=1))
    >>> found, found.proved_by[-1]
    (<1 never, 1 sometimes, 2 always, 0 undecided>, 'bounds')
    """
    rows = HingeRows.of(network, "neuron_status")
    shown = domain if isinstance(domain, Domain) else "the hull of points"
    behind = rows.norm is not None and (isinstance(domain, Box) or not isinstance(domain, Domain))
    reach = None if behind else _reader(rows, domain)
    if reach is None and not behind:
        raise Unsupported(
            "neurons have no status here on this domain",
            value=shown,
            remedy="give Sphere(), NormBall(), Box or an array of points behind a norm, else "
            "Sphere(r^2), Ball, Box, HPolytope or an array of points",
        )
    search = _Search(network, rows, domain)
    if reach is None:
        search.behind_norm()
    else:
        search.first_layer(reach)
        search.deeper(limit)
    return search.result()


# ---- the first layer


Reach = Callable[[int], tuple[Status, float, float]]


def _reader(rows: HingeRows, domain: Any) -> Reach | None:
    """What answers for hinge j: its status, and bounds of z - bend."""
    if rows.norm is not None:
        return _on_norm(rows) if isinstance(domain, Sphere | NormBall) else None
    if isinstance(domain, Domain):
        domain.check(rows.dim)
    if isinstance(domain, Sphere) and domain.radius_squared is not None:
        ball = Ball([0] * rows.dim, domain.radius_squared)
        return lambda j: _around(rows.exact(j), ball)
    if isinstance(domain, Ball):
        return lambda j: _around(rows.exact(j), domain)
    if isinstance(domain, Box):
        return lambda j: _in_box(rows.exact(j), domain)
    if isinstance(domain, FlatDomain):
        return lambda j: _in_polyhedron(rows.exact(j), domain)
    return None if isinstance(domain, Domain) else _in_hull(rows, domain)


def _status(low: Rational, high: Rational) -> Status:
    """From the ends of a range that is attained, or approached inside an open domain."""
    if high <= 0:
        return Status.NEVER
    return Status.ALWAYS if low >= 0 else Status.SOMETIMES


def _outwards(low: float, high: float) -> tuple[float, float]:
    wide = _WIDER * U
    return low - wide * abs(low) - LEAST_ROOT, high + wide * abs(high) + LEAST_ROOT


def _on_norm(rows: HingeRows) -> Reach:
    signs, unit = rows.signs, rows.floats("cpu")
    n, c = rows.dim, unit.offsets.numpy()
    wide = (unit.lengths * (1 + unit.relative.nan_to_num(nan=1.0)) * n**0.5).numpy() * 1.01
    error = unit.offset_errors.numpy() + _WIDER * U * (np.abs(c) + wide)
    low, high = c - wide - error, c + wide + error
    return lambda j: (Status(int(signs[j])), float(low[j]), float(high[j]))


def _around(hinge: ExactHinge, ball: Ball) -> tuple[Status, float, float]:
    height, square = dot(hinge.normal, ball.centre) + hinge.offset, hinge.square
    if ball.directions is not None:
        gram = matrix([[dot(a, b) for b in ball.directions] for a in ball.directions], 0)
        along = [dot(hinge.normal, d) for d in ball.directions]
        square = dot(along, certain(solve(gram, along), "directions are independent"))
    reach = ball.radius_squared * square
    middle, root = nearest_float(height), nearest_root(reach)
    wide = 4 * U * (abs(middle) + root)
    if height * height >= reach:
        found = Status.ALWAYS if height > 0 else Status.NEVER
    else:
        found = Status.SOMETIMES
    return found, *_outwards(middle - root - wide, middle + root + wide)


def _in_box(hinge: ExactHinge, box: Box) -> tuple[Status, float, float]:
    ends = [sorted((w * a, w * b)) for w, a, b in zip(hinge.normal, box.lo, box.hi, strict=True)]
    low = sum((a for a, _ in ends), hinge.offset)
    high = sum((b for _, b in ends), hinge.offset)
    return _status(low, high), *_outwards(nearest_float(low), nearest_float(high))


def _in_polyhedron(hinge: ExactHinge, domain: FlatDomain) -> tuple[Status, float, float]:
    """Whether points of the open polyhedron, in its own parameters, lie on each side."""
    flat = domain.flat()
    if domain.empty is not None or not domain.is_polyhedral:
        raise Unsupported(
            "neurons have no status on this domain", value=domain, remedy="give one with points"
        )
    normal = [dot(hinge.normal, direction) for direction in flat.directions]
    offset = dot(hinge.normal, flat.origin) + hinge.offset
    if not any(normal):
        found = Status.ALWAYS if offset > 0 else Status.NEVER
        return found, *_outwards(nearest_float(offset), nearest_float(offset))
    sides = [
        strict_feasibility(
            [*flat.walls, Halfspace.of([s * x for x in (*normal, offset)])], flat.dim
        )
        for s in (Rational(1), Rational(-1))
    ]
    on, off = (isinstance(side, Interior) for side in sides)
    found = Status.SOMETIMES if on and off else Status.ALWAYS if on else Status.NEVER
    return found, 0.0 if not off else -np.inf, 0.0 if not on else np.inf


def _hull(rows: HingeRows, points: Any) -> Rows:
    if not is_array(points) and not isinstance(points, list | tuple):
        raise InvalidInput(
            "neither a domain nor points",
            value=repr(points)[:60],
            remedy="give Sphere(), NormBall(), Box, ... or an array with a point a row",
        )
    hull = read_rows(points, rows.dim)
    if len(hull) == 0:
        raise InvalidInput("a hull of no points", value=0, remedy="give at least one row")
    return hull


def _in_hull(rows: HingeRows, points: Any) -> Reach:
    """Over the vertices: floats find the ends, and exact values of those near them decide."""
    hull = _hull(rows, points)
    floats = hull.matrix.float64()
    sizes = np.linalg.norm(floats, axis=1).max() * (1 + 8 * U * rows.dim) + LEAST_ROOT

    def reach(j: int) -> tuple[Status, float, float]:
        hinge = rows.exact(j)
        normal, offset = nearest_floats(hinge.normal), nearest_float(hinge.offset)
        z = floats @ normal + offset
        error = (np.linalg.norm(normal) * sizes + abs(offset)) * (rows.dim + 8) * 2 * U
        ends = list[Rational]()
        for values in (z, -z):
            near = np.flatnonzero(~(values > values.min() + 2 * error)).tolist()  # all, of a NaN
            exact = [dot(hinge.normal, hull.exact(i)) + hinge.offset for i in near]
            ends.append(min(exact) if values is z else max(exact))
        low, high = ends
        return _status(low, high), *_outwards(nearest_float(low), nearest_float(high))

    return reach


# ---- deeper layers


class _Search:
    """What is known of all hinges so far."""

    def __init__(self, network: Network, rows: HingeRows, domain: Any) -> None:
        self.network, self.rows, self.domain = network, rows, domain
        count = network.hinge_count
        self.status = np.full(count, Status.UNDECIDED, dtype=np.int8)
        self.low, self.high = np.full(count, -np.inf), np.full(count, np.inf)
        self.proof = [""] * count

    def first_layer(self, reach: Reach) -> None:
        for j in range(len(self.rows.hinges)):
            found, self.low[j], self.high[j] = reach(j)
            self.status[j], self.proof[j] = found, "closed form"

    def behind_norm(self) -> None:
        """A box or a hull in front of a norm: by constants, bounds and points."""
        is_box = isinstance(self.domain, Box)
        if is_box:
            self.domain.check(self.rows.dim)
        points = (
            points_of_box(self.rows, self.domain)
            if is_box
            else _hull(self.rows, self.domain).matrix
        )
        signs = self.rows.signs
        count = len(signs)
        bounds = bounds_behind_norm(self.rows, self.domain if is_box else points)
        self.low[:count], self.high[:count] = bounds
        for sign, status in ((1, Status.ALWAYS), (-1, Status.NEVER)):
            constant = np.zeros(len(self.status), dtype=bool)
            constant[:count] = signs == sign
            self._settle(constant, status, "closed form")
        self._by_intervals()
        if (self.status == Status.UNDECIDED).any():
            above, below = signs_at(self.network, points)
            self._settle(above & below, Status.SOMETIMES, "points")

    def deeper(self, limit: int) -> None:
        if len(self.network.hidden_layers) > 1:
            self._by_intervals()
        if (self.status == Status.UNDECIDED).any():
            if isinstance(self.domain, Domain):
                self._by_regions(limit)
            else:
                self._by_points()

    def _by_intervals(self) -> None:
        walker = _IntervalWalk(self)
        walk(self.network.steps_to_last_hinge, self._inputs(), walker.apply)
        self._settle(self.high <= 0, Status.NEVER, "bounds")
        self._settle(self.low > 0, Status.ALWAYS, "bounds")

    def _settle(self, where: Any, status: Status, proof: str) -> None:
        for j in np.flatnonzero(where & (self.status == Status.UNDECIDED)).tolist():
            self.status[j], self.proof[j] = status, proof

    def _inputs(self) -> Interval:
        """Bounds of each input coordinate: known in boxes and hulls, and around balls."""
        n, domain = self.network.input_dim, self.domain
        if self.rows.norm is None and isinstance(domain, Box):
            return nearest_floats(domain.lo) - LEAST_ROOT, nearest_floats(domain.hi) + LEAST_ROOT
        if self.rows.norm is None and not isinstance(domain, Domain):
            points = read_rows(domain, n).matrix.float64()
            return points.min(axis=0) - LEAST_ROOT, points.max(axis=0) + LEAST_ROOT
        return np.full(n, -np.inf), np.full(n, np.inf)

    def _by_points(self) -> None:
        """Points of a hull at which z is certain to be positive, and negative."""
        hull = read_rows(self.domain, self.rows.dim).matrix
        flat = RealSpace(self.rows.dim).flat()
        if hull.is_float and all(x.activation.is_piecewise_linear for x in self.network.layers):
            signs = PointWalk(stages(self.network, flat), "cpu").all_signs(np.array(hull.float64()))
            both = (signs == 1).any(axis=0) & (signs == -1).any(axis=0)
            self._settle(both, Status.SOMETIMES, "points")

    def _by_regions(self, limit: int) -> None:
        try:
            found = partition(self.network, self.domain, limit=limit)
        except (TooLarge, Unsupported):
            return  # the hinges stay undecided, with their intervals
        if found.outcome is Outcome.COMPLETE:
            bits = found.bits
            self._settle(bits.all(axis=0), Status.ALWAYS, "regions")
            self._settle(~bits.any(axis=0), Status.NEVER, "regions")
            self._settle(np.ones(bits.shape[1], dtype=bool), Status.SOMETIMES, "regions")

    def result(self) -> NeuronStatus:
        return NeuronStatus(self.network, self.status, self.low, self.high, tuple(self.proof))


class _IntervalWalk:
    """Carries intervals through the layers in float64, rounded outwards."""

    def __init__(self, search: _Search) -> None:
        self._search, self._used = search, 0

    def apply(self, does: Any, *values: Interval) -> Interval:
        if isinstance(does, Sum):
            low, high = (does.total(x) for x in zip(*values, strict=True))
            return _rounded(low, high, sum(np.abs(a) + np.abs(b) for a, b in values), len(values))
        if isinstance(does, Norm):
            gain = np.abs(does.gain.float64()[:, 0]) * does.dim**0.5
            bias = does.bias.float64()[:, 0]
            return _rounded(bias - gain, bias + gain, gain + np.abs(bias), 8)
        low, high = self._affine(does, *values[0])
        if does.bits:
            low, high = self._record(does, low, high)
        return _activated(does.activation, low, high)

    def _affine(self, layer: Layer, low: FloatArray, high: FloatArray) -> Interval:
        weight, bias = layer.weight.float64(), layer.bias.float64()[:, 0]
        up, down = np.maximum(weight, 0), np.minimum(weight, 0)
        first = _times(up, low) + _times(down, high) + bias
        last = _times(up, high) + _times(down, low) + bias
        size = _times(np.abs(weight), np.maximum(np.abs(low), np.abs(high))) + np.abs(bias)
        return _rounded(first, last, size, layer.input_dim + 8)

    def _record(self, layer: Layer, low: FloatArray, high: FloatArray) -> Interval:
        """Note the intervals of a hidden layer; of the first one those in closed form are used."""
        bends = nearest_floats(layer.activation.breakpoints)
        place = slice(self._used, self._used + layer.bits)
        self._used += layer.bits
        kept = self._search
        shape = (layer.width, len(bends))
        if place.start == 0:
            least = (kept.low[place].reshape(shape) + bends).max(axis=1)
            most = (kept.high[place].reshape(shape) + bends).min(axis=1)
            low, high = np.maximum(low, least), np.minimum(high, most)
            return _rounded(low, high, np.abs(low) + np.abs(high), 4)
        first, last = low[:, None] - bends, high[:, None] - bends
        first, last = _rounded(first, last, np.abs(first) + np.abs(last) + np.abs(bends), 4)
        kept.low[place], kept.high[place] = first.ravel(), last.ravel()
        return low, high


def _times(weight: FloatArray, values: FloatArray) -> FloatArray:
    """A product in which zero times infinity is zero."""
    finite = np.isfinite(values)
    found = weight @ np.where(finite, values, 0.0)
    if not finite.all():
        endless = np.where(finite, 0.0, values)
        with np.errstate(invalid="ignore"):
            parts = np.where(weight == 0, 0.0, weight * endless)
        found = found + parts.sum(axis=1)
    return np.asarray(found)


def _rounded(low: FloatArray, high: FloatArray, size: Any, steps: int) -> Interval:
    """Outwards by the rounding of `steps` operations on numbers of that size."""
    wide = np.nan_to_num(2 * steps * U * size, nan=np.inf) + LEAST_ROOT
    with np.errstate(invalid="ignore"):
        first, last = low - wide, high + wide
    return np.nan_to_num(first, nan=-np.inf, neginf=-np.inf), np.nan_to_num(
        last, nan=np.inf, posinf=np.inf
    )


def _activated(activation: Activation, low: FloatArray, high: FloatArray) -> Interval:
    """The range of an activation on intervals: between bends it is affine; nothing is known of
    smooth ones.
    """
    if not activation.is_piecewise_linear or not activation.is_continuous:
        return np.full_like(low, -np.inf), np.full_like(high, np.inf)
    pieces, bends = activation.pieces, nearest_floats(activation.breakpoints).tolist()
    edges = [-np.inf, *bends, np.inf]
    least, most = np.full_like(low, np.inf), np.full_like(high, -np.inf)
    for (slope, shift), start, end in zip(pieces, edges[:-1], edges[1:], strict=True):
        a, b = nearest_float(slope), nearest_float(shift)
        inside = (low <= end) & (high >= start)
        for x in (np.clip(low, start, end), np.clip(high, start, end)):
            with np.errstate(invalid="ignore"):
                value = (a * x if a else 0.0 * np.sign(x)) + b
            least = np.where(inside, np.fmin(least, value), least)
            most = np.where(inside, np.fmax(most, value), most)
    size = np.abs(least) + np.abs(most)
    if activation.pieces[0][0] == 0 and all(s >= 0 for s, _ in pieces):
        # rounding outwards never goes below a floor that is exact, such as that of ReLU
        floor = nearest_float(pieces[0][1])
        first, last = _rounded(least, most, size, 8)
        return np.maximum(first, floor) if floor == 0 else first, last
    return _rounded(least, most, size, 8)
