"""Claim 1.4: clusters of activations, and of spline codes, are monosemantic.

Items are held-out rows of toys with their classes, and tokens of a text. Three sights of them are
clustered: the pre-activations of the first hidden layer by Euclidean distance, its exact codes, and
the exact codes of all layers up to the output, by Hamming distance. HDBSCAN runs on a whole grid of
settings and is judged by their mean; settings whose smallest cluster is larger than a class (of the
median item) cannot be pure and are told apart. Average linkage and k-medoids stand beside.

What is pure may be so before training (the tokens of a text, blobs of a plane), so that the claim
needs more pure clusters than the same net untrained. Hamming distances are integers, so that the
tree of HDBSCAN depends on the order of rows: how far is told as the agreement (adjusted mutual
information) between shuffles. Where all cells of a plane are known, their exact adjacency says
whether a cluster is one connected set of cells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import networkx as nx
import numpy as np

from exact import Box, Codes, Network, partition
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.clustering import (
    COUNTS,
    GRID,
    MIDDLE,
    PURE,
    Clusterings,
    agreement,
    average_linkage,
    hdbscan,
    k_medoids,
    of_shuffles,
    without_scikit_learn,
)
from studies.questions.shared.intervals import percent
from studies.questions.shared.labelled_items import (
    FAMILIES,
    ITEMS,
    LABELS,
    NESTED,
    QUICK_ITEMS,
    Family,
    Labelled,
    between_codes,
    euclid,
)
from studies.questions.shared.nets import Measured
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.several import Found, brief, several, share_of_nets
from studies.rules import APART, SHARE, Claim, above, larger_than
from studies.statistics import NETS, SEQUENCES, Degenerate, Estimate
from studies.subjects import LanguageLayer, Subject, Subjects
from toy_models import TrainResult

CLAIM = "1.4"
MAJORITY = 0.5
SHUFFLES, QUICK_SHUFFLES = 10, 3
SIGHTS = ("activations", "codes", "codes to the output")
PLANE = Box(-3, 3, dim=2)
BESIDE = ("whole grid", "covered", "permuted labels", "agreement", "shuffles", "linkage", "medoids")
RANDOM, NO_CLUSTER = "random codes", "no cluster at any setting"
OF_PURE = (
    f"the share of clusters of purity above {PURE:g}, mean over the grid of HDBSCAN settings that "
    "fit a class"
)


def _monosemantic(unit: str) -> Claim:
    """Most clusters are pure, and more than before training, over these units."""
    before = "the same network untrained"
    return Claim(
        CLAIM,
        "Clusters of activations and of spline codes are mostly monosemantic: most hold items of "
        "one class, and training makes it so.",
        Kind.ESTIMATE,
        above(MAJORITY, OF_PURE, range=SHARE, unit=unit)
        & larger_than(before, "that share", range=APART, unit=unit),
    )


OVER_NETS, OVER_SEQUENCES = _monosemantic(NETS), _monosemantic(SEQUENCES)
CONNECTED = Claim(
    CLAIM,
    "A cluster is one connected set of cells: most clusters of several cells are, and more than "
    "as many items drawn at random.",
    Kind.ESTIMATE,
    above(
        MAJORITY,
        "the share of clusters whose occupied cells are connected through shared facets, among "
        "those of two cells or more",
        range=SHARE,
    )
    & larger_than("clusters with items dealt out at random", "that share", range=APART),
)
CLAIMS = (OVER_NETS, OVER_SEQUENCES, CONNECTED)


def ask(subjects: Subjects) -> Answer:
    """Purity and coverage of clusters, and whether they are connected."""
    missing = without_scikit_learn(CLAIMS[:2], subjects, [one.name for one in FAMILIES])
    if missing is not None:
        return missing
    findings: list[Finding] = []
    if not subjects.own:
        for family in FAMILIES:
            findings += _of_family(subjects, family)
    for layer in subjects.language:
        findings += of_layer(layer, subjects.seed)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether there is a text, whose tokens are labels; toys are trained for the question."""
    return isinstance(subject, LanguageLayer)


# ---- one network


