"""What may only cost time: the float filter, the number of copies, the budget, the progress
callback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isqrt
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from exact import (
    Box,
    Budget,
    GreatCircle,
    Outcome,
    Partition,
    RealSpace,
    Segment,
    Sphere,
    partition,
)
from exact.geometry.arrangements import lowest_vertices
from exact.geometry.polyhedra.programmes import lp
from exact.kernels import splitting
from exact.regions.arcs.engines import isolation
from exact.regions.polytopes.engines import cutting, exact_vertices, facet_walk, vertices
from exact.sources import tensors
from tests.laws.random_networks import Spec, codes, edges, specs
from tests.laws.test_circles import circles, normed
from tests.laws.test_touching import touching
from tests.truths import engines
from tests.truths.cases import rms_norm
from tests.truths.oracle import Point

ALWAYS, NEVER = 0, 10**9
OTHERS = [name for name in engines.ONE_LAYER if name != "brute_force"]


def specs_for(engine: str) -> st.SearchStrategy[Spec]:
    return specs(st.integers(1, 3), hinges=5, depth=3 if engine in engines.FLAT else 1)


def filtered_and_exact(
    spec: Spec, domain: Sphere | GreatCircle | Segment
) -> tuple[Partition, Partition]:
    found = []
    for threshold in (ALWAYS, NEVER):
        with mock.patch.object(isolation, "SMALL", threshold):
            found.append(partition(spec.network, domain))
    return found[0], found[1]


def assert_equal_in_order(first: Partition, second: Partition) -> None:
    assert codes(first) == codes(second)
    assert edges(first) == edges(second)
    assert first.digest == second.digest


@given(normed())
def test_filter_on_spheres(spec: Spec) -> None:
    assert_equal_in_order(*filtered_and_exact(spec, Sphere()))


@given(touching())
def test_filter_on_touching_lines(spec: Spec) -> None:
    assert_equal_in_order(*filtered_and_exact(spec, Sphere(radius_squared=1)))


@given(specs(4, depth=2, norm=rms_norm(4)), circles())
def test_filter_on_great_circles(spec: Spec, pair: tuple[Point, Point]) -> None:
    assert_equal_in_order(*filtered_and_exact(spec, GreatCircle(*pair)))


@given(specs(3), circles(3))
def test_filter_on_segments(spec: Spec, pair: tuple[Point, Point]) -> None:
    assume(pair[0] != pair[1])
    assert_equal_in_order(*filtered_and_exact(spec, Segment(*pair)))


@pytest.mark.parametrize("scale", [1e-160, 1.0, 1e160, 1e300])
def test_filter_survives_any_scale(scale: float) -> None:
    """Rows whose squares over- or underflow in float64: the filter abstains, the answer stays."""
    random = np.random.default_rng(0)
    weight, bias = random.normal(size=(64, 3)), random.normal(size=64)
    networks = [
        tensors.block(s * weight, s * bias, np.ones((1, 64)), [0.0], norm="layernorm", eps=0)
        for s in (1.0, scale)
    ]
    first, second = (partition(network, Sphere()) for network in networks)
    # scaled floats are rounded, so nearby crossings may move, but not their number
    rounding_moved = scale != 1.0
    assert first.cell_count == second.cell_count
    assert rounding_moved or codes(first) == codes(second)


@pytest.mark.parametrize("name", ["layernorm", "rms"])
def test_wide_layer_has_the_closed_form(name: str) -> None:
    """mathematics.md, "Wide layers on a great circle": on the geodesic through u and v, neuron j
    crosses at phi_j +- arccos(-c_j / R_j).
    """
    random = np.random.default_rng(2)
    n, count = 24, 300
    weight, bias = random.normal(size=(count, n)), 3 * random.normal(size=count)
    u, v = random.normal(size=(2, n))
    network = tensors.block(weight, bias, np.ones((1, count)), [0.0], norm=name, eps=0)
    found = partition(network, GreatCircle(u, v))
    a, b = (x - x.mean() if name == "layernorm" else x for x in (u, v))
    first = a / np.linalg.norm(a)
    second = b - (b @ first) * first
    along = np.sqrt(n) * weight @ np.stack([first, second / np.linalg.norm(second)]).T
    radius, phase = np.hypot(*along.T), np.arctan2(along[:, 1], along[:, 0])
    meets = np.abs(bias) < radius
    spread = np.arccos(-bias[meets] / radius[meets])
    expected = np.sort(np.concatenate([phase[meets] + spread, phase[meets] - spread]) % (2 * np.pi))
    angles = np.array([crossing.angle_float for crossing in found.crossings])
    assert 0 < meets.sum() < count
    assert found.cell_count == len(expected)
    assert np.abs(np.sort(angles) - expected).max() < 1e-9
    assert sorted(len(crossing.hinges) for crossing in found.crossings) == [1] * len(expected)


def test_filter_meets_many_exact_coincidences() -> None:
    """256 neurons on 16 lines through 32 rational points, in random order, plus lines that
    touch.
    """
    random = np.random.default_rng(1)
    lines = [(a, b) for a in range(-4, 5) for b in range(1, 5) if np.gcd(a, b) == 1][:16]
    rows = [
        [float(f * a), float(f * b)] for a, b in lines for f in (1, 2, -3, 5, -7, 11, 13, -0.5) * 2
    ]
    order = random.permutation(len(rows))
    offsets = [0.0] * len(rows)
    tangents = [([3.0, 4.0], -5.0), ([-3.0, 4.0], 5.0), ([1.0, 0.0], 1.0)] * 4
    weight = [rows[i] for i in order] + [row for row, _ in tangents]
    network = tensors.mlp(
        [(weight, offsets + [c for _, c in tangents]), (np.ones((1, len(weight))), [0.0])]
    )
    found = partition(network, Sphere(radius_squared=1))
    cuts = [crossing for crossing in found.crossings if not crossing.tangent]
    assert found.cell_count == 32
    assert {len(crossing.hinges) for crossing in cuts} == {16}
    assert [int(bit) for bit in found.regions[0].code.bits[-12:]] == [0, 1, 1] * 4


@pytest.mark.parametrize("crossing", [True, False])
def test_filter_abstains_where_a_line_all_but_touches(crossing: bool) -> None:
    """a x + b y = a + 1 with b next to sqrt(2a + 1): whether it meets the unit circle is decided in
    the 77th bit.
    """
    random = np.random.default_rng(3)
    large = sorted({int(a) for a in random.integers(2**46, 2**52, size=64)})
    rows = [(a, isqrt(2 * a + 1) + crossing, -(a + 1)) for a in large]
    assert all((a * a + b * b > c * c) is crossing for a, b, c in rows)
    weight, bias = [[float(a), float(b)] for a, b, _ in rows], [float(c) for *_, c in rows]
    found = partition(
        tensors.mlp([(weight, bias), (np.ones((1, 64)), [0.0])]), Sphere(radius_squared=1)
    )
    assert found.cell_count == (2 * len(rows) if crossing else 1)


def no_proposal(*_: object) -> None:
    """A float solver that never answers."""


def bad_proposal(
    table: np.ndarray, dim: int, watch: object
) -> tuple[np.ndarray, float, tuple[int, ...]]:  # type: ignore[type-arg]
    """A float solver that claims a point outside and a basis without meaning."""
    return np.full(dim, 3.5), 0.25, (*range(min(dim, len(table))), -1)


@given(specs(st.integers(1, 3), hinges=5), st.sampled_from([no_proposal, bad_proposal]))
def test_float_solver_is_never_trusted(spec: Spec, solver: object) -> None:
    for domain in (RealSpace(spec.input_dim), Box(-1, 1, dim=spec.input_dim)):
        helped = partition(spec.network, domain, engine="lp_tree")
        with mock.patch.object(lp, "_propose", solver):
            alone = partition(spec.network, domain, engine="lp_tree")
            graph = edges(alone)
        assert helped.digest == alone.digest
        assert edges(helped) == graph


@pytest.mark.parametrize("engine", OTHERS)
@given(regions=st.integers(1, 5), data=st.data())
def test_budget_gives_a_part(engine: str, regions: int, data: st.DataObject) -> None:
    spec = data.draw(specs_for(engine))
    for domain in (RealSpace(spec.input_dim), Segment([-1] * spec.input_dim, [2] * spec.input_dim)):
        assume(engines.takes(engine, spec.network, domain))
        whole = partition(spec.network, domain, engine=engine)
        part = partition(spec.network, domain, engine=engine, budget=Budget(regions=regions))
        assert set(codes(part)) <= set(codes(whole))
        assert len(part.regions) >= min(regions, len(whole.regions))
        assert [spec.code(region.witness) for region in part.regions] == codes(part)
        if len(part.regions) < len(whole.regions):
            assert part.outcome is Outcome.BUDGET_REACHED
            assert part.graph().number_of_nodes() == len(part.regions)
        if part.outcome is Outcome.COMPLETE:
            assert part.digest == whole.digest


@pytest.mark.parametrize("engine", OTHERS)
def test_no_time_gives_no_answer_and_says_so(engine: str) -> None:
    random = np.random.default_rng(4)
    network = tensors.mlp(
        [(random.normal(size=(60, 3)), random.normal(size=60)), (np.ones((1, 60)), [0.0])]
    )
    found = partition(network, RealSpace(3), engine=engine, budget=Budget(seconds=0.0))
    assert found.outcome is Outcome.BUDGET_REACHED
    assert len(found.regions) < 36_051  # 1 + C(60, 1) + C(60, 2) + C(60, 3)


@pytest.mark.parametrize("engine", OTHERS)
def test_progress_counts_up(engine: str) -> None:
    seen: list[int] = []
    network = tensors.mlp([(np.eye(3), np.zeros(3)), (np.ones((1, 3)), [0.0])])
    partition(network, RealSpace(3), engine=engine, progress=seen.append)
    assert seen == sorted(seen)
    assert 0 < seen[-1] <= 8


# ---- what engines may do in any portions, on any number of threads, with floats that know nothing


@contextmanager
def small_blocks() -> Iterator[None]:
    """Everything that is done in blocks, or kept in a cache, in the smallest of them."""
    with (
        mock.patch.object(cutting, "_BLOCK", 1),
        mock.patch.object(exact_vertices, "_KEPT", 1),
        mock.patch.object(facet_walk, "_CACHE", 1),
        mock.patch.object(lowest_vertices, "_BLOCK", {"cpu": 1, "cuda": 1}),
        mock.patch.object(vertices, "_BLOCK", 1),
    ):
        yield


@contextmanager
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def no_floats() -> Iterator[None]:
    """Error bounds so large that every sign is left to exact arithmetic."""
    rows = cutting.Cutter._enter_rows

    def unknown_signs(
        self: cutting.Cutter, layer: int, count: int, bits: int, points: object
    ) -> np.ndarray:  # type: ignore[type-arg]
        return np.full((count, bits), splitting.UNKNOWN, np.int8)

    def unknown_rows(self: cutting.Cutter, first: int, *given: np.ndarray) -> None:  # type: ignore[type-arg]
        rows(self, first, *given)
        self._c.planes.offset_error[first : first + len(given[0])] = 1e300

    with (
        mock.patch.object(cutting.Cutter, "_signs", unknown_signs),
        mock.patch.object(cutting.Cutter, "_enter_rows", unknown_rows),
        mock.patch.object(lowest_vertices, "_TINY", 1e300),
    ):
        yield


@pytest.mark.parametrize("way", [small_blocks, two_threads, no_floats])
@pytest.mark.parametrize("engine", OTHERS)
@given(data=st.data())
def test_the_way_of_working_changes_nothing(
    engine: str, way: Callable[[], Any], data: st.DataObject
) -> None:
    spec = data.draw(specs_for(engine))
    for domain in (RealSpace(spec.input_dim), Box(-1, 1, dim=spec.input_dim)):
        assume(engines.takes(engine, spec.network, domain))
        plain = partition(spec.network, domain, engine=engine)
        with way():
            other = partition(spec.network, domain, engine=engine)
            assert (other.digest, edges(other)) == (plain.digest, edges(plain))


@pytest.mark.parametrize("engine", ["subdivision", "vertices"])
def test_without_floats_all_is_exact(engine: str) -> None:
    random = np.random.default_rng(5)
    network = tensors.mlp(
        [(random.normal(size=(9, 2)), random.normal(size=9)), (np.ones((1, 9)), [0.0])]
    )
    found = partition(network, RealSpace(2), engine=engine)
    with no_floats():
        slow = partition(network, RealSpace(2), engine=engine)
    assert slow.digest == found.digest
    assert found.decisions["exact"] < found.decisions["filter"]
    assert slow.decisions["exact"] > found.decisions["exact"]


@pytest.mark.gpu
@pytest.mark.parametrize("engine", OTHERS)
@given(data=st.data())
def test_the_device_changes_nothing(engine: str, data: st.DataObject) -> None:
    spec = data.draw(specs_for(engine))
    for domain in (RealSpace(spec.input_dim), Box(-1, 1, dim=spec.input_dim)):
        assume(engines.takes(engine, spec.network, domain))
        found = [
            partition(spec.network, domain, engine=engine, device=device)
            for device in ("cpu", "cuda")
        ]
        assert found[0].digest == found[1].digest
        assert edges(found[0]) == edges(found[1])
