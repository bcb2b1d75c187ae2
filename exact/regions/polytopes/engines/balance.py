"""Networks whose weights are far from 1, brought near it for float64: bounds on squares of 1e-150
and 1e150 decide nothing.

A ReLU network whose layers are multiplied by positive numbers has the same hinges and codes, as
long as every bias is multiplied as all layers up to it are. Powers of two round nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exact.arithmetic.enclosures.affine_maps import Affine
from exact.arithmetic.numbers import FloatArray
from exact.propagation.enclosures import Stage

_NEAR = 64  # bits: weights between 2^-64 and 2^64 are left as they are


def balanced(stages: Sequence[Stage]) -> list[Stage]:
    """Stages with the same signs whose weights are near 1, if all is ReLU without skips and no
    number is rounded; else those that were given.

    >>> from exact import RealSpace
    >>> from exact.propagation.enclosures import stages
    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[2.0**400]], [2.0**401]), ([[3]], [2.0**400]), ([[1]], [0])])
    >>> found = balanced(stages(net, RealSpace(1).flat()))
    >>> [(stage.last.weight.tolist(), stage.last.bias.tolist()) for stage in found]
    [([[0.5]], [1.0]), ([[3.0]], [0.5])]
    """
    given, found, power = list(stages), list[Stage](), 0
    for stage in given:
        if not stage.bends.is_relu:
            return given
        steps = list[Affine]()
        for step in (*stage.steps, stage.last):
            if isinstance(step, str) or (scaled := _scaled(step, power)) is None:
                return given
            power, moved = scaled
            steps.append(moved)
        found.append(Stage(tuple(steps[:-1]), steps[-1], stage.bends, stage.bits))
    return found


def _scaled(op: Affine, power: int) -> tuple[int, Affine] | None:
    """An affine map for values that are 2^-power of what they were, and the power of its own."""
    weight, bias = op.weight, op.bias
    size = int(np.frexp(np.abs(weight).max(initial=0.0))[1])
    own = size if abs(size) > _NEAR else 0
    if not own and not power:
        return 0, op
    parts = _shifted(weight, -own), _shifted(bias, -own - power)
    if not op.is_exact or parts[0] is None or parts[1] is None:
        return None
    return power + own, Affine(parts[0], None, parts[1], None)


def _shifted(values: FloatArray, power: int) -> FloatArray | None:
    """Values times a power of two; None where one is rounded."""
    with np.errstate(all="ignore"):
        found = np.ldexp(values, power)
        back = np.ldexp(found, -power)
    return found if np.array_equal(back, values) else None
