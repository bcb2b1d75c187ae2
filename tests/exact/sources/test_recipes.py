"""The recipes of docs/sources.md: run where their package is installed, and their layouts in plain
NumPy everywhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import erf

from exact import GELU, GatedMLP, ReLU
from exact.sources import tensors
from exact.sources.families import FAMILIES

PAGE = (Path(__file__).parents[3] / "docs" / "sources.md").read_text(encoding="utf-8")
RECIPES = dict(
    re.findall(r"^### ([^\n]+)\n.*?^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
)
NEEDS = {
    "scikit-learn": ["sklearn"],
    "Keras": ["keras"],
    "flax": ["flax", "jax"],
    "equinox": ["equinox", "jax"],
    "GGUF": ["gguf"],
}


def test_every_recipe_is_on_the_page() -> None:
    assert RECIPES.keys() == NEEDS.keys()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.needs(*NEEDS[name])) for name in NEEDS]
)
@pytest.mark.filterwarnings("ignore")
def test_a_recipe_gives_what_the_library_computes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries that compute in float32 agree to its rounding."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(RECIPES[name], name, "exec"), names)
    y, found = names["y"], names["network"].forward_float(names["x"])
    assert found.shape == y.shape
    rounding = 1e-5 if y.dtype == np.float32 else 1e-12
    assert np.abs(found - y).max() <= rounding * np.abs(y).max()


def test_every_family_is_in_the_table() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row.split("|")[1])}
    assert named - {"model_type", "do_layer_norm_before"} == FAMILIES.keys() - {"gemma3_text"}


def drawn(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng((*shape, seed)).normal(size=shape)


def test_kernels_of_scikit_learn_are_in_out() -> None:
    kernels, biases = (
        [drawn(3, 6), drawn(6, 6), drawn(6, 1)],
        [drawn(6), drawn(6, seed=1), drawn(1)],
    )
    x = drawn(20, 3)
    y = x
    for kernel, bias in zip(kernels, biases, strict=True):
        y = y @ kernel + bias
        y = np.maximum(y, 0) if kernel.shape[1] > 1 else y
    network = tensors.mlp([(w.T, b) for w, b in zip(kernels, biases, strict=True)])
    np.testing.assert_allclose(network.forward_float(x), y, rtol=1e-12)
    square = tensors.mlp(
        [(kernels[0].T, biases[0]), (kernels[1], biases[1]), (kernels[2].T, biases[2])]
    )
    assert np.abs(square.forward_float(x) - y).max() > 0.1  # no shape tells a square one


@pytest.mark.parametrize(
    ("eps", "approximate"), [(1e-3, None), (1e-6, "tanh")], ids=["Keras", "flax"]
)
def test_kernels_of_keras_and_flax_are_in_out(eps: float, approximate: Any) -> None:
    up, down, gain, bias, shift = drawn(4, 8), drawn(8, 4), drawn(4), drawn(4, seed=1), drawn(8)
    x = drawn(20, 4) / 30  # so that eps matters
    c = x - x.mean(axis=1, keepdims=True)
    n = c / np.sqrt((c**2).mean(axis=1, keepdims=True) + eps) * gain + bias
    z = n @ up + shift
    tanh = 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
    y = (tanh if approximate else np.maximum(z, 0)) @ down
    activation = GELU("tanh") if approximate else ReLU()

    def made(eps: float) -> Any:
        norm = {"norm": "layernorm", "gain": gain, "bias": bias, "eps": eps}
        return tensors.block(up.T, shift, down.T, None, activation=activation, **norm)

    np.testing.assert_allclose(made(eps).forward_float(x), y, rtol=1e-10, atol=1e-12)
    assert np.abs(made(1e-5).forward_float(x) - y).max() > 1e-4 * np.abs(y).max()
    assert np.abs(0.5 * z * (1 + erf(z / np.sqrt(2))) - tanh).max() > 1e-5  # the other GELU


def test_shapes_of_gguf_are_reversed() -> None:
    """The first axis of `tensor.shape` is the one along which memory runs: in."""
    gate, up, down, gain = drawn(6, 4), drawn(6, 4, seed=1), drawn(4, 6), drawn(4)
    stored = {"gate": gate.ravel(), "up": up.ravel(), "down": down.ravel()}
    shapes = {"gate": (4, 6), "up": (4, 6), "down": (6, 4)}  # as a file says them
    parts = [stored[name].reshape(shapes[name][::-1]) for name in ("gate", "up", "down")]
    network = tensors.gated_mlp(*parts, norm="rms", gain=gain, eps=1e-5)
    assert isinstance(network, GatedMLP)
    x = drawn(20, 4)
    n = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-5) * gain
    z = n @ gate.T
    y = (z / (1 + np.exp(-z)) * (n @ up.T)) @ down.T
    np.testing.assert_allclose(network.forward_float(x), y, rtol=1e-10, atol=1e-12)
