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
LITTLE = 2**22  # bytes that there is room for wherever Python runs
_LOOK = 0.02  # seconds between two looks at the memory
_WAKE = 0.05  # seconds between two looks of the thread that rings the alarms
_IDLE = 5  # looks in vain after which it ends
# seconds, and the part of a budget of seconds, that may be spent on putting results in order
_ROOM, _PART = (0.2, 0.05)
RINGS = "exact alarms"  # the name of that thread
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
    that serves all watches, this one until :meth:`close`, or until nobody holds it any more.
    """

    def __init__(self, seconds: float | None = None, most_bytes: float | None = None) -> None:
        self.reason = ""
        self._flag: Alarm = np.zeros(1, dtype=np.int64)
        self._seconds, self._started = seconds, time.monotonic()
        self._deadline = inf if seconds is None else self._started + seconds
        self._base, self._given = resident_bytes(), most_bytes
        self._next_look, self._is_heard = 0.0, False

    @cached_property
    def most_bytes(self) -> float:
        """How many bytes the process may grow by: those that were given, or half of what is
        available when this is first asked; small jobs never ask, since asking takes long beside
        them.
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
        if not self._flag[0] and self._is_full(more):
            self._stop(self._memory())
        return not self._flag[0]

    @property
    def alarm(self) -> Alarm:
        """The flag for compiled loops, looked after from the first request on."""
        if not self._is_heard and (self._deadline < inf or self._given != inf):
            self._is_heard = True
            _BELL.add(self, self._deadline < inf)
        return self._flag

    def close(self) -> None:
        """Look after the flag no longer."""
        if self._is_heard:
            _BELL.remove(self)

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
            if self._is_full(0):
                self._stop(self._memory())

    def _is_full(self, more: int) -> bool:
        grown = resident_bytes() - self._base + more
        return not (self._given is None and grown < LITTLE) and grown >= self.most_bytes

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


class _Bell:
    """The thread that rings the alarms of all watches. It outlives the last one for a moment: to
    start a thread takes longer than many a job.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget everything, as a process that was forked has to: it has no such thread."""
        self._lock, self._sooner = threading.Lock(), threading.Event()
        self._watches = set[weakref.ref[Watch]]()
        self._is_running = False

    def add(self, watch: Watch, is_timed: bool) -> None:
        """Ring for a watch; where it has a deadline, that may come before the next look."""
        with self._lock:
            self._watches.add(weakref.ref(watch))
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._ring, name=RINGS, daemon=True).start()
        if is_timed:
            self._sooner.set()

    def remove(self, watch: Watch) -> None:
        """Ring for a watch no longer."""
        with self._lock:
            self._watches.discard(weakref.ref(watch))

    def _ring(self) -> None:
        """Look at the clock and the memory of all watches until there were none for a while."""
        idle = 0
        while idle < _IDLE:
            self._sooner.clear()
            self._sooner.wait(self._look())
            with self._lock:
                idle = 0 if self._watches else idle + 1
                self._is_running = idle < _IDLE

    def _look(self) -> float:
        """Look once, drop those that have rung and those that nobody holds; seconds until the next
        look.
        """
        with self._lock:
            asked, pause = list(self._watches), _WAKE
        for known in asked:
            held = known()
            until = None if held is None else held.until_next_look()
            del held
            if until is None:
                with self._lock:
                    self._watches.discard(known)
            else:
                pause = min(pause, until)
        return pause


_BELL = _Bell()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_BELL.begin)


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
