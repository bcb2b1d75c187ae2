"""Synthetic tasks: seeded functions that return a `Dataset`, and a registry of them by name.

Every task draws from its own `torch.Generator`, so the same arguments give the same numbers and the
global random state is left as it was. Tasks in the plane place their noise-free points inside the
square [-1, 1]^2, so that `Box(-1, 1, dim=2)` is a natural domain for all of them. Rows come in
random order: any prefix is itself a fair sample. `register` adds a task of your own.
"""

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from exact.errors import InvalidInput
from toy_models import draws
from toy_models.datasets import Dataset, require_sound
from toy_models.draws import SEEDS as SEEDS
from toy_models.validation import at_least, number, one_of

NAME = re.compile(
    r"(?!.{65})([A-Za-z_][\w.-]*|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*)", re.ASCII
)


def moons(count: int = 1000, *, noise: float = 0.07, seed: int = 0) -> Dataset:
    """Two interleaved half circles in the plane, one per class."""
    at_least("count", count, 2)
    generator, labels = draws.begin(count, 2, seed)
    angle = math.pi * draws.uniform(generator, count)
    upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], dim=1)
    points = torch.where(labels[:, None] == 0, upper, -upper) / 1.5
    return _classification("moons", points + draws.noise(generator, points, noise), labels, 2)


def circles(
    count: int = 1000, *, ratio: float = 0.5, noise: float = 0.05, seed: int = 0
) -> Dataset:
    """Two concentric circles in the plane: class 0 of radius 1, class 1 of radius `ratio`, 0 <=
    ratio < 1.
    """
    at_least("count", count, 2)
    number("ratio", ratio, below=1)
    generator, labels = draws.begin(count, 2, seed)
    angle = 2 * math.pi * draws.uniform(generator, count)
    points = _polar(torch.where(labels == 0, 1.0, ratio).to(torch.float64), angle)
    return _classification("circles", points + draws.noise(generator, points, noise), labels, 2)


def spirals(
    count: int = 1000, *, classes: int = 2, turns: float = 1.0, noise: float = 0.02, seed: int = 0
) -> Dataset:
    """`classes` Archimedean spiral arms in the plane, each winding `turns` times from radius 0.1 to
    1.
    """
    at_least("classes", classes, 2)
    at_least("count", count, classes)
    number("turns", turns)
    generator, labels = draws.begin(count, classes, seed)
    along = draws.uniform(generator, count).sqrt()
    points = _polar(0.1 + 0.9 * along, 2 * math.pi * (turns * along + labels / classes))
    return _classification(
        "spirals", points + draws.noise(generator, points, noise), labels, classes
    )


def xor(count: int = 1000, *, gap: float = 0.1, noise: float = 0.0, seed: int = 0) -> Dataset:
    """The square in four quadrants: class 1 iff the two coordinates differ in sign.

    Before noise no point lies within `gap` of an axis, 0 <= gap < 1.
    """
    at_least("count", count, 2)
    number("gap", gap, below=1)
    generator, labels = draws.begin(count, 2, seed)
    size = gap + (1 - gap) * draws.uniform(generator, count, 2)
    sign = torch.where(draws.uniform(generator, count) < 0.5, -1.0, 1.0)
    points = size * torch.stack([sign, torch.where(labels == 0, sign, -sign)], dim=1)
    return _classification("xor", points + draws.noise(generator, points, noise), labels, 2)


def checkerboard(
    count: int = 1000, *, squares: int = 4, noise: float = 0.0, seed: int = 0
) -> Dataset:
    """A board of `squares` by `squares` on [-1, 1]^2: the class is the colour of the square."""
    at_least("squares", squares, 2)
    at_least("count", count, 2)
    generator, labels = draws.begin(count, 2, seed)
    board = torch.cartesian_prod(torch.arange(squares), torch.arange(squares))
    corner = torch.empty(count, 2, dtype=torch.float64)
    for colour in (0, 1):
        own, of_colour = labels == colour, board[board.sum(dim=1) % 2 == colour]
        corner[own] = of_colour[
            torch.randint(len(of_colour), (int(own.sum()),), generator=generator)
        ].double()
    points = (corner + draws.uniform(generator, count, 2)) * (2 / squares) - 1
    return _classification(
        "checkerboard", points + draws.noise(generator, points, noise), labels, 2
    )


