"""Every batched instrument on toys, and the same answers by full enumeration: what the tests, the
study and the table of `python -m benchmarks instruments` compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np
from scipy import integrate

from exact import (
    Ball,
    Box,
    Domain,
    GreatCircle,
    Line,
    NormBall,
    Partition,
    Ray,
    Segment,
    Sphere,
    codes_in_precision,
    expected_crossings,
    firing_shares,
    hamming,
    joint_counts,
    map_change,
    nearest_boundaries,
    neuron_status,
    pair_logic,
    partition,
    partition_circles,
    partition_lines,
    rotations,
    soft_codes,
    steering,
)
from exact.arithmetic.numbers import fraction
from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
from exact.instruments.critical_radii import critical_radii
from exact.regions.arcs.crossings import exact_parameter
from studies.enumerated_toys import Float, Toy

Verdicts = Iterable[bool]
LINES = 4


def codes(toy: Toy, device: str = "cpu") -> Verdicts:
    return (toy.network.codes(toy.x, device=device).bits == toy.bits).ravel().tolist()


def distances_of_codes(toy: Toy, device: str = "cpu") -> Verdicts:
    found = toy.network.codes(toy.x, device=device)
    wanted = (toy.bits[:, None] != toy.bits[None]).sum(axis=2)
    return (hamming(found, found, pairs=False) == wanted).ravel().tolist()


def lines(toy: Toy, device: str = "cpu") -> Iterator[bool]:
    for kind, domain in (("segment", Segment), ("ray", Ray), ("line", Line)):
        p, q = toy.x[:LINES], toy.x[LINES : 2 * LINES]
        batch = partition_lines(toy.network, p, q, kind=kind, device=device)  # type: ignore[arg-type]
        for i in range(LINES):
            alone = partition(toy.network, domain(p[i], q[i]))
            crossed = [c.hinges for c in alone.crossings if not c.tangent]
            yield [c.hinges for c in batch[i].crossings if not c.tangent] == crossed
            yield batch[i].digest == alone.digest
            yield batch.cell_counts[i] == len(alone)


def circles(toy: Toy, device: str = "cpu") -> Iterator[bool]:
    if not toy.is_shallow:
        return
    p, q = toy.x[:LINES], toy.x[LINES : 2 * LINES]
    radius = 4 if toy.norm is None else None
    batch = partition_circles(toy.network, p, q, radius_squared=radius, device=device)
    for i in range(LINES):
        alone = partition(toy.network, GreatCircle(p[i], q[i], radius))
        yield [c.hinges for c in batch[i].crossings] == [c.hinges for c in alone.crossings]
        yield batch[i].digest == alone.digest


def turned(toy: Toy, device: str = "cpu") -> Iterator[bool]:
    """Crossings with their angles, kinks and lengths of the output's path, from u to v and all
    around: by the arcs of each circle and the maps of their codes.
    """
    if not toy.is_shallow:
        return
    u, v = toy.x[:LINES], toy.x[LINES : 2 * LINES]
    radius = 4 if toy.norm is None else None
    for whole in (False, True):
        found = rotations(toy.network, u, v, radius_squared=radius, whole=whole, device=device)
        for i in range(LINES):
            path = enumerated_path(toy, u[i], v[i], radius, whole)
            mine = found.rows == i
            named = zip(found.neurons[mine].tolist(), found.on[mine].tolist(), strict=True)
            yield list(named) == [(hinge[1], on) for _, hinge, on, _ in path.crossings]
            angles, kinks = found.angles_float[mine], found.kinks_float[mine]
            for k, (angle, _, _, kink) in enumerate(path.crossings):
                yield k < len(angles) and abs(angles[k] - angle) < 1e-9
                yield k < len(kinks) and abs(kinks[k] - kink) < 1e-8 * (1 + kink)
            yield found.arc_counts[i] == path.arcs
            yield abs(found.lengths_float[i] - path.length) < 1e-6 * (1 + path.length)


@dataclass(frozen=True)
class Path:
    """Crossings (angle, hinge, on, kink), the number of arcs, the length of the output's path."""

    crossings: list[tuple[float, Any, bool, float]]
    arcs: int
    length: float


