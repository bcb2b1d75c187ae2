"""Write certificates of curves, 2-spheres and spheres of any dimension: kinds `curve`, `sphere` and `codes`.

The checker derives every point from the weights, so that a certificate of cells holds combinatorics (which hinges flip, which
circles meet, in which order), rational points inside, and little else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, cast

from exact import check
from exact.certificate_records import Json, hexadecimal, matrix_rows, network_record, over_common
from exact.code_certificates import CodeWriter
from exact.domains import Curve, CurveDomain, Domain, GreatSphere, Sphere
from exact.engines.base import CurveCells, Outcome, SphereCells, SphereCodes
from exact.errors import Unsupported
from exact.listed_circles import CircleLists
from exact.network import Network
from exact.numbers import Rational
from exact.sphere_tree import CodeTree

if TYPE_CHECKING:
    from exact.results import Partition
    from exact.sphere_codes import CodePartition


def records_of_cells(partition: Partition, made_by: Mapping[str, Json]) -> Iterator[Json]:
    """The records of a partition of a curve or a sphere. Raises Unsupported where there is no such certificate."""
    cells, network = getattr(partition, "cells", None), partition.network
    if isinstance(cells, CurveCells):
        return _curve(network, cells, made_by)
    if isinstance(cells, SphereCells):
        return _sphere(network, cells, made_by)
    if isinstance(cells, SphereCodes):
        return _codes(cast("CodePartition", partition), made_by)
    raise Unsupported("such a partition has no certificate", value=repr(partition),
                      remedy="polytopes, lines, circles and spheres have, behind one norm at most")  # fmt: skip


def round_domain(network: Network, domain: Domain) -> Json:
    """A curve or a sphere as a certificate states it: without `dim` the vectors that span it, and its radius or ends."""
    if isinstance(domain, CurveDomain):
        return _curve_domain(domain.curve())
    assert isinstance(domain, Sphere | GreatSphere), "all others are flat"
    radius = None if network.has_norm else domain.radius_squared
    if isinstance(domain, GreatSphere):
        return _chart((domain.u, domain.v, domain.w), radius)
    norm, n = network.blocks[0].norm, network.input_dim
    units = [[Rational(int(i == j)) for j in range(n)] for i in range(n)]
    return _chart(units if norm is None else norm.sphere_basis(), radius)


def _header(network: Network, kind: str, complete: bool, regions: int, domain: Json, made_by: Mapping[str, Json]) -> Json:
    return {"format": check.FORMAT, "kind": kind, "complete": complete, "regions": regions, "faces": [], "maps": False,
            "made_by": dict(made_by), "network_sha256": network.sha256, "network": network_record(network),
            "domain": domain}  # fmt: skip


def _chart(basis: Sequence[Sequence[Rational]], radius_squared: Rational | None) -> Json:
    """The vectors that span a domain, as columns."""
    rows, denominator = matrix_rows([x for row in zip(*basis, strict=True) for x in (*row, Rational(0))], len(basis) + 1)
    radius = {} if radius_squared is None else {"radius_squared": hexadecimal([radius_squared.p, radius_squared.q])}
    return {"chart": {"denominator": denominator, "rows": rows}, **radius}


# ---- kind "curve"


def _curve(network: Network, cells: CurveCells, made_by: Mapping[str, Json]) -> Iterator[Json]:
    curve = cells.curve
    if cells.outcome is not Outcome.COMPLETE:
        raise Unsupported("cells of a curve have a certificate only when they are complete", value=cells.outcome.value,
                          remedy="give no budget, or a larger one")  # fmt: skip
    reason = _refusal(network, curve)
    if reason is not None:
        raise Unsupported("these cells have no certificate", value=reason, remedy="the checker knows square roots, of one norm")
    if not cells.cuts and len(cells) > 1:
        raise Unsupported("a sphere of two points has no certificate", value=f"{len(cells)} points",
                          remedy="both are evaluated exactly: see network.code")  # fmt: skip
    return _curve_records(_header(network, "curve", True, len(cells), _curve_domain(curve), made_by), cells)


def _curve_domain(curve: Curve) -> Json:
    domain = _chart((curve.u, curve.v), None if curve.one is not None else curve.radius_squared)
    if curve.end is None or curve.one is None:
        return domain
    return domain | {name: hexadecimal(over_common(pair)[0]) for name, pair in (("end", curve.end), ("one", curve.one))}


def _refusal(network: Network, curve: Curve) -> str | None:
    """Why the functions of a curve are not of the form `p alpha + q beta + c N`, or None."""
    last = max((i for i, block in enumerate(network.blocks) if any(layer.bits for layer in block.layers)), default=-1)
    normed = [i for i, block in enumerate(network.blocks[: last + 1]) if block.norm is not None]
    if len(normed) > 1:
        return f"hidden layers behind {len(normed)} norms"
    if normed and curve.radius_squared is not None:
        return "a radius and a norm"
    skips = bool(normed) and normed[0] < last and network.blocks[normed[0]].residual
    return "hidden layers behind a skip around a norm" if skips else None


def _curve_records(header: Json, cells: CurveCells) -> Iterator[Json]:
    yield header
    code = {"code": cells.codes.row(0).tobytes().hex()}
    for i in range(len(cells)):
        undefined = {"undefined": True} if i and cells.cuts[i].undefined else {}
        witness = hexadecimal(over_common(cells.witnesses[i])[0])
        yield {**(code if i == 0 else {}), "flips": cells.codes.flips(i).tolist(), **undefined, "witness": witness}


# ---- kind "sphere"


def _sphere(network: Network, cells: SphereCells, made_by: Mapping[str, Json]) -> Iterator[Json]:
    if cells.outcome is not Outcome.COMPLETE:
        raise Unsupported("cells of a sphere have a certificate only when they are complete", value=cells.outcome.value,
                          remedy="give no budget, or a larger one")  # fmt: skip
    chart = cells.chart
    domain = {"dim": 2, **_chart(chart.basis, None if network.has_norm else chart.radius_squared)}
    header = _header(network, "sphere", True, len(cells), domain, made_by)
    return _sphere_records(header, CodeTree(cells.complex, cells.root), CircleLists(cells.complex))


def _sphere_records(header: Json, codes: CodeTree, lists: CircleLists) -> Iterator[Json]:
    bridges = lists.bridges()
    yield {**header, "circles": len(lists.circles), "vertices": len(lists.vertices), "bridges": len(bridges)}
    yield from ({"code": code.tobytes().hex()} for code in codes.packed())
    for circle in lists.circles:
        yield {"plane": hexadecimal(circle.plane), "around": list(circle.around), "arcs": lists.sides(circle)}
    yield from (list(lists.corner(vertex)) for vertex in range(len(lists.vertices)))
    for bridge in bridges:
        yield {"plane": hexadecimal(bridge.plane), "from": list(bridge.start), "to": list(bridge.end)}


# ---- kind "codes"


def _codes(partition: CodePartition, made_by: Mapping[str, Json]) -> Iterator[Json]:
    network, chart = partition.network, partition.chart
    if not network.hinge_count:
        raise Unsupported("a network without hinges has one code, and no certificate of it", value=network,
                          remedy="ask for the code: it is empty")  # fmt: skip
    domain = {"dim": chart.dim, **_chart(chart.basis, None if network.has_norm else chart.radius_squared)}
    complete, writer = partition.outcome is Outcome.COMPLETE, CodeWriter(partition)
    header = {**_header(network, "codes", complete, len(partition), domain, made_by), "around": writer.around}
    return chain([header], writer.records())
