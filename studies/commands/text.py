"""`exactlens gpt2 MODEL --text FILE`: every layer of a language model on a text, with a report and
the tables behind it. What is done stays done: a second call goes on behind it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from torch import nn

from exact import InvalidInput
from exact.atomic_files import (
    holding,
    left_behind,
    made_folder,
    published_folder,
    sync,
    write_atomically,
)
from exact.geometry.combinatorics.tables import require_library, write_parquet
from exact.networks.evaluation.batches import require_device
from exact.sources import checkpoint_folders, transformers
from exact.sources.residual_streams import ResidualStreams, capture
from studies import arguments
from studies.commands.job import console
from studies.commands.networks import GATE, mlp_network
from studies.commands.vectors import require_room
from studies.layer_report import TOTALS, figure_of, render, totals
from studies.layer_tables import SUMMARY, measure
from studies.real_models import model_of
from studies.runs import provenance
from toy_models import texts
from toy_models.stored_files import refuse_links

TOKENIZER = (*texts.TOKENIZERS, "tokenizer*", "merges.txt", "special_tokens_map.json")
PAIRS = 256
SHOWN = ("distinct codes", "median angle", "never on", "wrong codes", "crossings")
_SUMMARY, _STREAMS, _LOCK, _REPORT = "layer.json", "streams", ".report.lock", "report.html"
_COPIES = 4  # of the vectors of a layer in float64


@dataclass(frozen=True)
class TextOptions:
    """What was asked: `geodesics` is the most pairs of neighbouring tokens of each layer."""

    model: str
    text: Path
    layers: str = "all"
    geodesics: int = PAIRS
    device: str = "cpu"
    out: Path | None = None

    @property
    def folder(self) -> Path:
        """Where everything goes: `--out`, or runs/MODEL-TEXT."""
        if self.out is not None:
            return self.out
        name = f"{Path(self.model).name}-{self.text.stem}"
        return Path("runs") / re.sub(r"[^\w.-]", "-", name).lstrip(".")


def run(options: TextOptions) -> int:
    """Measure the layers that are not done yet, write the report, and return the exit code."""
    out, screen = options.folder, console()
    require_library("pyarrow")
    require_device(options.device)
    refuse_links(out)
    if out.exists() and not out.is_dir():
        raise InvalidInput("the folder of the report is a file", value=out, remedy="give another")
    folder = checkpoint_folders.folder(options.model, also=TOKENIZER)
    layers = arguments.layers(options.layers, transformers.layer_count(folder))
    _, gated = mlp_network(folder, layers[0])  # what cannot be read is told before the model runs
    texts = _texts(options.text, folder)
    with made_folder(out), holding(out / _LOCK, f"the report {out}", "wait for it, or give --out"):
        model = model_of(folder, options.device)
        streams = capture(model, texts, layers, folder=out / _STREAMS)
        norms = {layer: _norm(model, layer) for layer in layers}
        del model
        written = json.loads((out / _STREAMS / "streams.json").read_text("utf-8"))
        request = {name: written[name] for name in ("model", "config", "texts")}
        request["geodesics"] = options.geodesics
        screen.print(f"{options.model}: {len(streams):,} tokens, {len(layers)} layers")
        summaries = [
            _layer(folder, layer, norms[layer], streams, out, request, options.device)
            for layer in layers
        ]
        write_parquet(out / "layers.parquet", totals(summaries))
        made_by = provenance(
            seed=None,
            device=options.device,
            model=options.model,
            text=str(options.text),
            weights_sha256=request["model"],
            token_ids_sha256=request["texts"],
            pairs=options.geodesics,
        )
        page = render(f"{Path(options.model).name} on {options.text.name}", out, summaries, made_by)
        write_atomically(out / _REPORT, page.encode())
    if gated:
        screen.print(GATE)
    screen.print(_table(summaries))
    screen.print(f"report in {out / _REPORT}")
    return 0


def _norm(model: nn.Module, layer: int) -> nn.Module:
    """The model's own norm in front of an MLP, without the rest of the model."""
    return deepcopy(model.get_submodule(transformers.norm_path(model, layer)))


def _layer(
    folder: Path,
    layer: int,
    norm: nn.Module,
    streams: ResidualStreams,
    out: Path,
    request: Mapping[str, Any],
    device: str,
) -> dict[str, Any]:
    """The summary of a layer: the one that is there, or where it is missing or of an older version
    a new one with its tables and its figure.
    """
    place = out / f"layer-{layer:02d}"
    for rest in left_behind(place):
        shutil.rmtree(rest)
    if place.exists():
        there = _done(place, request)
        if there.keys() >= SUMMARY:
            return there
        older = ", ".join(sorted(SUMMARY - there.keys()))
        console(stderr=True).print(f"layer {layer}: measured anew, it was written without {older}")
    network, gated = mlp_network(folder, layer)
    require_room(
        len(streams) * network.input_dim * 8 * _COPIES, "give a shorter text, or cut it in parts"
    )
    vectors = streams.vectors(layer).double().cpu().numpy()
    found = measure(
        network, vectors, streams, geodesics=request["geodesics"], norm=norm, device=device
    )
    summary = {
        "layer": layer,
        "request": dict(request),
        "network_sha256": network.sha256,
        "gated": gated,
        "activation": network.hidden_layers[0].activation.name,
        "norm": type(network.norms[0]).__name__ if network.has_norm else None,
        **found.summary,
    }
    with published_folder(place) as unfinished:
        for name, columns in found.tables.items():
            write_parquet(unfinished / f"{name}.parquet", columns)
        figure_of(layer, found, unfinished)
        text = json.dumps(summary, indent=1, allow_nan=False)
        write_atomically(unfinished / _SUMMARY, text.encode())
        sync(unfinished)
    console(stderr=True).print(f"layer {layer}: {found.summary['seconds_float']:.1f} s")
    return summary


def _done(place: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    path = place / _SUMMARY
    try:
        there = dict(json.loads(path.read_text("utf-8")))
        asked = dict(there["request"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InvalidInput(
            "a layer of the report cannot be read", value=path, remedy="remove the layer's folder"
        ) from error
    other = [name for name in request if asked.get(name) != request[name]]
    if other:
        raise InvalidInput(
            "the folder holds a report of another call",
            value=f"{place}: another {', '.join(other)}",
            remedy="give another --out, or the same model, text and --geodesics to go on",
        )
    return there


def _texts(path: Path, folder: Path) -> list[list[int]]:
    """The token ids of every line that is not empty."""
    if not path.is_file():
        raise InvalidInput("no such text file", value=path, remedy="give a file of text")
    try:
        lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "the text is not UTF-8", value=f"{path}: {error.reason}", remedy="save it as UTF-8"
        ) from error
    if not lines:
        raise InvalidInput("the text is empty", value=path, remedy="give at least one line")
    tokens = texts.tokenizer(folder)
    return [tokens(line.encode()) for line in lines]


def _table(summaries: list[dict[str, Any]]) -> Table:
    table = Table("layer", *SHOWN, box=None)
    for column in table.columns:
        column.justify = "right"
    for one in summaries:
        table.add_row(str(one["layer"]), *(TOTALS[name](one) for name in SHOWN))
    return table
