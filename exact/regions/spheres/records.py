"""Cells and codes of spheres as JSON values and arrays: what travels between processes and lies in
files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.surds import Surd
from exact.arithmetic.texts.number_texts import (
    Json,
    integers_text,
    rationals_of_texts,
    rationals_text,
    text_array,
)
from exact.arithmetic.texts.records import Record
from exact.errors import InvalidInput, Undecided
from exact.geometry.circles.complex import SphereComplex, SurdPoint
from exact.geometry.domains.base import Domain
from exact.geometry.polyhedra.double_description import VertexPolytope
from exact.geometry.polyhedra.halfspace import Halfspace, Point, sides_of
from exact.geometry.polyhedra.minimum_norm import RoundBody, components, straddling_pair
from exact.networks.network import Network
from exact.propagation.chart import sphere_dimension
from exact.propagation.charts import SphereChart, chart_over
from exact.propagation.cursor import halfspaces_along
from exact.regions.spheres.cells import SphereCells, SphereCodes
from exact.regions.storage import (
    Arrays,
    Kept,
    Listed,
    Parts,
    array_of,
    codes_of,
    hinges_of,
    incidence_arrays,
    incidence_of,
    indices,
    record_of,
    shared_fields,
    shared_values,
    text_lines,
)

_SPHERE_ARRAYS = ("arc_circle", "arc_ends", "arc_sides", "following", "walk_of", "cell_of_walk")


def sphere_parts(cells: SphereCells) -> Parts:
    """All vertices, circles and arrays: floats chose the basis of the chart, so that goes with
    them.
    """
    found = cells.complex
    arrays: Arrays = {
        name: np.asarray(getattr(found, name), dtype=np.int32) for name in _SPHERE_ARRAYS
    }
    arrays |= incidence_arrays("flips", found.flips)
    arrays["vertex_floats"], arrays["root"] = (
        found.vertex_floats,
        np.asarray(cells.root, dtype=np.uint8),
    )
    arrays["circles"] = text_array(integers_text(circle.coefficients) for circle in found.circles)
    points = (found.vertex(i) for i in range(found.vertex_count))
    arrays["vertices"] = text_array(
        " ".join(rationals_text([x for s in point for x in (s.a, s.b, s.d)])) for point in points
    )
    values = {
        "cells": "sphere",
        "hinges": cells.hinges,
        "basis": [rationals_text(row) for row in cells.chart.basis],
        "count": found.cell_count,
        "vertices": found.vertex_count,
        "components": found.components,
        **shared_values(cells),
    }
    return values, arrays


def _chart(network: Network, domain: Domain, record: Record, dim: int | None) -> SphereChart:
    """The chart over the basis that was written, of a sphere of that dimension."""
    rows = [rationals_of_texts(row) for row in record.rows("basis", network.input_dim)]
    chart = None if len(rows) != (dim or 0) + 1 else chart_over(network, domain, tuple(rows))
    if chart is None or chart.gram.det() == 0:
        raise InvalidInput(
            "the basis does not span the sphere",
            value=f"{len(rows)} vectors",
            remedy=f"give {(dim or 0) + 1} independent ones",
        )
    return chart


def sphere_cells(
    network: Network, domain: Domain, values: Json, arrays: Mapping[str, Any]
) -> SphereCells:
    """The cells that `sphere_parts` took apart. Raises InvalidInput for parts that do not fit each
    other.
    """
    record = record_of(values, "sphere")
    chart, hinges = _chart(network, domain, record, 2), hinges_of(record, network)
    cells, vertices = record.number("count"), record.number("vertices")
    circles = [Listed([row], 4)(0) for row in text_lines(arrays, "circles", None)]
    arcs = len(array_of(arrays, "arc_circle", np.int32, (-1,)))
    walks = len(array_of(arrays, "cell_of_walk", np.int32, (-1,)))
    bounds = {
        "arc_circle": ((arcs,), 0, len(circles)),
        "arc_ends": ((arcs, 2), -1, vertices),
        "arc_sides": ((arcs, 2), 0, cells),
        "following": ((2 * arcs,), 0, 2 * arcs),
        "walk_of": ((2 * arcs,), 0, walks),
        "cell_of_walk": ((walks,), 0, cells),
    }
    found = {
        name: indices(arrays, name, shape, bound, dtype=np.int32, least=least)
        for name, (shape, least, bound) in bounds.items()
    }
    flips = incidence_of("flips", arrays, max(hinges, 1))
    _require_walks(found, cells)
    if len(flips) != len(circles):
        raise InvalidInput(
            "the flips are those of another number of circles",
            value=len(flips),
            remedy=f"give {len(circles)}",
        )
    complex_ = SphereComplex(
        chart.gram,
        chart.radius_squared,
        tuple(map(Halfspace, circles)),
        flips,
        **found,
        cell_count=cells,
        vertex_count=vertices,
        components=record.number("components"),
        vertex=_SurdPoints(text_lines(arrays, "vertices", vertices)),
        vertex_floats=array_of(arrays, "vertex_floats", np.float64, (vertices, 3)),
    )
    root = array_of(arrays, "root", np.uint8, (hinges,)).astype(bool)
    return SphereCells(chart, complex_, root, hinges, **shared_fields(record))


def _require_walks(found: Mapping[str, Any], cells: int) -> None:
    """InvalidInput unless half-edges follow each other around walks, each with its cell on the
    left, and lead from every cell to every other: what the loops over them rely on.
    """
    following, walk_of, cell_of_walk = (
        found[name] for name in ("following", "walk_of", "cell_of_walk")
    )
    halves, sides = np.arange(len(following)), cell_of_walk[walk_of].reshape(-1, 2)
    fits = (
        np.array_equal(np.sort(following), halves)
        and np.array_equal(walk_of[following], walk_of)
        and len(np.unique(walk_of)) == len(cell_of_walk)
        and _parts(halves, following, len(halves)) == len(cell_of_walk)
        and np.array_equal(sides, found["arc_sides"])
    )
    if not fits or _parts(sides[:, 0], sides[:, 1], cells) > 1:
        raise InvalidInput(
            "the arcs of the complex do not lead around its cells",
            value=f"{len(following)} half-edges, {cells} cells",
            remedy="save the partition again",
        )


def _parts(first: IndexArray, second: IndexArray, count: int) -> int:
    """How many connected parts a graph of so many nodes has, of the edges' two ends."""
    if count == 0:
        return 0
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    return int(connected_components(edges, directed=False, return_labels=False))


