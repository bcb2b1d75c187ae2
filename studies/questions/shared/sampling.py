"""Samples, and how many different codes they have. Approximate, and only ever compared with exact
results.
"""

from __future__ import annotations

import numpy as np

from exact.arithmetic.numbers import FloatArray


def distinct_codes(codes: np.ndarray) -> set[bytes]:
    """The different rows of a bool array, packed."""
    return {row.tobytes() for row in np.packbits(codes, axis=1)}


def random_points(dim: int, count: int, seed: int) -> FloatArray:
    """Standard normal vectors (count, dim): their directions are uniform on the sphere, also behind
    a norm.
    """
    return np.random.default_rng(seed).standard_normal((count, dim))
