"""Distances: between codes, maps and vectors, before a layer and behind it."""

from __future__ import annotations

from studies.question import Question

QUESTIONS: tuple[Question, ...] = ()
