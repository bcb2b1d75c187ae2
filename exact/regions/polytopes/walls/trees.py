"""Trees of cells in which as few neurons of early layers flip as can be."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.errors import require


class Step(NamedTuple):
    """A cell of a tree, its level below the first one, and its parent, -1 for the first one."""

    cell: int
    level: int
    parent: int


def cells_of_tree(pairs: IndexArray, layers: IndexArray, count: int, first: int) -> Iterator[Step]:
    """All `count` cells in an order in which children follow their parents, from cell `first` on;
    between neighbours (`pairs`) lies a hinge of a layer. Cost: linear.

    A cell is joined by a hinge of as late a layer as can be (Prim).

    >>> import numpy as np
    >>> pairs, layers = np.array([[0, 1], [0, 2], [1, 2]]), np.array([1, 0, 1])
    >>> [tuple(step) for step in cells_of_tree(pairs, layers, 3, 0)]
    [(0, 0, -1), (1, 1, 0), (2, 2, 1)]
    """
    children = _children(pairs, layers, count, first)
    open_cells = [Step(first, 0, -1)]
    while open_cells:
        step = open_cells.pop()
        yield step
        level, cell = step.level + 1, step.cell
        open_cells += [Step(child, level, cell) for child in reversed(children[cell])]


def _children(pairs: IndexArray, layers: IndexArray, count: int, first: int) -> list[list[int]]:
    """The cells below every cell of the tree."""
    both = np.concatenate([pairs, pairs[:, ::-1]]).reshape(-1, 2)
    order = np.argsort(both[:, 0], kind="stable")
    starts = np.searchsorted(both[order, 0], np.arange(count + 1)).tolist()
    others = both[order, 1].tolist()
    of_layers = np.concatenate([layers, layers])[order].tolist()
    rows = [list(zip(of_layers[a:b], others[a:b], strict=True)) for a, b in pairwise(starts)]
    waiting = [deque[tuple[int, int]]() for _ in range(int(layers.max(initial=0)) + 1)]
    children: list[list[int]] = [[] for _ in range(count)]
    seen, left = [False] * count, count
    waiting[0].append((-1, first))
    while left:
        queue = next((queue for queue in reversed(waiting) if queue), None)
        require(queue is not None, "facets join all cells", left)
        assert queue is not None
        parent, cell = queue.popleft()
        if seen[cell]:
            continue
        seen[cell], left = True, left - 1
        if parent >= 0:
            children[parent].append(cell)
        for layer, other in rows[cell]:
            if not seen[other]:
                waiting[layer].append((cell, other))
    return children
