"""The checker rejects whatever is not true about lines, circles and spheres: every way to spoil an
honest certificate.
"""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import isqrt
from typing import Any

import mpmath
import pytest

from exact import GreatCircle, InvalidInput, Network, Segment, Sphere, check, partition
from exact.arithmetic.numbers import RationalMatrix
from exact.check import Status
from exact.check.functions.charts import is_definite
from exact.check.functions.circles import Ball, Circle, End, Rotation
from exact.check.functions.pencils import (
    Direction,
    Form,
    compare,
    sign_changes,
    sign_of_two_surds,
    value_sign,
)
from exact.regions import certificate as certificates
from tests.exact.forgeries import (
    Record,
    counted,
    mutant,
    numbers,
    of_another,
    records_of,
    verdict,
    written,
)
from tests.exact.round_jobs import (
    ALL,
    CURVES,
    JOBS,
    SPHERES,
    UNITS,
    block,
    found,
    honest,
    layers,
    lines,
    random_mlp,
)

Change = Callable[[list[Record]], Any]


def reason(records: list[Record]) -> str:
    """Why the checker rejects these records, which it must."""
    answer = verdict(records)
    assert answer.status is Status.REJECTED, answer
    assert (answer.network_sha256, answer.digest, answer.regions, answer.domain) == ("", "", 0, "")
    return answer.reason


def spoilt(kind: str, name: str, change: Change) -> str:
    """The reason for rejecting an honest certificate after a change in place."""
    records = honest(kind, name)
    change(records)
    return reason(records)


# ---- files, for all kinds


