"""The topology of what a network decides: Betti numbers and persistent homology of its decision
boundary, of the union of the regions of a class, and of the sublevel sets of an output.

The regions of a complete partition of a bounded domain are the cells of an exact complex, and
outputs are affine on them. Cut along exact ties it has these sets as unions of its faces; their
incidence goes to GUDHI (https://gudhi.inria.fr) as the simplices of its barycentric subdivision,
which is right for every complex whose faces are balls, degenerate ones too. Homology has
coefficients in GF(2). A compact union of faces in R^2 or R^3 has no torsion, so that Betti numbers
are those over every field. Each answer is compared with Euler's relation on the exact faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any, Literal

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.numbers import fraction, rational
from exact.arithmetic.texts.printing import short_repr
from exact.errors import EngineDefect, InvalidInput, MissingExtra, TooLarge
from exact.regions.partition import Partition
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.polytopes.quantities.valued_complexes import ValuedComplex, Values, largest

Of = Literal["boundary"] | tuple[Literal["class", "output"], int]

_MOST_DIM = 3
_MOST_SIMPLICES = 2 * 10**7  # of the highest dimension: about 4 GB


@short_repr
@dataclass(frozen=True)
class Shape:
    """A union of faces: how many of them have each dimension, and the Betti numbers: connected
    parts, holes, and in space voids.
    """

    faces: tuple[int, ...]
    betti_numbers: tuple[int, ...]

    @property
    def euler_characteristic(self) -> int:
        """The alternating sum of the numbers of faces, which is that of the Betti numbers."""
        return _alternating(self.faces)


@dataclass(frozen=True)
class Bar:
    """A connected part (dimension 0), a hole (1) or a void (2) that the sublevel sets of a function
    have from the value `birth` on, up to but not at `death`; None where it stays.
    """

    dim: int
    birth: Fraction
    death: Fraction | None


@in_ieee_floats
def betti_numbers(found: Partition, of: Of, level: object = 0) -> tuple[int, ...]:
    """The Betti numbers of what is asked, one for each dimension below that of the domain: see
    :func:`shape`.

    >>> from exact.instruments.decision.topology import betti_numbers
    >>> from exact import Box, partition
    >>> from exact.sources import tensors
    >>> diamond = tensors.mlp(  # |x| + |y| - 1
    ...     [([[1, 0], [-1, 0], [0, 1], [0, -1]], [0] * 4), ([[1] * 4], [-1])]
    ... )
    >>> found = partition(diamond, Box(-2, 2, dim=2))
    >>> [betti_numbers(found, of) for of in ("boundary", ("class", 0), ("class", 1))]
    [(1, 1), (1, 0), (1, 1)]
    >>> betti_numbers(found, ("output", 0), level="-3/2")  # nothing lies that low
    (0, 0)
    """
    return shape(found, of, level).betti_numbers


@in_ieee_floats
def shape(found: Partition, of: Of, level: object = 0) -> Shape:
    """The faces and the Betti numbers of a closed set in the domain, exactly.

    `of` is "boundary", the union of all facets between two parts of regions in which different
    classes win; ("class", c), the closed union of those in which class c wins; or ("output", k),
    where output k is at most `level`. Class c wins where output c is the first largest one; a
    single output decides between the classes 0 and 1, which wins where it is positive.

    Raises InvalidInput for partitions that are not complete, not bounded or not of two or three
    dimensions (one is served, too), and outputs that are not there; NotPiecewiseLinear behind GELU
    or SiLU; MissingExtra without GUDHI; TooLarge beyond twenty million simplices. Cost: an exact
    map a region, exact values at all vertices, one pass over all faces for each class; then 12
    simplices a triangle, and hundreds a cell in space.
    """
    whole, outputs = _complex_of(found, of)
    if of == "boundary" or of[0] == "class":
        decided, winners = largest(whole, range(outputs))
        kept = (
            _boundary(decided, winners)
            if of == "boundary"
            else _closure(decided, [winner == of[1] for winner in winners])
        )
    else:
        at, index = rational(level, "level"), of[1]
        shifted = whole.with_values([x - at for x in whole.values[index]])
        decided = shifted.cut(len(whole.values))
        kept = [np.array(s, dtype=np.int64) < 2 for s in decided.signs(len(whole.values))]
    faces = tuple(int(own.sum()) for own in kept)
    return Shape(faces, _betti(decided, kept, faces))


@in_ieee_floats
def persistence(found: Partition, of: Of) -> tuple[Bar, ...]:
    """The persistent homology of the sublevel sets of a function on the domain, exactly: the values
    at which connected parts, holes and voids of {function <= t} come and go as t rises.

    The function of ("output", k) is output k; that of ("class", c) how far output c is below the
    largest other one, negative where class c wins; that of "boundary" how far the second largest
    output is below the largest, zero on the boundary, and wherever else the largest outputs tie.
    Every function is affine on each cell, so that only its values at vertices count: births and
    deaths are such values. GUDHI reads their ranks. Bars are sorted; empty ones are left out. The
    bars alive at each value are compared with Euler's relation. Raises as :func:`shape` does.

    >>> from exact.instruments.decision.topology import persistence
    >>> from exact import Box, partition
    >>> from exact.sources import tensors
    >>> # the distance of |x| from 1
    >>> double = tensors.mlp(
    ...     [([[1], [-1]], [0, 0]), ([[1, 1], [-1, -1]], [-1, 1]), ([[1, 1]], [0])]
    ... )
    >>> for bar in persistence(partition(double, Box(-2, 3, dim=1), engine="subdivision"),
    ...                        ("output", 0)):
    ...     print(bar)
    Bar(dim=0, birth=Fraction(0, 1), death=Fraction(1, 1))
    Bar(dim=0, birth=Fraction(0, 1), death=None)
    """
    whole, outputs = _complex_of(found, of)
    if of == "boundary":
        whole, values = _margins(whole, outputs)
    elif of[0] == "class":
        others = [k for k in range(outputs) if k != of[1]]
        whole, _ = largest(whole, others)
        own = whole.values[of[1]]
        values = [x - y for x, y in zip(whole.values[-1], own, strict=True)]
    else:
        values = whole.values[of[1]]
    return _bars(whole, values)


def _complex_of(found: Partition, of: Of) -> tuple[ValuedComplex, int]:
    """The complex with the outputs at its vertices, or zero and the only one, and their number."""
    flat = found.seen_as(FlatPartition, "topology needs a partition into polytopes")
    if not 1 <= flat.flat.dim <= _MOST_DIM:
        raise InvalidInput(
            "topology is for one to three dimensions",
            value=f"dimension {flat.flat.dim}",
            remedy="partition a slice, such as a Plane through three points",
        )
    outputs = max(2, flat.network.output_dim)
    known = 1 if of != "boundary" and of[0] == "output" else 2
    most = max(known, flat.network.output_dim)
    named = isinstance(of, tuple) and len(of) == 2 and of[0] in ("class", "output")
    if of != "boundary" and not (named and of[1] in range(most)):
        raise InvalidInput(
            "no such set of a partition",
            value=of,
            remedy=f'give "boundary", ("class", c) or ("output", k), from 0 to {most - 1}',
        )
    whole = flat.valued_complex
    if of != "boundary" and of[0] == "output" and flat.network.output_dim == 1:
        only = (whole.values[1],)
        whole = ValuedComplex(whole.dim, whole.below, whole.points, only, whole.regions)
    return whole, outputs


def _margins(of: ValuedComplex, outputs: int) -> tuple[ValuedComplex, Values]:
    """The complex cut so that the margin of the largest output above the second is affine on each
    cell, and the margin at its vertices.
    """
    found, _ = largest(of, (0, 1))
    top = len(of.values)
    least = [min(x, y) for x, y in zip(found.values[0], found.values[1], strict=True)]
    found = found.with_values(least)
    for k in range(2, outputs):
        # of the three largest so far the top is carried first, and what it displaces comes second
        top_before, second, own = top, top + 1, k
        found, _ = largest(found, (top_before, own))
        beaten = [
            min(x, y) for x, y in zip(found.values[top_before], found.values[own], strict=True)
        ]
        found = found.with_values(beaten)
        new_top, lost = len(found.values) - 2, len(found.values) - 1
        found, _ = largest(found, (second, lost))
        kept = (*found.values[:top], found.values[new_top], found.values[-1])
        found = ValuedComplex(found.dim, found.below, found.points, kept, found.regions)
    best, next_best = found.values[top], found.values[top + 1]
    return found, [x - y for x, y in zip(best, next_best, strict=True)]


# ---- closed sets of faces


def _closure(of: ValuedComplex, cells: Sequence[bool]) -> list[BitArray]:
    """Which faces of every dimension lie in the closures of some cells."""
    return _closed(of, of.dim, np.array(cells, dtype=bool))


def _closed(of: ValuedComplex, dim: int, own: BitArray) -> list[BitArray]:
    found = [np.zeros(count, bool) for count in of.counts]
    found[dim] = own
    for k in range(dim, 0, -1):
        members = [i for face in np.flatnonzero(found[k]).tolist() for i in of.below[k][face]]
        found[k - 1][members] = True
    return found


def _boundary(of: ValuedComplex, winners: Sequence[int]) -> list[BitArray]:
    """The faces of the facets between two cells that decide differently."""
    beside = dict[int, int]()
    own = np.zeros(of.counts[of.dim - 1], bool)
    for cell, members in enumerate(of.below[of.dim]):
        for i in members:
            own[i] |= beside.setdefault(i, winners[cell]) != winners[cell]
    return _closed(of, of.dim - 1, own)


# ---- homology


def _betti(of: ValuedComplex, kept: list[BitArray], faces: tuple[int, ...]) -> tuple[int, ...]:
    tree = _simplices(of, kept, [np.zeros(len(own)) for own in kept])
    tree.compute_persistence(homology_coeff_field=2, persistence_dim_max=True)
    given = [int(x) for x in tree.betti_numbers()] if any(faces) else []
    found = [*given, *([0] * (of.dim + 1 - len(given)))]
    if _alternating(found) != _alternating(faces) or found[of.dim]:
        raise EngineDefect("Betti numbers against Euler's relation", value=(faces, found))
    return tuple(found[: of.dim])


def _bars(of: ValuedComplex, values: Values) -> tuple[Bar, ...]:
    steps = sorted(set(values))
    rank = {value: place for place, value in enumerate(steps)}
    ranks = [np.array([rank[value] for value in values], dtype=np.float64)]
    for faces in of.below[1:]:
        last = ranks[-1]
        ranks.append(np.array([last[list(members)].max() for members in faces]))
    tree = _simplices(of, [np.ones(len(own), bool) for own in ranks], ranks)
    tree.compute_persistence(homology_coeff_field=2, persistence_dim_max=True)
    found = [
        (k, int(birth), None if np.isinf(death) else int(death))
        for k in range(of.dim + 1)
        for birth, death in tree.persistence_intervals_in_dimension(k)
    ]
    _check_euler(found, ranks, len(steps))
    return tuple(
        Bar(k, fraction(steps[birth]), None if death is None else fraction(steps[death]))
        for k, birth, death in sorted(found, key=lambda bar: (*bar[:2], bar[2] is None, bar[2]))
    )


def _check_euler(bars: Sequence[tuple[int, int, int | None]], ranks: list[Any], count: int) -> None:
    """EngineDefect unless Euler's relation holds at every value."""
    of_faces, of_bars = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    for k, own in enumerate(ranks):
        np.add.at(of_faces, own.astype(np.int64), (-1) ** k)
    for k, birth, death in bars:
        of_bars[birth] += (-1) ** k
        of_bars[count if death is None else death] -= (-1) ** k
    if not np.array_equal(of_faces.cumsum()[:-1], of_bars.cumsum()[:-1]):
        raise EngineDefect("persistence against Euler's relation", value=f"{len(bars)} bars")


