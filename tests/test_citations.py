"""Citations lead somewhere: a document that a docstring, a comment or a page names is in the
repository, and has the heading that is quoted.

The form is `mathematics.md, "LayerNorm and RMSNorm"`, the name of a document and a heading of it;
several headings are joined by "and" or commas. Links in Markdown lead to headings by their anchors.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("exact", "toy_models", "viz", "studies", "benchmarks", "tests")

# Notes that readers of the repository do not have; a seed of three digits is such a note, any other
# starts random numbers.
UNKNOWN = re.compile(
    r"\b(?:MATH|HOUSE|STYLE|TRUST|ARCHITECTURE)\b(?!\.md)"
    r"|\b[sS]eeds?\s+0\d\d\b|\bdesign/"
)
DOCUMENT = re.compile(r"(?P<path>[\w./-]*\w\.md)\b(?:#(?P<anchor>[\w-]+))?`*")
QUOTED = re.compile(r'[,:]?\s*"(?P<heading>[^"]+)"')
NEXT = re.compile(r'(?:,|,?\s+and)\s+"(?P<heading>[^"]+)"')


def plain(heading: str) -> str:
    """A heading without the marks of code, and with single spaces."""
    return " ".join(heading.replace("`", "").split())


def anchor(heading: str) -> str:
    """What GitHub makes of a heading in a link: lower case, hyphens for spaces, no punctuation."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def without_code(page: str) -> str:
    """A page in Markdown without its fenced blocks."""
    return re.sub(r"^ *(```|~~~).*?^ *\1[^\n]*$", "", page, flags=re.MULTILINE | re.DOTALL)


def headings(page: str) -> set[str]:
    """The headings of a page in Markdown."""
    lines = re.findall(r"^#{1,6}\s+(.*?)\s*#*$", without_code(page), flags=re.MULTILINE)
    return {plain(line) for line in lines}


def passages(source: str) -> Iterator[str]:
    """The docstrings of a module, and its comments; those on consecutive lines are one passage."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from strings_alone(node.body)
    rows: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            rows[token.start[0]] = token.string.lstrip("#: ")
    starts = [row for row in rows if row - 1 not in rows]
    for start in starts:
        block, row = list[str](), start
        while row in rows:
            block.append(rows[row])
            row += 1
        yield "\n".join(block)


def strings_alone(body: list[ast.stmt]) -> Iterator[str]:
    """Statements that are a string and no more: docstrings, and what stands below a constant."""
    for line in body:
        value = line.value if isinstance(line, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value


def faults(text: str, documents: Mapping[str, set[str]]) -> list[str]:
    """What a text cites in vain. `documents` are paths from the root, with their headings.

    A document may be named by its path or by the name of its file.
    """
    found = [
        f"not in the repository: {' '.join(hit.group().split())}" for hit in UNKNOWN.finditer(text)
    ]
    for hit in DOCUMENT.finditer(text):
        path = hit["path"].removeprefix("./")
        known = [names for key, names in documents.items() if path in (key, key.rsplit("/", 1)[-1])]
        if not known:
            found.append(f"no such document: {path}")
            continue
        names = set[str]().union(*known)
        if hit["anchor"] and hit["anchor"] not in {anchor(name) for name in names}:
            found.append(f"no such heading: {path}#{hit['anchor']}")
        quoted = QUOTED.match(text, hit.end())
        while quoted:
            if plain(quoted["heading"]) not in names:
                found.append(f"no such heading: {path}, {plain(quoted['heading'])!r}")
            quoted = NEXT.match(text, quoted.end())
    return found


def pages() -> list[Path]:
    """The documents of the repository."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


DOCUMENTS = {
    str(page.relative_to(ROOT)): headings(page.read_text(encoding="utf-8")) for page in pages()
}


def names_of(source: str) -> set[str]:
    """The names that a module defines: classes, functions, and methods as `Class.method`."""
    found = set[str]()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{inner.name}"
                for inner in node.body
                if isinstance(inner, ast.FunctionDef)
            }
    return found


