"""Partitions of 2-spheres: counts of codes and cells, views, locating, graphs, symbolic regions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import networkx as nx
import numpy as np
import pytest
import sympy

from exact import Block, GreatSphere, InvalidInput, Layer, Network, Sphere, partition
from exact.arithmetic.numbers import fraction
from exact.geometry.combinatorics.codes import Hinge
from exact.geometry.domains.base import Domain
from exact.regions.spheres.partition import SpherePartition
from exact.sources import tensors
from tests.exact.reference import exact_code, exact_output
from tests.exact.spheres_by_hand import AXES, BANDS, SIX, chain, hidden, on_unit_sphere


def sphere(network: Network, domain: Domain, engine: str | None = None) -> SpherePartition:
    found = partition(network, domain, engine=engine)
    assert isinstance(found, SpherePartition)
    return found


OCTANTS = sphere(hidden(AXES), Sphere(radius_squared=1))
CAPS = sphere(hidden(BANDS), Sphere(radius_squared=1))
W, B = (
    [[1, 2, -1, 0], [0, 1, 1, 3], [2, -1, 0, 1], [1, 1, -2, 0]],
    [Fraction(1, 2), Fraction(-1, 4), 1, -1],
)
GAIN, SHIFT = [1, 2, Fraction(-1, 2), 1], [0, Fraction(1, 3), 1, 0]
NORMED = sphere(
    tensors.block(W, B, [[1, -1, 2, 1]], [3], norm="layernorm", gain=GAIN, bias=SHIFT, eps=0),
    Sphere(),
)
U, V, X = [2, 1, 0, 3, -1], [1, 0, 3, 0, 1], [0, 1, 1, -1, 2]
SLICE = sphere(
    tensors.block(
        [[1, 2, 0, -1, 1], [3, 0, 1, 1, 0], [0, -1, 2, 1, 1]],
        [1, -1, 0],
        [[1, 1, 1]],
        [0],
        norm="rms",
        eps=0,
    ),
    GreatSphere(U, V, X),
)


@pytest.mark.parametrize(
    ("radius", "codes", "cells"),
    [
        (4, 26, 26),
        (3, 18, 18),
        ("5/2", 19, 26),
        (2, 7, 14),
        ("3/2", 7, 7),
        (1, 1, 1),
        ("1/2", 1, 1),
    ],
)
def test_six_planes_and_a_growing_sphere(radius: Any, codes: int, cells: int) -> None:
    found = sphere(hidden(SIX), Sphere(radius_squared=radius))
    assert (found.code_count, found.cell_count, len(found), len(found.regions)) == (
        codes,
        cells,
        cells,
        cells,
    )
    assert found.codes.shape == (cells, 1)
    low, high = (
        sum(getattr(cell.area, name) for cell in found.regions) for name in ("lower", "upper")
    )
    assert low <= found.area.upper and high >= found.area.lower


def test_region_count_has_no_one_meaning() -> None:
    with pytest.raises(InvalidInput, match="code_count or cell_count"):
        _ = OCTANTS.region_count


@pytest.mark.parametrize(
    "found", [OCTANTS, CAPS, NORMED, SLICE], ids=["octants", "caps", "layernorm", "slice"]
)
def test_witnesses_lie_in_their_cells(found: SpherePartition) -> None:
    for cell in found.regions:
        assert found.locate(cell.witness) == cell.index
        if found.network.has_norm:
            assert found.network.code(cell.witness) == cell.code
            assert found.affine_at(cell.witness) == cell.affine


@pytest.mark.parametrize("found", [OCTANTS, NORMED, SLICE], ids=["octants", "layernorm", "slice"])
def test_a_thin_cell_has_a_witness(found: SpherePartition) -> None:
    assert max(abs(x) for cell in found.regions for x in cell.witness) < 2**24, (
        "the cells are large, the numbers short"
    )


def test_cells_thinner_than_floats() -> None:
    tiny = Fraction(1, 2**70)
    found = sphere(
        hidden([[1, 0, 0, 0], [1, tiny, 0, tiny], [0, 1, 2, 0], [0, 1, 2, tiny]]),
        Sphere(radius_squared=1),
    )
    assert len(found) > 6
    for cell in found.regions:
        assert found.locate(cell.witness) == cell.index
    assert found.areas_float().tolist() == pytest.approx(
        [cell.area_float for cell in found.regions], rel=1e-3
    )
    assert (found.areas_float() > 0).all()


def test_points_of_the_sphere_have_the_code_of_their_cell() -> None:
    rows = [
        [3, 1, -2, "9/8"],
        [1, -1, 1, "-7/8"],
        [0, 2, 1, "1/64"],
        [-2, 1, 1, "3/8"],
        [1, 1, 1, "-5/8"],
    ]
    found = sphere(hidden(rows), Sphere(radius_squared=1))
    for s in range(-6, 7, 2):
        for t in range(-5, 6, 2):
            x = on_unit_sphere(s, t, 7)
            assert str(found.code_of(found.locate(x))) == exact_code(found.network, x)


@pytest.mark.parametrize("x", [[1, 1, 0], [0, 0, 5], [-3, 0, 2]])
def test_a_point_on_an_arc_is_refused(x: Sequence[int]) -> None:
    with pytest.raises(InvalidInput, match="boundary"):
        OCTANTS.locate(x)


def test_a_point_where_a_hinge_only_touches_zero_is_inside() -> None:
    for touching in ([1, 0, 0, -1], [-1, 0, 0, 1]):
        found = sphere(hidden([touching, [0, 1, 1, "1/9"], [2, 2, 0, 1]]), Sphere(radius_squared=1))
        assert len(found) == 4
        assert found.locate([1, 0, 0]) == found.locate([1, "1/1000", 0])
        assert found.code_of(found.locate([1, 0, 0])).bits[0] == (touching[0] < 0)


TOUCHING = [
    (
        [
            [-1, -1, 1, "-3377699720527871/1125899906842624"],
            [1, -1, -1, 3],
            [2, -2, -2, "6755399441055743/1125899906842624"],
        ],
        3,
    ),
    # no circle at all
    ([[1, 0, 0, -1], [-1, 0, 0, -1], [0, 1, 0, 1], [0, -1, 0, 1], [0, 0, 1, 1]], 1),
]


@pytest.mark.parametrize("engine", ["small_circles", "sphere_subdivision"])
@pytest.mark.parametrize("case", range(len(TOUCHING)))
def test_no_witness_is_where_a_plane_touches(case: int, engine: str) -> None:
    """A hinge is zero there, and the code of the point not that of the cell around it."""
    rows, square = TOUCHING[case]
    found = sphere(hidden(rows), Sphere(radius_squared=square), engine)
    for cell in found.regions:
        size = sum(x * x for x in cell.witness)
        for row in rows:
            *normal, offset = (Fraction(x) for x in row)
            slope = sum((a * x for a, x in zip(normal, cell.witness, strict=True)), Fraction(0))
            assert slope * offset > 0 or slope**2 * square != offset**2 * size
        assert found.locate(cell.witness) == cell.index


@pytest.mark.parametrize("engine", ["small_circles", "sphere_subdivision"])
def test_a_witness_between_circles_closer_than_the_least_float(engine: str) -> None:
    near = [[1, 2, 3, 1], [1, 2, 3, 1 + Fraction(1, 2**1100)], [Fraction(1, 2**1100), 1, 0, 0]]
    found = sphere(hidden(near), Sphere(radius_squared=1), engine)
    assert len(found) == 6
    assert [found.locate(cell.witness) for cell in found.regions] == list(range(6))


@pytest.mark.parametrize(
    ("found", "x"), [(OCTANTS, [0, 0, 0]), (NORMED, [2, 2, 2, 2]), (SLICE, [1, 0, 0, 0, 0])]
)
def test_a_point_without_a_direction_on_the_sphere_is_refused(
    found: SpherePartition, x: Sequence[int]
) -> None:
    with pytest.raises(InvalidInput, match="no direction"):
        found.locate(x)


def test_a_point_of_another_dimension_is_refused() -> None:
    with pytest.raises(InvalidInput, match="2 coordinates"):
        OCTANTS.locate([1, 2])


def test_the_mean_and_the_length_of_an_input_do_not_matter() -> None:
    x = [3, -1, 2, 5]
    assert NORMED.locate(x) == NORMED.locate([7 * v + 11 for v in x])


def test_affine_layers_in_front_of_the_norm() -> None:
    front = Block(
        (Layer.of([[1, 2, 0, 0, 1], [0, 1, 0, 3, 0], [1, 0, -1, 0, 0], [0, 0, 2, 1, 1]]),)
    )
    found = sphere(Network((front, *NORMED.network.blocks)), GreatSphere(U, V, X))
    assert len(found) > 4
    for cell in found.regions:
        assert found.locate(cell.witness) == cell.index
        assert found.network.code(cell.witness) == cell.code
        y = [Fraction(2), Fraction(-1), Fraction(3)]
        image = [Fraction(int(x.p), int(x.q)) for x in found.image.entries()]
        argument = [
            sum(a * b for a, b in zip(y, image[3 * i : 3 * i + 3], strict=True)) for i in range(4)
        ]
        row = [Fraction(int(e.p), int(e.q)) for e in found.map_columns(cell.index).entries()]
        assert cell.affine(argument) == (sum(a * b for a, b in zip(row, [*y, 1], strict=True)),)


# ---- adjacency


def test_the_graph_of_the_octants_is_a_cube() -> None:
    graph = OCTANTS.graph()
    assert nx.is_isomorphic(nx.Graph(graph), nx.hypercube_graph(3))
    assert graph.number_of_edges() == 12 == len(OCTANTS.arcs)
    for a, b, data in graph.edges(data=True):
        assert data["flipped"] == OCTANTS.hinges_between(a, b) == OCTANTS.arcs[data["arc"]].flipped
        assert len(data["flipped"]) == 1
    assert all(data["code"] == OCTANTS.code_of(i) for i, data in graph.nodes(data=True))


def test_two_cells_can_share_several_arcs() -> None:
    found = sphere(hidden([[1, 0, 0, 0], [0, 1, 0, 0]]), Sphere(radius_squared=1))
    beads = sphere(
        hidden([[1, 0, 0, 0], [0, 1, 1, "-5/4"], [0, 1, -1, "-5/4"]]), Sphere(radius_squared=1)
    )
    assert found.graph().number_of_edges() == 4
    pairs = [tuple(sorted(pair)) for pair in beads.neighbours().tolist()]
    assert len(pairs) - len(set(pairs)) == 1, (
        "two caps on the circle x = 0 leave two pieces of it between the same cells"
    )


@pytest.mark.parametrize(
    "found", [OCTANTS, CAPS, NORMED, SLICE], ids=["octants", "caps", "layernorm", "slice"]
)
def test_facets_flip_what_differs(found: SpherePartition) -> None:
    for cell in found.regions:
        for facet in cell.facets:
            assert facet.neighbour is not None
            assert facet.flipped == found.hinges_between(cell.index, facet.neighbour)
        assert set(cell.neighbours) == {facet.neighbour for facet in cell.facets}
        y = on_the_sphere(found, cell.coordinates)
        assert all(
            np.dot(facet.hyperplane[:3], y) + facet.hyperplane[3] > 0 for facet in cell.facets
        )


def on_the_sphere(found: SpherePartition, y: Sequence[Any]) -> Any:
    """The point of the sphere in the direction y, in floats."""
    radius, *gram = (
        float(fraction(x)) for x in (found.chart.radius_squared, *found.chart.gram.entries())
    )
    direction = np.array([float(fraction(x)) for x in y])
    return direction * (radius / (direction @ np.reshape(gram, (3, 3)) @ direction)) ** 0.5


# ---- cells, arcs, vertices


def test_caps_and_a_band() -> None:
    shapes = sorted((cell.euler_characteristic, cell.holes, cell.is_disc) for cell in CAPS.regions)
    assert shapes == [(0, 1, False), (1, 0, True), (1, 0, True)]
    band = next(cell for cell in CAPS.regions if cell.holes)
    assert [len(walk) for walk in band.walks] == [1, 1]
    assert float(band.area) == pytest.approx(2 * np.pi)
    assert float(band.perimeter) == pytest.approx(2 * np.pi * 3**0.5)
    assert [arc.is_whole for arc in CAPS.arcs] == [True, True]
    assert CAPS.arcs[0].ends is None
    assert len(CAPS.vertices) == 0


def test_one_cell() -> None:
    found = sphere(hidden([[0, 0, 1, 5]]), Sphere(radius_squared=1))
    cell = found.regions[0]
    assert (len(found), cell.euler_characteristic, cell.holes, cell.walks, cell.facets) == (
        1,
        2,
        0,
        (),
        (),
    )
    assert float(cell.area) == float(found.area) == pytest.approx(4 * np.pi)
    assert found.locate([1, 2, 3]) == 0 == found.locate(cell.witness)
    assert str(cell.code) == "1"


def test_walks_close_and_keep_the_cell_on_the_left() -> None:
    for cell in NORMED.regions:
        for walk in cell.walks:
            for half, after in zip(walk, [*walk[1:], walk[0]], strict=True):
                assert NORMED.side(half) == cell.index
                if not NORMED.arcs[half >> 1].is_whole:
                    end = NORMED.complex.arc_ends[half >> 1, 1 - (half & 1)]
                    assert end == NORMED.complex.arc_ends[after >> 1, after & 1]


def test_vertices_lie_on_the_sphere_and_on_the_circles() -> None:
    for arc in SLICE.arcs:
        assert arc.ends is not None
        for vertex in arc.ends:
            point = vertex.point
            assert sympy.simplify((point.T * point)[0] - 5) == 0
            assert point.evalf() == pytest.approx(vertex.point_float.tolist())
            y = [x.sympy() for x in vertex.coordinates]
            assert (
                sympy.simplify(
                    sum(a * b for a, b in zip(arc.circle.normal, y, strict=True))
                    + arc.circle.offset
                )
                == 0
            )


def test_arcs_know_their_sides() -> None:
    for arc in OCTANTS.arcs:
        inside, outside = arc.cells
        (hinge,) = arc.flipped
        assert (
            OCTANTS.code_of(inside).bits[hinge.neuron]
            and not OCTANTS.code_of(outside).bits[hinge.neuron]
        )
        assert arc.length_float == pytest.approx(np.pi / 2)
        assert arc.angle == arc.length, "on the unit sphere"


def test_orthonormal_coordinates_for_drawing() -> None:
    points = SLICE.complex.vertex_floats @ SLICE.frame_float.T
    assert (points**2).sum(axis=1).tolist() == pytest.approx([5.0] * len(points))


def test_views_end() -> None:
    with pytest.raises(IndexError):
        OCTANTS.code_of(8)
    with pytest.raises(IndexError):
        _ = OCTANTS.regions[8]


# ---- maps


def test_maps_and_pieces() -> None:
    def folded(sign: int) -> Network:
        return tensors.mlp([([[1, 0, 0], [-1, 0, 0], [0, 1, 0]], [0, 0, 0]), ([[1, sign, 0]], [2])])

    found, kinked = (sphere(folded(sign), Sphere(radius_squared=1)) for sign in (-1, 1))
    assert (len(found), found.linear_piece_count, found.distinct_map_count) == (4, 1, 1)
    assert (len(kinked), kinked.linear_piece_count, kinked.distinct_map_count) == (4, 2, 2)
    assert Hinge(1, 2) in kinked.hinges_between(0, 1) + kinked.hinges_between(
        1, 2
    ) + kinked.hinges_between(2, 3)


def test_the_map_of_a_slice_is_the_map_on_its_coordinates() -> None:
    for cell in SLICE.regions:
        columns = SLICE.map_columns(cell.index)
        y = [Fraction(1), Fraction(2), Fraction(-1)]
        x = [
            sum(a * Fraction(b) for a, b in zip(y, row, strict=True))
            for row in zip(U, V, X, strict=True)
        ]
        value = cell.affine(x)
        row = [Fraction(int(e.p), int(e.q)) for e in columns.entries()]
        assert value == (sum(a * b for a, b in zip(row, [*y, 1], strict=True)),)


def test_the_network_as_one_expression() -> None:
    net = tensors.mlp([([[1, 2, 0], [0, 1, -1]], [0, Fraction(-1, 4)]), ([[1, -2]], [0])])
    found = sphere(net, Sphere(radius_squared=1))
    (whole,) = found.piecewise()
    names = sympy.symbols("x1:4", real=True)
    for s, t in ((1, 2), (-3, 1), (4, -1), (-2, -2)):
        x = on_unit_sphere(s, t, 2)
        value = whole.subs(
            {
                name: sympy.Rational(v.numerator, v.denominator)
                for name, v in zip(names, x, strict=True)
            }
        )
        assert Fraction(int(value.p), int(value.q)) == exact_output(net, x)[0]


def test_the_digest_is_that_of_the_codes() -> None:
    again = sphere(OCTANTS.network, Sphere(radius_squared=9))
    assert again.digest == OCTANTS.digest
    assert (
        sphere(hidden(SIX), Sphere(radius_squared=4)).digest
        != sphere(hidden(SIX), Sphere(radius_squared=3)).digest
    )


def small_integers(seed: int) -> SpherePartition:
    """A LayerNorm in front of six hinges with small whole weights: touching circles are the
    rule.
    """
    r = np.random.default_rng(seed)
    weight, bias = r.integers(-2, 3, (6, 4)), r.integers(-2, 3, 6)
    gain, shift = r.integers(-1, 3, 4), r.integers(-1, 2, 4)
    return sphere(
        tensors.block(
            weight, bias, np.ones((1, 6)), None, norm="layernorm", gain=gain, bias=shift, eps=0
        ),
        Sphere(),
    )


def nearly_touching(bits: int, sign: int) -> SpherePartition:
    """Circles that touch but for 2^-bits, another one through their point, and a cap as small as
    that.
    """
    tiny = Fraction(sign, 2**bits)
    rows = [
        [3, 0, 0, -2],
        [0, 4, 0, -3],
        [3, 0, 0, -2 + tiny],
        [1, 1, 0, -1],
        [0, 0, 1, -1 + abs(tiny)],
        [1, 0, 0, "-4/5"],
        ["7/25", "24/25", 0, Fraction(-4, 5) + tiny],
        [3, -4, 0, 0],
    ]
    return sphere(hidden(rows), Sphere(radius_squared=1))


def chained(seed: int) -> SpherePartition:
    return sphere(chain(np.random.default_rng(seed), (3, 5, 4, 1), top=2), Sphere(radius_squared=2))


TWO = tensors.block(
    [[-3, -3, -1, 0], [1, 0, -2, -2]], [1, 1], np.ones((1, 2)), None, norm="layernorm", eps=0
)
FLAT_MEETINGS = {
    "two circles that touch": lambda: sphere(TWO, Sphere()),
    **{f"small integers {seed}": partial(small_integers, seed) for seed in range(6)},
    **{
        f"2^-{bits} apart, {sign}": partial(nearly_touching, bits, sign)
        for bits in (16, 30, 50, 70)
        for sign in (1, -1)
    },
    "touching exactly": lambda: sphere(
        hidden([[1, 0, 0, "-4/5"], ["7/25", "24/25", 0, "-4/5"], [3, -4, 1, 0]]), Sphere(1)
    ),
    **{f"deep {seed}": partial(chained, seed) for seed in range(3)},
}


@pytest.mark.parametrize("make", FLAT_MEETINGS.values(), ids=FLAT_MEETINGS)
def test_floats_of_areas_and_lengths_keep_their_digits_where_circles_touch(
    make: Callable[[], SpherePartition],
) -> None:
    found = make()
    sphere_area, areas = float(found.area), found.areas_float()
    certain = [cell.area_float for cell in found.regions]
    assert np.abs(areas - certain).max() < 2.0**-40 * sphere_area
    assert np.abs(found.geometry.areas_float() - certain).max() < 2.0**-40 * sphere_area
    assert abs(areas.sum() - sphere_area) < 2.0**-40 * sphere_area
    lengths = [arc.length_float for arc in found.arcs]
    assert np.abs(found.lengths_float() - lengths).max(initial=0) < 2.0**-40 * np.sqrt(
        np.pi * sphere_area
    )


def test_areas_of_many_cells_sum_to_the_sphere_without_drift() -> None:
    """2 pi in float64 is too small by 2^-52: not once per cell."""
    r = np.random.default_rng(0)
    weight, bias = r.standard_normal((100, 3)), r.standard_normal(100) / 2
    found = sphere(tensors.mlp([(weight, bias), (np.ones((1, 100)), [0])]), Sphere(1))
    assert len(found) > 5000
    assert abs(found.areas_float().sum() / (4 * np.pi) - 1) < len(found) * 2.0**-56


def test_long_points_are_named_by_their_dimension() -> None:
    weight = np.eye(3, 64)
    found = sphere(
        tensors.mlp([(weight, [0] * 3), (np.ones((1, 3)), [0])]),
        GreatSphere(*np.eye(3, 64).tolist(), 1),
    )
    with pytest.raises(InvalidInput, match=r"\.\.\. 64 in all") as refused:
        found.locate([1, 1, *[0] * 62])
    assert len(str(refused.value)) < 200
    with pytest.raises(InvalidInput, match=r"no direction.*64 in all"):
        found.locate([0] * 63 + [1])
    with pytest.raises(InvalidInput, match=r"\(1, 1, 0\)"):
        OCTANTS.locate([1, 1, 0])


def test_a_point_closer_to_an_arc_than_most_bits_tell_is_located() -> None:
    # its first arc is 2^-1074 ahead: at few bits that angle may lie just below a whole turn, and
    # another arc comes first
    from tests.laws import fuzz_tangent

    job = fuzz_tangent.job(1556)
    found = partition(job.network, job.domain, engine="sphere_subdivision")
    assert [found.locate(region.witness) for region in found.regions] == list(range(len(found)))
