"""Things too small for the first look are found in large photographs, and nothing else is."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from episodes.data.source import Array
from srpnet.apps.looks.search import TARGET, describe_objects, scales, search
from srpnet.apps.segmenter import Segmenter
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings

SIZE = 128
Settings = Callable[..., NetworkSettings]


def grass(height: int, width: int, seed: int = 0) -> Array:
    noise = np.random.default_rng(seed).integers(0, 60, (height, width, 3), dtype=np.uint8)
    noise[..., 1] += 80
    return noise


def example() -> tuple[Array, Array]:
    """A striped square on grass, and its mask."""
    photograph, mask = grass(48, 64), np.zeros((48, 64), dtype=np.uint8)
    mask[10:34, 20:44] = 1
    photograph[10:34, 20:44] = stripes(24)
    return photograph, mask


def stripes(side: int) -> Array:
    rows = np.arange(side) * 6 // side % 2
    return np.where(rows[:, None, None] > 0, [250, 250, 240], [200, 20, 20]).repeat(side, 1).astype(np.uint8)


def large(side: int = 40, at: tuple[int, int] = (500, 700)) -> Array:
    """Grass, and somewhere in it the square, so large."""
    photograph = grass(900, 1200, seed=1)
    photograph[at[0] : at[0] + side, at[1] : at[1] + side] = stripes(side)
    return photograph


@pytest.fixture
def segmenter(tiny: Settings) -> Segmenter:
    network = SRPNet(tiny(present_above=0.3)).eval()
    segmenter = Segmenter(network, size=SIZE, device="cpu", precision="fp32", refine="none")
    segmenter.set_support(*example())
    return segmenter


@pytest.mark.parametrize(("side", "at"), [(40, (500, 700)), (32, (4, 12)), (80, (820, 1120))])
def test_the_best_candidate_is_the_object(segmenter: Segmenter, side: int, at: tuple[int, int]) -> None:
    objects_ND = segmenter.supports.afar_ND
    assert objects_ND is not None
    candidates = search(segmenter.predictor, Image.fromarray(large(side, at)), objects_ND, SIZE / 1200)
    box = candidates[0].box
    assert box.left < at[1] + side / 2 < box.right
    assert box.top < at[0] + side / 2 < box.bottom


def test_where_it_is_not_there_is_no_candidate(segmenter: Segmenter) -> None:
    objects_ND = segmenter.supports.afar_ND
    assert objects_ND is not None
    assert search(segmenter.predictor, Image.fromarray(grass(900, 1200)), objects_ND, SIZE / 1200) == []


def test_it_is_in_the_mask_and_present(segmenter: Segmenter) -> None:
    photograph, truth = large(), np.zeros((900, 1200), dtype=bool)
    truth[500:540, 700:740] = True
    found = segmenter.predict(photograph) == 1
    assert (found & truth).sum() > 0.5 * truth.sum()
    segmenter.looks_closer = False
    without = segmenter.predict(photograph) == 1
    assert (found & truth).sum() / (found | truth).sum() > (without & truth).sum() / (without | truth).sum()


def test_saved_examples_search_too(segmenter: Segmenter, tmp_path: object) -> None:
    path = f"{tmp_path}/a.srp"
    segmenter.supports.save(path)
    before = segmenter.predict(large())
    segmenter.load_supports(path)
    assert np.array_equal(segmenter.predict(large()), before)
    joined = segmenter.supports.joined_with(segmenter.supports)
    assert joined.afar_ND is not None
    assert segmenter.supports.afar_ND is not None
    assert torch.allclose(joined.afar_ND, segmenter.supports.afar_ND)


def test_without_what_it_takes_nothing_is_searched(segmenter: Segmenter) -> None:
    """A file of an earlier version, a network without a threshold."""
    shown = segmenter._shown
    shown.supports = replace(shown.supports, afar_ND=None)
    assert segmenter.predict(large()).shape == (900, 1200)


def test_objects_are_described_each_by_its_own_shots(segmenter: Segmenter) -> None:
    images_S3HW = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    labels_SHW = torch.zeros(2, 64, 64, dtype=torch.uint8)
    labels_SHW[0, 10:40, 10:40], labels_SHW[1, 20:50, 5:60] = 1, 2
    both = describe_objects(segmenter.predictor, images_S3HW, labels_SHW, torch.eye(2).bool())
    alone = describe_objects(segmenter.predictor, images_S3HW[1:], labels_SHW[1:], torch.tensor([[False, True]]))
    assert both is not None
    assert alone is not None
    assert torch.allclose(both[1], alone[1])
    assert torch.allclose(both.norm(dim=1), torch.ones(2))
    assert not alone[0].any()


def test_only_large_photographs_are_searched() -> None:
    assert list(scales((1000, 750), 417 / 1000)) == []
    assert list(scales((1600, 1200), 417 / 1600)) == []
    assert list(scales((2400, 1600), 417 / 2400)) == [0.5]
    largest, *_ = scales((20_000, 10_000), 417 / 20_000)
    assert largest * 20_000 * largest * 10_000 <= 4_000_000
    assert TARGET / largest < 120
