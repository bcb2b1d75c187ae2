"""Claim 0.6: one cell has one affine map, and neighbouring cells have similar ones.

Every map of a toy is exact; floats are norms of them and of their differences. Behind a norm the
maps are those of the normalised vector, already projected, so that distances do not depend on what
the norm removes. Across a facet |A - A'| is compared with the larger of |A| and |A'|: the median,
and the 90th percentile, which few huge weights cannot hide behind many small ones. How maps move
apart with the Hamming distance of their codes is held against its square root, which independent
changes of one size would give; all pairs of cells, and the order of their distances, are claim
1.3. On a language layer neuron j changes the map by `W_out[:, j] w_j'` (w_j projected, gain folded
in) wherever it is crossed. Claims, measurements and figures of a question stand in one file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Box, Domain, InvalidInput, Network, Partition, Sphere, partition
from exact.arithmetic.arrays import BitArray
from exact.arithmetic.numbers import FloatArray
from exact.regions.polytopes.partition import FlatPartition
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.cells.cells_of_spheres import geodesic, residual_pairs
from studies.questions.directions import monosemantic_directions
from studies.questions.shared.map_changes import (
    FEWEST_CELLS,
    FEWEST_DISTANCES,
    Changes,
    Steps,
    steps_of,
)
from studies.questions.shared.nets import ensemble
from studies.questions.shared.pictures import Curve, sweeps
from studies.questions.shared.rays import Vector, affordable, with_eps
from studies.questions.shared.sampling import random_points
from studies.rules import Claim, Rule, at_most, below, theorem, within
from studies.statistics import MINIMUM, NETS, Degenerate, Estimate, over_clusters
from studies.subjects import NORM_NAMES, LanguageLayer, Subject, Subjects, Toy
from toy_models import ModelConfig, TrainConfig
from toy_models.models import NormName
from toy_models.populations import Arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.6"
MEDIAN, HIGH, GROWTH = 0.25, 0.5, (0.4, 0.6)
RELATIVE = (0.0, 2.0)
SAME = Claim(
    CLAIM,
    "All points of one cell undergo the same affine map.",
    Kind.THEOREM,
    theorem("the exact map at every sampled point is that of the cell it lies in"),
)
NEAR = "Nearby polytopes have similar affine maps."
OF = "|A - A'| / max(|A|, |A'|)"
NEIGHBOURS = Claim(
    CLAIM,
    NEAR,
    Kind.CENSUS,
    at_most(MEDIAN, f"the median over facets of {OF}", range=RELATIVE)
    & at_most(HIGH, "its 90th percentile", range=RELATIVE),
)


def _near(unit: str, least: int, over: str) -> Rule:
    """Maps are similar, over these units."""
    median = below(
        MEDIAN, f"the median over {over} of {OF}", range=RELATIVE, unit=unit, least=least
    )
    return median & below(HIGH, "its 90th percentile", range=RELATIVE, unit=unit, least=least)


OVER_NETS = Claim(CLAIM, NEAR, Kind.ESTIMATE, _near(NETS, MINIMUM, "facets"))
PATH = Claim(CLAIM, NEAR, Kind.ESTIMATE, _near("geodesics", 2, "crossings"))
APART = Claim(
    CLAIM,
    "Maps move apart with the Hamming distance h of their codes as independent changes would, like "
    "the square root of h.",
    Kind.ESTIMATE,
    within(*GROWTH, "the slope of log median |A - A'| on log h", least=MINIMUM),
    measures="slope",
)
POINTS, GEODESICS = 200, 10
PLANE, CUBE = Box(-1.5, 1.5, dim=2), Box(-1.5, 1.5, dim=3)
ARMS: tuple[Arm, ...] = ("trained", "untrained")
FAMILIES: tuple[tuple[str, tuple[int, ...], NormName], ...] = (
    ("circles", (8, 8), "none"),
    ("direction3", (12,), "none"),
    ("direction3", (12,), "layernorm"),
    ("direction3", (12,), "rms"),
)


def ask(subjects: Subjects) -> Answer:
    """Maps within a cell, across facets and crossings, and by Hamming distance."""
    findings: list[Finding] = []
    for toy in (*subjects.toys.values(), *subjects.deep.values()):
        if fits(toy):
            findings += _of_toy(toy, subjects.seed)
    findings += [
        PATH.guarded(layer.name, partial(path_finding, layer, subjects.seed))
        for layer in subjects.language
    ]
    grown: list[tuple[str, list[Steps]]] = []
    if not subjects.own:
        for family in FAMILIES:
            for subject, told, steps, data in _family(subjects, *family):
                findings += family_findings(subject, told, steps, subjects.seed, data)
                grown.append((subject, steps))
    return Answer(tuple(findings), (*_growth_figures(grown), *_figures(subjects)))


def _of_toy(toy: Toy, seed: int) -> list[Finding]:
    def neighbours() -> Finding:
        toy.must_have_learned()
        return neighbours_finding(toy.name, cells_of(toy))

    same = SAME.guarded(toy.name, lambda: same_map_finding(toy.name, cells_of(toy), seed))
    return [same, NEIGHBOURS.guarded(toy.name, neighbours)]


def fits(subject: Subject) -> bool:
    """Whether all cells can be listed: of a toy of the plane, of one hidden layer in R^3, or behind
    a norm that leaves a circle, or a 2-sphere for one hidden layer. Of a language layer geodesics
    are walked instead.
    """
    if not isinstance(subject, Toy) or not monosemantic_directions.fits(subject):
        return not isinstance(subject, Toy) and subject.network.has_norm
    norm, shallow = subject.block.blocks[0].norm, len(subject.block.hidden_layers) == 1
    if norm is not None:
        return norm.sphere_dim == 1 or (norm.sphere_dim == 2 and shallow)
    dim = subject.network.input_dim
    return not subject.network.has_norm and (dim == 2 or (dim == 3 and shallow))


def cells_of(toy: Toy) -> Partition:
    """The cells of a toy's cube, or of the circle or sphere of its norm."""
    if toy.network.has_norm:
        return enumerated(toy.block, Sphere())
    return enumerated(toy.network, CUBE if toy.network.input_dim == 3 else PLANE)


