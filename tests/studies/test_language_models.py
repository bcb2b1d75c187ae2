"""Language models on the command line: a text, steering, codes; small random models, and every
number recomputed from the tables.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import tokenizers
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from exact import (
    Block,
    InvalidInput,
    Layer,
    LayerNorm,
    Network,
    ReLU,
    codes_in_precision,
    nearest_boundaries,
    steering,
)
from exact.geometry.combinatorics import tables
from exact.sources import transformers
from exact.sources.residual_streams import ResidualStreams, capture
from studies import arguments, cli, layer_tables
from studies.commands import text, vectors
from viz import style
from viz.layers import LayerFigure

WORDS = [f"w{k}" for k in range(40)]
WIDTH = 8
LINES = ("w1 w2 w3 w2 w9 w30", "", "w5 w5 w7", "w11 " * 3 + "w12 w13 w14 w15")
TOKENS = 6 + 3 + 7
PARTS = ("tokens", "neurons", "pairs", "crossings", "wrong_bits")


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


def write_model(folder: Path, config: Any) -> None:
    """A random model in which gains, biases and eps all count, with a tokenizer of words."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    model.save_pretrained(folder)
    words = tokenizers.models.WordLevel(
        {word: k for k, word in enumerate([*WORDS, "?"])}, unk_token="?"
    )
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?").save_pretrained(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_model(
        folder / "gpt2",
        GPT2Config(
            vocab_size=41,
            n_positions=16,
            n_embd=WIDTH,
            n_layer=3,
            n_head=2,
            layer_norm_epsilon=1e-2,
            n_inner=24,
        ),
    )
    write_model(
        folder / "llama",
        LlamaConfig(
            vocab_size=41,
            max_position_embeddings=16,
            hidden_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=20,
            rms_norm_eps=1e-2,
        ),
    )
    return folder


