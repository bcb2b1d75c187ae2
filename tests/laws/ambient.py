"""What else a process may have set when it calls us, and everything public that an object says, as
plain text.

A state is a context manager that sets something global and puts it back. `told` walks an object's
public properties and its methods without arguments, so that a new one is compared in every state
without being named here.
"""

from __future__ import annotations

import decimal
import inspect
import locale
import random
import struct
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import flint
import matplotlib
import networkx as nx
import numpy as np
import scipy.sparse  # noqa: F401 - what it tells warnings as it is loaded is its own
import sympy
import torch
from shapely.geometry.base import BaseGeometry

from exact import Network, Partition, RationalMatrix, Region
from exact.arithmetic.numbers import Ball, Rational, RationalArray
from exact.geometry.domains.base import Domain

Restore = Callable[[], object]

# ---- states


def flush() -> Restore:
    torch.set_flush_denormal(True)
    return lambda: torch.set_flush_denormal(False)


def device(name: str) -> Callable[[], Restore]:
    def set_it() -> Restore:
        torch.set_default_device(name)
        return lambda: torch.set_default_device(None)

    return set_it


def dtype(kind: torch.dtype) -> Callable[[], Restore]:
    def set_it() -> Restore:
        before = torch.get_default_dtype()
        torch.set_default_dtype(kind)
        return lambda: torch.set_default_dtype(before)

    return set_it


def within(make: Callable[[], Any]) -> Callable[[], Restore]:
    def set_it() -> Restore:
        stack = ExitStack()
        stack.enter_context(make())
        return stack.close

    return set_it


def threads() -> Restore:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    return lambda: torch.set_num_threads(before)


def deterministic() -> Restore:
    torch.use_deterministic_algorithms(True)
    return lambda: torch.use_deterministic_algorithms(False)


def numpy_raises() -> Restore:
    before = np.seterr(all="raise")
    return lambda: np.seterr(**before)


def numpy_prints() -> Restore:
    before = np.get_printoptions()
    np.set_printoptions(
        precision=1,
        threshold=2,
        formatter={"float": lambda x: "?", "int": lambda x: "?"},
        suppress=True,
    )
    return lambda: np.set_printoptions(**before)


@contextmanager
def warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def comma() -> Restore:
    before = locale.setlocale(locale.LC_ALL)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C"):
        try:
            locale.setlocale(locale.LC_ALL, name)
            break
        except locale.Error:
            continue
    return lambda: locale.setlocale(locale.LC_ALL, before)


def coarse_balls() -> Restore:
    before = flint.ctx.prec
    flint.ctx.prec = 4
    return lambda: setattr(flint.ctx, "prec", before)


def plain_flint() -> Restore:
    before = flint.ctx.pretty
    flint.ctx.pretty = not before
    return lambda: setattr(flint.ctx, "pretty", before)


def seeds() -> Restore:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    return lambda: None


def short_integers() -> Restore:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    return lambda: sys.set_int_max_str_digits(before)


def shallow() -> Restore:
    """As low as leaves a user's own call room: libraries such as SymPy need some of it."""
    before, depth = sys.getrecursionlimit(), len(inspect.stack())
    sys.setrecursionlimit(depth + 250)
    return lambda: sys.setrecursionlimit(before)


def rc_params() -> Restore:
    before = dict(matplotlib.rcParams)
    matplotlib.rcParams.update({"font.size": 3, "lines.linewidth": 9, "axes.facecolor": "red"})
    return lambda: matplotlib.rcParams.update(before)


STATES: Mapping[str, Callable[[], Restore]] = {
    "set_flush_denormal": flush,
    "default device meta": device("meta"),
    "default device cpu": device("cpu"),
    "default dtype float64": dtype(torch.float64),
    "default dtype float16": dtype(torch.float16),
    "inference mode": within(torch.inference_mode),
    "no_grad": within(torch.no_grad),
    "autocast": within(lambda: torch.autocast("cpu", dtype=torch.bfloat16)),
    "more threads": threads,
    "deterministic algorithms": deterministic,
    "numpy raises": numpy_raises,
    "numpy prints": numpy_prints,
    "warnings are errors": within(warnings_are_errors),
    "decimal context": within(
        lambda: decimal.localcontext(decimal.Context(prec=2, rounding=decimal.ROUND_UP))
    ),
    "locale": comma,
    "flint precision": coarse_balls,
    "flint prints": plain_flint,
    "seeds": seeds,
    "short integers": short_integers,
    "low recursion limit": shallow,
    "rcParams": rc_params,
}


@contextmanager
def state(*names: str) -> Iterator[None]:
    """All the named states at once; the one before is back on exit."""
    with ExitStack() as stack:
        for name in names:
            stack.callback(STATES[name]())
        yield


def flushes() -> bool:
    return sys.float_info.min * torch.tensor(0.5, dtype=torch.float64, device="cpu").item() == 0.0


