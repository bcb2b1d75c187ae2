"""Claim 4.1 (text 004): that directions matter more than lengths comes from cross-entropy, not
from LayerNorm.

A norm in front makes the decision exact in scale (eps aside), and so does leaving out every bias:
theorems, which the run checks. Open is a network with biases and without a norm. For each data row
the interval of scales around 1 with the same decision is exact: ties of outputs are hinges, and the
first of them that the decision takes part in, on the segments from x to 8 x and to x / 8, ends it.
In octaves, censored at 3 each way; up and down on average. Softmax does not care for size, squared
error does: if cross-entropy makes directions matter, its nets keep decisions over a longer interval
than nets of the same seed trained on one-hot squared error, as accurate on average within 1% (else
only pairs that are). Tasks must reward length too, else that directions matter is the task's:
`shells` by radius alone, `direction_and_length` by both. Beside it, on a grid of directions and
lengths, how much of the variance of outputs and of codes is the direction's and the length's; the
loss of each arm on rows scaled by octaves; and what cosines with the unembedding, and norms, have
of the variance of outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from exact import Network, partition_lines
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.instruments.decision.ties import tied
from exact.sources import torch_modules
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared import nets
from studies.questions.shared.nets import Measured, Nets, ensemble
from studies.questions.shared.one_hidden_layer import unit_rows
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.rays import must_live, with_eps
from studies.rules import Claim, equivalent, larger_than, theorem
from studies.statistics import Degenerate, Estimate
from studies.subjects import NORM_NAMES, Subject, Subjects, Toy
from toy_models import ModelConfig, TrainConfig, TrainResult
from toy_models.models import NormName
from toy_models.train import LossName

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "4.1"
MARGIN, MOST, FACTOR, MATCHED = 0.25, 3.0, 8, 0.01
OF = "octaves of scale that keep the decision, up and down on average"
SCALES = Claim(
    CLAIM,
    "Behind a norm (eps set aside), or without any bias, the decision does not depend on the "
    "length of the input.",
    Kind.THEOREM,
    theorem("no data row changes its decision between an eighth and eight times its length"),
)
LOSS = Claim(
    CLAIM,
    "Without a norm, cross-entropy makes direction matter more than length; squared error does so "
    "less.",
    Kind.ESTIMATE,
    larger_than("the net of the same seed trained on squared error", OF, MARGIN).against(
        equivalent(MARGIN, OF)
    ),
    measures="octaves more than by squared error",
)
TASKS = ("direction", "blobs", "shells", "direction_and_length")
OPTIONS = {"dimension": 3}
WIDTHS, ROWS, DIRECTIONS, LENGTHS = (16, 16), 40, 40, 12
OCTAVES = range(-3, 4)
BARE: tuple[tuple[NormName, bool], ...] = (("layernorm", True), ("rms", True), ("none", False))
LOSSES: tuple[LossName, ...] = ("cross_entropy", "mse")
WORDS = {"cross_entropy": "cross-entropy", "mse": "squared error", "untrained": "untrained"}


def ask(subjects: Subjects) -> Answer:
    """How far each decision holds along its ray, by loss; and where it must hold everywhere."""
    findings = [
        SCALES.guarded(toy.name, partial(_of_toy, toy)) for toy in subjects.all_toys if fits(toy)
    ]
    if not subjects.own:
        findings += [_theorem(subjects, norm, bias) for norm, bias in BARE]
        for group, task in enumerate(TASKS):
            findings.append(_of_task(subjects, task, group))
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether the decision is one of several outputs, and one norm sees all of the input."""
    if not isinstance(subject, Toy) or subject.dataset is None or subject.network.output_dim < 2:
        return False
    first = subject.network.blocks[0]
    alone = first.norm is not None and len(subject.network.norms) == 1
    return alone and not first.residual


# ---- scales


def octaves(network: Network, rows: FloatArray) -> FloatArray:
    """For each row how many octaves down and up (rows x 2) the decision stays, at most 3; exact
    but for the rounding of where it ends.
    """
    ties, first = tied(network), network.hinge_count
    pairs = np.array([(a, b) for a in range(network.output_dim) for b in range(a)])
    found = np.full((len(rows), 2), MOST)
    for side, far in enumerate((1 / FACTOR, FACTOR)):
        batch = partition_lines(ties, rows, far * rows)
        bits = np.unpackbits(batch.first_codes, axis=1, count=ties.hinge_count)[:, first:]
        best = decisions(bits.astype(bool), pairs)
        owner = np.repeat(np.arange(len(rows)), np.diff(batch.starts))
        place = batch.rows.astype(np.int64) - first
        ends = (place >= 0) & (pairs[np.maximum(place, 0)] == best[owner][:, None]).any(axis=1)
        scales = 1 + (far - 1) * (batch.low[ends] + batch.high[ends]) / 2
        np.minimum.at(found[:, side], owner[ends], np.abs(np.log2(scales)))
    return found


