"""Certificates of 2-spheres and spheres of any dimension: kinds `sphere` and `codes`.

The checker derives every point from the weights, so that a certificate of cells holds combinatorics
(which circles meet, in which order), and little else.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from exact.errors import Unsupported
from exact.geometry.circles.circle_lists import CircleLists
from exact.geometry.circles.code_tree import CodeTree
from exact.networks.network import Network
from exact.propagation.charts import SphereChart
from exact.regions.cells import Outcome
from exact.regions.certificate import Json, header, hexadecimal, spanned
from exact.regions.spheres.cells import SphereCells
from exact.regions.spheres.code_certificate import CodesOnSphere, CodeWriter


def _of_chart(network: Network, chart: SphereChart) -> Json:
    return {
        "dim": chart.dim,
        **spanned(chart.basis, None if network.has_norm else chart.radius_squared),
    }


def records_of_cells(network: Network, cells: SphereCells) -> Iterator[Json]:
    """The records of kind `sphere`; Unsupported where the enumeration stopped early."""
    if cells.outcome is not Outcome.COMPLETE:
        raise Unsupported(
            "cells of a sphere have a certificate only when they are complete",
            value=cells.outcome.value,
            remedy="give no budget, or a larger one",
        )
    first = header(network, "sphere", True, len(cells), _of_chart(network, cells.chart))
    return _sphere_records(first, CodeTree(cells.complex, cells.root), CircleLists(cells.complex))


def _sphere_records(first: Json, codes: CodeTree, lists: CircleLists) -> Iterator[Json]:
    bridges = lists.bridges()
    yield {
        **first,
        "circles": len(lists.circles),
        "vertices": len(lists.vertices),
        "bridges": len(bridges),
    }
    yield from ({"code": code.tobytes().hex()} for code in codes.packed())
    for circle in lists.circles:
        yield {
            "plane": hexadecimal(circle.plane),
            "around": list(circle.around),
            "arcs": lists.sides(circle),
        }
    yield from (list(lists.corner(vertex)) for vertex in range(len(lists.vertices)))
    for bridge in bridges:
        yield {
            "plane": hexadecimal(bridge.plane),
            "from": list(bridge.start),
            "to": list(bridge.end),
        }


def records_of_codes(network: Network, found: CodesOnSphere) -> Iterator[Json]:
    """The records of kind `codes`; Unsupported for a network without hinges."""
    if not network.hinge_count:
        raise Unsupported(
            "a network without hinges has one code, and no certificate of it",
            value=network,
            remedy="ask for the code: it is empty",
        )
    complete, writer = found.outcome is Outcome.COMPLETE, CodeWriter(found)
    first = header(network, "codes", complete, len(found), _of_chart(network, found.chart))
    return chain([{**first, "around": writer.around}], writer.records())
