"""One wide layer behind LayerNorm, up to the shape of GPT-2 small: complete, quick and right,
against closed forms.
"""

from __future__ import annotations

import time
from math import isclose, pi, sqrt
from typing import Any, NamedTuple

import numpy as np
import pytest

from exact import GELU, GreatCircle, Network, Outcome, partition
from exact.arithmetic.numbers import fraction
from exact.regions.arcs.partition import CurvePartition
from exact.sources import tensors
from tests.exact import reference
from tests.exact.reference import Floats

D_MODEL, D_MLP = 768, 3072


class Wide(NamedTuple):
    """A layer behind LayerNorm, a great circle, and the functions p cos + q sin + c of each neuron
    in float64.
    """

    network: Network
    u: Floats
    v: Floats
    functions: Floats
    seconds: float
    found: CurvePartition


def wide_layer(n: int, m: int, seed: int, device: str = "cpu") -> Wide:
    generator = np.random.default_rng(seed)

    def draw(
        centre: float, spread: float, shape: tuple[int, ...]
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        return generator.normal(centre, spread, shape).astype(np.float32)

    w, b, gain, bias = (
        draw(0, 0.02, (m, n)),
        draw(-0.3, 0.3, (m,)),
        draw(1, 0.2, (n,)),
        draw(0, 0.1, (n,)),
    )
    u, v, w_out = draw(0, 1, (n,)), draw(0, 1, (n,)), draw(0, 0.02, (8, m))
    network = tensors.block(
        w, b, w_out, None, norm="layernorm", gain=gain, bias=bias, eps=1e-5, activation=GELU("tanh")
    )
    w64, gain64 = w.astype(float), gain.astype(float)
    first, second = (x - x.mean() for x in (u.astype(float), v.astype(float)))
    across = second - first * (first @ second) / (first @ first)
    frame = [sqrt(n) * (w64 * gain64) @ (x / np.linalg.norm(x)) for x in (first, across)]
    started = time.process_time()
    found = partition(network, GreatCircle(u, v), device=device)
    assert isinstance(found, CurvePartition)
    functions = np.stack([*frame, b + w64 @ bias.astype(float)], axis=1)
    return Wide(network, u, v, functions, time.process_time() - started, found)


@pytest.fixture(
    scope="module", params=[(64, 512), (D_MODEL, D_MLP)], ids=["64 x 512", "768 x 3072"]
)
def wide(request: pytest.FixtureRequest) -> Wide:
    return wide_layer(*request.param, seed=1)


def crossing_angles(functions: Floats) -> tuple[Floats, np.ndarray[Any, np.dtype[np.int64]]]:
    """The angles where p cos + q sin + c is zero, sorted, and the neuron of each."""
    radius, phase = (
        np.hypot(functions[:, 0], functions[:, 1]),
        np.arctan2(functions[:, 1], functions[:, 0]),
    )
    meets = np.flatnonzero(np.abs(functions[:, 2]) < radius)
    spread = np.arccos(-functions[meets, 2] / radius[meets])
    angles = np.concatenate([phase[meets] - spread, phase[meets] + spread]) % (2 * pi)
    order = np.argsort(angles)
    return angles[order], np.concatenate([meets, meets])[order]


def test_wide_layer_is_complete_and_quick(wide: Wide) -> None:
    angles, _ = crossing_angles(wide.functions)
    assert wide.seconds < 5
    assert 0.5 * len(wide.functions) < len(angles) < 2 * len(wide.functions)
    assert len(wide.found) == len(angles)
    assert wide.found.outcome is Outcome.COMPLETE


def test_wide_layer_flips_one_neuron_at_each_angle(wide: Wide) -> None:
    """All neurons in the order of their float angles, and a sample of the exact angles
    themselves.
    """
    angles, neurons = crossing_angles(wide.functions)
    changes = wide.found.bits ^ np.roll(wide.found.bits, 1, axis=0)
    assert (changes.sum(axis=1) == 1).all()
    assert changes.argmax(axis=1).tolist() == neurons.tolist()
    count = len(angles)
    for k in range(0, count, count // 25):
        start, end = wide.found.regions[k].parameters_float
        assert isclose(start, angles[k], abs_tol=1e-9)
        assert isclose(end % (2 * pi), angles[(k + 1) % count], abs_tol=1e-9)


def test_wide_layer_has_the_sampled_signs(wide: Wide) -> None:
    """Every bit of every arc, by the float64 sign at the middle of the arc (wherever that sign is
    clear).
    """
    angles, _ = crossing_angles(wide.functions)
    middles = (angles + np.diff(angles, append=angles[0] + 2 * pi) / 2)[:, None]
    values = (
        wide.functions[:, 0] * np.cos(middles)
        + wide.functions[:, 1] * np.sin(middles)
        + wide.functions[:, 2]
    )
    clear = np.abs(values) > 1e-11
    assert clear.mean() > 0.9999
    assert ((values > 0) == wide.found.bits)[clear].all()


def test_wide_layer_agrees_with_codes_at_witnesses(wide: Wide) -> None:
    """The sphere is eps = 0; the witness is only a direction, so its length must not matter
    either.
    """
    limit = reference.without_eps(wide.network)
    count = len(wide.found)
    for k in range(0, count, count // 6):
        region = wide.found.regions[k]
        assert limit.code(region.witness) == region.code
        assert len(wide.functions) > 1000 or wide.found.locate(region.witness) == k
        far = [x * 10**30 for x in region.witness]
        assert wide.network.code(far) == region.code


def test_wide_layer_signs_in_fractions(wide: Wide) -> None:
    """a + b sqrt(s) by squaring fractions, for a few neurons at one witness; no eps."""
    region = wide.found.regions[len(wide.found) // 2]
    norm, layer, x = wide.network.norms[0], wide.network.layers[0], region.witness
    mean = sum(x) / len(x)
    centred = [value - mean for value in x]
    square = sum(value * value for value in centred) / len(x)
    gain, bias = ([row[0] for row in column.tolist()] for column in (norm.gain, norm.bias))
    for neuron in (0, 7, 100, 500):
        weight = [fraction(w) for w in layer.weight.row(neuron)]
        a = sum(w * g * c for w, g, c in zip(weight, gain, centred, strict=True))
        b = layer.bias[neuron] + sum(w * h for w, h in zip(weight, bias, strict=True))
        on = (
            (a > 0 and b > 0)
            or (a > 0 and a * a > b * b * square)
            or (b > 0 and b * b * square > a * a)
        )
        assert bool(region.code.bits[neuron]) is on


@pytest.mark.gpu
@pytest.mark.parametrize(("n", "m"), [(64, 512), (D_MODEL, D_MLP)])
def test_cuda_finds_the_same_arcs(n: int, m: int) -> None:
    on_cpu, on_cuda = (wide_layer(n, m, seed=2, device=device).found for device in ("cpu", "cuda"))
    assert np.array_equal(on_cpu.bits, on_cuda.bits)
    assert on_cpu.digest == on_cuda.digest
    assert len(on_cpu.cells.cuts) == len(on_cuda.cells.cuts)
    for k in range(0, len(on_cpu), len(on_cpu) // 20):
        assert on_cpu.cells.cuts[k].direction.compare(on_cuda.cells.cuts[k].direction) == 0
