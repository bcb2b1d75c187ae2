"""The arcs of a partitioned 2-sphere on the unit sphere of R^3, in floats: circles with frames,
arcs as spans of angle.

A :class:`~exact.regions.spheres.partition.SpherePartition` has rational coordinates in which the
sphere is an ellipsoid; a picture needs the round one. Arc e runs over the angles `start[e] ...
start[e] + turn[e]` of its circle `centre + cos t first + sin t second`, with the positive side on
the left, seen from outside. Everything here is float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exact.arithmetic.nearest import nearest_root
from exact.arithmetic.numbers import nearest_floats
from exact.regions.spheres.partition import SpherePartition

# steps towards the deepest point of a cell, tries per step, arcs to start from
_CLIMBS, _DIRECTIONS, _STARTS = (12, 8, 6)
_HALVINGS, _MANY = 30, 500  # beyond so many cells no step uphill is made


@dataclass(frozen=True)
class SphereArcs:
    """Circles (C) as `centre`, `first`, `second` (C x 3, the last two as long as the radius), and
    arcs (E) on them.

    `axis` and `height` say that the positive side of a circle is `axis . u > height`; `vertices`
    are the corners on the unit sphere (V x 3), `radius` is that of the true sphere.
    """

    partition: SpherePartition
    axis: np.ndarray
    height: np.ndarray
    centre: np.ndarray
    first: np.ndarray
    second: np.ndarray
    circle: np.ndarray
    start: np.ndarray
    turn: np.ndarray
    vertices: np.ndarray
    radius: float

    @classmethod
    def of(cls, partition: SpherePartition) -> SphereArcs:
        """The arcs of a partition; InvalidInput for what is not a partitioned 2-sphere."""
        partition.seen_as(
            SpherePartition,
            "this figure draws 2-spheres",
            "partition Sphere() of LayerNorm in R^4 or RMSNorm in R^3, or a GreatSphere",
        )
        at, radius = partition.complex, nearest_root(partition.complex.radius_squared)
        # takes y to the unit sphere; its determinant is positive
        frame = partition.frame_float / radius
        rows = np.array([plane.float_row for plane in at.circles]).reshape(-1, 4)
        axis, height = _planes(rows, frame)
        centre, first, second = _frames(axis, height)
        vertices = _unit(at.vertex_floats.reshape(-1, 3) @ frame.T)
        circle, ends = at.arc_circle.astype(np.int64), at.arc_ends
        open_ = ends[:, 0] >= 0
        start = np.zeros(len(circle))
        where = vertices[ends[open_, 0]]
        start[open_] = np.arctan2(
            _rowwise(where, second[circle[open_]]), _rowwise(where, first[circle[open_]])
        )
        turn = partition.geometry.angles_float() if len(circle) else np.zeros(0)
        return cls(
            partition, axis, height, centre, first, second, circle, start, turn, vertices, radius
        )

    def __len__(self) -> int:
        return len(self.circle)

    def points(self, arc: int, shares: Sequence[float] | np.ndarray) -> np.ndarray:
        """Points of an arc at shares of its way between 0 and 1, (k, 3)."""
        t, c = (self.start[arc] + np.asarray(shares) * self.turn[arc])[:, None], self.circle[arc]
        return self.centre[c] + np.cos(t) * self.first[c] + np.sin(t) * self.second[c]

    @cached_property
    def walks(self) -> list[tuple[tuple[int, ...], ...]]:
        """The boundary walks of every cell, as half-edges with the cell on their left."""
        return [self.partition.walks_of(i) for i in range(len(self.partition))]

    @cached_property
    def layers(self) -> list[int]:
        """The layer whose hinges flip across each arc; 0 where several layers flip at once."""
        of_circle = {
            c: {hinge.layer for hinge in self.partition.flipped(e)}
            for c, e in self._some_arc.items()
        }
        layer = {c: found.copy().pop() if len(found) == 1 else 0 for c, found in of_circle.items()}
        return [layer[c] for c in self.circle.tolist()]

    @cached_property
    def _some_arc(self) -> dict[int, int]:
        return {c: e for e, c in enumerate(self.circle.tolist())}

    def unit(self, inputs: np.ndarray) -> np.ndarray:
        """The directions of input vectors (k x n) on the unit sphere, (k, 3); zero where they have
        none.
        """
        image = np.array([nearest_floats(row) for row in self.partition.image.tolist()])
        frame = self.partition.frame_float
        y = np.linalg.lstsq(image, np.asarray(inputs, dtype=np.float64).T, rcond=None)[0].T
        return _unit(y @ frame.T)

    @cached_property
    def deepest(self) -> tuple[np.ndarray, np.ndarray]:
        """For every cell a point of it far from its boundary (F x 3), and its angular distance from
        there (F).
        """
        climbs = _CLIMBS if len(self.walks) <= _MANY else 0
        found = [
            self.deep_point([(half, 0.5) for walk in walks for half in walk], climbs=climbs)
            for walks in self.walks
        ]
        return np.array([point for point, _ in found]), np.array([depth for _, depth in found])

    def deep_point(
        self,
        places: Sequence[tuple[int, float]],
        towards: np.ndarray | None = None,
        climbs: int = _CLIMBS,
    ) -> tuple[np.ndarray, float]:
        """A point far inside a cell, or inside the half of it around `towards`, and the angle to
        the nearest boundary.

        `places` are half-edges around the cell and shares of their ways. The best of the discs that
        touch there is where the search begins (`towards` without any), then it goes uphill from
        disc to disc, never leaving the cell.
        """
        room = _Room.of(self, list(dict.fromkeys(half >> 1 for half, _ in places)), towards)
        if not places:
            start = np.array([0.0, 0.0, 1.0]) if towards is None else towards
            return start, float(room.depths(start[None])[0])
        longest = sorted(places, key=lambda place: -self.lengths[place[0] >> 1])[:_STARTS]
        best = max(
            (room.disc(*self._inwards(half, share)) for half, share in longest),
            key=lambda found: found[1],
        )
        for _ in range(climbs):
            best = max(best, room.around(*best), key=lambda found: found[1])
        return best

    def _inwards(self, half: int, share: float) -> tuple[np.ndarray, np.ndarray]:
        """A place on a half-edge, and the direction to its left, at right angles."""
        arc = half >> 1
        place, axis = (
            self.points(arc, [share])[0],
            self.axis[self.circle[arc]] * (-1 if half & 1 else 1),
        )
        inwards = axis - (axis @ place) * place
        return place, inwards / np.linalg.norm(inwards)

    @cached_property
    def lengths(self) -> np.ndarray:
        """The lengths of the arcs on the unit sphere."""
        return self.turn * np.linalg.norm(self.first, axis=1)[self.circle]


@dataclass(frozen=True)
class _Room:
    """What discs must stay clear of: arcs, their ends, and the half of the sphere away from
    `towards`.
    """

    arcs: SphereArcs
    chosen: np.ndarray
    ends: np.ndarray
    towards: np.ndarray | None

    @classmethod
    def of(cls, arcs: SphereArcs, chosen: Sequence[int], towards: np.ndarray | None) -> _Room:
        """The room that some arcs leave."""
        ends = [arcs.points(arc, [0, 1]) for arc in chosen]
        return cls(
            arcs,
            np.array(chosen, dtype=np.int64),
            np.concatenate(ends or [np.zeros((0, 3))]),
            towards,
        )

    def depths(self, points: np.ndarray) -> np.ndarray:
        """The angles from points (k x 3) to the nearest arc, or to the limb, beyond which they are
        negative.
        """
        arcs, c = self.arcs, self.arcs.circle[self.chosen]
        turned = (
            np.arctan2(points @ arcs.second[c].T, points @ arcs.first[c].T)
            - arcs.start[self.chosen]
        )
        beside = turned % (2 * math.pi) <= arcs.turn[self.chosen]
        to_circle = np.abs(
            np.arccos(np.clip(points @ arcs.axis[c].T, -1, 1))
            - np.arccos(np.clip(arcs.height[c], -1, 1))
        )
        found = np.where(beside, to_circle, math.pi).min(axis=1, initial=math.pi)
        apart = np.linalg.norm(points[:, None] - self.ends, axis=2).min(axis=1, initial=2.0)
        found = np.minimum(found, 2 * np.arcsin(np.minimum(apart / 2, 1.0)))
        return (
            found
            if self.towards is None
            else np.minimum(found, np.arcsin(np.clip(points @ self.towards, -1, 1)))
        )

    def disc(self, place: np.ndarray, inwards: np.ndarray) -> tuple[np.ndarray, float]:
        """A disc that touches the boundary at a place, half as large as possible or larger: its
        centre and depth.

        A centre at the angle r from the place m towards d is nearer to m than to a point q while
        `tan r` is less than `(1 - m.q) / (d.q)`, and than to the limb of v while it is less than
        `m.v / (1 - d.v)`.
        """
        near, side = 1 - self.ends @ place, self.ends @ inwards
        radius = float(np.where(near > 1e-14, np.arctan2(near, side), math.pi).min(initial=math.pi))
        if self.towards is not None:
            radius = min(
                radius, max(0.0, math.atan2(place @ self.towards, 1 - inwards @ self.towards))
            )
        radii = radius * 0.5 ** np.arange(_HALVINGS)
        centres = np.cos(radii)[:, None] * place + np.sin(radii)[:, None] * inwards
        depths = self.depths(centres)
        largest = int(np.argmax(depths >= 0.999 * radii))
        return centres[largest], float(depths[largest])

    def around(self, centre: np.ndarray, depth: float) -> tuple[np.ndarray, float]:
        """The deepest of some points inside the disc around a centre."""
        angles = 2 * math.pi * np.arange(_DIRECTIONS)[:, None] / _DIRECTIONS
        right, up = tangents(centre)
        aside, size = np.cos(angles) * right + np.sin(angles) * up, max(0.0, min(depth, 1.0))
        points = np.concatenate(
            [math.cos(x * size) * centre + math.sin(x * size) * aside for x in (0.9, 0.3, 0.1)]
        )
        depths = self.depths(points)
        return points[int(np.argmax(depths))], float(depths.max())


def tangents(towards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Right and up of a picture seen from the unit vector `towards`, with the third axis (else the
    second) upwards.
    """
    upright = np.array([0.0, 0.0, 1.0]) if abs(towards[2]) < 0.999 else np.array([0.0, 1.0, 0.0])
    right = np.cross(upright, towards)
    right /= np.linalg.norm(right)
    return right, np.cross(towards, right)


def _planes(rows: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The planes over y as unit normals and heights over the unit sphere u = frame y."""
    normals = np.linalg.solve(frame.T, rows[:, :3].T).T
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return normals / lengths, -rows[:, 3] / lengths[:, 0]


def _frames(axis: np.ndarray, height: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres and two vectors of each circle, counter-clockwise around its axis."""
    radius = np.sqrt(np.maximum(1 - height**2, 0.0))[:, None]
    aside = np.eye(3)[np.argmin(np.abs(axis), axis=1)] if len(axis) else np.zeros((0, 3))
    first = _unit(np.cross(axis, aside))
    return height[:, None] * axis, radius * first, radius * np.cross(axis, first)


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def _rowwise(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", a, b)
