"""Flips along rays behind a norm: against the exact partition of the ray itself, closed forms,
bounds and samples.
"""

from __future__ import annotations

from fractions import Fraction
from math import acos, inf, pi
from typing import Any

import numpy as np
import pytest
import sympy

from exact import InvalidInput, Network, Ray, Sphere, Unsupported, partition
from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
from exact.instruments.critical_radii import critical_radii, flip_caps, quiet_share
from exact.regions.arcs.partition import CurvePartition
from exact.sources import tensors
from tests.exact.test_norm_balls import KINDS, block, deep

TINY = Fraction(1, 2**50)


def directions(n: int, count: int, seed: int = 0) -> list[list[int]]:
    g = np.random.default_rng(seed)
    drawn = g.integers(-5, 6, size=(4 * count, n)).tolist()
    return [x for x in drawn if len(set(x)) > 1][:count]


@pytest.mark.parametrize("make", [block, deep])
@pytest.mark.parametrize(("norm", "n", "rule"), KINDS)
def test_flips_are_the_crossings_of_the_ray(make: Any, norm: str, n: int, rule: str) -> None:
    """Parameters, hinges and codes, exactly, by a route that never leaves the input space."""
    network, flips = make(4, norm, n, rule), 0
    for x in directions(n, 12):
        found, ray = critical_radii(network, x), partition(network, Ray(0, x))
        assert isinstance(ray, CurvePartition)
        crossings = [one for one in ray.crossings if not one.tangent]
        assert [flip.hinges for flip in found.flips] == [one.hinges for one in crossings]
        parameters = [one.frame.parameter(one.direction) for one in crossings]
        assert all(
            flip.parameter.compare(t) == 0
            for flip, t in zip(found.flips, parameters, strict=True)
            if t is not None
        )
        assert list(found.codes) == [ray.code_of(i) for i in range(len(ray))]
        assert found.at_centre == network.code([0] * n)
        flips += len(found.flips)
    assert flips > 5


@pytest.mark.parametrize(("norm", "n", "rule"), KINDS)
def test_radius_and_parameter_say_the_same(norm: str, n: int, rule: str) -> None:
    network = block(4, norm, n, rule)
    for x in directions(n, 6):
        centred = np.array(x) - (np.mean(x) if norm == "layernorm" else 0.0)
        for flip in critical_radii(network, x).flips:
            assert flip.radius_float == pytest.approx(
                float(flip.parameter) * np.linalg.norm(centred)
            )
            assert float(flip.radius()) == pytest.approx(flip.radius_float)
            y = network.norms[0].forward_float(np.array([x]) * float(flip.parameter))
            y = (y - network.norms[0].bias.float64().T) / network.norms[0].gain.float64().T
            assert float(flip.s_squared) == pytest.approx((y**2).sum() / n)


def test_radius_of_one_neuron() -> None:
    """z = 3 y_1 - 1 with |y|^2 = 2 s^2: flips at s^2 = 1/18; "var": r^2 = 2 s^2 / (1 - s^2), "std":
    r = sqrt(2) s / (1 - s).
    """
    var, std = (
        tensors.block([[3, 0]], [-1], [[1]], [0], norm="rms", eps=1, eps_rule=rule)
        for rule in ("var", "std")
    )
    assert critical_radii(var, [5, 0]).critical_radius_squared.sympy() == sympy.Rational(2, 17)
    s = sympy.sqrt(2) / 6
    found = critical_radii(std, [5, 0]).flips[0].radius()
    assert sympy.simplify(found**2 - (sympy.sqrt(2) * s / (1 - s)) ** 2) == 0
    away = critical_radii(var, [-5, 0])
    assert (away.flips, away.critical_radius_float, away.at_infinity) == ((), 0.0, away.at_centre)


