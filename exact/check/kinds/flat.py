"""Kinds `complex`, `facets` and `bounded`: regions that are polytopes, in a flat domain.

Kinds `complex` and `simple` are proved in :mod:`exact.check.kinds.complexes`.

`facets`: for every region a point strictly inside, and for every halfspace that its code means
either a point in the relative interior of the facet, or a proof that the halfspace contains the
other ones' intersection. The code just outside each facet is computed, and is that of a listed
region: the list is closed under crossing facets, so the domain is covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from exact.check.functions.flat_domains import Domain, is_positive, read_map, sign, walk
from exact.check.functions.forms import Columns, Forms, Walk
from exact.check.kinds.boxes import Box
from exact.check.network import Network, coprime, dot
from exact.check.records import (
    FORMAT,
    FORMATS,
    Claim,
    Integers,
    Json,
    Records,
    Rejected,
    Values,
    bits_of,
    counts_of,
    entries,
    get,
    indices,
    integers,
    only,
    scaled,
    written_code,
)

# a facet on the way to another region: the place, the code behind it, the neighbour named
_Crossing = tuple[str, str, int]
Edge = dict[Values, None]  # the walls of the domain, coprime, in order


def check_flat(header: Json, network: Network, claim: Claim, records: Records) -> tuple[str, str]:
    """What a certificate of polytopes proves, and in which domain."""
    domain = Domain.read(get(header, "domain", dict, "header"), network.input_dim)
    if any(block.norm is not None for block in network.blocks):
        raise Rejected("header: polytopes are claimed of a network with a norm")
    if claim.maps and network.is_smooth:
        raise Rejected("header: maps are claimed of a network with a smooth activation")
    is_complex = claim.kind in ("complex", "simple")
    if is_complex and not (claim.complete and claim.regions and domain.dim):
        raise Rejected("header: a complex that is not complete, of a point, or without a cell")
    if claim.kind != "complex" and (claim.faces or domain.cube):
        raise Rejected("header: faces or a cube, which only a complex has")
    if claim.kind != "simple" and domain.far:
        raise Rejected("header: walls far away, which only a simple complex has")
    if ("empty" in header) != (claim.complete and not claim.regions):
        raise Rejected("header, empty: a domain without any point has this entry, and no other one")
    if not claim.regions:
        return _empty_domain(header, domain, claim), str(domain)
    return _check_of(header)(network, domain, claim, records), str(domain)


def _check_of(header: Json) -> Callable[[Network, Domain, Claim, Records], str]:
    """What verifies the records; complexes with vertices by their coordinates, and all faces, are
    those of the first two formats.
    """
    if header["kind"] == "simple":
        from exact.check.kinds.complexes.simple import check_simple

        if header["format"] != FORMAT:
            raise Rejected("header: a kind that this format does not have")
        return partial(check_simple, counts_of(header, ["codes"])[0])
    if header["kind"] != "complex":
        return _facets
    if header["format"] == FORMAT:
        from exact.check.kinds.complexes.cells import check_cells as check
    else:
        from exact.check.kinds.complexes.faces import check_complex as check
    return check


# ---- a domain without any point


def _empty_domain(header: dict[str, Any], domain: Domain, claim: Claim) -> str:
    """Farkas: multipliers >= 0 that cancel the normals of the walls and leave a sum < 0, so that
    `>= 0` cannot hold for all.

    The first format is about the points strictly inside all walls; a sum of 0 excludes these, with
    a multiplier > 0 (Motzkin).
    """
    if not claim.complete:
        return "no region is listed"
    multipliers = integers(header.get("empty"), len(domain.walls), "header, empty")
    total = [dot(multipliers, [wall[k] for wall in domain.walls]) for k in range(domain.dim + 1)]
    if min(multipliers, default=0) >= 0 and not any(total[:-1]):
        if total[-1] < 0:
            return "the domain has no point, not even on the walls"
        if header["format"] == FORMATS[0] and total[-1] == 0 and any(multipliers):
            return "no point is strictly inside all walls; the closed domain may have points"
    raise Rejected("header, empty: the multipliers do not prove that the domain has no point")


# ---- kinds "facets" and "bounded"


def _facets(network: Network, domain: Domain, claim: Claim, records: Records) -> str:
    domain.require_room()
    crossings, edge = list[_Crossing](), dict.fromkeys(coprime(wall) for wall in domain.walls)
    box = Box.of(list(edge), domain.dim) if claim.kind == "bounded" else None
    named = {"code", "witness", "facets", "redundant", *(["map"] if claim.maps else [])}
    regions = _Regions(network, domain, edge, claim.maps)
    for i in range(claim.regions):
        record = records.next(f"region {i}")
        only(record, named, f"region {i}")
        region = regions.at(claim.add_new(record, network.hinges, f"region {i}"), f"region {i}")
        if claim.maps:
            regions.require_map(record, f"region {i}")
        check = _region if box is None else partial(_region_in, box)
        crossings += check(regions, region, record, f"region {i}")
    unexplored = 0
    for place, code_behind, neighbour in crossings:
        behind = claim.places.get(code_behind, -1)
        if neighbour != behind:
            raise Rejected(f"{place}: the neighbour is {behind}, not {neighbour}")
        if behind < 0 and claim.complete:
            raise Rejected(f"{place}: leads to a region that is not listed")
        unexplored += behind < 0
    return (
        f"{claim.regions} regions, {len(crossings)} crossings, {unexplored} of them to regions "
        f"that are not listed"
    )


class _Wall(NamedTuple):
    """The function of a hinge, coprime, and its negative; the sign of one that is constant."""

    positive: Values
    negative: Values
    constant: int | None


@dataclass(frozen=True)
class _Halfspaces:
    """The distinct halfspaces that a code means: of the domain, then of the hinges in order;
    coprime, positive inside. `owners` are the hinges of each, `has_zero` says that a hinge vanishes
    throughout.
    """

    code: int
    walls: list[Values]
    owners: dict[Values, list[int]]
    has_zero: bool


class _Regions:
    """The regions one after the other, the functions of each from those of the one before it."""

    def __init__(self, network: Network, domain: Domain, edge: Edge, maps: bool) -> None:
        self.network, self.domain, self.edge = network, domain, edge
        self.walk, self._forms, self._code = Walk(network, domain, maps), None, 0
        self._layers = list[tuple[Columns, list[_Wall]]]()

    _forms: Forms | None

    def at(self, code: int, place: str) -> _Halfspaces:
        """The halfspaces of the next region."""
        hinges, before = self.network.hinges, self._forms
        if before is None:
            self._forms = self.walk.begin(code)
        else:
            changed = bits_of(code ^ self._code, hinges)
            self._forms = self.walk.step(before, code, [j for j, x in enumerate(changed) if x])
        self._code, bits = code, bits_of(code, hinges)
        owners: dict[Values, list[int]] = {wall: [] for wall in self.edge}
        has_zero = False
        for j, (bit, wall) in enumerate(zip(bits, self._walls(), strict=True)):
            if wall.constant is None:
                owners.setdefault(wall.positive if bit else wall.negative, []).append(j)
            elif (wall.constant > 0) != bit:
                raise Rejected(f"{place}: hinge {j} is constant there, and not as the code says")
            else:
                has_zero = has_zero or not wall.constant
        return _Halfspaces(code, list(owners), owners, has_zero)

    def _walls(self) -> Iterator[_Wall]:
        """The functions of all hinges; those of a layer that has not changed are kept."""
        assert self._forms is not None
        for k, columns in enumerate(self.walk.hinge_columns(self._forms)):
            if k == len(self._layers):
                self._layers.append(([], []))
            if self._layers[k][0] is not columns:
                rows = zip(*columns, strict=True)
                self._layers[k] = columns, list(map(_wall, rows))
            yield from self._layers[k][1]

    def require_map(self, record: Any, place: str) -> None:
        """The map of a record is that of the region."""
        assert self._forms is not None
        outputs = self._forms.outputs
        rows, denominator = read_map(record, len(outputs[0]), self.domain.dim, place)
        for row, *values in zip(rows, *outputs, strict=True):
            if any(x * self.walk.one != y * denominator for x, y in zip(row, values, strict=True)):
                raise Rejected(f"{place}, map: not that of the code")

    def code_outside(self, region: _Halfspaces, wall: Values, point: Integers) -> str:
        """The code just outside a facet, at a point of its relative interior: where one hinge alone
        vanishes, that with its bit flipped.
        """
        hinges = self.network.hinges
        if len(region.owners[wall]) == 1 and not region.has_zero:
            return written_code(region.code ^ 1 << (hinges - 1 - region.owners[wall][0]), hinges)
        return _code_outside(self.network, self.domain, wall, point)


def _wall(row: Values) -> _Wall:
    if not any(row[:-1]):
        return _Wall((), (), row[-1])
    positive = coprime(row)
    return _Wall(positive, tuple(-x for x in positive), None)


def _region(regions: _Regions, region: _Halfspaces, record: Any, place: str) -> Iterator[_Crossing]:
    """Check witness, facets and redundancy proofs of one region; the facets that are not on the
    edge of the domain.
    """
    walls, edge, domain = region.walls, regions.edge, regions.domain
    witness = scaled(get(record, "witness", str, place), domain.dim, f"{place}, witness")
    outside = next((i for i, wall in enumerate(walls) if dot(wall, witness) <= 0), None)
    if outside is not None:
        raise Rejected(f"{place}: the witness is not strictly inside wall {outside}")
    facets = [entries(facet, 3, f"{place}, facets") for facet in get(record, "facets", list, place)]
    redundant = [
        entries(proof, 2, f"{place}, redundant") for proof in get(record, "redundant", list, place)
    ]
    indices([entry[0] for entry in (*facets, *redundant)], len(walls), f"{place}, walls named")
    if len(facets) + len(redundant) != len(walls):
        raise Rejected(
            f"{place}: {len(walls)} walls, but {len(facets)} facets and {len(redundant)} "
            f"redundant ones"
        )
    for name, proof in redundant:
        _redundant(walls, name, proof, [facet[0] for facet in facets], f"{place}, wall {name}")
    for name, text, neighbour in facets:
        point = scaled(text, domain.dim, f"{place}, wall {name}")
        if dot(walls[name], point) or any(
            dot(wall, point) <= 0 for k, wall in enumerate(walls) if k != name
        ):
            raise Rejected(
                f"{place}, wall {name}: the point is not in the relative interior of the facet"
            )
        if walls[name] in edge:
            if neighbour is not None:
                raise Rejected(f"{place}, wall {name}: a neighbour beyond the edge of the domain")
        else:
            yield _crossing(regions, region, walls[name], point, neighbour, f"{place}, wall {name}")


def _crossing(
    regions: _Regions,
    region: _Halfspaces,
    wall: Values,
    point: Integers,
    neighbour: Any,
    place: str,
) -> _Crossing:
    """A facet that is not on the edge of the domain, with the code just outside."""
    if type(neighbour) is not int:
        raise Rejected(f"{place}: the neighbour is not named")
    return place, regions.code_outside(region, wall, point), neighbour


def _region_in(
    box: Box, regions: _Regions, region: _Halfspaces, record: Any, place: str
) -> Iterator[_Crossing]:
    """Check witness, facets and redundancy proofs of one region of kind `bounded`; the facets."""
    walls, edge, domain = region.walls, regions.edge, regions.domain
    inner = range(len(edge), len(walls))
    witness = scaled(get(record, "witness", str, place), domain.dim, f"{place}, witness")
    own = [walls[k] for k in inner]
    if not box.holds(witness) or any(dot(wall, witness) <= 0 for wall in own):
        raise Rejected(f"{place}: the witness is not strictly inside all walls")
    facets = [entries(facet, 3, f"{place}, facets") for facet in get(record, "facets", list, place)]
    proofs = [
        entries(proof, 2, f"{place}, redundant") for proof in get(record, "redundant", list, place)
    ]
    told = [entry[0] for entry in (*facets, *proofs)]
    indices(told, len(walls), f"{place}, walls named")
    if any(name < len(edge) for name in told):
        raise Rejected(f"{place}: a wall of the domain is named")
    rows = [*box.others, *(walls[facet[0]] for facet in facets)]
    multipliers = {
        name: integers(text, len(rows) + 1, f"{place}, wall {name}") for name, text in proofs
    }
    crossed = {facet[0] for facet in facets}
    for name in inner:
        if name not in crossed:
            box.require_redundant(walls[name], rows, multipliers.get(name), f"{place}, wall {name}")
    for name, text, neighbour in facets:
        point, where = scaled(text, domain.dim, f"{place}, wall {name}"), f"{place}, wall {name}"
        inside = box.holds(point) and all(dot(walls[k], point) > 0 for k in inner if k != name)
        if dot(walls[name], point) or not inside:
            raise Rejected(f"{where}: the point is not in the relative interior of the facet")
        yield _crossing(regions, region, walls[name], point, neighbour, where)


def _redundant(walls: list[Values], name: int, proof: Any, facets: Integers, place: str) -> None:
    """`q wall = sum_f l_f facet_f + s` with q > 0 and l, s >= 0: inside the facets the wall is
    positive by itself.
    """
    q, *multipliers = integers(proof, len(facets) + 1, place)
    rows = (
        zip(*(walls[facet] for facet in facets), strict=True)
        if facets
        else ((0,),) * len(walls[name])
    )
    total = [dot(row, multipliers) for row in rows]
    slack = [q * x - y for x, y in zip(walls[name], total, strict=True)]
    if q <= 0 or min(multipliers, default=0) < 0 or any(slack[:-1]) or slack[-1] < 0:
        raise Rejected(f"{place}: the multipliers do not prove that it is redundant")


def _code_outside(network: Network, domain: Domain, wall: Values, point: Integers) -> str:
    """The code just outside a facet, at a point of its relative interior."""
    columns, one = [point[:-1], [-x for x in wall[:-1]]], [point[-1], 0]
    hinges, _, _ = walk(network, domain, columns, one, is_positive)
    bits = "".join("1" if sign(values) > 0 else "0" for values in hinges)
    return written_code(int(bits or "0", 2), len(bits))
