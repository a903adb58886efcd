"""What is wrong with a data folder is found, named with its fix, and told apart from what is merely unusual."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cli.main import main
from episodes.fewshot.checks.check_data import Diagnosis, check
from tests.episodes.data.sets.test_fss import folder as fss_folder
from tests.episodes.fakes import painted, voc_folder

IDS = {"train": ["a1", "a2"], "val": ["b1", "b2", "b3", "b4", "b5"]}


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    labels = np.full((8, 10), 3, np.uint8)
    return voc_folder(
        tmp_path / "voc", {split: {id: (painted(labels), labels) for id in ids} for split, ids in IDS.items()}
    )


def texts(found: Diagnosis, weight: str) -> list[str]:
    return [finding.text for finding in found.findings if finding.weight == weight]


def test_a_folder_in_order_gets_notes_alone(voc: Path) -> None:
    found = check(f"pascal:{voc}")
    assert found.facts == ["classes: 20", "photographs of train: 2", "photographs of val: 5"]
    assert found.errors == 0
    assert texts(found, "note") == [
        "train lists 2 photographs, where the whole data set has 10,582 or 1,464",
        "val lists 5 photographs, where the whole data set has 1,449",
        "no photograph shows aeroplane, bicycle, boat, bottle, bus, and 14 more",
    ]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda root: (root / "JPEGImages/a1.jpg").unlink(), "a1.jpg does not exist"),
        (lambda root: (root / "JPEGImages/a1.jpg").write_bytes(b"\xff\xd8no"), "a1.jpg cannot be read as a picture"),
        (
            lambda root: Image.new("RGB", (10, 8)).save(root / "SegmentationClass/a1.png"),
            "a1.png is a colour picture",
        ),
        (lambda root: Image.new("L", (9, 8)).save(root / "SegmentationClass/a1.png"), "the mask is 9 x 8 pixels"),
        (lambda root: Image.new("L", (10, 8), 99).save(root / "SegmentationClass/a1.png"), "a1.png holds label 99"),
        (lambda root: (root / "SegmentationClass/a1.png").write_bytes(b""), "a1.png cannot be read as a picture"),
    ],
)
def test_each_fault_is_passed_over_or_with_strict_one_error(
    voc: Path, harm: Callable[[Path], object], message: str
) -> None:
    harm(voc)
    found = check(f"pascal:{voc}")
    assert found.errors == 0
    assert [message in text for text in texts(found, "skipped")] == [True]
    strict = check(f"pascal:{voc}", strict=True)
    assert [message in text for text in texts(strict, "error")] == [True]
    assert not texts(strict, "skipped")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            lambda root: (root / "ImageSets/Segmentation/train.txt").write_text("a1\nb1\n"),
            "b1 is listed in train and in val: list it once",
        ),
        (lambda root: (root / "ImageSets/Segmentation/val.txt").unlink(), "has no ImageSets/Segmentation/val.txt"),
        (lambda root: (root / "ImageSets/Segmentation/val.txt").write_text("b1 x\n"), "line 1: 'b1 x' is invalid"),
    ],
)
def test_a_list_that_is_wrong_is_one_error(voc: Path, harm: Callable[[Path], object], message: str) -> None:
    harm(voc)
    found = check(f"pascal:{voc}")
    assert [message in text for text in texts(found, "error")] == [True]


def test_many_faults_of_one_kind_are_summed_up(voc: Path) -> None:
    for id in IDS["val"]:
        (voc / f"JPEGImages/{id}.jpg").unlink()
    (error,) = texts(check(f"pascal:{voc}"), "error")
    assert "missing photographs or masks: 5 of 5" in error
    assert error.endswith("at most 10 % may be skipped; fix or remove them")


@pytest.mark.parametrize("label", [0, 255])
def test_masks_without_any_class_are_an_error(voc: Path, label: int) -> None:
    for mask in (voc / "SegmentationClass").iterdir():
        Image.fromarray(np.array([[0] * 10, [label] * 10] * 4, np.uint8)).save(mask)
    found = check(f"pascal:{voc}")
    (error,) = texts(found, "error")
    assert "no class has a pixel that can be used" in error
    assert ("the masks hold 255 alone, which is ignored" in error) == (label == 255)
    assert error.endswith("store the numbers of the classes, 1..20")
    noted = [text for text in texts(found, "note") if "hold 255 (ignored) and no class" in text]
    assert len(noted) == (2 if label == 255 else 0)


def test_pair_lists(voc: Path, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    for split in ("train", "val"):
        for fold in range(4):
            (lists / f"{split}_fold{fold}.txt").write_text("")
    (lists / "val_fold0.txt").write_text("b1__03\nzz__03\n")
    (lists / "val_fold1.txt").write_text("b1__03\n")
    found = check(f"pascal:{voc}", lists)
    assert "pairs of val_fold0.txt: 2" in found.facts
    missing, other_fold = texts(found, "error")
    assert "1 of 2 pairs lack the photograph or mask, as zz" in missing
    assert "holds classes 3, but fold 1 has 6, 7, 8, 9, 10" in other_fold
    assert "val_fold0.txt has 2 pairs, the common list 346" in texts(found, "note")


def test_fss(tmp_path: Path) -> None:
    root = fss_folder(tmp_path / "fss")
    (root / "elk/2.png").unlink()
    found = check(f"fss:{root}")
    assert found.facts == ["classes: 6", "photographs of train: 9", "photographs of val: 9"]
    assert found.errors == 0
    assert ["elk/2.png does not exist" in text for text in texts(found, "skipped")] == [True]


def test_coco_with_val_alone(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "annotations").mkdir()
    image = {"id": 1, "file_name": "v.jpg", "height": 8, "width": 10}
    polygon = [[1.0, 1.0, 6.0, 1.0, 6.0, 5.0, 1.0, 5.0]]
    one = {"id": 1, "image_id": 1, "category_id": 3, "iscrowd": 0, "area": 20, "segmentation": polygon}
    content = {"images": [image], "annotations": [one], "categories": [{"id": 3, "name": "car"}]}
    (tmp_path / "annotations/instances.json").write_text(json.dumps(content))
    found = check(f"coco:{tmp_path}")
    assert found.facts == ["classes: 1", "photographs of val: 1"]
    assert ["v.jpg does not exist" in text for text in texts(found, "error")] == [True, False]
    assert "there are no annotations for train" in texts(found, "note")


def test_a_damaged_annotation_file_is_an_error(tmp_path: Path) -> None:
    for name in ("annotations", "train2014", "val2014"):
        (tmp_path / name).mkdir()
    for split in ("train", "val"):
        (tmp_path / f"annotations/instances_{split}2014.json").write_text('{"images": [{"id": 1, ')
    assert check(f"coco:{tmp_path}").errors == 1


def test_the_command(voc: Path) -> None:
    run = CliRunner().invoke(main, ["data", "check", f"pascal:{voc}"])
    assert run.exit_code == 0
    assert "is valid" in run.output
    (voc / "JPEGImages/a1.jpg").unlink()
    run = CliRunner().invoke(main, ["data", "check", f"pascal:{voc}"])
    assert run.exit_code == 0
    assert "a1.jpg does not exist" in run.output
    assert "is valid, except for what is skipped" in run.output
    run = CliRunner().invoke(main, ["data", "check", "--strict", f"pascal:{voc}"])
    assert run.exit_code == 2
    assert "has problems, see above (errors: 1)" in run.output