@dataclass(frozen=True)
class _SurdPoints:
    """The vertices of a sphere's complex, which stand in lines of text: a, b, d of each
    coordinate.
    """

    rows: list[str]

    def __call__(self, index: int) -> SurdPoint:
        numbers = rationals_of_texts(self.rows[index].split(" "))
        if len(numbers) != 9:
            raise InvalidInput(
                "a vertex has not three coordinates",
                value=f"{len(numbers)} numbers",
                remedy="give 9",
            )
        return Surd(*numbers[:3]), Surd(*numbers[3:6]), Surd(*numbers[6:])


def code_parts(cells: SphereCodes, wanted: bool) -> Parts:
    """The codes of a sphere; with `wanted` the points that straddle it too."""
    arrays: Arrays = {"codes": cells.codes, "pairs": np.asarray(cells.pairs(), dtype=np.int64)}
    if wanted:
        both = (cells.witness(i) for i in range(len(cells)))
        arrays["straddling"] = text_array(integers_text((*near, *far)) for near, far in both)
    basis = [rationals_text(row) for row in cells.chart.basis]
    return {
        "cells": "codes",
        "hinges": cells.hinges,
        "basis": basis,
        **shared_values(cells),
    }, arrays


def code_cells(
    network: Network, domain: Domain, values: Json, arrays: Mapping[str, Any]
) -> SphereCodes:
    """The codes that `code_parts` took apart. Raises InvalidInput for parts that do not fit each
    other.
    """
    record = record_of(values, "codes")
    codes, hinges = codes_of(network, record, arrays)
    chart = _chart(network, domain, record, sphere_dimension(network, domain))
    cut = _CutCells(chart, codes, hinges)
    witness: Callable[[int], tuple[Point, Point]] = cut.straddling
    if "straddling" in arrays:
        witness = _PairsOfPoints(
            Listed(text_lines(arrays, "straddling", len(codes)), 2 * (chart.dim + 2))
        )
    pairs = Kept(indices(arrays, "pairs", (-1, 2), len(codes)))
    return SphereCodes(
        chart, codes, hinges, witness, pairs, cut.components, **shared_fields(record)
    )


@dataclass(frozen=True)
class _PairsOfPoints:
    """Two homogeneous points in a line of text each."""

    listed: Listed

    def __call__(self, index: int) -> tuple[Point, Point]:
        entries, half = self.listed(index), self.listed.width // 2
        return entries[:half], entries[half:]


@dataclass(frozen=True)
class _CutCells:
    """The polytopes of codes on a sphere, each cut out of a simplex by its own halfspaces when
    something is asked of it.
    """

    chart: SphereChart
    codes: ByteArray
    hinges: int

    def straddling(self, index: int) -> tuple[Point, Point]:
        """Two points of the polytope, inside the sphere and outside."""
        return straddling_pair(self._body, self._cell(index))

    def components(self, index: int) -> int:
        """The number of connected parts on the sphere."""
        return components(self._body, self._cell(index))

    @cached_property
    def _body(self) -> RoundBody:
        return RoundBody(self.chart.gram, self.chart.radius_squared)

    @cached_property
    def _cell(self) -> Callable[[int], VertexPolytope]:
        return lru_cache(maxsize=16)(self._cut)

    def _cut(self, index: int) -> VertexPolytope:
        bits = np.unpackbits(self.codes[index], count=self.hinges).astype(bool).tolist()
        cell = self._body.around()
        for side in dict.fromkeys(sides_of(halfspaces_along(self.chart.cursor, bits), bits)):
            part, _ = cell.split(side)
            if part is None:
                raise Undecided(
                    "a code of the partition has no points",
                    value=f"code {index}",
                    remedy="the codes are not those of this network: enumerate again",
                )
            cell = part
        return cell
