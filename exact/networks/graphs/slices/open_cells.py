"""What the undecided neurons and windows of a patch do on a cell of it: affine forms of a few
coefficients, with bounds, for many cells at once.

A form is over the patch's basis; its bound is on the sum of the distances of its coefficients from
the exact ones, each times the size of its basis function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.roundoff import LEAST, U
from exact.arithmetic.numbers import FloatArray
from exact.networks.graphs.slices.patches import Bend, Choice, Patch

_UP = 1.0 + 2.0**-30
DEAD, ALIVE, UNKNOWN = 0, 1, 2


@dataclass(frozen=True)
class OpenCell:
    """The variables on a cell so far (variables x basis), within `lost`; what every unit is: dead,
    alive or unknown; and what was decided at every stage: bits (neurons x bends) or symbols.
    """

    variables: FloatArray
    lost: FloatArray
    life: np.ndarray[Any, np.dtype[np.int8]]
    taken: tuple[IndexArray, ...] = ()

    @classmethod
    def of(cls, patch: Patch) -> OpenCell:
        """The whole patch, in front of its first stage."""
        count = patch.variables
        return cls(
            np.zeros((count, patch.basis)), np.zeros(count), np.full(patch.units, UNKNOWN, np.int8)
        )

    @property
    def finished(self) -> OpenCell:
        """What is left of a cell behind the last stage: what was decided."""
        return OpenCell(np.zeros((0, 0)), np.zeros(0), np.zeros(0, np.int8), self.taken)


@dataclass(frozen=True)
class Forms:
    """Forms of the units of a stage on each of some cells: `rows` (cells x units [x candidates] x
    basis) within `off` (cells x units [x candidates]); `life` is that of candidates.
    """

    rows: FloatArray
    off: FloatArray
    life: np.ndarray[Any, np.dtype[np.int8]] | None = None


def forms_at(patch: Patch, stage: Bend | Choice, cells: Sequence[OpenCell]) -> Forms:
    """The pre-activations of a stage's neurons, or the candidates of its windows, on some cells."""
    shape, k = stage.rows.shape[:-1], patch.basis
    count = stage.rows.shape[-1] - k
    values = np.stack([cell.variables[:count] for cell in cells])
    lost = np.stack([cell.lost[:count] for cell in cells])
    rows, heft = (x.reshape(-1, k + count) for x in (stage.rows, stage.heft))
    sizes = np.abs(values) @ patch.sizes + lost
    side_by_side = values.transpose(1, 0, 2).reshape(count, len(cells) * k)
    found = (rows[:, k:] @ side_by_side).reshape(len(rows), len(cells), k) + rows[:, None, :k]
    weight = (heft[:, :k] @ patch.sizes)[:, None] + heft[:, k:] @ sizes.T
    share = stage.share + (2 * count + 2 * k + 16) * U
    off = (share * weight + np.abs(rows[:, k:]) @ lost.T) * _UP + LEAST * (weight > 0)
    found = found.transpose(1, 0, 2).reshape(len(cells), *shape, k)
    bounds = off.T.reshape(len(cells), *shape)
    if isinstance(stage, Bend):
        return Forms(found, bounds)
    life = np.stack([_life(stage, cell) for cell in cells])
    found[life == DEAD], bounds[life == DEAD] = 0.0, 0.0
    return Forms(found, bounds, life)


def _life(stage: Choice, cell: OpenCell) -> np.ndarray[Any, np.dtype[np.int8]]:
    own = np.where(stage.sure, ALIVE, np.where(stage.alive, UNKNOWN, DEAD)).astype(np.int8)
    of_source = cell.life[np.maximum(stage.source, 0)] if len(cell.life) else own
    return np.where(stage.source >= 0, of_source, own).astype(np.int8)


def bent(
    patch: Patch, stage: Bend, cell: OpenCell, rows: FloatArray, off: FloatArray, bits: IndexArray
) -> OpenCell:
    """The cell behind a layer, by the bits (neurons x bends) of its open neurons there."""
    number = bits.sum(axis=1)
    slopes, shifts, flats, sames, all_shifted = stage.tables
    slope, shift, flat = slopes[number], shifts[number], flats[number]
    same, shifted = sames[number], all_shifted[number]
    found = np.where(flat[:, None], 0.0, rows * slope[:, None]) + np.outer(shift, patch.one)
    size = np.abs(rows) @ patch.sizes * np.abs(slope)
    size += np.abs(shift) * float(np.abs(patch.one) @ patch.sizes)
    bounds = (np.abs(slope) * off + 8 * U * size) * _UP
    bounds = np.where(same, off, np.where(flat & ~shifted, 0.0, bounds))
    life = np.where(shifted | ~flat & stage.sure, ALIVE, np.where(flat, DEAD, UNKNOWN))
    return _behind(
        cell, stage.first_variable + np.arange(len(bits)), found, bounds, stage, life, bits
    )


def chosen(
    patch: Patch,
    stage: Choice,
    cell: OpenCell,
    rows: FloatArray,
    off: FloatArray,
    winners: IndexArray,
) -> OpenCell:
    """The cell behind a maximum, by the candidates that win in its open windows there, -1 for
    none.
    """
    every = np.arange(len(winners))
    is_none = winners < 0
    at = np.where(is_none, 0, winners)
    gap = np.where(is_none[:, None], 0.0, rows[every, at]) - rows[every, stage.base]
    size = off[every, stage.base] + np.where(is_none, 0.0, off[every, at])
    # the difference of floats: a rounding of each coefficient
    bounds = (size + 2 * U * (np.abs(gap) @ patch.sizes)) * _UP
    same = ~is_none & (at == stage.base) | is_none & (off[every, stage.base] == 0.0)
    gap, bounds = np.where(same[:, None], 0.0, gap), np.where(same, 0.0, bounds)
    symbols = np.where(is_none, 0, stage.candidates[every, at])
    many = stage.variables >= 0
    life = np.where(is_none, DEAD, ALIVE)
    return _behind(cell, stage.variables[many], gap[many], bounds[many], stage, life, symbols)


def _behind(
    cell: OpenCell,
    places: IndexArray,
    rows: FloatArray,
    bounds: FloatArray,
    stage: Bend | Choice,
    life: np.ndarray[Any, Any],
    taken: IndexArray,
) -> OpenCell:
    variables, lost, lives = cell.variables.copy(), cell.lost.copy(), cell.life.copy()
    variables[places], lost[places] = rows, bounds
    lives[stage.first_unit : stage.first_unit + len(life)] = life
    return replace(cell, variables=variables, lost=lost, life=lives, taken=(*cell.taken, taken))


def bits_of(stage: Bend | Choice, taken: IndexArray) -> BitArray:
    """The bits of the whole step, those of the patch with those that were taken on a cell."""
    bits = stage.template.copy()
    if isinstance(stage, Bend):
        bits.reshape(stage.layer.width, -1)[stage.places] = taken
    else:
        stage.does.write(bits, stage.places, taken)
    return bits
