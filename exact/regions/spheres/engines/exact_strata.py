"""Strata of an arrangement on a sphere, one at a time, in rationals and surds: what the float64
kernel leaves open.

A set of hyperplanes names a flat. It misses the sphere, or meets it in a subsphere, or it is not
simple: hyperplanes through it are dependent, or it touches the sphere in one point. Cost: one exact
solve of the size of the set per flat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from exact.arithmetic.linear_algebra import apply, dot, matrix, null_space, rank, solve
from exact.arithmetic.numbers import Rational
from exact.arithmetic.surds import sign_of_surd
from exact.geometry.budgets import Watch
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.minimum_norm import RoundBody

Chosen = tuple[int, ...]


class NotSimple(Exception):
    """A stratum at which more or other than the 2^c completions meet."""


@dataclass(frozen=True)
class Flat:
    """Where c independent hyperplanes meet inside the sphere: the point next to the origin, and its
    squared norm.
    """

    foot: tuple[Rational, ...]
    norm_squared: Rational


@dataclass
class ExactFlats:
    """Strata decided in rationals and surds; what was asked before is kept."""

    planes: Sequence[Halfspace]
    body: RoundBody
    watch: Watch
    known: dict[frozenset[int], Flat | None] = field(default_factory=dict)
    settled: set[frozenset[int]] = field(default_factory=set)
    checked: set[frozenset[int]] = field(default_factory=set)
    found: list[tuple[Chosen, list[bool]]] = field(default_factory=list)

    def taken(self) -> list[tuple[Chosen, list[bool]]]:
        """The strata found since the last call: their hyperplanes, and the sides of all others
        (false on their own).
        """
        found, self.found = self.found, []
        return found

    def flat(self, chosen: Sequence[int]) -> Flat | None:
        """The flat of some hyperplanes, None when it misses the sphere. Raises NotSimple when they
        touch or are dependent.
        """
        key = frozenset(chosen)
        if key not in self.known:
            self.known[key] = self._flat(sorted(chosen))
        return self.known[key]

    def _flat(self, chosen: Sequence[int]) -> Flat | None:
        self.watch.check()
        rows = [[Rational(x) for x in self.planes[j].normal] for j in chosen]
        offsets = [Rational(self.planes[j].offset) for j in chosen]
        normals = matrix(rows, self.body.dim)
        raised = self.body.inverse * normals.transpose()
        weights = solve(normals * raised, [-x for x in offsets])
        if weights is None:
            self._refuse_dependent(chosen, rows, offsets)
            return None
        foot = apply(raised, weights)
        square = self.body.norm_squared(foot)
        if square == self.body.radius_squared:
            raise NotSimple(f"{len(chosen)} hyperplanes touch the sphere")
        return Flat(tuple(foot), square) if square < self.body.radius_squared else None

    def _refuse_dependent(
        self, chosen: Sequence[int], rows: list[list[Rational]], offsets: list[Rational]
    ) -> None:
        """Raises NotSimple when dependent hyperplanes have common points on the sphere."""
        if rank([[*row, x] for row, x in zip(rows, offsets, strict=True)]) > rank(rows):
            return
        kept = list[int]()
        for j, row in zip(chosen, rows, strict=True):
            if rank([*([Rational(x) for x in self.planes[i].normal] for i in kept), row]) > len(
                kept
            ):
                kept.append(j)
        if self.flat(kept) is not None:
            raise NotSimple(f"{len(chosen)} hyperplanes through a flat of codimension {len(kept)}")

    def settle(self, chosen: Chosen) -> None:
        """All strata of a set and of the sets that start with it; raises Stopped."""
        self.watch.check()
        if frozenset(chosen) in self.settled:
            return
        self.settled.add(frozenset(chosen))
        flat = self.flat(chosen)
        if flat is None:
            self._check_smaller(chosen)
        elif len(chosen) < self.body.dim - 1:
            self.check(chosen)
            for j in range(chosen[-1] + 1, len(self.planes)):
                self.settle((*chosen, j))
        else:
            self._cross(chosen, flat)

    def _check_smaller(self, chosen: Chosen) -> None:
        for j in chosen if len(chosen) > 1 else ():
            self.check(tuple(i for i in chosen if i != j))

    def check(self, chosen: Chosen) -> None:
        """Note the subsphere of a flat if no other hyperplane cuts it."""
        if frozenset(chosen) in self.checked:
            return
        self.checked.add(frozenset(chosen))
        flat = self.flat(chosen)
        if flat is None:
            self._check_smaller(chosen)
            return
        others = [j for j in range(len(self.planes)) if j not in chosen]
        if all(self.flat((*chosen, j)) is None for j in others):
            sides = [
                self._value(j, flat.foot) > 0 if j not in chosen else False
                for j in range(len(self.planes))
            ]
            self.found.append((chosen, sides))

    def _value(self, j: int, point: Sequence[Rational]) -> Rational:
        return self._slope(j, point) + self.planes[j].offset

    def _slope(self, j: int, direction: Sequence[Rational]) -> Rational:
        return dot([Rational(x) for x in self.planes[j].normal], direction)

    def _cross(self, chosen: Chosen, flat: Flat) -> None:
        """The two points in which a line crosses the sphere."""
        along = null_space(
            [[Rational(x) for x in self.planes[j].normal] for j in chosen], self.body.dim
        )[0]
        square = (self.body.radius_squared - flat.norm_squared) / self.body.norm_squared(along)
        values = [
            (self._value(j, flat.foot), self._slope(j, along)) for j in range(len(self.planes))
        ]
        for end in (1, -1):
            signs = [
                0 if j in chosen else sign_of_surd(a, end * b, square)
                for j, (a, b) in enumerate(values)
            ]
            if any(sign == 0 for j, sign in enumerate(signs) if j not in chosen):
                raise NotSimple(
                    f"more than {len(chosen)} hyperplanes through a point of the sphere"
                )
            self.found.append((chosen, [sign > 0 for sign in signs]))
