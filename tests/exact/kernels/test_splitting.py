"""Compiled splitting: float coordinates within their bounds, float signs that are right or unknown,
and the tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from exact import Box, HardTanh, HPolytope, Network, RealSpace
from exact.arithmetic.linear_algebra import matrix
from exact.arithmetic.numbers import Rational, RationalArray, fraction
from exact.geometry.domains.base import FlatDomain
from exact.kernels import splitting
from exact.kernels.splitting import UNKNOWN, Complex, Layer
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.engines.cutting import Cutter
from exact.regions.polytopes.engines.exact_vertices import ExactVertices
from exact.regions.polytopes.engines.starting_cube import empty_complex
from exact.regions.polytopes.engines.subdivision import CutFaces, _cut_by_hinges
from exact.sources import tensors
from tests.exact.reference import integers, q

Array = np.ndarray[Any, Any]
Row = Sequence[Fraction | int]


def finished(network: Network, domain: FlatDomain) -> tuple[Cutter, ExactVertices]:
    """The state in which an enumeration ends."""
    faces = _cut_by_hinges(Job(Problem(network, domain))).faces
    assert isinstance(faces, CutFaces)
    return faces._cutter, faces._cutter._exact


def generic(widths: Sequence[int], power: int = 0) -> Network:
    generator = np.random.default_rng(len(widths))
    return tensors.mlp(
        [
            (np.ldexp(generator.normal(size=(b, a)), power), generator.normal(size=b))
            for a, b in pairwise([*widths, 1])
        ]
    )


def degenerate(widths: Sequence[int]) -> Network:
    generator = np.random.default_rng(sum(widths))
    layers = [
        (integers(generator, (b, a), 2), integers(generator, b, 2))
        for a, b in pairwise([*widths, 1])
    ]
    return tensors.mlp(layers, HardTanh(-1, Fraction(1, 3)))


NETWORKS = [
    generic((1, 8, 6)),
    generic((2, 8, 6)),
    generic((3, 6, 4)),
    degenerate((2, 4, 3)),
    degenerate((3, 3, 2)),
    generic((2, 4, 4, 4), -200),
    generic((2, 4, 4), 200),
    generic((2, 5), -530),
]


def domains(network: Network) -> list[FlatDomain]:
    dim = network.input_dim
    return [
        RealSpace(dim),
        Box(Fraction(-1, 3), 1, dim=dim),
        HPolytope([[1] * dim + [3], [-1, *[0] * (dim - 1), 2]]),
    ]


@pytest.mark.parametrize("network", NETWORKS)
def test_vertices_are_within_their_error(network: Network) -> None:
    for domain in domains(network):
        cutter, exact = finished(network, domain)
        c = cutter._c
        for v in range(int(c.n[splitting.VERTICES])):
            point = exact.point(v)
            assert near(
                c.vertices.finite[v],
                [Fraction(x, point.finite[-1]) for x in point.finite[:-1]],
                c.vertices.finite_error[v],
            )
            if len(c.vertices.infinite) > 1:
                assert near(
                    c.vertices.infinite[v],
                    [Fraction(x, point.finite[-1]) for x in point.infinite],
                    c.vertices.infinite_error[v],
                )
            else:
                assert point.is_finite


def near(floats: Array, exact: Sequence[Fraction], error: float) -> bool:
    if not error < np.inf:
        return True
    return (
        sum((Fraction(x) - y) ** 2 for x, y in zip(floats.tolist(), exact, strict=True))
        <= Fraction(float(error)) ** 2
    )


@pytest.mark.parametrize("network", NETWORKS)
def test_float_signs_are_right_or_unknown(network: Network) -> None:
    """Planes at vertices: never a wrong sign nor a zero; of generic networks in a box nearly all
    that are not zero.
    """
    for domain in domains(network):
        cutter, exact = finished(network, domain)
        c = cutter._c
        pairs = [
            (v, h)
            for v in range(int(c.n[splitting.VERTICES]))
            for h in range(int(c.n[splitting.PLANES]))
        ]
        chosen = np.random.default_rng(0).permutation(len(pairs))[:600].tolist()
        found = [splitting._float_sign(c, *pairs[i]) for i in chosen]
        truth = [exact.sign(*pairs[i]) for i in chosen]
        assert all(a in (b, UNKNOWN) for a, b in zip(found, truth, strict=True))
        known = sum(a != UNKNOWN for a in found)
        assert (
            known > 0.99 * sum(b != 0 for b in truth)
            or network not in NETWORKS[:3]
            or not isinstance(domain, Box)
        )


@pytest.mark.parametrize(
    "network", [*NETWORKS, generic((3, 6), -525), generic((2, 6), -540), generic((2, 6), -1000)]
)
def test_norms_of_planes_are_above(network: Network) -> None:
    cutter, _ = finished(network, domains(network)[0])
    c, d = cutter._c, network.input_dim
    for h in range(int(c.n[splitting.PLANES])):
        assert (
            sum(Fraction(x) ** 2 for x in c.planes.rows[h, :d].tolist())
            <= Fraction(float(c.planes.normal_size[h])) ** 2
        )
        assert c.planes.normal_error[h] >= 0
        assert c.planes.offset_error[h] >= 0


# ---- solving for a vertex


def complex_of(rows: Sequence[Row], errors: float) -> Complex:
    """A complex of R^d with one vertex, held by these planes (normal, offset, coefficient of K)."""
    d = len(rows)
    c = empty_complex(d, False, 1)
    c.planes.rows[:d] = [[float(x) for x in row] for row in rows]
    c.planes.normal_error[:d] = c.planes.offset_error[:d] = errors
    c.planes.normal_size[:d] = np.linalg.norm(c.planes.rows[:d, :d], axis=1) * (1 + 2.0**-40)
    c.vertices.planes[0] = np.arange(d)
    return c


def solved(rows: Sequence[Row]) -> tuple[list[Fraction], list[Fraction]] | None:
    d = len(rows)
    system = matrix([[q(x) for x in row[:d]] for row in rows], d)
    if system.rank() < d:
        return None
    right = RationalArray(d, 2, [-q(row[k]) for row in rows for k in (d, d + 1)])
    solution = system.solve(right)
    finite, infinite = ([fraction(solution[i, k]) for i in range(d)] for k in (0, 1))
    return finite, infinite


@pytest.mark.parametrize("d", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("power", [0, 10, 25, 40, 50, 52, 60])
def test_solutions_are_within_their_error(d: int, power: int) -> None:
    """Planes that all but share a line, down to those that do; the bound holds, and is small where
    they are apart.
    """
    for seed in range(6):
        generator = np.random.default_rng(seed)
        rows = generator.normal(size=(d, d + 2))
        if d > 1:
            rows[-1] = rows[0] + 2.0**-power * rows[-1]
        exact_rows = [[Fraction(x) for x in row] for row in rows.tolist()]
        c = complex_of(exact_rows, 0.0)
        splitting.place(c, 0)
        truth = solved(exact_rows)
        if truth is None:
            assert c.vertices.finite_error[0] == c.vertices.infinite_error[0] == np.inf
            continue
        assert near(c.vertices.finite[0], truth[0], c.vertices.finite_error[0])
        assert near(c.vertices.infinite[0], truth[1], c.vertices.infinite_error[0])
        if power == 0:
            assert max(c.vertices.finite_error[0], c.vertices.infinite_error[0]) < 2.0**-35


@pytest.mark.parametrize("d", [1, 2, 3, 4])
@pytest.mark.parametrize("power", [-45, -30, -10])
def test_planes_anywhere_within_their_error(d: int, power: int) -> None:
    """The exact planes are off the float ones by as much as they may be."""
    error = 2.0**power
    for seed in range(6):
        generator = np.random.default_rng(seed)
        rows = [[Fraction(x) for x in row] for row in generator.normal(size=(d, d + 2)).tolist()]
        c = complex_of(rows, error)
        splitting.place(c, 0)
        step = Fraction(error) / (d + 1)
        for signs in generator.integers(0, 2, (4, d, d + 1)).tolist():
            moved = [
                [
                    *(x + step * (2 * s - 1) for x, s in zip(row[:d], own[:d], strict=True)),
                    row[d] + Fraction(error) * (2 * own[d] - 1),
                    row[d + 1],
                ]
                for row, own in zip(rows, signs, strict=True)
            ]
            truth = solved(moved)
            assert truth is not None or c.vertices.finite_error[0] == np.inf
            assert truth is None or (
                near(c.vertices.finite[0], truth[0], c.vertices.finite_error[0])
                and near(c.vertices.infinite[0], truth[1], c.vertices.infinite_error[0])
            )


@pytest.mark.parametrize(
    "rows",
    [
        [[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]],
        [[1.0, 2.0, 0.0, 0.0], [2.0, 4.0, 1.0, 0.0]],
        [[np.nan, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]],
        [[np.inf, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0]],
        [[1.0, 0.0, np.inf, 0.0], [0.0, 1.0, 0.0, 0.0]],
    ],
)
def test_a_vertex_that_cannot_be_placed_signs_nothing(rows: list[list[float]]) -> None:
    c = empty_complex(2, False, 1)
    c.planes.rows[:2], c.planes.normal_size[:2], c.vertices.planes[0] = rows, 3.0, [0, 1]
    c.planes.rows[2], c.planes.normal_size[2] = [1.0, 1.0, 5.0, 0.0], 2.0
    splitting.place(c, 0)
    assert not (c.vertices.finite_error[0] < np.inf and c.vertices.infinite_error[0] < np.inf)
    assert splitting._float_sign(c, 0, 2) == UNKNOWN


@pytest.mark.parametrize("d", [1, 2, 3, 5])
@pytest.mark.parametrize("power", [-1, -20, -45, -60])
def test_signs_of_points_anywhere_within_their_error(d: int, power: int) -> None:
    """A plane through an exact point next to the float one, moved by a little, or not."""
    generator = np.random.default_rng(d - power)
    for trial in range(40):
        error, c = 2.0**power, complex_of([[0] * (d + 2)] * d, 0.0)
        c.vertices.finite[0], c.vertices.finite_error[0] = generator.normal(size=d), error
        if trial % 2:
            c.vertices.infinite[0] = generator.integers(-1, 2, d)
        shift = Fraction(error) / d
        at = [
            Fraction(x) + shift * int(s)
            for x, s in zip(
                c.vertices.finite[0].tolist(), generator.integers(-1, 2, d), strict=True
            )
        ]
        row = generator.normal(size=d)
        through = float(sum(Fraction(a) * x for a, x in zip(row.tolist(), at, strict=True)))
        offset = -through * (1 + 2.0**-52 * int(generator.integers(-2, 3)))
        c.planes.rows[0] = [*row, offset, 0.0]
        c.planes.normal_size[0] = np.linalg.norm(row) * (1 + 2.0**-40)
        high = sum(
            Fraction(a) * Fraction(x)
            for a, x in zip(row.tolist(), c.vertices.infinite[0].tolist(), strict=True)
        )
        low = sum(
            (Fraction(a) * x for a, x in zip(row.tolist(), at, strict=True)), Fraction(offset)
        )
        deciding = high or low
        assert splitting._float_sign(c, 0, 0) in (UNKNOWN, (deciding > 0) - (deciding < 0))
        if high:
            assert splitting._float_sign(c, 0, 0) != UNKNOWN


@pytest.mark.parametrize("moved", ["normal", "offset", "normal at infinity", "point at infinity"])
@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("power", [-45, -20, -5])
def test_a_sign_that_the_errors_leave_open_is_unknown(moved: str, d: int, power: int) -> None:
    """By the floats the point is below the plane; by as much as they may be off, it is as far
    above.
    """
    generator, error, c = np.random.default_rng(d), 2.0**power, complex_of([[0] * (d + 2)] * d, 0.0)
    row, x = generator.normal(size=d), generator.normal(size=d)
    far = moved.endswith("infinity")
    (c.vertices.infinite if far else c.vertices.finite)[0] = x
    reach = {
        "normal": np.abs(x).sum() / d,
        "normal at infinity": np.abs(x).sum() / d,
        "offset": 1.0,
        "point at infinity": np.abs(row).sum() / d,
    }[moved]
    c.planes.rows[0, :d], c.planes.rows[0, d + far] = (
        row,
        -float(row @ x) - error * float(reach) / 2,
    )
    c.planes.normal_size[0] = np.linalg.norm(row) * (1 + 2.0**-40)
    assert splitting._float_sign(c, 0, 0) == -1
    (
        c.planes.offset_error
        if moved == "offset"
        else c.vertices.infinite_error
        if moved == "point at infinity"
        else c.planes.normal_error
    )[0] = error
    assert splitting._float_sign(c, 0, 0) == UNKNOWN


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("gap", [0.1, 0.3, 0.45])
def test_a_poor_inverse_is_paid_for(d: int, gap: float) -> None:
    """With R = (1 - g) / A two steps leave g^2 of the solution undone: the bound is what is left,
    over 1 - g.
    """
    scales = np.array([3.0, 0.25, 7.0])[:d]
    rows = [
        [*(Fraction(s) * int(i == j) for j in range(d)), Fraction(5 * (i == 0)), Fraction(0)]
        for i, s in enumerate(scales.tolist())
    ]
    c, truth = complex_of(rows, 0.0), solved(rows)
    inverse = np.diag((1 - gap) / scales)
    error = splitting._solve(
        c, 0, inverse, np.diag(inverse) * (1 + 2.0**-40), gap * (1 + 2.0**-40), d, c.vertices.finite
    )
    assert truth is not None
    assert near(c.vertices.finite[0], truth[0], error)
    assert error < 1.001 * gap**2 * 5 / 3


# ---- tables


def table(size: int, asked: int, hinges: int) -> Layer:
    return Layer(
        np.zeros((0, hinges), np.int8),
        np.full(hinges, -1, np.int32),
        np.full(size, -1, np.int64),
        np.zeros(size, np.int8),
        np.zeros((asked, 2), np.int32),
        np.zeros(1, np.int64),
        np.zeros(hinges, np.uint8),
        np.zeros(1, np.int64),
    )


def test_settled_signs_are_found_again() -> None:
    """In a table at half its load, and in a larger one that it moved to; what was not settled is
    left to floats.
    """
    generator, hinges, count = np.random.default_rng(0), 7, 128
    c, layer = empty_complex(2, False, 1), table(256, count, 7)
    c.planes.hinge[:hinges] = np.arange(hinges)
    questions = generator.permutation([(v, h) for v in range(40) for h in range(hinges)])
    signs = generator.integers(-1, 2, len(questions)).astype(np.int8)
    layer.asked[:] = questions[:count]
    c.n[splitting.ASKED] = count
    splitting.settle(c, layer, signs[:count])
    assert (c.n[splitting.ASKED], c.n[splitting.KNOWN]) == (0, count)
    wider = table(1024, count, hinges)
    splitting.rehash(layer.keys, layer.values, wider.keys, wider.values)
    c.vertices.finite_error[:] = np.inf
    for known in (layer, wider):
        found = [splitting._sign(c, known, v, h) for v, h in questions.tolist()]
        assert found == [*signs[:count].tolist(), *[UNKNOWN] * (len(questions) - count)]
    splitting.settle(c, layer, signs[:0])
    assert c.n[splitting.KNOWN] == count


def test_signs_at_the_start_of_a_layer_come_first() -> None:
    c = empty_complex(1, True, 1)
    c.planes.hinge[:2] = [0, 1]
    layer = table(16, 4, 2)._replace(signs=np.array([[1, UNKNOWN], [0, -1]], np.int8))
    c.vertices.finite_error[:] = np.inf
    assert [splitting._sign(c, layer, v, h) for v in (0, 1, 2) for h in (0, 1)] == [
        1,
        UNKNOWN,
        0,
        -1,
        UNKNOWN,
        UNKNOWN,
    ]


def test_lists_of_chosen_rows() -> None:
    pool = np.array([9, 9, 4, 5, 6, 9, 7, 8], np.int32)
    starts, counts = np.array([2, 0, 6], np.int64), np.array([3, 0, 2], np.int32)
    indptr, members = splitting.gathered(
        pool, starts, counts, np.array([2, 1, 0]), np.arange(10) * 10
    )
    assert (indptr.tolist(), members.tolist()) == ([0, 2, 2, 5], [70, 80, 40, 50, 60])


def test_rows_that_share_a_member() -> None:
    rows = [[0, 1, 2], [2, 3], [], [1, 4], [4]]
    starts = np.cumsum([0, *map(len, rows)])
    found = splitting.paired(starts, np.array([x for row in rows for x in row]), 5)
    assert sorted(map(tuple, found.tolist())) == [(0, 1), (0, 3), (3, 4)]
    assert splitting.paired(np.zeros(3, np.int64), np.zeros(0, np.int64), 0).shape == (0, 2)


def test_rationals_of_the_reference() -> None:
    """The second opinion on vertices solves what it is given."""
    assert solved([[1, 1, -3, 0], [1, -1, 1, 2]]) == (
        [Fraction(1), Fraction(2)],
        [Fraction(-1), Fraction(1)],
    )
    assert q(Fraction(1, 3)) == Rational(1, 3)