@pytest.mark.parametrize(
    ("kind", "name"), [("curve", "norm, n = 3"), ("sphere", "caps"), ("codes", "octahedron, 7")]
)
def test_a_file_cut_anywhere_is_rejected(kind: str, name: str) -> None:
    whole = lines(kind, name)
    for cut in range(1, len(whole)):
        assert "truncated" in check.verify(whole[:cut]).reason
        assert (
            "truncated" in check.verify([*whole[:cut], whole[cut][: len(whole[cut]) // 2]]).reason
        )
        assert check.verify([*whole[:cut], *whole[cut + 1 :]]).status is Status.REJECTED
        if cut < len(whole) - 1:
            assert reason(records_of(whole)[:cut] + records_of(whole)[cut + 1 :])


@pytest.mark.parametrize(
    "text", [b'{"flips": [], "flips": [0]}', b"NaN", b"[Infinity]", b"-Infinity", b"1" * 5000]
)
def test_what_is_no_json_of_ours(text: bytes) -> None:
    whole = list(lines("curve", "corners"))
    assert "line 2 is not JSON" in check.verify([whole[0], text + b"\n", *whole[2:]]).reason


@pytest.mark.parametrize("kind", JOBS)
def test_headers_that_claim_what_cannot_be(kind: str) -> None:
    name = next(iter(JOBS[kind]))
    for key, value in (
        ("maps", True),
        ("faces", [1]),
        ("regions", 0),
        ("regions", -1),
        ("regions", True),
    ):
        assert "header" in spoilt(
            kind, name, lambda records, key=key, value=value: records[0].update({key: value})
        )
    for other in {"complex", "facets", *JOBS, "cells"} - {kind}:
        assert spoilt(kind, name, lambda records, other=other: records[0].update(kind=other))


@pytest.mark.parametrize("kind", ["complex", "facets"])
def test_polytopes_behind_a_norm_are_refused(kind: str) -> None:
    def change(records: list[Record]) -> None:
        flat = {"dim": 3, "walls": [], "cube": False}
        records[0].update(kind=kind, domain={**records[0]["domain"], **flat})
        records[0]["domain"]["chart"]["rows"] = ["1 0 0 0", "0 1 0 0", "0 0 1 0"]

    assert "a network with a norm" in spoilt("curve", "norm, n = 3", change)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_another_network_has_another_certificate(kind: str, name: str) -> None:
    """The cells of a network are not those of one with another bias, though the numbers of hinges
    agree.
    """
    own = found(kind, name)
    k = next(
        i for i, block in enumerate(own.network.blocks) if any(layer.bits for layer in block.layers)
    )
    before, block, behind = (
        own.network.blocks[:k],
        own.network.blocks[k],
        own.network.blocks[k + 1 :],
    )
    bias = [x + 8 * (i == 0) for i, x in enumerate(block.layers[0].bias.column())]
    layer = replace(block.layers[0], bias=RationalMatrix.from_rationals(bias))
    other = Network((*before, replace(block, layers=(layer, *block.layers[1:])), *behind))
    records = of_another(honest(kind, name), other)
    if partition(other, own.domain, engine=own.engine).digest != own.digest:
        assert reason(records)
    records[0]["network_sha256"] = own.network.sha256
    assert reason(records) == "header: network_sha256 is not that of the weights in the file"


@pytest.mark.parametrize("kind", JOBS)
def test_whatever_is_accepted_is_true(kind: str) -> None:
    """Thousands of random changes to honest certificates: codes and counts of those that pass are
    the true ones.
    """
    draw, accepted = random.Random(4), 0
    for name in JOBS[kind]:
        own, whole = found(kind, name), honest(kind, name)
        for _ in range(40):
            records = mutant(draw, whole)
            try:
                answer = verdict(records)
            except InvalidInput:
                continue
            if answer.status is Status.COMPLETE:
                accepted += 1
                assert (answer.digest, answer.regions) == (own.digest, len(own)), (name, records)
    assert accepted


# ---- kind "curve"

CUT = [name for name in CURVES if len(found("curve", name)) > 2]


@pytest.mark.parametrize("name", CUT)
def test_two_cuts_change_places(name: str) -> None:
    records = honest("curve", name)
    for i in range(2, len(records) - 1):
        changed = copy.deepcopy(records)
        changed[i]["flips"], changed[i + 1]["flips"] = changed[i + 1]["flips"], changed[i]["flips"]
        if changed != records:
            assert reason(changed)


def test_a_cut_before_the_one_before_it() -> None:
    """Three neurons on a line, the crossings of two told in the other order."""
    records = records_of(
        certificates.of(partition(layers(([[1]] * 3, [-1, -2, -3])), Segment([0], [4])))
    )
    records[2]["flips"], records[3]["flips"] = [1], [0]
    assert reason(records) == "cell 2: the cut before it is not behind the one before that"


@pytest.mark.parametrize("name", CUT)
def test_a_missing_cell(name: str) -> None:
    """A cell left out, with its flips made those of the next cut, or with none."""
    records = honest("curve", name)
    for i in range(2, len(records)):
        for folded in (False, True):
            changed = copy.deepcopy(records)
            gone = changed.pop(i)
            if folded and i < len(changed):
                changed[i]["flips"] = sorted({*changed[i]["flips"]} ^ {*gone["flips"]})
            assert reason(counted(changed))


def test_a_neuron_that_is_hidden() -> None:
    """All crossings of one hinge left out, as if its bias were another: the codes would fit, and
    the order, too.
    """
    full = layers((UNITS, ["-1/2", 0, "1/4"]))
    less = layers((UNITS, [-9, 0, "1/4"]))
    circle = GreatCircle([1, 0, 0], [0, 1, 0], radius_squared=1)
    records = records_of(certificates.of(partition(less, circle)))
    assert "hinge 0 of a layer changes its sign inside" in reason(of_another(records, full))


def test_a_neuron_that_is_hidden_behind_another() -> None:
    full = layers((UNITS, [2, 2, 2]), ([[1, 1, 1], [1, 0, 0]], ["-15/2", "-59/20"]))
    less = layers((UNITS, [2, 2, 2]), ([[1, 1, 1], [1, 0, 0]], ["-15/2", -9]))
    circle = GreatCircle([1, 0, 0], [1, 1, 1], radius_squared=1)
    records = records_of(certificates.of(partition(less, circle)))
    assert "changes its sign inside" in reason(of_another(records, full))


@pytest.mark.parametrize("name", CUT)
def test_a_bit_of_the_first_code(name: str) -> None:
    def change(records: list[Record]) -> None:
        code = records[1]["code"]
        records[1]["code"] = f"{int(code, 16) ^ 8 << 4 * (len(code) - 1):0{len(code)}x}"

    assert spoilt("curve", name, change)


@pytest.mark.parametrize("name", CUT)
def test_a_flip_more_or_less(name: str) -> None:
    records = honest("curve", name)
    for i in range(1, len(records)):
        for hinge in range(found("curve", name).network.hinge_count):
            changed = copy.deepcopy(records)
            changed[i]["flips"] = sorted({*changed[i]["flips"]} ^ {hinge})
            assert reason(changed)


@pytest.mark.parametrize("name", CUT)
def test_a_witness_of_another_cell_and_one_on_a_cut(name: str) -> None:
    records = honest("curve", name)
    for i in range(1, len(records)):
        changed = copy.deepcopy(records)
        changed[i]["witness"] = records[i - 1 if i > 1 else 2]["witness"]
        assert "witness" in reason(changed) or "not the sign of its bit" in reason(changed)
        changed[i]["witness"] = "0 0"
        assert reason(changed)


def test_a_witness_that_is_two_to_the_minus_60_off() -> None:
    """The cut of x = 1/2 on the unit circle lies at (1, sqrt 3): dyadic neighbours of sqrt 3 on
    either side.
    """
    circle = GreatCircle([1, 0, 0], [0, 1, 0], radius_squared=1)
    records = records_of(certificates.of(partition(layers(([[1, 0, 0]], ["-1/2"])), circle)))
    assert [record["flips"] for record in records[1:]] == [[0], [0]]
    below = isqrt(3 * 4**60)
    for height, inside in ((below, False), (below + 1, True)):
        records[1]["witness"] = written([1 << 60, height])
        assert (verdict(records).status is Status.COMPLETE) == inside


def test_norms_that_the_checker_does_not_know() -> None:
    """A skip around a norm in front of hidden layers, two norms, eps < 0, another name."""
    normed, behind = block(3, 3, 0).blocks[0], random_mlp(1, 3, 2, 1).blocks
    own = Network((normed, *behind))
    records = records_of(
        certificates.of(partition(own, Segment([-1, 2, 0], [3, 1, 1]), engine="circle"))
    )
    assert "a skip connection around a norm" in reason(
        of_another(records, Network((replace(normed, residual=True), *behind)))
    )
    assert "behind two norms" in reason(
        of_another(records, Network((normed, replace(behind[0], norm=normed.norm))))
    )
    for key, value, said in (
        ("eps_under_root", "-1 3", "eps < 0"),
        ("eps_beside_root", "-1 3", "eps < 0"),
        ("eps_rule", "var", "no entry eps_rule"),
        ("projection", "median", "neither mean, identity nor a matrix"),
        ("projection", {}, "not a list of 3 entries"),
        (
            "projection",
            {"rows": ["1 0 0"] * 3, "denominator": "0"},
            "the denominator is not positive",
        ),
        ("projection", {"rows": ["1 0"] * 3, "denominator": "1"}, "2 integers where 3 belong"),
    ):
        changed = copy.deepcopy(records)
        changed[0]["network"]["blocks"][0]["norm"][key] = value
        assert said in reason(changed)


def test_where_a_norm_is_undefined() -> None:
    records = honest("curve", "undefined")
    where = next(i for i, record in enumerate(records) if "undefined" in record)
    changed = copy.deepcopy(records)
    del changed[where]["undefined"]
    assert reason(changed)
    for i in range(2, len(records)):
        if i != where:
            changed = copy.deepcopy(records)
            changed[i]["undefined"] = True
            assert reason(changed)
    assert "defined everywhere" in spoilt(
        "curve", "line through a norm", lambda r: r[2].update(undefined=True)
    )


@pytest.mark.parametrize(
    ("name", "domain", "said"),
    [
        ("ray", {"end": "1 0"}, "no segment"),
        ("ray", {"end": "0 -1"}, "no segment"),
        ("ray", {"one": "-1 0"}, "no segment"),
        ("ray", {"one": "0 0"}, "no segment"),
        ("ray", {"radius_squared": "1 1"}, "no segment"),
        ("deep circle", {"radius_squared": "-1 1"}, "no positive radius"),
        ("deep circle", {"radius_squared": "1 0"}, "the denominator is not positive"),
        (
            "norm, n = 3",
            {"radius_squared": "1 1"},
            "two norms, or behind a norm on a sphere of given radius",
        ),
        (
            "deep line",
            {"chart": {"denominator": "1", "rows": ["1 0 1", "0 1 0"]}},
            "with an offset",
        ),
        ("norm, n = 3", {"chart": {"denominator": "1", "rows": ["1 2 0", "0 1 0", "-1 -3 0"]}}, ""),
        ("norm, n = 3", {"chart": {"denominator": "1", "rows": ["1 2 0", "1 1 0", "1 0 0"]}}, ""),
    ],
)
def test_domains_of_curves(name: str, domain: dict[str, Any], said: str) -> None:
    assert said in spoilt("curve", name, lambda records: records[0]["domain"].update(domain))


# ---- kind "sphere"


def circles_of(records: list[Record]) -> list[Record]:
    return [record for record in records[1:] if isinstance(record, dict) and "around" in record]


def bridges_of(records: list[Record]) -> list[Record]:
    return [record for record in records[1:] if isinstance(record, dict) and "from" in record]


@pytest.mark.parametrize("name", SPHERES)
def test_a_circle_in_another_plane(name: str) -> None:
    """The plane turned or moved by a part in 2^60."""
    for i in range(len(circles_of(honest("sphere", name)))):
        for k in range(4):
            records = honest("sphere", name)
            circle = circles_of(records)[i]
            moved = [x << 60 for x in numbers(circle["plane"])]
            circle["plane"] = written([x + (j == k) for j, x in enumerate(moved)])
            assert reason(records)


@pytest.mark.parametrize("name", SPHERES)
def test_a_vertex_elsewhere(name: str) -> None:
    records = honest("sphere", name)
    for i, record in enumerate(records):
        if isinstance(record, list):
            changed = copy.deepcopy(records)
            changed[i][2] ^= 1
            if not touches(records, record):
                assert reason(changed)
            del changed[i]
            assert reason(counted(changed))


def touches(records: list[Record], vertex: Record) -> bool:
    """Whether two circles only touch, so that both roots are one point."""
    shared = [{*circles_of(records)[k]["around"]} for k in vertex[:2]]
    return (
        len(shared[0] & shared[1]) == 1
        and JOBS["sphere"]["touching"][0].sha256 == records[0]["network_sha256"]
    )


@pytest.mark.parametrize("name", SPHERES)
def test_an_arc_with_other_sides(name: str) -> None:
    records = honest("sphere", name)
    count = records[0]["regions"]
    for i, circle in enumerate(circles_of(records)):
        for gap, arc in enumerate(circle["arcs"]):
            if arc is None:
                continue
            for wrong in (
                arc[::-1],
                [arc[0], arc[0]],
                [(arc[0] + 1) % count, arc[1]],
                [arc[0], (arc[1] + 1) % count],
                None,
            ):
                changed = copy.deepcopy(records)
                circles_of(changed)[i]["arcs"][gap] = wrong
                if wrong != arc:
                    assert reason(changed)


def test_a_vertex_on_a_circle_that_misses_it() -> None:
    records = honest("sphere", "general")
    for i, circle in enumerate(circles_of(records)):
        for vertex in set(range(records[0]["vertices"])) - {*circle["around"]}:
            changed = copy.deepcopy(records)
            own = circles_of(changed)[i]
            own["around"].append(vertex)
            own["arcs"] = [*own["arcs"], own["arcs"][-1]][: len(own["around"])]
            assert reason(changed) == f"circle {i}: one of its vertices does not lie on it"


@pytest.mark.parametrize("name", SPHERES)
def test_two_vertices_of_a_circle_change_places(name: str) -> None:
    records = honest("sphere", name)
    for i, circle in enumerate(circles_of(records)):
        if len(circle["around"]) > 2:
            changed = copy.deepcopy(records)
            around = circles_of(changed)[i]["around"]
            around[0], around[1] = around[1], around[0]
            assert "strict order" in reason(changed)


@pytest.mark.parametrize("name", [name for name in SPHERES if len(found("sphere", name)) > 1])
def test_a_bit_of_the_code_of_a_cell(name: str) -> None:
    records = honest("sphere", name)
    hinges = found("sphere", name).network.hinge_count
    for i in range(1, 1 + records[0]["regions"]):
        for hinge in range(hinges):
            changed = copy.deepcopy(records)
            width = 4 * len(records[i]["code"])
            changed[i]["code"] = (
                f"{int(records[i]['code'], 16) ^ 1 << (width - 1 - hinge):0{width // 4}x}"
            )
            assert reason(changed)


def hidden(full: Network, less: Network, domain: Sphere) -> str:
    """Why the certificate of a network with fewer circles does not prove the cells of the full
    one.
    """
    return reason(of_another(records_of(certificates.of(partition(less, domain))), full))


def test_a_circle_that_is_hidden_inside_a_cell() -> None:
    """A cap inside a cap, inside the rest, alone on the sphere, and behind a layer that is all
    on.
    """
    inner = layers(([[1, 0, 0], [0, 1, 0], [1, 0, 0]], ["-9/10", "-9/10", -2]))
    full = layers(([[1, 0, 0], [0, 1, 0], [1, 0, 0]], ["-9/10", "-9/10", "-19/20"]))
    assert "could lie inside it" in hidden(full, inner, Sphere(1))
    assert "could lie inside it" in hidden(
        layers(([[1, 0, 0]], ["-9/10"])), layers(([[1, 0, 0]], [-2])), Sphere(1)
    )
    for biases in (["-15/2", -9], [-9, "-59/20"], [-9, -9]):
        less = layers((UNITS, [2, 2, 2]), ([[1, 1, 1], [1, 0, 0]], biases))
        assert "hidden layer 2 could lie inside it" in hidden(
            SPHERES["hidden caps"][0], less, Sphere(1)
        )


def test_a_circle_that_is_hidden_and_touches() -> None:
    """A cap x > 3/5 touched at (3, 4, 0) / 5, no vertex of the forgery, by 7 x + y > 5 in it and 7
    x - y > 17/5 around it.

    Behind a layer the touched circle would be no place where a function of that layer is other than
    in the cell.
    """
    for row, offset in (([7, -1], "-17/5"), ([7, 1], -5)):
        full = layers(([[1, 0, 0], [*row, 0]], ["-3/5", offset]))
        own = partition(full, Sphere(1))
        assert (len(own), check.verify(certificates.of(own)).status) == (3, Status.COMPLETE)
        assert hidden(full, layers(([[1, 0, 0], [*row, 0]], ["-3/5", -26])), Sphere(1))
    behind = [
        layers(([[1, 0, 0], *UNITS], ["-3/5", 2, 2, 2]), ([[0, 7, 1, 0]], [bias]))
        for bias in (-21, -99)
    ]
    own = partition(behind[0], Sphere(1))
    assert (len(own), check.verify(certificates.of(own)).status) == (3, Status.COMPLETE)
    assert "is not beside all of it, by a hinge of hidden layer 2" in hidden(*behind, Sphere(1))


def test_a_circle_that_is_hidden_and_touches_at_a_vertex() -> None:
    """As before, and from outside y > 4/5 touches the cap at the same point: a vertex from which
    the hidden circle leaves.
    """
    first = ([[1, 0, 0], [0, 1, 0], *UNITS], ["-3/5", "-4/5", 2, 2, 2])
    full, less = (layers(first, ([[0, 0, 7, 1, 0]], [bias])) for bias in (-21, -99))
    own = partition(full, Sphere(1))
    assert (len(own), check.verify(certificates.of(own)).status) == (4, Status.COMPLETE)
    assert "an arc of a hinge of hidden layer 2 is missing" in hidden(full, less, Sphere(1))


def test_arcs_that_are_missing_at_a_vertex() -> None:
    """Behind the lines of the first layer the second one has arcs that end on them: leave such a
    one out.
    """
    records = honest("sphere", "folded")
    tried = 0
    for i, circle in enumerate(circles_of(records)):
        for gap, arc in enumerate(circle["arcs"]):
            if arc is not None and sum(other is not None for other in circle["arcs"]) > 1:
                changed = copy.deepcopy(records)
                circles_of(changed)[i]["arcs"][gap] = None
                assert reason(changed)
                tried += 1
    assert tried > 20


def merged(records: list[Record], one: int, other: int) -> list[Record]:
    """Two cells made one, with all numbers set right."""
    found = copy.deepcopy(records)
    del found[1 + other]
    for circle in circles_of(found):
        for arc in circle["arcs"]:
            if arc is not None:
                arc[:] = [one if cell == other else cell - (cell > other) for cell in arc]
    return counted(found)


@pytest.mark.parametrize("name", ["strips", "caps", "belts", "touching", "general"])
def test_two_cells_taken_for_one(name: str) -> None:
    records = honest("sphere", name)
    codes = [record["code"] for record in records[1 : 1 + records[0]["regions"]]]
    for other in range(len(codes)):
        for one in range(max(0, other - 6), other):
            said = reason(merged(records, one, other))
            assert codes[one] != codes[other] or "are put together" in said


def misplaced_hole() -> list[Record]:
    """Two strips have one code, and a cap lies in one of them: here, against the truth, in the
    other.
    """
    records = honest("sphere", "strips")
    codes = [record["code"] for record in records[1 : 1 + records[0]["regions"]]]
    one, other = next((i, j) for j in range(len(codes)) for i in range(j) if codes[i] == codes[j])
    cap = next(circle for circle in circles_of(records) if not circle["around"])
    assert cap["arcs"][0][1] in (one, other)
    cap["arcs"][0][1] = one + other - cap["arcs"][0][1]
    return records


def test_a_hole_in_the_wrong_strip() -> None:
    """Only a bridge tells in which strip it is."""
    records = misplaced_hole()
    assert "leads from one cell to another" in reason(records)
    del records[records.index(bridges_of(records)[0])]
    assert "are put together" in reason(counted(records))


def test_bridges_to_the_wrong_strip() -> None:
    """That of the truth with another name for its landing, and all on a circle that runs through
    both strips and the cap.
    """
    ends = [
        [k, gap, root]
        for k, circle in enumerate(circles_of(misplaced_hole()))
        for gap in range(len(circle["arcs"]))
        for root in (0, 1)
    ]
    cap, said = (
        next(k for k, circle in enumerate(circles_of(misplaced_hole())) if not circle["around"]),
        set(),
    )
    for start, end, plane in itertools.product(ends, ends, ("1 61 2 0", None)):
        if cap in (start[0], end[0]):
            records = misplaced_hole()
            bridge = bridges_of(records)[0]
            bridge.update({"from": start, "to": end, "plane": plane or bridge["plane"]})
            said.add(reason(records).split(": ")[-1][:20])
    assert {"does not meet the in", "leaves the cell, by "} <= said


def test_a_bridge_over_another_cell() -> None:
    """From the cap to the wrong strip and back to where it came from: any way there leaves the
    cell.
    """
    records = honest("sphere", "strips")
    bridge = bridges_of(records)[0]
    whole = copy.deepcopy(records)
    for k, circle in enumerate(circles_of(records)):
        for gap in range(len(circle["arcs"])):
            for root in (0, 1):
                for end in ("from", "to"):
                    changed = copy.deepcopy(whole)
                    bridges_of(changed)[0][end] = [k, gap, root]
                    if bridges_of(changed)[0][end] != bridge[end]:
                        assert reason(changed)


@pytest.mark.parametrize("name", ["caps", "strips", "belts", "hidden caps", "apart"])
def test_without_a_bridge_or_with_a_wrong_one(name: str) -> None:
    records = honest("sphere", name)
    for i in range(len(bridges_of(records))):
        changed = copy.deepcopy(records)
        changed.remove(bridges_of(changed)[i])
        assert "are put together" in reason(counted(changed))
        for plane in ("1 0 0 -5", "0 0 0 1", circles_of(records)[0]["plane"], "1 0 0", "x 0 0 0"):
            changed = copy.deepcopy(records)
            bridges_of(changed)[i]["plane"] = plane
            assert "bridge" in reason(changed)


def test_bridges_across_circles_between_them() -> None:
    """The long way round on the circle of an honest bridge passes through other cells."""
    records = honest("sphere", "caps")
    for i in range(len(bridges_of(records))):
        changed = copy.deepcopy(records)
        bridge = bridges_of(changed)[i]
        bridge["from"], bridge["to"] = bridge["to"], bridge["from"]
        assert "bridge" in reason(changed)


def test_a_forged_count() -> None:
    for name in ("touching", "caps", "general"):
        for key, step in (
            ("regions", 1),
            ("regions", -1),
            ("circles", -1),
            ("vertices", 1),
            ("vertices", -1),
            ("bridges", 1),
        ):
            records = honest("sphere", name)
            records[0][key] += step
            assert reason(records)


def test_a_cell_listed_twice() -> None:
    def change(records: list[Record]) -> None:
        records.insert(1 + records[0]["regions"], copy.deepcopy(records[1]))
        counted(records)

    for name in ("touching", "caps"):
        said = spoilt("sphere", name, change)
        assert "are put together" in said or "Euler" in said
    # no circle
    assert "more vertices or cells than so many circles make" in spoilt(
        "sphere", "tangent planes", change
    )


def test_a_chart_that_spans_no_sphere() -> None:
    for rows in (["1 2 3 0", "0 1 1 0", "0 0 0 0"], ["1 0 1 0", "0 1 1 0", "0 0 0 0"]):

        def change(records: list[Record], rows: list[str] = rows) -> None:
            records[0]["domain"]["chart"]["rows"] = rows

        assert "do not span a sphere" in spoilt("sphere", "general", change)


# ---- kind "codes"


@pytest.mark.parametrize("name", JOBS["codes"])
def test_a_missing_code(name: str) -> None:
    records = honest("codes", name)
    for i in range(1, len(records)):
        changed = copy.deepcopy(records)
        del changed[i]
        assert reason(counted(changed))


@pytest.mark.parametrize("name", JOBS["codes"])
def test_points_on_the_wrong_side(name: str) -> None:
    records = honest("codes", name)
    for i in range(1, len(records)):
        changed = copy.deepcopy(records)
        changed[i]["inside"], changed[i]["outside"] = changed[i]["outside"], changed[i]["inside"]
        assert "the point inside the sphere is not" in reason(changed)
        if len(records) > 2:
            changed = copy.deepcopy(records)
            changed[i]["inside"] = records[i - 1 if i > 1 else 2]["inside"]
            assert "has not the code" in reason(changed)


@pytest.mark.parametrize("name", JOBS["codes"])
def test_proofs_that_prove_nothing(name: str) -> None:
    records, tried = honest("codes", name), 0
    for i, record in enumerate(records[1:], 1):
        for k, (depth, proof) in enumerate(record["excluded"]):
            for changed_proof in weaker(proof):
                changed = copy.deepcopy(records)
                changed[i]["excluded"][k] = [depth, changed_proof]
                assert reason(changed)
                tried += 1
            changed = copy.deepcopy(records)
            del changed[i]["excluded"][k]
            assert "a code or a proof is missing" in reason(changed)
    assert tried


def weaker(proof: Record) -> Iterator[Record]:
    """Proofs that are empty, negative or, for multipliers, upside down."""
    yield {}
    yield {"far": [[], ""]}
    yield {"near": []}
    if "far" in proof:
        names, multipliers = proof["far"]
        yield {"far": [names, written([-x for x in numbers(multipliers)])]}
        yield {"far": [names[:1], "0"]}


def test_multipliers_that_leave_the_polyhedron_on_the_sphere() -> None:
    """Four quarters, one left out: it is far by no sum of its walls."""
    quarters = layers(([[1, 0, 0], [0, 1, 0]], [0, 0]))
    records = records_of(certificates.of(partition(quarters, Sphere(1), engine="sphere_polytopes")))
    assert [record["code"] for record in records[1:]] == ["00", "40", "80", "c0"]
    del records[4]
    for names, multipliers in (([0, 1], "1 1"), ([1], "1"), ([0, 1, 2, 3, 4, 5], "5 5 1 1 1 1")):
        records[3]["excluded"] = [[1, {"far": [names, multipliers]}]]
        assert "do not keep the polyhedron off the sphere" in reason(counted(records))


def test_a_hinge_that_vanishes_proves_nothing() -> None:
    """Off all over, it is no open condition: a multiplier on it would exclude whatever one
    likes.
    """
    network = layers(([[0, 0, 0], [1, 0, 0]], [0, 0]))
    records = records_of(certificates.of(partition(network, Sphere(1), engine="sphere_polytopes")))
    assert [record["code"] for record in records[1:]] == ["00", "40"]
    records[1]["excluded"] = [*records.pop()["excluded"], [1, {"far": [[0], "1"]}]]
    assert "stands at a hinge that vanishes" in reason(counted(records))


@pytest.mark.parametrize(
    ("wall", "said"),
    [
        ("1 0 0 1", "does not hold the ball"),
        ("1 0 0 -5", "does not hold the ball"),
        ("0 0 0 1", "no simplex"),
        ("1 1 1 9", "no simplex"),
        ("1 0 0", "integers"),
    ],
)
def test_a_simplex_that_is_none(wall: str, said: str) -> None:
    assert said in spoilt(
        "codes", "octahedron, 7", lambda records: records[0]["around"].__setitem__(0, wall)
    )


def test_codes_in_another_order() -> None:
    def change(records: list[Record]) -> None:
        records[1], records[2] = records[2], records[1]

    assert "do not ascend" in spoilt("codes", "octahedron, 7", change)


# ---- signs


def test_signs_of_two_square_roots() -> None:
    draw = random.Random(1)
    with mpmath.workdps(60):
        for _ in range(3000):
            x, y, z, w = (draw.randint(-6, 6) for _ in range(4))
            d, e = draw.randint(0, 9), draw.randint(0, 9)
            value = x + y * mpmath.sqrt(d) + z * mpmath.sqrt(e) + w * mpmath.sqrt(d * e)
            wanted = 0 if abs(value) < mpmath.mpf(10) ** -40 else int(mpmath.sign(value))
            assert sign_of_two_surds(x, y, z, w, d, e) == wanted, (x, y, z, w, d, e)


def test_sign_changes_of_functions() -> None:
    """Against signs at rational directions all around, forms of rank 0, 1 and 2."""
    draw = random.Random(2)
    around = [(a, b) for a in range(-7, 8) for b in range(-7, 8) if a or b]
    for _ in range(400):
        u, v = ([draw.randint(-2, 2) for _ in range(2)] for _ in range(2))
        matrix = tuple(
            tuple(x * y + z * t for y, t in ((u[0], v[0]), (u[1], v[1])))
            for x, z in ((u[0], v[0]), (u[1], v[1]))
        )
        form, function = (
            Form(matrix, draw.randint(1, 3), False),
            tuple(draw.randint(-3, 3) for _ in range(3)),
        )
        changes = sign_changes(function, form)
        for a, b in around:
            at = Direction(a, 0, b, 0, 0)
            if changes is None:
                assert (
                    value_sign(function, form, a, b) in {value_sign(function, form, *around[0]), 0}
                    or form.matrix
                )
            elif 0 not in [compare(at, change) for change in changes]:
                on = value_sign(function, form, a, b) > 0
                rise, fall = changes
                wraps = compare(rise, fall) > 0
                inside = (
                    compare(rise, at) < 0 or compare(at, fall) < 0
                    if wraps
                    else compare(rise, at) < 0 < compare(fall, at)
                )
                assert on == inside or value_sign(function, form, a, b) == 0, (function, form, a, b)


def test_functions_of_a_form_of_rank_one() -> None:
    """N = |alpha|: alpha + N is on where alpha > 0, and changes at the form's kernel."""
    form, down, up = (
        Form(((1, 0), (0, 0)), 1, False),
        Direction(0, 0, -1, 0, 0),
        Direction(0, 0, 1, 0, 0),
    )
    assert sign_changes((1, 0, 1), form) == (down, up)
    assert sign_changes((-1, 0, 1), form) == (up, down)
    assert sign_changes((1, 0, 2), form) is None
    assert sign_changes((1, 0, -1), form) is None


def test_the_order_of_circles_around_a_point() -> None:
    """Planes x = 1 and y = 1 touch at (1, 1, 0) of the sphere of radius sqrt 2; z = 0 passes
    through.
    """
    ball = Ball(Form(((1, 0, 0), (0, 1, 0), (0, 0, 1)), 2, False))
    a, b, c = (Circle(ball, plane) for plane in ((1, 0, 0, -1), (0, 1, 0, -1), (0, 0, 1, 0)))
    point = a.point(a.function(b.plane), 0)
    assert point is not None
    rotation = Rotation(ball, point)
    ends = [End(a, 1), End(c, 1), End(b, 1), End(a, -1), End(c, -1), End(b, -1)]
    wanted = [End(a, 1), End(c, -1), End(a, -1), End(b, 1), End(c, 1), End(b, -1)]
    for start in ends:
        turned = sorted(
            ends, key=lambda end: sum(rotation.compare(start, end, other) > 0 for other in ends)
        )
        i = wanted.index(start)
        assert turned == wanted[i:] + wanted[:i]


def test_definite_forms() -> None:
    assert is_definite(Form(((2, 1, 0), (1, 2, 1), (0, 1, 2)), 1, False))
    for matrix in (
        ((1, 1), (1, 1)),
        ((0, 0), (0, 1)),
        ((1, 2), (2, 1)),
        ((-1, 0), (0, 1)),
        ((1, 0, 0), (0, 1, 1), (0, 1, 1)),
    ):
        assert not is_definite(Form(matrix, 1, False))