def decisions(bits: np.ndarray, pairs: IndexArray) -> IndexArray:
    """The first largest output, from whether output a exceeds output b for each pair (a, b)."""
    best = np.zeros(len(bits), dtype=np.int64)
    for later in range(1, int(pairs.max(initial=0)) + 1):
        columns = {int(b): k for k, (a, b) in enumerate(pairs) if a == later}
        beats = np.array([columns[b] for b in best.tolist()])
        best[bits[np.arange(len(bits)), beats]] = later
    return best


def directed_rows(network: Network, rows: FloatArray) -> FloatArray:
    """Rows that have a direction. Degenerate where there is none."""
    norm = network.blocks[0].norm
    seen = rows if norm is None else norm.project_float(rows)
    kept = rows[np.linalg.norm(seen, axis=1) > 0][:ROWS]
    if not len(kept):
        raise Degenerate("no row has a direction", value=len(rows), remedy="give other data")
    return kept


# ---- direction and length


@dataclass(frozen=True)
class Shares:
    """How much of a variance over a grid of directions and lengths is the direction's, the
    length's, and neither's alone; they sum to 1.
    """

    direction: float
    length: float

    @classmethod
    def of(cls, values: FloatArray) -> Shares:
        """Of (directions x lengths x outputs). Degenerate where nothing varies."""
        centred = values - values.mean(axis=(0, 1))
        whole = float((centred**2).sum())
        if whole <= 1e-24 * max(1.0, float((values**2).sum())):
            raise Degenerate("the outputs do not vary", value=whole, remedy="train the net")
        by_direction = centred.mean(axis=1, keepdims=True)
        by_length = centred.mean(axis=0, keepdims=True)
        parts = [
            float((part**2).sum()) * values.shape[axis] / whole
            for part, axis in ((by_direction, 1), (by_length, 0))
        ]
        return cls(*parts)


def grid(rows: FloatArray) -> FloatArray:
    """Directions of data times lengths of data (directions x lengths x dim), lengths from the 5th
    to the 95th percentile, evenly in octaves.
    """
    low, high = np.quantile(np.linalg.norm(rows, axis=1), (0.05, 0.95))
    along = np.geomspace(low, high, LENGTHS)
    return np.asarray(unit_rows(rows[:DIRECTIONS])[:, None] * along[:, None])


def shares(network: Network, rows: FloatArray) -> tuple[Shares, Shares]:
    """Of the outputs (float64), and of the exact codes."""
    points = grid(rows)
    flat = points.reshape(-1, points.shape[2])
    shape = points.shape[:2]
    outputs = network.forward_float(flat).reshape(*shape, -1)
    bits = network.codes(flat).bits.astype(np.float64).reshape(*shape, -1)
    return Shares.of(outputs), Shares.of(bits)


def unembedded(network: Network, rows: FloatArray) -> tuple[float, float]:
    """Of the outputs without their biases, |h| |w| cos(h, w) for the last hidden vector h and the
    weights w of an output, over rows and outputs: the squared correlation with the cosine, and with
    the product of norms. Degenerate where one of them does not vary.
    """
    hidden = network.hidden_float(rows, activated=True)[-1]
    weights = network.blocks[-1].layers[-1].weight.float64()
    outputs = hidden @ weights.T
    norms = np.linalg.norm(hidden, axis=1)[:, None] * np.linalg.norm(weights, axis=1)
    cosine = np.divide(outputs, norms, out=np.zeros_like(outputs), where=norms > 0)
    if not all(np.ptp(one) > 1e-9 * np.abs(one).max() for one in (outputs, cosine, norms)):
        raise Degenerate("the outputs do not vary", value=len(rows), remedy="train the net")
    by_cosine, by_norms = (
        float(np.corrcoef(outputs.ravel(), one.ravel())[0, 1]) ** 2 for one in (cosine, norms)
    )
    return by_cosine, by_norms


def losses(network: Network, rows: FloatArray, labels: IndexArray, loss: str) -> FloatArray:
    """The mean loss of the rows scaled by 2^k, k of `OCTAVES`: cross-entropy in nats, or the
    squared error of one-hot targets.
    """
    found = []
    for octave in OCTAVES:
        outputs = network.forward_float(2.0**octave * rows)
        if loss == "mse":
            found.append(((outputs - np.eye(outputs.shape[1])[labels]) ** 2).mean())
        else:
            chosen = outputs[np.arange(len(labels)), labels]
            found.append((special.logsumexp(outputs, axis=1) - chosen).mean())
    return np.array(found)


