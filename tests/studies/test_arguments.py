"""What is typed is read exactly, or refused with its own words."""

from __future__ import annotations

import gc
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import pytest

from exact import Box, InvalidInput, Ray, Segment
from exact.geometry.domains.options import Option
from studies import arguments
from studies.arguments import DomainRequest, domain, integers, limit, number, settings, vectors
from studies.options import domain_options


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1", -1),
        ("+2", 2),
        ("0.1", Fraction(1, 10)),
        (".5", Fraction(1, 2)),
        ("3.", 3),
        ("-1/3", Fraction(-1, 3)),
        ("1e-3", Fraction(1, 1000)),
        ("2.5E2", 250),
    ],
)
def test_numbers_are_exact(text: str, value: Fraction) -> None:
    assert number(text, "--box") == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nan",
        "inf",
        "-inf",
        "1_000",
        "0x10",
        "1/2/3",
        "1e9999",
        "--1",
        "1 2",
        "٣",
        "one",
        "1" * 2000,
        "1/0",
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="--box"):
        number(text, "--box")


def test_vectors_are_separated_by_spaces_and_their_entries_by_commas() -> None:
    assert vectors(["0,1 1/2,-1", "3"], "--plane") == ((0, 1), (Fraction(1, 2), -1), (3,))
    with pytest.raises(InvalidInput, match="--plane has an entry"):
        vectors(["1,,2"], "--plane")


@pytest.mark.parametrize("words", [["16 16"], ["16,16"], ["16", "16"], ["16, 16"]])
def test_integers_may_be_separated_by_spaces_or_commas(words: list[str]) -> None:
    assert integers(words, "--widths") == (16, 16)


def test_limits() -> None:
    assert (limit("none"), limit("None"), limit("10")) == (None, None, 10)
    for text in ("0", "-1", "1.5", "many", ""):
        with pytest.raises(InvalidInput, match="--limit"):
            limit(text)


def test_settings_become_what_they_look_like() -> None:
    assert settings(["a=1 b=0.5", "c=true d=word"], "--task-option") == {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": "word",
    }
    for text in ("a", "=1", "a-b=1"):
        with pytest.raises(InvalidInput, match="KEY=VALUE"):
            settings([text], "--task-option")


def test_a_box_spreads_bare_numbers_over_the_dimension() -> None:
    request = domain({"box": ["-1 1/2,2"]}, [], None)
    assert request is not None
    assert request.build(2) == Box([-1, -1], [Fraction(1, 2), 2])
    with pytest.raises(
        InvalidInput, match="corner of 2 entries; give one number, or 3 with commas"
    ):
        request.build(3)


def test_a_bare_zero_is_the_origin() -> None:
    assert DomainRequest("ray", ((Fraction(0),), (Fraction(1), Fraction(2)))).build(2) == Ray(
        [0, 0], [1, 2]
    )
    assert DomainRequest("segment", ((Fraction(0),), (Fraction(1),))).build(1) == Segment([0], [1])


def test_one_domain_at_a_time() -> None:
    assert domain({"box": []}, [], None) is None
    for given, flags in (
        ({"box": ["0 1"], "ray": ["0 1"]}, []),
        ({"box": ["0 1"]}, ["sphere"]),
        ({}, ["sphere", "space"]),
    ):
        with pytest.raises(InvalidInput, match="more than one domain"):
            domain(given, flags, None)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("box", "1"),
        ("plane", "0,0 1,0"),
        ("segment", "0 1 2"),
        ("great-circle", "1,0"),
        ("great-sphere", "1,0,0 0,1,0"),
        ("ellipse", "1,0 0,1"),
    ],
)
def test_a_wrong_number_of_points_shows_an_example(kind: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=f"--{kind} takes . values, ") as caught:
        domain({kind: [words]}, [], None)
    example = caught.value.remedy.removeprefix("write for instance ").split(", with")[0].split()
    assert domain({kind: [" ".join(example[1:])]}, [], None) is not None
    assert example[0] == f"--{kind}"


def test_what_the_help_reads_is_what_the_domains_state() -> None:
    stated = [asdict(kind.cli) for kind in arguments.domain_kinds().values()]
    read = [asdict(Option(**option)) for option in domain_options()]
    assert read == stated
    assert len({option["place"] for option in stated}) == len(stated) == 11


def test_every_domain_of_the_command_line_can_be_built_from_its_example() -> None:
    for name, kind in arguments.domain_kinds().items():
        radius = "2" if kind.cli.takes_radius else None
        given = {name: kind.cli.example.split()} if kind.cli.size else {}
        asked = domain(given, [] if given else [name], radius)
        assert asked is not None
        assert type(asked.build(len(asked.points[-1]) if given else 3)) is kind


def test_a_new_domain_touches_no_table(tmp_path: Path) -> None:
    """Its class states the option: the help reads it in the text, the request asks the class."""
    text = "class Two(Domain):\n    cli = Option(name='two', points='A B', help='New.', place=15)\n"
    (tmp_path / "two.py").write_text(text)
    assert [option["name"] for option in domain_options(tmp_path)] == ["two"]

    class Two(Segment):
        cli = Option(name="two", points="A B", help="New.", place=15)

    try:
        asked = domain({"two": ["0", "1,1"]}, [], None)
        assert asked is not None
        assert list(arguments.domain_kinds())[:2] == ["box", "two"]
        assert type(asked.build(2)) is Two
    finally:
        del Two, asked
        gc.collect()  # a class lives in its base's list of subclasses until it is collected
    assert "two" not in arguments.domain_kinds()
