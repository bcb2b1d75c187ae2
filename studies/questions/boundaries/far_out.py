"""Claim 1.20: far from the origin boundaries become parallel to the way out, so that crossings die
out.

A ray t x from the origin has finitely many crossings, and all of them are known: the last one too.
They are counted by octaves of the radius r = t |x| over R, the largest length of the data at the
start layer. Per length they must thin out, since there are finitely many; the claim is asked per
octave, where boundaries that are met at random radii would be as many in each. The angle between
ray and boundary has the sine |g . u| / |g| with the gradient g of the pre-activation that vanishes
there (differences of float64 forward passes); a boundary at a distance d from the origin is met at
the sine d / r, so that it halves with each octave if d does not depend on r.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network, partition_lines
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.finding import Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.shared.linear_curves import linear_curves
from studies.questions.shared.nets import Measured, ensemble
from studies.questions.shared.pictures import Curve
from studies.questions.shared.several import (
    Found,
    brief,
    data_of,
    named,
    several,
    share_of_nets,
    share_or_wilson,
)
from studies.questions.shared.starts import (
    BLOBS,
    DEPTH,
    GROUPS,
    Start,
    deep_toy,
    in_groups,
    is_deep,
    starts,
)
from studies.rules import SHARE, Claim, Rule, below
from studies.statistics import MINIMUM, NETS, Degenerate, over_clusters
from studies.subjects import Subjects, Toy
from studies.texts import POLYTOPE_LENS
from toy_models import TrainResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.20"
RAYS = 80
OCTAVES = np.arange(-4, 9)  # of r / R: where a count begins
NEAR, FAR = -1, 3  # the octave below R, and that from 8 R to 16 R
FEWER, PARALLEL = 1 / 3, -0.5
FEWEST = 10
STEP = 2.0**-18  # of differences, in radii


def _dies(unit: str, least: int) -> Rule:
    of = (
        "f / (n + f), f the crossings of rays between 8 R and 16 R and n those between R / 2 and R "
        "(1/3: half as many),"
    )
    return below(FEWER, of, range=SHARE, unit=unit, least=least)


def _parallel(unit: str, least: int) -> Rule:
    of = "the slope of log sine (angle of ray and boundary) on log radius at crossings beyond R/2"
    return below(PARALLEL, of, unit=unit, least=least)


DIES_OUT = Claim(
    CLAIM,
    "Far out a scaled activation crosses fewer and fewer boundaries, less than half as many in an "
    "octave as where the data are.",
    Kind.ESTIMATE,
    _dies(NETS, MINIMUM),
    measures="f / (n + f)",
)
ALONG = Claim(
    CLAIM,
    "The farther out, the more parallel to the way out are the boundaries that are left.",
    Kind.ESTIMATE,
    _parallel(NETS, MINIMUM),
    measures="slope",
)
HERE = Claim(
    CLAIM,
    "In this network crossings die out far from the origin, and boundaries become parallel to the "
    "way out.",
    Kind.ESTIMATE,
    _dies(GROUPS, 5) & _parallel(GROUPS, 5),
)
SORTS = ("share", "slope", "last", "beyond")
BY_OCTAVE = tuple(f"octave {k} from {n}" for n in range(DEPTH) for k in range(len(OCTAVES)))
NAMES = (*(f"{sort} from {n}" for sort in SORTS for n in range(DEPTH)), *BY_OCTAVE)
NONE, FEW = "no boundary in the two octaves", f"fewer than {FEWEST} crossings beyond R / 2"


def ask(subjects: Subjects) -> Answer:
    """Crossings of rays by their distance from the origin."""
    if subjects.own:
        findings: list[Finding] = [
            HERE.guarded(toy.name, partial(of_toy, toy, subjects.seed))
            for toy in subjects.all_toys
            if fits(toy)
        ]
        return Answer(tuple(findings))
    arms = [
        several(nets, NAMES, of_net)
        for nets in ensemble(subjects, deep_toy(BLOBS), ("trained", "untrained"))
    ]
    findings = []
    for number in range(DEPTH):
        findings += of_nets(number, arms[0], arms[1], subjects.seed)
    return Answer(tuple(findings), _figures(arms))


fits = is_deep


# ---- rays


@dataclass(frozen=True)
class Crossings:
    """All crossings of rays from the origin: on which ray, at which radius over R, at which sine of
    the angle between ray and boundary; and how many rays there are.
    """

    rays: int
    ray: IndexArray
    radius: FloatArray
    sine: FloatArray

    @classmethod
    def of(cls, one: Start, rows: FloatArray) -> Crossings:
        """Of the rays through rows that are not zero. Degenerate where all are."""
        rows = rows[np.any(rows != 0, axis=1)]
        if not len(rows):
            raise Degenerate("every vector is zero", value=0, remedy="take a living net")
        lengths = np.linalg.norm(rows, axis=1)
        largest = float(np.linalg.norm(one.vectors, axis=1).max())
        batch = partition_lines(one.network, np.zeros_like(rows), rows, kind="ray")
        ray = np.repeat(np.arange(len(rows)), np.diff(batch.starts))
        t = (batch.low + batch.high) / 2
        sine = sines(one.network, rows[ray] * t[:, None], batch.rows.astype(np.int64))
        return cls(len(rows), ray, t * lengths[ray] / largest, sine)

    def count(self, octave: int) -> int:
        """Crossings in the octave that begins at 2^octave R."""
        return int(((self.radius >= 2.0**octave) & (self.radius < 2.0 ** (octave + 1))).sum())

    @property
    def share(self) -> float:
        """Far over near and far; NaN without any."""
        near, far = self.count(NEAR), self.count(FAR)
        return far / (near + far) if near + far else np.nan

    @property
    def slope(self) -> float:
        """Of log sine on log radius beyond R / 2; NaN for few crossings."""
        known = (self.sine > 0) & np.isfinite(self.sine) & (self.radius > 0.5)
        if known.sum() < FEWEST or not np.ptp(self.radius[known]):
            return np.nan
        return float(np.polyfit(np.log(self.radius[known]), np.log(self.sine[known]), 1)[0])

    @property
    def last(self) -> float:
        """The median over rays of the last radius over R; 0 for a ray without crossings."""
        found = np.zeros(self.rays)
        np.maximum.at(found, self.ray, self.radius)
        return float(np.median(found))

    @property
    def beyond(self) -> float:
        """The share of crossings beyond R; NaN without any."""
        return float((self.radius > 1).mean()) if len(self.radius) else np.nan


def sines(network: Network, points: FloatArray, hinges: IndexArray) -> FloatArray:
    """|g . x| / (|g| |x|) at points x, g the gradient of the pre-activation of a hinge each, by
    central differences in float64.
    """
    if not len(points):
        return np.zeros(0)
    column = np.concatenate(
        [
            np.repeat(np.arange(layer.width), len(layer.activation.breakpoints)) + before
            for layer, before in zip(network.hidden_layers, _offsets(network), strict=True)
        ]
    )[hinges]
    radii = np.linalg.norm(points, axis=1)
    gradient = np.empty_like(points)
    for axis in range(points.shape[1]):
        step = np.zeros_like(points)
        step[:, axis] = STEP * radii
        sides = [_pre_activations(network, points + sign * step, column) for sign in (1, -1)]
        gradient[:, axis] = (sides[0] - sides[1]) / (2 * STEP * radii)
    sizes = np.linalg.norm(gradient, axis=1) * radii
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs((gradient * points).sum(axis=1)) / sizes)


def _offsets(network: Network) -> list[int]:
    """How many neurons are in front of each hidden layer."""
    widths = [layer.width for layer in network.hidden_layers]
    return [sum(widths[:place]) for place in range(len(widths))]


def _pre_activations(network: Network, points: FloatArray, column: IndexArray) -> FloatArray:
    every = np.concatenate(network.hidden_float(points), axis=1)
    return np.asarray(every[np.arange(len(points)), column])


# ---- nets of many seeds


def of_net(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """All of one net, from each start."""
    inputs = result.dataset.inputs.double().numpy()
    chosen = rng.permutation(len(inputs))[:RAYS]
    found: dict[str, float | str] = {}
    for one in starts(network, inputs):
        try:
            rays = Crossings.of(one, one.vectors[chosen])
        except Degenerate as why:
            found.update({f"{sort} from {one.number}": str(why) for sort in SORTS})
            continue
        for sort in SORTS:
            value = float(getattr(rays, sort))
            lost = FEW if sort == "slope" else NONE
            found[f"{sort} from {one.number}"] = value if np.isfinite(value) else lost
        for place, octave in enumerate(OCTAVES.tolist()):
            found[f"octave {place} from {one.number}"] = rays.count(octave) / rays.rays
    return found


def of_nets(
    number: int, trained: Mapping[str, Measured], untrained: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """Both claims at one start, over nets."""
    rng = np.random.default_rng(seed)
    mine, theirs = (
        {sort: arm[f"{sort} from {number}"] for sort in SORTS} for arm in (trained, untrained)
    )
    subject = named(f"{BLOBS}, {'input' if number == 0 else f'layer {number}'}", mine["share"])
    share, before = (share_of_nets(one["share"], rng) for one in (mine, theirs))
    slope, slope_before = (one["slope"].over(rng) for one in (mine, theirs))
    last, last_before = (one["last"].over(rng) for one in (mine, theirs))
    beyond = mine["beyond"].over(rng)
    return [
        DIES_OUT.finding(
            subject,
            share,
            value=f"{brief(share)}; untrained {brief(before)}; median last crossing at "
            f"{brief(last)} R, untrained {brief(last_before)} R",
            data={
                **data_of({"share": share, "untrained": before, "last": last, "beyond": beyond}),
                **last_before.data("last_untrained"),
                **mine["share"].data,
            },
        ),
        ALONG.finding(
            subject,
            slope,
            value=f"{brief(slope)}; untrained {brief(slope_before)}",
            data={**data_of({"slope": slope, "untrained": slope_before}), **mine["slope"].data},
        ),
    ]


# ---- one network


def of_toy(toy: Toy, seed: int) -> Finding:
    """A network of one's own, by groups of its data, from the input."""
    toy.must_have_learned()
    groups = in_groups(len(toy.inputs), seed)
    one = Start(0, toy.network, toy.inputs)
    found = [Crossings.of(one, toy.inputs[groups == g][:RAYS]) for g in np.unique(groups)]
    shares, slopes = (
        [value for value in values if np.isfinite(value)]
        for values in ([x.share for x in found], [x.slope for x in found])
    )
    if min(len(shares), len(slopes)) < 2:
        raise Degenerate(FEW, value=toy.name, remedy="take a network with biases")
    rng = np.random.default_rng(seed)
    share = share_or_wilson(shares, rng, unit=GROUPS)
    slope = over_clusters(slopes, rng, unit=GROUPS)
    value = f"f / (n + f) {brief(share)}, slope {brief(slope)}"
    return HERE.finding(
        toy.name, share, slope, value=value, data=data_of({"share": share, "slope": slope})
    )


