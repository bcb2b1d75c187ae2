"""Features: are clusters, directions and neurons monosemantic?"""

from __future__ import annotations

from studies.question import Question

QUESTIONS: tuple[Question, ...] = ()
