"""Directions among activations: purity against a plain count, exact crossings along them, and
verdicts on families that were made for them.
"""

from __future__ import annotations

import json
import sys
from collections import Counter

import numpy as np
import pytest

from exact.arithmetic.numbers import FloatArray
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.features import nmf_directions
from studies.questions.shared.labelled_items import Labelled
from studies.questions.shared.nearest_items import (
    Nearest,
    drawn,
    how_many,
    nmf,
    on_one_neuron,
    principal,
)
from studies.statistics import Degenerate
from studies.subjects import Subjects
from tests.studies.questions.families import family

RNG = np.random.default_rng


def in_groups(groups: int = 3, each: int = 40, noise: float = 0.05) -> tuple[np.ndarray, ...]:
    """Activations of six neurons: group g fires neurons 2 g and 2 g + 1 alike, and little else."""
    labels = np.arange(groups * each) % groups
    found = noise * RNG(0).uniform(0, 1, (len(labels), 2 * groups))
    size = RNG(1).uniform(1, 3, len(labels))
    for k in (0, 1):
        found[np.arange(len(labels)), 2 * labels + k] += size
    return found, labels


def text(labels: np.ndarray) -> Labelled:
    network = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    count = len(labels)
    return Labelled(network, np.zeros((count, 2)), labels, np.arange(count) // 3, np.arange(count))


def test_nmf_finds_the_groups_and_random_directions_do_not() -> None:
    vectors, labels = in_groups()
    found = nmf(vectors, 3, 0)
    # a direction a group, half of it in each of the two neurons
    expected = np.kron(np.eye(3), [1, 1]) / np.sqrt(2)
    assert np.abs(found @ expected.T).max(axis=0) == pytest.approx(1, abs=0.01)
    assert on_one_neuron(found) == 0 and on_one_neuron(np.eye(4)) == 1
    assert Nearest.by_angle(vectors, found, 6).pure(labels) == 1
    mixed = Nearest.by_angle(vectors, np.ones((1, 6)), 6)
    assert Nearest.by_angle(vectors, drawn(6, 50, RNG(0)), 6).rows.shape == (50, 6)
    assert mixed.purity(RNG(5).permutation(labels))[0] < 0.9
    both = principal(vectors, 4)
    assert len(both) == 4 and (both[:2] == -both[2:]).all()


def test_purity_is_that_of_a_plain_count() -> None:
    rng = RNG(2)
    vectors, directions = rng.standard_normal((60, 4)), rng.standard_normal((9, 4))
    labels, weights = rng.integers(0, 3, 60), rng.integers(0, 3, 60)
    expected = []
    for way in directions.tolist():
        cosine = {
            i: sum(a * b for a, b in zip(row, way, strict=True)) / sum(a * a for a in row) ** 0.5
            for i, row in enumerate(vectors.tolist())
        }
        counts = Counter[int]()
        for i in sorted(cosine, key=cosine.__getitem__)[-8:]:
            counts[int(labels[i])] += int(weights[i])
        expected.append(max(counts.values()) / sum(counts.values()))
    near = Nearest.by_angle(vectors, directions, 8)
    purity = near.purity(labels, weights.astype(float))
    assert purity == pytest.approx(np.array(expected))
    assert near.mixed(labels, weights.astype(float)) == np.mean(np.array(expected) < 0.5)


def test_no_more_items_than_a_class_has_are_looked_at() -> None:
    assert how_many(text(np.arange(2000) % 4)) == 50
    assert how_many(text(np.arange(200) % 4)) == 10
    assert how_many(text(np.arange(2000) // 7)) == 7


def test_silent_neurons_have_no_directions() -> None:
    with pytest.raises(Degenerate, match="no neuron fires"):
        nmf(np.zeros((30, 4)), 2, 0)


def test_crossings_along_a_direction_are_exact() -> None:
    """Behind two neurons (u, v) further ones flip at v = 1, v = 2 and u = 1."""
    rest = tensors.mlp([([[0, 1], [0, 1], [1, 0]], [-1, -2, -1]), ([[1, 1, 1]], [0])])
    vectors = np.array([[0, 0.5], [0.0, 2.5], [0.25, 0.25], [0.75, 0.5], [5.0, 1.5]])
    directions = np.array([[0.0, 1.0], [1.0, 0.0]])
    near = Nearest(np.array([[0, 4], [2, 3]]))
    found = nmf_directions.crossings(rest, vectors, directions, near)
    assert found.tolist() == [1, 0]
    one_point = nmf_directions.crossings(rest, vectors, directions, Nearest(np.array([[1], [3]])))
    assert one_point.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("pure", "random", "verdict"),
    [
        (0.8, 0.3, Verdict.SUPPORTED),
        (0.3, 0.1, Verdict.REFUTED),
        (0.8, 0.85, Verdict.REFUTED),  # as random directions are
    ],
)
def test_verdicts_on_nets(pure: float, random: float, verdict: Verdict) -> None:
    for contrast, crossed in ((-0.5, Verdict.SUPPORTED), (0.5, Verdict.REFUTED)):
        means = {"NMF": pure, "random": random, "pure minus others": contrast}
        after = family(nmf_directions.NAMES, means)
        before = family(nmf_directions.NAMES, {"NMF": 0.2}, arm="untrained")
        found = nmf_directions.family_findings("blobs", after, before, 0)
        assert [one.verdict for one in found] == [verdict, crossed]


@pytest.mark.parametrize(("noise", "verdict"), [(3, Verdict.SUPPORTED), (35, Verdict.REFUTED)])
def test_verdicts_on_sequences(noise: int, verdict: Verdict) -> None:
    """24 groups with a direction each; some per cent of the tokens are of another kind."""
    vectors, labels = in_groups(24, 20)
    found: dict[str, FloatArray] = {
        "NMF": np.kron(np.eye(24), [1.0, 1.0]),
        "random": drawn(48, 24, RNG(2)),
    }
    found |= {"principal": principal(vectors, 24), "neurons": np.eye(48)}
    noisy = np.where(RNG(3).uniform(0, 100, 480) < noise, 24, labels)
    one = nmf_directions.layer_finding("a layer", text(noisy), vectors, found, 0)
    assert one.verdict is verdict, one.value
    as_random = {**found, "random": found["NMF"], "NMF": found["random"]}
    other = nmf_directions.layer_finding("a layer", text(noisy), vectors, as_random, 0)
    assert other.verdict is Verdict.REFUTED


def test_a_sort_without_directions_is_told_as_none() -> None:
    vectors, labels = in_groups()
    rng = RNG(0)
    directions = nmf_directions.sorts(vectors, 0, rng) | {
        name: np.zeros((0, vectors.shape[1])) for name in ("principal", "neurons")
    }
    one = nmf_directions.layer_finding("a layer", text(labels), vectors, directions, 0)
    assert "PCA none, neurons none;" in one.value and "nan" not in one.value
    assert one.data["principal_float"] is None
    json.dumps(one.values(), allow_nan=False)


def test_pure_directions_are_compared_with_the_others_of_the_net() -> None:
    counts, pure = np.array([1.0, 2.0, 5.0, 7.0]), np.array([True, True, False, False])
    assert nmf_directions._contrasts(counts, pure)["pure minus others"] == -4.5
    alone = nmf_directions._contrasts(counts, pure | True)["pure minus others"]
    assert alone == "4 of 4 directions are pure"


def test_an_item_counts_once_in_an_interval_over_sequences() -> None:
    """40 sequences of 3 items, a mean of theirs: the interval is that of the 20 pairs of
    sequences.
    """
    values = np.repeat(RNG(0).standard_normal(40), 3)
    items = text(np.arange(120) % 4)
    asked: list[np.ndarray] = []

    def mean(weights: np.ndarray) -> float:
        asked.append(weights)
        return float((weights * values).sum() / weights.sum())

    found = items.over_sequences(mean, RNG(1))
    assert found.interval is not None and found.clusters == 40
    assert len(asked) == 21 and all(set(one.tolist()) <= {0.0, 1.0} for one in asked)
    assert all((one.reshape(40, 3).std(axis=1) == 0).all() and one.sum() >= 114 for one in asked)
    half = (found.interval[1] - found.interval[0]) / 2
    assert half == pytest.approx(2.09 * values[::3].std(ddof=1) / 40**0.5, rel=0.35)


def test_without_scikit_learn_findings_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    answer = nmf_directions.ask(Subjects({}, {}, {}, (), quick=True))
    assert answer.findings
    for one in answer.findings:
        assert one.verdict is Verdict.UNDECIDED and "exactlens[cluster]" in one.why
