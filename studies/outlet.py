"""Standard output that may go away: a closed pipe or a full disk ends what is printed, not the
work.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TextIO, TypeVar

T = TypeVar("T")


class Outlet:
    """Standard output, for as long as it can be written.

    When the reader goes away (`| head -1`), or the disk is full, the rest is dropped: whoever
    prints goes on, and what is written to other files is written. `failure` tells why.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self.failure = stream, None

    failure: OSError | None

    def write(self, text: str) -> int:
        """Write, unless that is no longer possible."""
        return self._guarded(lambda: self._stream.write(text), len(text))

    def flush(self) -> None:
        """Flush, unless that is no longer possible."""
        self._guarded(self._stream.flush, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _guarded(self, act: Callable[[], T], instead: T) -> T:
        try:
            return act()
        except OSError as error:
            with open(
                os.devnull, "wb"
            ) as nowhere:  # what is still buffered goes there, and nothing fails again at the end
                os.dup2(nowhere.fileno(), self._stream.fileno())
            self.failure = error
            return instead
