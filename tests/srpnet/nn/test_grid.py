"""The grid: by hand and against loops, spreading as the transpose of upsampling, cells where the network has them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from episodes.fewshot.geometry import Geometry, Placement
from srpnet.nn.backbone import Backbone
from srpnet.nn.grid import average, label_maps, linear_weights, spread, upsample

GRIDS = pytest.mark.parametrize(
    ("pixels", "stride"), [((64, 65), 8), ((33, 40), 8), ((9, 1), 8), ((30, 47), 4), ((6, 11), 2), ((17, 3), 32)]
)


def cells_of(pixels: tuple[int, int], stride: int) -> tuple[int, int]:
    """How many cells a ResNet makes of so many pixels: every stride rounds up."""
    return -(-pixels[0] // stride), -(-pixels[1] // stride)


def at(values_hw: Tensor, row: float, column: float) -> float:
    """Bilinear interpolation between the four cells around a place, in units of cells; the last cell goes on."""
    height, width = values_hw.shape
    row, column = min(row, height - 1), min(column, width - 1)
    top, left = int(row), int(column)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, along = row - top, column - left
    upper = (1 - along) * values_hw[top, left] + along * values_hw[top, right]
    lower = (1 - along) * values_hw[bottom, left] + along * values_hw[bottom, right]
    return float((1 - down) * upper + down * lower)


# ------------------------------------------------------------------------------------------------------ values


def test_upsampling_by_hand() -> None:
    cells = torch.tensor([[[[0.0, 8, 4]]]])
    expected = [0, 2, 4, 6, 8, 7, 6, 5, 4, 4, 4, 4]
    assert upsample(cells, (1, 12), 4)[0, 0].tolist() == [expected]
    assert upsample(cells.mT, (12, 1), 4)[0, 0, :, 0].tolist() == expected


def test_spreading_by_hand() -> None:
    for pixel, cells in ((0, [1, 0, 0]), (1, [0.75, 0.25, 0]), (6, [0, 0.5, 0.5]), (8, [0, 0, 1]), (11, [0, 0, 1])):
        one = torch.zeros(1, 1, 12)
        one[..., pixel] = 1
        assert spread(one, (1, 3), 4).tolist() == [[cells]]
        assert spread(one.mT, (3, 1), 4)[0, :, 0].tolist() == cells


def test_averaging_by_hand() -> None:
    """Cell 0 is nearest to pixels 0 and 1, cell 1 to 2..5, the last to all that is left."""
    pixels = torch.arange(12.0).reshape(1, 1, 12)
    assert average(pixels, (1, 3), 4).tolist() == [[[0.5, 3.5, 8.5]]]
    assert average(pixels.mT, (3, 1), 4)[0, :, 0].tolist() == [0.5, 3.5, 8.5]


def test_an_even_size_by_hand() -> None:
    """400 pixels at stride 8 are 50 cells on pixels 0, 8, .. 392; the 7 pixels behind the last have its value."""
    ramp = upsample((8 * torch.arange(50.0)).reshape(1, 1, 1, 50), (1, 400), 8)[0, 0, 0]
    assert ramp.tolist() == [min(pixel, 392) for pixel in range(400)]
    dealt = spread(torch.ones(1, 1, 400), (1, 50), 8)[0, 0]
    assert dealt.tolist() == [4.5, *[8.0] * 48, 4.5 + 7]
    mean = average(torch.arange(400.0).reshape(1, 1, 400), (1, 50), 8)[0, 0]
    assert mean.tolist() == [1.5, *(8 * cell - 0.5 for cell in range(1, 49)), (388 + 399) / 2]


@GRIDS
def test_upsampling_equals_the_loop(noise: Callable[..., Tensor], pixels: tuple[int, int], stride: int) -> None:
    maps = noise(2, 3, *cells_of(pixels, stride))
    got = upsample(maps, pixels, stride)
    assert got.shape == (2, 3, *pixels)
    expected = torch.tensor(
        [
            [[[at(each, y / stride, x / stride) for x in range(pixels[1])] for y in range(pixels[0])] for each in image]
            for image in maps[:1]
        ],
        dtype=torch.float64,
    )
    torch.testing.assert_close(got[:1], expected, rtol=0, atol=1e-12)


@GRIDS
def test_averaging_equals_the_loop(noise: Callable[..., Tensor], pixels: tuple[int, int], stride: int) -> None:
    """The nearest cell of a pixel; of two equally near ones the later."""
    size = cells_of(pixels, stride)
    values = noise(1, *pixels)
    got = average(values, size, stride)
    owned: dict[tuple[int, int], list[float]] = {}
    for y in range(pixels[0]):
        for x in range(pixels[1]):
            row, column = (
                min(range(count), key=lambda cell: (abs(place - stride * cell), -cell))
                for place, count in zip((y, x), size, strict=True)
            )
            owned.setdefault((row, column), []).append(values[0, y, x].item())
    expected = [[sum(owned[y, x]) / len(owned[y, x]) for x in range(size[1])] for y in range(size[0])]
    torch.testing.assert_close(got[0], torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)


@GRIDS
def test_spreading_is_the_transpose_of_upsampling(
    noise: Callable[..., Tensor], pixels: tuple[int, int], stride: int
) -> None:
    """<upsample(f), m> = <f, spread(m)> for any f and m."""
    maps, values = noise(3, 1, *cells_of(pixels, stride)), noise(3, *pixels, seed=1)
    up, down = upsample(maps, pixels, stride)[:, 0], spread(values, cells_of(pixels, stride), stride)
    torch.testing.assert_close((up * values).sum((1, 2)), (maps[:, 0] * down).sum((1, 2)), rtol=1e-12, atol=1e-12)


@GRIDS
def test_weights_are_shares(pixels: tuple[int, int], stride: int) -> None:
    like = torch.zeros(0, dtype=torch.float64)
    for count, cells in zip(pixels, cells_of(pixels, stride), strict=True):
        nearest = average(torch.eye(count, dtype=torch.float64)[..., None], (cells, 1), stride)[..., 0].T
        for weights in (linear_weights(count, cells, stride, like), nearest):
            assert (weights >= 0).all()
            torch.testing.assert_close(weights.sum(1), torch.ones(len(weights), dtype=torch.float64))
        assert (nearest > 0).sum(0).eq(1).all()  # each pixel has one cell


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_where_the_last_cell_is_on_the_last_pixel_it_is_pytorchs(noise: Callable[..., Tensor], stride: int) -> None:
    """Sizes stride * n + 1 are those at which `align_corners=True` is right; at others it is not."""
    maps = noise(2, 3, 7, 10)
    size = (stride * 6 + 1, stride * 9 + 1)
    expected = F.interpolate(maps, size, mode="bilinear", align_corners=True)
    torch.testing.assert_close(upsample(maps, size, stride), expected, rtol=0, atol=1e-12)
    even = (stride * 7, stride * 10)
    for corners in (True, False):
        other = F.interpolate(maps, even, mode="bilinear", align_corners=corners)
        assert (upsample(maps, even, stride) - other).abs().max() > 0.1


def test_stride_one_changes_nothing(noise: Callable[..., Tensor]) -> None:
    maps = noise(2, 3, 5, 7)
    assert torch.equal(upsample(maps, (5, 7), 1), maps)
    assert torch.equal(spread(maps[:, 0], (5, 7), 1), maps[:, 0])
    assert torch.equal(average(maps[:, 0], (5, 7), 1), maps[:, 0])


def test_a_maps_own_cells_come_back(noise: Callable[..., Tensor]) -> None:
    maps = noise(2, 3, 5, 7)
    assert torch.equal(upsample(maps, (40, 49), 8)[..., ::8, ::8], maps)


def test_a_ramp_keeps_its_place() -> None:
    """What is linear over the photograph stays so: the mean around an inner cell is its own, but for half a pixel."""
    ramp = torch.arange(64.0, dtype=torch.float64).expand(1, 64, 64)
    cells = ramp[:, ::8, ::8]
    torch.testing.assert_close(average(ramp, (8, 8), 8)[..., 1:-1], cells[..., 1:-1] - 0.5)
    torch.testing.assert_close(upsample(cells[:, None], (64, 64), 8)[0, 0, :, :57], ramp[0, :, :57])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_type_is_kept(noise: Callable[..., Tensor], dtype: torch.dtype) -> None:
    maps = noise(1, 2, 3, 3, dtype=dtype)
    assert upsample(maps, (20, 24), 8).dtype == dtype
    assert spread(upsample(maps, (20, 24), 8)[:, 0], (3, 3), 8).dtype == dtype
    assert average(upsample(maps, (20, 24), 8)[:, 0], (3, 3), 8).dtype == dtype


@pytest.mark.parametrize(
    "go",
    [
        lambda values: upsample(values[:, None], (9, 14), 4),
        lambda values: spread(values, (2, 2), 2),
        lambda values: average(values, (2, 2), 2),
    ],
    ids=["upsample", "spread", "average"],
)
def test_gradients(noise: Callable[..., Tensor], go: Callable[[Tensor], Tensor]) -> None:
    assert torch.autograd.gradcheck(go, noise(2, 3, 4).requires_grad_())


# ----------------------------------------------------------------------------- cells lie where the network has them


def tiny(convention: Any = "v1.5", stages: tuple[int, ...] = (2, 3), output_stride: Any = 8) -> Backbone:
    backbone = Backbone(convention, output_stride, stages, layers=(1, 1, 1, 1), base_width=8)
    return backbone.double().eval()


def seen_from(responses_B: Tensor, images_B3HW: Tensor) -> list[Tensor]:
    """For rows and for columns: how strongly the responses depend on each."""
    (gradient,) = torch.autograd.grad(responses_B.sum(), images_B3HW)
    strength = gradient.abs().sum((0, 1))
    return [strength.sum(1), strength.sum(0)]


def middle(strength: Tensor) -> float:
    """The middle of the pixels that matter at all."""
    first, *_, last = strength.nonzero().flatten().tolist()
    return (first + last) / 2


CONVENTIONS = pytest.mark.parametrize("convention", ["v1", "v1.5"])


@CONVENTIONS
@pytest.mark.parametrize(
    ("stage", "output_stride", "stride", "size"),
    [
        *((stage, 8, stride, size) for stage, stride in ((1, 4), (2, 8)) for size in (64, 65, 80)),
        *((3, stride, stride, size) for stride in (8, 16) for size in (96, 97, 112)),
    ],
)
def test_a_cell_sees_the_photograph_around_stride_times_its_number(
    noise: Callable[..., Tensor], convention: Any, stage: int, output_stride: Any, stride: int, size: int
) -> None:
    """What a cell depends on is symmetric about pixel stride * i; at stride 8 other conventions say 3.5 pixels on."""
    backbone, images = tiny(convention, (stage,), output_stride), noise(4, 3, size, size).requires_grad_()
    (features,) = backbone(images)
    assert backbone.strides == (stride,)
    cell = size // 2 // stride
    weights = noise(features.shape[1], seed=1)
    for strength in seen_from(features[:, :, cell, cell] @ weights, images):
        assert 0 < strength.count_nonzero() < size  # it does not reach the border, which would cut it off
        assert middle(strength) == stride * cell


@CONVENTIONS
@pytest.mark.parametrize("size", [64, 65, 80])
@pytest.mark.parametrize("pixel", [24, 28, 32, 36, 40])
def test_an_upsampled_value_sees_the_photograph_around_its_pixel(
    noise: Callable[..., Tensor], convention: Any, size: int, pixel: int
) -> None:
    """From end to end, on a cell and halfway between two: resizing by size alone fails here."""
    backbone, images = tiny(convention, (2,)), noise(4, 3, size, size).requires_grad_()
    (features,) = backbone(images)
    maps = upsample(torch.einsum("bchw,c->bhw", features, noise(512, seed=1))[:, None], (size, size), 8)
    for strength in seen_from(maps[:, 0, pixel, pixel], images):
        assert middle(strength) == pixel


@CONVENTIONS
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_a_mirrored_photograph_has_mirrored_features(
    noise: Callable[..., Tensor], convention: Any, output_stride: Any
) -> None:
    """With mirrored kernels and 65 pixels, pixel p becomes 64 - p: cell i at 8 i becomes cell 8 - i, to the last bit.

    Of cells at 8 i + 3.5, the mirror image of one is none.
    """
    plain, mirrored = (tiny(convention, (1, 2, 3, 4), output_stride) for _ in range(2))
    with torch.no_grad():
        for module in mirrored.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.copy_(module.weight.flip(-1, -2))
    image = noise(1, 3, 65, 65)
    for expected, got in zip(plain(image), mirrored(image.flip(-1, -2)), strict=True):
        torch.testing.assert_close(got.flip(-1, -2), expected, rtol=1e-9, atol=1e-9)


@CONVENTIONS
def test_a_photograph_moved_by_eight_pixels_moves_its_features_by_a_cell(
    noise: Callable[..., Tensor], convention: Any
) -> None:
    image, backbone = noise(1, 3, 88, 88), tiny(convention, (2,))
    (first,), (moved,) = backbone(image[..., :80, :80]), backbone(image[..., 8:, 8:])
    torch.testing.assert_close(moved[..., 3:6, 3:6], first[..., 4:7, 4:7], rtol=1e-9, atol=1e-9)


def test_half_precision_has_the_weights_of_full_precision() -> None:
    """bfloat16 cannot tell pixel 599 from 600: positions are counted in float32."""
    exact = linear_weights(600, 300, 2, torch.zeros(0))
    assert (linear_weights(600, 300, 2, torch.zeros(0, dtype=torch.bfloat16)).float() - exact).abs().max() < 0.01


@pytest.mark.parametrize("classes", [2, 3, 6])
@pytest.mark.parametrize("resize", ["stretch", "letterbox", "letterbox-8", "longest"])
@pytest.mark.parametrize("original", [False, True])
def test_label_maps_equal_argmax_of_everything_upsampled(
    noise: Callable[..., Tensor], classes: int, resize: Any, original: bool
) -> None:
    place, size = Geometry(40, resize).place(30, 52), (5, 5)
    logits = noise(3, classes, *size)
    scores = upsample(logits, place.outer, 8)
    expected = (place.restore(scores) if original else scores).argmax(1)
    got = label_maps(logits, 8, place, original)
    assert got.dtype == torch.uint8
    assert torch.equal(got, expected.byte())
    assert set(got.unique().tolist()) == set(range(classes))


def test_of_equal_logits_the_first_is_taken() -> None:
    logits = torch.tensor([[0.0, 1, 1, 0], [0, 1, 0, 2], [0, 0, 1, 2]]).reshape(1, 3, 2, 2)
    assert label_maps(logits, 1, Placement((2, 2), (2, 2), (2, 2)), False).tolist() == [[[0, 0], [0, 1]]]
