"""Every format: what is written is read again, as supports, as a source, and by what it stands for."""

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from episodes.data import open_source
from episodes.data.formats import FORMATS, Contents, ExportSettings, Marked, read_folder, recognise
from episodes.errors import InputError
from episodes.fewshot.check_data import check

NAMES = ["cup", "tea pot / <ü>"]
WRITTEN = [name for name, record in FORMATS.items() if record.write]
EXACT = ExportSettings(tolerance=0)


def scene(seed: int, height: int, width: int) -> np.ndarray:
    """Discs of two classes: one with a hole, one in two parts."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    labels = np.zeros((height, width), np.uint8)
    for label in (1, 2, 2):
        centre = draw.uniform(0.3, 0.7, 2) * (height, width)
        distance = np.hypot(y - centre[0], x - centre[1])
        labels[(distance < 0.25 * height) & (distance > 0.06 * height * (label == 1))] = label
    return labels


def draw(folder: Path, file: str, size: tuple[int, int]) -> None:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(file)).integers(0, 255, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(folder / file)


SCENES = {"a.jpg": scene(0, 120, 160), "sub/b.jpg": scene(1, 300, 200), "c.jpg": np.zeros((50, 60), np.uint8)}


def written(
    folder: Path, format: str, images: str = "images/", settings: ExportSettings = EXACT, names: Sequence[str] = NAMES
) -> dict[str, np.ndarray]:
    """Photographs and their annotations in a folder; photograph -> label map."""
    marked = [Marked(f"{images}{file}", labels) for file, labels in SCENES.items()]
    for file, labels in marked:
        draw(folder, file, labels.shape)
    write = FORMATS[format].write
    assert write
    write(folder, names, iter(marked), settings)
    return dict(marked)


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


# ------------------------------------------------------------------------------------------- what others write


def only(folder: Path, classes: Sequence[str]) -> np.ndarray:
    """The label map of the one photograph, 20 x 30."""
    annotated = read_folder(folder)
    assert annotated.classes == tuple(classes)
    (entry,) = annotated.entries.values()
    return entry.labels((20, 30), {name: number for number, name in enumerate(classes, start=1)})


def labelme(*shapes: dict[str, Any], path: str = "a.jpg") -> dict[str, Any]:
    return {"version": "5.0", "flags": {}, "shapes": list(shapes), "imagePath": path, "imageData": None,
            "imageHeight": 20, "imageWidth": 30}  # fmt: skip


BOX = {"label": "cup", "points": [[2, 3], [10, 8]], "shape_type": "rectangle"}


def test_labelme_draws_boxes_circles_and_masks_and_skips_lines(tmp_path: Path) -> None:
    import base64
    import io

    picture = io.BytesIO()
    Image.fromarray(np.array([[0, 1], [1, 1]], np.uint8)).save(picture, "PNG")
    code = base64.b64encode(picture.getvalue()).decode()
    draw(tmp_path, "a.jpg", (20, 30))
    shapes = [
        BOX,
        {"label": "dot", "points": [[20, 10], [20, 14]], "shape_type": "circle"},
        {"label": "spot", "points": [[1, 17], [2, 18]], "shape_type": "mask", "mask": code},
        {"label": "line", "points": [[0, 0], [9, 9]], "shape_type": "line"},
        {"label": "cup", "points": [[0, 0], [1e999, 9], [3, 3]]},
        {"label": 3, "points": [[0, 0], [9, 0], [3, 3]]},
    ]
    (tmp_path / "a.json").write_text(json.dumps(labelme(*shapes)).replace("Infinity", "1e999"))
    labels = only(tmp_path, ["cup", "dot", "spot"])
    assert (labels == 1).sum() == 8 * 5
    assert 44 <= (labels == 2).sum() <= 54
    assert labels[17:19, 1:3].tolist() == [[0, 3], [3, 3]]
    assert [(remark.what, remark.count) for remark in read_folder(tmp_path).remarks] == [
        ("points and lines, which have no area", 1),
        ("shapes that cannot be drawn", 1),
        ("shapes without the name of a class", 1),
    ]


def test_cvat_draws_masks_boxes_and_ellipses(tmp_path: Path) -> None:
    draw(tmp_path, "images/a.jpg", (20, 30))
    (tmp_path / "annotations.xml").write_text(
        "<annotations><meta><task><labels><label><name>far</name></label><label><name>cup</name></label></labels></task>"
        '</meta><image id="0" name="a.jpg" width="30" height="20"><box label="cup" xtl="2" ytl="3" xbr="10" ybr="8"/>'
        '<mask label="far" rle="1, 2, 1" left="20" top="5" width="2" height="2"/><points label="cup" points="1,1"/>'
        '<ellipse label="cup" cx="20" cy="14" rx="3" ry="2" rotation="90"/><polygon label="cup" points="1,x"/>'
        '<mask label="far" rle="99" left="20" top="5" width="2" height="2"/></image></annotations>'
    )
    labels = only(tmp_path, ["far", "cup"])
    assert labels[5:7, 20:22].tolist() == [[0, 1], [1, 0]]
    assert (labels[:, :15] == 2).sum() == 40
    assert (labels[11:17, 18:22] == 2).all(axis=0).any()  # three pixels up and down: it stands
    assert sum(remark.count for remark in read_folder(tmp_path).remarks) == 3


def test_label_studio_takes_the_first_annotation_that_was_not_cancelled(tmp_path: Path) -> None:
    draw(tmp_path, "a.jpg", (20, 30))

    def result(kind: str, **value: Any) -> dict[str, Any]:
        return {"original_width": 30, "original_height": 20, "type": kind, "value": {kind: ["cup"], **value}}

    box = result("rectanglelabels", x=10, y=15, width=20, height=25, rotation=0)
    tasks = [
        {
            "data": {"image": "/data/upload/3/0123abcd-a.jpg"},
            "annotations": [{"was_cancelled": True, "result": []}, {"result": [box, {"value": {"choices": ["x"]}}]}],
        },
        {"data": {"image": "b.jpg"}, "annotations": []},
    ]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    labels = only(tmp_path, ["cup"])
    assert labels.sum() == 6 * 5
    assert labels[3:8, 3:9].all()


def test_label_studio_brushes(tmp_path: Path) -> None:
    opacity = np.zeros((20, 30), np.uint8)
    opacity[4:9, 5:25] = 255
    rgba = np.repeat(opacity.ravel(), 4)
    bits = "".join([f"{rgba.size:032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in (3, 4, 8, 16))])
    at = 0
    while at < rgba.size:  # a run of one value, and after it single values
        run = next((n for n in range(at, rgba.size) if rgba[n] != rgba[at]), rgba.size) - at
        if run > 4:
            run = min(run, 1 << 16)
            bits += f"1{3:02b}{run - 1:016b}{rgba[at]:08b}"
        else:
            bits += f"0{0:02b}{run - 1:03b}" + "".join(f"{value:08b}" for value in rgba[at : at + run])
        at += run
    code = [int(bits[n : n + 8].ljust(8, "0"), 2) for n in range(0, len(bits), 8)]
    value = {"format": "rle", "rle": code, "brushlabels": ["cup"]}
    result = {"original_width": 30, "original_height": 20, "type": "brushlabels", "value": value}
    task = {"data": {"image": "/data/local-files/?d=a.jpg"}, "predictions": [{"result": [result]}]}
    draw(tmp_path, "a.jpg", (20, 30))
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    assert (only(tmp_path, ["cup"]) == (opacity > 0)).all()
    value["rle"] = code[: len(code) // 2]
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    assert [remark.what for remark in read_folder(tmp_path).remarks] == ["shapes that cannot be drawn"]


def test_masks_of_one_class_need_no_list_and_others_do(tmp_path: Path) -> None:
    draw(tmp_path, "a.jpg", (20, 30))
    mask = np.zeros((20, 30), np.uint8)
    mask[3:9, 4:8] = 255
    Image.fromarray(mask).save(tmp_path / "a-mask.png")
    assert (only(tmp_path, ["object"]) == (mask > 0)).all()
    mask[0, 0], mask[3:9, 4:8] = 255, 1
    Image.fromarray(mask).save(tmp_path / "a-mask.png")
    assert only(tmp_path, ["object"])[0, 0] == 255
    mask[9, 9] = 7
    Image.fromarray(mask).save(tmp_path / "a-mask.png")
    with pytest.raises(InputError, match=r"a-mask\.png holds the label 7, but no classes\.txt names classes"):
        only(tmp_path, ["object"])
    (tmp_path / "classes.txt").write_text("cup\ncup\n")
    with pytest.raises(InputError, match=r"classes\.txt does not name classes"):
        read_folder(tmp_path)


def test_the_likeliest_class_counts_where_it_is_above_the_background(tmp_path: Path) -> None:
    from episodes.data.formats.masks import probability_path, write_probability

    draw(tmp_path, "a.jpg", (20, 30))
    for name, value in (("cup", 0.6), ("pot", 0.3)):
        probability = np.full((20, 30), value, np.float32)
        probability[0, 0], probability[1, 1] = 0.3, 0.7 if name == "pot" else 0.2
        write_probability(probability_path(tmp_path, name, "a.jpg"), probability, name)
    labels = only(tmp_path, ["cup", "pot"])
    assert (labels[0, 0], labels[1, 1], labels[5, 5]) == (0, 2, 1)


def test_yolo_draws_boxes_and_says_which_line_is_wrong(tmp_path: Path) -> None:
    draw(tmp_path, "a.jpg", (20, 30))
    (tmp_path / "classes.txt").write_text("cup\n")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.5\n\n")
    assert only(tmp_path, ["cup"]).sum() == 6 * 10
    for line in ("1 0.1 0.1 0.2 0.2 0.3 0.3", "0 0.1 nan 0.2 0.2", "0 0.1 0.2 0.3", "x", "0 1 1 99 1 1 1"):
        (tmp_path / "a.txt").write_text(f"0 0.5 0.5 0.2 0.5\n{line}\n")
        with pytest.raises(InputError, match=r"a\.txt, line 2: .* is invalid \(1 classes\)"):
            only(tmp_path, ["cup"])


# ------------------------------------------------------------------------------------------------- hostile files

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
