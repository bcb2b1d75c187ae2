"""Walks through blocks with norms along one arc: the state in front of every stage, in balls and,
when asked, exactly.

A state holds every coordinate as a combination of the basis of a chain (see nested_functions), and
in the same basis the function that stands for the constant 1, which is positive inside the arc.
Behind a norm without a skip connection that function is the norm's denominator; at the end of a
skip connection both denominators are multiplied in. The ball state costs a few small matrix
products; the exact one is made from the state before only where floats do not decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.ball_matrices import BallMatrix
from exact.arithmetic.linear_algebra import identity, rows_of
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray
from exact.geometry.pencils.nested_functions import Chain, Constants, SkipProduct, Step
from exact.kernels.nested_roots import LINEAR, PRODUCT, ROOT, Balls, Steps
from exact.networks.graphs.steps import Sum
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.networks.norms import Norm

_ZERO, _ONE = Rational(0), Rational(1)


# ---- stages


@dataclass(frozen=True)
class Remember:
    """The input of a block with a skip connection is kept."""


@dataclass(frozen=True)
class Normalise:
    """A norm is applied; `kept` says that its input is needed again at the end of the block."""

    norm: Norm


@dataclass(frozen=True)
class Affine:
    """A layer without hinges."""

    layer: Layer


@dataclass(frozen=True)
class Bend:
    """A hidden layer; `offset` hinges come before its own."""

    layer: Layer
    offset: int


@dataclass(frozen=True)
class Skip:
    """The end of a block with a skip connection."""


Stage: TypeAlias = Remember | Normalise | Affine | Bend | Skip


def stages(network: Network) -> tuple[Stage, ...]:
    """What happens up to the last hidden layer, in order; skip connections that end behind it are
    left out.
    """
    network.require_bits("walks along curves")
    found, offset = list[Stage](), 0
    for k, (does, _, forgets) in enumerate(network.steps_to_last_hinge):
        if k not in forgets:
            found.append(Remember())
        if isinstance(does, Norm):
            found.append(Normalise(does))
        elif isinstance(does, Sum):
            found.append(Skip())
        else:
            found.append(Bend(does, offset) if does.bits else Affine(does))
            offset += does.bits
    return tuple(found)


def direction_refusal(network: Network) -> str | None:
    """Why the directions of a circle without a radius do not determine the code, or None when they
    do.
    """
    for stage in stages(network):
        if isinstance(stage, Remember):
            return "hidden layers follow a skip connection around the first norm"
        if isinstance(stage, Normalise):
            return None
        if isinstance(stage, Bend):
            return "hidden layers stand in front of the norm"
        if isinstance(stage, Affine) and any(x != 0 for x in stage.layer.as_affine.bias.column()):
            return "a bias stands in front of the norm"
    return "no norm stands in front of the last hidden layer"


def radius_matters(network: Network) -> bool:
    """Whether the code on a circle behind a norm depends on its radius, and not on directions
    alone.
    """
    return direction_refusal(network) is not None or network.norms[0].eps != 0


# ---- exact states


@dataclass(frozen=True)
class ExactState:
    """Coordinates `inner` (dim x k) over the basis of `chain`, and the function `one`; `outside`
    waits for a skip.
    """

    chain: Chain
    inner: RationalArray
    one: tuple[Rational, ...]
    outside: RationalArray | None = None
    outside_one: tuple[Rational, ...] = ()

    def remember(self) -> ExactState:
        """The state with its coordinates kept for the end of the block."""
        return replace(self, outside=self.inner, outside_one=self.one)

    def affine(self, layer: Layer) -> ExactState:
        """Behind a layer without hinges."""
        return replace(
            self, inner=layer.activate(layer.pre_activations(self.inner, self.one), self.one, ())
        )

    def bent(self, layer: Layer, bits: BitArray) -> ExactState:
        """Behind a hidden layer on the pieces that `bits` select."""
        z = layer.pre_activations(self.inner, self.one)
        return replace(self, inner=layer.activate(z, self.one, [bool(b) for b in bits]))

    def centred(self, norm: Norm) -> RationalArray:
        """P x, for the norm's projection P."""
        return norm.project(self.inner)

    def form(self, norm: Norm) -> RationalArray:
        """The radicand |P x|^2 / n + eps one^2 as a symmetric matrix over the basis."""
        centred, k = self.centred(norm), len(self.one)
        one = RationalArray(1, k, list(self.one))
        return (
            centred.transpose() * centred * Rational(1, norm.dim)
            + one.transpose() * one * norm.eps_under_root
        )

    def normalised(self, norm: Norm, step: Step) -> ExactState:
        """Behind a norm, whose root has been appended to the basis by `step`."""
        one = (*(norm.eps_beside_root * x for x in self.one), _ONE)
        rows = zip(rows_of(self.centred(norm)), norm.gain.column(), norm.bias.column(), strict=True)
        inner = [
            [*(g * x + b * y for x, y in zip(row, one, strict=False)), b * one[-1]]
            for row, g, b in rows
        ]
        state = RationalArray(norm.dim, len(one), [x for row in inner for x in row])
        return replace(self, chain=self.chain.extended(step), inner=state, one=one)

    def constant(self, norm: Norm, square: Rational, line: Sequence[Rational]) -> ExactState:
        """Behind a norm whose input is v times one positive function, the form `line`: everything
        divided by that function.

        The norm's radicand is `square` times its square, and no eps stands beside the root.
        """
        pivot = next(i for i, x in enumerate(line) if x != 0)
        rows = zip(rows_of(self.centred(norm)), norm.gain.column(), norm.bias.column(), strict=True)
        entries = [x for row, g, b in rows for x in (g * row[pivot] / line[pivot], b)]
        return ExactState(
            self.chain.extended(Constants(square)),
            RationalArray(norm.dim, 2, entries),
            (_ZERO, _ONE),
        )

    def skipped(self) -> ExactState:
        """Behind the end of a block: `outside` is added, over a common denominator."""
        assert self.outside is not None, "a skip connection ends where one began"
        if self.one == self.outside_one:
            return replace(self, inner=self.inner + self.outside, outside=None, outside_one=())
        rows = [[*x, *y] for x, y in zip(rows_of(self.outside), rows_of(self.inner), strict=True)]
        one = (*[_ZERO] * len(self.outside_one), *self.one)
        state = RationalArray(len(rows), len(one), [x for row in rows for x in row])
        return ExactState(self.chain.extended(SkipProduct(self.one, self.outside_one)), state, one)


