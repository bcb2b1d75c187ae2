"""Claim 1.10b: triples without an item twice, shares that are known, verdicts, and the figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exact import Graph, Network
from exact.instruments.batches.scan_lines import Triangle, scan_lines
from exact.networks.graphs.maxima import Maximum
from exact.sources import tensors
from studies.finding import Verdict
from studies.methods.approximations.heat_map import triangle_heat
from studies.methods.passes import units_float
from studies.questions.boundaries import three_activations
from studies.questions.boundaries.three_activations import _minus, apart, share
from studies.rules import SHARE
from studies.statistics import Degenerate, over_clusters
from viz import style
from viz.figures.triangle_heat import triangle_heat_figure

UNIT = np.array([[0.0, 0], [1, 0], [0, 1]])
FOLD = tensors.mlp([([[1, 0]], [-0.25]), ([[1]], [0])])  # x = 1/4


def test_no_item_is_in_two_triples() -> None:
    labels = np.repeat(np.arange(10), 9)
    for one in (False, True):
        found = apart(labels, 30, np.random.default_rng(0), one=one)
        assert len(set(found.ravel().tolist())) == 90
        assert all(len(set(labels[row])) == (1 if one else 3) for row in found)
    with pytest.raises(Degenerate, match="30 of 31"):
        apart(labels, 31, np.random.default_rng(0), one=True)


def test_a_share_is_that_of_the_lines_inside_and_around() -> None:
    rows = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]])
    inside = tensors.mlp([(rows[:1], [-0.4]), ([[1]], [0])])
    around = tensors.mlp([(rows[:1], [0.1]), ([[1]], [0])])
    corners = np.column_stack([UNIT, np.zeros(3)])
    found = share(inside, corners)
    assert found is not None and 0.5 < found < 1
    assert share(around, corners) == 0.0
    assert share(inside, np.zeros((3, 3))) is None  # in line
    assert share(tensors.mlp([(rows[:1], [5]), ([[1]], [0])]), corners) is None


def test_the_claim_can_come_out_either_way() -> None:
    rng = np.random.default_rng(0)
    for mean, verdict in ((0.7, Verdict.SUPPORTED), (0.4, Verdict.REFUTED)):
        values = (mean + 0.02 * rng.standard_normal(30)).tolist()
        rest = (0.55 + 0.02 * rng.standard_normal(30)).tolist()
        found = {
            name: dict(enumerate(own))
            for name, own in zip(three_activations.SORTS, (values, rest, rest), strict=True)
        }
        inside = over_clusters(values, rng, unit=three_activations.UNIT, range=SHARE)
        more = _minus(found, "one class", 0)
        assert three_activations.DENSEST.finding("net", inside, more).verdict is verdict
        assert three_activations.LEARNED.finding("net", more).verdict is verdict


def pool() -> Network:
    """The larger of two coordinates."""
    return Graph([(Maximum([[0, 1]], 2), [0])], 2)


def test_units_are_bits_and_winners() -> None:
    points = np.array([[0.5, 0.1], [0.1, 0.5], [0.0, 0.0]])
    assert units_float(pool(), points).tolist() == [[1], [2], [0]]
    assert units_float(FOLD, points).tolist() == [[1], [0], [0]]


@pytest.mark.parametrize("network", [FOLD, pool()], ids=["fold", "pool"])
def test_the_grid_sees_what_the_lines_cross(network: Network) -> None:
    exact = scan_lines(network, UNIT, lines=24, directions=6)
    seen = triangle_heat(network, exact.triangle, 96, 0.0, 6)
    both = np.isfinite(exact.density(6)) & np.isfinite(seen)
    where, sees = exact.density(6)[both] > 0, seen[both] > 0
    assert where.any() and not where.all()
    assert (where != sees).sum() <= 2  # the line runs along pixels, or through their corners
    # an upright line is seen by one direction of two, a slanted one as sqrt(2) of its length
    known = 0.75 * np.pi / 4 if network is FOLD else np.sqrt(0.5) * np.pi / 4 * np.sqrt(2)
    assert np.nansum(seen) / 36 == pytest.approx(known, rel=0.15)
    blurred = triangle_heat(network, exact.triangle, 96, 3.0, 6)
    assert np.nansum(blurred) == pytest.approx(np.nansum(seen), rel=0.3)


def test_the_figure_has_a_panel_a_map(tmp_path: Path) -> None:
    exact = scan_lines(FOLD, UNIT, lines=12, directions=3)
    seen = triangle_heat(FOLD, Triangle(UNIT), 48, 1.0, 8)
    maps = {"lines": exact.density(8), "grid": seen}
    drawn = triangle_heat_figure(exact.triangle, maps, names=["3", "5", "8"], subtitle="fold")
    assert [ax.get_xlabel() for ax in drawn.axes[:2]] == ["lines", "grid"]
    for path in style.save(drawn, tmp_path, "heat"):
        assert path.stat().st_size > 2_000
