"""Boundaries: where they are dense, along lines, rays, circles and slices."""

from __future__ import annotations

from studies.question import Question
from studies.questions.boundaries import (
    adversarial_ridges,
    between_classes,
    bias_free_cones,
    far_out,
    interpolations,
    shells,
)

QUESTIONS: tuple[Question, ...] = (
    between_classes.QUESTION,
    interpolations.QUESTION,
    shells.QUESTION,
    adversarial_ridges.QUESTION,
    far_out.QUESTION,
    bias_free_cones.QUESTION,
)
