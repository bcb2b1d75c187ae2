"""Attention of one GPT-2 block at one position, as a function of the residual vector there: with
its pattern free, and with the pattern frozen, when it is an affine map behind a norm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from exact import Block, Layer, LayerNorm, Network
from exact.arithmetic.numbers import FloatArray
from studies.statistics import Degenerate
from toy_models import language


@dataclass(frozen=True, eq=False)
class Attention:
    """The attention of one block: the norm in front of it, and the weights of its heads; query, key
    and value are (heads, d, d_head) with biases (heads, d_head), `out` is (heads, d_head, d).
    """

    norm: LayerNorm
    query: FloatArray
    key: FloatArray
    value: FloatArray
    biases: tuple[FloatArray, FloatArray, FloatArray]
    out: FloatArray
    out_bias: FloatArray

    @classmethod
    def of(cls, model: Any, layer: int) -> Attention:
        """Of a block of a GPT2LMHeadModel. Raises Degenerate where its norm is no LayerNorm."""
        block, heads = model.transformer.h[layer], model.config.n_head
        if not isinstance(block.ln_1, torch.nn.LayerNorm):
            raise Degenerate(
                "attention behind another norm is not known",
                value=type(block.ln_1).__name__,
                remedy="take a GPT-2",
            )
        weight, bias = _array(block.attn.c_attn.weight), _array(block.attn.c_attn.bias)
        d = len(weight)
        parts = weight.reshape(d, 3, heads, d // heads).transpose(1, 2, 0, 3)
        offsets = bias.reshape(3, heads, d // heads)
        norm = LayerNorm.of(
            eps=block.ln_1.eps, gain=_array(block.ln_1.weight), bias=_array(block.ln_1.bias), dim=d
        )
        out = _array(block.attn.c_proj.weight).reshape(heads, d // heads, d)
        biases = (offsets[0], offsets[1], offsets[2])
        return cls(norm, parts[0], parts[1], parts[2], biases, out, _array(block.attn.c_proj.bias))

    def at(self, context: FloatArray, layer_input: FloatArray) -> AtPosition:
        """At a position whose residual vector is `layer_input`, behind those of `context` (s x
        d).
        """
        seen = self.norm.forward_float(context) if len(context) else context
        keys, values = (
            np.einsum("sd,hde->hse", seen, weight) + bias[:, None]
            for weight, bias in ((self.key, self.biases[1]), (self.value, self.biases[2]))
        )
        here = AtPosition(self, keys, values, np.zeros(0))
        return replace(here, frozen=here.pattern(layer_input[None])[0])


@dataclass(frozen=True, eq=False)
class AtPosition:
    """Attention at one position: keys and values (heads, s, d_head) of those in front, and the
    `frozen` pattern (heads, s + 1), its own place last.
    """

    attention: Attention
    keys: FloatArray
    values: FloatArray
    frozen: FloatArray

    def _own(self, rows: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Query, key and value (N, heads, d_head) of residual vectors at this position."""
        one = self.attention
        seen = one.norm.forward_float(rows)
        found = (
            np.einsum("nd,hde->nhe", seen, weight) + bias
            for weight, bias in zip((one.query, one.key, one.value), one.biases, strict=True)
        )
        query, key, value = found
        return query, key, value

    def pattern(self, rows: FloatArray) -> FloatArray:
        """The softmax weights (N, heads, s + 1) of residual vectors at this position."""
        query, key, _ = self._own(rows)
        others = np.einsum("nhe,hse->nhs", query, self.keys)
        scores = np.concatenate([others, (query * key).sum(axis=2)[:, :, None]], axis=2)
        scores /= math.sqrt(query.shape[2])
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        return np.asarray(weights / weights.sum(axis=2, keepdims=True))

    def behind(self, rows: FloatArray, pattern: FloatArray) -> FloatArray:
        """The residual vectors (N x d) behind attention with these patterns."""
        value = self._own(rows)[2]
        mixed = np.einsum("nhs,hse->nhe", pattern[:, :, :-1], self.values)
        mixed = mixed + pattern[:, :, -1:] * value
        out = np.einsum("nhe,hed->nd", mixed, self.attention.out)
        return np.asarray(rows + out + self.attention.out_bias)

    def free(self, rows: FloatArray) -> FloatArray:
        """Behind attention, whose pattern follows the change."""
        return self.behind(rows, self.pattern(rows))

    def held(self, rows: FloatArray) -> FloatArray:
        """Behind attention with the frozen pattern."""
        return self.behind(rows, np.repeat(self.frozen[None], len(rows), axis=0))

    def network(self, mlp: Network) -> Network:
        """Attention with the frozen pattern as an exact block x + M norm(x) + c, with the MLP's
        block behind it.
        """
        one, own = self.attention, self.frozen[:, -1]
        matrix = np.einsum("h,hde,hef->fd", own, one.value, one.out)
        mixed = np.einsum("hs,hse->he", self.frozen[:, :-1], self.values)
        mixed = mixed + own[:, None] * one.biases[2]
        constant = np.einsum("he,hed->d", mixed, one.out) + one.out_bias
        head = Layer.of(matrix, constant)
        return Network((Block((head,), norm=one.norm, residual=True), *mlp.blocks))


def contexts(model: Any, layer: int, tokens: torch.Tensor) -> FloatArray:
    """The residual vectors (sequences, positions, d) in front of a block."""
    with torch.no_grad():
        found = model(input_ids=tokens, output_hidden_states=True, use_cache=False)
    return _array(found.hidden_states[layer])


def in_front_of_mlp(model: Any, layer: int, tokens: torch.Tensor) -> FloatArray:
    """What the model itself has in front of the block's MLP (sequences, positions, d)."""
    return _array(language.capture_residuals(model, layer, tokens).vectors)


def _array(values: torch.Tensor) -> FloatArray:
    return np.asarray(values.detach().cpu().double().numpy())
