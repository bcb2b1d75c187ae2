"""Colours that can be told apart, and files that are whole and reproducible."""

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import viz
from exact import InvalidInput
from tests.viz import subjects
from viz import style
from viz.figures.circle import circle_figure

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def seen(colour: object, vision: str) -> np.ndarray:
    """OKLab coordinates of a colour as this vision sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    other = np.clip(np.array(VISIONS[vision]) @ linear, 0, 1)
    return style._oklab(
        tuple(np.where(other <= 0.0031308, 12.92 * other, 1.055 * other ** (1 / 2.4) - 0.055))
    )


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(
    ("colours", "apart"), [(style.CATEGORICAL, 0.07), (style.DISTINCT_COLOURS, 0.04)]
)
def test_colours_are_distinct_in_every_vision(
    vision: str, colours: tuple[str, ...], apart: float
) -> None:
    views = [seen(colour, vision) for colour in colours]
    assert min(np.linalg.norm(a - b) for a, b in combinations(views, 2)) > apart


@given(st.lists(st.integers(0, style.DISTINCT - 1), max_size=60), st.floats(0, 0.7))
def test_few_keys_have_a_colour_each(keys: list[int], soften: float) -> None:
    colours = style.distinct_colours(keys, soften=soften)
    assert all(
        (colours[i] == colours[j]) == (keys[i] == keys[j])
        for i, j in combinations(range(len(keys)), 2)
    )


@given(st.integers(style.DISTINCT + 2, 60), st.randoms(use_true_random=False))
def test_neighbours_differ_when_colours_recur(count: int, random: object) -> None:
    pairs = [tuple(random.sample(range(count), 2)) for _ in range(3 * count)]
    keys = [k % (count - 1) for k in range(count)]
    colours = style.distinct_colours(keys, pairs)
    assert colours[0] == colours[count - 1]
    assert all(colours[a] != colours[b] for a, b in pairs if keys[a] != keys[b])


def test_colours_recur_evenly() -> None:
    ring = [(k, (k + 1) % 240) for k in range(240)]
    colours = style.distinct_colours(range(240), ring)
    assert max(colours.count(c) for c in set(colours)) <= 3 * 240 / style.DISTINCT


def test_too_many_neighbours_are_refused() -> None:
    with pytest.raises(InvalidInput, match="neighbours cannot all differ"):
        style.distinct_colours(range(40), combinations(range(40), 2))


def literal_colours(text: str) -> Iterator[str]:
    """Hexadecimal colours, and the names that matplotlib knows, as string literals."""
    names = set(mpl.colors.get_named_colors_mapping()) - {"c", "g", "k", "b", "w", "r", "m", "y"}
    return (
        x
        for x in re.findall(r'"([^"\n]*)"', text)
        if re.fullmatch(r"#[0-9a-fA-F]{3,8}", x) or x in names
    )


def test_colours_are_only_in_style() -> None:
    files = [path for path in Path(viz.__file__).parent.rglob("*.py") if path.name != "style.py"]
    assert len(files) >= 10
    assert {
        path.name: list(literal_colours(path.read_text(encoding="utf-8"))) for path in files
    } == {p.name: [] for p in files}
    assert list(literal_colours('x = "#12AB34", "tab:blue", "red", "auto"')) == [
        "#12AB34",
        "tab:blue",
        "red",
    ]


def test_global_settings_are_left_alone() -> None:
    before = dict(mpl.rcParams)
    circle_figure(subjects.five_arcs())
    assert dict(mpl.rcParams) == before


# ---- saving


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    once = circle_figure(subjects.arcs())
    first = [path.read_bytes() for path in style.save(once, tmp_path / "a", "circle")]
    again = [path.read_bytes() for path in style.save(once, tmp_path / "b", "circle")]
    anew = [
        path.read_bytes()
        for path in style.save(circle_figure(subjects.arcs()), tmp_path / "c", "circle")
    ]
    assert first == again == anew
    assert first[0].lstrip().startswith(b"<?xml")
    assert first[1].startswith(b"\x89PNG")
    assert first[2].startswith(b"%PDF")
    assert b"date" not in first[0].lower() and b"CreationDate" not in first[2]


def test_three_plain_files_and_nothing_else(tmp_path: Path) -> None:
    paths = style.save(style.figure()[0], tmp_path / "new" / "folder", "empty")
    assert [path.name for path in paths] == ["empty.svg", "empty.png", "empty.pdf"]
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(paths)


@pytest.mark.parametrize("name", ["", "a/b", "../up", "."])
def test_names_that_are_no_stems_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="plain file name"):
        style.save(style.figure()[0], tmp_path, name)
    assert not list(tmp_path.iterdir())


def test_a_failed_drawing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fig = style.figure()[0]
    svg, *_ = style.save(fig, tmp_path, "kept")
    old = svg.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        style.save(fig, tmp_path, "kept")
    assert svg.read_bytes() == old
    assert len(list(tmp_path.iterdir())) == 3


def test_a_failed_write_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no rename")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no rename"):
        style.save(style.figure()[0], tmp_path, "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["pdf", "ps"])
def test_vector_figures_embed_true_type_fonts_whoever_saves_them(
    tmp_path: Path, suffix: str
) -> None:
    """Journals refuse Type 3 fonts; matplotlib's own setting, which is that, stays as it is."""
    before = mpl.rcParams["pdf.fonttype"], mpl.rcParams["ps.fonttype"]
    figure = circle_figure(subjects.arcs())
    figure.savefig(tmp_path / f"circle.{suffix}")
    written = (tmp_path / f"circle.{suffix}").read_bytes()
    true_type, type_3 = {
        "pdf": (b"/FontFile2", b"/Type3"),
        "ps": (b"/FontType 42", b"/FontType 3"),
    }[suffix]
    assert true_type in written
    assert type_3 not in written
    assert (mpl.rcParams["pdf.fonttype"], mpl.rcParams["ps.fonttype"]) == before == (3, 3)
