"""Claim 0.3: for n = 4 the neurons cut a 2-sphere into cells bounded by circles, and higher n
behave alike.

Every cell is enumerated, with its code, its area and its neighbours; Euler's relation is checked on
the way. Sampled codes must be among those found, and there are at most as many cells as m great
spheres in general position leave (Cover 1965): 2 (C(m - 1, 0) + ... + C(m - 1, d - 1)) on the
sphere of R^d, m^2 - m + 2 for m circles. In R^5 to R^7 all codes are enumerated, and how many cells
each owns. In the hundreds of dimensions of a language model this study sees great circles: exact
arcs along geodesics between residual vectors.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from exact import GreatCircle, Network, Norm, Outcome, Partition, Plane, Sphere, partition
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.codes import CodePartition
from exact.regions.spheres.partition import SpherePartition
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.methods.passes import codes_float
from studies.question import Question
from studies.questions.shared.intervals import Share
from studies.questions.shared.nets import STEPS
from studies.questions.shared.rays import Pair, affordable, must_live, spanning
from studies.questions.shared.sampling import distinct_codes, random_points
from studies.rules import SHARE, Claim, above, at_most, theorem
from studies.statistics import Degenerate, Estimate
from studies.subjects import LanguageLayer, Subject, Subjects, Toy
from toy_models import ModelConfig, TrainConfig
from toy_models.ensembles import fit_ensemble

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.3"
ALMOST_ALL = 0.99
CELLS = Claim(
    CLAIM,
    "Behind a norm that leaves a 2-sphere (LayerNorm in R^4) the hyperplanes of the neurons cut it "
    "along circles, the boundaries of its cells; in R^n it is alike, one dimension after another.",
    Kind.THEOREM,
    theorem(
        "every sampled code is among the codes found, and there are no more cells than general "
        "position leaves",
        open_if="the partition ends early",
    ),
)
OWN = Claim(
    CLAIM,
    "Each cell of the sphere undergoes an affine map of its own.",
    Kind.CENSUS,
    at_most(0, "the number of codes that own several cells", range=(0, math.inf)),
)
GENERIC = Claim(
    CLAIM,
    "In high dimensions too cells meet along the hyperplane of one neuron: crossings along "
    "geodesics are generic, one neuron at a time.",
    Kind.ESTIMATE,
    above(
        ALMOST_ALL,
        "the share of crossings that flip one neuron",
        range=SHARE,
        unit="crossings",
        least=1,
    ),
)
DIMENSIONS, NEURONS, HIGHEST_SPHERE = (5, 6, 7), 12, 5
SAMPLES, GEODESICS, SHOWN = 50_000, 6, 300
FAR = 2.0**20  # samples are taken where eps no longer matters


def ask(subjects: Subjects) -> Answer:
    """The exact cells of the spheres of the toys and of nets in R^5 to R^7, and exact arcs on great
    circles of the language layers.
    """
    toys = [toy for toy in (*subjects.spheres.values(), *subjects.toys.values()) if fits(toy)]
    findings = [found for toy in toys for found in _of_toy(toy, subjects.seed)]
    if not subjects.own:
        findings += _of_higher_dimensions(subjects)
    findings += [
        GENERIC.guarded(layer.name, partial(geodesics_finding, layer))
        for layer in subjects.language
    ]
    globes = [_globe(toy) for toy in toys if _norm(toy).sphere_dim == 2]
    return Answer(tuple(findings), tuple([*globes, *_side_by_side(subjects)]))


def fits(subject: Subject) -> bool:
    """Whether one hidden layer cuts the sphere of a norm, few neurons where it has many dimensions;
    a language layer has geodesics.
    """
    if not isinstance(subject, Toy):
        return subject.network.has_norm
    norm, hidden = subject.block.blocks[0].norm, subject.block.hidden_layers
    if norm is None or len(hidden) != 1:
        return False
    few = 3 <= norm.sphere_dim <= HIGHEST_SPHERE and subject.block.hinge_count <= NEURONS
    return norm.sphere_dim == 2 or few


def _norm(toy: Toy) -> Norm:
    return toy.block.norms[0]


def _of_toy(toy: Toy, seed: int) -> list[Finding]:
    def own() -> Finding:
        toy.must_have_learned()
        must_live(toy.block)
        return own_cells_finding(toy.name, toy.block)

    cells = CELLS.guarded(toy.name, partial(cells_finding, toy.name, toy.block, seed))
    return [cells, OWN.guarded(toy.name, own)]


def _of_higher_dimensions(subjects: Subjects) -> list[Finding]:
    """One trained net for each of some dimensions."""
    configs = [
        TrainConfig(
            task="direction",
            task_options={"dimension": dimension},
            model=ModelConfig((NEURONS,), "layernorm", embed_dim=0),
            steps=STEPS,
            seed=subjects.seed,
            device=subjects.device,
        )
        for dimension in (DIMENSIONS[:1] if subjects.quick else DIMENSIONS)
    ]
    results = fit_ensemble(configs, cache=subjects.cache, progress=False, report=lambda _: None)
    found: list[Finding] = []
    for config, result in zip(configs, results, strict=True):
        name = f"direction in R^{config.task_options['dimension']} ({NEURONS}), LayerNorm"
        found += _of_toy(Toy.of(name, result.model, result.dataset, result), subjects.seed)
    return found


@lru_cache(maxsize=16)
def sphere_of(network: Network) -> Partition:
    """The partition of the norm's sphere, remembered between findings."""
    return partition(network, Sphere())


