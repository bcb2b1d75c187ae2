"""A network without biases on a domain that 0 belongs to: its regions are cut out by cones, which
are enumerated one dimension lower.

Everything meets in 0 there. An open convex set that has 0 in its closure holds with a point all
positive multiples up to 1, so that what meets the domain does so near 0, where the domain is the
cone of its walls through 0. The plane y_a = 1 or y_a = -1 meets every open cone, and every facet of
one that does not lie in y_a = 0: so the cells on both planes are all regions, each once or twice,
and their facets are all facets but those. A facet in y_a = 0 is on a hinge that is a multiple of
y_a, and so constant on the plane, on a cell that reaches infinity there in all directions. Where a
sign at infinity leaves that open, the planes of a second coordinate are cut too, which such facets
meet; its cells must have the same codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.numbers import Rational
from exact.errors import require
from exact.geometry.combinatorics.codes import code_keys
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.halfspace import Halfspace, Point, primitive
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.regions.cells import Outcome
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines.slivers import FANS

Array = np.ndarray[Any, Any]


def is_made_of_cones(network: Network, flat: Flat) -> bool:
    """Whether pre-activations scale with the parameters up to the last hinge, and 0 belongs to the
    domain, which has at least two dimensions.
    """
    return (
        flat.dim >= 2
        and not any(flat.origin)
        and all(wall.offset >= 0 for wall in flat.walls)
        and all(_scales(step.does) for step in network.steps_to_last_hinge)
    )


def _scales(does: object) -> bool:
    if not isinstance(does, Layer):
        return True
    if not does.bits:
        return does.as_affine.bias.is_zero
    activation, bends = does.activation, does.activation.breakpoints
    straight = not activation.is_piecewise_linear or not any(b for _, b in activation.pieces)
    return does.bias.is_zero and not any(bends) and straight


@dataclass(frozen=True)
class Section:
    """The plane y_axis = side of a flat domain, side 1 or -1."""

    flat: Flat
    axis: int
    side: int

    def plane(self) -> Flat:
        """With the walls through 0, over the other parameters."""
        directions = list(self.flat.directions)
        normal = directions.pop(self.axis)
        walls = (self._cut(wall) for wall in self.flat.walls if wall.offset == 0)
        origin = tuple(Rational(self.side) * x for x in normal)
        return Flat(origin, tuple(directions), tuple(walls))

    def _cut(self, wall: Halfspace) -> Halfspace:
        rest = [Rational(x) for x in wall.normal]
        height = rest.pop(self.axis)
        return Halfspace.of([*rest, height * self.side])

    def cone(self, wall: Halfspace) -> Halfspace:
        """The halfspace through 0 that meets the plane in a given one."""
        normal = list(wall.normal)
        normal.insert(self.axis, wall.offset * self.side)
        return Halfspace((*normal, 0))

    def point(self, point: Point) -> Point:
        """A point of the plane as one of the domain, moved towards 0 until it is inside all
        walls.
        """
        at = list(point[:-1])
        at.insert(self.axis, point[-1] * self.side)
        last = point[-1]
        for wall in self.flat.walls:
            while wall.offset > 0 and wall.value((*at, last)) <= 0:
                last *= 2
        return primitive([*at, last])


def sections(flat: Flat, axis: int) -> list[Section]:
    """The two planes of a coordinate."""
    return [Section(flat, axis, side) for side in (1, -1)]


class Cones:
    """The regions that the cells on several sections belong to, each once."""

    def __init__(self, parts: list[tuple[Section, FlatCells]]) -> None:
        self._parts = parts
        codes = np.concatenate([cells.codes for _, cells in parts])
        _, first, back = np.unique(code_keys(codes), return_index=True, return_inverse=True)
        self.codes: ByteArray = codes[first]
        starts = np.cumsum([0, *(len(cells) for _, cells in parts)])
        self._region: list[IndexArray] = [back[low:high] for low, high in pairwise(starts)]
        self._cell = np.full((len(parts), len(first)), -1, np.int64)
        for row, region in zip(self._cell, self._region, strict=True):
            row[region] = np.arange(len(region))

    def check(self) -> None:
        """Every coordinate must show every region; raises EngineDefect."""
        places = range(0, len(self._parts), 2)
        shown = np.stack([(self._cell[k : k + 2] >= 0).any(axis=0) for k in places])
        require(bool(shown.all()), "a cone meets the planes of every coordinate", len(self.codes))

    def pairs(self) -> IndexArray:
        """Every two that share a facet, once."""
        every = np.concatenate(
            [
                np.sort(region[_pairs(cells)], axis=1)
                for region, (_, cells) in zip(self._region, self._parts, strict=True)
            ]
        )
        keys = np.unique(every[:, 0] * np.int64(len(self.codes)) + every[:, 1])
        return np.stack(np.divmod(keys, max(1, len(self.codes))), axis=1)

    def witness(self, region: int) -> Point:
        """A point strictly inside."""
        section, cells, cell = next(self._shown(region))
        return section.point(cells.witness(cell))

    def walls(self, region: int) -> tuple[Halfspace, ...]:
        """Halfspaces among which all facets are."""
        found = list[Halfspace]()
        for section, cells, cell in self._shown(region):
            assert cells.walls is not None, "the skeleton knows walls"
            found += [section.cone(wall) for wall in cells.walls(cell)]
        return tuple(dict.fromkeys([*self._parts[0][0].flat.walls, *found]))

    def _shown(self, region: int) -> Iterator[tuple[Section, FlatCells, int]]:
        for (section, cells), cell in zip(self._parts, self._cell[:, region], strict=True):
            if cell >= 0:
                yield section, cells, int(cell)


def _pairs(cells: FlatCells) -> IndexArray:
    return np.zeros((0, 2), np.int64) if cells.pairs is None else cells.pairs()


def _sums(counts: list[Mapping[str, int]]) -> dict[str, int]:
    return {name: sum(each.get(name, 0) for each in counts) for each in counts for name in each}


def cells_of_cones(
    network: Network, flat: Flat, enumerated: Callable[[Flat], tuple[FlatCells, bool]]
) -> FlatCells:
    """The regions of a network on a domain that `is_made_of_cones`, without faces, from the cells
    on sections that `enumerated` finds; it says, too, whether a hinge may be constant at infinity.
    """
    parts, level = list[tuple[Section, FlatCells]](), True
    for axis in (flat.dim - 1, flat.dim - 2):
        if level and _is_whole(parts):
            level = False
            for section in sections(flat, axis):
                if _is_whole(parts):
                    cells, some = enumerated(section.plane())
                    parts.append((section, cells))
                    level |= some
    cones, whole = Cones(parts), _is_whole(parts)
    every = [cells for _, cells in parts]
    if whole:
        cones.check()
        pairs = cones.pairs()
    told = "the planes y = 1 and y = -1 of a coordinate y meet them"
    return FlatCells(
        cones.codes,
        network.hinge_count,
        cones.witness,
        Outcome.COMPLETE if whole else Outcome.BUDGET_REACHED,
        f"{len(cones.codes):,} cones meet in 0, which is not simple; {told}: {every[-1].evidence}",
        {**_sums([cells.decisions for cells in every]), FANS: len(cones.codes)},
        cones.walls,
        (lambda: pairs) if whole else None,
    )


def _is_whole(parts: list[tuple[Section, FlatCells]]) -> bool:
    return all(cells.outcome is Outcome.COMPLETE for _, cells in parts)
