"""How every figure looks, and how it is saved: the only place with colours, fonts and sizes.

Categories use the palette of Okabe and Ito ("Color Universal Design", 2008), which stays distinct
under the common forms of colour blindness; continuous values use cividis (Nuñez, Anderton and
Renslow, 2018), which is perceptually uniform under them. Nothing here touches matplotlib's global
settings: figures are made and saved inside `house()`.
"""

from __future__ import annotations

import io
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from exact import InvalidInput
from exact.atomic_files import made_folder, write_atomically

RGB = tuple[float, float, float]

INK, MUTED, HAIRLINE, PAPER = "#1b1b1b", "#5f6368", "#c4c7cb", "#ffffff"
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PURPLE, YELLOW, GREY = "#56B4E9", "#CC79A7", "#F0E442", "#4D4D4D"
CATEGORICAL = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW, GREY)
HYPERPLANE = "#3E6FA3"
SURFACE = "#BFD3E6"
SOFT = 0.55  # the share of white in areas under data
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "p")

SMALL, TINY, BODY, HEADING = 8.0, 6.5, 9.0, 11.0
THIN, LINE, BOLD = 0.6, 1.3, 2.2
MONOSPACE = "DejaVu Sans Mono"
PNG_DPI = 200

_SETTINGS = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": BODY,
    "axes.linewidth": THIN,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": BODY,
    "axes.unicode_minus": True,
    "figure.facecolor": PAPER,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": BODY,
    "grid.color": HAIRLINE,
    "grid.linewidth": 0.3,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "path",
    "svg.hashsalt": "exactlens",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelsize": SMALL,
    "xtick.labelcolor": INK,
    "xtick.major.width": THIN,
    "ytick.color": MUTED,
    "ytick.labelsize": SMALL,
    "ytick.labelcolor": INK,
    "ytick.major.width": THIN,
}


@contextmanager
def house() -> Iterator[None]:
    """The settings of the house, as a context or a decorator; matplotlib's own are restored
    afterwards.
    """
    with mpl.rc_context(_SETTINGS):
        yield


# ---- colours


def tint(colour: str | RGB, share: float) -> RGB:
    """The colour mixed with white: share 0 leaves it, 1 is white."""
    red, green, blue = ((1 - share) * c + share for c in to_rgb(colour))
    return red, green, blue


def class_colour(index: int) -> str:
    """The colour of data class `index`; with more than five classes the marker tells them apart."""
    return (BLUE, VERMILLION, GREEN, PURPLE, INK)[index % 5]


def series_colour(index: int) -> str:
    """The colour of the line or run `index`; yellow, too pale for a line, is left out."""
    return (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, INK)[index % 7]


def layer_colour(layer: int) -> str:
    """The colour of hidden layer `layer` (1-based); 0 stands for several layers at once."""
    return INK if layer == 0 else series_colour(layer - 1)


def sequential() -> Colormap:
    """The colour map of continuous values: cividis without its darkest fifth, so that lines and
    data stay visible.
    """
    return ListedColormap(
        mpl.colormaps["cividis"](np.linspace(0.2, 1.0, 256)), name="cividis_light"
    )


# Sixteen shades of the palette, each chosen in turn to lie farthest from those before it in OKLab,
# in normal vision and in the three simulations of colour blindness of Machado, Oliveira and
# Fernandes (2009).
_SHADES = (
    "#A6DDCE",
    "#A04600",
    "#DDF0FB",
    "#8F5575",
    "#EFC159",
    "#89CBF0",
    "#006197",
    "#DD7E33",
    "#D99ABD",
    "#F8F3AA",
    "#A36186",
    "#4DA2D2",
    "#E0AFCA",
    "#B86D96",
    "#8A3D00",
    "#B55000",
)
DISTINCT_COLOURS = CATEGORICAL + _SHADES
DISTINCT = len(DISTINCT_COLOURS)
"""How many keys `distinct_colours` gives a colour of their own; beyond that colours repeat, never
between neighbours.
"""


def distinct_colours(
    keys: Sequence[Hashable], neighbours: Iterable[tuple[int, int]] = (), soften: float = 0.0
) -> list[RGB]:
    """One colour per item: equal keys, equal colours; neighbours with different keys, different
    colours.

    Up to `DISTINCT` (24) different keys all get their own colour: the eight of the palette, then
    shades of them. Beyond that a colour is chosen as far as possible, in the OKLab space, from
    those of the neighbours, and otherwise the least used one. `neighbours` are pairs of indices;
    `soften` mixes everything with white, for areas under data. Raises InvalidInput when one item
    has so many neighbours that all colours are taken.
    """
    palette = [tint(colour, soften) for colour in DISTINCT_COLOURS]
    order = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    if len(order) <= len(palette):
        return [palette[order[key]] for key in keys]
    adjacent: list[set[int]] = [set() for _ in order]
    for a, b in neighbours:
        first, second = order[keys[a]], order[keys[b]]
        if first != second:
            adjacent[first].add(second)
            adjacent[second].add(first)
    chosen = _greedy(adjacent, np.array([_oklab(colour) for colour in palette]))
    return [palette[chosen[order[key]]] for key in keys]


