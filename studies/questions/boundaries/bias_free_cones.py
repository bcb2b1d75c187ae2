"""Claim 1.21: where all boundaries meet the origin, polytopes are directions; a norm drives a
network towards that.

Without biases a network is homogeneous, so that nothing is crossed on a ray from the origin: a
theorem, checked on trained nets without biases and on nets whose biases were set to zero. The open
part is how near to it networks with biases come: behind a norm in front, hidden layers see lengths
that hardly vary, and need no boundary away from the origin. Counted are exact crossings of the rays
through activations behind each layer, within two octaves of their length to either side, in an
octave and for each neuron behind; the norm itself is in front of all of these rays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network, partition_lines
from exact.arithmetic.numbers import FloatArray
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.shared.linear_curves import linear_curves
from studies.questions.shared.nets import Measured, Nets, ensemble
from studies.questions.shared.pictures import Curve
from studies.questions.shared.several import Found, brief, data_of, mean_or_why, named, several
from studies.questions.shared.starts import (
    BLOBS,
    DEPTH,
    GROUPS,
    Start,
    deep_toy,
    in_groups,
    is_deep,
    start,
)
from studies.rules import Claim, below, smaller_than, theorem
from studies.statistics import Degenerate, Estimate, over_clusters
from studies.subjects import NORM_NAMES, Subjects, Toy
from studies.texts import POLYTOPE_LENS
from toy_models import TrainResult
from toy_models.models import NormName
from toy_models.populations import ARMS

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.21"
RAYS, RAYS_WITHOUT_BIAS, OCTAVES = 60, 3, 2
STARTS = range(1, DEPTH)  # behind the first layer, and so behind the norm
NORMS: tuple[NormName, ...] = ("none", "layernorm", "rms")
HARDLY = 0.01
OF = (
    f"crossings of the ray of an activation within {OCTAVES} octaves of its length, an octave and "
    "neuron,"
)
CONES = Claim(
    CLAIM,
    "Without biases every boundary goes through the origin, and no ray from there crosses one.",
    Kind.THEOREM,
    theorem("no ray crosses a boundary"),
)
DRIVEN = Claim(
    CLAIM,
    "Behind a norm in front, later layers come nearer to that than in nets without a norm.",
    Kind.ESTIMATE,
    smaller_than("the trained net without norm of the same seed", OF),
    measures="less than without a norm",
)
NEAR = Claim(
    CLAIM,
    "Hidden layers of trained nets behind a norm have polytopes that are nearly directions.",
    Kind.ESTIMATE,
    below(HARDLY, OF),
)
HERE = Claim(
    CLAIM,
    "Polytopes of this network are nearly directions for activations at their lengths.",
    Kind.ESTIMATE,
    below(HARDLY, OF, unit=GROUPS, least=5),
)
BY_START = tuple(f"from {number}" for number in STARTS)
NAMES = ("mean", *BY_START)
DEAD = "every activation is zero"


def ask(subjects: Subjects) -> Answer:
    """Crossings of rays from the origin, without biases, behind norms and without a norm."""
    if subjects.own:
        findings: list[Finding] = []
        for toy in filter(fits, subjects.all_toys):
            findings += of_own(toy, subjects.seed)
        return Answer(tuple(findings))
    (bare,) = ensemble(subjects, deep_toy(BLOBS, bias=False), ("trained",), group=1)
    findings, curves, plain = [cones_finding(bare, crossings_of(bare))], list[Curve](), None
    for place, norm in enumerate(NORMS):
        *nets, zero = ensemble(subjects, deep_toy(BLOBS, norm), ARMS)
        trained, untrained = (several(one, NAMES, of_net) for one in nets)
        if norm == "none":
            plain = trained
            findings.append(cones_finding(zero, crossings_of(zero)))
        elif plain is not None:
            findings += of_nets(norm, trained, untrained, plain, subjects.seed)
        curves += [_curve(norm, arm, place) for arm in (trained, untrained)]
    return Answer(tuple(findings), _figures([one for one in curves if one.x]))


fits = is_deep


# ---- rays


def crossings(network: Network, rows: FloatArray) -> tuple[int, int, int]:
    """Exact crossings of the rays from the origin through rows that are not zero: all, those within
    the octaves around t = 1, and how many rays there are.
    """
    rows = rows[np.any(rows != 0, axis=1)]
    if not len(rows):
        return 0, 0, 0
    batch = partition_lines(network, np.zeros_like(rows), rows, kind="ray")
    octave = np.log2((batch.low + batch.high) / 2)
    return len(batch.rows), int((np.abs(octave) < OCTAVES).sum()), len(rows)


def rate(one: Start) -> float:
    """Crossings within the octaves, an octave and neuron; NaN where every activation is zero."""
    _, near, rays = crossings(one.network, one.vectors)
    neurons = sum(layer.width for layer in one.network.hidden_layers)
    return near / (rays * 2 * OCTAVES * neurons) if rays else np.nan


def of_net(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """The rate from each start behind the first layer, and their mean."""
    inputs = result.dataset.inputs.double().numpy()
    inputs = inputs[rng.permutation(len(inputs))[:RAYS]]
    values = [rate(start(network, inputs, number)) for number in STARTS]
    found: dict[str, float | str] = {"mean": mean_or_why(values, DEAD)}
    for name, value in zip(BY_START, values, strict=True):
        found[name] = value if np.isfinite(value) else DEAD
    return found


def crossings_of(nets: Nets) -> Measured:
    """All crossings of a few rays of each net, from the input and from behind each layer."""

    def everything(network: Network, result: TrainResult, rng: np.random.Generator) -> float:
        inputs = result.dataset.inputs.double().numpy()
        inputs = inputs[rng.permutation(len(inputs))[:RAYS_WITHOUT_BIAS]]
        places = [start(network, inputs, number) for number in range(DEPTH)]
        found = [crossings(one.network, one.vectors) for one in places]
        if not sum(rays for _, _, rays in found):
            raise Degenerate(DEAD, value=len(inputs), remedy="take a living net")
        return sum(every for every, _, _ in found)

    return Measured.of(nets, everything)


# ---- nets of many seeds


def cones_finding(nets: Nets, found: Measured) -> Finding:
    """The theorem, on nets of many seeds."""
    without = "" if nets.arm == "zero_biases" else ", without biases"
    subject = f"{BLOBS}{without}, {nets.told}"
    return cones(subject, [int(value) for value in found.values.values()], found.data)


def cones(subject: str, crossed: Sequence[int], data: Mapping[str, JSON]) -> Finding:
    """That nothing is crossed in any of these networks."""
    if not crossed:
        return CONES.undecided(subject, "no net could be measured", data=data)
    value = f"{sum(crossed)} crossings on rays in {len(crossed)} nets"
    return CONES.finding(subject, Estimate.exactly(sum(crossed)), value=value, data=data)


def of_nets(
    norm: NormName,
    trained: Mapping[str, Measured],
    untrained: Mapping[str, Measured],
    plain: Mapping[str, Measured],
    seed: int,
) -> list[Finding]:
    """Nets behind a norm against those without, and by themselves."""
    rng = np.random.default_rng(seed)
    subject = named(f"{BLOBS}, {NORM_NAMES[norm]} in front", trained["mean"])
    mine, before, theirs = (arm["mean"].over(rng) for arm in (trained, untrained, plain))
    less = trained["mean"].minus(plain["mean"], rng)
    by_start: dict[str, JSON] = {f"{k} (mean)_float": _mean(trained[k]) for k in BY_START}
    return [
        DRIVEN.finding(
            subject,
            less,
            value=f"{brief(less)}; no norm {brief(theirs)}",
            data={
                **data_of({"minus_no_norm": less, "no_norm": theirs}),
                **by_start,
                **trained["mean"].data,
            },
        ),
        NEAR.finding(
            subject,
            mine,
            value=f"{brief(mine)} crossings an octave and neuron; untrained {brief(before)}",
            data={**data_of({"rate": mine, "untrained": before}), **trained["mean"].data},
        ),
    ]


def _mean(measured: Measured) -> float | None:
    return float(np.mean([*measured.values.values()])) if measured.values else None


# ---- networks of one's own


def of_own(toy: Toy, seed: int) -> list[Finding]:
    """The theorem on a network without biases, and how near any other one is to it."""
    layers = toy.network.layers
    if not any(layer.bias.float64().any() for layer in layers):
        found = crossings(toy.network, toy.inputs[:RAYS_WITHOUT_BIAS])[0]
        return [cones(toy.name, [found], {"crossings": found})]
    return [HERE.guarded(toy.name, partial(here_finding, toy, seed))]


def here_finding(toy: Toy, seed: int) -> Finding:
    """The rate by groups of the data, mean over starts behind the first layer, or at the input
    where there is only one.
    """
    toy.must_have_learned()
    groups = in_groups(len(toy.inputs), seed)
    numbers = range(1, len(toy.network.hidden_layers)) or range(1)
    places = [start(toy.network, toy.inputs, number) for number in numbers]
    rates = [
        mean_or_why([rate(_part(one, groups == g)) for one in places], DEAD)
        for g in np.unique(groups)
    ]
    known = [value for value in rates if not isinstance(value, str)]
    if not known:
        raise Degenerate(DEAD, value=toy.name, remedy="take a living network")
    found = over_clusters(known, np.random.default_rng(seed), unit=GROUPS)
    return HERE.finding(toy.name, found, value=f"{found}", data=found.data("rate"))


def _part(one: Start, chosen: np.ndarray) -> Start:
    return Start(one.number, one.network, one.vectors[chosen][:RAYS])


# ---- figure


def _curve(norm: NormName, arm: Mapping[str, Measured], group: int) -> Curve:
    values = [_mean(arm[name]) for name in BY_START]
    known = [
        (number, value) for number, value in zip(STARTS, values, strict=True) if value is not None
    ]
    control = arm["mean"].nets.arm != "trained"
    label = f"{NORM_NAMES[norm]}{', untrained' if control else ''}"
    return Curve(label, [float(n) for n, _ in known], [v for _, v in known], group, control)


def _figures(curves: Sequence[Curve]) -> tuple[Figure, ...]:
    if not curves:
        return ()
    caption = (
        "Exact crossings of rays from the origin through activations behind each hidden layer, "
        "within two octaves of their length, in an octave and for each neuron behind; mean over "
        "nets with a norm in front of the first layer or none. Without biases all are zero."
    )
    return (Figure("bias-free-cones", caption, partial(_draw, curves)),)


def _draw(curves: Sequence[Curve]) -> Canvas:
    axes = ("hidden layers in front of the ray", "crossings / (octave, neuron)")
    title = "How nearly polytopes are directions"
    return linear_curves(curves, title, "solid: trained, dashed: untrained", axes, level=0.0)


QUESTION = Question(
    CLAIM,
    "Are polytopes directions where all boundaries meet the origin?",
    ask,
    (CONES, DRIVEN, NEAR, HERE),
    groups=(),
    fits=fits,
    needs="hidden layers without a norm and without a skip, and data",
    text=POLYTOPE_LENS,
    asked="In the comments: that polytopes are in effect directions if every boundary meets the "
    "origin, and that norms make networks prefer meaningful directions to meaningful polytopes.",
    controls="Nets without a norm of the same seeds, and nets without biases, where the count is "
    "zero.",
    beside="The same nets untrained.",
)
