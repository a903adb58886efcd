"""Annotation files: read and counted once, kept, and whatever may be wrong with the cache."""

import json
import pickle
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from episodes.data.coco.annotations import VERSION, Annotations
from episodes.data.source import silent
from episodes.errors import InputError

pytest.importorskip("ijson")
pytest.importorskip("pycocotools")

# pycocotools 2.0 hands numpy 2 arrays in numpy 1's way; nothing here can change that.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE = 20


def content(photographs: int = 5) -> dict[str, Any]:
    """Photograph i has i squares of 1 to i pixels a side, all in its corner; annotations come in no order."""
    squares = [(image, side) for image in range(photographs) for side in range(1, image + 1)]
    order = np.random.default_rng(0).permutation(len(squares))
    return {
        "images": [
            {"id": 100 + image, "file_name": f"ä{image}.jpg", "height": SIDE, "width": SIDE + 1}
            for image in range(photographs)
        ],
        "categories": [{"id": 40, "name": "Fuß"}, {"id": 7, "name": "hand"}],
        "annotations": [
            {
                "id": number,
                "image_id": 100 + image,
                "category_id": (7, 40)[side % 2],
                "segmentation": [[0, 0, side, 0, side, side, 0, side]],
            }
            for number, (image, side) in enumerate(squares[place] for place in order)
        ],
    }


AREAS = {"ä0": {}, "ä1": {2: 1}, "ä2": {1: 3, 2: 1}, "ä3": {1: 3, 2: 6}, "ä4": {1: 10, 2: 6}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content(), ensure_ascii=False, indent=1), encoding="utf-8")
    return path


@pytest.fixture
def kept(tmp_path: Path, file: Path) -> Path:
    """The database that is kept of `file`."""
    Annotations(file, silent)
    (path,) = (tmp_path / "cache" / "annotations").iterdir()
    return path


def check(file: Path) -> bool:
    """All that a file says; whether it was read from end to end, which progress is told of."""
    told: list[tuple[str, int, int]] = []
    part = Annotations(file, lambda *step: told.append(step))
    assert part.ids == tuple(AREAS)
    assert part.files["ä3"] == "ä3.jpg"
    assert part.classes == ("hand", "Fuß")
    assert part.index() == AREAS
    labels = part.labels("ä2")
    assert labels.shape == (SIDE, SIDE + 1)
    np.testing.assert_array_equal(labels[:3, :3], [[2, 1, 0], [1, 1, 0], [0, 0, 0]])
    assert not told or told[-1] == ("Counting instances.json", 5, 5)
    return bool(told)


def test_read_once_and_then_from_the_database(file: Path) -> None:
    assert [check(file), check(file)] == [True, False]


def test_a_copy_has_the_same_database(file: Path, tmp_path: Path) -> None:
    check(file)
    copy = tmp_path / "copy.json"
    copy.write_bytes(file.read_bytes())
    assert not check(copy)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def one_byte_less(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def one_page_less(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4096])


def no_database(path: Path) -> None:
    path.write_bytes(b"\x00\xff" * 8192)


