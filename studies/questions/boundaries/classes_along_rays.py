"""Claim 1.24: untrained nets keep one class along the rays of their activations.

Class changes on t x, 0 < t <= 4, are exact ties of the outputs. A net that keeps one class along
rays may keep it everywhere, as its biases outweigh what it does with inputs: how many inputs have
the most frequent class stands beside. With every bias zero no class can change on a ray (claim
1.21).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network
from exact.arithmetic.numbers import FloatArray
from studies.finding import Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.shared.class_changes import from_origin
from studies.questions.shared.intervals import Share
from studies.questions.shared.linear_curves import linear_curves
from studies.questions.shared.nets import Measured, ensemble
from studies.questions.shared.pictures import Curve
from studies.questions.shared.several import Found, brief, data_of, named, several, share_of_nets
from studies.questions.shared.starts import (
    BLOBS,
    DEPTH,
    Start,
    deep_toy,
    is_deep_classifier,
    starts,
)
from studies.rules import APART, SHARE, Claim, below, larger_than
from studies.statistics import Degenerate
from studies.subjects import Subjects, Toy
from studies.texts import POLYTOPE_LENS
from toy_models import TrainResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.24"
RAYS, RAYS_OF_A_TOY, FARTHEST, FEW = 60, 400, 4.0, 0.15
OF = f"the share of rays of activations on which the class changes at t <= {FARTHEST:g}"
KEPT = Claim(
    CLAIM,
    "Untrained nets keep one class along the ray of an activation.",
    Kind.ESTIMATE,
    below(FEW, f"{OF}, in untrained nets", range=SHARE),
    measures="class changes on a share of",
)
LEARNED = Claim(
    CLAIM,
    "Training makes classes change along rays.",
    Kind.ESTIMATE,
    larger_than("the untrained net of the same seed", OF, range=APART),
    measures="more rays than untrained",
)
HERE = Claim(
    CLAIM,
    "This network keeps one class along the rays of its activations.",
    Kind.ESTIMATE,
    below(FEW, OF, range=SHARE, unit="rays", least=20),
    measures="share of rays",
)
SORTS = ("far", "near")
NAMES = (*(f"{sort} from {n}" for sort in SORTS for n in range(DEPTH)), "most frequent")


def ask(subjects: Subjects) -> Answer:
    """The share of rays on which the class changes."""
    if subjects.own:
        findings: list[Finding] = [
            HERE.guarded(toy.name, partial(of_toy, toy, subjects.seed))
            for toy in subjects.all_toys
            if fits(toy)
        ]
        return Answer(tuple(findings))
    arms = [
        several(nets, NAMES, of_net)
        for nets in ensemble(subjects, deep_toy(BLOBS), ("trained", "untrained"))
    ]
    findings = []
    for number in range(DEPTH):
        findings += of_nets(number, arms[0], arms[1], subjects.seed)
    return Answer(tuple(findings), _figures(arms))


fits = is_deep_classifier


def changing(one: Start, rows: FloatArray) -> tuple[float, float]:
    """The share of rays through rows with a class change at t <= 4, and at t < 1. Degenerate where
    every row is zero.
    """
    rows = rows[np.any(rows != 0, axis=1)]
    if not len(rows):
        raise Degenerate("every activation is zero", value=0, remedy="take a living net")
    found = from_origin(one.network, rows)
    far, near = (
        len(np.unique(found.changed[reached])) / len(rows)
        for reached in (found.changes <= FARTHEST, found.changes < 1)
    )
    return far, near


def of_net(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """From each start of one net."""
    inputs = result.dataset.inputs.double().numpy()
    chosen = rng.permutation(len(inputs))[:RAYS]
    outputs = np.argmax(network.forward_float(inputs), axis=1)
    found: dict[str, float | str] = {"most frequent": np.bincount(outputs).max() / len(outputs)}
    for one in starts(network, inputs):
        try:
            shares = changing(one, one.vectors[chosen])
        except Degenerate as why:
            found.update({f"{sort} from {one.number}": str(why) for sort in SORTS})
            continue
        found.update({f"{s} from {one.number}": x for s, x in zip(SORTS, shares, strict=True)})
    return found


def of_nets(
    number: int, trained: Mapping[str, Measured], untrained: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """Both claims at one start, over nets."""
    rng = np.random.default_rng(seed)
    mine, theirs = (arm[f"far from {number}"] for arm in (trained, untrained))
    after, before = share_of_nets(mine, rng), share_of_nets(theirs, rng)
    near = share_of_nets(untrained[f"near from {number}"], rng)
    one_class = share_of_nets(untrained["most frequent"], rng)
    more = mine.minus(theirs, rng, APART)
    place = f"{BLOBS}, {'input' if number == 0 else f'layer {number}'}"
    return [
        KEPT.finding(
            named(place, theirs),
            before,
            value=f"{brief(before)} of rays, at t < 1 of {brief(near)}; of inputs "
            f"{brief(one_class)} have the most frequent class",
            data={**data_of({"far": before, "near": near, "one": one_class}), **theirs.data},
        ),
        LEARNED.finding(
            named(place, mine),
            more,
            value=f"{brief(more)}; trained {brief(after)}",
            data={**data_of({"minus_untrained": more, "trained": after}), **mine.data},
        ),
    ]


def of_toy(toy: Toy, seed: int) -> Finding:
    """A network of one's own: rays through its data, each from one of its starts in turn."""
    toy.must_have_learned()
    places = starts(toy.network, toy.inputs)
    chosen = np.random.default_rng(seed).permutation(len(toy.inputs))[:RAYS_OF_A_TOY]
    hits = total = 0
    for place, one in enumerate(places):
        rows = one.vectors[chosen[place :: len(places)]]
        rays = int(np.any(rows != 0, axis=1).sum())
        if rays:
            hits, total = hits + round(rays * changing(one, rows)[0]), total + rays
    share = Share(hits, total).estimate("rays")
    return HERE.finding(toy.name, share, value=f"{share}", data=share.data("far"))


