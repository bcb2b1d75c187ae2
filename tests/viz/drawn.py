"""What a figure really draws: the texts, their boxes on the canvas, and which of them touch."""

from collections.abc import Iterator
from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def texts(fig: Figure) -> list[tuple[str, Bbox]]:
    """Every text that a drawing of the figure puts on the canvas, with its box in pixels (tick labels out of view are not)."""
    drawn: dict[int, Text] = {}
    original = Text.draw

    def draw(self: Text, renderer: object, *args: object, **kwargs: object) -> None:
        if self.get_visible() and self.get_text().strip():
            drawn[id(self)] = self
        original(self, renderer, *args, **kwargs)

    Text.draw = draw
    try:
        fig.draw_without_rendering()
        drawn.clear()  # the first drawing settles the layout
        fig.draw_without_rendering()
    finally:
        Text.draw = original
    return [(text.get_text(), text.get_window_extent()) for text in drawn.values()]


def touching(fig: Figure) -> list[tuple[str, str]]:
    """Pairs of drawn texts whose boxes meet by more than half a pixel."""
    boxes = [(text, box.padded(-0.5)) for text, box in texts(fig)]
    return [(a, b) for (a, first), (b, second) in combinations(boxes, 2) if first.overlaps(second)]


def cut_off(fig: Figure) -> list[str]:
    """Drawn texts that leave the canvas."""
    canvas = fig.bbox.padded(0.5)
    return [text for text, box in texts(fig) if not all(canvas.contains(x, y) for x, y in box.corners())]


def lines_of(fig: Figure) -> Iterator[str]:
    """Every line of every text drawn."""
    return (line for text, _ in texts(fig) for line in text.splitlines())
