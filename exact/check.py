"""Verify a certificate: every region it lists is a region of the network, and none is missing.

Nothing here is shared with what makes certificates: only Python's integers and fractions, no float decides, no tolerance. The
weights are read from the certificate itself, and the verdict says by sha256 which network it speaks about. The format, and
why the checks below prove what the verdict says, stand in `docs/certificates.md`; in short:

`complex`: all faces of all regions, given from the vertices up. (1) Every vertex lies in the closed domain, and one exact
forward pass gives the sign of every hinge there. (2) On the vertices of a cell every hinge has one weak sign, that of the
cell's bit; so all hinges are affine on the hull of the vertices, and the inside of the hull has that code. (3) Call a
constraint tight on a face where it vanishes on all vertices. On each (k-1)-face of a k-face further constraints are tight, and
no two (k-1)-faces share one: they lie in different supporting hyperplanes, dimensions rise by one, and every k-face has
dimension k. (4) In every k-face each (k-2)-face occurs an even number of times: the listed (k-1)-faces are a nonzero cycle
modulo 2 in the boundary of the hull, a sphere, hence all its facets. (5) Every facet belongs to two cells, or to one and to
the edge of the domain; codes are distinct. So the hulls leave no gap in the domain.

`facets`: for every region a point strictly inside, and for every halfspace that its code means either a point in the
relative interior of the facet, or a proof that the halfspace contains the other ones' intersection. The code just outside each
facet is computed, and is that of a listed region: the list is closed under crossing facets, so the domain is covered.

All of it stands in this one file, long as it is, so that whoever doubts a result can read it, and run it with `exact.errors`
alone.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import gcd
from operator import mul
from pathlib import Path
from typing import Any

from exact.errors import InvalidInput

FORMAT = "exactlens-certificate-1"

Integers = list[int]
Values = tuple[int, ...]
Choose = Callable[[int, Values], bool]
_Crossing = tuple[str, str, int]  # a facet on the way to another region: the place, the code behind it, the neighbour named


class Status(Enum):
    """What a verification found. Has no truth value: compare with `is`."""

    COMPLETE = "verified, complete"
    INCOMPLETE = "verified, but not complete"
    REJECTED = "rejected"

    def __bool__(self) -> bool:
        raise TypeError("a Status has no truth value; got bool(status); write status is Status.COMPLETE")


@dataclass(frozen=True)
class Verdict:
    """What is proved, about which network and domain; or the first reason found for rejecting the certificate.

    COMPLETE: the listed codes are exactly those of the open regions in the domain. INCOMPLETE: they are regions, all different,
    and more may exist. `digest` is that of `Partition.digest`, `network_sha256` that of `Network.sha256`, both
    computed here; they are empty, as is `domain`, where the certificate was rejected.
    """

    status: Status
    reason: str
    regions: int = 0
    maps: bool = False
    network_sha256: str = ""
    domain: str = ""
    digest: str = ""

    def __bool__(self) -> bool:
        raise TypeError("a Verdict has no truth value; got bool(verdict); write verdict.status is Status.COMPLETE")


class _Rejected(Exception):
    """The certificate does not prove what it says; the message names the place."""


def verify_file(path: str | Path) -> Verdict:
    """Verify a certificate file; one that ends in `.gz` is unpacked on the way.

    Raises InvalidInput where the file is no certificate, OSError where it cannot be read. Cost: see :func:`verify`.
    """
    place = Path(path)
    if place.suffix == ".gz" and place.read_bytes()[:2] != b"\x1f\x8b":
        raise InvalidInput("no gzip file", value=str(place), remedy="give a certificate as it was written")
    try:
        with gzip.open(place, "rb") if place.suffix == ".gz" else place.open("rb") as file:
            return verify(file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return Verdict(Status.REJECTED, f"the file is truncated or damaged: {error}")


def verify(lines: Iterable[bytes]) -> Verdict:
    """Verify a certificate given as its lines, each with its line feed.

    Raises InvalidInput where the first line is not the header of a certificate. Cost: one exact forward pass per vertex
    (`complex`), or one per region and facet (`facets`); linear in the length of the certificate.
    """
    records = _Records(lines)
    header = records.header()
    try:
        return _verified(header, records)
    except _Rejected as error:
        return Verdict(Status.REJECTED, str(error))


def _verified(header: dict[str, Any], records: _Records) -> Verdict:
    network, claim = _Network.read(_get(header, "network", dict, "header")), _Claim.read(header)
    domain = _Domain.read(_get(header, "domain", dict, "header"), network.input_dim)
    if _get(header, "network_sha256", str, "header") != network.sha256:
        raise _Rejected("header: network_sha256 is not that of the weights in the file")
    if claim.maps and network.is_smooth:
        raise _Rejected("header: maps are claimed of a network with a smooth activation")
    if not claim.regions:
        what = _empty_domain(header, domain, claim)
    else:
        what = (_complex if claim.kind == "complex" else _facets)(network, domain, claim, records)
    records.finish()
    found = f"{claim.regions}:{network.hinges}:".encode() + b"".join(sorted(bytes.fromhex(code) for code in claim.codes))
    status = Status.COMPLETE if claim.complete else Status.INCOMPLETE
    return Verdict(status, what, claim.regions, claim.maps, network.sha256, str(domain), hashlib.sha256(found).hexdigest())


# ---- reading


class _Records:
    """The lines of a certificate, one JSON value each; the last one holds the sha256 of all before it."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines, self._hash, self._number = iter(lines), hashlib.sha256(), 0

    def header(self) -> dict[str, Any]:
        """The first line. Raises InvalidInput where it is none of ours."""
        try:
            value, problem = self.next("header"), "another format"
        except _Rejected as error:
            value, problem = None, str(error)
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise InvalidInput("the file is not a certificate", value=problem,
                               remedy="write one with exactlens partition --certificate")  # fmt: skip
        return value

    def next(self, place: str) -> Any:
        """The value of the next line."""
        line = next(self._lines, b"")
        if not line.endswith(b"\n"):
            raise _Rejected(f"{place}: the file is truncated after line {self._number}")
        self._number += 1
        self._hash.update(line)
        try:
            return json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _Rejected(f"{place}: line {self._number} is not JSON") from error

    def finish(self) -> None:
        """Read the last line, and see that it is the last and that its sha256 is right."""
        expected = self._hash.hexdigest()
        if self.next("last line") != {"sha256": expected}:
            raise _Rejected("last line: the sha256 is not that of the lines before")
        if next(self._lines, b""):
            raise _Rejected("the file goes on behind its last line")


