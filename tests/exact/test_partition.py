"""The front door: which engine, which refusal, which limit."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
import torch

from exact import (
    GELU,
    Ball,
    Block,
    Box,
    Budget,
    GreatCircle,
    InvalidInput,
    Layer,
    LayerNorm,
    Line,
    Network,
    NormBall,
    NotPiecewiseLinear,
    Outcome,
    Plane,
    Ray,
    RealSpace,
    ReLU,
    RMSNorm,
    Segment,
    Sphere,
    TooLarge,
    Unsupported,
    partition,
)
from exact.geometry import budgets
from exact.geometry.domains.base import Domain
from exact.partition import DEFAULT_LIMIT, ENGINES, choose
from exact.regions.engine import Problem, all_refusals
from exact.sources import tensors

EYE = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
PLAIN = tensors.mlp([(EYE, [0, 0, 0]), ([[1, 1, 1]], [0])])
LATE_NORM = Network(
    (*PLAIN.blocks, Block((Layer.of([[1], [2]], [1, 0], ReLU()),), RMSNorm.of(0, dim=1)))
)
TWO_NORMS = Network((Block((Layer.of(np.eye(5), None, ReLU()),), LayerNorm.of(0, dim=5)),) * 2)
NORMED = tensors.block(EYE, [0, 0, "1/2"], [[1, 1, 1]], [0], norm="layernorm", eps=0)


def wide(dim: int) -> Network:
    """One hidden layer on R^dim."""
    return tensors.mlp(
        [([[int(i == j) for j in range(dim)] for i in range(dim)], None), ([[1] * dim], None)]
    )


def drawn(dim: int, hinges: int, bias: float) -> Network:
    """One hidden layer of random floats."""
    draw = np.random.default_rng(hinges).normal
    layer = draw(size=(hinges, dim)), bias * draw(size=hinges)
    return tensors.mlp([layer, (np.ones((1, hinges)), None)])


@pytest.mark.parametrize(
    ("dim", "bias", "few"), [(3, 1.0, 22), (3, 0.0, 24), (4, 1.0, 6), (4, 0.0, 10)], ids=repr
)
def test_a_few_hinges_are_cut_by_what_starts_sooner(dim: int, bias: float, few: int) -> None:
    for hinges, engine in ((few, "subdivision"), (few + 1, "skeleton"), (9 * few, "skeleton")):
        problem = Problem.of(drawn(dim, hinges, bias), Box(-1, 1, dim=dim))
        choice = choose(problem)
        assert choice.engine.name == engine and choice.costs["skeleton"] < 100
    assert choose(Problem.of(drawn(5, 2, bias), Box(-1, 1, dim=5))).engine.name == "skeleton"


POINTS = [0, 0, 0], [1, 0, 0], [0, 1, 1]


@pytest.mark.parametrize(
    ("network", "domain", "engine"),
    [
        (PLAIN, Box(-1, 1, dim=3), "subdivision"),
        (PLAIN, RealSpace(3), "subdivision"),
        (PLAIN, Plane(*POINTS), "subdivision"),
        (PLAIN, Ball([0, 0, 0], 1), "vertices"),
        (wide(4), RealSpace(4), "vertices"),
        (wide(6), RealSpace(6), "vertices"),
        (wide(4), Box(-1, 1, dim=4), "subdivision"),
        (wide(8), Box(-1, 1, dim=8), "skeleton"),
        (wide(9), Box(-1, 1, dim=9), "lp_tree"),
        (PLAIN, Segment([-1, -1, 1], [1, 1, 2]), "circle"),
        (PLAIN, Ray(0, [1, 1, 1]), "circle"),
        (PLAIN, Line([0, 1, 0], [1, 1, 1]), "circle"),
        (PLAIN, GreatCircle([1, 0, 0], [0, 1, 1], radius_squared=1), "circle"),
        (NORMED, Sphere(), "circle"),
        (NORMED, GreatCircle([1, 0, 0], [0, 1, 0]), "circle"),
        (NORMED, Ray([0, 1, 0], [1, 1, 0]), "circle"),
    ],
    ids=repr,
)
def test_the_engine_that_is_chosen(network: Network, domain: Domain, engine: str) -> None:
    found = partition(network, domain)
    assert (found.engine, found.outcome) == (engine, Outcome.COMPLETE)
    assert found.evidence
    assert found.network is network
    assert found.domain is domain


FOR_LINES = {"circle", "subdivision", "vertices", "lp_tree", "facet_walk", "brute_force"}


def test_engines_have_different_names() -> None:
    names = [engine.name for engine in ENGINES]
    assert len(set(names)) == len(names)
    assert set(names) >= FOR_LINES


@pytest.mark.parametrize(
    "domain",
    [Segment([-1, -1, 1], [1, 1, 2]), Ray([1, 0, 0], [-1, 1, 2]), Line([0, 1, 0], [1, 1, -1])],
)
def test_every_engine_does_straight_lines(domain: Domain) -> None:
    names = [engine.name for engine in ENGINES if engine.refusal(Problem(PLAIN, domain)) is None]
    assert set(names) >= FOR_LINES
    found = [partition(PLAIN, domain, engine=name) for name in names]
    assert [result.engine for result in found] == names
    assert len({result.digest for result in found}) == 1


REFUSALS: list[tuple[Network, Domain, str | None, list[str]]] = [
    (
        NORMED,
        Box(-1, 1, dim=3),
        None,
        [
            "the network has a norm, so its regions in a flat domain are not polytopes; use "
            "Sphere, GreatCircle, Segment",
            "the layers behind it (subdivision, skeleton, vertices, live_tree, slice, lp_tree, "
            "facet_walk, brute_force); for other domains than Box: ",
            "circle, nested_roots (one-dimensional domains), round_layers (balls), small_circles",
        ],
    ),
    (
        NORMED,
        Ball([0, 0, 0], 1),
        None,
        [
            "the network has a norm, so its regions",
            "give NormBall(), or network.folded() (vertices, round_layers); for other",
            "subdivision, skeleton, live_tree, slice, lp_tree, facet_walk, brute_force (domains "
            "with walls)",
        ],
    ),
    (
        TWO_NORMS,
        Sphere(),
        None,
        [
            "; hidden layers stand behind 2 norms; curves (GreatCircle, Segment, ...) can do that "
            "(small_circles, ",
            "; the sphere has dimension 3, not 1; use GreatCircle(u, v) for a geodesic on it "
            "(circle, nested_roots); for other",
            "than Sphere: subdivision, skeleton, vertices, live_tree, slice, lp_tree, facet_walk, "
            "brute_force (flat domains), round_layers (balls)",
        ],
    ),
    (
        LATE_NORM,
        GreatCircle([1, 0, 0], [0, 1, 0]),
        None,
        [
            "determine the circle; give radius_squared= (circle, nested_roots)",
            "sphere_polytopes (spheres)",
        ],
    ),
    (
        tensors.mlp([([[1]], [0]), ([[1]], [0])]),
        Sphere(radius_squared=2),
        None,
        [
            "the sphere has dimension 0",
            "it cuts 2-spheres, and this sphere has dimension 0 (small_circles, "
            "sphere_subdivision)",
            "it enumerates spheres of dimension 2 and more, not 0; circle does those "
            "(sphere_flats, sphere_polytopes); for other",
        ],
    ),
    (
        NORMED,
        Box(-1, 1, dim=3),
        "circle",
        ["; circle: it enumerates one-dimensional domains, not Box"],
    ),
    (NORMED, Box(-1, 1, dim=3), "lp_tree", ["lp_tree: the network has a norm"]),
    (NORMED, Sphere(), "lp_tree", ["lp_tree: it enumerates flat domains, not Sphere"]),
    (NORMED, Sphere(), "brute_force", ["brute_force: it enumerates flat domains"]),
    (PLAIN, Sphere(radius_squared=1), "circle", ["circle: the sphere has dimension 2"]),
    (PLAIN, Sphere(radius_squared=1), "lp_tree", ["lp_tree: it enumerates flat domains"]),
    (
        PLAIN,
        RealSpace(3),
        "circle",
        ["circle: it enumerates one-dimensional domains, not RealSpace"],
    ),
]


@pytest.mark.parametrize(("network", "domain", "engine", "reasons"), REFUSALS, ids=repr)
def test_refusals_give_each_engines_reason(
    network: Network, domain: Domain, engine: str | None, reasons: list[str]
) -> None:
    with pytest.raises(Unsupported) as caught:
        partition(network, domain, engine=engine)
    message = str(caught.value)
    assert all(reason in message for reason in reasons)
    assert repr(domain) in message
    assert ("no engine" in message) == (engine is None)
    assert "brute_force" in message or engine != "brute_force"
    if engine is None:
        assert len(message) < 600
        assert message.index(reasons[0]) < message.index(
            f"for other domains than {type(domain).__name__}: "
        )
        # every engine stands behind one reason, in brackets, or among those for other domains
        for known in ENGINES:
            assert len(re.findall(rf"[(:,] ?{known.name}[,)]| {known.name} \(", message)) == 1, (
                known.name
            )


@pytest.mark.parametrize(
    "domain", [Box(-1, 1, dim=3), Ball([0, 0, 0], 1), Sphere(), GreatCircle([1, 0, 0], [0, 1, 0])]
)
def test_one_kind_of_reason_is_that_of_the_domain(domain: Domain) -> None:
    """What no network could change is the last clause, and says so in each engine's own words."""
    kind = type(domain).__name__
    told = {
        engine.name: reason
        for engine in ENGINES
        if (reason := engine.refusal(Problem(PLAIN, domain))) is not None
    }
    _, _, others = all_refusals(told, kind).partition(f"for other domains than {kind}: ")
    named = set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", others)))
    assert named == {
        name
        for name, reason in told.items()
        if any(told in str(reason) for told in (f"not {kind}", "walls", "not chains"))
    }
    assert len(named) >= 4


