"""What every engine returns whatever the kind of region: how it ended, and codes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray


class Outcome(Enum):
    """How an enumeration ended. Has no truth value: compare with `is`.

    >>> from exact import Outcome, RealSpace, partition
    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, -1]], [0])])
    >>> partition(net, RealSpace(2)).outcome is Outcome.COMPLETE
    True
    """

    COMPLETE = "complete"
    BUDGET_REACHED = "budget reached"
    UNDECIDED = "undecided"

    def __bool__(self) -> bool:
        raise TypeError(
            "an Outcome has no truth value; got bool(outcome); write outcome is Outcome.COMPLETE"
        )


class Cells(ABC):
    """The cells of one kind that an engine found, as arrays in its own order; what is costly is
    made when asked for.

    `evidence` says how the outcome is known; `decisions` counts what settled the questions on the
    way ("filter", "exact", ...).
    """

    outcome: Outcome
    evidence: str
    decisions: Mapping[str, int]

    @abstractmethod
    def __len__(self) -> int:
        """The number of cells, or of codes where a code may own several."""


def packed(bits: Sequence[Sequence[bool]] | BitArray, hinges: int) -> ByteArray:
    """The codes of R regions, given as R rows of bits, bit-packed."""
    return np.packbits(np.array(bits, dtype=bool).reshape(len(bits), hinges), axis=1)
