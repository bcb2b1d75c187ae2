"""A tiny SoLU model with random weights, large enough to tell terms apart."""

from __future__ import annotations

import torch

from studies.questions.shared.solu_models import CONTEXT, Run, SoLUModel
from toy_models import language


def model(*, behind: bool = True) -> SoLUModel:
    """Width 8, 32 neurons, weights that are not small."""
    config = language.LanguageConfig(
        layers=1,
        width=8,
        heads=2,
        context=CONTEXT,
        activation="solu",
        norm_behind_activation=behind,
    )
    made = language.untrained(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for values in made.parameters():
            values.add_(0.3 * torch.randn(values.shape, generator=generator))
    return SoLUModel(made, None)


def run(*, behind: bool = True, sequences: int = 12) -> Run:
    """The model on random bytes."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, 256, (sequences, CONTEXT), generator=generator)
    return model(behind=behind).run(tokens)
