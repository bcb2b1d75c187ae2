"""Codes by first code and flips: the same as codes that are written out, also when made block by
block.
"""

from __future__ import annotations

import hashlib
from unittest import mock

import numpy as np
import pytest

from exact import InvalidInput
from exact.geometry.combinatorics import running_codes
from exact.geometry.combinatorics.codes import code_keys
from exact.geometry.combinatorics.running_codes import RunningCodes

SHAPES = [(5, 3), (700, 20), (1, 9), (0, 4), (600, 0), (2, 8), (900, 70)]


def drawn(count: int, hinges: int) -> np.ndarray:
    """Few different codes, so that some repeat; neighbours may be equal."""
    generator = np.random.default_rng(count + hinges)
    known = generator.random((40, hinges)) < 0.5
    return known[generator.integers(0, 40, count)]


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_blocks_and_flips_are_those_of_the_bits(shape: tuple[int, int], closed: bool) -> None:
    bits = drawn(*shape)
    codes, packed = RunningCodes.of_bits(bits, closed=closed), np.packbits(bits, axis=1)
    assert (len(codes), codes.hinges) == shape
    assert (codes.bits() == bits).all()
    assert (codes.packed() == packed).all()
    for i in range(shape[0]):
        assert (codes.row(i) == packed[i]).all()
        expected = np.flatnonzero(bits[i] != bits[i - 1]).tolist() if i or closed else []
        assert codes.flips(i).tolist() == expected


@pytest.mark.parametrize("at_once", [1 << 26, 64, 1500])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_digest_and_the_count_do_not_depend_on_blocks(
    shape: tuple[int, int], at_once: int
) -> None:
    bits = drawn(*shape)
    packed = np.packbits(bits, axis=1)
    with mock.patch.object(running_codes, "_AT_ONCE", at_once):
        codes = RunningCodes.of_bits(bits, closed=True)
        assert codes.distinct == len({row.tobytes() for row in packed})
        body = packed[np.argsort(code_keys(packed), kind="stable")].tobytes()
        assert (
            codes.digest() == hashlib.sha256(f"{shape[0]}:{shape[1]}:".encode() + body).hexdigest()
        )


def test_hashes_that_all_agree_change_no_count() -> None:
    bits = drawn(300, 20)
    codes = RunningCodes.of_bits(bits, closed=False)
    same = mock.Mock(integers=lambda top, size: np.zeros(size, dtype=np.int64))
    with mock.patch.object(np.random, "default_rng", return_value=same):
        assert codes.distinct == len({row.tobytes() for row in bits}) < 41


def test_hinges_between_any_two() -> None:
    bits = drawn(900, 70)
    codes = RunningCodes.of_bits(bits, closed=True)
    for a, b in np.random.default_rng(1).integers(0, 900, (200, 2)).tolist():
        assert codes.differing(a, b).tolist() == np.flatnonzero(bits[a] != bits[b]).tolist()


@pytest.mark.parametrize("index", [-1, 5])
def test_there_is_no_other_cell(index: int) -> None:
    with pytest.raises(InvalidInput, match="no such cell"):
        RunningCodes.of_bits(drawn(5, 3), closed=True).row(index)
