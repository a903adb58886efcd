"""PAR against a plain reference that makes all the copies, and at its edges."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from srpnet.weak.refinement import neighbour_weights, refine
from tests.srpnet.conftest import Noise


def plain(images: Tensor, maps: Tensor, rounds: int) -> Tensor:
    """As the paper writes it, pixel by pixel."""
    offsets = [(d * y, d * x) for d in (1, 2, 4, 8, 12, 24) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
    height, width = images.shape[-2:]

    def copies(values: Tensor) -> Tensor:
        rows = [(torch.arange(height) + y).clamp(0, height - 1) for y, _ in offsets]
        columns = [(torch.arange(width) + x).clamp(0, width - 1) for _, x in offsets]
        return torch.stack([values[..., r[:, None], c] for r, c in zip(rows, columns, strict=True)], 2)

    near = copies(images)
    spread = near.std(2, keepdim=True)
    unlike = -(((near - images[:, :, None]).abs() / (spread + 1e-8) / 0.3) ** 2).mean(1)
    distances = torch.tensor([math.hypot(*offset) for offset in offsets])
    far = -((distances / (distances.std() + 1e-8) / 0.3) ** 2)
    weights = unlike.softmax(1) + 0.01 * far.softmax(0)[:, None, None]
    for _ in range(rounds):
        maps = (copies(maps) * weights[:, None]).sum(2)
    return maps


@pytest.mark.parametrize("size", [(9, 7), (30, 26)])
def test_it_equals_the_plain_one(noise: Noise, size: tuple[int, int]) -> None:
    images, maps = noise(2, 3, *size, dtype=torch.float32), noise(2, 2, *size, seed=1, dtype=torch.float32)
    assert torch.allclose(refine(images, maps, rounds=3), plain(images, maps, 3), atol=1e-5)


def test_weights_add_up_and_scale_does_not_matter(noise: Noise) -> None:
    images = noise(1, 3, 8, 8, dtype=torch.float32)
    weights = neighbour_weights(images)
    assert torch.allclose(weights.sum(1), torch.tensor(1.01))
    assert torch.allclose(weights, neighbour_weights(255 * images + 3), atol=1e-4)


def test_a_map_stops_at_an_edge_of_the_photograph() -> None:
    image = torch.zeros(1, 3, 32, 32)
    image[..., 16:] = 1
    maps = torch.zeros(1, 1, 32, 32)
    maps[..., :12] = 1
    refined = refine(image, maps)[0, 0, 16]
    assert refined[:16].min() > 0.3
    assert refined[16:].max() < 0.1


def test_of_a_plain_photograph_it_is_a_blur(noise: Noise) -> None:
    maps = noise(1, 2, 12, 12, dtype=torch.float32)
    assert refine(torch.full((1, 3, 12, 12), 0.5), maps).isfinite().all()
    assert F.l1_loss(refine(torch.zeros(1, 3, 12, 12), maps), maps.mean((2, 3), keepdim=True).expand_as(maps)) < 0.2
