"""Claim 1.7: boundaries are denser between inputs of different classes than between inputs of one
class, more so in later layers, and not before training.

Between two vectors at a start layer lies a segment; the boundaries of all layers behind that it
crosses are counted exactly, and divided by its length. Densities are divided by their mean over all
pairs of a net, so that nets and layers can be compared. The text counts the bits in which the two
codes differ, which misses what is crossed twice; its statistic stands beside. Pairs of one class
are shorter, so the effect is asked once more among pairs of about one length (deciles). Untrained
nets are no null: near inputs share a class, and a density may depend on the length by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network, partition_lines
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.pairs import Pairs, balanced, strata
from studies.question import Question
from studies.questions.shared.linear_curves import linear_curves
from studies.questions.shared.nets import Measured, ensemble
from studies.questions.shared.pictures import Curve
from studies.questions.shared.several import (
    Found,
    brief,
    data_of,
    mean_or_why,
    named,
    several,
    slope_or_why,
)
from studies.questions.shared.starts import (
    DEPTH,
    GROUPS,
    TASKS,
    Start,
    deep_steps,
    deep_toy,
    has_classes,
    in_groups,
    is_deep,
    of_sequences,
    starts,
)
from studies.rules import Claim, above, larger_than
from studies.statistics import (
    Degenerate,
    Estimate,
    over_clusters,
    paired,
    permute_labels,
    stratified_difference,
)
from studies.subjects import LanguageLayer, Subject, Subjects, Toy
from studies.texts import POLYTOPE_LENS
from toy_models import TrainResult
from toy_models.populations import Arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.7"
ITEMS, PAIRS, PAIRS_OF_A_GROUP, DRAWS = 200, 100, 60, 200
OF = "crossings per length, different minus same classes, in units of their mean,"
UNTRAINED = "the untrained net of the same seed"
DENSER = Claim(
    CLAIM,
    "Boundaries are denser between inputs of different classes than between inputs of one class, "
    "and training makes them so.",
    Kind.ESTIMATE,
    above(0.0, f"{OF} mean over start layers")
    & above(0.0, "the same among pairs of about one length")
    & larger_than(UNTRAINED, "the first")
    & larger_than(UNTRAINED, "the second"),
    measures="different minus same classes",
)
LATER = Claim(
    CLAIM,
    "That boundaries are denser between classes is more marked the later the layer.",
    Kind.ESTIMATE,
    above(0.0, f"the slope over start layers of {OF} by boundaries from there to the output")
    & above(0.0, "the slope of the same by boundaries of the next layer alone"),
    measures="slope",
)
HERE = Claim(
    CLAIM,
    "In this network boundaries are denser between inputs of different classes than between inputs "
    "of one class.",
    Kind.ESTIMATE,
    above(0.0, f"{OF[:-1]}", unit=GROUPS, least=5)
    & above(0.0, "the same among pairs of about one length", unit=GROUPS, least=5),
    measures="different minus same classes",
)
LEARNED = Claim(
    CLAIM,
    "This layer has more boundaries between tokens than before the model was trained, against "
    "those between places of one token.",
    Kind.ESTIMATE,
    larger_than("the layer before training", f"{OF[:-1]}", unit=GROUPS, least=5),
    measures="more than before training",
)
EFFECTS = ("crossed", "at one length", "own", "hamming")
BY_START = tuple(f"{name} from {number}" for name in EFFECTS for number in range(DEPTH))
TESTS = ("permutation p", "Welch p", "error ratio")
NAMES = (*EFFECTS, "slope", "own slope", *BY_START, *TESTS)
STILL = "no boundary between the pairs"


def ask(subjects: Subjects) -> Answer:
    """The density of boundaries between pairs of different classes, and of one."""
    findings: list[Finding] = []
    curves: list[Curve] = []
    if subjects.own:
        findings += [
            HERE.guarded(toy.name, partial(of_toy, toy, subjects.seed))
            for toy in subjects.all_toys
            if fits(toy)
        ]
    else:
        for group, task in enumerate(TASKS):
            arms: tuple[Arm, ...] = ("trained", "untrained")
            steps = deep_steps(task)
            nets = ensemble(subjects, deep_toy(task), arms, group=group, steps=steps)
            trained, untrained = (several(one, NAMES, of_net) for one in nets)
            findings += of_nets(task, trained, untrained, subjects.seed)
            curves += [_curve(task, arm, group) for arm in (trained, untrained)]
    for layer in filter(fits, subjects.language):
        findings += of_layer(layer, subjects.seed)
    return Answer(tuple(findings), _figures([one for one in curves if one.x]))


def fits(subject: Subject) -> bool:
    """Whether there are vectors with classes: data, or tokens."""
    if isinstance(subject, LanguageLayer):
        return subject.tokens is not None
    return has_classes(subject)


# ---- pairs


@dataclass(frozen=True)
class Densities:
    """Pairs of vectors of one start: exact crossings per length, of all layers behind and of the
    next alone, and the Hamming distance of the codes per length; pairs of no length are left out.
    """

    pairs: Pairs
    lengths: FloatArray
    crossed: FloatArray
    own: FloatArray
    hamming: FloatArray

    @classmethod
    def of(cls, network: Network, vectors: FloatArray, pairs: Pairs) -> Densities:
        """Of all pairs that have a length. Degenerate where none has."""
        apart = (vectors[pairs.first] != vectors[pairs.second]).any(axis=1)
        pairs = Pairs(pairs.first[apart], pairs.second[apart], pairs.different[apart])
        if not len(pairs):
            raise Degenerate("no two vectors differ", value=len(vectors), remedy="take others")
        lines = partition_lines(network, vectors[pairs.first], vectors[pairs.second])
        line = np.repeat(np.arange(len(pairs)), np.diff(lines.starts))
        own = np.bincount(line[lines.rows < network.bits_per_layer[0]], minlength=len(pairs))
        lengths = pairs.lengths(vectors)
        differing = pairs.hamming(network.codes(vectors))
        return cls(
            pairs, lengths, np.diff(lines.starts) / lengths, own / lengths, differing / lengths
        )

    def effect(self, name: str) -> float:
        """Different minus same, in units of the mean over all pairs; NaN where nothing is crossed
        or one sort of pairs is missing.
        """
        if name == "at one length":
            count = max(2, min(10, len(self.pairs) // 8))
            places = strata(self.lengths, count)
            found = stratified_difference(_scaled(self.crossed), self.pairs.different, places)
            return np.nan if found is None else found
        values = _scaled(getattr(self, name))
        found = stratified_difference(values, self.pairs.different, np.zeros(len(values), int))
        return np.nan if found is None else found


def _scaled(values: FloatArray) -> FloatArray:
    """In units of their mean; NaN where all are zero."""
    mean = values.mean()
    return values / mean if mean > 0 else np.full(len(values), np.nan)


# ---- nets of many seeds


def of_net(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """All effects of one net: of each start layer, their mean, their slope."""
    data = result.dataset
    chosen = rng.permutation(len(data))[:ITEMS]
    inputs, labels = data.inputs.double().numpy()[chosen], data.targets.numpy()[chosen]
    pairs = balanced(labels, PAIRS, rng)
    densities = [_at(one, pairs) for one in starts(network, inputs)]
    return {**_effects(densities), **_tests(densities[0], labels, rng)}


def _at(one: Start, pairs: Pairs) -> Densities | None:
    """The densities at a start; None where all its vectors are one."""
    try:
        return Densities.of(one.network, one.vectors, pairs)
    except Degenerate:
        return None


def _effects(densities: Sequence[Densities | None]) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for name in EFFECTS:
        values = [np.nan if one is None else one.effect(name) for one in densities]
        found[name] = mean_or_why(values, STILL)
        for number, value in enumerate(values):
            found[f"{name} from {number}"] = value if np.isfinite(value) else STILL
        if name in ("crossed", "own"):
            slope = "slope" if name == "crossed" else "own slope"
            found[slope] = slope_or_why(values, "fewer than three layers with boundaries")
    return found


def _tests(first: Densities | None, labels: IndexArray, rng: np.random.Generator) -> Found:
    """Of the text's own statistic at the input: labels permuted over items, beside Welch's t."""
    if first is None or not first.hamming.any():
        return dict.fromkeys(TESTS, STILL)
    values, pairs = _scaled(first.hamming), first.pairs
    test = permute_labels(values, pairs.first, pairs.second, labels, rng, draws=DRAWS)
    found = (test.permutation.p, test.welch_p, test.error_ratio)
    return {
        name: test.permutation.why or "no test" if value is None else value
        for name, value in zip(TESTS, found, strict=True)
    }


def of_nets(
    task: str, trained: Mapping[str, Measured], untrained: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """Both claims, over nets."""
    rng = np.random.default_rng(seed)
    raw, equal = (trained[name].over(rng) for name in ("crossed", "at one length"))
    more, more_equal = (
        trained[name].minus(untrained[name], rng) for name in ("crossed", "at one length")
    )
    slope, own = (trained[name].over(rng) for name in ("slope", "own slope"))
    subject = named(task, trained["crossed"])
    shown = {
        "crossed": raw,
        "at_one_length": equal,
        "crossed_minus_untrained": more,
        "at_one_length_minus_untrained": more_equal,
    }
    value = (
        f"{brief(raw)}, at one length {brief(equal)}; minus untrained {brief(more)}, at one "
        f"length {brief(more_equal)}"
    )
    rest: dict[str, JSON] = {
        **{f"{name} (mean)_float": _mean(trained[name]) for name in (*BY_START, *TESTS)},
        **{f"{name} (mean, untrained)_float": _mean(untrained[name]) for name in BY_START},
        **trained["crossed"].data,
    }
    slopes = f"a layer, to the output {brief(slope)}; by the next layer alone {brief(own)}"
    untrained_slope = untrained["slope"].over(rng)
    return [
        DENSER.finding(
            subject, raw, equal, more, more_equal, value=value, data={**data_of(shown), **rest}
        ),
        LATER.finding(
            subject,
            slope,
            own,
            value=slopes,
            data={
                **data_of({"slope": slope, "own": own, "untrained_slope": untrained_slope}),
                **trained["slope"].data,
            },
        ),
    ]


def _mean(measured: Measured) -> float | None:
    return float(np.mean([*measured.values.values()])) if measured.values else None


# ---- one network


def of_toy(toy: Toy, seed: int) -> Finding:
    """A network of one's own: the mean over its start layers, by groups of its data."""
    toy.must_have_learned()
    labels = toy.rows.targets.numpy()
    deep = is_deep(toy)
    places = starts(toy.network, toy.inputs) if deep else [Start(0, toy.network, toy.inputs)]
    groups = in_groups(len(labels), seed)
    return here_finding(toy.name, [by_group(one, labels, groups, seed) for one in places], seed)


