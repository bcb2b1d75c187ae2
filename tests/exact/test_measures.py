"""Measures of all regions as arrays: within their bounds of the exact ones of each region, by every
engine, on degenerate networks, bounded and unbounded domains; and the laws that they obey.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import inf, isfinite, isinf, isnan

import mpmath
import numpy as np
import pytest

from exact import (
    Box,
    Budget,
    HPolytope,
    InvalidInput,
    LeakyReLU,
    NormBall,
    Plane,
    RealSpace,
    Unsupported,
    load,
    partition,
)
from exact.arithmetic.numbers import Rational, fraction, rational
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.volumes import BoundedPolytope, corners
from exact.kernels import measures as kernel
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.polytopes.quantities import measures
from tests.exact.test_code_maps import block, dead, doubled, drawn, mlp, thirds, whole

CUT = HPolytope([[1, 0, 1], [-1, 0, 1], [0, 1, 1], [0, -1, 1], [-1, -2, 2]])
PYRAMID = HPolytope([[0, 0, 1, 0], *([a, b, -1, 1] for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1)))])
JOBS: dict[str, Callable[[], FlatPartition]] = {
    "line": lambda: cut(mlp(drawn((1, 5, 4, 1), 0)), Box(-2, 2, dim=1), "subdivision"),
    "whole line": lambda: cut(mlp(drawn((1, 5, 4, 1), 0)), RealSpace(1), "lp_tree"),
    "plane": lambda: cut(mlp(drawn((2, 8, 6, 2), 0)), Box(-1, 1, dim=2)),
    "integers": lambda: cut(mlp(whole((3, 6, 5, 2), 8)), Box(-1, 1, dim=3)),
    "bias-free": lambda: cut(mlp(whole((2, 6, 5, 2), 8, bias=False)), RealSpace(2)),
    "unbounded": lambda: cut(mlp(drawn((2, 6, 4, 1), 1)), RealSpace(2)),
    "unbounded, 3": lambda: cut(mlp(drawn((3, 4, 3, 1), 2)), RealSpace(3)),
    "doubled": lambda: cut(mlp(doubled(drawn((2, 5, 6, 1), 3))), CUT),
    "dead": lambda: cut(mlp(dead(drawn((3, 5, 4, 3, 2), 4))), PYRAMID),
    "thirds": lambda: cut(mlp(thirds(drawn((2, 6, 5, 2), 5))), Box(-1, 1, dim=2)),
    "slice": lambda: cut(
        mlp(drawn((3, 5, 4, 2), 8), LeakyReLU(Fraction(1, 3))),
        Plane([0, 0, 0], [1, 0, 0], [0, "1/3", 1], s=(-1, 1), t=(0, 2)),
    ),
    "four": lambda: cut(mlp(drawn((4, 4, 2, 1), 9)), Box(-1, 1, dim=4)),
    "grid": lambda: cut(
        mlp([(np.eye(3).repeat(2, 0), [0, 0.5] * 3), (np.ones((1, 6)), [0])]), Box(-1, 1, dim=3)
    ),
    "skeleton": lambda: cut(mlp(drawn((3, 5, 4, 1), 10)), Box(-1, 1, dim=3), "skeleton"),
    "tree": lambda: cut(mlp(drawn((3, 5, 1), 10)), Box(-1, 1, dim=3), "lp_tree"),
    "vertices": lambda: cut(mlp(drawn((2, 6, 1), 11)), Box(-1, 1, dim=2), "vertices"),
    "walk": lambda: cut(mlp(drawn((2, 5, 3, 1), 12)), RealSpace(2), "facet_walk"),
    "sliver": lambda: cut(
        mlp([([[1, 2**-40], [1, -(2**-40)], [0, 1]], [0, 0, 0]), ([[1, 1, 1]], [0])]),
        Box(-1, 1, dim=2),
    ),
    "huge": lambda: cut(mlp([(w, 1e90 * b) for w, b in drawn((2, 6, 1), 13)]), Box(-1e90, 1e90, 2)),
}


def cut(*job: object) -> FlatPartition:
    found = partition(*job[:2], engine=job[2] if len(job) > 2 else None)  # type: ignore[arg-type]
    assert isinstance(found, FlatPartition)
    return found


@cache
def found(name: str) -> FlatPartition:
    return JOBS[name]()


every_job = pytest.mark.parametrize("name", JOBS)


def near(exact: Fraction, value: float, bound: float) -> bool:
    return isfinite(value) and abs(exact - Fraction(value)) <= Fraction(bound)


# ---- each equals the exact one


@every_job
def test_volumes_and_centroids(name: str) -> None:
    result = found(name)
    for region, volume, slack, centre, reach in zip(
        result.regions,
        result.volumes_float.tolist(),
        result.volumes_bound.tolist(),
        result.centroids_float.tolist(),
        result.centroids_bound.tolist(),
        strict=True,
    ):
        assert region.is_bounded == result.is_bounded_region[region.index]
        if not region.is_bounded:
            assert isinf(volume) and slack == 0.0 and all(map(isnan, centre))
            continue
        assert near(region.volume, volume, slack) and slack <= 2.0**-12 * volume
        gaps = [x - Fraction(y) for x, y in zip(region.centroid, centre, strict=True)]
        assert sum(x * x for x in gaps) <= Fraction(reach) ** 2
    assert len(result.volumes_float) == len(result.centroids_float) == len(result)


@every_job
def test_hyperplanes_of_facets(name: str) -> None:
    """Against the exact integers, whose length is a root: the first region is inside."""
    result = found(name)
    planes, bounds = result.facet_hyperplanes_float, result.facet_hyperplanes_bound
    assert len(planes) == len(bounds) == len(result.neighbours())
    for k, (a, b) in enumerate(result.neighbours().tolist()):
        facet = next(f for f in result.regions[a].facets if f.neighbour == b)
        with mpmath.workdps(60):
            row = [mpmath.mpf(x) for x in facet.hyperplane]
            length = mpmath.sqrt(sum(x * x for x in row[:-1]))
            pairs = zip(row, planes[k].tolist(), strict=True)
            gaps = [x / length - mpmath.mpf(y) for x, y in pairs]
            assert mpmath.sqrt(sum(x * x for x in gaps[:-1])) <= bounds[k]
            assert abs(gaps[-1]) <= bounds[k]
        if name != "huge":
            assert bounds[k] <= 2.0**-12


@every_job
def test_facets_and_perimeters(name: str) -> None:
    result, row = found(name), dict[tuple[int, int], int]()
    for k, (a, b) in enumerate(result.neighbours().tolist()):
        row[a, b] = row[b, a] = k
    sizes, slack = result.facet_measures_float.tolist(), result.facet_measures_bound.tolist()
    assert len(sizes) == len(slack) == len(result.neighbours())
    for region in result.regions:
        if not region.is_bounded:
            continue
        exact = region.facet_measures
        for facet, measure in zip(region.facets, exact, strict=True):
            if facet.neighbour is not None:
                k = row[region.index, facet.neighbour]
                assert abs(float(measure) - sizes[k]) <= slack[k] + 2.0**-51 * sizes[k]
        total = sum(map(float, exact))
        own, doubt = result.perimeters_float[region.index], result.perimeters_bound[region.index]
        assert abs(total - own) <= doubt + 2.0**-48 * total
        assert result.degrees[region.index] == sum(f.neighbour is not None for f in region.facets)


@every_job
def test_boxes_and_margins(name: str) -> None:
    result = found(name)
    for region, box, slack, margin, doubt in zip(
        result.regions,
        result.bounding_boxes_float.tolist(),
        result.bounding_boxes_bound.tolist(),
        result.margins_float.tolist(),
        result.margins_bound.tolist(),
        strict=True,
    ):
        exact = region.margin
        if exact is None:
            assert isinf(margin) and not region.facets
        else:
            assert abs(float(exact) - margin) <= doubt + 2.0**-50 * margin
            assert 0 < margin < inf
        if region.is_bounded:
            for own, sides in zip(region.bounding_box, box, strict=True):
                assert all(near(x, y, slack) for x, y in zip(own, sides, strict=True))
        else:
            assert any(map(isinf, np.ravel(box)))
            for low, high in box:
                assert low < high
            vertices = region.vertices
            assert all(
                low - slack <= x <= high + slack
                for vertex in vertices
                for x, (low, high) in zip(vertex, box, strict=True)
            )


# ---- laws


@pytest.mark.parametrize("name", [name for name in JOBS if "unbounded" not in name])
def test_volumes_and_moments_add_up(name: str) -> None:
    result = found(name)
    if not result.is_bounded:
        assert name in ("bias-free", "walk", "whole line")
        return
    whole_volume = float(result.volume)
    assert abs(result.volumes_float.sum() - whole_volume) <= (
        result.volumes_bound.sum() + 2.0**-44 * whole_volume
    )
    if isinstance(result.domain, Box):
        moments = result.volumes_float[:, None] * result.centroids_float
        reach = float(np.abs(result.bounding_boxes_float).max())
        assert np.abs(moments.sum(axis=0)).max() <= 2.0**-20 * whole_volume * reach


@every_job
def test_areas_meet_the_divergence_theorem(name: str) -> None:
    """d volumes are the facets' measures times the distances of their hyperplanes from a point
    inside.
    """
    result = found(name)
    for region in list(result.regions)[:12]:
        if not region.is_bounded:
            continue
        inside, dim = [rational(x) for x in region.centroid], result.flat.dim
        total = 0.0
        for facet, measure in zip(region.facets, region.facet_measures, strict=True):
            wall = Halfspace(facet.hyperplane)
            value = wall.offset + sum(
                (n * x for n, x in zip(wall.normal, inside, strict=True)), Rational(0)
            )
            length = sum(n * n for n in wall.normal) ** 0.5
            total += float(measure) * (float(fraction(value)) / length)
        assert abs(total / dim - result.volumes_float[region.index]) <= 1e-9 * total


def test_unbounded_regions_by_hand() -> None:
    """The quadrants; a slab between half-planes; a ray's end is a point; all of the plane."""
    quadrants = cut(mlp([(np.eye(2), [0, 0]), ([[1, 1]], [0])]), RealSpace(2))
    assert quadrants.volumes_float.tolist() == quadrants.perimeters_float.tolist() == [inf] * 4
    assert quadrants.facet_measures_float.tolist() == [inf] * 4
    assert quadrants.bounding_boxes_float[3].tolist() == [[0.0, inf], [0.0, inf]]
    slab = cut(mlp([([[1, 0], [1, 0]], [1, -1]), ([[1, 1]], [0])]), RealSpace(2))
    assert sorted(slab.bounding_boxes_float[:, 0].tolist()) == [
        [-inf, -1.0],
        [-1.0, 1.0],
        [1.0, inf],
    ]
    rays = cut(mlp([([[1]], [0]), ([[1]], [0])]), RealSpace(1), "subdivision")
    assert rays.perimeters_float.tolist() == [1.0, 1.0] == [*rays.facet_measures_float, 1.0]
    plane = cut(mlp([([[0, 0]], [1]), ([[1]], [0])]), RealSpace(2), "subdivision")
    assert plane.perimeters_float.tolist() == [0.0] and plane.margins_float.tolist() == [inf]
    half = cut(mlp([([[0, 0]], [1]), ([[1]], [0])]), HPolytope([[1, 0, 0]]), "subdivision")
    assert half.perimeters_float.tolist() == [inf] and isfinite(half.margins_float[0])


