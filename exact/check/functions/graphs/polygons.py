"""Kind `polygons`: the regions of a graph in a bounded polygon of a plane, or on a segment.

Every region lists the corners of a convex polygon (the ends of an interval) in the closed domain.
Along its code every hinge and every candidate of a maximum is a function of the parameters, and has
at all corners the sign that the code says, or is zero: so the inside of the polygon has this code.
Codes are different, so that no two insides meet. If the areas add up to that of the domain, the
polygons fill it: they are the regions, each whole, and none is missing.

The functions of the first region come from all operators in full, those of each other one from the
region before it by what changes. What is settled on the whole domain is looked at once, as long as
it stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

from exact.check.functions.flat_domains import Domain, read_map
from exact.check.functions.graphs.graph import Graph
from exact.check.functions.graphs.walks import Walk
from exact.check.network import dot
from exact.check.records import Claim, Integers, Json, Records, Rejected, Values, get, only, scaled

Place = tuple[Fraction, ...]
MOST_WALLS = 256


def check_polygons(header: Json, graph: Graph, claim: Claim, records: Records) -> tuple[str, str]:
    """What a certificate of polygons proves, and in which domain."""
    domain = Domain.read(get(header, "domain", dict, "header"), graph.input_dim)
    if domain.dim not in (1, 2) or domain.cube or claim.faces:
        raise Rejected("header: polygons of another dimension, a cube, or faces")
    corners = _corners_of(domain)
    whole = _size([_place(corner) for corner in corners])
    if not whole:
        raise Rejected("domain: it has no inner point")
    chart = domain.chart.layers[0]
    start = [(*row, bias) for row, bias in zip(chart.weight, chart.bias, strict=True)]
    named = {"code", "corners", *(["map"] if claim.maps else [])}
    walk: Walk | None = None
    total = Fraction(0)
    for number in range(claim.regions):
        place = f"region {number}"
        record = records.next(place)
        only(record, named, place)
        code = claim.add_new(record, graph.hinges, place)
        own = _corners(record, domain, place)
        size = _size([_place(corner) for corner in own])
        if not size:
            raise Rejected(f"{place}: its corners span nothing")
        total += size
        try:
            if walk is None:
                walk = Walk(graph, start, chart.denominator, code)
                walk.settle(corners)
            else:
                walk.move(code)
        except Rejected as error:
            raise Rejected(f"{place}: {error}") from error
        if fault := walk.faults(own):
            raise Rejected(f"{place}: {fault}")
        if claim.maps:
            _require_map(record, walk, domain.dim, place)
    if claim.complete and total != whole:
        raise Rejected(f"the sizes of the regions add up to {total}, the domain has {whole}")
    added = ", and the sizes add up to that of the domain" if claim.complete else ""
    told = f"{claim.regions} regions: codes are different, every sign holds at every corner{added}"
    return told, str(domain)


def _corners_of(domain: Domain) -> list[Values]:
    """The corners of a bounded domain. Raises Rejected where it is not bounded."""
    walls = [wall for wall in {tuple(wall) for wall in domain.walls} if any(wall[:-1])]
    if len(walls) > MOST_WALLS or len(domain.walls) > len(walls) + MOST_WALLS:
        raise Rejected("domain: more walls than this check takes")
    domain.require_room()
    if domain.dim == 1:
        ways: list[Values] = [(1,), (-1,)]
        found = [_homogeneous((-wall[1], wall[0])) for wall in walls]
    else:
        ways = [way for p, q, _ in walls for way in ((-q, p), (q, -p))] or [(1, 0)]
        found = [
            _homogeneous((q * u - r * t, r * s - p * u, p * t - q * s))
            for (p, q, r), (s, t, u) in combinations(walls, 2)
            if p * t != q * s
        ]
    if any(all(dot(wall[:-1], way) >= 0 for wall in walls) for way in ways):
        raise Rejected("domain: it is not bounded")
    return [corner for corner in found if all(dot(wall, corner) >= 0 for wall in walls)]


def _homogeneous(point: Values) -> Values:
    return point if point[-1] > 0 else tuple(-x for x in point)


def _corners(record: Json, domain: Domain, place: str) -> list[Integers]:
    listed = get(record, "corners", list, place)
    found = [scaled(text, domain.dim, f"{place}, corners") for text in listed]
    if any(dot(wall, corner) < 0 for wall in domain.walls for corner in found):
        raise Rejected(f"{place}: a corner lies outside of the domain")
    return found


def _place(corner: Sequence[int]) -> Place:
    return tuple(Fraction(x, corner[-1]) for x in corner[:-1])


def _size(points: Sequence[Place]) -> Fraction:
    """The area of the convex hull of points of the plane, or the length of that of numbers."""
    at = sorted(set(points))
    if not at or len(at[0]) == 1:
        return at[-1][0] - at[0][0] if at else Fraction(0)
    around = [*_chain(at)[:-1], *_chain(at[::-1])[:-1]]
    turns = zip(around, [*around[1:], *around[:1]], strict=True)
    return sum((p[0] * q[1] - p[1] * q[0] for p, q in turns), Fraction(0)) / 2


def _chain(points: Sequence[Place]) -> list[Place]:
    """The points of a sorted list at which the lower hull turns left."""
    found = list[Place]()
    for r in points:
        while len(found) > 1:
            p, q = found[-2:]
            if (q[0] - p[0]) * (r[1] - p[1]) > (q[1] - p[1]) * (r[0] - p[0]):
                break
            found.pop()
        found.append(r)
    return found


def _require_map(record: Json, walk: Walk, dim: int, place: str) -> None:
    outputs, scale = walk.values[-1], walk.scales[-1]
    rows, denominator = read_map(record, len(outputs), dim, place)
    for row, values in zip(rows, outputs, strict=True):
        if any(x * scale != y * denominator for x, y in zip(row, values, strict=True)):
            raise Rejected(f"{place}, map: not that of the code")
