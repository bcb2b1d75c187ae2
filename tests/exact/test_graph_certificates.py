"""Certificates of graphs: every operator, functions by changes against functions in full, and
forgeries, each of which is rejected for its reason.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exact import (
    GELU,
    Box,
    Budget,
    Graph,
    HardTanh,
    HPolytope,
    Layer,
    LeakyReLU,
    Plane,
    RationalMatrix,
    ReLU,
    Segment,
    Unsupported,
    check,
    partition,
)
from exact.check import Status
from exact.check.__main__ import main
from exact.check.functions.graphs.graph import Graph as Read
from exact.check.functions.graphs.walks import Walk
from exact.networks.graphs.convolutions import Convolution, Taps, taps_of
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.rearrangements import Placement, Scaling, Selection
from exact.networks.graphs.steps import Sum
from exact.networks.operators import LinearOperator
from exact.regions import certificate
from exact.sources import tensors
from tests.exact.forgeries import records_of, signed, verdict
from tests.exact.reference import integers

Record = Any
BEND = Layer.of([[1, 0], [0, 1]], activation=ReLU())
POOL = Maximum([[0, 1]], 2)
SMALL = Graph([(BEND, [0]), (POOL, [1])], 2)


def everything(seed: int) -> Graph:
    """A graph with every operator, on images of two channels of 4 x 3."""
    rng = np.random.default_rng(seed)

    def matrix(*shape: int) -> RationalMatrix:
        return RationalMatrix.read(integers(rng, shape, 3))

    taps = taps_of((4, 3), (3, 2), (2, 1), ((1, 0), (0, 1)), (1, 1))
    front = Convolution(matrix(4, 6), 2, taps, 2)  # 4 x (2 x 3)
    line = Convolution(matrix(2, 4), 4, Taps((6,), (1,), (2,), ((0, 1),), (1,), True))
    size = line.shape[0]
    return Graph(
        [
            (Layer.of(front, integers(rng, 24, 3), ReLU()), [0]),
            (Layer.of(line, None, LeakyReLU("1/4")), [1]),
            (Layer.of(Scaling(RationalMatrix.read([1, "1/2"] * (size // 2)))), [2]),
            (Layer.of(Selection(range(size)[::-1], size)), [2]),
            (Sum(), [3, 4]),
            (Maximum([[0, 1, -1], [2, 3, 0], [4, 5, 1]], size), [5]),
            (Layer.of(Placement([3, 0, 1], 4), [0, 0, 1, 0], HardTanh()), [6]),
            (Layer.of(matrix(2, 4), integers(rng, 2, 2)), [7]),
        ],
        24,
    )


def some(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    corners = [integers(rng, 24, 4) for _ in range(3)]
    return partition(everything(seed), Plane(*corners, s=(0, "1/2"), t=(0, "1/2")))


@pytest.mark.parametrize("seed", range(4))
def test_every_operator_is_proved(seed: int) -> None:
    found = some(seed)
    assert len(found) > 4
    told = found.check()
    assert (told.status, told.regions, told.maps) == (Status.COMPLETE, len(found), True)
    assert told.network_sha256 == found.network.sha256 and told.digest == found.digest


@pytest.mark.parametrize("seed", range(3))
def test_functions_by_changes_are_those_in_full(seed: int) -> None:
    found = some(seed)
    header, *regions = records_of(certificate.of(found, maps=False))
    graph = Read.read(header["network"])
    rows = [[int(x, 16) for x in row.split()] for row in header["domain"]["chart"]["rows"]]
    start, scale = [tuple(row) for row in rows], int(header["domain"]["chart"]["denominator"], 16)
    size = 4 * len(regions[0]["code"])
    codes = [int(one["code"], 16) >> (size - graph.hinges) for one in regions]
    moving = Walk(graph, start, scale, codes[0])
    for code in np.random.default_rng(seed).permutation(codes).tolist() + codes[:1]:
        moving.move(code)
        fresh = Walk(graph, start, scale, code)
        assert moving.values == fresh.values and moving.alive == fresh.alive
        assert moving.before == fresh.before and moving.reaching == fresh.reaching
    assert not any(moving._moved)  # back at the first code, all is as it was


def test_files_are_checked_by_the_command(tmp_path: Path, capsys: Any) -> None:
    found = partition(SMALL, Box(-1, 1, dim=2))
    path = found.certificate(tmp_path / "graph.jsonl.gz")
    assert main([str(path)]) == 0
    assert "every sign holds at every corner" in capsys.readouterr().out
    lines = signed(records_of(certificate.of(found))[:-1])
    (tmp_path / "short.jsonl").write_bytes(b"".join(lines))
    assert main([str(tmp_path / "short.jsonl")]) == 4


def test_one_dimension_and_partitions_that_ended_early() -> None:
    net = tensors.mlp([([[1], [2], [-1]], [0, -1, 1]), ([[1, -1, 1]], [0])])
    line = partition(Graph.of(net), Box(-2, 2, dim=1), engine="lp_tree")
    assert len(line) == 4 and line.check().status is Status.COMPLETE
    records = records_of(certificate.of(partition(SMALL, Box(-1, 1, dim=2))))
    records[0] |= {"complete": False, "regions": 3}
    assert verdict(records[:4]).status is Status.INCOMPLETE
    part = partition(everything(0), some(0).domain, budget=Budget(regions=3))
    assert part.check().status is Status.INCOMPLETE


def test_what_has_no_certificate_is_refused() -> None:
    class Own(LinearOperator):
        shape = (2, 2)

        def apply(self, columns: Any) -> Any:
            return columns

    class Shifted(Selection):
        """Derived from what the checker knows, and something else."""

    for operator in (Own(), Shifted([1, 0], 2)):
        graph = Graph([(Layer.of(operator, None, ReLU()), [0])], 2)
        with pytest.raises(Unsupported, match="no certificate in a graph"):
            partition(graph, Box(-1, 1, dim=2)).check()
    chain = Graph.of(tensors.mlp([([[1, 2, 0], [0, 1, 1]], [0, 1]), ([[1, 1]], [0])]))
    with pytest.raises(Unsupported, match="bounded polygons and segments"):
        partition(chain, Box(-1, 1, dim=3)).check()
    with pytest.raises(Unsupported, match="with regions"):
        partition(SMALL, HPolytope([[1, 0, -3], [-1, 0, 1]])).check()
    smooth = Graph([(Layer.of([[1, 0], [0, 1]], activation=GELU()), [0])], 2)
    with pytest.raises(Unsupported, match="smooth activation"):
        partition(smooth, Box(-1, 1, dim=2), engine="lp_tree").check()


# ---- forgeries: each changes the records of a small graph, or of one with every operator


def at(*path: Any, to: Any) -> Callable[[list[Record]], None]:
    """Another entry at a place of the records."""

    def change(records: list[Record]) -> None:
        found: Any = records
        for key in path[:-1]:
            found = found[key]
        found[path[-1]] = to(found[path[-1]]) if callable(to) else to

    return change


def gone(*path: Any) -> Callable[[list[Record]], None]:
    def change(records: list[Record]) -> None:
        found: Any = records
        for key in path[:-1]:
            found = found[key]
        del found[path[-1]]

    return change


def flipped(bits: int) -> Callable[[str], str]:
    return lambda code: f"{int(code, 16) ^ bits:0{len(code)}x}"


DOMAIN: tuple[Any, ...] = (0, "domain")
FORGERIES: dict[str, tuple[Callable[[list[Record]], None], str]] = {
    "a code twice": (at(5, "code", to="00"), "that of region 0"),
    "on where it is zero": (at(1, "code", to=flipped(0x80)), "another sign"),
    "off where it is positive": (at(3, "code", to=flipped(0x80)), "another sign"),
    "another winner": (at(4, "code", to=flipped(0x30)), "larger at a corner|region"),
    "a winner where there is none": (at(1, "code", to=flipped(0x10)), "another symbol"),
    "no such candidate": (at(2, "code", to=flipped(0x10)), "no candidate"),
    "bits behind the last": (at(1, "code", to="01"), "beyond its 4 hinges"),
    "a corner outside": (at(1, "corners", 0, to="-9 -9 1"), "outside of the domain"),
    "a region without area": (at(1, "corners", to=lambda p: p[:2]), "span nothing"),
    "a region cut short": (at(1, "corners", to=lambda p: p[:3]), "add up to"),
    "a region too large": (
        at(4, "corners", to=["0 0 1", "1 0 1", "1 1 1", "0 1 1"]),
        "at a corner",
    ),
    "a corner without a place": (at(1, "corners", 0, to="0 0 0"), "denominator"),
    "another map": (at(4, "map", 1, to="1 1 1"), "not that of the code"),
    "another weight": (
        at(0, "network", "steps", 0, "operator", "rows", 0, to="2 0"),
        "not that of the graph in the file",
    ),
    "no such kind of step": (at(0, "network", "steps", 1, "does", to="minimum"), "neither a layer"),
    "a step that reads itself": (at(0, "network", "steps", 1, "inputs", to=[2]), "not there"),
    "padding as a candidate": (
        at(0, "network", "steps", 1, "windows", 0, to="-1 -1"),
        "a window reads nothing",
    ),
    "no such place": (at(0, "network", "steps", 1, "windows", 0, to="0 2"), "not there"),
    "no such operator": (at(0, "network", "steps", 0, "operator", "kind", to="fft"), "of no kind"),
    "an entry that nobody reads": (at(0, "network", "steps", 0, "skip", to=True), "no entry skip"),
    "a smooth activation": (
        at(0, "network", "steps", 0, "activation", to={"unit": "1", "bends": "0", "smooth": "G"}),
        "smooth",
    ),
    "a network of blocks": (gone(0, "network", "steps"), "steps is missing"),
    "another kind": (at(0, "kind", to="facets"), "no entry steps"),
    "no step": (at(0, "network", "steps", to=[]), "no step"),
    "an open domain": (at(*DOMAIN, "walls", to=lambda walls: walls[:3]), "not bounded"),
    "no wall": (at(*DOMAIN, "walls", to=[]), "not bounded"),
    "a larger domain": (at(*DOMAIN, "walls", 0, to="1 0 2"), "add up to"),
    "a domain without inside": (at(*DOMAIN, "walls", 0, to="1 0 -1"), "no inner point"),
    "a wall that keeps all out": (
        at(*DOMAIN, "walls", to=lambda walls: [*walls, "0 0 -1"]),
        "no point is strictly inside",
    ),
    "a cube": (at(*DOMAIN, "cube", to=True), "a cube"),
    "faces": (at(0, "faces", to=[1]), "faces"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_are_rejected(name: str) -> None:
    records = records_of(certificate.of(partition(SMALL, Box(-1, 1, dim=2))))
    assert verdict(records).status is Status.COMPLETE
    change, said = FORGERIES[name]
    change(records)
    told = verdict(records)
    assert told.status is Status.REJECTED
    assert any(part in told.reason for part in said.split("|")), told.reason


OPERATORS: dict[str, tuple[int, str, Any, str]] = {
    "a stride of 0": (0, "stride", [0, 1], "sizes that are none"),
    "another image": (0, "image", [3, 4], "integers where"),
    "more channels": (0, "channels", 3, "does not fit"),
    "a huge image": (0, "image", [1 << 20, 1 << 20], "does not fit"),
    "a huge padding": (0, "padding", [[1 << 20, 0], [1 << 20, 0]], "too large"),
    "no groups": (0, "groups", 0, "does not fit"),
    "no denominator": (0, "denominator", "0", "denominator"),
    "a factor too few": (2, "factors", "1", "integers where"),
    "a place that is not there": (3, "places", "7f", "a place that is not there"),
    "one place twice": (6, "places", "0 0 1", "a place of its own"),
    "a vector without end": (6, "outputs", 1 << 40, "too many outputs"),
    "a vector too long": (6, "outputs", 1 << 20, "integers where"),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_forged_operators_are_rejected(name: str) -> None:
    step, key, value, said = OPERATORS[name]
    records = ALL[0]
    forged = copy.deepcopy(records)
    assert key in forged[0]["network"]["steps"][step]["operator"]
    forged[0]["network"]["steps"][step]["operator"][key] = value
    told = verdict(forged)
    assert told.status is Status.REJECTED
    assert any(part in told.reason for part in said.split("|")), told.reason


ALL = [records_of(certificate.of(some(1), maps=False))]


@pytest.mark.parametrize("most", ["MOST_NUMBERS", "MOST_TERMS"])
def test_graphs_too_large_are_rejected(most: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"exact.check.functions.graphs.graph.{most}", 60)
    assert "numbers than this check takes" in verdict(ALL[0]).reason or "too large" in (
        verdict(ALL[0]).reason
    )


def test_no_bit_of_a_code_can_be_another() -> None:
    """Settled ones, second bends and symbols too: whatever flips, the region is rejected."""
    records = ALL[0]
    hinges = some(1).network.hinge_count
    for number in (1, len(records) - 1):
        size = 4 * len(records[number]["code"])
        for place in range(hinges):
            forged = copy.deepcopy(records[: number + 1])
            forged[0] |= {"complete": False, "regions": number}
            at(number, "code", to=flipped(1 << (size - 1 - place)))(forged)
            assert verdict(forged).status is Status.REJECTED, place


def test_bits_of_two_bends_in_the_wrong_order_are_rejected() -> None:
    """01 has as many bits as 10, and names the same piece."""
    graph = Graph([(Layer.of([[1, 0]], activation=HardTanh()), [0])], 2)
    records = records_of(certificate.of(partition(graph, Box(-1, 1, dim=2))))
    assert [record["code"] for record in records[1:]] == ["80"]
    records[1]["code"] = "40"
    assert "another sign" in verdict(records).reason


def test_the_sha256_of_a_graph_is_found_by_the_checker() -> None:
    for seed in range(3):
        graph = everything(seed)
        assert Read.read(certificate.network_record(graph)).sha256 == graph.sha256
    assert check.KINDS["polygons"] == set()


def test_cells_along_a_line_have_none(tmp_path: Path) -> None:
    found = partition(everything(1), Segment([0] * 24, [1] * 24))
    with pytest.raises(Unsupported, match="along a curve have no certificate"):
        found.certificate(tmp_path / "line.jsonl")
    assert not list(tmp_path.iterdir())