def test_a_facet_between_unbounded_regions_can_be_bounded() -> None:
    """Two bent half-planes over a triangle's side."""
    net = mlp([([[0, 1], [1, 0], [-1, 0]], [0, -1, -1]), ([[1, 1, 1]], [0])])
    result = cut(net, RealSpace(2))
    finite = result.facet_measures_float[np.isfinite(result.facet_measures_float)]
    assert finite.tolist() == [2.0]


def test_centroids_of_known_bodies() -> None:
    def body(*rows: list[int]) -> BoundedPolytope:
        walls = [Halfspace(tuple(row)) for row in rows]
        return BoundedPolytope.of(corners(walls, len(rows[0]) - 1), walls)

    simplex = body([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [-1, -1, -1, 1])
    assert [fraction(x) for x in simplex.centroid] == [Fraction(1, 4)] * 3
    trapezoid = body([1, 0, 0], [0, 1, 0], [0, -1, 1], [-1, -1, 2])
    assert [fraction(x) for x in trapezoid.centroid] == [Fraction(7, 9), Fraction(4, 9)]


# ---- when floats say too little


@pytest.mark.parametrize("name", ["plane", "integers", "skeleton", "doubled", "unbounded"])
def test_weak_bounds_are_replaced_by_exact_values(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "_USEFUL", 0.0)
    result, solids = JOBS[name](), list[int]()
    own = result.solid
    monkeypatch.setattr(result, "solid", lambda i: (solids.append(i), own(i))[1], raising=False)
    for region, volume in zip(result.regions, result.volumes_float.tolist(), strict=True):
        assert volume == (float(region.volume) if region.is_bounded else inf)
    assert set(solids) == set(np.flatnonzero(result.is_bounded_region).tolist())
    for region, centre in zip(result.regions, result.centroids_float.tolist(), strict=True):
        if region.is_bounded:
            assert centre == [float(x) for x in region.centroid]


def test_slivers_keep_their_digits() -> None:
    """Volumes a trillionth of the domain's, from vertices that are close together."""
    result = found("sliver")
    assert result.volumes_float.min() < 1e-11
    assert (result.volumes_bound <= 2.0**-12 * result.volumes_float).all()


def test_terms_whose_sign_is_uncertain_are_in_the_bound() -> None:
    """A quadrilateral with vertices as uncertain as they are far apart."""
    x = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1e-9], [0.0, 1e-9]])
    rows = np.arange(0, 9, 2), np.array([0, 1, 1, 2, 2, 3, 3, 0])
    edges = kernel.raised(
        kernel.points(x, np.full(4, 1e-9), np.zeros(4, bool)), x, np.full(4, 1e-9), *rows, 1
    )
    cell = kernel.raised(edges, x, np.full(4, 1e-9), np.array([0, 4]), np.arange(4), 2)
    assert cell.size[0] == pytest.approx(1e-9) and cell.error[0] >= 2e-9
    assert isinf(cell.middle_error[0])


