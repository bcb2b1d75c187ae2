"""Counts codes and cells on spheres by methods no engine uses; nothing is imported from `exact`.

Codes on S^k: if a plane cuts the sphere, every cell has a piece of such a plane on its boundary,
and both sides of every cell of plane and sphere are cells. So the codes are those of the sections,
with both signs for the planes that contain the section: a recursion in fractions, down to circles
whose cuts are angles with 100 digits.

Cells of S^2: all circles and the points where two meet, with 100 digits; an arc is on the boundary
when the network has different codes a little beside it, on one side and on the other; what the arcs
leave is counted by Euler's relation.

Differences below 1e-40 are none: the truths keep nonzero ones above 1e-20. Codes are read at the
golden section of an arc, where no plane of the truths touches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import combinations, pairwise
from math import lcm
from random import Random
from typing import NamedTuple

import mpmath

from tests.truths.oracle import Row, canonical, components, compose, dot
from tests.truths.sphere_files import SphereTruth, Vector

DIGITS, BITS = 100, 320
NONE = mpmath.mpf(10) ** -40
BESIDE = mpmath.mpf(10) ** -30
Bits = tuple[int, ...]
Real = mpmath.mpf
Place = tuple[Real, ...]
Forms = tuple[Row, ...]


@dataclass(frozen=True)
class Section:
    """The sphere `sum lengths_i x_i^2 = square`, and affine forms of x: a row is the coefficients,
    then the constant.
    """

    lengths: Vector
    square: Fraction
    forms: Forms

    @property
    def dim(self) -> int:
        """The dimension of the sphere."""
        return len(self.lengths) - 1

    def steepness(self, form: Row) -> Fraction:
        """The squared norm of the form's normal."""
        return sum(
            (a * a / length for a, length in zip(form, self.lengths, strict=False)), Fraction(0)
        )

    def cuts(self, form: Row) -> bool:
        """Whether the form has both signs on the sphere."""
        return form[-1] ** 2 < self.square * self.steepness(form)

    def within(self, form: Row) -> Section:
        """The section where a form that cuts is zero: orthogonal coordinates about the foot of the
        perpendicular.
        """
        steep = self.steepness(form)
        foot = [
            -form[-1] * a / length / steep for a, length in zip(form, self.lengths, strict=False)
        ]
        directions = self._orthogonal(
            [a / length for a, length in zip(form, self.lengths, strict=False)]
        )
        forms = tuple(
            (*(dot(row[:-1], d) for d in directions), dot(row[:-1], foot) + row[-1])
            for row in self.forms
        )
        lengths = tuple(self._product(d, d) for d in directions)
        return Section(lengths, self.square - form[-1] ** 2 / steep, forms)

    def _product(self, first: Sequence[Fraction], second: Sequence[Fraction]) -> Fraction:
        return sum(
            (length * a * b for length, a, b in zip(self.lengths, first, second, strict=True)),
            Fraction(0),
        )

    def _orthogonal(self, normal: Sequence[Fraction]) -> list[Vector]:
        """An orthogonal basis of what is orthogonal to the normal."""
        found: list[Vector] = [tuple(normal)]
        for k in range(len(self.lengths)):
            rest = tuple(Fraction(int(i == k)) for i in range(len(self.lengths)))
            for known in found:
                share = self._product(rest, known) / self._product(known, known)
                rest = tuple(a - share * b for a, b in zip(rest, known, strict=True))
            if any(rest):
                found.append(rest)
        return found[1:]


def section_of(truth: SphereTruth) -> Section:
    """The sphere of a truth in orthogonal rational coordinates, and its first layer's forms."""
    n = truth.dim
    spanning = truth.span or tuple(tuple(Fraction(int(i == j)) for j in range(n)) for i in range(n))
    if truth.norm == "layer_norm":
        spanning = tuple(tuple(x - sum(vector) / n for x in vector) for vector in spanning)
    basis: list[Vector] = []
    for vector in spanning:
        for known in basis:
            share = dot(vector, known) / dot(known, known)
            vector = tuple(a - share * b for a, b in zip(vector, known, strict=True))
        basis += [vector] if any(vector) else []
    gain, bias = truth.gain or (Fraction(1),) * n, truth.bias or (Fraction(0),) * n
    forms = []
    for *normal, offset in truth.layers[0]:
        scaled = [a * g for a, g in zip(normal, gain, strict=True)]
        forms.append((*(dot(scaled, vector) for vector in basis), offset + dot(normal, bias)))
    return Section(tuple(dot(vector, vector) for vector in basis), truth.squared, tuple(forms))


