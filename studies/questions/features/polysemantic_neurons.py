"""Claim 1.17: single neurons are polysemantic.

Of every neuron of the first hidden layer the items on which it is largest, 50 or as many as a class
has, and their purity: the share of the most frequent class. A neuron is polysemantic here where no
half of them is of one class. Labels that mean nothing to a network would make all of its neurons
so, and of two classes one is always half: the claim wants three or more, and neurons that know of
them, whose lists are purer than with labels dealt out at random. Where they are less pure than
these the claim, which says more, is refuted, though the neurons are mixed. A neuron that fires on
fewer items than that has no such list, since it would go on with zeros, and is left out. Beside it,
on the same activations: NMF directions (claim 1.5) and clusters of codes (claim 1.4), which are
said to do better, and the same nets untrained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from exact import Network
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.clustering import MIDDLE, Clusterings, hdbscan, without_scikit_learn
from studies.questions.shared.labelled_items import (
    EIGHT,
    FORTY,
    ITEMS,
    LABELS,
    QUICK_ITEMS,
    ROWS,
    Family,
    Labelled,
    between_codes,
    has_labels,
)
from studies.questions.shared.nearest_items import MIXED, Nearest, activations, how_many, nmf
from studies.questions.shared.nets import Measured
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.several import Found, brief, several, share_of_nets
from studies.rules import APART, SHARE, Claim, above, larger_than
from studies.statistics import NETS, SEQUENCES, Degenerate, Estimate
from studies.statistics.intervals import ANYWHERE
from studies.subjects import LanguageLayer, Subject, Subjects, Toy
from toy_models import TrainResult

CLAIM = "1.17"
MAJORITY, COMPONENTS = 0.5, 64
CLASSES = 3
"""The fewest of which no one need have half of a list."""
DEALT = 20  # times that labels are dealt out
FAMILIES = (EIGHT, FORTY)
OF = f"the share of neurons of purity below {MIXED:g}"
PURITY = "the mean purity of what neurons fire on"
PERMUTED = "labels dealt out at random"


def _many(unit: str) -> Claim:
    """Most neurons are polysemantic though they know of the labels, over these units."""
    return Claim(
        CLAIM,
        "Single neurons are polysemantic: what most of them fire on is of no one class, though the "
        "labels tell more of it than chance.",
        Kind.ESTIMATE,
        above(MAJORITY, OF, range=SHARE, unit=unit)
        & larger_than(PERMUTED, PURITY, range=APART, unit=unit),
    )


def _more(unit: str) -> Claim:
    """More neurons than directions are, over these units."""
    return Claim(
        CLAIM,
        "Single neurons are more often polysemantic than directions are.",
        Kind.ESTIMATE,
        larger_than("NMF directions of the same activations", OF, range=APART, unit=unit),
    )


BESIDE = {"NMF": "NMF directions", "clusters": "clusters of codes"}
UNITS = (NETS, SEQUENCES, ROWS)
MANY, MORE = {unit: _many(unit) for unit in UNITS}, {unit: _more(unit) for unit in UNITS}
NAMES = ("neurons", "purer", "minus NMF", "NMF", "clusters", "permuted labels", "measured neurons")
RANGES = {"purer": APART, "minus NMF": APART, "measured neurons": ANYWHERE}


def ask(subjects: Subjects) -> Answer:
    """How many neurons have no class of their own, beside directions and clusters."""
    pair = (MANY[NETS], MORE[NETS])
    missing = without_scikit_learn(pair, subjects, [one.name for one in FAMILIES])
    if missing is not None:
        return missing
    findings: list[Finding] = []
    if not subjects.own:
        for family in FAMILIES:
            findings += _of_family(subjects, family)
    for toy in filter(fits, subjects.all_toys) if subjects.own else ():
        findings += of_toy(toy, subjects.seed)
    for layer in subjects.language:
        findings += of_layer(layer, subjects.seed)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether there are labels: the tokens of a text, or classes of data."""
    return has_labels(subject)


# ---- one network


def of_neurons(vectors: FloatArray, count: int) -> Nearest:
    """The items on which each neuron is largest, of the neurons that fire on so many.

    Raises Degenerate where there is none.
    """
    often = np.count_nonzero(vectors > 0, axis=0) >= count
    if not often.any():
        remedy = "take more items, or a network that trained"
        what = f"{often.size} neurons, {count} items"
        raise Degenerate("no neuron fires often enough", value=what, remedy=remedy)
    return Nearest.by_value(vectors[:, often], count)


