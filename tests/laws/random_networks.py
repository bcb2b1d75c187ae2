"""Random small networks as plain data, and the exact forward pass that the laws compare with.

A `Spec` is a list of layers in fractions; `network` hands it to the engines, `for_oracle` to the
oracle of the truths. Small integer entries make degeneracies (zero rows, duplicates, planes through
a vertex) the rule, not the exception.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction

from hypothesis import strategies as st

import exact
from tests.truths import oracle, reading
from tests.truths.cases import Case
from tests.truths.cases import layer as layer_data
from tests.truths.oracle import HiddenLayer, Point, Row

Rows = tuple[tuple[Fraction, ...], ...]
Bits = tuple[int, ...]
HINGES = {"relu": 1, "leaky_relu": 1, "absolute_value": 1, "hard_tanh": 2, "identity": 0}
HOMOGENEOUS = ("relu", "leaky_relu", "absolute_value")
PARAMETERS: dict[str, dict[str, Fraction]] = {
    "leaky_relu": {"slope": Fraction(1, 4)},
    "hard_tanh": {"lo": Fraction(-1), "hi": Fraction(1)},
}


@dataclass(frozen=True)
class LayerSpec:
    weight: Rows
    bias: tuple[Fraction, ...]
    activation: str = "relu"

    @property
    def width(self) -> int:
        return len(self.bias)

    @property
    def hinges(self) -> int:
        return self.width * HINGES[self.activation]

    @property
    def data(self) -> Case:
        return layer_data(
            self.weight, self.bias, self.activation, **PARAMETERS.get(self.activation, {})
        )


@dataclass(frozen=True)
class Spec:
    """Hidden layers, then one linear readout; optionally a norm in front."""

    layers: tuple[LayerSpec, ...]
    norm: Case | None = None

    @property
    def input_dim(self) -> int:
        return len(self.layers[0].weight[0])

    @property
    def data(self) -> reading.Json:
        return {"blocks": [{"norm": self.norm, "layers": [layer.data for layer in self.layers]}]}

    @property
    def network(self) -> exact.Network:
        return reading.network(self.data)

    @property
    def for_oracle(self) -> tuple[list[HiddenLayer], tuple[Row, ...]]:
        return reading.oracle_layers({"network": self.data})

    def with_layer(self, index: int, layer: LayerSpec) -> Spec:
        return replace(self, layers=(*self.layers[:index], layer, *self.layers[index + 1 :]))

    def code(self, point: Point) -> Bits:
        return oracle.walk(*self.for_oracle, point).code

    def forward(self, point: Point) -> tuple[Fraction, ...]:
        return tuple(row[0] for row in oracle.walk(*self.for_oracle, point).rows)


SMALL_INTEGERS = st.integers(-2, 2).map(Fraction)
DYADICS = st.builds(Fraction, st.integers(-99, 99), st.sampled_from([1, 8, 64, 2**20]))
POSITIVE = st.builds(Fraction, st.integers(1, 9), st.integers(1, 9))


def vectors(
    size: int, entries: st.SearchStrategy[Fraction] = SMALL_INTEGERS
) -> st.SearchStrategy[Point]:
    return st.tuples(*[entries] * size)


def matrices(
    rows: int, columns: int, entries: st.SearchStrategy[Fraction] = SMALL_INTEGERS
) -> st.SearchStrategy[Rows]:
    return st.tuples(*[vectors(columns, entries)] * rows)


def layers(
    size: int, columns: int, activation: str, entries: st.SearchStrategy[Fraction] = SMALL_INTEGERS
) -> st.SearchStrategy[LayerSpec]:
    return st.builds(
        LayerSpec, matrices(size, columns, entries), vectors(size, entries), st.just(activation)
    )


@st.composite
def specs(
    draw: st.DrawFn,
    dim: int | st.SearchStrategy[int],
    activations: tuple[str, ...] = tuple(HINGES),
    hinges: int = 6,
    depth: int = 3,
    norm: Case | None = None,
) -> Spec:
    """One to `depth` hidden layers with at most `hinges` bits in all, and a readout of one or two
    outputs.
    """
    entries = draw(st.sampled_from([SMALL_INTEGERS, SMALL_INTEGERS, DYADICS]))
    width = dim if isinstance(dim, int) else draw(dim)
    found: list[LayerSpec] = []
    for _ in range(draw(st.integers(1, depth))):
        activation = draw(st.sampled_from(activations))
        left = hinges - sum(layer.hinges for layer in found)
        size = min(draw(st.integers(1, 4)), left // max(HINGES[activation], 1))
        if size > 0:
            found.append(draw(layers(size, width, activation, entries)))
            width = size
    return Spec((*found, draw(layers(draw(st.integers(1, 2)), width, "identity", entries))), norm)


def relu_specs(
    dim: int | st.SearchStrategy[int], hinges: int = 6, depth: int = 3
) -> st.SearchStrategy[Spec]:
    """Networks whose activations all commute with positive scaling."""
    return specs(dim, HOMOGENEOUS, hinges, depth)


def codes(partition: exact.Partition) -> list[Bits]:
    """The codes of the regions, in order."""
    return [tuple(int(bit) for bit in region.code.bits) for region in partition.regions]


def edges(partition: exact.Partition) -> Counter[tuple[frozenset[Bits], frozenset[exact.Hinge]]]:
    """The pairs of codes on both sides of a facet, with the flipped hinges, counted."""
    bits, graph = codes(partition), partition.graph()
    pairs = (
        (frozenset({bits[a], bits[b]}), frozenset(data["flipped"]))
        for a, b, data in graph.edges(data=True)
    )
    return Counter(pairs)
