"""Common denominators of pre-activations, and what follows of them: how near to zero a value can be
that is not zero.

Where all weights are multiples of 2^-g, every pre-activation of layer l is `(a . x + b) / S_l` with
integers a and b on every region, S_l a power of two. At the common point x of d planes with integer
normals N, Cramer's rule makes `S_l det(N) z(x)` an integer, and |det N| is at most the product of
the normals' lengths (Hadamard): a smaller z(x) is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from exact.arithmetic.enclosures.affine_maps import Affine
from exact.arithmetic.numbers import FloatArray
from exact.propagation.enclosures import Stage

_MOST = 500  # bits: of a larger denominator nothing follows in float64


def denominators(stages: Sequence[Stage]) -> list[float]:
    """For every hidden layer a power of two that makes its pre-activations, minus their
    breakpoints, integer forms; infinity where none is known: behind rounded weights or other
    activations than ReLU.

    >>> from exact import RealSpace
    >>> from exact.propagation.enclosures import stages
    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[0.5, 3]], [1]), ([[0.25]], [0.5]), ([[1]], [0])])
    >>> denominators(stages(net, RealSpace(2).flat()))
    [2.0, 8.0]
    """
    found, bits, skips = list[float](), 0.0, list[float]()
    for stage in stages:
        bits = stage.through(bits, skips, _moved, max)
        bends = stage.bends
        z = _moved(stage.last, bits)
        at = bits_behind_the_point(bends.breakpoints)
        own = max(z, at) if not bends.breakpoint_errors.any() else inf
        found.append(2.0**own if own <= _MOST else inf)
        bits = z if bends.is_relu else inf
    return found


def _moved(op: Affine, bits: float) -> float:
    if not op.is_exact:
        return inf
    weight, bias = (bits_behind_the_point(x) for x in (op.weight, op.bias))
    return max(weight + bits, bias)


def bits_behind_the_point(values: FloatArray) -> float:
    """The least g >= 0 for which all values are multiples of 2^-g.

    >>> import numpy as np
    >>> bits_behind_the_point(np.array([0.75, 6, 0]))
    2.0
    """
    mantissa, exponent = np.frexp(values[values != 0])
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    zeros = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    return float(max(0, (53 - exponent - zeros).max(initial=0)))