def test_all_dimensions_up_to_eight() -> None:
    for dim in range(1, 9):
        result = cut(
            mlp([(np.eye(dim)[:1], [0]), ([[1]], [0])]), Box(-1, 1, dim=dim), "subdivision"
        )
        assert result.volumes_float == pytest.approx(2.0 ** (dim - 1), rel=1e-14)
        assert result.perimeters_float == pytest.approx((dim + 1) * 2.0 ** (dim - 1))


# ---- where there are none


def test_balls_have_no_volumes() -> None:
    ball = partition(block(20, 3, 1e-5), NormBall())
    for name in ("volumes_float", "facet_measures_float", "margins_float", "bounding_boxes_float"):
        with pytest.raises(Unsupported, match="no polytopes"):
            getattr(ball, name)


def test_a_flat_domain_is_measured_in_its_parameters() -> None:
    point = cut(mlp(drawn((2, 3, 1), 0)), Box([0.5, 0.25], [0.5, 0.25]))
    assert point.volumes_float.tolist() == [1.0]
    segment = cut(mlp(drawn((2, 5, 1), 3)), Box([0.5, -1], [0.5, 1]), "subdivision")
    assert segment.volumes_float.sum() == pytest.approx(2.0)


def test_partitions_that_ended_early_are_measured_one_by_one() -> None:
    some = partition(
        mlp(drawn((2, 6, 4, 1), 1)), Box(-1, 1, dim=2), engine="lp_tree", budget=Budget(5)
    )
    assert isinstance(some, FlatPartition) and len(some) == 5
    for region, value, bound in zip(
        some.regions, some.volumes_float, some.volumes_bound, strict=True
    ):
        assert abs(region.volume - Fraction(value)) <= Fraction(bound) <= value / 100
    assert some.bounding_boxes_float.shape == (5, 2, 2)


def test_unbounded_regions_without_a_complex_have_no_boxes() -> None:
    quadrants = mlp([(np.eye(2), [0, 0]), ([[1, 1]], [0])])
    some = partition(quadrants, RealSpace(2), engine="lp_tree", budget=Budget(2))
    assert isinstance(some, FlatPartition)
    with pytest.raises(InvalidInput, match="engine='subdivision'"):
        _ = some.bounding_boxes_float


def test_after_a_journey_measures_are_the_same(tmp_path: object) -> None:
    result = found("integers")
    again = load(result.save(f"{tmp_path}/found.safetensors"))
    assert isinstance(again, FlatPartition)
    assert np.array_equal(again.volumes_float, result.volumes_float)
    assert again.facet_measures_float.tolist() == result.facet_measures_float.tolist()
