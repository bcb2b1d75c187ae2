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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from threading import Event

import torch
from torch import Tensor, nn

from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.errors import ExactlensError, InvalidInput
from toy_models.stacked_modules import STACKED_LOSSES, stacked
from toy_models.train import (
    Preparation,
    Snapshot,
    TrainConfig,
    TrainResult,
    drawn_rows,
    is_kept,
    progress_bar,
)
from toy_models.training_cache import Report, TrainingCache, to_standard_error

LARGEST_PART, SMALLEST_PART = 50, 8  # toys that are stacked


def fit_many(
    config: TrainConfig,
    seeds: Sequence[int] = range(30),
    *,
    cache: TrainingCache | None = None,
    progress: bool = True,
    report: Report = to_standard_error,
) -> tuple[TrainResult, ...]:
    """Train the toy of `config` once for every seed, all at once; see :func:`fit_ensemble`. Raises
    InvalidInput for no seeds, and for a seed that is given twice: two equal toys are one.

    >>> results = fit_many(TrainConfig(steps=5, samples=50), seeds=range(3), progress=False)
    >>> [(result.config.seed, result.steps, len(result.losses)) for result in results]
    [(0, 5, 5), (1, 5, 5), (2, 5, 5)]
    """
    given = list(seeds)
    repeated = next((seed for place, seed in enumerate(given) if seed in given[:place]), None)
    if not given or repeated is not None:
        wrong = "there are no seeds" if not given else "a seed is given twice"
        remedy = "give different seeds, such as range(30)"
        raise InvalidInput(wrong, value=repeated if given else given, remedy=remedy)
    configs = [replace(config, seed=seed) for seed in given]
    return fit_ensemble(configs, cache=cache, progress=progress, report=report)


@one_thread()
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
    results |= zip(missing, trained, strict=True)
    if cache is not None:
        _keep(cache, trained, len(names), report)
    return tuple(results[name] for name in names)


def _trained(starts: Sequence[Preparation], progress: bool) -> list[TrainResult]:
    """The results of all in order, trained group by group."""
    alike: dict[str, list[int]] = {}
    for place, start in enumerate(starts):
        alike.setdefault(_name(replace(start.config, seed=0)), []).append(place)
    parts = [part for group in alike.values() for part in _parts(group)]
    stacks = [Stack([starts[place] for place in part]) for part in parts]
    steps = sum(stack.config.steps for stack in stacks)
    with progress_bar(f"{len(starts)} toys", steps, progress) as tick:
        found = _on_all_cores(stacks, tick)
    results = {
        place: result
        for part, of_part in zip(parts, found, strict=True)
        for place, result in zip(part, of_part, strict=True)
    }
    return [results[place] for place in range(len(starts))]


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


def _parts(group: Sequence[int]) -> Iterator[Sequence[int]]:
    """A group in parts of equal length, as nearly as can be: two at least where both are worth
    it.
    """
    count = min(max(2, math.ceil(len(group) / LARGEST_PART)), max(1, len(group) // SMALLEST_PART))
    ends = [len(group) * part // count for part in range(count + 1)]
    return (group[start:end] for start, end in pairwise(ends))


def _on_all_cores(
    stacks: Sequence["Stack"], tick: Callable[[float], None]
) -> list[list[TrainResult]]:
    """The results of every stack, in order."""
    stopped = Event()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ThreadPoolExecutor(max_workers=max(1, min(cores or 1, len(stacks)))) as pool:
        try:
            return [*pool.map(lambda stack: stack.trained(tick, stopped), stacks)]
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
        """What maps a batch of inputs of each toy (toys, input_dim, batch) to its outputs."""
        model = self.starts[0].model
        shapes = [parameter.shape for parameter in model.parameters()]
        sizes, forward = [shape.numel() for shape in shapes], stacked(model)

        def outputs(inputs: Tensor) -> Tensor:
            parts = zip(self.weights.split(sizes, dim=1), shapes, strict=True)
            return forward([part.unflatten(1, shape) for part, shape in parts], inputs)

        return outputs

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs (toys, input_dim, batch) and targets (toys, batch, ...) of each step."""
        count = len(self.starts[0].data)
        inputs = torch.cat([start.data.inputs for start in self.starts])
        targets = torch.cat([start.data.targets for start in self.starts])
        first = count * torch.arange(len(self.starts))[:, None, None]
        blocks = zip(*(drawn_rows(start.config, count) for start in self.starts), strict=True)
        for block in blocks:
            rows = (torch.stack(block) + first).transpose(0, 1).to(inputs.device)
            for of_step in rows:
                x, y = (
                    values.index_select(0, of_step.flatten()).unflatten(0, of_step.shape)
                    for values in (inputs, targets)
                )
                yield x.transpose(1, 2).contiguous(), y

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
