"""A norm in R^3 in its three steps: f projects, g scales to the sphere, h applies gain and bias
(mathematics.md, "LayerNorm and RMSNorm").

`norm = h g f` with f(x) = P x, g(y) = sqrt(n) y / |y| (eps as in the norm), h(y) = gain * y + bias.
LayerNorm's P projects on the plane 1^perp and leaves a circle, then an ellipse; RMSNorm's P is the
identity and leaves a sphere, then an ellipsoid. All of it is float64: this is a picture of the
maps, not a partition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Path3DCollection

from exact import InvalidInput, Norm
from exact.arithmetic.numbers import nearest_float
from viz import style
from viz.figures.polytopes import class_handles
from viz.projections import gain_and_bias, image_basis, view_beside, without_gain_and_bias

_TURNS = np.linspace(0, 2 * math.pi, 181)


@dataclass(frozen=True)
class LayerNormArtists:
    """What was drawn in the three panels: the cloud after f, g and h, the surfaces, and the moves
    of f and g.
    """

    clouds: tuple[tuple[Path3DCollection, ...], ...]
    surfaces: tuple[Artist, ...]
    moves: tuple[Line3DCollection, ...]


def layer_norm(
    norm: Norm, points: np.ndarray, axes: Sequence[Axes3D], *, classes: Sequence[int] | None = None
) -> LayerNormArtists:
    """Draw f, g and h of a norm of R^3 on the cloud `points` (k x 3) into three axes.

    Raises InvalidInput for norms of other dimensions and points that do not fit.
    """
    points = np.asarray(points, dtype=np.float64)
    labels = np.zeros(len(points), dtype=int) if classes is None else np.asarray(classes, dtype=int)
    _check(norm, points, labels, axes)
    basis, inner = image_basis(norm), without_gain_and_bias(norm)
    f = points @ basis.T @ basis
    g, h = inner.forward_float(points), norm.forward_float(points)
    gain, bias = gain_and_bias(norm)
    image = math.sqrt(norm.dim) * _unit(basis)
    surfaces = (
        *_plane(axes[0], basis, f),
        _surface(axes[1], image),
        _surface(axes[2], gain * image + bias),
    )
    moves = (_moves(axes[0], points, f), _moves(axes[1], f, g))
    if len(basis) < 3:
        axes[0].scatter(*points.T, s=5, color=style.GREY, linewidths=0, depthshade=False, zorder=3)
    clouds = tuple(_cloud(ax, cloud, labels) for ax, cloud in zip(axes, (f, g, h), strict=True))
    images = np.vstack([f, g, h, image.reshape(-1, 3), (gain * image + bias).reshape(-1, 3)])
    for ax, shown in zip(axes, (np.vstack([points, f]), images, images), strict=True):
        _frame(ax, shown)
    return LayerNormArtists(clouds, surfaces, moves)


def layer_norm_figure(
    norm: Norm,
    points: np.ndarray,
    *,
    title: str | None = None,
    classes: Sequence[int] | None = None,
    class_names: Sequence[str] = (),
) -> Figure:
    """A complete figure of :func:`layer_norm`: three panels with their formulas."""
    with style.house():
        fig, axes = style.space(3, view=view_beside((1.0, 1.0, 1.0)))
        layer_norm(norm, points, axes, classes=classes)
        flat = norm.sphere_dim == 1
        steps = [
            (
                "f: project",
                "x ↦ P x, onto the plane $\\mathbf{1}^\\perp$"
                if flat
                else "x ↦ x (P is the identity)",
            ),
            ("g: scale", f"y ↦ √3 y / |y|, onto a {'circle' if flat else 'sphere'}; {_eps(norm)}"),
            ("h: gain and bias", f"y ↦ γ ⊙ y + β, onto an {'ellipse' if flat else 'ellipsoid'}"),
        ]
        for ax, (name, formula) in zip(axes, steps, strict=True):
            left = ax.get_position().x0 + 0.02
            fig.text(left, 0.86, name, fontweight="bold", fontsize=style.BODY)
            fig.text(left, 0.81, formula, fontsize=style.SMALL, color=style.MUTED)
        fig.text(
            0.03,
            0.94,
            title or f"{type(norm).__name__} in three steps",
            fontweight="bold",
            fontsize=style.HEADING,
        )
        grey = Line2D(
            [], [], color=style.HAIRLINE, linewidth=1.5, label="where each point comes from"
        )
        fig.legend(
            handles=[*class_handles(classes, class_names), grey],
            loc="lower left",
            ncols=5,
            bbox_to_anchor=(0.02, 0.0),
        )
    return fig


def _eps(norm: Norm) -> str:
    beside, under = (nearest_float(eps) for eps in (norm.eps_beside_root, norm.eps_under_root))
    return f"ε = {beside or under:g}" + (" beside the root" if beside else "")


def _check(norm: Norm, points: np.ndarray, labels: np.ndarray, axes: Sequence[Axes3D]) -> None:
    if norm.dim != 3:
        raise InvalidInput(
            "only norms of R^3 can be drawn",
            value=f"dimension {norm.dim}",
            remedy="give a norm with dim=3",
        )
    if points.ndim != 2 or points.shape[1] != 3 or labels.shape != (len(points),):
        raise InvalidInput(
            "the cloud does not fit R^3",
            value=f"points {points.shape}, classes {labels.shape}",
            remedy="give points as (k, 3) and k class numbers",
        )
    if len(axes) != 3:
        raise InvalidInput(
            "three steps need three panels", value=f"{len(axes)} axes", remedy="give three Axes3D"
        )


def _unit(basis: np.ndarray) -> np.ndarray:
    """The unit sphere of the span: a closed curve (k, 3) for two rows, a grid of latitudes (j, k,
    3) for three.
    """
    ring = np.column_stack([np.cos(_TURNS), np.sin(_TURNS)])
    if len(basis) == 2:
        return ring @ basis
    latitude = np.linspace(-math.pi / 2, math.pi / 2, 25)[:, None, None]
    ring = ring[::5]
    grid = np.concatenate(
        [np.cos(latitude) * ring, np.broadcast_to(np.sin(latitude), (25, len(ring), 1))], axis=2
    )
    return grid @ basis


def _plane(ax: Axes3D, basis: np.ndarray, cloud: np.ndarray) -> list[Artist]:
    """The plane that P projects on, as a square around the projected cloud; nothing for RMSNorm."""
    if len(basis) == 3:
        return []
    reach = 1.1 * float(np.abs(cloud @ basis.T).max())
    corner = reach * np.array([[[-1, -1], [-1, 1]], [[1, -1], [1, 1]]]) @ basis
    return [
        ax.plot_surface(
            *np.moveaxis(corner, -1, 0),
            color=style.SURFACE,
            alpha=0.45,
            shade=False,
            linewidth=0,
            zorder=1,
        )
    ]


def _surface(ax: Axes3D, image: np.ndarray) -> Artist:
    """The circle or ellipse as a line, the sphere or ellipsoid as a translucent net."""
    if image.ndim == 2:
        return ax.plot(*image.T, color=style.INK, linewidth=style.LINE, zorder=3)[0]
    grid = np.moveaxis(image, -1, 0)
    ax.plot_wireframe(*grid, color=style.HAIRLINE, linewidth=0.3, rstride=3, cstride=3, zorder=2)
    return ax.plot_surface(
        *grid,
        color=style.SURFACE,
        alpha=0.3,
        shade=False,
        linewidth=0,
        antialiased=False,
        rstride=1,
        cstride=1,
        zorder=1,
    )


def _moves(ax: Axes3D, before: np.ndarray, after: np.ndarray) -> Line3DCollection:
    pairs = np.stack([before, after], axis=1)
    return ax.add_collection3d(
        Line3DCollection(pairs, colors=style.HAIRLINE, linewidths=style.THIN, zorder=2)
    )


def _cloud(ax: Axes3D, points: np.ndarray, labels: np.ndarray) -> tuple[Path3DCollection, ...]:
    return tuple(
        ax.scatter(
            *points[labels == c].T,
            s=14,
            color=style.class_colour(c),
            marker=style.MARKERS[c % len(style.MARKERS)],
            edgecolors=style.PAPER,
            linewidths=0.3,
            depthshade=False,
            zorder=4,
        )
        for c in sorted(set(labels.tolist()))
    )


def _frame(ax: Axes3D, shown: np.ndarray) -> None:
    """A cube around what is shown, three ticks an axis, no grey walls."""
    middle, half = (shown.max(0) + shown.min(0)) / 2, 0.55 * float(np.ptp(shown, axis=0).max())
    for axis, name, centre in zip(
        (ax.xaxis, ax.yaxis, ax.zaxis), ("x₁", "x₂", "x₃"), middle, strict=True
    ):
        axis.set_view_interval(centre - half, centre + half, ignore=True)
        axis.set_major_locator(style.few_ticks())
        axis.set_label_text(name)
        axis.labelpad = -6
        axis.set_tick_params(pad=-3, labelsize=style.TINY)
        axis.set_pane_color((1, 1, 1, 0))
    ax.set_box_aspect((1, 1, 1), zoom=1.15)
    ax.computed_zorder = False
