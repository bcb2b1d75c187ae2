"""Losses and counts are drawn as given."""

import numpy as np
import pytest

from exact import InvalidInput
from tests.viz import drawn
from viz import style
from viz.figures.curves import counts_figure, loss_curves, loss_figure, sampled_against_exact

RUNS = {"none": [1.0, 0.5, 0.25], "LayerNorm": [0.9, 0.6, 0.3, 0.2]}
EXACT = {"2:8": 28, "2:16-16": 382}
SAMPLES = {"2:8": [20, 28, 24], "2:16-16": [300, 310]}


def test_every_loss_is_on_its_line() -> None:
    _, ax = style.figure()
    lines = loss_curves(RUNS, ax, steps={"none": [0, 10, 20]})
    assert [line.get_label() for line in lines] == ["none", "LayerNorm"]
    assert [line.get_ydata().tolist() for line in lines] == list(RUNS.values())
    assert [list(line.get_xdata()) for line in lines] == [[0, 10, 20], [0, 1, 2, 3]]
    assert ax.get_yscale() == "log"


def test_bars_are_exact_and_dots_are_samples() -> None:
    _, ax = style.figure()
    artists = sampled_against_exact(EXACT, SAMPLES, ax)
    assert [bar.get_width() for bar in artists.bars] == [28, 382]
    assert [sorted(dots.get_offsets()[:, 0].tolist()) for dots in artists.samples] == [
        [20, 24, 28],
        [300, 310],
    ]
    assert [line.get_xdata()[0] for line in artists.medians] == [24, 305]
    assert [text.get_text() for text in artists.numbers] == ["28", "382"]
    places = [bar.get_y() + bar.get_height() / 2 for bar in artists.bars]
    for place, dots, bar in zip(places, artists.samples, artists.bars, strict=True):
        assert np.abs(dots.get_offsets()[:, 1] - place).max() < bar.get_height() / 2


def test_the_whole_figures() -> None:
    losses, counts = loss_figure(RUNS), counts_figure(EXACT, SAMPLES)
    assert {"none", "LayerNorm", "training step", "at the end: none 0.25, LayerNorm 0.2"} <= set(
        drawn.lines_of(losses)
    )
    assert {"exact", "one sample", "regions", "2:8", "382"} <= set(drawn.lines_of(counts))
    assert "the median sample finds 80% of the regions of 2:16-16" in drawn.lines_of(counts)
    assert drawn.faults(losses) == drawn.faults(counts) == []


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: loss_curves({}, ax),
        lambda ax: loss_curves(RUNS, ax, steps={"none": [1, 2]}),
        lambda ax: sampled_against_exact({}, {}, ax),
        lambda ax: sampled_against_exact(EXACT, {"2:8": [1]}, ax),
        lambda ax: sampled_against_exact(EXACT, {"2:8": [1], "2:16-16": []}, ax),
    ],
)
def test_bad_input(draw: object) -> None:
    with pytest.raises(InvalidInput):
        draw(style.figure()[1])
