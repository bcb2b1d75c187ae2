"""What was measured, with its uncertainty: the one thing that rules judge."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from operator import index

from exact.errors import ExactlensError, InvalidInput
from studies.finding import JSON

CONFIDENCE = 0.95
MINIMUM = 30
"""Networks that a verdict about training needs; a rule over fewer leaves its claim undecided."""
QUICK = 5
"""Networks of a quick study."""
NETS, SEQUENCES = "nets", "sequences"


class Degenerate(ExactlensError):
    """A subject on which a statistic has no meaning: a toy that did not train, a class of one
    member, a network without living neurons, a text of ten tokens.
    """


@dataclass(frozen=True)
class Estimate:
    """A value and its interval, over a number of independent units.

    `clusters` counts these units, `unit` names them in the plural: networks for what is said of
    training, sequences for language models. `interval` is None exactly where `why` says why there
    is none; `value` is None where there is nothing to measure. `method` names how the interval was
    found, `p` is the p-value of a test that goes with it. A bootstrap's interval need not hold the
    value. Raises InvalidInput for what contradicts itself, NaN included, for a p-value that is
    none, and for an interval over no units.

    >>> str(Estimate(0.5, (0.25, 0.75), 30)), str(Estimate(None, None, 1, why="one net only"))
    ('0.5 [0.25, 0.75] over 30 nets', 'not measured: one net only')
    """

    value: float | None
    interval: tuple[float, float] | None
    clusters: int
    unit: str = NETS
    method: str = ""
    why: str = ""
    p: float | None = None

    def __post_init__(self) -> None:
        numbers = [x for x in (self.value, *(self.interval or ()), self.p) if x is not None]
        low, high = self.interval or (0, 0)
        whole("clusters", self.clusters, 0 if self.interval is None else 1)
        if (
            any(map(math.isnan, numbers))
            or low > high
            or (self.interval is None) != bool(self.why)
            or (self.value is None and self.interval is not None)
        ):
            raise InvalidInput(
                "an estimate contradicts itself",
                value=f"{self.value} {self.interval} {self.why!r}",
                remedy="give a value and an interval that ascends, or no interval and why",
            )
        if self.p is not None and not 0 <= self.p <= 1:
            raise InvalidInput("no p-value", value=self.p, remedy="give one of 0 to 1, or None")

    @classmethod
    def exactly(cls, value: float | Fraction, *, unit: str = "net") -> Estimate:
        """A census: the value is exact, nothing was sampled, the interval is a point.

        >>> Estimate.exactly(3).interval, str(Estimate.exactly(3))
        ((3, 3), '3 exactly')
        """
        return cls(value, (value, value), 1, unit, EXACT)  # type: ignore[arg-type]

    @classmethod
    def unknown(
        cls, why: str, *, clusters: int = 0, unit: str = NETS, value: float | None = None
    ) -> Estimate:
        """What has no interval, and why."""
        return cls(value, None, clusters, unit, why=why)

    @property
    def is_exact(self) -> bool:
        """Whether nothing was sampled."""
        return self.method == EXACT

    def with_p(self, p: float | None) -> Estimate:
        """The same with the p-value of a test."""
        return replace(self, p=p)

    def data(self, name: str) -> dict[str, JSON]:
        """The numbers under keys that begin with `name`."""
        low, high = self.interval or (None, None)
        return {
            f"{name}_float": _plain(self.value),
            f"{name}_low_float": _plain(low),
            f"{name}_high_float": _plain(high),
            f"{name}_p_float": self.p,
            f"{name}_{self.unit.replace(' ', '_')}": self.clusters,
            f"{name}_method": self.method or self.why,
        }

    def __str__(self) -> str:
        if self.value is None:
            return f"not measured: {self.why}"
        value = format(float(self.value), ".3g")
        if self.is_exact:
            return f"{value} exactly"
        if self.interval is None:
            return f"{value} over {self._units}, no interval: {self.why}"
        low, high = (format(float(end), ".3g") for end in self.interval)
        return f"{value} [{low}, {high}] over {self._units}"

    @property
    def _units(self) -> str:
        return counted(self.clusters, self.unit)


EXACT = "exact"


def counted(count: int, unit: str) -> str:
    """So many units, which are named in the plural.

    >>> counted(1, "groups of items"), counted(3, "nets")
    ('1 group of items', '3 nets')
    """
    first, space, rest = unit.partition(" ")
    return f"{count} {first.removesuffix('s') if count == 1 else first}{space}{rest}"


def whole(name: str, value: object, least: int) -> int:
    """`value` as an int. Raises InvalidInput for what is no integer, and for one below `least`."""
    try:
        number = index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if number < least:
        remedy = f"write an integer {name} >= {least}"
        raise InvalidInput(f"{name} is no number of things", value=repr(value), remedy=remedy)
    return number


def _plain(value: float | None) -> float | None:
    """A float that JSON can hold, None for an infinite one."""
    return None if value is None or not math.isfinite(value) else float(value)
