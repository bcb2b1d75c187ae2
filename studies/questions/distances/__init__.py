"""Distances: between codes, maps and vectors, before a layer and behind it."""

from __future__ import annotations

from studies.question import Question
from studies.questions.distances import code_and_map_distances, convergence

QUESTIONS: tuple[Question, ...] = (code_and_map_distances.QUESTION, convergence.QUESTION)
