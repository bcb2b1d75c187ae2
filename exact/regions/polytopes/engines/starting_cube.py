"""The complex that cutting starts from: one cube, and room for what comes."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from exact.arithmetic.numbers import Rational
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.kernels import splitting
from exact.kernels.splitting import Complex

Array = np.ndarray[Any, Any]


def box_of(flat: Flat) -> list[tuple[Halfspace, Halfspace]] | None:
    """The walls as (lower, upper) pairs along the axes, when that is what they are and they leave
    room; else None.
    """
    pairs: list[list[Halfspace | None]] = [[None, None] for _ in range(flat.dim)]
    for wall in flat.walls:
        axes = [i for i, x in enumerate(wall.normal) if x]
        if len(axes) != 1 or pairs[axes[0]][wall.normal[axes[0]] < 0] is not None:
            return None
        pairs[axes[0]][wall.normal[axes[0]] < 0] = wall
    found = [(low, high) for low, high in pairs if low is not None and high is not None]
    if len(found) < flat.dim:
        return None
    ends = [
        [Rational(-wall.offset, wall.normal[i]) for wall in pair] for i, pair in enumerate(found)
    ]
    return found if all(low < high for low, high in ends) else None


def empty_complex(d: int, bounded: bool, width: int) -> Complex:
    """Arrays with room for the cube."""
    v, f, m = max(2**11, 2 ** (d + 1)), max(2**12, 3**d + 1), 2**11

    def i4(*shape: int) -> Array:
        return np.zeros(shape, np.int32)

    def i1(size: int) -> Array:
        return np.zeros(size, np.int8)

    def i8(size: int) -> Array:
        return np.zeros(size, np.int64)

    far = 1 if bounded else v
    return Complex(
        n=i8(splitting.COUNTERS),
        vertices=splitting.Vertices(
            finite=np.zeros((v, d)),
            infinite=np.zeros((far, d)),
            finite_error=np.zeros(v),
            infinite_error=np.zeros(far),
            planes=i4(v, d),
            sign=i1(v),
            stamp=i4(v),
            mark=i4(v),
        ),
        faces=splitting.Faces(
            rows=i4(f, max(16, splitting.PLANE + d)), seen=i4(f), work=i4(f), stack=i4(f)
        ),
        cells=splitting.Cells(
            facet_start=i8(m),
            facet_count=i4(m),
            corner_start=i8(m),
            corner_count=i4(m),
            candidate_start=i8(m),
            candidate_count=i4(m),
            base=i4(m),
            link=i4(m),
            code=np.zeros((m, width), np.uint8),
            flag=i1(m),
        ),
        planes=splitting.Planes(
            rows=np.zeros((m, d + 2)),
            normal_error=np.zeros(m),
            offset_error=np.zeros(m),
            normal_size=np.zeros(m),
            hinge=i4(m),
        ),
        pool=i4(max(2**16, 2 * d * 3**d + 2**d)),
        scratch=np.zeros((4, d, d)),
        levels=i8(d + 1),
    )


def enter_cube(c: Complex, d: int) -> None:
    """The faces of a cube; a face is known by what it does in each coordinate: at the lower wall,
    at the upper, between.
    """
    number: dict[tuple[int, ...], int] = {}
    top = 0
    for kind in sorted(product((0, 1, 2), repeat=d), key=lambda kind: kind.count(2)):
        dim = kind.count(2)
        planes = [2 * i + side for i, side in enumerate(kind) if side != 2]
        counter = (
            splitting.VERTICES if dim == 0 else splitting.CELLS if dim == d else splitting.FACES
        )
        index = number[kind] = int(c.n[counter])
        c.n[counter] += 1
        members = [
            number[(*kind[:i], side, *kind[i + 1 :])]
            for i in range(d)
            if kind[i] == 2
            for side in (0, 1)
        ]
        if dim == 0:
            c.vertices.planes[index] = planes
            continue
        c.pool[top : top + len(members)] = members
        if dim == d:
            c.cells.facet_start[index], c.cells.facet_count[index] = top, len(members)
        else:
            c.faces.rows[index, splitting.DIM], c.faces.rows[index, splitting.START] = dim, top
            c.faces.rows[index, splitting.COUNT] = len(members)
            c.faces.rows[index, splitting.PLANE : splitting.PLANE + d - dim] = planes
        top += len(members)
    c.pool[top : top + 2**d] = np.arange(2**d)
    c.cells.corner_start[0], c.cells.corner_count[0] = top, 2**d
    c.n[splitting.POOL] = top + 2**d
