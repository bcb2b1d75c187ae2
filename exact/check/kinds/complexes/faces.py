"""Kind `complex`: regions that are polytopes, by all their faces, given from the vertices up.

(1) Every vertex lies in the closed domain, and one exact forward pass gives the sign of every hinge
there. (2) On the vertices of a cell every hinge has one weak sign, that of the cell's bit; so all
hinges are affine on the hull of the vertices, and the inside of the hull has that code. (3) Call a
constraint tight on a face where it vanishes on all vertices. On each (k-1)-face of a k-face further
constraints are tight, and no two (k-1)-faces share one: they lie in different supporting
hyperplanes, dimensions rise by one, and every k-face has dimension k. (4) In every k-face each
(k-2)-face occurs an even number of times: the listed (k-1)-faces are a nonzero cycle modulo 2 in
the boundary of the hull, a sphere, hence all its facets. (5) Every facet belongs to two cells, or
to one and to the edge of the domain; codes are distinct. So the hulls leave no gap in the domain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from exact.check.functions.flat_domains import Domain, is_positive, read_map, sign, walk
from exact.check.network import Network, coprime, dot
from exact.check.records import (
    Claim,
    Integers,
    Records,
    Rejected,
    Values,
    get,
    indices,
    only,
    scaled,
)


@dataclass
class _Faces:
    """All faces of one dimension: the constraints tight on each, hinges positive or negative
    somewhere on it, its facets.

    Constraints are bits of an int: hinges first (the highest), then walls and sides of the cube.
    """

    tight: list[int] = field(default_factory=list)
    positive: list[int] = field(default_factory=list)
    negative: list[int] = field(default_factory=list)
    boundary: list[Integers] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Vertex:
    """A vertex: its coordinates, and the outputs of the network there, each column over the entries
    of `one`.
    """

    columns: list[Integers]
    scale: Integers
    outputs: list[Values]
    one: Integers


def check_complex(network: Network, domain: Domain, claim: Claim, records: Records) -> str:
    domain.require_room()
    if len(claim.faces) != domain.dim:
        raise Rejected(f"header: {len(claim.faces)} counts of faces in dimension {domain.dim}")
    lower, vertices = _vertices(network, domain, claim, records)
    levels = [lower]
    for k in range(1, domain.dim):
        upper, seen = _Faces(), set[Values]()
        for i in range(claim.faces[k]):
            _add_face(upper, levels[-1], records.next(f"{k}-face {i}"), k, f"{k}-face {i}")
            _once(tuple(sorted(upper.boundary[i])), seen, f"{k}-face {i}")
        _all_used(levels[-1], k - 1)
        levels.append(upper)
    cells = _Faces()
    sides = len(domain.walls) + 2 * domain.dim * domain.cube
    for i in range(claim.regions):
        record = records.next(f"cell {i}")
        only(record, {"code", "faces", "map"} if claim.maps else {"code", "faces"}, f"cell {i}")
        code = claim.add_new(record, network.hinges, f"cell {i}")
        _add_face(
            cells, levels[-1], get(record, "faces", list, f"cell {i}"), domain.dim, f"cell {i}"
        )
        if cells.positive[i] & cells.negative[i]:
            raise Rejected(f"cell {i}: a hinge is positive at one vertex and negative at another")
        if cells.positive[i] >> sides != code:
            raise Rejected(f"cell {i}: the code is not that of its vertices")
        if claim.maps:
            _map_at_vertices(
                record, [vertices[v] for v in _corners(cells, levels, i)], domain.dim, f"cell {i}"
            )
    _closed(levels[-1], sides, domain.dim - 1)
    return (
        f"{claim.regions} cells of a complex with {', '.join(map(str, claim.faces))} lower "
        f"faces fill the domain"
    )


def _vertices(
    network: Network, domain: Domain, claim: Claim, records: Records
) -> tuple[_Faces, list[_Vertex]]:
    """The signs of all constraints at every vertex, by one exact forward pass each."""
    found, vertices, seen = _Faces(), list[_Vertex](), set[Values]()
    for i in range(claim.faces[0]):
        columns, one = _coordinates(records.next(f"vertex {i}"), domain, f"vertex {i}")
        _once(coprime([x for part in (*columns, one[-1:]) for x in part]), seen, f"vertex {i}")
        hinges, outputs, last = walk(network, domain, columns, one, is_positive)
        walls = [sign(values) for values in domain.constraints(columns, one)]
        if -1 in walls:
            raise Rejected(f"vertex {i}: outside the domain, at wall {walls.index(-1)}")
        signs = [sign(values) for values in hinges] + walls
        for masks, wanted in ((found.tight, 0), (found.positive, 1), (found.negative, -1)):
            masks.append(int("".join("1" if s == wanted else "0" for s in signs) or "0", 2))
        found.boundary.append([])
        found.owners.append(0)
        if claim.maps:
            vertices.append(_Vertex(columns, one, outputs, last))
    return found, vertices


def _once(value: Values, seen: set[Values], place: str) -> None:
    if value in seen:
        raise Rejected(f"{place}: is listed twice")
    seen.add(value)


def _coordinates(text: Any, domain: Domain, place: str) -> tuple[list[Integers], Integers]:
    """A vertex `(p + K q) / x0`, written q, p, x0 (without q where there is no cube), as columns
    for :func:`walk`.
    """
    values = scaled(text, domain.dim * (2 if domain.cube else 1), place)
    infinite, finite, scale = values[: -1 - domain.dim], values[-1 - domain.dim : -1], values[-1]
    return ([infinite, finite], [0, scale]) if any(infinite) else ([finite], [scale])


def _add_face(upper: _Faces, lower: _Faces, listed: Any, dim: int, place: str) -> None:
    """Append a face of dimension `dim`, after checks (3) and (4) of the module."""
    parts = indices(listed, len(lower.tight), place)
    tight, positive, negative = -1, 0, 0
    for part in parts:
        tight = tight & lower.tight[part]
        positive = positive | lower.positive[part]
        negative = negative | lower.negative[part]
        lower.owners[part] += 1
    if dim == 1 and len(parts) != 2:
        raise Rejected(f"{place}: an edge without two ends")
    _in_different_hyperplanes([lower.tight[part] & ~tight for part in parts], dim, place)
    odd = set[int]()
    for part in parts:
        odd ^= set(lower.boundary[part])
    if odd or not parts:
        raise Rejected(
            f"{place}: its boundary is not closed at {dim - 2}-face {min(odd, default='none')}"
        )
    for faces, value in (
        (upper.tight, tight),
        (upper.positive, positive),
        (upper.negative, negative),
        (upper.owners, 0),
    ):
        faces.append(value)
    upper.boundary.append(parts)


def _in_different_hyperplanes(further: Integers, dim: int, place: str) -> None:
    seen = 0
    for constraints in further:
        if not constraints:
            raise Rejected(f"{place}: a {dim - 1}-face in it lies on no further constraint")
        if constraints & seen:
            raise Rejected(f"{place}: two {dim - 1}-faces in it lie in one hyperplane")
        seen |= constraints


def _all_used(faces: _Faces, dim: int) -> None:
    if 0 in faces.owners:
        raise Rejected(f"{dim}-face {faces.owners.index(0)}: belongs to no face above it")


def _closed(facets: _Faces, sides: int, dim: int) -> None:
    """Every facet belongs to two cells, or to one and to the edge of the domain."""
    edge = (1 << sides) - 1
    for i, (owners, tight) in enumerate(zip(facets.owners, facets.tight, strict=True)):
        if owners == 1 and not tight & edge:
            raise Rejected(
                f"{dim}-face {i}: one side is neither a cell nor outside the domain: a region is "
                f"missing"
            )
        if owners not in (1, 2):
            raise Rejected(f"{dim}-face {i}: belongs to {owners} cells")


def _corners(cells: _Faces, levels: list[_Faces], index: int) -> set[int]:
    """The vertices of a cell."""
    found = set(cells.boundary[index])
    for faces in reversed(levels[1:]):
        found = {part for face in found for part in faces.boundary[face]}
    return found


def _map_at_vertices(record: Any, vertices: list[_Vertex], dim: int, place: str) -> None:
    """The map is right, because it is at the vertices of a cell of full dimension on which the
    network is affine.
    """
    rows, denominator = read_map(record, len(vertices[0].outputs), dim, place)
    for vertex in vertices:
        scale, last = vertex.scale[-1], vertex.one[-1]
        for row, output in zip(rows, vertex.outputs, strict=True):
            here = tuple(
                dot(row, column) + row[-1] * o
                for column, o in zip(vertex.columns, vertex.scale, strict=True)
            )
            if any(x * last != y * denominator * scale for x, y in zip(here, output, strict=True)):
                raise Rejected(f"{place}, map: wrong at a vertex")
