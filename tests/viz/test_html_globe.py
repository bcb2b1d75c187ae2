"""The page of a globe: whole, self-contained, escaped; its data are the partition's."""

import json
import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from exact import InvalidInput
from exact.arithmetic.enclosures.intervals import Interval
from tests.viz import subjects
from viz import html_globe
from viz.html_globe import decimals, globe_html, save_globe

SPHERES = [subjects.caps, subjects.bands, subjects.uncut, subjects.normed, subjects.deep_sphere]


def data_of(page: str) -> dict[str, object]:
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL
    )
    return json.loads(text)


@pytest.mark.parametrize("subject", SPHERES)
def test_the_data_are_those_of_the_partition(subject: object) -> None:
    found = subject()
    data = data_of(globe_html(found))
    assert len(data["cells"]) == len(found)
    assert len(data["arcs"]) == found.complex.arc_count
    assert data["ends"] == found.complex.arc_ends.tolist()
    for cell, region in zip(data["cells"], found.regions, strict=True):
        assert tuple(map(tuple, cell["walks"])) == region.walks
        assert cell["code"] == str(region.code)
        low, high = (Fraction(end) for end in cell["area"].strip("[]").split(", "))
        assert low <= region.area.lower <= region.area.upper <= high
        assert float(high - low) <= 1e-14 * float(high)
    halves = [half for cell in data["cells"] for walk in cell["walks"] for half in walk]
    assert sorted(halves) == list(range(2 * len(data["arcs"])))
    assert sorted(arc for layer in data["layers"] for arc in layer["arcs"]) == list(
        range(len(data["arcs"]))
    )
    for shades in data["colours"]:
        assert len(shades["index"]) == len(found) and max(shades["index"]) < len(shades["palette"])


def test_circles_and_spans_are_those_of_the_exact_vertices() -> None:
    found = subjects.normed()
    data, frame = (
        data_of(globe_html(found)),
        found.frame_float / math.sqrt(float(found.complex.radius_squared)),
    )
    for (circle, start, turn), ends in zip(data["arcs"], data["ends"], strict=True):
        centre, first, second = (
            np.array(data["circles"][circle][name]) for name in ("centre", "first", "second")
        )
        for angle, vertex in ((start, ends[0]), (start + turn, ends[1])):
            exact = frame @ [float(x) for x in found.complex.vertex(vertex)]
            np.testing.assert_allclose(
                centre + math.cos(angle) * first + math.sin(angle) * second, exact, atol=1e-10
            )
            np.testing.assert_allclose(data["vertices"][vertex], exact, atol=1e-10)


def test_nothing_comes_from_elsewhere_and_text_is_escaped() -> None:
    title = '</script><script>alert("x")</script> & <b>bold</b>'
    page = globe_html(subjects.bands(), title=title)
    assert not re.search(
        r"https?:|//[a-z]|\bsrc=|\bhref=|@import|url\(|\bimport\s*\(|fetch\(|XMLHttp|innerHTML|\beval\b",
        page,
    )
    assert page.count("<script") == 2 and page.count("</script>") == 2
    assert "&lt;/script&gt;&lt;script&gt;alert(&#34;x&#34;)" in page
    assert "default-src 'none'" in page
    assert page.count("{{") == page.count("{%") == 0


def test_the_view_is_the_direction_of_an_input() -> None:
    found = subjects.normed()
    witness = found.regions[5].witness
    towards = np.array(data_of(globe_html(found, view=witness))["towards"])
    expected = found.frame_float @ [float(x) for x in found.coordinates_of(witness)]
    np.testing.assert_allclose(
        towards / np.linalg.norm(towards), expected / np.linalg.norm(expected), atol=1e-9
    )
    with pytest.raises(InvalidInput, match="no direction"):
        globe_html(found, view=[1, 1, 1, 1])


def test_many_cells_are_said_to_be_many(monkeypatch: pytest.MonkeyPatch) -> None:
    found = subjects.normed()
    assert "More than" not in globe_html(found)
    monkeypatch.setattr(html_globe, "MANY", 10)
    page = globe_html(found)
    assert "More than 10 cells" in page
    data = data_of(page)
    assert data["many"]
    for cell, area in zip(data["cells"], found.areas_float(), strict=True):
        assert cell["area"].endswith("(float64)")
        assert float(cell["area"].split()[0]) == pytest.approx(area, rel=1e-8)
    monkeypatch.setattr(html_globe, "MOST", 10)
    with pytest.raises(InvalidInput, match="too many cells"):
        globe_html(found)


def test_intervals_are_rounded_outwards() -> None:
    third = Interval(Fraction(1, 3), Fraction(1, 3))
    assert decimals(third, 4) == "[0.3333, 0.3334]"
    assert decimals(Interval(Fraction(1, 2), Fraction(3, 4)), 4) == "[0.5, 0.75]"
    assert decimals(Interval(Fraction(99999, 10), Fraction(99999, 10)), 2) == "[9.9E+3, 1.0E+4]"


def test_the_file_is_whole(tmp_path: Path) -> None:
    path = save_globe(subjects.bands(), tmp_path / "new", "globe")
    assert path.read_text("utf-8") == globe_html(subjects.bands())
    assert [p.name for p in path.parent.iterdir()] == ["globe.html"]
    with pytest.raises(InvalidInput, match="plain file name"):
        save_globe(subjects.bands(), tmp_path, "../globe")
    with pytest.raises(InvalidInput, match="2-spheres"):
        globe_html(subjects.five_arcs())
