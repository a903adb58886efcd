"""Annotations as other tools write them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from episodes.data.formats import read_folder
from episodes.errors import InputError
from tests.episodes.data.formats.folders import BOX, draw, labelme, only


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
