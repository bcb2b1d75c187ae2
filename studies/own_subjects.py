"""Subjects that a user names: runs, files of weights, and folders of GPT-2s."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exact import InvalidInput
from studies.commands.job import JobOptions, open_run
from studies.subjects import QUICK_TOKENS, TOKENS, Report, Subject, Subjects, Toy, real_layers
from toy_models import Dataset, datasets

LANGUAGE = "gpt2:"


def prepare(
    _: Path,
    *,
    on: Sequence[str],
    root: Path,
    data: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    gpt2: str | Path | None = None,
    progress: Report | None = None,
    seeds: int | None = None,
    quick: bool = False,
) -> Subjects:
    """The subjects that `on` names: runs under `root` or by path, .safetensors files, and
    `gpt2:FOLDER`, whose first, middle and last layer are taken, as those of `gpt2`.

    A run has the rows that were saved with it, or those of its task; `data` is a .npz file for
    those that have none. Raises InvalidInput for what is not there, is no network, or has another
    number of inputs than the rows.
    """
    require_targets(on)
    report = progress or (lambda _: None)
    rows = None if data is None else datasets.read(data)
    tokens = QUICK_TOKENS if quick else TOKENS
    found: list[Subject] = []
    for target in (*on, *([] if gpt2 is None else [f"{LANGUAGE}{gpt2}"])):
        report(f"reading {target}")
        if target.startswith(LANGUAGE):
            folder = Path(target.removeprefix(LANGUAGE))
            found += real_layers(folder, folder.name, report, tokens)
        else:
            found.append(_toy(target, root, rows))
    return Subjects.of(*found, seed=seed, device=device, seeds=seeds, quick=quick)


def _toy(target: str, root: Path, rows: Dataset | None) -> Toy:
    if (Path(target) / "config.json").is_file():
        remedy = f"write --on {LANGUAGE}{target}"
        raise InvalidInput("the folder holds a language model", value=target, remedy=remedy)
    opened = open_run(JobOptions(target, root, None))
    checkpoint = opened.checkpoint
    own = None if checkpoint is None else checkpoint.data
    model = opened.network if checkpoint is None else checkpoint.model
    return Toy.of(opened.name, model, rows if own is None else own)


def require_targets(on: Sequence[str]) -> None:
    """Raise InvalidInput for a target that is named twice, or names nothing."""
    for target in on:
        if not target.removeprefix(LANGUAGE).strip():
            remedy = f"write a run, a .safetensors file, or {LANGUAGE}FOLDER"
            raise InvalidInput("--on names nothing", value=repr(target), remedy=remedy)
        if on.count(target) > 1:
            raise InvalidInput("a subject is named twice", value=target, remedy="name it once")
