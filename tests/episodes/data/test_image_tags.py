"""Tags of photographs: files, folders, masks, and what is wrong with them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from episodes.data.image_tags import checked, read_tags, tags_of
from episodes.errors import InputError
from tests.episodes.fakes import Fake, label_map


def photograph(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), (value, 90, 140)).save(path)


def csv_of(folder: Path, text: str) -> Path:
    for name in ("a.png", "b.png", "c.png"):
        photograph(folder / "photos" / name)
    (folder / "tags.csv").write_text(text, encoding="utf-8")
    return folder / "tags.csv"


@pytest.mark.parametrize(
    "text",
    [
        "photos/a.png,cat\nphotos/b.png,dog,cat\n",
        "photograph,tags\nphotos/a.png,cat\nphotos/b.png,dog; cat\n",
        "\ufeffFile,one,two\r\nphotos/a.png , cat ,\r\n\r\nphotos/b.png,cat,dog\r\n",
    ],
)
def test_a_line_is_a_photograph_and_its_tags(tmp_path: Path, text: str) -> None:
    found = checked(read_tags(csv_of(tmp_path, text)))
    assert found.classes == ("cat", "dog")
    assert found.labels == (1, 2)
    assert found.tags == {"a": (0,), "b": (0, 1)}
    assert found.read("a").shape == (4, 6, 3)


def test_a_folder_is_a_tag_and_copies_are_one_photograph(tmp_path: Path) -> None:
    for file, value in (("cat/1.png", 1), ("cat/2.png", 2), ("dog/1.png", 3), ("dog/two.png", 2)):
        photograph(tmp_path / file, value)
    (tmp_path / "cat" / "notes.txt").write_text("no photograph")
    (tmp_path / ".hidden").mkdir()
    found = checked(read_tags(tmp_path))
    assert found.tags == {"cat/1": (0,), "2": (0, 1), "dog/1": (1,)}
    assert found.read("dog/1")[0, 0, 0] == 3


def test_photographs_without_a_tag_are_left_out_and_counted(tmp_path: Path) -> None:
    found = checked(read_tags(csv_of(tmp_path, "photos/a.png,cat\nphotos/b.png,\nphotos/c.png,dog\n")))
    assert set(found.tags) == {"a", "c"}
    assert found.remarks == ("photographs without a tag, left out: 1 of 3 (b)",)
    fewer = checked(
        read_tags(csv_of(tmp_path, "photos/a.png,cat\nphotos/b.png,gnu\nphotos/c.png,dog\n")), ("dog", "cat")
    )
    assert fewer.classes == ("dog", "cat")  # in the order that was asked for
    assert fewer.tags == {"a": (1,), "c": (0,)}


@pytest.mark.parametrize(
    ("text", "only", "message"),
    [
        ("photos/a.png,cat\nphotos/b.png,dog\n", ("gnu",), "no photograph of .* has the tag 'gnu': there are cat, dog"),
        ("photos/a.png,cat\nphotos/b.png,cat\n", (), "has the tag 'cat' alone"),
        ("photos/a.png,cat\nphotos/b.png,dog\n", ("dog",), "has the tag 'dog' alone"),
        ("photos/a.png\nphotos/b.png\n", (), "has no tags"),
        ("photos/a.png,cat\nphotos/z.png,dog\n", (), "line 2: there is no photograph"),
        ("photos/a.png,cat\nphotos/a.png,dog\n", (), "line 2: photos/a.png is there twice"),
        ("", (), "has no photographs"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, text: str, only: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked(read_tags(csv_of(tmp_path, text)), only)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there: name a CSV file"):
        read_tags(tmp_path / "nothing")
    with pytest.raises(InputError, match="has no photographs"):
        read_tags(tmp_path)


FAKE = Fake(
    {
        "t1": label_map({3: 100}),
        "t2": label_map({3: 50, 4: 9}),
        "t3": label_map({4: 100, 5: 100}),
        "t4": label_map({5: 100}),
        "v1": label_map({3: 100}),
    }
)


def test_tags_by_masks_leave_novel_classes_out() -> None:
    kept = tags_of(FAKE, "train", (3, 4), (5,), drop=False)
    assert kept.classes == ("cat", "dog")
    assert kept.labels == (3, 4)
    assert kept.tags == {"t1": (0,), "t2": (0, 1), "t3": (1,), "t4": ()}
    dropped = tags_of(FAKE, "train", (3, 4), (5,), drop=True)
    assert set(dropped.tags) == {"t1", "t2"}
    assert dropped.remarks == ("photographs that show novel classes, left out: 2",)
    assert tags_of(FAKE, "train", (3, 4), (), drop=False, min_pixels=10).tags["t2"] == (0,)
    assert np.array_equal(kept.read("t1"), FAKE.load("t1")[0])


def test_some_photographs_are_drawn_by_the_seed() -> None:
    every = tags_of(FAKE, "train", (3, 4, 5), (), drop=False)
    assert every.limited(9, 0) is every
    some = every.limited(2, 0)
    assert len(some.ids) == 2
    assert some.tags == every.limited(2, 0).tags
    assert some.sha256 != every.sha256
