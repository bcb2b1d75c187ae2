"""Checks: approximate methods and instruments before full enumeration."""

from __future__ import annotations

from studies.question import Question
from studies.questions.checks import instruments, referee

QUESTIONS: tuple[Question, ...] = (referee.QUESTION, instruments.QUESTION)
