"""E9, random walks: from region to region through the wall that a random direction meets.

[definition as in hit-and-run sampling (Smith 1984), with steps to the region behind the wall.]
Walls and codes come from float passes that carry a direction along; Chao1 treats visits as draws,
which they are not.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from exact import Box, Domain, Network, Sphere
from exact.arithmetic.numbers import FloatArray
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method
from studies.methods.passes import (
    box_bounds,
    chord,
    forms_along,
    not_for,
    occurrences,
    points_float,
    projected,
    radius_float,
    unpacked,
)
from studies.methods.richness import chao1

NUMBER, STEPS = "E9", (100, 1_000, 10_000)
WALKERS, LONGEST = 20, 100  # walkers at least, and steps of each at most
OVER = 1e-9  # how far behind a wall the next region begins, of the size of the domain
USE = "hit-and-run (Smith 1984) through the walls of regions"


@method("code_count", unit="steps", budgets=STEPS, number=NUMBER, source=USE)
def random_walk(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The different codes that 20 walkers or more visit in a Box or on a Sphere."""
    met, passes = visits(network, domain, budget, rng)
    return MethodEstimate(float(len(met)), None, passes, unpacked(met, network.hinge_count))


@method("code_count", unit="steps", budgets=STEPS, number=NUMBER, source=f"{USE}; Chao 1984, 1987")
def random_walk_chao1(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """Chao's estimate from the visits of the same walk, with its interval."""
    met, passes = visits(network, domain, budget, rng)
    return MethodEstimate(*chao1(met.values()), passes)


def visits(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> tuple[Counter[bytes], int]:
    """How often each code was visited, and the forward passes: one for each basis function of a
    direction.
    """
    room = _room(network, domain)
    points = room.start(min(max(WALKERS, budget // LONGEST), budget), rng)
    met: Counter[bytes] = Counter()
    here, passes = np.zeros(len(points)), 0
    for _ in range(max(1, budget // len(points))):
        columns = room.columns(points, rng)
        forms = forms_along(network, columns, room.basis(here))
        met += occurrences(np.einsum("whk,wk->wh", forms, room.basis(here)) > 0)
        wall, end = room.first_zero(forms, here), room.end(columns, here)
        crossed = wall < end
        behind = np.where(crossed, wall + OVER, 0.0)
        forms = forms_along(network, columns, room.basis(behind))
        onward = np.minimum(room.first_zero(forms, behind), room.end(columns, behind))
        # half of the way through the region behind the wall, or of the way to the border
        points = room.moved(columns, np.where(crossed, (behind + onward) / 2, end / 2))
        passes += 2 * columns.shape[0] * columns.shape[1]
    return met, passes


@dataclass(frozen=True)
class _BoxRoom:
    """Walks along straight lines `x + t d`; basis (1, t)."""

    network: Network
    domain: Box

    def start(self, count: int, rng: np.random.Generator) -> FloatArray:
        return points_float(self.network, self.domain, count, rng)

    def columns(self, points: FloatArray, rng: np.random.Generator) -> FloatArray:
        """A line from each point in a random direction."""
        return np.stack([points, _unit(rng.standard_normal(points.shape))], axis=1)

    def basis(self, t: FloatArray) -> FloatArray:
        """The basis functions at t, one for each walker."""
        return np.stack([np.ones_like(t), t], axis=1)

    def end(self, columns: FloatArray, after: FloatArray) -> FloatArray:
        """Where each line leaves the box."""
        leaves = chord(*box_bounds(self.domain), columns[:, 0], columns[:, 1])[1]
        return np.asarray(np.maximum(leaves, after))

    def first_zero(self, forms: FloatArray, after: FloatArray) -> FloatArray:
        """The first zero of a form beyond a parameter, infinite where there is none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = -forms[:, :, 0] / forms[:, :, 1]
        return np.where(t > after[:, None], t, np.inf).min(axis=1, initial=np.inf)

    def moved(self, columns: FloatArray, t: FloatArray) -> FloatArray:
        """The points at t, inside the box."""
        return np.clip(columns[:, 0] + t[:, None] * columns[:, 1], *box_bounds(self.domain))


@dataclass(frozen=True)
class _SphereRoom:
    """Walks along great circles `x cos t + y sin t`; basis (1, cos t, sin t). Behind a norm points
    are those of its sphere.
    """

    network: Network
    domain: Sphere

    def start(self, count: int, rng: np.random.Generator) -> FloatArray:
        points = points_float(self.network, self.domain, count, rng)
        return radius_float(self.network, self.domain) * _unit(points)

    def columns(self, points: FloatArray, rng: np.random.Generator) -> FloatArray:
        """A great circle from each point in a random tangent direction."""
        # projected anew at every step, since a drift off the sphere's space would grow
        unit = _unit(projected(self.network, points))
        drawn = projected(self.network, rng.standard_normal(points.shape))
        tangent = _unit(drawn - (drawn * unit).sum(axis=1, keepdims=True) * unit)
        radius = radius_float(self.network, self.domain)
        return np.stack([0 * points, radius * unit, radius * tangent], axis=1)

    def basis(self, t: FloatArray) -> FloatArray:
        return np.stack([np.ones_like(t), np.cos(t), np.sin(t)], axis=1)

    def end(self, columns: FloatArray, after: FloatArray) -> FloatArray:
        """A circle that nothing cuts is left after a quarter."""
        return after + math.pi / 2

    def first_zero(self, forms: FloatArray, after: FloatArray) -> FloatArray:
        a, b, c = (forms[:, :, k] for k in range(3))
        with np.errstate(divide="ignore", invalid="ignore"):
            swing, turn = np.arccos(-a / np.hypot(b, c)), np.arctan2(c, b)
        ways = (np.stack([turn - swing, turn + swing]) - after[:, None]) % (2 * math.pi)
        return after + np.where(np.isfinite(ways), ways, np.inf).min(axis=(0, 2), initial=np.inf)

    def moved(self, columns: FloatArray, t: FloatArray) -> FloatArray:
        return np.einsum("wkn,wk->wn", columns, self.basis(t))


def _unit(x: FloatArray) -> FloatArray:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def _room(network: Network, domain: Domain) -> _BoxRoom | _SphereRoom:
    if isinstance(domain, Box):
        return _BoxRoom(network, domain)
    if isinstance(domain, Sphere):
        return _SphereRoom(network, domain)
    raise not_for(domain, "Box", "Sphere")
