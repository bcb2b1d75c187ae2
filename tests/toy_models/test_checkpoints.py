"""Round trips bit for bit, a crash at every step of a save, and every kind of bad file."""

import dataclasses
import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch.nn.utils import parametrizations, prune

from exact import GELU, LeakyReLU, RationalMatrix
from exact.arithmetic.numbers import Rational, RationalArray
from exact.errors import ExactlensError, InvalidInput, Unsupported
from exact.sources import tensors, torch_modules, weight_files
from toy_models import checkpoints, tasks
from toy_models.checkpoints import Provenance, load, save
from toy_models.datasets import Dataset
from toy_models.models import ModelConfig, ToyModel, initialised
from toy_models.train import TrainConfig, fit

CONFIG = ModelConfig(widths=(5, 4), norm="layernorm", input_dim=2, output_dim=2)


def model_of(seed: int = 0) -> ToyModel:
    return initialised(CONFIG, seed)


def same_bits(one: ToyModel, other: ToyModel) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(
        weight.dtype == theirs[name].dtype
        and weight.numpy().tobytes() == theirs[name].numpy().tobytes()
        for name, weight in ours.items()
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tmp_path, "toy", model_of(), Provenance.untrained(0))


def weights_of(folder: Path) -> Path:
    [path] = folder.glob("weights-*.safetensors")
    return path


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "checkpoint.json").read_text())
    change(manifest)
    (folder / "checkpoint.json").write_text(json.dumps(manifest))


def replace_weights(folder: Path, content: bytes) -> None:
    """Put other weights in place and tell the manifest, as a forger would."""
    weights_of(folder).write_bytes(content)
    entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    edit_manifest(folder, lambda manifest: manifest["weights"].update(entry))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_trained_model_comes_back_bit_for_bit(tmp_path: Path, dtype: str) -> None:
    config = TrainConfig(
        steps=20, samples=100, dtype=dtype, model=ModelConfig(widths=(5,), norm="rms"), seed=3
    )
    result = fit(config, progress=False)
    path = save(tmp_path, "moons-rms", result.model, Provenance.of(result))
    assert path == tmp_path / "moons-rms"
    for place in (path, str(path), path / "checkpoint.json"):
        read = load(place)
        assert same_bits(read.model, result.model)
        assert read.model.config == result.model.config
        assert read.provenance == Provenance.of(result)
    inputs = result.training.inputs.to(next(read.model.parameters()).dtype)
    assert torch.equal(read.model(inputs), result.model(inputs))
    assert read.dataset is None
    assert read.data is not None and torch.equal(read.data.inputs, config.dataset().inputs)
    assert read.provenance.loss == result.training_score.loss
    assert read.provenance.training == result.config
    assert set(read.provenance.versions) == {"exactlens", "python", "torch"}


def test_special_floats_come_back_bit_for_bit(tmp_path: Path) -> None:
    model = model_of()
    with torch.no_grad():
        model.blocks[0].layers[0].weight[0, :2] = torch.tensor([-0.0, 1e-45])
    assert same_bits(load(save(tmp_path, "toy", model, Provenance.untrained())).model, model)


def test_the_files_are_plain_safetensors_and_json(folder: Path) -> None:
    path = weights_of(folder)
    assert sorted(entry.name for entry in folder.iterdir()) == ["checkpoint.json", path.name]
    tensors = safetensors.torch.load_file(path)
    assert tensors.keys() == model_of().state_dict().keys()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == f"weights-{digest[:16]}.safetensors"
    assert load(folder).sha256 == digest