# ---- figure


def _figures(arms: Sequence[Mapping[str, Measured]]) -> tuple[Figure, ...]:
    lines = [_curve(arm, number) for number in range(DEPTH) for arm in arms]
    lines = [line for line in lines if line.x]
    if not lines:
        return ()
    caption = (
        "Exact crossings of the rays through activations, in each octave of the distance r from "
        "the origin, R being the largest length of the data there (the upright line); mean over "
        "rays and nets, by the layer at which the ray begins."
    )
    return (Figure("far-out", caption, partial(_draw, lines)),)


def _curve(arm: Mapping[str, Measured], number: int) -> Curve:
    values = [
        [*arm[f"octave {place} from {number}"].values.values()] for place in range(len(OCTAVES))
    ]
    known = [
        (2.0 ** (k + 0.5), float(np.mean(v))) for k, v in zip(OCTAVES, values, strict=True) if v
    ]
    control = arm[f"share from {number}"].nets.arm != "trained"
    place = "input" if number == 0 else f"behind layer {number}"
    label = f"{place}{', untrained' if control else ''}"
    return Curve(label, [r for r, _ in known], [v for _, v in known], number, control)


def _draw(lines: Sequence[Curve]) -> Canvas:
    axes = ("r / R", "crossings per octave and ray")
    title, subtitle = "Boundaries far out", "solid: trained, dashed: untrained"
    return linear_curves(lines, title, subtitle, axes, upright=1.0, x_scale="log")


QUESTION = Question(
    CLAIM,
    "Do crossings die out far from the origin?",
    ask,
    (DIES_OUT, ALONG, HERE),
    groups=(),
    fits=fits,
    needs="hidden layers without a norm and without a skip, and data",
    text=POLYTOPE_LENS,
    asked="That boundaries lie near the origin and extend to infinity, so that far out they come "
    "close to parallel and an activation that is scaled up crosses fewer and fewer.",
    controls="Counts per octave, which are equal where boundaries lie at all radii alike.",
    beside="The same nets untrained; the last crossing of every ray.",
    settled="That the angle is followed from half the radius of the data on.",
)
