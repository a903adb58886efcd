"""Composing: what is pasted is the object alone, its label goes with it, and a target is never lost to it."""

import numpy as np
import pytest

from episodes.data.source import IGNORE, Array
from episodes.draws import Draws
from episodes.fewshot.scenes.pasting import LARGEST_SIDE, SHARE, Cutout, cut_out, paste

GREEN, WHITE = (40, 160, 40), (250, 250, 250)


def plain(colour: tuple[int, int, int] = GREEN, height: int = 120, width: int = 160) -> tuple[Array, Array]:
    """A photograph of one colour, all background."""
    return np.full((height, width, 3), colour, np.uint8), np.zeros((height, width), np.uint8)


def with_disc(label: int = 1, radius: int = 30) -> tuple[Array, Array]:
    """A white disc of a label in the middle of a green photograph."""
    image, labels = plain()
    rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
    disc = (rows - 60) ** 2 + (columns - 80) ** 2 <= radius**2
    image[disc], labels[disc] = WHITE, label
    return image, labels


def disc() -> Cutout:
    cutout = cut_out(*with_disc(7), 7)
    assert cutout is not None
    return cutout


def test_a_cutout_is_the_bounding_box_of_what_bears_the_label() -> None:
    image, labels = plain()
    labels[20:50, 30:70], labels[60:70, 30:70] = 3, IGNORE
    labels[30:35, 40:45] = 0
    cutout = cut_out(image, labels, 3)
    assert cutout is not None
    assert cutout.image.shape == (30, 40, 3)
    assert cutout.mask.sum() == 30 * 40 - 25
    assert not cutout.mask[10:15, 10:15].any()


@pytest.mark.parametrize("label", [2, 4])
def test_too_few_pixels_make_no_cutout(label: int) -> None:
    image, labels = plain()
    labels[:10, :19] = 2
    assert cut_out(image, labels, label) is None


def test_equal_draws_compose_equal_photographs_and_leave_the_original() -> None:
    image, labels = with_disc()
    kept = image.copy(), labels.copy()
    one, two, other = (paste(image, labels, disc(), 7, Draws("test", seed), [1]) for seed in (0, 0, 1))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])
    assert not np.array_equal(one[1], other[1])
    assert np.array_equal(image, kept[0])
    assert np.array_equal(labels, kept[1])


@pytest.mark.parametrize("label", [0, 7])
def test_pasted_pixels_show_the_object_and_bear_its_label(label: int) -> None:
    start = plain((100, 100, 100))
    start[1][:] = 5
    for seed in range(20):
        image, labels = paste(*start, Cutout(*_square()), label, Draws("test", seed))
        changed = labels != 5
        assert set(np.unique(labels)) == {5, label}
        assert (image[changed][:, 0] > image[changed][:, 2] + 50).mean() > 0.99
        assert (image[~changed] == 100).all(1).mean() > 0.9


def _square() -> tuple[Array, np.ndarray]:
    return np.full((40, 40, 3), (255, 120, 0), np.uint8), np.ones((40, 40), np.bool_)


def test_old_surroundings_never_shine_through() -> None:
    image, mask = np.full((60, 60, 3), (0, 0, 255), np.uint8), np.zeros((60, 60), np.bool_)
    image[15:45, 15:45], mask[15:45, 15:45] = (128, 128, 0), True
    for seed in range(20):
        composed, _ = paste(*plain((128, 128, 0)), Cutout(image, mask), 1, Draws("test", seed))
        assert composed[..., 2].max() < 40  # a trace, of pixels that mixed both when the object was resized


def test_edges_are_soft() -> None:
    image, labels = paste(*plain((0, 0, 0), 600, 800), Cutout(*_square()), 1, Draws("test", 3))
    grey = image[..., 0].astype(int)
    assert ((grey > 0) & (grey < grey.max() - 20)).sum() > 50
    assert grey[labels == 0].max() < grey.max()


def test_it_covers_a_share_and_lies_anywhere_even_outside() -> None:
    shares, cut_off, centres = [], 0, []
    for seed in range(200):
        _, labels = paste(*plain(), disc(), 1, Draws("test", seed))
        rows, columns = np.nonzero(labels)
        shares.append((labels == 1).mean())
        cut_off += rows.min() == 0 or columns.min() == 0 or rows.max() == 119 or columns.max() == 159
        centres.append((rows.mean() / 120, columns.mean() / 160))
    assert 0.4 * SHARE[0] < min(shares) < 0.07
    assert 0.2 < max(shares) <= SHARE[1]
    assert 20 < cut_off < 180
    assert (np.ptp(centres, 0) > 0.7).all()


def test_a_long_object_stays_within_its_sides() -> None:
    long = Cutout(np.full((300, 10, 3), 200, np.uint8), np.ones((300, 10), np.bool_))
    for seed in range(20):
        _, labels = paste(*plain(), long, 1, Draws("test", seed))
        assert (labels == 1).any(1).sum() <= LARGEST_SIDE * 120


@pytest.mark.parametrize("radius", [8, 30, 55])
def test_a_target_keeps_half_of_its_pixels(radius: int) -> None:
    image, labels = with_disc(radius=radius)
    whole = (labels == 1).sum()
    kept = [(paste(image, labels, disc(), 7, Draws("test", seed), [1])[1] == 1).sum() for seed in range(100)]
    assert min(kept) >= 0.5 * whole
    assert any(pixels == whole for pixels in kept)
    assert any(pixels < 0.95 * whole for pixels in kept)


def test_what_lies_behind_a_target_changes_nothing_of_it() -> None:
    image, labels = with_disc()
    behind = 0
    for seed in range(60):
        composed, new = paste(image, labels, disc(), 7, Draws("test", seed), [1])
        if (new == 1).sum() == (labels == 1).sum():
            assert np.array_equal(composed[labels == 1], image[labels == 1])
            behind += 1
    assert behind > 10


def test_a_target_that_fills_the_photograph_hides_what_is_behind_it() -> None:
    image, labels = plain()
    labels[:] = 1
    for seed in range(20):
        _, new = paste(image, labels, disc(), 7, Draws("test", seed), [1])
        assert (new == 1).mean() >= 0.5


def test_pixels_that_count_for_nothing_stay_so() -> None:
    image, labels = plain()
    labels[:, :80] = IGNORE
    for seed in range(20):
        _, new = paste(image, labels, disc(), 7, Draws("test", seed))
        assert (new[:, :80] == IGNORE).all()


def test_brightness_comes_nearer_to_its_new_place() -> None:
    seen = []
    for seed in range(40):
        image, labels = paste(*plain((20, 20, 20)), disc(), 1, Draws("test", seed))
        seen.append(image[labels == 1].mean())
    assert max(seen) > 220  # as it was: 250
    assert min(seen) < 150  # six tenths of the way to 20


def test_labels_of_more_than_254_classes() -> None:
    image, labels = with_disc()
    _, new = paste(image, labels.astype(np.int16), disc(), 300, Draws("test", 0), [1])
    assert new.dtype == np.int16
    assert set(np.unique(new)) == {0, 1, 300}


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (33, 2)])
def test_tiny_photographs(size: tuple[int, int]) -> None:
    for seed in range(10):
        image, labels = paste(*plain(height=size[0], width=size[1]), disc(), 1, Draws("test", seed))
        assert image.shape[:2] == labels.shape == size
