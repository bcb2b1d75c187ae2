"""What a partition says of itself, verified by oracles of their own: witnesses, straddling pairs,
and its certificate.

A `Claim` is a network as plain data and a domain. Witnesses are evaluated with 3,000 digits through
any number of norms, straddling pairs in fractions; certificates go through the checker. Nothing of
`exact` evaluates a network here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import mpmath

from exact import (
    Ball,
    Box,
    Budget,
    GreatCircle,
    GreatSphere,
    HPolytope,
    Network,
    NormBall,
    Outcome,
    Partition,
    Ray,
    Segment,
    Sphere,
    Unsupported,
    partition,
)
from exact.check import Status
from exact.geometry.domains.base import Domain
from exact.regions.engine import Problem
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.codes import CodePartition
from tests.laws.random_networks import HINGES, Bits, codes
from tests.truths import engines, reading

DIGITS = 3000
NONE = mpmath.mpf(10) ** -1500
"""Smaller values are zero: products of subnormal floats are far larger, and a zero comes out with
nearly all digits.
"""
Number = Any  # a fraction or an mpmath number
Numbers = Sequence[Number]
Point = Sequence[Fraction]


@dataclass(frozen=True)
class Claim:
    """A network as plain data, and a domain."""

    data: reading.Json
    domain: Domain

    @cached_property
    def network(self) -> Network:
        return reading.network(self.data)

    @property
    def norms(self) -> list[reading.Json]:
        return [block["norm"] for block in self.data["blocks"] if block["norm"] is not None]

    @property
    def hinges(self) -> int:
        layers = (layer for block in self.data["blocks"] for layer in block["layers"])
        return sum(len(layer["bias"]) * HINGES[layer["activation"]["name"]] for layer in layers)

    @property
    def is_round(self) -> bool:
        return isinstance(self.domain, Sphere | GreatCircle | GreatSphere)

    @property
    def square(self) -> Fraction | None:
        """The squared length of the points of a sphere or circle, where it is given."""
        square = getattr(self.domain, "radius_squared", None) if self.is_round else None
        return None if square is None else plain(square)

    @property
    def has_certificate(self) -> bool:
        """Whether a complete partition has one: not in balls, of two points, behind several norms,
        or without a hinge.
        """
        points = isinstance(self.domain, Sphere) and self.network.input_dim - (self.norms != []) < 2
        odd = (
            isinstance(self.domain, Ball | NormBall)
            or points
            or (self.norms != [] and self.square is not None)
        )
        return not odd and len(self.norms) < 2 and self.hinges > 0

    def code_at(self, witness: Point) -> Bits:
        """The code at a point or, on a sphere or circle, in a direction; behind a norm that of the
        rays far out.
        """
        with mpmath.workdps(DIGITS):
            point = [real(x) for x in witness]
            if self.square is not None:
                length = mpmath.sqrt(sum(x * x for x in point) / real(self.square))
                point = [x / length for x in point]
            far = self.is_round and self.square is None

            def behind(norm: reading.Json, x: Numbers) -> list[Number]:
                return normalised(norm, x, 0 if far and norm is self.norms[0] else 1)

            return walked(self.data, point, behind, NONE)

    def straddling_code(self, point: Point) -> tuple[Bits, int]:
        """The code of the affine functions at a point off the sphere, and its side of the sphere: 1
        outside, -1 inside.
        """
        excess = Fraction(0) if self.square is None else squared(point) - self.square

        def centred(norm: reading.Json, x: Numbers) -> list[Number]:
            nonlocal excess
            rest = projected(norm, x)
            excess = squared(rest) - norm["dim"]
            return scaled(norm, rest)

        return walked(self.data, point, centred, Fraction(0)), (excess > 0) - (excess < 0)


# --- plain numbers
# --------------------------------------------------------------------------------------------------


def plain(number: Any) -> Fraction:
    """A rational of python-flint, or a fraction, as a fraction."""
    return number if isinstance(number, Fraction) else Fraction(int(number.p), int(number.q))


def real(number: Fraction) -> Any:
    return mpmath.mpf(number.numerator) / number.denominator


def squared(vector: Numbers) -> Number:
    return sum((x * x for x in vector), 0 * vector[0])


def projected(norm: reading.Json, x: Numbers) -> list[Number]:
    """What a norm leaves of a vector before it divides: LayerNorm removes the mean."""
    mean = sum(x[1:], x[0]) / len(x) if norm["name"] == "layer_norm" else 0
    return [value - mean for value in x]


def scaled(norm: reading.Json, x: Numbers) -> list[Number]:
    gain, bias = norm.get("gain", ["1"] * len(x)), norm.get("bias", ["0"] * len(x))
    as_real = not isinstance(x[0], Fraction)
    parts = (
        [real(Fraction(v)) if as_real else Fraction(v) for v in values] for values in (gain, bias)
    )
    return [g * value + b for g, b, value in zip(*parts, x, strict=True)]


def normalised(norm: reading.Json, x: Numbers, share_of_eps: int) -> list[Number]:
    rest = projected(norm, x)
    scale = mpmath.sqrt(squared(rest) / len(rest) + share_of_eps * real(Fraction(norm["eps"])))
    return scaled(norm, [value / scale for value in rest])


def walked(
    data: reading.Json,
    point: Numbers,
    normalise: Callable[[reading.Json, Numbers], Numbers],
    nothing: Number,
) -> Bits:
    """The code at a point; values up to `nothing` are zero."""
    x, found = list(point), list[int]()
    for block in data["blocks"]:
        y = x if block["norm"] is None else list(normalise(block["norm"], x))
        for part in block["layers"]:
            activation, forms = reading.oracle_activation(part["activation"]), reading.rows(part)
            z = [
                sum(
                    (number(w, v) * v for w, v in zip(form, y, strict=False)),
                    number(form[-1], y[0]),
                )
                for form in forms
            ]
            levels = [sum(v - number(t, v) > nothing for t in activation.breakpoints) for v in z]
            found += [
                int(k < level) for level in levels for k in range(len(activation.breakpoints))
            ]
            pieces = ((activation.slopes[level], activation.constants[level]) for level in levels)
            y = [number(a, v) * v + number(b, v) for (a, b), v in zip(pieces, z, strict=True)]
        x = y
    return tuple(found)


def number(value: Fraction, like: Number) -> Number:
    """A fraction as a number of the kind of another one."""
    return value if isinstance(like, Fraction) else real(value)


# --- verdicts
# --------------------------------------------------------------------------------------------------


def verdict(claim: Claim, only: Sequence[str] = ()) -> Iterator[str]:
    """What is wrong with the claims of any engine, or with one that differs from another in its set
    of codes.
    """
    sets = dict[str, set[Bits]]()
    read = Problem.of(claim.network, claim.domain)
    for engine in only or engines.ALL:
        if not engines.takes(engine, read.network, read.domain):
            continue
        try:
            found = partition(claim.network, claim.domain, engine=engine)
            yield from (f"{engine}: {fault}" for fault in faults(claim, found))
            sets[engine] = set(codes(found))
            if claim.hinges and len(found) > 1:
                part = partition(
                    claim.network,
                    claim.domain,
                    engine=engine,
                    budget=Budget(regions=len(found) // 2),
                )
                yield from (
                    f"{engine}, stopped early: {fault}" for fault in partial_faults(claim, part)
                )
        except Exception as error:
            yield f"{engine}: {type(error).__name__}: {error}"
    if any(found != next(iter(sets.values())) for found in sets.values()):
        yield f"the codes differ: { ({engine: len(found) for engine, found in sets.items()}) }"
    if not sets:
        yield "no engine takes this job"


def faults(claim: Claim, found: Partition) -> Iterator[str]:
    """What is wrong with a partition by itself."""
    undecided = len(claim.norms) > 1 and found.outcome is Outcome.UNDECIDED
    if found.outcome is not Outcome.COMPLETE and not undecided:
        yield f"the outcome is {found.outcome.value}"
    yield from wrong_points(claim, found)
    yield from wrong_certificates(claim, found, Status.COMPLETE)


def partial_faults(claim: Claim, found: Partition) -> Iterator[str]:
    """What is wrong with a partition that may have stopped early."""
    yield from wrong_points(claim, found)
    complete = found.outcome is Outcome.COMPLETE
    if complete or isinstance(found, FlatPartition | CodePartition):
        yield from wrong_certificates(
            claim, found, Status.COMPLETE if complete else Status.INCOMPLETE
        )


def wrong_points(claim: Claim, found: Partition) -> Iterator[str]:
    """Witnesses off the domain, or with another code; straddling pairs that are none."""
    for region, code in zip(found.regions, codes(found), strict=True):
        witness = region.witness
        if claim.code_at(witness) != code:
            yield f"the witness of region {region.index} has another code"
        if not is_in(claim.domain, witness):
            yield f"the witness of region {region.index} lies outside the domain"
        if not claim.is_round and tuple(found.code(witness).bits) != code:
            yield f"the network has another code at the witness of region {region.index}"
        if found.locate(witness) != region.index:
            yield f"the witness of region {region.index} is located elsewhere"
        if isinstance(found, CodePartition):
            basis = [[plain(x) for x in vector] for vector in found.chart.basis]
            pair = [
                [
                    sum((c * v for c, v in zip(y, column, strict=True)), Fraction(0))
                    for column in zip(*basis, strict=True)
                ]
                for y in region.straddling
            ]  # type: ignore[attr-defined]
            if [claim.straddling_code(point) for point in pair] != [(code, -1), (code, 1)]:
                yield f"the straddling pair of code {region.index} is none"


def is_in(domain: Domain, point: Point) -> bool:
    """Whether a point lies in a domain whose points are easily told; walls of a polyhedron may
    touch it.
    """
    if isinstance(domain, Box):
        return all(
            plain(a) < x < plain(b) for a, x, b in zip(domain.lo, point, domain.hi, strict=True)
        )
    if isinstance(domain, HPolytope):
        return all(
            sum(a * x for a, x in zip(row.coefficients, (*point, 1), strict=True)) >= 0
            for row in domain.rows
        )
    if isinstance(domain, Ball):
        return squared([x - plain(c) for x, c in zip(point, domain.centre, strict=True)]) < plain(
            domain.radius_squared
        )
    if isinstance(domain, Segment | Ray):
        start, end = (domain.p, domain.q) if isinstance(domain, Segment) else (domain.origin, None)
        along = (
            domain.direction
            if isinstance(domain, Ray)
            else [b - a for a, b in zip(domain.p, domain.q, strict=True)]
        )
        k = next(i for i, d in enumerate(along) if d != 0)
        t = (point[k] - plain(start[k])) / plain(along[k])
        on = all(x == plain(a) + t * plain(d) for x, a, d in zip(point, start, along, strict=True))
        return on and t > 0 and (end is None or t < 1)
    return True


def wrong_certificates(claim: Claim, found: Partition, status: Status) -> Iterator[str]:
    """A certificate that the checker does not accept for what the partition says."""
    if found.outcome is Outcome.UNDECIDED or not claim.has_certificate:
        return
    for maps in (True, False):
        try:
            answer = found.check(maps=maps)
        except Unsupported as error:
            yield f"there is no certificate: {error}"
            return
        if answer.status is not status or answer.regions != len(found):
            yield f"the certificate is {answer.status.value}: {answer.reason}"
        if answer.status is status and answer.maps is not (
            maps and isinstance(found, FlatPartition)
        ):
            yield "the certificate has maps that were not asked for, or lacks them"
        if not isinstance(found, FlatPartition):
            return
