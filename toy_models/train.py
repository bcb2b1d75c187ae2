"""One trainer for every toy: a frozen config in, a model with its loss curve, scores and snapshots
out; on a task, or on data of your own.

The config's seed decides data, initial weights and batches, each through a generator of its own;
the global random state is neither read nor changed. Weights repeat bit for bit on the same machine
and libraries, not across machines: to repeat a result elsewhere, keep the weights
(`toy_models.checkpoints`).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from toy_models.datasets import Dataset, require_sound
from toy_models.draws import SEEDS
from toy_models.models import ModelConfig, ToyModel, initialised
from toy_models.validation import at_least, mapping, number, one_of

DTYPES: MappingProxyType[str, torch.dtype] = MappingProxyType(
    {"float32": torch.float32, "float64": torch.float64}
)
LossName = Literal["cross_entropy", "mse"]
LossFunction = Callable[[Tensor, Tensor], Tensor]


class TrainingDiverged(InvalidInput):
    """The loss of a training stopped being finite: there is no model."""


@dataclass(frozen=True)
class TrainConfig:
    """What to train, and how; it survives a trip through JSON unchanged.

    `task` and `task_options` name the data (`toy_models.tasks.make`), of which the share `held_out`
    is kept from training; the task None stands for data of your own, which `fit` takes. `loss` None
    means cross-entropy for a classification and mean squared error for a regression; "mse" on a
    classification regresses on one-hot targets. The optimiser is AdamW, its learning rate falls
    along half a cosine to zero. Snapshots are taken before the first step, after the last, and
    every `snapshot_every` steps in between (0: none). Raises InvalidInput for a setting that cannot
    be meant.
    """

    task: str | None = "moons"
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
        if self.task is not None:
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
        """All rows of the task, those held out included. Raises InvalidInput where there is no
        task.
        """
        if self.task is None:
            remedy = "write task=..., or give the data: fit(config, dataset=...)"
            raise InvalidInput("the config names no task", value=self.task, remedy=remedy)
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

    `config.model` carries the dimensions of the task. `config.task` is None for data of your own.
    `held_out_score` is None when no rows were held out. `diverged_at` is the step at which a
    training in an ensemble had no finite loss left, and None where that did not happen (`fit`
    raises in its place): losses and snapshots are those before, model and scores those of the last
    snapshot.
    """

    config: TrainConfig
    model: ToyModel
    training: Dataset
    held_out: Dataset
    losses: tuple[float, ...]
    training_score: Score
    held_out_score: Score | None
    snapshots: tuple[Snapshot, ...]
    diverged_at: int | None = None

    @property
    def steps(self) -> int:
        """The number of steps that made the weights of `model`: 0 for an untrained network."""
        return self.snapshots[-1].step if self.snapshots else 0

    @property
    def dataset(self) -> Dataset:
        """All rows, in the order in which they were cut: training first, then held out."""
        return self.training.joined(self.held_out)

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


@dataclass(frozen=True)
class Preparation:
    """What a training starts from: the config with the dimensions of its task, the untrained model
    on its device, and the rows; `data` are the training rows beside the model, in its dtype.
    """

    config: TrainConfig
    model: ToyModel
    training: Dataset
    held_out: Dataset
    data: Dataset
    loss_of: LossFunction

    @classmethod
    def of(cls, config: TrainConfig, dataset: Dataset | None = None) -> "Preparation":
        """All of it, from the config alone or with rows of your own. Raises InvalidInput as `fit`
        does.
        """
        rows = config.dataset() if dataset is None else _own_rows(dataset, config.seed)
        if dataset is not None:
            config = replace(config, task=None, task_options={}, samples=len(rows))
        config = replace(config, model=config.model.fitted_to(rows))
        loss_of = _loss(config.loss, rows)
        model = initialised(config.model, config.seed).to(
            present_device(config.device), DTYPES[config.dtype]
        )
        training, held_out = rows.split(config.held_out)
        return cls(config, model, training, held_out, _placed(training, config), loss_of)

    def snapshot(self, step: int) -> Snapshot:
        """The weights of the model and their score, which need not be finite."""
        weights = {
            name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()
        }
        return Snapshot(step, weights, score(self.model, self.data, self.loss_of))

    def result(
        self, losses: Sequence[float], snapshots: Sequence[Snapshot], diverged_at: int | None = None
    ) -> TrainResult:
        """What came of the training; the model has the weights of the last snapshot."""
        held_out = None
        if len(self.held_out):
            held_out = score(self.model, _placed(self.held_out, self.config), self.loss_of)
        reached = snapshots[-1] if snapshots else self.snapshot(0)
        return TrainResult(
            self.config,
            self.model,
            self.training,
            self.held_out,
            tuple(losses),
            reached.score,
            held_out,
            tuple(snapshots),
            diverged_at,
        )


@one_thread()
def fit(
    config: TrainConfig, *, dataset: Dataset | None = None, progress: bool = True
) -> TrainResult:
    """Train the model of `config` on its task, or on a data set of your own.

    With `dataset` (`Dataset.of` makes one of arrays) the task, its options and `samples` are not
    used: the config of the result has the task None and the number of rows that there are. Its rows
    are put into a random order that the seed decides, since a file may have them class by class,
    before the share `held_out` is cut off. Raises InvalidInput for a device that is not there, a
    loss that does not fit the task, dimensions that do not fit the model, data that
    `toy_models.datasets.require_sound` refuses, and (TrainingDiverged) a loss that stops being
    finite.
    """
    start = Preparation.of(config, dataset)
    label = f"{start.training.name}, norm {config.model.norm}"
    with progress_bar(label, config.steps, progress) as report:
        losses, snapshots = _Trainer(start).run(report)
    return start.result(losses, snapshots)


