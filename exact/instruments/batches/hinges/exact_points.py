"""Hinges at points in rationals and surds: which is nearer, how far, on which side."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, cmp_to_key
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from exact.arithmetic.enclosures.affine_maps import row_norms
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.linear_algebra import dot
from exact.arithmetic.numbers import Rational, RationalArray, fraction
from exact.arithmetic.surds import Surd, sign_of_surd
from exact.errors import InvalidInput
from exact.geometry.combinatorics.codes import Hinge
from exact.instruments.batches.hinges.cell_hinges import ExactRows
from exact.instruments.batches.hinges.hinge_rows import NEARLY, ExactHinge, HingeRows, projected
from exact.instruments.batches.hinges.sheet_distances import SheetDistance
from exact.instruments.batches.points import Errors, Rows
from exact.networks.norms import Norm

if TYPE_CHECKING:
    import sympy

By = Literal["angle", "distance"]
_ZERO = Rational(0)


class _Ordered(Protocol):
    def compare(self, other: Any) -> int: ...


@dataclass(frozen=True)
class ExactBoundary:
    """One of the nearest hinges of one point, exactly.

    Without a norm `squared_distance` is rational; behind one with eps = 0 it is a surd, with eps >
    0 None, as it is of degree four: see `distances_float` with its bound. `cosine`, behind a norm,
    is that of the angle on the sphere, times `sqrt(n) |P x|` a surd: `scaled_cosine`.
    """

    hinge: Hinge
    on: bool
    squared_distance: Surd | None
    scaled_cosine: Surd | None
    scale_squared: Fraction

    def cosine(self) -> sympy.Expr:
        """The cosine of the angle as a SymPy expression; InvalidInput without a norm."""
        import sympy

        if self.scaled_cosine is None:
            raise InvalidInput(
                "without a norm there is no angle",
                value=self.hinge,
                remedy="ask for squared_distance",
            )
        scale = sympy.Rational(self.scale_squared.numerator, self.scale_squared.denominator)
        return sympy.simplify(self.scaled_cosine.sympy() / sympy.sqrt(scale))


def image_of(norm: Norm, point: list[Rational]) -> list[Rational]:
    """P of the norm on a point."""
    return list(norm.project(RationalArray(len(point), 1, point)).entries())


@dataclass(frozen=True)
class ExactPoints:
    """Signs, keys and distances of hinges at points, in surds; `by` says what orders the hinges
    behind a norm.
    """

    norm: Norm | None
    known: HingeRows | ExactRows
    rows: Rows
    by: By = "angle"

    @property
    def hinges(self) -> tuple[Hinge, ...]:
        return self.known.hinges

    def hinge(self, row: int, j: int) -> ExactHinge:
        return self.known.at(row, j) if isinstance(self.known, ExactRows) else self.known.exact(j)

    @cached_property
    def _points(self) -> dict[int, tuple[list[Rational], Rational]]:
        return {}

    def point(self, row: int) -> tuple[list[Rational], Rational]:
        """P x and its squared length."""
        if row not in self._points:
            x = self.rows.exact(row)
            image = x if self.norm is None else image_of(self.norm, x)
            self._points.clear()  # rows are asked about one after another
            self._points[row] = image, dot(image, image)
        return self._points[row]

    def has_boundary(self, row: int, j: int) -> bool:
        """Whether the hinge has a boundary: w != 0, and behind a norm it cuts the sphere."""
        hinge = self.hinge(row, j)
        if self.norm is None:
            return bool(hinge.square != 0)
        return bool(hinge.offset * hinge.offset < self.norm.dim * hinge.square)

    def key(self, row: int, j: int) -> Surd:
        """Larger is nearer: minus the squared distance, or cos(phi - theta) sqrt(n) |P x|."""
        hinge, (image, square) = self.hinge(row, j), self.point(row)
        along = dot(hinge.normal, image)
        if self.norm is None:
            return Surd(-((along + hinge.offset) ** 2) / hinge.square)
        n = self.norm.dim
        radicand = (hinge.square * square - along * along) * (
            n * hinge.square - hinge.offset * hinge.offset
        )
        return Surd(-along * hinge.offset / hinge.square, 1 / hinge.square, radicand)

    def nearest(self, row: int, candidates: list[int], k: int) -> list[int]:
        """The k nearest of the candidates in order; fewer, where fewer have a boundary."""
        keyed = [(self._far(row, j), j) for j in candidates if self.has_boundary(row, j)]

        def compare(a: tuple[_Ordered, int], b: tuple[_Ordered, int]) -> int:
            return a[0].compare(b[0]) or a[1] - b[1]

        return [j for _, j in sorted(keyed, key=cmp_to_key(compare))[:k]]

    def _far(self, row: int, j: int) -> _Ordered:
        """What is increasing in the distance by which hinges are ordered. With eps = 0 the apex is
        the nearest point of all circles more than a right angle away.
        """
        norm = self.norm
        if self.by == "distance" and norm is not None and norm.eps != 0:
            hinge, (image, square) = self.hinge(row, j), self.point(row)
            along = dot(hinge.normal, image)
            return SheetDistance(norm, along, hinge.square, hinge.offset, square)
        key = self.key(row, j)
        if self.by == "distance" and norm is not None and key.sign() < 0:
            return Surd(_ZERO)
        return key.scaled(Rational(-1))

    def is_on(self, row: int, j: int) -> bool:
        """Whether the hinge is on at the point, eps included."""
        hinge, (image, square) = self.hinge(row, j), self.point(row)
        along, norm = dot(hinge.normal, image), self.norm
        if norm is None:
            return bool(along + hinge.offset > 0)
        radicand = square / norm.dim + norm.eps_under_root
        constant = along + hinge.offset * norm.eps_beside_root
        return sign_of_surd(constant, hinge.offset, radicand) > 0

    def boundary(self, row: int, j: int) -> ExactBoundary:
        key, (_, square) = self.key(row, j), self.point(row)
        on, hinge = self.is_on(row, j), self.hinges[j]
        if self.norm is None:
            return ExactBoundary(hinge, on, Surd(-key.a), None, Fraction(1))
        scale = square * self.norm.dim
        distance = None
        if self.norm.eps == 0:
            near = (key * key).scaled(Rational(1, self.norm.dim)) if key.sign() > 0 else Surd(_ZERO)
            distance = Surd(square) - near
        return ExactBoundary(hinge, on, distance, key, fraction(scale))


def defined(norm: Norm | None, rows: Rows, errors: Errors) -> Rows:
    """Rows with P x != 0 where there is a norm; InvalidInput names the first other one, or it is
    marked.
    """
    if norm is None:
        return rows
    values = torch.from_numpy(np.array(rows.matrix.float64()))
    size = row_norms(values)
    near, error = projected(norm, values, 2 * U * size)
    unsure = ~(torch.linalg.norm(near, dim=1) * (1 - NEARLY) > error) | ~size.isfinite()
    zero = np.zeros(len(rows), dtype=bool)
    for i in torch.nonzero(unsure)[:, 0].tolist():
        if rows.usable[i]:
            zero[i] = not any(image_of(norm, rows.exact(i)))
    if zero.any() and errors == "raise":
        raise InvalidInput(
            f"the norm's projection of row {int(np.flatnonzero(zero)[0])} of X is zero",
            value=f"{int(zero.sum())} such rows of {len(rows)}",
            remedy='leave them out, or write errors="keep" to have them marked',
        )
    return Rows(rows.matrix, rows.usable & ~zero)
