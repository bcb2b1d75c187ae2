"""Claim 0.11: LayerNorm may be responsible for degenerate activations.

Degenerate means that few dimensions hold the variance of a residual stream: its participation
ratio, (sum of eigenvalues)^2 / sum of their squares over the dimension, is small, or one coordinate
holds much of it. Whether a norm does that is asked of residual toys that differ in the norm alone:
same data, same seed, stream of the same width, measured behind the last block. Their difference
before training stands beside, since what is there from the start was not learned. On language
layers, which all have a norm, the stream is measured before and behind it, trained and untrained:
that tells whether there is degeneracy, not what is responsible.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.nets import Measured, ensemble
from studies.questions.shared.pictures import Row, forest
from studies.rules import APART, SHARE, Claim, below, larger_than, smaller_than
from studies.statistics import SEQUENCES, Degenerate, over_clusters
from studies.subjects import NORM_NAMES, LanguageLayer, Subject, Subjects
from toy_models import ModelConfig, TrainConfig, TrainResult
from toy_models.models import NormName
from toy_models.populations import Arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.11"
TENTH, ROWS, DRAWS = 0.1, 2_000, 499
RATIO = "the participation ratio of the stream over its dimension"
TOP = "the share of the stream's variance in its largest coordinate"
CONTROL = "the net of the same seed without a norm"
NARROW = Claim(
    CLAIM,
    "A norm makes activations degenerate: the stream uses fewer dimensions.",
    Kind.ESTIMATE,
    smaller_than(CONTROL, RATIO, range=APART),
    measures="with a norm minus without",
)
PEAKED = Claim(
    CLAIM,
    "A norm makes activations degenerate: one coordinate holds more of the variance.",
    Kind.ESTIMATE,
    larger_than(CONTROL, TOP, range=APART),
    measures="with a norm minus without",
)
DEGENERATE = Claim(
    CLAIM,
    "Activations in front of a norm are degenerate: they use less than a tenth of their "
    "dimensions.",
    Kind.ESTIMATE,
    below(TENTH, RATIO, range=SHARE, unit=SEQUENCES, least=10),
    measures="participation ratio",
)
NORMED: tuple[NormName, ...] = ("layernorm", "rms")
ARMS: tuple[Arm, ...] = ("trained", "untrained")
TASK, OPTIONS = "blobs", {"dimension": 16, "classes": 8, "spread": 0.2}
WIDTHS, STREAM = (32, 32), 16


def ask(subjects: Subjects) -> Answer:
    """Participation ratios and top coordinates of streams, with a norm and without."""
    findings = [
        DEGENERATE.guarded(layer.name, partial(_of_layer, layer, subjects.seed))
        for layer in subjects.language
        if fits(layer)
    ]
    if not subjects.own:
        measured = {norm: _of_nets(subjects, norm) for norm in ("none", *NORMED)}
        for norm in NORMED:
            findings += nets_findings(norm, measured[norm], measured["none"], subjects.seed)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether it is a layer of a language model behind a norm."""
    return isinstance(subject, LanguageLayer) and subject.network.blocks[0].norm is not None


# ---- degeneracy


def participation(rows: FloatArray) -> float:
    """(sum of eigenvalues)^2 / sum of squares of the covariance, over the dimension: 1 for a round
    cloud, 1 / dimension for a line. Degenerate where nothing varies.
    """
    covariance = _covariance(rows)
    return float(np.trace(covariance) ** 2 / (covariance**2).sum() / len(covariance))


def top_coordinate(rows: FloatArray) -> float:
    """The largest coordinate's share of the variance. Degenerate where nothing varies."""
    variances = np.diag(_covariance(rows))
    return float(variances.max() / variances.sum())


def _covariance(rows: FloatArray) -> FloatArray:
    centred = rows - rows.mean(axis=0)
    covariance = centred.T @ centred / max(1, len(rows))
    if not np.trace(covariance) > 1e-24 * max(1.0, float((rows**2).sum())):
        raise Degenerate("vectors that are all equal", value=len(rows), remedy="take a living net")
    return np.asarray(covariance)


# ---- language layers


def _rows(layer: LanguageLayer) -> tuple[FloatArray, IndexArray]:
    vectors = layer.vectors[:ROWS]
    if len(vectors) < 2:
        raise Degenerate("too few vectors", value=len(vectors), remedy="take a longer text")
    places = np.arange(len(vectors)) if layer.places is None else layer.places[:ROWS]
    return vectors, places


def _of_layer(layer: LanguageLayer, seed: int) -> Finding:
    vectors, places = _rows(layer)
    norm = layer.network.blocks[0].norm
    assert norm is not None
    told: dict[str, JSON] = {
        "top_coordinate_float": top_coordinate(vectors),
        "behind_float": participation(norm.forward_float(vectors)),
    }
    if layer.untrained is not None:
        told["untrained_float"] = participation(_rows(layer.untrained)[0])
    return layer_finding(layer.name, vectors, places, told, np.random.default_rng(seed))


