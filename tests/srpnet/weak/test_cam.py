"""Class activation maps against a slow reference, and at their edges."""

import torch

from srpnet.weak.cam import activation_maps, normalised
from tests.srpnet.conftest import Noise


def test_maps_are_the_maximum_over_mirror_images_summed_over_scales(noise: Noise) -> None:
    scales = [(noise(2, 3, 4, 5, seed=seed), noise(2, 3, 4, 5, seed=seed + 9)) for seed in range(2)]
    tags = torch.tensor([[1.0, 0, 1], [0, 1, 1]])
    found = activation_maps(scales, tags)
    for image in range(2):
        for label in range(3):
            summed = [[0.0] * 5 for _ in range(4)]
            for y in range(4):
                for x in range(5):
                    for plain, mirrored in scales:
                        summed[y][x] += max(plain[image, label, y, x].item(), mirrored[image, label, y, 4 - x].item())
                    summed[y][x] = max(summed[y][x], 0)
            low = min(map(min, summed))
            high = max(map(max, summed)) - low
            expected = torch.tensor([[(value - low) / (high + 1e-5) for value in row] for row in summed])
            assert torch.allclose(found[image, label], expected * tags[image, label], atol=1e-6)


def test_a_map_that_is_the_same_everywhere_is_nothing() -> None:
    assert not normalised(torch.full((1, 2, 3, 3), 7.0)).any()


def test_without_a_tag_there_is_no_map(noise: Noise) -> None:
    pair = noise(1, 2, 3, 3), noise(1, 2, 3, 3, seed=1)
    assert not activation_maps([pair], torch.zeros(1, 2)).any()


def test_of_an_image_and_its_mirror_image_the_maps_are_mirrored(noise: Noise) -> None:
    one, other = noise(1, 2, 3, 4), noise(1, 2, 3, 4, seed=1)
    tags = torch.ones(1, 2)
    assert torch.equal(activation_maps([(one, other)], tags).flip(-1), activation_maps([(other, one)], tags))
