"""Soft codes: how far open each gate of a smooth layer is, and what a hard gate would change.

A hard code is the sign of z. GELU multiplies z by Phi(z), the normal distribution function (in the
tanh form by its approximation), SiLU by the logistic function of z: these are the soft bits
(Balestriero and Baraniuk 2018). All numbers here are float64 of the forward pass, without bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import xlogy

from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.numbers import FloatArray, nearest_float
from exact.errors import InvalidInput
from exact.geometry.combinatorics.tables import Columns, Tabular, frame, write_parquet
from exact.instruments.batches.points import read_rows, require_hinges
from exact.networks.activations import Smooth
from exact.networks.graphs.steps import walk
from exact.networks.layers import Layer
from exact.networks.network import Network

_TINY = 2.0**-500  # the gate of a smaller z differs from 1/2 by less than that


@dataclass(frozen=True, eq=False)
class SoftCodes(Tabular):
    """Gates of all hidden layers at N points, layer by layer (N x bits).

    `gates_float` are in [0, 1] (a hair outside nowhere; hard layers have 0 and 1),
    `pre_activations_float` the z less the bend, `relu_gap_float` (N) the 2-norm of the true output
    minus that of the network with ReLU instead, `output_norms_float` (N) that of the true output;
    NaN or inf where a forward pass overflows.
    """

    layer_sizes: tuple[int, ...]
    gates_float: FloatArray
    pre_activations_float: FloatArray
    relu_gap_float: FloatArray
    output_norms_float: FloatArray

    def __len__(self) -> int:
        return len(self.gates_float)

    def __repr__(self) -> str:
        entropy = f", mean entropy {self.entropy_float.mean():.3g} bits" if len(self) else ""
        return f"<soft codes of {len(self):,} points, layers of {self.layer_sizes}{entropy}>"

    @property
    def entropy_float(self) -> FloatArray:
        """The mean entropy of the gates of each point in bits: 0 for hard codes, 1 for gates half
        open.
        """
        g = self.gates_float
        found: FloatArray = -(xlogy(g, g) + xlogy(1 - g, 1 - g)).mean(axis=1) / np.log(2.0)
        return found + 0.0

    def band_float(self, tau: float) -> FloatArray:
        """The share of each point's pre-activations with |z| < tau. InvalidInput for tau < 0."""
        if not tau >= 0:
            raise InvalidInput("the band is no width", value=tau, remedy="give tau >= 0")
        found: FloatArray = (np.abs(self.pre_activations_float) < tau).mean(axis=1)
        return found

    def columns(self, tau: float = 0.5) -> Columns:
        """A line for each point: entropy, share of the band |z| < tau, gap to ReLU, output norm."""
        return {
            "row": np.arange(len(self)),
            "entropy": self.entropy_float,
            "band": self.band_float(tau),
            "relu_gap": self.relu_gap_float,
            "output_norm": self.output_norms_float,
        }

    def to_pandas(self, tau: float = 0.5) -> Any:
        """The table as a pandas DataFrame."""
        return frame(self.columns(tau))

    def to_parquet(self, path: str | Path, tau: float = 0.5) -> Path:
        """Write the table to a Parquet file."""
        return write_parquet(path, self.columns(tau))


@in_ieee_floats
def soft_codes(network: Network, X: Any) -> SoftCodes:
    """The soft codes of every row of X (N x n), and how far the ReLU-ised network's output is.

    Raises InvalidInput for rows of another width, and for a network without hidden layers.

    >>> from exact import GELU, Block
    >>> net = Network((Block((Layer.of([[1], [2]], [0, 0], GELU()), Layer.of([[1, 1]]))),))
    >>> found = soft_codes(net, [[0], [1]])
    >>> found.gates_float.round(3).tolist(), found.entropy_float.round(3).tolist()
    ([[0.5, 0.5], [0.841, 0.977]], [1.0, 0.394])
    """
    require_hinges(network)
    x = np.array(read_rows(X, network.input_dim).matrix.float64())
    gates, heights = list[FloatArray](), list[FloatArray]()

    def apply(does: Any, *values: FloatArray) -> FloatArray:
        if isinstance(does, Layer) and does.bits:
            z = does.operator.apply_float(values[0]) + does.bias.float64().T
            bends = [nearest_float(bend) for bend in does.activation.breakpoints]
            gates.append(_by_neuron([_gates(does, z, bend) for bend in bends]))
            heights.append(_by_neuron([z - bend for bend in bends]))
        found: FloatArray = does.forward_float(*values)
        return found

    out = walk(network.steps, x, apply)
    hard = network.relu_ised().forward_float(x)
    return SoftCodes(
        network.bits_per_layer,
        np.hstack(gates),
        np.hstack(heights),
        np.linalg.norm(out - hard, axis=1),
        np.linalg.norm(out, axis=1),
    )


def _by_neuron(bends: list[FloatArray]) -> FloatArray:
    """Values (N x width) of each bend as columns in the order of hinges: neuron by neuron."""
    return np.stack(bends, axis=2).reshape(len(bends[0]), -1)


def _gates(layer: Layer, z: FloatArray, bend: float) -> FloatArray:
    """f(z) / z of a smooth layer, 1/2 at zero and where f(z) would underflow; 0 or 1 of a hard
    one.
    """
    if not isinstance(layer.activation, Smooth):
        return np.asarray((z > bend).astype(np.float64))
    value = layer.activation.forward_float(z)
    found: FloatArray = np.divide(value, z, out=np.full_like(z, 0.5), where=np.abs(z) > _TINY)
    return np.clip(found, 0.0, 1.0)
