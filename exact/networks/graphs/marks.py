"""Which entries of a value are one function because they are made of the same in the same way.

An image with a constant background gives windows of equal inputs all over, which floats cannot
tell to be equal: here it is known without a number. Marks are compared within one value; -1 is
zero.
"""

from __future__ import annotations

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import Rational, RationalMatrix
from exact.networks.graphs.convolutions import Convolution
from exact.networks.graphs.rearrangements import Placement, Scaling, Selection
from exact.networks.operators import LinearOperator

_MIXER = 0x2545F4914F6CDD1D  # odd, with bits all over


def classes(*marks: IndexArray) -> IndexArray:
    """A number for every entry, the same where all its marks are.

    Entries are sorted by a hash of their marks, which sorts one number for each; where it is the
    same for different ones, all marks are sorted.
    """
    rows = np.stack([mark.astype(np.int64) for mark in marks], axis=1)
    factors = np.random.default_rng(0).integers(1 << 62, size=rows.shape[1], dtype=np.int64) * 2 + 1
    mixed = (rows ^ (rows >> 29)) * np.int64(_MIXER)
    hashes = ((mixed ^ (mixed >> 32)) * factors).sum(axis=1)
    _, first, found = np.unique(hashes, return_index=True, return_inverse=True)
    if not np.array_equal(rows[first][found], rows):
        found = np.unique(rows, axis=0, return_inverse=True)[1]
    numbers: IndexArray = found.reshape(-1)
    return numbers


def numbered(matrix: RationalMatrix) -> IndexArray:
    """A number for every entry of a column, the same for equal ones."""
    if matrix.is_float:
        return np.unique(matrix.float64()[:, 0], return_inverse=True)[1].reshape(-1)
    seen = dict[Rational, int]()
    return np.array([seen.setdefault(x, len(seen)) for x in matrix.column()], dtype=np.int64)


def marks_behind(operator: LinearOperator, same: IndexArray) -> IndexArray:
    """The marks of an operator's outputs: equal where it does the same to the same."""
    if isinstance(operator, Selection):
        return same[operator.places]
    if isinstance(operator, Placement):
        found = np.full(operator.shape[0], -1, np.int64)
        found[operator.places] = same
        return found
    if isinstance(operator, Scaling):
        return classes(same, numbered(operator.factors))
    if not isinstance(operator, Convolution):
        return np.arange(operator.shape[0])
    image, places = same.reshape(operator.channels, -1), operator.taps.places
    read = np.where(places >= 0, image[:, places], -1)  # channels x positions x taps
    each = operator.weight.shape[0] // operator.groups
    groups = read.reshape(operator.groups, -1, *read.shape[1:]).transpose(0, 2, 1, 3)
    marks = [classes(*group.reshape(len(places), -1).T) for group in groups]
    wide = np.repeat(np.stack(marks), each, axis=0)  # a row for each output channel
    return (wide + np.arange(len(wide))[:, None] * (len(places) + 1)).reshape(-1)
