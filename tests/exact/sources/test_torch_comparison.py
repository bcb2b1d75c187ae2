"""The network read is compared with the module that runs: what else the module does is refused,
rounding is not.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from exact import InvalidInput, Network, Unsupported
from exact.sources import torch_comparison, torch_modules
from tests.exact import reference

S = nn.Sequential


class Block(nn.Module):
    """A transformer block's MLP with a forward of one's own, described for the reader."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], residual: Any = True) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.norm, self.first, self.second = nn.LayerNorm(4), nn.Linear(4, 6), nn.Linear(6, 4)
        self.drop = nn.Dropout(0.5)
        self._forward, self._residual = forward, residual

    def mlp(self, y: Tensor) -> Tensor:
        return self.drop(self.second(functional.relu(self.first(y))))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Any:
        return self._forward(self, x)

    def exactlens_blocks(self) -> list[Any]:
        return [(self.norm, [self.first, nn.ReLU(), self.second], self._residual)]


def pre_norm(block: Any, x: Tensor) -> Any:
    return x + block.mlp(block.norm(x))


def post_norm(block: Any, x: Tensor) -> Any:
    y = block.norm(x)
    return y + block.mlp(y)


def cast(block: Any, x: Tensor) -> Any:
    """As Hugging Face's norms do: to float32 and back to the dtype of the weights."""
    y = block.norm(x.float()).to(block.first.weight.dtype)
    return (x.half() + block.mlp(y)).type_as(block.first.weight)


def strict(block: Any, x: Tensor) -> Any:
    if x.dtype != block.first.weight.dtype:
        raise TypeError("another dtype")
    return pre_norm(block, x)


def single(block: Any, x: Tensor) -> Any:
    if x.ndim != 1:
        raise ValueError("one vector at a time")
    return pre_norm(block, x)


SAME: dict[str, tuple[Callable[[Any, Tensor], Any], Any]] = {
    "pre-norm": (pre_norm, True),
    "pre-norm by name": (pre_norm, "input"),
    "post-norm": (post_norm, "normed"),
    "casts": (cast, True),
    "a check of dtypes": (strict, True),
    "single vectors": (single, True),
}


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str
)
@pytest.mark.parametrize("name", SAME)
def test_forwards_that_are_their_blocks_are_read(name: str, dtype: torch.dtype) -> None:
    forward, residual = SAME[name]
    # in training mode: the Dropout within does not count
    module = Block(forward, residual).to(dtype)
    before = torch.get_rng_state()
    network = torch_modules.read(module)
    assert torch.equal(before, torch.get_rng_state())
    assert module.training
    assert module.drop.training
    if name == "casts":  # which round in torch's own float64
        module._forward = pre_norm
    double, x = (
        module.eval().double(),
        torch.from_numpy(np.random.default_rng(0).normal(size=(20, 4))),
    )
    with torch.no_grad():
        expected = torch.stack([double(row) for row in x])
    np.testing.assert_allclose(
        network.forward_float(x.numpy()), expected.numpy(), rtol=1e-12, atol=1e-13
    )


OTHER: dict[str, tuple[Callable[[Any, Tensor], Any], Any]] = {
    "post-norm read as pre-norm": (post_norm, True),
    "pre-norm read as post-norm": (pre_norm, "normed"),
    "no skip": (lambda block, x: block.mlp(block.norm(x)), True),
    "a factor": (lambda block, x: pre_norm(block, x) * (1 + 2.0**-30), True),
    "a nan": (lambda block, x: pre_norm(block, x) * float("nan"), True),
}


@pytest.mark.parametrize("name", OTHER)
def test_forwards_that_are_something_else_are_refused(name: str) -> None:
    with pytest.raises(
        InvalidInput, match="something else than the network read from it; got output 0 "
    ):
        torch_modules.read(Block(*OTHER[name]).bfloat16())


NO_MAP: dict[str, tuple[Callable[[Any, Tensor], Any], str]] = {
    "tokens": (lambda block, x: functional.embedding(x, block.first.weight), "RuntimeError"),
    "a tuple": (lambda block, x: (pre_norm(block, x), None), "returns no tensor; got tuple"),
    "another shape": (lambda block, x: pre_norm(block, x)[..., :2], "shape (13, 2)"),
}


