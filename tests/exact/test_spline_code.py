"""Packed spline codes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exact import (
    Activation,
    Ball,
    Block,
    Box,
    GreatCircle,
    HardTanh,
    InvalidInput,
    Layer,
    Network,
    ReLU,
    Segment,
    Sphere,
    Unsupported,
    partition,
    partition_circles,
)
from exact.geometry.combinatorics.codes import Hinge, SplineCode, code_keys, find_key, flipped_bits
from exact.geometry.domains.base import Domain
from exact.propagation.enclosures import stages
from exact.regions.certificate import header
from tests.truths import engines

SIZES = st.lists(st.integers(0, 11), min_size=1, max_size=4)


@given(SIZES, st.data())
def test_bits_survive_packing(sizes: list[int], data: st.DataObject) -> None:
    count = sum(sizes)
    bits = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    code = SplineCode.of(bits, sizes)
    assert code.bits.tolist() == bits
    assert len(code) == count
    assert len(code.packed) == (count + 7) // 8
    assert code == SplineCode.of(np.array(bits, dtype=bool), tuple(sizes))
    assert hash(code) == hash(SplineCode.of(bits, sizes))


def test_packing_is_big_endian() -> None:
    assert SplineCode.of([1, 0, 0, 0, 0, 0, 0, 0, 0, 1], [10]).packed == bytes([128, 64])


def test_text_separates_layers() -> None:
    code = SplineCode.of([1, 0, 1, 1], [1, 3])
    assert str(code) == "1|011"
    assert repr(code) == "SplineCode(1|011)"
    assert str(SplineCode.of([], [])) == ""


def test_repr_of_a_wide_code_is_short() -> None:
    assert repr(SplineCode.of([1] * 3072, [3072])) == f"SplineCode({'1' * 77}...)"
    assert repr(SplineCode.of([1] * 80, [80])) == f"SplineCode({'1' * 80})"


def test_hamming_distance() -> None:
    first, second = SplineCode.of([1, 0, 1, 1], [1, 3]), SplineCode.of([0, 0, 1, 0], [1, 3])
    assert first.hamming(second) == second.hamming(first) == 2
    assert first.hamming(first) == 0
    with pytest.raises(InvalidInput, match="different networks"):
        first.hamming(SplineCode.of([1, 0, 1, 1], [2, 2]))


def test_layer_sizes_are_part_of_the_code() -> None:
    assert SplineCode.of([1, 0], [1, 1]) != SplineCode.of([1, 0], [2])


@pytest.mark.parametrize("bits", [[1], [1, 0, 1], [[1, 0]]])
def test_wrong_number_of_bits(bits: list[object]) -> None:
    with pytest.raises(InvalidInput, match="give 2 bits"):
        SplineCode.of(bits, [2])


def test_hinges_are_named_by_layer_and_neuron() -> None:
    assert [str(Hinge(1, 4)), str(Hinge(2, 0, 1))] == ["(1, 4)", "(2, 0)#1"]
    assert Hinge(1, 4) < Hinge(2, 0) < Hinge(2, 0, 1)


# ---- arrays of packed codes


@pytest.mark.parametrize("hinges", [0, 1, 7, 8, 9, 64, 130])
def test_keys_compare_as_the_bits_do(hinges: int) -> None:
    """Zero bytes at the end count, and bytes above 127 are larger than those below."""
    generator = np.random.default_rng(hinges)
    bits = np.unique(generator.integers(0, 2, (60, hinges)).astype(bool), axis=0)
    codes = np.packbits(bits[generator.permutation(len(bits))], axis=1)
    keys = code_keys(codes)
    order = np.argsort(keys, kind="stable")
    assert (codes[order] == np.packbits(bits, axis=1)).all()
    assert [row.tobytes() for row in codes[order]] == sorted(row.tobytes() for row in codes)
    for place, row in enumerate(codes[order]):
        assert find_key(keys[order], row.tobytes()) == place
    if 1 < hinges < 10:
        for number in range(2**hinges):
            row = np.packbits([(number >> k) & 1 for k in range(hinges)])
            assert (find_key(keys[order], row.tobytes()) is not None) == (
                row.tobytes() in {code.tobytes() for code in codes}
            )


def test_no_key_is_found_among_none() -> None:
    assert find_key(code_keys(np.zeros((0, 2), dtype=np.uint8)), b"\x00\x00") is None


@pytest.mark.parametrize("hinges", [0, 5, 8, 21])
def test_flipped_bits_are_those_that_differ(hinges: int) -> None:
    generator = np.random.default_rng(hinges)
    first, second = (generator.integers(0, 2, (40, hinges)).astype(bool) for _ in range(2))
    second[:10] = first[:10]
    rows, bits = flipped_bits(np.packbits(first, axis=1), np.packbits(second, axis=1))
    expected = np.nonzero(first != second)
    assert rows.tolist() == expected[0].tolist() and bits.tolist() == expected[1].tolist()


def test_a_distance_counts_symbols() -> None:
    """Winners of four in two bits each: from the first to the last is one change, not two."""
    winners = [[0, 3, 1], [3, 3, 1], [3, 0, 2]]
    made = [[bit for k in each for bit in (k >> 1, k & 1)] for each in winners]
    by_symbol = [SplineCode.of(bits, [4, 2], widths=[2, 2, 2]) for bits in made]
    by_bit = [SplineCode.of(bits, [4, 2]) for bits in made]
    for i in range(3):
        for j in range(3):
            changed = sum(a != b for a, b in zip(winners[i], winners[j], strict=True))
            assert by_symbol[i].hamming(by_symbol[j]) == changed
            assert by_bit[i].hamming(by_bit[j]) == sum(np.array(made[i]) != np.array(made[j]))
        assert by_symbol[i].packed == by_bit[i].packed
    assert SplineCode.of(made[0], [4, 2], widths=[1] * 6) == by_bit[0]
    with pytest.raises(InvalidInput, match="different networks"):
        by_symbol[0].hamming(by_bit[0])
    for widths in ([2, 2], [2, 2, 3], [0, 2, 4]):
        with pytest.raises(InvalidInput, match="do not cover its bits"):
            SplineCode.of(made[0], [4, 2], widths=widths)


class InPieces(Layer):
    """A layer whose symbols are the pieces of its neurons, and not their bits."""

    @property
    def symbols(self) -> tuple[int, ...]:
        return (len(self.activation.pieces),) * self.width


def in_pieces(activation: Activation) -> Network:
    """A plain layer of two, and one of two whose symbols are pieces."""
    plain = Layer.of([[1, 0], [0, 1]], None, ReLU())
    last = Layer.of([[1, 1], [1, -1]], [-2, -2], activation)
    return Network((Block((plain, InPieces(last.operator, last.bias, last.activation))),))


def test_codes_have_the_symbols_of_their_network() -> None:
    """Both neurons of the second layer leap over a piece: by bits four changes, by symbols two."""
    network = in_pieces(HardTanh())
    assert network.symbols == (2, 2, 3, 3)
    low, high = (network.code([x, 0]) for x in (-9, 9))
    assert (str(low), str(high)) == ("00|0000", "10|1111")
    assert high.widths == (1, 1, 2, 2)
    assert low.hamming(high) == 3
    assert network.code([9, 0], (1, 1)) == SplineCode.of([1, 0], [2])
    assert in_pieces(ReLU()).code([9, 0]).widths is None  # two values each


@pytest.mark.parametrize(
    ("domain", "reader"),
    [
        (Box(-1, 1, dim=2), "float walks"),
        (Ball([0, 0], 1), "walks of functions"),
        (Segment([0, 0], [1, 1]), "walks along curves"),
        (Sphere(1), "walks along curves"),
        (GreatCircle([1, 0], [0, 1], radius_squared=1), "walks along curves"),
    ],
)
def test_what_reads_bits_alone_refuses_wider_symbols(domain: Domain, reader: str) -> None:
    network = in_pieces(HardTanh())
    with pytest.raises(Unsupported, match=f"{reader} read codes of bits alone; got a symbol of 3"):
        partition(network, domain)


def test_engines_batches_and_certificates_refuse_wider_symbols_by_name() -> None:
    network = in_pieces(HardTanh())
    for name in engines.ALL:
        for domain in (Box(-1, 1, dim=2), Segment([0, 0], [1, 1]), Sphere(1)):
            with pytest.raises(Unsupported):
                partition(network, domain, engine=name)
    with pytest.raises(Unsupported, match="float walks read codes of bits alone"):
        stages(network, Box(-1, 1, dim=2).flat())
    with pytest.raises(Unsupported, match="certificates read codes of bits alone"):
        header(network, "flat", True, 1, {})
    one = Network((Block((network.layers[1],)),))
    with pytest.raises(Unsupported, match="batches of circles read codes of bits alone"):
        partition_circles(one, [[1, 0]], [[0, 1]], radius_squared=1)
