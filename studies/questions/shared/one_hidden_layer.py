"""One hidden layer and the vectors in front of it: an MLP of a language model on its residuals, or
a toy on its data; with the controls that several questions hold against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from exact import Block, Layer, Network
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.questions.shared.rays import directed, must_live, spanning
from studies.rules import Claim
from studies.statistics import MINIMUM, NETS, SEQUENCES, Degenerate, Estimate, over_clusters
from studies.statistics.intervals import ANYWHERE, Range
from studies.subjects import LanguageLayer, Subject, Toy
from toy_models import TrainResult

VECTORS = "vectors"
LEAST = {NETS: MINIMUM, SEQUENCES: 10, VECTORS: 10}
"""How many of each unit a verdict needs."""
FEWEST = 4
LONGEST_TITLE = 80
DRAWS = 999


@dataclass(frozen=True)
class Rows:
    """A network of one hidden layer, vectors in front of it, and the units in which they come:
    `places` says for each vector in which.
    """

    network: Network
    vectors: FloatArray
    places: IndexArray
    unit: str = VECTORS

    @classmethod
    def of(cls, subject: Subject, count: int) -> Rows:
        """The first vectors of a language layer, or of a toy. Degenerate for a toy that did not
        learn, a constant layer, fewer than four vectors, and vectors without a direction.
        """
        if isinstance(subject, Toy):
            subject.must_have_learned()
            return cls.around(subject.block, subject.residuals[:count], None)
        places = None if subject.places is None else subject.places[:count]
        return cls.around(subject.network, subject.vectors[:count], places)

    @classmethod
    def around(cls, network: Network, vectors: FloatArray, places: IndexArray | None) -> Rows:
        """Those vectors; without `places` they stand for themselves. Degenerate as `of`."""
        if len(vectors) < FEWEST:
            raise Degenerate("too few vectors", value=len(vectors), remedy="take a longer text")
        directed(network, vectors.tolist())
        must_live(network)
        if places is None:
            return cls(network, vectors, np.arange(len(vectors)))
        return cls(network, vectors, places, SEQUENCES)

    @classmethod
    def of_net(cls, network: Network, result: TrainResult, count: int) -> Rows:
        """The first rows of the data of a trained net."""
        return cls.around(network, np.asarray(result.dataset.inputs[:count].double().numpy()), None)

    def over(
        self,
        values: FloatArray,
        rng: np.random.Generator,
        statistic: Callable[[FloatArray], float] = np.median,
        range: Range = ANYWHERE,
    ) -> Estimate:
        """A statistic of one value a vector, with its interval over the units, cut to its range."""
        return over_places(values, self.places, self.unit, rng, statistic, range)


def over_places(
    values: FloatArray,
    places: IndexArray,
    unit: str,
    rng: np.random.Generator,
    statistic: Callable[[FloatArray], float] = np.median,
    range: Range = ANYWHERE,
) -> Estimate:
    """A statistic of values, with its interval over the units in which they come, cut to the range
    of the statistic.
    """
    groups = [values[places == place] for place in np.unique(places)]
    return over_clusters(groups, rng, statistic=statistic, unit=unit, draws=DRAWS, range=range)


def is_one_hidden_layer(subject: Subject) -> bool:
    """Whether a subject is one block of one hidden layer, its first, and has vectors in front."""
    if isinstance(subject, Toy) and subject.dataset is None:
        return False
    network = subject.block if isinstance(subject, Toy) else subject.network
    block = network.blocks[0]
    return (
        len(network.blocks) == 1
        and not block.residual
        and len(network.hidden_layers) == 1
        and block.layers[0] is network.hidden_layers[0]
    )


NEEDS = "one hidden layer without a skip connection, and data in front of it"


def by_unit(make: Callable[[str, int], Claim]) -> dict[str, Claim]:
    """A claim for each unit, from its name and how many a verdict needs."""
    return {unit: make(unit, least) for unit, least in LEAST.items()}


def unit_of(subject: Subject) -> str:
    """The units in which the vectors of a subject come."""
    is_text = isinstance(subject, LanguageLayer) and subject.places is not None
    return SEQUENCES if is_text else VECTORS


def relu_ised(subject: Subject) -> tuple[str, Network]:
    """The piecewise affine network of a subject, under a name that says so where it is another."""
    if isinstance(subject, LanguageLayer):
        return subject.relu_ised
    network = subject.block.relu_ised()
    return (subject.name if network == subject.block else f"{subject.name}, with ReLU"), network


def titled(subject: Subject, what: str) -> str:
    """What a finding on a part of a subject is called: its ReLU-ised name, or where that is too
    long for a table its own, and the part.
    """
    long = f"{relu_ised(subject)[0]}: {what}"
    return long if len(long) <= LONGEST_TITLE else f"{subject.name}: {what}"


def with_random_rows(network: Network, rng: np.random.Generator) -> Network:
    """The network with every row of its hidden layer, as the norm lets it see, turned into a random
    direction of the same length; offsets stay.
    """
    block = network.blocks[0]
    head, *rest = (network.folded() if block.norm is not None else network).blocks[0].layers
    rows, norm = head.weight.float64(), block.norm
    drawn = rng.standard_normal(rows.shape)
    if norm is not None:
        drawn = norm.project_float(drawn)
    sizes = np.linalg.norm(rows, axis=1, keepdims=True)
    turned = drawn / np.linalg.norm(drawn, axis=1, keepdims=True) * sizes
    layer = Layer.of(turned, head.bias.float64(), head.activation)
    bare = None if norm is None else type(norm).of(norm.eps, dim=norm.dim, eps_rule=norm.eps_rule)
    return Network((Block((layer, *rest), bare),))


def unit_rows(rows: FloatArray) -> FloatArray:
    """Rows of length 1; those of length 0 stay."""
    sizes = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, sizes, out=np.zeros_like(rows), where=sizes > 0)


def counts_of(rows: Sequence[int] | IndexArray, total: int) -> FloatArray:
    """How often each number below `total` occurs."""
    return np.bincount(np.asarray(rows, dtype=np.int64), minlength=total).astype(np.float64)


def paired_rows(rows: Rows) -> tuple[FloatArray, FloatArray, IndexArray]:
    """Every two rows as a pair, which counts for the unit of its first."""
    pairs = spanning(rows.network, rows.vectors.tolist())
    u, v = (np.array([pair[side] for pair in pairs], dtype=np.float64) for side in (0, 1))
    return u, v, rows.places[: 2 * len(pairs) : 2]