# ---- figure


def _figures(arms: Sequence[Mapping[str, Measured]]) -> tuple[Figure, ...]:
    lines = [_curve(arm, sort, group) for group, sort in enumerate(SORTS) for arm in arms]
    lines = [line for line in lines if line.x]
    if not lines:
        return ()
    caption = (
        "The share of rays through activations on which the class of the net changes (exact ties "
        "of its outputs), up to four times their length and up to their length; mean over nets, by "
        "the layer at which the ray begins."
    )
    return (Figure("classes-along-rays", caption, partial(_draw, lines)),)


def _curve(arm: Mapping[str, Measured], sort: str, group: int) -> Curve:
    values = [[*arm[f"{sort} from {number}"].values.values()] for number in range(DEPTH)]
    known = [(float(n), 100 * float(np.mean(v))) for n, v in enumerate(values) if v]
    control = arm["most frequent"].nets.arm != "trained"
    reach = f"t <= {FARTHEST:g}" if sort == "far" else "t < 1"
    label = f"{reach}{', untrained' if control else ''}"
    return Curve(label, [n for n, _ in known], [v for _, v in known], group, control)


def _draw(lines: Sequence[Curve]) -> Canvas:
    axes = ("hidden layers in front of the ray", "rays whose class changes / %")
    title, subtitle = "Classes along rays", "solid: trained, dashed: untrained"
    return linear_curves(lines, title, subtitle, axes, level=100 * FEW)


QUESTION = Question(
    CLAIM,
    "Do untrained nets keep one class along rays?",
    ask,
    (KEPT, LEARNED, HERE),
    groups=(),
    fits=fits,
    needs="data with classes in front of layers without a norm and without a skip",
    text=POLYTOPE_LENS,
    asked="That the class of a scaled activation does not change in an untrained network, which is "
    "put down to activations that converge whatever the input.",
    controls="The same nets trained, against untrained ones of the same seed.",
    beside="The share of inputs that have the most frequent class.",
    settled="The margin of 15%, which 30 nets without a hit can decide.",
)
