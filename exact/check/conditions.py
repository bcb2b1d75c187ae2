"""Check a certificate of :func:`exact.holds` with Python's integers and fractions alone: nothing of
what made it is used, and nothing else of `exact`.

A witness is an input of the domain whose outputs, computed here, violate the condition. A tree of
boxes is followed from its root. On each box this file takes linear bounds of its own, by
substitution backwards: rows are integers over a power of two, rounded to some digits, and every
rounding is added to the constant. What a node says is then compared with them; where cells are
told, multipliers are added up in fractions. The slopes of lines through zero are taken from the
certificate: any would do.

`python -m exact.instruments.output_sets.checker FILE` says what is proved.

The reader and both kinds of proof stand in one file, longer than others, so that one file is all
that has to be believed.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product
from math import gcd, lcm
from operator import mul
from pathlib import Path
from typing import Any

FORMAT = "exactlens condition 1"
_BEGINNING = b'{"format":"exactlens condition'
_NAMES = {
    *("format", "network", "domain", "condition"),
    *("place", "witness", "true", "empty", "inside", "cells", "bounds", "nodes"),
}
_LONGEST = 2**30  # bytes of a file, unpacked
_DIGITS = 96  # bits of a row that are kept
Row = list[Fraction]


class Rejected(Exception):
    """What a certificate says is not so, or is not proved by it."""


def demand(so: bool, what: str) -> None:
    """Reject a certificate unless something is so."""
    if not so:
        raise Rejected(what)


def is_condition(path: str | Path) -> bool:
    """Whether a file begins as a certificate of a condition does."""
    opened = gzip.open if str(path).endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            return file.read(len(_BEGINNING)) == _BEGINNING
    except (OSError, EOFError, zlib.error):
        return False


def check_file(path: str | Path) -> str:
    """Check the certificate in a file, packed where its name ends in `.gz`; `holds` or `fails`.

    Raises Rejected where it proves nothing.
    """
    return check(read_file(path))


def read_file(path: str | Path) -> dict[str, Any]:
    """The certificate in a file, not checked. Raises Rejected where there is none."""
    opened = gzip.open if str(path).endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            content = file.read(_LONGEST + 1)
        demand(len(content) <= _LONGEST, "the file is longer than any certificate that is checked")
        record = json.loads(content)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error, RecursionError) as error:
        raise Rejected(f"the file is no certificate: {error}") from error
    demand(isinstance(record, dict), "the file is no certificate: not an object")
    found: dict[str, Any] = record
    return found


def check(record: dict[str, Any]) -> str:
    """Check a certificate; whether the condition `holds` or `fails`. Raises Rejected.

    Cost: some 10 ms a box for networks of some hundred neurons, and one pass through the network
    for every cell.
    """
    try:
        return _checked(record)
    except (
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        AttributeError,
        RecursionError,
    ) as error:
        raise Rejected(f"the certificate is not written as it should be: {error!r}") from error


def _checked(record: dict[str, Any]) -> str:
    demand(record["format"] == FORMAT, "another format")
    demand(set(record) <= _NAMES, "an entry of an unknown name")
    question = _Question.read(record)
    if "witness" in record:
        _check_witness(question, record)
        return "fails"
    if record.get("true") is True:
        demand([] in question.cases, "a condition that says something")
        return "holds"
    if "empty" in record:
        total = combined(question.walls, record["empty"])
        demand(not any(total[:-1]) and total[-1] < 0, "the domain may have points")
        return "holds"
    inside = [*map(_number, record["inside"]), Fraction(1)]
    demand(len(inside) == question.dim + 1, "an inner point of another dimension")
    demand(all(_value(wall, inside) > 0 for wall in question.walls), "the domain may have no room")
    if "bounds" not in record:
        _check_cells(question, record["cells"], [], {})
        return "holds"
    _check_tree(question, record)
    return "holds"


def in_words(record: dict[str, Any]) -> str:
    """The condition of a certificate that was checked: "y0 <= 1 and y1 < 1/2 or y2 <= 0"."""
    cases = []
    for case in record["condition"]["cases"]:
        parts = []
        for (*factors, bound), strict in case:
            terms = [
                f"y{k}" if a == "1" else f"{a} y{k}" for k, a in enumerate(factors) if _number(a)
            ]
            parts.append(f"{' + '.join(terms) or 0} {'<' if strict else '<='} {bound}")
        cases.append(" and ".join(parts) or "anything")
    return " or ".join(cases) or "nothing"


# ---- what is asked


@dataclass(frozen=True)
class _Layer:
    """Integers over `denominator`, rows first, then constants; bends and pieces over `unit`."""

    weight: list[list[int]]
    bias: list[int]
    denominator: int
    bends: list[Fraction]
    pieces: list[tuple[Fraction, Fraction]]

    @classmethod
    def read(cls, record: dict[str, Any], width: int) -> _Layer:
        rows = [_integers(row) for row in record["rows"]]
        demand(all(len(row) == width + 1 for row in rows) and bool(rows), "rows of a wrong length")
        (denominator,) = _integers(record["denominator"])
        (unit,) = _integers(record["activation"]["unit"])
        demand(denominator > 0 and unit > 0, "a denominator that is not positive")
        bends = [Fraction(x, unit) for x in _integers(record["activation"]["bends"])]
        pieces = [
            (Fraction(a, unit), Fraction(b, unit))
            for a, b in map(_integers, record["activation"]["pieces"])
        ]
        demand(len(pieces) == len(bends) + 1, "pieces that do not fit the bends")
        demand(all(a < b for a, b in pairwise(bends)), "bends that descend")
        for bend, (left, right) in zip(bends, pairwise(pieces), strict=True):
            demand(left[0] * bend + left[1] == right[0] * bend + right[1], "a function that jumps")
        return cls(
            [row[:-1] for row in rows], [row[-1] for row in rows], denominator, bends, pieces
        )

    def before(self, columns: Sequence[Row]) -> list[Row]:
        """The neurons as rows over the parameters, from those of the inputs."""
        count = len(columns[0])
        scale = lcm(*(x.denominator for row in columns for x in row))
        table = [[int(row[k] * scale) for row in columns] for k in range(count)]
        under, found = self.denominator * scale, list[Row]()
        for row, constant in zip(self.weight, self.bias, strict=True):
            values = [sum(map(mul, row, column)) for column in table]
            values[-1] += constant * scale
            found.append([Fraction(x, under) for x in values])
        return found


@dataclass(frozen=True)
class _Question:
    """A network as blocks of layers, the chart and the walls of a domain, and the cases of a
    condition: rows of factors and bound, and whether they are strict.
    """

    blocks: list[tuple[bool, list[_Layer]]]
    chart: list[Row]
    walls: list[Row]
    cases: list[list[tuple[Row, bool]]]

    @classmethod
    def read(cls, record: dict[str, Any]) -> _Question:
        width, blocks = int(record["network"]["input_dim"]), list[tuple[bool, list[_Layer]]]()
        inputs = width
        for block in record["network"]["blocks"]:
            demand("norm" not in block, "a network with a norm")
            layers, start = list[_Layer](), width
            for layer in block["layers"]:
                layers.append(_Layer.read(layer, width))
                width = len(layers[-1].weight)
            skips = bool(block["residual"])
            demand(not skips or width == start, "a skip connection that does not fit")
            blocks.append((skips, layers))
        domain, dim = record["domain"], int(record["domain"]["dim"])
        (denominator,) = _integers(domain["chart"]["denominator"])
        demand(denominator > 0 and not domain["cube"], "a chart that is none")
        chart = [[Fraction(x, denominator) for x in _integers(r)] for r in domain["chart"]["rows"]]
        walls = [[Fraction(x) for x in _integers(wall)] for wall in domain["walls"]]
        demand(len(chart) == inputs, "a chart that does not lead into the network")
        demand(all(len(row) == dim + 1 for row in [*chart, *walls]), "rows of a wrong length")
        demand(record["condition"]["width"] == width, "a condition on other outputs")
        cases = [
            [([_number(x) for x in row], bool(strict)) for row, strict in case]
            for case in record["condition"]["cases"]
        ]
        demand(all(len(row) == width + 1 for case in cases for row, _ in case), "a wrong condition")
        return cls(blocks, chart, walls, cases)

    @property
    def dim(self) -> int:
        return len(self.chart[0]) - 1

    def layers(self) -> Iterator[tuple[_Layer, bool, bool]]:
        """Every layer, whether a block with a skip connection begins with it, and ends."""
        for skips, layers in self.blocks:
            for k, layer in enumerate(layers):
                yield layer, skips and k == 0, skips and k == len(layers) - 1


_PIECE = 4000  # digits that Python reads at a time, whatever it is told


def _number(text: str) -> Fraction:
    parts = text.removeprefix("-").split("/")
    plain = all(part.isascii() and part.isdigit() for part in parts)
    demand(plain and len(parts) <= 2, "a number that is no fraction")
    over, under = [*map(_whole, parts), 1][:2]
    return Fraction(-over if text.startswith("-") else over, under)


def _whole(digits: str) -> int:
    """An integer of any length: Python reads no more than 4,300 digits at once."""
    if len(digits) <= _PIECE:
        return int(digits)
    low = len(digits) // 2
    unit: int = 10**low
    return _whole(digits[:-low]) * unit + _whole(digits[-low:])


def _integers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def combined(rows: Sequence[Row], multipliers: Sequence[Any]) -> Row:
    """The sum of rows with multipliers >= 0, each row as coprime integers."""
    total = [Fraction(0)] * len(rows[0])
    for place, factor in multipliers:
        value = _number(factor)
        demand(value >= 0 and type(place) is int and place >= 0, "a multiplier that is negative")
        row = _coprime(rows[place])
        total = [x + value * y for x, y in zip(total, row, strict=True)]
    return total


def _coprime(row: Row) -> list[int]:
    scale = lcm(*(x.denominator for x in row))
    values = [x.numerator * (scale // x.denominator) for x in row]
    divisor = gcd(*values) or 1
    return [x // divisor for x in values]


# ---- a witness


def _check_witness(question: _Question, record: dict[str, Any]) -> None:
    place = [*map(_number, record["place"]), Fraction(1)]
    x = [_number(value) for value in record["witness"]]
    demand(len(place) == question.dim + 1, "a place of another dimension")
    demand(all(_value(wall, place) >= 0 for wall in question.walls), "a witness outside")
    demand([_value(row, place) for row in question.chart] == x, "a witness off its place")
    columns, kept = [[value] for value in x], list[Row]()
    for layer, begins, ends in question.layers():
        kept = columns if begins else kept
        z = layer.before(columns)
        columns = [_bent(layer, row, sum(row[-1] > bend for bend in layer.bends)) for row in z]
        columns = _sums(columns, kept) if ends else columns
    outputs = [row[0] for row in columns]
    for case in question.cases:
        demand(any(not _fulfils(row, strict, outputs) for row, strict in case), "no violation")


def _value(row: Row, place: Sequence[Fraction]) -> Fraction:
    return sum(map(mul, row, place), Fraction(0))


def _fulfils(row: Row, strict: bool, outputs: Sequence[Fraction]) -> bool:
    value = _value(row[:-1], outputs)
    return value < row[-1] or (value == row[-1] and not strict)


def _bent(layer: _Layer, row: Row, piece: int) -> Row:
    slope, intercept = layer.pieces[piece]
    return [*(slope * x for x in row[:-1]), slope * row[-1] + intercept]


def _sums(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    return [[x + y for x, y in zip(a, b, strict=True)] for a, b in zip(rows, others, strict=True)]


# ---- cells
#
# The domain has inner points, and all rows here are no constants or are cut from it by none: a
# point inside on which no neuron is zero follows one path to a leaf, strictly inside all its rows.
# Such points are dense, and what a leaf excludes it excludes on the closure.


def _check_cells(
    question: _Question, tree: dict[str, Any], sides: list[Row], known: dict[int, bool]
) -> None:
    """A tree of signs on the domain within some sides; the signs in `known` hold on all of it."""
    rows = [*question.walls, *sides]
    if "empty" in tree:
        _opposed(rows, tree["empty"])
        return
    layers = list(question.layers())
    _Signs(question, layers, known).follow(tree, rows, _Stop(0, question.chart, [], (), 0))


@dataclass(frozen=True)
class _Stop:
    """In front of layer `at`: its inputs, what the skip connection around it keeps, the bits so
    far, and how many of them belong to layers passed.
    """

    at: int
    columns: list[Row]
    kept: list[Row]
    bits: tuple[bool, ...]
    passed: int


@dataclass(frozen=True)
class _Signs:
    question: _Question
    layers: list[tuple[_Layer, bool, bool]]
    known: dict[int, bool]

    def follow(self, tree: dict[str, Any], rows: list[Row], stop: _Stop) -> None:
        """Follow one tree to its leaves."""
        steps = {number: (on, proof) for number, on, proof in tree["steps"]}
        while stop.at < len(self.layers):
            layer, begins, ends = self.layers[stop.at]
            kept = stop.columns if begins else stop.kept
            z = layer.before(stop.columns)
            hinges = [[*row[:-1], row[-1] - bend] for row in z for bend in layer.bends]
            bits = stop.bits
            while len(bits) - stop.passed < len(hinges):
                number, hinge = len(bits), hinges[len(bits) - stop.passed]
                if number == tree.get("split"):
                    demand(any(hinge[:-1]), f"neuron {number} has one sign, and no two sides")
                    here = _Stop(stop.at, stop.columns, kept, bits, stop.passed)
                    self._both(tree["sides"], rows, here, hinge)
                    return
                on, row = self._sign(number, hinge, rows, steps)
                bits, rows = (*bits, on), rows if row is None else [*rows, row]
            columns = self._behind(layer, z, bits[stop.passed :])
            columns = _sums(columns, kept) if ends else columns
            stop = _Stop(stop.at + 1, columns, kept, bits, len(bits))
        self._no_violation(tree["cases"], rows, stop.columns)

    def _both(self, sides: Any, rows: list[Row], stop: _Stop, hinge: Row) -> None:
        demand(len(sides) == 2, "a neuron has two sides")
        for on, side in zip((True, False), sides, strict=True):
            row = hinge if on else [-x for x in hinge]
            bits = (*stop.bits, on)
            inside = _Stop(stop.at, stop.columns, stop.kept, bits, stop.passed)
            self.follow(side, [*rows, row], inside)

    def _sign(
        self, number: int, hinge: Row, rows: list[Row], steps: dict[int, Any]
    ) -> tuple[bool, Row | None]:
        """The sign of a neuron on a cell, and the row that it adds."""
        if not any(hinge[:-1]):
            return hinge[-1] > 0, None
        if number not in steps:
            demand(number in self.known, f"nothing is said of neuron {number}")
            return self.known[number], None
        on, proof = steps[number]
        opposite = [-x for x in hinge]
        _opposed([*rows, opposite if on else hinge], proof)
        return bool(on), hinge if on else opposite

    def _behind(self, layer: _Layer, z: list[Row], bits: Sequence[bool]) -> list[Row]:
        count = len(layer.bends)
        return [
            _bent(layer, row, sum(bits[j * count : (j + 1) * count])) for j, row in enumerate(z)
        ]

    def _no_violation(self, proofs: Any, rows: list[Row], columns: list[Row]) -> None:
        picked = list(product(*self.question.cases))
        demand(len(proofs) == len(picked), "not all violations are excluded")
        for case, proof in zip(picked, proofs, strict=True):
            found = [_violation(row, columns) for row, _ in case]
            total = combined([*rows, *found], proof)
            strict = {len(rows) + k for k, (_, strict) in enumerate(case) if not strict}
            weighs = any(place in strict and _number(factor) > 0 for place, factor in proof)
            demand(not any(total[:-1]), "multipliers that leave a normal")
            demand(total[-1] < 0 or (total[-1] == 0 and weighs), "a violation is not excluded")


def _violation(row: Row, columns: list[Row]) -> Row:
    """`factors . y - bound` over the parameters."""
    found = [_value(row[:-1], [column[k] for column in columns]) for k in range(len(columns[0]))]
    return [*found[:-1], found[-1] - row[-1]]


def _opposed(rows: Sequence[Row], proof: Sequence[Any]) -> None:
    """Reject unless no point is strictly inside all rows, by multipliers that are not all zero."""
    total = combined(rows, proof)
    demand(any(_number(factor) > 0 for _, factor in proof), "no multiplier")
    demand(not any(total[:-1]) and total[-1] <= 0, "a side that may have points is left out")


# ---- boxes


def _check_tree(question: _Question, record: dict[str, Any]) -> None:
    ends = _ends(question, record["bounds"])
    bounder, nodes = _Bounder.of(question, ends), record["nodes"]
    start = ([Fraction(-1)] * question.dim, [Fraction(1)] * question.dim)
    stack = [(0, *start, bounder.unknown())]
    while stack:
        number, lo, hi, neurons = stack.pop()
        node = nodes[number]
        if "wall" in node:
            row = bounder.in_units(question.walls[node["wall"]])
            demand(_most(row, lo, hi) < 0, f"box {number} may meet the domain")
            continue
        box = bounder.on(lo, hi, neurons, bytes.fromhex(node["lines"]))
        if "case" in node:
            for value in bounder.values(node["case"], box):
                demand(value < 0, f"the case does not hold on box {number}")
        elif "axis" in node:
            axis, child = node["axis"], node["children"]
            demand(0 <= axis < question.dim and child > number, "a box that is not halved")
            middle = (lo[axis] + hi[axis]) / 2
            lower, upper = [*hi], [*lo]
            lower[axis] = upper[axis] = middle
            stack += [(child, lo, lower, box.neurons), (child + 1, upper, hi, box.neurons)]
        else:
            sides = _sides(bounder, lo, hi)
            _check_cells(question, node["cells"], sides, box.known())


def _ends(question: _Question, given: Sequence[Any]) -> list[tuple[Fraction, Fraction]]:
    """The box that the walls lie in, each end proved by multipliers."""
    ends = list[Fraction]()
    demand(len(given) == 2 * question.dim, "bounds of another dimension")
    for k, entry in enumerate(given):
        end, sign = _number(entry["end"]), 2 * (k % 2) - 1
        row = [Fraction(0)] * question.dim + [-sign * end]
        row[k // 2] = Fraction(sign)
        _opposed([*question.walls, row], entry["proof"])
        ends.append(end)
    pairs = list(zip(ends[::2], ends[1::2], strict=True))
    demand(all(a < b for a, b in pairs), "a box without room")
    return pairs


def _sides(bounder: _Bounder, lo: Row, hi: Row) -> list[Row]:
    """The sides of a box over the parameters, lower before upper."""
    found, dim = list[Row](), len(lo)
    for k, (first, last) in enumerate(bounder.ends):
        middle, half = (first + last) / 2, (last - first) / 2
        for sign, end in ((1, lo[k]), (-1, hi[k])):
            row = [Fraction(0)] * dim + [-sign * (middle + half * end)]
            row[k] = Fraction(sign)
            found.append(row)
    return found


def _most(row: Row, lo: Row, hi: Row) -> Fraction:
    """The most of a row on a box."""
    ends = zip(row, lo, hi, strict=False)
    return sum((x * (b if x > 0 else a) for x, a, b in ends), row[-1])


@dataclass(frozen=True)
class _Map:
    """`(matrix z + column) / denominator` in integers, and behind it slopes below and above
    zero.
    """

    matrix: list[list[int]]
    column: list[int]
    denominator: int
    slopes: tuple[Fraction, Fraction]


Neurons = list[list[tuple[Fraction | None, Fraction | None]]]


@dataclass(frozen=True)
class _Passage:
    """What a substitution through one map needs on a box: of the neurons behind it that are not
    zero all over the box, chords, lines and shifts over `common`, constants, and their weights by
    input. `used` are those neurons.
    """

    used: list[int]
    chords: list[int]
    lines: list[int]
    shifts: list[int]
    common: int
    convex: bool
    constants: list[int]
    columns: list[list[int]]
    denominator: int

    @classmethod
    def of(
        cls, each: _Map, lines: list[tuple[Fraction, Fraction, Fraction]], inputs: list[int]
    ) -> _Passage:
        used = [i for i, passes in enumerate(lines) if any(passes)]
        common = lcm(*(x.denominator for i in used for x in lines[i]))
        chords, shifts, zeros = (
            [lines[i][k].numerator * (common // lines[i][k].denominator) for i in used]
            for k in range(3)
        )
        return cls(
            used,
            chords,
            zeros,
            shifts,
            common,
            each.slopes[1] > each.slopes[0],
            [each.column[i] for i in used],
            [[each.matrix[i][c] for i in used] for c in inputs],
            each.denominator,
        )

    def back(self, values: list[int]) -> tuple[list[int], int, int]:
        """A row over the neurons in use as one over the inputs, and its two constants: over
        `common`, and over that times `denominator`.
        """
        bent, moved = list[int](), 0
        for x, chord, line, shift in zip(values, self.chords, self.lines, self.shifts, strict=True):
            if (x > 0) == self.convex:
                bent.append(x * chord)
                moved += x * shift
            else:
                bent.append(x * line)
        found = [sum(map(mul, bent, column)) for column in self.columns]
        return found, moved, sum(map(mul, bent, self.constants))


@dataclass
class _Box:
    """Bounds of the neurons on a box, the passages through its maps, and of the inputs of every
    map the sum of what they are at most, and those in use.
    """

    lo: Row
    hi: Row
    neurons: Neurons
    passages: list[_Passage]
    sizes: list[Fraction]
    used: list[int]

    def known(self) -> dict[int, bool]:
        """The neurons whose sign holds on all of the box, by number."""
        flat = [pair for layer in self.neurons for pair in layer]
        found = dict[int, bool]()
        for number, (low, high) in enumerate(flat):
            if low is not None and low >= 0:
                found[number] = True
            elif high is not None and high <= 0:
                found[number] = False
        return found


@dataclass(frozen=True)
class _Bounder:
    """Linear bounds over the box around a domain, whose parameters run from -1 to 1."""

    maps: list[_Map]
    cases: list[list[_Map]]
    ends: list[tuple[Fraction, Fraction]]

    @classmethod
    def of(cls, question: _Question, ends: list[tuple[Fraction, Fraction]]) -> _Bounder:
        """The affine maps between functions that bend once, at zero."""
        maps = list[_Map]()
        columns: list[Row] | None = [_stretched(row, ends) for row in question.chart]
        shift = [Fraction(0)] * len(question.chart)
        for layer, begins, _ in question.layers():
            demand(not begins and len(layer.bends) < 2, "bounds of a network without any")
            found = _over(layer.weight, layer.bias, layer.denominator, columns, shift)
            if not layer.bends:
                slope, intercept = layer.pieces[0]
                columns = [[slope * x for x in row] for row in found]
                columns = [[*row[:-1], row[-1] + intercept] for row in columns]
                shift = [Fraction(0)] * len(columns)
                continue
            bend, (below, above) = layer.bends[0], (piece[0] for piece in layer.pieces)
            value = below * bend + layer.pieces[0][1]
            rows = [[*row[:-1], row[-1] - bend] for row in found]
            maps.append(_map(rows, (below, above)))
            columns, shift = None, [value] * len(rows)
        cases = list[list[_Map]]()
        for case in question.cases:
            rows = [[*row[:-1], -row[-1]] for row, _ in case]
            scale = lcm(*(x.denominator for row in rows for x in row))
            weight = [[int(x * scale) for x in row[:-1]] for row in rows]
            found = _over(weight, [int(row[-1] * scale) for row in rows], scale, columns, shift)
            cases.append([_map(found, (Fraction(0), Fraction(0)))] if rows else [])
        return cls(maps, cases, ends)

    def unknown(self) -> Neurons:
        """No bounds of any neuron."""
        return [[(None, None)] * len(each.column) for each in self.maps]

    def in_units(self, wall: Row) -> Row:
        """A wall over the units of the box."""
        return _stretched(wall, self.ends)

    def on(self, lo: Row, hi: Row, neurons: Neurons, choices: bytes) -> _Box:
        """Better bounds of the neurons on a box than those that hold on a larger one."""
        size = sum((max(abs(a), abs(b)) for a, b in zip(lo, hi, strict=True)), Fraction(0))
        box, number = _Box(lo, hi, [], [], [size], [*range(len(lo))]), 0
        for each, before in zip(self.maps, neurons, strict=True):
            here, lines, total = list[tuple[Any, Any]](), list[Any](), Fraction(0)
            for j, (low, high) in enumerate(before):
                if low is None or high is None or low < 0 < high:
                    most, least = _upper(box, each, j, 1), -_upper(box, each, j, -1)
                    low = least if low is None else max(low, least)
                    high = most if high is None else min(high, most)
                steep = bool(choices[number // 8] >> (7 - number % 8) & 1)
                lines.append(_lines(low, high, each.slopes, steep))
                total += max(abs(_bend(low, each.slopes)), abs(_bend(high, each.slopes)))
                here.append((low, high))
                number += 1
            box.neurons.append(here)
            box.passages.append(_Passage.of(each, lines, box.used))
            box.used = box.passages[-1].used
            box.sizes.append(total)
        return box

    def values(self, case: int, box: _Box) -> Iterator[Fraction]:
        """Above each inequality of a case on a box: `factors . y - bound`."""
        for each in self.cases[case]:
            for j in range(len(each.column)):
                yield _upper(box, each, j, 1)


def _stretched(row: Row, ends: Sequence[tuple[Fraction, Fraction]]) -> Row:
    """A row over parameters as one over the units of their box."""
    constant = row[-1] + sum(
        (x * (a + b) / 2 for x, (a, b) in zip(row, ends, strict=False)), Fraction(0)
    )
    return [*(x * (b - a) / 2 for x, (a, b) in zip(row, ends, strict=False)), constant]


def _over(
    weight: list[list[int]],
    bias: list[int],
    denominator: int,
    columns: list[Row] | None,
    shift: Row,
) -> list[Row]:
    """`(weight (z + shift) + bias) / denominator`, z itself or rows over what lies before."""
    found = list[Row]()
    for row, constant in zip(weight, bias, strict=True):
        moved = Fraction(constant, denominator) + _value([Fraction(x) for x in row], shift) / (
            denominator
        )
        if columns is None:
            found.append([*(Fraction(x, denominator) for x in row), moved])
            continue
        values = [
            _value([Fraction(x) for x in row], [column[k] for column in columns]) / denominator
            for k in range(len(columns[0]))
        ]
        found.append([*values[:-1], values[-1] + moved])
    return found


def _map(rows: list[Row], slopes: tuple[Fraction, Fraction]) -> _Map:
    scale = lcm(*(x.denominator for row in rows for x in row))
    table = [[x.numerator * (scale // x.denominator) for x in row] for row in rows]
    return _Map([row[:-1] for row in table], [row[-1] for row in table], scale, slopes)


def _bend(z: Fraction, slopes: tuple[Fraction, Fraction]) -> Fraction:
    return z * slopes[z > 0]


def _lines(
    low: Fraction, high: Fraction, slopes: tuple[Fraction, Fraction], steep: bool
) -> tuple[Fraction, Fraction, Fraction]:
    """Chord, its shift, and a line through zero, of a function that bends at zero."""
    below, above = slopes
    if low >= 0 or high <= 0:
        only = above if low >= 0 else below
        return only, Fraction(0), only
    first, last = _bend(low, slopes), _bend(high, slopes)
    chord = _rounded((last - first) / (high - low))
    ends = (first - chord * low, last - chord * high)
    return chord, max(ends) if above > below else min(ends), slopes[steep]


def _rounded(x: Fraction) -> Fraction:
    """A number with few digits near x: any slope is one of a chord that is shifted enough."""
    shift = 64 + max(0, x.denominator.bit_length() - abs(x.numerator).bit_length())
    return Fraction(int(x * 2**shift), 2**shift)


def _upper(box: _Box, own: _Map, j: int, sign: int) -> Fraction:
    """Above `sign` times row j of the next map on a box, by substituting backwards."""
    under = own.denominator
    values, total = (
        [sign * own.matrix[j][i] for i in box.used],
        Fraction(sign * own.column[j], under),
    )
    for passage, size in zip(reversed(box.passages), reversed(box.sizes[:-1]), strict=True):
        values, moved, constant = passage.back(values)
        total += Fraction(moved, under * passage.common)
        under *= passage.common * passage.denominator
        total += Fraction(constant, under)
        values, under, unit = _short(values, under)
        total += unit * size
    ends = zip(values, box.lo, box.hi, strict=True)
    most = sum((x * (b if x > 0 else a) for x, a, b in ends), Fraction(0))
    return _above(total + most / under)


def _above(x: Fraction) -> Fraction:
    """A number with some digits, not below x and of its sign."""
    shift = _DIGITS + x.denominator.bit_length() - abs(x.numerator).bit_length()
    if shift >= 0:
        return Fraction(-((-x.numerator << shift) // x.denominator), 1 << shift)
    return Fraction(-(-x.numerator // (x.denominator << -shift)) << -shift)


def _short(values: list[int], under: int) -> tuple[list[int], int, Fraction]:
    """Integers over a power of two with some digits, and by how much each is rounded at most."""
    largest = max(map(abs, values), default=0)
    if not largest:
        return values, 1, Fraction(0)
    shift = _DIGITS + under.bit_length() - largest.bit_length()
    if shift >= 0:
        return [(x << shift) // under for x in values], 1 << shift, Fraction(1, 1 << shift)
    return [x // (under << -shift) << -shift for x in values], 1, Fraction(1 << -shift)
