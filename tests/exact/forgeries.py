"""Certificates taken apart and put together again, as a forger would: with sha256 sums that fit
what was changed.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Iterable
from typing import Any

from exact import (
    GELU,
    Activation,
    Block,
    HPolytope,
    Layer,
    LayerNorm,
    Network,
    Norm,
    RMSNorm,
    SiLU,
    check,
)
from exact.arithmetic.numbers import Rational, RationalMatrix
from tests.exact.own_parts import Pieced

Record = Any


def records_of(lines: Iterable[bytes]) -> list[Record]:
    """The records of a certificate without the last one, its sha256."""
    return [json.loads(line) for line in lines][:-1]


def signed(records: Iterable[Record]) -> list[bytes]:
    """The lines of a certificate with these records, and the sha256 that belongs to them."""
    lines = [json.dumps(record).encode() + b"\n" for record in records]
    return [
        *lines,
        json.dumps({"sha256": hashlib.sha256(b"".join(lines)).hexdigest()}).encode() + b"\n",
    ]


def verdict(records: Iterable[Record]) -> check.Verdict:
    """What the checker says about these records, signed."""
    return check.verify(signed(records))


def renamed(records: list[Record]) -> list[Record]:
    """The records with the sha256 of the network that they hold now; as they are where they hold
    none.
    """
    found = copy.deepcopy(records)
    try:
        found[0]["network_sha256"] = network_in(found[0]).sha256
    except (AttributeError, AssertionError, KeyError, TypeError, ValueError, IndexError):
        return found
    return found


def codes_of(records: list[Record]) -> dict[int, str]:
    """The codes of regions, as they are written, by the numbers of their records; those of cells in
    the order of a tree by the hinges that flip.
    """
    found, way = dict[int, str](), list[str]()
    for number, record in enumerate(records[1:], 1):
        if not isinstance(record, dict):
            continue
        if "flips" in record and "new" in record:
            way = way[: len(way) - record["back"]]
            size = len(way[-1])
            bits = int(way[-1] or "0", 16)
            for hinge in record["flips"]:
                bits ^= 1 << 4 * size - 1 - hinge
            way.append(f"{bits:0{size}x}" if size else "")
        else:
            way.append(record["code"])
        found[number] = way[-1]
    return found


def reparented(records: list[Record], number: int) -> None:
    """Take a cell without children out of the tree of a complex: all others keep their parents."""
    depth, depths = -1, list[int]()
    for record in records[1:]:
        depth += 1 - record.get("back", 0)
        depths.append(depth)
    del records[1 + number]
    before = depths[number - 1]
    for record, level in zip(records[1 + number :], depths[number + 1 :], strict=True):
        record["back"] = before + 1 - level
        before = level


def leaves(records: list[Record]) -> list[int]:
    """The cells of a complex without children and without new vertices, by number."""
    count = len(records) - 1
    return [
        i
        for i in range(1, count)
        if not records[1 + i]["new"] and (i == count - 1 or records[2 + i]["back"] > 0)
    ]


def numbers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def written(values: Iterable[int]) -> str:
    return " ".join(f"{x:x}" for x in values)


def rationals(text: str, denominator: str) -> list[Rational]:
    return [Rational(x, int(denominator, 16)) for x in numbers(text)]


def network_in(header: Record) -> Network:
    """The network that a certificate is about, read without the checker."""
    return Network(
        tuple(
            Block(
                tuple(map(layer_in, block["layers"])), norm_in(block.get("norm")), block["residual"]
            )
            for block in header["network"]["blocks"]
        )
    )


def norm_in(record: Record | None) -> Norm | None:
    """A norm with a projection that has a name; on spheres and circles, where eps plays no part,
    without it.
    """
    if record is None:
        return None
    kind = {"mean": LayerNorm, "identity": RMSNorm}[record["projection"]]
    return kind.of(
        0,
        rationals(record["gain"], record["denominator"]),
        rationals(record["bias"], record["denominator"]),
    )


def layer_in(record: Record) -> Layer:
    rows = [rationals(row, record["denominator"]) for row in record["rows"]]
    weight = RationalMatrix.from_rationals([row[:-1] for row in rows])
    return Layer(
        weight,
        RationalMatrix.from_rationals([row[-1] for row in rows]),
        activation_in(record["activation"]),
    )


def activation_in(record: Record) -> Activation:
    if "smooth" in record:
        return {"GELU(approximate='none')": GELU(), "SiLU()": SiLU()}[record["smooth"]]
    pieces = (rationals(piece, record["unit"]) for piece in record["pieces"])
    return Pieced(
        tuple(rationals(record["bends"], record["unit"])),
        tuple((slope, constant) for slope, constant in pieces),
    )


def domain_in(header: Record) -> HPolytope:
    """The walls of the domain, in its parameters."""
    domain = header["domain"]
    return HPolytope(
        [[Rational(x) for x in numbers(wall)] for wall in domain["walls"]], dim=domain["dim"]
    )


def whole_in(header: Record) -> Network:
    """The network behind the chart of the domain: a function of the parameters."""
    chart = layer_in(
        {**header["domain"]["chart"], "activation": {"unit": "1", "bends": "", "pieces": ["1 0"]}}
    )
    return Network((Block((chart,)), *network_in(header).blocks))


# ---- curves and spheres


def of_another(records: list[Record], network: Network) -> list[Record]:
    """The records with the weights of another network with as many hinges, whose name they then
    bear.
    """
    from exact.regions.certificate import network_record

    found = copy.deepcopy(records)
    found[0]["network"], found[0]["network_sha256"] = network_record(network), network.sha256
    return found


def places(record: Record, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all values in a record but what tells which network and domain it is about."""
    if isinstance(record, dict):
        left_out = ("network", "network_sha256", "domain", "format", "made_by")
        return [
            path
            for key, value in record.items()
            if key not in left_out
            for path in places(value, (*before, key))
        ]
    if isinstance(record, list):
        return [
            before,
            *(path for i, value in enumerate(record) for path in places(value, (*before, i))),
        ]
    return [before]


