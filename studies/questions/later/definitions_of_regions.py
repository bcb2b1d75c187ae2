"""Claim 5.3: "linear region" means six different things in the literature; which of them does a
count count, and do they differ on nets as they are?

For a net of the plane on a closed square, from the exact cells (in our words):

activation regions  the codes that any point has, on meaning above the bend: those of cells, and
                    those that only points of edges and vertices have
proper ones         the codes of open cells: `code_count`, `region_count`, `cell_count` there
convex regions      the fewest polygons of a complex (they meet in whole edges) on each of which the
                    function is affine; known if all open connected regions are convex, which then
                    make one, else at least one more for each that is not, at most all cells
open connected      the pieces left when cells of one map that share an edge are joined:
                    `linear_piece_count`
closed connected    the same when cells of one map that share a point are joined
affine regions      the different affine maps: `distinct_map_count`

Each of these is at most the one above it, a theorem that the run checks. (Convex regions of a
continuous function meet in whole edges: where two end within an edge of a third, their maps agree
on that edge and on the one between them, so that they are one.) All points, maps and areas are
rational.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from fractions import Fraction
from functools import partial
from itertools import combinations, pairwise

import networkx as nx
import numpy as np

from exact import Network
from exact.regions.polytopes.partition import FlatPartition
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.cells import neighbouring_maps
from studies.questions.cells.neighbouring_maps import PLANE, enumerated
from studies.questions.shared.cell_families import PLANE_FAMILIES, Family
from studies.questions.shared.nets import Measured, Nets
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.rays import must_live
from studies.rules import SHARE, Claim, above, at_most, theorem
from studies.statistics import Estimate, wilson
from studies.subjects import LanguageLayer, Subject, Subjects, Toy
from toy_models import TrainResult

CLAIM = "5.3"
NEARLY_ALL = 0.85  # 30 nets of 30 have the interval [0.886, 1]
ORDER = Claim(
    CLAIM,
    "Affine <= closed connected <= open connected <= convex <= proper activation <= activation "
    "regions.",
    Kind.THEOREM,
    theorem("the counts by all definitions are in this order for every net"),
)
AGREE = Claim(
    CLAIM,
    "On nets as they are the definitions of a linear region count the same.",
    Kind.ESTIMATE,
    above(NEARLY_ALL, "the share of nets on which all definitions agree", range=SHARE),
)
ONE_NET = Claim(
    CLAIM,
    "On this net the definitions of a linear region count the same.",
    Kind.CENSUS,
    at_most(0, "the number of activation regions less that of affine regions"),
)
Point = tuple[Fraction, ...]


def ask(subjects: Subjects) -> Answer:
    """The counts by definition, net by net."""
    findings: list[Finding] = []
    for toy in filter(fits, subjects.all_toys):
        findings += [
            claim.guarded(toy.name, partial(_of_toy, claim, toy)) for claim in (ORDER, ONE_NET)
        ]
    if not subjects.own:
        for family in PLANE_FAMILIES:
            for nets in family.nets(subjects):
                findings += arm_findings(family, *measure(nets))
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether all cells of a square can be listed."""
    if isinstance(subject, LanguageLayer) or not neighbouring_maps.fits(subject):
        return False
    return not subject.network.has_norm and subject.network.input_dim == 2


# ---- one network


