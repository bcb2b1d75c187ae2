"""Which face bounds which, as rows of a sparse matrix."""

from __future__ import annotations

from dataclasses import dataclass

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