def _get(record: Any, key: str, kind: type, place: str) -> Any:
    """The entry of an object, which must have the given type (a bool is no int)."""
    value = record.get(key) if isinstance(record, dict) else None
    if type(value) is not kind:
        raise _Rejected(f"{place}: {key} is missing, or not of type {kind.__name__}")
    return value


def _integers(text: Any, count: int, place: str) -> Integers:
    """Integers in base 16, separated by spaces."""
    try:
        values = [int(word, 16) for word in text.split()]
    except (AttributeError, ValueError) as error:
        raise _Rejected(f"{place}: not a list of integers in base 16") from error
    if len(values) != count:
        raise _Rejected(f"{place}: {len(values)} integers where {count} belong")
    return values


def _scaled(text: Any, count: int, place: str) -> Integers:
    """Integers of which the last is a positive denominator: a homogeneous point, or numbers over it."""
    values = _integers(text, count + 1, place)
    if values[-1] <= 0:
        raise _Rejected(f"{place}: the denominator is not positive")
    return values


def _indices(value: Any, bound: int, place: str) -> Integers:
    """Different indices below a bound."""
    if type(value) is not list or not all(type(i) is int and 0 <= i < bound for i in value):
        raise _Rejected(f"{place}: not a list of indices below {bound}")
    if len(set(value)) != len(value):
        raise _Rejected(f"{place}: an index is repeated")
    return value


def _entries(value: Any, length: int, place: str) -> list[Any]:
    if type(value) is not list or len(value) != length:
        raise _Rejected(f"{place}: not a list of {length} entries")
    return value


