"""Claim 1.22 (text 001, a comment): a large direction smuggles scale past LayerNorm.

LayerNorm takes the length of a vector away. A network can keep it all the same: where every vector
has a constant part c, the normed vector has it as c / |P x|, so that length becomes direction. On
language layers: how much of log |P x| can be read, by a linear map fitted on other sequences, from
the normed vector (held-out R^2)? And how much of |P x|^2 lies in the one direction that carries
most? With that direction taken off before the norm the length of the rest is read again: if it
alone smuggles, little can be. On toys the answer is exact at its ends: on `shells`, whose class is
the length alone, a network whose norm sees the data at once (LayerNorm at eps = 0) cannot tell
anything, whereas an embedding with a bias in front gives the norm a constant direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network, Norm
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.sources import torch_modules
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.nets import Nets, ensemble
from studies.questions.shared.one_hidden_layer import over_places
from studies.questions.shared.pictures import Row, forest
from studies.rules import SHARE, Claim, above
from studies.statistics import SEQUENCES, Degenerate, wilson
from studies.subjects import LanguageLayer, Subject, Subjects
from toy_models import ModelConfig, TrainConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.22"
HALF = 0.5
BELOW_ONE = (-np.inf, 1.0)  # an R^2
READ = Claim(
    CLAIM,
    "The scale of a vector can be read behind the LayerNorm: more than half of its variance.",
    Kind.ESTIMATE,
    above(
        HALF,
        "the held-out R^2 of log |P x| from the normed vector, linearly",
        range=BELOW_ONE,
        unit=SEQUENCES,
        least=10,
    ),
    measures="R²",
)
LARGE = Claim(
    CLAIM,
    "One direction of the residual stream is so large that it carries more than half of the "
    "squared length.",
    Kind.ESTIMATE,
    above(
        HALF,
        "the share of |P x|^2 in the direction that carries most",
        range=SHARE,
        unit=SEQUENCES,
        least=10,
    ),
    measures="largest direction's share",
)
CHANNEL = Claim(
    CLAIM,
    "Given a constant direction in front of its LayerNorm, a network learns a task of lengths.",
    Kind.ESTIMATE,
    above(HALF, "the share of nets that learn to tell shells", range=SHARE),
    measures="share of nets",
)
ROWS, FOLDS = 2_000, 5
WIDTHS, DIM = (32,), 8


def ask(subjects: Subjects) -> Answer:
    """What can be read of lengths behind norms, and whether nets learn to."""
    findings: list[Finding] = []
    for layer in filter(fits, subjects.language):
        findings += _of_layer(layer, subjects.seed)
    if not subjects.own:
        findings += [_of_nets(subjects, embed) for embed in (DIM, 0)]
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether it is a layer of a language model behind a norm."""
    return isinstance(subject, LanguageLayer) and subject.network.blocks[0].norm is not None


# ---- reading lengths


@dataclass(frozen=True)
class Reading:
    """Of each vector: log |P x|, and what is read of it from the normed vector by a map fitted on
    other sequences.
    """

    truth: FloatArray
    read: FloatArray
    places: IndexArray

    @classmethod
    def of(cls, vectors: FloatArray, places: IndexArray, rng: np.random.Generator) -> Reading:
        """Of vectors that are already projected. Degenerate for fewer than five sequences, and for
        lengths that are zero or all equal.
        """
        sizes = np.linalg.norm(vectors, axis=1)
        units = np.unique(places)
        if len(units) < FOLDS or not sizes.all() or np.ptp(np.log(sizes)) < 1e-9:
            raise Degenerate(
                "lengths that cannot be read: zero, all equal, or of too few sequences",
                value=f"{len(units)} sequences",
                remedy="take a longer text, or a network whose embedding lives",
            )
        truth = np.log(sizes)
        normed = vectors / sizes[:, None] * np.sqrt(vectors.shape[1])
        fold = dict(
            zip(rng.permutation(units).tolist(), np.arange(len(units)) % FOLDS, strict=True)
        )
        of_row = np.array([fold[place] for place in places.tolist()])
        read = np.empty_like(truth)
        for k in range(FOLDS):
            rest = of_row != k
            weights, middle = _ridge(normed[rest], truth[rest])
            read[~rest] = truth[rest].mean() + (normed[~rest] - middle) @ weights
        return cls(truth, read, places)

    @property
    def explained(self) -> FloatArray:
        """Of each vector 1 - (squared error / variance): the mean is R^2."""
        return np.asarray(1 - (self.truth - self.read) ** 2 / self.truth.var())