# --- codes in any dimension
# -------------------------------------------------------------------------------------------


@dataclass
class CodeFinder:
    """The codes of forms on sections of one sphere; sections are known by the forms that vanish on
    them.
    """

    known: dict[frozenset[int], set[Bits]] = field(default_factory=dict)

    def codes(self, section: Section) -> set[Bits]:
        """All codes; the bit of a form that vanishes on the section is zero."""
        zero = frozenset(i for i, form in enumerate(section.forms) if not any(form))
        if zero not in self.known:
            self.known[zero] = set(
                on_circle(section) if section.dim == 1 else self._from_sections(section, zero)
            )
        return self.known[zero]

    def _from_sections(self, section: Section, zero: frozenset[int]) -> Iterator[Bits]:
        done, cutting = set(zero), [i for i, form in enumerate(section.forms) if section.cuts(form)]
        if not cutting:
            yield tuple(int(form[-1] > 0) for form in section.forms)
        for i in cutting:
            if i in done:
                continue
            form, part = section.forms[i], section.within(section.forms[i])
            same = [j for j, trace in enumerate(part.forms) if not any(trace) and j not in zero]
            done.update(same)
            positive = [j for j in same if dot(section.forms[j], form) > 0]
            for code in self.codes(part):
                for chosen in (positive, [j for j in same if j not in positive]):
                    yield tuple(1 if j in chosen else bit for j, bit in enumerate(code))


def on_circle(section: Section) -> Iterator[Bits]:
    """The codes of the arcs of a circle."""
    with mpmath.workdps(DIGITS):
        lengths = [mpmath.sqrt(real(section.square / length)) for length in section.lengths]
        angles = sorted(
            angle
            for form in section.forms
            if section.cuts(form)
            for angle in cut_angles(form, lengths)
        )
        turn = 2 * mpmath.pi
        before = [angles[-1] - turn, *angles[:-1]] if angles else []
        distinct = [b for a, b in zip(before, angles, strict=True) if b - a > NONE] or [
            mpmath.mpf(1)
        ]
        for lo, hi in pairwise([*distinct, distinct[0] + turn]):
            angle = lo + (hi - lo) / mpmath.phi
            place = (lengths[0] * mpmath.cos(angle), lengths[1] * mpmath.sin(angle))
            yield signs(section.forms, place)


def cut_angles(form: Row, lengths: Sequence[Real]) -> list[Real]:
    a, b = (real(x) * length for x, length in zip(form[:2], lengths, strict=True))
    middle, half = mpmath.atan2(b, a), mpmath.acos(-real(form[-1]) / mpmath.hypot(a, b))
    return [angle % (2 * mpmath.pi) for angle in (middle - half, middle + half)]


def real(number: Fraction) -> Real:
    return mpmath.mpf(number.numerator) / number.denominator


def signs(forms: Forms, place: Place) -> Bits:
    """Which forms are positive, in integers of so many bits."""
    fixed = [*(int(mpmath.floor(mpmath.ldexp(x, BITS))) for x in place), 1 << BITS]
    least = int(mpmath.ldexp(NONE, BITS))
    return tuple(int(weighted(form, fixed) > least) for form in forms)


def weighted(form: Row, fixed: Sequence[int]) -> int:
    scale = lcm(*(x.denominator for x in form))
    return sum(int(x * scale) * y for x, y in zip(form, fixed, strict=True)) // scale


def codes(truth: SphereTruth) -> set[Bits]:
    """All codes of a network of any depth on a sphere of dimension at least one."""
    section = section_of(truth)
    found = {(code, activated(section.forms, code)) for code in CodeFinder().codes(section)}
    planes = {code: section.forms for code, _ in found}
    for layer in truth.layers[1:]:
        deeper, traces = set(), {}
        for code, maps in found:
            forms = compose(layer, maps)
            every = CodeFinder().codes(
                Section(section.lengths, section.square, planes[code] + forms)
            )
            for longer in (bits for bits in every if bits[: len(code)] == code):
                deeper.add((longer, activated(forms, longer[len(code) :])))
                traces[longer] = planes[code] + forms
        found, planes = deeper, traces
    return {code for code, _ in found}


