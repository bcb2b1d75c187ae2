"""Claim 1.23: where the class changes while an activation is scaled, the next class is a related
one.

Classes of hierarchical blobs have parents. On the ray t x through an activation (t = 1) the first
change above and the first below t = 1 are exact ties of outputs. The share of them that stay within
the parent is held against chance, (siblings) / (other classes), which is what parents shuffled over
the classes give on average; and against the classifier by the nearest class mean of the same
activations, which knows the arrangement of the classes and has no boundary of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.shared.class_changes import from_origin
from studies.questions.shared.nets import Measured, ensemble
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.several import Found, brief, data_of, named, several
from studies.questions.shared.starts import (
    GROUPS,
    HIERARCHY,
    Start,
    deep_steps,
    deep_toy,
    in_groups,
    is_deep_classifier,
    starts,
)
from studies.rules import Claim, above, larger_than
from studies.statistics import Degenerate, over_clusters
from studies.subjects import Subject, Subjects, Toy
from studies.texts import POLYTOPE_LENS
from toy_models import TrainResult
from toy_models.populations import Arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.23"
RAYS, GROUP = 60, 1
TWICE = (-2.0, 2.0)  # the range of a difference of shares less chance
WAYS = ("up", "down")
OF = "the share of first class changes that stay within the parent class, less chance,"
RELATED = {
    way: Claim(
        CLAIM,
        f"Where an activation that is scaled {way} changes its class, the next one is related.",
        Kind.ESTIMATE,
        above(0.0, OF),
        measures="within the parent",
    )
    for way in WAYS
}
BEYOND = {
    way: Claim(
        CLAIM,
        f"The next class of an activation that is scaled {way} is more related than the "
        "arrangement of the classes alone makes it.",
        Kind.ESTIMATE,
        larger_than("the nearest class mean on the same activations", OF, range=TWICE),
        measures="more than class means give",
    )
    for way in WAYS
}
HERE = Claim(
    CLAIM,
    "In this network the next class of a scaled activation is a related one.",
    Kind.ESTIMATE,
    above(0.0, OF, unit=GROUPS, least=5),
    measures="within the parent, above chance,",
)
NAMES = tuple(f"{way}{sort}" for way in WAYS for sort in ("", " means", " changed"))
NO_CHANGE = "no class changes on the rays"


def ask(subjects: Subjects) -> Answer:
    """The class that follows while activations are scaled."""
    if subjects.own:
        findings: list[Finding] = [
            HERE.guarded(toy.name, partial(of_toy, toy, subjects.seed))
            for toy in subjects.all_toys
            if fits(toy)
        ]
        return Answer(tuple(findings))
    arms: tuple[Arm, ...] = ("trained", "untrained")
    steps = deep_steps(HIERARCHY)
    nets = ensemble(subjects, deep_toy(HIERARCHY), arms, group=GROUP, steps=steps)
    trained, untrained = (several(one, NAMES, of_net) for one in nets)
    findings = [
        finding for way in WAYS for finding in of_nets(way, trained, untrained, subjects.seed)
    ]
    return Answer(tuple(findings), _figures(trained, untrained))


def fits(subject: Subject) -> bool:
    """Whether classes have parents, and there is no norm and no skip in front."""
    if not isinstance(subject, Toy) or not is_deep_classifier(subject):
        return False
    return subject.rows.parents is not None


# ---- changes


@dataclass(frozen=True)
class Changes:
    """First class changes of rays: from which class to which."""

    before: IndexArray
    after: IndexArray

    def related(self, parents: IndexArray) -> int:
        """How many stay within the parent."""
        return int((parents[self.before] == parents[self.after]).sum())

    def __len__(self) -> int:
        return len(self.before)


def by_network(one: Start, rows: FloatArray) -> dict[str, Changes]:
    """The first exact changes above and below t = 1."""
    rows = rows[np.any(rows != 0, axis=1)]
    if not len(rows):
        return {way: Changes(np.zeros(0, int), np.zeros(0, int)) for way in WAYS}
    found = from_origin(one.network, rows)
    above, below = np.flatnonzero(found.changes > 1), np.flatnonzero(found.changes < 1)
    first = above[np.unique(found.changed[above], return_index=True)[1]]
    last = below[::-1][np.unique(found.changed[below][::-1], return_index=True)[1]]
    return {
        "up": Changes(found.before[first], found.after[first]),
        "down": Changes(found.after[last], found.before[last]),
    }


def by_means(rows: FloatArray, means: FloatArray) -> dict[str, Changes]:
    """The same of the classifier by the nearest of some means: t x is nearest to c where t x . c -
    |c|^2 / 2 is largest.
    """
    half = (means**2).sum(axis=1) / 2
    scores = rows @ means.T
    own = np.argmax(scores - half, axis=1)
    mine = np.arange(len(rows))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (half - half[own, None]) / (scores - scores[mine, own, None])
    found = {}
    for way, fits_way in (("up", t > 1), ("down", (t > 0) & (t < 1))):
        distance = np.where(fits_way, np.abs(np.log(np.where(fits_way, t, 1.0))), np.inf)
        after = np.argmin(distance, axis=1)
        changed = np.isfinite(distance[mine, after])
        found[way] = Changes(own[changed], after[changed])
    return found


def chance(parents: IndexArray) -> float:
    """The share of ordered pairs of classes that have one parent."""
    same = parents[:, None] == parents[None]
    count = len(parents)
    return float((same.sum() - count) / (count * (count - 1)))


def joined(places: Sequence[Changes]) -> Changes:
    """The changes of several starts."""
    return Changes(
        *(np.concatenate([getattr(x, end) for x in places]) for end in ("before", "after"))
    )


def excess(changes: Changes, parents: IndexArray) -> float | str:
    """The related share less chance, or why there is none."""
    if not len(changes):
        return NO_CHANGE
    return changes.related(parents) / len(changes) - chance(parents)


# ---- nets of many seeds


def of_net(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """Both ways, over all starts of one net."""
    data = result.dataset
    if data.parents is None:
        raise Degenerate("classes have no parents", value=data.name, remedy="give their parents")
    parents, labels = np.asarray(data.parents), data.targets.numpy()
    inputs = data.inputs.double().numpy()
    chosen = rng.permutation(len(inputs))[:RAYS]
    places = starts(network, inputs)
    own = [by_network(one, one.vectors[chosen]) for one in places]
    by = [by_means(one.vectors[chosen], class_means(one.vectors, labels)) for one in places]
    found: dict[str, float | str] = {}
    for way in WAYS:
        mine = joined([one[way] for one in own])
        found[way] = excess(mine, parents)
        found[f"{way} means"] = excess(joined([one[way] for one in by]), parents)
        found[f"{way} changed"] = len(mine) / (RAYS * len(places))
    return found


def class_means(vectors: FloatArray, labels: IndexArray) -> FloatArray:
    """The mean vector of every class."""
    return np.stack([vectors[labels == label].mean(axis=0) for label in np.unique(labels)])


def of_nets(
    way: str, trained: Mapping[str, Measured], untrained: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """Both claims about one way, over nets."""
    rng = np.random.default_rng(seed)
    mine, means, before = (
        arm.over(rng) for arm in (trained[way], trained[f"{way} means"], untrained[way])
    )
    more = trained[way].minus(trained[f"{way} means"], rng, TWICE)
    changed = trained[f"{way} changed"].over(rng)
    subject = named(f"{HIERARCHY}, scaled {way}", trained[way])
    data: dict[str, JSON] = {
        **data_of({"excess": mine, "by_means": means, "untrained": before, "changed": changed}),
        **more.data("minus_means"),
        **trained[way].data,
    }
    return [
        RELATED[way].finding(
            subject,
            mine,
            value=f"{brief(mine)} above chance; {brief(changed)} of rays change; untrained "
            f"{brief(before)}",
            data=data,
        ),
        BEYOND[way].finding(
            subject, more, value=f"{brief(more)}; class means {brief(means)}", data=data
        ),
    ]


# ---- one network


def of_toy(toy: Toy, seed: int) -> Finding:
    """A network of one's own: both ways and all starts, by groups of its data."""
    toy.must_have_learned()
    parents = np.asarray(toy.rows.parents)
    groups, places = in_groups(len(toy.inputs), seed), starts(toy.network, toy.inputs)
    found = []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)[:RAYS]
        changes = [by_network(one, one.vectors[rows]) for one in places]
        value = excess(joined([one[way] for one in changes for way in WAYS]), parents)
        if not isinstance(value, str):
            found.append(value)
    if len(found) < 2:
        raise Degenerate(NO_CHANGE, value=toy.name, remedy="train the network")
    mean = over_clusters(found, np.random.default_rng(seed), unit=GROUPS)
    return HERE.finding(toy.name, mean, value=f"{mean}", data=mean.data("excess"))


