#!/usr/bin/env bash
# Guess: an ONNX LayerNormalization has one value: the operator's function body, the reference evaluator and onnxruntime agree but for rounding.
# Seen (onnx 1.23.2, onnxruntime 1.32.0, opset 17): the text and the function body cast to float32 (stash_type 1, the default) whatever the type of
# the input, and the body takes the variance as a mean of squares minus a squared mean; both runtimes take deviations, in the input's own type. On
# float64 rows around 1e4 that differ by 1e-4, and on float32 rows around 1e4 that differ by a half, the body gives zeros and a fifth of the norm, both runtimes the norm.
# So: exact LayerNorm is the norm of the real numbers; a value that an expanded ONNX graph gives is not compared with it.
"$(dirname "$0")/with" numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 <<'PY'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.defs import get_schema
from onnx.reference import ReferenceEvaluator

WIDTH = 4


def model(nodes, kind):
    def info(name, shape):
        return helper.make_tensor_value_info(name, kind, shape)

    given = [info("x", [1, WIDTH]), info("gain", [WIDTH]), info("bias", [WIDTH])]
    graph = helper.make_graph(nodes, "norm", given, [info("y", [1, WIDTH])])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def body(node, kind):
    """The nodes of the operator's own function body, with the names of the graph."""
    types = [helper.make_tensor_type_proto(kind, shape) for shape in ([1, WIDTH], [WIDTH], [WIDTH])]
    function = onnx.FunctionProto()
    function.ParseFromString(
        get_schema("LayerNormalization", 17).get_context_dependent_function(
            node.SerializeToString(), [one.SerializeToString() for one in types]
        )
    )
    names = dict(zip(function.input, node.input)) | {function.output[0]: "y"}
    for one in function.node:
        for side in (one.input, one.output):
            for place, name in enumerate(side):
                side[place] = names.get(name, name)
    return list(function.node)


def values(nodes, kind, x):
    made = model(nodes, kind)
    feed = {"x": x, "gain": np.ones(WIDTH, x.dtype), "bias": np.zeros(WIDTH, x.dtype)}
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return ReferenceEvaluator(made).run(None, feed)[0], session.run(None, feed)[0]


node = helper.make_node("LayerNormalization", ["x", "gain", "bias"], ["y"], axis=-1, epsilon=1e-5)
for kind, x in (
    (TensorProto.DOUBLE, 1e4 + 1e-4 * np.arange(WIDTH)[None]),
    (TensorProto.FLOAT, (1e4 + 0.5 * np.arange(WIDTH)[None]).astype(np.float32)),
):
    wide = x.astype(np.float64)
    deviation = wide - wide.mean()
    norm = deviation / np.sqrt((deviation**2).mean() + 1e-5)
    for found in values([node], kind, x):
        assert np.abs(found - norm).max() < 1e-3 * np.abs(norm).max(), found
    expanded = values(body(node, kind), kind, x)
    for found in expanded:
        assert not np.abs(found - norm).max() < 0.5 * np.abs(norm).max(), found
    print(f"{x.dtype}: the norm {norm[0].round(4)}, both runtimes agree; the function body gives {expanded[0][0]}")
PY
