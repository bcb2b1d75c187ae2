"""Claim 1.9: a shell of boundaries lies between an activation and the origin, also for Gaussian
noise, and not in untrained nets; classes change at its inner side only.

Along the ray t x from the origin through an activation x (t = 1) the boundaries of all layers
behind are crossed at exact places. Their density per length is told in bins of t, half an octave
each. A shell is a bin at T < 1, not the first, that is denser than what lies within T / 4. The
largest of noisy bins is too large by itself, so the bin is chosen on one half of the rays and its
density taken from the other. The statistic is p / (p + c), p the density at the peak and c that in
the centre: finite where nothing is crossed in the centre, 1/2 without a shell, 6/11 where p is 1.2
c.

For the next layer alone and rays in random directions the shell has a closed form: neuron j with
offset o = |b_j| / |w_j| is met before radius r with the probability that a coordinate of a uniform
direction exceeds o / r. So a shell appears wherever offsets stay away from zero, and none where
they do not: training is not needed. Without biases nothing is crossed at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc

from exact import Network
from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.shared.class_changes import Walk, from_origin
from studies.questions.shared.intervals import share_over
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
    noise,
    starts,
)
from studies.rules import SHARE, Claim, above, below
from studies.statistics import NETS, Degenerate, Estimate
from studies.subjects import Subjects, Toy
from studies.texts import POLYTOPE_LENS
from toy_models import TrainResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.9"
RAYS, RAYS_WITHOUT_BIAS, DRAWS = 60, 2, 4_999
EDGES = 2.0 ** np.arange(-7, 2.5, 0.5)  # of the bins of t, half an octave each
BINS = len(EDGES) - 1
INTERIOR = slice(1, int((EDGES[1:] <= 1).sum()))  # of bins between origin and activation
OCTAVES = 4  # inside and outside of t = 1, where class changes are counted
RATIO, INNER = 1.2, 2.0
PEAK, TWICE = RATIO / (1 + RATIO), INNER / (1 + INNER)
OF = f"p / (p + c), p the density per length at its interior peak and c that in the centre (p is \
{RATIO:g} c at the margin),"
SHELL = Claim(
    CLAIM,
    "Boundaries lie densely in a shell between an activation and the origin, also in directions of "
    "Gaussian noise.",
    Kind.ESTIMATE,
    above(PEAK, f"{OF} along data", range=SHARE)
    & above(PEAK, "the same along Gaussian noise of the same lengths", range=SHARE),
    measures="p / (p + c): along",
)
ABSENT = Claim(
    CLAIM,
    "Untrained nets have no such shell.",
    Kind.ESTIMATE,
    below(PEAK, f"{OF} along data, in untrained nets", range=SHARE),
    measures="p / (p + c): along",
)
CHANGES = Claim(
    CLAIM,
    "The class of a scaled activation changes where it is scaled down through the shell rather "
    "than where it is scaled up.",
    Kind.ESTIMATE,
    above(
        TWICE,
        f"the share at t < 1 of class changes within {OCTAVES} octaves of t = 1 ({INNER:g} to 1 at "
        "the margin)",
        range=SHARE,
    ),
    measures="share",
)
HERE = Claim(
    CLAIM,
    "In this network boundaries lie densely in a shell between activations and the origin.",
    Kind.ESTIMATE,
    above(PEAK, f"{OF} along data", range=SHARE, unit=GROUPS, least=5),
    measures="p / (p + c)",
)
SORTS = ("data", "noise", "peak at", "closed form", "inside", "outside")
PROFILES = tuple(f"bin {place} from {n}" for n in range(DEPTH) for place in range(BINS))
NAMES = (*(f"{sort} from {n}" for sort in SORTS for n in range(DEPTH)), *PROFILES)
NONE = "no boundary on the rays"


def ask(subjects: Subjects) -> Answer:
    """Boundaries and class changes along rays from the origin."""
    if subjects.own:
        toys = filter(fits, subjects.all_toys)
        return Answer(
            tuple(HERE.guarded(toy.name, partial(of_toy, toy, subjects.seed)) for toy in toys)
        )
    trained, untrained, without = ensemble(
        subjects, deep_toy(BLOBS), ("trained", "untrained", "zero_biases")
    )
    arms = [several(nets, NAMES, of_net) for nets in (trained, untrained)]
    still = several(without, ("crossed",), crossed_without_biases)["crossed"]
    findings: list[Finding] = []
    for number in range(DEPTH):
        findings += of_nets(number, arms[0], arms[1], still, subjects.seed)
    return Answer(tuple(findings), _figures(arms))


fits = is_deep


# ---- rays


class Rays:
    """Rays through the vectors of a start that are not zero, and what they cross."""

    def __init__(self, start: Start, rows: FloatArray) -> None:
        kept = rows[np.any(rows != 0, axis=1)]
        if len(kept) < 2:
            raise Degenerate("every vector is zero", value=len(rows), remedy="take a living net")
        self.lengths: FloatArray = np.linalg.norm(kept, axis=1)
        self.walk: Walk = from_origin(start.network, kept)

    def density(self, low: FloatArray, high: FloatArray, chosen: BitArray) -> FloatArray:
        """Crossings per length between the parameters low and high, on the chosen rays."""
        t = np.sort(self.walk.places[chosen[self.walk.lines]])
        count = np.searchsorted(t, high) - np.searchsorted(t, low)
        found: FloatArray = count / (self.lengths[chosen].sum() * (high - low))
        return found

    @property
    def profile(self) -> FloatArray:
        """The density in every bin, in units of the mean over all of them."""
        everyone = np.ones(len(self.lengths), dtype=bool)
        whole = self.density(EDGES[:1], EDGES[-1:], everyone)
        found = self.density(EDGES[:-1], EDGES[1:], everyone)
        return found / whole if whole[0] > 0 else np.full(BINS, np.nan)

    def prominence(self) -> tuple[float, float]:
        """p / (p + c), and where the peak is: chosen on every other ray, told by the rest, and the
        other way round (one of the two where the other crosses nothing there). NaN without any.
        """
        even = np.arange(len(self.lengths)) % 2 == 0
        found, places = [], []
        for chosen in (even, ~even):
            peak = 1 + int(np.argmax(self.density(EDGES[:-1], EDGES[1:], chosen)[INTERIOR]))
            low, high = EDGES[peak : peak + 1], EDGES[peak + 1 : peak + 2]
            middle = np.sqrt(low * high)
            p = self.density(low, high, ~chosen)
            c = self.density(0 * middle, middle / 4, ~chosen)
            found.append(float((p / (p + c))[0]) if p + c > 0 else np.nan)
            places.append(float(middle[0]))
        known = [value for value in found if np.isfinite(value)]
        return float(np.mean(known)) if known else np.nan, float(np.sqrt(places[0] * places[1]))

    def changes(self) -> tuple[int, int]:
        """Class changes within the octaves at t < 1, and at t >= 1."""
        octave = np.log2(self.walk.changes)
        inside, outside = (octave > -OCTAVES) & (octave < 0), (octave >= 0) & (octave < OCTAVES)
        return int(inside.sum()), int(outside.sum())


def expected(network: Network, lengths: FloatArray, low: float, high: float) -> float:
    """The expected number of crossings of the next layer, per length, between two parameters, on
    rays of these lengths in uniform directions; in two dimensions or more.
    """
    layer = network.hidden_layers[0]
    size = np.linalg.norm(layer.weight.float64(), axis=1)
    living = size > 0
    offsets = np.abs(layer.bias.float64().ravel()[living]) / size[living]
    offsets = offsets[offsets > 0]
    before = [_beyond(offsets, t * lengths, network.input_dim) for t in (low, high)]
    return float((before[1] - before[0]) / (lengths.sum() * (high - low)))


def _beyond(offsets: FloatArray, radii: FloatArray, dim: int) -> float:
    """The expected number of offsets that are met before the radii."""
    with np.errstate(divide="ignore"):
        least = np.minimum(offsets[:, None] / radii[None], 1.0)
    return float(0.5 * betainc((dim - 1) / 2, 0.5, 1 - least**2).sum())


def expected_prominence(network: Network, lengths: FloatArray) -> float:
    """p / (p + c) of the closed form; NaN where it is none."""
    if network.input_dim < 2 or not len(lengths):
        return np.nan
    found = [expected(network, lengths, a, b) for a, b in pairwise(EDGES)]
    peak = 1 + int(np.argmax(found[INTERIOR]))
    middle = float(np.sqrt(EDGES[peak] * EDGES[peak + 1]))
    centre = expected(network, lengths, 0.0, middle / 4)
    return found[peak] / (found[peak] + centre) if found[peak] + centre > 0 else np.nan


# ---- nets of many seeds


def of_net(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """All of one net, from each start."""
    inputs = result.dataset.inputs.double().numpy()
    inputs = inputs[rng.permutation(len(inputs))[:RAYS]]
    found: dict[str, float | str] = {}
    for one in starts(network, inputs):
        try:
            values, profile = _of_start(one, rng)
        except Degenerate as why:
            found.update({f"{sort} from {one.number}": str(why) for sort in SORTS})
            continue
        for sort, value in zip(SORTS, values, strict=True):
            found[f"{sort} from {one.number}"] = value if np.isfinite(value) else NONE
        for place, value in enumerate(profile):
            found[f"bin {place} from {one.number}"] = float(value) if np.isfinite(value) else NONE
    return found


def _of_start(one: Start, rng: np.random.Generator) -> tuple[tuple[float, ...], FloatArray]:
    data, other = Rays(one, one.vectors), Rays(one, noise(one.vectors, rng))
    prominence, peak = data.prominence()
    values = (
        prominence,
        other.prominence()[0],
        peak if np.isfinite(prominence) else np.nan,
        expected_prominence(one.network, other.lengths),
        *data.changes(),
    )
    return values, data.profile


def crossed_without_biases(
    network: Network, result: TrainResult, rng: np.random.Generator
) -> Found:
    """Crossings of a few rays in a net whose biases are zero, from the first and the last start:
    all of them are settled by exact algebra, one by one.
    """
    inputs = result.dataset.inputs.double().numpy()
    inputs = inputs[rng.permutation(len(inputs))[:RAYS_WITHOUT_BIAS]]
    places = starts(network, inputs)[:: DEPTH - 1]
    return {"crossed": float(sum(len(Rays(one, one.vectors).walk.lines) for one in places))}


def of_nets(
    number: int,
    trained: Mapping[str, Measured],
    untrained: Mapping[str, Measured],
    without: Measured,
    seed: int,
) -> list[Finding]:
    """The three claims at one start, over nets."""
    rng = np.random.default_rng(seed)

    def over(arm: Mapping[str, Measured], sort: str) -> Measured:
        return arm[f"{sort} from {number}"]

    data, random = (share_of_nets(over(trained, sort), rng) for sort in ("data", "noise"))
    before, before_noise = (share_of_nets(over(untrained, sort), rng) for sort in ("data", "noise"))
    peak, form = (over(trained, sort).over(rng) for sort in ("peak at", "closed form"))
    inner = _inner(over(trained, "inside"), over(trained, "outside"), rng)
    form_before = over(untrained, "closed form").over(rng)
    place = "input" if number == 0 else f"behind layer {number}"
    subject = named(f"{BLOBS}, {place}", over(trained, "data"))
    other = named(f"{BLOBS}, {place}", over(untrained, "data"))
    crossed = sum(without.values.values())
    shared: dict[str, JSON] = {"crossings_without_biases": int(crossed)}
    return [
        SHELL.finding(
            subject,
            data,
            random,
            value=f"data {brief(data)}, noise {brief(random)}; peak at t = {brief(peak)}; closed "
            f"form, next layer {brief(form)}",
            data={
                **data_of({"along_data": data, "noise": random, "peak": peak, "closed_form": form}),
                **over(trained, "data").data,
                **shared,
            },
        ),
        ABSENT.finding(
            other,
            before,
            value=f"data {brief(before)}, noise {brief(before_noise)}; closed form "
            f"{brief(form_before)}; every bias zero: {crossed:.0f} crossings",
            data={
                **data_of({"along_data": before, "noise": before_noise, "closed": form_before}),
                **over(untrained, "data").data,
                **shared,
            },
        ),
        CHANGES.finding(
            subject,
            inner,
            value=f"{brief(inner)} of class changes at t < 1",
            data={**inner.data("inner"), **over(trained, "inside").data},
        ),
    ]


def _inner(inside: Measured, outside: Measured, rng: np.random.Generator) -> Estimate:
    """The share of class changes inside, over the nets that have any."""
    shared = sorted(inside.values.keys() & outside.values.keys())
    counts = [(int(inside.values[seed]), int(outside.values[seed])) for seed in shared]
    hits = np.concatenate([np.zeros(0), *(np.arange(a + b) < a for a, b in counts)]) > 0
    places = np.repeat(np.arange(len(counts)), [a + b for a, b in counts])
    return share_over(hits, places, rng, unit=NETS, draws=DRAWS)


# ---- one network


def of_toy(toy: Toy, seed: int) -> Finding:
    """A network of one's own, by groups of its data: the mean over starts behind the first layer,
    or at the input where there is one layer only.
    """
    toy.must_have_learned()
    groups = in_groups(len(toy.inputs), seed)
    places = starts(toy.network, toy.inputs)
    found = [_by_group(one, groups) for one in places[1:] or places]
    means = np.nanmean(np.where(np.isnan(found).all(axis=0), -1.0, found), axis=0)
    values = means[means >= 0]
    if len(values) < 2:
        raise Degenerate(NONE, value=toy.name, remedy="take a network with biases")
    shell = share_or_wilson(values, np.random.default_rng(seed), unit=GROUPS)
    return HERE.finding(toy.name, shell, value=f"{shell}", data=shell.data("along_data"))


def _by_group(one: Start, groups: IndexArray) -> list[float]:
    found = []
    for group in np.unique(groups):
        try:
            found.append(Rays(one, one.vectors[groups == group][:RAYS]).prominence()[0])
        except Degenerate:
            found.append(np.nan)
    return found


# ---- figure


def _figures(arms: Sequence[Mapping[str, Measured]]) -> tuple[Figure, ...]:
    lines = [_curve(arm, number) for number in range(DEPTH) for arm in arms]
    lines = [line for line in lines if line.x]
    if not lines:
        return ()
    caption = (
        "Exact boundaries along the ray t x through activations x (t = 1, the upright line) of "
        "nets with four hidden layers: crossings per length in units of their mean on 1/128 < t < "
        "4, mean over nets. A shell would be a hump between the origin and t = 1."
    )
    return (Figure("shells", caption, partial(_draw, lines)),)


def _curve(arm: Mapping[str, Measured], number: int) -> Curve:
    values = [[*arm[f"bin {place} from {number}"].values.values()] for place in range(BINS)]
    middles = np.sqrt(EDGES[:-1] * EDGES[1:])
    known = [(float(t), float(np.mean(v))) for t, v in zip(middles, values, strict=True) if v]
    control = arm[f"data from {number}"].nets.arm != "trained"
    place = "input" if number == 0 else f"behind layer {number}"
    label = f"{place}{', untrained' if control else ''}"
    return Curve(label, [t for t, _ in known], [v for _, v in known], number, control)


def _draw(lines: Sequence[Curve]) -> Canvas:
    axes = ("t", "crossings per length / mean")
    title, subtitle = (
        "Boundaries between origin and activation",
        "solid: trained, dashed: untrained",
    )
    return linear_curves(lines, title, subtitle, axes, upright=1.0, x_scale="log")


QUESTION = Question(
    CLAIM,
    "Is there a shell of boundaries around the origin?",
    ask,
    (SHELL, ABSENT, CHANGES, HERE),
    groups=(),
    fits=fits,
    needs="hidden layers without a norm and without a skip, and data (behind a norm rays are "
    "constant: claims 0.1 and 0.4)",
    text=POLYTOPE_LENS,
    asked="That the density of boundaries along a scaled activation peaks about halfway to the "
    "origin, for Gaussian noise too but not in an untrained network, and that classes change at "
    "the inner side of this shell although they change farther out as well.",
    controls="Noise of equal lengths; the same nets untrained, which have a claim of their own.",
    beside="Untrained nets with every bias zero, where nothing can be crossed; the closed form "
    "for the next layer, from offsets alone.",
    settled="That bins reach in to 1/128, and that peaks are looked for at t < 1.",
)
