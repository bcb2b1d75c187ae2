"""How the affine map changes between two codes: which hinges flip, and the rank and size of it.

Behind a norm maps are compared as functions of y = sqrt(n) P x / r: `A P` with gain and bias folded
in, so the part of A that P kills plays no role.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.arithmetic.linear_algebra import rank, rows_of
from exact.arithmetic.numbers import FloatArray, RationalMatrix
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.combinatorics.codes import Hinge, SplineCode
from exact.geometry.combinatorics.tables import Columns, Tabular
from exact.networks.network import Network


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class MapChange(Tabular):
    """`matrix` (out x n) and `offset` (out x 1) are the second map minus the first, exactly;
    `flipped` are the hinges in which the codes differ.
    """

    matrix: RationalMatrix
    offset: RationalMatrix
    flipped: tuple[Hinge, ...]

    @property
    def rank(self) -> int:
        """The rank of the matrix over the rationals."""
        return rank(rows_of(self.matrix.exact))

    @property
    def singular_values_float(self) -> FloatArray:
        """The singular values, from the largest, as LAPACK finds them in float64."""
        return np.asarray(np.linalg.svd(self.matrix.float64(), compute_uv=False))

    def columns(self) -> Columns:
        """The hinges that flip: layer, neuron, breakpoint."""
        hinges = np.array([tuple(h) for h in self.flipped], dtype=np.int64).reshape(-1, 3)
        return {"layer": hinges[:, 0], "neuron": hinges[:, 1], "breakpoint": hinges[:, 2]}


@in_ieee_floats
def map_change(network: Network, code_a: SplineCode, code_b: SplineCode) -> MapChange:
    """The map on the region of code_b minus that on the region of code_a.

    In one layer each flip adds one outer product, so the rank is at most the number of flips.
    Raises InvalidInput where the codes do not belong to the network.

    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 2]], [0])])
    >>> found = map_change(net, net.code([1, 1]), net.code([1, -1]))
    >>> found.flipped, str(found.matrix), found.rank, found.singular_values_float.tolist()
    ((Hinge(layer=1, neuron=1, breakpoint=0),), '[[0, -2]]', 1, [2.0])
    """
    first, second = network.affine_map(code_a), network.affine_map(code_b)
    flips = np.flatnonzero(code_a.bits != code_b.bits).tolist()
    return MapChange(
        RationalMatrix.from_backend(second.matrix.exact - first.matrix.exact),
        RationalMatrix.from_backend(second.offset.exact - first.offset.exact),
        tuple(network.hinges[k] for k in flips),
    )
