"""Clusters of activations and of codes: purity against a plain count, clusters as sets of cells,
the order of rows, and verdicts on families that were made for them.
"""

from __future__ import annotations

import sys
from collections import Counter
from itertools import combinations

import networkx as nx
import numpy as np
import pytest

from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.features import clusters
from studies.questions.shared.clustering import (
    GRID,
    MIDDLE,
    Clusterings,
    Setting,
    average_linkage,
    hdbscan,
    k_medoids,
    of_shuffles,
)
from studies.questions.shared.labelled_items import NESTED, Labelled, between_codes, euclid
from studies.questions.shared.nets import Measured
from studies.statistics import Degenerate
from studies.subjects import Subjects
from tests.studies.questions.families import measured

RNG = np.random.default_rng


def two_groups() -> Labelled:
    """40 points near (5, 5) and 40 near (-5, -5), in front of two neurons x > 0 and y > 0; the
    groups are the classes.
    """
    labels = np.arange(80) % 2
    centres = np.where(labels[:, None] == 1, 5.0, -5.0)
    points = centres + RNG(0).uniform(-1, 1, (80, 2))
    network = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    return Labelled(network, points, labels, np.arange(80), np.arange(80))


def test_two_groups_are_two_pure_clusters_of_activations_and_of_codes() -> None:
    items = two_groups()
    seen = clusters.sights(items)
    assert list(seen) == ["activations", "codes"]
    # both bits differ between the groups, none within
    expected = 2.0 * (items.labels[:, None] != items.labels)
    assert (seen["codes"] == expected).all()
    for distances in seen.values():
        found = clusters.grid(distances)
        assert clusters.fitting_a_class(found, items).pure(items.labels) == 1
        assert clusters.fitting_a_class(found, items).pure(np.arange(80) // 2 % 2) == 0
    assert len(set(map(tuple, average_linkage(seen["activations"], [2])))) == 1
    groups = k_medoids(seen["activations"], 2, RNG(0))
    assert ((groups == groups[0]) == (items.labels == items.labels[0])).all()


def test_purity_is_that_of_a_plain_count() -> None:
    rng = RNG(1)
    groups, labels = rng.integers(-1, 6, (7, 90)), rng.integers(0, 2, 90)
    weights = rng.integers(0, 3, 90)
    shares = []
    for row in groups.tolist():
        hits = total = 0
        for group in set(row) - {-1}:
            members = [i for i, one in enumerate(row) if one == group]
            if len(members) < 5:
                continue
            counts = Counter[int]()
            for i in members:
                counts[int(labels[i])] += int(weights[i])
            total += 1
            hits += max(counts.values()) > 0.6 * sum(counts.values())
        shares.append(hits / total)
    found = Clusterings.of(list(groups)).pure(labels, weights.astype(float), 0.6)
    assert 0 < found < 1 and found == pytest.approx(sum(shares) / len(shares))


def test_items_alone_are_no_clusters() -> None:
    alone = Clusterings.of([np.arange(50)])
    assert np.isnan(alone.pure(np.arange(50))) and alone.covered == 0 and alone.empty == 1


def test_clusters_of_integer_distances_depend_on_the_order_of_rows() -> None:
    bits = (RNG(1).random((160, 12)) < 0.15).astype(float)
    ties = bits @ (1 - bits).T + (1 - bits) @ bits.T
    assert of_shuffles(ties, 4, RNG(1)) < 0.9
    assert of_shuffles(euclid(two_groups().inputs), 4, RNG(1)) > 0.9
    kept = ties.copy()
    hdbscan(ties, MIDDLE)
    assert (ties == kept).all()  # the distances are not overwritten


def test_too_few_items_and_equal_items_have_no_clusters() -> None:
    items = two_groups()
    with pytest.raises(Degenerate, match="too few"):
        hdbscan(np.ones((5, 5)) - np.eye(5), Setting(5, 1, "eom"))
    silent = tensors.mlp([([[0, 0], [0, 0]], [1, 1]), ([[1, 1]], [0])])
    with pytest.raises(Degenerate, match="one code"):
        between_codes(silent.codes(items.inputs))


def test_a_cluster_is_connected_where_its_cells_are() -> None:
    path: nx.Graph[int] = nx.path_graph(6)
    places = np.array([0, 1, 2, 3, 5, 4, 4])
    # {0, 1} is connected, {2, 3, 5} is not, {4} is one cell
    assert clusters.share_connected(path, places, np.array([0, 0, 1, 1, 1, 2, 2])) == 0.5
    assert clusters.share_connected(path, places, np.array([-1, -1, -1, -1, -1, 0, 0])) is None


def test_cells_of_a_plane_are_found_by_their_codes() -> None:
    items = two_groups()
    inputs = items.inputs / 3
    groups = Clusterings(np.array([items.labels]))
    share, _ = clusters.connected(items.network, inputs, groups, RNG(0))
    assert np.isnan(share)  # each group fills one quadrant
    # {left above, right below} touch in a corner only, {left above, right above} share an edge
    inputs = np.array([[-1.0, 1.0]] * 5 + [[1.0, -1.0]] * 5 + [[1.0, 1.0]] * 5 + [[-1, 1.0]] * 5)
    groups = Clusterings(np.array([[0] * 10 + [1] * 10]))
    assert clusters.connected(items.network, inputs, groups, RNG(0))[0] == 0.5


def told(pure: float, connected: float) -> dict[str, Measured]:
    names = {name: measured(0.5) for name in clusters.BESIDE}
    values = {**names, "pure": measured(pure), "connected": measured(connected)}
    values["scattered"] = measured(0.2, seed=1)
    found = {f"{sight}: {k}": v for sight in clusters.SIGHTS for k, v in values.items()}
    return {**found, "random codes": measured(0.1)}


@pytest.mark.parametrize(
    ("pure", "before", "verdict"),
    [
        (0.8, 0.6, Verdict.SUPPORTED),
        (0.4, 0.2, Verdict.REFUTED),
        (0.8, 0.85, Verdict.REFUTED),  # pure before training: not learned
    ],
)
def test_verdicts_on_nets(pure: float, before: float, verdict: Verdict) -> None:
    control = {f"{sight}: pure": measured(before, seed=2) for sight in clusters.SIGHTS}
    found = clusters.family_findings(NESTED, told(pure, 0.7), control, 0)
    pure_ones = [one for one in found if one.statement == clusters.OVER_NETS.statement]
    assert len(pure_ones) == 3 and {one.verdict for one in pure_ones} == {verdict}
    rest = [one.verdict for one in found if one.statement == clusters.CONNECTED.statement]
    assert rest == 3 * [Verdict.SUPPORTED]
    scattered = clusters.family_findings(NESTED, told(pure, 0.1), control, 0)
    assert Verdict.REFUTED in {
        one.verdict for one in scattered if one.statement == clusters.CONNECTED.statement
    }


def test_verdicts_on_sequences() -> None:
    """Eight clusters of 30 tokens, of 40 sequences: nearly all of one kind, or dealt at random."""
    groups, network = np.arange(240) // 30, two_groups().network
    labels = np.where(RNG(2).random(240) < 0.02, 9, groups)
    sequences = np.arange(240) % 40
    text = Labelled(network, np.zeros((240, 2)), labels, sequences, np.arange(240))
    mine, mixed = (
        Clusterings(np.stack(len(GRID) * [each])) for each in (groups, RNG(1).permutation(groups))
    )
    names = {name: 0.5 for name in clusters.BESIDE}

    def verdict(own: Clusterings, control: Clusterings | None) -> tuple[Verdict, str]:
        found = clusters.layer_finding("a layer", text, own, control, names, RNG(0))
        return found.verdict, found.why

    assert verdict(mine, mixed) == (Verdict.SUPPORTED, "")
    assert verdict(mixed, mine)[0] is Verdict.REFUTED
    unknown, why = verdict(mine, None)
    assert unknown is Verdict.UNDECIDED and "before training is not known" in why


def test_without_scikit_learn_findings_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    answer = clusters.ask(Subjects({}, {}, {}, (), quick=True))
    assert answer.findings
    for one in answer.findings:
        assert one.verdict is Verdict.UNDECIDED and "exactlens[cluster]" in one.why


def test_medoids_are_nearly_the_best_of_all_triples() -> None:
    points = RNG(3).uniform(0, 1, 24)
    distances = np.abs(points[:, None] - points)

    def cost(groups: np.ndarray) -> float:
        """Of the best centre of each group."""
        own = [np.flatnonzero(groups == one) for one in np.unique(groups)]
        return sum(float(distances[np.ix_(each, each)].sum(axis=0).min()) for each in own)

    best = min(distances[:, triple].min(axis=1).sum() for triple in combinations(range(24), 3))
    ratios = [cost(k_medoids(distances, 3, RNG(seed))) / best for seed in range(10)]
    assert max(ratios) < 1.1
