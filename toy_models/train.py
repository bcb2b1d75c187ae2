"""One trainer for every toy: a frozen config in, a model with its loss curve, scores and snapshots
out.

The config's seed decides data, initial weights and batches, each through a generator of its own;
the global random state is neither read nor changed. Weights repeat bit for bit on the same machine
and libraries, not across machines: to repeat a result elsewhere, keep the weights
(`toy_models.checkpoints`).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional

from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.errors import InvalidInput
from toy_models import tasks
from toy_models.models import ModelConfig, ToyModel, initialised
from toy_models.tasks import SEEDS, Dataset
from toy_models.validation import at_least, mapping, number, one_of

DTYPES: MappingProxyType[str, torch.dtype] = MappingProxyType(
    {"float32": torch.float32, "float64": torch.float64}
)
LossName = Literal["cross_entropy", "mse"]


class TrainingDiverged(InvalidInput):
    """The loss of a training stopped being finite: there is no model."""


@dataclass(frozen=True)
class TrainConfig:
    """What to train, and how; it survives a trip through JSON unchanged.

    `task` and `task_options` name the data (`toy_models.tasks.make`), of which the share `held_out`
    is kept from training. `loss` None means cross-entropy for a classification and mean squared
    error for a regression; "mse" on a classification regresses on one-hot targets. The optimiser is
    AdamW, its learning rate falls along half a cosine to zero. Snapshots are taken before the first
    step, after the last, and every `snapshot_every` steps in between (0: none). Raises InvalidInput
    for a setting that cannot be meant.
    """

    task: str = "moons"
    model: ModelConfig = field(default_factory=ModelConfig)
    task_options: Mapping[str, Any] = field(default_factory=dict)
    samples: int = 1000
    held_out: float = 0.2
    loss: LossName | None = None
    steps: int = 1000
    batch_size: int = 128
    learning_rate: float = 1e-2
    weight_decay: float = 0.0
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float32"
    snapshot_every: int = 0

    def __post_init__(self) -> None:
        one_of("task", self.task, tasks.TASKS)
        one_of("loss", self.loss, (None, "cross_entropy", "mse"))
        one_of("dtype", self.dtype, DTYPES)
        for name, minimum in (
            ("samples", 2),
            ("steps", 1),
            ("batch_size", 1),
            ("snapshot_every", 0),
        ):
            at_least(name, getattr(self, name), minimum)
        at_least("seed", self.seed, 0, below=SEEDS)
        number("learning_rate", self.learning_rate, positive=True)
        number("weight_decay", self.weight_decay)
        number("held_out", self.held_out, below=1)
        mapping("task_options", self.task_options)
        if not isinstance(self.model, ModelConfig):
            raise InvalidInput(
                "model is not a ModelConfig",
                value=repr(self.model),
                remedy="write model=ModelConfig(...)",
            )

    def dataset(self) -> Dataset:
        """All rows of the task, those held out included."""
        return tasks.make(self.task, count=self.samples, seed=self.seed, **self.task_options)

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON values from which `from_json` makes an equal config."""
        return {
            **asdict(self),
            "task_options": dict(self.task_options),
            "model": self.model.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """The config that `to_json` wrote. Raises InvalidInput for a key it does not know or a
        value it refuses.
        """
        mapping("training config", values)
        for key in values:
            one_of("key of the training config", key, (entry.name for entry in fields(cls)))
        return cls(**{**values, "model": ModelConfig.from_json(values.get("model", {}))})


@dataclass(frozen=True)
class Score:
    """The mean loss over a data set, and the share of right classes in it (None for a
    regression).
    """

    loss: float
    accuracy: float | None


@dataclass(frozen=True)
class Snapshot:
    """The weights after `step` steps, on the CPU, with their score on the training rows."""

    step: int
    weights: Mapping[str, Tensor]
    score: Score


@dataclass(frozen=True)
class TrainResult:
    """A trained model, the loss of every step, its scores, and the snapshots in order of their
    steps.

    `config.model` carries the dimensions of the task. `held_out_score` is None when no rows were
    held out.
    """

    config: TrainConfig
    model: ToyModel
    training: Dataset
    held_out: Dataset
    losses: tuple[float, ...]
    training_score: Score
    held_out_score: Score | None
    snapshots: tuple[Snapshot, ...]

    def model_at(self, step: int) -> ToyModel:
        """A copy of the model as it was after `step` steps, on the CPU; step 0 is the untrained
        network.

        Raises InvalidInput when no snapshot was taken at that step.
        """
        kept = {snapshot.step: snapshot for snapshot in self.snapshots}
        one_of("step", step, kept)
        model = initialised(self.model.config, self.config.seed).to(dtype=DTYPES[self.config.dtype])
        model.load_state_dict(dict(kept[step].weights))
        return model.eval()


@one_thread()
def fit(config: TrainConfig, *, progress: bool = True) -> TrainResult:
    """Train the model of `config` on its task.

    Raises InvalidInput for a device that is not there, a loss that does not fit the task,
    dimensions that do not fit the model, and (TrainingDiverged) a loss that stops being finite.
    """
    data = config.dataset()
    config = replace(config, model=config.model.fitted_to(data))
    loss_of = _loss(config.loss, data)
    model = initialised(config.model, config.seed).to(
        present_device(config.device), DTYPES[config.dtype]
    )
    training, held_out = data.split(config.held_out)
    trainer = _Trainer(config, model, _placed(training, config), loss_of)
    with progress_bar(f"{config.task}, norm {config.model.norm}", config.steps, progress) as report:
        losses, snapshots = trainer.run(report)
    held_out_score = score(model, _placed(held_out, config), loss_of) if len(held_out) else None
    training_score = snapshots[-1].score
    return TrainResult(
        config, model, training, held_out, losses, training_score, held_out_score, snapshots
    )


@dataclass(frozen=True)
class _Trainer:
    """The loop itself; `data` lies on the device of `model`, in its dtype."""

    config: TrainConfig
    model: ToyModel
    data: Dataset
    loss_of: Callable[[Tensor, Tensor], Tensor]

    def run(
        self, report: Callable[[float], None]
    ) -> tuple[tuple[float, ...], tuple[Snapshot, ...]]:
        """All steps; returns their losses and the snapshots, and leaves the model in evaluation
        mode.
        """
        optimiser = torch.optim.AdamW(
            self.model.parameters(),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
        )
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.config.steps)
        losses, snapshots = [], [self.snapshot(0)]
        for step, rows in enumerate(self.batches(), start=1):
            loss = self.loss_of(self.model.train()(self.data.inputs[rows]), self.data.targets[rows])
            losses.append(finite(loss.item(), step, self.config.learning_rate))
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            decay.step()
            report(losses[-1])
            if step == self.config.steps or (
                self.config.snapshot_every and step % self.config.snapshot_every == 0
            ):
                snapshots.append(self.snapshot(step))
        return tuple(losses), tuple(snapshots)

    def batches(self) -> Iterator[Tensor]:
        """The row numbers of each step's batch, drawn with replacement."""
        generator = torch.Generator().manual_seed(self.config.seed)
        size = min(self.config.batch_size, len(self.data))
        for _ in range(self.config.steps):
            yield torch.randint(len(self.data), (size,), generator=generator).to(
                self.data.inputs.device
            )

    def snapshot(self, step: int) -> Snapshot:
        weights = {
            name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()
        }
        result = score(self.model, self.data, self.loss_of)
        finite(result.loss, step, self.config.learning_rate)
        return Snapshot(step, weights, result)


