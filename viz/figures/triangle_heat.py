"""How dense boundaries are in the triangle of three inputs, pixel by pixel: several maps of one
triangle side by side, in one scale of colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Polygon

from exact import InvalidInput
from exact.instruments.batches.scan_lines import Triangle
from viz import style


def triangle_heat(
    triangle: Triangle, density: np.ndarray, ax: Axes, *, most: float, names: Sequence[str] = ()
) -> AxesImage:
    """Draw a map (k x k, by [x, y]) of the square around a triangle, cut off at the triangle, with
    its corners named. Raises InvalidInput for maps of other shapes.
    """
    if density.ndim != 2 or density.shape[0] != density.shape[1]:
        raise InvalidInput(
            "a map is a square of pixels", value=f"shape {density.shape}", remedy="give k x k"
        )
    (left, low), side = triangle.square
    image = ax.imshow(
        np.ma.masked_invalid(density.T),
        origin="lower",
        extent=(left, left + side, low, low + side),
        cmap=style.sequential(),
        vmin=0,
        vmax=most,
        interpolation="nearest",
    )
    outline = triangle.coordinates(triangle.outline)
    border = Polygon(outline, closed=True, fill=False, edgecolor=style.INK, linewidth=style.LINE)
    ax.add_patch(border)
    image.set_clip_path(border)
    corners = triangle.coordinates([[0, 0], [1, 0], [0, 1]])
    middle = corners.mean(axis=0)
    for corner, name in zip(corners, names, strict=False):
        away = (corner - middle) / np.linalg.norm(corner - middle)
        ax.annotate(
            name,
            corner,
            10 * away,
            textcoords="offset points",
            ha="center",
            va="center",
            fontweight="bold",
        )
    low_end, high_end = outline.min(axis=0), outline.max(axis=0)
    room = 0.09 * side
    ax.set(
        xlim=(low_end[0] - room, high_end[0] + room),
        ylim=(low_end[1] - room, high_end[1] + room),
        xticks=[],
        yticks=[],
        aspect="equal",
    )
    for spine in ax.spines.values():
        spine.set_visible(False)
    return image


def triangle_heat_figure(
    triangle: Triangle,
    maps: Mapping[str, np.ndarray],
    *,
    names: Sequence[str] = (),
    title: str = "Boundaries in a triangle",
    subtitle: str = "",
) -> Figure:
    """A panel for every map, by its name. Raises InvalidInput where there is none."""
    finite = [own[np.isfinite(own)] for own in maps.values()]
    if not finite or not all(map(len, finite)):
        raise InvalidInput(
            "there is no map to draw", value=f"{len(maps)} maps", remedy="give one with values"
        )
    most = max(float(np.percentile(own, 99)) for own in finite) or 1.0
    with style.house():
        figure: Figure
        figure, axes = style.figure(1.2 + 3.6 * len(maps), 4.2, 1, len(maps), squeeze=False)
        for ax, (name, own) in zip(axes[0], maps.items(), strict=True):
            image = triangle_heat(triangle, own, ax, most=most, names=names)
            ax.set_xlabel(name)
        figure.colorbar(
            image, ax=list(axes[0]), label="length of boundaries per area", shrink=0.8, extend="max"
        )
        style.headline(axes[0, 0], title, subtitle)
    return figure
