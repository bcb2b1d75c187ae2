"""Runs on disk: names that stay under their root, folders that appear whole or not at all, and
provenance.
"""

from __future__ import annotations

import json
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import exact
from exact import InvalidInput
from exact.atomic_files import holding, left_behind, made_folder, published_folder, put_in_place
from toy_models.checkpoints import MANIFEST, MANIFEST_BYTES
from toy_models.stored_files import refuse_links, refuse_pickle, valid_name

RESULTS, WEIGHTS = "results.json", ".safetensors"
LIBRARIES = (
    "python-flint",
    "numpy",
    "torch",
    "scipy",
    "highspy",
    "sympy",
    "networkx",
    "shapely",
    "matplotlib",
    "transformers",
)
Replace: TypeAlias = bool | Callable[[Path], bool]


@contextmanager
def building(
    root: Path,
    name: str,
    *,
    replace: Replace,
    remedy: str = "add --force to replace it, or choose --name",
) -> Iterator[Path]:
    """A folder to fill, which becomes `root/name` when the block ends well, and leaves no trace
    when it does not.

    It is made inside a hidden folder of its own beside `root/name`, and renamed. Raises
    InvalidInput for a name that could leave the root, for symbolic links, for a run that exists
    (unless `replace`, or what it says of the folder), for a folder that is no run at all, and, with
    who it is, where another process is making the run.
    """
    folder = root / valid_name(name)
    refuse_links(root, folder)
    refuse_existing(folder, replace=replace, remedy=remedy)
    lock = root / f".{name}.lock"
    with made_folder(root), holding(lock, f"the run {folder}", "wait for it, or choose --name"):
        _recover(folder)
        refuse_existing(folder, replace=replace, remedy=remedy)
        with published_folder(folder) as unfinished:
            yield unfinished


def _recover(folder: Path) -> None:
    """Clear what processes left that were killed; a run whose replacement they had begun comes
    back.

    Whoever holds the lock of the run may: nobody else is making it.
    """
    for left in left_behind(folder):
        if not folder.exists() and (left / "replaced").is_dir():
            put_in_place(left / "replaced", folder, left / "aside")
        shutil.rmtree(left, ignore_errors=True)


def refuse_existing(folder: Path, *, replace: Replace, remedy: str) -> None:
    """Raise InvalidInput for a folder that is in the way; `replace` allows runs of ours only, and
    of these, where it is a function, those of which it says so.
    """
    if not folder.exists():
        return
    is_run = any((folder / own).is_file() for own in (MANIFEST, RESULTS))
    if not replace or (is_run and callable(replace) and not replace(folder)):
        raise InvalidInput("the run exists already", value=folder, remedy=remedy)
    if not is_run:
        raise InvalidInput(
            "the folder is not a run of ours, so it is not replaced",
            value=folder,
            remedy="choose another --name",
        )


def find(target: str, root: Path) -> Path:
    """The folder of a run: `root/target` where that exists, else the path `target` itself; or a
    .safetensors file.

    A weights file that a checkpoint beside it names stands for that checkpoint. Raises InvalidInput
    for pickles, for symbolic links, and where there is no checkpoint.
    """
    refuse_pickle(Path(target))
    named = root / target if target == Path(target).name else None
    path = named if named is not None and named.exists() else Path(target)
    folder = path.parent if path.name == MANIFEST else path
    refuse_links(folder)
    if path.suffix == WEIGHTS and path.is_file():
        return path.parent if _is_of_checkpoint(path) else path
    if not (folder / MANIFEST).is_file():
        known = sorted(found.parent.name for found in root.glob(f"*/{MANIFEST}"))
        remedy = (
            f"give one of the runs {', '.join(known)}"
            if known
            else "train one: exactlens train --task moons"
        )
        raise InvalidInput(
            "there is no run or checkpoint of that name",
            value=target if root == Path("runs") else f"{target}, with --root {root}",
            remedy=f"{remedy}; or give a {WEIGHTS} file",
        )
    return folder


def _is_of_checkpoint(path: Path) -> bool:
    """Whether the checkpoint in the same folder names a weights file as its own."""
    manifest = path.with_name(MANIFEST)
    if not manifest.is_file() or manifest.stat().st_size > MANIFEST_BYTES:
        return False
    try:
        return bool(json.loads(manifest.read_bytes())["weights"]["file"] == path.name)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False  # whatever it is, it does not name the file


def writable(path: Path, suffixes: tuple[str, ...]) -> Path:
    """`path` itself, if a file can be written there. Raises InvalidInput before any work is done,
    not after.
    """
    if path.suffix.lower() not in suffixes:
        raise InvalidInput(
            "the output file has an unknown suffix",
            value=path,
            remedy=f"end it in {' or '.join(suffixes)}",
        )
    if path.is_dir() or path.is_symlink():
        kind = "folder" if path.is_dir() else "symbolic link"
        raise InvalidInput(f"the output is a {kind}", value=path, remedy="give the name of a file")
    if not path.parent.is_dir():
        raise InvalidInput(
            "the folder of the output does not exist", value=path.parent, remedy="make it first"
        )
    return path


def provenance(*, seed: int | None, device: str, **more: Any) -> Mapping[str, Any]:
    """What made a result: version, command, seed, device, library versions; `more` adds to it. No
    timestamp.
    """
    return {
        "version": exact.__version__,
        "command": shlex.join([_program(), *sys.argv[1:]]),
        "seed": seed,
        "device": device,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "libraries": {name: found for name in LIBRARIES if (found := _version(name)) is not None},
        **more,
    }


def _program() -> str:
    name = Path(sys.argv[0]).name
    return "exactlens" if name == "cli.py" else name


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
