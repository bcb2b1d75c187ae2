"""The three panels show f, g and h of the norm."""

import numpy as np
import pytest

from exact import InvalidInput, LayerNorm, Norm, RMSNorm
from tests.viz import drawn
from viz import style
from viz.figures.layer_norm import LayerNormArtists, layer_norm, layer_norm_figure

CLOUD = np.random.default_rng(0).normal(size=(30, 3)) * [2, 1, 3] + [1, 0, 2]
CLASSES = np.arange(30) % 2
LAYER = LayerNorm.of(0, [1.5, 0.5, 1.0], [0.25, -0.5, 0.0])
RMS = RMSNorm.of(0, [1.5, 0.5, 1.0], [0.25, -0.5, 0.0])


def draw(norm: Norm, **options: object) -> LayerNormArtists:
    _, axes = style.space(3)
    return layer_norm(norm, CLOUD, axes, **options)


def points(artists: LayerNormArtists, panel: int) -> np.ndarray:
    return np.vstack([np.column_stack(cloud._offsets3d) for cloud in artists.clouds[panel]])


def test_f_projects_on_the_plane_orthogonal_to_ones() -> None:
    f = points(draw(LAYER), 0)
    np.testing.assert_allclose(f, CLOUD - CLOUD.mean(axis=1, keepdims=True), atol=1e-12)


def test_rms_norm_projects_nothing() -> None:
    np.testing.assert_allclose(points(draw(RMS), 0), CLOUD)


@pytest.mark.parametrize("norm", [LAYER, RMS])
def test_g_lands_on_the_sphere_and_h_is_the_norm(norm: Norm) -> None:
    artists = draw(norm)
    np.testing.assert_allclose(np.linalg.norm(points(artists, 1), axis=1), np.sqrt(3))
    np.testing.assert_allclose(points(artists, 2), norm.forward_float(CLOUD))


def test_with_eps_points_stay_inside_the_sphere() -> None:
    radii = np.linalg.norm(points(draw(LayerNorm.of(0.5, dim=3)), 1), axis=1)
    assert (radii < np.sqrt(3)).all()
    assert radii.max() > 1.5


def test_the_circle_becomes_an_ellipse() -> None:
    _, circle, ellipse = draw(LAYER).surfaces
    on_circle, on_ellipse = (np.column_stack(line.get_data_3d()) for line in (circle, ellipse))
    np.testing.assert_allclose(on_circle.sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(on_circle, axis=1), np.sqrt(3))
    np.testing.assert_allclose(on_ellipse, on_circle * [1.5, 0.5, 1] + [0.25, -0.5, 0])


def test_moves_join_before_and_after() -> None:
    artists = draw(LAYER)
    for panel, before in ((0, CLOUD), (1, points(artists, 0))):
        np.testing.assert_allclose(np.array(artists.moves[panel]._segments3d)[:, 0], before)
        np.testing.assert_allclose(
            np.array(artists.moves[panel]._segments3d)[:, 1], points(artists, panel)
        )


def test_classes_are_told_apart() -> None:
    artists = draw(LAYER, classes=CLASSES)
    assert [[len(cloud._offsets3d[0]) for cloud in panel] for panel in artists.clouds] == [
        [15, 15]
    ] * 3


@pytest.mark.parametrize("norm", [LAYER, RMS, LayerNorm.of(0.001, dim=3, eps_rule="std")])
def test_the_whole_figure(norm: Norm) -> None:
    fig = layer_norm_figure(norm, CLOUD, classes=CLASSES, class_names=("a", "b"))
    lines = drawn.lines_of(fig)
    assert {
        f"{type(norm).__name__} in three steps",
        "f: project",
        "g: scale",
        "h: gain and bias",
        "a",
        "b",
    } <= set(lines)
    assert sum(name in lines for name in ("x₁", "x₂", "x₃")) == 3
    assert any("ε = 0.001 beside the root" in line for line in lines) == (norm.eps != 0)
    assert drawn.faults(fig) == []


@pytest.mark.parametrize(
    ("norm", "cloud", "count", "message"),
    [
        (LayerNorm.of(dim=4), np.zeros((5, 4)), 3, "only norms of R"),
        (LAYER, np.zeros((5, 2)), 3, "does not fit R"),
        (LAYER, CLOUD, 2, "three panels"),
    ],
)
def test_bad_input(norm: Norm, cloud: np.ndarray, count: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        layer_norm(norm, cloud, style.space(count)[1])
