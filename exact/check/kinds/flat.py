"""Kinds `complex`, `facets` and `bounded`: regions that are polytopes, in a flat domain.

Kind `complex` is proved in :mod:`exact.check.kinds.complexes`.

`facets`: for every region a point strictly inside, and for every halfspace that its code means
either a point in the relative interior of the facet, or a proof that the halfspace contains the
other ones' intersection. The code just outside each facet is computed, and is that of a listed
region: the list is closed under crossing facets, so the domain is covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from exact.check.functions.flat_domains import Domain, is_positive, read_map, sign, walk
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
    if claim.kind == "complex" and not (claim.complete and claim.regions and domain.dim):
        raise Rejected("header: a complex that is not complete, of a point, or without a cell")
    if claim.kind != "complex" and (claim.faces or domain.cube):
        raise Rejected("header: faces or a cube, which only a complex has")
    if ("empty" in header) != (claim.complete and not claim.regions):
        raise Rejected("header, empty: a domain without any point has this entry, and no other one")
    if not claim.regions:
        return _empty_domain(header, domain, claim), str(domain)
    return _check_of(header)(network, domain, claim, records), str(domain)


def _check_of(header: Json) -> Callable[[Network, Domain, Claim, Records], str]:
    """What verifies the records; complexes with vertices by their coordinates, and all faces, are
    those of the first two formats.
    """
    if header["kind"] != "complex":
        return _facets
    if header["format"] == FORMAT:
        from exact.check.kinds.cells import check_cells as check
    else:
        from exact.check.kinds.complexes import check_complex as check
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
    for i in range(claim.regions):
        record = records.next(f"region {i}")
        only(record, named, f"region {i}")
        code = claim.add_new(record, network.hinges, f"region {i}")
        mapped = record if claim.maps else None
        walls = _region_walls(network, domain, edge, code, mapped, f"region {i}")
        check = _region if box is None else partial(_region_in, box)
        crossings += check(network, domain, record, walls, edge, f"region {i}")
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


def _region_walls(
    network: Network, domain: Domain, edge: Edge, code: int, mapped: Any, place: str
) -> list[Values]:
    """The distinct halfspaces that a code means: of the domain, then of the hinges in order;
    coprime, positive inside.
    """
    dim, bits = domain.dim, bits_of(code, network.hinges)
    columns = [[int(i == k) for i in range(dim)] for k in range(dim + 1)]
    hinges, outputs, one = walk(
        network, domain, columns, [0] * dim + [1], lambda hinge, _: bits[hinge]
    )
    found = dict(edge)
    for j, (bit, row) in enumerate(zip(bits, hinges, strict=True)):
        if any(row[:-1]):
            found[coprime(row if bit else [-x for x in row])] = None
        elif (row[-1] > 0) != bit:
            raise Rejected(f"{place}: hinge {j} is constant there, and not as the code says")
    if mapped is not None:
        rows, denominator = read_map(mapped, len(outputs), dim, place)
        if any(
            x * denominator != y * one[-1]
            for a, b in zip(outputs, rows, strict=True)
            for x, y in zip(a, b, strict=True)
        ):
            raise Rejected(f"{place}, map: not that of the code")
    return list(found)


def _region(
    network: Network, domain: Domain, record: Any, walls: list[Values], edge: Edge, place: str
) -> Iterator[_Crossing]:
    """Check witness, facets and redundancy proofs of one region; the facets that are not on the
    edge of the domain.
    """
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
            yield _crossing(network, domain, walls[name], point, neighbour, f"{place}, wall {name}")


def _crossing(
    network: Network, domain: Domain, wall: Values, point: Integers, neighbour: Any, place: str
) -> _Crossing:
    """A facet that is not on the edge of the domain, with the code just outside."""
    if type(neighbour) is not int:
        raise Rejected(f"{place}: the neighbour is not named")
    return place, _code_outside(network, domain, wall, point), neighbour


def _region_in(
    box: Box,
    network: Network,
    domain: Domain,
    record: Any,
    walls: list[Values],
    edge: Edge,
    place: str,
) -> Iterator[_Crossing]:
    """Check witness, facets and redundancy proofs of one region of kind `bounded`; the facets."""
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
        yield _crossing(network, domain, walls[name], point, neighbour, where)


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
