"""Truths about networks of one input: intervals and lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from tests.truths.cases import (
    Case,
    Number,
    box,
    case,
    convex_counts,
    layer,
    line,
    network,
    ray,
    readout,
    real_space,
    segment,
)


def tent_layers(depth: int) -> list[Case]:
    first = layer([[1], [1]], [0, "-1/2"])
    return [first] + [layer([[2, -4], [2, -4]], [0, "-1/2"]) for _ in range(depth - 1)]


def sawtooth_layers(teeth: int, depth: int) -> tuple[list[Case], Case]:
    """Layers and readout of the depth-fold composition of the zigzag of [0,1] onto itself with
    `teeth` pieces.
    """
    kinks = [Fraction(-k, teeth) for k in range(teeth)]
    slopes = [teeth * (1 if k == 0 else 2 * (-1) ** k) for k in range(teeth)]
    first = layer([[1]] * teeth, kinks)
    return [first] + [layer([slopes] * teeth, kinks) for _ in range(depth - 1)], readout([slopes])


def on_curve(
    name: str, source: str, net: Case, domain: Case, counts: Sequence[int]
) -> Iterator[Case]:
    """Counts: regions, linear pieces, distinct maps. A domain of R^1 is tried as a curve as
    well.
    """
    regions, pieces, maps = counts
    more = {"linear_piece_count": pieces, "distinct_map_count": maps, "edge_count": regions - 1}
    yield case(name, source, net, domain, **convex_counts(regions), **more)
    if (twin := curve_of(domain)) is not None:
        yield case(f"{name}-{twin['name']}", source, net, twin, **convex_counts(regions), **more)


def curve_of(domain: Case) -> Case | None:
    """The same subset of R as a curve; None when it is written as one."""
    if domain["name"] == "real_space":
        return line([0], [1])
    return segment(domain["lo"], domain["hi"]) if domain["name"] == "box" else None  # type: ignore[arg-type]


def tents() -> Iterator[Case]:
    output = readout([[2, -4]])
    for depth in (1, 2, 3, 4, 5):
        net, pieces = network(*tent_layers(depth), output), 2**depth
        source = "tent composed k times on [0,1]: 2^k (Telgarsky 2015)"
        yield from on_curve(f"tent-{depth}", source, net, box([0], [1]), (pieces, pieces, pieces))
        yield from on_curve(
            f"tent-{depth}-backwards", source, net, segment([1], [0]), (pieces, pieces, pieces)
        )
        if depth > 1:
            counts = (pieces + 2, pieces + 2, pieces + 1)
            source = "tent composed k >= 2 times on R: 2^k + 2, both outer pieces zero"
            yield from on_curve(f"tent-{depth}-everywhere", source, net, real_space(1), counts)


def sawteeth() -> Iterator[Case]:
    for teeth, depth in ((2, 4), (3, 1), (3, 2), (3, 3), (5, 2), (4, 3)):
        layers, output = sawtooth_layers(teeth, depth)
        pieces = teeth**depth
        source = "zigzag with m pieces composed k times on [0,1]: m^k (Telgarsky 2015)"
        net = network(*layers, output)
        yield from on_curve(
            f"zigzag-{teeth}-{depth}", source, net, box([0], [1]), (pieces, pieces, pieces)
        )


ONE_INPUT: tuple[
    tuple[str, str, Sequence[Number], Sequence[Number], Sequence[Number], tuple[int, int, int]], ...
] = (
    (
        "linear-after-all",
        "relu(x) - relu(-x): 2 regions, 1 piece",
        [1, -1],
        [0, 0],
        [1, -1],
        (2, 1, 1),
    ),
    (
        "coincident-kinks",
        "kinks of x-1, 2x-2, -3x+3: 2",
        [1, 2, -3],
        [-1, -2, 3],
        [1, 1, 1],
        (2, 2, 2),
    ),
    (
        "zero-rows",
        "rows 0 with bias > 0, < 0, = 0, one real row: 2",
        [0, 0, 0, 1],
        [1, -1, 0, 0],
        [1] * 4,
        (2, 2, 2),
    ),
    (
        "hat",
        "hat with kinks 0, 1, 2: 4 pieces, 3 maps",
        [1, 1, 1],
        [0, -1, -2],
        [1, -2, 1],
        (4, 4, 3),
    ),
    (
        "kinks-2^-60-apart",
        "kinks 0 and 2^-60: 3",
        [1, 1],
        [0, Fraction(-1, 2**60)],
        [1, 1],
        (3, 3, 3),
    ),
    (
        "zero-readout",
        "the readout ignores every neuron: 3 regions, 1 piece",
        [1, 1],
        [0, -1],
        [0, 0],
        (3, 1, 1),
    ),
    ("constant", "zero rows only: 1", [0, 0], [1, 0], [1, 1], (1, 1, 1)),
    ("six-kinks", "n distinct kinks: n + 1", [1] * 6, [0, -1, -2, -3, -4, -5], [1] * 6, (7, 7, 7)),
)
"""Name, source, weights, biases, readout; regions, pieces, maps on R."""


def kinks() -> Iterator[Case]:
    for name, source, weight, bias, out, counts in ONE_INPUT:
        net = network(layer([[w] for w in weight], bias), readout([out]))
        yield from on_curve(name, source, net, real_space(1), counts)
    net = network(layer([[1], [1], [1]], [0, -1, -2]), readout([[1, -2, 1]]))
    for name, domain, counts in (
        ("ray-right", ray(["1/2"], [1]), (3, 3, 3)),
        ("ray-left", ray(["1/2"], [-3]), (2, 2, 2)),
        ("ray-from-a-kink", ray([1], [1]), (2, 2, 2)),
        ("line", line([5], [-2]), (4, 4, 3)),
        ("segment-between-kinks", segment([1], [2]), (1, 1, 1)),
        ("segment-beyond-kinks", segment([3], [-1]), (4, 4, 3)),
    ):
        yield from on_curve(f"hat-on-{name}", "the hat on a part of R", net, domain, counts)


def other_activations() -> Iterator[Case]:
    for depth in (1, 2, 3, 4):
        fold = layer([[-2]], [1], "absolute_value")
        net = network(layer([[1]], [0], "absolute_value"), *[fold] * (depth - 1), readout([[1]]))
        source = (
            "absolute values: x -> |x|, then t -> |1 - 2t|, each doubles the pieces of [-1,1]: 2^k"
        )
        pieces = 2**depth
        yield from on_curve(f"folds-{depth}", source, net, box([-1], [1]), (pieces,) * 3)
    clamp = network(layer([[1]], [0], "hard_tanh", lo=-1, hi=1), readout([[1]]))
    yield from on_curve("hard-tanh", "hard tanh: 3 pieces", clamp, real_space(1), (3, 3, 3))
    narrow = network(layer([[2]], [0], "hard_tanh", lo="-1/3", hi=2), readout([[1]]))
    source = "hard tanh with one of its kinks in the box: 2"
    yield from on_curve("hard-tanh-inside", source, narrow, box([0], [9]), (2, 2, 2))
    leak = network(layer([[1]], [0], "leaky_relu", slope="1/100"), readout([[1]]))
    yield from on_curve("leaky-relu", "leaky ReLU: 2", leak, real_space(1), (2, 2, 2))
    linear = network(layer([[1]], [0], "leaky_relu", slope=1), readout([[1]]))
    source = "slope 1 is linear: 2 regions, 1 piece"
    yield from on_curve("leaky-relu-slope-1", source, linear, real_space(1), (2, 1, 1))
    yield from on_curve(
        "no-neuron", "no hidden layer: 1", network(readout([[3]], [1])), real_space(1), (1, 1, 1)
    )


FAMILIES = (tents, sawteeth, kinks, other_activations)
