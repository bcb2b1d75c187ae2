"""The cells of a partition as plain values and arrays: what travels between processes and lies in files.

Engines leave behind what makes points when they are asked for; that stays where it is. Codes, neighbours, arcs and crossings
travel as they are. Witnesses, and the vertices and faces of polytopes, travel where there are at most 10,000 regions and
wherever only the engine can tell them (balls, incomplete complexes); else they are made again when they are asked for, from
the network, the domain and the code: another point of the same open region, and the same vertices.

The parts of a partition are JSON values and arrays by name; lists of exact numbers are arrays of text (uint8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from exact.adjacency import region_walls
from exact.convex_norms import RoundBody, components, straddling_pair
from exact.curve_records import curve_cells, curve_parts
from exact.domains import Domain, FlatDomain
from exact.engines.base import CurveCells, FlatCells, Outcome, SphereCells, SphereCodes
from exact.errors import InvalidInput, Undecided
from exact.faces import FaceComplex, Incidence, IndexArray, SymbolicPoint
from exact.halfspace import Halfspace, Point
from exact.lp import Farkas, Interior, strict_feasibility
from exact.network import Network
from exact.number_texts import (
    Json,
    integers_of_text,
    integers_text,
    lines,
    rationals_of_texts,
    rationals_text,
    text_array,
)
from exact.propagation import halfspaces_along
from exact.sphere_charts import SphereChart, chart_over
from exact.sphere_complex import SphereComplex, SurdPoint
from exact.spline_code import ByteArray
from exact.surds import Surd
from exact.vertex_polytopes import VertexPolytope

if TYPE_CHECKING:
    from exact.results import Cells, Partition

MOST_POINTS = 10_000
"""Up to so many regions their points travel unless they are asked to stay."""

Arrays = dict[str, np.ndarray[Any, Any]]
Parts = tuple[dict[str, Json], Arrays]


def parts_of(domain: Domain, cells: Cells, points: bool | None = None) -> Parts:
    """The cells of a domain as JSON values and arrays. Cost: an exact point for every region whose point travels.

    `points` says whether witnesses and vertices travel that could be made again; None: up to 10,000 regions.
    """
    wanted = len(cells) <= MOST_POINTS if points is None else points
    if isinstance(cells, FlatCells):
        values, arrays = _flat_parts(cells, domain, wanted)
    elif isinstance(cells, CurveCells):
        values, arrays = curve_parts(cells)
    elif isinstance(cells, SphereCells):
        values, arrays = _sphere_parts(cells)
    else:
        values, arrays = _code_parts(cells, wanted)
    decisions = {str(name): int(count) for name, count in cells.decisions.items()}
    return {**values, "outcome": cells.outcome.value, "evidence": cells.evidence, "decisions": decisions}, arrays


def cells_of(network: Network, domain: Domain, values: Mapping[str, Json], arrays: Mapping[str, Any]) -> Cells:
    """The cells that `parts_of` took apart. Raises InvalidInput for parts that do not fit each other."""
    made = _READERS.get(values.get("cells", ""))
    if made is None:
        raise InvalidInput("no such kind of cells", value=repr(values.get("cells"))[:60],
                           remedy=f"give one of {', '.join(_READERS)}")  # fmt: skip
    common = {"outcome": Outcome(values["outcome"]), "evidence": str(values["evidence"]),
              "decisions": {str(name): int(count) for name, count in values["decisions"].items()}}  # fmt: skip
    return made(network, domain, values, arrays, common)


def restored(kind: type[Partition], network: Network, domain: Domain, engine: str, values: Mapping[str, Json],
             arrays: Mapping[str, Any]) -> Partition:  # fmt: skip
    """A partition from its parts; `kind` is its class."""
    make: Callable[..., Partition] = kind
    return make(network, domain, engine, cells_of(network, domain, values, arrays))


# ---- flat domains


def _flat_parts(cells: FlatCells, domain: Domain, wanted: bool) -> Parts:
    """Witnesses and faces where they are wanted; of a round domain always, because its walls do not tell its points."""
    arrays: Arrays = {"codes": cells.codes}
    values: dict[str, Json] = {"cells": "flat", "hinges": cells.hinges}
    wanted = wanted or not (isinstance(domain, FlatDomain) and domain.is_polyhedral)
    if wanted:
        arrays["witnesses"] = text_array(integers_text(cells.witness(i)) for i in range(len(cells)))
    if cells.pairs is not None:
        arrays["pairs"] = np.asarray(cells.pairs(), dtype=np.int64)
    if cells.faces is not None and wanted:
        values["faces"] = {"dim": cells.faces.dim, "vertices": cells.faces.vertex_count}
        arrays |= _face_arrays(cells.faces)
    if cells.empty is not None:
        values["empty"] = {"rows": list(cells.empty.rows), "multipliers": rationals_text(cells.empty.multipliers)}
    return values, arrays


def _face_arrays(faces: FaceComplex) -> Arrays:
    arrays: Arrays = {}
    for name, incidence in [*((f"faces.{k}", faces.boundary[k]) for k in range(1, faces.dim + 1)),
                            ("faces.corners", faces.corners)]:  # fmt: skip
        arrays |= _incidence_arrays(name, incidence)
    points = (faces.vertex(i) for i in range(faces.vertex_count))
    arrays["faces.vertices"] = text_array(integers_text((*point.finite, *point.infinite)) for point in points)
    return arrays


def _incidence_arrays(name: str, incidence: Incidence) -> Arrays:
    return {f"{name}.starts": np.asarray(incidence.starts, dtype=np.int64),
            f"{name}.members": np.asarray(incidence.members, dtype=np.int64)}  # fmt: skip


def _flat_cells(network: Network, domain: Domain, values: Mapping[str, Json], arrays: Mapping[str, Any], common: Any
                ) -> FlatCells:  # fmt: skip
    codes, hinges = _codes(values, arrays)
    witness: Callable[[int], Point] = _Inside(network, domain, codes, hinges)
    if "witnesses" in arrays:
        rows = lines(arrays["witnesses"], len(codes))
        witness = _Listed(rows, len(rows[0].split(" ")) if rows else 0)
    pairs = _Stored(_indices(arrays["pairs"], (-1, 2), len(codes))) if "pairs" in arrays else None
    faces = _faces(values["faces"], arrays, len(codes)) if "faces" in values else None
    empty = None
    if "empty" in values:
        empty = Farkas(tuple(int(i) for i in values["empty"]["rows"]), rationals_of_texts(values["empty"]["multipliers"]))
    return FlatCells(codes, hinges, witness, **common, pairs=pairs, faces=faces, empty=empty)


def _codes(values: Mapping[str, Json], arrays: Mapping[str, Any]) -> tuple[ByteArray, int]:
    codes, hinges = arrays["codes"], int(values["hinges"])
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != (hinges + 7) // 8:
        raise InvalidInput("the codes do not fit the number of hinges", value=f"{codes.dtype} {codes.shape}",
                           remedy=f"give uint8 rows of {(hinges + 7) // 8} bytes")  # fmt: skip
    return codes, hinges


def _indices(array: Any, shape: tuple[int, ...], bound: int) -> IndexArray:
    """An array of indices below a bound, checked."""
    fits = array.dtype == np.int64 and array.ndim == len(shape)
    fits = fits and all(wanted in (-1, size) for wanted, size in zip(shape, array.shape, strict=True))
    if not fits or (array.size and not (array.min() >= 0 and array.max() < bound)):
        raise InvalidInput("an array of indices is damaged", value=f"{array.dtype} {array.shape}",
                           remedy=f"give int64 of shape {shape}, each from 0 to {bound - 1}")  # fmt: skip
    found: IndexArray = array
    return found


def _incidence(name: str, arrays: Mapping[str, Any], bound: int) -> Incidence:
    members = _indices(arrays[f"{name}.members"], (-1,), bound)
    starts = _indices(arrays[f"{name}.starts"], (-1,), len(members) + 1)
    if len(starts) == 0 or starts[0] != 0 or starts[-1] != len(members) or np.any(np.diff(starts) < 0):
        raise InvalidInput("an array of rows is damaged", value=name, remedy="save the partition again")
    return Incidence(starts, members)


def _faces(values: Mapping[str, Json], arrays: Mapping[str, Any], regions: int) -> FaceComplex:
    dim, count = int(values["dim"]), int(values["vertices"])
    boundary, bound = dict[int, Incidence](), count
    for k in range(1, dim + 1):
        boundary[k] = _incidence(f"faces.{k}", arrays, bound)
        bound = len(boundary[k])
    if bound != regions:
        raise InvalidInput("the complex has another number of regions", value=bound, remedy=f"give {regions}")
    vertex = _Vertices(_Listed(lines(arrays["faces.vertices"], count), 2 * dim + 1), dim)
    return FaceComplex(dim, boundary, _incidence("faces.corners", arrays, count), count, vertex)


@dataclass(frozen=True)
class _Listed:
    """Integer vectors that stand in lines of text, read when they are asked for."""

    rows: list[str]
    width: int

    def __call__(self, index: int) -> tuple[int, ...]:
        return integers_of_text(self.rows[index], self.width)


@dataclass(frozen=True)
class _Vertices:
    """The vertices of a complex: finite part, denominator, part at infinity."""

    listed: _Listed
    dim: int

    def __call__(self, index: int) -> SymbolicPoint:
        entries = self.listed(index)
        return SymbolicPoint(entries[: self.dim + 1], entries[self.dim + 1 :])


@dataclass(frozen=True)
class _Stored:
    """What was computed before."""

    array: IndexArray

    def __call__(self) -> IndexArray:
        return self.array


@dataclass(frozen=True)
class _Inside:
    """Points strictly inside regions of a domain with walls, each by an LP that is tested exactly."""

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
            raise Undecided("a region of the partition has no interior point", value=f"region {index}",
                            remedy="the codes are not those of this network: enumerate again")  # fmt: skip
        return found.point


# ---- cells of 2-spheres


_SPHERE_ARRAYS = ("arc_circle", "arc_ends", "arc_sides", "following", "walk_of", "cell_of_walk")


def _sphere_parts(cells: SphereCells) -> Parts:
    """All vertices, circles and arrays: floats chose the basis of the chart, so that goes with them."""
    found = cells.complex
    arrays: Arrays = {name: np.asarray(getattr(found, name), dtype=np.int32) for name in _SPHERE_ARRAYS}
    arrays |= _incidence_arrays("flips", found.flips)
    arrays["vertex_floats"], arrays["root"] = found.vertex_floats, np.asarray(cells.root, dtype=np.uint8)
    arrays["circles"] = text_array(integers_text(circle.coefficients) for circle in found.circles)
    points = (found.vertex(i) for i in range(found.vertex_count))
    arrays["vertices"] = text_array(" ".join(rationals_text([x for s in point for x in (s.a, s.b, s.d)])) for point in points)
    values = {"cells": "sphere", "hinges": cells.hinges, "basis": [rationals_text(row) for row in cells.chart.basis],
              "count": found.cell_count, "vertices": found.vertex_count, "components": found.components}  # fmt: skip
    return values, arrays


def _chart(network: Network, domain: Domain, values: Mapping[str, Json]) -> SphereChart:
    return chart_over(network, domain, tuple(rationals_of_texts(row) for row in values["basis"]))


def _sphere_cells(network: Network, domain: Domain, values: Mapping[str, Json], arrays: Mapping[str, Any], common: Any
                  ) -> SphereCells:  # fmt: skip
    chart, hinges = _chart(network, domain, values), int(values["hinges"])
    cells, vertices, floats = int(values["count"]), int(values["vertices"]), arrays["vertex_floats"]
    circles = [_Listed([row], 4)(0) for row in lines(arrays["circles"], None)]
    arcs, halves = len(arrays["arc_circle"]), len(arrays["following"])
    walks = len(arrays["cell_of_walk"])
    bounds = {"arc_circle": ((arcs,), 0, len(circles)), "arc_ends": ((arcs, 2), -1, vertices),
              "arc_sides": ((arcs, 2), 0, cells), "following": ((2 * arcs,), 0, halves), "walk_of": ((2 * arcs,), 0, walks),
              "cell_of_walk": ((walks,), 0, cells)}  # fmt: skip
    for name, (shape, least, bound) in bounds.items():
        array = arrays[name]
        inside = array.shape == shape and array.dtype == np.int32
        if not inside or (array.size and not (least <= array.min() and array.max() < bound)):
            raise InvalidInput("an array of the complex is damaged", value=name, remedy="save the partition again")
    if floats.shape != (vertices, 3) or floats.dtype != np.float64 or arrays["root"].shape != (hinges,):
        raise InvalidInput("an array of the complex is damaged", value="vertex_floats, root", remedy="save the partition again")
    complex_ = SphereComplex(
        chart.gram, chart.radius_squared, tuple(map(Halfspace, circles)), _incidence("flips", arrays, max(hinges, 1)),
        **{name: arrays[name] for name in _SPHERE_ARRAYS}, cell_count=cells, vertex_count=vertices,
        components=int(values["components"]), vertex=_SurdPoints(lines(arrays["vertices"], vertices)), vertex_floats=floats,
    )  # fmt: skip
    return SphereCells(chart, complex_, arrays["root"].astype(bool), hinges, **common)


@dataclass(frozen=True)
class _SurdPoints:
    """The vertices of a sphere's complex, which stand in lines of text: a, b, d of each coordinate."""

    rows: list[str]

    def __call__(self, index: int) -> SurdPoint:
        numbers = rationals_of_texts(self.rows[index].split(" "))
        if len(numbers) != 9:
            raise InvalidInput("a vertex has not three coordinates", value=f"{len(numbers)} numbers", remedy="give 9")
        return Surd(*numbers[:3]), Surd(*numbers[3:6]), Surd(*numbers[6:])


