"""What stands beside a drawn circle: a table of its arcs, or of its crossings with their exact
points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from exact import Hinge
from exact.regions.arcs.partition import CurvePartition
from viz import style
from viz.labels import Row, Table, exact_point
from viz.projections import CirclePlane

_MOST_CROSSINGS = 24
_SAME = 1e-12  # radians: an arc begins at the crossing, not a turn before it


def arc_table(partition: CurvePartition, colours: Sequence[style.RGB]) -> Table:
    """One row per arc: number, start in degrees, code in hexadecimal, and the neurons that flip
    where it starts.
    """
    rows = []
    for region, colour in zip(partition.regions, colours, strict=True):
        flips = " ".join(
            _flip(partition, region.index, hinge)
            for hinge in (region.facets[0].flipped if region.facets else ())
        )
        start = f"{math.degrees(region.parameters_float[0]):6.2f}°"
        rows.append(
            Row(
                colour,
                (f"{region.index:>3}", start, partition.codes[region.index].tobytes().hex(), flips),
            )
        )
    return Table(("arc", " starts", "code (hex)", "flips"), tuple(rows), style.TINY)


def crossing_table(partition: CurvePartition, colours: Sequence[style.RGB]) -> Table | None:
    """One row per crossing: its angle, its exact point (≈ where that is long), and the neurons that
    flip or touch zero.
    """
    points = [exact_point(crossing) for crossing in partition.crossings[:_MOST_CROSSINGS]]
    if len(partition.crossings) > _MOST_CROSSINGS or not any(points):
        return None
    starts, rows = [region.parameters_float[0] for region in partition.regions], []
    deep = len(partition.network.widths) > 1
    for crossing, point in zip(partition.crossings, points, strict=True):
        angle = crossing.angle_float
        begun = max(
            range(len(starts)), key=lambda i: -((angle - starts[i] + _SAME) % (2 * math.pi))
        )
        names = " ".join(
            f"{hinge.layer}.{hinge.neuron}" if deep else f"n{hinge.neuron}"
            for hinge in crossing.hinges
        )
        near = (
            ""
            if point
            else "≈ " + ", ".join(f"{float(x):.4g}" for x in _point_float(partition, angle))
        )
        rows.append(
            Row(
                colours[begun],
                (
                    f"{math.degrees(angle):6.2f}°",
                    point or near,
                    names + " touches" * crossing.tangent,
                ),
            )
        )
    return Table(("   angle", "exact point", "flips"), tuple(rows), style.TINY)


def _point_float(partition: CurvePartition, angle: float) -> np.ndarray:
    """A point of the circle in R^n."""
    return CirclePlane.of(partition).points([angle])[0]


def _flip(partition: CurvePartition, index: int, hinge: Hinge) -> str:
    """The sign after the flip and the neuron, with its layer in deep networks."""
    on = partition.code_of(index).bits[partition.network.hinges.index(hinge)]
    layer = f"{hinge.layer}." if len(partition.network.widths) > 1 else ""
    return f"{'+' if on else '−'}{layer}{hinge.neuron}"
