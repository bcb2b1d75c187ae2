"""A few dozen of the networks under scaling that the fuzzer tries by the thousand; and a wrong
float is noticed.
"""

from __future__ import annotations

import math
import warnings
from unittest import mock

import pytest

from exact.arithmetic import surds
from exact.arithmetic.nearest import nearest_of
from exact.regions.arcs import partition as arcs
from tests.laws import fuzz_scaling

FIRST, COUNT = 1_000_000, 48


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_floats_are_the_nearest_and_scaling_changes_none(seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert fuzz_scaling.verdict(seed) == (seed, [])


def test_every_kind_of_job_is_tried() -> None:
    jobs = [fuzz_scaling.job(seed) for seed in range(FIRST, FIRST + COUNT)]
    assert {job.kind for job in jobs} == set(fuzz_scaling.KINDS)
    assert {job.deep for job in jobs} == {False, True}
    assert max(len(job.rows) for job in jobs) > 48  # the filter of wide layers
    assert min(job.size for job in jobs) < fuzz_scaling.Fraction(1, 10**300)


@pytest.mark.parametrize(
    ("module", "kinds"), [(arcs, ("segment", "circle")), (surds, ("box", "ball", "sphere"))]
)
def test_a_float_beside_the_nearest_is_noticed(module: object, kinds: tuple[str, ...]) -> None:
    seeds = {fuzz_scaling.job(seed).kind: seed for seed in range(FIRST, FIRST + COUNT)}
    with mock.patch.object(
        module, "nearest_of", lambda enclose: math.nextafter(nearest_of(enclose), math.inf)
    ):
        assert any(fuzz_scaling.verdict(seeds[kind])[1] for kind in kinds)


def test_the_same_seed_is_the_same_job() -> None:
    assert [fuzz_scaling.job(seed) for seed in range(20)] == [
        fuzz_scaling.job(seed) for seed in range(20)
    ]
