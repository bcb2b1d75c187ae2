"""The parts a truth is written with: layers, norms, networks, domains and cases, as JSON-ready
values.

Numbers are integers, fractions or strings that `fractions.Fraction` reads; in the files they are
such strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

Number = int | str | Fraction
Case = dict[str, object]
Rows = Sequence[Sequence[Number]]
LARGEST_MAP_COUNT = 50
"""Regions: above this the truths count regions and neighbours, not maps."""


def text(number: Number) -> str:
    return str(Fraction(number))


def texts(rows: Rows) -> list[list[str]]:
    return [[text(entry) for entry in row] for row in rows]


def identity(size: int) -> list[list[int]]:
    return [[int(i == j) for j in range(size)] for i in range(size)]


def layer(
    weight: Rows,
    bias: Sequence[Number] | None = None,
    activation: str = "relu",
    **parameters: Number,
) -> Case:
    offsets = [0] * len(weight) if bias is None else list(bias)
    options = {name: text(value) for name, value in parameters.items()}
    return {
        "weight": texts(weight),
        "bias": [text(b) for b in offsets],
        "activation": {"name": activation, **options},
    }


def readout(weight: Rows, bias: Sequence[Number] | None = None) -> Case:
    return layer(weight, bias, "identity")


def network(*layers: Case, norm: Case | None = None) -> Case:
    return {"blocks": [{"norm": norm, "layers": list(layers)}]}


def planes_network(planes: Rows, norm: Case | None = None) -> Case:
    """One hidden ReLU layer whose neurons are the planes (normal, then offset), every neuron an
    output.
    """
    hidden = layer([plane[:-1] for plane in planes], [plane[-1] for plane in planes])
    return network(hidden, readout(identity(len(planes))), norm=norm)


def layer_norm(
    dim: int, gain: Sequence[Number] | None = None, bias: Sequence[Number] | None = None
) -> Case:
    return norm("layer_norm", dim, gain, bias)


def rms_norm(
    dim: int, gain: Sequence[Number] | None = None, bias: Sequence[Number] | None = None
) -> Case:
    return norm("rms_norm", dim, gain, bias)


def norm(name: str, dim: int, gain: Sequence[Number] | None, bias: Sequence[Number] | None) -> Case:
    optional = {"gain": gain, "bias": bias}
    given = {
        key: [text(entry) for entry in values]
        for key, values in optional.items()
        if values is not None
    }
    return {"name": name, "dim": dim, "eps": "0", **given}


def real_space(dim: int) -> Case:
    return {"name": "real_space", "dim": dim}


def box(lo: Sequence[Number], hi: Sequence[Number]) -> Case:
    return {"name": "box", "lo": [text(x) for x in lo], "hi": [text(x) for x in hi]}


def segment(p: Sequence[Number], q: Sequence[Number]) -> Case:
    return {"name": "segment", "p": [text(x) for x in p], "q": [text(x) for x in q]}


def ray(origin: Sequence[Number], direction: Sequence[Number]) -> Case:
    return {
        "name": "ray",
        "origin": [text(x) for x in origin],
        "direction": [text(x) for x in direction],
    }


def line(point: Sequence[Number], direction: Sequence[Number]) -> Case:
    return {
        "name": "line",
        "point": [text(x) for x in point],
        "direction": [text(x) for x in direction],
    }


def sphere(radius_squared: Number | None = None) -> Case:
    return {"name": "sphere"} | (
        {} if radius_squared is None else {"radius_squared": text(radius_squared)}
    )


def great_circle(
    u: Sequence[Number], v: Sequence[Number], radius_squared: Number | None = None
) -> Case:
    return sphere(radius_squared) | {
        "name": "great_circle",
        "u": [text(x) for x in u],
        "v": [text(x) for x in v],
    }


def case(name: str, source: str, net: Case, domain: Case, **counts: int) -> Case:
    return {"name": name, "source": source, "network": net, "domain": domain, "counts": counts}


def unit(dim: int, entries: dict[int, int], offset: Number = 0) -> list[Number]:
    """The plane sum of entries[i] x_i + offset = 0."""
    return [entries.get(k, 0) for k in range(dim)] + [offset]


def differences(dim: int, offsets: Sequence[Number]) -> list[list[Number]]:
    """The planes x_i - x_j + offset = 0 for i < j."""
    pairs = combinations(range(dim), 2)
    return [unit(dim, {i: 1, j: -1}, offset) for i, j in pairs for offset in offsets]


def convex_counts(regions: int) -> dict[str, int]:
    """Without a norm, on a convex domain, a code owns one convex region."""
    return {"region_count": regions, "code_count": regions, "cell_count": regions}
