"""Second opinions for the tests of `exact`: fractions, mpmath and plain float64; no arithmetic of
`exact` is used.

Networks are read as data only (weights, biases, norms as fractions); every evaluation here is
written anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from typing import Any

import mpmath
import numpy as np
import sympy

from exact import (
    GELU,
    AbsoluteValue,
    Activation,
    Block,
    HardTanh,
    Identity,
    LeakyReLU,
    Network,
    Norm,
    ReLU,
    SiLU,
)
from exact.arithmetic.arrays import BitArray
from exact.arithmetic.numbers import Rational, fraction
from exact.geometry.polyhedra.halfspace import Halfspace, Point
from exact.regions.polytopes.cells import FlatCells

DIGITS = 100
BENDS: dict[type[Activation], list[int]] = {
    ReLU: [0],
    LeakyReLU: [0],
    AbsoluteValue: [0],
    GELU: [0],
    SiLU: [0],
    Identity: [],
}
Real = mpmath.mpf
Floats = np.ndarray[Any, np.dtype[np.float64]]


def regions_of(cells: FlatCells) -> list[tuple[BitArray, Point, tuple[Halfspace, ...]]]:
    """Bits, witness and walls of every region of an engine that keeps walls."""
    assert cells.walls is not None
    return [(bits, cells.witness(i), cells.walls(i)) for i, bits in enumerate(cells.bits)]


def q(value: object) -> Rational:
    """A backend rational from an int or Fraction."""
    number = Fraction(value)  # type: ignore[arg-type]
    return Rational(number.numerator, number.denominator)


def real(value: Fraction | Rational | int) -> Real:
    """A fraction at mpmath's working precision."""
    number = value if isinstance(value, Fraction | int) else fraction(value)
    return mpmath.mpf(number.numerator) / number.denominator


def sign(value: Any) -> int:
    return int(value > 0) - int(value < 0)


def dot(a: Iterable[Any], b: Iterable[Any]) -> Any:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def value(row: Sequence[Any], x: Sequence[Any]) -> Fraction:
    """normal . x + offset."""
    found: Fraction = dot(row, [*x, 1])
    return found


def corners(rows: Sequence[Sequence[int]]) -> list[tuple[Fraction, ...]]:
    """The corners of {x: row . (x, 1) >= 0}, from every d rows that meet in one point."""
    dim, found = len(rows[0]) - 1, set()
    for subset in combinations(rows, dim):
        matrix = sympy.Matrix([row[:-1] for row in subset])
        if matrix.det() != 0:
            solved = matrix.LUsolve(-sympy.Matrix([row[-1] for row in subset]))
            x = tuple(Fraction(int(v.p), int(v.q)) for v in solved)
            if all(value(row, x) >= 0 for row in rows):
                found.add(x)
    return sorted(found)


# ---- piecewise linear networks without norm, in fractions


def bent(activation: Activation, z: Fraction) -> Fraction:
    match activation:
        case ReLU():
            return max(z, Fraction(0))
        case LeakyReLU():
            return z if z > 0 else fraction(activation.slope) * z
        case AbsoluteValue():
            return abs(z)
        case HardTanh():
            return min(max(z, fraction(activation.lo)), fraction(activation.hi))
        case Identity():
            return z
    raise NotImplementedError(activation)


def exact_walk(
    network: Network, x: Sequence[Fraction | int]
) -> tuple[list[list[Fraction]], list[Fraction]]:
    """The pre-activations of each layer, and the output."""
    state, seen = [Fraction(value) for value in x], []
    for block in network.blocks:
        inner = state
        for layer in block.layers:
            pairs = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
            z = [dot(row, inner) + b[0] for row, b in pairs]
            seen.append(z)
            inner = [bent(layer.activation, value) for value in z]
        state = [a + b for a, b in zip(state, inner, strict=True)] if block.residual else inner
    return seen, state


def exact_code(network: Network, x: Sequence[Fraction | int]) -> str:
    """The spline code; a tie is off."""
    layers = []
    for layer, z in zip(network.layers, exact_walk(network, x)[0], strict=True):
        if isinstance(layer.activation, HardTanh):
            levels = [fraction(layer.activation.lo), fraction(layer.activation.hi)]
        else:
            levels = [Fraction(level) for level in BENDS[type(layer.activation)]]
        layers += (
            ["".join(str(int(value > level)) for value in z for level in levels)] if levels else []
        )
    return "|".join(layers)


def exact_output(network: Network, x: Sequence[Fraction | int]) -> tuple[Fraction, ...]:
    return tuple(exact_walk(network, x)[1])


# ---- networks at 100 digits


def normalise(norm: Norm, x: Sequence[Real], centred: bool) -> list[Real]:
    """`gain (x - mean) / scale + bias`, by the formula of the definition."""
    mean = sum(x) / len(x) if centred else mpmath.mpf(0)
    moved = [value - mean for value in x]
    square = sum(value * value for value in moved) / len(x)
    eps = real(norm.eps)
    scale = mpmath.sqrt(square + eps) if norm.eps_rule == "var" else mpmath.sqrt(square) + eps
    gain, bias = ([real(row[0]) for row in column.tolist()] for column in (norm.gain, norm.bias))
    return [g * value / scale + b for g, value, b in zip(gain, moved, bias, strict=True)]


