"""A budget ends every engine in time, whatever it is doing, and what it leaves is right."""

from __future__ import annotations

import gc
import itertools
import time
from typing import Any

import numpy as np
import pytest

from exact import (
    Ball,
    Box,
    Budget,
    GreatCircle,
    Network,
    Outcome,
    Partition,
    RealSpace,
    Segment,
    Sphere,
    neighbourhood,
)
from exact import partition as enumerate_regions
from exact.check import Status
from exact.geometry import budgets
from exact.geometry.domains.base import Domain, FlatDomain
from exact.networks.graphs.graph import Graph
from exact.partition import ENGINES
from exact.sources import tensors

SECONDS, LATEST = 0.3, 1.0  # the rule is 10 per cent or half a second
Job = tuple[Network, Domain]


def network(*widths: int, spread: float = 1.0) -> Network:
    """Normal weights of variance 2 / n, widths from the input on."""
    generator, layers = np.random.default_rng(0), []
    for n, m in itertools.pairwise(widths):
        layers.append(
            (generator.normal(size=(m, n)) * (2 / n) ** 0.5, spread * generator.normal(size=m))
        )
    return tensors.mlp([*layers, (np.ones((1, widths[-1])), [0.0])])


def integral(*widths: int) -> Network:
    """One layer of small integers: degenerate."""
    generator = np.random.default_rng(0)
    weight, bias = (
        generator.integers(-3, 4, size=widths[::-1]),
        generator.integers(-2, 3, size=widths[1]),
    )
    return tensors.mlp([(weight.tolist(), bias.tolist()), (np.ones((1, widths[1])), [0.0])])


LONG: dict[str, dict[str, Job]] = {
    "subdivision": {
        "deep": (network(3, 100, 100, 100), Box(-1, 1, dim=3)),
        "whole space": (network(6, 60), RealSpace(6)),
        "degenerate": (integral(4, 60), RealSpace(4)),
        "dimension 8": (network(8, 60), Box(-1, 1, dim=8)),
    },
    "skeleton": {
        "deep": (network(4, 60, 60, 60), Box(-1, 1, dim=4)),
        "whole space": (network(6, 60), RealSpace(6)),
        "degenerate": (integral(4, 60), RealSpace(4)),
        "cones": (network(5, 60, 60, spread=0.0), RealSpace(5)),
    },
    "vertices": {
        "simple": (network(8, 60), RealSpace(8)),
        "box": (network(8, 60), Box(-1, 1, dim=8)),
        "degenerate": (integral(6, 60), RealSpace(6)),
        "nothing but pruning": (network(40, 64), Box(-0.01, 0.01, dim=40)),
        "ball": (network(5, 40), Ball([0] * 5, radius_squared=4)),
    },
    "live_tree": {"deep": (network(40, 60, 60), Box(-1, 1, dim=40))},
    "slice": {"deep": (network(12, 6, 60, 60), RealSpace(12))},
    "lp_tree": {
        "deep": (network(6, 60, 60), Box(-1, 1, dim=6)),
        "wide": (network(300, 40, 40), RealSpace(300)),
    },
    "facet_walk": {
        "deep": (network(6, 60, 60), Box(-1, 1, dim=6)),
        "wide": (network(150, 40, 40), Box(-1, 1, dim=150)),
    },
    "round_layers": {"deep": (network(4, 30, 30), Ball([0] * 4, radius_squared=4))},
    "brute_force": {
        "wide": (network(3, 14, 14), Box(-1, 1, dim=3)),
        "deep": (network(2, 12, 12, 12), RealSpace(2)),
    },
    "small_circles": {"wide": (network(3, 2000, spread=0.2), Sphere(1))},
    "sphere_subdivision": {
        "deep": (network(3, 60, 60, spread=0.2), Sphere(1)),
        "wide": (network(3, 800, 5, spread=0.2), Sphere(1)),
    },
    "sphere_flats": {
        "simple": (network(6, 80, spread=0.2), Sphere(1)),
        "exact flats": (network(9, 100), Sphere(1)),
    },
    "sphere_polytopes": {"deep": (network(4, 30, 30, spread=0.2), Sphere(1))},
    "circle": {
        "deep": (network(2, 100, 100, 100), Sphere(1)),
        "segment": (network(5, 200, 200, 200), Segment([-1] * 5, [1] * 5)),
    },
    "nested_roots": {
        "deep": (network(2, 200, 200, 200), Sphere(1)),
        "great circle": (
            network(4, 300, 300, 300, 300),
            GreatCircle([1, 0, 0, 0], [0, 1, 0, 0], radius_squared=1),
        ),
    },
    "slice_graph": {"deep": (Graph.of(network(2, *[140] * 4)), Box(-1, 1, dim=2))},
    "slice_line": {"deep": (Graph.of(network(5, *[700] * 8)), Segment([-1] * 5, [1] * 5))},
}
ALL_OR_NOTHING = ("small_circles", "sphere_subdivision")
CASES = [(engine, name) for engine, jobs in LONG.items() for name in jobs]


def in_time(run: Any, latest: float = LATEST) -> Any:
    """The result of a job that ends in time, once its kernels are compiled.

    By the processor's clock, which says nothing of what else the machine does: what overruns a
    budget is work.
    """
    for _ in range(6):
        started = time.process_time()
        found = run()
        if (took := time.process_time() - started) < latest:
            return found
    raise AssertionError(f"{took:.2f} seconds, where {latest} is the latest")


def test_every_engine_is_tried() -> None:
    assert set(LONG) == {engine.name for engine in ENGINES}


def is_right(found: Partition, net: Network) -> None:
    """Codes are different, and those of their witnesses; as far as a few show."""
    assert len({row.tobytes() for row in found.codes}) == len(found)
    for region in found.regions[:3]:
        assert region.code == net.code(region.witness)


