"""Where the outputs of a network lie on a domain: which sets they reach, and which conditions hold
of all of them.

`reached` is imported when it is asked for, so that the checker beside it runs on Python alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exact.instruments.output_sets.reaching import Reached, reached

__all__ = ["Reached", "reached"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from exact.instruments.output_sets import reaching

    return getattr(reaching, name)
