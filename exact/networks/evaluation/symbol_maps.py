"""The affine maps of networks whose codes have symbols of several values, code by code in exact
arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    nearest_floats,
    rounding_error,
)
from exact.geometry.combinatorics.codes import SplineCode, widths_of
from exact.networks.network import Network


class SymbolMaps:
    """The maps of a network without norms on its codes, over the functions in which `state` (inputs
    x k) are its inputs and `one` (k) is the constant 1. Cost: an exact walk a code.
    """

    def __init__(self, network: Network, state: RationalArray, one: Sequence[Rational]) -> None:
        self._network, self._state, self._one = network, state, tuple(one)
        self._layout = network.bits_per_layer, widths_of(network.symbols)
        self._exact = lru_cache(maxsize=1024)(self._walked)

    def _walked(self, packed: bytes) -> RationalArray:
        code = SplineCode(packed, *self._layout)
        return self._network.propagate_code(self._state, code, self._one)

    def floats(self, codes: ByteArray) -> tuple[FloatArray, FloatArray]:
        """The maps of packed codes (R x bytes) as the nearest floats (R x outputs x k), and bounds
        on the error of every coefficient.
        """
        shape = len(codes), self._network.output_dim, len(self._one)
        rows = [nearest_floats(self._exact(code.tobytes()).entries()) for code in codes]
        maps: FloatArray = np.array(rows).reshape(shape)
        return maps, rounding_error(maps)

    def classes(self, codes: ByteArray) -> IndexArray:
        """A number for every code, the same iff the maps are equal; numbered by first places."""
        seen = dict[tuple[Rational, ...], int]()
        keys = (tuple(self._exact(code.tobytes()).entries()) for code in codes)
        return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64)
