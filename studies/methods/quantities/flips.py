"""Flips: how many hinges change sign along a curve, exactly; tangencies are none."""

from __future__ import annotations

from exact import Domain, Network, Segment
from exact.arithmetic.nearest import nearest_root
from studies.methods.quantities.partitions import whole_partition
from studies.methods.quantity import Quantity


def flips(network: Network, domain: Domain) -> int:
    """The sign changes of all hinges along a curve."""
    crossings = whole_partition(network, domain).crossings
    return sum(len(crossing.hinges) for crossing in crossings if not crossing.tangent)


def flips_per_length(network: Network, domain: Domain) -> float:
    """The sign changes along a Segment over its length."""
    assert isinstance(domain, Segment)
    square = sum((b - a) ** 2 for a, b in zip(domain.p, domain.q, strict=True))
    return flips(network, domain) / nearest_root(square)


ALONG_SEGMENT = Quantity(
    "flips_per_length",
    "flips per length of segments",
    "Segment between two data points, with or without a norm",
    flips_per_length,
    (10, 100, 1_000),
)
AROUND_CURVE = Quantity(
    "flips_around_curve",
    "flips around a closed curve",
    "GreatCircle through two data points, Ellipse through three; with or without a norm",
    flips,
    (10, 100, 1_000),
)
