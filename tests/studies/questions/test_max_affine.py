"""Claim 1.12: maxima of affine pieces and their soft forms, and layers that are neither."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from exact import (
    GELU,
    AbsoluteValue,
    AffineMap,
    Block,
    HardTanh,
    Layer,
    LeakyReLU,
    Network,
    ReLU,
    SiLU,
    rational,
    soft_codes,
)
from exact.arithmetic.numbers import FloatArray
from exact.instruments.batches.neurons.soft_codes import SoftCodes
from exact.networks.activations import Activation
from studies.finding import Verdict
from studies.questions.cells import max_affine

ROWS = np.array([[0.5, -1.0], [2.0, 1.0], [-1.0, 0.25], [0.0, 0.0]])
WEIGHT, BIAS = [[1.0, 2.0], [-1.0, 0.5], [0.0, 0.0]], [0.5, 1.0, 0.0]


def net(activation: Activation) -> Network:
    first, last = Layer.of(WEIGHT, BIAS, activation), Layer.of([[1.0, -1.0, 2.0]])
    return Network((Block((first, last)),))


@pytest.mark.parametrize(
    "activation", [ReLU(), LeakyReLU(rational("1/8", "slope")), AbsoluteValue()]
)
def test_maxima_hold(activation: Activation) -> None:
    found = max_affine.largest_finding("", net(activation), lambda: ROWS)
    assert found.verdict is Verdict.SUPPORTED and found.data["neurons_at_points"] == 12


def test_what_is_no_maximum_is_left_open() -> None:
    for activation in (HardTanh(), LeakyReLU(rational(2, "slope"))):
        found = max_affine.largest_finding("", net(activation), lambda: ROWS)
        assert found.verdict is Verdict.UNDECIDED and "not the largest" in found.why


def test_a_wrong_value_or_bit_is_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = AffineMap.__call__

    def off(self: AffineMap, argument: list[Fraction]) -> tuple[Fraction, ...]:
        return tuple(x + Fraction(1, 2**60) for x in honest(self, argument))

    monkeypatch.setattr(AffineMap, "__call__", off)
    assert max_affine.largest_finding("", net(ReLU()), lambda: ROWS).is_alarm
    monkeypatch.undo()
    layer = Layer.of([[1.0]], [0.0], ReLU())
    assert [max_affine.violations(layer, [Fraction(x)]) for x in (-1, 0, 1)] == [0, 0, 0]
    code = Network.code
    monkeypatch.setattr(Network, "code", lambda self, x: code(self, [-v for v in x]))
    assert [max_affine.violations(layer, [Fraction(x)]) for x in (-1, 0, 1)] == [1, 0, 1]


def test_gates_are_those_of_the_textbook() -> None:
    z = np.array([-3.0, -0.5, 0.0, 2.0])
    phi = [0.5 * (1 + math.erf(x / math.sqrt(2))) for x in z]
    assert max_affine.gate(GELU(), z) == pytest.approx(phi)
    assert max_affine.gate(SiLU(), z) == pytest.approx([1 / (1 + math.exp(-x)) for x in z])
    assert max_affine.gate(GELU("tanh"), z) == pytest.approx(phi, abs=1e-3)
    assert max_affine.gate(GELU("tanh"), z) != pytest.approx(phi, abs=1e-6)


def test_soft_codes_hold_and_other_gates_are_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    for activation in (ReLU(), GELU(), GELU("tanh"), SiLU()):
        assert max_affine.soft_finding("", net(activation), lambda: ROWS).verdict is (
            Verdict.SUPPORTED
        )
    honest = soft_codes

    def off(network: Network, rows: FloatArray) -> SoftCodes:
        found = honest(network, rows)
        return replace(found, gates_float=found.gates_float + 1e-9)

    monkeypatch.setattr(max_affine, "soft_codes", off)
    assert max_affine.soft_finding("", net(GELU()), lambda: ROWS).is_alarm
    monkeypatch.undo()
    monkeypatch.setattr(max_affine, "gate", lambda _, z: (z > 0) * 1.0)  # hard where it is soft
    assert max_affine.soft_finding("", net(GELU()), lambda: ROWS).is_alarm
