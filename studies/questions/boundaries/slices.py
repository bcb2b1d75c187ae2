"""Claim 1.10: in the slice through three activations boundaries are densest between the three.

The plane through three activations is cut into exact polygons by all layers behind. The length of
edges in the triangle of the three is held against that in a ring of equal area around it, the
triangle enlarged about its centre: in / (in + ring) is 1/2 where boundaries are spread evenly. Ends
of edges are exact, their lengths and the clipping float64. Where no polygons are at hand, behind a
norm, random short segments in the plane stand for them: what they cross per length is, up to 2 /
pi, the length of edges per area (Crofton), and each is cut exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network, Plane, partition, partition_lines
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.regions.polytopes.partition import FlatPartition
from studies.finding import Answer, Figure, Finding, Kind
from studies.methods.quantities.edge_lengths import inner_edges
from studies.question import Question
from studies.questions.shared.linear_curves import linear_curves
from studies.questions.shared.nets import Measured, Nets, ensemble
from studies.questions.shared.pictures import Curve
from studies.questions.shared.several import Found, brief, data_of, named, several
from studies.questions.shared.starts import (
    BLOBS,
    DEPTH,
    GROUPS,
    Start,
    deep_toy,
    has_classes,
    in_groups,
    of_sequences,
    start,
    starts,
)
from studies.rules import APART, SHARE, Claim, above, larger_than
from studies.statistics import Degenerate, Estimate, over_clusters, paired
from studies.subjects import LanguageLayer, Subject, Subjects, Toy
from studies.texts import POLYTOPE_LENS
from toy_models import TrainResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.10"
TRIPLES, TRIPLES_OF_A_GROUP, SEGMENTS = 2, 6, 60
LARGER = np.sqrt(2.0)  # of the triangle that is the ring's outer end
WINDOW = (-0.15, 1.3)  # of both parameters: the larger triangle is within
SHORT = 0.2  # of segments, in roots of the triangle's area
FLAT = 1e-6  # area over the square of the longest side, below which three points are in line
OF = "edge length between three activations over that and a ring of equal area"
DENSEST = Claim(
    CLAIM,
    "In the slice through activations of three classes boundaries are denser between them than "
    "around them, and more so than between three of one class.",
    Kind.ESTIMATE,
    above(0.5, OF, range=SHARE)
    & larger_than("three of one class in the same net", OF, range=APART),
)
LEARNED = Claim(
    CLAIM,
    "Training makes boundaries denser between activations of three classes than around them.",
    Kind.ESTIMATE,
    larger_than("the untrained net of the same seed", OF, range=APART),
)
OF_HERE = "crossings on random segments between three vectors over those and as many around them"
HERE = Claim(
    CLAIM,
    "In this network boundaries are denser between three vectors of three classes than around "
    "them, and more so than between three of one class.",
    Kind.ESTIMATE,
    above(0.5, OF_HERE, range=SHARE, unit=GROUPS, least=5)
    & larger_than("three vectors of one class", OF_HERE, range=APART, unit=GROUPS, least=5),
)
TAUGHT = Claim(
    CLAIM,
    "This layer has more of its boundaries between three tokens than before it was trained.",
    Kind.ESTIMATE,
    larger_than("the layer before training", OF_HERE, range=APART, unit=GROUPS, least=5),
)
SORTS = ("three", "one")
NAMES = tuple(f"{sort} from {n}" for sort in SORTS for n in range(DEPTH))
NONE = "no boundary in and around the triangles"


def ask(subjects: Subjects) -> Answer:
    """Exact edges in and around triangles of three activations."""
    findings: list[Finding] = []
    figures: tuple[Figure, ...] = ()
    if subjects.own:
        toys = filter(fits, subjects.all_toys)
        findings += [HERE.guarded(toy.name, partial(of_toy, toy, subjects.seed)) for toy in toys]
    else:
        nets = ensemble(subjects, deep_toy(BLOBS), ("trained", "untrained"))
        arms = [several(one, NAMES, of_net) for one in nets]
        for number in range(DEPTH):
            findings += of_nets(number, arms[0], arms[1], subjects.seed)
        figures = _figures(arms, nets)
    for layer in filter(fits, subjects.language):
        findings += of_layer(layer, subjects.seed)
    return Answer(tuple(findings), figures)


def fits(subject: Subject) -> bool:
    """Whether there are vectors with classes: data, or tokens."""
    if isinstance(subject, LanguageLayer):
        return subject.tokens is not None
    return has_classes(subject)


# ---- triangles


def in_line(corners: FloatArray) -> bool:
    """Whether three points are in line, or nearly: they span no triangle worth the name."""
    sides = corners[1:] - corners[0]
    gram = sides @ sides.T
    longest = max(float(gram[0, 0]), float(gram[1, 1]))
    return not np.linalg.det(gram) > (FLAT * longest) ** 2


def slice_of(network: Network, corners: FloatArray) -> FlatPartition:
    """The plane through three points, in a window around their triangle, as exact polygons."""
    first, second, third = corners.tolist()
    plane = Plane(first, second, third, s=WINDOW, t=WINDOW)
    return partition(network, plane).seen_as(FlatPartition)


def lengths(found: FlatPartition, corners: FloatArray) -> tuple[float, float]:
    """The length of edges in the triangle of the corners, and in the ring around it."""
    edges = np.array(list(inner_edges(found))).reshape(-1, 2, 2)
    steps = (edges[:, 1] - edges[:, 0]) @ (corners[1:] - corners[0])
    whole = np.linalg.norm(steps, axis=1)
    inside, outside = (
        float((_share_within(edges, scale) * whole).sum()) for scale in (1.0, LARGER)
    )
    return inside, outside - inside


def _share_within(edges: FloatArray, scale: float) -> FloatArray:
    """The share of each edge (in parameters) in the triangle enlarged about its centre: there the
    three barycentric coordinates are at least (1 - scale) / 3.
    """
    ends = np.concatenate([edges, 1 - edges.sum(axis=2, keepdims=True)], axis=2)
    first, last = (ends[:, k] - (1 - scale) / 3 for k in (0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = first / (first - last)
    enter = np.where(last > first, cut, np.where((last < first) | (first >= 0), 0.0, np.inf))
    leave = np.where(last < first, cut, np.where((last > first) | (first >= 0), 1.0, -np.inf))
    begin = np.clip(enter.max(axis=1), 0, None)
    return np.asarray(np.clip(np.clip(leave.min(axis=1), None, 1) - begin, 0, None))


def triples(labels: IndexArray, count: int, rng: np.random.Generator, *, one: bool) -> IndexArray:
    """Items of three classes, or of one class (count x 3). Degenerate where there are none."""
    kinds, sizes = np.unique(labels, return_counts=True)
    able = kinds[sizes >= 3] if one else kinds
    if len(able) < (1 if one else 3):
        raise Degenerate(
            "no three items of one class" if one else "fewer than three classes",
            value=len(labels),
            remedy="give three classes of three members or more",
        )
    return np.array(list(_drawn(labels, able, count, rng, one)))


def _drawn(
    labels: IndexArray, able: IndexArray, count: int, rng: np.random.Generator, one: bool
) -> Iterator[IndexArray]:
    for _ in range(count):
        if one:
            yield rng.choice(np.flatnonzero(labels == rng.choice(able)), 3, replace=False)
        else:
            chosen = rng.choice(able, 3, replace=False)
            yield np.array([rng.choice(np.flatnonzero(labels == kind)) for kind in chosen])


# ---- nets of many seeds


def of_net(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """The share in the triangle, over triples, from each start."""
    data = result.dataset
    inputs, labels = data.inputs.double().numpy(), data.targets.numpy()
    chosen = {sort: triples(labels, TRIPLES, rng, one=sort == "one") for sort in SORTS}
    found: dict[str, float | str] = {}
    for place in starts(network, inputs):
        for sort, those in chosen.items():
            found[f"{sort} from {place.number}"] = share(place, those)
    return found


def share(one: Start, chosen: IndexArray) -> float | str:
    """The edge length in triangles over that in them and in their rings; why there is none."""
    total = np.zeros(2)
    for corners in one.vectors[chosen]:
        if not in_line(corners):
            total += lengths(slice_of(one.network, corners), corners)
    return float(total[0] / total.sum()) if total.any() else NONE


def of_nets(
    number: int, trained: Mapping[str, Measured], untrained: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """Both claims at one start, over nets."""
    rng = np.random.default_rng(seed)
    mine, one, before = (
        trained[f"three from {number}"],
        trained[f"one from {number}"],
        untrained[f"three from {number}"],
    )
    three = mine.over(rng, SHARE)
    more, learned = mine.minus(one, rng, APART), mine.minus(before, rng, APART)
    subject = named(f"{BLOBS}, {'input' if number == 0 else f'layer {number}'}", mine)
    data = {**data_of({"three": three, "minus_one_class": more}), **mine.data}
    return [
        DENSEST.finding(
            subject,
            three,
            more,
            value=f"share of edges inside {brief(three)}, minus one class {brief(more)}",
            data=data,
        ),
        LEARNED.finding(
            subject,
            learned,
            value=f"share inside, minus untrained {brief(learned)}; untrained "
            f"{brief(before.over(rng, SHARE))}",
            data={**learned.data("minus_untrained"), **before.data},
        ),
    ]


# ---- one network


def of_toy(toy: Toy, seed: int) -> Finding:
    """A network of one's own, at its input, by groups of its data."""
    toy.must_have_learned()
    labels = toy.rows.targets.numpy()
    return here(toy.name, toy.network, toy.inputs, labels, in_groups(len(labels), seed), seed)


