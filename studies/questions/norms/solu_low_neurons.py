"""Claim 3.2 (text 003): features that SoLU suppresses are smeared over neurons of low activation,
and the LayerNorm behind it recovers them.

Its premise first: with that norm the model is better than without. Then, of each position, the
tenth of neurons with the lowest |h| before the norm is set to zero *before* the norm, and what that
costs in loss is compared with what all ten tenths cost: smearing means that the lowest tenth
carries more of the loss than its share of the sum of |h|. The text ablates *behind* the norm; there
zero is not a low activation but moves a neuron by the norm's mean, so that the two differ most for
low neurons. For single neurons, leaving j out through the norm has a closed form from the sums of h
and h^2, and the ratio |difference| / |effect| of both ablations is told for low neurons and for the
largest. Does the gain lift suppressed neurons? The rank correlation of gain and mean rank of |h|.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.shared.pictures import Curve, sweeps
from studies.questions.shared.solu_models import Norm, Run, held_out, trained, untrained
from studies.rules import Claim, above, larger_than
from studies.statistics import SEQUENCES, Degenerate, over_clusters
from studies.subjects import Subjects

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "3.2"
PARTS, LEAST, POSITIONS = 10, 10, 40
RESTORES = Claim(
    CLAIM,
    "The LayerNorm behind SoLU restores performance.",
    Kind.ESTIMATE,
    larger_than(
        "the model with the norm", "the loss without the norm", unit=SEQUENCES, least=LEAST
    ),
    measures="nats lost without the norm",
)
SMEARS = Claim(
    CLAIM,
    "Neurons of low activation carry more than their share: features are smeared over them.",
    Kind.ESTIMATE,
    above(
        0,
        "the lowest tenth's share of the loss less its share of the sum of |h|",
        unit=SEQUENCES,
        least=LEAST,
    ),
    measures="share of loss less that of sum |h|",
)


def ask(subjects: Subjects) -> Answer:
    """What tenths of neurons carry, by their activation."""
    tokens, rng = held_out(subjects), np.random.default_rng(subjects.seed)
    with_norm, without = (trained(subjects, behind=behind).run(tokens) for behind in (True, False))
    bare = Tenths.of(untrained(subjects).run(tokens))
    found = Tenths.of(with_norm)
    findings = (
        restores_finding(with_norm.baseline, without.baseline, rng),
        SMEARS.guarded(SUBJECT, lambda: smears_finding(with_norm, found, bare, rng)),
    )
    return Answer(findings, _figures(found, bare))


SUBJECT = "one-layer SoLU model"


# ---- tenths of neurons


@dataclass(frozen=True)
class Tenths:
    """For each tenth of neurons, from the lowest |h| of their position (tenths x sequences): what
    setting them to zero before the norm, behind it, or to their means before it adds to the loss,
    and their share of the sum of |h|.
    """

    before: FloatArray
    behind: FloatArray
    means: FloatArray
    mass: FloatArray

    @classmethod
    def of(cls, run: Run) -> Tenths:
        """Of a run of a model. A tenth of d_mlp neurons is rounded as evenly as can be."""
        neurons, outputs = run.neurons, run.behind(run.neurons)
        tenth = tenths(neurons)
        usual = neurons.mean((0, 1)).expand_as(neurons)
        rows: dict[str, list[FloatArray]] = {"before": [], "behind": [], "means": [], "mass": []}
        for part in range(PARTS):
            chosen = tenth == part
            changed = {
                "before": run.behind(torch.where(chosen, 0.0, neurons)),
                "behind": torch.where(chosen, 0.0, outputs),
                "means": run.behind(torch.where(chosen, usual, neurons)),
            }
            for name, values in changed.items():
                rows[name].append(run.losses(values) - run.baseline)
            size = neurons.abs()
            mass = (size * chosen).sum((1, 2)) / size.sum((1, 2))
            rows["mass"].append(np.asarray(mass.numpy()))
        return cls(**{name: np.array(values) for name, values in rows.items()})

    def shares(self, how: str = "before") -> FloatArray:
        """The share of each tenth in the loss that all of them add, over all sequences.
        Degenerate where they add none.
        """
        added = getattr(self, how).mean(axis=1)
        if not added.sum() > 0:
            cost = float(added.sum())
            raise Degenerate("ablating costs no loss", value=cost, remedy="train for longer")
        return np.asarray(added / added.sum())


def tenths(neurons: Tensor) -> Tensor:
    """For each neuron the tenth of its position that it is in, by |h| from the lowest."""
    ranks = neurons.abs().argsort(-1).argsort(-1)
    return ranks * PARTS // neurons.shape[-1]


# ---- single neurons


def left_out(norm: Norm, neurons: Tensor) -> Tensor:
    """What the norm makes of all neurons but one: (..., j, i) is neuron i with neuron j zero before
    the norm, from the sums of h and h^2.
    """
    width = neurons.shape[-1]
    total, squares = neurons.sum(-1, keepdim=True), (neurons**2).sum(-1, keepdim=True)
    mean = (total - neurons) / width
    variance = (squares - neurons**2) / width - mean**2
    scale = torch.rsqrt(variance.clamp(min=0) + norm.eps)
    rest = neurons[..., None, :] * (1 - torch.eye(width, dtype=neurons.dtype))
    return (rest - mean[..., None]) * scale[..., None] * norm.gain + norm.shift


def disagreement(run: Run, rng: np.random.Generator) -> tuple[float, float]:
    """|ablation behind the norm - before it| / |before it| in what the MLP writes, median over some
    positions: of the lowest tenth of neurons, and of the largest neuron.
    """
    norm = run.source.inner
    assert norm is not None, "the model has a norm behind its activation"
    flat = run.neurons.flatten(0, 1)
    chosen = flat[torch.from_numpy(rng.permutation(len(flat))[:POSITIONS].copy())]
    outputs = norm(chosen)
    before = (left_out(norm, chosen) - outputs[:, None]) @ run.written
    behind = -outputs[..., None] * run.written
    ratio = (behind - before).norm(dim=-1) / before.norm(dim=-1).clamp(min=1e-300)
    order = chosen.abs().argsort(-1)
    low = ratio.gather(1, order[:, : max(1, order.shape[1] // PARTS)])
    return float(low.median()), float(ratio.gather(1, order[:, -1:]).median())


def gain_by_rank(run: Run) -> float:
    """Spearman's correlation of the gain's size and the mean rank of |h|: below 0 the gain lifts
    suppressed neurons. 0 where the gain does not vary.
    """
    assert run.source.inner is not None
    gain = run.source.inner.gain.abs().numpy()
    ranks = run.neurons.abs().argsort(-1).argsort(-1).double().mean((0, 1)).numpy()
    return float(stats.spearmanr(gain, ranks).statistic) if np.ptp(gain) else 0.0


# ---- findings


def restores_finding(
    with_norm: FloatArray, without: FloatArray, rng: np.random.Generator
) -> Finding:
    """The loss of each sequence without the norm, less that with it."""
    found = over_clusters(without - with_norm, rng, unit=SEQUENCES)
    value = f"{found}; loss with it {with_norm.mean():.3g}, without {without.mean():.3g}"
    data: dict[str, JSON] = {
        **found.data("difference"),
        "loss_with_float": float(with_norm.mean()),
        "loss_without_float": float(without.mean()),
    }
    return RESTORES.finding(SUBJECT, found, value=value, data=data)


def smears_finding(run: Run, found: Tenths, bare: Tenths, rng: np.random.Generator) -> Finding:
    """The lowest tenth's share of the loss less its share of the mass, by sequence."""
    total = found.before.mean(axis=1).sum()
    share = float(found.shares()[0])
    estimate = over_clusters(found.before[0] / total - found.mass[0], rng, unit=SEQUENCES)
    low, high = disagreement(run, rng)
    data: dict[str, JSON] = {
        **estimate.data("excess"),
        "share_of_loss_float": share,
        "share_of_mass_float": float(found.mass[0].mean()),
        **{
            f"loss_{how}_float": [float(x) for x in getattr(found, how).mean(axis=1)]
            for how in ("before", "behind", "means")
        },
        "untrained_loss_before_float": [float(x) for x in bare.before.mean(axis=1)],
        "disagreement_of_low_neurons_float": low,
        "disagreement_of_the_largest_float": high,
        "gain_by_rank_float": gain_by_rank(run),
    }
    value = (
        f"{estimate}; shares {share:.2g} and {found.mass[0].mean():.2g}; behind the norm off "
        f"by {low:.2g} (low), {high:.2g} (top)"
    )
    return SMEARS.finding(SUBJECT, estimate, value=value, data=data)