def test_reading_a_checkpoint_leaves_the_global_random_state(folder: Path) -> None:
    state = torch.get_rng_state()
    load(folder)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_loaded_model_can_be_trained_on(folder: Path) -> None:
    model = load(folder).model
    model(torch.ones(3, 2)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert not model.training


def test_a_checkpoint_is_replaced_only_when_asked(folder: Path) -> None:
    other = model_of(1)
    with pytest.raises(InvalidInput, match=r"exists already; got .*toy; choose another name"):
        save(folder.parent, "toy", other, Provenance.untrained())
    assert same_bits(load(folder).model, model_of())
    save(folder.parent, "toy", other, Provenance.untrained(), overwrite=True)
    assert same_bits(load(folder).model, other)
    assert len(list(folder.iterdir())) == 2


class Crash(BaseException):
    """What a kill looks like from inside: nothing may catch it and go on."""


@pytest.mark.parametrize("call", ["fsync", "replace", "unlink"])
@pytest.mark.parametrize("survived", range(4))
def test_a_crash_at_any_step_leaves_a_whole_checkpoint(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, survived: int
) -> None:
    calls, owner = [], os if call == "fsync" else Path
    original = getattr(owner, call)

    def crashing(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) > survived:
            raise Crash
        return original(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(owner, call, crashing)
        try:
            save(folder.parent, "toy", model_of(1), Provenance.untrained(), overwrite=True)
        except Crash:
            pass
        else:
            assert len(calls) <= survived
    assert any(same_bits(load(folder).model, model_of(seed)) for seed in (0, 1))
    save(folder.parent, "toy", model_of(2), Provenance.untrained(), overwrite=True)
    assert same_bits(load(folder).model, model_of(2))
    assert len(list(folder.glob("weights-*"))) == 1


def test_what_a_kill_leaves_behind_is_neither_read_nor_kept(folder: Path) -> None:
    for name in (
        "checkpoint.json.tmp",
        ".checkpoint.json.0123456789abcdef.tmp",
        "weights-0123456789abcdef.safetensors",
        "weights-0123.safetensors.tmp",
        ".weights-0123.safetensors.0123456789abcdef.tmp",
    ):
        (folder / name).write_bytes(b"half")
    assert same_bits(load(folder).model, model_of())
    save(folder.parent, "toy", model_of(1), Provenance.untrained(), overwrite=True)
    assert same_bits(load(folder).model, model_of(1))
    assert len(list(folder.iterdir())) == 2


def test_a_full_disk_leaves_nothing_half_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            save(folder.parent, "toy", model_of(1), Provenance.untrained(), overwrite=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_neither_written_nor_read(
    tmp_path: Path, folder: Path, value: float
) -> None:
    model = model_of()
    with torch.no_grad():
        model.blocks[1].layers[2].weight[3, 1] = value
    message = rf"a weight is not finite; got blocks\.1\.layers\.2\.weight\[3, 1\] = {value}"
    with pytest.raises(InvalidInput, match=message):
        save(tmp_path, "bad", model, Provenance.untrained())
    assert not (tmp_path / "bad").exists()
    replace_weights(folder, safetensors.torch.save(model.state_dict()))
    with pytest.raises(InvalidInput, match=message):
        load(folder)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../toy", "a/b", "/toy", ".hidden", "a b", "a\n", "x" * 65, "tøy", None]
)
def test_a_name_that_could_leave_the_root_is_refused(tmp_path: Path, name: Any) -> None:
    with pytest.raises(InvalidInput, match="the name could leave its folder"):
        save(tmp_path / "root", name, model_of(), Provenance.untrained())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "7", "moons-ln_2.v1", "x" * 64])
def test_a_plain_name_is_taken(tmp_path: Path, name: str) -> None:
    assert (
        load(save(tmp_path / "root", name, model_of(), Provenance.untrained())).provenance.task
        is None
    )


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".PT", ".pickle", ".bin", ".ckpt"])
def test_a_pickle_is_refused_unread(tmp_path: Path, suffix: str) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InvalidInput, match="a pickle can run any code"):
        load(path)
    assert not (tmp_path / "sprung").exists()


def test_a_missing_checkpoint_is_named(tmp_path: Path, folder: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path, weights_of(folder), folder / "nothing"):
        with pytest.raises(InvalidInput, match=f"there is no checkpoint; got {path}"):
            load(path)
    weights_of(folder).unlink()
    with pytest.raises(InvalidInput, match="the weights file is missing"):
        load(folder)


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_a_truncated_file_is_named(folder: Path, kept: int) -> None:
    path = weights_of(folder)
    written = len(path.read_bytes())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        InvalidInput, match=f"truncated or altered: {written} bytes were written; got {path}"
    ):
        load(folder)
    replace_weights(folder, path.read_bytes())
    with pytest.raises(InvalidInput, match="not in the safetensors format"):
        load(folder)


def test_a_flipped_bit_is_found(folder: Path) -> None:
    content = bytearray(weights_of(folder).read_bytes())
    content[-1] ^= 1
    weights_of(folder).write_bytes(content)
    with pytest.raises(InvalidInput, match="its sha256 is not that of the manifest"):
        load(folder)


def test_weights_of_another_shape_are_named(folder: Path) -> None:
    edit_manifest(folder, lambda manifest: manifest["model"].update(widths=[5, 9]))
    message = r"do not fit the config: blocks\.1\.layers\.2\.bias should be \(9,\); got \(4,\)"
    with pytest.raises(InvalidInput, match=message):
        load(folder)


