"""Certificates of graphs, kind `polygons`: for every region of a bounded polygon or a segment its
code and its corners, from which the checker proves all else.
"""

from __future__ import annotations

from collections.abc import Iterator

from exact.errors import Unsupported
from exact.geometry.domains.base import FlatDomain
from exact.networks.network import Network
from exact.regions.cells import Outcome
from exact.regions.certificate import Json, header, hexadecimal, matrix_rows
from exact.regions.polytopes.quantities.complexes import Owner


def polygon_records(
    owner: Owner, network: Network, domain: FlatDomain, record: Json, maps: bool
) -> Iterator[Json]:
    """The records of a certificate, regions by code; neighbours there share most of it. `record` is
    that of the domain.

    Raises Unsupported for domains that are round, unbounded, empty, or of other than one or two
    dimensions, and for activations and operators that the checker does not know. Cost: the exact
    corners of all regions, and their maps where they are asked for.
    """
    if not domain.is_polyhedral or owner.flat.dim not in (1, 2) or not len(owner.codes):
        raise Unsupported(
            "graphs have certificates on bounded polygons and segments with regions",
            value=f"{domain!r}, {len(owner.codes)} regions",
            remedy="partition a Plane with s=(...) and t=(...), or graph.chain() if there is one",
        )
    if not network.is_piecewise_linear:
        raise Unsupported(
            "a graph with a smooth activation has no certificate",
            value=network,
            remedy="give activations of affine pieces",
        )
    corners = []
    for index in range(len(owner.codes)):
        points, bounded = owner.corners_of(index)
        if not bounded:
            raise Unsupported(
                "graphs have certificates on bounded domains",
                value=domain,
                remedy="partition a Plane with s=(...) and t=(...)",
            )
        corners.append([hexadecimal(point) for point in points])
    complete = owner.outcome is Outcome.COMPLETE
    shared = header(network, "polygons", complete, len(corners), record)
    yield shared | {"maps": maps}
    for index, own in enumerate(corners):
        region: Json = {"code": owner.codes[index].tobytes().hex(), "corners": own}
        if maps:
            entries = list(owner.map_columns(index).entries())
            rows, denominator = matrix_rows(entries, owner.flat.dim + 1)
            region["map"] = [denominator, *rows]
        yield region
