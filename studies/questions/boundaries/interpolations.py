"""Claim 1.8: on the way from one input to another of another class boundaries are densest in the
middle, where intermediate classes change; in early layers with a dip on both sides.

Spherical interpolation x(t) = [sin((1 - t) W) p + sin(t W) q] / sin W between two activations p and
q at the angle W is walked as a polygon of a hundred chords (float64 corners on the curve), each cut
exactly by all layers behind and by the ties of the outputs; what goes through a corner, which no
boundary does unless it was put there, would be missed. It lies on a circle only if p and q
have one length, so it is walked once more between p and q scaled to the median length. Crossings
per length in twenty bins, in units of the mean: a boundary density that is the same everywhere
would be 1 in each (Crofton). The text estimates it by random points around x(t), at a distance it
does not tell: three are tried, beside exact crossings on the same segments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from exact import Network, hamming, partition_lines
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.pairs import balanced
from studies.question import Question
from studies.questions.shared.interpolated_ways import (
    BINS,
    CHORDS_OF_A_BIN,
    DIPS,
    ENDS,
    MIDDLE,
    Ways,
    apart,
    slerp,
    to_median,
)
from studies.questions.shared.linear_curves import linear_curves
from studies.questions.shared.nets import Measured, ensemble
from studies.questions.shared.pictures import Curve
from studies.questions.shared.several import Found, brief, data_of, named, several, slope_or_why
from studies.questions.shared.starts import (
    BLOBS,
    DEPTH,
    GROUPS,
    Start,
    deep_toy,
    in_groups,
    is_deep_classifier,
    of_sequences,
    starts,
)
from studies.rules import Claim, above, below, larger_than
from studies.statistics import Degenerate, Estimate, over_clusters
from studies.subjects import LanguageLayer, Subject, Subjects, Toy
from studies.texts import POLYTOPE_LENS
from toy_models import TrainResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.8"
ITEMS, PAIRS, PAIRS_OF_A_GROUP = 120, 20, 12
SURE = 0.05
POINTS, RADII = 150, (0.001, 0.01, 0.1)  # around each place; in lengths of the path
OF = "density of boundaries in the middle fifth of the way minus that at its ends, in means,"
BUMP = Claim(
    CLAIM,
    "Halfway between inputs of two classes boundaries are denser than at both ends, more than "
    "between inputs of one class, and training makes them so.",
    Kind.ESTIMATE,
    above(0.0, f"{OF} between classes")
    & larger_than("pairs of one class in the same net", "the same")
    & larger_than("the untrained net of the same seed", "the same"),
    measures="middle minus ends",
)
DOUBLE_DIP = Claim(
    CLAIM,
    "In early layers the density has two dips: middle and ends are both denser than what lies "
    "between them.",
    Kind.ESTIMATE,
    above(0.0, "density in the middle fifth minus that in the dips (bins 5, 6, 15, 16), in means,")
    & above(0.0, "density at the ends minus that in the dips"),
)
FLATTENS = Claim(
    CLAIM,
    "In later layers the bump goes away.",
    Kind.ESTIMATE,
    below(0.0, f"the slope over start layers of {OF} between classes"),
    measures="slope",
)
CHANGES = Claim(
    CLAIM,
    "Boundaries are denser where the class changes on the way.",
    Kind.ESTIMATE,
    above(0.0, "the correlation over bins, within ways, of exact crossings and class changes"),
)
HERE = Claim(
    CLAIM,
    "In this network boundaries are denser halfway between vectors of two classes than at both "
    "ends.",
    Kind.ESTIMATE,
    above(0.0, f"{OF} between classes", unit=GROUPS, least=5),
    measures="middle minus ends",
)
SORTS = ("bump", "same", "circle", "middle", "ends", "changes", "changes p")
BINS_BY_START = tuple(f"bin {place} from {n}" for n in range(DEPTH) for place in range(BINS))
SAMPLED = tuple(f"{sort} at {radius}" for sort in ("agreement", "seen") for radius in RADII)
NAMES = (
    *(f"{sort} from {n}" for sort in SORTS for n in range(DEPTH)),
    "slope",
    *BINS_BY_START,
    *SAMPLED,
)
NONE, NO_CHANGE = "no boundary on the ways", "no class changes on the ways"


def ask(subjects: Subjects) -> Answer:
    """Boundaries on the way from one activation to another."""
    findings: list[Finding] = []
    curves: list[Curve] = []
    if subjects.own:
        toys = filter(fits, subjects.all_toys)
        findings += [HERE.guarded(toy.name, partial(of_toy, toy, subjects.seed)) for toy in toys]
    else:
        arms = [
            several(nets, NAMES, of_net)
            for nets in ensemble(subjects, deep_toy(BLOBS), ("trained", "untrained"))
        ]
        findings += of_nets(arms[0], arms[1], subjects.seed)
        curves += [_curve(arm, number) for number in range(DEPTH) for arm in arms]
    for layer in filter(fits, subjects.language):
        find = partial(of_layer, layer, subjects.seed)
        findings.append(HERE.guarded(layer.relu_ised[0], find))
    return Answer(tuple(findings), _figures([one for one in curves if one.x]))


def fits(subject: Subject) -> bool:
    """Whether there are vectors with classes: data in front of layers without a norm, or tokens."""
    if isinstance(subject, LanguageLayer):
        return subject.tokens is not None
    return is_deep_classifier(subject)


# ---- the estimate of the text


def sampled(network: Network, p: FloatArray, q: FloatArray, rng: np.random.Generator) -> Found:
    """The estimate of the text on one way: 150 points at a distance around the middle of each bin,
    Hamming distance of codes over that distance. How its rank agrees with exact crossings per
    length in the bins, and which share it sees of those on the segments to its points.
    """
    corners = slerp(p[None], q[None])[0]
    whole = float(np.linalg.norm(np.diff(corners, axis=0), axis=1).sum())
    along = Ways.of(network, p[None], q[None], classes=False).profile
    middles = corners[CHORDS_OF_A_BIN // 2 :: CHORDS_OF_A_BIN][:BINS]
    here = np.repeat(middles, POINTS, axis=0)
    steps = rng.standard_normal(here.shape)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    found: dict[str, float | str] = {}
    for radius in RADII:
        there = here + radius * whole * steps
        seen = hamming(network.codes(here), network.codes(there)).reshape(BINS, -1).sum(axis=1)
        flips = int(np.diff(partition_lines(network, here, there).starts).sum())
        constant = not (np.ptp(along) and np.ptp(seen))
        rank = np.nan if constant else float(stats.spearmanr(along, seen).statistic)
        found[f"agreement at {radius}"] = rank if np.isfinite(rank) else NONE
        found[f"seen at {radius}"] = float(seen.sum()) / flips if flips else NONE
    return found


# ---- nets of many seeds


def of_net(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """All of one net, from each start."""
    data = result.dataset
    chosen = rng.permutation(len(data))[:ITEMS]
    inputs, labels = data.inputs.double().numpy()[chosen], data.targets.numpy()[chosen]
    pairs = balanced(labels, PAIRS, rng)
    other = np.flatnonzero(pairs.different)[0]
    first, second = inputs[pairs.first], inputs[pairs.second]
    found: dict[str, float | str] = {}
    bumps = []
    for one in starts(network, inputs):
        p, q = one.vectors[pairs.first], one.vectors[pairs.second]
        values, profile = _of_start(one, p, q, pairs.different, rng)
        bumps.append(values[0])
        for sort, value in zip(SORTS, values, strict=True):
            lost = NO_CHANGE if sort.startswith("changes") else NONE
            found[f"{sort} from {one.number}"] = value if np.isfinite(value) else lost
        for place, value in enumerate(profile):
            found[f"bin {place} from {one.number}"] = float(value) if np.isfinite(value) else NONE
    found["slope"] = slope_or_why(bumps, "fewer than three layers with boundaries")
    return {**found, **sampled(network, first[other], second[other], rng)}


def _of_start(
    one: Start, p: FloatArray, q: FloatArray, different: np.ndarray, rng: np.random.Generator
) -> tuple[tuple[float, ...], FloatArray]:
    """Values in the order of `SORTS`, and the profile between classes; NaN where there is none."""
    try:
        between = Ways.of(one.network, p[different], q[different])
        within = Ways.of(one.network, p[~different], q[~different], classes=False)
        a, b = to_median(p[different], q[different])
        circle = Ways.of(one.network, a, b, classes=False)
    except Degenerate:
        return (np.nan,) * len(SORTS), np.full(BINS, np.nan)
    profile = between.profile
    middle, ends = (apart(profile, place, DIPS) for place in (MIDDLE, ENDS))
    bumps, p_value = (between.bump, within.bump, circle.bump), between.permuted_p(rng)
    return (*bumps, middle, ends, between.correlation, p_value), profile


def of_nets(
    trained: Mapping[str, Measured], untrained: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """All claims over nets: by start, and over starts."""
    findings = []
    for number in range(DEPTH):
        findings += _of_number(number, trained, untrained, seed)
    rng = np.random.default_rng(seed)
    slope, before = (arm["slope"].over(rng) for arm in (trained, untrained))
    rest: dict[str, JSON] = {f"{name}_float": _mean(trained[name]) for name in SAMPLED}
    findings.append(
        FLATTENS.finding(
            named(BLOBS, trained["slope"]),
            slope,
            value=f"a layer {brief(slope)}; untrained {brief(before)}",
            data={
                **data_of({"slope": slope, "untrained": before}),
                **rest,
                **trained["slope"].data,
            },
        )
    )
    return findings


def _of_number(
    number: int, trained: Mapping[str, Measured], untrained: Mapping[str, Measured], seed: int
) -> list[Finding]:
    rng = np.random.default_rng(seed)
    mine = {sort: trained[f"{sort} from {number}"] for sort in SORTS}
    theirs = untrained[f"bump from {number}"]
    subject = named(f"{BLOBS}, {'input' if number == 0 else f'layer {number}'}", mine["bump"])
    bump, circle = mine["bump"].over(rng), mine["circle"].over(rng)
    more, learned = mine["bump"].minus(mine["same"], rng), mine["bump"].minus(theirs, rng)
    middle, ends, changes = (mine[sort].over(rng) for sort in ("middle", "ends", "changes"))
    found = [
        BUMP.finding(
            subject,
            bump,
            more,
            learned,
            value=f"{brief(bump)}; minus one class {brief(more)}, minus untrained "
            f"{brief(learned)}; at one length {brief(circle)}",
            data={
                **data_of({"bump": bump, "minus_same": more, "minus_untrained": learned}),
                **circle.data("at_median_length"),
                **mine["bump"].data,
            },
        )
    ]
    if number < DEPTH // 2:
        found.append(
            DOUBLE_DIP.finding(
                subject,
                middle,
                ends,
                value=f"middle - dips {brief(middle)}, ends - dips {brief(ends)}",
                data={**data_of({"middle": middle, "ends": ends}), **mine["middle"].data},
            )
        )
    p_values = mine["changes p"].values
    sure = sum(p < SURE for p in p_values.values())
    data = {
        **changes.data("correlation"),
        **mine["changes"].data,
        "permuted_p_by_seed_float": {str(seed): p for seed, p in p_values.items()},
    }
    value = f"r = {brief(changes)}; permuted bins: p < {SURE:g} in {sure} of {len(p_values)} nets"
    return [*found, CHANGES.finding(subject, changes, value=value, data=data)]


def _mean(measured: Measured) -> float | None:
    return float(np.mean([*measured.values.values()])) if measured.values else None


# ---- one network


def of_toy(toy: Toy, seed: int) -> Finding:
    """A network of one's own: the mean over its start layers, by groups of its data."""
    toy.must_have_learned()
    labels = toy.rows.targets.numpy()
    groups = in_groups(len(labels), seed)
    places = starts(toy.network, toy.inputs)
    found = over_groups([by_group(one, labels, groups, seed) for one in places], seed)
    return HERE.finding(toy.name, found, value=f"{found}", data=found.data("bump"))


