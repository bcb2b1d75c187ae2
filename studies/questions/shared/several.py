"""Several statistics of every net at once, as a pass over its boundaries gives them; and how the
estimates are told in a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from exact import Network, TooLarge, Undecided
from exact.arithmetic.numbers import FloatArray
from exact.sources import torch_modules
from studies.finding import JSON
from studies.questions.shared.nets import Measured, Nets
from studies.rules import SHARE
from studies.statistics import NETS, Degenerate, Estimate, over_clusters, wilson
from toy_models import TrainResult

LONGEST = 80  # characters of the subject of a finding
DUST = 1e-9  # of an interval's length: what rounding leaves of zero
Found = Mapping[str, "float | str"]
Several = Callable[[Network, TrainResult, np.random.Generator], Found]
"""What is measured of one net by name: a number, or why there is none."""


def several(nets: Nets, names: Sequence[str], statistics: Several) -> dict[str, Measured]:
    """Measure every net once; a `Measured` for each of the names.

    A net on which they have no meaning, or that is too large or cannot be decided, is lost for all
    of them; where a single statistic is a text, the net is lost for that one.
    """
    values: dict[str, dict[int, float]] = {name: {} for name in names}
    lost: dict[str, dict[int, str]] = {name: {} for name in names}
    for result in nets.results:
        seed = result.config.seed
        try:
            network = torch_modules.read(result.model)
            found = statistics(network, result, np.random.default_rng(seed))
        except (Degenerate, TooLarge, Undecided) as why:
            found = dict.fromkeys(names, str(why))
        for name in names:
            one = found.get(name, "not measured")
            if isinstance(one, str):
                lost[name][seed] = one
            else:
                values[name][seed] = float(one)
    return {name: Measured(nets, values[name], lost[name]) for name in names}


def brief(estimate: Estimate) -> str:
    """An estimate without its units, for values that tell several: 0.5 [0.25, 0.75]. What is
    nothing beside the length of the interval is 0.

    >>> brief(Estimate(-1.1e-16, (-0.19, 0.19), 30)), brief(Estimate(1e-16, (0, 2e-16), 30))
    ('0 [-0.19, 0.19]', '1e-16 [0, 2e-16]')
    """
    if estimate.value is None:
        return "not measured"
    if estimate.interval is None:
        return f"{estimate.value:.2g} (no interval)"
    low, high = estimate.interval
    dust = DUST * (high - low)
    value, low, high = (0.0 if abs(x) <= dust else x for x in (estimate.value, low, high))
    return f"{value:.2g} [{low:.2g}, {high:.2g}]"


def share_of_nets(measured: Measured, rng: np.random.Generator) -> Estimate:
    """The mean over nets of a statistic between 0 and 1; see `share_or_wilson`."""
    return share_or_wilson([*measured.values.values()], rng, unit=NETS)


def share_or_wilson(
    values: Sequence[float] | FloatArray, rng: np.random.Generator, *, unit: str
) -> Estimate:
    """The mean of values between 0 and 1, over units. Where every unit has 1 (or 0) no resampling
    knows an interval: it is then Wilson's of the share of units that have it, which the mean
    cannot be below (or above).
    """
    given = np.asarray(values, dtype=np.float64)
    if len(given) and (given.min() == 1 or given.max() == 0):
        return wilson(int(given.sum()), len(given), unit=unit)
    return over_clusters(given, rng, unit=unit, range=SHARE)


def named(subject: str, measured: Measured) -> str:
    """A subject and its nets; how many could not be measured is left to the data where a table has
    no room for it.
    """
    whole = f"{subject}, {measured.told}"
    return whole if len(whole) <= LONGEST else f"{subject}, {measured.nets.told}"


def data_of(estimates: Mapping[str, Estimate]) -> dict[str, JSON]:
    """The numbers of several estimates, under keys that begin with their names."""
    found: dict[str, JSON] = {}
    for name, one in estimates.items():
        found.update(one.data(name))
    return found


def mean_or_why(values: Sequence[float], why: str) -> float | str:
    """The mean of what is finite; why there is none where nothing is."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else why


def slope_or_why(values: Sequence[float], why: str) -> float | str:
    """The slope of what is finite over its place 0, 1, 2, ...; why where fewer than three are."""
    places = [place for place, value in enumerate(values) if np.isfinite(value)]
    if len(places) < 3:
        return why
    return float(np.polyfit(places, [values[place] for place in places], 1)[0])
