"""Polygons of classes with exact corners, and ranges of differences, against exact volumes, shapely
and values at points.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from shapely import MultiPolygon, unary_union
from shapely import Polygon as Outline
from shapely.geometry import Point

from exact import Box, Graph, HPolytope, InvalidInput, Network, Plane, RealSpace, partition
from exact.networks.activations import AbsoluteValue
from exact.networks.layers import Layer
from exact.networks.network import Block
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from tests.exact.reference import exact_output, integers


def random_network(seed: int, widths: tuple[int, ...], most: int = 4) -> Network:
    generator = np.random.default_rng(seed)
    return tensors.mlp(
        [
            (integers(generator, (b, a), most), integers(generator, b, most))
            for a, b in pairwise(widths)
        ]
    )


def flat(network: Network, domain: Any) -> FlatPartition:
    found = partition(network, domain)
    assert isinstance(found, FlatPartition)
    return found


def folded(*layers: tuple[Any, Any]) -> Network:
    """Absolute values in every layer but the last one."""
    bends = [AbsoluteValue()] * (len(layers) - 1) + [None]
    made = (Layer.of(w, b, activation=a) for (w, b), a in zip(layers, bends, strict=True))
    return Network((Block(tuple(made)),))


def crosses(a: Any, b: Any) -> bool:
    """Whether two segments share more than ends, by exact signs."""

    def side(p: Any, q: Any, r: Any) -> Fraction:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    (p, q), (r, s) = a, b
    return side(p, q, r) * side(p, q, s) < 0 and side(r, s, p) * side(r, s, q) < 0


@pytest.mark.parametrize("widths", [(2, 6, 3), (2, 5, 4, 2), (2, 5, 1), (4, 5, 4)])
@pytest.mark.parametrize("seed", range(4))
def test_polygons_are_the_classes(seed: int, widths: tuple[int, ...]) -> None:
    network, generator = random_network(seed, widths), np.random.default_rng(seed)
    corners = [integers(generator, widths[0], 5) for _ in range(3)]
    domain = Box(-2, 2, dim=2) if widths[0] == 2 else Plane(*corners, s=(-1, 2), t=(-1, 2))
    found = flat(network, domain)
    exact = found.exact_class_polygons
    assert tuple(sum(one.area for one in own) for own in exact) == found.class_volumes
    for own in exact:
        rings = [ring for one in own for ring in (one.shell, *one.holes)]
        assert all(len(set(ring)) == len(ring) >= 3 for ring in rings)
        sides = [side for ring in rings for side in pairwise((*ring, ring[0]))]
        assert not any(crosses(a, b) for k, a in enumerate(sides) for b in sides[:k])
    parts = found.class_polygons()
    assert sum(part.area for part in parts) == pytest.approx(float(found.volume))
    for x, y in generator.uniform(-1, 2, (40, 2)):
        at = [Fraction(x), Fraction(y)]
        if widths[0] > 2:
            at = [p + at[0] * (q - p) + at[1] * (r - p) for p, q, r in zip(*corners, strict=True)]
        out = exact_output(network, at)
        winner = int(out[0] > 0) if len(out) == 1 else out.index(max(out))
        near = [part.boundary.distance(Point(x, y)) for part in parts if not part.is_empty]
        if min(near) > 1e-9:
            assert [part.contains(Point(x, y)) for part in parts].index(True) == winner


def test_polygons_that_touch_stay_simple() -> None:
    """Four squares that meet in corners around a fifth: no ring comes back to a corner."""

    squares = folded(([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [0, 1]], [-1, -1]), ([[1, 1]], [-1]))
    inside, around = flat(squares, Box(-3, 3, dim=2)).exact_class_polygons
    assert [(one.area, len(one.shell), one.holes) for one in inside] == [(2, 4, ())] * 4
    middle, outer = sorted(around, key=lambda one: one.area)
    assert (middle.area, middle.holes) == (2, ())
    assert outer.area == 36 - 8 - 2 and len(outer.shell) == 4
    assert sum(len(hole) for hole in outer.holes) == 12
    made = [Outline(outer.shell, outer.holes), MultiPolygon([Outline(one.shell) for one in inside])]
    assert all(one.is_valid for one in made)
    assert unary_union([*made, Outline(middle.shell)]).equals(Outline(outer.shell))


def test_a_hole_that_touches_the_outline_is_a_ring_of_its_own() -> None:
    hole = folded(([[1, 0], [0, 1]], [0, "-1/2"]), ([[1, 1]], ["-1/2"]))
    inside, around = flat(hole, Box(-1, 1, dim=2)).exact_class_polygons
    (one,) = around
    assert [len(ring) for ring in (one.shell, *one.holes)] == [5, 4]
    assert (one.area, inside[0].area) == (Fraction(7, 2), Fraction(1, 2))
    assert Outline(one.shell, one.holes).is_valid


def test_a_side_keeps_the_corner_where_three_classes_meet() -> None:
    """0, x - relu(-y) and x - relu(y): the first wins left of x = 0, and the others part at 0."""
    three = tensors.mlp(
        [
            ([[1, 0], [-1, 0], [0, 1], [0, -1]], [0] * 4),
            ([[0] * 4, [1, -1, 0, -1], [1, -1, -1, 0]], [0] * 3),
        ]
    )
    first, *others = flat(three, Box(-1, 1, dim=2)).exact_class_polygons
    assert first[0].shell == ((-1, -1), (0, -1), (0, 0), (0, 1), (-1, 1))
    assert [own[0].area for own in others] == [1, 1]


def test_graphs_have_the_polygons_of_chains() -> None:
    network = random_network(3, (2, 6, 3))
    ways = [network, Graph.of(network)]
    one, other = (flat(way, Box(-2, 2, dim=2)).exact_class_polygons for way in ways)
    assert one == other


@pytest.mark.parametrize(
    ("widths", "engine"), [((2, 6, 3), None), ((3, 4, 3), "lp_tree"), ((1, 5, 2), "subdivision")]
)
def test_differences_are_extreme_at_vertices(widths: tuple[int, ...], engine: str | None) -> None:
    for seed in range(3):
        network = random_network(seed, widths)
        found = partition(network, Box(-2, 2, dim=widths[0]), engine=engine)
        assert isinstance(found, FlatPartition)
        own = found.difference_range(1, 0)
        ends = []
        for region in found.regions:
            for vertex in region.vertices:
                out = exact_output(network, vertex)
                ends.append(out[1] - out[0])
        assert (own.least, own.greatest) == (min(ends), max(ends))
        for value, at in ((own.least, own.least_at), (own.greatest, own.greatest_at)):
            assert at is not None
            out = exact_output(network, at)
            assert out[1] - out[0] == value
        opposite = found.difference_range(0, 1)
        assert opposite.least == -max(ends)


def test_bad_input_is_refused() -> None:
    network = random_network(1, (2, 4, 2))
    with pytest.raises(InvalidInput, match="unbounded"):
        _ = flat(network, RealSpace(2)).exact_class_polygons
    with pytest.raises(InvalidInput, match="two-dimensional"):
        _ = flat(random_network(1, (3, 2, 2)), Box(-1, 1, dim=3)).exact_class_polygons
    with pytest.raises(InvalidInput, match="no such outputs"):
        flat(network, Box(-1, 1, dim=2)).difference_range(0, 2)
    with pytest.raises(InvalidInput, match="complete"):
        flat(network, HPolytope([[1, 0, -3], [-1, 0, 1]])).difference_range(0, 1)