@pytest.mark.parametrize(
    ("network", "domain"),
    [
        (PLAIN, Box(-1, 1, dim=3)),
        (PLAIN, Line([0, 1, 0], [1, 1, 1])),
        (NORMED, GreatCircle([1, 0, 0], [0, 1, 0])),
        (NORMED, Sphere()),
        (PLAIN, Ball([0, 0, 0], 1)),
    ],
    ids=repr,
)
def test_a_choice_is_what_partition_does(network: Network, domain: Domain) -> None:
    choice = choose(Problem.of(network, domain))
    assert choice.engine.name == partition(network, domain).engine
    assert choice.costs[choice.engine.name] == min(choice.costs.values())
    assert {*choice.costs, *choice.refusals} == {engine.name for engine in ENGINES}
    for name, refusal in choice.refusals.items():
        with pytest.raises(Unsupported) as caught:
            partition(network, domain, engine=name)
        assert str(caught.value).endswith(f"{name}: {refusal}")


def test_the_norm_is_looked_behind_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the problem; engine, partition and certificate share what it found."""
    network = tensors.block([[1, 2, 3]], [0], [[1]], [0], norm="layernorm", eps="1/9")
    folded, calls = Network.folded, list[Network]()
    monkeypatch.setattr(Network, "folded", lambda self: (calls.append(self), folded(self))[1])
    found = partition(network, NormBall())
    assert found.regions[0].witness is not None
    assert calls == [network]


def test_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=", ".join(engine.name for engine in ENGINES)):
        partition(PLAIN, RealSpace(3), engine="voronoi")


@pytest.mark.parametrize(
    ("network", "domain"),
    [
        (PLAIN, Box(-1, 1, dim=2)),
        (PLAIN, GreatCircle([1, 0], [0, 1], radius_squared=1)),
        (PLAIN, Sphere()),
        (PLAIN, GreatCircle([1, 0, 0], [0, 1, 0])),
        (NORMED, Sphere(radius_squared=3)),
        (NORMED, GreatCircle([1, 0, 0], [0, 1, 0], radius_squared=3)),
    ],
)
def test_domains_that_do_not_fit(network: Network, domain: Domain) -> None:
    with pytest.raises(InvalidInput):
        partition(network, domain)


def wide(m: int, n: int) -> Network:
    generator = np.random.default_rng(0)
    return tensors.mlp(
        [(generator.normal(size=(m, n)), generator.normal(size=m)), (np.ones((1, m)), [0.0])]
    )


def test_limits_refuse_before_any_work() -> None:
    """The bound for m lines in the plane is 1 + m + m (m - 1) / 2."""
    network = wide(7, 2)
    assert partition(network, RealSpace(2), limit=29).region_count == 29
    with pytest.raises(TooLarge) as caught:
        partition(network, RealSpace(2), limit=28)
    assert "29 regions (29 bytes of codes)" in str(caught.value)
    assert "limit=None" in caught.value.remedy
    assert partition(network, RealSpace(2), limit=None).region_count == 29


def test_the_default_limit_is_for_enormous_jobs_only() -> None:
    huge = wide(64, 10)
    with pytest.raises(TooLarge, match="bytes"):
        partition(huge, RealSpace(10))
    assert DEFAULT_LIMIT >= 10**9
    started = partition(huge, RealSpace(10), limit=None, budget=Budget(regions=2))
    assert (len(started), started.outcome) == (2, Outcome.BUDGET_REACHED)


def test_a_limit_ends_a_curve_by_what_is_found() -> None:
    """100 neurons on a line cut it into 101 cells at most, whatever a bound for curves says."""
    network = wide(100, 50)
    line = Line([0] * 50, [1] * 50)
    whole = partition(network, line, limit=101)
    assert whole.outcome is Outcome.COMPLETE
    part = partition(network, line, limit=7)
    assert (part.outcome, len(part)) == (Outcome.BUDGET_REACHED, 7)
    assert (
        "the limit of 7 regions is reached: give limit=None or a larger one to go on"
        in part.evidence
    )


def deep(widths: list[int], scale: float = 1.0) -> Network:
    """Normal weights; widths from the input on."""
    generator, layers = np.random.default_rng(1), []
    for n, m in itertools.pairwise(widths):
        layers.append(
            (generator.normal(size=(m, n)) * (2 / n) ** 0.5, generator.normal(size=m) * scale)
        )
    return tensors.mlp([*layers, (np.ones((1, widths[-1])), [0.0])])


@pytest.mark.parametrize(
    ("widths", "domain"),
    [
        ([2, 128, 128, 128], Box(-0.01, 0.01, dim=2)),
        ([5, 50, 50, 50, 50, 50, 50], Segment([-1] * 5, [1] * 5)),
        ([5, 50, 50, 50, 50, 50, 50], Box(-0.0005, 0.0005, dim=5)),
        ([5, 50, 50, 50, 50, 50, 50], Ball([0] * 5, radius_squared="1/1000000")),
    ],
)
def test_small_jobs_are_done_whatever_the_worst_case(widths: list[int], domain: Domain) -> None:
    """The worst case for these widths is above 10^10 regions; what is found is a few hundred."""
    found = partition(deep(widths), domain)
    assert found.outcome is Outcome.COMPLETE
    assert 1 <= len(found) < 2_000


def test_memory_ends_a_job() -> None:
    """60 neurons in R^8 cut it into 3.2 10^9 regions; a budget of bytes stops them long before, and
    says how to go on.
    """
    network = wide(60, 8)
    # kernels take memory when they are made
    partition(network, RealSpace(8), engine="vertices", budget=Budget(regions=10))
    found = partition(
        network, RealSpace(8), engine="vertices", budget=Budget(bytes=2e7, seconds=60)
    )
    assert found.outcome is Outcome.BUDGET_REACHED
    assert 0 < len(found) < 10**8
    assert (
        "the memory is used up (20 MB, the budget): give Budget(bytes=...) for more"
        in found.evidence
    )


def test_what_cannot_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the flats of the first layer alone, and by bytes: the same job is started where there is
    more memory.
    """
    network = wide(60, 8)
    monkeypatch.setattr(budgets, "available_bytes", lambda: 10**9)
    with pytest.raises(
        TooLarge, match=r"at least 1,\d{3},\d{3},\d{3} regions .* there is room for 500 MB"
    ):
        partition(network, RealSpace(8))
    with pytest.raises(TooLarge, match="room for 1 MB"):
        partition(network, RealSpace(8), budget=Budget(bytes=1e6))
    near = Box(-0.001, 0.001, dim=8)
    assert partition(network, near).outcome is Outcome.COMPLETE
    monkeypatch.setattr(budgets, "available_bytes", lambda: 10**14)
    with pytest.raises(TooLarge, match=r"the limit is 1,000,000$"):
        partition(network, RealSpace(8), limit=10**6)


