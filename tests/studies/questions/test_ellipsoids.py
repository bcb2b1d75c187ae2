"""Claim 2.1 on norms whose maps and axes are known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy

from exact import LayerNorm, Norm, RMSNorm
from exact.instruments import norm_geometry
from studies.finding import Verdict
from studies.questions.norms import ellipsoids as asked
from studies.statistics import Degenerate
from tests.studies.questions.made_nets import measured

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED
KINDS = (LayerNorm, RMSNorm)


def norm_of(kind: type[Norm], rule: Any = "var", eps: object = Fraction(1, 7)) -> Norm:
    return kind.of(eps, [1, Fraction(-3, 2), 2], [0, Fraction(1, 3), -1], eps_rule=rule)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["var", "std"])
@pytest.mark.parametrize("x", [(1, 2, 6), (-1, 0, 1), (0, 3, 3)])
def test_the_definition_is_told_from_its_neighbours(
    kind: type[Norm], rule: str, x: tuple[int, ...]
) -> None:
    """The values of sympy's definition are accepted, those of another rule or eps are not."""
    norm = norm_of(kind, rule)
    points = [Fraction(value) for value in x]
    assert asked.violations(norm, [points]) == 0
    centred = [value - (sum(x) / sympy.Integer(3) if kind is LayerNorm else 0) for value in x]
    square, eps = sum(c**2 for c in centred) / sympy.Integer(3), sympy.Rational(1, 7)
    root = sympy.sqrt(square + eps) if rule == "var" else sympy.sqrt(square) + eps
    gains, shifts = (1, sympy.Rational(-3, 2), 2), (0, sympy.Rational(1, 3), -1)
    told = [g * c / root + s for g, c, s in zip(gains, centred, shifts, strict=True)]
    found = norm_geometry.image(norm, points)
    assert all(sympy.simplify(a - b.sympy()) == 0 for a, b in zip(told, found, strict=True))
    for wrong in (norm_of(kind, "std" if rule == "var" else "var"), norm_of(kind, rule, 1)):
        assert not asked.is_defined_value(wrong, points, found)


def test_a_wrong_map_is_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    norm = norm_of(LayerNorm)
    assert asked.same_finding("x", norm, 0).verdict is SUPPORTED
    other = replace(norm, bias=norm_of(LayerNorm).gain)
    monkeypatch.setattr(asked, "decompose", lambda n: norm_geometry.decompose(other))
    finding = asked.same_finding("x", norm, 0)
    assert finding.verdict is REFUTED and finding.is_alarm


def test_axes_lie_where_they_must() -> None:
    for gain in ([3, 1, 2], [1, 1, 2, 5], [0, 1, 2], [2, -2, 1, 1]):
        for kind in KINDS:
            assert asked.misplaced_axes(kind.of(gain=gain)) == 0
    shape = norm_geometry.ellipsoid(RMSNorm.of(gain=[1, 2, 3]))
    assert all(asked._along_coordinates(shape, k) for k in range(3))
    assert not asked._along_coordinates(norm_geometry.ellipsoid(LayerNorm.of(gain=[1, 2, 3])), 0)


def test_misplaced_axes_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = norm_geometry.ellipsoid(LayerNorm.of(gain=[1, 2, 30]))
    monkeypatch.setattr(asked, "ellipsoid", lambda norm: shape)
    assert asked.misplaced_axes(LayerNorm.of(gain=[1, 2, 3])) > 0
    assert asked.misplaced_axes(LayerNorm.of(gain=[1, 2, 30])) == 0


def test_angles_and_lengths_are_those_of_numpy() -> None:
    gain = np.array([1.0, 2, 3, 5])
    matrix = np.diag(gain) @ (np.eye(4) - 0.25)
    vectors, sizes, _ = np.linalg.svd(matrix)
    found = asked.Obliqueness.of(LayerNorm.of(gain=gain))
    assert found.lengths.tolist() == pytest.approx(2 * sizes[:3])
    angles = np.degrees(np.arccos(np.abs(vectors[:, :3]).max(axis=0)))
    assert found.angles.tolist() == pytest.approx(angles)
    suggested = 2 * np.sort(gain)[::-1][:3]
    assert found.errors.tolist() == pytest.approx(np.abs(2 * sizes[:3] / suggested - 1))


def test_equal_gains_have_no_axes_of_their_own() -> None:
    with pytest.raises(Degenerate, match="sphere"):
        asked.Obliqueness.of(LayerNorm.of(gain=[1, 1, 1, 1]))


def test_the_claim_can_come_out_either_way() -> None:
    """One huge gain lies nearly on its axis, and of LayerNorm only the others lie askew."""
    assert asked.oblique_finding("x", LayerNorm.of(gain=[1, 1.1, 1.2, 1.3])).verdict is SUPPORTED
    steep = LayerNorm.of(gain=[1e-6, 1, 1000, 10**6])
    assert asked.oblique_finding("x", steep).verdict is REFUTED
    rng = np.random.default_rng(0)
    assert asked.nets_finding("x", measured(30), rng).verdict is SUPPORTED
    assert asked.nets_finding("x", measured(1), rng).verdict is REFUTED
