"""Cells: arcs, cells of spheres, and the maps in them."""

from __future__ import annotations

from studies.question import Question
from studies.questions.cells import (
    arcs_of_the_circle,
    cells_of_spheres,
    counts_and_bounds,
    folded_gain_and_bias,
    maps_and_codes,
    max_affine,
    neighbouring_maps,
)

QUESTIONS: tuple[Question, ...] = (
    arcs_of_the_circle.QUESTION,
    cells_of_spheres.QUESTION,
    folded_gain_and_bias.QUESTION,
    neighbouring_maps.QUESTION,
    max_affine.QUESTION,
    maps_and_codes.QUESTION,
    counts_and_bounds.QUESTION,
)
