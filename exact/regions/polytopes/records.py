"""The cells of a flat domain as JSON values and arrays: what travels between processes and lies in
files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from exact.arithmetic.arrays import ByteArray
from exact.arithmetic.texts.number_texts import Json, integers_text, rationals_text, text_array
from exact.arithmetic.texts.records import Record
from exact.errors import InvalidInput, Undecided
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.domains.base import Domain, FlatDomain
from exact.geometry.polyhedra.faces import FaceComplex, SymbolicPoint
from exact.geometry.polyhedra.halfspace import Point
from exact.geometry.polyhedra.programmes.lp import Farkas, Interior, strict_feasibility
from exact.networks.network import Network
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.walls.facets import region_walls
from exact.regions.storage import (
    Arrays,
    Kept,
    Listed,
    Parts,
    codes_of,
    incidence_arrays,
    incidence_of,
    indices,
    record_of,
    shared_fields,
    shared_values,
    text_lines,
)


def flat_parts(cells: FlatCells, domain: Domain, wanted: bool) -> Parts:
    """JSON values and arrays that hold the cells: witnesses and faces where they are wanted; of a
    round domain always, because its walls do not tell its points.
    """
    arrays: Arrays = {"codes": cells.whole_codes()}
    values: dict[str, Json] = {"cells": "flat", "hinges": cells.hinges, **shared_values(cells)}
    wanted = wanted or not _has_walls(domain)
    if wanted:
        arrays["witnesses"] = text_array(integers_text(cells.witness(i)) for i in range(len(cells)))
    if cells.pairs is not None:
        arrays["pairs"] = np.asarray(cells.pairs(), dtype=np.int64)
    if cells.faces is not None and wanted:
        values["faces"] = {"dim": cells.faces.dim, "vertices": cells.faces.vertex_count}
        arrays |= _face_arrays(cells.faces)
    if cells.empty is not None:
        values["empty"] = {
            "rows": list(cells.empty.rows),
            "multipliers": rationals_text(cells.empty.multipliers),
        }
    return values, arrays


def _has_walls(domain: Domain) -> bool:
    """Whether walls tell the points of a domain."""
    return isinstance(domain, FlatDomain) and domain.is_polyhedral


def _face_arrays(faces: FaceComplex) -> Arrays:
    arrays: Arrays = {}
    for name, incidence in [
        *((f"faces.{k}", faces.boundary[k]) for k in range(1, faces.dim + 1)),
        ("faces.corners", faces.corners),
    ]:
        arrays |= incidence_arrays(name, incidence)
    points = (faces.vertex(i) for i in range(faces.vertex_count))
    arrays["faces.vertices"] = text_array(
        integers_text((*point.finite, *point.infinite)) for point in points
    )
    return arrays


def flat_cells(
    network: Network, domain: Domain, values: Json, arrays: Mapping[str, Any]
) -> FlatCells:
    """The cells that `flat_parts` took apart. Raises InvalidInput for parts that do not fit each
    other.
    """
    record = record_of(values, "flat")
    codes, hinges = codes_of(network, record, arrays)
    witness: Callable[[int], Point] = _Inside(network, domain, codes, hinges)
    if "witnesses" in arrays or not _has_walls(domain):
        rows = text_lines(arrays, "witnesses", len(codes))
        witness = Listed(rows, len(rows[0].split(" ")) if rows else 0)
    pairs = Kept(indices(arrays, "pairs", (-1, 2), len(codes))) if "pairs" in arrays else None
    faces = _faces(record.record("faces"), arrays, len(codes)) if "faces" in record else None
    empty = None
    if "empty" in record:
        proof = record.record("empty")
        numbers = tuple(proof.numbers("rows"))
        empty = Farkas(numbers, proof.rationals("multipliers", len(numbers)))
    return FlatCells(
        codes, hinges, witness, **shared_fields(record), pairs=pairs, faces=faces, empty=empty
    )


def _faces(record: Record, arrays: Mapping[str, Any], regions: int) -> FaceComplex:
    dim, count = record.number("dim"), record.number("vertices")
    boundary, bound = dict[int, Incidence](), count
    for k in range(1, dim + 1):
        boundary[k] = incidence_of(f"faces.{k}", arrays, bound)
        bound = len(boundary[k])
    if bound != regions:
        raise InvalidInput(
            "the complex has another number of regions", value=bound, remedy=f"give {regions}"
        )
    vertex = _Vertices(Listed(text_lines(arrays, "faces.vertices", count), 2 * dim + 1), dim)
    return FaceComplex(dim, boundary, incidence_of("faces.corners", arrays, count), count, vertex)


@dataclass(frozen=True)
class _Vertices:
    """The vertices of a complex: finite part, denominator, part at infinity."""

    listed: Listed
    dim: int

    def __call__(self, index: int) -> SymbolicPoint:
        entries = self.listed(index)
        return SymbolicPoint(entries[: self.dim + 1], entries[self.dim + 1 :])


@dataclass(frozen=True)
class _Inside:
    """Points strictly inside regions of a domain with walls, each by an LP that is tested
    exactly.
    """

    network: Network
    domain: Domain
    codes: ByteArray
    hinges: int

    def __call__(self, index: int) -> Point:
        assert isinstance(self.domain, FlatDomain)
        flat = self.domain.flat()
        bits = np.unpackbits(self.codes[index], count=self.hinges).astype(bool).tolist()
        found = strict_feasibility(region_walls(self.network, flat, bits), flat.dim)
        if not isinstance(found, Interior):
            raise Undecided(
                "a region of the partition has no interior point",
                value=f"region {index}",
                remedy="the codes are not those of this network: enumerate again",
            )
        return found.point