def enumerated_path(toy: Toy, u: Float, v: Float, radius: int | None, whole: bool) -> Path:
    """What the partition of the circle through u and v says, in floats."""
    alone = partition(toy.network, GreatCircle(u, v, radius))
    a, b = (x if toy.norm is None else toy.norm.project_float(x[None])[0] for x in (u, v))
    size = (radius or toy.network.input_dim) ** 0.5
    e, across = a / np.linalg.norm(a), b - a * (a @ b) / (a @ a)
    f = across / np.linalg.norm(across)
    end = 2 * np.pi if whole else float(np.arctan2(b @ f, b @ e))
    maps = [toy.network.affine_map(region.code).matrix.float64() for region in alone.regions]
    hinges = [tuple(hinge) for hinge in toy.network.hinges]

    def velocity(k: int, angles: Any) -> Any:
        moved = size * (np.multiply.outer(np.cos(angles), f) - np.multiply.outer(np.sin(angles), e))
        return moved @ maps[k].T

    cuts = [c for c in alone.crossings if not c.tangent]
    places = [c.angle_float for c in cuts]
    crossings = list[tuple[float, Any, bool, float]]()
    for k, cut in enumerate(cuts):  # arc k starts at cut k
        kink = float(np.linalg.norm(velocity(k, places[k]) - velocity(k - 1, places[k])))
        for hinge in cut.hinges if 0 < places[k] < end else ():
            on = bool(alone.regions[k].code.bits[hinges.index(tuple(hinge))])
            crossings.append((places[k], tuple(hinge), on, kink))
    arcs = [(places[k - 1] - 2 * np.pi * (k == 0), places[k], k - 1) for k in range(len(cuts))]
    arcs.append((places[-1], places[0] + 2 * np.pi, len(cuts) - 1) if cuts else (0.0, end, 0))
    length = 0.0
    for start, stop, k in arcs:
        low, high = max(start, 0.0), min(stop, end)
        if low < high:
            speed = partial(lambda k, at: float(np.linalg.norm(velocity(k, at))), k)
            length += integrate.quad(speed, low, high, limit=200)[0]
    between = sum(place < end for place in places)
    return Path(crossings, len(alone) if whole else between + 1, length)


def steered(toy: Toy, device: str = "cpu") -> Iterator[bool]:
    x, d = toy.x[:LINES], toy.x[LINES : 2 * LINES]
    found = steering(toy.network, x, d, alphas=(0, 2), device=device)
    for row in range(LINES):
        alone, wanted = partition(toy.network, Segment(x[row], x[row] + 2 * d[row])), []
        for k, crossing in enumerate(c for c in alone.crossings if not c.tangent):
            t = exact_parameter(alone.frame, alone.cells.cuts[k + 1].direction)
            after = alone.regions[k + 1].code.bits
            for hinge in crossing.hinges:
                wanted.append((hinge.layer, hinge.neuron, after[toy.network.hinges.index(hinge)]))
                near = found.alphas_float[found.rows == row][len(wanted) - 1 :][:1]
                yield len(near) == 1 and abs(near[0] - 2 * float(t)) < 1e-9
        mine = found.rows == row
        named = (found.layers[mine], found.neurons[mine], found.on[mine])
        yield list(zip(*(a.tolist() for a in named), strict=True)) == wanted


def nearest(toy: Toy, device: str = "cpu") -> Iterator[bool]:
    """The nearest facet of the region of each point; behind a norm by angle, on its sphere."""
    if toy.norm is not None and not toy.is_shallow:
        return
    found = nearest_boundaries(toy.network, toy.x, device=device)
    for i, point in enumerate(toy.x):
        hinge = (found.layers[i, 0], found.neurons[i, 0])
        if not hinge[0]:  # no hinge has a boundary
            yield len(toy.whole if toy.norm is None else toy.sphere) == 1
            continue
        on = toy.bits[i][[tuple(h)[:2] for h in toy.network.hinges].index(hinge)]
        yield bool(found.on[i, 0] == on)
        if toy.norm is None:
            facets = toy.whole.regions[toy.places[i]].facets
            near = {named[:2]: away for named, away in flat_distances(facets, point)}
            (exact,) = found.exact(i)
            yield fraction(exact.squared_distance.a) == min(near.values()) == near[hinge]
        else:
            region = toy.sphere.regions[toy.sphere.locate(point)]
            near = dict(angles(toy, region.facets, point))
            yield near[hinge] - min(near.values()) < 1e-9
            yield abs(near[hinge] - found.angles_float[i, 0]) < 1e-9


