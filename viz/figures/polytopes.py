"""The regions of a plane as polygons, with data and the decision boundary on top.

The polygons are exact until they are drawn: their corners are rationals rounded once to float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from exact import Box, InvalidInput, Outcome, Plane
from exact.geometry.domains.base import Flat
from exact.regions.polytopes.partition import FlatPartition
from viz import style
from viz.catalogue import Make, Subject, figure
from viz.decision import pieces_in_polygon
from viz.labels import without_ties
from viz.outlines import Outlines, clipped

ColourBy = Literal["map", "code", "class", "active", "slope"]
_MANY = 4_000  # regions from which on areas are written as pixels into SVG and PDF
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_CATEGORIES = {"map": "affine map", "code": "spline code", "class": "class that wins"}
_VALUES = {"active": "hinges that are on", "slope": "slope (output per unit of input)"}


@dataclass(frozen=True)
class Polytopes:
    """What was drawn: path k of `regions` is region `indices[k]`, or its part in which one class
    wins; `meaning` says what its colour stands for.
    """

    regions: PolyCollection
    indices: tuple[int, ...]
    points: tuple[PathCollection, ...]
    decision: LineCollection | None
    meaning: str


def polytopes(
    partition: FlatPartition,
    ax: Axes,
    *,
    colour_by: ColourBy = "map",
    clip: Box | None = None,
    data: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
    decision: bool = False,
) -> Polytopes:
    """Draw the regions of a two-dimensional partition (Box, Plane or RealSpace).

    Coordinates are those of `polygons()`: x1, x2, or the parameters (s, t) of a Plane; `data` (k x
    2) is in them too, and `classes` numbers its rows from 0. `colour_by`: "map" (equal colour for
    equal affine maps on the domain), "code", "class" (the output that is largest, regions cut where
    two tie), "active" (hinges that are on) or "slope" (Frobenius norm of the map's matrix in these
    coordinates). `decision` adds where the output is 0, or where the two largest of several outputs
    tie. From 4,000 regions on areas are pixels in SVG and PDF. An unbounded domain needs `clip`;
    without it the window is the data's range with a margin. Raises InvalidInput for domains that
    are not planes.
    """
    check_flat(partition)
    if colour_by not in (*_CATEGORIES, *_VALUES):
        raise InvalidInput(
            "unknown colouring",
            value=repr(colour_by),
            remedy='write "map", "code", "class", "active" or "slope"',
        )
    seen = Outlines.of(partition, _window(partition, clip, data))
    parts = _parts_of_classes(partition, seen) if colour_by == "class" else seen
    regions = PolyCollection(parts.corners, zorder=1, linewidth=_edge_width(len(parts)))
    regions.set(joinstyle="round", rasterized=len(parts) >= _MANY)
    meaning = _colour(regions, partition, parts, colour_by)
    ax.add_collection(regions)
    lines = _decision(partition, seen, ax) if decision else None
    points = scatter(ax, data, classes)
    frame(ax, partition, seen)
    return Polytopes(regions, parts.indices, points, lines, meaning)


def _edge_width(count: int) -> float:
    return 0.5 if count <= 300 else 0.25 if count < _MANY else 0.1


def polytopes_figure(
    partition: FlatPartition,
    *,
    title: str = "Regions of the input plane",
    colour_by: ColourBy = "map",
    clip: Box | None = None,
    data: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
    class_names: Sequence[str] = (),
    decision: bool = False,
) -> Figure:
    """A complete figure of :func:`polytopes`: count, meaning of the colours, legend of the data."""
    with style.house():
        fig, ax = style.figure(6.0 if colour_by in _VALUES else 5.4, 6.0)
        drawn = polytopes(
            partition,
            ax,
            colour_by=colour_by,
            clip=clip,
            data=data,
            classes=classes,
            decision=decision,
        )
        fit_height(fig, ax)
        style.headline(
            ax, title, f"{count_of(partition, len(set(drawn.indices)))}\n{drawn.meaning}"
        )
        if colour_by in _VALUES:
            fig.colorbar(
                drawn.regions, cax=ax.inset_axes((1.03, 0, 0.035, 1)), label=_VALUES[colour_by]
            )
        handles = class_handles(classes if data is not None else None, class_names)
        style.key(fig, [*handles, *([decision_handle()] if decision else [])])
    return fig


def check_flat(partition: FlatPartition) -> None:
    """Raise InvalidInput unless the partition consists of polygons."""
    partition.seen_as(
        FlatPartition, "this figure draws polygons", "partition a Box, Plane or RealSpace"
    )


def _window(partition: FlatPartition, clip: Box | None, data: np.ndarray | None) -> Box | None:
    """The given clip; for an unbounded domain without one, the range of the data and a fifth of it
    around.
    """
    if clip is not None or partition.is_bounded or data is None:
        return clip
    low, high = np.min(data, axis=0), np.max(data, axis=0)
    margin = 0.2 * np.maximum(high - low, 1e-3)
    return Box([float(x) for x in low - margin], [float(x) for x in high + margin])


def count_of(partition: FlatPartition, visible: int) -> str:
    """The number of regions, how it is known, and how many are in the window."""
    known = (
        "exact"
        if partition.outcome is Outcome.COMPLETE
        else f"a lower bound ({partition.outcome.value})"
    )
    hidden = "" if visible == len(partition) else f"; {visible:,} in this window"
    return (
        f"{len(partition):,} region{'s' * (len(partition) != 1)}, "
        f"{known}{without_ties(partition)}{hidden}"
    )


def _colour(
    regions: PolyCollection, partition: FlatPartition, seen: Outlines, colour_by: ColourBy
) -> str:
    """Set the faces; returns what colour means."""
    if colour_by in _CATEGORIES:
        regions.set_edgecolor(style.INK)
        if colour_by == "class":
            won = seen.classes
            regions.set_facecolor([style.tint(style.class_colour(c), style.SOFT) for c in won])
            return f"colour: {_CATEGORIES[colour_by]} ({len(set(won))})"
        keys = _keys(partition, seen.indices, colour_by)
        regions.set_facecolor(style.distinct_colours(keys, seen.touching, soften=style.SOFT))
        different = len(set(keys))
        repeats = (
            f" ({different:,}; colours recur, never side by side)"
            if different > style.DISTINCT
            else f" ({different})"
        )
        return f"colour: {_CATEGORIES[colour_by]}{repeats}"
    regions.set(cmap=style.sequential(), edgecolor=style.PAPER)
    chosen = list(seen.indices)
    if colour_by == "active":
        regions.set_array(partition.bits[chosen].sum(axis=1).astype(float))
    else:
        slopes = partition.maps_float[chosen][:, :, :2]
        regions.set_array(np.sqrt((slopes**2).sum(axis=(1, 2))))
    return f"colour: {_VALUES[colour_by]}"


def _keys(partition: FlatPartition, indices: Sequence[int], colour_by: ColourBy) -> list[object]:
    """What must be equal for colours to be: packed codes, or the numbers of exact maps over the
    domain's parameters.
    """
    if colour_by == "code":
        return [partition.codes[i].tobytes() for i in indices]
    return partition.map_ids[list(indices)].tolist()


def _parts_of_classes(partition: FlatPartition, seen: Outlines) -> Outlines:
    """Every outline, cut where two classes tie, each part with the class that wins in it; which
    classes win on a region is known exactly.
    """
    indices, corners, won = list[int](), list[np.ndarray](), list[int]()
    sets, ids = partition.class_sets, partition.class_ids.tolist()
    for i, own in zip(seen.indices, seen.corners, strict=True):
        for c in [ids[i]] if ids[i] >= 0 else np.flatnonzero(sets[i]).tolist():
            part = own if ids[i] >= 0 else clipped(own, _ahead(partition.maps_float[i], c))
            if len(part) > 2:
                indices.append(i)
                corners.append(part)
                won.append(c)
    return Outlines(tuple(indices), tuple(corners), tuple(won))


def _ahead(rows: np.ndarray, c: int) -> list[np.ndarray]:
    """What is >= 0 where class c wins, outputs being affine rows; a single one stands against 0."""
    every = rows if len(rows) > 1 else np.concatenate([np.zeros_like(rows), rows])
    return [every[c] - row for k, row in enumerate(every) if k != c]


def _decision(partition: FlatPartition, seen: Outlines, ax: Axes) -> LineCollection:
    """The boundary in the outlines on which two classes are ahead at different corners: classes
    win on convex parts.
    """
    maps = partition.maps_float[list(seen.indices)]
    pieces = [
        piece for k in seen.contested(maps) for piece in pieces_in_polygon(seen.corners[k], maps[k])
    ]
    return decision_lines(pieces, ax)


def decision_lines(pieces: Sequence[np.ndarray], ax: Axes) -> LineCollection:
    """A decision boundary as dark lines with a white rim, so that it is seen on every colour."""
    rim = LineCollection(
        pieces, colors=style.PAPER, linewidths=2 * style.BOLD, capstyle="round", zorder=2
    )
    lines = LineCollection(
        pieces,
        colors=style.INK,
        linewidths=style.BOLD,
        capstyle="round",
        zorder=3,
        label="decision",
    )
    ax.add_collection(rim)
    ax.add_collection(lines)
    return lines


def scatter(
    ax: Axes, data: np.ndarray | None, classes: Sequence[int] | None
) -> tuple[PathCollection, ...]:
    """Data points, one collection per class, each with its colour and marker and a white rim."""
    if data is None:
        return ()
    data = np.asarray(data, dtype=np.float64)
    labels = np.zeros(len(data), dtype=int) if classes is None else np.asarray(classes, dtype=int)
    if data.ndim != 2 or data.shape[1] != 2 or labels.shape != (len(data),):
        raise InvalidInput(
            "data does not fit the figure",
            value=f"data {data.shape}, classes {labels.shape}",
            remedy="give data as (k, 2) in the coordinates of the figure and k class numbers",
        )
    size = float(np.clip(4000 / max(len(data), 1), 7, 26))
    return tuple(
        ax.scatter(
            *data[labels == c].T,
            s=size,
            marker=style.MARKERS[c % len(style.MARKERS)],
            color=style.class_colour(c),
            edgecolors=style.PAPER,
            linewidths=0.5,
            zorder=4,
            label=f"class {c}",
        )
        for c in sorted(set(labels.tolist()))
    )


def class_handles(classes: Sequence[int] | None, names: Sequence[str] = ()) -> list[Artist]:
    """Legend handles for data classes, named "class 0", "class 1", ... where no name is given."""
    return [
        Line2D(
            [],
            [],
            linestyle="",
            marker=style.MARKERS[c % len(style.MARKERS)],
            color=style.class_colour(c),
            markersize=5.5,
            markeredgecolor=style.PAPER,
            markeredgewidth=0.5,
            label=names[c] if c < len(names) else f"class {c}",
        )
        for c in sorted({int(c) for c in classes} if classes is not None else ())
    ]


def decision_handle() -> Artist:
    """The legend handle of a decision boundary."""
    return Line2D([], [], color=style.INK, linewidth=style.BOLD, label="decision boundary")


def fit_height(fig: Figure, ax: Axes, panels: int = 1, extra: float = 0.0) -> None:
    """Give the figure the height that equal units ask for (and `extra` inches), without empty bands
    above and below.
    """
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    width = fig.get_size_inches()[0]
    fig.set_figheight(
        (width / panels - 0.8) * min(max((top - bottom) / (right - left), 0.3), 2.0) + 1.5 + extra
    )


def _coordinate(flat: Flat, k: int) -> str:
    """The input that parameter k of a chart is."""
    rows = zip(flat.origin, zip(*flat.directions, strict=True), strict=True)
    j = next(
        j
        for j, (start, slopes) in enumerate(rows)
        if start == 0 and slopes[k] == 1 and sum(x != 0 for x in slopes) == 1
    )
    return f"input x{j + 1}".translate(_SUBSCRIPTS)


def frame(ax: Axes, partition: FlatPartition, seen: Outlines) -> None:
    """Limits around the outlines, equal units, a full frame, and the names of the coordinates."""
    if len(seen):
        left, bottom, right, top = seen.window
        ax.set(xlim=(left, right), ylim=(bottom, top))
    plane = isinstance(partition.domain, Plane)
    across, up = (
        ("plane parameter s", "plane parameter t")
        if plane
        else (_coordinate(partition.flat, k) for k in (0, 1))
    )
    ax.set(xlabel=across, ylabel=up)
    ax.set_aspect("equal")
    ax.spines[:].set_visible(True)


@figure("polytopes", FlatPartition)
def _of(subject: Subject) -> Make:
    """Polytopes in a box or plane, with the decision of the network."""
    found = subject.partition
    if found.flat.dim != 2:
        raise InvalidInput(
            "only two-dimensional domains are drawn as polytopes",
            value=found.domain,
            remedy="give a --plane",
        )
    in_plane = isinstance(found.domain, Plane) or len(found.flat.origin) != 2
    decision = found.network.is_piecewise_linear
    return lambda: polytopes_figure(
        found,
        title=f"Regions of {subject.name}",
        decision=decision,
        colour_by="map" if decision else "code",
        **({} if in_plane else subject.rows()),
    )
