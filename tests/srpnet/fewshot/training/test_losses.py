"""The segmentation loss against a loop over pixels, and what is not counted."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from srpnet.fewshot.training.losses import segmentation_loss


def slow_loss(logits_BPHW: Tensor, labels_BHW: Tensor) -> Tensor:
    """Minus the log of the label's probability, a pixel at a time; mean over pixels, then over images."""
    images = []
    for logits, labels in zip(logits_BPHW.double(), labels_BHW, strict=True):
        pixels = [
            logits[:, y, x].logsumexp(0) - logits[labels[y, x].long(), y, x]
            for y in range(labels.shape[0])
            for x in range(labels.shape[1])
            if labels[y, x] != 255
        ]
        if pixels:
            images.append(torch.stack(pixels).mean())
    return torch.stack(images).mean()


def random_labels(noise: Callable[..., Tensor], *shape: int) -> Tensor:
    """Labels 0..2, and 255 at every fifth pixel or so."""
    labels = noise(*shape, seed=9).abs().mul(2).long().clamp(max=2).to(torch.uint8)
    labels[noise(*shape, seed=8) > 0.8] = 255
    return labels


@pytest.mark.parametrize("size", [(4, 5), (1, 1), (9, 13)])
def test_equals_the_loop(noise: Callable[..., Tensor], size: tuple[int, int]) -> None:
    logits = (5 * noise(3, 3, *size)).float().requires_grad_()
    labels = random_labels(noise, 3, *size)
    expected = slow_loss(logits, labels)
    got = segmentation_loss(logits, labels)
    assert got.dtype == torch.float32
    assert got.item() == pytest.approx(expected.item(), rel=1e-5)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (got, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_known_value() -> None:
    """Equal logits of two classes: ln 2, whatever the labels."""
    labels = torch.tensor([[[0, 1], [255, 1]]], dtype=torch.uint8)
    assert segmentation_loss(torch.zeros(1, 2, 2, 2), labels).item() == pytest.approx(0.6931472)


def test_ignored_pixels_have_no_gradient(noise: Callable[..., Tensor]) -> None:
    logits, labels = noise(2, 3, 6, 6).requires_grad_(), random_labels(noise, 2, 6, 6)
    (gradient,) = torch.autograd.grad(segmentation_loss(logits, labels), logits)
    assert ((gradient == 0).all(1) == (labels == 255)).all()


def test_an_image_with_nothing_to_count_leaves_the_mean(noise: Callable[..., Tensor]) -> None:
    logits, labels = noise(3, 3, 8, 8), random_labels(noise, 3, 8, 8)
    labels[1] = 255
    assert segmentation_loss(logits, labels) == segmentation_loss(logits[[0, 2]], labels[[0, 2]])


def test_nothing_to_count_at_all_is_zero_without_gradient(noise: Callable[..., Tensor]) -> None:
    logits = noise(2, 3, 8, 8).requires_grad_()
    loss = segmentation_loss(logits, torch.full((2, 8, 8), 255, dtype=torch.uint8))
    assert loss == 0
    assert (torch.autograd.grad(loss, logits)[0] == 0).all()


def test_images_weigh_the_same_whatever_they_count(noise: Callable[..., Tensor]) -> None:
    logits, labels = noise(2, 3, 4, 4), random_labels(noise, 2, 4, 4)
    labels[0] = 255
    labels[0, 0, 0] = 1
    each = [segmentation_loss(logits[i : i + 1], labels[i : i + 1]) for i in range(2)]
    assert abs(each[0] - each[1]) > 0.1
    torch.testing.assert_close(segmentation_loss(logits, labels), (each[0] + each[1]) / 2)


@pytest.mark.parametrize("size", [(4, 4), (8, 9), (1, 1)])
def test_logits_of_another_size_than_the_labels_are_refused(
    noise: Callable[..., Tensor], size: tuple[int, int]
) -> None:
    """Nothing is resized here: only the network knows where its cells lie."""
    with pytest.raises(RuntimeError, match="size mismatch"):
        segmentation_loss(noise(1, 3, *size), random_labels(noise, 1, 8, 8))


def test_gradients(noise: Callable[..., Tensor]) -> None:
    logits, labels = noise(2, 3, 4, 5).requires_grad_(), random_labels(noise, 2, 4, 5)
    assert torch.autograd.gradcheck(lambda values: segmentation_loss(values, labels), logits)


def test_images_weigh_as_they_are_told(noise: Callable[..., Tensor]) -> None:
    logits, labels = noise(3, 3, 4, 5), random_labels(noise, 3, 4, 5)
    each = [segmentation_loss(logits[image : image + 1], labels[image : image + 1]) for image in range(3)]
    expected = (each[0] + 0.25 * each[2]) / 1.25
    torch.testing.assert_close(segmentation_loss(logits, labels, torch.tensor([1.0, 0.0, 0.25])), expected)
    assert segmentation_loss(logits, labels, torch.zeros(3)) == 0


def test_an_image_with_nothing_to_count_has_no_weight(noise: Callable[..., Tensor]) -> None:
    logits, labels = noise(2, 3, 4, 5), random_labels(noise, 2, 4, 5)
    labels[1] = 255
    weighted = segmentation_loss(logits, labels, torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(weighted, segmentation_loss(logits[:1], labels[:1]))
