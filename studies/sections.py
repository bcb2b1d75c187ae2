"""From a question to its section of the report: ask, draw, and keep what is finished, so that a
long study that was cut off goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import exact
import toy_models
import viz
from exact.atomic_files import published_folder, write_atomically
from exact.errors import EngineDefect, TooLarge, Undecided
from studies import asking, own_questions, report, storage
from studies.failures import Failure
from studies.finding import Answer, Finding, Kind, Ruling, Verdict
from studies.question import Question
from studies.statistics.estimates import Degenerate

if TYPE_CHECKING:
    from studies.subjects import Subjects

Begin = Callable[[str], None]
_SECTION = "section.json"


def sections_of(
    questions: Sequence[Question],
    subjects: Subjects,
    folder: Path,
    begin: Begin,
    kept: Kept | None = None,
) -> Iterator[report.Section]:
    """The section of every question, its figures in `folder`; `begin` is told of each step.

    What an earlier run `kept` is taken over, and what this one finishes is kept. Raises ValueError
    for two figures of one name, and what a question raises.
    """
    taken = dict[str, str]()
    for question in questions:
        section = None if kept is None else kept.section(question, folder)
        if section is not None:
            begin(f"{question.claim} taken over from the run that was cut off")
        else:
            section = _asked(question, subjects, folder, begin, taken)
            if kept is not None and not section.failures:
                kept.keep(section)
        taken |= dict.fromkeys((picture.name for picture in section.pictures), question.claim)
        yield section


def _asked(
    question: Question, subjects: Subjects, folder: Path, begin: Begin, taken: dict[str, str]
) -> report.Section:
    from viz import style

    if "language" in question.groups:
        len(subjects.language)  # trained now, where no question needed it before
    begin(f"{question.claim} {question.title}")
    answer, failures = _answer(question, subjects)
    pictures, undrawn = [], []
    for figure in answer.figures:
        begin(f"{question.claim} drawing {figure.name}")
        try:
            if taken.setdefault(figure.name, question.claim) != question.claim:
                raise ValueError(
                    f"two figures are called {figure.name}; give the one of claim {question.claim} "
                    "another name"
                )
            if any(figure.name == picture.name for picture in pictures):
                raise ValueError(f"two figures of claim {question.claim} are called {figure.name}")
            canvas = asking.drawn(figure, subjects)
            files = None if isinstance(canvas, str) else style.save(canvas, folder, figure.name)
        except (Exception, SystemExit) as error:
            failures.append(_failure(question, error))
            canvas, files = failures[-1].told, None
        if files is None:
            undrawn.append((figure.name, str(canvas)))
            continue
        pictures.append(report.Picture(figure.name, figure.caption, *files))
    found = (answer.findings, tuple(pictures), tuple(undrawn))
    told = {"question": question, "failures": tuple(failures)}
    return report.Section(question.claim, question.title, *found, **told)


def _answer(question: Question, subjects: Subjects) -> tuple[Answer, list[Failure]]:
    """What it finds. What cannot be measured leaves its claims open, and so does what else a
    question of a user's raises, `sys.exit` and a wrong answer included, which is a failure too.
    """
    try:
        answer = asking.answer(question, subjects)
        return (own_questions.checked(question, answer) if question.own else answer), []
    except EngineDefect:
        raise
    except (Degenerate, TooLarge, Undecided) as why:
        return Answer(question.open("the whole question", str(why))), []
    except (Exception, SystemExit) as error:
        failure = _failure(question, error)
        return Answer(failure.findings(question)), [failure]


def _failure(question: Question, error: BaseException) -> Failure:
    """Of a question of a user's; raises the error of any other, and every defect of the engines."""
    if not question.own or isinstance(error, EngineDefect):
        raise error
    return Failure.of(question, error)


# ---- what is kept


@dataclass(frozen=True)
class Kept:
    """The finished sections of a run that has not ended, in a hidden folder beside it.

    They belong to one state of the code, one choice of options and the very networks: anything
    else is asked anew.
    """

    folder: Path

    @classmethod
    def of(cls, root: Path, name: str, options: Any, networks: dict[str, str]) -> Kept:
        """What there is of the run `name` with these options; what others kept is cleared."""
        key = storage.sha256([_code(), options, networks])
        place = root / f".{name}.kept"
        for other in place.glob("*"):
            if other.name != key:
                shutil.rmtree(other, ignore_errors=True)
        return cls(place / key)

    def section(self, question: Question, figures: Path) -> report.Section | None:
        """A finished section, its figures copied to where this run has them; None where there is
        none that is whole.
        """
        place = self._place(question.claim)
        try:
            values = json.loads((place / _SECTION).read_bytes())
            names = [name for one in values["pictures"] for name in one["files"]]
            figures.mkdir(parents=True, exist_ok=True)
            for name in names:
                shutil.copyfile(place / name, figures / name)
        except (OSError, ValueError):
            return None
        pictures = tuple(
            report.Picture(one["name"], one["caption"], *(figures / name for name in one["files"]))
            for one in values["pictures"]
        )
        findings = tuple(map(_finding, values["findings"]))
        undrawn = tuple((name, why) for name, why in values["undrawn"])
        return report.Section(question.claim, question.title, findings, pictures, undrawn, question)

    def keep(self, section: report.Section) -> None:
        """Write a finished section, whole or not at all."""
        place = self._place(section.claim)
        place.parent.mkdir(parents=True, exist_ok=True)
        with published_folder(place) as new:
            pictures = []
            for picture in section.pictures:
                files = [path for path in (picture.svg, picture.png, picture.pdf) if path]
                for path in files:
                    shutil.copyfile(path, new / path.name)
                names = [path.name for path in files]
                pictures.append({"name": picture.name, "caption": picture.caption, "files": names})
            values = {
                "findings": [finding.values() for finding in section.findings],
                "pictures": pictures,
                "undrawn": [list(one) for one in section.undrawn],
            }
            write_atomically(new / _SECTION, json.dumps(values).encode())

    def clear(self) -> None:
        """Remove all of it: the run has ended."""
        shutil.rmtree(self.folder.parent, ignore_errors=True)

    def _place(self, claim: str) -> Path:
        return self.folder / hashlib.sha256(claim.encode()).hexdigest()[:16]


def _finding(values: dict[str, Any]) -> Finding:
    ruling = Ruling(values["rule"], Verdict(values["verdict"]), values["why"])
    return Finding(
        values["claim"],
        values["statement"],
        values["subject"],
        Kind(values["kind"]),
        ruling,
        values["value"],
        values["data"],
    )


def _code() -> str:
    """A digest of every module that findings may depend on."""
    digest = hashlib.sha256()
    own = Path(__file__).parent
    for package in (own, *(Path(p.__path__[0]) for p in (exact, toy_models, viz))):
        for path in sorted(package.rglob("*.py")):
            digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
