"""The two objects a norm leaves, side by side: the sphere (eps = 0) and the open ball (eps > 0) of
one network.

Every code of the sphere is a code of the ball, near its boundary; the others are seen by inputs of
small norm alone and vanish as eps goes to 0. The codes of the sphere are found twice, on the sphere
itself and as the cells of the ball that reach it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.arithmetic.numbers import FloatArray
from exact.arithmetic.texts.printing import short_repr
from exact.errors import EngineDefect, InvalidInput, Undecided
from exact.geometry.combinatorics.codes import SplineCode
from exact.geometry.domains.round import NormBall, Sphere
from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
from exact.instruments.critical_radii import critical_radii
from exact.networks.network import Network
from exact.partition import partition
from exact.regions.cells import Outcome
from exact.regions.partition import Partition
from exact.regions.polytopes.norm_ball import NormBallPartition

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class EpsComparison:
    """A network at eps = 0 (`sphere`) and at its own eps > 0 (`ball`), both enumerated completely.

    `vanishing` are the codes of the ball that no direction has in the limit. `sampled_radii` are
    critical radii |P x| of directions drawn at random (float64, for a picture of their spread; not
    a proof of anything).
    """

    sphere: Partition
    ball: NormBallPartition
    vanishing: tuple[SplineCode, ...]
    sampled_radii: FloatArray

    @property
    def table(self) -> str:
        """Counts and sampled quantiles as text, one per line."""
        rows = [
            ("codes on the sphere (eps = 0)", self.sphere.code_count),
            ("cells of the sphere (eps = 0)", self.sphere.cell_count),
            ("cells of the ball (eps > 0)", len(self.ball)),
            ("cells of the ball that vanish as eps -> 0", len(self.vanishing)),
            ("directions sampled", len(self.sampled_radii)),
        ]
        lines = [f"{name:<45}{value:>12,}" for name, value in rows]
        if len(self.sampled_radii):
            flat = float(np.mean(self.sampled_radii == 0))
            lines.append(f"{'share of them that never flip (sampled)':<45}{flat:>12.3f}")
            lines += [
                f"{f'critical radius, {q:.0%} quantile (sampled)':<45}"
                f"{np.quantile(self.sampled_radii, q):>12.4g}"
                for q in _QUANTILES
            ]
        return "\n".join(lines)


@in_ieee_floats
def compare_eps(network: Network, *, samples: int = 1000, seed: int = 0) -> EpsComparison:
    """Enumerate the sphere and the ball of a network with a norm and eps > 0, and check that they
    agree.

    Cost: both partitions, one polytope per cell of the ball, and `samples` directions (closed form
    for one hidden layer, one partition of a line each for more). Raises Undecided when an
    enumeration is incomplete or the two disagree; the refusals of `partition`.

    >>> from exact.sources import tensors
    >>> network = tensors.block([[3, 0], [0, 1]], [-1, 2], [[1, 1]], [0], norm="rms", eps=1)
    >>> found = compare_eps(network, samples=0)
    >>> found.sphere.code_count, len(found.ball), [str(code) for code in found.vanishing]
    (2, 2, [])
    """
    if type(samples) is not int or samples < 0:
        raise InvalidInput(
            "not a number of samples", value=repr(samples), remedy="give 0, 1, 2, ..."
        )
    ball = partition(network, NormBall()).seen_as(NormBallPartition)
    sphere = partition(network, Sphere())
    if ball.outcome is not Outcome.COMPLETE or sphere.outcome is not Outcome.COMPLETE:
        raise Undecided(
            "an enumeration is not complete",
            value=(ball, sphere),
            remedy="compare a smaller network",
        )
    limits = {sphere.code_of(i) for i in range(len(sphere))}
    reaching = [ball.radii(i).on_sphere for i in range(len(ball))]
    codes = [ball.code_of(i) for i in range(len(ball))]
    if limits != {code for code, reaches in zip(codes, reaching, strict=True) if reaches}:
        raise EngineDefect(
            "the sphere and the cells of the ball that reach it have different codes",
            value=(ball, sphere),
            remedy="this is a defect of an engine: please report the network",
        )
    vanishing = tuple(code for code, reaches in zip(codes, reaching, strict=True) if not reaches)
    return EpsComparison(sphere, ball, vanishing, _sampled(network, samples, seed))


def _sampled(network: Network, samples: int, seed: int) -> FloatArray:
    """Critical radii of normally distributed inputs; zero where no hinge flips."""
    if samples == 0:
        return np.zeros(0)
    inputs = np.random.default_rng(seed).normal(size=(samples, network.input_dim))
    if len(network.hidden_layers) == 1:
        bounds = critical_radii_float(network, inputs)
        return np.asarray(np.where(np.isfinite(bounds.upper), bounds.upper, bounds.lower))
    return np.array([critical_radii(network, x).critical_radius_float for x in inputs.tolist()])