def sights(items: Labelled) -> dict[str, FloatArray]:
    """The distances of all pairs of items, by what is seen of them; codes of one layer only once.
    Raises Degenerate where all items look alike.
    """
    network, codes = items.network, items.network.codes(items.inputs)
    first = network.codes(items.inputs, (1, 1))
    found = [euclid(network.hidden_float(items.inputs)[0]), between_codes(first)]
    if len(network.hidden_layers) > 1:
        found.append(between_codes(codes))
    return dict(zip(SIGHTS, found, strict=False))


def grid(distances: FloatArray) -> Clusterings:
    """HDBSCAN's clusters at every setting that these items allow."""
    least = len(distances) - 1
    fitting = [one for one in GRID if max(one.size, one.samples) <= least]
    return Clusterings.of([hdbscan(distances, setting) for setting in fitting])


def fitting_a_class(found: Clusterings, items: Labelled) -> Clusterings:
    """The clusterings of the settings whose smallest cluster is no larger than a class; all, where
    none is so small.
    """
    sizes = np.array([one.size for one in GRID[: len(found.groups)]])
    kept = sizes <= max(items.class_size, sizes.min())
    return Clusterings(found.groups[kept])


def statistics(
    network: Network,
    result: TrainResult,
    rng: np.random.Generator,
    *,
    count: int = ITEMS,
    shuffles: int = SHUFFLES,
) -> Found:
    """Everything that is told of one toy, by sight and by name; without `shuffles`, what its
    control needs.
    """
    items = Labelled.of_net(network, result, count)
    told = dict[str, float]()
    seen = sights(items)
    for sight, distances in seen.items():
        found = grid(distances)
        each = {"pure": fitting_a_class(found, items).pure(items.labels)}
        if shuffles:
            each |= _scores(found, items, distances, shuffles, rng)
        if shuffles and network.input_dim == 2 and not network.has_norm:
            each["connected"], each["scattered"] = connected(network, items.inputs, found, rng)
        told |= {f"{sight}: {name}": value for name, value in each.items()}
    if shuffles:
        told[RANDOM] = grid(_random_codes(items, rng)).pure(items.labels)
    return {name: value if math.isfinite(value) else NO_CLUSTER for name, value in told.items()}


