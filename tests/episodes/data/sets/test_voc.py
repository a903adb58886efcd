"""VOC folders: what is read, what is counted, and one test for each way a folder can be wrong."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from episodes.data.sets.voc import Voc
from episodes.data.source import PASCAL_CLASSES, Source
from episodes.errors import InputError

LABELS = np.array([[0, 0, 1, 1, 255], [0, 0, 1, 1, 255], [0, 0, 20, 0, 0], [0, 0, 0, 0, 0]], dtype=np.uint8)
LISTS = "ImageSets/Segmentation"
MASKS = "SegmentationClassAug"


def write_mask(path: Path, labels: np.ndarray = LABELS) -> None:
    image = Image.fromarray(labels)
    image.putpalette([channel for label in range(256) for channel in (label, 255 - label, label // 2)])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def write_pair(root: Path, id: str, masks: str = MASKS) -> None:
    (root / "JPEGImages").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (5, 4), (200, 100, 50)).save(root / "JPEGImages" / f"{id}.jpg")
    write_mask(root / masks / f"{id}.png")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Train photographs `t1` and `t2`, val photograph `v1`, and `extra`, which no list names."""
    monkeypatch.setenv("SRPNET_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "VOC2012"
    for id in ("t1", "t2", "v1", "extra"):
        write_pair(root, id)
    (root / LISTS).mkdir(parents=True)
    (root / LISTS / "trainaug.txt").write_text("t2\nt1\n")
    (root / LISTS / "val.txt").write_text("v1\n")
    return root


def test_ids_classes_and_name(root: Path) -> None:
    source: Source = Voc(root)
    assert source.ids("train") == ("t2", "t1")
    assert source.ids("val", "support") == source.ids("val", "query") == ("v1",)
    assert source.classes == PASCAL_CLASSES
    assert source.name == f"pascal:{root}"
    assert Voc(root, name="mine").name == "mine"


def test_load_gives_palette_indices_not_colours(root: Path) -> None:
    photograph, labels = Voc(root).load("v1")
    assert photograph.shape == (4, 5, 3)
    assert photograph.dtype == labels.dtype == np.uint8
    np.testing.assert_allclose(photograph[0, 0], (200, 100, 50), atol=3)
    np.testing.assert_array_equal(labels, LABELS)


def test_greyscale_masks_and_photographs_are_read(root: Path) -> None:
    Image.fromarray(LABELS).save(root / MASKS / "v1.png")
    Image.new("L", (5, 4), 77).save(root / "JPEGImages" / "v1.jpg")
    photograph, labels = Voc(root).load("v1")
    np.testing.assert_array_equal(photograph, np.full((4, 5, 3), 77))
    np.testing.assert_array_equal(labels, LABELS)


def test_exif_orientation_is_not_applied(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees", which would make the photograph 4 wide and 5 high
    Image.new("RGB", (5, 4)).save(root / "JPEGImages" / "v1.jpg", exif=exif)
    assert Voc(root).load("v1")[0].shape == (4, 5, 3)


@pytest.mark.parametrize("id", ["t1", "v1", "extra"])
def test_classes_in_counts_pixels_listed_or_not(root: Path, id: str) -> None:
    source = Voc(root)
    assert source.classes_in(id) == {1: 4, 20: 1}
    assert source.classes_in(id) is source.classes_in(id)


def test_counting_val_leaves_train_alone(root: Path) -> None:
    (root / MASKS / "t1.png").write_bytes(b"broken")
    source = Voc(root)
    assert source.classes_in("v1")
    assert not source.remarks("val")
    assert source.classes_in("t2") == {1: 4, 20: 1}
    assert source.classes_in("t1") == {}
    (remark,) = source.remarks("train")
    assert "cannot be read: 1 of 2" in str(remark)
    assert "t1.png" in str(remark)


def test_progress_names_the_split(root: Path) -> None:
    told: list[tuple[str, int, int]] = []
    for _ in range(2):
        assert Voc(root, on_progress=lambda *step: told.append(step)).classes_in("t1")
    assert told == [("Counting the train masks", 2, 2)]


def test_a_changed_mask_is_counted_again(root: Path) -> None:
    assert Voc(root).classes_in("v1") == {1: 4, 20: 1}
    mask = root / MASKS / "v1.png"
    write_mask(mask, np.where(LABELS == 20, 3, LABELS).astype(np.uint8))
    os.utime(mask, ns=(0, mask.stat().st_mtime_ns + 1_000_000))
    assert Voc(root).classes_in("v1") == {1: 4, 3: 1}


def test_a_listed_id_without_files_is_passed_over(root: Path) -> None:
    (root / LISTS / "val.txt").write_text("gone\nv1\n")
    for source in (Voc(root), Voc(root)):  # the second finds it in the cache
        assert source.classes_in("v1")
        assert not source.has("gone")
        assert source.classes_in("gone") == {}
        assert [remark.counted.partition(" (")[0] for remark in source.remarks("val")] == [
            "missing photographs or masks: 1 of 2"
        ]
    with pytest.raises(InputError, match=r"gone.* does not exist"):
        source.load("gone")


@pytest.mark.parametrize(("photograph", "mask"), [("v1.JPG", "v1.PNG"), ("v1.jpeg", "v1.png")])
def test_endings_in_other_letters(root: Path, photograph: str, mask: str) -> None:
    (root / "JPEGImages" / "v1.jpg").rename(root / "JPEGImages" / photograph)
    (root / MASKS / "v1.png").rename(root / MASKS / mask)
    source = Voc(root)
    assert source.has("v1")
    assert source.classes_in("v1") == {1: 4, 20: 1}
    assert source.load("v1")[0].shape == (4, 5, 3)


def test_an_id_that_is_listed_twice_counts_once(root: Path) -> None:
    (root / LISTS / "val.txt").write_text("v1\nextra\nv1\n")
    source = Voc(root)
    assert source.ids("val") == ("v1", "extra")
    assert [str(remark) for remark in source.remarks("val")] == ["ids listed twice: 1 of 2 (v1)"]


def test_a_photograph_is_turned_where_only_that_fits(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((5, 4, 3), np.uint8)
    pixels[0] = 255  # the first row as stored, so the last column upright
    Image.fromarray(pixels).save(root / "JPEGImages" / "v1.jpg", exif=exif, quality=100)
    source = Voc(root)
    loaded, labels = source.load("v1")
    assert loaded.shape == (4, 5, 3)
    assert loaded[:, -1].min() > 128 > loaded[:, 0].max()
    np.testing.assert_array_equal(labels, LABELS)
    (remark,) = source.remarks("val")
    assert not remark.passed_over
    assert "used upright" in str(remark)


def test_has_needs_photograph_and_mask(root: Path) -> None:
    (root / MASKS / "t1.png").unlink()
    (root / "JPEGImages" / "t2.jpg").unlink()
    assert [Voc(root).has(id) for id in ("v1", "extra", "t1", "t2", "never")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_plain_voc_without_sbd(root: Path) -> None:
    (root / MASKS).rename(root / "SegmentationClass")
    (root / LISTS / "trainaug.txt").rename(root / LISTS / "train.txt")
    source = Voc(root)
    assert source.ids("train") == ("t2", "t1")
    assert source.load("t1")[1].shape == (4, 5)


def test_lists_let_blank_lines_and_spaces_pass(root: Path) -> None:
    (root / LISTS / "val.txt").write_text("\ufeffv1  \r\n\n extra\n\n", encoding="utf-8")
    assert Voc(root).ids("val") == ("v1", "extra")


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("JPEGImages", "has no JPEGImages: a VOC folder holds"),
        (MASKS, "has no SegmentationClassAug or SegmentationClass: "),
        ("ImageSets", "has no ImageSets/Segmentation: "),
        (f"{LISTS}/trainaug.txt", r"has no .*trainaug\.txt or .*train\.txt: "),
        (f"{LISTS}/val.txt", r"has no .*val\.txt: "),
    ],
)
def test_a_missing_part_is_named(root: Path, missing: str, words: str) -> None:
    path = root / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError, match=words):
        Voc(root)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("JPEGImages/x.jpg SegmentationClass/x.png", "val.txt, line 2: .*is invalid"),
        ("JPEGImages/x", "val.txt, line 2: .*is invalid"),
        ("v1\0", "val.txt, line 2: .*is invalid"),
    ],
)
def test_a_malformed_list(root: Path, line: str, words: str) -> None:
    (root / LISTS / "val.txt").write_text(f"v1\n{line}\n")
    with pytest.raises(InputError, match=words):
        Voc(root)


