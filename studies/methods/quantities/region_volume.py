"""The volume of one region, that around the centre of a box, as a share of the box."""

from __future__ import annotations

from fractions import Fraction

from exact import Box, Domain, Network
from exact.arithmetic.numbers import fractions
from exact.regions.polytopes.partition import FlatPartition
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


def covered_share(found: FlatPartition, box: Box, codes: object) -> float:
    """The share of a box that the regions with these codes (bool, codes x hinges) fill, exactly
    added up.
    """
    known = {bits.tobytes(): index for index, bits in enumerate(found.bits)}
    indices = {known[code.tobytes()] for code in codes if code.tobytes() in known}
    volume = sum((found.regions[index].volume for index in indices), Fraction(0))
    return float(volume / box_volume(box))


QUANTITY = Quantity(
    "region_volume",
    "share of a region in a box",
    "Box without a norm",
    region_volume,
    (100, 1_000, 10_000),
)
