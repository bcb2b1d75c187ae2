"""The floating-point environment that error bounds are proved for and results are printed from,
whatever the caller has set.

Every bound of a filter assumes IEEE 754 with gradual underflow: `torch.set_flush_denormal(True)`,
and some libraries when they are loaded, make the processor read and write subnormal numbers as
zeros, so that a weight of 1e-310 would vanish between a proof and its floats. NumPy may be told to
raise on overflow (`numpy.seterr`), and warnings to be errors, where a filter abstains; FLINT's
global precision decides which of many right witnesses is found, and its way of printing gets into
names. Functions that compute with floats therefore run inside :class:`ieee_floats`, which restores
what it found; Python's, NumPy's, numba's and torch's float64 arithmetic on a CPU all obey the same
bits of the calling thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import cached_property, wraps
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

import numpy as np

from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.numbers import backend_defaults

_P = ParamSpec("_P")
_R = TypeVar("_R")
_C = TypeVar("_C", bound=type[Any])
_LEAST_NORMAL, _HALF = sys.float_info.min, 0.5


class _Thread(threading.local):
    """Whether this thread runs inside :class:`ieee_floats`."""

    inside = False


_THREAD = _Thread()


def flushes_subnormals() -> bool:
    """Whether this thread reads or writes subnormal numbers as zeros."""
    return _LEAST_NORMAL * _HALF == 0.0


class ieee_floats:  # noqa: N801 - a context manager reads as a verb phrase
    """Context manager: gradual underflow in this thread, silent overflow, the backend's defaults;
    on exit as before.

    Inside another one only underflow is looked at: a block that has raised the precision of balls
    keeps it.
    """

    __slots__ = ("_flushed", "_outer")

    def __enter__(self) -> None:
        self._flushed = flushes_subnormals()
        if self._flushed:
            torch.set_flush_denormal(False)
        self._outer = None if _THREAD.inside else (np.errstate(all="ignore"), backend_defaults())
        for context in self._outer or ():
            context.__enter__()
        _THREAD.inside = True

    def __exit__(self, *_: object) -> None:
        if self._outer is not None:
            _THREAD.inside = False
            for context in self._outer:
                context.__exit__(None, None, None)
        if self._flushed:
            torch.set_flush_denormal(True)


def in_ieee_floats(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, run inside :class:`ieee_floats`; not for generators, whose bodies run later."""

    @wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with ieee_floats():
            return function(*args, **kwargs)

    return wrapped


def members_in_ieee_floats(cls: _C) -> _C:
    """The class, every method and property of which that it defines itself runs inside
    :class:`ieee_floats`.
    """
    for name, member in list(vars(cls).items()):
        wrapped = _wrapped(member)
        if wrapped is not None:
            setattr(cls, name, wrapped)
            if isinstance(wrapped, cached_property):
                wrapped.__set_name__(cls, name)
    return cls


def _wrapped(member: object) -> Any:
    if isinstance(member, FunctionType):
        return in_ieee_floats(member)
    if isinstance(member, property) and member.fget is not None:
        return property(in_ieee_floats(member.fget), doc=member.__doc__)
    if isinstance(member, cached_property):
        return cached_property(in_ieee_floats(member.func))
    if isinstance(member, classmethod | staticmethod):
        return type(member)(in_ieee_floats(member.__func__))
    return None