def activate(activation: Activation, z: Real) -> Real:
    match activation:
        case ReLU():
            return max(z, mpmath.mpf(0))
        case LeakyReLU():
            return z if z > 0 else real(activation.slope) * z
        case AbsoluteValue():
            return abs(z)
        case HardTanh():
            return min(max(z, real(activation.lo)), real(activation.hi))
        case Identity():
            return z
        case GELU(approximate="none"):
            return z * (1 + mpmath.erf(z / mpmath.sqrt(2))) / 2
        case GELU():
            return (
                z
                * (
                    1
                    + mpmath.tanh(
                        mpmath.sqrt(2 / mpmath.pi) * (z + mpmath.mpf(44715) / 10**6 * z**3)
                    )
                )
                / 2
            )
        case SiLU():
            return z / (1 + mpmath.exp(-z))
    raise NotImplementedError(activation)


def bends(activation: Activation) -> list[Real]:
    """The pre-activations at which the code changes."""
    if isinstance(activation, HardTanh):
        return [real(activation.lo), real(activation.hi)]
    return [mpmath.mpf(x) for x in BENDS[type(activation)]]


def walk(network: Network, x: Sequence[Fraction | int]) -> tuple[list[list[Real]], list[Real]]:
    """The gaps (pre-activation minus breakpoint, one per bit) of each hidden layer, and the
    output.
    """
    gaps: list[list[Real]] = []
    state = [real(Fraction(value)) for value in x]
    for block in network.blocks:
        inner = (
            state
            if block.norm is None
            else normalise(block.norm, state, type(block.norm).__name__ == "LayerNorm")
        )
        for layer in block.layers:
            pairs = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
            z = [
                sum((real(w) * v for w, v in zip(row, inner, strict=True)), real(b[0]))
                for row, b in pairs
            ]
            if bends(layer.activation):
                gaps.append([value - bend for value in z for bend in bends(layer.activation)])
            inner = [activate(layer.activation, value) for value in z]
        state = [a + b for a, b in zip(state, inner, strict=True)] if block.residual else inner
    return gaps, state


def code(network: Network, x: Sequence[Fraction | int], zero: str = "1e-80") -> str:
    """The spline code by 100 digits; a gap below `zero` raises, since it cannot be told from a
    tie.
    """
    with mpmath.workdps(DIGITS):
        gaps, _ = walk(network, x)
        if any(abs(gap) < mpmath.mpf(zero) for layer in gaps for gap in layer):
            raise ArithmeticError("a tie at 100 digits")
        return "|".join("".join(str(int(gap > 0)) for gap in layer) for layer in gaps)


def output(network: Network, x: Sequence[Fraction | int]) -> list[float]:
    """The output by 100 digits, rounded to float64."""
    with mpmath.workdps(DIGITS):
        return [float(value) for value in walk(network, x)[1]]


def without_eps(network: Network) -> Network:
    """The same network with eps = 0 in every norm: what a sphere of directions sees."""

    def changed(block: Block) -> Block:
        return block if block.norm is None else replace(block, norm=replace(block.norm, eps=q(0)))

    return Network(tuple(changed(block) for block in network.blocks))


def integers(
    generator: np.random.Generator, shape: tuple[int, ...] | int, top: int = 4
) -> list[Any]:
    """Nested lists of small random Python integers."""
    found: list[Any] = generator.integers(-top, top + 1, shape).tolist()
    return found


# ---- networks in float64


def float_normalise(norm: Norm, x: Floats) -> Floats:
    centred = x - x.mean(axis=1, keepdims=True) if type(norm).__name__ == "LayerNorm" else x
    eps, square = float(fraction(norm.eps)), (centred**2).mean(axis=1, keepdims=True)
    scale = np.sqrt(square + eps) if norm.eps_rule == "var" else np.sqrt(square) + eps
    found: Floats = centred / scale * norm.gain.float64()[:, 0] + norm.bias.float64()[:, 0]
    return found


def float_gaps(network: Network, x: Floats) -> Floats:
    """Pre-activation minus breakpoint for every hinge (batch x hinges); piecewise linear
    networks.
    """
    found, state = [], x
    for block in network.blocks:
        inner = state if block.norm is None else float_normalise(block.norm, state)
        for layer in block.layers:
            z = inner @ layer.weight.float64().T + layer.bias.float64()[:, 0]
            levels = [float(bend) for bend in bends(layer.activation)]
            found += [(z[:, :, None] - np.array(levels)).reshape(len(z), -1)] if levels else []
            inner = float_bent(layer.activation, z)
        state = state + inner if block.residual else inner
    return np.concatenate(found, axis=1)


def float_bent(activation: Activation, z: Floats) -> Floats:
    match activation:
        case ReLU():
            return np.where(z > 0, z, 0.0)
        case LeakyReLU():
            return np.where(z > 0, z, float(fraction(activation.slope)) * z)
        case AbsoluteValue():
            return np.where(z > 0, z, -z)
        case HardTanh():
            lo, hi = float(fraction(activation.lo)), float(fraction(activation.hi))
            return np.where(z < lo, lo, np.where(z > hi, hi, z))
        case Identity():
            return z
    raise NotImplementedError(activation)
