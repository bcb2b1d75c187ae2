"""Activations against torch in float64, and smooth ones against mpmath."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import torch
from flint import ctx

from exact.arithmetic.numbers import Ball, Rational, ball_precision, fraction
from exact.errors import InvalidInput, NotPiecewiseLinear
from exact.networks.activations import (
    GELU,
    AbsoluteValue,
    Activation,
    HardTanh,
    Identity,
    LeakyReLU,
    ReLU,
    SiLU,
    Smooth,
)
from tests.exact.reference import activate, q, real

Function = Callable[[torch.Tensor], torch.Tensor]
F = torch.nn.functional
PIECEWISE: list[tuple[Activation, Function]] = [
    (ReLU(), F.relu),
    (LeakyReLU(), F.leaky_relu),
    (LeakyReLU(0.25), lambda z: F.leaky_relu(z, 0.25)),
    (LeakyReLU(-2), lambda z: F.leaky_relu(z, -2.0)),
    (AbsoluteValue(), torch.abs),
    (HardTanh(), F.hardtanh),
    (HardTanh(0, 6), F.relu6),
    (HardTanh(-0.5, 3), lambda z: F.hardtanh(z, -0.5, 3.0)),
    (Identity(), lambda z: z),
]
SMOOTH: list[tuple[Smooth, Function]] = [
    (GELU(), F.gelu),
    (GELU("tanh"), lambda z: F.gelu(z, approximate="tanh")),
    (SiLU(), F.silu),
]
POINTS = np.concatenate([np.linspace(-8, 8, 4097), [0.0, 0.1, -0.1, 1e-300, -1e-300, 1e3, -1e3]])


def named(value: object) -> str:
    """The same test name in every process: a function's representation holds its address."""
    return repr(value) if isinstance(value, Activation) else "torch"


@pytest.mark.parametrize(("activation", "torch_function"), [*PIECEWISE, *SMOOTH], ids=named)
def test_forward_float_is_torch(activation: Activation, torch_function: Function) -> None:
    expected = torch_function(torch.from_numpy(POINTS)).numpy()
    np.testing.assert_allclose(activation.forward_float(POINTS), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("activation", "torch_function"), PIECEWISE, ids=named)
def test_pieces_are_the_function(activation: Activation, torch_function: Function) -> None:
    """The number of breakpoints below z selects the piece; quarters, where float64 makes no error,
    except the slope 0.01.
    """
    bends = [fraction(bend) for bend in activation.breakpoints]
    pieces = [(fraction(slope), fraction(intercept)) for slope, intercept in activation.pieces]
    assert len(pieces) == len(bends) + 1
    assert bends == sorted(set(bends))
    for z in (Fraction(k, 4) for k in range(-40, 41)):
        slope, intercept = pieces[sum(z > bend for bend in bends)]
        expected = float(torch_function(torch.tensor(float(z), dtype=torch.float64)))
        assert float(slope * z + intercept) == expected


@pytest.mark.parametrize(("activation", "_torch_function"), PIECEWISE, ids=named)
def test_pieces_join_at_the_breakpoints(activation: Activation, _torch_function: Function) -> None:
    pieces = [(fraction(slope), fraction(intercept)) for slope, intercept in activation.pieces]
    for bend, (left, right) in zip(
        map(fraction, activation.breakpoints), pairwise(pieces), strict=True
    ):
        assert left[0] * bend + left[1] == right[0] * bend + right[1]


def test_piecewise_linear_says_so() -> None:
    assert all(activation.is_piecewise_linear for activation, _ in PIECEWISE)
    assert not any(activation.is_piecewise_linear for activation, _ in SMOOTH)


@pytest.mark.parametrize("activation", [activation for activation, _ in SMOOTH], ids=repr)
def test_smooth_activations_have_one_bit_and_no_pieces(activation: Smooth) -> None:
    assert [fraction(bend) for bend in activation.breakpoints] == [0]
    with pytest.raises(NotPiecewiseLinear, match=activation.name.split("(")[0]):
        _ = activation.pieces


@pytest.mark.parametrize("bits", [60, 128, 350])
@pytest.mark.parametrize("activation", [activation for activation, _ in SMOOTH], ids=repr)
def test_forward_ball_encloses(activation: Smooth, bits: int) -> None:
    for z in (Fraction(k, 7) for k in (-200, -30, -7, -1, 0, 1, 2, 30, 200)):
        with ball_precision(bits):
            ball = activation.forward_ball(Ball(q(z)))
            (m, e), (k, f) = ball.mid().man_exp(), ball.rad().man_exp()
        with mpmath.workprec(1500):
            gap = abs(activate(activation, real(z)) - mpmath.ldexp(int(m), int(e)))
            reach = mpmath.ldexp(int(k), int(f))
            assert gap <= reach <= mpmath.mpf(2) ** (12 - bits)


def test_forward_ball_of_a_wide_ball_encloses_its_ends() -> None:
    for activation, _ in SMOOTH:
        image = activation.forward_ball(Ball(1, 0.5))
        for end in (0.5, 1.0, 1.5):
            assert image.contains(activation.forward_ball(Ball(end)).mid())


def test_parameters_are_exact() -> None:
    assert fraction(LeakyReLU().slope) == Fraction(0.01) != Fraction(1, 100)
    assert fraction(LeakyReLU("1/100").slope) == Fraction(1, 100)  # type: ignore[arg-type]
    assert LeakyReLU(0.5) == LeakyReLU(Fraction(1, 2))  # type: ignore[arg-type]
    assert [fraction(bend) for bend in HardTanh(0.1, "1/3").breakpoints] == [
        Fraction(0.1),
        Fraction(1, 3),
    ]  # type: ignore[arg-type]


@pytest.mark.parametrize(("lo", "hi"), [(1, -1), (1, 1)])
def test_hard_tanh_needs_an_interval(lo: int, hi: int) -> None:
    with pytest.raises(InvalidInput, match="lo < hi"):
        HardTanh(lo, hi)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Scaled(SiLU):
    """A smooth activation of a user, with a parameter that only its fields tell."""

    scale: Rational


def test_names_and_digests_do_not_depend_on_how_the_backend_prints() -> None:
    activations = [LeakyReLU(0.25), HardTanh(0, 6), Scaled(Rational(1, 3)), Scaled(Rational(1, 2))]
    before = [(activation.name, activation.digest) for activation in activations]
    assert before[2][0].endswith("Scaled(scale=1/3)")
    usual = ctx.pretty
    try:
        ctx.pretty = not usual
        assert [(activation.name, activation.digest) for activation in activations] == before
    finally:
        ctx.pretty = usual
    assert before[2][1] != before[3][1]


def test_names_tell_parameters_apart() -> None:
    activations = [
        ReLU(),
        LeakyReLU(),
        LeakyReLU(0.02),
        AbsoluteValue(),
        HardTanh(),
        HardTanh(0, 6),
        Identity(),
        GELU(),
        GELU("tanh"),
        SiLU(),
    ]
    assert len({activation.name for activation in activations}) == len(activations)


def test_a_form_of_gelu_that_is_not_known_is_refused() -> None:
    with pytest.raises(InvalidInput, match="unknown form of GELU; got 'sigmoid'"):
        GELU("sigmoid")  # type: ignore[arg-type]