def _greedy(adjacent: Sequence[set[int]], palette: np.ndarray) -> list[int]:
    """A proper colouring, the most constrained key first."""
    apart = np.linalg.norm(palette[:, None] - palette[None], axis=2)
    near = [sum(1 << int(c) for c in np.flatnonzero(row < _APART)) for row in apart]
    chosen, used, every = [-1] * len(adjacent), [0] * len(palette), range(len(palette))
    for key in sorted(range(len(adjacent)), key=lambda k: -len(adjacent[k])):
        taken = {chosen[other] for other in adjacent[key]} - {-1}
        too_near = 0
        for colour in taken:
            too_near |= near[colour]
        free = [c for c in every if not too_near >> c & 1] or _farthest(apart, taken, adjacent[key])
        chosen[key] = min(free, key=used.__getitem__)
        used[chosen[key]] += 1
    return chosen


_APART = 0.1  # in OKLab: neighbours are told apart at a glance


def _farthest(apart: np.ndarray, taken: set[int], neighbours: set[int]) -> list[int]:
    """The colours whose distance from the nearest of those taken is greatest."""
    nearest = apart[:, sorted(taken)].min(axis=1)
    if not nearest.any():
        raise InvalidInput(
            "neighbours cannot all differ in colour",
            value=f"{len(neighbours)} neighbours of one key",
            remedy="colour by a continuous value instead",
        )
    found: list[int] = np.flatnonzero(nearest >= nearest.max()).tolist()
    return found


def _oklab(colour: RGB) -> np.ndarray:
    """OKLab coordinates, in which Euclidean distance follows perceived difference (Ottosson,
    2020).
    """
    rgb = np.array(colour)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    opponent = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return opponent @ np.cbrt(cones @ linear)


# ---- figures


class HouseFigure(Figure):
    """A figure that is saved with the settings of the house, whoever saves it: PDF and PS then
    embed TrueType fonts (42).
    """

    @house()
    def savefig(self, *args: Any, **options: Any) -> None:
        """As `Figure.savefig`."""
        super().savefig(*args, **options)


@house()
def figure(
    width: float = 6.4, height: float = 5.0, rows: int = 1, columns: int = 1, **subplots: object
) -> tuple[Figure, Any]:
    """A figure of `width` x `height` inches with constrained layout, and its axes (one Axes, or an
    array of them).
    """
    fig = HouseFigure(figsize=(width, height), layout="constrained")
    fig.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    return fig, fig.subplots(rows, columns, **subplots)


@house()
def space(
    columns: int, width: float = 9.6, height: float = 4.2, view: tuple[float, float] = (22.0, -10.0)
) -> tuple[Figure, list[Any]]:
    """A figure with a row of axes in R^3, seen from (elevation, azimuth) in degrees, equal units
    along the three axes.
    """
    fig = HouseFigure(figsize=(width, height))
    part = 1 / columns
    rows = [
        fig.add_axes((k * part + 0.01, 0.14, part - 0.03, 0.64), projection="3d")
        for k in range(columns)
    ]
    for ax in rows:
        ax.view_init(*view)
        ax.set_proj_type("ortho")
    return fig, rows


def logarithmic(ax: Axes, name: Literal["x", "y"]) -> None:
    """A logarithmic axis with one label a decade, or those of 1, 2 and 5 where there are less than
    two decades.
    """
    ax.set(**{f"{name}scale": "log"})
    axis = ax.xaxis if name == "x" else ax.yaxis
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def few_ticks() -> MaxNLocator:
    """Three or four round tick positions."""
    return MaxNLocator(3, steps=[1, 2, 5, 10])


def headline(ax: Axes, title: str, subtitle: str) -> Annotation:
    """Title in bold over a grey subtitle, both flush left over the axes; returns the subtitle."""
    lines = subtitle.count("\n") + 1
    ax.set_title(
        title,
        loc="left",
        fontsize=HEADING,
        fontweight="bold",
        color=INK,
        pad=6 + lines * 1.35 * SMALL,
    )
    return ax.annotate(
        subtitle,
        (0, 1),
        (0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        va="bottom",
        fontsize=SMALL,
        color=MUTED,
        linespacing=1.25,
    )


def key(fig: Figure, handles: Sequence[object], columns: int = 4) -> None:
    """The legend of a whole figure, below the axes; nothing when there is nothing to explain."""
    if handles:
        fig.legend(
            handles=list(handles),
            loc="outside lower left",
            ncols=columns,
            handlelength=1.6,
            columnspacing=1.6,
        )


def save(fig: Figure, folder: str | Path, name: str) -> tuple[Path, Path, Path]:
    """Write `folder/name.svg`, `folder/name.png` and `folder/name.pdf` and return the three paths.

    Each file appears whole or not at all. Equal figures give equal bytes: no date, a fixed salt for
    identifiers, text as outlines, in the PDF as TrueType fonts. The layout is frozen at its first
    drawing. Raises InvalidInput for a name that is not a plain file stem.
    """
    if not name or Path(name).name != name:
        raise InvalidInput(
            "a figure needs a plain file name",
            value=repr(name),
            remedy='write something like "circle"',
        )
    target = Path(folder)
    with house(), made_folder(target):
        fig.draw_without_rendering()
        fig.set_layout_engine("none")
        svg = _write(
            fig,
            target / f"{name}.svg",
            format="svg",
            metadata={"Date": None, "Creator": None, "Title": name},
        )
        png = _write(
            fig, target / f"{name}.png", format="png", dpi=PNG_DPI, metadata={"Software": None}
        )
        undated = {"CreationDate": None, "Creator": None, "Producer": None, "Title": name}
        pdf = _write(fig, target / f"{name}.pdf", format="pdf", metadata=undated)
    return svg, png, pdf


def _write(fig: Figure, path: Path, **options: object) -> Path:
    buffer = io.BytesIO()
    fig.savefig(buffer, **options)
    write_atomically(path, buffer.getvalue())
    return path
