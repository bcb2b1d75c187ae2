"""Partitions as JSON and graphs as JSON or GraphML: exact values are strings, floats end in
`_float`.

The `digest` of a partition depends on its codes only and is the same for any engine, device or
order of work; `result_sha256` covers everything under `result` and guards the file. How the result
was found, and when, stands beside it.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import singledispatch
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from exact import Domain, Hinge, InvalidInput, Network, Outcome, Partition, Region
from exact.arithmetic.surds import Surd
from exact.atomic_files import write_atomically
from exact.geometry.domains.base import Curve
from exact.geometry.pencils.isolated_directions import IsolatedDirection
from exact.regions.arcs.crossings import Crossing
from exact.regions.arcs.partition import Arc, CurvePartition
from exact.regions.spheres.codes import CodePartition, CodeRegion
from exact.regions.spheres.partition import SpherePartition
from exact.regions.spheres.views import SphereCell

FORMAT = "exactlens-partition-1"
GRAPH_FORMAT = "exactlens-graph-1"
SEMANTICS = (
    "A bit is 1 iff the pre-activation exceeds the breakpoint. Regions are open; on a curve they "
    "are maximal arcs on which "
    "the code is constant but for isolated points, on a 2-sphere connected cells, on higher "
    "spheres codes. "
    "Behind a norm the map is that of y = sqrt(n) P x / |P x|."
)
PIECES_UP_TO = 1000

Json = Any


def document(
    partition: Partition,
    *,
    provenance: Mapping[str, Any],
    maps: bool = True,
    known_counts: Mapping[str, int] | None = None,
) -> dict[str, Json]:
    """A partition as JSON values. With `maps` every region carries its exact affine map
    (NotPiecewiseLinear for GELU).
    """
    result = {
        "semantics": SEMANTICS,
        "network": _network(partition.network),
        "domain": {
            "kind": type(partition.domain).__name__,
            "text": repr(partition.domain),
            **_exact_fields(partition.domain),
        },
        "outcome": partition.outcome.value,
        "digest": partition.digest,
        "regions": [_region(region, maps) for region in partition.regions],
    }
    result |= _own_values(partition)
    return {
        "format": FORMAT,
        "result": result,
        "result_sha256": sha256(result),
        "counts": dict(counts(partition, maps=maps) if known_counts is None else known_counts),
        "how": _how(partition),
        "provenance": dict(provenance),
        "written_at": now(),
    }


@singledispatch
def _own_values(partition: Partition) -> dict[str, Json]:
    """What only partitions of one kind have."""
    return {}


@_own_values.register
def _(partition: CurvePartition) -> dict[str, Json]:
    return {
        "curve": _curve(partition.curve),
        "crossings": [_crossing(crossing) for crossing in partition.crossings],
    }


def _curve(curve: Curve) -> dict[str, Json]:
    """The vectors of a curve; of an ellipse its centre and cosine, too."""
    vectors: dict[str, Json] = {"u": _texts(curve.u), "v": _texts(curve.v)}
    if curve.centre is None:
        return vectors
    return vectors | {"centre": _texts(curve.centre), "cosine": str(curve.cosine)}


def _how(partition: Partition) -> dict[str, Json]:
    return {
        "engine": partition.engine,
        "evidence": partition.evidence,
        "decisions": partition.decisions,
    }


def counts(partition: Partition, *, maps: bool = True, all_counts: bool = False) -> dict[str, int]:
    """The counts that this partition has, by name; each is a lower bound where the enumeration
    stopped early.

    Linear pieces need the adjacency graph, cells of codes a polytope each: beyond 1,000 regions on
    request only.
    """
    found = {"codes": partition.code_count, **_cell_counts(partition, all_counts)}
    if partition.is_convex:
        found["regions"] = partition.region_count
    if maps and not _has_norm_inside(partition.network):
        found["distinct_maps"] = partition.distinct_map_count
        if all_counts or (len(partition) <= PIECES_UP_TO and partition.outcome is Outcome.COMPLETE):
            found["linear_pieces"] = partition.linear_piece_count
    return found


@singledispatch
def _cell_counts(partition: Partition, all_counts: bool) -> dict[str, int]:
    """The number of cells, and that of the codes whose cells could not be counted."""
    return {"cells": partition.cell_count}


@_cell_counts.register
def _(partition: CodePartition, all_counts: bool) -> dict[str, int]:
    if not all_counts and len(partition) > PIECES_UP_TO:
        return {}
    parts = [partition.components(i) for i in range(len(partition))]
    missing = sum(count is None for count in parts)
    return (
        {"codes_with_undecided_cells": missing}
        if missing
        else {"cells": sum(count or 0 for count in parts)}
    )


def _has_norm_inside(network: Network) -> bool:
    """Whether a norm stands behind other layers: then maps are those of y, and not comparable along
    a curve.
    """
    return network.has_norm and network.blocks[0].norm is None


def graph_document(
    partition: Partition, graph: nx.Graph[int], *, provenance: Mapping[str, Any]
) -> dict[str, Json]:
    """The adjacency graph in networkx's node-link form; nodes carry code and witness, edges the
    flipped hinges.
    """
    data = nx.node_link_data(_plain(graph, _listed), edges="edges")
    return {
        "format": GRAPH_FORMAT,
        **data,
        "digest": partition.digest,
        "outcome": partition.outcome.value,
        "how": _how(partition),
        "provenance": dict(provenance),
        "written_at": now(),
    }


def graphml(graph: nx.Graph[int]) -> bytes:
    """The adjacency graph as GraphML; witnesses and flipped hinges are text, their entries
    separated by spaces.
    """
    stream = io.BytesIO()
    nx.write_graphml(_plain(graph, _joined), stream)
    return stream.getvalue()


def write(path: Path, values: Mapping[str, Json]) -> None:
    """Write JSON so that the file is whole or absent. Raises ValueError for NaN or infinity."""
    write_atomically(
        path, (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    )


def finite(values: Json) -> Json:
    """JSON values with None in the place of every float that is not finite, for what is told beside
    results: JSON has neither NaN nor infinity, and one such number need not lose a file.

    >>> finite({"a": [1.5, float("nan")], "b": float("inf")})
    {'a': [1.5, None], 'b': None}
    """
    if isinstance(values, float):
        return values if math.isfinite(values) else None
    if isinstance(values, Mapping):
        return {key: finite(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [finite(value) for value in values]
    return values


def read(path: Path) -> dict[str, Json]:
    """A document that `document` made and `write` wrote. Raises InvalidInput where the result is
    not what was hashed.
    """
    try:
        values = json.loads(path.read_bytes())
    except ValueError as error:
        raise InvalidInput(
            "the file is not JSON", value=f"{path}: {error}", remedy="write the partition again"
        ) from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise InvalidInput(
            "the file is not a partition",
            value=path,
            remedy="write it with exactlens partition --out",
        )
    if sha256(values["result"]) != values["result_sha256"]:
        raise InvalidInput(
            "the result was altered: its sha256 differs",
            value=path,
            remedy="write the partition again",
        )
    return dict(values)


def sha256(values: Json) -> str:
    """The sha256 of JSON values in canonical form: sorted keys, no spaces, ASCII."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def now() -> str:
    """The time in UTC, to the second; it belongs into no digest."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _network(network: Network) -> dict[str, Json]:
    blocks = [
        {
            "norm": None if block.norm is None else repr(block.norm),
            "layers": [
                f"{layer.input_dim} -> {layer.width} {layer.activation.name}"
                for layer in block.layers
            ],
            "residual": block.residual,
        }
        for block in network.blocks
    ]
    return {
        "sha256": network.sha256,
        "input_dim": network.input_dim,
        "output_dim": network.output_dim,
        "hinges": network.hinge_count,
        "blocks": blocks,
    }


def _exact_fields(domain: Domain) -> dict[str, Json]:
    assert is_dataclass(domain)
    return {field.name: _text(getattr(domain, field.name)) for field in fields(domain)}


def _text(value: object) -> Json:
    """Exact values as strings, inside any nesting of sequences; None stays None."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Sequence):
        return [_text(entry) for entry in value]
    return _exact_fields(value) if isinstance(value, Domain) else str(value)


