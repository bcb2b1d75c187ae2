"""Truths about spheres, one small text file each: how a file is written, and a strict reader.

A file is lines `key: value`, and sections of rows whose lines are indented by two spaces:

    name: three-circles-through-a-point
    source: the planes x_i = 1 on |x|^2 = 3 meet in (1, 1, 1): ...
    dim: 3
    radius_squared: 3
    planes:
      1 0 0 | -1
      0 1 0 | -1
      0 0 1 | -1
    codes: 7
    cells: 7
    vertices: 4
    edges: 9
    components: 1

`planes` are the neurons of the first hidden layer (normal | offset), every `layer` a further one;
all are ReLUs, and every neuron of the last is an output. Optional, in this order: `norm`
(layer_norm or rms_norm) with `gain`, `bias`, `eps` and `eps_rule`; `radius_squared`, where there is
no norm; and a section `span` of two or three rows, the vectors of a great circle or sphere. Numbers
are integers or fractions.

`codes` are spline codes and `cells` connected components. On a 2-sphere, `vertices` are the points
where curves of the boundary cross, touch or end, `edges` the arcs between them (a circle without a
vertex is one edge) and `components` the connected components of their union. On a circle `edges`
are the points that separate two cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

Number = int | str | Fraction
Vector = tuple[Fraction, ...]
Rows = tuple[Vector, ...]
FOLDER = Path(__file__).parent / "spheres"
VALUES = ("name", "source", "dim", "norm", "gain", "bias", "eps", "eps_rule", "radius_squared")
COUNTS = ("codes", "cells", "vertices", "edges", "components")


@dataclass(frozen=True)
class SphereTruth:
    """A network on a sphere and what is known to be there; rows are normals followed by an
    offset.
    """

    name: str
    source: str
    dim: int
    layers: tuple[Rows, ...]
    counts: dict[str, int]
    norm: str | None = None
    gain: Vector | None = None
    bias: Vector | None = None
    eps: Fraction = Fraction(0)
    eps_rule: str = "var"
    radius_squared: Fraction | None = None
    span: Rows | None = None

    @property
    def sphere_dim(self) -> int:
        """The dimension of the sphere."""
        if self.span is not None:
            return len(self.span) - 1
        return self.dim - (2 if self.norm == "layer_norm" else 1)

    @property
    def squared(self) -> Fraction:
        """The squared radius."""
        return Fraction(self.dim) if self.radius_squared is None else self.radius_squared


def vector(numbers: Sequence[Number]) -> Vector:
    return tuple(Fraction(number) for number in numbers)


def rows(table: Sequence[Sequence[Number]]) -> Rows:
    return tuple(vector(line) for line in table)


def words(numbers: Sequence[Fraction]) -> str:
    return " ".join(map(str, numbers))


def write(truth: SphereTruth) -> str:
    """The text of a truth."""
    return "\n".join(lines(truth)) + "\n"


def lines(truth: SphereTruth) -> Iterator[str]:
    yield from (f"{key}: {value}" for key, value in values(truth).items() if value is not None)
    if truth.span is not None:
        yield from ("span:", *(f"  {words(line)}" for line in truth.span))
    for title, layer in zip(
        ["planes", *["layer"] * (len(truth.layers) - 1)], truth.layers, strict=True
    ):
        yield from (f"{title}:", *(f"  {words(line[:-1])} | {line[-1]}" for line in layer))
    yield from (f"{key}: {truth.counts[key]}" for key in COUNTS if key in truth.counts)


def values(truth: SphereTruth) -> dict[str, object]:
    """What stands on one line, in order; None is left out."""
    gain, bias = (None if part is None else words(part) for part in (truth.gain, truth.bias))
    eps, rule = (None, None) if truth.norm is None else (truth.eps, truth.eps_rule)
    return dict(
        zip(
            VALUES,
            (
                truth.name,
                truth.source,
                truth.dim,
                truth.norm,
                gain,
                bias,
                eps,
                rule,
                truth.radius_squared,
            ),
            strict=True,
        )
    )


LINE = re.compile(r"(?P<key>[a-z_]+):(?: (?P<value>\S.*))?")


def read(text: str) -> SphereTruth:
    """The truth of a text; ValueError unless `write` gives the same text back."""
    single: dict[str, str] = {}
    sections: list[tuple[str, Rows]] = []
    rest = text.splitlines()
    while rest:
        match = LINE.fullmatch(rest[0])
        if match is None or match["key"] in single:
            raise ValueError(f"not a line of a truth: {rest[0]!r}")
        table = list(takewhile(lambda line: line.startswith("  "), rest[1:]))
        if match["value"] is None:
            sections.append(
                (match["key"], rows([line.replace("|", " ").split() for line in table]))
            )
        else:
            single[match["key"]] = match["value"]
        rest = rest[1 + len(table) :]
    truth = assemble(single, sections)
    if write(truth) != text:
        raise ValueError(f"the truth {truth.name} is not written as it should be")
    return truth


def assemble(single: dict[str, str], sections: list[tuple[str, Rows]]) -> SphereTruth:
    """The truth that the parts of a text describe."""
    gain, bias = (
        vector(single[key].split()) if key in single else None for key in ("gain", "bias")
    )
    spans = [table for key, table in sections if key == "span"]
    return SphereTruth(
        single["name"],
        single["source"],
        int(single["dim"]),
        tuple(table for key, table in sections if key != "span"),
        {key: int(single[key]) for key in COUNTS if key in single},
        single.get("norm"),
        gain,
        bias,
        Fraction(single.get("eps", "0")),
        single.get("eps_rule", "var"),
        Fraction(single["radius_squared"]) if "radius_squared" in single else None,
        spans[0] if spans else None,
    )


def truths() -> Iterator[SphereTruth]:
    """Every truth of the folder."""
    for path in sorted(FOLDER.glob("*.txt")):
        truth = read(path.read_text())
        if truth.name != path.stem:
            raise ValueError(f"{path.name} holds the truth {truth.name}")
        yield truth
