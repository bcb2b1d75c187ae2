"""E11, upper bounds on the number of regions from widths alone.

Montufar 2017, "Notes on the number of linear regions of deep neural networks": the product over
layers of sum_{j <= min(n_0 .. n_l)} C(n_l, j). Serra, Tjandraatmadja and Ramalingam 2018, "Bounding
and Counting Linear Regions of Deep Neural Networks" (arXiv 1711.02114): the sum over (j_1 .. j_L)
with j_l <= min(n_0, n_1 - j_1, ..., n_(l-1) - j_(l-1), n_l) of the products of C(n_l, j_l).
[definitions as in these papers.] n_0 is the dimension of a Box, and d + 1 on a d-sphere.
"""

from __future__ import annotations

from functools import cache
from math import comb, prod

import numpy as np

from exact import Domain, Network, Sphere
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method
from studies.methods.passes import sphere_dimension

NUMBER, ONCE = "E11", (1,)


@method(
    "code_count",
    unit="none",
    budgets=ONCE,
    number=NUMBER,
    source="Montufar 2017: product of the bounds of layers",
    scale="log10",
)
def montufar_bound(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """Montufar's bound."""
    return MethodEstimate(
        float(montufar(ambient_dimension(network, domain), network.bits_per_layer))
    )


@method(
    "code_count",
    unit="none",
    budgets=ONCE,
    number=NUMBER,
    source="Serra et al. 2018, arXiv 1711.02114: dimensions shrink along dead neurons",
    scale="log10",
)
def serra_bound(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The bound of Serra, Tjandraatmadja and Ramalingam."""
    return MethodEstimate(float(serra(ambient_dimension(network, domain), network.bits_per_layer)))


def ambient_dimension(network: Network, domain: Domain) -> int:
    """The dimension of the space that the domain spans."""
    return sphere_dimension(network, domain) + isinstance(domain, Sphere)


def montufar(inputs: int, widths: tuple[int, ...]) -> int:
    """The bound for a number of inputs and the widths of hidden layers.

    >>> montufar(2, (3,)), montufar(2, (3, 3))
    (7, 49)
    """
    dims = [min((inputs, *widths[: k + 1])) for k in range(len(widths))]
    return prod(sum(comb(n, j) for j in range(d + 1)) for n, d in zip(widths, dims, strict=True))


def serra(inputs: int, widths: tuple[int, ...]) -> int:
    """The bound for a number of inputs and the widths of hidden layers.

    >>> serra(2, (3,)), serra(2, (3, 3))
    (7, 40)
    """

    @cache
    def behind(layer: int, dim: int) -> int:
        if layer == len(widths):
            return 1
        n = widths[layer]
        return sum(comb(n, j) * behind(layer + 1, min(dim, n - j)) for j in range(min(dim, n) + 1))

    return behind(0, inputs)
