"""Many toys trained at once: their weights stacked along a first axis, one pass of torch for all.

A toy of a few hundred weights spends its time between operations, not in them. Here the toys whose
configs differ in nothing but the seed share every operation: a row of one tensor (toys, weights)
holds all weights of one toy, and AdamW, which knows no neighbours, moves the whole tensor. Data,
initial weights and batches are those of `fit`, so each toy is what `fit` makes of its config, but
for the rounding of sums in another order. Long groups are cut in parts, at places that depend on
their length alone, and the parts run on all cores.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice, pairwise
from threading import Event
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional

from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.errors import ExactlensError, InvalidInput
from toy_models.models import ToyModel
from toy_models.train import (
    LossFunction,
    Preparation,
    Snapshot,
    TrainConfig,
    TrainResult,
    drawn_rows,
    is_kept,
    one_hot_mse,
    progress_bar,
)
from toy_models.training_cache import Report, TrainingCache, to_standard_error

LARGEST_PART, SMALLEST_PART = 50, 8  # toys that are stacked

Weights = Sequence[Tensor]
StackedModule = Callable[[nn.Module, Weights, Tensor], Tensor]


def fit_many(
    config: TrainConfig,
    seeds: Sequence[int] = range(30),
    *,
    cache: TrainingCache | None = None,
    progress: bool = True,
    report: Report = to_standard_error,
) -> tuple[TrainResult, ...]:
    """Train the toy of `config` once for every seed, all at once; see :func:`fit_ensemble`.

    >>> results = fit_many(TrainConfig(steps=5, samples=50), seeds=range(3), progress=False)
    >>> [(result.config.seed, result.steps, len(result.losses)) for result in results]
    [(0, 5, 5), (1, 5, 5), (2, 5, 5)]
    """
    configs = [replace(config, seed=seed) for seed in seeds]
    return fit_ensemble(configs, cache=cache, progress=progress, report=report)


def fit_ensemble(
    configs: Sequence[TrainConfig],
    *,
    cache: TrainingCache | None = None,
    progress: bool = True,
    report: Report = to_standard_error,
) -> tuple[TrainResult, ...]:
    """Train the toys of all configs; returns their results in the same order.

    Each is what `fit` gives, within rounding; the same list gives the same weights bit for bit on
    the same machine and libraries. Configs that agree in all but the seed are trained at once, and
    equal ones once. A toy whose loss stops being finite ends alone: `diverged_at` of its result
    says at which step. With a `cache` toys are read from it and kept in it, and `report` is called
    with a line that says where. Raises InvalidInput as `fit` does, with the number of the config,
    before anything is trained. Cost: on two cores that of about 3 (width 16) to 10 (widths 64 64)
    toys for 100; wide ones are bound by their products.
    """
    starts = [_prepared(number, config) for number, config in enumerate(configs)]
    names = [_name(start.config) for start in starts]
    results: dict[str, TrainResult] = {}
    missing = dict(zip(names, starts, strict=True))
    if cache is not None:
        found = {name: cache.find(start, report) for name, start in missing.items()}
        results = {name: one for name, one in found.items() if one is not None}
        missing = {name: start for name, start in missing.items() if name not in results}
    trained = _trained([*missing.values()], progress)
    results |= {_name(one.config): one for one in trained}
    if cache is not None:
        _keep(cache, trained, len(names), report)
    return tuple(results[name] for name in names)


def _trained(starts: Sequence[Preparation], progress: bool) -> list[TrainResult]:
    """The results of all, group by group."""
    alike: dict[str, list[Preparation]] = {}
    for start in starts:
        alike.setdefault(_name(replace(start.config, seed=0)), []).append(start)
    parts = [Stack(part) for group in alike.values() for part in _parts(group)]
    steps = sum(part.config.steps for part in parts)
    with progress_bar(f"{len(starts)} toys", steps, progress) as tick:
        return [result for found in _on_all_cores(parts, tick) for result in found]


def _keep(cache: TrainingCache, trained: Sequence[TrainResult], count: int, report: Report) -> None:
    """Keep what was trained, and say where; a disk that takes nothing more costs no result."""
    kept = 0
    try:
        for result in trained:
            cache.keep(result)
            kept += 1
    except OSError as error:
        report(f"{len(trained) - kept} toys cannot be kept in {cache.folder}: {error.strerror}")
    size = f"{len(cache)} toys, {cache.size / 1e6:.1f} MB"
    told = f"{count - len(trained)} read, {kept} trained and kept"
    report(f"{count} toys: {told} in {cache.folder} ({size})")


def _prepared(number: int, config: TrainConfig) -> Preparation:
    if not isinstance(config, TrainConfig):
        raise InvalidInput(
            f"config {number} is not a TrainConfig",
            value=repr(config),
            remedy="give a list of TrainConfig(...)",
        )
    try:
        return Preparation.of(config)
    except ExactlensError as error:
        named = f"config {number} ({config.task}, norm {config.model.norm}, seed {config.seed})"
        raise type(error)(
            f"{named}: {error.wrong}", value=error.value, remedy=error.remedy
        ) from error


def _name(config: TrainConfig) -> str:
    """A text that configs share iff they are equal; a dictionary of options has no hash."""
    return json.dumps(config.to_json(), sort_keys=True)


def _parts(group: Sequence[Preparation]) -> Iterator[Sequence[Preparation]]:
    """A group in parts of equal length, as nearly as can be: two at least where both are worth
    it.
    """
    count = min(max(2, math.ceil(len(group) / LARGEST_PART)), max(1, len(group) // SMALLEST_PART))
    ends = [len(group) * part // count for part in range(count + 1)]
    return (group[start:end] for start, end in pairwise(ends))


def _on_all_cores(
    parts: Sequence["Stack"], tick: Callable[[float], None]
) -> Iterator[list[TrainResult]]:
    """The results of every part, in order."""
    stopped = Event()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ThreadPoolExecutor(max_workers=max(1, min(cores or 1, len(parts)))) as pool:
        try:
            yield from [*pool.map(lambda part: part.trained(tick, stopped), parts)]
        finally:
            stopped.set()  # an error or an interrupt here ends the others too


@dataclass(frozen=True)
class Stack:
    """Toys of one shape, and what they have learned so far: `weights` is (toys, weights of one)."""

    starts: Sequence[Preparation]
    weights: Tensor = field(init=False)

    def __post_init__(self) -> None:
        rows = [
            nn.utils.parameters_to_vector(start.model.parameters()).detach()
            for start in self.starts
        ]
        object.__setattr__(self, "weights", torch.stack(rows).requires_grad_())

    @property
    def config(self) -> TrainConfig:
        """The config of the first, from which others differ in the seed."""
        return self.starts[0].config

    @one_thread()
    def trained(self, tick: Callable[[float], None], stopped: Event) -> list[TrainResult]:
        """Train all of them. `tick` is called with the mean loss of every step."""
        config, records = self.config, [Record(start) for start in self.starts]
        optimiser = torch.optim.AdamW(
            [self.weights], lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
        loss_of = STACKED_LOSSES[self.starts[0].loss_of]
        losses = torch.zeros(config.steps, len(self.starts), dtype=torch.float64)
        self._keep(records, 0, losses)
        for step, (inputs, targets) in enumerate(self._batches(), start=1):
            if stopped.is_set():
                break
            loss = loss_of(self._outputs(inputs), targets)
            losses[step - 1] = loss.detach()
            optimiser.zero_grad()
            torch.autograd.backward(loss.sum())
            optimiser.step()
            decay.step()
            tick(losses[step - 1].mean().item())
            if is_kept(step, config):
                self._keep(records, step, losses[:step])
        return [record.result() for record in records]

    @cached_property
    def _outputs(self) -> Callable[[Tensor], Tensor]:
        """What maps a batch of inputs of each toy (toys, batch, input_dim) to its outputs."""
        model = self.starts[0].model
        shapes = [parameter.shape for parameter in model.parameters()]
        sizes, forward = [shape.numel() for shape in shapes], stacked(model)

        def outputs(inputs: Tensor) -> Tensor:
            parts = zip(self.weights.split(sizes, dim=1), shapes, strict=True)
            return forward([part.unflatten(1, shape) for part, shape in parts], inputs)

        return outputs

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets of each step, (toys, batch, ...)."""
        count = len(self.starts[0].data)
        inputs = torch.cat([start.data.inputs for start in self.starts])
        targets = torch.cat([start.data.targets for start in self.starts])
        first = count * torch.arange(len(self.starts))[:, None, None]
        blocks = zip(*(drawn_rows(start.config, count) for start in self.starts), strict=True)
        for block in blocks:
            rows = (torch.stack(block) + first).transpose(0, 1).to(inputs.device)
            for of_step in rows:
                flat = of_step.flatten()
                yield tuple(
                    values.index_select(0, flat).unflatten(0, of_step.shape)
                    for values in (inputs, targets)
                )

    def _keep(self, records: Sequence["Record"], step: int, losses: Tensor) -> None:
        """Note the losses up to a step, and the weights behind it, of all that go on."""
        for record, weights, own in zip(
            records, self.weights.detach(), losses[:step].T.tolist(), strict=True
        ):
            record.keep(step, weights, own)


