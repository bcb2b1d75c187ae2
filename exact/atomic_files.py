"""Files that appear whole or not at all, and locks that say who holds them."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from exact.errors import InvalidInput

_LONGEST_STEM = 100  # of a temporary name, whatever the target's length
_HELD = dict[str, int]()  # lock files of this process, and the threads that hold them
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def place_to_write(path: object, what: str, example: str) -> Path:
    """The path at which `what` is to be written: that of a file in a folder that is there.

    Raises InvalidInput for what is no path, for a folder, and where the folder is missing.
    """
    if not isinstance(path, str | os.PathLike):
        raise InvalidInput(
            "not a path", value=repr(path)[:60], remedy="give the name of a file to write"
        )
    target = Path(path)
    if target.is_dir():
        raise InvalidInput(
            f"a folder stands where the {what} is to go",
            value=str(target),
            remedy=f"give a file in it, such as {target / example}",
        )
    if not target.parent.is_dir():
        raise InvalidInput(
            "no such folder",
            value=str(target.parent),
            remedy=f"make it before {target.name} is written there",
        )
    return target


@contextmanager
def publishing(target: Path) -> Iterator[BinaryIO]:
    """A file to fill, which takes the name `target` when the block ends well, and leaves no trace
    when it does not.

    It has a name of its own until then, so that processes that write the same target do not meet;
    the last one stands. An OSError that names no file (a full disk) names the target.
    """
    temporary = temporary_beside(target)
    flags = (
        os.O_WRONLY
        | os.O_CREAT
        | os.O_EXCL
        | getattr(os, "O_NOFOLLOW", 0)
        | getattr(os, "O_BINARY", 0)
    )
    try:
        with open(os.open(temporary, flags, 0o644), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if (
            isinstance(error, OSError)
            and error.errno is not None
            and error.filename in (None, str(temporary))
        ):
            raise OSError(error.errno, os.strerror(error.errno), str(target)) from error
        raise
    sync(target.parent)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that after a crash it holds its old content or `content`, never a part of
    it.
    """
    with publishing(path) as file:
        file.write(content)


def temporary_beside(target: Path) -> Path:
    """A hidden name in the same folder that nothing else has."""
    return target.with_name(f".{target.name[:_LONGEST_STEM]}.{secrets.token_hex(8)}.tmp")


def left_behind(target: Path) -> list[Path]:
    """What processes that were killed left of `target`, under the names of `temporary_beside` or
    under NAME.tmp.

    Of processes that live too: ask only while you hold a lock that keeps others from writing it.
    Links are passed over.
    """
    name = re.escape(target.name[:_LONGEST_STEM])
    pattern = re.compile(rf"\.{name}(\.[0-9a-f]{{16}})?\.tmp|{name}\.tmp")
    return [
        place
        for place in target.parent.iterdir()
        if pattern.fullmatch(place.name) and not place.is_symlink()
    ]


def sync(folder: Path) -> None:
    """Make the renames in a folder survive a power cut; only POSIX lets a folder be opened for
    it.
    """
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """A folder and its parents, made where they are missing; what is empty of them is taken away if
    the block fails.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for place in made:
            with suppress(OSError):  # not empty, or never made
                place.rmdir()
        raise


def put_in_place(new: Path, place: Path, aside: Path) -> None:
    """Rename a folder to `place`; what is there goes to `aside`, and comes back should that
    fail.
    """
    if place.exists():
        place.rename(aside)
    try:
        new.rename(place)
    except BaseException:
        if aside.exists():
            aside.rename(place)
        raise
    sync(place.parent)


@contextmanager
def published_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `folder` when the block ends.

    Whole or not at all: where the block fails, what was there stays. Files in it are the block's to
    sync.
    """
    unfinished = temporary_beside(folder)
    try:
        (unfinished / folder.name).mkdir(parents=True)
        yield unfinished / folder.name
        put_in_place(unfinished / folder.name, folder, unfinished / "replaced")
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def holding(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Hold the lock file `path` while the block runs. Raises InvalidInput, with who holds it, where
    someone else does.

    The operating system lets go of the lock when a process ends, however it does, so that none is
    stale; the file only says who holds it (process, host, since when). File systems without locks
    have none. A thread may hold a lock twice.
    """
    key = str(path.absolute())
    if _HELD.get(key) == threading.get_ident():
        yield
        return
    descriptor = _acquired(path, what, remedy)
    _HELD[key] = threading.get_ident()
    try:
        yield
    finally:
        del _HELD[key]
        if descriptor is not None:
            try:
                path.unlink(missing_ok=True)
            finally:
                os.close(descriptor)


def _acquired(path: Path, what: str, remedy: str) -> int | None:
    """The open lock file; None where the file system has no locks."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        try:
            _lock(descriptor)
            # else the one who held it has taken the file away in the meantime
            if _is_at(descriptor, path):
                _write_holder(descriptor)
                return descriptor
        except OSError as error:
            if error.errno in _NO_LOCKS:
                os.close(descriptor)
                return None
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                os.close(descriptor)
                raise
            holder = _holder(descriptor)
            os.close(descriptor)
            raise InvalidInput(
                f"{what} is being written by another process", value=holder, remedy=remedy
            ) from error
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if os.name == "posix":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there, own = path.stat(), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (there.st_ino, there.st_dev) == (own.st_ino, own.st_dev)


def _write_holder(descriptor: int) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(descriptor, 0)
    os.pwrite(
        descriptor,
        json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}).encode(),
        0,
    )


def _holder(descriptor: int) -> str:
    """Who holds a lock, as its file says; it may be empty for a moment."""
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {int(found['pid'])} on {found['host']}, since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has just begun"
