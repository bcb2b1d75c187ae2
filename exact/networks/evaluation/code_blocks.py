"""Many codes as a tree: codes that follow each other share the layers in which they agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.networks.graphs.steps import Step, Sum, walk
from exact.networks.layers import Layer, Operation

T = TypeVar("T")


@dataclass(frozen=True)
class Level:
    """What codes do in one hidden layer: group g has these `bits` there (G x bits of the layer),
    and lies in group `parents[g]` of the layer before.
    """

    parents: IndexArray
    bits: BitArray


@dataclass(frozen=True)
class CodeBlock:
    """Some codes in a row: those that agree up to a layer are one group there, where they follow
    each other. Row i of the block is in group `rows[i]` of the last layer.
    """

    levels: tuple[Level, ...]
    rows: IndexArray

    @classmethod
    def of(cls, codes: ByteArray, sizes: Sequence[int]) -> CodeBlock:
        """From packed codes (B x bytes) of hidden layers with so many bits.

        >>> import numpy as np
        >>> block = CodeBlock.of(np.packbits([[0, 1, 0], [0, 1, 1], [1, 1, 1]], axis=1), (2, 1))
        >>> block.levels[0].bits.tolist(), block.levels[1].parents.tolist(), block.rows.tolist()
        ([[False, True], [True, True]], [0, 0, 1], [0, 1, 2])
        """
        bits = np.unpackbits(codes, axis=1, count=sum(sizes)).view(bool)
        fresh, groups = np.zeros(len(bits), bool), np.zeros(len(bits), np.int64)
        fresh[:1] = True
        levels, start = list[Level](), 0
        for size in sizes:
            own = bits[:, start : start + size]
            fresh[1:] |= (own[1:] != own[:-1]).any(axis=1)
            first = np.flatnonzero(fresh)
            levels.append(Level(groups[first], own[first]))
            groups, start = np.cumsum(fresh) - 1, start + size
        return cls(tuple(levels), groups)

    def places(self, low: int, high: int) -> IndexArray:
        """The group of level `low` that each group of level `high` lies in; level 0 is in front of
        all hidden layers and has one group.
        """
        index = np.arange(len(self.levels[high - 1].parents) if high else 1)
        for level in reversed(self.levels[low:high]):
            index = level.parents[index]
        return index


def blocks(codes: ByteArray, sizes: Sequence[int], most: int) -> Iterator[tuple[slice, CodeBlock]]:
    """The codes in blocks of at most `most`."""
    for start in range(0, len(codes), most):
        rows = slice(start, min(start + most, len(codes)))
        yield rows, CodeBlock.of(codes[rows], sizes)


def through(
    steps: Sequence[Step],
    start: T,
    block: CodeBlock,
    moved: Callable[[Layer, T], T],
    bent: Callable[[Layer, T, Level], T],
    taken: Callable[[T, IndexArray], T],
    added: Callable[[T, T], T],
) -> T:
    """What becomes of `start` on every row of a block, in a network without norms.

    `moved` takes a value for groups of codes through the affine part of a layer, `bent` through the
    activation, to the groups of the next level; `taken` takes it to finer groups.
    """

    def at(level: int, value: tuple[int, T]) -> T:
        return value[1] if value[0] == level else taken(value[1], block.places(value[0], level))

    hidden = iter(range(len(block.levels)))

    def apply(does: Operation, *values: Any) -> tuple[int, T]:
        if isinstance(does, Sum):
            top = max(level for level, _ in values)
            return top, reduce(added, (at(top, value) for value in values))
        assert isinstance(does, Layer), "norms are folded in"
        if not does.bits:
            return values[0][0], moved(does, values[0][1])
        level = next(hidden)
        return level + 1, bent(does, moved(does, at(level, values[0])), block.levels[level])

    level, last = walk(steps, (0, start), apply)
    return taken(last, block.places(level, len(block.levels))[block.rows])


def pieces_of(layer: Layer, bits: BitArray) -> IndexArray:
    """The affine piece of every neuron (G x neurons)."""
    per = len(layer.activation.breakpoints)
    pieces: IndexArray = bits.reshape(len(bits), layer.width, per).sum(axis=2, dtype=np.int64)
    return pieces


def relevant_bits(steps: Sequence[Step], codes: ByteArray) -> BitArray:
    """The codes (B x bits) of a network without norms, with every bit cleared whose neuron no
    active path leads from to an output: codes that are equal then have one affine map.

    A neuron counts if it enters a sum or an output that counts, or by a weight that is not zero a
    neuron that counts and whose piece is not constant. So the last layer's neurons count or not
    whatever the code; where the bits that count agree there, the same neurons of the layer before
    count; and so on to the first.
    """
    end = sum(does.bits for does, *_ in steps if isinstance(does, Layer))
    bits = np.unpackbits(codes, axis=1, count=end).view(bool)
    kept, counts = np.zeros_like(bits), {len(steps): np.ones((len(bits), 1), bool)}
    for k in reversed(range(len(steps))):
        does, inputs, _ = steps[k]
        if k + 1 not in counts:  # nothing reads it
            end -= 0 if isinstance(does, Sum) else does.bits
            continue
        out = counts.pop(k + 1)
        if not isinstance(does, Sum):
            out = np.broadcast_to(out, (len(bits), does.width))
            own = bits[:, end - does.bits : end]
            if does.bits:
                per = len(does.activation.breakpoints)
                kept[:, end - does.bits : end] = own & np.repeat(out, per, axis=1)
                slopes = np.array([slope != 0 for slope, _ in does.activation.pieces])
                out = out & slopes[pieces_of(does, own)]
                end -= does.bits
            weight = (does if does.bits else does.as_affine).weight
            some = (
                np.array([x != 0 for x in weight.exact.entries()])
                if not weight.is_float
                else (weight.float64().reshape(-1) != 0)
            )
            out = out.astype(np.float32) @ some.reshape(weight.shape).astype(np.float32) > 0
        for i in inputs:
            counts[i] = counts[i] | out if i in counts else out
    return kept