def computed_by(page: str) -> dict[str, list[str]]:
    """For each section of mathematics.md the names that are said to compute it."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        listed = re.search(r"^Computed by: ((?:.|\n(?!\n))*)", section, flags=re.MULTILINE)
        found[section.split("\n", 1)[0]] = re.findall(r"`([^`]+)`", listed[1]) if listed else []
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_and_comments_cite_what_is_there(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    files = [
        file
        for file in files
        if not any(part.startswith(".") for part in file.relative_to(ROOT).parts)
    ]
    assert files
    found = [
        f"{file.relative_to(ROOT)}: {fault}"
        for file in files
        for passage in passages(file.read_text(encoding="utf-8"))
        for fault in faults(passage, DOCUMENTS)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(name for name in DOCUMENTS if name.startswith("docs/"))]
)
def test_pages_cite_what_is_there(page: str) -> None:
    text = without_code((ROOT / page).read_text(encoding="utf-8"))
    assert not faults(text, DOCUMENTS)


def test_the_mathematics_names_what_computes_it() -> None:
    defined = set[str]().union(
        *(names_of(file.read_text(encoding="utf-8")) for file in (ROOT / "exact").rglob("*.py"))
    )
    sections = computed_by((ROOT / "docs" / "mathematics.md").read_text(encoding="utf-8"))
    assert [title for title, names in sections.items() if not names] == ["Literature"]
    assert {name for names in sections.values() for name in names} <= defined


PAGE = "# A page\n\ntext\n\n## Kind `flat`\n\n```sh\n# no heading\n```\n\n### Rays and\tpoints ##\n"
KNOWN = {"docs/page.md": headings(PAGE), "README.md": {"Top"}}


def test_headings() -> None:
    assert headings(PAGE) == {"A page", "Kind flat", "Rays and points"}


@pytest.mark.parametrize(
    "text",
    [
        'page.md, "A page"',
        '(docs/page.md, "Kind `flat`")',
        '`docs/page.md`, "Rays\n    and points".',
        'page.md: "A page" and "Kind flat", "Rays and points"',
        "[here](docs/page.md#kind-flat), [there](./README.md#top)",
        "page.md says so; the seed 3, seeds 0, 1, 2 and STYLES are no citations",
        "docs/*.md",
    ],
)
def test_a_citation_that_leads_somewhere(text: str) -> None:
    assert faults(text, KNOWN) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('page.md, "B page"', "no such heading: page.md, 'B page'"),
        ('page.md, "no heading"', "no such heading: page.md, 'no heading'"),
        ('`page.md`, "A\n    path"', "no such heading: page.md, 'A path'"),
        ('page.md "B page"', "no such heading: page.md, 'B page'"),
        ('page.md, "A page" and "B"', "no such heading: page.md, 'B'"),
        ('README.md, "A page"', "no such heading: README.md, 'A page'"),
        ("[x](docs/page.md#nowhere)", "no such heading: docs/page.md#nowhere"),
        ("see other.md", "no such document: other.md"),
        ("see notes/page.md", "no such document: notes/page.md"),
        ('(MATH: "A page")', "not in the repository: MATH"),
        ("HOUSE.md", "no such document: HOUSE.md"),
        ("as STYLE wants", "not in the repository: STYLE"),
        ("(seed\n    002)", "not in the repository: seed 002"),
        ("Seeds 001", "not in the repository: Seeds 001"),
        ("shared/design/x", "not in the repository: design/"),
    ],
)
def test_a_citation_in_vain(text: str, fault: str) -> None:
    assert faults(text, KNOWN) == [fault]


def test_passages_are_docstrings_and_blocks_of_comments() -> None:
    source = (
        '"""One."""\n# two\n# goes on\nX = "not this"  # three\n"""Four."""\n\n\nclass A:\n'
        '    """Five."""\n\n    y = "nor this"\n    # six\n\n'
        '    def f(self):\n        """Seven."""\n'
    )
    expected = {"One.", "two\ngoes on\nthree", "Four.", "Five.", "six", "Seven."}
    assert set(passages(source)) == expected


def test_names_and_what_computes() -> None:
    assert names_of("class A:\n    def f(self): ...\n\n\ndef g(): ...\n") == {"A", "A.f", "g"}
    page = "# P\n\n## One\n\nComputed by: `a`,\n`B.c`.\n\n`not` this.\n\n## Two\n"
    assert computed_by(page) == {"One": ["a", "B.c"], "Two": []}
