"""E13, codes in low precision: those that torch computes with fewer bits.

[definition as in common use: weights, inputs and every operation in one type.] The budget is the
number of significant bits: 8 are bfloat16, 11 float16, 24 float32. TF32 needs a GPU; see
`exact.codes_in_precision`, which also says where the wrong bits are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from exact import Domain, LayerNorm, Network, Norm, RationalMatrix, ReLU, RMSNorm, Unsupported
from exact.arithmetic.numbers import nearest_float
from exact.networks.activations import Identity
from exact.networks.graphs.steps import Sum, walk
from studies.methods.domains import Cloud
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method
from studies.methods.passes import not_for

TYPES = {8: torch.bfloat16, 11: torch.float16, 24: torch.float32}


@method(
    "codes_at_points",
    unit="significant bits",
    budgets=tuple(TYPES),
    number="E13",
    source="common use: bfloat16, float16 or float32 forward passes",
)
def low_precision_codes(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The codes at the points of a Cloud by torch in the widest type of at most so many significant
    bits.
    """
    if not isinstance(domain, Cloud):
        raise not_for(domain, "Cloud")
    kind = TYPES[max((bits for bits in TYPES if bits <= budget), default=min(TYPES))]
    found: list[torch.Tensor] = []

    def apply(does: Any, *values: torch.Tensor) -> torch.Tensor:
        if isinstance(does, Sum):
            return does.total(values)
        if isinstance(does, Norm):
            return _normed(does, values[0])
        z = functional.linear(values[0], _read(does.weight, kind), _read(does.bias, kind)[:, 0])
        if isinstance(does.activation, Identity):
            return z
        if not isinstance(does.activation, ReLU):
            raise _unknown(does.activation.name)
        found.append(z > 0)
        return functional.relu(z)

    with torch.no_grad():
        walk(network.steps_to_last_hinge, torch.from_numpy(domain.points).to(kind), apply)
    return MethodEstimate(torch.cat(found, dim=1).numpy(), None, len(domain.points))


def _read(values: RationalMatrix, kind: torch.dtype) -> torch.Tensor:
    return torch.tensor(np.array(values.float64()), dtype=torch.float64).to(kind)


def _normed(norm: Norm, x: torch.Tensor) -> torch.Tensor:
    """What torch's own LayerNorm or RMSNorm makes of x."""
    gain, bias = (_read(column, x.dtype)[:, 0] for column in (norm.gain, norm.bias))
    eps = nearest_float(norm.eps_under_root)
    if type(norm) is LayerNorm and norm.eps_beside_root == 0:
        return functional.layer_norm(x, (norm.dim,), gain, bias, eps)
    if type(norm) is RMSNorm and norm.eps_beside_root == 0:
        return functional.rms_norm(x, (norm.dim,), gain, eps) + bias
    raise _unknown(repr(norm))


def _unknown(what: str) -> Unsupported:
    return Unsupported(
        "torch has no such step",
        value=what,
        remedy="take ReLUs, and LayerNorm or RMSNorm with eps as torch has it",
    )
