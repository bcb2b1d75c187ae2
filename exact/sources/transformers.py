"""MLPs of Hugging Face `transformers` models: live objects, checkpoint folders, plain tensors.

A family of models is one row of the table in :mod:`exact.sources.families`. What is read is the
norm in front of the MLP and the MLP, from tensors and config alone; a live object is also run, in
float64, and compared with what was read. Read through are `torch.compile`, DataParallel, a
TransformerLens `TransformerBridge` and nnsight's `NNsight` and `LanguageModel`; neither package is
imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    RationalMatrix,
    whole_number,
)
from exact.arithmetic.stored_numbers import plain_array
from exact.errors import InvalidInput, Unsupported
from exact.networks.activations import NAMED, Activation
from exact.networks.network import Network
from exact.sources.checkpoint_names import bare
from exact.sources.families import FAMILIES, Family
from exact.sources.gated import GatedMLP
from exact.sources.live_runs import refuse_another_mlp, refuse_unread_norm
from exact.sources.model_tensors import ModelTensors, model_tensors
from exact.sources.tensors import Residual, block, gated_mlp


def mlp(
    model: Any,
    layer: int | str,
    *,
    config: Any = None,
    family: str | Family | None = None,
    residual: bool = False,
) -> Network | GatedMLP:
    """The MLP of one layer behind its norm: a Network, or a GatedMLP where it is gated.

    `model` is a live model (any head), a folder with config.json and safetensors (or a hub name),
    or a state dict, with its `config` (a dict or a config object). `layer` counts from 0, or is the
    path of a block or its MLP ("model.layers.3", "model.layers.3.mlp"). The family is what the
    config says; `family` names another row of its table, or is a `Family` of your own.
    `residual` adds what the residual stream adds behind the MLP, where that is the norm's input
    (pre-norm) or its output (post-norm: BERT, OPT with do_layer_norm_before false).

    The vector that the network reads is what the norm in front of the MLP reads
    (:func:`norm_path`): with a parallel residual (GPT-NeoX, Phi) the block's input, in post-norm
    models the sum behind attention. Gemma's gains are 1 + weight, exactly; the norms that Gemma 2
    and 3 put behind the MLP are not read. Dropout is passed over. The numbers are the floats that
    are stored, whatever their dtype.

    Raises Unsupported for another family, fused gate and up, experts, quantised weights, adapters
    and masks, hooks and forwards of an instance's own, activations that are not known, and a
    `residual` that adds something else; InvalidInput for missing tensors, wrong shapes, non-finite
    numbers, a layer that is not there (the remedy names those that are), and a live model that
    computes something else than was read, or, where `family` is not what its config says, whose MLP
    reads something else than its norm gives. Cost for a live model: 13 points through the MLP, a
    float64 copy of its weights, and with a `family` of another name one forward on four token ids.

    >>> import torch
    >>> parts = {"ln_2": (2,), "mlp.c_fc": (2, 8), "mlp.c_proj": (8, 2)}
    >>> state = {f"h.0.{name}.weight": torch.ones(*shape) for name, shape in parts.items()}
    >>> state |= {f"h.0.{name}.bias": torch.ones(shape[-1]) for name, shape in parts.items()}
    >>> mlp(state, 0, config={"model_type": "gpt2", "n_embd": 2, "n_layer": 1}).widths
    (8,)
    """
    given = model_tensors(model, config)
    row = _family(given, family)
    where = _place(given, row, layer)
    _refuse_quantised(given.config)
    skip = _skip(row, residual)
    read = _assembled(given, row, where, False)
    if given.model is not None and row.modules:
        paths = [f"{where}.{name}".lstrip(".") for name in row.modules]
        refuse_another_mlp(read, given.model, paths)
        if row.norm is not None and row != _known(given):
            refuse_unread_norm(given.model, *paths[:2])
    return read if skip is False else _assembled(given, row, where, skip)


def norm_path(
    model: Any, layer: int | str, *, config: Any = None, family: str | Family | None = None
) -> str:
    """The path of the norm in front of a layer's MLP: what it reads is what the network of
    :func:`mlp` reads.

    >>> state = {"model.layers.0.mlp.fc1.weight": None}
    >>> norm_path(state, 0, config={"model_type": "phi", "num_hidden_layers": 1})
    'model.layers.0.input_layernorm'
    """
    given = model_tensors(model, config)
    row = _family(given, family)
    where = _place(given, row, layer)
    if row.norm is None:
        raise InvalidInput(
            "no norm stands in front of the MLP",
            value=where,
            remedy="take what the MLP itself reads",
        )
    return f"{where}.{row.norm}".lstrip(".")


def module_paths(
    model: Any, layer: int | str, *, config: Any = None, family: str | Family | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The paths of the modules that compute a layer's MLP behind its norm, in turn; and of those
    that compute its first pre-activations.

    >>> state = {"model.layers.0.mlp.fc1.weight": None}
    >>> whole, first = module_paths(state, 0, config={"model_type": "phi", "num_hidden_layers": 1})
    >>> first
    ('model.layers.0.input_layernorm', 'model.layers.0.mlp.fc1')
    """
    given = model_tensors(model, config)
    row = _family(given, family)
    where = _place(given, row, layer)
    first = (row.norm, row.up if row.gate is None else row.gate)
    whole, begun = (
        tuple(f"{where}.{name}".lstrip(".") for name in names if name is not None)
        for names in (row.modules, first)
    )
    return whole, begun


