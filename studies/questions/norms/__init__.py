"""Norms: what LayerNorm does to vectors, and what the loss does in its place."""

from __future__ import annotations

from studies.question import Question
from studies.questions.norms import ellipsoids, loss_or_norm, solu_scale

QUESTIONS: tuple[Question, ...] = (
    ellipsoids.QUESTION,
    solu_scale.QUESTION,
    loss_or_norm.QUESTION,
)
