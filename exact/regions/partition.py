"""What a partition offers whatever the domain: codes, counts that are never mixed, locating points,
a digest. What can be asked of every kind of partition stands in one file, most of it docstrings.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeVar

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.enclosures.late import networkx as nx
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, listed
from exact.arithmetic.texts.printing import shown
from exact.check import Verdict
from exact.errors import EngineDefect, InvalidInput, TooLarge, Unsupported
from exact.geometry.combinatorics.code_batches import Errors
from exact.geometry.combinatorics.codes import (
    Hinge,
    SplineCode,
    canonical_order,
    code_keys,
    find_key,
    flipped_bits,
    widths_of,
)
from exact.geometry.combinatorics.dual_graph import Adjacency, connected
from exact.geometry.combinatorics.lazy import numbered
from exact.geometry.combinatorics.tables import Columns, frame
from exact.geometry.combinatorics.varying_codes import Varying
from exact.geometry.domains.base import Domain
from exact.geometry.domains.flat import Box
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.workers import Workers
from exact.networks.affine_map import AffineMap
from exact.networks.evaluation.code_maps import CodeMaps
from exact.networks.evaluation.symbol_maps import SymbolMaps
from exact.networks.network import Network
from exact.propagation.chart import Chart
from exact.regions import certificate as certificates
from exact.regions import storage
from exact.regions.cells import Cells, Outcome
from exact.regions.certificate import Json
from exact.regions.engine import Problem
from exact.regions.region import Facet, Region
from exact.regions.storage import Arrays, Parts

if TYPE_CHECKING:
    from shapely import Polygon


GRAPH_WITNESSES = 10_000
Kind = TypeVar("Kind", bound="Partition")


@members_in_ieee_floats
class Partition(ABC):
    """The regions that a network cuts a domain into, exactly.

    `codes` holds the spline codes, bit-packed along a row (uint8, regions x ceil(hinges / 8)).
    `outcome` says whether the enumeration is complete and `evidence` how that is known; `decisions`
    counts what settled the questions on the way ("filter" and "exact" zeros on curves; LP
    "interiors", "farkas" vectors, ... in R^d). No truth value.

    >>> from exact import RealSpace, partition
    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, -1]], [0])])
    >>> result = partition(net, RealSpace(2))
    >>> len(result), result.outcome, result.engine, result.locate([3, -2]), len(result.neighbours())
    (4, <Outcome.COMPLETE: 'complete'>, 'subdivision', 2, 4)
    """

    codes: ByteArray
    cells: Cells
    chart: Chart
    codes_repeat: ClassVar[bool] = False
    """Whether regions are connected cells, of which several can have one code."""
    domains: ClassVar[tuple[type[Domain], ...]]
    """The kinds of domains that are cut into such regions."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        members_in_ieee_floats(cls)

    def __init__(
        self, problem: Problem, engine: str, codes: ByteArray | None, cells: Cells
    ) -> None:
        self.problem, self.engine = problem, engine
        self.network, self.domain = problem.asked
        if codes is not None:  # else the subclass makes them when they are asked for
            self.codes = codes
        self.cells, self.outcome, self.evidence = cells, cells.outcome, cells.evidence
        self.decisions = dict(cells.decisions)

    @cached_property
    def _layout(self) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """The bits of every hidden layer, and of every symbol where some take several."""
        return self.network.bits_per_layer, widths_of(self.network.symbols)

    def seen_as(self, kind: type[Kind], wrong: str = "", remedy: str = "") -> Kind:
        """This partition as one of its kind, for what only that kind has; InvalidInput for
        another, in the words of the caller where there are some.
        """
        if not isinstance(self, kind):
            raise InvalidInput(
                wrong or f"not a {kind.__name__}",
                value=self.domain,
                remedy=remedy or f"partition a domain whose partition is a {kind.__name__}",
            )
        return self

    @property
    @abstractmethod
    def regions(self) -> Sequence[Region]:
        """The regions in canonical order: by code in R^d, along the curve in one dimension."""

    @abstractmethod
    def neighbours(self) -> IndexArray:
        """Every two regions that share a facet (on a curve: a crossing), as indices (E x 2), one
        row per facet.
        """

    @abstractmethod
    def graph(
        self, *, witnesses: bool | None = None, attributes: Sequence[str] = (), labels: bool = True
    ) -> Any:
        """The adjacency graph (networkx): nodes carry code and witness, edges the flipped hinges;
        without `labels` neither, unless witnesses are asked for.

        Witnesses cost an exact point per region: unless they are asked for, nodes have none beyond
        10,000 regions. `attributes` are names of `quantities` that nodes carry too, as plain
        numbers. InvalidInput for a name that is none.
        """

    def _add_nodes(
        self,
        graph: Any,
        witnesses: bool | None,
        attributes: Sequence[str] = (),
        labels: bool = True,
    ) -> None:
        """The nodes of an empty graph, into its dictionaries: `add_nodes_from` would take as long
        for each as finding a region.
        """
        few = labels and len(self) <= GRAPH_WITNESSES
        graph._adj.update((i, {}) for i in range(len(self)))
        if labels:
            graph._node.update((i, {"code": code}) for i, code in enumerate(self._all_codes()))
        else:
            graph._node.update((i, {}) for i in range(len(self)))
        if few if witnesses is None else witnesses:
            for region in self.regions:
                graph.nodes[region.index]["witness"] = region.witness
        for name in attributes:
            for i, value in enumerate(self.quantity(name).tolist()):
                graph.nodes[i][name] = value

    def _all_codes(self) -> Iterator[SplineCode]:
        return map(self.code_of, range(len(self)))

    # ---- tables

    @property
    def quantities(self) -> tuple[str, ...]:
        """The arrays with a row for every region that a table has: names of attributes. Those that
        are not there are left out, as maps are behind a smooth activation.
        """
        has_maps = self.network.is_piecewise_linear and len(self.network.norms) <= 1
        return ("degrees", *(("map_ids", "piece_ids") if has_maps else ()))

    more_quantities: ClassVar[tuple[str, ...]] = (
        *("maps_float", "maps_bound", "ambient_maps_float", "ambient_maps_bound"),
    )
    """Arrays with a row for every region that are left out of a table unless they are named."""

    def quantity(self, name: str) -> np.ndarray[Any, Any]:
        """One of `quantities` or `more_quantities`, by its name; InvalidInput for another name."""
        known = (*self.quantities, *self.more_quantities)
        if name not in known:
            raise InvalidInput(
                "no such quantity of regions", value=name, remedy=f"give one of {', '.join(known)}"
            )
        found = getattr(self, name)
        values: np.ndarray[Any, Any] = found() if callable(found) else found
        return values

    def columns(self, names: Sequence[str] | None = None) -> Columns:
        """The columns of the table: `region`, `code` as text, and the quantities, all of them but
        `refused_quantities`, or those that are named; one with several numbers a region fills
        several columns.
        """
        found: Columns = {"region": np.arange(len(self)), "code": [*map(str, self._all_codes())]}
        known = [x for x in self.quantities if x not in self.refused_quantities]
        for name in known if names is None else names:
            values = self.quantity(name)
            for place in np.ndindex(values.shape[1:]):
                found["_".join((name, *map(str, place)))] = values[(slice(None), *place)]
        return found

    @cached_property
    def refused_quantities(self) -> dict[str, str]:
        """Those of `quantities` that these regions do not have, each with the reason: in many
        dimensions some cost more than can be paid. Cost: that of all quantities.
        """
        found = dict[str, str]()
        for name in self.quantities:
            try:
                self.quantity(name)
            except (InvalidInput, Unsupported, TooLarge) as error:
                found[name] = str(error)
        return found

    def to_pandas(self, names: Sequence[str] | None = None) -> Any:
        """The regions as a pandas DataFrame, a row each: code and `quantities`, or those named.

        Without names, quantities that are refused are left out, and `attrs["refused"]` of the table
        says why each is, as `refused_quantities` does; one that is named raises. Raises
        InvalidInput for a name that is none, MissingExtra without pandas. Cost: that of the
        quantities.

        >>> from exact import Box, partition
        >>> from exact.sources import tensors
        >>> net = tensors.mlp([([[1, 0], [1, 1]], [0, -1]), ([[1, 1]], [0])])
        >>> found = partition(net, Box(0, 1, dim=2))
        >>> found.to_pandas(["map_ids", "volumes_float"]).to_dict("list")
        {'region': [0, 1], 'code': ['10', '11'], 'map_ids': [0, 1], 'volumes_float': [0.5, 0.5]}
        >>> found.to_pandas().attrs
        {'refused': {}}
        """
        table = frame(self.columns(names))
        if names is None:
            table.attrs["refused"] = dict(self.refused_quantities)
        return table

    def meetings(self, other: Partition) -> IndexArray | None:
        """The cells of this partition and of another of the same domain that have inner points in
        common, as pairs of indices (P x 2), ascending; None where the kind cannot tell without
        cutting by both networks. Of partitions that ended early there are none.

        Raises Undecided where two crossings cannot be told apart.
        """
        return None

    @abstractmethod
    def locate(self, x: Sequence[object]) -> int:
        """The index of the region that x lies in; InvalidInput on a boundary or outside the
        domain.

        On circles and spheres x stands for its direction, whatever its length: the point of the
        sphere along it is located, whose coordinates need not be rational. :meth:`code` reads x
        itself, as an input; the code in its direction is `code_of(locate(x))`. Both agree for x on
        the sphere, and everywhere else for x in the domain.

        >>> from exact import Sphere, partition
        >>> from exact.sources import tensors
        >>> shifted = tensors.mlp([([[1, 0], [0, 1]], [-1, 0]), ([[1, 1]], [0])])
        >>> circle = partition(shifted, Sphere(radius_squared=4))
        >>> x = ["1/2", "1/2"]  # towards the point (sqrt 2, sqrt 2) of the circle
        >>> str(circle.code_of(circle.locate(x))), str(circle.code(x))
        ('11', '01')
        """

    def _not_located(self, x: Sequence[object]) -> InvalidInput:
        """That no region found holds x."""
        if self.outcome is Outcome.COMPLETE:
            wrong, remedy = "no region", "give a point of the domain off the region boundaries"
        else:
            wrong, remedy = "none of the regions found so far", "give a larger budget"
        return InvalidInput(f"the point lies in {wrong}", value=shown(x), remedy=remedy)

    def locate_all(self, x: Any, errors: Errors = "raise") -> IndexArray:
        """The index of the region of every row of an (N x d) array or of N points; with
        ``errors="keep"`` -1 where :meth:`locate` raises. Cost: that of `locate`, N times.

        >>> from exact import Box, partition
        >>> from exact.sources import tensors
        >>> found = partition(tensors.mlp([([[1]], [0]), ([[1]], [0])]), Box(-1, 1, dim=1))
        >>> found.locate_all([[-0.5], [0.25], [7]], errors="keep").tolist()
        [0, 1, -1]
        """
        found = list[int]()
        for number, row in enumerate(listed(x, "x")):
            try:
                found.append(self.locate(row))
            except InvalidInput as error:
                if errors != "keep":
                    raise InvalidInput(
                        f"row {number} of x: {error.wrong}", value=error.value, remedy=error.remedy
                    ) from error
                found.append(-1)
        return np.array(found, dtype=np.int64)

    def polygons(self, clip: Box | None = None) -> list[Polygon]:
        """The regions of a two-dimensional domain as shapely polygons; InvalidInput for any other
        domain.
        """
        raise InvalidInput(
            "polygons need a two-dimensional domain",
            value=self.domain,
            remedy="partition a Box, or a Plane through three points",
        )

    @property
    def crossings(self) -> tuple[Any, ...]:
        """The points of a curve at which hinges change sign or touch zero; InvalidInput for any
        other domain.
        """
        raise InvalidInput(
            "crossings are the points of a curve",
            value=self.domain,
            remedy="partition a Segment, Ray, Line or circle with the engine circle",
        )

    def map_columns(self, index: int) -> RationalArray:
        """The network's output on a region over the parameters of the domain: coefficients, that of
        the constant last (see `Chart.map_columns`).

        Raises NotPiecewiseLinear behind GELU or SiLU.
        """
        return self.chart.map_columns(self.code_of(index))

    # ---- the maps of all regions

    @cached_property
    def _maps(self) -> CodeMaps | SymbolMaps:
        self.network.require_piecewise_linear()
        return self._maps_over(*self.chart.functions())

    def _maps_over(
        self, network: Network, state: RationalArray, one: Sequence[Rational]
    ) -> CodeMaps | SymbolMaps:
        make = SymbolMaps if network.has_maxima else CodeMaps
        return make(network, state, one)

    @cached_property
    def _enclosed_maps(self) -> tuple[FloatArray, FloatArray]:
        return self._maps.floats(self.codes)

    @property
    def maps_float(self) -> FloatArray:
        """The affine maps on all regions as floats (regions x outputs x k): in row i the outputs'
        coefficients over the parameters of the domain, that of the constant last, as
        :meth:`map_columns` has them exactly for one region. `maps_bound` says how far each is off.

        Raises NotPiecewiseLinear behind GELU or SiLU. Cost: a matrix product a hidden layer;
        regions that agree in their first layers share it. Made once and kept.

        >>> from exact import Box, partition
        >>> from exact.sources import tensors
        >>> hat = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1]], [0])])
        >>> found = partition(hat, Box(-1, 3, dim=1))
        >>> found.maps_float[:, 0].tolist(), bool(found.maps_bound.max() < 1e-12)
        ([[0.0, 0.0], [1.0, 0.0], [-1.0, 2.0], [0.0, 0.0]], True)
        >>> found.map_ids.tolist(), found.piece_ids.tolist()
        ([0, 1, 2, 0], [0, 1, 2, 3])
        """
        return self._enclosed_maps[0]

    @property
    def maps_bound(self) -> FloatArray:
        """Proved bounds on the errors of `maps_float`, coefficient by coefficient."""
        return self._enclosed_maps[1]

    @cached_property
    def _enclosed_ambient_maps(self) -> tuple[FloatArray, FloatArray]:
        self.network.require_piecewise_linear()
        return self._maps_over(*self.network.whole_space()).floats(self.codes)

    @property
    def ambient_maps_float(self) -> FloatArray:
        """The affine maps on all regions over the network's inputs (regions x outputs x (inputs +
        1)): matrix and shift of `regions[i].affine` as floats; behind a norm those of norm(x).

        `ambient_maps_bound` bounds their errors. On a slice two of them can differ where `map_ids`
        are equal. Raises NotPiecewiseLinear behind GELU or SiLU. Cost: as `maps_float`, for so many
        columns.

        >>> from exact import Segment, partition
        >>> from exact.sources import tensors
        >>> fold = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [5])])
        >>> partition(fold, Segment([1, -1], [1, 1])).ambient_maps_float[:, 0].tolist()
        [[1.0, 0.0, 5.0], [1.0, 1.0, 5.0]]
        """
        return self._enclosed_ambient_maps[0]

    @property
    def ambient_maps_bound(self) -> FloatArray:
        """Proved bounds on the errors of `ambient_maps_float`, coefficient by coefficient."""
        return self._enclosed_ambient_maps[1]

    @cached_property
    def map_ids(self) -> IndexArray:
        """The affine map of every region as a number: equal iff the maps agree on the domain,
        exactly; numbered by their first regions.

        Residues modulo primes prove that maps differ; of those that agree in them one is made
        exactly for each set of neurons that count (mathematics.md, "Equal maps"). Raises
        NotPiecewiseLinear behind GELU or SiLU.
        """
        return self._maps.classes(self.codes)

    @cached_property
    def piece_ids(self) -> IndexArray:
        """The linear piece of every region as a number: regions are in one piece iff a way leads
        from one to the other across facets, through regions with the same map.
        """
        return connected(self.map_ids, self.neighbours())

    @property
    def class_ids(self) -> IndexArray:
        """The class that wins on all of a region, -1 where several do: on flat domains; Unsupported
        on others, where ties have to be cut in. Of outputs that tie all over a region the first
        wins, and a single output decides between class 1, where it is positive, and class 0.
        """
        raise Unsupported(
            "outputs are compared on the regions of flat domains",
            value=self.domain,
            remedy="use decision.class_sets(partition), which cuts along the ties",
        )

    @property
    def output_ranges_float(self) -> FloatArray:
        """The least and the greatest value of every output on every region: on flat domains;
        Unsupported on others.
        """
        raise Unsupported(
            "ranges of outputs are those over the regions of flat domains",
            value=self.domain,
            remedy="partition a Box or a Plane, or use maps_float at the ends of an arc",
        )

    @cached_property
    def degrees(self) -> IndexArray:
        """How many facets every region shares with others (R): rows of `neighbours()` it is in."""
        return np.bincount(self.neighbours().reshape(-1), minlength=len(self))

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a partition has no truth value; got bool(partition); ask partition.outcome or "
            "len(regions)"
        )

    def __eq__(self, other: object) -> bool:
        """Whether both are of one kind, of equal networks and domains, ended alike, and have the
        same codes equally often.

        Which engine found them plays no part, nor does their order. Cost: the digest of both.
        """
        if not isinstance(other, Partition):
            return NotImplemented
        if self is other:
            return True
        own, its = ((type(x), x.outcome, x.network, x.domain) for x in (self, other))
        return own == its and len(self) == len(other) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash((type(self), self.outcome, self.network.sha256, self.digest))

    def numbers_alike(self, other: Partition) -> bool:
        """Whether region i of both is the same region for every i: equal partitions list their
        regions in one order.
        """
        return self == other

    @abstractmethod
    def parts(self, points: bool | None = None) -> Parts:
        """The cells as JSON values and arrays. Cost: an exact point for every region whose point is
        among them.

        `points` says whether witnesses and vertices are that could be made again; None: up to
        10,000 regions.
        """

    @staticmethod
    @abstractmethod
    def read_cells(network: Network, domain: Domain, values: Json, arrays: Arrays) -> Cells:
        """The cells of which `parts` are; InvalidInput where they do not fit each other."""

    @classmethod
    def of_parts(
        cls, network: Network, domain: Domain, engine: str, values: Json, arrays: Arrays
    ) -> Self:
        """The partition whose `parts` these are; InvalidInput where they do not fit each other."""
        make: Callable[..., Self] = cls
        problem = Problem.of(network, domain)
        if not isinstance(domain, cls.domains):
            raise InvalidInput(
                f"a {cls.__name__} is of another kind of domain",
                value=domain,
                remedy=f"give {' or '.join(kind.__name__ for kind in cls.domains)}",
            )
        return make(problem, engine, cls.read_cells(network, domain, values, arrays))

    def __reduce__(self) -> tuple[object, ...]:
        """Network, domain, engine and the cells as plain arrays: what was computed from them stays
        behind.
        """
        return type(self).of_parts, (self.network, self.domain, self.engine, *self.parts())

    def save(self, path: str | Path, *, points: bool | None = None) -> Path:
        """Write this partition and its network to a .safetensors file that `exact.load` reads; see
        :mod:`exact.regions.storage`.

        `points` says whether witnesses and vertices are written that can be made again from codes;
        None: up to 10,000 regions. Raises Unsupported for activations, norms and domains of one's
        own; InvalidInput where the folder does not exist or the name ends otherwise; OSError. Cost:
        an exact point for every region whose point is written.

        >>> import tempfile
        >>> from exact import Box, load, partition
        >>> from exact.sources import tensors
        >>> hat = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1]], [0])])
        >>> found = partition(hat, Box(-1, 3, dim=1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = load(found.save(f"{folder}/hat.safetensors"))
        >>> again == found, again.regions[1].witness == found.regions[1].witness
        (True, True)
        """

        return storage.save(self, path, points=points)

    def __len__(self) -> int:
        return len(self.codes)

    def __repr__(self) -> str:
        return (
            f"<{len(self)} regions of {shown(self.domain)} by {self.engine}, {self.outcome.value}>"
        )

    @property
    def bits(self) -> BitArray:
        """The codes as bools (regions x hinges), eight times their size: unpacked at every call,
        never kept.
        """
        return np.unpackbits(self.codes, axis=1, count=self.network.hinge_count).astype(bool)

    @cached_property
    def digest(self) -> str:
        """sha256 of the number of cells and the sorted codes: the same for any engine, device or
        order of work.
        """
        digest = hashlib.sha256(f"{len(self)}:{self.network.hinge_count}:".encode())
        for block in self._sorted_codes():
            digest.update(np.ascontiguousarray(block).reshape(-1).data)
        return digest.hexdigest()

    def _sorted_codes(self) -> Iterator[ByteArray]:
        """The codes in canonical order, block by block."""
        yield self.codes[np.argsort(code_keys(self.codes), kind="stable")]

    def code_of(self, index: int) -> SplineCode:
        """The spline code of one region; a negative index counts from the end, IndexError
        outside.
        """
        return SplineCode(self._some_codes([self._number(index)]).tobytes(), *self._layout)

    def _some_codes(self, indices: Sequence[int] | slice) -> ByteArray:
        """The packed codes of some regions."""
        return self.codes[indices]

    def _number(self, index: int) -> int:
        """A region's index as a number from 0."""
        return numbered(index, len(self))

    def hinges_between(self, a: int, b: int) -> tuple[Hinge, ...]:
        """The hinges in which the codes of two regions differ."""
        hinges = self.network.hinges
        a, b = self._number(a), self._number(b)
        codes = self._some_codes([a, b])
        return tuple(hinges[int(i)] for i in flipped_bits(codes[:1], codes[1:])[1])

    @cached_property
    def code_count(self) -> int:
        """The number of different spline codes."""
        return len(np.unique(code_keys(self.codes)))

    @property
    def cell_count(self) -> int:
        """The number of connected cells."""
        return len(self)

    @property
    def region_count(self) -> int:
        """The number of open activation regions (codes with nonempty interior); InvalidInput where
        they need not be convex.
        """
        if not self.is_convex:
            raise InvalidInput(
                "a code can own several cells here, so region_count has two meanings",
                value=self.domain,
                remedy="ask for code_count or cell_count",
            )
        return len(self)

    @property
    def is_convex(self) -> bool:
        """Whether every region is, and the only one of its code: then there is a region count."""
        return True

    @property
    def linear_piece_count(self) -> int:
        """The number of linear pieces: adjacent regions with equal affine maps are merged."""
        return int(self.piece_ids.max(initial=-1)) + 1

    @property
    def distinct_map_count(self) -> int:
        """The number of different affine maps."""
        return int(self.map_ids.max(initial=-1)) + 1

    def code(self, x: Sequence[object], layers: tuple[int, int] | None = None) -> SplineCode:
        """The exact spline code at the input x for hidden layers K..L (1-based, inclusive), or all.

        It is that of `network.code`: x is read as it is, in the domain or not, while
        :meth:`locate` takes the direction of x on circles and spheres.

        >>> from exact import GreatCircle, partition
        >>> from exact.sources import tensors
        >>> shifted = tensors.mlp([([[1, 0], [0, 1]], [-1, 0]), ([[1, 1]], [0])])
        >>> circle = partition(shifted, GreatCircle([1, 0], [0, 1], radius_squared=25))
        >>> [str(circle.code(x)) for x in (["3/5", "4/5"], [3, 4], [30, 40])]
        ['01', '11', '11']
        >>> [circle.locate(x) for x in (["3/5", "4/5"], [3, 4], [30, 40])]
        [0, 0, 0]
        """
        return self.network.code(x, layers)

    def affine_at(self, x: Sequence[object]) -> AffineMap:
        """The exact affine map of the region that x lies in."""
        return self.regions[self.locate(x)].affine

    def piecewise(self, limit: int = 200) -> list[Any]:
        """The whole network as SymPy Piecewise expressions, one per output; for small partitions.

        The pieces hold on the closures of the regions, so that the value is the network's at
        hinges, corners and the borders of the domain too. It is nan outside of a domain with walls,
        which a ball and a sphere are not (there a piece goes on beyond the domain), at angles
        outside [0, 2 pi), and where a norm is undefined. Of a network with an activation that jumps
        the pieces are the open regions.

        Raises InvalidInput beyond `limit` regions, NotPiecewiseLinear for smooth activations.

        >>> from exact import Segment, partition
        >>> from exact.sources import tensors
        >>> absolute = tensors.mlp([([[1], [-1]], [0, 0]), ([[1, 1]], [0])])
        >>> partition(absolute, Segment([-1], [2])).piecewise()
        [Piecewise((1 - 3*t, (t >= 0) & (t <= 1/3)), (3*t - 1, (t >= 1/3) & (t <= 1)))]
        """
        import sympy

        if len(self) > limit:
            raise InvalidInput(
                "the partition is too large for a Piecewise",
                value=f"{len(self)} regions",
                remedy=f"raise limit= above {limit}, or use regions[i].symbolic()",
            )
        jumps = not all(layer.activation.is_continuous for layer in self.network.layers)
        symbolic = [
            region.symbolic() if jumps else region.symbolic_closure() for region in self.regions
        ]
        outputs = range(self.network.output_dim)
        inside = [sympy.And(*s.inequalities) for s in symbolic]
        pieces = [
            [(s.map[k], condition) for s, condition in zip(symbolic, inside, strict=True)]
            for k in outputs
        ]
        return [sympy.Piecewise(*piece, evaluate=False) for piece in pieces]

    @abstractmethod
    def records(self, maps: bool) -> Iterator[Json]:
        """The records of this partition's certificate, header first. Raises Unsupported where there
        is none.
        """

    @abstractmethod
    def domain_record(self) -> Json:
        """The domain as a certificate states it, made from the domain and not from what an engine
        made of it.
        """

    def certificate(
        self, path: str | Path, *, maps: bool = True, made_by: Mapping[str, Any] | None = None
    ) -> Path:
        """Write a certificate that `exactlens check FILE` verifies with integers alone; see
        :mod:`exact.regions.certificate`.

        Raises Unsupported where there is none: behind several norms, in balls; InvalidInput where
        the folder does not exist.
        """
        return certificates.write(self, path, maps=maps, made_by=made_by)

    def check(self, *, maps: bool = True) -> Verdict:
        """Verify this partition by its certificate and a checker that shares nothing with the
        engines.

        See :func:`exact.regions.certificate.verified`.
        """
        return certificates.verified(self, maps=maps)


