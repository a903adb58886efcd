"""`srpnet predict` with saved examples, and with annotations of other tools, in and out."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from episodes.data import open_source
from episodes.data.formats import FORMATS
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings
from tests.cli.commands import refused
from tests.cli.predicting import draw, masks, table

pytestmark = pytest.mark.usefixtures("random_backbone")


def test_examples_are_shown_once_and_saved(predict: Callable[..., Result]) -> None:
    draw("photos/a.png", "photos/b.png", "more/c.png")
    first = predict("photos/a.png", "more", "--save-supports", "cup.safetensors", out="first")
    assert first.exit_code == 0, first.output
    assert Path("cup.safetensors").stat().st_size < 1_000_000
    later = predict("more", "--load-supports", "cup.safetensors", out="later", mask=None)
    assert later.exit_code == 0, later.output
    assert later.output.startswith("Examples from cup.safetensors: object\n")
    assert Path("later/c-mask.png").read_bytes() == Path("first/c-mask.png").read_bytes()
    of_c = [row for row in table("first") if row["mask"] == "c-mask.png"]
    assert table("later") == of_c
    going_on = predict(
        "more", "photos", "--load-supports", "cup.safetensors", "--skip-existing", out="first", mask=None
    )
    assert "Masks and overlays of 3 photographs: first (already done: 2)" in going_on.output


def test_saved_examples_come_alone_with_their_size_and_their_network(
    predict: Callable[..., Result], tmp_path: Path
) -> None:
    draw("photos/a.png")
    wrong = "give examples with --support PHOTO MASK, or saved ones with --supports FILE"
    assert wrong in refused(predict("photos", mask=None))
    assert predict("photos", "--save-supports", "cup.safetensors").exit_code == 0
    assert "cup.safetensors holds saved examples, which come alone" in refused(
        predict("photos", "--load-supports", "cup.safetensors")
    )
    load = ("photos", "--load-supports", "cup.safetensors")
    size = predict(*load, "--size", "96", mask=None)
    assert "cup.safetensors was made with --size 64: leave out --size" in refused(size)
    SRPNet(replace(NetworkSettings.read(tmp_path / "net/config.json"), relu=False, width=7)).write(tmp_path / "other")
    assert "examples of another network" in refused(predict(*load, "--checkpoint", "other", mask=None))
    Path("cup.safetensors").write_bytes(b"junk")
    assert "cup.safetensors cannot be read as saved examples" in refused(predict(*load, mask=None))


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_with_the_photographs_is_a_data_set(predict: Callable[..., Result], format: str) -> None:
    draw("photos/a.jpg", "photos/a.png", "photos/sub/b.jpg", size=(70, 50))
    result = predict("photos", "--recursive", "--format", format, "--with-photographs", "--tolerance", "0")
    assert result.exit_code == 0, result.output
    assert f"Annotations: found/{format}" in result.stdout.splitlines()
    source = open_source(f"folder:found/{format}")
    assert source.classes == ("object",)
    assert len(source.ids("val")) == len(masks()) == 3
    for name in masks():
        (id,) = [id for id in source.ids("val") if id in (name, Path(name).name)]
        found = np.array(Image.open(f"found/{name}-mask.png")) == 255
        assert (source.load(id)[1] == found).all()


def test_annotations_are_of_all_masks_also_where_they_were_there(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg", "photos/b.jpg")
    assert predict("photos/a.jpg").exit_code == 0
    result = predict("photos", "--skip-existing", "--format", "coco", "--format", "yolo", "--instances")
    assert result.exit_code == 0, result.output
    assert "already done: 1" in result.stdout
    images = json.loads(Path("found/coco/annotations.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["a.jpg", "b.jpg"]
    assert sorted(path.name for path in Path("found/yolo/labels").iterdir()) == ["a.txt", "b.txt"]
    made = Path("found/a-mask.png").stat().st_mtime_ns
    assert "already done: 2" in predict("photos", "--skip-existing").stdout
    assert "made again" not in predict("photos", "--skip-existing", "--format", "probability").stdout
    assert Path("found/a-mask.png").stat().st_mtime_ns > made  # probabilities take the network
    assert Path("found/probability/probability/object/a.png").is_file()


def test_what_formats_refuse_is_said_before_anything_is_written(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg", "photos/a.png")
    assert "would be one file: rename one, or use --with-photographs" in refused(predict("photos", "--format", "yolo"))
    assert "--smallest must be a whole number from 1" in refused(predict("photos", "--smallest", "0"))
    assert not masks()
    Path("found").mkdir(exist_ok=True)
    Path("found/coco").write_text("in the way")
    assert "found/coco is a file, not a folder" in refused(predict("photos/a.jpg", "--format", "coco"))


@pytest.mark.parametrize("format", ["coco", "labelme", "indexed"])
def test_annotations_are_examples(predict: Callable[..., Result], format: str) -> None:
    draw("photos/a.jpg", "photos/b.jpg")
    assert predict("photos", "--format", format, "--with-photographs").exit_code == 0
    result = predict("photos", "--supports", f"found/{format}", "--fit", "none", mask=None, out="again")
    assert result.exit_code == 0, result.output
    assert masks("again") == ["a", "b"]
    assert result.stdout.count(": mask: ") == 2


def test_an_annotation_file_is_a_mask(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg")
    box = {"label": "cup", "points": [[5, 5], [20, 20]], "shape_type": "rectangle"}
    content = {"shapes": [box], "imagePath": "cup.png", "imageHeight": 40, "imageWidth": 40}
    Path("example/cup.json").write_text(json.dumps(content))
    by_file, by_mask = predict("photos", mask="example/cup.json"), predict("photos", out="by-mask")
    assert by_file.exit_code == by_mask.exit_code == 0, by_file.output
    assert Path("found/a-mask.png").read_bytes() == Path("by-mask/a-mask.png").read_bytes()
    Path("example/cup.json").write_text(json.dumps(content | {"imagePath": "../../cup.png"}))
    assert "../../cup.png is not a path below the folder" in refused(predict("photos", mask="example/cup.json"))
