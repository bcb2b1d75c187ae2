"""Pairs are as many of every class and of every two classes, none comes twice, and their Hamming
distances are those of the exact codes.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exact import InvalidInput
from exact.sources import tensors
from studies.pairs import Pairs, balanced, strata
from studies.statistics import Degenerate


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def kinds(pairs: Pairs, labels: np.ndarray) -> Counter[tuple[int, int]]:
    """How many pairs there are of each two classes."""
    both = np.sort([labels[pairs.first], labels[pairs.second]], axis=0).T
    return Counter((int(a), int(b)) for a, b in both)


@given(
    st.lists(st.integers(2, 9), min_size=2, max_size=5), st.integers(1, 60), st.integers(0, 2**31)
)
def test_pairs_are_balanced_and_none_comes_twice(sizes: list[int], count: int, seed: int) -> None:
    labels = rng(seed).permutation(np.repeat(np.arange(len(sizes)) * 3 - 1, sizes))
    pairs = balanced(labels, count, rng(seed))
    unordered = [
        frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    ]
    assert len(set(unordered)) == len(pairs) and all(len(pair) == 2 for pair in unordered)
    assert np.array_equal(pairs.different, labels[pairs.first] != labels[pairs.second])
    found, names = kinds(pairs, labels), sorted(set(labels.tolist()))
    for group in ([(a, a) for a in names], list(combinations(names, 2))):
        numbers = [found[two] for two in group]
        assert max(numbers) - min(numbers) <= 1
        assert sum(numbers) <= count


def test_as_many_pairs_as_asked_for_where_there_are() -> None:
    labels = np.repeat(np.arange(4), 30)
    pairs = balanced(labels, 250, rng())
    assert (~pairs.different).sum() == pairs.different.sum() == 250
    assert set(kinds(pairs, labels).values()) == {62, 63, 41, 42}


@pytest.mark.parametrize("size", [2, 3, 7, 40])
def test_every_pair_can_be_drawn(size: int) -> None:
    labels = np.repeat([0, 1], size)
    pairs = balanced(labels, 10**6, rng())
    same = size * (size - 1) // 2
    assert Counter(pairs.different.tolist()) == {False: 2 * same, True: size * size}
    assert len(set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))) == len(pairs)


def test_the_smallest_class_sets_the_number() -> None:
    labels = np.array([0] * 50 + [1] * 2)
    assert kinds(balanced(labels, 20, rng()), labels) == {(0, 0): 1, (1, 1): 1, (0, 1): 20}


def test_few_pairs_of_many_classes_are_still_spread() -> None:
    labels = np.repeat(np.arange(40), 3)
    found = kinds(balanced(labels, 100, rng()), labels)
    assert max(found[a, b] for a, b in combinations(range(40), 2)) == 1
    assert sorted(found[a, a] for a in range(40)) == [2] * 20 + [3] * 20


@pytest.mark.parametrize(
    ("labels", "said"),
    [([0, 0, 1], r"classes \[1\] of one member"), ([0, 0, 0], "1 classes"), ([], "0 classes")],
)
def test_classes_without_pairs_are_degenerate(labels: list[int], said: str) -> None:
    with pytest.raises(Degenerate, match=said):
        balanced(np.array(labels, dtype=int), 4, rng())


def network() -> Any:
    weights = rng(5).standard_normal((11, 3))
    return tensors.mlp([(weights, rng(6).standard_normal(11)), (np.ones((1, 11)), [0])])


def test_distances_of_pairs_are_those_of_vectors_and_of_codes() -> None:
    points, labels = rng(7).standard_normal((12, 3)), np.repeat([0, 1, 2], 4)
    codes, pairs = network().codes(points), balanced(labels, 15, rng())
    bits = np.array([code.bits for code in codes])
    expected = (bits[pairs.first] != bits[pairs.second]).sum(axis=1)
    assert np.array_equal(pairs.hamming(codes), expected) and expected.any()
    gaps = [
        np.linalg.norm(points[a] - points[b])
        for a, b in zip(pairs.first, pairs.second, strict=True)
    ]
    assert pairs.lengths(points) == pytest.approx(gaps)


def test_an_item_without_a_code_is_refused_where_it_is_in_a_pair() -> None:
    block = tensors.block(np.eye(3), [0, 0, 1], np.eye(3), [0, 0, 0], norm="layernorm", eps=0)
    points = [[1, 2, 4], [1, 1, 1], [3, 1, 0], [0, 1, 0]]
    codes = block.codes(points, errors="keep")
    assert set(codes.failures) == {1}
    fine = Pairs(np.array([0, 2]), np.array([2, 3]), np.array([True, True]))
    assert len(fine.hamming(codes)) == 2
    with pytest.raises(InvalidInput, match="has no code; got row 1"):
        Pairs(np.array([0, 2]), np.array([2, 1]), np.array([True, True])).hamming(codes)


def test_strata_are_deciles_and_keep_equal_lengths_together() -> None:
    lengths = rng(8).permutation(np.arange(1000.0))
    found = strata(lengths)
    assert np.bincount(found).tolist() == [100] * 10
    assert all(found[lengths < x].max() <= found[lengths > x].min() for x in (250.5, 900.5))
    ties = strata(np.repeat([1.0, 2.0], [7, 3]))
    assert len(set(ties[:7])) == len(set(ties[7:])) == 1
    assert set(strata(np.ones(9))) == {0}
