"""Neurons by the items that they fire on most: against a plain list, and verdicts on families and
layers that were made for them.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from exact.sources import tensors
from studies.finding import Verdict, number
from studies.questions.features import polysemantic_neurons
from studies.questions.shared.labelled_items import ROWS, Labelled
from studies.statistics import NETS, Degenerate
from studies.subjects import Subjects, Toy
from tests.studies.questions.families import family
from toy_models import Dataset

RNG = np.random.default_rng


def test_a_neuron_is_judged_by_its_largest_items() -> None:
    labels = np.array([0, 0, 0, 0, 1, 2, 3, 4])
    vectors = np.array(
        [
            [9.0, 8.0, 7.0, 6.0, 1.0, 1.0, 1.0, 1.0],  # largest on class 0
            [1.0, 0.0, 0.0, 0.0, 6.0, 7.0, 8.0, 9.0],  # on classes 1 to 4
            [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 5.0],  # fires on two items only
        ]
    ).T
    found = polysemantic_neurons.of_neurons(vectors, 4)
    assert [set(row) for row in found.rows.tolist()] == [{0, 1, 2, 3}, {4, 5, 6, 7}]
    assert found.purity(labels).tolist() == [1, 0.25] and found.mixed(labels) == 0.5


def test_neurons_that_hardly_fire_have_no_list() -> None:
    with pytest.raises(Degenerate, match="often enough"):
        polysemantic_neurons.of_neurons(np.eye(6), 5)


@pytest.mark.parametrize(("share", "verdict"), [(0.8, Verdict.SUPPORTED), (0.2, Verdict.REFUTED)])
def test_verdicts_on_nets(share: float, verdict: Verdict) -> None:
    for more, other in ((0.3, Verdict.SUPPORTED), (-0.3, Verdict.REFUTED)):
        names = polysemantic_neurons.NAMES
        after = family(names, {"neurons": share, "purer": 0.2, "minus NMF": more})
        before = family(names, {"neurons": 0.5}, arm="untrained")
        found = polysemantic_neurons.family_findings("blobs", after, before, 0)
        assert [one.verdict for one in found] == [verdict, other]
        assert found[0].rule == polysemantic_neurons.MANY[NETS].rule.text


def test_labels_that_mean_nothing_to_the_neurons_do_not_support() -> None:
    """Then all neurons are mixed, and they are with labels dealt out at random."""
    names = polysemantic_neurons.NAMES
    before = family(names, {"neurons": 0.9}, arm="untrained")
    after = family(names, {"neurons": 0.9, "purer": 0.0, "permuted labels": 0.9})
    found = polysemantic_neurons.family_findings("blobs", after, before, 0)
    assert found[0].verdict is Verdict.UNDECIDED and found[0].why.startswith("(2)")


def test_tokens_that_mean_nothing_to_the_neurons_do_not_support() -> None:
    count, groups = 720, 24
    vectors = RNG(0).uniform(0, 1, (count, groups))
    kinds = RNG(3).integers(0, 24, count)
    network = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    items = Labelled(network, np.zeros((count, 2)), kinds, np.arange(count) // 6, np.arange(count))
    found = polysemantic_neurons.layer_findings("a layer", items, vectors, 0)
    assert found[0].data["neurons_float"] == found[0].data["permuted_labels_float"] == 1
    low, high = (number(found[0].data[f"purer_{end}_float"]) for end in ("low", "high"))
    assert low < 0.02 and high > -0.02 and high - low < 0.1
    assert found[0].verdict is Verdict.UNDECIDED, found[0].value


@pytest.mark.parametrize(
    ("steps", "noise", "verdict"), [(2, 0.33, Verdict.SUPPORTED), (1, 0.3, Verdict.REFUTED)]
)
def test_verdicts_on_sequences(steps: int, noise: float, verdict: Verdict) -> None:
    """24 kinds of tokens: neurons that fire on two kinds, or on one; some tokens are of others."""
    count, groups = 720, 24
    labels = np.arange(count) % groups
    vectors = 0.01 * RNG(0).uniform(0, 1, (count, groups))
    size = RNG(1).uniform(1, 2, count)
    for step in range(steps):
        vectors[np.arange(count), (labels + step) % groups] += size
    kinds = np.where(RNG(2).random(count) < noise, RNG(3).integers(24, 99, count), labels)
    network = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    items = Labelled(network, np.zeros((count, 2)), kinds, np.arange(count) // 6, np.arange(count))
    found = polysemantic_neurons.layer_findings("a layer", items, vectors, 0)
    assert found[0].verdict is verdict, found[0].value
    assert found[1].verdict is not Verdict.REFUTED


def test_a_network_of_ones_own_is_asked_by_its_classes() -> None:
    """Eight neurons that fire on one class each, and the same with classes dealt out at random."""
    rng, labels = RNG(0), np.arange(320) % 8
    inputs = torch.tensor(np.eye(8)[labels] + 0.1 * rng.random((320, 8)))
    network = tensors.mlp([(np.eye(8), np.full(8, -0.05)), (np.eye(8), np.zeros(8))])
    for classes, mixed in ((labels, 0.0), (rng.permutation(labels), 1.0)):
        toy = Toy.of("mine", network, Dataset.of(inputs, torch.tensor(classes), classes=9))
        assert polysemantic_neurons.fits(toy)
        many, more = polysemantic_neurons.of_toy(toy, 0)
        assert many.rule == polysemantic_neurons.MANY[ROWS].rule.text
        assert many.data["neurons_float"] == mixed and "rows of data" in more.value
        assert many.verdict is not Verdict.SUPPORTED
    assert not polysemantic_neurons.fits(Toy.of("no data", network))


@pytest.mark.parametrize("kinds", [2, 3])
def test_fewer_than_three_classes_leave_both_claims_open(kinds: int) -> None:
    labels, groups = np.arange(320) % kinds, 8
    inputs = torch.tensor(np.eye(groups)[np.arange(320) % groups] + 0.1 * RNG(0).random((320, 8)))
    network = tensors.mlp([(np.eye(8), np.full(8, -0.05)), (np.eye(8), np.zeros(8))])
    toy = Toy.of("mine", network, Dataset.of(inputs, torch.tensor(labels), classes=9))
    findings = polysemantic_neurons.of_toy(toy, 0)
    told = ["needs three classes" in one.why for one in findings]
    assert told == [kinds < 3] * 2
    assert kinds == 3 or all(one.verdict is Verdict.UNDECIDED for one in findings)


def test_the_caption_says_what_the_figure_shows() -> None:
    """Of one network there are no clusters; with none measured no interval is promised."""

    def caption(**data: float) -> str:
        one = polysemantic_neurons.MANY[ROWS].undecided("mine", "why", data=data)
        (figure,) = polysemantic_neurons._figures([one])
        return figure.caption

    ends = {"neurons_low_float": 0.4, "neurons_high_float": 0.6}
    whole = caption(neurons_float=0.5, **ends, NMF_float=0.2, clusters_float=0.1)
    assert "with 95% intervals; below each, of NMF directions and of clusters of codes." in whole
    bare = caption(neurons_float=0.5, NMF_float=0.2)
    assert "per cent; below each, of NMF directions." in bare and "clusters" not in bare
    assert caption(neurons_float=0.5).endswith("in per cent.")


def test_without_scikit_learn_findings_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    answer = polysemantic_neurons.ask(Subjects({}, {}, {}, (), quick=True))
    assert len(answer.findings) == 4
    assert all("exactlens[cluster]" in one.why for one in answer.findings)
