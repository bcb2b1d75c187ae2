"""What a module does beside its weights is refused by name; what changes nothing is looked through,
and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.nn.utils import fusion, parametrizations, parametrize, prune

from exact import InvalidInput, Unsupported
from exact.sources import torch_modules

S = nn.Sequential


def small() -> Any:
    torch.manual_seed(0)
    return S(nn.Linear(3, 5), nn.ReLU(), S(nn.Linear(5, 2)))


def doubled(module: nn.Module, arguments: Any, output: Tensor) -> Tensor:
    return 2 * output


def shifted(module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
    return (arguments[0] + 1,)


class Called(nn.Linear):
    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x) + 1  # type: ignore[no-any-return]


class Implemented(nn.ReLU):
    def _call_impl(self, x: Tensor) -> Tensor:
        return super()._call_impl(x) + 1  # type: ignore[no-any-return]


def own_forward(module: nn.Module) -> None:
    module.forward = lambda x: x  # type: ignore[method-assign]


def own_call(module: nn.Module) -> None:
    module._call_impl = lambda x: x  # type: ignore[method-assign]


def changed(change: Callable[[Any], Any]) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        module = small()
        change(module)
        return module  # type: ignore[no-any-return]

    return make


# what is done, what the message says, and the remedy
MORE: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "hook on a layer": (
        changed(lambda m: m[0].register_forward_hook(doubled)),
        "0: Linear, doubled",
        "handle.remove()",
    ),
    "hook on an activation": (
        changed(lambda m: m[1].register_forward_hook(doubled)),
        "1: ReLU",
        "handle.remove()",
    ),
    "hook on a parent": (
        changed(lambda m: m[2].register_forward_hook(doubled)),
        "2: Sequential",
        "handle.remove()",
    ),
    "hook on the module": (
        changed(lambda m: m.register_forward_hook(doubled)),
        "the module: Sequential",
        "handle.remove()",
    ),
    "hook with keywords": (
        changed(lambda m: m.register_forward_hook(lambda *_: None, with_kwargs=True)),
        "lambda",
        "remove()",
    ),
    "pre-hook": (
        changed(lambda m: m[2][0].register_forward_pre_hook(shifted)),
        "2.0: Linear, shifted",
        "handle.remove()",
    ),
    "own forward of a layer": (
        changed(lambda m: own_forward(m[0])),
        "forward of its own; got 0: Linear",
        "del module.forward",
    ),
    "own forward of a parent": (
        changed(own_forward),
        "a forward of its own; got the module",
        "del module.forward",
    ),
    "own call": (
        changed(lambda m: own_call(m[1])),
        "a _call_impl of its own; got 1: ReLU",
        "del module._call_impl",
    ),
    "call of a class": (
        lambda: S(Called(2, 2)),
        "a __call__ of its own; got 0: Called",
        "into forward",
    ),
    "call implementation of a class": (
        lambda: S(nn.Linear(2, 2), Implemented()),
        "got 1: Implemented",
        "into forward",
    ),
    "scripted": (
        lambda: torch.jit.script(small()),
        "a graph in the place of its layers",
        "that it was made from",
    ),
    "traced": (
        lambda: S(torch.jit.trace(small(), torch.ones(1, 3))),
        "a graph in the place of its layers",
        "was made from",
    ),
    "exported": (
        lambda: torch.fx.symbolic_trace(small()),
        "a graph in the place of its layers",
        "that it was made from",
    ),
    "weight_norm": (
        changed(lambda m: torch.nn.utils.weight_norm(m[0])),
        "Linear, weight_norm of weight",
        "remove_weight_norm",
    ),
    "spectral_norm": (
        changed(lambda m: torch.nn.utils.spectral_norm(m[0])),
        "spectral_norm of weight",
        "remove_spectral_norm",
    ),
    "pruning": (
        changed(lambda m: prune.l1_unstructured(m[0], "weight", 2)),
        "L1Unstructured pruning of weight",
        "prune.remove(module, 'weight')",
    ),
    "pruned bias, twice": (
        changed(lambda m: [prune.random_unstructured(m[0], "bias", 1) for _ in range(2)]),
        "PruningContainer pruning of bias",
        "prune.remove(module, 'bias')",
    ),
}


@pytest.mark.filterwarnings("ignore")  # the older norms are deprecated
@pytest.mark.parametrize("name", MORE)
def test_what_runs_beside_the_weights_is_refused_by_name(name: str) -> None:
    make, shown, remedy = MORE[name]
    with pytest.raises(Unsupported) as caught:
        torch_modules.read(make())
    assert shown in str(caught.value)
    assert remedy in caught.value.remedy


def test_global_hooks_are_refused() -> None:
    for register in (
        torch_module.register_module_forward_hook,
        torch_module.register_module_forward_pre_hook,
    ):
        handle = register(lambda *_: None)  # type: ignore[arg-type]
        try:
            with pytest.raises(Unsupported, match=r"a global hook .*forward_"):
                torch_modules.read(small())
        finally:
            handle.remove()
    assert torch_modules.read(small()).widths == (5,)


class Described(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self._outside = [body]

    def exactlens_blocks(self) -> list[tuple[None, list[nn.Module], bool]]:
        return [(None, self._outside, False)]


def test_modules_that_are_described_from_outside_are_held_to_it() -> None:
    module = small()
    assert torch_modules.read(Described(module)).widths == (5,)
    module[0].register_forward_hook(doubled)
    with pytest.raises(Unsupported, match="0: Linear, doubled"):
        torch_modules.read(Described(module))


@pytest.mark.filterwarnings("ignore")
def test_the_remedies_are_remedies() -> None:
    """A weight is stale after a step, and right once its hook is removed."""
    pairs: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
        (torch.nn.utils.weight_norm, torch.nn.utils.remove_weight_norm),
        (torch.nn.utils.spectral_norm, torch.nn.utils.remove_spectral_norm),
        (lambda m: prune.l1_unstructured(m, "weight", 4), lambda m: prune.remove(m, "weight")),
    ]
    for add, remove in pairs:
        module = small().eval()
        add(module[0])
        with torch.no_grad():
            for parameter in module[0].parameters():
                parameter.add_(1)
            expected = module(torch.ones(1, 3))
        remove(module[0])
        network = torch_modules.read(module)
        assert network.forward_float([1, 1, 1]).tolist() == pytest.approx(
            expected[0].tolist(), rel=1e-5
        )


def same_state(before: dict[str, Tensor], module: nn.Module) -> bool:
    after = module.state_dict()
    return before.keys() == after.keys() and all(
        torch.equal(before[name], after[name]) for name in before
    )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm", "orthogonal"])
def test_parametrized_weights_are_those_used_now(
    kind: str, dtype: torch.dtype, training: bool
) -> None:
    """In training mode spectral_norm moves its vectors at every look; reading does not."""
    module = small().to(dtype).train(training)
    getattr(parametrizations, kind)(module[0])
    with torch.no_grad():
        for parameter in module[0].parameters():
            parameter.add_(0.25)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    network = torch_modules.read(module)
    assert same_state(before, module)
    assert module.training is training
    used = module.eval()[0].weight.detach().double().tolist()
    assert network.layers[0].weight.tolist() == [[Fraction(x) for x in row] for row in used]


def hooked_backwards() -> nn.Module:
    module = small()
    module[0].register_full_backward_hook(lambda *_: None)
    module.register_full_backward_pre_hook(lambda *_: None)
    module[0].weight.register_hook(lambda gradient: gradient * 2)
    return module  # type: ignore[no-any-return]


def compiled_in_place() -> nn.Module:
    module = small()
    module.compile()
    return module  # type: ignore[no-any-return]


HARMLESS: dict[str, Callable[[], Any]] = {
    "backward hooks": hooked_backwards,
    "compiled": lambda: torch.compile(small()),
    "compiled in place": compiled_in_place,
    "compiled parts": lambda: S(torch.compile(small()[0]), nn.ReLU(), torch.compile(small()[2])),
    "data parallel": lambda: nn.DataParallel(small()),
    "data parallel and compiled": lambda: torch.compile(nn.DataParallel(small())),
    "averaged": lambda: torch.optim.swa_utils.AveragedModel(small()),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_changes_nothing_is_looked_through(name: str) -> None:
    assert torch_modules.read(HARMLESS[name]()).sha256 == torch_modules.read(small()).sha256


def test_a_hook_on_a_wrapper_counts() -> None:
    for wrapped in (torch.compile(small()), nn.DataParallel(small())):
        wrapped.register_forward_hook(doubled)  # type: ignore[attr-defined]
        with pytest.raises(Unsupported, match="doubled"):
            torch_modules.read(wrapped)  # type: ignore[arg-type]


def test_lazy_modules_are_read_once_they_have_run() -> None:
    module = S(nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(2))
    with pytest.raises(
        InvalidInput,
        match="a lazy module has no weights yet; got 0: LazyLinear, weight; run the module once",
    ):
        torch_modules.read(module)
    module(torch.ones(1, 3))
    assert torch_modules.read(module).widths == (5,)


def test_tied_and_fused_weights_are_weights() -> None:
    tied = S(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    tied[2].weight = tied[0].weight
    first, last = torch_modules.read(tied).layers
    assert first.weight == last.weight
    norm = nn.BatchNorm1d(3).eval()
    fused = fusion.fuse_linear_bn_eval(nn.Linear(2, 3).eval(), norm)
    assert torch_modules.read(S(fused, nn.ReLU(), nn.Linear(3, 1))).widths == (3,)


def test_integer_weights_stand_for_others() -> None:
    module = S(nn.Linear(2, 2))
    module[0].weight = nn.Parameter(torch.ones(2, 2, dtype=torch.int8), requires_grad=False)
    with pytest.raises(InvalidInput, match=r"0\.weight has integers; got torch\.int8"):
        torch_modules.read(module)


class Noise(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + torch.randn_like(weight)


def test_a_parametrization_that_draws_anew_is_refused() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    parametrize.register_parametrization(module[0], "weight", Noise())
    with pytest.raises(Unsupported, match="another value each time it is asked; got weight"):
        torch_modules.read(module)
