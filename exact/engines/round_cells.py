"""Cells of an arrangement that meet an open ball, by deletion and restriction in rationals; any degeneracy.

A flat meets the ball in a ball, in the coordinates of the flat an ellipsoid `(s, 1) M (s, 1)^T < 0` with rational M. Cells of
the first hyperplanes that the next one cuts inside the ball are those whose codes appear among the cells of its ellipsoid;
every cell keeps an exact witness. Cost: rational arithmetic for every (flat, cell) pair of the recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exact.constructions import along, first_hit
from exact.halfspace import Halfspace, Point, lift
from exact.numbers import Rational
from exact.quadrics import Quadric, centre, inside_wall, value

Cell = tuple[int, Point]
"""A code, bit k of which is the side of hyperplane k, and a witness."""


def round_cells(planes: Sequence[Halfspace], quadric: Quadric, stop: Callable[[int], bool]) -> tuple[list[Cell], bool]:
    """All cells of the hyperplanes that meet the open ellipsoid, and True; some of them, and False, once `stop(count)` is.

    `stop` is asked before every hyperplane. Cells of the first hyperplanes then stand for the cells their witnesses lie in.
    """
    sweep = _Sweep(planes, quadric)
    for k in range(len(planes)):
        if stop(len(sweep.cells)):
            return sweep.seen(), False
        sweep.insert(k)
    return sweep.completed(), True


class _Sweep:
    """The cells of the hyperplanes inserted so far; copies of earlier ones and constants are filled in at the end."""

    def __init__(self, planes: Sequence[Halfspace], quadric: Quadric) -> None:
        start = centre(quadric)
        self.planes, self.quadric = planes, quadric
        self.cells = [] if start is None else [(0, start)]
        self.new, self.copies, self.constant = list[int](), list[tuple[int, int, bool]](), 0
        self.known = dict[Halfspace, int]()

    def insert(self, k: int) -> None:
        """One more hyperplane."""
        plane = self.planes[k]
        if plane.is_constant:
            self.constant |= int(plane.offset > 0) << k
        elif plane in self.known or plane.opposite in self.known:
            self.copies.append((k, self.known.get(plane, self.known.get(plane.opposite, 0)), plane in self.known))
        elif self.cells:
            mask = sum(1 << i for i in self.new)
            facets = {code & mask: point for code, point in self._facets(k)}
            self.cells = _split(self.cells, facets, self.planes, self.new, k, self.quadric)
            self.new.append(k)
            self.known[plane] = k

    def _facets(self, k: int) -> list[Cell]:
        """The cells of the earlier hyperplanes on hyperplane k."""
        plane = self.planes[k]
        inner = _Sweep([other.restrict(plane) for other in self.planes[:k]], inside_wall(self.quadric, plane))
        for i in range(k if inner.cells else 0):
            inner.insert(i)
        return inner.completed()

    def completed(self) -> list[Cell]:
        """The cells with the bits of all hyperplanes."""
        return [(_completed(code | self.constant, self.copies), point) for code, point in self.cells]

    def seen(self) -> list[Cell]:
        """The cells of all hyperplanes that hold a witness."""
        off = [point for _, point in self.cells if all(plane.value(point) for plane in self.planes)]
        return [(sum(int(plane.value(point) > 0) << k for k, plane in enumerate(self.planes)), point) for point in off]


def _completed(code: int, copies: Sequence[tuple[int, int, bool]]) -> int:
    for k, origin, same in copies:
        code |= int(bool(code >> origin & 1) == same) << k
    return code


def _split(
    cells: Sequence[Cell], facets: dict[int, Point], planes: Sequence[Halfspace], new: Sequence[int], k: int, quadric: Quadric
) -> list[Cell]:
    """The cells after one more hyperplane."""
    found, plane = list[Cell](), planes[k]
    for code, witness in cells:
        if code not in facets:
            found.append((code | int(plane.value(witness) > 0) << k, witness))
            continue
        on, walls = lift(facets[code], plane), [planes[i] if code >> i & 1 else planes[i].opposite for i in new]
        found.append((code | 1 << k, _beside(on, plane.normal, walls, quadric)))
        found.append((code, _beside(on, plane.opposite.normal, walls, quadric)))
    return found


def _beside(point: Point, direction: Sequence[int], walls: Sequence[Halfspace], quadric: Quadric) -> Point:
    """Half the way to the first wall or less, so as to stay in the ellipsoid."""
    step = first_hit(point, direction, walls)
    step = Rational(1) if step is None else step / 2
    while value(quadric, moved := along(point, direction, step)) >= 0:
        step /= 2
    return moved
