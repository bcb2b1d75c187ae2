"""The half of a sphere that a viewer far away sees: which parts of arcs are in front, and what
cells look like there.

Orthographic projection takes circles of the sphere to ellipses, and the visible half to a disc with
the limb around it. Where the boundary of a cell leaves the disc, the cell goes on along the limb,
counter-clockwise, to the next place where its boundary enters. The side that a vertex is on decides
for all arcs that end there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from matplotlib.path import Path

from viz.curves_in_plane import Piece, circle, closed_path, open_path
from viz.sphere_arcs import SphereArcs, tangents

Chain = list[Piece]


@dataclass(frozen=True)
class Hemisphere:
    """A sphere seen from the unit vector `towards`; `right` and `up` are the axes of the
    picture.
    """

    arcs: SphereArcs
    towards: np.ndarray
    right: np.ndarray
    up: np.ndarray

    @classmethod
    def seen_from(cls, arcs: SphereArcs, towards: Sequence[float] | np.ndarray) -> Hemisphere:
        """The half in the middle of which the vector `towards` (3,) is."""
        unit = np.asarray(towards, dtype=np.float64) / np.linalg.norm(towards)
        return cls(arcs, unit, *tangents(unit))

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points of the unit sphere (k x 3) in the picture (k x 2)."""
        return points @ np.column_stack([self.right, self.up])

    def is_front(self, points: np.ndarray) -> np.ndarray:
        """Which points are on the visible half."""
        return points @ self.towards > 0

    def runs(self, points: np.ndarray, front: bool) -> list[np.ndarray]:
        """The parts of a finely sampled curve (k x 3) that are visible, or hidden, in the
        picture.
        """
        side, flat = self.is_front(points), self.project(points)
        breaks = np.flatnonzero(side[1:] != side[:-1]) + 1
        parts = zip(np.split(flat, breaks), np.split(side, breaks), strict=True)
        return [part for part, own in parts if own[0] == front and len(part) > 1]

    @cached_property
    def pieces(self) -> list[list[tuple[bool, Piece]]]:
        """For every arc its parts in order, each with whether it is in front."""
        flat = [
            self.project(rows) for rows in (self.arcs.centre, self.arcs.first, self.arcs.second)
        ]
        found = []
        for arc, (cuts, front) in enumerate(
            zip(self._cuts(), self._starts_in_front.tolist(), strict=True)
        ):
            c, start = self.arcs.circle[arc], float(self.arcs.start[arc])
            bounds = [0.0, *cuts, float(self.arcs.turn[arc])]
            found.append(
                [
                    (
                        front ^ bool(k % 2),
                        Piece(flat[0][c], flat[1][c], flat[2][c], start + low, start + high),
                    )
                    for k, (low, high) in enumerate(pairwise(bounds))
                ]
            )
        return found

    @cached_property
    def _vertex_in_front(self) -> np.ndarray:
        return self.is_front(self.arcs.vertices)

    @cached_property
    def _starts_in_front(self) -> np.ndarray:
        ends = self.arcs.partition.complex.arc_ends
        whole = ends[:, 0] < 0
        c = self.arcs.circle
        own = self.is_front(self.arcs.centre[c] + self.arcs.first[c])
        return np.where(
            whole, own, self._vertex_in_front[ends[:, 0]] if len(self._vertex_in_front) else own
        )

    def _cuts(self) -> list[list[float]]:
        """For every arc the angles behind its start at which it passes the limb; their parity fits
        the sides of its ends.
        """
        level, x, y = (
            rows @ self.towards for rows in (self.arcs.centre, self.arcs.first, self.arcs.second)
        )
        steepest, middle = np.hypot(x, y), np.arctan2(y, x)
        meets = np.abs(level) < steepest
        half = np.arccos(np.clip(-level / np.where(meets, steepest, 1.0), -1, 1))
        ends, cuts = self.arcs.partition.complex.arc_ends, []
        for arc, (c, start, turn) in enumerate(
            zip(self.arcs.circle.tolist(), self.arcs.start, self.arcs.turn, strict=True)
        ):
            angles = [middle[c] - half[c], middle[c] + half[c]] if meets[c] else []
            found = sorted(
                float(t) for t in ((angle - start) % (2 * math.pi) for angle in angles) if t < turn
            )
            a, b = ends[arc]
            changes = a >= 0 and bool(self._vertex_in_front[a] != self._vertex_in_front[b])
            cuts.append(found if len(found) % 2 == changes else self._with_parity(found, arc))
        return cuts

    def _with_parity(self, found: list[float], arc: int) -> list[float]:
        """One passage more or fewer, at the end of the arc that is nearer to the limb."""
        turn = float(self.arcs.turn[arc])
        if found:
            return sorted(found, key=lambda t: -min(t, turn - t))[:-1]
        start, end = np.abs(self.arcs.points(arc, [0, 1]) @ self.towards)
        return [0.0 if start < end else turn]

    # ---- lines

    def lines(self, front: bool) -> list[tuple[int, Path]]:
        """The visible (or hidden) parts of arcs: number of the arc and curve in the picture."""
        return [
            (arc, open_path([piece]))
            for arc, parts in enumerate(self.pieces)
            for side, piece in parts
            if side == front
        ]

    # ---- cells

    @cached_property
    def deepest(self) -> dict[int, tuple[np.ndarray, float]]:
        """For every visible cell a point of its visible part far from the boundary and the limb,
        and the angle to them.
        """
        found = {}
        for index, _ in self.cells:
            places = [
                (half, share)
                for walk in self.arcs.walks[index]
                for half in walk
                for share in self._front_shares(half)
            ]
            found[index] = self.arcs.deep_point(places, self.towards)
        return found

    def _front_shares(self, half: int) -> list[float]:
        """Where along an arc the middles of its visible parts are, between 0 and 1."""
        arc = half >> 1
        start, turn = float(self.arcs.start[arc]), float(self.arcs.turn[arc])
        return [
            ((piece.begin + piece.end) / 2 - start) / turn
            for side, piece in self.pieces[arc]
            if side
        ]

    @cached_property
    def cells(self) -> list[tuple[int, Path]]:
        """The cells with a visible part, each as one path; holes are left out by the winding
        rule.
        """
        parts = [self._split(walks) for walks in self.arcs.walks]
        found = [[*loops, *_joined(chains)] for loops, chains, _ in parts]
        if not self._limb_is_cut:
            areas = [
                tuple(sum(p.enclosed for loop in loops for p in loop) for loops in (front, behind))
                for front, _, behind in parts
            ]
            found[_owner_of_limb(areas)].insert(0, [circle(1.0)])
        return [(index, closed_path(loops)) for index, loops in enumerate(found) if loops]

    @property
    def _limb_is_cut(self) -> bool:
        return any(len({side for side, _ in parts}) > 1 for parts in self.pieces)

    def _split(
        self, walks: Sequence[Sequence[int]]
    ) -> tuple[list[Chain], list[Chain], list[Chain]]:
        """Of the boundary of a cell: the closed walks in front, the visible chains of the others,
        and the closed walks behind.
        """
        loops, chains, behind = list[Chain](), list[Chain](), list[Chain]()
        for walk in walks:
            parts = [part for half in walk for part in self._along(half)]
            sides = {side for side, _ in parts}
            if sides == {True}:
                loops.append([piece for _, piece in parts])
            elif sides == {False}:
                behind.append([piece for _, piece in parts])
            else:
                chains += _chains(parts)
        return loops, chains, behind

    def _along(self, half: int) -> list[tuple[bool, Piece]]:
        parts = self.pieces[half >> 1]
        return [(side, piece.reverse) for side, piece in reversed(parts)] if half & 1 else parts


