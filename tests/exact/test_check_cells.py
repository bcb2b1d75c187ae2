"""Complexes of the third format: what is true is verified, and every way to lie about cells, their
vertices and their order is found out.
"""

from __future__ import annotations

import copy
import functools
import json
import math
import random
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from exact import Box, HPolytope, Network, RealSpace, partition
from exact.check import Status, network
from exact.check.functions.flat_domains import Domain, walk
from exact.check.functions.forms import Forms, Walk
from exact.check.functions.points import meet
from exact.check.network import DIALECT
from exact.check.network import Network as Checked
from exact.check.records import Rejected, bits_of
from exact.regions import certificate as certificates
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from tests.exact import test_check as flat_jobs
from tests.exact.forgeries import Record, leaves, mutant, records_of, renamed, reparented, verdict
from tests.exact.old_complexes import in_format_2

ROOT = Path(__file__).resolve().parents[2]
COMPLEXES = list(flat_jobs.COMPLEXES)
BENT = flat_jobs.BENT


@functools.cache
def _lines(name: str, maps: bool) -> tuple[bytes, ...]:
    return tuple(certificates.of(flat_jobs.found("complex", name), maps=maps))


def honest(name: str, *, maps: bool = True) -> list[Record]:
    """The records of a certificate, free to be changed."""
    return records_of(_lines(name, maps))


def reason(records: list[Record]) -> str:
    return flat_jobs.reason(records)


def small_integers(draw: random.Random, sizes: list[int]) -> Network:
    """Weights of few values, so that hinges coincide, vanish and meet in one point."""
    return tensors.mlp(
        [
            (
                [[draw.randint(-2, 2) for _ in range(a)] for _ in range(b)],
                [draw.randint(-2, 2) for _ in range(b)],
            )
            for a, b in pairwise(sizes)
        ]
    )


# ---- what is true


@pytest.mark.parametrize("name", COMPLEXES)
@pytest.mark.parametrize("maps", [True, False])
def test_what_is_true_is_verified(name: str, maps: bool) -> None:
    found, records = flat_jobs.found("complex", name), honest(name, maps=maps)
    assert records[0]["format"] == "exactlens-certificate-3"
    answer = verdict(records)
    assert (answer.status, answer.regions) == (Status.COMPLETE, len(found)), answer
    assert answer.digest == found.digest
    before = verdict(records_of(in_format_2(found, maps=maps)))
    assert (before.reason, before.digest) == (answer.reason, answer.digest)


@pytest.mark.parametrize("seed", range(12))
def test_engines_and_both_formats_say_the_same(seed: int) -> None:
    draw = random.Random(seed)
    dim, widths = draw.choice([(1, [4, 3]), (2, [4, 4]), (3, [4, 2]), (4, [3, 2])])
    net = small_integers(draw, [dim, *widths, 2])
    domain = draw.choice([Box(-2, 2, dim=dim), RealSpace(dim)])
    found = partition(net, domain, engine="subdivision")
    assert isinstance(found, FlatPartition)
    if not found.region_count:
        return
    answer = verdict(records_of(certificates.of(found)))
    assert answer.status is Status.COMPLETE, answer
    assert answer.reason == verdict(records_of(in_format_2(found))).reason


# ---- lies


@pytest.mark.parametrize("name", BENT)
def test_a_missing_cell(name: str) -> None:
    records = honest(name)
    for number in leaves(records):
        changed = copy.deepcopy(records)
        reparented(changed, number)
        changed[0]["regions"] -= 1
        assert "a region is missing" in reason(changed)
    last = copy.deepcopy(records)[:-1]
    last[0]["regions"] -= 1
    assert verdict(last).status is Status.REJECTED


@pytest.mark.parametrize("name", BENT)
def test_a_cell_listed_twice(name: str) -> None:
    records = honest(name)
    changed = copy.deepcopy(records)
    again = copy.deepcopy(records[1])
    own = list(range(len(again["new"])))
    back = records[-1]
    twice = {"back": 0, "flips": [], "known": own, "new": []}
    changed.append(twice | ({"map": back["map"]} if "map" in back else {}))
    changed[0]["regions"] += 1
    assert "the code is that of region" in reason(changed)


@pytest.mark.parametrize("name", BENT)
def test_another_hinge_flips(name: str) -> None:
    records = honest(name)
    hinges = flat_jobs.found("complex", name).network.hinge_count
    for number in range(2, len(records)):
        for flips in ([], [(records[number]["flips"][0] + 1) % hinges], list(range(hinges))):
            if flips == records[number]["flips"]:
                continue
            changed = copy.deepcopy(records)
            changed[number]["flips"] = flips
            assert verdict(changed).status is Status.REJECTED


