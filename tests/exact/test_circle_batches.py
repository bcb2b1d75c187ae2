"""Batches of circles: each is what `partition` makes of it, degenerate ones included, whatever the
chunks and the device.
"""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

from exact import (
    AbsoluteValue,
    Block,
    GreatCircle,
    HardTanh,
    InvalidInput,
    Layer,
    LayerNorm,
    Network,
    Outcome,
    Partition,
    ReLU,
    TooLarge,
    Unsupported,
    partition,
    partition_circles,
)
from exact.arithmetic.enclosures import late
from exact.propagation import circle_filters
from exact.propagation.circle_filters import CircleEvents
from exact.regions.arcs.circles import batch_parts
from exact.regions.arcs.circles.batches import CircleBatch
from exact.regions.arcs.engines import isolation
from exact.sources import tensors

THIRD, TINY = Fraction(1, 3), Fraction(1, 2**1100)
Rows = list[list[Any]]


def draw(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def float_block(norm: str, n: int = 12, m: int = 50) -> Network:
    return tensors.block(
        draw(1, m, n),
        draw(2, m),
        draw(3, 2, m),
        None,
        norm=norm,
        gain=1 + draw(4, n) / 4,  # type: ignore[arg-type]
        bias=draw(5, n),
        eps=1e-5,
    )


def integer_net(activation: Any = None) -> Network:
    """Lines with small integers: copies, opposites, tangents, lines through (1, 0), dead neurons,
    coincident points.
    """
    generator = np.random.default_rng(8)
    weight, bias = generator.integers(-2, 3, (60, 2)), generator.integers(-3, 4, 60)
    weight[:4], bias[:4] = [[0, 0], [0, 0], [3, 4], [1, 0]], [0, 1, -5, -1]
    layer = Layer.of(weight, bias, activation or ReLU())
    return Network((Block((layer, Layer.of(np.ones((1, 60))))),))


def normed_integers(kind: str) -> Network:
    generator = np.random.default_rng(9)
    weight, bias = generator.integers(-2, 3, (30, 4)), generator.integers(-2, 3, 30)
    gain, shift = [1, -2, THIRD, 3], [0, THIRD, 0, -1]
    return tensors.block(
        weight.tolist(), bias.tolist(), [[1] * 30], [0], norm=kind, gain=gain, bias=shift, eps=0
    )  # type: ignore[arg-type]


GRID: tuple[Rows, Rows, int] = (
    [[1, 0], [3, 4], [0, -2], [1, 1], [5, 1]],
    [[0, 1], [1, 0], [7, 0], [1, 2], [THIRD, 2]],
    1,
)
CORNERS = [[1, 2, 0, -1], [1, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, -1], [2, 1, 0, 0]]
ACROSS = [[0, 1, 5, 2], [0, 0, 1, -1], [0, 1, 0, 0], [1, 0, 0, 0], [1, THIRD, 0, 0]]
CLOSE = np.stack([draw(6, 4, 12)[0]] * 4).astype(float)
CASES: dict[str, tuple[Network, Any, Any, Any]] = {
    "layer norm": (float_block("layernorm"), draw(6, 9, 12), draw(7, 9, 12), None),
    "rms": (float_block("rms"), draw(6, 5, 12), torch.from_numpy(draw(7, 5, 12)), None),
    "no norm": (
        tensors.mlp([(draw(1, 40, 5), draw(2, 40)), (draw(3, 1, 40), [0])]),
        draw(6, 6, 5),
        draw(7, 6, 5),
        "7/3",
    ),
    "two bends": (
        Network(
            (
                Block(
                    (
                        Layer.of(draw(1, 30, 5), draw(2, 30), HardTanh("-1/3", 2)),
                        Layer.of(draw(3, 1, 30)),
                    ),
                    LayerNorm.of(0, dim=5),
                ),
            )
        ),
        draw(6, 6, 5),
        draw(7, 6, 5),
        None,
    ),
    "integers": (integer_net(), *GRID),
    "integers, absolute values": (integer_net(AbsoluteValue()), *GRID),
    "integers, two bends": (integer_net(HardTanh(0, 1)), *GRID),
    "rationals behind layer norm": (normed_integers("layernorm"), CORNERS, ACROSS, None),
    "rationals behind rms": (normed_integers("rms"), CORNERS, ACROSS, None),
    "nearly parallel": (
        float_block("layernorm"),
        CLOSE,
        CLOSE + draw(7, 4, 12) * 2.0 ** -np.array([[10], [24], [40], [49]]),
        None,
    ),
    "far from the sphere": (
        float_block("layernorm"),
        draw(6, 3, 12) + 2.0**20,
        draw(7, 3, 12) * 2.0**90,
        None,
    ),
    "one touches": (
        tensors.mlp([([[3, 4], [1, 2]], [-5, 0.125]), ([[1, 1]], [0])]),
        [[1, 0], [2, 1]],
        [[0, 1], [1, 1]],
        1,
    ),
    "one nearly touches": (
        tensors.mlp(
            [
                ([[3, 4], [-3, -4], [1, 2]], [-5 * (1 - 2.0**-53), 5 * (1 - 2.0**-51), 0.125]),
                ([[1, 1, 1]], [0]),
            ]
        ),
        [[1, 0], [2, 1]],
        [[0, 1], [1, 1]],
        1,
    ),
    "tiny numbers": (
        tensors.mlp(
            [([[2.0**-1060, 2.0**-1059], [TINY, 0], [1, 2]], [0, -TINY / 2, 0]), ([[1, 1, 1]], [0])]
        ),
        [[1, 0], [2, 1]],
        [[0, 1], [1, 1]],
        1,
    ),
    "nothing cuts": (
        tensors.mlp([([[1, 1], [0, 0], [1, -1]], [9, 0, -9]), ([[1, 1, 1]], [0])]),
        [[1, 2], [1, 0]],
        [[0, 1], [1, 1]],
        1,
    ),
}


def alone(case: tuple[Network, Any, Any, Any], index: int) -> Partition:
    network, u, v, radius = case
    return partition(network, GreatCircle(list(u[index]), list(v[index]), radius))


@pytest.mark.parametrize("name", CASES)
def test_every_circle_is_what_partition_makes_of_it(name: str) -> None:
    case = CASES[name]
    network, u, v, radius = case
    batch = partition_circles(network, u, v, radius_squared=radius)
    assert len(batch) == len(u)
    assert batch.outcome is Outcome.COMPLETE
    for i in range(len(u)):
        found, made = alone(case, i), batch[i]
        assert (made.digest, len(made), made.outcome) == (
            found.digest,
            len(found),
            Outcome.COMPLETE,
        )
        assert batch.cell_counts[i] == len(found)
        assert batch.codes(i).digest() == found.digest
        flips = [c.hinges for c in found.crossings if not c.tangent]
        assert batch.point_counts[i] == len(flips)
        mine = [c.hinges for c in made.crossings if not c.tangent]
        assert sorted(mine) == sorted(flips)
        assert any(mine == flips[k:] + flips[:k] for k in range(max(1, len(flips))))
        touched = [{h for c in p.crossings if c.tangent for h in c.hinges} for p in (found, made)]
        assert touched[0] == touched[1]


@pytest.mark.parametrize(
    "name", ["layer norm", "integers", "nearly parallel", "rationals behind layer norm"]
)
def test_events_lie_where_the_crossings_are(name: str) -> None:
    network, u, v, radius = CASES[name]
    batch = partition_circles(network, u, v, radius_squared=radius)
    for i in range(len(u)):
        exact = [c.angle_float for c in batch[i].crossings if not c.tangent]
        starts = batch.opens[batch.starts[i] : batch.starts[i + 1]]
        angles = batch.angles_float(i)[starts]
        assert len(angles) == len(exact)
        assert np.abs(np.exp(1j * angles) - np.exp(1j * np.array(exact))).max() < 1e-6


def test_witnesses_have_their_codes() -> None:
    network, u, v, _ = CASES["rationals behind rms"]
    limit = Network(tuple(Block(b.layers, b.norm) for b in network.blocks))
    for made in partition_circles(network, u, v):
        assert all(limit.code(region.witness) == region.code for region in made.regions)
        assert [made.locate(region.witness) for region in made.regions] == list(range(len(made)))


def same(a: CircleBatch, b: CircleBatch) -> bool:
    arrays = ("starts", "rows", "opens", "first_codes")
    return (
        all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays)
        and a.settled.keys() == b.settled.keys()
    )


