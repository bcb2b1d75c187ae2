"""The clock, the memory and the alarm of a job."""

from __future__ import annotations

import gc
import mmap
import threading
import time
from math import inf

import pytest

from exact.geometry import budgets
from exact.geometry.budgets import Stopped, Watch, available_bytes, readable_bytes, resident_bytes


def test_the_memory_of_this_machine() -> None:
    """Pages straight from the system: an array may be given memory that the process already
    holds.
    """
    size, before = 64_000_000, resident_bytes()
    with mmap.mmap(-1, size) as pages:
        pages[:] = b"1" * size
        assert resident_bytes() - before > 0.9 * size
    assert available_bytes() is None or 10**6 < available_bytes() < 10**15


def test_a_control_group_bounds_what_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "memory.max": ["1000"],
        "memory.current": ["700"],
        "memory.stat": ["inactive_file 50", "active_file 9"],
        "meminfo": ["MemTotal: 9 kB", "MemAvailable: 8 kB"],
    }
    monkeypatch.setattr(budgets, "_lines", lambda path: told[path.name])
    assert available_bytes() == 350
    told["memory.max"] = ["max"]
    assert available_bytes() == 8192


def test_time_is_up() -> None:
    watch = Watch(seconds=0.05)
    watch.check()
    alarm = watch.alarm
    assert alarm[0] == 0
    time.sleep(0.2)
    assert alarm[0] == 1
    with pytest.raises(Stopped):
        watch.check()
    assert "the 0.05 seconds are used up" in watch.reason


def test_a_step_that_takes_longer_than_is_left_is_not_begun() -> None:
    watch = Watch(seconds=100)
    watch.affords(50)
    with pytest.raises(Stopped):
        watch.affords(200)


def test_memory_is_up() -> None:
    watch = Watch(most_bytes=10**7)
    assert watch.has_room(10**5)
    assert not watch.has_room(10**9)
    assert watch.is_up()
    assert "10 MB, the budget" in watch.reason
    assert not Watch(most_bytes=inf).is_up()


def test_bytes_in_words() -> None:
    assert [readable_bytes(x) for x in (12, 1500, 2.5e9, 4e12)] == [
        "12 bytes",
        "1.5 kB",
        "2.5 GB",
        "4 TB",
    ]


def threads_end(before: int) -> bool:
    """Whether no more threads than before are left within a second."""
    until = time.monotonic() + 1
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    return threading.active_count() <= before


def test_the_thread_ends_when_the_watch_is_closed() -> None:
    before = threading.active_count()
    watch = Watch(seconds=1000)
    assert watch.alarm[0] == 0 and threading.active_count() == before + 1
    watch.close()
    assert threads_end(before)


def test_the_thread_ends_when_nobody_holds_the_watch() -> None:
    before = threading.active_count()
    watches = [Watch(seconds=1000) for _ in range(20)]
    assert all(watch.alarm[0] == 0 for watch in watches) and threading.active_count() == before + 20
    del watches
    gc.collect()
    assert threads_end(before)
