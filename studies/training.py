"""How well the toys of a study learned: losses, accuracies, and which of them did not train."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import torch
from torch.nn import functional

from exact import Network
from studies.finding import JSON
from studies.statistics.estimates import Degenerate
from toy_models import Dataset, TrainResult
from toy_models.train import Score

LEARNED = 0.9
"""A classification below this accuracy, on training or held-out rows, did not learn; nor did one
that is no better than to name the most frequent class always.
"""


@dataclass(frozen=True)
class Fit:
    """The score on some rows: the loss, the accuracy of a classification, R^2 of a regression.

    R^2 is 1 - loss / variance of the targets, None where that is zero or the loss no squared error.
    `majority` is the share of the most frequent class, `smallest` the number of members of the
    least frequent one of those there are; None where they are not known, or there are no classes.
    """

    loss: float
    accuracy: float | None
    r_squared: float | None
    majority: float | None = None
    smallest: int | None = None

    @classmethod
    def of(cls, score: Score, rows: Dataset) -> Fit:
        """The fit that a score on these rows means."""
        if rows.kind != "regression":
            counts = torch.unique(rows.targets.detach().cpu(), return_counts=True)[1]
            if not len(counts):
                return cls(score.loss, score.accuracy, None)
            least, most = int(counts.min()), int(counts.max())
            return cls(score.loss, score.accuracy, None, most / int(counts.sum()), least)
        targets = rows.targets.double()
        variance = float((targets - targets.mean(dim=0)).square().mean())
        return cls(score.loss, None, 1 - score.loss / variance if variance else None)

    @classmethod
    def on(cls, network: Network, rows: Dataset) -> Fit | None:
        """How a network does on rows: by the largest of its outputs, one for each class, by the
        sign of a single output for two classes, or by its squared error. None where its outputs do
        not fit the targets.
        """
        outputs = torch.as_tensor(network.forward_float(rows.inputs.detach().cpu().numpy()))
        targets = rows.targets.detach().cpu()
        if rows.kind == "regression":
            if outputs.shape != targets.shape:
                return None
            return cls.of(Score(float(functional.mse_loss(outputs, targets.double())), None), rows)
        if network.output_dim == 1 and rows.output_dim == 2:
            outputs = torch.cat([torch.zeros_like(outputs), outputs], dim=1)
        if outputs.shape[1] != rows.output_dim:
            return None
        accuracy = float((outputs.argmax(dim=1) == targets).double().mean())
        return cls.of(Score(float(functional.cross_entropy(outputs, targets)), accuracy), rows)

    @property
    def low(self) -> str:
        """What keeps it from being that of a net that learned; empty where nothing does."""
        if not math.isfinite(self.loss):
            return "loss is not finite"
        if self.accuracy is None:
            return ""
        if not self.accuracy >= LEARNED:
            return f"accuracy {self.accuracy:.1%}"
        if self.majority is not None and not self.accuracy > self.majority:
            return f"accuracy {self.accuracy:.1%}, and {self.majority:.1%} are of one class"
        return ""

    @property
    def text(self) -> str:
        """The accuracy, or the loss and R^2, for a table."""
        if self.accuracy is not None:
            return f"{self.accuracy:.1%}"
        told = "" if self.r_squared is None else f", R² {self.r_squared:.3f}"
        return f"loss {self.loss:.3g}{told}"


@dataclass(frozen=True)
class Training:
    """How one net was trained: `name` says architecture, task and norm and is shared by the nets of
    other seeds; `failure` says why there is no net at all.

    Of a net of one's own nobody knows the seed, nor which rows it was trained on: it has the fit on
    all `rows` that were given with it.
    """

    name: str
    seed: int | None
    training: Fit | None = None
    held_out: Fit | None = None
    failure: str = ""
    rows: Fit | None = None

    @classmethod
    def of(cls, name: str, result: TrainResult) -> Training:
        """What a trainer's result says."""
        held_out = result.held_out_score
        return cls(
            name,
            result.config.seed,
            Fit.of(result.training_score, result.training),
            None if held_out is None else Fit.of(held_out, result.held_out),
        )

    @property
    def lacks(self) -> str:
        """Why this net cannot stand for a trained one; empty where it can, and for regressions of
        a finite loss, whose loss and R^2 are told instead. Rows that were given want two members of
        each class.
        """
        return self.failure or (f"did not learn: {self._low}" if self._low else "")

    @property
    def _low(self) -> str:
        fits = ("training ", self.training), ("held-out ", self.held_out), ("", self.rows)
        for rows, fit in fits:
            if fit is not None and fit.low:
                return f"{rows}{fit.low}"
        if self.rows is not None and self.rows.smallest == 1:
            return "a class has one member"
        return ""

    @property
    def told(self) -> str:
        """The net among those of its name."""
        return "" if self.seed is None else f"seed {self.seed}"

    def require(self) -> None:
        """Degenerate for a net that did not train."""
        if self.lacks:
            seed = f" with {self.told}" if self.told else ""
            raise Degenerate(
                f"the {'network' if self.seed is None else 'toy'} did not learn",
                value=f"{self.failure or self._low}{seed}",
                remedy=f"train it to {LEARNED:.0%}, and beyond the share of its largest class",
            )

    def values(self) -> dict[str, JSON]:
        """All of it as JSON values."""
        return {
            "name": self.name,
            "seed": self.seed,
            "training": _values(self.training),
            "held_out": _values(self.held_out),
            "rows": _values(self.rows),
            "lacks": self.lacks,
        }