def test_a_huge_config_is_refused_before_anything_is_allocated(folder: Path) -> None:
    edit_manifest(folder, lambda manifest: manifest["model"].update(widths=[2**23, 2**23]))
    with pytest.raises(InvalidInput, match="do not fit the config"):
        load(folder)


def test_weights_too_many_or_too_few_are_named(folder: Path) -> None:
    tensors = safetensors.torch.load_file(weights_of(folder))
    replace_weights(folder, safetensors.torch.save({**tensors, "extra": torch.ones(2)}))
    with pytest.raises(InvalidInput, match=r"extra should be absent; got \(2,\)"):
        load(folder)
    del tensors["blocks.0.layers.0.bias"]
    replace_weights(folder, safetensors.torch.save(tensors))
    with pytest.raises(
        InvalidInput, match=r"blocks\.0\.layers\.0\.bias should be \(3,\); got absent"
    ):
        load(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.int32])
def test_a_dtype_that_was_never_saved_is_refused(folder: Path, dtype: torch.dtype) -> None:
    tensors = {name: tensor.to(dtype) for name, tensor in model_of().state_dict().items()}
    replace_weights(folder, safetensors.torch.save(tensors))
    with pytest.raises(InvalidInput, match="not all of one dtype among float32, float64"):
        load(folder)
    tensors = model_of().state_dict()
    name = next(iter(tensors))
    replace_weights(folder, safetensors.torch.save({**tensors, name: tensors[name].double()}))
    with pytest.raises(InvalidInput, match="not all of one dtype"):
        load(folder)


WRAPPERS: list[Callable[[torch.nn.Module], Any]] = [
    torch.compile,
    torch.nn.DataParallel,
    torch.optim.swa_utils.AveragedModel,
]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_wrapped_model_is_saved_as_the_model_within(
    tmp_path: Path, wrap: Callable[[torch.nn.Module], Any]
) -> None:
    assert same_bits(
        load(save(tmp_path, "wrapped", wrap(model_of(3)), Provenance.untrained(3))).model,
        model_of(3),
    )


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod."])
def test_weights_with_the_names_of_a_wrapper_are_read(folder: Path, prefix: str) -> None:
    stored = {prefix + name: tensor for name, tensor in model_of().state_dict().items()}
    replace_weights(folder, safetensors.torch.save(stored))
    assert same_bits(load(folder).model, model_of())
    twice = {**stored, **model_of(1).state_dict()}
    replace_weights(folder, safetensors.torch.save(twice))
    with pytest.raises(InvalidInput, match="one name behind their prefixes"):
        load(folder)


def test_what_could_not_be_read_again_is_not_saved(tmp_path: Path) -> None:
    hooked, pruned, parametrized = model_of(), model_of(), model_of()
    first = [model.blocks[0].layers[0] for model in (hooked, pruned, parametrized)]
    first[0].register_forward_hook(lambda *_: None)
    prune.random_unstructured(first[1], "weight", 1)
    parametrizations.orthogonal(first[2])
    faults: list[tuple[Any, type[ExactlensError], str]] = [
        (hooked, Unsupported, "a forward hook may change"),
        (pruned, Unsupported, "RandomUnstructured pruning of weight"),
        (parametrized, InvalidInput, r"do not fit the config: .* in the model"),
        (model_of().bfloat16(), InvalidInput, "not all of one dtype among float32, float64"),
        (torch.nn.Linear(1, 1), InvalidInput, "not a toy model; got Linear; .*torch_modules.read"),
        ({"weight": 1}, InvalidInput, "not a toy model; got dict"),
    ]
    for model, kind, message in faults:
        with pytest.raises(kind, match=message):
            save(tmp_path, "lost", model, Provenance.untrained())
        assert list(tmp_path.iterdir()) == []


