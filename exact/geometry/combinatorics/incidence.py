"""Which face bounds which, as rows of a sparse matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.texts.printing import short_repr


@short_repr
@dataclass(frozen=True)
class Incidence:
    """Rows of indices of different lengths (CSR): row i is `members[starts[i] : starts[i + 1]]`."""

    starts: IndexArray
    members: IndexArray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row(self, index: int) -> IndexArray:
        """The members of one row."""
        return self.members[self.starts[index] : self.starts[index + 1]]


def reordered(incidence: Incidence, order: IndexArray) -> Incidence:
    """The rows in another order: row k of the result is row `order[k]`."""
    lengths = np.diff(incidence.starts)[order]
    starts = _starts(lengths)
    shift = np.repeat(incidence.starts[order] - starts[:-1], lengths)
    return Incidence(starts, incidence.members[shift + np.arange(starts[-1])])


def _starts(lengths: IndexArray) -> IndexArray:
    """Where rows of these lengths start, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
