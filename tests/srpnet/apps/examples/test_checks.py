"""Whether examples make sense to the network."""

import numpy as np
import pytest
import torch

from srpnet.apps.examples.checks import (
    BORDER,
    RESTORED,
    SupportCheck,
    border_share,
    looks_like_strokes,
    mistaken_share,
    restoration,
)
from srpnet.fewshot.network import SRPNet


class Pixels(SRPNet):
    """Every pixel is a cell, and every cell its own colour: what it finds can be told by hand."""

    stride = 1  # type: ignore[assignment]


@pytest.fixture
def pixels(tiny: object) -> SRPNet:
    return Pixels(tiny())  # type: ignore[operator]


def test_restoration_by_hand(pixels: SRPNet) -> None:
    """Colours of 8 cells in a row; the mask takes one too many (cell 4) and ignores one (cell 0)."""
    features = torch.zeros(1, 3, 1, 8)
    features[0, 1, 0, :4] = features[0, 0, 0, 4:] = 1
    labels = torch.tensor([[[255, 1, 1, 1, 1, 0, 0, 0]]], dtype=torch.uint8)
    prototypes = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    assert restoration(pixels, features, labels, prototypes).tolist() == [[0.75]]


def test_each_support_and_way_alone(pixels: SRPNet) -> None:
    """Way 2 is not in the first mask; in the second half of it is found as way 1."""
    features = torch.zeros(2, 3, 1, 4)
    features[0, 1, 0, :2] = features[0, 0, 0, 2:] = 1
    features[1, 1, 0, :1] = features[1, 2, 0, 1:2] = features[1, 0, 0, 2:] = 1
    labels = torch.tensor([[[1, 1, 0, 0]], [[2, 2, 0, 0]]], dtype=torch.uint8)
    restored = restoration(pixels, features, labels, torch.eye(3)).numpy()
    np.testing.assert_array_equal(restored, np.array([[1, np.nan], [np.nan, 0.5]], dtype=np.float32))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["000", "010", "000"], 0),
        (["111", "101", "111"], 1),
        (["100", "000", "001"], 2 / 8),
        (["iii", "100", "iii"], 1 / 2),
        (["ii", "ii"], 0),
        (["10"], 1 / 2),
    ],
)
def test_the_border_by_hand(rows: list[str], expected: float) -> None:
    labels = np.array([[{"0": 0, "1": 1, "i": 255}[pixel] for pixel in row] for row in rows], dtype=np.uint8)
    assert border_share(labels) == expected


def check(*restored: float, border: float = 0.0) -> SupportCheck:
    return SupportCheck("cup.jpg", "10 % object", np.array(restored, dtype=np.float32), border)


def test_what_is_doubtful_is_said() -> None:
    assert check(RESTORED + 0.01, border=BORDER).doubts == []
    assert check(np.nan).doubts == []
    (doubt,) = check(0.9, np.nan, 0.314).doubts
    assert doubt.startswith("the network recovers too little of the mask of cup.jpg: ")
    (doubt,) = check(0.9, border=0.95).doubts
    assert doubt.startswith("the mask of cup.jpg paints 95 % of the photograph's border: is it inverted?")


def test_what_is_mistaken_by_hand(pixels: SRPNet) -> None:
    """Of three cells that are background, one looks like the class; a fourth does too, but is not known."""
    features = torch.zeros(1, 3, 1, 4)
    features[0, 1, 0, :2] = features[0, 0, 0, 2:] = 1
    labels = torch.tensor([[255, 0, 0, 0]], dtype=torch.uint8)
    assert mistaken_share(pixels, features, labels, torch.tensor([[1.0, 0, 0], [0, 1, 0]])) == pytest.approx(1 / 3)


def test_strokes_are_long_and_thin() -> None:
    labels = np.zeros((300, 400), dtype=np.uint8)
    assert not looks_like_strokes(labels)
    labels[100:104, 50:350] = 1
    assert looks_like_strokes(labels)
    assert not looks_like_strokes(np.where(labels == 1, labels, 255).astype(np.uint8))  # scribbles: the rest is open
    assert not looks_like_strokes(labels[:, :110])  # short
    labels[150:170, 50:70] = 1
    assert not looks_like_strokes(labels)
    (doubt,) = check(0.9)._replace(strokes=True).doubts
    assert doubt.startswith("what is painted in the mask of cup.jpg is thin: are these strokes?")
