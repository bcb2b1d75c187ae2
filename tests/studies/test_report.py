"""The report is one self-contained page that shows every finding and runs nothing that a text
brings along.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest

from studies import report
from studies.finding import HEADINGS, WORDS, Finding, Kind, Ruling, Verdict
from studies.question import Question, Text
from studies.questions.directions import one_layer_or_two
from studies.report import MARKS, Picture, Section, render
from studies.training import Fit, Training

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=http://evil.example/x "
    "onerror=alert(2)>&lt;{{ 7*7 }}{% raw %}"
)
SVG = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(3)</script></svg>"


class Page(HTMLParser):
    """The tags with their attributes, and the text, of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + header
        + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )


def picture(
    folder: Path,
    name: str,
    caption: str = "a caption",
    svg: str = SVG,
    size: tuple[int, int] = (300, 300),
) -> Picture:
    (folder / f"{name}.svg").write_text(svg)
    (folder / f"{name}.png").write_bytes(png(*size))
    return Picture(name, caption, folder / f"{name}.svg", folder / f"{name}.png")


def finding(
    verdict: Verdict = Verdict.SUPPORTED, rule: str = "a rule", why: str = "", **changes: object
) -> Finding:
    values = {
        "claim": "0.1",
        "statement": "a statement",
        "subject": "a toy",
        "kind": Kind.ESTIMATE,
        "ruling": Ruling(rule, verdict, why),
        "value": "3 of 4",
    }
    return Finding(**{**values, **changes})  # type: ignore[arg-type]


def page(*sections: Section, trainings: tuple[Training, ...] = ()) -> Page:
    return Page(
        render(
            "A title",
            sections,
            facts=[("seed", "0")],
            provenance={"version": "1", "libraries": {"torch": "2"}},
            trainings=trainings,
        )
    )


def test_every_part_of_a_finding_is_shown() -> None:
    shown = page(
        Section(
            "0.1", "A question", (finding(value="between 3 and 4", data={"exact": "22/7"}),), ()
        )
    ).text
    for part in (
        "0.1",
        "a statement",
        "a toy",
        "a rule",
        "between 3 and 4",
        "✓ supported",
        "22/7",
        "seed 0",
        "torch",
    ):
        assert part in shown


def test_findings_with_one_statement_and_rule_say_them_once_and_others_apart() -> None:
    rows = (
        finding(subject="first"),
        finding(subject="second"),
        finding(subject="third", rule="another rule"),
    )
    shown = page(Section("0.1", "A question", rows, ()))
    assert shown.text.count("a rule") == 1
    assert shown.text.count("another rule") == 1
    assert [shown.text.index(name) for name in ("first", "second", "third")] == sorted(
        shown.text.index(name) for name in ("first", "second", "third")
    )


@pytest.mark.parametrize(("kind", "verdict"), list(WORDS))
def test_a_verdict_is_told_by_word_mark_and_class(kind: Kind, verdict: Verdict) -> None:
    shown = page(Section("0.1", "A question", (finding(verdict, kind=kind),), ()))
    mark, word = MARKS[kind, verdict], WORDS[kind, verdict]
    assert f"{mark} 1 {word}" in shown.text
    assert {"class": f"verdict {kind.value} {verdict.value}"} in shown.of("span")
    assert f"{mark} {word}" in shown.text.replace(f"{mark} 1 {word}", "")
    assert len({MARKS[kind, one] for one in Verdict}) == len(Verdict)


def test_the_overview_counts_the_verdicts_of_every_question() -> None:
    first = (finding(), finding(), finding(Verdict.REFUTED))
    shown = page(
        Section("0.1", "First", first, ()),
        Section("0.2", "Second", (finding(Verdict.UNDECIDED),), ()),
    )
    summary = shown.text.partition("Claim Verdict")[2].partition("How to read")[0]
    assert " ".join(summary.split()) == (
        "0.1 a statement ✓ 2 supported ✗ 1 refuted 0.2 a statement ? 1 undecided"
    )
    assert "✓ 2 supported ✗ 1 refuted ? 1 undecided" in shown.text


