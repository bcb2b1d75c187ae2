"""The regions of a plane as they are drawn: outlines in float64, and which of them meet.

In a bounded window that is the whole domain the corners come as one array, with proved bounds; in
others the polygons are clipped exactly, one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exact import Box
from exact.regions.polytopes.partition import FlatPartition


@dataclass(frozen=True)
class Outlines:
    """What is seen of a partition: outline k (corners x 2, counter-clockwise) is region
    `indices[k]`, or a part of it in which class `classes[k]` wins.
    """

    indices: tuple[int, ...]
    corners: tuple[np.ndarray, ...]
    classes: tuple[int, ...] = ()

    @classmethod
    def of(cls, partition: FlatPartition, clip: Box | None) -> Outlines:
        """The outlines of all regions, or of what is seen of them in a window."""
        if clip is not None or not partition.is_bounded or partition.flat.dim != 2:
            shapes = partition.polygons(clip=clip)
            seen = tuple(i for i, shape in enumerate(shapes) if not shape.is_empty)
            return cls(seen, tuple(np.array(shapes[i].exterior.coords)[:-1] for i in seen))
        points, starts = partition.outlines_float
        return cls(tuple(range(len(partition))), tuple(np.split(points, starts[1:-1].astype(int))))

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def _flat(self) -> tuple[np.ndarray, np.ndarray]:
        """All corners, and the outline of each."""
        sizes = [len(corners) for corners in self.corners]
        return np.concatenate(self.corners), np.repeat(np.arange(len(sizes)), sizes)

    @property
    def window(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top."""
        (left, bottom), (right, top) = (
            end.tolist() for end in (self._flat[0].min(axis=0), self._flat[0].max(axis=0))
        )
        return left, bottom, right, top

    @property
    def centres(self) -> np.ndarray:
        """The centroids of all outlines (outlines x 2)."""
        return np.array([_centroid(corners) for corners in self.corners]).reshape(-1, 2)

    @cached_property
    def touching(self) -> list[tuple[int, int]]:
        """Pairs of outlines that meet, if only in a corner: regions meet face to face, in a window
        too, so they share that corner, and its floats.
        """
        if not len(self):
            return []
        points, owner = self._flat
        _, place = np.unique(points, axis=0, return_inverse=True)
        order = np.lexsort((owner, place.reshape(-1)))
        place, owner = place.reshape(-1)[order], owner[order]
        found = set[tuple[int, int]]()
        for step in range(1, len(place)):
            same = place[step:] == place[:-step]
            if not same.any():
                break
            pairs = (owner[:-step][same].tolist(), owner[step:][same].tolist())
            found.update(zip(*pairs, strict=True))
        return sorted((a, b) for a, b in found if a < b)

    def contested(self, maps: np.ndarray) -> list[int]:
        """The outlines at whose corners not one class alone is ahead, by the affine maps of all
        (outlines x outputs x 3); a single output is ahead of 0 or behind it.
        """
        if not len(self):
            return []
        points, owner = self._flat
        own = maps[owner]
        values = np.einsum("nmk,nk->nm", own[:, :, :2], points) + own[:, :, 2]
        if values.shape[1] == 1:
            values = np.concatenate([np.zeros_like(values), values], axis=1)
        ahead = np.argmax(values, axis=1)
        starts = np.concatenate([[0], np.flatnonzero(np.diff(owner)) + 1])
        ends = (np.minimum.reduceat(ahead, starts), np.maximum.reduceat(ahead, starts))
        found: list[int] = np.flatnonzero(ends[0] != ends[1]).tolist()
        return found


def _centroid(corners: np.ndarray) -> np.ndarray:
    """The centre of mass, of an outline of any size; the mean of the corners where it is flat."""
    moved = corners - corners[0]
    size = np.abs(moved).max()
    if not size > 0:
        return corners[0]
    unit = moved / size
    after = np.roll(unit, -1, axis=0)
    areas = unit[:, 0] * after[:, 1] - unit[:, 1] * after[:, 0]
    total = areas.sum()
    middle = unit.mean(axis=0) if total == 0 else (unit + after).T @ areas / (3 * total)
    return np.asarray(corners[0] + size * middle)


def clipped(corners: np.ndarray, rows: Sequence[np.ndarray]) -> np.ndarray:
    """The part of a convex outline in which every affine row is >= 0 (Sutherland and Hodgman
    1974); no corner where there is none.
    """
    for row in rows:
        values = corners @ row[:2] + row[2]
        kept = list[np.ndarray]()
        for k in range(len(corners)):
            before, value = values[k - 1], values[k]
            if (before < 0) != (value < 0):
                share = before / (before - value)
                kept.append(corners[k - 1] + share * (corners[k] - corners[k - 1]))
            if value >= 0:
                kept.append(corners[k])
        corners = np.array(kept).reshape(-1, 2)
        if not len(corners):
            break
    return corners
