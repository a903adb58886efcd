"""Photographs on the canvas and label maps back: at any size, padded and not stretched, or a square of them."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from episodes.data.source import Array
from srpnet.faces.canvas import Frame

SIZES = [(96, 96), (60, 90), (91, 40), (20, 300), (1, 1)]


def scores_of(labels: Array) -> NDArray[np.float32]:
    """Scores of nine labels that leave no doubt."""
    return np.stack([labels == label for label in range(9)]).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_a_photograph_is_padded_before_it_is_resized(size: tuple[int, int]) -> None:
    height, width = size
    put = np.array(Frame.whole(width, height).put(Image.fromarray(np.full(size, 5, np.uint8)), 64))
    assert put.shape == (64, 64)
    assert set(put.ravel().tolist()) <= {0, 5}
    rows, columns = (np.flatnonzero(put.any(axis)) for axis in (1, 0))
    assert len(rows) == pytest.approx(64 * height / max(size), abs=1)
    assert len(columns) == pytest.approx(64 * width / max(size), abs=1)
    assert rows[0] + rows[-1] == pytest.approx(63, abs=2)  # in the middle


@pytest.mark.parametrize("size", SIZES)
def test_a_label_map_comes_back_at_the_photographs_size(size: tuple[int, int]) -> None:
    height, width = size
    frame = Frame.whole(width, height)
    labels = np.zeros(size, np.uint8)
    labels[: height // 2 + 1, : width // 2 + 1] = 3
    back = frame.cut(scores_of(np.array(frame.put(Image.fromarray(labels), 64))))
    assert back.shape == size
    assert (back == labels).mean() > 0.85


def test_at_its_own_size_every_pixel_stays() -> None:
    labels = np.random.default_rng(0).integers(0, 9, (64, 40)).astype(np.uint8)
    frame = Frame.whole(40, 64)
    assert np.array_equal(frame.cut(scores_of(np.array(frame.put(Image.fromarray(labels), 64)))), labels)


def test_a_square_may_reach_over_the_borders() -> None:
    labels = np.random.default_rng(0).integers(0, 9, (50, 70)).astype(np.uint8)
    frame = Frame(70, 50, left=-10, top=20, side=64)
    put = np.array(frame.put(Image.fromarray(labels), 64))
    assert np.array_equal(put[:30, 10:], labels[20:, :54])
    assert not put[30:].any()
    assert not put[:, :10].any()
    back = frame.cut(scores_of(put))
    assert np.array_equal(back[20:, :54], labels[20:, :54])
    assert not back[:20].any()
    assert not back[:, 54:].any()


def test_edges_are_smooth_on_a_large_photograph() -> None:
    """A slanted edge of the canvas, four times as large: no steps of four pixels."""
    y, x = np.mgrid[:64, :64]
    right = np.clip((x - 20 - y / 3) / 4 + 0.5, 0, 1).astype(np.float32)
    scores = np.zeros((9, 64, 64), np.float32)
    scores[0], scores[5] = 1 - right, right
    found = Frame.whole(256, 256).cut(scores)
    first = (found == 5).argmax(1)[20:200]
    assert np.abs(np.diff(first)).max() <= 1


def test_nothing_found_is_background() -> None:
    assert not Frame.whole(30, 20).cut(scores_of(np.zeros((64, 64), np.uint8))).any()
