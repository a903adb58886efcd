"""Closer looks: what is cropped, and how it is put back."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from episodes.fewshot.geometry import Geometry
from srpnet.apps.looks.closer import LOOKS, Look, Looks, crop, look_closer, windows
from srpnet.apps.looks.placing import place_photograph
from srpnet.apps.looks.windows import Window, groups
from srpnet.nn.grid import upsample

STRIDE = 8
Noise = Callable[..., Tensor]


def looks_of(logits_Phw: Tensor, height: int = 48, width: int = 64, size: int = 64) -> Looks:
    return Looks(Geometry(size, "longest").place(height, width), STRIDE, logits_Phw[None].float())


def found(*cells: tuple[int, int], height: int = 6, width: int = 8) -> Tensor:
    """Logits (2, h, w) of an object in some cells."""
    logits_Phw = torch.zeros(2, height, width)
    logits_Phw[0] = 1
    for row, column in cells:
        logits_Phw[1, row, column] = 2
    return logits_Phw


def at(cells: Tensor, window: Window, size: tuple[int, int] = (64, 64), canvas: tuple[int, int] = (48, 64)) -> Look:
    return Look(window, window.theta(canvas), size, cells[None].float(), weight=1)


def test_a_crop_of_the_networks_size_is_the_photograph_itself(noise: Noise) -> None:
    pixels = noise(48, 64, 3).mul(40).add(128).clamp(0, 255).byte().numpy()
    image_3HW, _ = crop(Image.fromarray(pixels), Window(10, 5, 32, 24), 32)
    expected = torch.from_numpy(pixels[5:29, 10:42]).permute(2, 0, 1).float() / 255
    assert torch.allclose(image_3HW, expected, atol=1e-5)


def test_what_is_larger_is_averaged_first() -> None:
    """A chequerboard of pixels is grey when it is half as large: nothing of it is left to chance."""
    board = np.indices((64, 64)).sum(0) % 2 * 255
    image_3HW, _ = crop(Image.fromarray(np.repeat(board[..., None], 3, 2).astype(np.uint8)), Window(0, 0, 64, 64), 32)
    assert torch.allclose(image_3HW, torch.full((3, 32, 32), 0.5), atol=0.01)


@pytest.mark.parametrize("side", [16, 64, 165])
def test_position_survives_crop_and_way_back(side: int) -> None:
    """Logits that are the column of the photograph come back as the column, whatever the crop's scale."""
    ramp = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    photograph, window = Image.fromarray(ramp).convert("RGB"), Window(20, 30, side, side)
    image_3HW, theta_123 = crop(photograph, window, 65)  # 65 pixels, so that the last cell lies on the last of them
    column_hw = image_3HW[0, ::STRIDE, ::STRIDE] * 255
    logits_1Phw = torch.stack([torch.zeros_like(column_hw), column_hw])[None]
    placement = Geometry(65, "longest").place(200, 200)
    looks = Looks(placement, STRIDE, torch.zeros(1, 2, 9, 9), [Look(window, theta_123, (65, 65), logits_1Phw, 1)])
    middle = Window(20 + side // 2 - 1, 30 + side // 2 - 1, 3, 3)
    half = torch.arange(middle.left, middle.right) / 2  # the first look says 0 with the same weight
    assert torch.allclose(looks.logits(middle)[1], half.expand(3, 3), atol=0.05)


def test_without_closer_looks_it_is_the_first(noise: Noise) -> None:
    looks = looks_of(noise(3, 6, 8).float(), 31, 47)
    logits_PHW = looks.logits(Window(0, 0, 47, 31))
    scores = looks.placement.restore(upsample(looks.logits_1Phw, looks.placement.outer, STRIDE))[0]
    assert torch.allclose(logits_PHW, scores, atol=1e-5)
    assert np.array_equal(looks.labels(), scores.argmax(0).numpy())
    assert torch.allclose(looks.probabilities(), scores.softmax(0))


def test_a_window_is_a_part_of_the_whole(noise: Noise) -> None:
    looks = looks_of(noise(3, 6, 8).float())
    looks.closer = [at(noise(3, 8, 8, seed=seed), Window(*window)) for seed, window in enumerate(WINDOWS)]
    whole, part = looks.logits(Window(0, 0, 64, 48)), Window(13, 7, 30, 21)
    assert torch.allclose(looks.logits(part), whole[:, part.slices[0], part.slices[1]], atol=1e-4)
    assert np.array_equal(looks.labels(), whole.argmax(0).numpy())
    assert torch.allclose(looks.probabilities(), whole.softmax(0), atol=1e-5)


WINDOWS = [(4, 6, 20, 20), (16, 12, 24, 24), (40, 0, 24, 16)]


def test_a_closer_look_changes_nothing_outside_of_it_and_most_in_its_middle() -> None:
    looks = looks_of(found((2, 2)))
    before = looks.logits(Window(0, 0, 64, 48))
    looks.closer = [at(torch.stack([torch.zeros(8, 8), torch.full((8, 8), 9.0)]), Window(16, 12, 24, 24))]
    change = (looks.logits(Window(0, 0, 64, 48)) - before).abs().amax(0)
    outside = torch.ones(48, 64, dtype=torch.bool)
    outside[12:36, 16:40] = False
    assert change[outside].max() == 0
    assert change[24, 28] == pytest.approx(float(change.max())) == pytest.approx(4.5, abs=0.5)
    assert change[13, 17] < 1


def test_at_the_photographs_border_it_counts_in_full() -> None:
    looks = looks_of(found())
    looks.closer = [at(torch.stack([torch.zeros(8, 8), torch.full((8, 8), 9.0)]), Window(0, 0, 24, 24))]
    assert looks.logits(Window(0, 0, 64, 48))[1, 0, 0] == pytest.approx(4.5, abs=0.01)


def test_what_fills_the_photograph_is_not_looked_at_again() -> None:
    assert windows(looks_of(found(*[(row, column) for row in range(6) for column in range(8)]))) == []
    assert windows(looks_of(found())) == []


def test_the_largest_components_are_looked_at_each_in_its_window() -> None:
    cells = [(0, 0), (0, 3), (0, 4), (5, 0), (5, 7), (3, 7), (3, 5)]
    chosen = windows(looks_of(found(*cells)))
    assert len(chosen) == LOOKS
    assert chosen[0].left <= 3 * 8 - 4 < 4 * 8 + 4 <= chosen[0].right  # the largest first


def test_the_object_is_seen_at_the_networks_size() -> None:
    """A bright square of which the first look sees a single cell; the closer look is asked for its pixels."""
    photograph = np.zeros((480, 640, 3), dtype=np.uint8)
    photograph[160:200, 160:200] = 255
    placed, asked = place_photograph(Image.fromarray(photograph), 64), []

    def segment(image_3HW: Tensor) -> Tensor:
        asked.append(image_3HW)
        bright = image_3HW[0, ::STRIDE, ::STRIDE]
        return torch.stack([1 - bright, bright])[None] * 10

    looks = Looks(placed.placement, STRIDE, segment(placed.image))
    look_closer(placed.photograph, looks, 64, segment)
    assert [max(image.shape) for image in asked] == [64] * len(asked)
    truth = photograph[..., 0] > 0
    before, after = Looks(placed.placement, STRIDE, looks.logits_1Phw).labels() > 0, looks.labels() > 0
    ious = [(truth & mask).sum() / (truth | mask).sum() for mask in (before, after)]
    assert ious[1] > ious[0] + 0.2


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 2), (37, 111), (9, 500)])
def test_photographs_are_of_any_shape(shape: tuple[int, int]) -> None:
    """Down to a single row of pixels."""
    placed = place_photograph(Image.fromarray(np.full((*shape, 3), 90, dtype=np.uint8)), 64)

    def segment(image_3HW: Tensor) -> Tensor:
        cells = [-(-side // STRIDE) for side in image_3HW.shape[1:]]
        logits_1Phw = torch.zeros(1, 2, *cells)
        logits_1Phw[:, 1, 0, 0] = 1
        return logits_1Phw

    looks = Looks(placed.placement, STRIDE, segment(placed.image))
    look_closer(placed.photograph, looks, 64, segment)
    assert looks.logits(Window(0, 0, shape[1], shape[0])).isfinite().all()
    assert looks.labels().shape == shape


def test_windows_that_meet_are_joined() -> None:
    one, other, far = Window(0, 0, 10, 10), Window(8, 8, 10, 10), Window(30, 30, 5, 5)
    assert groups([one, far, other]) == [far, Window(0, 0, 18, 18)]
    assert groups([one, Window(10, 0, 4, 4)]) == [one, Window(10, 0, 4, 4)]
    bridge = Window(15, 15, 20, 20)
    assert groups([one, other, far, bridge]) == [Window(0, 0, 35, 35)]