def blobs(
    count: int = 1000, *, dimension: int = 2, classes: int = 3, spread: float = 0.2, seed: int = 0
) -> Dataset:
    """`classes` Gaussian clouds of standard deviation `spread` in R^dimension, their centres on the
    unit sphere.

    The centres are random and kept apart; see `separated_directions`. In R^1 only two centres, +1
    and -1, exist.
    """
    generator, labels = draws.begin(count, classes, seed, dimension)
    points = blob_centres(dimension=dimension, classes=classes, seed=seed)[labels]
    return _classification(
        "blobs", points + draws.noise(generator, points, spread), labels, classes
    )


def blob_centres(*, dimension: int = 2, classes: int = 3, seed: int = 0) -> Tensor:
    """The centres (classes, dimension) of `blobs` with the same arguments."""
    return draws.separated_directions(dimension, classes, draws.shapes_generator(seed))


def hierarchical_blobs(
    count: int = 1000,
    *,
    dimension: int = 2,
    parents: int = 3,
    children: int = 3,
    nearness: float = 0.2,
    spread: float = 0.06,
    seed: int = 0,
) -> Dataset:
    """Gaussian clouds within clouds in R^dimension: `parents` groups of `children` classes each.

    The centres of the parents lie on a sphere, kept apart. Those of the children lie around their
    parent's, kept apart too, at `nearness` times the distance between the closest two parents,
    0 < nearness < 1/4: so every class is nearer to all classes of its parent than to any other. All
    are scaled into the unit ball. Class c belongs to parent c // children, as `Dataset.parents`
    says. Classes are balanced, and `spread` is the standard deviation of a cloud.
    """
    centres = hierarchy_centres(
        dimension=dimension, parents=parents, children=children, nearness=nearness, seed=seed
    )
    generator, labels = draws.begin(count, parents * children, seed, dimension)
    points = centres[labels]
    points = points + draws.noise(generator, points, spread)
    return _families("hierarchical_blobs", points, labels, parents, children)


def hierarchy_centres(
    *, dimension: int = 2, parents: int = 3, children: int = 3, nearness: float = 0.2, seed: int = 0
) -> Tensor:
    """The centres (parents * children, dimension) of `hierarchical_blobs` with the same arguments,
    class by class.
    """
    number("nearness", nearness, below=1 / 4, positive=True)
    generator = draws.shapes_generator(seed)
    of_parents = draws.separated_directions(dimension, parents, generator)
    radius = nearness * torch.pdist(of_parents).min()
    own = [draws.separated_directions(dimension, children, generator) for _ in range(parents)]
    return (of_parents[:, None] + radius * torch.stack(own)).flatten(0, 1) / (1 + radius)


def direction(
    count: int = 1000, *, dimension: int = 3, classes: int = 4, centred: bool = True, seed: int = 0
) -> Dataset:
    """Points of R^dimension whose class is the nearest of `classes` prototypes, by direction only.

    The direction is Px / |Px|, with P the projection that subtracts the mean of the coordinates
    (`centred`, what LayerNorm keeps) or the identity (what RMSNorm keeps). Lengths are log-uniform
    over [1/4, 4] and carry no information, nor does the mean of the coordinates when `centred`.
    Classes are as frequent as their cells are large.
    """
    generator, _ = draws.begin(count, classes, seed, dimension, minimum=3 if centred else 2)
    prototypes = direction_prototypes(
        dimension=dimension, classes=classes, centred=centred, seed=seed
    )
    units = draws.directions(generator, count, dimension)
    points = units * 4 ** (2 * draws.uniform(generator, count, 1) - 1)
    return _classification("direction", points, (points @ prototypes.T).argmax(dim=1), classes)


