"""Boundaries: where they are dense, along lines, rays, circles and slices."""

from __future__ import annotations

from studies.question import Question

QUESTIONS: tuple[Question, ...] = ()
