"""A function of the user's that an option names: `package:function`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from exact import InvalidInput

SEPARATOR = ":"


def imported(
    named: str, option: str, *, what: str = "function", is_one: Callable[[object], bool] = callable
) -> Any:
    """The function that `package.module:function` names, of a module on Python's path or in the
    folder where the command runs; or another thing, of which `is_one` knows whether it is `what`.

    The module is run, as any import does. Raises InvalidInput for a module that is not there or
    cannot be imported, with what went wrong in it, for a name that it does not have, and for what
    is something else.
    """
    module, _, name = named.partition(SEPARATOR)
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        raise InvalidInput(
            f"{option} does not name a {what}",
            value=repr(named[:80]),
            remedy=f"write {option} package.module:{what}",
        )
    found = getattr(_module(module, option), name, None)
    if not is_one(found):
        wrong = f"has no such {what}" if found is None else f"has something that is no {what}"
        raise InvalidInput(
            f"the module of {option} {wrong}", value=named, remedy=f"define {name} in {module}"
        )
    return found


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
    except Exception as error:
        raise _failed(name, option, error) from error


def _failed(name: str, option: str, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"the module of {option} cannot be imported",
        value=f"{name}: {type(error).__name__}: {error}",
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
        sys.path.remove(here)
