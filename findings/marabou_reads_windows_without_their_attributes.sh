#!/usr/bin/env bash
# Guess: a verifier refuses ONNX attributes that it does not know, so what Marabou reads without a word is the network of the file.
# Seen (maraboupy 2.0.0, onnx 1.23.2, onnxruntime 1.32.0, opset 13): Conv's dilations and auto_pad, and MaxPool's pads, ceil_mode and dilations are
# dropped without a word; the network that is then proved things of has another number of outputs. Conv's pads and strides, and pools without
# attributes, are read as onnxruntime computes them.
# So: a reader names every attribute that it knows and refuses the others; what another verifier says of a convolutional file is compared on points first.
"$(dirname "$0")/with" numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 maraboupy==2.0.0 <<'PY'
import contextlib
import io

import numpy as np
import onnx
import onnxruntime
from maraboupy import Marabou
from onnx import TensorProto, helper, numpy_helper

draw = np.random.default_rng(0)
KERNEL = numpy_helper.from_array(draw.normal(size=(3, 2, 3, 3)).astype(np.float32), "w")


def by_both(kind, **attributes):
    """The outputs of onnxruntime and of what Marabou has read, at one point."""
    shape = (1, 2, 6, 6) if kind == "Conv" else (1, 1, 5, 5)
    given = [KERNEL] if kind == "Conv" else []
    node = helper.make_node(kind, ["x", *(one.name for one in given)], ["y"], **attributes)
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph([node], "one", ends[:1], ends[1:], given)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(made)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, "one.onnx")
    x = draw.normal(size=shape).astype(np.float32)
    theirs = onnxruntime.InferenceSession("one.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    with contextlib.redirect_stdout(io.StringIO()):
        network = Marabou.read_onnx("one.onnx")
        found = network.evaluateWithMarabou([x], options=Marabou.createOptions(verbosity=0))[0]
    return theirs, np.asarray(found)


pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
for kind, attributes in (
    ("Conv", {}),
    ("Conv", {"pads": [1, 0, 0, 1]}),
    ("Conv", {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("MaxPool", pool),
):
    theirs, found = by_both(kind, **attributes)
    assert np.abs(theirs.ravel() - found.ravel()).max() < 1e-5, (kind, attributes)
for kind, attributes, right, read in (
    ("Conv", {"dilations": [2, 2]}, 12, 48),
    ("Conv", {"auto_pad": "SAME_UPPER"}, 108, 48),
    ("Conv", {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, 27, 12),
    ("MaxPool", {**pool, "pads": [1, 1, 0, 0]}, 9, 4),
    ("MaxPool", {**pool, "ceil_mode": 1}, 9, 4),
    ("MaxPool", {"kernel_shape": [2, 2], "dilations": [2, 2]}, 9, 16),
):
    theirs, found = by_both(kind, **attributes)
    assert (theirs.size, found.size) == (right, read), (kind, attributes, theirs.size, found.size)
    print(f"{kind} {attributes}: {right} outputs, Marabou reads {read}")
PY
