"""Norms against torch in float64, the definition at 100 digits, and the geometry of the image."""

from __future__ import annotations

import warnings
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
import torch
from torch import nn

from exact.arithmetic.numbers import RationalMatrix, fraction, fractions
from exact.errors import InvalidInput
from exact.networks.norms import EpsRule, LayerNorm, Norm, RMSNorm
from tests.exact.reference import Floats, normalise

KINDS: list[type[Norm]] = [LayerNorm, RMSNorm]


def batch(seed: int, dim: int, scale: float = 1.0) -> Floats:
    return np.random.default_rng(seed).normal(size=(6, dim)) * scale + 0.3


def parameters(seed: int, dim: int) -> tuple[Floats, Floats]:
    generator = np.random.default_rng(1000 + seed)
    return generator.normal(1, 0.5, dim), generator.normal(size=dim)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("eps", [0.0, 1e-5, 1e-12, 0.5])
@pytest.mark.parametrize("dim", [2, 5, 64])
def test_layer_norm_is_that_of_torch(dim: int, eps: float, scale: float) -> None:
    x, (gain, bias) = batch(dim, dim, scale), parameters(dim, dim)
    module = nn.LayerNorm(dim, eps=eps, dtype=torch.float64)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(gain))
        module.bias.copy_(torch.from_numpy(bias))
        expected = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(
        LayerNorm.of(eps, gain, bias).forward_float(x), expected, rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
@pytest.mark.parametrize("dim", [1, 5, 64])
def test_rms_norm_is_that_of_torch(dim: int, eps: float, scale: float) -> None:
    x, (gain, _) = batch(dim, dim, scale), parameters(dim, dim)
    module = nn.RMSNorm(dim, eps=eps, dtype=torch.float64)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(gain))
        expected = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(
        RMSNorm.of(eps, gain).forward_float(x), expected, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("rule", ["var", "std"])
@pytest.mark.parametrize("kind", KINDS)
def test_both_eps_rules_are_their_formulas(kind: type[Norm], rule: str) -> None:
    """The rules differ by far more than the error allowed here."""
    gain, bias = parameters(1, 4)
    norm = kind.of(Fraction(1, 10), gain, bias, eps_rule=rule)  # type: ignore[arg-type]
    for row in batch(1, 4):
        with mpmath.workdps(60):
            expected = normalise(
                norm, [mpmath.mpf(x) for x in row.tolist()], centred=kind is LayerNorm
            )
        np.testing.assert_allclose(
            norm.forward_float(row[None])[0], [float(x) for x in expected], rtol=1e-13
        )
    other = kind.of(Fraction(1, 10), gain, bias, eps_rule="std" if rule == "var" else "var")
    assert np.abs(norm.forward_float(batch(1, 4)) - other.forward_float(batch(1, 4))).max() > 1e-3


def test_std_rule_written_out() -> None:
    """(3, -1): mean 1, deviations (2, -2), standard deviation 2; eps 1/2 beside it gives 4/5, under
    it 2 / sqrt(9/2).
    """
    x = np.array([[3.0, -1.0]])
    np.testing.assert_allclose(
        LayerNorm.of(0.5, dim=2, eps_rule="std").forward_float(x), [[0.8, -0.8]], rtol=1e-15
    )
    np.testing.assert_allclose(
        LayerNorm.of(0.5, dim=2).forward_float(x), [[2 / 4.5**0.5, -2 / 4.5**0.5]], rtol=1e-15
    )


def test_the_two_shares_of_eps() -> None:
    for kind in KINDS:
        var, std = kind.of("1/7", dim=3), kind.of("1/7", dim=3, eps_rule="std")
        assert [fraction(x) for x in (var.eps_under_root, var.eps_beside_root)] == [
            Fraction(1, 7),
            0,
        ]
        assert [fraction(x) for x in (std.eps_under_root, std.eps_beside_root)] == [
            0,
            Fraction(1, 7),
        ]


@pytest.mark.parametrize("dim", [1, 2, 3, 7])
def test_projection_removes_the_mean_exactly(dim: int) -> None:
    rows = [[Fraction(i * i - 2, 3), Fraction(i, 7)] for i in range(dim)]
    columns = RationalMatrix.from_rationals(rows).exact
    means = [sum(column) / dim for column in zip(*rows, strict=True)]
    projected = LayerNorm.of(dim=dim).project(columns)
    assert RationalMatrix.from_backend(projected).tolist() == [
        [x - m for x, m in zip(row, means, strict=True)] for row in rows
    ]
    assert LayerNorm.of(dim=dim).project(projected) == projected
    assert RMSNorm.of(dim=dim).project(columns) == columns


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_sphere_basis_spans_the_image(dim: int) -> None:
    for kind, size in ((LayerNorm, dim - 1), (RMSNorm, dim)):
        norm = kind.of(dim=dim)
        basis = [fractions(vector) for vector in norm.sphere_basis()]
        assert norm.sphere_dim == len(basis) - 1 == size - 1
        assert (
            sympy.Matrix([[sympy.Rational(str(x)) for x in vector] for vector in basis]).rank()
            == size
        )
        columns = RationalMatrix.from_rationals(list(zip(*basis, strict=True))).exact
        assert norm.project(columns) == columns


def test_missing_gain_and_bias_are_one_and_zero() -> None:
    norm = LayerNorm.of(dim=3)
    assert norm.gain.tolist() == [[1]] * 3
    assert norm.bias.tolist() == [[0]] * 3
    assert fraction(norm.eps) == Fraction(1e-5)
    assert RMSNorm.of(gain=[1, 2]).dim == LayerNorm.of(bias=[0, 0]).dim == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"dim": 0},
        {"dim": 3, "gain": [1, 2]},
        {"dim": 2, "eps_rule": "mean"},
        {"dim": 2, "eps": -1},
    ],
)
def test_what_is_no_norm_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        LayerNorm.of(**arguments)  # type: ignore[arg-type]