BAD_MANIFESTS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda m: m.pop("weights"), "missing or unknown keys; got weights"),
    (lambda m: m.update(extra=1), "missing or unknown keys; got extra"),
    (
        lambda m: m.update(format="other-1"),
        "unknown format .* got 'other-1'; write one of exactlens-toy-checkpoint-1",
    ),
    (lambda m: m.update(weights=[]), "weights entry .* does not map names"),
    (
        lambda m: m["weights"].update(file="../../elsewhere"),
        "the name could leave its folder; got '../../elsewhere'",
    ),
    (lambda m: m["weights"].update(file=7), "the name could leave its folder; got 7"),
    (lambda m: m.update(model=None), "model config does not map names to values; got None"),
    (lambda m: m["model"].update(depth=3), "unknown key of the model config; got 'depth'"),
    (lambda m: m["model"].update(input_dim=None), "does not know its dimensions"),
    (lambda m: m["model"].update(norm="batch"), "unknown norm; got 'batch'"),
    (lambda m: m["provenance"].pop("seed"), "the provenance has missing or unknown keys; got seed"),
    (
        lambda m: m["provenance"].update(training={"lr": 1}),
        "unknown key of the training config; got 'lr'",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD_MANIFESTS)
def test_a_bad_manifest_is_named(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit_manifest(folder, change)
    with pytest.raises(InvalidInput, match=message):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 10**5, b"\xff\xfe\x00", b"[1]", b"null"])
def test_a_manifest_that_is_no_json_object_is_named(folder: Path, content: bytes) -> None:
    (folder / "checkpoint.json").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"checkpoint\.json"):
        load(folder)


def test_a_manifest_too_large_to_be_one_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "MANIFEST_BYTES", 100)
    with pytest.raises(InvalidInput, match="larger than 100 bytes"):
        load(folder)


@pytest.mark.parametrize("part", ["folder", "manifest", "weights"])
def test_symbolic_links_are_not_followed(folder: Path, tmp_path: Path, part: str) -> None:
    target = {
        "folder": folder,
        "manifest": folder / "checkpoint.json",
        "weights": weights_of(folder),
    }[part]
    target.rename(tmp_path / "moved")
    target.symlink_to(tmp_path / "moved")
    with pytest.raises(InvalidInput, match=f"symbolic links are not followed; got {target}"):
        load(folder)
    if part != "weights":
        with pytest.raises(InvalidInput, match="symbolic links are not followed"):
            save(tmp_path, "toy", model_of(1), Provenance.untrained(), overwrite=True)


def test_a_planted_link_is_not_written_through(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (folder / "checkpoint.json.tmp").symlink_to(outside)
    save(tmp_path, "toy", model_of(1), Provenance.untrained(), overwrite=True)
    assert outside.read_text() == "precious"
    assert same_bits(load(folder).model, model_of(1))


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InvalidInput, match="exists already"):
            save(tmp_path, "toy", model_of(), Provenance.untrained(), overwrite=overwrite)
    assert (tmp_path / "toy").read_text() == "mine"


# ---- any network, and data


THIRDS = RationalMatrix.from_backend(RationalArray(2, 2, [Rational(1, 3), 0, -7, Rational(2, 9)]))
NETWORKS = {
    "floats": tensors.mlp([([[1.5, -0.1], [0, 3]], [0.1, 0]), ([[1, 1]], None)]),
    "fractions": tensors.mlp([([["1/3", "-1/7"], [2, 3]], ["1/10", 0]), ([[1, "22/7"]], ["1/9"])]),
    "norm": tensors.block(
        THIRDS, [0, 1], [[1, 2], [3, 4]], ["1/3", 0], norm="rms", gain=["2/3", 1], eps="1/7"
    ),
    "activation": tensors.mlp([([[1, 2]], [0]), ([[1]], [0])], activation=LeakyReLU("1/100")),
    "smooth": tensors.mlp([([[1, 2]], [0]), ([[1]], [0])], activation=GELU("tanh")),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_any_network_comes_back_equal(tmp_path: Path, name: str) -> None:
    network = NETWORKS[name]
    read = load(save(tmp_path, "mine", network))
    assert read.model == read.network == network
    assert read.network.sha256 == network.sha256
    assert (read.provenance.training, read.provenance.task, read.data) == (None, None, None)
    file = weights_of(tmp_path / "mine")
    assert read.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert weight_files.read(file) == network, "the weights are a network by themselves"
    with pytest.raises(InvalidInput, match="exists already"):
        save(tmp_path, "mine", network)
    save(tmp_path, "mine", model_of(), overwrite=True)
    assert same_bits(load(tmp_path / "mine").model, model_of())  # type: ignore[arg-type]
    assert len(list((tmp_path / "mine").iterdir())) == 2


def test_the_network_of_a_toy_model_is_that_of_its_weights(folder: Path) -> None:
    assert load(folder).network == torch_modules.read(model_of())


def test_a_network_that_a_file_cannot_say_is_not_saved(tmp_path: Path) -> None:
    class Bent(LeakyReLU):
        """Of which no reader knows."""

    network = tensors.mlp([([[1, 2]], [0]), ([[1]], [0])], activation=Bent("1/2"))
    with pytest.raises(Unsupported, match="an activation of one's own has no record; got Bent"):
        save(tmp_path, "mine", network)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["flip", "truncate", "architecture"])
