"""What the regions of a flat domain measure, as arrays: volumes, facets, centroids, boxes.

All come from the complex of faces in one pass over each dimension (`exact.kernels.measures`), in
float64 with proved bounds. Where a bound leaves fewer than three digits the exact value is made and
rounded, region by region. The file is longer than others: every quantity has its definition
here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from math import frexp, inf

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.enclosures.roundoff import LEAST, LEAST_ROOT, U, inflation
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    nearest_float,
    nearest_floats,
    rounding_error,
)
from exact.arithmetic.surds import Surd
from exact.errors import InvalidInput, TooLarge
from exact.geometry.polyhedra.faces import Located, cells_of_facets
from exact.geometry.polyhedra.halfspace import Halfspace, affine
from exact.geometry.polyhedra.programmes.boxes import enclosing
from exact.geometry.polyhedra.volumes import BoundedPolytope, root_multiple
from exact.kernels import measures as kernel
from exact.regions.polytopes.quantities.complexes import LocatedComplex, Owner
from exact.regions.polytopes.quantities.in_boxes import InBox
from exact.regions.polytopes.quantities.simple_volumes import SimpleVolumes

_USEFUL = 2.0**-12  # a bound above this part of what it bounds says too little
_MANY = 8  # dimensions from which vertices alone cost less than all faces
_UP = inflation(4096)
Enclosed = tuple[FloatArray, FloatArray]


@members_in_ieee_floats
class Measured(Owner):
    """The measures of a partition of a flat domain, in the parameters of the domain.

    Arrays that end in `_float` have their proved bounds under the same name with `_bound`. Volumes
    are those of `regions[i].volume`, which is exact, and so on. What is unbounded measures inf.
    Cost: microseconds a region in two and three dimensions, a few tens in five, and the complex of
    all faces where the engine keeps none; all of it is made once. Raises Unsupported in a ball,
    whose regions are no polytopes.
    """

    @cached_property
    def _complex(self) -> LocatedComplex | None:
        self._require_polytopes()
        return LocatedComplex.of(self)

    @cached_property
    def _in_box(self) -> InBox | None:
        """The regions as rows over a box, where they have no complex."""
        return self._over_box() if self._complex is None else None

    def _over_box(self) -> InBox | None:
        """The regions as rows over a box; None where walls bound some parameter on no side."""
        dim, asked = self.flat.dim, self.cells.in_box
        bounds = enclosing(self.flat.walls, dim) if dim and len(self.codes) else None
        if bounds is None:
            return None
        given = None if asked is None else lambda i: asked(int(self.order[i]))
        return InBox(bounds, self.walls_known, self.witness_of, given)

    @cached_property
    def _measured_faces(self) -> tuple[kernel.Faces, kernel.Faces] | None:
        """The facets and the regions; None without a complex."""
        if self._complex is None:
            return None
        faces, (points, slack, far) = self._complex.faces, self._complex.at
        shift = _exponent(points[~far])
        near = np.ldexp(points, -shift), np.ldexp(slack, -shift) + (LEAST if shift else 0.0)
        below = made = kernel.points(*near, far)
        for k in range(1, faces.dim + 1):
            rows = faces.boundary[k]
            below, made = made, kernel.raised(made, *near, rows.starts, rows.members, k)
        return _scaled(below, shift, faces.dim - 1), _scaled(made, shift, faces.dim)

    @cached_property
    def is_bounded_region(self) -> BitArray:
        """Whether every region is bounded (R bools)."""
        if self._measured_faces is not None:
            return ~self._measured_faces[1].far
        if self.is_bounded:
            return np.ones(len(self.codes), bool)
        return np.array([self.corners_of(i)[1] for i in range(len(self.codes))], bool)

    @cached_property
    def outlines_float(self) -> tuple[FloatArray, IndexArray]:
        """The corners of all regions of a bounded domain in two dimensions, as one array (N x 2),
        and where those of each region begin (R + 1): counter-clockwise around their mean, each
        within the bound of its vertex of the exact one; `polygons` has the nearest floats.

        Raises InvalidInput in other dimensions and for unbounded regions. Cost: a sort.

        >>> from exact import Box, partition
        >>> from exact.sources import tensors
        >>> net = tensors.mlp([([[1, 0], [1, 1]], [0, -1]), ([[1, 1]], [0])])
        >>> points, starts = partition(net, Box(0, 1, dim=2)).outlines_float
        >>> starts.tolist(), points[:3].tolist()
        ([0, 3, 6], [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        """
        if self.flat.dim != 2 or not self.is_bounded_region.all():
            raise InvalidInput(
                "only bounded regions of a two-dimensional domain have outlines",
                value=f"dimension {self.flat.dim}, {len(self.codes)} regions",
                remedy="partition a bounded Box or Plane, or use polygons(clip=...)",
            )
        if self._complex is None:
            found = [self.corners_of(i)[0] for i in range(len(self.codes))]
            points = np.array([nearest_floats(affine(x)) for own in found for x in own])
            starts = np.cumsum([0, *map(len, found)])
        else:
            rows = self._complex.faces.corners
            points, starts = self._complex.at.points[rows.members], rows.starts
        points, sizes = points.reshape(-1, 2), np.diff(starts)
        owner = np.repeat(np.arange(len(sizes)), sizes)
        sums = np.stack([np.bincount(owner, x, len(sizes)) for x in points.T], axis=1)
        around = points - (sums / sizes[:, None])[owner]
        order = np.lexsort((np.arctan2(around[:, 1], around[:, 0]), owner))
        return points[order], starts

    # ---- volumes

    @cached_property
    def _simple(self) -> SimpleVolumes | None:
        """Volumes by vertices, in more dimensions than a complex of all faces pays for, or where
        there is none; None where the domain has no box around it.
        """
        self._require_polytopes()
        many = self.flat.dim >= _MANY
        box = self._over_box() if many or self._complex is None else None
        return None if box is None else SimpleVolumes(box)

    @cached_property
    def _volumes(self) -> Enclosed:
        if self._simple is None:
            return self._enclosed(1, lambda faces: _lengths(faces[1]), lambda solid: [solid.volume])
        pairs = [self._simple.float(i) for i in range(len(self.codes))]
        found = np.array([pair for pair, _ in pairs])
        weak = np.flatnonzero(~(found[:, 1] <= _USEFUL * found[:, 0])).tolist()
        if weak and self._complex is not None:
            faces = self._measured_faces
            assert faces is not None, "a complex has faces"
            sizes, errors, _ = _lengths(faces[1])
            found[weak] = np.stack([sizes, errors], axis=1)[weak]
            weak = [i for i in weak if not found[i, 1] <= _USEFUL * found[i, 0]]
        for i in weak:
            found[i, 0] = nearest_float(self._exact_volume(i, pairs[i][1]))
            found[i, 1] = rounding_error(found[i, :1])[0]
        return found[:, :1], found[:, 1]

    def _exact_volume(self, index: int, reason: str) -> Rational:
        try:
            return self.volume_of(index)
        except InvalidInput as error:
            if not reason:
                raise
            raise TooLarge(
                "a region's volume is out of reach",
                value=f"region {index}: {reason}; {error.wrong}",
                remedy="ask for ranges, boxes and margins, or cut a Plane through the domain",
            ) from error

    def volume_of(self, index: int) -> Rational:
        """The exact volume of one region."""
        found = None if self._simple is None else self._simple.exact(index)
        return self.solid(index).volume if found is None else found

    @property
    def volumes_float(self) -> FloatArray:
        """The volumes of all regions (R), inf where a region is unbounded; `volumes_bound` says how
        far each is off, and `regions[i].volume` is exact.

        From one vertex of each face cones over the others, positive terms only (mathematics.md,
        "Volumes, lengths and areas").

        >>> from exact import Box, RealSpace, partition
        >>> from exact.sources import tensors
        >>> net = tensors.mlp([([[1, 0], [1, 1]], [0, -1]), ([[1, 1]], [0])])
        >>> found = partition(net, Box(0, 1, dim=2))
        >>> found.volumes_float.tolist(), [str(region.volume) for region in found.regions]
        ([0.5, 0.5], ['1/2', '1/2'])
        >>> found.centroids_float.round(3).tolist(), found.degrees.tolist()
        ([[0.333, 0.333], [0.667, 0.667]], [1, 1])
        >>> found.perimeters_float.round(3).tolist(), found.facet_measures_float.round(3).tolist()
        ([3.414, 3.414], [1.414])
        >>> partition(net, RealSpace(2)).volumes_float.tolist()
        [inf, inf, inf, inf]
        """
        return self._volumes[0][:, 0]

    @property
    def volumes_bound(self) -> FloatArray:
        """Proved bounds on the errors of `volumes_float`."""
        return self._volumes[1]

    @cached_property
    def _centroids(self) -> Enclosed:
        found, bounds = self._enclosed(
            self.flat.dim,
            lambda faces: (faces[1].middle, faces[1].middle_error, faces[1].reach),
            lambda solid: list(solid.centroid),
        )
        open_ = ~self.is_bounded_region
        found[open_], bounds[open_] = np.nan, inf
        return found, bounds

    @property
    def centroids_float(self) -> FloatArray:
        """The centres of mass of all regions (R x d), NaN where a region is unbounded;
        `centroids_bound` (R) bounds their distances from the exact ones, `regions[i].centroid`.
        """
        return self._centroids[0]

    @property
    def centroids_bound(self) -> FloatArray:
        """Proved bounds on the distances of `centroids_float` from the exact centroids."""
        return self._centroids[1]

    def _enclosed(
        self,
        width: int,
        read: Callable[[tuple[kernel.Faces, kernel.Faces]], tuple[FloatArray, ...]],
        exact: Callable[[BoundedPolytope], list[Rational]],
    ) -> Enclosed:
        """Numbers of regions (R x width) and bounds (R): those that `read` gives with a scale, and
        where the bound is too large for it the exact ones, rounded; inf of unbounded regions.
        """
        count = len(self.codes)
        found, bounds = np.full((count, width), inf), np.zeros(count)
        weak = self.is_bounded_region.copy()
        if self._measured_faces is not None:
            known, errors, scale = read(self._measured_faces)
            clear = weak & (errors <= _USEFUL * scale) & np.isfinite(errors)
            found[clear], bounds[clear] = known.reshape(count, width)[clear], errors[clear]
            weak &= ~clear
        for i in np.flatnonzero(weak).tolist():
            found[i] = nearest_floats(exact(self.solid(i)))
            bounds[i] = rounding_error(found[i]).sum()
        return found, bounds

    # ---- facets

    @cached_property
    def _facet_measures(self) -> Enclosed:
        pairs = self.adjacency.pairs()
        found, bounds = np.zeros(len(pairs)), np.zeros(len(pairs))
        weak = np.ones(len(pairs), bool)
        if self._measured_faces is not None and self._complex is not None:
            sizes, errors, _ = _lengths(self._measured_faces[0])
            cells = cells_of_facets(self._complex.faces)
            inner = np.flatnonzero(cells[:, 1] >= 0)
            keys = pairs[:, 0] * len(self.codes) + pairs[:, 1]
            rows = np.searchsorted(keys, cells[inner, 0] * len(self.codes) + cells[inner, 1])
            np.add.at(found, rows, sizes[inner])
            np.add.at(bounds, rows, errors[inner])
            parts = np.bincount(rows, minlength=len(pairs))
            several = parts > 1
            bounds[several] = (bounds + parts * U * found)[several] * _UP
            weak = ~(bounds <= _USEFUL * found) | (parts == 0) | ~np.isfinite(bounds)
            weak &= ~np.isinf(found) | ~np.isfinite(bounds)
        for k in np.flatnonzero(weak).tolist():
            found[k] = self._exact_facet(*pairs[k].tolist())
            bounds[k] = rounding_error(found[k : k + 1])[0]
        return found, bounds

    def _exact_facet(self, a: int, b: int) -> float:
        """The measure of the facet between two regions, one of them bounded, as the nearest
        float.
        """
        i = next((i for i in (a, b) if self.is_bounded_region[i]), None)
        if i is None:
            return self._unbounded_facet(a, b)
        other = b if i == a else a
        solid, facets = self.solid(i), self.facets_of(i)
        return float(
            solid.facet_measure(next(k for k, f in enumerate(facets) if f.neighbour == other))
        )

    def _unbounded_facet(self, a: int, b: int) -> float:
        """The measure of a facet between two unbounded regions, which need not be unbounded."""
        raise InvalidInput(
            "both sides of a facet are unbounded, and no complex of faces is at hand",
            value=f"regions {a} and {b}",
            remedy="partition with engine='subdivision', or a bounded domain",
        )

    @property
    def facet_measures_float(self) -> FloatArray:
        """The (d - 1)-dimensional measures of the facets between regions (E), one for each row of
        `neighbours()`; inf where a facet is unbounded. In one dimension a facet is a point and
        measures 1.

        `facet_measures_bound` says how far each is off; `regions[i].facet_measures` are exact,
        those on the edge of the domain included.
        """
        return self._facet_measures[0]

    @property
    def facet_measures_bound(self) -> FloatArray:
        """Proved bounds on the errors of `facet_measures_float`."""
        return self._facet_measures[1]

    @cached_property
    def _perimeters(self) -> Enclosed:
        count, bounded = len(self.codes), self.is_bounded_region
        found, bounds, weak = np.full(count, inf), np.zeros(count), bounded.copy()
        if self._measured_faces is not None and self._complex is not None:
            sizes, errors, _ = _lengths(self._measured_faces[0])
            rows = self._complex.faces.boundary[self._complex.faces.dim]
            sums, slack = (
                np.add.reduceat(x[rows.members], rows.starts[:-1]) for x in (sizes, errors)
            )
            slack = (slack + np.diff(rows.starts) * U * sums) * _UP
            clear = bounded & (slack <= _USEFUL * sums) & np.isfinite(slack)
            found[clear], bounds[clear] = sums[clear], slack[clear]
            weak &= ~clear
        for i in np.flatnonzero(weak).tolist():
            solid = self.solid(i)
            parts = [float(solid.facet_measure(k)) for k in range(len(solid.walls))]
            found[i], rounded = sum(parts), rounding_error(np.array(parts)).sum()
            bounds[i] = (rounded + len(parts) * U * found[i]) * _UP
        for i in np.flatnonzero(~bounded).tolist():
            if self.flat.dim == 1 or not (self.degrees[i] or self.facets_of(i)):
                found[i] = len(self.facets_of(i))
        return found, bounds

    @property
    def perimeters_float(self) -> FloatArray:
        """The (d - 1)-dimensional measures of the boundaries of all regions (R), edges of the
        domain included: perimeters, surfaces; `regions[i].surface` is exact. inf where a region is
        unbounded, unless it has no boundary or that is a point.
        """
        return self._perimeters[0]

    @property
    def perimeters_bound(self) -> FloatArray:
        """Proved bounds on the errors of `perimeters_float`."""
        return self._perimeters[1]

    # ---- boxes and margins

    @cached_property
    def _boxes(self) -> Enclosed:
        count, dim = len(self.codes), self.flat.dim
        found, bounds = np.zeros((count, dim, 2)), np.zeros(count)
        if self._complex is None:
            for i in range(count):
                if self._in_box is not None:
                    found[i], bounds[i] = self._in_box.box(i)
                    continue
                sides = self.exact_box_of(i)
                found[i] = nearest_floats(x for side in sides for x in side).reshape(dim, 2)
                bounds[i] = rounding_error(found[i]).max(initial=0.0)
            return found, bounds
        faces, (points, slack, far) = self._complex.faces, self._complex.at
        low, high = points.copy(), points.copy()
        for vertex in np.flatnonzero(far).tolist():
            signs = np.array(faces.vertex(vertex).infinite)
            low[vertex, signs != 0] = high[vertex, signs != 0] = inf
            low[vertex, signs < 0] = high[vertex, signs < 0] = -inf
        rows = faces.corners
        found[:, :, 0] = np.minimum.reduceat(low[rows.members], rows.starts[:-1])
        found[:, :, 1] = np.maximum.reduceat(high[rows.members], rows.starts[:-1])
        bounds[:] = np.maximum.reduceat(slack[rows.members], rows.starts[:-1])
        return found, bounds

    @property
    def bounding_boxes_float(self) -> FloatArray:
        """The smallest boxes around all regions (R x d x 2): in the last axis the least and the
        greatest value of a parameter, -inf and inf where there is none. `bounding_boxes_bound` (R)
        bounds the error of every number of a box, inf where one is beyond the range of floats;
        `regions[i].bounding_box` is exact.
        """
        return self._boxes[0]

    @property
    def bounding_boxes_bound(self) -> FloatArray:
        """Proved bounds on the errors of `bounding_boxes_float`."""
        return self._boxes[1]

    def exact_box_of(self, index: int) -> list[tuple[Rational, Rational]]:
        """The exact ends of all parameters on one region."""
        if self._in_box is not None:
            return self._in_box.exact_box(index)
        points, bounded = self.corners_of(index)
        if not bounded:
            raise InvalidInput(
                "the region is unbounded, and no complex of faces is at hand",
                value=f"region {index}",
                remedy="partition with engine='subdivision', or a bounded domain",
            )
        columns = zip(*(affine(point) for point in points), strict=True)
        return [(min(column), max(column)) for column in columns]

    @cached_property
    def _margins(self) -> Enclosed:
        count = len(self.codes)
        found, bounds = np.full(count, inf), np.zeros(count)
        if self._in_box is not None:
            return self._margins_in_box(self._in_box)
        weak = ~self.is_bounded_region
        inside = np.array(
            [nearest_floats(affine(self.witness_of(i))) for i in range(count)]
        ).reshape(count, -1)
        if self._measured_faces is None or self._complex is None:
            weak[:] = True
        else:
            facets, at = self._measured_faces[0], self._complex.at
            rows = self._complex.faces.boundary[self._complex.faces.dim]
            cells = np.repeat(np.arange(count), np.diff(rows.starts))
            gaps, slack = _distances(facets, rows.members, at, inside[cells])
            found = np.minimum.reduceat(gaps, rows.starts[:-1])
            least = np.maximum.reduceat(slack, rows.starts[:-1])
            bounds = np.where(np.isfinite(least), least, inf)
            weak |= ~(bounds <= _USEFUL * found)
        self._set_margins(np.flatnonzero(weak).tolist(), found, bounds)
        return found, bounds

    def _margins_in_box(self, box: InBox) -> Enclosed:
        found, bounds = np.array([box.margin(i) for i in range(len(self.codes))]).T.copy()
        self._set_margins(np.flatnonzero(~(bounds <= _USEFUL * found)).tolist(), found, bounds)
        return found, bounds

    def _set_margins(self, regions: list[int], found: FloatArray, bounds: FloatArray) -> None:
        """Margins of some regions from the exact ones."""
        for i in regions:
            margin = self.margin_of(i)
            found[i] = inf if margin is None else float(margin)
            bounds[i] = 0.0 if margin is None else rounding_error(found[i : i + 1])[0]

    @property
    def margins_float(self) -> FloatArray:
        """How far every region's witness is from the nearest hyperplane of its facets (R), in the
        metric of the parameters: the radius of a ball around it within the region. inf for a region
        without facets. `margins_bound` says how far each is off, `regions[i].margin` is exact.

        Cost: an exact witness a region.
        """
        return self._margins[0]

    @property
    def margins_bound(self) -> FloatArray:
        """Proved bounds on the errors of `margins_float`."""
        return self._margins[1]

    def margin_of(self, index: int) -> Surd | None:
        """The exact margin of one region; None without facets.

        Of a polytope, no halfspace that contains it is nearer than the facets are (see
        :meth:`exact.regions.polytopes.quantities.in_boxes.InBox.margin`).
        """
        point = self.witness_of(index)
        squares = []
        for wall in self._halfspaces_around(index):
            length = sum(x * x for x in wall.normal)
            value = Rational(wall.value(point), point[-1])
            squares.append((value * value / length, value / length, length))
        if not squares:
            return None
        _, factor, length = min(squares, key=lambda found: found[0])
        return root_multiple(factor, length)

    def _halfspaces_around(self, index: int) -> list[Halfspace]:
        """The hyperplanes among which the nearest one is a facet's."""
        if self.is_polyhedral:
            return [wall for wall in self.walls_known(index) if not wall.is_constant]
        return [Halfspace(facet.hyperplane) for facet in self.facets_of(index)]


def _exponent(points: FloatArray) -> int:
    """The power of two to divide coordinates by, so that no product of them overflows; 0 for those
    of ordinary size.
    """
    largest = float(np.abs(points).max(initial=0.0))
    return 0 if largest == 0.0 or 2.0**-64 < largest < 2.0**64 else frexp(largest)[1]


def _scaled(faces: kernel.Faces, shift: int, k: int) -> kernel.Faces:
    """The k-faces, with coordinates multiplied by a power of two; what underflows is in the
    errors.
    """
    if shift == 0:
        return faces
    return faces._replace(
        **{name: np.ldexp(getattr(faces, name), shift * k) for name in ("vector", "size")},
        **{name: np.ldexp(getattr(faces, name), shift) for name in ("middle", "reach")},
        error=np.ldexp(faces.error, shift * k) + LEAST,
        middle_error=np.ldexp(faces.middle_error, shift) + LEAST,
    )


def _lengths(faces: kernel.Faces) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The measures of faces, bounds on their errors, and the measures as their scale; inf of faces
    with vertices at infinity.
    """
    rounding = (faces.vector.shape[1] + 4) * U
    sizes = np.where(faces.far, inf, faces.size)
    errors = np.where(faces.far, 0.0, (faces.error + rounding * faces.size) * _UP)
    return sizes, errors, sizes


def _distances(
    facets: kernel.Faces, members: IndexArray, at: Located, inside: FloatArray
) -> Enclosed:
    """The distances of points (n x d) from the hyperplanes of facets (n numbers), |(b - w) ^ V| /
    |V|, and bounds on their errors, from rounding the points to floats too; inf for facets at
    infinity.
    """
    dim = inside.shape[1]
    corner = facets.apex[members]
    gap = at.points[corner] - inside
    vector, size, error = (x[members] for x in (facets.vector, facets.size, facets.error))
    signed = sum(
        (-1) ** i * gap[:, i] * vector[:, place]
        for i, place in zip(range(dim), reversed(range(dim)), strict=True)
    )
    length = np.sqrt((gap**2).sum(axis=1)) + LEAST_ROOT
    moved = at.slack[corner] + rounding_error(inside).sum(axis=1) + 4 * U * length
    doubt = length * error + moved * (size + error) + (dim + 2) ** 2 * U * length * size + LEAST
    left = size - error - (dim + 4) * U * size
    distance = np.abs(signed) / size
    slack = (doubt + distance * error + (dim + 8) * U * distance * size) / left * _UP
    known, slack = ~facets.far[members], np.where(left > 0, slack, inf)
    return np.where(known, distance, inf), np.where(known, slack, 0.0)
