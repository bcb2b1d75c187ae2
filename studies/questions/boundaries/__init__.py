"""Boundaries: where they are dense, along lines, rays, circles and slices."""

from __future__ import annotations

from studies.question import Question
from studies.questions.boundaries import between_classes, shells

QUESTIONS: tuple[Question, ...] = (between_classes.QUESTION, shells.QUESTION)
