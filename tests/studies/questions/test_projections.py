"""Clusters on a line and exact crossings between them, on values and networks whose answers are
known; and verdicts on families that were made for them.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.features import projections
from studies.questions.features.projections import NAMES, SORTS, Cut, of_directions, ratio
from studies.statistics import Degenerate
from studies.subjects import Subjects
from tests.studies.questions.families import family

RNG = np.random.default_rng


def two_clusters() -> np.ndarray:
    """200 values around 0 and 200 around 10."""
    return np.concatenate([RNG(0).normal(0, 1, 200), RNG(1).normal(10, 1, 200)])


def test_a_gap_is_where_few_values_are() -> None:
    values = two_clusters()
    cut = Cut.of(values)
    assert len(cut.cuts) == 1 and 3 < cut.cuts[0] < 7
    assert (cut.groups(values) == np.repeat([0, 1], 200)).all()
    assert cut.gap[np.abs(cut.places - 5).argmin()]
    assert not cut.gap[np.abs(cut.places).argmin()]
    assert projections.purity(cut.groups(values), np.repeat([1, 0], 200)) == 1
    assert len(Cut.of(RNG(2).normal(0, 1, 400), 2.0).cuts) <= 1


def test_density_is_that_of_a_plain_sum() -> None:
    values = RNG(3).normal(0, 2, 50)
    low, high = np.quantile(values, (0.25, 0.75))
    width = 0.9 * min(values.std(), (high - low) / 1.34) * 50**-0.2
    expected = [sum(np.exp(-(((x - v) / width) ** 2) / 2) for v in values) for x in (-1.0, 0.5)]
    assert projections.density(values, np.array([-1.0, 0.5]), 1.0) == pytest.approx(expected)


def test_ratio_is_crossings_per_length() -> None:
    cut = Cut(np.linspace(0, 10, 256), np.arange(256) < 64, np.array([2.5]))
    # 3 crossings in a quarter of the range, 2 in the rest, 2 outside
    found = np.array([0.5, 1.0, 2.0, 5.0, 9.0, -3.0, 11.0])
    assert ratio([cut], [found]) == pytest.approx(3 / 64 / (2 / 192))
    assert ratio([cut, cut], [found, found]) == ratio([cut], [found])
    assert ratio([cut], [found[:3]]) == "no crossing inside of clusters"
    none = Cut(cut.places, np.zeros(256, dtype=bool), np.array([]))
    assert ratio([none], [found]) == "no gap between clusters"


def test_crossings_are_those_of_the_network() -> None:
    """Borders at x = 5 and x = 0.25, and one at y = 1; lines along x and along y."""
    network = tensors.mlp([([[1, 0], [1, 0], [0, 1]], [-5, -0.25, -1]), ([[1, 1, 1]], [0])])
    starts, ways = np.array([[2.0, 9.0], [7.0, -4.0]]), np.eye(2)
    first, second = projections.crossings(network, starts, ways)
    assert sorted(first) == pytest.approx([0.25, 5]) and second == pytest.approx([1])


def test_borders_between_clusters_and_borders_within() -> None:
    values, labels = two_clusters(), np.repeat([0, 1], 200)
    points = np.stack([values, RNG(4).normal(0, 0.01, 400)], axis=1)
    way = np.array([[1.0, 0.0]])
    shares = {}
    for name, borders in (("between", [4.0, 5, 6, 0.0]), ("within", [-1.0, 0, 9.5, 10, 5.0])):
        rows = [[1, 0]] * len(borders)
        network = tensors.mlp([(rows, [-x for x in borders]), ([[1] * len(borders)], [0])])
        shares[name] = of_directions(network, points, labels, way, RNG(0))
    assert float(shares["between"]["ratio"]) > 1 > float(shares["within"]["ratio"])
    # all borders are across this direction: lines through data meet them at the same places
    assert shares["within"]["through data"] == pytest.approx(float(shares["within"]["ratio"]))
    # purity 1 against about one half
    assert float(shares["within"]["purity"]) == pytest.approx(0.5, abs=0.06)
    with pytest.raises(Degenerate, match="tells items apart"):
        of_directions(network, np.ones((30, 2)), labels[:30], way, RNG(0))


@pytest.mark.parametrize(
    ("density", "purity", "verdict"),
    [
        (1.5, 0.2, Verdict.SUPPORTED),
        (0.6, 0.2, Verdict.REFUTED),
        (1.5, -0.2, Verdict.REFUTED),  # clusters that mean nothing
    ],
)
def test_verdicts(density: float, purity: float, verdict: Verdict) -> None:
    means = {f"{sort}: ratio": density for sort in SORTS}
    means |= {f"{sort}: purity": purity for sort in SORTS}
    before = family(NAMES, {}, arm="untrained")
    found = projections.family_findings("blobs", family(NAMES, means), before, 0)
    assert [one.verdict for one in found] == 4 * [verdict]


def test_without_scikit_learn_findings_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    answer = projections.ask(Subjects({}, {}, {}, (), quick=True))
    assert len(answer.findings) == 8
    assert all("exactlens[cluster]" in one.why for one in answer.findings)
