"""Flat domains as certificates state them, and functions of their parameters carried through the
network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from exact.check.network import Block, Layer, Network, dot
from exact.check.records import Integers, Rejected, Values, entries, get, integers, only, scaled

Choose = Callable[[int, Values], bool]


@dataclass(frozen=True)
class Domain:
    """Points `chart(s)`, s in R^dim strictly inside all `walls`; with `cube` also in [-K, K]^dim,
    and with `far` where `n.s + c K >= 0` for its rows n, c, K beyond all numbers.
    """

    chart: Block
    dim: int
    walls: list[Integers]
    cube: bool
    far: list[Integers]

    @classmethod
    def read(cls, record: Any, inputs: int) -> Domain:
        only(record, {"dim", "chart", "walls", "cube", "far"}, "domain")
        dim = get(record, "dim", int, "domain")
        if dim < 0:
            raise Rejected("domain: no dimension")
        chart = Layer.chart(record, inputs, dim)
        walls = [
            integers(wall, dim + 1, f"domain, wall {i}")
            for i, wall in enumerate(get(record, "walls", list, "domain"))
        ]
        far = [
            scaled(row, dim, f"domain, far {i}")
            for i, row in enumerate(get(record, "far", list, "domain") if "far" in record else [])
        ]
        cube = get(record, "cube", bool, "domain")
        return cls(Block([chart], False, None), dim, walls, cube, far)

    def require_room(self) -> None:
        """No wall without a normal keeps all points out; a listed region needs some."""
        for i, wall in enumerate(self.walls):
            if not any(wall[:-1]) and wall[-1] <= 0:
                raise Rejected(
                    f"domain, wall {i}: no point is strictly inside it, and regions are listed"
                )

    def __str__(self) -> str:
        """The inequalities on the parameters, and the chart where it is not the identity."""
        chart, units = self.chart.layers[0], range(self.dim)
        if len(self.walls) * self.dim <= 64 and all(
            abs(x) < 10**40 for wall in self.walls for x in wall
        ):
            rows = [f"({' '.join(map(str, wall[:-1]))}).x + {wall[-1]} > 0" for wall in self.walls]
        else:
            rows = [f"the {len(self.walls)} inequalities in the file hold"]
        text = " where ".join([f"R^{self.dim}", *([", ".join(rows)] if rows else [])])
        plain = chart.weight == [
            [chart.denominator * (i == j) for j in units] for i in units
        ] and not any(chart.bias)
        return (
            text if plain else f"{text}, mapped into R^{len(chart.bias)} by the chart in the file"
        )

    def constraints(self, columns: Sequence[Integers], one: Integers) -> Iterator[Values]:
        """The values of all walls, then of the sides of the cube, at a point (see :func:`walk`)."""
        for wall in self.walls:
            yield tuple(
                dot(wall, column) + wall[-1] * o for column, o in zip(columns, one, strict=True)
            )
        if self.cube:
            far = columns[0] if len(columns) == 2 else [0] * self.dim
            for q, p in zip(far, columns[-1], strict=True):
                yield (one[-1] - q, -p)
                yield (one[-1] + q, p)


def sign(values: Values) -> int:
    """The sign of the first value that is not zero."""
    for value in values:
        if value:
            return 1 if value > 0 else -1
    return 0


def is_positive(_: int, values: Values) -> bool:
    return sign(values) > 0


def walk(
    network: Network, domain: Domain, columns: list[Integers], one: Integers, choose: Choose
) -> tuple[list[Values], list[Values], Integers]:
    """Carry functions of the parameters through the network: the values of all hinges, the outputs,
    and the final `one`.

    A function is one integer per column over a common denominator; `one` holds the constant 1 in
    the same way. `choose` gives the bit of a hinge. Columns (infinite part, finite part) are values
    at a point with coordinates in Q[K], columns (value, slope) follow a point that moves by an
    infinitesimal: the sign is that of the first column that is not zero.
    """
    hinges, state = list[Values](), columns
    for block in (domain.chart, *network.blocks):
        inner, factor = state, 1
        for layer in block.layers:
            inner = [layer.image(column, o) for column, o in zip(inner, one, strict=True)]
            one, factor = [layer.denominator * o for o in one], layer.denominator * factor
            inner, one, factor = activate(layer, inner, one, factor, hinges, choose)
            if not layer.pieces:
                return hinges, [], one
        if block.residual:
            inner = [
                [factor * x + y for x, y in zip(*pair, strict=True)]
                for pair in zip(state, inner, strict=True)
            ]
        state = inner
    return hinges, list(zip(*state, strict=True)), one


def activate(
    layer: Layer,
    z: list[Integers],
    one: Integers,
    factor: int,
    hinges: list[Values],
    choose: Choose,
) -> tuple[list[Integers], Integers, int]:
    """The outputs on the pieces that `choose` selects; the hinges `z - bend` are appended."""
    if layer.activation.is_identity:
        return z, one, factor
    unit, out = layer.unit, list[list[int]]()
    for values in zip(*z, strict=True):
        piece = 0
        for bend in layer.bends:
            plain = unit == 1 and not bend
            if plain:
                above = values
            else:
                above = tuple(unit * v - bend * o for v, o in zip(values, one, strict=True))
            piece += choose(len(hinges), above)
            hinges.append(above)
        if layer.pieces:
            slope, intercept = layer.pieces[piece]
            out.append([slope * v + intercept * o for v, o in zip(values, one, strict=True)])
    return (
        [[row[k] for row in out] for k in range(len(one))],
        [unit * o for o in one],
        unit * factor,
    )


def read_map(record: Any, outputs: int, dim: int, place: str) -> tuple[list[Integers], int]:
    """The rows (coefficients, then constant) of an affine map over the parameters, and their
    denominator.
    """
    denominator, *rows = entries(record.get("map"), outputs + 1, f"{place}, map")
    return [integers(row, dim + 1, f"{place}, map") for row in rows], scaled(
        denominator, 0, f"{place}, map"
    )[0]
