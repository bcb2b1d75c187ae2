"""The measure that the figure tests rely on finds what it should."""

from matplotlib.figure import Figure

from tests.viz import drawn


def written(*places: tuple[float, float]) -> Figure:
    fig = Figure(figsize=(4, 3))
    for number, (x, y) in enumerate(places):
        fig.text(x, y, f"text {number}")
    return fig


def test_texts_apart_are_no_fault() -> None:
    assert drawn.faults(written((0.1, 0.5), (0.6, 0.5), (0.1, 0.6))) == []


def test_texts_that_meet_are_found() -> None:
    assert drawn.faults(written((0.1, 0.5), (0.15, 0.52), (0.6, 0.5))) == [
        "'text 0' touches 'text 1'"
    ]


def test_texts_that_leave_the_canvas_are_found() -> None:
    assert drawn.faults(written((0.95, 0.5))) == ["'text 0' is cut off"]


def test_only_what_is_drawn_counts() -> None:
    fig = written((0.1, 0.5))
    fig.text(0.1, 0.5, "hidden", visible=False)
    ax = fig.add_axes((0.3, 0.3, 0.5, 0.5))
    ax.set(xticks=[0, 1, 50], yticks=[])
    ax.set_xlim(0, 1)
    assert sorted(drawn.lines_of(fig)) == ["0", "1", "text 0"]