def layer_count(model: Any, *, config: Any = None, family: str | Family | None = None) -> int:
    """How many layers a model has, as :func:`mlp` counts them.

    >>> layer_count({}, config={"model_type": "gpt2", "n_layer": 12})
    12
    """
    given = model_tensors(model, config)
    return _depth(given, _family(given, family))


# ---- the family, and the place of the layer


def _family(given: ModelTensors, family: str | Family | None) -> Family:
    name = given.config.get("model_type") if family is None else family
    row = name if isinstance(name, Family) else FAMILIES.get(str(name))
    if row is None:
        _refuse_fused(given.tensors, str(name))
        raise Unsupported(
            "the family of the model is not known",
            value=name,
            remedy=f"write family= one of {', '.join(FAMILIES)}, or a Family with its names",
        )
    return row.said_in(given.config)


def _known(given: ModelTensors) -> Family | None:
    """The row of what the config says."""
    row = FAMILIES.get(str(given.config.get("model_type")))
    return None if row is None else row.said_in(given.config)


def _refuse_fused(names: Iterable[str], family: str) -> None:
    """Refuse a mixture of experts, whose gate and up may be fused, too; else gate and up fused."""
    held = list(names)
    fused = "split it as the model does (Phi-3 in halves, gpt-oss in every second row), and give "
    fused += "exact.sources.tensors.gated_mlp the parts"
    expert = "give exact.sources.tensors.gated_mlp the tensors of one expert, gate and up apart"
    for part, wrong, remedy in (
        (".experts.", "the layer is a mixture of experts, which no one MLP is", expert),
        ("gate_up_proj", "gate and up are fused in one matrix", fused),
    ):
        for name in held:
            if part in name:
                raise Unsupported(wrong, value=f"{family}: {name}", remedy=remedy)


def _refuse_quantised(config: Mapping[str, Any]) -> None:
    quantised = config.get("quantization_config")
    if quantised is not None:
        method = quantised.get("quant_method") if isinstance(quantised, Mapping) else quantised
        raise Unsupported(
            "the checkpoint is quantised",
            value=method,
            remedy="save the dequantised model, and read that",
        )


def _place(given: ModelTensors, row: Family, layer: int | str) -> str:
    """The path of the block: what stands in front of the names of its parts."""
    if isinstance(layer, str):
        return _place_of_path(given, row, layer)
    layer = whole_number(layer, "layer")
    count = _depth(given, row)
    if not 0 <= layer < count:
        raise InvalidInput(
            "the checkpoint has no such layer", value=layer, remedy=f"give 0 .. {count - 1}"
        )
    own = f"{row.blocks}.{layer}"
    parts = "|".join(re.escape(x) for x in (row.norm, *row.layers.values()) if x is not None)
    within = re.compile(rf"((?:.*\.)?{re.escape(own)})\.(?:{parts})\.")
    found = dict.fromkeys(m.group(1) for m in map(within.match, given.tensors) if m is not None)
    if len(found) > 1:
        raise InvalidInput(
            "the model has several such layers",
            value=tuple(found),
            remedy=f"give the path of one: {next(iter(found))!r}",
        )
    return next(iter(found), own)