@dataclass
class _Claim:
    """What the header says about the regions; `codes` grows while they are read, code -> index."""

    kind: str
    complete: bool
    regions: int
    faces: Integers
    maps: bool
    codes: dict[str, int]

    @classmethod
    def read(cls, header: dict[str, Any]) -> _Claim:
        kind, counts = _get(header, "kind", str, "header"), _get(header, "faces", list, "header")
        regions, complete = _get(header, "regions", int, "header"), _get(header, "complete", bool, "header")
        if kind not in ("complex", "facets") or not all(type(n) is int and n >= 0 for n in (*counts, regions)):
            raise _Rejected("header: an unknown kind, or counts that are no counts")
        if (kind == "complex" and not complete) or (kind == "facets" and counts):
            raise _Rejected("header: a complex that is not complete, or faces without a complex")
        return cls(kind, complete, regions, counts, _get(header, "maps", bool, "header"), {})

    def add(self, record: Any, hinges: int, place: str) -> int:
        """The code of a region, its first hinge in the highest bit; no two regions share one."""
        text, size = _get(record, "code", str, place), (hinges + 7) // 8
        if len(text) != 2 * size or not re.fullmatch("[0-9a-f]*", text):
            raise _Rejected(f"{place}: the code is not {size} bytes in lower-case base 16")
        padded = int(text or "0", 16)
        if padded % (1 << (8 * size - hinges)):
            raise _Rejected(f"{place}: the code has bits beyond its {hinges} hinges")
        if text in self.codes:
            raise _Rejected(f"{place}: the code is that of region {self.codes[text]}, too")
        self.codes[text] = len(self.codes)
        return padded >> (8 * size - hinges)


# ---- the network and the domain


@dataclass(frozen=True)
class _Layer:
    """`activation(weight x + bias)` in integers: weight and bias over `denominator`, bends and pieces over `unit`.

    Piece k, between bends k - 1 and k, is `slope z + intercept`; a smooth activation has none.
    """

    weight: list[Integers]
    bias: Integers
    denominator: int
    activation: str
    unit: int
    bends: Integers
    pieces: list[tuple[int, int]]

    @classmethod
    def read(cls, record: Any, inputs: int, place: str) -> _Layer:
        rows = [_integers(row, inputs + 1, f"{place}, row {i}") for i, row in enumerate(_get(record, "rows", list, place))]
        denominator = _scaled(_get(record, "denominator", str, place), 0, f"{place}, denominator")[0]
        activation = _get(record, "activation", str, place)
        return cls([row[:-1] for row in rows], [row[-1] for row in rows], denominator, activation, *_shape(activation, place))

    @property
    def digest(self) -> bytes:
        """The sha256 of weight and bias by which networks are known, and the name of the activation."""
        parts = [_matrix_digest(self.weight, len(self.weight[0]), self.denominator),
                 _matrix_digest([[b] for b in self.bias], 1, self.denominator)]  # fmt: skip
        return b"".join(parts) + self.activation.encode()


def _shape(activation: str, place: str) -> tuple[int, Integers, list[tuple[int, int]]]:
    """Unit, bends and pieces of an activation, by its name."""
    fixed: dict[str, tuple[Integers, list[tuple[int, int]]]] = {
        "ReLU()": ([0], [(0, 0), (1, 0)]), "AbsoluteValue()": ([0], [(-1, 0), (1, 0)]), "Identity()": ([], [(1, 0)]),
        "GELU(approximate='none')": ([0], []), "GELU(approximate='tanh')": ([0], []), "SiLU()": ([0], [])}  # fmt: skip
    if activation in fixed:
        return 1, *fixed[activation]
    number = r"(-?\d{1,999}(?:/[1-9]\d{0,999})?)"
    if leaky := re.fullmatch(rf"LeakyReLU\(slope={number}\)", activation, re.ASCII):
        slope = Fraction(leaky[1])
        return slope.denominator, [0], [(slope.numerator, 0), (slope.denominator, 0)]
    if tanh := re.fullmatch(rf"HardTanh\(lo={number}, hi={number}\)", activation, re.ASCII):
        low, high = Fraction(tanh[1]), Fraction(tanh[2])
        unit = low.denominator * high.denominator
        if low < high:
            return unit, [int(low * unit), int(high * unit)], [(0, int(low * unit)), (unit, 0), (0, int(high * unit))]
    raise _Rejected(f"{place}: unknown activation {activation[:60]}")


