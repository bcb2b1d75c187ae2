"""Claim 3.3 (text 003): there are tokens where the MLP's attribution to the right logit is high and
no single neuron's is; and a third score that could not have come out otherwise.

Attribution of a neuron: what it writes, through the last norm with its scale frozen, on the next
token's logit (less the mean logit, which softmax does not see). A position counts as high in the
top tenth of the whole MLP's attribution; no neuron is high where the largest takes less than 5% of
the sum of sizes. The same activations on permuted neurons are the control: sums of many random
parts have no high neuron either. Exactly through the last norm the attribution of a neuron is the
change of that logit when it writes nothing; how far the frozen one is from it is told.

The text also compares positions by the mean of activations behind the norm over that before it.
Before its gain and bias the norm takes the mean off: behind it the mean is zero at every position,
exactly. So "no difference" was the only possible result but for gain and bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from exact import LayerNorm
from exact.arithmetic.numbers import FloatArray, RationalArray, rational
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.intervals import percent, share_over
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.solu_models import Run, held_out, trained, untrained
from studies.rules import APART, SHARE, Claim, above, larger_than, theorem
from studies.statistics import SEQUENCES, Degenerate, Estimate, over_clusters
from studies.subjects import Subjects

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "3.3"
SMALL, TOP, SOME, LEAST, DRAWS = 0.05, 0.9, 0.05, 10, 999
SHARE_OF = "the share of highly attributed positions where no neuron takes 5% of the attribution"
HIGH = Claim(
    CLAIM,
    "There are tokens where the MLP's direct attribution is high and no single neuron's is.",
    Kind.ESTIMATE,
    above(SOME, SHARE_OF, range=SHARE, unit=SEQUENCES, least=LEAST),
    measures="share of positions",
)
MORE = Claim(
    CLAIM,
    "There are more of them than chance spreads over neurons.",
    Kind.ESTIMATE,
    larger_than(
        "the same activations on permuted neurons",
        SHARE_OF,
        range=APART,
        unit=SEQUENCES,
        least=LEAST,
    ),
    measures="more than permuted",
)
ZERO = Claim(
    CLAIM,
    "Behind a LayerNorm without gain and bias the mean activation is zero at every position, so "
    "that its ratio to the mean before cannot tell positions apart.",
    Kind.THEOREM,
    theorem("the mean of (h - mean h) is exactly zero at every position"),
)
SUBJECT = "one-layer SoLU model"
CHECKED, EXACT_POSITIONS = 20, 60


def ask(subjects: Subjects) -> Answer:
    """Attribution of the MLP and of its neurons at every token, and the third score."""
    tokens, rng = held_out(subjects), np.random.default_rng(subjects.seed)
    findings: list[Finding] = []
    for name, model in (
        (SUBJECT, trained(subjects)),
        (f"{SUBJECT}, untrained", untrained(subjects)),
    ):
        run = model.run(tokens)
        findings += [
            HIGH.guarded(name, partial(high_finding, name, run, rng)),
            MORE.guarded(name, partial(more_finding, name, run, rng)),
        ]
    findings.append(zero_finding(trained(subjects).run(tokens)))
    return Answer(tuple(findings), _figures(findings))


# ---- attribution


def attribution(run: Run, written: Tensor) -> FloatArray:
    """What each neuron adds to the next token's logit less the mean logit, the last norm's scale
    frozen (sequences x positions x d_mlp); `written` is what neurons write.
    """
    norm = run.last_norm
    outputs = run.behind(run.neurons)[:, :-1]
    scale = norm.scale(run.final(run.behind(run.neurons)))[:, :-1]
    reading = run.unembedding - run.unembedding.mean(0)
    aims = reading[run.tokens[:, 1:]] * norm.gain
    aims = aims - aims.mean(-1, keepdim=True)
    return np.asarray((scale * (aims @ written.T) * outputs).numpy())


@dataclass(frozen=True)
class Attribution:
    """Of each position, in one row: the attribution of the whole MLP, the largest neuron's share of
    the sum of sizes, and the number of its sequence.
    """

    whole: FloatArray
    largest: FloatArray
    sequences: np.ndarray

    @classmethod
    def of(cls, neurons: FloatArray) -> Attribution:
        """Of (sequences x positions x d_mlp). Degenerate where nothing is attributed."""
        sizes = np.abs(neurons)
        total = sizes.sum(axis=2)
        if not total.all():
            raise Degenerate(
                "positions without attribution",
                value=int((total == 0).sum()),
                remedy="train the model",
            )
        places = np.repeat(np.arange(len(neurons)), neurons.shape[1])
        return cls(neurons.sum(axis=2).ravel(), (sizes.max(axis=2) / total).ravel(), places)

    @property
    def high(self) -> np.ndarray:
        """The positions in the top tenth of the MLP's attribution."""
        return np.asarray(self.whole > np.quantile(self.whole, TOP))


def permuted(run: Run, rng: np.random.Generator) -> Tensor:
    """What neurons write, each what another one did."""
    return run.written[torch.from_numpy(rng.permutation(len(run.written)).copy())]