def test_kinds_are_shown_apart_and_never_counted_together() -> None:
    found = tuple(finding(kind=kind) for kind in (*Kind, Kind.THEOREM, Kind.CENSUS, Kind.CENSUS))
    shown = page(Section("0.1", "A question", found, ())).text
    assert "Estimates (of claims) ✓ 1 supported Censuses" in shown
    assert "● 3 holds in this net" in shown and "∎ 2 holds (checks the code)" in shown
    # same statement and rule, but other kinds: once in the summary, and apart among the findings
    assert shown.count("a statement") == 1 + 3
    summary = shown.partition("Claim Verdict")[2].partition("How to read")[0]
    assert "✓ 1 supported ● 3 holds in this net ∎ 2 holds (checks the code)" in summary
    counts = shown.partition("Estimates (of claims)")[2].partition("How to read a verdict")[0]
    assert "6" not in counts and set(HEADINGS) == set(Kind)
    findings = shown.partition("Verdict Subject")[2]
    places = [findings.index(f"a statement {kind.value}:") for kind in HEADINGS]
    assert places == sorted(places)  # what is said of the claim comes first


def test_the_verdicts_of_a_claim_come_before_its_details() -> None:
    rows = (finding(value="the value"), finding(Verdict.REFUTED, why="", subject="other"))
    shown = page(Section("0.1", "A question", rows, ())).text.partition("Verdict Subject")[2]
    parts = ("a statement", "✓ 1 supported", "✗ 1 refuted", "Rule: a rule", "✓ supported", "a toy")
    places = [shown.index(part) for part in (*parts, "the value")]
    assert places == sorted(places)


def test_an_undecided_finding_says_why() -> None:
    shown = page(
        Section("0.1", "A question", (finding(Verdict.UNDECIDED, why="only 4 nets"),), ())
    ).text
    assert "why: only 4 nets" in shown
    assert "why:" not in page(Section("0.1", "A question", (finding(),), ())).text


def test_a_theorem_that_fails_is_an_alarm_at_the_top() -> None:
    wrong = finding(Verdict.REFUTED, kind=Kind.THEOREM, value="7 violations")
    shown = page(Section("0.1", "A question", (finding(), wrong), ()))
    assert {"class": "alarm", "role": "alert"} in shown.of("div")
    assert "the code is wrong" in shown.text.partition("Estimates (of claims)")[0]
    assert "7 violations" in shown.text.partition("What was asked")[0]
    fine = page(Section("0.1", "A question", (finding(Verdict.REFUTED),), ()))
    assert not any(one.get("role") == "alert" for one in fine.of("div"))


def training(seed: int, accuracy: float, name: str = "moons (16-16), LayerNorm") -> Training:
    return Training(name, seed, Fit(0.1, 1.0, None), Fit(0.2, accuracy, None))


def test_how_every_toy_learned_is_told_with_all_seeds() -> None:
    nets = (*(training(seed, 0.95 + seed / 100) for seed in (0, 1, 2, 4)), training(3, 0.8, "xor"))
    regression = Training("sine", 0, Fit(0.25, None, 0.5), Fit(0.3, None, None))
    diverged = Training("spirals", 7, failure="the loss is not finite")
    shown = page(trainings=(*nets, regression, diverged)).text.partition("How the toys learned")[2]
    assert "moons (16-16), LayerNorm" in shown and "0–2, 4 100.0% 95.0% to 99.0%" in shown
    for seed in (0, 1, 2, 4):
        assert f"seed {seed}: 100.0% training, {0.95 + seed / 100:.1%} held out" in shown
    assert "xor 3 100.0% 80.0% seed 3 did not learn: held-out accuracy 80.0%" in shown
    assert "sine 0 loss 0.25, R² 0.500 loss 0.3" in shown
    assert "spirals 7 — — seed 7 the loss is not finite" in shown
    assert "How the toys learned" not in page().text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    hostile = finding(
        claim=HOSTILE,
        statement=HOSTILE,
        subject=HOSTILE,
        rule=HOSTILE,
        value=HOSTILE,
        data={HOSTILE: HOSTILE},
    )
    section = Section(HOSTILE, HOSTILE, (hostile,), (picture(tmp_path, "figure", HOSTILE),))
    read = Page(
        render(
            HOSTILE, [section], facts=[(HOSTILE, HOSTILE)], provenance={HOSTILE: {HOSTILE: HOSTILE}}
        )
    )
    assert "alert(1)" in read.text
    assert not read.of("script")
    assert len(read.of("img")) == 1
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    assert "{{ 7*7 }}" in read.text