# ---- figures


def _figures(found: Tenths, bare: Tenths) -> tuple[Figure, ...]:
    caption = (
        "What setting a tenth of the neurons to zero adds to the loss, from the lowest |h| of a "
        "position to the highest: before the norm, behind it as in the text, or to their means; "
        "open marks at the edge add nothing or lower it."
    )
    return (Figure("loss-by-tenth", caption, partial(_draw, found, bare)),)


def _draw(found: Tenths, bare: Tenths) -> Canvas:
    curves = [
        ("zero before the norm", found.before, 0, False),
        ("zero behind the norm", found.behind, 1, False),
        ("mean before the norm", found.means, 2, False),
        ("untrained, zero before", bare.before, 3, True),
    ]
    parts = [float(k) for k in range(1, PARTS + 1)]
    lines = [
        Curve(label, parts, values.mean(axis=1).tolist(), group, dashed)
        for label, values, group, dashed in curves
    ]
    panel: tuple[str, Sequence[Curve]] = ("added loss / nats", lines)
    return sweeps([panel], "Ablating tenths of neurons", "means over sequences", "tenth, by |h|")


QUESTION = Question(
    CLAIM,
    "Are features smeared over neurons of low activation?",
    ask,
    (RESTORES, SMEARS),
    groups=(),
    fits=lambda _: False,
    needs="a language model with SoLU, which this question trains for itself",
    text=texts.SMEARING,
    asked="SoLU suppresses low activations, yet a LayerNorm behind it restores performance: are "
    "features smeared over low neurons, so that ablating these costs more than their activation "
    "suggests? The text finds no cluster of such neurons.",
    controls="The same model without that norm.",
    beside="The model before training, and ablation behind the norm and to the mean.",
)
