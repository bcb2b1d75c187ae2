"""Nets of many seeds that a question trains for itself, beside the same nets untrained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from exact import Network, TooLarge, Undecided
from exact.sources import torch_modules
from studies.finding import JSON
from studies.statistics import MINIMUM, NETS, Degenerate, Estimate, over_clusters, paired
from studies.statistics.estimates import counted
from studies.statistics.intervals import ANYWHERE, Range
from studies.subjects import Subjects
from studies.training import Training
from toy_models import TrainConfig, TrainResult
from toy_models.draws import SEEDS
from toy_models.populations import Arm, population

STEPS = 300
"""Of training: the tasks of the ensembles are learned in a third of the steps of the toys."""
SPARE = 4
"""Nets beyond those that a verdict needs: some do not learn, or cannot be measured."""


@dataclass(frozen=True)
class Nets:
    """Nets of one shape and arm, those left out that were trained and did not learn."""

    arm: Arm
    results: tuple[TrainResult, ...]
    left_out: int

    @classmethod
    def of(cls, arm: Arm, results: Sequence[TrainResult]) -> Nets:
        """Nets of one arm; of trained ones those that learned."""
        kept = tuple(one for one in results if arm != "trained" or not Training.of("", one).lacks)
        return cls(arm, kept, len(results) - len(kept))

    @property
    def networks(self) -> list[Network]:
        """All of them, exactly. Degenerate where no net learned."""
        if not self.results:
            raise Degenerate(
                "no net learned", value=f"{self.left_out} nets", remedy="train them longer"
            )
        return [torch_modules.read(one.model) for one in self.results]

    @property
    def told(self) -> str:
        """How many there are, and how many had to be left out."""
        words = {"zero_biases": "untrained, every bias zero"}.get(self.arm, self.arm)
        lost = f", {self.left_out} more did not learn" if self.left_out else ""
        return f"{counted(len(self.results), NETS)}, {words}{lost}"

    @property
    def data(self) -> dict[str, JSON]:
        """Seeds, and the lowest held-out accuracy of trained ones."""
        scores = [one.held_out_score for one in self.results if one.held_out_score is not None]
        accuracies = [one.accuracy for one in scores if one.accuracy is not None]
        lowest = min(accuracies, default=None) if self.arm == "trained" else None
        return {
            "networks": len(self.results),
            "did_not_learn": self.left_out,
            "seeds": [one.config.seed for one in self.results],
            "lowest_held_out_accuracy_float": lowest,
        }


def ensemble(
    subjects: Subjects,
    config: TrainConfig,
    arms: Sequence[Arm],
    *,
    group: int = 0,
    steps: int | None = None,
) -> list[Nets]:
    """Nets of a config: 34, or as many as the study has, few if it is quick; one `Nets` an arm,
    trained for so many steps (None: `STEPS`).

    Groups of other numbers have other seeds, so that nets of several groups are independent.
    """
    count = subjects.nets(MINIMUM + SPARE)
    first = (subjects.seed * 100 + group) * count % (SEEDS - count)
    found = population(
        replace(config, steps=STEPS if steps is None else steps, device=subjects.device),
        range(first, first + count),
        (config.model.norm,),
        arms=arms,
        cache=subjects.cache,
        progress=False,
        report=lambda _: None,
    )
    return [Nets.of(arm, found.of(arm, config.model.norm)) for arm in arms]


Statistic = Callable[[Network, TrainResult, np.random.Generator], float]
"""What a question measures of one net, exactly or from exact things; its randomness is the
generator's, which depends on the seed of the net alone.
"""


@dataclass(frozen=True)
class Measured:
    """A statistic of every net of one arm, by seed; `lost` says of each net without one why."""

    nets: Nets
    values: dict[int, float]
    lost: dict[int, str]

    @classmethod
    def of(cls, nets: Nets, statistic: Statistic) -> Measured:
        """Measure every net. One on which the statistic has no meaning, or that is too large or
        cannot be decided, is lost, and why is kept.
        """
        values, lost = dict[int, float](), dict[int, str]()
        for result in nets.results:
            seed = result.config.seed
            try:
                network = torch_modules.read(result.model)
                values[seed] = float(statistic(network, result, np.random.default_rng(seed)))
            except (Degenerate, TooLarge, Undecided) as why:
                lost[seed] = str(why)
        return cls(nets, values, lost)

    def over(self, rng: np.random.Generator, range: Range = ANYWHERE) -> Estimate:
        """The mean over nets, with its interval, cut to the range of the statistic."""
        return over_clusters(list(self.values.values()), rng, range=range)

    def minus(
        self, control: Measured, rng: np.random.Generator, range: Range = ANYWHERE
    ) -> Estimate:
        """The mean difference to a control of the same seeds, over the seeds that both have, with
        its interval, cut to the range of the difference (`rules.APART` of two shares).
        """
        shared = sorted(self.values.keys() & control.values.keys())
        mine, theirs = ({seed: one.values[seed] for seed in shared} for one in (self, control))
        return paired(mine, theirs, rng, range=range)

    @property
    def told(self) -> str:
        """How many nets there are, and how many could not be measured."""
        lost = f", {len(self.lost)} could not be measured" if self.lost else ""
        return f"{self.nets.told}{lost}"

    @property
    def data(self) -> dict[str, JSON]:
        """The value of every net by its seed, and why others have none."""
        by_seed: dict[str, JSON] = {str(seed): value for seed, value in self.values.items()}
        lost: dict[str, JSON] = {str(seed): why for seed, why in self.lost.items()}
        return {**self.nets.data, "by_seed_float": by_seed, "not_measured": lost}
