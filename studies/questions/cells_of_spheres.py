"""Claim 0.3: for n = 4 the neurons cut a 2-sphere into cells bounded by circles, and higher n
behave alike.

Every cell is enumerated, with its code, its area and its neighbours; Euler's relation is checked on
the way. Sampled codes must be among those found, and m^2 - m + 2 is the most cells that m circles
leave. In the hundreds of dimensions of a language model this study sees great circles: exact arcs
along geodesics between residual vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from exact import GreatCircle, Network, Outcome, Plane, Sphere, partition
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.partition import SpherePartition
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.methods.passes import codes_float
from studies.question import Question
from studies.questions.shared.intervals import Share
from studies.questions.shared.rays import Pair, affordable, spanning
from studies.questions.shared.sampling import distinct_codes, random_points
from studies.rules import SHARE, Claim, above, theorem
from studies.statistics import Degenerate, Estimate
from studies.subjects import LanguageLayer, Subject, Subjects, Toy

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.3"
ALMOST_ALL = 0.99
CELLS = Claim(
    CLAIM,
    "On a 2-sphere (LayerNorm in R^4, RMSNorm in R^3) each neuron cuts along a circle, and the "
    "circles bound the cells.",
    Kind.THEOREM,
    theorem(
        "every sampled code is among the codes found, and cells <= m^2 - m + 2 for m neurons",
        open_if="the partition ends early",
    ),
)
ALIKE = Claim(
    CLAIM,
    "In higher dimensions a geodesic crosses the boundary of one neuron at a time.",
    Kind.ESTIMATE,
    above(
        ALMOST_ALL,
        "the share of crossings that flip one neuron",
        range=SHARE,
        unit="crossings",
        least=1,
    ),
)
SAMPLES, GEODESICS, SHOWN = 50_000, 6, 300
FAR = 2.0**20  # samples are taken where eps no longer matters


def ask(subjects: Subjects) -> Answer:
    """The exact cells of the 2-spheres of the toys, and exact arcs on great circles of the language
    layers.
    """
    toys = [toy for toy in (*subjects.spheres.values(), *subjects.toys.values()) if fits(toy)]
    findings = [
        CELLS.guarded(toy.name, partial(cells_finding, toy.name, toy.block, subjects.seed))
        for toy in toys
    ]
    findings += [
        ALIKE.guarded(layer.name, partial(geodesics_finding, layer)) for layer in subjects.language
    ]
    return Answer(tuple(findings), tuple([*map(_globe, toys), *_side_by_side(subjects)]))


def fits(subject: Subject) -> bool:
    """Whether one hidden layer cuts the 2-sphere of a norm; a language layer has geodesics."""
    if not isinstance(subject, Toy):
        return subject.network.has_norm
    norm, hidden = subject.block.blocks[0].norm, subject.block.hidden_layers
    return norm is not None and norm.sphere_dim == 2 and len(hidden) == 1


def cells_finding(subject: str, network: Network, seed: int) -> Finding:
    """All cells of a 2-sphere, held against sampled codes and the generic maximum."""
    found, neurons = partition(network, Sphere()).seen_as(SpherePartition), network.hinge_count
    sampled = distinct_codes(
        codes_float(network, FAR * random_points(network.input_dim, SAMPLES, seed))
    )
    missed = len(sampled - {row.tobytes() for row in found.codes})
    most = neurons * neurons - neurons + 2
    violations = Estimate.exactly(missed + max(0, len(found) - most))
    if found.outcome is not Outcome.COMPLETE:
        violations = Estimate.unknown("the partition ended early")
    shares = found.areas_float() / float(found.area)
    discs = sum(found.regions[i].is_disc for i in range(len(found)))
    value = (
        f"{len(found)} cells (maximum {most}) of {found.code_count} codes, {discs} of them discs; "
        f"the largest covers "
        f"{max(shares):.1%} of the sphere; {len(sampled)} codes in {SAMPLES:,} samples, {missed} "
        f"of them not found"
    )
    data: dict[str, JSON] = {
        "circles": len(found.complex.circles),
        "crossings": found.complex.vertex_count,
        "components": found.complex.components,
        "cells": len(found),
        "codes": found.code_count,
        "discs": discs,
        "maximum": most,
        "largest_share": float(max(shares)),
        "sampled_codes": len(sampled),
        "samples": SAMPLES,
        "missed": missed,
    }
    return CELLS.finding(subject, violations, value=value, data=data)


@dataclass(frozen=True)
class Geodesic:
    """The cells of a great circle from u through v, and those met on the way from u to v."""

    circle: CurvePartition
    path: tuple[int, ...]

    @property
    def crossings(self) -> int:
        """The number of crossings between u and v."""
        return len(self.path) - 1


def geodesic(network: Network, u: tuple[object, ...], v: tuple[object, ...]) -> Geodesic:
    """Partition the great circle through two vectors and find, exactly, the cells between them (the
    shorter way).
    """
    circle = partition(network, GreatCircle(u, v)).seen_as(CurvePartition)
    start, end = circle.locate(u), circle.locate(v)
    steps = (end - start) % len(circle)
    if (
        start == end
        and circle.cells.cuts
        and circle.direction_of(v).compare(circle.cells.cuts[0].direction) > 0
    ):
        # the one arc reaches around the circle, and the short way leaves and enters it again
        steps = len(circle)
    return Geodesic(circle, tuple((start + k) % len(circle) for k in range(steps + 1)))


def residual_pairs(layer: LanguageLayer, count: int) -> list[Pair]:
    """Pairs of residual vectors of different tokens. Raises Degenerate where they have one
    direction.
    """
    return spanning(layer.network, layer.vectors[: 2 * count].tolist())


def geodesics_finding(layer: LanguageLayer) -> Finding:
    """Great circles through residual vectors."""
    pairs = residual_pairs(layer, affordable(layer.network, GEODESICS))
    found = [geodesic(layer.network, u, v) for u, v in pairs]
    joints = [c for g in found for c in g.circle.crossings if not c.tangent]
    if not joints:
        raise Degenerate(
            "no geodesic crosses a boundary", value=f"{len(found)} geodesics", remedy="take others"
        )
    share = Share(sum(len(c.hinges) == 1 for c in joints), len(joints))
    single = share.estimate("crossings")
    if not all(g.circle.outcome is Outcome.COMPLETE for g in found):
        single = Estimate.unknown("a partition ended early", unit="crossings")
    arcs = [len(g.circle) for g in found]
    between = [g.crossings for g in found]
    value = (
        f"{min(arcs)}-{max(arcs)} arcs a circle (at most {2 * layer.network.hinge_count}), "
        f"{min(between)}-{max(between)} crossings between residuals; {share.hits} of "
        f"{share.total} crossings flip one neuron"
    )
    data: dict[str, JSON] = {
        "circles": len(found),
        "arcs": list(arcs),
        "crossings_between_residuals": list(between),
        "single_flips": share.hits,
        "crossings": share.total,
    }
    return ALIKE.finding(f"{layer.name}, {len(found)} geodesics", single, value=value, data=data)


def _globe(toy: Toy) -> Figure:
    caption = (
        f"The 2-sphere behind the norm of {toy.name}, cut into cells by circles, one per neuron; "
        f"equal colour means equal "
        "spline code, dashed arcs are on the far side, dots are directions of the data by class."
    )
    return Figure(f"globe-{toy.slug}", caption, lambda: _draw_globe(toy))


def _draw_globe(toy: Toy) -> Canvas:
    from viz.figures.globe import globe_figure

    found = partition(toy.block, Sphere()).seen_as(SpherePartition)
    return globe_figure(found, title=f"The 2-sphere of {toy.name}", **toy.shown(SHOWN))


def _side_by_side(subjects: Subjects) -> list[Figure]:
    """The toys of R^3 without a norm and behind each, where both were trained."""
    without = subjects.toys.get("none")
    behind = [
        toy for toy in subjects.toys.values() if toy.norm != "none" and toy.block.input_dim == 3
    ]
    if without is None or without.block.input_dim != 3:
        return []
    caption = (
        "One architecture, task and seed, without a norm (left) and behind {} (middle): a plane "
        "through the origin is cut into "
        "polygons, and behind the norm into sectors, because only directions count. Right: all "
        "directions."
    )
    return [
        Figure(
            f"side-by-side-{toy.norm}",
            caption.format(toy.name),
            partial(_draw_side_by_side, without, toy),
        )
        for toy in behind
    ]


def _draw_side_by_side(without: Toy, behind: Toy) -> Canvas:
    from viz.figures.side_by_side import side_by_side_figure

    u, v = (1, 0, -1), (0, 1, 1)
    plane = partition(without.block, Plane([0, 0, 0], u, v, s=(-2, 2), t=(-2, 2)))
    return side_by_side_figure(
        plane.seen_as(FlatPartition),
        partition(behind.block, GreatCircle(u, v)).seen_as(CurvePartition),
        partition(behind.block, Sphere()),
        title=f"Without and with a norm: {behind.name}",
        **behind.shown(SHOWN),
    )


QUESTION = Question(
    CLAIM,
    "Cells of spheres in higher dimensions",
    ask,
    (CELLS, ALIKE),
    groups=("toys", "spheres", "language"),
    fits=fits,
    needs="one hidden layer behind LayerNorm in R^4 or RMSNorm in R^3, or a language layer "
    "behind a norm",
)
