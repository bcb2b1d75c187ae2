"""The files of a checkpoint: each is named after the sha256 of what it holds, and read only when it
still holds that.

Pickles are refused by name, and symbolic links are not followed.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from exact.errors import InvalidInput
from toy_models.validation import mapping

PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def valid_name(name: str) -> str:
    """`name` itself, if it can name a run or checkpoint without leaving its root.

    Raises InvalidInput unless it has 1 to 64 of A-Z a-z 0-9 . _ - and starts with a letter or
    digit.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        remedy = (
            "write 1 to 64 letters, digits, dots, dashes or underscores, the first a letter "
            "or digit"
        )
        raise InvalidInput("the name could leave its folder", value=repr(name), remedy=remedy)
    return name


def refuse_pickle(path: Path) -> None:
    """Raise InvalidInput for a file whose suffix is that of a pickle, whether or not it exists."""
    if path.suffix.lower() in PICKLES:
        remedy = "save the weights as safetensors (safetensors.torch.save_file) and read those"
        raise InvalidInput(
            "a pickle can run any code when it is read, so it is refused", value=path, remedy=remedy
        )


def refuse_links(*paths: Path) -> None:
    """Raise InvalidInput for a symbolic link."""
    for path in paths:
        if path.is_symlink():
            raise InvalidInput(
                "symbolic links are not followed",
                value=path,
                remedy=f"give {path.resolve()} itself",
            )


def refuse(wrong: str, value: object) -> NoReturn:
    """Raise InvalidInput for a checkpoint that is not as it was saved."""
    raise InvalidInput(wrong, value=value, remedy="save the model again, or restore the file")


def require_keys(what: str, values: object, keys: set[str], optional: Sequence[str] = ()) -> None:
    """Raise InvalidInput unless `values` maps these names, those of `optional`, and no others."""
    mapping(what, values)
    assert isinstance(values, Mapping)
    wrong = (set(values) ^ keys).difference(optional)
    if wrong:
        raise InvalidInput(
            f"the {what} has missing or unknown keys",
            value=", ".join(sorted(wrong)),
            remedy="save the model again",
        )


def entry_of(content: bytes, what: str, suffix: str) -> dict[str, Any]:
    """What a manifest says of a file of this content: its name, size and sha256."""
    digest = hashlib.sha256(content).hexdigest()
    return {"file": f"{what}-{digest[:16]}{suffix}", "bytes": len(content), "sha256": digest}


def content_of(folder: Path, what: str, entry: Mapping[str, Any]) -> bytes:
    """The content of the file of an entry, once its size and hash are those of the manifest."""
    path = folder / valid_name(entry["file"])
    refuse_links(path)
    if not path.is_file():
        refuse(f"the {what} file is missing", path)
    if path.stat().st_size != entry["bytes"]:
        refuse(
            f"the {what} file is truncated or altered: {entry['bytes']} bytes were written", path
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        refuse(f"the {what} file is altered: its sha256 is not that of the manifest", path)
    return content


def json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one where there is no file."""
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_bytes())
    except ValueError as error:
        remedy = "restore the file"
        raise InvalidInput(
            "the file is not JSON", value=f"{path}: {error}", remedy=remedy
        ) from error
    if not isinstance(values, dict):
        raise InvalidInput("the file is not a JSON object", value=path, remedy="restore the file")
    return values
