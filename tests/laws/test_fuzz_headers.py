"""Some of the changed certificates that `make fuzz` tries by the thousand; and a checker that
forgets a premise is noticed.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from unittest import mock

import pytest

from exact.check.functions import flat_domains
from exact.check.kinds import curves
from exact.check.network import Activation
from tests.laws import fuzz_headers

FIRST, COUNT = 1_000_000, 24


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, 8))
def test_what_is_accepted_is_true(first: int) -> None:
    assert [found for found in map(fuzz_headers.verdict, range(first, first + 8)) if found[1]] == []


def test_every_kind_is_tried_and_seeds_stay() -> None:
    jobs = [fuzz_headers.job(seed) for seed in range(FIRST, FIRST + COUNT)]
    assert Counter(job.kind for job in jobs).keys() == fuzz_headers.MADE.keys()
    assert list(map(str, jobs)) == [
        str(fuzz_headers.job(seed)) for seed in range(FIRST, FIRST + COUNT)
    ]


@pytest.mark.parametrize(
    ("owner", "name", "forgotten", "seed", "said"),
    [
        (flat_domains.Domain, "require_room", lambda self: None, 15, "1 regions, there are 0"),
        (
            curves,
            "are_independent",
            lambda columns: True,
            48,
            "the header means nothing: a line of one point",
        ),
        (Activation, "is_identity", property(lambda self: not self.bends), 39, "the map of"),
    ],
)
def test_a_checker_that_forgets_a_premise_is_noticed(
    owner: Any, name: str, forgotten: Any, seed: int, said: str
) -> None:
    assert fuzz_headers.verdict(seed) == (seed, [])
    with mock.patch.object(owner, name, forgotten):
        assert any(fault.startswith(said) for fault in fuzz_headers.verdict(seed)[1])
