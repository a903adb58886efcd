"""Masked average pooling against loops over pixels, and who takes part in which mean."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from episodes.errors import InputError
from srpnet.fewshot.prototypes import EPSILON, POOLINGS, masked_average_pooling, support_prototypes
from srpnet.fewshot.settings import Pooling
from srpnet.nn.grid import upsample

BOTH_POOLINGS = pytest.mark.parametrize("pooling", POOLINGS)
SIZES = pytest.mark.parametrize(
    ("small", "large", "stride"),
    [((4, 4), (16, 16), 4), ((5, 3), (17, 11), 4), ((4, 6), (4, 6), 1), ((2, 1), (16, 5), 8), ((3, 2), (17, 16), 8)],
)


def shares(mask_HW: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Each feature cell holds the share of the mask among the pixels nearest to it."""
    inside, pixels = torch.zeros(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
    for y in range(mask_HW.shape[0]):
        for x in range(mask_HW.shape[1]):
            row = min((y + stride // 2) // stride, size[0] - 1)
            column = min((x + stride // 2) // stride, size[1] - 1)
            inside[row, column] += mask_HW[y, x]
            pixels[row, column] += 1
    return inside / pixels


def average(features_Chw: Tensor, mask_HW: Tensor, stride: int, pooling: Pooling) -> Tensor:
    """One image's masked average, by a loop over pixels at the size at which the pooling says it is taken."""
    if pooling == "feature":
        weights = shares(mask_HW, (features_Chw.shape[1], features_Chw.shape[2]), stride)
    else:
        features_Chw = upsample(features_Chw[None], (mask_HW.shape[0], mask_HW.shape[1]), stride)[0]
        weights = mask_HW.double()
    total = torch.zeros(len(features_Chw), dtype=torch.float64)
    for y in range(weights.shape[0]):
        for x in range(weights.shape[1]):
            total += features_Chw[:, y, x] * weights[y, x]
    return total / (weights.sum() + EPSILON)


def shots(*ways: int) -> Tensor:
    """Membership (S, N): `shots(2, 1)` is two shots of way 1, then one of way 2."""
    owners = torch.tensor([way for way, count in enumerate(ways) for _ in range(count)])
    return F.one_hot(owners, len(ways)).bool()


def label_maps(*rows: list[int], size: int = 16) -> Tensor:
    """Label maps (S, size, size) whose quarters, read row by row, hold the given labels."""
    quarters = torch.tensor(rows, dtype=torch.uint8).reshape(-1, 2, 2)
    return quarters.repeat_interleave(size // 2, 1).repeat_interleave(size // 2, 2)


@BOTH_POOLINGS
@SIZES
def test_pooling_equals_the_loop(
    noise: Callable[..., Tensor], pooling: Pooling, small: tuple[int, int], large: tuple[int, int], stride: int
) -> None:
    features, mask = noise(2, 5, *small), noise(2, *large, seed=1) > 0.5
    got = masked_average_pooling(features, POOLINGS[pooling](mask.double(), small, stride))
    for image in range(2):
        expected = average(features[image], mask[image], stride, pooling)
        torch.testing.assert_close(got[image], expected, rtol=0, atol=1e-10)


@SIZES
def test_a_small_object_keeps_its_weight(small: tuple[int, int], large: tuple[int, int], stride: int) -> None:
    """Any single pixel of the mask is seen; plain bilinear shrinking would lose most of them."""
    for pixel in range(large[0] * large[1]):
        mask = torch.zeros(large).flatten()
        mask[pixel] = 1
        for pooling in ("feature", "mask"):
            assert POOLINGS[pooling](mask.reshape(1, *large), small, stride).sum() > 0


def test_mask_pooling_keeps_the_total_weight(noise: Callable[..., Tensor]) -> None:
    mask = (noise(1, 17, 11) > 0).double()
    torch.testing.assert_close(POOLINGS["mask"](mask, (5, 3), 4).sum(), mask.sum())


def test_pooling_weights_by_hand() -> None:
    """One pixel, number 3 of 8 at stride 4: three quarters of the way to cell 1, to which pixels 2..7 are nearest."""
    mask = torch.zeros(1, 1, 8)
    mask[..., 3] = 1
    assert POOLINGS["mask"](mask, (1, 2), 4).tolist() == [[[0.25, 0.75]]]
    assert POOLINGS["feature"](mask, (1, 2), 4)[0, 0].tolist() == pytest.approx([0, 1 / 6])


def test_the_two_poolings_differ(noise: Callable[..., Tensor]) -> None:
    features, labels = noise(1, 6, 4, 4).relu(), (noise(1, 16, 16, seed=1) > 0.5).byte()
    feature, mask = (support_prototypes(features, labels, shots(1), 4, pooling) for pooling in ("feature", "mask"))
    assert (feature - mask).abs().max() > 1e-3


@BOTH_POOLINGS
def test_prototypes_are_means_of_each_images_average(noise: Callable[..., Tensor], pooling: Pooling) -> None:
    """Two ways with unequal numbers of shots, and objects of unequal size."""
    features, labels = noise(3, 5, 4, 4), label_maps([1, 1, 1, 0], [0, 0, 0, 1], [2, 0, 255, 1])
    got = support_prototypes(features, labels, shots(2, 1), 4, pooling)
    masks = labels == 0, labels == 1, labels == 2
    averages = [[average(features[s], mask[s], 4, pooling) for s in range(3)] for mask in masks]
    expected = [torch.stack(averages[0]).mean(0), torch.stack(averages[1][:2]).mean(0), averages[2][2]]
    torch.testing.assert_close(got, torch.stack(expected), rtol=0, atol=1e-10)
    jointly = (labels[:2] == 1).double().repeat(1, 1, 1)
    weights = POOLINGS[pooling](jointly, (4, 4), 4)
    pooled_jointly = torch.einsum("schw,shw->c", features[:2], weights) / weights.sum()
    assert (got[1] - pooled_jointly).abs().max() > 1e-3


def test_another_ways_object_in_a_photograph_is_not_pooled(noise: Callable[..., Tensor]) -> None:
    """Way 1 is pooled over its own shots, not where it happens to be seen in a shot of way 2."""
    features, labels = noise(2, 5, 4, 4), label_maps([1, 0, 0, 0], [2, 0, 1, 1], size=4)
    changed = features.clone()
    changed[1, :, 2:] += 10
    before, after = (support_prototypes(each, labels, shots(1, 1), 1) for each in (features, changed))
    torch.testing.assert_close(before, after)


def test_background_is_of_label_0_in_all_supports() -> None:
    """As many pixels as cells, so that each pixel has its own."""
    labels = label_maps([1, 0, 255, 1], [2, 1, 0, 0], size=2)
    features = torch.zeros(2, 1, 2, 2, dtype=torch.float64)
    features[0, 0] = torch.tensor([[100.0, 1], [1000, 100]])
    features[1, 0] = torch.tensor([[50.0, 70], [4, 6]])
    background = support_prototypes(features, labels, shots(1, 1), 1)[0]
    assert background.item() == pytest.approx((1 + 5) / 2, rel=1e-5)


@BOTH_POOLINGS
def test_ignored_pixels_belong_to_nothing(noise: Callable[..., Tensor], pooling: Pooling) -> None:
    features, labels = noise(1, 5, 16, 16), label_maps([1, 0, 255, 255])
    changed = features.clone()
    changed[:, :, 8:] = 99
    before, after = (support_prototypes(each, labels, shots(1), 1, pooling) for each in (features, changed))
    torch.testing.assert_close(before, after, rtol=0, atol=1e-10)


@pytest.mark.parametrize("empty", [[0, 0, 0, 0], [255, 255, 255, 255], [0, 255, 2, 0]])
def test_a_shot_without_its_class_leaves_the_mean(noise: Callable[..., Tensor], empty: list[int]) -> None:
    features, labels = noise(2, 5, 4, 4), label_maps([1, 0, 1, 0], empty)
    got = support_prototypes(features, labels, shots(2), 4)
    torch.testing.assert_close(got[1], support_prototypes(features[:1], labels[:1], shots(1), 4)[1])


def test_a_support_without_background_leaves_its_mean(noise: Callable[..., Tensor]) -> None:
    features, labels = noise(2, 5, 4, 4), label_maps([1, 0, 1, 0], [1, 1, 255, 1])
    got = support_prototypes(features, labels, shots(2), 4)
    torch.testing.assert_close(got[0], support_prototypes(features[:1], labels[:1], shots(1), 4)[0])


def test_no_background_at_all_resembles_nothing(noise: Callable[..., Tensor]) -> None:
    """A close-up that fills the photograph up to its ignored border, as PASCAL has."""
    prototypes = support_prototypes(noise(1, 5, 4, 4), label_maps([1, 1, 255, 1]), shots(1), 4)
    assert not prototypes[0].any()
    assert prototypes[1].any()


@pytest.mark.parametrize(
    ("maps", "membership", "complaint"),
    [
        ([[1, 0, 0, 0], [0, 0, 0, 0]], shots(1, 1), "way 2 .* of cow:"),
        ([[2, 0, 0, 0], [0, 1, 2, 0]], shots(2, 0), "way 2 .* of cat, cow:"),
        ([[0, 0, 0, 0], [0, 255, 255, 255]], shots(2), "way 1 .* of cat, cow:"),
        ([[255] * 4, [255] * 4], shots(2), "way 1 .* of cat, cow:"),
    ],
)
def test_a_class_with_no_pixel_left_is_an_error_with_names(
    maps: list[list[int]], membership: Tensor, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        support_prototypes(torch.ones(2, 3, 4, 4), label_maps(*maps), membership, ids=["cat", "cow"])


def test_supports_without_names_are_numbered() -> None:
    with pytest.raises(InputError, match="of support 1, support 2:"):
        support_prototypes(torch.ones(2, 3, 4, 4), label_maps([0] * 4, [0] * 4), shots(2))


@BOTH_POOLINGS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_type_is_kept(noise: Callable[..., Tensor], pooling: Pooling, dtype: torch.dtype) -> None:
    features = noise(1, 3, 4, 4, dtype=dtype)
    assert support_prototypes(features, label_maps([1, 0, 0, 0]), shots(1), 4, pooling).dtype == dtype


@BOTH_POOLINGS
def test_gradients(noise: Callable[..., Tensor], pooling: Pooling) -> None:
    labels = label_maps([1, 0, 255, 0], [0, 0, 2, 0], [2, 1, 1, 0], size=6)
    features = noise(3, 2, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda maps: support_prototypes(maps, labels, shots(1, 2), 2, pooling), features)
