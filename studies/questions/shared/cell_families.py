"""Families of small nets, many seeds each, whose cells can all be listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studies.questions.shared.nets import Nets, ensemble
from studies.subjects import NORM_NAMES, Subjects
from toy_models import ModelConfig, TrainConfig
from toy_models.models import NormName
from toy_models.populations import Arm

BOTH: tuple[Arm, ...] = ("trained", "untrained")


@dataclass(frozen=True)
class Family:
    """A task, a shape and a norm; `decay` is the weight decay of its training."""

    task: str
    widths: tuple[int, ...]
    norm: NormName = "none"
    decay: float = 0.0

    @property
    def told(self) -> str:
        """The family in a few words: "circles (8-8), no norm"."""
        shape = "-".join(map(str, self.widths))
        decay = f", decay {self.decay:g}" if self.decay else ""
        return f"{self.task} ({shape}), {NORM_NAMES[self.norm]}{decay}"

    @property
    def config(self) -> TrainConfig:
        """How a net of it is trained, but for seed and steps."""
        model = ModelConfig(widths=self.widths, norm=self.norm, embed_dim=0)
        return TrainConfig(task=self.task, model=model, weight_decay=self.decay)

    def nets(self, subjects: Subjects, arms: Sequence[Arm] = BOTH) -> list[Nets]:
        """Its nets, an arm each; nets of all arms and families share their seeds."""
        return ensemble(subjects, self.config, arms)


PLANE_FAMILIES = (
    Family("circles", (12,)),
    Family("circles", (8, 8)),
    Family("circles", (8, 8, 8)),
    Family("circles", (6, 6, 6, 6)),
)
"""No norm, two inputs, one to four hidden layers."""

SPACE_FAMILIES = (
    Family("direction3", (8,)),
    Family("direction3", (12,), "layernorm"),
    Family("direction3", (12,), "rms"),
)
"""Three inputs, with a norm and without."""
