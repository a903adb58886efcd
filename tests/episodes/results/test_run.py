"""Runs in folders: written whole or not at all, refused where files are of several runs, crafted or damaged."""

import errno
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cli.main import main
from episodes import arrays
from episodes.errors import InputError
from episodes.files import locked
from episodes.results.comparison import compare
from episodes.results.run import Run
from episodes.scoring.records import COUNTS, NEGATIVES, Records
from tests.episodes.results.test_comparison import QUICK, ants_alone, write_run
from tests.episodes.scored import perfect


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", ants_alone)


def change(run: Path, **fields: Any) -> None:
    """Change fields of `result.json`; dots lead into tables, and `...` removes a field."""
    content = json.loads((run / "result.json").read_text())
    for name, value in fields.items():
        *tables, last = name.split("__")
        table = content
        for each in tables:
            table = table[each]
        if value is ...:
            del table[last]
        else:
            table[last] = value
    (run / "result.json").write_text(json.dumps(content))


def without_hashes(run: Path) -> None:
    """As runs were before results named them."""
    change(run, files=..., not_drawn=...)


def assert_refused(words: str, *runs: Path) -> None:
    """By every command that reads runs, in one line."""
    for command in (["compare", *map(str, runs)], ["report", *map(str, runs), "--out", str(runs[0] / "r.html")]):
        done = CliRunner().invoke(
            main, command if len(runs) == 2 or command[0] == "report" else [*command, str(runs[0])]
        )
        assert done.exit_code == 2, done.output
        assert len(done.output.strip().splitlines()) == 1, done.output
        assert words in done.output
    assert not (runs[0] / "r.html").exists()


def test_a_run_names_the_hashes_of_its_arrays(tmp_path: Path, run: Path) -> None:
    assert list(json.loads((run / "result.json").read_text())["files"]) == [COUNTS]
    other = write_run(tmp_path / "other", ants_alone, negatives=0.2)
    assert list(json.loads((other / "result.json").read_text())["files"]) == [COUNTS, NEGATIVES]
    assert sorted(file.name for file in other.iterdir()) == [COUNTS, NEGATIVES, "result.json"]
    without_hashes(other)
    assert len(Run.read(other).records.rows) == 30


@pytest.mark.parametrize("hashes", [True, False])
@pytest.mark.parametrize("method", [perfect, ants_alone])
def test_counts_of_another_run_are_refused(tmp_path: Path, run: Path, method: Any, hashes: bool) -> None:
    """By their hash, and without one by the figures: of other values, or of other episodes."""
    other = write_run(tmp_path / "other", method, seed=0 if method is perfect else 1)
    shutil.copy(other / COUNTS, run)
    if not hashes:
        without_hashes(run)
    assert_refused("run holds files of different runs", run)


def test_negatives_of_another_run_are_refused(tmp_path: Path) -> None:
    first, second = (write_run(tmp_path / name, ants_alone, negatives=0.2, seed=seed) for seed, name in enumerate("ab"))
    shutil.copy(second / NEGATIVES, first)
    assert_refused("a holds files of different runs", first)
    (first / NEGATIVES).unlink()
    assert_refused(f"there is no {first / NEGATIVES}", first)


def test_a_later_run_leaves_nothing_of_an_earlier_one(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ants_alone, negatives=0.2)
    for name in ("pictures/001-000007-ant.png", "worst/001-000003-ant.png", "pictures/mine.png"):
        (run / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 4)).save(run / name)
    (run / "notes.txt").write_text("mine")
    write_run(run, perfect)
    assert sorted(str(file.relative_to(run)) for file in run.rglob("*") if file.is_file()) == [
        COUNTS,
        "notes.txt",
        "pictures/mine.png",
        "result.json",
    ]
    assert Run.read(run).content["miou"] == 1


class Killed(BaseException):
    """What no `except` of ours sees."""


