"""`exactlens compile`: the kernels, compiled before they are needed."""

from __future__ import annotations

import time

from studies.commands.job import console
from studies.compiling import QUESTIONS, compile_kernels


def run(processes: int | None) -> int:
    """Compile every kernel, and print a line for each question as it is answered."""
    screen, begun = console(), time.perf_counter()
    for number, done in enumerate(compile_kernels(processes), 1):
        screen.print(f"{number} of {len(QUESTIONS)}: {done.name}, {done.seconds:.1f} s")
    screen.print(f"every kernel is compiled: {time.perf_counter() - begun:.1f} s")
    return 0
