"""The engine that `partition` chooses takes no more than twice as long as the best, on a grid of
jobs.
"""

from __future__ import annotations

import itertools
import time
from statistics import median

import numpy as np
import pytest

from exact import (
    Box,
    Budget,
    GreatCircle,
    Line,
    Network,
    Outcome,
    RealSpace,
    Segment,
    Sphere,
    partition,
)
from exact.geometry.domains.base import CurveDomain, Domain
from exact.partition import ENGINES
from exact.regions.engine import Problem
from exact.regions.partition import Partition
from exact.sources import tensors

NOISE = 0.02  # seconds, below which no choice is wrong


def network(*widths: int, norm: bool = False) -> Network:
    generator, layers = np.random.default_rng(3), []
    for n, m in itertools.pairwise(widths):
        layers.append(
            (generator.normal(size=(m, n)) * (2 / n) ** 0.5, 0.3 * generator.normal(size=m))
        )
    if not norm:
        return tensors.mlp([*layers, (np.ones((1, widths[-1])), [0.0])])
    return tensors.block(*layers[0], np.ones((1, widths[1])), [0.0], norm="layernorm", eps=1e-5)


CIRCLE = GreatCircle(np.eye(8)[0], np.eye(8)[1])
SHORT: dict[str, tuple[Network, Domain]] = {
    "circle, one layer": (network(2, 1000), Sphere(1)),
    "circle, two layers": (network(2, 60, 60), Sphere(1)),
    "circle, narrow layers": (network(2, 20, 20, 20), Sphere(1)),
    "segment, two layers": (network(5, 50, 50), Segment([-1] * 5, [1] * 5)),
    "behind a norm": (network(8, 400, norm=True), CIRCLE),
    "plane": (network(2, 60), RealSpace(2)),
    "box, two layers": (network(3, 20, 20), Box(-1, 1, dim=3)),
    "space": (network(5, 16), RealSpace(5)),
    "sphere": (network(3, 40), Sphere(1)),
}
LONG: dict[str, tuple[Network, Domain]] = {
    **{
        f"circle {w}": (network(2, *w), Sphere(1))
        for w in ((100,), (10_000,), (200, 200), (30, 30, 30, 30), (100, 100, 100))
    },
    **{
        f"segment {w}": (network(5, *w), Segment([-1] * 5, [1] * 5))
        for w in ((2000,), (50,) * 6, (200, 200))
    },
    **{f"line {w}": (network(16, *w), Line([0] * 16, [1] * 16)) for w in ((64, 64), (500,))},
    **{
        f"box {w}": (network(*w), Box(-1, 1, dim=w[0]))
        for w in ((2, 300), (3, 60), (4, 32), (6, 24), (2, 40, 40, 40))
    },
    **{
        f"space {w}": (network(*w), RealSpace(w[0]))
        for w in ((2, 300), (3, 60), (4, 40), (6, 24), (8, 16), (3, 20, 20))
    },
    **{
        f"sphere {w}": (network(*w), Sphere(1))
        for w in ((3, 300), (3, 20, 20), (4, 30), (5, 16), (4, 10, 10))
    },
}


def seconds(net: Network, domain: Domain, engine: str, bound: float) -> tuple[float, Partition]:
    """The processor time of a job, the median of three once it is warm; infinite where it does not
    end within the bound.
    """
    budget, times = Budget(seconds=bound), list[float]()
    for _ in range(4):
        started = time.process_time()
        found = partition(net, domain, engine=engine, budget=budget)
        times.append(time.process_time() - started if found.outcome is Outcome.COMPLETE else np.inf)
        if times[-1] == np.inf:
            break
    return median(times[1:] or times), found


def slowdown(net: Network, domain: Domain) -> str:
    """What is wrong with the choice; nothing where it is good. Rivals give the same kind of
    answer.
    """
    chosen = partition(net, domain).engine
    own, whole = seconds(net, domain, chosen, 600.0)
    for engine in ENGINES:
        if (
            engine.name in (chosen, "brute_force")
            or engine.refusal(Problem(net, domain)) is not None
        ):
            continue
        other, found = seconds(net, domain, engine.name, max(1.0, 4 * own))
        if type(found) is type(whole) and isinstance(domain, CurveDomain) <= (
            engine.name in ("circle", "nested_roots")
        ):
            assert found.outcome is not Outcome.COMPLETE or found.digest == whole.digest
            if own > 2 * other + NOISE:
                return f"{chosen} took {own:.3f} s, {engine.name} {other:.3f} s"
    return ""


@pytest.mark.parametrize("name", SHORT)
def test_the_choice_is_within_twice_the_best(name: str) -> None:
    assert slowdown(*SHORT[name]) == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_the_choice_is_within_twice_the_best_on_long_jobs(name: str) -> None:
    assert slowdown(*LONG[name]) == ""