def of_layer(layer: LanguageLayer, seed: int) -> Finding:
    """A language layer, from tokens to other tokens, by groups of sequences."""
    name, network = layer.relu_ised
    if layer.tokens is None or not len(layer.vectors):
        raise Degenerate("no tokens", value=len(layer.vectors), remedy="take a longer text")
    groups, tokens = of_sequences(layer, seed), layer.tokens[:, 0].numpy()

    def bump(of: Network, vectors: FloatArray) -> Estimate:
        return over_groups([by_group(Start(0, of, vectors), tokens, groups, seed)], seed)

    found, before = bump(network, layer.vectors), layer.untrained
    if before is None:
        return HERE.finding(name, found, value=f"{found}", data=found.data("bump"))
    untrained = bump(before.relu_ised[1], before.vectors)
    value = f"{found}; before training {brief(untrained)}"
    data = data_of({"bump": found, "untrained": untrained})
    return HERE.finding(name, found, value=value, data=data)


def by_group(one: Start, labels: IndexArray, groups: IndexArray, seed: int) -> dict[int, float]:
    """The bump between classes in every group of items that has two classes and a boundary between
    them.
    """
    found = dict[int, float]()
    for group in np.unique(groups).tolist():
        members = np.flatnonzero(groups == group)
        rng = np.random.default_rng([seed, group])
        first, second = rng.permutation(members), rng.permutation(members)
        different = np.flatnonzero(labels[first] != labels[second])[:PAIRS_OF_A_GROUP]
        p, q = one.vectors[first[different]], one.vectors[second[different]]
        try:
            bump = Ways.of(one.network, p, q, classes=False).bump
        except Degenerate:
            continue
        if np.isfinite(bump):
            found[group] = bump
    return found


