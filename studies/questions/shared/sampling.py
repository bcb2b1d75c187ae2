"""What sampling sees: float64 spline codes of many points at once. Approximate, and only ever
compared with exact results.
"""

from __future__ import annotations

import numpy as np

from exact import Network
from exact.arithmetic.numbers import FloatArray, nearest_float


def codes_float(network: Network, x: FloatArray) -> np.ndarray:
    """The spline codes of points (batch, n) by a float64 forward pass: bool (batch, hinges).

    A hinge is on where its pre-activation exceeds its breakpoint; near a boundary rounding may say
    otherwise.
    """
    state, bits = np.atleast_2d(np.asarray(x, dtype=np.float64)), []
    for block in network.blocks:
        y = state if block.norm is None else block.norm.forward_float(state)
        for layer in block.layers:
            z = layer.operator.apply_float(y) + layer.bias.float64().T
            breakpoints = [nearest_float(t) for t in layer.activation.breakpoints]
            if breakpoints:
                bits.append((z[:, :, None] > np.array(breakpoints)).reshape(len(z), -1))
            y = layer.activation.forward_float(z)
        state = state + y if block.residual else y
    return np.concatenate(bits, axis=1) if bits else np.zeros((len(state), 0), dtype=bool)


def distinct_codes(codes: np.ndarray) -> set[bytes]:
    """The different rows of a bool array, packed."""
    return {row.tobytes() for row in np.packbits(codes, axis=1)}


def random_points(dim: int, count: int, seed: int) -> FloatArray:
    """Standard normal vectors (count, dim): their directions are uniform on the sphere, also behind
    a norm.
    """
    return np.random.default_rng(seed).standard_normal((count, dim))
