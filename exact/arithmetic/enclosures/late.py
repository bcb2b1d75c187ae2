"""Libraries that take long to import, loaded when something of them is first asked for.

`from exact.arithmetic.enclosures.late import torch` stands where `import torch` would: importing
`exact`, and cutting a box, should not wait for what they do not use.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, MutableMapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["ByModule", "is_loaded", "networkx", "torch", "when_loaded"]

_WHEN_LOADED: dict[str, list[Callable[[], None]]] = {}


def is_loaded(library: str) -> bool:
    """Whether anybody has imported a library."""
    return library in sys.modules


def when_loaded(library: str, call: Callable[[], None]) -> None:
    """Call a function as soon as this module has loaded a library."""
    _WHEN_LOADED.setdefault(library, []).append(call)


if TYPE_CHECKING:
    import networkx
    import torch
else:

    class _Late(ModuleType):
        """A library by its name; what has been asked for once is kept."""

        def __getattr__(self, name: str) -> Any:
            is_first = not is_loaded(self.__name__)
            module = import_module(self.__name__)
            for call in _WHEN_LOADED.get(self.__name__, ()) if is_first else ():
                call()
            value = getattr(module, name)
            self.__dict__[name] = value
            return value

    networkx, torch = _Late("networkx"), _Late("torch")


V = TypeVar("V")


class ByModule(MutableMapping["type[torch.nn.Module]", V]):
    """What belongs to classes of modules, each given as it is or by its name in `torch.nn`; a name
    is looked up when the mapping is read.
    """

    def __init__(self) -> None:
        self._given: dict[type[torch.nn.Module] | str, V] = {}

    def __setitem__(self, module: type[torch.nn.Module] | str, value: V) -> None:
        self._given[module] = value

    def __delitem__(self, module: type[torch.nn.Module] | str) -> None:
        if module in self._given or isinstance(module, str):
            del self._given[module]
        else:
            del self._given[module.__name__]

    def _found(self) -> dict[type[torch.nn.Module], V]:
        return {
            getattr(torch.nn, module) if isinstance(module, str) else module: value
            for module, value in self._given.items()
        }

    def __getitem__(self, module: type[torch.nn.Module]) -> V:
        return self._found()[module]

    def __iter__(self) -> Iterator[type[torch.nn.Module]]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._given)