def of_layer(layer: LanguageLayer, seed: int) -> list[Finding]:
    """A language layer, whose classes are the tokens, by groups of sequences; and against the same
    layer before training, where that is known.
    """
    name, network = layer.relu_ised

    def now() -> Finding:
        labels, groups = _seen(layer, seed)
        return here(name, network, layer.vectors, labels, groups, seed)

    def more() -> Finding:
        labels, groups = _seen(layer, seed)
        mine, theirs = (
            by_group(one.relu_ised[1], one.vectors, labels, groups, seed)
            for one in (layer, before)
            if one is not None
        )
        found = _difference(mine, theirs, seed)
        value = f"share inside, minus before training {found}"
        return TAUGHT.finding(name, found, value=value, data=found.data("minus_before"))

    before = layer.untrained
    findings = [HERE.guarded(name, now)]
    return findings if before is None else [*findings, TAUGHT.guarded(name, more)]


def _seen(layer: LanguageLayer, seed: int) -> tuple[IndexArray, IndexArray]:
    """The token of every vector of a layer, and its group."""
    if layer.tokens is None or not len(layer.vectors):
        raise Degenerate("no tokens", value=len(layer.vectors), remedy="take a longer text")
    return layer.tokens[:, 0].numpy(), of_sequences(layer, seed)


