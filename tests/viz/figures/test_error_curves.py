"""Errors against budgets: bold and thin lines, a floor for zero, and what does not fit."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from exact import InvalidInput
from viz import style
from viz.figures.error_curves import FLOOR, ErrorCurve, error_curves, error_figure

CURVE = ErrorCurve("one", (10, 100), {1: (0.3, 0.0), 2: (0.4, math.nan)})


def test_together_is_the_root_of_the_mean_square_of_what_is_known() -> None:
    assert CURVE.together() == pytest.approx([math.sqrt((0.09 + 0.16) / 2), 0])
    assert math.isnan(ErrorCurve("none", (1,), {1: (math.nan,)}).together()[0])


def test_a_method_has_a_bold_line_and_a_thin_one_for_each_dimension() -> None:
    figure, ax = style.figure(3, 3)
    bold = error_curves([CURVE, ErrorCurve("two", (5,), {1: (2.0,)})], ax, "points")
    assert len(bold) == 2 and len(ax.lines) == 5
    assert np.asarray(bold[0].get_ydata())[1] == FLOOR  # zero
    assert [line.get_label() for line in bold] == ["one", "two"]
    assert ax.get_ylim() == (FLOOR / 2, 4.0) and ax.get_xlabel() == "points"
    figure.clear()


def test_every_quantity_has_a_panel(tmp_path: Path) -> None:
    drawn = error_figure({str(k): ("points", [CURVE]) for k in range(4)}, subtitle="all")
    assert sum(ax.axison for ax in drawn.axes) == 4 and len(drawn.axes) == 6
    for path in style.save(drawn, tmp_path, "errors"):
        assert path.stat().st_size > 2_000


def test_what_does_not_fit_is_refused() -> None:
    _, ax = style.figure(3, 3)
    with pytest.raises(InvalidInput, match="do not fit the budgets"):
        error_curves([ErrorCurve("one", (10, 100), {1: (0.3,)})], ax, "points")
    with pytest.raises(InvalidInput, match="no panel"):
        error_figure({})
