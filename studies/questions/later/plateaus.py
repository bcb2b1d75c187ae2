"""Claim 5.1: activations have stable regions, in which the output hardly moves and between which it
jumps, and these are far larger than polytopes.

From one vector p to another q on a straight way, 0 <= t <= 1: r(t) = |f(t) - f(0)| / |f(1) - f(0)|.
The stable region of p ends where r first exceeds a tenth. How many boundaries lie before that is
exact, as are all places where a neuron changes on the way. Of one affine map r would be t: a tenth
of the way, and slope 1. So the steepest twentieth of the way is asked for its slope, and for its
share of the boundaries. Values of f are float, at 200 places and at every boundary. Beside the
exact cells stands what 50 samples see of them. The network is a toy, from input to output, or one
MLP layer with ReLUs; the paper interpolates through the rest of a language model, attention
included, which stays open here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network, partition_lines
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.pairs import balanced
from studies.question import Question
from studies.questions.shared.cell_families import Family
from studies.questions.shared.nets import Measured, Nets
from studies.questions.shared.pictures import Curve, Row, forest
from studies.questions.shared.plain_curves import curves
from studies.questions.shared.rays import directed
from studies.rules import Claim, Rule, above, larger_than
from studies.statistics import MINIMUM, NETS, Degenerate, over_clusters
from studies.subjects import LanguageLayer, Subject, Subjects
from toy_models import TrainResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "5.1"
STABLE, FAR, STEEP, WINDOW, SAMPLES = 0.1, 10.0, 2.0, 20, 50
LARGER_SAID = "Stable regions are far larger than polytopes: many boundaries lie within one."
STEEP_SAID = "Between stable regions the output jumps: it changes far faster than on average."
BOUNDARIES_SAID = "Where the output jumps boundaries are denser than on the rest of the way."
WITHIN = f"the boundaries that are crossed before the output has moved by {STABLE:.0%}"
SLOPE = "the slope of the relative distance in the steepest twentieth of the way"
DENSITY = "the density of boundaries in that twentieth over that of the whole way"


def _claims(unit: str, least: int) -> tuple[Claim, Claim, Claim]:
    """What is judged of nets, or of pairs of vectors of one network."""

    def judged(said: str, margin: float, of: str, measures: str) -> Claim:
        rule: Rule = above(margin, of, unit=unit, least=least)
        return Claim(CLAIM, said, Kind.ESTIMATE, rule, measures)

    return (
        judged(LARGER_SAID, FAR, WITHIN, "boundaries"),
        judged(STEEP_SAID, STEEP, SLOPE, "slope"),
        judged(BOUNDARIES_SAID, 1.0, DENSITY, "density over the mean"),
    )


LARGER, JUMPS, DENSER = OVER_NETS = _claims(NETS, MINIMUM)
OVER_PAIRS = _claims("pairs", 10)
LEARNED = Claim(
    CLAIM,
    "Training makes the jumps: the output of trained nets changes faster at its steepest.",
    Kind.ESTIMATE,
    larger_than("the untrained net of the same seed", SLOPE),
    measures="slope beyond untrained",
)
FAMILIES = (
    Family("circles", (16, 16)),
    Family("circles", (16, 16, 16, 16)),
    Family("direction3", (16, 16)),
    Family("direction3", (16, 16), "layernorm"),
    Family("direction3", (16, 16), "rms"),
)
PLACES, PAIRS, PAIRS_OF_ONE, PAIRS_OF_A_LAYER = 200, 15, 40, 100


def ask(subjects: Subjects) -> Answer:
    """Ways between data of two classes, and between residual vectors."""
    findings: list[Finding] = []
    pictured: list[Figure] = []
    for subject in filter(fits, subjects.each):
        name = subject.relu_ised[0] if isinstance(subject, LanguageLayer) else subject.name
        findings += one_net(name, partial(_ways, subject, subjects.seed), subjects.seed)
        pictured = [_figure(name, partial(_ways, subject, subjects.seed))]
    if not subjects.own:
        for family in FAMILIES:
            trained, untrained = (measure(nets) for nets in family.nets(subjects))
            findings += family_findings(family.told, trained, untrained, subjects.seed)
    return Answer(tuple(findings), (*_figures(findings), *pictured))


def fits(subject: Subject) -> bool:
    """Whether there are two classes or more (or a language layer), and at most one norm, in front
    of all hidden layers.
    """
    if isinstance(subject, LanguageLayer):
        return len(subject.network.norms) <= 1
    network, data = subject.block, subject.dataset
    if data is None or data.kind != "classification" or not network.hidden_layers:
        return False
    late = any(block.norm is not None for block in network.blocks[1:])
    return network.is_piecewise_linear and not late


# ---- ways


@dataclass(frozen=True)
class Way:
    """What happens on one way: `boundaries` are crossed before the output has moved by a tenth (at
    `stable`) and `crossings` in all, `slope` and `density` of the steepest twentieth, and how many
    of the cells 50 samples see.
    """

    boundaries: int
    stable: float
    slope: float
    density: float
    crossings: int
    seen: int


@dataclass(frozen=True)
class Profile:
    """The relative distance r at places t of a way, and the exact crossings (rounded)."""

    t: FloatArray
    r: FloatArray
    crossings: FloatArray

    @property
    def way(self) -> Way:
        """What is measured of it; `seen` counts cells that hold one of 50 samples."""
        end = _first_above(self.t, self.r, STABLE)
        grid = np.linspace(0, 1, WINDOW + 1)
        slopes = np.diff(np.interp(grid, self.t, self.r)) * WINDOW
        steepest = int(slopes.argmax())
        within = (self.crossings >= grid[steepest]) & (self.crossings < grid[steepest + 1])
        density = WINDOW * float(within.mean()) if len(within) else float("nan")
        samples = np.linspace(0, 1, SAMPLES)
        seen = len(np.unique(np.searchsorted(np.sort(self.crossings), samples)))
        boundaries = int((self.crossings <= end).sum())
        slope = float(slopes[steepest])
        return Way(boundaries, end, slope, density, len(self.crossings), seen)


def _first_above(t: FloatArray, r: FloatArray, level: float) -> float:
    """Where r first exceeds the level, between two places by proportion."""
    later = int(np.argmax(r > level))
    if later == 0:
        return 0.0
    (a, b), (low, high) = t[later - 1 : later + 1], r[later - 1 : later + 1]
    return float(a + (b - a) * (level - low) / (high - low))


def profiles(network: Network, p: FloatArray, q: FloatArray) -> list[Profile]:
    """Along the straight ways from rows of p to rows of q; one whose ends have one output, or are
    one point, is left out.
    """
    kept = (p != q).any(axis=1)
    p, q = p[kept], q[kept]
    if not len(p):
        return []
    batch, found = partition_lines(network, p, q), list[Profile]()
    for place, (start, end) in enumerate(zip(p, q, strict=True)):
        crossings = batch.alphas_float(place)
        t = np.unique(np.concatenate([np.linspace(0, 1, PLACES + 1), np.clip(crossings, 0, 1)]))
        out = network.forward_float(start + t[:, None] * (end - start))
        whole = float(np.linalg.norm(out[-1] - out[0]))
        if whole > 0:
            r = np.linalg.norm(out - out[0], axis=1) / whole
            found.append(Profile(t, np.asarray(r), crossings))
    return found


def ways_of(found: Sequence[Profile]) -> list[Way]:
    """The ways. Raises Degenerate where the output differs on none, or no boundary is crossed."""
    ways = [one.way for one in found]
    if not any(one.crossings for one in ways):
        raise Degenerate(
            "no boundary lies on any way on which the output changes",
            value=f"{len(ways)} ways",
            remedy="take a network that trained, or more data",
        )
    return ways


# ---- toys, layers and families


def _ways(subject: Subject, seed: int) -> list[Profile]:
    if isinstance(subject, LanguageLayer):
        network = subject.relu_ised[1]
        rows = subject.vectors[: 2 * PAIRS_OF_A_LAYER]
        p, q = rows[: len(rows) // 2 * 2 : 2], rows[1::2]
    else:
        subject.must_have_learned()
        network, rows = subject.block, subject.residuals
        labels = np.asarray(subject.rows.targets.numpy())
        p, q = _of_two_classes(rows, labels, PAIRS_OF_ONE, np.random.default_rng(seed))
    if network.has_norm:
        directed(network, [*p.tolist(), *q.tolist()])
    return profiles(network, p, q)


def _of_two_classes(
    rows: FloatArray, labels: FloatArray, count: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Both ends of pairs of two classes."""
    pairs = balanced(labels.astype(np.int64), count, rng)
    other = pairs.different
    return rows[pairs.first[other]], rows[pairs.second[other]]


