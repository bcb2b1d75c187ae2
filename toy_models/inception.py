"""InceptionV1: the architecture of "Going Deeper with Convolutions" (Szegedy et al. 2014, arXiv
1409.4842, Table 1), of any width and for images of any size, trained small on handwritten digits.

Two things of the paper are left out: the auxiliary classifiers, which only training used, and local
response normalisation, a quotient, which no piecewise affine map is. So weights that were trained
with it do not compute here what they did. The variant with batch norm is the one that torchvision
calls `googlenet`; `of_state_dict` takes the weights of such a model.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.arithmetic.numbers import FloatArray
from exact.errors import InvalidInput, MissingExtra
from toy_models.datasets import Dataset
from toy_models.draws import SEEDS
from toy_models.train import finite, progress_bar
from toy_models.validation import at_least, flag, number, one_of

# 1x1; 3x3 behind its reduction; 5x5 behind its reduction; 1x1 behind the pool
MODULES = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
STEM = (64, 64, 192)
CUT = "inception5a"
_LEAST = 31  # pixels: the last pool meets two or more
_EPS = 1e-3  # of torchvision's batch norms


@dataclass(frozen=True)
class InceptionConfig:
    """The shape of an InceptionV1: 1 is the `width` of the paper, and every layer has so many times
    its channels, rounded, one at least.

    `resolution` is the side of an image, 31 or more. `batch_norm` stands behind every convolution,
    which then has no bias. `third_kernel` (5, or 3) is the size in the third branch, and
    `last_pool` (3, or 2) that of the pool in front of inception5a: 5 and 3 in the paper, 3 and 2 in
    torchvision's model.
    Raises InvalidInput for a setting that no such model can have.

    >>> InceptionConfig().cut_shape, InceptionConfig(width=1 / 16, resolution=64).cut_shape
    ((832, 7, 7), (52, 2, 2))
    """

    classes: int = 1000
    width: float = 1.0
    input_channels: int = 3
    resolution: int = 224
    batch_norm: bool = False
    third_kernel: int = 5
    last_pool: int = 3

    def __post_init__(self) -> None:
        for name in ("classes", "input_channels"):
            at_least(name, getattr(self, name), 1)
        at_least("resolution", self.resolution, _LEAST)
        number("width", self.width, positive=True)
        flag("batch_norm", self.batch_norm)
        one_of("third_kernel", self.third_kernel, (3, 5))
        one_of("last_pool", self.last_pool, (2, 3))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Of an image: channels and sides."""
        return (self.input_channels, self.resolution, self.resolution)

    @property
    def cut_shape(self) -> tuple[int, int, int]:
        """Of the activations in front of inception5a."""
        side = -(-self.resolution // 2)
        for pool in (3, 3, 3, self.last_pool):  # rounded up, by strides of 2
            side = -(-(side - pool) // 2) + 1
        return (sum(self.sizes("inception4e")[k] for k in (0, 2, 4, 5)), side, side)

    def channels(self, count: int) -> int:
        """So many of the paper's, at this width."""
        return max(1, round(count * self.width))

    def sizes(self, module: str) -> tuple[int, ...]:
        """The channels of the six convolutions of a module, in the order of Table 1."""
        return tuple(map(self.channels, MODULES[module]))


class Convolution(nn.Module):
    """A convolution that keeps sides (but for its stride), a batch norm if any, and a ReLU."""

    def __init__(
        self, before: int, behind: int, kernel: int, *, stride: int = 1, batch_norm: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            before, behind, kernel, stride=stride, padding=kernel // 2, bias=not batch_norm
        )
        self.bn = nn.BatchNorm2d(behind, eps=_EPS) if batch_norm else nn.Identity()
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N x before x sides) to images."""
        return functional.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four branches, one beside the other: 1x1, 3x3, 5x5 and a max pool, the larger ones behind or
    in front of 1x1 convolutions.
    """

    def __init__(self, before: int, sizes: tuple[int, ...], config: InceptionConfig) -> None:
        super().__init__()
        one, three_in, three, five_in, five, pool = sizes
        norm = config.batch_norm

        def convolution(a: int, b: int, kernel: int) -> Convolution:
            return Convolution(a, b, kernel, batch_norm=norm)

        self.branch1 = convolution(before, one, 1)
        self.branch2 = nn.Sequential(
            convolution(before, three_in, 1), convolution(three_in, three, 3)
        )
        self.branch3 = nn.Sequential(
            convolution(before, five_in, 1), convolution(five_in, five, config.third_kernel)
        )
        self.branch4 = nn.Sequential(_pool(3, 1), convolution(before, pool, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Images to images of the same sides."""
        found = [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)]
        return torch.cat(found, dim=1)


class InceptionV1(nn.Module):
    """The network: images (N x channels x sides) to logits (N x classes).

    >>> model = InceptionV1(InceptionConfig(classes=10, width=1 / 32, resolution=32)).eval()
    >>> model(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(self, config: InceptionConfig) -> None:
        super().__init__()
        self.config, norm = config, config.batch_norm
        first, second, third = map(config.channels, STEM)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=Convolution(config.input_channels, first, 7, stride=2, batch_norm=norm),
            maxpool1=_pool(3, 2),
            conv2=Convolution(first, second, 1, batch_norm=norm),
            conv3=Convolution(second, third, 3, batch_norm=norm),
            maxpool2=_pool(3, 2),
        )
        before = third
        for name in MODULES:
            sizes = config.sizes(name)
            if name == "inception4a":
                layers["maxpool3"] = _pool(3, 2)
            if name == CUT:
                layers["maxpool4"] = _pool(config.last_pool, 2)
            layers[name] = Inception(before, sizes, config)
            before = sum(sizes[k] for k in (0, 2, 4, 5))
        layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        layers["dropout"] = nn.Dropout(0.4)
        layers["fc"] = nn.Linear(before, config.classes)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._order = tuple(layers)

    def forward(self, x: Tensor) -> Tensor:
        """All layers in order."""
        for name in self._order:
            x = self.get_submodule(name)(x)
        return x

    @property
    def front(self) -> nn.Sequential:
        """The part in front of inception5a: images to activations, weights shared."""
        return self._part(0, self._order.index(CUT))

    @property
    def behind(self) -> nn.Sequential:
        """The part from inception5a's input (`config.cut_shape`) to the logits, weights shared."""
        return self._part(self._order.index(CUT), len(self._order))

    def _part(self, first: int, last: int) -> nn.Sequential:
        names = self._order[first:last]
        found = nn.Sequential(OrderedDict((name, self.get_submodule(name)) for name in names))
        return found.train(self.training)


def _pool(side: int, stride: int) -> nn.MaxPool2d:
    """Sides are rounded up; one that moves by single pixels keeps them."""
    return nn.MaxPool2d(side, stride, padding=1 if stride == 1 else 0, ceil_mode=True)


def random_inception(config: InceptionConfig, seed: int = 0) -> InceptionV1:
    """One with drawn weights, in evaluation mode. The global random state is left as it was."""
    at_least("seed", seed, 0, below=SEEDS)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return InceptionV1(config).eval()


def of_state_dict(
    weights: Mapping[str, Tensor], config: InceptionConfig | None = None
) -> InceptionV1:
    """The model with the weights of a torchvision `googlenet`, `model.state_dict()`, or of an
    InceptionV1, in evaluation mode; those of auxiliary classifiers are left out. Sizes are read off
    the weights where no `config` is given.

    Pretrained weights of torchvision expect images from -1 to 1, (x - 0.5) / 0.5: what that model's
    `transform_input` makes of images normalised otherwise is left to the caller. Raises
    InvalidInput for names that are missing or unknown, and for shapes that do not fit.

    >>> small = InceptionConfig(10, 1 / 32, batch_norm=True, third_kernel=3, last_pool=2)
    >>> of_state_dict(random_inception(small).state_dict()).config == small
    True
    """
    given = {name: x for name, x in weights.items() if not name.startswith(("aux1.", "aux2."))}
    model = random_inception(_config_of(given) if config is None else config)
    own = model.state_dict()
    _refuse_names("misses weights of InceptionV1", [name for name in own if name not in given])
    _refuse_names("has weights that InceptionV1 has not", [n for n in given if n not in own])
    for name, value in own.items():
        if given[name].shape != value.shape:
            raise InvalidInput(
                f"the weights {name} have another shape than in InceptionV1 of this width",
                value=f"{tuple(given[name].shape)} instead of {tuple(value.shape)}",
                remedy="give the weights of a whole model, and the config that it was made by",
            )
    model.load_state_dict(given)
    return model


def _config_of(given: Mapping[str, Tensor]) -> InceptionConfig:
    needed = ("conv1.conv.weight", "inception3a.branch3.1.conv.weight", "fc.weight")
    _refuse_names("misses weights of InceptionV1", [name for name in needed if name not in given])
    first, third, last = (given[name] for name in needed)
    return InceptionConfig(
        classes=len(last),
        width=len(first) / STEM[0],
        input_channels=first.shape[1],
        batch_norm="conv1.bn.weight" in given,
        third_kernel=third.shape[-1],
        last_pool=2 if third.shape[-1] == 3 else 3,
    )


def _refuse_names(what: str, names: list[str]) -> None:
    if names:
        raise InvalidInput(
            f"the state dict {what}",
            value=", ".join(names[:3]) + f"{' ...' * (len(names) > 3)} ({len(names)})",
            remedy="give model.state_dict() of torchvision's googlenet, or of InceptionV1",
        )


# ---- digits


@dataclass(frozen=True)
class InceptionTraining:
    """How a small one is trained on digits: Adam with a tenth of linear warm-up and a cosine after
    it. Raises InvalidInput for a setting that is none.
    """

    epochs: int = 12
    batch_size: int = 32
    learning_rate: float = 3e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            at_least(name, getattr(self, name), 1)
        number("learning_rate", self.learning_rate, positive=True)
        at_least("seed", self.seed, 0, below=SEEDS)


@dataclass(frozen=True)
class InceptionResult:
    """A trained model in evaluation mode, the loss of every step, the accuracy on the fifth of the
    digits that was held out, and these, as images of 8 x 8 in rows.
    """

    training: InceptionTraining
    model: InceptionV1
    losses: tuple[float, ...]
    accuracy: float
    held_out: Dataset

    def activations(self, chosen: IndexArray) -> FloatArray:
        """The vectors in front of inception5a that some held-out digits cause (N x dimension)."""
        model = self.model
        with torch.no_grad(), one_thread():
            images = upsampled(self.held_out.inputs[torch.as_tensor(chosen)], model.config)
            found: FloatArray = model.front(images).flatten(1).double().numpy()
        return found


DIGITS = InceptionConfig(classes=10, width=1 / 16, input_channels=1, resolution=64)


def digits(seed: int = 0) -> Dataset:
    """scikit-learn's 1,797 handwritten digits, pixels from 0 to 1, in an order drawn from the seed.

    Raises MissingExtra where scikit-learn is not installed.
    """
    try:
        library: Any = import_module("sklearn.datasets")
    except ImportError as error:
        raise MissingExtra(
            "handwritten digits need scikit-learn",
            value=str(error),
            remedy='install the extra: pip install "exactlens[cluster]"',
        ) from error
    found = library.load_digits()
    return Dataset.of(found.data / 16, found.target, name="digits").shuffled(seed)


def upsampled(inputs: Tensor, config: InceptionConfig) -> Tensor:
    """Rows of 64 pixels as images of the size that a network wants, bilinear, float32; of several
    channels all are equal.
    """
    images = inputs.float().reshape(-1, 1, 8, 8)
    side = (config.resolution, config.resolution)
    found = functional.interpolate(images, side, mode="bilinear", align_corners=False)
    return found.expand(-1, config.input_channels, -1, -1)


def train_inception(
    config: InceptionConfig = DIGITS,
    training: InceptionTraining | None = None,
    *,
    progress: bool = True,
) -> InceptionResult:
    """Train one on four fifths of scikit-learn's digits.

    Raises MissingExtra without scikit-learn, InvalidInput for fewer than ten classes, and
    TrainingDiverged where the loss stops being finite. The global random state is left as it was.
    Cost: a minute of one core for the default.
    """
    at_least("classes", config.classes, 10)
    training = training or InceptionTraining()
    data = digits(training.seed)
    cut = len(data) - len(data) // 5
    model = random_inception(config, training.seed)
    steps = training.epochs * -(-cut // training.batch_size)
    with (
        one_thread(),
        progress_bar("InceptionV1", steps, progress) as report,
        torch.random.fork_rng(devices=[]),
    ):
        torch.default_generator.manual_seed(training.seed)  # of dropout, and of the order
        losses = _train(model, data, cut, training, steps, report)
        held_out = replace(data, inputs=data.inputs[cut:], targets=data.targets[cut:])
        with torch.no_grad():
            parts = torch.split(held_out.inputs, 64)
            said = torch.cat([model(upsampled(part, config)).argmax(1) for part in parts])
    accuracy = float((said == held_out.targets).double().mean())
    return InceptionResult(training, model, tuple(losses), accuracy, held_out)


def _train(
    model: InceptionV1,
    data: Dataset,
    cut: int,
    training: InceptionTraining,
    steps: int,
    report: Callable[[float], None],
) -> list[float]:
    optimiser = torch.optim.Adam(model.parameters(), lr=training.learning_rate)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, training.learning_rate, total_steps=steps, pct_start=0.1
    )
    losses = list[float]()
    model.train()
    for _ in range(training.epochs):
        for rows in torch.randperm(cut).split(training.batch_size):
            loss = functional.cross_entropy(
                model(upsampled(data.inputs[rows], model.config)), data.targets[rows]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
            losses.append(finite(float(loss.detach()), len(losses) + 1, training.learning_rate))
            report(losses[-1])
    model.eval()
    return losses
