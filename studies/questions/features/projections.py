"""Claim 1.6: projected on a direction, activations form clusters that mean something, with
boundaries between them.

Directions d of the inputs (the weights of single neurons, differences of class means, random ones)
and, among the activations behind the first hidden layer, of an NMF: the projections of all items,
cut into clusters at the valleys of a kernel density (Silverman's bandwidth; half and double beside
it), and the exact places at which the network, or its rest, is crossed along the line m + s d. A
gap is where the density around a valley is below halfway from its ground to the lower of the two
peaks beside it; crossings per length in gaps, over those inside of clusters, are pooled over the
directions of a net. The line through the mean is not where the data are, so lines through 20 items
stand beside it, and crossings that are shifted around the range, which keep their spacing, are the
null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from exact import Network, partition_lines
from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.clustering import without_scikit_learn
from studies.questions.shared.labelled_items import (
    EIGHT,
    FORTY,
    ITEMS,
    QUICK_ITEMS,
    Family,
    Labelled,
)
from studies.questions.shared.nearest_items import activations, nmf
from studies.questions.shared.nets import Measured
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.several import Found, brief, several
from studies.rules import APART, Claim, above, larger_than
from studies.statistics import Degenerate
from studies.statistics.intervals import ANYWHERE
from studies.subjects import Subject, Subjects
from toy_models import TrainResult

CLAIM = "1.6"
FAMILIES = (EIGHT, FORTY)
SORTS = ("neurons", "class means", "random", "NMF")
MOST, LINES, SHIFTS, PLACES = 16, 20, 20, 256
BANDWIDTHS = {"half": 0.5, "usual": 1.0, "double": 2.0}

POSITIVE = (0.0, math.inf)
BETWEEN = Claim(
    CLAIM,
    "Projected on a direction, activations form meaningful clusters with boundaries between them.",
    Kind.ESTIMATE,
    above(
        1,
        "exact crossings per length in the gaps between clusters over those inside of clusters",
        range=POSITIVE,
    )
    & larger_than("labels dealt out at random", "the purity of clusters", range=APART),
)
RANGES = {"purity": APART, "ratio": POSITIVE}
TOLD = ("ratio", "purity", "half", "double", "through data", "shifted")
NAMES = tuple(f"{sort}: {name}" for sort in SORTS for name in TOLD)


def ask(subjects: Subjects) -> Answer:
    """Crossings in gaps and in clusters, and the purity of clusters."""
    names = [f"{family.name}: {sort}" for family in FAMILIES for sort in SORTS]
    missing = without_scikit_learn([BETWEEN], subjects, names)
    if missing is not None:
        return missing
    findings: list[Finding] = []
    for family in FAMILIES:
        findings += _of_family(subjects, family)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """The layer in front of the lines and the rest behind it are those of the question's toys."""
    return False


# ---- clusters on a line


@dataclass(frozen=True, eq=False)
class Cut:
    """Places along a line, whether each lies in a gap between two clusters, and where clusters are
    cut from each other.
    """

    places: FloatArray
    gap: BitArray
    cuts: FloatArray

    @classmethod
    def of(cls, values: FloatArray, bandwidth: float = 1.0) -> Cut:
        """By the valleys of the kernel density of some values."""
        places = np.linspace(values.min(), values.max(), PLACES)
        heights = density(values, places, bandwidth)
        rises = np.concatenate([[True], heights[1:] >= heights[:-1]])
        falls = np.concatenate([heights[:-1] > heights[1:], [True]])
        peaks = np.flatnonzero(rises & falls)
        gap, cuts = np.zeros(PLACES, dtype=bool), []
        for left, right in pairwise(peaks.tolist()):
            between = np.arange(left, right + 1)
            ground = heights[between].min()
            cuts.append(places[left + heights[between].argmin()])
            gap[between] |= heights[between] < (ground + min(heights[left], heights[right])) / 2
        return cls(places, gap, np.array(cuts))

    def groups(self, values: FloatArray) -> IndexArray:
        """The cluster of each value."""
        return np.searchsorted(self.cuts, values).astype(np.int64)

    def counted(self, crossings: FloatArray) -> tuple[int, float, int, float]:
        """Crossings and length in gaps, and crossings and length inside of clusters."""
        step = self.places[1] - self.places[0]
        inside = (crossings >= self.places[0]) & (crossings <= self.places[-1])
        at = np.rint((crossings[inside] - self.places[0]) / step).astype(np.int64)
        hits, wide = self.gap[at], int(self.gap.sum())
        return int(hits.sum()), wide * step, int((~hits).sum()), (PLACES - wide) * step