@pytest.mark.parametrize("name", ["replace", "unlink", "write_text"])
def test_a_kill_at_any_moment_mixes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    found = set()
    for moment in range(20):
        run = write_run(tmp_path / f"{moment}", ants_alone, negatives=0.2)
        whole, calls = getattr(Path, name), iter(range(99))

        def killed(*args: Any, moment: int = moment, whole: Any = whole, calls: Any = calls, **more: Any) -> Any:
            if next(calls) >= moment:
                raise Killed
            return whole(*args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(Path, name, killed)
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a killed process clears nothing up
            try:
                write_run(run, perfect)
                done = True
            except Killed:
                done = False
        if (run / "result.json").exists():
            found.add(Run.read(run).content["miou"])
        write_run(run, perfect)  # and the next run is whole
        assert Run.read(run).content["miou"] == 1
        assert not [file for file in run.rglob(".*")]
        if done:
            break
    assert done
    assert found == {0.5, 1}


def test_a_full_disk_leaves_the_earlier_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="No space left on device"):
        write_run(run, perfect)
    assert Run.read(run).content["miou"] == 0.5
    assert sorted(file.name for file in run.iterdir()) == [COUNTS, "result.json"]


def test_a_folder_in_use_is_refused_before_anything_is_scored(tmp_path: Path) -> None:
    def method(_: Any) -> Any:
        raise AssertionError

    with (
        locked(tmp_path / "run", "written"),
        pytest.raises(InputError, match="run is being written by another process"),
    ):
        write_run(tmp_path / "run", method)


def test_a_class_that_no_episode_drew(tmp_path: Path) -> None:
    """One episode draws one of two classes."""
    run = write_run(tmp_path / "run", perfect, episodes=1)
    content = json.loads((run / "result.json").read_text())
    assert (content["per_class"], content["not_drawn"]) == ({"ant": 1, "bee": None}, ["bee"])
    assert content["intervals"]["per_class"]["bee"] is None
    assert content["miou"] == 0.5  # by the rule of HSNet
    assert "no episode drew bee, each of which counts as 0 in the mIoU" in content["departures"]
    assert [(row.name, row.drawn) for row in compare(run, run, QUICK)][2:] == [("ant", True), ("bee", False)]
    assert "bee not drawn not drawn" in " ".join(
        CliRunner().invoke(main, ["compare", *[str(run)] * 2]).output.replace("│", " ").split()
    )
    assert CliRunner().invoke(main, ["report", str(run), "--out", str(tmp_path / "r.html")]).exit_code == 0
    assert "not drawn" in (tmp_path / "r.html").read_text()
    without_hashes(run)
    change(run, per_class__bee=0.0)  # as results were
    assert Run.read(run).not_drawn == {"bee"}


SEED = 2
"""Of it and the next, the first episodes draw an ant and a bee."""


def test_a_class_is_the_mean_over_the_runs_that_drew_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", perfect, episodes=1, seeds=2, protocol="ssp", size=None, seed=SEED)
    content = json.loads((run / "result.json").read_text())
    drawn = [
        {name for row in Run.read(run).records.rows if row.seed == seed for name in row.spec.classes}
        for seed in (SEED, SEED + 1)
    ]
    assert drawn == [{1}, {2}]
    assert content["per_class"] == {"ant": 1, "bee": 1}
    assert content["not_drawn"] == []


def counts(run: Path, **changes: Callable[[Any], Any]) -> None:
    """Change arrays of `counts.npz`."""
    with np.load(run / COUNTS) as there:
        kept = {name: there[name] for name in KINDS}
    kept |= {name: new(kept[name].copy()) for name, new in changes.items()}
    np.savez_compressed(run / COUNTS, **kept)
    without_hashes(run)


KINDS = ("episodes", "seed", "episode", "slot", "matrix", "presence")


