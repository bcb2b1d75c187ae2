"""Runs the other programs on the networks of the jobs, with a time limit per network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import float_tree
from benchmarks.clock import timed
from benchmarks.jobs import Job, layers

FOLDER = Path(__file__).parent
PYTHON = FOLDER / ".venv" / "bin" / "python"
GRACE = 30.0
"""Seconds that a program may take to start and to stop, beyond its limit."""


def highs(job: Job, seconds: float) -> dict[str, Any]:
    """The tree of float programmes by SciPy's HiGHS."""
    (found, complete), took = timed(
        lambda: float_tree.count(layers(job.net), job.domain == "box", seconds)
    )
    return {"regions": found, "seconds": took, "complete": complete}


def relucent(job: Job, seconds: float, workers: int) -> dict[str, Any] | None:
    """relucent in all of R^d; None where it is not installed or the job is no network in R^d."""
    if job.domain != "space" or not job.is_random or not PYTHON.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.npz"
        pairs = list(enumerate(layers(job.net)))
        np.savez(
            path,
            **{f"W{i}": weight for i, (weight, _) in pairs},
            **{f"b{i}": bias for i, (_, bias) in pairs},
        )
        command = [
            str(PYTHON),
            str(FOLDER / "relucent_rate.py"),
            str(path),
            str(seconds),
            str(workers),
        ]
        return last_line(command, seconds + GRACE)


def last_line(command: list[str], seconds: float) -> dict[str, Any]:
    """The JSON object that a program prints last; `failed` says what went wrong instead."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=FOLDER.parent,
    )
    try:
        printed, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer within {seconds:.0f} s"}
    finally:
        stop_group(process)
    lines = [line for line in printed.splitlines() if line.startswith("{")]
    if lines:
        return json.loads(lines[-1])  # type: ignore[no-any-return]
    return {"failed": (errors.strip().splitlines() or [f"exit status {process.returncode}"])[-1]}


def stop_group(process: subprocess.Popen[str]) -> None:
    """End the process and every worker that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
