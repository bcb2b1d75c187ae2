"""Folders of runs are whole or absent, stay under their root, and survive a crash between two
renames.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from exact import InvalidInput, atomic_files
from studies.runs import RESULTS, building, find, provenance, writable

LEFT = re.compile(r"\.mine\.[0-9a-f]{16}\.tmp")


def build(root: Path, name: str, text: str, *, replace: bool = False) -> None:
    with building(root, name, replace=replace) as folder:
        (folder / RESULTS).write_text(text)


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    with building(tmp_path / "runs", "mine", replace=False) as folder:
        (folder / RESULTS).write_text("{}")
        assert not (tmp_path / "runs" / "mine").exists()
        assert LEFT.fullmatch(folder.parent.name)
        assert folder.parent.parent == tmp_path / "runs"
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mine"]
    assert (tmp_path / "runs" / "mine" / RESULTS).read_text() == "{}"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", ".hidden", "a" * 65, "a b", "ä", "a\n", "-x"]
)
def test_a_name_that_could_leave_the_root_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="could leave"):
        build(tmp_path / "runs", name, "{}")
    assert list(tmp_path.iterdir()) == []


def test_the_old_run_comes_back_when_the_new_one_cannot_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, "mine", "old")
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name == "mine" and LEFT.fullmatch(self.parent.name):
            raise OSError("no space left")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="no space"):
        build(tmp_path, "mine", "new", replace=True)
    assert (tmp_path / "mine" / RESULTS).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("left", [".mine.tmp", ".mine.0123456789abcdef.tmp"])
def test_a_run_that_was_killed_between_two_renames_is_found_again(
    tmp_path: Path, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, "mine", "old")
    (tmp_path / left).mkdir()
    (tmp_path / "mine").rename(tmp_path / left / "replaced")
    synced, sync = list[Path](), atomic_files.sync
    monkeypatch.setattr(atomic_files, "sync", lambda folder: (synced.append(folder), sync(folder)))
    with pytest.raises(InvalidInput, match="exists already"):
        build(tmp_path, "mine", "new")
    assert (tmp_path / "mine" / RESULTS).read_text() == "old"
    assert synced == [tmp_path]  # so that it is there after a power cut too


@pytest.mark.parametrize("left", [".mine.tmp", ".mine.0123456789abcdef.tmp"])
def test_what_a_killed_process_left_does_not_stand_in_the_way(tmp_path: Path, left: str) -> None:
    (tmp_path / left / "mine").mkdir(parents=True)
    (tmp_path / left / "mine" / "half").write_text("half")
    (tmp_path / ".mine.lock").write_text('{"pid": 1, "host": "gone", "since": "2020-01-01"}')
    (tmp_path / ".mine.more.0123456789abcdef.tmp").mkdir()  # that of another run
    build(tmp_path, "mine", "whole")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [RESULTS]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".mine.more.0123456789abcdef.tmp",
        "mine",
    ]


def test_a_folder_that_fails_leaves_no_folder_behind(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="no space"),
        building(tmp_path / "a" / "b" / "runs", "mine", replace=False),
    ):
        raise OSError("no space left")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_being_made_is_not_made_twice(tmp_path: Path) -> None:
    """Also in one process: by another thread."""
    said: list[str] = []

    def again() -> None:
        try:
            build(tmp_path, "mine", "second")
        except InvalidInput as error:
            said.append(str(error))

    with building(tmp_path, "mine", replace=False) as folder:
        (folder / RESULTS).write_text("first")
        thread = threading.Thread(target=again)
        thread.start()
        thread.join()
        build(tmp_path, "other", "at the same time")
    assert (tmp_path / "mine" / RESULTS).read_text() == "first"
    assert re.search(
        rf"the run .*mine is being written by another process; got process {os.getpid()} on \S+, "
        rf"since ",
        said[0],
    )
    assert "wait for it, or choose --name" in said[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "other"]


def test_a_link_that_looks_like_left_over_is_neither_followed_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("precious")
    for name in (".mine.tmp", ".mine.0123456789abcdef.tmp"):
        (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    build(tmp_path, "mine", "new")
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["precious"]
    (tmp_path / ".other.lock").symlink_to(tmp_path / "elsewhere" / "precious")
    with pytest.raises(OSError, match="symbolic links"):
        build(tmp_path, "other", "new")
    assert (tmp_path / "elsewhere" / "precious").read_text() == "precious"


@pytest.mark.parametrize("place", ["mine", "root"])
def test_symbolic_links_are_not_followed(tmp_path: Path, place: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("precious")
    root = tmp_path / "runs"
    if place == "root":
        root.symlink_to(tmp_path / "elsewhere")
    else:
        root.mkdir()
        (root / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match="symbolic links"):
        build(root, "mine", "new", replace=True)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["precious"]


def test_a_run_is_found_by_name_before_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("runs/mine", "mine", "other"):
        Path(folder).mkdir(parents=True)
        Path(folder, "checkpoint.json").write_text("{}")
    assert find("mine", Path("runs")) == Path("runs/mine")
    assert find("./mine", Path("runs")) == Path("mine")
    assert find("other", Path("runs")) == Path("other")
    assert find("other/checkpoint.json", Path("runs")) == Path("other")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("p.txt", "suffix"),
        ("folder.json", "folder"),
        ("link.json", "symbolic link"),
        ("nowhere/p.json", "does not exist"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_at_once(
    tmp_path: Path, name: str, wrong: str
) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "link.json").symlink_to("p.json")
    with pytest.raises(InvalidInput, match=wrong):
        writable(tmp_path / name, (".json",))
    assert writable(tmp_path / "new.JSON", (".json",)) == tmp_path / "new.JSON"


def test_provenance_has_no_timestamp_and_names_what_ran() -> None:
    made_by = provenance(seed=3, device="cpu", extra="more")
    assert made_by == provenance(seed=3, device="cpu", extra="more")
    assert (made_by["seed"], made_by["extra"]) == (3, "more")
    assert made_by["libraries"]["numpy"]
