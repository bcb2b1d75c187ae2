"""What a method returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class MethodEstimate:
    """What a method found: a value, an interval of 95% or None, and the inputs it sent through the
    network. Nothing is checked here: `Quantity.fault` says what is wrong with an estimate.

    `codes`, where the method has them, are the spline codes that it met (bool, codes x hinges): in
    a box the referee adds up the volume of their regions.
    """

    value: Any
    interval: tuple[float, float] | None = None
    forward_passes: int = 0
    codes: np.ndarray | None = None
