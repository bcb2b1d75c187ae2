"""What is asked of a question that a user wrote: that it is one when it is loaded, and that what it
answers can be told, drawn, written down, and was judged by its own rules.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TypeGuard

from exact import InvalidInput
from studies.finding import Answer, Figure, Finding, Kind, Ruling
from studies.own_code import imported, said
from studies.question import Question, Text
from studies.rules import Claim

GROUPS = ("toys", "deep", "spheres", "language")
NO_FINDING = "no finding"


def loaded(named: str) -> Question:
    """The question that `package.module:NAME` names. Raises InvalidInput for what is none, and for
    one with a field of another type, a group that there is not, or no claims.
    """
    found: Question = imported(
        named, "--question", what="Question", is_one=lambda one: isinstance(one, Question)
    )
    _require_fields(found, named)
    return replace(found, own=True)


def require_distinct(questions: Sequence[Question]) -> None:
    """Raise InvalidInput for two questions of one claim number: one of them would vanish."""
    often = Counter(question.claim for question in questions)
    for number, times in often.items():
        if times > 1:
            where = " and ".join(one.module for one in questions if one.claim == number)
            raise InvalidInput(
                "two questions have one claim number",
                value=f"{number!r} in {where}",
                remedy="give your own question a number that no other has, and name it once",
            )


def checked(question: Question, answer: object) -> Answer:
    """The answer, with an open finding for each claim that has none.

    Raises InvalidInput for anything but an Answer of findings and figures; for two figures of one
    name; for a finding that JSON cannot hold; and for one that none of the question's claims made:
    of another number, statement, kind or rule.
    """
    if not isinstance(answer, Answer):
        raise InvalidInput(
            "a question returns no Answer",
            value=repr(answer)[:80],
            remedy="return studies.finding.Answer(findings, figures)",
        )
    if not _all_are(answer.findings, Finding):
        raise _wrong("findings", answer.findings, "a tuple of Claim.finding(...)")
    if not _all_are(answer.figures, Figure):
        raise _wrong("figures", answer.figures, "a tuple of Figure(...)")
    _require_figures(answer.figures)
    for finding in answer.findings:
        _require_finding(question, finding)
    told = {_key(finding, finding.rule) for finding in answer.findings}
    left = [one for one in question.claims if _key(one, one.rule.text) not in told]
    return Answer(
        (*answer.findings, *(one.undecided("-", NO_FINDING) for one in left)), tuple(answer.figures)
    )


# ---- the question


def _require_fields(question: Question, named: str) -> None:
    defaults = {field.name: field.default for field in fields(Question)}
    wanted: dict[str, tuple[str, Callable[[object], bool]]] = {
        name: ("a text", _is_text) for name, default in defaults.items() if isinstance(default, str)
    }
    wanted |= {name: ("a text that is not empty", _is_told) for name in ("claim", "title")}
    wanted |= {name: ("a function", callable) for name in ("ask", "fits")}
    wanted["claims"] = ("a tuple of one Claim or more", lambda x: _all_are(x, Claim) and bool(x))
    known = f"a tuple of {', '.join(GROUPS)}"
    wanted["groups"] = (known, lambda x: isinstance(x, tuple) and all(g in GROUPS for g in x))
    wanted["text"] = ("a Text, or None", lambda x: x is None or isinstance(x, Text))
    for name, (what, is_one) in wanted.items():
        value = getattr(question, name)
        if not is_one(value):
            raise InvalidInput(
                f"{name} of the question {named} is not {what}",
                value=repr(value)[:80],
                remedy=f"write {what}",
            )


def _is_text(value: object) -> TypeGuard[str]:
    """Whether it is a text that a file can hold: half of a pair of surrogates is none."""
    return isinstance(value, str) and value == value.encode(errors="ignore").decode()


def _is_told(value: object) -> bool:
    return _is_text(value) and bool(value.strip())


# ---- the answer


def _all_are(values: object, kind: type) -> TypeGuard[tuple[object, ...]]:
    return isinstance(values, tuple | list) and all(isinstance(one, kind) for one in values)


def _wrong(what: str, value: object, remedy: str) -> InvalidInput:
    return InvalidInput(
        f"the {what} of an answer are no {what}", value=repr(value)[:80], remedy=f"give {remedy}"
    )


def _require_figures(figures: Sequence[Figure]) -> None:
    for figure in figures:
        name = figure.name
        if not _is_told(name) or "/" in name or "\\" in name or "\0" in name:
            raise InvalidInput(
                "a figure cannot be called so",
                value=repr(name)[:80],
                remedy="write the stem of a file's name",
            )
        if not _is_text(figure.caption) or not callable(figure.draw):
            raise InvalidInput(
                "a figure has no caption, or no function that draws it",
                value=f"{name}: {figure.caption!r}"[:80],
                remedy="give Figure(name, caption, draw)",
            )
    for name, times in Counter(figure.name for figure in figures).items():
        if times > 1:
            remedy = "give each a name of its own"
            raise InvalidInput("two figures have one name", value=name, remedy=remedy)


def _require_finding(question: Question, finding: Finding) -> None:
    parts = (finding.claim, finding.statement, finding.subject, finding.value)
    if (
        not all(map(_is_text, parts))
        or not isinstance(finding.kind, Kind)
        or not isinstance(finding.ruling, Ruling)
        or not isinstance(finding.data, Mapping)
    ):
        raise InvalidInput(
            "a finding has a field of another type",
            value=repr(finding)[:160],
            remedy="make it by Claim.finding(...), of texts, and data by name",
        )
    try:
        json.dumps(finding.values(), allow_nan=False, ensure_ascii=False, sort_keys=True).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            "JSON cannot hold what is told of a finding",
            value=f"claim {finding.claim} on {finding.subject}: {said(error)}"[:200],
            remedy="give texts, finite numbers, lists, and mappings with texts as keys",
        ) from error
    known = {_key(one, one.rule.text) for one in question.claims}
    if _key(finding, finding.rule) not in known:
        raise InvalidInput(
            "a finding is of no claim of its question",
            value=f"claim {finding.claim}: {finding.rule}"[:160],
            remedy="list its Claim among the claims of the Question, and make it by Claim.finding",
        )


def _key(one: Claim | Finding, rule: str) -> tuple[str, str, Kind, str]:
    number = one.number if isinstance(one, Claim) else one.claim
    return number, one.statement, one.kind, rule
