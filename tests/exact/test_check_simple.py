"""Simple complexes: what is true is verified, and every way to lie about vertices, codes and maps
is found out.
"""

from __future__ import annotations

import copy
import functools
import json
import math
import random
from itertools import combinations, pairwise

import numpy as np
import pytest

from exact import Box, HPolytope, Network, Plane, RealSpace, partition
from exact.arithmetic.numbers import Rational
from exact.check import Status, Verdict
from exact.check.functions import filters
from exact.check.functions.points import Meets, meet, signs, values_at
from exact.check.records import Rejected
from exact.geometry.domains.base import Domain
from exact.networks.activations import GELU, AbsoluteValue, HardTanh, LeakyReLU, ReLU
from exact.networks.layers import Layer
from exact.networks.network import Block
from exact.propagation.cursor import Images
from exact.regions import certificate as certificates
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.polytopes.walls.tree_maps import TreeMaps
from exact.sources import tensors
from tests.exact.forgeries import Record, codes_of, mutant, records_of, renamed, verdict
from tests.laws import fuzz_headers

WEDGE = HPolytope([[1, 0, 1], [-1, -1, 3]])
TRIANGLE = HPolytope([[1, 0, 1], [-1, -1, 3], [0, 1, 2], [0, 1, 2]])
SLICE = Plane([0, 0, 0], [1, 0, 1], [0, 2, "1/2"], s=(-1, 1), t=(-1, 2))


def generic(seed: int, sizes: list[int]) -> Network:
    """Integers of two digits."""
    draw = random.Random(seed)

    def row(count: int) -> list[int]:
        return [draw.randint(-99, 99) for _ in range(count)]

    return tensors.mlp([([row(a) for _ in range(b)], row(b)) for a, b in pairwise(sizes)])


def bent() -> Network:
    """Activations with several bends, two slopes, and a skip."""
    return Network(
        (
            Block(
                (
                    Layer.of([[31, 17], [-12, 45]], [3, -7], HardTanh(Rational(-9), Rational(14))),
                    Layer.of([[1, 2], [-3, 1]], [1, 5], LeakyReLU(Rational(1, 4))),
                ),
                residual=True,
            ),
            Block((Layer.of([[5, -3], [2, 7]], [11, 4], AbsoluteValue()), Layer.of([[1, 2]], [3]))),
        )
    )


def smooth() -> Network:
    return Network(
        (
            Block(
                (
                    Layer.of([[31, 17], [-12, 45], [7, 8]], [3, -7, 1], ReLU()),
                    Layer.of([[1, 3, 5], [-2, 1, 4]], [-17, 9], GELU()),
                    Layer.of([[1, 1]]),
                )
            ),
        )
    )


JOBS: dict[str, tuple[Network, Domain]] = {
    "segment": (generic(1, [1, 4, 3, 1]), Box(-1, 1, dim=1)),
    "line": (generic(1, [1, 4, 3, 1]), RealSpace(1)),
    "square": (generic(1, [2, 5, 3, 2]), Box(-1, 1, dim=2)),
    "plane": (generic(1, [2, 5, 3, 1]), RealSpace(2)),
    "wedge": (generic(1, [2, 4, 3, 1]), WEDGE),
    "triangle": (generic(1, [2, 4, 3, 1]), TRIANGLE),
    "slice": (generic(1, [3, 5, 3, 2]), SLICE),
    "deep": (generic(5, [2, 4, 3, 3, 2]), Box(-1, 1, dim=2)),
    "cube": (generic(7, [3, 5, 3, 2]), Box(-1, 1, dim=3)),
    "space": (generic(1, [3, 5, 3, 2]), RealSpace(3)),
    "four": (generic(1, [4, 5, 3, 2]), Box(-1, 1, dim=4)),
    "all of four": (generic(1, [4, 4, 2, 2]), RealSpace(4)),
    "one layer": (generic(1, [2, 5, 1]), Box(-1, 1, dim=2)),
    "no hinge": (generic(1, [2, 3]), Box([1, 1], [2, 3])),
    "bent": (bent(), Box(-2, 2, dim=2)),
    "smooth": (smooth(), Box(-2, 2, dim=2)),
}


@functools.cache
def found(name: str) -> FlatPartition:
    result = partition(*JOBS[name], engine="skeleton")
    assert isinstance(result, FlatPartition)
    return result


@functools.cache
def _lines(name: str, maps: bool) -> tuple[bytes, ...]:
    return tuple(certificates.of(found(name), maps=maps))


def honest(name: str, *, maps: bool = True) -> list[Record]:
    """The records of a certificate, free to be changed."""
    records = records_of(_lines(name, maps))
    assert records[0]["kind"] == "simple"
    return records