@pytest.mark.parametrize("name", COMPLEXES)
def test_other_constraints_at_a_vertex(name: str) -> None:
    records = honest(name)
    found = flat_jobs.found("complex", name)
    count = found.network.hinge_count + len(found.flat.walls) + 1
    for number, record in enumerate(records[1:], 1):
        for i, names in enumerate(record["new"]):
            for place in range(len(names)):
                for other in {(names[place] + 1) % count, (names[place] + 2) % count} - {*names}:
                    changed = copy.deepcopy(records)
                    changed[number]["new"][i][place] = other
                    assert verdict(changed).status is Status.REJECTED or flat_jobs.is_true(changed)
            changed = copy.deepcopy(records)
            changed[number]["new"][i] = names[:-1]
            assert verdict(changed).status is Status.REJECTED or len(names) > found.flat.dim
            changed[number]["new"][i] = [*names, names[0]]
            assert "an index is repeated" in reason(changed)


@pytest.mark.parametrize("name", BENT)
def test_vertices_dropped_added_and_confused(name: str) -> None:
    records = honest(name)
    for number, record in enumerate(records[1:], 1):
        for i in range(len(record["known"])):
            changed = copy.deepcopy(records)
            del changed[number]["known"][i]
            assert verdict(changed).status is Status.REJECTED
        for i in range(len(record["new"])):
            changed = copy.deepcopy(records)
            changed[number]["new"].append(record["new"][i])
            assert "is listed twice" in reason(changed)
        changed = copy.deepcopy(records)
        before = sum(len(cell["new"]) for cell in records[1:number])
        unused = next((v for v in range(before) if v not in record["known"]), before)
        changed[number]["known"].append(unused)
        assert verdict(changed).status is Status.REJECTED


@pytest.mark.parametrize("back", [-1, 10**9, True, None, "0"])
def test_a_way_back_that_is_none(back: object) -> None:
    records = honest("deep")
    records[3]["back"] = back
    assert "back" in reason(records)


def test_two_cells_in_one() -> None:
    """A square that a hinge cuts in two, passed off as one cell with either code."""
    cut = tensors.mlp([([[1, 0]], [0]), ([[1]], [0])])
    square = flat_jobs.SQUARE
    header, *_ = records_of(certificates.of(partition(cut, square), maps=False))
    corners = [[1, 3], [3, 2], [2, 4], [4, 1]]
    for code in ("80", "00"):
        for whole in ([[1, 2], [2, 3], [3, 4], [4, 1]], corners, corners[:3]):
            cell = {"code": code, "known": [], "new": whole}
            assert verdict([{**header, "regions": 1}, cell]).status is Status.REJECTED


def test_points_beside_the_corners_of_a_cell() -> None:
    """A point within an edge, where no other cell ends, and a cell of too few corners."""
    records = honest("cross", maps=False)
    first = records[1]
    assert len(first["new"]) >= 3
    few = copy.deepcopy(records)
    few[1]["new"] = first["new"][:2]
    assert verdict(few).status is Status.REJECTED
    none = copy.deepcopy(records)
    none[1]["new"] = []
    assert verdict(none).status is Status.REJECTED


def uncut(dim: int, walls: list[list[int]], corners: list[list[int]]) -> list[Record]:
    """One cell without hinges, with these corners, in a domain with these walls."""
    net = tensors.mlp([([[1] * dim], [0])])
    header, *_ = records_of(certificates.of(partition(net, Box(-1, 1, dim=dim)), maps=False))
    header["domain"]["walls"] = [" ".join(f"{x:x}" for x in wall) for wall in walls]
    return [header, {"code": "", "known": [], "new": corners}]


SIDES = [[1, 0, 1], [-1, 0, 1], [0, 1, 1], [0, -1, 1]]
AROUND = [[0, 2], [1, 2], [1, 3], [0, 3]]


def test_a_cell_is_closed_on_all_sides() -> None:
    assert verdict(uncut(2, SIDES, AROUND)).status is Status.COMPLETE
    for i in range(4):
        few = [corner for k, corner in enumerate(AROUND) if k != i]
        assert "the boundary of a 2-face in it is not closed" in reason(uncut(2, SIDES, few))
    assert "not closed" in reason(uncut(2, SIDES, AROUND[:1]))
    ends = [[1, 1], [-1, 1]]
    assert verdict(uncut(1, ends, [[0], [1]])).status is Status.COMPLETE
    for corners in ([], [[0]], [[1]]):
        assert "an edge without two ends" in reason(uncut(1, ends, corners))