@pytest.mark.parametrize(("engine", "name"), CASES)
def test_seconds_end_every_engine(engine: str, name: str) -> None:
    net, domain = LONG[engine][name]
    found = in_time(
        lambda: enumerate_regions(net, domain, engine=engine, budget=Budget(seconds=SECONDS))
    )
    assert found.outcome is Outcome.BUDGET_REACHED
    assert "seconds" in found.evidence
    if isinstance(domain, FlatDomain):
        is_right(found, net)
    assert len(found) == 0 or engine not in ALL_OR_NOTHING


def test_every_step_of_a_cut_sphere_looks_at_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of half a million cells at once, which an arrangement makes within tenths of a second and
    putting them together does not.

    Stopped after two seconds of work, which are the same steps on every machine.
    """
    net, domain = LONG["sphere_subdivision"]["wide"]
    looks = list[float]()

    def look(self: budgets.Watch, now: float) -> None:
        looks.append(time.process_time())
        if looks[-1] > looks[0] + 2.0:
            self._stop("the two seconds of work are done")

    def longest() -> float:
        looks.clear()
        found = enumerate_regions(
            net, domain, engine="sphere_subdivision", budget=Budget(seconds=1e6)
        )
        assert (len(found), found.outcome) == (0, Outcome.BUDGET_REACHED)
        return max(b - a for a, b in itertools.pairwise([*looks, time.process_time()]))

    monkeypatch.setattr(budgets.Watch, "_look", look)
    gc.collect()
    gc.freeze()  # what thousands of other tests hold is no part of a step
    try:
        assert any(longest() < LATEST - SECONDS for _ in range(4))
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    ("engine", "least"), [("subdivision", 200), ("vertices", 2_000), ("lp_tree", 100)]
)
def test_what_was_done_is_kept(engine: str, least: int) -> None:
    """Of a layer of 40 neurons in R^4 an engine has so many regions in the time, once its kernels
    are compiled.
    """
    net, domain = network(4, 40), RealSpace(4)
    enumerate_regions(net, domain, engine=engine, budget=Budget(regions=20))
    tries = (
        enumerate_regions(net, domain, engine=engine, budget=Budget(seconds=SECONDS))
        for _ in range(9)
    )
    assert any(len(found) > least for found in tries)


@pytest.mark.parametrize(
    ("engine", "job"),
    [
        *(
            (engine, (network(3, 12, 12), Box(-1, 1, dim=3)))
            for engine in ("subdivision", "skeleton", "lp_tree", "facet_walk")
        ),
        ("brute_force", (network(2, 5, 4), Box(-1, 1, dim=2))),
        *(
            (engine, (integral(3, 12), RealSpace(3)))
            for engine in ("subdivision", "skeleton", "vertices", "lp_tree")
        ),
        ("skeleton", (network(3, 12, 12, spread=0.0), Box(-1, 1, dim=3))),
        *(
            (engine, (network(3, 40, 40), Segment([-1] * 3, [1] * 3)))
            for engine in ("circle", "nested_roots")
        ),
    ],
)
def test_what_is_left_passes_its_own_check(
    engine: str, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at any of the first looks at the clock: the certificate of what is left is verified,
    and incomplete.
    """
    net, domain = job
    whole = enumerate_regions(net, domain, engine=engine)
    for looks in (1, 3, 8, 20, 50):
        left = iter(range(looks))
        monkeypatch.setattr(budgets.Watch, "_look", _stopping_after(left))
        part = enumerate_regions(net, domain, engine=engine, budget=Budget(seconds=1e6))
        monkeypatch.undo()
        assert {row.tobytes() for row in part.codes} <= {row.tobytes() for row in whole.codes}
        if part.outcome is Outcome.COMPLETE:
            assert part.digest == whole.digest
        # curves have certificates of the whole alone
        elif len(part) and engine not in ("circle", "nested_roots"):
            verdict = part.check()
            assert verdict.status is Status.INCOMPLETE, verdict.reason


def _stopping_after(left: Any) -> Any:
    def look(self: budgets.Watch, now: float) -> None:
        if next(left, None) is None:
            self._stop("the looks are used up")

    return look


@pytest.mark.parametrize(
    ("engine", "width"),
    [
        ("skeleton", 14),
        *((e, 40) for e in ("subdivision", "skeleton", "vertices", "lp_tree", "facet_walk")),
    ],
)
def test_regions_are_as_many_as_asked_for(engine: str, width: int) -> None:
    found = enumerate_regions(
        network(4, width), RealSpace(4), engine=engine, budget=Budget(regions=700)
    )
    assert (len(found), found.outcome) == (700, Outcome.BUDGET_REACHED)
    assert "the budget of 700 regions is reached" in found.evidence


def test_a_neighbourhood_ends_in_time() -> None:
    net = network(150, 40, 40)
    found = in_time(
        lambda: neighbourhood(net, [0.01] * 150, radius=9, budget=Budget(seconds=SECONDS))
    )
    assert found.outcome is Outcome.BUDGET_REACHED


def test_hundreds_of_dimensions_end_in_time() -> None:
    """One LP takes longer than the budget here; the chart of the box too."""
    net, domain = network(400, 30, 30), Box(-1, 1, dim=400)
    found = in_time(
        lambda: enumerate_regions(net, domain, engine="lp_tree", budget=Budget(seconds=1.0)),
        latest=2.5,
    )
    assert found.outcome is Outcome.BUDGET_REACHED


def test_a_budget_of_bytes_and_what_it_refuses() -> None:
    assert Budget(bytes=1).is_endless is False
    for wrong in (-1, "1", float("nan")):
        with pytest.raises(ValueError, match="a budget of bytes is not a number from 0"):
            Budget(bytes=wrong)
