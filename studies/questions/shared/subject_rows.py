"""Rows in front of a network, whatever the subject: of a toy its data, of a language layer the
residual vectors of a text, with the unit that is drawn independently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from exact import Network
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.questions.shared.labelled_items import ARMS, EIGHT, ROWS
from studies.questions.shared.nets import Nets, ensemble
from studies.statistics import MINIMUM, NETS, SEQUENCES, Degenerate, Estimate, over_clusters
from studies.statistics.intervals import ANYWHERE, Range
from studies.subjects import LanguageLayer, Subject, Subjects, Toy
from toy_models import ModelConfig, TrainConfig

MOST, FEWEST, DRAWS = 600, 20, 499
LEAST = {NETS: MINIMUM, SEQUENCES: 10, ROWS: FEWEST}
"""How many independent units a rule wants, of each sort."""


@dataclass(frozen=True, eq=False)
class Rows:
    """A network, vectors in front of it, and the unit each belongs to: `rows` stand for
    themselves, tokens for their sequence.
    """

    name: str
    network: Network
    vectors: FloatArray
    places: IndexArray
    unit: str

    @classmethod
    def of(cls, subject: Subject, most: int = MOST, *, learned: bool = True) -> Rows:
        """The first rows of a toy that learned (or, without `learned`, of one of an ensemble, whose
        untrained nets did not), or of a language layer with ReLU for its smooth activation. Raises
        Degenerate for fewer than 20.
        """
        if isinstance(subject, LanguageLayer):
            name, network = subject.relu_ised
            found, places = subject.vectors[:most], subject.places
            unit = ROWS if places is None else SEQUENCES
        else:
            if learned:
                subject.must_have_learned()
            name, network, found = subject.name, subject.block, subject.residuals[:most]
            places, unit = None, ROWS
        if len(found) < FEWEST:
            remedy = f"give {FEWEST} rows or more"
            raise Degenerate("there are too few rows", value=f"{len(found)}", remedy=remedy)
        of_each = np.arange(len(found)) if places is None else places[: len(found)]
        return cls(name, network, found, np.asarray(of_each), unit)

    def halves(self) -> tuple[IndexArray, IndexArray]:
        """Row numbers of two halves that share no unit. Raises Degenerate for one unit."""
        units = np.unique(self.places)
        if len(units) < 2:
            remedy = "give two sequences or more"
            raise Degenerate("there is one unit only", value=self.unit, remedy=remedy)
        first = np.isin(self.places, units[::2])
        return np.flatnonzero(first), np.flatnonzero(~first)

    def over_units(
        self,
        rows: IndexArray,
        statistic: Callable[[IndexArray], float],
        rng: np.random.Generator,
        range: Range = ANYWHERE,
    ) -> Estimate:
        """A statistic of some rows, by their numbers, and its interval over units drawn anew, cut
        to the range of the statistic.
        """
        groups = [rows[self.places[rows] == one] for one in np.unique(self.places[rows])]

        def of_rows(drawn: FloatArray) -> float:
            return statistic(drawn.astype(np.int64))

        return over_clusters(
            groups, rng, statistic=of_rows, unit=self.unit, draws=DRAWS, range=range
        )


def has_rows(subject: Subject) -> bool:
    """Whether there are rows in front of a hidden layer."""
    network = subject.block if isinstance(subject, Toy) else subject.network
    there = not isinstance(subject, Toy) or subject.dataset is not None
    return there and bool(network.hidden_layers)


def nets_with_rows(subjects: Subjects) -> list[tuple[str, Sequence[Nets]]]:
    """Nets of two kinds by name, trained and not: classes that lie apart, without norm, and
    directions behind LayerNorm.
    """
    model = ModelConfig((12,), "layernorm", embed_dim=0)
    behind = ensemble(subjects, TrainConfig(task="direction3", model=model), ARMS)
    return [(EIGHT.name, EIGHT.trained(subjects)), ("direction3 (12), LayerNorm, nets", behind)]