def here(
    name: str,
    network: Network,
    vectors: FloatArray,
    labels: IndexArray,
    groups: IndexArray,
    seed: int,
) -> Finding:
    """What is found in one network: three classes, and against three of one class."""
    three, one = (
        by_group(network, vectors, labels, groups, seed, one=one) for one in (False, True)
    )
    if len(three) < 2:
        raise Degenerate(
            "fewer than two groups have boundaries in and around triangles of three classes",
            value=len(three),
            remedy="give more items of three classes or more",
        )
    rng = np.random.default_rng(seed)
    share, more = (
        over_clusters([*three.values()], rng, unit=GROUPS, range=SHARE),
        _difference(three, one, seed),
    )
    return HERE.finding(
        name,
        share,
        more,
        value=f"share inside {share}; minus one class {brief(more)}",
        data=data_of({"inside": share, "minus_one_class": more}),
    )


def _difference(mine: Mapping[int, float], theirs: Mapping[int, float], seed: int) -> Estimate:
    """Over the groups that have both."""
    shared = sorted(mine.keys() & theirs.keys())
    pair = ({group: values[group] for group in shared} for values in (mine, theirs))
    return paired(*pair, np.random.default_rng(seed), unit=GROUPS, range=APART)


def by_group(
    network: Network,
    vectors: FloatArray,
    labels: IndexArray,
    groups: IndexArray,
    seed: int,
    *,
    one: bool = False,
) -> dict[int, float]:
    """The share on random segments, by the groups of items that have three classes (or three of
    one) and boundaries there.
    """
    found: dict[int, float] = {}
    for group in np.unique(groups).tolist():
        members = np.flatnonzero(groups == group)
        rng = np.random.default_rng([seed, group, *([1] * one)])
        try:
            chosen = members[triples(labels[members], TRIPLES_OF_A_GROUP, rng, one=one)]
        except Degenerate:
            continue
        counts = [
            crossings(network, corners, rng) for corners in vectors[chosen] if not in_line(corners)
        ]
        inside, around = np.sum(counts, axis=0) if counts else (0, 0)
        if inside + around:
            found[group] = float(inside / (inside + around))
    return found