@dataclass(frozen=True)
class Counts:
    """The number of linear regions by each definition; of convex ones, bounds that are often
    equal.
    """

    affine: int
    closed: int
    open: int
    convex_least: int
    convex_most: int
    proper: int
    activation: int

    @classmethod
    def of(cls, found: FlatPartition) -> Counts:
        """From all cells of a bounded domain of the plane."""
        cells = [_Cell.of(found, index) for index in range(len(found))]
        by_map: dict[Hashable, list[int]] = defaultdict(list)
        for index, region in enumerate(found.regions):
            by_map[region.affine].append(index)
        names = {index: name for name, group in by_map.items() for index in group}
        shared = ((a, b) for a, b in found.neighbours().tolist() if names[a] == names[b])
        joined = _components(len(cells), shared)
        bent = [group for group in joined if not is_convex([cells[i] for i in group])]
        touching = _components(len(cells), _touching(cells, by_map.values()))
        least = len(joined) + len(bent)
        codes = {found.code_of(index).packed for index in range(len(cells))}
        most = len(codes) if bent else len(joined)
        return cls(
            len(by_map),
            len(touching),
            len(joined),
            least,
            most,
            len(codes),
            len(codes | _codes_of_faces(found.network, cells)),
        )

    @property
    def is_ordered(self) -> bool:
        """Whether each is at most the next."""
        values = astuple(self)
        return list(values) == sorted(values)

    @property
    def agree(self) -> bool:
        """Whether all definitions count the same."""
        return self.affine == self.activation

    @property
    def told(self) -> str:
        """All counts in a row."""
        convex = str(self.convex_least)
        if self.convex_most > self.convex_least:
            convex += f"-{self.convex_most}"
        return (
            f"affine {self.affine}, closed {self.closed}, open {self.open}, convex {convex}, "
            f"proper {self.proper}, activation {self.activation}"
        )


@dataclass(frozen=True)
class _Cell:
    """A convex polygon: its halfplanes, its vertices, the middle of each of its edges, and its
    area.
    """

    walls: tuple[tuple[int, ...], ...]
    vertices: tuple[Point, ...]
    middles: tuple[Point, ...]
    area: Fraction

    @classmethod
    def of(cls, found: FlatPartition, index: int) -> _Cell:
        region = found.regions[index]
        walls = tuple(facet.hyperplane for facet in region.facets)
        vertices, middles = region.vertices, list[Point]()
        for wall in walls:
            ends = [vertex for vertex in vertices if _height(wall, vertex) == 0]
            middles.append(
                tuple(sum(xs, Fraction(0)) / len(ends) for xs in zip(*ends, strict=True))
            )
        return cls(walls, vertices, tuple(middles), region.volume)

    def holds(self, point: Point) -> bool:
        """Whether a point lies in the closed polygon."""
        return all(_height(wall, point) >= 0 for wall in self.walls)


def _height(wall: Sequence[int], point: Point) -> Fraction:
    *normal, offset = wall
    return sum((a * x for a, x in zip(normal, point, strict=True)), Fraction(offset))


def is_convex(cells: Sequence[_Cell]) -> bool:
    """Whether polygons without common inner points make up a convex one: they fill the convex hull
    of their vertices, exactly.
    """
    if len(cells) == 1:
        return True
    hull = hull_area({vertex for cell in cells for vertex in cell.vertices})
    return hull == sum(cell.area for cell in cells)


def hull_area(points: Iterable[Point]) -> Fraction:
    """The area of the convex hull of points of the plane, by Andrew's chain.

    >>> square = [(0, 0), (2, 0), (2, 2), (0, 2), (1, 1)]
    >>> str(hull_area([(Fraction(x), Fraction(y)) for x, y in square]))
    '4'
    """
    ordered = sorted(points)
    chain: list[Point] = []
    for half in (ordered, ordered[::-1]):
        begin = len(chain)
        for point in half:
            while len(chain) - begin >= 2 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        chain.pop()  # it begins the other half
    first = chain[0] if chain else ordered[0]
    twice = sum((_turn(first, a, b) for a, b in pairwise(chain[1:])), Fraction(0))
    return twice / 2


