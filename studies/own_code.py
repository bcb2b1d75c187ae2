"""A function of the user's that an option names: `package:function`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from traceback import TracebackException
from typing import Any

from exact import InvalidInput

SEPARATOR = ":"


def imported(
    named: str, option: str, *, what: str = "function", is_one: Callable[[object], bool] = callable
) -> Any:
    """The function that `package.module:function` names, of a module on Python's path or in the
    folder where the command runs; or another thing, of which `is_one` knows whether it is `what`.

    Raises InvalidInput as `found` does, and for what is something else.
    """
    value = found(named, option, what=what)
    if not is_one(value):
        raise InvalidInput(
            f"the module of {option} has something that is no {what}",
            value=named,
            remedy=f"define a {what} {named.partition(SEPARATOR)[2]}",
        )
    return value


def found(named: str, option: str, *, what: str = "function") -> Any:
    """What `package.module:name` names; the name may have parts, joined by dots.

    The module is run, as any import does. Raises InvalidInput for a module that is not there or
    cannot be imported, with what went wrong in it, and for a name that it does not have.
    """
    module, _, path = named.partition(SEPARATOR)
    if not all(part.isidentifier() for part in (*module.split("."), *path.split("."))):
        raise InvalidInput(
            f"{option} does not name a {what}",
            value=repr(named[:80]),
            remedy=f"write {option} package.module:{what}",
        )
    place = _module(module, option)
    for part in path.split("."):
        if not hasattr(place, part):
            raise InvalidInput(
                f"the module of {option} has no such {what}",
                value=named,
                remedy=f"define {part} in {module}",
            )
        place = getattr(place, part)
    return place


def said(error: BaseException) -> str:
    """What an error says, on one line that a file can hold; user's code may raise some that cannot
    say anything.
    """
    told = str(TracebackException.from_exception(error, lookup_lines=False))
    return " ".join(written(told).split())


def written(text: str) -> str:
    """A text that a file can hold: halves of pairs of surrogates are told by their numbers."""
    return text.encode(errors="backslashreplace").decode()


def _module(name: str, option: str) -> Any:
    try:
        with _here():
            return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or f"{name}.".startswith(f"{error.name}."):
            raise InvalidInput(
                f"there is no module of that name for {option}",
                value=name,
                remedy="run the command in the folder of the module, or install it",
            ) from error
        raise _failed(name, option, error) from error
    except (Exception, SystemExit) as error:  # a module of a user's may do anything
        raise _failed(name, option, error) from error


def _failed(name: str, option: str, error: BaseException) -> InvalidInput:
    return InvalidInput(
        f"the module of {option} cannot be imported",
        value=f"{name}: {type(error).__name__}: {said(error)}",
        remedy=f"try it: python -c 'import {name}'",
    )


@contextmanager
def _here() -> Iterator[None]:
    """The folder where the command runs on Python's path, as `python -m` has it."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)