@lru_cache(maxsize=16)
def enumerated(network: Network, domain: Domain) -> Partition:
    """The partition of a network, remembered between findings, figures and questions."""
    return partition(network, domain)


# ---- one cell, one map


def same_map_finding(subject: str, found: Partition, seed: int) -> Finding:
    """At random points: the exact map of the region that the point lies in, against the exact map
    at the point, which its own code gives; behind a norm at eps = 0. Points on a boundary, which
    are in no region, are left out.
    """
    network = with_eps(found.network, 0) if found.network.has_norm else found.network
    dim = network.input_dim
    if network.has_norm:
        points = np.rint(1000 * random_points(dim, POINTS, seed))
    else:
        points = np.random.default_rng(seed).uniform(-1.5, 1.5, (POINTS, dim))
    asked = wrong = 0
    for point in points.tolist():
        try:
            region = found.regions[found.locate(point)]
        except InvalidInput:
            continue
        asked += 1
        wrong += network.affine_at(point) != region.affine
    value = f"exactly equal maps at {asked - wrong} of {asked} points of {len(found)} cells"
    data: dict[str, JSON] = {"points": asked, "equal": asked - wrong, "cells": len(found)}
    return SAME.finding(subject, Estimate.exactly(wrong), value=value, data=data)


# ---- neighbouring cells, similar maps


