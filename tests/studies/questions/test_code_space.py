"""Codes with flipped bits: on networks of two neurons whose cells are known, and verdicts on
families that were made for them.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.features import code_space
from studies.questions.features.code_space import NAMES, SORTS, Cells, Flips
from studies.questions.shared.labelled_items import Labelled
from studies.statistics import Degenerate
from studies.subjects import Subjects, Toy
from tests.studies.questions.families import family
from toy_models import Dataset

RNG = np.random.default_rng


def quadrants(threshold: float):  # type: ignore[no-untyped-def]
    """Two neurons x > 0 and y > 0; class 1 where relu x + relu y exceeds a threshold."""
    return tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[0, 0], [1, 1]], [threshold, 0])])


def corners(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Class 0 around (-2, -2), class 1 around (2, 2)."""
    labels = np.arange(count) % 2
    return (4.0 * labels - 2)[:, None] + RNG(0).uniform(-1, 1, (count, 2)), labels


def test_a_mask_that_changes_nothing_is_no_flip() -> None:
    own = np.array([[True, False, True], [False, False, True]])
    mask, values = np.array([True, False, False]), np.array([True, True, True])
    flips = Flips.of(own, [(0, mask, values, 3), (1, mask, values, 4)])
    assert flips.rows.tolist() == [1] and flips.aims.tolist() == [4]
    assert flips.bits.tolist() == [[True, False, True]]
    assert len(Flips.of(own, []).rows) == 0


def test_random_masks_flip_as_many_bits() -> None:
    own = RNG(1).random((30, 12)) < 0.5
    wanted = [(k, np.arange(12) < k % 5 + 1, ~own[k], 0) for k in range(30)]
    flips = Flips.of(own, wanted)
    mixed = flips.at_random(own, RNG(2))
    counts = (mixed.bits != own[mixed.rows]).sum(axis=1)
    assert counts.tolist() == [k % 5 + 1 for k in range(30)]
    assert (mixed.bits != flips.bits).any()


def test_codes_exist_where_a_cell_has_them() -> None:
    """Neurons x > 0 and x > 1: no point is beyond 1 and not beyond 0."""
    network = tensors.mlp([([[1, 0], [1, 0]], [0, -1]), ([[1, 1]], [0])])
    cells = Cells.of(network, np.array([[0.5, 0.5]]))
    every = np.array([[False, False], [True, False], [True, True], [False, True]])
    flips = Flips(np.zeros(4, dtype=np.int64), every, np.zeros(4, dtype=np.int64))
    assert cells.exist(flips).tolist() == [True, True, True, False]


@pytest.mark.parametrize(("threshold", "arrives"), [(0.0, True), (0.5, False)])
def test_an_example_is_moved_to_the_nearest_point(threshold: float, arrives: bool) -> None:
    """From (-2, -1) the nearest point with both bits on is the origin: of class 1 only where
    nothing more than crossing it is asked.
    """
    network, inputs = quadrants(threshold), np.array([[-2.0, -1.0], [2.0, 1.0]])
    cells = Cells.of(network, inputs)
    flips = Flips(np.array([0]), np.array([[True, True]]), np.array([1]))
    assert cells.moved(network, inputs, flips).tolist() == [arrives]


def test_bits_of_a_class_are_those_in_which_the_classes_differ() -> None:
    points, labels = corners()
    # the third neuron is on everywhere, the fourth at random
    network = tensors.mlp(
        [([[1, 0], [0, 1], [0, 0], [1, -1]], [0, 0, 1, 0]), (np.eye(4)[:2].tolist(), [0, 0])]
    )
    own = network.codes(points).bits
    flips = code_space.towards_classes(own, labels, RNG(0))
    assert len(flips.rows) == 40 and (flips.aims == 1 - labels[flips.rows]).all()
    changed = flips.bits != own[flips.rows]
    assert changed[:, :2].all() and not changed[:, 2:].any()
    items = Labelled(network, points, labels, np.arange(40), np.arange(40))
    told = code_space.looked_at(items, 0, RNG(0))
    assert (told["bits"] == 2).all() and set(told) == set(NAMES)
    # the fourth bit says on which side of the diagonal x is: it stays, so the code exists
    assert (told["class"] == 1).all()
    with pytest.raises(Degenerate, match="one code"):
        code_space.all_flips(own[:1].repeat(5, axis=0), labels[:5], 0, RNG(0))


@pytest.mark.parametrize(
    ("exist", "more", "moved", "verdicts"),
    [
        (0.9, 0.5, 0.8, (Verdict.SUPPORTED, Verdict.SUPPORTED)),
        (0.2, 0.1, 0.2, (Verdict.REFUTED, Verdict.REFUTED)),
        (0.9, -0.1, 0.8, (Verdict.REFUTED, Verdict.SUPPORTED)),  # any code exists
    ],
)
def test_verdicts_on_nets(
    exist: float, more: float, moved: float, verdicts: tuple[Verdict, Verdict]
) -> None:
    means = {sort: exist for sort in SORTS} | {f"{sort} minus random": more for sort in SORTS}
    after, before = family(NAMES, {**means, "moved": moved}), family(NAMES, {}, arm="untrained")
    found = code_space.nets_findings("nets", after, before, 0)
    assert [one.verdict for one in found] == [*(3 * [verdicts[0]]), verdicts[1]]


def test_one_toy_is_told_over_its_examples() -> None:
    """50 of class 1 arrive in class 0 just behind the origin, 10 of class 0 not in class 1."""
    points, labels = corners(100)
    kept = (labels == 1) | (np.arange(100) < 20)
    toy = Toy.of("mine", quadrants(0.5), Dataset.of(points[kept], labels[kept]))
    found = code_space.of_toy(toy, 0)
    assert found[3].data["moved_float"] == pytest.approx(50 / 60)
    # all codes of a mask exist: no resampling knows an interval, Wilson's does
    assert found[0].data["exist_float"] == 1 and found[0].data["exist_method"] == "Wilson"
    assert [one.subject for one in found] == [*(f"mine: {sort}" for sort in SORTS), "mine"]
    assert found[3].verdict is Verdict.SUPPORTED and "rows" in found[3].value
    assert code_space.fits(toy) and not code_space.fits(Toy.of("no data", quadrants(0.0)))


def test_examples_of_one_class_leave_both_claims_undecided() -> None:
    points, labels = corners(80)
    one_class = Dataset.of(np.repeat(points[labels == 0], 4, axis=0), np.arange(160) // 150)
    toy = Toy.of("mine", quadrants(0.0), one_class)
    found = code_space.of_toy(toy, 0)
    assert len(found) == 2 and all("of one class" in one.why for one in found)


def test_without_scikit_learn_findings_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    answer = code_space.ask(Subjects({}, {}, {}, (), quick=True))
    assert len(answer.findings) == 2
    assert all("exactlens[cluster]" in one.why for one in answer.findings)
