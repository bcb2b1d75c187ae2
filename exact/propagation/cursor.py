"""Walk exact functions through a network layer by layer, stopping at every hidden layer and at
every norm.

Every engine carries its inputs as coefficients over a few basis functions (parameters and the
constant, or the two coordinates of a pencil and the root behind a norm). A :class:`Cursor` is the
state of that walk between two stops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from exact.arithmetic.numbers import Rational, RationalArray
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.networks.graphs.steps import Step, Sum
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.networks.norms import Norm


@short_repr
@dataclass(frozen=True)
class Cursor:
    """A position in a network: in front of step `at`, a norm or a hidden layer.

    `values` are those that this step and later ones read, `one` the coefficients of the constant 1,
    `hidden` the number of hidden layers already passed.
    """

    network: Network
    values: Mapping[int, RationalArray]
    one: tuple[Rational, ...]
    at: int = 0
    hidden: int = 0

    @property
    def inner(self) -> RationalArray:
        """What the step in front of the cursor reads."""
        return self.values[self._step.inputs[0]]

    @property
    def current(self) -> Layer:
        """The layer in front of the cursor, or behind the norm there."""
        found = self._step.does if self.norm is None else self.network.steps[self.at + 1].does
        assert isinstance(found, Layer), "a walk stops in front of a hidden layer or a norm"
        return found

    @property
    def norm(self) -> Norm | None:
        """The norm that has to be applied next, or None."""
        return self._step.does if isinstance(self._step.does, Norm) else None

    @property
    def is_last_hidden(self) -> bool:
        """Whether the layer in front of the cursor is the last hidden one."""
        return self.hidden == len(self.network.hidden_layers) - 1

    @property
    def _step(self) -> Step:
        return self.network.steps[self.at]


def begin(network: Network, state: RationalArray, one: Sequence[Rational]) -> Cursor | None:
    """The cursor at the first stop, or None when the network has no hidden layer."""
    network.require_bits("walks of functions")
    return _settled(Cursor(network, {0: state}, tuple(one))) if network.hidden_layers else None


def advance(cursor: Cursor, z: RationalArray, bits: Sequence[bool]) -> Cursor | None:
    """Pass the hidden layer in front of the cursor on the pieces chosen by `bits`; None after the
    last hidden layer.

    Raises NotPiecewiseLinear when a smooth activation stands in front of further hidden layers.
    """
    if cursor.is_last_hidden:
        return None
    behind = _behind(cursor, cursor.current.activate(z, cursor.one, bits))
    return _settled(replace(behind, hidden=cursor.hidden + 1))


def outputs(cursor: Cursor, z: RationalArray, bits: Sequence[bool]) -> RationalArray:
    """What the network gives behind its last hidden layer, in front of which the cursor is, on the
    pieces chosen by `bits`.
    """
    cursor = _behind(cursor, cursor.current.activate(z, cursor.one, bits))
    while cursor.at < len(cursor.network.steps):
        does, inputs, _ = cursor.network.steps[cursor.at]
        if isinstance(does, Sum):
            cursor = _behind(cursor, does.total(cursor.values[i] for i in inputs))
        else:
            assert isinstance(does, Layer), "no norm stands behind the last hidden layer"
            z = does.pre_activations(cursor.inner, cursor.one)
            cursor = _behind(cursor, does.activate(z, cursor.one, ()))
    return cursor.values[cursor.at]


class Images:
    """The outputs over the parameters of a flat domain, code after code; what the layers in front
    of the first bit that has changed give is kept.
    """

    def __init__(self, network: Network, flat: Flat) -> None:
        self._network, self._state = network, flat.state()
        self._one = [Rational(0)] * flat.dim + [Rational(1)]
        ends = list(accumulate(network.bits_per_layer, initial=0))
        self._parts = [slice(*pair) for pair in pairwise(ends)]
        self._way = list[tuple[Cursor, RationalArray]]()
        self._bits: Sequence[bool] = ()

    def at(self, bits: Sequence[bool]) -> RationalArray:
        """The outputs on the region of a code. Raises NotPiecewiseLinear for GELU or SiLU."""
        self._network.require_piecewise_linear()
        if not self._parts:
            return self._network.propagate(self._state, self._one, lambda h, _: list[bool]())
        same = 0
        while same < len(self._way) - 1 and self._is_same(bits, self._parts[same]):
            same += 1
        del self._way[same + 1 :]
        if not self._way:
            self._add(begin(self._network, self._state, self._one))
        for part in self._parts[len(self._way) - 1 : -1]:
            self._add(advance(*self._way[-1], bits[part]))
        self._bits = bits
        return outputs(*self._way[-1], bits[self._parts[-1]])

    @property
    def front(self) -> tuple[Cursor, RationalArray] | None:
        """Where the last walk stood in front of the last hidden layer, with the pre-activations;
        None of a network without one.
        """
        return self._way[-1] if self._way else None

    def _is_same(self, bits: Sequence[bool], part: slice) -> bool:
        return bits[part] == self._bits[part]

    def _add(self, cursor: Cursor | None) -> None:
        assert cursor is not None, "there is a hidden layer"
        z = cursor.current.pre_activations(cursor.inner, cursor.one)
        self._way.append((cursor, z))


def pass_norm(cursor: Cursor, inner: RationalArray, one: Sequence[Rational]) -> Cursor:
    """Replace the norm in front of the cursor by its value `inner` over a new basis, in which 1 is
    `one`.
    """
    return _settled(replace(_behind(cursor, inner), one=tuple(one)))


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


def _settled(cursor: Cursor) -> Cursor:
    """Behind affine layers and sums, in front of the next norm or hidden layer."""
    while True:
        does, inputs, _ = cursor.network.steps[cursor.at]
        if isinstance(does, Sum):
            cursor = _behind(cursor, does.total(cursor.values[i] for i in inputs))
        elif isinstance(does, Norm) or does.bits:
            return cursor
        else:
            z = does.pre_activations(cursor.inner, cursor.one)
            cursor = _behind(cursor, does.activate(z, cursor.one, ()))


def _behind(cursor: Cursor, value: RationalArray) -> Cursor:
    """Behind the step in front of the cursor, which gives `value`."""
    forgets = cursor.network.steps[cursor.at].forgets
    kept = {i: x for i, x in cursor.values.items() if i not in forgets}
    return replace(cursor, values={**kept, cursor.at + 1: value}, at=cursor.at + 1)


def first_layer(network: Network, flat: Flat) -> tuple[Halfspace, ...]:
    """The halfspace `breakpoint exceeded` of every hinge of the first hidden layer, over the
    parameters of the chart.
    """
    one = [Rational(0)] * flat.dim + [Rational(1)]
    cursor = begin(network, flat.state(), one)
    if cursor is None:
        return ()
    return layer_halfspaces(cursor, cursor.current.pre_activations(cursor.inner, cursor.one))
