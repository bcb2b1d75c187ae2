"""Every batched instrument agrees with full enumeration on every toy."""

from __future__ import annotations

from functools import cache

import pytest

from exact import pair_logic
from studies.enumerated_toys import Toy, toys
from studies.instruments_on_toys import INSTRUMENTS, ON_DEVICES

all_toys = cache(toys)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_on_every_toy_to_the_last_answer(name: str) -> None:
    verdicts = {toy.name: list(INSTRUMENTS[name](toy)) for toy in all_toys()}
    assert {toy: found.count(False) for toy, found in verdicts.items() if not all(found)} == {}
    assert sum(map(len, verdicts.values())) >= 8


def test_norms_have_eps_gain_bias_and_toys_are_trained_too() -> None:
    norms = [toy.norm for toy in all_toys() if toy.norm is not None]
    assert {norm.eps == 0 for norm in norms} == {True, False}
    assert {type(norm).__name__ for norm in norms} == {"LayerNorm", "RMSNorm"}
    assert sum("trained" in toy.name for toy in all_toys()) == 3
    related = [pair_logic(toy.network) for toy in all_toys()[3:6]]
    assert any(len(x.implies) and len(x.exclusive) and len(x.covering) for x in related)
    assert {len(toy.network.hidden_layers) for toy in all_toys()} == {1, 2, 3}


@pytest.mark.gpu
@pytest.mark.parametrize("name", ON_DEVICES)
def test_the_same_call_on_a_gpu(name: str) -> None:
    def verdicts(toy: Toy) -> list[bool]:
        return list(INSTRUMENTS[name](toy, device="cuda"))

    assert all(all(verdicts(toy)) for toy in all_toys())