def colour_mask(root: Path) -> None:
    Image.new("RGB", (5, 4)).save(root / MASKS / "v1.png")


def strange_label(root: Path) -> None:
    write_mask(root / MASKS / "v1.png", np.where(LABELS == 20, 21, LABELS).astype(np.uint8))


def other_size(root: Path) -> None:
    write_mask(root / MASKS / "v1.png", LABELS.T.copy())


def truncated(root: Path) -> None:
    photograph = root / "JPEGImages" / "v1.jpg"
    photograph.write_bytes(photograph.read_bytes()[:-40])


def no_picture(root: Path) -> None:
    (root / "JPEGImages" / "v1.jpg").write_text("<html>404</html>")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (colour_mask, r"v1\.png is a colour picture \(RGB\).*palette or greyscale"),
        (strange_label, r"v1\.png holds label 21: "),
        (other_size, r"v1\.jpg: the mask is 4 x 5 pixels, its photograph 5 x 4"),
        (truncated, r"v1\.jpg cannot be read as a picture"),
        (no_picture, r"v1\.jpg cannot be read as a picture"),
    ],
)
def test_a_bad_file_is_named(root: Path, spoil: Callable[[Path], None], words: str) -> None:
    spoil(root)
    source = Voc(root)
    with pytest.raises(InputError, match=words) as caught:
        source.load("v1")
    assert "\n" not in str(caught.value)
    assert not source.has("v1")
    assert [remark.passed_over for remark in source.remarks("val")] == [True]
