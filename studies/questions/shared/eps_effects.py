"""What the eps of a norm does to vectors: their codes, the output, and how far they are from where
their code would change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exact import Codes, Network, hamming
from exact.arithmetic.arrays import BitArray
from exact.arithmetic.numbers import FloatArray
from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
from exact.instruments.critical_radii import critical_radii
from studies.questions.shared.rays import centred, changes_along, directed, with_eps
from studies.statistics import Degenerate

RAYS, RADII = 60, 500
DOUBTFUL = 2.0**-20
"""How short P x may be beside x before exact numbers say whether there is a direction at all."""


@dataclass(frozen=True)
class Effect:
    """What eps does to vectors: whether each has another code than at eps = 0, exactly, and by how
    much the output changes, relative to that at eps = 0 (float64).
    """

    other: BitArray
    change: FloatArray

    @property
    def row(self) -> tuple[float, float, float]:
        """The share of other codes; median and 99th percentile of the change."""
        median, high = np.quantile(self.change, (0.5, 0.99))
        return float(self.other.mean()), float(median), float(high)


@dataclass(frozen=True)
class Outcomes:
    """The codes and the outputs of a network at vectors."""

    codes: Codes
    outputs: FloatArray

    @classmethod
    def of(cls, network: Network, vectors: FloatArray) -> Outcomes:
        """Codes exactly, outputs in float64. Raises Degenerate where there is no vector, and for
        those that have no direction behind a norm.
        """
        if not len(vectors):
            directed(network, [])
        codes = network.codes(vectors, errors="keep")
        if codes.failures:
            raise Degenerate(
                "vectors without a direction",
                value=f"{len(codes.failures)} of {len(vectors)}",
                remedy="take a longer text, or a network whose embedding lives",
            )
        return cls(codes, network.forward_float(vectors))


def effect(network: Network, vectors: FloatArray, limit: Outcomes | None = None) -> Effect:
    """What the eps of a network does to vectors; `limit` are the outcomes at eps = 0, if they are
    known. Raises Degenerate as `Outcomes.of` does.
    """
    limit = limit or Outcomes.of(with_eps(network, 0), vectors)
    found = Outcomes.of(network, vectors)
    gap = np.linalg.norm(found.outputs - limit.outputs, axis=1)
    size = np.maximum(*(np.linalg.norm(one.outputs, axis=1) for one in (found, limit)))
    change = np.divide(gap, size, out=np.zeros_like(gap), where=gap > 0)
    return Effect(hamming(found.codes, limit.codes) > 0, change)


def has_batched_radii(network: Network) -> bool:
    """Whether critical radii are known for whole batches: one hidden layer right behind the one
    norm.
    """
    hidden = network.hidden_layers
    return len(network.norms) == 1 and len(hidden) == 1 and network.layers[0] is hidden[0]


def lengths_of(network: Network, vectors: FloatArray) -> FloatArray:
    """|P x| of vectors, for the norm in front of the network (float64). Raises Degenerate as
    `directed` does.
    """
    norm = network.blocks[0].norm
    seen = vectors if norm is None else norm.project_float(vectors)
    found = np.asarray(np.linalg.norm(seen, axis=1))
    doubtful = vectors[found <= DOUBTFUL * np.linalg.norm(vectors, axis=1)]
    if len(doubtful) or not len(vectors):
        directed(network, doubtful.tolist())
    return found


def against_critical_radius(network: Network, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """r / r_crit of vectors (infinite where the direction never changes), and r_crit itself, both
    float64: of 500 behind one hidden layer, of 60 behind several.
    """
    wide = has_batched_radii(network)
    taken = vectors[: RADII if wide else RAYS]
    lengths = np.array([np.linalg.norm(centred(network, x)) for x in taken])
    critical = _batch(network, taken) if wide and len(taken) else _one_by_one(network, taken)
    with np.errstate(divide="ignore"):
        return lengths / critical, critical


def _batch(network: Network, vectors: FloatArray) -> FloatArray:
    """Critical radii by bounds, and exactly where these leave more than rounding open."""
    bounds = critical_radii_float(network, directed(network, vectors.tolist()))
    found = bounds.upper.copy()
    for place in np.flatnonzero(~(bounds.upper <= bounds.lower * (1 + 2.0**-20))):
        found[place] = critical_radii(network, vectors[place].tolist()).critical_radius_float
    return found


def _one_by_one(network: Network, vectors: FloatArray) -> FloatArray:
    rows = directed(network, vectors.tolist())
    return np.array(
        [changes_along(network, x).last_float * np.linalg.norm(centred(network, x)) for x in rows]
    )


def largest_ratio(network: Network, inputs: FloatArray) -> float:
    """The largest r_crit / r over inputs: below 1 all of them have the code of their direction. One
    hidden layer has bounds in float64; what they leave open, and deeper networks, get exact rays.
    """
    if not has_batched_radii(network):
        rows = directed(network, inputs.tolist())
        return max(changes_along(network, row).last_float for row in rows)
    lengths, bounds = lengths_of(network, inputs), critical_radii_float(network, inputs)
    ratios, is_open = bounds.upper / lengths, bounds.upper > bounds.lower * (1 + 2.0**-20)
    while is_open[top := int(ratios.argmax())]:
        ratios[top] = changes_along(network, inputs[top].tolist()).last_float
        is_open[top] = False
    return float(ratios[top])
