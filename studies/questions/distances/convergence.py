"""Claim 1.13: layers bring inputs of one class together and drive those of two apart.

For pairs of data in front of a hidden layer and behind it: the growth log2(|difference behind| /
|difference in front|), less the log of the norm of the layer's weights, which is the same for all
pairs. Pairs of one class minus pairs of two, within deciles of the distance in front, since
classes lie apart and distances themselves grow or shrink; the mean over layers is what is judged.
Pairs that a layer takes to one point count as shrunk 1,024-fold. Which neurons of the layer change
between the two is exact: on the segment in front of the layer each flips once, so the Hamming
distance of the layer's codes is the number of its boundaries between them. A linear probe, fitted
by least squares on the training rows, says how separable the classes are behind each layer, and in
the plane the exact images of all cells say how often the outputs are covered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import stats

from exact import Network
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.regions.polytopes.partition import FlatPartition
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.pairs import Pairs, balanced, strata
from studies.question import Question
from studies.questions.cells.neighbouring_maps import PLANE, enumerated
from studies.questions.shared.cell_families import Family
from studies.questions.shared.nets import Measured, Nets
from studies.questions.shared.pictures import Row, forest
from studies.rules import Claim, above, at_most, below, larger_than, smaller_than
from studies.statistics import Degenerate, Estimate, permute_labels, stratified_difference
from studies.subjects import Subject, Subjects, Toy
from toy_models import Dataset, TrainResult

CLAIM = "1.13"
UNTRAINED = "the untrained net of the same seed"
GAP = "the growth of pairs of one class minus that of two, at equal distance, mean over layers"
STATEMENT = "Layers bring inputs of one class together and drive those of two classes apart"
CONVERGE = Claim(
    CLAIM,
    f"{STATEMENT}, and training makes them.",
    Kind.ESTIMATE,
    below(0.0, GAP) & smaller_than(UNTRAINED, GAP),
    measures="one class minus two",
)
LEVEL = 0.05
ONE_NET = Claim(CLAIM, f"{STATEMENT}.", Kind.CENSUS, at_most(0.0, GAP, level=LEVEL))
CROSSINGS = Claim(
    CLAIM,
    "It is the boundaries between two inputs that drive them apart: at equal distance, more "
    "boundaries, more growth.",
    Kind.ESTIMATE,
    above(
        0.0,
        "the partial rank correlation of growth and crossings given distance, mean over layers",
        range=(-1.0, 1.0),
    ),
    measures="partial correlation",
)
SEPARABLE = Claim(
    CLAIM,
    "Training folds the data so that classes become linearly separable behind the hidden layers.",
    Kind.ESTIMATE,
    larger_than(
        UNTRAINED, "the rise of a linear probe's held-out accuracy from input to last layer"
    ),
    measures="rise of accuracy beyond untrained",
)
FAMILIES = (
    Family("circles", (8, 8, 8)),
    Family("hierarchical_blobs", (16, 16, 16)),
    Family("direction3", (12, 12)),
    Family("direction3", (12, 12), "layernorm"),
)
PAIRS, SHUFFLES, COLLAPSED, MOST_ROWS = 400, 199, -10.0, 150
EQUAL = 1e-9
"""How far, relatively, floats may part two gaps that are one."""


def ask(subjects: Subjects) -> Answer:
    """How pairs of one class and of two grow, layer by layer."""
    findings = [
        ONE_NET.guarded(toy.name, partial(_of_toy, toy, subjects.seed))
        for toy in filter(fits, subjects.all_toys)
    ]
    if not subjects.own:
        for family in FAMILIES:
            trained, untrained = (measure(nets) for nets in family.nets(subjects))
            findings += family_findings(family.told, trained, untrained, subjects.seed)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether there are data of several classes, and hidden layers one behind the other."""
    if not isinstance(subject, Toy) or subject.dataset is None:
        return False
    chain = not any(block.residual for block in subject.block.blocks)
    return (
        chain and bool(subject.block.hidden_layers) and (subject.dataset.kind == "classification")
    )


# ---- one network


@dataclass(frozen=True)
class Flow:
    """What the layers of one net do to pairs: `gaps` is growth of one class minus two at equal
    distance, layer by layer, `crossings` the partial rank correlation of growth with boundaries
    crossed, `p` the permutation test of the mean gap's layers, smallest first.
    """

    gaps: tuple[float, ...]
    crossings: tuple[float, ...]
    p: tuple[float, ...]

    @property
    def gap(self) -> float:
        """The mean over layers."""
        return float(np.mean(self.gaps))


