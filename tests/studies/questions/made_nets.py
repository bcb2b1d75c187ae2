"""Nets and measurements of a made-up family, for tests of verdicts."""

from __future__ import annotations

import numpy as np

from studies.questions.shared.nets import Measured, Nets
from toy_models.populations import Arm

NETS = 30


def measured(mean: float, arm: Arm = "trained", spread: float = 0.05) -> Measured:
    """A statistic of 30 nets around a mean."""
    values = mean + spread * np.random.default_rng(0).standard_normal(NETS)
    return Measured(Nets(arm, (), 0), dict(enumerate(values.tolist())), {})
