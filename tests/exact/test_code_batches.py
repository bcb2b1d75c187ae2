"""Codes of batches against the exact code of each point, and of every region by enumeration."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from exact import (
    GELU,
    AbsoluteValue,
    Activation,
    Block,
    Box,
    Codes,
    HardTanh,
    Identity,
    InvalidInput,
    Layer,
    LayerNorm,
    LeakyReLU,
    Network,
    Norm,
    ReLU,
    RMSNorm,
    SplineCode,
    TooLarge,
    Undecided,
    hamming,
    partition,
)
from exact.arithmetic.linear_algebra import matrix
from exact.arithmetic.numbers import Rational, RationalArray, rationals
from exact.geometry.combinatorics import code_batches
from exact.networks.evaluation import batches
from exact.sources import tensors


class PairMeans(Norm):
    """Takes the mean off the first two coordinates; the rest stay."""

    @property
    def _matrix(self) -> RationalArray:
        half, n = Rational(1, 2), self.dim
        rows = [[Rational(int(i == j)) for j in range(n)] for i in range(n)]
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            rows[i][j] -= half
        return matrix(rows, n)

    def project(self, columns: RationalArray) -> RationalArray:
        return self._matrix * columns

    @property
    def sphere_dim(self) -> int:
        return self.dim - 2

    def sphere_basis(self) -> list[list[Rational]]:
        n = self.dim
        first = [Rational(1), Rational(-1)] + [Rational(0)] * (n - 2)
        return [first] + [[Rational(int(i == j)) for j in range(n)] for i in range(2, n)]


class Jump(Activation):
    """0 to the left of 1/3, z + 2 to its right."""

    breakpoints = (Rational(1, 3),)
    pieces = ((Rational(0), Rational(0)), (Rational(1), Rational(2)))

    def forward_float(self, z: Any) -> Any:
        return np.where(z > 1 / 3, z + 2, 0.0)


NORMS: list[Callable[..., Norm] | None] = [None, LayerNorm.of, RMSNorm.of, PairMeans.of]
ACTIVATIONS = [ReLU(), LeakyReLU(), AbsoluteValue(), HardTanh(), Jump(), GELU(), GELU("tanh")]


def network(seed: int, depth: int, norm: Any, activation: Activation, residual: bool) -> Network:
    """Blocks of 4 -> 3..6 -> 4, rationals in one of three, with dead neurons."""
    draw = np.random.default_rng(seed)

    def numbers(*shape: int) -> Any:
        found = draw.normal(size=shape)
        if seed % 3:
            return found
        return (found * 3).round().astype(int).astype(object) * Fraction(1, 3)

    blocks = []
    for _ in range(depth):
        width = int(draw.integers(3, 7))
        w, b = numbers(width, 4), numbers(width)
        if seed % 2:
            w[0], b[0] = 0, 0
        eps = [0, 1e-5, Fraction(1, 3)][int(draw.integers(3))]
        rule = ("var", "std")[int(draw.integers(2))]
        made = norm and norm(eps, numbers(4), numbers(4), eps_rule=rule)
        layers = Layer.of(w, b, activation), Layer.of(numbers(4, width), numbers(4), Identity())
        blocks.append(Block(layers, made, residual))
    return Network(tuple(blocks))


def points(net: Network, seed: int) -> np.ndarray[Any, Any]:
    """Random rows at all scales, rows within rounding of a boundary, far means, subnormals."""
    draw = np.random.default_rng(seed)
    found = [draw.normal(size=(6, 4)), draw.normal(size=(2, 4)) + 1e9, np.eye(4), -np.eye(4)]
    found += [draw.normal(size=(1, 4)) * 10.0**e for e in (-320, -300, -170, -9, 9, 160, 300)]
    ends = draw.normal(size=(2, 4))
    for _ in range(60):  # towards the first hinge that changes between two points
        middle = ends.mean(axis=0)
        same = net.code(middle, (1, 1)) == net.code(ends[0], (1, 1))
        ends[0 if same else 1] = middle
    return np.concatenate([*found, ends])


@given(
    st.integers(0, 10**6),
    st.integers(1, 3),
    st.sampled_from(NORMS),
    st.sampled_from(ACTIVATIONS),
    st.booleans(),
)
def test_every_row_has_the_exact_code(
    seed: int, depth: int, norm: Any, activation: Activation, residual: bool
) -> None:
    net = network(seed, depth, norm, activation, residual)
    x = points(net, seed)
    for layers in (None, (depth, depth)):
        codes = net.codes(x, layers, errors="keep")
        for i, row in enumerate(x):
            try:
                code = net.code(row, layers)
            except (InvalidInput, Undecided) as error:
                assert type(codes.failures[i]) is type(error)
            else:
                assert codes[i] == code
                assert codes.packed[i].tobytes() == code.packed
        assert sum(codes.decisions.values()) + len(codes.failures) == len(x) == len(codes)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_filter_decides_generic_rows(norm: Any, activation: Activation) -> None:
    net = network(7, 3, norm, activation, True)
    codes = net.codes(np.random.default_rng(0).normal(size=(500, 4)))
    assert codes.decisions == {"filter": 500, "exact": 0}


def test_what_counts_is_the_distance_from_the_mean() -> None:
    """Rows a billion times further from the origin than from their mean are still decided."""
    net = tensors.block(np.eye(8), np.zeros(8), np.eye(8), np.zeros(8), "layernorm", eps=0)
    x = np.random.default_rng(0).normal(size=(100, 8)) + 2.0**30
    assert net.codes(x).decisions == {"filter": 100, "exact": 0}
    assert net.codes(x * 2.0**-1050).decisions["exact"] == 0
    assert net.codes(x * 2.0**900).decisions["exact"] == 0


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm, PairMeans])
@pytest.mark.parametrize("eps", [0, 1e-5, Fraction(7, 3)])
@pytest.mark.parametrize("rule", ["var", "std"])
def test_the_bound_of_a_norm_holds(kind: Any, eps: Any, rule: Any) -> None:
    """Against 60 digits, from subnormal rows to rows of 1e300, with the mean far and near."""
    draw = np.random.default_rng(0)
    norm = kind.of(eps, draw.normal(size=6), draw.normal(size=6), eps_rule=rule)
    x = draw.normal(size=(60, 6)) * 10.0 ** draw.integers(-8, 8, (60, 1))
    x[20:40] = draw.normal(size=(20, 6)) + 10.0 ** draw.integers(0, 12, (20, 1))
    x[40:50] *= 1e290
    x[50:60] *= 1e-300
    found = batches._normalised(
        norm, batches.Rows(torch.from_numpy(x), torch.zeros(60, dtype=torch.float64))
    )
    with mpmath.workdps(60):
        for row, y, bound in zip(x, found.mid.tolist(), found.error.tolist(), strict=True):
            column = RationalArray(6, 1, rationals(row.tolist()))
            c = [mpmath.mpf(int(v.p)) / int(v.q) for v in norm.project(column).entries()]
            under, beside, *rest = (
                mpmath.mpf(int(v.p)) / int(v.q)
                for v in (
                    norm.eps_under_root,
                    norm.eps_beside_root,
                    *norm.gain.column(),
                    *norm.bias.column(),
                )
            )
            scale = mpmath.sqrt(sum(v * v for v in c) / 6 + under) + beside
            exact = [g * v / scale + b for g, v, b in zip(rest[:6], c, rest[6:], strict=True)]
            assert mpmath.norm([a - b for a, b in zip(y, exact, strict=True)]) <= bound
    generic = found.error[:20] if kind is PairMeans else found.error[:40]
    assert float(generic.max()) < 1e-13


def test_points_on_a_boundary_are_off_and_exact() -> None:
    net = tensors.block(
        [[1, -1, 0], [0, 1, 0]], [0, 0], [[1, 1]] * 3, [0] * 3, "layernorm", [2, 2, 1], eps=0
    )
    rows = [[Fraction(1, 3), Fraction(1, 3), 7], [1, 0, 0], [2, 3, 5]]
    codes = net.codes(rows)
    assert list(codes) == [net.code(row) for row in rows]
    assert codes.decisions["exact"] >= 1


def test_the_witness_of_every_region_has_its_code() -> None:
    draw = np.random.default_rng(3)
    widths = (2, 5, 4, 1)
    net = tensors.mlp(
        [(draw.normal(size=(b, a)), draw.normal(size=b)) for a, b in pairwise(widths)]
    )
    found = partition(net, Box(-2, 2, dim=2))
    codes = net.codes([region.witness for region in found.regions])
    assert len(found) > 10
    assert codes.packed.tolist() == found.codes.tolist()


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network(4, 2, LayerNorm.of, ReLU(), True)
    x = np.random.default_rng(0).normal(size=(50, 4))
    x[[3, 31]] = 0.0
    whole = net.codes(x, errors="keep")
    monkeypatch.setitem(batches._ENTRIES, "cpu", 40)
    assert net.codes(x, errors="keep") == whole
    monkeypatch.setattr(code_batches, "_ENTRIES", 30)
    assert hamming(whole[:3] and net.codes(x[:3]), net.codes(x[:3])).tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", [np.float32, np.float16, torch.float64, torch.bfloat16, int])
def test_numbers_of_every_kind(kind: Any) -> None:
    net = network(1, 1, RMSNorm.of, ReLU(), False)
    x: Any = np.random.default_rng(0).normal(size=(5, 4)) * 9
    x = torch.from_numpy(x).to(kind) if isinstance(kind, torch.dtype) else x.astype(kind)
    assert list(net.codes(x)) == [net.code(row) for row in x]


def test_no_row_and_no_bit() -> None:
    net = network(1, 1, None, ReLU(), False)
    assert len(net.codes([])) == len(net.codes(np.zeros((0, 4)))) == 0
    assert hamming(net.codes([]), net.codes([])).tolist() == []


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.zeros((2, 3)), "X does not fit the network; got shape (2, 3); give an (N, 4) array"),
        (np.zeros(4), "row 0 of X: the norm is undefined here"),
        (np.zeros(3), "X does not fit"),
        (
            np.array([[1.0, 2, 3, 4], [1, np.nan, 1, 1]]),
            "row 1 of X: X[1][1] is not finite; got nan",
        ),
        (
            np.array([[1.0, 2, 3, 4], [1, 1, 1, -np.inf]]),
            "row 1 of X: X[1][3] is not finite; got -inf",
        ),
        ([[1, 2, 3, float("nan")]], "row 0 of X: X[0][3] is not finite"),
        (np.array([[1.0, 2, 3, 4], [5.0] * 4]), "row 1 of X: the norm is undefined here"),
        ("text", "X is not a sequence"),
    ],
)
def test_bad_rows_are_named(x: Any, told: str) -> None:
    net = tensors.block(np.eye(4), [1] * 4, np.eye(4), [0] * 4, "layernorm", eps=0)
    with pytest.raises(InvalidInput) as failure:
        net.codes(x)
    assert str(failure.value).startswith(told)


def test_bad_rows_are_kept_where_asked() -> None:
    net = tensors.block(np.eye(4), [1] * 4, np.eye(4), [0] * 4, "layernorm", eps=0)
    x = np.random.default_rng(0).normal(size=(5, 4))
    x[1], x[3, 2] = 5.0, np.nan
    codes = net.codes(x, errors="keep")
    assert sorted(codes.failures) == [1, 3]
    some = codes[np.array([3, 0, -1])]
    assert list(some.failures) == [0] and some.failures[0] is codes.failures[3]
    assert some[1:] == [codes[0], codes[-1]]
    assert codes.decisions == {"filter": 3, "exact": 0}
    assert codes[4] == net.code(x[4])
    assert repr(codes) == "<codes of 5 points, layers of (4,), 2 without one>"
    with pytest.raises(InvalidInput, match="row 3 of X"):
        _ = codes[3]
    with pytest.raises(InvalidInput, match="a row has no code"):
        hamming(codes, codes)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"device": "tpu"}, "device"),
        ({"errors": "ignore"}, "errors"),
        ({"layers": (2, 3)}, "range"),
    ],
)
def test_options_that_mean_nothing(options: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        network(1, 2, None, ReLU(), False).codes(np.ones((1, 4)), **options)


def coded(rows: list[list[int]], widths: tuple[int, ...] | None = None) -> Codes:
    packed = np.packbits(np.array(rows, dtype=bool), axis=1)
    return Codes(packed, (len(rows[0]),), widths)


@given(st.integers(0, 10**6), st.booleans())
def test_distances_are_those_of_pairs(seed: int, wide: bool) -> None:
    draw = np.random.default_rng(seed)
    widths = tuple(draw.integers(1, 4, size=6).tolist()) if wide else None
    bits = sum(widths) if widths else int(draw.integers(1, 40))
    a, b = (coded(draw.integers(0, 2, (n, bits)).tolist(), widths) for n in (4, 7))
    whole = hamming(a, b, pairs=False)
    assert whole.tolist() == [[x.hamming(y) for y in b] for x in a]
    same = coded(b.bits[:4].tolist(), widths)
    assert hamming(a, same).tolist() == whole[:, :4].diagonal().tolist()


def test_distances_that_do_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="different networks"):
        hamming(coded([[1, 0]]), coded([[1, 0, 1]]))
    with pytest.raises(InvalidInput, match="2 and 1"):
        hamming(coded([[1], [0]]), coded([[1]]))
    monkeypatch.setattr(code_batches, "available_bytes", lambda: 10)
    with pytest.raises(TooLarge, match=r"2 x 1 \(16 bytes\)"):
        hamming(coded([[1], [0]]), coded([[1]]), pairs=False)


def test_codes_are_values() -> None:
    one, other = coded([[1, 0], [1, 1]]), coded([[1, 0], [1, 1]])
    assert one == other
    assert hash(one) == hash(other)
    assert one != coded([[1, 0], [0, 1]])
    assert one[-1] == SplineCode.of([1, 1], [2])
    assert one.bits.tolist() == [[True, False], [True, True]]


# ---- cuts


@pytest.mark.parametrize("norm", NORMS)
def test_both_sides_of_a_cut_make_the_network(norm: Any) -> None:
    net = network(5, 3, norm, ReLU(), False)
    x = np.random.default_rng(0).normal(size=(9, 4))
    values = net.hidden_float(x, activated=True)
    for k in (1, 2, 3):
        head = net.up_to_layer(k)
        assert head.hidden_layers == net.hidden_layers[:k]
        assert np.array_equal(head.forward_float(x), values[k - 1])
        assert list(head.codes(x)) == list(net.codes(x, (1, k)))
        if k < 3:
            y = head.forward_float(x)
            assert np.array_equal(net.from_layer(k + 1).forward_float(y), net.forward_float(x))
    assert net.from_layer(1) == net


def test_cuts_inside_a_block() -> None:
    draw = np.random.default_rng(1)
    layers = [Layer.of(draw.normal(size=(3, 3)), draw.normal(size=3), ReLU()) for _ in range(3)]
    inner = Network((Block(tuple(layers), RMSNorm.of(dim=3), True),))
    assert inner.up_to_layer(2).blocks == (Block(tuple(layers[:2]), inner.blocks[0].norm),)
    with pytest.raises(InvalidInput, match=r"skip connection leads around .*from_block\(0\)"):
        inner.from_layer(2)
    plain = Network((Block(tuple(layers), RMSNorm.of(dim=3)),))
    assert plain.from_layer(3).blocks == (Block((layers[2],)),)
    for number in (0, 4, "1", True):
        with pytest.raises(InvalidInput, match="no such range"):
            plain.from_layer(number)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="no such range"):
            plain.up_to_layer(number)  # type: ignore[arg-type]


def test_hidden_values_are_those_of_the_layers() -> None:
    net = network(2, 2, LayerNorm.of, HardTanh(), True)
    x = np.random.default_rng(0).normal(size=(6, 4))
    z, y = net.hidden_float(x), net.hidden_float(x, activated=True)
    assert [a.shape for a in z] == [(6, width) for width in net.widths]
    for k in range(2):
        assert np.array_equal(y[k], np.clip(z[k], -1, 1))
        bits = np.stack([z[k] > -1, z[k] > 1], axis=2).reshape(6, -1)
        assert np.array_equal(bits, net.codes(x, (k + 1, k + 1)).bits)
    for own, all_rows in zip(net.hidden_float(x[0]), z, strict=True):
        np.testing.assert_allclose(own, all_rows[0])
    with pytest.raises(InvalidInput, match="give 4 columns"):
        net.hidden_float(np.zeros((2, 5)))


@pytest.mark.gpu
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_device_changes_nothing(norm: Any, activation: Activation) -> None:
    net = network(8, 3, norm, activation, True)
    x = points(net, 8)
    assert net.codes(x, device="cuda") == net.codes(x)


def test_rows_are_chosen_by_arrays() -> None:
    net = tensors.mlp([([[1, 2], [1, -1]], [0, 1]), ([[1, 1]], [0])])
    codes = net.codes([[1, 2], [-2, 0], [5, -1]])
    for which in (np.array([0, 2]), np.array([True, False, True]), [0, 2], np.array([-3, 2])):
        some = codes[which]
        assert some == net.codes([[1, 2], [5, -1]]) and len(some) == 2
    assert len(codes[[]]) == 0 and codes[np.int64(1)] == codes[np.array(1)] == codes[1]
    assert (
        hamming(codes[[0, 0]], codes[[1, 2]]).tolist()
        == hamming(codes[[0]], codes[[1, 2]], pairs=False)[0].tolist()
    )
    with pytest.raises(IndexError, match="row 9 of 3"):
        codes[9]
    with pytest.raises(
        InvalidInput, match=r"no numbers of rows; got a float64 array of shape \(1,\)"
    ):
        codes[np.array([0.5])]
