"""The watch of a job: its alarm rings in time, and its thread ends with it."""

import gc
import threading
import time

from exact.budgets import Watch


def threads_end(before: int) -> bool:
    """Whether no more threads than before are left within a second."""
    until = time.monotonic() + 1
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    return threading.active_count() <= before


def test_the_alarm_rings_without_being_asked() -> None:
    watch = Watch(seconds=0.05)
    alarm = watch.alarm
    assert alarm[0] == 0
    time.sleep(0.5)
    assert alarm[0] == 1 and "0.05 seconds" in watch.reason


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
