"""Volumes by vertices: against triangulations, the volume of the domain, and products."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from exact import Box, TooLarge, partition
from exact.arithmetic.numbers import fraction
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.polytopes.quantities.simple_volumes import SimpleVolumes
from exact.sources import tensors
from tests.exact.test_in_boxes import SMALL, rows_of, small, wide


def many(dim: int, hinges: list[list[float]], shifts: list[float]) -> FlatPartition:
    """A layer in a cube of many dimensions."""
    layers = [(hinges, shifts), ([[1.0] * len(hinges)], None)]
    found = partition(tensors.mlp(layers), Box(-1, 1, dim=dim), engine="live_tree")
    return found.seen_as(FlatPartition)


@pytest.mark.parametrize("name", SMALL)
def test_they_are_those_of_triangulations_where_vertices_are_simple(name: str) -> None:
    result = small(name)
    simple, found = SimpleVolumes(rows_of(result)), 0
    for i in range(min(len(result), 60)):
        exact, (value, off) = result.solid(i).volume, simple.float(i)[0]
        assert simple.exact(i) in (exact, None)
        assert np.isinf(off) or abs(Fraction(value) - fraction(exact)) <= Fraction(off)
        found += simple.exact(i) is not None
    assert found > 0 or name in {"bias-free", "dead"}


def test_in_nine_dimensions_they_fill_the_cube() -> None:
    rng = np.random.default_rng(3)
    result = many(9, rng.normal(size=(3, 9)).tolist(), [0.1, -0.2, 0.3])
    assert len(result) == 8 and result._complex is None
    volumes, off = result.volumes_float, result.volumes_bound
    assert result.volume == 2**9
    assert abs(sum(map(Fraction, volumes)) - 2**9) <= sum(map(Fraction, off))
    assert (off <= 2.0**-12 * volumes).all()
    for region in result.regions[:2]:
        i = region.index
        assert abs(Fraction(volumes[i]) - region.volume) <= Fraction(off[i])


def test_parameters_that_no_wall_depends_on_multiply() -> None:
    """Halves and thirds of a triangle, in 40 dimensions of which three matter."""
    hinges = [[0.0] * 40, [0.0] * 40]
    hinges[0][7], hinges[0][31], hinges[1][12] = 1.0, 1.0, 1.0
    result = many(40, hinges, [-1.0, 0.5])
    assert sorted(region.volume for region in result.regions) == sorted(
        2**38 * part
        for area in (Fraction(1, 2), Fraction(7, 2))
        for part in (area / 4, area * 3 / 4)
    )
    assert result.volume == 2**40
    gaps = [
        abs(Fraction(v) - r.volume)
        for v, r in zip(result.volumes_float, result.regions, strict=True)
    ]
    assert all(gap <= Fraction(off) for gap, off in zip(gaps, result.volumes_bound, strict=True))


def test_what_is_out_of_reach_is_refused_by_name() -> None:
    with pytest.raises(TooLarge, match="planes that depend on 40 parameters cut it, more than 14"):
        _ = wide().volumes_float
    assert "40 parameters" in wide().refused_quantities["volumes_float"]
    diagonal = many(17, [[1.0] * 10 + [0.0] * 7], [0.0])  # through vertices of the cube
    with pytest.raises(TooLarge, match="more walls than dimensions meet in a vertex"):
        _ = diagonal.volumes_float