def _place_of_path(given: ModelTensors, row: Family, path: str) -> str:
    end = f".{row.up}.weight"
    there = [name.removesuffix(end) for name in given.tensors if name.endswith(end)]
    asked = bare(f"{path}.").removesuffix(".")
    inner = {asked.removesuffix(f".{name}") for name in (*row.modules, "mlp")}
    found = [place for place in there if place in inner | {asked}]
    blocks = re.fullmatch(r"blocks\.(\d+)(?:\.mlp)?", path)  # what TransformerLens calls them
    if not found and blocks is not None and given.model is not None:
        return _place(given, row, int(blocks.group(1)))
    if not found:
        shown = there if len(there) <= 3 else [there[0], "...", there[-1]]
        raise InvalidInput(
            "no such layer stands in the model",
            value=path,
            remedy=f"give one of {', '.join(shown)}" if there else f"none has a {row.up}",
        )
    return found[0]


def _depth(given: ModelTensors, row: Family) -> int:
    """As the config says, or else as many as have a number."""
    if row.depth in given.config:
        count: int = _number(given.config, row.depth, int)
        return count
    numbers = re.compile(rf"(?:.*\.)?{re.escape(row.blocks)}\.(\d+)\.{re.escape(row.up)}\.")
    found = [int(m.group(1)) for m in map(numbers.match, given.tensors) if m is not None]
    return max(found, default=-1) + 1


def _skip(row: Family, residual: bool) -> Residual:
    if not isinstance(residual, bool):
        raise InvalidInput(
            "residual is neither true nor false",
            value=repr(residual),
            remedy="the family says what is added",
        )
    if not residual:
        return False
    if row.gate is not None or row.skip in ("parallel", "norm behind"):
        why = "gated" if row.gate is not None else row.skip
        raise Unsupported(
            "the MLP alone is not what the residual stream adds, or is no Network",
            value=why,
            remedy="read it without residual=True",
        )
    return "normed" if row.skip == "normed" else "input"


# ---- the numbers


def _assembled(given: ModelTensors, row: Family, where: str, skip: Residual) -> Network | GatedMLP:
    made: dict[str, Any] = {"activation": _activation(given.config, row)}
    arrays = _arrays(given, row, where)
    if row.norm is not None:
        eps: Any = row.eps
        made |= {
            "norm": row.norm_kind,
            "gain": _gain(arrays.get(f"{row.norm}.weight"), row.gain_plus),
            "bias": arrays.get(f"{row.norm}.bias"),
            "eps": _number(given.config, eps[0], float, eps[1]) if isinstance(eps, tuple) else eps,
        }
    parts = ("up", "down") if row.gate is None else ("gate", "up", "down")
    weights, biases = (
        [arrays.get(f"{row.layers[part]}.{kind}") for part in parts] for kind in ("weight", "bias")
    )
    if row.transposed:
        weights = [weight.T for weight in weights if weight is not None]
    if row.gate is None:
        (w_in, w_out), (b_in, b_out) = weights, biases
        return block(w_in, b_in, w_out, b_out, residual=skip, **made)
    (w_gate, w_up, w_down), (b_gate, b_up, b_down) = weights, biases
    return gated_mlp(w_gate, w_up, w_down, b_gate, b_up, b_down, **made)


def _gain(weight: FloatArray | None, plus: int) -> RationalMatrix | None:
    """The exact sum: 1 + w is no float64 for small w."""
    if weight is None or plus == 0:
        return None if weight is None else RationalMatrix.from_floats(weight)
    exact = RationalMatrix.from_floats(weight).exact
    more = RationalArray(exact.nrows(), 1, [Rational(plus)] * exact.nrows())
    return RationalMatrix.from_backend(exact + more)


def _activation(config: Mapping[str, Any], row: Family) -> Activation:
    said: object = _said(config, row.activation)
    if isinstance(said, Activation):
        return said
    found = NAMED.get((row.renamed or {}).get(str(said), str(said)))
    if said == "solu":
        raise Unsupported(
            "SoLU, z softmax(z), mixes all neurons: it is not piecewise affine and has no codes",
            value=said,
            remedy="capture the activations by a hook, and measure those",
        )
    if found is None:
        raise Unsupported("unknown activation", value=said, remedy=f"one of {list(NAMED)}")
    return found


