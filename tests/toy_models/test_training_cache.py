"""The cache of trained toys: what is read is what was trained, or it is trained again."""

import dataclasses
import errno
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from exact.errors import InvalidInput
from toy_models import ensembles, tasks, training_cache
from toy_models.ensembles import fit_ensemble, fit_many
from toy_models.models import ModelConfig
from toy_models.train import Preparation, TrainConfig, TrainResult, fit, untrained
from toy_models.training_cache import TrainingCache

TINY = TrainConfig(steps=3, samples=30, model=ModelConfig((4,)), snapshot_every=2)


def silence(line: str) -> None:
    raise AssertionError(line)


def assert_equal(found: TrainResult | None, expected: TrainResult) -> None:
    assert found is not None
    for name in ("config", "losses", "training_score", "held_out_score", "diverged_at"):
        assert repr(getattr(found, name)) == repr(getattr(expected, name)), name
    assert torch.equal(found.training.inputs, expected.training.inputs)
    for own, other in [
        (found.model.state_dict(), expected.model.state_dict()),
        *((a.weights, b.weights) for a, b in zip(found.snapshots, expected.snapshots, strict=True)),
    ]:
        assert own.keys() == other.keys()
        assert all(torch.equal(weight, other[name]) for name, weight in own.items())
    told = [[(shot.step, shot.score) for shot in one.snapshots] for one in (found, expected)]
    assert told[0] == told[1]


KINDS: list[dict[str, Any]] = [
    {},
    {"task": "sparse_features", "dtype": "float64", "held_out": 0.0},
    {"learning_rate": 1e30, "model": ModelConfig((4, 4), norm="rms")},
]


@pytest.mark.parametrize("changes", KINDS, ids=str)
def test_what_is_read_is_what_was_kept(changes: dict[str, Any], tmp_path: Path) -> None:
    kept, config = TrainingCache(tmp_path / "new" / "folder"), dataclasses.replace(TINY, **changes)
    start = Preparation.of(config)
    assert kept.find(start, silence) is None
    (expected,) = fit_ensemble([config], progress=False)
    kept.keep(expected)
    assert_equal(kept.find(Preparation.of(config), silence), expected)
    assert (len(kept), kept.size) == (1, kept.place(expected).stat().st_size)
    assert (expected.diverged_at is not None) == ("learning_rate" in changes)


def test_a_result_without_a_snapshot_is_kept_too(tmp_path: Path) -> None:
    kept, start = TrainingCache(tmp_path), Preparation.of(TINY)
    expected = start.result((), (), 0)
    kept.keep(expected)
    assert_equal(kept.find(start, silence), expected)


def test_only_what_is_missing_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, lines, counts = TrainingCache(tmp_path), list[str](), list[int]()
    trained = ensembles._trained

    def counted(starts: Any, progress: bool) -> list[TrainResult]:
        counts.append(len(starts))
        return trained(starts, progress)

    monkeypatch.setattr(ensembles, "_trained", counted)
    for seeds in (range(2), range(3), range(3)):
        found = fit_many(TINY, seeds, cache=kept, report=lines.append, progress=False)
        assert [result.config.seed for result in found] == [*seeds]
    assert counts == [2, 1, 0]
    size = f"(3 toys, {kept.size / 1e6:.1f} MB)"
    assert lines[1:] == [
        f"3 toys: 2 read, 1 trained and kept in {tmp_path} {size}",
        f"3 toys: 3 read, 0 trained and kept in {tmp_path} {size}",
    ]


def test_where_toys_are_kept_is_said_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit_many(TINY, [0], cache=TrainingCache(tmp_path), progress=False)
    fit_many(TINY, [0], progress=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"1 toys: 0 read, 1 trained and kept in {tmp_path} (1 toys, 0.0 MB)"
    ]


def damaged(content: bytes) -> dict[str, bytes]:
    losses = content.index(b'"losses"')
    return {
        "empty": b"",
        "cut": content[:-9],
        "cut in its header": content[:50],
        "a flipped bit of a weight": content[:-1] + bytes([content[-1] ^ 1]),
        "a name": content[:losses] + b'"lossez"' + content[losses + 8 :],
        "another file": b"PK\x03\x04" + bytes(500),
        "another header": (2).to_bytes(8, "little") + b"[]",
        "huge": (2**63).to_bytes(8, "little") + content[8:],
        "not text": (4).to_bytes(8, "little") + b"\xff\xff\xff\xff",
    }


def test_a_damaged_entry_is_trained_again_and_said(tmp_path: Path) -> None:
    kept, lines = TrainingCache(tmp_path), list[str]()
    (expected,) = fit_ensemble([TINY], cache=kept, report=lines.append, progress=False)
    place = kept.place(expected)
    whole = place.read_bytes()
    for what, content in damaged(whole).items():
        place.write_bytes(content)
        lines.clear()
        (found,) = fit_ensemble([TINY], cache=kept, report=lines.append, progress=False)
        assert_equal(found, expected)
        assert len(lines) == 2, what
        assert lines[0].startswith(f"the entry {place} is damaged ("), what
        assert lines[0].endswith("): the toy is trained again")
        assert "\n" not in lines[0]
        assert place.read_bytes() == whole


