"""Sweeps along lines: what operators add to, events within their bounds, events that are one, and
what floats leave open.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from exact import Budget, Layer, Line, Outcome, RationalMatrix, ReLU, Segment, partition, rational
from exact.networks.graphs.convolutions import Convolution, taps_of
from exact.networks.graphs.graph import Graph, identity_layer
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.rearrangements import Placement, Scaling, Selection
from exact.networks.graphs.sweeps.fans import added_up, fans_of
from exact.networks.graphs.sweeps.sweep import Open, Sweep
from exact.networks.operators import Dense, LinearOperator
from exact.propagation.pencil_charts import pencil_chart
from exact.regions.arcs.engines.slice_line import _Stops, _Swept
from tests.laws.random_graphs import random_graph

RNG = np.random.default_rng(0)


def convolution(groups: int) -> Convolution:
    taps = taps_of((4, 5), (2, 3), (1, 2), ((1, 0), (1, 1)), (2, 1))
    weight = RNG.normal(size=(2 * groups, 4 // groups * 6))
    return Convolution(RationalMatrix.read(weight), 4, taps, groups)


@pytest.mark.parametrize(
    "operator",
    [
        convolution(1),
        convolution(2),
        Dense(RationalMatrix.read(RNG.normal(size=(3, 4)))),
        Selection([2, 0, 2], 3),
        Placement([2, 0], 4),
        Scaling(RationalMatrix.read([2, "1/3"])),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_fans_add_up_to_the_operator(operator: LinearOperator) -> None:
    x = RNG.normal(size=operator.shape[1])
    assert np.allclose(spread(fans_of(operator), x), operator.apply_float(x[None])[0])


def spread(fans: Any, x: np.ndarray) -> np.ndarray:
    found = np.zeros(len(fans.order))
    for i, value in enumerate(x):
        for e in range(fans.starts[i], fans.starts[i + 1]):
            own = fans.weights[fans.rows[e] : fans.rows[e] + fans.size]
            found[fans.blocks[e] * fans.size :][: fans.size] += own * value
    whole = np.zeros(len(found))
    whole[fans.order] = found
    return whole


def test_fans_of_a_sum_read_vectors_one_behind_the_other() -> None:
    assert spread(added_up(2, 3), np.arange(6.0)).tolist() == [3, 5, 7]


@pytest.mark.parametrize("seed", range(0, 40, 2))
def test_every_event_lies_within_its_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 3, False).graph
    curve = pencil_chart(graph, Segment(*rng.normal(size=(2, 3)).tolist())).curve
    assert curve.one is not None
    sweep = Sweep(graph, curve.state(), curve.one)
    try:
        events = sweep.run((1, 0), (1, 1))
    except Open as problem:
        assert ((problem.stretches >= 0) & (problem.stretches <= 1)).all()
        return
    row = _Swept(events, (1, 0), (1, 1), _Stops(sweep))
    for i in range(len(events)):
        alpha, beta = row._exact(i)
        place = rational(beta) / alpha
        assert rational(float(events.low[i])) < place < rational(float(events.high[i]))
    assert (events.high[:-1] < events.low[1:]).all()


def swept(graph: Graph, *ends: list[float]) -> Any:
    curve = pencil_chart(graph, Segment(*ends)).curve
    assert curve.one is not None
    return Sweep(graph, curve.state(), curve.one).run((1, 0), (1, 1))


def test_neurons_that_are_one_function_pass_their_bends_as_one_event() -> None:
    graph = Graph([(Layer.of(Selection([0, 0, 1], 2), None, ReLU()), [0])], 2)
    events = swept(graph, [1, 1], [-1, -3])
    assert len(events) == 2 and np.diff(events.starts).tolist() == [1, 2]


def test_windows_of_equal_or_dead_inputs_change_nothing() -> None:
    front = Layer.of(Selection([0, 0, 1, 1], 2), None, ReLU())
    graph = Graph([(front, [0]), (Maximum([[0, 1], [2, 3], [0, 2]], 4), [1])], 2)
    found = partition(graph, Segment([2, -1], [-1, -1]))
    assert len(found) == 2
    assert [str(region.code) for region in found.regions] == ["1100|010001", "0000|000000"]


def test_candidates_that_are_equal_at_an_end_do_not_stop_a_sweep() -> None:
    """As two windows of the same background: no numbers tell, what they are made of does."""
    weight = RationalMatrix.read([[0.1, 0.7]])
    front = Layer.of(Convolution(weight, 1, taps_of((3,), (2,))), [0.3, 0.3])
    bend = identity_layer(2, ReLU())
    graph = Graph([(front, [0]), (bend, [1]), (Maximum([[0, 1]], 2), [2])], 3)
    assert len(swept(graph, [0.1, 0.2, 0.5], [0.3, 0.3, 0.3])) == 0
    assert len(swept(graph, [0.3, 0.3, 0.3], [0.1, 0.2, 0.5])) == 0


def test_a_budget_keeps_the_first_cells() -> None:
    weight = np.random.default_rng(1).normal(size=(20, 3))
    graph = Graph([(Layer.of(weight, weight[:, 0] / 7, ReLU()), [0])], 3)
    line = Segment([-1, -2, 1], [2, 1, 1])
    whole = partition(graph, line)
    part = partition(graph, line, budget=Budget(regions=4))
    assert part.outcome is Outcome.BUDGET_REACHED and len(part) == 4 < len(whole)
    for own, other in zip(part.regions, whole.regions, strict=False):
        assert own.code == other.code and own.parameters_float == other.parameters_float


def test_a_cell_that_seams_divide_is_shown_far_from_them() -> None:
    """A stretch that floats leave open at infinity is cut alone, and its cell goes on behind it."""
    rng = np.random.default_rng(3)
    pool = Maximum([[0, 1], [1, 2], [2, 3]], 4)
    hidden = Layer.of(rng.integers(-3, 4, (4, 2)).tolist(), [1, -2, 0, 1], activation=ReLU())
    graph = Graph([(hidden, [0]), (pool, [1]), (Layer.of([[1, -1, 2]]), [2])], 2)
    for ends in (((0, 1), (1, 0)), ((1, 1), (2, -3))):
        found = partition(graph, Line(*ends))
        assert all(max(map(abs, region.witness)) < 10**6 for region in found.regions)
