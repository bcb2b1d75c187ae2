"""Folders of runs are whole or absent, stay under their root, and survive a crash between two renames."""

from __future__ import annotations

from pathlib import Path

import pytest

from exact import InvalidInput
from studies.runs import RESULTS, building, find, provenance, writable


def build(root: Path, name: str, text: str, *, replace: bool = False) -> None:
    with building(root, name, replace=replace) as folder:
        (folder / RESULTS).write_text(text)


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    with building(tmp_path / "runs", "mine", replace=False) as folder:
        (folder / RESULTS).write_text("{}")
        assert not (tmp_path / "runs" / "mine").exists()
        assert folder.parent == tmp_path / "runs" / ".mine.tmp"
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mine"]
    assert (tmp_path / "runs" / "mine" / RESULTS).read_text() == "{}"


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", ".hidden", "a" * 65, "a b", "ä", "a\n", "-x"])
def test_a_name_that_could_leave_the_root_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="could leave"):
        build(tmp_path / "runs", name, "{}")
    assert list(tmp_path.iterdir()) == []


def test_the_old_run_comes_back_when_the_new_one_cannot_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path, "mine", "old")
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name == "mine" and self.parent.name == ".mine.tmp":
            raise OSError("no space left")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="no space"):
        build(tmp_path, "mine", "new", replace=True)
    assert (tmp_path / "mine" / RESULTS).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_run_that_was_killed_between_two_renames_is_found_again(tmp_path: Path) -> None:
    build(tmp_path, "mine", "old")
    (tmp_path / ".mine.tmp").mkdir()
    (tmp_path / "mine").rename(tmp_path / ".mine.tmp" / "replaced")
    with pytest.raises(InvalidInput, match="exists already"):
        build(tmp_path, "mine", "new")
    assert (tmp_path / "mine" / RESULTS).read_text() == "old"


def test_what_a_killed_process_left_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".mine.tmp" / "mine").mkdir(parents=True)
    (tmp_path / ".mine.tmp" / "mine" / "half").write_text("half")
    build(tmp_path, "mine", "whole")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [RESULTS]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("place", ["mine", ".mine.tmp", "root"])
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


def test_a_run_is_found_by_name_before_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("runs/mine", "mine", "other"):
        Path(folder).mkdir(parents=True)
        Path(folder, "checkpoint.json").write_text("{}")
    assert find("mine", Path("runs")) == Path("runs/mine")
    assert find("./mine", Path("runs")) == Path("mine")
    assert find("other", Path("runs")) == Path("other")
    assert find("other/checkpoint.json", Path("runs")) == Path("other")


@pytest.mark.parametrize(("name", "wrong"), [("p.txt", "suffix"), ("folder.json", "folder"), ("link.json", "symbolic link"),
                                             ("nowhere/p.json", "does not exist")])  # fmt: skip
def test_an_output_that_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str, wrong: str) -> None:
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
