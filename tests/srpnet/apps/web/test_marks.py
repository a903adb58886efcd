"""What a painting says, and what is no painting."""

import numpy as np
import pytest
from PIL import Image

from episodes.errors import InputError
from srpnet.apps.web.marks import Painted, decoded, encoded, painting_of

GREEN, RED = (0, 200, 0, 255), (230, 0, 0, 255)


@pytest.fixture
def painting() -> Image.Image:
    painting = Image.new("RGBA", (8, 6))
    painting.paste(GREEN, (1, 1, 4, 4))
    painting.paste(RED, (5, 0, 8, 2))
    return painting


@pytest.mark.parametrize("complete", [True, False])
def test_green_is_the_object_and_red_is_not(painting: Image.Image, complete: bool) -> None:
    labels = Painted.of(painting, complete).map
    assert (labels[1:4, 1:4] == 1).all()
    assert (labels[0:2, 5:8] == 0).all()
    assert labels[5, 0] == (0 if complete else 255)
    assert np.array_equal(Painted.of(painting_of(labels), complete).map, labels)


def test_it_is_as_large_as_the_photograph(painting: Image.Image) -> None:
    labels = Painted.of(painting, complete=True).labels("a.jpg", Image.new("RGB", (80, 60)))
    assert labels.shape == (60, 80)
    assert labels[10:40, 10:40].all()
    assert labels.sum() == 900


def test_faint_paint_is_none() -> None:
    with pytest.raises(InputError, match="nothing is painted green"):
        Painted.of(Image.new("RGBA", (8, 6), (0, 200, 0, 100)), complete=True)


def test_red_alone_is_something_only_among_strokes() -> None:
    red = Image.new("RGBA", (8, 6), RED)
    assert (Painted.of(red, complete=False).map == 0).all()
    with pytest.raises(InputError, match="nothing is painted green"):
        Painted.of(red, complete=True)


def test_from_the_browser_and_back(painting: Image.Image) -> None:
    assert np.array_equal(np.asarray(decoded(encoded(painting), (8, 6))), np.asarray(painting))


@pytest.mark.parametrize(
    "sent",
    [
        None,
        7,
        "",
        "data:image/svg+xml;base64,AAAA",
        "data:image/png;base64,AAAA",
        "data:image/png;base64,?",
        "x" * 9_000_000,
    ],
)
def test_anything_else_is_refused_in_one_line(sent: object) -> None:
    with pytest.raises(InputError, match="the painting cannot be read"):
        decoded(sent, (8, 6))


def test_a_painting_of_another_photograph(painting: Image.Image) -> None:
    with pytest.raises(InputError, match="not of this photograph"):
        decoded(encoded(painting), (6, 8))