def _matrix_digest(rows: list[Integers], width: int, denominator: int) -> bytes:
    """The sha256 of a matrix: of its float64 bytes where they hold it without loss, else of its fractions."""
    entries = [Fraction(x, denominator) for row in rows for x in row]
    floats = [_float_of(x) for x in entries]
    lossless = all(y is not None for y in floats)
    texts = ",".join(f"{x.numerator}/{x.denominator}" for x in entries)
    body = struct.pack(f"<{len(floats)}d", *floats) if lossless else texts.encode()
    return hashlib.sha256(f"{(len(rows), width)}:{lossless}:".encode() + body).digest()


def _float_of(value: Fraction) -> float | None:
    """The float64 that equals a fraction, or None."""
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if Fraction(found) == value else None


@dataclass(frozen=True)
class _Block:
    layers: list[_Layer]
    residual: bool


@dataclass(frozen=True)
class _Network:
    """Blocks in order; `hinges` is the number of bits of a code."""

    blocks: list[_Block]
    input_dim: int
    sha256: str

    @classmethod
    def read(cls, record: Any) -> _Network:
        inputs = width = _get(record, "input_dim", int, "network")
        blocks = list[_Block]()
        for b, block in enumerate(_get(record, "blocks", list, "network")):
            layers, before = list[_Layer](), width
            for k, layer in enumerate(_get(block, "layers", list, f"block {b}")):
                layers.append(_Layer.read(layer, width, f"block {b}, layer {k}"))
                width = len(layers[-1].weight)
                if not width:
                    raise _Rejected(f"block {b}, layer {k}: no row")
            blocks.append(_Block(layers, _get(block, "residual", bool, f"block {b}")))
            if not layers or (blocks[-1].residual and width != before):
                raise _Rejected(f"block {b}: no layer, or a skip connection that does not fit")
        if not blocks or inputs < 1:
            raise _Rejected("network: no block, or no input")
        network = cls(blocks, inputs, _network_digest(blocks))
        if any(layer.bends and not layer.pieces for layer in network.bent[:-1]):
            raise _Rejected("network: a hidden layer stands behind a smooth activation")
        return network

    @property
    def bent(self) -> list[_Layer]:
        """The layers that add bits to the code."""
        return [layer for block in self.blocks for layer in block.layers if layer.bends]

    @property
    def hinges(self) -> int:
        return sum(len(layer.bends) * len(layer.weight) for layer in self.bent)

    @property
    def is_smooth(self) -> bool:
        return any(not layer.pieces for layer in self.bent)


def _network_digest(blocks: list[_Block]) -> str:
    digest = hashlib.sha256(b"exactlens network 1")
    for block in blocks:
        digest.update(f"block:{block.residual}:None".encode() + b"".join(layer.digest for layer in block.layers))
    return digest.hexdigest()


@dataclass(frozen=True)
class _Domain:
    """Points `chart(s)`, s in R^dim strictly inside all `walls`; with `cube` also in [-K, K]^dim, K beyond all numbers."""

    chart: _Block
    dim: int
    walls: list[Integers]
    cube: bool

    @classmethod
    def read(cls, record: Any, inputs: int) -> _Domain:
        dim = _get(record, "dim", int, "domain")
        if dim < 1:
            raise _Rejected("domain: no dimension")
        chart = _Layer.read({**_get(record, "chart", dict, "domain"), "activation": "Identity()"}, dim, "domain, chart")
        if len(chart.weight) != inputs:
            raise _Rejected("domain: the chart does not lead into the network")
        walls = [_integers(wall, dim + 1, f"domain, wall {i}") for i, wall in enumerate(_get(record, "walls", list, "domain"))]
        return cls(_Block([chart], False), dim, walls, _get(record, "cube", bool, "domain"))

    def __str__(self) -> str:
        """The inequalities on the parameters, and the chart where it is not the identity."""
        chart, units = self.chart.layers[0], range(self.dim)
        if len(self.walls) * self.dim <= 64 and all(abs(x) < 10**40 for wall in self.walls for x in wall):
            rows = [f"({' '.join(map(str, wall[:-1]))}).x + {wall[-1]} > 0" for wall in self.walls]
        else:
            rows = [f"the {len(self.walls)} inequalities in the file hold"]
        text = " where ".join([f"R^{self.dim}", *([", ".join(rows)] if rows else [])])
        plain = chart.weight == [[chart.denominator * (i == j) for j in units] for i in units] and not any(chart.bias)
        return text if plain else f"{text}, mapped into R^{len(chart.bias)} by the chart in the file"

    def constraints(self, columns: Sequence[Integers], one: Integers) -> Iterator[Values]:
        """The values of all walls, then of the sides of the cube, at a point (see :func:`_walk`)."""
        for wall in self.walls:
            yield tuple(_dot(wall, column) + wall[-1] * o for column, o in zip(columns, one, strict=True))
        if self.cube:
            far = columns[0] if len(columns) == 2 else [0] * self.dim
            for q, p in zip(far, columns[-1], strict=True):
                yield (one[-1] - q, -p)
                yield (one[-1] + q, p)


