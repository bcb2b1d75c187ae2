"""Graphs from ONNX models, opsets 13 and up: convolutions, pools, sums, maxima and rectifiers.

Initialisers and what follows from them alone are constants, at the values that the file holds;
attributes such as `epsilon` and `alpha` are float32 numbers there, which is what the graph has. A
symbolic batch is one input. A new operator is one function here, which is why all stand in one
file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from exact.arithmetic.numbers import FloatArray, Rational, whole_number
from exact.arithmetic.stored_numbers import plain_array
from exact.errors import InvalidInput, MissingExtra, Unsupported
from exact.networks.activations import AbsoluteValue, LeakyReLU, ReLU
from exact.networks.graphs.graph import Graph
from exact.sources.graph_builder import GraphBuilder, Value, Window

Handler = Callable[["_Node"], Any]
_HANDLERS: dict[str, Handler] = {}
_LEAST_OPSET = 13
_REMEDY = "give output= the name of a tensor in front of it, or export the model without it"


def read(
    model: Any, *, input_shape: Sequence[int] | None = None, output: str | None = None
) -> Graph:
    """The graph of an ONNX model, a path or a ModelProto: of its only input, a symbolic batch
    being 1, to its only output or the tensor of the name `output`; numbers stand in C order.

    `input_shape` is the whole shape of the input, where the model has other symbolic sizes. Raises
    Unsupported for an operator that is none of a piecewise affine graph, with the node's name;
    InvalidInput for a model of several inputs, unknown shapes, batch norm or dropout in training
    mode, and NaN or infinite constants; MissingExtra without the package `onnx`.
    """
    onnx = _package()
    if isinstance(model, str | PathLike):
        model = _loaded(onnx, Path(model))
    if not isinstance(model, onnx.ModelProto):
        raise InvalidInput(
            "not an ONNX model", value=type(model).__name__, remedy="give a path or a ModelProto"
        )
    opset = max((x.version for x in model.opset_import if x.domain in ("", "ai.onnx")), default=0)
    if opset < _LEAST_OPSET:
        raise Unsupported(
            "the model is of an older opset than is read",
            value=opset,
            remedy=f"convert it to {_LEAST_OPSET} or later by onnx.version_converter",
        )
    return _Reader(onnx, model.graph, input_shape).graph(output)


def _loaded(onnx: Any, path: Path) -> Any:
    if not path.is_file():
        raise InvalidInput("no such file", value=str(path), remedy="give the name of a .onnx file")
    try:
        model = onnx.load(str(path))
    except OSError:
        raise
    except Exception as error:  # whatever the decoder of another library raises
        raise _no_model(path) from error
    if not model.opset_import and not model.graph.node:  # an empty file is a model of nothing
        raise _no_model(path)
    return model


def _no_model(path: Path) -> InvalidInput:
    return InvalidInput("not an ONNX model", value=str(path), remedy="give a file of that format")


def _package() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra(
            "ONNX models are read by the package onnx",
            value="not installed",
            remedy='pip install "exactlens[onnx]"',
        ) from error
    return onnx


@dataclass(frozen=True)
class _Node:
    """A node with its attributes, and what its inputs are: values, constants or None."""

    builder: GraphBuilder
    name: str
    inputs: tuple[Any, ...]
    attributes: Mapping[str, Any]
    outputs: int

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def given(self, place: int) -> Any:
        """An input, None where it is left out."""
        return self.inputs[place] if place < len(self.inputs) else None

    def constant(self, place: int) -> FloatArray:
        """A constant input. Raises Unsupported for a value."""
        found = self.given(place)
        if not isinstance(found, np.ndarray):
            raise Unsupported(
                "an operator reads a value where it needs a constant",
                value=f"input {place}",
                remedy="products and indices of values are not piecewise affine",
            )
        return found

    def numbers(self, place: int, attribute: str) -> list[int] | None:
        """Whole numbers that are an input in later opsets and an attribute in earlier ones."""
        if self.given(place) is not None:
            return [int(x) for x in self.constant(place).reshape(-1)]
        own = self.get(attribute)
        return None if own is None else [int(x) for x in own]


class _Reader:
    def __init__(self, onnx: Any, graph: Any, shape: Sequence[int] | None) -> None:
        self._onnx, self._graph = onnx, graph
        self._known = {one.name: self._array(one, one.name) for one in graph.initializer}
        if len(graph.sparse_initializer):
            raise Unsupported(
                "a tensor is stored sparsely",
                value=graph.sparse_initializer[0].values.name,
                remedy="store it densely",
            )
        inputs = [one for one in graph.input if one.name not in self._known]
        if len(inputs) != 1:
            raise InvalidInput(
                "the model has not one input",
                value=[one.name for one in inputs],
                remedy="give a model of one input, the others being constants",
            )
        self.builder = GraphBuilder(self._shape(inputs[0], shape))
        self._values: dict[str, Any] = {**self._known, inputs[0].name: self.builder.input}

    def _array(self, tensor: Any, name: str) -> Any:
        array = plain_array(self._onnx.numpy_helper.to_array(tensor), name)
        bad = np.argwhere(~np.isfinite(array)) if array.dtype.kind == "f" else np.zeros((0, 0))
        if len(bad):
            place = tuple(bad[0].tolist())
            raise InvalidInput(
                "a tensor has a non-finite entry",
                value=f"{name}{list(place)} = {array[place]}",
                remedy="export the network again: every entry must be finite",
            )
        return array

    def _shape(self, given: Any, shape: Sequence[int] | None) -> tuple[int, ...]:
        sizes = [one.dim_value for one in given.type.tensor_type.shape.dim]
        if shape is not None:
            return tuple(whole_number(size, "input_shape") for size in shape)
        sizes = [1 if k == 0 and size < 1 else size for k, size in enumerate(sizes)]
        if not sizes or min(sizes) < 1:
            raise InvalidInput(
                "a size of the model's input is not known",
                value=f"{given.name} of shape {sizes}",
                remedy="give input_shape=, all sizes with the batch",
            )
        return tuple(sizes)

    def graph(self, output: str | None) -> Graph:
        """The graph up to an output."""
        names = [one.name for one in self._graph.output]
        if output is None and len(names) != 1:
            raise InvalidInput(
                "the model has not one output", value=names, remedy="give output= one of them"
            )
        wanted = names[0] if output is None else output
        for number, node in enumerate(self._graph.node):
            if wanted in self._values:
                break
            self._read(number, node)
        found = self._values.get(wanted)
        if not isinstance(found, Value):
            raise InvalidInput(
                "no such tensor that depends on the input",
                value=wanted,
                remedy="give output= the name of an output of a node",
            )
        return self.builder.graph(found)

    def _read(self, number: int, node: Any) -> None:
        where = f"node {number} {node.name!r} ({node.op_type})"
        inputs = tuple(self._values.get(name) if name else None for name in node.input)
        attributes = {one.name: self._attribute(one) for one in node.attribute}
        try:
            found = self._result(node, where, inputs, attributes)
        except (InvalidInput, Unsupported) as error:
            told = error.value if where in str(error.value) else f"{error.value}, at {where}"
            raise type(error)(error.wrong, value=told, remedy=error.remedy) from error
        values = found if isinstance(found, list) else [found]
        self._values.update(zip(node.output, values, strict=False))

    def _result(
        self, node: Any, where: str, inputs: tuple[Any, ...], attributes: Mapping[str, Any]
    ) -> Any:
        if node.domain not in ("", "ai.onnx"):
            raise Unsupported("an operator is of another domain", value=where, remedy=_REMEDY)
        if node.op_type == "Shape" and isinstance(inputs[0], Value):
            sizes = np.array(inputs[0].shape, dtype=np.int64)
            return sizes[attributes.get("start", 0) : attributes.get("end")]
        if not any(isinstance(x, Value) for x in inputs):
            return self._folded(node, where, inputs)
        handler = _HANDLERS.get(node.op_type)
        if handler is None:
            raise Unsupported(
                "an operator is none of a piecewise affine graph", value=where, remedy=_REMEDY
            )
        return handler(_Node(self.builder, where, inputs, attributes, len(node.output)))

    def _folded(self, node: Any, where: str, inputs: tuple[Any, ...]) -> Any:
        """What follows from constants alone, by ONNX's own reference."""
        from onnx.reference import ReferenceEvaluator

        feeds = {
            name: np.asarray(x) for name, x in zip(node.input, inputs, strict=True) if x is not None
        }
        try:
            return [np.asarray(x) for x in ReferenceEvaluator(node).run(None, feeds)]
        except Exception as error:  # whatever the reference raises
            raise Unsupported(
                "a constant cannot be computed",
                value=f"{where}: {type(error).__name__}",
                remedy="simplify the model, so that it is an initialiser",
            ) from error

    def _attribute(self, attribute: Any) -> Any:
        found = self._onnx.helper.get_attribute_value(attribute)
        if isinstance(found, self._onnx.TensorProto):
            return self._array(found, attribute.name)
        return found.decode() if isinstance(found, bytes) else found


