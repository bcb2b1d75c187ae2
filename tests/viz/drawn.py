"""What a figure really draws: its texts, their boxes on the canvas, and what is wrong with them."""

from itertools import combinations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Bbox

_FINE = 1e6  # curves become polygons on a grid of pixels: make the pixels small


def texts(fig: Figure) -> list[tuple[str, Bbox]]:
    """Every text that a drawing of the figure puts on the canvas, with its box in pixels (tick
    labels out of view are not).
    """
    drawn: dict[int, Text] = {}
    original = Text.draw

    def draw(self: Text, renderer: object, *args: object, **kwargs: object) -> None:
        if self.get_visible() and self.get_text().strip():
            drawn[id(self)] = self
        original(self, renderer, *args, **kwargs)

    Text.draw = draw
    try:
        fig.draw_without_rendering()
    finally:
        Text.draw = original
    return [(text.get_text(), text.get_window_extent()) for text in drawn.values()]


def faults(fig: Figure) -> list[str]:
    """Pairs of texts whose boxes meet, and texts that leave the canvas, by more than half a
    pixel.
    """
    boxes = [(text, box.padded(-0.5)) for text, box in texts(fig)]
    found = [
        f"{a!r} touches {b!r}"
        for (a, first), (b, second) in combinations(boxes, 2)
        if first.overlaps(second)
    ]
    return found + [f"{text!r} is cut off" for text, box in boxes if not _contains(fig.bbox, box)]


def _contains(canvas: Bbox, box: Bbox) -> bool:
    return (
        canvas.x0 <= box.x0 and canvas.y0 <= box.y0 and box.x1 <= canvas.x1 and box.y1 <= canvas.y1
    )


def lines_of(fig: Figure) -> list[str]:
    """Every line of every text drawn."""
    return [line for text, _ in texts(fig) for line in text.splitlines()]


def inside(path: Path, points: np.ndarray) -> np.ndarray:
    """Which points are in the area of a path with curves and holes; matplotlib's own test knows no
    holes.
    """
    fine = Affine2D().scale(_FINE)
    found = np.zeros(len(points), dtype=bool)
    for polygon in path.transformed(fine).to_polygons(closed_only=True):
        found ^= Path(polygon).contains_points(points * _FINE)
    return found
