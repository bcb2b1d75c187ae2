"""Some of the networks of every kind that `make fuzz` tries; and whatever of a partition's claims
is wrong is noticed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any
from unittest import mock

import pytest

from exact import partition
from exact.regions.arcs.engines.circle import Circle
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job
from exact.regions.polytopes.engines.lp_tree import LPTree
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.codes import CodePartition
from exact.regions.spheres.engines.sphere_polytopes import SpherePolytopes
from exact.regions.spheres.engines.strata import SphereFlats
from tests.laws import claims, fuzz, fuzz_certificates, fuzz_tangent, fuzz_ulp
from tests.laws.claims import Claim
from tests.truths import engines

# what needs a ball or fewer rows than dimensions, and what cuts graphs alone (test_slices)
WITHOUT_CLAIMS = {"round_layers", "slice", "slice_graph", "slice_line"}

FIRST, TRIED = 1_000_000, 500
"""Seeds that `make fuzz` does not try, and how many of all kinds."""
BLOCK = 25
ELSEWHERE = ("flat", "spheres")  # see test_fuzz and test_fuzz_spheres
BLOCKS = [
    (name, at)
    for name, count in fuzz.counts(TRIED).items()
    if name not in ELSEWHERE
    for at in range(0, count, BLOCK)
]


@pytest.mark.parametrize(("name", "at"), BLOCKS)
def test_nothing_is_wrong(name: str, at: int) -> None:
    count = fuzz.counts(TRIED)[name]
    seeds = range(FIRST + at, FIRST + min(at + BLOCK, count))
    assert [found for found in map(fuzz.kind(name).verdict, seeds) if found[1]] == []


def test_shares_are_percents() -> None:
    assert sum(fuzz.SHARES.values()) == 100
    assert sum(fuzz.counts(20_000).values()) == 20_000
    assert min(fuzz.counts(1).values()) == 1


@pytest.mark.parametrize("name", fuzz.SHARES)
def test_a_kind_is_a_module_with_a_job_and_a_verdict(name: str) -> None:
    module = fuzz.kind(name)
    assert repr(module.job(FIRST)) == repr(module.job(FIRST))
    seed, faults = module.verdict(FIRST)
    assert (seed, faults) == (FIRST, [])


@cache
def jobs() -> list[Claim]:
    return [fuzz_certificates.job(seed) for seed in range(FIRST, FIRST + 125)]


def test_every_kind_of_domain_has_its_claims_verified() -> None:
    kinds = Counter(type(job.domain).__name__ for job in jobs())
    assert set(kinds) == {
        "Box",
        "HPolytope",
        "RealSpace",
        "Plane",
        "Segment",
        "Ray",
        "Line",
        "Ball",
        "NormBall",
        "Sphere",
        "GreatCircle",
        "GreatSphere",
    }
    assert Counter(len(job.norms) for job in jobs()).keys() == {0, 1, 2}
    assert sum(job.has_certificate for job in jobs()) > 80


@pytest.mark.parametrize("engine", sorted(set(engines.ALL) - WITHOUT_CLAIMS))
def test_every_engine_has_its_claims_verified(engine: str) -> None:
    assert sum(engines.takes(engine, job.network, job.domain) for job in jobs()) >= 5


def test_planes_touch_nearly_touch_and_miss() -> None:
    found = Counter[int]()
    for seed in range(FIRST, FIRST + 150):
        claim = fuzz_tangent.job(seed)
        if claim.is_round and not claim.norms:
            layer = claim.data["blocks"][0]["layers"][0]
            for weights, bias in zip(layer["weight"], layer["bias"], strict=True):
                row = [fuzz.Fraction(x) for x in weights]
                excess = fuzz.Fraction(bias) ** 2 - (claim.square or 0) * sum(x * x for x in row)
                found[
                    0 if excess == 0 else (1 if excess > 0 else -1) if abs(excess) < 1e-12 else 2
                ] += 1
    assert min(found[place] for place in (-1, 0, 1, 2)) >= 3


def test_floats_move_by_an_ulp() -> None:
    texts = [
        text
        for seed in range(FIRST, FIRST + 40)
        for block in fuzz_ulp.job(seed).data["blocks"]
        for layer in block["layers"]
        for text in layer["bias"]
    ]
    assert 5 < sum(fuzz.Fraction(text).denominator > 2**50 for text in texts) < len(texts) / 2


# --- a wrong claim is noticed
# -----------------------------------------------------------------------------------------


def other_witness(cells: Any) -> Any:
    """The witness of another region for the first one."""
    return replace(cells, witness=lambda i: cells.witness(1 if i == 0 else i))


def swapped_pair(cells: Any) -> Any:
    return replace(cells, witness=lambda i: cells.witness(i)[::-1])


def other_pair(cells: Any) -> Any:
    return replace(cells, witness=lambda i: cells.witness(1 if i == 0 else i))


def one_less(cells: Any) -> Any:
    return replace(cells, codes=cells.codes[:-1])


def unfinished(cells: Any) -> Any:
    return replace(cells, outcome=Outcome.BUDGET_REACHED)


WRONG: list[tuple[Engine, Callable[[Any], Any]]] = [
    (LPTree(), other_witness),
    (LPTree(), one_less),
    (LPTree(), unfinished),
    (SphereFlats(), swapped_pair),
    (SphereFlats(), other_pair),
    (SphereFlats(), one_less),
    (SpherePolytopes(), swapped_pair),
    (SpherePolytopes(), other_pair),
    (SpherePolytopes(), one_less),
    (Circle(), unfinished),
]


@cache
def job_for(engine: str) -> Claim:
    """A job of several regions with a certificate."""
    return next(
        job
        for job in jobs()
        if job.has_certificate
        and engines.takes(engine, job.network, job.domain)
        and len(partition(job.network, job.domain, engine=engine)) > 4
    )


@pytest.mark.parametrize(
    ("engine", "wrong"),
    WRONG,
    ids=lambda value: getattr(value, "__name__", getattr(value, "name", None)),
)
def test_a_wrong_claim_is_noticed(engine: Engine, wrong: Callable[[Any], Any]) -> None:
    true, job = type(engine).run, job_for(engine.name)

    def run(self: Engine, work: Job) -> Any:
        return wrong(true(self, work)) if work.budget.is_endless else true(self, work)

    assert list(claims.verdict(job, [engine.name])) == []
    with mock.patch.object(type(engine), "run", run):
        assert list(claims.verdict(job, [engine.name])) != []


@pytest.mark.parametrize(
    ("engine", "kind"), [("lp_tree", FlatPartition), ("sphere_flats", CodePartition)]
)
def test_a_rejected_certificate_and_a_missing_one_are_noticed(engine: str, kind: Any) -> None:
    job = job_for(engine)
    for answer in (
        claims.Unsupported("none", value=0, remedy="none"),
        AssertionError("no certificate"),
    ):
        with mock.patch.object(kind, "check", side_effect=answer):
            assert list(claims.verdict(job, [engine])) != []
    found = partition(job.network, job.domain, engine=engine)
    rejected = replace(found.check(), status=claims.Status.REJECTED)
    with mock.patch.object(kind, "check", return_value=rejected):
        assert any("rejected" in fault for fault in claims.faults(job, found))
