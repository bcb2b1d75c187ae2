"""The report of a study: one HTML file that needs nothing else, written from a template that
escapes every text.

Figures are inlined as images, so that a script inside an SVG could not run; a content security
policy forbids everything but inline styles and data images.
"""

from __future__ import annotations

import base64
import json
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from studies.finding import Finding, Verdict

LARGEST_SVG = 3 * 2**20
LONGEST_DATA = 2500
WIDE = 1.3
MARKS = {Verdict.SUPPORTED: "✓", Verdict.REFUTED: "✗", Verdict.UNDECIDED: "?"}


@dataclass(frozen=True)
class Picture:
    """A saved figure: its caption and its files."""

    name: str
    caption: str
    svg: Path
    png: Path


@dataclass(frozen=True)
class Section:
    """What one question found."""

    claim: str
    title: str
    findings: tuple[Finding, ...]
    pictures: tuple[Picture, ...]


def render(
    title: str,
    sections: Sequence[Section],
    *,
    facts: Sequence[tuple[str, str]],
    provenance: Mapping[str, Any],
) -> str:
    """The report as HTML. `facts` are shown under the title, `provenance` (nested) as a table at
    the end.
    """
    illustrated = [section for section in sections if section.pictures]
    return template("report.html.j2").render(
        title=title,
        facts=facts,
        groups=[group for section in sections for group in _groups(section)],
        sections=[
            (s, [(p.name, p.caption, data_uri(p), is_wide(p)) for p in s.pictures])
            for s in illustrated
        ],
        tally=_tally([finding for section in sections for finding in section.findings]),
        overview=[(section, _tally(section.findings)) for section in sections],
        marks={verdict.value: mark for verdict, mark in MARKS.items()},
        provenance=list(flattened(provenance)),
    )


def _tally(findings: Sequence[Finding]) -> list[tuple[str, str, int]]:
    """(verdict, mark, how many) for every verdict."""
    found = Counter(finding.verdict for finding in findings)
    return [(verdict.value, MARKS[verdict], found[verdict]) for verdict in Verdict]


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
    """Findings of one claim that share statement and rule, so that the report says these once."""

    claim: str
    statement: str
    rule: str
    rows: tuple[tuple[Finding, str], ...]


def _groups(section: Section) -> Iterator[_Group]:
    shared: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in section.findings:
        shared.setdefault((finding.claim, finding.statement, finding.rule), []).append(finding)
    for (claim, statement, rule), findings in shared.items():
        yield _Group(
            claim, statement, rule, tuple((finding, _numbers(finding)) for finding in findings)
        )


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
