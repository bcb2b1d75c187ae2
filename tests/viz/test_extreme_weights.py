"""Figures of networks whose rows reach from 1e-200 to 1e300, circles and balls of such sizes too:
drawn, without a warning.
"""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest

from exact import Box, LayerNorm, NormBall, Sphere, partition
from exact.sources import tensors
from viz.figures import adjacency, circle, ellipsoid, globe, norm_ball

RNG = np.random.default_rng(0)
WEIGHT, BIAS = RNG.integers(-16, 17, (6, 3)), RNG.integers(-8, 9, 6)


def rows(
    dim: int, size: Fraction, offset: Fraction = Fraction(1)
) -> tuple[list[list[Fraction]], list[Fraction]]:
    """Every other neuron times `size`, biases times `offset`."""
    scales = [size if j % 2 else Fraction(1) for j in range(6)]
    weight = [
        [s * Fraction(int(x), 8) for x in row[:dim]] for s, row in zip(scales, WEIGHT, strict=True)
    ]
    return weight, [s * offset * Fraction(int(b), 16) for s, b in zip(scales, BIAS, strict=True)]


OUT = ([[1] * 6, [1, -1] * 3], [0, 0])


@pytest.mark.parametrize("size", [Fraction(1, 10**200), Fraction(10) ** 300])
@pytest.mark.parametrize(
    "name", ["circle", "large circle", "adjacency", "globe", "ball", "ellipsoid"]
)
def test_figures_of_extreme_weights(name: str, size: Fraction) -> None:
    norm = tensors.block(*rows(3, size), *OUT, norm="layernorm", eps=size / 100)
    makers = {
        "circle": lambda: circle.circle_figure(
            partition(tensors.mlp([rows(2, size), OUT]), Sphere(radius_squared=1))
        ),
        "large circle": lambda: circle.circle_figure(
            partition(tensors.mlp([rows(2, size, size), OUT]), Sphere(radius_squared=size * size))
        ),
        "adjacency": lambda: adjacency.adjacency_figure(
            partition(tensors.mlp([rows(2, size), OUT]), Box(-size, size, dim=2))
        ),
        "globe": lambda: globe.globe_figure(
            partition(tensors.mlp([rows(3, size), OUT]), Sphere(radius_squared=size))
        ),
        "ball": lambda: norm_ball.norm_ball_figure(
            partition(norm, NormBall()), partition(norm, Sphere())
        ),
        "ellipsoid": lambda: ellipsoid.ellipsoid_figure(
            [LayerNorm.of(eps=0, gain=[size, 2 * size, 1])]
        ),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        made = makers[name]()
        figure = made[0] if isinstance(made, tuple) else made
        figure.draw_without_rendering()
    assert figure.axes