def flow(
    network: Network, rows: FloatArray, labels: IndexArray, pairs: Pairs, rng: np.random.Generator
) -> Flow:
    """The growth of pairs in every hidden layer. Raises Degenerate where a layer takes all rows to
    one point, or no stratum has pairs of both sorts.
    """
    stages = [rows, *network.hidden_float(rows, activated=True)]
    gaps, crossings, p = list[float](), list[float](), list[float]()
    for layer in range(1, len(stages)):
        before, after = (pairs.lengths(stages[k]) for k in (layer - 1, layer))
        kept = before > 0
        if not after[kept].any():
            raise Degenerate(
                "a layer takes all pairs to one point",
                value=f"layer {layer}",
                remedy="take a network that trained",
            )
        size = float(np.linalg.norm(network.hidden_layers[layer - 1].weight.float64(), 2))
        grown = growth(before[kept], after[kept], size)
        place, different = strata(before[kept]), pairs.different[kept]
        apart = stratified_difference(grown, different, place)
        if apart is None:
            raise Degenerate(
                "no pairs of one class and of two at equal distance",
                value=f"layer {layer}",
                remedy="give more data",
            )
        gaps.append(-apart)
        codes = network.codes(rows, layers=(layer, layer))
        crossed = pairs.hamming(codes)[kept].astype(np.float64)
        crossings.append(partial_rank_correlation(grown, crossed, before[kept]))
        test = permute_labels(
            -grown,
            pairs.first[kept],
            pairs.second[kept],
            labels,
            rng,
            strata=place,
            alternative="less",
            draws=SHUFFLES,
        )
        p.append(1.0 if test.permutation.p is None else test.permutation.p)
    return Flow(tuple(gaps), tuple(crossings), tuple(p))


def chance(
    network: Network, rows: FloatArray, labels: IndexArray, pairs: Pairs, rng: np.random.Generator
) -> float:
    """The p-value of the mean gap over layers, two-sided: (1 + k) / (1 + draws) for the k of all
    draws in which labels dealt out anew over the rows, the pairs as they are, make it as large. A
    draw in which no stratum has pairs of both sorts counts as one of these.
    """
    stages = [rows, *network.hidden_float(rows, activated=True)]
    layers = []
    for layer in range(1, len(stages)):
        before, after = (pairs.lengths(stages[k]) for k in (layer - 1, layer))
        kept = before > 0
        size = float(np.linalg.norm(network.hidden_layers[layer - 1].weight.float64(), 2))
        grown = growth(before[kept], after[kept], size)
        layers.append((kept, grown, strata(before[kept])))

    def gap(dealt: IndexArray) -> float:
        different = dealt[pairs.first] != dealt[pairs.second]
        found = [
            stratified_difference(grown, different[kept], place) for kept, grown, place in layers
        ]
        known = [one for one in found if one is not None]
        return float(np.mean(known)) if len(known) == len(found) else math.inf

    own = abs(gap(labels))
    least = own * (1 - EQUAL)
    hits = sum(abs(gap(rng.permutation(labels))) >= least for _ in range(SHUFFLES))
    return (1 + hits) / (1 + SHUFFLES)


def growth(before: FloatArray, after: FloatArray, size: float) -> FloatArray:
    """log2 of after / before / size; -10 where that is less, as for pairs that became one point.

    >>> growth(np.array([1.0, 1.0]), np.array([4.0, 0.0]), 2.0).tolist()
    [1.0, -10.0]
    """
    ratio = after / before / (size or 1.0)
    return np.asarray(np.log2(np.maximum(ratio, 2.0**COLLAPSED)))


def partial_rank_correlation(first: FloatArray, second: FloatArray, given: FloatArray) -> float:
    """The correlation of the ranks of two lists, less what the ranks of a third explain; 0 where
    nothing is left of one.

    >>> x = np.array([1.0, 2, 3, 4])
    >>> partial_rank_correlation(x, x, np.array([1.0, -1, -1, 1]))
    1.0
    """
    ranks = [stats.rankdata(one) for one in (first, second, given)]
    one, other, third = (rank - rank.mean() for rank in ranks)
    scale = float(third @ third) or 1.0
    one, other = (x - (x @ third) / scale * third for x in (one, other))
    size = float(np.sqrt((one @ one) * (other @ other)))
    return 0.0 if size < 1e-9 * len(first) else float(np.clip(one @ other / size, -1.0, 1.0))


