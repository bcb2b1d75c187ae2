"""Random networks under scaling, from subnormal weights to 1e300: every float is the nearest one,
scaling by 2^k changes none.

A seed is one job: a network, a domain, and powers of two for its rows, its domain and its gain. Two
things are asked. What is said in float64 is compared with an oracle, closed forms in fractions and
in mpmath with a precision far beyond every exponent; for bulk numbers with the bound that their
docstring states. And the laws: rows with their biases times 2^k give equal floats; gain and bias of
a norm times 2^k with the next weights times 2^-k likewise; domain and biases times 2^k give floats
times 2^k. `verdict(seed)` lists what is wrong, an exception included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, pairwise, product
from random import Random
from typing import Any

import mpmath
import numpy as np

from exact import Box, GreatCircle, GreatSphere, Line, NormBall, Ray, Segment, Sphere, partition
from exact.arithmetic.numbers import rational
from exact.geometry.combinatorics.codes import Hinge
from exact.geometry.domains.base import Domain
from exact.instruments import norm_geometry
from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
from exact.instruments.critical_radii import critical_radii
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.networks.norms import LayerNorm, RMSNorm
from exact.regions.arcs.circles.batches import partition_circles
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.norm_ball import NormBallPartition
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.partition import SpherePartition
from exact.sources import tensors

Row = tuple[Fraction, ...]
Float = float | np.floating[Any]
POWERS = (0, 0, 1, -1, 37, -260, 300, -531, 700, -1000, 990)
SIZES = (
    *(Fraction(10) ** e for e in (80, -80, -100, 160, -160, 300, -300, -320)),
    Fraction(1, 3),
    Fraction(1),
)
_BITS = 4000  # of the oracle: beyond the exponents of the numbers that it adds


# ---- the oracle


def nearest(value: Any) -> float:
    """The float nearest to a Fraction or to an mpf that is known to thousands of bits."""
    if isinstance(value, Fraction):
        over, under = value.numerator, value.denominator
    else:
        sign, mantissa, power, _ = mpmath.mpf(value)._mpf_
        over, under = (-1) ** sign * int(mantissa) << max(power, 0), 1 << max(-power, 0)
    try:
        return over / under
    except OverflowError:
        return math.inf if over > 0 else -math.inf


def of_mpf(value: Any) -> Fraction:
    sign, mantissa, power, _ = mpmath.mpf(value)._mpf_
    return (-1) ** sign * int(mantissa) * Fraction(2) ** int(power)


def real(value: Fraction | int) -> Any:
    value = Fraction(value)
    return mpmath.mpf(value.numerator) / value.denominator


def inner(a: Sequence[Any], b: Sequence[Any]) -> Any:
    return sum((x * y for x, y in zip(a, b, strict=True)), 0)


def is_exactly(found: Float, known: Any) -> bool:
    return float(found) == nearest(known)


@dataclass(frozen=True)
class Job:
    """One hidden layer (rows, biases), the way it is scaled, and the kind of domain with its
    numbers.
    """

    kind: str
    rows: tuple[Row, ...]
    bias: Row
    powers: tuple[int, ...]
    size: Fraction
    shift: int
    norm: str | None = None
    gain: Row = ()
    norm_bias: Row = ()
    eps: Fraction = Fraction(0)
    eps_rule: str = "var"
    vectors: tuple[Row, ...] = ()
    square: Fraction = Fraction(1)
    deep: bool = False

    @property
    def dim(self) -> int:
        return len(self.rows[0])

    def network(self, powers: Sequence[int] | None = None, gain: int = 0) -> Network:
        """The network, its rows times `size` and powers of two; `gain` moves a power of two from
        the weights to the norm.
        """
        scales = [self.size * Fraction(2) ** k for k in (powers or [0] * len(self.rows))]
        move = Fraction(2) ** gain
        rows = [[s * x / move for x in row] for s, row in zip(scales, self.rows, strict=True)]
        bias = [s * b for s, b in zip(scales, self.bias, strict=True)]
        width = len(rows)
        if self.norm is not None:
            return tensors.block(
                as_floats(rows),
                as_floats(bias),
                [[1] * width],
                [0],
                norm=self.norm,
                eps=self.eps,
                gain=[move * g for g in self.gain],
                bias=[move * b for b in self.norm_bias],
                eps_rule=self.eps_rule,
            )  # type: ignore[arg-type]
        layers: list[tuple[Any, Any]] = [(as_floats(rows), as_floats(bias))]
        # a second hidden layer that undoes the scales of the first, so that the laws hold for it
        # too
        if self.deep:
            back = [
                [Fraction((i + 2 * j) % 5 - 2) / s for j, s in enumerate(scales)] for i in range(3)
            ]
            layers.append((as_floats(back), [Fraction(1, 3), Fraction(-1, 7), Fraction(0)]))
            width = 3
        return tensors.mlp([*layers, ([[1] * width], [0])])

    def domain(self, shift: int = 0) -> Domain:
        """The domain, its lengths times 2^shift."""
        by, v = Fraction(2) ** shift, self.vectors
        scaled = [tuple(by * x for x in vector) for vector in v]
        makers: dict[str, Callable[[], Domain]] = {
            "segment": lambda: Segment(scaled[0], scaled[1]),
            "nested": lambda: Segment(scaled[0], scaled[1]),
            "ray": lambda: Ray(scaled[0], v[1]),
            "line": lambda: Line(scaled[0], v[1]),
            "circle": lambda: GreatCircle(v[0], v[1], self.square * by * by),
            "norm circle": lambda: GreatCircle(v[0], v[1]),
            "sphere": lambda: Sphere(radius_squared=self.square * by * by),
            "great sphere": lambda: GreatSphere(*v, radius_squared=self.square * by * by),
            "ball": NormBall,
            "box": lambda: Box(
                scaled[0], [a + b for a, b in zip(scaled[0], scaled[1], strict=True)]
            ),
        }
        return makers[self.kind]()

    def with_bias_times(self, power: int) -> Job:
        return replace(self, bias=tuple(b * Fraction(2) ** power for b in self.bias))


def as_floats(values: Any) -> Any:
    """An array of floats where that loses nothing, else the fractions themselves."""
    entries = [x for row in values for x in (row if isinstance(row, list) else [row])]
    lossless = all(abs(x) < 2**1000 and Fraction(nearest(x)) == x for x in entries)
    return np.array(values, dtype=object).astype(np.float64) if lossless else values


# ---- jobs

KINDS = (
    "nested",
    "segment",
    "ray",
    "line",
    *["circle", "norm circle"] * 2,
    "sphere",
    "great sphere",
    "ball",
    "box",
)


def job(seed: int) -> Job:
    """The network, the domain and the scales of a seed."""
    random = Random(seed)
    kind = random.choice(KINDS)
    norm = (
        random.choice(["layernorm", "rms"]) if kind in ("norm circle", "ball", "nested") else None
    )
    n = {
        "segment": 2,
        "ray": 2,
        "line": 2,
        "circle": 3,
        "sphere": 3,
        "great sphere": 4,
        "box": 2,
    }.get(kind, 2)
    n += 1 if norm == "layernorm" or kind == "norm circle" else 0
    n += 1 if kind == "nested" else 0
    width = random.choice([1, 2, 3, 3, 4, 5, 5, 50]) if "circle" in kind else random.randint(1, 3)
    if kind in ("sphere", "great sphere"):
        width = random.choice([1, 2, 3])
    entry = random.choice(
        [lambda: Fraction(random.randint(-3, 3)), lambda: Fraction(random.randint(-99, 99), 64)]
    )
    offset = (lambda: Fraction(0)) if kind in ("sphere", "great sphere") and width > 1 else entry
    eps = random.choice(
        [Fraction(1), Fraction(1, 3), Fraction(1, 10**9), Fraction(1, 10**320), Fraction(10) ** 200]
    )
    return Job(
        kind,
        tuple(nonzero(entry, n) for _ in range(width)),
        tuple(offset() for _ in range(width)),
        tuple(random.choice(POWERS) for _ in range(width)),
        random.choice(SIZES),
        random.choice([1, -3, 40, -200, 250]),
        norm,
        nonzero(entry, n),
        tuple(entry() for _ in range(n)),
        eps if kind == "ball" else Fraction(1, 7) if kind == "nested" else Fraction(0),
        random.choice(["var", "std"]) if kind == "ball" else "var",
        tuple(random_vectors(random, kind, n)),
        random.choice(
            [
                Fraction(1),
                Fraction(7, 3),
                Fraction(1, 10**200),
                Fraction(10) ** 300,
                Fraction(1, 10**310),
            ]
        ),
        deep=norm is None
        and random.random() < 0.3
        and kind in ("segment", "ray", "line", "circle"),
    )


def nonzero(entry: Callable[[], Fraction], n: int) -> Row:
    return next(row for row in iter(lambda: tuple(entry() for _ in range(n)), None) if any(row))


def random_vectors(random: Random, kind: str, n: int) -> list[Row]:
    """Vectors of integers in general position (also modulo (1, ..., 1)), of one random size, which
    may differ between them.
    """
    count = {"great sphere": 3, "sphere": 0, "ball": 1}.get(kind, 2)
    sizes = [
        random.choice([Fraction(1), Fraction(1), Fraction(10) ** 170, Fraction(1, 10**170)])
        for _ in range(count)
    ]
    if kind == "box":
        sizes = [sizes[0], sizes[0]]
    elif (
        kind == "nested"
        # polynomials with coefficients 10^340 apart would keep the elimination of roots busy for
        # minutes
    ):
        sizes = [Fraction(1), Fraction(1)]
    while True:
        found = [[random.randint(-4, 4) for _ in range(n)] for _ in range(count)]
        found = [[abs(x) + 1 for x in row] for row in found] if kind == "box" else found
        table = np.array([*found, [1] * n], dtype=float)[: n if kind != "box" else 1]
        if np.linalg.matrix_rank(table) == len(table) and all(map(any, found)):
            return [tuple(size * x for x in row) for size, row in zip(sizes, found, strict=True)]


# ---- what floats are asked of


def curve_floats(found: CurvePartition) -> list[float]:
    """Every float of a partition of a curve."""
    values = [
        c.parameter_float if found.frame.is_straight else c.angle_float for c in found.crossings
    ]
    values += [data["position"] for _, _, data in found.graph(witnesses=False).edges(data=True)]
    for region in found.regions:
        ends = region.endpoints_float  # type: ignore[attr-defined]
        values += [
            *region.parameters_float,
            *([] if ends is None else [x for end in ends for x in end.tolist()]),
        ]  # type: ignore[attr-defined]
    return values


def lengths(found: CurvePartition) -> list[float]:
    return [region.length_float for region in found.regions]  # type: ignore[attr-defined]


def equal(first: Sequence[Float], second: Sequence[Float], scale: int = 0) -> bool:
    """Whether lists of floats agree, the first times 2^scale; numbers that such a power takes out
    of range say nothing.
    """
    if len(first) != len(second):
        return False
    for x, y in zip(map(float, first), map(float, second), strict=True):
        moved = (
            math.ldexp(x, scale)
            if math.isfinite(x) and -900 < math.frexp(x)[1] + scale < 1000
            else None
        )
        safe = (
            x == 0 or not math.isfinite(x) or (moved is not None and abs(math.frexp(x)[1]) < 1000)
        )
        if safe and y != (x if moved is None else moved):
            return False
    return True


# ---- curves


def line_oracle(one: Job) -> tuple[list[Fraction], Row, Row]:
    """The parameters at which rows vanish on the line, in order, with its point and its
    direction.
    """
    p, q = one.vectors
    step = tuple(b - a for a, b in zip(p, q, strict=True)) if one.kind == "segment" else q
    slopes = [(inner(w, step), inner(w, p) + b) for w, b in zip(one.rows, one.bias, strict=True)]
    zeros = {-c / a for a, c in slopes if a != 0}
    low, high = {"segment": (0, 1), "ray": (0, math.inf), "line": (-math.inf, math.inf)}[one.kind]
    return sorted(t for t in zeros if low < t < high), p, step


def line_faults(one: Job) -> Iterator[str]:
    found = partition(one.network(one.powers), one.domain())
    assert isinstance(found, CurvePartition)
    if not one.deep:
        zeros, p, step = line_oracle(one)
        ends = [
            *([Fraction(0)] if one.kind != "line" else []),
            *zeros,
            *([Fraction(1)] if one.kind == "segment" else []),
        ]
        if [c.parameter_float for c in found.crossings] != [nearest(t) for t in zeros]:
            yield "parameters are not the nearest floats"
        square = real(inner(step, step))
        for cell, region in enumerate(found.regions):
            first = ends[cell - (one.kind == "line")] if cell or one.kind != "line" else None
            last = (
                ends[cell + (one.kind != "line")]
                if cell + (one.kind != "line") < len(ends)
                else None
            )
            pair = region.endpoints_float  # type: ignore[attr-defined]
            for t, end in zip((first, last), pair, strict=True):
                if t is not None and end.tolist() != [
                    nearest(a + t * b) for a, b in zip(p, step, strict=True)
                ]:
                    yield f"an end of cell {cell} is not the nearest float"
            known = (
                math.inf
                if first is None or last is None
                else nearest(mpmath.sqrt(square) * real(last - first))
            )
            if region.length_float != known:  # type: ignore[attr-defined]
                yield f"the length of cell {cell} is not the nearest float"
    yield from curve_laws(one, found)


def curve_laws(one: Job, found: CurvePartition) -> Iterator[str]:
    plain = partition(one.network(), one.domain())
    assert isinstance(plain, CurvePartition)
    if not equal(curve_floats(plain), curve_floats(found)) or not equal(
        lengths(plain), lengths(found)
    ):
        yield "rows and biases times powers of two change floats"
    if one.norm is not None:
        moved = partition(one.network(one.powers, gain=one.shift), one.domain())
        assert isinstance(moved, CurvePartition)
        if not equal(curve_floats(found), curve_floats(moved)):
            yield "a power of two moved from the weights to the norm changes floats"
    elif not one.deep:
        wide = partition(one.with_bias_times(one.shift).network(one.powers), one.domain(one.shift))
        assert isinstance(wide, CurvePartition)
        if not equal(lengths(found), lengths(wide), one.shift):
            yield "domain and biases times 2^k do not give lengths times 2^k"


def frame_of(one: Job) -> tuple[list[Any], list[Any], Any]:
    """An orthonormal frame of the circle in mpmath, and its radius; LayerNorm takes the mean
    off.
    """
    u, v = ([real(x) for x in vector] for vector in one.vectors)
    if one.norm == "layernorm":
        u, v = ([x - sum(vector, mpmath.mpf(0)) / one.dim for x in vector] for vector in (u, v))
    size = mpmath.sqrt(inner(u, u))
    first = [x / size for x in u]
    across = inner(first, v)
    rest = [y - across * x for x, y in zip(first, v, strict=True)]
    height = mpmath.sqrt(inner(rest, rest))
    radius = mpmath.sqrt(one.dim) if one.norm else mpmath.sqrt(real(one.square))
    return first, [x / height for x in rest], radius


def angles_of(one: Job) -> list[Any]:
    """The angles in [0, 2 pi) at which rows vanish: of p cos t + q sin t + c they are those of (p,
    q) plus minus acos.
    """
    first, second, radius = frame_of(one)
    found: list[Any] = []
    for w, b in zip(one.rows, one.bias, strict=True):
        row = [
            real(x * g) for x, g in zip(w, one.gain if one.norm else (1,) * one.dim, strict=True)
        ]
        c = real(b + (inner(w, one.norm_bias) if one.norm else 0))
        p, q = radius * inner(row, first), radius * inner(row, second)
        size = mpmath.sqrt(p * p + q * q)
        if size > mpmath.ldexp(max(map(abs, row), default=0), -_BITS // 2) and abs(c) < size * (
            1 - mpmath.ldexp(1, -400)
        ):
            middle, half = mpmath.atan2(q, p), mpmath.acos(-c / size)
            found += [(middle + s * half) % (2 * mpmath.pi) for s in (1, -1)]
    return sorted(found)


def distinct(angles: Sequence[Any]) -> list[Any]:
    """Angles without repetition: equal ones differ by the rounding of the oracle."""
    tiny = mpmath.ldexp(1, -_BITS // 4)
    kept = [t for i, t in enumerate(angles) if i == 0 or t - angles[i - 1] > tiny]
    return [mpmath.mpf(0) if t < tiny or 2 * mpmath.pi - t < tiny else t for t in kept]


def circle_faults(one: Job) -> Iterator[str]:
    found = partition(one.network(one.powers), one.domain())
    assert isinstance(found, CurvePartition)
    if not one.deep:
        known = sorted(distinct(angles_of(one)))
        angles = [c.angle_float for c in found.crossings if not c.tangent]
        if angles != [nearest(t) for t in known]:
            yield "angles are not the nearest floats"
        else:
            yield from points_on_circle(one, found, known)
    yield from curve_laws(one, found)
    if one.kind == "circle" and not one.deep:
        yield from batch_faults(one, found)


def points_on_circle(one: Job, found: CurvePartition, known: Sequence[Any]) -> Iterator[str]:
    first, second, radius = frame_of(one)
    for cell, (start, stop) in enumerate(
        pairwise([*known, *(t + 2 * mpmath.pi for t in known[:1])])
    ):
        region = found.regions[cell]
        ends = region.endpoints_float  # type: ignore[attr-defined]
        if region.parameters_float != (nearest(start), nearest(stop)):  # type: ignore[attr-defined]
            yield "the parameters of an arc are not the nearest floats"
        if region.length_float != nearest(radius * (stop - start)):  # type: ignore[attr-defined]
            yield "the length of an arc is not the nearest float"
        for t, end in zip((start, stop), ends, strict=True):
            point = [
                radius * (mpmath.cos(t) * x + mpmath.sin(t) * y)
                for x, y in zip(first, second, strict=True)
            ]
            point = [
                x if abs(x) > mpmath.ldexp(radius, -_BITS // 4) else mpmath.mpf(0) for x in point
            ]
            if end.tolist() != [nearest(x) for x in point]:
                yield "an end of an arc is not the nearest float"


def batch_faults(one: Job, found: CurvePartition) -> Iterator[str]:
    u, v = one.vectors
    batch = partition_circles(
        one.network(one.powers), [u], [v], radius_squared=rational(one.square)
    )
    if batch[0].digest != found.digest:
        yield "a batch of circles has other codes"
    if not equal(curve_floats(found), curve_floats(batch[0])):
        yield "a batch of circles has other floats"
    near = batch.angles_float(0)[np.flatnonzero(batch.opens)]
    exact = [c.angle_float for c in batch[0].crossings if not c.tangent]
    gap = np.abs(near - exact) if len(near) == len(exact) else np.array([1.0])
    if len(gap) and float(np.minimum(gap, 2 * math.pi - gap).max()) > 2.0**-18:
        yield "angles of a batch are beyond their bound"


# ---- behind two norms


def nested_network(one: Job, powers: Sequence[int], shift: int) -> Network:
    """A block and another behind norms of their own; what scales the first is undone by its output,
    or moved to its norm.
    """
    first = one.network(powers, shift)
    undone = [
        [(1 + (i * j + i) % 3) / (one.size * Fraction(2) ** k) for j, k in enumerate(powers)]
        for i in range(one.dim)
    ]
    head = first.blocks[0]
    out = Layer.of(as_floats(undone), [Fraction(i, 5) for i in range(one.dim)])
    block = replace(head, layers=(head.layers[0], out))
    return Network((block, one.network(powers).blocks[0]))


def nested_faults(one: Job) -> Iterator[str]:
    """The nearest float to a zero of a hinge has it within half an ulp: there its sign changes,
    evaluated in mpmath.
    """
    found = partition(nested_network(one, one.powers, one.shift), one.domain())
    assert isinstance(found, CurvePartition)
    for crossing in found.crossings:
        t = crossing.parameter_float
        if not crossing.tangent and 0 < t < 1:
            ends = [(Fraction(t) + Fraction(math.nextafter(t, to))) / 2 for to in (0.0, 1.0)]
            signs = [nested_value(one, crossing.hinges[0], end) > 0 for end in ends]
            if signs[0] == signs[1]:
                yield "the parameter of a crossing behind two norms is not the nearest float"
    plain = partition(nested_network(one, [0] * len(one.rows), 0), one.domain())
    assert isinstance(plain, CurvePartition)
    if not equal(curve_floats(plain), curve_floats(found)) or not equal(
        lengths(plain), lengths(found)
    ):
        yield "scaling by powers of two changes floats behind two norms"


def nested_value(one: Job, hinge: Hinge, t: Fraction) -> Any:
    """The pre-activation of a hinge at a point of the segment; `size` and powers of two left out,
    which keeps its sign.
    """
    p, q = one.vectors
    x = [real(a + t * (b - a)) for a, b in zip(p, q, strict=True)]
    z = pre_activations(one, x)
    if hinge.layer == 1:
        return z[hinge.neuron]
    y = [max(value, mpmath.mpf(0)) for value in z]
    out = [
        sum((1 + (i * j + i) % 3) * v for j, v in enumerate(y)) + real(Fraction(i, 5))
        for i in range(one.dim)
    ]
    return pre_activations(one, out)[hinge.neuron]


def pre_activations(one: Job, x: Sequence[Any]) -> list[Any]:
    n = one.dim
    centred = [a - sum(x) / n for a in x] if one.norm == "layernorm" else list(x)
    scale = mpmath.sqrt(inner(centred, centred) / n + real(one.eps))
    y = [
        real(g) * a / scale + real(b)
        for g, a, b in zip(one.gain, centred, one.norm_bias, strict=True)
    ]
    return [
        inner([real(a) for a in w], y) + real(b) for w, b in zip(one.rows, one.bias, strict=True)
    ]


# ---- spheres


def sphere_faults(one: Job) -> Iterator[str]:
    found = partition(one.network(one.powers), one.domain())
    assert isinstance(found, SpherePartition)
    yield from measures(one, found)
    plain = partition(one.network(), one.domain())
    assert isinstance(plain, SpherePartition)
    if not equal(sphere_floats(plain), sphere_floats(found)):
        yield "rows and biases times powers of two change floats of a sphere"
    wide = partition(one.with_bias_times(one.shift).network(one.powers), one.domain(one.shift))
    assert isinstance(wide, SpherePartition)
    if not equal(
        [a.length_float for a in found.arcs], [a.length_float for a in wide.arcs], one.shift
    ):
        yield "sphere and biases times 2^k do not give lengths times 2^k"
    if not equal(
        [r.area_float for r in found.regions], [r.area_float for r in wide.regions], 2 * one.shift
    ):
        yield "sphere and biases times 2^k do not give areas times 4^k"
    yield from sphere_oracle(one, found)


def sphere_floats(found: SpherePartition) -> list[float]:
    values = [r.area_float for r in found.regions] + [float(r.perimeter) for r in found.regions]
    values += [arc.length_float for arc in found.arcs] + [float(arc.angle) for arc in found.arcs]
    return values + [x for v in found.vertices for x in v.point_float.tolist()]


def measures(one: Job, found: SpherePartition) -> Iterator[str]:
    """Bulk measures within 2^-40 of the sphere and of a great circle."""
    whole, turn = float(found.area), nearest(2 * mpmath.pi * mpmath.sqrt(real(one.square)))
    for name, bulk, certain, size in (
        ("areas", found.areas_float(), [r.area_float for r in found.regions], whole),
        ("lengths", found.lengths_float(), [a.length_float for a in found.arcs], turn),
    ):
        if len(bulk) and not np.all(np.abs(bulk - certain) <= 2.0**-40 * size):
            yield f"bulk {name} are beyond their bound"
    if not is_exactly(whole, 4 * mpmath.pi * real(one.square)):
        yield "the area of the sphere is not the nearest float"


def sphere_oracle(one: Job, found: SpherePartition) -> Iterator[str]:
    """One small circle: cap and length in closed form. Great circles of R^3: where they meet, and
    triangles by their angles.
    """
    if one.kind != "sphere":
        return
    square = one.square
    normals = [w for w in one.rows if any(w)]
    if len(normals) == 1:
        w, b = normals[0], one.bias[one.rows.index(normals[0])]
        below = square * inner(w, w) - b * b
        if below > 0:
            height = real(b) / mpmath.sqrt(real(inner(w, w)))
            radius = mpmath.sqrt(real(square))
            known = sorted(nearest(2 * mpmath.pi * radius * (radius + s * height)) for s in (1, -1))
            if sorted(r.area_float for r in found.regions) != known:
                yield "the area of a cap is not the nearest float"
            if [a.length_float for a in found.arcs] != [
                nearest(2 * mpmath.pi * mpmath.sqrt(real(below / inner(w, w))))
            ]:
                yield "the length of a circle is not the nearest float"
    elif not any(one.bias):
        crossings = [cross(a, b) for a, b in combinations(normals, 2)]
        units = [
            [s * mpmath.sqrt(real(square)) * real(x) / mpmath.sqrt(real(inner(v, v))) for x in v]
            for v in crossings
            if any(v)
            for s in (1, -1)
        ]
        if {tuple(v.point_float.tolist()) for v in found.vertices} != {
            tuple(map(nearest, unit)) for unit in units
        }:
            yield "vertices are not the nearest floats"
        independent = len(normals) == 3 and inner(normals[0], cross(normals[1], normals[2])) != 0
        if independent and sorted(r.area_float for r in found.regions) != sorted(
            triangles(normals, square)
        ):
            yield "the area of a triangle is not the nearest float"


def cross(a: Row, b: Row) -> Row:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def triangles(normals: Sequence[Row], square: Fraction) -> Iterator[float]:
    """The eight triangles between three great circles: R^2 times their angles less pi (Girard)."""
    cosines = {
        (i, j): real(inner(normals[i], normals[j]))
        / mpmath.sqrt(real(inner(normals[i], normals[i]) * inner(normals[j], normals[j])))
        for i, j in combinations(range(3), 2)
    }
    for signs in product((1, -1), repeat=3):
        angles = [mpmath.pi - mpmath.acos(signs[i] * signs[j] * c) for (i, j), c in cosines.items()]
        yield nearest(real(square) * (sum(angles, mpmath.mpf(0)) - mpmath.pi))


# ---- norms


def ball_faults(one: Job) -> Iterator[str]:
    """Critical radii of one direction, in closed form; the axes of the image; radii of the ball."""
    network, (x,) = one.network(one.powers), one.vectors
    flips = critical_radii(network, x).flips
    known = sorted(set(flip_radii(one, x)))
    if sorted({flip.radius_float for flip in flips}) != [nearest(r) for r in known]:
        yield "critical radii are not the nearest floats"
    bounds = critical_radii_float(network, [x])
    last = max(known, default=mpmath.mpf(0))
    if not (fraction_of(bounds.lower[0]) <= of_mpf(last) <= fraction_of(bounds.upper[0])):
        yield "the bounds on a critical radius do not hold it"
    plain = critical_radii(one.network(), x).flips
    moved = critical_radii(one.network(one.powers, gain=one.shift), x).flips
    if (
        not [f.radius_float for f in plain]
        == [f.radius_float for f in flips]
        == [f.radius_float for f in moved]
    ):
        yield "scaling by powers of two changes critical radii"
    ball = partition(one.network(), NormBall())
    assert isinstance(ball, NormBallPartition)
    scaled = partition(network, NormBall())
    assert isinstance(scaled, NormBallPartition)
    if not equal(
        ball.cells_by_radius.radii_float.tolist(), scaled.cells_by_radius.radii_float.tolist()
    ):
        yield "scaling by powers of two changes the radii of a ball"
    yield from axis_faults(one)


def fraction_of(value: Float) -> Fraction | float:
    return Fraction(float(value)) if math.isfinite(value) else float(value)


def flip_radii(one: Job, x: Row) -> Iterator[Any]:
    n = one.dim
    image = [a - sum(x) / n for a in x] if one.norm == "layernorm" else list(x)
    q = inner(image, image)
    for w, b in zip(one.rows, one.bias, strict=True):
        a, c = (
            inner([g * y for g, y in zip(w, one.gain, strict=True)], image),
            b + inner(w, one.norm_bias),
        )
        if a * c < 0 and c * c * q < a * a * n:
            s2 = c * c * q / (a * a * n)
            s, eps = mpmath.sqrt(real(s2)), real(one.eps)
            yield (
                mpmath.sqrt(n * eps * real(s2 / (1 - s2)))
                if one.eps_rule == "var"
                else eps * mpmath.sqrt(n) * (real(s2) + s) / real(1 - s2)
            )


def axis_faults(one: Job) -> Iterator[str]:
    """Semi-axes: sqrt(n) |gain| behind RMSNorm; of the plane of LayerNorm in R^3 by trace and
    second minor.
    """
    scale, n = Fraction(2) ** one.powers[0] * one.size, one.dim
    gain = [scale * g for g in one.gain]
    if one.norm == "rms":
        known = sorted({nearest(mpmath.sqrt(n) * real(abs(g))) for g in gain if g})
        axes = norm_geometry.ellipsoid(RMSNorm.of(eps=0, gain=gain)).axes
    else:
        squares = [g * g for g in gain]
        trace = sum(squares) * Fraction(n - 1, n)
        minor = sum(a * b for a, b in combinations(squares, 2)) * (
            Fraction(n - 1, n) ** 2 - Fraction(1, n * n)
        )
        root = mpmath.sqrt(real(trace * trace - 4 * minor))
        high = (real(trace) + root) / 2
        eigenvalues = [high, real(minor) / high]
        known = sorted({nearest(mpmath.sqrt(n * t)) for t in eigenvalues if t > 0})
        axes = norm_geometry.ellipsoid(LayerNorm.of(eps=0, gain=gain)).axes
    if sorted({axis.length_float for axis in axes}) != known:
        yield "semi-axes are not the nearest floats"
    if any(axis.direction_error > 2.0**-52 for axis in axes):
        yield "directions of axes are not as close as floats can be"


# ---- boxes


def box_faults(one: Job) -> Iterator[str]:
    found = partition(one.network(one.powers), one.domain())
    assert isinstance(found, FlatPartition)
    for index, (region, polygon) in enumerate(zip(found.regions, found.polygons(), strict=True)):
        corners = {tuple(map(nearest, vertex)) for vertex in region.vertices}
        if not polygon.is_empty and set(polygon.exterior.coords) != corners:
            yield f"corners of region {index} are not the nearest floats"
        for facet, measure in zip(region.facets, region.facet_measures, strict=True):
            *normal, offset = facet.hyperplane
            ends = [v for v in region.vertices if inner(normal, v) + offset == 0]
            gap = [a - b for a, b in zip(ends[0], ends[-1], strict=True)]
            if not is_exactly(float(measure), mpmath.sqrt(real(inner(gap, gap)))):
                yield f"an edge of region {index} has not the nearest float"
        maps = region.affine
        if maps.float64()[0].tolist() != [
            [nearest(x) for x in row] for row in maps.matrix.tolist()
        ]:
            yield f"the map of region {index} is not the nearest floats"
    plain = partition(one.network(), one.domain())
    assert isinstance(plain, FlatPartition)
    if [p.wkb for p in plain.polygons()] != [p.wkb for p in found.polygons()]:
        yield "rows and biases times powers of two change polygons"


FAULTS: dict[str, Callable[[Job], Iterator[str]]] = {
    "nested": nested_faults,
    "segment": line_faults,
    "ray": line_faults,
    "line": line_faults,
    "circle": circle_faults,
    "norm circle": circle_faults,
    "sphere": sphere_faults,
    "great sphere": sphere_faults,
    "ball": ball_faults,
    "box": box_faults,
}


def verdict(seed: int) -> tuple[int, list[str]]:
    """What is wrong with the floats of one seed; an exception is wrong too."""
    try:
        with mpmath.workprec(_BITS):
            one = job(seed)
            return seed, list(FAULTS[one.kind](one))
    except Exception as error:
        return seed, [f"{type(error).__name__}: {error}"[:300]]
