"""The clock, the memory and the alarm of a job."""

from __future__ import annotations

import gc
import mmap
import os
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


def test_one_thread_rings_all_alarms_and_ends_when_the_watches_are_closed() -> None:
    assert threads_end(before := threading.active_count() - rings())
    watches = [Watch(seconds=1000) for _ in range(20)]
    assert all(watch.alarm[0] == 0 for watch in watches) and threading.active_count() == before + 1
    for watch in watches[1:]:
        watch.close()
    time.sleep(0.5)
    assert threading.active_count() == before + 1
    watches[0].close()
    assert threads_end(before)


def test_the_thread_ends_when_nobody_holds_the_watches() -> None:
    assert threads_end(before := threading.active_count() - rings())
    watches = [Watch(seconds=1000) for _ in range(20)]
    assert all(watch.alarm[0] == 0 for watch in watches) and threading.active_count() == before + 1
    del watches
    gc.collect()
    assert threads_end(before)


def test_an_alarm_rings_in_time_beside_others_and_after_them() -> None:
    """The next look of the thread may be further off than a deadline."""
    long = Watch(seconds=1000)
    for _ in range(3):
        assert long.alarm[0] == 0
        short = Watch(seconds=0.01)
        alarm, until = short.alarm, short.seconds_left + time.monotonic() + budgets._WAKE / 2
        while not alarm[0] and time.monotonic() < until:
            time.sleep(0.001)
        assert alarm[0] == 1 and "the 0.01 seconds are used up" in short.reason
    assert long.alarm[0] == 0
    long.close()
    assert threads_end(threading.active_count() - rings())
    short = Watch(seconds=0.01)
    assert short.alarm[0] == 0
    time.sleep(0.2)
    assert short.alarm[0] == 1


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_an_alarm_rings_in_a_process_that_was_forked_while_another_was_heard() -> None:
    watch = Watch(seconds=1000)
    assert watch.alarm[0] == 0
    child = os.fork()
    if child == 0:
        own = Watch(seconds=0.01)
        assert own.alarm[0] == 0
        time.sleep(0.3)
        os._exit(int(own.alarm[0]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    watch.close()


def test_memory_is_asked_for_by_large_jobs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()
    monkeypatch.setattr(budgets, "available_bytes", lambda: asked.append(1) or 0)
    monkeypatch.setattr(budgets, "resident_bytes", lambda: 10**9)
    watch = Watch()
    assert watch.alarm[0] == 0 and watch.has_room(10**6) and not asked
    assert not watch.has_room(10**7) and asked
    watch.close()


def rings() -> int:
    """Whether the thread that rings is there: it outlives the last watch for a moment."""
    return sum(thread.name == budgets.RINGS for thread in threading.enumerate())
