"""Which circles on a sphere meet, and in which order along each: by float64 enclosures, and exactly
where those overlap.

The enclosures and their error bounds are those of `exact.kernels.small_circles`; the predicates
those of `exact.geometry.circles.points`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.errors import TooLarge, require
from exact.geometry.circles.complex import HalfEdgeArray
from exact.geometry.circles.points import CircleOrder, CirclePlanes, Spot

_MOST, _LONGEST = 2**31 - 1, 2**23


class Meetings:
    """Which circles meet, and the cyclic order of the points on each: slots and points as in the
    kernels.

    After :meth:`sort_circle`, `points` and `tied` list the points of circle i at `2 starts[i] : 2
    starts[i + 1]`; a tied point equals the one before. `check` is called between its steps, and may
    raise Stopped.
    """

    def __init__(
        self, geometry: CirclePlanes, filtered: bool, check: Callable[[], None] = lambda: None
    ) -> None:
        self._check = check
        self.geometry, self.filtered, self.count = geometry, filtered, len(geometry)
        self.decisions = {"filter": 0, "exact": 0}
        self.rows = geometry.unit_rows() if filtered else np.zeros((0, 11))
        self.starts, self.neighbour, self.twin = self._slots()
        self.points = np.zeros(2 * len(self.twin), np.int32)
        self.tied = np.zeros(2 * len(self.twin), np.uint8)

    def sort_circle(self, i: int) -> None:
        """Order the points of circle i; each circle once, before anything is read off `points` and
        `tied`.
        """
        begin, end = 2 * int(self.starts[i]), 2 * int(self.starts[i + 1])
        if end > begin:
            self.sort(i, self.neighbours(i), self.points[begin:end], self.tied[begin:end], begin)

    def neighbours(self, i: int) -> HalfEdgeArray:
        """The circles that circle i meets, ascending."""
        return self.neighbour[self.starts[i] : self.starts[i + 1]]

    def ranks(self, i: int) -> IndexArray:
        """The places along circle i of its points, from the first neighbour's entry; equal points
        have equal places.
        """
        begin, end = 2 * int(self.starts[i]), 2 * int(self.starts[i + 1])
        place = np.zeros(end - begin, dtype=np.int64)
        place[self.points[begin:end] - begin] = np.cumsum(self.tied[begin:end] == 0)
        return (place - place[0]) % (place.max() + 1 - place.min()) if len(place) else place

    def _slots(self) -> tuple[IndexArray, HalfEdgeArray, HalfEdgeArray]:
        from exact.kernels import small_circles as kernels

        counts = np.zeros(self.count, dtype=np.int64)
        if not self.filtered:
            found = [
                (i, j)
                for i in range(self.count)
                for j in range(i + 1, self.count)
                if self._meets(i, j)
            ]
            pairs = np.array(found, dtype=np.int64).reshape(len(found), 2)
            np.add.at(counts, pairs.ravel(), 1)
        else:
            asked, meets = self._asked(counts)
        starts = np.concatenate([[0], np.cumsum(counts)])
        self._check()
        if 4 * starts[-1] > _MOST:
            raise TooLarge(
                "the arcs outgrow 32-bit numbers",
                value=f"{starts[-1] // 2:,} pairs of circles that meet",
                remedy="take fewer planes: about 20,000 are possible",
            )
        neighbour, twin = np.zeros(starts[-1], dtype=np.int32), np.zeros(starts[-1], dtype=np.int32)
        if self.filtered:
            kernels.fill_slots(self.rows, starts, asked, meets, neighbour, twin)
        else:
            kernels.fill_pairs(pairs, starts, neighbour, twin)
        self._check()
        return starts, neighbour, twin

    def _asked(self, counts: IndexArray) -> tuple[IndexArray, BitArray]:
        """The pairs that floats do not decide, and whether they meet; writes the numbers of
        meetings to `counts`.
        """
        from exact.kernels import small_circles as kernels

        asked = np.zeros((1024, 2), dtype=np.int64)
        unknown = kernels.count_meetings(self.rows, 0, counts, asked)
        if unknown > len(asked):
            counts[:], asked = 0, np.zeros((unknown, 2), dtype=np.int64)
            kernels.count_meetings(self.rows, 0, counts, asked)
        asked = asked[:unknown]
        self._check()
        meets = np.array([self._meets(i, j) for i, j in asked.tolist()], dtype=bool)
        np.add.at(counts, asked[meets].ravel(), 1)
        self.decisions["filter"] += self.count * (self.count - 1) // 2 - unknown
        return asked, meets

    def _meets(self, i: int, j: int) -> bool:
        self._check()
        self.decisions["exact"] += 1
        return self.geometry.meeting(i, j) >= 0

    # ---- one more circle

    def crossings(self, row: Sequence[int]) -> list[Spot] | None:
        """Add a circle and list its points in cyclic order; None, adding nothing, unless it crosses
        others simply.

        It must cross some, touch none and pass through no point of two. :meth:`forget` takes it
        back.
        """
        require(self.geometry.add(row) > 0, "a plane through the centre cuts a circle", row)
        if self.filtered:
            self.rows = np.concatenate([self.rows, self.geometry.unit_rows(self.count)])
        others = self._crossed()
        if others is not None and len(others):
            points, tied = np.zeros(2 * len(others), np.int32), np.zeros(2 * len(others), np.uint8)
            self.sort(self.count, others, points, tied, 0)
            if not tied.any():
                return [_spot(others, p) for p in points.tolist()]
        self.forget()
        return None

    def forget(self) -> None:
        """Take back the circle added by :meth:`crossings`."""
        self.geometry.drop()
        self.rows = self.rows[: self.count]

    def _crossed(self) -> HalfEdgeArray | None:
        """The circles that the added one crosses; None when it touches one."""
        from exact.kernels import small_circles as kernels

        counts = np.zeros(self.count + 1, dtype=np.int64)
        asked = np.zeros((self.count, 2), dtype=np.int64)
        if self.filtered:
            unknown = kernels.count_meetings(self.rows, self.count, counts, asked)
            doubtful = asked[:unknown, 0].tolist()
        else:
            doubtful = list(range(self.count))
        for i in doubtful:
            meeting = self.geometry.meeting(i, self.count)
            self.decisions["exact"] += 1
            if meeting == 0:
                return None
            counts[i] = meeting > 0
        return np.flatnonzero(counts[:-1]).astype(np.int32)

    def before(self, j: int, spot: Spot) -> int:
        """The point of circle j, which meets others, that comes before its crossing with the added
        circle.

        `spot` is that crossing seen from the added circle.
        """
        others = np.append(self.neighbours(j), self.count).astype(np.int32)
        points, tied = np.zeros(2 * len(others), np.int32), np.zeros(2 * len(others), np.uint8)
        self.sort(j, others, points, tied, 2 * int(self.starts[j]))
        own = 2 * int(self.starts[j + 1]) + (spot[1] < 0)
        place = int(np.flatnonzero(points == own)[0])
        found = int(points[place - 1])
        return found if found < 2 * int(self.starts[j + 1]) else int(points[place - 2])

    # ---- the order along a circle

    def sort(
        self, i: int, others: HalfEdgeArray, points: HalfEdgeArray, tied: ByteArray, offset: int
    ) -> None:
        """Write the points in cyclic order; point 2k (+ 1) + offset is where circle `others[k]` is
        entered (left).
        """
        uncertain = self._certain_order(i, others, points, offset, tied) if self.filtered else -1
        if uncertain == 0:
            return
        order = CircleOrder(self.geometry, i)
        if uncertain > 0:
            self._settle(order, others, points, tied, offset)
        else:
            number = {_spot(others, p): offset + p for p in range(len(points))}
            _write(order.all_groups(list(number)), number, points, tied)
        self.decisions["exact"] += order.decisions

    def _certain_order(
        self, i: int, others: HalfEdgeArray, points: HalfEdgeArray, offset: int, tied: ByteArray
    ) -> int:
        """Order by floats; the number of points they do not tell from the one before, or -1 for no
        order at all.
        """
        from exact.kernels import small_circles as kernels

        size = len(points)
        low, high, hard = np.zeros(size), np.zeros(size), np.zeros(len(others), dtype=np.int64)
        for k in hard[: kernels.enclose(self.rows, i, others, low, high, hard)].tolist():
            for side in (0, 1):
                low[2 * k + side], high[2 * k + side] = self.geometry.enclosed(
                    i, (int(others[k]), 2 * side - 1)
                )
        keys, shift = np.zeros(size, dtype=np.uint64), (size - 1).bit_length()
        kernels.write_keys(low, keys, shift)
        keys.sort()
        uncertain = int(kernels.certain_order(keys, high, shift, points, offset, tied))
        self.decisions["filter"] += size - uncertain if uncertain >= 0 else 0
        return uncertain

    def _settle(
        self,
        order: CircleOrder,
        others: HalfEdgeArray,
        points: HalfEdgeArray,
        tied: ByteArray,
        offset: int,
    ) -> None:
        """Order exactly every run of points that floats do not tell apart.

        Enclosures are narrower than 2^-23, unless one is the whole circle and nothing is certain;
        so a run of overlapping ones is shorter than half a turn, which is 2.
        """
        require(
            len(points) < _LONGEST,
            "a run of overlapping enclosures is short",
            f"{len(points):,} points",
        )
        for begin, end in _runs(tied):
            number = {_spot(others, p - offset): p for p in points[begin:end].tolist()}
            _write(order.groups(list(number)), number, points[begin:end], tied[begin:end])


def _spot(others: HalfEdgeArray, point: int) -> Spot:
    return int(others[point >> 1]), 2 * (point & 1) - 1


def _write(
    groups: list[list[Spot]], number: dict[Spot, int], points: HalfEdgeArray, tied: ByteArray
) -> None:
    k = 0
    for group in groups:
        for place, spot in enumerate(group):
            points[k], tied[k] = number[spot], place > 0
            k += 1


def _runs(tied: ByteArray) -> Iterator[tuple[int, int]]:
    """The ranges of points, begun by one that is not tied, that contain tied ones."""
    starts = np.append(np.flatnonzero(tied == 0), len(tied))
    crowded = np.flatnonzero(np.diff(starts) > 1)
    yield from zip(starts[crowded].tolist(), starts[crowded + 1].tolist(), strict=True)
