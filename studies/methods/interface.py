"""What an approximate method is: one function, and what is known about it beforehand.

`function(network, domain, budget, rng)` returns a `MethodEstimate` of a named quantity. Methods see
the network by float forward passes only, as their users do; the exact value of the same quantity is
the business of its referee (`studies.methods.quantities`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np

from exact import Domain, InvalidInput, MissingExtra, Network
from studies.methods.estimate import MethodEstimate
from studies.methods.quantities import QUANTITIES
from studies.own_code import found

Function = Callable[[Network, Domain, int, np.random.Generator], MethodEstimate]
Scale = Literal["relative", "log10"]


@dataclass(frozen=True)
class Method:
    """An approximate method of one quantity.

    `unit` is what the budget counts, `budgets` are those of a full validation, ascending. `number`
    and `source` name the definition. On the scale "log10" an error is log10(value / exact), for
    bounds that are off by orders of magnitude; else it is value / exact - 1. `extra` is what the
    method needs beyond the project's own libraries.

    >>> @method("code_count", unit="points")
    ... def always_seven(network, domain, budget, rng):
    ...     return MethodEstimate(7.0)
    >>> always_seven
    <method always_seven of code_count>
    >>> always_seven(None, None, 1, None).value
    7.0
    """

    name: str
    quantity: str
    function: Function
    unit: str = "samples"
    budgets: tuple[int, ...] = ()
    number: str = ""
    source: str = ""
    scale: Scale = "relative"
    extra: str = ""

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise InvalidInput(
                f"the method {self.name} estimates a quantity that has no referee",
                value=self.quantity,
                remedy=f"write one of {', '.join(QUANTITIES)}",
            )
        if not self.budgets:
            object.__setattr__(self, "budgets", QUANTITIES[self.quantity].budgets)

    def __call__(
        self, network: Network, domain: Domain, budget: int, rng: np.random.Generator
    ) -> MethodEstimate:
        """Run the function itself."""
        return self.function(network, domain, budget, rng)

    def __repr__(self) -> str:
        return f"<method {self.name} of {self.quantity}>"


def method(quantity: str, *, name: str | None = None, **known: Any) -> Callable[[Function], Method]:
    """Make a `Method` of the function below; its name is the function's unless another is given.

    Raises InvalidInput for a quantity without a referee.
    """
    return lambda function: Method(name or _name(function), quantity, function, **known)


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def load(text: str) -> Method:
    """The method of one's own that `package.module:function` names, looked up in the working folder
    too: what `method(...)` made, or a function with an attribute `quantity`.

    Raises InvalidInput where there is none.
    """
    return _as_method(found(text, "--method"), text)


def _as_method(named: Any, text: str) -> Method:
    if isinstance(named, Method):
        return named
    quantity = getattr(named, "quantity", None)
    if not callable(named) or not isinstance(quantity, str):
        raise InvalidInput(
            "a method does not say which quantity it estimates",
            value=text,
            remedy=f"write @method(QUANTITY) above it, one of {', '.join(QUANTITIES)}",
        )
    return Method(_name(named), quantity, named)


def require_extra(library: str, extra: str, what: str) -> Any:
    """An optional library; MissingExtra where it is not installed."""
    try:
        return import_module(library)
    except ImportError as error:
        raise MissingExtra(
            f"{what} needs a library that is not installed",
            value=error.name or library,
            remedy=f"pip install 'exactlens[{extra}]'",
        ) from error