# ---- theorems


def _of_toy(toy: Toy) -> Finding:
    must_live(toy.network)
    rows = directed_rows(toy.network, toy.inputs)
    return scales_finding(toy.name, [(with_eps(toy.network, 0), rows)])


def _theorem(subjects: Subjects, norm: NormName, bias: bool) -> Finding:
    model = ModelConfig(WIDTHS, norm, bias=bias, embed_dim=0)
    config = TrainConfig(task="direction", task_options=OPTIONS, model=model)
    (found,) = ensemble(subjects, config, ("untrained",))
    words = NORM_NAMES[norm] if bias else f"{NORM_NAMES[norm]}, no bias"
    given = [
        (with_eps(network, 0), _inputs(result)[:ROWS])
        for network, result in zip(found.networks, found.results, strict=True)
    ]
    return scales_finding(f"{words}, {found.arm} nets", given)


def scales_finding(subject: str, given: Sequence[tuple[Network, FloatArray]]) -> Finding:
    """That no decision changes along a ray."""
    ends = [octaves(network, rows) for network, rows in given]
    moved = sum(int((one < MOST).any(axis=1).sum()) for one in ends)
    tried = sum(map(len, ends))
    value = (
        f"{moved} of {tried} rows change their decision, {len(given)} net{'s' * (len(given) > 1)}"
    )
    data: dict[str, JSON] = {"changed": moved, "rows": tried, "networks": len(given)}
    return SCALES.finding(subject, Estimate.exactly(moved), value=value, data=data)


# ---- the two losses


def _inputs(result: TrainResult) -> FloatArray:
    return np.asarray(result.dataset.inputs.double().numpy())


def net_octaves(network: Network, result: TrainResult, _: np.random.Generator) -> float:
    """The mean over rows of octaves up and down."""
    return float(octaves(network, directed_rows(network, _inputs(result))).mean())


def net_shares(
    network: Network, result: TrainResult, _: np.random.Generator, *, codes: bool
) -> float:
    """The direction's share of the variance of outputs, or of codes."""
    return shares(network, _inputs(result))[codes].direction


def net_unembedded(
    network: Network, result: TrainResult, _: np.random.Generator, *, norms: bool
) -> float:
    """How much of the variance of outputs the cosine with the unembedding has, or the norms."""
    return unembedded(network, _inputs(result))[norms]


def losses_of(arm: Nets, loss: str) -> list[float] | None:
    """The mean over nets of their own loss at every octave of scale; None without a net."""
    found = [
        losses(torch_modules.read(one.model), _inputs(one), one.dataset.targets.numpy(), loss)
        for one in arm.results
    ]
    return [float(x) for x in np.mean(found, axis=0)] if found else None


def matched(first: Nets, second: Nets) -> set[int]:
    """The seeds that both have, where their held-out accuracies are equal within 1% on average;
    else only those of pairs that are.
    """
    mine, theirs = (
        {one.config.seed: _accuracy(one) for one in arm.results} for arm in (first, second)
    )
    gaps = {seed: mine[seed] - theirs[seed] for seed in mine.keys() & theirs.keys()}
    if gaps and abs(float(np.mean([*gaps.values()]))) <= MATCHED:
        return set(gaps)
    return {seed for seed, gap in gaps.items() if abs(gap) <= MATCHED}


def _accuracy(result: TrainResult) -> float:
    score = result.held_out_score or result.training_score
    return score.accuracy or 0.0


def _only(found: Measured, seeds: set[int]) -> Measured:
    return replace(found, values={seed: x for seed, x in found.values.items() if seed in seeds})


def _of_task(subjects: Subjects, task: str, group: int) -> Finding:
    model = ModelConfig(WIDTHS, "none", embed_dim=0)
    config = TrainConfig(task=task, task_options=OPTIONS, model=model)
    (untrained,) = ensemble(subjects, config, ("untrained",), group=group)
    arms = [
        ensemble(
            subjects, replace(config, loss=loss), ("trained",), group=group, steps=2 * nets.STEPS
        )[0]
        for loss in LOSSES
    ]
    entropy, squared, before = (Measured.of(one, net_octaves) for one in (*arms, untrained))
    told = {
        f"{name}_{loss}": Measured.of(arms[k], partial(net_shares, codes=name == "codes"))
        for name in ("outputs", "codes")
        for k, loss in enumerate(LOSSES)
    }
    told |= {
        f"{name}_{loss}": Measured.of(arms[k], partial(net_unembedded, norms=name == "norms"))
        for name in ("cosine", "norms")
        for k, loss in enumerate(LOSSES)
    }
    rng = np.random.default_rng(subjects.seed)
    found = task_finding(task, (entropy, squared, before), matched(*arms), told, rng)
    scaled: dict[str, JSON] = {
        f"{loss}_by_octave_of_scale_float": losses_of(arm, loss)
        for arm, loss in zip(arms, LOSSES, strict=True)
    }
    return replace(found, data={**found.data, "octaves": list(OCTAVES), **scaled})


