"""ONNX models made node by node, against torch's float64 on the same numbers; refusals by the name
of the node.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from exact import InvalidInput, MissingExtra, Unsupported, rational
from exact.sources import onnx as reader

needs = pytest.mark.needs("onnx")
Node = tuple[str, list[str], dict[str, Any]]
RNG = np.random.default_rng(0)
W, B = RNG.normal(size=(4, 2, 3, 2)), RNG.normal(size=4)
ROWS, SHIFT = RNG.normal(size=(3, 60)), RNG.normal(size=3)
STATISTICS = [RNG.normal(size=2), RNG.normal(size=2), RNG.normal(size=2), RNG.uniform(0.5, 2, 2)]
T = torch.from_numpy
SHAPE = (1, 2, 6, 5)


def model(nodes: list[Node], constants: dict[str, Any], shape: Any = SHAPE, opset: int = 18) -> Any:
    """A model of the nodes in a row: "x" is the input, "y" the output of the last one, and "prev"
    that of the node before.
    """
    from onnx import TensorProto, helper, numpy_helper

    made = []
    for k, (kind, inputs, attributes) in enumerate(nodes):
        read = [f"t{k - 1}" if name == "prev" else name for name in inputs]
        output = "y" if k == len(nodes) - 1 else f"t{k}"
        made.append(helper.make_node(kind, read, [output], name=f"{kind}_{k}", **attributes))
    initializers = [numpy_helper.from_array(np.asarray(x), name) for name, x in constants.items()]
    ends = [
        helper.make_tensor_value_info("x", TensorProto.DOUBLE, list(shape)),
        helper.make_tensor_value_info("y", TensorProto.DOUBLE, None),
    ]
    graph = helper.make_graph(made, "graph", ends[:1], ends[1:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


MODELS: dict[str, tuple[list[Node], dict[str, Any], Callable[[torch.Tensor], torch.Tensor]]] = {
    "convolution": (
        [
            (
                "Conv",
                ["x", "w", "b"],
                {"pads": [1, 0, 2, 1], "strides": [2, 1], "dilations": [1, 2]},
            ),
            ("Relu", ["prev"], {}),
            ("MaxPool", ["prev"], {"kernel_shape": [2, 2], "strides": [1, 2]}),
        ],
        {"w": W, "b": B},
        lambda x: F.max_pool2d(
            F.relu(F.conv2d(F.pad(x, (0, 1, 1, 2)), T(W), T(B), (2, 1), dilation=(1, 2))), 2, (1, 2)
        ),
    ),
    "same": (
        [("Conv", ["x", "w"], {"auto_pad": "SAME_UPPER"}), ("Abs", ["prev"], {})],
        {"w": W},
        lambda x: F.conv2d(F.pad(x, (0, 1, 1, 1)), T(W)).abs(),
    ),
    "dense": (
        [
            ("Flatten", ["x"], {}),
            ("Gemm", ["prev", "w", "b"], {"transB": 1, "alpha": 0.5, "beta": -2.0}),
            ("LeakyRelu", ["prev"], {"alpha": 0.25}),
            ("MatMul", ["prev", "m"], {}),
        ],
        {"w": ROWS, "b": SHIFT, "m": ROWS[:, :2]},
        lambda x: (
            F.leaky_relu(0.5 * x.flatten(1) @ T(ROWS).T - 2 * T(SHIFT), 0.25) @ T(ROWS[:, :2])
        ),
    ),
    "batch norm": (
        [
            ("BatchNormalization", ["x", "a", "b", "m", "v"], {"epsilon": 0.5}),
            ("Relu", ["prev"], {}),
        ],
        dict(zip("abmv", STATISTICS, strict=True)),
        lambda x: F.relu(
            F.batch_norm(
                x, T(STATISTICS[2]), T(STATISTICS[3]), T(STATISTICS[0]), T(STATISTICS[1]), eps=0.5
            )
        ),
    ),
    "pools": (
        [
            (
                "AveragePool",
                ["x"],
                {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "strides": [2, 2]},
            ),
            ("GlobalAveragePool", ["prev"], {}),
            ("PRelu", ["prev", "s"], {}),
        ],
        {"s": np.array([0.5, -0.25]).reshape(2, 1, 1)},
        lambda x: F.prelu(
            (
                F.avg_pool2d(F.pad(x, (0, 1, 1, 1)), (3, 2), 2)
                / F.avg_pool2d(F.pad(torch.ones_like(x), (0, 1, 1, 1)), (3, 2), 2)
            ).mean((2, 3), keepdim=True),
            T(np.array([0.5, -0.25])),
        ),
    ),
    "moved": (
        [
            ("Transpose", ["x"], {"perm": [0, 2, 3, 1]}),
            ("Reshape", ["prev", "shape"], {}),
            ("Pad", ["prev", "pads", "fill"], {}),
            ("Slice", ["prev", "starts", "ends", "axes", "steps"], {}),
            ("Squeeze", ["prev", "first"], {}),
            ("Unsqueeze", ["prev", "first"], {}),
            ("Gather", ["prev", "places"], {"axis": 2}),
            ("Concat", ["prev", "prev"], {"axis": 1}),
        ],
        {
            "shape": np.array([0, -1, 10]),
            "pads": np.array([0, 1, 0, 0, 0, 2]),
            "fill": np.array(3.0),
            "starts": np.array([-1]),
            "ends": np.array([-9]),
            "axes": np.array([2]),
            "steps": np.array([-2]),
            "first": np.array([0]),
            "places": np.array([1, 0, 1]),
        },
        lambda x: torch.cat(
            [
                F.pad(x.permute(0, 2, 3, 1).reshape(1, -1, 10), (0, 2, 1, 0), value=3.0)[
                    :, :, [9, 11, 9]
                ]
            ]
            * 2,
            1,
        ),
    ),
    "sums": (
        [
            ("Mul", ["x", "c"], {}),
            ("Sub", ["c", "prev"], {}),
            ("Div", ["prev", "three"], {}),
            ("Add", ["prev", "x"], {}),
            ("Clip", ["prev", "low", "high"], {}),
            ("Sum", ["prev", "x", "x"], {}),
            ("Neg", ["prev"], {}),
        ],
        {
            "c": np.array([2.0, -1.0]).reshape(2, 1, 1),
            "three": np.array(3.0),
            "low": np.array(-0.25),
            "high": np.array(1.5),
        },
        lambda x: -((_c() - x * _c()) / 3 + x).clamp(-0.25, 1.5) - 2 * x,
    ),
    "maxima": (
        [
            ("Identity", ["x"], {}),
            ("Min", ["prev", "c"], {}),
            ("Max", ["prev", "x", "d"], {}),
            ("ReduceMax", ["prev"], {"axes": [1], "keepdims": 0}),
            ("ReduceMean", ["prev"], {"axes": [-1]}),
            ("Dropout", ["prev"], {}),
            ("Cast", ["prev"], {"to": 1}),
        ],
        {"c": np.array(0.5), "d": np.array([-0.5, 0.25]).reshape(2, 1, 1)},
        lambda x: (
            torch.maximum(
                torch.maximum(x.clamp(max=0.5), x), T(np.array([-0.5, 0.25]).reshape(2, 1, 1))
            )
            .amax(1)
            .mean(-1, keepdim=True)
        ),
    ),
}


def _c() -> torch.Tensor:
    return T(np.array([2.0, -1.0]).reshape(2, 1, 1))


@needs
@pytest.mark.parametrize("name", MODELS)
def test_every_operator_is_onnxs(name: str) -> None:
    nodes, constants, function = MODELS[name]
    opset = 13 if name == "maxima" else 18
    graph = reader.read(model(nodes, constants, opset=opset))
    x = np.random.default_rng(3).normal(size=(9, *SHAPE))
    expected = np.stack([function(T(one)).numpy().reshape(-1) for one in x])
    assert np.abs(graph.forward_float(x.reshape(9, -1)) - expected).max() < 1e-13


@needs
def test_a_file_of_a_symbolic_batch_is_read_up_to_an_output(tmp_path: Path) -> None:
    import onnx

    nodes: list[Node] = [
        ("Shape", ["x"], {"start": 1, "end": 2}),
        ("Flatten", ["x"], {}),
        ("Relu", ["prev"], {}),
        ("Softmax", ["prev"], {}),
    ]
    nodes[1] = ("Flatten", ["x"], {})
    made = model(nodes, {}, ["batch", 3, 2])
    path = tmp_path / "model.onnx"
    onnx.save(made, str(path))
    with pytest.raises(Unsupported, match=r"node 3 'Softmax_3' \(Softmax\); give output="):
        reader.read(path)
    graph = reader.read(str(path), output="t2")
    assert graph.forward_float([1.0, -1, 2, -2, 3, -3]).tolist() == [1, 0, 2, 0, 3, 0]
    with pytest.raises(InvalidInput, match="no such tensor"):
        reader.read(path, output="t0")


@needs
def test_float32_attributes_are_what_the_file_holds() -> None:
    made = model([("LeakyRelu", ["x"], {"alpha": 0.1})], {}, (1, 1))
    graph = reader.read(made)
    assert graph.layers[0].activation.pieces[0][0] == rational(float(np.float32(0.1)))


@needs
def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    import onnx

    nodes: list[Node] = [("Gemm", ["x", "w"], {})]
    path = tmp_path / "model.onnx"
    made = model(nodes, {"w": ROWS.T}, (1, 60))
    onnx.save(made, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").exists()
    whole = reader.read(model(nodes, {"w": ROWS.T}, (1, 60)))
    assert reader.read(path).sha256 == whole.sha256


def refused(nodes: list[Node], constants: dict[str, Any], **how: Any) -> Callable[[], Any]:
    return lambda: reader.read(model(nodes, constants, **how))


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown": (
        refused([("Relu", ["x"], {}), ("Sigmoid", ["prev"], {})], {}),
        r"none of a piecewise affine graph; got node 1 'Sigmoid_1' \(Sigmoid\)",
    ),
    "product": (
        refused([("Relu", ["x"], {}), ("Mul", ["prev", "x"], {})], {}),
        r"needs a constant; got input 1, at node 1 'Mul_1'",
    ),
    "training": (
        refused(
            [("BatchNormalization", ["x", "a", "b", "m", "v"], {"training_mode": 1})],
            dict(zip("abmv", STATISTICS, strict=True)),
        ),
        "batch norm is in training mode",
    ),
    "NaN": (
        refused([("Add", ["x", "c"], {})], {"c": np.array([[0.0], [float("nan")]])}),
        r"non-finite entry; got c\[1, 0\] = nan",
    ),
    "old": (refused([("Relu", ["x"], {})], {}, opset=12), "older opset than is read; got 12"),
    "sizes": (
        refused([("Relu", ["x"], {})], {}, shape=(1, "height", 3)),
        r"size of the model's input is not known; got x of shape \[1, 0, 3\]",
    ),
    "rounding": (
        refused(
            [
                (
                    "MaxPool",
                    ["x"],
                    {
                        "kernel_shape": [1, 1],
                        "strides": [4, 4],
                        "ceil_mode": 1,
                        "pads": [0, 0, 2, 2],
                    },
                )
            ],
            {},
        ),
        "rounds its size up where runtimes differ",
    ),
    "three axes": (
        refused([("Conv", ["x", "w"], {})], {"w": np.ones((1, 1, 1, 1, 1))}),
        "a convolution has one or two axes",
    ),
    "weight": (
        refused([("MatMul", ["x", "w"], {})], {"w": np.ones((4, 2))}),
        r"a weight does not fit what it reads; got weight \(2, 4\)",
    ),
}


@needs
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_graph_is_refused_by_its_node(name: str) -> None:
    make, said = REFUSED[name]
    with pytest.raises((InvalidInput, Unsupported), match=said):
        make()


@needs
def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not an ONNX model; got int"):
        reader.read(3)


@needs
@pytest.mark.parametrize("content", [b"", b"hello world"])
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(InvalidInput, match="no such file"):
        reader.read(path)
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"not an ONNX model; got .*model.onnx"):
        reader.read(path)


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"pip install .exactlens\[onnx\]"):
        reader.read("model.onnx")
