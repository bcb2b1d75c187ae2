"""What every kind of partition keeps, by every engine that can do the job: a new kind or engine
inherits it by one line in `JOBS`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from inspect import isabstract
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exact
from exact import (
    Ball,
    Block,
    Box,
    Ellipse,
    GreatCircle,
    GreatSphere,
    HPolytope,
    InvalidInput,
    Layer,
    Line,
    Network,
    NormBall,
    Partition,
    Plane,
    Ray,
    RealSpace,
    ReLU,
    Segment,
    Sphere,
    partition,
)
from exact.geometry.domains.base import Domain
from exact.networks.graphs.graph import Graph
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.steps import Sum
from exact.propagation.chart import chart
from exact.regions.engine import Problem
from exact.sources import tensors
from tests.truths import engines

PLANE = tensors.mlp(
    [([[2, 1], [-1, 3]], [1, -1]), ([[1, -2], [3, 1]], ["1/2", -2]), ([[1, 1], [2, -1]], [0, 3])]
)
SPACE = tensors.mlp([([[1, 0, 0], [0, 1, 0], [1, 1, 2]], [0, 0, "1/3"]), ([[1, 2, -1]], ["1/5"])])
HYPER = tensors.mlp([([[1, 2, 0, -1], [0, 1, 1, 3]], [0, "1/2"]), ([[1, -1]], [2])])
ROWS = [[1, 2, -1, 0], [0, 1, 3, 1], [2, 0, 1, -1]]
NORMED = tensors.block(
    ROWS, ["1/2", 0, "-1/3"], [[1, 2, -1]], [1], norm="layernorm", gain=[1, 2, 1, -1], eps=0
)
RMS = tensors.block([[1, 2], [3, -1]], ["1/2", 0], [[1, 1]], [0], norm="rms", eps=0)
RMS_3 = tensors.block([[1, 2, 0], [3, -1, 1]], ["1/2", 0], [[1, 1]], [0], norm="rms", eps=0)
TWO = tensors.block([[1, 2], [3, -1]], ["1/2", 0], [[1, 1]], [0], norm="layernorm", eps=0)
WITH_EPS = tensors.block(
    [[1, 2, 1], [3, -1, 0]], ["1/2", 0], [[1, 1]], [0], norm="layernorm", eps=1
)


def led_in(rows: Sequence[Sequence[int]], network: Network, skip: bool = False) -> Network:
    """The network behind a linear block."""
    front = tensors.mlp([(rows, [0] * len(rows))]).blocks[0]
    return Network((Block(front.layers, None, skip), *network.blocks))


GRAPH = Graph(
    [
        (Layer.of([[2, 1], [-1, 3], [1, -2]], [1, -1, 0], ReLU()), [0]),
        (Maximum([[0, 1], [1, 2], [0, 2]], 3), [1]),
        (Sum(), [1, 2]),
        (Layer.of([[1, -2, 1], [3, 1, -1]], ["1/2", -2], ReLU()), [3]),
    ],
    2,
)
MIXED = [[1, 1, 0], [0, 2, 1], [1, 0, -1]]
JOBS: dict[str, tuple[Network, Domain]] = {
    "box": (PLANE, Box(-1, 2, dim=2)),
    "frozen box": (SPACE, Box([-2, "1/7", -1], [1, "1/7", 3])),
    "plane of numbers": (PLANE, RealSpace(2)),
    "fewer rows than dimensions": (
        tensors.mlp([([[1, 2, -1]], [1]), ([[2], [-3]], [-1, 2]), ([[1, 1]], [0])]),
        RealSpace(3),
    ),
    "slice": (SPACE, Plane([0, 1, 0], [1, 1, 1], [0, 2, "1/2"], s=(-1, 2), t=(0, 3))),
    "flat polyhedron": (SPACE, HPolytope([[1, 1, 1, -1], [-1, -1, -1, 1], [1, 0, 0, 2]])),
    "ball": (SPACE, Ball([1, 0, "1/2"], 4)),
    "round slice": (SPACE, Ball([1, 0, "1/2"], 4, [[1, 1, 0], [0, 1, -1]])),
    "ball of a norm": (WITH_EPS, NormBall()),
    "segment": (PLANE, Segment([-2, 1], [3, "1/2"])),
    "ray": (PLANE, Ray([0, 1], [1, -3])),
    "line through the origin": (PLANE, Line([1, 2], [2, 4])),
    "segment behind a norm": (RMS, Segment([-2, 1], [3, "1/2"])),
    "circle": (SPACE, GreatCircle([1, 0, 2], [0, 1, 1], 2)),
    "circle behind a norm": (NORMED, GreatCircle([1, 0, 2, 0], [0, 1, 1, 5])),
    "circle led in": (led_in(MIXED, RMS_3), GreatCircle([1, 0, 2], [0, 1, 1])),
    "circle led in by a skip": (led_in(MIXED, RMS_3, True), GreatCircle([1, 0, 2], [0, 1, 1])),
    "circle as a sphere": (RMS, Sphere()),
    "ellipse": (SPACE, Ellipse([1, 0, 2], [1, 2, 1], [0, "1/2", -1])),
    "ellipse of slerp": (PLANE, Ellipse.slerp([3, 4], [-1, 0])),
    "ellipse behind a norm": (WITH_EPS, Ellipse([1, 0, 2], [0, 3, 1], cosine="3/5")),
    "ellipse beside the origin": (WITH_EPS, Ellipse([1, 0, 2], [0, 3, 1], [1, 0, 0])),
    "two points": (TWO, Sphere()),
    "sphere": (SPACE, Sphere(2)),
    "sphere behind LayerNorm": (NORMED, Sphere()),
    "sphere behind RMSNorm": (RMS_3, Sphere()),
    "great sphere": (HYPER, GreatSphere([1, 0, 0, 2], [0, 1, 1, 0], [0, 1, 0, -1], 3)),
    "great sphere led in": (led_in(MIXED, RMS_3), GreatSphere([1, 0, 2], [0, 1, 1], [1, 1, 0])),
    "great sphere led in by a skip": (
        led_in(MIXED, RMS_3, True),
        GreatSphere([1, 0, 2], [0, 1, 1], [1, 1, 0]),
    ),
    "three-sphere": (HYPER, Sphere(1)),
    "graph in a plane": (GRAPH, Plane([0, 1], [1, 1], [0, 2], s=(-1, 2), t=(-2, 3))),
    "graph on a segment": (GRAPH, Segment([-2, 1], [3, "1/2"])),
    "graph on a ray": (GRAPH, Ray([0, 1], [1, -3])),
    "graph on a line": (GRAPH, Line([1, 2], [2, -4])),
}


def able(name: str) -> list[str]:
    """The engines that do not refuse a job."""
    read = Problem.of(*JOBS[name])
    return [engine for engine in engines.ALL if engines.takes(engine, read.network, read.domain)]


CASES = [(name, engine) for name in JOBS for engine in able(name)]
every_kind = pytest.mark.parametrize(("name", "engine"), CASES)


@cache
def found(name: str, engine: str) -> Partition:
    network, domain = JOBS[name]
    result = partition(network, domain, engine=engine)
    assert len(result) > 1, "a job that cuts nothing shows nothing"
    return result


def is_flat(name: str) -> bool:
    """Whether points have parameters, not only directions."""
    return not isinstance(JOBS[name][1], Sphere | GreatSphere | GreatCircle | Ellipse)


@every_kind
def test_a_witness_lies_in_its_region(name: str, engine: str) -> None:
    result = found(name, engine)
    for region in result.regions:
        assert result.locate(region.witness) == region.index
        assert result.network.code(region.witness) == region.code == result.code_of(region.index)


@every_kind
def test_indices_count_from_the_end(name: str, engine: str) -> None:
    result, count = found(name, engine), len(found(name, engine))
    asked = [
        getattr(result, ask)
        for ask in (
            "code_of",
            "map_columns",
            "components",
            "straddling_of",
            "halfspaces_of",
            "walks_of",
            "ends_of",
            "witness_of",
            "facets_of",
            "walls_known",
            "radii",
            "input_in",
        )
        if hasattr(result, ask)
    ]
    assert len(asked) >= 3
    for ask in asked:
        assert ask(-1) == ask(count - 1) and ask(-count) == ask(0)
        for outside in (count, -count - 1):
            with pytest.raises(IndexError, match=f"of {count}"):
                ask(outside)
    assert result.regions[-1] == result.regions[count - 1]


@every_kind
def test_coordinates_are_the_inverse_of_ambient(name: str, engine: str) -> None:
    result = found(name, engine)
    for region in result.regions:
        y, again = (
            list(region.coordinates),
            result.chart.coordinates(result.chart.ambient(region.coordinates)),
        )
        if result.chart.symbols()[0].name in ("t",):  # (alpha, beta) up to the constant 1
            one = result.chart.curve.one  # type: ignore[attr-defined]
            y = [v / (one[0] * y[0] + one[1] * y[1]) for v in y]
        assert list(again) == y
    dim = len(result.chart.ambient(region.coordinates))
    with pytest.raises(InvalidInput, match="does not fit the domain"):
        result.chart.coordinates([1] * (dim + 1))


@every_kind
def test_a_domain_has_the_chart_of_its_partitions(name: str, engine: str) -> None:
    network, domain = JOBS[name]
    if isinstance(domain, NormBall):
        with pytest.raises(InvalidInput, match="no chart of its own"):
            chart(network, domain)
        return
    made, own = chart(network, domain), found(name, engine).chart
    if made.symbols() == own.symbols():  # lines are flat and curves
        assert type(made) is type(own) or name == "two points"
        y = own.coordinates(found(name, engine).regions[0].witness)
        assert made.ambient(y[: len(made.coordinates(own.ambient(y)))]) == own.ambient(y)
    assert made.dim == own.dim or name == "two points"


@pytest.mark.parametrize(
    "name", ["slice", "segment", "circle", "ellipse", "great sphere", "round slice"]
)
def test_a_point_off_the_span_has_no_coordinates(name: str) -> None:
    own = found(name, able(name)[0]).chart
    off = {"segment": [0, 0], "great sphere": [1, 1, 1, 1]}.get(name, [7, -31, 5])
    with pytest.raises(InvalidInput, match="give") as error:
        own.coordinates(off)
    assert own.off_span[0] in str(error.value)


@every_kind
def test_inequalities_are_in_the_symbols_of_the_chart(name: str, engine: str) -> None:
    result = found(name, engine)
    names = result.chart.symbols()
    for region in list(result.regions)[:6]:
        symbolic = region.symbolic()
        used = set().union(*(part.free_symbols for part in symbolic.inequalities))
        assert used and used <= set(names)
        if len(names) > 1 or (is_flat(name) and not result.network.has_norm):
            assert symbolic.map.free_symbols <= set(names)
    own = name in (
        *("box", "plane of numbers", "fewer rows than dimensions"),
        *("ball", "sphere", "three-sphere"),
    )
    lines = isinstance(JOBS[name][1], Segment | Ray | Line) and names[0].name == "t"
    on_circle = isinstance(JOBS[name][1], GreatCircle | Ellipse) or name in (
        "circle as a sphere",
        "two points",
    )
    letter = "t" if lines else "theta" if on_circle else "x" if own else "s"
    assert names[0].name.rstrip("1") == letter


@every_kind
def test_maps_over_the_chart_are_the_network(name: str, engine: str) -> None:
    result = found(name, engine)
    for region in result.regions:
        x, parameters = place(result, name, region)
        columns = np.array([[float(v) for v in row] for row in rows(result, region.index)])
        assert columns @ parameters == pytest.approx(result.network.forward_float(x), abs=1e-9)


def rows(result: Partition, index: int) -> list[list[Fraction]]:
    columns = result.map_columns(index).tolist()
    return [[Fraction(int(v.p), int(v.q)) for v in row] for row in columns]


def place(result: Partition, name: str, region: Any) -> tuple[np.ndarray, np.ndarray]:
    """An input in a region, and its parameters with the constant, in floats."""
    x = np.array([float(v) for v in region.witness])
    y = np.array([float(v) for v in region.coordinates])
    if isinstance(JOBS[name][1], NormBall):
        directions = np.array([[float(v) for v in row] for row in result.chart.flat.directions])  # type: ignore[attr-defined]
        centred = x - x.mean()
        image = centred * np.sqrt(len(x) / (centred @ centred + len(x)))
        return x, np.array([*np.linalg.lstsq(directions.T, image, rcond=None)[0], 1.0])
    curve = getattr(result.chart, "curve", None)
    if curve is not None and curve.one is not None:
        y = y / (float(curve.one[0]) * y[0] + float(curve.one[1]) * y[1])
        if not result.network.has_norm:
            return x, y
    elif is_flat(name):
        return x, np.array([*y, 1.0])
    if isinstance(JOBS[name][1], Ellipse):
        y = np.array([*y, 1.0])
        if not result.network.has_norm:
            return x, y
    carried = x
    for block in result.network.blocks[:-1] if "led in" in name else ():
        weight = block.layers[0].weight.float64()
        carried = weight @ carried + (carried if block.residual else 0)
    if result.network.has_norm:
        if result.network.norms[0].sphere_dim == len(carried) - 2:
            carried = carried - carried.mean()
        length = np.sqrt(len(carried) / (carried @ carried + len(carried) * eps(result)))
        return x, np.array([*(length * y), 1.0])
    radius = JOBS[name][1].radius_squared  # type: ignore[attr-defined]
    length = np.sqrt(float(radius) / (x @ x))
    return length * x, np.array([*(length * y), 1.0])


def eps(result: Partition) -> float:
    return float(result.network.norms[0].eps)


@pytest.mark.parametrize("name", JOBS)
def test_every_engine_places_an_input_alike(name: str) -> None:
    results = [found(name, engine) for engine in able(name)]
    assert results
    for x in (region.witness for one in results for region in one.regions):
        codes = {one.code_of(one.locate(x)) for one in results}
        assert codes == {results[0].network.code(x)}
        assert len({one.affine_at(x) for one in results}) == 1


def test_the_jobs_show_every_kind_and_every_engine() -> None:
    shown = {type(found(name, engine)) for name, engine in CASES}
    assert shown == {kind for kind in kinds(Partition) if not isabstract(kind)}
    assert {engine for _, engine in CASES} == set(engines.ALL)


def kinds(kind: type[Partition]) -> Iterator[type[Partition]]:
    """Every class of partitions that `exact` offers."""
    for below in kind.__subclasses__():
        if below.__module__.startswith("exact."):
            yield below
            yield from kinds(below)


# ---- who asks for the kind

ROOT = Path(exact.__file__).parent
KINDS = ("Partition", "Cells", "Codes", "Region", "Polytope", "Arc", "SphereCell", "NormBallCell")


def asked_kinds(text: str) -> Iterator[int]:
    """The lines that ask by `isinstance` which kind of partition, region or cells a value is."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            classes = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
            if any(name.endswith(KINDS) for name in classes):
                yield node.lineno


def test_kinds_are_asked_for_in_their_wing_only() -> None:
    wings = [ROOT / "regions" / wing for wing in ("polytopes", "arcs", "spheres")]
    asking = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if list(asked_kinds(path.read_text())) and not any(w in path.parents for w in wings)
    }
    assert asking <= {
        "regions/partition.py",  # equality of partitions
        "geometry/combinatorics/code_batches.py",  # hamming takes Codes of points, no cells
    }
    assert list(asked_kinds("x = isinstance(y, FlatPartition | int)\nisinstance(y, Block)")) == [1]
