"""The spline codes at given points: exact where a float filter with a proved bound abstains."""

from __future__ import annotations

import numpy as np

from exact import Domain, Network
from studies.methods.domains import Cloud
from studies.methods.quantity import BitsQuantity


def codes_at_points(network: Network, domain: Domain) -> np.ndarray:
    """The codes at the points of a Cloud: bool (points x hinges)."""
    assert isinstance(domain, Cloud)
    packed = network.codes(domain.points).packed
    return np.unpackbits(packed, axis=1, count=network.hinge_count).astype(bool)


QUANTITY = BitsQuantity(
    "codes_at_points",
    "codes at points",
    "Cloud of data points, with or without a norm",
    codes_at_points,
    (1, 10, 100),
)
