"""Certificates with changed headers, resealed: whatever the checker accepts must be true of what
the header then states.

A seed is a small random partition of some kind (polytopes as a complex or by facets, lines,
circles, 2-spheres, codes on spheres). Its certificate must be verified; then network, domain,
chart, walls, cube, radius, ends, counts and bodies change, at random and as a forger would, under
right sha256 sums. What is accepted is compared with an enumeration of the header in fractions
(`stated`): of polytopes all codes and maps, on curves the code at every witness and at points
between, on spheres codes at many directions, points at which every listed code occurs, and the
number of cells by another engine.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

from exact import (
    AbsoluteValue,
    Block,
    Box,
    Domain,
    Ellipse,
    GreatCircle,
    GreatSphere,
    HardTanh,
    HPolytope,
    InvalidInput,
    Layer,
    LayerNorm,
    LeakyReLU,
    Line,
    Network,
    Plane,
    Ray,
    RealSpace,
    ReLU,
    RMSNorm,
    Segment,
    Sphere,
    check,
    partition,
)
from exact.arithmetic.numbers import Rational
from exact.check import Status
from exact.check.network import DIALECT
from exact.check.network import Network as CheckedNetwork
from exact.check.records import Rejected
from exact.partition import ENGINES
from exact.regions import certificate as certificates
from exact.regions.engine import Problem
from tests.exact.forgeries import (
    Record,
    codes_of,
    leaves,
    mutant,
    network_in,
    numbers,
    records_of,
    reparented,
    signed,
    written,
)
from tests.exact.own_parts import Contrast, Shrink
from tests.laws import stated

MUTANTS = 24
"""Changed certificates for every seed."""
ACTIVATIONS = (ReLU(), ReLU(), LeakyReLU(Rational(1, 4)), AbsoluteValue(), HardTanh(), Shrink())
BY = {
    "complex": "subdivision",
    "facets": "lp_tree",
    "curve": "circle",
    "sphere": "small_circles",
    "codes": "sphere_polytopes",
}


@dataclass(frozen=True)
class HeaderJob:
    """A network, where it is cut, and the kind of its certificate."""

    seed: int
    kind: str
    network: Network
    domain: Domain

    def __str__(self) -> str:
        layers = [
            (layer.weight.tolist(), layer.bias.tolist(), layer.activation)
            for layer in self.network.layers
        ]
        return (
            f"{self.kind} of {self.domain!r}, seed {self.seed}: {layers}, norms "
            f"{self.network.norms}"
        )

    @property
    def lines(self) -> list[bytes]:
        """The certificate."""
        engine = engine_of(self.kind, self.domain)
        return list(certificates.of(partition(self.network, self.domain, engine=engine)))


def engine_of(kind: str, domain: Domain) -> str:
    """What makes certificates of a kind."""
    return "nested_roots" if isinstance(domain, Ellipse) else BY[kind]


def integers(draw: Random, count: int) -> list[int]:
    return [draw.randint(-2, 2) for _ in range(count)]


def network(draw: Random, dim: int, most: int, norm: Any = None) -> Network:
    """One or two hidden layers with `most` hinges at most, the first behind the norm, perhaps
    within a skip, and a readout.
    """
    layers, inputs, left = list[Layer](), dim, most
    for _ in range(draw.randint(1, 2)):
        activation = draw.choice(ACTIVATIONS)
        width = min(draw.randint(1, 3), left // len(activation.breakpoints))
        if width:
            layers.append(
                Layer.of(
                    [integers(draw, inputs) for _ in range(width)],
                    integers(draw, width),
                    activation,
                )
            )
            inputs, left = width, left - width * len(activation.breakpoints)
    skips = draw.random() < 0.2
    readout = Layer.of(
        [integers(draw, inputs) for _ in range(dim if skips else 1)],
        integers(draw, dim if skips else 1),
    )
    return Network((Block((*layers, readout), norm=norm, residual=skips),))


def normed(draw: Random, dim: int) -> Any:
    kind = draw.choice([LayerNorm, RMSNorm, Contrast])
    eps = draw.choice([Fraction(0), Fraction(1, 3)])
    gain, rule = [draw.choice([1, 1, 2, -1]) for _ in range(dim)], draw.choice(["var", "std"])
    return kind.of(eps, gain, integers(draw, dim), eps_rule=rule)


def job(seed: int) -> HeaderJob:
    """The partition of a seed."""
    draw = Random(seed)
    kind = draw.choice(["complex", "complex", "facets", "curve", "curve", "sphere", "codes"])
    while True:
        try:
            found = HeaderJob(seed, kind, *MADE[kind](draw))
            name = engine_of(kind, found.domain)
            engine = next(e for e in ENGINES if e.name == name)
            if engine.refusal(Problem(found.network, found.domain)) is None:
                partition(found.network, found.domain, engine=name)
                return found
        except InvalidInput:  # a chart that the norm folds, a box that is flat
            continue


def _flat(draw: Random) -> tuple[Network, Domain]:
    dim = draw.choice([1, 2, 2, 2, 3])
    lo = integers(draw, dim)
    walls = [integers(draw, dim + 1) for _ in range(draw.randint(1, 3))]
    made: list[Callable[[], Domain]] = [
        lambda: Box(lo, [x + draw.randint(1, 3) for x in lo]),
        lambda: RealSpace(dim),
        lambda: HPolytope(walls),
    ]
    if dim == 3:
        made = [lambda: Plane(*(integers(draw, 3) for _ in range(3))), lambda: Box(-1, 1, dim=3)]
    return network(draw, dim, 6 if dim < 3 else 4), draw.choice(made)()


def _curve(draw: Random) -> tuple[Network, Domain]:
    dim, behind = draw.choice([2, 3, 3, 4]), draw.random() < 0.5
    norm = normed(draw, dim) if behind else None
    u, v = integers(draw, dim), integers(draw, dim)
    if draw.random() < 0.5:
        return network(draw, dim, 6, norm), draw.choice([Segment, Ray, Line])(u, v)
    if draw.random() < 0.4:
        cosine = draw.choice([0, "1/2", "-3/5"])
        return network(draw, dim, 6, norm), Ellipse(u, v, integers(draw, dim), cosine)
    return network(draw, dim, 6, norm), GreatCircle(
        u, v, radius_squared=None if behind else draw.choice([1, 2, "3/4"])
    )


def _sphere(draw: Random) -> tuple[Network, Domain]:
    behind, dim = draw.random() < 0.4, draw.choice([3, 4])
    norm = normed(draw, dim) if behind else None
    vectors = [integers(draw, dim) for _ in range(3)]
    if draw.random() < 0.4 or dim != 3 or behind:
        return network(draw, dim, 4, norm), GreatSphere(
            *vectors, radius_squared=None if behind else draw.choice([1, 2, "3/4"])
        )
    return network(draw, dim, 4), Sphere(draw.choice([1, 2, 3, "3/4"]))


MADE: dict[str, Callable[[Random], tuple[Network, Domain]]] = {
    "complex": _flat,
    "facets": _flat,
    "curve": _curve,
    "sphere": _sphere,
    "codes": _sphere,
}


# ---- changes


def mutants(draw: Random, records: list[Record]) -> Iterator[list[Record]]:
    """The records with one to three changes, sums set right as a rule."""
    for _ in range(MUTANTS):
        found = copy.deepcopy(records)
        for _ in range(draw.choice([1, 1, 2, 3])):
            change = draw.choice([forge, forge, anywhere, anywhere, special, special, special])
            try:
                found = change(draw, found)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError):
                continue  # an earlier change took away what this one changes
        yield renamed(found) if draw.random() < 0.95 else found


def renamed(records: list[Record]) -> list[Record]:
    """With the sha256 of the network that the header holds now."""
    try:
        records[0]["network_sha256"] = CheckedNetwork.read(records[0]["network"], DIALECT).sha256
    except (Rejected, KeyError):
        return records
    return records


def anywhere(draw: Random, records: list[Record]) -> list[Record]:
    """Something in the header changed, left out, repeated, exchanged or added."""
    open_to_change = records[0].keys() - {"format", "made_by", "network_sha256"}
    paths = list(_paths({key: value for key, value in records[0].items() if key in open_to_change}))
    *path, last = draw.choice(paths)
    place = records[0]
    for key in path:
        place = place[key]
    if isinstance(place, dict) and draw.random() < 0.1:
        place[
            draw.choice(
                ["walls", "cube", "dim", "radius_squared", "end", "one", "norm", "empty", "smooth"]
            )
        ] = draw.choice([0, True, [], "1 1", "0 0 0", place[last]])
    elif draw.random() < 0.08:
        del place[last]
    else:
        place[last] = _other(draw, place[last])
    return records


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, entry in items:
        yield (*before, key)
        yield from _paths(entry, (*before, key))


def _other(draw: Random, value: Any) -> Any:
    if isinstance(value, bool):
        return draw.choice([not value, int(value), None])
    if isinstance(value, int):
        return draw.choice([value + 1, value - 1, 0, -1, bool(value), float(value), 10**12])
    if isinstance(value, str) and value and set(value) <= set("0123456789abcdef -"):
        return _other_numbers(draw, value)
    if isinstance(value, str):
        return draw.choice(
            ["", "mean", "identity", "facets", "complex", "curve", "codes", "sphere", "SiLU()"]
        )
    if isinstance(value, list) and value:
        i, j = draw.randrange(len(value)), draw.randrange(len(value))
        swapped = [value[j] if k == i else value[i] if k == j else x for k, x in enumerate(value)]
        return draw.choice(
            [value[:i] + value[i + 1 :], [*value, copy.deepcopy(value[i])], swapped, []]
        )
    return draw.choice([{}, [], None, 0, ""])


def _other_numbers(draw: Random, text: str) -> str:
    words = numbers(text) or [0]
    i, j = draw.randrange(len(words)), draw.randrange(len(words))
    kind = draw.randrange(7)
    if kind == 0:
        return written([0] * len(words))
    if kind == 1:
        return written([-x for x in words])
    if kind == 2:
        return written([2 * x for x in words])
    if kind == 3:
        return written(words[:i] + words[i + 1 :])
    words[i] = draw.choice([words[i] + 1, words[i] - 1, -words[i], 0, words[j]])
    return written(words)


def special(draw: Random, records: list[Record]) -> list[Record]:
    """What a domain must not be, and harmless ways to write the same one."""
    domain, header = records[0]["domain"], records[0]
    rows, dim = domain["chart"]["rows"], len(numbers(domain["chart"]["rows"][0])) - 1
    if header["kind"] in ("complex", "facets") and draw.random() < 0.6:
        walls = domain["walls"]
        empty = written([0] * dim + [draw.choice([0, -1, 1])])
        more = [
            empty,
            empty,
            *walls,
            *(written([2 * x for x in numbers(w)]) for w in walls),
            *(written([-x for x in numbers(w)]) for w in walls),
            written(integers(draw, dim + 1)),
        ]
        walls.insert(
            draw.randint(0, len(walls)) if draw.random() < 0.3 else len(walls), draw.choice(more)
        )
        return records
    columns = [list(column) for column in zip(*map(numbers, rows), strict=True)]
    i, j = draw.randrange(dim), draw.randrange(dim)
    kind = draw.randrange(6)
    if kind == 0:
        columns[i] = [0] * len(rows)
    elif kind == 1:
        columns[i] = [draw.choice([1, -2]) * x for x in columns[j]]
    elif kind == 2:
        columns = [[2 * x for x in column] for column in columns]
        domain["chart"]["denominator"] = written(
            [2 * x for x in numbers(domain["chart"]["denominator"])]
        )
    elif kind == 3:
        columns[i] = [1] * len(rows)
    elif kind == 4 and "radius_squared" in domain:
        domain["radius_squared"] = draw.choice(["0 1", "-1 1", "1 -1", "1 0", "2 2", "4 4", "1 3"])
    elif kind == 5 and "end" in domain:
        domain[draw.choice(["end", "one"])] = written(integers(draw, 2))
    domain["chart"]["rows"] = [written(row) for row in zip(*columns, strict=True)]
    return records


def forge(draw: Random, records: list[Record]) -> list[Record]:
    """A cell left out and all that only it has; or any change of the bodies."""
    header = records[0]
    if header["kind"] == "complex" and draw.random() < 0.8 and leaves(records):
        reparented(records, draw.choice(leaves(records)))
        header["regions"] -= 1
        return records
    if header["kind"] == "facets" and header["regions"] and draw.random() < 0.2:
        return [header | {"regions": 0, "empty": written([1] * len(header["domain"]["walls"]))}]
    return mutant(draw, records) if len(records) > 1 else records


# ---- what is accepted is true


def verdict(seed: int) -> tuple[int, list[str]]:
    """What the checker accepts of a seed, and is not true; an exception is a fault, too."""
    try:
        return seed, list(faults(seed))
    except Exception as error:
        return seed, [f"{type(error).__name__}: {error}"]


def faults(seed: int) -> Iterator[str]:
    draw, own = Random(-1 - seed), job(seed)
    records = records_of(own.lines)
    first = answer_to(records)
    if first is None or first.status is not Status.COMPLETE:
        yield f"the partition's own certificate: {first}"
        return
    yield from (f"the partition's own certificate: {fault}" for fault in lies(records))
    for changed in mutants(draw, records):
        answer = answer_to(changed)
        if answer is not None and answer.status is not Status.REJECTED:
            yield from (f"{fault}, accepted: {changed}" for fault in lies(changed))


def answer_to(records: list[Record]) -> check.Verdict | None:
    """The verdict; None where the file is none of ours."""
    try:
        return check.verify(signed(records))
    except InvalidInput:
        return None


def lies(records: list[Record]) -> Iterator[str]:
    """What an accepted certificate says that is not so."""
    header = records[0]
    try:
        problem = stated.stated(header)
        if header["kind"] in ("complex", "simple", "facets"):
            yield from polytope_lies(problem, records)
        elif header["kind"] == "curve":
            yield from curve_lies(problem, records)
        else:
            yield from sphere_lies(problem, records)
    except stated.MeaninglessError as error:
        yield f"the header means nothing: {error}"


def polytope_lies(problem: stated.Stated, records: list[Record]) -> Iterator[str]:
    header, true = records[0], stated.polytopes(problem)
    listed = {code: records[number] for number, code in codes_of(records).items()}
    if header["complete"] and listed.keys() != true.keys():
        yield f"{len(listed)} regions, there are {len(true)}"
    if listed.keys() - true.keys() or len(listed) != header["regions"]:
        yield "a region that is none"
    for code, record in listed.items() if header["maps"] else ():
        denominator, *rows = record["map"]
        if code in true and tuple(stated.over(row, denominator) for row in rows) != true[code]:
            yield f"the map of {code} is another one"


def curve_lies(problem: stated.Stated, records: list[Record]) -> Iterator[str]:
    """The codes at the witnesses, and that between two of them only the first and then the second
    is met.
    """
    hinges = sum(len(r.bends) * len(r.rows) for b in problem.blocks for r in b.layers)
    bits = [
        bool(int(records[1]["code"] or "0", 16) >> k & 1)
        for k in reversed(range(4 * len(records[1]["code"])))
    ][:hinges]
    codes, witnesses = list[str](), list[list[Fraction]]()
    for record in records[1:]:
        for hinge in record["flips"] if codes else ():
            bits[hinge] = not bits[hinge]
        codes.append(stated.written(bits))
        witnesses.append([Fraction(x) for x in numbers(record["witness"])])
        if stated.code_at(problem, witnesses[-1]) != codes[-1]:
            yield f"cell {len(codes) - 1} has not its code at its witness"
    if len(codes) != records[0]["regions"]:
        yield "another number of cells"
    around = list(zip(witnesses, codes, strict=True))
    if problem.cosine is not None:
        around = half_a_turn(around)
    elif problem.end is None:
        around = (
            [*around, around[0]]
            if len(around) > 1
            else [around[0], ([-x for x in witnesses[0]], codes[0]), around[0]]
        )
    else:
        around = [([Fraction(1), Fraction(0)], codes[0]), *around, (list(problem.end), codes[-1])]
    for (u, one), (v, other) in pairwise(around):
        met = [
            code
            for code in (stated.code_at(problem, w) for w in between(u, v, 40))
            if code is not None
        ]
        if met != [one] * met.count(one) + [other] * (len(met) - met.count(one)) and one != other:
            yield "a code between two cells, or twice"
        elif one == other and set(met) - {one}:
            yield "a code inside a cell"


def half_a_turn(around: list[tuple[list[Fraction], str]]) -> list[tuple[list[Fraction], str]]:
    """Directions in order, of which opposite ones mean the same point of an ellipse, until the
    first one comes back.
    """
    (first, code), *others = around
    found = [(first, code)]
    for direction, other in others:
        u, v = found[-1][0], direction
        ahead = u[0] * v[1] - u[1] * v[0] > 0
        found.append((direction if ahead else [-x for x in direction], other))
    return [*found, ([-x for x in first], code)]


def between(u: Sequence[Fraction], v: Sequence[Fraction], count: int) -> Iterator[list[Fraction]]:
    """Directions from u counter-clockwise to v, on the way around."""
    turn = u[0] * v[1] - u[1] * v[0]
    if turn > 0:
        yield from (
            [(count - k) * a + k * b for a, b in zip(u, v, strict=True)] for k in range(1, count)
        )
    else:
        middle = [-u[1], u[0]]
        yield from between(u, middle, count)
        yield middle
        if middle[0] * v[1] - middle[1] * v[0] or middle[0] * v[0] + middle[1] * v[1] < 0:
            yield from between(middle, v, count)


def sphere_lies(problem: stated.Stated, records: list[Record]) -> Iterator[str]:
    """No direction has a code that is not listed, and every code of a complete list of another
    engine is there.
    """
    listed = {
        record["code"] for record in records[1:] if isinstance(record, dict) and "code" in record
    }
    draw = Random(len(records))
    for _ in range(120):
        code = stated.code_at(problem, [draw.randint(-9, 9) for _ in range(problem.dim)])
        if code is not None and code not in listed and records[0]["complete"]:
            yield f"the code {code} is not listed"
            return
    for record in records[1:]:
        if isinstance(record, dict) and "inside" in record and not occurs(problem, record):
            yield f"the code {record['code']} does not occur between its points"
    norms = [block["norm"] for block in records[0]["network"]["blocks"] if block.get("norm")]
    widths = [
        len(layer["rows"]) for block in records[0]["network"]["blocks"] for layer in block["layers"]
    ]
    if (
        records[0]["kind"] == "sphere"
        and all(isinstance(norm["projection"], str) for norm in norms)
        and all(widths)
    ):
        yield from _other_count(problem, records)


def occurs(problem: stated.Stated, record: Record) -> bool:
    """Whether the code is met on the ray to some point between the one inside the sphere and the
    one outside.
    """
    points = (numbers(record[key]) for key in ("inside", "outside"))
    ends = [[Fraction(x, values[-1]) for x in values[:-1]] for values in points]
    return any(
        stated.code_at(problem, [(256 - k) * a + k * b for a, b in zip(*ends, strict=True)])
        == record["code"]
        for k in range(257)
    )


def _other_count(problem: stated.Stated, records: list[Record]) -> Iterator[str]:
    """The number of cells, by an engine that cuts the sphere in another way."""
    columns = [
        [Rational(x.numerator, x.denominator) for x in column]
        for column in list(zip(*problem.chart, strict=True))[:-1]
    ]
    radius = problem.radius_squared
    squared = None if radius is None else Rational(radius.numerator, radius.denominator)
    whole = network_in(records[0])
    found = partition(
        whole, GreatSphere(*columns, radius_squared=squared), engine="sphere_subdivision"
    )
    if len(found) != records[0]["regions"] or check.verify(signed(records)).digest != found.digest:
        yield f"{records[0]['regions']} cells, there are {len(found)}"
