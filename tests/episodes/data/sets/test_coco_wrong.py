"""COCO folders in which something is wrong: refused, or passed over and counted."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from episodes.data.sets.coco import Coco
from episodes.errors import InputError
from tests.episodes.data.sets.coco_folder import EXPECTED, HEIGHT, WIDTH, Content, example, write

pytest.importorskip("ijson")
pytest.importorskip("pycocotools")

# pycocotools 2.0 hands numpy 2 arrays in numpy 1's way; nothing here can change that.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "coco", example())


def test_splits_that_disagree_on_categories(tmp_path: Path) -> None:
    other = example()
    other["categories"][0]["name"] = "tiger"
    write(tmp_path, other, "instances_train2017", "train2017")
    write(tmp_path, example(), "instances_val2017", "val2017")
    source = Coco(tmp_path)
    source.ids("val")
    with pytest.raises(InputError, match="declare different categories"):
        source.ids("train")


def test_a_folder_without_annotations(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no annotations: a COCO folder holds"):
        Coco(tmp_path)


def test_a_folder_without_photographs(root: Path) -> None:
    (root / "images").rename(root / "pictures")
    with pytest.raises(InputError, match=r"no photographs: .*images does not exist"):
        Coco(root)


@pytest.mark.parametrize("library", ["pycocotools", "ijson"])
def test_without_a_library(root: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=r"pip install 'srpnet\[coco\]'"):
        Coco(root).ids("val")


@pytest.mark.parametrize("text", ["", '{"images": [', "[]", '{"annotations": [{}]}', '{"images": ["x"]}', "{}"])
def test_corrupt_json(root: Path, text: str) -> None:
    (root / "annotations" / "instances.json").write_text(text)
    with pytest.raises(InputError, match=r"instances\.json (is not a COCO|needs categories)"):
        Coco(root).ids("val")


def many_categories(content: Content) -> None:
    content["categories"] += [{"id": number, "name": str(number)} for number in range(100, 353)]


def no_sizes(content: Content) -> None:
    for image in content["images"]:
        image["width"] = 0


def nothing_at_all(content: Content) -> None:
    content["annotations"] = []


def no_name(content: Content) -> None:
    content["categories"] = [{"id": 90}, {"name": "dog"}]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (many_categories, "has 255 categories: label maps hold up to 254"),
        (no_sizes, "nothing usable: photographs declared without a usable file name, number or size: 2 of 2"),
        (nothing_at_all, "needs categories, images with their sizes, and annotations"),
        (no_name, "nothing usable: categories declared without a unique number"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, spoil: Callable[[Content], None], words: str) -> None:
    content = example()
    spoil(content)
    with pytest.raises(InputError, match=words):
        Coco(write(tmp_path, content)).ids("val")


@pytest.mark.parametrize("segmentation", [None, [], [[]], [[1, 2, 3]], {"size": [2, 2], "counts": [4]}, "text"])
def test_a_segmentation_that_cannot_be_drawn_is_passed_over(tmp_path: Path, segmentation: Any) -> None:
    content = example()
    content["annotations"][0]["segmentation"] = segmentation
    for source in (Coco(write(tmp_path, content)), Coco(tmp_path)):  # the second finds it in the cache
        assert source.classes_in("000007") == {1: 24}
        np.testing.assert_array_equal(source.load("000007")[1], np.where(EXPECTED == 2, 1, EXPECTED))
        (remark,) = source.remarks("val")
        assert (remark.count, remark.total, remark.examples) == (1, 3, ("annotation 1",))


@pytest.mark.parametrize(
    "name", ["../outside.jpg", "{root}/outside.jpg", "..\\outside.jpg", "images/../../outside.jpg"]
)
def test_a_path_that_leaves_the_folder_is_passed_over(tmp_path: Path, name: str) -> None:
    content = example()
    root = write(tmp_path / "coco", content)
    (root / "images/000008.jpg").rename(tmp_path / "outside.jpg")
    content["images"][1]["file_name"] = name.format(root=tmp_path)
    (root / "annotations/instances.json").write_text(json.dumps(content))
    source = Coco(root)
    assert source.ids("val") == ("000007",)
    assert [
        "leads out of the folder (it must be a path below it): 1 of 2" in str(remark)
        for remark in source.remarks("val")
    ] == [True]


@pytest.mark.parametrize(
    ("orientation", "stored", "words"),
    [
        (6, (WIDTH, HEIGHT), "used upright"),
        (6, (HEIGHT, WIDTH), "used as stored because only that fits"),
        (3, (HEIGHT, WIDTH), "fit their annotation either way, used as stored"),
    ],
)
def test_exif_turns(root: Path, orientation: int, stored: tuple[int, int], words: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.zeros((*stored, 3), np.uint8)
    pixels[0] = 255
    Image.fromarray(pixels).save(root / "images/000007.jpg", exif=exif, quality=100)
    source = Coco(root)
    loaded, labels = source.load("000007")
    bright = loaded[:, -1] if stored == (WIDTH, HEIGHT) else loaded[0]  # orientation 6: turn clockwise to see it
    assert bright.min() > 128
    np.testing.assert_array_equal(labels, EXPECTED)
    assert source.classes_in("000007") == {1: 20, 2: 4}
    (remark,) = source.remarks("val")
    assert not remark.passed_over
    assert words in str(remark)


def test_an_exif_turn_that_does_not_help_is_named(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (WIDTH + 1, HEIGHT)).save(root / "images/000007.jpg", exif=exif)
    with pytest.raises(InputError, match="its photograph 9 x 6, and 6 x 9 as its EXIF orientation 6 turns it"):
        Coco(root).load("000007")


def test_an_unknown_id(root: Path) -> None:
    with pytest.raises(InputError, match="has no photograph '000009'"):
        Coco(root).load("000009")


def test_a_missing_photograph(root: Path) -> None:
    (root / "images" / "000007.jpg").unlink()
    assert not Coco(root).has("000007")
    with pytest.raises(InputError, match=r"000007\.jpg does not exist"):
        Coco(root).load("000007")


def test_a_photograph_of_another_size(root: Path) -> None:
    Image.new("RGB", (WIDTH + 1, HEIGHT)).save(root / "images" / "000007.jpg")
    with pytest.raises(InputError, match=r"000007\.jpg: the mask is 8 x 6 pixels, its photograph 9 x 6"):
        Coco(root).load("000007")


def test_a_folder_that_goes_away(root: Path) -> None:
    source = Coco(root)
    (root / "images").rename(root / "pictures")
    with pytest.raises(InputError, match=r"images cannot be listed \(No such file or directory\)"):
        source.has("000007")
