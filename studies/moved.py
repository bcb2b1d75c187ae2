"""Verdicts that moved between two runs of a study: what a second seed says of the first.

A finding of one run stands beside that of the other with the same claim, statement and subject.
Findings that only one run has are listed too, so that nothing vanishes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from exact import InvalidInput
from studies.finding import HEADINGS, WORDS, Kind, Verdict
from studies.runs import RESULTS
from studies.study import FORMAT
from toy_models.stored_files import json_object

Key: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True)
class Told:
    """What a run says of one claim on one subject."""

    kind: Kind
    verdict: Verdict
    value: str
    why: str

    @property
    def word(self) -> str:
        """How the verdict reads."""
        return WORDS[self.kind, self.verdict]


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of a run, by claim, statement and subject, in its order."""

    name: str
    seed: int | None
    found: Mapping[Key, Told]

    @classmethod
    def read(cls, target: str, root: Path) -> Verdicts:
        """From the run `root/target`, or the folder `target`. Raises InvalidInput where there is no
        study, or one of another format.
        """
        named = root / target
        folder = named if target == Path(target).name and named.exists() else Path(target)
        path = folder / RESULTS
        if not path.is_file():
            remedy = "run one: exactlens study --seed 1 --name study-1"
            raise InvalidInput("there is no study of that name", value=target, remedy=remedy)
        values = json_object(path)
        if values.get("format") != FORMAT:
            raise InvalidInput(
                "the results have another format",
                value=f"{path}: {values.get('format')!r}",
                remedy=f"run the study again, which writes {FORMAT}",
            )
        return cls(target, values["provenance"]["seed"], dict(_told(values)))

    @property
    def title(self) -> str:
        """The name and the seed."""
        return f"{self.name} (seed {self.seed})"


def _told(values: Mapping[str, Any]) -> Iterator[tuple[Key, Told]]:
    for question in values["questions"]:
        for one in question["findings"]:
            key = (one["claim"], one["statement"], one["subject"])
            kind, verdict = Kind(one["kind"]), Verdict(one["verdict"])
            yield key, Told(kind, verdict, one["value"], one["why"])


@dataclass(frozen=True)
class Comparison:
    """The verdicts of two runs side by side."""

    first: Verdicts
    second: Verdicts

    @property
    def shared(self) -> tuple[Key, ...]:
        """What both runs tell of, in the order of the first."""
        return tuple(key for key in self.first.found if key in self.second.found)

    @property
    def moved(self) -> tuple[Key, ...]:
        """Where the verdicts differ."""
        return tuple(key for key in self.shared if self._is_moved(key))

    def _is_moved(self, key: Key) -> bool:
        return self.first.found[key].verdict is not self.second.found[key].verdict

    def alone(self, one: Verdicts) -> tuple[Key, ...]:
        """What only this run tells of."""
        other = self.second if one is self.first else self.first
        return tuple(key for key in one.found if key not in other.found)

    def counts(self, kind: Kind) -> tuple[int, int, int]:
        """Of the findings of a kind: how many stayed, how many turned round, and how many came to
        be, or ceased to be, undecided.
        """
        pairs = [
            (self.first.found[key].verdict, self.second.found[key].verdict)
            for key in self.shared
            if self.first.found[key].kind is kind
        ]
        stayed = sum(a is b for a, b in pairs)
        undecided = sum(a is not b and Verdict.UNDECIDED in (a, b) for a, b in pairs)
        return stayed, len(pairs) - stayed - undecided, undecided

    @property
    def warning(self) -> str:
        """What keeps the comparison from telling of seeds; empty where nothing does."""
        if self.first.seed != self.second.seed:
            return ""
        return (
            f"Warning: both runs have the seed {self.first.seed}, so that verdicts that stay tell "
            "nothing of other seeds."
        )

    @property
    def markdown(self) -> str:
        """The page: how many verdicts stayed, a table of those that moved, and what one run alone
        has.
        """
        lines = [
            "# Verdicts that moved between two seeds",
            "",
            f"{self.first.title} against {self.second.title}: of {len(self.shared)} verdicts "
            f"{len(self.shared) - len(self.moved)} stayed and {len(self.moved)} moved.",
            "",
            *([self.warning, ""] if self.warning else []),
            *_table(
                ("kind", "stayed", "turned round", "to or from undecided"),
                [(heading, *map(str, self.counts(kind))) for kind, heading in HEADINGS.items()],
            ),
            "",
        ]
        if self.moved:
            lines += ["## Moved", "", *_table(self._columns, map(self._row, self.moved)), ""]
        for one in (self.first, self.second):
            if alone := self.alone(one):
                rows = [(*key, one.found[key].word) for key in alone]
                lines += [f"## In {one.title} alone", ""]
                lines += [*_table(("claim", "statement", "subject", "verdict"), rows), ""]
        return "\n".join(lines)

    @property
    def _columns(self) -> tuple[str, ...]:
        return ("claim", "statement", "subject", self.first.title, self.second.title)

    def _row(self, key: Key) -> tuple[str, ...]:
        cells = (self.first.found[key], self.second.found[key])
        return (*key, *(f"**{one.word}**: {one.why or one.value}" for one in cells))


def _table(header: Sequence[str], rows: Any) -> list[str]:
    """The lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(map(_cell, line)) + " |" for line in lines]


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