def _dot(row: Sequence[int], column: Sequence[int]) -> int:
    """The sum of products, over the shorter length: of a wall and a homogeneous point a multiple of the wall's value there."""
    return sum(map(mul, row, column))


def _sign(values: Values) -> int:
    """The sign of the first value that is not zero."""
    for value in values:
        if value:
            return 1 if value > 0 else -1
    return 0


def _is_positive(_: int, values: Values) -> bool:
    return _sign(values) > 0


def _walk(
    network: _Network, domain: _Domain, columns: list[Integers], one: Integers, choose: Choose
) -> tuple[list[Values], list[Values], Integers]:
    """Carry functions of the parameters through the network: the values of all hinges, the outputs, and the final `one`.

    A function is one integer per column over a common denominator; `one` holds the constant 1 in the same way. `choose` gives
    the bit of a hinge. Columns (infinite part, finite part) are values at a point with coordinates in Q[K], columns (value,
    slope) follow a point that moves by an infinitesimal: the sign is that of the first column that is not zero.
    """
    hinges, state = list[Values](), columns
    for block in (domain.chart, *network.blocks):
        inner, factor = state, 1
        for layer in block.layers:
            inner = [[_dot(row, column) + b * o for row, b in zip(layer.weight, layer.bias, strict=True)]
                     for column, o in zip(inner, one, strict=True)]  # fmt: skip
            one, factor = [layer.denominator * o for o in one], layer.denominator * factor
            inner, one, factor = _activate(layer, inner, one, factor, hinges, choose)
            if not layer.pieces:
                return hinges, [], one
        if block.residual:
            inner = [[factor * x + y for x, y in zip(*pair, strict=True)] for pair in zip(state, inner, strict=True)]
        state = inner
    return hinges, list(zip(*state, strict=True)), one


def _activate(
    layer: _Layer, z: list[Integers], one: Integers, factor: int, hinges: list[Values], choose: Choose
) -> tuple[list[Integers], Integers, int]:
    """The outputs on the pieces that `choose` selects; the hinges `z - bend` are appended."""
    if not layer.bends:
        return z, one, factor
    unit, out = layer.unit, list[list[int]]()
    for values in zip(*z, strict=True):
        piece = 0
        for bend in layer.bends:
            plain = unit == 1 and not bend
            above = values if plain else tuple(unit * v - bend * o for v, o in zip(values, one, strict=True))
            piece += choose(len(hinges), above)
            hinges.append(above)
        if layer.pieces:
            slope, intercept = layer.pieces[piece]
            out.append([slope * v + intercept * o for v, o in zip(values, one, strict=True)])
    return [list(column) for column in zip(*out, strict=True)], [unit * o for o in one], unit * factor


# ---- a domain without interior


def _empty_domain(header: dict[str, Any], domain: _Domain, claim: _Claim) -> str:
    """Motzkin: multipliers >= 0, not all zero, that cancel the normals of the walls and leave a sum <= 0."""
    if not claim.complete:
        return "no region is listed"
    multipliers = _integers(header.get("empty"), len(domain.walls), "header, empty")
    total = [_dot(multipliers, [wall[k] for wall in domain.walls]) for k in range(domain.dim + 1)]
    if min(multipliers, default=0) < 0 or not any(multipliers) or any(total[:-1]) or total[-1] > 0:
        raise _Rejected("header, empty: the multipliers do not prove that the domain has no interior point")
    return "the domain has no interior point"


# ---- kind "complex"


@dataclass
class _Faces:
    """All faces of one dimension: the constraints tight on each, hinges positive or negative somewhere on it, its facets.

    Constraints are bits of an int: hinges first (the highest), then walls and sides of the cube.
    """

    tight: list[int]
    positive: list[int]
    negative: list[int]
    boundary: list[Integers]
    owners: list[int]