def layer_finding(
    subject: str,
    vectors: FloatArray,
    places: IndexArray,
    told: dict[str, JSON],
    rng: np.random.Generator,
) -> Finding:
    """The participation ratio, whole sequences drawn."""
    participation(vectors)
    groups = [np.flatnonzero(places == place).astype(np.float64) for place in np.unique(places)]
    found = over_clusters(
        groups,
        rng,
        statistic=lambda drawn: participation(vectors[drawn.astype(np.int64)]),
        unit=SEQUENCES,
        draws=DRAWS,
        range=SHARE,
    )
    words = {
        "behind_float": "behind the norm",
        "untrained_float": "untrained",
        "top_coordinate_float": "top coordinate",
    }
    more = [f"{name} {number(told[key]):.2g}" for key, name in words.items() if key in told]
    data = {**found.data("participation"), **told}
    return DEGENERATE.finding(subject, found, value="; ".join([str(found), *more]), data=data)


# ---- nets with a norm and without


Both = dict[Arm, tuple[Measured, Measured]]


def _of_nets(subjects: Subjects, norm: NormName) -> Both:
    model = ModelConfig(WIDTHS, norm, "residual", embed_dim=STREAM)
    config = TrainConfig(task=TASK, task_options=OPTIONS, model=model)
    return {
        nets.arm: (Measured.of(nets, net_participation), Measured.of(nets, net_top))
        for nets in ensemble(subjects, config, ARMS)
    }


def stream(network: Network, result: TrainResult) -> FloatArray:
    """The residual stream behind the last block with a skip, at the data."""
    last = max(k for k, block in enumerate(network.blocks) if block.residual)
    inputs = np.asarray(result.dataset.inputs.double().numpy())
    return Network(network.blocks[: last + 1]).forward_float(inputs)


def net_participation(network: Network, result: TrainResult, _: np.random.Generator) -> float:
    """The participation ratio of a net's stream."""
    return participation(stream(network, result))


def net_top(network: Network, result: TrainResult, _: np.random.Generator) -> float:
    """The share of the largest coordinate of a net's stream."""
    return top_coordinate(stream(network, result))


def nets_findings(norm: NormName, normed: Both, bare: Both, seed: int) -> list[Finding]:
    """Both claims on nets of one norm against nets without."""
    rng = np.random.default_rng(seed)
    findings = []
    for place, claim in enumerate((NARROW, PEAKED)):
        mine, theirs = normed["trained"][place], bare["trained"][place]
        before = normed["untrained"][place].minus(bare["untrained"][place], rng, APART)
        found = mine.minus(theirs, rng, APART)
        with_norm, without = mine.over(rng), theirs.over(rng)
        data: dict[str, JSON] = {
            **found.data("difference"),
            **with_norm.data("with"),
            **without.data("without"),
            "untrained_difference_float": before.value,
            "with_norm": mine.data,
            "without_norm": theirs.data,
        }
        value = (
            f"{found}; with {_short(with_norm.value)}, without {_short(without.value)}; before "
            f"training {_short(before.value)}"
        )
        findings.append(claim.finding(f"{TASK}, {NORM_NAMES[norm]}", found, value=value, data=data))
    return findings


def _short(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2g}"


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = []
    for finding in findings:
        data, subject = finding.data, finding.subject
        for key, words in (
            ("participation", "in front of the norm"),
            ("with", "with the norm"),
            ("without", "without"),
        ):
            peaked = finding.statement == PEAKED.statement
            if data.get(f"{key}_low_float") is not None and not peaked:
                ends = (number(data[f"{key}{end}_float"]) for end in ("", "_low", "_high"))
                rows.append(Row(f"{subject}: {words}", *ends))
        for key, words in (("behind_float", "behind the norm"), ("untrained_float", "untrained")):
            if data.get(key) is not None:
                rows.append(Row(f"{subject}: {words}", number(data[key])))
    caption = (
        "The participation ratio of residual streams over their dimension: 1 is a round cloud, "
        "small is degenerate. Toys have the same seed and data with a norm and without one; left "
        "of the line less than a tenth of the dimensions is used."
    )
    return (Figure("participation", caption, partial(_draw, rows)),) if rows else ()


def _draw(rows: Sequence[Row]) -> Canvas:
    title, axis = "How many dimensions a stream uses", "participation ratio / dimension"
    return forest(rows, title, "95% intervals", axis, mark=TENTH, scale="log")


QUESTION = Question(
    CLAIM,
    "Does LayerNorm cause degenerate activations?",
    ask,
    (NARROW, PEAKED, DEGENERATE),
    groups=("language",),
    fits=fits,
    needs="a layer of a language model behind a norm",
    text=texts.MONOSEMANTIC,
    asked="The post grants that LayerNorm might be responsible for some of the degeneracy that is "
    "seen in activations of GPT-2 style models.",
    controls="Nets of the same seed without a norm.",
    beside="Both before training, and layers before training and behind their norm.",
    settled="The spread of the toys' data, so that all nets learn.",
)
