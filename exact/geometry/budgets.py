"""When an enumeration has to stop: seconds, memory, and an alarm that compiled loops can read.

Memory is what the process has grown by since the job started (its resident set), so it counts
whatever an engine keeps, and compiling kernels at their first use too. Unless a budget says
otherwise the bound is half of the memory that was available then: by the kernel's own estimate
(MemAvailable), and by the control group of a container. Where a system tells neither, memory bounds
nothing.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput

SHARE = 0.5
_LOOK = 0.02  # seconds between two looks at the memory
_WAKE = 0.05  # seconds between two looks of the thread that rings the alarm
# seconds, and the part of a budget of seconds, that may be spent on putting results in order
_ROOM, _PART = (0.2, 0.05)
Alarm = np.ndarray[Any, np.dtype[np.int64]]


@short_repr
@dataclass(frozen=True)
class Budget:
    """A bound on the number of regions, on seconds, on bytes of memory, or on several; None means
    no bound of one's own.

    The bytes are those that the process grows by. Without them memory is bounded all the same, by
    half of what is available when the job starts; `bytes=math.inf` takes that bound away.

    >>> Budget(regions=100, seconds=2.5)
    Budget(regions=100, seconds=2.5, bytes=None)
    """

    regions: int | None = None
    seconds: float | None = None
    bytes: float | None = None

    def __post_init__(self) -> None:
        for name, bound in (
            ("regions", self.regions),
            ("seconds", self.seconds),
            ("bytes", self.bytes),
        ):
            numbers = int if name == "regions" else int | float
            if bound is not None and (
                isinstance(bound, bool) or not (isinstance(bound, numbers) and bound >= 0)
            ):
                raise InvalidInput(
                    f"a budget of {name} is not a number from 0",
                    value=repr(bound),
                    remedy=f"write Budget({name}=100), or leave it out",
                )

    @property
    def is_endless(self) -> bool:
        """Whether it bounds nothing."""
        return self.regions is None and self.seconds is None and self.bytes is None


class Stopped(Exception):
    """Time or memory was up in the middle of a step; what was done before it is kept by whoever
    catches this.
    """


class Watch:
    """The clock and the memory of one job; starts when it is made.

    `is_up` is what Python loops ask. `alarm` is an array of one integer for compiled loops that run
    without the interpreter's lock: it turns from 0 to 1 when time or memory is up, set by a thread
    that lives until :meth:`close`, or until nobody holds the watch any more.
    """

    def __init__(self, seconds: float | None = None, most_bytes: float | None = None) -> None:
        self.reason = ""
        self._flag: Alarm = np.zeros(1, dtype=np.int64)
        self._seconds, self._started = seconds, time.monotonic()
        self._deadline = inf if seconds is None else self._started + seconds
        self._base, self._given = resident_bytes(), most_bytes
        self._next_look, self._closed = 0.0, threading.Event()
        self._thread: threading.Thread | None = None

    @cached_property
    def most_bytes(self) -> float:
        """How many bytes the process may grow by: those that were given, or half of what is
        available when this is first asked; small jobs never ask.
        """
        return _share() if self._given is None else self._given

    def is_up(self) -> bool:
        """Whether time or memory is used up; under a microsecond as a rule."""
        if not self._flag[0]:
            self._look(time.monotonic())
        return bool(self._flag[0])

    def check(self) -> None:
        """Raise Stopped when time or memory is used up."""
        if self.is_up():
            raise Stopped

    def affords(self, seconds: float) -> None:
        """Raise Stopped unless so many seconds, for a step that cannot be interrupted, are about
        what is left.
        """
        if not self.is_up() and time.monotonic() + seconds > self._deadline + _ROOM:
            self._stop(
                f"the {self._seconds:g} seconds do not suffice for what comes next: give more of "
                f"them to go on"
            )
        self.check()

    @property
    def seconds_left(self) -> float:
        """Until the time is up."""
        return max(0.0, self._deadline - time.monotonic())

    def has_room(self, more: int) -> bool:
        """Whether so many bytes more fit; the watch is up from then on when they do not."""
        if not self._flag[0] and resident_bytes() - self._base + more >= self.most_bytes:
            self._stop(self._memory())
        return not self._flag[0]

    @property
    def alarm(self) -> Alarm:
        """The flag for compiled loops; the first request starts the thread that sets it."""
        if self._thread is None and min(self._deadline, self.most_bytes) < inf:
            self._thread = threading.Thread(
                target=_ring, args=(weakref.ref(self), self._closed), daemon=True
            )
            self._thread.start()
        return self._flag

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    def grace(self) -> float:
        """Until when, on the monotonic clock, results may be put in order that are worth nothing as
        they are.
        """
        return time.monotonic() + max(_ROOM, _PART * (self._seconds or 0.0))

    def until_next_look(self) -> float | None:
        """Seconds until the thread should look again; None when the alarm has rung."""
        self._look(now := time.monotonic())
        return None if self._flag[0] else max(0.0, min(_WAKE, self._deadline - now))

    def _look(self, now: float) -> None:
        if now >= self._deadline:
            self._stop(f"the {self._seconds:g} seconds are used up: give more of them to go on")
        elif now >= self._next_look:
            self._next_look = now + _LOOK
            if resident_bytes() - self._base >= self.most_bytes:
                self._stop(self._memory())

    def _memory(self) -> str:
        whose = "half of what was available" if self._given is None else "the budget"
        return (
            f"the memory is used up ({readable_bytes(self.most_bytes)}, {whose}): give "
            f"Budget(bytes=...) for more, a smaller "
            "domain, or another engine"
        )

    def _stop(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._flag[0] = 1


def _ring(watch: weakref.ref[Watch], closed: threading.Event) -> None:
    """Look at the clock and the memory until the alarm has rung, or the watch is closed or held by
    nobody any more.
    """
    pause: float | None = 0.0
    while pause is not None and not closed.wait(pause):
        held = watch()
        pause = None if held is None else held.until_next_look()
        del held


def _share() -> float:
    free = available_bytes()
    return inf if free is None else SHARE * free


def readable_bytes(count: float) -> str:
    """A number of bytes in words."""
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            if count < 1000 * 10**12:
                return f"{count / size:.3g} {unit}"
            return f"10^{len(str(int(count))) - 1} bytes"
    return f"{count:.0f} bytes"


def readable_count(count: int) -> str:
    """A number in digits, or by its size."""
    return f"{count:,}" if count < 10**15 else f"10^{len(str(count)) - 1}"


def resident_bytes() -> int:
    """The memory that the process holds now; where only its peak is known, that; 0 where nothing
    is.
    """
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return _peak_bytes()


def _peak_bytes() -> int:
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(
        resource.RUSAGE_SELF
    ).ru_maxrss  # in bytes on macOS, the system that comes here


def available_bytes() -> int | None:
    """The memory that could be taken without swapping, the least that the system and the control
    group say; None if unknown.
    """
    found = [size for size in (_meminfo(), _control_group()) if size is not None]
    return min(found) if found else _pages()


def _meminfo() -> int | None:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _control_group() -> int | None:
    """What the control group (version 2) has left; files it has cached count as left."""
    root = Path("/sys/fs/cgroup")
    most, used = (_lines(root / f"memory.{name}") for name in ("max", "current"))
    if not most or not used or not most[0].isdigit():
        return None
    cached = [
        int(line.split()[1])
        for line in _lines(root / "memory.stat")
        if line.startswith("inactive_file ")
    ]
    return max(0, int(most[0]) - int(used[0]) + sum(cached))


def _pages() -> int | None:
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        if name in getattr(os, "sysconf_names", {}):
            return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
