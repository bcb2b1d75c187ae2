"""The volume of one region, that around the centre of a box, as a share of the box."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np

from exact import Box, Domain, Network
from exact.arithmetic.numbers import fractions
from studies.methods.quantities.partitions import whole_partition
from studies.methods.quantity import Quantity


def region_volume(network: Network, domain: Domain) -> Fraction:
    """The volume of the region that the centre of a Box lies in, over that of the box."""
    assert isinstance(domain, Box)
    found = whole_partition(network, domain)
    centre = [(a + b) / 2 for a, b in zip(domain.lo, domain.hi, strict=True)]
    return found.regions[found.locate(centre)].volume / box_volume(domain)


def box_volume(box: Box) -> Fraction:
    """The volume of a box."""
    product = Fraction(1)
    for side in fractions(b - a for a, b in zip(box.lo, box.hi, strict=True)):
        product *= side
    return product


def covered_share(network: Network, box: Box, codes: np.ndarray) -> float:
    """The share of a box that the regions with these codes (bool, codes x hinges) fill: of exact
    volumes, each rounded once.
    """
    shares = _shares_float(network, box)
    return sum(shares.get(code, 0.0) for code in {row.tobytes() for row in np.packbits(codes, 1)})


@lru_cache(maxsize=2)
def _shares_float(network: Network, box: Box) -> dict[bytes, float]:
    """The share of the box of every region, by its packed code."""
    found, whole = whole_partition(network, box), box_volume(box)
    return {
        code.tobytes(): float(region.volume / whole)
        for code, region in zip(found.codes, found.regions, strict=True)
    }


QUANTITY = Quantity(
    "region_volume", "volume of a region", "Box without a norm", region_volume, (100, 1_000, 10_000)
)
