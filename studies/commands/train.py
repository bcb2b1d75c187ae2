"""`exactlens train`: train a toy and save it, with its loss curve, as a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from exact.atomic_files import write_atomically
from exact.sources import torch_modules
from studies.commands.job import console
from studies.runs import building
from toy_models import ModelConfig, TrainConfig, TrainResult, fit
from toy_models.checkpoints import Provenance, save
from viz import style
from viz.figures.curves import loss_figure

SMOOTHING = 25


def run(
    shape: Mapping[str, Any],
    training: Mapping[str, Any],
    *,
    name: str | None,
    root: Path,
    force: bool,
) -> int:
    """Train, save, and print what was reached and where it lies."""
    config = TrainConfig(model=ModelConfig(**shape), **training)
    chosen = f"{config.task}-{config.model.norm}" if name is None else name
    with building(root, chosen, replace=force) as folder:
        result = fit(config, progress=console(stderr=True).is_terminal)
        save(folder.parent, chosen, result.model, Provenance.of(result), overwrite=True)
        _save_losses(folder, result)
    _print(result, root / chosen)
    return 0


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
    title = f"Training on {config.task}, norm {config.model.norm}"
    return loss_figure(runs, title=title, steps=steps, log=min(losses) > 0)


def _print(result: TrainResult, folder: Path) -> None:
    config, screen = result.config, console()
    hinges = torch_modules.read(result.model).hinge_count
    reached = [("training", result.training_score), ("held out", result.held_out_score)]
    screen.print(
        f"{config.task}, norm {config.model.norm}, widths "
        f"{' '.join(map(str, config.model.widths))}: {hinges} hinges"
    )
    for what, score in reached:
        if score is not None:
            accuracy = "" if score.accuracy is None else f"accuracy {score.accuracy:.1%}, "
            screen.print(f"  {what:10}{accuracy}loss {score.loss:.4g}")
    screen.print(f"saved in {folder}")
