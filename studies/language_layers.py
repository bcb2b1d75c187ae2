"""An MLP layer of a language model as a subject of a study, and how much of a text is read."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exact import GatedMLP, Network, Unsupported
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.sources import transformers

POSITIONS, SEQUENCES, SKIPPED = 64, 200, 4
NO_TOKEN = -1  # behind the last of a sequence


@dataclass(frozen=True)
class LanguageLayer:
    """The MLP of one GPT-2 layer, read from its checkpoint, and residual vectors before its `ln_2`
    on real text.

    `residuals` is (tokens, d_model); `folder` is where the checkpoint was read from. `sequences`
    says from which sequence of the text each residual comes (tokens); without it, they stand for
    themselves. `untrained` is the same layer of the model before training, where that is known.
    `tokens` is (tokens, 2): the token at which each residual stands, and the one behind it;
    `positions` (tokens) says where in its sequence. `previous` is the MLP of the layer in front,
    unless this is the first. `is_given`: of a model that a user added to the study's own subjects.
    """

    name: str
    layer: int
    network: Network
    residuals: torch.Tensor
    folder: Path
    sequences: torch.Tensor | None = None
    untrained: LanguageLayer | None = None
    tokens: torch.Tensor | None = None
    positions: torch.Tensor | None = None
    previous: Network | None = None
    is_given: bool = False

    @property
    def places(self) -> IndexArray | None:
        """The number of the sequence of each residual vector, or None."""
        return None if self.sequences is None else np.asarray(self.sequences.numpy())

    @property
    def relu_ised(self) -> tuple[str, Network]:
        """The piecewise affine network of the layer, ReLU put in the place of smooth activations,
        under a name that says so where it is another one.
        """
        affine = self.network.relu_ised()
        name = self.name if affine == self.network else f"{self.name}, ReLU for GELU"
        return name, affine

    @cached_property
    def vectors(self) -> FloatArray:
        """The residual vectors in float64 (lossless)."""
        return np.asarray(self.residuals.detach().cpu().double().numpy())


def mlp_of(model: Any, number: int, title: str) -> Network:
    """The MLP of a layer of a model, or of the folder of one; `title` is what an error calls it.
    Raises Unsupported for a gated one.
    """
    network = transformers.mlp(model, number)
    if isinstance(network, GatedMLP):
        remedy = "give a model whose MLPs are not gated"
        raise Unsupported("a gated MLP is no subject of a study", value=title, remedy=remedy)
    return network


def spread(rows: Sized, count: int) -> torch.Tensor:
    """Places of `count` of the rows, spread evenly over them, in an order of which every prefix is
    spread as well.
    """
    return torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:count]
