"""Verify a certificate: every region it lists is a region of the network, and none is missing.

Nothing here is shared with what makes certificates: only Python's integers and fractions, no float
decides, no tolerance. The weights are read from the certificate itself, and the verdict says by
sha256 which network it speaks about. The format, and why the checks prove what the verdict says,
stand in `docs/certificates.md`, and in short at the top of the modules here: `flat` for polytopes,
`curves` for lines, circles and ellipses, `spheres` for the cells of 2-spheres, `codes` for spheres
of any dimension, `polygons` for graphs. Whoever doubts a result can read this folder, and run it
with `exact.errors` alone.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from exact.check import format_1
from exact.check.network import DIALECT, Network
from exact.check.records import (
    FORMAT,
    FORMATS,
    Claim,
    Json,
    Readable,
    Records,
    Rejected,
    Unpacked,
    get,
    only,
)
from exact.check.statements import domain_digest
from exact.check.verdicts import Status, Verdict
from exact.errors import InvalidInput

if TYPE_CHECKING:
    from exact.check.functions.graphs.graph import Graph

__all__ = ["FORMAT", "Status", "Verdict", "domain_digest", "verify", "verify_file"]

Check = Callable[[Json, Network, Claim, Records], tuple[str, str]]
KINDS: dict[str, set[str]] = {
    "complex": set(),
    "simple": {"codes"},
    "facets": {"empty"},
    "bounded": {"empty"},
    "curve": set(),
    "sphere": {"circles", "vertices", "bridges"},
    "codes": {"around"},
    "polygons": set(),
}
"""The entries that only the header of a kind has."""
HEADER = {
    "format",
    "kind",
    "complete",
    "regions",
    "faces",
    "maps",
    "made_by",
    "network_sha256",
    "network",
    "domain",
}


def verify_file(path: str | Path) -> Verdict:
    """Verify a certificate file; one that ends in `.gz` is unpacked on the way.

    Raises InvalidInput where there is no such file or it is no certificate, OSError where it cannot
    be read. Cost: see
    :func:`verify`.
    """
    place = _place(path)
    try:
        if place.suffix != ".gz":
            with place.open("rb") as file:
                return _verdict(Records(file))
        with place.open("rb") as packed:
            if packed.peek(2)[:2] != b"\x1f\x8b":
                raise InvalidInput(
                    "no gzip file", value=str(place), remedy="give a certificate as it was written"
                )
            with gzip.open(packed, "rb") as file:
                return _verdict(Records(Unpacked(file, packed)))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return Verdict(Status.REJECTED, f"the file is truncated or damaged: {error}")


def _place(path: object) -> Path:
    if not isinstance(path, str | PathLike):
        raise InvalidInput(
            "not a path", value=repr(path), remedy="give the name of a certificate file"
        )
    place = Path(path)
    if place.is_dir():
        raise InvalidInput(
            "a folder, not a file",
            value=str(place),
            remedy="give the name of a certificate file in it",
        )
    if not place.exists():
        raise InvalidInput(
            "no such file",
            value=str(place),
            remedy="give a file that partition.certificate(path) wrote",
        )
    return place


def verify(lines: Iterable[bytes] | Readable) -> Verdict:
    """Verify a certificate given as its lines, each with its line feed, or as a file open for
    reading bytes.

    Raises InvalidInput where the first line is not the header of a certificate. Cost: in
    `docs/certificates.md`; about linear in the length of the certificate.
    """
    return _verdict(Records(lines))


def _verdict(records: Records) -> Verdict:
    try:
        return _verified(records.header(), records)
    except Rejected as error:
        return Verdict(Status.REJECTED, one_line(str(error)))


def one_line(text: str) -> str:
    """A reason as plain text, whatever the file made it quote."""
    plain = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in text)
    return plain if len(plain) <= 300 else plain[:297] + "..."


def _verified(header: Json, records: Records) -> Verdict:
    claim = Claim.read(header)
    if claim.kind not in KINDS:
        raise Rejected("header: an unknown kind")
    only(header, HEADER | KINDS[claim.kind], "header")
    network: Network | Graph
    if claim.kind == "polygons":
        from exact.check.functions.graphs.polygons import check_polygons

        network, named = _graph(header)
        what, domain = check_polygons(header, network, claim, records)
    else:
        network, named = _network(header)
        what, domain = _check_of(claim.kind)(header, network, claim, records)
    records.finish()
    found = f"{claim.regions}:{network.hinges}:".encode() + b"".join(
        sorted(bytes.fromhex(code) for code in claim.codes)
    )
    status = Status.COMPLETE if claim.complete else Status.INCOMPLETE
    return Verdict(
        status,
        what,
        claim.regions,
        claim.maps,
        network.sha256,
        domain,
        hashlib.sha256(found).hexdigest(),
        domain_digest(header["domain"]),
        named,
    )


def _check_of(kind: str) -> Check:
    """What verifies a kind; no other one is imported, since most files are small."""
    if kind == "curve":
        from exact.check.kinds.curves import check_curve as check
    elif kind == "sphere":
        from exact.check.kinds.spheres import check_sphere as check
    elif kind == "codes":
        from exact.check.kinds.codes import check_codes as check
    else:
        from exact.check.kinds.flat import check_flat as check
    return check


def _graph(header: Json) -> tuple[Graph, str]:
    """The graph, and the sha256 by which it is known, which the header must state."""
    from exact.check.functions.graphs.graph import Graph

    found = Graph.read(get(header, "network", dict, "header"))
    if get(header, "network_sha256", str, "header") != found.sha256:
        raise Rejected("header: network_sha256 is not that of the graph in the file")
    return found, found.sha256


def _network(header: Json) -> tuple[Network, str]:
    """The network, and the sha256 by which a file of this format knows it, which the header must
    state.
    """
    record, is_first = get(header, "network", dict, "header"), header["format"] == FORMATS[0]
    network = Network.read(record, format_1.DIALECT if is_first else DIALECT)
    named = format_1.sha256_of(network, record) if is_first else network.sha256
    if get(header, "network_sha256", str, "header") != named:
        raise Rejected("header: network_sha256 is not that of the weights in the file")
    return network, named
