"""Kernels compiled ahead: the questions reach those that take long to compile, and a number of
processes that is none is refused.
"""

from __future__ import annotations

import pytest

from exact import InvalidInput
from exact.kernels import (
    arrangement,
    boxes,
    feasibility,
    nested_roots,
    patch_cells,
    plane_regions,
    skeleton,
    small_circles,
    sphere_flats,
    splitting,
    sweeps,
)
from studies.compiling import QUESTIONS, compile_kernels

SLOW = (
    *(patch_cells.cut, patch_cells.expand, plane_regions.cut_by_layers, splitting.split),
    *(sweeps.bend, sweeps.choose, nested_roots.isolate, arrangement.cells, skeleton.cut),
    *(skeleton.sign_by_rows, skeleton.rising_by_rows, boxes.descend, feasibility.propose),
    *(feasibility.grow, small_circles.trace_walks, sphere_flats.traverse),
)


def test_the_questions_reach_what_takes_long_to_compile() -> None:
    for ask in QUESTIONS.values():
        ask()
    assert [kernel.py_func.__name__ for kernel in SLOW if not kernel.signatures] == []


@pytest.mark.parametrize("processes", [0, -1, True, "two"])
def test_a_number_of_processes_that_is_none_is_refused(processes: object) -> None:
    with pytest.raises(InvalidInput, match="not a number of"):
        next(compile_kernels(processes))  # type: ignore[arg-type]