def of_layer(layer: LanguageLayer, seed: int) -> list[Finding]:
    """A language layer, whose classes are the tokens, by groups of sequences; and against the layer
    before training.
    """
    name, network = layer.relu_ised
    before = layer.untrained

    def effects(of: Network, vectors: FloatArray) -> Effects:
        if layer.tokens is None or not len(vectors):
            raise Degenerate("no tokens", value=len(vectors), remedy="take a longer text")
        tokens = layer.tokens[:, 0].numpy()
        return by_group(Start(0, of, vectors), tokens, of_sequences(layer, seed), seed)

    def here() -> Finding:
        return here_finding(name, [effects(network, layer.vectors)], seed)

    def learned() -> Finding:
        if before is None:
            raise Degenerate(
                "the layer before training is not known", value=name, remedy="train the model"
            )
        mine = effects(network, layer.vectors)["crossed"]
        theirs = effects(before.relu_ised[1], before.vectors)["crossed"]
        shared = mine.keys() & theirs.keys()
        rng = np.random.default_rng(seed)
        more = paired(
            {one: mine[one] for one in shared},
            {one: theirs[one] for one in shared},
            rng,
            unit=GROUPS,
        )
        return LEARNED.finding(name, more, value=f"{more}", data=more.data("minus_untrained"))

    return [HERE.guarded(name, here), LEARNED.guarded(name, learned)]


