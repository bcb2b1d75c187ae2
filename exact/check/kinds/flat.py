"""Kinds `complex` and `facets`: regions that are polytopes, in a flat domain.

`complex`: all faces of all regions, given from the vertices up. (1) Every vertex lies in the closed
domain, and one exact forward pass gives the sign of every hinge there. (2) On the vertices of a
cell every hinge has one weak sign, that of the cell's bit; so all hinges are affine on the hull of
the vertices, and the inside of the hull has that code. (3) Call a constraint tight on a face where
it vanishes on all vertices. On each (k-1)-face of a k-face further constraints are tight, and no
two (k-1)-faces share one: they lie in different supporting hyperplanes, dimensions rise by one, and
every k-face has dimension k. (4) In every k-face each (k-2)-face occurs an even number of times:
the listed (k-1)-faces are a nonzero cycle modulo 2 in the boundary of the hull, a sphere, hence all
its facets. (5) Every facet belongs to two cells, or to one and to the edge of the domain; codes are
distinct. So the hulls leave no gap in the domain.

`facets`: for every region a point strictly inside, and for every halfspace that its code means
either a point in the relative interior of the facet, or a proof that the halfspace contains the
other ones' intersection. The code just outside each facet is computed, and is that of a listed
region: the list is closed under crossing facets, so the domain is covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from exact.check.network import Block, Layer, Network, coprime, dot
from exact.check.records import (
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

Choose = Callable[[int, Values], bool]
# a facet on the way to another region: the place, the code behind it, the neighbour named
_Crossing = tuple[str, str, int]


def check_flat(header: Json, network: Network, claim: Claim, records: Records) -> tuple[str, str]:
    """What a certificate of polytopes proves, and in which domain."""
    domain = Domain.read(get(header, "domain", dict, "header"), network.input_dim)
    if any(block.norm is not None for block in network.blocks):
        raise Rejected("header: polytopes are claimed of a network with a norm")
    if claim.maps and network.is_smooth:
        raise Rejected("header: maps are claimed of a network with a smooth activation")
    if claim.kind == "complex" and not (claim.complete and claim.regions and domain.dim):
        raise Rejected("header: a complex that is not complete, of a point, or without a cell")
    if claim.kind == "facets" and (claim.faces or domain.cube):
        raise Rejected("header: faces or a cube, which only a complex has")
    if ("empty" in header) != (claim.complete and not claim.regions):
        raise Rejected("header, empty: a domain without any point has this entry, and no other one")
    if not claim.regions:
        return _empty_domain(header, domain, claim), str(domain)
    return (_complex if claim.kind == "complex" else _facets)(network, domain, claim, records), str(
        domain
    )


# ---- the domain, and functions carried through the network


@dataclass(frozen=True)
class Domain:
    """Points `chart(s)`, s in R^dim strictly inside all `walls`; with `cube` also in [-K, K]^dim, K
    beyond all numbers.
    """

    chart: Block
    dim: int
    walls: list[Integers]
    cube: bool

    @classmethod
    def read(cls, record: Any, inputs: int) -> Domain:
        only(record, {"dim", "chart", "walls", "cube"}, "domain")
        dim = get(record, "dim", int, "domain")
        if dim < 0:
            raise Rejected("domain: no dimension")
        chart = Layer.chart(record, inputs, dim)
        walls = [
            integers(wall, dim + 1, f"domain, wall {i}")
            for i, wall in enumerate(get(record, "walls", list, "domain"))
        ]
        return cls(Block([chart], False, None), dim, walls, get(record, "cube", bool, "domain"))

    def require_room(self) -> None:
        """No wall without a normal keeps all points out; a listed region needs some."""
        for i, wall in enumerate(self.walls):
            if not any(wall[:-1]) and wall[-1] <= 0:
                raise Rejected(
                    f"domain, wall {i}: no point is strictly inside it, and regions are listed"
                )

    def __str__(self) -> str:
        """The inequalities on the parameters, and the chart where it is not the identity."""
        chart, units = self.chart.layers[0], range(self.dim)
        if len(self.walls) * self.dim <= 64 and all(
            abs(x) < 10**40 for wall in self.walls for x in wall
        ):
            rows = [f"({' '.join(map(str, wall[:-1]))}).x + {wall[-1]} > 0" for wall in self.walls]
        else:
            rows = [f"the {len(self.walls)} inequalities in the file hold"]
        text = " where ".join([f"R^{self.dim}", *([", ".join(rows)] if rows else [])])
        plain = chart.weight == [
            [chart.denominator * (i == j) for j in units] for i in units
        ] and not any(chart.bias)
        return (
            text if plain else f"{text}, mapped into R^{len(chart.bias)} by the chart in the file"
        )

    def constraints(self, columns: Sequence[Integers], one: Integers) -> Iterator[Values]:
        """The values of all walls, then of the sides of the cube, at a point (see :func:`walk`)."""
        for wall in self.walls:
            yield tuple(
                dot(wall, column) + wall[-1] * o for column, o in zip(columns, one, strict=True)
            )
        if self.cube:
            far = columns[0] if len(columns) == 2 else [0] * self.dim
            for q, p in zip(far, columns[-1], strict=True):
                yield (one[-1] - q, -p)
                yield (one[-1] + q, p)


def sign(values: Values) -> int:
    """The sign of the first value that is not zero."""
    for value in values:
        if value:
            return 1 if value > 0 else -1
    return 0


def is_positive(_: int, values: Values) -> bool:
    return sign(values) > 0


def walk(
    network: Network, domain: Domain, columns: list[Integers], one: Integers, choose: Choose
) -> tuple[list[Values], list[Values], Integers]:
    """Carry functions of the parameters through the network: the values of all hinges, the outputs,
    and the final `one`.

    A function is one integer per column over a common denominator; `one` holds the constant 1 in
    the same way. `choose` gives the bit of a hinge. Columns (infinite part, finite part) are values
    at a point with coordinates in Q[K], columns (value, slope) follow a point that moves by an
    infinitesimal: the sign is that of the first column that is not zero.
    """
    hinges, state = list[Values](), columns
    for block in (domain.chart, *network.blocks):
        inner, factor = state, 1
        for layer in block.layers:
            inner = [
                [dot(row, column) + b * o for row, b in zip(layer.weight, layer.bias, strict=True)]
                for column, o in zip(inner, one, strict=True)
            ]
            one, factor = [layer.denominator * o for o in one], layer.denominator * factor
            inner, one, factor = activate(layer, inner, one, factor, hinges, choose)
            if not layer.pieces:
                return hinges, [], one
        if block.residual:
            inner = [
                [factor * x + y for x, y in zip(*pair, strict=True)]
                for pair in zip(state, inner, strict=True)
            ]
        state = inner
    return hinges, list(zip(*state, strict=True)), one


def activate(
    layer: Layer,
    z: list[Integers],
    one: Integers,
    factor: int,
    hinges: list[Values],
    choose: Choose,
) -> tuple[list[Integers], Integers, int]:
    """The outputs on the pieces that `choose` selects; the hinges `z - bend` are appended."""
    if layer.activation.is_identity:
        return z, one, factor
    unit, out = layer.unit, list[list[int]]()
    for values in zip(*z, strict=True):
        piece = 0
        for bend in layer.bends:
            plain = unit == 1 and not bend
            above = (
                values
                if plain
                else tuple(unit * v - bend * o for v, o in zip(values, one, strict=True))
            )
            piece += choose(len(hinges), above)
            hinges.append(above)
        if layer.pieces:
            slope, intercept = layer.pieces[piece]
            out.append([slope * v + intercept * o for v, o in zip(values, one, strict=True)])
    return (
        [[row[k] for row in out] for k in range(len(one))],
        [unit * o for o in one],
        unit * factor,
    )


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


# ---- kind "complex"


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


def _complex(network: Network, domain: Domain, claim: Claim, records: Records) -> str:
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
        tight, positive, negative = (
            tight & lower.tight[part],
            positive | lower.positive[part],
            negative | lower.negative[part],
        )
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


def _read_map(record: Any, outputs: int, dim: int, place: str) -> tuple[list[Integers], int]:
    """The rows (coefficients, then constant) of an affine map over the parameters, and their
    denominator.
    """
    denominator, *rows = entries(record.get("map"), outputs + 1, f"{place}, map")
    return [integers(row, dim + 1, f"{place}, map") for row in rows], scaled(
        denominator, 0, f"{place}, map"
    )[0]


def _map_at_vertices(record: Any, vertices: list[_Vertex], dim: int, place: str) -> None:
    """The map is right, because it is at the vertices of a cell of full dimension on which the
    network is affine.
    """
    rows, denominator = _read_map(record, len(vertices[0].outputs), dim, place)
    for vertex in vertices:
        scale, last = vertex.scale[-1], vertex.one[-1]
        for row, output in zip(rows, vertex.outputs, strict=True):
            here = tuple(
                dot(row, column) + row[-1] * o
                for column, o in zip(vertex.columns, vertex.scale, strict=True)
            )
            if any(x * last != y * denominator * scale for x, y in zip(here, output, strict=True)):
                raise Rejected(f"{place}, map: wrong at a vertex")


# ---- kind "facets"


def _facets(network: Network, domain: Domain, claim: Claim, records: Records) -> str:
    domain.require_room()
    crossings, edge = list[_Crossing](), {coprime(wall) for wall in domain.walls}
    named = {"code", "witness", "facets", "redundant", *(["map"] if claim.maps else [])}
    for i in range(claim.regions):
        record = records.next(f"region {i}")
        only(record, named, f"region {i}")
        code = claim.add_new(record, network.hinges, f"region {i}")
        walls = _region_walls(network, domain, code, record if claim.maps else None, f"region {i}")
        crossings += _region(network, domain, record, walls, edge, f"region {i}")
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
    network: Network, domain: Domain, code: int, mapped: Any, place: str
) -> list[Values]:
    """The distinct halfspaces that a code means: of the domain, then of the hinges in order;
    coprime, positive inside.
    """
    dim, bits = domain.dim, bits_of(code, network.hinges)
    columns = [[int(i == k) for i in range(dim)] for k in range(dim + 1)]
    hinges, outputs, one = walk(
        network, domain, columns, [0] * dim + [1], lambda hinge, _: bits[hinge]
    )
    found = dict.fromkeys(coprime(wall) for wall in domain.walls)
    for j, (bit, row) in enumerate(zip(bits, hinges, strict=True)):
        if any(row[:-1]):
            found[coprime(row if bit else [-x for x in row])] = None
        elif (row[-1] > 0) != bit:
            raise Rejected(f"{place}: hinge {j} is constant there, and not as the code says")
    if mapped is not None:
        rows, denominator = _read_map(mapped, len(outputs), dim, place)
        if any(
            x * denominator != y * one[-1]
            for a, b in zip(outputs, rows, strict=True)
            for x, y in zip(a, b, strict=True)
        ):
            raise Rejected(f"{place}, map: not that of the code")
    return list(found)


def _region(
    network: Network,
    domain: Domain,
    record: Any,
    walls: list[Values],
    edge: set[Values],
    place: str,
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
        elif type(neighbour) is not int:
            raise Rejected(f"{place}, wall {name}: the neighbour is not named")
        else:
            yield (
                f"{place}, wall {name}",
                _code_outside(network, domain, walls[name], point),
                neighbour,
            )


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