def probe_rise(network: Network, training: Dataset, held_out: Dataset) -> tuple[float, ...]:
    """The held-out accuracy of a linear probe on the rows, and behind every hidden layer."""
    sides = []
    for data in (training, held_out):
        rows = np.asarray(data.inputs.double().numpy())
        sides.append([rows, *network.hidden_float(rows, activated=True)])
    labels = [np.asarray(data.targets.numpy()) for data in (training, held_out)]
    hot = (labels[0][:, None] == np.unique(labels[0])).astype(np.float64)
    found = []
    for fitted, asked in zip(*sides, strict=True):
        one, other = (np.column_stack([x, np.ones(len(x))]) for x in (fitted, asked))
        weights = np.linalg.lstsq(one, hot, rcond=None)[0]
        best = np.unique(labels[0])[(other @ weights).argmax(axis=1)]
        found.append(float((best == labels[1]).mean()))
    return tuple(found)


def coverage(found: FlatPartition) -> float:
    """How many cells lie on a point of the image, on average: the sum of the areas of their exact
    images over that of the union (float).
    """
    from shapely import Polygon, unary_union

    images = []
    for region in found.regions:
        ends = [[float(x) for x in region.affine(corner)] for corner in region.vertices]
        images.append(Polygon(ends).convex_hull if len(ends) > 2 else Polygon())
    flat = [one for one in images if one.area > 0]
    return float(sum(one.area for one in flat) / unary_union(flat).area) if flat else 0.0


# ---- toys and families


def _of_toy(toy: Toy, seed: int) -> Finding:
    toy.must_have_learned()
    rows, labels = toy.residuals[:MOST_ROWS], np.asarray(toy.rows.targets.numpy())[:MOST_ROWS]
    first, second = np.triu_indices(len(rows), 1)
    pairs = Pairs(first, second, labels[first] != labels[second])
    one = flow(toy.block, rows, labels, pairs, np.random.default_rng(seed))
    layers = ", ".join(f"{gap:.2g}" for gap in one.gaps)
    p = chance(toy.block, rows, labels, pairs, np.random.default_rng(seed))
    value = f"one class minus two: {one.gap:.3g} octaves (by layer {layers}), p {p:.3g}"
    data: dict[str, JSON] = {
        "gap_float": one.gap,
        "gaps_by_layer_float": list(one.gaps),
        "p_float": p,
        "permutation_p_float": list(one.p),
        "crossings_float": list(one.crossings),
        "rows": len(rows),
    }
    gap = Estimate.exactly(one.gap).with_p(p)
    return ONE_NET.finding(toy.name, gap, value=value, data=data)


@dataclass(frozen=True)
class Arm:
    """The flows of the nets of one arm, the accuracies of their probes, and how their outputs are
    covered.
    """

    gap: Measured
    crossings: Measured
    rise: Measured
    flows: dict[int, Flow]
    probes: dict[int, tuple[float, ...]]
    covered: dict[int, float]


def measure(nets: Nets) -> Arm:
    """All of it, net by net."""
    flows: dict[int, Flow] = {}
    probes: dict[int, tuple[float, ...]] = {}
    covered: dict[int, float] = {}

    def gap(network: Network, result: TrainResult, rng: np.random.Generator) -> float:
        rows = np.asarray(result.dataset.inputs.double().numpy())
        labels = np.asarray(result.dataset.targets.numpy())
        seed = result.config.seed
        flows[seed] = flow(network, rows, labels, balanced(labels, PAIRS, rng), rng)
        if (network.input_dim, network.output_dim, network.has_norm) == (2, 2, False):
            covered[seed] = coverage(enumerated(network, PLANE).seen_as(FlatPartition))
        return flows[seed].gap

    def rise(network: Network, result: TrainResult, _: np.random.Generator) -> float:
        found = probe_rise(network, result.training, result.held_out)
        probes[result.config.seed] = found
        return found[-1] - found[0]

    gaps = Measured.of(nets, gap)
    mean = {seed: float(np.mean(one.crossings)) for seed, one in flows.items()}
    crossings = Measured(nets, mean, gaps.lost)
    return Arm(gaps, crossings, Measured.of(nets, rise), flows, probes, covered)


