"""Norms: what LayerNorm does to vectors, and what the loss does in its place."""

from __future__ import annotations

from studies.question import Question
from studies.questions.norms import (
    degenerate_activations,
    ellipsoids,
    loss_or_norm,
    smuggled_scale,
    solu_attribution,
    solu_low_neurons,
    solu_scale,
)

QUESTIONS: tuple[Question, ...] = (
    degenerate_activations.QUESTION,
    smuggled_scale.QUESTION,
    ellipsoids.QUESTION,
    solu_scale.QUESTION,
    solu_low_neurons.QUESTION,
    solu_attribution.QUESTION,
    loss_or_norm.QUESTION,
)
