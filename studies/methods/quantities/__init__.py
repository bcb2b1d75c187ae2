"""What methods estimate, by name: one file a referee; a new one needs a line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from studies.methods.quantities import (
    boundary_density,
    code_count,
    codes_at_points,
    edge_lengths,
    flips,
    local_complexity,
    occupied_components,
    region_volume,
)
from studies.methods.quantity import Quantity

_ALL = (
    code_count.QUANTITY,
    boundary_density.QUANTITY,
    flips.ALONG_SEGMENT,
    flips.AROUND_CURVE,
    edge_lengths.QUANTITY,
    local_complexity.IN_CROSS_POLYTOPE,
    local_complexity.IN_BALL,
    region_volume.QUANTITY,
    occupied_components.QUANTITY,
    codes_at_points.QUANTITY,
)
QUANTITIES: Mapping[str, Quantity] = MappingProxyType({one.name: one for one in _ALL})

__all__ = ["QUANTITIES", "Quantity"]
