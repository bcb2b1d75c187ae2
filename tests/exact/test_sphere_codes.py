"""Partitions of spheres into codes: order, cells, witnesses, neighbours, directions, maps,
refusals.
"""

from __future__ import annotations

from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
import sympy

from exact import (
    Block,
    Budget,
    EngineDefect,
    GreatSphere,
    InvalidInput,
    Layer,
    Network,
    Outcome,
    Sphere,
    Undecided,
    partition,
)
from exact.arithmetic.linear_algebra import rows_of
from exact.arithmetic.numbers import fraction
from exact.geometry.combinatorics.codes import SplineCode
from exact.regions.engine import Problem
from exact.regions.spheres.cells import SphereCodes
from exact.regions.spheres.codes import CodePartition, CodeRegion
from exact.regions.spheres.partition import SpherePartition
from exact.sources import tensors
from tests.exact import reference


def of(
    network: Network, radius_squared: object = None, engine: str = "sphere_polytopes"
) -> CodePartition:
    found = partition(network, Sphere(radius_squared), engine=engine)
    assert isinstance(found, CodePartition) and found.outcome is Outcome.COMPLETE
    return found


def normed(seed: int, n: int, m: int, norm: str) -> Network:
    generator = np.random.default_rng(seed)
    small = [
        generator.integers(-8, 9, size=shape) / 4
        for shape in ((m, n), (m,), (2, m), (2,), (n,), (n,))
    ]
    return tensors.block(
        small[0],
        small[1],
        small[2],
        small[3],
        norm=norm,
        gain=small[4] + 0.125,
        bias=small[5],
        eps=1e-5,
    )


NORMED = [
    normed(0, 4, 4, "layernorm"),
    normed(1, 5, 4, "layernorm"),
    normed(2, 3, 4, "rms"),
    normed(3, 4, 4, "rms"),
]
BAND = tensors.mlp([([[1, 0, 0], [-1, 0, 0], [0, 1, 0]], [1, 1, 0]), ([[1, 1, 1]], [0])])


@pytest.mark.parametrize("engine", ["sphere_polytopes", "sphere_flats"])
@pytest.mark.parametrize("network", NORMED)
def test_the_witnesses_of_codes_behind_norms_have_these_codes(
    network: Network, engine: str
) -> None:
    """eps plays no part far out, where a direction of the sphere is the limit; the network itself
    says which code that is.
    """
    found = of(network, None, engine)
    assert len(found) > 6
    for region in found.regions:
        far = [x * 10**6 for x in region.witness]
        assert network.code(far) == region.code
        assert found.locate(region.witness) == found.locate(far) == region.index
        assert found.index_of(region.code) == region.index


@pytest.mark.parametrize("network", NORMED)
def test_straddling_pairs_by_fractions(network: Network) -> None:
    found = of(network)
    gram = [[fraction(x) for x in row] for row in rows_of(found.chart.gram)]
    for region in found.regions:
        assert isinstance(region, CodeRegion)
        near, far = region.straddling
        sizes = [reference.dot(y, [reference.dot(row, y) for row in gram]) for y in (near, far)]
        assert sizes[0] < fraction(found.chart.radius_squared) < sizes[1]
        for halfspace, bit in zip(found.halfspaces_of(region.index), region.code.bits, strict=True):
            values = [reference.value(halfspace.coefficients, y) for y in (near, far)]
            assert all(
                (value > 0) == bit and (value != 0 or halfspace.is_constant) for value in values
            )


def test_a_beam_owns_two_cells() -> None:
    """On the sphere of radius 2 the band |x| < 1 is cut in two by y = 0; the beam |x|, |y| < 1
    leaves it at both ends.
    """
    found = of(BAND, 4)
    assert [str(region.code) for region in found.regions] == [
        "010",
        "011",
        "100",
        "101",
        "110",
        "111",
    ]
    assert (found.code_count, found.cell_count, len(found)) == (6, 6, 6)
    beam = tensors.mlp(
        [([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], [1, 1, 1, 1]), ([[1] * 4], [0])]
    )
    found = of(beam, 4)
    parts = {
        str(region.code): region.components
        for region in found.regions
        if isinstance(region, CodeRegion)
    }
    assert parts == {
        "1111": 2,
        "0111": 1,
        "1011": 1,
        "1101": 1,
        "1110": 1,
        "0101": 1,
        "0110": 1,
        "1001": 1,
        "1010": 1,
    }
    assert (found.code_count, found.cell_count) == (9, 10)
    with pytest.raises(InvalidInput, match="region_count has two meanings"):
        found.region_count  # noqa: B018


