"""`srpnet weak` as people type it, from an empty folder on the stickers."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.commands import TINY, refused, srpnet

CPU = TINY[2:]


@pytest.mark.usefixtures("random_backbone")
def test_students_are_trained_scored_and_paint_masks(tmp_path: Path) -> None:
    few = "--photographs 4 --only cat,dog --frozen-blocks 16 --segmentation-width 4 --students 1 --size 32"
    quick = "--steps 2 --batch 2 --warmup 0 --cam-scales 1 --segmentation-from 0 --workers 0"
    words = ["weak", "train", "--data", "stickers", *few.split(), *quick.split(), *CPU, "--out", "run"]
    result = srpnet(*words)
    assert result.exit_code == 0, result.output
    assert "4 photographs of stickers, 2 classes" in result.stderr
    assert "Score it: srpnet weak eval run" in result.stdout
    assert "already holds a run: go on with --resume" in refused(srpnet(*words))
    scored = ["--photographs", "2", "--scales", "1", "--cam-scales", "1", "--out", "scores.json"]
    result = srpnet("weak", "eval", "run", *scored, *CPU)
    assert result.exit_code == 0, result.output
    assert "mIoU of classes" in result.stdout
    assert set(json.loads(Path("scores.json").read_text())["cam"]) == {"student 1"}
    result = srpnet("weak", "masks", "run", "--scales", "1", *CPU, "--out", "masks")
    assert result.exit_code == 0, result.output
    assert "doubtful, see masks/report.csv" in result.stdout
    listed = Path("masks/ImageSets/Segmentation/train.txt").read_text().split()
    assert all(Image.open(f"masks/SegmentationClass/{id}.png").mode == "P" for id in listed)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "tags:nobody"), "nobody is not there: name a CSV file"),
        (("--data", "stickers", "--novel-pixels", "ignore"), "--novel-pixels must be background or drop"),
        (("--data", "stickers", "--only", "cat,gnu"), "no photograph of stickers has the tag 'gnu'"),
        (("--data", "stickers", "--only", "cat"), "stickers has the tag 'cat' alone"),
        (("--data", "stickers", "--frozen-blocks", "0"), "give --frozen-blocks"),
        (("--data", "stickers", "--low", "0.9"), "--low (0.9) must not be above --high and --high-end"),
        (("--data", "tags:here", "--fold", "1"), "tags:here has no folds: leave out --fold"),
    ],
)
@pytest.mark.usefixtures("random_backbone")
def test_wrong_input_is_one_line(words: tuple[str, ...], message: str) -> None:
    assert message in refused(srpnet("weak", "train", *words, "--size", "32", "--out", "run", *CPU))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    for command in (("eval", str(tmp_path)), ("masks", str(tmp_path), "--out", str(tmp_path / "masks"))):
        assert "name a folder that `srpnet weak train` wrote" in refused(srpnet("weak", *command))
