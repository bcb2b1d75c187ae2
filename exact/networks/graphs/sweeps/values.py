"""Values of a network along a stretch: forms at its start and what events add to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.kernels.sweeps import Records

_UP = 1.0 + 2.0**-30


@dataclass(frozen=True)
class Value:
    """Entries as functions of a parameter from 0 to 1: `ends` (2 x n) at the start, within `off`,
    and what happens later. `alive` says which are no constant zeros by construction at the start.
    `marks` (3 x n): entries with the same first one are one function, with the same second or third
    one they are equal at the start, or at the end.
    """

    ends: FloatArray
    off: FloatArray
    alive: BitArray
    records: Records
    marks: IndexArray

    @cached_property
    def ever(self) -> BitArray:
        """Which entries are anything but a constant zero somewhere."""
        found = self.alive.copy()
        found[self.records.entry] = True
        return found

    @property
    def size(self) -> int:
        """The number of entries."""
        return len(self.off)


def nothing_happens() -> Records:
    """No record."""
    floats, signs, numbers = np.zeros(0), np.zeros(0, np.int8), np.zeros(0, np.int64)
    starts = np.zeros(1, np.int64)
    return Records(numbers, starts, numbers, floats, floats, floats, signs, signs)


def side_by_side(values: Sequence[Value], rank: IndexArray) -> Value:
    """Several values as one, one behind the other; `rank` orders events."""
    shifts = np.cumsum([0, *(value.size for value in values)])
    given = [value.records for value in values]
    events = np.concatenate([own.events for own in given])
    sizes = np.concatenate([np.diff(own.starts) for own in given])
    begins = np.concatenate([[0], np.cumsum(sizes)])
    order = np.argsort(rank[events], kind="stable")
    # the numbers of all records, group by group in the new order
    lengths = sizes[order]
    ends = np.cumsum(lengths)
    places = np.repeat(begins[:-1][order] - (ends - lengths), lengths) + np.arange(
        int(lengths.sum())
    )
    entry = np.concatenate([own.entry + k for own, k in zip(given, shifts, strict=False)])[places]
    kept = events[order]
    first_of = np.ones(len(kept), bool)
    first_of[1:] = kept[1:] != kept[:-1]
    starts = np.append((ends - lengths)[first_of], len(places))
    columns = (
        np.concatenate([getattr(own, name) for own in given])[places]
        for name in ("first", "last", "off", "change", "zero")
    )
    return Value(
        np.hstack([value.ends for value in values]),
        np.concatenate([value.off for value in values]),
        np.concatenate([value.alive for value in values]),
        Records(kept[first_of], starts, entry, *columns),
        np.hstack([value.marks for value in values]),
    )