def activated(forms: Forms, bits: Bits) -> Forms:
    """The outputs of ReLUs as forms."""
    return tuple(
        form if bit else (Fraction(0),) * len(form) for form, bit in zip(forms, bits, strict=True)
    )


# --- the cells of a 2-sphere
# ------------------------------------------------------------------------------------------


class Circle(NamedTuple):
    """`normal . x = height` on the unit sphere, and two unit vectors that span its plane."""

    normal: Place
    height: Real
    first: Place
    second: Place


class Arc(NamedTuple):
    """A piece of a circle between two points (equal, when there is one; None without), and the
    codes beside it.
    """

    circle: int
    start: int | None
    end: int | None
    codes: tuple[Bits, Bits]


def times(factor: Real, vector: Place) -> Place:
    return tuple(factor * x for x in vector)


def plus(*vectors: Place) -> Place:
    return tuple(map(mpmath.fsum, zip(*vectors, strict=True)))


def product(first: Place, second: Place) -> Real:
    return mpmath.fdot(first, second)


def cross(a: Place, b: Place) -> Place:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def unit_vector(vector: Place) -> Place:
    return times(1 / mpmath.sqrt(product(vector, vector)), vector)


@dataclass(frozen=True)
class TwoSphere:
    """The 2-sphere of a truth, seen as the unit sphere."""

    truth: SphereTruth

    @cached_property
    def section(self) -> Section:
        return section_of(self.truth)

    @cached_property
    def scales(self) -> tuple[Real, ...]:
        """Coordinates of the section per coordinate of the unit sphere."""
        return tuple(
            mpmath.sqrt(real(self.section.square / length)) for length in self.section.lengths
        )

    def circle(self, form: Row) -> Circle:
        normal = tuple(real(x) * scale for x, scale in zip(form[:-1], self.scales, strict=True))
        length = mpmath.sqrt(product(normal, normal))
        normal = times(1 / length, normal)
        least = min(range(3), key=lambda i: abs(normal[i]))
        first = unit_vector(cross(normal, tuple(mpmath.mpf(int(i == least)) for i in range(3))))
        return Circle(normal, -real(form[-1]) / length, first, cross(normal, first))

    @cached_property
    def layers(self) -> list[list[Place]]:
        """The rows of all layers as real numbers."""
        return [
            [tuple(map(real, row)) for row in layer]
            for layer in (self.section.forms, *self.truth.layers[1:])
        ]

    def code(self, place: Place, depth: int) -> Bits:
        """The code of the first layers at a point of the unit sphere."""
        state: Place = tuple(scale * x for scale, x in zip(self.scales, place, strict=True))
        bits: Bits = ()
        for layer in self.layers[:depth]:
            values = [mpmath.fdot(row, (*state, mpmath.mpf(1))) for row in layer]
            state = tuple(value if value > NONE else mpmath.mpf(0) for value in values)
            bits += tuple(int(value > 0) for value in state)
        return bits


def points_of(first: Circle, second: Circle) -> list[Place]:
    """Where two different circles meet: two points, the one where they touch, or none."""
    along = cross(first.normal, second.normal)
    square = product(along, along)
    if square < NONE:
        return []
    cosine = product(first.normal, second.normal)
    shares = [
        (a.height - b.height * cosine) / square for a, b in ((first, second), (second, first))
    ]
    middle = plus(
        *(times(share, c.normal) for share, c in zip(shares, (first, second), strict=True))
    )
    left = (1 - product(middle, middle)) / square
    if left < -NONE:
        return []
    reach = times(mpmath.sqrt(left), along) if left > NONE else None
    return (
        [middle]
        if reach is None
        else [plus(middle, reach), plus(middle, times(mpmath.mpf(-1), reach))]
    )


