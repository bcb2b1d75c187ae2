"""The sphere and the ball of one network side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from exact import EngineDefect, InvalidInput, NormBall, Outcome, Sphere, Undecided, partition
from exact.instruments.comparisons import eps_comparison
from exact.instruments.comparisons.eps_comparison import compare_eps
from exact.sources import tensors
from tests.exact.test_norm_balls import KINDS, block, deep


@pytest.mark.parametrize("make", [block, deep])
@pytest.mark.parametrize(("norm", "n", "rule"), KINDS)
def test_both_enumerations_agree(make: Any, norm: str, n: int, rule: str) -> None:
    network = make(12, norm, n, rule)
    found = compare_eps(network, samples=5)
    assert found.ball.digest == partition(network, NormBall()).digest
    assert found.sphere.digest == partition(network, Sphere()).digest
    assert found.sphere.code_count + len(found.vanishing) == len(found.ball)
    limits = {str(region.code) for region in found.sphere.regions}
    assert not limits & set(map(str, found.vanishing))
    assert len(found.sampled_radii) == 5


def test_table() -> None:
    """Two lines that cross inside the disc: four cells, and four arcs; a third one cuts nothing."""
    network = tensors.block(
        [[1, 0], [0, 1], [1, 1]], [0, "1/2", 3], [[1, 1, 1]], [0], norm="rms", eps=1
    )
    lines = compare_eps(network, samples=400, seed=1).table.splitlines()
    values = [line.split()[-1] for line in lines]
    assert values[:5] == ["4", "4", "4", "0", "400"]
    # the second neuron flips on directions below an angle of arccos(1 / sqrt(8))
    assert 0.5 < float(values[5]) < 0.75
    assert all(len(line) == 57 for line in lines)
    assert compare_eps(network, samples=0).table.splitlines() == [
        *lines[:4],
        lines[4].replace("400", "  0"),
    ]


def test_cells_that_vanish() -> None:
    """A triangle of lines inside the disc |y|^2 < 2: its own cell is never seen from afar."""
    network = tensors.block(
        [[0, 1], [3, -2], [-3, -2]], ["1/3", "2/3", "2/3"], [[1, 1, 1]], [0], norm="rms", eps=1
    )
    found = compare_eps(network, samples=50)
    assert [str(code) for code in found.vanishing] == ["111"]
    assert (found.sampled_radii > 0).all()
    np.testing.assert_array_equal(
        found.sampled_radii, compare_eps(network, samples=50).sampled_radii
    )


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    network = block(1, "layernorm", 3, "var")
    with pytest.raises(InvalidInput, match="samples"):
        compare_eps(network, samples=-1)
    with pytest.raises(InvalidInput, match="eps is 0"):
        compare_eps(block(1, "layernorm", 3, "var", eps=0))
    other = {
        "NormBall()": partition(network, NormBall()),
        "Sphere()": partition(block(2, "layernorm", 3, "var"), Sphere()),
    }
    monkeypatch.setattr(eps_comparison, "partition", lambda _, domain: other[repr(domain)])
    with pytest.raises(EngineDefect, match="different codes"):
        compare_eps(network)
    other["Sphere()"].outcome = Outcome.BUDGET_REACHED
    with pytest.raises(Undecided, match="not complete"):
        compare_eps(network)


@pytest.mark.parametrize(("sphere", "ball"), [(1, 9), (9, 1)])
def test_a_code_too_many_on_either_side_is_told(
    monkeypatch: pytest.MonkeyPatch, sphere: int, ball: int
) -> None:
    """y_1 = 1 cuts |y|^2 = 2, y_1 = 9 does not."""
    made = {c: tensors.block([[1, 0]], [-c], [[1]], [0], norm="rms", eps=1) for c in (1, 9)}
    other = {
        "NormBall()": partition(made[ball], NormBall()),
        "Sphere()": partition(made[sphere], Sphere()),
    }
    monkeypatch.setattr(eps_comparison, "partition", lambda _, domain: other[repr(domain)])
    with pytest.raises(EngineDefect, match="different codes"):
        compare_eps(made[ball], samples=0)
