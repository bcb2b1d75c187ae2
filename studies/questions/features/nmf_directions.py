"""Claim 1.5: directions found by non-negative matrix factorisation are mostly monosemantic.

Of the activations behind the first hidden layer (of a GELU its output clipped at 0, which the
factorisation needs) half as many directions as there are neurons, at most 64. Each has a purity:
the share of one class among the items of largest cosine, 50 or as many as a class has. Beside them
stand principal, single-neuron and random directions, labels dealt out at random, nets before
training, and centred activations, since a common mean dominates cosines. What the rest of the
network sees along a direction is exact: how often it is crossed from the least to the largest
projection of those items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from exact import Network, partition_lines
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.clustering import MIDDLE, PURE, hdbscan, without_scikit_learn
from studies.questions.shared.intervals import finite, percent
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
from studies.questions.shared.nearest_items import (
    Nearest,
    activations,
    drawn,
    how_many,
    nmf,
    on_one_neuron,
    principal,
    single,
)
from studies.questions.shared.nets import Measured
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.several import Found, brief, several, share_of_nets
from studies.rules import APART, SHARE, Claim, above, larger_than, smaller_than
from studies.statistics import NETS, SEQUENCES, Degenerate
from studies.subjects import LanguageLayer, Subject, Subjects, Toy
from toy_models import TrainResult

CLAIM = "1.5"
MAJORITY, COMPONENTS = 0.5, 64
FAMILIES = (EIGHT, FORTY)
SORTS = ("NMF", "principal", "neurons", "random")


def _monosemantic(unit: str) -> Claim:
    """Most NMF directions are pure, and more than random ones, over these units."""
    of = f"the share of NMF directions of purity above {PURE:g}"
    return Claim(
        CLAIM,
        "Directions that non-negative matrix factorisation finds among activations are mostly "
        "monosemantic: what lies along one is mostly of one class.",
        Kind.ESTIMATE,
        above(MAJORITY, of, range=SHARE, unit=unit)
        & larger_than("random directions", "that share", range=APART, unit=unit),
    )


OVER_NETS, OVER_SEQUENCES, OVER_ROWS = map(_monosemantic, (NETS, SEQUENCES, ROWS))
CROSSED = Claim(
    CLAIM,
    "A monosemantic direction stays within few polytopes: the rest of the network is crossed less "
    "often along it than along others.",
    Kind.ESTIMATE,
    smaller_than(
        "the other NMF directions of the same net",
        "the mean number of exact crossings along pure NMF directions, between the least and the "
        "largest projection of their items,",
    ),
)
CLAIMS = (OVER_NETS, CROSSED, OVER_SEQUENCES, OVER_ROWS)


def ask(subjects: Subjects) -> Answer:
    """Purity and exact crossings of NMF directions and of their controls."""
    missing = without_scikit_learn(CLAIMS[:2], subjects, [one.name for one in FAMILIES])
    if missing is not None:
        return missing
    findings: list[Finding] = []
    if not subjects.own:
        for family in FAMILIES:
            findings += _of_family(subjects, family)
    for toy in filter(fits, subjects.all_toys) if subjects.own else ():
        findings.append(OVER_ROWS.guarded(toy.name, partial(of_toy, toy, subjects.seed)))
    for layer in subjects.language:
        findings += of_layer(layer, subjects.seed)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether there are labels: the tokens of a text, or classes of data."""
    return has_labels(subject)


# ---- one network


