"""Graphs from torch modules of any forward that `torch.export` can trace.

What a module does to one input of a given shape is traced into operations without side effects;
each is one of the handlers below, or refused by its name and its place in the model. Constants are
folded in float64. A new operation is one function here, which is why all stand in one file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from operator import getitem
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray, Rational, whole_number
from exact.arithmetic.stored_numbers import plain_array
from exact.errors import InvalidInput, Unsupported
from exact.networks.activations import AbsoluteValue, HardTanh, LeakyReLU, ReLU
from exact.networks.graphs.graph import Graph
from exact.sources.graph_builder import GraphBuilder, Value, Window
from exact.sources.torch_comparison import refuse_another_function

Handler = Callable[..., Any]
_HANDLERS: dict[str, Handler] = {}
_MOVES = (
    *("view", "reshape", "_unsafe_view", "flatten", "unflatten", "permute", "transpose", "t"),
    *("squeeze", "unsqueeze", "slice", "select", "expand", "alias", "clone", "contiguous"),
    *("detach", "narrow", "unbind", "split", "split_with_sizes", "chunk", "flip", "roll"),
    *("repeat", "movedim", "swapaxes", "numpy_T", "index", "index_select", "unfold"),
    *("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "upsample_nearest1d"),
    *("upsample_nearest2d", "lift_fresh_copy", "expand_as", "view_as"),
)
"""Operations that only move numbers about: they are run on the places."""
_PLACE = re.compile(r'File "([^"]+)", line (\d+)')
_REMEDY = (
    "end the model in front of it, or write it by convolutions, pools, sums, maxima and rectifiers"
)


def read_traced(module: nn.Module, input_shape: Sequence[int]) -> Graph:
    """The graph of what a module in evaluation mode computes of one input of shape `input_shape`,
    which the batch is no part of; its numbers in C order.

    Raises Unsupported for an operation that is none of a piecewise affine graph, with its name, its
    module and its line; InvalidInput for batch norm or dropout in training mode, a shape that the
    module does not take, and NaN or infinite parameters; and where the graph is another function
    than `module(x)` in float64. Cost: a trace, and 13 points through module and graph.
    """
    if not isinstance(input_shape, Sequence) or isinstance(input_shape, str):
        raise InvalidInput(
            "input_shape is no shape",
            value=repr(input_shape),
            remedy="give the sizes of one input without the batch, as (3, 32, 32) or (10,)",
        )
    shape = tuple(whole_number(size, "input_shape") for size in input_shape)
    _refuse_training(module)
    with torch.no_grad():
        program = _traced(module, shape)
        graph = _Reader(program, shape).graph()
    refuse_another_function(graph, _Shaped(module, shape))
    return graph


class _Shaped(nn.Module):
    """A module on vectors."""

    def __init__(self, module: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.module, self.shape = module, shape

    def forward(self, x: torch.Tensor) -> Any:
        found = self.module(x.reshape(-1, *self.shape))
        return found.reshape(len(found), -1) if isinstance(found, torch.Tensor) else found


def _refuse_training(module: nn.Module) -> None:
    for name, part in module.named_modules():
        own = isinstance(part, _BatchNorm | _DropoutNd)
        if own and (part.training or getattr(part, "running_var", part) is None):
            raise InvalidInput(
                "a module computes something else in training than in evaluation",
                value=f"{name or 'the module'} ({type(part).__name__}) in training mode",
                remedy="call model.eval() first, and track running statistics",
            )


def _traced(module: nn.Module, shape: tuple[int, ...]) -> Any:
    parameter = next(iter(module.parameters()), None)
    dtype = torch.float32 if parameter is None else parameter.dtype
    example = torch.zeros((1, *shape), dtype=dtype if dtype.is_floating_point else torch.float32)
    try:
        return torch.export.export(module, (example,)).run_decompositions({})
    except Exception as error:  # whatever a module of one's own, or the tracer, raises
        told = " ".join(str(error).split())
        raise Unsupported(
            "the module cannot be traced for one input of this shape",
            value=f"{shape}: {type(error).__name__}: {told[:120]}",
            remedy="give the shape of one input without the batch, and a forward whose steps do "
            "not depend on values",
        ) from error


class _Reader:
    """The nodes of a traced program, one after the other."""

    def __init__(self, program: Any, shape: tuple[int, ...]) -> None:
        self._program, self.builder = program, GraphBuilder((1, *shape))
        self._known: dict[Any, Any] = {}

    def graph(self) -> Graph:
        """The graph of the only output."""
        stored = _constants(self._program)
        for node in self._program.graph.nodes:
            if node.op == "placeholder":
                self._known[node] = stored.get(node.name, self.builder.input)
            elif node.op == "call_function":
                self._known[node] = self._called(node)
        outputs = self._program.graph.output_node().args[0]
        found = [self._known[node] for node in outputs]
        if len(found) != 1 or not isinstance(found[0], Value):
            raise Unsupported(
                "the model does not return one tensor that depends on its input",
                value=f"{len(found)} outputs",
                remedy="wrap it in a module that returns the output alone",
            )
        return self.builder.graph(found[0])

    def _called(self, node: Any) -> Any:
        args = torch.fx.node.map_arg(node.args, self._known.__getitem__)
        kwargs = torch.fx.node.map_arg(node.kwargs, self._known.__getitem__)
        if node.target is getitem:
            return args[0][args[1]]
        values = [x for x in _flat((args, tuple(kwargs.values()))) if isinstance(x, Value)]
        if not values:
            return node.target(*args, **kwargs)
        name = node.target.name().split("::")[-1].split(".")[0]
        if name.startswith("_assert"):  # of what is known here: shapes and types
            return None
        handler = _HANDLERS.get(name)
        try:
            if handler is not None:
                return handler(self.builder, *args, **kwargs)
            if name in _MOVES and len(values) == 1:
                return _moved(self.builder, node.target, args, kwargs)
        except (InvalidInput, Unsupported) as error:
            raise type(error)(
                error.wrong, value=f"{error.value}, at {_where(node)}", remedy=error.remedy
            ) from error
        raise Unsupported(
            "the model does what no piecewise affine graph does", value=_where(node), remedy=_REMEDY
        )


def _constants(program: Any) -> dict[str, Any]:
    """Parameters, buffers and constants under the names of their nodes, floats as float64."""
    found = dict[str, Any]()
    for spec in program.graph_signature.input_specs:
        target = spec.target
        if target is None:
            continue
        tensor = program.state_dict.get(target)
        tensor = program.constants[target] if tensor is None else tensor
        array = plain_array(tensor, target)
        bad = np.argwhere(~np.isfinite(array)) if array.dtype.kind == "f" else np.zeros((0, 0))
        if len(bad):
            raise InvalidInput(
                "a tensor has a non-finite entry",
                value=f"{target}{bad[0].tolist()} = {array[tuple(bad[0].tolist())]}",
                remedy="train or export the network again: every entry must be finite",
            )
        wide = array.astype(np.float64) if array.dtype.kind == "f" else array
        found[spec.arg.name] = torch.from_numpy(np.array(wide))
    return found


def _flat(values: Any) -> list[Any]:
    if isinstance(values, tuple | list):
        return [x for value in values for x in _flat(value)]
    return [values]


def _where(node: Any) -> str:
    """A node's name, its operation, and where it stands in the model."""
    stack = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
    lines = _PLACE.findall(node.meta.get("stack_trace") or "")
    line = f", {lines[-1][0].rpartition('/')[2]} line {lines[-1][1]}" if lines else ""
    own = f" in {stack[-1]}" if stack and stack[-1] else ""
    return f"{node.name} ({node.target}){own}{line}"