@pytest.fixture
def call(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    """Run a command line in a fresh folder with the models, the text, and vectors."""
    shutil.copytree(models, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    Path("t.txt").write_text("\n".join(LINES))
    rows = np.random.default_rng(0).standard_normal((5, WIDTH))
    np.save("x.npy", rows)
    np.savetxt("x.csv", rows, delimiter=",", fmt="%.17g")
    np.save("d.npy", np.arange(WIDTH) % 3 - 0.5)

    def run(line: str) -> Outcome:
        capfd.readouterr()
        return Outcome(cli.run(shlex.split(line)), *capfd.readouterr())

    return run


def parquet(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


# ---- a text


def captured(folder: Path, layers: tuple[int, ...]) -> Any:
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return capture(model, [line for line in LINES if line], layers, tokenizer)


def own_norm(folder: Path, layer: int) -> Any:
    model = AutoModelForCausalLM.from_pretrained(folder)
    return model.get_submodule(transformers.norm_path(model, layer))


@pytest.mark.parametrize(("name", "layers"), [("gpt2", (0, 2)), ("llama", (0, 1))])
def test_the_tables_of_a_text_are_those_of_its_vectors(
    call: Call, name: str, layers: tuple[int, ...]
) -> None:
    asked = ",".join(map(str, layers))
    result = call(f"gpt2 {name} --text t.txt --layers {asked} --out r")
    assert result.code == 0, result.err
    assert ("gated" in result.out) == (name == "llama")
    assert sorted(path.name for path in Path("r").iterdir() if path.name[0] != ".") == [
        *(f"layer-{layer:02d}" for layer in layers),
        "layers.parquet",
        "report.html",
        "streams",
    ]
    streams = captured(Path(name), layers)
    assert len(streams) == TOKENS
    page = Path("r/report.html").read_text()
    for layer in layers:
        read = transformers.mlp(name, layer)
        network = read.gate if name == "llama" else read
        rows = streams.vectors(layer).double().numpy()
        tokens, neurons, pairs, crossings, wrong = (
            parquet(Path(f"r/layer-{layer:02d}"), part) for part in PARTS
        )
        assert tokens.token.tolist() == streams.tokens.tolist()
        assert tokens.position.tolist() == streams.positions.tolist()
        codes = network.codes(rows)
        bits = codes.bits
        assert [bytes(code) for code in tokens.code] == [row.tobytes() for row in codes.packed]
        assert neurons.tokens_on.tolist() == bits.sum(axis=0).tolist()
        z = network.hidden_float(rows)[0]
        assert (bits == (z > 0)).all()
        follows = np.flatnonzero(np.diff(streams.sequences) == 0)
        assert pairs.row.tolist() == [row for row in follows if (rows[row] != rows[row + 1]).any()]
        for row in follows:
            crossed = crossings[crossings.row == row]
            flips = np.bincount(crossed.neuron, minlength=network.hinge_count) % 2
            assert (flips == (bits[row] != bits[row + 1])).all()
            assert tokens.hamming_to_next[row] == flips.sum()
            for neuron, part in crossed.groupby("neuron"):
                on = part.on.tolist()
                assert on[0] != bits[row, neuron]
                assert on == [on[0] ^ bool(k % 2) for k in range(len(on))]
                alphas = part.alpha.to_numpy()[:, None]
                on_it = (1 - alphas) * rows[row] + alphas * rows[row + 1]
                assert np.abs(network.hidden_float(on_it)[0][:, neuron]).max() < 1e-9
        low = codes_in_precision(network, rows, "bf16", norm=own_norm(Path(name), layer))
        assert wrong.neuron.tolist() == low.neurons.tolist()
        assert tokens.wrong_bits.sum() == neurons.wrong_bits.sum() == len(wrong)
        near = nearest_boundaries(network, rows)
        assert tokens.nearest_neuron.tolist() == near.neurons[:, 0].tolist()
        assert tokens.nearest_on.tolist() == near.on[:, 0].tolist()
        assert tokens.angle.tolist() == near.angles_float[:, 0].tolist()
        assert neurons.nearest_of.sum() == TOKENS
        summary = json.loads(Path(f"r/layer-{layer:02d}/layer.json").read_text())
        kind = "LlamaRMSNorm" if name == "llama" else "LayerNorm"
        assert summary["norm_computed_by"] == kind and f"own norm ({kind})" in page
        assert summary["distinct_codes"] == len(np.unique(codes.packed, axis=0))
        assert summary["never"] == (bits.sum(axis=0) == 0).sum()
        assert summary["crossings"] == len(crossings) == pairs.crossings.sum()
    assert page.count("data:image/svg+xml;base64,") == len(layers)
    # wide things are read on narrow screens by scrolling them, heads are not broken inside words
    assert page.count('class="wide scroll"') == len(layers) and 'class="scroll"' in page
    assert "overflow-wrap: normal" in page.split("</style>")[0]
    assert ("gated" in page) == (name == "llama")
    assert parquet(Path("r"), "layers").layer.tolist() == list(layers)


def test_an_interrupted_report_goes_on_and_is_that_of_one_run(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "gpt2 gpt2 --text t.txt --out {}"
    assert call(line.format("whole")).code == 0
    done, measure = list[int](), text.measure

    def stopped(network: Any, *args: Any, **options: Any) -> Any:
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(1)
        return measure(network, *args, **options)

    monkeypatch.setattr(text, "measure", stopped)
    result = call(line.format("r"))
    assert (result.code, result.err.splitlines()[-1]) == (130, "interrupted")
    names = {path.name for path in Path("r").iterdir()}
    assert "layer-00" in names and not names & {"layer-01", "layer-02", "report.html"}
    Path("r/.layer-01.0123456789abcdef.tmp/layer-01").mkdir(parents=True)
    before = Path("r/layer-00/layer.json").read_bytes()
    layers = list[int]()
    monkeypatch.setattr(
        text, "measure", lambda *args, **options: layers.append(1) or measure(*args, **options)
    )
    assert call(line.format("r")).code == 0
    assert len(layers) == 2
    assert Path("r/layer-00/layer.json").read_bytes() == before
    assert not list(Path("r").glob(".layer*"))
    for layer in range(3):
        for part in PARTS:
            ours, whole = (parquet(Path(f"{x}/layer-{layer:02d}"), part) for x in ("r", "whole"))
            pd.testing.assert_frame_equal(ours, whole)
    assert call(line.format("r")).code == 0
    assert len(layers) == 2
    other = call(line.format("r") + " --geodesics 2")
    assert other.code == 2 and "another geodesics" in other.err
    Path("t.txt").write_text("w1 w2")
    changed = call(line.format("r"))
    assert changed.code == 2 and "another texts" in changed.err


def test_a_report_is_that_of_one_config(call: Call) -> None:
    """The weights are equal: eps, activation and angles of positions stand in the config alone."""
    line = "gpt2 llama --text t.txt --layers 0 --out r"
    assert call(line).code == 0
    config = Path("llama/config.json")
    said = json.loads(config.read_text())
    config.write_text(json.dumps(said | {"rms_norm_eps": 0.25}))
    result = call(line)
    assert result.code == 2 and "another config" in result.err
    config.write_text(json.dumps(said | {"_name_or_path": "elsewhere"}))
    assert call(line).code == 0


def test_a_layer_of_an_older_version_is_measured_anew(call: Call) -> None:
    line = "gpt2 gpt2 --text t.txt --layers 0-1 --geodesics 3 --out r"
    assert call(line).code == 0
    page, path = Path("r/report.html").read_text(), Path("r/layer-01/layer.json")
    kept = Path("r/layer-00/layer.json").read_bytes()
    there = json.loads(path.read_text())
    assert there.keys() > layer_tables.SUMMARY
    older = {name: value for name, value in there.items() if not name.endswith("_anywhere")}
    path.write_text(json.dumps(older))
    Path("r/layer-01/neurons.parquet").unlink()
    result = call(line)
    told = "layer 1: measured anew, it was written without always_anywhere, never_anywhere"
    assert result.code == 0 and told in result.err.replace("\n", " ")
    assert "layer 0" not in result.err and Path("r/layer-00/layer.json").read_bytes() == kept
    again = json.loads(path.read_text())
    assert again | {"seconds_float": 0} == there | {"seconds_float": 0}
    assert "anywhere" in parquet(path.parent, "neurons")
    assert len(Path("r/report.html").read_text()) > len(page) / 2
    for broken in ("[]", '{"request": 3}'):
        path.write_text(broken)
        result = call(line)
        assert result.code == 2 and "a layer of the report cannot be read" in result.err


def test_one_layer_and_fewer_pairs_may_be_asked_for(call: Call) -> None:
    assert call("gpt2 gpt2 --text t.txt --layer 1 --geodesics 3 --out r").code == 0
    assert len(parquet(Path("r/layer-01"), "pairs")) == 3
    assert not Path("r/layer-00").exists()


def test_layers_are_read_from_words() -> None:
    assert arguments.layers("all", 3) == (0, 1, 2)
    assert arguments.layers("5,0,2-3,3", 6) == (0, 2, 3, 5)
    for words in ("3", "2-1", "-1", "x", "", "0,", "0-3"):
        with pytest.raises(InvalidInput, match=r"0 \.\. 2"):
            arguments.layers(words, 3)


def test_without_pyarrow_the_report_is_refused_by_name(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(tables, "import_module", missing)
    for line in (
        "gpt2 gpt2 --text t.txt --out r",
        "steer gpt2 --layer 0 --vectors x.npy --direction d.npy --alphas 0 1 --out s.parquet",
        "codes gpt2 --layer 0 --vectors x.npy --out s.parquet",
    ):
        result = call(line)
        assert result.code == 2
        assert "pyarrow" in result.err and "exactlens[results]" in result.err
        assert result.err.count("\n") == 1
    assert not Path("r").exists() and not Path("s.parquet").exists()


# ---- steering and codes


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_steering_writes_the_table_of_the_instrument(call: Call, suffix: str) -> None:
    result = call(
        f"steer gpt2 --layer 2 --vectors x.csv --direction d.npy --alphas -1/2 3 --out s.{suffix}"
    )
    assert (result.code, result.err) == (0, "")
    read = pd.read_parquet if suffix == "parquet" else pd.read_csv
    wanted = steering(
        transformers.mlp("gpt2", 2), np.load("x.npy"), np.load("d.npy"), alphas=("-1/2", 3)
    ).to_pandas()
    found = read(f"s.{suffix}")
    wanted["block"] = 2
    pd.testing.assert_frame_equal(found, wanted, check_exact=True)
    assert len(found) > 5 and found.alpha_bound.between(0, 1e-9, inclusive="neither").all()
    assert f"{len(found):,} crossings" in result.out


CODES_OF = "codes gpt2 --layer 0 --vectors x.npy"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"{CODES_OF} --out g.csv/", "g.csv/ names a folder, and a file is to be written"),
        ("codes gpt2 --layer 0 --vectors text.npy", "the file of vectors has no numbers; got"),
        ("codes gpt2 --layer 0 --vectors empty.csv", "the file of vectors has no numbers; got"),
        ("codes gpt2 --layer 0 --vectors thirds.csv", "could not convert string '1/3'"),
        (
            "steer gpt2 --layer 0 --vectors x.npy --direction d.npy --alphas 3 0",
            "the range of --alphas is empty; got 3 0; write the lower one first: --alphas 0 8",
        ),
        (
            "steer gpt2 --layer 0 --vectors x.npy --direction d.npy --alphas 3 3",
            "the range of --alphas is empty; got 3 3",
        ),
    ],
)
def test_what_the_commands_refuse_in_their_own_words(call: Call, line: str, told: str) -> None:
    np.save("text.npy", np.full((2, WIDTH), "1/3"))
    Path("empty.csv").write_text("# nothing\n\n")
    Path("thirds.csv").write_text(",".join(["1/3"] * WIDTH))
    result = call(line)
    assert result.code == 2 and result.err.count("\n") == 1
    assert told in result.err, result.err
    assert "alphas=(" not in result.err and not Path("g.csv").exists()


def test_circles_are_those_of_the_middle_layer_where_none_is_named(call: Call) -> None:
    for name, middle in (("gpt2", 1), ("llama", 1)):
        result = call(f"gpt2 {name} --geodesics 1")
        assert result.code == 0 and f"{name}, layer {middle}:" in result.out


def test_every_vector_is_steered_in_every_direction_where_asked(call: Call) -> None:
    np.save("two.npy", np.eye(WIDTH)[:2])
    line = "steer gpt2 --layer 0 --vectors x.npy --direction two.npy --alphas 0 4 --out s.csv"
    refused = call(line)
    assert refused.code == 2 and "--product" in refused.err
    assert call(f"{line} --product").code == 0
    assert set(pd.read_csv("s.csv").direction) == {0, 1}


def test_codes_of_a_run_and_of_a_model_with_those_of_bf16(call: Call) -> None:
    line = "train --task moons --norm none --widths 4 3 --steps 5 --name run"
    assert call(line).code == 0
    np.save("p.npy", np.random.default_rng(1).standard_normal((6, 2)))
    np.save("h.npy", np.random.default_rng(1).standard_normal((6, 4)))
    result = call("codes run --vectors p.npy --dtype bf16 --out c.csv")
    assert (result.code, result.err) == (0, "")
    assert "hidden layer 2" in result.out
    assert "hidden layer 2" in call("codes run --layer 2 --vectors h.npy --dtype bf16").out
    steered = "steer run --layer 2 --vectors h.npy --direction h.npy --alphas -9 9 --out s.csv"
    assert call(steered).code == 0
    assert set(pd.read_csv("s.csv").layer) == {2}
    result = call("codes gpt2 --layer 1 --vectors x.npy --dtype bf16 --out c.parquet")
    assert (result.code, result.err) == (0, "")
    assert "the norm is torch's own function" in result.out
    low = codes_in_precision(transformers.mlp("gpt2", 1), np.load("x.npy"), "bf16")
    found = pd.read_parquet("c.parquet")
    assert found.code.tolist() == [row.tobytes().hex() for row in low.exact.packed]
    assert found.wrong_bits.sum() == len(low.rows)


def test_rows_that_all_leave_the_range_have_no_shares(call: Call) -> None:
    np.save("x.npy", np.load("x.npy") * 1e6)
    result = call("codes gpt2 --layer 0 --vectors x.npy --dtype fp16 --keep")
    assert result.code == 0 and "5 rows have no code in float16" in result.out
    assert "nan" not in result.out and "of the bits" not in result.out


def test_rows_without_meaning_are_left_out_where_asked(call: Call) -> None:
    rows = np.load("x.npy")
    rows[3, 1] = np.nan
    np.save("x.npy", rows)
    result = call("codes gpt2 --layer 0 --vectors x.npy --keep --out c.csv")
    assert result.code == 0 and "left out: row 3" in result.out
    assert pd.read_csv("c.csv").has_code.tolist() == [True, True, True, False, True]
    line = "steer gpt2 --layer 0 --vectors x.npy --direction d.npy --alphas 0 1 --keep"
    result = call(line)
    assert result.code == 0 and "left out: vector 3" in result.out


def test_a_smooth_network_of_several_layers_is_steered_with_relu_alone(call: Call) -> None:
    line = "train --task moons --norm none --activation gelu --widths 4 3 --steps 5 --name smooth"
    assert call(line).code == 0
    np.save("p.npy", np.random.default_rng(1).standard_normal((6, 2)))
    line = "steer smooth --vectors p.npy --direction p.npy --alphas -9 9"
    refused = call(line)
    assert refused.code == 2 and "add --relu-ised to put ReLU in its place\n" in refused.err
    assert call(f"{line} --relu-ised").code == 0


# ---- one path through everything


def test_text_capture_codes_steering_and_a_figure(models: Path, tmp_path: Path) -> None:
    """Every instrument takes what the one before it gave."""
    streams = captured(models / "gpt2", (1,))
    rows = streams.vectors(1)
    network = transformers.mlp(models / "gpt2", 1)
    low = codes_in_precision(network, rows, "bf16")
    assert low.exact == network.codes(rows)
    assert 0 <= low.wrong_bit_shares_float[0] < 0.05
    direction = (rows[1] - rows[0]).double().numpy()
    table = steering(network, rows, direction, alphas=(0, 1)).to_pandas()
    assert list(table.columns) == ["row", "alpha", "alpha_bound", "block", "layer", "neuron", "on"]
    end = network.codes(rows.double().numpy() + direction)
    flipped = np.zeros(low.exact.bits.shape, dtype=bool)
    for row, neuron in zip(table.row, table.neuron, strict=True):
        flipped[row, neuron] ^= True
    assert (flipped == (low.exact.bits ^ end.bits)).all()
    found = layer_tables.measure(network, rows.double().numpy(), streams, geodesics=9)
    assert found.summary.keys() == layer_tables.SUMMARY
    tokens, neurons, pairs = (found.tables[name] for name in PARTS[:3])
    figure = LayerFigure(
        "Layer 1",
        np.degrees(tokens["angle"]),
        "angle",
        neurons["share"],
        neurons["uniform_share"],
        pairs["crossings"],
        pairs["expected"],
    ).draw()
    svg, png, _ = style.save(figure, tmp_path, "layer")
    assert svg.stat().st_size > 5000 and png.stat().st_size > 5000


@pytest.mark.parametrize("eps", [0, 1e-5])
def test_what_no_input_can_do_is_told_from_what_no_token_does(eps: float) -> None:
    """The norm's sphere has radius 2 here: w y + b lies within 2 |P w| = 8 ** 0.5 of b."""
    weight = np.tile([1.0, -1.0, 0.0, 0.0], (4, 1))
    layer = Layer.of(weight, np.array([-3.0, 3.0, 1.0, -2.8]), ReLU())
    network = Network((Block((layer, Layer.of(np.ones((1, 4)))), LayerNorm.of(eps, dim=4)),))
    rows = np.array([[3.0, 1.0, 0.0, 5.0], [4.0, 1.0, 0.0, 5.0]])
    places = (np.arange(2), np.arange(2), np.zeros(2, dtype=np.int64))
    streams = ResidualStreams((0,), *places, lambda _: torch.from_numpy(rows))
    found = layer_tables.measure(network, rows, streams, geodesics=1)
    assert found.tables["neurons"]["anywhere"].tolist() == ["never", "always"] + ["sometimes"] * 2
    assert found.tables["neurons"]["tokens_on"].tolist() == [0, 2, 2, 0]
    assert (found.summary["never"], found.summary["never_anywhere"]) == (2, 1)
    assert (found.summary["always"], found.summary["always_anywhere"]) == (2, 1)
    bare = Network((Block(network.blocks[0].layers),))
    found = layer_tables.measure(bare, rows, streams, geodesics=1)
    assert set(found.tables["neurons"]["anywhere"]) == {"unknown"}


def test_a_layer_without_a_norm_has_distances_alone(tmp_path: Path) -> None:
    figure = LayerFigure(
        "Layer", np.ones(3), "distance", np.array([0.0, 1.0]), None, np.array([2, 3]), None
    ).draw()
    assert figure.axes[0].get_xlabel() == "distance"
    empty = LayerFigure(
        "Layer", np.full(2, np.nan), "distance", np.array([0.5]), None, np.zeros(0), None
    ).draw()
    assert style.save(empty, tmp_path, "empty")[0].is_file()


# ---- mistakes


def another_family() -> None:
    config = json.loads(Path("gpt2/config.json").read_text())
    Path("gpt2/config.json").write_text(json.dumps(config | {"model_type": "mamba"}))


def without_norm() -> None:
    path = "gpt2/model.safetensors"
    kept = safetensors.torch.load_file(path)
    name = next(name for name in kept if name.endswith("h.0.ln_2.weight"))
    safetensors.torch.save_file({k: v for k, v in kept.items() if k != name}, path)


def eps_0() -> None:
    config = json.loads(Path("gpt2/config.json").read_text())
    Path("gpt2/config.json").write_text(json.dumps(config | {"layer_norm_epsilon": 0.0}))
    np.save("x.npy", np.array([[1.0, 2] * 4, [3.0] * WIDTH]))


def nan_in_row_2() -> None:
    rows = np.load("x.npy")
    rows[2, 5] = np.nan
    np.save("x.npy", rows)


def without_tokenizer() -> None:
    for path in Path("gpt2").glob("tokenizer*"):
        path.unlink()


STEER = "steer gpt2 --layer 0 --vectors x.npy --direction d.npy --alphas 0 1 --out s.csv"
CODES = "codes gpt2 --layer 0 --vectors x.npy --out s.csv"
TEXT = "gpt2 gpt2 --text t.txt --out r"
MISTAKES: list[tuple[Callable[[], object] | None, str, tuple[str, ...]]] = [
    (another_family, TEXT, ("family", "mamba", "gpt2, gpt_neox")),
    (another_family, STEER, ("family", "mamba", "gpt2, gpt_neox")),
    (without_norm, TEXT, ("lacks a tensor", "ln_2.weight", "complete checkpoint")),
    (without_norm, CODES, ("lacks a tensor", "ln_2.weight", "complete checkpoint")),
    (lambda: np.save("d.npy", np.full(WIDTH, 2.0)), STEER, ("does not see", "direction 0", "ones")),
    (lambda: np.save("d.npy", np.zeros(WIDTH)), STEER, ("direction 0", "zero", "leave it out")),
    (eps_0, CODES, ("row 1", "P x = 0", "--keep")),
    (lambda: np.save("x.npy", np.ones((2, 7))), STEER, ("--vectors", "(2, 7)", "8 numbers")),
    (lambda: np.save("d.npy", np.ones(9)), STEER, ("--direction", "(1, 9)", "8 numbers")),
    (lambda: np.save("x.npy", np.ones((2, 7))), CODES, ("--vectors", "(2, 7)", "8 numbers")),
    (nan_in_row_2, STEER, ("row 2", "nan", "leave it out, or write --keep")),
    (nan_in_row_2, CODES, ("row 2", "nan")),
    (None, STEER.replace("0 1", "0"), ("--alphas", "0", "--alphas 0 8")),
    (None, STEER.replace("0 1", "2 1"), ("--alphas", "got 2 1", "lower one first")),
    (None, CODES.replace("--layer 0", "--layer 3"), ("no such layer", "3", "0 .. 2")),
    (None, CODES.replace("--layer 0 ", ""), ("every layer", "gpt2", "--layer 0 .. 2")),
    (None, CODES.replace("s.csv", "s.txt"), ("suffix", "s.txt", ".parquet or .csv")),
    (None, f"{CODES} --dtype int8", ("type of floats", "int8", "bfloat16")),
    (None, CODES.replace("gpt2 --layer 0", "nosuch"), ("no run", "nosuch", "train one")),
    (None, CODES.replace("x.npy", "y.npy"), ("missing", "y.npy", ".csv")),
    (lambda: Path("x.csv").write_text("a,b\n1,2\n"), CODES.replace("npy", "csv"), ("x.csv",)),
    (None, f"{TEXT} --layers 0-3", ("--layers", "0-3", "0 .. 2")),
    (None, f"{TEXT} --layer 1 --layers all", ("--layer", "1 and all", "keep one")),
    (None, f"{TEXT} --vectors x.npy", ("own vectors", "x.npy", "keep one")),
    (None, "gpt2 gpt2 --layers all", ("--layers", "all", "--text")),
    (None, "gpt2 --text t.txt", ("there is no model", "nothing")),
    (None, f"{TEXT} --device cuda:99", ("cuda:99",)),
    (None, TEXT.replace("t.txt", "u.txt"), ("no such text", "u.txt", "file of text")),
    (lambda: Path("t.txt").write_text("\n \n"), TEXT, ("empty", "t.txt", "one line")),
    (lambda: Path("t.txt").write_bytes(b"\xff\xfe"), TEXT, ("UTF-8", "t.txt", "save it")),
    (without_tokenizer, TEXT, ("no tokenizer", "gpt2", "tokenizer.json")),
    (lambda: Path("r").write_text("a file"), TEXT, ("is a file", "r", "another")),
]


@pytest.mark.parametrize(
    ("before", "line", "said"),
    MISTAKES,
    ids=[f"{getattr(before, '__name__', '')} {line}" for before, line, _ in MISTAKES],
)
def test_a_mistake_costs_one_line_with_value_and_remedy(
    call: Call, before: Callable[[], object] | None, line: str, said: tuple[str, ...]
) -> None:
    if before is not None:
        before()
    result = call(line)
    assert result.code == 2, result
    assert result.err.startswith("error: ") and result.err.count("\n") == 1, result.err
    assert result.err.count("; ") >= 2, result.err
    assert all(word in result.err for word in said), result.err
    assert result.out == ""
    assert not Path("s.csv").exists() and not Path("r/report.html").exists()


def test_more_vectors_than_memory_are_refused_before_they_are_read(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "available_bytes", lambda: 1000)
    for line in (STEER, CODES, TEXT):
        result = call(line)
        assert result.code == 2, result
        assert "do not fit into memory" in result.err and "give a" in result.err
        assert result.err.count("\n") == 1
