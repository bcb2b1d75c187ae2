"""Codes along the tree of cells: the same as bit by bit, and hashes never decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exact import EngineDefect
from exact.arithmetic.linear_algebra import identity
from exact.arithmetic.numbers import Rational
from exact.geometry.circles import code_tree as module
from exact.geometry.circles.arrangement import arrange
from exact.geometry.circles.code_tree import CodeTree, rows_by_label
from tests.exact.spheres_by_hand import SIX, planes

ROWS = [*SIX, [1, 1, 1, 0], [2, -1, 3, 1], [-2, 1, -3, -1], [0, 0, 0, 1], [1, 2, -1, "1/2"]]


def tree(rows: list[list[int]] = ROWS, radius: object = "5/2") -> CodeTree:
    made = arrange(
        planes(rows), identity(3), Rational(5, 2) if radius == "5/2" else Rational(int(str(radius)))
    )
    return CodeTree(made.complex, made.root)


def test_every_arc_flips_what_its_carrier_says() -> None:
    found = tree()
    at = found.complex
    for arc, (a, b) in enumerate(at.arc_sides.tolist()):
        assert (
            np.flatnonzero(found.bits(a) ^ found.bits(b)).tolist()
            == at.flips.row(at.arc_circle[arc]).tolist()
        )
        assert found.differing(a, b).tolist() == at.flips.row(at.arc_circle[arc]).tolist()


def test_all_codes_at_once_are_the_codes_one_by_one() -> None:
    found = tree()
    one_by_one = np.array([found.bits(cell) for cell in range(found.complex.cell_count)])
    assert (np.unpackbits(found.packed(), axis=1, count=len(ROWS)).astype(bool) == one_by_one).all()
    assert (found.bits(0) == found.root).all()
    assert found.bits(3)[9] and not found.differing(4, 4).size


def test_equal_codes_have_equal_hashes_and_are_counted_once() -> None:
    found = tree(SIX)
    hashes, codes = found.hashes(), found.packed()
    for i in range(len(codes)):
        assert ((hashes == hashes[i]) == (codes == codes[i]).all(axis=1)).all()
    assert (found.count(), len(codes)) == (19, 26)


@pytest.mark.parametrize(
    "words", [lambda bit: 0, lambda bit: bit & 1], ids=["one hash", "few hashes"]
)
def test_hashes_never_decide(words: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_scrambled", words)
    assert tree(SIX).count() == 19
    assert tree().count() == len(np.unique(tree().packed(), axis=0))


def test_a_sphere_without_circles() -> None:
    found = tree([[0, 0, 0, 1], [0, 0, 1, 9]])
    assert (found.count(), found.packed().tolist(), found.complex.cell_count) == (1, [[192]], 1)


def test_cells_that_hang_together_nowhere_are_a_defect() -> None:
    found = tree()
    with pytest.raises(EngineDefect, match="not connected"):
        _ = CodeTree(
            replace(found.complex, cell_count=found.complex.cell_count + 1), found.root
        ).tree


def test_rows_by_label() -> None:
    rows = rows_by_label(np.array([2, 0, 2, 2], dtype=np.int32), 4)
    assert [rows.row(i).tolist() for i in range(4)] == [[1], [], [0, 2, 3], []]
