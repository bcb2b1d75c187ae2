"""Kind `complex`, from the third format on: regions that are polytopes, cell by cell, with vertices
that are named by the constraints that meet there.

The cells stand in the order of a tree, each with the hinges that flip on the way from its parent,
and the functions of all hinges are carried along (:mod:`exact.check.functions.forms`). (1) A vertex
is the one point at which the named constraints of its first cell vanish; it lies in the closed
domain. (2) At every vertex of a cell no hinge is positive whose bit is 0, or negative whose bit is
1 (at its first one by the functions of that cell, which are the true ones there: layer by layer, a
weak sign that agrees with the bit picks a right piece of the activation), and each bit that is 1 is
positive at some; so the inside of the hull has that code. (3) A face of the hull is what vertices
some constraint holds at zero. Of these sets the largest ones have one dimension less, by recursion
down to edges with two ends: each dimension is one less at least, and there are as many as there can
be. (4) In every face each face two dimensions lower lies in an even number of those between: they
are a nonzero cycle modulo 2 in the boundary, a sphere, hence all facets. (5) Every facet belongs to
two cells, or to one and to the edge of the domain; codes are distinct. So the hulls leave no gap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from exact.check.functions.flat_domains import Domain, read_map, sign
from exact.check.functions.forms import Forms, Walk
from exact.check.functions.points import meet, signs, values_at
from exact.check.kinds.complexes.trees import Tree
from exact.check.network import Network, sum_of_products
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

_Boundary = frozenset[Values]


@dataclass
class _Vertices:
    """What holds at every vertex: hinges positive and negative there as bits, as codes have them,
    and the numbers of the constraints that vanish: hinges, then walls, then sides of the cube.
    """

    positive: list[int] = field(default_factory=list)
    negative: list[int] = field(default_factory=list)
    tight: list[Values] = field(default_factory=list)
    seen: set[Values] = field(default_factory=set)


def check_cells(network: Network, domain: Domain, claim: Claim, records: Records) -> str:
    """What a complex proves. Raises Rejected."""
    domain.require_room()
    if claim.faces:
        raise Rejected("header: counts of faces, which a complex of this format does not have")
    return _Complex(network, domain, claim).check(records)


class _Complex:
    """The cells read so far, and the functions of the last one and of its ancestors."""

    def __init__(self, network: Network, domain: Domain, claim: Claim) -> None:
        self.network, self.domain, self.claim = network, domain, claim
        self.walk, self.vertices = Walk(network, domain, claim.maps), _Vertices()
        # faces by their vertices, each with those of one dimension less that bound it
        self.lattice: list[dict[Values, _Boundary]] = [{} for _ in range(domain.dim)]
        self.owners = dict[Values, int]()
        self.tree = Tree(self.walk, network.hinges, self._add_code)
        self.sides = _sides(domain)

    def check(self, records: Records) -> str:
        """Read all cells."""
        for i in range(self.claim.regions):
            self._cell(records.next(f"cell {i}"), f"cell {i}")
        self._require_no_gap()
        counts = [len(self.vertices.tight), *map(len, self.lattice[1:])]
        return (
            f"{self.claim.regions} cells of a complex with {', '.join(map(str, counts))} lower "
            f"faces fill the domain"
        )

    def _cell(self, record: Any, place: str) -> None:
        named = {"known", "new", *(["map"] if self.claim.maps else [])}
        code, forms = self.tree.next(record, named, place)
        count = len(self.vertices.tight)
        known = indices(get(record, "known", list, place), count, f"{place}, known")
        new = get(record, "new", list, place)
        for i, names in enumerate(new):
            self._add_vertex(names, forms, f"{place}, vertex {count + i}")
        corners = (*sorted(known), *range(count, count + len(new)))
        positive = 0
        for v in corners:
            positive |= self.vertices.positive[v]
            if self.vertices.negative[v] & code:
                raise Rejected(f"{place}: a hinge that is on is negative at vertex {v}")
        if positive != code:
            raise Rejected(f"{place}: the code is not that of its vertices")
        if self.claim.maps:
            self._require_map(record, forms, place)
        for facet in self.lattice_of(corners, self.domain.dim, place):
            self.owners[facet] = self.owners.get(facet, 0) + 1

    def _add_code(self, code: int, place: str) -> None:
        hinges = self.network.hinges
        self.claim.add_new({"code": written_code(code, hinges)}, hinges, place)

    # ---- vertices

    def _add_vertex(self, names: Any, forms: Forms, place: str) -> None:
        """A new vertex, where the named constraints of a cell meet."""
        walls = len(self.domain.walls)
        count = self.network.hinges + walls + len(self.sides)
        rows = [self._row(k, forms) for k in indices(names, count, place)]
        point = meet(rows, self.domain.dim, place)
        if point in self.vertices.seen:
            raise Rejected(f"{place}: is listed twice")
        self.vertices.seen.add(point)
        self._look(point, forms, place)

    def _row(self, name: int, forms: Forms) -> Integers:
        """The function of a constraint: coefficients, the constant, and where there is a cube the
        multiple of K.
        """
        hinges, walls = self.network.hinges, self.domain.walls
        if name >= hinges + len(walls):
            return self.sides[name - hinges - len(walls)]
        own = self.walk.hinge(forms, name) if name < hinges else walls[name - hinges]
        return [*own, 0] if self.sides else own

    def _look(self, vertex: Values, forms: Forms, place: str) -> None:
        """The signs of all constraints at a vertex `x, x0`, or `p, x0, q` for (p + K q) / x0."""
        dim, hinges = self.domain.dim, self.network.hinges
        point, far = list(vertex[: dim + 1]), list(vertex[dim + 1 :])
        values = list[int]()
        for columns in self.walk.hinge_columns(forms):
            values += values_at(list(zip(*columns, strict=True)), point, far)
        positive, tight = signs(values)
        negative = ((1 << hinges) - 1) ^ positive
        for k in tight:
            negative ^= 1 << (hinges - 1 - k)
        for k, side in enumerate(self._sides_of(point, far)):
            if side < 0:
                raise Rejected(f"{place}: outside the domain, at wall {k}")
            if not side:
                tight.append(hinges + k)
        self.vertices.positive.append(positive)
        self.vertices.negative.append(negative)
        self.vertices.tight.append(tuple(tight))

    def _sides_of(self, point: Integers, far: Integers) -> Integers:
        """On which sides of the walls, then of the sides of the cube, a point lies."""
        if not far:
            return [sum_of_products(wall, point) for wall in self.domain.walls]
        columns, ones = (
            ([far, point[:-1]], [0, point[-1]]) if any(far) else ([point[:-1]], point[-1:])
        )
        return [sign(values) for values in self.domain.constraints(columns, ones)]

    # ---- faces

    def lattice_of(self, corners: Values, dim: int, place: str) -> _Boundary:
        """The faces of one dimension less that bound a face of dimension `dim`, by (3) and (4)."""
        if dim == 1:
            if len(corners) != 2:
                raise Rejected(f"{place}: an edge without two ends, or a face without edges")
            return frozenset((v,) for v in corners)
        at = dict[int, list[int]]()
        for v in corners:
            for k in self.vertices.tight[v]:
                if k in at:
                    at[k].append(v)
                else:
                    at[k] = [v]
        count = len(corners)
        sets = {tuple(on) for on in at.values() if dim <= len(on) < count}
        if sum(map(len, sets)) > dim * count:  # else every vertex lies in dim of them
            sets = {part for part in sets if not any(set(part) < set(other) for other in sets)}
        odd, known = set[Values](), self.lattice[dim - 1]
        for part in sets:
            boundary = known.get(part)
            if boundary is None:
                boundary = known[part] = self.lattice_of(part, dim - 1, place)
            odd ^= boundary
        if odd or not sets:
            raise Rejected(f"{place}: the boundary of a {dim}-face in it is not closed")
        return frozenset(sets)

    def _require_no_gap(self) -> None:
        """Every facet belongs to two cells, or to one and to the edge of the domain; it cannot to
        more, since the insides of cells are disjoint.
        """
        dim, edge = self.domain.dim - 1, self.network.hinges
        for number, (corners, owners) in enumerate(self.owners.items()):
            first, *others = (self.vertices.tight[v] for v in corners)
            on_edge = any(k >= edge and all(k in other for other in others) for k in first)
            if owners == 1 and not on_edge:
                raise Rejected(
                    f"{dim}-face {number}: one side is neither a cell nor outside the domain: a "
                    f"region is missing"
                )

    # ---- maps

    def _require_map(self, record: Any, forms: Forms, place: str) -> None:
        rows, denominator = read_map(record, len(forms.outputs[0]), self.domain.dim, place)
        for row, *values in zip(rows, *forms.outputs, strict=True):
            if any(x * self.walk.one != y * denominator for x, y in zip(row, values, strict=True)):
                raise Rejected(f"{place}, map: not that of the code")


def _sides(domain: Domain) -> list[Integers]:
    """The sides of the cube, in the order of `Domain.constraints`: K - x_i, then K + x_i."""
    if not domain.cube:
        return []
    units = [[int(i == k) for i in range(domain.dim)] for k in range(domain.dim)]
    return [[*(s * x for x in unit), 0, 1] for unit in units for s in (-1, 1)]
