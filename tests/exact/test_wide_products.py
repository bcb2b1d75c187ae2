"""Exact products of wide float matrices and a few columns, against the backend's own product."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest

from exact import Plane, Segment, partition
from exact.arithmetic import linear_algebra
from exact.arithmetic.linear_algebra import is_wide, wide_product
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, RationalMatrix, rational
from exact.networks.operators import Dense
from exact.sources import tensors

CHANGES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "normal": lambda w: w,
    "float32": lambda w: w.astype(np.float32).astype(np.float64),
    "whole": lambda w: np.round(w * 9),
    "zeros": lambda w: w * 0,
    "sparse": lambda w: w * (np.abs(w) > 2),
    "small": lambda w: w * 2.0**-820,
    "large": lambda w: w * 2.0**890,
    "ranges": lambda w: w * 2.0 ** np.linspace(-90, 90, len(w))[:, None],
    "wide range": lambda w: w * 2.0 ** np.linspace(-120, 120, w.shape[1]),
}


def _columns(size: int, count: int, rng: np.random.Generator) -> RationalArray:
    values = [rational(float(x)) / 3**k for k, x in enumerate(rng.normal(size=3))]
    return RationalArray(
        size,
        count,
        [values[i % 3] * int(x) for i, x in enumerate(rng.integers(-9, 9, size * count))],
    )


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("count", [1, 3])
def test_equals_the_rational_product(name: str, count: int) -> None:
    rng = np.random.default_rng(0)
    weight = RationalMatrix.from_floats(CHANGES[name](rng.normal(size=(40, 1700))))
    columns = _columns(1700, count, rng)
    found = wide_product(weight, columns)
    assert found is not None and found == weight.exact * columns


def test_more_columns_than_are_split_at_a_time() -> None:
    """And numbers of more digits than one, of both signs, over different denominators."""
    rng = np.random.default_rng(1)
    weight = RationalMatrix.from_floats(rng.normal(size=(15, 2 * linear_algebra._CACHED + 300)))
    values = [rational(float(x)) / (1, 3, 5)[i % 3] for i, x in enumerate(rng.normal(size=9000))]
    columns = RationalArray(weight.shape[1], 2, values[: 2 * weight.shape[1]])
    found = wide_product(weight, columns)
    assert found is not None and found == weight.exact * columns


def test_abstains_on_denominators_that_grow() -> None:
    """Without the common multiple of all of them."""
    columns = RationalArray(1700, 1, [Rational(1, 2 * i + 1) for i in range(1700)])
    weight = RationalMatrix.from_floats(np.ones((40, 1700)))
    assert wide_product(weight, columns) is None
    assert Dense(weight).apply(columns) == weight.exact * columns


@pytest.mark.parametrize("scale", [2.0**-1022, 2.0**-930, 2.0**960])
def test_abstains_at_the_ends_of_float64(scale: float) -> None:
    weight = RationalMatrix.from_floats(np.full((40, 1700), scale))
    columns = RationalArray(1700, 1, [Rational(1)] * 1700)
    assert wide_product(weight, columns) is None
    assert Dense(weight).apply(columns) == weight.exact * columns


def test_abstains_on_very_different_sizes() -> None:
    values = np.ones((40, 1700))
    values[:, 1] = 2.0**-700
    weight = RationalMatrix.from_floats(values)
    assert wide_product(weight, RationalArray(1700, 1, [Rational(1)] * 1700)) is None
    long = RationalArray(1700, 1, [Rational(10**200 + i) for i in range(1700)])
    assert wide_product(RationalMatrix.from_floats(np.ones((40, 1700))), long) is None


def test_digits_fill_the_mantissa_without_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digits as large as they get, over the widest row for their length: one bit more a digit would
    be rounded.
    """
    rng, size = np.random.default_rng(3), (1 << 16) - 1
    values = (2**53 - 1 - 2 * rng.integers(0, 2**20, (2, size))).astype(np.float64)
    weight = RationalMatrix.from_floats(values)
    entries = [2**54 - 1 - 2 * int(x) for x in rng.integers(0, 2**20, size)]
    columns = RationalArray(size, 1, [Rational(x) for x in entries])
    found = wide_product(weight, columns)
    expected = [sum(int(w) * x for w, x in zip(row, entries, strict=True)) for row in values]
    assert found is not None and found.entries() == expected
    monkeypatch.setattr(linear_algebra, "_ENTRIES", 1 << 40)
    assert not is_wide(weight, 1) and wide_product(weight, columns) is None


def test_rows_and_images_of_the_same_columns_are_kept() -> None:
    rng = np.random.default_rng(1)
    operator = Dense(RationalMatrix.from_floats(rng.normal(size=(40, 1700))))
    columns = [_columns(1700, 2, rng) for _ in range(6)]
    images = [operator.apply(one) for one in columns]
    assert operator.apply(columns[-1]) is images[-1]
    assert all(operator.apply(a) == b for a, b in zip(columns, images, strict=True))
    assert operator.apply_row(7, columns[0]) == [images[0][7, 0], images[0][7, 1]]
    small = Dense(RationalMatrix.from_rationals([[1, 2], [3, 4]]))
    assert small.apply_row(1, RationalArray(2, 1, [Rational(5), Rational(6)])) == [39]
    assert vars(pickle.loads(pickle.dumps(operator))).keys() == {"matrix"}


def test_wide_inputs_cut_like_their_images() -> None:
    """A network on a wide plane or segment is the one of few inputs on the plane of its images."""
    rng = np.random.default_rng(2)
    weight, points = rng.integers(-8, 9, (64, 1200)) / 8.0, rng.integers(-8, 9, (3, 1200)) / 8.0
    rest = [(rng.normal(size=(8, 64)), rng.normal(size=8)), (rng.normal(size=(1, 8)), None)]
    wide = tensors.mlp([(weight, np.zeros(64)), *rest])
    narrow = tensors.mlp([(np.eye(64), np.zeros(64)), *rest])
    images = points @ weight.T  # exact: small multiples of 1/64
    for make in (
        lambda p: Segment(p[0], p[1]),
        lambda p: Plane(p[0], p[1], p[2], s=(0, 1), t=(0, 1)),
    ):
        found, same = partition(wide, make(points)), partition(narrow, make(images))
        assert len(found) > 20 and found.digest == same.digest
        assert (found.neighbours() == same.neighbours()).all()
