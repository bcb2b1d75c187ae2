"""Truths about one hidden layer on R^d or a box: hyperplane arrangements with known numbers of
regions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product
from math import comb, factorial, prod

from tests.truths.cases import (
    LARGEST_MAP_COUNT,
    Case,
    Number,
    Rows,
    box,
    case,
    convex_counts,
    differences,
    planes_network,
    real_space,
    unit,
)


def on_real_space(
    name: str, source: str, planes: Rows, regions: int, edges: int | None = None
) -> Case:
    """A case on R^d: every plane has a normal, so every region has a map of its own."""
    counts = convex_counts(regions)
    counts |= {} if edges is None else {"edge_count": edges}
    if regions <= LARGEST_MAP_COUNT:
        counts |= {"linear_piece_count": regions, "distinct_map_count": regions}
    return case(name, source, planes_network(planes), real_space(len(planes[0]) - 1), **counts)


def boolean() -> Iterator[Case]:
    for n in (1, 2, 3, 4, 5, 8, 13, 20):
        planes = [unit(n, {i: 1}) for i in range(n)]
        yield on_real_space(
            f"boolean-{n}", "Boolean arrangement x_i = 0: 2^n", planes, 2**n, n * 2 ** (n - 1)
        )


def grid() -> Iterator[Case]:
    for sizes in ((3,), (7,), (2, 3), (1, 1, 1), (3, 3, 2), (4, 4, 4), (2, 1, 1, 2, 1)):
        dim, cells = len(sizes), prod(size + 1 for size in sizes)
        planes = [
            unit(dim, {axis: 1}, -step) for axis, size in enumerate(sizes) for step in range(size)
        ]
        edges = sum(cells // (size + 1) * size for size in sizes)
        name = "x".join(map(str, sizes))
        yield on_real_space(
            f"grid-{name}", "grid of n_i planes per axis: product of n_i + 1", planes, cells, edges
        )


def braid() -> Iterator[Case]:
    for n in range(2, 10):
        source = "braid arrangement x_i = x_j: n! chambers, each with n-1 walls (OEIS A000142)"
        yield on_real_space(
            f"braid-{n}", source, differences(n, [0]), factorial(n), factorial(n) * (n - 1) // 2
        )


def type_b() -> Iterator[Case]:
    for n in (1, 2, 3, 4, 5):
        signed = [unit(n, {i: 1, j: s}) for i, j in combinations(range(n), 2) for s in (1, -1)]
        planes = [unit(n, {i: 1}) for i in range(n)] + signed
        chambers = 2**n * factorial(n)
        yield on_real_space(
            f"type-b-{n}", "Coxeter arrangement B_n: 2^n n!", planes, chambers, chambers * n // 2
        )


def type_d() -> Iterator[Case]:
    for n in (2, 3, 4, 5):
        planes = [unit(n, {i: 1, j: s}) for i, j in combinations(range(n), 2) for s in (1, -1)]
        chambers = 2 ** (n - 1) * factorial(n)
        yield on_real_space(
            f"type-d-{n}",
            "Coxeter arrangement D_n: 2^(n-1) n!",
            planes,
            chambers,
            chambers * n // 2,
        )


def shi() -> Iterator[Case]:
    for n in (2, 3, 4, 5, 6):
        source = "Shi arrangement x_i - x_j = 0, 1: (n+1)^(n-1) (Shi 1986, OEIS A000272)"
        yield on_real_space(f"shi-{n}", source, differences(n, [0, -1]), (n + 1) ** (n - 1))


def catalan() -> Iterator[Case]:
    for n in (2, 3, 4, 5):
        source = "Catalan arrangement x_i - x_j = -1, 0, 1: (2n)!/(n+1)! (OEIS A001761)"
        yield on_real_space(
            f"catalan-{n}", source, differences(n, [1, 0, -1]), factorial(2 * n) // factorial(n + 1)
        )


def linial() -> Iterator[Case]:
    for n in range(2, 8):
        regions = sum(comb(n, k) * (k + 1) ** (n - 1) for k in range(n + 1)) // 2**n
        source = (
            "Linial arrangement x_i - x_j = 1: 2^-n sum C(n,k) (k+1)^(n-1) "
            "(Postnikov-Stanley, OEIS A007889)"
        )
        yield on_real_space(f"linial-{n}", source, differences(n, [-1]), regions)


def semiorder() -> Iterator[Case]:
    for n, regions in ((2, 3), (3, 19), (4, 183), (5, 2371), (6, 38703)):
        source = "semiorder arrangement x_i - x_j = -1, 1: labelled semiorders (OEIS A006531)"
        yield on_real_space(f"semiorder-{n}", source, differences(n, [1, -1]), regions)


def threshold() -> Iterator[Case]:
    for n, regions in ((2, 2), (3, 8), (4, 46), (5, 332), (6, 2874), (7, 29024)):
        planes = [unit(n, {i: 1, j: 1}) for i, j in combinations(range(n), 2)]
        source = "threshold arrangement x_i + x_j = 0: labelled threshold graphs (OEIS A005840)"
        yield on_real_space(f"threshold-{n}", source, planes, regions)


def resonance() -> Iterator[Case]:
    for n, regions in ((1, 2), (2, 6), (3, 32), (4, 370), (5, 11292), (6, 1066044)):
        planes = [[*subset, 0] for subset in product((0, 1), repeat=n) if any(subset)]
        source = "resonance arrangement, sums over nonempty subsets: OEIS A034997"
        yield on_real_space(f"resonance-{n}", source, planes, regions)


def linear_threshold_functions() -> Iterator[Case]:
    for n, regions in ((1, 4), (2, 14), (3, 104), (4, 1882), (5, 94572)):
        planes = [[*corner, 1, 0] for corner in product((0, 1), repeat=n)]
        source = (
            "weights of threshold functions of n bits, one plane per corner of the cube: "
            "OEIS A000609"
        )
        yield on_real_space(f"linear-threshold-functions-{n}", source, planes, regions)


def graphical() -> Iterator[Case]:
    for n in (3, 4, 5, 7):
        planes = [unit(n, {i: 1, (i + 1) % n: -1}) for i in range(n)]
        source = "graphical arrangement of the n-cycle: 2^n - 2 acyclic orientations"
        yield on_real_space(f"cycle-{n}", source, planes, 2**n - 2)
    for n, regions in ((1, 2), (2, 14), (3, 230)):
        planes = [unit(2 * n, {i: 1, n + j: -1}) for i in range(n) for j in range(n)]
        source = (
            "graphical arrangement of K_{n,n}: acyclic orientations (poly-Bernoulli numbers, "
            "OEIS A048163)"
        )
        yield on_real_space(f"complete-bipartite-{n}", source, planes, regions)
    for n in (4, 6):
        planes = [unit(n, {i: 1, (i - 1) // 2: -1}) for i in range(1, n)]
        yield on_real_space(
            f"tree-{n}",
            "graphical arrangement of a tree with n nodes: 2^(n-1)",
            planes,
            2 ** (n - 1),
        )


def lines() -> Iterator[Case]:
    for n in (1, 2, 3, 6, 11):
        planes = [[k, 1, 0] for k in range(n)]
        yield on_real_space(
            f"concurrent-lines-{n}", "n concurrent lines: 2n", planes, 2 * n, 2 * n if n > 1 else 1
        )
    for n in (3, 4, 6, 11):
        planes = [[k, 1, 0] for k in range(n - 1)] + [[-1, 1, -1]]
        yield on_real_space(f"near-pencil-{n}", "near-pencil of n lines: 3n - 2", planes, 3 * n - 2)
    for sizes in ((4,), (2, 3), (1, 2, 3), (3, 3, 3), (2, 2, 2, 2)):
        planes = [
            [slope, 1, -(7**slope) - 31 * k * k]
            for slope, size in enumerate(sizes)
            for k in range(size)
        ]
        regions = 1 + sum(sizes) + sum(a * b for a, b in combinations(sizes, 2))
        name = "-".join(map(str, sizes))
        source = "families of n_i parallel lines, no three concurrent: 1 + sum n_i + sum n_i n_j"
        yield on_real_space(f"parallel-families-{name}", source, planes, regions)


def generic() -> Iterator[Case]:
    for n, d in ((1, 1), (5, 1), (4, 2), (6, 2), (10, 2), (2, 3), (5, 3), (9, 3), (9, 4), (8, 6)):
        planes = [[t**k for k in range(d + 1)] for t in range(-(n // 2), n - n // 2)]
        source = "generic planes (moment curve): sum over i <= d of C(n,i) (Schlaefli, Zaslavsky)"
        regions = sum(comb(n, i) for i in range(d + 1))
        yield on_real_space(
            f"generic-{n}-{d}", source, planes, regions, n * sum(comb(n - 1, i) for i in range(d))
        )
    for n, d in ((1, 1), (4, 2), (3, 3), (7, 3), (8, 4), (8, 5)):
        planes = [[t**k for k in range(d)] + [0] for t in range(-(n // 2), n - n // 2)]
        source = "generic central planes: 2 sum over i < d of C(n-1,i)"
        yield on_real_space(
            f"generic-central-{n}-{d}", source, planes, 2 * sum(comb(n - 1, i) for i in range(d))
        )


def on_box(
    name: str, source: str, planes: Rows, lo: Sequence[Number], hi: Sequence[Number], regions: int
) -> Case:
    return case(name, source, planes_network(planes), box(lo, hi), **convex_counts(regions))


def boxes() -> Iterator[Case]:
    for n in (2, 3, 4, 5):
        spans = [(i, j) for i in range(n) for j in range(i + 1, n)]
        planes = [
            unit(n, dict.fromkeys(range(i, j + 1), 1), -k)
            for i, j in spans
            for k in range(1, j - i + 1)
        ]
        source = (
            "planes x_i + ... + x_j = k cut the cube into n! simplices of volume 1/n! "
            "(Stanley 1977)"
        )
        yield on_box(f"alcoves-of-the-cube-{n}", source, planes, [0] * n, [1] * n, factorial(n))
    for n in (2, 3, 5):
        planes = [unit(n, dict.fromkeys(range(n), 1), -k) for k in range(n + 1)]
        source = (
            "planes sum x = 0, ..., n in the unit cube: n slices, the first and last plane "
            "only touch"
        )
        yield on_box(f"hypersimplices-{n}", source, planes, [0] * n, [1] * n, n)
    for n in (2, 3, 4):
        source = "braid arrangement in the unit cube: n! simplices"
        yield on_box(
            f"braid-in-the-cube-{n}", source, differences(n, [0]), [0] * n, [1] * n, factorial(n)
        )
    for n in (2, 3, 4):
        planes = [
            unit(n, {i: 1}, -step) for i in range(n) for step in (-1, 0, Fraction(1, 3), 1, 2)
        ]
        source = (
            "grid in the unit cube: faces of the cube and planes outside do not cut, x_i = 1/3 does"
        )
        yield on_box(f"grid-with-faces-{n}", source, planes, [0] * n, [1] * n, 2**n)
    outside = [[1, 1, 9], [1, -1, -9]]
    yield on_box(
        "no-plane-meets-the-box", "every plane misses the box: 1", outside, [-1, -1], [1, 1], 1
    )


FAMILIES = (
    boolean,
    grid,
    braid,
    type_b,
    type_d,
    shi,
    catalan,
    linial,
    semiorder,
    threshold,
    resonance,
    linear_threshold_functions,
    graphical,
    lines,
    generic,
    boxes,
)