def flat_distances(facets: Iterable[Any], point: Float) -> Iterator[tuple[Any, Any]]:
    """Hinges of facets with the squares of their planes' distances, in rationals."""
    at = [Fraction(value) for value in point.tolist()]
    for facet in facets:
        *normal, offset = (Fraction(value) for value in facet.hyperplane)
        height = sum(a * b for a, b in zip(normal, at, strict=True)) + offset
        for hinge in facet.flipped:
            yield tuple(hinge), height**2 / sum(a * a for a in normal)


def angles(toy: Toy, facets: Iterable[Any], point: Float) -> Iterator[tuple[Any, float]]:
    """Hinges of facets with the angles to their circles, in floats."""
    norm, first = toy.norm, toy.network.hidden_layers[0]
    assert norm is not None
    weight = first.weight.float64() * norm.gain.float64().T
    offset = (first.weight.float64() @ norm.bias.float64() + first.bias.float64())[:, 0]
    normals, y = norm.project_float(weight), norm.project_float(point[None])[0]
    for facet in facets:
        for hinge in facet.flipped:
            w, size = normals[hinge[1]], np.linalg.norm(normals[hinge[1]])
            phi = np.arccos(w @ y / size / np.linalg.norm(y))
            theta = np.arccos(-offset[hinge[1]] / size / norm.dim**0.5)
            yield tuple(hinge)[:2], abs(phi - theta)


def pairs(toy: Toy, device: str = "cpu") -> Iterator[bool]:
    """All relations, against the codes of the sphere's regions."""
    if toy.norm is None or not toy.is_shallow:
        return
    found, bits = pair_logic(toy.network, device), toy.sphere.bits
    related = {
        name: {tuple(pair) for pair in getattr(found, name).tolist()}
        for name in ("implies", "exclusive", "covering")
    }
    for j, constant in enumerate(found.constant.tolist()):
        yield bool((bits[:, j] == bits[0, j]).all()) == (constant != 0)
    for i, j in permutations(np.flatnonzero(found.constant == 0).tolist(), 2):
        a, b = bits[:, i], bits[:, j]
        yield bool((a & ~b).any()) != ((i, j) in related["implies"])
        if i < j:
            yield bool((a & b).any()) != ((i, j) in related["exclusive"])
            yield bool((~a & ~b).any()) != ((i, j) in related["covering"])


def statuses(toy: Toy) -> Iterator[bool]:
    """Of all hinges on every domain, by the codes of its regions; and how often data fires."""
    for domain, cells in enumerated_domains(toy):
        found, bits = neuron_status(toy.network, domain), cells.bits
        wanted = np.where(bits.all(axis=0), 1, np.where(bits.any(axis=0), 0, -1))
        yield from (found.status == wanted).tolist()
    if toy.norm is not None and cells is toy.whole:
        shown = found.with_data(toy.x)
        yield from (shown.counts == toy.bits.sum(axis=0)).tolist()
        yield not len(shown.against)


def enumerated_domains(toy: Toy) -> Iterator[tuple[Domain, Partition]]:
    if toy.norm is not None:
        yield Sphere(), toy.sphere
        if toy.norm.eps > 0:
            yield NormBall(), toy.whole
        return
    dim = toy.network.input_dim
    domains: list[Domain] = [Box(-1, 1, dim=dim)]
    if toy.is_shallow:
        domains += [Ball([0] * dim, 2), Sphere(2)]
    for domain in domains:
        yield domain, partition(toy.network, domain)


def counted(toy: Toy, device: str = "cpu") -> Iterator[bool]:
    on = toy.bits[:, : toy.network.bits_per_layer[0]].astype(int)
    found = joint_counts(toy.network, toy.x, device)
    yield from (found["both_on"] == on.T @ on).ravel().tolist()
    yield from (found["only_i"] == on.T @ (1 - on)).ravel().tolist()
    yield from (found["both_off"] == (1 - on).T @ (1 - on)).ravel().tolist()


def shares(toy: Toy) -> Iterator[bool]:
    """Firing shares by the areas of the regions of the sphere."""
    if toy.norm is None or not toy.is_shallow:
        return
    area = np.array([region.area_float for region in toy.sphere.regions])
    wanted = toy.sphere.bits.T @ area / area.sum()
    yield from (np.abs(firing_shares(toy.network) - wanted) < 1e-9).tolist()


