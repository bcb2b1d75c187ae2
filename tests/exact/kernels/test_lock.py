"""No compiled loop holds the lock of Python: threads that partition at once would wait for it."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from numba.core.dispatcher import Dispatcher

from exact import kernels

NAMES = [found.name for found in pkgutil.iter_modules(kernels.__path__)]


@pytest.mark.parametrize("name", NAMES)
def test_compiled_loops_let_go_of_the_lock(name: str) -> None:
    module = importlib.import_module(f"exact.kernels.{name}")
    compiled = {k: x for k, x in vars(module).items() if isinstance(x, Dispatcher)}
    assert compiled
    assert [k for k, x in compiled.items() if not x.targetoptions.get("nogil")] == []
