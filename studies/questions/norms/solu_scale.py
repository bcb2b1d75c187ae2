"""Claim 3.1 (text 003): the scale of the LayerNorm behind SoLU grows with the length of a prompt,
and for random words falls again beyond a couple of dozen tokens.

The scale is 1 / standard deviation of what enters that norm, at the last token of a prompt. Since
attention looks back only, a long sequence is all of its prompts. Three kinds: text, one word
repeated, random words; per sequence the slope of log scale on log length. Positions are embedded,
so that length and position are one thing there: beside it, prompts of 1 to 64 tokens that all end
at the last position differ in length alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.shared.pictures import Curve, sweeps
from studies.questions.shared.solu_models import (
    CONTEXT,
    SoLUModel,
    held_out,
    held_out_text,
    trained,
    untrained,
)
from studies.rules import Claim, above, below
from studies.statistics import SEQUENCES, Estimate, over_clusters
from studies.subjects import Subjects

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "3.1"
PROMPTS, LEAST, FAR = 60, 10, 25
LENGTHS = tuple(2**k for k in range(CONTEXT.bit_length()))
GROWS = Claim(
    CLAIM,
    "The scale of the norm behind SoLU grows with the length of the prompt.",
    Kind.ESTIMATE,
    above(0, "the slope of log scale on log length", unit=SEQUENCES, least=LEAST),
    measures="slope",
)
FALLS = Claim(
    CLAIM,
    f"For random words it falls beyond {FAR} tokens.",
    Kind.ESTIMATE,
    below(0, f"its slope from {FAR} tokens on", unit=SEQUENCES, least=LEAST),
    measures="slope",
)
TEXT, WORD, WORDS = "text", "one word repeated", "random words"


def ask(subjects: Subjects) -> Answer:
    """Scales against lengths, by kind of prompt."""
    model, before, rng = trained(subjects), untrained(subjects), _rng(subjects)
    prompts = prompts_of(subjects)
    findings: list[Finding] = []
    curves: list[Curve] = []
    for group, (kind, tokens) in enumerate(prompts.items()):
        found, bare = scales(model, tokens), scales(before, tokens)
        fixed = scales_at_the_end(model, tokens)
        findings += scale_findings(kind, found, fixed, bare, rng)
        curves.append(Curve(kind, LENGTHS, _relative(by_octave(found)), group))
        label = f"{kind}, last position"
        curves.append(Curve(label, LENGTHS, _relative(fixed), group, dashed=True))
    return Answer(tuple(findings), _figures(curves))


def _rng(subjects: Subjects) -> np.random.Generator:
    return np.random.default_rng(subjects.seed)


# ---- prompts


def prompts_of(subjects: Subjects) -> dict[str, Tensor]:
    """Sequences of each kind (PROMPTS x CONTEXT); a token is a byte."""
    rng = _rng(subjects)
    words = sorted({word for word in held_out_text().split() if word.isalpha() and len(word) > 2})
    picked = rng.permutation(len(words)).tolist()
    repeated = [_filled([words[k]]) for k in (picked * PROMPTS)[:PROMPTS]]
    mixed = [
        _filled([words[k] for k in rng.integers(0, len(words), CONTEXT)]) for _ in range(PROMPTS)
    ]
    return {
        TEXT: held_out(subjects)[:PROMPTS],
        WORD: torch.tensor(repeated),
        WORDS: torch.tensor(mixed),
    }


def _filled(words: Sequence[bytes]) -> list[int]:
    """The words one after another, over and over, cut at the context."""
    text = b" ".join(words) + b" "
    return list((text * CONTEXT)[:CONTEXT])


# ---- scales


def scales(model: SoLUModel, tokens: Tensor) -> FloatArray:
    """1 / standard deviation of the neurons behind SoLU (sequences x positions)."""
    return inverse_deviation(model.run(tokens).neurons)


def scales_at_the_end(model: SoLUModel, tokens: Tensor) -> FloatArray:
    """The same at the last token of the last 1, 2, 4, ... tokens, which stand at the last
    positions (sequences x lengths).
    """
    found = [
        inverse_deviation(model.activations_at_the_end(tokens[:, CONTEXT - n :])) for n in LENGTHS
    ]
    return np.stack(found, axis=1)


def inverse_deviation(neurons: Tensor) -> FloatArray:
    """1 / standard deviation over the last axis."""
    return np.asarray((1 / neurons.std(-1, unbiased=False)).numpy())


def slopes(values: FloatArray, lengths: Sequence[int]) -> FloatArray:
    """The slope of log value on log length of each row, by least squares."""
    x = np.log(lengths)
    x = x - x.mean()
    return np.asarray(np.log(values) @ x / (x @ x))


def bends(values: FloatArray, lengths: Sequence[int]) -> FloatArray:
    """The quadratic coefficient of log value in log length of each row: below 0 it has a peak, a
    sweet spot.
    """
    return np.asarray(np.polynomial.polynomial.polyfit(np.log(lengths), np.log(values).T, 2)[2])


def by_octave(values: FloatArray) -> FloatArray:
    """Geometric means over the lengths up to 1, 2, 4, ... and above the one before."""
    places = np.ceil(np.log2(np.arange(1, values.shape[1] + 1))).astype(np.int64)
    groups = [np.log(values[:, places == k]).mean(axis=1) for k in range(len(LENGTHS))]
    return np.asarray(np.exp(np.stack(groups, axis=1)))


def _relative(values: FloatArray) -> list[float]:
    """Geometric means by length, over the first."""
    means = np.exp(np.log(values).mean(axis=0))
    return [float(x) for x in means / means[0]]


# ---- findings


def scale_findings(
    kind: str, found: FloatArray, fixed: FloatArray, before: FloatArray, rng: np.random.Generator
) -> list[Finding]:
    """The slopes of one kind of prompt: of all prompts, of those that end at the last position, and
    for random words beyond 25 tokens. `before` is the model before training.
    """
    places = range(1, found.shape[1] + 1)
    whole = over_clusters(slopes(found, places), rng, unit=SEQUENCES)
    data: dict[str, JSON] = {
        **whole.data("slope"),
        "untrained_slope_float": float(slopes(before, places).mean()),
        "quadratic_float": float(bends(found, places).mean()),
    }
    value = f"{whole}; untrained {float(slopes(before, places).mean()):.2g}"
    alone = over_clusters(slopes(fixed, LENGTHS), rng, unit=SEQUENCES)
    findings = [
        GROWS.finding(kind, whole, value=value, data=data),
        GROWS.finding(f"{kind}, ending at the last position", alone, data=alone.data("slope")),
    ]
    if kind == WORDS:
        far = slopes(found[:, FAR - 1 :], places[FAR - 1 :])
        late = over_clusters(far, rng, unit=SEQUENCES)
        findings.append(FALLS.finding(kind, late, value=_late(late, before), data=late.data("far")))
    return findings


def _late(found: Estimate, before: FloatArray) -> str:
    places = range(FAR, before.shape[1] + 1)
    return f"{found}; untrained {float(slopes(before[:, FAR - 1 :], places).mean()):.2g}"


def _figures(curves: Sequence[Curve]) -> tuple[Figure, ...]:
    caption = (
        "The scale 1 / standard deviation of the norm behind SoLU at the last token of a prompt, "
        "over that of a prompt of one token, by length. Solid: length and position grow together "
        "(means over the lengths of an octave); dashed: every prompt ends at the last position."
    )
    return (Figure("scale-by-length", caption, partial(_draw, curves)),)


def _draw(curves: Sequence[Curve]) -> Canvas:
    panel = ("scale / scale of one token", curves)
    return sweeps([panel], "The norm behind SoLU", "geometric means", "tokens of the prompt")


QUESTION = Question(
    CLAIM,
    "Does the scale of the norm behind SoLU follow the length of a prompt?",
    ask,
    (GROWS, FALLS),
    groups=(),
    fits=lambda _: False,
    needs="a language model with SoLU, which this question trains for itself",
    text=texts.SMEARING,
    asked="On a model of one layer with SoLU the scale of the norm is seen to grow with the "
    "logarithm of the length for text and for one repeated word, and to fall beyond 25 tokens of "
    "random words.",
    controls="None but the sign of the slope.",
    beside="The model before training, and prompts that differ in length but end at the same "
    "position.",
)
