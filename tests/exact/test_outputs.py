"""Classes and ranges of outputs on all regions: against the partition with the ties cut in, and the
exact values at exact vertices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import inf, isfinite

import numpy as np
import pytest

from exact import Box, InvalidInput, NormBall, RealSpace, Unsupported, partition
from exact.arithmetic.numbers import fraction, rational
from exact.instruments.decision import ties as decision
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.polytopes.quantities import outputs
from exact.sources import tensors
from tests.exact.test_code_maps import block, dead, doubled, drawn, mlp, thirds, whole
from tests.exact.test_measures import CUT, PYRAMID, cut

SQUARE, CUBE = Box(-1, 1, dim=2), Box(-1, 1, dim=3)
CONSTANT = [([[1, 0]], [0]), ([[0], [0], [0]], [1, 2, 2])]
TWINS = [([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [1, 0], [0, 1]], [0, 0, 0])]
THROUGH_CORNERS = [([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [0, 1], [1, 1]], [0, 0, "-1/2"])]
JOBS: dict[str, Callable[[], FlatPartition]] = {
    "three": lambda: cut(mlp(drawn((2, 6, 5, 3), 0)), SQUARE),
    "two": lambda: cut(mlp(drawn((3, 4, 4, 2), 6)), CUBE),
    "one": lambda: cut(mlp(drawn((2, 6, 5, 1), 3)), SQUARE),
    "seven": lambda: cut(mlp(drawn((2, 6, 7), 3)), SQUARE),
    "integers": lambda: cut(mlp(whole((2, 6, 5, 3), 8)), SQUARE),
    "bias-free": lambda: cut(mlp(whole((2, 5, 4, 3), 8, bias=False)), SQUARE),
    "doubled": lambda: cut(mlp(doubled(drawn((2, 5, 5, 3), 3))), CUT),
    "dead": lambda: cut(mlp(dead(drawn((3, 5, 4, 3, 3), 4))), PYRAMID),
    "thirds": lambda: cut(mlp(thirds(drawn((2, 5, 4, 3), 5))), SQUARE),
    "constant": lambda: cut(mlp(CONSTANT), SQUARE),
    "twins": lambda: cut(mlp(TWINS), SQUARE),
    "corners": lambda: cut(mlp(THROUGH_CORNERS), SQUARE),
    "tree": lambda: cut(mlp(drawn((2, 5, 3), 6)), SQUARE, "lp_tree"),
    "skeleton": lambda: cut(mlp(drawn((3, 5, 3), 6)), CUBE, "skeleton"),
    "unbounded": lambda: cut(mlp(drawn((2, 5, 3, 3), 7)), RealSpace(2)),
    "unbounded tree": lambda: cut(mlp(drawn((2, 4, 3), 7)), RealSpace(2), "lp_tree"),
}
every_job = pytest.mark.parametrize("name", JOBS)


@cache
def found(name: str) -> FlatPartition:
    return JOBS[name]()


@cache
def tied(name: str) -> FlatPartition:
    own = found(name)
    return cut(decision.tied(own.network), own.domain)


@every_job
def test_classes_are_those_of_the_ties(name: str) -> None:
    """Regions of the network with its ties say who wins on each part."""
    result, parts, hinges = found(name), tied(name), found(name).network.hinge_count
    sets: dict[bytes, set[int]] = {}
    for bits, c in zip(parts.bits[:, :hinges], decision.classes(parts).tolist(), strict=True):
        sets.setdefault(np.packbits(bits).tobytes(), set()).add(c)
    assert result.class_sets.shape == (len(result), max(2, result.network.output_dim))
    for i in range(len(result)):
        expected = sets[result.codes[i].tobytes()]
        assert set(np.flatnonzero(result.class_sets[i]).tolist()) == expected
        assert result.class_ids[i] == (min(expected) if len(expected) == 1 else -1)


@pytest.mark.parametrize("name", [name for name in JOBS if "unbounded" not in name])
def test_class_volumes_add_up(name: str) -> None:
    result, parts = found(name), tied(name)
    volumes: Counter[int] = Counter()
    for region, c in zip(parts.regions, decision.classes(parts).tolist(), strict=True):
        volumes[c] += region.volume  # type: ignore[assignment]
    assert dict(enumerate(result.class_volumes)) == {
        c: volumes.get(c, 0) for c in range(result.class_count)
    }
    assert sum(result.class_volumes) == result.volume and sum(result.class_shares) == 1
    for own, value, bound in zip(
        result.class_volumes, result.class_volumes_float, result.class_volumes_bound, strict=True
    ):
        assert abs(own - Fraction(float(value))) <= Fraction(float(bound))


@every_job
def test_ranges_are_attained(name: str) -> None:
    result = found(name)
    for region in result.regions:
        rows = result.map_columns(region.index).tolist()
        for k, (row, own) in enumerate(zip(rows, region.output_ranges, strict=True)):
            values = {
                vertex: fraction(
                    sum((a * rational(x) for a, x in zip(row, vertex, strict=False)), row[-1])
                )
                for vertex in region.vertices
            }
            low, high = result.output_ranges_float[region.index, k].tolist()
            bound = Fraction(float(result.output_ranges_bound[region.index, k]))
            if region.is_bounded:
                assert own.least == min(values.values()) and own.greatest == max(values.values())
                assert values[own.least_at] == own.least
                assert values[own.greatest_at] == own.greatest
            for exact, end, sign in ((own.least, low, -1), (own.greatest, high, 1)):
                if exact is None:
                    assert end == sign * inf
                else:
                    assert isfinite(end) and abs(exact - Fraction(end)) <= bound


@every_job
def test_ranges_of_the_domain(name: str) -> None:
    result = found(name)
    every = [region.output_ranges for region in result.regions]
    for k in range(result.network.output_dim):
        own = result.output_range(k)
        least, greatest = [one[k].least for one in every], [one[k].greatest for one in every]
        assert own.least == (None if None in least else min(least))
        assert own.greatest == (None if None in greatest else max(greatest))
        for value, place in ((own.least, own.least_at), (own.greatest, own.greatest_at)):
            if place is not None:
                x = result.flat.ambient([*map(rational, place), rational(1)])
                at = result.network.forward_float([float(v) for v in x])[k]
                assert value is not None and abs(at - float(value)) < 1e-9


def test_unbounded_ranges_by_hand() -> None:
    """relu(x) on the line is at least 0 and has no greatest value; -relu(x) the other way."""
    both = cut(tensors.mlp([([[1]], [0]), ([[1], [-1]], [0, 0])]), RealSpace(1), "subdivision")
    up, down = (both.output_range(k) for k in (0, 1))
    assert (up.least, up.greatest, up.greatest_at) == (0, None, None)
    assert (down.least, down.greatest, down.least_at) == (None, 0, None)
    assert both.output_ranges_float[:, 0].tolist() == [[0.0, 0.0], [0.0, inf]]
    with pytest.raises(InvalidInput, match="unbounded"):
        _ = both.class_volumes
    for wrong in (2, -3):
        with pytest.raises(InvalidInput, match="no such output"):
            both.output_range(wrong)


@pytest.mark.parametrize("name", ["three", "one", "integers", "skeleton"])
def test_floats_that_tell_nothing_decide_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, again = found(name), JOBS[name]()
    values = again._values_at_vertices
    monkeypatch.setattr(
        again,
        "_values_at_vertices",
        lambda: (
            outputs._Values(one.regions, one.starts, one.values, np.full_like(one.errors, inf))
            for one in values()
        ),
        raising=False,
    )
    assert again.class_sets.tolist() == result.class_sets.tolist()
    for k in range(result.network.output_dim):
        assert again.output_range(k) == result.output_range(k)


def test_some_regions_are_decided_by_ties() -> None:
    """Otherwise the tests above would prove little."""
    for name in ("three", "two", "one", "seven", "corners"):
        assert (found(name).class_ids < 0).any(), name
    assert (found("constant").class_ids == 1).all() and (found("twins").class_ids != 1).all()


def test_balls_have_no_classes() -> None:
    with pytest.raises(Unsupported, match="no polytopes"):
        _ = partition(block(20, 3, 1e-5), NormBall()).class_ids