def most_cells(neurons: int, dim: int) -> int:
    """The most cells that hyperplanes leave of the sphere in R^dim, dim >= 2: one neuron more adds
    at most as many cells as it has itself, cut by the others.

    >>> most_cells(3, 3), most_cells(12, 3), most_cells(2, 6)
    (8, 134, 4)
    """
    return 2 * sum(math.comb(neurons - 1, k) for k in range(dim)) if neurons else 1


def cells_finding(subject: str, network: Network, seed: int) -> Finding:
    """All codes of a sphere and their cells, held against sampled codes and the generic maximum."""
    found, neurons = sphere_of(network), network.hinge_count
    sampled = distinct_codes(
        codes_float(network, FAR * random_points(network.input_dim, SAMPLES, seed))
    )
    missed = len(sampled - {row.tobytes() for row in found.codes})
    most = most_cells(neurons, network.norms[0].sphere_dim + 1)
    violations = Estimate.exactly(missed + max(0, found.cell_count - most))
    if found.outcome is not Outcome.COMPLETE:
        violations = Estimate.unknown("the partition ended early")
    data: dict[str, JSON] = {
        "cells": found.cell_count,
        "codes": found.code_count,
        "maximum": most,
        "sampled_codes": len(sampled),
        "samples": SAMPLES,
        "missed": missed,
    }
    told = ""
    if network.norms[0].sphere_dim == 2:
        more = _on_the_2_sphere(found.seen_as(SpherePartition))
        data |= more
        told = (
            f", {more['discs']} of them discs; the largest covers {more['largest_share']:.1%} of "
            "the sphere"
        )
    value = (
        f"{found.cell_count} cells (maximum {most}) of {found.code_count} codes{told}; "
        f"{len(sampled)} codes in {SAMPLES:,} samples, {missed} of them not found"
    )
    return CELLS.finding(subject, violations, value=value, data=data)


def _on_the_2_sphere(found: SpherePartition) -> dict[str, int | float]:
    shares = found.areas_float() / float(found.area)
    return {
        "circles": len(found.complex.circles),
        "crossings": found.complex.vertex_count,
        "components": found.complex.components,
        "discs": sum(cell.is_disc for cell in found.regions),
        "largest_share": float(max(shares)),
    }


def own_cells_finding(subject: str, network: Network) -> Finding:
    """How many codes own several cells, and how many cells one owns at most."""
    found, left_open = sphere_of(network), 0
    counts = list(Counter(row.tobytes() for row in found.codes).values())
    if network.norms[0].sphere_dim > 2:  # listed by codes
        codes = found.seen_as(CodePartition)
        owned = [codes.components(i) for i in range(len(codes))]
        counts, left_open = [count or 0 for count in owned], owned.count(None)
    several = sum(count > 1 for count in counts)
    judged = Estimate.exactly(several)
    if left_open and not several:
        judged = Estimate.unknown(f"the cells of {left_open} codes were not decided")
    return OWN.finding(
        subject,
        judged,
        value=f"{several} of {len(counts)} codes own several cells, one at most {max(counts)}",
        data={"codes": len(counts), "with_several_cells": several, "most_cells": max(counts)},
    )


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
    return GENERIC.finding(f"{layer.name}, {len(found)} geodesics", single, value=value, data=data)


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
    (CELLS, OWN, GENERIC),
    groups=("toys", "spheres", "language"),
    fits=fits,
    needs=f"one hidden layer behind LayerNorm in R^4 or RMSNorm in R^3, up to {NEURONS} neurons in "
    "up to three dimensions more, or a language layer behind a norm",
    text=texts.MONOSEMANTIC,
    asked="For four inputs the same holds of the cells of a sphere, and for more alike.",
    controls="The count of cells of hyperplanes in general position.",
    beside="Uniformly random great circles (Crofton).",
    core=True,
)
