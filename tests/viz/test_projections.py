"""The float planes agree with the exact objects that they show."""

import numpy as np
import pytest

from exact import (
    Box,
    GreatCircle,
    InvalidInput,
    LayerNorm,
    Ray,
    RMSNorm,
    Segment,
    Sphere,
    partition,
)
from exact.arithmetic.numbers import nearest_floats
from tests.viz import subjects
from viz.projections import (
    CirclePlane,
    image_basis,
    line_in_space,
    orthonormal,
    outputs_on_circle,
    outputs_on_line,
    view_beside,
    without_gain_and_bias,
)

CIRCLES = [subjects.five_arcs, subjects.arcs, subjects.geodesic]


def middles(circle: object) -> np.ndarray:
    return np.array([sum(region.parameters_float) / 2 for region in circle.regions])


@pytest.mark.parametrize("behind", [False, True])
def test_of_an_ellipse_the_plane_is_that_of_its_parameter(behind: bool) -> None:
    found = subjects.ellipse(behind)
    plane, angles = CirclePlane.of(found), middles(found)
    starts = [region.parameters_float[0] for region in found.regions]
    ends = [region.endpoints_float[0] for region in found.regions]
    np.testing.assert_allclose(plane.points(starts), ends, atol=1e-12)
    np.testing.assert_allclose(plane.seen(plane.points(angles)), plane.flat_points(angles))
    for region, point in zip(found.regions, plane.points(angles), strict=True):
        assert found.network.code(point) == region.code
    outputs = found.network.forward_float(plane.points(angles))
    np.testing.assert_array_equal(outputs_on_circle(found, angles), outputs)
    if not behind:
        normals, offsets = plane.first_layer(found.network)
        on = plane.flat_points(angles) @ normals.T + offsets > 0
        codes = [region.code.bits[: on.shape[1]] for region in found.regions]
        np.testing.assert_array_equal(on, np.array(codes))


def test_orthonormal_rows_span_and_keep_the_first_direction() -> None:
    vectors = np.array([[-3.0, 0, 4], [1, 1, 1]])
    rows = orthonormal(vectors)
    np.testing.assert_allclose(rows @ rows.T, np.eye(2), atol=1e-15)
    np.testing.assert_allclose(rows[0], vectors[0] / 5)
    np.testing.assert_allclose(vectors @ rows.T @ rows, vectors, atol=1e-14)
    assert rows[1] @ vectors[1] > 0


def test_image_of_layer_norm_is_orthogonal_to_ones_and_of_rms_norm_everything() -> None:
    basis = image_basis(LayerNorm.of(dim=4))
    assert basis.shape == (3, 4)
    np.testing.assert_allclose(basis @ np.ones(4), 0, atol=1e-15)
    np.testing.assert_allclose(image_basis(RMSNorm.of(dim=3)), np.eye(3))


def test_without_gain_and_bias_is_the_bare_norm() -> None:
    x = np.array([[1.0, 2, 6]])
    bare = without_gain_and_bias(LayerNorm.of(0, [2, 3, 4], [1, 1, 1])).forward_float(x)
    np.testing.assert_allclose(bare, (x - 3) * np.sqrt(3) / np.linalg.norm(x - 3))


@pytest.mark.parametrize("circle", CIRCLES)
def test_angles_are_those_of_the_exact_crossings(circle: object) -> None:
    found = circle()
    plane = CirclePlane.of(found)
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-12)
    for region in found.regions[:6]:
        start, _ = region.endpoints_float
        norm = found.network.blocks[0].norm
        exact = start if norm is None else start - start.mean()
        flat = plane.points([region.parameters_float[0]])[0]
        np.testing.assert_allclose(
            flat / np.linalg.norm(flat), exact / np.linalg.norm(exact), atol=1e-12
        )
        assert np.linalg.norm(flat) == pytest.approx(plane.radius)