def direction_prototypes(
    *, dimension: int = 3, classes: int = 4, centred: bool = True, seed: int = 0
) -> Tensor:
    """The unit prototypes (classes, dimension) of `direction` with the same arguments."""
    return draws.separated_directions(dimension, classes, draws.shapes_generator(seed), centred)


def shells(
    count: int = 1000,
    *,
    dimension: int = 3,
    classes: int = 3,
    gap: float = 0.2,
    noise: float = 0.0,
    seed: int = 0,
) -> Dataset:
    """Concentric shells in R^dimension: the radius alone decides the class, the direction says
    nothing of it.

    Before noise the radius of class c is uniform over [(c + gap / 2) / classes, (c + 1 - gap / 2) /
    classes], 0 <= gap < 1, and the direction is uniform on the sphere, whatever the class. Classes
    are balanced. What sees directions only (a norm with eps = 0 in front) cannot beat guessing.
    """
    generator, labels = draws.begin(count, classes, seed, dimension)
    number("gap", gap, below=1)
    across = gap / 2 + (1 - gap) * draws.uniform(generator, count, 1)
    points = draws.directions(generator, count, dimension) * (labels[:, None] + across) / classes
    return _classification(
        "shells", points + draws.noise(generator, points, noise), labels, classes
    )


def direction_and_length(
    count: int = 1000,
    *,
    dimension: int = 3,
    directions: int = 3,
    lengths: int = 2,
    centred: bool = True,
    seed: int = 0,
) -> Dataset:
    """Points of R^dimension whose class is their direction and their length together: `directions`
    times `lengths` classes.

    The direction's number d is that of the nearest prototype, as in `direction` with `directions`
    classes. Lengths are log-uniform over [1/4, 4], cut into `lengths` intervals that are equally
    long in octaves and equally frequent; the length's number l counts them from the shortest. The
    class is d * lengths + l, and its parent is d. Direction and length are independent: what sees
    the direction only is right at most once in `lengths` times, what sees the length only as often
    as the largest cell of a prototype.
    """
    at_least("directions", directions, 2)
    at_least("lengths", lengths, 2)
    smallest = 3 if centred else 2
    generator, _ = draws.begin(count, directions * lengths, seed, dimension, minimum=smallest)
    prototypes = direction_prototypes(
        dimension=dimension, classes=directions, centred=centred, seed=seed
    )
    units = draws.directions(generator, count, dimension)
    bins = draws.balanced(count, lengths, generator)
    along = (bins[:, None] + draws.uniform(generator, count, 1)) / lengths
    labels = (units @ prototypes.T).argmax(dim=1) * lengths + bins
    points = units * 4 ** (2 * along - 1)
    return _families("direction_and_length", points, labels, directions, lengths)


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
    generator, forced = draws.begin(count, features, seed, dimension, minimum=2)
    active = draws.uniform(generator, count, features) < density
    lonely = ~active.any(dim=1)
    active[lonely, forced[lonely]] = True
    activities = torch.where(active, 1 - draws.uniform(generator, count, features), 0.0)
    return Dataset(
        activities @ frame.T, activities, "regression", dimension, features, "sparse_features"
    )


def feature_frame(*, features: int = 6, dimension: int = 3, seed: int = 0) -> Tensor:
    """The matrix (dimension, features) of unit columns that `sparse_features` superposes with the
    same arguments.
    """
    return draws.separated_directions(
        dimension, features, draws.shapes_generator(seed)
    ).T.contiguous()


_BUILT_IN: dict[str, Callable[..., Dataset]] = {
    "moons": moons,
    "circles": circles,
    "spirals": spirals,
    "xor": xor,
    "checkerboard": checkerboard,
    "blobs": blobs,
    "hierarchical_blobs": hierarchical_blobs,
    "direction": direction,
    "direction3": partial(direction, dimension=3),
    "direction4": partial(direction, dimension=4),
    "shells": shells,
    "direction_and_length": direction_and_length,
    "sparse_features": sparse_features,
}
_KNOWN = dict(_BUILT_IN)
TASKS: MappingProxyType[str, Callable[..., Dataset]] = MappingProxyType(_KNOWN)


