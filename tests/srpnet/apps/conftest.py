"""A photograph with a red square, and a network that is shown it."""

import numpy as np
import pytest

from episodes.data.source import Array
from srpnet.apps.segmenter import Segmenter
from srpnet.fewshot.network import SRPNet


def scene(seed: int = 0, height: int = 48, width: int = 64) -> tuple[Array, Array]:
    """A photograph (H, W, 3), dark noise with a red square, and the square's mask."""
    photograph = np.random.default_rng(seed).integers(0, 60, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[height // 4 : height * 3 // 4, width // 8 : width // 2] = 1
    photograph[..., 0] += 180 * mask
    return photograph, mask


@pytest.fixture
def segmenter(network: SRPNet) -> Segmenter:
    return Segmenter(network, size=64, device="cpu", precision="fp32")


@pytest.fixture
def shown(segmenter: Segmenter) -> Segmenter:
    """A segmenter that has seen one example."""
    photograph, mask = scene()
    segmenter.set_support([photograph], [mask])
    return segmenter