def _ridge(rows: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The weights of a ridge regression on standardised coordinates, for rows less their mean,
    which is returned too; the penalty is one for every coordinate, so that it fades with rows.
    """
    middle, spread = rows.mean(axis=0), rows.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    x = (rows - middle) / spread
    gram = x.T @ x + x.shape[1] * np.eye(x.shape[1])
    return np.linalg.solve(gram, x.T @ (values - values.mean())) / spread, middle


def largest_direction(vectors: FloatArray) -> FloatArray:
    """The unit direction that carries most of the squared length."""
    _, _, rows = np.linalg.svd(vectors, full_matrices=False)
    return np.asarray(rows[0])


def without(vectors: FloatArray, direction: FloatArray) -> FloatArray:
    """The vectors without their part along a direction."""
    return np.asarray(vectors - np.outer(vectors @ direction, direction))


# ---- one layer


def _rows(layer: LanguageLayer) -> tuple[FloatArray, IndexArray]:
    """The projected vectors and their sequences. Degenerate where there is none."""
    norm = layer.network.blocks[0].norm
    assert norm is not None
    vectors = layer.vectors[:ROWS]
    if not len(vectors):
        raise Degenerate("no vectors", value=0, remedy="take a longer text")
    places = np.arange(len(vectors)) if layer.places is None else layer.places[:ROWS]
    return norm.project_float(vectors), places


def _of_layer(layer: LanguageLayer, seed: int) -> list[Finding]:
    def read() -> Finding:
        return read_finding(layer.name, *_rows(layer), _before(layer), seed)

    def large() -> Finding:
        return large_finding(layer.name, *_rows(layer), _before(layer), seed)

    return [READ.guarded(layer.name, read), LARGE.guarded(layer.name, large)]


def _before(layer: LanguageLayer) -> tuple[FloatArray, IndexArray] | None:
    return None if layer.untrained is None else _rows(layer.untrained)


def read_finding(
    subject: str,
    vectors: FloatArray,
    places: IndexArray,
    before: tuple[FloatArray, IndexArray] | None,
    seed: int,
) -> Finding:
    """R^2 of the length, as it is, without the largest direction, and before training."""
    rng = np.random.default_rng(seed)
    explained = Reading.of(vectors, places, rng).explained
    estimate = over_places(explained, places, SEQUENCES, rng, np.mean, BELOW_ONE)
    bare = without(vectors, largest_direction(vectors))
    data: dict[str, JSON] = {
        **estimate.data("r_squared"),
        "without_largest_direction_float": _r_squared(bare, places, rng),
        "untrained_float": None if before is None else _r_squared(*before, rng),
    }
    told = [
        f"{words} {number(data[key]):.2g}"
        for words, key in (
            ("without its largest direction", "without_largest_direction_float"),
            ("untrained", "untrained_float"),
        )
        if data[key] is not None
    ]
    return READ.finding(subject, estimate, value="; ".join([str(estimate), *told]), data=data)


def _r_squared(vectors: FloatArray, places: IndexArray, rng: np.random.Generator) -> float | None:
    """R^2, None where there is nothing to read."""
    try:
        return float(Reading.of(vectors, places, rng).explained.mean())
    except Degenerate:
        return None


def large_finding(
    subject: str,
    vectors: FloatArray,
    places: IndexArray,
    before: tuple[FloatArray, IndexArray] | None,
    seed: int,
) -> Finding:
    """The share of each vector's squared length in the one direction that carries most of all."""
    if not np.linalg.norm(vectors, axis=1).all():
        raise Degenerate("vectors of length zero", value=len(vectors), remedy="take a living layer")
    shares = share_of_largest(vectors)
    rng = np.random.default_rng(seed)
    estimate = over_places(shares, places, SEQUENCES, rng, np.mean, SHARE)
    data: dict[str, JSON] = {
        **estimate.data("share"),
        "untrained_share_float": None,
        "of_a_random_direction_float": 1 / vectors.shape[1],
    }
    value = f"{estimate}; of a random direction {1 / vectors.shape[1]:.2g}"
    if before is not None and np.linalg.norm(before[0], axis=1).all():
        share = float(share_of_largest(before[0]).mean())
        data["untrained_share_float"] = share
        value += f"; untrained {share:.2g}"
    return LARGE.finding(subject, estimate, value=value, data=data)


def share_of_largest(vectors: FloatArray) -> FloatArray:
    """The share of each vector's squared length along the direction that carries most of all."""
    along = vectors @ largest_direction(vectors)
    return np.asarray(along**2 / (vectors**2).sum(axis=1))


# ---- nets on shells


def _of_nets(subjects: Subjects, embed: int) -> Finding:
    options = {"dimension": DIM, "classes": 2}
    model = ModelConfig(WIDTHS, "layernorm", embed_dim=embed)
    config = TrainConfig(task="shells", task_options=options, model=model, samples=600)
    (found,) = ensemble(subjects, config, ("trained",), group=int(not embed))
    return shells_finding(found, bool(embed))


def shells_finding(found: Nets, has_channel: bool) -> Finding:
    """How many nets learn, and how much of the squared length behind the embedding is constant."""
    subject = f"shells, LayerNorm, {'an embedding with a bias' if has_channel else 'no embedding'}"
    learned, total = len(found.results), len(found.results) + found.left_out
    share = wilson(learned, total)
    data: dict[str, JSON] = {**found.data, **share.data("learned")}
    value = f"{share} that learn"
    if has_channel and learned:
        constant = [constant_share(torch_modules.read(one.model)) for one in found.results]
        data["constant_share_float"] = float(np.mean(constant))
        value += f"; the constant part is {np.mean(constant):.2g} of the squared length in front"
    return CHANNEL.finding(subject, share, value=value, data=data)


def constant_share(network: Network) -> float:
    """The bias's share of the mean squared length that the norm sees, for inputs uniform in the
    unit ball.
    """
    embedding, norm = network.blocks[0].layers[0], network.norms[0]
    bias = _seen(norm, embedding.bias.float64().T)
    weight = _seen(norm, embedding.weight.float64().T)
    moving = (weight**2).sum() / (network.input_dim + 2)  # E x x^T = 1 / (d + 2)
    constant = (bias**2).sum()
    return float(constant / (constant + moving)) if constant + moving else 0.0


def _seen(norm: Norm, rows: FloatArray) -> FloatArray:
    return norm.project_float(rows)


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = []
    for finding in findings:
        data = finding.data
        for name, words in (("r_squared", "length read"), ("share", "largest direction")):
            if data.get(f"{name}_low_float") is not None:
                keys = (f"{name}{end}_float" for end in ("", "_low", "_high"))
                rows.append(Row(f"{finding.subject}: {words}", *(number(data[k]) for k in keys)))
        for key, words in (
            ("without_largest_direction_float", "length of the rest read"),
            ("untrained_float", "length read, untrained"),
        ):
            if data.get(key) is not None:
                rows.append(Row(f"{finding.subject}: {words}", number(data[key])))
        if "learned_float" in data:
            keys = (f"learned{end}_float" for end in ("", "_low", "_high"))
            rows.append(Row(f"{finding.subject}: learn", *(number(data[k]) for k in keys)))
    caption = (
        "How much of the variance of log length a linear map reads from the normed vector (held "
        "out, R squared); the share of the squared length in the largest direction; and the share "
        "of toys that learn a task of lengths. Right of the line the claims hold."
    )
    return (Figure("scale-behind-the-norm", caption, partial(_draw, rows)),) if rows else ()


def _draw(rows: Sequence[Row]) -> Canvas:
    title, axis = "Scale behind a LayerNorm", "share"
    return forest(rows, title, "95% intervals", axis, mark=HALF)


QUESTION = Question(
    CLAIM,
    "Does a large direction smuggle scale past LayerNorm?",
    ask,
    (READ, LARGE, CHANNEL),
    groups=("language",),
    fits=fits,
    needs="a layer of a language model behind a norm",
    text=texts.POLYTOPE_LENS,
    asked="A comment recalls that some GPT-2s have a direction of very large magnitude in their "
    "residual stream, and suggests that it keeps information on scale through LayerNorm.",
    controls="None but the margins.",
    beside="The layer before training, the stream without its largest direction, and toys whose "
    "norm has no constant direction in front.",
    settled="The penalty of the linear read-out.",
)
