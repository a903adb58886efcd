"""Photographs of faces: three layouts, what their labels become, and what is wrong with them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from episodes.data import open_source
from episodes.data.sets.face_layouts import CELEBAMASK, ELEVEN, MERGED, PARTS
from episodes.data.sets.faces import CLASSES, SWAPPED, Faces
from episodes.data.source import Array
from episodes.errors import InputError
from tests.faces import drawn_face, faces_folder

HELEN = {ELEVEN[label - 1]: label for label in range(1, 11)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return faces_folder(tmp_path / "faces", count=9)


def eleven(labels: Array) -> Array:
    """A label map of CelebAMask-HQ in the labels of Helen and LaPa."""
    table = np.array([0, *(HELEN.get(name, 0) for name in CELEBAMASK)], np.uint8)
    return table[labels]


@pytest.fixture
def lapa(tmp_path: Path) -> Path:
    for split, seeds in (("train", (0, 1)), ("test", (2,))):
        for folder in ("images", "labels"):
            (tmp_path / "lapa" / split / folder).mkdir(parents=True)
        for seed in seeds:
            photograph, labels = drawn_face(64, seed)
            Image.fromarray(photograph).save(tmp_path / "lapa" / split / "images" / f"{seed}.jpg")
            Image.fromarray(eleven(labels)).save(tmp_path / "lapa" / split / "labels" / f"{seed}.png")
    return tmp_path / "lapa"


@pytest.fixture
def helen(tmp_path: Path) -> Path:
    (tmp_path / "helen" / "images").mkdir(parents=True)
    for seed in range(3):
        name = f"face_{seed}"
        photograph, labels = drawn_face(64, seed)
        Image.fromarray(photograph).save(tmp_path / "helen" / "images" / f"{name}.jpg", quality=95)
        (tmp_path / "helen" / "labels" / name).mkdir(parents=True)
        for label in range(11):
            channel = np.where(eleven(labels) == label, np.uint8(200), np.uint8(label))
            Image.fromarray(channel).save(tmp_path / "helen" / "labels" / name / f"{name}_lbl{label:02d}.png")
    (tmp_path / "helen" / "testing.txt").write_text("1 , face_1\n")
    return tmp_path / "helen"


def test_the_last_eighth_by_name_is_for_testing(root: Path) -> None:
    source = open_source(f"faces:{root}")
    assert list(source.ids("train")) == [f"{number:02d}" for number in range(8)]
    assert list(source.ids("val")) == ["08"]


def test_a_list_says_what_is_for_testing(root: Path) -> None:
    (root / "val.txt").write_text("03\n00\n")
    source = Faces(root)
    assert source.ids("val") == ("00", "03")
    assert len(source.ids("train")) == 7
    (root / "val.txt").write_text("99\n")
    with pytest.raises(InputError, match=r"val.txt: there is no photograph '99' with labels: correct the list"):
        Faces(root)


def test_every_label_of_every_layout_is_a_class_and_every_part_is_in_all() -> None:
    for names in (CELEBAMASK, ELEVEN):
        assert {MERGED.get(name, name) for name in names} <= set(CLASSES)
        assert set(PARTS) <= set(names)
    assert len(set(CLASSES)) == len(CLASSES) == 14


def test_parts_are_apart_and_classes_merged(root: Path) -> None:
    source = Faces(root)
    photograph, parts = source.parts("00")
    _, drawn = drawn_face(96, 0)
    for label, name in enumerate(PARTS, start=1):
        assert np.array_equal(parts == label, drawn == CELEBAMASK.index(name) + 1), name
    assert photograph.shape == (96, 96, 3)
    _, merged = source.load("00")
    eyes = (drawn == CELEBAMASK.index("left eye") + 1) | (drawn == CELEBAMASK.index("right eye") + 1)
    assert np.array_equal(merged == CLASSES.index("eye") + 1, eyes)
    assert source.classes_in("00") == {int(label): int((merged == label).sum()) for label in np.unique(merged) if label}


def test_all_layouts_tell_the_same(root: Path, lapa: Path, helen: Path) -> None:
    _, wanted = drawn_face(64, 1)
    for source, id in ((Faces(lapa), "train/1"), (Faces(helen), "face_1")):
        _, parts = source.parts(id)
        for label, name in enumerate(PARTS, start=1):
            assert np.array_equal(parts == label, wanted == CELEBAMASK.index(name) + 1), (source.name, name)
    assert Faces(lapa).ids("val") == ("test/2",)
    assert Faces(helen).ids("val") == ("face_1",)
    assert [Faces(folder).layout.name for folder in (lapa, helen)] == ["LaPa", "Helen"]


def test_left_is_the_persons_left_whatever_a_label_map_says(root: Path) -> None:
    """A label map in fourteen of CelebAMask-HQ has the left eye left of the right one."""
    labels = np.array(Image.open(root / "masks" / "02.png"))
    exchanged = np.arange(len(CELEBAMASK) + 1, dtype=np.uint8)
    for part in ("brow", "eye"):
        left, right = (CELEBAMASK.index(f"{side} {part}") + 1 for side in ("left", "right"))
        exchanged[[left, right]] = right, left
    _, wanted = Faces(root).parts("02")
    Image.fromarray(exchanged[labels]).save(root / "masks" / "02.png")
    source = Faces(root)
    _, parts = source.parts("02")
    assert np.array_equal(parts, wanted)
    (remark,) = source.remarks("train")
    assert (remark.what, remark.count, remark.examples, remark.passed_over) == (SWAPPED, 1, ("02",), False)


def test_a_face_that_shows_one_side_stays_as_it_is(root: Path) -> None:
    labels = np.array(Image.open(root / "masks" / "02.png"))
    labels[:, 48:] = 0
    Image.fromarray(labels).save(root / "masks" / "02.png")
    _, parts = Faces(root).parts("02")
    assert np.array_equal(parts == PARTS.index("right eye") + 1, labels == CELEBAMASK.index("right eye") + 1)


def test_an_eye_behind_glasses_is_not_there(root: Path) -> None:
    labels = np.array(Image.open(root / "masks" / "02.png"))
    glasses, left, right = (CELEBAMASK.index(name) + 1 for name in ("glasses", "left eye", "right eye"))
    labels[labels == left] = glasses
    Image.fromarray(labels).save(root / "masks" / "02.png")
    source = Faces(root)
    _, parts = source.parts("02")
    assert set(np.unique(parts)) == {0, 1, 2, 4, 5, 6, 8}  # closed, too
    assert np.array_equal(parts == PARTS.index("right eye") + 1, labels == right)
    assert source.classes_in("02")[CLASSES.index("glasses") + 1] == (labels == glasses).sum()


def test_label_maps_of_another_size_are_resized_and_remarked(root: Path) -> None:
    photograph = Image.open(root / "images" / "01.jpg")
    photograph.resize((192, 192)).save(root / "images" / "01.jpg")
    source = Faces(root)
    image, parts = source.parts("01")
    assert image.shape == (192, 192, 3)
    small = np.array(Image.open(root / "masks" / "01.png")) == CELEBAMASK.index("nose") + 1
    assert np.array_equal(parts == PARTS.index("nose") + 1, small.repeat(2, 0).repeat(2, 1))
    assert [(remark.count, remark.passed_over) for remark in source.remarks("train")] == [(1, False)]


def test_an_unknown_label_is_named_and_its_face_skipped(root: Path) -> None:
    labels = np.array(Image.open(root / "masks" / "02.png"))
    labels[0, 0] = 23
    Image.fromarray(labels).save(root / "masks" / "02.png")
    source = Faces(root)
    with pytest.raises(InputError, match=r"02.png holds label 23: those of CelebAMask-HQ are 0 to 18"):
        source.parts("02")
    assert not source.has("02")
    assert source.classes_in("02") == {}


def test_a_colour_picture_is_no_label_map(root: Path) -> None:
    Image.open(root / "images" / "02.jpg").save(root / "masks" / "02.png")
    with pytest.raises(InputError, match=r"02.png is a colour picture \(RGB\)"):
        Faces(root).parts("02")


def test_greyscale_photographs_are_read_as_rgb(root: Path) -> None:
    Image.open(root / "images" / "02.jpg").convert("L").save(root / "images" / "02.jpg")
    photograph, _ = Faces(root).parts("02")
    assert photograph.shape == (96, 96, 3)


def test_a_missing_channel_of_helen_is_named(helen: Path) -> None:
    (helen / "labels" / "face_0" / "face_0_lbl03.png").unlink()
    with pytest.raises(InputError, match=r"face_0_lbl03.png does not exist"):
        Faces(helen).parts("face_0")


@pytest.mark.parametrize("folders", [(), ("images",), ("images", "masks"), ("images", "labels")])
def test_a_folder_that_is_none_says_what_one_looks_like(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
    with pytest.raises(InputError, match=r"a folder of faces holds images/NAME.jpg and masks/NAME.png"):
        Faces(tmp_path)


def test_an_unknown_id_is_refused(root: Path) -> None:
    source = Faces(root)
    assert not source.has("nobody")
    for call in (source.load, source.parts, source.classes_in):
        with pytest.raises(InputError, match="has no photograph 'nobody'"):
            call("nobody")
