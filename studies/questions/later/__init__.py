"""After the seeds: what the literature has asked since."""

from __future__ import annotations

from studies.question import Question
from studies.questions.later import (
    definitions_of_regions,
    frozen_attention,
    local_complexity,
    plateaus,
)

QUESTIONS: tuple[Question, ...] = (
    frozen_attention.QUESTION,
    plateaus.QUESTION,
    local_complexity.QUESTION,
    definitions_of_regions.QUESTION,
)
