"""What engines for spheres return: a cell complex on a 2-sphere, or codes on spheres of any
dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.circles.complex import SphereComplex
from exact.geometry.polyhedra.halfspace import Point
from exact.propagation.charts import SphereChart
from exact.regions.cells import Cells, Outcome


@short_repr
@dataclass(frozen=True)
class SphereCells(Cells):
    """Cells of a 2-sphere as a cell complex; cell 0 has the code `root`, and every arc says which
    hinges flip across it.

    `decisions` counts what settled the questions on the way ("filter", "exact", ...). `hinges` is
    the length of the code.
    """

    chart: SphereChart
    complex: SphereComplex
    root: BitArray
    hinges: int
    outcome: Outcome
    evidence: str
    decisions: Mapping[str, int]

    def __len__(self) -> int:
        return self.complex.cell_count


@short_repr
@dataclass(frozen=True)
class SphereCodes(Cells):
    """Spline codes on a sphere of any dimension as arrays, in the engine's own order; each owns one
    cell or several.

    `codes` are bit-packed as in `FlatCells`. On every code the pre-activations are affine in the
    coordinates y of the chart, and `witness(i)` gives two points (y, 1) of that open polyhedron
    with `y' gram y` below and above `radius_squared`: by convexity the code occurs on the sphere
    between them. `pairs()` lists every two codes that meet in a facet, once (E x 2).
    `components(i)` is the number of connected cells of a code, None where it was not decided.
    """

    chart: SphereChart
    codes: ByteArray
    hinges: int
    witness: Callable[[int], tuple[Point, Point]]
    pairs: Callable[[], IndexArray]
    components: Callable[[int], int | None]
    outcome: Outcome
    evidence: str
    decisions: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.codes)
