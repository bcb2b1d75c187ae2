"""Networks from plain arrays or nested rationals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from exact.errors import InvalidInput
from exact.networks.activations import Activation, Identity, ReLU, SiLU
from exact.networks.layers import Block, Layer
from exact.networks.network import Network
from exact.networks.norms import NAMED, EpsRule, Norm
from exact.sources.gated import GatedMLP

Residual = bool | Literal["input", "normed"]


def mlp(
    layers: Sequence[tuple[Any, Any]],
    activation: Activation | None = None,
    last: Activation | None = None,
) -> Network:
    """An MLP from (weight, bias) pairs: `activation` (ReLU) after every layer but the last, which
    is linear.

    Weights are (out x in) arrays, tensors or nested rationals; None is a zero bias. `last` puts an
    activation after the last layer too. Raises InvalidInput for shapes that do not fit and
    non-finite entries (named by layer and index).

    >>> mlp([([[1, 2]], [0]), ([[3]], [1])]).widths
    (1,)
    """
    if not isinstance(layers, Sequence) or not all(
        isinstance(pair, Sequence) and len(pair) == 2 for pair in layers
    ):
        raise InvalidInput(
            "an MLP is a sequence of layers",
            value=repr(layers)[:60],
            remedy="give [(weight, bias), ...]",
        )
    if not layers:
        raise InvalidInput(
            "an MLP needs at least one layer", value=layers, remedy="give [(weight, bias), ...]"
        )
    bend = activation or ReLU()
    ends = [bend] * (len(layers) - 1) + [last or Identity()]
    read = [
        Layer.of(w, b, a, f"layers.{i}")
        for i, ((w, b), a) in enumerate(zip(layers, ends, strict=True))
    ]
    return Network((Block(tuple(read)),))


def block(
    w_in: Any,
    b_in: Any,
    w_out: Any,
    b_out: Any,
    norm: str | None = None,
    gain: Any = None,
    bias: Any = None,
    eps: object = 1e-5,
    activation: Activation | None = None,
    residual: Residual = False,
    eps_rule: EpsRule = "var",
) -> Network:
    """One transformer MLP block: `[skip +] w_out act(w_in norm(x) + b_in) + b_out`.

    `norm` is None, "layernorm", "rms" or another name that `exact.networks.norms` knows, with
    optional gain and bias (length d_model) and `eps` under the root (`eps_rule="var"`, PyTorch and
    GPT-2) or beside it ("std"; mathematics.md, "LayerNorm and RMSNorm"). `residual` says what is
    added: "input" (or True) the block's input x, as in pre-norm models (GPT-2, LLaMA, OPT, most
    others); "normed" the vector norm(x), as in post-norm models (BERT and its kin, where the norm
    in front of the MLP belongs to the sum before it), which makes two blocks of the network
    (:func:`blocks_of`).

    >>> layers = [[1, 2]], [0], [[1], [0]], [0, 0]
    >>> made = [block(*layers, norm="rms", residual=kind) for kind in (False, "normed")]
    >>> [network.blocks[-1].residual for network in made]
    [False, True]
    """
    head = Layer.of(w_in, b_in, activation or ReLU(), "w_in")
    tail = Layer.of(w_out, b_out, Identity(), "w_out")
    made = _norm(norm, gain, bias, eps, head.input_dim, eps_rule)
    return Network(tuple(blocks_of([head, tail], made, residual)))


def gated_mlp(
    w_gate: Any,
    w_up: Any,
    w_down: Any,
    b_gate: Any = None,
    b_up: Any = None,
    b_down: Any = None,
    norm: str | None = None,
    gain: Any = None,
    bias: Any = None,
    eps: object = 1e-5,
    activation: Activation | None = None,
    eps_rule: EpsRule = "var",
) -> GatedMLP:
    """One gated MLP: `w_down (act(w_gate n + b_gate) * (w_up n + b_up)) + b_down`, n = norm(x).

    Weights are (out x in), the activation is SiLU, and `norm`, `gain`, `bias`, `eps` and `eps_rule`
    are those of :func:`block`.

    >>> gated_mlp([[1, 0]], [[0, 1]], [[2]], norm="rms").gate.norms
    (RMSNorm(dim=2, eps=1e-05, eps_rule='var'),)
    """
    gate = Layer.of(w_gate, b_gate, activation or SiLU(), "w_gate")
    up, down = (
        Layer.of(weight, shift, Identity(), name)
        for weight, shift, name in ((w_up, b_up, "w_up"), (w_down, b_down, "w_down"))
    )
    made = _norm(norm, gain, bias, eps, gate.input_dim, eps_rule)
    return GatedMLP(Network((Block((gate,), made),)), up, down)


def _norm(
    norm: str | None, gain: Any, bias: Any, eps: object, dim: int, eps_rule: EpsRule
) -> Norm | None:
    if norm is not None and norm not in NAMED:
        raise InvalidInput(
            "unknown norm", value=repr(norm), remedy=f"write one of {', '.join(NAMED)}, or None"
        )
    if norm is None and (gain is not None or bias is not None):
        raise InvalidInput(
            "gain and bias need a norm", value="norm=None", remedy='give norm="layernorm" or "rms"'
        )
    return None if norm is None else NAMED[norm].of(eps, gain, bias, dim, eps_rule)


def blocks_of(
    layers: Sequence[Layer], norm: Norm | None = None, residual: Residual = False
) -> list[Block]:
    """`[skip +] layers(norm(x))` as blocks: one, or two where the skip carries the normed vector.

    With y = norm(x), `y + layers(y)` is the norm in front of an identity layer, and then a residual
    block without norm: the same function, exactly. Raises InvalidInput for "normed" without a norm.
    """
    if residual_name(residual) != "normed":
        return [Block(tuple(layers), norm, bool(residual))]
    if norm is None:
        raise InvalidInput(
            'residual="normed" needs a norm',
            value="no norm",
            remedy='give the norm, or residual="input"',
        )
    carry = Layer.of(np.eye(norm.dim), None, Identity(), "identity")
    return [Block((carry,), norm), Block(tuple(layers), None, True)]


def residual_name(residual: Residual) -> Residual:
    """False, "input" or "normed"; True is "input"."""
    if not isinstance(residual, bool) and residual not in ("input", "normed"):
        raise InvalidInput(
            "unknown residual", value=repr(residual), remedy='write False, "input" or "normed"'
        )
    return "input" if residual is True else residual
