"""How questions are asked: of the study's own subjects all at once; of those that a user gave only
where they fit, and with a word on those that do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from exact import EngineDefect, ExactlensError, InvalidInput
from studies.finding import Answer
from studies.question import Question
from studies.statistics.estimates import Degenerate

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from studies.finding import Figure
    from studies.subjects import Subject, Subjects


def chosen(questions: Sequence[Question], only: str | None) -> tuple[Question, ...]:
    """The questions of these claims ("0.1,0.4"), in the order of the study; all for None.

    Raises InvalidInput for a claim that no question has; the remedy lists those there are.
    """
    if only is None:
        return tuple(questions)
    known = list(dict.fromkeys(question.claim for question in questions))
    asked = [word.strip() for word in only.split(",")]
    for word in asked:
        if word not in known:
            raise InvalidInput(
                "there is no question on the claim",
                value=repr(word[:40]),
                remedy=f"write one or more of {', '.join(known)}, with commas",
            )
    return tuple(question for question in questions if question.claim in asked)


def answer(question: Question, subjects: Subjects) -> Answer:
    """What a question finds. Of subjects that a user gave, each that it does not fit, or that a
    refusal keeps it from, has a finding that says why; the study's own must all be answered.
    """
    if not subjects.own:
        return _asked_of_all(question, subjects)
    fitting = [one for one in subjects.each if question.fits(one)]
    rest = [one for one in subjects.each if not question.fits(one)]
    found = _asked(question, subjects, fitting)
    left = tuple(question.not_asked(one.name, f"needs {question.needs}") for one in rest)
    return Answer((*found.findings, *left), found.figures)


def _asked_of_all(question: Question, subjects: Subjects) -> Answer:
    """The answer on the study's own subjects, and on the layers of a model that the user added,
    unless these are refused.
    """
    try:
        return question.ask(subjects)
    except EngineDefect:
        raise
    except ExactlensError as refusal:
        given = [layer for layer in subjects.language if layer.is_given]
        if not given:
            raise
        why = str(refusal)
    own = subjects.only([one for one in subjects.each if not any(one is layer for layer in given)])
    found = question.ask(own)
    left = tuple(question.not_asked(layer.name, why) for layer in given)
    return Answer((*found.findings, *left), found.figures)


def _asked(question: Question, subjects: Subjects, fitting: Sequence[Subject]) -> Answer:
    """The answer on all of them; where one is refused, on each by itself."""
    if not fitting:
        return Answer(())
    try:
        return question.ask(subjects.only(fitting))
    except EngineDefect:
        raise
    except ExactlensError as refusal:
        if len(fitting) == 1:
            return Answer((question.not_asked(fitting[0].name, str(refusal)),))
    singly = [_asked(question, subjects, [one]) for one in fitting]
    findings = tuple(finding for one in singly for finding in one.findings)
    return Answer(findings, tuple(_numbered(singly)))


def _numbered(answers: Sequence[Answer]) -> Iterator[Figure]:
    """The figures of answers that do not know of each other, under names that differ."""
    for number, one in enumerate(answers, 1):
        for figure in one.figures:
            yield replace(figure, name=f"{figure.name}-{number}")


def drawn(figure: Figure, subjects: Subjects) -> Canvas | str:
    """The picture, or why there is none: a degenerate subject, or a refusal of one that a user
    gave.
    """
    try:
        return figure.draw()
    except EngineDefect:
        raise
    except Degenerate as why:
        return str(why)
    except ExactlensError as refusal:
        if not subjects.own:
            raise
        return str(refusal)
