"""Certificates of flat domains: kinds `complex`, `facets` and `bounded`.

An engine that builds the complex of all faces gives kind `complex`: cells with named vertices. For
every other one each region gets a point inside, a point in every facet with the region behind it,
and a Farkas vector for every halfspace that is no facet: kind `facets`. A partition that stopped
early gets the latter, which then says that it is not complete. A domain without interior gets a
Farkas vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from exact.errors import Unsupported, require
from exact.geometry.domains.base import Flat, FlatDomain
from exact.geometry.polyhedra.faces import FaceComplex
from exact.geometry.polyhedra.halfspace import Halfspace, Point
from exact.geometry.polyhedra.programmes.boxes import Split
from exact.geometry.polyhedra.programmes.lp import Farkas, strict_feasibility
from exact.networks.network import Network
from exact.propagation.cursor import Images
from exact.regions.cells import Outcome
from exact.regions.certificate import Json, header, hexadecimal, matrix_rows, over_common
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.walls.bounded_facets import bounds_of, inner_proofs
from exact.regions.polytopes.walls.facets import code_behind, facet_proofs, region_walls
from exact.regions.polytopes.walls.named_vertices import NamedVertices
from exact.regions.polytopes.walls.simple_vertices import SimpleVertices, written_codes
from exact.regions.polytopes.walls.tree_maps import TreeMaps


def records(network: Network, domain: FlatDomain, cells: FlatCells, maps: bool) -> Iterator[Json]:
    """The records of a certificate; Unsupported for a round domain. Cost: see
    :func:`exact.regions.certificate.of`.
    """
    if not domain.is_polyhedral:
        raise Unsupported(
            "a round domain has no certificate", value=domain, remedy="partition a Box around it"
        )
    flat, has_maps = domain.flat(), maps and network.is_piecewise_linear
    return _Writer(network, flat, cells, has_maps, Images(network, flat)).records()


def domain_record(domain: FlatDomain) -> Json:
    """A flat domain as a certificate of it states it."""
    return _domain(domain.flat(), cube=False)


def _domain(flat: Flat, cube: bool) -> Json:
    rows, denominator = matrix_rows(list(flat.state().entries()), flat.dim + 1)
    walls = [hexadecimal(wall.coefficients) for wall in flat.walls]
    return {
        "dim": flat.dim,
        "cube": cube,
        "chart": {"denominator": denominator, "rows": rows},
        "walls": walls,
    }


@dataclass(frozen=True)
class _Writer:
    """The records of one certificate, in order."""

    network: Network
    flat: Flat
    cells: FlatCells
    maps: bool
    images: Images

    def records(self) -> Iterator[Json]:
        """The header, then vertices, faces and cells, or regions."""
        complete = self.cells.outcome is Outcome.COMPLETE
        order = sorted(range(len(self.cells)), key=lambda i: self.cells.codes[i].tobytes())
        if not order:
            yield self._header("facets", complete) | ({"empty": self._empty()} if complete else {})
        elif complete and (vertices := self._simple) is not None:
            yield from self._simple_complex(vertices)
        elif complete and self.cells.faces is not None:
            yield from self._complex(self.cells.faces, order)
        else:
            box = bounds_of(self.flat.walls, self.flat.dim)
            yield self._header("facets" if box is None else "bounded", complete)
            yield from self._facets(order, box)

    def _header(self, kind: str, complete: bool, cube: bool = False) -> dict[str, Json]:
        shared = header(self.network, kind, complete, len(self.cells), _domain(self.flat, cube))
        return shared | {"maps": self.maps}

    def _empty(self) -> str:
        """A Farkas vector over the walls, as one multiplier for each."""
        proof = self.cells.empty or strict_feasibility(self.flat.walls, self.flat.dim)
        require(isinstance(proof, Farkas), "a domain with an interior point has a region", proof)
        assert isinstance(proof, Farkas)
        numbers, _ = over_common(proof.multipliers)
        found = dict(zip(proof.rows, numbers, strict=True))
        return hexadecimal([found.get(i, 0) for i in range(len(self.flat.walls))])

    def _region(self, index: int) -> dict[str, Json]:
        """The code of region `index` (in the engine's order) and its map."""
        code = self.cells.codes[index].tobytes()
        record: dict[str, Json] = {"code": code.hex()}
        if self.maps:
            entries = list(self.images.at(self._bits(index)).entries())
            record["map"] = self._map(*over_common(entries))
        return record

    def _bits(self, index: int) -> list[bool]:
        bits = np.unpackbits(self.cells.codes[index], count=self.cells.hinges)
        found: list[bool] = bits.astype(bool).tolist()
        return found

    def _map(self, numbers: list[int], denominator: int) -> Json:
        """A map of which these are the entries, row by row."""
        width = self.flat.dim + 1
        rows = [hexadecimal(numbers[i : i + width]) for i in range(0, len(numbers), width)]
        return [hexadecimal([denominator]), *rows]

    def _mapped(self, tree: TreeMaps, index: int, back: int, flips: list[int]) -> dict[str, Json]:
        """The map of region `index`, the next one of a tree, where there are maps."""
        if not self.maps:
            return {}
        return {"map": self._map(*tree.next(back, flips, self._bits(index)))}

    def _bytes_of(self, hinges: Sequence[int]) -> str:
        """The code in which these hinges are on, as it is written."""
        bits = np.zeros(8 * ((self.cells.hinges + 7) // 8), np.uint8)
        bits[list(hinges)] = 1
        return np.packbits(bits).tobytes().hex()

    # ---- kinds "simple" and "complex"

    @property
    def _simple(self) -> SimpleVertices | None:
        return None if self.cells.simple is None else self.cells.simple()

    def _simple_complex(self, vertices: SimpleVertices) -> Iterator[Json]:
        ends = tuple(accumulate(self.network.bits_per_layer))
        assert self.cells.pairs is not None, "the engine that knows vertices knows pairs"
        pairs = self.cells.pairs()
        written = list(written_codes(vertices, self.cells.codes, pairs, ends, self.maps))
        domain = _domain(self.flat, cube=False)
        domain["walls"] = [hexadecimal(wall.coefficients) for wall in vertices.walls]
        if vertices.far:
            domain["far"] = [hexadecimal(row) for row in vertices.far]
        yield {**self._header("simple", True), "domain": domain, "codes": len(written)}
        tree = TreeMaps(self.network, self.flat)
        for number, one in enumerate(written):
            own = (
                {"back": one.back, "flips": one.flips}
                if number
                else {"code": self._bytes_of(one.flips)}
            )
            mapped = self._mapped(tree, one.region, one.back, one.flips)
            yield own | mapped | {"new": one.vertices}

    def _complex(self, faces: FaceComplex, order: Sequence[int]) -> Iterator[Json]:
        ends = tuple(accumulate(self.network.bits_per_layer))
        named = NamedVertices(faces, self.flat, self.cells.codes, ends)
        yield self._header("complex", True, named.has_cube)
        tree = TreeMaps(self.network, self.flat)
        for number, cell in enumerate(named.cells(order[0])):
            code = {"code": self.cells.codes[cell.index].tobytes().hex()}
            own = {"back": cell.back, "flips": cell.flips} if number else code
            mapped = self._mapped(tree, cell.index, cell.back, cell.flips)
            yield own | mapped | {"known": cell.known, "new": cell.new}

    # ---- kinds "facets" and "bounded"

    def _facets(self, order: Sequence[int], box: Split | None) -> Iterator[Json]:
        place = {self.cells.codes[index].tobytes(): i for i, index in enumerate(order)}
        shared: dict[int, dict[Halfspace, tuple[Point, int]]] = {}
        for i, index in enumerate(order):
            walls = (
                self._walls(i, index, place, shared)
                if box is None
                else self._walls_in(box, index, place)
            )
            yield self._region(index) | walls

    def _walls_in(self, box: Split, index: int, place: Mapping[bytes, int]) -> dict[str, Json]:
        """Witness, facets inside the domain, and proofs of what is redundant there, but not by the
        bounds of the domain alone.
        """
        bits = np.unpackbits(self.cells.codes[index], count=self.cells.hinges).astype(bool).tolist()
        walls, witness = region_walls(self.network, self.flat, bits), self.cells.witness(index)
        inner = walls[len(dict.fromkeys(self.flat.walls)) :]
        first = len(walls) - len(inner)
        points, proofs = inner_proofs(box, self.flat.walls, inner, witness)
        entries: list[Json] = [
            [first + k, hexadecimal(point), self._neighbour(inner[k], point, place)]
            for k, point in sorted(points.items())
        ]
        known = len(box.others)
        redundant = [
            [first + k, _multipliers(proof, range(known + len(entries)))]
            for k, proof in sorted(proofs.items())
            if proof.rows
        ]
        return {"witness": hexadecimal(witness), "facets": entries, "redundant": redundant}

    def _walls(
        self,
        number: int,
        index: int,
        place: Mapping[bytes, int],
        shared: dict[int, dict[Halfspace, tuple[Point, int]]],
    ) -> dict[str, Json]:
        """Witness, facets and redundancy proofs; facets seen from here are kept in `shared` for the
        regions behind them.
        """
        bits = np.unpackbits(self.cells.codes[index], count=self.cells.hinges).astype(bool).tolist()
        walls = region_walls(self.network, self.flat, bits)
        witness = self.cells.witness(index)
        seen = shared.pop(number, {})
        proofs = facet_proofs(
            walls, witness, self.flat.dim, {wall: point for wall, (point, _) in seen.items()}
        )
        facets = sorted(proofs.points)
        entries: list[Json] = []
        for name in facets:
            wall, point = walls[name], proofs.points[name]
            neighbour = seen[wall][1] if wall in seen else self._neighbour(wall, point, place)
            if neighbour is not None and neighbour > number:
                shared.setdefault(neighbour, {})[wall.opposite] = (point, number)
            entries.append([name, hexadecimal(point), neighbour])
        redundant = [
            [name, _multipliers(proofs.redundant[name], facets)]
            for name in sorted(proofs.redundant)
        ]
        return {"witness": hexadecimal(witness), "facets": entries, "redundant": redundant}

    def _neighbour(self, wall: Halfspace, point: Point, place: Mapping[bytes, int]) -> int | None:
        """The region behind a facet: None at the edge of the domain, -1 where it is not listed."""
        if wall in self.flat.walls:
            return None
        behind = code_behind(self.network, self.flat, wall, point)
        return place.get(np.packbits(np.array(behind, dtype=bool)).tobytes(), -1)


def _multipliers(proof: Farkas, facets: Sequence[int]) -> str:
    """`q`, then one multiplier for each facet, all over the same denominator."""
    numbers, denominator = over_common(proof.multipliers)
    found = dict(zip(proof.rows, numbers, strict=True))
    return hexadecimal([denominator, *(found.get(facet, 0) for facet in facets)])