# ---- codes of spheres


def _code_parts(cells: SphereCodes, wanted: bool) -> Parts:
    arrays: Arrays = {"codes": cells.codes, "pairs": np.asarray(cells.pairs(), dtype=np.int64)}
    if wanted:
        both = (cells.witness(i) for i in range(len(cells)))
        arrays["straddling"] = text_array(integers_text((*near, *far)) for near, far in both)
    basis = [rationals_text(row) for row in cells.chart.basis]
    return {"cells": "codes", "hinges": cells.hinges, "basis": basis}, arrays


def _code_cells(network: Network, domain: Domain, values: Mapping[str, Json], arrays: Mapping[str, Any], common: Any
                ) -> SphereCodes:  # fmt: skip
    codes, hinges = _codes(values, arrays)
    chart = _chart(network, domain, values)
    cut = _CutCells(chart, codes, hinges)
    witness: Callable[[int], tuple[Point, Point]] = cut.straddling
    if "straddling" in arrays:
        witness = _PairsOfPoints(_Listed(lines(arrays["straddling"], len(codes)), 2 * (chart.dim + 2)))
    pairs = _Stored(_indices(arrays["pairs"], (-1, 2), len(codes)))
    return SphereCodes(chart, codes, hinges, witness, pairs, cut.components, **common)


