"""Norms: what LayerNorm does to vectors, and what the loss does in its place."""

from __future__ import annotations

from studies.question import Question

QUESTIONS: tuple[Question, ...] = ()