def test_smooth_hidden_layers_are_refused_unless_last() -> None:
    two = tensors.mlp([(EYE, [0, 0, 0]), (EYE, [1, 1, 1]), ([[1, 1, 1]], [0])], activation=GELU())
    for domain in (Box(-1, 1, dim=3), Line([0, 1, 0], [1, 1, 1])):
        with pytest.raises(
            NotPiecewiseLinear, match="hidden layers stand behind a smooth activation"
        ):
            partition(two, domain)
    one = Network(
        (
            Block(
                (
                    Layer.of(EYE, [0, 0, 1], ReLU()),
                    Layer.of(EYE, [1, 0, 0], GELU()),
                    Layer.of([[1, 1, 1]]),
                )
            ),
        )
    )
    assert partition(one, Box(-1, 1, dim=3)).region_count == 4
    assert partition(two.relu_ised(), Box(-1, 1, dim=3)).region_count > 4


@pytest.mark.parametrize("device", ["gpu", "mps", "", "cud"])
def test_unknown_devices(device: str) -> None:
    with pytest.raises(InvalidInput, match='"cpu" or "cuda"'):
        partition(PLAIN, RealSpace(3), device=device)


def test_cuda_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InvalidInput, match="no CUDA device"):
        partition(PLAIN, RealSpace(3), device="cuda:1")