@pytest.mark.parametrize("circle", CIRCLES)
def test_signs_of_the_first_layer_are_the_bits_of_the_arcs(circle: object) -> None:
    found = circle()
    plane = CirclePlane.of(found)
    normals, offsets = plane.first_layer(found.network)
    values = plane.flat_points(middles(found)) @ normals.T + offsets
    assert ((values > 0) == found.bits[:, : len(offsets)]).all()


def test_every_breakpoint_is_a_line() -> None:
    from exact import HardTanh
    from exact.sources import tensors

    found = partition(
        tensors.mlp([([[2, 0]], [1]), ([[1]], [0])], activation=HardTanh(-1, 3)),
        Sphere(radius_squared=4),
    )
    normals, offsets = CirclePlane.of(found).first_layer(found.network)
    assert sorted(offsets / normals[:, 0]) == [-1, 1]
    assert found.cell_count == 4


@pytest.mark.parametrize("circle", CIRCLES)
def test_outputs_on_a_circle_are_the_exact_affine_maps(circle: object) -> None:
    found = circle()
    angles = middles(found)
    points, outputs = CirclePlane.of(found).points(angles), outputs_on_circle(found, angles)
    for region, point, output in zip(found.regions, points, outputs, strict=True):
        matrix, offset = region.affine.float64()
        np.testing.assert_allclose(matrix @ point + offset, output, rtol=1e-9, atol=1e-9)


def test_outputs_on_a_line_are_the_forward_pass() -> None:
    network = subjects.block(4)
    ray = partition(network, Ray([1, 2, 0], [0, 1, 3]))
    origin, step = line_in_space(ray)
    np.testing.assert_allclose((origin, step), ([1, 2, 0], [0, 1, 3]))
    np.testing.assert_allclose(outputs_on_line(ray, [0.5]), network.forward_float([[1, 2.5, 1.5]]))
    segment = partition(subjects.mlp(2, 3, 1), Segment([1, 2], [3, 5]))
    np.testing.assert_allclose(line_in_space(segment), ([1, 2], [2, 3]))


def test_radius_names() -> None:
    assert CirclePlane(np.eye(2), 3**0.5).radius_name == "√3"
    assert CirclePlane(np.eye(2), 8.0).radius_name == "8"
    assert CirclePlane(np.eye(2), 0.75**0.5).radius_name == "0.866"


def test_what_is_no_circle_is_refused() -> None:
    with pytest.raises(InvalidInput, match="draws circles"):
        CirclePlane.of(partition(subjects.mlp(2, 3, 1), Segment([0, 0], [1, 1])))
    with pytest.raises(InvalidInput, match="draws circles"):
        CirclePlane.of(partition(subjects.mlp(2, 3, 1), Box(-1, 1, dim=2)))
    with pytest.raises(InvalidInput, match="pair of points"):
        CirclePlane.of(partition(subjects.block(3, dim=2), Sphere()))
    with pytest.raises(InvalidInput, match="no parameter t"):
        line_in_space(subjects.arcs())


def test_a_skip_before_later_blocks_is_refused() -> None:
    from exact import Network
    from exact.sources import tensors

    weights = np.eye(3), np.zeros(3), np.eye(3), np.zeros(3)
    skipping, plain = (
        tensors.block(*weights, norm="layernorm", residual=True),
        tensors.block(*weights),
    )
    alone = partition(skipping, GreatCircle([1, 0, 0], [0, 1, 0]))
    folded = alone.network.folded().forward_float(CirclePlane.of(alone).points([0.3]))
    np.testing.assert_allclose(outputs_on_circle(alone, [0.3]), folded)
    both = partition(Network(skipping.blocks), Sphere())
    both.network = Network((*skipping.blocks, *plain.blocks))
    with pytest.raises(InvalidInput, match="more than the direction"):
        outputs_on_circle(both, [0.3])


def test_view_turns_away_from_the_direction() -> None:
    assert view_beside((1.0, 1.0, 1.0), turn=45, elevation=20) == (20, 0)


def test_exact_bases_are_read_without_loss() -> None:
    assert nearest_floats(LayerNorm.of(dim=3).sphere_basis()[0]).tolist() == [1, -1, 0]
