"""The options that several commands share, each stated once, and how a command takes a group of
them.

The options of domains are stated by their classes in `exact.geometry.domains`. Their text is read
and not imported, since no help should wait for all of `exact`.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

Target = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run under --root, the path of a checkpoint, or a .safetensors file that says "
        "its architecture (docs/files.md).",
        show_default=False,
    ),
]
Root = Annotated[Path, typer.Option(help="The folder of all runs.")]
Device = Annotated[str, typer.Option(help="cpu or cuda; never changes an exact result.")]
Seed = Annotated[int, typer.Option(help="Decides data, weights and random directions.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a run of the same name.")]
Words = list[str] | None
Radius = Annotated[str | None, typer.Option(help="Of a sphere or circle that no norm supplies.")]
FromBlock = Annotated[
    int | None, typer.Option(help="Start at this block (default: the norm, for round domains).")
]
ReluIsed = Annotated[bool, typer.Option("--relu-ised", help="Put ReLU in place of GELU and SiLU.")]
Engine = Annotated[
    str | None, typer.Option(help="By name; default: by cost. A wrong name lists them all.")
]
Limit = Annotated[str, typer.Option(help="Refuse jobs that may have more regions; none: no limit.")]
RegionBudget = Annotated[int | None, typer.Option(help="Stop after so many regions.", min=1)]
SecondBudget = Annotated[float | None, typer.Option(help="Stop after so many seconds.", min=0.0)]
_BYTES = (
    "Stop when so much memory is taken: 500MB, 2GiB, or bytes; none: no bound (default: half "
    "of what is free)."
)
ByteBudget = Annotated[str | None, typer.Option(metavar="SIZE", help=_BYTES, show_default=False)]


# ---- what domains state


def domain_folder() -> Path:
    """The folder whose modules state the options of domains, found without importing any."""
    found = find_spec("exact")
    assert found is not None and found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0], "geometry", "domains")


@cache
def domain_options(folder: Path | None = None) -> tuple[Mapping[str, Any], ...]:
    """The fields of every `cli = Option(...)` of a class in the modules of a folder, by place."""
    texts = [path.read_text("utf-8") for path in (folder or domain_folder()).glob("*.py")]
    stated = [
        {field.arg or "": ast.literal_eval(field.value) for field in option.keywords}
        for text in texts
        if "cli = Option(" in text
        for option in _stated(ast.parse(text))
    ]
    return tuple(sorted(stated, key=lambda option: option["place"]))


def _stated(module: ast.Module) -> Iterator[ast.Call]:
    for kind in module.body:
        for line in kind.body if isinstance(kind, ast.ClassDef) else ():
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "cli":
                assert isinstance(line.value, ast.Call)
                yield line.value


# ---- options that take several values

_POINTED = (option["name"] for option in domain_options() if option["points"])
SEVERAL = frozenset(
    f"--{name}" for name in (*_POINTED, "widths", "task-option", "alphas", "budget")
)
VALUE = re.compile(r"[+-]?(\d|\.\d|nan\b|inf\b)[^\s/]*(/\d[^\s]*)?|[a-z_]+=\S+", re.IGNORECASE)


def gathered(args: Sequence[str]) -> list[str]:
    """The arguments with the values of each such option joined into one, which is what typer can
    read.

    The first word behind an option is its value whatever it is; further ones must look like values.
    """
    rest, out = deque(args), list[str]()
    while rest:
        word = rest.popleft()
        out.append(word)
        if word == "--":
            out += rest
            break
        if word.split("=")[0] not in SEVERAL:
            continue
        values = [out.pop()] if "=" in word else [rest.popleft()] if rest else []
        while rest and VALUE.fullmatch(rest[0]):
            values.append(rest.popleft())
        out += [" ".join(values)] if values else []
    return out


# ---- groups of options

Given = Mapping[str, Any]  # the values of a group, by the names of its parameters


def _shared(name: str, annotation: object, default: object) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _of_domain(option: Mapping[str, Any]) -> Parameter:
    flag, says = f"--{option['name']}", option["help"]
    name = option["name"].replace("-", "_")
    if not option["points"]:
        return _shared(name, Annotated[bool, typer.Option(flag, help=says)], False)
    taken = typer.Option(flag, metavar=option["points"], help=says)
    return _shared(name, Annotated[Words, taken], None)


WHERE = (
    *map(_of_domain, domain_options()),
    _shared("radius_squared", Radius, None),
    _shared("from_block", FromBlock, None),
    _shared("relu_ised", ReluIsed, False),
)
HOW = (
    _shared("engine", Engine, None),
    _shared("device", Device, "cpu"),
    _shared("limit", Limit, "10000000000"),
    _shared("budget_regions", RegionBudget, None),
    _shared("budget_seconds", SecondBudget, None),
    _shared("budget_bytes", ByteBudget, None),
)
NOT_DRAWN = ("line", "space")  # nothing bounds them
Where = Annotated[Given, WHERE]
WhereDrawn = Annotated[Given, tuple(one for one in WHERE if one.name not in NOT_DRAWN)]
How = Annotated[Given, HOW]


def with_groups(command: Callable[..., int]) -> Callable[..., int]:
    """The command with the options of a group in place of each parameter that is annotated with
    one; it is called with their values as a mapping.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())
    groups = {
        one.name: get_args(one.annotation)[1]
        for one in own
        if get_args(one.annotation)[:1] == (Given,)
    }
    taken = [option for one in own for option in groups.get(one.name, (one,))]

    def called(**given: Any) -> int:
        values = {
            name: {one.name: given.pop(one.name) for one in group} for name, group in groups.items()
        }
        return command(**values, **given)

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in taken}
    return called