def family_findings(told: str, trained: Arm, untrained: Arm, seed: int) -> list[Finding]:
    """The three claims on the trained nets of a family, against the untrained ones."""
    rng = np.random.default_rng(seed)
    own, more = trained.gap.over(rng), trained.gap.minus(untrained.gap, rng)
    controls, crossed = untrained.gap.over(rng), trained.crossings.over(rng, (-1.0, 1.0))
    rise = trained.rise.minus(untrained.rise, rng)
    subject, data = f"{told}, trained nets", trained.gap.data
    flows = list(trained.flows.values())
    sure = sum(min(one.p) * len(one.p) < 0.05 for one in flows)
    first, last = (
        np.mean([one[place] for one in trained.probes.values()] or [0.0]) for place in (0, -1)
    )
    folds = _folds(trained, untrained)
    return [
        CONVERGE.finding(
            subject,
            own,
            more,
            value=f"{own}; minus untrained {more.value or 0:.2g}; p < 0.05 in {sure} nets",
            data={
                **data,
                **own.data("gap"),
                **more.data("minus_untrained"),
                **controls.data("untrained"),
                "gaps_by_layer_float": _by_layer([one.gaps for one in flows]),
            },
        ),
        CROSSINGS.finding(
            subject,
            crossed,
            value=str(crossed),
            data={
                **trained.crossings.data,
                **crossed.data("correlation"),
                "untrained_float": _mean(untrained.crossings),
            },
        ),
        SEPARABLE.finding(
            subject,
            rise,
            value=f"{rise}; trained {first:.0%} to {last:.0%}{folds}",
            data={
                **trained.rise.data,
                **rise.data("rise"),
                "accuracy_by_layer_float": _by_layer(list(trained.probes.values())),
                "cells_on_a_point_float": list(trained.covered.values()),
                "cells_on_a_point_untrained_float": list(untrained.covered.values()),
            },
        ),
    ]


def _mean(measured: Measured) -> float | None:
    values = list(measured.values.values())
    return float(np.mean(values)) if values else None


def _by_layer(rows: Sequence[Sequence[float]]) -> list[float]:
    return [float(x) for x in np.mean(rows, axis=0)] if rows else []


def _folds(trained: Arm, untrained: Arm) -> str:
    if not trained.covered or not untrained.covered:
        return ""
    one, other = (np.mean(list(arm.covered.values())) for arm in (trained, untrained))
    return f"; a point of the image has {one:.2g} cells, untrained {other:.2g}"


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = [row for finding in findings for row in _rows(finding)]
    if not rows:
        return ()
    caption = (
        "How much more pairs of one class grow in a layer than pairs of two classes at equal "
        "distance, in octaves, mean over hidden layers: means over nets with 95% intervals, "
        "squares for one net. Left of the line classes converge."
    )
    title = "Growth of pairs of one class minus two"
    return (
        Figure(
            "convergence",
            caption,
            partial(forest, rows, title, "at equal distance", "octaves", mark=0.0),
        ),
    )


def _rows(finding: Finding) -> list[Row]:
    data = finding.data
    if data.get("gap_float") is None:
        return []
    found = []
    for label, key in (
        (finding.subject, "gap"),
        (f"{finding.subject}, untrained".replace("trained nets, ", ""), "untrained"),
    ):
        value, low, high = (data.get(f"{key}{end}_float") for end in ("", "_low", "_high"))
        if value is not None:
            ends = () if low is None or high is None else (number(low), number(high))
            found.append(Row(label, number(value), *ends))
    return found


QUESTION = Question(
    CLAIM,
    "Do layers bring one class together?",
    ask,
    (CONVERGE, CROSSINGS, SEPARABLE, ONE_NET),
    groups=("toys", "deep", "spheres"),
    fits=fits,
    needs="data of several classes, and hidden layers one behind the other without a skip",
    text=texts.POLYTOPE_LENS,
    asked="The text proposes to follow how a network brings inputs of one meaning together that "
    "lie apart, and drives apart what lies near but means different things, and says that the "
    "maps of different polytopes do it, by folding the data until classes are separable.",
    controls="Of many nets, the untrained net of the same seed; of one net, labels permuted over "
    "its inputs with the pairs fixed; of both, pairs at equal distance, since classes lie apart, "
    "and a linear probe in front of all layers.",
    settled="After full runs: that one net's value wants p < 0.05, since values were judged that "
    "chance makes.",
)