def through_the_norm(run: Run, neurons: FloatArray, rng: np.random.Generator) -> float:
    """The median over neurons that matter (a hundredth of the largest) of |frozen - exact| /
    |exact|, at some positions: exactly, a neuron's attribution is what the logit loses without it.
    """
    sequences, positions, _ = neurons.shape
    chosen = rng.permutation(sequences * positions)[:EXACT_POSITIONS]
    outputs = run.behind(run.neurons)
    final = run.final(outputs)
    gaps = []
    for s, p in zip(*np.divmod(chosen, positions), strict=True):
        parts = outputs[s, p][:, None] * run.written
        reading = (run.unembedding - run.unembedding.mean(0))[run.tokens[s, p + 1]]
        whole = run.last_norm(final[s, p][None]) @ reading
        without = run.last_norm(final[s, p] - parts) @ reading
        exact = (whole - without).numpy()
        counted = np.abs(exact) > np.abs(exact).max() / 100
        gaps.append(np.abs(neurons[s, p] - exact)[counted] / np.abs(exact)[counted])
    return float(np.median(np.concatenate(gaps)))


# ---- findings


def high_finding(subject: str, run: Run, rng: np.random.Generator) -> Finding:
    """How many highly attributed positions have no high neuron."""
    neurons = attribution(run, run.written)
    found = Attribution.of(neurons)
    gap = through_the_norm(run, neurons, rng)
    return share_finding(subject, found, gap, rng)


def share_finding(
    subject: str, found: Attribution, gap: float, rng: np.random.Generator
) -> Finding:
    """The share of the high positions where no neuron takes 5%."""
    high = found.high
    none = found.largest[high] < SMALL
    share = share_over(none, found.sequences[high], rng, unit=SEQUENCES, draws=DRAWS)
    largest = float(np.median(found.largest[high]))
    value = (
        f"{share}; the largest neuron takes {percent(largest)}, median; frozen scale off by "
        f"{percent(gap)}"
    )
    data: dict[str, JSON] = {
        **share.data("share"),
        "high_positions": int(high.sum()),
        "largest_neuron_float": largest,
        "largest_neuron_elsewhere_float": float(np.median(found.largest[~high])),
        "frozen_scale_error_float": gap,
    }
    return HIGH.finding(subject, share, value=value, data=data)


def more_finding(subject: str, run: Run, rng: np.random.Generator) -> Finding:
    """The same against permuted neurons."""
    found, control = (
        Attribution.of(attribution(run, written)) for written in (run.written, permuted(run, rng))
    )
    return against_finding(subject, found, control, rng)


def against_finding(
    subject: str, found: Attribution, control: Attribution, rng: np.random.Generator
) -> Finding:
    """The share less that of the control, over the sequences that both have high positions in."""
    mine, theirs = _by_sequence(found), _by_sequence(control)
    shared = sorted(mine.keys() & theirs.keys())
    less = [mine[k] - theirs[k] for k in shared]
    estimate = over_clusters(less, rng, unit=SEQUENCES, range=APART)
    means = [float(np.mean([one[k] for k in shared])) for one in (mine, theirs)]
    value = f"{estimate}; shares by sequence {percent(means[0])} against {percent(means[1])}"
    data: dict[str, JSON] = {
        **estimate.data("difference"),
        "share_float": means[0],
        "permuted_share_float": means[1],
    }
    return MORE.finding(subject, estimate, value=value, data=data)


def _by_sequence(found: Attribution) -> dict[int, float]:
    places, none = found.sequences[found.high], found.largest[found.high] < SMALL
    return {int(k): float(none[places == k].mean()) for k in np.unique(places)}


def zero_finding(run: Run) -> Finding:
    """The mean behind the norm, exactly, and what gain and bias make of the text's ratio."""
    rows = run.neurons.flatten(0, 1)
    checked = rows[torch.linspace(0, len(rows) - 1, CHECKED).long()]
    wrong = sum(centred_mean(row.tolist()) != 0 for row in checked)
    ratio = (run.behind(rows).mean(-1) / rows.mean(-1)).numpy()
    value = f"mean behind the norm exactly 0 at {CHECKED - wrong} of {CHECKED} positions"
    data: dict[str, JSON] = {
        "violations": wrong,
        "positions": CHECKED,
        "ratio_with_gain_and_bias_median_float": float(np.median(ratio)),
    }
    return ZERO.finding(SUBJECT, Estimate.exactly(wrong), value=value, data=data)


def centred_mean(row: Sequence[float]) -> Fraction:
    """The mean of h - mean h, exactly."""
    column = RationalArray(len(row), 1, [rational(x, "h") for x in row])
    found = LayerNorm.of(dim=len(row)).project(column).entries()
    total = sum(found, rational(0, "0"))
    return Fraction(int(total.p), int(total.q)) / len(row)


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = [
        Row(f"{finding.subject}{words}", 100 * number(finding.data[key]))
        for finding in findings
        for words, key in (
            (", high positions", "largest_neuron_float"),
            (", other positions", "largest_neuron_elsewhere_float"),
        )
        if key in finding.data
    ]
    caption = (
        "The largest neuron's share of the attribution of all neurons to the next token's logit, "
        "median over positions: those in the top tenth of the whole MLP's attribution, and the "
        "others. Left of the line no neuron is high."
    )
    return (Figure("largest-neuron", caption, partial(_draw, rows)),) if rows else ()


def _draw(rows: Sequence[Row]) -> Canvas:
    title, axis = "How much one neuron takes", "share of the largest neuron / %"
    return forest(rows, title, "medians over positions", axis, mark=100 * SMALL)


QUESTION = Question(
    CLAIM,
    "Is the MLP's attribution high where no neuron's is?",
    ask,
    (HIGH, MORE, ZERO),
    groups=(),
    fits=lambda _: False,
    needs="a language model with SoLU, which this question trains for itself",
    text=texts.SMEARING,
    asked="The text looks for tokens to which the MLP contributes much although no single neuron "
    "does, and compares means behind and before the norm at such positions, without finding a "
    "difference.",
    controls="The same activations on permuted neurons.",
    beside="The model before training.",
)
