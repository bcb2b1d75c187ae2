"""Truths about deep networks in the plane and in space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import prod

from tests.truths.cases import (
    LARGEST_MAP_COUNT,
    Case,
    Number,
    Rows,
    box,
    case,
    convex_counts,
    identity,
    layer,
    network,
    readout,
    real_space,
)


def solid(name: str, source: str, net: Case, domain: Case, regions: int, **more: int) -> Case:
    return case(name, source, net, domain, **convex_counts(regions), **more)


def block_diagonal(blocks: Sequence[Rows]) -> list[list[Number]]:
    widths = [len(block[0]) for block in blocks]
    margins = [(sum(widths[:k]), sum(widths[k + 1 :])) for k in range(len(blocks))]
    return [
        [0] * left + list(row) + [0] * right
        for (left, right), block in zip(margins, blocks, strict=True)
        for row in block
    ]


def multiply(left: Rows, right: Rows) -> list[list[Number]]:
    columns = list(zip(*right, strict=True))
    return [
        [
            sum(Fraction(a) * Fraction(b) for a, b in zip(row, column, strict=True))
            for column in columns
        ]
        for row in left
    ]


def zigzag_product(teeth: Sequence[int], depth: int) -> tuple[list[Case], list[list[Number]]]:
    """Zigzags with teeth[k] pieces on axis k, `depth` deep; the layers, and the weight that reads
    the zigzags out.
    """
    kinks = [Fraction(-k, count) for count in teeth for k in range(count)]
    slopes = [[[count * (1 if k == 0 else 2 * (-1) ** k) for k in range(count)]] for count in teeth]
    spread = block_diagonal([[[1]] * count for count in teeth])
    read = block_diagonal(slopes)
    weight = multiply(spread, read)
    return [layer(spread, kinks)] + [layer(weight, kinks) for _ in range(depth - 1)], read


def products() -> Iterator[Case]:
    flat = (((2, 3), 1), ((2, 2), 2), ((3, 2), 2), ((2, 2), 3), ((4, 1), 2))
    for teeth, depth in (*flat, ((2, 2, 2), 1), ((2, 2, 2), 2)):
        layers, read = zigzag_product(teeth, depth)
        cells, dim = prod(count**depth for count in teeth), len(teeth)
        more = (
            {"linear_piece_count": cells, "distinct_map_count": cells}
            if cells <= LARGEST_MAP_COUNT
            else {}
        )
        name = "x".join(map(str, teeth))
        source = "zigzags on the axes, side by side: the counts multiply"
        net, domain = network(*layers, readout(read)), box([0] * dim, [1] * dim)
        yield solid(f"zigzags-{name}-deep-{depth}", source, net, domain, cells, **more)


def montufar() -> Iterator[Case]:
    diagonals = [[1, 1, -1], [1, -1, 0]]
    thirds = [[1, 1, "-2/3"], [1, 1, "-4/3"], [1, -1, "-1/3"]]
    for teeth, depth, planes, cells in (
        ((2, 2), 1, diagonals, 4),
        ((2, 2), 2, diagonals, 4),
        ((3, 3), 1, diagonals, 4),
        ((2, 2), 1, thirds, 6),
        ((3, 2), 1, thirds, 6),
    ):
        layers, read = zigzag_product(teeth, depth)
        last = multiply([plane[:-1] for plane in planes], read)
        net = network(
            *layers, layer(last, [plane[-1] for plane in planes]), readout(identity(len(planes)))
        )
        regions = prod(count**depth for count in teeth) * cells
        name = f"folded-{'x'.join(map(str, teeth))}-deep-{depth}-{len(planes)}-lines"
        source = (
            "every copy of the square that the folds make is cut alike: copies times cells "
            "(Montufar et al. 2014)"
        )
        yield solid(name, source, net, box([0, 0], [1, 1]), regions)


def small_deep() -> Iterator[Case]:
    quadrant = network(layer(identity(2)), layer([[1, -1]]), readout([[1]]))
    source = "bias-free identity, then x - y: 5 regions, 4 of them x - y, x or zero"
    yield solid(
        "quadrants-then-difference",
        source,
        quadrant,
        real_space(2),
        5,
        linear_piece_count=3,
        distinct_map_count=3,
        edge_count=5,
    )
    ties = network(layer([[1, 0], [0, 1], [1, 1]]), layer([[1, 1, -1]]), readout([[1]]))
    source = (
        "relu(x) + relu(y) - relu(x+y) as layer 2 is zero on two open cones and cuts nothing: 6"
    )
    yield solid(
        "zero-on-open-cones",
        source,
        ties,
        real_space(2),
        6,
        linear_piece_count=6,
        distinct_map_count=5,
        edge_count=6,
    )
    dead = network(
        layer([[1, 1], [1, -1]], [-9, -9]), layer([[1, 1], [-1, 2]], [0, 0]), readout([[1, 1]], [2])
    )
    source = "every neuron of layer 1 is dead on the box: 1"
    yield solid(
        "all-dead",
        source,
        dead,
        box([-1, -1], [1, 1]),
        1,
        linear_piece_count=1,
        distinct_map_count=1,
        edge_count=0,
    )
    fold = layer(identity(2), None, "absolute_value")
    absolute = network(fold, layer([[1, 1], [1, -1]], [-1, 0]), readout(identity(2)))
    source = "|x| + |y| = 1 and |x| = |y| cut each quadrant in 4: 16"
    yield solid("diamond", source, absolute, real_space(2), 16)
    for n in (1, 2, 3):
        clamp = network(layer(identity(n), None, "hard_tanh", lo=-1, hi=1), readout(identity(n)))
        source = "hard tanh on every axis: 3^n"
        yield solid(
            f"hard-tanh-{n}d",
            source,
            clamp,
            real_space(n),
            3**n,
            linear_piece_count=3**n,
            distinct_map_count=3**n,
        )
    for n in (2, 3):
        clamp = network(
            layer([[2] * n], None, "absolute_value"), layer([[1]], [-1]), readout([[1]])
        )
        source = "one direction, |2 sum x| = 1: 4 slabs"
        yield solid(
            f"slabs-{n}d",
            source,
            clamp,
            real_space(n),
            4,
            linear_piece_count=3,
            distinct_map_count=3,
        )
    none = network(readout(identity(3)))
    yield solid(
        "no-neuron-3d",
        "no hidden layer: 1",
        none,
        real_space(3),
        1,
        linear_piece_count=1,
        distinct_map_count=1,
        edge_count=0,
    )


FAMILIES = (products, montufar, small_deep)
