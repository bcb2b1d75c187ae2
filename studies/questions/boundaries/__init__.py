"""Boundaries: where they are dense, along lines, rays, circles and slices."""

from __future__ import annotations

from studies.question import Question
from studies.questions.boundaries import (
    adversarial_ridges,
    between_classes,
    bias_free_cones,
    classes_along_rays,
    far_out,
    heat_maps,
    interpolations,
    related_classes,
    shells,
    slices,
    three_activations,
)

QUESTIONS: tuple[Question, ...] = (
    between_classes.QUESTION,
    interpolations.QUESTION,
    shells.QUESTION,
    slices.QUESTION,
    three_activations.QUESTION,
    heat_maps.QUESTION,
    adversarial_ridges.QUESTION,
    far_out.QUESTION,
    bias_free_cones.QUESTION,
    related_classes.QUESTION,
    classes_along_rays.QUESTION,
)
