"""Claim 0.3: for n = 4 the neurons cut a 2-sphere into cells bounded by circles, and higher n behave alike.

The number of cells is exact: Euler's relation for circles in simple position, cells = 1 + components + crossings. Sampled
codes are a lower bound (one code can own several cells) and m^2 - m + 2 the generic maximum for m circles. In higher
dimensions this study sees great circles only: exact arcs along geodesics between residual vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

from exact import GreatCircle, Network, Outcome, Unsupported, partition
from exact.arcs import CurvePartition
from exact.counting import sphere_cell_count
from studies.finding import JSON, Answer, Finding, Question, Verdict
from studies.questions.rays import affordable
from studies.questions.sampling import codes_float, distinct_codes, random_points
from studies.subjects import LanguageLayer, Subjects

CLAIM = "0.3"
CELLS = "On a 2-sphere (LayerNorm in R^4, RMSNorm in R^3) each neuron cuts along a circle, and the circles bound the cells."
ALIKE = "In higher dimensions a geodesic crosses the boundary of one neuron at a time."
RULE_CELLS = (
    "supported iff Euler's exact count holds and sampled codes <= cells <= m^2 - m + 2 for m circles; refuted iff the bounds "
    "are broken; undecided iff the circles are not in simple position"
)
RULE_ALIKE = "supported iff every geodesic is enumerated completely and each of its crossings flips one neuron, else refuted"
SAMPLES, GEODESICS = 50_000, 6


def ask(subjects: Subjects) -> Answer:
    """Exact numbers of cells on the 2-spheres of the toys, and exact arcs on great circles of the language layers."""
    toys = [toy for toy in (*subjects.spheres.values(), *subjects.toys.values()) if _has_two_sphere(toy.block)]
    findings = [cells_finding(toy.name, toy.block, subjects.seed) for toy in toys]
    findings += [geodesics_finding(layer) for layer in subjects.language]
    return Answer(tuple(findings))


def _has_two_sphere(network: Network) -> bool:
    norm = network.blocks[0].norm
    return norm is not None and norm.sphere_dim == 2 and len(network.hidden_layers) == 1


def cells_finding(subject: str, network: Network, seed: int) -> Finding:
    """The exact count between a sampled lower bound and the generic maximum."""
    sampled = len(distinct_codes(codes_float(network, random_points(network.input_dim, SAMPLES, seed))))
    try:
        count = sphere_cell_count(network)
    except Unsupported as refusal:
        value = f"not in simple position: {refusal.value}; {sampled} codes sampled"
        return Finding(CLAIM, CELLS, subject, RULE_CELLS, value, Verdict.UNDECIDED, {"sampled_codes": sampled})
    most = count.circles**2 - count.circles + 2 if count.circles else 1
    verdict = Verdict.SUPPORTED if sampled <= count.cells <= most else Verdict.REFUTED
    value = f"{count.cells} cells exactly (maximum {most}); {sampled} codes in {SAMPLES:,} samples"
    data: dict[str, JSON] = {"circles": count.circles, "crossings": count.crossings, "components": count.components,
                             "cells": count.cells, "maximum": most, "sampled_codes": sampled, "samples": SAMPLES}  # fmt: skip
    return Finding(CLAIM, CELLS, subject, RULE_CELLS, value, verdict, data)


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
    """Partition the great circle through two vectors and find, exactly, the cells between them (the shorter way)."""
    circle = partition(network, GreatCircle(u, v))
    assert isinstance(circle, CurvePartition)
    start, end = circle.locate(u), circle.locate(v)
    steps = (end - start) % len(circle)
    if start == end and circle.cells.cuts and circle.direction_of(v).compare(circle.cells.cuts[0].direction) > 0:
        steps = len(circle)  # the one arc reaches around the circle, and the short way leaves and enters it again
    return Geodesic(circle, tuple((start + k) % len(circle) for k in range(steps + 1)))


def residual_pairs(layer: LanguageLayer, count: int) -> list[tuple[tuple[object, ...], tuple[object, ...]]]:
    """Pairs of residual vectors of different tokens."""
    rows = [tuple(row) for row in layer.vectors[: 2 * count].tolist()]
    return list(zip(rows[::2], rows[1::2], strict=True))


def geodesics_finding(layer: LanguageLayer) -> Finding:
    """Great circles through residual vectors."""
    found = [geodesic(layer.network, u, v) for u, v in residual_pairs(layer, affordable(layer.network, GEODESICS))]
    joints = [c for g in found for c in g.circle.crossings if not c.tangent]
    complete = all(g.circle.outcome is Outcome.COMPLETE for g in found)
    single = sum(len(c.hinges) == 1 for c in joints)
    arcs = [len(g.circle) for g in found]
    between = [g.crossings for g in found]
    value = (
        f"{min(arcs)}-{max(arcs)} arcs a circle (at most {2 * layer.network.hinge_count}), {min(between)}-{max(between)} "
        f"crossings between residuals; {single} of {len(joints)} crossings flip one neuron"
    )
    verdict = Verdict.SUPPORTED if complete and single == len(joints) else Verdict.REFUTED
    data: dict[str, JSON] = {"circles": len(found), "arcs": list(arcs), "crossings_between_residuals": list(between),
                             "single_flips": single, "crossings": len(joints)}  # fmt: skip
    return Finding(CLAIM, ALIKE, f"{layer.name}, {len(found)} geodesics", RULE_ALIKE, value, verdict, data)


QUESTION = Question(CLAIM, "Cells of spheres in higher dimensions", ask)
