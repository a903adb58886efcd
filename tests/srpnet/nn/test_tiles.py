"""Tiles make the feature map that the whole image makes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from srpnet.nn.backbone import Backbone
from srpnet.nn.tiles import tiled

Noise = Callable[..., Tensor]


@pytest.mark.parametrize("convention", ["v1", "v1.5"])
@pytest.mark.parametrize("size", [(40, 56), (65, 200), (130, 97), (256, 17)])
def test_tiles_equal_the_whole(noise: Noise, convention: str, size: tuple[int, int]) -> None:
    """To rounding, and so to the pixel of any label map, at all borders, with the halo that stage 2 takes."""
    backbone = Backbone(convention, layers=(3, 4, 1, 1), base_width=8).eval().double()  # type: ignore[arg-type]
    image = noise(3, *size)

    def encode(images: Tensor) -> Tensor:
        (features,) = backbone(images, (2,))
        return features

    with torch.inference_mode():
        whole, tiles = encode(image[None])[0], tiled(encode, image, 8, halo=64, tile=64)
    assert tiles.shape == whole.shape
    assert (tiles - whole).abs().max() < 1e-12 * whole.abs().max()
    assert torch.equal(tiles.argmax(0), whole.argmax(0))


def test_with_less_than_a_cell_sees_tiles_show(noise: Noise) -> None:
    backbone = Backbone(layers=(3, 4, 1, 1), base_width=8).eval().double()

    def encode(images: Tensor) -> Tensor:
        (features,) = backbone(images, (2,))
        return features

    with torch.inference_mode():
        image = noise(3, 200, 200)
        assert not torch.allclose(encode(image[None])[0], tiled(encode, image, 8, halo=8, tile=64))


def test_halo_and_tile_are_multiples_of_the_stride() -> None:
    for halo, tile in ((7, 64), (8, 60)):
        with pytest.raises(ValueError, match="multiples of the stride 8"):
            tiled(lambda images: images, torch.zeros(3, 64, 64), 8, halo, tile)
