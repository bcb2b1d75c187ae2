"""Laws of curves through several blocks with norms: every point of a cell has the cell's code,
whatever degenerates.
"""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from math import isqrt

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exact import (
    Block,
    GreatCircle,
    InvalidInput,
    Line,
    Network,
    Outcome,
    Ray,
    Segment,
    Undecided,
    Unsupported,
    partition,
)
from exact.arithmetic.numbers import Rational, rational
from exact.geometry.domains.base import CurveDomain
from exact.geometry.pencils.pencil import dyadic_direction
from exact.regions.arcs.partition import CurvePartition
from tests.laws.test_norms_on_curves import Draw

SEEDS = st.integers(0, 10**9)
SQUARE = 25


class Blocks(Draw):
    """One to three blocks, each with or without a norm, with or without a skip connection; a domain
    for them.
    """

    def blocks(self, inputs: int) -> Network:
        found, width = list[Block](), inputs
        for _ in range(self.randint(1, 3)):
            skip = self.random() < 0.4
            out, hidden = width if skip else self.randint(2, 4), self.randint(1, 4)
            two = (self.layer(width, hidden), self.layer(hidden, out))
            layers = two if self.random() < 0.7 else (self.layer(width, out),)
            found.append(Block(layers, self.norm(width) if self.random() < 0.7 else None, skip))
            width = out
        return Network(tuple(found))

    def curve(self, dim: int) -> CurveDomain:
        p, q = ([self.randint(-3, 3) for _ in range(dim)] for _ in range(2))
        kind = self.choice((Segment, Ray, Line, GreatCircle, None))
        return GreatCircle(p, q, radius_squared=SQUARE) if kind is None else kind(p, q)


def limit(network: Network, domain: CurveDomain) -> Network:
    """What a circle of directions sees: the first norm without its eps."""
    if not isinstance(domain, GreatCircle) or domain.radius_squared is not None:
        return network
    first = next(i for i, block in enumerate(network.blocks) if block.norm is not None)
    blocks = list(network.blocks)
    norm = blocks[first].norm
    assert norm is not None
    blocks[first] = replace(blocks[first], norm=replace(norm, eps=Rational(0)))
    return Network(tuple(blocks))


def answer(seed: int, engine: str | None = "nested_roots") -> CurvePartition | None:
    draw = Blocks(seed)
    dim = draw.randint(2, 4)
    try:
        found = partition(draw.blocks(dim), draw.curve(dim), engine=engine)
    except (InvalidInput, Unsupported):
        return None
    assert isinstance(found, CurvePartition)
    return found


def point_at(found: CurvePartition, alpha: Rational, beta: Rational) -> list[Fraction]:
    """A point of the domain; on a circle with a radius one that is off by less than 2^-190."""
    x = found.curve.ambient(alpha, beta)
    if found.curve.radius_squared is None:
        return list(x)
    share = SQUARE / sum((v * v for v in x), Fraction(0))
    factor = Fraction(isqrt(share.numerator * 4**200 // share.denominator), 2**200)
    return [factor * v for v in x]


def cell_at(found: CurvePartition, sigma: float) -> int | None:
    """The cell at a diamond angle, by the enclosures of the cuts alone."""
    before = [
        cut.direction.diamond(80)[1] < rational(sigma) for cut in found.cells.cuts[: len(found)]
    ]
    return (sum(before) - 1) % len(found) if before else 0


def agrees(found: CurvePartition, sigma: float, index: int) -> bool:
    try:
        code = limit(found.network, found.domain).code(
            point_at(found, *dyadic_direction(rational(sigma)))
        )  # type: ignore[arg-type]
    except (InvalidInput, Undecided):
        return True  # a pre-activation that vanishes on an arc cannot be told from 0 by real balls
    return bool(np.array_equal(code.bits, found.bits[index]))


@given(SEEDS)
def test_witnesses_and_random_points_have_the_code_of_their_cell(seed: int) -> None:
    found = answer(seed)
    if found is None or not len(found):
        return
    end = {Segment: 0.5, Ray: 1.0, Line: 2.0, GreatCircle: 4.0}[type(found.domain)]  # type: ignore[index]
    draw = random.Random(seed)
    for sigma in (draw.uniform(0, end) for _ in range(6)):
        index = cell_at(found, sigma)
        assert index is not None and agrees(found, sigma, index)
    for index in draw.sample(range(len(found)), min(6, len(found))):
        alpha, beta = found.cells.witnesses[index]
        sigma = next(
            q + t
            for q in range(4)
            for t in [(beta, -alpha, -beta, alpha)[q]]
            if dyadic_direction(q + t) == (alpha, beta)
        )
        assert agrees(found, float(Fraction(int(sigma.p), int(sigma.q))), index)


@given(SEEDS)
def test_with_one_norm_the_engine_circle_agrees(seed: int) -> None:
    known = answer(seed, "circle")
    if known is None or not known.network.hidden_layers:
        return
    found = partition(known.network, known.domain, engine="nested_roots")
    assert found.outcome is known.outcome is Outcome.COMPLETE
    assert np.array_equal(found.bits, known.bits)
    ours, theirs = found.crossings, known.crossings
    assert [c.hinges for c in ours] == [c.hinges for c in theirs]
    assert [c.tangent for c in ours] == [c.tangent for c in theirs]
    straight = not isinstance(known.domain, GreatCircle)
    for a, b in zip(ours, theirs, strict=True):
        p, q = (c.parameter_float if straight else c.angle_float for c in (a, b))
        assert p == q or abs(p - q) <= 1e-12 * max(1.0, abs(p))


@given(SEEDS)
def test_a_segment_walked_backwards_has_the_cells_in_reverse(seed: int) -> None:
    found = answer(seed)
    if found is None or not isinstance(found.domain, Segment):
        return
    back = partition(found.network, Segment(found.domain.q, found.domain.p), engine="nested_roots")
    assert np.array_equal(back.bits, found.bits[::-1])


@given(SEEDS)
def test_a_scaled_pencil_is_the_same_circle_and_lengths_add_up(seed: int) -> None:
    found = answer(seed)
    if found is None or not isinstance(found.domain, GreatCircle):
        return
    u, v, square = found.domain.u, found.domain.v, found.domain.radius_squared
    other = partition(
        found.network,
        GreatCircle([3 * x for x in u], [3 * x for x in v], square),
        engine="nested_roots",
    )
    assert other.digest == found.digest
    whole = (
        2
        * np.pi
        * float(Fraction(int(found.frame.radius_squared.p), int(found.frame.radius_squared.q)))
        ** 0.5
    )
    assert abs(sum(region.length_float for region in found.regions) - whole) < 1e-9 * whole
