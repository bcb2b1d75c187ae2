"""Affine functions carried through a graph along a code, and on to another code by what changes.

A function is a tuple of integers, the coefficients of the parameters and last that of 1, over a
scale that each value has, whatever the code. On the first code every operator is applied in full.
Behind a changed bit or symbol only what reads it changes, and by a multiple that the terms of the
operators say: all other functions stay what they were. Beside every number stands whether it is
alive: not an off rectifier or a zero by construction, nor made of such numbers alone; by this the
code of a maximum tells a winner from none.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm
from typing import Any

from exact.check.functions.graphs.graph import Graph, Layer, Maximum, Sum, Terms, common
from exact.check.records import Integers, Rejected, Values

Old = dict[int, tuple[Values, bool]]  # what numbers were before a change


class Walk:
    """The functions of all values on one code after another.

    To be looked at on a region are the places of steps that are not settled all over the domain,
    and those that are not as on the first code.
    """

    def __init__(self, graph: Graph, start: Sequence[Values], scale: int, code: int) -> None:
        self.graph, self.dim, self.code = graph, len(start[0]) - 1, code
        self.zero: Values = (0,) * (self.dim + 1)
        self.scales, self.values, self.alive = [scale], [list(start)], [[True] * len(start)]
        count = len(graph.steps)
        self.before: list[list[Values]] = [[] for _ in range(count)]
        self.reaching: list[Integers] = [[] for _ in range(count)]  # terms alive, and bias
        self.chosen: list[Integers] = [[] for _ in range(count)]  # bits as a number, or symbols
        self._readers: list[list[Terms]] = [[] for _ in range(count)]
        self._ends: list[tuple[int, int, int]] = []  # of each bit: step, place, first bit
        self._code_bits = graph.hinges
        for k, step in enumerate(graph.steps):
            if isinstance(step, Layer):
                self._layer(k, step)
            elif isinstance(step, Sum):
                self._sum(k, step)
            else:
                self._maximum(k, step)
        self._first = [list(own) for own in self.before]
        self._first_alive = [[x > 0 for x in own] for own in self.reaching]
        self._first_chosen = [list(own) for own in self.chosen]
        self._first_values = [list(own) for own in self.values]
        self._first_values_alive = [list(own) for own in self.alive]
        self._unsettled: list[set[int]] = [set() for _ in range(count)]
        self._moved: list[set[int]] = [set() for _ in range(count)]

    def settle(self, corners: Sequence[Values]) -> None:
        """On the first code: what is right at all corners of the domain is right on every region,
        as long as it stays as it is.
        """
        for k, own in enumerate(self.chosen):
            self._unsettled[k] = {j for j in range(len(own)) if self.fault(k, j, corners)}

    def faults(self, corners: Sequence[Sequence[int]]) -> str:
        """What is wrong with the code on the hull of corners; "" if nothing."""
        for k in range(len(self.chosen)):
            for j in self._unsettled[k] | self._moved[k]:
                if fault := self.fault(k, j, corners):
                    return f"step {k}: {fault}"
        return ""

    def bit(self, place: int) -> int:
        """A bit of the code."""
        return self.code >> (self._code_bits - 1 - place) & 1

    # ---- the first code, in full

    def _layer(self, k: int, layer: Layer) -> None:
        source, scale = self.values[layer.source], self.scales[layer.source]
        alive, whole = self.alive[layer.source], common(layer)
        w, b = whole // layer.operator.denominator, whole // layer.bias_denominator
        readers: list[Terms] = [[] for _ in source]
        for j, (row, bias) in enumerate(zip(layer.operator.rows, layer.bias, strict=True)):
            found = [0] * (self.dim + 1)
            for i, x in row:
                found = [y + x * z for y, z in zip(found, source[i], strict=True)]
                readers[i].append((j, x))
            found = [w * y for y in found]
            found[-1] += b * bias * scale
            self.before[k].append(tuple(found))
            self.reaching[k].append(sum(alive[i] for i, _ in row) + (bias != 0))
        self._readers[k] = readers
        size, first = len(layer.activation.bends), len(self._ends)
        self._ends += [
            (k, j, first + j * size) for j in range(len(layer.bias)) for _ in range(size)
        ]
        self.scales.append(scale * whole * layer.activation.unit)
        self.chosen[k] = [self._number(first + j * size, size) for j in range(len(layer.bias))]
        made = [self._activated(k, layer, j) for j in range(len(layer.bias))]
        self.values.append([value for value, _ in made])
        self.alive.append([lives for _, lives in made])

    def pre_scale(self, k: int) -> int:
        """The scale of what a layer has before its activation."""
        layer = self.graph.steps[k]
        assert isinstance(layer, Layer), "only a layer has an activation"
        return self.scales[layer.source] * common(layer)

    def _activated(self, k: int, layer: Layer, j: int) -> tuple[Values, bool]:
        slope, intercept = layer.activation.pieces[self.chosen[k][j].bit_count()]
        found = [slope * x for x in self.before[k][j]]
        found[-1] += intercept * self.pre_scale(k)
        return tuple(found), (slope != 0 and self.reaching[k][j] > 0) or intercept != 0

    def _sum(self, k: int, step: Sum) -> None:
        self.scales.append(lcm(*(self.scales[i] for i in step.sources)))
        made = [self._added(k, step, j) for j in range(len(self.values[step.sources[0]]))]
        self.values.append([value for value, _ in made])
        self.alive.append([lives for _, lives in made])

    def _added(self, k: int, step: Sum, j: int) -> tuple[Values, bool]:
        found = [0] * (self.dim + 1)
        for i in step.sources:
            factor = self.scales[k + 1] // self.scales[i]
            found = [x + factor * y for x, y in zip(found, self.values[i][j], strict=True)]
        return tuple(found), any(self.alive[i][j] for i in step.sources)

    def _maximum(self, k: int, step: Maximum) -> None:
        self.scales.append(self.scales[step.source])
        readers: list[Terms] = [[] for _ in self.values[step.source]]
        for j, (window, width) in enumerate(zip(step.windows, step.widths, strict=True)):
            first = len(self._ends)
            self._ends += [(k, j, first)] * width
            self.chosen[k].append(self._symbol(step, j, first, width))
            for i in window:
                readers[i].append((j, 1))
        self._readers[k] = readers
        made = [self._won(k, step, j) for j in range(len(step.windows))]
        self.values.append([value for value, _ in made])
        self.alive.append([lives for _, lives in made])

    def _number(self, first: int, width: int) -> int:
        """Some bits of the code as a number."""
        found = 0
        for place in range(first, first + width):
            found = 2 * found + self.bit(place)
        return found

    def _symbol(self, step: Maximum, j: int, first: int, width: int) -> int:
        found = self._number(first, width)
        if found > len(step.windows[j]):
            raise Rejected(f"window {j} of a maximum has no candidate {found - 1}")
        return found

    def _won(self, k: int, step: Maximum, j: int) -> tuple[Values, bool]:
        symbol = self.chosen[k][j]
        winner = step.windows[j][symbol - 1]
        return (self.values[step.source][winner], True) if symbol else (self.zero, False)

    # ---- on to another code

    def move(self, code: int) -> None:
        """Make all functions those on another code."""
        changed, self.code = self.code ^ code, code
        flipped = dict[int, dict[int, int]]()  # step, place, first bit
        while changed:
            low = changed & -changed
            changed ^= low
            k, j, first = self._ends[self._code_bits - low.bit_length()]
            flipped.setdefault(k, {})[j] = first
        olds: list[Old] = [{}]
        for k, step in enumerate(self.graph.steps):
            touched = self._touched(k, step, olds, flipped.get(k, {}))
            old: Old = {}
            for j in touched:
                if isinstance(step, Layer):
                    value, lives = self._activated(k, step, j)
                elif isinstance(step, Sum):
                    value, lives = self._added(k, step, j)
                else:
                    value, lives = self._won(k, step, j)
                if value != self.values[k + 1][j] or lives != self.alive[k + 1][j]:
                    old[j] = self.values[k + 1][j], self.alive[k + 1][j]
                    self.values[k + 1][j], self.alive[k + 1][j] = value, lives
            olds.append(old)
            if not isinstance(step, Sum):
                for j in touched:
                    (self._moved[k].discard if self._as_first(k, step, j) else self._moved[k].add)(
                        j
                    )

    def _touched(self, k: int, step: Any, olds: list[Old], flipped: dict[int, int]) -> set[int]:
        """The places of a step that read what has changed, or whose bits have; their functions in
        front of the step are made right.
        """
        if isinstance(step, Sum):
            return {j for i in step.sources for j in olds[i]}
        found = set(flipped)
        readers = self._readers[k]
        if isinstance(step, Maximum):
            for j, first in flipped.items():
                self.chosen[k][j] = self._symbol(step, j, first, step.widths[j])
            return found.union(j for i in olds[step.source] for j, _ in readers[i])
        for j, first in flipped.items():
            self.chosen[k][j] = self._number(first, len(step.activation.bends))
        w, before = common(step) // step.operator.denominator, self.before[k]
        for i, (value, lives) in olds[step.source].items():
            now = self.values[step.source][i]
            gap = [w * (x - y) for x, y in zip(now, value, strict=True)]
            change = self.alive[step.source][i] - lives
            for j, x in readers[i]:
                found.add(j)
                before[j] = tuple(y + x * z for y, z in zip(before[j], gap, strict=True))
                self.reaching[k][j] += change
        return found

    def _as_first(self, k: int, step: Layer | Maximum, j: int) -> bool:
        """Whether what decides about a place is as on the first code."""
        if self.chosen[k][j] != self._first_chosen[k][j]:
            return False
        if isinstance(step, Layer):
            return self.before[k][j] == self._first[k][j]
        source = step.source
        return all(
            self.values[source][i] == self._first_values[source][i]
            and self.alive[source][i] == self._first_values_alive[source][i]
            for i in step.windows[j]
        )

    # ---- signs

    def fault(self, k: int, j: int, corners: Sequence[Sequence[int]]) -> str:
        """What is wrong with the bits of a place of a step on the hull of corners; "" if nothing.

        A hinge that is on is >= 0 at all corners, and no zero function; one that is off is <= 0.
        The winner of a window is >= each candidate, the first of those that are the same function,
        and there is none iff they are zero and none of them is alive.
        """
        step = self.graph.steps[k]
        if isinstance(step, Layer):
            return self._hinge_fault(k, step, j, corners)
        assert isinstance(step, Maximum), "a sum has no bits"
        own, source, symbol = step.windows[j], self.values[step.source], self.chosen[k][j]
        best = source[own[symbol - 1]] if symbol else self.zero
        equal = list[int]()
        for place, i in enumerate(own):
            gap = [x - y for x, y in zip(best, source[i], strict=True)]
            if not any(gap):
                equal.append(place)
            elif any(_at(gap, corner) < 0 for corner in corners):
                return f"candidate {place} of window {j} is larger at a corner"
        lives = any(self.alive[step.source][own[place]] for place in equal)
        none = not any(best) and not lives and bool(equal)
        if (symbol == 0) != none or (symbol and equal[0] != symbol - 1):
            return f"window {j} has another symbol"
        return ""

    def _hinge_fault(self, k: int, layer: Layer, j: int, corners: Sequence[Sequence[int]]) -> str:
        unit, size = layer.activation.unit, len(layer.activation.bends)
        bits = self.chosen[k][j]
        for t, bend in enumerate(layer.activation.bends):
            row = [unit * x for x in self.before[k][j]]
            row[-1] -= bend * self.pre_scale(k)
            signs = [_at(row, corner) for corner in corners]
            on = bits >> (size - 1 - t) & 1
            if (on and (min(signs) < 0 or not any(row))) or (not on and max(signs) > 0):
                return f"neuron {j} has another sign than its bit at bend {t} of {size}"
        return ""


def _at(row: Sequence[int], corner: Sequence[int]) -> int:
    """A positive multiple of the value at a homogeneous point."""
    return sum(x * y for x, y in zip(row, corner, strict=True))
