"""Claim 1.26: how to speak of polytopes in transformers, where attention lets activations interact?

With the attention pattern frozen, attention is an affine map behind its norm, as far as the vector
at one position is concerned: x + M norm(x) + c, where M are the heads' values and outputs weighted
by the attention of the position to itself, and c is what comes from the others. So MLP codes behind
it are those of one exact network of two blocks. Whether that network is a good account of the model
is measured: the vector in front of a block is moved towards another token's (or at random, as far),
once with the pattern frozen and once with the pattern that the moved vector asks for, and the exact
MLP codes of both are compared. Frozen at one position only; keys and values of the other positions
stay as they are, as they do for later positions alone. The nearest change of the input that alters
a pattern has no answer here: softmax changes with every step; how much is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from exact import Codes, Network, hamming
from exact.arithmetic.numbers import FloatArray
from exact.sources import checkpoint_folders, transformers
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.shared.attention_at_a_position import (
    AtPosition,
    Attention,
    contexts,
    in_front_of_mlp,
)
from studies.questions.shared.pictures import Curve, sweeps
from studies.rules import Claim, below, theorem
from studies.statistics import SEQUENCES, Degenerate, Estimate, over_clusters, wilson
from studies.subjects import LanguageLayer, Subject, Subjects, held_out_tokens
from toy_models import language
from toy_models.texts import windows
from toy_models.variants import MODEL_TYPES

CLAIM = "1.26"
FEW = 0.25
AFFINE = Claim(
    CLAIM,
    "With its pattern frozen, attention at a position is affine behind its norm, so that the MLP "
    "codes behind it are those of one exact network.",
    Kind.THEOREM,
    theorem("the network gives what the model computes, and what frozen attention does"),
)
OF = "wrong flips of the MLP with the pattern frozen, over its flips"
TOWARDS = Claim(
    CLAIM,
    "A frozen pattern accounts for the MLP codes: towards another token few flips are wrong.",
    Kind.ESTIMATE,
    below(FEW, f"{OF}, a tenth of the way to another token", unit=SEQUENCES, least=10),
    measures="wrong flips over flips",
)
RANDOM = Claim(
    CLAIM,
    "A frozen pattern accounts for the MLP codes: in random directions few flips are wrong.",
    Kind.ESTIMATE,
    below(FEW, f"{OF}, in a random direction, as far", unit=SEQUENCES, least=10),
    measures="wrong flips over flips",
)
STEPS, JUDGED = (0.01, 0.03, 0.1, 0.3, 1.0), 0.1
MANY, FEW_SEQUENCES, LONGEST = 120, 40, 64
ROUNDING = 2.0**-30


def ask(subjects: Subjects) -> Answer:
    """Each language layer, trained and with initial weights."""
    findings: list[Finding] = []
    lines: list[Curve] = []
    for group, layer in enumerate(filter(fits, subjects.language)):
        for arm in ("", ", initial weights"):
            findings += _of_layer(layer, arm, subjects, lines, group)
    return Answer(tuple(findings), _figures(lines, any(map(fits, subjects.language))))


def fits(subject: Subject) -> bool:
    """Whether it is a layer of a language model."""
    return isinstance(subject, LanguageLayer)


# ---- one position of one sequence


@dataclass(frozen=True)
class Moves:
    """What happens to MLP codes at one position, step by step: `flips` of the model itself, and the
    `wrong` bits with the pattern frozen; `shift` is the total variation of the pattern, mean over
    heads.
    """

    flips: tuple[int, ...]
    wrong: tuple[int, ...]
    shift: tuple[float, ...]


def moves(here: AtPosition, mlp: Network, start: FloatArray, way: FloatArray) -> Moves:
    """From a residual vector along a way, exactly but for the rounding of attention with a free
    pattern.
    """
    rows = start + np.array(STEPS)[:, None] * way
    held = here.network(mlp).codes(rows)
    free = mlp.codes(here.free(rows))
    before = mlp.codes(np.repeat(here.free(start[None]), len(rows), axis=0))
    frozen = Codes(held.packed, free.layer_sizes)
    change = np.abs(here.pattern(rows) - here.frozen).sum(axis=2).mean(axis=1) / 2
    return Moves(
        tuple(hamming(before, free).tolist()),
        tuple(hamming(frozen, free).tolist()),
        tuple(change.tolist()),
    )


def defects(here: AtPosition, mlp: Network, start: FloatArray, seen: FloatArray) -> int:
    """How often the exact network and attention as it was read differ, by more than rounding, from
    what the model has in front of its MLP, and from each other at a moved vector.
    """
    network, found = here.network(mlp), 0
    moved = np.stack([start, start[::-1]])
    pairs = [
        (here.free(start[None])[0], seen),
        *zip(network.forward_float(moved), mlp.forward_float(here.held(moved)), strict=True),
    ]
    for one, other in pairs:
        found += bool(np.abs(one - other).max() > ROUNDING * (np.abs(other).max() or 1.0))
    return found


# ---- layers


def _of_layer(
    layer: LanguageLayer, arm: str, subjects: Subjects, lines: list[Curve], group: int
) -> list[Finding]:
    """The findings on a layer; curves of its moves are added to `lines`."""
    name = f"{layer.name}{arm}"
    try:
        sites = _sites(layer, bool(arm), FEW_SEQUENCES if subjects.quick else MANY, subjects.seed)
    except Degenerate as why:
        return [claim.undecided(name, str(why)) for claim in (AFFINE, TOWARDS, RANDOM)]
    found = [affine_finding(name, sites)]
    rng = np.random.default_rng(subjects.seed)
    for claim, is_random in ((TOWARDS, False), (RANDOM, True)):
        walked = walks(sites, is_random, rng)
        found.append(moves_finding(claim, name, walked, subjects.seed))
        if not is_random:
            lines += _curves(name, walked, group, bool(arm))
    return found


@dataclass(frozen=True, eq=False)
class Site:
    """A position: attention there, the MLP behind it (ReLU-ised), the residual vector in front of
    the block, and what the model has in front of the MLP.
    """

    here: AtPosition
    mlp: Network
    start: FloatArray
    seen: FloatArray


def sites_of(model: Any, layer: int, mlp: Network, tokens: torch.Tensor) -> list[Site]:
    """The last position of every sequence."""
    attention = Attention.of(model, layer)
    rows, seen = contexts(model, layer, tokens), in_front_of_mlp(model, layer, tokens)
    return [
        Site(attention.at(row[:-1], row[-1]), mlp, row[-1], one[-1])
        for row, one in zip(rows, seen, strict=True)
    ]


def _sites(layer: LanguageLayer, initial: bool, count: int, seed: int) -> list[Site]:
    if not (layer.folder / "config.json").is_file():
        raise Degenerate(
            "attention is not known",
            value=f"no checkpoint in {layer.folder}",
            remedy="give a layer that was read from a GPT-2 checkpoint",
        )
    kind = checkpoint_folders.config(layer.folder).get("model_type")
    if kind not in MODEL_TYPES.values():
        raise Degenerate(
            "attention is read of GPT-2's kind alone",
            value=f"a model of type {kind}",
            remedy="give a layer that was read from a GPT-2 checkpoint",
        )
    model = language.load(layer.folder)
    if initial:
        model = with_initial_weights(model, seed)
    model = model.double().eval()
    long = min(LONGEST, model.config.n_positions)
    tokens = windows(held_out_tokens(layer.folder), long, count)
    mlp = transformers.mlp(model, layer.layer)
    assert isinstance(mlp, Network), "GPT-2's MLPs are not gated"
    return sites_of(model, layer.layer, mlp.relu_ised(), tokens)


def with_initial_weights(model: Any, seed: int) -> Any:
    """A model of the same shape as its library makes it, from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return type(model)(model.config)


