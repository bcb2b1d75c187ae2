"""Claim 0.2: for n = 3 the hyperplanes cut the circle of LayerNorm into arcs, and each arc is a
transformation of its own.

The first half is a theorem, and its run checks the code: the arc lengths add up to 2 pi sqrt(3).
The second half fails where one code owns several arcs (a slab meets a circle in two); an ensemble
says how often it does.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy

from exact import Network, Outcome, Sphere, partition
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import torch_modules
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.neighbouring_maps import cells_of, enumerated
from studies.questions.shared.intervals import Share, percent
from studies.questions.shared.rays import must_live, spanning
from studies.rules import SHARE, Claim, at_most, below, theorem
from studies.statistics import NETS, Estimate
from studies.subjects import Subjects, Toy
from toy_models.models import ModelConfig, initialised

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.2"
RARE = 0.05
CUT = Claim(
    CLAIM,
    "Neurons cut the circle of LayerNorm in R^3 into arcs, with one affine map on each.",
    Kind.THEOREM,
    theorem("the enumeration is complete and the exact lengths sum to 2*pi*sqrt(3)"),
)
OWN = Claim(
    CLAIM,
    "Each arc is a different transformation.",
    Kind.CENSUS,
    at_most(0, "the number of arcs without an affine map of their own", range=(0, math.inf)),
)
OWN_IN_MOST = Claim(
    CLAIM,
    f"Each arc is a different transformation, in all untrained nets but {percent(RARE)}.",
    Kind.ESTIMATE,
    below(RARE, "the share of nets in which a code owns two arcs", range=SHARE),
)
ENSEMBLE, ENSEMBLE_WIDTHS, SHOWN = 200, (4, 12, 36), 200


@dataclass(frozen=True)
class Arcs:
    """The arcs of one network: how many codes own more than one, and the exact sum of lengths."""

    partition: CurvePartition
    shared_codes: int
    length: sympy.Expr


def arcs_of(network: Network) -> Arcs:
    """Partition the circle of a norm in R^3."""
    found = enumerated(network, Sphere()).seen_as(CurvePartition)
    return Arcs(found, shared_codes(found), sympy.expand(sum(arc.length for arc in found.regions)))


def shared_codes(found: CurvePartition) -> int:
    """The number of codes that own two arcs or more."""
    return sum(count > 1 for count in Counter(row.tobytes() for row in found.codes).values())


def ask(subjects: Subjects) -> Answer:
    """Arcs, lengths, codes and maps on the trained toys, and shared codes in an ensemble of
    untrained ones.
    """
    toys = [
        toy for toy in (*subjects.toys.values(), *subjects.deep.values()) if toy.norm == "layernorm"
    ]
    findings: list[Finding] = []
    for toy in toys:
        findings += _of_toy(toy)
    figures = [_figure(toy) for toy in toys] + _sectors(subjects)
    findings += [ensemble_finding(subjects.seed, width, ENSEMBLE) for width in ENSEMBLE_WIDTHS]
    return Answer(tuple(findings), tuple(figures))


def _of_toy(toy: Toy) -> list[Finding]:
    def own() -> Finding:
        toy.must_have_learned()
        must_live(toy.block)
        return own_map_finding(toy.name, arcs_of(toy.block))

    cut = CUT.guarded(toy.name, lambda: cut_finding(toy.name, arcs_of(toy.block)))
    return [cut, OWN.guarded(toy.name, own)]


def cut_finding(subject: str, found: Arcs) -> Finding:
    """Whether the arcs tile the circle."""
    whole = 2 * sympy.pi * sympy.sqrt(3)
    complete = found.partition.outcome is Outcome.COMPLETE and found.length == whole
    cells = found.partition.cell_count
    value = f"{cells} arcs, lengths sum to {str(found.length).replace(' ', '')} exactly"
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


def own_map_finding(subject: str, found: Arcs) -> Finding:
    """Whether every arc has a map of its own."""
    maps, cells = found.partition.distinct_map_count, found.partition.cell_count
    value = (
        f"{cells} arcs, {found.partition.code_count} codes, {maps} maps; {found.shared_codes} "
        f"codes own several arcs"
    )
    data: dict[str, JSON] = {
        "arcs": cells,
        "codes": found.partition.code_count,
        "maps": maps,
        "codes_with_several_arcs": found.shared_codes,
    }
    return OWN.finding(subject, Estimate.exactly(cells - maps), value=value, data=data)


def ensemble_finding(seed: int, width: int, count: int) -> Finding:
    """How often a code owns several arcs in untrained networks with torch's usual initial
    weights.
    """
    config = ModelConfig(widths=(width,), norm="layernorm", embed_dim=0, input_dim=3, output_dim=4)
    hits = 0
    for index in range(count):
        toy = torch_modules.read(initialised(config, seed * count + index))
        hits += shared_codes(partition(toy, Sphere()).seen_as(CurvePartition)) > 0
    share = Share(hits, count)
    low, high = share.interval
    return OWN_IN_MOST.finding(
        f"{count} untrained toys, {width} neurons, LayerNorm",
        share.estimate(NETS),
        value=f"{share} have a code with several arcs",
        data={"networks": count, "with_shared_code": hits, "low_float": low, "high_float": high},
    )


def _figure(toy: Toy) -> Figure:
    caption = (
        f"The image of LayerNorm in R^3 for {toy.name}: a circle of radius √3 in the plane of "
        f"mean zero, cut by the neurons' "
        "first-layer hyperplanes (lines) into arcs; equal colour means equal spline code. Dots "
        "inside are directions of the "
        "data, by class."
    )
    return Figure(f"arcs-{toy.dataset.name}", caption, lambda: _draw(toy))


def _draw(toy: Toy) -> Canvas:
    from viz.figures.circle import circle_figure

    found = partition(toy.block, Sphere()).seen_as(CurvePartition)
    classes = toy.dataset.targets[:SHOWN].tolist()
    return circle_figure(
        found, title=f"LayerNorm's circle, {toy.name}", data=toy.residuals[:SHOWN], classes=classes
    )


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
        f"The task {without.dataset.name} without a norm and behind LayerNorm (embedded in R^3): "
        f"polygons become sectors, "
        "since only the direction of the embedded point matters. Dots are data by class, the "
        "thick line is the decision."
    )
    return [
        Figure(f"sectors-{without.dataset.name}", caption, lambda: _draw_sectors(without, behind))
    ]


def _draw_sectors(without: Toy, behind: Toy) -> Canvas:
    from viz.figures.sectors import sectors_figure

    embedding = behind.network.blocks[0].layers[0]
    spanning(behind.block, embedding.weight.float64().T.tolist())
    plane = cells_of(without).seen_as(FlatPartition)
    arcs = cells_of(behind).seen_as(CurvePartition)
    pair = embedding.weight.float64(), embedding.bias.float64()[:, 0]
    classes = behind.dataset.targets[:SHOWN].tolist()
    return sectors_figure(
        plane, arcs, pair, data=behind.inputs[:SHOWN], classes=classes, decision=True
    )


QUESTION = Question(CLAIM, "Does every arc have its own map?", ask, (CUT, OWN, OWN_IN_MOST))
