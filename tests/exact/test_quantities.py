"""Tables, graphs and quantities that every kind of partition has."""

from __future__ import annotations

from fractions import Fraction
from math import inf

import numpy as np
import pytest

from exact import (
    Box,
    Ellipse,
    GreatCircle,
    InvalidInput,
    Line,
    NormBall,
    Ray,
    RealSpace,
    Segment,
    Sphere,
    Unsupported,
    partition,
)
from exact.instruments.decision import ties as decision
from exact.regions.arcs.partition import CurvePartition
from exact.regions.partition import Partition
from exact.sources import tensors
from tests.exact.test_code_maps import JOBS, block, drawn, found, mlp
from tests.exact.test_measures import cut

every_job = pytest.mark.parametrize("name", JOBS)


@every_job
def test_a_table_has_every_quantity(name: str) -> None:
    result = found(name)
    table = result.to_pandas()
    assert len(table) == len(result)
    assert table["code"].tolist() == [str(result.code_of(i)) for i in range(len(result))]
    for quantity in result.quantities:
        values = result.quantity(quantity)
        values = values.reshape(len(values), int(np.prod(values.shape[1:])))
        own = [column for column in table if column.startswith(quantity)]
        assert np.array_equal(table[own].to_numpy(values.dtype), values, equal_nan=True)
    degrees = [result.graph(witnesses=False).degree(i) for i in range(len(result))]
    assert table["degrees"].tolist() == degrees


def test_names_of_quantities() -> None:
    result = found("random")
    maps = result.to_pandas(["maps_float"])
    assert np.array_equal(
        maps.drop(columns=["region", "code"]).to_numpy(), result.maps_float.reshape(len(result), -1)
    )
    for ask in (result.to_pandas, lambda names: result.graph(attributes=names)):
        with pytest.raises(InvalidInput, match=r"no such quantity of regions; got volume; .*map"):
            ask(["volume"])
    ball = found("norm, ball")
    assert "volumes_float" not in ball.quantities and "map_ids" in ball.quantities
    from exact import GELU

    smooth = partition(tensors.mlp([([[1]], [0]), ([[1]], [0])], activation=GELU()), RealSpace(1))
    assert "map_ids" not in smooth.quantities and len(smooth.to_pandas()) == 2


@every_job
def test_graphs_are_those_of_rows(name: str) -> None:
    """Edge by edge and node by node, as regions and hinges say."""
    result = found(name)
    few = len(result) < 100
    graph = result.graph(witnesses=few, attributes=["map_ids", "degrees"])
    assert sorted(graph) == list(range(len(result)))
    for region in result.regions:
        node = graph.nodes[region.index]
        assert node["code"] == region.code
        assert node["witness"] == region.witness if few else "witness" not in node
        assert node["map_ids"] == result.map_ids[region.index]
        assert type(node["degrees"]) is int
    assert sorted(sorted(edge[:2]) for edge in graph.edges) == sorted(
        map(sorted, result.neighbours().tolist())
    )
    for a, b, flipped in graph.edges(data="flipped"):
        assert flipped == result.hinges_between(a, b)


def test_attributes_of_edges() -> None:
    result = cut(mlp(drawn((2, 6, 4, 1), 1)), Box(-1, 1, dim=2))
    graph = result.graph(attributes=["volumes_float", "facet_measures_float", "centroids_float"])
    for k, (a, b) in enumerate(result.neighbours().tolist()):
        assert graph.edges[a, b]["facet_measures_float"] == result.facet_measures_float[k]
        assert graph.edges[a, b]["flipped"] == result.hinges_between(a, b)
    assert graph.nodes[0]["centroids_float"] == result.centroids_float[0].tolist()


@every_job
def test_graphs_without_labels(name: str) -> None:
    """The same nodes and edges as with codes and hinges, and nothing on them but what was named."""
    result = found(name)
    plain, whole = result.graph(labels=False), result.graph(witnesses=False)
    assert sorted(plain.nodes) == sorted(whole.nodes) == list(range(len(result)))
    assert sorted(plain.edges()) == sorted(whole.edges())
    assert all(not data for _, data in plain.nodes(data=True))
    assert not any("flipped" in data for *_, data in plain.edges(data=True))
    assert all(data == {"code": result.code_of(i)} for i, data in whole.nodes(data=True))
    assert all(hash(data["code"]) == hash(result.code_of(i)) for i, data in whole.nodes(data=True))
    named = result.graph(labels=False, attributes=["degrees"])
    assert [named.nodes[i] for i in named] == [{"degrees": k} for k in result.degrees.tolist()]


NET = mlp(drawn((3, 8, 6, 3), 2))
CURVES = {
    "segment": Segment([-3, -1, -3], [3, 1, 3]),
    "ray": Ray(0, [1, 2, 3]),
    "line": Line([0, "1/7", 0], [1, "1/3", 1]),
    "circle": GreatCircle([1, 0, 0], [0, 1, "1/3"], radius_squared=3),
    "ellipse": Ellipse.slerp([2, 0, 0], [0, 0, 1]),
}


