"""The questions, one file each with its `QUESTION`; a new one is listed in the `QUESTIONS` of its
folder, and inherits training, report and command.
"""

from __future__ import annotations

from studies.question import Question, reading_order
from studies.questions import (
    boundaries,
    cells,
    checks,
    directions,
    distances,
    features,
    later,
    norms,
)

FOLDERS = (directions, cells, boundaries, features, distances, norms, later, checks)
QUESTIONS: tuple[Question, ...] = tuple(
    sorted((one for folder in FOLDERS for one in folder.QUESTIONS), key=reading_order)
)
"""All of them, in the order in which the texts claim."""

CORE: tuple[Question, ...] = tuple(one for one in QUESTIONS if one.core)
"""Those of `make study`."""

__all__ = ["CORE", "QUESTIONS", "Question"]