@pytest.mark.parametrize(("shift", "flips"), [(-TINY, 1), (Fraction(0), 0), (TINY, 0)])
def test_a_flip_at_the_sphere_itself_is_never_reached(shift: Fraction, flips: int) -> None:
    """y_1 = 2 along (4, -1, -1, -1, -1), where the sphere |y|^2 = 5 ends at y_1 = 2."""
    network = tensors.block([[1, 0, 0, 0, 0]], [-2 - shift], [[1]], [0], norm="layernorm", eps=1)
    found = critical_radii(network, [4, -1, -1, -1, -1])
    assert len(found.flips) == flips
    assert str(found.at_infinity) == str(flips)
    assert (found.critical_radius_float > 2**20) == bool(flips)


def test_a_plane_through_the_centre_never_flips_on_a_ray() -> None:
    network = tensors.block([[1, 0], [0, 1]], [0, 0], [[1, 1]], [0], norm="rms", eps=1)
    found = critical_radii(network, [1, 2])
    assert (flip_caps(network), quiet_share(network)) == ((), 1)
    assert (found.flips, str(found.at_infinity), str(found.at_centre)) == ((), "11", "00")


def test_without_eps_a_ray_is_a_point() -> None:
    network = block(4, "layernorm", 3, "var", eps=0)
    found = critical_radii(network, [1, 2, 4])
    assert (found.flips, found.codes) == ((), (network.code([1, 2, 4]),))
    with pytest.raises(InvalidInput, match="zero"):
        critical_radii(network, [1, 1, 1])


def test_refusals() -> None:
    network = block(4, "layernorm", 3, "var")
    with pytest.raises(InvalidInput, match="zero"):
        critical_radii(network, [2, 2, 2])
    with pytest.raises(InvalidInput, match="2 coordinates"):
        critical_radii(network, [2, 1])
    with pytest.raises(InvalidInput, match="row 1"):
        critical_radii_float(network, np.array([[1.0, 2, 3], [4, 4, 4]]))
    with pytest.raises(InvalidInput, match="rows of 3"):
        critical_radii_float(network, np.ones((2, 2)))
    for function in (flip_caps, lambda one: critical_radii_float(one, np.eye(3))):
        with pytest.raises(Unsupported, match="one hidden layer"):
            function(deep(1, "layernorm", 3, "var"))


@pytest.mark.parametrize(("norm", "n", "rule"), KINDS)
def test_bounds_hold_the_exact_radius_and_are_tight(norm: str, n: int, rule: str) -> None:
    network = block(6, norm, n, rule, width=9)
    rows = np.random.default_rng(2).normal(size=(60, n))
    bounds = critical_radii_float(network, rows)
    lengths = np.linalg.norm(network.norms[0].project_float(np.asarray(rows, float)), axis=1)
    assert (np.abs(bounds.lengths_float - lengths) <= 2 * bounds.lengths_bound).all()
    assert (bounds.lengths_bound <= 1e-12 * (1 + lengths)).all()
    exact = np.array([critical_radii(network, x).critical_radius_float for x in rows.tolist()])
    assert (bounds.lower <= exact * (1 + 2.0**-50)).all()
    assert (exact * (1 - 2.0**-50) <= bounds.upper).all()
    np.testing.assert_allclose(bounds.lower, bounds.upper, rtol=1e-9)
    assert (exact > 0).sum() > 20


@pytest.mark.parametrize("power", [-560, -300, 0, 300])
def test_bounds_hold_for_offsets_of_any_size(power: int) -> None:
    """The square of s may underflow where s does not."""
    network = tensors.block(
        [[2, 1, -3], [0, 0, 0], [1, 0, 0]], [-(2.0**power), 0, 0], [[1] * 3], [0], norm="rms", eps=1
    )
    rows = [[3, -1, -2], [-1, -1, 0], [0, 0, 5]]
    bounds = critical_radii_float(network, rows)
    for x, lower, upper in zip(rows, bounds.lower, bounds.upper, strict=True):
        radius = critical_radii(network, x).critical_radius_float
        assert lower <= radius * (1 + 2.0**-50) and radius * (1 - 2.0**-50) <= upper
        assert (radius > 0) == (upper > 0)


