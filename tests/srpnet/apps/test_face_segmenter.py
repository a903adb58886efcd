"""Faces of people's own photographs: where a box lies on the canvas, several faces, and none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from episodes.errors import InputError
from srpnet.apps.face_segmenter import (
    FACE_ON_CANVAS,
    NO_FACE,
    PARTS_ON_CANVAS,
    TWO_FACES,
    FaceSegmenter,
    framed,
    shows_face,
    shows_several,
)
from srpnet.faces.labels import LABELS
from srpnet.faces.parser import FaceParser
from srpnet.faces.saving import write
from tests.faces import drawn_face
from tests.srpnet.faces.conftest import SMALL


@pytest.fixture
def segmenter(tmp_path: Path) -> FaceSegmenter:
    write(FaceParser(SMALL), tmp_path / "parser")
    return FaceSegmenter(tmp_path / "parser", device="cpu", precision="fp32")


@pytest.mark.parametrize("on_canvas", [FACE_ON_CANVAS, PARTS_ON_CANVAS])
def test_a_box_lies_where_photographs_for_training_have_it(on_canvas: tuple[float, float, float]) -> None:
    photograph = Image.new("RGB", (400, 300))
    frame = framed(photograph, (100, 120, 60, 74), on_canvas)
    x, y, share = on_canvas
    assert 74 / frame.side == pytest.approx(share, abs=0.01)
    assert (130 - frame.left) / frame.side == pytest.approx(x, abs=0.01)
    assert (157 - frame.top) / frame.side == pytest.approx(y, abs=0.01)


@pytest.mark.parametrize("box", [(400, 0, 10, 10), (-20, 0, 20, 20), (0, 300, 5, 5), (5, 5, 0, 5), (5, 5, 5, -1)])
def test_a_box_beside_the_photograph_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError, match="does not lie on a photograph of 400 x 300 pixels: give left, top, width"):
        framed(Image.new("RGB", (400, 300)), box, FACE_ON_CANVAS)


def face(at: int) -> np.ndarray:
    labels = np.zeros((40, 80), np.uint8)
    labels[10:20, at + 8 : at + 14] = 5
    for label, rows in ((6, slice(26, 28)), (7, slice(28, 29)), (8, slice(29, 31))):
        labels[rows, at + 6 : at + 16] = label
    return labels


def test_two_faces_have_two_noses_and_two_mouths() -> None:
    """An open mouth is one piece, and a speck is not a nose."""
    one, other = face(5), face(45)
    assert not shows_several(one)
    assert shows_several(np.maximum(one, other))
    one[2:4, 60:62] = 5
    assert not shows_several(one)
    assert not shows_several(np.zeros((40, 80), np.uint8))


def test_a_photograph_of_two_faces_says_so(segmenter: FaceSegmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    coarse = np.maximum(face(5), face(45))[:32, :]
    coarse = np.array(Image.fromarray(coarse).resize((32, 32), Image.Resampling.NEAREST))
    logits = F.one_hot(torch.from_numpy(coarse).long(), LABELS).permute(2, 0, 1)[None].float()
    monkeypatch.setattr(segmenter.parser, "segment_coarsely", lambda _: logits)
    assert TWO_FACES in segmenter.predict(drawn_face(96, 0)[0]).doubts


def test_a_parsed_face_names_what_is_missing(segmenter: FaceSegmenter) -> None:
    photograph, _ = drawn_face(96, 0)
    found = segmenter.predict(photograph)
    assert found.labels.shape == (96, 96)
    assert found.labels.dtype == np.uint8
    shown = set(np.unique(found.labels)) - {0}
    assert len(found.missing) == 8 - len(shown)


def test_greyscale_and_tiny_photographs_are_parsed(segmenter: FaceSegmenter) -> None:
    photograph, _ = drawn_face(96, 0)
    assert segmenter.predict(photograph[..., 0]).labels.shape == (96, 96)
    tiny = np.array(Image.fromarray(photograph).resize((20, 26)))
    found = segmenter.predict(tiny)
    assert found.labels.shape == (26, 20)
    assert found.doubts


def test_a_face_has_eyes_above_a_nose_above_lips() -> None:
    labels = np.zeros((100, 100), np.uint8)
    labels[60:70, 45:55] = 5
    labels[80:84, 40:60] = 6
    assert shows_face(labels, 100)
    labels[80:84, 40:60] = 0
    labels[10, 10:16] = 6  # a speck
    assert not shows_face(labels, 100)
    labels[10:14, 40:60] = 8  # lips above the nose
    assert not shows_face(labels, 100)


def test_a_photograph_without_a_face_says_so(tmp_path: Path) -> None:
    parser = FaceParser(SMALL)
    for network in parser.parts:
        network.head[2].bias.data[0] += 99
    write(parser, tmp_path / "blind")
    found = FaceSegmenter(tmp_path / "blind", device="cpu").predict(drawn_face(96, 0)[0])
    assert NO_FACE in found.doubts
    assert not found.labels.any()
    assert len(found.missing) == 8
