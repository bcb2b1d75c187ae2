"""Polygons, rays and the sphere of one architecture: the panels show what was partitioned, and fit
each other.
"""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from exact import GreatCircle, InvalidInput, Network, Plane, Sphere, partition
from exact.networks.layers import Block
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.partition import SpherePartition
from tests.viz import drawn, subjects
from viz import style
from viz.figures.sectors import sectors
from viz.figures.side_by_side import great_circle, side_by_side_figure
from viz.hemisphere import Hemisphere
from viz.sphere_arcs import SphereArcs

Parts = tuple[FlatPartition, CurvePartition, CurvePartition | SpherePartition]


@cache
def parts(dim: int) -> Parts:
    """The same weights without and with LayerNorm."""
    behind = subjects.block(6, dim=dim, shift=1.0)
    without = Network((Block(behind.blocks[0].layers),))
    u, v = [2, -1, 0, 1][:dim], [1, 1, -3, 0][:dim]
    return (
        partition(without, Plane([0] * dim, u, v, s=(-1, 1), t=(-1, 1))),
        partition(behind, GreatCircle(u, v)),
        partition(behind, Sphere()),
    )


@pytest.mark.parametrize("dim", [3, 4])
def test_the_whole_figure(dim: int) -> None:
    plane, rays, behind = parts(dim)
    data = np.random.default_rng(0).normal(size=(12, dim))
    fig = side_by_side_figure(plane, rays, behind, data=data, classes=[0, 1] * 6)
    lines = drawn.lines_of(fig)
    assert {"Without norm: polygons", "Behind the norm: rays", "class 0", "class 1"} <= set(lines)
    assert f"{len(plane)} regions, exact" in lines
    assert any(line.startswith(f"{len(rays)} arcs") for line in lines)
    assert any(
        line.startswith(f"{len(behind)} {'arcs' if dim == 3 else 'cells'}") for line in lines
    )
    assert drawn.faults(fig) == []


def test_sectors_of_a_slice_have_the_codes_of_its_points() -> None:
    _, rays, _ = parts(4)
    _, ax = style.figure(4, 4)
    u, v = (np.array([float(x) for x in w]) for w in (rays.domain.u, rays.domain.v))
    drawing = sectors(rays, ax, (np.column_stack([u, v]), np.zeros(4)), parts(4)[0].domain.bounds)
    np.testing.assert_allclose(drawing.apex, 0, atol=1e-12)
    for s, t in np.random.default_rng(1).integers(-99, 100, (40, 2)).tolist():
        place = (s / 100, t / 100)
        (index,) = (
            drawing.indices[k]
            for k, path in enumerate(drawing.cones.get_paths())
            if path.contains_point(place)
        )
        assert rays.locate([int(x) for x in s * u + t * v]) == index


def test_both_planes_have_the_same_coordinates() -> None:
    """A point of the left and of the middle panel is the same input s u + t v."""
    plane, rays, behind = parts(4)
    fig = side_by_side_figure(plane, rays, behind)
    polygons, cones = (ax.collections[0].get_paths() for ax in fig.axes[:2])
    assert (len(polygons), len(cones)) == (len(plane), len(rays)), (
        "every region is one path, in order"
    )
    u, v = ([int(x) for x in w] for w in (rays.domain.u, rays.domain.v))
    for s, t in np.random.default_rng(2).integers(-99, 100, (30, 2)).tolist():
        x = [Fraction(s * a + t * b, 100) for a, b in zip(u, v, strict=True)]
        place = (s / 100, t / 100)
        left, middle = (
            [k for k, path in enumerate(paths) if path.contains_point(place)]
            for paths in (polygons, cones)
        )
        assert (left, middle) == ([plane.locate(x)], [rays.locate(x)])


def test_the_slice_is_a_great_circle_through_the_cells_of_its_arcs() -> None:
    _, rays, behind = parts(4)
    arcs = SphereArcs.of(behind)
    _, ax = style.figure(4, 4)
    u, v = (np.array([float(x) for x in w]) for w in (rays.domain.u, rays.domain.v))
    half = Hemisphere.seen_from(arcs, [1, 2, 3])
    seen, hidden = great_circle(arcs, ax, half, u, v)
    for run in (*seen.get_segments(), *hidden.get_segments()):
        assert np.hypot(*run.T).max() <= 1 + 1e-12
    for region in rays.regions:
        cell = behind.regions[behind.locate(region.witness)]
        assert cell.code == region.code


def test_what_does_not_belong_together_is_refused() -> None:
    plane, rays, behind = parts(4)
    with pytest.raises(InvalidInput, match="of another network"):
        side_by_side_figure(plane, rays, subjects.normed())
    other = partition(rays.network, GreatCircle([1, 0, 0, 0], [0, 1, 0, 0]))
    with pytest.raises(InvalidInput, match="not those of this plane"):
        side_by_side_figure(plane, other, behind)
    aside = partition(
        plane.network, Plane([0, 0, 0, 1], [2, -1, 0, 1], [1, 1, -3, 0], s=(-1, 1), t=(-1, 1))
    )
    with pytest.raises(InvalidInput, match="through the origin"):
        side_by_side_figure(aside, rays, behind)
    _, ax = style.figure(4, 4)
    with pytest.raises(InvalidInput, match="nor that of the embedded one"):
        sectors(rays, ax, (np.eye(4)[:, :2], np.zeros(4)), plane.domain.bounds)
