"""Enclosures of the affine forms that a layer's neurons are on regions of the layers before, in
float64.

A region of layer l is known by the region of layer l - 1 that it lies in and by its bits there. The
pre-activations of a layer are affine on a region of the layers before, so one map serves all
regions that differ in that layer only; of the next layer only those rows are made that may cut a
region. Error bounds are Frobenius norms: `|W|_2 e` plus rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exact.arithmetic.enclosures.affine_maps import UP, Affine, at_least, row_norms
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.numbers import FloatArray
from exact.geometry.budgets import Watch
from exact.geometry.workers import Workers
from exact.kernels.rows import masked_rows, rows_of_pairs
from exact.propagation.enclosures import Stage

IndexArray = np.ndarray[Any, Any]
_BLOCK = 2**21  # numbers in the maps of one block of regions


@dataclass
class Maps:
    """Affine maps (B x n x (d + 1)), the offset last; bounds on the Frobenius error of linear part
    and offset (B).

    `norms` are bounds on the norms of both parts, where they are known and `a` is left empty.
    """

    a: FloatArray
    linear: FloatArray
    offset: FloatArray
    norms: tuple[FloatArray, FloatArray] | None = None


class MapWalk:
    """The affine forms of hidden layers on regions of the layers before, as floats with error
    bounds (CPU).

    Raises Stopped when `watch` is up.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        dim: int,
        watch: Watch | None = None,
        workers: Workers | None = None,
    ) -> None:
        self._stages, self._dim, self._watch = stages, dim, watch
        self._workers = Workers() if workers is None else workers
        self._parents: list[IndexArray] = []
        self._bits: list[IndexArray] = []

    def enter(self, parents: IndexArray, bits: IndexArray) -> None:
        """Register the regions in front of the next layer: the region of the last layer each lies
        in, and its bits there.
        """
        self._parents.append(parents)
        self._bits.append(bits)

    def states(self, layer: int, regions: IndexArray) -> tuple[Maps, list[Maps]]:
        """The input of hidden layer `layer` on the given regions, as affine maps of the parameters;
        and open skips.
        """
        if layer == 0:
            d, count = self._dim, len(regions)
            start = np.zeros((count, d, d + 1))
            start[:, range(d), range(d)] = 1.0
            maps, skips = Maps(start, np.zeros(count), np.zeros(count)), []
        else:
            parents, index = np.unique(self._parents[layer - 1][regions], return_inverse=True)
            before, outer = self.states(layer - 1, parents)
            last = self._stages[layer - 1]
            maps = _bent(last, _mapped(last.last, before), index, self._bits[layer - 1][regions])
            skips = [Maps(m.a[index], m.linear[index], m.offset[index]) for m in outer]
        return self._stages[layer].through(maps, skips, _mapped, _map_sum), skips

    def rows(
        self, layer: int, regions: IndexArray, hinges: IndexArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The forms `z - breakpoint` of (region, hinge) pairs: rows (N x (d + 1)), bounds on the
        errors of a and of b.
        """
        last, bends, size = self._stages[layer].last, self._stages[layer].bends, self._dim + 1
        per = len(bends.breakpoints)
        known, index = self._by_parent(layer, regions)
        order = np.argsort(index, kind="stable")
        index, neurons = index[order], hinges[order] // per
        found, errors = np.empty((len(regions), size)), np.empty((2, len(regions)))
        block = max(1, _BLOCK // max(1, last.weight.shape[1] * size))

        def fill(start: int, stop: int) -> None:
            if self._watch is not None:
                self._watch.check()
            low, high = np.searchsorted(index, [start, stop])
            cells = index[low:high] - start
            maps = self._rows_of_block(
                layer, known[start:stop], cells, neurons[low:high], found[low:high]
            )
            errors[:, low:high] = _row_errors(last, maps, cells, neurons[low:high])

        self._workers.map(fill, self._workers.ranges(len(known), block))
        rows, (a_err, b_err) = np.empty_like(found), np.empty_like(errors)
        rows[order], a_err[order], b_err[order] = found, *errors
        if bends.breakpoints.any() or bends.breakpoint_errors.any():
            rows[:, -1] -= bends.breakpoints[hinges % per]
            b_err += np.abs(rows[:, -1]) * (2 * U) + bends.breakpoint_errors[hinges % per]
        return rows, a_err * UP, b_err * UP

    def _by_parent(self, layer: int, regions: IndexArray) -> tuple[IndexArray, IndexArray]:
        """The different regions, those of one parent together, so that blocks share maps; the place
        of each given one.
        """
        known = np.unique(regions)
        if layer > 0:
            known = known[np.argsort(self._parents[layer - 1][known], kind="stable")]
        places = np.zeros(int(known.max(initial=-1)) + 1, np.int64)
        places[known] = np.arange(len(known))
        return known, places[regions]

    def _rows_of_block(
        self, layer: int, regions: IndexArray, cells: Any, neurons: Any, out: FloatArray
    ) -> Maps:
        """Fill `out` with forms w_j . state of (region, neuron) pairs; returns maps whose norms
        bound those of the states.
        """
        stage = self._stages[layer]
        weight, bias = stage.last.weight, stage.last.bias
        if layer == 0 or stage.steps or not self._stages[layer - 1].bends.is_relu:
            maps, _ = self.states(layer, regions)
            rows_of_pairs(weight, bias, np.ascontiguousarray(maps.a), cells, neurons, out)
            return maps
        parents, back = np.unique(self._parents[layer - 1][regions], return_inverse=True)
        before, _ = self.states(layer - 1, parents)
        maps = _mapped(self._stages[layer - 1].last, before)
        bits, (norm_a, norm_b) = self._bits[layer - 1][regions], _norms(maps)
        a = np.ascontiguousarray(maps.a)
        masked_rows(weight, bias, a, back, bits, cells, neurons, out)
        return Maps(maps.a[:0], maps.linear[back], maps.offset[back], (norm_a[back], norm_b[back]))


def _row_errors(op: Affine, maps: Maps, cells: Any, neurons: Any) -> tuple[FloatArray, FloatArray]:
    norm_a, norm_b = _norms(maps)
    gamma, rows, slack = op.gamma, op.row_norms[neurons], op.row_errors[neurons]
    linear, offset = maps.linear[cells], maps.offset[cells]
    norm_a, norm_b = norm_a[cells], norm_b[cells]
    with np.errstate(over="ignore", invalid="ignore"):  # infinite bounds decide nothing
        a_err = rows * (linear + gamma * norm_a) + slack * (norm_a + linear)
        b_err = rows * (offset + gamma * norm_b) + slack * (norm_b + offset)
        b_err += gamma * np.abs(op.bias[neurons]) + op.bias_errors[neurons]
        return a_err, b_err


def _norms(maps: Maps) -> tuple[FloatArray, FloatArray]:
    """Bounds on the norms of linear part and offset."""
    if maps.norms is not None:
        return maps.norms
    count, n, k = maps.a.shape
    linear = maps.a[:, :, :-1].reshape(count, n * (k - 1))
    return row_norms(linear), row_norms(maps.a[:, :, -1])


def _mapped(op: Affine, maps: Maps) -> Maps:
    norm_a, norm_b = _norms(maps)
    count, n, k = maps.a.shape
    product = op.weight @ maps.a.transpose(1, 0, 2).reshape(n, count * k)
    a = product.reshape(len(op.weight), count, k).transpose(1, 0, 2)
    a[:, :, -1] += op.bias
    linear = (
        op.spectral * maps.linear
        + op.gamma * op.frobenius * norm_a
        + op.weight_slack * (norm_a + maps.linear)
    )
    offset = op.spectral * maps.offset + op.gamma * (op.frobenius * norm_b + op.bias_norm)
    offset = offset + op.weight_slack * (norm_b + maps.offset) + op.bias_slack
    return Maps(a, at_least(linear * UP), at_least(offset * UP))


def _bent(stage: Stage, maps: Maps, index: IndexArray, bits: IndexArray) -> Maps:
    """The activation on the pieces that bits choose, for children of the regions of `maps`."""
    bends, per = stage.bends, len(stage.bends.breakpoints)
    piece = bits.reshape(len(bits), -1, per).sum(axis=2)
    a = maps.a[index] * bends.slopes[piece][:, :, None]
    linear, offset = maps.linear[index] * bends.steepest, maps.offset[index] * bends.steepest
    if not bends.is_relu:
        a[:, :, -1] += bends.intercepts[piece]
        norm_a, norm_b = _norms(Maps(a, linear, offset))
        before_a, before_b = (norm[index] for norm in _norms(maps))
        linear = linear + norm_a * (2 * U) + before_a * bends.slope_slack
        offset = offset + (norm_b + bends.highest * a.shape[1]) * (4 * U)
        offset = offset + before_b * bends.slope_slack + bends.intercept_slack * a.shape[1]
    return Maps(a, linear * UP, offset * UP)


def _map_sum(a: Maps, b: Maps) -> Maps:
    total = a.a + b.a
    norm_a, norm_b = _norms(Maps(total, a.linear, a.offset))
    return Maps(
        total,
        (a.linear + b.linear + norm_a * (2 * U)) * UP,
        (a.offset + b.offset + norm_b * (2 * U)) * UP,
    )
