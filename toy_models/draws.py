"""What tasks draw from a seed: balanced labels, numbers, noise, directions that are kept apart."""

from __future__ import annotations

import torch
from torch import Tensor

from exact.errors import InvalidInput
from toy_models.validation import at_least, flag, number

SEEDS = 2**31
PROTOTYPE_DRAWS = 256


def begin(
    count: int, classes: int, seed: int, dimension: int = 2, *, minimum: int = 1
) -> tuple[torch.Generator, Tensor]:
    """Check the sizes, then return the generator of the samples and balanced class numbers (count,)
    in random order.
    """
    at_least("dimension", dimension, minimum)
    at_least("classes", classes, 2)
    at_least("count", count, classes)
    generator = _generator(seed, 0)
    return generator, balanced(count, classes, generator)


def balanced(count: int, classes: int, generator: torch.Generator) -> Tensor:
    """Class numbers (count,) in random order, every class as often as any other, or once less."""
    return (torch.arange(count) % classes)[torch.randperm(count, generator=generator)]


def shapes_generator(seed: int) -> torch.Generator:
    """The stream of prototypes, centres and frames, apart from that of the samples: `count` does
    not move them.
    """
    return _generator(seed, 1)


def order(count: int, seed: int) -> Tensor:
    """A random order (count,) of rows that were not drawn, from the stream of shapes."""
    return torch.randperm(count, generator=shapes_generator(seed))


def _generator(seed: int, stream: int) -> torch.Generator:
    """Stream 0 or 1 of a seed. torch seeds its Mersenne twister with 32 bits: larger seeds would
    silently coincide.
    """
    at_least("seed", seed, 0, below=SEEDS)
    return torch.Generator().manual_seed(2 * seed + stream)


def uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Numbers in [0, 1), float64."""
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def noise(generator: torch.Generator, points: Tensor, deviation: float) -> Tensor:
    """Gaussian noise of the shape of `points`."""
    number("noise", deviation)
    return deviation * torch.randn(points.shape, generator=generator, dtype=torch.float64)


def directions(generator: torch.Generator, count: int, dimension: int) -> Tensor:
    """Unit vectors (count, dimension), uniform on the sphere."""
    points = torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    return points / points.norm(dim=1, keepdim=True)


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
