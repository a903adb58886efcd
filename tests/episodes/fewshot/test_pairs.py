"""Pairs: their order, their hash, and one test for each way a pair list can be wrong."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from episodes.data.source import PASCAL_CLASSES, Array, Split
from episodes.errors import InputError
from episodes.fewshot.pairs import Pairs, pairs_from_areas, pairs_from_lists


class Table:
    """A source that is a table of areas; `gone` is listed, but its photograph is not there."""

    name = "table"
    classes = PASCAL_CLASSES
    areas: Mapping[str, Mapping[int, int]] = {
        "b": {15: 3000, 2: 2048},
        "a": {2: 2047, 1: 1, 20: 9000},
        "c": {6: 50},
    }

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> Sequence[str]:
        return {("train", "query"): ("b", "a"), ("train", "support"): ("c",)}.get((split, role), ())

    def classes_in(self, id: str) -> Mapping[int, int]:
        return self.areas[id]

    def has(self, id: str) -> bool:
        return id in self.areas

    def load(self, id: str) -> tuple[Array, Array]:
        return np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8)


def write(folder: Path, **lists: str) -> Path:
    for name, text in lists.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def test_areas_in_order_of_ids_then_classes() -> None:
    pairs = pairs_from_areas(Table(), "train", "query", range(1, 21))
    assert pairs == Pairs((("b", 2), ("b", 15), ("a", 20)), rule="min_pixels=2048")
    assert pairs_from_areas(Table(), "train", "query", {1, 2}, min_pixels=1).items == (
        ("b", 2),
        ("a", 1),
        ("a", 2),
    )
    assert pairs_from_areas(Table(), "train", "support", [6], min_pixels=50).items == (("c", 6),)


@pytest.mark.parametrize("min_pixels", [0, -5])
def test_min_pixels_below_one(min_pixels: int) -> None:
    with pytest.raises(InputError, match=f"min_pixels is {min_pixels}"):
        pairs_from_areas(Table(), "train", "query", [1], min_pixels)


@pytest.mark.parametrize("label", [0, 21])
def test_a_class_that_does_not_exist(label: int) -> None:
    with pytest.raises(InputError, match=rf"class {label} does not exist: table has 1\.\.20"):
        pairs_from_areas(Table(), "train", "query", [1, label])


def test_a_photograph_that_is_not_there_ends_it() -> None:
    """COCO's annotations without its photographs: else the first episode that draws one would end the run."""

    class Half(Table):
        def has(self, id: str) -> bool:
            return id != "a"

    assert pairs_from_areas(Half(), "train", "query", [15]).items == (("b", 15),)
    with pytest.raises(InputError, match="table lists a, but its photograph is missing: complete the folder"):
        pairs_from_areas(Half(), "train", "query", range(1, 21))


def test_hash_is_that_of_the_lines() -> None:
    pairs = Pairs((("b", 2), ("a", 20)), rule="")
    assert pairs.sha256 == hashlib.sha256(b"b__02\na__20\n").hexdigest()
    assert pairs.sha256 != Pairs(pairs.items[::-1], rule="").sha256


def test_of_and_by_class_keep_the_order() -> None:
    pairs = Pairs((("b", 2), ("b", 1), ("a", 2), ("c", 3)), rule="rule", missing=(("d", 1), ("e", 3)))
    assert pairs.of({2, 3}) == Pairs((("b", 2), ("a", 2), ("c", 3)), rule="rule", missing=(("e", 3),))
    assert pairs.by_class == {1: ("b",), 2: ("b", "a"), 3: ("c",)}
    assert list(pairs.by_class) == [1, 2, 3]
    assert pairs.of([2]).by_class == {2: ("b", "a")}


def test_lists_are_joined_in_fold_order(tmp_path: Path) -> None:
    write(tmp_path, train_fold0="b__02\na__01\n\n", train_fold2="b__15  \n", train_fold3="a__20")
    pairs = pairs_from_lists(Table(), tmp_path, "train", [3, 0, 2])
    assert pairs.items == (("b", 2), ("a", 1), ("b", 15), ("a", 20))
    assert pairs.rule == "pair list: train_fold0.txt + train_fold2.txt + train_fold3.txt"
    assert pairs.missing == ()


def test_interleaved_lists(tmp_path: Path) -> None:
    write(tmp_path, val_fold1="b__02\nc__06\n")
    assert pairs_from_lists(Table(), tmp_path, "val", [1], order="interleaved").items == (("b", 2), ("c", 6))


def test_missing_photographs_are_an_error_or_counted(tmp_path: Path) -> None:
    write(tmp_path, val_fold0="gone__01\nb__02\ngone__03\n")
    with pytest.raises(InputError, match=r"2 of 3 listed pairs, for example gone: .*`allow_missing`"):
        pairs_from_lists(Table(), tmp_path, "val", [0])
    pairs = pairs_from_lists(Table(), tmp_path, "val", [0], "leave out")
    assert (pairs.items, len(pairs.missing)) == ((("b", 2),), 2)


def test_all_photographs_missing_is_an_error_in_any_case(tmp_path: Path) -> None:
    write(tmp_path, val_fold0="gone__01\n")
    with pytest.raises(InputError, match=r"1 of 1 listed pairs, for example gone: check the folder"):
        pairs_from_lists(Table(), tmp_path, "val", [0], "leave out")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("b__02\nb 02\n", r"val_fold0\.txt, line 2: 'b 02' is invalid"),
        ("b__2\n", r"val_fold0\.txt, line 1: 'b__2' is invalid"),
        ("__02\n", r"val_fold0\.txt, line 1: '__02' is invalid"),
        ("\xff\xfe", r"val_fold0\.txt, line 1: .* is invalid"),
        ("b__02\n\na__02\nb__02\n", r"val_fold0\.txt, line 4: b with class 2 is listed twice"),
        (
            "b__01\na__00\n",
            r"holds classes 0, 1, but fold 0 has 1, 2, 3, 4, 5, counted from 1: add 1 to each",
        ),
        ("b__02\nb__15\n", r"holds classes 2, 15, but fold 0 has .*: rename or correct the file"),
        ("c__02\n", r"val_fold0\.txt lists c with class 2, but its mask has no pixel of it"),
    ],
)
def test_a_bad_list(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "val_fold0.txt").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=words) as caught:
        pairs_from_lists(Table(), tmp_path, "val", [0])
    assert "\n" not in str(caught.value)


def test_a_list_counted_from_zero_in_a_later_fold(tmp_path: Path) -> None:
    write(tmp_path, val_fold1="c__05\nc__06\n")
    with pytest.raises(InputError, match=r"holds classes 5, 6, but fold 1 has 6, .*: add 1 to each"):
        pairs_from_lists(Table(), tmp_path, "val", [1])


def test_a_missing_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no pair list .*val_fold0\.txt"):
        pairs_from_lists(Table(), tmp_path, "val", [0])


def test_a_fold_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fold 4 does not exist"):
        pairs_from_lists(Table(), tmp_path, "val", [4])
