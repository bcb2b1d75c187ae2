"""Files are whole or absent whoever else writes them; locks say who holds them, and go with their
process.
"""

import errno
import multiprocessing
import os
import re
import signal
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from exact import InvalidInput
from exact.atomic_files import (
    holding,
    left_behind,
    made_folder,
    publishing,
    temporary_beside,
    write_atomically,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    with publishing(tmp_path / "a.txt") as file:
        file.write(b"whole")
        assert not (tmp_path / "a.txt").exists()
        assert len(names(tmp_path)) == 1
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"whole"


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    """Two at once: each has its own until it is whole; the last one stands."""
    with publishing(tmp_path / "a.txt") as first:
        first.write(b"first")
        with publishing(tmp_path / "a.txt") as second:
            second.write(b"second")
        assert (tmp_path / "a.txt").read_bytes() == b"second"
    assert (tmp_path / "a.txt").read_bytes() == b"first"
    assert names(tmp_path) == ["a.txt"]


def test_many_threads_write_one_file(tmp_path: Path) -> None:
    contents = [bytes([k]) * 100_000 for k in range(8)]
    threads = [
        threading.Thread(target=write_atomically, args=(tmp_path / "a", content))
        for content in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_bytes() in contents
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EIO])
def test_a_disk_that_refuses_leaves_the_old_file_and_names_it(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Any:
        raise OSError(code, os.strerror(code))

    write_atomically(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match=re.escape(os.strerror(code))) as raised:
        write_atomically(tmp_path / "a", b"new")
    assert (raised.value.errno, raised.value.filename) == (code, str(tmp_path / "a"))
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_long_name_has_room_for_its_temporary_one(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 255), b"content")
    assert names(tmp_path) == ["n" * 255]


def test_new_files_have_the_rights_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_what_is_left_behind_is_known_by_its_name(tmp_path: Path) -> None:
    for name in (
        ".a.tmp",
        "a.tmp",
        ".a.0123456789abcdef.tmp",
        ".a.b.0123456789abcdef.tmp",
        ".ab.tmp",
        "a",
        ".a.lock",
    ):
        (tmp_path / name).touch()
    assert {place.name for place in left_behind(tmp_path / "a")} == {
        ".a.tmp",
        "a.tmp",
        ".a.0123456789abcdef.tmp",
    }
    temporary = temporary_beside(tmp_path / "a")
    temporary.touch()
    assert temporary in left_behind(tmp_path / "a")


def test_folders_are_taken_away_again_where_they_are_empty(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError, match="full"), made_folder(tmp_path / "there" / "a" / "b"):
        raise OSError("full")
    assert names(tmp_path / "there") == []
    with pytest.raises(OSError, match="full"), made_folder(tmp_path / "there" / "a" / "b"):
        (tmp_path / "there" / "a" / "kept").touch()
        raise OSError("full")
    assert names(tmp_path / "there" / "a") == ["kept"]


# ---- locks


def _hold(path: Path, pipe: Connection) -> None:
    with holding(path, "the thing", "wait"):
        pipe.send("held")
        pipe.recv()


@pytest.fixture
def holder(tmp_path: Path) -> Any:
    """Another process that holds the lock, and the pipe that makes it let go."""
    context = multiprocessing.get_context("spawn")
    own, its = context.Pipe()
    process = context.Process(target=_hold, args=(tmp_path / "lock", its))
    process.start()
    assert own.poll(60) and own.recv() == "held"
    yield process, own
    process.kill()
    process.join()


@pytest.mark.parametrize("end", ["ends", "is killed"])
def test_a_lock_says_who_holds_it_and_goes_with_its_process(
    tmp_path: Path, holder: Any, end: str
) -> None:
    process, pipe = holder
    wanted = (
        rf"the thing is being written by another process; got process {process.pid} on \S+, "
        rf"since 2\d{{3}}-.*; wait$"
    )
    for _ in range(2):
        with (
            pytest.raises(InvalidInput, match=wanted),
            holding(tmp_path / "lock", "the thing", "wait"),
        ):
            pass
    if end == "ends":
        pipe.send("let go")
    else:
        os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    with holding(tmp_path / "lock", "the thing", "wait"):
        assert str(os.getpid()) in (tmp_path / "lock").read_text()
    assert not (tmp_path / "lock").exists()


def test_a_lock_file_without_a_holder_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"pid": 1, "host": "elsewhere", "since": "1999-01-01"}')
    with holding(tmp_path / "lock", "the thing", "wait"):
        pass
    assert names(tmp_path) == []


def test_a_thread_may_hold_a_lock_twice_and_another_may_not(tmp_path: Path) -> None:
    refused: list[Exception] = []

    def other() -> None:
        try:
            with holding(tmp_path / "lock", "the thing", "wait"):
                pass
        except InvalidInput as error:
            refused.append(error)

    with (
        holding(tmp_path / "lock", "the thing", "wait"),
        holding(tmp_path / "lock", "the thing", "wait"),
    ):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert names(tmp_path) == []


def test_a_file_system_without_locks_does_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> Any:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    with holding(tmp_path / "lock", "the thing", "wait"):
        pass
