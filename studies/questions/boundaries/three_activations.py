"""Claim 1.10b: in an InceptionV1, in the plane through three activations in front of inception5a,
boundaries are densest between the three; and the heat map of the whole triangle.

The text looks at such a plane of the trained network through all neurons behind. Here a narrow one
learns scikit-learn's digits, and no window of the plane is chosen: parallel lines in six directions
cross the triangle of the three and the one twice as large about its centre, each cut exactly by all
ReLUs and max pools behind (`exact.instruments.batches.scan_lines`). Crossings times distances stand
for the length of boundaries (Cauchy-Crofton); in / (in + ring) is 1/2 where these are spread
evenly. Outside the triangle coordinates go below zero, which no ReLU in front of the cut gives.
Triples share no image, so that each is drawn by itself; all are of one network.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.instruments.batches.scan_lines import scan_lines
from exact.sources import torch_modules
from studies.finding import Answer, Figure, Finding, Kind
from studies.methods.approximations.heat_map import triangle_heat
from studies.question import Question
from studies.questions.boundaries.slices import in_line
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.several import brief, data_of
from studies.rules import APART, SHARE, Claim, above, larger_than
from studies.statistics import Degenerate, Estimate, over_clusters, paired
from studies.statistics.ranks import spearman
from studies.subjects import Subject, Subjects
from studies.texts import POLYTOPE_LENS
from toy_models.inception import (
    DIGITS,
    InceptionResult,
    InceptionTraining,
    random_inception,
    train_inception,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.10b"
UNIT, TRIPLES = "triples", 30
SHAPE = DIGITS
EPOCHS, EPOCHS_QUICK = 12, 6
LEARNED_FROM = 0.9  # accuracy on held-out digits
LINES, DIRECTIONS = 3, 6
LARGER = float(np.sqrt(2.0))  # of the triangle that is the ring's outer end
MAP_LINES, PIXELS, GRID, BLUR = 24, 24, 192, 4.0  # of the heat maps; blur in points of the grid
OF = "length of boundaries between three activations over that and a ring of equal area around them"
DENSEST = Claim(
    CLAIM,
    "In an InceptionV1 boundaries are denser between three activations of three classes than "
    "around them, and more so than between three of one class.",
    Kind.ESTIMATE,
    above(0.5, OF, range=SHARE, unit=UNIT)
    & larger_than("three of one class", OF, range=APART, unit=UNIT),
)
LEARNED = Claim(
    CLAIM,
    "Training an InceptionV1 makes boundaries denser between three activations than around them.",
    Kind.ESTIMATE,
    larger_than("the same images in the untrained network", OF, range=APART, unit=UNIT),
)
SORTS = ("three classes", "one class", "three classes, untrained")


def ask(subjects: Subjects) -> Answer:
    """Exact scan lines through and around triangles of three activations."""
    epochs = EPOCHS_QUICK if subjects.quick else EPOCHS
    result = trained(epochs, subjects.seed)
    name = f"digits, InceptionV1 of width {SHAPE.width:.3g}"
    count = subjects.nets(TRIPLES)

    def measured() -> dict[str, dict[int, float]]:
        return shares(result, count, subjects.seed)

    def densest() -> Finding:
        _must_have_learned(result)
        found = measured()
        rng = np.random.default_rng(subjects.seed)
        inside = over_clusters([*found[SORTS[0]].values()], rng, unit=UNIT, range=SHARE)
        more = _minus(found, SORTS[1], subjects.seed)
        return DENSEST.finding(
            name,
            inside,
            more,
            value=f"share inside {brief(inside)}, minus one class {brief(more)}",
            data={**data_of({"inside": inside, "minus_one_class": more}), **_told(result)},
        )

    def learned() -> Finding:
        _must_have_learned(result)
        found = _minus(measured(), SORTS[2], subjects.seed)
        return LEARNED.finding(
            name,
            found,
            value=f"share inside, minus untrained {brief(found)}",
            data={**found.data("minus_untrained"), **_told(result)},
        )

    findings = (DENSEST.guarded(name, densest), LEARNED.guarded(name, learned))
    return Answer(findings, _figures(result, count, subjects.seed))


def fits(subject: Subject) -> bool:
    """It asks one network that it trains itself."""
    return False


@lru_cache(maxsize=2)
def trained(epochs: int, seed: int) -> InceptionResult:
    """The network, remembered for the figures."""
    return train_inception(SHAPE, InceptionTraining(epochs=epochs, seed=seed), progress=False)


def _must_have_learned(result: InceptionResult) -> None:
    if result.accuracy < LEARNED_FROM:
        raise Degenerate(
            "the network did not learn its digits",
            value=f"accuracy {result.accuracy:.2f}",
            remedy="train it longer",
        )


def _told(result: InceptionResult) -> dict[str, float]:
    return {"held_out_accuracy_float": result.accuracy}


# ---- triples


def apart(labels: IndexArray, count: int, rng: np.random.Generator, *, one: bool) -> IndexArray:
    """Items of three classes, or of one (count x 3), none of them twice. Degenerate where there are
    not as many.
    """
    left = [np.flatnonzero(labels == kind) for kind in np.unique(labels)]
    left = [rng.permutation(own) for own in left]
    found = list[list[int]]()
    for _ in range(count):
        sizes = np.array([len(own) for own in left])
        able = np.flatnonzero(sizes >= (3 if one else 1))
        if len(able) < (1 if one else 3):
            raise Degenerate(
                "too few items for triples without one twice",
                value=f"{len(found)} of {count}",
                remedy="ask for fewer, or give more data",
            )
        if one:
            kinds = [int(rng.choice(able))] * 3
        else:  # of the largest first, so that classes last
            order = able[np.argsort(-(sizes[able] + rng.random(len(able))))]
            kinds = order[:3].tolist()
        own = list[int]()
        for kind in kinds:
            own.append(int(left[kind][0]))
            left[kind] = left[kind][1:]
        found.append(own)
    return np.array(found, dtype=np.int64).reshape(-1, 3)


@lru_cache(maxsize=2)
def shares(result: InceptionResult, count: int, seed: int) -> dict[str, dict[int, float]]:
    """The share of boundaries inside, by triple, for each sort of triples."""
    rng = np.random.default_rng(seed)
    labels = np.asarray(result.held_out.targets)
    three, one = (apart(labels, count, rng, one=own) for own in (False, True))
    network, before = behind(result), behind(before_training(result))
    return {
        SORTS[0]: _each(network, [result.activations(own) for own in three]),
        SORTS[1]: _each(network, [result.activations(own) for own in one]),
        SORTS[2]: _each(before, [before_training(result).activations(own) for own in three]),
    }


def before_training(result: InceptionResult) -> InceptionResult:
    """The network with the weights that training began with."""
    model = random_inception(result.model.config, result.training.seed)
    return InceptionResult(result.training, model, (), float("nan"), result.held_out)


def behind(result: InceptionResult) -> Network:
    """The exact network from the input of inception5a to the logits."""
    return torch_modules.read(result.model.behind, input_shape=result.model.config.cut_shape)


def _each(network: Network, triples: list[FloatArray]) -> dict[int, float]:
    found = ((number, share(network, corners)) for number, corners in enumerate(triples))
    return {number: own for number, own in found if own is not None}


def share(network: Network, corners: FloatArray) -> float | None:
    """The length of boundaries in the triangle over that in it and in its ring; None where there
    are none, or the three are in line.
    """
    if in_line(corners):
        return None
    lines = scan_lines(network, corners, lines=LINES, directions=DIRECTIONS, scale=LARGER)
    return lines.length_within(1.0) / lines.length if lines.length else None


def _minus(found: Mapping[str, Mapping[int, float]], control: str, seed: int) -> Estimate:
    mine, theirs = found[SORTS[0]], found[control]
    shared = sorted(mine.keys() & theirs.keys())
    pair = ({key: values[key] for key in shared} for values in (mine, theirs))
    return paired(*pair, np.random.default_rng(seed), unit=UNIT, range=APART)


# ---- figures


def _figures(result: InceptionResult, count: int, seed: int) -> tuple[Figure, ...]:
    caption = (
        "The length of boundaries between three activations in front of inception5a over that and "
        "the length in a ring of equal area around them, by exact scan lines: mean over triples. "
        "Boundaries that are spread evenly would give one half."
    )
    heat = (
        "The triangle of three activations in front of inception5a: length of boundaries per area "
        f"by exact crossings on {MAP_LINES} lines in each of {DIRECTIONS} directions, and by the "
        f"Hamming distances of neighbouring points of a grid of {GRID} a side, behind a Gaussian "
        f"blur of {BLUR:g} points."
    )
    return (
        Figure("three-activations", caption, partial(_draw, result, count, seed)),
        Figure("heat-of-a-triangle", heat, partial(_draw_heat, result, seed)),
    )


def _draw(result: InceptionResult, count: int, seed: int) -> Canvas:
    found, rows = shares(result, count, seed), list[Row]()
    for sort in SORTS:
        values = [*found[sort].values()]
        if values:
            mean = over_clusters(values, np.random.default_rng(seed), unit=UNIT, range=SHARE)
            rows.append(Row(sort, mean.value or 0.0, *(mean.interval or (None, None))))
    subtitle = f"InceptionV1 on digits, {count} triples"
    axis = "share of the length of boundaries inside"
    return forest(rows, "Boundaries between three activations", subtitle, axis, mark=0.5)


def _draw_heat(result: InceptionResult, seed: int) -> Canvas:
    from viz.figures.triangle_heat import triangle_heat_figure

    labels = np.asarray(result.held_out.targets)
    chosen = apart(labels, 1, np.random.default_rng(seed), one=False)[0]
    network, corners = behind(result), result.activations(chosen)
    if in_line(corners):
        raise Degenerate("three activations in line", value=str(chosen), remedy="take other images")
    lines = scan_lines(network, corners, lines=MAP_LINES, directions=DIRECTIONS)
    exact = lines.density(PIXELS, changes=True)
    seen = triangle_heat(network, lines.triangle, GRID, BLUR, PIXELS)
    both = np.isfinite(exact) & np.isfinite(seen)
    if both.sum() < 2 or not np.ptp(exact[both]) or not np.ptp(seen[both]):
        raise Degenerate("a map has one value", value=int(both.sum()), remedy="take other images")
    rank = spearman(exact[both], seen[both])
    return triangle_heat_figure(
        lines.triangle,
        {"exact scan lines": exact, "grid, blurred": seen},
        names=[str(int(label)) for label in labels[chosen]],
        title="Boundaries between three activations",
        subtitle=f"{int(lines.counts.sum()):,} exact crossings; rank correlation {rank:.2f}",
    )


QUESTION = Question(
    CLAIM,
    "Are boundaries of an InceptionV1 densest between three activations?",
    ask,
    (DENSEST, LEARNED),
    groups=(),
    fits=fits,
    needs="nothing that one can give: it trains its own InceptionV1",
    text=POLYTOPE_LENS,
    asked="That in a plane through three activations in front of inception5a of an InceptionV1 "
    "boundaries lie densest between the three, as a heat map shows.",
    controls="Triples of one class; the same images in the untrained network, which have a claim "
    "of their own; boundaries that are spread evenly.",
    beside="A heat map of one triangle by exact scan lines and by a blurred grid.",
)