@pytest.mark.parametrize("name", ["layer norm", "integers", "nearly parallel", "two bends"])
def test_chunks_and_the_way_of_sorting_change_nothing(name: str) -> None:
    network, u, v, radius = CASES[name]
    whole = partition_circles(network, u, v, radius_squared=radius)
    for at_once, products in ((1, 1), (150, 2), (1 << 20, 64)):
        with (
            mock.patch.dict(batch_parts._AT_ONCE, cpu=at_once),
            mock.patch.object(batch_parts, "_PRODUCTS", products),
        ):
            assert same(whole, partition_circles(network, u, v, radius_squared=radius))
    with mock.patch.object(circle_filters, "_argsort", lambda keys: keys.argsort(dim=1)):
        assert same(whole, partition_circles(network, u, v, radius_squared=radius))


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_cuda_changes_nothing(name: str) -> None:
    network, u, v, radius = CASES[name]
    on_cpu, on_cuda = (
        partition_circles(network, u, v, radius_squared=radius, device=device)
        for device in ("cpu", "cuda")
    )
    assert [a.digest for a in on_cpu] == [b.digest for b in on_cuda]
    assert np.array_equal(on_cpu.starts, on_cuda.starts)


def test_only_what_the_filter_abstains_on_is_settled() -> None:
    """Of three circles one has two neurons through one point: exact there, and the filter alone
    elsewhere.
    """
    rows = [[1.0, 1.0, -1.0], [2.0, -1.0, 1.0], [1.0, 3.0, 0.5]]
    network = tensors.mlp(
        [([row[:2] for row in rows], [row[2] for row in rows]), ([[1, 1, 1]], [0])]
    )
    wide = tensors.mlp(
        [([[*row[:2], 0.0] for row in rows], [row[2] for row in rows]), ([[1, 1, 1]], [0])]
    )
    batch = partition_circles(
        wide, [[1, 0, 1], [1, 0, 0], [1, 1, 3]], [[0, 1, 2], [0, 1, 0], [0, 1, 1]], radius_squared=1
    )
    assert set(batch.settled) == {1}
    assert batch.decisions["settled circles"] == 1
    assert batch.decisions["exact"] > 0
    assert batch.cell_counts[1] == len(partition(network, GreatCircle([1, 0], [0, 1], 1))) == 5
    assert int(np.diff(batch.starts)[1]) == 6
    assert batch.opens.sum() == len(batch.opens) - 1


