"""Certificates of curves: kind `curve`.

The checker derives every point from the weights, so the cells are told by combinatorics: which
hinges flip from one to the next, and a rational point inside each.
"""

from __future__ import annotations

from collections.abc import Iterator

from exact.arithmetic.numbers import Rational
from exact.errors import Unsupported
from exact.geometry.domains.base import Curve
from exact.geometry.pencils.ellipses import half_turn_direction
from exact.networks.layers import norms_in, passes_a_norm_by
from exact.networks.network import Network
from exact.regions.arcs.cells import CurveCells
from exact.regions.cells import Outcome
from exact.regions.certificate import Json, curve_domain, header, hexadecimal, over_common


def records(network: Network, cells: CurveCells) -> Iterator[Json]:
    """The records of a certificate. Raises Unsupported where there is none: behind several norms,
    and stopped early.
    """
    curve = cells.curve
    if not network.is_chain:
        raise Unsupported(
            "cells of a graph along a curve have no certificate",
            value=network,
            remedy="take a Plane through the line, polygons of graphs have one; codes and maps are "
            "exact at any point",
        )
    if cells.outcome is not Outcome.COMPLETE:
        raise Unsupported(
            "cells of a curve have a certificate only when they are complete",
            value=cells.outcome.value,
            remedy="give no budget, or a larger one",
        )
    reason = _refusal(network, curve)
    if reason is not None:
        raise Unsupported(
            "these cells have no certificate",
            value=reason,
            remedy="the checker knows square roots, of one norm",
        )
    if not cells.cuts and len(cells) > 1:
        raise Unsupported(
            "a sphere of two points has no certificate",
            value=f"{len(cells)} points",
            remedy="both are evaluated exactly: see network.code",
        )
    return _curve_records(header(network, "curve", True, len(cells), curve_domain(curve)), cells)


def _witness(cells: CurveCells, index: int) -> tuple[Rational, Rational]:
    """A direction inside; on an ellipse that of half the turn."""
    witness, curve = cells.witnesses[index], cells.curve
    return witness if curve.centre is None else half_turn_direction(*witness, curve.cosine)


def _refusal(network: Network, curve: Curve) -> str | None:
    """Why the functions of a curve are not of the form `p alpha + q beta + c N`, or None."""
    count = norms_in(network.steps_to_last_hinge)
    if count > 1:
        return f"hidden layers behind {count} norms"
    if count and curve.radius_squared is not None:
        return "a radius and a norm"
    skips = passes_a_norm_by(network.steps_to_last_hinge)
    return "hidden layers behind a skip around a norm" if skips else None


def _curve_records(first: Json, cells: CurveCells) -> Iterator[Json]:
    yield first
    code = {"code": cells.codes.row(0).tobytes().hex()}
    for i in range(len(cells)):
        is_cut = bool(cells.cuts) and (i > 0 or cells.closed)
        undefined = {"undefined": True} if is_cut and cells.cuts[i].undefined else {}
        witness = hexadecimal(over_common(_witness(cells, i))[0])
        yield {
            **(code if i == 0 else {}),
            "flips": cells.codes.flips(i).tolist(),
            **undefined,
            "witness": witness,
        }