def one_net(name: str, measured: partial[list[Profile]], seed: int) -> list[Finding]:
    """The three claims on ways of one network."""

    def finding(claim: Claim, of: str) -> Finding:
        ways = ways_of(measured())
        values = [getattr(way, of) for way in ways if np.isfinite(getattr(way, of))]
        found = over_clusters(values, np.random.default_rng(seed), unit="pairs")
        data = {**found.data(of), **_data(ways)}
        return claim.finding(name, found, value=f"{found}; {_told(ways)}", data=data)

    names = ("boundaries", "slope", "density")
    return [
        claim.guarded(name, partial(finding, claim, of))
        for claim, of in zip(OVER_PAIRS, names, strict=True)
    ]


@dataclass(frozen=True)
class Arm:
    """The ways in the nets of one arm."""

    slope: Measured
    ways: dict[int, list[Way]]

    def of(self, name: str) -> Measured:
        """The mean of a number over the ways of each net."""
        means = {
            seed: float(np.nanmean([getattr(one, name) for one in ways]))
            for seed, ways in self.ways.items()
        }
        return Measured(self.slope.nets, means, self.slope.lost)


def measure(nets: Nets) -> Arm:
    """The ways of each net, between data of two classes."""
    ways: dict[int, list[Way]] = {}

    def slope(network: Network, result: TrainResult, rng: np.random.Generator) -> float:
        rows = np.asarray(result.dataset.inputs.double().numpy())
        labels = np.asarray(result.dataset.targets.numpy())
        p, q = _of_two_classes(rows, labels, PAIRS, rng)
        found = ways[result.config.seed] = ways_of(profiles(network, p, q))
        return float(np.mean([one.slope for one in found]))

    return Arm(Measured.of(nets, slope), ways)


