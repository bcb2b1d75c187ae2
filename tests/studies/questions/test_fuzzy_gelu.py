"""Claim 0.9 on hand-made layers: gaps, bands, and whether bands overlap."""

from __future__ import annotations

import math

import numpy as np
import pytest

from exact import GELU, Network, ReLU, SiLU
from exact.networks.activations import Activation
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.directions import fuzzy_gelu as asked
from studies.questions.shared.one_hidden_layer import Rows
from studies.statistics import Degenerate
from studies.subjects import Toy
from tests.studies.questions.made_nets import measured
from toy_models import make

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED


def one_neuron(activation: Activation) -> Network:
    return tensors.mlp([([[1.0]], None), ([[1.0]], None)], activation)


@pytest.mark.parametrize(
    ("activation", "value"),
    [
        (GELU(), lambda z: z * (1 + math.erf(z / math.sqrt(2))) / 2),
        (
            GELU("tanh"),
            lambda z: z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))) / 2,
        ),
        (SiLU(), lambda z: z / (1 + math.exp(-z))),
    ],
)
def test_gap_and_entropy_are_those_of_the_closed_form(activation, value) -> None:  # type: ignore[no-untyped-def]
    points = [0.5, 2.0, -0.7]
    found = asked.Fuzz.of(one_neuron(activation), np.array([[z] for z in points]))
    gates = [value(z) / z for z in points]
    gaps = [abs(value(z) - max(z, 0)) / abs(value(z)) if value(z) else 1 for z in points]
    assert found.gap.tolist() == pytest.approx(gaps)
    assert found.band.tolist() == [1, 0, 1]
    bits = [-(g * math.log2(g) + (1 - g) * math.log2(1 - g)) for g in gates]
    assert found.entropy.tolist() == pytest.approx(bits)


def test_the_tanh_form_is_not_phi() -> None:
    points = np.array([[2.0]])
    both = [asked.Fuzz.of(one_neuron(GELU(kind)), points).gap[0] for kind in ("none", "tanh")]
    assert both[0] != pytest.approx(both[1], rel=1e-3)


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_bands_overlap_unless_weights_are_large(scale: float) -> None:
    """Lines through the origin at 12 angles: neighbours at pi / 12, |z'| = scale at radius 1."""
    angles = (np.arange(12) + 0.5) * np.pi / 12
    weight = scale * np.stack([-np.sin(angles), np.cos(angles)], 1)
    network = tensors.mlp([(weight, None), (np.ones((1, 12)), None)], GELU())
    (found,) = asked.bands(network, np.array([[1.0, 0]]), np.array([[-1.0, 1e-9]]))
    assert found.distances == pytest.approx(np.pi / 12)
    assert found.widths == pytest.approx(2 / scale)
    assert found.overlap == pytest.approx(2 / scale / (np.pi / 12))
    assert (found.overlap < 1) == (scale == 50)


def test_a_neuron_that_writes_nothing_has_no_boundary() -> None:
    network = tensors.mlp([(np.eye(2) - [[0, 0.5], [0, 0]], None), ([[0.0, 1]], None)], GELU())
    (found,) = asked.bands(network, np.array([[1.0, -1]]), np.array([[1.0, 3]]))
    assert len(found.widths) == 1
    with pytest.raises(Degenerate, match="no two boundaries"):
        assert found.overlap


def test_a_relu_net_is_given_gelu() -> None:
    network = tensors.mlp([(np.eye(2), None), (np.eye(2), None)])
    given = asked.smooth(network)
    assert given.layers[0].activation == GELU() and given.relu_ised() == network
    assert asked.smooth(given) == given


def test_both_claims_can_come_out_either_way() -> None:
    rng = np.random.default_rng(0)
    for gap, band, overlap, verdict in ((0.02, 0.1, 0.3, SUPPORTED), (0.4, 0.1, 3, REFUTED)):
        given = (measured(x, spread=0.01) for x in (gap, band, overlap))
        found = asked.nets_findings("x", *given, rng)
        assert [one.verdict for one in found] == [verdict, verdict]
    small = np.random.default_rng(1).uniform(0.01, 0.02, 40)
    rows = Rows(one_neuron(GELU()), np.ones((40, 1)), np.arange(40))
    for factor, verdict in ((1, SUPPORTED), (20, REFUTED)):
        fuzz = asked.Fuzz(factor * small, small, small)
        assert asked.fuzzy_finding("x", rows, fuzz, {}, rng).verdict is verdict
        ways = [asked.Bands(np.array([factor * x]), np.array([0.1])) for x in small]
        apart = asked.apart_finding("x", ways, np.arange(40), "vectors", rng)
        assert apart.verdict is verdict


def test_only_smooth_layers_fit() -> None:
    data = make("moons", count=40)
    for activation, fits in ((GELU(), True), (ReLU(), False)):
        network = tensors.mlp([(np.eye(2), None), (np.eye(2), None)], activation)
        assert asked.fits(Toy.of("mine", network, data)) is fits