def put(value: Any) -> Callable[[Any], Any]:
    def changed(array: Any) -> Any:
        array.flat[0] = value
        return array

    return changed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"matrix": put(-1)}, "a count is not in 0.."),
        ({"matrix": put(1 << 62)}, "a count is not in 0.."),
        ({"matrix": lambda array: array.astype(np.float64)}, "matrix is float64"),
        ({"matrix": lambda array: np.full(array.shape, np.nan)}, "matrix is float64"),
        ({"matrix": lambda array: array[:, 0]}, "matrix is int64"),
        ({"matrix": lambda array: array[:, :1, :1]}, "are not for arrays of"),
        ({"matrix": lambda array: np.pad(array, ((0, 0), (0, 1), (0, 1)), constant_values=1)}, "are not for arrays of"),
        ({"matrix": lambda array: array[:-1]}, "are not for arrays of"),
        ({"matrix": lambda array: array.astype(object)}, "matrix is object"),
        ({"presence": put(np.inf)}, "a presence score is infinite, or missing for a way"),
        ({"presence": lambda array: array[:-1]}, "are not for arrays of"),
        ({"slot": put(9)}, "has no slot 9"),
        ({"slot": put(-1)}, "has no slot -1"),
        ({"slot": put(0)}, "counts"),
        ({"episode": put(99)}, "a label map refers to an episode that does not exist"),
        ({"episode": put(-1)}, "a label map refers to an episode that does not exist"),
        ({"episode": put(1)}, "a label map is duplicated"),
        ({"episode": lambda array: array.astype(np.float32)}, "episode is float32"),
        ({"seed": put(7)}, "the counts have different seeds"),
        ({"episodes": put("[]")}, "not an episode"),
        ({"episodes": lambda array: np.where(np.arange(30) == 3, "[" * 9999, array)}, "nested lists or tables"),
        ({"episodes": lambda array: array[[0, 0, *range(2, len(array))]]}, "an episode is duplicated"),
        (
            {"episodes": lambda array: np.char.replace(array, '"classes": [1]', '"classes": [3]')},
            "counts also have class 3",
        ),
        (dict.fromkeys(KINDS, lambda array: array[:0]), "0 seeds"),
    ],
)
def test_crafted_counts(run: Path, changes: Any, words: str) -> None:
    counts(run, **changes)
    assert_refused(words, run)


def test_arrays_that_are_missing_or_large(run: Path) -> None:
    with np.load(run / COUNTS) as there:
        kept = {name: there[name] for name in KINDS if name != "slot"}
    np.savez_compressed(run / COUNTS, **kept)
    without_hashes(run)
    assert_refused("no slot", run)
    header = (
        b"\x93NUMPY\x01\x00\x76\x00"
        + f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({1 << 40},)}}".ljust(117).encode()
    )
    for content, words in (
        (header + b"\n", "too large"),
        (header.replace(b"1099511627776", b"9            ") + b"\n", "is not as long as its header says"),
        (b"\x93NUMPY\x09\x00", "cannot be read"),
        (b"", "cannot be read"),
    ):
        with zipfile.ZipFile(run / COUNTS, "w") as archive:
            archive.writestr("seed.npy", content)
        assert_refused(words, run)


