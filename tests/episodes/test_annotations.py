"""Annotation files: read once and kept, counted in processes as here, and whatever may be wrong with the cache."""

import json
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from episodes.errors import InputError
from episodes.sources import annotations
from episodes.sources.annotations import Annotations
from episodes.sources.base import silent
from episodes.sources.processes import processes

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
def table(tmp_path: Path, file: Path) -> Path:
    """The table that is kept of `file`."""
    Annotations(file, silent)
    (path,) = (tmp_path / "cache" / "annotations").iterdir()
    return path


@pytest.fixture
def in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotations, "PHOTOGRAPHS_A_PROCESS", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 2)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The annotation files that are read from end to end from here on."""
    paths: list[Path] = []
    real = annotations.records

    def watched(path: Path, *rest: Any) -> Iterator[Any]:
        paths.append(path)
        return real(path, *rest)

    monkeypatch.setattr(annotations, "records", watched)
    return paths


def check(file: Path) -> None:
    """All that a file says."""
    part = Annotations(file, silent)
    assert part.ids == tuple(AREAS)
    assert part.files["ä3"] == "ä3.jpg"
    assert part.classes == ("hand", "Fuß")
    assert part.index() == AREAS
    labels = part.labels("ä2")
    assert labels.shape == (SIDE, SIDE + 1)
    np.testing.assert_array_equal(labels[:3, :3], [[2, 1, 0], [1, 1, 0], [0, 0, 0]])


def test_read_once_and_then_from_the_table(file: Path, reads: list[Path]) -> None:
    check(file)
    check(file)
    assert reads == [file]


def test_a_copy_has_the_same_table(file: Path, reads: list[Path], tmp_path: Path) -> None:
    check(file)
    copy = tmp_path / "copy.json"
    copy.write_bytes(file.read_bytes())
    check(copy)
    assert reads == [file]


@pytest.mark.usefixtures("in_processes")
def test_processes_count_as_this_one_does(file: Path) -> None:
    told: list[tuple[str, int, int]] = []
    part = Annotations(file, lambda *step: told.append(step))
    assert part.index() == AREAS
    assert list(part.index()) == list(AREAS)
    assert told == [
        *[("Reading instances.json (MB)", 0, 0)] * 2,
        ("Counting instances.json", 5, 5),
    ]


@pytest.mark.usefixtures("in_processes")
def test_a_bad_segmentation_is_named_by_a_process_too(tmp_path: Path) -> None:
    spoilt = content()
    spoilt["annotations"][3]["segmentation"] = [[1, 2, 3]]
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(spoilt))
    with pytest.raises(
        InputError, match=r"instances\.json: the segmentation of annotation 3 cannot be drawn"
    ) as caught:
        Annotations(file, silent).index()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache" / "index").exists()


@pytest.mark.usefixtures("in_processes")
@pytest.mark.parametrize("program", ["false", "there is no such program"])
def test_a_process_that_breaks_down(file: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr("sys.executable", program)
    with pytest.raises(InputError, match=r"instances\.json: the process that counted ä\d broke down"):
        Annotations(file, silent).index()


def test_a_process_that_ended_gives_empty_answers() -> None:
    """More than a pipe holds, too: what was not written must not come up again at the end of the block."""
    program = "print(input(), flush=True)"
    with processes([sys.executable, "-c", program], 1) as ask:
        assert [ask(b"one\n"), ask(b"two\n"), ask(b"x" * 200_000 + b"\n")] == [b"one\n", b"", b""]


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def one_byte(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"spans") + 200] ^= 1
    path.write_bytes(whole)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"ids": []}))


def objects(path: Path) -> None:
    np.savez(path, ids=np.array([{}], dtype=object))


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def other_lengths(path: Path) -> None:
    with np.load(path) as content:
        arrays = dict(content)
    np.savez(path, **arrays | {"first": np.array([0])})


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "spoil", [empty, cut_short, one_byte, pickled, objects, one_array, other_lengths, folder], ids=lambda f: f.__name__
)
def test_a_table_that_is_not_what_was_written_is_made_again(
    file: Path, table: Path, reads: list[Path], spoil: Callable[[Path], None]
) -> None:
    spoil(table)
    check(file)
    assert reads == [file]


def test_a_cache_that_cannot_be_written_costs_only_time(file: Path, reads: list[Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    check(file)
    check(file)
    assert reads == [file, file]


def test_a_bad_file_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "instances.json").write_text(json.dumps(content())[:-1])
    with pytest.raises(InputError, match="cut short"):
        Annotations(tmp_path / "instances.json", silent)
    assert [path.name for path in tmp_path.iterdir()] == ["instances.json"]


def test_a_file_that_changes_while_in_use(file: Path) -> None:
    part = Annotations(file, silent)
    file.write_text(json.dumps(content(4)))
    with pytest.raises(InputError, match=r"instances\.json has changed since it was opened: start again"):
        part.labels("ä2")


def test_a_file_that_goes_away(file: Path) -> None:
    part = Annotations(file, silent)
    file.unlink()
    for ask in (lambda: part.labels("ä2"), lambda: Annotations(file, silent)):
        with pytest.raises(InputError, match=r"instances\.json cannot be read \(No such file"):
            ask()
