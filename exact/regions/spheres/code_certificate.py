"""Write certificates of the codes on a sphere: kind `codes`.

Codes are the leaves of a binary tree, hinge by hinge. A polytope inside a simplex around the ball
follows every path to a listed code; each branch without a code gets a proof that its polytope does
not meet the sphere: near (no vertex outside), or far (Wolfe's nearest point gives a halfspace, a
Farkas vector derives it). Cost: a cut of a polytope per hinge and code where paths part, and one
linear programme per branch that is far.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import lcm
from typing import Protocol

from exact.arithmetic.arrays import ByteArray
from exact.arithmetic.linear_algebra import apply
from exact.arithmetic.numbers import Rational
from exact.errors import EngineDefect
from exact.geometry.combinatorics.codes import SplineCode
from exact.geometry.polyhedra.double_description import VertexPolytope
from exact.geometry.polyhedra.halfspace import Halfspace, Point
from exact.geometry.polyhedra.minimum_norm import RoundBody
from exact.geometry.polyhedra.programmes.lp import Farkas, strict_feasibility
from exact.propagation.charts import SphereChart
from exact.regions.cells import Outcome
from exact.regions.certificate import Json, hexadecimal

_ZERO = Rational(0)


class CodesOnSphere(Protocol):
    """What the writer reads of a partition of a sphere into codes."""

    chart: SphereChart
    codes: ByteArray
    outcome: Outcome

    def __len__(self) -> int:
        """The number of codes."""

    def code_of(self, index: int) -> SplineCode:
        """One of them."""

    def straddling_of(self, index: int) -> tuple[Point, Point]:
        """Two points of its polytope, inside the sphere and outside."""

    def halfspaces_of(self, index: int) -> tuple[Halfspace, ...]:
        """Its halfspaces, one a hinge."""


@dataclass
class CodeWriter:
    """The records of the codes of a partition, in their order."""

    partition: CodesOnSphere
    body: RoundBody = field(init=False)
    _path: list[VertexPolytope] = field(default_factory=list)
    _bits: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        chart = self.partition.chart
        self.body = RoundBody(chart.gram, chart.radius_squared)
        self._path = [self.body.around()]

    @property
    def around(self) -> list[str]:
        """The walls of the simplex around the ball."""
        return [hexadecimal(wall.coefficients) for wall in self._path[0].walls]

    def records(self) -> Iterator[Json]:
        """One record per code: the code, a point on either side of the sphere, the branches without
        a code.
        """
        codes = self.partition.codes
        complete, count = self.partition.outcome is Outcome.COMPLETE, len(self.partition)
        behind = -1
        for index in range(count):
            bits = self._bits_of(index)
            ahead = _shared(bits, self._bits_of(index + 1)) if index + 1 < count else -1
            inside, outside = self.partition.straddling_of(index)
            yield {
                "code": codes[index].tobytes().hex(),
                "inside": hexadecimal(inside),
                "outside": hexadecimal(outside),
                "excluded": self._excluded(index, bits, behind, ahead) if complete else [],
            }
            behind = ahead

    def _bits_of(self, index: int) -> tuple[bool, ...]:
        return tuple(bool(bit) for bit in self.partition.code_of(index).bits)

    def _excluded(self, index: int, bits: tuple[bool, ...], behind: int, ahead: int) -> list[Json]:
        """The branches that no listed code takes: those to 0 below what is shared with the code
        before, to 1 with the next.
        """
        rows = self.partition.halfspaces_of(index)
        shared = _shared(bits, self._bits)
        del self._path[shared + 1 :]
        found = list[Json]()
        for depth, bit in enumerate(bits):
            wanted = depth > (behind if bit else ahead)
            if depth < len(self._path) - 1 and not wanted:
                continue
            parts = _split(self._path[depth], rows[depth])
            own, other = parts if bit else parts[::-1]
            if own is None:
                raise EngineDefect("a code has no interior point", value=f"code {index}")
            if depth == len(self._path) - 1:
                self._path.append(own)
            if wanted:
                found.append([depth, self._proof(rows, (*bits[:depth], not bit), other)])
        self._bits = bits
        return found

    def _proof(
        self, rows: Sequence[Halfspace], bits: Sequence[bool], polytope: VertexPolytope | None
    ) -> Json:
        """Why the polytope of some bits does not meet the sphere."""
        walls = [row if bit else row.opposite for row, bit in zip(rows, bits, strict=False)]
        if polytope is None:
            return self._far(walls, bits, None)
        if max(self.body.sides(polytope.table)) <= 0:
            return {"near": self._facets(walls, polytope)}
        nearest = self.body.nearest(polytope.vertices)
        if nearest.is_inside:
            raise EngineDefect("a code that occurs is not listed", value=bits)
        normal = apply(self.body.gram, nearest.point)
        heights = [
            Halfspace.of([*normal, _ZERO]).value(v) * Rational(1, v[-1]) for v in polytope.vertices
        ]
        scale = next(
            a / b
            for a, b in zip(Halfspace.of([*normal, _ZERO]).coefficients, normal, strict=False)
            if b != 0
        )
        return self._far(walls, bits, Halfspace.of([*(-x for x in normal), min(heights) / scale]))

    def _facets(self, walls: Sequence[Halfspace], polytope: VertexPolytope) -> list[int]:
        """Hinges whose walls are facets of the polytope."""
        facets = {polytope.walls[w] for w in polytope.facets()}
        return [walls.index(wall) for wall in facets if wall in walls]

    def _far(
        self, walls: Sequence[Halfspace], bits: Sequence[bool], beyond: Halfspace | None
    ) -> Json:
        """Multipliers for walls and the simplex that, with a halfspace of points too near, leave
        nothing.
        """
        known = [
            (j, wall)
            for j, (wall, bit) in enumerate(zip(walls, bits, strict=True))
            if bit or any(wall.coefficients)
        ]
        simplex = [(len(walls) + i, wall) for i, wall in enumerate(self._path[0].walls)]
        named = [*known, *simplex]
        proof = strict_feasibility(
            [*(wall for _, wall in named), *([beyond] if beyond else [])], self.body.dim
        )
        if not isinstance(proof, Farkas):
            raise EngineDefect("a polytope without a point has one", value=bits)
        kept = [
            (named[i][0], x)
            for i, x in zip(proof.rows, proof.multipliers, strict=True)
            if i < len(named)
        ]
        share = lcm(*(int(x.q) for _, x in kept))
        return {"far": [[name for name, _ in kept], hexadecimal([x * share for _, x in kept])]}


def _shared(one: Sequence[bool], other: Sequence[bool]) -> int:
    """How many bits at the start two codes share."""
    return next(
        (k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )


def _split(
    polytope: VertexPolytope, row: Halfspace
) -> tuple[VertexPolytope | None, VertexPolytope | None]:
    """Where a hinge is on, and where it is off; one that is constant is on or off everywhere."""
    if row.is_constant:
        return (polytope, None) if row.offset > 0 else (None, polytope)
    return polytope.split(row)