def test_an_entry_that_is_a_folder_is_none_and_stays(tmp_path: Path) -> None:
    kept, lines = TrainingCache(tmp_path), list[str]()
    expected = fit(TINY, progress=False)
    place = kept.place(expected)
    place.mkdir()
    (found,) = fit_ensemble([TINY], cache=kept, report=lines.append, progress=False)
    assert found.steps == expected.steps and "damaged (it is a folder)" in lines[0]
    assert len(kept) == 0 == kept.clear() and place.is_dir()
    lines.clear()
    assert_equal(kept.fit(TINY, lines.append), expected)
    assert len(lines) == 2 and "cannot be kept" in lines[1]


def test_one_toy_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, expected = TrainingCache(tmp_path), fit(TINY, progress=False)
    assert_equal(kept.fit(TINY, silence), expected)
    monkeypatch.setattr(training_cache, "fit", None)
    assert_equal(kept.fit(TINY, silence), expected)


def test_an_entry_about_another_config_is_not_believed(tmp_path: Path) -> None:
    kept, lines = TrainingCache(tmp_path), list[str]()
    first, second = (untrained(dataclasses.replace(TINY, seed=seed)) for seed in (0, 1))
    kept.keep(first)
    kept.place(first).rename(kept.place(second))
    assert kept.find(Preparation.of(second.config), lines.append) is None
    assert "(it is about another config)" in lines[0]


def test_the_name_is_a_digest_of_all_that_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, config = TrainingCache(tmp_path), Preparation.of(TINY).config
    changes: list[dict[str, Any]] = [
        {"seed": 1},
        {"steps": 4},
        {"task_options": {"noise": 0.5}},
        {"dtype": "float64"},
        {"model": dataclasses.replace(config.model, norm="rms")},
    ]
    starts = [Preparation.of(dataclasses.replace(TINY, **one)) for one in [{}, *changes]]
    names = {kept.place(start).name for start in starts}
    assert kept.place(Preparation.of(TINY)).name in names
    for part, value in [("FORMAT", 2), ("_sources", lambda: "other"), ("torch.__version__", "0")]:
        with monkeypatch.context() as patch:
            patch.setattr(f"toy_models.training_cache.{part}", value)
            names.add(kept.place(starts[0]).name)
    assert len(names) == 9
    assert kept.folder == tmp_path
    assert TrainingCache.under(tmp_path).folder == tmp_path / ".cache" / "toys"


def test_a_task_registered_anew_finds_no_old_toy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, lines = TrainingCache(tmp_path), list[str]()
    known = dict(tasks._KNOWN)
    monkeypatch.setattr(tasks, "_KNOWN", known)
    monkeypatch.setattr(tasks, "TASKS", known)
    for gap in (0.5, 0.25):
        tasks.register(
            "corner", lambda count, seed=0, g=gap: tasks.xor(count, gap=g, seed=seed), replace=True
        )
        config = dataclasses.replace(TINY, task="corner")
        fit_ensemble([config], cache=kept, report=lines.append, progress=False)
    assert [line.split(" in ")[0] for line in lines] == ["1 toys: 0 read, 1 trained and kept"] * 2
    with pytest.raises(InvalidInput, match="the config names no task"):
        fit_many(dataclasses.replace(TINY, task=None), [0], cache=kept, progress=False)


def test_the_sources_that_decide_are_there() -> None:
    folder = Path(training_cache.__file__).parent
    assert all((folder / name).is_file() for name in training_cache.DECIDING)


def test_clearing_deletes_entries_alone(tmp_path: Path) -> None:
    kept = TrainingCache(tmp_path / "toys")
    assert (len(kept), kept.size, kept.clear()) == (0, 0, 0)
    fit_many(TINY, range(2), cache=kept, report=lambda line: None, progress=False)
    (kept.folder / f".{'a' * 64}.safetensors.{'0' * 16}.tmp").write_bytes(b"left behind")
    (kept.folder / "weights.safetensors").write_bytes(b"mine")
    assert len(kept) == 2
    assert kept.clear() == 3
    assert [place.name for place in kept.folder.iterdir()] == ["weights.safetensors"]


def test_many_may_read_and_write_at_once(tmp_path: Path) -> None:
    kept, expected = TrainingCache(tmp_path), fit(TINY, progress=False)

    def work(turn: int) -> None:
        if turn % 3 == 0:
            with suppress(FileNotFoundError):  # cleared away while it was written
                kept.keep(expected)
        elif turn % 10 == 1:
            kept.clear()
        else:
            found = kept.find(Preparation.of(TINY), silence)
            assert found is None or found.losses == expected.losses

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(work, range(60)):
            pass
    assert not [place for place in tmp_path.iterdir() if place.name.endswith(".tmp")]


def test_a_full_disk_costs_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(training_cache, "write_atomically", full)
    kept, lines = TrainingCache(tmp_path), list[str]()
    found = fit_many(TINY, range(2), cache=kept, report=lines.append, progress=False)
    assert [len(result.losses) for result in found] == [3, 3]
    assert lines == [
        f"2 toys cannot be kept in {tmp_path}: No space left on device",
        f"2 toys: 0 read, 0 trained and kept in {tmp_path} (0 toys, 0.0 MB)",
    ]
