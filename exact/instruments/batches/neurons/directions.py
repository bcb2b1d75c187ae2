"""What uniformly random directions would show: firing shares of neurons, crossings of circles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.numbers import FloatArray
from exact.errors import InvalidInput
from exact.geometry.combinatorics.tables import Columns, Tabular
from exact.instruments.batches.hinges.hinge_rows import HingeRows
from exact.networks.network import Network

SignArray = np.ndarray[Any, np.dtype[np.int8]]


@in_ieee_floats
def firing_shares(network: Network) -> FloatArray:
    """The share of the norm's sphere on which each hinge of the first layer is on (m floats).

    The share of a cap of angle theta on the sphere of dimension d is I(sin^2 theta; d/2, 1/2) / 2
    up to pi / 2 (Li 2011), as good as SciPy's incomplete beta function: to about 1e-12. Raises
    InvalidInput without a norm.

    >>> from exact.sources import tensors
    >>> net = tensors.block([[1, 0], [1, 0], [0, 1]], [0, -1, 9], [[1] * 3], [0], "rms", eps=0)
    >>> firing_shares(net).round(12).tolist()
    [0.5, 0.25, 1.0]
    """
    from scipy.special import betainc

    cosine, _, sphere_dim, signs = _caps(network, "firing_shares")
    small = betainc(sphere_dim / 2, 0.5, np.clip((1 - cosine) * (1 + cosine), 0.0, 1.0)) / 2
    share = np.where(cosine >= 0, small, 1 - small)
    found: FloatArray = np.where(signs == 0, share, signs > 0)
    return found


@dataclass(frozen=True)
class ExpectedCrossings(Tabular):
    """`crossings_float`, within `crossings_bound` of the exact mean; `neurons` cut the sphere."""

    crossings_float: float
    crossings_bound: float
    neurons: int

    def columns(self) -> Columns:
        """One line: crossings, crossings_bound, neurons."""
        values = {
            "crossings": self.crossings_float,
            "crossings_bound": self.crossings_bound,
            "neurons": self.neurons,
        }
        return {name: np.array([value]) for name, value in values.items()}


@in_ieee_floats
def expected_crossings(network: Network) -> ExpectedCrossings:
    """How many hinges of the first layer a uniformly random great circle of the norm's sphere
    crosses, in the mean: the sum of `2 sin^(d-1) theta_j` on a sphere of dimension d (Crofton).

    The null to compare circles through data with. Raises InvalidInput without a norm.

    >>> from exact.sources import tensors
    >>> net = tensors.block([[1, 0, 0], [0, 2, 0]], [0, -3], [[1, 1]], [0], norm="rms", eps=0)
    >>> expected_crossings(net).crossings_float
    3.0
    """
    cosine, error, sphere_dim, signs = _caps(network, "expected_crossings")
    alive = signs == 0
    square = np.clip((1 - cosine[alive]) * (1 + cosine[alive]), 0.0, 1.0)
    loose = 2.1 * error[alive] + 4 * U
    power = (sphere_dim - 1) / 2
    terms, low, high = (
        2 * np.clip(square + shift, 0.0, 1.0) ** power for shift in (0.0, -loose, loose)
    )
    total = float(terms.sum())
    wide = float(np.maximum(high - terms, terms - low).sum())
    return ExpectedCrossings(
        total, wide * 1.01 + total * (len(terms) + 64) * 4 * U, int(alive.sum())
    )


def _caps(network: Network, asker: str) -> tuple[FloatArray, FloatArray, int, SignArray]:
    rows = HingeRows.of(network, asker)
    if rows.norm is None:
        raise InvalidInput(
            "without a norm there is no sphere of directions",
            value="no norm",
            remedy="give a network whose first layer stands behind a norm",
        )
    cap = rows.floats("cpu").cap(rows.dim)
    return cap.cosine.numpy(), cap.cosine_error.numpy(), rows.norm.sphere_dim, rows.signs
