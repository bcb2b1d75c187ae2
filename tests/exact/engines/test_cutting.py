"""The complex that cutting ends with: laws of polyhedral complexes, closed forms for its faces, and
a second enumeration.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, product
from math import comb, prod
from typing import Any

import numpy as np
import pytest

from exact import (
    Activation,
    Box,
    HardTanh,
    HPolytope,
    Layer,
    Line,
    Network,
    Plane,
    RealSpace,
    ReLU,
    TooLarge,
)
from exact.geometry.budgets import Stopped, Watch
from exact.geometry.domains.base import FlatDomain
from exact.geometry.polyhedra.faces import FaceComplex, SymbolicPoint
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.kernels import splitting
from exact.networks.layers import Block
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines.cutting import Cutter
from exact.regions.polytopes.engines.exact_vertices import ExactVertices
from exact.regions.polytopes.engines.subdivision import Subdivision
from exact.regions.polytopes.walls.facets import region_halfspaces
from exact.sources import tensors
from tests.exact.face_lattices import with_faces
from tests.exact.reference import integers

Face = frozenset[int]


def cut(network: Network, domain: FlatDomain) -> tuple[FlatCells, FaceComplex]:
    cells = Subdivision().run(Job(Problem(network, domain)))
    assert cells.faces is not None
    return cells, cells.faces


def generic(widths: Sequence[int], seed: int = 0, activation: Activation | None = None) -> Network:
    generator = np.random.default_rng(seed)
    return tensors.mlp(
        [
            (generator.normal(size=(b, a)), generator.normal(size=b))
            for a, b in pairwise([*widths, 1])
        ],
        activation,
    )


def degenerate(seed: int, dim: int) -> Network:
    generator = np.random.default_rng(seed)
    widths = [dim, *generator.integers(2, 5, int(generator.integers(1, 4))).tolist()]
    layers = [
        Layer.of(
            integers(generator, (b, a), 2),
            integers(generator, b, 2),
            [ReLU(), HardTanh()][int(generator.integers(2))],
        )
        for a, b in pairwise(widths)
    ]
    return Network((Block(tuple(layers)),))


def hidden(rows: Sequence[Sequence[Any]]) -> Network:
    return tensors.mlp(
        [([row[:-1] for row in rows], [row[-1] for row in rows]), ([[1] * len(rows)], [0])]
    )


def spans(faces: FaceComplex) -> list[list[Face]]:
    """The vertices of every face, by dimension."""
    found = [[frozenset((i,)) for i in range(faces.vertex_count)]]
    for k in range(1, faces.dim + 1):
        rows = faces.boundary[k]
        found.append(
            [frozenset().union(*(found[-1][int(i)] for i in rows.row(f))) for f in range(len(rows))]
        )
    return found


def faces_within(faces: FaceComplex, cell: int) -> list[set[int]]:
    """The faces of one cell by dimension, itself the last."""
    found = [{cell}]
    for k in range(faces.dim, 0, -1):
        found.append({int(i) for f in found[-1] for i in faces.boundary[k].row(f)})
    return found[::-1]


def euler(counts: Sequence[int]) -> int:
    return sum((-1) ** k * count for k, count in enumerate(counts))


def sign(wall: Halfspace, at: SymbolicPoint) -> int:
    deciding = wall.slope(at.infinite) or wall.value(at.finite)
    return (deciding > 0) - (deciding < 0)


def side(at: SymbolicPoint) -> set[tuple[int, int]]:
    """The sides of the cube [-K, K]^d that a vertex lies on."""
    rows = enumerate(zip(at.finite[:-1], at.infinite, strict=True))
    return {(i, 1 if y > 0 else -1) for i, (x, y) in rows if x == 0 and abs(y) == at.finite[-1]}


def check(network: Network, domain: FlatDomain) -> tuple[FlatCells, FaceComplex]:
    """The laws that hold for every complex."""
    cells, faces = cut(network, domain)
    flat, dim = domain.flat(), faces.dim
    at, span = [faces.vertex(i) for i in range(faces.vertex_count)], spans(faces)
    assert [len(span[k]) for k in range(1, dim + 1)] == [
        len(faces.boundary[k]) for k in range(1, dim + 1)
    ]
    assert len(set(at)) == len(at)
    assert all(len(set(level)) == len(level) for level in span)
    assert euler([len(level) for level in span]) == 1
    for row in (faces.boundary[1].row(e) for e in range(len(span[1]))):
        assert len(set(row.tolist())) == 2
    for k in range(2, dim + 1):  # two facets of a face meet in each of its ridges
        for f in range(len(span[k])):
            ridges = Counter(
                int(i) for g in faces.boundary[k].row(f) for i in faces.boundary[k - 1].row(int(g))
            )
            assert set(ridges.values()) == {2}
    for cell in range(len(cells)):
        within = faces_within(faces, cell)
        assert euler([len(level) for level in within]) == 1
        assert set(faces.corners.row(cell).tolist()) == within[0] == set(span[dim][cell])
        assert len(faces.corners.row(cell)) == len(within[0])
        bits = cells.bits[cell].tolist()
        for halfspace, bit in zip(region_halfspaces(network, flat, bits), bits, strict=True):
            assert all(sign(halfspace, at[v]) * (1 if bit else -1) >= 0 for v in within[0])
    check_facets(cells, faces, domain, at, span)
    return cells, faces


def check_facets(
    cells: FlatCells,
    faces: FaceComplex,
    domain: FlatDomain,
    at: Sequence[SymbolicPoint],
    span: list[list[Face]],
) -> None:
    """A facet is in two cells, or in one and on the edge of the domain; the pairs are those of the
    facets in two.
    """
    inside, dim = dict[int, list[int]](), faces.dim
    for cell in range(len(cells)):
        for facet in faces.boundary[dim].row(cell):
            inside.setdefault(int(facet), []).append(cell)
    assert sorted(inside) == list(range(len(span[dim - 1])))
    walls, pairs = domain.flat().walls, list[tuple[int, ...]]()
    for facet, owners in inside.items():
        points = [at[v] for v in span[dim - 1][facet]]
        on_edge = any(
            all(sign(wall, p) == 0 for p in points) for wall in walls if not wall.is_constant
        )
        at_infinity = bool(set.intersection(*(side(p) for p in points)))
        assert len(owners) == (1 if on_edge or at_infinity else 2)
        pairs += [tuple(sorted(owners))] if len(owners) == 2 else []
    assert cells.pairs is not None
    assert sorted(tuple(sorted(pair)) for pair in cells.pairs().tolist()) == sorted(pairs)


DOMAINS: list[tuple[int, FlatDomain]] = [
    (1, RealSpace(1)),
    (1, Box(-1, 1, dim=1)),
    (2, RealSpace(2)),
    (2, Box(-1, 2, dim=2)),
    (2, HPolytope([[1, 1, 1], [1, -1, 1]])),
    (2, HPolytope([[1, 1, 1], [1, -1, 1], [-1, 0, 1]])),
    (3, RealSpace(3)),
    (3, Box(-1, 1, dim=3)),
    (3, HPolytope([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [-1, -1, -1, 2]])),
    (3, HPolytope([[1, 1, 0, 1], [-1, 0, 1, 1]])),
    (3, Plane([0, 1, 0], [1, 0, "1/3"], [0, 0, 1])),
    (3, Line([0, 1, 0], [1, -1, 2])),
]


@pytest.mark.parametrize(("dim", "domain"), DOMAINS, ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_laws_of_complexes(dim: int, domain: FlatDomain, seed: int) -> None:
    check(degenerate(seed, dim), domain)
    check(generic((dim, 4, 3), seed, [ReLU(), HardTanh()][seed % 2]), domain)


@pytest.mark.parametrize("domain", [Box(-1, 1, dim=4), RealSpace(4)], ids=repr)
def test_laws_in_four_dimensions(domain: FlatDomain) -> None:
    check(generic((4, 4, 2), 1), domain)
    check(degenerate(1, 4), domain)


@pytest.mark.parametrize(
    "domain", [RealSpace(2), Box(-1, 1, dim=2), RealSpace(3), Box(-1, 1, dim=3)], ids=repr
)
def test_generic_cells_are_simple(domain: FlatDomain) -> None:
    """Off the kinks that deeper neurons share with earlier ones: in one layer, d facets of a cell
    meet at every vertex.
    """
    dim = domain.flat().dim
    cells, faces = check(generic((dim, 6), 2), domain)
    span = spans(faces)
    for cell in range(len(cells)):
        facets = [span[dim - 1][int(f)] for f in faces.boundary[dim].row(cell)]
        assert all(sum(v in facet for facet in facets) == dim for v in span[dim][cell])


@pytest.mark.parametrize(("n", "dim"), [(6, 1), (7, 2), (6, 3), (5, 4)])
def test_faces_of_generic_arrangements(n: int, dim: int) -> None:
    """n generic hyperplanes in R^d have C(n, d - k) sum_{i <= k} C(n - d + k, i) faces of dimension
    k off infinity.
    """
    _, faces = check(
        hidden(np.random.default_rng(n).normal(size=(n, dim + 1)).tolist()), RealSpace(dim)
    )
    at = [faces.vertex(i) for i in range(faces.vertex_count)]
    for k, level in enumerate(spans(faces)):
        inner = [face for face in level if not set.intersection(*(side(at[v]) for v in face))]
        assert len(inner) == comb(n, dim - k) * sum(comb(n - dim + k, i) for i in range(k + 1))


@pytest.mark.parametrize("sizes", [(3,), (2, 3), (0, 2), (2, 1, 2), (1, 1, 1, 1)])
def test_faces_of_grids(sizes: tuple[int, ...]) -> None:
    """n_i hyperplanes across axis i of a box: the product of paths with n_i + 2 vertices and n_i +
    1 edges.
    """
    dim = len(sizes)
    rows = [
        [*(int(i == axis) for i in range(dim)), Fraction(1, 2) - Fraction(k, 7)]
        for axis, n in enumerate(sizes)
        for k in range(n)
    ]
    expected = Counter[int]()
    for kinds in product((0, 1), repeat=dim):
        expected[sum(kinds)] += prod(
            n + 1 if edge else n + 2 for n, edge in zip(sizes, kinds, strict=True)
        )
    for domain in (Box(-1, 1, dim=dim), RealSpace(dim)):
        _, faces = check(hidden(rows), domain)
        assert {k: len(level) for k, level in enumerate(spans(faces))} == expected


def test_faces_of_concurrent_planes() -> None:
    """The braid arrangement x = y, y = z, x = z in a cube: six wedges around the diagonal."""
    _, faces = check(hidden([[1, -1, 0, 0], [0, 1, -1, 0], [1, 0, -1, 0]]), Box(0, 1, dim=3))
    assert [len(level) for level in spans(faces)] == [8, 8 + 11, 18, 6]


@pytest.mark.parametrize(
    ("network", "domain"),
    [
        (degenerate(3, 1), RealSpace(1)),
        (degenerate(6, 1), Box(-1, 1, dim=1)),
        (hidden([[1, 1, 0], [1, -1, 0], [1, 0, -1]]), RealSpace(2)),
        (hidden([[1, 1, 0], [1, -1, 0], [1, 0, -1]]), Box(-1, 1, dim=2)),
        (
            tensors.mlp([([[1, 0], [1, 1]], [0, -1]), ([[1, -1]], [0]), ([[1]], [0])]),
            HPolytope([[1, 2, 2]]),
        ),
        (hidden([[1, 1, 1, 0], [1, -1, 0, 0]]), Box(-1, 1, dim=3)),
        (hidden([[1, 1, 0, 0]]), RealSpace(3)),
    ],
)
def test_the_complex_of_a_second_enumeration(network: Network, domain: FlatDomain) -> None:
    """All faces of all regions, from the halfspaces of their codes by brute force, as sets of exact
    points.
    """
    _, faces = cut(network, domain)
    other = with_faces(network, domain).faces
    assert other is not None
    assert points_of(faces) == points_of(other)


def points_of(faces: FaceComplex) -> list[set[frozenset[tuple[Fraction, ...]]]]:
    points = [faces.vertex(i) for i in range(faces.vertex_count)]
    at = [tuple(Fraction(x, p.finite[-1]) for x in (*p.finite, *p.infinite)) for p in points]
    return [{frozenset(at[v] for v in face) for face in level} for level in spans(faces)]


# ---- the arrays grow


def cutter(domain: FlatDomain, watch: Watch | None = None) -> Cutter:
    """A complex that no layer has cut."""
    flat, network = domain.flat(), hidden([[1, 1, 0]])
    return Cutter(flat, 1, ExactVertices(network, flat), watch or Watch())


@pytest.mark.parametrize("domain", [Box(-1, 1, dim=2), RealSpace(2)])
def test_the_arrays_of_a_kind_grow_together_and_keep_what_they_hold(domain: FlatDomain) -> None:
    """Of a bounded domain the infinite parts stay one row, which stands for none."""
    found = cutter(domain)
    before = found._c
    more = len(before.vertices.finite) + 1
    found._room(vertices=more)
    after, used = found._c, int(before.n[splitting.VERTICES])
    for name, old, new in zip(
        splitting.Vertices._fields, before.vertices, after.vertices, strict=True
    ):
        if len(old) == 1:
            assert new is old, name
            assert isinstance(domain, Box)
        else:
            assert len(new) >= used + more, name
            assert np.array_equal(new[:used], old[:used])
            assert new.dtype == old.dtype
    assert all(new is old for new, old in zip(after.faces, before.faces, strict=True))
    assert after.pool is before.pool


def test_more_members_than_an_index_counts_are_refused() -> None:
    found = cutter(Box(-1, 1, dim=2))
    used = int(found._c.n[splitting.POOL])
    with pytest.raises(TooLarge, match="2,147,483,647 entries of face lists"):
        found._room(pool=2**31 - 1 - used)


def test_no_array_grows_beyond_the_memory() -> None:
    found = cutter(Box(-1, 1, dim=2), Watch(most_bytes=0))
    with pytest.raises(Stopped):
        found._room(cells=10**6)
    assert found.cell_count == 1


def test_memory_is_asked_for_the_bytes_that_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = cutter(Box(-1, 1, dim=2)), list[int]()

    def has_room(more: int) -> bool:
        asked.append(more)
        return True

    monkeypatch.setattr(found._watch, "has_room", has_room)
    grown = found._longer(np.zeros((3000, 7), np.int32), 2900, 200)
    assert grown.shape == (12000, 7)
    assert asked == [2900 * 7 * 4]
