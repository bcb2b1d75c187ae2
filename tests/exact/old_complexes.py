"""Complexes as the second format of certificates writes them: vertices by their coordinates, then
all faces by the faces that bound them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from exact.geometry.polyhedra.faces import FaceComplex, SymbolicPoint
from exact.regions import certificate as certificates
from exact.regions.polytopes.partition import FlatPartition
from tests.exact.forgeries import Record, codes_of, records_of, signed, written

FORMAT = "exactlens-certificate-2"


def in_format_2(partition: FlatPartition, *, maps: bool = True) -> list[bytes]:
    """The lines of a certificate of the second format."""
    return signed(list(records_in_format_2(partition, maps=maps)))


def records_in_format_2(partition: FlatPartition, *, maps: bool = True) -> Iterator[Record]:
    """Its records without the last one, made from those of today."""
    header, *today = records_of(certificates.of(partition, maps=maps))
    faces = partition.cells.faces
    if header["kind"] != "complex" or faces is None:
        yield from [{**header, "format": FORMAT}, *today]
        return
    lower = [faces.boundary[k] for k in range(1, faces.dim)]
    counts = [faces.vertex_count, *map(len, lower)]
    yield {**header, "format": FORMAT, "faces": counts}
    yield from (_vertex(faces.vertex(i), header["domain"]["cube"]) for i in range(counts[0]))
    for incidence in lower:
        yield from (incidence.row(i).tolist() for i in range(len(incidence)))
    yield from _cells(partition, faces, today)


def _vertex(vertex: SymbolicPoint, cube: bool) -> str:
    return written([*(vertex.infinite if cube else ()), *vertex.finite])


def _cells(partition: FlatPartition, faces: FaceComplex, today: list[Any]) -> Iterator[Record]:
    """The cells in ascending order of their codes, with the maps that they have today."""
    names = codes_of([None, *today])
    maps = {
        names[i]: {key: record[key] for key in ("map",) if key in record}
        for i, record in enumerate(today, 1)
    }
    codes = [row.tobytes().hex() for row in partition.cells.codes]
    for index in sorted(range(len(codes)), key=codes.__getitem__):
        row = faces.boundary[faces.dim].row(index).tolist()
        yield {"code": codes[index], **maps[codes[index]], "faces": row}
