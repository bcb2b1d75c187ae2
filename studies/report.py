"""The report of a study: one HTML file that needs nothing else, written from a template that
escapes every text.

Figures are inlined as images, so that a script inside an SVG could not run; a content security
policy forbids everything but inline styles and data images.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from studies import terms
from studies.failures import Failure
from studies.finding import HEADINGS, WORDS, Finding, Kind, Verdict, counted
from studies.question import Question, Text
from studies.training import Training, families

LARGEST_SVG = 3 * 2**20
LONGEST_DATA = 2500
WIDE = 1.3
MARKS = {
    (Kind.ESTIMATE, Verdict.SUPPORTED): "✓",
    (Kind.ESTIMATE, Verdict.REFUTED): "✗",
    (Kind.CENSUS, Verdict.SUPPORTED): "●",
    (Kind.CENSUS, Verdict.REFUTED): "○",
    (Kind.THEOREM, Verdict.SUPPORTED): "∎",
    (Kind.THEOREM, Verdict.REFUTED): "!!",
    **{(kind, Verdict.UNDECIDED): "?" for kind in Kind},
}
"""One character for a verdict, by the kind of its finding."""


@dataclass(frozen=True)
class Picture:
    """A saved figure: its caption and its files."""

    name: str
    caption: str
    svg: Path
    png: Path
    pdf: Path | None = None


@dataclass(frozen=True)
class Section:
    """What one question found; `undrawn` names the figures that a degenerate subject has not, and
    why. `question` says who asked what and against which controls, `repeat` is the command that
    asks it again, `code` is where its file lies beside the page, and `failures` tell what a
    question of a user's raised.
    """

    claim: str
    title: str
    findings: tuple[Finding, ...]
    pictures: tuple[Picture, ...]
    undrawn: tuple[tuple[str, str], ...] = ()
    question: Question | None = None
    repeat: str = ""
    code: str = ""
    failures: tuple[Failure, ...] = ()

    @property
    def anchor(self) -> str:
        """The name of the section within the page."""
        return "claim-" + re.sub(r"[^a-z0-9]+", "-", self.claim.lower())

    @property
    def text(self) -> Text | None:
        """The text whose claim it is."""
        return None if self.question is None else self.question.text

    @property
    def words(self) -> str:
        """Everything in it that a reader may want explained."""
        one = self.question
        asked = () if one is None else (one.asked, one.controls, one.beside)
        statements = dict.fromkeys(finding.statement for finding in self.findings)
        captions = (picture.caption for picture in self.pictures)
        return "\n".join((self.title, *asked, *statements, *captions))


def render(
    title: str,
    sections: Sequence[Section],
    *,
    facts: Sequence[tuple[str, str]],
    provenance: Mapping[str, Any],
    trainings: Sequence[Training] = (),
) -> str:
    """The report as HTML. `facts` are shown under the title, `trainings` as a table by name,
    `provenance` (nested) as a table at the end.
    """
    findings = [finding for section in sections for finding in section.findings]
    explained = terms.first_used(section.words for section in sections)
    return template("report.html.j2").render(
        title=title,
        facts=facts,
        texts=_by_text(sections),
        sections=[
            _Shown(section, list(_groups(section)), [_Drawn.of(p) for p in section.pictures], new)
            for section, new in zip(sections, explained, strict=True)
        ],
        kinds=HEADINGS,
        tally=tally(findings),
        alarms=[finding for finding in findings if finding.is_alarm],
        families=list(families(trainings)),
        provenance=list(flattened(provenance)),
    )


@dataclass(frozen=True)
class _Drawn:
    """A picture as the page shows it."""

    name: str
    caption: str
    address: str
    is_wide: bool
    files: tuple[str, ...]

    @classmethod
    def of(cls, picture: Picture) -> _Drawn:
        files = [one.name for one in (picture.pdf, picture.svg, picture.png) if one is not None]
        return cls(picture.name, picture.caption, data_uri(picture), is_wide(picture), tuple(files))


@dataclass(frozen=True)
class _Shown:
    """A section as the page shows it: its findings in groups, its figures, and the terms that stand
    in it for the first time.
    """

    section: Section
    groups: list[_Group]
    figures: list[_Drawn]
    terms: list[terms.Term]


@dataclass(frozen=True)
class _Claimed:
    """A statement of a section and what was found of it, for the summary."""

    section: Section
    statement: str
    verdicts: list[Badge]


def _by_text(sections: Sequence[Section]) -> list[tuple[Text | None, list[_Claimed]]]:
    """The statements that were judged, by the text that makes them, in the order of the page: each
    once, whatever it was judged on.
    """
    found: dict[Text | None, list[_Claimed]] = {}
    for section in sections:
        for statement in dict.fromkeys(group.statement for group in _groups(section)):
            stated = [one for one in section.findings if one.statement == statement]
            judged = [one for one in stated if not one.is_control] or stated
            badges = [badge for each in tally(judged).values() for badge in each if badge.count]
            found.setdefault(section.text, []).append(_Claimed(section, statement, badges))
    return list(found.items())


@dataclass(frozen=True)
class Badge:
    """A verdict as it is shown: its class, mark and words, and how many findings have it."""

    style: str
    mark: str
    word: str
    count: int = 1

    @classmethod
    def of(cls, kind: Kind, verdict: Verdict, count: int = 1) -> Badge:
        """The badge of a verdict on a finding of this kind."""
        return cls(f"{kind} {verdict}", MARKS[kind, verdict], WORDS[kind, verdict], count)


def tally(findings: Sequence[Finding]) -> dict[Kind, list[Badge]]:
    """How many findings have each verdict, for each kind apart; kinds without a finding have
    nothing to count.
    """
    return {
        kind: [Badge.of(kind, verdict, count) for verdict, count in found.items()]
        for kind, found in counted(findings).items()
        if any(found.values())
    }


def counts(findings: Sequence[Finding]) -> dict[Kind, str]:
    """The tally in words, without verdicts that no finding has."""
    return {
        kind: ", ".join(f"{badge.count} {badge.word}" for badge in badges if badge.count)
        for kind, badges in tally(findings).items()
    }


def data_uri(picture: Picture) -> str:
    """The picture as a data address: the SVG, or the PNG where the SVG is larger than 3 MiB."""
    if picture.svg.stat().st_size <= LARGEST_SVG:
        return "data:image/svg+xml;base64," + base64.b64encode(picture.svg.read_bytes()).decode()
    return "data:image/png;base64," + base64.b64encode(picture.png.read_bytes()).decode()


def is_wide(picture: Picture) -> bool:
    """Whether a picture wants a row of its own: its PNG is more than 1.3 times as wide as high."""
    width, height = struct.unpack(">II", picture.png.read_bytes()[16:24])
    return bool(width > WIDE * height)


@dataclass(frozen=True)
class _Group:
    """Findings of one claim that share kind, statement and rule, so that the report says these
    once, after the verdicts.
    """

    claim: str
    kind: Kind
    statement: str
    rule: str
    verdicts: list[Badge]
    rows: tuple[tuple[Finding, Badge, str], ...]


def _groups(section: Section) -> Iterator[_Group]:
    shared: dict[tuple[str, Kind, str, str], list[Finding]] = {}
    for one in section.findings:
        shared.setdefault((one.claim, one.kind, one.statement, one.rule), []).append(one)
    order = list(HEADINGS)
    for (claim, kind, statement, rule), found in sorted(
        shared.items(), key=lambda group: order.index(group[0][1])
    ):
        rows = tuple((one, Badge.of(kind, one.verdict), _numbers(one)) for one in found)
        yield _Group(claim, kind, statement, rule, tally(found)[kind], rows)


def _numbers(finding: Finding) -> str:
    """The data of a finding for people who unfold it, cut where it is long."""
    if not finding.data:
        return ""
    text = json.dumps(finding.data, indent=1, ensure_ascii=False)
    return (
        text
        if len(text) <= LONGEST_DATA
        else f"{text[:LONGEST_DATA]}\n… all of it is in results.json"
    )


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings as (path, text) rows, without those that hold nothing; keys of the first
    level are words.
    """
    for key, value in values.items():
        path = f"{prefix}{key}" if prefix else key.removesuffix("_float").replace("_", " ")
        if isinstance(value, Mapping):
            yield from flattened(value, f"{path} · ")
        elif value is not None:
            yield path, str(value)


@cache
def template(name: str) -> jinja2.Template:
    """A template of the folder, which escapes every text."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