# ---- figure


def _figures(
    trained: Mapping[str, Measured], untrained: Mapping[str, Measured]
) -> tuple[Figure, ...]:
    rows = [
        row
        for way in WAYS
        for label, measured in (
            (f"scaled {way}, trained", trained[way]),
            (f"scaled {way}, untrained", untrained[way]),
            (f"scaled {way}, nearest class mean", trained[f"{way} means"]),
        )
        for row in _row(label, measured)
    ]
    if not rows:
        return ()
    caption = (
        "The share of first class changes of scaled activations that stay within the parent class, "
        "less chance (the line): of nets on hierarchical blobs, trained and not, and of the "
        "classifier by the nearest class mean of the same activations. Means over nets with 95% "
        "intervals."
    )
    return (Figure("related-classes", caption, partial(_draw, rows)),)


def _row(label: str, measured: Measured) -> list[Row]:
    found = measured.over(np.random.default_rng(0))
    if found.value is None:
        return []
    return [Row(label, found.value, *(found.interval or (found.value, found.value)))]


def _draw(rows: Sequence[Row]) -> Canvas:
    title, subtitle = "Is the next class a related one?", "means with 95% intervals"
    return forest(rows, title, subtitle, "share within the parent, less chance", mark=0.0)


QUESTION = Question(
    CLAIM,
    "Is the next class of a scaled activation a related one?",
    ask,
    (*RELATED.values(), *BEYOND.values(), HERE),
    groups=(),
    fits=fits,
    needs="data whose classes have parents, in front of layers without a norm and without a skip",
    text=POLYTOPE_LENS,
    asked="Whether an activation that is scaled until its class changes is taken for a class that "
    "is related to its own.",
    controls="Chance, which is parents shuffled over the classes; the nearest class mean of the "
    "same activations.",
    beside="The same nets untrained.",
)