def test_floats_give_up_where_they_must() -> None:
    """At the very end of a ray they cannot know whether the sphere comes first."""
    network = tensors.block([[1, 0, 0, 0, 0]], [-2], [[1]], [0], norm="layernorm", eps=1)
    bounds = critical_radii_float(network, [[4, -1, -1, -1, -1], [-4, 1, 1, 1, 1]])
    assert bounds.lower.tolist() == [0, 0]
    assert bounds.upper.tolist() == [inf, 0]


def test_no_neuron_at_all() -> None:
    """Hinges that read nothing of y never flip."""
    network = tensors.block([[1, 1, 1]], [3], [[1]], [0], norm="layernorm", eps=1)
    assert critical_radii(network, [1, 2, 3]).flips == ()
    assert critical_radii_float(network, [[1, 2, 3]]).upper.tolist() == [0]
    assert flip_caps(network) == ()


@pytest.mark.parametrize(
    ("norm", "n", "rule"), [*KINDS, ("rms", 5, "var"), ("layernorm", 2, "var")]
)
def test_shares_of_caps(norm: str, n: int, rule: str) -> None:
    """The share of directions that flip a neuron, against sampled directions; every neuron without
    a cap never flips.
    """
    network = block(8, norm, n, rule)
    caps = {cap.hinge.neuron: cap for cap in flip_caps(network)}
    folded = network.folded().blocks[0].layers[0]
    g = np.random.default_rng(3)
    v = g.normal(size=(40_000, n))
    v -= v.mean(axis=1, keepdims=True) if norm == "layernorm" else 0.0
    v *= n**0.5 / np.linalg.norm(v, axis=1)[:, None]
    a, c = v @ folded.weight.float64().T, folded.bias.float64()[:, 0]
    shares = (c * (a + c) < -(2.0**-30)).mean(axis=0)
    for j, share in enumerate(shares):
        assert share == pytest.approx(caps[j].share_float if j in caps else 0.0, abs=0.012)


def test_closed_forms_of_caps() -> None:
    """Share theta / pi on a circle and (1 - cos theta) / 2 on a 2-sphere; the cosine is |c| /
    (sqrt(n) |w|).
    """
    for n, expected in ((2, acos(1 / 18**0.5) / pi), (3, (1 - 1 / 27**0.5) / 2)):
        network = tensors.block([[3] + [0] * (n - 1)], [-1], [[1]], [0], norm="rms", eps=1)
        (cap,) = flip_caps(network)
        assert cap.share_float == pytest.approx(expected)
        assert cap.cosine.sympy() == sympy.sqrt(sympy.Rational(1, 9 * n))


@pytest.mark.parametrize("norm", ["layernorm", "rms"])
def test_share_of_quiet_directions(norm: str) -> None:
    """Against evenly spread directions of the circle; a plane through the centre, as small integers
    have, flips none.
    """
    n = 3 if norm == "layernorm" else 2
    network = tensors.block(
        [[4, 0, 1][:n], [1, -1, 2][:n], [1, 3, 1][:n]], [-2, 0, 3], [[1] * 3], [0], norm=norm, eps=1
    )
    angles = np.arange(3000) * 2 * pi / 3000
    basis = (
        np.array([[1, -1, 0], [1, 1, -2]]) / np.array([[2**0.5], [6**0.5]]) if n == 3 else np.eye(2)
    )
    rows = np.column_stack([np.cos(angles), np.sin(angles)]) @ basis
    sampled = (critical_radii_float(network, rows).upper == 0).mean()
    assert float(quiet_share(network)) == pytest.approx(sampled, abs=2e-3)
    assert 0.1 < sampled < 0.9
    with pytest.raises(Unsupported, match="circles only"):
        quiet_share(block(1, "rms", 3, "var"))


def test_beyond_the_critical_radius_is_the_sphere() -> None:
    """The code at infinity is the code of the direction on the sphere of eps = 0."""
    network: Network = block(11, "layernorm", 3, "std")
    sphere = partition(network, Sphere())
    for x in np.random.default_rng(5).normal(size=(20, 3)).tolist():
        assert critical_radii(network, x).at_infinity == sphere.code_of(sphere.locate(x))
