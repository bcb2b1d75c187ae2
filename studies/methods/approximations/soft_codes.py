"""E12, soft codes: a softmax over the affine pieces of each neuron, thresholded at one half.

Balestriero and Baraniuk 2018, "From Hard to Soft: Understanding Deep Network Nonlinearities via
Vector Quantization and Statistical Inference" (arXiv 1810.09274). [definition as in their paper: p
proportional to exp(beta / (1 - beta) piece), and the layer gives on sum p_r piece_r.] Of a ReLU the
pieces are 0 and z; the budget is the sharpness beta / (1 - beta). The first layer is exact for any
beta; the deeper ones read its soft output.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from exact import Domain, Layer, Network, ReLU, Unsupported
from exact.arithmetic.numbers import FloatArray
from exact.networks.activations import Identity
from exact.networks.graphs.steps import walk
from studies.methods.domains import Cloud
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method
from studies.methods.passes import not_for


@method(
    "codes_at_points",
    unit="sharpness",
    budgets=(1, 10, 100, 1_000),
    number="E12",
    source="Balestriero and Baraniuk 2018, arXiv 1810.09274: soft VQ at beta / (1 - beta) = budget",
)
def thresholded_soft_codes(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The codes at the points of a Cloud: bits whose probability exceeds one half."""
    if not isinstance(domain, Cloud):
        raise not_for(domain, "Cloud")
    bits: list[np.ndarray] = []

    def apply(does: Any, *values: FloatArray) -> FloatArray:
        if not isinstance(does, Layer) or isinstance(does.activation, Identity):
            return np.asarray(does.forward_float(*values))
        if not isinstance(does.activation, ReLU):
            raise Unsupported(
                "soft codes are written for ReLUs",
                value=does.activation.name,
                remedy="take network.relu_ised()",
            )
        z = does.operator.apply_float(values[0]) + does.bias.float64().T
        on = expit(budget * z)
        bits.append(on > 0.5)
        return np.asarray(on * z)

    walk(network.steps_to_last_hinge, domain.points, apply)
    return MethodEstimate(np.concatenate(bits, axis=1), None, len(domain.points))
