"""Claim 1.15: are adversarial examples adversarial since they cross ridges of boundaries?

A perturbation is found by projected gradient steps (in floats: it is only a direction) until the
class changes; where it meets the decision boundary is then exact, and so is what it crosses before.
Per length this is held against random directions of equal length from the same input, and against
the same step backwards: a gradient's line may be dense without any difference of its two sides, and
a ridge would have to lie on the adversary's. Boundaries are denser between classes anyway (claim
1.7), so straight ways to inputs of another class stand beside, up to the decision boundary too. Few
untrained nets have an adversary at all, so they
are told and not judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from exact import Network, partition_lines
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.finding import Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.shared.class_changes import walk
from studies.questions.shared.nets import Measured, ensemble
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.several import Found, brief, data_of, named, several
from studies.questions.shared.starts import BLOBS, GROUPS, deep_toy, has_classes, in_groups
from studies.rules import Claim, above
from studies.statistics import Degenerate, Estimate, over_clusters
from studies.subjects import NORM_NAMES, Subject, Subjects, Toy
from studies.texts import POLYTOPE_LENS
from toy_models import TrainResult
from toy_models.models import NormName

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.15"
INPUTS, DIRECTIONS = 60, 5
STEPS, STEP, BEYOND = 100, 0.02, 3.0  # STEP in mean lengths of the inputs; BEYOND in perturbations
NORMS: tuple[NormName, ...] = ("none", "layernorm")
OF = "crossings per length up to the decision boundary on adversarial perturbations, over those"
RIDGES = Claim(
    CLAIM,
    "An adversarial perturbation crosses more boundaries than random ones of its length.",
    Kind.ESTIMATE,
    above(0.0, f"{OF} in random directions, less 1,"),
    measures="crossings",
)
SIDE = Claim(
    CLAIM,
    "An adversarial perturbation crosses more boundaries than the same step backwards: a ridge on "
    "the adversary's side.",
    Kind.ESTIMATE,
    above(0.0, f"{OF} backwards, less 1,"),
    measures="crossings",
)
STRAIGHT = Claim(
    CLAIM,
    "An adversarial perturbation crosses more boundaries than the straight way to an input of "
    "another class does before the decision boundary.",
    Kind.ESTIMATE,
    above(0.0, f"{OF} on straight ways to inputs of another class, less 1,"),
    measures="crossings",
)
HERE = Claim(
    CLAIM,
    "In this network adversarial perturbations cross more boundaries than random ones, and more "
    "than backwards.",
    Kind.ESTIMATE,
    above(0.0, f"{OF} in random directions, less 1,", unit=GROUPS, least=5)
    & above(0.0, f"{OF} backwards, less 1,", unit=GROUPS, least=5),
    measures="crossings",
)
OTHERS = (
    ("random", "over random"),
    ("backwards", "over backwards"),
    ("straight", "over straight ways"),
)
NAMES = ("random", "backwards", "straight", "length", "density")


def ask(subjects: Subjects) -> Answer:
    """Boundaries on the way to adversarial examples, and on other ways."""
    if subjects.own:
        findings: list[Finding] = [
            HERE.guarded(toy.name, partial(of_toy, toy, subjects.seed))
            for toy in subjects.all_toys
            if fits(toy)
        ]
        return Answer(tuple(findings))
    findings, rows = [], []
    for norm in NORMS:
        trained, untrained = (
            several(nets, NAMES, of_net)
            for nets in ensemble(subjects, deep_toy(BLOBS, norm), ("trained", "untrained"))
        )
        findings += of_nets(norm, trained, untrained, subjects.seed)
        rows += [
            row
            for arm in (trained, untrained)
            for name, told in OTHERS
            for row in _row(f"{NORM_NAMES[norm]}, {arm[name].nets.arm}, {told}", arm[name])
        ]
    return Answer(tuple(findings), _figures(rows))


def fits(subject: Subject) -> bool:
    """Whether it is a torch module, which has gradients, with data of two classes or more."""
    return (
        isinstance(subject, Toy)
        and isinstance(subject.model, nn.Module)
        and has_classes(subject)
        and subject.network.output_dim > 1
    )


# ---- perturbations


def adversaries(model: nn.Module, inputs: FloatArray) -> FloatArray:
    """For every input a perturbation that changes the class the model gives it, by steps along the
    gradient of the margin, as far as they are found; NaN where none is (float32, a direction only).
    """
    parameter = next(model.parameters())
    x = torch.tensor(inputs, dtype=parameter.dtype, device=parameter.device)
    size = STEP * float(x.norm(dim=1).mean())
    with torch.no_grad():
        own = model(x).argmax(dim=1)
    moved, done = x.clone(), torch.zeros(len(x), dtype=torch.bool)
    for _ in range(STEPS):
        moved = torch.where(done[:, None], moved, moved + size * _uphill(model, moved, own))
        with torch.no_grad():
            done = model(moved).argmax(dim=1) != own
        if bool(done.all()):
            break
    steps = (moved - x).double().cpu().numpy()
    steps[~done.cpu().numpy()] = np.nan
    return np.asarray(steps)


def _uphill(model: nn.Module, x: Tensor, own: Tensor) -> Tensor:
    """The directions in which the best other class gains most on the own one."""
    at = x.detach().requires_grad_()
    outputs = model(at)
    mask = nn.functional.one_hot(own, outputs.shape[1]).bool()
    margin = outputs.masked_fill(mask, -torch.inf).amax(dim=1) - outputs[mask]
    (gradient,) = torch.autograd.grad(margin.sum(), at)
    size: Tensor = gradient.norm(dim=1, keepdim=True)
    direction: Tensor = gradient / size.clamp_min(1e-30)
    return direction


@dataclass(frozen=True)
class Ways:
    """Of every input with an adversary: the length to the decision boundary, and crossings on the
    way there, on random ways of this length (their mean), and backwards.
    """

    lengths: FloatArray
    ahead: FloatArray
    random: FloatArray
    backwards: FloatArray

    @classmethod
    def of(
        cls, network: Network, inputs: FloatArray, steps: FloatArray, rng: np.random.Generator
    ) -> Ways:
        """Degenerate where no perturbation reaches a decision boundary."""
        kept = np.isfinite(steps).all(axis=1) & (steps != 0).any(axis=1)
        x, steps = inputs[kept], BEYOND * steps[kept]
        found = walk(network, x, x + steps) if len(x) else None
        if found is None or not len(found.changed):
            raise Degenerate(
                "no perturbation changes the class", value=len(inputs), remedy="train the network"
            )
        met, place = np.unique(found.changed, return_index=True)  # the first on every line
        end = np.full(len(x), np.nan)
        end[met] = found.changes[place]
        before = found.places < end[found.lines]
        ahead = np.bincount(found.lines[before], minlength=len(x))[met]
        x, steps = x[met], end[met, None] * steps[met]
        lengths = np.linalg.norm(steps, axis=1)
        drawn = rng.standard_normal((DIRECTIONS, *x.shape))
        drawn *= lengths[:, None] / np.linalg.norm(drawn, axis=2, keepdims=True)
        others = [_crossed(network, x, x + one) for one in drawn]
        return cls(
            lengths,
            ahead.astype(float),
            np.mean(others, axis=0),
            _crossed(network, x, x - steps).astype(float),
        )

    def over(self, other: FloatArray) -> float:
        """Crossings ahead over others on ways of equal length, less 1; NaN where there is none."""
        return float(self.ahead.sum() / other.sum() - 1) if other.sum() else np.nan


def straight_density(network: Network, inputs: FloatArray, rng: np.random.Generator) -> float:
    """Crossings per length on the straight ways from inputs to others that the network gives
    another class, up to the first decision boundary; NaN where all have one class.
    """
    given = np.argmax(network.forward_float(inputs), axis=1)
    first, second = np.arange(len(inputs)), rng.permutation(len(inputs))
    apart = given[first] != given[second]
    if not apart.any():
        return np.nan
    x, y = inputs[first[apart]], inputs[second[apart]]
    found = walk(network, x, y)
    met, place = np.unique(found.changed, return_index=True)
    end = np.full(len(x), np.nan)
    end[met] = found.changes[place]
    crossed = int((found.places < end[found.lines]).sum())
    whole = float(np.nansum(end * np.linalg.norm(y - x, axis=1)))
    return crossed / whole if whole > 0 else np.nan


def _crossed(network: Network, p: FloatArray, q: FloatArray) -> IndexArray:
    return np.diff(partition_lines(network, p, q).starts)


# ---- nets of many seeds


def of_net(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """Adversaries of inputs held out from training."""
    data = result.held_out
    inputs = data.inputs.double().numpy()[rng.permutation(len(data))[:INPUTS]]
    ways = Ways.of(network, inputs, adversaries(result.model, inputs), rng)
    density = float(ways.ahead.sum() / ways.lengths.sum())
    straight = straight_density(network, inputs, rng)
    found = {
        "random": ways.over(ways.random),
        "backwards": ways.over(ways.backwards),
        "straight": density / straight - 1 if straight > 0 else np.nan,
        "length": float(ways.lengths.mean()),
        "density": density,
    }
    none = "no boundary on the other ways"
    return {name: value if np.isfinite(value) else none for name, value in found.items()}


def of_nets(
    norm: NormName, trained: Mapping[str, Measured], untrained: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """Both claims, over nets."""
    rng = np.random.default_rng(seed)
    ratio, back, straight, length, density = (trained[name].over(rng) for name in NAMES)
    before_random, before = (untrained[name].over(rng) for name in ("random", "backwards"))
    subject = named(f"{BLOBS}, {NORM_NAMES[norm]}", trained["random"])
    return [
        RIDGES.finding(
            subject,
            ratio,
            value=f"{_percent(ratio)} against random; untrained {_percent(before_random)}",
            data={
                **data_of({"over_random": ratio, "untrained": before_random}),
                **data_of({"length": length, "density": density}),
                **trained["random"].data,
            },
        ),
        SIDE.finding(
            subject,
            back,
            value=f"{_percent(back)} against backwards; untrained {_percent(before)}",
            data={
                **data_of({"over_backwards": back, "untrained": before}),
                **trained["backwards"].data,
            },
        ),
        STRAIGHT.finding(
            subject,
            straight,
            value=f"{_percent(straight)} against straight ways to another class",
            data={**straight.data("over_straight"), **trained["straight"].data},
        ),
    ]


def _percent(estimate: Estimate) -> str:
    """A relative excess, with its interval."""
    if estimate.value is None or estimate.interval is None:
        return brief(estimate)
    low, high = estimate.interval
    return f"{100 * estimate.value:+.0f}% [{100 * low:+.0f}%, {100 * high:+.0f}%]"


# ---- one network


def of_toy(toy: Toy, seed: int) -> Finding:
    """A network of one's own, by groups of its data."""
    toy.must_have_learned()
    assert isinstance(toy.model, nn.Module)
    groups, rng = in_groups(len(toy.inputs), seed), np.random.default_rng(seed)
    steps, found = adversaries(toy.model, toy.inputs), []
    for group in np.unique(groups):
        chosen = np.flatnonzero(groups == group)[:INPUTS]
        try:
            ways = Ways.of(toy.network, toy.inputs[chosen], steps[chosen], rng)
        except Degenerate:
            continue
        values = ways.over(ways.random), ways.over(ways.backwards)
        if np.isfinite(values).all():
            found.append(values)
    if len(found) < 2:
        raise Degenerate(
            "fewer than two groups of inputs have adversaries that cross boundaries",
            value=len(found),
            remedy="train the network",
        )
    return here_finding(toy.name, found, seed)


