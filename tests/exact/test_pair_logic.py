"""Logic of pairs, shares and crossings against cells, samples and closed forms."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from exact import (
    Block,
    InvalidInput,
    Layer,
    LayerNorm,
    Network,
    Norm,
    ReLU,
    RMSNorm,
    Sphere,
    expected_crossings,
    firing_shares,
    joint_counts,
    pair_logic,
    partition,
    partition_circles,
)
from exact.sources import tensors


def drawn(kind: type[Norm], dim: int, width: int, seed: int, scale: int = 5) -> Network:
    draw = np.random.default_rng(seed)
    norm = kind.of(0, draw.integers(1, 5, size=dim) / 2, draw.integers(-2, 3, size=dim) / 4)
    rows, shifts = draw.integers(-2, 3, size=(width, dim)), draw.integers(-scale, scale + 1, width)
    return Network((Block((Layer.of(rows, shifts, ReLU()),), norm),))


def by_codes(network: Network, alive: list[int]) -> tuple[set, set, set]:
    """The relations that the open cells of the sphere show."""
    bits = partition(network, Sphere()).bits
    shown = {
        (i, j): {(bool(a), bool(b)) for a, b in bits[:, [i, j]].tolist()}
        for i, j in permutations(alive, 2)
    }
    return (
        {pair for pair, seen in shown.items() if (True, False) not in seen},
        {p for p, seen in shown.items() if p[0] < p[1] and (True, True) not in seen},
        {p for p, seen in shown.items() if p[0] < p[1] and (False, False) not in seen},
    )


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("kind", "dim"), [(RMSNorm, 2), (RMSNorm, 3), (LayerNorm, 4)])
def test_all_relations_against_the_cells_of_the_sphere(
    kind: type[Norm], dim: int, seed: int
) -> None:
    network = drawn(kind, dim, 7, seed)
    found = pair_logic(network)
    alive = np.flatnonzero(found.constant == 0).tolist()
    wanted = by_codes(network, alive)
    for name, pairs in zip(("implies", "exclusive", "covering"), wanted, strict=True):
        assert {tuple(p) for p in getattr(found, name).tolist()} == pairs, name
    bits = partition(network, Sphere()).bits
    for j in np.flatnonzero(found.constant).tolist():
        assert (bits[:, j] == (found.constant[j] > 0)).all()
    assert sum(found.decisions.values()) == len(alive) * (len(alive) - 1) // 2


def test_touching_caps_are_decided_exactly() -> None:
    """theta = pi / 3 around e1, and caps around e2 and -e1 that touch it; a bit less does not."""
    rows = [[1, 0], [-1, 0], [-1, 0], [2, 0], [-1, 0]]
    shifts = [-0.5, 0.5, 0.5 - 2.0**-50, -1, -0.5]
    network = Network(
        (Block((Layer.of([[*r, 0, 0] for r in rows], shifts, ReLU()),), RMSNorm.of(0, dim=4)),)
    )
    found = pair_logic(network)
    assert [0, 1] in found.exclusive.tolist() and [0, 1] in found.covering.tolist()
    assert [0, 2] in found.exclusive.tolist() and [0, 2] not in found.covering.tolist()
    assert [0, 3] in found.implies.tolist() and [3, 0] in found.implies.tolist()
    assert found.decisions["exact"] > 0


def test_what_data_shows_is_counted_exactly() -> None:
    network = drawn(LayerNorm, 4, 12, 3)
    points = np.random.default_rng(1).integers(-3, 4, size=(300, 4)) + np.array([0, 0, 0, 0.5])
    bits = np.array([network.code(x.tolist()).bits for x in points])
    counts = joint_counts(network, points)
    for i in range(12):
        for j in range(12):
            a, b = bits[:, i], bits[:, j]
            assert counts["both_on"][i, j] == (a & b).sum()
            assert counts["only_i"][i, j] == (a & ~b).sum()
            assert counts["only_j"][i, j] == (~a & b).sum()
            assert counts["both_off"][i, j] == (~a & ~b).sum()
    table = pair_logic(network).to_pandas(points)
    kinds = table.groupby("relation")
    assert {"implies"} <= set(kinds.groups) and len(table) > 3
    assert (table[table.relation == "implies"].only_i == 0).all()
    assert (table[table.relation == "exclusive"].both_on == 0).all()
    assert (table[table.relation == "covering"].both_off == 0).all()


@pytest.mark.parametrize("eps", [0, "1/3", 2])
@pytest.mark.parametrize("rule", ["var", "std"])
def test_bits_with_eps_are_those_of_the_codes(eps: object, rule: str) -> None:
    draw = np.random.default_rng(2)
    norm = LayerNorm.of(eps, [1, 2, -1, 0.5], [0.5, 0, 0, -1], eps_rule=rule)
    network = Network(
        (
            Block(
                (
                    Layer.of(
                        draw.integers(-3, 4, size=(9, 4)), draw.integers(-3, 4, size=9), ReLU()
                    ),
                ),
                norm,
            ),
        )
    )
    points = draw.integers(-2, 3, size=(80, 4)) / 4 + np.array([0, 0, 0, 0.125])
    wanted = sum(network.code(x.tolist()).bits.astype(int) for x in points)
    assert (np.diag(joint_counts(network, points)["both_on"]) == wanted).all()


def test_shares_against_closed_forms_and_samples() -> None:
    network = drawn(RMSNorm, 3, 8, 1)
    norm, first = network.blocks[0].norm, network.layers[0]
    assert norm is not None
    shares = firing_shares(network)
    weight = first.weight.float64() * norm.gain.float64().T
    shift = first.bias.float64()[:, 0] + first.weight.float64() @ norm.bias.float64()[:, 0]
    # Archimedes: on S^2 the share is (1 - cos theta) / 2
    cosine = np.clip(-shift / (3**0.5 * np.linalg.norm(weight, axis=1)), -1, 1)
    assert np.abs(shares - (1 - cosine) / 2).max() < 1e-12
    deep = drawn(LayerNorm, 6, 5, 2)
    points = np.random.default_rng(0).normal(size=(20000, 6))
    seen = np.diag(joint_counts(deep, points)["both_on"]) / 20000
    assert np.abs(firing_shares(deep) - seen).max() < 0.02


@pytest.mark.parametrize(("kind", "dim"), [(RMSNorm, 4), (LayerNorm, 5)])
def test_the_mean_of_random_circles_is_croftons(kind: type[Norm], dim: int) -> None:
    network = drawn(kind, dim, 12, 4)
    wanted = expected_crossings(network)
    u, v = np.random.default_rng(0).normal(size=(2, 3000, dim))
    events = np.diff(partition_circles(network, u, v).starts)
    assert abs(events.mean() - wanted.crossings_float) < 5 * events.std() / 3000**0.5
    assert wanted.crossings_bound < 1e-12
    # on a circle the mean is the count itself: two for each hinge that cuts it
    circle = expected_crossings(drawn(RMSNorm, 2, 9, 5))
    assert circle.crossings_float == 2 * circle.neurons > 0


def test_networks_without_a_norm_are_refused() -> None:
    plain = tensors.mlp([([[1, 2]], [0]), ([[1]], [0])])
    for ask in (pair_logic, firing_shares, expected_crossings):
        with pytest.raises(InvalidInput, match="without a norm"):
            ask(plain)