def _simplices(of: ValuedComplex, kept: list[BitArray], ranks: list[Any]) -> Any:
    """The barycentric subdivision of a closed set of faces as a tree of GUDHI: a simplex for every
    chain of faces, each in the next. Chains that reach down to a vertex hold all others; a simplex
    has the least rank among the last faces of chains that hold it, that of its own last face.
    """
    tree = _gudhi().SimplexTree()
    offsets = np.cumsum([0, *of.counts])
    chains = np.flatnonzero(kept[0])[:, None]
    tree.insert_batch(np.ascontiguousarray(chains.T, dtype=np.int32), ranks[0][kept[0]])
    for k in range(1, of.dim + 1):
        own = np.flatnonzero(kept[k])
        below = [of.below[k][i] for i in own.tolist()]
        face = np.repeat(own, [len(members) for members in below])
        member = np.array([i for members in below for i in members], dtype=np.int64)
        chains = _extended(chains, offsets[k - 1], member, face + offsets[k])
        if len(chains) > _MOST_SIMPLICES:
            raise TooLarge(
                "more simplices than fit the memory",
                value=f"{len(chains):,} of dimension {k}",
                remedy="choose a smaller domain, or ask for the boundary",
            )
        values = ranks[k][chains[:, -1] - offsets[k]]
        tree.insert_batch(np.ascontiguousarray(chains.T, dtype=np.int32), values)
    return tree


def _extended(chains: IndexArray, offset: int, member: IndexArray, face: IndexArray) -> IndexArray:
    """Every chain that ends at a face, with each face that has it as a member behind it; chains
    are sorted by their last face, and so are the new ones.
    """
    last = chains[:, -1] if len(chains) else np.zeros(0, np.int64)
    first, end = (np.searchsorted(last, member + offset, side=s) for s in ("left", "right"))
    size = end - first
    starts = np.cumsum(size) - size
    rows = np.repeat(first - starts, size) + np.arange(int(size.sum()))
    found: IndexArray = np.concatenate([chains[rows], np.repeat(face, size)[:, None]], axis=1)
    return found


def _alternating(counts: Sequence[int]) -> int:
    return sum((-1) ** k * int(count) for k, count in enumerate(counts))


def _gudhi() -> Any:
    try:
        return import_module("gudhi")
    except ImportError as error:
        raise MissingExtra(
            "homology needs a library that is not installed",
            value="gudhi",
            remedy="pip install 'exactlens[topology]'",
        ) from error
