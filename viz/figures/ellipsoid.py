"""The ellipsoid that gain and bias make of a norm's sphere, in its own axes (mathematics.md, "The
image of a norm").

A norm of R^n whose image spans two or three dimensions is drawn in the coordinates of its
semi-axes, the longest first, around its centre, the bias. Two dimensions are a curve; three are
drawn in parallel projection: the outline, a net of meridians and parallels, dashed where it is on
the far side. Squared semi-axes and multiplicities are exact (`exact.instruments.norm_geometry`),
the drawing is float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from exact import Ellipse, GreatCircle, GreatSphere, InvalidInput, Norm
from exact.arithmetic.numbers import nearest_float
from exact.geometry.domains.base import FlatDomain
from exact.instruments.norm_geometry import Ellipsoid
from exact.instruments.norm_geometry import ellipsoid as axes_of
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.norm_ball import NormBallPartition
from exact.regions.spheres.partition import SpherePartition
from viz import style
from viz.catalogue import Make, Subject, figure
from viz.figures.polytopes import class_handles

_TURNS = np.linspace(0, 2 * math.pi, 361)
_FAR = 200  # gains beyond 2^200 or below 2^-200 are drawn in a unit of their size
# from where three dimensions are seen, in the coordinates of the semi-axes
_VIEW = np.array([0.5, -0.74, 0.45])
_NET = 6  # meridians and parallels of the net


@dataclass(frozen=True)
class EllipsoidArtists:
    """What was drawn: the outline, the net (front, back; in three dimensions), one line per
    semi-axis, labels and points.
    """

    outline: Line2D
    net: tuple[LineCollection, ...]
    semi_axes: tuple[Line2D, ...]
    labels: tuple[Text, ...]
    points: tuple[PathCollection, ...]


def ellipsoid(
    norm: Norm, ax: Axes, *, points: np.ndarray | None = None, classes: Sequence[int] | None = None
) -> EllipsoidArtists:
    """Draw the image of a norm, and where it sends `points` (k x n, inputs) if they are given.

    Raises InvalidInput unless the image spans two or three dimensions, and for points that do not
    fit.
    """
    shape = axes_of(norm)
    if shape.dim not in (2, 3):
        raise InvalidInput(
            "only images of two or three dimensions are drawn",
            value=f"{shape.dim} dimensions",
            remedy="give LayerNorm of 3 or 4 or RMSNorm of 2 or 3 coordinates",
        )
    unit, rows = _unit(norm), np.concatenate([axis.directions_float for axis in shape.axes])
    lengths = _lengths(shape) / unit
    screen = np.eye(2) if shape.dim == 2 else _screen(_VIEW)
    outline, net = _outline(ax, lengths, screen), _net(ax, lengths, screen)
    semi_axes, labels = _semi_axes(ax, shape, lengths, screen)
    clouds = _points(ax, norm, rows, screen / unit, points, classes)
    wide, high = 1.4 * np.abs(outline.get_xydata()).max(axis=0)
    ax.set_xlim(-wide, wide, auto=True)  # the layout may widen them to keep the unit equal
    ax.set_ylim(-high, high, auto=True)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return EllipsoidArtists(outline, net, semi_axes, labels, clouds)


def ellipsoid_figure(
    norms: Sequence[Norm],
    *,
    points: np.ndarray | None = None,
    title: str | None = None,
    classes: Sequence[int] | None = None,
    class_names: Sequence[str] = (),
) -> Figure:
    """A complete figure of :func:`ellipsoid`, a panel per norm: LayerNorm and RMSNorm of the same
    gain side by side.
    """
    with style.house():
        fig, panels = style.figure(4.6 * len(norms), 4.1, 1, len(norms), squeeze=False)
        fig.suptitle(
            title or "What gain and bias make of a norm's sphere",
            fontsize=style.HEADING,
            fontweight="bold",
            x=0.01,
            ha="left",
        )
        for norm, ax in zip(norms, panels[0], strict=True):
            ellipsoid(norm, ax, points=points, classes=classes)
            style.headline(
                ax, f"{type(norm).__name__} of ℝ{_superscript(norm.dim)}", _subtitle(norm)
            )
        style.key(
            fig,
            [
                *_key(any(axes_of(norm).dim == 3 for norm in norms)),
                *class_handles(classes, class_names),
            ],
            columns=3,
        )
    return fig


def _unit(norm: Norm) -> float:
    """What one unit of the picture stands for: 1, or a power of two where floats of the lengths
    could not be squared.
    """
    largest = float(np.frexp(np.abs(norm.gain.float64()).max())[1])
    return 1.0 if abs(largest) < _FAR else 2.0**largest


def _lengths(shape: Ellipsoid) -> np.ndarray:
    return np.array([axis.length_float for axis in shape.axes for _ in range(axis.multiplicity)])


def _screen(view: np.ndarray) -> np.ndarray:
    """Two orthonormal rows: right and up of a picture seen from `view`, with the third axis
    upwards.
    """
    towards = view / np.linalg.norm(view)
    right = np.cross([0.0, 0.0, 1.0], towards)
    right /= np.linalg.norm(right)
    return np.array([right, np.cross(towards, right)])


def _outline(ax: Axes, lengths: np.ndarray, screen: np.ndarray) -> Line2D:
    """The ellipse itself, or of an ellipsoid the curve where the line of sight is tangent.

    There the normal x_k / l_k^2 is orthogonal to the view, so x_k / l_k runs over the great circle
    orthogonal to view_k / l_k.
    """
    if len(lengths) == 2:
        flat = lengths * np.column_stack([np.cos(_TURNS), np.sin(_TURNS)])
    else:
        frame = _screen(_VIEW / lengths)
        flat = (np.column_stack([np.cos(_TURNS), np.sin(_TURNS)]) @ frame * lengths) @ screen.T
    return ax.plot(*flat.T, color=style.INK, linewidth=style.LINE, zorder=3)[0]


def _net(ax: Axes, lengths: np.ndarray, screen: np.ndarray) -> tuple[LineCollection, ...]:
    """Meridians through the ends of the third axis, and parallels; first the near side, then the
    far side.
    """
    if len(lengths) == 2:
        return ()
    turns = np.linspace(0, math.pi, _NET, endpoint=False)
    meridians = [
        np.column_stack([np.cos(a) * np.cos(_TURNS), np.sin(a) * np.cos(_TURNS), np.sin(_TURNS)])
        for a in turns
    ]
    heights = np.linspace(-math.pi / 2, math.pi / 2, _NET + 1)[1:-1]
    circle = np.column_stack([np.cos(_TURNS), np.sin(_TURNS), np.zeros(len(_TURNS))])
    parallels = [math.cos(b) * circle + [0, 0, math.sin(b)] for b in heights]
    near, far = [], []
    for curve in (*meridians, *parallels):
        flat, facing = curve * lengths @ screen.T, (curve / lengths) @ _VIEW
        pieces = np.stack([flat[:-1], flat[1:]], axis=1)
        front = (facing[:-1] + facing[1:]) > 0
        near.append(pieces[front])
        far.append(pieces[~front])
    front = LineCollection(
        np.concatenate(near), colors=style.HYPERPLANE, linewidths=style.THIN, zorder=2
    )
    back = LineCollection(
        np.concatenate(far)[::3], colors=style.HAIRLINE, linewidths=style.THIN, zorder=1
    )
    return ax.add_collection(front), ax.add_collection(back)


def _semi_axes(
    ax: Axes, shape: Ellipsoid, lengths: np.ndarray, screen: np.ndarray
) -> tuple[tuple[Line2D, ...], tuple[Text, ...]]:
    """A line from the centre to the end of every semi-axis, with its length beyond."""
    lines, labels = [], []
    names = [
        name
        for axis in shape.axes
        for name in [_length_name(axis.squared, axis.length_float)] * axis.multiplicity
    ]
    for k, (length, name) in enumerate(zip(lengths, names, strict=True)):
        tip = length * screen[:, k]
        colour = style.series_colour(k)
        lines.append(
            ax.plot(
                [0, tip[0]],
                [0, tip[1]],
                color=colour,
                linewidth=style.BOLD,
                zorder=4,
                solid_capstyle="round",
            )[0]
        )
        # also where a very short axis rounds to a point
        unit = screen[:, k] / np.linalg.norm(screen[:, k])
        labels.append(
            ax.annotate(
                name,
                tip,
                7 * unit,
                textcoords="offset points",
                color=colour,
                fontsize=style.SMALL,
                zorder=6,
                bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
                ha="left" if unit[0] > 0.4 else "right" if unit[0] < -0.4 else "center",
                va="bottom" if unit[1] > 0.4 else "top" if unit[1] < -0.4 else "center",
            )
        )
    ax.plot([0], [0], marker="o", markersize=4, color=style.INK, zorder=5)
    return tuple(lines), tuple(labels)


def _length_name(squared: object, length: float) -> str:
    """The root of a short rational stays one, beside its value."""
    if squared is None or not squared.is_rational or max(int(squared.a.p), int(squared.a.q)) > 999:  # type: ignore[attr-defined]
        return f"{length:.3g}"
    p, q = int(squared.a.p), int(squared.a.q)  # type: ignore[attr-defined]
    whole = math.isqrt(p) ** 2 == p and q == 1
    return f"{math.isqrt(p)}" if whole else f"√{p}" if q == 1 else f"√({p}/{q})"


def _points(
    ax: Axes,
    norm: Norm,
    rows: np.ndarray,
    screen: np.ndarray,
    points: np.ndarray | None,
    classes: Sequence[int] | None,
) -> tuple[PathCollection, ...]:
    if points is None:
        return ()
    cloud = np.asarray(points, dtype=np.float64)
    if cloud.ndim != 2 or cloud.shape[1] != norm.dim:
        raise InvalidInput(
            "the points do not fit the norm",
            value=cloud.shape,
            remedy=f"give rows of {norm.dim} numbers",
        )
    labels = np.zeros(len(cloud), dtype=int) if classes is None else np.asarray(classes, dtype=int)
    flat = (norm.forward_float(cloud) - norm.bias.float64().T) @ rows.T @ screen.T
    return tuple(
        ax.scatter(
            *flat[labels == c].T,
            s=9,
            color=style.class_colour(c),
            marker=style.MARKERS[c % len(style.MARKERS)],
            linewidths=0,
            alpha=0.8,
            zorder=5,
        )
        for c in sorted(set(labels.tolist()))
    )


def _subtitle(norm: Norm) -> str:
    shape = axes_of(norm)
    gain = ", ".join(f"{nearest_float(g):.3g}" for g in norm.gain.column())
    bias = ", ".join(f"{nearest_float(b):.3g}" for b in norm.bias.column())
    kind = (
        "the inside too"
        if shape.is_solid
        else "ε = 0"
        if norm.eps == 0
        else f"ε = {nearest_float(norm.eps):.3g}: inside it"
    )
    return (
        f"γ = ({gain}), centre β = ({bias})\nsemi-axes: roots of n times the eigenvalues of γ "
        f"P γ; {kind}"
    )


def _superscript(number: int) -> str:
    return "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(number))


def _key(solid: bool) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], color=style.INK, linewidth=style.LINE, label="image of the norm"),
        Line2D(
            [],
            [],
            color=style.series_colour(0),
            linewidth=style.BOLD,
            label="semi-axes, longest first",
        ),
    ]
    return (
        [
            *handles,
            Line2D([], [], color=style.HYPERPLANE, linewidth=style.THIN, label="its near side"),
        ]
        if solid
        else handles
    )


@figure("ellipsoid", CurvePartition, SpherePartition, NormBallPartition)
def _of(subject: Subject) -> Make | None:
    """The image of the norm in front, for the domains that are all of it."""
    norm = subject.partition.network.blocks[0].norm
    if (
        norm is None
        or norm.sphere_dim not in (1, 2)
        or isinstance(subject.partition.domain, Ellipse | GreatCircle | GreatSphere | FlatDomain)
    ):
        return None
    rows = subject.rows()
    points = {"points": rows["data"], "classes": rows["classes"]} if rows else {}
    title = f"The image of the norm of {subject.name}"
    return lambda: ellipsoid_figure([norm], title=title, **points)
