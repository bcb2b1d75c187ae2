"""Certificates of lines, circles and spheres: written for every partition that has one, and proved
by the checker.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from exact import Budget, Line, Network, Segment, Sphere, Unsupported, check, partition
from exact.check import Status
from exact.check.network import DIALECT
from exact.check.network import Network as CheckedNetwork
from exact.regions import certificate as certificates
from exact.regions.certificate import network_record
from exact.sources import tensors
from tests.exact.round_jobs import ALL, OCTAHEDRON, STRIPS, block, found, honest, lines, random_mlp


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_what_is_true_is_verified(kind: str, name: str) -> None:
    own, answer = found(kind, name), check.verify(lines(kind, name))
    assert answer.status is Status.COMPLETE, answer.reason
    assert json.loads(lines(kind, name)[0])["kind"] == kind
    assert (answer.regions, answer.digest, answer.network_sha256) == (
        len(own),
        own.digest,
        own.network.sha256,
    )
    assert not answer.maps


def test_a_partition_verifies_itself(tmp_path: Path) -> None:
    for kind, name in (("curve", "norm, n = 3"), ("sphere", "caps"), ("codes", "on S^3")):
        own = found(kind, name)
        assert own.check().status is Status.COMPLETE
        path = own.certificate(tmp_path / f"{kind}.jsonl.gz", made_by={"program": "this test"})
        assert check.verify_file(path).digest == own.digest


def test_the_verdict_names_what_is_proved() -> None:
    answer = check.verify(lines("sphere", "touching"))
    assert answer.reason == "14 cells, 24 arcs, 12 vertices of 1 connected parts: V - E + F = 1 + C"
    assert answer.domain == "the 2-sphere |x|^2 = 2 spanned by 3 vectors of R^3, as in the file"
    answer = check.verify(lines("curve", "corners"))
    assert (
        answer.reason == "4 cells between 4 cuts, in which no hinge of any layer changes its sign"
    )
    assert answer.domain == "the circle |x|^2 = 2 spanned by two vectors of R^3, as in the file"
    assert (
        check.verify(lines("curve", "ray")).domain
        == "the part of a straight line in R^2 that is in the file"
    )
    answer = check.verify(lines("codes", "octahedron, 7"))
    assert answer.reason.startswith("7 codes occur, and ")


def test_a_norm_is_read_with_its_name() -> None:
    """The sha256 that the checker computes is that of the network, for both norms, rules and kinds
    of numbers.
    """
    for norm, eps in (("layernorm", "1/100000"), ("rms", 0), ("layernorm", 0.1), ("rms", "1/3")):
        network = block(3, 4, 0, norm, eps)
        assert (
            CheckedNetwork.read(json.loads(json.dumps(network_record(network))), DIALECT).sha256
            == network.sha256
        )


def test_cells_are_numbered_as_in_the_partition() -> None:
    own, records = found("sphere", "folded"), honest("sphere", "folded")
    codes = [record["code"] for record in records if isinstance(record, dict) and "code" in record]
    assert codes == [own.code_of(i).packed.hex() for i in range(len(own))]
    beside = {
        frozenset(arc)
        for record in records[1:]
        if "around" in record
        for arc in record["arcs"]
        if arc
    }
    assert beside == {frozenset(pair) for pair in own.neighbours().tolist()}


def test_bridges_are_as_many_as_needed() -> None:
    for name, count in (("caps", 4), ("strips", 1), ("touching", 0), ("belts", 1)):
        assert honest("sphere", name)[0]["bridges"] == count, name


def test_whole_circles_have_no_vertices() -> None:
    header = honest("sphere", "hidden caps")[0]
    assert (header["circles"], header["vertices"]) == (2, 0)


def test_an_incomplete_list_of_codes_is_verified_as_such() -> None:
    part = partition(
        random_mlp(1, 4, 5, 1), Sphere(1), engine="sphere_polytopes", budget=Budget(regions=4)
    )
    answer = part.check()
    assert (answer.status, answer.regions) == (Status.INCOMPLETE, len(part))


@pytest.mark.parametrize(
    ("network", "domain", "engine", "budget"),
    [
        (OCTAHEDRON, Segment([-3, 0, 0], [3, 1, 0]), "circle", Budget(regions=1)),
        (
            Network((*block(3, 3, 0).blocks, *block(3, 3, 1).blocks)),
            Line([1, 0, 0], [1, 2, -1]),
            None,
            None,
        ),
        (block(3, 2, 0), Sphere(), "circle", None),
    ],
)
def test_what_has_no_certificate_says_so(
    network: Network, domain: object, engine: str, budget: Budget | None
) -> None:
    with pytest.raises(Unsupported, match="certificate"):
        certificates.of(partition(network, domain, engine=engine, budget=budget))  # type: ignore[arg-type]


def test_strips_are_two_cells_of_one_code() -> None:
    own = found("sphere", "strips")
    assert own.network is STRIPS
    assert (len(own), own.code_count) == (11, 10)


TINY = [
    # radii of 4e-8
    [
        [1, 1, 1, "-6755399441055743/2251799813685248"],
        [3, -3, -3, "-5066549580791807/562949953421312"],
    ],
    [[1, 1, 1, Fraction(1, 2**1074) - 3], [3, -3, -3, Fraction(1, 2**1074) - 9]],  # radii of 2^-537
    # beyond floats as integers
    [[1, Fraction(1, 2**1074), 0, "5/3"], [0, 0, 1, "-5/3"], [0, 1, 0, "-5/3"]],
]


@pytest.mark.parametrize("engine", ["small_circles", "sphere_subdivision"])
@pytest.mark.parametrize("case", range(len(TINY)))
def test_small_circles_and_long_coefficients(case: int, engine: str) -> None:
    network = tensors.mlp(
        [
            ([row[:-1] for row in TINY[case]], [row[-1] for row in TINY[case]]),
            ([[1] * len(TINY[case])], [0]),
        ]
    )
    assert partition(network, Sphere(3), engine=engine).check().status is Status.COMPLETE
