"""`srpnet faces` as people type it, with a parser so small that it finds what it likes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image

from srpnet.faces.parser import FaceParser
from srpnet.faces.saving import write
from tests.cli.commands import refused, srpnet
from tests.faces import drawn_face, faces_folder
from tests.srpnet.faces.conftest import SMALL

CPU = ("--device", "cpu", "--precision", "fp32")


@pytest.fixture
def parser(tmp_path: Path) -> Path:
    write(FaceParser(SMALL), tmp_path / "parser")
    return tmp_path / "parser"


@pytest.fixture
def blind(tmp_path: Path) -> Path:
    """A parser that takes everything for background."""
    parser = FaceParser(SMALL)
    with torch.no_grad():
        for network in parser.parts:
            network.head[2].weight.zero_()
            network.head[2].bias.copy_(torch.tensor([9.0] + [0.0] * (len(network.head[2].bias) - 1)))
    write(parser, tmp_path / "blind")
    return tmp_path / "blind"


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, size in enumerate([(96, 96), (120, 80), (20, 30)]):
        Image.fromarray(drawn_face(96, seed)[0]).resize(size).save(folder / f"{seed}.png")
    Image.open(folder / "0.png").convert("L").save(folder / "grey.png")
    return folder


def predict(*words: object) -> Result:
    return srpnet("faces", "predict", *map(str, words), *CPU)


def test_every_photograph_gets_a_label_map_of_its_size_and_an_overlay(parser: Path, photographs: Path) -> None:
    out = photographs.parent / "found"
    result = predict(photographs, "--checkpoint", parser, "--out", out)
    assert result.exit_code == 0, result.output
    for photograph in photographs.iterdir():
        labels = np.array(Image.open(out / f"{photograph.stem}-mask.png"))
        assert labels.shape == Image.open(photograph).size[::-1]
        assert labels.max() <= 8
        assert (out / f"{photograph.stem}-overlay.jpg").is_file()
    assert "Labels: 1 left brow, 2 right brow" in result.stdout
    assert "The face is small, so that edges are rough: 2.png" in result.stdout


def test_no_face_is_told(blind: Path, photographs: Path) -> None:
    out = photographs.parent / "found"
    result = predict(photographs / "0.png", photographs / "1.png", "--checkpoint", blind, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"No face found: {photographs / '0.png'}, {photographs / '1.png'}" in result.stdout
    assert not np.array(Image.open(out / "0-mask.png")).any()


def test_a_box_is_looked_at(parser: Path, photographs: Path) -> None:
    out = photographs.parent / "found"
    result = predict(photographs / "1.png", "--checkpoint", parser, "--box", "70,30,20,20", "--out", out)
    assert result.exit_code == 0, result.output
    labels = np.array(Image.open(out / "1-mask.png"))
    assert not labels[:, :60].any()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--box", "1,2,3"), "--box '1,2,3' is not a box: write LEFT,TOP,WIDTH,HEIGHT in pixels"),
        (("--box", "500,0,50,50"), "--box 500,0,50,50 does not lie on a photograph of 96 x 96 pixels"),
        (("--box", "0,0,0,5"), "--box 0,0,0,5 does not lie on a photograph of 96 x 96 pixels"),
        (
            ("--checkpoint", "nobody"),
            "name a face parser of `srpnet models`, or a folder that `srpnet faces train` wrote",
        ),
    ],
)
def test_wrong_input_is_one_line(parser: Path, photographs: Path, words: tuple[str, ...], message: str) -> None:
    result = predict(photographs / "0.png", "--checkpoint", parser, "--out", photographs.parent / "found", *words)
    assert message in refused(result)


def test_what_cannot_be_read_is_skipped_and_named(parser: Path, photographs: Path) -> None:
    (photographs / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    result = predict(photographs, "--checkpoint", parser, "--out", photographs.parent / "found")
    assert "broken.jpg cannot be read as a picture" in refused(result)
    assert (photographs.parent / "found" / "0-mask.png").is_file()


def test_a_parser_is_trained_scored_and_used(tmp_path: Path) -> None:
    root = faces_folder(tmp_path / "faces", count=9)
    small = ["--canvas", "96", "--input", "32", "--crops", "33,25,33,41", "--localizer-width", "4", "--batch", "2"]
    phases = [word for phase in ("coarse-", "localizer-", "parts-", "") for word in (f"--{phase}steps", "1")]
    run = str(tmp_path / "run")
    result = srpnet("faces", "train", "--data", f"faces:{root}", *small, *phases, "--out", run, *CPU)
    assert result.exit_code == 0, result.output
    assert "parts: step 1" in result.stderr
    assert f"Score it: srpnet faces eval --data faces:{root} --checkpoint {run}" in result.stdout
    out = tmp_path / "scores.json"
    words = ["--data", f"faces:{root}", "--checkpoint", run, "--cover", "2", "--out", str(out)]
    words += ["--pictures", str(tmp_path / "pictures")]
    result = srpnet("faces", "eval", *words, *CPU)
    assert result.exit_code == 0, result.output
    assert "overall" in result.stdout
    assert json.loads(out.read_text())["cover"] == 2
    assert {file.name for file in (tmp_path / "pictures").iterdir()} == {"best.jpg", "median.jpg", "worst.jpg"}
    again = srpnet("faces", "train", "--data", f"faces:{root}", *small, *phases, "--out", run, *CPU)
    assert "already holds a run: go on with --resume" in refused(again)


def test_data_must_be_faces(tmp_path: Path) -> None:
    for command in ("train", "eval"):
        parser = ("--checkpoint", "run") if command == "eval" else ()
        result = srpnet("faces", command, "--data", "stickers", *parser, "--out", str(tmp_path / "out"), *CPU)
        assert "--data must be faces:PATH, not 'stickers'" in refused(result)
