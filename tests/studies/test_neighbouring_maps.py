"""Claim 0.6: maps within a cell, across facets and by Hamming distance, where they are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from exact import AffineMap, Box, Network, Partition, RationalMatrix, Sphere, partition, rational
from exact.sources import tensors
from studies.finding import Finding, Verdict, number
from studies.questions.cells import cells_of_spheres, neighbouring_maps
from studies.questions.cells.neighbouring_maps import bits_along, family_findings
from studies.questions.shared.map_changes import Changes, Steps, steps_of
from studies.statistics import Degenerate
from studies.subjects import Subjects
from tests.studies.test_questions import block, layer_of

SUPPORTED, REFUTED, UNDECIDED = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.UNDECIDED


def line(slopes: list[int]) -> Partition:
    """The pieces of a function of one variable with the given slope between the kinks 0, 1, 2, ...;
    zero left of 0.
    """
    kinks, steps = len(slopes), np.diff([0, *slopes])
    made = [(np.ones((kinks, 1)), -np.arange(kinks)), (steps[None].astype(float), [0])]
    return partition(tensors.mlp(made), Box(-1, kinks, dim=1))  # type: ignore[arg-type]


# ---- one cell, one map


def cells() -> tuple[Partition, ...]:
    """Of a plane, a circle, a 2-sphere and a cube."""
    rng = np.random.default_rng(3)
    weights = [rng.standard_normal(shape) for shape in ((6, 3), 6, (2, 6), 2)]
    plane = tensors.mlp([([[1, 2], [3, -1]], [1, 0]), ([[1, 1]], [2])])
    behind = (tensors.block(*weights, norm=norm) for norm in ("layernorm", "rms"))  # type: ignore[arg-type]
    cube = tensors.block(*weights)
    return (
        partition(plane, neighbouring_maps.PLANE),
        *(partition(one, Sphere()) for one in behind),
        partition(cube, neighbouring_maps.CUBE),
    )


def test_one_cell_has_one_map_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    for found in cells():
        same = neighbouring_maps.same_map_finding("", found, 0)
        assert same.verdict is SUPPORTED and same.data["equal"] == same.data["points"] > 190  # type: ignore[operator]
    honest, ulp = Network.affine_at, rational(2.0**-52, "ulp")

    def off(self: Network, x: Sequence[object]) -> AffineMap:
        """The map, off by the last bit of 1."""
        found = honest(self, x)
        entries = found.offset.column()
        entries[0] += ulp
        return replace(found, offset=RationalMatrix.from_rationals(entries))

    monkeypatch.setattr(Network, "affine_at", off)
    monkeypatch.setattr(neighbouring_maps, "POINTS", 3)
    assert all(neighbouring_maps.same_map_finding("", found, 0).is_alarm for found in cells())


# ---- neighbours


def test_relative_changes_of_a_staircase_are_known() -> None:
    steps = steps_of(line([1, 2, 3, 4, 5, 6]))
    assert sorted(steps.relative) == pytest.approx([1 / 6, 1 / 5, 1 / 4, 1 / 3, 1 / 2, 1])
    flat = steps_of(line([1, 1, 0, 0, 2, 2]))
    assert sorted(flat.relative) == [0, 0, 0, 1, 1, 1]
    with pytest.raises(Degenerate, match="fewer than 5 cells"):
        steps_of(line([1, 2]))


def test_one_net_is_judged_by_median_and_tail() -> None:
    for slopes, verdict in (
        ([*range(1, 41)], SUPPORTED),
        ([1, 3] * 20, REFUTED),  # the median
        ([*[50, 51, 52, 53] * 8, *[1, 90] * 4], REFUTED),  # the tail
    ):
        found = neighbouring_maps.neighbours_finding("", line(slopes))
        assert found.verdict is verdict, slopes


def test_maps_apart_by_hamming_distance() -> None:
    steps = steps_of(line([*range(1, 41)]))
    assert steps.apart == {h: h for h in range(1, 32)}  # ten pairs each
    assert steps.slope == pytest.approx(1)
    walk = np.cumsum(np.random.default_rng(0).choice([-1, 1], 4_000))
    drawn = [walk[k : k + 400 : 10].tolist() for k in range(0, 4_000, 400)]
    slopes = [steps_of(line(one)).slope for one in drawn]
    assert 0.3 < np.mean(slopes) < 0.7
    assert np.isnan(steps_of(line([1, 2, 3, 4, 5])).slope)


# ---- rules over nets


def nets(law: str, count: int = 30, width: int = 12) -> list[Steps]:
    """Nets behind LayerNorm in R^3, whose weights have this law; "many" are small changes."""
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        draw = rng.standard_cauchy if law == "cauchy" else rng.standard_normal
        size = 40 if law == "many" else width
        w, v = draw((size, 3)), draw((2, size))
        if law == "many":
            v = np.abs(v)
            w[:, 0] += 6
        found.append(
            steps_of(
                partition(tensors.block(w, draw(size) * 0.3, v, [0, 0], norm="layernorm"), Sphere())
            )
        )
    return found


def family(law: str) -> list[Finding]:
    return family_findings("nets", "told", nets(law), 0, {})


def test_nets_with_cauchy_weights_fail_where_the_median_alone_would_let_them_pass() -> None:
    near, apart = family("cauchy")
    assert number(near.data["median_high_float"]) < neighbouring_maps.MEDIAN
    assert near.verdict is REFUTED and apart.verdict is REFUTED


def test_nets_of_many_small_changes_pass_and_of_twelve_large_ones_fail() -> None:
    assert family("normal")[0].verdict is REFUTED
    assert family("many")[0].verdict is SUPPORTED


def test_few_nets_and_nets_without_cells_say_so() -> None:
    near, _ = family_findings("nets", "told", nets("normal", 4), 0, {})
    assert (near.verdict, near.why) == (UNDECIDED, "(1) only 4 nets; (2) only 4 nets")
    assert [f.why for f in family_findings("nets", "", [], 0, {})] == [
        "no net has cells to compare"
    ] * 2


def test_families_are_trained_and_untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbouring_maps, "FAMILIES", neighbouring_maps.FAMILIES[2:])
    answer = neighbouring_maps.ask(Subjects({}, {}, {}, (), seeds=2))
    assert [f.subject for f in answer.findings[::2]] == [
        f"direction3 (12), {norm}, {arm} nets"
        for norm in ("LayerNorm", "RMSNorm")
        for arm in ("trained", "untrained")
    ]
    assert [figure.name for figure in answer.figures] == ["maps-by-hamming-distance"]


# ---- language layers


def test_changes_of_the_map_along_a_geodesic() -> None:
    network = block([[1, -1, 0], [1, 1, -2]], [-2, 0], gain=[1, 2, 1])
    changes = Changes.of(network).along(bits_along(network, (12, -2, -10), (2, -12, 10)))
    maps = {str(r.code): r.affine.float64()[0] for r in partition(network, Sphere()).regions}
    way = cells_of_spheres.geodesic(network, (12, -2, -10), (2, -12, 10))
    codes = [str(way.circle.code_of(i)) for i in way.path]
    norms = {code: np.linalg.norm(one) for code, one in maps.items()}
    expected = [
        np.linalg.norm(maps[b] - maps[a]) / max(norms[a], norms[b]) for a, b in pairwise(codes)
    ]
    assert len(changes) == 2 and changes == pytest.approx(expected)


def test_the_path_of_maps_is_supported_and_refuted() -> None:
    rng = np.random.default_rng(0)
    for width, spread, verdict in ((300, 0.1, SUPPORTED), (6, 1.0, REFUTED)):
        outer = 1 + spread * rng.standard_normal((6, width))
        wide = tensors.block(
            rng.standard_normal((width, 6)) + np.array([3, 0, 0, 0, 0, 0]),
            np.zeros(width),
            outer,
            np.zeros(6),
            norm="layernorm",
        )
        found = neighbouring_maps.path_finding(layer_of(wide, rng.standard_normal((24, 6))), 0)
        assert found.verdict is verdict
    across = [[12, -2, -10], [2, -12, 10]] * 6
    with pytest.raises(Degenerate, match="fewer than two geodesics cross a boundary; got 0 of 6"):
        neighbouring_maps.path_finding(layer_of(block([[1, -1, 0]], [9]), across), 0)