def test_nothing_is_fetched_from_elsewhere(tmp_path: Path) -> None:
    read = page(Section("0.1", "A question", (finding(),), (picture(tmp_path, "figure"),)))
    sources = [
        value or ""
        for _, attributes in read.tags
        for name, value in attributes.items()
        if name == "src"
    ]
    assert sources and all(address.startswith("data:image/") for address in sources)
    links = [a["href"] or "" for a in read.of("a")]
    assert links and all(link.startswith(("#", "../figures/figure.")) for link in links)
    assert {"link", "script", "iframe", "object", "embed", "base", "form"}.isdisjoint(
        tag for tag, _ in read.tags
    )
    style = next(text for text in read.texts if ":root" in text)
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_forbids_everything_but_inline_styles_and_data_images() -> None:
    policies = [
        meta["content"]
        for meta in page().of("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_a_figure_is_inlined_as_svg_and_grouped_under_its_question(tmp_path: Path) -> None:
    sections = (
        Section("0.1", "First", (finding(),), (picture(tmp_path, "one", "caption one"),)),
        Section("0.2", "No figure", (finding(claim="0.2"),), ()),
        Section(
            "0.3", "Third", (finding(claim="0.3"),), (picture(tmp_path, "three", "caption three"),)
        ),
    )
    read = page(*sections)
    prefix = "data:image/svg+xml;base64,"
    assert [
        base64.b64decode((image["src"] or "").removeprefix(prefix)).decode()
        for image in read.of("img")
    ] == [SVG, SVG]
    assert [image["alt"] for image in read.of("img")] == ["caption one", "caption three"]
    places = [
        read.text.index(part)
        for part in ("0.1 · First", "caption one", "0.3 · Third", "caption three", "Provenance")
    ]
    assert places == sorted(places)
    assert "0.2 · No figure" in read.text


def test_a_section_says_who_asked_what_and_how_to_ask_again() -> None:
    text = Text("A title of a text", "its authors", "https://example.org/text")
    question = Question(
        "0.1",
        "A question",
        one_layer_or_two.ask,
        text=text,
        asked="Is it so?",
        controls="Nets.",
        beside="Others.",
    )
    section = Section(
        "0.1",
        "A question",
        (finding(statement="an arc of a circle"),),
        (),
        question=question,
        repeat="exactlens study --only 0.1",
        code="code/one_layer_or_two.py",
    )
    again = Section("0.2", "Another", (finding(statement="two arcs"),), ())
    shown = page(section, again)
    for part in (
        "Is it so?",
        "Controls, in the rules. Nets.",
        "Told beside, and not judged. Others.",
        "exactlens study --only 0.1",
        "its authors",
    ):
        assert part in shown.text
    assert "Checks of our own" in shown.text  # what no text claims stands apart
    links = {link["href"] for link in shown.of("a")}
    assert {"#claim-0-1", text.address, section.code, "#summary"} <= links
    assert {one["id"] for one in shown.of("section")} == {"claim-0-1", "claim-0-2"}
    assert "studies/questions/directions/one_layer_or_two.py" in shown.text
    assert shown.text.count("a cell of the circle") == 1  # explained once, where it first stands


def test_no_table_is_wider_than_a_telephone() -> None:
    """On a narrow screen every table is a list, and what is long without a space can break."""
    section = Section("0.1", "A question", (finding(),), ())
    shown = page(section, trainings=(Training("moons", 0, Fit(0.1, 1.0, None)),))
    (style,) = [text for text in shown.texts if ":root" in text]
    narrow = style[style.index("@media (max-width: 44rem)") : style.index("@media print")]
    tables = {str(one["class"]) for one in shown.of("table")}
    assert tables == {"findings", "overview", "trainings", "provenance"}
    for table in tables:
        (cells,) = re.findall(
            rf"^[^{{\n]*\.{table} td[^{{]*\{{ display: block", narrow, re.MULTILINE
        )
        assert f".{table} th" in cells
    assert ".note { overflow-wrap: anywhere; }" in style


def test_controls_do_not_count_in_the_summary_where_there_are_others() -> None:
    rows = (
        finding(Verdict.REFUTED, subject="5 nets, trained"),
        finding(subject="5 nets, untrained"),
        finding(subject="layer 0, before training"),
    )
    shown = page(Section("0.1", "A question", rows, ())).text
    summary = shown.partition("Claim Verdict")[2].partition("How to read")[0]
    assert "✗ 1 refuted" in summary and "supported" not in summary
    alone = page(Section("0.1", "A question", rows[1:], ())).text
    assert "✓ 2 supported" in alone.partition("Claim Verdict")[2].partition("How to read")[0]


def test_what_was_settled_after_a_first_look_is_told() -> None:
    question = Question("0.1", "A question", one_layer_or_two.ask, settled="The margin.")
    shown = page(Section("0.1", "A question", (finding(),), (), question=question)).text
    assert "Settled after a first look at results. The margin." in shown


def test_the_page_is_readable_in_the_dark() -> None:
    style = next(text for text in page().texts if ":root" in text)
    assert "@media (prefers-color-scheme: dark)" in style
    assert [m["content"] for m in page().of("meta") if m.get("name") == "color-scheme"] == [
        "light dark"
    ]


def test_a_huge_svg_is_replaced_by_the_png(tmp_path: Path) -> None:
    drawn = picture(tmp_path, "huge", svg=SVG + " " * report.LARGEST_SVG)
    assert report.data_uri(drawn).startswith("data:image/png;base64,")
    assert base64.b64decode(report.data_uri(drawn).split(",")[1]) == drawn.png.read_bytes()


@pytest.mark.parametrize(
    ("size", "wide"), [((300, 300), False), ((1000, 400), True), ((400, 1000), False)]
)
def test_a_wide_figure_gets_a_row_of_its_own(
    tmp_path: Path, size: tuple[int, int], wide: bool
) -> None:
    shown = page(Section("0.1", "A question", (), (picture(tmp_path, "figure", size=size),)))
    assert [("class", "wide") in figure.items() for figure in shown.of("figure")] == [wide]


def test_long_data_is_cut_and_says_where_the_rest_is() -> None:
    shown = page(Section("0.1", "A question", (finding(data={"values": list(range(5000))}),), ()))
    assert "4999" not in shown.text
    assert "all of it is in results.json" in shown.text


def test_the_page_fits_phones_and_paper() -> None:
    style = next(text for text in page().texts if ":root" in text)
    assert "@media (max-width" in style
    assert "@media print" in style
    assert any("width=device-width" in (meta.get("content") or "") for meta in page().of("meta"))


def test_a_value_that_the_template_lacks_is_an_error_not_a_gap() -> None:
    with pytest.raises(jinja2.UndefinedError):
        report.template("report.html.j2").render(title="only a title")


def test_provenance_is_flattened_without_what_holds_nothing() -> None:
    rows = list(
        report.flattened(
            {"version": "1", "gpt2": None, "net_works": {"a toy": "ab"}, "seconds_float": 1.5}
        )
    )
    assert rows == [("version", "1"), ("net works · a toy", "ab"), ("seconds", "1.5")]
