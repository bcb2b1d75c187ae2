"""Cursors: what an engine sees when it walks through a network."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from exact import (
    GELU,
    Block,
    HardTanh,
    Identity,
    Layer,
    LayerNorm,
    Network,
    NotPiecewiseLinear,
    ReLU,
)
from exact.arithmetic.numbers import RationalArray, RationalMatrix, fractions
from exact.geometry.polyhedra.halfspace import homogeneous
from exact.propagation.cursor import Cursor, advance, begin, layer_halfspaces, pass_norm
from tests.exact.reference import exact_walk, integers, q, sign


def layer(seed: int, inputs: int, outputs: int, activation: object) -> Layer:
    generator = np.random.default_rng(seed)
    return Layer.of(
        integers(generator, (outputs, inputs)), integers(generator, outputs), activation
    )  # type: ignore[arg-type]


NETWORK = Network(
    (
        Block((layer(0, 2, 3, Identity()), layer(1, 3, 4, ReLU()), layer(2, 4, 2, Identity()))),
        Block((layer(3, 2, 2, Identity()),), residual=True),
        Block(
            (layer(4, 2, 3, HardTanh()), layer(5, 3, 2, ReLU()), layer(6, 2, 2, Identity())),
            residual=True,
        ),
    )
)


def point_state(point: list[Fraction]) -> RationalArray:
    return RationalArray(len(point), 1, [q(x) for x in point])


def stops(network: Network, point: list[Fraction]) -> list[tuple[int, int, list[Fraction]]]:
    """(step, hidden, pre-activations) at every stop of a point's walk."""
    found, cursor = [], begin(network, point_state(point), [q(1)])
    while cursor is not None:
        z = cursor.current.pre_activations(cursor.inner, cursor.one)
        values = list(fractions(z.entries()))
        found.append((cursor.at, cursor.hidden, values))
        bits = [
            value > bend
            for value in values
            for bend in fractions(cursor.current.activation.breakpoints)
        ]
        cursor = advance(cursor, z, bits)
    return found


@pytest.mark.parametrize(
    "point",
    [[Fraction(1), Fraction(2)], [Fraction(-5, 3), Fraction(1, 7)], [Fraction(0), Fraction(-4)]],
)
def test_a_walk_stops_at_every_hidden_layer(point: list[Fraction]) -> None:
    """Affine layers, block ends and skips are passed on the way; the fractions of a plain walk are
    the reference.
    """
    seen = exact_walk(NETWORK, point)[0]
    assert stops(NETWORK, point) == [(1, 0, seen[1]), (5, 1, seen[4]), (6, 2, seen[5])]


def test_a_network_without_hidden_layer_has_no_stop() -> None:
    affine = Network((Block((layer(0, 2, 3, Identity()),)),))
    assert begin(affine, point_state([Fraction(1), Fraction(2)]), [q(1)]) is None


def first_cursor(network: Network) -> Cursor:
    state = RationalArray(2, 3, [q(x) for x in (1, 0, 0, 0, 1, 0)])
    cursor = begin(network, state, [q(0), q(0), q(1)])
    assert cursor is not None
    return cursor


def test_halfspaces_are_the_signs_of_the_gaps() -> None:
    """One per bit, breakpoint-major within a neuron, over the parameters (x1, x2)."""
    bent = Network((Block((layer(7, 2, 5, HardTanh("-1/2", 2)), layer(8, 5, 1, Identity()))),))  # type: ignore[arg-type]
    cursor = first_cursor(bent)
    halfspaces = layer_halfspaces(cursor, cursor.current.pre_activations(cursor.inner, cursor.one))
    assert len(halfspaces) == 10
    for point in (
        [Fraction(1, 3), Fraction(-2)],
        [Fraction(4), Fraction(1)],
        [Fraction(0), Fraction(0)],
    ):
        z = exact_walk(bent, point)[0][0]
        expected = [sign(value - bend) for value in z for bend in (Fraction(-1, 2), Fraction(2))]
        assert [sign(h.value(homogeneous([q(x) for x in point]))) for h in halfspaces] == expected


def test_advance_uses_the_pieces_that_the_bits_select() -> None:
    network = Network((Block((layer(1, 2, 3, HardTanh()), layer(2, 3, 2, ReLU()))),))
    cursor = first_cursor(network)
    z = cursor.current.pre_activations(cursor.inner, cursor.one)
    after = advance(cursor, z, [False, False, True, False, True, True])
    assert after is not None
    rows = RationalMatrix.from_backend(after.inner).tolist()
    assert rows[0] == [0, 0, -1]
    assert rows[1] == RationalMatrix.from_backend(z).tolist()[1]
    assert rows[2] == [0, 0, 1]
    assert (after.is_last_hidden, after.hidden, after.at) == (True, 1, 1)
    assert (
        advance(after, after.current.pre_activations(after.inner, after.one), [True, True]) is None
    )


def test_a_walk_stops_in_front_of_a_norm() -> None:
    head = Block((layer(0, 2, 2, Identity()),), residual=True)
    network = Network((head, Block((layer(1, 2, 2, ReLU()),), LayerNorm.of(dim=2), residual=True)))
    cursor = first_cursor(network)
    assert cursor.norm is network.blocks[1].norm
    (a, b), (c, d) = network.layers[0].weight.tolist()
    (e,), (f,) = network.layers[0].bias.tolist()
    assert RationalMatrix.from_backend(cursor.inner).tolist() == [[a + 1, b, e], [c, d + 1, f]]
    behind = pass_norm(cursor, RationalArray(2, 1, [q(3), q(4)]), [q(1)])
    assert (behind.norm, behind.at, behind.current) == (None, 3, network.layers[1])
    assert fractions(behind.inner.entries()) == (3, 4)


def test_a_smooth_layer_in_front_of_others_cannot_be_passed() -> None:
    network = Network((Block((layer(0, 2, 2, GELU()), layer(1, 2, 2, ReLU()))),))
    cursor = first_cursor(network)
    z = cursor.current.pre_activations(cursor.inner, cursor.one)
    with pytest.raises(NotPiecewiseLinear, match="GELU"):
        advance(cursor, z, [True, False])
    last = first_cursor(Network((Block((layer(0, 2, 2, GELU()), layer(1, 2, 2, Identity()))),)))
    assert advance(last, z, [True, False]) is None