def another_database(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE photographs (name TEXT)")
    database.close()


def other_tables(path: Path) -> None:
    another_database(path)
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION}")
    database.close()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "spoil",
    [empty, cut_short, one_byte_less, one_page_less, no_database, another_database, other_tables, folder],
    ids=lambda f: f.__name__,
)
def test_a_database_that_is_not_what_was_written_is_made_again(
    file: Path, kept: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(kept)
    assert check(file)
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_database_that_is_damaged_within(file: Path, kept: Path) -> None:
    whole = bytearray(kept.read_bytes())
    whole[4096:] = b"\xff" * (len(whole) - 4096)
    part = Annotations(file, silent)
    kept.write_bytes(whole)
    with pytest.raises(InputError, match=r"\.sqlite cannot be read \(.*\): remove it and start again") as caught:
        part.labels("ä2")
    assert "\n" not in str(caught.value)
    check(file)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, in a test whose cache cannot be written."""
    (tmp_path / "cache").write_text("a file where the folder should be")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def test_a_cache_that_cannot_be_written_costs_only_time(file: Path, temporary: Path) -> None:
    assert [check(file), check(file)] == [True, True]
    assert not list(temporary.iterdir())


def no_room(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Writing a database fails as on a full disk, where its path has this in it."""
    connect = sqlite3.connect

    def full(path: str | Path, **options: Any) -> sqlite3.Connection:
        if where in str(path) and not options:
            raise sqlite3.OperationalError("database or disk is full")
        return connect(path, **options)

    monkeypatch.setattr(sqlite3, "connect", full)


def test_a_full_disk_costs_only_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_room(monkeypatch, ".part")
    assert check(file)


def test_no_temporary_file_either(file: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"\.sqlite cannot be written \(.*\): free disk space, or set SRPNET_CACHE"
    with monkeypatch.context() as full:
        no_room(full, "temporary")
        with pytest.raises(InputError, match=message):
            Annotations(file, silent)
    temporary.rmdir()
    with pytest.raises(InputError, match=message):
        Annotations(file, silent)


def test_a_fork_leaves_the_temporary_folder(file: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = Annotations(file, silent)
    (folder,) = temporary.iterdir()
    with monkeypatch.context() as fork:
        fork.setattr("os.getpid", lambda: -1)
        del part
    assert folder.is_dir()
    shutil.rmtree(folder)


def test_sent_to_other_processes_and_read_in_threads(file: Path) -> None:
    part = pickle.loads(pickle.dumps(Annotations(file, silent)))
    assert part.index() == AREAS
    with ThreadPoolExecutor(4) as pool:
        for labels in pool.map(part.labels, ["ä3"] * 32):
            np.testing.assert_array_equal(labels, part.labels("ä3"))


def test_a_cache_whose_name_needs_quoting(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SRPNET_CACHE", "a?mode=rw#b%20 ü")
    check(file)
    assert (tmp_path / "a?mode=rw#b%20 ü" / "annotations").is_dir()


def test_progress_is_a_third_for_each_list(tmp_path: Path) -> None:
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(content() | {"info": ["x" * 1000] * 3000}))
    told: list[tuple[str, int, int]] = []
    Annotations(file, lambda *step: told.append(step))
    reading, counting = told[:-5], told[-5:]
    assert reading == sorted(reading)
    assert {done for _, done, _ in reading} == {0, 1, 2, 3}
    assert reading[-1] == ("Reading instances.json (MB)", 3, 3)
    assert counting == [("Counting instances.json", done, 5) for done in range(1, 6)]


def test_a_bad_file_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "instances.json").write_text(json.dumps(content())[:-1])
    with pytest.raises(InputError, match="truncated"):
        Annotations(tmp_path / "instances.json", silent)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["instances.json"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text[:-1], "premature EOF"),
        (lambda text: text[: len(text) // 2], "premature EOF"),
        (lambda text: text + "}", "trailing garbage"),
        (lambda text: text.replace("[0, 0, 1", "[0, 0 1", 1), "after array element"),
        (lambda text: text.replace("[[", "[" * 100_000, 1), "nested more than 100 deep"),
        (lambda text: text.replace("[[", '[[{"a":' + "[" * 990 + "]" * 990 + "},", 1), "nested more"),
        (lambda text: text.replace("[[", '[[{"a":' * 5_000 + "1" + "}]]" * 5_000 + ", [[", 1), "nested more"),
        (lambda text: text.replace('"ä0.jpg"', '"\x00', 1), "invalid char"),
    ],
)
def test_what_is_not_json(tmp_path: Path, spoil: Callable[[str], str], words: str) -> None:
    file = tmp_path / "instances.json"
    file.write_text(spoil(json.dumps(content(), ensure_ascii=False)), encoding="utf-8")
    with pytest.raises(InputError, match=rf"is not a COCO instances file, or is truncated: .*({words})") as caught:
        Annotations(file, silent)
    assert "\n" not in str(caught.value)


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "instances.json").write_bytes(json.dumps(content(), ensure_ascii=False).encode("latin-1"))
    with pytest.raises(InputError, match="invalid bytes in UTF8") as caught:
        Annotations(tmp_path / "instances.json", silent)
    assert "\n" not in str(caught.value)


def test_a_file_that_goes_away(file: Path) -> None:
    part = Annotations(file, silent)
    file.unlink()
    assert part.labels("ä2").any()
    with pytest.raises(InputError, match=r"instances\.json cannot be read \(No such file"):
        Annotations(file, silent)
