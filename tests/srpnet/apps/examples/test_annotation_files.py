"""Supports that other tools annotated."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from episodes.data.formats import FORMATS, ExportSettings, Marked
from episodes.errors import InputError
from srpnet.apps.examples.annotation_files import AnnotationFile, annotated_examples, mask_or_annotations, of_class
from srpnet.apps.examples.annotations import Mask
from srpnet.apps.examples.reading import read_marked

TOOLS = ("coco", "coco-rle", "yolo", "labelme", "cvat", "label-studio")
LABELS = np.zeros((30, 40), np.uint8)
LABELS[5:15, 5:15], LABELS[20:28, 10:30] = 1, 2
PHOTOGRAPH = Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8))


def shown(folder: Path, format: str, names: tuple[str, ...] = ("cup", "plate"), labels: np.ndarray = LABELS) -> None:
    """a.png and b.png, and their annotations."""
    folder.mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        PHOTOGRAPH.save(folder / name)
    write = FORMATS[format].write
    assert write
    write(folder, names, [Marked("a.png", labels), Marked("b.png", labels)], ExportSettings(tolerance=0))


@pytest.mark.parametrize("format", [*TOOLS, "indexed", "classes"])
def test_a_folder_of_annotations_shows_its_classes(tmp_path: Path, format: str) -> None:
    shown(tmp_path, format)
    classes, absent = annotated_examples(tmp_path)
    assert absent == []
    assert list(classes) == ["cup", "plate"]
    assert [photograph.name for photograph, _ in classes["cup"]] == ["a.png", "b.png"]
    for example in read_marked(classes):
        assert (example.labels == LABELS).all()


@pytest.mark.parametrize("format", [*TOOLS, "indexed"])
def test_photographs_in_which_nothing_is_annotated_show_no_class(tmp_path: Path, format: str) -> None:
    for name in ("a.png", "b.png"):
        PHOTOGRAPH.save(tmp_path / name)
    write = FORMATS[format].write
    assert write
    marked = [Marked("a.png", LABELS), Marked("b.png", np.zeros_like(LABELS))]
    write(tmp_path, ("cup", "plate"), marked, ExportSettings(tolerance=0))
    classes, absent = annotated_examples(tmp_path)
    assert [photograph.name for photograph in absent] == ["b.png"]
    assert len(read_marked(classes, absent)) == 2


def test_masks_without_a_list_of_classes_are_left_to_the_folder_of_examples(tmp_path: Path) -> None:
    PHOTOGRAPH.save(tmp_path / "a.png")
    Image.fromarray(LABELS).save(tmp_path / "a-mask.png")
    assert annotated_examples(tmp_path) == ({}, [])


@pytest.mark.parametrize("format", TOOLS)
def test_one_file_is_an_example_of_the_class_that_is_named(tmp_path: Path, format: str) -> None:
    shown(tmp_path, format)
    suffix = {"yolo": "labels/b.txt", "labelme": "b.json", "cvat": "annotations.xml", "label-studio": "tasks.json"}
    file = tmp_path / suffix.get(format, "annotations.json")
    for name, label in (("cup", 1), ("plate", 2)):
        mark = of_class(mask_or_annotations(file), name)
        mark.check("photos/b.png", (40, 30))
        assert (mark.labels("photos/b.png", PHOTOGRAPH) == (label == LABELS)).all()
        assert mark.files() == (file,)
    with pytest.raises(InputError, match=r"marks cup and plate in b\.png: name one of them with `class_names`"):
        AnnotationFile(file, "object").labels("b.png", PHOTOGRAPH)


def test_the_only_class_may_be_called_otherwise(tmp_path: Path) -> None:
    shown(tmp_path, "labelme", ("cup",), (LABELS == 1).astype(np.uint8))
    assert (AnnotationFile(tmp_path / "a.json", "object").labels("a.png", PHOTOGRAPH) == (LABELS == 1)).all()
    assert isinstance(mask_or_annotations(tmp_path / "a.png"), Mask)


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    shown(tmp_path, "cvat")
    file = tmp_path / "annotations.xml"
    with pytest.raises(InputError, match=r"says nothing of a photograph c\.png"):
        AnnotationFile(file, "cup").check("c.png", (40, 30))
    with pytest.raises(InputError, match="is 40 x 30 pixels, the photograph 41 x 30"):
        AnnotationFile(file, "cup").check("a.png", (41, 30))
    only = np.where(LABELS == 1, LABELS, 0).astype(np.uint8)
    shown(tmp_path / "one", "cvat", labels=only)
    with pytest.raises(InputError, match=r"marks no plate in a\.png, but cup"):
        AnnotationFile(tmp_path / "one/annotations.xml", "plate").labels("a.png", PHOTOGRAPH)
    shown(tmp_path / "none", "cvat", labels=LABELS * 0)
    with pytest.raises(InputError, match=r"marks nothing in a\.png"):
        AnnotationFile(tmp_path / "none/annotations.xml", "plate").labels("a.png", PHOTOGRAPH)
    with pytest.raises(InputError, match="annotates no object: draw some in CVAT"):
        annotated_examples(tmp_path / "none")
    (tmp_path / "x.json").write_text(json.dumps({"name": "package", "version": 3}))
    with pytest.raises(InputError, match="is not an annotation file of a known format"):
        AnnotationFile(tmp_path / "x.json").check("a.png", (40, 30))
