"""The vertices of a simple complex, in the order of a tree of codes: what kind `simple` of
certificates holds.

At a vertex of a simple complex exactly d constraints vanish: hinges, walls of the domain, walls far
away, by their numbers, in that order. Every choice of signs of the hinges among them is a region
around it, and the functions of the hinges are known on each. So a vertex is written at one of these
codes, and only codes at which some are written are gone to, and those on the way. Unless maps are
wanted, of every code, the bits of the last hidden layer change nothing, and are 0. Cost: linear in
vertices and pairs, in arrays but for a step for each code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray, WordArray
from exact.arithmetic.numbers import FloatArray
from exact.errors import require
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.regions.polytopes.walls.trees import Step, cells_of_tree

_BLOCK = 2**12  # vertices whose codes are written out together
_SPARSE = 4  # binary digits by which a table of keys has more places than there are keys


class SimpleVertices(NamedTuple):
    """The constraints that meet at every vertex (V x d), and the packed codes of what is positive
    there; `walls` are those of the domain, `far` the rows n, c of walls n.s + c K >= 0. `points`
    are the vertices as floats, with bounds on their distances from the exact ones, where none is
    far.
    """

    names: IndexArray
    codes: ByteArray
    walls: tuple[Halfspace, ...]
    far: tuple[tuple[int, ...], ...]
    points: tuple[FloatArray, FloatArray] | None = None


@dataclass(frozen=True)
class WrittenCode:
    """A code of the tree: a region that has it, but for bits that change nothing, how many codes
    the way to its parent goes `back`, the hinges that flip from there, and its vertices. The first
    one has no parent, and its `flips` are the bits that are on.
    """

    region: int
    back: int
    flips: list[int]
    vertices: list[list[int]]


def written_codes(
    vertices: SimpleVertices, codes: ByteArray, pairs: IndexArray, ends: tuple[int, ...], maps: bool
) -> Iterator[WrittenCode]:
    """All codes that are gone to, each behind its parent, and every vertex at one; of regions with
    these codes, neighbours in `pairs`, and `ends` hinges up to each layer.
    """
    hinges = ends[-1] if ends else 0
    used = hinges if maps else ends[-2] if len(ends) > 1 else 0
    bits, marks = np.unpackbits(codes, axis=1, count=hinges)[:, :used], _marks(hinges)
    keys, regions, cell_of = np.unique(bits @ marks[:used], return_index=True, return_inverse=True)
    bits, pairs = bits[regions], cell_of.reshape(-1)[pairs]
    steps = list(_tree(bits, pairs, ends))
    order, level, above = np.array(steps).T
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    above[1:] = position[above[1:]]
    written = _written_at(vertices, keys, marks, position, used)
    by_code = np.argsort(written, kind="stable")
    starts = np.searchsorted(written[by_code], np.arange(len(order) + 1)).tolist()
    # in an order in which many begin alike: walls, whose functions are short, early layers
    names = np.sort((vertices.names[by_code] - hinges) % 2**32, axis=1)
    names, wanted = ((names + hinges) % 2**32).tolist(), np.full(len(order), maps)
    wanted |= np.diff(starts) > 0
    for k in range(len(order) - 1, 0, -1):
        wanted[above[k]] |= wanted[k]
    flips = bits[order]
    flips[1:] ^= bits[order[above[1:]]]
    depth, (rows, columns) = 0, np.nonzero(flips)
    begin = np.searchsorted(rows, np.arange(len(order) + 1)).tolist()
    for k in np.flatnonzero(wanted).tolist():
        yield WrittenCode(
            int(regions[order[k]]),
            depth - int(level[k]) if k else 0,
            columns[begin[k] : begin[k + 1]].tolist(),
            names[starts[k] : starts[k + 1]],
        )
        depth = int(level[k]) + 1


def regions_around(
    vertices: SimpleVertices, codes: ByteArray, hinges: int
) -> Iterator[tuple[slice, IndexArray]]:
    """The regions around every vertex (n x 2^d), for a block of vertices at a time, by their places
    in `codes`, the packed codes of all regions; a region stands twice where a wall of the domain is
    among the constraints.

    Raises EngineDefect where codes have equal keys, or a code around a vertex is no region's. Cost:
    2^d look-ups a vertex.
    """
    marks = _marks(hinges)
    keys = _keys(codes, marks)
    order = np.argsort(keys)
    keys = keys[order]
    require(bool((keys[1:] != keys[:-1]).all()), "the keys of regions differ", len(keys))
    shift = np.uint64(64 - min(24, len(keys).bit_length() + _SPARSE))
    table = np.zeros(1 << (64 - int(shift)), np.int64)
    table[keys >> shift] = np.arange(len(keys))
    own = np.zeros(max(hinges, int(vertices.names.max(initial=0)) + 1), np.uint64)
    own[:hinges] = marks
    for start in range(0, len(vertices.names), _BLOCK):
        block = slice(start, start + _BLOCK)
        around = _keys(vertices.codes[block], marks)[:, None]
        for names in vertices.names[block].T:
            around = np.concatenate([around, around + own[names][:, None]], axis=1)
        found = table[around >> shift]
        other = keys[found] != around
        found[other] = np.minimum(np.searchsorted(keys, around[other]), len(keys) - 1)
        known = bool((keys[found[other]] == around[other]).all())
        require(known, "all regions around a vertex are listed", len(keys))
        yield block, order[found]


def _keys(codes: ByteArray, marks: WordArray) -> WordArray:
    """The keys of packed codes, a block of them at a time."""
    found = np.empty(len(codes), np.uint64)
    for start in range(0, len(codes), _BLOCK):
        bits = np.unpackbits(codes[start : start + _BLOCK], axis=1, count=len(marks))
        found[start : start + _BLOCK] = bits @ marks
    return found


def _marks(hinges: int) -> WordArray:
    """A number for each hinge; a code has the sum of those that are on, modulo 2^64, as its key."""
    return np.random.default_rng(0).integers(0, 2**64, hinges, np.uint64)


def _tree(bits: ByteArray, pairs: IndexArray, ends: tuple[int, ...]) -> Iterator[Step]:
    """The tree of codes with different bits."""
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    pairs = np.stack([pairs.min(axis=1), pairs.max(axis=1)], axis=1)
    both = np.unique(pairs[:, 0] * len(bits) + pairs[:, 1])
    pairs = np.stack([both // len(bits), both % len(bits)], axis=1)
    flips = bits[pairs[:, 0]] != bits[pairs[:, 1]]
    layers = np.searchsorted(ends, flips.argmax(axis=1), side="right") if len(pairs) else both
    return cells_of_tree(pairs, layers, len(bits), 0)


def _written_at(
    vertices: SimpleVertices, keys: WordArray, marks: WordArray, position: IndexArray, used: int
) -> IndexArray:
    """For every vertex the place in the order of the first code around it."""
    hinges = len(marks)
    bits = np.unpackbits(vertices.codes, axis=1, count=hinges)[:, :used]
    around = (bits @ marks[:used])[:, None]
    own = np.zeros(max(hinges, int(vertices.names.max(initial=0)) + 1), np.uint64)
    own[:used] = marks[:used]
    for names in vertices.names.T:
        moved = own[names][:, None]
        around = np.concatenate([around, around + moved], axis=1)
    found = np.searchsorted(keys, around)
    require(
        bool((keys[np.minimum(found, len(keys) - 1)] == around).all()),
        "all regions around a vertex are listed, and their keys differ",
        len(keys),
    )
    first: IndexArray = position[found].min(axis=1)
    return first
