"""Claim 0.2: for n = 3 the hyperplanes cut the circle of LayerNorm into arcs, and each arc is a
transformation of its own; RMSNorm in R^2 leaves a circle too.

The first half is a theorem, and its run checks the code: the arc lengths add up to 2 pi sqrt(n).
The second half fails where one code owns several arcs (a slab meets a circle in two); ensembles of
trained and untrained nets say how often it does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import sympy

from exact import LayerNorm, Network, Outcome, Sphere, partition
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import torch_modules
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.cells.neighbouring_maps import cells_of, enumerated
from studies.questions.directions import monosemantic_directions
from studies.questions.shared.intervals import Share, percent
from studies.questions.shared.nets import Nets, ensemble
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.rays import must_live, spanning
from studies.rules import SHARE, Claim, at_most, below, theorem
from studies.statistics import NETS, Estimate, over_clusters
from studies.subjects import NORM_NAMES, Subject, Subjects, Toy
from toy_models import ModelConfig, TrainConfig, TrainResult
from toy_models.models import NormName
from toy_models.populations import Arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.2"
RARE = 0.05
CUT = Claim(
    CLAIM,
    "The hyperplanes of the neurons cut the norm's circle into arcs, and all of an arc undergoes "
    "one affine map.",
    Kind.THEOREM,
    theorem("the enumeration is complete and the exact lengths sum to 2*pi*sqrt(n) in R^n"),
)
OWN = Claim(
    CLAIM,
    "Different arcs undergo different transformations.",
    Kind.CENSUS,
    at_most(0, "the number of arcs without an affine map of their own", range=(0, math.inf)),
)
OWN_IN_MOST = Claim(
    CLAIM,
    f"Different arcs undergo different transformations, in all nets but {percent(RARE)}.",
    Kind.ESTIMATE,
    below(RARE, "the share of nets in which a code owns two arcs", range=SHARE),
)
WIDTHS, SHOWN = (4, 8, 12, 24, 36), 200
TASKS: dict[NormName, TrainConfig] = {
    "layernorm": TrainConfig(task="direction3"),
    "rms": TrainConfig(task="direction", task_options={"dimension": 2, "centred": False}),
}


@dataclass(frozen=True)
class Arcs:
    """The arcs of one network: how many codes own more than one, and the exact sum of lengths."""

    partition: CurvePartition
    shared_codes: int
    length: sympy.Expr


def arcs_of(network: Network) -> Arcs:
    """Partition the circle of a norm."""
    found = enumerated(network, Sphere()).seen_as(CurvePartition)
    return Arcs(found, shared_codes(found), sympy.expand(sum(arc.length for arc in found.regions)))


def shared_codes(found: CurvePartition) -> int:
    """The number of codes that own two arcs or more."""
    return sum(count > 1 for count in Counter(row.tobytes() for row in found.codes).values())


def ask(subjects: Subjects) -> Answer:
    """Arcs, lengths, codes and maps on the trained toys, and shared codes in ensembles, trained and
    not.
    """
    toys = [toy for toy in (*subjects.toys.values(), *subjects.deep.values()) if fits(toy)]
    findings: list[Finding] = []
    for toy in toys:
        findings += _of_toy(toy)
    figures = [_figure(toy) for toy in toys] + _sectors(subjects)
    if not subjects.own:
        ensembles = [one for norm in TASKS for one in ensembles_finding(subjects, norm)]
        findings += ensembles
        figures.append(_shared_codes(ensembles))
    return Answer(tuple(findings), tuple(figures))


def fits(subject: Subject) -> bool:
    """Whether one norm leaves a circle, and nothing of the length reaches hinges behind."""
    if not isinstance(subject, Toy) or len(subject.block.norms) != 1:
        return False
    return subject.block.norms[0].sphere_dim == 1 and monosemantic_directions.fits(subject)


def _of_toy(toy: Toy) -> list[Finding]:
    def own() -> Finding:
        toy.must_have_learned()
        must_live(toy.block)
        return own_map_finding(toy.name, arcs_of(toy.block))

    cut = CUT.guarded(toy.name, lambda: cut_finding(toy.name, arcs_of(toy.block)))
    return [cut, OWN.guarded(toy.name, own)]


def cut_finding(subject: str, found: Arcs) -> Finding:
    """Whether the arcs tile the circle."""
    whole = 2 * sympy.pi * sympy.sqrt(found.partition.network.norms[0].dim)
    complete = found.partition.outcome is Outcome.COMPLETE and found.length == whole
    cells = found.partition.cell_count
    value = f"{_count(cells, 'arc')}, lengths sum to {str(found.length).replace(' ', '')} exactly"
    lengths = [arc.length for arc in found.partition.regions]
    data: dict[str, JSON] = {
        "arcs": cells,
        "codes": found.partition.code_count,
        "crossings": len([c for c in found.partition.crossings if not c.tangent]),
        "length": str(found.length),
        "lengths": [str(length) for length in lengths],
        "lengths_float": [arc.length_float for arc in found.partition.regions],
        "spline_codes": [str(arc.code) for arc in found.partition.regions],
    }
    return CUT.finding(subject, Estimate.exactly(not complete), value=value, data=data)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def own_map_finding(subject: str, found: Arcs) -> Finding:
    """Whether every arc has a map of its own."""
    maps, cells = found.partition.distinct_map_count, found.partition.cell_count
    codes = _count(found.partition.code_count, "code")
    shared = found.shared_codes or "none"
    told = f"{_count(cells, 'arc')}, {codes}, {_count(maps, 'map')}"
    value = f"{told}; codes of several arcs: {shared}"
    data: dict[str, JSON] = {
        "arcs": cells,
        "codes": found.partition.code_count,
        "maps": maps,
        "codes_with_several_arcs": found.shared_codes,
    }
    if cells == 1:
        return OWN.undecided(subject, "one arc has no other to differ from", value=value, data=data)
    return OWN.finding(subject, Estimate.exactly(cells - maps), value=value, data=data)


def ensembles_finding(subjects: Subjects, norm: NormName) -> list[Finding]:
    """How often a code owns several arcs: in trained nets of every width, and in the same nets
    untrained.
    """
    arms: tuple[Arm, ...] = ("trained", "untrained")
    by_width = [
        ensemble(
            subjects,
            replace(TASKS[norm], model=ModelConfig((width,), norm, embed_dim=0)),
            arms,
            group=group,
        )
        for group, width in enumerate(WIDTHS)
    ]
    return [
        OWN_IN_MOST.guarded(
            f"{arm} nets, {NORM_NAMES[norm]}", partial(nets_finding, nets, norm, subjects.seed)
        )
        for arm, nets in zip(arms, zip(*by_width, strict=True), strict=True)
    ]


def nets_finding(by_width: Sequence[Nets], norm: str, seed: int) -> Finding:
    """The share of nets with a code on several arcs, all widths together, and the mean number of
    such codes.
    """
    counts = [[_shared_in(one) for one in nets.results] for nets in by_width]
    every = [count for found in counts for count in found]
    mean = over_clusters(every, np.random.default_rng(seed))
    share, count = Share(sum(map(bool, every)), len(every)), len(every)
    lost = sum(nets.left_out for nets in by_width)
    data: dict[str, JSON] = {
        "nets": f"{NORM_NAMES[norm]}, {by_width[0].arm}",
        "networks": count,
        "with_shared_code": share.hits,
        "low_float": share.interval[0],
        "high_float": share.interval[1],
        "did_not_learn": lost,
        "widths": list(WIDTHS),
        "with_shared_code_by_width": [sum(map(bool, found)) for found in counts],
        "networks_by_width": [len(found) for found in counts],
        **mean.data("mean_codes"),
    }
    left_out = f", {lost} more did not learn" if lost else ""
    return OWN_IN_MOST.finding(
        f"{count} nets, {by_width[0].arm}, {NORM_NAMES[norm]}, {min(WIDTHS)} to {max(WIDTHS)} "
        f"neurons{left_out}",
        share.estimate(NETS),
        value=f"{share} have a code with several arcs; such codes a net: {mean}",
        data=data,
    )


def _shared_in(result: TrainResult) -> int:
    network = torch_modules.read(result.model)
    return shared_codes(partition(network, Sphere()).seen_as(CurvePartition))


def _shared_codes(findings: Sequence[Finding]) -> Figure:
    caption = (
        "The share of nets in which one code owns two arcs or more, in per cent, by norm, training "
        "and number of neurons (95% Wilson intervals). Right of the line the claim fails."
    )
    return Figure("shared-codes", caption, lambda: _draw_shares(findings))


def _draw_shares(findings: Sequence[Finding]) -> Canvas:
    rows = []
    for finding in (one for one in findings if one.data):
        hits, totals = (
            cast("list[int]", finding.data[key])
            for key in ("with_shared_code_by_width", "networks_by_width")
        )
        for width, hit, total in zip(WIDTHS, hits, totals, strict=True):
            if total:
                share = Share(hit, total)
                ends = (100 * end for end in share.interval)
                rows.append(
                    Row(f"{finding.data['nets']}, {width} neurons", 100 * hit / total, *ends)
                )
    title, subtitle = "Nets with a code on two arcs", "95% intervals over nets"
    return forest(rows, title, subtitle, "nets / %", mark=100 * RARE)


def _figure(toy: Toy) -> Figure:
    norm = toy.block.norms[0]
    place = "in the plane of mean zero, " if isinstance(norm, LayerNorm) else ""
    caption = (
        f"The image of {NORM_NAMES.get(toy.norm, toy.norm)} in R^{norm.dim} for {toy.name}: a "
        f"circle of radius √{norm.dim} {place}cut by the neurons' first-layer hyperplanes (lines) "
        "into arcs; equal colour means equal spline code. Dots inside are directions of the data, "
        "by class."
    )
    return Figure(f"arcs-{toy.slug}", caption, lambda: _draw(toy))


def _draw(toy: Toy) -> Canvas:
    from viz.figures.circle import circle_figure

    found = partition(toy.block, Sphere()).seen_as(CurvePartition)
    return circle_figure(found, title=f"The norm's circle, {toy.name}", **toy.shown(SHOWN))


def _sectors(subjects: Subjects) -> list[Figure]:
    """The plane of a task without and with LayerNorm, where both were trained."""
    without, behind = subjects.deep.get("none"), subjects.deep.get("layernorm")
    if (
        without is None
        or behind is None
        or without.network.input_dim != 2
        or behind.network.input_dim != 2
    ):
        return []
    caption = (
        f"The task {without.rows.name} without a norm and behind LayerNorm (embedded in R^3): "
        f"polygons become sectors, "
        "since only the direction of the embedded point matters. Dots are data by class, the "
        "thick line is the decision."
    )
    return [Figure(f"sectors-{without.rows.name}", caption, lambda: _draw_sectors(without, behind))]


def _draw_sectors(without: Toy, behind: Toy) -> Canvas:
    from viz.figures.sectors import sectors_figure

    embedding = behind.network.blocks[0].layers[0]
    spanning(behind.block, embedding.weight.float64().T.tolist())
    plane = cells_of(without).seen_as(FlatPartition)
    arcs = cells_of(behind).seen_as(CurvePartition)
    pair = embedding.weight.float64(), embedding.bias.float64()[:, 0]
    return sectors_figure(plane, arcs, pair, decision=True, **behind.shown(SHOWN, inputs=True))


QUESTION = Question(
    CLAIM,
    "Does every arc have its own map?",
    ask,
    (CUT, OWN, OWN_IN_MOST),
    groups=("toys", "deep"),
    fits=fits,
    needs="one norm that leaves a circle, LayerNorm in R^3 or RMSNorm in R^2, and no skip around "
    "it in front of hinges",
    text=texts.MONOSEMANTIC,
    asked="For three inputs the hyperplanes of the neurons cut the circle that LayerNorm leaves "
    "into arcs, each with a transformation of its own.",
    controls="RMSNorm, which leaves a circle of two inputs.",
    beside="Untrained nets, each beside its trained one.",
    core=True,
)
