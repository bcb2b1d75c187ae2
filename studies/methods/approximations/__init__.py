"""The methods, E1 to E13: one file a definition; a new one needs a line here."""

from __future__ import annotations

from studies.methods.approximations import (
    code_clusters,
    endpoint_hamming,
    heat_map,
    line_counts,
    local_complexity,
    low_precision,
    monte_carlo_volume,
    random_walk,
    sampled_regions,
    soft_codes,
    stepped_hamming,
    transitions,
    upper_bounds,
)
from studies.methods.interface import Method

METHODS: tuple[Method, ...] = (
    sampled_regions.sampled_codes,
    sampled_regions.sampled_codes_chao1,
    sampled_regions.grid_codes,
    line_counts.line_extrapolation,
    random_walk.random_walk,
    random_walk.random_walk_chao1,
    upper_bounds.montufar_bound,
    upper_bounds.serra_bound,
    line_counts.line_density,
    line_counts.line_flips,
    endpoint_hamming.endpoint_hamming,
    stepped_hamming.stepped_hamming,
    transitions.transitions,
    heat_map.grid_heat_map,
    heat_map.blurred_heat_map,
    local_complexity.vertex_signs,
    local_complexity.vertex_signs_in_ball,
    monte_carlo_volume.monte_carlo_volume,
    code_clusters.hdbscan_clusters,
    soft_codes.thresholded_soft_codes,
    low_precision.low_precision_codes,
)

__all__ = ["METHODS"]
