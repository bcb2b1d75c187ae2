"""Claim 5.2: late in training the boundaries leave the training data, and a norm changes that.

Around a point lie the segments x +- r v of random orthonormal directions v. Its local complexity is
the number of neurons that change sign somewhere on them, exactly, through all layers and behind a
norm too; r is a tenth of the typical distance of a training point from their mean. The published
method looks at the ends of the segments only, by a float forward pass: it can miss a neuron that
changes and comes back, never see one too many. Measured are snapshots of training, around training
points and around random points of the same spread; late means from half of the steps to the end,
while the learning rate falls to zero along half a cosine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from exact import Network, partition_lines
from exact.arithmetic.numbers import FloatArray
from exact.sources import torch_modules
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.methods.approximations.local_complexity import orthonormal, vertex_signs
from studies.methods.domains import CrossPolytope
from studies.methods.quantities.local_complexity import local_complexity
from studies.question import Question
from studies.questions.shared import nets as training
from studies.questions.shared.intervals import Share
from studies.questions.shared.nets import Measured, Nets, ensemble
from studies.questions.shared.pictures import Curve
from studies.questions.shared.plain_curves import curves
from studies.questions.shared.rays import directed, must_live
from studies.rules import SHARE, Claim, above, below, larger_than, smaller_than
from studies.statistics import Degenerate, wilson
from studies.subjects import NORM_NAMES, NORMS, Subject, Subjects, Toy
from toy_models import ModelConfig, TrainConfig, TrainResult
from toy_models.models import NormName

CLAIM = "5.2"
SEEN_SHARE = 0.95
CHANGE = "the late change of the exact local complexity around training points"
LATE = Claim(
    CLAIM,
    "Late in training the boundaries leave the neighbourhood of training points.",
    Kind.ESTIMATE,
    below(0.0, CHANGE),
    measures="late change",
)
MIGRATE = Claim(
    CLAIM,
    "They leave the data and not the rest: it falls more around training points than elsewhere.",
    Kind.ESTIMATE,
    smaller_than("random points of the same net", CHANGE),
    measures="late change minus random points'",
)
NORM = Claim(
    CLAIM,
    "Behind a norm local complexity falls less, late in training, than without one.",
    Kind.ESTIMATE,
    larger_than("the net without norm of the same seed", CHANGE),
    measures="late change minus that without norm",
)
SEES = (
    f"The signs at the ends of short segments show the neurons that change there, {SEEN_SHARE:.0%}"
)
OF_SEEN = "the share of neurons that change sign on the segments and differ between their ends"
NEARLY_ALL = 0.85  # 30 nets of 30 have the interval [0.886, 1]
SEEN = Claim(
    CLAIM,
    f"{SEES} of them.",
    Kind.ESTIMATE,
    above(NEARLY_ALL, f"the share of nets in which they show {SEEN_SHARE:.0%}", range=SHARE),
    measures="share of nets",
)
SEEN_HERE = Claim(
    CLAIM,
    f"{SEES} of them, around points of one net.",
    Kind.ESTIMATE,
    above(SEEN_SHARE, OF_SEEN, range=SHARE, unit="neurons at points", least=10),
)
TASK, WIDTHS = "direction3", (16, 16)
POINTS, POINTS_OF_A_TOY, METHOD_POINTS, HULLS = 30, 150, 8, 2
SNAPSHOTS, LONGER, RADIUS = 6, 4, 0.1


def ask(subjects: Subjects) -> Answer:
    """Local complexity through training, behind each norm."""
    findings = [
        SEEN_HERE.guarded(toy.name, partial(_of_toy, toy, subjects.seed))
        for toy in filter(fits, subjects.all_toys)
    ]
    lines: list[Curve] = []
    if not subjects.own:
        arms = {norm: trained(subjects, norm) for norm in NORMS}
        for group, (norm, arm) in enumerate(arms.items()):
            findings += arm_findings(norm, arm, subjects.seed)
            lines += _curves(norm, arm, group)
            if norm != "none":
                findings.append(norm_finding(norm, arm, arms["none"], subjects.seed))
    return Answer(tuple(findings), _figures(lines))


def fits(subject: Subject) -> bool:
    """Whether there are data, and at most one norm, in front of all hidden layers."""
    if not isinstance(subject, Toy) or subject.dataset is None:
        return False
    network = subject.block
    plain = network.is_piecewise_linear and bool(network.hidden_layers)
    return plain and not any(block.norm is not None for block in network.blocks[1:])


# ---- around points


@dataclass(frozen=True)
class Cross:
    """The segments around points: `ends` is (points, 2, directions, n), both ends of each."""

    ends: FloatArray

    @classmethod
    def around(cls, points: FloatArray, radius: float, rng: np.random.Generator) -> Cross:
        """Random orthonormal directions for each point."""
        steps = radius * np.stack([orthonormal(points.shape[1], rng) for _ in points])
        middle = points[:, None]
        return cls(np.stack([middle - steps, middle + steps], axis=1))

    def changing(self, network: Network) -> list[set[int]]:
        """The neurons (hinges) that change sign on the segments of each point, exactly."""
        count, directions = len(self.ends), self.ends.shape[2]
        first, second = (self.ends[:, side].reshape(count * directions, -1) for side in (0, 1))
        batch = partition_lines(network, first, second)
        found = []
        for place in range(count):
            rows = batch.rows[
                batch.starts[place * directions] : batch.starts[(place + 1) * directions]
            ]
            found.append(set(rows.tolist()))
        return found


def mean_complexity(network: Network, cross: Cross) -> float:
    """The mean number of neurons that change around a point."""
    return float(np.mean([len(one) for one in cross.changing(network)]))


def typical_radius(rows: FloatArray) -> float:
    """A tenth of the median distance from the mean. Raises Degenerate where all rows are one."""
    size = float(np.median(np.linalg.norm(rows - rows.mean(axis=0), axis=1)))
    if not size > 0:
        raise Degenerate("all points are one", value=len(rows), remedy="give other data")
    return RADIUS * size


def seen(network: Network, cross: Cross, middles: FloatArray) -> tuple[int, int]:
    """How many neurons change around the points, exactly, and how many of them the method sees."""
    every = seen_of = 0
    for changing, ends, middle in zip(cross.changing(network), cross.ends, middles, strict=True):
        steps = (ends[1] - ends[0]) / 2
        domain = CrossPolytope(middle.tolist(), steps.tolist(), 1)
        rng = np.random.default_rng(0)
        counted = vertex_signs(network, domain, len(steps), rng).value
        every += len(changing)
        seen_of += min(int(np.asarray(counted)), len(changing))
    return every, seen_of


# ---- toys and nets


def _of_toy(toy: Toy, seed: int) -> Finding:
    toy.must_have_learned()
    must_live(toy.block)
    rng = np.random.default_rng(seed)
    points = toy.residuals[:POINTS_OF_A_TOY]
    if toy.block.has_norm:
        directed(toy.block, points.tolist())
    cross = Cross.around(points, typical_radius(toy.residuals), rng)
    every, hits = seen(toy.block, cross, points)
    share = Share(hits, every)
    value = f"{share} of neurons that change; {every / len(points):.3g} around a point"
    data: dict[str, JSON] = {"changing": every, "seen": hits, "points": len(points)}
    estimate = share.estimate("neurons at points")
    return SEEN_HERE.finding(toy.name, estimate, value=value, data=data)


@dataclass(frozen=True)
class Story:
    """Mean local complexity at every snapshot of one net, around training points and around random
    ones; neurons that change at the end, those the method sees, and those that bend anywhere in
    the hull of the segments, for a few points without norm.
    """

    steps: tuple[int, ...]
    data: tuple[float, ...]
    elsewhere: tuple[float, ...]
    changing: int
    seen: int
    hulls: tuple[tuple[int, int], ...] = ()

    @property
    def late(self) -> float:
        """The change around training points from half of the steps to the end."""
        return self._late(self.data)

    @property
    def late_elsewhere(self) -> float:
        """The same around random points."""
        return self._late(self.elsewhere)

    def _late(self, values: Sequence[float]) -> float:
        half = next(k for k, step in enumerate(self.steps) if 2 * step >= self.steps[-1])
        return values[-1] - values[half]

    @classmethod
    def of(cls, result: TrainResult, rng: np.random.Generator) -> Story:
        """Of one training with its snapshots."""
        rows = np.asarray(result.training.inputs.double().numpy())
        points = rows[:POINTS]
        spread = rows.mean(axis=0) + rows.std(axis=0) * rng.standard_normal(points.shape)
        crosses = [Cross.around(one, typical_radius(rows), rng) for one in (points, spread)]
        networks = [torch_modules.read(result.model_at(one.step)) for one in result.snapshots]
        data, elsewhere = (
            tuple(mean_complexity(network, cross) for network in networks) for cross in crosses
        )
        few = Cross(crosses[0].ends[:METHOD_POINTS])
        counted = seen(networks[-1], few, points[:METHOD_POINTS])
        hulls = () if networks[-1].has_norm else _hulls(networks[-1], few, points)
        steps = tuple(one.step for one in result.snapshots)
        return cls(steps, data, elsewhere, *counted, hulls)


def _hulls(network: Network, cross: Cross, points: FloatArray) -> tuple[tuple[int, int], ...]:
    """Around a few points: the neurons that change on the segments, and those that do anywhere in
    their convex hull, exactly.
    """
    on_segments = cross.changing(network)[:HULLS]
    found = []
    for changing, ends, middle in zip(on_segments, cross.ends, points, strict=False):
        steps = (ends[1] - ends[0]) / 2
        whole = local_complexity(network, CrossPolytope(middle.tolist(), steps.tolist(), 1))
        found.append((len(changing), whole))
    return tuple(found)


@dataclass(frozen=True)
class Arm:
    """The trainings of nets behind one norm."""

    late: Measured
    stories: dict[int, Story]

    def of(self, name: str) -> Measured:
        """Another number of every story."""
        values = {seed: float(getattr(one, name)) for seed, one in self.stories.items()}
        return Measured(self.late.nets, values, self.late.lost)

    @property
    def seen(self) -> Measured:
        """The share of changing neurons that the method sees, of nets that have some."""
        values = {s: one.seen / one.changing for s, one in self.stories.items() if one.changing}
        return Measured(self.late.nets, values, self.late.lost)


def trained(subjects: Subjects, norm: NormName) -> Arm:
    """Nets behind one norm, and their stories."""
    steps = LONGER * training.STEPS
    model = ModelConfig(widths=WIDTHS, norm=norm, embed_dim=0)
    config = TrainConfig(task=TASK, model=model, snapshot_every=max(1, steps // SNAPSHOTS))
    (nets,) = ensemble(subjects, config, ("trained",), steps=steps)
    return measure(nets)


def measure(nets: Nets) -> Arm:
    """The story of each net."""
    stories: dict[int, Story] = {}

    def late(network: Network, result: TrainResult, rng: np.random.Generator) -> float:
        must_live(network)
        stories[result.config.seed] = Story.of(result, rng)
        return stories[result.config.seed].late

    return Arm(Measured.of(nets, late), stories)


def arm_findings(norm: NormName, arm: Arm, seed: int) -> list[Finding]:
    """What happens late around training points, around random ones, and what the method sees."""
    rng, subject = np.random.default_rng(seed), _named(norm)
    late, elsewhere = arm.late.over(rng), arm.of("late_elsewhere").over(rng)
    more = arm.late.minus(arm.of("late_elsewhere"), rng)
    stories, shares = list(arm.stories.values()), list(arm.seen.values.values())
    share = wilson(sum(one >= SEEN_SHARE for one in shares), len(shares))
    story = _mean([one.data for one in stories])
    told = " to ".join(f"{x:.3g}" for x in (story[0], max(story), story[-1])) if story else ""
    data = {
        **arm.late.data,
        "steps": list(stories[0].steps) if stories else [],
        "around_data_float": story,
        "around_random_points_float": _mean([one.elsewhere for one in stories]),
    }
    hulls = [pair for one in stories for pair in one.hulls]
    on, whole = (sum(pair[side] for pair in hulls) for side in (0, 1))
    inside = f"; on segments {on} of {whole} in their hull" if hulls else ""
    return [
        LATE.finding(
            subject,
            late,
            value=f"{late}; begin, most, end: {told}" if told else str(late),
            data={**data, **late.data("late_change")},
        ),
        MIGRATE.finding(
            subject,
            more,
            value=f"{more}; around random points {elsewhere.value or 0:.3g}",
            data={**data, **more.data("difference"), **elsewhere.data("elsewhere")},
        ),
        SEEN.finding(
            subject,
            share,
            value=f"{share}; the least share {min(shares, default=0):.3g}{inside}",
            data={
                **arm.late.data,
                **share.data("seen"),
                "changing": sum(one.changing for one in stories),
                "on_segments_and_in_hulls": [list(pair) for pair in hulls],
            },
        ),
    ]


def norm_finding(norm: NormName, arm: Arm, bare: Arm, seed: int) -> Finding:
    """The late change behind a norm minus that without one."""
    more = arm.late.minus(bare.late, np.random.default_rng(seed))
    data = {**arm.late.data, **more.data("difference")}
    return NORM.finding(f"{_named(norm)} against no norm", more, value=str(more), data=data)


def _named(norm: NormName) -> str:
    shape = "-".join(map(str, WIDTHS))
    return f"{TASK} ({shape}), {NORM_NAMES[norm]}, trained nets"


def _mean(rows: Sequence[Sequence[float]]) -> list[float]:
    return [float(x) for x in np.mean(rows, axis=0)] if rows else []


# ---- figures


def _curves(norm: NormName, arm: Arm, group: int) -> list[Curve]:
    stories = list(arm.stories.values())
    if not stories:
        return []
    steps = [float(step) for step in stories[0].steps]
    data, elsewhere = (
        _mean([getattr(one, name) for one in stories]) for name in ("data", "elsewhere")
    )
    return [
        Curve(f"{NORM_NAMES[norm]}, training points", steps, data, group),
        Curve(f"{NORM_NAMES[norm]}, random points", steps, elsewhere, group, dashed=True),
    ]


def _figures(lines: Sequence[Curve]) -> tuple[Figure, ...]:
    known = [line for line in lines if all(map(math.isfinite, line.y))]
    if not known:
        return ()
    caption = (
        "The exact number of neurons that change sign on short segments around a point, through "
        "training: mean over nets and points, around training points (solid) and random points of "
        "the same spread (dashed)."
    )
    axes = ("step of training", "neurons around a point")
    draw = partial(curves, known, "Local complexity through training", "exact counts", axes)
    return (Figure("local-complexity", caption, draw),)


QUESTION = Question(
    CLAIM,
    "Do boundaries leave the training data?",
    ask,
    (LATE, MIGRATE, NORM, SEEN, SEEN_HERE),
    groups=("toys", "deep"),
    fits=fits,
    needs="data, ReLUs, and at most one norm, in front of all hidden layers",
    text=texts.LOCAL_COMPLEXITY,
    asked="The paper counts neurons that change sign within a small neighbourhood of data, and "
    "reports that late in training these regions migrate away from the training points. What a "
    "LayerNorm does to that is asked here.",
    controls="Random points with the mean and spread of the training data; the same nets with "
    "and without a norm, by seed; exact counts beside the signs at the ends of segments, which "
    "the paper takes.",
    beside="The exact count within the hull of the segments.",
)