def rank_one(form: RationalArray) -> tuple[Rational, tuple[Rational, ...]] | None:
    """(square, line) with `form = square line line'` for a form of rank one (or 0: then line is 0),
    else None.
    """
    rows = rows_of(form)
    pivot = next((i for i, row in enumerate(rows) if row[i] != 0), None)
    if pivot is None:
        return _ONE, (_ZERO,) * len(rows)
    line = tuple(x / rows[pivot][pivot] for x in rows[pivot])
    square = rows[pivot][pivot]
    same = all(
        row[j] == square * line[i] * line[j] for i, row in enumerate(rows) for j in range(len(line))
    )
    return (square, line) if same else None


# ---- ball states


@dataclass(frozen=True)
class Program:
    """A chain as arrays of floats: see exact.kernels.nested_roots. `size` functions are made in
    all, the last `width` of them are the basis."""

    quadrant: int
    kinds: np.ndarray
    places: np.ndarray
    mid: FloatArray
    rad: FloatArray
    size: int
    width: int

    @property
    def steps(self) -> Steps:
        """The same for the kernel."""
        return Steps(self.kinds, self.places, Balls(self.mid, self.rad), self.quadrant, self.size)

    @classmethod
    def start(cls, quadrant: int) -> Program:
        """(alpha, beta) alone."""
        none = np.zeros(0)
        return cls(
            quadrant,
            np.zeros(0, dtype=np.int64),
            np.zeros((0, 4), dtype=np.int64),
            none,
            none,
            2,
            2,
        )

    def with_root(self, form: BallMatrix) -> Program:
        """One more function: the root of a form over the basis."""
        return self._with(ROOT, 0, form, 1, self.width + 1)

    def with_line(self, line: BallMatrix) -> Program:
        """One more function: a linear form over the basis."""
        return self._with(LINEAR, 0, line, 1, self.width + 1)

    def with_constants(self, root: BallMatrix) -> Program:
        """A new basis: 1, as a form in (alpha, beta), and 1 times `root`."""
        one = np.array([(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)][self.quadrant])
        places = np.array(
            [[0, 2, 0, len(self.mid)], [self.size, 1, 0, len(self.mid) + 2]], dtype=np.int64
        )
        return Program(
            self.quadrant,
            np.append(self.kinds, [LINEAR, LINEAR]),
            np.vstack([self.places, places]),
            np.concatenate([self.mid, one, root.mid.ravel()]),
            np.concatenate([self.rad, np.zeros(2), root.rad.ravel()]),
            self.size + 2,
            2,
        )

    def with_product(self, inner: BallMatrix, outer: BallMatrix) -> Program:
        """The basis behind a skip connection."""
        new = outer.mid.shape[1] + self.width
        return self._with(PRODUCT, outer.mid.shape[1], inner.beside(outer), new, new)

    def _with(self, kind: int, outer: int, data: BallMatrix, new: int, width: int) -> Program:
        place = np.array(
            [[self.size - self.width, self.width, outer, len(self.mid)]], dtype=np.int64
        )
        return Program(
            self.quadrant,
            np.append(self.kinds, kind),
            np.vstack([self.places, place]),
            np.concatenate([self.mid, data.mid.ravel()]),
            np.concatenate([self.rad, data.rad.ravel()]),
            self.size + new,
            width,
        )


