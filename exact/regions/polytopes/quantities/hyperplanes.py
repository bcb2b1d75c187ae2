"""The hyperplanes that facets between regions lie in, as an array: from the vectors of facets, with
bounds, and exactly where these say too little.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.enclosures.roundoff import LEAST, U, inflation
from exact.arithmetic.numbers import FloatArray, Rational, nearest_floats
from exact.errors import certain
from exact.geometry.polyhedra.faces import cells_of_facets
from exact.regions.polytopes.quantities.measures import Enclosed, Measured

_UP = inflation(4096)
_USEFUL = 2.0**-12


@members_in_ieee_floats
class Walled(Measured):
    """The hyperplanes of the facets of a partition of a flat domain, in its parameters."""

    @property
    def facet_hyperplanes_float(self) -> FloatArray:
        """The hyperplane of every facet between two regions (E x (d + 1)), one for each row of
        `neighbours()`: a normal of length 1 and the offset, positive in the first of the two.

        `facet_hyperplanes_bound` (E) bounds the error of the normal's length and direction, as a
        2-norm, and that of the offset; the hyperplanes of `regions[i].facets` are exact. Cost: that
        of `facet_measures_float`, and an exact facet where floats do not tell the sides.

        >>> from exact import Box, partition
        >>> from exact.sources import tensors
        >>> net = tensors.mlp([([[3, 4], [1, 1]], [0, 9]), ([[1, 1]], [0])])
        >>> partition(net, Box(-1, 1, dim=2)).facet_hyperplanes_float.round(6).tolist()
        [[-0.6, -0.8, 0.0]]
        """
        return self._hyperplanes[0]

    @property
    def facet_hyperplanes_bound(self) -> FloatArray:
        """Proved bounds on the errors of `facet_hyperplanes_float`."""
        return self._hyperplanes[1]

    @cached_property
    def _hyperplanes(self) -> Enclosed:
        pairs = self.adjacency.pairs()
        found = np.zeros((len(pairs), self.flat.dim + 1))
        bounds = np.full(len(pairs), np.inf)
        if self._measured_faces is not None and self._complex is not None:
            cells = cells_of_facets(self._complex.faces)
            inner = np.flatnonzero(cells[:, 1] >= 0)
            # where several facets join two regions, the largest is read last
            inner = inner[np.argsort(self._measured_faces[0].size[inner], kind="stable")]
            count = len(self.codes)
            keys = pairs[:, 0] * count + pairs[:, 1]
            rows = np.searchsorted(keys, cells[inner, 0] * count + cells[inner, 1])
            found[rows], bounds[rows] = self._planes_of(inner, cells[inner, 0])
        for k in np.flatnonzero(~(bounds <= _USEFUL)).tolist():
            found[k], bounds[k] = self._exact_plane(*pairs[k].tolist())
        return found, bounds

    def _planes_of(self, facets: IndexArray, first: IndexArray) -> Enclosed:
        """The hyperplanes of facets, turned so that the centres of some regions are inside; inf
        where that is not certain.
        """
        assert self._measured_faces is not None and self._complex is not None
        faces, at, dim = self._measured_faces[0], self._complex.at, self.flat.dim
        size, error = faces.size[facets], faces.error[facets]
        with np.errstate(all="ignore"):
            signs = (-1.0) ** np.arange(dim)
            normals = faces.vector[facets][:, ::-1] * signs / size[:, None]
            doubt = (2 * error / (size - error) + (dim + 8) * 2 * U) * _UP
            corner = at.points[faces.apex[facets]]
            gaps = self.centroids_float[first] - corner
            sides = (normals * gaps).sum(axis=1)
            far = np.abs(corner).sum(axis=1)
            length = np.abs(gaps).sum(axis=1)
            moved = (at.slack[faces.apex[facets]] + (dim + 4) * U * far) * _UP + LEAST
            unsure = self.centroids_bound[first] + moved + (doubt + (dim + 4) * U) * length
            offsets = -(normals * corner).sum(axis=1)
            planes = np.concatenate([normals, offsets[:, None]], axis=1)
            planes *= np.where(sides > 0, 1.0, -1.0)[:, None]
            bounds = (np.maximum(doubt, doubt * far + moved) + (dim + 4) * U * far) * _UP
        sure = (np.abs(sides) > unsure * _UP) & (size > error) & ~faces.far[facets]
        return planes, np.where(sure, bounds, np.inf)

    def _exact_plane(self, a: int, b: int) -> tuple[FloatArray, float]:
        """The hyperplane between two regions from its exact integers."""
        facet = next((f for f in self.facets_of(a) if f.neighbour == b), None)
        row = [Rational(x) for x in certain(facet, "neighbours share a facet").hyperplane]
        largest = max(abs(x) for x in row[:-1])
        floats = nearest_floats([x / largest for x in row])
        length = float(np.sqrt((floats[:-1] ** 2).sum()))
        plane = floats / length
        return plane, float((len(row) + 8) * 2 * U * (1 + abs(plane[-1])) * _UP)