def test_functions_with_vague_enclosures_are_left_to_algebra() -> None:
    """Of the second circle: hinge 1 has two enclosures that meet, hinge 2 one that reaches the
    seam, hinge 3 was undecided.
    """
    rows = np.array([0, 0, 1, 0, 1, 2, 0, 2], dtype=np.int32)
    middle = np.array([1.0, 2, 1, 1 + 1 / 32, 1 + 1 / 16, 2, 3, 4])
    undecided = np.array([[False] * 4, [False] * 3 + [True]])
    low, high, proved = middle - 1 / 32, middle + 1 / 32, np.array([True, False])
    events = CircleEvents(np.array([2, 6]), rows, low, high, undecided, proved, undecided)
    found = batch_parts._proposed(events, 1)
    assert (found.rows.tolist(), found.undecided.tolist()) == ([0, 0], [1, 2, 3])
    assert found.low.tolist() == [1.0, 3 - 1 / 32]
    assert found.high.tolist() == [1 + 1 / 16, 3 + 1 / 32]


def test_no_object_per_crossing_is_made_before_it_is_asked_for() -> None:
    network, u, v, _ = CASES["layer norm"]
    with mock.patch.object(
        isolation, "_edge_of_row", side_effect=AssertionError("a crossing was made")
    ):
        batch = partition_circles(network, u, v)
        assert batch.cell_counts.min() > 50
        assert len({batch.codes(i).digest() for i in range(len(batch))}) == len(batch)


def test_an_index_from_the_end_and_slices() -> None:
    batch = partition_circles(*CASES["layer norm"][:3])
    assert batch[-1].digest == batch[len(batch) - 1].digest != batch[0].digest
    assert [p.digest for p in batch[1:3]] == [batch[1].digest, batch[2].digest]
    assert batch.codes(-1).digest() == batch[-1].digest
    assert np.array_equal(batch.angles_float(-1), batch.angles_float(len(batch) - 1))
    with pytest.raises(IndexError):
        batch[len(batch)]