def walks(sites: Sequence[Site], is_random: bool, rng: np.random.Generator) -> list[Moves]:
    """Towards the vector of the sequence before, or in a random direction, as far."""
    found = []
    for place, site in enumerate(sites):
        way = sites[place - 1].start - site.start
        if is_random:
            drawn = rng.standard_normal(len(way))
            way = drawn * np.linalg.norm(way) / np.linalg.norm(drawn)
        found.append(moves(site.here, site.mlp, site.start, way))
    return found


def affine_finding(name: str, sites: Sequence[Site]) -> Finding:
    """That the exact network is what the model computes."""
    wrong = sum(defects(one.here, one.mlp, one.start, one.seen) for one in sites)
    value = f"{wrong} of {3 * len(sites)} comparisons differ by more than rounding"
    data: dict[str, JSON] = {"positions": len(sites), "violations": wrong}
    return AFFINE.finding(name, Estimate.exactly(wrong), value=value, data=data)


def moves_finding(claim: Claim, name: str, walked: Sequence[Moves], seed: int) -> Finding:
    """Wrong flips over flips, a tenth of the way."""
    step = STEPS.index(JUDGED)
    pairs = [np.array([one.wrong[step], one.flips[step]], dtype=np.float64) for one in walked]
    total = np.sum(pairs, axis=0) if pairs else np.zeros(2)
    if not total[1]:
        return claim.undecided(name, "no neuron flips, whatever the pattern does")

    def ratio(drawn: FloatArray) -> float:
        return float(drawn[0::2].sum() / drawn[1::2].sum()) if drawn[1::2].any() else np.nan

    if total[0]:
        found = over_clusters(pairs, np.random.default_rng(seed), statistic=ratio, unit=SEQUENCES)
    else:  # a bootstrap knows no interval: that of sequences with any wrong flip is no smaller
        found = wilson(0, len(walked), unit=SEQUENCES)
    shift = np.mean([one.shift for one in walked], axis=0)
    flips = total[1] / len(walked)
    value = f"{found}; {flips:.3g} flips; the pattern moves by {shift[step]:.2g}"
    data: dict[str, JSON] = {
        **found.data("wrong_share"),
        "steps": list(STEPS),
        "wrong_share_by_step_float": by_step(walked),
        "flips_by_step_float": np.mean([one.flips for one in walked], axis=0).tolist(),
        "total_variation_by_step_float": shift.tolist(),
    }
    return claim.finding(name, found, value=value, data=data)