def neighbours_finding(subject: str, found: Partition) -> Finding:
    """Changes of the map across every facet of one network."""
    steps = steps_of(found)
    median, high = steps.quantiles
    value = (
        f"across {len(steps.relative)} facets of {len(found)} cells: median {median:.3g}, 90th "
        f"percentile {high:.3g}"
    )
    data: dict[str, JSON] = {
        "median_float": median,
        "percentile_90_float": high,
        "facets": len(steps.relative),
        "cells": len(found),
        "maps": found.distinct_map_count,
        "median_distance_by_hamming_float": {str(h): d for h, d in steps.apart.items()},
    }
    return NEIGHBOURS.finding(
        subject, Estimate.exactly(median), Estimate.exactly(high), value=value, data=data
    )


def _family(
    subjects: Subjects, task: str, widths: tuple[int, ...], norm: NormName
) -> list[tuple[str, str, list[Steps], dict[str, JSON]]]:
    """The nets of a family, an arm each, and how their maps differ; a net of few cells is left
    out.
    """
    config = TrainConfig(task=task, model=ModelConfig(widths=widths, norm=norm, embed_dim=0))
    shape = "-".join(map(str, widths))
    found = []
    for nets in ensemble(subjects, config, ARMS):
        steps = []
        for result in nets.results:
            cells = cells_of(Toy.of("a net", result.model))
            if len(cells) >= FEWEST_CELLS:
                steps.append(steps_of(cells))
        few = len(nets.results) - len(steps)
        told = f"{nets.told}, {few} of few cells" if few else nets.told
        subject = f"{task} ({shape}), {NORM_NAMES[norm]}, {nets.arm} nets"
        found.append((subject, told, steps, nets.data))
    return found


def family_findings(
    subject: str, told: str, steps: Sequence[Steps], seed: int, data: dict[str, JSON]
) -> list[Finding]:
    """Both claims over networks, one value a network."""
    if not steps:
        why = "no net has cells to compare"
        return [one.undecided(subject, why) for one in (OVER_NETS, APART)]
    rng = np.random.default_rng(seed)
    median, high = (
        over_clusters(one, rng, range=RELATIVE)
        for one in zip(*(s.quantiles for s in steps), strict=True)
    )
    slopes = [one.slope for one in steps]
    known = [slope for slope in slopes if not math.isnan(slope)]
    slope = over_clusters(known, rng)
    return [
        OVER_NETS.finding(
            subject,
            median,
            high,
            value=f"median {median}; 90th percentile {high}; {told}",
            data={**median.data("median"), **high.data("percentile_90"), **data},
        ),
        APART.finding(
            subject,
            slope,
            value=f"{slope}{_lost(len(slopes) - len(known))}",
            data={**slope.data("slope"), "slopes_float": known, **data},
        ),
    ]


def _lost(count: int) -> str:
    return f"; {count} nets have fewer than {FEWEST_DISTANCES} distances" if count else ""


# ---- language layers, along geodesics


def path_finding(layer: LanguageLayer, seed: int) -> Finding:
    """Relative changes of the ReLU-ised layer's map at single crossings from one residual to
    another.
    """
    name, network = layer.relu_ised
    pairs = residual_pairs(layer, affordable(network, GEODESICS))
    changes = Changes.of(network)
    found = [changes.along(bits_along(network, u, v)) for u, v in pairs]
    kept = [one for one in found if len(one)]
    if len(kept) < 2:
        raise Degenerate(
            "fewer than two geodesics cross a boundary",
            value=f"{len(kept)} of {len(pairs)}",
            remedy="take others",
        )
    rng = np.random.default_rng(seed)
    median, high = (
        over_clusters(kept, rng, statistic=statistic, unit="geodesics", range=RELATIVE)
        for statistic in (np.median, percentile_90)
    )
    crossings = sum(map(len, kept))
    value = f"{crossings} crossings: median {median}; 90th percentile {high}"
    data = {
        **median.data("median"),
        **high.data("percentile_90"),
        "crossings": crossings,
        "geodesics": len(kept),
    }
    return PATH.finding(name, median, high, value=value, data=data)


def bits_along(network: Network, u: Vector, v: Vector) -> BitArray:
    """The codes of the cells on the geodesic from u to v, in order, exactly."""
    way = geodesic(network, u, v)
    return np.asarray(way.circle.bits[list(way.path)])


