"""The layers of a network as starts: the activations of a hidden layer, and what the network does
with them; the deep toys that are looked at so; and one network's items in groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exact import Network
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.questions.shared import nets
from studies.statistics import Degenerate
from studies.subjects import LanguageLayer, Subject, Toy
from toy_models import ModelConfig, TrainConfig
from toy_models.models import NormName

DEPTH, WIDTH = 4, 16
BLOBS, HIERARCHY = "blobs", "hierarchical_blobs"
TASKS = {
    BLOBS: {"dimension": 6, "classes": 5},
    HIERARCHY: {"dimension": 4},
    "moons": {},
    "spirals": {},
}
"""The tasks of the deep toys, with their options."""

SLOW = (HIERARCHY, "spirals")
"""Tasks that some seeds do not learn in the usual steps."""

GROUPS = "groups of items"
GROUP_COUNT = 10


@dataclass(frozen=True, eq=False)
class Start:
    """A place behind `number` hidden layers: the `vectors` that data have there (float64, from here
    on taken as they are) and the `network` from there to the output. Its first `own` hinges are
    those of the next hidden layer alone.
    """

    number: int
    network: Network
    vectors: FloatArray

    @property
    def own(self) -> int:
        """How many hinges the next hidden layer has."""
        return self.network.bits_per_layer[0]


def start(network: Network, inputs: FloatArray, number: int) -> Start:
    """The start behind `number` hidden layers; 0 is the input itself."""
    if number == 0:
        return Start(0, network, inputs)
    vectors = network.up_to_layer(number).forward_float(inputs)
    return Start(number, network.from_layer(number + 1), vectors)


def starts(network: Network, inputs: FloatArray) -> list[Start]:
    """A start in front of every hidden layer."""
    return [start(network, inputs, number) for number in range(len(network.hidden_layers))]


def deep_toy(task: str, norm: NormName = "none", *, bias: bool = True) -> TrainConfig:
    """Four hidden layers of 16 on a task of `TASKS`, with a norm in front or none."""
    model = ModelConfig((WIDTH,) * DEPTH, norm, embed_dim=0, bias=bias)
    return TrainConfig(task=task, task_options=TASKS[task], model=model)


def deep_steps(task: str) -> int:
    """The steps of training in which deep toys of every seed learn a task."""
    return nets.STEPS * (2 if task in SLOW else 1)


def is_deep(subject: Subject) -> bool:
    """Whether a subject is a network without a norm or a skip, with a bend and with data."""
    if not isinstance(subject, Toy) or subject.dataset is None:
        return False
    skips = any(block.residual for block in subject.network.blocks)
    return not (skips or subject.network.has_norm or not subject.network.hidden_layers)


def is_deep_classifier(subject: Subject) -> bool:
    """Whether it is one, and its data have classes."""
    return is_deep(subject) and isinstance(subject, Toy) and has_classes(subject)


def has_classes(toy: Toy) -> bool:
    """Whether there are data, and they have classes."""
    return toy.dataset is not None and toy.dataset.kind == "classification"


def noise(rows: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Gaussian directions with the lengths of the rows."""
    drawn = rng.standard_normal(rows.shape)
    scaled = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.asarray(scaled * np.linalg.norm(rows, axis=1, keepdims=True))


def in_groups(count: int, seed: int) -> IndexArray:
    """The group of each of a number of items, at random: ten groups that differ by one item at
    most. Degenerate for less than two items a group.
    """
    if count < 2 * GROUP_COUNT:
        raise Degenerate(
            "too few items for groups", value=count, remedy=f"give {2 * GROUP_COUNT} or more"
        )
    return np.random.default_rng(seed).permutation(count) % GROUP_COUNT


def of_sequences(layer: LanguageLayer, seed: int) -> IndexArray:
    """The group of each residual of a language layer: whole sequences stay together."""
    if layer.places is None:
        return in_groups(len(layer.vectors), seed)
    places, place = np.unique(layer.places, return_inverse=True)
    if len(places) < GROUP_COUNT:
        raise Degenerate(
            "too few sequences for groups",
            value=len(places),
            remedy=f"take a text of {GROUP_COUNT} sequences or more",
        )
    group = np.random.default_rng(seed).permutation(len(places)) % GROUP_COUNT
    return np.asarray(group[place.reshape(-1)])