def _texts(values: Sequence[object]) -> list[str]:
    return [str(value) for value in values]


def _region(region: Region, maps: bool) -> dict[str, Json]:
    values: dict[str, Json] = {
        "index": region.index,
        "code": str(region.code),
        "witness": _texts(region.witness),
    }
    if maps:
        affine = region.affine
        matrix = [_texts(row) for row in affine.matrix.tolist()]
        offset = [str(row[0]) for row in affine.offset.tolist()]
        values["map"] = {"of": affine.of, "skip": affine.skip, "matrix": matrix, "offset": offset}
    return values | _measures(region)


@singledispatch
def _measures(region: Region) -> dict[str, Json]:
    """What only regions of one kind have."""
    return {}


@_measures.register
def _(region: Arc) -> dict[str, Json]:
    start, end = region.parameters_float
    return {
        "start_float": _finite(start),
        "end_float": _finite(end),
        "length_float": _finite(region.length_float),
    }


@_measures.register
def _(region: SphereCell) -> dict[str, Json]:
    return {"area_float": region.area_float, "holes": region.holes}


@_measures.register
def _(region: CodeRegion) -> dict[str, Json]:
    return {"cells": region.components}


@_own_values.register
def _(partition: SpherePartition) -> dict[str, Json]:
    """The cell complex in the coordinates y of the sphere `y' gram y = radius_squared`, y over the
    vectors of `basis`.

    Arcs are [circle, start, end, cell on its positive side, cell on its negative side]; whole
    circles have ends -1.
    """
    found, chart = partition.complex, partition.chart
    size = len(chart.basis)
    entries = _texts(chart.gram.entries())
    columns = (found.arc_circle[:, None], found.arc_ends, found.arc_sides)
    complex_ = {
        "basis": [_texts(row) for row in chart.basis],
        "radius_squared": str(chart.radius_squared),
        "gram": [entries[i * size : (i + 1) * size] for i in range(size)],
        "circles": [list(map(str, circle.coefficients)) for circle in found.circles],
        "vertices": [[_surd(x) for x in found.vertex(i)] for i in range(found.vertex_count)],
        "arcs": np.concatenate(columns, axis=1).tolist(),
    }
    return {"complex": complex_}


