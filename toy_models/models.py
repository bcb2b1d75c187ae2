"""Toy networks built from ordinary torch modules: an MLP of any widths, and GPT-2's residual MLP
block.

A model is a chain of `ToyBlock`s, each `x -> [x +] layers(norm(x))`. `ToyModel.exactlens_blocks`
lists them, which is all that `exact.sources.torch_modules.read` needs to know of a module that is
not a plain `nn.Sequential`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from exact.errors import InvalidInput
from toy_models.datasets import Dataset
from toy_models.draws import SEEDS
from toy_models.validation import at_least, flag, mapping, number, one_of

Architecture = Literal["mlp", "residual"]
NormName = Literal["none", "layernorm", "rms"]
AUTOMATIC_EMBEDDING = 3
SIZES = 2**24

ACTIVATIONS: MappingProxyType[str, Callable[[], nn.Module]] = MappingProxyType(
    {
        "relu": nn.ReLU,
        "leaky_relu": nn.LeakyReLU,
        "hardtanh": nn.Hardtanh,
        "gelu": nn.GELU,
        "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
        "silu": nn.SiLU,
        "identity": nn.Identity,
    }
)


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a toy network; it survives a trip through JSON unchanged.

    `widths` are the hidden widths: of the layers of an MLP, or of one residual block each. `norm`
    stands in front of the first layer, and with `norm_between` in front of every further hidden
    layer of an MLP too; in a residual network every block has its own. `embed_dim` is the width of
    an affine embedding in front of everything: None puts one of width 3 where a norm would
    otherwise meet inputs of one or two dimensions (LayerNorm leaves two points of a plane), 0 never
    does. `norm_affine` gives the norm a gain and LayerNorm a bias. `bias=False` leaves out every
    bias of the network. `input_dim` and `output_dim` may be None until `fitted_to` takes them from
    a data set. Raises InvalidInput for a value that no network can have.
    """

    widths: tuple[int, ...] = (16, 16)
    norm: NormName = "none"
    architecture: Architecture = "mlp"
    activation: str = "relu"
    embed_dim: int | None = None
    norm_between: bool = False
    norm_eps: float = 1e-5
    norm_affine: bool = True
    bias: bool = True
    input_dim: int | None = None
    output_dim: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", _widths(self.widths))
        one_of("architecture", self.architecture, ("mlp", "residual"))
        one_of("norm", self.norm, get_args(NormName))
        one_of("activation", self.activation, ACTIVATIONS)
        number("norm_eps", self.norm_eps)
        for name in ("norm_between", "norm_affine", "bias"):
            flag(name, getattr(self, name))
        for name, minimum in (("embed_dim", 0), ("input_dim", 1), ("output_dim", 1)):
            if getattr(self, name) is not None:
                at_least(name, getattr(self, name), minimum, below=SIZES)
        self._refuse_contradictions()

    def _refuse_contradictions(self) -> None:
        if self.norm_between and (self.norm == "none" or self.architecture == "residual"):
            remedy = (
                "leave norm_between out: it puts further norms between the hidden layers of "
                "an MLP that has one"
            )
            value = f"norm={self.norm!r}, architecture={self.architecture!r}"
            raise InvalidInput("norm_between has no norm to repeat", value=value, remedy=remedy)

    def fitted_to(self, dataset: Dataset) -> "ModelConfig":
        """The same shape with the input and output dimensions of `dataset`.

        Raises InvalidInput when other dimensions were set already.
        """
        for name in ("input_dim", "output_dim"):
            own, wanted = getattr(self, name), getattr(dataset, name)
            if own not in (None, wanted):
                remedy = f"write {name}={wanted}, or leave it out"
                raise InvalidInput(
                    f"{name} does not fit the task {dataset.name}", value=own, remedy=remedy
                )
        return replace(self, input_dim=dataset.input_dim, output_dim=dataset.output_dim)

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON values from which `from_json` makes an equal config."""
        return {**asdict(self), "widths": list(self.widths)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ModelConfig":
        """The config that `to_json` wrote. Raises InvalidInput for a key it does not know or a
        value it refuses.
        """
        mapping("model config", values)
        for key in values:
            one_of("key of the model config", key, (field.name for field in fields(cls)))
        return cls(**values)


class ToyBlock(nn.Module):
    """`x -> [x +] layers(norm(x))`, the form that `exact.Block` has too."""

    def __init__(self, norm: nn.Module | None, layers: Sequence[nn.Module], residual: bool) -> None:
        super().__init__()
        self.norm = norm
        self.layers = nn.Sequential(*layers)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.layers(x if self.norm is None else self.norm(x))
        return x + change if self.residual else change


class ToyModel(nn.Module):
    """The network that a `ModelConfig` describes; maps (..., input_dim) to (..., output_dim).

    Its weights are torch's usual initial ones; `initialised` makes them from a seed. Raises
    InvalidInput while a dimension is unknown, or when LayerNorm would meet a single coordinate.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.input_dim is None or config.output_dim is None:
            value = f"input_dim={config.input_dim}, output_dim={config.output_dim}"
            remedy = "write both, or call config.fitted_to(dataset)"
            raise InvalidInput("the model does not know its dimensions", value=value, remedy=remedy)
        self.config = config
        embedding, width = _embedding(config, config.input_dim)
        build = _mlp if config.architecture == "mlp" else _residual
        self.blocks = nn.ModuleList(embedding + build(config, width, config.output_dim))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x

    def exactlens_blocks(self) -> list[tuple[nn.Module | None, list[nn.Module], bool]]:
        """The blocks in order, each as its norm (or None), its list of modules, and whether the
        input is added.
        """
        blocks = [block for block in self.blocks if isinstance(block, ToyBlock)]
        return [(block.norm, list(block.layers), block.residual) for block in blocks]


