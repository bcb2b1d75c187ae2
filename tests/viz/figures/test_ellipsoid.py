"""The ellipsoid of a norm: outline, net, semi-axes with exact lengths, and images that lie on
it.
"""

import numpy as np
import pytest

from exact import InvalidInput, LayerNorm, Norm, RMSNorm
from tests.viz import drawn
from viz import style
from viz.figures.ellipsoid import EllipsoidArtists, ellipsoid, ellipsoid_figure

GAIN, BIAS = [1.5, 0.5, 1.0], [0.25, -0.5, 0.0]
CLOUD = np.random.default_rng(0).normal(size=(40, 3))


def draw(norm: Norm, **options: object) -> EllipsoidArtists:
    _, ax = style.figure()
    return ellipsoid(norm, ax, **options)


def test_the_ellipse_has_the_exact_semi_axes() -> None:
    artists = draw(LayerNorm.of(0, GAIN, BIAS), points=CLOUD)
    squares = [21 / 4, 7 / 4]
    assert [text.get_text() for text in artists.labels] == ["√(21/4)", "√(7/4)"]
    for k, line in enumerate(artists.semi_axes):
        np.testing.assert_allclose(
            line.get_xydata()[1], np.eye(2)[k] * squares[k] ** 0.5, atol=1e-12
        )
    for curve in (artists.outline.get_xydata(), artists.points[0].get_offsets()):
        np.testing.assert_allclose((np.asarray(curve) ** 2 / squares).sum(axis=1), 1)
    assert artists.net == ()


def test_with_eps_images_lie_inside() -> None:
    artists = draw(LayerNorm.of(0.5, GAIN, BIAS), points=CLOUD)
    values = (np.asarray(artists.points[0].get_offsets()) ** 2 / [21 / 4, 7 / 4]).sum(axis=1)
    assert (values < 1).all()
    assert values.max() > 0.5


@pytest.mark.parametrize("norm", [RMSNorm.of(0, GAIN), LayerNorm.of(0, [1, 2, 3, 1])], ids=repr)
def test_the_outline_holds_everything_that_is_drawn(norm: Norm) -> None:
    """In parallel projection the outline of an ellipsoid is an ellipse around net, semi-axes and
    images.
    """
    artists = draw(norm, points=np.random.default_rng(1).normal(size=(200, norm.dim)))
    outline = artists.outline.get_xydata()
    table = np.linalg.inv(np.cov(outline[:-1].T, bias=True) * 2)
    np.testing.assert_allclose(np.einsum("ki,ij,kj->k", outline, table, outline), 1, atol=1e-2)
    inside = [
        np.concatenate([line.get_xydata() for line in artists.semi_axes]),
        np.asarray(artists.points[0].get_offsets()),
    ]
    inside += [np.concatenate(net.get_segments()) for net in artists.net]
    assert all((np.einsum("ki,ij,kj->k", points, table, points) < 1.01).all() for points in inside)
    near, far = (len(net.get_segments()) for net in artists.net)
    assert near > 0 < far


def test_lengths_that_have_no_short_root_are_decimals() -> None:
    texts = [text.get_text() for text in draw(LayerNorm.of(0, [1, 2, 3, 1])).labels]
    assert texts == ["5.43", "3.4", "2"]
    assert [text.get_text() for text in draw(RMSNorm.of(0, [0.3, 1])).labels] == ["√2", "0.424"]


@pytest.mark.parametrize(
    "norms",
    [
        [LayerNorm.of(0, GAIN, BIAS), RMSNorm.of(0, GAIN, BIAS)],
        [LayerNorm.of("1/2", [1, 2, 3, 1])],
        [RMSNorm.of(0, [1, 0, 2]), RMSNorm.of(0, [1, 1, 1])],
    ],
)
def test_the_whole_figure(norms: list[Norm]) -> None:
    fig = ellipsoid_figure(norms)
    lines = drawn.lines_of(fig)
    assert "What gain and bias make of a norm's sphere" in lines
    assert sum("semi-axes: roots of" in line for line in lines) == len(norms)
    assert any("the inside too" in line for line in lines) == any(
        0 in n.gain.column() for n in norms
    )
    assert drawn.faults(fig) == []


def test_bad_input() -> None:
    for norm in (LayerNorm.of(0, dim=2), RMSNorm.of(0, dim=4), RMSNorm.of(0, [0, 0, 1])):
        with pytest.raises(InvalidInput, match="two or three"):
            draw(norm)
    with pytest.raises(InvalidInput, match="rows of 3"):
        draw(LayerNorm.of(0, GAIN), points=np.zeros((4, 2)))
