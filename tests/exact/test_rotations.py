"""Rotations: crossings are those of the partition of the same circle, kinks and lengths those of
the sampled output.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exact import (
    GELU,
    Block,
    GreatCircle,
    HardTanh,
    InvalidInput,
    Layer,
    LayerNorm,
    LeakyReLU,
    MissingExtra,
    Network,
    Norm,
    NotPiecewiseLinear,
    ReLU,
    RMSNorm,
    Rotations,
    Undecided,
    Unsupported,
    partition,
    rotations,
)
from exact.arithmetic.enclosures import elliptic_arcs
from exact.arithmetic.enclosures.elliptic_arcs import elliptic_lengths
from exact.arithmetic.numbers import Rational
from exact.regions.arcs.partition import CurvePartition
from exact.sources import tensors
from tests.exact.own_parts import Contrast, Pieced, Shrink

NORMS: tuple[Any, ...] = (None, LayerNorm, RMSNorm, Contrast)
ACTIVATIONS: tuple[Any, ...] = (ReLU(), LeakyReLU(Rational(1, 3)), HardTanh(), Shrink())
PAIRS = st.lists(st.integers(-3, 3), min_size=3, max_size=3)


def net_of(
    seed: int, norm: type[Norm] | None, activation: Any, outputs: int, deep: bool
) -> Network:
    random = np.random.default_rng(seed)
    layers = [Layer.of(random.integers(-2, 3, (5, 3)), random.integers(-2, 3, 5), activation)]
    layers += [Layer.of(random.integers(-2, 3, (4, 5)), [1, 0, 1, 2])] if deep else []
    layers += [Layer.of(random.integers(-2, 3, (outputs, layers[-1].width)), [1] * outputs)]
    gain, bias = random.integers(1, 4, 3), random.integers(-1, 2, 3)
    made = None if norm is None else norm.of(0, gain, bias)
    return Network((Block(tuple(layers), made),))


def radius_of(net: Network) -> Any:
    return None if net.has_norm else Fraction(7, 2)


def enumerated(net: Network, u: Any, v: Any, whole: bool) -> tuple[Any, list[Any]]:
    """The partition, and (angle, neuron, breakpoint, on) of its crossings between u and v."""
    circle = partition(net, GreatCircle(u, v, radius_of(net)))
    assert isinstance(circle, CurvePartition)
    zero, end = circle.direction_of(u), circle.direction_of(v)
    found = list[Any]()
    for k, crossing in enumerate(c for c in circle.crossings if not c.tangent):
        point, code = crossing.direction, circle.regions[k].code.bits
        if whole or (point.compare(zero) > 0 and point.compare(end) < 0):
            found += [
                (crossing.angle_float, h.neuron, h.breakpoint, bool(code[net.hinges.index(h)]))
                for h in crossing.hinges
            ]
    return circle, found


def listed(found: Rotations, row: int) -> list[Any]:
    mine = found.rows == row
    return list(
        zip(
            found.angles_float[mine].tolist(),
            found.neurons[mine].tolist(),
            found.breakpoints[mine].tolist(),
            found.on[mine].tolist(),
            found.angles_bound[mine].tolist(),
            strict=True,
        )
    )


def path(net: Network, u: Any, v: Any) -> Any:
    """The output at angles from u, in floats."""
    norm = net.blocks[0].norm
    a, b = (np.array(x, dtype=float)[None] for x in (u, v))
    a, b = (a, b) if norm is None else (norm.project_float(a), norm.project_float(b))
    b = b - (a * b).sum() / (a * a).sum() * a
    a, b = (x / np.linalg.norm(x) * math.sqrt(3.5) for x in (a, b))
    return lambda t: net.forward_float(np.cos(t)[:, None] * a + np.sin(t)[:, None] * b)


def independent(net: Network, u: Any, v: Any) -> bool:
    norm = net.blocks[0].norm
    floats = np.array([u, v], dtype=float)
    seen = floats if norm is None else norm.project_float(floats)
    return int(np.linalg.matrix_rank(seen, tol=1e-9)) == 2


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_crossings_kinks_and_lengths(data: st.DataObject) -> None:
    norm, activation = data.draw(st.sampled_from(NORMS)), data.draw(st.sampled_from(ACTIVATIONS))
    outputs, deep = data.draw(st.integers(1, 3)), data.draw(st.booleans())
    net = net_of(data.draw(st.integers(0, 10**6)), norm, activation, outputs, deep)
    pairs = data.draw(st.lists(st.tuples(PAIRS, PAIRS), min_size=1, max_size=3))
    pairs = [pair for pair in pairs if independent(net, *pair)]
    if not pairs:
        return
    whole = data.draw(st.booleans())
    us, vs = zip(*pairs, strict=True)
    found = rotations(net, us, vs, radius_squared=radius_of(net), whole=whole)
    assert found.lengths_bound.max() < 1e-7
    for row, (u, v) in enumerate(pairs):
        circle, expected = enumerated(net, u, v, whole)
        rows = listed(found, row)
        assert sorted(x[1:4] for x in rows) == sorted(x[1:] for x in expected)
        for mine, theirs in zip(sorted(rows), sorted(expected), strict=True):
            assert abs(mine[0] - theirs[0]) <= mine[4] + 8e-16 < 1e-9
        points = len({x[0] for x in expected})
        assert found.arc_counts[row] == (len(circle) if whole else points + 1)
        assert found.exact(row).digest == circle.digest
        run, end = path(net, u, v), 2 * math.pi if whole else found.ends_float[row]
        ends = np.unique([0.0, *(x[0] for x in expected), end])
        grid = np.unique(np.concatenate([np.linspace(*e, 400) for e in pairwise(ends)]))
        sampled = np.linalg.norm(np.diff(run(grid), axis=0), axis=1).sum()
        assert sampled == pytest.approx(found.lengths_float[row], rel=1e-4, abs=1e-7)
        angles = np.array([x[0] for x in rows])
        for k in np.flatnonzero(found.rows == row).tolist():
            at, h = found.angles_float[k], 1e-5
            if (np.abs(np.mod(angles - at + 1, 2 * math.pi) - 1) < 2 * h).sum() == 1:
                before, here, after = run(np.array([at - h, at, at + h]))
                bent = np.linalg.norm(before - 2 * here + after) / h
                assert bent == pytest.approx(found.kinks_float[k], abs=2e-3)
                assert found.kinks_bound[k] < 1e-9


def exact_length(a: Any, b: Any, start: float, stop: float, cuts: list[float]) -> Any:
    with mpmath.workdps(40):
        points = sorted({mpmath.mpf(x) for x in (start, stop, *cuts) if start <= x <= stop})
        pairs = [(mpmath.mpf(x), mpmath.mpf(y)) for x, y in zip(a, b, strict=True)]

        def speed(t: Any) -> Any:
            return mpmath.norm([y * mpmath.cos(t) - x * mpmath.sin(t) for x, y in pairs])

        return mpmath.quad(speed, points)


def test_lengths_of_arcs_lie_within_their_bounds() -> None:
    """Against 40 digits: round, flat and nearly flat ellipses, and none."""
    random = np.random.default_rng(5)
    for case in range(40):
        a, b = random.normal(size=(2, 1 + case % 3))
        flat = (1.0, 1e-3, 1e-5, 1e-9, 0.0)[case % 5]
        b = 2 * a + flat * b
        start, stop = np.sort(random.uniform(0, 2 * math.pi, 2))
        phase = math.atan2(a @ b, (b @ b - a @ a) / 2) / 2
        turns = [k * math.pi / 2 - phase for k in range(-4, 9)]
        cuts = [t + s for t in turns for s in (-1e-2, -1e-4, -1e-7, 0, 1e-7, 1e-4, 1e-2)]
        gram = np.array([[a @ a, a @ b, b @ b]])
        errors = 8 * 2.0**-53 * (a @ a + b @ b) * np.ones(1)
        found = elliptic_lengths(gram, errors, np.array([start]), np.array([stop]))
        off = abs(float(exact_length(a, b, start, stop, cuts) - mpmath.mpf(found.values[0])))
        assert off <= found.bounds[0] < 1e-11


def test_what_the_squared_speed_is_off_by_is_in_the_bound() -> None:
    """A flat ellipse made round by 10^-6 of its squared axis is longer by more than roundings."""
    for off in (1e-6, 1e-10):
        flat, round_ = np.array([[1.0, 0, 0]]), np.array([[1.0, 0, off]])
        ends = np.zeros(1), np.full(1, math.pi)
        first = elliptic_lengths(flat, np.full(1, off), *ends)
        second = elliptic_lengths(round_, np.zeros(1), *ends)
        assert 0 < second.values[0] - first.values[0] <= first.bounds[0] < 100 * off


def test_the_error_of_the_rule_is_bounded_before_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """With three points and a loose goal the rule is what is wrong, and its bound holds."""
    nodes, weights = np.polynomial.legendre.leggauss(3)
    for name, value in (("_POINTS", 3), ("_NODES", nodes), ("_WEIGHTS", weights), ("_SMALL", 1e-3)):
        monkeypatch.setattr(elliptic_arcs, name, value)
    a, b = np.array([1.0, 0.2]), np.array([0.5, 1.0])
    gram = np.array([[a @ a, a @ b, b @ b]])
    offs = list[float]()
    for stop in np.linspace(0.3, 6.2, 25):
        found = elliptic_lengths(gram, np.zeros(1), np.zeros(1), np.array([stop]))
        offs.append(abs(float(exact_length(a, b, 0, stop, [1, 2, 3, 4, 5])) - found.values[0]))
        assert offs[-1] <= found.bounds[0]
    assert max(offs) > 1e-8


def test_points_on_hinges_and_nearly_parallel_rows() -> None:
    """u and v on a hinge are no crossings between them; bases that floats lose are made exactly."""
    net = tensors.mlp([([[1, 0], [0, 1], [1, -1]], None), ([[1, 1, 1]], None)])
    found = rotations(net, [[1, 0], [1, 0]], [[0, 1], [1, 2.0**-60]], radius_squared=1)
    assert found.rows.tolist() == [0] and found.neurons.tolist() == [2]
    assert found.arc_counts.tolist() == [2, 1]
    assert found.ends_float.tolist() == [math.pi / 2, 2.0**-60]
    assert abs(found.lengths_float[1] - 2.0**-60) <= found.lengths_bound[1] < 1e-13
    assert abs(found.lengths_float[0] - 1) <= found.lengths_bound[0] < 1e-10
    ring = rotations(net, [[1, 0], [1, 0]], [[0, 1], [1, 2.0**-60]], radius_squared=1, whole=True)
    assert ring.angles_float[ring.rows == 0].tolist() == ring.angles_float[ring.rows == 1].tolist()
    assert ring.angles_float[0] == 0 and ring.neurons[:2].tolist() == [1, 2]
    assert abs(ring.lengths_float[0] - ring.lengths_float[1]) <= ring.lengths_bound.sum() < 1e-10


def test_scales_and_rational_weights() -> None:
    """Powers of two change lengths and kinks by themselves; thirds are no floats."""
    third = Fraction(1, 3)
    weight = np.array([[1, 2, -1], [third, -1, 1], [2, 1, third]], dtype=object)
    pair = [[third, 1, 0]], [[0, 1, 1]]
    net = tensors.mlp([(weight, [0, third, 0]), ([[1, third, 2]], None)])
    found = rotations(net, *pair, radius_squared=third)
    big = tensors.mlp([(weight, [0, third, 0]), ([[2**900, third * 2**900, 2**901]], None)])
    scaled = rotations(big, *pair, radius_squared=third)
    assert scaled.lengths_float[0] == math.ldexp(found.lengths_float[0], 900)
    assert scaled.kinks_float.tolist() == np.ldexp(found.kinks_float, 900).tolist()
    huge = tensors.mlp([(np.array(weight) * 2**1000, [0, 0, 0]), ([[1, 1, 1]], None)])
    with pytest.raises(Undecided, match=r"too large for float64.*scale the weights"):
        _ = rotations(huge, *pair, radius_squared=2**100).lengths_float


NET = tensors.block([[1, 0, 2], [0, 1, 0]], [0, 0], [[1, 1]], [0], "layernorm", eps=0)
FREE = tensors.mlp([([[1, 0, 2], [0, 1, 0]], [0, 0]), ([[1, 1]], [0])])
GOOD = [1.0, -1.0, 0.0]


@pytest.mark.parametrize(
    ("net", "u", "v", "message"),
    [
        (NET, [[0, 0, 0]], [GOOD], "row 0 of U is zero"),
        (NET, [GOOD, GOOD], [[0, 1, 0], [0, 0, 0]], "row 1 of V is zero"),
        (NET, [GOOD], [[2, 2, 2]], "LayerNorm does not see row 0 of V"),
        (NET, [GOOD], [[2, -2, 0]], "rows 0 of U and V span no circle"),
        (NET, [GOOD], [[3, 1, 2]], "rows 0 of U and V span no circle"),
        (FREE, [GOOD], [[-2, 2, 0]], "rows 0 of U and V span no circle"),
        (NET, [GOOD, GOOD], np.array([[0, 1, 0], [0, math.nan, 0]]), "row 1 of V is not finite"),
        (NET, [[1, 2]], [[3, 4]], "U does not fit the network"),
        (NET, [GOOD], [[0, 1, 0], [1, 0, 0]], "u and v do not fit"),
    ],
)
def test_refusals(net: Network, u: Any, v: Any, message: str) -> None:
    radius = None if net.has_norm else 1
    with pytest.raises(InvalidInput, match=message):
        rotations(net, u, v, radius_squared=radius)


def test_networks_that_are_refused() -> None:
    pair = [GOOD], [[0, 1, 0]]
    with pytest.raises(InvalidInput, match="not a network"):
        rotations(3, *pair)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="whole is neither"):
        rotations(NET, *pair, whole=2)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="unknown errors="):
        rotations(NET, *pair, errors="skip")  # type: ignore[arg-type]
    skip = Network((Block((Layer.of(np.eye(3), activation=ReLU()),), residual=True),))
    with pytest.raises(Unsupported, match="without a skip"):
        rotations(skip, *pair, radius_squared=1)
    jump = Pieced((Rational(0),), ((Rational(0), Rational(0)), (Rational(1), Rational(1))))
    with pytest.raises(Unsupported, match="gaps"):
        rotations(Network((Block((Layer.of(np.eye(3), activation=jump),)),)), *pair)


def test_smooth_activations_have_crossings_and_no_length() -> None:
    block = NET.blocks[0]
    layers = replace(block.layers[0], activation=GELU()), block.layers[1]
    smooth = Network((replace(block, layers=layers),))
    pair = [[1, -1, 0]], [[0, 1, -1]]
    found, sharp = rotations(smooth, *pair), rotations(NET, *pair)
    assert found.angles_float.tolist() == sharp.angles_float.tolist()
    assert found.on.tolist() == sharp.on.tolist() and not found.kinks_float.any()
    with pytest.raises(NotPiecewiseLinear, match=r"elliptic arcs.*GELU.*relu_ised"):
        _ = found.lengths_float


def test_rows_that_are_kept() -> None:
    """Bad rows are marked and named; the others are as without them."""
    u = np.array([GOOD, [math.nan, 0, 0], GOOD, [0.0, 0.0, 0.0]])
    v = np.array([[0.0, 1, -1], GOOD, [1.0, 0, 0], GOOD])
    found = rotations(NET, u, v, errors="keep")
    alone = rotations(NET, [u[0], u[2]], [v[0], v[2]])
    assert sorted(found.failures) == [1, 3] and "row 1 of U is not finite" in str(found.failures[1])
    assert np.array_equal(found.rows, 2 * alone.rows)
    assert found.lengths_float[[0, 2]].tolist() == alone.lengths_float.tolist()
    assert np.isnan(found.lengths_float[[1, 3]]).all() and found.arc_counts[[1, 3]].sum() == 0
    assert found.exact(2) == alone.exact(1)
    with pytest.raises(InvalidInput, match="row was refused"):
        found.exact(-1)
    none = rotations(NET, u[1:2], v[1:2], errors="keep")
    assert len(none) == 1 and len(none.rows) == 0 and np.isnan(none.lengths_float).all()


def test_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rotations(NET, [[1, -1, 0]], [[0, 1, -1]])
    table = found.to_pandas()
    columns = "row angle angle_bound layer neuron on kink kink_bound"
    assert list(table.columns) == columns.split()
    assert table["neuron"].tolist() == [0, 1] and table["layer"].tolist() == [1, 1]
    lengths = found.lengths_to_pandas()
    assert lengths["arcs"].tolist() == [3] and lengths["length"][0] == found.lengths_float[0]
    assert repr(found) == "<2 crossings of 1 geodesics>"
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match="pandas"):
        found.to_pandas()


def test_wide_layers_behind_a_norm() -> None:
    """Where the filter proves all circles, angles and kinks are those of the exact points."""
    random = np.random.default_rng(3)
    net = tensors.block(
        random.normal(size=(40, 12)),
        random.normal(size=40),
        random.normal(size=(6, 40)),
        None,
        norm="layernorm",
        gain=1 + random.normal(size=12) / 4,
        bias=random.normal(size=12),
        eps=1e-5,
    )
    u, v = random.normal(size=(2, 4, 12))
    found = rotations(net, u, v, whole=True)
    assert not found.circles.settled
    for row in range(4):
        exact = [c.angle_float for c in found.exact(row).crossings]
        mine = found.rows == row
        off = np.abs(found.angles_float[mine] - exact)
        assert (off <= found.angles_bound[mine] + 8e-16).all() and found.angles_bound.max() < 1e-9
    half = rotations(net, u, -v)
    assert half.ends_float + rotations(net, u, v).ends_float == pytest.approx(math.pi)
    other = rotations(net, -u, v, whole=True)
    assert other.lengths_float == pytest.approx(found.lengths_float, rel=1e-10)


@pytest.mark.gpu
def test_a_gpu_gives_the_same() -> None:
    random = np.random.default_rng(4)
    net = tensors.mlp([(random.normal(size=(300, 20)), None), (random.normal(size=(9, 300)), None)])
    u, v = random.normal(size=(2, 30, 20))
    here, there = (rotations(net, u, v, radius_squared=20, device=d) for d in ("cpu", "cuda"))
    assert np.array_equal(here.neurons, there.neurons) and np.array_equal(here.on, there.on)
    off = np.abs(here.lengths_float - there.lengths_float)
    assert (off <= here.lengths_bound + there.lengths_bound).all()
