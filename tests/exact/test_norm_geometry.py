"""The maps f, g, h, images and membership, and the axes of the ellipsoid: against torch-like
floats, SymPy and eigenvalues.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy

from exact import InvalidInput, LayerNorm, Norm, RMSNorm
from exact.arithmetic.numbers import fraction, rational
from exact.arithmetic.surds import Surd
from exact.instruments.norm_geometry import (
    Axis,
    decompose,
    ellipsoid,
    image,
    image_points,
    is_image,
    side_of,
)

KINDS: list[type[Norm]] = [LayerNorm, RMSNorm]
GAINS: list[list[Any]] = [
    [1, 2, 3],
    [1, 1, 1],
    [1, -1, 2, 2],
    [0, 1, 2],
    [0, 0, 1, 2],
    [0, 0, 0],
    [3, "1/2"],
    [0, 3],
    [2],
    ["1/3", -2, 2, 0, "1/3", 5],
    [0.3, 0.7, 1.1, -0.2, 0.9],
    [1, 1 + 2.0**-40, 1 + 2.0**-39, 1 + 2.0**-30],
    np.random.default_rng(0).normal(size=16).tolist(),
]


def table(norm: Norm) -> np.ndarray[Any, Any]:
    """n diag(gain) P diag(gain), whose nonzero eigenvalues are the squared semi-axes."""
    n, gain = norm.dim, norm.gain.float64()[:, 0]
    projector = np.eye(n) - (1 / n if isinstance(norm, LayerNorm) else 0)
    return np.asarray(n * np.diag(gain) @ projector @ np.diag(gain))


def value(x: Surd) -> sympy.Expr:
    return sympy.nsimplify(x.sympy())


@pytest.mark.parametrize("rule", ["var", "std"])
@pytest.mark.parametrize("eps", [0, "1/7"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_image_is_the_definition(kind: type[Norm], eps: object, rule: Any) -> None:
    """Written out in SymPy, with square roots left alone."""
    gain, bias, x = [2, "-1/3", 1], [0, 1, "1/2"], [1, 2, Fraction(-1, 5)]
    norm = kind.of(eps, gain, bias, eps_rule=rule)
    values = [sympy.Rational(str(v)) for v in x]
    mean = sum(values) / 3 if kind is LayerNorm else 0
    centred = [v - mean for v in values]
    square, e = sum(v * v for v in centred) / 3, sympy.Rational(str(eps))
    scale = sympy.sqrt(square + e) if rule == "var" else sympy.sqrt(square) + e
    parts = zip(map(str, gain), centred, map(str, bias), strict=True)
    expected = [sympy.Rational(g) * v / scale + sympy.Rational(b) for g, v, b in parts]
    found = [one.sympy() for one in image(norm, x)]
    assert all(sympy.simplify(a - b) == 0 for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("rule", ["var", "std"])
@pytest.mark.parametrize("kind", KINDS)
def test_maps_compose(kind: type[Norm], rule: Any) -> None:
    norm = kind.of("1/2", [1, 2, 3, 0], [1, 1, 0, 0], eps_rule=rule)
    f, g, h = decompose(norm)
    x = [3, 1, "1/2", -2]
    assert h(g(f(x))) == image(norm, x)
    assert f(f(x)) == f(x)
    entries = [rational(v) for v in x]
    assert list(f(x)) == [
        sum((fraction(f.matrix[i, j] * entries[j]) for j in range(4)), Fraction(0))
        for i in range(4)
    ]
    points = image_points(norm, np.random.default_rng(0).normal(size=(20, 4)))
    exact = [[float(v) for v in points.exact(i)] for i in range(len(points))]
    np.testing.assert_allclose(points.float64, exact, rtol=1e-12)


def test_lengths_behind_the_scaling() -> None:
    """|g(v)|^2: n for eps = 0, n |v|^2 / (|v|^2 + n eps) for "var".

    At |v| = sqrt(n) eps |g(v)| is half of sqrt(n) for "std".
    """
    _, sphere, _ = decompose(RMSNorm.of(0, dim=2))
    assert sum(float(v) ** 2 for v in sphere([3, 5])) == pytest.approx(2)
    _, ball, _ = decompose(RMSNorm.of("1/2", dim=4))
    assert [v.sympy() for v in ball([1, 1, 0, 0])] == [1, 1, 0, 0]
    _, beside, _ = decompose(RMSNorm.of(1, dim=4, eps_rule="std"))
    assert [v.sympy() for v in beside([2, 0, 0, 0])] == [1, 0, 0, 0]


def test_what_is_undefined_is_refused() -> None:
    f, g, _ = decompose(LayerNorm.of(0, dim=3))
    with pytest.raises(InvalidInput, match="undefined"):
        g(f([2, 2, 2]))
    assert [v.sympy() for v in image(LayerNorm.of(1, dim=3, bias=[1, 2, 3]), [2, 2, 2])] == [
        1,
        2,
        3,
    ]
    for call in (
        lambda: f([1, 2]),
        lambda: side_of(LayerNorm.of(0, dim=3), [1]),
        lambda: image_points(LayerNorm.of(0, dim=3), np.zeros((2, 2))),
    ):
        with pytest.raises(InvalidInput, match="fit"):
            call()


@pytest.mark.parametrize("gain", GAINS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_axes_are_eigenvectors(kind: type[Norm], gain: list[Any]) -> None:
    norm = kind.of(0, gain)
    found, matrix = ellipsoid(norm), table(norm)
    expected = np.linalg.eigvalsh(matrix)[::-1]
    squares = [axis.length_float**2 for axis in found.axes for _ in range(axis.multiplicity)]
    assert (
        found.dim
        == len(squares)
        == min(sum(g != 0 for g in norm.gain.column()), norm.sphere_dim + 1)
    )
    np.testing.assert_allclose(squares, expected[: len(squares)], rtol=1e-9, atol=1e-12)
    for axis in found.axes:
        rows = axis.directions_float
        np.testing.assert_allclose(rows @ rows.T, np.eye(axis.multiplicity), atol=1e-12)
        np.testing.assert_allclose(
            rows @ matrix, rows * axis.length_float**2, atol=1e-9 * max(1.0, squares[0])
        )
        assert axis.direction_error < 2.0**-52
        assert axis.bounds[0] <= axis.bounds[1]


@pytest.mark.parametrize("gain", GAINS[:-1], ids=str)
def test_axes_are_exact_where_they_are_called_so(gain: list[Any]) -> None:
    """M u = t u with surds, and t between the bounds; irrational axes change the sign of det(M - t)
    across their bounds.
    """
    norm = LayerNorm.of(0, gain)
    n, g = norm.dim, [fraction(x) for x in norm.gain.column()]
    entries = [
        [Fraction(int(i == j)) * g[i] * g[i] - g[i] * g[j] / n for j in range(n)] for i in range(n)
    ]
    for axis in ellipsoid(norm).axes:
        low, high = (Surd(rational(b)) for b in axis.bounds)
        if axis.squared is not None:
            assert low.compare(axis.squared) <= 0 <= high.compare(axis.squared)
            assert axis.directions is not None
            assert all(is_eigenvector(entries, row, axis) for row in axis.directions)
        elif low.compare(high) < 0:
            signs = [determinant_sign(entries, end / n) for end in axis.bounds]
            assert signs[0] * signs[1] < 0


def is_eigenvector(entries: list[list[Fraction]], row: tuple[Surd, ...], axis: Axis) -> bool:
    assert axis.squared is not None
    image_ = [
        sum((x.scaled(rational(m)) for m, x in zip(line, row, strict=True)), Surd(rational(0)))
        for line in entries
    ]
    scaled = [x * axis.squared.scaled(rational(Fraction(1, len(row)))) for x in row]
    return any(x.sign() for x in row) and all(
        (a - b).sign() == 0 for a, b in zip(image_, scaled, strict=True)
    )


def determinant_sign(entries: list[list[Fraction]], t: Fraction) -> int:
    shifted = sympy.Matrix(
        [
            [sympy.Rational(x - t * (i == j)) for j, x in enumerate(line)]
            for i, line in enumerate(entries)
        ]
    )
    return int(sympy.sign(shifted.det()))


def test_known_ellipses() -> None:
    """diag(gain) P diag(gain) of gain (1, 1, 2), and a zero gain, which is quadratic; RMSNorm
    beside it.
    """
    assert [
        value(a.squared)
        for a in ellipsoid(LayerNorm.of(0, [1, 1, 2])).axes
        if a.squared is not None
    ] == [9, 3]
    flat = ellipsoid(LayerNorm.of(0, [0, 1, 2], [5, 0, 1]))
    assert [a.squared.sympy() for a in flat.axes if a.squared is not None] == [
        5 + sympy.sqrt(13),
        5 - sympy.sqrt(13),
    ]
    assert flat.centre == (5, 0, 1)
    rms = ellipsoid(RMSNorm.of(0, [1, -2, 1]))
    assert [(a.squared, a.multiplicity) for a in rms.axes] == [
        (Surd(rational(12)), 1),
        (Surd(rational(3)), 2),
    ]
    assert rms.axes[0].directions_float.tolist() == [[0, 1, 0]]
    assert rms.axes[1].directions_float.tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("kind", "gain", "dim", "solid"),
    [
        (LayerNorm, [1, 2, 3], 2, False),
        (LayerNorm, [0, 2, 3], 2, False),
        (LayerNorm, [0, 0, 3], 1, True),
        (LayerNorm, [0, 0, 0], 0, True),
        (LayerNorm, [0, 1], 1, False),
        (LayerNorm, [0, 0], 0, True),
        (LayerNorm, [5], 0, False),
        (RMSNorm, [1, 2, 3], 3, False),
        (RMSNorm, [0, 2, 3], 2, True),
        (RMSNorm, [0], 0, True),
        (RMSNorm, [5], 1, False),
    ],
)
def test_zero_gains_flatten(kind: type[Norm], gain: list[int], dim: int, solid: bool) -> None:
    found = ellipsoid(kind.of(0, gain))
    assert (found.dim, found.is_solid) == (dim, solid)


@pytest.mark.parametrize("gain", GAINS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_images_lie_on_the_ellipsoid(kind: type[Norm], gain: list[Any]) -> None:
    """Along every axis an image is at most the semi-axis away from the centre, and in no other
    direction at all.
    """
    norm = kind.of(0, gain, [0.5] * len(gain))
    if norm.sphere_dim < 0:
        return
    points = norm.forward_float(np.random.default_rng(1).normal(size=(200, norm.dim))) - 0.5
    found = ellipsoid(norm)
    rows = np.concatenate(
        [np.zeros((0, norm.dim)), *(axis.directions_float for axis in found.axes)]
    )
    lengths = np.array([axis.length_float for axis in found.axes for _ in range(axis.multiplicity)])
    np.testing.assert_allclose(points @ rows.T @ rows, points, atol=1e-6)
    sums = (
        ((points @ rows.T / lengths) ** 2).sum(axis=1)
        if len(lengths) and min(lengths) > 2.0**-10
        else np.ones(1)
    )
    np.testing.assert_allclose(np.maximum(sums, 1) if found.is_solid else sums, 1, atol=1e-6)


@pytest.mark.parametrize("rule", ["var", "std"])
def test_membership(rule: Any) -> None:
    """In, out and off the flat; eps decides whether the inside or the edge is the image."""
    sphere, ball = (LayerNorm.of(eps, [2, 2, 1], [1, 0, 0], eps_rule=rule) for eps in (0, "1/100"))
    inside = [1 + 2, 0 - 2, 0]  # y = (1, -1, 0) has |y|^2 = 2 < 3
    # y = (7, -1, -6) / 5 has |y|^2 = 86 / 25
    outside = [1 + 2 * Fraction(7, 5), Fraction(-2, 5), Fraction(-6, 5)]
    assert [side_of(sphere, p) for p in (inside, outside, [1, 0, 0], [1, 0, 1])] == [
        -1,
        1,
        -1,
        None,
    ]
    assert [is_image(sphere, p) for p in (inside, outside, [1, 0, 0], [1, 0, 1])] == [False] * 4
    assert [is_image(ball, p) for p in (inside, outside, [1, 0, 0], [1, 0, 1])] == [
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("shift", [-Fraction(1, 2**50), Fraction(0), Fraction(1, 2**50)])
def test_membership_to_the_last_bit(shift: Fraction) -> None:
    """y = (2, -1/2, -1/2, -1/2, -1/2) has |y|^2 = 5 = n exactly."""
    point = [2 + shift, *[Fraction(-1, 2) - shift / 4] * 4]
    sphere, ball = LayerNorm.of(0, dim=5), LayerNorm.of(1, dim=5)
    assert side_of(sphere, point) == (shift > 0) - (shift < 0)
    assert (is_image(sphere, point), is_image(ball, point)) == (shift == 0, shift < 0)


def test_membership_of_flattened_images() -> None:
    """A zero gain lets its coordinate of y take any value: RMSNorm of gain (0, 1) is the segment
    |z| <= sqrt(2).
    """
    rms = RMSNorm.of(0, [0, 1], [3, 0])
    assert [is_image(rms, [3, z]) for z in (0, "7/5", "3/2")] == [True, True, False]
    assert side_of(rms, [2, 0]) is None
    layer = LayerNorm.of(0, [0, 0, 1, 1])  # y_1 + y_2 = -(z_3 + z_4), least when equal
    assert [
        side_of(layer, [0, 0, *z]) for z in ([1, 0], ["1/2", "1/2"], [1, 1], ["3/2", "1/2"], [2, 0])
    ] == [-1, -1, 0, 1, 1]
    assert [is_image(layer, [0, 0, *z]) for z in ([1, 1], [0, 0], [2, 0])] == [True, True, False]
    point = LayerNorm.of(1, [2], [7])
    assert (
        is_image(point, [7]),
        is_image(point, [8]),
        is_image(LayerNorm.of(0, [2], [7]), [7]),
    ) == (True, False, False)


def test_wide_norms_have_certified_axes() -> None:
    gain = np.random.default_rng(3).normal(size=96).astype(np.float32)
    norm = LayerNorm.of(0, gain)
    found = ellipsoid(norm)
    squares = np.array([axis.length_float**2 for axis in found.axes])
    np.testing.assert_allclose(squares, np.linalg.eigvalsh(table(norm))[:0:-1], rtol=1e-8)
    assert all(float(axis.bounds[1] - axis.bounds[0]) < 2.0**-30 for axis in found.axes)