def by_step(walked: Sequence[Moves]) -> list[float]:
    """Wrong flips over flips at each step; 0 where nothing flips."""
    wrong, flips = (
        np.sum([getattr(one, name) for one in walked], axis=0, dtype=np.float64)
        for name in ("wrong", "flips")
    )
    return [float(x) for x in np.divide(wrong, flips, out=np.zeros_like(wrong), where=flips > 0)]


# ---- figures


def _curves(name: str, walked: Sequence[Moves], group: int, dashed: bool) -> list[Curve]:
    return [Curve(name, list(STEPS), by_step(walked), group, dashed)] if walked else []


def _figures(lines: Sequence[Curve], asked: bool) -> tuple[Figure, ...]:
    if not asked:
        return ()
    caption = (
        "The bits of the MLP code that are wrong if the attention pattern is frozen, over the bits "
        "that flip, as the residual vector moves towards another token's; dashed: initial weights."
    )
    return (Figure("frozen-attention", caption, partial(_draw, lines)),)


def _draw(lines: Sequence[Curve]) -> Any:
    if not lines:
        raise Degenerate(
            "attention is not known", value="no checkpoint", remedy="give layers of a GPT-2"
        )
    panel = ("wrong flips / flips", lines)
    title, axis = "Codes behind a frozen attention pattern", "share of the way to another token"
    return sweeps([panel], title, "solid: trained, dashed: initial weights", axis)


QUESTION = Question(
    CLAIM,
    "Are MLP codes exact with attention frozen?",
    ask,
    (AFFINE, TOWARDS, RANDOM),
    groups=("language",),
    fits=fits,
    needs="a layer of a GPT-2 with its checkpoint",
    text=texts.POLYTOPE_LENS,
    asked="The text leaves open how polytopes extend to transformers, where attention makes the "
    "activations of several positions interact. Freezing the pattern is one way, and what it "
    "misses is measured.",
    controls="Random directions of equal length, which have a claim of their own; the model's "
    "own vectors in front of the MLP, which the exact network must give.",
    beside="The same model with initial weights.",
)