def _said(config: Mapping[str, Any], entry: Any) -> Any:
    return config.get(*entry) if isinstance(entry, tuple) else entry


def _arrays(given: ModelTensors, row: Family, where: str) -> dict[str, FloatArray]:
    """The tensors of the layer by their names within it, all that there must be and no others."""
    start = f"{where}." if where else ""
    owners = (*row.modules, *row.layers.values(), *([] if row.norm is None else [row.norm]))
    there = {
        name.removeprefix(start): name
        for name in given.tensors
        if name.startswith(tuple(f"{start}{owner}." for owner in owners))
    }
    _refuse_fused((name for name in given.tensors if name.startswith(start)), where)
    wanted = _wanted(given.config, row, there)
    for name in sorted(there.keys() - wanted):
        raise Unsupported(
            "the layer has tensors beside its weights",
            value=given.stored[there[name]],
            remedy="merge adapters, masks and scales into the weights, and save again",
        )
    found = {}
    for name in wanted:
        if name not in there:
            raise InvalidInput(
                "the checkpoint lacks a tensor",
                value=f"{start}{name}",
                remedy="give a complete checkpoint of the family that its config says",
            )
        found[name] = _numbers(there[name], given.tensors[there[name]]())
    _check_shapes(given.config, row, found)
    return found


def _wanted(config: Mapping[str, Any], row: Family, there: Iterable[str]) -> list[str]:
    affine, bias = (
        None if entry is None else _said(config, entry) for entry in (row.affine, row.bias)
    )
    names = [] if row.norm is None or affine is False else [f"{row.norm}.weight"]
    if names and row.norm_kind == "layernorm":
        names.append(f"{row.norm}.bias")
    if affine is None:
        names = [name for name in names if name in there]
    for name in row.layers.values():
        names.append(f"{name}.weight")
        if bias or (bias is None and f"{name}.bias" in there):
            names.append(f"{name}.bias")
    return names


def _numbers(name: str, tensor: Any) -> FloatArray:
    stored = plain_array(tensor, name)
    if stored.dtype != np.float64:
        raise InvalidInput(
            f"{name} has integers",
            value=stored.dtype,
            remedy="save the dequantised model, and read that",
        )
    for place in np.argwhere(~np.isfinite(stored))[:1].tolist():
        raise InvalidInput(
            "a tensor has a non-finite entry",
            value=f"{name}{place} = {stored[tuple(place)]}",
            remedy="every entry must be finite",
        )
    return stored


def _check_shapes(config: Mapping[str, Any], row: Family, found: Mapping[str, FloatArray]) -> None:
    if row.sizes is None:
        return
    n = _number(config, row.sizes[0], int)
    inner = config.get(row.sizes[1])
    m = 4 * n if inner is None else _number(config, row.sizes[1], int)
    for kind in ("weight", "bias"):
        _check_shape(found, f"{row.norm}.{kind}", (n,))
    shapes = {"up": (m, n), "gate": (m, n), "down": (n, m)}
    for part, name in row.layers.items():
        out, into = shapes[part]
        _check_shape(found, f"{name}.weight", (into, out) if row.transposed else (out, into))
        _check_shape(found, f"{name}.bias", (out,))


def _check_shape(found: Mapping[str, FloatArray], name: str, shape: tuple[int, ...]) -> None:
    if name in found and found[name].shape != shape:
        raise InvalidInput(
            "a tensor's shape disagrees with config.json",
            value=f"{name} {found[name].shape}",
            remedy=f"expected {shape}",
        )


def _number(
    config: Mapping[str, Any], key: str, kind: type[int] | type[float], default: Any = None
) -> Any:
    """An entry of config.json as a number; a missing key means the default, if there is one."""
    value = config.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | kind):
        raise InvalidInput(
            f"config.json has no usable {key}",
            value=repr(config.get(key)),
            remedy=f"give {key} as a number",
        )
    try:
        return kind(value)
    except OverflowError as error:
        raise InvalidInput(
            f"{key} in config.json is too large", value=f"{str(value)[:20]}...", remedy="correct it"
        ) from error
