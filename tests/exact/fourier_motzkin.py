"""Whether linear inequalities, strict or not, have a common point: by eliminating one variable
after the other (Fourier 1826, Motzkin 1936), in fractions. Imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

Row = tuple[tuple[Fraction, ...], bool]  # coefficients, the constant last; > 0 where strict


def feasible(rows: Sequence[Row]) -> bool:
    """Whether some x has `normal . x + offset >= 0` for all rows, > 0 for the strict ones."""
    dim = len(rows[0][0]) - 1
    known = {_scaled(row) for row in rows}
    for k in range(dim):
        rest = {row for row in known if not row[0][k]}
        up = [row for row in known if row[0][k] > 0]
        down = [row for row in known if row[0][k] < 0]
        for (a, strict), (b, other) in product(up, down):
            total = tuple(x / a[k] - y / b[k] for x, y in zip(a, b, strict=True))
            rest.add(_scaled((total, strict or other)))
        known = rest
        if any(_is_false(row) for row in known):
            return False
    return not any(_is_false(row) for row in known)


def _is_false(row: Row) -> bool:
    *normal, offset = row[0]
    return not any(normal) and (offset < 0 or (offset == 0 and row[1]))


def _scaled(row: Row) -> Row:
    size = max(map(abs, row[0]))
    return (tuple(x / size for x in row[0]) if size else row[0]), row[1]


def patterns(
    layers: Sequence[tuple[Sequence[Sequence[int]], Sequence[int]]], columns: list[list[Fraction]]
) -> Iterator[tuple[list[Row], list[list[Fraction]]]]:
    """Every choice of signs of a network of ReLUs over parameters: the closed rows where it is
    taken, and the outputs there, as coefficients with the constant last.
    """
    weight, bias = layers[0]
    z = [
        [
            sum((w * column[k] for w, column in zip(row, columns, strict=True)), Fraction(0))
            + (b if k == len(columns[0]) - 1 else 0)
            for k in range(len(columns[0]))
        ]
        for row, b in zip(weight, bias, strict=True)
    ]
    if len(layers) == 1:
        yield [], z
        return
    for signs in product((1, -1), repeat=len(z)):
        here: list[Row] = [
            (tuple(s * x for x in row), False) for s, row in zip(signs, z, strict=True)
        ]
        if any(_is_false(row) for row in here):
            continue
        values = [
            row if s > 0 else [Fraction(0)] * len(row) for s, row in zip(signs, z, strict=True)
        ]
        for deeper, outputs in patterns(layers[1:], values):
            yield here + deeper, outputs
