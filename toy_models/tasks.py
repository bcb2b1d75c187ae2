"""Synthetic tasks: seeded functions that return a `Dataset`, and a registry of them by name.

Every task draws from its own `torch.Generator`, so the same arguments give the same numbers and the
global random state is left as it was. Tasks in the plane place their noise-free points inside the
square [-1, 1]^2, so that `Box(-1, 1, dim=2)` is a natural domain for all of them. Rows come in
random order: any prefix is itself a fair sample.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor

from exact.errors import InvalidInput
from toy_models.validation import at_least, flag, number, one_of

Kind = Literal["classification", "regression"]
SEEDS = 2**31
PROTOTYPE_DRAWS = 256


@dataclass(frozen=True)
class Dataset:
    """Inputs and targets of one task.

    `inputs` is a float64 tensor (samples, input_dim). `targets` is an int64 tensor (samples,) of
    class numbers below `output_dim` for a classification, and a float64 tensor (samples,
    output_dim) for a regression. Raises InvalidInput when the shapes disagree with each other or
    with the dimensions.
    """

    inputs: Tensor
    targets: Tensor
    kind: Kind
    input_dim: int
    output_dim: int
    name: str

    def __post_init__(self) -> None:
        shapes = f"inputs {tuple(self.inputs.shape)}, targets {tuple(self.targets.shape)}"
        samples = len(self.inputs)
        targets = (samples,) if self.kind == "classification" else (samples, self.output_dim)
        if (
            tuple(self.inputs.shape) != (samples, self.input_dim)
            or tuple(self.targets.shape) != targets
        ):
            remedy = f"give inputs ({samples}, {self.input_dim}) and targets {targets}"
            raise InvalidInput(
                f"the shapes of the data set {self.name!r} disagree", value=shapes, remedy=remedy
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def split(self, held_out: float) -> tuple["Dataset", "Dataset"]:
        """Cut the rows in two: the first (1 - held_out) share, and the rest, which training does
        not see.

        Raises InvalidInput unless 0 <= held_out < 1. With a share of 0 the second data set has no
        rows.
        """
        number("held_out", held_out, below=1)
        cut = len(self) - int(len(self) * held_out)
        return self._rows(slice(None, cut)), self._rows(slice(cut, None))

    def _rows(self, rows: slice) -> "Dataset":
        return replace(self, inputs=self.inputs[rows], targets=self.targets[rows])


def moons(count: int = 1000, *, noise: float = 0.07, seed: int = 0) -> Dataset:
    """Two interleaved half circles in the plane, one per class."""
    at_least("count", count, 2)
    generator, labels = _start(count, 2, seed)
    angle = math.pi * _uniform(generator, count)
    upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], dim=1)
    points = torch.where(labels[:, None] == 0, upper, -upper) / 1.5
    return _classification("moons", points + _noise(generator, points, noise), labels, 2)


def circles(
    count: int = 1000, *, ratio: float = 0.5, noise: float = 0.05, seed: int = 0
) -> Dataset:
    """Two concentric circles in the plane: class 0 of radius 1, class 1 of radius `ratio`, 0 <=
    ratio < 1.
    """
    at_least("count", count, 2)
    number("ratio", ratio, below=1)
    generator, labels = _start(count, 2, seed)
    angle = 2 * math.pi * _uniform(generator, count)
    points = _polar(torch.where(labels == 0, 1.0, ratio).to(torch.float64), angle)
    return _classification("circles", points + _noise(generator, points, noise), labels, 2)


def spirals(
    count: int = 1000, *, classes: int = 2, turns: float = 1.0, noise: float = 0.02, seed: int = 0
) -> Dataset:
    """`classes` Archimedean spiral arms in the plane, each winding `turns` times from radius 0.1 to
    1.
    """
    at_least("classes", classes, 2)
    at_least("count", count, classes)
    number("turns", turns)
    generator, labels = _start(count, classes, seed)
    along = _uniform(generator, count).sqrt()
    points = _polar(0.1 + 0.9 * along, 2 * math.pi * (turns * along + labels / classes))
    return _classification("spirals", points + _noise(generator, points, noise), labels, classes)


def xor(count: int = 1000, *, gap: float = 0.1, noise: float = 0.0, seed: int = 0) -> Dataset:
    """The square in four quadrants: class 1 iff the two coordinates differ in sign.

    Before noise no point lies within `gap` of an axis, 0 <= gap < 1.
    """
    at_least("count", count, 2)
    number("gap", gap, below=1)
    generator, labels = _start(count, 2, seed)
    size = gap + (1 - gap) * _uniform(generator, count, 2)
    sign = torch.where(_uniform(generator, count) < 0.5, -1.0, 1.0)
    points = size * torch.stack([sign, torch.where(labels == 0, sign, -sign)], dim=1)
    return _classification("xor", points + _noise(generator, points, noise), labels, 2)


def checkerboard(
    count: int = 1000, *, squares: int = 4, noise: float = 0.0, seed: int = 0
) -> Dataset:
    """A board of `squares` by `squares` on [-1, 1]^2: the class is the colour of the square."""
    at_least("squares", squares, 2)
    at_least("count", count, 2)
    generator, labels = _start(count, 2, seed)
    board = torch.cartesian_prod(torch.arange(squares), torch.arange(squares))
    corner = torch.empty(count, 2, dtype=torch.float64)
    for colour in (0, 1):
        own, of_colour = labels == colour, board[board.sum(dim=1) % 2 == colour]
        corner[own] = of_colour[
            torch.randint(len(of_colour), (int(own.sum()),), generator=generator)
        ].double()
    points = (corner + _uniform(generator, count, 2)) * (2 / squares) - 1
    return _classification("checkerboard", points + _noise(generator, points, noise), labels, 2)


def blobs(
    count: int = 1000, *, dimension: int = 2, classes: int = 3, spread: float = 0.2, seed: int = 0
) -> Dataset:
    """`classes` Gaussian clouds of standard deviation `spread` in R^dimension, their centres on the
    unit sphere.

    The centres are random and kept apart; see `separated_directions`. In R^1 only two centres, +1
    and -1, exist.
    """
    generator, labels = _start(count, classes, seed, dimension)
    points = blob_centres(dimension=dimension, classes=classes, seed=seed)[labels]
    return _classification("blobs", points + _noise(generator, points, spread), labels, classes)


def blob_centres(*, dimension: int = 2, classes: int = 3, seed: int = 0) -> Tensor:
    """The centres (classes, dimension) of `blobs` with the same arguments."""
    return separated_directions(dimension, classes, _shapes_generator(seed))


def direction(
    count: int = 1000, *, dimension: int = 3, classes: int = 4, centred: bool = True, seed: int = 0
) -> Dataset:
    """Points of R^dimension whose class is the nearest of `classes` prototypes, by direction only.

    The direction is Px / |Px|, with P the projection that subtracts the mean of the coordinates
    (`centred`, what LayerNorm keeps) or the identity (what RMSNorm keeps). Lengths are log-uniform
    over [1/4, 4] and carry no information, nor does the mean of the coordinates when `centred`.
    Classes are as frequent as their cells are large.
    """
    generator, _ = _start(count, classes, seed, dimension, minimum=3 if centred else 2)
    prototypes = direction_prototypes(
        dimension=dimension, classes=classes, centred=centred, seed=seed
    )
    points = torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    points = (
        points / points.norm(dim=1, keepdim=True) * 4 ** (2 * _uniform(generator, count, 1) - 1)
    )
    return _classification("direction", points, (points @ prototypes.T).argmax(dim=1), classes)


def direction_prototypes(
    *, dimension: int = 3, classes: int = 4, centred: bool = True, seed: int = 0
) -> Tensor:
    """The unit prototypes (classes, dimension) of `direction` with the same arguments."""
    return separated_directions(dimension, classes, _shapes_generator(seed), centred)


def sparse_features(
    count: int = 1000, *, features: int = 6, dimension: int = 3, density: float = 0.2, seed: int = 0
) -> Dataset:
    """Recover `features` sparse features from their superposition in R^dimension, dimension <
    features.

    Each feature is active with probability `density` (from 1 on always), uniform in (0, 1] when
    active, and at least one is. The input is feature_frame @ activities, the target the activities
    themselves (samples, features).
    """
    if features <= dimension:
        remedy = f"ask for at least {dimension + 1} features, or for a smaller dimension"
        raise InvalidInput(
            "there is no superposition",
            value=f"{features} features in R^{dimension}",
            remedy=remedy,
        )
    number("density", density)
    frame = feature_frame(features=features, dimension=dimension, seed=seed)
    generator, forced = _start(count, features, seed, dimension, minimum=2)
    active = _uniform(generator, count, features) < density
    lonely = ~active.any(dim=1)
    active[lonely, forced[lonely]] = True
    activities = torch.where(active, 1 - _uniform(generator, count, features), 0.0)
    return Dataset(
        activities @ frame.T, activities, "regression", dimension, features, "sparse_features"
    )


def feature_frame(*, features: int = 6, dimension: int = 3, seed: int = 0) -> Tensor:
    """The matrix (dimension, features) of unit columns that `sparse_features` superposes with the
    same arguments.
    """
    return separated_directions(dimension, features, _shapes_generator(seed)).T.contiguous()


def separated_directions(
    dimension: int, count: int, generator: torch.Generator, centred: bool = False
) -> Tensor:
    """Random unit vectors (count, dimension) kept apart: of many random sets, the one whose closest
    pair is widest.

    With `centred` the vectors lie in the space of mean zero. Raises InvalidInput where `count`
    different directions do not exist: on a line there are two.
    """
    flag("centred", centred)
    at_least("dimension", dimension, 2 if centred else 1)
    at_least("the number of directions", count, 2)
    if dimension - centred == 1 and count > 2:
        remedy = "ask for two directions, or for a larger dimension"
        raise InvalidInput(
            "a line has two directions only", value=f"{count} directions", remedy=remedy
        )
    drawn = torch.randn(PROTOTYPE_DRAWS, count, dimension, generator=generator, dtype=torch.float64)
    if centred:
        drawn = drawn - drawn.mean(dim=2, keepdim=True)
    units = drawn / drawn.norm(dim=2, keepdim=True)
    cosines = units @ units.transpose(1, 2) - 2 * torch.eye(count, dtype=torch.float64)
    widest: Tensor = units[cosines.flatten(1).amax(dim=1).argmin()]
    return widest


TASKS: MappingProxyType[str, Callable[..., Dataset]] = MappingProxyType(
    {
        "moons": moons,
        "circles": circles,
        "spirals": spirals,
        "xor": xor,
        "checkerboard": checkerboard,
        "blobs": blobs,
        "direction": direction,
        "direction3": partial(direction, dimension=3),
        "direction4": partial(direction, dimension=4),
        "sparse_features": sparse_features,
    }
)


def make(name: str, *, count: int = 1000, seed: int = 0, **options: Any) -> Dataset:
    """The task called `name` (see `TASKS`), with `options` for the arguments of its function.

    Raises InvalidInput for an unknown name, an option the task does not have, or a value it
    refuses.
    """
    known = options_of(name)
    for option in options:
        one_of(f"option of the task {name}", option, known)
    return replace(TASKS[name](count, seed=seed, **options), name=name)


def options_of(name: str) -> tuple[str, ...]:
    """The options that `make(name, ...)` takes beside `count` and `seed`."""
    one_of("task", name, TASKS)
    task = TASKS[name]
    fixed = set(task.keywords) if isinstance(task, partial) else set()
    return tuple(
        option
        for option in inspect.signature(task).parameters
        if option not in fixed | {"count", "seed"}
    )


def _start(
    count: int, classes: int, seed: int, dimension: int = 2, *, minimum: int = 1
) -> tuple[torch.Generator, Tensor]:
    """Check the sizes, then return the generator of the samples and balanced class numbers (count,)
    in random order.
    """
    at_least("dimension", dimension, minimum)
    at_least("classes", classes, 2)
    at_least("count", count, classes)
    generator = _generator(seed, 0)
    return generator, (torch.arange(count) % classes)[torch.randperm(count, generator=generator)]


def _shapes_generator(seed: int) -> torch.Generator:
    """The stream of prototypes, centres and frames, apart from that of the samples: `count` does
    not move them.
    """
    return _generator(seed, 1)


def _generator(seed: int, stream: int) -> torch.Generator:
    """Stream 0 or 1 of a seed. torch seeds its Mersenne twister with 32 bits: larger seeds would
    silently coincide.
    """
    at_least("seed", seed, 0, below=SEEDS)
    return torch.Generator().manual_seed(2 * seed + stream)


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def _noise(generator: torch.Generator, points: Tensor, deviation: float) -> Tensor:
    number("noise", deviation)
    return deviation * torch.randn(points.shape, generator=generator, dtype=torch.float64)


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def _classification(name: str, points: Tensor, labels: Tensor, classes: int) -> Dataset:
    return Dataset(points, labels, "classification", points.shape[1], classes, name)
