"""After the seeds: what the literature has asked since."""

from __future__ import annotations

from studies.question import Question

QUESTIONS: tuple[Question, ...] = ()