def here_finding(subject: str, found: Sequence[tuple[float, float]], seed: int) -> Finding:
    """Both ratios over groups."""
    rng = np.random.default_rng(seed)
    ratio, back = (over_clusters(list(one), rng, unit=GROUPS) for one in zip(*found, strict=True))
    value = f"{_percent(ratio)} against random, {_percent(back)} against backwards"
    data = data_of({"over_random": ratio, "over_backwards": back})
    return HERE.finding(subject, ratio, back, value=value, data=data)


# ---- figure


def _row(label: str, measured: Measured) -> list[Row]:
    found = measured.over(np.random.default_rng(0))
    if found.value is None:
        return []
    low, high = found.interval or (found.value, found.value)
    return [Row(label, 100 * found.value, 100 * low, 100 * high)]


def _figures(rows: Sequence[Row]) -> tuple[Figure, ...]:
    if not rows:
        return ()
    caption = (
        "Exact boundaries per length on the way to the decision boundary in the direction of an "
        "adversarial perturbation, against random directions of equal length, the same step "
        "backwards, and straight ways to inputs of another class, in per cent; means over nets "
        "with 95% intervals. A ridge would lie right of the line in all."
    )
    return (Figure("adversarial-ridges", caption, partial(_draw, rows)),)


def _draw(rows: Sequence[Row]) -> Canvas:
    title, subtitle = "Boundaries towards adversaries", "means with 95% intervals"
    return forest(rows, title, subtitle, "more crossings per length / %", mark=0.0)


QUESTION = Question(
    CLAIM,
    "Do adversarial examples cross ridges of boundaries?",
    ask,
    (RIDGES, SIDE, STRAIGHT, HERE),
    groups=(),
    fits=fits,
    needs="a torch module, which has gradients, with data of two classes or more",
    text=POLYTOPE_LENS,
    asked="Whether perturbed inputs are adversarial because the small step crosses many "
    "boundaries, ridges where they are dense.",
    controls="Random directions of equal length from the same input, the same step backwards, "
    "straight ways to inputs of another class.",
    beside="Untrained nets; nets with LayerNorm and without a norm are judged apart.",
    settled="That untrained nets are told and not judged, and the comparison with straight ways.",
)
