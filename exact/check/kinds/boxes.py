"""The walls of a domain that bound one parameter each, as a box, and what is redundant in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from exact.check.network import dot
from exact.check.records import Integers, Rejected, Values


@dataclass(frozen=True)
class Box:
    """Walls as bounds and others: the integers `lo[j] / unit`, `hi[j] / unit` bound parameter j,
    None where no wall does, and `others` are the walls with more parameters than one.
    """

    lo: list[int | None]
    hi: list[int | None]
    unit: int
    others: list[Values]

    @classmethod
    def of(cls, walls: Sequence[Values], dim: int) -> Box:
        """The tightest bounds among walls with a normal, `n . s + b > 0`."""
        lo, hi = dict[int, Fraction](), dict[int, Fraction]()
        others = list[Values]()
        for wall in walls:
            if dim - wall[:-1].count(0) != 1:
                others.append(wall)
                continue
            axis = next(j for j, x in enumerate(wall) if x)
            end = Fraction(-wall[-1], wall[axis])
            if wall[axis] > 0:
                lo[axis] = max(end, lo.get(axis, end))
            else:
                hi[axis] = min(end, hi.get(axis, end))
        unit = lcm(*(end.denominator for side in (lo, hi) for end in side.values()))
        first, last = (
            [None if j not in side else int(side[j] * unit) for j in range(dim)]
            for side in (lo, hi)
        )
        return cls(first, last, unit, others)

    def holds(self, point: Integers) -> bool:
        """Whether a homogeneous point lies strictly inside all walls."""
        *place, scale = point
        return all(
            (low is None or x * self.unit > low * scale)
            and (high is None or x * self.unit < high * scale)
            for x, low, high in zip(place, self.lo, self.hi, strict=True)
        ) and all(dot(wall, point) > 0 for wall in self.others)

    def require_redundant(
        self, wall: Values, rows: Sequence[Values], proof: Integers | None, place: str
    ) -> None:
        """`q wall - sum_i l_i row_i >= 0` on the bounds, with q > 0 and l >= 0 (q = 1, l = 0 where
        no proof is given): inside the rows and the bounds the wall is positive by itself.
        """
        rest: Sequence[int] = wall
        if proof is not None:
            q, *multipliers = proof
            if q <= 0 or min(multipliers, default=0) < 0:
                raise Rejected(f"{place}: multipliers that are no proof")
            rest = [q * x for x in wall]
            for factor, row in zip(multipliers, rows, strict=True):
                if factor:
                    rest = [x - factor * y for x, y in zip(rest, row, strict=True)]
        total = rest[-1] * self.unit
        for x, low, high in zip(rest[:-1], self.lo, self.hi, strict=True):
            if x:
                end = low if x > 0 else high
                if end is None:
                    raise Rejected(f"{place}: not redundant by bounds, of which one is missing")
                total += x * end
        if total < 0:
            raise Rejected(f"{place}: the multipliers do not prove that it is redundant")
