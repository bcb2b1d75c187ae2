"""Where the outputs of a network tie: decision boundaries as facets of a partition.

Appending the differences of outputs as one more hidden layer turns every tie into a breakpoint, so
that any engine finds the decision boundary exactly, as facets of the polyhedral complex.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.enclosures.late import networkx as nx
from exact.arithmetic.numbers import RationalMatrix
from exact.errors import InvalidInput
from exact.networks.activations import AbsoluteValue
from exact.networks.evaluation.required import require_network
from exact.networks.layers import Block, Layer
from exact.networks.network import Network
from exact.partition import partition
from exact.regions.cells import Outcome
from exact.regions.partition import Partition
from exact.regions.polytopes.partition import FlatPartition

if TYPE_CHECKING:
    import sympy

Pair = tuple[int, int]
_MOST_TIES = 10**6  # entries of a layer of ties that is recognised


@in_ieee_floats
def tied(network: Network, pairs: Sequence[Pair] | None = None) -> Network:
    """The network followed by a hidden layer whose hinge for the pair (a, b) is on iff output a
    exceeds output b.

    The new outputs are the margins |output_a - output_b|. Without `pairs` it has all of them, (1,
    0), (2, 0), (2, 1), (3, 0),
    ...: a tie counts for the output that comes first, as in argmax. The decision of a single
    output is its sign, so then
    the one hinge is on iff the output is positive. Raises InvalidInput for pairs that are no two
    outputs.

    >>> from exact.instruments.decision.ties import boundary
    >>> from exact import RealSpace, partition
    >>> from exact.sources import tensors
    >>> # 2 relu(x) and relu(-x) + 1
    >>> both = tensors.mlp([([[1], [-1]], [0, 0]), ([[2, 0], [0, 1]], [0, 1])])
    >>> found = partition(tied(both), RealSpace(1))
    >>> [str(region.code) for region in found.regions], boundary(found).tolist()
    (['01|1', '10|0', '10|1'], [[1, 2]])
    """
    require_network(network)
    rows = _differences(
        network.output_dim, _all_pairs(network.output_dim) if pairs is None else pairs
    )
    layer = Layer(
        RationalMatrix.from_rationals(rows),
        RationalMatrix.from_rationals([[0]] * len(rows)),
        AbsoluteValue(),
    )
    return Network((*network.blocks, Block((layer,))))


@in_ieee_floats
def classes(found: Partition) -> IndexArray:
    """The decision on every region of a partition of `tied(network)`: the first largest output; of
    one output, whether > 0.

    On a region where outputs tie all over it, the first of them. Raises InvalidInput for partitions
    of other networks.
    """
    outputs = _outputs(found.network)
    ties = found.bits[:, found.network.hinge_count - max(1, outputs * (outputs - 1) // 2) :]
    best, every = np.zeros(len(found), dtype=np.int64), np.arange(len(found))
    for later in range(1, max(2, outputs)):
        best[ties[every, later * (later - 1) // 2 + best]] = later
    return best


@in_ieee_floats
def class_sets(found: Partition) -> BitArray:
    """Which classes win on an open part of every region (R x classes), exactly, on any kind of
    domain: read off the partition of `tied(network)`, in whose regions one class wins.

    A single output has two classes, 1 where it is positive. On flat domains `found.class_sets` is
    the same without another partition. Cost: that partition, and on curves and spheres a point
    located a region of it. Raises InvalidInput for a partition that ended early, and whatever that
    partition does.

    >>> from exact.instruments.decision.ties import class_sets
    >>> from exact import GreatCircle, partition
    >>> from exact.sources import tensors
    >>> axes = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [0, 1]], [0, 0])])
    >>> found = partition(axes, GreatCircle([1, 0], [0, 1], radius_squared=1))
    >>> [str(region.code) for region in found.regions], class_sets(found).tolist()
    (['11', '01', '00', '10'], [[True, True], [False, True], [True, False], [True, False]])
    """
    if found.outcome is not Outcome.COMPLETE:
        raise InvalidInput(
            "the partition ended early, so that ties may lie in none of its regions",
            value=found,
            remedy="partition with a larger budget, or none",
        )
    parts = partition(tied(found.network), found.domain)
    sets = np.zeros((len(found), max(2, found.network.output_dim)), dtype=bool)
    sets[_regions_of_parts(found, parts), classes(parts)] = True
    return sets


def _regions_of_parts(found: Partition, parts: Partition) -> IndexArray:
    """The region that every region of the network with its ties lies in."""
    if found.codes_repeat:
        return np.array([found.locate(part.witness) for part in parts.regions], dtype=np.int64)
    own = np.packbits(parts.bits[:, : found.network.hinge_count], axis=1)
    both = np.concatenate([found.codes, own])
    _, first, place = np.unique(both, axis=0, return_index=True, return_inverse=True)
    regions: IndexArray = first[place.reshape(-1)[len(found) :]]
    return regions


@in_ieee_floats
def boundary(found: Partition) -> IndexArray:
    """The decision boundary: pairs of neighbouring regions (E x 2) of a partition of
    `tied(network)` that decide differently.

    Every facet of the boundary lies between such a pair, and all of that facet belongs to it.
    Raises InvalidInput for partitions of other networks.
    """
    decided, pairs = classes(found), found.neighbours()
    differ: BitArray = decided[pairs[:, 0]] != decided[pairs[:, 1]]
    return pairs[differ]


@in_ieee_floats
def boundary_measure(found: FlatPartition) -> sympy.Expr:
    """The (d-1)-dimensional measure of the decision boundary in the parameters of the domain, as an
    exact SymPy expression.

    The length of a curve in the plane, the number of points on a line. Raises InvalidInput where it
    is unbounded, and for partitions of other networks than `tied(network)`.
    """
    import sympy

    total = [sympy.Integer(0)]
    for a, b in boundary(found).tolist():
        region = found.regions[a]
        total += [
            m.sympy()
            for f, m in zip(region.facets, region.facet_measures, strict=True)
            if f.neighbour == b
        ]
    return sympy.Add(*total)


def count_without_ties(found: Partition) -> int:
    """The number of regions (on curves and spheres: cells) of the network itself in a partition of
    `tied(network)`.

    A tie cuts regions of the network in pieces; pieces that only ties of the last layer set apart
    are counted once. In R^d and among codes these are the different codes of the layers before,
    elsewhere the cells that hang together across ties. Raises InvalidInput for partitions of
    networks that do not end in ties.

    >>> from exact.instruments.decision.ties import tied
    >>> from exact import RealSpace, partition
    >>> from exact.sources import tensors
    >>> both = tensors.mlp([([[1], [-1]], [0, 0]), ([[2, 0], [0, 1]], [0, 1])])
    >>> found = partition(tied(both), RealSpace(1))
    >>> len(found), count_without_ties(found)
    (3, 2)
    """
    _check_ties(found.network)
    own = found.bits[:, : found.network.hinge_count - found.network.layers[-1].width]
    codes, place = np.unique(np.packbits(own, axis=1), axis=0, return_inverse=True)
    if not found.codes_repeat:
        return len(codes)
    place = place.reshape(-1)
    pieces: nx.Graph[int] = nx.Graph()
    pieces.add_nodes_from(range(len(found)))
    pieces.add_edges_from((a, b) for a, b in found.neighbours().tolist() if place[a] == place[b])
    return int(nx.number_connected_components(pieces))


def _check_ties(network: Network) -> None:
    """InvalidInput unless the last block is one layer of absolute values of differences, or of the
    only output.
    """
    block, layer = network.blocks[-1], network.layers[-1]
    plain = (
        len(block.layers) == 1
        and block.norm is None
        and not block.residual
        and isinstance(layer.activation, AbsoluteValue)
    )
    one = [Fraction(1)]
    rows = layer.weight.tolist() if plain and layer.input_dim * layer.width <= _MOST_TIES else []
    differences = all(sorted(x for x in row if x) == [-1, 1] for row in rows) or rows == [one]
    if not rows or not differences or any(layer.bias.column()):
        raise InvalidInput(
            "the network does not end in ties of its outputs",
            value=f"last layer {layer.shape}",
            remedy="partition tied(network)",
        )


def _all_pairs(outputs: int) -> list[Pair]:
    return [(later, earlier) for later in range(outputs) for earlier in range(later)]


def _differences(outputs: int, pairs: Sequence[Pair]) -> list[list[int]]:
    """The rows of output_a - output_b; of a single output the output itself."""
    if outputs == 1 and not pairs:
        return [[1]]
    valid = [
        len(pair) == 2 and pair[0] != pair[1] and all(0 <= k < outputs for k in pair)
        for pair in pairs
    ]
    if not pairs or not all(valid):
        raise InvalidInput(
            "no two outputs to tie",
            value=list(pairs),
            remedy=f"give pairs of different outputs 0 .. {outputs - 1}",
        )
    return [[int(k == a) - int(k == b) for k in range(outputs)] for a, b in pairs]


def _outputs(network: Network) -> int:
    """The number of outputs that the last layer compares; InvalidInput unless it compares all pairs
    as `tied` does.
    """
    layer = network.layers[-1]
    outputs = layer.input_dim
    expected = RationalMatrix.from_rationals(_differences(outputs, _all_pairs(outputs)))
    if layer.weight != expected or not isinstance(layer.activation, AbsoluteValue):
        raise InvalidInput(
            "the network does not end in the ties of all its outputs",
            value=f"last layer {layer.shape}",
            remedy="partition tied(network)",
        )
    return outputs
