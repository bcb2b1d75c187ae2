"""The default population of a study: toys of many seeds behind every norm, each as it was trained
and as it was before.

Whatever is claimed of training is compared with the same nets untrained, and with the same nets
untrained and without offsets: the seed pairs the three.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from toy_models.ensembles import fit_ensemble
from toy_models.models import NormName
from toy_models.train import TrainConfig, TrainResult, untrained
from toy_models.training_cache import Report, TrainingCache, to_standard_error
from toy_models.validation import one_of

Arm = Literal["trained", "untrained", "zero_biases"]
ARMS: tuple[Arm, ...] = get_args(Arm)
NORMS: tuple[NormName, ...] = get_args(NormName)


class Member(NamedTuple):
    """One net of a population."""

    arm: Arm
    norm: NormName
    seed: int
    result: TrainResult


@dataclass(frozen=True)
class Population:
    """The nets of a population, by arm, norm and seed in this order."""

    members: tuple[Member, ...]

    def of(self, arm: Arm, norm: NormName) -> tuple[TrainResult, ...]:
        """The results of one arm behind one norm, in the order of the seeds. Those of two arms are
        pairs, place by place. Raises InvalidInput for an arm or a norm that is not in it.
        """
        one_of("arm", arm, dict.fromkeys(member.arm for member in self.members))
        one_of("norm", norm, dict.fromkeys(member.norm for member in self.members))
        return tuple(
            member.result for member in self.members if (member.arm, member.norm) == (arm, norm)
        )

    @property
    def diverged(self) -> tuple[Member, ...]:
        """The nets whose training had no finite loss; their results are those of the last
        snapshot.
        """
        return tuple(m for m in self.members if m.result.diverged_at is not None)

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        told = {
            name: len({getattr(m, name) for m in self.members}) for name in ("arm", "norm", "seed")
        }
        counts = ", ".join(f"{count} {name}s" for name, count in told.items())
        return f"<{len(self)} nets: {counts}>"


def population(
    config: TrainConfig,
    seeds: Sequence[int] = range(30),
    norms: Sequence[NormName] = NORMS,
    *,
    arms: Sequence[Arm] = ARMS,
    cache: TrainingCache | None = None,
    progress: bool = True,
    report: Report = to_standard_error,
) -> Population:
    """Nets of `config` with every norm in the place of its own and every seed: trained, untrained,
    and untrained with every bias zero.

    Without norm, `norm_between` of the config is left out. Arguments, cost and errors are those of
    `fit_ensemble`; nets that are not trained are never kept in the cache.

    >>> nets = population(TrainConfig(steps=5, samples=50), range(4), progress=False)
    >>> nets
    <36 nets: 3 arms, 3 norms, 4 seeds>
    >>> before, after = (nets.of(arm, "rms") for arm in ("untrained", "trained"))
    >>> before[2].config == after[2].config, before[2].steps, after[2].steps
    (True, 0, 5)
    """
    for arm in arms:
        one_of("arm", arm, ARMS)
    asked = [(norm, replace(_behind(config, norm), seed=seed)) for norm in norms for seed in seeds]
    trained: Sequence[TrainResult] = ()
    if "trained" in arms:
        trained = fit_ensemble(
            [one for _, one in asked], cache=cache, progress=progress, report=report
        )
    members = []
    for arm in dict.fromkeys(arms):
        results = (
            trained
            if arm == "trained"
            else [untrained(one, zero_biases=arm == "zero_biases") for _, one in asked]
        )
        members += [
            Member(arm, norm, one.seed, result)
            for (norm, one), result in zip(asked, results, strict=True)
        ]
    return Population(tuple(members))


def _behind(config: TrainConfig, norm: NormName) -> TrainConfig:
    """The config with another norm."""
    between = config.model.norm_between and norm != "none"
    return replace(config, model=replace(config.model, norm=norm, norm_between=between))
