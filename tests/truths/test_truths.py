"""Every engine reproduces every truth, and no truth rests on one source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from exact import Outcome, partition
from exact.regions.arcs.engines import isolation
from tests.truths import engines, generate, reading

CASES = list(reading.cases())
COUNTED = [case for case in CASES if reading.has_second_opinion(case)]
SAMPLED = [case for case in CASES if not reading.has_second_opinion(case)]
LARGEST_SECOND_OPINION = (
    30_000  # regions; beyond it deletion-restriction takes more than ten seconds
)


def jobs() -> Iterator[tuple[reading.Json, str]]:
    for case in CASES:
        network, domain = reading.network(case["network"]), reading.domain(case["domain"])
        yield from (
            (case, engine) for engine in engines.ALL if engines.runs(engine, case, network, domain)
        )


def is_slow(case: reading.Json, limit: int) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] * (case["counts"]["cell_count"] > limit)


def name_of(value: Any) -> str:
    return value["name"] if isinstance(value, dict) else str(value)


JOBS = list(jobs())
RUNS = [
    pytest.param(case, engine, marks=is_slow(case, engines.reach(engine).regions))
    for case, engine in JOBS
]


@pytest.mark.parametrize(("case", "engine"), RUNS, ids=name_of)
def test_engine_reproduces_the_counts(case: reading.Json, engine: str) -> None:
    found = partition(
        reading.network(case["network"]), reading.domain(case["domain"]), engine=engine, limit=None
    )
    expected = dict(case["counts"])
    if len(found) > engines.reach(engine).edges:
        expected.pop("edge_count", None)
    assert {name: count_of(found, name) for name in expected} == expected
    assert (found.outcome, found.engine) == (Outcome.COMPLETE, engine)
    assert len(found.regions) == expected["cell_count"]


def test_every_truth_is_tried_on_an_engine() -> None:
    tried = {case["name"] for case, _ in JOBS}
    assert [case["name"] for case in CASES if case["name"] not in tried] == []


@pytest.mark.parametrize("engine", [*engines.ONE_LAYER, *engines.ON_CURVES])
def test_every_engine_is_tried(engine: str) -> None:
    """An engine that refused more and more would be tried on less and less."""
    # 99: no spheres of two points
    least = {"vertices": 100, "circle": 100, "nested_roots": 99}.get(engine, 150)
    assert sum(name == engine for _, name in JOBS) >= least


@pytest.mark.parametrize("case", [case for case, engine in JOBS if engine == "circle"], ids=name_of)
def test_circle_reproduces_the_counts_through_its_filter(case: reading.Json) -> None:
    """The float filter, which the engine leaves out for a few neurons, changes nothing."""
    with mock.patch.object(isolation, "SMALL", 0):
        found = partition(
            reading.network(case["network"]), reading.domain(case["domain"]), engine="circle"
        )
        assert {name: count_of(found, name) for name in case["counts"]} == case["counts"]


def count_of(found: Any, name: str) -> int:
    count = number_of_edges(found) if name == "edge_count" else getattr(found, name)
    assert type(count) is int
    return count


def number_of_edges(found: Any) -> int:
    """As the graph has them, where a graph of Python objects is no burden."""
    return int(found.graph().number_of_edges()) if len(found) <= 1000 else len(found.neighbours())


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=is_slow(case, LARGEST_SECOND_OPINION)) for case in COUNTED],
    ids=name_of,
)
def test_oracle_agrees(case: reading.Json) -> None:
    opinion = reading.second_opinion(case)
    both = case["counts"].keys() & opinion.keys()
    assert "code_count" in both
    assert {name: opinion[name] for name in both} == {name: case["counts"][name] for name in both}


@pytest.mark.parametrize("case", SAMPLED, ids=name_of)
def test_sampling_finds_every_code(case: reading.Json) -> None:
    codes = case["counts"]["code_count"]
    assert reading.sampled_codes(case, count=min(600 + 40 * codes, 1500), seed=0) == codes


def test_files_are_what_the_script_writes() -> None:
    assert {path.name: path.read_text() for path in generate.FOLDER.iterdir()} == generate.files()


def test_names_are_unique() -> None:
    names = [case["name"] for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["braid-4", "tent-3", "diamond", "layer-norm-braid", "boolean-3"])
def test_oracle_notices_a_missing_neuron(name: str) -> None:
    case = next(case for case in CASES if case["name"] == name)
    layers = [dict(layer) for layer in case["network"]["blocks"][0]["layers"]]
    layers[0] |= {"weight": layers[0]["weight"][:-1], "bias": layers[0]["bias"][:-1]}
    layers[1] |= {"weight": [row[:-1] for row in layers[1]["weight"]]}
    smaller = case | {"network": {"blocks": [case["network"]["blocks"][0] | {"layers": layers}]}}
    opinion = reading.second_opinion(smaller)
    assert opinion["code_count"] < case["counts"]["code_count"]