def test_a_network_that_was_altered_is_refused(tmp_path: Path, change: str) -> None:
    folder = save(tmp_path, "mine", NETWORKS["fractions"])
    content = weights_of(folder).read_bytes()
    if change == "architecture":
        replace_weights(folder, safetensors.torch.save({"w": torch.eye(2)}))
    else:
        weights_of(folder).write_bytes(content[:-1] + (b"" if change == "truncate" else b"!"))
    with pytest.raises(InvalidInput, match=r"sha256 is not|truncated|say its architecture"):
        load(folder)


def rows(count: int = 30, width: int = 2) -> Dataset:
    points = torch.arange(float(count * width)).reshape(count, width)
    return Dataset.of(points, torch.arange(count) % 3, name="mine", parents=[0, 0, 1])


@pytest.mark.parametrize("model", [NETWORKS["fractions"], model_of()])
def test_rows_are_kept_with_a_model(tmp_path: Path, model: Any) -> None:
    folder = save(tmp_path, "mine", model, dataset=rows())
    read = load(folder)
    assert read.dataset is read.data and read.dataset is not None
    assert read.dataset.sha256 == rows().sha256
    assert torch.equal(read.dataset.targets, rows().targets)
    assert {path.name.split("-")[0] for path in folder.iterdir()} == {
        "weights",
        "data",
        "checkpoint.json",
    }
    save(tmp_path, "mine", model, dataset=rows(9), overwrite=True)
    other = load(folder).dataset
    assert other is not None and len(other) == 9 and len(list(folder.iterdir())) == 3
    (folder / "data-of-others.npz").write_bytes(b"precious")
    (folder / ".data-0123.npz.0123456789abcdef.tmp").write_bytes(b"half")
    save(tmp_path, "mine", model, overwrite=True)
    assert load(folder).dataset is None
    assert (folder / "data-of-others.npz").is_file() and len(list(folder.iterdir())) == 3


def test_rows_that_do_not_fit_or_were_altered_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"does not fit the network; got 3 inputs in mine; .* 2"):
        save(tmp_path, "mine", model_of(), dataset=rows(width=3))
    with pytest.raises(InvalidInput, match="the data set is not a Dataset"):
        save(tmp_path, "mine", model_of(), dataset=7)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    folder = save(tmp_path, "mine", model_of(), dataset=rows())
    [file] = folder.glob("data-*")
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"!")
    with pytest.raises(InvalidInput, match="the data file is altered"):
        load(folder)
    file.unlink()
    with pytest.raises(InvalidInput, match="the data file is missing"):
        load(folder)
    edit_manifest(folder, lambda manifest: manifest.update(data=[]))
    with pytest.raises(InvalidInput, match=r"data entry .* does not map names"):
        load(folder)


def test_a_run_on_data_of_ones_own_tells_of_them(tmp_path: Path) -> None:
    result = fit(
        TrainConfig(steps=5, model=ModelConfig(widths=(3,))), dataset=rows(), progress=False
    )
    folder = save(tmp_path, "mine", result.model, Provenance.of(result), dataset=result.dataset)
    read = load(folder)
    assert read.provenance.task == "mine" and read.provenance.training == result.config
    assert read.data is not None and read.data.name == "mine"
    assert read.data.sha256 == result.dataset.sha256


def test_a_task_that_is_not_known_here_does_not_hide_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything imported or run that the file names."""
    with monkeypatch.context() as patched:
        known = {**tasks._KNOWN, "os:getcwd": tasks.moons}
        patched.setattr(tasks, "TASKS", known)
        config = TrainConfig(
            task="os:getcwd", task_options={"noise": 0.5}, steps=5, model=ModelConfig(widths=(3,))
        )
        result = fit(config, progress=False)
        folder = save(tmp_path, "mine", result.model, Provenance.of(result), dataset=result.dataset)
        assert load(folder).provenance.training == result.config
    read = load(folder)
    assert same_bits(read.model, result.model)  # type: ignore[arg-type]
    assert read.provenance.task == "os:getcwd"
    assert read.provenance.training == dataclasses.replace(
        result.config, task=None, task_options={}
    )
    assert read.data is not None and len(read.data) == 1000
