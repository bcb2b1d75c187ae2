"""Multiples among the functions of a layer: found exactly, and the circle comes out as without
looking for them.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
import pytest

from exact import HardTanh, Layer, ReLU, Sphere, partition
from exact.regions.arcs.engines import proportional
from exact.regions.arcs.engines.proportional import Copies
from exact.regions.arcs.partition import CurvePartition
from exact.sources import tensors

TINY = 2.0**-1070


def groups(layer: Layer) -> list[list[int]]:
    copies = Copies.among(layer, np.arange(layer.bits))
    return sorted(list(copies.with_all([k])) for k in np.flatnonzero(copies.leads).tolist())


@pytest.fixture(autouse=True)
def _always_look() -> Any:
    with mock.patch.object(proportional, "_ENOUGH", 1):
        yield


def test_copies_opposites_and_powers_of_two_are_one_group() -> None:
    weight = [
        [1.5, -2.0],
        [-1.5, 2.0],
        [6.0, -8.0],
        [1.5, -2.0],
        [1.5, 2.0],
        [0.0, -3.0],
        [-0.0, 6.0],
        [4.5, -6.0],
        [0, 0],
    ]
    bias = [1.0, -1.0, 4.0, 1.0 + 2.0**-52, 1.0, 0.0, -0.0, 3.0, 5.0]
    assert groups(Layer.of(weight, bias, ReLU())) == [[0, 1, 2], [3], [4], [5, 6], [7], [8]]


def test_scaling_that_would_round_groups_nothing_wrong() -> None:
    """2^-1070 (1, 1 + 2^-4): divided by a large power the last bits would vanish, or come out of
    nothing.
    """
    weight = [
        [2.0**900, TINY],
        [2.0**901, 2 * TINY],
        [2.0**1000, TINY],
        [-(2.0**900), -TINY],
        [2.0**900, 1.0625 * TINY],
    ]
    assert groups(Layer.of(weight, np.zeros(5), ReLU())) == [[0, 3], [1], [2], [4]]


def test_rational_rows_by_any_factor() -> None:
    weight = [[Fraction(1, 3), 1], [Fraction(-2, 3), -2], [1, 3], [1, Fraction(3, 2)]]
    assert groups(
        Layer.of(weight, [Fraction(1, 7), Fraction(-2, 7), Fraction(3, 7), 0], ReLU())
    ) == [[0, 1, 2], [3]]


@pytest.mark.parametrize("bends", [(-1.0, 1.0), (0.0, 1.0), (Fraction(-1, 3), 1)])
def test_bends_away_from_zero_do_not_scale(bends: tuple[Any, Any]) -> None:
    """w x + b - t is a multiple of another one only with its threshold; at t = 0 the row may be
    scaled, and negated.
    """
    layer = Layer.of([[1.0, 2.0], [2.0, 4.0], [1.0, 2.0]], [0.5, 1.0, 0.5], HardTanh(*bends))
    expected = [[0, 2, 4], [1, 5], [3]] if bends[0] == 0 else [[0, 4], [1, 5], [2], [3]]
    assert groups(layer) == expected


def test_steps_expand_groups_in_order() -> None:
    copies = Copies.of(np.array([0, 1, 0, 3, 1, 0]))
    starts, rows = copies.steps(np.array([0, 2, 2]), np.array([1, 3, 0]), 4)
    assert [rows[a:b].tolist() for a, b in pairwise(starts.tolist())] == [
        [1, 4],
        [],
        [0, 2, 3, 5],
        [],
    ]
    alone = Copies.of(np.arange(6))
    starts, rows = alone.steps(np.array([0, 1, 2]), np.array([5, 3, 4]), 3)
    assert (starts.tolist(), rows.tolist()) == ([0, 1, 2, 3], [5, 3, 4])


def test_a_layer_of_copies_is_cut_as_without_looking() -> None:
    """Sixty lines, each several times over, scaled and negated, some touching the circle, some
    missing it.
    """
    generator = np.random.default_rng(4)
    rows = np.concatenate([generator.integers(-3, 4, (30, 3)), generator.normal(size=(30, 3))])
    rows[:3] = [[3, 4, 5], [3, 4, -5], [3, 4, 6]]
    many = np.concatenate([rows, -rows, 4.0 * rows[::2], rows[5:50]])[generator.permutation(195)]
    network = tensors.mlp([(many[:, :2], many[:, 2]), (np.ones((1, len(many))), [0])])
    found = partition(network, Sphere(radius_squared=1))
    with mock.patch.object(proportional, "_ENOUGH", 10**9):
        slow = partition(network, Sphere(radius_squared=1))
    assert isinstance(found, CurvePartition)
    assert found.digest == slow.digest
    assert [c.hinges for c in found.crossings[: len(found)]] == [
        c.hinges for c in slow.crossings[: len(slow)]
    ]
    tangents = [
        sorted(h for c in p.crossings if c.tangent for h in c.hinges) for p in (found, slow)
    ]
    assert tangents[0] == tangents[1] != []
    assert 4 * found.decisions["exact"] < slow.decisions["exact"]
