"""The disc of eps > 0 inside the circle of eps = 0, and the critical radius over all directions."""

from functools import cache

import numpy as np
import pytest
from shapely import Polygon

from exact import InvalidInput, Network, NormBall, Sphere, partition
from exact.instruments.critical_radii import critical_radii
from exact.networks.layers import Block
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.norm_ball import NormBallPartition
from exact.sources import tensors
from tests.viz import drawn
from tests.viz.subjects import block, mlp
from viz import style
from viz.figures.norm_ball import critical_curve, norm_ball, norm_ball_figure
from viz.projections import CirclePlane


@cache
def shallow() -> Network:
    return block(7, shift=1.5)


@cache
def deep() -> Network:
    return Network((Block(mlp(3, 4, 3, 1, seed=3).blocks[0].layers, shallow().norms[0]),))


@cache
def both(name: str) -> tuple[NormBallPartition, CurvePartition]:
    network = {"shallow": shallow, "deep": deep}[name]()
    return partition(network, NormBall()), partition(network, Sphere())


@pytest.mark.parametrize("name", ["shallow", "deep"])
def test_cells_fill_the_disc_and_have_their_codes(name: str) -> None:
    ball, arcs = both(name)
    _, ax = style.figure()
    artists, plane = norm_ball(ball, arcs, ax), CirclePlane.of(arcs)
    assert artists.indices == tuple(range(len(ball)))
    polygons = [Polygon(path.vertices[:-1]) for path in artists.cells.get_paths()]
    assert sum(p.area for p in polygons) == pytest.approx(np.pi * 3, rel=1e-4)
    for index, polygon in zip(artists.indices, polygons, strict=True):
        inner = polygon.representative_point()
        point = np.array([inner.x, inner.y]) @ plane.axes
        assert ball.folded.code(point.tolist()) == ball.code_of(index)


def test_arcs_have_the_colours_of_their_cells() -> None:
    ball, arcs = both("shallow")
    _, ax = style.figure()
    artists = norm_ball(ball, arcs, ax)
    cells = {
        ball.code_of(i): colour
        for i, colour in zip(artists.indices, artists.cells.get_facecolors(), strict=True)
    }
    for region, colour in zip(arcs.regions, artists.ring.get_facecolors(), strict=True):
        np.testing.assert_allclose(
            cells[region.code][:3], style.tint(tuple(colour[:3]), style.SOFT)
        )
    assert len(artists.lines.get_segments()) == len(_cutting(ball))


def _cutting(ball: NormBallPartition) -> set[int]:
    """The neurons that separate cells of the ball."""
    return {
        hinge.neuron for cell in ball.regions for facet in cell.facets for hinge in facet.flipped
    }


@pytest.mark.parametrize("name", ["shallow", "deep"])
def test_curves_are_critical_radii(name: str) -> None:
    _, arcs = both(name)
    _, ax = style.figure(subplot_kw={"projection": "polar"})
    curve, _ = critical_curve(arcs.network, arcs, ax)
    angles, radii = (np.asarray(values) for values in curve.get_data())
    plane = CirclePlane.of(arcs)
    for k in np.flatnonzero(np.isfinite(radii))[::37]:
        expected = critical_radii(
            arcs.network, plane.points([angles[k]])[0].tolist()
        ).critical_radius_float
        assert radii[k] == pytest.approx(expected, rel=1e-6)
    crossings = len([c for c in arcs.crossings if not c.tangent])
    assert np.isnan(radii).sum() == crossings


@pytest.mark.parametrize("name", ["shallow", "deep"])
def test_the_whole_figure(name: str) -> None:
    ball, arcs = both(name)
    fig = norm_ball_figure(ball, arcs)
    lines = drawn.lines_of(fig)
    assert any(line.startswith(f"{len(ball)} cells of the disc |y| < √3") for line in lines)
    assert any(line.startswith(f"{arcs.cell_count} arcs") for line in lines)
    assert {
        "Critical radius of every direction",
        "ε beside the root",
        "arc of the circle (ε = 0)",
    } <= set(lines)
    assert drawn.faults(fig) == []


def test_a_ball_that_nothing_cuts() -> None:
    network = tensors.block([[1, 1, 1]], [1], [[1]], [0], norm="layernorm", eps=1)
    fig = norm_ball_figure(
        partition(network, NormBall()), partition(network, Sphere()), title="Uncut"
    )
    assert "Uncut" in drawn.lines_of(fig)
    assert drawn.faults(fig) == []


def test_bad_input() -> None:
    ball, arcs = both("shallow")
    _, ax = style.figure()
    with pytest.raises(InvalidInput, match="two dimensions"):
        norm_ball(partition(block(3, dim=4), NormBall()), arcs, ax)
    with pytest.raises(InvalidInput, match="not those of the ball"):
        norm_ball(ball, both("deep")[1], ax)