def density(values: FloatArray, places: FloatArray, bandwidth: float) -> FloatArray:
    """The Gaussian kernel density of some values; bandwidth in units of Silverman's."""
    low, high = np.quantile(values, (0.25, 0.75))
    spread = min(float(values.std()), float(high - low) / 1.34) or float(values.std())
    width = 0.9 * spread * len(values) ** -0.2 * bandwidth
    return np.asarray(np.exp(-0.5 * ((places[:, None] - values) / width) ** 2).sum(axis=1))


def purity(groups: IndexArray, labels: IndexArray) -> float:
    """The share of items that have the most frequent label of their cluster."""
    kinds = int(labels.max()) + 1
    table = np.bincount(groups * kinds + labels, minlength=(int(groups.max()) + 1) * kinds)
    return float(table.reshape(-1, kinds).max(axis=1).sum() / len(labels))


# ---- one network


def statistics(
    network: Network, result: TrainResult, rng: np.random.Generator, *, count: int = ITEMS
) -> Found:
    """Ratios and purities of every sort of directions of one toy."""
    items = Labelled.of_net(network, result, count)
    inside, rest = activations(network, items), network.from_layer(2)
    told: dict[str, float | str] = {}
    for sort, directions in sorts(network, items, rng).items():
        found = of_directions(network, items.inputs, items.labels, directions, rng)
        told |= {f"{sort}: {name}": value for name, value in found.items()}
    found = of_directions(rest, inside, items.labels, nmf(inside, MOST, result.config.seed), rng)
    return {**told, **{f"NMF: {name}": value for name, value in found.items()}}


def sorts(network: Network, items: Labelled, rng: np.random.Generator) -> dict[str, FloatArray]:
    """At most 16 directions of the inputs of each sort, of length 1; neurons that see nothing are
    left out.
    """
    labels, dimension = items.labels, items.inputs.shape[1]
    means = np.stack([items.inputs[labels == one].mean(axis=0) for one in np.unique(labels)])
    first, second = np.triu_indices(len(means), 1)
    weights = network.hidden_layers[0].weight.float64()
    found = {
        "neurons": weights,
        "class means": means[first] - means[second],
        "random": rng.standard_normal((MOST, dimension)),
    }
    chosen = {sort: rng.permutation(one[one.any(axis=1)])[:MOST] for sort, one in found.items()}
    return {sort: one / np.linalg.norm(one, axis=1, keepdims=True) for sort, one in chosen.items()}


def of_directions(
    rest: Network,
    vectors: FloatArray,
    labels: IndexArray,
    directions: FloatArray,
    rng: np.random.Generator,
) -> Found:
    """Of some directions of length 1: the ratio of crossings, and the purity of clusters beyond
    that of labels dealt out at random. Directions on which all projections are equal are left out.
    """
    along = vectors @ directions.T
    kept = np.ptp(along, axis=0) > 0
    if not kept.any():
        remedy = "take a network that trained"
        raise Degenerate("no direction tells items apart", value=f"{len(kept)}", remedy=remedy)
    along, ways = along[:, kept], directions[kept]
    middle = vectors.mean(axis=0)
    own = crossings(rest, np.repeat(middle[None], len(ways), axis=0), ways)
    cuts = {name: [Cut.of(one, h) for one in along.T] for name, h in BANDWIDTHS.items()}
    usual = cuts["usual"]
    chosen = rng.choice(len(vectors), min(LINES, len(vectors)), replace=False)
    starts = np.repeat(vectors[chosen], len(ways), axis=0)
    through = crossings(rest, starts, np.tile(ways, (len(chosen), 1)))
    shifted = [one for _ in range(SHIFTS) for one in _shifted(usual, own, rng)]
    mixed, groups = (
        rng.permutation(labels),
        [c.groups(v) for c, v in zip(usual, along.T, strict=True)],
    )
    more = [purity(one, labels) - purity(one, mixed) for one in groups]
    return {
        "ratio": ratio(usual, own),
        "half": ratio(cuts["half"], own),
        "double": ratio(cuts["double"], own),
        "through data": ratio(len(chosen) * usual, through),
        "shifted": ratio(SHIFTS * usual, shifted),
        "purity": float(np.mean(more)),
    }


