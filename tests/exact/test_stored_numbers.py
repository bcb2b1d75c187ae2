"""What arrays and tensors store is read bit for bit, in every mode of the processor, or refused
once with a remedy.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from exact import Box, Outcome, RealSpace, partition
from exact.arithmetic.numbers import RationalMatrix, fraction, nearest_float, rational, rationals
from exact.check.network import matrix_digest
from exact.errors import InvalidInput
from exact.sources import tensors


@pytest.fixture(params=[False, True], ids=["subnormals kept", "subnormals flushed"])
def flush(request: pytest.FixtureRequest) -> Iterator[bool]:
    """The processor's two modes; a processor without the second one runs the first twice."""
    torch.set_flush_denormal(request.param)
    yield request.param
    torch.set_flush_denormal(False)


# the unit of the subnormals, as a power of two
UNITS = {torch.float16: -24, torch.bfloat16: -133, torch.float32: -149, torch.float64: -1074}
INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
PATTERNS = [[1, 5, 0], [3, 2, 7]]


@pytest.mark.parametrize("dtype", UNITS, ids=str)
def test_subnormal_weights_are_read_whatever_the_processor_does(
    dtype: torch.dtype, flush: bool
) -> None:
    size = torch.tensor([], dtype=dtype).element_size()
    stored = torch.tensor(PATTERNS, dtype=INTEGERS[size])
    stored[1, 2] += -(2 ** (8 * size - 1))  # the sign
    tensor, unit = stored.view(dtype), Fraction(2) ** UNITS[dtype]
    expected = [[1 * unit, 5 * unit, 0], [3 * unit, 2 * unit, -7 * unit]]
    given = [tensor, tensor.T.contiguous().T, nn.Parameter(tensor)]
    given += (
        []
        if dtype is torch.bfloat16
        else [tensor.numpy(), tensor.numpy().astype(object), tensor.numpy().tolist()]
    )
    if dtype is not torch.bfloat16 and flush and size < 8:
        given = given[:-2]  # the casts to Python floats flush before we see the numbers
    for values in given:
        matrix = RationalMatrix.read(values)
        assert matrix.tolist() == expected
        assert [[matrix[i, j] for j in range(3)] for i in range(2)] == expected
        assert [fraction(x) for x in matrix.row(1)] == expected[1]
        exactly = RationalMatrix.from_rationals(expected)
        assert exactly == matrix
        assert exactly.is_float
    assert [fraction(x) for x in rationals(tensor[1])] == expected[1]
    assert fraction(rational(tensor[1, 2])) == expected[1][2]
    if dtype is not torch.bfloat16:
        assert fraction(rational(tensor.numpy()[1, 2])) == expected[1][2]


def test_the_nearest_float_may_be_subnormal(flush: bool) -> None:
    unit = Fraction(1, 2**1074)
    pairs = {
        unit: 1,
        -3 * unit: -3,
        unit / 2: 0,
        3 * unit / 2: 2,
        5 * unit / 2: 2,
        Fraction(1, 2**1022) - unit / 3: 2**52,
        Fraction(2**52 - 1, 2**1074): 2**52 - 1,
    }
    for value, units in pairs.items():
        (bits,) = struct.unpack("<q", struct.pack("<d", nearest_float(rational(value))))
        assert bits == (units if units >= 0 else -units - 2**63)


def test_the_checker_hashes_the_same_floats(flush: bool) -> None:
    for units in (1, -5, 2**52 - 1, 2**52, Fraction(1, 3), Fraction(10**40, 10**39 + 7)):
        value = Fraction(units, 2**1074)
        digest = RationalMatrix.from_rationals([[value]]).digest
        assert matrix_digest([[value.numerator]], 1, value.denominator) == digest


# pattern -> value: the least and the largest number, 1, and a negative one (None: not a number)
SMALL: dict[str, dict[int, Fraction | None]] = {
    "float8_e5m2": {
        1: Fraction(1, 2**16),
        0x7B: Fraction(57344),
        60: Fraction(1),
        0xBC: Fraction(-1),
        0x7C: None,
    },
    "float8_e4m3": {
        1: Fraction(1, 2**9),
        0x77: Fraction(240),
        56: Fraction(1),
        0xB8: Fraction(-1),
        0x78: None,
    },
    "float8_e3m4": {
        1: Fraction(1, 2**6),
        0x6F: Fraction(31, 2),
        48: Fraction(1),
        0xB0: Fraction(-1),
        0x71: None,
    },
    "float8_e4m3fn": {
        1: Fraction(1, 2**9),
        0x7E: Fraction(448),
        56: Fraction(1),
        0xB8: Fraction(-1),
        0x7F: None,
        0xFF: None,
    },
    "float8_e5m2fnuz": {
        1: Fraction(1, 2**17),
        0x7F: Fraction(57344),
        64: Fraction(1),
        0xC0: Fraction(-1),
        0x80: None,
    },
    "float8_e4m3fnuz": {
        1: Fraction(1, 2**10),
        0x7F: Fraction(240),
        64: Fraction(1),
        0xC0: Fraction(-1),
        0x80: None,
    },
    "float8_e4m3b11fnuz": {
        1: Fraction(1, 2**13),
        0x7F: Fraction(30),
        88: Fraction(1),
        0xD8: Fraction(-1),
        0x80: None,
    },
    "float6_e2m3fn": {1: Fraction(1, 8), 31: Fraction(15, 2), 8: Fraction(1), 40: Fraction(-1)},
    "float6_e3m2fn": {1: Fraction(1, 16), 31: Fraction(28), 12: Fraction(1), 44: Fraction(-1)},
    "float4_e2m1fn": {1: Fraction(1, 2), 7: Fraction(6), 2: Fraction(1), 10: Fraction(-1)},
    "float8_e8m0fnu": {0: Fraction(1, 2**127), 254: Fraction(2**127), 127: Fraction(1), 255: None},
}


