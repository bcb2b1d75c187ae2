"""Boundaries: where they are dense, along lines, rays, circles and slices."""

from __future__ import annotations

from studies.question import Question
from studies.questions.boundaries import adversarial_ridges, between_classes, interpolations, shells

QUESTIONS: tuple[Question, ...] = (
    between_classes.QUESTION,
    interpolations.QUESTION,
    shells.QUESTION,
    adversarial_ridges.QUESTION,
)