@one_thread()
def untrained(
    config: TrainConfig, *, dataset: Dataset | None = None, zero_biases: bool = False
) -> TrainResult:
    """What `fit(config, dataset=dataset)` starts from, as a result with no step: its data, its
    initial weights and their scores, and the snapshot of step 0.

    `zero_biases` sets every bias to zero, that of a norm included. Raises InvalidInput as `fit`
    does, also for a score that is not finite.

    >>> result = untrained(TrainConfig(samples=100), zero_biases=True)
    >>> result.steps, result.losses, [snapshot.step for snapshot in result.snapshots]
    (0, (), [0])
    """
    start = Preparation.of(config, dataset)
    if zero_biases:
        for name, parameter in start.model.named_parameters():
            if name.rpartition(".")[2] == "bias":
                torch.nn.init.zeros_(parameter)
    return start.result((), [finite_score(start.snapshot(0), start.config)])


@dataclass(frozen=True)
class _Trainer:
    """The loop itself."""

    start: Preparation

    def run(
        self, report: Callable[[float], None]
    ) -> tuple[tuple[float, ...], tuple[Snapshot, ...]]:
        """All steps; returns their losses and the snapshots, and leaves the model in evaluation
        mode.
        """
        config, model, data = self.start.config, self.start.model, self.start.data
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
        losses, snapshots = [], [self.snapshot(0)]
        for step, rows in enumerate(self.batches(), start=1):
            loss = self.start.loss_of(model.train()(data.inputs[rows]), data.targets[rows])
            losses.append(finite(loss.item(), step, config.learning_rate))
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            decay.step()
            report(losses[-1])
            if is_kept(step, config):
                snapshots.append(self.snapshot(step))
        return tuple(losses), tuple(snapshots)

    def batches(self) -> Iterator[Tensor]:
        """The row numbers of each step's batch."""
        for block in drawn_rows(self.start.config, len(self.start.data)):
            yield from block.to(self.start.data.inputs.device)

    def snapshot(self, step: int) -> Snapshot:
        return finite_score(self.start.snapshot(step), self.start.config)


def is_kept(step: int, config: TrainConfig) -> bool:
    """Whether a snapshot is taken after a step, from 1."""
    every = config.snapshot_every
    return step == config.steps or bool(every and step % every == 0)


def drawn_rows(config: TrainConfig, rows: int, steps: int = 64) -> Iterator[Tensor]:
    """The row numbers of the batches of so many steps at a time (steps, batch), drawn with
    replacement; how many plays no part in the numbers.
    """
    generator = torch.Generator().manual_seed(config.seed)
    size = min(config.batch_size, rows)
    for begun in range(0, config.steps, steps):
        yield torch.randint(rows, (min(steps, config.steps - begun), size), generator=generator)


def finite_score(snapshot: Snapshot, config: TrainConfig) -> Snapshot:
    """`snapshot` itself. Raises TrainingDiverged when its loss is NaN or infinite."""
    finite(snapshot.score.loss, snapshot.step, config.learning_rate)
    return snapshot


def _own_rows(dataset: Dataset, seed: int) -> Dataset:
    data = require_sound(dataset, "the data set")
    if len(data) < 2:
        remedy = "give at least two"
        raise InvalidInput("the data set has one row", value=data.name, remedy=remedy)
    return data.shuffled(seed)


def score(model: torch.nn.Module, data: Dataset, loss_of: LossFunction) -> Score:
    """The score of `model` on all rows of `data`, in evaluation mode."""
    with torch.no_grad():
        outputs = model.eval()(data.inputs)
        loss = loss_of(outputs, data.targets).item()
    if data.kind == "regression":
        return Score(loss, None)
    return Score(loss, (outputs.argmax(dim=1) == data.targets).double().mean().item())


def finite(loss: float, step: int, learning_rate: float) -> float:
    """`loss` itself. Raises TrainingDiverged when it is NaN or infinite; before the first step that
    is no matter of the learning rate.
    """
    if not math.isfinite(loss) and not step:
        raise TrainingDiverged(
            "the loss is not finite before the first step",
            value=f"loss = {loss}",
            remedy="scale the inputs and targets to about 1: they are too large for the dtype, or "
            "a norm meets constant vectors, which wants a larger norm_eps",
        )
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


def _loss(name: LossName | None, data: Dataset) -> LossFunction:
    if data.kind == "regression":
        if name == "cross_entropy":
            remedy = "write loss='mse', or leave it out"
            raise InvalidInput(
                "cross-entropy needs classes", value=f"the regression {data.name}", remedy=remedy
            )
        return functional.mse_loss
    return one_hot_mse if name == "mse" else functional.cross_entropy


def one_hot_mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean squared error of outputs (batch, classes) to the one-hot vectors of classes."""
    return functional.mse_loss(
        outputs, functional.one_hot(targets, outputs.shape[1]).to(outputs.dtype)
    )


def _placed(data: Dataset, config: TrainConfig) -> Dataset:
    """The rows on the config's device; floats in its dtype."""
    device, dtype = torch.device(config.device), DTYPES[config.dtype]
    targets = data.targets.to(device, dtype if data.kind == "regression" else torch.int64)
    return replace(data, inputs=data.inputs.to(device, dtype), targets=targets)
