"""What else a process has set changes nothing that is said, and nothing global is changed: every
engine and public function.

The states are those of `ambient.STATES`: flushed subnormals, default devices and dtypes, raising
NumPy, warnings as errors, precision of FLINT, seeds, short integers, low recursion limits and more,
one by one and all at once.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

from exact import Box, RationalMatrix, partition
from exact.arithmetic.enclosures.float_environment import (
    flushes_subnormals,
    ieee_floats,
    in_ieee_floats,
)
from exact.arithmetic.numbers import Ball, ball_precision
from exact.partition import ENGINES
from tests.laws import ambient, ambient_jobs, fuzz_ambient

FIRST, COUNT = 5_000, 36
"""Seeds of the fuzzer that are tried here."""
JOBS = ambient_jobs.jobs()
PARTITIONS = {
    name: next(job for job in JOBS if job.startswith(name) and job.endswith(end))
    for end in (" subnormal",)
    for name in (engine.name + " on" for engine in ENGINES)
}
OTHERS = tuple(ambient_jobs.others(ambient_jobs.TINY))
ROOT = Path(__file__).resolve().parents[2]


@cache
def plain(name: str) -> str:
    return told(JOBS[name])


def told(job: Callable[[], Any]) -> str:
    return ambient.told(job(), silent=frozenset(ambient.SYMBOLIC))


def in_state(name: str, *states: str) -> str:
    """What a job says in some states, which it leaves as they are."""
    with ambient.state(*states):
        before = ambient.everything_global()
        found = told(JOBS[name])
        after = ambient.everything_global()
    assert {key for key in before if before[key] != after[key]} == set()
    return found


@pytest.mark.parametrize("name", [*PARTITIONS.values(), *OTHERS])
def test_all_states_at_once_change_nothing(name: str) -> None:
    assert in_state(name, *ambient.STATES) == plain(name)


@pytest.mark.parametrize("state", ambient.STATES)
@pytest.mark.parametrize(
    "name", ["subdivision on Box 0 subnormal", "nested_roots on Sphere 10", "batch subnormal"]
)
def test_no_state_changes_anything(state: str, name: str) -> None:
    assert in_state(name, state) == plain(name)


@pytest.mark.parametrize("block", range(4))
def test_random_jobs_in_random_states(block: int) -> None:
    seeds = range(FIRST + block * COUNT // 4, FIRST + (block + 1) * COUNT // 4)
    assert [found for found in map(fuzz_ambient.verdict, seeds) if found[1]] == []


def test_every_state_and_kind_of_job_is_tried() -> None:
    jobs = [fuzz_ambient.job(seed) for seed in range(FIRST, FIRST + COUNT)]
    assert len({state for one in jobs for state in one.states}) >= len(ambient.STATES) - 2
    assert {"batch", "subdivision", "circle", "nested_roots"} <= {one.engine for one in jobs}
    assert any(
        ambient_jobs.TINY in one.scales and one.stored == kind
        for one in jobs
        for kind in ("float64", "tensor")
    )


@pytest.mark.parametrize("kind", ["float64", "tensor"])
def test_weights_are_read_by_their_bits(kind: str) -> None:
    """Also those of seeds of the fuzzer, which notices when they are not."""
    numbers = [ambient_jobs.Fraction(n, 2**1074) for n in (1, -3, 2**52 - 1, 2**52, -(2**1074))]
    seeds = [
        seed
        for seed in range(FIRST, FIRST + 400)
        if (one := fuzz_ambient.job(seed)).stored == kind
        and ambient_jobs.TINY in one.scales
        and "set_flush_denormal" in one.states
    ]
    with ambient.state("set_flush_denormal"):
        read = RationalMatrix.from_floats(ambient_jobs.float_array(numbers, kind))
        assert [read[i, 0] for i in range(len(numbers))] == numbers
    assert [found for found in map(fuzz_ambient.verdict, seeds) if found[1]] == []
    with mock.patch("exact.arithmetic.numbers.without_negative_zeros", lambda values: values + 0.0):
        assert any(
            "other weights were read" in line
            for seed in seeds
            for line in fuzz_ambient.verdict(seed)[1]
        )


def test_a_door_that_is_left_open_is_noticed() -> None:
    """With nothing done about flushed subnormals, four regions are two, or one."""

    @contextmanager
    def nothing() -> Iterator[None]:
        yield

    name = "subdivision on Box 0 subnormal"
    expected = plain(name)
    with mock.patch("exact.arithmetic.enclosures.float_environment.ieee_floats", nothing):
        assert in_state(name, "set_flush_denormal") != expected


def test_subnormal_weights_cut_as_many_regions_when_subnormals_are_flushed() -> None:
    usual = partition(ambient_jobs.one_layer(2, ambient_jobs.Fraction(1)), Box(-2, 2, dim=2))
    with ambient.state("set_flush_denormal"):
        found = partition(ambient_jobs.one_layer(2, ambient_jobs.TINY), Box(-2, 2, dim=2))
        assert len(found) == len(usual) > 4
        assert found.check().status.value == "verified, complete"


def test_the_environment_is_as_it_was_also_after_an_error() -> None:
    @in_ieee_floats
    def fails() -> None:
        assert not flushes_subnormals() and np.geterr()["over"] == "ignore"
        raise KeyError

    with ambient.state("set_flush_denormal", "numpy raises", "flint precision"):
        before = ambient.everything_global()
        for _ in range(2):
            with pytest.raises(KeyError):
                fails()
        assert ambient.everything_global() == before and flushes_subnormals()
        with ieee_floats(), ieee_floats():
            assert torch.tensor(2.0**-1030, dtype=torch.float64).mul(0.5).item() > 0
    assert not flushes_subnormals()


FEW = (
    "lp_tree on Box 0",
    "brute_force on Box 0",
    "facet_walk on Box 0",
    "vertices on RealSpace 4",
    "circle on Sphere 11",
    "small_circles on Sphere 13",
    "sphere_flats on Sphere 17",
    "sphere_polytopes on Sphere 17",
    "cell count",
    "round_layers on NormBall 18",
    "batch behind LayerNorm",
    "region count",
    "critical radii",
    "geometry of LayerNorm",
    "forward",
)
"""Jobs that are quick where kernels are not compiled."""
SCRIPT = """
import hashlib, sys
from exact.arithmetic.numbers import Rational
from exact.arithmetic.surds import Surd
from tests.laws import ambient, ambient_jobs
try:
    print(Surd(Rational(0), Rational(1), Rational(2)) + Surd(Rational(0), Rational(1), Rational(3)))
except Exception as error:
    print(type(error).__name__)
for name in sys.argv[1:]:
    answers = ambient.told(ambient_jobs.jobs()[name](), silent=frozenset(ambient.SYMBOLIC))
    print(hashlib.sha256(answers.encode()).hexdigest())
"""


def test_options_of_the_interpreter_change_nothing() -> None:
    """Without asserts, in ASCII, with another order of hashes; kernels are not compiled for these
    few jobs.
    """
    environment = os.environ | {"LC_ALL": "C", "PYTHONHASHSEED": "7", "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-O", "-X", "utf8=0", "-c", SCRIPT, *FEW],
        cwd=ROOT,
        env=environment,
        text=True,
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "InvalidInput",
        *(hashlib.sha256(plain(name).encode()).hexdigest() for name in FEW),
    ]


def test_a_raised_precision_is_kept_inside() -> None:
    with ieee_floats(), ball_precision(300), ieee_floats():
        assert Ball(2).sqrt().rel_accuracy_bits() > 250
    with ball_precision(300), ieee_floats():
        assert Ball(2).sqrt().rel_accuracy_bits() < 60
