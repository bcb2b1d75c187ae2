"""A network as one sequence of steps, which every walk goes over: what is done to which values.

Value 0 is the network's input, and step k writes value k + 1. In a chain every step reads the value
before it; a skip connection is a :class:`Sum` of two values, and any graph without circles has such
an order. What is done is a norm, a layer or a sum: see `Operation` in
:mod:`exact.networks.layers`, which makes steps of blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, NamedTuple, TypeVar

from exact.arithmetic.numbers import FloatArray
from exact.errors import InvalidInput

T = TypeVar("T")


@dataclass(frozen=True)
class Sum:
    """The sum of the values that a step reads: where a skip connection ends."""

    def total(self, values: Iterable[T]) -> T:
        """The values added up from the left, whatever they are: exact columns, or balls."""
        return reduce(add, values)

    def forward_float(self, *values: FloatArray) -> FloatArray:
        """The sum in float64."""
        return self.total(values)


class Step(NamedTuple):
    """`does`, a norm, a layer or a sum, is applied to the values `inputs`; no later step reads the
    values `forgets`.
    """

    does: Any
    inputs: tuple[int, ...]
    forgets: tuple[int, ...]


def sequence(steps: Iterable[tuple[Any, Sequence[int]]]) -> tuple[Step, ...]:
    """Steps from what each does and the values that it reads.

    Raises InvalidInput where a step reads a value that is not there yet, or not as many as it
    takes: a sum takes any number, a norm or a layer one.

    >>> from exact.networks.graphs.steps import Sum
    >>> from exact import Layer
    >>> [step.forgets for step in sequence([(Layer.of([[2]]), [0]), (Sum(), [0, 1])])]
    [(), (0, 1)]
    """
    given = [(does, tuple(inputs)) for does, inputs in steps]
    for k, (does, inputs) in enumerate(given):
        fits = len(inputs) > 0 if isinstance(does, Sum) else len(inputs) == 1
        if not fits or not all(0 <= i <= k for i in inputs):
            raise InvalidInput(
                f"step {k} of a network does not read what was written",
                value=f"{type(does).__name__} of the values {list(inputs)}",
                remedy=f"give the numbers of values, from 0 to {k}: one, and several to a sum",
            )
    last = {i: k for k, (_, inputs) in enumerate(given) for i in inputs}
    return tuple(
        Step(does, inputs, tuple(sorted(i for i in {*inputs} if last[i] == k)))
        for k, (does, inputs) in enumerate(given)
    )


def walk(steps: Sequence[Step], start: T, apply: Callable[..., T]) -> T:
    """The value that the last step writes, from the input `start`; without steps that input.

    `apply(does, *values)` is asked once for every step, in order; values that no later step reads
    are let go.

    >>> from exact.networks.graphs.steps import Sum, sequence
    >>> from exact import Layer
    >>> double = Layer.of([[2]])
    >>> graph = sequence([(double, [0]), (double, [1]), (Sum(), [0, 1, 2])])
    >>> walk(graph, 1, lambda does, *values: sum(values) if does == Sum() else 2 * values[0])
    7
    """
    values = {0: start}
    for k, (does, inputs, forgets) in enumerate(steps):
        values[k + 1] = apply(does, *(values[i] for i in inputs))
        for i in forgets:
            del values[i]
    return values[len(steps)]
