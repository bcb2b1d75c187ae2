"""Kind `sphere`: the cells of a 2-sphere, connected parts of which several may share a code, and
the arcs between them.

Call an arc true if codes change across it. (1) On every listed arc the functions that the two cells
beside it have by their codes keep the signs of their bits, all along and to the cell's own side,
and the two codes differ: the arc is true, and other true arcs leave it at its ends only. (2) Around
every vertex the arcs stand in order, two that follow each other have one cell between them, and no
function of that cell changes its sign there: no true arc at a vertex is missing. (3) Every function
of every cell that vanishes on a circle either has a listed arc on it, or meets on it a place where
a function of an earlier layer is not as in the cell: no circle lies hidden inside a cell. So the
listed arcs are all true arcs. (4) Walks around cells are put together by bridges, arcs of other
circles that stay strictly inside a cell, and are then as many as cells are listed and as Euler's
relation says: V - E + F = 1 + C. `docs/certificates.md` has the proof. The four steps stand in one
file because each rests on the one before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cmp_to_key
from typing import Any, NamedTuple

from exact.check.functions.charts import SphereChart
from exact.check.functions.circles import Ball, Circle, End, Point, Rotation
from exact.check.functions.pencils import Direction, compare, sign
from exact.check.functions.stages import Stages
from exact.check.network import Network, coprime
from exact.check.records import (
    Claim,
    Integers,
    Json,
    Records,
    Rejected,
    Values,
    bits_of,
    counts_of,
    entries,
    get,
    indices,
    integers,
    only,
)

# circle, gap, and 0 for the side where its plane is positive or 1 for the other
Half = tuple[int, int, int]


class Signed(NamedTuple):
    """What a cell says about a plane: its number, the sign it has there, the layer it comes
    from.
    """

    plane: int
    sign: int
    layer: int


class Zeros(NamedTuple):
    """A plane on a circle with vertices: place 2 i is vertex i, 2 i + 1 the gap behind it.

    Without zeros it has one sign. Where it touches, `rise` is `fall`. Where it rises and falls in
    one gap, `sign` is that of all others.
    """

    sign: int
    rise: int = -1
    fall: int = -1
    touches: bool = False

    def on(self, gap: int, count: int) -> int:
        """The sign all along a gap; 0 where it changes there."""
        place = 2 * gap + 1
        if self.touches or self.rise < 0:
            return self.sign
        if place in (self.rise, self.fall):
            return 0
        if self.rise == self.fall:
            return self.sign
        return (
            1 if (place - self.rise) % (2 * count) < (self.fall - self.rise) % (2 * count) else -1
        )


@dataclass
class _Round:
    """A listed circle: its vertices in order, and the two cells beside the arc behind each; None
    without arc.
    """

    circle: Circle
    plane: int
    around: Integers
    arcs: list[list[int] | None]
    directions: list[Direction] = field(default_factory=list)
    first: int = 0
    zeros: dict[int, Zeros] = field(default_factory=dict)

    def place(self, at: Direction) -> int:
        """2 i at vertex i, 2 i + 1 in the gap behind it; by bisection."""
        low, high = 0, (count := len(self.directions))
        while low < high:
            middle = (low + high) // 2
            found = compare(self.directions[(self.first + middle) % count], at)
            if not found:
                return 2 * ((self.first + middle) % count)
            low, high = (middle + 1, high) if found < 0 else (low, middle)
        return 2 * ((self.first + low - 1) % count) + 1 if count else 1


def check_sphere(header: Json, network: Network, claim: Claim, records: Records) -> tuple[str, str]:
    """What a certificate of the cells of a 2-sphere proves, and in which domain."""
    if claim.maps or not claim.complete or claim.faces or not claim.regions:
        raise Rejected(
            "header: maps, counts of faces, no cell, or a list that is not complete, which no "
            "2-sphere can have"
        )
    chart = SphereChart.read(header, network)
    if chart.dim != 2:
        raise Rejected("domain: no 2-sphere")
    circles, vertices, bridges = counts_of(header, ("circles", "vertices", "bridges"))
    pairs = circles * (circles - 1)
    if vertices > pairs or claim.regions > (pairs + 2 if circles else 1):
        raise Rejected("header: more vertices or cells than so many circles make")
    found = _Complex(Cells(Ball(chart.form), claim, records, chart.stages))
    found.read_circles(circles, vertices, records)
    found.read_vertices(vertices, records)
    found.check_arcs()
    found.check_hidden_circles()
    walks = _Walks(found, found.followers())
    for i in range(bridges):
        walks.join(records.next(f"bridge {i}"), f"bridge {i}")
    return walks.euler(), str(chart)


class Cells:
    """What the codes of all cells mean: for each cell its planes with signs; `planes` are numbered,
    each kept once.
    """

    def __init__(self, ball: Ball, claim: Claim, records: Records, stages: Stages) -> None:
        self.ball, self.stages, self.hinges = ball, stages, sum(stages.sizes)
        self.planes, self.numbers = list[Values](), dict[Values, int]()
        self.rooms = list[int]()
        codes = [
            claim.add_only(records.next(f"cell {i}"), self.hinges, f"cell {i}")
            for i in range(claim.regions)
        ]
        meanings = {
            code: self._meaning(code, f"cell {codes.index(code)}") for code in sorted(set(codes))
        }
        self.codes, self.signed = codes, [meanings[code] for code in codes]

    def number(self, plane: Values) -> tuple[int, int]:
        """The number of a plane, and the sign it has in its canonical form."""
        row = coprime(plane)
        way = 1 if next(x for x in row if x) > 0 else -1
        row = tuple(way * x for x in row)
        if row not in self.numbers:
            self.numbers[row] = len(self.planes)
            self.planes.append(row)
            self.rooms.append(self.ball.room(row))
        return self.numbers[row], way

    def _meaning(self, code: int, place: str) -> list[Signed]:
        """The planes of a code that cut circles; the others must have one sign on the sphere, that
        of their bits.
        """
        bits, found, hinge = bits_of(code, self.hinges), list[Signed](), 0
        for layer in range(len(self.stages.sizes)):
            for function in self.stages.at(layer, bits).hinges:
                number, way = self.number(function) if any(function[:3]) else (-1, 1)
                if number >= 0 and self.rooms[number] > 0:
                    found.append(Signed(number, way if bits[hinge] else -way, layer))
                elif (function[3] > 0) != bits[hinge]:
                    raise Rejected(
                        f"{place}: hinge {hinge} has one sign on the sphere, and not that of its "
                        f"bit"
                    )
                hinge += 1
        return found


class _Complex:
    """Circles, vertices and arcs, read one after the other."""

    def __init__(self, cells: Cells) -> None:
        self.cells, self.ball = cells, cells.ball
        self.rounds, self.points = list[_Round](), list[Point]()
        self._circles, self._meetings = dict[int, Circle](), dict[tuple[int, int], int]()

    def circle(self, plane: int) -> Circle:
        """The circle of a numbered plane."""
        if plane not in self._circles:
            self._circles[plane] = Circle(self.ball, self.cells.planes[plane])
        return self._circles[plane]

    # ---- reading

    def read_circles(self, count: int, vertices: int, records: Records) -> None:
        """Circles in different planes, each with its vertices and the cells beside its arcs."""
        listed = set[int]()
        for i in range(count):
            place, record = f"circle {i}", records.next(f"circle {i}")
            only(record, {"plane", "around", "arcs"}, place)
            plane = tuple(integers(get(record, "plane", str, place), 4, f"{place}, plane"))
            number, way = self.cells.number(plane) if any(plane[:3]) else (-1, 0)
            if (
                number < 0
                or way < 0
                or self.cells.planes[number] != plane
                or self.cells.rooms[number] <= 0
            ):
                raise Rejected(
                    f"{place}: no plane that cuts the sphere, in coprime integers, the first of "
                    f"them positive"
                )
            around = indices(get(record, "around", list, place), vertices, f"{place}, around")
            arcs = entries(record.get("arcs"), max(1, len(around)), f"{place}, arcs")
            if any(arc is not None for arc in arcs if not self._is_arc(arc)) or not any(arcs):
                raise Rejected(f"{place}: no arc, or an arc that is not beside two cells")
            if number in listed:
                raise Rejected("two circles lie in one plane")
            listed.add(number)
            self.rounds.append(_Round(self.circle(number), number, around, arcs))

    def _is_arc(self, value: Any) -> bool:
        if (
            type(value) is not list
            or len(value) != 2
            or any(type(cell) is not int for cell in value)
        ):
            return False
        return value[0] != value[1] and all(0 <= cell < len(self.cells.codes) for cell in value)

    def read_vertices(self, count: int, records: Records) -> None:
        """Vertices, each where the plane of one circle rises or falls on another; they stand in
        order on every circle.
        """
        for i in range(count):
            place = f"vertex {i}"
            on, other, root = entries(records.next(place), 3, place)
            indices([on, other], len(self.rounds), f"{place}, circles")
            if type(root) is not int or root not in (0, 1):
                raise Rejected(f"{place}: the root is neither 0 nor 1")
            own = self.rounds[on].circle
            point = own.point(own.function(self.rounds[other].circle.plane), root)
            if point is None:
                raise Rejected(f"{place}: circles {on} and {other} do not meet")
            self.points.append(point)
        for k, own in enumerate(self.rounds):
            self._in_order(own, f"circle {k}")

    def _in_order(self, own: _Round, place: str) -> None:
        points = [self.points[v] for v in own.around]
        if any(point.side(own.circle.plane) for point in points):
            raise Rejected(f"{place}: one of its vertices does not lie on it")
        own.directions = [own.circle.direction(point) for point in points]
        steps = [compare(own.directions[i - 1], at) for i, at in enumerate(own.directions)]
        if len(steps) > 1 and (0 in steps or steps.count(1) != 1):
            raise Rejected(f"{place}: its vertices are not in strict order")
        own.first = steps.index(1) if len(steps) > 1 else 0

    # ---- arcs

    def zeros(self, own: _Round, plane: int) -> Zeros:
        """Where a plane vanishes on a circle that lies in another one."""
        if plane not in own.zeros:
            own.zeros[plane] = self._zeros(own, plane)
        return own.zeros[plane]

    def _zeros(self, own: _Round, plane: int) -> Zeros:
        function = own.circle.function(self.cells.planes[plane])
        found = own.circle.directions(function)
        if found is None:
            return Zeros(sign(function[2]))
        rise, fall = own.place(found[0]), own.place(found[1])
        if found[0].d == 0:
            return Zeros(sign(function[2]), rise, rise, True)
        if rise == fall and own.around:
            return Zeros(self.points[own.around[0]].side(self.cells.planes[plane]), rise, fall)
        return Zeros(0, rise, fall)

    def check_arcs(self) -> None:
        """Codes change across every arc, and all along it both cells are as their codes say."""
        for k, own in enumerate(self.rounds):
            for gap, arc in enumerate(own.arcs):
                if arc is None:
                    continue
                if self.cells.codes[arc[0]] == self.cells.codes[arc[1]]:
                    raise Rejected(f"circle {k}, arc {gap}: no hinge flips across it")
                for side, cell in zip((1, -1), arc, strict=True):
                    wrong = next(
                        (s for s in self.cells.signed[cell] if not self._agrees(own, gap, side, s)),
                        None,
                    )
                    if wrong is not None:
                        raise Rejected(
                            f"circle {k}, arc {gap}: cell {cell} is not beside all of it, by a "
                            f"hinge of hidden "
                            f"layer {wrong.layer + 1}"
                        )

    def _agrees(self, own: _Round, gap: int, side: int, signed: Signed) -> bool:
        """Whether a function keeps its sign along an arc and, near its inner points, on one
        side.
        """
        if signed.plane == own.plane:
            return signed.sign == side
        zeros = self.zeros(own, signed.plane)
        if zeros.on(gap, len(own.around)) != signed.sign:
            return False
        if not zeros.touches or zeros.rise != 2 * gap + 1:
            return True
        planes = self.cells.planes
        return self.ball.side_of_pole(planes[own.plane], planes[signed.plane], -signed.sign) != side

    def check_hidden_circles(self) -> None:
        """No function of a cell vanishes on a circle that may lie inside the cell."""
        listed, seen = {own.plane for own in self.rounds}, set[int]()
        for cell, code in enumerate(self.cells.codes):
            if code in seen:
                continue
            seen.add(code)
            for signed in self.cells.signed[cell]:
                if signed.plane not in listed and not any(
                    self._leaves(signed, other) for other in self.cells.signed[cell]
                ):
                    raise Rejected(
                        f"cell {cell}: a circle of a hinge of hidden layer {signed.layer + 1} "
                        f"could lie inside it"
                    )

    def _leaves(self, signed: Signed, earlier: Signed) -> bool:
        """Whether a function of an earlier layer has not the cell's sign everywhere on the circle
        of another one.
        """
        if earlier.layer >= signed.layer:
            return False
        key = (signed.plane, earlier.plane)
        if key not in self._meetings:
            circle = self.circle(signed.plane)
            function = circle.function(self.cells.planes[earlier.plane])
            self._meetings[key] = 0 if circle.directions(function) else sign(function[2])
        return self._meetings[key] != earlier.sign

    # ---- vertices

    def followers(self) -> dict[Half, Half]:
        """For every side of every arc the next one around the cell, from the order of arcs around
        each vertex.
        """
        found = dict[Half, Half]()
        for k, own in enumerate(self.rounds):
            if not own.around:
                found.update({(k, 0, side): (k, 0, side) for side in (0, 1)})
        at = [list[_Start]() for _ in self.points]
        for k, own in enumerate(self.rounds):
            for i, vertex in enumerate(own.around):
                at[vertex] += _starts(k, own, i)
        for vertex, starts in enumerate(at):
            found.update(self._sectors(vertex, starts))
        return found

    def _sectors(self, vertex: int, starts: list[_Start]) -> Iterator[tuple[Half, Half]]:
        """Go around a vertex: between two arcs that follow each other is one cell, and nothing
        else.
        """
        place = f"vertex {vertex}"
        if not starts:
            raise Rejected(f"{place}: no arc ends there")
        rotation = Rotation(self.ball, self.points[vertex])
        origin = starts[0].end

        def compared(one: _Start, other: _Start) -> int:
            return rotation.compare(origin, one.end, other.end)

        starts = sorted(starts, key=cmp_to_key(compared))
        for i, start in enumerate(starts):
            following = starts[(i + 1) % len(starts)]
            cell = self._cell(start.half)
            if self._cell(_twin(following.half)) != cell:
                raise Rejected(
                    f"{place}: two cells between two arcs that follow each other around it"
                )
            self._sector(rotation, start, following, [other.end for other in starts], cell, place)
            yield _twin(following.half), start.half

    def _sector(
        self,
        rotation: Rotation,
        start: _Start,
        following: _Start,
        ends: list[End],
        cell: int,
        place: str,
    ) -> None:
        """No function of the cell changes its sign between two arcs at a vertex."""
        own = self.rounds[start.half[0]]
        for signed in self.cells.signed[cell]:
            if (
                signed.plane != own.plane
                and 2 * start.spot not in self.zeros(own, signed.plane)[1:3]
            ):
                continue
            for way in (1, -1):
                end = End(self.circle(signed.plane), way)
                if end in ends:
                    continue
                if start is following or rotation.compare(start.end, end, following.end) < 0:
                    raise Rejected(
                        f"{place}: an arc of a hinge of hidden layer {signed.layer + 1} is "
                        f"missing in cell {cell}"
                    )

    def _cell(self, half: Half) -> int:
        arc = self.rounds[half[0]].arcs[half[1]]
        if arc is None:
            raise Rejected("a half of an arc belongs to no arc")
        return arc[half[2]]


class _Start(NamedTuple):
    """An arc that leaves a vertex, the `spot`-th of its circle: its side on the left of that
    way.
    """

    half: Half
    spot: int
    end: End


def _starts(circle: int, own: _Round, index: int) -> list[_Start]:
    """The arcs of a circle that leave one of its vertices, forwards and backwards."""
    back = (index - 1) % len(own.around)
    ahead = [_Start((circle, index, 0), index, End(own.circle, 1))] if own.arcs[index] else []
    return ahead + (
        [_Start((circle, back, 1), index, End(own.circle, -1))] if own.arcs[back] else []
    )


def _twin(half: Half) -> Half:
    return half[0], half[1], 1 - half[2]


class _Walks:
    """The boundary walks of the cells, put together where bridges join them."""

    def __init__(self, complex_: _Complex, followers: dict[Half, Half]) -> None:
        self.complex, self._parent = complex_, {half: half for half in followers}
        for half, following in followers.items():
            self._union(half, following)

    def _root(self, half: Half) -> Half:
        while self._parent[half] != half:
            self._parent[half] = half = self._parent[self._parent[half]]
        return half

    def _union(self, one: Half, other: Half) -> None:
        self._parent[self._root(one)] = self._root(other)

    def join(self, record: Any, place: str) -> None:
        """A bridge: on the circle of its plane, from one arc counter-clockwise to another, all
        inside one cell.
        """
        only(record, {"plane", "from", "to"}, place)
        plane = tuple(integers(get(record, "plane", str, place), 4, f"{place}, plane"))
        if self.complex.ball.room(plane) <= 0:
            raise Rejected(f"{place}: its plane does not cut the sphere in a circle")
        circle = Circle(self.complex.ball, plane)
        begin, one = self._landing(circle, get(record, "from", list, place), 0, place)
        end, other = self._landing(circle, get(record, "to", list, place), 1, place)
        cell = self.complex._cell(one)
        if cell != self.complex._cell(other):
            raise Rejected(f"{place}: leads from one cell to another")
        for signed in self.complex.cells.signed[cell]:
            for zero in _zeros_on(circle, self.complex.cells.planes[signed.plane], place):
                if (
                    _between(begin, zero, end)
                    or (not compare(zero, begin) and not self._is_landing(signed, one))
                    or (not compare(zero, end) and not self._is_landing(signed, other))
                ):
                    raise Rejected(
                        f"{place}: leaves the cell, by a hinge of hidden layer {signed.layer + 1}"
                    )
        self._union(one, other)

    def _is_landing(self, signed: Signed, half: Half) -> bool:
        return signed.plane == self.complex.rounds[half[0]].plane

    def _landing(
        self, circle: Circle, listed: list[Any], last: int, place: str
    ) -> tuple[Direction, Half]:
        """Where a bridge meets the inside of an arc, and the side of the arc on which it is."""
        k, gap, root = entries(listed, 3, place)
        indices([k], len(self.complex.rounds), f"{place}, circle")
        own = self.complex.rounds[k]
        indices([gap], len(own.arcs), f"{place}, arc")
        indices([root], 2, f"{place}, root")
        function = circle.function(own.circle.plane)
        directions, point = circle.directions(function), circle.point(function, root)
        if directions is None or point is None or not directions[0].d or own.arcs[gap] is None:
            raise Rejected(f"{place}: does not cross circle {k} there")
        if own.place(own.circle.direction(point)) != 2 * gap + 1:
            raise Rejected(f"{place}: does not meet the inside of arc {gap} of circle {k}")
        return directions[root], (k, gap, root ^ last)

    def euler(self) -> str:
        """Every cell has its walks together, and there are as many cells as Euler's relation
        says.
        """
        rounds, cells = self.complex.rounds, len(self.complex.cells.codes)
        whole = sum(not own.around for own in rounds)
        arcs = sum(arc is not None for own in rounds for arc in own.arcs)
        corners = len(self.complex.points) + whole
        parts = whole + _parts(rounds, len(self.complex.points))
        roots = {self._root(half) for half in self._parent}
        labels = {self.complex._cell(half) for half in self._parent}
        if arcs and not len(roots) == len(labels) == cells:
            raise Rejected(
                f"{len(roots)} cells are put together from their walks, and {cells} are listed"
            )
        if corners - arcs + cells != 1 + parts:
            raise Rejected(
                f"Euler's relation: V - E + F = {corners} - {arcs} + {cells} is not 1 + C = 1 + "
                f"{parts}"
            )
        return (
            f"{cells} cells, {arcs} arcs, {corners} vertices of {parts} connected parts: V - E "
            f"+ F = 1 + C"
        )


def _zeros_on(circle: Circle, plane: Values, place: str) -> tuple[Direction, ...]:
    """Where a plane vanishes on the circle of a bridge, which must not lie in it."""
    function = circle.function(plane)
    if not any(function):
        raise Rejected(f"{place}: lies on a circle of the cell")
    return circle.directions(function) or ()


def _between(start: Direction, at: Direction, end: Direction) -> bool:
    """Whether a direction lies strictly between two others, counter-clockwise."""
    if compare(start, end) < 0:
        return compare(start, at) < 0 and compare(at, end) < 0
    return compare(start, at) < 0 or compare(at, end) < 0


def _parts(rounds: list[_Round], vertices: int) -> int:
    """The connected parts of the vertices and arcs."""
    parent = list(range(vertices))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    for own in rounds:
        for i, arc in enumerate(own.arcs):
            if arc is not None and own.around:
                parent[root(own.around[i])] = root(own.around[(i + 1) % len(own.around)])
    return len({root(i) for i in range(vertices)})