def initialised(config: ModelConfig, seed: int) -> ToyModel:
    """An untrained model whose weights depend on `seed` only; the global random state is left as it
    was.
    """
    at_least("seed", seed, 0, below=SEEDS)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return ToyModel(config)


def _widths(widths: object) -> tuple[int, ...]:
    if isinstance(widths, str) or not isinstance(widths, Sequence):
        raise InvalidInput(
            "widths is not a list of integers",
            value=repr(widths),
            remedy="write for instance (16, 16)",
        )
    for position, width in enumerate(widths):
        at_least(f"widths[{position}]", width, 1, below=SIZES)
    return tuple(widths)


def _embedding(config: ModelConfig, input_dim: int) -> tuple[list[ToyBlock], int]:
    """The embedding block, if there is one, and the width behind it."""
    width = config.embed_dim
    if width is None:
        width = AUTOMATIC_EMBEDDING if input_dim <= 2 and config.norm != "none" else 0
    if not width:
        return [], input_dim
    return [ToyBlock(None, [nn.Linear(input_dim, width, bias=config.bias)], False)], width


def _mlp(config: ModelConfig, width: int, output_dim: int) -> list[ToyBlock]:
    widths = (width, *config.widths)
    hidden = [
        [nn.Linear(before, after, bias=config.bias), ACTIVATIONS[config.activation]()]
        for before, after in pairwise(widths)
    ]
    groups = (
        hidden
        if config.norm_between and hidden
        else [[module for layer in hidden for module in layer]]
    )
    groups[-1].append(nn.Linear(widths[-1], output_dim, bias=config.bias))
    return [
        ToyBlock(_norm(config, before), group, False)
        for before, group in zip(widths, groups, strict=False)
    ]


def _residual(config: ModelConfig, width: int, output_dim: int) -> list[ToyBlock]:
    blocks = [
        ToyBlock(_norm(config, width), _block_layers(config, width, hidden), True)
        for hidden in config.widths
    ]
    return [*blocks, ToyBlock(None, [nn.Linear(width, output_dim, bias=config.bias)], False)]


def _block_layers(config: ModelConfig, width: int, hidden: int) -> list[nn.Module]:
    activation = ACTIVATIONS[config.activation]()
    return [
        nn.Linear(width, hidden, bias=config.bias),
        activation,
        nn.Linear(hidden, width, bias=config.bias),
    ]


def _norm(config: ModelConfig, width: int) -> nn.Module | None:
    if config.norm == "none":
        return None
    if config.norm == "rms":
        return nn.RMSNorm(width, eps=config.norm_eps, elementwise_affine=config.norm_affine)
    if width < 2:
        remedy = "give it at least two, better three: a wider layer, or embed_dim=3"
        raise InvalidInput(
            "LayerNorm sends every single number to zero",
            value=f"{width} coordinate",
            remedy=remedy,
        )
    return nn.LayerNorm(
        width, eps=config.norm_eps, elementwise_affine=config.norm_affine, bias=config.bias
    )
