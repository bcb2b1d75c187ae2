"""Where the decision of a network changes along lines, exactly: ties of its outputs are breakpoints
of `tied(network)`, and cells between them have a class each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exact import LineBatch, Network, partition_lines
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.instruments.decision.ties import classes, tied
from exact.regions.arcs.lines.batches import Kind


@dataclass(frozen=True, eq=False)
class Walk:
    """Lines through a network: all that they cross, and where the class changes.

    Crossing k is on line `lines[k]` at parameter `places[k]`, of hinge `hinges[k]` of the network
    itself. Change k is on line `changed[k]` at `changes[k]`, from class `before[k]` to `after[k]`.
    Both are in the order of lines, and on each in the order of parameters; these are float64, the
    order is exact.
    """

    lines: IndexArray
    places: FloatArray
    hinges: IndexArray
    changed: IndexArray
    changes: FloatArray
    before: IndexArray
    after: IndexArray


def walk(network: Network, p: FloatArray, q: FloatArray, kind: Kind = "segment") -> Walk:
    """Segments from rows of p to rows of q, or rays from p along q. Cost: one batch of lines, and a
    pass over the cells of each line where the class may change.
    """
    batch = partition_lines(tied(network), p, q, kind=kind)
    line = np.repeat(np.arange(len(batch)), np.diff(batch.starts))
    rows = batch.rows.astype(np.int64)
    own = rows < network.hinge_count
    may = np.unique(line[~own]).tolist()
    found = [_changes(batch, place) for place in may]
    nowhere: list[np.ndarray] = [np.zeros(0), np.zeros(0), np.zeros(0)]
    t, before, after = (np.concatenate(part) for part in zip(nowhere, *found, strict=True))
    return Walk(
        line[own],
        ((batch.low + batch.high) / 2)[own],
        rows[own],
        np.repeat(np.array(may, dtype=np.int64), [len(one[0]) for one in found]),
        t,
        before.astype(np.int64),
        after.astype(np.int64),
    )


def _changes(batch: LineBatch, place: int) -> tuple[FloatArray, IndexArray, IndexArray]:
    """Where the class changes on one line, from which to which."""
    decided = classes(batch[place])
    cells = np.flatnonzero(np.diff(decided)) + 1
    events = batch.codes(place).starts[cells]
    return batch.alphas_float(place)[events], decided[cells - 1], decided[cells]


def from_origin(network: Network, rows: FloatArray) -> Walk:
    """The rays t x, t > 0, of rows that are not zero."""
    return walk(network, np.zeros_like(rows), rows, "ray")
