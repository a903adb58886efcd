"""Annotation files that a stranger made."""

import json
from pathlib import Path
from typing import Any

import pytest

from episodes.data.formats import FORMATS, Contents, read_folder, recognise
from episodes.errors import InputError
from tests.episodes.data.formats.folders import BOX, draw, labelme, written

OUT = [
    *("/etc/passwd", "../a.jpg", "..\\a.jpg", "C:\\a.jpg", "http://example.com/a.jpg", "file:///a.jpg"),
    *("sub/../../a.jpg", "", "a\0.jpg", "link.jpg"),
]


def _coco(folder: Path, name: str) -> None:
    shape = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], "iscrowd": 0}
    images = [{"id": 1, "file_name": name, "height": 20, "width": 30}]
    content = {"images": images, "annotations": [shape], "categories": [{"id": 1, "name": "cup"}]}
    (folder / "annotations.json").write_text(json.dumps(content))


def _labelme(folder: Path, name: str) -> None:
    (folder / "a.json").write_text(json.dumps(labelme(BOX, path=name)))


def _cvat(folder: Path, name: str) -> None:
    name = name.replace("\0", "\x7f/../..")  # XML has no zero byte
    (folder / "annotations.xml").write_text(
        f'<annotations><image name="{name}" width="30" height="20"><box label="cup" xtl="2" ytl="3" xbr="10" ybr="8"/>'
        "</image></annotations>"
    )


def _label_studio(folder: Path, name: str) -> None:
    task = {"data": {"image": name}, "annotations": [{"result": []}]}
    (folder / "tasks.json").write_text(json.dumps([task]))


@pytest.mark.parametrize("name", OUT)
@pytest.mark.parametrize("write", [_coco, _labelme, _cvat, _label_studio])
def test_names_of_photographs_never_leave_the_folder(tmp_path: Path, write: Any, name: str) -> None:
    folder = tmp_path / "folder"
    draw(folder, "b.jpg", (20, 30))
    draw(tmp_path, "a.jpg", (20, 30))
    (folder / "link.jpg").symlink_to(tmp_path / "a.jpg")
    write(folder, name)
    with pytest.raises(InputError, match=r"not a path below|out of the folder|lies in the web|nothing usable"):
        read_folder(folder)


@pytest.mark.parametrize("name", OUT[:7])
def test_a_task_of_local_storage_does_not_either(tmp_path: Path, name: str) -> None:
    draw(tmp_path, "b.jpg", (20, 30))
    _label_studio(tmp_path, f"/data/local-files/?d={name}")
    with pytest.raises(InputError, match="not a path below"):
        read_folder(tmp_path)


@pytest.mark.parametrize("format", ["indexed", "classes", "yolo"])
def test_photographs_that_are_links_out_of_the_folder_are_refused(tmp_path: Path, format: str) -> None:
    folder = tmp_path / "folder"
    written(folder, format, names=["cup", "pot"])
    (folder / "images/a.jpg").rename(tmp_path / "a.jpg")
    (folder / "images/a.jpg").symlink_to(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="is a link that leads out of the folder"):
        read_folder(folder)


@pytest.mark.parametrize("doctype", ['<!DOCTYPE a [<!ENTITY b "c">]>', '<!DOCTYPE a SYSTEM "file:///etc/passwd">'])
def test_xml_with_a_doctype_is_refused(tmp_path: Path, doctype: str) -> None:
    (tmp_path / "annotations.xml").write_text(f"<?xml version='1.0'?>{doctype}<annotations/>")
    with pytest.raises(InputError, match="has a DOCTYPE"):
        read_folder(tmp_path)


def test_yaml_with_aliases_or_of_python_objects_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, "images/a.jpg", (20, 30))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.1 0.1 0.9 0.1 0.9 0.9\n")
    for text, complaint in (
        ("names: [&a cup, *a]", "has aliases"),
        ("names: !!python/object/apply:os.system [exit]", "is not valid YAML"),
        ("names: {0: cup, 2: pot}", "does not name classes"),
        ("names: " + "[" * 5000, "is not valid YAML"),
        ("path: x", "does not name classes"),
    ):
        (tmp_path / "data.yaml").write_text(text)
        with pytest.raises(InputError, match=complaint):
            read_folder(tmp_path)
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(InputError, match=r"nothing names their classes: add classes\.txt"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.json", '{"shapes": [' + "[" * 200_000),
        ("a.json", '{"shapes": 3}'),
        ("a.json", '{"shapes": [], "imagePath": 7}'),
        ("a.json", '{"shapes": [3, {}], "imagePath": "a.jpg", "imageHeight": "x"} trailing'),
        ("a.json", '{"images": [], "annotations": []}'),
        ("tasks.json", '[{"data": {}, "annotations": 3}, 7]'),
        ("annotations.xml", "<annotations><image></annotations>"),
        ("annotations.xml", "<annotations><track id='0'/></annotations>"),
        ("annotations.xml", "<annotations>" + "<image name='" + "../" * 9 + "'/></annotations>"),
    ],
)
def test_malformed_files_are_one_line_that_names_the_file(tmp_path: Path, file: str, content: str) -> None:
    draw(tmp_path, "a.jpg", (20, 30))
    (tmp_path / file).write_text(content)
    with pytest.raises(InputError) as error:
        read_folder(tmp_path)
    assert file in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_of_annotations_has_a_largest_size(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as file:
        file.write(b'{"shapes": [')
        file.truncate(300 << 20)
    with pytest.raises(InputError, match=r"a\.json has 300 MiB: annotations have 256 at most"):
        read_folder(tmp_path)


def test_linked_folders_and_hidden_files_are_not_looked_into(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    written(folder, "labelme", names=["cup", "pot"])
    (tmp_path / "other").mkdir()
    _coco(tmp_path / "other", "x.jpg")
    (folder / "more").symlink_to(tmp_path / "other")
    (folder / ".cache").mkdir()
    _coco(folder / ".cache", "x.jpg")
    found = recognise(Contents(folder))
    assert found
    assert found[0] is FORMATS["labelme"]