@pytest.mark.parametrize("engine", ["sphere_polytopes", "sphere_flats"])
def test_neighbours_facets_and_the_graph_say_the_same(engine: str) -> None:
    found = of(BAND, 4, engine)
    graph = found.graph()
    pairs = found.neighbours().tolist()
    assert pairs == [[0, 1], [0, 4], [1, 5], [2, 3], [2, 4], [3, 5], [4, 5]]
    assert sorted(map(sorted, graph.edges)) == pairs and nx.is_connected(graph)
    for region in found.regions:
        assert {facet.neighbour for facet in region.facets} == set(graph[region.index])
        assert graph.nodes[region.index]["witness"] == region.witness
        for facet in region.facets:
            assert facet.neighbour is not None
            assert facet.flipped == graph.edges[region.index, facet.neighbour]["flipped"]
            assert facet.flipped == found.hinges_between(region.index, facet.neighbour)
    first = found.regions[0].facets
    assert [facet.hyperplane for facet in first] == [(-1, 0, 0, -1), (0, -1, 0, 0)]


def test_facets_of_a_deep_network_lie_on_the_hinge_that_flips_first() -> None:
    """The hinge (1, 1) is -(1, 0), so both flip together; behind them (2, 0) is zero on a half."""
    network = tensors.mlp([([[1, 0, 0], [-1, 0, 0]], [0, 0]), ([[1, 0]], [0]), ([[1]], [0])])
    found = of(network, 1)
    assert [str(region.code) for region in found.regions] == ["01|0", "10|1"]
    assert [facet.hyperplane for region in found.regions for facet in region.facets] == [
        (-1, 0, 0, 0),
        (1, 0, 0, 0),
    ]
    assert [len(region.facets[0].flipped) for region in found.regions] == [3, 3]


def test_directions_on_a_boundary_and_off_the_sphere_are_refused() -> None:
    found = of(BAND, 4)
    with pytest.raises(InvalidInput, match="on a boundary"):
        found.locate([0, 0, 1])
    with pytest.raises(InvalidInput, match="no direction"):
        found.locate([0, 0, 0])
    with pytest.raises(InvalidInput, match="does not fit"):
        found.locate([1, 2])
    with pytest.raises(InvalidInput, match="on a boundary"):
        # where the plane touches
        of(tensors.mlp([([[1, 0, 0]], [-2]), ([[1]], [0])]), 4).locate([7, 0, 0])
    slice_ = partition(
        BAND,
        GreatSphere([1, 0, 0], [0, 1, 0], [0, 0, 1], radius_squared=4),
        engine="sphere_polytopes",
    )
    assert slice_.locate(["1/100", 1, 0]) == found.locate(["1/100", 1, 0]) == 5
    flat = tensors.mlp([([[1, 0, 0, 0]], [0]), ([[1]], [0])])
    within = partition(
        flat, GreatSphere([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], 1), engine="sphere_polytopes"
    )
    assert within.locate([1, 0, 0, 0]) == 1
    with pytest.raises(InvalidInput, match="no direction"):
        within.locate([1, 0, 0, 1])
    assert found.locate([1, "1/100", 0]) == 3


def test_behind_layernorm_only_the_projection_counts() -> None:
    found = of(NORMED[1])
    for region in found.regions:
        shifted = [x + Fraction(22, 7) for x in region.witness]
        assert found.locate(shifted) == region.index
    with pytest.raises(InvalidInput, match="no direction"):
        found.locate([3] * 5)


