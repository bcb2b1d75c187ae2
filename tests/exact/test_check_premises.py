"""What the proofs of certificates take for granted is tested by the checker: domain, chart, header,
and no entry is unread.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from exact import (
    Box,
    EngineDefect,
    GreatCircle,
    GreatSphere,
    HPolytope,
    Segment,
    Sphere,
    check,
    partition,
)
from exact.check import Status
from exact.geometry.domains.base import Domain
from exact.regions import certificate as certificates
from exact.sources import tensors
from tests.exact import round_jobs
from tests.exact import test_check as flat_jobs
from tests.exact.forgeries import Record, records_of, verdict
from tests.exact.test_check import reason, sections, without_unused

Change = Callable[[list[Record]], Any]
ANY = {
    "complex": "deep",
    "facets": "deep",
    "curve": "ray",
    "sphere": "caps",
    "codes": "octahedron, 7",
}


def honest(kind: str, name: str = "") -> list[Record]:
    source = flat_jobs if kind in ("complex", "facets") else round_jobs
    return source.honest(kind, name or ANY[kind])


def spoilt(kind: str, name: str, change: Change) -> str:
    records = honest(kind, name)
    change(records)
    return reason(records)


# ---- walls and cubes


@pytest.mark.parametrize("wall", ["0 0 0", "0 0 -64"])
@pytest.mark.parametrize("name", ["cross", "deep in a wedge", "concurrent", "smooth"])
def test_a_wall_that_keeps_all_points_out(name: str, wall: str) -> None:
    """Whatever cell is left out, its faces do not become the edge of the domain."""
    records = honest("complex", name)
    said = (
        f"domain, wall {len(records[0]['domain']['walls'])}: no point is strictly inside it, "
        f"and regions are listed"
    )
    for number in range(records[0]["regions"]):
        parts = sections(copy.deepcopy(records))
        del parts[-1][number]
        forged = without_unused(copy.deepcopy(records[0]), parts)
        forged[0]["domain"]["walls"].append(wall)
        assert reason(forged) == said
    listed = honest("facets", name)
    listed[0]["domain"]["walls"].append(wall)
    assert reason(listed) == said


@pytest.mark.parametrize("kind", ["complex", "facets"])
def test_walls_that_say_nothing_or_stand_twice(kind: str) -> None:
    """They change neither what is proved nor the sha256 of the domain; those of a complex have no
    numbers in it.
    """
    records = honest(kind, "cross")
    before = verdict(records)
    walls = records[0]["domain"]["walls"]
    doubled = [" ".join(f"{2 * int(x, 16):x}" for x in walls[0].split()), walls[1]]
    for more in (doubled, *([["0 0 1"]] if kind == "complex" else [])):
        changed = copy.deepcopy(records)
        changed[0]["domain"]["walls"] = [*walls, *more]
        assert (verdict(changed).status, verdict(changed).domain_sha256) == (
            Status.COMPLETE,
            before.domain_sha256,
        )


def test_a_domain_between_two_walls_that_are_one() -> None:
    """Flat domains have no cell: none of the d + 1 steps from a vertex to a cell finds another
    constraint.
    """
    flat = records_of(
        certificates.of(partition(flat_jobs.AFFINE, Box(0, 1, dim=2), engine="lp_tree"), maps=False)
    )
    header = flat[0] | {"kind": "complex", "faces": [4, 4], "regions": 1}
    header["format"] = "exactlens-certificate-2"
    header["domain"]["walls"] = ["1 0 0", "-1 0 0", "0 1 0", "0 -1 1"]
    corners = ["0 0 1", "0 1 1", "0 1 2", "0 2 3"]
    forged = [header, *corners, [0, 1], [1, 2], [2, 3], [0, 3], {"code": "", "faces": [0, 1, 2, 3]}]
    assert "lies on no further constraint" in reason(forged)


@pytest.mark.parametrize("multipliers", ["0 0 1", "0 0 -1"])
def test_a_wall_without_a_normal_proves_a_domain_empty(multipliers: str) -> None:
    empty = records_of(
        certificates.of(partition(flat_jobs.CROSS, HPolytope([[1, 0, 1], [0, 1, 1], [0, 0, -1]])))
    )
    assert (empty[0]["regions"], empty[0]["kind"], empty[0]["empty"]) == (0, "facets", "0 0 1")
    empty[0]["empty"] = multipliers
    assert (verdict(empty).status is Status.COMPLETE) == (multipliers == "0 0 1")


def test_an_empty_domain_is_no_complex_and_has_no_faces() -> None:
    empty = records_of(
        certificates.of(partition(flat_jobs.DEEP, flat_jobs.NOWHERE, engine="lp_tree"))
    )
    assert "header: there is no entry empty" in reason([empty[0] | {"kind": "complex"}])
    bare = {key: value for key, value in empty[0].items() if key != "empty"} | {"kind": "complex"}
    assert "a complex that is not complete, of a point, or without a cell" in reason(
        [bare | {"faces": [0, 0]}]
    )
    assert "faces or a cube, which only a complex has" in reason([empty[0] | {"faces": [3, 3]}])
    empty[0]["domain"]["cube"] = True
    assert "faces or a cube, which only a complex has" in reason(empty)
    assert "header, empty" in spoilt(
        "facets", "cross", lambda records: records[0].update(empty="1 0 1 0")
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dim": 0}, "3 integers where 1 belong"),
        ({"dim": -1}, "no dimension"),
        ({"dim": True}, "dim is missing, or not of type int"),
        ({"dim": 3}, "3 integers where 4 belong"),
        ({"cube": 1}, "cube is missing"),
        ({"cube": None}, "cube is missing"),
        ({"walls": None}, "walls is missing"),
        ({"chart": None}, "domain, chart: not an object"),
        (
            {"chart": {"denominator": "0", "rows": ["1 0 0", "0 1 0"]}},
            "the denominator is not positive",
        ),
        (
            {"chart": {"denominator": "-1", "rows": ["1 0 0", "0 1 0"]}},
            "the denominator is not positive",
        ),
        ({"chart": {"denominator": "1", "rows": ["1 0 0"]}}, "does not lead into the network"),
        ({"radius_squared": "1 1"}, "there is no entry radius_squared"),
        ({"end": "0 1"}, "there is no entry end"),
    ],
)
def test_domains_of_polytopes(change: dict[str, Any], said: str) -> None:
    for kind in ("complex", "facets"):
        assert said in spoilt(kind, "deep", lambda records: records[0]["domain"].update(change))


@pytest.mark.parametrize("rows", [["1 0 0", "1 0 0"], ["0 0 1", "0 0 2"]])
def test_charts_of_polytopes_need_no_rank(rows: list[str]) -> None:
    """What is proved is about the parameters: a chart may fold them, and the verdict says that
    there is a chart.
    """
    folded = tensors.mlp([([[1, 0], [0, 1]], [0, -1]), ([[1, 1]], [0])])
    other = tensors.mlp(
        [
            (
                [[int(row.split()[0]), 0] for row in rows],
                [int(rows[0].split()[2]), int(rows[1].split()[2]) - 1],
            ),
            ([[1, 1]], [0]),
        ]
    )
    records = records_of(certificates.of(partition(other, Box(-2, 2, dim=2)), maps=False))
    records[0] |= {
        key: value for key, value in honest_header(folded).items() if key.startswith("network")
    }
    records[0]["domain"]["chart"]["rows"] = rows
    answer = verdict(records)
    assert answer.status is Status.COMPLETE
    assert answer.domain.endswith("mapped into R^2 by the chart in the file")


def honest_header(network: Any) -> Record:
    return records_of(certificates.of(partition(network, Box(-2, 2, dim=2))))[0]


# ---- curves


def of_curve(
    network: Any, domain: dict[str, str], cells: list[Record], rows: list[str]
) -> list[Record]:
    """A certificate written by hand."""
    header = records_of(
        certificates.of(partition(network, Segment([0, 0, 0], [1, 0, 0]), engine="circle"))
    )[0]
    header |= {
        "regions": len(cells),
        "domain": {"chart": {"denominator": "1", "rows": rows}, **domain},
    }
    return [header, *cells]


def test_a_circle_of_two_points() -> None:
    """u = e1 and v = 0, or -2 e1: only e1 and -e1 are on it, and 'its' cells are half planes of
    coefficients.
    """
    network = tensors.mlp([([[1, 0, 0]], ["-1/2"]), ([[1]], [0])])
    halves = [{"code": "00", "flips": [0], "witness": "-1 0"}, {"flips": [0], "witness": "1 0"}]
    for rows in (
        ["1 0 0", "0 0 0", "0 0 0"],
        ["1 -2 0", "0 0 0", "0 0 0"],
        ["0 0 0", "0 0 0", "0 0 0"],
    ):
        forged = of_curve(network, {"radius_squared": "1 1"}, halves, rows)
        assert reason(forged) == "domain: the vectors of the chart do not span a circle"
        whole = of_curve(
            network,
            {"radius_squared": "1 1"},
            [{"code": "80", "flips": [], "witness": "1 0"}],
            rows,
        )
        assert reason(whole) == "domain: the vectors of the chart do not span a circle"


def test_a_circle_on_which_the_norm_is_undefined() -> None:
    """u is the vector of ones, which the norm projects to 0: what is left are two points."""
    network = tensors.block(
        [[1, 0, 0]],
        [0],
        [[1], [1], [1]],
        [0, 0, 0],
        norm="layernorm",
        gain=[1, 1, 1],
        bias=[0, 0, 0],
    )
    halves = [{"code": "00", "flips": [0], "witness": "0 -1"}, {"flips": [0], "witness": "0 1"}]
    forged = of_curve(network, {}, halves, ["1 1 0", "1 0 0", "1 0 0"])
    assert (
        reason(forged)
        == "domain: neither a radius, nor a norm that is defined all around the circle"
    )


@pytest.mark.parametrize(
    ("one", "rows"),
    [
        ("1 0", ["1 0 0", "1 0 0", "1 0 0"]),
        ("1 2", ["1 2 0", "1 2 0", "0 0 0"]),
        ("0 1", ["0 3 0", "0 1 0", "0 0 0"]),
    ],
)
def test_a_line_of_one_point(one: str, rows: list[str]) -> None:
    network = tensors.mlp([([[1, 0, 0]], [-9]), ([[1]], [0])])
    forged = of_curve(
        network,
        {"end": "-1 0" if one == "0 1" else "0 1", "one": one},
        [{"code": "00", "flips": [], "witness": "1 1"}],
        rows,
    )
    assert reason(forged) == "domain: a line of one point"
    moved = copy.deepcopy(forged)
    moved[0]["domain"]["chart"]["rows"][2] = "1 0 0" if one != "1 0" else "0 1 0"
    assert verdict(moved).status is Status.COMPLETE


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("ray", lambda r: r[0]["domain"].pop("end"), "domain, end: "),
        ("ray", lambda r: r[0]["domain"].pop("one"), "domain, one: "),
        ("ray", lambda r: r[0]["domain"].update(walls=[]), "no entry walls"),
        ("ray", lambda r: r[0]["domain"].update(dim=1), "no entry dim"),
        ("ray", lambda r: r[1].update(undefined=True), "cell 0: there is no entry undefined"),
        (
            "corners",
            lambda r: r[1].update(undefined=True),
            "cell 0: a cut where a norm is undefined",
        ),
        ("ray", lambda r: r[2].update(code=r[1]["code"]), "cell 1: there is no entry code"),
        ("undefined", lambda r: r[2].update(undefined=False), "cell 1: undefined, or not"),
        ("undefined", lambda r: r[2].update(undefined=1), "cell 1: undefined, or not"),
        ("corners", lambda r: r[2].update(undefined=True), "defined everywhere"),
    ],
)
def test_entries_of_curves(name: str, change: Change, said: str) -> None:
    assert said in spoilt("curve", name, change)


# ---- spheres


@pytest.mark.parametrize("kind", ["sphere", "codes"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dim": 0}, "no sphere"),
        ({"dim": True}, "not of type int"),
        ({"dim": 3}, "4 integers where 5 belong"),
        ({"radius_squared": "0 1"}, "no positive radius"),
        ({"radius_squared": "-1 1"}, "no positive radius"),
        ({"radius_squared": "1 0"}, "the denominator is not positive"),
        ({"walls": ["1 0 0 0"]}, "there is no entry walls"),
        ({"cube": False}, "there is no entry cube"),
        ({"end": "0 1"}, "there is no entry end"),
        (
            {"chart": {"denominator": "1", "rows": ["1 0 1 0", "0 1 1 0", "0 0 0 0"]}},
            "do not span a sphere",
        ),
        (
            {"chart": {"denominator": "1", "rows": ["1 0 0 0", "0 1 0 0", "0 0 1 1"]}},
            "a chart of directions with an offset",
        ),
    ],
)
def test_domains_of_spheres(kind: str, change: dict[str, Any], said: str) -> None:
    assert said in spoilt(kind, "", lambda records: records[0]["domain"].update(change))


def test_a_sphere_without_a_radius() -> None:
    for kind in ("sphere", "codes"):
        said = spoilt(kind, "", lambda records: records[0]["domain"].pop("radius_squared"))
        assert (
            said
            == "network: a bias or a hidden layer in front of the norm, where directions have no "
            "scale"
        )


@pytest.mark.parametrize(
    "proof", [{"near": [0], "far": [[0], "1"]}, {}, {"close": []}, [], None, "near"]
)
def test_a_proof_is_of_one_kind(proof: object) -> None:
    def change(records: list[Record]) -> None:
        next(record for record in records[1:] if record["excluded"])["excluded"][0][1] = proof

    assert "neither far nor near" in spoilt("codes", "", change) or "far is missing" in spoilt(
        "codes", "", change
    )


def test_more_cells_or_vertices_than_circles_make() -> None:
    header = honest("sphere", "general")[0]
    pairs = header["circles"] * (header["circles"] - 1)
    assert header["vertices"] <= pairs
    for changes in (
        {"vertices": pairs + 1},
        {"regions": pairs + 3},
        {"circles": 0, "vertices": 0, "regions": 2},
    ):
        assert (
            reason([header | changes]) == "header: more vertices or cells than so many circles make"
        )


# ---- nothing is unread


@pytest.mark.parametrize("kind", ANY)
@pytest.mark.parametrize("key", ["note", "walls", "cells", "\ud800"])
def test_what_nobody_reads_is_not_certified(kind: str, key: str) -> None:
    """An entry of another name anywhere but in `made_by` is refused: nobody may take it for
    proved.
    """
    records = honest(kind)
    assert not records[0]["maps"] or kind in ("complex", "facets")
    tried = 0
    for i, record in enumerate(records):
        for path in objects(record):
            if key not in at(records[i], path):
                changed = copy.deepcopy(records)
                at(changed[i], path)[key] = 0
                assert "there is no entry" in reason(changed) or "neither far nor near" in reason(
                    changed
                )
                tried += 1
    assert tried > 5
    records[0]["made_by"][key] = [1.5, None]
    assert verdict(records).status is Status.COMPLETE


def objects(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all objects but `made_by`."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    inner = [
        found for key, entry in items if key != "made_by" for found in objects(entry, (*path, key))
    ]
    return [path, *inner] if isinstance(value, dict) else inner


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@pytest.mark.parametrize("kind", ["complex", "facets"])
def test_a_map_that_the_header_does_not_claim(kind: str) -> None:
    assert "there is no entry map" in spoilt(
        kind, "deep", lambda records: records[0].update(maps=False)
    )

    def without(records: list[Record]) -> None:
        del records[-1]["map"]

    assert "map: not a list of" in spoilt(kind, "deep", without)


@pytest.mark.parametrize("kind", ANY)
@pytest.mark.parametrize(
    "key", ["regions", "complete", "maps", "faces", "kind", "network_sha256", "network", "domain"]
)
def test_headers_that_leave_something_out(kind: str, key: str) -> None:
    assert spoilt(kind, "", lambda records: records[0].pop(key))


# ---- a partition compares what is proved with itself


ACTIVATIONS = ([1, 2, 0, 1, 0, 1], [0, 1, 0, 3, -1, 2], [2, 0, 1, 1, 1, -1])
X, Y, Z = [1, 0, 0], [0, 1, 0], [0, 0, 1]


@pytest.mark.parametrize(
    ("network", "domain", "other", "is_same"),
    [
        (flat_jobs.DEEP, Box(-2, 2, dim=2), Box([-2, -2], [2, 2]), True),
        (flat_jobs.DEEP, Box(-2, 2, dim=2), Box(-2, "5/2", dim=2), False),
        (flat_jobs.DEEP, Segment([0, 0], [1, 1]), Segment([0, 0], [1, 2]), False),
        (round_jobs.OCTAHEDRON, Sphere(2), Sphere("5/2"), False),
        (
            round_jobs.OCTAHEDRON,
            Sphere(2),
            GreatSphere(X, [1, 1, 0], [3, 0, -1], radius_squared=2),
            True,
        ),
        (
            round_jobs.OCTAHEDRON,
            GreatCircle(X, Y, radius_squared=2),
            GreatCircle([1, 1, 0], Y, radius_squared=2),
            True,
        ),
        (
            round_jobs.OCTAHEDRON,
            GreatCircle(X, Y, radius_squared=2),
            GreatCircle(X, Z, radius_squared=2),
            False,
        ),
        (round_jobs.CURVES["norm, n = 3"][0], Sphere(), GreatCircle([1, -1, 0], [0, 1, -1]), True),
        (round_jobs.CURVES["norm, n = 3"][0], Sphere(), GreatCircle(X, [0, 1, -1]), False),
        (
            round_jobs.block(5, 6, 7),
            GreatSphere(*ACTIVATIONS),
            GreatSphere(*ACTIVATIONS[:2], [2, 0, 1, 1, 1, -2]),
            False,
        ),
    ],
)
def test_the_domain_of_a_partition_is_compared_with_that_of_the_verdict(
    network: Any, domain: Domain, other: Domain, is_same: bool
) -> None:
    """The sha256 of the one is made from the domain itself, whatever the writer and the engine made
    of it.
    """
    own = partition(network, domain)
    answer = own.check()
    assert answer.status is Status.COMPLETE
    own.domain = other
    assert (check.domain_digest(own.domain_record()) == answer.domain_sha256) == is_same


def test_a_certificate_of_another_domain_or_network_is_no_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, wide = (
        partition(flat_jobs.CROSS, Box(-2, 2, dim=2)),
        partition(flat_jobs.CROSS, Box(-3, 3, dim=2)),
    )
    assert own.digest == wide.digest
    whole = list(certificates.of(wide))
    monkeypatch.setattr(certificates, "of", lambda *_, **__: iter(whole))
    with pytest.raises(EngineDefect, match="the certificate speaks of another partition"):
        own.check()
    other = partition(
        tensors.mlp([(flat_jobs.SIGNS, [0, 0, -1]), ([[1, -1, 3]], [0])]), Box(-2, 2, dim=2)
    )
    assert other.digest == own.digest
    monkeypatch.undo()
    whole = list(certificates.of(other))
    monkeypatch.setattr(certificates, "of", lambda *_, **__: iter(whole))
    with pytest.raises(EngineDefect, match="the certificate speaks of another partition"):
        own.check()
