"""Laws of ellipses: against zeros that floats find, the great circle where it is one, lengths by
quadrature, and where a norm is undefined or a hinge is only touched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import sympy

from exact import (
    Block,
    Ellipse,
    GreatCircle,
    InvalidInput,
    Layer,
    LayerNorm,
    Network,
    Outcome,
    ReLU,
    RMSNorm,
    Unsupported,
    partition,
)
from exact.arithmetic.numbers import Rational
from exact.check import Status
from exact.propagation.chart import chart
from exact.regions.arcs.partition import CurvePartition
from exact.regions.engine import Problem
from exact.sources import tensors
from tests.truths import engines

TAU = 2 * math.pi


# ---- networks as plain numbers


class Norm(NamedTuple):
    """`gain * P x / (root + beside) + bias`; P subtracts the mean, or nothing."""

    centres: bool
    under: float
    beside: float
    gain: Sequence[int]
    bias: Sequence[int]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        p = x - x.mean(axis=1, keepdims=True) if self.centres else x
        root = np.sqrt((p * p).mean(axis=1, keepdims=True) + self.under)
        return p / (root + self.beside) * np.array(self.gain) + np.array(self.bias)


class Dense(NamedTuple):
    """`weight x + bias`, behind it a ReLU where it bends."""

    weight: Any
    bias: Sequence[int]
    bends: bool = True


Step = Norm | Dense


def hinges(steps: Sequence[Step], x: np.ndarray) -> np.ndarray:
    """The pre-activations in front of every ReLU, (points, hinges)."""
    found = list[np.ndarray]()
    for step in steps:
        if isinstance(step, Norm):
            x = step(x)
            continue
        x = x @ np.array(step.weight).T + np.array(step.bias)
        if step.bends:
            found.append(x)
            x = np.maximum(x, 0.0)
    return np.concatenate(found, axis=1)


def network(steps: Sequence[Step]) -> Network:
    """The same for Exactlens: a block begins at every norm."""
    blocks, norm, layers = list[Block](), None, list[Layer]()
    for step in [*steps, None]:
        if not isinstance(step, Dense) and layers:
            blocks.append(Block(tuple(layers), norm=norm))
            norm, layers = None, []
        if isinstance(step, Norm):
            kind = LayerNorm if step.centres else RMSNorm
            rule = "std" if step.beside else "var"
            norm = kind.of(step.under or step.beside, step.gain, step.bias, eps_rule=rule)
        elif step is not None:
            layers.append(Layer.of(step.weight, step.bias, ReLU() if step.bends else None))
    return Network(tuple(blocks))


def on(domain: Ellipse, angles: Any) -> np.ndarray:
    """Points at angles, (points, n)."""
    u, v, centre = (
        np.array([float(x.p) / float(x.q) for x in w]) for w in (domain.u, domain.v, domain.centre)
    )
    turn = math.acos(float(domain.cosine.p) / float(domain.cosine.q))
    t = np.asarray(angles, dtype=np.float64)[:, None]
    return np.asarray(centre + (np.sin(turn - t) * u + np.sin(t) * v) / math.sin(turn))


def zeros(steps: Sequence[Step], domain: Ellipse) -> list[tuple[float, int]]:
    """(angle, hinge) of every sign change that samples see, halved until floats end."""
    grid = np.linspace(0, TAU, 4001)
    positive = hinges(steps, on(domain, grid)) > 0
    found = list[tuple[float, int]]()
    for k, j in np.argwhere(positive[1:] != positive[:-1]).tolist():
        low, high = float(grid[k]), float(grid[k + 1])
        for _ in range(60):
            middle = (low + high) / 2
            same = bool(hinges(steps, on(domain, [middle]))[0, j] > 0) == bool(positive[k, j])
            low, high = (middle, high) if same else (low, middle)
        found.append((low, j))
    return sorted(found)


FIRST = Dense([[2, 1, -1], [-1, 3, 1], [1, -1, 2], [0, 2, 1]], [1, -1, 2, -3])
SECOND = Dense([[1, -2, 1, 1], [3, 1, -1, -2], [-1, 1, 2, 1]], [1, -2, 3])
LAST = Dense([[1, -1, 2]], [1], bends=False)
OUT = Dense([[1, -2, 1, 1]], [1], bends=False)
FRONT = Dense([[1, 1, 0], [0, 2, 1], [1, 0, -1]], [0, 0, 0], bends=False)
GAIN, BIAS = (1, 2, -1), (1, 0, -1)
CENTRED, SHIFTED = Ellipse([3, 0, 1], [1, 2, -1]), Ellipse([3, 0, 1], [1, 2, -1], [1, 0, 2])
LEANING = Ellipse.slerp([3, 0, 4], [1, 2, 2])
MEAN = Ellipse.through([1, 0, 4], [-2, 1, 1], [0, 3, -1])
JOBS: dict[str, tuple[list[Step], Ellipse]] = {
    "no norm": ([FIRST, OUT], CENTRED),
    "deep, three points": ([FIRST, SECOND, LAST], MEAN),
    "deep, slerp": ([FIRST, SECOND, LAST], LEANING),
    "eps 0": ([Norm(True, 0.0, 0.0, GAIN, BIAS), FIRST, SECOND, LAST], CENTRED),
    "eps under the root": ([Norm(True, 0.5, 0.0, GAIN, BIAS), FIRST, OUT], CENTRED),
    "eps under the root, a centre that P forgets": (
        [Norm(True, 0.5, 0.0, GAIN, BIAS), FIRST, OUT],
        Ellipse([3, 0, 1], [1, 2, -1], [5, 5, 5]),
    ),
    "eps beside the root": ([Norm(False, 0.0, 0.5, GAIN, BIAS), FIRST, SECOND, LAST], LEANING),
    "a centre": ([Norm(False, 0.5, 0.0, GAIN, BIAS), FIRST, SECOND, LAST], SHIFTED),
    "led in": ([FRONT, Norm(True, 0.5, 0.0, GAIN, BIAS), FIRST, OUT], CENTRED),
    "led in with a bias": (
        [FRONT._replace(bias=[1, 0, 2]), Norm(True, 0.0, 0.25, GAIN, BIAS), FIRST, OUT],
        CENTRED,
    ),
    "a norm behind a hidden layer": (
        [FIRST, Norm(True, 0.5, 0.0, (1, 2, -1, 1), (0, 0, 1, 0)), SECOND, LAST],
        SHIFTED,
    ),
    "two norms": (
        [
            Norm(False, 0.5, 0.0, GAIN, BIAS),
            FIRST,
            Norm(True, 1.0, 0.0, (1,) * 4, (0,) * 4),
            SECOND,
            LAST,
        ],
        CENTRED,
    ),
}
every_job = pytest.mark.parametrize("name", JOBS)


@cache
def found(name: str) -> dict[str, CurvePartition]:
    """The partitions by every engine that can."""
    steps, domain = JOBS[name]
    own = network(steps)
    able = [engine for engine in engines.ALL if engines.takes(engine, own, domain)]
    return {e: partition(own, domain, engine=e).seen_as(CurvePartition) for e in able}


def events(result: CurvePartition) -> list[tuple[float, Any]]:
    """Angle and hinges of the crossings in order."""
    return sorted((crossing.angle_float, crossing.hinges) for crossing in result.crossings)


@every_job
def test_crossings_are_the_zeros_that_floats_find(name: str) -> None:
    steps, domain = JOBS[name]
    expected = zeros(steps, domain)
    assert len(expected) > 1, "a job without crossings shows nothing"
    for result in found(name).values():
        numbers = {hinge: j for j, hinge in enumerate(result.network.hinges)}
        told = [(angle, numbers[hinge]) for angle, flipped in events(result) for hinge in flipped]
        assert [j for _, j in told] == [j for _, j in expected]
        assert [t for t, _ in told] == pytest.approx([t for t, _ in expected], abs=1e-9)


@every_job
def test_codes_are_those_of_points_of_the_curve(name: str) -> None:
    steps, domain = JOBS[name]
    for result in found(name).values():
        for region in result.regions:
            start, end = region.parameters_float
            angles = start + (end - start) * np.array([0.001, 0.25, 0.5, 0.75, 0.999])
            bits = hinges(steps, on(domain, angles)) > 0
            assert (bits == np.array(region.code.bits)).all()
            assert result.network.code(region.witness) == region.code
            assert [float(x) for x in region.witness] == pytest.approx(
                on(domain, [angle_of(domain, region.coordinates)])[0].tolist()
            )


def angle_of(domain: Ellipse, direction: Sequence[Rational]) -> float:
    """The angle of a direction (alpha, beta)."""
    k, alpha, beta = (float(x.p) / float(x.q) for x in (domain.cosine, *direction))
    return math.atan2(beta * math.sqrt(1 - k * k), alpha + k * beta)


@every_job
def test_engines_agree_and_certificates_are_complete(name: str) -> None:
    steps, _ = JOBS[name]
    results = list(found(name).values())
    assert {result.outcome for result in results} == {Outcome.COMPLETE}
    assert len({result.digest for result in results}) == 1
    assert all(events(result) == events(results[0]) for result in results)
    for result in results:
        if sum(isinstance(step, Norm) for step in steps) > 1:
            with pytest.raises(Unsupported, match="hidden layers behind 2 norms"):
                result.check()
        else:
            assert result.check().status is Status.COMPLETE


def test_the_jobs_are_for_both_engines() -> None:
    able = {name: set(found(name)) for name in JOBS}
    simple = ("no norm", "deep", "eps 0", "eps under the root", "led in")
    for name, names in able.items():
        both = name.startswith(simple) and name != "led in with a bias"
        assert names == ({"circle", "nested_roots"} if both else {"nested_roots"}), name


@every_job
def test_lengths_are_nearest_and_sum_to_the_whole(name: str) -> None:
    _, domain = JOBS[name]
    result = next(iter(found(name).values()))
    grid = np.arange(400) * TAU / 400
    step = 1e-4
    speeds = np.linalg.norm(on(domain, grid + step) - on(domain, grid - step), axis=1) / (2 * step)
    total = sum(region.length_float for region in result.regions)
    assert total == pytest.approx(float(speeds.mean()) * TAU, rel=1e-7)
    for region in result.regions[:2]:
        assert float(sympy.N(region.length, 40)) == region.length_float > 0


# ---- where it is a circle


def test_of_orthogonal_vectors_of_one_length_it_is_the_great_circle() -> None:
    steps, _ = JOBS["deep, slerp"]
    u, v = [3, 4, 0], [0, 0, 5]
    own = network(steps)
    for engine in ("circle", "nested_roots"):
        ellipse, circle = (
            partition(own, domain, engine=engine).seen_as(CurvePartition)
            for domain in (Ellipse(u, v), GreatCircle(u, v, radius_squared=25))
        )
        assert ellipse.digest == circle.digest
        assert [x.code for x in ellipse.regions] == [x.code for x in circle.regions]
        assert events(ellipse) == events(circle)
        for one, other in zip(ellipse.regions, circle.regions, strict=True):
            assert one.length_float == other.length_float
            ends = zip(one.endpoints_float or (), other.endpoints_float or (), strict=True)
            assert [mine.tolist() == theirs.tolist() for mine, theirs in ends] == [True, True]


def test_slerp_of_one_length_is_the_geodesic() -> None:
    p, q = [3, 4, 0], [0, 5, 0]
    own = network([FIRST, SECOND, LAST])
    ellipse = partition(own, Ellipse.slerp(p, q)).seen_as(CurvePartition)
    circle = partition(own, GreatCircle(p, q, radius_squared=25)).seen_as(CurvePartition)
    assert (ellipse.digest, events(ellipse)) == (circle.digest, events(circle))


def test_behind_a_norm_without_eps_only_directions_count() -> None:
    steps = [Norm(True, 0.0, 0.0, GAIN, BIAS), FIRST, OUT]
    u, v = [3, 0, 1], [1, 2, -1]
    own = network(steps)
    circle = partition(own, GreatCircle(u, v)).seen_as(CurvePartition)
    for domain in (Ellipse(u, v), Ellipse([7 * x for x in u], v), Ellipse(u, v, cosine="4/5")):
        ellipse = partition(own, domain).seen_as(CurvePartition)
        assert ellipse.digest == circle.digest
        codes, others = ([x.code for x in found.regions] for found in (ellipse, circle))
        assert any(codes == others[k:] + others[:k] for k in range(len(others)))
        assert len(ellipse.crossings) == len(circle.crossings)


# ---- degenerate ones


def partitions(own: Network, domain: Ellipse) -> list[CurvePartition]:
    """By both engines, alike."""
    both = [partition(own, domain, engine=e).seen_as(CurvePartition) for e in engines.ON_CURVES]
    assert len({one.digest for one in both}) == 1
    assert [one.check().status for one in both] == [Status.COMPLETE] * len(both)
    return both


def test_a_hinge_that_is_only_touched_separates_nothing() -> None:
    """At t = 0, where the circle is cut open, at a quarter turn, and at one more point."""
    rows = [[1, 0], [0, 1], [3, 4], [0, -1]]
    own = tensors.mlp([(rows, [-1, -2, Rational(-73), 1]), ([[1] * 4], [0])])
    for result in partitions(own, Ellipse([1, 0], [0, 2])):
        touched = [(c.hinges[0].neuron, c.angle_float) for c in result.crossings if c.tangent]
        assert sorted(touched) == [(0, 0.0), (1, math.pi / 2)]
        assert len(result) == 2
    own = tensors.mlp([([[3, 2]], [-5]), ([[1]], [0])])
    for result in partitions(own, Ellipse([1, 0], [0, 2])):
        (crossing,) = result.crossings if len(result.crossings) == 1 else [None]
        assert crossing is not None and crossing.tangent
        assert crossing.angle == sympy.atan(sympy.Rational(4, 3))
        assert crossing.point == sympy.Matrix([sympy.Rational(3, 5), sympy.Rational(8, 5)])


def test_hinges_that_cross_at_one_point_flip_together() -> None:
    """The second layer is on where the first neuron is, since the curve only touches the other."""
    own = tensors.mlp([([[1, 0], [0, 1]], [1, -2]), ([[1, 1]], [0]), ([[1]], [0])])
    domain = Ellipse([2, 0], [0, 1], [-1, 1])
    for result in partitions(own, domain):
        shared = [crossing for crossing in result.crossings if len(crossing.hinges) > 1]
        assert [str(crossing.angle) for crossing in shared] == ["pi/2", "3*pi/2"]
        assert [crossing.point for crossing in shared] == [
            sympy.Matrix([-1, 2]),
            sympy.Matrix([-1, 0]),
        ]


@pytest.mark.parametrize("at_start", [True, False])
def test_where_the_norm_is_undefined_the_curve_is_split(at_start: bool) -> None:
    rows, ones, other = [[1, 0, -2], [0, 1, 1]], [1, 1, 1], [1, 2, -1]
    own = tensors.block(rows, [1, 0], [[1, 1]], [0], norm="layernorm", eps=0)
    domain = Ellipse(*(ones, other) if at_start else (other, ones))
    for result in partitions(own, domain):
        undefined = [c for c in result.crossings if c.undefined]
        start = 0 if at_start else sympy.pi / 2
        assert [c.angle for c in undefined] == [start, start + sympy.pi]
        assert len(result.neighbours()) == len(result) - 2
        with pytest.raises(InvalidInput, match="lies on a crossing"):
            result.locate(ones)
        closures = [region.symbolic_closure().inequalities for region in result.regions]
        assert sum(isinstance(part, sympy.Ne) for each in closures for part in each) == 4
    # biases that hold every hinge on: both cells have one code
    steady = tensors.block(rows, [90, 90], [[1, 1]], [0], norm="layernorm", eps=0)
    for result in partitions(steady, domain):
        assert (len(result), result.code_count, len(result.neighbours())) == (2, 1, 0)
    # with eps the norm is defined there
    smooth = tensors.block(rows, [1, 0], [[1, 1]], [0], norm="layernorm", eps=1)
    assert not any(c.undefined for one in partitions(smooth, domain) for c in one.crossings)


def test_an_ellipse_on_which_the_norm_is_undefined_everywhere() -> None:
    front = Layer.of([[1, 1], [1, 1]])
    own = Network(
        (Block((front,)), *tensors.block([[1, 2]], [1], [[1]], [0], norm="layernorm", eps=0).blocks)
    )
    for engine in engines.ON_CURVES:
        with pytest.raises(InvalidInput, match="P x = 0 and eps = 0"):
            partition(own, Ellipse([1, 0], [0, 1]), engine=engine)


def test_points_and_lengths_from_half_a_turn_on() -> None:
    """There a direction of surds has a coordinate that is zero, and no ball says so."""
    own = tensors.mlp([([[0, -1]], [1]), ([[1]], [2])])
    for result in partitions(own, Ellipse([-1, -1], [-2, -1], cosine="-3/5")):
        lengths = [region.length_float for region in result.regions]
        assert lengths == [float(sympy.N(region.length, 40)) for region in result.regions]
        assert result.regions[0].parameters_float[0] == math.pi
        assert result.regions[0].endpoints_float[0].tolist() == [1.0, 1.0]  # type: ignore[index]


def test_coordinates_of_end_points_are_nearest() -> None:
    """A coordinate that is zero, and one that is not, but small beside what it is the sum of."""
    tiny = Rational(1, 2**160)
    for offset in (Rational(0), tiny):
        own = tensors.mlp([([[1, 0]], [-offset]), ([[1]], [0])])
        for result in partitions(own, Ellipse([3, 1], [0, 2], [1, 5])):
            for crossing, region in zip(result.crossings, result.regions, strict=True):
                start = region.endpoints_float[0]  # type: ignore[index]
                assert start[0] == float(offset.p) / float(offset.q)
                assert start[1] == float(sympy.N(crossing.point[1], 40))


def test_a_curve_that_nothing_cuts() -> None:
    own = tensors.mlp([([[1, 0]], [9]), ([[1]], [0])])
    for result in partitions(own, Ellipse([1, 1], [0, 2], [1, 0])):
        (region,) = result.regions
        assert (region.endpoints, region.facets, region.parameters_float) == (None, (), (0.0, TAU))
        assert region.length_float == float(sympy.N(region.length, 40))
        assert result.locate(region.witness) == 0
    (whole,) = partition(own, Ellipse([2, 0], [0, 2])).regions
    assert whole.length == 4 * sympy.pi  # type: ignore[attr-defined]
    assert whole.length_float == 4 * math.pi  # type: ignore[attr-defined]


# ---- points and what is refused


def test_points_count_from_the_centre() -> None:
    own = tensors.mlp([([[1, 0], [0, 1]], [-1, -1]), ([[1, 1]], [0])])
    result = partition(own, Ellipse([2, 0], [1, 1], [1, 1], cosine="3/5")).seen_as(CurvePartition)
    made = chart(own, result.domain)
    assert made.ambient(made.coordinates([4, 2])) == (4, 2)
    assert [str(x) for x in made.coordinates([4, 2])] == ["1", "1"]
    assert result.locate([3, 1.5]) == result.locate([5, 2])
    with pytest.raises(InvalidInput, match="no direction on the curve"):
        result.locate([1, 1])
    with pytest.raises(InvalidInput, match="lies on a crossing"):
        result.locate([3, 1])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("eps beside the root", "eps stands beside the root of the norm, and it knows one root"),
        ("a centre", "the norm reads more than multiples of cos t and sin t"),
        ("led in with a bias", "the norm reads more than multiples of cos t and sin t"),
        ("a norm behind a hidden layer", "the norm reads more than multiples of cos t and sin t"),
        ("two norms", "hidden layers stand behind 2 norms"),
    ],
)
def test_why_the_engine_of_one_root_refuses(name: str, said: str) -> None:
    steps, domain = JOBS[name]
    problem = Problem.of(network(steps), domain)
    assert said in str(engines.BY_NAME["circle"].refusal(problem))


def test_other_engines_refuse_by_name() -> None:
    own = network([FIRST, OUT])
    with pytest.raises(Unsupported, match="not Ellipse"):
        partition(own, CENTRED, engine="vertices")
    with pytest.raises(InvalidInput, match="Ellipse does not fit the network"):
        partition(own, Ellipse([1, 0], [0, 1]))


def test_a_skip_around_the_norm_counts_too() -> None:
    """A residual block in front of hidden layers: cells, and no certificate."""
    inner = tensors.block(
        [[1, 0], [1, 1]], [0, 1], [[1, 0], [0, 2]], [0, 0], norm="rms", eps=1
    ).blocks[0]
    behind = tensors.mlp([([[1, -1], [2, 1]], [0, -1]), ([[1, 1]], [0])])
    own = Network((Block(inner.layers, inner.norm, True), *behind.blocks))
    result = partition(own, Ellipse([1, 0], [1, 2], [0, "1/2"]))
    assert (result.engine, result.outcome) == ("nested_roots", Outcome.COMPLETE)
    assert all(own.code(region.witness) == region.code for region in result.regions)
    with pytest.raises(Unsupported, match="a skip around a norm"):
        result.check()