def family_findings(told: str, trained: Arm, untrained: Arm, seed: int) -> list[Finding]:
    """The claims on trained nets and on untrained ones, and what training adds."""
    rng, findings = np.random.default_rng(seed), list[Finding]()
    for arm in (trained, untrained):
        subject = f"{told}, {arm.slope.nets.arm} nets"
        every = [way for ways in arm.ways.values() for way in ways]
        for claim, name in zip(OVER_NETS, ("boundaries", "slope", "density"), strict=True):
            found = arm.of(name).over(rng)
            value = f"{found}; {_told(every)}" if every else str(found)
            data = {**arm.slope.data, **found.data(name), **_data(every)}
            findings.append(claim.finding(subject, found, value=value, data=data))
    more = trained.slope.minus(untrained.slope, rng)
    data = {**trained.slope.data, **more.data("difference")}
    subject = f"{told}, trained minus untrained"
    return [*findings, LEARNED.finding(subject, more, value=str(more), data=data)]


def _told(ways: Sequence[Way]) -> str:
    means = _data(ways)
    return (
        f"stable for {number(means['stable_mean_float']):.0%} of the way, "
        f"{number(means['crossings_mean_float']):.3g} boundaries, {SAMPLES} samples see "
        f"{number(means['seen_mean_float']):.3g} cells"
    )


def _data(ways: Sequence[Way]) -> dict[str, JSON]:
    if not ways:
        return {"ways": 0}
    means: dict[str, JSON] = {
        f"{one.name}_mean_float": _finite_mean([getattr(way, one.name) for way in ways])
        for one in fields(Way)
    }
    return {"ways": len(ways), **means}


def _finite_mean(values: Sequence[float]) -> float | None:
    known = [x for x in values if np.isfinite(x)]
    return float(np.mean(known)) if known else None


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    figures = []
    for name, said, mark, axis, title in (
        ("boundaries", LARGER_SAID, FAR, "boundaries", "Boundaries within a stable region"),
        (
            "slope",
            STEEP_SAID,
            STEEP,
            "slope (1: one affine map)",
            "The steepest twentieth of a way",
        ),
    ):
        rows = [_row(one, name) for one in findings if one.statement == said]
        known = [row for row in rows if row is not None]
        if known:
            caption = (
                f"{title}: means over nets, or over pairs of one network, with 95% intervals. "
                "Right of the line the claim holds."
            )
            draw = partial(forest, known, title, "means with 95% intervals", axis, mark=mark)
            figures.append(Figure(f"plateaus-{name}", caption, draw))
    return tuple(figures)


def _row(finding: Finding, name: str) -> Row | None:
    keys = (f"{name}_float", f"{name}_low_float", f"{name}_high_float")
    value, low, high = (finding.data.get(key) for key in keys)
    if value is None:
        return None
    ends = () if low is None or high is None else (number(low), number(high))
    return Row(finding.subject, number(value), *ends)


def _figure(name: str, measured: partial[list[Profile]]) -> Figure:
    caption = (
        f"{name}: how far the output has moved on the way from one vector to another, relative to "
        "its end, on four ways; vertical lines are the exact boundaries on the first of them, the "
        "dotted line is what one affine map would give."
    )
    return Figure("plateau-profiles", caption, partial(_draw, measured))


def _draw(measured: partial[list[Profile]]) -> Canvas:
    found = [one for one in measured() if len(one.crossings)][:4]
    if not found:
        raise Degenerate("no way with a boundary", value=0, remedy="take others")
    lines = [Curve("one affine map", [0.0, 1.0], [0.0, 1.0], -1)]
    lines += [
        Curve(f"way {place + 1}", one.t.tolist(), one.r.tolist(), place)
        for place, one in enumerate(found)
    ]
    axes = ("t, from one vector to the other", "relative distance of the output")
    subtitle = "vertical lines: boundaries on way 1"
    return curves(lines, "The output on the way", subtitle, axes, marks=found[0].crossings.tolist())


QUESTION = Question(
    CLAIM,
    "Are stable regions larger than polytopes?",
    ask,
    (*OVER_NETS, LEARNED, *OVER_PAIRS),
    groups=("toys", "deep", "language"),
    fits=fits,
    needs="data of two classes or a language layer, ReLUs, and at most one norm in front of all "
    "hidden layers",
    text=texts.STABLE_REGIONS,
    asked="The paper interpolates between activations of the residual stream and finds regions in "
    "which the output hardly changes, with sharp borders between them, and calls them much larger "
    "than polytopes. Its samples do not show the boundaries; here every one is known.",
    controls="The untrained net of the same seed; one affine map, for which the slope is 1.",
    beside="What 50 samples of the way see of the cells.",
)