def test_repr_tells_norms_apart() -> None:
    norms = [
        LayerNorm.of(dim=3),
        RMSNorm.of(dim=3),
        LayerNorm.of(dim=4),
        LayerNorm.of(dim=3, eps_rule="std"),
        LayerNorm.of(0, dim=3),
    ]
    assert len({repr(norm) for norm in norms}) == len(norms)


def test_image_at_eps_zero_is_the_sphere() -> None:
    """|y|^2 = n before gain and bias, and the coordinates of a LayerNorm sum to zero."""
    for kind in KINDS:
        y = kind.of(0, dim=5).forward_float(batch(3, 5))
        np.testing.assert_allclose((y**2).sum(axis=1), 5, rtol=1e-12)
    np.testing.assert_allclose(
        LayerNorm.of(0, dim=5).forward_float(batch(3, 5)).sum(axis=1), 0, atol=1e-12
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_dimension_is_that_of_gain_or_bias(kind: type[Norm]) -> None:
    column = RationalMatrix.from_rationals([1, "1/3", 2])
    for given in (
        {"gain": column},
        {"bias": column},
        {"gain": [1, "1/3", 2], "bias": column},
        {"dim": np.int64(3)},
    ):
        assert (kind.of(0, **given).dim, type(kind.of(0, **given).dim)) == (3, int)
    assert kind.of(0, bias=column).bias == column
    assert kind.of(0, gain=torch.tensor([1.0, 2.0])).dim == 2


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1.0, 1e200, 1e308])
@pytest.mark.parametrize(
    "eps", [Fraction(0), Fraction(1, 10**400), Fraction(1, 10**5), Fraction(10) ** 300]
)
@pytest.mark.parametrize("rule", ["var", "std"])
@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_floats_of_inputs_of_any_size(
    kind: type[Norm], rule: EpsRule, eps: Fraction, size: float
) -> None:
    x = np.array([[3.0, -1.0, 0.5, 1.5]]) * (size / 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = kind.of(eps, dim=4, eps_rule=rule).forward_float(x)[0]
    with mpmath.workprec(3000):
        row = [mpmath.mpf(v) for v in x[0].tolist()]
        row = [v - sum(row) / 4 for v in row] if kind is LayerNorm else row
        small, square = mpmath.mpf(eps.numerator) / eps.denominator, sum(v * v for v in row) / 4
        scale = mpmath.sqrt(square + small) if rule == "var" else mpmath.sqrt(square) + small
        known = [float(v / scale) for v in row]
    np.testing.assert_allclose(found, known, rtol=1e-13 if size > 1e-320 else 1e-2, atol=1e-323)