def score(
    model: torch.nn.Module, data: Dataset, loss_of: Callable[[Tensor, Tensor], Tensor]
) -> Score:
    """The score of `model` on all rows of `data`, in evaluation mode."""
    with torch.no_grad():
        outputs = model.eval()(data.inputs)
        loss = loss_of(outputs, data.targets).item()
    if data.kind == "regression":
        return Score(loss, None)
    return Score(loss, (outputs.argmax(dim=1) == data.targets).double().mean().item())


def finite(loss: float, step: int, learning_rate: float) -> float:
    """`loss` itself. Raises TrainingDiverged when it is NaN or infinite."""
    if not math.isfinite(loss):
        remedy = (
            "write a smaller learning_rate, or a larger norm_eps where a norm meets constant "
            "vectors"
        )
        value = f"loss = {loss} at step {step} with learning_rate = {learning_rate:g}"
        raise TrainingDiverged(
            "the training diverged: its loss is not finite", value=value, remedy=remedy
        )
    return loss


@contextmanager
def progress_bar(label: str, steps: int, shown: bool) -> Iterator[Callable[[float], None]]:
    """A bar on standard error where that is a terminal, or none; yields the function to call with
    each step's loss.
    """
    console = Console(stderr=True)
    with Progress(
        console=console, transient=True, disable=not shown or not console.is_terminal
    ) as bar:
        row = bar.add_task(label, total=steps)
        yield lambda loss: bar.update(row, advance=1, description=f"{label}, loss {loss:.4f}")


def present_device(name: str) -> torch.device:
    """The device called `name`. Raises InvalidInput, listing what there is, where it is unknown or
    missing.
    """
    present = ["cpu", "cuda"][: 1 + torch.cuda.is_available()]
    present += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    one_of("or absent device", name, present)
    return torch.device(name)


def _loss(name: LossName | None, data: Dataset) -> Callable[[Tensor, Tensor], Tensor]:
    if data.kind == "regression":
        if name == "cross_entropy":
            remedy = "write loss='mse', or leave it out"
            raise InvalidInput(
                "cross-entropy needs classes", value=f"the regression {data.name}", remedy=remedy
            )
        return functional.mse_loss
    return _one_hot_mse if name == "mse" else functional.cross_entropy


def _one_hot_mse(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.mse_loss(
        outputs, functional.one_hot(targets, outputs.shape[1]).to(outputs.dtype)
    )


def _placed(data: Dataset, config: TrainConfig) -> Dataset:
    """The rows on the config's device; floats in its dtype."""
    device, dtype = torch.device(config.device), DTYPES[config.dtype]
    targets = data.targets.to(device, dtype if data.kind == "regression" else torch.int64)
    return replace(data, inputs=data.inputs.to(device, dtype), targets=targets)
