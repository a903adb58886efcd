"""Class names that want to leave the folder, colour the terminal, or run in the page."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.commands import TINY, refused, srpnet

pytest.importorskip("ijson")
pytest.importorskip("pycocotools")

pytestmark = [
    pytest.mark.usefixtures("random_backbone"),
    # pycocotools 2.0 hands numpy 2 arrays in numpy 1's way; nothing here can change that.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
HEIGHT, WIDTH = 40, 50


def coco(root: Path, names: Sequence[str]) -> str:
    """Four photographs of each class, each with a square of it."""
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    square = [[5, 5, 35, 5, 35, 35, 5, 35]]
    images, annotations = [], []
    for number in range(4 * len(names)):
        pixels = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"images/{number}.jpg")
        images.append({"id": number, "file_name": f"{number}.jpg", "height": HEIGHT, "width": WIDTH})
        annotations.append(
            {"id": number, "image_id": number, "category_id": number % len(names), "segmentation": square}
        )
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations/instances.json").write_text(json.dumps(content))
    return f"coco:{root}"


NAMES = [
    "x/../../../ESCAPED",
    "[bold red]dog[/]",
    "\x1b]8;;http://example.org\x07cat\x1b]8;;\x07",
    "\u202egod\x9b2J",
    "<img src=x onerror=alert(1)>",
    "\"' onload='alert(2)",
    "w" * 300,
    "",
]


def test_hostile_class_names(tmp_path: Path) -> None:
    data = coco(tmp_path / "coco", NAMES)
    folder = ("--data", data, "--fold", "all", "--min-pixels", "1")
    run = srpnet("eval", *TINY, *folder, "--episodes", "16", "--pictures", "16", "--out", "deep/out")
    assert run.exit_code == 0, run.output
    assert all(line.isprintable() for line in run.output.splitlines())
    assert "[bold red]dog[/]" in run.output
    assert r"\x1b]8;;http://example.org\x07cat" in run.output
    written = {path for path in tmp_path.rglob("*.png") if path.is_file()}
    assert {path.parent for path in written} == {tmp_path / "deep/out/pictures"}
    assert len(written) == 16
    assert not list(tmp_path.rglob("*ESCAPED"))
    report = srpnet("report", "deep/out", "--out", "page.html")
    assert report.exit_code == 0, report.output
    page = Path("page.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "' onload=" not in page
    assert "\u202e" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    checked = srpnet("data", "check", data)
    assert all(line.isprintable() for line in checked.output.splitlines())


def test_a_message_with_a_hostile_name(tmp_path: Path) -> None:
    data = coco(tmp_path / "coco", ["\x1b[31mred\nblue", "dog"])
    assert r"\x1b[31mred\nblue" in refused(srpnet("eval", "--data", data, "--fold", "all", "--classes", "cow"))


def test_classes_are_chosen_by_number_too(tmp_path: Path) -> None:
    data = coco(tmp_path / "coco", ["cup, paper", "b", "cup", "cup"])
    folder = ("eval", *TINY, "--data", data, "--fold", "all", "--min-pixels", "1", "--episodes", "4")
    run = srpnet(*folder, "--classes", "1,cup (4)", "--out", "out")
    assert run.exit_code == 0, run.output
    assert json.loads(Path("out/result.json").read_text())["classes"] == {"1": "cup, paper", "4": "cup (4)"}
    assert "there are 1 (cup, paper), b, cup (3), cup (4)" in refused(srpnet(*folder, "--classes", "cup"))


def test_one_bad_record_is_passed_over_and_told(tmp_path: Path) -> None:
    data = coco(tmp_path / "coco", ["cup", "b", "c"])
    (tmp_path / "coco/images/11.jpg").unlink()
    folder = ("eval", *TINY, "--data", data, "--fold", "all", "--min-pixels", "1", "--episodes", "6")
    run = srpnet(*folder, "--out", "out")
    assert run.exit_code == 0, run.output
    (note,) = json.loads(Path("out/result.json").read_text())["data_notes"]
    assert "missing photographs or masks: 1 of 12" in note
    assert f"data: {note}" in run.output
    assert srpnet("report", "out").exit_code == 0
    assert "Data: missing photographs or masks: 1 of 12" in Path("report.html").read_text()
    assert "skipped: with strict none may be skipped" in refused(srpnet(*folder, "--strict"))
    for number in (3, 7):
        (tmp_path / f"coco/images/{number}.jpg").unlink()
    assert "3 of 12" in refused(srpnet(*folder))


def test_a_class_with_the_name_of_a_figure(tmp_path: Path) -> None:
    data = coco(tmp_path / "coco", ["mIoU", "fb_iou", "miou"])
    folder = ("eval", *TINY, "--data", data, "--fold", "all", "--min-pixels", "1", "--episodes", "6")
    for out in ("a", "b"):
        run = srpnet(*folder, "--out", out)
        assert run.exit_code == 0, run.output
    assert srpnet("compare", "a", "b").exit_code == 0