def mean_crossings(toy: Toy) -> Iterator[bool]:
    """Crofton's mean by the length of all borders of the regions, over pi times the radius."""
    if toy.norm is None or not toy.is_shallow:
        return
    length = sum(float(region.perimeter) for region in toy.sphere.regions) / 2
    wanted = length / np.pi / toy.norm.dim**0.5
    yield abs(expected_crossings(toy.network).crossings_float - wanted) < 1e-9


def radii(toy: Toy, device: str = "cpu") -> Iterator[bool]:
    """Bounds on critical radii, against all flips of each ray."""
    if toy.norm is None or toy.norm.eps == 0 or not toy.is_shallow:
        return
    found = critical_radii_float(toy.network, toy.x[:LINES], device)
    for i, point in enumerate(toy.x[:LINES]):
        flips = critical_radii(toy.network, point.tolist()).flips
        last = flips[-1].radius_float if flips else 0.0
        yield bool(found.lower[i] <= last * (1 + 1e-12) and last <= found.upper[i] * (1 + 1e-12))


def softly(toy: Toy) -> Verdicts:
    return (soft_codes(toy.network, toy.x).gates_float == toy.bits).ravel().tolist()


def in_precision(toy: Toy, device: str = "cpu") -> Iterator[bool]:
    """The wrong bits named are those in which what was computed differs from the enumeration, at
    the points and a rounding away from crossings between them.
    """
    x, d = toy.x[:LINES], toy.x[LINES : 2 * LINES]
    at = steering(toy.network, x, d, alphas=(0, 2))
    points = np.vstack([toy.x, x[at.rows] + at.alphas_float[:, None] * d[at.rows]])
    bits = np.array([toy.whole.regions[toy.whole.locate(row)].code.bits for row in points])
    for dtype in ("float32", "bfloat16"):
        found = codes_in_precision(toy.network, points, dtype, device=device)
        yield from (found.exact.bits == bits).ravel().tolist()
        wrong = np.zeros_like(bits)
        hinges = [tuple(h) for h in toy.network.hinges]
        named = zip(found.layers, found.neurons, found.breakpoints, strict=True)
        wrong[found.rows, [hinges.index((int(a), int(b), int(c))) for a, b, c in named]] = True
        yield from (wrong == (found.computed.bits != bits)).ravel().tolist()


def changes(toy: Toy) -> Iterator[bool]:
    """Changes of the map across every facet of the first regions, against the regions' own maps."""
    if toy.norm is not None:
        return
    for region in list(toy.whole.regions)[:10]:
        for facet in region.facets:
            if facet.neighbour is not None:
                other = toy.whole.regions[facet.neighbour]
                found = map_change(toy.network, region.code, other.code)
                yield {tuple(h) for h in found.flipped} == {
                    tuple(h) for h in toy.network.hinges if tuple(h)[:2] in flips_of(facet)
                }
                step = other.affine.matrix.exact - region.affine.matrix.exact
                yield bool(found.matrix.exact == step) and found.rank <= len(found.flipped)


def flips_of(facet: Any) -> set[tuple[int, int]]:
    return {tuple(hinge)[:2] for hinge in facet.flipped}


INSTRUMENTS: dict[str, Callable[..., Verdicts]] = {
    "network.codes": codes,
    "hamming": distances_of_codes,
    "partition_lines": lines,
    "steering": steered,
    "partition_circles": circles,
    "rotations": turned,
    "nearest_boundaries": nearest,
    "neuron_status": statuses,
    "pair_logic": pairs,
    "joint_counts": counted,
    "firing_shares": shares,
    "expected_crossings": mean_crossings,
    "critical_radii_float": radii,
    "soft_codes": softly,
    "codes_in_precision": in_precision,
    "map_change": changes,
}
ON_DEVICES = [
    "network.codes",
    "hamming",
    "partition_lines",
    "steering",
    "partition_circles",
    "rotations",
    "nearest_boundaries",
    "pair_logic",
    "joint_counts",
    "critical_radii_float",
    "codes_in_precision",
]


@dataclass(frozen=True)
class Compared:
    """The toys that an instrument answers for, and of how many answers how many differ."""

    toys: tuple[str, ...]
    answers: int
    differences: int


def judged(name: str, among: Iterable[Toy]) -> Compared:
    """All answers of an instrument, compared."""
    found = {toy.name: [bool(x) for x in INSTRUMENTS[name](toy)] for toy in among}
    asked = tuple(toy for toy, verdicts in found.items() if verdicts)
    answers = sum(map(len, found.values()))
    return Compared(asked, answers, answers - sum(map(sum, found.values())))