Effects = dict[str, dict[int, float]]


def by_group(one: Start, labels: IndexArray, groups: IndexArray, seed: int) -> Effects:
    """Both effects of every group of items that has pairs of both sorts and a boundary between
    them.
    """
    found: Effects = {"crossed": {}, "at one length": {}}
    for group in np.unique(groups).tolist():
        members = np.flatnonzero(groups == group)
        kinds, counts = np.unique(labels[members], return_counts=True)
        members = members[np.isin(labels[members], kinds[counts > 1])]
        if np.sum(counts > 1) < 2:
            continue
        pairs = balanced(labels[members], PAIRS_OF_A_GROUP, np.random.default_rng([seed, group]))
        try:
            densities = Densities.of(one.network, one.vectors[members], pairs)
        except Degenerate:
            continue
        for name, values in found.items():
            effect = densities.effect(name)
            if np.isfinite(effect):
                values[group] = effect
    return found


def here_finding(subject: str, places: Sequence[Effects], seed: int) -> Finding:
    """The mean over start layers, by groups."""
    rng = np.random.default_rng(seed)
    raw, equal = (_over(name, places, rng) for name in ("crossed", "at one length"))
    value = f"{brief(raw)}; at one length {brief(equal)}; over {raw.clusters} {GROUPS}"
    data = data_of({"crossed": raw, "at_one_length": equal})
    return HERE.finding(subject, raw, equal, value=value, data=data)