def reason(records: list[Record]) -> str:
    answer: Verdict = verdict(records)
    assert answer.status is Status.REJECTED, answer
    return answer.reason


# ---- what is true


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("maps", [True, False])
def test_what_is_true_is_verified(name: str, maps: bool) -> None:
    own, records = found(name), honest(name, maps=maps)
    answer = verdict(records)
    assert (answer.status, answer.regions) == (Status.COMPLETE, len(own)), answer
    assert answer.digest == own.digest
    assert own.check(maps=maps).status is Status.COMPLETE
    if records[0]["maps"]:
        assert sorted(codes_of(records).values()) == [code.tobytes().hex() for code in own.codes]


def test_a_domain_that_reaches_infinity_says_so() -> None:
    for name, (_, domain) in JOBS.items():
        is_bounded = not isinstance(domain, RealSpace) and domain is not WEDGE
        assert ("far" in honest(name)[0]["domain"]) != is_bounded


@pytest.mark.parametrize(
    "layers",
    [
        [([[1, 0], [0, 1], [1, 1]], [0, 0, 0])],  # three hinges in a point
        [([[1, 2], [2, 4]], [1, 2])],  # twice the same
        [([[1, 2], [0, 0]], [1, 0])],  # one vanishes
        [([[3, 2], [1, 7]], [1, 2]), ([[1, 0], [-1, 0]], [0, 1])],  # one does on some regions
    ],
)
def test_what_is_not_simple_is_written_otherwise(
    layers: list[tuple[list[list[int]], list[int]]],
) -> None:
    width = len(layers[-1][1])
    net = tensors.mlp([*layers, ([[1] * width], [0])])
    result = partition(net, Box(-1, 1, dim=2), engine="skeleton")
    records = records_of(certificates.of(result))
    assert records[0]["kind"] == "complex"
    assert verdict(records).status is Status.COMPLETE


# ---- lies


def _vertices(records: list[Record]) -> list[tuple[int, int]]:
    """Every vertex, by the number of the record and of its own."""
    return [(i, k) for i, one in enumerate(records[1:], 1) for k in range(len(one["new"]))]


@pytest.mark.parametrize("name", ["segment", "plane", "deep", "cube", "four"])
@pytest.mark.parametrize("maps", [True, False])
def test_a_missing_vertex(name: str, maps: bool) -> None:
    records = honest(name, maps=maps)
    for i, k in _vertices(records)[:8]:
        changed = copy.deepcopy(records)
        del changed[i]["new"][k]
        assert "have one end" in reason(changed)


def test_a_vertex_listed_twice() -> None:
    """Each edge of it would have its other end twice."""
    records = honest("deep", maps=False)
    for i, k in _vertices(records):
        changed = copy.deepcopy(records)
        changed[i]["new"].append(changed[i]["new"][k][::-1])
        assert "is listed twice" in reason(changed)


def test_vertices_of_other_constraints() -> None:
    records, draw = honest("cube", maps=False), random.Random(0)
    count = found("cube").network.hinge_count + 6
    for i, k in _vertices(records):
        changed = copy.deepcopy(records)
        names = changed[i]["new"][k]
        names[draw.randrange(3)] = draw.choice([x for x in range(count) if x not in names])
        reason(changed)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([0], "not one for each dimension"),
        ([0, 1, 2], "not one for each dimension"),
        ([0, 0], "an index is repeated"),
        ([0, 99], "not a list of indices"),
        ([8, 9], "do not meet in one point"),  # sides that are parallel
        ("01", "not a list of indices"),
    ],
)
def test_names_that_are_none(names: object, said: str) -> None:
    records = honest("square", maps=False)
    records[1]["new"][0] = names
    assert said in reason(records)


def test_a_vertex_outside_the_domain() -> None:
    records = honest("square", maps=False)
    hinges, said = found("square").network.hinge_count, list[str]()
    for names in combinations(range(5), 2):
        changed = copy.deepcopy(records)
        changed[1]["new"].insert(0, list(names))
        said.append(reason(changed))
    assert hinges == 8
    assert any("not strictly inside wall" in text for text in said), said
    assert any("has not the sign of the code" in text or "twice" in text for text in said), said


def test_a_vertex_at_which_more_vanishes() -> None:
    """A third hinge through it has no sign there."""
    net = tensors.mlp([([[1, 0], [0, 1], [5, 7]], [0, 0, 3]), ([[1, 1, 1]], [0])])
    records = records_of(certificates.of(partition(net, Box(-1, 1, dim=2), engine="skeleton")))
    assert records[0]["kind"] == "simple"
    records[0]["network"]["blocks"][0]["layers"][0]["rows"][2] = "5 7 0"
    assert "vanishes there, too" in reason(renamed(records))


