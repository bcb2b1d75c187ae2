#!/usr/bin/env bash
# Guess: onnx.save with save_as_external_data writes a file and a side file, and leaves the model in memory as it was.
# Seen (onnx 1.23.2): every large initializer of the model that was passed in has lost its raw_data afterwards and points to the side file by a
# relative name: the same object can no longer be read, checked or run (numpy_helper fails for want of the file, or reads the wrong one of that name);
# models read from the file again are whole.
# So: our reader takes the weights from the file's own folder, and tests that compare a model with its file read the file again.
"$(dirname "$0")/with" numpy==2.4.6 onnx==1.23.2 <<'PY'
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

weight = np.arange(4096, dtype=np.float64).reshape(64, 64)
ends = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, (1, 64)) for name in "xy"]
node = helper.make_node("MatMul", ["x", "w"], ["y"])
graph = helper.make_graph([node], "one", ends[:1], ends[1:], [numpy_helper.from_array(weight, "w")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
onnx.checker.check_model(model, full_check=True)
before = len(model.SerializeToString())

os.mkdir("there")
onnx.save(model, "there/one.onnx", save_as_external_data=True, location="one.data")
(kept,) = model.graph.initializer
assert kept.data_location == TensorProto.EXTERNAL and not kept.raw_data, kept.data_location
assert {entry.key: entry.value for entry in kept.external_data}["location"] == "one.data"
print(f"the model passed in: {before} bytes before saving, {len(model.SerializeToString())} after")
try:
    numpy_helper.to_array(kept)
    raise SystemExit("the weights of the model are still at hand")
except (FileNotFoundError, onnx.checker.ValidationError, ValueError) as error:
    print("reading its weight:", type(error).__name__)
again = onnx.load("there/one.onnx")
assert np.array_equal(numpy_helper.to_array(again.graph.initializer[0]), weight)
PY