def percentile_90(values: FloatArray) -> float:
    """The 90th percentile."""
    return float(np.quantile(values, 0.9))


# ---- figures


def _growth_figures(grown: Sequence[tuple[str, Sequence[Steps]]]) -> tuple[Figure, ...]:
    lines = [
        Curve(subject, *_curve(steps), place // len(ARMS), bool(place % len(ARMS)))
        for place, (subject, steps) in enumerate(grown)
    ]
    lines = [line for line in lines if line.x]
    if not lines:
        return ()
    caption = (
        "How far apart the maps of two cells are, by the exact Hamming distance h of their codes: "
        "the median over pairs of cells, divided by that at h = 1, mean over nets. The dotted line "
        "is the square root of h."
    )
    most = max(line.x[-1] for line in lines)
    lines = [Curve("square root of h", [1.0, most], [1.0, math.sqrt(most)], -1), *lines]
    return (Figure("maps-by-hamming-distance", caption, partial(_draw_growth, lines)),)


def _curve(steps: Sequence[Steps]) -> tuple[list[float], list[float]]:
    """Mean over nets of distance / distance at h = 1, at the h that at least half of them have."""
    known = [one.apart for one in steps if one.apart.get(1, 0) > 0]
    all_h = sorted({h for one in known for h in one})
    shared = [h for h in all_h if 2 * sum(h in one for one in known) >= len(known)]
    ys = [float(np.mean([one[h] / one[1] for one in known if h in one])) for h in shared]
    return [float(h) for h in shared], ys


def _draw_growth(lines: Sequence[Curve]) -> Canvas:
    panel = ("distance of maps / that at h = 1", lines)
    subtitle = "solid: trained, dashed: untrained"
    return sweeps([panel], "Maps by Hamming distance", subtitle, "Hamming distance h")


def _figures(subjects: Subjects) -> tuple[Figure, ...]:
    planes = [
        toy
        for toy in (*subjects.toys.values(), *subjects.deep.values())
        if not toy.network.has_norm and toy.network.input_dim == 2
    ]
    caption = (
        "The polytopes of a network without norm in the plane of its two inputs, every one with "
        "its exact affine map (equal "
        "colour, equal map); dots are data by class, the thick line is where the decision changes."
    )
    graph = (
        "The adjacency graph of the same polytopes: a node for each, an edge for each shared "
        "facet (not for shared corners)."
    )
    polygons = [
        Figure(f"polytopes-{t.slug}", f"{t.name}. {caption}", partial(_draw, t)) for t in planes
    ]
    graphs = [
        Figure(f"adjacency-{t.slug}", f"{t.name}. {graph}", partial(_draw_graph, t)) for t in planes
    ]
    return (*polygons, *graphs)


def _draw_graph(toy: Toy) -> Canvas:
    from viz.figures.adjacency import adjacency_figure

    return adjacency_figure(cells_of(toy).seen_as(FlatPartition))


def _draw(toy: Toy) -> Canvas:
    from viz.figures.polytopes import polytopes_figure

    found = cells_of(toy).seen_as(FlatPartition)
    return polytopes_figure(found, title=toy.name, decision=True, **toy.shown(300, inputs=True))


QUESTION = Question(
    CLAIM,
    "Do neighbouring cells have similar maps?",
    ask,
    (SAME, NEIGHBOURS, OVER_NETS, APART, PATH),
    groups=("toys", "deep", "language"),
    fits=fits,
    needs="two inputs (three for one hidden layer) and no norm, or a norm that leaves a circle or, "
    "for one hidden layer, a 2-sphere, and that no skip goes around, or a language layer behind a "
    "norm",
    text=texts.MONOSEMANTIC,
    asked="Within a cell the map is one and the same, and cells nearby have similar maps.",
    controls="The square root of the Hamming distance, as independent changes would give.",
    beside="The same nets untrained.",
    core=True,
    settled="That the 90th percentile stands beside the median.",
)
