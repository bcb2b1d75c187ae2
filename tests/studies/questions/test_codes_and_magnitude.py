"""What codes tell of activations: a regression against the normal equations, vectors whose answer
is known, and verdicts on families that were made for them.
"""

from __future__ import annotations

import numpy as np
import pytest

from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.features import codes_and_magnitude
from studies.questions.features.codes_and_magnitude import NAMES, STATISTICS, Told, ridge
from studies.questions.shared.subject_rows import ROWS, Rows
from studies.statistics import SEQUENCES, Degenerate
from tests.studies.questions.families import family

RNG = np.random.default_rng


def rows_of(z: np.ndarray, unit: str = ROWS, each: int = 1) -> Rows:
    network = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    return Rows("made", network, z, np.arange(len(z)) // each, unit)


def told(z: np.ndarray, bits: np.ndarray) -> Told:
    return Told.of(z, bits, rows_of(z).halves(), RNG(0))


def test_ridge_solves_the_normal_equations(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, asked = (
        RNG(k).standard_normal(shape) for k, shape in enumerate([(40, 5), (40, 2), (7, 5)])
    )
    monkeypatch.setattr(codes_and_magnitude, "PENALTIES", (3.0,))
    centred = x - x.mean(axis=0)
    weights = np.linalg.solve(centred.T @ centred + 3 * np.eye(5), centred.T @ (y - y.mean(axis=0)))
    expected = y.mean(axis=0) + (asked - x.mean(axis=0)) @ weights
    assert ridge(x, y, asked) == pytest.approx(expected)


def test_the_penalty_is_that_of_the_least_error_of_rows_left_out() -> None:
    """Noise on many bits wants the largest penalty, a clear signal the smallest."""
    x, noise = np.sign(RNG(0).standard_normal((60, 40))), RNG(1).standard_normal((60, 1))
    asked = np.sign(RNG(2).standard_normal((500, 40)))
    assert float((ridge(x, noise, asked) - noise.mean()).std()) < 0.35
    signal = x[:, :1] * 5
    assert ridge(x, signal, asked)[:, 0] == pytest.approx(5 * asked[:, 0], abs=0.3)


def test_magnitude_that_bits_have_and_magnitude_that_they_lack() -> None:
    bits = RNG(0).random((400, 6)) < 0.5
    signs = np.where(bits, 1.0, -1.0)
    sizes = 1 + bits[:, :1]  # the first bit decides the length
    has, lacks = signs * sizes, signs * RNG(1).uniform(0.1, 4, (400, 1))
    assert told(has, bits).value("length") > 0.99
    assert told(has, bits).value("vector") > 0.8
    assert told(lacks, bits).value("length") < 0.05
    assert told(lacks, bits).value("vector") > 0.5
    with pytest.raises(Degenerate, match="one code"):
        told(has, bits & False)


def test_neighbours_are_those_of_a_plain_search() -> None:
    z = RNG(0).standard_normal((15, 4))
    signs = np.sign(RNG(1).standard_normal((15, 30)))
    found = codes_and_magnitude.shared_neighbours(z, signs, RNG(2))
    expected = []
    for i in range(15):
        others = [j for j in range(15) if j != i]
        by_z = sorted(others, key=lambda j: float(((z[i] - z[j]) ** 2).sum()))[:10]
        distance = {j: int((signs[i] != signs[j]).sum()) for j in others}
        edge = sorted(distance.values())[9]
        sure = {j for j in others if distance[j] < edge}
        tied = {j for j in others if distance[j] == edge}
        least = len(sure & set(by_z)) + max(0, 10 - len(sure) - len(tied - set(by_z)))
        most = len(sure & set(by_z)) + min(10 - len(sure), len(tied & set(by_z)))
        expected.append((least / 10, most / 10))
    assert all(a <= x <= b for x, (a, b) in zip(found, expected, strict=True))
    assert codes_and_magnitude.shared_neighbours(z, np.sign(z) * 0 + z, RNG(0)).shape == (15,)


def test_halves_share_no_sequence() -> None:
    rows = rows_of(np.zeros((60, 2)), SEQUENCES, 3)
    first, second = rows.halves()
    assert not set(rows.places[first]) & set(rows.places[second]) and len(first) == 30


@pytest.mark.parametrize(("share", "verdict"), [(0.9, Verdict.SUPPORTED), (0.1, Verdict.REFUTED)])
def test_verdicts_on_nets(share: float, verdict: Verdict) -> None:
    before = family(NAMES, {}, arm="untrained")
    after = family(NAMES, dict.fromkeys(STATISTICS, share))
    found = codes_and_magnitude.nets_findings("nets", after, before, 0)
    assert [one.verdict for one in found] == 3 * [verdict]


def test_verdicts_on_sequences() -> None:
    bits = RNG(0).random((400, 6)) < 0.5
    signs, random = np.where(bits, 1.0, -1.0), RNG(1).uniform(0.1, 4, (400, 1))
    near = signs * (1 + bits[:, :1]) + 0.05 * RNG(2).standard_normal((400, 6))
    for z, verdict in ((near, Verdict.SUPPORTED), (signs * random, Verdict.REFUTED)):
        rows = rows_of(z, SEQUENCES, 4)
        found = codes_and_magnitude.rows_findings(rows, z, bits, 0)
        assert found[0].verdict is verdict, found[0].value
        assert "sequences" in found[0].value