@pytest.mark.parametrize("name", NO_MAP)
def test_forwards_that_take_or_return_something_else_are_refused(name: str) -> None:
    forward, shown = NO_MAP[name]
    with pytest.raises(Unsupported) as caught:
        torch_modules.read(Block(forward))
    assert shown in str(caught.value)


def test_blocks_without_a_forward_are_taken_at_their_word() -> None:
    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = Block(pre_norm)

        def exactlens_blocks(self) -> list[Any]:
            return self.body.exactlens_blocks()

    assert torch_modules.read(Alone()).widths == (6,)


def test_what_leaves_no_trace_in_the_module_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    original = functional.linear
    monkeypatch.setattr(functional, "linear", lambda x, w, b=None: original(x, w, b) + 2.0**-40)
    with pytest.raises(InvalidInput, match="something else"):
        torch_modules.read(S(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)))


@pytest.mark.parametrize(
    "size", [(), (0,), ("1", 1), (None, [], False, False), (None, [nn.ReLU()], "norm")], ids=str
)
def test_descriptions_are_checked(size: tuple[Any, ...]) -> None:
    class Wrong(nn.Module):
        def exactlens_blocks(self) -> list[Any]:
            return [size]

    with pytest.raises(InvalidInput, match=r"is not described|unknown residual"):
        torch_modules.read(Wrong())


def random_module(generator: np.random.Generator) -> nn.Sequential:
    """Norms, activations, widths, dtypes and scales at random, degenerate ones among them."""
    bends: list[Callable[[], nn.Module]] = [
        nn.ReLU,
        lambda: nn.LeakyReLU(-3.5),
        nn.Hardtanh,
        nn.GELU,
        nn.SiLU,
        nn.Identity,
        lambda: nn.GELU("tanh"),
        nn.ReLU6,
    ]
    modules, width = list[nn.Module](), int(generator.integers(1, 9))
    for _ in range(int(generator.integers(1, 4))):
        if generator.random() < 0.5:
            kind = nn.LayerNorm if generator.random() < 0.5 else nn.RMSNorm
            modules.append(kind(width, eps=float(generator.choice([0.0, 1e-12, 1e-5, 1.0]))))
        out = int(generator.choice([1, 2, 5, 40]))
        modules += [nn.Linear(width, out), bends[int(generator.integers(len(bends)))]()]
        width = out
    module = S(*modules).to(
        [torch.float16, torch.bfloat16, torch.float32, torch.float64][int(generator.integers(4))]
    )
    changes: list[Callable[[Tensor], Tensor]] = [
        lambda p: torch.randn_like(p) * 10.0 ** float(generator.integers(-4, 4)),
        lambda p: p + 100,
        torch.sign,
        lambda p: p * (torch.rand_like(p) > 0.5),
        lambda p: p * 2.0**-120 if p.dtype == torch.float64 else p,
        lambda p: p * 1e150 if p.dtype == torch.float64 else p,
    ]
    change = changes[int(generator.integers(len(changes)))]
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(change(parameter))
    return module


@pytest.mark.parametrize("flush", [False, True])
def test_rounding_is_never_taken_for_another_function(flush: bool) -> None:
    generator = np.random.default_rng(5)
    torch.set_flush_denormal(flush)
    try:
        for seed in range(150):
            torch.manual_seed(seed)
            assert torch_modules.read(random_module(generator)).input_dim >= 1
    finally:
        torch.set_flush_denormal(False)


def test_the_bound_holds_against_a_hundred_digits() -> None:
    generator, compared = np.random.default_rng(6), 0
    while compared < 100:
        module = random_module(generator)
        network: Network = torch_modules.read(module)
        if network.input_dim > 5 or sum(network.widths) > 20:
            continue
        x = generator.normal(size=(2, network.input_dim))
        found = torch_comparison._forward(network, x)
        for values, errors, point in zip(*found, x.tolist(), strict=True):
            if np.isfinite(errors).all() and np.isfinite(values).all():
                with mpmath.workdps(reference.DIGITS):
                    _, exactly = reference.walk(network, [Fraction(c) for c in point])
                    pairs = zip(values.tolist(), exactly, strict=True)
                    off = [abs(reference.real(Fraction(value)) - number) for value, number in pairs]
                    assert all(
                        x <= reference.real(Fraction(error))
                        for x, error in zip(off, errors.tolist(), strict=True)
                    )
                compared += 1
