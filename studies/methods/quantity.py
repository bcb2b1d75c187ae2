"""What methods estimate: quantities with an exact referee, and what is nonsense as an estimate."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from exact import Domain, Network
from exact.errors import abbreviated
from studies.methods.estimate import MethodEstimate

LARGEST = 1e150
"""What estimates may be: their squares are still finite."""


@dataclass(frozen=True)
class Comparison:
    """An estimate beside the exact value: both as numbers, their difference, and for quantities of
    many entries how well these agree (else NaN).
    """

    value: float
    truth: float
    error: float
    within: float = math.nan


@dataclass(frozen=True)
class Quantity:
    """A number at least 0 that a network has on a domain.

    `referee(network, domain)` computes it exactly, as a rational, an integer, or the float nearest
    to a surd. `budgets` are those of a method that names none, `domains` says in words where it is
    asked. `normalised` quantities have errors relative to the exact value; those of others are
    shares already.
    """

    name: str
    title: str
    domains: str
    referee: Callable[[Network, Domain], Any]
    budgets: tuple[int, ...] = (100, 1_000, 10_000)
    normalised: bool = True

    def fault(self, estimate: MethodEstimate, truth: Any) -> str:
        """What is wrong with an estimate, whatever its error; empty where nothing is."""
        fault = number_fault(estimate.value, "the value")
        if fault:
            return fault
        return interval_fault(estimate.interval, float(estimate.value))

    def compare(self, estimate: MethodEstimate, truth: Any) -> Comparison:
        """The estimate beside the exact value."""
        value, exact = float(estimate.value), float(truth)
        return Comparison(value, exact, value - exact)


@dataclass(frozen=True)
class MapQuantity(Quantity):
    """A number at least 0 for each of many places; errors are those of their sum, and `within` is
    the rank correlation of the places.
    """

    def fault(self, estimate: MethodEstimate, truth: Any) -> str:
        wrong = _array_fault(estimate.value, truth, np.number)
        if wrong:
            return wrong
        values = np.asarray(estimate.value, dtype=np.float64)
        if not np.isfinite(values).all():
            return "entries are not finite"
        if values.size and values.max() > LARGEST:
            return f"entries are beyond {LARGEST:g}"
        return "entries are negative" if (values < 0).any() else ""

    def compare(self, estimate: MethodEstimate, truth: Any) -> Comparison:
        from scipy.stats import spearmanr

        value, exact = (
            np.asarray(x, dtype=np.float64).reshape(-1) for x in (estimate.value, truth)
        )
        varies = np.ptp(value) > 0 and np.ptp(exact) > 0
        rank = float(spearmanr(value, exact).statistic) if varies else math.nan
        total, whole = float(value.sum()), float(exact.sum())
        return Comparison(total, whole, total - whole, rank)


@dataclass(frozen=True)
class BitsQuantity(Quantity):
    """Bits, a row of them for each point: value and truth are the shares that are on, the error is
    the share of wrong bits, and `within` the share of rows without any.
    """

    normalised: bool = False

    def fault(self, estimate: MethodEstimate, truth: Any) -> str:
        return _array_fault(estimate.value, truth, np.bool_)

    def compare(self, estimate: MethodEstimate, truth: Any) -> Comparison:
        wrong = np.asarray(estimate.value) != truth
        right = float(1 - wrong.any(axis=1).mean())
        return Comparison(
            float(np.mean(estimate.value)), float(np.mean(truth)), float(wrong.mean()), right
        )


def number_fault(value: Any, what: str) -> str:
    """Why something is no finite number from 0 on; empty where it is one.

    >>> number_fault(1.5, "it"), number_fault("many", "it"), number_fault(-1, "it")
    ('', "it is no number: 'many'", 'it is negative: -1')
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not is_number:
        return f"{what} is no number: {_short(value)}"
    number = _float(value)
    if math.isnan(number) or math.isinf(number):
        return f"{what} is not finite: {_short(value)}"
    if number > LARGEST:
        return f"{what} is beyond {LARGEST:g}: {_short(value)}"
    return f"{what} is negative: {_short(value)}" if number < 0 else ""


def interval_fault(interval: Any, value: float) -> str:
    """Why something is no interval around a value; empty for one, and for None."""
    if interval is None:
        return ""
    if not isinstance(interval, tuple | list) or len(interval) != 2:
        return f"the interval is no pair: {_short(interval)}"
    for end in interval:
        if not isinstance(end, numbers.Real) or isinstance(end, bool) or math.isnan(_float(end)):
            return f"an end of the interval is no number: {_short(end)}"
    low, high = map(_float, interval)
    if low <= 0 and high == math.inf:
        return f"the interval [{low:g}, {high:g}] holds whatever the value may be"
    if low > high:
        return f"the interval ends before it begins: [{low:g}, {high:g}]"
    if not low <= value <= high:
        return f"the interval [{low:g}, {high:g}] does not hold the value {value:g}"
    return ""


def _array_fault(value: Any, truth: np.ndarray, kind: Any) -> str:
    if not isinstance(value, np.ndarray):
        return f"the value is no array: {_short(value)}"
    if value.shape != truth.shape:
        return f"the value has shape {value.shape}, not {truth.shape}"
    is_bits = value.dtype == np.bool_
    if is_bits != (kind is np.bool_) or not (is_bits or np.issubdtype(value.dtype, kind)):
        return f"the entries are of type {value.dtype}"
    return ""


def _float(value: Any) -> float:
    """The nearest float, infinite where a number is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _short(value: Any) -> str:
    return abbreviated(value if isinstance(value, int) else repr(value), 60)