@pytest.mark.parametrize("name", ["square", "plane", "cube"])
def test_other_numbers_of_regions_and_codes(name: str) -> None:
    for maps in (True, False):
        records = honest(name, maps=maps)
        for key in ("regions", "codes"):
            for more in (-1, 1):
                changed = copy.deepcopy(records)
                changed[0][key] += more
                reason(changed)
        assert "but the vertices have" in reason([{**records[0], "regions": 1}, *records[1:]])


def test_flips_that_lead_elsewhere() -> None:
    for maps in (True, False):
        records = honest("deep", maps=maps)
        for number in range(2, len(records)):
            for flips in ([], [(records[number]["flips"][0] + 1) % 10], list(range(10))):
                if flips != records[number]["flips"]:
                    changed = copy.deepcopy(records)
                    changed[number]["flips"] = flips
                    reason(changed)


def test_bits_of_the_last_layer_say_nothing_without_maps() -> None:
    records = honest("deep", maps=False)
    changed = copy.deepcopy(records)
    changed[2]["flips"].append(9)
    assert "a bit of the last layer is 1" in reason(changed)
    records[1]["code"] = f"{int(records[1]['code'], 16) | 1 << 6:04x}"
    assert "a bit of the last layer is 1" in reason(records)


def test_maps_of_others() -> None:
    records = honest("square")
    one, two = records[1], records[2]
    one["map"], two["map"] = two["map"], one["map"]
    assert "map: not that of the code" in reason(records)


def test_a_region_mapped_twice_and_one_not_at_all() -> None:
    records = honest("square")
    number = next(i for i in range(2, len(records) - 1) if records[i + 1]["back"] > 0)
    hinge = records[number]["flips"][0]
    again = {"back": 0, "flips": [hinge], "new": [], "map": records[number - 1]["map"]}
    changed = [*records[:number], {**records[number], "new": records[number]["new"]}, again]
    changed[0] = {**records[0], "codes": len(changed) - 1}
    assert "is listed twice" in reason(changed)
    last = copy.deepcopy(records)
    last[0]["codes"] -= 1
    moved = last.pop()["new"]
    assert verdict(last).status is Status.REJECTED
    if not moved:
        assert "a region has none" in reason(last)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"far": ["1 0 0", "-1 0 1"]}, "the denominator is not positive"),
        ({"far": ["1 0 -1"]}, "the denominator is not positive"),
        ({"far": ["1 1"]}, "integers where"),
        ({"far": "1 0 1"}, "far is missing"),
        ({"cube": True}, "which only a complex has"),
        ({"far": []}, ""),
    ],
)
def test_walls_far_away_that_are_none(change: Record, said: str) -> None:
    records = honest("plane")
    records[0]["domain"] |= change
    assert said in reason(records)


def test_walls_far_away_are_not_those_of_the_domain() -> None:
    """A wall of the domain that is called far away is another domain."""
    records = honest("wedge")
    domain = records[0]["domain"]
    domain["far"] = [*domain["walls"], *domain["far"]]
    domain["walls"] = []
    reason(records)


def test_other_kinds_and_formats_have_no_such_parts() -> None:
    records = honest("plane")
    for kind in ("complex", "facets", "bounded"):
        assert "header" in reason([{**records[0], "kind": kind}, *records[1:]])
    for number in (1, 2):
        header = {**records[0], "format": f"exactlens-certificate-{number}"}
        assert verdict([header, *records[1:]]).status is Status.REJECTED
    for change in ({"complete": False}, {"faces": [1]}, {"regions": 0}, {"codes": -1}):
        reason([{**records[0], **change}, *records[1:]])


@pytest.mark.parametrize("name", ["line", "square", "wedge", "bent"])
@pytest.mark.parametrize("maps", [True, False])
def test_nothing_untrue_is_accepted(name: str, maps: bool) -> None:
    """Changed at random, in headers and bodies; what is still accepted is enumerated anew."""
    records, draw = honest(name, maps=maps), random.Random(name)
    assert not list(fuzz_headers.lies(records)) or not maps
    for _ in range(50):
        changed = mutant(draw, records) if draw.random() < 0.7 else copy.deepcopy(records)
        if not maps and isinstance(changed[0], dict):
            changed[0] |= {"regions": records[0]["regions"], "codes": len(changed) - 1}
        if changed[1:] == records[1:]:
            changed = fuzz_headers.anywhere(draw, changed)
        answer = fuzz_headers.answer_to(fuzz_headers.renamed(changed))
        if answer is None or answer.status is Status.REJECTED:
            continue
        if maps:
            assert not list(fuzz_headers.lies(changed)), changed
        else:
            known = fuzz_headers.stated.polytopes(fuzz_headers.stated.stated(changed[0]))
            assert answer.regions == len(known), changed


