"""Laws of curves through networks with a norm anywhere: cells carry the code that a point
evaluation gives.
"""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exact import (
    AbsoluteValue,
    Block,
    GreatCircle,
    HardTanh,
    Identity,
    InvalidInput,
    Layer,
    LayerNorm,
    LeakyReLU,
    Line,
    Network,
    Partition,
    Ray,
    ReLU,
    RMSNorm,
    Segment,
    Unsupported,
    partition,
)
from exact.arithmetic.numbers import Rational, rational
from exact.networks.norms import Norm

ACTIVATIONS = (ReLU(), ReLU(), LeakyReLU(rational("1/2")), AbsoluteValue(), HardTanh(), Identity())
ENTRIES = (-2, -1, 0, 1, 2, Rational(1, 2))
EPS = (0, 0, Rational(1, 100000), 1)


class Draw(random.Random):
    """Random networks rich in degeneracy: integer weights in -2..2, norms in front or between
    hidden layers.
    """

    def layer(self, inputs: int, outputs: int) -> Layer:
        weight = [[self.choice(ENTRIES) for _ in range(inputs)] for _ in range(outputs)]
        return Layer.of(
            weight, [self.choice(ENTRIES) for _ in range(outputs)], self.choice(ACTIVATIONS)
        )

    def norm(self, dim: int) -> Norm:
        kind, gain, bias = (
            self.choice((LayerNorm, RMSNorm)),
            *([self.choice(ENTRIES) for _ in range(dim)] for _ in range(2)),
        )
        return kind.of(
            eps=self.choice(EPS), gain=gain, bias=bias, eps_rule=self.choice(("var", "std"))
        )

    def network(self, inputs: int) -> Network:
        width = self.randint(2, 5)
        if self.random() < 0.5:
            return Network(
                (Block((self.layer(inputs, width), self.layer(width, width)), self.norm(inputs)),)
            )
        behind = Block((self.layer(width, 3), self.layer(3, 2)), self.norm(width))
        return Network((Block((self.layer(inputs, width),)), behind))


def without_eps(network: Network) -> Network:
    """The limit far from the origin: what a circle of directions sees."""
    blocks = (
        replace(b, norm=replace(b.norm, eps=Rational(0))) if b.norm else b for b in network.blocks
    )
    return Network(tuple(blocks))


def answer(draw: Draw) -> tuple[Network, Partition] | None:
    """A network with the partition of a random curve, or None when the draw is not a valid job."""
    inputs = draw.randint(1, 4)
    network = draw.network(inputs)
    p, q = ([draw.randint(-2, 2) for _ in range(inputs)] for _ in range(2))
    kind = draw.choice((Segment, Ray, Line, GreatCircle))
    try:
        found = partition(network, kind(p, q))
    except (InvalidInput, Unsupported):
        return None
    return (without_eps(network) if kind is GreatCircle else network), found


@given(st.integers(0, 2**32))
def test_every_witness_has_the_code_of_its_cell_and_is_located_there(seed: int) -> None:
    drawn = answer(Draw(seed))
    if drawn is None:
        return
    network, found = drawn
    for region in found.regions:
        assert network.code(region.witness) == region.code
        assert found.locate(region.witness) == region.index


@given(st.integers(0, 2**32))
def test_points_between_crossings_have_the_code_of_their_cell(seed: int) -> None:
    draw = Draw(seed)
    drawn = answer(draw)
    if drawn is None:
        return
    network, found = drawn
    touched = [crossing.direction for crossing in found.crossings if crossing.tangent]
    for _ in range(8):
        x = found.curve.ambient(
            Rational(draw.randint(1, 60), 60), Rational(2 * draw.randint(-60, 60) + 1, 120)
        )
        try:
            index = found.locate(x)
            code = network.code(x)
        except InvalidInput:  # outside the domain, on a crossing, or where the norm is undefined
            continue
        if not any(direction.compare(found.direction_of(x)) == 0 for direction in touched):
            assert code == found.regions[index].code


@given(st.integers(0, 2**32))
def test_neighbouring_cells_differ_unless_the_norm_is_undefined_between_them(seed: int) -> None:
    drawn = answer(Draw(seed))
    if drawn is None:
        return
    for crossing in drawn[1].crossings:
        assert crossing.hinges or crossing.undefined


def test_a_point_where_the_norm_is_undefined_separates_cells_of_equal_code() -> None:
    constant = Layer.of([[0, 0]], [1], ReLU())
    networks = {eps: Network((Block((constant,), LayerNorm.of(eps=eps, dim=2)),)) for eps in (0, 1)}
    found = {eps: partition(network, Segment([0, 1], [1, 0])) for eps, network in networks.items()}
    assert [region.parameters_float for region in found[0].regions] == [(0.0, 0.5), (0.5, 1.0)]
    assert [crossing.undefined for crossing in found[0].crossings] == [True]
    assert (found[0].code_count, found[0].cell_count, found[0].graph().number_of_edges()) == (
        1,
        2,
        0,
    )
    assert found[1].cell_count == 1
