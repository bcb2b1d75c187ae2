"""Walks over steps with several inputs, against the fractions of the same graph by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from exact import Block, HardTanh, InvalidInput, Layer, LayerNorm, Network, ReLU, RMSNorm
from exact.arithmetic.numbers import RationalArray, fractions
from exact.networks.evaluation.points import walk_balls, walk_exact
from exact.networks.graphs.steps import Step, Sum, sequence, walk
from exact.networks.layers import Operation, layers_in_front, norms_in, passes_a_norm_by, up_to
from tests.exact.reference import integers, q

Vector = list[Fraction]


def layer(seed: int, activation: object = None) -> Layer:
    rng = np.random.default_rng(seed)
    return Layer.of(integers(rng, (3, 3), 3), integers(rng, 3, 3), activation)  # type: ignore[arg-type]


LEFT, RIGHT, BEND, AGAIN = layer(0), layer(1, ReLU()), layer(2, HardTanh()), layer(3, ReLU())
# two branches from the input, one of which is read three times
GRAPH = sequence(
    [
        (LEFT, [0]),
        (RIGHT, [0]),
        (Sum(), [1, 2]),
        (BEND, [3]),
        (Sum(), [4, 1, 1]),
        (AGAIN, [5]),
        (Sum(), [6, 0]),
    ]
)
POINTS = [[Fraction(a), Fraction(b, 3), Fraction(c)] for a, b, c in [(1, 2, -1), (-2, 1, 1)]]


def affine(own: Layer, x: Vector) -> Vector:
    rows = zip(own.weight.tolist(), own.bias.tolist(), strict=True)
    return [sum((w * v for w, v in zip(row, x, strict=True)), b[0]) for row, b in rows]


def by_hand(x: Vector) -> tuple[list[list[bool]], Vector]:
    """The bits of the three hidden layers of GRAPH, and its output."""
    left, z = affine(LEFT, x), affine(RIGHT, x)
    right = [max(v, Fraction(0)) for v in z]
    w = affine(BEND, [a + b for a, b in zip(left, right, strict=True)])
    bent = [min(max(v, Fraction(-1)), Fraction(1)) for v in w]
    u = affine(AGAIN, [a + 2 * b for a, b in zip(bent, left, strict=True)])
    bits = [[v > 0 for v in z], [v > t for v in w for t in (-1, 1)], [v > 0 for v in u]]
    return bits, [max(a, Fraction(0)) + b for a, b in zip(u, x, strict=True)]


@pytest.mark.parametrize("x", POINTS)
def test_a_graph_is_walked_exactly_in_balls_and_in_floats(x: Vector) -> None:
    bits, output = by_hand(x)
    point = [q(v) for v in x]
    for last in range(4):
        assert walk_exact(GRAPH, point, last) == bits[:last]
        assert walk_balls(GRAPH, point, last) == bits[:last]
    rows = np.array([[float(v) for v in x]])
    found = walk(GRAPH, rows, lambda does, *values: does.forward_float(*values))
    assert found[0] == pytest.approx([float(v) for v in output], rel=1e-13)


def test_a_value_in_front_of_a_norm_is_added_behind_it() -> None:
    """A skip that ends in a sum of three, around an RMSNorm whose root is 13 / sqrt(3)."""
    norm, end = RMSNorm.of(0, [1, 2, 1], [0, 0, 1]), layer(5, ReLU())
    steps = sequence([(norm, [0]), (LEFT, [1]), (Sum(), [0, 2, 1]), (end, [3])])
    x = [Fraction(3), Fraction(4), Fraction(12)]
    y = [float(v) / (13 / 3**0.5) * g + b for v, g, b in zip(x, (1, 2, 1), (0, 0, 1), strict=True)]
    inner = LEFT.weight.float64() @ y + LEFT.bias.float64()[:, 0]
    z = end.weight.float64() @ (np.array([3, 4, 12]) + inner + y) + end.bias.float64()[:, 0]
    for decide in (walk_exact, walk_balls):
        assert decide(steps, [q(v) for v in x], 1) == [(z > 0).tolist()]


def test_a_constant_is_found_along_every_way_of_a_graph() -> None:
    """x - x, over two ways around a second norm, is zero and no ball says so."""
    minus = Layer.of([[-1, 0, 0], [0, -1, 0], [0, 0, -1]])
    norms = [LayerNorm.of(1, dim=3), RMSNorm.of(1, dim=3)]
    end = Layer.of([[1, 2, 3]], [0], ReLU())
    steps = sequence([(norms[0], [0]), (norms[1], [1]), (minus, [2]), (Sum(), [2, 3]), (end, [4])])
    assert walk_balls(steps, [q(v) for v in POINTS[0]], 1) == [[False]]


def test_a_network_has_the_steps_of_its_blocks() -> None:
    norm = LayerNorm.of(dim=3)
    network = Network((Block((LEFT,)), Block((RIGHT, LEFT), norm, residual=True), Block((BEND,))))
    does: list[Operation] = [LEFT, norm, RIGHT, LEFT, Sum(), BEND]
    inputs = [(0,), (1,), (2,), (3,), (1, 4), (5,)]
    assert [step[:2] for step in network.steps] == list(zip(does, inputs, strict=True))
    assert [step.forgets for step in network.steps] == [(0,), (), (2,), (3,), (1, 4), (5,)]
    assert up_to(network.steps, 0) == ()
    assert [step.does for step in up_to(network.steps, 1)] == [LEFT, norm, RIGHT]
    assert up_to(network.steps, 1)[1].forgets == (1,)  # the sum is cut off
    assert network.steps_to_last_hinge == network.steps
    assert layers_in_front(network.steps) == [LEFT]
    assert norms_in(network.steps) == 1
    assert passes_a_norm_by(network.steps)
    assert not passes_a_norm_by(up_to(network.steps, 1))
    assert not passes_a_norm_by(GRAPH)


def test_values_are_let_go_when_nothing_reads_them_any_more() -> None:
    alive: list[int] = []

    class Value(int):
        def __init__(self, _: int) -> None:
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

    seen = list[int]()

    def apply(_: Operation, *values: Value) -> Value:
        seen.append(len(alive))
        return Value(sum(values))

    assert walk(sequence([(LEFT, [k]) for k in range(6)]), Value(1), apply) == 1
    assert max(seen) <= 2


@pytest.mark.parametrize(
    ("does", "inputs"), [(LEFT, [2]), (LEFT, [-1]), (LEFT, [0, 1]), (Sum(), []), (Sum(), [0, 5])]
)
def test_steps_that_read_what_is_not_there_are_refused(does: Operation, inputs: list[int]) -> None:
    with pytest.raises(InvalidInput, match="step 1 of a network does not read what was written"):
        sequence([(LEFT, [0]), (does, inputs)])


def test_no_step_is_the_input() -> None:
    state = RationalArray(1, 1, [q(Fraction(2))])
    empty: tuple[Step, ...] = sequence([])
    assert fractions(walk(empty, state, lambda *_: state).entries()) == (2,)
