"""Positions that keep their distance, and texts that keep theirs."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.viz import drawn
from viz import style
from viz.labels import Label, Row, Table, around_circle, fit_circle, spread, text_width


@given(st.lists(st.floats(-10, 10), max_size=40).map(sorted), st.floats(0.01, 0.4))
def test_spread_keeps_order_distance_and_bounds(wanted: list[float], pitch: float) -> None:
    low, high = -9.0, 9.0
    placed = spread(wanted, pitch, low, high)
    assert len(placed) == len(wanted)
    assert all(b - a >= pitch * (1 - 1e-9) for a, b in pairwise(placed))
    assert all(low - 1e-9 <= y <= high + 1e-9 for y in placed)


def test_spread_leaves_alone_what_has_room() -> None:
    assert spread([-2.0, 0.0, 3.0], 1.0, -5, 5) == pytest.approx([-2, 0, 3])


def test_spread_moves_as_little_as_possible() -> None:
    assert spread([0.0, 0.0, 0.0, 7.0], 1.0, -9, 9) == pytest.approx([-1, 0, 1, 7])


@pytest.mark.parametrize("family", [style.MONOSPACE, "DejaVu Sans"])
@pytest.mark.parametrize("size", [style.TINY, style.SMALL, style.BODY])
def test_no_canvas_makes_a_text_wider_than_was_reckoned(family: str, size: float) -> None:
    for dpi in (72, 100, style.PNG_DPI):
        fig, ax = style.figure()
        fig.set_dpi(dpi)
        text = ax.text(0.1, 0.5, "0110101|11", fontsize=size, family=family)
        fig.draw_without_rendering()
        real = text.get_window_extent().width * 72 / dpi
        assert real <= text_width("0110101|11", size, family) <= 1.2 * real


@pytest.mark.parametrize("count", [1, 7, 30, 300])
def test_labels_around_a_circle_never_touch(count: int) -> None:
    fig, ax = style.figure(5, 5)
    angles = np.random.default_rng(count).normal(0.4, 0.5, count)  # crowded to one side
    labels = [Label(f"label {k}", float(a), 1.0, priority=k) for k, a in enumerate(angles)]
    scale = fit_circle(ax, 1.2, labels, 7)
    texts, leaders = around_circle(ax, labels, 1.2, scale, 7)
    assert 0 < len(texts) <= count
    assert len(leaders.get_segments()) == len(texts)
    assert len(texts) == count or count > 30
    assert f"label {count - 1}" in [text.get_text() for text in texts]
    assert drawn.faults(fig) == []


def test_labels_stay_outside_the_circle_and_near_their_points() -> None:
    _, ax = style.figure(5, 5)
    labels = [Label(str(k), k * np.pi / 4, 1.0, 1.0) for k in range(8)]
    scale = fit_circle(ax, 1.2, labels, 8)
    texts, _ = around_circle(ax, labels, 1.2, scale, 8)
    places = {text.get_text(): text.get_position() for text in texts}
    for label in labels:
        x, y = places[label.text]
        assert np.hypot(x, y) > 1.15
        assert np.hypot(x - 1.2 * np.cos(label.angle), y - 1.2 * np.sin(label.angle)) < 0.35


@pytest.mark.parametrize("count", [1, 12, 90])
def test_a_table_shows_every_row_once(count: int) -> None:
    rows = tuple(Row((0.1, 0.2, 0.3), (str(k), "x" * (k % 5))) for k in range(count))
    table = Table(("number", "text"), rows, 7)
    fig, ax = style.figure(0.4 + table.width(4.2 * 72) / 72, 4.6)
    texts = table.draw(ax)
    bodies = [
        text.get_text().split()[0] for text in texts if not text.get_text().startswith("number")
    ]
    assert bodies == [str(k) for k in range(count)]
    assert sum(len(squares.get_offsets()) for squares in ax.collections) == count
    assert drawn.faults(fig) == []
