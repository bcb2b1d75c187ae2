#!/usr/bin/env bash
# Guess: onnxruntime runs a checked float64 model, as its float64 Gemm and Relu do, so that readers can be held against it to 1e-15.
# Seen (onnxruntime 1.32.0, CPU, opset 22): Gemm, MatMul, Relu, MaxPool, Abs, Clip, Max, BatchNormalization and LayerNormalization have float64
# kernels; Conv, AveragePool, GlobalAveragePool, LeakyRelu and PRelu have none: the session is refused. onnx's reference evaluator runs them all.
# So: convolutional models are compared in float32 with onnxruntime, and in float64 with torch.
"$(dirname "$0")/with" numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 <<'PY'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(4)
draw = np.random.default_rng(0)
x = draw.normal(size=(1, 2, 6, 6))


def runs(kind, *others, **attributes):
    """Whether onnxruntime runs the operator on float64, while the checker and the reference do."""
    given = [numpy_helper.from_array(value, f"c{i}") for i, value in enumerate(others)]
    node = helper.make_node(kind, ["x", *(c.name for c in given)], ["y"], **attributes)
    shape = (6, 6) if kind in ("Gemm", "MatMul") else x.shape
    ends = [helper.make_tensor_value_info("x", TensorProto.DOUBLE, shape)]
    ends += [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)]
    graph = helper.make_graph([node], "one", ends[:1], ends[1:], given)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    model = onnx.shape_inference.infer_shapes(made)
    onnx.checker.check_model(model, full_check=True)
    feed = {"x": x.reshape(-1)[: int(np.prod(shape))].reshape(shape)}
    value = ReferenceEvaluator(model).run(None, feed)[0]
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except Exception as error:
        assert "NOT_IMPLEMENTED" in str(error), error
        return False
    assert np.abs(session.run(None, feed)[0] - value).max() < 1e-12
    return True


one, zero = np.ones(2), np.zeros(2)
found = {
    "Gemm": runs("Gemm", draw.normal(size=(6, 3))),
    "MatMul": runs("MatMul", draw.normal(size=(6, 3))),
    "Relu": runs("Relu"),
    "Abs": runs("Abs"),
    "Max": runs("Max", np.zeros(1)),
    "Clip": runs("Clip", np.array(0.0), np.array(6.0)),
    "MaxPool": runs("MaxPool", kernel_shape=[2, 2]),
    "BatchNormalization": runs("BatchNormalization", one, zero, zero, one),
    "LayerNormalization": runs("LayerNormalization", np.ones(6)),
    "Conv": runs("Conv", draw.normal(size=(3, 2, 3, 3))),
    "AveragePool": runs("AveragePool", kernel_shape=[2, 2]),
    "GlobalAveragePool": runs("GlobalAveragePool"),
    "LeakyRelu": runs("LeakyRelu"),
    "PRelu": runs("PRelu", np.full((2, 1, 1), 0.25)),
}
without = [kind for kind, has in found.items() if not has]
assert without == ["Conv", "AveragePool", "GlobalAveragePool", "LeakyRelu", "PRelu"], without
print(f"onnxruntime has no float64 kernel for {', '.join(without)}; for {len(found) - len(without)} others it has")
PY