@pytest.mark.gpu
@pytest.mark.parametrize("norm", [None, LayerNorm.of(0, dim=6), RMSNorm.of("1/10", dim=6)])
def test_device_changes_no_result(norm: Any) -> None:
    generator = np.random.default_rng(5)
    layer = Layer.of(generator.normal(size=(200, 6)), generator.normal(size=200), ReLU())
    network = Network((Block((layer, Layer.of(np.ones((1, 200)))), norm),))
    u, v = generator.normal(size=(2, 6))
    circle = GreatCircle(u, v, radius_squared=2 if norm is None else None)
    for domain in (circle, Segment(u, v), Line(u, v)):
        first, second = partition(network, domain), partition(network, domain, device="cuda")
        assert np.array_equal(first.bits, second.bits)
        assert [r.witness for r in first.regions] == [r.witness for r in second.regions]


@pytest.mark.parametrize(
    "given", [{"budget": 10}, {"budget": 2.5}, {"limit": -1}, {"limit": 2.5}, {"limit": "none"}]
)
def test_bounds_that_are_none(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"not a (budget|limit)"):
        partition(PLAIN, RealSpace(3), **given)


@pytest.mark.parametrize(
    "given", [{"regions": -1}, {"seconds": -0.5}, {"seconds": float("nan")}, {"regions": "many"}]
)
def test_a_budget_is_a_number_from_zero(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="a budget of"):
        Budget(**given)


@pytest.mark.parametrize("name", ["regions", "seconds", "bytes"])
def test_a_truth_value_is_no_bound(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"a budget of {name} is not a number from 0; got True"):
        Budget(**{name: True})
    with pytest.raises(InvalidInput, match="not a limit; got True"):
        partition(tensors.mlp([([[1]], [0]), ([[1]], [0])]), Box(-1, 1, dim=1), limit=True)


def test_a_budget_of_regions_is_whole() -> None:
    with pytest.raises(InvalidInput, match=r"a budget of regions is not a number from 0; got 1\.5"):
        Budget(regions=1.5)  # type: ignore[arg-type]
