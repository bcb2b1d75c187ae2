#!/usr/bin/env bash
# Guess: onnx's reference evaluator, which defines operators by example, and onnxruntime agree on LRN (local response normalisation, InceptionV1).
# Seen (onnx 1.23.2, onnxruntime 1.32.0, opset 13): the reference sums the squares of the first N channels only, N the size of the *batch*: with one
# image all channels but the first are divided by `bias ** beta` alone; with as many images as channels it is right. onnxruntime follows the text.
# So: LRN is refused by name where networks are read, and no reader's test takes the reference evaluator for the truth.
"$(dirname "$0")/with" numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 <<'PY'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

CHANNELS, SIZE = 5, 3


def divisors(batch):
    """What a tensor of ones is divided by in every channel, by both: bias 1, alpha = size, beta 1."""
    node = helper.make_node("LRN", ["x"], ["y"], size=SIZE, alpha=float(SIZE), beta=1.0, bias=1.0)
    shape = [batch, CHANNELS, 2, 2]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph([node], "lrn", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    feed = {"x": np.ones(shape, np.float32)}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    both = ReferenceEvaluator(model).run(None, feed)[0], session.run(None, feed)[0]
    return [(1 / found[0, :, 0, 0]).round(3).tolist() for found in both]


text = [1.0 + n for n in (2, 3, 3, 3, 2)]  # one and the squares of the neighbours there are
assert divisors(CHANNELS) == [text, text]
reference, runtime = divisors(1)
assert runtime == text and reference == [text[0], 1.0, 1.0, 1.0, 1.0], reference
print(f"one image of {CHANNELS} channels is divided by {reference} in the reference, by {runtime} in onnxruntime")
PY