@dataclass(frozen=True)
class _Vertex:
    """A vertex: its coordinates, and the outputs of the network there, each column over the entries of `one`."""

    columns: list[Integers]
    scale: Integers
    outputs: list[Values]
    one: Integers


def _complex(network: _Network, domain: _Domain, claim: _Claim, records: _Records) -> str:
    if len(claim.faces) != domain.dim:
        raise _Rejected(f"header: {len(claim.faces)} counts of faces in dimension {domain.dim}")
    lower, vertices = _vertices(network, domain, claim, records)
    levels = [lower]
    for k in range(1, domain.dim):
        upper = _Faces([], [], [], [], [])
        for i in range(claim.faces[k]):
            _add_face(upper, levels[-1], records.next(f"{k}-face {i}"), k, f"{k}-face {i}")
        _all_used(levels[-1], k - 1)
        levels.append(upper)
    cells = _Faces([], [], [], [], [])
    sides = len(domain.walls) + 2 * domain.dim * domain.cube
    for i in range(claim.regions):
        record = records.next(f"cell {i}")
        code = claim.add(record, network.hinges, f"cell {i}")
        _add_face(cells, levels[-1], _get(record, "faces", list, f"cell {i}"), domain.dim, f"cell {i}")
        if cells.positive[i] & cells.negative[i]:
            raise _Rejected(f"cell {i}: a hinge is positive at one vertex and negative at another")
        if cells.positive[i] >> sides != code:
            raise _Rejected(f"cell {i}: the code is not that of its vertices")
        if claim.maps:
            _map_at_vertices(record, [vertices[v] for v in _corners(cells, levels, i)], domain.dim, f"cell {i}")
    _closed(levels[-1], sides, domain.dim - 1)
    return f"{claim.regions} cells of a complex with {', '.join(map(str, claim.faces))} lower faces fill the domain"


def _vertices(network: _Network, domain: _Domain, claim: _Claim, records: _Records) -> tuple[_Faces, list[_Vertex]]:
    """The signs of all constraints at every vertex, by one exact forward pass each."""
    found, vertices = _Faces([], [], [], [], []), list[_Vertex]()
    for i in range(claim.faces[0]):
        columns, one = _coordinates(records.next(f"vertex {i}"), domain, f"vertex {i}")
        hinges, outputs, last = _walk(network, domain, columns, one, _is_positive)
        walls = [_sign(values) for values in domain.constraints(columns, one)]
        if -1 in walls:
            raise _Rejected(f"vertex {i}: outside the domain, at wall {walls.index(-1)}")
        signs = [_sign(values) for values in hinges] + walls
        for masks, wanted in ((found.tight, 0), (found.positive, 1), (found.negative, -1)):
            masks.append(int("".join("1" if s == wanted else "0" for s in signs) or "0", 2))
        found.boundary.append([])
        found.owners.append(0)
        if claim.maps:
            vertices.append(_Vertex(columns, one, outputs, last))
    return found, vertices


def _coordinates(text: Any, domain: _Domain, place: str) -> tuple[list[Integers], Integers]:
    """A vertex `(p + K q) / x0`, written q, p, x0 (without q where there is no cube), as columns for :func:`_walk`."""
    values = _scaled(text, domain.dim * (2 if domain.cube else 1), place)
    infinite, finite, scale = values[: -1 - domain.dim], values[-1 - domain.dim : -1], values[-1]
    return ([infinite, finite], [0, scale]) if any(infinite) else ([finite], [scale])


def _add_face(upper: _Faces, lower: _Faces, listed: Any, dim: int, place: str) -> None:
    """Append a face of dimension `dim`, after checks (3) and (4) of the module."""
    parts = _indices(listed, len(lower.tight), place)
    tight, positive, negative = -1, 0, 0
    for part in parts:
        tight, positive, negative = tight & lower.tight[part], positive | lower.positive[part], negative | lower.negative[part]
        lower.owners[part] += 1
    if dim == 1 and len(parts) != 2:
        raise _Rejected(f"{place}: an edge without two ends")
    _in_different_hyperplanes([lower.tight[part] & ~tight for part in parts], dim, place)
    odd = set[int]()
    for part in parts:
        odd ^= set(lower.boundary[part])
    if odd or not parts:
        raise _Rejected(f"{place}: its boundary is not closed at {dim - 2}-face {min(odd, default='none')}")
    for faces, value in ((upper.tight, tight), (upper.positive, positive), (upper.negative, negative), (upper.owners, 0)):
        faces.append(value)
    upper.boundary.append(parts)


