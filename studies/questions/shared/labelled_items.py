"""Items with labels, as a layer sees them: held-out rows of a toy by class, tokens of a text by
what they are or what comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from exact import Codes, Network, hamming
from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.questions.shared.left_out import leaving_out
from studies.questions.shared.nets import Nets, ensemble
from studies.statistics import SEQUENCES, Degenerate, Estimate
from studies.statistics.intervals import ANYWHERE, Range
from studies.subjects import NO_TOKEN, LanguageLayer, Subject, Subjects, Toy
from toy_models import ModelConfig, TrainConfig, TrainResult
from toy_models.populations import Arm

ITEMS, QUICK_ITEMS = 400, 200
ROWS = "rows of data"
A_SEQUENCE = 6
FEWEST_TOKENS = 30
THIS, NEXT = "this token", "next token"
LABELS = (THIS, NEXT)
ARMS: tuple[Arm, ...] = ("trained", "untrained")


@dataclass(frozen=True)
class Family:
    """Toys of one labelled task: two hidden layers, a third of the rows held out."""

    name: str
    task: str
    widths: tuple[int, ...]
    options: Mapping[str, object]
    group: int

    def trained(self, subjects: Subjects) -> tuple[Nets, Nets]:
        """Its nets of many seeds: trained, and untrained."""
        config = TrainConfig(
            task=self.task,
            task_options=dict(self.options),
            model=ModelConfig(self.widths, embed_dim=0),
            samples=3 * ITEMS,
            held_out=1 / 3,
        )
        trained, untrained = ensemble(subjects, config, ARMS, group=self.group)
        return trained, untrained


EIGHT = Family("8 blobs", "blobs", (32, 16), {"dimension": 6, "classes": 8, "spread": 0.25}, 1)
FORTY = Family("40 blobs", "blobs", (64, 32), {"dimension": 6, "classes": 40, "spread": 0.12}, 2)
NESTED = Family(
    "3 x 3 blobs of the plane",
    "hierarchical_blobs",
    (12, 8),
    {"dimension": 2, "parents": 3, "children": 3, "spread": 0.04},
    3,
)
FAMILIES = (EIGHT, FORTY, NESTED)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Vectors in front of a network, their labels from 0, the sequences that they come from (for
    toys, themselves), their rows among all that the subject has, and what the sequences are called.
    """

    network: Network
    inputs: FloatArray
    labels: IndexArray
    sequences: IndexArray
    rows: IndexArray
    unit: str = SEQUENCES

    @classmethod
    def of_toy(cls, toy: Toy) -> Labelled:
        """The first rows of a toy with their classes. Raises Degenerate for one that did not
        learn.
        """
        toy.must_have_learned()
        numbers = np.arange(min(ITEMS, len(toy.inputs)))
        labels = np.asarray(toy.rows.targets.numpy())[: len(numbers)]
        return cls(toy.network, toy.inputs[: len(numbers)], labels, numbers, numbers, ROWS)

    @classmethod
    def of_net(cls, network: Network, result: TrainResult, count: int) -> Labelled:
        """The first held-out rows of a toy, with their classes."""
        rows = result.held_out
        inputs = np.asarray(rows.inputs[:count].double().numpy())
        labels = np.asarray(rows.targets[:count].numpy())
        return cls(network, inputs, labels, *(2 * [np.arange(len(labels))]))

    @classmethod
    def of_layer(cls, layer: LanguageLayer, label: str) -> Labelled:
        """A few tokens of each sequence, evenly spaced, in front of the ReLU-ised layer.

        Raises Degenerate without a text.
        """
        kept = _evenly_spaced(layer)
        assert layer.tokens is not None and layer.places is not None  # nothing is kept without
        tokens = layer.tokens.numpy()[kept, LABELS.index(label)]
        labels = np.unique(tokens, return_inverse=True)[1].astype(np.int64)
        return cls(layer.relu_ised[1], layer.vectors[kept], labels, layer.places[kept], kept)

    def seen_by(self, other: LanguageLayer) -> Labelled:
        """The same tokens in front of the same layer of another model. Raises Degenerate where it
        has not seen them.
        """
        if len(other.vectors) <= self.rows.max(initial=0):
            remedy = "let both models read the same text"
            raise Degenerate("the other model read less", value=other.name, remedy=remedy)
        return replace(self, network=other.relu_ised[1], inputs=other.vectors[self.rows])

    @property
    def class_size(self) -> int:
        """The size of the class of the median item."""
        return int(np.median(np.bincount(self.labels)[self.labels]))

    def over_sequences(
        self,
        statistic: Callable[[FloatArray], float],
        rng: np.random.Generator,
        range: Range = ANYWHERE,
    ) -> Estimate:
        """A statistic of how often each item counts (once, or not), and its interval over whole
        units, cut to the range of the statistic.
        """

        def kept(mask: BitArray) -> float:
            return statistic(mask.astype(np.float64))

        return leaving_out(kept, self.sequences, rng, self.unit, range)


def has_labels(subject: Subject) -> bool:
    """Whether there is a text, or data of classes in front of a hidden layer."""
    if isinstance(subject, LanguageLayer):
        return True
    there = subject.dataset is not None and subject.dataset.kind == "classification"
    return there and bool(subject.network.hidden_layers)


def _evenly_spaced(layer: LanguageLayer) -> IndexArray:
    """Of the tokens at hand, at most so many a sequence, nearest to evenly spaced positions; the
    last one, behind which none is known, is left out.
    """
    sequences, positions = layer.places, layer.positions
    if layer.tokens is None or sequences is None or positions is None or not len(sequences):
        raise Degenerate(
            "there is no text", value=layer.name, remedy="give tokens, sequences and positions"
        )
    known = layer.tokens.numpy()[:, LABELS.index(NEXT)] != NO_TOKEN
    where = positions.numpy()
    wanted = np.linspace(where.min(), where.max(), 2 * A_SEQUENCE + 1)[1::2]
    kept = set[int]()
    for sequence in np.unique(sequences):
        own = np.flatnonzero((sequences == sequence) & known)
        if len(own):
            nearest = np.abs(where[own, None] - wanted).argmin(axis=0)
            kept |= set(own[nearest].tolist())
    if len(kept) < FEWEST_TOKENS:
        raise Degenerate(
            "the text is too short",
            value=f"{len(kept)} tokens",
            remedy=f"give {FEWEST_TOKENS} or more",
        )
    return np.array(sorted(kept))


# ---- distances


def euclid(vectors: FloatArray) -> FloatArray:
    """The distances of all pairs of rows. Raises Degenerate where all are equal."""
    squares = (vectors**2).sum(axis=1)
    found = squares[:, None] + squares - 2 * vectors @ vectors.T
    np.fill_diagonal(found, 0)
    return _spread(np.sqrt(np.maximum(found, 0)), "vector")


def between_codes(codes: Codes) -> FloatArray:
    """The exact Hamming distances of all pairs. Raises Degenerate where all codes are equal."""
    return _spread(hamming(codes, codes, pairs=False).astype(np.float64), "code")


def _spread(distances: FloatArray, what: str) -> FloatArray:
    if not len(distances) or not distances.any():
        raise Degenerate(
            f"all items have one {what}",
            value=f"{len(distances)} items",
            remedy="take a layer that lives",
        )
    return distances
