"""The threads of one job: the same function on several ranges at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput

Found = TypeVar("Found")
MOST_THREADS = 1024
NAME = "exactlens"
"""What the names of these threads begin with."""


def thread_count(threads: object) -> int:
    """A number of threads from 1; raises InvalidInput for what is none."""
    if isinstance(threads, int) and not isinstance(threads, bool) and 1 <= threads <= MOST_THREADS:
        return threads
    raise InvalidInput(
        "not a number of threads",
        value=repr(threads),
        remedy=f"give a whole number from 1 to {MOST_THREADS:,}, as many as there are cores",
    )


@short_repr
class Workers:
    """Threads that are started when there is first something to share, and end with :meth:`close`.

    What a task does may not depend on the thread that does it, nor on the order in which tasks are
    done: results come in the order of the tasks, so that they are the same for any number of
    threads. Tasks run with the floats of `ieee_floats`; the error that is raised is that of the
    first task with one.

    >>> with Workers(2) as workers:
    ...     workers.map(divmod, [(7, 2), (9, 4)])
    [(3, 1), (2, 1)]
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = thread_count(threads)
        self._pool: ThreadPoolExecutor | None = None

    def map(self, task: Callable[..., Found], given: Iterable[tuple[Any, ...]]) -> list[Found]:
        """The results of a task for all given arguments, in their order."""
        every = list(given)
        if self.threads == 1 or len(every) < 2:
            return [task(*arguments) for arguments in every]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, NAME)

        @in_ieee_floats
        def done(arguments: tuple[Any, ...]) -> Found:
            return task(*arguments)

        return list(self._pool.map(done, every))

    def ranges(self, count: int, size: int) -> list[tuple[int, int]]:
        """The numbers below `count` in ranges of `size`, by their ends.

        >>> Workers().ranges(5, 2)
        [(0, 2), (2, 4), (4, 5)]
        """
        return [(low, min(low + size, count)) for low in range(0, count, size)]

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