def test_a_corner_beyond_another_wall() -> None:
    cut = [*SIDES, [-1, -1, 1]]
    assert (
        verdict(uncut(2, cut, [[0, 2], [1, 2], [1, 4], [4, 3], [0, 3]])).status is Status.COMPLETE
    )
    assert "vertex 2: outside the domain, at wall 4" in reason(uncut(2, cut, AROUND))


def test_walls_that_floats_do_not_tell_apart() -> None:
    """The farther of two walls, which holds everywhere, comes first."""
    near = Fraction(1, 2**80)
    domain = HPolytope(
        [[-1, 0, 1 + near], [-1, 0, 1], [1, 0, 1], [0, 1, 1], [0, -1, 1 + near], [0, -1, 1]]
    )
    found = partition(flat_jobs.DEEP, domain, engine="subdivision")
    assert isinstance(found, FlatPartition)
    assert verdict(records_of(certificates.of(found))).status is Status.COMPLETE


@pytest.mark.parametrize("low", [0, 1])
def test_sides_of_a_box_that_floats_do_not_tell_apart(low: int) -> None:
    """A box so thin that floats put every vertex on both of its long sides: none lies on both."""
    thin = Box([low, -1], [low + Fraction(1, 2**1080), 1])
    found = partition(flat_jobs.DEEP, thin, engine="subdivision")
    assert isinstance(found, FlatPartition) and len(found) > 1
    faces = found.engine_faces
    assert faces is not None and (enclosed := faces.enclosed()) is not None
    assert set(enclosed[0][:, 0].tolist()) == {float(low)}
    records = records_of(certificates.of(found))
    assert verdict(records).status is Status.COMPLETE
    walls, hinges = found.flat.walls, found.network.hinge_count
    long = {hinges + k for k, wall in enumerate(walls) if not wall.coefficients[1]}
    named = [long.intersection(on) for record in records[1:] for on in record["new"]]
    assert len(long) == 2 and set().union(*named) == long
    assert max(map(len, named)) == 1


def test_half_of_a_domain() -> None:
    """Cells on one side of a hinge, which is passed off as the edge of the domain."""
    cut = tensors.mlp([([[1, 0]], [0]), ([[1]], [0])])
    records = records_of(certificates.of(partition(cut, flat_jobs.SQUARE), maps=False))
    assert len(records) == 3
    records[0]["regions"] = 1
    assert "a region is missing" in reason(records[:2])


def test_counts_and_names_of_the_second_format() -> None:
    records = honest("deep")
    records[0]["faces"] = [13, 18]
    assert "header: counts of faces" in reason(records)
    records = honest("deep")
    records[0]["format"] = "exactlens-certificate-2"
    assert verdict(records).status is Status.REJECTED
    records = honest("deep")
    records[2]["code"] = "00"
    assert "there is no entry code" in reason(records)
    records = honest("deep")
    records[1]["back"] = 0
    assert "there is no entry back" in reason(records)


@pytest.mark.parametrize("name", [name for name in COMPLEXES if name != "smooth"])
def test_a_wrong_map(name: str) -> None:
    records = honest(name)
    for number in range(1, len(records)):
        changed = copy.deepcopy(records)
        words = changed[number]["map"][1].split()
        words[-1] = f"{int(words[-1], 16) + 1:x}"
        changed[number]["map"][1] = " ".join(words)
        assert "map: not that of the code" in reason(changed)


@pytest.mark.parametrize("name", ["deep", "mixed", "cross"])
def test_other_weights(name: str) -> None:
    records = honest(name)
    for b, block in enumerate(records[0]["network"]["blocks"]):
        for k, layer in enumerate(block["layers"]):
            for i, row in enumerate(layer["rows"]):
                changed = copy.deepcopy(records)
                words = row.split()
                words[-1] = f"{int(words[-1], 16) + 1:x}"
                changed[0]["network"]["blocks"][b]["layers"][k]["rows"][i] = " ".join(words)
                forged = renamed(changed)
                assert verdict(forged).status is Status.REJECTED or flat_jobs.is_true(forged)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_accepted_is_true(seed: int) -> None:
    draw = random.Random(seed)
    records = honest(draw.choice(["deep", "cross", "space", "line", "mixed"]), maps=False)
    for _ in range(8):
        forged = mutant(draw, records)
        try:
            accepted = verdict(forged).status is not Status.REJECTED
        except Exception as error:  # another header is bad input
            assert "not a certificate" in str(error)
            continue
        if accepted:
            assert flat_jobs.is_true(forged), json.dumps(forged[1:])[:400]