@dataclass(frozen=True)
class BallState:
    """The float image of an ExactState."""

    program: Program
    inner: BallMatrix
    one: BallMatrix
    outside: BallMatrix | None = None
    outside_one: BallMatrix | None = None

    @classmethod
    def of(cls, state: ExactState, program: Program, inner: BallMatrix | None = None) -> BallState:
        """The image of an exact state whose chain is the one of the program; that of what is
        inside may be known.
        """
        inner = BallMatrix.of(state.inner) if inner is None else inner
        one = BallMatrix.of(RationalArray(1, len(state.one), list(state.one)))
        if state.outside is None:
            return cls(program, inner, one)
        outside_one = BallMatrix.of(
            RationalArray(1, len(state.outside_one), list(state.outside_one))
        )
        return cls(program, inner, one, BallMatrix.of(state.outside), outside_one)

    def remember(self) -> BallState:
        """See ExactState."""
        return replace(self, outside=self.inner, outside_one=self.one)

    def pre_activations(self, layer: Layer) -> BallMatrix:
        """`weight inner + bias (x) one`."""
        return layer.operator.enclose(self.inner) + BallMatrix.read(layer.bias).times(self.one)

    def hinges(self, layer: Layer) -> BallMatrix:
        """`z - breakpoint one` for every bit of the layer (bits x k)."""
        z, bends = self.pre_activations(layer), layer.activation.breakpoints
        if len(bends) == 1 and bends[0] == 0:
            return z
        parts = [z + self.one.times(_number(-t)) for t in bends]
        mid, rad = (
            np.stack(arrays, axis=1).reshape(layer.bits, -1)
            for arrays in ([p.mid for p in parts], [p.rad for p in parts])
        )
        return BallMatrix(mid, rad)

    def activated(self, layer: Layer, bits: BitArray) -> BallState:
        """Behind a layer, on the pieces that `bits` select (none for a layer without hinges)."""
        z = self.pre_activations(layer)
        if layer.bits:
            chosen = bits.reshape(layer.width, -1).sum(axis=1)
        else:
            chosen = np.zeros(layer.width, dtype=np.int64)
        slopes, intercepts = (
            BallMatrix.of(_column([piece[i] for piece in layer.activation.pieces])) for i in (0, 1)
        )
        inner = z.times(slopes.rows(chosen))
        if np.any(intercepts.mid):
            inner = inner + intercepts.rows(chosen).times(self.one)
        return replace(self, inner=inner)

    def form(self, norm: Norm) -> BallMatrix:
        """The radicand of a norm over the basis."""
        centred = self._centred(norm)
        square = (centred.transposed @ centred).times(_number(Rational(1, norm.dim)))
        return square + (self.one.transposed @ self.one).times(_number(norm.eps_under_root))

    def normalised(self, norm: Norm, program: Program) -> BallState:
        """Behind a norm whose root is the last function of `program`."""
        one = self.one.times(_number(norm.eps_beside_root)).beside(_number(_ONE))
        gain, bias = BallMatrix.read(norm.gain), BallMatrix.read(norm.bias)
        inner = self._centred(norm).times(gain).padded(1) + bias.times(one)
        return replace(self, program=program, inner=inner, one=one)

    def skipped(self) -> BallState:
        """See ExactState."""
        assert self.outside is not None and self.outside_one is not None, (
            "a skip connection ends where one began"
        )
        if self.one is self.outside_one:
            return BallState(self.program, self.inner + self.outside, self.one)
        one = BallMatrix(
            np.zeros_like(self.outside_one.mid), np.zeros_like(self.outside_one.rad)
        ).beside(self.one)
        program = self.program.with_product(self.one, self.outside_one)
        return BallState(program, self.outside.beside(self.inner), one)

    def _centred(self, norm: Norm) -> BallMatrix:
        """P x; the projector is asked for once, because it costs exact arithmetic."""
        return _projector(norm) @ self.inner


@lru_cache(maxsize=32)
def _projector(norm: Norm) -> BallMatrix:
    """P as floats. Known by the norm itself: P of one's own may depend on more than the class."""
    return BallMatrix.of(norm.project(identity(norm.dim)))


def _number(value: Rational) -> BallMatrix:
    return BallMatrix.of(RationalArray(1, 1, [value]))


def _column(values: list[Rational]) -> RationalArray:
    return RationalArray(len(values), 1, values)
