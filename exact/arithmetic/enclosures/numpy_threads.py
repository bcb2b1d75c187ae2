"""In how many threads numpy multiplies matrices.

The wheels of numpy bring OpenBLAS, which starts as many threads as there are cores for a product of
2^18 terms; ours are many and not much larger, so that its threads mostly wait, spinning.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from ctypes import CDLL
from functools import lru_cache
from pathlib import Path

import numpy as np

__all__ = ["enter", "leave"]


class _Inside:
    """How many are inside, and the number of threads that the first one found; it is one for the
    whole process.
    """

    lock, count, before = threading.Lock(), 0, 1


def enter() -> None:
    """Set one thread, unless somebody did; nothing where numpy multiplies by other means."""
    calls = _calls()
    with _Inside.lock:
        if _Inside.count == 0 and calls is not None:
            _Inside.before = calls[0]()
            calls[1](1)
        _Inside.count += 1


def leave() -> None:
    """Restore the number as the last one leaves."""
    calls = _calls()
    with _Inside.lock:
        _Inside.count -= 1
        if _Inside.count == 0 and calls is not None:
            calls[1](_Inside.before)


@lru_cache(maxsize=1)
def _calls() -> tuple[Callable[[], int], Callable[[int], object]] | None:
    """What tells and what sets the number of threads of the OpenBLAS in numpy's folders."""
    home = Path(np.__file__).parent
    folders = home.parent / "numpy.libs", home / ".dylibs"
    for file in sorted(file for folder in folders for file in folder.glob("*openblas*")):
        library = CDLL(str(file))
        for name in ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads"):
            told, chosen = (getattr(library, name.format(verb), None) for verb in ("get", "set"))
            if told is not None and chosen is not None:
                return told, chosen
    return None