def _over(name: str, places: Sequence[Effects], rng: np.random.Generator) -> Estimate:
    groups = sorted({group for place in places for group in place[name]})
    if len(groups) < 2:
        raise Degenerate(
            "fewer than two groups have boundaries between pairs of both sorts",
            value=len(groups),
            remedy="give more items of every class",
        )
    means = [np.mean([place[name][g] for place in places if g in place[name]]) for g in groups]
    return over_clusters([float(mean) for mean in means], rng, unit=GROUPS)


# ---- figure


def _curve(task: str, arm: Mapping[str, Measured], group: int) -> Curve:
    values = [_mean(arm[f"crossed from {number}"]) for number in range(DEPTH)]
    known = [(number, value) for number, value in enumerate(values) if value is not None]
    control = arm["crossed"].nets.arm != "trained"
    label = f"{task.replace('_', ' ')}{', untrained' if control else ''}"
    return Curve(label, [float(n) for n, _ in known], [v for _, v in known], group, control)


def _figures(curves: Sequence[Curve]) -> tuple[Figure, ...]:
    if not curves:
        return ()
    caption = (
        "How much denser exact boundaries are between two inputs of different classes than between "
        "two of one class, by the layer at which the straight way between them is drawn (0: the "
        "input): crossings per length, different minus same, in units of their mean, mean over "
        "nets. Dashed: the same nets before training."
    )
    return (Figure("between-classes", caption, partial(_draw, curves)),)


def _draw(curves: Sequence[Curve]) -> Canvas:
    axes = ("hidden layers in front of the start", "different - same, in means")
    title = "Boundaries between classes"
    return linear_curves(curves, title, "solid: trained, dashed: untrained", axes, level=0.0)


QUESTION = Question(
    CLAIM,
    "Are boundaries denser between classes?",
    ask,
    (DENSER, LATER, HERE, LEARNED),
    groups=("language",),
    fits=fits,
    needs="vectors with classes: a classification's data, or a language layer with its tokens",
    text=POLYTOPE_LENS,
    asked="That activations of inputs of different classes lie apart by more boundaries per "
    "distance than those of one class, a little in early layers and more in later ones, and not "
    "in an untrained network.",
    controls="The same nets untrained, pairs of about one length, each layer's own neurons "
    "alone; for a language layer the one before training.",
    beside="Labels permuted over inputs beside Welch's t.",
)
