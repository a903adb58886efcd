"""Photographs of one object each: the folder, its classes, those kept from training, and what is wrong with it."""

from pathlib import Path

import numpy as np
import pytest

from episodes.data import open_source
from episodes.data.sets.masks import Masks
from episodes.data.source import UNNAMED
from episodes.errors import InputError
from episodes.fewshot.checks.check_data import check
from episodes.fewshot.folds import Fold
from episodes.fewshot.settings import DataSettings
from tests.episodes.fakes import masks_folder


def test_classes_and_photographs(tmp_path: Path) -> None:
    source = open_source(f"masks:{masks_folder(tmp_path)}")
    assert isinstance(source, Masks)
    assert source.name == f"masks:{tmp_path}"
    assert source.classes == ("ant", "bee", "cup")
    assert source.ids("train") == tuple(f"p{number}" for number in range(7))
    assert source.ids("val") == ()
    assert source.splits == ("train",)
    image, labels = source.load("p3")
    assert image.shape == (16, 20, 3)
    assert (labels.shape, labels.dtype) == ((16, 20), np.int16)
    assert source.classes_in("p3") == {3: 8} == {3: (labels == 3).sum()}
    assert source.has("p3")
    assert not source.has("p7")
    with pytest.raises(InputError, match=r"no photograph 'p7'"):
        source.classes_in("p7")


def test_a_line_may_be_of_two_columns_and_others_are_unnamed(tmp_path: Path) -> None:
    (masks_folder(tmp_path) / "classes.tsv").write_text("\ufeffp5\tgolden retriever\n\np1 \t cup\n", encoding="utf-8")
    (tmp_path / "masks/p4.png").unlink()
    source = Masks(tmp_path)
    assert source.classes == ("cup", "golden retriever", UNNAMED)
    assert source.ids("train") == ("p5", "p1", "p0", "p2", "p3", "p6")
    assert source.classes_in("p3") == {3: 8}
    assert Fold(DataSettings(source.name, fold="all")).base == (1, 2)


def test_without_any_class_all_are_unnamed(tmp_path: Path) -> None:
    (masks_folder(tmp_path) / "classes.tsv").unlink()
    source = Masks(tmp_path)
    assert source.classes == (UNNAMED,)
    assert len(source.ids("train")) == 7
    assert Fold(DataSettings(source.name, fold="all")).base == ()


def test_classes_kept_from_training_are_the_val_split(tmp_path: Path) -> None:
    source = Masks(masks_folder(tmp_path, val="cup\n"))
    assert source.splits == ("train", "val")
    assert source.ids("val") == ("p0", "p3")
    assert source.ids("train") == ("p1", "p2", "p4", "p5", "p6")
    fold = Fold(DataSettings(source.name))
    assert (fold.novel, fold.base) == ((3,), (1, 2))
    assert Fold(DataSettings(source.name, fold="all")).base == (1, 2, 3)
    sampler = fold.novel_sampler((3,))
    assert {id for index in range(8) for id in sampler.spec(index).slots} == {"p0", "p3"}
    with pytest.raises(InputError, match="fold 1 does not exist"):
        source.novel_and_base(1)


def test_without_them_there_is_no_fold_to_test(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has `all`, and 0 if val.txt names its classes"):
        Fold(DataSettings(f"masks:{masks_folder(tmp_path)}"))


def test_more_than_254_classes_leave_out_255(tmp_path: Path) -> None:
    root = masks_folder(tmp_path, classes="c000 c000")
    (root / "classes.tsv").write_text("".join(f"p{number}\tc{number:03}\n" for number in range(300)))
    source = Masks(root)
    assert len(source.classes) == 301
    assert source.classes[253:256] == ("c253", "", "c254")
    assert 255 not in source.novel_and_base("all")[1]


@pytest.mark.parametrize("missing", ["images/p1.jpg", "masks/p1.png"])
def test_what_is_missing_is_passed_over(tmp_path: Path, missing: str) -> None:
    (masks_folder(tmp_path) / missing).unlink()
    source = Masks(tmp_path)
    assert not source.has("p1")
    assert source.classes_in("p1") == {}
    assert [(remark.count, remark.passed_over) for remark in source.remarks("train")] == [(1, True)]
    assert any("missing photographs" in finding.text for finding in check(source.name).findings)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("p0 cup\n", "line 1: 'p0 cup' is invalid"),
        ("p0\tcup\np1\n", "line 2: 'p1' is invalid"),
        ("../p0\tcup\n", "line 1: .* is invalid"),
        ("a/p0\tcup\n", "line 1: .* is invalid"),
        ("p0\tcup\np0\tant\n", "line 2: p0 is listed twice"),
        ("p0\tunnamed object\n", "line 1: unnamed object is not a class"),
    ],
)
def test_malformed_lists_are_refused(tmp_path: Path, lines: str, complaint: str) -> None:
    (masks_folder(tmp_path) / "classes.tsv").write_text(lines)
    with pytest.raises(InputError, match=complaint):
        Masks(tmp_path)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [("elk\n", "'elk' is not a class"), ("unnamed object\n", "is not a class"), ("ant\nbee\ncup\n", "every class")],
)
def test_lists_of_what_is_kept_back_name_some_classes(tmp_path: Path, names: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Masks(masks_folder(tmp_path, val=names))


def test_an_empty_folder_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"masks cannot be listed .* such a folder holds images"):
        open_source(f"masks:{tmp_path}")