@pytest.mark.parametrize("name", CURVES)
def test_lengths_of_cells(name: str) -> None:
    result = partition(NET, CURVES[name])
    assert isinstance(result, CurvePartition) and len(result) > 3
    for region, length, bound in zip(
        result.regions, result.lengths_float.tolist(), result.lengths_bound.tolist(), strict=True
    ):
        own = region.length_float
        assert (
            own == length == inf
            or abs(Fraction(own) - Fraction(length))
            <= Fraction(bound) + Fraction(own) * Fraction(2) ** -53
        )
        assert bound <= 2.0**-8 * length
    if name == "segment":
        assert result.lengths_float.sum() == pytest.approx(6 * (2 + 1 / 9) ** 0.5)
    if name == "circle":
        assert result.lengths_float.sum() == pytest.approx(2 * np.pi * 3**0.5)


def test_the_arc_through_the_angle_zero_is_measured_like_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No cell of a circle is left to exact lengths: the last one ends a turn later."""
    result = partition(NET, CURVES["circle"])
    assert isinstance(result, CurvePartition)
    own = [region.length_float for region in result.regions]
    kind = type(result.regions[0])
    monkeypatch.setattr(kind, "length_float", property(lambda self: pytest.fail("made exactly")))
    again = partition(NET, CURVES["circle"])
    assert isinstance(again, CurvePartition)
    assert again.lengths_float == pytest.approx(own, rel=1e-12)
    assert again.lengths_float.min() > 0


def test_lengths_of_whole_circles_and_of_very_many_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    still = mlp([([[0, 0, 0]], [1]), ([[1]], [0])])
    whole = partition(still, CURVES["circle"])
    assert isinstance(whole, CurvePartition)
    assert whole.lengths_float == pytest.approx([2 * np.pi * 3**0.5])
    monkeypatch.setattr("exact.regions.arcs.partition.GRAPH_WITNESSES", 2)
    many = partition(NET, CURVES["circle"])
    assert isinstance(many, CurvePartition)
    for region, length, bound in zip(
        many.regions, many.lengths_float, many.lengths_bound, strict=True
    ):
        assert abs(region.length_float - length) <= bound


KINDS: dict[str, Partition] = {
    **{name: partition(NET, domain) for name, domain in CURVES.items()},
    "box": partition(mlp(drawn((2, 6, 4, 3), 1)), Box(-1, 1, dim=2)),
    "one output": partition(mlp(drawn((2, 6, 4, 1), 3)), Box(-1, 1, dim=2)),
    "norm, circle": partition(block(16, 3, 0.0), Sphere()),
    "norm, sphere": partition(block(18, 4, 0.0), Sphere()),
    "norm, ball": partition(block(20, 3, 1e-5), NormBall()),
}


@pytest.mark.parametrize("name", KINDS)
def test_class_sets_on_every_kind_of_domain(name: str) -> None:
    """Against the values at points of the regions: the class of every witness of a part wins."""
    result = KINDS[name]
    sets = decision.class_sets(result)
    parts = partition(decision.tied(result.network), result.domain)
    for region, c in zip(parts.regions, decision.classes(parts).tolist(), strict=True):
        assert sets[result.locate(region.witness), c]
    assert sets.any(axis=1).all() and sets.sum() <= len(parts)
    if name in ("box", "one output"):
        assert np.array_equal(sets, result.class_sets)  # type: ignore[attr-defined]
    else:
        with pytest.raises(Unsupported, match=r"no polytopes|decision\.class_sets"):
            _ = result.class_ids


def test_class_sets_need_all_regions() -> None:
    from exact import Budget

    some = partition(NET, Box(-1, 1, dim=3), engine="lp_tree", budget=Budget(3))
    with pytest.raises(InvalidInput, match="ended early"):
        decision.class_sets(some)


# ---- where floats do not tell

BELOW = 0.9999999999999999
BUNDLE = mlp([([[-1.0, 1.0], [-BELOW, 1.0], [-1.0, BELOW]], [0.1] * 3), ([[1] * 3], [0])])
UNPLACED: dict[str, tuple[object, Box]] = {
    "bundle": (BUNDLE, Box(-1, 1, dim=2)),
    "steep": (mlp([([[1e15, 1]], [1e15]), ([[1]], [0])]), Box(-1, 1, dim=2)),
    "steep, 3": (mlp([([[1e15, 1, 0]], [1e15]), ([[1]], [0])]), Box(-1, 1, dim=3)),
}
unplaced = pytest.mark.parametrize("name", UNPLACED)


def near(exact: Fraction, value: float, bound: float) -> bool:
    return abs(exact - Fraction(value)) <= Fraction(bound)


@unplaced
def test_perimeters_and_boxes_where_floats_place_no_vertex(name: str) -> None:
    """Hyperplanes so nearly parallel that floats do not find where they meet."""
    result = cut(*UNPLACED[name])
    assert result.engine_faces is not None
    located = result.engine_faces.located()
    assert located is not None and np.isinf(located.slack).any()
    for region in result.regions:
        i, total = region.index, sum(map(float, region.facet_measures))
        doubt = result.perimeters_bound[i] + 2.0**-50 * total
        assert abs(result.perimeters_float[i] - total) <= doubt <= 2.0**-12 * total
        bound = result.bounding_boxes_bound[i]
        assert bound < 2.0**-40
        for own, sides in zip(region.bounding_box, result.bounding_boxes_float[i], strict=True):
            assert all(near(x, y, bound) for x, y in zip(own, sides.tolist(), strict=True))


@pytest.mark.parametrize("name", ["bundle", "steep"])
def test_outlines_where_floats_place_no_vertex(name: str) -> None:
    result = cut(*UNPLACED[name])
    points, starts = result.outlines_float
    for region in result.regions:
        own = points[starts[region.index] : starts[region.index + 1]].tolist()
        left = [[*map(float, vertex)] for vertex in region.vertices]
        for corner in own:
            k = min(range(len(left)), key=lambda i: np.abs(np.subtract(left[i], corner)).max())
            assert left.pop(k) == pytest.approx(corner, rel=0, abs=1e-13)
        assert not left


def test_the_box_of_a_point_has_no_sides() -> None:
    """A point has no parameters: bulk and single boxes agree, and a table has no column of it."""
    point = cut(mlp([([[1, 0]], [0]), ([[1]], [0])]), Box(0, 0, dim=2))
    assert point.bounding_boxes_float.shape == (1, 0, 2) and point.bounding_boxes_bound == [0.0]
    assert point.regions[0].bounding_box == ()
    assert not [name for name in point.to_pandas() if name.startswith("bounding_boxes_float")]


def test_ranges_beyond_the_floats_are_not_taken_for_exact() -> None:
    """A finite end beyond the largest float is an infinity with bound inf, and is found exactly."""
    large = mlp([([[1e200]], [0]), ([[1e200], [-1e200]], [0, 0])])
    result = cut(large, Box(1, 2, dim=1))
    assert result.output_ranges_float.tolist() == [[[inf, inf], [-inf, -inf]]]
    assert result.output_ranges_bound.tolist() == [[inf, inf]]
    for k, sign in enumerate((1, -1)):
        ends = sorted(sign * x * Fraction(1e200) ** 2 for x in (1, 2))
        found = result.output_range(k)
        assert [found.least, found.greatest] == ends
    deep = mlp([([[1]], [0]), ([[-(10**450)]], [-46 * 10**449])])
    fall = cut(deep, RealSpace(1))
    assert fall.output_ranges_float.tolist() == [[[-inf, -inf]]] * 2
    assert fall.output_ranges_bound.tolist() == [[inf]] * 2
    assert fall.output_range(0).least is None
    assert fall.output_range(0).greatest == -46 * 10**449
    slope = cut(mlp([([[1]], [0]), ([[1]], [0])]), RealSpace(1))
    assert slope.output_ranges_float[1].tolist() == [[0.0, inf]]
    assert slope.output_ranges_bound.max() < 2.0**-50


TINY = Fraction(1, 2**1074)
SMALL: dict[str, list[Fraction]] = {
    "subnormals": [Fraction(7, 4) * TINY, Fraction(5, 4) * TINY],
    "areas below the floats": [Fraction(1, 2**600), Fraction(1, 2**601)],
}


@pytest.mark.parametrize("name", SMALL)
def test_bounds_of_tiny_boxes_hold_what_underflows(name: str) -> None:
    sides = SMALL[name]
    result = cut(mlp([([[1, 1]], [0]), ([[1]], [0])]), Box(0, sides))
    (region,) = result.regions
    assert near(2 * sum(sides, Fraction(0)), result.perimeters_float[0], result.perimeters_bound[0])
    assert near(region.volume, result.volumes_float[0], result.volumes_bound[0])
    margin = region.margin
    assert margin is not None and margin.is_rational
    exact = Fraction(int(margin.a.p), int(margin.a.q))
    assert near(exact, result.margins_float[0], result.margins_bound[0])


def test_facets_beyond_the_floats_are_not_taken_for_unbounded() -> None:
    """The bounds of infinities that stand for finite measures are infinite."""
    result = cut(mlp([([[1, 0, 0]], [0]), ([[1]], [0])]), Box(-(10**200), 10**200, dim=3))
    assert result.facet_measures_float.tolist() == result.facet_measures_bound.tolist() == [inf]
    assert result.perimeters_bound.tolist() == [inf, inf]
    long = cut(mlp([([[1, 1]], [0]), ([[1]], [0])]), Box([1, -1], [10**400, 1]))
    assert long.perimeters_float.tolist() == long.perimeters_bound.tolist() == [inf]
    assert long.bounding_boxes_float.tolist() == [[[1.0, inf], [-1.0, 1.0]]]
    assert long.bounding_boxes_bound.tolist() == [inf]


@pytest.mark.parametrize(
    "domain", [Segment([0, 0], [1, 2]), GreatCircle([1, 0], [0, 1], radius_squared=4)]
)
def test_ranges_on_curves_are_refused_by_name(domain: Segment | GreatCircle) -> None:
    result = partition(tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])]), domain)
    with pytest.raises(Unsupported, match="ranges of outputs are those over the regions of flat"):
        _ = result.output_ranges_float