# ---- the parts


@pytest.mark.parametrize("seed", range(30))
def test_a_filter_leaves_open_or_is_right(seed: int) -> None:
    draw = random.Random(seed)
    dim, count = draw.choice([1, 2, 3, 5]), draw.randint(1, 12)
    size, scale = 2 ** draw.choice([0, 3, 50, 200]), draw.choice([1, draw.randint(1, 2**70)])
    far = draw.choice([1, 9, 2**60]) * scale
    point = [draw.randint(-far, far) for _ in range(dim)]
    columns = [[scale * draw.randint(-size, size) for _ in range(count)] for _ in range(dim)]
    # all but some of them vanish there, or nearly
    sums = [
        sum(c * x for c, x in zip(row, point, strict=True)) for row in zip(*columns, strict=True)
    ]
    columns.append([-x // scale + draw.choice([0, 0, 1, -1, size * scale]) for x in sums])
    point.append(scale)
    halves = [[c[:3] for c in columns], [c[3:] for c in columns]]
    whole = filters.joined([filters.packed(half) for half in halves if half[0]])
    positive, left = filters.signs_at(whole, point)
    values = values_at(list(zip(*columns, strict=True)), point, [])
    known, zeros = signs(values)
    assert (positive ^ known) & ~left == 0
    assert all(left >> (count - 1 - k) & 1 for k in zeros)


def test_a_filter_decides_what_is_far_from_zero() -> None:
    whole = filters.packed([[1, -1, 0], [0, 0, 1], [1, 1, -7]])
    assert filters.signs_at(whole, [3, 5, 1]) == (0b100, 0)
    assert filters.signs_at(whole, [10**40, 5, 1]) == (0, 0b111)  # beyond what fits


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5])
def test_points_are_those_of_elimination(dim: int) -> None:
    draw, meets = random.Random(dim), Meets(dim)
    rows = [tuple(draw.randint(-3, 3) for _ in range(dim + 1)) for _ in range(dim + 4)]
    for names in combinations(range(len(rows)), dim):
        own = [rows[k] for k in names]
        try:
            expected = meet(own, dim, "here")
        except Rejected:
            with pytest.raises(Rejected, match="do not meet in one point"):
                meets.at(names, own, "here")
            continue
        got = meets.at(names, own, "here")
        scale = got[-1] // expected[-1]
        assert got == [scale * x for x in expected] and got[-1] > 0


def test_points_of_functions_that_have_changed() -> None:
    """What was found of other functions of the same names is not used."""
    meets, units = Meets(4), [tuple(int(i == k) for i in range(5)) for k in range(4)]
    assert meets.at(range(4), units, "") == [0, 0, 0, 0, 1]
    moved = [(1, 0, 0, 0, -1), *units[1:]]
    assert meets.at(range(4), moved, "") == [1, 0, 0, 0, 1]


def test_a_file_of_lines_is_as_small_as_it_says() -> None:
    lines = _lines("four", False)
    assert sum(map(len, lines)) < sum(map(len, _lines("four", True))) / 2
    assert json.loads(lines[0])["codes"] == len(lines) - 2


@pytest.mark.parametrize("name", ["segment", "deep", "cube", "bent", "no hinge"])
def test_maps_along_a_tree_are_those_of_the_codes(name: str) -> None:
    """From any code to any other, back and forth: they need not have regions."""
    network, _ = JOBS[name]
    flat, draw = found(name).flat, random.Random(name)
    tree, images = TreeMaps(network, flat), Images(network, flat)
    codes = np.unpackbits(found(name).codes, axis=1, count=network.hinge_count).astype(bool)
    way = list[list[bool]]()
    for number in range(60):
        back = draw.randrange(len(way)) if way and draw.random() < 0.3 else 0
        del way[len(way) - back :]
        bits = codes[draw.randrange(len(codes))].tolist()
        if way and draw.random() < 0.7:  # only the last layer flips
            first = network.hinge_count - network.bits_per_layer[-1] if network.hinge_count else 0
            bits = [*way[-1][:first], *bits[first:]]
        flips = [k for k, x in enumerate(bits) if way and x != way[-1][k]]
        way.append(bits)
        numbers, scale = tree.next(back, flips, bits)
        expected = list(images.at(bits).entries())
        assert [Rational(x, scale) for x in numbers] == expected, number
        assert scale == math.lcm(*(int(x.q) for x in expected))
