"""Features: are clusters, directions and neurons monosemantic?"""

from __future__ import annotations

from studies.question import Question
from studies.questions.features import clusters

QUESTIONS: tuple[Question, ...] = (clusters.QUESTION,)
