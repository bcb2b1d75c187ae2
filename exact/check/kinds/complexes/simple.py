"""Kind `simple`: regions that are polytopes, by the vertices of a complex in which no more than d
constraints meet anywhere: hinges, walls of the domain, walls far away.

Nothing is listed but vertices: for some codes in the order of a tree, which functions the hinges
have there, and the vertices, each named by the d constraints that meet in it. (1) They meet in one
point v, in the closed domain. Layer by layer the hinges at v have weakly the signs of the code, so
that its functions are the true ones at v; and no other constraint vanishes there. So near v every
choice of signs of the t hinges among the d is a region, 2^t in all, which is the cone of d
independent constraints: a function changes across a hinge of an earlier layer by a multiple of that
one's, which keeps them independent. (2) From v an edge leaves for every hinge among the d to either
side, and for every wall to the inside: on it d - 1 constraints vanish, and all others have known
signs. Points where just these vanish and all others have these signs are convex, so a part of a
line, and two different vertices with the same such edge are its two ends. Every edge has two.

Let a region have a listed vertex. Its closure is a polyhedron with this vertex, whose graph of
vertices and bounded edges is connected; so by (2) all its vertices are listed, and none of its
edges is without end. Each of its facets has a vertex v, only one constraint vanishes inside it, and
where that is a hinge the region behind it is one of those at v. So the regions at listed vertices
are closed under crossing facets, and fill the domain. They are all regions, with nothing left to
compare but their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exact.check.functions.filters import Packed, joined, packed, signs_at
from exact.check.functions.flat_domains import Domain, read_map
from exact.check.functions.forms import Forms, Layered, Walk
from exact.check.functions.points import Meets, meet, values_at
from exact.check.kinds.complexes.trees import Tree
from exact.check.network import Network
from exact.check.records import (
    Claim,
    Integers,
    Records,
    Rejected,
    Values,
    get,
    indices,
    written_code,
)


def check_simple(
    codes: int, network: Network, domain: Domain, claim: Claim, records: Records
) -> str:
    """What a simple complex of which so many codes are listed proves. Raises Rejected."""
    return _Simple(network, domain, claim).check(records, codes)


class _Simple:
    """The vertices read so far, and the functions on the last code and on its ancestors.

    A set of constraints is an int with their bits: hinge j, of H, is bit H - 1 - j, as in codes,
    and constraint k behind the hinges is bit k.
    """

    def __init__(self, network: Network, domain: Domain, claim: Claim) -> None:
        self.domain, self.claim, self.hinges = domain, claim, network.hinges
        self.walk = Walk(network, domain, claim.maps)
        own = (1 << self.hinges) - 1
        self.before = own ^ ((1 << self.hinges - self.walk.last) - 1)
        self.functions = _Functions(self.walk, domain)
        self.tree = Tree(self.walk, network.hinges, self._require_used)
        self.regions, self.mapped = set[int](), set[int]()
        # by all constraints that vanish, then what is positive: vertices, and edges with one end
        self.vertices, self.edges = set[int](), set[int]()

    def check(self, records: Records, codes: int) -> str:
        """Read all codes."""
        for number in range(codes):
            self._code(records.next(f"code {number}"), f"code {number}")
        if self.edges:
            raise Rejected(
                f"{len(self.edges)} edges have one end: a vertex is missing, and perhaps a region"
            )
        if len(self.regions) != self.claim.regions:
            raise Rejected(
                f"header: {self.claim.regions} regions, but the vertices have {len(self.regions)}"
            )
        if self.claim.maps and self.mapped != self.regions:
            raise Rejected("a map is that of no region, or a region has none")
        self.claim.codes += [written_code(code, self.hinges) for code in self.regions]
        each = "one constraint" if self.domain.dim == 1 else f"{self.domain.dim} constraints"
        return (
            f"{len(self.regions)} regions around {len(self.vertices)} vertices, of {each} each, "
            f"fill the domain"
        )

    def _code(self, record: Any, place: str) -> None:
        named = {"new", *(["map"] if self.claim.maps else [])}
        code, forms = self.tree.next(record, named, place)
        new = get(record, "new", list, place)
        if new:
            self.functions.take(forms)
        for k, names in enumerate(new):
            self._add_vertex(names, code, f"{place}, vertex {k}")
        if self.claim.maps:
            if code in self.mapped:
                raise Rejected(f"{place}: is listed twice")
            self.mapped.add(code)
            self._require_map(record, forms, place)

    def _require_used(self, code: int, place: str) -> None:
        if not self.claim.maps and code & ~self.before:
            raise Rejected(f"{place}: a bit of the last layer is 1, where it says nothing")

    def _add_vertex(self, names: Any, code: int, place: str) -> None:
        """A vertex, where the named constraints meet, with the edges and the regions around it."""
        dim, hinges = self.domain.dim, self.hinges
        indices(names, hinges + self.functions.wall_count, place)
        if len(names) != dim:
            raise Rejected(f"{place}: {len(names)} constraints, and not one for each dimension")
        masks = [1 << (hinges - 1 - k if k < hinges else k) for k in names]
        zero = sum(masks)
        own = zero & ((1 << hinges) - 1)
        positive = self.functions.positive_at(names, own, place)
        if (code ^ positive) & self.before & ~zero:
            raise Rejected(f"{place}: a hinge has not the sign of the code")
        if (key := zero << hinges | positive) in self.vertices:
            raise Rejected(f"{place}: is listed twice")
        self.vertices.add(key)
        regions, ends = [positive], list[int]()
        for mask in masks:
            key = (zero ^ mask) << hinges | positive
            ends.append(key)
            if mask & own:
                ends.append(key | mask)
                regions += [region | mask for region in regions]
        self.edges.symmetric_difference_update(ends)
        self.regions.update(regions)

    # ---- maps

    def _require_map(self, record: Any, forms: Forms, place: str) -> None:
        rows, denominator = read_map(record, len(forms.outputs[0]), self.domain.dim, place)
        for row, *values in zip(rows, *forms.outputs, strict=True):
            if any(x * self.walk.one != y * denominator for x, y in zip(row, values, strict=True)):
                raise Rejected(f"{place}, map: not that of the code")


class _Functions:
    """The functions of all constraints on one code: hinges, walls of the domain, walls far away."""

    def __init__(self, walk: Walk, domain: Domain) -> None:
        self.walk, self.far = walk, bool(domain.far)
        self.walls: list[Sequence[int]] = [
            *([*wall, 0] if domain.far else wall for wall in domain.walls),
            *([*row[:-1], 0, row[-1]] for row in domain.far),
        ]
        self.wall_count, self.dim = len(self.walls), domain.dim
        # of each wall the constant, and the coefficients that are not zero, with their places
        self._sparse = [
            (k, wall[self.dim], [(i, x) for i, x in enumerate(wall[: self.dim]) if x])
            for k, wall in enumerate(self.walls)
        ]
        self._layers, self._rows = list[Layered](), list[dict[int, Values]]()
        self._parts, self._meets = list[Packed](), Meets(domain.dim)
        self._packed = joined([])

    def take(self, forms: Forms) -> None:
        """Go to the functions of another code; layers that are the same are kept as they are."""
        before, self._layers = self._layers, self.walk.layers(forms, self._layers)
        fresh = [
            n for n, own in enumerate(self._layers) if n >= len(before) or own is not before[n]
        ]
        if not before:
            self._rows, self._parts = [{} for _ in fresh], [joined([]) for _ in fresh]
        for n in fresh:
            self._rows[n], self._parts[n] = {}, packed(self._layers[n].columns)
        if fresh:
            self._packed = joined(self._parts)

    def positive_at(self, names: Sequence[int], own: int, place: str) -> int:
        """The hinges that are positive where the named constraints, hinges `own` among them,
        vanish; only these do, at one point of the domain.
        """
        rows = [self._row(name) for name in names]
        if self.far:
            *point, scale = (found := meet(rows, self.dim, place))[: self.dim + 1]
            point, far = [*point, scale], list(found[self.dim + 1 :])
        else:
            point, far = self._meets.at(names, rows, place), []
        self._require_inside(names, point, far, place)
        if any(far):
            positive, left = 0, (1 << self._packed.size) - 1
        else:
            positive, left = signs_at(self._packed, point)
        if left == own:
            return positive
        return positive | self._exactly(left & ~own, point, far, place)

    def _exactly(self, hinges: int, point: Integers, far: Integers, place: str) -> int:
        """Those of some hinges that are positive at a point; none of them is zero there."""
        found, count = 0, self._packed.size
        numbers = [k for k in range(count) if hinges >> count - 1 - k & 1]
        own = [self._row(k)[: self.dim + 1] for k in numbers]
        for k, value in zip(numbers, values_at(own, point, far), strict=True):
            if not value:
                raise Rejected(f"{place}: hinge {k} vanishes there, too")
            found |= int(value > 0) << count - 1 - k
        return found

    def _row(self, name: int) -> Sequence[int]:
        """The function of a constraint: coefficients, the constant, and where there are walls far
        away the multiple of K.
        """
        if name >= self._packed.size:
            return self.walls[name - self._packed.size]
        n = len(self._layers) - 1
        while self._layers[n].first > name:
            n -= 1
        row = self._rows[n].get(name)
        if row is None:
            j = name - self._layers[n].first
            row = tuple(column[j] for column in self._layers[n].columns)
            row = self._rows[n][name] = (*row, 0) if self.far else row
        return row

    def _require_inside(
        self, names: Sequence[int], point: Integers, far: Integers, place: str
    ) -> None:
        """A point is strictly inside all walls but those that are named."""
        scale = point[self.dim]
        for k, constant, entries in self._sparse:
            if k + self._packed.size in names:
                continue
            side = constant * scale + sum([x * point[i] for i, x in entries])
            if far:
                high = sum([x * far[i] for i, x in entries]) + self.walls[k][-1] * scale
                side = high or side
            if side <= 0:
                raise Rejected(f"{place}: not strictly inside wall {k}, which is not named")
