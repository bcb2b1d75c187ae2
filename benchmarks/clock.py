"""Seconds, memory, the share of the filter and the setting: what is read off a run, whatever was
run.
"""

from __future__ import annotations

import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import torch

import exact
from exact import Partition


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work returns, and the seconds it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def peak() -> float:
    """The largest resident size of this process so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def filter_share(found: Partition) -> float | None:
    """The share of the decisions that the float filter settled, where the engine counts both
    kinds.
    """
    settled = [found.decisions.get(name) for name in ("filter", "exact")]
    if None in settled or not sum(settled):
        return None
    return settled[0] / sum(settled)


def processor() -> str:
    """What the processor calls itself, where the system tells, and its kind."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{named[0]} ({platform.machine()})" if named else platform.machine()


def setting(threads: int) -> str:
    """One line about the machine and the versions."""
    cuda = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"exactlens {exact.__version__}, Python {platform.python_version()}, torch "
        f"{torch.__version__}, numpy "
        f"{numpy.__version__}, {processor()}, {threads} threads{cuda}, "
        f"{time.strftime('%Y-%m-%d')}"
    )
