"""Domains without the coordinates that no hinge and no wall depends on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exact.arithmetic.linear_algebra import rank
from exact.arithmetic.numbers import Rational
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, float_rows, homogeneous
from exact.networks.network import Network
from exact.propagation.cursor import begin, layer_halfspaces

_INDEPENDENT = 2.0**-24  # of a float pivot, against the first; a proposal only


class EssentialSlice:
    """The domain without the coordinates that no hinge and no wall depends on: they stay where the
    start is.

    All normals lie in the row space of the first hidden layer and of the walls (without skip
    connections). Some r coordinates are independent on it, r its rank, and then the slice through
    the start along these meets every region, with the same codes, facets and redundant walls.
    """

    def __init__(self, network: Network, whole: Flat, start: Point) -> None:
        self.whole, self.start = whole, start
        cursor = begin(network, whole.state(), constant(whole.dim))
        self.kept = list(range(whole.dim))
        if cursor is not None and not any(block.residual for block in network.blocks):
            first = layer_halfspaces(
                cursor, cursor.current.pre_activations(cursor.inner, cursor.one)
            )
            self.kept = _independent_coordinates([*first, *whole.walls], whole.dim)
        self.flat = whole if len(self.kept) == whole.dim else self._slice()

    def _slice(self) -> Flat:
        at = affine(self.start)
        fixed = [j for j in range(self.whole.dim) if j not in set(self.kept)]
        origin = tuple(
            x + sum((at[j] * self.whole.directions[j][i] for j in fixed), Rational(0))
            for i, x in enumerate(self.whole.origin)
        )
        offsets = [
            sum((w.normal[j] * at[j] for j in fixed), Rational(w.offset)) for w in self.whole.walls
        ]
        walls = (
            Halfspace.of([*(Rational(w.normal[j]) for j in self.kept), offset])
            for w, offset in zip(self.whole.walls, offsets, strict=True)
        )
        return Flat(origin, tuple(self.whole.directions[j] for j in self.kept), tuple(walls))

    def inside(self, point: Point) -> Point:
        """A point of the slice's span in its own parameters."""
        x = affine(point)
        return homogeneous([x[j] for j in self.kept])

    def outside(self, point: Point) -> Point:
        """The parameters in the whole domain of a point of the slice."""
        x = affine(self.start)
        for j, value in zip(self.kept, affine(point), strict=True):
            x[j] = value
        return homogeneous(x)


def _independent_coordinates(halfspaces: Sequence[Halfspace], dim: int) -> list[int]:
    """Coordinates on which the normals are as independent as on all: proposed by floats, proved by
    ranks; else all.
    """
    table = float_rows(halfspaces, dim)[:, :-1]
    if not len(table) or not np.isfinite(table).all():
        return list(range(dim))
    from scipy.linalg import qr  # here, since scipy takes a while to load

    _, upper, order = qr(table, mode="economic", pivoting=True)
    sizes = np.abs(np.diagonal(upper))
    chosen = sorted(int(j) for j in order[: int(np.count_nonzero(sizes > sizes[0] * _INDEPENDENT))])
    rows = [[Rational(x) for x in h.normal] for h in halfspaces]
    if len(chosen) in (0, dim) or rank([[row[j] for j in chosen] for row in rows]) < len(chosen):
        return list(range(dim))
    return chosen if len(chosen) == len(rows) or rank(rows) == len(chosen) else list(range(dim))


def constant(dim: int) -> list[Rational]:
    """The coefficients of the constant 1."""
    return [Rational(0)] * dim + [Rational(1)]
