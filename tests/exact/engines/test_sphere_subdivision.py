"""Deep networks on 2-spheres: points, curves, other engines and invariances say the same as the
complex.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from exact import (
    AbsoluteValue,
    Block,
    Budget,
    GreatCircle,
    GreatSphere,
    HardTanh,
    InvalidInput,
    Layer,
    LayerNorm,
    Network,
    Outcome,
    RealSpace,
    ReLU,
    RMSNorm,
    Sphere,
    Unsupported,
    partition,
)
from exact.arithmetic.linear_algebra import identity
from exact.arithmetic.numbers import Rational, rational
from exact.arithmetic.surds import Surd
from exact.geometry.circles.arrangement import arrange
from exact.geometry.domains.base import Domain
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.propagation.charts import sphere_chart
from exact.regions.spheres.engines.pruning import Hulls, float_rows
from exact.regions.spheres.engines.tilings import Places, Stretch, point_key
from exact.regions.spheres.partition import SpherePartition
from exact.sources import tensors
from tests.exact.reference import exact_code
from tests.exact.spheres_by_hand import AXES, BANDS, SIX, chain, hidden, on_unit_sphere

NAME = "sphere_subdivision"
UNIT = Sphere(radius_squared=1)
BENDS = (ReLU(), AbsoluteValue(), HardTanh())


def deep(network: Network, domain: Domain = UNIT) -> SpherePartition:
    found = partition(network, domain, engine=NAME)
    assert isinstance(found, SpherePartition)
    assert found.outcome is Outcome.COMPLETE
    return found


def bits(found: SpherePartition, cell: int) -> str:
    return "".join(map(str, found.code_of(cell).bits.astype(int)))


def check_complex(found: SpherePartition) -> None:
    """Arcs flip what differs, walks follow the arcs, vertices are ends of three half-edges or more,
    areas fill the sphere.
    """
    at = found.complex
    for arc, (a, b) in enumerate(at.arc_sides.tolist()):
        flips = at.flips.row(int(at.arc_circle[arc])).tolist()
        assert (
            flips
            and np.flatnonzero(found.code_of(a).bits ^ found.code_of(b).bits).tolist() == flips
        )
    assert sorted(at.following.tolist()) == list(range(2 * at.arc_count))
    for half, after in enumerate(at.following.tolist()):
        assert at.walk_of[half] == at.walk_of[after]
        assert at.arc_ends[half >> 1, 1 - (half & 1)] == at.arc_ends[after >> 1, after & 1]
        assert at.arc_sides[half >> 1, half & 1] == at.cell_of_walk[at.walk_of[half]]
    ends = at.arc_ends[at.arc_ends[:, 0] >= 0]
    assert (np.bincount(ends.ravel(), minlength=at.vertex_count) >= 3).all()
    low, high = (
        sum((getattr(cell.area, name) for cell in found.regions), Fraction(0))
        for name in ("lower", "upper")
    )
    assert low <= found.area.upper and high >= found.area.lower and high - low < Fraction(1, 2**50)
    assert all(cell.area.lower > 0 for cell in found.regions)


def check_points(found: SpherePartition, points: Sequence[tuple[int, int]]) -> None:
    """Rational points of the unit sphere have the codes of their cells, computed with fractions
    alone.
    """
    for s, t in points:
        x = on_unit_sphere(s, t, 7)
        try:
            cell = found.locate(x)
        except InvalidInput as error:
            assert "boundary" in str(error)
            continue
        assert str(found.code_of(cell)) == exact_code(found.network, x)


SPREAD = [(s, t) for s in range(-19, 20, 8) for t in range(-17, 18, 8)]
SEEDS = range(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_small_networks_with_every_degeneracy(seed: int) -> None:
    generator = np.random.default_rng(seed)
    sizes = [3, *generator.integers(1, 5, size=1 + seed % 3).tolist(), 1]
    found = deep(chain(generator, sizes, top=1 + seed % 3))
    check_complex(found)
    check_points(found, SPREAD)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_curve_meets_the_cells_that_lie_on_it(seed: int) -> None:
    generator = np.random.default_rng(100 + seed)
    net = chain(generator, [3, 4, 3, 2, 1], top=2)
    u, v = [1, int(generator.integers(-3, 4)), 2], [int(generator.integers(-2, 3)), 1, -1]
    found, curve = deep(net), partition(net, GreatCircle(u, v, radius_squared=1))
    cells = [found.locate(arc.witness) for arc in curve.regions]
    assert [found.code_of(cell) for cell in cells] == [arc.code for arc in curve.regions]
    joined = {frozenset(pair) for pair in found.neighbours().tolist()}
    for arc, (a, b) in enumerate(pairwise([*cells, cells[0]])):
        if a != b:
            through_an_arc = frozenset((a, b)) in joined
            assert through_an_arc or len(curve.hinges_between(arc, (arc + 1) % len(cells))) > 1, (
                "else through a vertex"
            )


@pytest.mark.parametrize("seed", range(4))
def test_without_bias_the_cells_are_cones(seed: int) -> None:
    net = chain(np.random.default_rng(seed), [3, 5, 4, 3, 1], bias=False)
    found, cones = deep(net, Sphere(radius_squared="7/3")), partition(net, RealSpace(3))
    assert (found.cell_count, found.code_count, found.digest) == (
        cones.region_count,
        cones.region_count,
        cones.digest,
    )


@pytest.mark.parametrize(
    "rows",
    [AXES, SIX, BANDS, [[0, 0, 0, 1]], [*SIX, *AXES, [1, 1, 1, 0], [1, 1, 1, 0], [-1, -1, -1, 0]]],
)
@pytest.mark.parametrize("radius", [4, "5/2", 2, "3/2"])
def test_one_hidden_layer_as_one_arrangement(rows: Sequence[Sequence[int]], radius: Any) -> None:
    domain = Sphere(radius_squared=radius)
    found, other = (
        deep(hidden(rows), domain),
        partition(hidden(rows), domain, engine="small_circles"),
    )
    assert found.digest == other.digest
    assert sorted(found.areas_float()) == pytest.approx(sorted(other.areas_float()))  # type: ignore[attr-defined]
    same = ("vertex_count", "arc_count", "cell_count", "components", "walk_count")
    assert all(getattr(found.complex, name) == getattr(other.complex, name) for name in same)  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(4))
def test_layers_that_do_nothing_change_nothing(seed: int) -> None:
    """An identity layer behind a ReLU is on where the neuron is, so that the cells stay."""
    generator = np.random.default_rng(seed)
    w, b = (
        generator.integers(-3, 4, size=(4, 3)).tolist(),
        generator.integers(-3, 4, size=4).tolist(),
    )
    once, same = (w, b), ([[int(i == j) for j in range(4)] for i in range(4)], [0] * 4)
    short, long = (
        deep(tensors.mlp([once, ([[1] * 4], [0])])),
        deep(tensors.mlp([once, same, same, ([[1] * 4], [0])])),
    )
    assert sorted(short.areas_float()) == pytest.approx(sorted(long.areas_float()))
    assert {bits(short, i) * 3 for i in range(len(short))} == {
        bits(long, i) for i in range(len(long))
    }
    assert (short.complex.arc_count, short.complex.vertex_count) == (
        long.complex.arc_count,
        long.complex.vertex_count,
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_neurons_does_not_matter(seed: int) -> None:
    generator = np.random.default_rng(40 + seed)
    weights = [
        (generator.integers(-3, 4, size=(b, a)), generator.integers(-3, 4, size=b))
        for a, b in pairwise([3, 4, 4, 3])
    ]
    turned, before = [], np.arange(3)
    for w, b in weights:
        order = generator.permutation(len(b))
        turned.append((w[order][:, before].tolist(), b[order].tolist()))
        before = order
    last = ([[1, 1, 1]], [0])
    plain = [(w.tolist(), b.tolist()) for w, b in weights]
    first, second = (deep(tensors.mlp([*rows, last])) for rows in (plain, turned))
    assert (first.cell_count, first.code_count, first.complex.components) == (
        second.cell_count,
        second.code_count,
        second.complex.components,
    )
    assert sorted(first.areas_float()) == pytest.approx(sorted(second.areas_float()))


@pytest.mark.parametrize("seed", range(5))
def test_other_activations_behind_a_norm(seed: int) -> None:
    generator = np.random.default_rng(seed)
    sizes = [3, 3, 2, 2]
    layers = [
        Layer.of(
            generator.integers(-3, 4, size=(b, a)).tolist(),
            generator.integers(-3, 4, size=b).tolist(),
            BENDS[int(generator.integers(3))],
        )
        for a, b in pairwise(sizes)
    ]
    found = deep(Network((Block(tuple(layers), RMSNorm.of(eps=0, dim=3)),)), Sphere())
    check_complex(found)
    for cell in found.regions:
        assert found.network.code(cell.witness) == cell.code
        assert found.locate(cell.witness) == cell.index


def test_layer_norm_and_slices_through_it() -> None:
    generator = np.random.default_rng(3)
    norm = LayerNorm.of(eps=0, gain=generator.normal(size=5), bias=generator.normal(size=5))
    layers = [
        Layer.of(generator.normal(size=(b, a)), generator.normal(size=b) / 2, bend)
        for a, b, bend in ((5, 6, ReLU()), (6, 4, ReLU()), (4, 5, None))
    ]
    first = Block(tuple(layers), norm)
    second = Block(
        (
            Layer.of(generator.normal(size=(3, 5)), generator.normal(size=3), ReLU()),
            Layer.of(np.ones((1, 3))),
        )
    )
    net = Network((first, second))
    found = deep(net, GreatSphere(*generator.normal(size=(3, 5))))
    check_complex(found)
    assert len(found) > 50
    for cell in list(found.regions)[::5]:
        assert net.code(cell.witness) == cell.code


# ---- what can go wrong


def test_a_hinge_that_bends_with_the_layer_in_front() -> None:
    """relu(x) + relu(y) - relu(x + y) as layer 2: on where x and y differ in sign, in six cones and
    two.
    """
    net = tensors.mlp(
        [([[1, 0, 0], [0, 1, 0], [1, 1, 0]], [0, 0, 0]), ([[1, 1, -1]], [0]), ([[1]], [0])]
    )
    found = deep(net)
    assert (found.cell_count, found.code_count) == (6, 6)
    check_complex(found)


def test_layer_two_is_zero_on_a_cell() -> None:
    net = tensors.mlp([([[1, 0, 0]], [0]), ([[1], [-1], [0]], [0, 0, 0]), ([[1, 1, 1]], [0])])
    found = deep(net)
    assert sorted(bits(found, i) for i in range(2)) == ["0000", "1100"]
    assert len(found.hinges_between(0, 1)) == 2
    assert len(found.arcs) == 1 and found.arcs[0].is_whole


@pytest.mark.parametrize(("sign", "cells"), [(1, 3), (-1, 3)], ids=["on", "off"])
def test_a_circle_inside_a_cell_that_meets_no_arc(sign: int, cells: int) -> None:
    """Layer 1 is z + 9/10, layer 2 cuts the cap z > 19/20 out of its on-side, on or off in it."""
    net = tensors.mlp(
        [([[0, 0, 1]], ["9/10"]), ([[sign]], [Fraction(-37 * sign, 20)]), ([[1]], [0])]
    )
    found = deep(net)
    check_complex(found)
    assert sorted(cell.euler_characteristic for cell in found.regions) == [0, 1, 1]
    assert (len(found), found.complex.components) == (cells, 2)


def test_one_circle_with_two_sets_of_flips() -> None:
    """Hinge 2 of layer 2 flips on the half of the circle x = 0 where y > 0, and nowhere else on
    it.
    """
    net = tensors.mlp(
        [([[1, 0, 0], [0, 1, 0]], [0, 0]), ([[1, 0], [1, 1]], [0, 0]), ([[1, 1]], [0])]
    )
    found = deep(net)
    check_complex(found)
    assert len(found) == 4
    assert len({plane.coefficients for plane in found.complex.circles}) < len(found.complex.circles)


def test_all_dead() -> None:
    found = deep(tensors.mlp([([[1, 2, 0], [0, 1, 0]], [-9, -9]), ([[1, 1]], [0]), ([[1]], [0])]))
    assert (len(found), bits(found, 0), found.evidence.count("Euler")) == (1, "000", 1)


def test_a_circle_that_touches_the_arcs_around_a_cell() -> None:
    """On R^2 = 2 the six circles touch; layer 2 touches them again, from inside and outside, at old
    vertices and new.
    """
    net = tensors.mlp(
        [
            ([row[:3] for row in SIX], [row[3] for row in SIX]),
            ([[1, 1, 0, 0, 0, 0], [0, 0, 2, 1, 0, 0], [1, -1, 1, 0, 0, 3]], [0, -1, "-1/2"]),
            ([[1] * 3], [0]),
        ]
    )
    for radius in (2, "5/4", 3):
        found = deep(net, Sphere(radius_squared=radius))
        check_complex(found)


@pytest.mark.parametrize(
    ("slope", "cells", "vertices", "arcs"), [(-1, 2, 0, 1), (1, 3, 1, 2), (0, 2, 0, 1)]
)
def test_a_circle_that_touches_from_outside_leaves_no_vertex(
    slope: int, cells: int, vertices: int, arcs: int
) -> None:
    """Layer 2 is slope relu(x) + y - 1: where x > 0 its circle touches x = 0, in the inside for a
    positive slope only.
    """
    net = tensors.mlp([([[1, 0, 0], [0, 1, 0]], [0, 9]), ([[slope, 1]], [-10]), ([[1]], [0])])
    found = deep(net)
    assert (len(found), found.complex.vertex_count, found.complex.arc_count) == (
        cells,
        vertices,
        arcs,
    )
    check_complex(found)


def test_a_plane_through_a_vertex_is_not_pruned() -> None:
    """The planes of a pencil pass through the irrational points of two circles exactly; floats are
    off by some ulps there.
    """
    first, second = [rational(x) for x in (3, 1, 2, -3)], [rational(x) for x in (1, -1, 3, "-5/2")]
    made = arrange([Halfspace.of(first), Halfspace.of(second)], identity(3), Rational(1))
    chart = sphere_chart(hidden(AXES), UNIT)
    places = Places(chart.gram)
    at = made.complex
    (lens,) = set(at.arc_sides[:, 0].tolist()) - set(at.arc_sides[:, 1].tolist())
    walk = []
    for arc in np.flatnonzero(at.arc_sides[:, 0] == lens):
        circle, forward = places.circle(at.circles[at.arc_circle[arc]])
        ends = [places.point(at.vertex(int(v))) for v in at.arc_ends[arc]]
        walk.append(Stretch(circle, *(ends if forward else ends[::-1]), forward))
    shares = [(rational(a), rational(b)) for a in range(1, 30) for b in range(1, 30)]
    forms = [[a * x + b * y for x, y in zip(first, second, strict=True)] for a, b in shares]
    assert not Hulls(places, chart).signs([walk], forms, float_rows(forms)).any()


def test_duplicate_and_opposite_neurons_in_both_layers() -> None:
    rows = [[1, 2, 0], [1, 2, 0], [-1, -2, 0], [0, 1, 1]]
    second = [[1, 0, 0, -1], [1, 0, 0, -1], [-1, 0, 0, 1], [0, 0, 0, 0]]
    found = deep(
        tensors.mlp(
            [
                (rows, ["1/2", "1/2", "-1/2", 0]),
                (second, ["1/3", "1/3", "-1/3", 1]),
                ([[1] * 4], [0]),
            ]
        )
    )
    check_complex(found)
    check_points(found, SPREAD)
    assert max(len(found.flipped(e)) for e in range(len(found.arcs))) >= 3


def test_cells_of_one_code_are_cut_apart() -> None:
    """Two slabs meet the sphere in two patches of one code; the planes of layer 2 tell them apart,
    or cut only one.
    """
    rows = [[0, 0, 4, 1], [0, 0, -4, 1], [4, 0, 0, 1], [-4, 0, 0, 1], [0, 1, 0, 9]]
    second = [[0, 0, 0, 0, 1], [1, 0, 1, 0, 0], [1, 0, 0, 0, 1]]
    net = tensors.mlp(
        [([r[:3] for r in rows], [r[3] for r in rows]), (second, [-9, -2, -11]), ([[1, 1, 1]], [0])]
    )
    found = deep(net)
    check_complex(found)
    check_points(found, SPREAD)
    first = deep(hidden(rows))
    assert (first.cell_count, first.code_count) == (10, 9)


def test_no_hinge() -> None:
    found = deep(tensors.mlp([([[1, 2, 3]], [4])]))
    assert (len(found), found.code_count, found.codes.shape) == (1, 1, (1, 0))


def test_a_budget_leaves_no_cell() -> None:
    net = chain(np.random.default_rng(0), [3, 5, 4, 1])
    for budget in (Budget(regions=3), Budget(seconds=0)):
        found = partition(net, UNIT, engine=NAME, budget=budget)
        assert found.outcome is Outcome.BUDGET_REACHED
        assert len(found) == 0
        assert "stopped early" in found.evidence
        assert (found.code_count, found.codes.shape, len(found.neighbours())) == (0, (0, 2), 0)  # type: ignore[attr-defined]
        assert len(found.areas_float()) == 0  # type: ignore[attr-defined]
        with pytest.raises(InvalidInput, match="budget"):
            found.locate([1, 2, 3])
    count = len(deep(net))
    for regions, outcome in ((count - 1, Outcome.BUDGET_REACHED), (count, Outcome.COMPLETE)):
        assert partition(net, UNIT, engine=NAME, budget=Budget(regions=regions)).outcome is outcome
    seen: list[int] = []
    partition(net, UNIT, engine=NAME, progress=seen.append)
    assert len(seen) > 5


def test_what_it_refuses() -> None:
    with pytest.raises(Unsupported, match="dimension 3"):
        partition(hidden([[1, 2, 3, 4, 0]]), UNIT, engine=NAME)
    with pytest.raises(Unsupported, match="RealSpace"):
        partition(hidden(AXES), RealSpace(3), engine=NAME)


def test_the_choice_among_engines() -> None:
    assert partition(hidden(AXES), UNIT).engine == "small_circles"
    assert partition(chain(np.random.default_rng(1), [3, 2, 2, 1]), UNIT).engine == NAME


# ---- points


def test_a_point_has_one_key_however_it_is_written() -> None:
    def triple(*pairs: tuple[Any, Any], d: Any) -> tuple[Surd, Surd, Surd]:
        first, second, third = (Surd(rational(a), rational(b), rational(d)) for a, b in pairs)
        return first, second, third

    one = triple((1, 2), (0, 1), ("1/2", 0), d=3)
    assert point_key(one) == point_key(triple((1, 1), (0, "1/2"), ("1/2", 0), d=12))
    assert point_key(one) != point_key(triple((1, -2), (0, -1), ("1/2", 0), d=3))
    assert point_key(one) != point_key(triple((1, 2), (0, 1), ("1/2", 0), d=5))
    assert point_key(triple((1, 2), (0, 1), (0, 0), d="9/4")) == point_key(
        triple((4, 0), ("3/2", 0), (0, 0), d=7)
    )
    assert point_key((Surd(Rational(1)),) * 3) == point_key(triple((1, 5), (1, 0), (1, 3), d=0))
