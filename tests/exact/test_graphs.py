"""Graphs by hand: operators against their matrices, codes of maxima, refusals."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from exact import (
    Box,
    Budget,
    Graph,
    InvalidInput,
    Layer,
    LayerNorm,
    Network,
    Outcome,
    Plane,
    RationalMatrix,
    RealSpace,
    ReLU,
    Segment,
    Unsupported,
    choose,
    partition,
)
from exact.check import Status
from exact.networks.graphs.convolutions import Convolution, Taps, taps_of
from exact.networks.graphs.graph import identity_layer
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.rearrangements import Placement, Scaling, Selection
from exact.networks.graphs.slices.by_floats import FloatCuts, Uncertain
from exact.networks.graphs.steps import Sum
from exact.networks.operators import Dense, LinearOperator
from exact.regions.engine import Problem
from exact.sources import tensors
from tests.exact.reference import integers

RNG = np.random.default_rng(0)
OPERATORS: dict[str, LinearOperator] = {
    "plane": Convolution(
        RationalMatrix.read(integers(RNG, (4, 12), 3)),
        4,
        taps_of((4, 3), (3, 2), (2, 1), ((1, 0), (0, 2)), (1, 2)),
        2,
    ),
    "line": Convolution(
        RationalMatrix.read(integers(RNG, (2, 6), 3)),
        2,
        Taps((5,), (3,), (2,), ((0, 1),), (1,), True),
    ),
    "selection": Selection([3, 0, 0], 4),
    "placement": Placement([2, 0], 4),
    "scaling": Scaling(RationalMatrix.read([2.0, -0.5, 0.0])),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_fast_paths_are_those_of_the_matrix(name: str) -> None:
    own = OPERATORS[name]
    dense, x = Dense(own.matrix), RNG.integers(-5, 6, (3, own.shape[1])).astype(float)
    assert own == dense and [own.row(i) for i in range(own.shape[0])] == [
        dense.row(i) for i in range(own.shape[0])
    ]
    assert own.apply_float(x).tolist() == dense.apply_float(x).tolist()
    assert own.magnitude(np.abs(x)).tolist() == dense.magnitude(np.abs(x)).tolist()
    again = pickle.loads(pickle.dumps(own))
    assert again == own and again.content == own.content


def test_weights_and_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput, match="does not fit its channels"):
        Convolution(RationalMatrix.read([[1.0, 2.0]]), 3, taps_of((4,), (2,)))
    with pytest.raises(InvalidInput, match="a window does not fit the image"):
        taps_of((2,), (5,))
    with pytest.raises(InvalidInput, match=r"outside of the vector; got 4; .* 0 to 3"):
        Selection([4], 4)
    with pytest.raises(InvalidInput, match="two numbers are written to one place"):
        Placement([1, 1], 4)
    with pytest.raises(InvalidInput, match="windows do not fit what they read"):
        Maximum([[0, 3]], 3)
    with pytest.raises(InvalidInput, match="a window reads nothing; got 1"):
        Maximum([[0, 1], [-1, -1]], 3)


BEND = Layer.of([[1, 0], [0, 1]], activation=ReLU())
POOL = Maximum([[0, 1]], 2)


def test_a_maximum_is_known_by_functions_and_not_by_values() -> None:
    """Both off: none. A live input that is zero all over the slice is no constant zero."""
    graph = Graph([(BEND, [0]), (POOL, [1])], 2)
    codes = {str(r.code): r.witness for r in partition(graph, Box(-1, 1, dim=2)).regions}
    assert list(codes) == ["00|00", "01|10", "10|01", "11|01", "11|10"]
    linear = Graph([(POOL, [0]), (identity_layer(1, ReLU()), [1])], 2)
    flat = partition(linear, Segment([-1, 0], [1, 0]))
    assert [str(region.code) for region in flat.regions] == ["10|0", "01|1"]
    assert str(linear.code([0, 0])) == "01|0"  # both are the maximum: the first one


def test_equal_inputs_and_zeros_never_split_a_region() -> None:
    copies = Layer.of([[1, 0], [1, 0], [1, 0]], [1, 1, 1], ReLU())
    graph = Graph([(copies, [0]), (Maximum([[2, 1, 0], [0, 1, -1]], 3), [1])], 2)
    found = partition(graph, Box(-3, 3, dim=2))
    assert [str(region.code) for region in found.regions] == ["000|0000", "111|0101"]
    assert found.linear_piece_count == 2 and len(found.neighbours()) == 1


def test_two_that_are_off_are_one_function_beside_a_third() -> None:
    front = Layer.of([[1, 0], [0, 1]], [-5, -5], ReLU())
    ends = [Layer.of(Placement(own, 4)) for own in ([0, 1], [2, 3])]
    pool = Maximum([[0, 1, 2], [2, 1, 3]], 4)
    graph = Graph([(front, [0]), (ends[0], [1]), (ends[1], [0]), (Sum(), [2, 3]), (pool, [4])], 2)
    for high, codes in ((1, 4), (9, 9)):
        found = partition(graph, Box(-1, high, dim=2))
        assert found.check().status is Status.COMPLETE and len(found) == codes


@pytest.mark.parametrize("by_integers", [False, True])
def test_an_input_that_is_zero_on_the_slice_is_no_padding(
    by_integers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uncertain(*_: object) -> None:
        raise Uncertain

    if by_integers:
        monkeypatch.setattr(FloatCuts, "windows", uncertain)
    first, behind = Layer.of(Selection([0], 2)), Layer.of(Placement([1], 2))
    graph = Graph([(first, [0]), (behind, [1]), (Maximum([[0, 1]], 2), [2])], 2)
    (region,) = partition(graph, Segment([0, -1], [0, 1])).regions
    assert str(region.code) == "01" == str(graph.code([0, "1/3"]))
    (region,) = partition(graph, Segment([-1, -1], [-1, 1])).regions
    assert str(region.code) == "00" == str(graph.code([-1, "1/3"]))


def test_factors_and_shifts_tell_copies_apart() -> None:
    copies = Layer.of(Selection([0, 0, 0], 2))
    for factors, shifts in (([1, 2, 1], [0, 0, 0]), ([1, 1, 1], [0, 1, 0])):
        scaled = Layer.of(Scaling(RationalMatrix.read(factors)), shifts)
        graph = Graph([(copies, [0]), (scaled, [1]), (Maximum([[0, 2, 1]], 3), [2])], 2)
        found = partition(graph, Box(-1, 1, dim=2))
        assert [str(x) for x in found.regions[-1].affine([1, 0])] == ["2"]
        assert found.check().status is Status.COMPLETE


def test_a_constant_background_needs_no_integers() -> None:
    """Convolved and pooled, all its windows are equal, which their marks tell."""
    rng = np.random.default_rng(5)
    taps = taps_of((6, 6), (3, 3), padding=(1, 1))
    weight = RationalMatrix.from_floats(rng.normal(size=(2, 9)))
    front = Layer.of(Convolution(weight, 1, taps), np.repeat([0.3, 0.7], 36), ReLU())
    places = taps_of((6, 6), (2, 2), (2, 2)).places
    pool = Maximum(np.concatenate([places, places + 36]), 72)
    images = np.zeros((3, 6, 6))
    images[:, 1:3, 1:3] = rng.normal(size=(3, 2, 2)).round(3)
    graph = Graph([(front, [0]), (pool, [1])], 36)
    found = partition(graph, Plane(*images.reshape(3, -1), s=(0, 1), t=(0, 1)))
    assert len(found) > 3 and found.decisions["exact"] == 0
    assert found.check().status is Status.COMPLETE


def test_a_chain_is_a_graph_and_comes_back() -> None:
    net = tensors.mlp([([[1, 2], [3, -1]], [1, 0]), ([[1, -1]], [2])])
    graph = Graph.of(net)
    assert graph.chain() == net and graph == pickle.loads(pickle.dumps(graph))
    assert graph != Graph.of(tensors.mlp([([[1, 2], [3, -1]], [1, 0]), ([[1, -1]], [3])]))
    box = Box(-1, 1, dim=2)
    own, other = partition(graph, box), partition(net, box)
    assert own.codes.tolist() == other.codes.tolist() and own.digest == other.digest
    assert own.neighbours().tolist() == other.neighbours().tolist()
    assert [region.facets for region in own.regions] == [region.facets for region in other.regions]
    with pytest.raises(Unsupported, match="step 1, Sum of the values"):
        Graph([(BEND, [0]), (Sum(), [0, 1])], 2).chain()


def test_steps_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"step 1 of a graph does not fit .* given \[2\]"):
        Graph([(BEND, [0]), (Layer.of([[1, 2, 3]]), [1])], 2)
    with pytest.raises(Unsupported, match="step 0 of a graph is no layer, sum or maximum"):
        Graph([(LayerNorm.of(dim=2), [0])], 2)
    with pytest.raises(Unsupported, match="a graph is no chain of blocks"):
        _ = Graph([(BEND, [0])], 2).blocks


def test_what_no_engine_can_is_refused_with_the_reason() -> None:
    graph = Graph([(BEND, [0]), (POOL, [1])], 2)
    with pytest.raises(Unsupported, match="no bounded polygon of at most 12 sides"):
        partition(graph, RealSpace(2))
    with pytest.raises(Unsupported, match="has maxima, and it knows neurons"):
        partition(graph, Box(-1, 1, dim=2), engine="lp_tree")
    with pytest.raises(Unsupported, match="walks over chains of blocks"):
        partition(graph, Box(-1, 1, dim=2), engine="subdivision")
    net: Network = tensors.mlp([([[1, 2]], [0]), ([[1]], [0])])
    with pytest.raises(Unsupported, match="it cuts graphs, not chains"):
        partition(net, Box(-1, 1, dim=2), engine="slice_graph")
    assert choose(Problem.of(graph, Segment([0, 1], [1, 1]))).engine.name == "slice_line"


def test_a_budget_leaves_whole_cells() -> None:
    rng = np.random.default_rng(1)
    layers = [Layer.of(rng.normal(size=(9, n)), rng.normal(size=9), ReLU()) for n in (2, 9)]
    graph = Graph([(layers[0], [0]), (layers[1], [1]), (Maximum([[0, 1, 2]], 9), [2])], 2)
    whole = partition(graph, Box(-1, 1, dim=2))
    part = partition(graph, Box(-1, 1, dim=2), budget=Budget(regions=len(whole) // 2))
    assert part.outcome is Outcome.BUDGET_REACHED and 0 < len(part) < len(whole)
    assert {row.tobytes() for row in part.codes} < {row.tobytes() for row in whole.codes}
    assert part.check().status is Status.INCOMPLETE
    place = {row.tobytes(): k for k, row in enumerate(whole.codes)}
    numbers = [place[row.tobytes()] for row in part.codes]
    known = {tuple(sorted(pair)) for pair in whole.neighbours().tolist()}
    inside = {pair for pair in known if set(pair) <= set(numbers)}
    found = {tuple(sorted((numbers[a], numbers[b]))) for a, b in part.neighbours().tolist()}
    assert found == inside
    line = partition(graph, Segment([-1, 0], [1, "1/3"]), budget=Budget(regions=3))
    assert line.outcome is Outcome.BUDGET_REACHED
    assert line.regions[0].parameters_float[0] == 0.0


def test_codes_of_many_points_are_those_of_each() -> None:
    behind = Layer.of([[1, -1]], activation=ReLU())
    graph = Graph(
        [(BEND, [0]), (POOL, [1]), (Maximum([[0, 1], [1, -1]], 2), [1]), (behind, [3])], 2
    )
    points = [[1, 2], [-1, -1], [2, "1/3"], [0, 0], [3, -4]]
    for layers in (None, (1, 1), (2, 3), (4, 4)):
        codes = graph.codes(points, layers)
        assert list(codes) == [graph.code(point, layers) for point in points]
    assert graph.codes(points).decisions == {"filter": 0, "exact": 5}
    assert graph.codes(points, (1, 1)).decisions["filter"] == 4  # no maximum stands in front
    kept = graph.codes(np.array([[1.0, 2.0], [np.nan, 1.0]]), errors="keep")
    assert list(kept.failures) == [1] and kept[0] == graph.code([1, 2])
    with pytest.raises(InvalidInput, match="row 1 of X"):
        graph.codes(np.array([[1.0, 2.0], [np.nan, 1.0]]))


def test_a_window_that_begins_with_padding_keeps_a_constant_zero() -> None:
    """Windows (padding, x, 0) and (0, y, padding): the middle is zero on the whole plane."""
    windows = np.array([[-1, 0, 1], [1, 2, -1]])
    graph = Graph([(Maximum(windows, 3), [0]), (Layer.of([[1, 1]]), [1])], 3)
    found = partition(graph, Plane((0, 0, 0), (1, 0, 0), (0, 0, 1), s=(-1, 2), t=(-3, 4)))
    assert (len(found), found.volume) == (4, 21)
    line = partition(graph, Segment((-1, 0, -2), (1, 0, 3)))
    assert len(line) == 3


def test_what_overflows_in_floats_is_left_to_integers() -> None:
    """Coefficients of 2^1400, whose differences are no numbers."""
    big, relu = 2**700, ReLU()
    steps = [Layer.of([[big, 0], [0, 1], [1, 1]], activation=relu), Layer.of(np.diag([big, 1, 1]))]
    last = Layer.of([[1, -1, 1], [2, 1, -1], [1, 1, 1]], activation=relu)
    maximum = Maximum([[0, 1], [1, 2]], 3)
    graph = Graph([(steps[0], [0]), (steps[1], [1]), (last, [2]), (maximum, [3])], 2)
    found = partition(graph, Box([-1, -1], [1, 2]))
    assert found.volume == 6
    assert found.check().status is Status.COMPLETE
