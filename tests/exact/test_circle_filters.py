"""The filters for many circles: error bounds hold, enclosures hold their zeros, and abstentions are
few.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import torch

from exact import HardTanh, Layer, LayerNorm, Norm, ReLU, RMSNorm
from exact.arithmetic.numbers import RationalMatrix, fraction, rational
from exact.propagation.circle_filters import (
    CircleZeros,
    ReadOut,
    bases,
    circle_events,
    circle_zeros,
    function_errors,
)
from tests.exact.reference import Floats, dot, real

THIRD = Fraction(1, 3)


def tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float64))


def lines(seed: int, count: int) -> tuple[Floats, Floats, Floats, Floats]:
    """p, q, c and errors: lines that cut, miss, nearly touch, of all sizes, and some through the
    centre.
    """
    generator = np.random.default_rng(seed)
    p, q, c = generator.normal(size=(3, count)) * 10.0 ** generator.integers(-30, 30, count)
    radius, part = np.hypot(p, q), count // 4
    nearly = generator.choice([-1, 1], part) * (
        1 - generator.choice([-1, 1], part) * 10.0 ** -generator.uniform(1, 17, part)
    )
    c[:part] = radius[:part] * nearly
    c[part : part + 10] = 0.0
    return p, q, c, radius * 10.0 ** -generator.uniform(5, 18, count)


def true_zeros(p: float, q: float, c: Any) -> list[Any]:
    """The diamond angles of the falling and the rising zero of `p cos t + q sin t + c`, by arccos;
    [] without zeros.
    """
    radius, phase = mpmath.sqrt(mpmath.mpf(p) ** 2 + mpmath.mpf(q) ** 2), mpmath.atan2(q, p)
    if abs(c) >= radius:
        return []
    return [diamond(phase + side * mpmath.acos(-c / radius)) for side in (1, -1)]


def diamond(angle: Any) -> Any:
    x, y = mpmath.cos(angle), mpmath.sin(angle)
    share = y / (abs(x) + abs(y))
    return (share if y >= 0 else 4 + share) if x >= 0 else 2 - share


def circle_gap(a: Any, b: Any) -> Any:
    return min((a - b) % 4, (b - a) % 4)


@pytest.mark.parametrize("seed", range(2))
def test_enclosures_hold_the_zeros_of_everything_within_the_error(seed: int) -> None:
    p, q, c, error = lines(seed, 240)
    found = circle_zeros(*(tensor(x) for x in (p, q, c, error)))
    crosses, misses = found.crosses.numpy(), found.misses.numpy()
    assert not (crosses & misses).any()
    assert (crosses | misses)[60:].mean() > 0.98
    assert crosses[60:70].all()
    with mpmath.workprec(300):
        for k in range(240):
            for shift in (-1, 0, 1):
                at = true_zeros(p[k], q[k], mpmath.mpf(c[k]) + shift * mpmath.mpf(error[k]))
                if misses[k]:
                    assert at == []
                if crosses[k]:
                    assert len(at) == 2
                    for place, named in zip(at, (found.falling[k], found.rising[k]), strict=True):
                        assert circle_gap(place, mpmath.mpf(float(named))) <= float(found.width[k])


def test_enclosures_are_not_much_wider_than_the_error() -> None:
    p, q, c, _ = lines(7, 400)
    found = circle_zeros(*(tensor(x) for x in (p, q, c, np.zeros(400))))
    steep = np.abs(c) < 0.9 * np.hypot(p, q)
    assert found.crosses.numpy()[steep].all()
    assert found.width.numpy()[steep].max() < 2.0**-45


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_what_is_no_number_or_overflows_decides_nothing(bad: float) -> None:
    for row in np.diag([bad] * 3) + (1 - np.eye(3)) * 0.5:
        found = circle_zeros(*(tensor([x]) for x in row), tensor([0.0]))
        # an offset beyond every radius still misses
        finite = np.isfinite(bad) and abs(row[2]) == bad
        assert not found.crosses.any()
        assert bool(found.misses) == finite


def drawn_layer(kind: str, n: int, generator: np.random.Generator) -> tuple[Layer, Norm | None]:
    weight, bias = generator.normal(size=(9, n)), generator.normal(size=9)
    gain, shift = generator.normal(1, 0.3, n), generator.normal(size=n)
    if kind == "none, rational":
        return Layer.of(
            [[Fraction(x) * THIRD for x in row] for row in weight.tolist()],
            [Fraction(x) * THIRD for x in bias.tolist()],
            ReLU(),
        ), None
    if kind == "layer norm, central":
        return Layer.of(weight, np.zeros(9), ReLU()), LayerNorm.of(0, 1000 * gain)
    if kind == "none, far":
        return Layer.of(weight, 1e6 * bias, ReLU()), None
    if kind == "layer norm, cancelling":
        return Layer.of(weight, -weight @ (1e4 * shift), ReLU()), LayerNorm.of(0, gain, 1e4 * shift)
    if kind == "none, central":
        return Layer.of(weight, np.zeros(9), ReLU()), None
    if kind == "layer norm":
        return Layer.of(weight, bias, ReLU()), LayerNorm.of(0, gain, shift)
    if kind == "layer norm, rational":
        gains, shifts = ([Fraction(x) * THIRD for x in y.tolist()] for y in (gain, shift))
        return Layer.of(weight, bias, HardTanh(-THIRD, 1)), LayerNorm.of(0, gains, shifts)
    return Layer.of(weight, bias, HardTanh()), RMSNorm.of(0, gain)


def vectors(kind: str, n: int, generator: np.random.Generator) -> list[list[Fraction]]:
    u, v = generator.normal(size=(2, n))
    if kind == "large mean":
        u, v = u + 2.0**30, v - 2.0**31
    if kind == "mean in u":
        u, v = u + 2.0**12, v + 1000 * u
    if kind == "nearly parallel":
        v = 3 * u + 2.0**-20 * v
    rows = [[Fraction(x) for x in w.tolist()] for w in (u, v)]
    return [[x * THIRD for x in row] for row in rows] if kind == "rational" else rows


def exact_value(
    layer: Layer, norm: Norm | None, circle: list[list[Fraction]], radius_squared: Fraction, at: Any
) -> list[Any]:
    """Every hinge of the layer on the circle at alpha u + beta v, scaled to its radius: textbook
    formulas in mpmath.
    """
    x = [a * at[0] + b * at[1] for a, b in zip(*(map(real, w) for w in circle), strict=True)]
    if isinstance(norm, LayerNorm):
        mean = sum(x) / len(x)
        x = [value - mean for value in x]
    length = mpmath.sqrt(sum(value**2 for value in x))
    x = [value * mpmath.sqrt(real(radius_squared)) / length for value in x]
    if norm is not None:
        gain, bias = (list(map(real, column.column())) for column in (norm.gain, norm.bias))
        x = [g * value + h for g, value, h in zip(gain, x, bias, strict=True)]
    rows = [list(map(real, layer.weight.row(j))) for j in range(layer.width)]
    values = [sum(w * value for w, value in zip(row, x, strict=True)) for row in rows]
    return [
        z + real(layer.bias.row(j)[0]) - real(t)
        for j, z in enumerate(values)
        for t in layer.activation.breakpoints
    ]


@pytest.mark.parametrize("n", [3, 20])
@pytest.mark.parametrize("how", ["plain", "large mean", "mean in u", "nearly parallel", "rational"])
@pytest.mark.parametrize(
    "kind",
    [
        "none, rational",
        "layer norm",
        "layer norm, rational",
        "rms norm, bends",
        "none, central",
        "none, far",
        "layer norm, central",
        "layer norm, cancelling",
    ],
)
def test_functions_lie_within_their_error_bounds(kind: str, how: str, n: int) -> None:
    """At directions all around, the hinge times sqrt(Q) differs from `p cos + q sin + c` by no more
    than the bound.
    """
    generator = np.random.default_rng([n, len(kind), len(how)])
    layer, norm = drawn_layer(kind, n, generator)
    u, v = vectors(how, n, generator)
    square = Fraction(n) if norm is not None else Fraction(7, 3)
    read = ReadOut.of(layer, norm, rational(square), "cpu")
    given = [RationalMatrix.from_rationals([w]) for w in (u, v)]
    slack = [0.0 if m.is_float else float(np.linalg.norm(m.float64_error())) * 1.01 for m in given]
    frame = bases(read, *(tensor(m.float64()) for m in given), *(tensor([e]) for e in slack))
    assert bool(frame.usable) or (how == "nearly parallel" and n == 3) or how == "large mean"
    if not bool(frame.usable):
        return
    p, q = (read.for_bends(x[None])[0].tolist() for x in frame.inner @ read.weight.T)
    bounds, offsets = function_errors(read, frame.errors)[0].tolist(), read.offsets.tolist()
    share, scale, factor = (Fraction(float(x)) for x in (frame.share, frame.scale, frame.factor))
    basis = [u, [scale * (y - share * x) for x, y in zip(u, v, strict=True)]]
    with mpmath.workprec(250):
        for angle in np.linspace(0.1, 6.2, 6).tolist():
            at = mpmath.cos(angle), mpmath.sin(angle)
            size = real(factor) * root_of_form(basis, norm, square, at)
            for j, value in enumerate(exact_value(layer, norm, basis, square, at)):
                near = mpmath.mpf(p[j]) * at[0] + mpmath.mpf(q[j]) * at[1] + mpmath.mpf(offsets[j])
                assert abs(size * value - near) <= bounds[j]
    if how == "plain" and kind == "layer norm":
        assert max(bounds) < n * 2.0**-42


def test_the_bound_holds_for_sums_in_any_order() -> None:
    """The a priori bound of a dot product, n U |w| |x|, whatever the sums at hand lose."""
    read = ReadOut.of(Layer.of(np.eye(50), np.zeros(50), ReLU()), None, rational(1), "cpu")
    frame = bases(
        read, *(tensor(np.eye(50)[k : k + 1]) for k in (0, 1)), tensor([0.0]), tensor([0.0])
    )
    assert 50 * 2.0**-53 * 2**0.5 < frame.errors[0, 0] < 100 * 2.0**-53 * 2**0.5
    assert 50 * 2.0**-53 < frame.errors[0, 1] < 500 * 2.0**-53


def root_of_form(basis: list[list[Fraction]], norm: Norm | None, square: Fraction, at: Any) -> Any:
    """sqrt(Q) over the radius: the length of alpha u + beta v, behind a LayerNorm without its
    mean.
    """
    columns = basis
    if isinstance(norm, LayerNorm):
        columns = [[x - sum(w) / len(w) for x in w] for w in basis]
    a, b, c = dot(columns[0], columns[0]), dot(columns[0], columns[1]), dot(columns[1], columns[1])
    form = real(a) * at[0] ** 2 + 2 * real(b) * at[0] * at[1] + real(c) * at[1] ** 2
    return mpmath.sqrt(form / real(square))


@pytest.mark.parametrize("norm_bias", [[0.1, 0.3, -0.7], [THIRD, THIRD, -THIRD], [0, 0, 0]])
@pytest.mark.parametrize("bias", [[0.7, 2.0**-60, -0.0], [THIRD, -THIRD, 10**9]])
def test_offsets_lie_within_their_error_bounds(bias: list[Any], norm_bias: list[Any]) -> None:
    """b + W h - t, where W h cancels and where b and t do, against fractions."""
    weight = [[1e8, 1e8, 1e8 * (4 / 7 + 1e-9)], [1.0, -1e12, 1e12], [3.0, 3.0, 6.0]]
    layer = Layer.of(weight, bias, HardTanh(-THIRD, 0.7))
    norm = RMSNorm.of(0, [1, 1, 1], norm_bias)
    read = ReadOut.of(layer, norm, rational(3), "cpu")
    h, bends = (
        [fraction(x) for x in norm.bias.column()],
        [fraction(t) for t in layer.activation.breakpoints],
    )
    rows = zip(weight, layer.bias.column(), strict=True)
    exact = [dot(map(Fraction, row), h) + fraction(b) - t for row, b in rows for t in bends]
    for value, near, bound in zip(
        exact, read.offsets.tolist(), read.offset_errors.tolist(), strict=True
    ):
        assert abs(value - Fraction(near)) <= Fraction(bound)


def test_a_zero_gain_and_equal_rows_need_no_error() -> None:
    """Rows of zeros without an offset are off for certain, with one they miss; exact inputs keep
    the bounds small.
    """
    layer = Layer.of([[0, 0], [0, 0], [0, 0], [1, 0]], [0, 1, -1, 0], ReLU())
    read = ReadOut.of(layer, RMSNorm.of(0, dim=2), rational(2), "cpu")
    assert read.is_zero.tolist() == [True, False, False, False]
    frame = bases(read, tensor([[3, 4]]), tensor([[-4, 3]]), tensor([0]), tensor([0]))
    p, q = (frame.inner @ read.weight.T).reshape(1, 2, 4).unbind(1)
    zeros = circle_zeros(p, q, read.offsets, function_errors(read, frame.errors))
    assert zeros.crosses.tolist() == [[False, False, False, True]]
    assert zeros.misses.tolist() == [[False, True, True, False]]
    events = circle_events(zeros, read.offsets, read.is_zero)
    assert (events.rows.tolist(), events.bits.tolist()) == ([3, 3], [[False, True, False, True]])
    assert events.proved.tolist() == [True]


def made_zeros(
    falling: list[list[float]], rising: list[list[float]], crosses: list[list[bool]]
) -> CircleZeros:
    shape = np.shape(falling)
    return CircleZeros(
        tensor(falling),
        tensor(rising),
        torch.full(shape, 2.0**-10, dtype=torch.float64),
        torch.tensor(crosses),
        ~torch.tensor(crosses),
    )


def test_events_are_sorted_and_bits_follow_from_their_order() -> None:
    zeros = made_zeros(
        [[3.0, 0.5, 1.5], [2.0, 9.0, 9.0]],
        [[1.0, 2.5, 9.0], [1.0, 9.0, 9.0]],
        [[True, True, False], [True, False, False]],
    )
    events = circle_events(zeros, tensor([0.1, 0.2, -0.3]), torch.zeros(3, dtype=torch.bool))
    assert events.counts.tolist() == [4, 2]
    assert events.rows.tolist() == [1, 0, 1, 0, 0, 0]
    assert ((events.low + events.high) / 2).tolist() == [0.5, 1.0, 2.5, 3.0, 1.0, 2.0]
    assert events.bits.tolist() == [[False, True, False], [False, True, False]]
    assert events.proved.tolist() == [True, True]


@pytest.mark.parametrize(
    ("at", "proved"),
    [
        ((1.0, 1.0 + 2.0**-9), False),
        ((1.0, 1.0 + 2.0**-8), True),
        ((2.0**-10, 2.0), False),
        ((2.0**-9, 2.0), True),
        ((2.0, 4 - 2.0**-10), False),
        ((2.0, 4 - 2.0**-9), True),
    ],
)
def test_enclosures_that_meet_prove_nothing(at: tuple[float, float], proved: bool) -> None:
    """Each other, or the place where the circle is cut open; alone, or with other circles and
    functions.
    """
    for falling, rising in (at, at[::-1]):
        zeros = made_zeros(
            [[falling, 2.5], [1.0, 9.0]], [[rising, 3.0], [2.0, 9.0]], [[True, True], [True, False]]
        )
        events = circle_events(zeros, tensor([0.1, 0.1]), torch.zeros(2, dtype=torch.bool))
        assert events.proved.tolist() == [proved, True]