def purer(
    found: Nearest,
    labels: IndexArray,
    dealt: Sequence[IndexArray],
    weights: FloatArray | None = None,
) -> float:
    """The mean purity, less that with labels dealt out at random, mean over the deals."""
    chance = np.mean([found.mean_purity(one, weights) for one in dealt])
    return found.mean_purity(labels, weights) - float(chance)


def of_nmf(vectors: FloatArray, count: int, seed: int) -> Nearest:
    """The items along each NMF direction."""
    return Nearest.by_angle(
        vectors, nmf(vectors, min(COMPONENTS, max(2, vectors.shape[1] // 2)), seed), count
    )


def of_clusters(distances: FloatArray, labels: IndexArray) -> float:
    """The share of clusters of which no more than half are of one class, NaN without a cluster."""
    return 1 - Clusterings.of([hdbscan(distances, MIDDLE)]).pure(labels, threshold=MIXED)


def statistics(
    network: Network, result: TrainResult, rng: np.random.Generator, *, count: int = ITEMS
) -> Found:
    """Shares of neurons, directions and clusters that are of no one class."""
    items = Labelled.of_net(network, result, count)
    vectors, most, labels = activations(network, items), how_many(items), items.labels
    neurons, directions = of_neurons(vectors, most), of_nmf(vectors, most, result.config.seed)
    clusters = of_clusters(between_codes(network.codes(items.inputs, (1, 1))), labels)
    dealt = [rng.permutation(labels) for _ in range(DEALT)]
    return {
        "neurons": neurons.mixed(labels),
        "purer": purer(neurons, labels, dealt),
        "NMF": directions.mixed(labels),
        "minus NMF": neurons.mixed(labels) - directions.mixed(labels),
        "clusters": clusters if np.isfinite(clusters) else "no cluster",
        "permuted labels": neurons.mixed(dealt[0]),
        "measured neurons": float(len(neurons.rows)),
    }


# ---- many nets


def _of_family(subjects: Subjects, family: Family) -> list[Finding]:
    trained, untrained = family.trained(subjects)
    if not trained.results:
        why = f"no net learned, of {trained.left_out}"
        return [claim[NETS].undecided(family.name, why) for claim in (MANY, MORE)]
    measure = partial(statistics, count=QUICK_ITEMS if subjects.quick else ITEMS)
    after, before = (several(nets, NAMES, measure) for nets in (trained, untrained))
    return family_findings(family.name, after, before, subjects.seed)


def family_findings(
    subject: str, after: Mapping[str, Measured], before: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """How many neurons are polysemantic over nets, and how many more than directions."""
    rng = np.random.default_rng(seed)
    found = {name: one.over(rng, RANGES.get(name, SHARE)) for name, one in after.items()}
    found["neurons"] = share_of_nets(after["neurons"], rng)
    untrained = before["neurons"].over(rng, SHARE)
    return _findings(subject, NETS, found, {"untrained": untrained}, after["neurons"].data)


def _findings(
    subject: str,
    unit: str,
    found: Mapping[str, Estimate],
    beside: Mapping[str, Estimate],
    data: Mapping[str, JSON],
) -> list[Finding]:
    share, purer, more = found["neurons"], found["purer"], found["minus NMF"]
    others = {**found, **beside}
    told = ", ".join(
        f"{name} {_shown(one)}"
        for name, one in others.items()
        if name in ("NMF", "clusters", "permuted labels", "untrained")
    )
    numbers: dict[str, JSON] = dict(data)
    for name, one in others.items():
        numbers |= one.data(name.replace(" ", "_"))
    return [
        MANY[unit].finding(
            subject,
            share,
            purer,
            value=f"mixed neurons {brief(share)}, purer than permuted {brief(purer)}; mixed {told}",
            data=numbers,
        ),
        MORE[unit].finding(
            subject, more, value=f"neurons minus NMF {more}", data={**more.data("more"), **data}
        ),
    ]


def _shown(found: Estimate) -> str:
    return "none" if found.value is None else f"{found.value:.2g}"


# ---- one network of a user's, and layers of a language model


def of_toy(toy: Toy, seed: int) -> list[Finding]:
    """The neurons of the first hidden layer by the classes of the data, over its rows."""
    try:
        items = Labelled.of_toy(toy)
        return layer_findings(toy.name, items, activations(toy.network, items), seed)
    except Degenerate as why:
        return [claim[ROWS].undecided(toy.name, str(why)) for claim in (MANY, MORE)]


def of_layer(layer: LanguageLayer, seed: int) -> list[Finding]:
    """The neurons of a layer by the tokens that they fire on, and the tokens behind these."""
    findings: list[Finding] = []
    for label in LABELS:
        subject = f"{layer.name}: {label}"
        try:
            items = Labelled.of_layer(layer, label)
            findings += layer_findings(subject, items, activations(layer.network, items), seed)
        except Degenerate as why:
            findings += [claim[SEQUENCES].undecided(subject, str(why)) for claim in (MANY, MORE)]
    return findings


def layer_findings(subject: str, items: Labelled, vectors: FloatArray, seed: int) -> list[Finding]:
    """Over sequences or rows, neurons, directions and their items as they are. Raises Degenerate
    for fewer than three labels: of two one always has half of any list, so that nothing is mixed.
    """
    rng, most, labels = np.random.default_rng(seed), how_many(items), items.labels
    if len(kinds := np.unique(labels)) < CLASSES:
        raise Degenerate(
            "needs three classes",
            value=f"{len(kinds)} among {len(labels)} items",
            remedy="give data with more: one of two is never below half",
        )
    neurons, directions = of_neurons(vectors, most), of_nmf(vectors, most, seed)
    dealt = [rng.permutation(labels) for _ in range(DEALT)]
    statistics_of: dict[str, Callable[[FloatArray], float]] = {
        "purer": lambda weights: purer(neurons, labels, dealt, weights),
        "neurons": lambda weights: neurons.mixed(labels, weights),
        "NMF": lambda weights: directions.mixed(labels, weights),
        "minus NMF": lambda weights: (
            neurons.mixed(labels, weights) - directions.mixed(labels, weights)
        ),
        "permuted labels": lambda weights: neurons.mixed(dealt[0], weights),
    }
    found = {
        name: items.over_sequences(one, rng, RANGES.get(name, SHARE))
        for name, one in statistics_of.items()
    }
    data: dict[str, JSON] = {"measured_neurons": len(neurons.rows), "items_a_neuron": most}
    return _findings(subject, items.unit, found, {}, data)


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = []
    for one in findings:
        for sort in ("neurons", *BESIDE):
            ends = [one.data.get(f"{sort}{end}_float") for end in ("", "_low", "_high")]
            if ends[0] is not None:
                label = f"{one.subject}, {sort}" if sort == "neurons" else sort
                rows.append(Row(label, *(100 * number(x) for x in ends if x is not None)))
    known = [sort for sort in BESIDE if any(row.label == sort for row in rows)]
    with_intervals = " with 95% intervals" if any(row.low is not None for row in rows) else ""
    names = [BESIDE[sort] for sort in known]
    below = f"; below each, of {' and of '.join(names)}" if names else ""
    caption = (
        "The share of neurons whose largest items are of no one class (purity below one half), in "
        f"per cent{with_intervals}{below}."
    )
    title = "Neurons of no one class"
    subtitle = f"beside {' and '.join(names)}" if names else "by the largest items of each"
    mark = 100 * MAJORITY
    return (
        Figure(
            "polysemantic",
            caption,
            lambda: forest(rows, title, subtitle, "of no one class / %", mark=mark),
        ),
    )


QUESTION = Question(
    CLAIM,
    "Are neurons polysemantic?",
    ask,
    (*MANY.values(), *MORE.values()),
    groups=("language",),
    fits=fits,
    needs="data with three classes or more in front of a hidden layer, or an MLP layer of a "
    "language model with the tokens of a text",
    text=texts.POLYTOPE_LENS,
    asked="Neurons are said to be no unit of meaning: one fires on things that have nothing in "
    "common, more so than directions or polytopes.",
    controls="Labels dealt out at random, which lists of neurons must be purer than; NMF "
    "directions of the same activations.",
    beside="Clusters of codes, and the same nets untrained.",
    settled="Intervals over sequences leave out whole groups of them. After full runs: that lists "
    "must be purer than with labels dealt out at random, and that two classes leave it open.",
)