def stored_as(name: str, patterns: list[int]) -> Any:
    """An array of a type that NumPy does not have: as with ml_dtypes, the type's name says how the
    bytes are meant.
    """
    kind = type("Stored", (np.ndarray,), {"dtype": SimpleNamespace(name=name)})
    return np.array(patterns, dtype=np.uint8).view(kind)


def readers(name: str) -> list[Callable[[list[int]], Any]]:
    own = getattr(torch, name, None)
    tensors = (
        []
        if own is None
        else [lambda patterns: torch.tensor(patterns, dtype=torch.uint8).view(own)]
    )
    return [lambda patterns: stored_as(name, patterns), *tensors]


@pytest.mark.parametrize("name", SMALL)
def test_floats_of_few_bits_are_their_patterns(name: str, flush: bool) -> None:
    finite = {pattern: value for pattern, value in SMALL[name].items() if value is not None}
    for make in readers(name):
        assert [row[0] for row in RationalMatrix.read(make([*finite])).tolist()] == [
            *finite.values()
        ]
        for pattern in SMALL[name].keys() - finite.keys():
            with pytest.raises(InvalidInput, match=r"gain\[0\]"):
                RationalMatrix.read(make([pattern]), "gain")


class Elsewhere:
    """An array of another library, on a device of its own: only its conversion is known."""

    def __init__(self, values: list[list[float]] | Exception) -> None:
        self._values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        if isinstance(self._values, Exception):
            raise self._values
        return np.array(self._values, dtype=np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(["the names", "of columns"])  # as a data frame iterates


def test_arrays_of_other_libraries_are_converted() -> None:
    assert RationalMatrix.read(Elsewhere([[0.5, 2.0]])).tolist() == [[Fraction(1, 2), 2]]
    with pytest.raises(
        InvalidInput,
        match="w cannot be read as an array; got ValueError: deleted; give a NumPy array",
    ):
        RationalMatrix.read(Elsewhere(ValueError("deleted\nand more")), "w")


def test_views_with_a_sign_of_their_own_are_read() -> None:
    numbers = torch.tensor([[1 + 2j, 3 - 4j]])
    negated = numbers.conj().imag
    assert negated.is_neg()
    assert RationalMatrix.read(negated).tolist() == [[-2, 4]]
    assert RationalMatrix.read(torch.arange(6.0).reshape(2, 3).T[1:]).tolist() == [[1, 4], [2, 5]]


def test_lists_of_arrays_and_tensors_are_rows() -> None:
    rows: list[list[Any]] = [
        [torch.tensor([0.5, 2.0]), torch.tensor([3.0, 4.0])],
        [np.array([0.5, 2]), [3, np.float16(4)]],
    ]
    for given in rows:
        assert RationalMatrix.read(given).tolist() == [[Fraction(1, 2), 2], [3, 4]]
    assert RationalMatrix.read(np.array([["1/3", "2"]])).tolist() == [[Fraction(1, 3), 2]]


def quantised(per_channel: bool) -> torch.Tensor:
    values = torch.tensor([[0.5, -1.0], [2.0, 0.25]])
    if per_channel:
        return torch.quantize_per_channel(
            values, torch.tensor([0.1, 0.2]), torch.tensor([0, 0]), 0, torch.qint8
        )
    return torch.quantize_per_tensor(values, 0.1, 0, torch.qint8)


def fake() -> torch.Tensor:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        return torch.ones(2, 2)


class Labelled(torch.Tensor):
    """A tensor of a kind of its own."""


REFUSED: dict[str, tuple[Callable[[], Any], str, str]] = {
    "quantised": (lambda: quantised(False), "is quantised; got torch.qint8", ".dequantize()"),
    "quantised by channel": (
        lambda: quantised(True),
        "is quantised; got torch.qint8",
        ".dequantize()",
    ),
    "two in a byte": (
        lambda: torch.zeros(2, 2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
        "float4_e2m1fn_x2",
        "float16",
    ),
    "no type of NumPy's": (
        lambda: torch.zeros(2, 2, dtype=torch.uint8).view(torch.uint4),
        "torch.uint4",
        "float16",
    ),
    "meta": (
        lambda: torch.zeros(2, 2, device="meta"),
        "has no values; got Tensor on meta",
        "load the weights",
    ),
    "fake": (fake, "has no values", "load the weights"),
    "lazy": (lambda: nn.LazyLinear(3).weight, "has no shape yet", "run the lazy module once"),
    "sparse": (
        lambda: torch.eye(2).to_sparse(),
        "is not a dense tensor; got torch.sparse_coo",
        ".to_dense()",
    ),
    "compressed": (lambda: torch.eye(2).to_sparse_csr(), "is not a dense tensor", ".to_dense()"),
    "conjugated": (lambda: torch.tensor([[1 + 2j]]).conj(), "is complex", ".real"),
    "complex": (lambda: np.array([[1j]]), "is complex", "float16"),
    "masked tensor": (
        lambda: torch.masked.masked_tensor(torch.ones(1, 2), torch.tensor([[True, False]])),
        "is a masked tensor",
        ".to_tensor(value)",
    ),
    "masked array": (
        lambda: np.ma.masked_array([[1.0, 2.0]], mask=[[0, 1]]),
        "has masked entries",
        ".filled(value)",
    ),
    "nested": (
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        "is a nested tensor",
        ".unbind()",
    ),
    "a subclass": (
        lambda: torch.ones(2, 2).as_subclass(Labelled),
        "is a tensor of a kind of its own; got Labelled",
        "plain",
    ),
    "records": (
        lambda: np.zeros((2, 2), dtype=[("a", "f4")]),
        "is not an array of floats",
        "float16",
    ),
    "dates": (lambda: np.zeros((2, 2), dtype="M8[s]"), "is not an array of floats", "float16"),
    "extended": (
        lambda: np.ones((2, 2), dtype=np.longdouble),
        "is not an array of floats",
        "float16",
    ),
}


@pytest.mark.filterwarnings("ignore")  # torch warns of its prototypes
@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_numbers_of_its_own_is_refused_by_name(name: str) -> None:
    make, wrong, remedy = REFUSED[name]
    with pytest.raises(InvalidInput) as caught:
        RationalMatrix.read(make(), "layers.0.weight")
    assert str(caught.value).startswith("layers.0.weight ")
    assert wrong in str(caught.value)
    assert remedy in caught.value.remedy
    assert len(str(caught.value)) < 300


@pytest.mark.filterwarnings("ignore")
def test_entries_are_held_to_the_same_rules() -> None:
    for value in (
        quantised(False)[0, 0],
        np.ma.masked,
        torch.tensor(1j),
        torch.zeros((), device="meta"),
    ):
        with pytest.raises(InvalidInput, match="radius "):
            rational(value, "radius")
    for entries in (
        quantised(False)[0],
        np.ma.masked_array([1.0, 2.0], mask=[0, 1]),
        torch.eye(2)[0].to_sparse(),
    ):
        with pytest.raises(InvalidInput, match="x "):
            rationals(entries, "x")
    assert RationalMatrix.read(np.ma.masked_array([1.0, 2.0], mask=[0, 0])).tolist() == [[1], [2]]


def test_numpys_error_state_is_no_obstacle() -> None:
    with np.errstate(all="raise"):
        assert RationalMatrix.read(np.array([[5e-324, 1e300]])).row(0)[1] == rational(1e300)
        assert RationalMatrix.read(np.array([[1e-45, 1e38]], dtype=np.float32))[0, 0] == Fraction(
            1, 2**149
        )
        with pytest.raises(InvalidInput, match=r"matrix\[1\] = nan"):  # a signalling NaN
            RationalMatrix.read(np.array([0, 0x7F800001], dtype=np.uint32).view(np.float32))


@pytest.mark.parametrize("engine", ["subdivision", "lp_tree", "facet_walk"])
def test_neurons_with_subnormal_weights_still_cut(engine: str) -> None:
    """Three lines through the origin, whatever their common scale, read and cut while the processor
    flushes: six regions.
    """
    units = np.array([[1000003, 0], [0, 1000003], [3000009, 2000006]], dtype=np.int64)
    units[2, 1] += -(2**63)
    torch.set_flush_denormal(True)
    try:
        network = tensors.mlp([(units.view(np.float64), np.zeros(3)), (np.ones((1, 3)), [0.0])])
        for domain in (RealSpace(2), Box(-1, 1, dim=2)):
            found = partition(network, domain, engine=engine)
            assert (len(found), found.outcome) == (6, Outcome.COMPLETE)
            assert found.check().status.value == "verified, complete"
    finally:
        torch.set_flush_denormal(False)
