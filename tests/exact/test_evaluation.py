"""Codes at points, behind none, one and several norms, against 100 digits and against ties by
construction.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from exact import (
    GELU,
    AbsoluteValue,
    Activation,
    Block,
    HardTanh,
    Identity,
    InvalidInput,
    Layer,
    LayerNorm,
    Network,
    Norm,
    ReLU,
    RMSNorm,
    Segment,
    SiLU,
    Undecided,
    partition,
)
from exact.sources import tensors
from tests.exact import reference
from tests.exact.reference import integers

ACTIVATIONS: list[Activation] = [ReLU(), HardTanh(), AbsoluteValue(), GELU("tanh"), GELU(), SiLU()]


def norm_of(seed: int, dim: int) -> Norm:
    """LayerNorm and RMSNorm, both eps rules, eps 0 and positive, in turn."""
    generator = np.random.default_rng(seed)
    kind = (LayerNorm, RMSNorm)[seed % 2]
    return kind.of(
        Fraction(3 * (seed // 2 % 3), 2),
        generator.normal(1, 0.5, dim),
        generator.normal(size=dim),
        eps_rule="var" if seed % 3 else "std",
    )


def block_of(
    seed: int, widths: list[int], activation: Activation, norm: Norm | None, residual: bool
) -> Block:
    generator = np.random.default_rng(50 + seed)
    ends = [activation] * (len(widths) - 2) + [Identity()]
    layers = [
        Layer.of(generator.normal(size=(b, a)), generator.normal(size=b), f)
        for a, b, f in zip(widths, widths[1:], ends, strict=False)
    ]
    return Block(tuple(layers), norm, residual)


def transformer(seed: int, norms: int, activation: Activation) -> Network:
    """Residual blocks as in GPT-2, `norms` of them behind a norm, the other one plain."""
    blocks = [
        block_of(seed + k, [3, 4, 3], activation, norm_of(seed + k, 3), True) for k in range(norms)
    ]
    return Network((block_of(seed + 9, [3, 3, 3], ReLU(), None, seed % 2 == 0), *blocks))


def points(seed: int, dim: int, count: int) -> list[list[Fraction]]:
    return [
        [Fraction(x, 64) for x in integers(np.random.default_rng(seed + k), dim, 300)]
        for k in range(count)
    ]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("norms", [0, 1, 2, 3])
def test_codes_agree_with_100_digits(norms: int, seed: int) -> None:
    network = transformer(seed, norms, ACTIVATIONS[seed % 3])
    for point in points(seed, 3, 3):
        assert str(network.code(point)) == reference.code(network, point)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
@pytest.mark.parametrize("norms", [1, 2])
def test_codes_behind_smooth_activations(norms: int, activation: Activation) -> None:
    network = transformer(4, norms, activation)
    for point in points(1, 3, 3):
        assert str(network.code(point)) == reference.code(network, point)


@pytest.mark.parametrize("activation", [GELU("tanh"), GELU(), SiLU()], ids=repr)
def test_one_smooth_layer_between_other_widths(activation: Activation) -> None:
    """The layer behind the smooth one is wider than it: its input must not be needed."""
    network = tensors.block(
        [[1, 2, 3.0]], [0.25], [[1.0], [2], [3]], None, norm="layernorm", activation=activation
    )
    assert str(network.code([1, 2, 4])) == "1"
    assert str(network.code([4, 2, 1])) == reference.code(network, [4, 2, 1]) == "0"


@pytest.mark.parametrize("kind", ["layernorm", "rms"])
@pytest.mark.parametrize("rule", ["var", "std"])
@pytest.mark.parametrize("wide", [False, True])
def test_signs_next_to_zero_behind_one_norm(kind: Any, rule: Any, wide: bool) -> None:
    """The bias is the negative pre-activation rounded to 2^-150, and a step of that size to either
    side.
    """
    generator = np.random.default_rng(7)
    dim = 64 if wide else 5
    weight, x = (
        integers(generator, (dim, dim)),
        [Fraction(v, 8) for v in integers(generator, dim, 50)],
    )
    plain = tensors.block(weight, [0] * dim, [[0] * dim], [0], norm=kind, eps="1/7", eps_rule=rule)
    with mpmath.workdps(120):
        values = reference.walk(plain, x)[0][0]
        floors = [
            Fraction(int(mpmath.floor(value * mpmath.mpf(2) ** 150)), 2**150) for value in values
        ]
    for step, expected in ((0, "1"), (1, "0"), (-1, "1")):
        bias = [-(value + Fraction(step, 2**150)) for value in floors]
        near = tensors.block(weight, bias, [[0] * dim], [0], norm=kind, eps="1/7", eps_rule=rule)
        assert str(near.code(x)) == expected * dim


@pytest.mark.parametrize("size", [4, 64])
def test_exact_ties_are_off(size: int) -> None:
    """x = (1, ..., 1) has root mean square 1, so RMSNorm without eps keeps it; rows that sum to
    minus the bias tie.
    """
    weight = [[(i + j) % 5 - 2 for j in range(size)] for i in range(size)]
    sums = [sum(row) for row in weight]
    ones = [1] * size
    for shift, expected in ((0, "0"), (Fraction(1, 2**300), "1"), (Fraction(-1, 2**300), "0")):
        network = tensors.block(weight, [shift - s for s in sums], [ones], [0], norm="rms", eps=0)
        assert (
            str(network.code(ones)) == str(network.code([7 * x for x in ones])) == expected * size
        )


def test_ties_at_both_breakpoints_are_off() -> None:
    network = tensors.mlp(
        [([[1], [1], [1]], [0, 1, -1]), ([[1, 1, 1]], [0])], activation=HardTanh()
    )
    assert str(network.code([0])) == "101000"
    assert str(network.code([Fraction(1, 10**50)])) == "101110"


@pytest.mark.parametrize("dim", [64, 70])
def test_wide_layers_agree_with_100_digits(dim: int) -> None:
    generator = np.random.default_rng(dim)
    weight, bias = generator.normal(size=(dim, dim)), generator.normal(size=dim)
    for activation in (ReLU(), HardTanh()):
        for norm in (None, norm_of(1, dim), norm_of(2, dim)):
            head = Layer.of(weight, bias, activation)
            network = Network((Block((head, Layer.of(np.ones((1, dim)))), norm),))
            point = [Fraction(x, 16) for x in integers(generator, dim, 99)]
            assert str(network.code(point)) == reference.code(network, point)


def test_wide_layers_with_weights_that_overflow() -> None:
    """Rows near the end of the float64 range: the filter must abstain, the exact row decides."""
    weight = np.full((64, 64), 1.5e308)
    weight[:, 1::2] *= -1
    weight[::2, 0] -= 1e292
    network = Network(
        (Block((Layer.of(weight, np.zeros(64), ReLU()), Layer.of(np.ones((1, 64))))),)
    )
    assert str(network.code([10**9] * 64)) == "0" * 64
    assert str(network.code([-(10**9)] * 64)) == "10" * 32
    assert str(network.code([1] * 63 + [0])) == "1" * 64


def test_layers_up_to_the_last_asked_for_only() -> None:
    """The second norm divides by zero here, so only the first layer has a code."""
    first = Block((Layer.of([[1, 0], [0, 1]], [0, -5], ReLU()), Layer.of([[1, 1], [1, 1]])))
    second = Block((Layer.of([[1, 2]], [0], ReLU()), Layer.of([[1], [1]])), LayerNorm.of(0, dim=2))
    network = Network((first, second))
    assert str(network.code([1, 2], layers=(1, 1))) == "10"
    with pytest.raises(InvalidInput, match="P x = 0"):
        network.code([1, 2])


@pytest.mark.parametrize("norm", [LayerNorm.of(0, dim=3), RMSNorm.of(0, dim=3)])
def test_the_centre_of_a_norm_without_eps(norm: Norm) -> None:
    network = Network((Block((Layer.of([[1, 2, 3]], [1], ReLU()), Layer.of([[1]])), norm),))
    with pytest.raises(InvalidInput, match="P x = 0"):
        network.code([0, 0, 0])
    if isinstance(norm, LayerNorm):
        with pytest.raises(InvalidInput, match="P x = 0"):
            network.code([5, 5, 5])


@pytest.mark.parametrize("rule", ["var", "std"])
def test_the_centre_of_a_norm_with_eps_is_its_bias(rule: Any) -> None:
    """The pre-activations of (1, 0, 2/3) are 3 + b_1 and -1 + b_2."""
    rows, bias = [[1, 2, 3], [-1, 0, 0]], [1, 0, "2/3"]
    for shift, expected in (([-3, 1], "00"), ([-2, 2], "11"), ([-2, 1], "10")):
        network = tensors.block(
            rows, shift, [[1, 1]], [0], norm="layernorm", bias=bias, eps_rule=rule
        )
        assert str(network.code([5, 5, 5])) == expected


def twice_normalised(bias: object) -> Network:
    """The deviations (-4, -1, 5) / 3 of (0, 1, 3), normalised twice; 5 y_1 + 4 y_3 = 0, so the
    pre-activation is the bias.
    """
    first = Block((Layer.of([[1, 0, 0], [0, 1, 0], [0, 0, 1]]),), LayerNorm.of(0, dim=3))
    last = Block(
        (Layer.of([[5, 0, 4], [0, 0, 0]], [bias, 0], ReLU()), Layer.of([[1, 1]])),
        LayerNorm.of(0, dim=3),
    )
    return Network((first, last))


def test_a_tie_behind_two_norms_that_no_root_changes_is_a_zero() -> None:
    # the deviations are (-4, -1, 5) / 3, and 5 (-4) + 4 5 = 0
    assert str(twice_normalised(0).code([0, 1, 3])) == "00"


def test_a_tie_with_the_root_of_a_norm_is_undecided() -> None:
    first = Block((Layer.of([[1, 0], [1, 0]]),), RMSNorm.of(0, dim=2))
    last = Block(
        (Layer.of([[1, 0], [0, 0]], [-1, 0], ReLU()), Layer.of([[1, 1]])), RMSNorm.of(0, dim=2)
    )
    with pytest.raises(Undecided, match="4,096 bits"):
        # the second norm gives (1, 1), by the root of (2/5 + 2/5) / 2
        Network((first, last)).code([1, 2])


def test_next_to_a_tie_behind_two_norms() -> None:
    for bits in (10, 100, 1000, 3000):
        gap = Fraction(1, 2**bits)
        assert str(twice_normalised(gap).code([0, 1, 3])) == "10"
        assert str(twice_normalised(-gap).code([0, 1, 3])) == "00"


def test_a_dead_neuron_behind_two_norms_is_off() -> None:
    """Its pre-activation is zero as written, which needs no decision."""
    assert str(twice_normalised("1/2").code([3, 1, 0])) == "10"


def test_the_centre_of_the_first_of_two_norms() -> None:
    with pytest.raises((Undecided, InvalidInput)):
        twice_normalised(0).code([3, 3, 3])


FRONT = Block((Layer.of([[1, 0, 0], [0, 1, 0], [0, 0, 1]]),), LayerNorm.of("1/100000", dim=3))
GAINED = LayerNorm.of("1/100000", [1, 2, "1/3"], ["1/3", 1, -1])
"""Behind it the row (2, 1, 6) is 2/3 + 1 - 6 = -13/3 everywhere."""
DEAD: dict[str, tuple[Block, str]] = {
    "by the projection": (
        Block((Layer.of([[5, 5, 5], [1, 0, -1]], [0, 0], ReLU()),), LayerNorm.of(1, dim=3)),
        "00",
    ),
    "by gain and projection": (
        Block((Layer.of([[2, 1, 6], [2, 1, 6]], ["13/3", 5], ReLU()),), GAINED),
        "01",
    ),
    "at another breakpoint": (Block((Layer.of([[2, 1, 6]], ["16/3"], HardTanh()),), GAINED), "10"),
    "by a linear layer": (
        Block(
            (Layer.of([[1, 0, 0], [0, 1, 1]], [0, "1/3"]), Layer.of([[1, 1]], ["-1/3"], ReLU())),
            LayerNorm.of(1, dim=3),
        ),
        "0",
    ),
    "by pieces that cancel": (
        Block(
            (Layer.of([[0, 0, 3], [0, 0, 6]], [1, 2], ReLU()), Layer.of([[2, -1]], [0], ReLU())),
            LayerNorm.of(1, dim=3),
        ),
        "11|0",
    ),
}


@pytest.mark.parametrize("kind", DEAD)
def test_neurons_of_which_a_second_norm_leaves_nothing(kind: str) -> None:
    """They are zero, or at a breakpoint, for every input: off there, wherever the network is
    asked.
    """
    block, expected = DEAD[kind]
    network = Network((FRONT, block))
    for point in points(7, 3, 4):
        code = network.code(sorted(point))
        assert str(code) == expected
        assert network.code(sorted(point), layers=(1, 1)).bits.tolist() == [
            bit == "1" for bit in expected.split("|")[0]
        ]
    segment = partition(network, Segment([0, 1, 3], [0, 1, 4]))
    assert [str(region.code) for region in segment.regions] == [expected]
    assert segment.code(segment.regions[0].witness) == segment.code_of(0)


def test_skip_connections_around_norms_lead_back_to_the_point() -> None:
    """x + (ones) is known, and so is a form that sees only the skipped input; one that sees the
    norm is not constant.
    """
    ones = Block((Layer.of([[1, 1, 1]] * 3, ["1/3"] * 3),), LayerNorm.of(1, dim=3), residual=True)
    last = Block((Layer.of([[1, 0, 0], [0, 3, 0]], ["-1/3", -5], ReLU()),), residual=False)
    later = Block((Layer.of([[1, 1]], [0], ReLU()),), RMSNorm.of(1, dim=2))
    network = Network((ones, ones, last, later))
    assert str(network.code(["-1/3", 1, 2])) == "00|0"
    assert str(network.code([0, 1, 2])) == "10|1"
    smooth = Network(
        (
            FRONT,
            Block((Layer.of([[5, 5, 5]], [0], GELU()), Layer.of([[1]])), LayerNorm.of(1, dim=3)),
        )
    )
    assert str(smooth.code([0, 1, 3])) == "0"


def test_layers_behind_one_norm_are_decided_exactly_in_front_of_a_second() -> None:
    """5 y_1 + 4 y_3 = 0 at the deviations (-4, -1, 5) / 3: a tie that surds decide, whatever
    follows.
    """
    tie = Block((Layer.of([[5, 0, 4], [0, 0, 1]], [0, 0], ReLU()),), LayerNorm.of(0, dim=3))
    network = Network((tie, Block((Layer.of([[1, -1]], [0], ReLU()),), RMSNorm.of(1, dim=2))))
    assert str(network.code([0, 1, 3])) == "01|0"


@pytest.mark.parametrize("point", [[3, 3, 3], ["1/3", "1/3", "1/3"]])
def test_an_undefined_norm_is_named_though_nothing_is_left_of_it(point: list[Any]) -> None:
    dead = Block((Layer.of([[5, 5, 5]], [0], ReLU()),), LayerNorm.of(0, dim=3))
    scaled = Block(
        (Layer.of([["1/7", 0, 0], [0, "1/7", 0], [0, 0, "1/7"]]),), LayerNorm.of(0, dim=3)
    )
    with pytest.raises(InvalidInput, match="P x = 0"):
        Network((scaled, dead)).code(point)