def test_an_unfinished_partition_says_so_where_it_knows_no_code() -> None:
    network = tensors.mlp([(np.eye(4), [0] * 4), (np.ones((1, 4)), [0])])
    found = partition(network, Sphere(1), engine="sphere_polytopes", budget=Budget(regions=2))
    assert found.outcome is Outcome.BUDGET_REACHED and len(found) == 2
    corners = [[1 if i >> k & 1 else -1 for k in range(4)] for i in range(16)]
    missing = 0
    for corner in corners:
        try:
            found.locate(corner)
        except InvalidInput as error:
            missing += "raise the budget" in str(error)
    assert missing == 14


@pytest.mark.parametrize("network", [NORMED[0], NORMED[2], BAND])
def test_maps_over_the_chart_give_the_output(network: Network) -> None:
    found = of(network, None if network.has_norm else 4)
    for region in found.regions:
        symbolic = region.symbolic()
        letter = "s" if network.has_norm else "x"
        y = sympy.symbols(f"{letter}1:{found.chart.dim + 2}", real=True)
        direction = [sympy.Rational(int(x.p), int(x.q)) for x in found.direction_of(region.witness)]
        size, entries = (
            found.chart.dim + 1,
            [sympy.Rational(str(x)) for x in found.chart.gram.entries()],
        )
        gram = sympy.Matrix(size, size, entries)
        vector = sympy.Matrix(direction)
        scale = sympy.sqrt(
            sympy.Rational(str(found.chart.radius_squared)) / (vector.T * gram * vector)[0]
        )
        at = dict(zip(y, [scale * x for x in direction], strict=True))
        assert all(inequality.subs(at) == sympy.true for inequality in symbolic.inequalities)
        value = [float(x.subs(at)) for x in symbolic.map]
        point = [float(x) * float(scale) for x in region.witness]
        big = 1e7 if network.has_norm else 1.0
        assert np.allclose(
            value, network.forward_float(np.array(point) * big), rtol=1e-6, atol=1e-6
        )


def test_pieces_and_maps_are_counted() -> None:
    """relu(x) - relu(-x) = x: two codes, one piece, one map; with y beside it twice as many codes
    and two maps.
    """
    line = tensors.mlp([([[1, 0, 0], [-1, 0, 0]], [0, 0]), ([[1, -1]], [0])])
    found = of(line, 1)
    assert (len(found), found.linear_piece_count, found.distinct_map_count) == (2, 1, 1)
    both = tensors.mlp([([[1, 0, 0], [-1, 0, 0], [0, 1, 0]], [0, 0, 0]), ([[1, -1, 1]], [0])])
    found = of(both, 1)
    assert (len(found), found.linear_piece_count, found.distinct_map_count) == (4, 2, 2)


def test_the_digest_is_that_of_the_codes_whatever_the_engine() -> None:
    digests = {
        of(NORMED[3], None, engine).digest for engine in ("sphere_polytopes", "sphere_flats")
    }
    assert len(digests) == 1
    assert digests != {of(NORMED[2]).digest}


def test_open_components_and_codes_given_twice_are_named() -> None:
    found = of(BAND, 4)
    cells = found.cells
    fields = {name: getattr(cells, name) for name in cells.__dataclass_fields__}
    vague = SphereCodes(**{**fields, "components": lambda i: None if i < 2 else 1})
    with pytest.raises(Undecided, match="2 codes left open"):
        CodePartition(Problem(BAND, found.domain), "vague", vague).cell_count  # noqa: B018
    twice = SphereCodes(**{**fields, "codes": cells.codes[[0, 0, 1]]})
    with pytest.raises(EngineDefect, match="a region twice"):
        CodePartition(Problem(BAND, found.domain), "twice", twice)


def test_a_code_that_does_not_occur_has_no_index() -> None:
    assert of(BAND, 4).index_of(SplineCode.of([False, False, True], (3,))) is None