def task_finding(
    task: str,
    octaves_of: tuple[Measured, Measured, Measured],
    seeds: set[int],
    told: dict[str, Measured],
    rng: np.random.Generator,
) -> Finding:
    """Cross-entropy minus squared error, over the seeds whose nets are as accurate; the third are
    nets before training.
    """
    entropy, squared, before = octaves_of
    found = entropy.minus(_only(squared, seeds), rng)
    each = [one.over(rng) for one in octaves_of]
    means = [one.value for one in each]
    outputs = [told[f"outputs_{loss}"].over(rng).value for loss in LOSSES if told]
    value = f"{found}; octaves {_words(means[:2])} by either loss"
    if outputs:
        value += f"; direction's share of outputs {_words(outputs)}"
    data: dict[str, JSON] = {
        **found.data("difference"),
        **each[0].data("octaves_cross_entropy"),
        **each[1].data("octaves_mse"),
        **each[2].data("octaves_untrained"),
        "cross_entropy": entropy.data,
        "mse": squared.data,
        "untrained": before.data,
        "matched_seeds": sorted(seeds),
        **{f"share_by_{name}_float": one.over(rng).value for name, one in told.items()},
    }
    subject = f"{task}, no norm"
    if not seeds:
        why = "no two nets of one seed learned and are as accurate"
        return LOSS.undecided(subject, why, value=value.partition("; ")[2], data=data)
    return LOSS.finding(subject, found, value=value, data=data)


def _words(values: Sequence[float | None]) -> str:
    """Two values, cross-entropy's and squared error's."""
    return " and ".join("none" if x is None else f"{x:.2g}" for x in values)


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = [
        Row(f"{f.subject}, {WORDS[arm]}", *(number(f.data[key]) for key in keys))
        for f in findings
        for arm in (*LOSSES, "untrained")
        if f.data.get((keys := [f"octaves_{arm}{end}_float" for end in ("", "_low", "_high")])[1])
        is not None
    ]
    directions = [
        Row(f"{f.subject}, {WORDS[loss]}, {name}", 100 * number(f.data[key]))
        for f in findings
        for name in ("outputs", "codes")
        for loss in LOSSES
        if f.data.get(key := f"direction_of_{name}_{loss}_float") is not None
    ]
    figures = []
    if rows:
        caption = (
            "Octaves of scale over which a decision holds along its ray, up and down on average, "
            f"exact, censored at {MOST:g} each way, by loss."
        )
        figures.append(Figure("octaves-by-loss", caption, partial(_draw_octaves, rows)))
    if directions:
        caption = (
            "How much of the variance of outputs and of exact codes, over a grid of directions and "
            "lengths of the data, is the direction's; means over nets, without "
            "intervals."
        )
        figures.append(Figure("direction-share", caption, partial(_draw_shares, directions)))
    return tuple(figures)


def _draw_octaves(rows: Sequence[Row]) -> Canvas:
    title, axis = "How far a decision holds", "octaves of scale"
    return forest(rows, title, "means over nets, 95% intervals", axis)


def _draw_shares(rows: Sequence[Row]) -> Canvas:
    title, axis = "What outputs and codes depend on", "share of the direction / %"
    return forest(rows, title, "without a norm, trained nets", axis)


QUESTION = Question(
    CLAIM,
    "Is it LayerNorm or cross-entropy that makes directions matter?",
    ask,
    (SCALES, LOSS),
    groups=(),
    fits=fits,
    needs="data, several outputs, and one norm in front of everything",
    text=texts.NORM_OR_LOSS,
    asked="One commenter holds that LayerNorm makes features directions, another that "
    "cross-entropy does most of it, since softmax is about differences of logits.",
    controls="Squared error on the same data with the same seed and accuracy, and networks whose "
    "decision cannot depend on length.",
    beside="Tasks that reward length, each judged apart; nets before training; the loss at every "
    "octave of scale; what cosines with the unembedding and norms have of the variance of outputs.",
    settled="That the arms are matched in accuracy on average, and trained for twice the steps.",
)