@dataclass
class Record:
    """What is known of one toy while it is trained."""

    start: Preparation
    losses: Sequence[float] = ()
    snapshots: list[Snapshot] = field(default_factory=list)
    diverged_at: int | None = None

    def keep(self, step: int, weights: Tensor, losses: Sequence[float]) -> None:
        """Note the losses up to a step and the weights after it, until one is not finite."""
        if self.diverged_at is not None:
            return
        bad = next((k for k, loss in enumerate(losses) if not math.isfinite(loss)), None)
        self.losses = losses[:bad]
        if bad is not None:
            self.diverged_at = bad + 1
            return
        if step:
            self._set(weights)
        snapshot = self.start.snapshot(step)
        if math.isfinite(snapshot.score.loss):
            self.snapshots.append(snapshot)
        else:
            self.diverged_at = step

    def _set(self, weights: Tensor) -> None:
        parameters = [*self.start.model.parameters()]
        rows = weights.split([parameter.numel() for parameter in parameters])
        with torch.no_grad():
            for parameter, row in zip(parameters, rows, strict=True):
                parameter.copy_(row.view_as(parameter))

    def result(self) -> TrainResult:
        """What came of it; the model goes back to its last snapshot."""
        if self.snapshots:
            self.start.model.load_state_dict(dict(self.snapshots[-1].weights))
        return self.start.result(self.losses, self.snapshots, self.diverged_at)


