"""Pseudo-labels by two thresholds."""

import math

import pytest
import torch

from srpnet.weak.training.pseudo_labels import dynamic_threshold, pseudo_labels

GREY = torch.full((1, 3, 4, 4), 0.5)


def labels_of(scores: list[float], tags: list[float], high: float = 0.7, low: float = 0.25) -> int:
    """The label where the CAMs are such everywhere."""
    cams = torch.tensor(scores)[None, :, None, None].expand(1, -1, 4, 4)
    found = pseudo_labels(cams, torch.tensor([tags]), GREY, (high, low), (8, 8), refined=False)
    assert found.shape == (1, 8, 8)
    assert found.dtype == torch.uint8
    (label,) = found.unique().tolist()
    return int(label)


@pytest.mark.parametrize(
    ("scores", "tags", "label"),
    [
        ([0.8, 0.1], [1, 1], 1),
        ([0.1, 0.8], [1, 1], 2),
        ([0.2, 0.1], [1, 1], 0),
        ([0.5, 0.1], [1, 1], 255),  # between the thresholds
        ([0.0, 0.8], [1, 0], 0),  # what has no tag is not given
        ([0.0, 0.0], [0, 0], 0),  # no tag: all is background
        ([0.8, 0.75], [1, 1], 1),
    ],
)
def test_a_pixel_is_its_class_background_or_left_out(scores: list[float], tags: list[float], label: int) -> None:
    assert labels_of(scores, tags) == label


def test_images_of_a_batch_have_as_many_tags_as_they_like() -> None:
    cams = torch.rand(3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    tags = torch.tensor([[1.0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
    images = torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    cams = cams * tags[:, :, None, None]
    together = pseudo_labels(cams, tags, images, (0.7, 0.25), (8, 8))
    for number in range(3):
        one = slice(number, number + 1)
        assert torch.equal(together[one], pseudo_labels(cams[one], tags[one], images[one], (0.7, 0.25), (8, 8)))


def test_refined_labels_follow_the_photograph() -> None:
    image = torch.zeros(1, 3, 32, 32)
    image[..., 16:] = 1
    cams = torch.zeros(1, 1, 32, 32)
    cams[..., :14] = 1
    labels = pseudo_labels(cams, torch.ones(1, 1), image, (0.5, 0.5), (64, 64))[0, 32]
    assert labels[:30].eq(1).all()
    assert labels[34:].eq(0).all()


def test_the_threshold_sinks_by_a_cosine() -> None:
    for step in range(11):
        expected = 0.7 - 0.075 * (1 - math.cos(math.pi * step / 10))
        assert dynamic_threshold(step / 10, 0.7, 0.55) == pytest.approx(expected)