def everything_global() -> dict[str, str]:
    """All that a library may neither read nor change, as text."""
    numpy_state: Any = np.random.get_state()
    return {
        "torch dtype": str(torch.get_default_dtype()),
        "torch device": str(torch.get_default_device()),
        "torch threads": str(torch.get_num_threads()),
        "torch gradients": f"{torch.is_grad_enabled()} {torch.is_inference_mode_enabled()}",
        "torch autocast": str(torch.is_autocast_enabled("cpu")),
        "torch deterministic": str(torch.are_deterministic_algorithms_enabled()),
        "torch seed": torch.get_rng_state().numpy().tobytes().hex()
        if str(torch.get_default_device()) != "meta"
        else "",
        "flush": str(flushes()),
        "numpy errors": str(np.geterr()),
        "numpy seed": f"{numpy_state[0]} {numpy_state[1].tobytes().hex()} {numpy_state[2:]}",
        "numpy prints": str(sorted(np.get_printoptions().items(), key=str)),
        "warnings": str(warnings.filters),
        "random": str(random.getstate()),
        "flint": f"{flint.ctx.prec} {flint.ctx.pretty} {flint.ctx.threads}",
        "decimal": str(decimal.getcontext()).split("flags=")[0],
        "locale": locale.setlocale(locale.LC_ALL),
        "limits": f"{sys.getrecursionlimit()} {sys.get_int_max_str_digits()}",
        "matplotlib": str(sorted(matplotlib.rcParams.items())),
        "folder": str(Path.cwd()),
    }


# ---- what objects say

SILENT = {"ball", "certificate", "network", "domain", "charted", "to_pandas"}
"""Public names that are not asked: what writes files, what was given, a ball at the caller's own
precision, and the columns once more as a table of pandas, which has members that draw at random.
"""
SYMBOLIC = {
    "angle",
    "endpoints",
    "length",
    "parameter",
    "piecewise",
    "point",
    "surface",
    "symbolic",
    "sympy",
}
"""Expressions of numbers with hundreds of digits and roots in roots take minutes; asked of small
numbers only.
"""
MOST = 12
"""Regions, crossings, ... of one object that are asked."""


def told(thing: object, depth: int = 4, silent: frozenset[str] = frozenset()) -> str:
    """Everything public that a value says but for the `silent` names, as text; floats by their
    bits.
    """
    plain = _plain(thing, depth, silent)
    return plain if plain is not None else _members(thing, depth, silent)


def _plain(thing: Any, depth: int, silent: frozenset[str]) -> str | None:
    if isinstance(thing, Fraction):  # in hexadecimal, in which any number of digits is written
        return f"{thing.numerator:x}/{thing.denominator:x}"
    if thing is None or isinstance(thing, bool | int | str | bytes | Enum | Rational | Path):
        return str(thing)
    if isinstance(thing, float):
        return struct.pack("<d", thing).hex()
    if isinstance(thing, Ball):
        return str(thing.mid().man_exp())
    if isinstance(thing, np.generic | np.ndarray):
        return f"{np.shape(thing)} {thing.dtype} {thing.tobytes().hex()}"
    if isinstance(thing, torch.Tensor):
        return told(thing.numpy())
    if isinstance(thing, sympy.Basic | sympy.MatrixBase):
        return sympy.srepr(thing)
    if isinstance(thing, RationalMatrix):
        return told(thing.exact)
    if isinstance(thing, RationalArray):
        return str([str(x) for x in thing.entries()])
    if isinstance(thing, BaseGeometry):
        return thing.wkb_hex
    if isinstance(thing, nx.Graph):
        return (
            f"{told(list(thing.nodes(data=True)), depth, silent)} "
            f"{told(sorted(map(str, thing.edges(data=True))), depth)}"
        )
    if isinstance(thing, Mapping):
        return str(
            sorted(
                (told(k, depth - 1, silent), told(v, depth - 1, silent)) for k, v in thing.items()
            )
        )
    if isinstance(thing, Set):
        return str(sorted(told(x, depth - 1, silent) for x in thing))
    if isinstance(thing, Sequence) and not is_dataclass(thing):
        return (
            f"{len(thing)}: {[told(x, depth - 1, silent) for x in thing[:MOST]]}"
            if depth
            else f"{len(thing)}"
        )
    return type(thing).__name__ if isinstance(thing, Network | Domain) or depth <= 0 else None


def _members(thing: object, depth: int, silent: frozenset[str]) -> str:
    """The answers to every public question, in order; an error is an answer."""
    names = [name for name in sorted(dir(type(thing))) if name[0] != "_" and name not in SILENT]
    if is_dataclass(thing):
        names += [
            field.name
            for field in fields(thing)
            if field.name[0] != "_" and field.name not in {*names, *SILENT}
        ]
    if isinstance(thing, Partition) and "codes" not in names:
        names += ["codes"]
    asked = [name for name in names if name not in silent and _is_asked(thing, name)]
    answers = [f"{name} = {_answer(thing, name, depth, silent)}" for name in asked]
    shown = repr(thing) if isinstance(thing, Partition | Region) else ""
    return f"{type(thing).__name__}({shown}; {', '.join(answers)})"


def _is_asked(thing: object, name: str) -> bool:
    member = inspect.getattr_static(type(thing), name, None)
    if isinstance(member, classmethod | staticmethod | type):
        return False
    if not inspect.isfunction(inspect.unwrap(member) if callable(member) else member):
        return True
    parameters = list(inspect.signature(member).parameters.values())[1:]  # type: ignore[arg-type]
    return all(
        p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters
    )


def _answer(thing: object, name: str, depth: int, silent: frozenset[str]) -> str:
    member = inspect.getattr_static(type(thing), name, None)
    try:
        value = getattr(thing, name)
        if callable(value) and not isinstance(member, property | cached_property):
            value = value() if inspect.isfunction(member) else type(value).__name__
        return told(list(value) if isinstance(value, Iterator) else value, depth - 1, silent)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
