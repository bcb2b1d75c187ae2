"""Counts regions by methods no engine uses, so that the truths have a second opinion.

Everything here works on plain `fractions.Fraction` and imports nothing from `exact`:

* one hidden layer on R^d: deletion-restriction, which gives the regions and the pairs of regions
that share a facet;
* any depth on an interval or a line: breakpoints, layer by layer;
* any depth on a convex polygon of the plane: cutting polygons, layer by layer;
* any depth on a circle: cut angles with 80 digits, layer by layer (two cuts closer than 1e-50 are
one cut; signs are
  read at the golden section of an arc, where no form of the truths is tangent).

An affine form is a row: its coefficients, then its constant. A neuron is on iff its form is above a
breakpoint, so a form that is zero on an open set is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise
from math import isqrt
from typing import NamedTuple

import mpmath

Row = tuple[Fraction, ...]
Point = tuple[Fraction, ...]
Polygon = tuple[Point, ...]


class Activation(NamedTuple):
    """A piecewise linear function: increasing breakpoints, and slope and constant on each piece."""

    breakpoints: tuple[Fraction, ...]
    slopes: tuple[Fraction, ...]
    constants: tuple[Fraction, ...]


class HiddenLayer(NamedTuple):
    rows: tuple[Row, ...]
    activation: Activation


class Piece(NamedTuple):
    """A set of the domain (an interval, polygon or arc), its code so far, and the affine map into
    the current layer.
    """

    shape: object
    code: tuple[int, ...]
    rows: tuple[Row, ...]


class Counts(NamedTuple):
    code_count: int
    cell_count: int
    linear_piece_count: int
    distinct_map_count: int
    edge_count: int


def fractions(*numbers: int | str) -> tuple[Fraction, ...]:
    return tuple(Fraction(number) for number in numbers)


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(fractions(0), fractions(0, 1), fractions(0, 0)),
    "absolute_value": Activation(fractions(0), fractions(-1, 1), fractions(0, 0)),
    "identity": Activation((), fractions(1), fractions(0)),
}


def leaky_relu(slope: Fraction) -> Activation:
    return Activation(fractions(0), (slope, Fraction(1)), fractions(0, 0))


def hard_tanh(lo: Fraction, hi: Fraction) -> Activation:
    return Activation((lo, hi), fractions(0, 1, 0), (lo, Fraction(0), hi))


# --- one hidden layer on R^d
# -----------------------------------------------------------------------------------------


def canonical(row: Row) -> Row | None:
    """The row divided by its first nonzero normal entry; None for a plane that is empty or
    everything.
    """
    lead = next((entry for entry in row[:-1] if entry), None)
    return None if lead is None else tuple(entry / lead for entry in row)


def restrict(row: Row, plane: Row) -> Row:
    """The affine form `row` on `plane`, with the first coordinate that occurs in `plane`
    eliminated.
    """
    pivot = next(k for k, entry in enumerate(plane[:-1]) if entry)
    reduced = [a - row[pivot] * b / plane[pivot] for a, b in zip(row, plane, strict=True)]
    return tuple(entry for k, entry in enumerate(reduced) if k != pivot)


def distinct_planes(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(dict.fromkeys(plane for plane in map(canonical, rows) if plane is not None))


@cache
def regions_of(planes: tuple[Row, ...]) -> int:
    """regions(A) = 1 + sum over k of regions(first k planes, restricted to plane k)."""
    traces = (tuple(restrict(row, plane) for row in planes[:k]) for k, plane in enumerate(planes))
    return 1 + sum(regions_of(distinct_planes(trace)) for trace in traces)


def arrangement(rows: Iterable[Row]) -> tuple[int, int]:
    """The number of regions of an arrangement in R^d, and of pairs of regions that share a
    facet.
    """
    planes = distinct_planes(rows)
    walls = (tuple(restrict(row, plane) for row in planes if row != plane) for plane in planes)
    return regions_of(planes), sum(regions_of(distinct_planes(wall)) for wall in walls)


# --- any depth, layer by layer
# ---------------------------------------------------------------------------------------


def compose(rows: Sequence[Row], inner: Sequence[Row]) -> tuple[Row, ...]:
    """The affine forms `rows` of the outputs of the affine forms `inner`."""
    columns = list(zip(*inner, strict=True))
    composed = [[dot(row[:-1], column) for column in columns] for row in rows]
    return tuple(
        (*forms[:-1], forms[-1] + row[-1]) for row, forms in zip(rows, composed, strict=True)
    )


def dot(first: Sequence[Fraction], second: Sequence[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(first, second, strict=True)), Fraction(0))


def activate(
    piece: Piece, forms: Sequence[Row], activation: Activation, levels: Sequence[int]
) -> Piece:
    """The piece after a layer whose neuron j is on the piece `levels[j]` of its activation."""
    count = len(activation.breakpoints)
    bits = tuple(int(level > k) for level in levels for k in range(count))
    rows = tuple(
        on_level(form, activation, level) for form, level in zip(forms, levels, strict=True)
    )
    return Piece(piece.shape, piece.code + bits, rows)


def on_level(form: Row, activation: Activation, level: int) -> Row:
    scaled = [activation.slopes[level] * entry for entry in form]
    return (*scaled[:-1], scaled[-1] + activation.constants[level])


Split = Callable[[object, Row], tuple[object | None, object | None]]


def split_by_layer(piece: Piece, layer: HiddenLayer, split: Split) -> list[Piece]:
    """Cut a piece at every breakpoint of every neuron; `split` returns the part at or below zero
    and the part above.
    """
    forms = compose(layer.rows, piece.rows)
    parts: list[tuple[object, tuple[int, ...]]] = [(piece.shape, ())]
    for form in forms:
        found = ((levels, levels_of(shape, form, layer, split)) for shape, levels in parts)
        parts = [
            (part, (*levels, level)) for levels, split_parts in found for part, level in split_parts
        ]
    return [
        activate(piece._replace(shape=part), forms, layer.activation, levels)
        for part, levels in parts
    ]


def levels_of(
    shape: object, form: Row, layer: HiddenLayer, split: Split
) -> list[tuple[object, int]]:
    found: list[tuple[object, int]] = []
    rest: object | None = shape
    for level, breakpoint_ in enumerate(layer.activation.breakpoints):
        if rest is None:
            return found
        below, rest = split(rest, (*form[:-1], form[-1] - breakpoint_))
        found += [(below, level)] if below is not None else []
    return found + ([(rest, len(layer.activation.breakpoints))] if rest is not None else [])


def all_pieces(
    shape: object, dim: int, layers: Sequence[HiddenLayer], output: Sequence[Row], split: Split
) -> list[Piece]:
    identity = tuple(tuple(Fraction(int(i == j)) for j in range(dim + 1)) for i in range(dim))
    pieces = [Piece(shape, (), identity)]
    for layer in layers:
        pieces = [part for piece in pieces for part in split_by_layer(piece, layer, split)]
    return [piece._replace(rows=compose(output, piece.rows)) for piece in pieces]


def components(count: int, edges: Iterable[tuple[int, int]]) -> int:
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            node = parent[node]
        return node

    for first, second in edges:
        parent[root(first)] = root(second)
    return sum(parent[node] == node for node in range(count))


def count_pieces(pieces: Sequence[Piece], edges: Sequence[tuple[int, int]]) -> Counts:
    same_map = [(i, j) for i, j in edges if pieces[i].rows == pieces[j].rows]
    codes = len({piece.code for piece in pieces})
    maps = len({piece.rows for piece in pieces})
    return Counts(codes, len(pieces), components(len(pieces), same_map), maps, len(edges))


# --- intervals and lines
# ---------------------------------------------------------------------------------------------

Interval = tuple[Fraction | None, Fraction | None]


def split_interval(shape: object, form: Row) -> tuple[Interval | None, Interval | None]:
    lo, hi = shape  # type: ignore[misc]
    slope, constant = form
    if slope == 0:
        return (None, (lo, hi)) if constant > 0 else ((lo, hi), None)
    root = -constant / slope
    left = None if lo is not None and root <= lo else (lo, root if hi is None or root < hi else hi)
    right = None if hi is not None and root >= hi else (root if lo is None or root > lo else lo, hi)
    return (left, right) if slope > 0 else (right, left)


def on_interval(
    layers: Sequence[HiddenLayer], output: Sequence[Row], lo: Fraction | None, hi: Fraction | None
) -> Counts:
    """Counts on the interval (lo, hi); None stands for the infinity of that side."""
    pieces = all_pieces((lo, hi), 1, layers, output, split_interval)
    pieces.sort(key=lambda piece: (piece.shape[0] is not None, piece.shape[0]))  # type: ignore[index]
    return count_pieces(pieces, list(pairwise(range(len(pieces)))))


# --- convex polygons
# -------------------------------------------------------------------------------------------------


def value(form: Row, point: Point) -> Fraction:
    return sum((a * x for a, x in zip(form[:-1], point, strict=True)), form[-1])


def clip(polygon: Polygon, form: Row) -> Polygon | None:
    """The part of a convex polygon where the form is at least zero; None when it has no area."""
    kept: list[Point] = []
    for here, there in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        a, b = value(form, here), value(form, there)
        kept += [here] if a >= 0 else []
        if a * b < 0:
            kept.append(tuple(p + (q - p) * a / (a - b) for p, q in zip(here, there, strict=True)))
    return tuple(kept) if len(kept) > 2 and any(value(form, point) > 0 for point in kept) else None


def split_polygon(shape: object, form: Row) -> tuple[Polygon | None, Polygon | None]:
    polygon: Polygon = shape  # type: ignore[assignment]
    if not any(form[:-1]):
        return (None, polygon) if form[-1] > 0 else (polygon, None)
    return clip(polygon, tuple(-entry for entry in form)), clip(polygon, form)


def shared_length(first: Polygon, second: Polygon) -> bool:
    """Whether two convex polygons without common interior points share a segment of positive
    length.
    """
    return any(overlap(p, q, r, s) for p, q in sides(first) for r, s in sides(second))


def sides(polygon: Polygon) -> list[tuple[Point, Point]]:
    return list(zip(polygon, (*polygon[1:], polygon[0]), strict=True))


def overlap(p: Point, q: Point, r: Point, s: Point) -> bool:
    direction = (q[0] - p[0], q[1] - p[1])
    if any(direction[0] * (x[1] - p[1]) != direction[1] * (x[0] - p[0]) for x in (r, s)):
        return False
    along = [direction[0] * x[0] + direction[1] * x[1] for x in (p, q, r, s)]
    return max(along[0], min(along[2:])) < min(along[1], max(along[2:]))


def on_polygon(layers: Sequence[HiddenLayer], output: Sequence[Row], polygon: Polygon) -> Counts:
    """Counts on a convex polygon with nonempty interior, its corners in order."""
    pieces = all_pieces(polygon, 2, layers, output, split_polygon)
    return count_pieces(pieces, adjacent_polygons(pieces))


def adjacent_polygons(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    pairs = combinations(range(len(pieces)), 2)
    return [(i, j) for i, j in pairs if shared_length(pieces[i].shape, pieces[j].shape)]  # type: ignore[arg-type]


# --- circles
# --------------------------------------------------------------------------------------------------

DIGITS = 80
ONE_CUT = mpmath.mpf(10) ** -50
Arc = tuple[mpmath.mpf, mpmath.mpf]
SplitArc = Callable[[Arc, Row], list[tuple[Arc, bool]]]


def arc_cuts(form: Row, squared_lengths: tuple[Fraction, Fraction]) -> list[mpmath.mpf]:
    """The angles in [0, 2 pi) where a cos + b sin + c changes sign, in coordinates scaled by the
    two lengths.
    """
    a, b = (mpmath.sqrt(real(s)) * real(x) for x, s in zip(form, squared_lengths, strict=False))
    squared = form[0] ** 2 * squared_lengths[0] + form[1] ** 2 * squared_lengths[1]
    if squared <= form[2] ** 2:
        return []
    middle, half = mpmath.atan2(b, a), mpmath.acos(-real(form[2]) / mpmath.sqrt(real(squared)))
    return [angle % (2 * mpmath.pi) for angle in (middle - half, middle + half)]


def real(number: Fraction) -> mpmath.mpf:
    return mpmath.mpf(number.numerator) / number.denominator


def split_arc(squared_lengths: tuple[Fraction, Fraction]) -> SplitArc:
    """A function that cuts an arc (start, end) of length at most 2 pi and tells on which parts the
    form is positive.
    """
    lengths = [mpmath.sqrt(real(squared)) for squared in squared_lengths]

    def split(arc: Arc, form: Row) -> list[tuple[Arc, bool]]:
        angles = (
            angle + 2 * mpmath.pi * turn
            for angle in arc_cuts(form, squared_lengths)
            for turn in (0, 1)
        )
        cuts = sorted(angle for angle in angles if arc[0] + ONE_CUT < angle < arc[1] - ONE_CUT)
        bounds = [arc[0], *cuts, arc[1]]
        return [
            ((lo, hi), positive(lo + (hi - lo) / mpmath.phi, form)) for lo, hi in pairwise(bounds)
        ]

    def positive(angle: mpmath.mpf, form: Row) -> bool:
        a, b, c = map(real, form)
        return bool(
            a * lengths[0] * mpmath.cos(angle) + b * lengths[1] * mpmath.sin(angle) + c > ONE_CUT
        )

    return split


def on_circle(
    layers: Sequence[HiddenLayer], output: Sequence[Row], first: Row, second: Row, squared: Fraction
) -> Counts:
    """Counts on the circle of squared radius `squared` about 0 in the span of two orthogonal
    rational vectors.
    """
    with mpmath.workdps(DIGITS):
        lengths = tuple(squared / sum(x * x for x in vector) for vector in (first, second))
        split = split_arc(lengths)  # type: ignore[arg-type]
        embedding = tuple((u, v, Fraction(0)) for u, v in zip(first, second, strict=True))
        pieces = [Piece((mpmath.mpf(0), 2 * mpmath.pi), (), embedding)]
        for layer in layers:
            pieces = [part for piece in pieces for part in split_arc_by_layer(piece, layer, split)]
        return count_arcs([piece._replace(rows=compose(output, piece.rows)) for piece in pieces])


def split_arc_by_layer(piece: Piece, layer: HiddenLayer, split: SplitArc) -> list[Piece]:
    forms = compose(layer.rows, piece.rows)
    parts: list[tuple[Arc, tuple[int, ...]]] = [(piece.shape, ())]  # type: ignore[list-item]
    for form in forms:
        found = ((levels, arc_levels(arc, form, layer, split)) for arc, levels in parts)
        parts = [
            (part, (*levels, level)) for levels, split_parts in found for part, level in split_parts
        ]
    return [
        activate(piece._replace(shape=arc), forms, layer.activation, levels)
        for arc, levels in parts
    ]


def arc_levels(arc: Arc, form: Row, layer: HiddenLayer, split: SplitArc) -> list[tuple[Arc, int]]:
    parts = [(arc, 0)]
    for breakpoint_ in layer.activation.breakpoints:
        moved = (*form[:-1], form[-1] - breakpoint_)
        parts = [
            (part, level + int(up)) for whole, level in parts for part, up in split(whole, moved)
        ]
    return parts


def count_arcs(pieces: Sequence[Piece]) -> Counts:
    """Merge arcs of one code that follow each other (the start at angle 0 is no cut), then
    count.
    """
    ordered = sorted(pieces, key=lambda piece: piece.shape[0])  # type: ignore[index]
    pairs = zip([ordered[-1], *ordered[:-1]], ordered, strict=True)
    cells = [piece for before, piece in pairs if before.code != piece.code] or ordered[:1]
    if len(cells) == 1:
        return count_pieces(cells, [])
    return count_pieces(cells, list(pairwise([*range(len(cells)), 0])))


# --- two points
# --------------------------------------------------------------------------------------------------


def on_two_points(
    layers: Sequence[HiddenLayer], output: Sequence[Row], direction: Row, squared: Fraction
) -> Counts:
    """Counts on the two points of squared norm `squared` on a line through 0; both points must be
    rational.
    """
    scale = exact_root(squared / dot(direction, direction))
    ends = [tuple(sign * scale * x for x in direction) for sign in (1, -1)]
    pieces = [walk(layers, output, point) for point in ends]
    return count_pieces(pieces, [])


def walk(layers: Sequence[HiddenLayer], output: Sequence[Row], point: Point) -> Piece:
    """The code of a point and its image."""
    piece = Piece(None, (), tuple((x,) for x in point))
    for layer in layers:
        forms = compose(layer.rows, piece.rows)
        levels = [
            sum(form[0] > breakpoint_ for breakpoint_ in layer.activation.breakpoints)
            for form in forms
        ]
        piece = activate(piece, forms, layer.activation, levels)
    return piece._replace(rows=compose(output, piece.rows))


def exact_root(square: Fraction) -> Fraction:
    root = Fraction(isqrt(square.numerator), isqrt(square.denominator))
    if root * root != square:
        raise ValueError(f"{square} is not the square of a rational")
    return root