def name_of(point: Place) -> tuple[int, ...]:
    """The box of a grid that the point is in; no point of a truth lies on the grid, whose origin is
    shifted by 1/pi.
    """
    return tuple(int(mpmath.floor(mpmath.ldexp(x, 120) + 1 / mpmath.pi)) for x in point)


def meeting_points(circles: Sequence[Circle]) -> tuple[list[Place], list[set[int]]]:
    """All points where circles meet, and those on each circle."""
    points, known = list[Place](), dict[tuple[int, ...], int]()
    on = [set[int]() for _ in circles]
    for i, j in combinations(range(len(circles)), 2):
        for point in points_of(circles[i], circles[j]):
            index = known.setdefault(name_of(point), len(points))
            points += [point] if index == len(points) else []
            on[i].add(index)
            on[j].add(index)
    return points, on


def arcs(sphere: TwoSphere, planes: Sequence[Row], depth: int) -> tuple[list[Arc], list[int]]:
    """The arcs across which the code of the first layers changes, and the number of points on every
    circle.
    """
    circles = [sphere.circle(plane) for plane in planes]
    points, on = meeting_points(circles)
    found = []
    for k, circle in enumerate(circles):
        for start, end, middle in pieces(circle, {i: points[i] for i in on[k]}):
            beside = [plus(middle, times(side * BESIDE, circle.normal)) for side in (1, -1)]
            first, second = (sphere.code(place, depth) for place in beside)
            found += [Arc(k, start, end, (first, second))] if first != second else []
    return found, [len(indices) for indices in on]


def pieces(
    circle: Circle, points: dict[int, Place]
) -> Iterator[tuple[int | None, int | None, Place]]:
    """The arcs of a circle between points on it: the indices of their ends and a point between."""
    centre, radius = times(circle.height, circle.normal), mpmath.sqrt(1 - circle.height**2)
    placed = sorted(
        (mpmath.atan2(product(p, circle.second), product(p, circle.first)), i)
        for i, p in points.items()
    )
    whole = [(mpmath.mpf(0), None), (2 * mpmath.pi, None)]
    around = [*placed, (placed[0][0] + 2 * mpmath.pi, placed[0][1])] if placed else whole
    for (lo, start), (hi, end) in pairwise(around):
        angle = lo + (hi - lo) / mpmath.phi
        yield (
            start,
            end,
            plus(
                centre,
                times(radius * mpmath.cos(angle), circle.first),
                times(radius * mpmath.sin(angle), circle.second),
            ),
        )


def boundary(sphere: TwoSphere) -> tuple[list[Arc], list[int], set[Bits]]:
    """The boundary of the cells of the whole network, the points on every circle, and the codes:
    layer by layer.
    """
    planes, forms = dict[Row, None](), {(): sphere.section.forms}
    for depth in range(1, len(sphere.truth.layers) + 1):
        cutting = (form for each in forms.values() for form in each if sphere.section.cuts(form))
        planes.update((plane, None) for form in cutting if (plane := canonical(form)) is not None)
        found, sizes = arcs(sphere, list(planes), depth)
        anywhere = unit_vector(tuple(map(mpmath.mpf, (3, -5, 7))))
        codes_ = {code for arc in found for code in arc.codes} or {sphere.code(anywhere, depth)}
        if depth < len(sphere.truth.layers):
            forms = {
                code: compose(sphere.truth.layers[depth], outputs(forms, code)) for code in codes_
            }
    return found, sizes, codes_


def outputs(forms: dict[Bits, Forms], code: Bits) -> Forms:
    """What a layer puts out on a code, given its forms on the codes of the layers before."""
    before = len(code) - len(next(iter(forms.values())))
    return activated(forms[code[:before]], code[before:])


@dataclass(frozen=True)
class Seen:
    """What the oracle sees on a 2-sphere: the codes, the pairs of codes beside an arc, and the
    counts of a truth.
    """

    codes: set[Bits]
    pairs: set[frozenset[Bits]]
    counts: dict[str, int]


