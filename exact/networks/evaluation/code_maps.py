"""The affine maps of a network on many codes at once, in float64 with proved bounds, and which of
them are equal.

A map is a matrix of coefficients over a basis of functions (parameters and what stands for the
constant 1): the network's output on the columns of its input. A layer moves a column that is off by
e, in the 2-norm, to one that is off by at most `|W|_2 e` plus the rounding of the product; an
activation stretches that by at most its largest slope. Codes that agree in their first layers share
the work there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.enclosures.affine_maps import UP, Affine, at_least, row_norms
from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    RationalMatrix,
    nearest_floats,
    rounding_error,
)
from exact.geometry.combinatorics.codes import code_keys
from exact.geometry.combinatorics.dual_graph import numbered_by_appearance
from exact.networks.evaluation.code_blocks import (
    CodeBlock,
    Level,
    blocks,
    pieces_of,
    relevant_bits,
    through,
)
from exact.networks.evaluation.code_residues import Residues
from exact.networks.layers import Layer
from exact.networks.network import Network

_BLOCK = 2**19  # numbers that a layer writes for one block of codes
_WHOLE = 2**14  # codes in a block, at most


@dataclass
class _Columns:
    """Columns (n x G x k) for G groups of codes, and bounds on the 2-norm of the error of each (G x
    k); `entries` bounds every entry (n x G x k) where that is known better.
    """

    a: FloatArray
    error: FloatArray
    entries: FloatArray | None = None


class CodeMaps:
    """The maps of a network without norms on its codes, over the functions in which `state` (inputs
    x k) are its inputs and `one` (k) is the constant 1.

    >>> import numpy as np
    >>> from exact.arithmetic.linear_algebra import matrix
    >>> from exact.arithmetic.numbers import Rational
    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1], [-1]], [0, 0]), ([[1, 1]], [3])])
    >>> state = matrix([[Rational(1), Rational(0)]], 2)
    >>> maps = CodeMaps(net, state, [Rational(0), Rational(1)])
    >>> codes = np.packbits([[0, 0], [0, 1], [1, 0]], axis=1)
    >>> maps.floats(codes)[0].tolist(), maps.classes(codes).tolist()
    ([[[0.0, 3.0]], [[-1.0, 3.0]], [[1.0, 3.0]]], [0, 1, 2])
    """

    def __init__(self, network: Network, state: RationalArray, one: Sequence[Rational]) -> None:
        network.require_piecewise_linear()
        network.require_bits("maps of codes")
        self._network, self._state, self._one = network, state, tuple(one)
        self._sizes = network.bits_per_layer
        self._affine = lru_cache(maxsize=None)(_affine_of)
        self._slopes = lru_cache(maxsize=None)(_Slopes.of)

    def exact(self, code: ByteArray) -> RationalArray:
        """The map of one packed code."""
        bits = np.unpackbits(code, count=sum(self._sizes)).astype(bool)
        ends = np.cumsum((0, *self._sizes))
        return self._network.propagate(
            self._state, self._one, lambda layer, _: bits[ends[layer] : ends[layer + 1]].tolist()
        )

    # ---- floats

    def floats(self, codes: ByteArray) -> tuple[FloatArray, FloatArray]:
        """The maps of packed codes (R x bytes) as floats (R x outputs x k), and bounds on the error
        of every coefficient; exact ones, rounded, where the bounds overflow.
        """
        shape = len(codes), self._network.output_dim, len(self._one)
        maps, bounds = np.empty(shape), np.empty(shape)
        with one_thread():
            for rows, block in blocks(codes, self._sizes, self._most):
                maps[rows], bounds[rows] = self._enclosed(block)
        for row in np.flatnonzero(~np.isfinite(bounds + maps).all(axis=(1, 2))).tolist():
            maps[row] = nearest_floats(self.exact(codes[row]).entries()).reshape(shape[1:])
            bounds[row] = rounding_error(maps[row])
        return maps, bounds

    @property
    def _most(self) -> int:
        widths = (does.width for does, *_ in self._network.steps if isinstance(does, Layer))
        widest = max(self._network.input_dim, *widths) * len(self._one)
        return min(_WHOLE, max(16, _BLOCK // max(1, widest)))

    def _enclosed(self, block: CodeBlock) -> tuple[FloatArray, FloatArray]:
        found = through(
            self._network.steps, self._start, block, self._moved, self._bent, _taken, _added
        )
        entries = np.broadcast_to(found.error, found.a.shape)
        if found.entries is not None:
            entries = found.entries
        return found.a.transpose(1, 0, 2), entries.transpose(1, 0, 2)

    @cached_property
    def _start(self) -> _Columns:
        values = RationalMatrix.from_backend(self._state)
        return _Columns(values.float64()[:, None, :], row_norms(_error(values).T)[None])

    @cached_property
    def _unit(self) -> tuple[FloatArray, FloatArray]:
        """The constant 1 as floats, and bounds on their errors."""
        values = RationalMatrix.from_rationals([list(self._one)])
        return values.float64()[0], _error(values)[0]

    def _moved(self, layer: Layer, x: _Columns) -> _Columns:
        op, (one, slack) = self._affine(layer), self._unit
        n, groups, k = x.a.shape
        z = (op.weight @ x.a.reshape(n, groups * k)).reshape(len(op.weight), groups, k)
        z += op.bias[:, None, None] * one
        norm = row_norms(x.a.reshape(n, groups * k).T).reshape(groups, k)
        size = norm + x.error
        offset = op.gamma * op.bias_norm + op.bias_slack
        error = op.spectral * x.error + op.gamma * op.frobenius * norm + op.weight_slack * size
        error = at_least((error + offset * np.abs(one) + op.bias_norm * slack) * UP)
        if layer.bits:
            return _Columns(z, error)
        own = op.row_norms[:, None, None] * (x.error + op.gamma * norm)
        own = own + op.row_errors[:, None, None] * size
        own = own + (np.abs(op.bias) * op.gamma + op.bias_errors)[:, None, None] * np.abs(one)
        own = own + np.abs(op.bias)[:, None, None] * slack
        return _Columns(z, error, np.minimum(at_least(own * UP), error))

    def _bent(self, layer: Layer, z: _Columns, level: Level) -> _Columns:
        bends, parents = self._slopes(layer), level.parents
        pieces = pieces_of(layer, level.bits)
        slopes = bends.slopes[pieces.T]
        before = z.a[:, parents]
        a, error = before * slopes[:, :, None], z.error[parents] * bends.steepest
        if not bends.is_exact:
            n, groups, k = before.shape
            one, slack = self._unit
            a += bends.intercepts[pieces.T][:, :, None] * one
            both = row_norms(before.reshape(n, groups * k).T).reshape(groups, k)
            most = n * (np.abs(one) + slack)
            error = error + both * (bends.steepest * (2 * U) + bends.slope_slack)
            error = error + most * (bends.highest * (4 * U) + bends.intercept_slack)
            error = error + n * bends.highest * slack + z.error[parents] * bends.slope_slack
            error = error + row_norms(a.reshape(n, groups * k).T).reshape(groups, k) * (2 * U)
        silent = bends.silent[pieces].all(axis=1, keepdims=True)
        return _Columns(a, np.where(silent, 0.0, at_least(error * UP)))

    # ---- which are equal

    def classes(self, codes: ByteArray) -> IndexArray:
        """A number for every packed code (R x bytes), the same for two of them iff their maps are
        equal; numbered by first appearance.

        Codes with different fingerprints have different maps, and codes that agree in the bits that
        count have equal ones; what is left is decided modulo as many primes as prove it, or where
        these are too many by exact maps. Cost: a product of one column for each of two primes, and
        of k columns a prime for what is left.
        """
        with one_thread():
            keys = self._residues.fingerprints(codes)
        _, found, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        found = found.reshape(-1)
        rows = np.flatnonzero(sizes[found] > 1)
        names = code_keys(
            np.concatenate(
                [found[rows, None].astype(">i8").view(np.uint8), self._relevant(codes[rows])],
                axis=1,
            )
        )
        _, first, parts = np.unique(names, return_index=True, return_inverse=True)
        labels = found.copy()
        apart = self._told_apart(codes[rows[first]], found[rows[first]])
        labels[rows] = len(sizes) + apart[parts.reshape(-1)]
        return numbered_by_appearance(labels)

    def _relevant(self, codes: ByteArray) -> ByteArray:
        """The packed codes with the bits cleared that do not count."""
        found = np.empty_like(codes)
        for rows, _ in blocks(codes, (), _WHOLE):
            found[rows] = np.packbits(relevant_bits(self._network.steps, codes[rows]), axis=1)
        return found

    def _told_apart(self, codes: ByteArray, keys: IndexArray) -> IndexArray:
        """Numbers for codes that are equal iff the maps are, which differ where the keys do."""
        _, back, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        shared, numbers = np.flatnonzero(sizes[back.reshape(-1)] > 1), np.arange(len(codes))
        if not len(shared):
            return numbers
        with one_thread():
            found = self._residues.refined(codes[shared], keys[shared])
        if found is None:
            maps = [tuple(self.exact(code).entries()) for code in codes[shared]]
            seen: dict[tuple[Rational, ...], int] = {}
            found = np.array([seen.setdefault(entries, len(seen)) for entries in maps])
        numbers[shared] = len(codes) + numbered_by_appearance(found)
        return numbers

    @cached_property
    def _residues(self) -> Residues:
        return Residues(self._network, self._state, self._one, self._most)


@dataclass(frozen=True)
class _Slopes:
    """The pieces of an activation in float64, bounds on their sizes and on their rounding, and
    which of them are zero.
    """

    slopes: FloatArray
    intercepts: FloatArray
    silent: BitArray
    steepest: float
    highest: float
    slope_slack: float
    intercept_slack: float

    @classmethod
    def of(cls, layer: Layer) -> _Slopes:
        """Those of a layer."""
        slopes, intercepts = (
            RationalMatrix.from_rationals(list(column))
            for column in zip(*layer.activation.pieces, strict=True)
        )
        (a, a_slack), (b, b_slack) = (
            (values.float64()[:, 0], float(_error(values).max())) for values in (slopes, intercepts)
        )
        silent = np.array([not any(piece) for piece in layer.activation.pieces])
        steepest, highest = (
            (float(np.abs(x).max()) + slack) * UP for x, slack in ((a, a_slack), (b, b_slack))
        )
        return cls(a, b, silent, steepest, highest, a_slack, b_slack)

    @property
    def is_exact(self) -> bool:
        """Whether no value is rounded: slopes are 0, 1 or -1, and intercepts 0."""
        return bool(np.isin(self.slopes, (-1.0, 0.0, 1.0)).all()) and self.highest == 0.0


def _affine_of(layer: Layer) -> Affine:
    straight = layer if layer.bits else layer.as_affine
    return Affine.of(straight.weight, straight.bias)


def _error(values: RationalMatrix) -> FloatArray:
    """Bounds on the rounding of a matrix."""
    return np.zeros(values.shape) if values.is_float else values.float64_error()


def _taken(x: _Columns, index: IndexArray) -> _Columns:
    entries = None if x.entries is None else x.entries[:, index]
    return _Columns(x.a[:, index], x.error[index], entries)


def _added(x: _Columns, y: _Columns) -> _Columns:
    total = x.a + y.a
    n, groups, k = total.shape
    norm = row_norms(total.reshape(n, groups * k).T).reshape(groups, k)
    return _Columns(total, (x.error + y.error + norm * (2 * U)) * UP)
