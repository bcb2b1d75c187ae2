"""Networks from plain arrays or nested rationals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from exact.activations import Activation, Identity, ReLU
from exact.errors import InvalidInput
from exact.network import Block, Layer, Network
from exact.norms import EpsRule, LayerNorm, Norm, RMSNorm

NormName = Literal["layernorm", "rms"]
_NORMS: dict[str, type[Norm]] = {"layernorm": LayerNorm, "rms": RMSNorm}


def mlp(layers: Sequence[tuple[Any, Any]], activation: Activation | None = None, last: Activation | None = None) -> Network:
    """An MLP from (weight, bias) pairs: `activation` (ReLU) after every layer but the last, which is linear.

    Weights are (out x in) arrays, tensors or nested rationals; None is a zero bias. `last` puts an activation after the
    last layer too. Raises InvalidInput for shapes that do not fit and non-finite entries (named by layer and index).

    >>> mlp([([[1, 2]], [0]), ([[3]], [1])]).widths
    (1,)
    """
    if not isinstance(layers, Sequence) or not all(isinstance(pair, Sequence) and len(pair) == 2 for pair in layers):
        raise InvalidInput("an MLP is a sequence of layers", value=repr(layers)[:60], remedy="give [(weight, bias), ...]")
    if not layers:
        raise InvalidInput("an MLP needs at least one layer", value=layers, remedy="give [(weight, bias), ...]")
    bend = activation or ReLU()
    ends = [bend] * (len(layers) - 1) + [last or Identity()]
    read = [Layer.of(w, b, a, f"layers.{i}") for i, ((w, b), a) in enumerate(zip(layers, ends, strict=True))]
    return Network((Block(tuple(read)),))


def block(
    w_in: Any,
    b_in: Any,
    w_out: Any,
    b_out: Any,
    norm: NormName | None = None,
    gain: Any = None,
    bias: Any = None,
    eps: object = 1e-5,
    activation: Activation | None = None,
    residual: bool = False,
    eps_rule: EpsRule = "var",
) -> Network:
    """One transformer MLP block: `[x +] w_out act(w_in norm(x) + b_in) + b_out`.

    `norm` is None, "layernorm" or "rms", with optional gain and bias (length d_model) and `eps` under the root
    (`eps_rule="var"`, PyTorch and GPT-2) or beside it ("std", seed 002).
    """
    head = Layer.of(w_in, b_in, activation or ReLU(), "w_in")
    tail = Layer.of(w_out, b_out, Identity(), "w_out")
    if norm is not None and norm not in _NORMS:
        raise InvalidInput("unknown norm", value=repr(norm), remedy='write "layernorm", "rms" or None')
    if norm is None and (gain is not None or bias is not None):
        raise InvalidInput("gain and bias need a norm", value="norm=None", remedy='give norm="layernorm" or "rms"')
    made = None if norm is None else _NORMS[norm].of(eps, gain, bias, head.weight.shape[1], eps_rule)
    return Network((Block((head, tail), made, residual),))