def test_a_small_file_that_unpacks_to_a_large_one(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "LARGEST", 1 << 20)
    with zipfile.ZipFile(run / COUNTS, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("seed.npy", bytes((1 << 20) + 1))
    without_hashes(run)
    assert_refused("seed would take 1048577 bytes", run)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read"),
        (b"\xff\xfe{", "cannot be read"),
        (b"[" * 100_000, "nested lists or tables"),
        (b"null", "is not a table"),
        (b"[]", "is not a table"),
        (b'{"schema": 1}', "it has no miou"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "cannot be read"),
        (b'{"schema": ' + b"9" * 4000 + b"}", "is of version an integer of"),
    ],
    ids=["empty", "no UTF-8", "deep", "null", "list", "nearly nothing", "long", "large"],
)
def test_results_that_are_none(run: Path, content: bytes, words: str) -> None:
    (run / "result.json").write_bytes(content)
    assert_refused(words, run)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("miou", float("nan"), "NaN"),
        ("miou", float("inf"), "Infinity"),
        ("miou", 10**400, "miou is an integer of"),
        ("miou", "0.5", "miou is '0.5'"),
        ("miou", True, "miou is True"),
        ("miou", 1.5, "miou is 1.5"),
        ("miou", 0.25, "by the counts the mIoU is 0.5000, by the figures 0.25"),
        ("miou", None, "by the counts the mIoU is 0.5000, by the figures None"),
        ("per_class", [], "per_class is []"),
        ("per_class", {}, "per_class does not match classes"),
        ("per_class__ant", None, "by the counts the IoU of ant is 1.0000"),
        ("per_class__bee", None, "by the counts the IoU of bee is 0.0000"),
        ("classes", {"one": "ant"}, "classes is"),
        ("classes", {"1": "ant", "2": "ant"}, "classes has a duplicate name"),
        ("intervals", None, "intervals is not a table"),
        ("intervals__miou", [0.5], "intervals.miou is [0.5]"),
        ("intervals__per_class__ant", [None, 1], "intervals.per_class is"),
        ("seeds", [], "seeds is []"),
        ("seeds", {"7": {"miou": 0.5, "fb_iou": 0.5}}, "the counts have different seeds"),
        ("seeds", {"0": {}}, "seeds is"),
        ("deviation", 1, "deviation is 1"),
        ("episodes", 0, "episodes is 0"),
        ("episodes", 10**400, "episodes is an integer of"),
        ("episodes", 29, "the counts are of 30 episodes, the scores 29"),
        ("seconds", -1, "seconds is -1"),
        ("protocol", [], "protocol is not a table"),
        ("protocol__geometry", {"sides": 4}, "unexpected keyword argument"),
        ("protocol__absent", "often", "often"),
        ("protocol__vanished", [], "unhashable"),
        ("protocol__more", 1, "unexpected keyword argument"),
        ("departures", "all", "departures is 'all'"),
        ("departures", [1], "departures is [1]"),
        ("data_notes", 7, "data_notes is 7"),
        ("not_drawn", 7, "not_drawn is 7"),
        ("files", 7, "files is 7"),
        ("settings", None, "settings is not a table"),
        ("settings__source", {}, "it has no settings.source.fold"),
        ("negatives", {}, "it has no negatives.episodes"),
        ("weights", 1, "weights is 1"),
        ("files", {COUNTS: "0" * 64}, "counts.npz is not the file that it names"),
    ],
)
def test_fields_of_other_types(run: Path, field: str, value: Any, words: str) -> None:
    change(run, **{field: value})
    assert_refused(words, run)


@pytest.mark.parametrize("name", ["result.json", COUNTS])
def test_files_that_are_none(run: Path, name: str) -> None:
    (run / name).unlink()
    os.mkfifo(run / name)
    assert_refused("is a named pipe, not a file", run)
    (run / name).unlink()
    (run / name).mkdir()
    assert_refused("is a folder, not a file", run)


def test_pictures_that_are_none(run: Path, tmp_path: Path) -> None:
    (run / "pictures").mkdir()
    (run / "pictures/mine.png").write_bytes(b"")
    assert CliRunner().invoke(main, ["report", str(run), "--out", str(tmp_path / "r.html")]).exit_code == 0
    (run / "pictures/001-000000-ant.png").write_bytes(b"")
    done = CliRunner().invoke(main, ["report", str(run), "--out", str(tmp_path / "r.html")])
    assert (done.exit_code, "001-000000-ant.png cannot be read as a picture" in done.output) == (2, True)


def test_counts_without_presence_still_load(run: Path) -> None:
    """As runs were written before there was any."""
    with np.load(run / COUNTS) as there:
        kept = {name: there[name] for name in KINDS if name != "presence"}
    np.savez_compressed(run / COUNTS, allow=np.array(False), **kept)
    without_hashes(run)
    assert all(row.presence == () for row in Records.read(run / COUNTS).rows)
    assert Run.read(run).content["miou"] == 0.5