def _moved(builder: GraphBuilder, target: Any, args: Any, kwargs: Any) -> Any:
    """What an operation does to the places of the one value that it reads."""
    (value,) = [x for x in _flat((args, tuple(kwargs.values()))) if isinstance(x, Value)]
    places = torch.from_numpy(value.places.astype(np.float64))
    args, kwargs = _with(args, value, places), _with(kwargs, value, places)
    found = target(*args, **kwargs)
    if isinstance(found, torch.Tensor):
        return builder.moved(value, lambda _: found.numpy().astype(np.int64))
    parts = [part.numpy().astype(np.int64) for part in found]
    return [builder.moved(value, partial(_given, part)) for part in parts]


def _given(found: IndexArray, _: IndexArray) -> IndexArray:
    return found


def _with(tree: Any, value: Value, other: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _with(x, value, other) for key, x in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)(_with(x, value, other) for x in tree)
    return other if tree is value else tree


# ---- operations


def _reads(*names: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        _HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


def _floats(tensor: Any) -> FloatArray:
    found: FloatArray = tensor.numpy().astype(np.float64)
    return found


def _maybe(tensor: Any) -> FloatArray | None:
    return None if tensor is None else _floats(tensor)


def _number(x: Any) -> Any:
    return _floats(x) if isinstance(x, torch.Tensor) else x


def _sizes(given: Any, axes: int, default: int = 0) -> tuple[int, ...]:
    sizes = tuple(given) if isinstance(given, tuple | list) else (given,)
    sizes = sizes or (default,)
    return sizes * axes if len(sizes) == 1 else sizes


@_reads("conv1d", "conv2d")
def _conv(
    builder: GraphBuilder,
    x: Value,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Value:
    axes = weight.dim() - 2
    kernel, gaps = tuple(weight.shape[2:]), _sizes(dilation, axes)
    if padding == "same":
        whole = [d * (k - 1) for k, d in zip(kernel, gaps, strict=True)]
        pads = tuple((w // 2, w - w // 2) for w in whole)
    else:
        pads = tuple((p, p) for p in _sizes(0 if padding == "valid" else padding, axes))
    window = Window(kernel, _sizes(stride, axes), pads, gaps)
    return builder.convolution(x, _floats(weight), _maybe(bias), window, groups)


@_reads("linear")
def _linear(builder: GraphBuilder, x: Value, weight: Any, bias: Any = None) -> Value:
    return builder.matrix(x, _floats(_constant(weight)), _maybe(bias))


@_reads("mm", "matmul", "addmm")
def _matmul(builder: GraphBuilder, *args: Any) -> Any:
    *bias, x, weight = args
    found = builder.matrix(x, _floats(_constant(weight)).T)
    return _add(builder, found, bias[0]) if bias else found


def _constant(tensor: Any) -> Any:
    if isinstance(tensor, Value):
        raise Unsupported(
            "a product of two values is not piecewise affine",
            value="two values that depend on the input",
            remedy=_REMEDY,
        )
    return tensor


@_reads("_native_batch_norm_legit_no_training")
def _batch_norm(
    builder: GraphBuilder,
    x: Value,
    gain: Any,
    shift: Any,
    mean: Any,
    variance: Any,
    _: float,
    eps: float,
) -> list[Value]:
    parts = _maybe(gain), _maybe(shift), _floats(mean), _floats(variance)
    return [builder.batch_norm(x, parts, eps)]


@_reads("add")
def _add(builder: GraphBuilder, x: Any, y: Any, alpha: float = 1) -> Any:
    terms = [x, y if alpha == 1 else _mul(builder, y, alpha)]
    values = [term for term in terms if isinstance(term, Value)]
    if len(values) == 2:
        return builder.added(values)
    (constant,) = [_number(term) for term in terms if not isinstance(term, Value)]
    return builder.scaled(values[0], 1, constant)


@_reads("sub")
def _sub(builder: GraphBuilder, x: Any, y: Any, alpha: float = 1) -> Any:
    return _add(builder, x, _mul(builder, y, -alpha))


@_reads("rsub")
def _rsub(builder: GraphBuilder, x: Any, y: Any, alpha: float = 1) -> Any:
    return _sub(builder, y, x, alpha)


@_reads("neg")
def _neg(builder: GraphBuilder, x: Value) -> Value:
    return builder.scaled(x, -1)


@_reads("mul")
def _mul(builder: GraphBuilder, x: Any, y: Any) -> Any:
    if not (isinstance(x, Value) or isinstance(y, Value)):
        return x * y
    value, factor = (x, y) if isinstance(x, Value) else (y, x)
    return builder.scaled(value, _number(_constant(factor)))


@_reads("div")
def _div(builder: GraphBuilder, x: Any, y: Any) -> Value:
    divisors = np.asarray(_number(_constant(y)))
    if not isinstance(x, Value) or (divisors == 0).any():
        _constant(y if isinstance(y, Value) else builder.input)
    exact = [1 / Rational(*float(d).as_integer_ratio()) for d in divisors.reshape(-1)]
    return builder.scaled(x, np.array(exact, dtype=object).reshape(divisors.shape))


@_reads("relu")
def _relu(builder: GraphBuilder, x: Value) -> Value:
    return builder.activated(x, ReLU())


@_reads("leaky_relu")
def _leaky(builder: GraphBuilder, x: Value, slope: float = 0.01) -> Value:
    return builder.activated(x, LeakyReLU(slope))  # type: ignore[arg-type]


@_reads("prelu", "_prelu_kernel")
def _prelu(builder: GraphBuilder, x: Value, slopes: Any) -> Value:
    own = _floats(slopes)
    if own.ndim == 1 and own.size > 1:
        own = own.reshape(-1, *[1] * (len(x.shape) - 2))
    return builder.leaky(x, own)


@_reads("abs")
def _abs(builder: GraphBuilder, x: Value) -> Value:
    return builder.activated(x, AbsoluteValue())


@_reads("hardtanh", "clamp", "clamp_min", "clip")
def _clamp(builder: GraphBuilder, x: Value, low: Any = None, high: Any = None) -> Value:
    return builder.clamped(x, low, high)


@_reads("clamp_max")
def _clamp_max(builder: GraphBuilder, x: Value, high: Any) -> Value:
    return builder.clamped(x, None, high)


@_reads("relu6")
def _relu6(builder: GraphBuilder, x: Value) -> Value:
    return builder.clamped(x, 0, 6)


@_reads("hardsigmoid")
def _hardsigmoid(builder: GraphBuilder, x: Value) -> Value:
    share = np.array(Rational(1, 6), dtype=object)
    return builder.activated(builder.scaled(x, share, 0.5), HardTanh(0, 1))  # type: ignore[arg-type]


@_reads("max_pool1d", "max_pool2d", "max_pool2d_with_indices")
def _max_pool(
    builder: GraphBuilder,
    x: Value,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil: bool = False,
) -> Value:
    return builder.max_pool(x, _window(x, kernel, stride, padding, dilation, ceil))


def _window(x: Value, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> Window:
    axes = len(x.shape) - 2
    sizes = _sizes(kernel, axes)
    steps = _sizes(stride, axes) if stride not in ((), [], None) else sizes
    pads = tuple((p, p) for p in _sizes(padding, axes))
    return Window(sizes, steps, pads, _sizes(dilation, axes), ceil)


@_reads("avg_pool1d", "avg_pool2d")
def _avg_pool(
    builder: GraphBuilder,
    x: Value,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil: bool = False,
    with_padding: bool = True,
    divisor: int | None = None,
) -> Value:
    window = _window(x, kernel, stride, padding, 1, ceil)
    return builder.average_pool(x, window, with_padding, divisor)


@_reads("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d")
def _adaptive_avg(builder: GraphBuilder, x: Value, sizes: Any) -> Value:
    return builder.means(x, *builder.bins(x, _sizes(sizes, len(x.shape) - 2)))


@_reads("adaptive_max_pool1d", "adaptive_max_pool2d")
def _adaptive_max(builder: GraphBuilder, x: Value, sizes: Any) -> list[Value]:
    return [builder.windows(x, *builder.bins(x, _sizes(sizes, len(x.shape) - 2)))]


@_reads("mean")
def _mean(builder: GraphBuilder, x: Value, dim: Any = None, keep: bool = False, **_: Any) -> Value:
    return builder.mean_over(x, _axes(dim), keep)


@_reads("sum")
def _sum(builder: GraphBuilder, x: Value, dim: Any = None, keep: bool = False, **_: Any) -> Value:
    return builder.sum_over(x, _axes(dim), keep)


def _axes(dim: Any) -> list[int]:
    return [] if dim is None else list(dim) if isinstance(dim, tuple | list) else [dim]


@_reads("amax")
def _amax(builder: GraphBuilder, x: Value, dim: Any = (), keepdim: bool = False) -> Value:
    return builder.max_over(x, _axes(dim), keepdim)


@_reads("max")
def _max(builder: GraphBuilder, x: Value, other: Any = None, keep: bool = False) -> Any:
    if other is None:
        return builder.max_over(x, [], False)
    return (
        [builder.max_over(x, [other], keep)]
        if isinstance(other, int)
        else _maximum(builder, x, other)
    )


@_reads("maximum")
def _maximum(builder: GraphBuilder, x: Any, y: Any) -> Value:
    like = x if isinstance(x, Value) else y
    pair = [
        one if isinstance(one, Value) else builder.constant(like, _number(one)) for one in (x, y)
    ]
    return builder.maximum(pair)


@_reads("minimum", "min")
def _minimum(builder: GraphBuilder, x: Any, y: Any) -> Any:
    return _neg(builder, _maximum(builder, _mul(builder, x, -1), _mul(builder, y, -1)))


@_reads("cat")
def _cat(builder: GraphBuilder, values: Sequence[Any], axis: int = 0) -> Value:
    like = next(value for value in values if isinstance(value, Value))
    whole = [v if isinstance(v, Value) else _of_constants(builder, like, v) for v in values]
    return builder.concatenated(whole, axis)


def _of_constants(builder: GraphBuilder, like: Value, tensor: Any) -> Value:
    shape = tuple(tensor.shape)
    zeros = builder.scaled(
        builder.moved(like, lambda places: np.broadcast_to(places.reshape(-1)[:1], shape)), 0
    )
    return builder.scaled(zeros, 1, _floats(tensor))


@_reads("stack")
def _stack(builder: GraphBuilder, values: Sequence[Value], axis: int = 0) -> Value:
    place = axis % (len(values[0].shape) + 1)
    rows = [builder.moved(value, lambda places: np.expand_dims(places, place)) for value in values]
    return builder.concatenated(rows, place)


@_reads("pad", "constant_pad_nd")
def _pad(
    builder: GraphBuilder, x: Value, pads: Sequence[int], mode: Any = "constant", fill: Any = None
) -> Value:
    if not isinstance(mode, str):
        mode, fill = "constant", mode
    places = torch.from_numpy(x.places.astype(np.float64))
    extra = {"value": -1.0} if mode == "constant" else {}
    found = torch.nn.functional.pad(places, list(pads), mode=mode, **extra)
    return builder.moved(x, lambda _: found.numpy().astype(np.int64), fill or 0)


@_reads("_to_copy", "to")
def _to(builder: GraphBuilder, x: Value, *_: Any, dtype: Any = None, **__: Any) -> Value:
    if dtype is not None and not dtype.is_floating_point:
        raise Unsupported("a cast is no piecewise affine map", value=dtype, remedy=_REMEDY)
    return x


@_reads("dropout", "native_dropout", "bernoulli", "rand_like")
def _random(builder: GraphBuilder, *args: Any, **_: Any) -> Value:
    if len(args) > 2 and args[2] is False:
        found: Value = args[0]
        return found
    raise InvalidInput(
        "the model draws random numbers",
        value="dropout in training mode",
        remedy="call model.eval(), and give F.dropout training=self.training",
    )