def over_groups(places: Sequence[Mapping[int, float]], seed: int) -> Estimate:
    """The mean over start layers, by groups."""
    groups = sorted({group for place in places for group in place})
    if len(groups) < 2:
        raise Degenerate(
            "fewer than two groups have boundaries between classes",
            value=len(groups),
            remedy="give more items of every class",
        )
    means = [float(np.mean([place[g] for place in places if g in place])) for g in groups]
    return over_clusters(means, np.random.default_rng(seed), unit=GROUPS)


# ---- figure


def _curve(arm: Mapping[str, Measured], number: int) -> Curve:
    values = [_mean(arm[f"bin {place} from {number}"]) for place in range(BINS)]
    known = [((k + 0.5) / BINS, value) for k, value in enumerate(values) if value is not None]
    control = arm["slope"].nets.arm != "trained"
    place = "input" if number == 0 else f"behind layer {number}"
    label = f"{place}{', untrained' if control else ''}"
    return Curve(label, [t for t, _ in known], [v for _, v in known], number, control)


def _figures(curves: Sequence[Curve]) -> tuple[Figure, ...]:
    if not curves:
        return ()
    caption = (
        "Exact boundaries on the spherical interpolation between activations of two classes: "
        "crossings per length in twenty bins of t, in units of their mean, mean over nets, by the "
        "layer at which the way begins. A density that is the same everywhere is 1."
    )
    return (Figure("interpolations", caption, partial(_draw, curves)),)


def _draw(curves: Sequence[Curve]) -> Canvas:
    axes = ("t, from one class to another", "crossings per length / mean")
    title = "Boundaries on interpolations"
    return linear_curves(curves, title, "solid: trained, dashed: untrained", axes, level=1.0)


QUESTION = Question(
    CLAIM,
    "Are boundaries densest halfway between two classes?",
    ask,
    (BUMP, DOUBLE_DIP, FLATTENS, CHANGES, HERE),
    groups=("language",),
    fits=fits,
    needs="data with classes in front of layers without a norm and without a skip, or a language "
    "layer with its tokens",
    text=POLYTOPE_LENS,
    asked="That along spherical interpolations between inputs of two classes the density of "
    "boundaries is highest where intermediate classes change, shows a double dip in lower layers, "
    "and flattens in later ones.",
    controls="Ways between inputs of one class, and the same nets untrained.",
    beside="Ways on a circle of the median length; bins in another order within each way; the "
    "sampled estimate of the text at three distances beside exact crossings; of a single network, "
    "the layer before training.",
)
