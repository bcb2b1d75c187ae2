"""Hinges behind a norm in the order of their distance among inputs: bounds leave few, and of those
the foot of each point is found.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.numbers import FloatArray
from exact.instruments.batches.hinges.hinge_rows import ROOM
from exact.instruments.batches.hinges.read_off import Seen
from exact.instruments.batches.hinges.selection import Measured, candidates


def by_distance(measured: Measured, seen: Seen, k: int) -> Measured:
    """What was measured of B x m hinges, ordered by distance; `seen` has all of them (B x m).

    Runs in threads of the filter, whose floats are told here to be silent where a bound is lost.
    """
    with np.errstate(all="ignore"):
        return _by_distance(measured, seen, k)


def _by_distance(measured: Measured, seen: Seen, k: int) -> Measured:
    shape = measured.order.shape
    hidden = np.broadcast_to(measured.unknown.cpu().numpy(), shape)
    unknown = hidden | np.broadcast_to(seen.lost(hidden), shape)
    near = _between(measured, *seen.reach(), unknown)
    chosen = candidates(near, k, slice(None))[0] & ~near.unknown
    places = torch.nonzero(chosen.cpu(), as_tuple=True)
    rows, columns = (place.numpy() for place in places)
    feet = seen.at(rows, columns).feet()
    low, high = np.full(shape, np.inf), np.full(shape, np.inf)
    low[rows, columns] = feet.distances - feet.bounds
    high[rows, columns] = feet.distances + feet.bounds
    return _between(measured, low, high, near.unknown.cpu().numpy())


def _between(measured: Measured, low: FloatArray, high: FloatArray, unknown: BitArray) -> Measured:
    """Distances with bounds; infinite ones are of hinges that are out of the question."""
    device = measured.order.device
    order, slack = (low + high) / 2, (high - low) / 2 * ROOM + 4 * U * np.abs(high)
    far = np.isinf(low)
    lost = unknown | ~(far | np.isfinite(order + slack))
    arrays = np.where(far, np.inf, order), np.where(far | lost, 0.0, slack), lost
    found = (torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in arrays)
    order_of, slack_of, unknown_of = found
    return replace(
        measured,
        order=order_of,
        loose=torch.zeros_like(measured.loose),
        slack=slack_of,
        unknown=unknown_of,
    )