def _scores(
    found: Clusterings,
    items: Labelled,
    distances: FloatArray,
    shuffles: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """What stands beside the share of pure clusters."""
    medoids = [k_medoids(distances, count, rng) for count in COUNTS]
    judged = fitting_a_class(found, items)
    return {
        "whole grid": found.pure(items.labels),
        "covered": judged.covered,
        "permuted labels": judged.pure(rng.permutation(items.labels)),
        "agreement": agreement(hdbscan(distances, MIDDLE), items.labels),
        "shuffles": of_shuffles(distances, shuffles, rng),
        "linkage": Clusterings.of(average_linkage(distances)).pure(items.labels),
        "medoids": Clusterings.of(medoids).pure(items.labels),
    }


def _random_codes(items: Labelled, rng: np.random.Generator) -> FloatArray:
    """Hamming distances of codes whose bits are dealt out anew, each with its own frequency."""
    bits = items.network.codes(items.inputs).bits
    mixed = rng.permuted(bits, axis=0).astype(np.float64)
    return np.asarray(mixed @ (1 - mixed).T + (1 - mixed) @ mixed.T)


# ---- clusters as sets of cells


def connected(
    network: Network, inputs: FloatArray, found: Clusterings, rng: np.random.Generator
) -> tuple[float, float]:
    """The share of clusters of several cells whose cells are connected in the exact adjacency of
    all cells of a square, and that of clusters whose items were dealt out at random; NaN where no
    cluster has several cells.
    """
    cells = partition(network, PLANE)
    places = cells_of(network.codes(inputs), {one.code: one.index for one in cells.regions})
    graph = cells.graph(witnesses=False)
    shares = []
    for each in (found.groups, rng.permuted(found.groups, axis=1)):
        hits = [share_connected(graph, places, groups) for groups in each]
        known = [share for share in hits if share is not None]
        shares.append(float(np.mean(known)) if known else float("nan"))
    return shares[0], shares[1]


def cells_of(codes: Codes, numbers: Mapping[object, int]) -> IndexArray:
    """The number of the cell of each row, -1 outside of all."""
    return np.array([numbers.get(code, -1) for code in codes])


def share_connected(graph: nx.Graph[int], places: IndexArray, groups: IndexArray) -> float | None:
    """Of the groups that occupy two nodes or more, the share whose nodes are connected among
    themselves; None where there is none.
    """
    hits = []
    for group in range(int(groups.max(initial=-1)) + 1):
        nodes = set(places[(groups == group) & (places >= 0)].tolist())
        if len(nodes) > 1:
            hits.append(nx.is_connected(graph.subgraph(nodes)))
    return float(np.mean(hits)) if hits else None


# ---- many nets


def _of_family(subjects: Subjects, family: Family) -> list[Finding]:
    names = [f"{family.name}: {sight}" for sight in SIGHTS]
    trained, untrained = family.trained(subjects)
    if not trained.results:
        why = f"no net learned, of {trained.left_out}"
        return [OVER_NETS.undecided(name, why) for name in names]
    count = QUICK_ITEMS if subjects.quick else ITEMS
    shuffles = QUICK_SHUFFLES if subjects.quick else SHUFFLES
    seen = ("pure", *BESIDE, "connected", "scattered")
    named = (*(f"{sight}: {name}" for sight in SIGHTS for name in seen), RANDOM)
    before = several(untrained, named, partial(statistics, count=count, shuffles=0))
    after = several(trained, named, partial(statistics, count=count, shuffles=shuffles))
    return family_findings(family, after, before, subjects.seed)


def family_findings(
    family: Family, after: Mapping[str, Measured], before: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """What is found of every sight of the nets of a family, from the statistics of both arms."""
    rng, findings = np.random.default_rng(seed), []
    for sight in SIGHTS:
        subject = f"{family.name}: {sight}"
        told = {name: after[f"{sight}: {name}"] for name in BESIDE}
        told[RANDOM] = after[RANDOM]
        findings.append(
            _pure_finding(subject, after[f"{sight}: pure"], before[f"{sight}: pure"], told, rng)
        )
        if family is NESTED:
            pair = after[f"{sight}: connected"], after[f"{sight}: scattered"]
            findings.append(_connected_finding(subject, *pair, rng))
    return findings


def _mean(measured: Measured) -> float | None:
    return float(np.mean(list(measured.values.values()))) if measured.values else None


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.2g}"


def _pure_finding(
    subject: str,
    mine: Measured,
    control: Measured,
    told: Mapping[str, Measured],
    rng: np.random.Generator,
) -> Finding:
    share, more = share_of_nets(mine, rng), mine.minus(control, rng, APART)
    means = {name: _mean(one) for name, one in told.items()}
    before, left = control.over(rng), mine.nets.left_out
    value = (
        f"pure {brief(share)}, minus untrained {brief(more)}; covered "
        f"{_shown(means['covered'])}; linkage {_shown(means['linkage'])}, medoids "
        f"{_shown(means['medoids'])}; shuffles agree {_shown(means['shuffles'])}"
    )
    numbers: dict[str, JSON] = {f"{n.replace(' ', '_')}_float": x for n, x in means.items()}
    data = {
        **share.data("pure"),
        **before.data("untrained"),
        **more.data("trained_minus_untrained"),
        **numbers,
        **mine.data,
        "nets_left_out": left,
    }
    return OVER_NETS.finding(subject, share, more, value=value, data=data)


def _connected_finding(
    subject: str, mine: Measured, control: Measured, rng: np.random.Generator
) -> Finding:
    share, more = share_of_nets(mine, rng), mine.minus(control, rng, APART)
    value = f"connected {share}; minus items at random {brief(more)}"
    data = {**share.data("connected"), **more.data("minus_random"), **mine.data}
    return CONNECTED.finding(subject, share, more, value=value, data=data)


# ---- layers of a language model


def of_layer(layer: LanguageLayer, seed: int) -> list[Finding]:
    """Clusters of the tokens of a text, by this token and by the next one; judged by sequences."""
    subjects = {
        (sight, label): f"{layer.name}: {sight}, {label}"
        for sight in SIGHTS[:2]
        for label in LABELS
    }
    try:
        items = [Labelled.of_layer(layer, label) for label in LABELS]
        seen = sights(items[0])
        before: dict[str, FloatArray] = {}
        if layer.untrained is not None:
            before = sights(items[0].seen_by(layer.untrained))
    except Degenerate as why:
        return [OVER_SEQUENCES.undecided(subject, str(why)) for subject in subjects.values()]
    findings = []
    rng = np.random.default_rng(seed)
    for sight in SIGHTS[:2]:
        mine = grid(seen[sight])
        control = grid(before[sight]) if before else None
        for each, label in zip(items, LABELS, strict=True):
            told = _scores(mine, each, seen[sight], QUICK_SHUFFLES, rng)
            findings.append(layer_finding(subjects[sight, label], each, mine, control, told, rng))
    return findings


def layer_finding(
    subject: str,
    items: Labelled,
    mine: Clusterings,
    control: Clusterings | None,
    told: Mapping[str, float],
    rng: np.random.Generator,
) -> Finding:
    """Purity over sequences, clusters as they are; the control has the same items in the same
    order.
    """
    judged = fitting_a_class(mine, items)
    before = None if control is None else fitting_a_class(control, items)

    def pure(weights: FloatArray) -> float:
        return judged.pure(items.labels, weights)

    def difference(weights: FloatArray) -> float:
        assert before is not None
        return pure(weights) - before.pure(items.labels, weights)

    share = items.over_sequences(pure, rng, SHARE)
    more = Estimate.unknown("the layer before training is not known", unit=SEQUENCES)
    if before is not None:
        more = items.over_sequences(difference, rng, APART)
    value = (
        f"pure {brief(share)}, minus untrained {brief(more)}; covered {told['covered']:.2g}; "
        f"linkage {told['linkage']:.2g}, medoids {told['medoids']:.2g}; shuffles agree "
        f"{told['shuffles']:.2g}"
    )
    numbers: dict[str, JSON] = {
        f"{name.replace(' ', '_')}_float": x if np.isfinite(x) else None for name, x in told.items()
    }
    data = {
        **share.data("pure"),
        **more.data("trained_minus_untrained"),
        **numbers,
        "tokens": len(items.labels),
        "class_of_the_median_token": items.class_size,
        "settings_without_clusters": mine.empty,
    }
    return OVER_SEQUENCES.finding(subject, share, more, value=value, data=data)


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = [
        Row(one.subject, *(100 * number(one.data[f"pure{end}_float"]) for end in _ends(one)))
        for one in findings
        if one.data.get("pure_float") is not None
    ]
    caption = (
        f"The share of clusters of which more than {percent(PURE)} have one label, in per cent, "
        "mean over the settings of HDBSCAN; items of toys by class, tokens of a text by what they "
        "are and what comes next. Right of the line most clusters are monosemantic; whether "
        "training makes them so is told in the numbers."
    )
    title, subtitle = "Clusters of one class", "means with 95% intervals"
    mark = 100 * MAJORITY
    return (
        Figure(
            "pure-clusters",
            caption,
            lambda: forest(rows, title, subtitle, "pure clusters / %", mark=mark),
        ),
    )


def _ends(finding: Finding) -> tuple[str, ...]:
    return ("", "_low", "_high") if finding.data.get("pure_low_float") is not None else ("",)


QUESTION = Question(
    CLAIM,
    "Are clusters monosemantic?",
    ask,
    CLAIMS,
    groups=("language",),
    fits=fits,
    needs="an MLP layer of a language model with the tokens of a text (toys are trained for it)",
    text=texts.POLYTOPE_LENS,
    asked="Groups of nearby activations, or of nearby spline codes, are said to mean one thing "
    "each: clustered by any method, most groups of the tokens of a text share what they are about.",
    controls="The same nets untrained; of connected clusters, items dealt out at random.",
    beside="Labels dealt out at random, codes with random bits of the same frequencies, two "
    "other methods, and ten orders of the rows.",
    settled="Intervals over sequences leave out whole groups; the settings judged are those"
    " whose least cluster fits a class.",
)