def crossings(network: Network, corners: FloatArray, rng: np.random.Generator) -> tuple[int, int]:
    """Exact crossings of short random segments, their middles in the triangle, and in the ring."""
    sides = (corners[1:] - corners[0]).T
    frame, upper = np.linalg.qr(sides)
    length = SHORT * np.sqrt(abs(np.linalg.det(upper)) / 2)
    angle = rng.uniform(0, np.pi, 2 * SEGMENTS)
    step = length / 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1) @ frame.T
    middles = np.concatenate([_middles(rng, 1.0), _middles(rng, LARGER)])
    at = corners[0] + middles @ sides.T
    crossed = np.diff(partition_lines(network, at - step, at + step).starts)
    return int(crossed[:SEGMENTS].sum()), int(crossed[SEGMENTS:].sum())


def _middles(rng: np.random.Generator, scale: float) -> FloatArray:
    """Parameters of uniform points in the triangle, or in the ring."""
    found = np.zeros((0, 2))
    while len(found) < SEGMENTS:
        drawn = rng.uniform(*WINDOW, (20 * SEGMENTS, 2))
        least = np.minimum(drawn.min(axis=1), 1 - drawn.sum(axis=1))
        kept = (least >= (1 - scale) / 3) & ((scale == 1) | (least < 0))
        found = np.concatenate([found, drawn[kept]])
    return found[:SEGMENTS]


# ---- figures


def _figures(arms: Sequence[Mapping[str, Measured]], nets: Sequence[Nets]) -> tuple[Figure, ...]:
    lines = [_curve(arm, sort, k) for k, sort in enumerate(SORTS) for arm in arms]
    lines = [line for line in lines if line.x]
    found = []
    if lines:
        caption = (
            "The exact length of boundaries in the triangle of three activations over that and the "
            "length in a ring of equal area around it, mean over nets, by the layer at which the "
            "slice is made. Boundaries that are spread evenly would give one half."
        )
        found.append(Figure("slices", caption, partial(_draw, lines)))
    for one in nets[:1]:
        if one.results:
            caption = (
                "The slice through activations of three classes behind the first hidden layer of a "
                "trained net: exact polygons, the three activations at (0, 0), (1, 0) and (0, 1)."
            )
            found.append(Figure("slice", caption, partial(_draw_slice, one)))
    return tuple(found)


def _curve(arm: Mapping[str, Measured], sort: str, group: int) -> Curve:
    values = [[*arm[f"{sort} from {n}"].values.values()] for n in range(DEPTH)]
    known = [(float(n), float(np.mean(v))) for n, v in enumerate(values) if v]
    control = arm[f"{sort} from 0"].nets.arm != "trained"
    label = ("three classes" if sort == "three" else "one class") + control * ", untrained"
    return Curve(label, [n for n, _ in known], [v for _, v in known], group, control)


def _draw(lines: Sequence[Curve]) -> Canvas:
    axes = ("hidden layers in front of the slice", "share of edge length inside")
    title, subtitle = "Boundaries between three activations", "solid: trained, dashed: untrained"
    return linear_curves(lines, title, subtitle, axes, level=0.5)


def _draw_slice(nets: Nets) -> Canvas:
    from viz.figures.polytopes import polytopes_figure

    network, result = nets.networks[0], nets.results[0]
    one = start(network, result.dataset.inputs.double().numpy(), 1)
    rng = np.random.default_rng(result.config.seed)
    labels = result.dataset.targets.numpy()
    for those in triples(labels, 20, rng, one=False):
        corners = one.vectors[those]
        if not in_line(corners):
            found, at = slice_of(one.network, corners), np.array([[0.0, 0], [1, 0], [0, 1]])
            title = "A slice through three activations"
            return polytopes_figure(found, title=title, data=at, classes=labels[those].tolist())
    raise Degenerate("no three activations span a slice", value=20, remedy="take another net")


QUESTION = Question(
    CLAIM,
    "Are boundaries densest between three activations?",
    ask,
    (DENSEST, LEARNED, HERE, TAUGHT),
    groups=("language",),
    fits=fits,
    needs="vectors with classes: a classification's data, or a language layer with its tokens",
    text=POLYTOPE_LENS,
    asked="That a two-dimensional slice through three activations shows the polytopes around them, "
    "with boundaries lying densest between inputs of different classes.",
    controls="Triples of one class; boundaries that are spread evenly; the same nets, or the "
    "layer, before training, which have a claim of their own: untrained nets may be dense there "
    "too.",
    settled="After full runs: that triples of one class are in the rule for a single network, and "
    "that a layer is held against itself before training.",
)
