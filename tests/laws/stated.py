"""What a certificate states, read from its header in fractions and enumerated anew: nothing of
`exact` is used here.

Polytopes are enumerated by halving the domain hinge by hinge, with strict inequalities decided by
Fourier and Motzkin. On curves and spheres the code at a rational direction is exact: every value
there is `a + b sqrt(q)`, times a positive number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import gcd
from typing import Any

Record = Any
Row = tuple[Fraction, ...]
Pair = tuple[Fraction, Fraction]  # a + b sqrt(q), for a q that goes with it
Bits = tuple[bool, ...]


class MeaninglessError(Exception):
    """The header states no network, or no domain of its kind."""


def require(holds: bool, what: str) -> None:
    if not holds:
        raise MeaninglessError(what)


@dataclass(frozen=True)
class Layer:
    rows: tuple[Row, ...]  # weights, then bias
    bends: Row
    pieces: tuple[Row, ...]  # none for a smooth activation


@dataclass(frozen=True)
class Block:
    layers: tuple[Layer, ...]
    residual: bool
    norm: dict[str, Any] | None


@dataclass(frozen=True)
class Stated:
    """The network and the domain of a header: the chart's rows, walls, and what else its kind
    has.
    """

    blocks: tuple[Block, ...]
    kind: str
    chart: tuple[Row, ...]
    walls: tuple[Row, ...]
    radius_squared: Fraction | None
    end: Row | None
    one: Row | None
    cosine: Fraction | None = None

    @property
    def dim(self) -> int:
        """The number of parameters, or of vectors."""
        return len(self.chart[0]) - 1


def numbers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split(" ") if word]


def over(text: str, denominator: str) -> Row:
    scale = numbers(denominator)
    require(len(scale) == 1 and scale[0] > 0, "a denominator that is not positive")
    return tuple(Fraction(x, scale[0]) for x in numbers(text))


def fraction(text: str) -> Fraction:
    top, bottom = numbers(text)
    require(bottom > 0, "a denominator that is not positive")
    return Fraction(top, bottom)


def layer_of(record: Record, inputs: int) -> Layer:
    rows, activation = (
        tuple(over(row, record["denominator"]) for row in record["rows"]),
        record["activation"],
    )
    require(all(len(row) == inputs + 1 for row in rows), "a row of another length")
    bends = over(activation["bends"], activation["unit"])
    pieces = tuple(over(piece, activation["unit"]) for piece in activation.get("pieces", ()))
    require(all(a < b for a, b in pairwise(bends)), "bends that do not ascend")
    if "smooth" not in activation:
        require(
            len(pieces) == len(bends) + 1 and all(len(piece) == 2 for piece in pieces),
            "pieces between other bends",
        )
        ends = zip(bends, pairwise(pieces), strict=True)
        require(all(p[0] * b + p[1] == q[0] * b + q[1] for b, (p, q) in ends), "a jump")
    return Layer(rows, bends, pieces)


def norm_of(record: Record, width: int) -> dict[str, Any]:
    gain, bias = (over(record[key], record["denominator"]) for key in ("gain", "bias"))
    under, beside = fraction(record["eps_under_root"]), fraction(record["eps_beside_root"])
    projection = record["projection"]
    if isinstance(projection, str):
        share = {"mean": Fraction(1, width), "identity": Fraction(0)}[projection]
        matrix = tuple(tuple(int(i == j) - share for j in range(width)) for i in range(width))
    else:
        matrix = tuple(over(row, projection["denominator"]) for row in projection["rows"])
    require(
        len(gain) == len(bias) == len(matrix) == width and under >= 0 and beside >= 0, "no norm"
    )
    return {"gain": gain, "bias": bias, "under": under, "beside": beside, "matrix": matrix}


def stated(header: Record) -> Stated:
    """The problem of a header; MeaninglessError where there is none."""
    blocks, width = list[Block](), header["network"]["input_dim"]
    inputs = width
    for record in header["network"]["blocks"]:
        norm, layers, before = (
            None if record.get("norm") is None else norm_of(record["norm"], width),
            list[Layer](),
            width,
        )
        for layer in record["layers"]:
            layers.append(layer_of(layer, width))
            width = len(layers[-1].rows)
        require(
            bool(layers) and not (record["residual"] and width != before),
            "a skip that does not fit",
        )
        blocks.append(Block(tuple(layers), record["residual"], norm))
    domain = header["domain"]
    chart = tuple(over(row, domain["chart"]["denominator"]) for row in domain["chart"]["rows"])
    require(
        len(chart) == inputs >= 1 and len({len(row) for row in chart}) == 1,
        "a chart that leads elsewhere",
    )
    walls = tuple(tuple(map(Fraction, numbers(wall))) for wall in domain.get("walls", ()))
    radius = fraction(domain["radius_squared"]) if "radius_squared" in domain else None
    end, one = (
        tuple(map(Fraction, numbers(domain[key]))) if key in domain else None
        for key in ("end", "one")
    )
    cosine = fraction(domain["cosine"]) if "cosine" in domain else None
    found = Stated(tuple(blocks), header["kind"], chart, walls, radius, end, one, cosine)
    require_domain(found, domain)
    return found


def require_domain(found: Stated, record: Record) -> None:
    """That the domain is what its kind is about: a polyhedron, a line of more than a point, a
    circle, a sphere.
    """
    if found.kind in ("complex", "simple", "facets"):
        # a point is a polyhedron; its one region has no faces
        least = 0 if found.kind == "facets" else 1
        require(found.dim == record["dim"] >= least, "no polyhedron")
        require(all(len(wall) == found.dim + 1 for wall in found.walls), "no polyhedron")
        require(
            found.radius_squared is None and found.end is None and found.one is None,
            "no polyhedron",
        )
        return
    require(not record.keys() & {"walls", "cube"}, "a wall around a curve or sphere")
    columns = [tuple(column) for column in zip(*found.chart, strict=True)]
    if found.cosine is not None:
        others = (found.radius_squared, found.end, found.one)
        require(found.kind == "curve" and found.dim == 2 and not any(others), "no ellipse")
        require(-1 < found.cosine < 1 and rank(columns[:2]) == 2, "no ellipse")
        return
    require(not any(columns[-1]), "directions with an offset")
    if found.kind == "curve" and (found.end is not None or found.one is not None):
        require(
            found.end is not None
            and found.one is not None
            and found.radius_squared is None
            and found.dim == 2,
            "no line",
        )
        assert found.one is not None
        require(
            rank([(*column, x) for column, x in zip(columns[:-1], found.one, strict=True)]) == 2,
            "a line of one point",
        )
        return
    require(found.dim == (2 if found.kind == "curve" else record["dim"] + 1), "another dimension")
    require(found.radius_squared is None or found.radius_squared > 0, "no radius")
    require(rank(columns[:-1]) == found.dim, "dependent vectors")


def rank(rows: Sequence[Row]) -> int:
    left, found = [list(row) for row in rows], 0
    for k in range(len(rows[0])):
        pivot = next((row for row in left if row[k]), None)
        if pivot is not None:
            left.remove(pivot)
            left = [
                [x - row[k] / pivot[k] * y for x, y in zip(row, pivot, strict=True)] for row in left
            ]
            found += 1
    return found


def written(bits: Sequence[bool]) -> str:
    """A code as certificates write it."""
    size = (len(bits) + 7) // 8
    return (
        f"{int(''.join('01'[b] for b in bits).ljust(8 * size, '0'), 2):0{2 * size}x}"
        if size
        else ""
    )


# ---- polytopes


def has_points(rows: Sequence[Row]) -> bool:
    """Whether `n.x + b > 0` holds somewhere for all rows (n, b): eliminate one variable after the
    other.
    """
    left = {coprime(row) for row in rows}
    for k in range(len(rows[0]) - 1) if rows else ():
        above, below = [row for row in left if row[k] > 0], [row for row in left if row[k] < 0]
        left = {row for row in left if not row[k]}
        left |= {
            coprime([y[k] * -p + x[k] * q for p, q in zip(x, y, strict=True)])
            for x in above
            for y in below
        }
        if any(row[-1] <= 0 and not any(row[:-1]) for row in left):
            return False
    return all(row[-1] > 0 for row in left)


def coprime(row: Sequence[Fraction | int]) -> tuple[int, ...]:
    scale = 1
    for x in row:
        scale = scale * x.denominator // gcd(scale, x.denominator)
    values = [int(x * scale) for x in row]
    divisor = gcd(*values) or 1
    return tuple(x // divisor for x in values)


def polytopes(problem: Stated) -> dict[str, tuple[Row, ...]]:
    """The map of every code that has an open region in the domain: rows over (parameters, 1); empty
    rows if smooth.
    """
    if not has_points(problem.walls):
        return {}
    return {
        written(bits): image
        for bits, image in _halved(problem, problem.walls, (), 0, 0, problem.chart, problem.chart)
    }


def _halved(
    problem: Stated,
    walls: tuple[Row, ...],
    bits: Bits,
    block: int,
    layer: int,
    state: tuple[Row, ...],
    before: tuple[Row, ...],
) -> Iterator[tuple[Bits, tuple[Row, ...]]]:
    """All codes that go on from here: the layers before are done, with these bits, on the points
    inside the walls.
    """
    if block == len(problem.blocks):
        yield bits, state
        return
    here = problem.blocks[block]
    require(here.norm is None, "polytopes behind a norm")
    if layer == len(here.layers):
        state = tuple(map(added, state, before)) if here.residual else state
        yield from _halved(problem, walls, bits, block + 1, 0, state, state)
        return
    own = here.layers[layer]
    z = tuple(combined(row, state) for row in own.rows)
    for chosen, inside in _choices([(row, bend) for row in z for bend in own.bends], walls):
        if not own.pieces:
            yield (*bits, *chosen), ()
            continue
        count = len(own.bends)
        places = [sum(chosen[i * count : (i + 1) * count]) for i in range(len(z))]
        image = tuple(scaled(row, *own.pieces[place]) for row, place in zip(z, places, strict=True))
        yield from _halved(problem, inside, (*bits, *chosen), block, layer + 1, image, before)


def _choices(
    hinges: Sequence[tuple[Row, Fraction]], walls: tuple[Row, ...]
) -> Iterator[tuple[Bits, tuple[Row, ...]]]:
    if not hinges:
        yield (), walls
        return
    row, bend = hinges[0]
    above = (*row[:-1], row[-1] - bend)
    for bit in (False, True):
        wall = above if bit else tuple(-x for x in above)
        if any(above[:-1]) and has_points((*walls, wall)):
            yield from (
                ((bit, *rest), inside) for rest, inside in _choices(hinges[1:], (*walls, wall))
            )
        elif not any(above[:-1]) and (above[-1] > 0) == bit:
            yield from (((bit, *rest), inside) for rest, inside in _choices(hinges[1:], walls))


def combined(row: Row, state: Sequence[Row]) -> Row:
    found = [
        sum((w * x[k] for w, x in zip(row[:-1], state, strict=True)), Fraction(0))
        for k in range(len(state[0]))
    ]
    return (*found[:-1], found[-1] + row[-1])


def added(u: Row, v: Row) -> Row:
    return tuple(x + y for x, y in zip(u, v, strict=True))


def scaled(row: Row, slope: Fraction, intercept: Fraction) -> Row:
    return (*(slope * x for x in row[:-1]), slope * row[-1] + intercept)


# ---- codes at directions of curves and spheres


def sign(pair: Pair, q: Fraction) -> int:
    """The sign of `a + b sqrt(q)`."""
    a, b = pair
    if a >= 0 and b >= 0:
        return int(a > 0 or (b > 0 and q > 0))
    if a <= 0 and b <= 0:
        return -int(a < 0 or (b < 0 and q > 0))
    return (1 if a > 0 else -1) * ((a * a > b * b * q) - (a * a < b * b * q))


NEAR = (Fraction(3, 10**12), Fraction(-7, 10**12), Fraction(5, 10**12), Fraction(11, 10**12))


def code_at(problem: Stated, direction: Sequence[Fraction | int]) -> str | None:
    """The code at the point that a rational direction means; beside it where some hinge is 0 there;
    None where undefined.

    A hinge that is 0 beside it, too, is 0 all around, and off.
    """
    found = _code_at(problem, direction, strict=True)
    return found or _code_at(
        problem, [x + y for x, y in zip(direction, NEAR, strict=False)], strict=False
    )


def _code_at(problem: Stated, direction: Sequence[Fraction | int], *, strict: bool) -> str | None:
    if problem.cosine is not None:
        return _code_on_ellipse(problem, problem.cosine, *map(Fraction, direction), strict=strict)
    x = [
        sum((y * c for y, c in zip(row, direction, strict=False)), Fraction(0))
        for row in problem.chart
    ]
    if problem.one is not None:
        scale = sum((a * b for a, b in zip(problem.one, direction, strict=True)), Fraction(0))
        point = [(y / scale, Fraction(0)) for y in x] if scale > 0 else None
        return (
            None
            if point is None
            else _bits(problem, point, (Fraction(1), Fraction(0)), Fraction(0), strict)
        )
    if problem.radius_squared is not None:
        q = sum((y * y for y in x), Fraction(0)) / problem.radius_squared
        return _bits(problem, [(y, Fraction(0)) for y in x], (Fraction(0), Fraction(1)), q, strict)
    return _bits(problem, [(y, Fraction(0)) for y in x], None, Fraction(0), strict)


def _code_on_ellipse(
    problem: Stated, k: Fraction, c: Fraction, s: Fraction, *, strict: bool
) -> str | None:
    """At the second point of the ellipse on a line through the one at half a turn."""
    size = c * c + 2 * k * c * s + s * s
    alpha, beta = (c * c - s * s) / size, 2 * s * (c + k * s) / size
    point = [(alpha * u + beta * v + middle, Fraction(0)) for u, v, middle in problem.chart]
    return _bits(problem, point, (Fraction(1), Fraction(0)), Fraction(0), strict)


def _bits(
    problem: Stated, state: list[Pair], one: Pair | None, q: Fraction, strict: bool
) -> str | None:
    """Values times a positive number, which `one` is where it is known; None stands for a scale
    that goes to infinity.
    """
    bits, normed = list[bool](), one is not None and q > 0
    left = sum(
        len(layer.bends) * len(layer.rows) for block in problem.blocks for layer in block.layers
    )
    for block in problem.blocks:
        inner = state
        if block.norm is not None and left:
            require(not normed, "a second root")
            normed = True
            behind = _behind(block.norm, [a for a, _ in state], one is None)
            if behind is None:
                return None
            inner, one, q = behind
        for layer in block.layers:
            plain = (
                not layer.bends
                and not any(row[-1] for row in layer.rows)
                and not layer.pieces[0][1]
            )
            require(one is not None or plain, "no scale in front of the norm")
            unit = one or (Fraction(0), Fraction(0))
            z = [_sum([*zip(row[:-1], inner, strict=True), (row[-1], unit)]) for row in layer.rows]
            signs = [
                [sign(_sum([(Fraction(1), value), (-bend, unit)]), q) for bend in layer.bends]
                for value in z
            ]
            if strict and any(s == 0 for own in signs for s in own):
                return None
            bits += [s > 0 for own in signs for s in own]
            left -= sum(map(len, signs))
            if not layer.pieces:
                return written(bits)
            places = [sum(s > 0 for s in own) for own in signs]
            inner = [
                _sum([(layer.pieces[place][0], value), (layer.pieces[place][1], unit)])
                for value, place in zip(z, places, strict=True)
            ]
        require(not (block.residual and block.norm is not None and left), "a skip around a norm")
        pairs = zip(state, inner, strict=True) if block.residual else ()
        state = [_sum([(Fraction(1), u), (Fraction(1), v)]) for u, v in pairs] or inner
    return written(bits)


def _sum(terms: Sequence[tuple[Fraction, Pair]]) -> Pair:
    return sum((w * a for w, (a, _) in terms), Fraction(0)), sum(
        (w * b for w, (_, b) in terms), Fraction(0)
    )


def _behind(
    norm: dict[str, Any], x: list[Fraction], far: bool
) -> tuple[list[Pair], Pair, Fraction] | None:
    p = [sum((m * y for m, y in zip(row, x, strict=True)), Fraction(0)) for row in norm["matrix"]]
    under, beside = (Fraction(0), Fraction(0)) if far else (norm["under"], norm["beside"])
    q = sum((y * y for y in p), Fraction(0)) / len(x) + under
    if not q and not beside:
        return None
    values = [
        (g * y + b * beside, b) for g, y, b in zip(norm["gain"], p, norm["bias"], strict=True)
    ]
    return values, (beside, Fraction(1)), q
