"""Write certificates: what anyone needs to verify a partition with integers alone (`exact.check`, `docs/certificates.md`).

An engine that builds the complex of all faces gives kind `complex`: vertices, faces, cells. For every other one each region
gets a point inside, a point in every facet with the region behind it, and a Farkas vector for every halfspace that is no
facet: kind `facets`. A partition that stopped early gets the latter, which then says that it is not complete. A domain
without interior gets a Farkas vector. Curves and spheres have kinds of their own (`exact.sphere_certificates`). The region
numbers are those of `partition.regions`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from exact import check
from exact.adjacency import code_behind, facet_proofs, region_walls
from exact.atomic_files import publishing
from exact.certificate_records import Json, hexadecimal, matrix_rows, network_record, over_common
from exact.domains import Flat, FlatDomain
from exact.engines.base import FlatCells, Outcome
from exact.errors import InvalidInput, Undecided, Unsupported, require
from exact.faces import FaceComplex, SymbolicPoint
from exact.halfspace import Halfspace, Point
from exact.lp import Farkas, strict_feasibility
from exact.network import Network
from exact.sphere_certificates import records_of_cells, round_domain
from exact.spline_code import SplineCode

if TYPE_CHECKING:
    from exact.results import Partition


def write(
    partition: Partition, path: str | Path, *, maps: bool = True, made_by: Mapping[str, Json] | None = None
) -> Path:
    """Write the certificate of a partition to a file that is whole or absent; packed where its name ends in `.gz`.

    `made_by` goes into the header as it is (program, engine, ...); nothing is proved about it. Raises as :func:`of` does,
    InvalidInput where the folder is missing or the path is that of a folder, and OSError. Cost: see :func:`of`; one line is
    in memory at a time.
    """
    target = _target(path)
    with _published(target) as file:
        for line in of(partition, maps=maps, made_by=made_by):
            file.write(line)
    return target


def _target(path: object) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise InvalidInput("not a path", value=repr(path), remedy="give the name of a file to write")
    target = Path(path)
    if target.is_dir():
        raise InvalidInput("a folder stands where the certificate is to go", value=str(target),
                           remedy=f"give a file in it, such as {target / 'certificate.jsonl.gz'}")  # fmt: skip
    if not target.parent.is_dir():
        raise InvalidInput("no such folder", value=str(target.parent), remedy=f"make it before {target.name} is written there")
    return target


def verified(partition: Partition, *, maps: bool = True) -> check.Verdict:
    """Make the certificate of a partition and verify it; the verdict is about this network, this domain and these codes.

    Raises as :func:`of` does, and Undecided where the certificate speaks of another network or domain, or of other codes. Cost:
    that of :func:`of` and of `exact.check.verify`.

    >>> from exact import Box, partition
    >>> from exact.sources import tensors
    >>> hat = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1]], [0])])
    >>> verdict = verified(partition(hat, Box(-1, 3, dim=1)))
    >>> verdict.status, verdict.regions, verdict.domain
    (<Status.COMPLETE: 'verified, complete'>, 4, 'R^1 where (1).x + 1 > 0, (-1).x + 3 > 0')
    """
    verdict = check.verify(of(partition, maps=maps))
    if verdict.status is check.Status.REJECTED:
        return verdict
    complete = check.Status.COMPLETE if partition.outcome is Outcome.COMPLETE else check.Status.INCOMPLETE
    told = (verdict.network_sha256, verdict.domain_sha256, verdict.digest, verdict.status)
    if told != (partition.network.sha256, check.domain_digest(domain_record(partition)), partition.digest, complete):
        raise Undecided("the certificate speaks of another partition", value=verdict,
                        remedy="this is a defect of the writer: please report the network")  # fmt: skip
    return verdict


def domain_record(partition: Partition) -> Json:
    """The domain of a partition as a certificate states it, made from the domain, not from what an engine made of it."""
    if isinstance(partition.domain, FlatDomain) and isinstance(getattr(partition, "_cells", None), FlatCells):
        return _domain(partition.domain.flat(), cube=False)
    return round_domain(partition.network, partition.domain)


def of(partition: Partition, *, maps: bool = True, made_by: Mapping[str, Json] | None = None) -> Iterator[bytes]:
    """The lines of a certificate. With `maps` every region carries its exact affine map over the domain's parameters.

    Maps are left out where an activation is smooth, on curves and on spheres. Raises Unsupported for partitions of balls,
    behind two norms, and of curves and 2-spheres that stopped early. Cost: every exact vertex of a complex; otherwise, for
    every region, a few rays and one LP per halfspace that no ray decides; else see `exact.sphere_certificates`.
    """
    network, domain, cells = partition.network, partition.domain, getattr(partition, "_cells", None)
    if not isinstance(cells, FlatCells) or not isinstance(domain, FlatDomain):
        return _signed(records_of_cells(partition, {"engine": partition.engine, "domain": repr(domain), **(made_by or {})}))
    if not domain.is_polyhedral:
        raise Unsupported("a round domain has no certificate", value=domain, remedy="partition a Box around it")
    writer = _Writer(network, domain.flat(), cells, maps and network.is_piecewise_linear)
    return _signed(writer.records({"engine": partition.engine, "domain": repr(domain), **(made_by or {})}))


def _signed(records: Iterator[Json]) -> Iterator[bytes]:
    """The records as lines, and the sha256 of all of them as the last one."""
    digest = hashlib.sha256()
    for record in records:
        line = _line(record)
        digest.update(line)
        yield line
    yield _line({"sha256": digest.hexdigest()})


def _line(record: Json) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


@contextmanager
def _published(target: Path) -> Iterator[BinaryIO]:
    """A file to fill, packed where its name ends in `.gz`; it appears whole or not at all."""
    with publishing(target) as raw:
        if target.suffix == ".gz":
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
                yield cast(BinaryIO, packed)
        else:
            yield raw


def _domain(flat: Flat, cube: bool) -> Json:
    rows, denominator = matrix_rows(list(flat.state().entries()), flat.dim + 1)
    walls = [hexadecimal(wall.coefficients) for wall in flat.walls]
    return {"dim": flat.dim, "cube": cube, "chart": {"denominator": denominator, "rows": rows}, "walls": walls}


@dataclass(frozen=True)
class _Writer:
    """The records of one certificate, in order."""

    network: Network
    flat: Flat
    cells: FlatCells
    maps: bool

    def records(self, made_by: Mapping[str, Json]) -> Iterator[Json]:
        """The header, then vertices, faces and cells, or regions."""
        complete = self.cells.outcome is Outcome.COMPLETE
        order = sorted(range(len(self.cells)), key=lambda i: self.cells.codes[i].tobytes())
        if not order:
            yield self._header("facets", complete, made_by) | ({"empty": self._empty()} if complete else {})
        elif complete and self.cells.faces is not None:
            yield from self._complex(self.cells.faces, order, made_by)
        else:
            yield self._header("facets", complete, made_by)
            yield from self._facets(order)

    def _header(
        self, kind: str, complete: bool, made_by: Mapping[str, Json], faces: Sequence[int] = (), cube: bool = False
    ) -> dict[str, Json]:
        return {"format": check.FORMAT, "kind": kind, "complete": complete, "regions": len(self.cells), "faces": list(faces),
                "maps": self.maps, "made_by": dict(made_by), "network_sha256": self.network.sha256,
                "network": network_record(self.network), "domain": _domain(self.flat, cube)}  # fmt: skip

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
            image = self.network.propagate_code(self.flat.state(), SplineCode(code, self.network.bits_per_layer))
            rows, denominator = matrix_rows(list(image.entries()), self.flat.dim + 1)
            record["map"] = [denominator, *rows]
        return record

    # ---- kind "complex"

    def _complex(self, faces: FaceComplex, order: Sequence[int], made_by: Mapping[str, Json]) -> Iterator[Json]:
        vertices = [faces.vertex(i) for i in range(faces.vertex_count)]
        cube = not all(vertex.is_finite for vertex in vertices)
        counts = [len(vertices), *(len(faces.boundary[k]) for k in range(1, faces.dim))]
        yield self._header("complex", True, made_by, counts, cube)
        yield from (_vertex(vertex, cube) for vertex in vertices)
        for k in range(1, faces.dim):
            yield from (faces.boundary[k].row(i).tolist() for i in range(len(faces.boundary[k])))
        for index in order:
            yield self._region(index) | {"faces": faces.boundary[faces.dim].row(index).tolist()}

    # ---- kind "facets"

    def _facets(self, order: Sequence[int]) -> Iterator[Json]:
        place = {self.cells.codes[index].tobytes(): i for i, index in enumerate(order)}
        shared: dict[int, dict[Halfspace, tuple[Point, int]]] = {}
        for i, index in enumerate(order):
            yield self._region(index) | self._walls(i, index, place, shared)

    def _walls(
        self, number: int, index: int, place: Mapping[bytes, int], shared: dict[int, dict[Halfspace, tuple[Point, int]]]
    ) -> dict[str, Json]:
        """Witness, facets and redundancy proofs; facets seen from here are kept in `shared` for the regions behind them."""
        bits = np.unpackbits(self.cells.codes[index], count=self.cells.hinges).astype(bool).tolist()
        walls, witness, seen = region_walls(self.network, self.flat, bits), self.cells.witness(index), shared.pop(number, {})
        proofs = facet_proofs(walls, witness, self.flat.dim, {wall: point for wall, (point, _) in seen.items()})
        facets = sorted(proofs.points)
        entries: list[Json] = []
        for name in facets:
            wall, point = walls[name], proofs.points[name]
            neighbour = seen[wall][1] if wall in seen else self._neighbour(wall, point, place)
            if neighbour is not None and neighbour > number:
                shared.setdefault(neighbour, {})[wall.opposite] = (point, number)
            entries.append([name, hexadecimal(point), neighbour])
        redundant = [[name, _multipliers(proofs.redundant[name], facets)] for name in sorted(proofs.redundant)]
        return {"witness": hexadecimal(witness), "facets": entries, "redundant": redundant}

    def _neighbour(self, wall: Halfspace, point: Point, place: Mapping[bytes, int]) -> int | None:
        """The region behind a facet: None at the edge of the domain, -1 where it is not listed."""
        if wall in self.flat.walls:
            return None
        behind = code_behind(self.network, self.flat, wall, point)
        return place.get(np.packbits(np.array(behind, dtype=bool)).tobytes(), -1)


def _vertex(vertex: SymbolicPoint, cube: bool) -> str:
    return hexadecimal([*(vertex.infinite if cube else ()), *vertex.finite])


def _multipliers(proof: Farkas, facets: Sequence[int]) -> str:
    """`q`, then one multiplier for each facet, all over the same denominator."""
    numbers, denominator = over_common(proof.multipliers)
    found = dict(zip(proof.rows, numbers, strict=True))
    return hexadecimal([denominator, *(found.get(facet, 0) for facet in facets)])
