"""A figure is one file: what registers itself in the package is found and drawn, and nothing else
lists it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import viz.figures
from exact import Box, InvalidInput, NormBall, Partition, partition
from tests.viz import subjects
from viz import catalogue
from viz.catalogue import Subject, figures_of

FILE = '''
from exact.regions.polytopes.partition import FlatPartition
from viz import style
from viz.catalogue import figure


@figure("blank", FlatPartition)
def _of(subject):
    """An empty page with the name of its subject."""
    def make():
        fig, ax = style.figure(2.0, 2.0)
        style.headline(ax, subject.name, f"{len(subject.partition)} regions")
        return fig
    return make
'''


def drawn(found: Partition, folder: Path) -> list[str]:
    """The names of the files that the figures of a partition are written to."""
    for write in figures_of(Subject("it", found)):
        assert write(folder)
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_is_a_new_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures_of(Subject("it", subjects.square()))  # the others are in the catalogue before
    monkeypatch.setattr(catalogue, "ENTRIES", {*catalogue.ENTRIES})
    monkeypatch.setattr(viz.figures, "__path__", [*viz.figures.__path__, str(tmp_path / "more")])
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "blank_page.py").write_text(FILE)
    try:
        names = drawn(subjects.square(), tmp_path / "out")
    finally:
        sys.modules.pop("viz.figures.blank_page", None)
    of_each = ("adjacency", "blank", "polytopes")
    assert names == [f"{name}.{kind}" for name in of_each for kind in ("pdf", "png", "svg")]


def test_a_kind_without_figures_has_those_of_its_base_and_only_then() -> None:
    ball = partition(subjects.block(3), NormBall())
    assert type(ball).__mro__[1] is type(subjects.square())
    figures_of(Subject("it", ball))
    own = [entry.name for entry in catalogue.ENTRIES if type(ball) in entry.kinds]
    assert len(figures_of(Subject("it", ball))) == len(own) == 2

    class Own(type(subjects.square())):  # type: ignore[misc]
        pass

    square = subjects.square()
    again = Own(square.problem, square.engine, square.cells)
    assert len(figures_of(Subject("it", again))) == 2


def test_what_cannot_be_drawn_is_refused_before_anything_is() -> None:
    solid = partition(subjects.mlp(3, 2, 1), Box(-1, 1, dim=3))
    with pytest.raises(InvalidInput, match="only two-dimensional domains"):
        figures_of(Subject("it", solid))


def test_data_enter_where_the_network_starts() -> None:
    """`rows` carries them through the blocks in front, `rows_in_front` leaves them as they are."""
    whole = subjects.mlp(2, 2)
    inputs = [[0.5, -1.0], [2.0, 3.0]]
    subject = Subject("it", subjects.square(), whole.blocks, inputs, [0, 1])
    assert subject.rows()["data"].tolist() == whole.forward_float(inputs).tolist()
    assert subject.rows_in_front() == {"data": inputs, "classes": [0, 1]}
    assert Subject("it", subjects.square()).rows() == {}