class CodedPartition(Partition):
    """One region for every code, in the order of their codes; region i is number `order[i]` of the
    engine.
    """

    def __init__(
        self,
        problem: Problem,
        engine: str,
        codes: ByteArray,
        cells: Cells,
        varying: Varying | None = None,
    ) -> None:
        keys, self._order = code_keys(codes), None
        if not bool(np.all(keys[:-1] < keys[1:])):
            self._order = canonical_order(codes, Workers())
            codes = codes[self._order]
            keys = code_keys(codes)
            if bool(np.any(keys[1:] == keys[:-1])):
                raise EngineDefect("the engine returned a region twice", value=engine)
        super().__init__(problem, engine, codes if varying is None else None, cells)
        self._keys, self._rows, self._varying = keys, codes, varying

    def __len__(self) -> int:
        return len(self._rows)

    def _some_codes(self, indices: Sequence[int] | slice) -> ByteArray:
        rows = self._rows[indices]
        return rows if self._varying is None else self._varying.whole(rows)

    @property
    def order(self) -> IndexArray:
        """The engine's number of every region."""
        return np.arange(len(self)) if self._order is None else self._order

    def in_engine(self, index: int) -> int:
        """The engine's number of a region."""
        index = self._number(index)
        return index if self._order is None else int(self._order[index])

    def _sorted_codes(self) -> Iterator[ByteArray]:
        if self._varying is None:
            yield self._rows
        else:
            yield from self._varying.blocks(self._rows)

    @property
    def code_count(self) -> int:
        """The number of spline codes, each of which is listed once."""
        return len(self)

    def index_of(self, code: SplineCode) -> int | None:
        """The region with this code, by bisection; None when there is none."""
        return self._index_of(code.packed)

    def _index_of(self, packed: bytes) -> int | None:
        row = packed if self._varying is None else self._varying.row(packed)
        return None if row is None else find_key(self._keys, row)

    @abstractmethod
    def halfspaces_of(self, index: int) -> Sequence[Halfspace]:
        """`breakpoint exceeded` for every hinge, over the parameters, on one region (constants
        included).
        """

    @property
    @abstractmethod
    def adjacency(self) -> Adjacency:
        """Which regions share a facet, and which hinges flip there."""

    def _reordered(self, pairs: IndexArray) -> Adjacency:
        """The adjacency by the engine's pairs of its own numbers."""
        if self._order is None:
            return Adjacency.of_pairs(pairs, self._rows, varying=self._varying)
        place = np.empty_like(self._order)
        place[self._order] = np.arange(len(self))
        return Adjacency.of_pairs(place[pairs], self._rows, varying=self._varying)

    def facets_between(self, index: int) -> list[Facet]:
        """The facets to other regions, by the first hinge that flips: it vanishes there.

        All hinges before it agree on both sides, so it is one affine function around the facet, and
        it changes sign: its hyperplane on this region is the facet's. (A later one may be zero all
        over this region.)
        """
        bits, names, found = self.code_of(index).bits, self.network.hinges, list[Facet]()
        sides = self.halfspaces_of(index)
        for neighbour, flipped in self.adjacency.row(index):
            first = int(flipped[0])
            side = sides[first] if bits[first] else sides[first].opposite
            found.append(Facet(tuple(names[int(i)] for i in flipped), neighbour, side.coefficients))
        return sorted(found, key=lambda facet: facet.flipped[0])

    def neighbours(self) -> IndexArray:
        return self.adjacency.pairs()

    def graph(
        self, *, witnesses: bool | None = None, attributes: Sequence[str] = (), labels: bool = True
    ) -> nx.Graph[int]:
        """The adjacency as a networkx graph: nodes are region indices with `code` and `witness`,
        edges have `flipped` hinges; without `labels` they have neither, which takes less time.

        Witnesses cost an exact point per region: unless they are asked for, nodes have none beyond
        10,000 regions. `attributes` are names of `quantities` that nodes carry too, and of
        `facet_quantities` that edges do, as plain numbers. InvalidInput for a name that is none.
        `adjacency` has all of it as arrays, at a tenth of the time.

        >>> from exact import Box, partition
        >>> from exact.sources import tensors
        >>> net = tensors.mlp([([[1, 0], [1, 1]], [0, -1]), ([[1, 1]], [0])])
        >>> found = partition(net, Box(0, 2, dim=2))
        >>> graph = found.graph(attributes=["volumes_float", "facet_measures_float"])
        >>> graph.nodes[0]["volumes_float"], round(graph.edges[0, 1]["facet_measures_float"], 3)
        (0.5, 1.414)
        >>> found.graph(labels=False, attributes=["map_ids"]).nodes(data=True)
        NodeDataView({0: {'map_ids': 0}, 1: {'map_ids': 1}})
        """
        graph: nx.Graph[int] = nx.Graph()
        on_edges = [name for name in attributes if name in self.facet_quantities]
        on_nodes = [name for name in attributes if name not in on_edges]
        self._add_nodes(graph, witnesses, on_nodes, labels)
        rows, pairs = graph._adj, self.adjacency.pairs().T.tolist()
        if labels and not on_edges:  # in one go, since this is what costs
            for a, b, flipped in zip(*pairs, self._flipped_hinges(), strict=True):
                rows[a][b] = rows[b][a] = {"flipped": flipped}
            return graph
        if not labels and not on_edges:
            for a, b in zip(*pairs, strict=True):
                rows[a][b] = rows[b][a] = {}
            return graph
        names = (*(("flipped",) if labels else ()), *on_edges)
        columns = [self._flipped_hinges()] if labels else []
        values = [*columns, *(getattr(self, name).tolist() for name in on_edges)]
        for a, b, *own in zip(*pairs, *values, strict=True):
            rows[a][b] = rows[b][a] = dict(zip(names, own, strict=True))
        return graph

    facet_quantities: ClassVar[tuple[str, ...]] = ()
    """The arrays with a row for every row of `neighbours()`."""

    def _flipped_hinges(self) -> Iterator[tuple[Hinge, ...]]:
        """The hinges that flip across every facet, in the order of `neighbours()`."""
        found, hinges = self.adjacency.flipped, self.network.hinges
        alone = [(hinge,) for hinge in hinges]
        once = np.flatnonzero(self.adjacency.sources < self.adjacency.indices)
        starts, ends = (found.starts[once + k].tolist() for k in (0, 1))
        members = found.members.tolist()
        for start, end in zip(starts, ends, strict=True):
            if end == start + 1:
                yield alone[members[start]]
            else:
                yield tuple(hinges[i] for i in members[start:end])

    def _all_codes(self) -> Iterator[SplineCode]:
        for block in self._sorted_codes():
            yield from SplineCode.rows(block, *self._layout)
