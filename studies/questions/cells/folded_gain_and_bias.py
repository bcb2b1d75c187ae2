"""Claim 0.5: the norm's gain and bias fold into the next layer.

The fold `W diag(gain) P`, `b + W bias` is exact in rationals. Behind the same norm without gain and
bias it is compared with the model that the weights come from, as torch runs it: in float64 and in
float32, on data and on random points. Both lie within a proved bound on the rounding of float64
around one exact value (`exact.sources.torch_comparison`); that of float32 is 2^29 times as wide,
and twice that for what is not of first order. It is a theorem, and the run checks the code.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from exact import Block, Identity, Layer, Network, Norm, RationalMatrix
from exact.arithmetic.numbers import FloatArray
from exact.sources import transformers
from exact.sources.torch_comparison import float64_outputs, float64_rows
from studies import texts
from studies.finding import JSON, Answer, Finding, Kind
from studies.question import Question
from studies.questions.shared.sampling import random_points
from studies.real_models import model_of
from studies.rules import Claim, theorem
from studies.statistics import Degenerate, Estimate
from studies.subjects import LanguageLayer, Subject, Subjects, Toy

CLAIM = "0.5"
FLOAT32 = 2.0**30
"""The unit roundoff of float32 in those of float64, twice."""
FOLDS = Claim(
    CLAIM,
    "What follows the norm is linear, so that its gain and bias can be folded into it.",
    Kind.THEOREM,
    theorem(
        "the model's own outputs, in float64 and as it is in float32, are those of the fold within "
        "the bound on rounding",
        open_if="there is no model beside the network read",
    ),
)
POINTS, NEURONS_IF_WIDE, WIDE = 500, 8, 2_000_000


def ask(subjects: Subjects) -> Answer:
    """Outputs of every model with a norm against those of its fold."""
    toys = [toy for toy in subjects.all_toys if fits(toy)]
    findings = [FOLDS.guarded(toy.name, partial(_of_toy, toy, subjects.seed)) for toy in toys] + [
        FOLDS.guarded(layer.name, partial(_of_layer, layer, subjects.seed))
        for layer in subjects.language
    ]
    return Answer(tuple(findings))


def fits(subject: Subject) -> bool:
    """Whether there is one norm to fold."""
    return len((subject.block if isinstance(subject, Toy) else subject.network).norms) == 1


def _of_toy(toy: Toy, seed: int) -> Finding:
    if isinstance(toy.model, Network):
        raise _no_model("an exact network")
    rows = random_points(toy.network.input_dim, POINTS, seed)
    if toy.dataset is not None:
        rows = np.concatenate([toy.inputs[:POINTS], rows])
    return finding_of(toy.name, toy.network, folded_in_place(toy.network), toy.model, rows)


def _of_layer(layer: LanguageLayer, seed: int) -> Finding:
    if not (layer.folder / "config.json").is_file():
        raise _no_model("no checkpoint")
    network, model = layer.network, _model(layer.folder)
    whole, first = transformers.module_paths(model, layer.layer)
    drawn = random_points(network.input_dim, POINTS, seed)
    rows = np.concatenate([layer.vectors[:POINTS], drawn])
    if network.hinge_count * network.input_dim > WIDE:
        network = first_neurons(network, NEURONS_IF_WIDE)
        module = nn.Sequential(*map(model.get_submodule, first), _First(NEURONS_IF_WIDE))
        name = f"{layer.name}, first {NEURONS_IF_WIDE} neurons"
    else:
        module, name = nn.Sequential(*map(model.get_submodule, whole)), layer.name
    return finding_of(name, network, folded_in_place(network), module, rows)


def _no_model(what: str) -> Degenerate:
    return Degenerate(
        "there is no model beside the network read",
        value=what,
        remedy="give the module, or the checkpoint's folder",
    )


@lru_cache(maxsize=2)
def _model(folder: Path) -> Any:
    return model_of(folder).float()


class _First(nn.Module):
    """The first outputs alone."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[..., : self.count]


# ---- the fold