# ---- functions from code to code


def _checked(net: Network, dim: int) -> tuple[Checked, Domain]:
    header, *_ = records_of(certificates.of(partition(net, Box(-1, 1, dim=dim)), maps=False))
    read = Checked.read(header["network"], DIALECT)
    return read, Domain.read(header["domain"], read.input_dim)


NETS: dict[str, tuple[Network, int]] = {
    "deep": (flat_jobs.DEEP, 2),
    "mixed": (flat_jobs.MIXED, 2),
    "smooth": (flat_jobs.SMOOTH, 2),
    "space": (flat_jobs.SPACE, 3),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("product", [network.dot, getattr(math, "sumprod", network.dot)])
def test_steps_are_what_a_walk_from_the_first_layer_finds(
    name: str, product: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "sum_of_products", product)
    net, domain = _checked(*NETS[name])
    draw, steps = random.Random(0), Walk(net, domain)
    code = draw.getrandbits(net.hinges)
    forms = steps.begin(code)
    for _ in range(40):
        flips = draw.sample(range(net.hinges), draw.choice([1, 1, 1, 2, net.hinges]))
        for hinge in flips:
            code ^= 1 << (net.hinges - 1 - hinge)
        forms = steps.step(forms, code, flips)
        assert forms == steps.begin(code)
        _same_as_a_walk(net, domain, steps, forms, code)


def _same_as_a_walk(net: Checked, domain: Domain, steps: Walk, forms: Forms, code: int) -> None:
    bits, dim = bits_of(code, net.hinges), domain.dim
    columns = [[int(i == k) for i in range(dim)] for k in range(dim + 1)]
    hinges, outputs, one = walk(net, domain, columns, [0] * dim + [1], lambda k, _: bits[k])
    assert [steps.hinge(forms, k) for k in range(net.hinges)] == [list(row) for row in hinges]
    rows = [row for part in steps.hinge_columns(forms) for row in zip(*part, strict=True)]
    assert rows == hinges
    if outputs:
        assert list(zip(*forms.outputs, strict=True)) == outputs
        assert steps.one == one[-1]


def test_a_sum_of_products_is_taken_from_python_where_it_has_one() -> None:
    code = (
        "import math; math.sumprod = lambda a, b: 'own'\n"
        "from exact.check.network import sum_of_products\nprint(sum_of_products([1], [2]))\n"
        "del math.sumprod, sum_of_products; import sys; del sys.modules['exact.check.network']\n"
        "from exact.check.network import sum_of_products\nprint(sum_of_products([1, 2], [3, 4]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["own", "11"], done.stderr


# ---- where constraints meet


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5])
def test_where_constraints_meet_is_what_fractions_say(dim: int) -> None:
    draw = random.Random(dim)
    for _ in range(60):
        far = draw.random() < 0.5
        count = dim + draw.choice([0, 1])
        rows = [[draw.randint(-3, 3) for _ in range(dim + 1 + far)] for _ in range(count)]
        try:
            point = meet(rows, dim, "here")
        except Rejected as error:
            assert str(error) == "here: the constraints do not meet in one point"
            assert _rank([row[:dim] for row in rows]) < dim
            continue
        assert math.gcd(*point) == 1
        assert point[dim] > 0
        used, independent = list[list[int]](), 0
        for row in rows:
            if _rank([r[:dim] for r in [*used, row]]) > independent:
                used.append(row)
                independent += 1
        for row in used:
            assert sum(a * x for a, x in zip(row[: dim + 1], point[: dim + 1], strict=True)) == 0
            if far:
                rest = sum(a * x for a, x in zip(row[:dim], point[dim + 1 :], strict=True))
                assert rest + row[dim + 1] * point[dim] == 0


def _rank(rows: list[list[int]]) -> int:
    left, rank = [[Fraction(x) for x in row] for row in rows], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((row for row in left if row[column]), None)
        if pivot is None:
            continue
        rank += 1
        left = [
            [x - row[column] / pivot[column] * y for x, y in zip(row, pivot, strict=True)]
            for row in left
            if row is not pivot
        ]
    return rank
