"""What the engines get to see of a truth about a sphere, and what is counted in their answer."""

from __future__ import annotations

from typing import Any

import exact
from exact.networks.activations import ReLU
from exact.networks.norms import LayerNorm, RMSNorm
from tests.truths.sphere_files import SphereTruth

NORMS = {"layer_norm": LayerNorm, "rms_norm": RMSNorm}


def network(truth: SphereTruth) -> exact.Network:
    """The hidden layers behind the norm; every neuron of the last is an output."""
    hidden = [
        exact.Layer.of([row[:-1] for row in layer], [row[-1] for row in layer], ReLU())
        for layer in truth.layers
    ]
    width = len(truth.layers[-1])
    readout = exact.Layer.of([[int(i == j) for j in range(width)] for i in range(width)])
    return exact.Network((exact.Block((*hidden, readout), norm(truth)),))


def norm(truth: SphereTruth) -> exact.Norm | None:
    if truth.norm is None:
        return None
    return NORMS[truth.norm].of(
        truth.eps, truth.gain, truth.bias, dim=truth.dim, eps_rule=truth.eps_rule
    )  # type: ignore[arg-type]


def domain(truth: SphereTruth) -> Any:
    """Sphere, GreatCircle or GreatSphere."""
    if truth.span is None:
        return exact.Sphere(truth.radius_squared)
    kind = {2: exact.GreatCircle, 3: exact.GreatSphere}[len(truth.span)]
    return kind(*truth.span, radius_squared=truth.radius_squared)


def counted(found: Any, truth: SphereTruth) -> dict[str, int]:
    """What a partition says about the numbers of the truth, as far as its kind of result has them.

    Codes on spheres know their cells where that was decided: a sum of components that raises
    Undecided says nothing.
    """
    counts = {"codes": found.code_count}
    try:
        counts["cells"] = found.cell_count
    except exact.Undecided:
        return counts
    if truth.sphere_dim == 1 and hasattr(found, "crossings"):
        counts["edges"] = int(found.graph().number_of_edges())
    complex_ = getattr(getattr(found, "cells", None), "complex", None)
    if complex_ is not None:
        counts |= {
            "vertices": complex_.vertex_count,
            "edges": complex_.arc_count,
            "components": complex_.components,
        }
    return counts
