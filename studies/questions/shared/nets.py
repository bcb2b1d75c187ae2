"""Nets of many seeds that a question trains for itself, beside the same nets untrained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from exact import Network
from exact.sources import torch_modules
from studies.finding import JSON
from studies.statistics import MINIMUM, Degenerate
from studies.subjects import Subjects
from studies.training import Training
from toy_models import TrainConfig, TrainResult
from toy_models.draws import SEEDS
from toy_models.populations import Arm, population

STEPS = 300
"""Of training: the tasks of the ensembles are learned in a third of the steps of the toys."""


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
        return f"{len(self.results)} nets, {words}{lost}"

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
    subjects: Subjects, config: TrainConfig, arms: Sequence[Arm], *, group: int = 0
) -> list[Nets]:
    """Nets of a config: 30, or as many as the study has, few if it is quick; one `Nets` an arm.

    Groups of other numbers have other seeds, so that nets of several groups are independent.
    """
    count = subjects.nets(MINIMUM)
    first = (subjects.seed * 100 + group) * count % (SEEDS - count)
    found = population(
        replace(config, steps=STEPS, device=subjects.device),
        range(first, first + count),
        (config.model.norm,),
        arms=arms,
        cache=subjects.cache,
        progress=False,
        report=lambda _: None,
    )
    return [Nets.of(arm, found.of(arm, config.model.norm)) for arm in arms]
