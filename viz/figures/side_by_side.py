"""Regions without and with a norm, for two networks of one architecture: polygons, rays, and the
sphere behind the rays.

On the left a plane through the origin, cut into polygons by the network without norm. In the middle
the same plane for the network behind LayerNorm: far enough out only the direction counts, so that
its regions are sectors, one per arc of the great circle that the plane spans. On the right what all
those directions are: the norm's circle or 2-sphere, with the great circle drawn in. Polygons, arcs
and cells are exact; why there are sectors: mathematics.md, "Critical radii".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import singledispatch

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from exact import GreatCircle, InvalidInput, Plane
from exact.arithmetic.numbers import nearest_floats
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.partition import SpherePartition
from viz import style
from viz.figures.circle import circle
from viz.figures.globe import globe, sphere_counts
from viz.figures.polytopes import class_handles, count_of, polytopes
from viz.figures.sectors import sectors
from viz.hemisphere import Hemisphere
from viz.labels import without_ties
from viz.sphere_arcs import SphereArcs

_TURN = 361
Rows = np.ndarray | None
Classes = Sequence[int] | None


def side_by_side_figure(
    plane: FlatPartition,
    rays: CurvePartition,
    behind: CurvePartition | SpherePartition,
    *,
    title: str = "The same architecture without and with a norm",
    data: np.ndarray | None = None,
    classes: Sequence[int] | None = None,
    class_names: Sequence[str] = (),
) -> Figure:
    """A complete figure of three panels.

    `plane` is a partition of `Plane(0, u, v, s=..., t=...)` by the network without norm; `rays`
    that of `GreatCircle(u, v)`, with the same u and v, by the network with the norm; and `behind`
    that of its `Sphere()`, a circle or a 2-sphere. `data` (k x n) are inputs of both, shown on the
    sphere. Raises InvalidInput where these do not belong together.
    """
    u, v = _directions(plane, rays)
    if behind.network.sha256 != rays.network.sha256:
        raise InvalidInput(
            "the sphere is of another network",
            value=behind,
            remedy="give partition(rays.network, Sphere())",
        )
    with style.house():
        fig, (left, middle, right) = style.figure(13.2, 5.6, 1, 3)
        fig.suptitle(title, x=0.01, ha="left", fontsize=style.HEADING + 1, fontweight="bold")
        flat = polytopes(plane, left, colour_by="code")
        style.headline(
            left, "Without norm: polygons", f"{count_of(plane, len(flat.indices))}\n{flat.meaning}"
        )
        window = plane.domain.bounds  # type: ignore[attr-defined]
        sectors(rays, middle, (np.column_stack([u, v]), np.zeros(len(u))), window)
        style.headline(
            middle,
            "Behind the norm: rays",
            f"{len(rays)} arcs with {rays.code_count} spline codes, exact{without_ties(rays)}\n"
            "colour: spline code of this panel; limit of small ε",
        )
        left.set(xlabel="s (times u)", ylabel="t (times v)")
        middle.set(xlabel="s (times u)", ylabel="t (times v)")
        slices = _sphere(behind, right, u, v, data, classes)
        handles = class_handles(classes if data is not None else None, class_names)
        style.key(fig, [*slices, *handles])
    return fig


def great_circle(
    arcs: SphereArcs, ax: Axes, half: Hemisphere, u: np.ndarray, v: np.ndarray
) -> tuple[LineCollection, ...]:
    """Draw the directions of the plane of two inputs on a globe: the visible half solid, the other
    dashed.
    """
    t = np.linspace(0, 2 * math.pi, _TURN)[:, None]
    points = arcs.unit(np.cos(t) * u + np.sin(t) * v)
    drawn = (
        LineCollection(
            half.runs(points, front=True), colors=style.VERMILLION, linewidths=style.BOLD, zorder=5
        ),
        LineCollection(
            half.runs(points, front=False),
            colors=style.VERMILLION,
            linewidths=0.9,
            linestyles="--",
            zorder=3,
        ),
    )
    for lines in drawn:
        ax.add_collection(lines, autolim=False)
    return drawn


def _directions(plane: FlatPartition, rays: CurvePartition) -> tuple[np.ndarray, np.ndarray]:
    """u and v, which both slices must have."""
    domain, circle_ = plane.domain, rays.domain
    if (
        not isinstance(domain, Plane)
        or domain.bounds is None
        or any(x != 0 for x in domain.points[0])
    ):
        raise InvalidInput(
            "the polygons are not in a bounded plane through the origin",
            value=domain,
            remedy="partition Plane(0, u, v, s=(-1, 1), t=(-1, 1))",
        )
    if not isinstance(circle_, GreatCircle) or (tuple(circle_.u), tuple(circle_.v)) != tuple(
        map(tuple, domain.points[1:])
    ):
        raise InvalidInput(
            "the rays are not those of this plane",
            value=circle_,
            remedy="partition GreatCircle(u, v)",
        )
    return nearest_floats(domain.points[1]), nearest_floats(domain.points[2])


@singledispatch
def _sphere(
    behind: SpherePartition, ax: Axes, u: np.ndarray, v: np.ndarray, data: Rows, classes: Classes
) -> list[Line2D]:
    """The right panel, and what the key says of it."""
    meaning = "the plane in the middle is one great circle of it"
    style.headline(ax, "All directions: the norm's 2-sphere", f"{sphere_counts(behind)}\n{meaning}")
    arcs_ = SphereArcs.of(behind)
    view = _beside(arcs_, u, v)
    globe(behind, ax, view=view, labels="none", data=data, classes=classes)
    great_circle(arcs_, ax, Hemisphere.seen_from(arcs_, arcs_.unit(np.array([view]))[0]), u, v)
    return [_slice_handle()]


@_sphere.register
def _(
    behind: CurvePartition, ax: Axes, u: np.ndarray, v: np.ndarray, data: Rows, classes: Classes
) -> list[Line2D]:
    arcs = (
        f"{behind.cell_count} arcs with {behind.code_count} spline codes, "
        f"exact{without_ties(behind)}"
    )
    style.headline(
        ax, "All directions: the norm's circle", f"{arcs}\nlines: hyperplanes of the neurons"
    )
    circle(behind, ax, labels="none", data=data, classes=classes)
    return []


def _beside(arcs: SphereArcs, u: np.ndarray, v: np.ndarray) -> list[float]:
    """An input direction from which the great circle of u and v is seen as a wide ellipse."""
    first, second = arcs.unit(np.array([u, v]))
    pole = np.cross(first, second)
    towards = 0.55 * pole / np.linalg.norm(pole) + (first + second) / np.linalg.norm(first + second)
    y = np.linalg.solve(arcs.partition.frame_float, towards)
    basis = np.array([nearest_floats(row) for row in arcs.partition.chart.basis])
    return [float(x) for x in y @ basis]


def _slice_handle() -> Line2D:
    return Line2D(
        [],
        [],
        color=style.VERMILLION,
        linewidth=style.BOLD,
        label="directions of the plane in the middle",
    )
