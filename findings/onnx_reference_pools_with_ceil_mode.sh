#!/usr/bin/env bash
# Guess: onnx's reference evaluator, onnxruntime and torch agree on pools with ceil_mode, which torchvision's GoogLeNet has in front of every stage.
# Seen (onnx 1.23.2, onnxruntime 1.32.0, torch 2.13.0, opsets 11 to 22): the two runtimes agree on 5 x 5 to 8 x 8 images, strides 1 to 3, pads 0 and 1.
# The reference does not: MaxPool with pads and stride 1 gives two rows and columns more than the text's formula and than the same node without
# ceil_mode, filled with zeros; AveragePool without pads shifts its windows to the upper left where the last one sticks out, also for count_include_pad 0.
# So: pools are held against torch and onnxruntime.
"$(dirname "$0")/with" numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 torch==2.13.0 <<'PY'
from itertools import product

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(4)


def by_both(kind, x, opset, **attributes):
    node = helper.make_node(kind, ["x"], ["y"], **attributes)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)
    graph = helper.make_graph([node], "pool", [given], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return ReferenceEvaluator(model).run(None, {"x": x})[0], session.run(None, {"x": x})[0]


def same(a, b):
    return a.shape == b.shape and np.allclose(a, b, atol=1e-6)


def grid(x, k, stride, pad, ceil, opset):
    """Whether onnxruntime and the reference are torch, for the largest and both kinds of mean."""
    shared = {"kernel_shape": [k, k], "strides": [stride] * 2, "pads": [pad] * 4, "ceil_mode": ceil}
    t, f = torch.from_numpy(x), torch.nn.functional
    yield "MaxPool", by_both("MaxPool", x, opset, **shared), f.max_pool2d(t, k, stride, pad, ceil_mode=bool(ceil))
    for counted in (0, 1):
        mean = f.avg_pool2d(t, k, stride, pad, bool(ceil), bool(counted))
        yield "AveragePool", by_both("AveragePool", x, opset, **shared, count_include_pad=counted), mean


draw, wrong = np.random.default_rng(0), set()
for n, k, stride, pad, ceil, opset in product((5, 6, 7, 8), (2, 3), (1, 2, 3), (0, 1), (0, 1), (11, 13, 19, 22)):
    x = draw.normal(size=(1, 1, n, n)).astype(np.float32)
    for kind, (reference, runtime), by_torch in grid(x, k, stride, pad, ceil, opset):
        assert same(runtime, by_torch.numpy()), (kind, n, k, stride, pad, ceil, opset)
        if not same(reference, by_torch.numpy()):
            wrong.add((kind, n, k, stride, pad, ceil))
assert wrong == {("MaxPool", n, k, 1, 1, 1) for n in (5, 6, 7, 8) for k in (2, 3)} | {("AveragePool", 7, 3, 3, 0, 1)}, wrong

x = np.arange(1, 26, dtype=np.float32).reshape(1, 1, 5, 5)
pool = {"kernel_shape": [2, 2], "strides": [1, 1], "pads": [1, 1, 1, 1]}
(reference, runtime), (floored, _) = (by_both("MaxPool", x, 22, **pool, ceil_mode=ceil) for ceil in (1, 0))
assert runtime.shape == floored.shape == (1, 1, 6, 6) and reference.shape == (1, 1, 8, 8)
assert not reference[0, 0, 6:].any() and not reference[0, 0, :, 6:].any()
print(f"MaxPool of 5 x 5 with a window of 2, pads of 1: onnxruntime {runtime.shape[2:]}, the reference {reference.shape[2:]}, the last of zeros")
PY
