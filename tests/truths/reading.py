"""Reads a truth from its file, once for the oracle (plain fractions) and once for the engines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from random import Random
from typing import Any

import exact
from exact.networks.activations import (
    AbsoluteValue,
    Activation,
    HardTanh,
    Identity,
    LeakyReLU,
    ReLU,
)
from exact.networks.norms import LayerNorm, Norm, RMSNorm
from tests.truths import oracle
from tests.truths.generate import FOLDER
from tests.truths.oracle import Counts, HiddenLayer, Row

Json = dict[str, Any]


def cases() -> Iterator[Json]:
    """Every case of every file."""
    for path in sorted(FOLDER.glob("*.json")):
        yield from json.loads(path.read_text())


def numbers(texts: Sequence[str]) -> tuple[Fraction, ...]:
    return tuple(Fraction(text) for text in texts)


# --- for the engines
# -------------------------------------------------------------------------------------------------


def network(data: Json) -> exact.Network:
    return exact.Network(tuple(block(part) for part in data["blocks"]))


def block(data: Json) -> exact.Block:
    layers = tuple(layer(part) for part in data["layers"])
    return exact.Block(layers, None if data["norm"] is None else norm(data["norm"]))


def layer(data: Json) -> exact.Layer:
    weight = [numbers(row) for row in data["weight"]]
    return exact.Layer.of(weight, numbers(data["bias"]), activation(data["activation"]))


ACTIVATIONS: dict[str, Callable[..., Activation]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "absolute_value": AbsoluteValue,
    "hard_tanh": HardTanh,
    "identity": Identity,
}


def activation(data: Json) -> Activation:
    return ACTIVATIONS[data["name"]](
        **{name: Fraction(value) for name, value in data.items() if name != "name"}
    )


def norm(data: Json) -> Norm:
    kind = {"layer_norm": LayerNorm, "rms_norm": RMSNorm}[data["name"]]
    gain, bias = (numbers(data[name]) if name in data else None for name in ("gain", "bias"))
    return kind.of(Fraction(data["eps"]), gain, bias, dim=data["dim"])


def domain(data: Json) -> Any:
    kinds = {
        "real_space": exact.RealSpace,
        "box": exact.Box,
        "segment": exact.Segment,
        "ray": exact.Ray,
        "line": exact.Line,
        "sphere": exact.Sphere,
        "great_circle": exact.GreatCircle,
    }
    values = {name: value for name, value in data.items() if name != "name"}
    return kinds[data["name"]](**{name: argument(value) for name, value in values.items()})


def argument(value: int | str | list[str]) -> int | Fraction | tuple[Fraction, ...]:
    if isinstance(value, int):
        return value
    return Fraction(value) if isinstance(value, str) else numbers(value)


# --- for the oracle
# --------------------------------------------------------------------------------------------------


def rows(data: Json) -> tuple[Row, ...]:
    return tuple(
        (*numbers(row), Fraction(b)) for row, b in zip(data["weight"], data["bias"], strict=True)
    )


def oracle_activation(data: Json) -> oracle.Activation:
    if data["name"] == "leaky_relu":
        return oracle.leaky_relu(Fraction(data["slope"]))
    if data["name"] == "hard_tanh":
        return oracle.hard_tanh(Fraction(data["lo"]), Fraction(data["hi"]))
    return oracle.ACTIVATIONS[data["name"]]


def oracle_layers(case: Json) -> tuple[list[HiddenLayer], tuple[Row, ...]]:
    """The hidden layers, gain and bias of the norm folded into the first, and the readout."""
    block_ = case["network"]["blocks"][0]
    forms = [rows(part) for part in block_["layers"]]
    if block_["norm"] is not None:
        forms[0] = oracle.compose(forms[0], gain_and_bias(block_["norm"]))
    activations = [oracle_activation(part["activation"]) for part in block_["layers"]]
    hidden = [HiddenLayer(*parts) for parts in zip(forms[:-1], activations[:-1], strict=True)]
    return hidden, forms[-1]


def gain_and_bias(data: Json) -> tuple[Row, ...]:
    size = data["dim"]
    gain, bias = numbers(data.get("gain", ["1"] * size)), numbers(data.get("bias", ["0"] * size))
    return tuple((*(gain[i] * (i == j) for j in range(size)), bias[i]) for i in range(size))


def has_second_opinion(case: Json) -> bool:
    """Whether the oracle has a method: spheres, one ReLU layer on R^d, and any depth in one or two
    dimensions.
    """
    return (
        case["domain"]["name"] in ("sphere", "great_circle")
        or input_dim(case) <= 2
        or is_arrangement(case)
    )


def input_dim(case: Json) -> int:
    return len(case["network"]["blocks"][0]["layers"][0]["weight"][0])


def is_arrangement(case: Json) -> bool:
    layers = case["network"]["blocks"][0]["layers"]
    return case["domain"]["name"] == "real_space" and [
        part["activation"]["name"] for part in layers[:-1]
    ] == ["relu"]


def second_opinion(case: Json) -> dict[str, int]:
    """What the oracle counts in this case, by name."""
    hidden, output = oracle_layers(case)
    if case["domain"]["name"] in ("sphere", "great_circle"):
        return on_sphere(case, hidden, output)
    if input_dim(case) == 1:
        return named(oracle.on_interval(hidden, output, *interval(case["domain"])), convex=True)
    if is_arrangement(case):
        regions, edges = oracle.arrangement(hidden[0].rows)
        return {
            "region_count": regions,
            "code_count": regions,
            "cell_count": regions,
            "edge_count": edges,
        }
    return named(oracle.on_polygon(hidden, output, corners(case["domain"])), convex=True)


def named(counts: Counts, convex: bool) -> dict[str, int]:
    return counts._asdict() | ({"region_count": counts.cell_count} if convex else {})


def interval(space: Json) -> tuple[Fraction | None, Fraction | None]:
    if space["name"] in ("real_space", "line"):
        return None, None
    if space["name"] == "ray":
        start = Fraction(space["origin"][0])
        return (start, None) if Fraction(space["direction"][0]) > 0 else (None, start)
    ends = [
        Fraction(space[end][0]) for end in (("lo", "hi") if space["name"] == "box" else ("p", "q"))
    ]
    return min(ends), max(ends)


def corners(space: Json) -> oracle.Polygon:
    """The box, or for the whole plane a square that holds every vertex of the small cases."""
    if space["name"] == "box":
        lo, hi = numbers(space["lo"]), numbers(space["hi"])
    else:
        lo, hi = (Fraction(-1000),) * 2, (Fraction(1000),) * 2
    return (lo[0], lo[1]), (hi[0], lo[1]), (hi[0], hi[1]), (lo[0], hi[1])


def on_sphere(case: Json, hidden: list[HiddenLayer], output: tuple[Row, ...]) -> dict[str, int]:
    dim = input_dim(case)
    first, second = directions(case, dim)
    norm_ = case["network"]["blocks"][0]["norm"]
    squared = Fraction(dim) if norm_ is not None else Fraction(case["domain"]["radius_squared"])
    if second is None:
        return named(oracle.on_two_points(hidden, output, first, squared), convex=False)
    return named(oracle.on_circle(hidden, output, first, second, squared), convex=False)


def directions(case: Json, dim: int) -> tuple[Row, Row | None]:
    """Orthogonal rational vectors that span the circle, or the one direction of a sphere of two
    points.
    """
    norm_, space = case["network"]["blocks"][0]["norm"], case["domain"]
    units = [tuple(Fraction(int(i == j)) for j in range(dim)) for i in range(dim)]
    spanning = (
        [numbers(space["u"]), numbers(space["v"])] if space["name"] == "great_circle" else units
    )
    if norm_ is not None and norm_["name"] == "layer_norm":
        spanning = [centred(vector) for vector in spanning]
    first, *others = [vector for vector in spanning if any(vector)]
    rest = (orthogonal(vector, first) for vector in others)
    return first, next((vector for vector in rest if any(vector)), None)


def centred(vector: Row) -> Row:
    mean = sum(vector, Fraction(0)) / len(vector)
    return tuple(x - mean for x in vector)


def orthogonal(vector: Row, to: Row) -> Row:
    factor = oracle.dot(vector, to) / oracle.dot(to, to)
    return tuple(x - factor * y for x, y in zip(vector, to, strict=True))


def sampled_codes(case: Json, count: int, seed: int) -> int:
    """The number of codes at random rational points of a box, or of the cube [-3, 3]^d for the
    whole space.
    """
    hidden, _ = oracle_layers(case)
    space, random, dim = case["domain"], Random(seed), input_dim(case)
    bounds = [
        numbers(space[end]) if end in space else (Fraction(side),) * dim
        for end, side in (("lo", -3), ("hi", 3))
    ]
    sides = list(zip(*bounds, strict=True))
    points = (
        tuple(lo + (hi - lo) * Fraction(random.randrange(1, 99991), 99991) for lo, hi in sides)
        for _ in range(count)
    )
    return len({oracle.walk(hidden, (), point).code for point in points})