def behind_a_block(front: Block) -> tuple[Network, GreatSphere]:
    """A linear block without bias, then LayerNorm in R^4 with gain and bias, on a great sphere of
    R^5.
    """
    rows, shift = [[1, 2, -1, 0], [0, 1, 1, 3], [2, -1, 0, 1]], [Fraction(1, 2), 0, -1]
    rear = tensors.block(
        rows,
        shift,
        [[1, -1, 2]],
        [3],
        norm="layernorm",
        gain=[1, 2, "-1/2", 1],
        bias=[0, "1/3", 1, 0],
        eps=0,
    )
    return Network((front, *rear.blocks)), GreatSphere(
        [2, 1, 0, 3, -1], [1, 0, 3, 0, 1], [0, 1, 1, -1, 2]
    )


FRONTS = {
    "linear": Block(
        (Layer.of([[1, 2, 0, 0, 1], [0, 1, 0, 3, 0], [1, 0, -1, 0, 0], [0, 0, 2, 1, 1]]),)
    ),
    "two layers": Block(
        (
            Layer.of([[0, 1, 1, 0, 1], [1, 0, 0, 1, 0], [0, 0, 1, 0, 2], [1, 1, 0, 0, 0]]),
            Layer.of([[1, 1, 0, 0], [0, 0, 3, 0], [0, 2, 0, 1], [1, 0, 0, 1]]),
        )
    ),
}


@pytest.mark.parametrize("front", FRONTS)
def test_engines_agree_behind_a_block_in_front_of_the_norm(front: str) -> None:
    """Points are located, and maps are those of the forward pass, whichever engine cut the
    sphere.
    """
    network, domain = behind_a_block(FRONTS[front])
    cells = partition(network, domain, engine="small_circles")
    found = {
        engine: partition(network, domain, engine=engine)
        for engine in ("sphere_flats", "sphere_polytopes")
    }
    assert len({codes.digest for codes in found.values()}) == 1
    for codes in found.values():
        assert isinstance(codes, CodePartition) and isinstance(cells, SpherePartition)
        assert {codes.code_of(i) for i in range(len(codes))} == {
            cells.code_of(i) for i in range(len(cells))
        }
        assert codes.linear_piece_count >= codes.distinct_map_count > 1
        for point in [
            *(cell.witness for cell in cells.regions),
            *(region.witness for region in codes.regions),
        ]:
            here, there = codes.locate(point), cells.locate(point)
            assert codes.code_of(here) == cells.code_of(there) == network.code(point)
            assert codes.affine_at(point) == cells.affine_at(point)
        for region in codes.regions:
            y = [fraction(x) for x in codes.direction_of(region.witness)]
            carried = [sum(a * b for a, b in zip(row, y, strict=True)) for row in image_of(cells)]
            value = region.affine(carried)
            row = [fraction(x) for x in codes.map_columns(region.index).entries()]
            assert value == (sum(a * b for a, b in zip(row, [*y, 1], strict=True)),)


def image_of(cells: SpherePartition) -> list[list[Fraction]]:
    entries = [fraction(x) for x in cells.image.entries()]
    return [entries[i : i + 3] for i in range(0, len(entries), 3)]


def test_long_points_are_named_by_their_dimension() -> None:
    network = tensors.mlp([(np.eye(4, 64), [0] * 4), (np.ones((1, 4)), [0])])
    found = partition(network, Sphere(1), engine="sphere_polytopes")
    for x in ([0] * 64, [1, 1, *[0] * 62]):
        with pytest.raises(InvalidInput, match=r"\.\.\. 64 in all") as refused:
            found.locate(x)
        assert len(str(refused.value)) < 200
    with pytest.raises(InvalidInput, match=r"\(0, 0, 1\)"):
        of(BAND, 4).locate([0, 0, 1])


def test_a_pair_of_another_code_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = of(BAND, 2)
    pairs = [found.straddling_of(i) for i in range(len(found))]
    monkeypatch.setattr("exact.regions.spheres.codes._HALVINGS", 16)
    monkeypatch.setattr(found, "straddling_of", lambda index: pairs[(index + 1) % len(pairs)])
    with pytest.raises(EngineDefect, match="no direction between the straddling pair"):
        _ = found.regions[0].witness
