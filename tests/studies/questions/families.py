"""Synthetic families of nets: values by seed, as a question measures them, without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from studies.questions.shared.nets import Measured, Nets
from toy_models.populations import Arm

SEEDS = 30


def measured(mean: float, spread: float = 0.05, *, arm: Arm = "trained", seed: int = 0) -> Measured:
    """Thirty nets whose statistic scatters around a mean."""
    rng = np.random.default_rng(seed)
    values = mean + spread * rng.standard_normal(SEEDS)
    return Measured(Nets(arm, (), 0), dict(enumerate(values.tolist())), {})


def family(
    names: Sequence[str], means: Mapping[str, float], *, arm: Arm = "trained", seed: int = 0
) -> dict[str, Measured]:
    """A `Measured` for every name; around 0 where no mean is said."""
    return {
        name: measured(means.get(name, 0.0), arm=arm, seed=seed + place)
        for place, name in enumerate(names)
    }