def sorts(vectors: FloatArray, seed: int, rng: np.random.Generator) -> dict[str, FloatArray]:
    """NMF directions, and as many of each control; all neurons that fire."""
    count = min(COMPONENTS, max(2, vectors.shape[1] // 2))
    return {
        "NMF": nmf(vectors, count, seed),
        "principal": principal(vectors, count),
        "neurons": single(vectors),
        "random": drawn(vectors.shape[1], count, rng),
    }


def statistics(
    network: Network, result: TrainResult, rng: np.random.Generator, *, count: int = ITEMS
) -> Found:
    """Shares of pure directions of every sort, and the crossings along NMF directions."""
    items = Labelled.of_net(network, result, count)
    vectors, most = activations(network, items), how_many(items)
    found = sorts(vectors, result.config.seed, rng)
    near = {name: Nearest.by_angle(vectors, one, most) for name, one in found.items()}
    told: dict[str, float | str] = {name: one.pure(items.labels) for name, one in near.items()}
    centred = Nearest.by_angle(vectors - vectors.mean(axis=0), found["NMF"], most)
    clusters = hdbscan(between_codes(network.codes(items.inputs, (1, 1))), MIDDLE)
    told |= {
        "centred": centred.pure(items.labels),
        "permuted labels": near["NMF"].pure(rng.permutation(items.labels)),
        "one neuron": on_one_neuron(found["NMF"]),
        "in one code cluster": near["NMF"].pure(clusters + 1),
    }
    if len(network.hidden_layers) == 1:
        return told
    counts = crossings(network.from_layer(2), vectors, found["NMF"], near["NMF"])
    return {**told, **_contrasts(counts, near["NMF"].purity(items.labels) > PURE)}


def crossings(
    rest: Network, vectors: FloatArray, directions: FloatArray, near: Nearest
) -> FloatArray:
    """The exact number of times that the rest of the network is crossed along each direction, from
    the least to the largest projection of its items.
    """
    along = vectors @ directions.T
    spans = np.take_along_axis(along, near.rows.T, axis=0)
    ends = [end[:, None] * directions for end in (spans.min(axis=0), spans.max(axis=0))]
    counts = np.zeros(len(directions))
    long = (ends[0] != ends[1]).any(axis=1)
    if long.any():
        batch = partition_lines(rest, ends[0][long], ends[1][long], kind="segment")
        counts[long] = batch.cell_counts - 1
    return counts


def _contrasts(counts: FloatArray, pure: np.ndarray) -> Found:
    if not pure.any() or pure.all():
        why = f"{int(pure.sum())} of {len(pure)} directions are pure"
        return {"crossings": float(counts.mean()), "pure minus others": why}
    return {
        "crossings": float(counts.mean()),
        "pure minus others": float(counts[pure].mean() - counts[~pure].mean()),
    }


# ---- many nets

BESIDE = ("centred", "permuted labels", "one neuron", "in one code cluster", "crossings")
NAMES = (*SORTS, *BESIDE, "pure minus others")


def _of_family(subjects: Subjects, family: Family) -> list[Finding]:
    trained, untrained = family.trained(subjects)
    if not trained.results:
        why = f"no net learned, of {trained.left_out}"
        return [claim.undecided(family.name, why) for claim in (OVER_NETS, CROSSED)]
    measure = partial(statistics, count=QUICK_ITEMS if subjects.quick else ITEMS)
    after, before = (several(nets, NAMES, measure) for nets in (trained, untrained))
    return family_findings(family.name, after, before, subjects.seed)


def family_findings(
    subject: str, after: Mapping[str, Measured], before: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """Purity of NMF directions against random ones, and their crossings."""
    rng = np.random.default_rng(seed)
    share = share_of_nets(after["NMF"], rng)
    more = after["NMF"].minus(after["random"], rng, APART)
    untrained, crossed = before["NMF"].over(rng), after["pure minus others"].over(rng)
    means = {name: one.over(rng).value for name, one in after.items()}
    value = (
        f"pure {brief(share)}, minus random {brief(more)}; untrained {_shown(untrained.value)}, "
        f"PCA {_shown(means['principal'])}, neurons {_shown(means['neurons'])}, centred "
        f"{_shown(means['centred'])}"
    )
    numbers: dict[str, JSON] = {f"{n.replace(' ', '_')}_float": x for n, x in means.items()}
    data = {
        **numbers,
        **share.data("NMF"),
        **more.data("NMF_minus_random"),
        **untrained.data("untrained"),
        **after["NMF"].data,
    }
    contrast = after["pure minus others"]
    return [
        OVER_NETS.finding(subject, share, more, value=value, data=data),
        CROSSED.finding(
            subject,
            crossed,
            value=f"pure minus others {crossed}; {_shown(means['crossings'])} crossings on average",
            data={**crossed.data("pure_minus_others"), **contrast.data},
        ),
    ]


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.2g}"


# ---- one network of a user's, and layers of a language model


def of_toy(toy: Toy, seed: int) -> Finding:
    """NMF directions of the first hidden layer by the classes of the data, over its rows."""
    items = Labelled.of_toy(toy)
    vectors = activations(toy.network, items)
    directions = sorts(vectors, seed, np.random.default_rng(seed))
    return layer_finding(toy.name, items, vectors, directions, seed)


def of_layer(layer: LanguageLayer, seed: int) -> list[Finding]:
    """NMF directions of the tokens of a text, by this token and by the next one."""
    names = {label: f"{layer.name}: {label}" for label in LABELS}
    try:
        items = {label: Labelled.of_layer(layer, label) for label in LABELS}
        vectors = activations(layer.network, next(iter(items.values())))
        found = sorts(vectors, seed, np.random.default_rng(seed))
    except Degenerate as why:
        return [OVER_SEQUENCES.undecided(name, str(why)) for name in names.values()]
    return [layer_finding(names[label], items[label], vectors, found, seed) for label in LABELS]


def layer_finding(
    subject: str,
    items: Labelled,
    vectors: FloatArray,
    directions: Mapping[str, FloatArray],
    seed: int,
) -> Finding:
    """Purity of directions over sequences or rows, directions and their items as they are."""
    rng, most = np.random.default_rng(seed), how_many(items)
    near = {name: Nearest.by_angle(vectors, one, most) for name, one in directions.items()}

    def pure(weights: FloatArray) -> float:
        return near["NMF"].pure(items.labels, weights)

    def difference(weights: FloatArray) -> float:
        return pure(weights) - near["random"].pure(items.labels, weights)

    share = items.over_sequences(pure, rng, SHARE)
    more = items.over_sequences(difference, rng, APART)
    shares = {name: one.pure(items.labels) for name, one in near.items()}
    permuted = near["NMF"].pure(rng.permutation(items.labels))
    known = {name: finite(x) for name, x in shares.items()}
    value = (
        f"pure {brief(share)}, minus random {brief(more)}; PCA {_shown(known['principal'])}, "
        f"neurons {_shown(known['neurons'])}; {most} items a direction"
    )
    numbers: dict[str, JSON] = {f"{name}_float": x for name, x in known.items()}
    data = {
        **numbers,
        **share.data("NMF"),
        **more.data("NMF_minus_random"),
        "permuted_labels_float": finite(permuted),
        "one_neuron_float": finite(on_one_neuron(directions["NMF"])),
        "items": len(items.labels),
    }
    claim = OVER_ROWS if items.unit == ROWS else OVER_SEQUENCES
    return claim.finding(subject, share, more, value=value, data=data)


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = []
    for one in findings:
        if one.data.get("NMF_float") is None:
            continue
        ends = [one.data[f"NMF{end}_float"] for end in ("", "_low", "_high")]
        rows.append(Row(f"{one.subject}, NMF", *(100 * number(x) for x in ends if x is not None)))
        for sort in SORTS[1:]:
            if one.data.get(f"{sort}_float") is not None:
                rows.append(Row(sort, 100 * number(one.data[f"{sort}_float"])))
    caption = (
        f"The share of directions along which more than {percent(PURE)} of the nearest items have "
        "one label, in per cent. Dots: NMF directions, with 95% intervals; squares below each: "
        "principal directions, single neurons and random directions of the same activations."
    )
    title, subtitle = "Directions of one class", "NMF with 95% intervals, and controls"
    mark = 100 * MAJORITY
    return (
        Figure(
            "pure-directions",
            caption,
            lambda: forest(rows, title, subtitle, "pure directions / %", mark=mark),
        ),
    )


QUESTION = Question(
    CLAIM,
    "Are NMF directions monosemantic?",
    ask,
    CLAIMS,
    groups=("language",),
    fits=fits,
    needs="data with classes in front of a hidden layer, or an MLP layer of a language model with "
    "the tokens of a text",
    text=texts.POLYTOPE_LENS,
    asked="Directions that a non-negative factorisation of activations finds are said to be "
    "monosemantic for the most part: the activations along one share a meaning.",
    controls="Random directions; of crossings, the other NMF directions.",
    beside="Principal and single-neuron directions, centred activations, labels dealt out at "
    "random, and the same nets untrained.",
    settled="Intervals over sequences leave out whole groups of them.",
)
