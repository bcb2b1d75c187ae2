"""`exactlens gpt2`: exact arcs on great circles through the directions that an MLP layer of a
language model reads, or its layers on a text.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from exact import GreatCircle, InvalidInput, Network, Partition, partition
from exact.atomic_files import write_atomically
from exact.sources import checkpoint_folders, transformers
from studies.commands import text as on_text
from studies.commands.job import console, spinner
from studies.commands.networks import GATE, mlp_network
from studies.commands.vectors import read_vectors
from studies.runs import provenance, writable
from studies.storage import now, sha256
from toy_models.language import LanguageConfig, LanguageResult, save, train_language_model, writing

FORMAT = "exactlens-geodesics-1"
RANDOM_CIRCLES = 8


@dataclass(frozen=True)
class Geodesic:
    """What was found on one great circle; `settled_by_filter` of its zeros needed no exact
    arithmetic.
    """

    arcs: int
    code_changes: int
    codes: int
    settled_by_filter: int
    settled_exactly: int
    digest: str

    @classmethod
    def of(cls, found: Partition) -> Geodesic:
        """The numbers of a partitioned circle; a code change is one hinge that flips between
        neighbouring arcs.
        """
        changes = int(np.count_nonzero(found.bits != np.roll(found.bits, 1, axis=0)))
        settled = found.decisions
        return cls(
            len(found), changes, found.code_count, settled["filter"], settled["exact"], found.digest
        )

    @property
    def filter_share(self) -> str:
        """The share of zeros that the filter settled, for people."""
        zeros = self.settled_by_filter + self.settled_exactly
        return f"{self.settled_by_filter / zeros:.2%}" if zeros else "no zeros"


def run(
    model: str | None,
    *,
    text: Path | None,
    layers: str | None,
    layer: int | None,
    geodesics: int | None,
    vectors: Path | None,
    seed: int,
    device: str,
    train_tiny: Path | None,
    steps: int,
    force: bool,
    out: Path | None,
) -> int:
    """Train a tiny model where that was asked for, then ask `model`, if one was named: on a text,
    or on circles.
    """
    screen = console()
    _refuse_mixed(text, layers, layer, vectors)
    if out is not None and text is None:
        writable(out, (".json",))
    if model is None and (train_tiny is None or text is not None):
        raise InvalidInput(
            "there is no model",
            value="nothing",
            remedy="give a folder or a hub name, or --train-tiny OUT",
        )
    if train_tiny is not None:
        _train(screen, train_tiny, LanguageConfig(steps=steps, seed=seed, device=device), force)
    if model is not None and text is not None:
        chosen = layers or ("all" if layer is None else str(layer))
        most = on_text.PAIRS if geodesics is None else geodesics
        return on_text.run(on_text.TextOptions(model, text, chosen, most, device, out))
    if model is not None:
        folder = checkpoint_folders.folder(model)
        where = transformers.layer_count(folder) // 2 if layer is None else layer
        _measure(screen, model, where, geodesics, vectors, seed, device, out)
    return 0


def _refuse_mixed(
    text: Path | None, layers: str | None, layer: int | None, vectors: Path | None
) -> None:
    """Refuse options of circles beside those of a text."""
    if text is None and layers is not None:
        raise InvalidInput(
            "--layers are those of a text",
            value=layers,
            remedy="add --text FILE, or give --layer for circles",
        )
    if layers is not None and layer is not None:
        raise InvalidInput(
            "--layer and --layers are given", value=f"{layer} and {layers}", remedy="keep one"
        )
    if text is not None and vectors is not None:
        raise InvalidInput(
            "a text has its own vectors", value=f"--vectors {vectors}", remedy="keep one of both"
        )


def _train(screen: Console, folder: Path, config: LanguageConfig, force: bool) -> None:
    """Refuse a folder that is in the way before training, not after."""
    if folder.is_symlink() or (folder.exists() and not force):
        raise InvalidInput(
            "the folder of the model exists already",
            value=folder,
            remedy="add --force, or choose another",
        )
    with writing(folder):
        result: LanguageResult = train_language_model(
            config, progress=console(stderr=True).is_terminal
        )
        saved = save(result, folder.parent, folder.name, overwrite=force)
    screen.print(
        f"tiny GPT-2: {config.layers} layers of width {config.width}, {config.steps} steps"
    )
    screen.print(f"  held out  {result.held_out_loss:.4f} nats a byte")
    screen.print(f"saved in {saved}")


def _measure(
    screen: Console,
    model: str,
    layer: int,
    geodesics: int | None,
    vectors: Path | None,
    seed: int,
    device: str,
    out: Path | None,
) -> None:
    network, gated = mlp_network(model, layer)
    pairs = _pairs(network.input_dim, geodesics, vectors, seed)
    screen.print(
        f"{model}, layer {layer}: {network.input_dim} -> {network.hinge_count} -> "
        f"{network.output_dim}"
    )
    if gated:
        screen.print(GATE)
    found, seconds = [], []
    with spinner("geodesics") as count:
        for number, (circle, time_taken) in enumerate(_partitioned(network, pairs, device)):
            found.append(Geodesic.of(circle))
            seconds.append(time_taken)
            count(number + 1)
    if out is not None:  # before what is printed: a pipe that closes early does not lose it
        made_by = provenance(
            seed=seed,
            device=device,
            model=model,
            layer=layer,
            vectors=None if vectors is None else str(vectors),
        )
        _write(out, network, found, made_by)
    screen.print(_table(found, seconds))
    _print_total(screen, found, seconds, device)
    if out is not None:
        screen.print(f"written to {out}")


def _partitioned(
    network: Network, pairs: np.ndarray, device: str
) -> Iterator[tuple[Partition, float]]:
    for u, v in pairs:
        started = time.monotonic()
        circle = partition(network, GreatCircle(u, v), device=device)
        yield circle, time.monotonic() - started


def _pairs(dim: int, count: int | None, vectors: Path | None, seed: int) -> np.ndarray:
    """Directions (circles, 2, dim): random ones with independent normal entries, or the rows of a
    file two by two.

    Without a count, all circles of the file or `RANDOM_CIRCLES` random ones.
    """
    if vectors is None:
        return np.random.default_rng(seed).standard_normal(
            (RANDOM_CIRCLES if count is None else count, 2, dim)
        )
    rows = read_vectors(vectors)
    if rows.ndim != 2 or rows.shape[1] != dim or len(rows) < 2:
        raise InvalidInput(
            "the vectors do not fit the layer",
            value=f"{vectors} {rows.shape}",
            remedy=f"give a matrix of at least two rows and {dim} columns",
        )
    if len(rows) % 2:
        raise InvalidInput(
            "the vectors make no pairs",
            value=f"{vectors} with {len(rows)} rows",
            remedy="give two rows for each circle",
        )
    circles = len(rows) // 2 if count is None else count
    if circles > len(rows) // 2:
        raise InvalidInput(
            "the vectors make fewer circles than were asked for",
            value=f"{vectors} with {len(rows)} rows",
            remedy=f"leave out --geodesics, or give at most {len(rows) // 2}",
        )
    return rows[: 2 * circles].reshape(circles, 2, dim)


def _table(found: list[Geodesic], seconds: list[float]) -> Table:
    table = Table(
        "circle",
        "arcs",
        "code changes",
        "different codes",
        "settled by the filter",
        "seconds",
        box=None,
    )
    for column in table.columns:
        column.justify = "right"
    for index, (circle, time_taken) in enumerate(zip(found, seconds, strict=True)):
        table.add_row(
            str(index),
            f"{circle.arcs:,}",
            f"{circle.code_changes:,}",
            f"{circle.codes:,}",
            circle.filter_share,
            f"{time_taken:.2f}",
        )
    return table


def _print_total(screen: Console, found: list[Geodesic], seconds: list[float], device: str) -> None:
    arcs = [circle.arcs for circle in found]
    exactly = sum(circle.settled_exactly for circle in found)
    screen.print(
        f"arcs {min(arcs):,} to {max(arcs):,}, mean {sum(arcs) / len(arcs):,.1f}; "
        f"{sum(seconds):.2f} s on {device}"
    )
    screen.print(
        f"evidence: every zero of every pre-activation is isolated and in order; {exactly:,} "
        f"needed exact surds"
    )


def _write(path: Path, network: Network, found: list[Geodesic], made_by: Mapping[str, Any]) -> None:
    result = {"network_sha256": network.sha256, "circles": [asdict(circle) for circle in found]}
    values = {
        "format": FORMAT,
        "result": result,
        "result_sha256": sha256(result),
        "provenance": made_by,
        "written_at": now(),
    }
    write_atomically(path, (json.dumps(values, indent=1, allow_nan=False) + "\n").encode())
