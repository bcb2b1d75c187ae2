"""What happens to a question of a user's own that raises: its other questions and findings are
kept, one line says what failed and where in the user's file, and a log has the whole traceback.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import FrameSummary, extract_tb, format_exception
from typing import TYPE_CHECKING

from studies.own_code import said, written

if TYPE_CHECKING:
    from studies.finding import Finding
    from studies.question import Question

LOG = "failures.log"
"""The file of a study with the tracebacks of its questions that failed."""
_PACKAGES = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class Failure:
    """That a question of a user's raised: which one, in which module, what was raised, the line of
    the user's code where it was (file, number, text), and the whole traceback.
    """

    claim: str
    module: str
    raised: str
    where: str
    traceback: str

    @classmethod
    def of(cls, question: Question, error: BaseException) -> Failure:
        """The deepest line in the folder of the question's module; where none is, as of a wrong
        answer, the first of its `ask`.
        """
        file = Path(sys.modules[question.module].__file__ or question.module)
        own = [one for one in extract_tb(error.__traceback__) if _is_own(one, file)]
        where = f"{file.name}, line {question.first_line}"
        if own:
            last = own[-1]
            text = linecache.getline(last.filename, last.lineno or 0).strip()
            where = f"{Path(last.filename).name}, line {last.lineno}, in {last.name}: {text}"
        raised = f"{type(error).__name__}: {said(error)}".removesuffix(": ")
        lines = written("".join(format_exception(error)))
        return cls(question.claim, question.module, raised, where, lines)

    @property
    def told(self) -> str:
        """What failed, and where, on one line."""
        return f"{self.raised} ({self.where})"

    def line(self, log: Path) -> str:
        """What the command says of it."""
        return (
            f"error: question {self.claim} of the module {self.module} fails: {self.raised}; at "
            f"{self.where}; mend it there, the traceback is in {log}"
        )

    def findings(self, question: Question) -> tuple[Finding, ...]:
        """That every claim of the question is open, and why."""
        return question.open(question.module, f"the question fails: {self.told}")


def write(failures: Sequence[Failure], folder: Path) -> None:
    """The log of a study, where there is something to log."""
    if failures:
        told = (f"{one.claim} ({one.module}): {one.told}\n{one.traceback}" for one in failures)
        (folder / LOG).write_text("\n".join(told))


def _is_own(frame: FrameSummary, file: Path) -> bool:
    place = Path(frame.filename)
    outside = any(part in place.parts for part in _PACKAGES)
    return place == file or (not outside and place.is_relative_to(file.parent))
