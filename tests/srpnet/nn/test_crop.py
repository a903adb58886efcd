"""The crop of a photograph, and the way back."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from srpnet.nn.crop import coverage, crop_theta, inside, inverse, put_back, sample, theta_of

CANVAS = (21, 33)


def thetas(*boxes: tuple[float, float, float, float]) -> Tensor:
    """Of boxes: x and y of the middle, width, height."""
    values = torch.tensor(boxes, dtype=torch.float64)
    return crop_theta(values[:, :2], values[:, 2:], CANVAS)


def slow_sample(images: Tensor, theta: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixel by pixel, by the words: corner to corner, bilinear, zeros outside."""
    batch, channels, height, width = images.shape
    found = torch.zeros(batch, channels, *size, dtype=images.dtype)
    for index in range(batch):
        for row in range(size[0]):
            for column in range(size[1]):
                x = theta[index, 0, 0] * (-1 + 2 * column / (size[1] - 1)) + theta[index, 0, 2]
                y = theta[index, 1, 1] * (-1 + 2 * row / (size[0] - 1)) + theta[index, 1, 2]
                across, down = (x + 1) / 2 * (width - 1), (y + 1) / 2 * (height - 1)
                for top in (int(down.floor()), int(down.floor()) + 1):
                    for left in (int(across.floor()), int(across.floor()) + 1):
                        if 0 <= top < height and 0 <= left < width:
                            weight = (1 - (down - top).abs()) * (1 - (across - left).abs())
                            found[index, :, row, column] += weight * images[index, :, top, left]
    return found


@pytest.mark.parametrize(("x", "y", "width", "height"), [(12, 9, 7, 5), (3, 2, 7, 5), (29, 18, 7, 5), (16, 10, 33, 21)])
def test_a_crop_of_odd_size_is_a_slice(noise: Callable[..., Tensor], x: int, y: int, width: int, height: int) -> None:
    image = noise(2, 3, *CANVAS)
    crop = sample(image, thetas((x, y, width, height), (x, y, width, height)), (height, width))
    top, left = y - height // 2, x - width // 2
    assert (crop - image[:, :, top : top + height, left : left + width]).abs().max() < 1e-13


def test_it_equals_the_slow_reference(noise: Callable[..., Tensor]) -> None:
    image = noise(2, 2, *CANVAS)
    theta = thetas((10.3, 7.8, 9.5, 6.1), (1.2, 19.4, 12, 8))  # the second reaches over two borders
    assert (sample(image, theta, (6, 9)) - slow_sample(image, theta, (6, 9))).abs().max() < 1e-12


def test_theta_is_that_of_the_paper() -> None:
    """s = (w - 1) / (W - 1), t = -1 + 2 c / (W - 1)."""
    expected = [[6 / 32, 0, -1 + 2 * 12 / 32], [0, 4 / 20, -1 + 2 * 9 / 20]]
    assert torch.allclose(thetas((12, 9, 7, 5))[0], torch.tensor(expected, dtype=torch.float64), atol=1e-15)


def test_crop_and_way_back_are_the_identity_inside(noise: Callable[..., Tensor]) -> None:
    image, theta = noise(2, 3, *CANVAS), thetas((12, 9, 7, 5), (3, 2, 7, 5))
    back = put_back(sample(image, theta, (5, 7)), theta, CANVAS)
    within = inside(theta, CANVAS)[:, None]
    assert ((back - image) * within).abs().max() < 1e-13
    assert not (back * ~within).any()
    assert inside(theta, CANVAS).sum((1, 2)).tolist() == [35, 35]


def test_the_way_back_takes_the_nearest_pixel() -> None:
    """A crop at half the resolution: each of its pixels covers two by two of the canvas, or three at a tie."""
    theta = thetas((16, 10, 9, 5))
    back = put_back(torch.arange(15, dtype=torch.float64).view(1, 1, 3, 5) + 1, theta, CANVAS)
    assert back[0, 0, 8:13:2, 12:21:2].tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]]


def test_an_inverse_undoes_a_theta() -> None:
    theta = thetas((10.3, 7.8, 9.5, 6.1))
    twice = inverse(inverse(theta))
    assert torch.allclose(twice, theta, atol=1e-15)


def test_gradients_reach_image_and_theta(noise: Callable[..., Tensor]) -> None:
    image = noise(1, 2, 7, 9).requires_grad_()
    scales = torch.tensor([[0.43, 0.37]], dtype=torch.float64, requires_grad=True)
    shifts = torch.tensor([[0.11, -0.23]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *inputs: sample(inputs[0], theta_of(*inputs[1:]), (5, 4)), (image, scales, shifts)
    )


def test_coverage_is_the_share_inside() -> None:
    masks = torch.zeros(3, *CANVAS, dtype=torch.bool)
    masks[0, 8:10, 10:20] = True  # of the ten columns 9..15 lie inside: six
    masks[1, 8, 12] = True
    found = coverage(masks, thetas((12, 9, 7, 5)).expand(3, -1, -1))
    assert found[:2].tolist() == pytest.approx([0.6, 1.0])
    assert found[2].isnan()


def test_half_precision_is_sampled_in_single() -> None:
    image = torch.rand(1, 1, 513, 513, generator=torch.Generator().manual_seed(0))
    theta = crop_theta(torch.tensor([[300.0, 200.0]]), torch.tensor([[9.0, 9.0]]), (513, 513))
    crop = sample(image.bfloat16(), theta, (9, 9))
    assert crop.dtype == torch.bfloat16
    assert (crop - image[:, :, 196:205, 296:305].bfloat16()).abs().max() < 0.01
