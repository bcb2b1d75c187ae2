"""The options that several commands share, each stated once, and how a command takes a group of
them.

The options of domains are stated by their classes in `exact.geometry.domains`. Their text is read
and not imported, since no help should wait for all of `exact`.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, get_args

import typer


def file_to_write(text: str) -> Path:
    """The path of a file; typer.BadParameter where it is written as that of a folder."""
    if text.endswith(("/", os.sep)):
        raise typer.BadParameter(f"{text} names a folder, and a file is to be written")
    return Path(text)


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
Threads = Annotated[
    int, typer.Option(help="How many threads skeleton and lp_tree may use; never changes a result.")
]
Seed = Annotated[int, typer.Option(help="Decides data, weights and random directions.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a run of the same name.")]
Words = list[str] | None
Radius = Annotated[
    str | None, typer.Option(help="The square of the radius, where no norm fixes it, such as 4.")
]
FromBlock = Annotated[
    int | None,
    typer.Option(
        help="Leave out the blocks before this one, from 0 (default: those before the norm, for "
        "spheres, circles and the ball)."
    ),
]
ReluIsed = Annotated[bool, typer.Option("--relu-ised", help="Put ReLU in place of GELU and SiLU.")]
Engine = Annotated[
    str | None,
    typer.Option(
        help="The method by its name, such as subdivision; a wrong one lists them all (default: "
        "the cheapest that can do the job)."
    ),
]
Limit = Annotated[
    str,
    typer.Option(
        help="The most regions (on circles and spheres: cells or codes): a job whose first hidden "
        "layer alone makes more is refused, any other ends there; none: no limit."
    ),
]
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

_SIZES = {
    **{f"--{option['name']}": len(option["points"].split()) for option in domain_options()},
    "--alphas": 2,
}
SEVERAL = frozenset(
    {"--widths", "--task-option", "--budget", *(name for name, size in _SIZES.items() if size)}
)
VALUE = re.compile(
    r"[+-]?(\d|\.\d|nan\b|inf\b)[^\s/]*(/\d[^\s]*)?|[a-z_]+=\S+|[(\[].*", re.IGNORECASE
)
"""Numbers, vectors, settings, and what is meant as a vector but stands in brackets."""


def gathered(args: Sequence[str]) -> list[str]:
    """The arguments with the values of each such option joined into one, which is what typer can
    read.

    As many words behind an option are its values as it takes, unless they are options themselves;
    further ones must look like values. An option without any has the empty text, which its reader
    refuses.
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
        values = [out.pop()] if "=" in word else []
        wanted = _SIZES.get(word.split("=")[0], 1)
        while rest and (_is_missing(values, wanted, rest[0]) or VALUE.fullmatch(rest[0])):
            values.append(rest.popleft())
        out.append(" ".join(values))
    return out


def _is_missing(values: Sequence[str], wanted: int, word: str) -> bool:
    """Whether an option has fewer values than it takes, and the next word is no option."""
    return len(" ".join(values).split()) < wanted and not word.startswith("--")


# ---- groups of options

Given = Mapping[str, Any]  # the values of a group, by the names of its parameters


def _shared(name: str, annotation: object, default: object) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _of_domain(option: Mapping[str, Any]) -> Parameter:
    flag, says = f"--{option['name']}", option["help"]
    name = option["name"].replace("-", "_")
    if not option["points"]:
        return _shared(name, Annotated[bool, typer.Option(flag, help=says)], False)
    taken = typer.Option(
        flag, metavar=option["points"], help=f"{says[:-1]}, such as {flag} {option['example']}."
    )
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
    _shared("threads", Threads, 1),
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