def test_no_circle_at_all() -> None:
    batch = partition_circles(float_block("rms"), np.zeros((0, 12)), np.zeros((0, 12)))
    assert (len(batch), batch.cell_counts.tolist(), list(batch)) == (0, [], [])


@pytest.mark.parametrize(
    ("u", "v"),
    [
        ([1, 1, 2], [2, 2, 4]),
        ([1, 1, 2], [3, 3, 4]),
        ([0, 0, 0], [1, 0, 0]),
        ([5, 5, 5], [1, 0, 0]),
    ],
)
def test_vectors_that_span_no_circle_are_named(u: list[int], v: list[int]) -> None:
    """Dependent, or dependent once the mean is taken off."""
    network = tensors.block([[1, 0, 0]], [0], [[1]], [0], norm="layernorm", eps=0)
    threads = torch.get_num_threads()
    with (
        mock.patch.object(late.torch, "get_num_threads", return_value=3),
        mock.patch.object(late.torch, "set_num_threads") as setting,
    ):
        with pytest.raises(InvalidInput, match="circle 1: u and v do not span a circle"):
            partition_circles(network, [[1, 0, 0], u], [[0, 1, 0], v])
        assert setting.call_args.args == (3,)
    assert torch.get_num_threads() == threads


def test_refusals() -> None:
    network = float_block("rms")
    u, v = draw(6, 2, 12), draw(7, 2, 12)
    deep = tensors.mlp([([[1, 0]], [0]), ([[1]], [0]), ([[1]], [0])])
    with pytest.raises(Unsupported, match="one hidden layer"):
        partition_circles(deep, [[1, 0]], [[0, 1]], radius_squared=1)
    with pytest.raises(InvalidInput, match="do not fit the network"):
        partition_circles(network, u, v[:1])
    with pytest.raises(InvalidInput, match="do not fit the network"):
        partition_circles(network, u[:, :5], v[:, :5])
    with pytest.raises(InvalidInput, match="radius of the norm"):
        partition_circles(network, u, v, radius_squared=1)
    with pytest.raises(InvalidInput, match="radius of the norm"):
        partition_circles(integer_net(), [[1, 0]], [[0, 1]])
    with pytest.raises(InvalidInput, match="no positive radius"):
        partition_circles(integer_net(), [[1, 0]], [[0, 1]], radius_squared=0)
    with pytest.raises(InvalidInput, match="no such device"):
        partition_circles(network, u, v, device="tpu")
    with pytest.raises(TooLarge, match="up to 200 crossings"):
        partition_circles(network, u, v, limit=199)
    assert len(partition_circles(network, u, v, limit=200)) == 2


def test_a_wide_batch_costs_a_few_products() -> None:
    """64 circles through 3,072 neurons of 768 inputs; the target is ten bare products, the bound
    leaves room for noise.
    """
    network = tensors.block(
        draw(1, 3072, 768), draw(2, 3072), draw(3, 2, 3072), None, norm="layernorm", eps=1e-5
    )
    u, v = draw(6, 64, 768), draw(7, 64, 768)
    weight, both = (
        torch.from_numpy(np.array(x, dtype=np.float64))
        for x in (network.layers[0].weight.float64(), [*u, *v])
    )
    partition_circles(network, u[:2], v[:2])
    spent = []
    for work in (lambda: both @ weight.T, lambda: partition_circles(network, u, v)):
        started = time.process_time()
        made = work()
        spent.append(time.process_time() - started)
    assert isinstance(made, CircleBatch)
    assert made.decisions["filter"] > 64 * 3000
    assert spent[1] < 40 * spent[0]


def test_a_batch_is_shown_in_one_line() -> None:
    square = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    two = partition_circles(square, [[1, 2], [3, 1]], [[0, 1], [1, 1]], radius_squared=1)
    assert repr(two) == "<2 circles, 8 arcs, complete>"
    many = partition_circles(square, [[1, 0]] * 300, [[0, 1]] * 300, radius_squared=1)
    assert repr(many) == "<300 circles, 1,200 arcs, complete>"
    far = tensors.mlp([([[1, 0]], [7]), ([[1]], [0])])
    assert (
        repr(partition_circles(far, [[1, 0]], [[0, 1]], radius_squared=1))
        == "<1 circle, 1 arc, complete>"
    )