def _values(fit: Fit | None) -> JSON:
    if fit is None:
        return None
    squared = fit.r_squared
    return {
        "loss_float": fit.loss if math.isfinite(fit.loss) else None,
        "accuracy_float": fit.accuracy,
        "r_squared_float": squared if squared is None or math.isfinite(squared) else None,
    }


@dataclass(frozen=True)
class Family:
    """The nets of one name, a seed each, in order of their seeds."""

    name: str
    nets: tuple[Training, ...]

    @property
    def seeds(self) -> str:
        """All seeds, runs of them as a range: 0-29, 31."""
        numbers = [net.seed for net in self.nets if net.seed is not None]
        runs = [
            [number for _, number in run]
            for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
        ]
        return ", ".join(f"{r[0]}–{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs) or "—"

    def told(self, rows: str) -> str:
        """The fits on "training" or "held_out" rows, or on all given "rows": one, or the lowest and
        the highest.
        """
        fits = [getattr(net, rows) for net in self.nets]
        found = [fit for fit in fits if fit is not None]
        if not found:
            return "—"
        found.sort(key=lambda fit: fit.accuracy if fit.accuracy is not None else -fit.loss)
        ends = dict.fromkeys((found[0].text, found[-1].text))
        return " to ".join(ends)

    @property
    def details(self) -> str:
        """A line for each net."""
        lines = []
        for net in self.nets:
            fits = (net.training, "training"), (net.held_out, "held out"), (net.rows, "its rows")
            told = [f"{fit.text} {rows}" for fit, rows in fits if fit is not None]
            lines.append(f"{net.told}: {', '.join([*told, net.lacks]).removesuffix(', ')}")
        return "\n".join(lines)

    @property
    def has_rows(self) -> bool:
        """Whether some are told by the rows that were given with them."""
        return any(net.rows is not None for net in self.nets)

    @property
    def lacking(self) -> tuple[Training, ...]:
        """The nets that did not train."""
        return tuple(net for net in self.nets if net.lacks)


def families(trainings: Iterable[Training]) -> Iterator[Family]:
    """Nets by name, in the order in which names appear."""
    found: dict[str, list[Training]] = {}
    for training in trainings:
        found.setdefault(training.name, []).append(training)
    for name, nets in found.items():
        yield Family(
            name, tuple(sorted(nets, key=lambda net: -1 if net.seed is None else net.seed))
        )


def _seed(net: Training) -> int:
    return -1 if net.seed is None else net.seed
