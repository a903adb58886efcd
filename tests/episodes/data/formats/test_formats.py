"""Every format: what is written is read again, as supports, as a source, and by what it stands for."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from episodes.data import open_source
from episodes.data.formats import FORMATS, ExportSettings, Marked, read_folder
from episodes.errors import InputError
from episodes.fewshot.checks.check_data import check
from tests.episodes.data.formats.folders import NAMES, WRITTEN, draw, written


@pytest.mark.parametrize("images", ["images/", ""], ids=["in images", "beside"])
@pytest.mark.parametrize("format", WRITTEN)
def test_what_is_written_is_read_to_the_pixel(tmp_path: Path, format: str, images: str) -> None:
    marked = written(tmp_path, format, images)
    annotated = read_folder(tmp_path)
    assert annotated.classes == tuple(NAMES)
    numbers = {name: number for number, name in enumerate(NAMES, start=1)}
    for file, labels in marked.items():
        if file in annotated.entries:
            assert (annotated.entries[file].labels(labels.shape, numbers) == labels).all(), file
    assert {*marked} - {*annotated.entries} <= ({"c.jpg"} if format == "yolo" and not images else set())
    assert not list(annotated.remarks)


@pytest.mark.parametrize("format", WRITTEN)
def test_simplified_polygons_lose_less_than_half_a_point(tmp_path: Path, format: str) -> None:
    marked = written(tmp_path, format, settings=ExportSettings(tolerance=2))
    annotated = read_folder(tmp_path)
    numbers = {name: number for number, name in enumerate(NAMES, start=1)}
    for file, labels in marked.items():
        found = annotated.entries[file].labels(labels.shape, numbers)
        for label in (1, 2):
            union = ((found == label) | (labels == label)).sum()
            assert ((found == label) & (labels == label)).sum() >= 0.995 * union


@pytest.mark.parametrize("format", WRITTEN)
def test_a_folder_is_a_source(tmp_path: Path, format: str) -> None:
    marked = written(tmp_path, format)
    source = pickle.loads(pickle.dumps(open_source(f"folder:{tmp_path}")))
    assert source.ids("train") == source.ids("val") == ("a", "c", "b")
    for id, file in {"a": "images/a.jpg", "b": "images/sub/b.jpg", "c": "images/c.jpg"}.items():
        image, labels = source.load(id)
        assert (labels == marked[file]).all()
        assert image.shape == (*labels.shape, 3)
        assert source.classes_in(id) == {label: (labels == label).sum() for label in (1, 2) if (labels == label).any()}
    assert not check(f"folder:{tmp_path}").errors


def test_folders_train_and_val_are_the_splits(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        for name in ("1", "2"):
            draw(tmp_path, f"{split}/images/{split}{name}.png", (20, 30))
            path = tmp_path / f"{split}/labels/{split}{name}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text("0 0.1 0.1 0.9 0.1 0.9 0.9\n")
    (tmp_path / "data.yaml").write_text("names: [cup]\n")
    source = open_source(f"folder:{tmp_path}")
    assert (source.ids("train"), source.ids("val")) == (("train1", "train2"), ("valid1", "valid2"))
    assert source.has("valid2")
    assert not source.has("valid3")
    with pytest.raises(InputError, match="has no photograph 'x'"):
        source.load("x")


def test_two_formats_in_one_folder_are_refused_and_both_named(tmp_path: Path) -> None:
    written(tmp_path, "coco")
    written(tmp_path, "cvat")
    with pytest.raises(InputError, match=r"of COCO \(annotations\.json\) and of CVAT for images \(annotations\.xml\)"):
        open_source(f"folder:{tmp_path}")


def test_a_folder_without_annotations_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, "a.jpg", (20, 30))
    with pytest.raises(InputError, match=r"holds no annotations: .*LabelMe"):
        open_source(f"folder:{tmp_path}")
    with pytest.raises(InputError, match="is not a folder"):
        open_source(f"folder:{tmp_path / 'nowhere'}")


def test_several_parts_are_one_object_and_instances_are_several(tmp_path: Path) -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[5:15, 5:15] = labels[20:35, 30:50] = 1
    for instances, lines in ((False, 1), (True, 2)):
        folder = tmp_path / str(instances)
        for format in ("yolo", "coco"):
            write = FORMATS[format].write
            assert write
            write(folder, ["cup"], [Marked("a.jpg", labels)], ExportSettings(instances=instances))
        assert len((folder / "labels/a.txt").read_text().splitlines()) == lines
        annotations = json.loads((folder / "annotations.json").read_text())["annotations"]
        assert [(each["area"], each["iscrowd"]) for each in annotations] == (
            [(400, 0)] if lines == 1 else [(100, 0), (300, 0)]
        )


def test_pycocotools_reads_both_kinds_of_coco(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    for format in ("coco", "coco-rle"):
        marked = written(tmp_path / format, format)
        coco = COCO(str(tmp_path / format / "annotations.json"))
        assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == NAMES
        for image in coco.loadImgs(coco.getImgIds()):
            labels = marked[image["file_name"]]
            for annotation in coco.loadAnns(coco.getAnnIds(image["id"])):
                mask = labels == annotation["category_id"]
                assert (coco.annToMask(annotation) == mask).all()
                assert annotation["area"] == mask.sum()
                rows, columns = np.nonzero(mask)
                left, top, width, height = annotation["bbox"]
                assert (left, top) == (columns.min(), rows.min())
                assert (left + width - 1, top + height - 1) == (columns.max(), rows.max())