# ---- one forward pass for a stack


def stacked(model: ToyModel) -> Callable[[Weights, Tensor], Tensor]:
    """What maps stacked weights (toys, *shape), in the order of `model.parameters()`, and inputs
    (toys, batch, input_dim) to the outputs of as many copies of a model, each at its own inputs.
    """
    blocks = []
    for norm, modules, residual in model.exactlens_blocks():
        steps = modules if norm is None else [norm, *modules]
        blocks.append(([_stacked_module(module) for module in steps], residual))

    def forward(weights: Weights, x: Tensor) -> Tensor:
        left = iter(weights)
        for steps, residual in blocks:
            y = x
            for count, apply in steps:
                y = apply([*islice(left, count)], y)
            x = x + y if residual else y
        return x

    return forward


def _stacked_module(module: nn.Module) -> tuple[int, Callable[[Weights, Tensor], Tensor]]:
    """How many weights a module has, and what it does to a stack; one without is the same for
    all.
    """
    names = [name for name, _ in module.named_parameters()]
    known = STACKED_MODULES.get(type(module))
    if known is not None:
        return len(names), partial(known, module)
    if not names:
        return 0, lambda _, x: module(x)

    def mapped(weights: Weights, x: Tensor) -> Tensor:
        own = dict(zip(names, weights, strict=True))
        out: Tensor = vmap(lambda one, rows: functional_call(module, one, (rows,)))(own, x)
        return out

    return len(names), mapped


def _stacked_linear(module: nn.Module, weights: Weights, x: Tensor) -> Tensor:
    """A product for all, with the longer side of the weight inside: the products of the backward
    pass take half as long then. What vmap makes of it takes half as long again.
    """
    weight, *bias = weights
    if weight.shape[1] >= weight.shape[2]:
        right = weight.transpose(1, 2)
        return torch.baddbmm(bias[0][:, None], x, right) if bias else torch.bmm(x, right)
    columns = x.transpose(1, 2)
    if bias:
        return torch.baddbmm(bias[0][:, :, None], weight, columns).transpose(1, 2)
    return torch.bmm(weight, columns).transpose(1, 2)


def _stacked_layer_norm(module: nn.Module, weights: Weights, x: Tensor) -> Tensor:
    assert isinstance(module, nn.LayerNorm)
    return _scaled(functional.layer_norm(x, module.normalized_shape, eps=module.eps), weights)


def _stacked_rms_norm(module: nn.Module, weights: Weights, x: Tensor) -> Tensor:
    assert isinstance(module, nn.RMSNorm)
    return _scaled(functional.rms_norm(x, [*module.normalized_shape], eps=module.eps), weights)


def _scaled(x: Tensor, weights: Weights) -> Tensor:
    """Gain and bias of a norm, where it has them."""
    if weights:
        x = x * weights[0][:, None]
    return x + weights[1][:, None] if len(weights) > 1 else x


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """With the classes in the middle: with few of them last torch takes three times as long."""
    losses = functional.cross_entropy(outputs.transpose(1, 2), targets, reduction="none")
    return losses.mean(dim=1)


def _squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().flatten(1).mean(dim=1)


def _one_hot_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    classes = outputs.shape[2]
    return _squares(outputs, functional.one_hot(targets, classes).to(outputs.dtype))


STACKED_MODULES: Mapping[type[nn.Module], StackedModule] = MappingProxyType(
    {nn.Linear: _stacked_linear, nn.LayerNorm: _stacked_layer_norm, nn.RMSNorm: _stacked_rms_norm}
)
STACKED_LOSSES: Mapping[LossFunction, LossFunction] = MappingProxyType(
    {
        functional.cross_entropy: _cross_entropy,
        functional.mse_loss: _squares,
        one_hot_mse: _one_hot_squares,
    }
)
