"""Claim 0.4: eps is negligible.

Two things could show it: the spline code, and what comes out. Every vector in front of a norm has
its code, and the code at eps = 0, which is that of its direction; both are exact, by the float
filter of `Network.codes` and exact arithmetic where that abstains. The output with eps is compared
with that at eps = 0 in float64, relative to the longer of the two. How far a vector is from where
its code would change is r / r_crit (mathematics.md, "Critical radii").

What is said of a language layer is drawn by sequences, what is said of training by networks. Other
arms: the same weights with the rule "std", which adds eps to the standard deviation instead of the
variance, and networks that were not trained. Claims, measurements and figures of a question stand
in one file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network, Ray, partition
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.networks.norms import EpsRule
from exact.regions.arcs.partition import CurvePartition
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.eps_effects import Outcomes, against_critical_radius, effect
from studies.questions.shared.intervals import finite, percent, share_over
from studies.questions.shared.nets import Nets, ensemble
from studies.questions.shared.pictures import Curve, Row, beyond, forest, sweeps
from studies.questions.shared.rays import directed, must_live, with_eps, with_rule
from studies.rules import SHARE, Claim, below
from studies.statistics import (
    MINIMUM,
    NETS,
    SEQUENCES,
    Degenerate,
    Estimate,
    Percentile,
    over_clusters,
    wilson,
)
from studies.subjects import NORM_NAMES, LanguageLayer, Subject, Subjects, Toy
from toy_models import ModelConfig, TrainConfig
from toy_models.models import NormName
from toy_models.populations import Arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.4"
RESIDUALS = "residuals"
NEGLIGIBLE, CHANGE = 0.02, 0.01
HIGH, CHANGES = Percentile(0.99), (0.0, 2.0)
SWEPT, DRAWS = 1_000, 499
UNTRAINED = ", untrained"
EPS = tuple(f"1e-{k}" for k in range(12, 2, -1))
ARMS: tuple[Arm, ...] = ("trained", "untrained")
NORMS: tuple[NormName, ...] = ("layernorm", "rms")
TASK, WIDTH = "direction3", 12


def _code(unit: str, least: int = 1) -> Claim:
    """The claim about codes, over these units."""
    of = "the share of residuals with another code than their direction's at eps = 0"
    return Claim(
        CLAIM,
        "eps counts only very close to the origin: residual vectors lie far enough out to have the "
        "spline code of their direction.",
        Kind.ESTIMATE,
        below(NEGLIGIBLE, of, range=SHARE, unit=unit, least=least),
    )


def _output(unit: str, least: int = 1) -> Claim:
    """The claim about outputs, over these units."""
    of = "the relative change of the output between eps and 0"
    high = f"99th percentile (of at least {HIGH.fewest:,} vectors)"
    rules = (
        below(CHANGE, f"the {which} of {of}", range=CHANGES, unit=unit, least=least)
        for which in ("median", high)
    )
    return Claim(
        CLAIM,
        "eps counts only very close to the origin: on residual vectors the layers behind the norm "
        "give the output of eps = 0.",
        Kind.ESTIMATE,
        next(rules) & next(rules),
    )


CODE = {RESIDUALS: _code(RESIDUALS), SEQUENCES: _code(SEQUENCES, 2), NETS: _code(NETS, MINIMUM)}
OUTPUT = {
    RESIDUALS: _output(RESIDUALS),
    SEQUENCES: _output(SEQUENCES, 2),
    NETS: _output(NETS, MINIMUM),
}


def ask(subjects: Subjects) -> Answer:
    """Codes and outputs of all residual vectors, with eps and without."""
    toys = [toy for toy in subjects.all_toys if fits(toy)]
    findings: list[Finding] = []
    for toy in toys:
        findings += _of_toy(toy, subjects)
    for layer in subjects.language:
        findings += _of_layer(layer, subjects.seed)
    if not subjects.own:
        for norm in NORMS:
            findings += _of_nets(subjects, norm)
    figures = [_radius_figure(findings), _sweep_figure(findings)]
    return Answer(tuple(findings), (*figures, *map(_ray_figure, subjects.language[:1])))


def fits(subject: Subject) -> bool:
    """Whether there is a norm with eps > 0, and vectors in front of it."""
    network = subject.block if isinstance(subject, Toy) else subject.network
    there = not isinstance(subject, Toy) or subject.dataset is not None
    return there and any(norm.eps > 0 for norm in network.norms)


# ---- findings


def findings_of(
    subject: str,
    network: Network,
    vectors: FloatArray,
    seed: int,
    sequences: IndexArray | None = None,
    data: Mapping[str, JSON] | None = None,
) -> list[Finding]:
    """Codes and outputs of one network on all vectors, drawn by the sequences that they come
    from; each vector by itself where there are none.
    """
    unit = RESIDUALS if sequences is None else SEQUENCES
    places = np.arange(len(vectors)) if sequences is None else sequences
    must_live(network)
    found, rng = effect(network, vectors), np.random.default_rng(seed)
    share = share_over(found.other, places, rng, unit=unit, draws=DRAWS)
    groups = [found.change[places == one] for one in np.unique(places)]
    median, high = (
        over_clusters(groups, rng, statistic=statistic, unit=unit, draws=DRAWS, range=CHANGES)
        for statistic in (np.median, HIGH)
    )
    named = {**_eps(network), "residuals": len(vectors), **(data or {})}
    count = int(found.other.sum())
    value = f"{count:,} of {len(vectors):,} have another code: {share}"
    return [
        CODE[unit].finding(
            subject, share, value=value, data={"other_code": count, **share.data("share"), **named}
        ),
        OUTPUT[unit].finding(
            subject,
            median,
            high,
            value=_told(median, high),
            data={**median.data("median"), **high.data("percentile_99"), **named},
        ),
    ]


def _told(median: Estimate, high: Estimate) -> str:
    """The finding says beside it why an interval is missing."""
    of = high if high.interval or high.value is None else f"{high.value:.3g} without an interval"
    return f"change of the output: median {median}; 99th percentile {of}"


def _eps(network: Network) -> dict[str, JSON]:
    first = network.norms[0]
    return {"eps": f"{int(first.eps.p)}/{int(first.eps.q)}", "eps_rule": first.eps_rule}


def _guarded(subject: str, unit: str, measure: partial[list[Finding]]) -> list[Finding]:
    """Both findings, or both undecided and why."""
    found: list[Finding] = []

    def first() -> Finding:
        found.extend(measure())
        return found[0]

    code = CODE[unit].guarded(subject, first)
    return found or [code, OUTPUT[unit].undecided(subject, code.why)]


# ---- one network


def _of_toy(toy: Toy, subjects: Subjects) -> list[Finding]:
    """One of the study's, or of a user's own, whose eps is swept as well."""

    def measured() -> list[Finding]:
        toy.must_have_learned()
        data = _radii(toy.block, toy.residuals)
        if subjects.own:
            data["sweep"] = _sweep(toy.block, toy.residuals)
        return findings_of(toy.name, toy.block, toy.residuals, subjects.seed, data=data)

    return _guarded(toy.name, RESIDUALS, partial(measured))


def _of_layer(layer: LanguageLayer, seed: int) -> list[Finding]:
    """The layer as it is, with the other rule, and without training."""

    def measured(name: str, one: LanguageLayer, network: Network, more: bool) -> list[Finding]:
        vectors, places = one.vectors, one.places
        data = {**_radii(network, vectors), "sweep": _sweep(network, vectors)} if more else None
        return findings_of(name, network, vectors, seed, places, data)

    unit = RESIDUALS if layer.places is None else SEQUENCES
    arms = [(layer.name, layer, layer.network, True)]
    arms += [(f"{layer.name}, eps beside the root", layer, with_rule(layer.network, "std"), False)]
    if layer.untrained is not None:
        arms += [(f"{layer.name}{UNTRAINED}", layer.untrained, layer.untrained.network, True)]
    found: list[Finding] = []
    for arm in arms:
        found += _guarded(arm[0], unit, partial(measured, *arm))
    return found


def _sweep(network: Network, vectors: FloatArray) -> list[JSON]:
    """For every eps: the share of other codes, median and 99th percentile of the change."""
    taken = vectors[:SWEPT]
    limit = Outcomes.of(with_eps(network, 0), taken)
    return [[eps, *effect(with_eps(network, eps), taken, limit).row] for eps in EPS]


def _radii(network: Network, vectors: FloatArray) -> dict[str, JSON]:
    """Median and ends of r / r_crit, None for infinite ones, and critical radii."""
    ratios, critical = against_critical_radius(network, vectors)
    if not len(ratios):
        return {}
    low, median, high = np.quantile(ratios, (0.05, 0.5, 0.95), method="nearest").tolist()
    return {
        "median_ratio_float": finite(median),
        "ratio_5_percent_float": finite(low),
        "ratio_95_percent_float": finite(high),
        "median_critical_radius_float": float(np.median(critical)),
        "largest_critical_radius_float": float(np.max(critical)),
    }


# ---- networks of many seeds


def _of_nets(subjects: Subjects, norm: NormName) -> list[Finding]:
    """The mean over nets of one norm: trained, with the other rule, and untrained."""
    model = ModelConfig(widths=(WIDTH,), norm=norm, embed_dim=0)
    arms = ensemble(subjects, TrainConfig(task=TASK, model=model), ARMS)
    found: list[Finding] = []
    asked: list[tuple[Nets, EpsRule]] = [(nets, "var") for nets in arms]
    for nets, rule in [*asked, (arms[0], "std")]:
        beside = ", eps beside the root" if rule == "std" else ""
        subject = f"{TASK} ({WIDTH}), {NORM_NAMES[norm]}, {nets.arm} nets{beside}"
        found += nets_findings(subject, nets, rule, subjects.seed)
    return found


def nets_findings(subject: str, nets: Nets, rule: EpsRule, seed: int) -> list[Finding]:
    """Codes and outputs over nets, each on its own data."""
    rng = np.random.default_rng(seed)
    rows = np.array([*_rows(nets, rule)])
    if not len(rows):
        return [one[NETS].undecided(subject, "no net learned") for one in (CODE, OUTPUT)]
    share, median, high = (
        over_clusters(column, rng, range=bounds)
        for column, bounds in zip(rows.T, (SHARE, CHANGES, CHANGES), strict=True)
    )
    fewest = min(len(one.dataset) for one in nets.results)
    if fewest < HIGH.fewest:
        why = f"{fewest} vectors a net for a percentile: it takes {HIGH.fewest:,}"
        high = Estimate.unknown(why, clusters=len(rows), value=high.value)
    if not rows[:, 0].any():
        share = _none(nets)
    spread = f"largest of a net {percent(float(rows[:, 0].max()))}; {nets.told}"
    shares: dict[str, JSON] = {"shares_float": rows[:, 0].tolist(), **nets.data}
    changes = {**median.data("median"), **high.data("percentile_99"), **nets.data}
    return [
        CODE[NETS].finding(
            subject, share, value=f"{share}; {spread}", data={**share.data("share"), **shares}
        ),
        OUTPUT[NETS].finding(subject, median, high, value=_told(median, high), data=changes),
    ]


def _none(nets: Nets) -> Estimate:
    """The share where no net has a vector with another code: the nets do not differ, and of each
    the rows leave open what Wilson's interval of one net says.
    """
    found = wilson(0, min(len(one.dataset) for one in nets.results))
    return replace(found, clusters=len(nets.results), method="Wilson, of one net")


def _rows(nets: Nets, rule: EpsRule) -> Iterator[tuple[float, float, float]]:
    for result in nets.results:
        toy = Toy.of("a net", result.model, result.dataset)
        yield effect(with_rule(toy.block, rule), toy.residuals).row


# ---- figures


def _radius_figure(findings: Iterable[Finding]) -> Figure:
    keys = ("median_ratio_float", "ratio_5_percent_float", "ratio_95_percent_float")
    rows = [
        Row(f.subject, *(math.inf if f.data[key] is None else number(f.data[key]) for key in keys))
        for f in findings
        if f.statement == CODE[NETS].statement and all(key in f.data for key in keys)
    ]
    caption = (
        "How many times longer residual vectors are than the critical radius of their direction "
        "(r / r_crit, logarithmic): the median and the range from the 5th to the 95th percentile. "
        f"Right of 1 the code is that of the direction at eps = 0.{beyond(rows)}"
    )
    title, subtitle = (
        "Residuals against their critical radius",
        "median, 5th and 95th percentile; right of 1 eps changes no code",
    )
    return Figure(
        "critical-radius",
        caption,
        lambda: forest(rows, title, subtitle, "r / r_crit", mark=1, scale="log"),
    )


def _sweep_figure(findings: Iterable[Finding]) -> Figure:
    told = [
        (f.subject, f.data["sweep"])
        for f in findings
        if f.statement == CODE[NETS].statement and "sweep" in f.data
    ]
    caption = (
        f"The same weights with every eps from {EPS[0]} to {EPS[-1]}, on up to {SWEPT:,} residual "
        "vectors a layer: the share whose code is not that of eps = 0, exact, and the 99th "
        "percentile of the relative change of the output. Open marks at the lower edge: none."
    )
    return Figure("eps-swept", caption, partial(_draw_sweep, told))


def _draw_sweep(told: Sequence[tuple[str, JSON]]) -> Canvas:
    if not told:
        raise Degenerate("no eps was swept", value="no subject", remedy="give one that learned")
    panels = []
    bare = [name.removesuffix(UNTRAINED) for name, _ in told]
    groups = {name: place for place, name in enumerate(dict.fromkeys(bare))}
    for column, axis in ((1, "share of other codes"), (3, "99th percentile of the change")):
        lines = []
        for (name, table), base in zip(told, bare, strict=True):
            assert isinstance(table, Sequence)
            rows = [row for row in table if isinstance(row, Sequence)]
            x, y = [float(str(row[0])) for row in rows], [number(row[column]) for row in rows]
            lines.append(Curve(name, x, y, groups[base], name.endswith(UNTRAINED)))
        panels.append((axis, lines))
    subtitle = "exact codes and float64 outputs against those at eps = 0"
    return sweeps(panels, "What eps changes", subtitle, "eps")


def _ray_figure(layer: LanguageLayer) -> Figure:
    return Figure("ray-of-a-residual", ray_caption(layer), lambda: _draw_ray(layer))


def ray_caption(layer: LanguageLayer) -> str:
    """What the figure shows, in its numbers."""
    start = (
        f"The ray from the origin through a residual vector of {layer.name} (t = 1), with ReLU for "
        "GELU."
    )
    try:
        ray = _ray(layer)
    except Degenerate as why:
        return f"{start} Not drawn: {why}."
    last, count = ray.regions[-1].parameters_float[0], len(ray) - 1
    if not count:
        return f"{start} The code never changes."
    x, limit = layer.vectors[0], with_eps(ray.network, 0).forward_float(layer.vectors[0])
    gaps = (
        float(np.linalg.norm(ray.network.forward_float(t * x) - limit) / np.linalg.norm(limit))
        for t in (last, 1.0)
    )
    at_last, at_one = (percent(gap) for gap in gaps)
    place = "below" if last < 1 else "beyond"
    times = "once" if count == 1 else f"{count} times, last"
    return (
        f"{start} The code changes {times} at t = {last:.2g}, {place} t = 1; the output goes on "
        f"changing: from that at eps = 0 it is {at_last} of its length away at the last change, "
        f"and {at_one} at t = 1."
    )


def _ray(layer: LanguageLayer) -> CurvePartition:
    (first,) = directed(layer.network, layer.vectors[:1].tolist())
    return partition(layer.network.relu_ised(), Ray(0, first)).seen_as(CurvePartition)


def _draw_ray(layer: LanguageLayer) -> Canvas:
    from viz.figures.profiles import profile_figure

    return profile_figure(_ray(layer), title=f"{layer.name}: along a residual vector", log=True)


QUESTION = Question(
    CLAIM,
    "Is eps negligible?",
    ask,
    (*CODE.values(), *OUTPUT.values()),
    fits=fits,
    needs="a norm with eps > 0, and data before it",
    text=texts.MONOSEMANTIC,
    asked="The eps of LayerNorm can be set aside.",
    controls="eps = 0.",
    beside="eps beside the root (std) as well as under it; untrained nets and layers; eps from "
    "1e-12 to 1e-3.",
    core=True,
)
