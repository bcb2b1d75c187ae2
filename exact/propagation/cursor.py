"""Walk exact functions through a network layer by layer, stopping at every hidden layer and at
every norm.

Every engine carries its inputs as coefficients over a few basis functions (parameters and the
constant, or the two coordinates of a pencil and the root behind a norm). A :class:`Cursor` is the
state of that walk between two stops.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from exact.arithmetic.numbers import Rational, RationalArray
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.networks.layers import Block, Layer
from exact.networks.network import Network
from exact.networks.norms import Norm


@short_repr
@dataclass(frozen=True)
class Cursor:
    """A position in a network: in front of layer `layer` of block `block`, with that layer's exact
    input `inner`.

    `outside` is the input of the block (for its skip connection), `one` the coefficients of the
    constant 1, `hidden` the number of hidden layers already passed. `at_norm` says that the block's
    norm has not been applied yet.
    """

    network: Network
    inner: RationalArray
    outside: RationalArray
    one: tuple[Rational, ...]
    block: int = 0
    layer: int = 0
    hidden: int = 0
    at_norm: bool = False

    @property
    def current(self) -> Layer:
        """The layer in front of the cursor."""
        return self.network.blocks[self.block].layers[self.layer]

    @property
    def norm(self) -> Norm | None:
        """The norm that has to be applied next, or None."""
        return self.network.blocks[self.block].norm if self.at_norm else None

    @property
    def is_last_hidden(self) -> bool:
        """Whether the layer in front of the cursor is the last hidden one."""
        return self.hidden == len(self.network.hidden_layers) - 1


def begin(network: Network, state: RationalArray, one: Sequence[Rational]) -> Cursor | None:
    """The cursor at the first stop, or None when the network has no hidden layer."""
    if not network.hidden_layers:
        return None
    return _settle(
        Cursor(network, state, state, tuple(one), at_norm=network.blocks[0].norm is not None)
    )


def advance(cursor: Cursor, z: RationalArray, bits: Sequence[bool]) -> Cursor | None:
    """Pass the hidden layer in front of the cursor on the pieces chosen by `bits`; None after the
    last hidden layer.

    Raises NotPiecewiseLinear when a smooth activation stands in front of further hidden layers.
    """
    if cursor.is_last_hidden:
        return None
    inner = cursor.current.activate(z, cursor.one, bits)
    return _settle(replace(cursor, inner=inner, layer=cursor.layer + 1, hidden=cursor.hidden + 1))


def pass_norm(cursor: Cursor, inner: RationalArray, one: Sequence[Rational]) -> Cursor:
    """Replace the norm in front of the cursor by its value `inner` over a new basis, in which 1 is
    `one`.
    """
    return _settle(replace(cursor, inner=inner, one=tuple(one), at_norm=False))


def layer_halfspaces(cursor: Cursor, z: RationalArray) -> tuple[Halfspace, ...]:
    """`z_j > breakpoint` as halfspaces over the parameters, one per bit of the layer."""
    k, entries = z.ncols(), z.entries()
    rows = [entries[j * k : (j + 1) * k] for j in range(z.nrows())]
    bends = cursor.current.activation.breakpoints
    return tuple(Halfspace.of([*row[:-1], row[-1] - t]) for row in rows for t in bends)


def halfspaces_along(cursor: Cursor | None, bits: Sequence[bool]) -> Iterator[Halfspace]:
    """`breakpoint exceeded` for every bit from the cursor on, in order, on the region with these
    bits.
    """
    start = 0
    while cursor is not None:
        z = cursor.current.pre_activations(cursor.inner, cursor.one)
        yield from layer_halfspaces(cursor, z)
        end = start + cursor.current.bits
        cursor, start = advance(cursor, z, bits[start:end]), end


def _settle(cursor: Cursor) -> Cursor:
    """Move through affine layers and block ends up to the next norm or hidden layer."""
    while not cursor.at_norm:
        block = cursor.network.blocks[cursor.block]
        if cursor.layer == len(block.layers):
            cursor = _leave(cursor, block)
        elif cursor.current.bits:
            break
        else:
            z = cursor.current.pre_activations(cursor.inner, cursor.one)
            cursor = replace(
                cursor, inner=cursor.current.activate(z, cursor.one, ()), layer=cursor.layer + 1
            )
    return cursor


def _leave(cursor: Cursor, block: Block) -> Cursor:
    state = cursor.outside + cursor.inner if block.residual else cursor.inner
    following = cursor.network.blocks[cursor.block + 1]
    return replace(
        cursor,
        inner=state,
        outside=state,
        block=cursor.block + 1,
        layer=0,
        at_norm=following.norm is not None,
    )


def first_layer(network: Network, flat: Flat) -> tuple[Halfspace, ...]:
    """The halfspace `breakpoint exceeded` of every hinge of the first hidden layer, over the
    parameters of the chart.
    """
    one = [Rational(0)] * flat.dim + [Rational(1)]
    cursor = begin(network, flat.state(), one)
    if cursor is None:
        return ()
    return layer_halfspaces(cursor, cursor.current.pre_activations(cursor.inner, cursor.one))
