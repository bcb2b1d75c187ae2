"""`exactlens train`: train a toy, on a task or on data of one's own, and save it as a run, with its
loss curve.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from exact import InvalidInput
from exact.atomic_files import write_atomically
from exact.sources import torch_modules
from studies.commands.job import console
from studies.own_code import SEPARATOR, imported
from studies.runs import building
from toy_models import Dataset, ModelConfig, TrainConfig, TrainResult, datasets, fit, tasks
from toy_models.checkpoints import Provenance, save
from viz import style
from viz.figures.curves import loss_figure

SMOOTHING, DEFAULT_TASK = 25, "moons"


def run(
    shape: Mapping[str, Any],
    training: Mapping[str, Any],
    *,
    data: Path | None,
    name: str | None,
    root: Path,
    force: bool,
) -> int:
    """Train, save, and print what was reached and where it lies.

    The rows of data, and of a task of one's own, are saved with the run: nothing else makes them
    again in another process.
    """
    task, rows = _asked(training["task"], data, training)
    given = {name: value for name, value in training.items() if value is not None}
    config = TrainConfig(model=ModelConfig(**shape), **{**given, "task": task})
    of = str(task if rows is None else rows.name).rpartition(SEPARATOR)[2]
    chosen = f"{of}-{config.model.norm}" if name is None else name
    if rows is not None:
        _print_data(rows, data)
    with building(root, chosen, replace=force) as folder:
        result = fit(config, dataset=rows, progress=console(stderr=True).is_terminal)
        kept = None if tasks.is_built_in(config.task) else result.dataset
        own = Provenance.of(result)
        save(folder.parent, chosen, result.model, own, dataset=kept, overwrite=True)
        _save_losses(folder, result)
    _print(result, root / chosen)
    return 0


def _asked(
    task: str | None, data: Path | None, training: Mapping[str, Any]
) -> tuple[str | None, Dataset | None]:
    """The name of the task, imported where it is one's own, or None and the rows of a file."""
    if data is None:
        named = DEFAULT_TASK if task is None else task
        if SEPARATOR in named and named not in tasks.TASKS:
            tasks.register(named, imported(named, "--task"))
        return named, None
    beside = {"--task": task, "--samples": training["samples"]}
    beside["--task-option"] = training["task_options"] or None
    for option, value in beside.items():
        if value is not None:
            raise InvalidInput(
                f"--data and {option} are given", value=f"{data} and {value}", remedy="keep one"
            )
    return None, datasets.read(data)


def _print_data(rows: Dataset, path: Path | None) -> None:
    what = f"{rows.output_dim} classes"
    if rows.kind == "regression":
        what = f"a regression on {rows.output_dim} numbers"
    console().print(f"{path}: {len(rows):,} rows of {rows.input_dim} inputs, {what}")


def _save_losses(folder: Path, result: TrainResult) -> None:
    values = {
        "losses_float": list(result.losses),
        "training_score": _score(result.training_score),
        "held_out_score": _score(result.held_out_score),
    }
    write_atomically(
        folder / "loss.json", (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()
    )
    style.save(_loss_curve(result), folder, "loss")


def _score(score: Any) -> dict[str, float | None] | None:
    return None if score is None else {"loss_float": score.loss, "accuracy_float": score.accuracy}


def _loss_curve(result: TrainResult) -> Any:
    """The loss of every batch and its moving average, drawn over the steps."""
    losses, config = list(result.losses), result.config
    window = min(SMOOTHING, len(losses))
    mean = np.convolve(losses, np.full(window, 1 / window), mode="valid")
    runs = {"one batch": losses, f"mean of {window}": mean.tolist()}
    steps = {
        "one batch": list(range(1, len(losses) + 1)),
        f"mean of {window}": list(range(window, len(losses) + 1)),
    }
    title = f"Training on {result.training.name}, norm {config.model.norm}"
    return loss_figure(runs, title=title, steps=steps, log=min(losses) > 0)


def _print(result: TrainResult, folder: Path) -> None:
    config, screen = result.config, console()
    name = result.training.name
    hinges = torch_modules.read(result.model).hinge_count
    reached = [("training", result.training_score), ("held out", result.held_out_score)]
    screen.print(
        f"{name}, norm {config.model.norm}, widths "
        f"{' '.join(map(str, config.model.widths))}: {hinges} hinges"
    )
    for what, score in reached:
        if score is not None:
            accuracy = "" if score.accuracy is None else f"accuracy {score.accuracy:.1%}, "
            screen.print(f"  {what:10}{accuracy}loss {score.loss:.4g}")
    screen.print(f"saved in {folder}")