def _crossing(crossing: Crossing) -> dict[str, Json]:
    """A crossing; its exact point is alpha u + beta v, over 1 on a line, in direction on a circle,
    and on an ellipse in direction from its centre.

    Behind several norms alpha and beta are roots of polynomials of any degree: they are null there,
    and the position stands for the point, as the float64 nearest to it.
    """
    position = crossing.parameter_float if crossing.frame.is_straight else crossing.angle_float
    at = crossing.direction
    point = at.quadratic() if isinstance(at, IsolatedDirection) else at
    return {
        "flipped": _listed(crossing.hinges),
        "tangent": crossing.tangent,
        "undefined": crossing.undefined,
        "alpha": None if point is None else _surd(point.alpha),
        "beta": None if point is None else _surd(point.beta),
        "position_float": _finite(position),
    }


def _surd(value: Surd) -> str:
    return str(value.a) if value.is_rational else f"{value.a} + {value.b}*sqrt({value.d})"


def _finite(value: float) -> float | str:
    """JSON has no infinity, so it is written as text."""
    return value if math.isfinite(value) else str(value)


def _plain(graph: nx.Graph[int], flipped: Any) -> nx.Graph[int]:
    """The graph with attributes that a file can hold."""
    plain = type(graph)()
    separate = flipped is _listed
    for node, data in graph.nodes(data=True):
        witness = _texts(data["witness"])
        plain.add_node(
            node, code=str(data["code"]), witness=witness if separate else " ".join(witness)
        )
    for a, b, data in graph.edges(data=True):
        extra = {"position_float": _finite(data["position"])} if "position" in data else {}
        plain.add_edge(a, b, flipped=flipped(data["flipped"]), **extra)
    return plain


def _listed(hinges: Sequence[Hinge]) -> list[list[int]]:
    return [list(hinge) for hinge in hinges]


def _joined(hinges: Sequence[Hinge]) -> str:
    return " ".join(".".join(map(str, hinge)) for hinge in hinges)
