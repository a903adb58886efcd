"""Other masks in the place of a source's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from episodes.data.relabelled import Relabelled, write_classes
from episodes.errors import InputError
from tests.episodes.fakes import Fake, label_map

MAPS = {"t1": label_map({3: 100}), "t2": label_map({4: 50}), "t3": label_map({3: 9}), "v1": label_map({5: 7})}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Masks of t1 and t2."""
    for name in ("SegmentationClass", "ImageSets/Segmentation"):
        (tmp_path / name).mkdir(parents=True)
    for id, areas in (("t1", {3: 40, 4: 20}), ("t2", {4: 60})):
        Image.fromarray(label_map(areas)).save(tmp_path / f"SegmentationClass/{id}.png")
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text("t2\nt1\n")
    write_classes(tmp_path, {3: "cat", 4: "dog"})
    return tmp_path


def test_masks_for_training_are_replaced_and_others_stay(folder: Path) -> None:
    source = Relabelled(Fake(MAPS), folder)
    assert source.ids("train") == ["t1", "t2"]
    assert source.ids("val") == ["v1"]
    assert source.classes_in("t1") == {3: 40, 4: 20}
    assert source.classes_in("v1") == {5: 7}
    photograph, labels = source.load("t1")
    assert np.array_equal(photograph, Fake(MAPS).load("t1")[0])
    assert np.array_equal(labels, label_map({3: 40, 4: 20}))
    assert source.has("t1")
    assert source.classes == Fake.classes


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("classes.json", json.dumps({"3": "gnu"}), "has masks of 'gnu' as class 3"),
        ("classes.json", json.dumps({"99": "cat"}), "as class 99"),
        ("classes.json", "[]", "names no classes"),
        ("ImageSets/Segmentation/train.txt", "t1\nt7\n", "has a mask of t7, which fake has not for training"),
    ],
)
def test_another_folder_is_refused(folder: Path, file: str, content: str, message: str) -> None:
    (folder / file).write_text(content)
    with pytest.raises(InputError, match=message):
        Relabelled(Fake(MAPS), folder)


def test_wrong_masks_are_named(folder: Path) -> None:
    Image.fromarray(label_map({3: 5}, 8, 8)).save(folder / "SegmentationClass/t1.png")
    with pytest.raises(InputError, match="is not of its photograph's size"):
        Relabelled(Fake(MAPS), folder).load("t1")
    Image.fromarray(label_map({5: 5})).save(folder / "SegmentationClass/t1.png")
    with pytest.raises(InputError, match="holds label 5"):
        Relabelled(Fake(MAPS), folder).load("t1")
    with pytest.raises(InputError, match="name a folder that `srpnet weak masks` wrote"):
        Relabelled(Fake(MAPS), folder / "nothing")