def _in_different_hyperplanes(further: Integers, dim: int, place: str) -> None:
    seen = 0
    for constraints in further:
        if not constraints:
            raise _Rejected(f"{place}: a {dim - 1}-face in it lies on no further constraint")
        if constraints & seen:
            raise _Rejected(f"{place}: two {dim - 1}-faces in it lie in one hyperplane")
        seen |= constraints


def _all_used(faces: _Faces, dim: int) -> None:
    if 0 in faces.owners:
        raise _Rejected(f"{dim}-face {faces.owners.index(0)}: belongs to no face above it")


def _closed(facets: _Faces, sides: int, dim: int) -> None:
    """Every facet belongs to two cells, or to one and to the edge of the domain."""
    edge = (1 << sides) - 1
    for i, (owners, tight) in enumerate(zip(facets.owners, facets.tight, strict=True)):
        if owners == 1 and not tight & edge:
            raise _Rejected(f"{dim}-face {i}: one side is neither a cell nor outside the domain: a region is missing")
        if owners not in (1, 2):
            raise _Rejected(f"{dim}-face {i}: belongs to {owners} cells")


def _corners(cells: _Faces, levels: list[_Faces], index: int) -> set[int]:
    """The vertices of a cell."""
    found = set(cells.boundary[index])
    for faces in reversed(levels[1:]):
        found = {part for face in found for part in faces.boundary[face]}
    return found


def _read_map(record: Any, outputs: int, dim: int, place: str) -> tuple[list[Integers], int]:
    """The rows (coefficients, then constant) of an affine map over the parameters, and their denominator."""
    denominator, *rows = _entries(record.get("map"), outputs + 1, f"{place}, map")
    return [_integers(row, dim + 1, f"{place}, map") for row in rows], _scaled(denominator, 0, f"{place}, map")[0]


def _map_at_vertices(record: Any, vertices: list[_Vertex], dim: int, place: str) -> None:
    """The map is right, because it is at the vertices of a cell of full dimension on which the network is affine."""
    rows, denominator = _read_map(record, len(vertices[0].outputs), dim, place)
    for vertex in vertices:
        scale, last = vertex.scale[-1], vertex.one[-1]
        for row, output in zip(rows, vertex.outputs, strict=True):
            here = tuple(_dot(row, column) + row[-1] * o for column, o in zip(vertex.columns, vertex.scale, strict=True))
            if any(x * last != y * denominator * scale for x, y in zip(here, output, strict=True)):
                raise _Rejected(f"{place}, map: wrong at a vertex")


# ---- kind "facets"


def _facets(network: _Network, domain: _Domain, claim: _Claim, records: _Records) -> str:
    if domain.cube:
        raise _Rejected("domain: a cube, which only a complex has")
    crossings, edge = list[_Crossing](), {_coprime(wall) for wall in domain.walls}
    for i in range(claim.regions):
        record = records.next(f"region {i}")
        code = claim.add(record, network.hinges, f"region {i}")
        walls = _region_walls(network, domain, code, record if claim.maps else None, f"region {i}")
        crossings += _region(network, domain, record, walls, edge, f"region {i}")
    unexplored = 0
    for place, code_behind, neighbour in crossings:
        behind = claim.codes.get(code_behind, -1)
        if neighbour != behind:
            raise _Rejected(f"{place}: the neighbour is {behind}, not {neighbour}")
        if behind < 0 and claim.complete:
            raise _Rejected(f"{place}: leads to a region that is not listed")
        unexplored += behind < 0
    return f"{claim.regions} regions, {len(crossings)} crossings, {unexplored} of them to regions that are not listed"


