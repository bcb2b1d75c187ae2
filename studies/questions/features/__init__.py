"""Features: are clusters, directions and neurons monosemantic?"""

from __future__ import annotations

from studies.question import Question
from studies.questions.features import (
    clusters,
    code_space,
    codes_and_magnitude,
    cosine_and_hamming,
    nmf_directions,
    polysemantic_neurons,
    projections,
    superposed_features,
)

QUESTIONS: tuple[Question, ...] = (
    clusters.QUESTION,
    nmf_directions.QUESTION,
    polysemantic_neurons.QUESTION,
    projections.QUESTION,
    superposed_features.QUESTION,
    codes_and_magnitude.QUESTION,
    cosine_and_hamming.QUESTION,
    code_space.QUESTION,
)