def folded_in_place(network: Network) -> Network:
    """The network with gain and bias of its norm folded into the layer behind, which is left
    without them.
    """
    at = next(i for i, block in enumerate(network.blocks) if block.norm is not None)
    before, block, folded = network.blocks[:at], network.blocks[at], network.folded()
    first, *rest = folded.blocks
    assert block.norm is not None, "only what stands behind a norm can be folded"
    return Network((*before, Block(first.layers, _plain(block.norm), block.residual), *rest))


def _plain(norm: Norm) -> Norm:
    ones, zeros = (RationalMatrix.from_floats(np.full(norm.dim, x)) for x in (1.0, 0.0))
    return replace(norm, gain=ones, bias=zeros)


def first_neurons(network: Network, count: int) -> Network:
    """The norm and the pre-activations of the first `count` neurons behind it: a part of a layer
    too wide to fold whole.
    """
    block = network.blocks[0]
    head = block.layers[0]
    rows = (
        RationalMatrix.from_floats(part.float64()[:count].copy())
        for part in (head.weight, head.bias)
    )
    return Network((Block((Layer(next(rows), next(rows), Identity()),), block.norm),))


# ---- against the model


@dataclass(frozen=True)
class Parity:
    """How many points differ by more than the bound on rounding allows, at how many there is no
    bound, and the largest difference relative to the largest output.
    """

    violations: int
    unbounded: int
    relative_float: float


def parity(network: Network, folded: Network, module: nn.Module, rows: FloatArray) -> Parity:
    """Compare a fold with the module in float64, at the rows as they are."""
    outputs = float64_outputs(module, rows, network.output_dim)
    return _compared(network, folded, rows, outputs, 1.0)


def parity_32(network: Network, folded: Network, module: nn.Module, rows: FloatArray) -> Parity:
    """Compare a fold with the module in float32, at the rows rounded to float32."""
    points = rows.astype(np.float32)
    own = copy.deepcopy(module).cpu().float().eval()
    with torch.no_grad():
        outputs = own(torch.from_numpy(points)).double().numpy()
    return _compared(network, folded, points.astype(np.float64), outputs, FLOAT32)


def _compared(
    network: Network, folded: Network, rows: FloatArray, outputs: FloatArray, unit: float
) -> Parity:
    values, errors = float64_rows(folded, rows)
    bound = errors + unit * float64_rows(network, rows)[1]
    gaps, largest = np.abs(outputs - values), float(np.abs(values).max()) or 1.0
    known = np.isfinite(bound)
    wrong = (~(gaps <= bound) & known).any(axis=1)
    return Parity(int(wrong.sum()), int((~known).any(axis=1).sum()), float(gaps.max()) / largest)


def finding_of(
    subject: str, network: Network, folded: Network, module: nn.Module, rows: FloatArray
) -> Finding:
    """The finding from comparing the model `module`, read as `network`, with a fold of that."""
    found = {"float64": parity(network, folded, module, rows)}
    if all(one.dtype is torch.float32 for one in module.parameters()):
        found["float32"] = parity_32(network, folded, module, rows)
    unbounded = sum(one.unbounded for one in found.values())
    violations = Estimate.exactly(sum(one.violations for one in found.values()))
    if not violations.value and unbounded:
        violations = Estimate.unknown(f"rounding has no bound at {unbounded} points")
    told = (f"{one.relative_float:.1e} in {name}" for name, one in found.items())
    value = (
        f"largest difference from the model at {len(rows)} points, of its largest output: "
        f"{', '.join(told)}"
    )
    data: dict[str, JSON] = {"points": len(rows)}
    for name, one in found.items():
        data[f"beyond_rounding_in_{name}"] = one.violations
        data[f"relative_difference_in_{name}_float"] = one.relative_float
    return FOLDS.finding(subject, violations, value=value, data=data)


QUESTION = Question(
    CLAIM,
    "Do gain and bias fold?",
    ask,
    (FOLDS,),
    fits=fits,
    needs="one norm, in front of layers",
    text=texts.MONOSEMANTIC,
    asked="Gain and bias of LayerNorm can be folded into the layer behind it.",
    controls="The model's own forward, in float64 and in float32.",
    core=True,
)