@dataclass(frozen=True)
class _PairsOfPoints:
    """Two homogeneous points in a line of text each."""

    listed: _Listed

    def __call__(self, index: int) -> tuple[Point, Point]:
        entries, half = self.listed(index), self.listed.width // 2
        return entries[:half], entries[half:]


@dataclass(frozen=True)
class _CutCells:
    """The polytopes of codes on a sphere, each cut out of a simplex by its own halfspaces when something is asked of it."""

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
        bits, cell = np.unpackbits(self.codes[index], count=self.hinges).astype(bool).tolist(), self._body.around()
        for side in dict.fromkeys(_own_sides(halfspaces_along(self.chart.cursor, bits), bits)):
            part, _ = cell.split(side)
            if part is None:
                raise Undecided("a code of the partition has no points", value=f"code {index}",
                                remedy="the codes are not those of this network: enumerate again")  # fmt: skip
            cell = part
        return cell


def _own_sides(halfspaces: Iterable[Halfspace], bits: list[bool]) -> list[Halfspace]:
    return [h if bit else h.opposite for h, bit in zip(halfspaces, bits, strict=True) if not h.is_constant]


def _curve_cells(network: Network, domain: Domain, values: Mapping[str, Json], arrays: Mapping[str, Any], common: Any
                 ) -> CurveCells:  # fmt: skip
    return curve_cells(values, arrays, common)


_READERS: Mapping[str, Callable[[Network, Domain, Mapping[str, Json], Mapping[str, Any], Any], Cells]] = {
    "flat": _flat_cells, "curve": _curve_cells, "sphere": _sphere_cells, "codes": _code_cells}  # fmt: skip
