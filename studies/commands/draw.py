"""`exactlens draw`: the figures that fit a run and a domain, as SVG and PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from exact import (
    Block,
    Box,
    GreatCircle,
    GreatSphere,
    InvalidInput,
    Network,
    Partition,
    Plane,
    Sphere,
    partition,
)
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.norm_ball import NormBallPartition
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.partition import SpherePartition
from studies.arguments import DomainRequest
from studies.commands.job import JobOptions, Opened, Result, console, enumerate_regions, open_run
from studies.runs import find, refuse_links
from viz import html_globe, style

MOST_DATA, MOST_NODES = 400, 1_000
Draw = Callable[[], Any]


def run(options: JobOptions, *, out: Path | None) -> int:
    """Draw every figure that fits, print where they lie, and return the exit code."""
    folder = out if out is not None else _default_folder(find(options.target, options.root))
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(
            "the folder for the figures is a file", value=folder, remedy="give another --out"
        )
    refuse_links(folder)
    result = enumerate_regions(
        options if options.domain is not None else replace(options, domain=fitting(options))
    )
    screen = console()
    screen.print(f"{result.opened.label()}: {result.partition!r}")
    for name, draw in list(_figures(result)):
        svg, png = style.save(draw(), folder, name)
        screen.print(f"drawn {svg} and {png.name}")
    if isinstance(result.partition, SpherePartition) and len(result.partition) <= html_globe.MOST:
        page = html_globe.save_globe(
            result.partition, folder, "globe", title=f"Cells of {result.opened.name}"
        )
        screen.print(f"drawn {page}, to be turned in a browser")
    return result.exit_code


def _default_folder(place: Path) -> Path:
    """`figures` in the folder of a run, `FILE-figures` beside a file."""
    return place / "figures" if place.is_dir() else place.with_name(f"{place.stem}-figures")


def fitting(options: JobOptions) -> DomainRequest:
    """The domain that fits a network: the circle or 2-sphere of its first norm, or the square [-1,
    1]^2 for two inputs.
    """
    network = open_run(options).network
    if network.has_norm and network.norms[0].sphere_dim in (1, 2):
        return DomainRequest("sphere", ())
    if not network.has_norm and network.input_dim == 2:
        return DomainRequest("box", ((Fraction(-1),), (Fraction(1),)))
    raise InvalidInput(
        "no domain fits this network by itself",
        value=f"{network.input_dim} inputs, {len(network.norms)} norms",
        remedy="give --plane, --great-circle, --great-sphere, --ray or --segment",
    )


def _figures(result: Result) -> Iterator[tuple[str, Draw]]:
    found = result.partition
    if isinstance(found, NormBallPartition):
        yield from _ball_figures(result.opened, found)
    elif isinstance(found, FlatPartition):
        yield from _flat_figures(result.opened, found)
    elif isinstance(found, CurvePartition):
        yield from _curve_figures(result.opened, found)
    elif isinstance(found, SpherePartition):
        yield from _sphere_figures(result.opened, found)
    else:
        raise InvalidInput(
            "there is no figure of this",
            value=repr(found),
            remedy="give a --plane or a --great-sphere",
        )


def _flat_figures(opened: Opened, found: FlatPartition) -> Iterator[tuple[str, Draw]]:
    from viz.figures.adjacency import adjacency_figure
    from viz.figures.polytopes import polytopes_figure

    if found.flat.dim != 2:
        raise InvalidInput(
            "only two-dimensional domains are drawn as polytopes",
            value=found.domain,
            remedy="give a --plane",
        )
    data = {} if isinstance(found.domain, Plane) or len(found.flat.origin) != 2 else _data(opened)
    decision = found.network.is_piecewise_linear
    yield (
        "polytopes",
        lambda: polytopes_figure(
            found,
            title=f"Regions of {opened.name}",
            decision=decision,
            colour_by="map" if decision else "code",
            **data,
        ),
    )
    yield (
        "adjacency",
        lambda: adjacency_figure(found, title=f"Which regions of {opened.name} share a facet"),
    )


def _curve_figures(opened: Opened, found: CurvePartition) -> Iterator[tuple[str, Draw]]:
    from viz.figures.adjacency import adjacency_figure
    from viz.figures.circle import circle_figure
    from viz.figures.profiles import profile_figure

    if not found.frame.is_straight:
        data = _data(opened)
        yield "circle", lambda: circle_figure(found, title=f"Arcs of {opened.name}", **data)
        yield (
            "adjacency",
            lambda: adjacency_figure(found, title=f"Which arcs of {opened.name} touch"),
        )
        embedding = _embedding(opened)
        if embedding is not None:
            yield "sectors", lambda: _sectors_figure(opened, found, embedding)
        yield from _ellipsoid_figures(opened, found)
    yield (
        "profile",
        lambda: profile_figure(found, title=f"Along {_curve_name(found)} of {opened.name}"),
    )


def _sphere_figures(opened: Opened, found: SpherePartition) -> Iterator[tuple[str, Draw]]:
    from viz.figures.globe import globe_figure
    from viz.figures.sphere_adjacency import sphere_adjacency_figure
    from viz.figures.stereographic import stereographic_figure

    data = _data(opened) if isinstance(found.domain, Sphere) else {}
    yield "globe", lambda: globe_figure(found, title=f"Cells of {opened.name}", **data)
    yield (
        "stereographic",
        lambda: stereographic_figure(found, title=f"Cells of {opened.name}, as a map", **data),
    )
    if len(found) <= MOST_NODES:
        yield (
            "adjacency",
            lambda: sphere_adjacency_figure(
                found, title=f"Which cells of {opened.name} share an arc"
            ),
        )
    yield from _ellipsoid_figures(opened, found)


def _ball_figures(opened: Opened, found: NormBallPartition) -> Iterator[tuple[str, Draw]]:
    from viz.figures.norm_ball import norm_ball_figure

    if found.flat.dim != 2:
        raise InvalidInput(
            "only balls of two dimensions are drawn", value=found.domain, remedy="give --sphere"
        )
    arcs = partition(found.network, Sphere())
    assert isinstance(arcs, CurvePartition), "the boundary of a disc is a circle"
    yield (
        "norm_ball",
        lambda: norm_ball_figure(found, arcs, title=f"What ε > 0 leaves of {opened.name}"),
    )
    yield from _ellipsoid_figures(opened, found)


def _ellipsoid_figures(opened: Opened, found: Partition) -> Iterator[tuple[str, Draw]]:
    """The image of the norm in front, for the domains that are all of it."""
    from viz.figures.ellipsoid import ellipsoid_figure

    norm = found.network.blocks[0].norm
    if (
        norm is not None
        and not isinstance(found.domain, GreatCircle | GreatSphere)
        and norm.sphere_dim in (1, 2)
    ):
        rows = _data(opened)
        points = {"points": rows["data"], "classes": rows["classes"]} if rows else {}
        yield (
            "ellipsoid",
            lambda: ellipsoid_figure(
                [norm], title=f"The image of the norm of {opened.name}", **points
            ),
        )


def _curve_name(found: Partition) -> str:
    kind = type(found.domain).__name__
    return {"Sphere": "the circle", "GreatCircle": "a great circle"}.get(kind, f"a {kind.lower()}")


def _before(opened: Opened) -> tuple[Block, ...]:
    """The blocks of the checkpoint in front of the network that is drawn."""
    return opened.whole.blocks[: opened.start]


def _embedding(opened: Opened) -> tuple[np.ndarray, np.ndarray] | None:
    """(E, e) where an affine embedding of the plane stands in front of a norm whose image is a
    plane, else None.
    """
    layers = [layer for block in _before(opened) for layer in block.layers]
    norm = opened.network.blocks[0].norm
    if (
        len(layers) != 1
        or layers[0].bits
        or layers[0].weight.shape[1] != 2
        or norm is None
        or norm.sphere_dim != 1
    ):
        return None
    return layers[0].weight.float64(), layers[0].bias.float64()[:, 0]


@style.house()
def _sectors_figure(
    opened: Opened, found: CurvePartition, embedding: tuple[np.ndarray, np.ndarray]
) -> Any:
    from viz.figures.polytopes import class_handles, decision_handle
    from viz.figures.sectors import sectors

    rows = _data(replace(opened, start=0))
    figure, ax = style.figure(5.6, 6.0)
    sectors(found, ax, embedding, Box(-1, 1, dim=2), decision=True, **rows)
    style.headline(
        ax,
        f"Sectors of {opened.name}",
        f"{len(found)} arcs, exact; colour: spline code; limit of small ε",
    )
    style.key(figure, [*class_handles(rows.get("classes")), decision_handle()])
    return figure


def _data(opened: Opened) -> dict[str, Any]:
    """Rows of the task that the run was trained on, as they enter the network that is drawn; none
    where it is unknown.
    """
    training = None if opened.checkpoint is None else opened.checkpoint.provenance.training
    if training is None:
        return {}
    rows, before = training.dataset(), _before(opened)
    inputs = rows.inputs[:MOST_DATA].double().numpy()
    points = Network(before).forward_float(inputs) if before else inputs
    classes = rows.targets[:MOST_DATA].tolist() if rows.kind == "classification" else None
    return {"data": np.asarray(points), "classes": classes}