def mutant(draw: random.Random, records: list[Record]) -> list[Record]:
    """The records with one to three random changes, and counts that fit as a rule."""
    found = copy.deepcopy(records)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        kind, i, j = draw.random(), draw.randrange(1, len(found)), draw.randrange(1, len(found))
        if kind < 0.08 and len(found) > 2:
            del found[i]
        elif kind < 0.14:
            found.insert(i, copy.deepcopy(found[j]))
        elif kind < 0.22:
            found[i], found[j] = found[j], found[i]
        else:
            _change_somewhere(draw, found, draw.choice([0, i, i, i, j, j]))
    return found if draw.random() < 0.3 else counted(found)


def counted(records: list[Record]) -> list[Record]:
    """The records with counts in the header that are those of the records."""
    header, rest = records[0], records[1:]
    header["regions"] = sum(isinstance(r, dict) and ("code" in r or "flips" in r) for r in rest)
    if "codes" in header:
        header["codes"] = header["regions"]
    if "circles" in header:
        header["circles"] = sum(isinstance(r, dict) and "around" in r for r in rest)
        header["bridges"] = sum(isinstance(r, dict) and "from" in r for r in rest)
        header["vertices"] = sum(isinstance(r, list) for r in rest)
    return records


def _change_somewhere(draw: random.Random, records: list[Record], index: int) -> None:
    *path, last = (index, *draw.choice(places(records[index])))
    place: Any = records
    for key in path:
        place = place[key]
    place[last] = _changed(draw, place[last], last)


def _changed(draw: random.Random, value: Any, key: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.choice([value + 1, value - 1, 0, 1, value ^ 1, draw.randrange(30)])
    if value is None or isinstance(value, list):
        return _shuffled(draw, list(value or ()))
    if key == "code":
        return value and f"{int(value, 16) ^ 1 << draw.randrange(4 * len(value)):0{len(value)}x}"
    if key == "kind":
        return draw.choice(["curve", "sphere", "codes", "facets", "complex"])
    words = numbers(value) or [0]
    i, j = draw.randrange(len(words)), draw.randrange(len(words))
    words[i] = draw.choice(
        [words[i] + 1, words[i] - 1, -words[i], 0, 2 * words[i], (words[i] << 60) + 1]
    )
    words[i], words[j] = draw.choice([(words[i], words[j]), (words[j], words[i])])
    return written(words)


def _shuffled(draw: random.Random, values: list[Any]) -> list[Any]:
    kind, i, j = (
        draw.randrange(4),
        draw.randrange(len(values) or 1),
        draw.randrange(len(values) or 1),
    )
    if not values:
        return [0]
    if kind == 0:
        del values[i]
    elif kind == 1:
        values.insert(i, copy.deepcopy(values[j]))
    elif kind == 2:
        values[i], values[j] = values[j], values[i]
    else:
        values = values[i:] + values[:i]
    return values
