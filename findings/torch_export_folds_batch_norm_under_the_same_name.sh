#!/usr/bin/env bash
# Guess: torch.onnx.export(dynamo=True) of a module in evaluation mode writes the module's weights, and BatchNorm as its own operator.
# Seen (torch 2.13.0, onnxscript 0.7.2): BatchNorm is folded in float32 into the convolution or linear layer in front of it, and the folded weights keep the
# module's names ("0.weight"), with other values: a fifth and more of the entries are not the float32 nearest to the exact product.
# So: a file and the module that it came from are two exact networks; codes of one are not promised for the other, and a reader compares values, not names.
"$(dirname "$0")/with" numpy==2.4.6 torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 <<'PY'
import logging
import warnings
from fractions import Fraction
from math import isqrt

import numpy as np
import onnx
import torch
from torch import nn

warnings.simplefilter("ignore")
logging.disable()
torch.manual_seed(0)
module = nn.Sequential(nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 16), nn.BatchNorm1d(16))
for norm in (module[1], module[5]):
    nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.5, 2.0)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
module.eval()
torch.onnx.export(module, (torch.randn(1, 2, 6, 6),), "module.onnx", dynamo=True, external_data=False, verbose=False)
graph = onnx.load("module.onnx").graph
assert "BatchNormalization" not in {node.op_type for node in graph.node}
written = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}


def exact_scale(norm, channel):
    """gain / sqrt(variance + eps) to 60 digits: the square root of a fraction, rounded down."""
    square = Fraction(norm.weight[channel].item()) ** 2 / (Fraction(norm.running_var[channel].item()) + Fraction(norm.eps))
    digits = 10**60
    root = Fraction(isqrt(square.numerator * square.denominator * digits**2), square.denominator * digits)
    return root if norm.weight[channel] > 0 else -root


for name, layer, norm in (("0.weight", module[0], module[1]), ("4.weight", module[4], module[5])):
    weight, folded = layer.weight.detach().numpy(), written[name]
    assert folded.shape == weight.shape and not np.array_equal(folded, weight)
    off = total = 0
    for channel in range(len(weight)):
        scale = exact_scale(norm, channel)
        for before, after in zip(weight[channel].ravel().tolist(), folded[channel].ravel().tolist(), strict=True):
            near = Fraction(before) * scale
            ulp = Fraction(float(np.spacing(np.float32(abs(after)))))
            assert abs(near - Fraction(after)) < 4 * ulp
            off += abs(near - Fraction(after)) > ulp / 2
            total += 1
    assert off > total / 5, (name, off, total)
    print(f"{name}: written under its name, but folded; {off} of {total} entries are not the nearest float32")
PY