def _turn(a: Point, b: Point, c: Point) -> Fraction:
    """Twice the area of a triangle, positive to the left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _components(count: int, edges: Iterable[tuple[int, int]]) -> list[set[int]]:
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(edges)
    return [set(group) for group in nx.connected_components(graph)]


def _touching(cells: Sequence[_Cell], groups: Iterable[Sequence[int]]) -> Iterable[tuple[int, int]]:
    """Pairs of cells of one map that share a point: polygons without common inner points do iff
    one holds a vertex of the other.
    """
    for group in groups:
        for a, b in combinations(group, 2):
            one, other = cells[a], cells[b]
            if any(map(one.holds, other.vertices)) or any(map(other.holds, one.vertices)):
                yield a, b


def _codes_of_faces(network: Network, cells: Sequence[_Cell]) -> set[bytes]:
    """The codes at all vertices, and in the middle of all edges."""
    points = {point for cell in cells for point in (*cell.vertices, *cell.middles)}
    codes = network.codes([list(point) for point in sorted(points)])
    return {row.tobytes() for row in codes.packed}


def counts_of(network: Network) -> Counts:
    """On the square."""
    return Counts.of(enumerated(network, PLANE).seen_as(FlatPartition))


# ---- toys and families


def _of_toy(claim: Claim, toy: Toy) -> Finding:
    if claim is ONE_NET:
        toy.must_have_learned()
        must_live(toy.block)
    one = counts_of(toy.network)
    judged = one.activation - one.affine if claim is ONE_NET else int(not one.is_ordered)
    return claim.finding(
        toy.name, Estimate.exactly(judged), value=one.told, data={"counts": _values(one)}
    )


def _values(one: Counts) -> dict[str, JSON]:
    return {field.name: getattr(one, field.name) for field in fields(one)}


def measure(nets: Nets) -> tuple[Measured, dict[int, Counts]]:
    """The counts of each net, and whether they agree."""
    counts: dict[int, Counts] = {}

    def agree(network: Network, result: TrainResult, _: np.random.Generator) -> float:
        must_live(network)
        one = counts[result.config.seed] = counts_of(network)
        return float(one.agree)

    return Measured.of(nets, agree), counts


def arm_findings(family: Family, measured: Measured, counts: dict[int, Counts]) -> list[Finding]:
    """The theorem, and whether definitions agree, on the nets of one arm."""
    subject, every = f"{family.told}, {measured.nets.arm} nets", list(counts.values())
    if not every:
        return [claim.undecided(subject, "no net could be counted") for claim in (ORDER, AGREE)]
    broken = sum(not one.is_ordered for one in every)
    hits = sum(one.agree for one in every)
    share = wilson(hits, len(every))
    totals = {name: sum(getattr(one, name) for one in every) for name in Counts.__annotations__}
    total = Counts(**totals)
    open_count = sum(one.convex_least < one.convex_most for one in every)
    more = f"; convex left open in {open_count}" if open_count else ""
    data: dict[str, JSON] = {
        **measured.data,
        "counts": [_values(one) for one in every],
        "totals": _values(total),
    }
    return [
        ORDER.finding(
            subject,
            Estimate.exactly(broken),
            value=f"{broken} of {len(every)} nets are out of order",
            data={**data, "violations": broken},
        ),
        AGREE.finding(
            subject,
            share,
            value=f"{hits} of {len(every)} nets; in all: {total.told}{more}",
            data={**data, **share.data("agree")},
        ),
    ]


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = []
    for finding in findings:
        totals = finding.data.get("totals", finding.data.get("counts"))
        if finding.statement not in (AGREE.statement, ONE_NET.statement):
            continue
        if isinstance(totals, dict):
            proper = number(totals["proper"])
            rows += [
                Row(f"{finding.subject}: {name}", 100 * number(totals[key]) / proper)
                for name, key in (("affine", "affine"), ("closed", "closed"), ("open", "open"))
                if totals[key] != totals["proper"]
            ] or [Row(f"{finding.subject}: all", 100.0)]
    if not rows:
        return ()
    caption = (
        "Linear regions by other definitions, in per cent of the proper activation regions (the "
        "cells): affine maps, and connected pieces of one map, closed and open. Where all "
        "definitions agree one row says so."
    )
    title = "Linear regions by definition"
    draw = partial(forest, rows, title, "all nets together", "of all cells / %", mark=100.0)
    return (Figure("definitions-of-regions", caption, draw),)


QUESTION = Question(
    CLAIM,
    "Which linear regions are counted?",
    ask,
    (ORDER, AGREE, ONE_NET),
    groups=("deep",),
    fits=fits,
    needs="two inputs and no norm, so that all cells of a square can be listed",
    text=texts.LINEAR_REGIONS,
    asked="The paper finds six definitions of a linear region in the literature that are not "
    "equivalent, and shows that counting is hard for each. Which of them our counts are, and "
    "whether they differ on nets as they are, is asked here.",
    controls="The order of the six counts, which is a theorem.",
    beside="The untrained net of the same seed.",
)
