"""Kind `codes`: the spline codes on a sphere of any dimension, those whose open polyhedron meets
the sphere.

(1) Every listed code has two rational points inside its polyhedron, one nearer to the centre than
the sphere and one farther: by convexity it has points on the sphere between them. (2) Listed codes
form a binary tree, hinge by hinge. Wherever a listed code would turn off to a side on which no code
is listed, there is a proof that the polyhedron of the bits so far does not meet the sphere: `far`,
multipliers that add up to a halfspace which misses the open ball; or `near`, walls which together
with a simplex around the ball leave a polytope without a vertex outside the ball. So every other
code is excluded.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from exact.check.functions.charts import SphereChart
from exact.check.network import Network, coprime, dot
from exact.check.records import (
    Claim,
    Integers,
    Json,
    Records,
    Rejected,
    Values,
    bits_of,
    entries,
    get,
    indices,
    integers,
    only,
    scaled,
)

Corner = tuple[Values, int]  # homogeneous, with the walls on which it lies as bits


def check_codes(header: Json, network: Network, claim: Claim, records: Records) -> tuple[str, str]:
    """What a certificate of the codes on a sphere proves, and on which sphere."""
    if claim.maps or claim.faces or (claim.complete and not claim.regions):
        raise Rejected(
            "header: maps, counts of faces, or a complete list without a code, which no sphere "
            "can have"
        )
    chart = SphereChart.read(header, network)
    around = [
        tuple(integers(row, chart.dim + 2, f"header, around {i}"))
        for i, row in enumerate(get(header, "around", list, "header"))
    ]
    proofs = _Tree(chart, Globe(chart.form.matrix, chart.form.unit, around), claim).run(records)
    if not claim.complete:
        return f"{claim.regions} codes occur, by a point inside the sphere and one outside", str(
            chart
        )
    return f"{claim.regions} codes occur, and {proofs} proofs exclude all others", str(chart)


class Globe:
    """The closed ball `y' F y <= unit`, and walls of a simplex that holds it strictly inside."""

    def __init__(self, matrix: Sequence[Values], unit: int, around: Sequence[Values]) -> None:
        self.matrix, self.unit, self.around = matrix, unit, around
        self.inverse, self.scale = _inverse(matrix)
        for i, wall in enumerate(around):
            if wall[-1] <= 0 or wall[-1] ** 2 * self.scale <= self._reach(wall):
                raise Rejected(f"header, around {i}: does not hold the ball")
        self.corners = self._corners()

    def _reach(self, wall: Sequence[int]) -> int:
        """The square of the largest value of the normal on the ball, times `scale`."""
        return self.unit * sum(
            x * dot(row, wall) for x, row in zip(wall, self.inverse, strict=False)
        )

    def misses(self, row: Sequence[int]) -> bool:
        """Whether `row > 0` holds at no point of the closed ball, given that it holds strictly
        where it is used.
        """
        return row[-1] <= 0 and row[-1] ** 2 * self.scale >= self._reach(row)

    def side(self, point: Sequence[int]) -> int:
        """Positive outside the ball, negative inside, at a homogeneous point."""
        square = sum(x * dot(row, point) for x, row in zip(point, self.matrix, strict=False))
        return square - self.unit * point[-1] ** 2

    def _corners(self) -> list[Corner]:
        """Those of the simplex; each strictly inside the wall that it does not lie on."""
        count, found = len(self.around), list[Corner]()
        if count != len(self.matrix) + 1:
            raise Rejected("header, around: no simplex")
        for k, wall in enumerate(self.around):
            corner = _meet([other for i, other in enumerate(self.around) if i != k])
            if corner is None or dot(wall, corner) <= 0:
                raise Rejected("header, around: no simplex")
            found.append((corner, ((1 << count) - 1) ^ (1 << k)))
        return found

    def is_near(self, walls: Sequence[Values]) -> bool:
        """Whether the part of the simplex inside some walls has no point outside the ball."""
        corners, least = self.corners, len(self.matrix) - 1
        for k, wall in enumerate(walls, len(self.around)):
            values = [dot(wall, corner) for corner, _ in corners]
            kept = [
                (at, on if value else on | 1 << k)
                for (at, on), value in zip(corners, values, strict=True)
                if value >= 0
            ]
            below = [
                (at, on, value)
                for (at, on), value in zip(corners, values, strict=True)
                if value < 0
            ]
            above = [
                (at, on, value)
                for (at, on), value in zip(corners, values, strict=True)
                if value > 0
            ]
            for low, on_low, a in below:
                for high, on_high, b in above:
                    common = on_low & on_high
                    if common.bit_count() >= least:
                        kept.append(
                            (
                                coprime([b * x - a * y for x, y in zip(low, high, strict=True)]),
                                common | 1 << k,
                            )
                        )
            corners = list(dict.fromkeys(kept))
        return all(self.side(corner) <= 0 for corner, _ in corners)


class _Leaf(NamedTuple):
    """A code with what its record says."""

    code: int
    bits: list[bool]
    rows: list[Values]
    proofs: dict[int, Any]
    place: str


class _Tree:
    """One pass over the codes in ascending order, each seen together with the next."""

    def __init__(self, chart: SphereChart, globe: Globe, claim: Claim) -> None:
        self.chart, self.globe, self.claim = chart, globe, claim
        self.hinges = sum(chart.stages.sizes)

    def run(self, records: Records) -> int:
        """Check all codes; the number of proofs."""
        shared, proofs = -1, 0
        leaf = self._leaf(records, 0) if self.claim.regions else None
        for i in range(self.claim.regions):
            assert leaf is not None
            following = self._leaf(records, i + 1) if i + 1 < self.claim.regions else None
            ahead = -1 if following is None else self._shared(leaf, following)
            if self.claim.complete:
                needed = [d for d, bit in enumerate(leaf.bits) if d > (shared if bit else ahead)]
            else:
                needed = []
            if sorted(leaf.proofs) != needed:
                missing = min(set(needed) ^ set(leaf.proofs))
                raise Rejected(
                    f"{leaf.place}: where it turns at hinge {missing}, a code or a proof is "
                    f"missing, or too much"
                )
            for depth in needed:
                self._exclude(leaf, depth)
            leaf, shared, proofs = following, ahead, proofs + len(needed)
        return proofs

    def _shared(self, leaf: _Leaf, following: _Leaf) -> int:
        """How many bits two codes share, the second of which is the larger."""
        if following.code <= leaf.code:
            raise Rejected(f"{following.place}: the codes do not ascend")
        return self.hinges - (leaf.code ^ following.code).bit_length()

    def _leaf(self, records: Records, index: int) -> _Leaf:
        place = f"code {index}"
        record = records.next(place)
        only(record, {"code", "inside", "outside", "excluded"}, place)
        code = self.claim.add_new(record, self.hinges, place)
        bits = bits_of(code, self.hinges)
        stages = [
            self.chart.stages.at(layer, bits) for layer in range(len(self.chart.stages.sizes))
        ]
        rows = [coprime(row) for stage in stages for row in stage.hinges]
        for key, side in (("inside", -1), ("outside", 1)):
            point = scaled(get(record, key, str, place), self.chart.dim + 1, f"{place}, {key}")
            if self.globe.side(point) * side <= 0:
                raise Rejected(f"{place}: the point {key} the sphere is not")
            wrong = next((j for j, bit in enumerate(bits) if not _holds(rows[j], bit, point)), None)
            if wrong is not None:
                raise Rejected(
                    f"{place}: the point {key} the sphere has not the code, at hinge {wrong}"
                )
        listed = [
            entries(entry, 2, f"{place}, excluded")
            for entry in get(record, "excluded", list, place)
        ]
        depths = indices([entry[0] for entry in listed], self.hinges, f"{place}, excluded")
        return _Leaf(
            code, bits, rows, dict(zip(depths, (entry[1] for entry in listed), strict=True)), place
        )

    def _exclude(self, leaf: _Leaf, depth: int) -> None:
        """The proof that no code starts as this one up to a hinge, and has the other bit there."""
        place = f"{leaf.place}, excluded at hinge {depth}"
        bits = [*leaf.bits[:depth], not leaf.bits[depth]]
        walls = [
            row if bit else tuple(-x for x in row)
            for row, bit in zip(leaf.rows, bits, strict=False)
        ]
        proof = leaf.proofs[depth]
        if not isinstance(proof, dict) or len(proof) != 1:
            raise Rejected(f"{place}: neither far nor near")
        if "near" in proof:
            names = indices(proof["near"], depth + 1, f"{place}, near")
            if not self.globe.is_near([walls[name] for name in names]):
                raise Rejected(f"{place}: the walls leave points outside the sphere")
            return
        self._far(walls, bits, entries(get(proof, "far", list, place), 2, f"{place}, far"), place)

    def _far(self, walls: list[Values], bits: list[bool], proof: list[Any], place: str) -> None:
        """Walls that are positive on the polyhedron add up to a row that is positive at no point of
        the ball.
        """
        count = len(walls)
        rows = [*walls, *self.globe.around]
        names = indices(proof[0], len(rows), f"{place}, far")
        multipliers = integers(proof[1], len(names), f"{place}, far")
        if (
            not names
            or min(multipliers) <= 0
            or any(name < count and not bits[name] and not any(rows[name]) for name in names)
        ):
            raise Rejected(
                f"{place}: a multiplier is not positive, or stands at a hinge that vanishes"
            )
        total = [
            dot(multipliers, [rows[name][k] for name in names]) for k in range(self.chart.dim + 2)
        ]
        if not self.globe.misses(total):
            raise Rejected(f"{place}: the multipliers do not keep the polyhedron off the sphere")


def _holds(row: Values, bit: bool, point: Integers) -> bool:
    """Whether a hinge is as its bit says in a whole neighbourhood of a point."""
    value = dot(row, point)
    return value > 0 if bit else value < 0 or not any(row)


def _inverse(matrix: Sequence[Values]) -> tuple[list[Values], int]:
    """The inverse of a definite matrix as integers over a positive scale."""
    size = len(matrix)
    rows = [
        [Fraction(x) for x in row] + [Fraction(i == j) for j in range(size)]
        for i, row in enumerate(matrix)
    ]
    for k in range(size):
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(size):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    found = [row[size:] for row in rows]
    scale = 1
    for x in (x for row in found for x in row):
        scale = scale * x.denominator // _common(scale, x.denominator)
    return [tuple(int(x * scale) for x in row) for row in found], scale


def _common(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def _meet(planes: Sequence[Values]) -> Values | None:
    """The point on d planes of R^d, homogeneous with a positive last entry; None where they have
    not exactly one.
    """
    rows, size = [[Fraction(x) for x in plane] for plane in planes], len(planes)
    for k in range(size):
        pivot = next((i for i in range(k, size) if rows[i][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(size):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    at = [-row[size] for row in rows]
    scale = 1
    for x in at:
        scale = scale * x.denominator // _common(scale, x.denominator)
    return (*(int(x * scale) for x in at), scale)
