"""Exact affine maps: what a piecewise linear network computes on one region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.linear_algebra import apply
from exact.arithmetic.numbers import (
    FloatArray,
    RationalArray,
    RationalMatrix,
    fraction,
    fractions,
    rationals,
)
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput

if TYPE_CHECKING:
    import sympy

Argument = Literal["x", "norm(x)"]


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class AffineMap:
    """`argument -> matrix argument + offset`, exactly; equal maps compare equal and hash alike.

    `of` says what the argument is: the input x, or behind a norm the normalised vector y = sqrt(n)
    P x / |P x| before gain and bias. `skip` says that the block also adds its input x.

    >>> from exact import Box, partition
    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[2]], [1]), ([[3]], [0])])
    >>> str(partition(net, Box(0, 1, dim=1)).regions[0].affine)
    'x -> [[6]] x + [[3]]'
    """

    matrix: RationalMatrix
    offset: RationalMatrix
    of: Argument = "x"
    skip: bool = False

    @classmethod
    def of_columns(
        cls, columns: RationalArray, of: Argument = "x", skip: bool = False
    ) -> AffineMap:
        """Read (out x (n + 1)) coefficients, the constant last."""
        rows, n = columns.nrows(), columns.ncols() - 1
        entries = columns.entries()
        matrix = [x for i in range(rows) for x in entries[i * (n + 1) : (i + 1) * (n + 1) - 1]]
        offset = [entries[(i + 1) * (n + 1) - 1] for i in range(rows)]
        pair = RationalArray(rows, n, matrix), RationalArray(rows, 1, offset)
        return cls(
            RationalMatrix.from_backend(pair[0]), RationalMatrix.from_backend(pair[1]), of, skip
        )

    def __str__(self) -> str:
        """`x -> matrix x + offset` with fractions, while they are few."""
        return f"{self.of} -> {self.matrix} {self.of} + {self.offset}" + (
            " + x" if self.skip else ""
        )

    def __call__(self, argument: Sequence[object]) -> tuple[Fraction, ...]:
        """The exact value `matrix argument + offset` at a rational argument (the skip is not
        added).
        """
        vector = rationals(argument, "argument")
        if len(vector) != self.matrix.shape[1]:
            raise InvalidInput(
                "argument does not fit the map",
                value=f"{len(vector)} entries",
                remedy=f"give {self.matrix.shape[1]}",
            )
        pairs = zip(apply(self.matrix.exact, vector), self.offset.column(), strict=True)
        return fractions(z + b for z, b in pairs)

    def float64(self) -> tuple[FloatArray, FloatArray]:
        """The nearest float64 matrix (out, n) and offset (out,)."""
        return self.matrix.float64(), self.offset.float64()[:, 0]

    def sympy(self, symbols: Sequence[sympy.Symbol] | None = None) -> sympy.Matrix:
        """The map as a SymPy column of expressions in `symbols` (x1, x2, ... or y1, y2, ...)."""
        import sympy

        letter = "x" if self.of == "x" else "y"
        names = (
            symbols
            if symbols is not None
            else sympy.symbols(f"{letter}1:{self.matrix.shape[1] + 1}", real=True)
        )
        matrix = sympy.Matrix(
            *self.matrix.shape, [_sympy(x) for row in self.matrix.tolist() for x in row]
        )
        offset = sympy.Matrix([_sympy(fraction(x)) for x in self.offset.column()])
        return matrix * sympy.Matrix(len(names), 1, list(names)) + offset


def _sympy(value: Fraction) -> sympy.Rational:
    import sympy

    return sympy.Rational(value.numerator, value.denominator)
