"""Numbers: floats of every width enter without loss, what cannot be a rational is refused by name
and place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st

from exact.arithmetic import numbers
from exact.arithmetic.numbers import (
    Ball,
    Rational,
    RationalMatrix,
    ball_bounds,
    ball_precision,
    coprime_integers,
    fraction,
    fractions,
    listed,
    nearest_float,
    nearest_floats,
    rational,
    rationals,
    rounding_error,
    whole_number,
)
from exact.errors import InvalidInput

FRACTIONS = st.builds(Fraction, st.integers(-(10**30), 10**30), st.integers(1, 10**30))
EXPONENTS = st.integers(-1200, 1100)


def decode(pattern: int, exponent_bits: int, mantissa_bits: int) -> Fraction | None:
    """The value of an IEEE bit pattern; None for infinities and NaN."""
    mantissa = pattern & ((1 << mantissa_bits) - 1)
    exponent = (pattern >> mantissa_bits) & ((1 << exponent_bits) - 1)
    sign = -1 if pattern >> (mantissa_bits + exponent_bits) & 1 else 1
    if exponent == (1 << exponent_bits) - 1:
        return None
    bias = (1 << (exponent_bits - 1)) - 1
    significand = mantissa if exponent == 0 else mantissa + (1 << mantissa_bits)
    return sign * significand * Fraction(2) ** (max(exponent, 1) - bias - mantissa_bits)


def signed(pattern: int, bits: int) -> int:
    return pattern - (1 << bits) if pattern >> (bits - 1) else pattern


@pytest.mark.parametrize(
    ("dtype", "exponent_bits", "mantissa_bits"),
    [
        (torch.float16, 5, 10),
        (torch.bfloat16, 8, 7),
        (torch.float32, 8, 23),
        (torch.float64, 11, 52),
    ],
    ids=str,
)
def test_every_float_type_is_read_without_loss(
    dtype: torch.dtype, exponent_bits: int, mantissa_bits: int
) -> None:
    bits = 1 + exponent_bits + mantissa_bits
    integers = {16: torch.int16, 32: torch.int32, 64: torch.int64}[bits]
    generator = np.random.default_rng(bits)
    step = 1 if bits > 16 else 7
    patterns = (
        [int(x) for x in generator.integers(0, 2**bits, 3000, dtype=np.uint64)]
        if bits > 16
        else range(0, 2**16, step)
    )
    expected = {
        pattern: value
        for pattern in patterns
        if (value := decode(pattern, exponent_bits, mantissa_bits)) is not None
    }
    edges = [
        1,
        (1 << mantissa_bits) - 1,
        1 << mantissa_bits,
        ((1 << exponent_bits) - 1 << mantissa_bits) - 1,
        1 << (bits - 1),
    ]
    expected |= {
        edge: value
        for edge in edges
        if (value := decode(edge, exponent_bits, mantissa_bits)) is not None
    }
    tensor = torch.tensor([signed(pattern, bits) for pattern in expected], dtype=integers).view(
        dtype
    )
    assert [row[0] for row in RationalMatrix.from_floats(tensor).tolist()] == list(
        expected.values()
    )


@pytest.mark.parametrize(
    "kind",
    ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", ">f4"],
)
def test_every_numpy_type_is_read_without_loss(kind: str) -> None:
    dtype = np.dtype(kind)
    top = (
        2**53
        if dtype.itemsize == 8
        else 1
        if kind == "bool"
        else np.iinfo(dtype).max
        if dtype.kind in "iu"
        else 7
    )
    values = [0, 1, top] + ([-1, -top] if dtype.kind in "if" else [])
    assert [
        row[0] for row in RationalMatrix.from_floats(np.array(values, dtype=dtype)).tolist()
    ] == values


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_float8_is_read_without_loss(dtype: torch.dtype) -> None:
    tensor = torch.arange(256, dtype=torch.uint8).view(dtype)
    expected = [x for x in tensor.float().tolist() if math.isfinite(x)]
    assert len(set(expected)) > 200
    finite = torch.tensor(expected, dtype=torch.float32).to(dtype)
    assert [row[0] for row in RationalMatrix.from_floats(finite).tolist()] == expected


@pytest.mark.parametrize("kind", ["int64", "uint64"])
def test_integers_that_float64_cannot_hold_are_refused(kind: str) -> None:
    with pytest.raises(InvalidInput, match=r"beyond 2\^53"):
        RationalMatrix.from_floats(np.array([2**53 + 1], dtype=kind))


def test_long_integers_in_lists_are_rationals() -> None:
    assert RationalMatrix.read([[2**53 + 1, -(10**40)]]).tolist() == [[2**53 + 1, -(10**40)]]


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str
)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_entries_are_named(dtype: torch.dtype, bad: float) -> None:
    tensor = torch.zeros(3, 5, dtype=dtype)
    tensor[1, 4] = tensor[2, 0] = bad
    with pytest.raises(InvalidInput) as caught:
        RationalMatrix.from_floats(tensor, name="layers.0.weight")
    assert caught.value.value == f"layers.0.weight[1, 4] = {bad}"


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(np.zeros((2, 2, 2)), id="three axes"),
        pytest.param(np.float64(3.0), id="no axis"),
        pytest.param(np.array([[1j]]), id="complex"),
        pytest.param(np.array([1.0], dtype=np.longdouble), id="longdouble"),
        pytest.param(np.array(["1"]), id="text"),
        pytest.param([[1.0, 2.0], [3.0]], id="ragged"),
    ],
)
def test_what_is_no_float_matrix_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidInput):
        RationalMatrix.from_floats(bad)


def test_the_array_is_copied_and_frozen() -> None:
    array = np.ones((2, 2))
    matrix = RationalMatrix.from_floats(array)
    array[0, 0] = 5.0
    assert matrix[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        matrix.float64()[0, 0] = 7.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, Fraction(3)),
        (True, Fraction(1)),
        (0.1, Fraction(3602879701896397, 2**55)),
        ("0.1", Fraction(1, 10)),
        ("-7/3", Fraction(-7, 3)),
        ("1e-400", Fraction(1, 10**400)),
        (Fraction(5, 9), Fraction(5, 9)),
        (np.float32(0.1), Fraction(13421773, 2**27)),
        (np.float16(0.1), Fraction(1638, 2**14)),
        (np.int64(-4), Fraction(-4)),
        (np.array(2.5), Fraction(5, 2)),
        (torch.tensor(-0.75, dtype=torch.bfloat16), Fraction(-3, 4)),
        (sympy.Rational(22, 7), Fraction(22, 7)),
        (sympy.Integer(9), Fraction(9)),
        (Rational(2, 3), Fraction(2, 3)),
        (5e-324, Fraction(1, 2**1074)),
    ],
    ids=lambda value: f"{type(value).__name__} {value}",
)
def test_rational_reads_exactly(value: object, expected: Fraction) -> None:
    assert fraction(rational(value)) == expected


def test_rational_of_an_extended_float_does_not_round() -> None:
    third = np.longdouble(1) / np.longdouble(3)
    try:
        read = fraction(rational(third))
    except InvalidInput:
        return
    assert read == Fraction(*third.as_integer_ratio())


def test_an_extended_float_beyond_float64_is_finite() -> None:
    large = np.longdouble(2) ** np.longdouble(1030)
    if np.isfinite(large):  # where long doubles are longer than doubles
        assert fraction(rational(large)) == 2**1030


@pytest.mark.parametrize(
    "bad",
    [
        math.nan,
        math.inf,
        np.float32("nan"),
        "one",
        "1/0",
        "",
        None,
        1j,
        [1],
        sympy.sqrt(2),
        np.array([]),
        np.eye(2),
    ],
)
def test_rational_refuses_and_names(bad: object) -> None:
    with pytest.raises(InvalidInput, match="radius"):
        rational(bad, "radius")


def test_rationals_name_the_bad_entry() -> None:
    assert fractions(rationals([1, 0.5, "1/3"])) == (1, Fraction(1, 2), Fraction(1, 3))
    with pytest.raises(InvalidInput, match=r"direction\[2\]"):
        rationals([1, 2, math.inf], "direction")


@given(FRACTIONS, EXPONENTS)
def test_nearest_float_is_nearest_and_the_bound_holds(x: Fraction, exponent: int) -> None:
    value = x * Fraction(2) ** exponent
    found = nearest_float(rational(value))
    if abs(value) >= Fraction(2) ** 1024 - Fraction(2) ** 970:
        assert found == math.copysign(math.inf, value)
        return
    distance = abs(Fraction(found) - value)
    for neighbour in (math.nextafter(found, math.inf), math.nextafter(found, -math.inf)):
        assert math.isinf(neighbour) or distance <= abs(Fraction(neighbour) - value)
    assert distance <= Fraction(float(rounding_error(np.array([found]))[0]))


def test_rounding_error_of_extremes() -> None:
    values = [
        rational(10**400),
        rational(-(10**400)),
        rational(0),
        rational(Fraction(1, 10**400)),
        rational("1/3"),
    ]
    floats = nearest_floats(values)
    assert floats.tolist()[:4] == [math.inf, -math.inf, 0.0, 0.0]
    bounds = rounding_error(floats)
    assert bounds[0] == bounds[1] == math.inf
    assert all(Fraction(1, 10**400) <= Fraction(bound) for bound in bounds[2:4].tolist())


@given(st.lists(st.one_of(st.just(Fraction(0)), FRACTIONS), min_size=1, max_size=6))
def test_coprime_integers_are_a_positive_multiple(values: list[Fraction]) -> None:
    found = coprime_integers([rational(value) for value in values])
    assert math.gcd(*found) == (1 if any(values) else 0)
    ratios = {
        Fraction(integer) / value for integer, value in zip(found, values, strict=True) if value
    }
    assert len(ratios) == any(values)
    assert all(ratio > 0 for ratio in ratios)
    assert [bool(integer) for integer in found] == [bool(value) for value in values]


@given(st.fractions(min_value=0, max_denominator=10**12), st.sampled_from([20, 53, 128, 1000]))
def test_ball_bounds_enclose_a_root(square: Fraction, bits: int) -> None:
    with ball_precision(bits):
        lo, hi = (fraction(x) for x in ball_bounds(Ball(rational(square)).sqrt()))
    assert max(lo, Fraction(0)) ** 2 <= square <= hi**2
    assert hi - lo <= (hi + 1) * Fraction(2) ** (4 - bits)


def test_ball_bounds_of_a_point_are_the_point() -> None:
    assert fractions(ball_bounds(Ball(3) / 4)) == (Fraction(3, 4), Fraction(3, 4))
    assert fractions(ball_bounds(Ball(2) ** 100)) == (2**100, 2**100)


def test_ball_precision_is_restored() -> None:
    def width() -> Fraction:
        lo, hi = (fraction(x) for x in ball_bounds(Ball(2).sqrt()))
        return hi - lo

    before = width()
    with pytest.raises(KeyError), ball_precision(500):
        assert width() < Fraction(1, 2**480) < before
        raise KeyError
    assert width() == before


EQUAL = {
    "float64": RationalMatrix.from_floats(np.array([[0.5, -3.0], [0.0, 2.0**-20]])),
    "float32": RationalMatrix.from_floats(
        np.array([[0.5, -3.0], [-0.0, 2.0**-20]], dtype=np.float32)
    ),
    "bfloat16": RationalMatrix.from_floats(
        torch.tensor([[0.5, -3.0], [0.0, 2.0**-20]], dtype=torch.bfloat16)
    ),
    "transposed": RationalMatrix.from_floats(np.array([[0.5, 0.0], [-3.0, 2.0**-20]]).T),
    "rationals": RationalMatrix.from_rationals([["1/2", -3], [0, Fraction(1, 2**20)]]),
}


@pytest.mark.parametrize("storage", EQUAL)
def test_equal_values_have_equal_digests(storage: str) -> None:
    matrix, reference = EQUAL[storage], EQUAL["float64"]
    assert (matrix.digest, hash(matrix)) == (reference.digest, hash(reference))
    assert matrix == reference
    assert matrix.is_float


def test_different_values_have_different_digests() -> None:
    third = Fraction(1, 3)
    matrices = [
        [[1, 2]],
        [[1], [2]],
        [[2, 1]],
        [[1, 3]],
        [[third, 2]],
        [[third, 3]],
        [[Fraction(1.0 / 3.0), 2]],
        [[1e300, 2]],
        [[10**400, 2]],
        [[-(10**400), 2]],
    ]
    found = [RationalMatrix.from_rationals(rows) for rows in matrices]
    assert len({matrix.digest for matrix in found}) == len(found)
    assert (
        RationalMatrix.from_rationals([[third]]).digest
        == RationalMatrix.from_rationals([["2/6"]]).digest
    )
    assert found[0] != 1
    assert [matrix.is_float for matrix in found] == [True] * 4 + [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


@given(st.lists(st.lists(FRACTIONS, min_size=2, max_size=2), min_size=1, max_size=3))
def test_float64_and_its_error(rows: list[list[Fraction]]) -> None:
    matrix = RationalMatrix.from_rationals(rows)
    floats, errors = matrix.float64().ravel().tolist(), matrix.float64_error().ravel().tolist()
    pairs = zip(floats, errors, [x for row in rows for x in row], strict=True)
    assert all(abs(Fraction(x) - exact) <= Fraction(error) for x, error, exact in pairs)


def test_float_storage_has_no_error() -> None:
    assert not RationalMatrix.from_floats([[0.1, 0.2]]).float64_error().any()


@pytest.mark.parametrize("storage", EQUAL)
def test_rows_columns_and_indices(storage: str) -> None:
    matrix = EQUAL[storage]
    expected = [[Fraction(1, 2), Fraction(-3)], [Fraction(0), Fraction(1, 2**20)]]
    assert matrix.tolist() == expected
    assert [list(fractions(matrix.row(i))) for i in range(2)] == expected
    assert [[matrix[i, j] for j in range(2)] for i in range(2)] == expected
    assert matrix[-1, -1] == Fraction(1, 2**20)
    assert [[fraction(matrix.exact[i, j]) for j in range(2)] for i in range(2)] == expected
    with pytest.raises(IndexError):
        _ = matrix[2, 0]
    with pytest.raises(InvalidInput, match="two indices"):
        _ = matrix[0]


def test_a_vector_is_a_column() -> None:
    for column in (
        RationalMatrix.from_floats([1.0, 2.5]),
        RationalMatrix.from_rationals([1, "5/2"]),
    ):
        assert column.shape == (2, 1)
        assert (column[1], fractions(column.column())) == (Fraction(5, 2), (1, Fraction(5, 2)))


def test_ragged_and_foreign_rows_are_named() -> None:
    with pytest.raises(InvalidInput, match="row 1 has 1 entries"):
        RationalMatrix.from_rationals([[1, 2], [3]])
    with pytest.raises(InvalidInput, match=r"bias\[1, 0\]"):
        RationalMatrix.from_rationals([[1], ["x"]], name="bias")
    with pytest.raises(InvalidInput, match=r"bias\[0, 1\]"):
        RationalMatrix.read([[1.0, math.nan]], name="bias")


def test_read_passes_matrices_through() -> None:
    matrix = RationalMatrix.from_floats([[1.0]])
    assert RationalMatrix.read(matrix) is matrix
    assert repr(matrix) == "RationalMatrix(1 x 1)"


def test_entries_in_order() -> None:
    for values in (
        [1, 2],
        (1, 2),
        range(1, 3),
        np.array([1, 2]),
        torch.tensor([1, 2]),
        iter([1, 2]),
        (x for x in (1, 2)),
    ):
        assert [int(x) for x in listed(values)] == [1, 2]
    assert rationals(np.zeros(0)) == []
    for values in (
        3,
        2.5,
        None,
        "12",
        b"12",
        {1, 2},
        frozenset({1}),
        {1: 2},
        np.array(1.0),
        torch.tensor(1.0),
        object,
    ):
        with pytest.raises(
            InvalidInput, match=r"v is not a sequence; got .*; give its entries in order"
        ):
            rationals(values, "v")  # type: ignore[arg-type]


def test_a_fault_within_an_iterator_is_its_own() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise TypeError("inside")

    with pytest.raises(TypeError, match="inside"):
        rationals(broken())


def test_a_message_about_a_large_value_is_one_short_line() -> None:
    with pytest.raises(InvalidInput) as caught:
        rationals({i: np.eye(9) for i in range(100)}, "v")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_whole_numbers() -> None:
    for value in (3, np.int64(3), np.uint8(3)):
        assert (whole_number(value), type(whole_number(value))) == (3, int)
    for wrong in (True, np.True_, 3.0, "3", None, Fraction(3)):
        with pytest.raises(InvalidInput, match="dim is not a whole number"):
            whole_number(wrong, "dim")


def test_numbers_without_axes_are_entries() -> None:
    assert RationalMatrix.from_rationals([np.array(0.5), "1/3"]).tolist() == [
        [Fraction(1, 2)],
        [Fraction(1, 3)],
    ]


def test_a_matrix_is_written_out_up_to_64_entries_and_200_characters() -> None:
    for rows, columns, whole in ((2, 8, True), (1, 64, True), (1, 65, False)):
        matrix = RationalMatrix.from_rationals([[1] * columns] * rows)
        short = f"RationalMatrix({rows} x {columns})"
        assert str(matrix) == (str([[1] * columns] * rows) if whole else short)
    assert str(RationalMatrix.from_rationals([[10**9] * 20])) == "RationalMatrix(1 x 20)"


def test_exact_rows_of_small_matrices_are_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    converted, exact = list[int](), numbers._exact_entries

    def noted(floats: Any, *told: bool) -> Any:
        converted.append(len(floats))
        return exact(floats, *told)

    monkeypatch.setattr(numbers, "_exact_entries", noted)
    small = RationalMatrix.from_floats(np.array([[0.5, -2.0, 5e-324], [1.0, 0.0, 3.0]]))
    large = RationalMatrix.from_floats(np.ones((2, 2**15 + 1)))
    first = small.row(0)
    first[0] = first[1]  # its own list
    assert [str(x) for x in small.row(0)][:2] == ["1/2", "-2"] and small.row(0)[2] * 2**1074 == 1
    assert [str(x) for x in small.row(1)] == ["1", "0", "3"] and converted == [3, 3]
    assert large.row(1) == large.row(1) and converted[2:] == [2**15 + 1] * 2


@pytest.mark.parametrize("text", ["1e999999999", "-2.5E+100001", "1e-9_999_999_999"])
def test_exponents_that_fill_the_memory_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="too large an exponent"):
        rational(text)


def test_long_exponents_are_read() -> None:
    assert rational("1e400") == 10**400 and rational(" 5e-400 ") * 10**400 == 5
