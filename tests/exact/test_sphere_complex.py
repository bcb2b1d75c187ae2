"""The cell complex on a sphere as an object: its counts and how it is shown."""

from __future__ import annotations

from tests.exact.spheres_by_hand import AXES, BANDS, SIX, cut


def test_a_complex_is_shown_in_one_line() -> None:
    assert repr(cut(AXES)) == "<8 cells, 12 arcs, 6 vertices on a sphere>"
    assert repr(cut(BANDS)) == "<3 cells, 2 arcs, 0 vertices on a sphere>"
    assert repr(cut([])) == "<1 cell, 0 arcs, 0 vertices on a sphere>"
    assert (
        repr(cut([[1, 0, 0, "-4/5"], ["7/25", "24/25", 0, "-4/5"]]))
        == "<3 cells, 2 arcs, 1 vertex on a sphere>"
    )
    assert repr(cut(SIX, 2)) == "<14 cells, 24 arcs, 12 vertices on a sphere>"
