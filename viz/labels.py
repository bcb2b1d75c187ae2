"""Text that never overlaps: labels around a circle and tables of short rows, placed by their
measured size.

Labels keep to the left or the right half of the circle and are moved vertically until they are a
line apart, so boxes of one half cannot touch, nor can those of different halves. Sizes are in
points (1/72 inch); the placement holds for the size that the axes have when it is made.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import TextPath

from exact.errors import InvalidInput
from exact.geometry.pencils.pencil import Direction
from exact.instruments.decision.ties import count_without_ties
from exact.regions.arcs.crossings import Crossing
from exact.regions.partition import Partition
from viz import style

_LARGEST_INTEGER = 10**6  # beyond it no expression is short
_LINE_HEIGHT = 1.25  # of the font size: ascenders and descenders with air between
_SIDE_GAP = 3.0  # points between the two halves, and between a label and its leader
_MONO_ADVANCE = 0.603  # width of a character of the monospaced font, in font sizes
# canvases of few pixels round the width of a character up by at most this much at the sizes used
_ROUNDING = 1.08


def without_ties(partition: Partition) -> str:
    """For the partition of a network that `decision.tied` made, how many cells the network itself
    has; else nothing.
    """
    try:
        return f"; {count_without_ties(partition):,} without the ties"
    except InvalidInput:
        return ""


@dataclass(frozen=True)
class Label:
    """A text that belongs to the point at `angle` (radians) and distance `start` from the centre,
    in units of the axes.

    When not all fit, those of high `priority` stay.
    """

    text: str
    angle: float
    start: float
    priority: float
    colour: str = style.INK
    monospace: bool = True

    @property
    def family(self) -> str:
        return style.MONOSPACE if self.monospace else "DejaVu Sans"


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, family: str = style.MONOSPACE) -> float:
    """The width in points that a line of text never exceeds, on whatever canvas."""
    if not text or family == style.MONOSPACE:
        return len(text) * _MONO_ADVANCE * _ROUNDING * size
    return (
        float(
            TextPath((0, 0), text, size=size, prop=FontProperties(family=[family])).get_extents().x1
        )
        * _ROUNDING
    )


def size_in_points(ax: Axes) -> tuple[float, float]:
    """The width and height of the axes after the figure has been laid out."""
    ax.figure.draw_without_rendering()
    box = ax.get_window_extent()
    return box.width * 72 / ax.figure.dpi, box.height * 72 / ax.figure.dpi


def fit_circle(ax: Axes, radius: float, labels: Iterable[Label], size: float) -> float:
    """Set the limits of the axes so that a circle of `radius` with labels outside it fits; return
    points per unit.

    The circle stays round, also when the figure is resized: one unit is equally long in both
    directions.
    """
    width, height = size_in_points(ax)
    widest = max((text_width(label.text, size, label.family) for label in labels), default=0.0)
    scale = min(width / 2 - widest - 2 * _SIDE_GAP, height / 2 - _LINE_HEIGHT * size) / radius
    scale = max(scale, min(width, height) / 8 / radius)
    ax.set_aspect("equal", adjustable="box")
    ax.set_xlim(-width / 2 / scale, width / 2 / scale)
    ax.set_ylim(-height / 2 / scale, height / 2 / scale)
    return scale


def around_circle(
    ax: Axes, labels: Sequence[Label], radius: float, scale: float, size: float
) -> tuple[list[Text], LineCollection]:
    """Write labels outside a circle of `radius` around the origin, each tied to its point by a thin
    leader.

    `scale` is what `fit_circle` returned. Labels for which there is no room are left out, by
    priority.
    """
    texts: list[Text] = []
    leaders: list[list[tuple[float, float]]] = []
    pitch = _LINE_HEIGHT * size / scale
    limit = ax.get_ylim()[1] - pitch / 2
    for side in (1, -1):
        half = [label for label in labels if (math.cos(label.angle) >= 0) == (side > 0)]
        kept = sorted(half, key=lambda label: -label.priority)[: int(2 * limit / pitch) + 1]
        kept.sort(key=lambda label: (math.sin(label.angle) * label.start, -label.start))
        heights = spread([math.sin(label.angle) * radius for label in kept], pitch, -limit, limit)
        for label, y in zip(kept, heights, strict=True):
            text, leader = _place(ax, label, side, y, radius, pitch, _SIDE_GAP / scale, size)
            texts.append(text)
            leaders.append(leader)
    lines = LineCollection(
        leaders, colors=style.HAIRLINE, linewidths=style.THIN, zorder=1, capstyle="round"
    )
    ax.add_collection(lines, autolim=False)
    return texts, lines


def _place(
    ax: Axes,
    label: Label,
    side: int,
    y: float,
    radius: float,
    pitch: float,
    gap: float,
    size: float,
) -> tuple[Text, list[tuple[float, float]]]:
    """One text just outside the circle at height y, and the leader from its point."""
    lowest = max(abs(y) - pitch / 2, 0.0)
    along, bend = (math.cos(label.angle), math.sin(label.angle)), (label.start + 2 * radius) / 3
    across = math.sqrt(max((radius - lowest) / radius, 0.0) * ((radius + lowest) / radius)) * radius
    x = side * max(across, abs(bend * along[0]), gap)
    text = ax.text(
        x + side * gap,
        y,
        label.text,
        ha="left" if side > 0 else "right",
        va="center_baseline",
        fontsize=size,
        family=label.family,
        color=label.colour,
        zorder=6,
    )
    text.set_in_layout(False)
    return text, [
        (label.start * along[0], label.start * along[1]),
        (bend * along[0], bend * along[1]),
        (x, y),
    ]


def spread(wanted: Sequence[float], pitch: float, low: float, high: float) -> list[float]:
    """The positions nearest to the ascending `wanted` (least squares) that keep `pitch` apart
    inside [low, high].

    Taking `pitch * index` off turns the distances into an order, so this is isotonic regression by
    pooling neighbours.
    """
    blocks: list[list[float]] = []  # [mean, count]
    for index, value in enumerate(wanted):
        blocks.append([value - pitch * index, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            blocks[-1] = [
                (blocks[-1][0] * blocks[-1][1] + mean * count) / (blocks[-1][1] + count),
                blocks[-1][1] + count,
            ]
    pooled = np.repeat([b[0] for b in blocks], [int(b[1]) for b in blocks])
    top = high - pitch * (len(wanted) - 1)
    return list(np.clip(pooled, low, max(top, low)) + pitch * np.arange(len(wanted)))


def exact_point(crossing: Crossing, longest: int = 40) -> str | None:
    """The point of a crossing as an exact expression, "(√6/2, 0, -√6/2)"; None where that takes
    more characters.
    """
    direction = crossing.direction
    if not isinstance(direction, Direction):
        return None
    parts = [x for surd in (direction.alpha, direction.beta) for x in (surd.a, surd.b, surd.d)]
    if max(max(abs(int(x.p)), int(x.q)) for x in parts) > _LARGEST_INTEGER:
        return None
    text = f"({', '.join(str(x).replace(' ', '') for x in crossing.point)})"
    text = re.sub(r"sqrt\((\d+)\)", r"√\1", text).replace("*", "").replace("-", "−")
    return text if len(text) <= longest else None


@dataclass(frozen=True)
class Row:
    """One row of a table: a coloured square and texts, one per column."""

    colour: tuple[float, float, float]
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows under a header in monospaced lines, flowing into blocks side by side. Sizes in
    points.
    """

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    size: float

    @property
    def _lines(self) -> list[str]:
        columns = zip(self.header, *(row.cells for row in self.rows), strict=True)
        padded = [[cell.ljust(max(map(len, column))) for cell in column] for column in columns]
        return ["  ".join(cells) for cells in zip(*padded, strict=True)]

    @property
    def _block_width(self) -> float:
        return text_width(self._lines[0], self.size) + 3.5 * self.size

    def _rows_per_block(self, height: float) -> int:
        blocks = math.ceil(len(self.rows) / max(int(height / (_LINE_HEIGHT * self.size)) - 2, 1))
        return math.ceil(len(self.rows) / blocks)

    def width(self, height: float) -> float:
        """The width needed where the table may be `height` tall."""
        return math.ceil(len(self.rows) / self._rows_per_block(height)) * self._block_width

    def draw(self, ax: Axes) -> list[Text]:
        """Write the table into axes of its own, a text per row and block header."""
        ax.set_axis_off()
        width, height = size_in_points(ax)
        ax.set(xlim=(0, width), ylim=(height, 0))
        header, *lines = self._lines
        per_block, pitch, texts = self._rows_per_block(height), _LINE_HEIGHT * self.size, []
        for start in range(0, len(lines), per_block):
            left = start // per_block * self._block_width
            block = [header, *lines[start : start + per_block]]
            texts += [
                self._line(ax, left, (k + 1) * pitch, line, k == 0) for k, line in enumerate(block)
            ]
            heights = (2 + np.arange(len(block) - 1)) * pitch
            colours = [row.colour for row in self.rows[start : start + per_block]]
            ax.scatter(
                np.full(len(heights), left + self.size),
                heights,
                s=(0.75 * self.size) ** 2,
                marker="s",
                color=colours,
                linewidths=0,
            )
        return texts

    def _line(self, ax: Axes, left: float, y: float, text: str, is_header: bool) -> Text:
        colour = style.MUTED if is_header else style.INK
        return ax.text(
            left + 2 * self.size,
            y,
            text,
            fontsize=self.size,
            family=style.MONOSPACE,
            va="center",
            color=colour,
            in_layout=False,
        )