def register(name: str, function: Callable[..., Dataset], *, replace: bool = False) -> None:
    """Let `make`, `TrainConfig(task=name)` and the studies know a task of your own.

    It is called as `function(count, seed=seed, **options)` and returns a `Dataset` of `count` rows
    in random order (`Dataset.of` makes one of arrays); the same arguments must give the same rows.
    Its options are its other arguments. Other processes do not know it: a checkpoint of a network
    that was trained on it keeps the rows. Raises InvalidInput for a name that is taken (your own
    ones give way with `replace`), a name of other characters than A-Z a-z 0-9 _ . - (with a colon
    only package.module:function, which the command line imports), and what cannot be called so.

    >>> register("corner", lambda count, seed=0: xor(count, gap=0.5, seed=seed))
    >>> make("corner", count=4).name
    'corner'
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        remedy = "write letters, digits and _ . -, at most 64, the first a letter or _"
        raise InvalidInput("no task can have the name", value=repr(name), remedy=remedy)
    if name in _BUILT_IN or (name in _KNOWN and not replace):
        remedy = "choose another" + ("" if name in _BUILT_IN else ", or say replace=True")
        raise InvalidInput("a task has the name already", value=name, remedy=remedy)
    if not callable(function):
        remedy = "give a function of (count, seed=0) that returns a Dataset"
        raise InvalidInput(f"the task {name} is no function", value=repr(function), remedy=remedy)
    try:
        inspect.signature(function).bind(2, seed=0)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"the task {name} cannot be called as function(count, seed=seed)",
            value=str(error),
            remedy="give it the arguments count and seed, and defaults for all others",
        ) from error
    _KNOWN[name] = function


def is_built_in(name: str | None) -> bool:
    """Whether a task is one of this package: what it makes follows from its name and options."""
    return name in _BUILT_IN


def make(name: str, *, count: int = 1000, seed: int = 0, **options: Any) -> Dataset:
    """The task called `name` (see `TASKS`), with `options` for the arguments of its function.

    Raises InvalidInput for an unknown name, an option the task does not have, or a value it
    refuses; of a task that was registered, also where it raises, with what it said, and where it
    returns no `Dataset` of `count` rows.
    """
    known = options_of(name)
    if known is not None:
        for option in options:
            one_of(f"option of the task {name}", option, known)
    if is_built_in(name):
        return replace(TASKS[name](count, seed=seed, **options), name=name)
    try:
        made = TASKS[name](count, seed=seed, **options)
    except InvalidInput:
        raise
    except Exception as error:  # a task of a user's own may do anything
        raise InvalidInput(
            f"the task {name} failed",
            value=" ".join(f"{type(error).__name__}: {error}".split()),
            remedy=f"call it with count={count}, seed={seed} and see",
        ) from error
    return replace(_sound(name, made, count), name=name)


def options_of(name: str) -> tuple[str, ...] | None:
    """The options that `make(name, ...)` takes beside `count` and `seed`; None where the function
    takes any.
    """
    one_of("task", name, TASKS)
    task = TASKS[name]
    fixed = set(task.keywords) if isinstance(task, partial) else set()
    parameters = inspect.signature(task).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return None
    return tuple(option for option in [*parameters][1:] if option not in fixed | {"seed"})


def _sound(name: str, made: object, count: int) -> Dataset:
    """What a registered task returned, if it is what it must be."""
    data = require_sound(made, f"what the task {name} returns")
    if len(data) != count:
        raise InvalidInput(
            f"the task {name} returns another number of rows",
            value=f"{len(data)} rows for count={count}",
            remedy="return count rows",
        )
    return data


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def _classification(name: str, points: Tensor, labels: Tensor, classes: int) -> Dataset:
    return Dataset(points, labels, "classification", points.shape[1], classes, name)


def _families(name: str, points: Tensor, labels: Tensor, parents: int, children: int) -> Dataset:
    """Classes of which every `children` in a row have one parent."""
    data = _classification(name, points, labels, parents * children)
    return replace(data, parents=torch.arange(parents).repeat_interleave(children))
