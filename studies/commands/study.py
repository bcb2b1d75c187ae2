"""`exactlens study`: all questions, or some of them, on the study's subjects, or on one's own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from exact import InvalidInput
from studies import asking, own_questions, own_subjects, study, subjects
from studies.question import Question
from studies.questions import CORE, QUESTIONS
from toy_models.validation import at_least

THEOREM_FAILS, QUESTION_FAILS = 5, 6


@dataclass(frozen=True)
class StudyOptions:
    """The options of a study, as the command line gave them."""

    name: str | None
    root: Path
    seed: int = 0
    device: str = "cpu"
    gpt2: str | None = None
    force: bool = False
    only: str | None = None
    on: tuple[str, ...] = ()
    data: Path | None = None
    seeds: int | None = None
    quick: bool = False
    every: bool = False
    questions: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it is the study as it is: its questions on its own subjects, none of them few."""
        return not (self.only or self.on or self.quick or self.seeds or self.questions)

    @property
    def chosen_name(self) -> str:
        """The name that was given; a part of a study does not take the place of the whole one."""
        if self.name is not None:
            return self.name
        if self.every and not (self.on or self.questions):
            return study.ALL_NAME
        return study.DEFAULT_NAME if self.is_whole else study.PART_NAME


def run(options: StudyOptions) -> int:
    """Choose the questions and the subjects, run the study, and return the exit code."""
    if options.seeds is not None:
        at_least("--seeds", options.seeds, 1)
    questions = _asked(options)
    result = study.run(
        options.chosen_name,
        root=options.root,
        seed=options.seed,
        device=options.device,
        gpt2=options.gpt2,
        force=options.force,
        questions=questions,
        prepare=_prepare(options, questions),
        told=_told(options),
        resumes=options.every,
    )
    for failure in result.failures:
        print(failure.line(result.log), file=sys.stderr)
    if result.alarms:
        return THEOREM_FAILS
    return QUESTION_FAILS if result.failures else 0


def _asked(options: StudyOptions) -> tuple[Question, ...]:
    """Questions of the user's own, alone unless others are named too. Raises InvalidInput where
    some are chosen and all are asked for.
    """
    if options.every and options.only is not None:
        raise InvalidInput(
            "--only chooses questions, and --all asks every one",
            value=f"--only {options.only} --all",
            remedy="write one of the two",
        )
    own = [own_questions.loaded(named) for named in options.questions]
    if own and not options.every and options.only is None:
        return tuple(own)
    usual = CORE if not options.every and options.only is None else QUESTIONS
    return (*asking.chosen(usual, options.only), *own)


def _prepare(options: StudyOptions, questions: Sequence[Question]) -> study.Prepare:
    if options.on:
        own_subjects.require_targets(options.on)
        return partial(
            own_subjects.prepare,
            on=options.on,
            root=options.root,
            data=options.data,
            seeds=options.seeds,
            quick=options.quick,
        )
    if options.data is not None:
        remedy = "add --on RUN or FILE, or train on them: exactlens train --data FILE.npz"
        raise InvalidInput(
            "--data are the rows of a network of your own", value=options.data, remedy=remedy
        )
    return partial(
        subjects.prepare,
        groups={group for question in questions for group in question.groups},
        seeds=options.seeds,
        quick=options.quick,
        earlier=options.root / options.chosen_name,
    )


def _told(options: StudyOptions) -> dict[str, object]:
    """What the results say of the choice, where there was one."""
    data = None if options.data is None else str(options.data)
    said = {"only": options.only, "on": ", ".join(options.on) or None, "data": data}
    said["questions"] = ", ".join(options.questions) or None
    more = {"seeds": options.seeds, "quick": options.quick or None, "all": options.every or None}
    return {name: value for name, value in {**said, **more}.items() if value is not None}