def _coprime(row: Sequence[int]) -> Values:
    divisor = gcd(*row) or 1
    return tuple(x // divisor for x in row)


def _region_walls(network: _Network, domain: _Domain, code: int, mapped: Any, place: str) -> list[Values]:
    """The distinct halfspaces that a code means: of the domain, then of the hinges in order; coprime, positive inside."""
    dim, bits = domain.dim, [bool(code >> k & 1) for k in reversed(range(network.hinges))]
    columns = [[int(i == k) for i in range(dim)] for k in range(dim + 1)]
    hinges, outputs, one = _walk(network, domain, columns, [0] * dim + [1], lambda hinge, _: bits[hinge])
    found = dict.fromkeys(_coprime(wall) for wall in domain.walls)
    for j, (bit, row) in enumerate(zip(bits, hinges, strict=True)):
        if any(row[:-1]):
            found[_coprime(row if bit else [-x for x in row])] = None
        elif (row[-1] > 0) != bit:
            raise _Rejected(f"{place}: hinge {j} is constant there, and not as the code says")
    if mapped is not None:
        rows, denominator = _read_map(mapped, len(outputs), dim, place)
        if any(x * denominator != y * one[-1] for a, b in zip(outputs, rows, strict=True) for x, y in zip(a, b, strict=True)):
            raise _Rejected(f"{place}, map: not that of the code")
    return list(found)


def _region(
    network: _Network, domain: _Domain, record: Any, walls: list[Values], edge: set[Values], place: str
) -> Iterator[_Crossing]:
    """Check witness, facets and redundancy proofs of one region; the facets that are not on the edge of the domain."""
    witness = _scaled(_get(record, "witness", str, place), domain.dim, f"{place}, witness")
    outside = next((i for i, wall in enumerate(walls) if _dot(wall, witness) <= 0), None)
    if outside is not None:
        raise _Rejected(f"{place}: the witness is not strictly inside wall {outside}")
    facets = [_entries(facet, 3, f"{place}, facets") for facet in _get(record, "facets", list, place)]
    redundant = [_entries(proof, 2, f"{place}, redundant") for proof in _get(record, "redundant", list, place)]
    _indices([entry[0] for entry in (*facets, *redundant)], len(walls), f"{place}, walls named")
    if len(facets) + len(redundant) != len(walls):
        raise _Rejected(f"{place}: {len(walls)} walls, but {len(facets)} facets and {len(redundant)} redundant ones")
    for name, proof in redundant:
        _redundant(walls, name, proof, [facet[0] for facet in facets], f"{place}, wall {name}")
    for name, text, neighbour in facets:
        point = _scaled(text, domain.dim, f"{place}, wall {name}")
        if _dot(walls[name], point) or any(_dot(wall, point) <= 0 for k, wall in enumerate(walls) if k != name):
            raise _Rejected(f"{place}, wall {name}: the point is not in the relative interior of the facet")
        if walls[name] in edge:
            if neighbour is not None:
                raise _Rejected(f"{place}, wall {name}: a neighbour beyond the edge of the domain")
        elif type(neighbour) is not int:
            raise _Rejected(f"{place}, wall {name}: the neighbour is not named")
        else:
            yield f"{place}, wall {name}", _code_outside(network, domain, walls[name], point), neighbour


def _redundant(walls: list[Values], name: int, proof: Any, facets: Integers, place: str) -> None:
    """`q wall = sum_f l_f facet_f + s` with q > 0 and l, s >= 0: inside the facets the wall is positive by itself."""
    q, *multipliers = _integers(proof, len(facets) + 1, place)
    rows = zip(*(walls[facet] for facet in facets), strict=True) if facets else ((0,),) * len(walls[name])
    total = [_dot(row, multipliers) for row in rows]
    slack = [q * x - y for x, y in zip(walls[name], total, strict=True)]
    if q <= 0 or min(multipliers, default=0) < 0 or any(slack[:-1]) or slack[-1] < 0:
        raise _Rejected(f"{place}: the multipliers do not prove that it is redundant")


def _code_outside(network: _Network, domain: _Domain, wall: Values, point: Integers) -> str:
    """The code just outside a facet, at a point of its relative interior."""
    columns, one = [point[:-1], [-x for x in wall[:-1]]], [point[-1], 0]
    hinges, _, _ = _walk(network, domain, columns, one, _is_positive)
    bits = "".join("1" if _sign(values) > 0 else "0" for values in hinges)
    size = (len(bits) + 7) // 8
    return f"{int(bits.ljust(8 * size, '0') or '0', 2):0{2 * size}x}" if size else ""
