"""Claim 0.6: one cell has one affine map, and neighbouring cells have similar ones.

On the toys every map is exact and rounded once, for its Frobenius distances to all others. Behind a
norm the maps are those of the normalised vector, already projected, so that distances do not depend
on what the norm removes. On a language layer neuron j changes the map by `W_out[:, j] w_j'` (w_j
projected, gain folded in) wherever it is crossed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Box, Domain, Network, Partition, Sphere, partition
from exact.arithmetic.numbers import FloatArray
from exact.regions.polytopes.partition import FlatPartition
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.cells_of_spheres import geodesic, residual_pairs
from studies.questions.shared.intervals import (
    bootstrapped,
    finite,
    ratio_of_medians,
    ratio_of_two_samples,
)
from studies.questions.shared.rays import affordable, centred
from studies.questions.shared.sampling import random_points
from studies.rules import Claim, below, theorem
from studies.statistics import Degenerate, Estimate
from studies.subjects import LanguageLayer, Subjects, Toy

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.6"
RATIO = (0.0, math.inf)
SAME = Claim(
    CLAIM,
    "All points of one cell undergo the same affine map.",
    Kind.THEOREM,
    theorem(
        "at every sampled point the cell's exact map and the float64 forward pass agree to 2^-40 "
        "of the largest output"
    ),
)
NEAR = "Neighbouring cells have similar affine maps."
NEIGHBOURS = Claim(
    CLAIM,
    NEAR,
    Kind.CENSUS,
    below(
        1,
        "the ratio of the median Frobenius distance between neighbours to that between all pairs "
        "of cells",
        range=RATIO,
        unit="cells",
        least=1,
    ),
)
PATH = Claim(
    CLAIM,
    NEAR,
    Kind.ESTIMATE,
    below(
        1,
        "the ratio of the median change of the map at one crossing to that from end to end of a "
        "geodesic",
        range=RATIO,
        unit="geodesics",
        least=2,
    ),
)
POINTS, GEODESICS, WITHIN, FAR = 200, 10, 2.0**-40, 2.0**40
FEWEST_CELLS = 5
PLANE = Box(-1.5, 1.5, dim=2)


def ask(subjects: Subjects) -> Answer:
    """Maps within a cell, across facets and crossings, and along geodesics."""
    findings: list[Finding] = []
    for toy in (*subjects.toys.values(), *subjects.deep.values()):
        if _has_cells(toy):
            findings += _of_toy(toy, subjects.seed)
    findings += [
        PATH.guarded(layer.name, partial(path_finding, layer, subjects.seed))
        for layer in subjects.language
    ]
    return Answer(tuple(findings), _figures(subjects))


def _of_toy(toy: Toy, seed: int) -> list[Finding]:
    def neighbours() -> Finding:
        toy.must_have_learned()
        return neighbours_finding(toy.name, cells_of(toy), seed)

    same = SAME.guarded(toy.name, lambda: same_map_finding(toy.name, cells_of(toy), seed))
    return [same, NEIGHBOURS.guarded(toy.name, neighbours)]


def _has_cells(toy: Toy) -> bool:
    """Whether all cells of a toy are listed: one of the plane, or behind a norm with a circle."""
    norm = toy.block.blocks[0].norm
    plane = not toy.network.has_norm and toy.network.input_dim == 2
    return plane or (norm is not None and norm.sphere_dim == 1)


def cells_of(toy: Toy) -> Partition:
    """The polygons of a toy of the plane, the arcs of one behind LayerNorm in R^3."""
    if toy.network.has_norm:
        return enumerated(toy.block, Sphere())
    return enumerated(toy.network, PLANE)


@lru_cache(maxsize=16)
def enumerated(network: Network, domain: Domain) -> Partition:
    """The partition of a network, remembered between findings, figures and questions."""
    return partition(network, domain)


# ---- one cell, one map


def same_map_finding(subject: str, found: Partition, seed: int) -> Finding:
    """At random points: the exact map of the region that the point lies in, against the float64
    forward pass.
    """
    rng = np.random.default_rng(seed)
    if found.is_convex:  # a plane, else directions
        points = [
            tuple(float(c) for c in row)
            for row in rng.uniform(-1.5, 1.5, (POINTS, found.network.input_dim))
        ]
    else:
        points = [
            tuple(int(c) for c in row)
            for row in np.rint(1000 * random_points(found.network.input_dim, POINTS, seed))
        ]
    gaps = [_difference(found, point) for point in points]
    value = (
        f"map and forward pass differ by at most {max(gaps):.1e} of the output at {POINTS} points "
        f"of {len(found)} cells"
    )
    return SAME.finding(
        subject,
        Estimate.exactly(sum(not gap <= WITHIN for gap in gaps)),
        value=value,
        data={"points": POINTS, "largest_difference_float": finite(max(gaps))},
    )


def _difference(found: Partition, point: Sequence[float]) -> float:
    """|map(argument) - forward pass| over the largest output; far out, where eps does not count."""
    network = found.network
    norm, x = network.blocks[0].norm, np.asarray(point, dtype=np.float64)
    matrix, offset = found.regions[found.locate(point)].affine.float64()
    argument, outputs = x, network.forward_float(x if norm is None else FAR * x)
    if norm is not None:
        direction = centred(network, x)
        argument = np.sqrt(norm.dim) * direction / np.linalg.norm(direction)
    return float(
        np.abs(matrix @ argument + offset - outputs).max() / (np.abs(outputs).max() or 1.0)
    )


# ---- neighbouring cells, similar maps


def neighbours_finding(subject: str, found: Partition, seed: int) -> Finding:
    """Distances of maps across every facet or crossing, against those of all pairs of cells."""
    if len(found) < FEWEST_CELLS:
        why = f"fewer than {FEWEST_CELLS} cells: too few to compare neighbours with all pairs"
        return NEIGHBOURS.undecided(subject, why, data={"cells": len(found)})
    distances, adjacent = map_distances(found), adjacency(found)
    ratio, low, high = ratio_of_medians(distances, adjacent, seed)
    judged = bootstrapped((ratio, low, high), len(distances), "cells")
    upper = np.triu_indices(len(distances), 1)
    edges = int(adjacent[upper].sum())
    value = (
        f"ratio {ratio:.2f} [{low:.2f}, {high:.2f}], {edges} facets, {len(upper[0]):,} pairs "
        f"of {len(distances)} cells"
    )
    data = {
        **_ratio_data(ratio, low, high),
        "neighbours": edges,
        "cells": len(distances),
        "maps": found.distinct_map_count,
        "median_of_all_pairs_float": float(np.median(distances[upper])),
    }
    return NEIGHBOURS.finding(subject, judged, value=value, data=data)


def _ratio_data(ratio: float, low: float, high: float) -> dict[str, JSON]:
    return {"ratio_float": finite(ratio), "low_float": finite(low), "high_float": finite(high)}


def map_distances(found: Partition) -> FloatArray:
    """Frobenius distances between the matrices of all regions' maps; each exact matrix is rounded
    once to float64.
    """
    matrices = np.array([region.affine.float64()[0].ravel() for region in found.regions])
    return np.asarray(np.linalg.norm(matrices[:, None] - matrices[None], axis=2))


def adjacency(found: Partition) -> np.ndarray:
    """The number of facets (or crossings) between every two regions, symmetric."""
    counts = np.zeros((len(found), len(found)), dtype=int)
    for a, b in found.graph().edges():
        counts[a, b] += 1
        counts[b, a] += a != b
    return counts


# ---- language layers, along geodesics


def path_finding(layer: LanguageLayer, seed: int) -> Finding:
    """Changes of the ReLU-ised layer's map at single crossings, against the change from one
    residual to another.
    """
    network = layer.network.relu_ised()
    pairs = residual_pairs(layer, affordable(network, GEODESICS))
    found = [map_changes(network, u, v) for u, v in pairs]
    kept = [(single, whole) for single, whole in found if len(single)]
    if len(kept) < 2:
        raise Degenerate(
            "fewer than two geodesics cross a boundary",
            value=f"{len(kept)} of {len(pairs)}",
            remedy="take others",
        )
    singles, wholes = (
        np.array([np.median(single) for single, _ in kept]),
        np.array([whole for _, whole in kept]),
    )
    ratio, low, high = ratio_of_two_samples(singles, wholes, seed)
    judged = bootstrapped((ratio, low, high), len(kept), "geodesics")
    crossings = sum(len(single) for single, _ in kept)
    value = (
        f"ratio {ratio:.3f} [{low:.3f}, {high:.3f}], {crossings} crossings on {len(kept)} geodesics"
    )
    data = {**_ratio_data(ratio, low, high), "crossings": crossings, "geodesics": len(kept)}
    return PATH.finding(f"{layer.name}, ReLU for GELU", judged, value=value, data=data)


def map_changes(
    network: Network, u: tuple[object, ...], v: tuple[object, ...]
) -> tuple[FloatArray, float]:
    """Norm of the map's change at every crossing from u to v along the geodesic, and of the change
    from end to end.

    One hidden layer of ReLUs behind a norm. The cells and the order of the crossings are exact, the
    norms float64.
    """
    way = geodesic(network, u, v)
    bits = way.circle.bits[list(way.path)].astype(int)
    steps = [np.flatnonzero(row) for row in np.diff(bits, axis=0)]
    single = np.array(
        [_change(network, step, np.diff(bits, axis=0)[k, step]) for k, step in enumerate(steps)]
    )
    ends = bits[-1] - bits[0]
    flipped = np.flatnonzero(ends)
    return single, _change(network, flipped, ends[flipped])


def _change(network: Network, neurons: np.ndarray, signs: np.ndarray) -> float:
    """|sum_j sign_j W_out[:, j] w_j'| in the Frobenius norm, from the two Gram matrices."""
    head, tail = network.blocks[0].layers
    norm = network.blocks[0].norm
    assert norm is not None, "maps along geodesics need a norm"
    gained = head.weight.float64()[neurons] * norm.gain.float64().T
    rows = np.array([centred(network, row) for row in gained]).reshape(gained.shape)
    columns = tail.weight.float64()[:, neurons]
    return float(np.sqrt(max(signs @ ((rows @ rows.T) * (columns.T @ columns)) @ signs, 0.0)))


def _figures(subjects: Subjects) -> tuple[Figure, ...]:
    planes = [
        toy
        for toy in subjects.deep.values()
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
        Figure(f"polytopes-{t.dataset.name}", f"{t.name}. {caption}", partial(_draw, t))
        for t in planes
    ]
    graphs = [
        Figure(f"adjacency-{t.dataset.name}", f"{t.name}. {graph}", partial(_draw_graph, t))
        for t in planes
    ]
    return (*polygons, *graphs)


def _draw_graph(toy: Toy) -> Canvas:
    from viz.figures.adjacency import adjacency_figure

    return adjacency_figure(cells_of(toy).seen_as(FlatPartition))


def _draw(toy: Toy) -> Canvas:
    from viz.figures.polytopes import polytopes_figure

    found = cells_of(toy).seen_as(FlatPartition)
    classes = toy.dataset.targets[:300].tolist()
    return polytopes_figure(
        found, title=toy.name, data=toy.inputs[:300], classes=classes, decision=True
    )


QUESTION = Question(
    CLAIM, "Do neighbouring cells have similar maps?", ask, (SAME, NEIGHBOURS, PATH)
)