def _reads(*names: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        _HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


def _floats(array: Any) -> FloatArray:
    return np.asarray(array, dtype=np.float64)


def _maybe(array: Any) -> FloatArray | None:
    return None if array is None else _floats(array)


# ---- weights


@_reads("Gemm")
def _gemm(node: _Node) -> Value:
    x, weight = node.inputs[0], _floats(node.constant(1))
    if not isinstance(x, Value):
        node.constant(0)
        raise Unsupported("a matrix is multiplied by a value", value="input 1", remedy=_REMEDY)
    if node.get("transA", 0):
        x = node.builder.moved(x, lambda places: places.T)
    found = node.builder.matrix(x, weight if node.get("transB", 0) else weight.T)
    found = node.builder.scaled(found, node.get("alpha", 1.0))
    bias = node.given(2)
    if bias is None:
        return found
    share = Rational(*float(node.get("beta", 1.0)).as_integer_ratio())
    return _plus(node.builder, found, bias, share)


@_reads("MatMul")
def _matmul(node: _Node) -> Value:
    x, y = node.inputs
    if isinstance(x, Value):
        weight = _floats(node.constant(1))
        if weight.ndim == 2:
            return node.builder.matrix(x, weight.T)
    else:
        weight = _floats(node.constant(0))
        if weight.ndim == 2 and len(y.shape) == 2:
            found = node.builder.matrix(node.builder.moved(y, lambda places: places.T), weight)
            return node.builder.moved(found, lambda places: places.T)
    raise Unsupported(
        "a product of more axes than a matrix has", value=f"weight {weight.shape}", remedy=_REMEDY
    )


@_reads("Conv")
def _conv(node: _Node) -> Value:
    weight, x = _floats(node.constant(1)), node.inputs[0]
    if weight.ndim not in (3, 4):
        raise Unsupported(
            "a convolution has one or two axes", value=f"weight {weight.shape}", remedy=_REMEDY
        )
    window = _window(node, x, weight.shape[2:])
    return node.builder.convolution(x, weight, _maybe(node.given(2)), window, node.get("group", 1))


def _window(node: _Node, x: Value, kernel: Sequence[int]) -> Window:
    axes = len(kernel)
    strides, gaps = (tuple(node.get(name, [1] * axes)) for name in ("strides", "dilations"))
    auto = node.get("auto_pad", "NOTSET")
    pads = node.get("pads", [0] * (2 * axes))
    pairs = tuple(zip(pads[:axes], pads[axes:], strict=True))
    if auto.startswith("SAME"):
        pairs = tuple(
            _same(size, k, s, d, auto.endswith("LOWER"))
            for size, k, s, d in zip(x.shape[2:], kernel, strides, gaps, strict=True)
        )
    return Window(tuple(kernel), strides, pairs, gaps, bool(node.get("ceil_mode", 0)))


def _same(size: int, kernel: int, stride: int, dilation: int, lower: bool) -> tuple[int, int]:
    """Padding for ceil(size / stride) places, the odd one behind, or in front."""
    whole = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
    small = whole // 2
    return (whole - small, small) if lower else (small, whole - small)


@_reads("BatchNormalization")
def _batch_norm(node: _Node) -> Value:
    if node.get("training_mode", 0):
        raise InvalidInput(
            "batch norm is in training mode",
            value="training_mode = 1",
            remedy="export for inference",
        )
    gain, shift, mean, variance = (_floats(node.constant(place)) for place in range(1, 5))
    parts = gain, shift, mean, variance
    return node.builder.batch_norm(node.inputs[0], parts, float(node.get("epsilon", _EPSILON)))


_EPSILON = np.float32(1e-5)  # ONNX's default, a float32 number


# ---- sums and constants


def _plus(builder: GraphBuilder, x: Any, y: Any, share: Rational | int = 1) -> Value:
    """`x + share y`."""
    if isinstance(x, Value) and isinstance(y, Value):
        return builder.added([x, builder.scaled(y, _rational(share))])
    if isinstance(x, Value):
        return builder.scaled(x, 1, _times(y, share))
    return builder.scaled(y, _rational(share), _floats(x))


def _rational(share: Rational | int) -> Any:
    return np.array(Rational(share) if isinstance(share, int) else share, dtype=object)


def _times(array: Any, share: Rational | int) -> Any:
    floats = _floats(array)
    if share == 1:
        return floats
    exact = [share * Rational(*float(x).as_integer_ratio()) for x in floats.reshape(-1)]
    return np.array(exact, dtype=object).reshape(floats.shape)


@_reads("Add", "Sum")
def _add(node: _Node) -> Value:
    found, *others = node.inputs
    for other in others:
        both = isinstance(found, Value) or isinstance(other, Value)
        found = _plus(node.builder, found, other) if both else found + other
    return found  # type: ignore[no-any-return]


@_reads("Sub")
def _sub(node: _Node) -> Value:
    return _plus(node.builder, node.inputs[0], node.inputs[1], -1)


@_reads("Neg")
def _neg(node: _Node) -> Value:
    return node.builder.scaled(node.inputs[0], -1)


@_reads("Mul")
def _mul(node: _Node) -> Value:
    x, y = node.inputs
    if isinstance(x, Value):
        return node.builder.scaled(x, _floats(node.constant(1)))
    return node.builder.scaled(y, _floats(node.constant(0)))


@_reads("Div")
def _div(node: _Node) -> Value:
    divisors = _floats(node.constant(1))
    if (divisors == 0).any():
        raise InvalidInput("a divisor is zero", value="0", remedy="divide by other constants")
    exact = [1 / Rational(*float(x).as_integer_ratio()) for x in divisors.reshape(-1)]
    return node.builder.scaled(
        node.inputs[0], np.array(exact, dtype=object).reshape(divisors.shape)
    )


# ---- bends


@_reads("Relu")
def _relu(node: _Node) -> Value:
    return node.builder.activated(node.inputs[0], ReLU())


@_reads("LeakyRelu")
def _leaky(node: _Node) -> Value:
    slope: Any = float(node.get("alpha", np.float32(0.01)))
    return node.builder.activated(node.inputs[0], LeakyReLU(slope))


@_reads("PRelu")
def _prelu(node: _Node) -> Value:
    return node.builder.leaky(node.inputs[0], _floats(node.constant(1)))


@_reads("Abs")
def _abs(node: _Node) -> Value:
    return node.builder.activated(node.inputs[0], AbsoluteValue())


@_reads("Clip")
def _clip(node: _Node) -> Value:
    low, high = (
        None if node.given(place) is None else float(node.constant(place).reshape(-1)[0])
        for place in (1, 2)
    )
    return node.builder.clamped(node.inputs[0], low, high)


@_reads("HardSigmoid")
def _hard_sigmoid(node: _Node) -> Value:
    share, shift = (
        float(node.get(name, np.float32(x))) for name, x in (("alpha", 0.2), ("beta", 0.5))
    )
    bent = node.builder.scaled(node.inputs[0], share, shift)
    return node.builder.clamped(bent, 0, 1)


# ---- maxima


@_reads("Max")
def _max(node: _Node) -> Value:
    like = next(x for x in node.inputs if isinstance(x, Value))
    return node.builder.maximum(
        [
            x if isinstance(x, Value) else node.builder.constant(like, _floats(x))
            for x in node.inputs
        ]
    )


@_reads("Min")
def _min(node: _Node) -> Value:
    turned = [
        node.builder.scaled(x, -1) if isinstance(x, Value) else -_floats(x) for x in node.inputs
    ]
    found = _max(_Node(node.builder, node.name, tuple(turned), {}, 1))
    return node.builder.scaled(found, -1)


@_reads("MaxPool")
def _max_pool(node: _Node) -> Value:
    if node.outputs > 1:
        raise Unsupported("indices of maxima are read", value="output 1", remedy=_REMEDY)
    window = _window(node, node.inputs[0], node.get("kernel_shape"))
    _refuse_rounding(window, node.inputs[0].shape[2:], False)
    return node.builder.max_pool(node.inputs[0], window)


def _refuse_rounding(window: Window, image: Sequence[int], counts_pads: bool) -> None:
    """Runtimes differ on windows that begin behind the image, and on what averages count that end
    behind its padding.
    """
    axes = zip(image, window.kernel, window.stride, window.pads, window.dilation, strict=True)
    for size, kernel, stride, (front, back), dilation in axes:
        room = size + front + back - dilation * (kernel - 1) - 1
        steps = -(-room // stride)
        outside = steps * stride >= size + front
        beyond = counts_pads and steps * stride > room
        if window.ceil and (outside or beyond):
            raise Unsupported(
                "a pool rounds its size up where runtimes differ",
                value=f"kernel {window.kernel}, stride {window.stride}, an image of {tuple(image)}",
                remedy="export it with ceil_mode=False and explicit padding",
            )


@_reads("GlobalMaxPool")
def _global_max(node: _Node) -> Value:
    x = node.inputs[0]
    return node.builder.max_over(x, range(2, len(x.shape)), True)


@_reads("ReduceMax")
def _reduce_max(node: _Node) -> Value:
    return node.builder.max_over(node.inputs[0], *_reduction(node))


def _reduction(node: _Node) -> tuple[list[int], bool]:
    return node.numbers(1, "axes") or [], bool(node.get("keepdims", 1))


# ---- averages


@_reads("AveragePool")
def _average_pool(node: _Node) -> Value:
    x, with_pads = node.inputs[0], bool(node.get("count_include_pad", 0))
    window = _window(node, x, node.get("kernel_shape"))
    _refuse_rounding(window, x.shape[2:], with_pads)
    return node.builder.average_pool(x, window, with_pads, None)


@_reads("GlobalAveragePool")
def _global_average(node: _Node) -> Value:
    x = node.inputs[0]
    return node.builder.mean_over(x, range(2, len(x.shape)), True)


@_reads("ReduceMean")
def _reduce_mean(node: _Node) -> Value:
    return node.builder.mean_over(node.inputs[0], *_reduction(node))


@_reads("ReduceSum")
def _reduce_sum(node: _Node) -> Value:
    return node.builder.sum_over(node.inputs[0], *_reduction(node))


# ---- moving numbers


@_reads("Identity", "Cast", "Dropout")
def _identity(node: _Node) -> Value:
    if node.given(2) is not None and bool(node.constant(2).reshape(-1)[0]):
        raise InvalidInput(
            "dropout is in training mode", value="training_mode", remedy="export for inference"
        )
    if node.get("to", 1) not in (1, 10, 11, 16):
        raise Unsupported("a cast is no affine map", value=node.get("to"), remedy=_REMEDY)
    return node.inputs[0]  # type: ignore[no-any-return]


@_reads("Concat")
def _concat(node: _Node) -> Value:
    like = next(x for x in node.inputs if isinstance(x, Value))
    axis = node.get("axis", 0)
    values = list[Value]()
    for x in node.inputs:
        if not isinstance(x, Value):
            one = node.builder.moved(like, lambda places: places.reshape(-1)[:1])
            wide = node.builder.broadcast(one, np.shape(x))
            x = node.builder.scaled(wide, 0, _floats(x))
        values.append(x)
    return node.builder.concatenated(values, axis)


@_reads("Flatten")
def _flatten(node: _Node) -> Value:
    shape, axis = node.inputs[0].shape, node.get("axis", 1) % (len(node.inputs[0].shape) + 1)
    rows = (prod(shape[:axis]), prod(shape[axis:]))
    return node.builder.moved(node.inputs[0], lambda places: places.reshape(rows))


@_reads("Reshape")
def _reshape(node: _Node) -> Value:
    own, sizes = node.inputs[0].shape, node.numbers(1, "shape") or []
    if not node.get("allowzero", 0):
        sizes = [own[k] if size == 0 else size for k, size in enumerate(sizes)]
    return node.builder.moved(node.inputs[0], lambda places: places.reshape(sizes))


@_reads("Transpose")
def _transpose(node: _Node) -> Value:
    return node.builder.moved(node.inputs[0], lambda places: places.transpose(node.get("perm")))


@_reads("Squeeze")
def _squeeze(node: _Node) -> Value:
    axes = node.numbers(1, "axes")
    own = None if axes is None else tuple(axes)
    return node.builder.moved(node.inputs[0], lambda places: places.squeeze(own))


@_reads("Unsqueeze")
def _unsqueeze(node: _Node) -> Value:
    axes = tuple(node.numbers(1, "axes") or ())
    return node.builder.moved(node.inputs[0], lambda places: np.expand_dims(places, axes))


@_reads("Expand")
def _expand(node: _Node) -> Value:
    shape = np.broadcast_shapes(node.inputs[0].shape, tuple(node.numbers(1, "shape") or ()))
    return node.builder.broadcast(node.inputs[0], shape)


@_reads("Gather")
def _gather(node: _Node) -> Value:
    index = node.constant(1).astype(np.int64)
    axis = node.get("axis", 0)
    return node.builder.moved(node.inputs[0], lambda places: np.take(places, index, axis=axis))


@_reads("Slice")
def _slice(node: _Node) -> Value:
    starts, ends = (node.numbers(place, "") or [] for place in (1, 2))
    axes = node.numbers(3, "axes") or list(range(len(starts)))
    steps = node.numbers(4, "steps") or [1] * len(starts)
    cut = [slice(None)] * len(node.inputs[0].shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = node.inputs[0].shape[axis]
        last = None if step < 0 and end < -size else end
        cut[axis] = slice(start, last, step)
    return node.builder.moved(node.inputs[0], lambda places: places[tuple(cut)])


@_reads("Split")
def _split(node: _Node) -> list[Value]:
    x, axis, sizes = node.inputs[0], node.get("axis", 0), node.numbers(1, "split")
    if sizes is None:
        each = -(-x.shape[axis] // node.outputs)
        sizes = [min(each, x.shape[axis] - k * each) for k in range(node.outputs)]
    ends = np.cumsum(sizes)[:-1]
    parts = np.split(x.places, ends, axis=axis)
    return [node.builder.moved(x, lambda _, part=part: part) for part in parts]  # type: ignore[misc]


@_reads("Pad")
def _pad(node: _Node) -> Value:
    x, pads, mode = node.inputs[0], node.numbers(1, "pads") or [], node.get("mode", "constant")
    axes = node.numbers(3, "axes") or list(range(len(x.shape)))
    pairs = [(0, 0)] * len(x.shape)
    for k, axis in enumerate(axes):
        pairs[axis] = (pads[k], pads[k + len(axes)])
    if min(min(pair) for pair in pairs) < 0:
        raise Unsupported("a pad takes away", value=pads, remedy="use Slice")
    fill = 0.0 if node.given(2) is None else float(node.constant(2).reshape(-1)[0])
    if mode == "constant":
        return node.builder.moved(x, lambda places: np.pad(places, pairs, constant_values=-1), fill)
    if mode not in ("reflect", "edge", "wrap"):
        raise Unsupported("a way to pad is not known", value=mode, remedy=_REMEDY)
    how: Any = mode
    return node.builder.moved(x, lambda places: np.pad(places, pairs, mode=how))