def seen(truth: SphereTruth) -> Seen:
    """Everything that is counted on a 2-sphere; the cells by Euler's relation.

    A point is no vertex where only two arcs of one circle end; leaving it out changes neither side
    of the relation, and a circle that has no vertex left is one edge.
    """
    with mpmath.workdps(DIGITS):
        found, sizes, codes_ = boundary(TwoSphere(truth))
    ends = [
        (point, arc.circle) for arc in found for point in (arc.start, arc.end) if point is not None
    ]
    at = {point: [circle for other, circle in ends if other == point] for point, _ in ends}
    smooth = {
        point: circles[0]
        for point, circles in at.items()
        if len(circles) == 2 and circles[0] == circles[1]
    }
    bare = sum(arc.start is None for arc in found)
    loops = sum(size > 0 and list(smooth.values()).count(k) == size for k, size in enumerate(sizes))
    pairs = [(0, 0), *links(found)]
    parts = components(len(found), pairs) if found else 0
    cells = 1 + parts - (len(at) + bare) + len(found)
    edges = len(found) - len(smooth) + loops
    numbers = {
        "codes": len(codes_),
        "cells": cells,
        "vertices": len(at) - len(smooth),
        "edges": edges,
        "components": parts,
    }
    return Seen(codes_, {frozenset(arc.codes) for arc in found}, numbers)


def counts(truth: SphereTruth) -> dict[str, int]:
    """The numbers of :func:`seen`."""
    return seen(truth).counts


def links(found: Sequence[Arc]) -> Iterator[tuple[int, int]]:
    """Pairs of arcs that end in one point."""
    first: dict[int, int] = {}
    for k, arc in enumerate(found):
        yield from (
            (first.setdefault(point, k), k) for point in (arc.start, arc.end) if point is not None
        )


# --- single points
# --------------------------------------------------------------------------------------------------


def code_at(truth: SphereTruth, x: Sequence[Fraction]) -> Bits:
    """The code at the point of the sphere in the direction of an input vector, exactly.

    With s the radius over the vector's length, every value is a s + b with fractions a and b, whose
    sign s^2 decides.
    """
    mean = sum(x, Fraction(0)) / truth.dim if truth.norm == "layer_norm" else Fraction(0)
    centred = [entry - mean for entry in x]
    squared = truth.squared / dot(centred, centred)
    gain, bias = truth.gain or (Fraction(1),) * truth.dim, truth.bias or (Fraction(0),) * truth.dim
    state = [(g * entry, b) for g, entry, b in zip(gain, centred, bias, strict=True)]
    bits: Bits = ()
    for layer in truth.layers:
        slopes, constants = zip(*state, strict=True)
        values = [(dot(row[:-1], slopes), dot(row[:-1], constants) + row[-1]) for row in layer]
        fired = [sign_of(a, b, squared) > 0 for a, b in values]
        state = [
            value if on else (Fraction(0), Fraction(0))
            for value, on in zip(values, fired, strict=True)
        ]
        bits += tuple(map(int, fired))
    return bits


def sign_of(a: Fraction, b: Fraction, squared: Fraction) -> int:
    """The sign of a sqrt(squared) + b."""
    first, second = ((x > 0) - (x < 0) for x in (a, b))
    if first * second >= 0:
        return first or second
    gap = a * a * squared - b * b
    return first * ((gap > 0) - (gap < 0))


# --- random points
# --------------------------------------------------------------------------------------------------


def sampled(truth: SphereTruth, count: int, seed: int) -> list[Bits]:
    """The codes at random points of the sphere, uniformly distributed, in floats: an opinion, never
    a proof.
    """
    random, section = Random(seed), section_of(truth)
    layers = [
        [[float(x) for x in row] for row in layer] for layer in (section.forms, *truth.layers[1:])
    ]
    scales = [float(section.square / length) ** 0.5 for length in section.lengths]
    found = []
    for _ in range(count):
        direction = [random.gauss(0, 1) for _ in scales]
        norm = sum(x * x for x in direction) ** 0.5
        found.append(
            float_code(
                layers, [scale * x / norm for scale, x in zip(scales, direction, strict=True)]
            )
        )
    return found


def float_code(layers: Sequence[Sequence[Sequence[float]]], state: Sequence[float]) -> Bits:
    bits: Bits = ()
    for layer in layers:
        values = [sum(a * x for a, x in zip(row, state, strict=False)) + row[-1] for row in layer]
        state = [max(value, 0.0) for value in values]
        bits += tuple(int(value > 0) for value in values)
    return bits
