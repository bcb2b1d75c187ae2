"""A partitioned 2-sphere as one HTML file that needs nothing else: drag to turn, wheel to zoom,
point at a cell to read it.

The page carries circles, arcs and walks as JSON and draws them on a canvas, with the clipping of
`viz.hemisphere`. It loads nothing: a content security policy forbids it, and every text is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.colors import to_hex

from exact import InvalidInput
from exact.arithmetic.enclosures.intervals import Interval
from exact.atomic_files import made_folder, write_atomically
from exact.regions.spheres.partition import SpherePartition
from viz import style
from viz.catalogue import Subject, Write, written
from viz.figures.globe import cell_colours, sphere_counts, sphere_title, view_towards
from viz.sphere_arcs import SphereArcs

MANY = 3_000
"""Beyond so many cells the page draws only arcs while it turns, and areas are float64."""
MOST = 30_000
"""The most cells that a page is made for."""
_DIGITS, _DECIMALS = 12, 9
_TEMPLATES = Path(__file__).parent / "templates"


def globe_html(
    partition: SpherePartition, *, title: str | None = None, view: Sequence[object] | None = None
) -> str:
    """The page of a partitioned 2-sphere.

    `view` is an input vector whose direction is in the middle at first. Up to 3,000 cells have
    certified areas; beyond that the page says what it leaves out. Raises InvalidInput beyond 30,000
    cells and for what is no 2-sphere.
    """
    arcs = SphereArcs.of(partition)
    if len(partition) > MOST:
        raise InvalidInput(
            "too many cells for a page",
            value=f"{len(partition):,} cells",
            remedy=f"draw viz.figures.globe, or at most {MOST:,} cells",
        )
    colours = {
        "ink": style.INK,
        "muted": style.MUTED,
        "hairline": style.HAIRLINE,
        "paper": style.PAPER,
        "focus": style.BLUE,
    }
    return _template().render(
        title=title or sphere_title(partition),
        counts=sphere_counts(partition),
        cell_count=len(partition),
        note=_note(partition),
        data=_data(arcs, view_towards(arcs, view)),
        script=(_TEMPLATES / "globe.js").read_text("utf-8"),
        **colours,
    )


def save_globe(
    partition: SpherePartition,
    folder: str | Path,
    name: str,
    *,
    title: str | None = None,
    view: Sequence[object] | None = None,
) -> Path:
    """Write `folder/name.html`, whole or not at all, and return its path."""
    if not name or Path(name).name != name:
        raise InvalidInput(
            "a figure needs a plain file name",
            value=repr(name),
            remedy='write something like "globe"',
        )
    page, target = globe_html(partition, title=title, view=view), Path(folder) / f"{name}.html"
    with made_folder(target.parent):
        write_atomically(target, page.encode())
    return target


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("globe.html.j2")


def _note(partition: SpherePartition) -> str:
    if len(partition) <= MANY:
        return ""
    return (
        f"More than {MANY:,} cells: while the globe turns only arcs are drawn, and areas are "
        f"float64, not certified."
    )


def _data(arcs: SphereArcs, towards: np.ndarray) -> dict[str, Any]:
    """Everything that the script draws, as plain lists."""
    partition = arcs.partition
    frames = zip(arcs.centre, arcs.first, arcs.second, strict=True)
    return {
        "circles": [
            {"centre": _short(c), "first": _short(u), "second": _short(v)} for c, u, v in frames
        ],
        "arcs": [
            [int(c), *_short(span)]
            for c, *span in zip(arcs.circle, arcs.start, arcs.turn, strict=True)
        ],
        "ends": partition.complex.arc_ends.tolist(),
        "vertices": [_short(point) for point in arcs.vertices],
        "cells": _cells(arcs),
        "flips": _flips(arcs),
        "layers": _layers(arcs),
        "colours": _colours(partition),
        "towards": _short(towards),
        "many": len(partition) > MANY,
        "styles": {"ink": style.INK, "muted": style.MUTED},
    }


def _short(values: Sequence[float] | np.ndarray) -> list[float]:
    """Numbers to twelve digits, which no screen tells from the float64."""
    return [float(f"{x:.{_DIGITS}g}") for x in values]


def _cells(arcs: SphereArcs) -> list[dict[str, Any]]:
    partition, whole = arcs.partition, float(arcs.partition.area)
    floats = partition.areas_float()
    found = []
    for index, walks in enumerate(arcs.walks):
        certified = len(partition) <= MANY
        area = (
            decimals(partition.regions[index].area)
            if certified
            else f"{floats[index]:.{_DECIMALS}g} (float64)"
        )
        point, _ = arcs.deep_point(
            [(half, 0.5) for walk in walks for half in walk], climbs=0 if not certified else 4
        )
        found.append(
            {
                "walks": [list(walk) for walk in walks],
                "code": str(partition.code_of(index)),
                "area": area,
                "share": f"{floats[index] / whole:.3%} of the sphere",
                "inside": _short(point),
            }
        )
    return found


def decimals(interval: Interval, digits: int = 16) -> str:
    """A certified interval in decimals, rounded outwards: "[1.5707963267948965,
    1.5707963267948967]".
    """
    low, high = (
        _directed(end, digits, way)
        for end, way in ((interval.lower, ROUND_FLOOR), (interval.upper, ROUND_CEILING))
    )
    return f"[{low}, {high}]"


def _directed(value: Fraction, digits: int, rounding: str) -> Decimal:
    return Context(prec=digits, rounding=rounding).divide(
        Decimal(value.numerator), Decimal(value.denominator)
    )


def _flips(arcs: SphereArcs) -> list[str]:
    """What flips across each circle, in words."""
    some = {int(c): e for e, c in enumerate(arcs.circle)}
    deep = len(arcs.partition.network.widths) > 1
    names = {
        c: ", ".join(
            (f"layer {h.layer} " if deep else "") + f"neuron {h.neuron}" + "′" * h.breakpoint
            for h in arcs.partition.flipped(e)
        )
        for c, e in some.items()
    }
    return [names.get(c, "") for c in range(len(arcs.axis))]


def _layers(arcs: SphereArcs) -> list[dict[str, Any]]:
    """The arcs of each layer and their colour; one group of ink in networks of one hidden layer."""
    if len(arcs.partition.network.widths) == 1:
        return [{"name": "", "colour": style.INK, "arcs": list(range(len(arcs)))}]
    return [
        {
            "name": f"flips in layer {layer}" if layer else "in several layers",
            "colour": style.layer_colour(layer),
            "arcs": [e for e, own in enumerate(arcs.layers) if own == layer],
        }
        for layer in sorted(set(arcs.layers))
    ]


def _colours(partition: SpherePartition) -> list[dict[str, Any]]:
    """The ways to colour cells: by code where colours suffice, and by area."""
    found = []
    for name in ("auto", "area"):
        colours, meaning = cell_colours(partition, name)  # type: ignore[arg-type]
        if meaning not in {one["meaning"] for one in found}:
            names = [to_hex(colour) for colour in colours]
            palette = list(dict.fromkeys(names))
            place = {colour: k for k, colour in enumerate(palette)}
            found.append(
                {
                    "meaning": meaning,
                    "name": meaning.removeprefix("colour: ").split(" (")[0],
                    "palette": palette,
                    "index": [place[colour] for colour in names],
                }
            )
    return found


@written("globe.html", SpherePartition)
def _of(subject: Subject) -> Write | None:
    """A 2-sphere as a page that can be turned."""
    if len(subject.partition) > MOST:
        return None
    title = f"Cells of {subject.name}"
    return lambda folder: (
        f"{save_globe(subject.partition, folder, 'globe', title=title)}, to be turned in a browser"
    )
