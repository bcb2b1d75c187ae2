"""The questions, one file each; a new one needs a line here and inherits training, report and
command.
"""

from __future__ import annotations

from studies.question import Question
from studies.questions import (
    arcs_of_the_circle,
    cells_of_spheres,
    folded_gain_and_bias,
    monosemantic_directions,
    negligible_eps,
    neighbouring_maps,
    one_layer_or_two,
    referee,
)

QUESTIONS: tuple[Question, ...] = (
    monosemantic_directions.QUESTION,
    one_layer_or_two.QUESTION,
    arcs_of_the_circle.QUESTION,
    cells_of_spheres.QUESTION,
    negligible_eps.QUESTION,
    folded_gain_and_bias.QUESTION,
    neighbouring_maps.QUESTION,
    referee.QUESTION,
)

__all__ = ["QUESTIONS", "Question"]