def crossings(rest: Network, starts: FloatArray, ways: FloatArray) -> list[FloatArray]:
    """The exact crossings of each line, by their projection on its direction (in float64)."""
    batch = partition_lines(rest, starts, ways, kind="line")
    origin = (starts * ways).sum(axis=1)
    middle = (batch.low + batch.high) / 2
    return [middle[batch.starts[i] : batch.starts[i + 1]] + origin[i] for i in range(len(batch))]


def ratio(cuts: Sequence[Cut], found: Sequence[FloatArray]) -> float | str:
    """Crossings per length in gaps over those inside of clusters, pooled over lines."""
    counts = np.array([cut.counted(one) for cut, one in zip(cuts, found, strict=True)])
    in_gaps, gaps, inside, wide = counts.sum(axis=0)
    if not gaps:
        return "no gap between clusters"
    if not inside:
        return "no crossing inside of clusters"
    return float((in_gaps / gaps) / (inside / wide))


def _shifted(
    cuts: Sequence[Cut], found: Sequence[FloatArray], rng: np.random.Generator
) -> list[FloatArray]:
    """The crossings within each range, moved around it as on a circle."""
    moved = []
    for cut, one in zip(cuts, found, strict=True):
        low, high = cut.places[0], cut.places[-1]
        inside = one[(one >= low) & (one <= high)]
        moved.append(low + (inside - low + rng.uniform(0, high - low)) % (high - low))
    return moved


# ---- many nets


def _of_family(subjects: Subjects, family: Family) -> list[Finding]:
    trained, untrained = family.trained(subjects)
    if not trained.results:
        why = f"no net learned, of {trained.left_out}"
        return [BETWEEN.undecided(f"{family.name}: {sort}", why) for sort in SORTS]
    measure = partial(statistics, count=QUICK_ITEMS if subjects.quick else ITEMS)
    after, before = (several(nets, NAMES, measure) for nets in (trained, untrained))
    return family_findings(family.name, after, before, subjects.seed)


def family_findings(
    family: str, after: Mapping[str, Measured], before: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """What is found along every sort of directions, over nets."""
    rng, findings = np.random.default_rng(seed), []
    for sort in SORTS:
        found = {
            name: after[f"{sort}: {name}"].over(rng, RANGES.get(name, ANYWHERE)) for name in TOLD
        }
        control = before[f"{sort}: ratio"].over(rng)
        means = {
            name: "none" if one.value is None else f"{one.value:.2g}"
            for name, one in {**found, "untrained": control}.items()
        }
        value = (
            f"ratio {brief(found['ratio'])}, purity beyond chance {brief(found['purity'])}; "
            f"through data {means['through data']}, shifted {means['shifted']}, untrained "
            f"{means['untrained']}"
        )
        data: dict[str, JSON] = dict(control.data("untrained"))
        for name, one in found.items():
            data |= one.data(name.replace(" ", "_"))
        findings.append(
            BETWEEN.finding(
                f"{family}: {sort}",
                found["ratio"],
                found["purity"],
                value=value,
                data={**data, **after[f"{sort}: ratio"].data},
            )
        )
    return findings


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = []
    for one in findings:
        for label, key in ((one.subject, "ratio"), ("crossings shifted", "shifted")):
            ends = [one.data.get(f"{key}{end}_float") for end in ("", "_low", "_high")]
            if ends[0] is not None:
                rows.append(Row(label, *(number(x) for x in ends if x is not None)))
    caption = (
        "Crossings per length in the gaps between clusters of projections, over those inside of "
        "clusters, pooled over directions of a sort: means over nets with 95% intervals; below "
        "each, the same crossings shifted around the range. Right of 1 boundaries stand in gaps."
    )
    title, subtitle = "Boundaries in gaps", "exact crossings of lines through the mean"
    axis = "density in gaps / density in clusters"
    return (Figure("gaps", caption, lambda: forest(rows, title, subtitle, axis, mark=1)),)


QUESTION = Question(
    CLAIM,
    "Do boundaries stand between clusters on a direction?",
    ask,
    (BETWEEN,),
    groups=(),
    fits=fits,
    needs="toys of two hidden layers with classes, which the question trains for itself",
    text=texts.POLYTOPE_LENS,
    asked="A comment asks whether a projection on one direction shows clusters that mean "
    "something, with the boundaries of polytopes between them.",
    controls="Labels dealt out at random; as many crossings in gaps as inside of clusters.",
    beside="Random directions, crossings shifted around the range, lines through data, other "
    "bandwidths, and the same nets untrained.",
    settled="That a gap begins halfway down from the lower peak, and that data are "
    "projected at the input.",
)
