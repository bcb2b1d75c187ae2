"""Skip connections and several blocks say what a plain network says that carries the input
along.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from exact import Block, Box, Layer, Network, ReLU, Segment, partition
from tests.laws.random_networks import LayerSpec, Rows, Spec, codes, matrices, specs, vectors
from tests.truths import oracle

BIG = Fraction(50)
"""Above every coordinate of the domains below, so that relu(x + BIG) - BIG is x."""


def identity(size: int) -> Rows:
    return tuple(tuple(Fraction(int(i == j)) for j in range(size)) for i in range(size))


def multiply(left: Rows, right: Rows) -> Rows:
    columns = list(zip(*right, strict=True))
    return tuple(tuple(oracle.dot(row, column) for column in columns) for row in left)


@st.composite
def residual_pairs(draw: st.DrawFn, dim: int = 2) -> tuple[Network, Spec, int]:
    """x + V relu(W x + b), then relu(U . + c); once with a skip, once with neurons that carry x;
    and the width of W.
    """
    width, last = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    W, b = draw(matrices(width, dim)), draw(vectors(width))
    V, U, c = draw(matrices(dim, width)), draw(matrices(last, dim)), draw(vectors(last))
    skip = Block((Layer.of(W, b, ReLU()), Layer.of(V)), residual=True)
    network = Network((skip, Block((Layer.of(U, c, ReLU()), Layer.of(identity(last))))))
    carrying = LayerSpec(W + identity(dim), (*b, *(BIG,) * dim))
    read = tuple(a + u for a, u in zip(multiply(U, V), U, strict=True))
    shift = tuple(x - BIG * sum(u, Fraction(0)) for x, u in zip(c, U, strict=True))
    readout = LayerSpec(identity(last), (Fraction(0),) * last, "identity")
    return network, Spec((carrying, LayerSpec(read, shift), readout)), width


@given(residual_pairs())
def test_skip_is_an_input_carried_along(pair: tuple[Network, Spec, int]) -> None:
    network, plain, width = pair
    for domain in (Box(-2, 2, dim=2), Segment([-2, 1], [2, Fraction(-1, 3)])):
        with_skip, without = partition(network, domain), partition(plain.network, domain)
        carried = [code[:width] + code[width + 2 :] for code in codes(without)]
        assert sorted(codes(with_skip)) == sorted(carried)
        assert with_skip.linear_piece_count == without.linear_piece_count
        assert {code[width : width + 2] for code in codes(without)} == {(1, 1)}
        for region in with_skip.regions:
            assert region.affine(region.witness) == plain.forward(region.witness)


@given(specs(st.integers(1, 3)), st.data())
def test_blocks_are_layers(spec: Spec, data: st.DataObject) -> None:
    layers = spec.network.blocks[0].layers
    cut = data.draw(st.integers(1, len(layers) - 1))
    split = Network((Block(layers[:cut]), Block(layers[cut:])))
    domain = Box(-1, 1, dim=spec.input_dim)
    whole, parts = partition(spec.network, domain), partition(split, domain)
    assert whole.digest == parts.digest
    assert [region.affine for region in whole.regions] == [
        region.affine for region in parts.regions
    ]


@given(specs(2))
def test_zero_residual_block_changes_nothing(spec: Spec) -> None:
    nothing = Block((Layer.of([[0, 0], [0, 0]]),), residual=True)
    network = spec.network
    longer = replace(network, blocks=(nothing, *network.blocks))
    assert (
        partition(network, Box(-1, 1, dim=2)).digest == partition(longer, Box(-1, 1, dim=2)).digest
    )