def _chains(parts: list[tuple[bool, Piece]]) -> list[Chain]:
    """The runs of visible pieces along a closed walk that is partly hidden."""
    first = next(k for k, (side, _) in enumerate(parts) if not side)
    chains, before = list[Chain](), False
    for side, piece in parts[first:] + parts[:first]:
        if side and not before:
            chains.append([])
        if side:
            chains[-1].append(piece)
        before = side
    return chains


def _joined(chains: list[Chain]) -> list[Chain]:
    """Chains from limb to limb, closed along the limb."""
    ends = [
        (_angle(chain[0], chain[0].begin), _angle(chain[-1], chain[-1].end)) for chain in chains
    ]
    left, loops = set(range(len(chains))), list[Chain]()
    while left:
        first = here = min(left)
        loop = list[Piece]()
        while here in left:
            left.remove(here)
            leaves = ends[here][1]
            after = min([first, *left], key=lambda k: (ends[k][0] - leaves) % (2 * math.pi))
            loop += [
                *chains[here],
                circle(1.0, leaves, leaves + (ends[after][0] - leaves) % (2 * math.pi)),
            ]
            here = after
        loops.append(loop)
    return loops


def _angle(piece: Piece, t: float) -> float:
    x, y = piece.point(t)
    return math.atan2(y, x)


def _owner_of_limb(areas: Sequence[tuple[float, ...]]) -> int:
    """The cell that the whole limb lies in: all of its boundary in front is holes, and so is all of
    it behind.

    Behind, the picture is a mirror image.
    """
    return min(range(len(areas)), key=lambda k: min(areas[k][0], -areas[k][1]))
