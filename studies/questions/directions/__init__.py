"""Directions: are they all that a network sees, and what does it do when they turn?"""

from __future__ import annotations

from studies.question import Question
from studies.questions.directions import (
    adding_directions,
    attention_scale,
    fuzzy_gelu,
    monosemantic_directions,
    negligible_eps,
    one_layer_or_two,
    rotating_directions,
)

QUESTIONS: tuple[Question, ...] = (
    monosemantic_directions.QUESTION,
    one_layer_or_two.QUESTION,
    negligible_eps.QUESTION,
    adding_directions.QUESTION,
    rotating_directions.QUESTION,
    fuzzy_gelu.QUESTION,
    attention_scale.QUESTION,
)
