"""A .safetensors file is a network where its metadata says so; what it says wrongly is refused by
its place.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from exact import GELU, Block, HardTanh, InvalidInput, Layer, LayerNorm, LeakyReLU, Network, RMSNorm
from exact.sources import tensors, torch_modules, weight_files
from toy_models.checkpoints import Provenance, save
from toy_models.models import ModelConfig, initialised

ARRAYS = {
    "w": np.array([[1.0, 2], [0, 0.1]]),
    "b": np.array([0.5, -1]),
    "out": np.ones((1, 2)),
    "gain": np.array([2.0, 3]),
}
HEAD = {"weight": "w", "bias": "b", "activation": "ReLU"}
PLAIN = {"blocks": [{"layers": [HEAD, {"weight": "out"}]}]}


def written(folder: Path, line: Any, arrays: dict[str, Any] = ARRAYS) -> Path:
    path = folder / "net.safetensors"
    safetensors.numpy.save_file(
        arrays, path, {"architecture": line if isinstance(line, str) else json.dumps(line)}
    )
    return path


def test_a_file_that_says_its_architecture_is_a_network(tmp_path: Path) -> None:
    expected = tensors.mlp([(ARRAYS["w"], ARRAYS["b"]), (ARRAYS["out"], None)])
    assert weight_files.read(written(tmp_path, PLAIN)) == expected
    assert weight_files.read(str(written(tmp_path, PLAIN))).sha256 == expected.sha256


def test_norms_skips_and_activations_are_read_exactly(tmp_path: Path) -> None:
    norm = {"kind": "LayerNorm", "eps": "1/3", "eps_rule": "std", "gain": "gain"}
    line = {
        "blocks": [
            {
                "norm": norm,
                "residual": True,
                "layers": [
                    {"weight": "w", "activation": {"kind": "HardTanh", "lo": "-1/3", "hi": 2}},
                    {"weight": "w"},
                ],
            },
            {
                "norm": {"kind": "RMSNorm", "eps": 1e-5, "dim": 2},
                "layers": [{"weight": "w", "activation": {"kind": "LeakyReLU", "slope": 0.01}}],
            },
            {"layers": [{"weight": "out", "activation": {"kind": "GELU", "approximate": "tanh"}}]},
        ]
    }
    net = weight_files.read(written(tmp_path, line))
    assert net.norms == (
        LayerNorm.of("1/3", gain=ARRAYS["gain"], eps_rule="std"),
        RMSNorm.of(1e-5, dim=2),
    )
    assert [block.residual for block in net.blocks] == [True, False, False]
    assert [layer.activation for layer in net.layers if layer.bits] == [
        HardTanh("-1/3", 2),
        LeakyReLU(0.01),
        GELU("tanh"),
    ]


def test_narrow_floats_keep_their_values(tmp_path: Path) -> None:
    weight = torch.tensor([[1.1, -2.3]], dtype=torch.bfloat16)
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file(
        {"w": weight}, path, {"architecture": '{"blocks": [{"layers": [{"weight": "w"}]}]}'}
    )
    assert weight_files.read(path).layers[0].weight.float64().tolist() == weight.double().tolist()


CONFIGS = [
    ModelConfig(widths=(4, 3), input_dim=2, output_dim=2),
    ModelConfig(widths=(4,), norm="layernorm", input_dim=2, output_dim=3),
    ModelConfig(
        widths=(4, 3),
        norm="rms",
        norm_between=True,
        input_dim=4,
        output_dim=1,
        activation="gelu_tanh",
    ),
    ModelConfig(
        widths=(5, 4),
        architecture="residual",
        norm="layernorm",
        norm_affine=False,
        input_dim=3,
        output_dim=2,
    ),
    ModelConfig(widths=(5,), bias=False, activation="leaky_relu", input_dim=3, output_dim=2),
    ModelConfig(
        widths=(5,), norm="layernorm", bias=False, activation="hardtanh", input_dim=4, output_dim=2
    ),
    ModelConfig(widths=(), input_dim=3, output_dim=2),
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_the_weights_of_a_toy_are_a_network_by_themselves(
    config: ModelConfig, tmp_path: Path
) -> None:
    model = initialised(config, 3)
    folder = save(tmp_path, "toy", model, Provenance.untrained())
    (weights,) = folder.glob("*.safetensors")
    assert weight_files.read(weights) == torch_modules.read(model)


WRONG: dict[str, tuple[Any, str]] = {
    "no json": ("{", "is not JSON"),
    "deep json": ("[" * 50_000, "is not JSON"),
    "a list": ([], "the architecture is not what"),
    "no blocks": ({}, "the architecture: blocks"),
    "an empty network": ({"blocks": []}, "a network has no block"),
    "an empty block": ({"blocks": [{"layers": []}]}, "a block has no layer"),
    "no layers": ({"blocks": [{}]}, r"blocks\[0\]: layers"),
    "a layer that is a number": ({"blocks": [{"layers": [3]}]}, r"blocks\[0\].layers\[0\]"),
    "a tensor that is missing": (
        {"blocks": [{"layers": [{"weight": "v"}]}]},
        "no tensor of that name; got 'v'",
    ),
    "a weight that is a vector": (
        {"blocks": [{"layers": [{"weight": "b"}, {"weight": "w"}]}]},
        "b is not what .*1 axes",
    ),
    "an unknown activation": (
        {"blocks": [{"layers": [{**HEAD, "activation": "Tanh"}]}]},
        "layers\\[0\\].activation",
    ),
    "a class of Python": (
        {"blocks": [{"layers": [{**HEAD, "activation": "os.system"}]}]},
        "layers\\[0\\].activation",
    ),
    "an unknown parameter": (
        {"blocks": [{"layers": [{**HEAD, "activation": {"kind": "ReLU", "a": 1}}]}]},
        "no parameter",
    ),
    "a slope in words": (
        {"blocks": [{"layers": [{**HEAD, "activation": {"kind": "LeakyReLU", "slope": "x"}}]}]},
        "slope",
    ),
    "a norm without eps": (
        {"blocks": [{"norm": {"kind": "RMSNorm", "dim": 2}, "layers": [HEAD]}]},
        "norm.eps",
    ),
    "an unknown norm": (
        {"blocks": [{"norm": {"kind": "BatchNorm", "eps": 0}, "layers": [HEAD]}]},
        "norm.kind",
    ),
    "an unknown rule": (
        {
            "blocks": [
                {"norm": {"kind": "RMSNorm", "eps": 0, "dim": 2, "eps_rule": "x"}, "layers": [HEAD]}
            ]
        },
        "eps_rule",
    ),
    "a norm of another size": (
        {"blocks": [{"norm": {"kind": "RMSNorm", "eps": 0, "dim": 3}, "layers": [HEAD]}]},
        "not fit",
    ),
    "a skip in words": ({"blocks": [{"residual": "yes", "layers": [HEAD]}]}, "residual"),
    "layers that do not fit": (
        {"blocks": [{"layers": [{"weight": "out"}, HEAD]}]},
        "do not fit together",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_architecture_is_refused_by_its_place(what: str, tmp_path: Path) -> None:
    line, named = WRONG[what]
    with pytest.raises(InvalidInput, match=named) as raised:
        weight_files.read(written(tmp_path, line))
    assert len(str(raised.value)) < 400


def test_a_file_without_an_architecture_says_how_to_write_one(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    safetensors.numpy.save_file(ARRAYS, path)
    with pytest.raises(
        InvalidInput, match=r"does not say its architecture; got .*b, gain, out, w; save it with "
    ) as raised:
        weight_files.read(path)
    example = raised.value.remedy.split("'architecture': '")[1].split("'}")[0].replace(", ...", "")
    names = {"0.weight": ARRAYS["w"], "0.bias": ARRAYS["b"]}
    assert weight_files.read(written(tmp_path, example, names)) == tensors.mlp(
        [(ARRAYS["w"], ARRAYS["b"])], last=_relu()
    )


def _relu() -> Any:
    from exact import ReLU

    return ReLU()


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 7, b"\xff" * 64, b"PK\x03\x04" + bytes(50), b"{}"]
)
def test_what_is_no_safetensors_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="safetensors format"):
        weight_files.read(path)


def test_weights_that_are_not_finite_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="w"):
        weight_files.read(
            written(tmp_path, PLAIN, {**ARRAYS, "w": np.array([[1.0, np.nan], [0, 1]])})
        )


def test_the_network_is_what_the_type_says(tmp_path: Path) -> None:
    assert isinstance(weight_files.read(written(tmp_path, PLAIN)), Network)


def test_the_example_of_the_documentation_is_a_network(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "files.md").read_text(encoding="utf-8")
    line = text.split("```json\n")[1].split("```")[0]
    names = ("ln.weight", "ln.bias", "0.bias", "2.bias")
    arrays = {**{name: np.ones(3) for name in names}, "0.weight": np.eye(3), "2.weight": np.eye(3)}
    net = weight_files.read(written(tmp_path, line, arrays))
    assert net.norms == (LayerNorm.of(1e-5, gain=np.ones(3), bias=np.ones(3)),)
    assert [layer.activation for layer in net.layers] == [_relu(), LeakyReLU("1/100")]


def test_quantised_weights_are_refused_and_small_floats_read(tmp_path: Path) -> None:
    line = json.dumps({"blocks": [{"layers": [{"weight": "0.weight"}]}]})
    values = torch.tensor([[1.5, -0.25], [448.0, 0.0]])
    for dtype in (torch.float8_e4m3fn, torch.bfloat16, torch.float16, torch.float64):
        safetensors.torch.save_file(
            {"0.weight": values.to(dtype)}, tmp_path / "net.safetensors", {"architecture": line}
        )
        assert (
            weight_files.read(tmp_path / "net.safetensors").layers[0].weight.float64().tolist()
            == values.tolist()
        )
    quantised = {
        "0.weight": torch.tensor([[67, -73]], dtype=torch.int8),
        "0.weight_scale": torch.tensor([0.01]),
    }
    safetensors.torch.save_file(quantised, tmp_path / "net.safetensors", {"architecture": line})
    with pytest.raises(
        InvalidInput,
        match=r"whole numbers; got 0\.weight of dtype .*int8; scale quantised weights back",
    ):
        weight_files.read(tmp_path / "net.safetensors")


# ---- writing


def test_a_network_is_written_and_read_exactly(tmp_path: Path) -> None:
    norm = LayerNorm.of("1/3", gain=["2/7", 3], bias=[0, "-1/9"], eps_rule="std")
    first = Layer.of([["1/3", 1], [0, "1/1000003"]], ["1/10", -1], HardTanh("-1/3", 2))
    second = Layer.of([[0.1, 2], [3, 4]], None)
    network = Network((Block((first, second), norm, residual=True), Block((second,))))
    path = weight_files.write(tmp_path / "net.safetensors", network)
    again = weight_files.read(path)
    assert again == network and again.sha256 == network.sha256
    content = path.read_bytes()
    assert content == weight_files.packed(again)
    held = safetensors.numpy.load(content)
    assert held["blocks.0.layers.0.weight"].tobytes() == b"2 2\n1/3 1 0 1/f4243"
    assert held["blocks.1.layers.0.weight"].dtype == np.float64
    weight_files.write(path, tensors.mlp([([[1]], [0])]))
    assert weight_files.read(path).input_dim == 1 and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("net.npz", r"ends otherwise; got .*net.npz; end it in \.safetensors"),
        ("folder.safetensors", "a folder or a link stands"),
        ("link.safetensors", "a folder or a link stands"),
        ("nowhere/net.safetensors", "the folder of the file does not exist; got .*nowhere;"),
    ],
)
def test_places_where_nothing_is_written(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "link.safetensors").symlink_to("elsewhere")
    with pytest.raises(InvalidInput, match=message):
        weight_files.write(tmp_path / name, tensors.mlp([([[1]], [0])]))
    assert {path.name for path in tmp_path.iterdir()} == {"folder.safetensors", "link.safetensors"}
