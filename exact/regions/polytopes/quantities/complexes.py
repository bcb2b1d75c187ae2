"""The complex of all faces of a partition with its vertices as floats, whatever engine found the
regions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.numbers import FloatArray, RationalArray, nearest_floats, rounding_error
from exact.errors import EngineDefect
from exact.geometry.combinatorics.codes import code_keys
from exact.geometry.combinatorics.dual_graph import Adjacency
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.faces import FaceComplex, Located, with_regions_reordered
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine
from exact.geometry.polyhedra.volumes import BoundedPolytope
from exact.regions.cells import Outcome
from exact.regions.polytopes.cells import FlatCells

Maker = Callable[[Any], FlatCells | None]
_MAKERS = list[Maker]()


def makes_complexes(maker: Maker) -> Maker:
    """Enter what enumerates a Problem with all faces; it returns None where it does not."""
    _MAKERS.append(maker)
    return maker


def with_faces(problem: Any) -> Iterator[FlatCells]:
    """Complete enumerations of a Problem with all faces, from those that were entered."""
    for maker in _MAKERS:
        cells = maker(problem)
        if cells is not None and cells.outcome is Outcome.COMPLETE and cells.faces is not None:
            yield cells


class Owner:
    """What is asked of a partition of a flat domain; its region i is number `order[i]` of
    `cells`.
    """

    codes: ByteArray
    cells: FlatCells
    order: IndexArray
    outcome: Outcome
    flat: Flat

    if TYPE_CHECKING:

        @property
        def adjacency(self) -> Adjacency: ...
        @property
        def is_bounded(self) -> bool: ...
        @property
        def is_polyhedral(self) -> bool: ...
        @property
        def degrees(self) -> IndexArray: ...
        def solid(self, index: int) -> BoundedPolytope: ...
        def corners_of(self, index: int) -> tuple[list[Point], bool]: ...
        def facets_of(self, index: int) -> tuple[Any, ...]: ...
        def witness_of(self, index: int) -> Point: ...
        def map_columns(self, index: int) -> RationalArray: ...
        def walls_known(self, index: int) -> tuple[Halfspace, ...]: ...
        @property
        def maps_float(self) -> FloatArray: ...
        @property
        def maps_bound(self) -> FloatArray: ...
        def _require_polytopes(self) -> None: ...
        def _with_faces(self) -> Iterator[FlatCells]: ...


@dataclass(frozen=True)
class LocatedComplex:
    """A complex whose cell i is region i, and its vertices as floats."""

    faces: FaceComplex
    at: Located

    @classmethod
    def of(cls, owner: Owner) -> LocatedComplex | None:
        """That of a partition: the engine's own, or cut anew where it keeps no faces; None where
        neither is to be had, in high dimension and of partitions that ended early.
        """
        own, order = owner.cells.faces, owner.order
        at = None if own is None else own.located()
        if at is None and owner.outcome is Outcome.COMPLETE and len(owner.codes):
            for cells in owner._with_faces():
                own, order = cells.faces, np.argsort(code_keys(cells.codes), kind="stable")
                if not np.array_equal(cells.codes[order], owner.codes):
                    raise EngineDefect(
                        "two engines find different regions", value=f"{len(cells)} regions"
                    )
                at = None if own is None else own.located()
        if own is None or own.dim == 0:
            return None
        return cls(with_regions_reordered(own, order), _located(own, at))


def _located(faces: FaceComplex, known: Located | None) -> Located:
    """Vertices as floats: those that are not known, or not placed by the bounds on their errors,
    as the floats nearest to the exact ones, one by one.
    """
    count = faces.vertex_count
    points, slack, far = known or Located(
        np.zeros((count, faces.dim)), np.full(count, np.inf), np.zeros(count, bool)
    )
    points, slack, far = points.copy(), slack.copy(), far.copy()
    for i in np.flatnonzero(~far & ~np.isfinite(slack)).tolist():
        vertex = faces.vertex(i)
        points[i], far[i] = nearest_floats(affine(vertex.finite)), not vertex.is_finite
        slack[i] = rounding_error(points[i]).max() * faces.dim
    return Located(points, slack, far)
