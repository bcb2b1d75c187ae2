"""The status of neurons against all regions of each domain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from exact import (
    AbsoluteValue,
    Ball,
    Block,
    Box,
    Domain,
    HardTanh,
    HPolytope,
    InvalidInput,
    Layer,
    LayerNorm,
    LeakyReLU,
    Network,
    NormBall,
    ReLU,
    RMSNorm,
    Sphere,
    Unsupported,
    neuron_status,
    partition,
    rational,
)
from exact.instruments.batches.neurons.neuron_status import Status, _IntervalWalk
from exact.sources import tensors

TRIANGLE = [[0, 0], [2, 1], [1, 3]]
DOMAINS: dict[str, Callable[[], Domain]] = {
    "box": lambda: Box([-1, 0], [1, 2]),
    "ball": lambda: Ball([0.5, 0], 2),
    "triangle": lambda: HPolytope([[-1, 2, 0], [3, -1, 0], [-2, -1, 5]]),
    "circle": lambda: Sphere(2),
}


def drawn(seed: int, *widths: int, activation: object = None, norm: object = None) -> Network:
    draw, layers = np.random.default_rng(seed), []
    before = 2 if norm is None else norm.dim  # type: ignore[attr-defined]
    for width in widths:
        shift = draw.integers(-6, 7, size=width)
        layers.append(
            Layer.of(draw.integers(-2, 3, size=(width, before)), shift, activation or ReLU())
        )
        before = width
    return Network((Block(tuple(layers), norm),))


def judged(network: Network, domain: Domain, limit: int = 10_000) -> None:
    found, bits = neuron_status(network, domain, limit), partition(network, domain).bits
    wanted = np.where(bits.all(axis=0), 1, np.where(bits.any(axis=0), 0, -1))
    known = found.status != Status.UNDECIDED
    assert (found.status == wanted)[known].all()
    assert known.all() or limit < 10
    assert (np.array(found.proved_by) != "").tolist() == known.tolist()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("widths", [(9,), (5, 5)])
def test_domains_without_a_norm(name: str, seed: int, widths: tuple[int, ...]) -> None:
    if (name == "ball" and len(widths) == 1) or name != "ball":
        judged(drawn(seed, *widths), DOMAINS[name]())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("activation", [AbsoluteValue(), LeakyReLU()])
def test_other_activations(activation: object, seed: int) -> None:
    judged(drawn(seed, 5, 4, activation=activation), Box([-1, 0], [1, 2]))


@pytest.mark.parametrize("seed", range(4))
def test_behind_norms(seed: int) -> None:
    gain, bias = [1, -2, 0.5, 1], [0.5, 0, 0, 1]
    judged(drawn(seed, 8, norm=LayerNorm.of(0, gain, bias)), Sphere())
    judged(drawn(seed, 5, 4, norm=RMSNorm.of(0, gain[:3], bias[:3])), Sphere())
    judged(drawn(seed, 6, norm=LayerNorm.of(1, gain, bias)), NormBall())


@pytest.mark.parametrize("seed", range(6))
def test_a_hull_of_points_is_its_polyhedron(seed: int) -> None:
    network = drawn(seed, 12)
    points = neuron_status(network, TRIANGLE)
    assert (points.status == neuron_status(network, DOMAINS["triangle"]()).status).all()
    deep = drawn(seed, 4, 4)
    found = neuron_status(deep, np.array(TRIANGLE, dtype=float))
    wanted = neuron_status(deep, DOMAINS["triangle"]())
    known = found.status != Status.UNDECIDED
    assert (found.status == wanted.status)[known].all()


def test_touching_is_no_crossing() -> None:
    net = Network(
        (Block((Layer.of([[1, 1], [1, 1], [-1, -1], [0, 0]], [2, 2 - 2.0**-50, -2, 0], ReLU()),)),)
    )
    for domain in (Box(-1, 1, dim=2), Ball([0, 0], 2), Sphere(2), [[-1, -1], [1, 1]]):
        assert neuron_status(net, domain).status.tolist() == [1, 0, -1, -1]


def test_intervals_hold_and_what_is_left_is_undecided() -> None:
    network, open_ones = drawn(1, 6, 6, 6), 0
    for limit in (1, 10_000):
        judged(network, Box(-1, 1, dim=2), limit)
        found = neuron_status(network, Box(-1, 1, dim=2), limit)
        open_ones += found.count(Status.UNDECIDED)
    assert open_ones > 0
    x = np.random.default_rng(0).uniform(-1, 1, size=(500, 2))
    for k, layer in enumerate(network.hidden_layers):
        z = x @ layer.weight.float64().T + layer.bias.float64()[:, 0]
        inside = slice(6 * k, 6 * k + 6)
        assert (found.lower_float[inside] <= z.min(axis=0)).all()
        assert (z.max(axis=0) <= found.upper_float[inside]).all()
        x = np.maximum(z, 0)
    table = found.to_pandas()
    assert set(table.status) <= {"always", "never", "sometimes"} and len(table) == 18


def test_other_domains_are_refused_by_name() -> None:
    normed = drawn(0, 4, norm=RMSNorm.of(0, dim=3))
    with pytest.raises(InvalidInput, match="neither a domain nor points; got 'x'; give Sphere"):
        neuron_status(normed, "x")
    with pytest.raises(InvalidInput, match="neither a domain nor points; got 'x'"):
        neuron_status(drawn(0, 4), "x")
    with pytest.raises(InvalidInput, match="a hull of no points"):
        neuron_status(normed, [])
    with pytest.raises(Unsupported, match="no status here"):
        neuron_status(tensors.mlp([([[1, 2]], [0]), ([[1]], [0])]), NormBall())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("activation", [ReLU(), HardTanh(-1, 3)])
def test_data_of_the_domain_shows_what_is_proved(seed: int, activation: object) -> None:
    """A point of every region of a box, and its corners, at which hinges may be zero."""
    network, box = drawn(seed, 5, 4, activation=activation), Box([-1, 0], [1, 2])
    points = [list(region.witness) for region in partition(network, box).regions]
    found = neuron_status(network, box).with_data(points + [[a, b] for a in box.lo for b in box.hi])
    shares = found.data_shares_float
    assert ((shares > 0) & (shares < 1))[found.status == Status.SOMETIMES].all()
    assert not shares[found.status == Status.NEVER].any() and not len(found.against)


@pytest.mark.parametrize("seed", range(3))
def test_data_behind_a_norm(seed: int) -> None:
    network = drawn(seed, 5, 4, norm=RMSNorm.of(1, [1, -2, 0.5]))
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(200, 3)) * draw.choice([0, 0.1, 1, 100], size=(200, 1))
    status = neuron_status(network, NormBall())
    found, codes = status.with_data(x), np.array([network.code(list(row)).bits for row in x])
    assert (found.counts == codes.sum(axis=0)).all() and found.rows == len(x)
    assert (found.data_shares_float == codes.mean(axis=0)).all() and not len(found.against)
    assert (found.status == status.status).all() and found.proved_by == status.proved_by
    assert list(found.to_pandas()) == [*status.columns(), "data_share", "data_against"]


def test_rows_outside_the_domain_may_contradict_it() -> None:
    """Neuron 0 is zero in a corner, and still on everywhere else."""
    layers = ([[1, 1], [-1, -1], [0, 1], [0, 1]], [2, -2, 0, -1]), ([[1, 1, 0, 0]], [1])
    status = neuron_status(tensors.mlp(layers), Box(-1, 1, dim=2))
    assert status.names == ["always", "never", "sometimes", "never"]
    found = status.with_data([[-1, -1], [-3, 0], ["1/3", 2], [0, "1/2"]])
    assert found.against.tolist() == [[1, 0], [1, 1], [2, 3]]
    assert found.columns()["data_against"].tolist() == [1, 1, 0, 1]
    assert found.data_shares_float.tolist() == [0.5, 0.25, 0.5, 0.25]
    assert repr(found).endswith("; 4 rows of data, 3 times against it>")
    nothing = status.with_data(np.zeros((0, 2)))
    assert np.isnan(nothing.data_shares_float).all() and not len(nothing.against)
    with pytest.raises(InvalidInput, match="row 1 of X is not finite"):
        status.with_data(np.array([[0.0, 1.0], [np.nan, 0.0]]))


def test_the_interval_of_a_norm_holds_what_the_norm_gives() -> None:
    """bias +- |gain| sqrt(n) itself, compared by squares: no rounding of the walk leaves it out."""
    rng = np.random.default_rng(3)
    for n in (2, 3, 5, 7, 31):
        norm = RMSNorm.of(0, gain=rng.normal(size=n), bias=rng.normal(size=n) / 64)
        search: Any = None
        low, high = _IntervalWalk(search).apply(norm)
        for i in range(n):
            gain, bias = norm.gain.row(i)[0], norm.bias.row(i)[0]
            for end in (bias - rational(low[i]), rational(high[i]) - bias):
                assert end > 0
                assert end * end >= gain * gain * n


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", ["hull", "box", "wide box"])
@pytest.mark.parametrize("widths", [(12,), (6, 5)])
def test_boxes_and_hulls_in_front_of_a_norm(seed: int, kind: str, widths: tuple[int, ...]) -> None:
    """Against points of the domain: bounds hold, nothing contradicts a proof, much is proved."""
    draw = np.random.default_rng(seed)
    norm: Any = [LayerNorm, RMSNorm][seed % 2]
    eps, rule = [0, 1e-3, 4][seed % 3], "std" if seed % 4 == 3 else "var"
    net = drawn(
        seed,
        *widths,
        activation=HardTanh(-1, 2) if seed % 5 == 0 else ReLU(),
        norm=norm.of(eps, draw.normal(size=4), draw.normal(size=4), eps_rule=rule),
    )
    middle = draw.normal(size=4) * 3
    if kind == "hull":
        rows = middle + draw.normal(size=(7, 4)) * draw.choice([0.2, 2])
        domain: Any = rows
        inside = draw.dirichlet(np.full(7, 0.5), size=400) @ rows
    else:
        half = draw.uniform(0.05, 0.3, size=4) * (10 if kind == "wide box" else 1)
        domain = Box((middle - half).tolist(), (middle + half).tolist())
        inside = middle + draw.uniform(-1, 1, size=(400, 4)) * half
    found = neuron_status(net, domain)
    z = np.concatenate(
        [
            np.repeat(h, len(layer.activation.breakpoints), axis=1)
            - np.tile([float(t) for t in layer.activation.breakpoints], h.shape[1])
            for h, layer in zip(net.hidden_float(inside), net.hidden_layers, strict=True)
        ],
        axis=1,
    )
    assert (found.lower_float - 1e-9 <= z.min(axis=0)).all()
    assert (z.max(axis=0) <= found.upper_float + 1e-9).all()
    assert (z[:, found.status == Status.ALWAYS] > -1e-9).all()
    assert (z[:, found.status == Status.NEVER] < 1e-9).all()
    for j in np.flatnonzero(found.status == Status.SOMETIMES):
        assert found.proved_by[j] == "points"
    both = (z.min(axis=0) < -1e-6) & (z.max(axis=0) > 1e-6)
    assert set(found.status[both].tolist()) <= {Status.SOMETIMES, Status.UNDECIDED}
    first = slice(0, net.bits_per_layer[0])
    proved = found.status[first] != Status.UNDECIDED
    assert proved.mean() >= 0.5 or kind == "wide box" or eps == 0
    data = found.with_data(inside)
    assert len(data.against) == 0


def test_bounds_behind_a_norm_are_tighter_than_those_of_the_sphere() -> None:
    """A small cloud of rows far from the origin sees a small part of the sphere."""
    draw = np.random.default_rng(5)
    net = drawn(5, 40, norm=RMSNorm.of(1e-5, dim=8))
    rows = draw.normal(size=8) * 5 + draw.normal(size=(30, 8)) * 0.05
    whole, here = neuron_status(net, NormBall()), neuron_status(net, rows)
    assert (here.lower_float >= whole.lower_float - 1e-9).all()
    assert (here.upper_float <= whole.upper_float + 1e-9).all()
    assert here.count(Status.UNDECIDED) <= 3 and here.count(Status.SOMETIMES) < 10
    assert whole.count(Status.SOMETIMES) > 30
    far = [neuron_status(net, rows * scale).status for scale in (1e3, 1e100)]
    assert (far[0] == far[1]).mean() > 0.9
    for scale in (1e-200, 1e200):  # squares leave the range: less is known, and nothing wrong
        found = neuron_status(net, rows * scale)
        z = net.hidden_float(rows * scale)[0]
        assert ((found.lower_float <= z.min(axis=0)) & (z.max(axis=0) <= found.upper_float)).all()
