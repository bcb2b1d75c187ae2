"""Language models of one layer with SoLU, z softmax(z), with a LayerNorm behind it or without one:
trained once for all questions that look at them, on bytes of the standard library.

The MLP of the only layer reaches the logits directly. So whatever is done to its neurons changes
the logits by a closed form: the stream without the MLP, plus what the neurons write, through the
last norm and the unembedding. All of that is float64 here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from exact.arithmetic.numbers import FloatArray
from studies.questions.shared import nets
from studies.subjects import Subjects
from toy_models import language
from toy_models.language import LanguageConfig
from toy_models.texts import standard_library_text, tokenise, windows

CONTEXT, WIDTH, TEXT = 64, 48, 300_000
SEQUENCES, QUICK_SEQUENCES = 200, 60
MORE_STEPS = 3  # times those of toys, outside of quick studies


@dataclass(frozen=True)
class Norm:
    """A LayerNorm in float64."""

    gain: Tensor
    shift: Tensor
    eps: float

    @classmethod
    def of(cls, module: Any) -> Norm:
        """The values of a torch module."""
        return cls(module.weight.detach().double(), module.bias.detach().double(), module.eps)

    def scale(self, x: Tensor) -> Tensor:
        """1 / sqrt(var + eps) of every row, with a last axis of length 1."""
        return torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + self.eps)

    def __call__(self, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred * self.scale(x) * self.gain + self.shift


@dataclass(frozen=True, eq=False)
class SoLUModel:
    """A model in evaluation mode, and the held-out loss of its training (None for one that was not
    trained).
    """

    model: Any
    loss: float | None

    @property
    def mlp(self) -> Any:
        """The MLP of its layer."""
        return self.model.transformer.h[0].mlp

    @cached_property
    def inner(self) -> Norm | None:
        """The norm behind the activation."""
        behind = self.mlp.act.norm
        return None if behind is None else Norm.of(behind)

    def run(self, tokens: Tensor) -> Run:
        """What happens on sequences (sequences x positions)."""
        found = language.capture_activations(self.model, 0, tokens)
        stream = language.capture_residuals(self.model, 0, tokens).vectors
        return Run(self, tokens, found.activations.double(), stream.double())

    def activations_at_the_end(self, tokens: Tensor) -> Tensor:
        """The neurons (sequences x d_mlp) at the last token of short prompts that end at the last
        position there is, so that only their length differs.
        """
        kept: list[Tensor] = []
        behind = getattr(self.mlp.act, "norm", None)
        hook = (self.mlp.c_proj if behind is None else behind).register_forward_pre_hook(
            lambda _, inputs: kept.append(inputs[0])
        )
        places = torch.arange(CONTEXT - tokens.shape[1], CONTEXT)
        try:
            with torch.no_grad():
                self.model(input_ids=tokens, position_ids=places[None], use_cache=False)
        finally:
            hook.remove()
        return kept[0][:, -1].double()


@dataclass(frozen=True, eq=False)
class Run:
    """Tokens (S x P), the neurons behind SoLU and before a norm (S x P x d_mlp), and the stream
    that the MLP adds to (S x P x d_model).
    """

    source: SoLUModel
    tokens: Tensor
    neurons: Tensor
    stream: Tensor

    def behind(self, neurons: Tensor) -> Tensor:
        """What enters the last layer of the MLP."""
        return neurons if self.source.inner is None else self.source.inner(neurons)

    @cached_property
    def written(self) -> Tensor:
        """What each neuron writes (d_mlp x d_model)."""
        return self.source.mlp.c_proj.weight.detach().double()

    @cached_property
    def last_norm(self) -> Norm:
        """The norm in front of the unembedding."""
        return Norm.of(self.source.model.transformer.ln_f)

    @cached_property
    def unembedding(self) -> Tensor:
        """(vocabulary x d_model)."""
        return self.source.model.lm_head.weight.detach().double()

    def final(self, outputs: Tensor) -> Tensor:
        """The stream in front of the last norm, for what enters the last layer of the MLP."""
        return self.stream + outputs @ self.written + self.source.mlp.c_proj.bias.detach().double()

    def losses(self, outputs: Tensor) -> FloatArray:
        """The mean loss of each sequence, in nats, for what enters the last layer of the MLP."""
        logits = self.last_norm(self.final(outputs)) @ self.unembedding.T
        found = functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), self.tokens[:, 1:].flatten(), reduction="none"
        )
        return np.asarray(found.reshape(len(self.tokens), -1).mean(1).numpy())

    @cached_property
    def baseline(self) -> FloatArray:
        """The loss of each sequence as it is."""
        return self.losses(self.behind(self.neurons))


def trained(subjects: Subjects, *, behind: bool = True) -> SoLUModel:
    """The model of a study, trained when it is first asked for."""
    steps = nets.STEPS * (1 if subjects.quick else MORE_STEPS)
    return _trained(steps, subjects.seed, subjects.device, behind)


@lru_cache(maxsize=8)
def _trained(steps: int, seed: int, device: str, behind: bool) -> SoLUModel:
    config = _config(steps, seed, device, behind)
    found = language.train_language_model(config, progress=False)
    return SoLUModel(found.model.cpu().eval(), found.held_out_loss)


def untrained(subjects: Subjects) -> SoLUModel:
    """The same model before training."""
    config = _config(nets.STEPS, subjects.seed, subjects.device, True)
    return SoLUModel(language.untrained(config).cpu().eval(), None)


def _config(steps: int, seed: int, device: str, behind: bool) -> LanguageConfig:
    return LanguageConfig(
        layers=1,
        width=WIDTH,
        context=CONTEXT,
        steps=steps,
        text_bytes=TEXT,
        seed=seed,
        device=device,
        activation="solu",
        norm_behind_activation=behind,
    )


@lru_cache(maxsize=1)
def held_out_text() -> bytes:
    """The last tenth of the text, which training does not see."""
    text = standard_library_text(TEXT)
    return text[-(len(text) // 10) :]


def held_out(subjects: Subjects) -> Tensor:
    """Sequences of it (sequences x positions)."""
    count = QUICK_SEQUENCES if subjects.quick else SEQUENCES
    return windows(tokenise(held_out_text()), CONTEXT, count)
