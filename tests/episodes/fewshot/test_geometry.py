"""Geometry: placements by hand, padding that counts for nothing, and scores that come back to where they were."""

import pytest
import torch
from torch import Tensor

from episodes.fewshot.geometry import Geometry, Placement, Resize

ODD = [(31, 77), (77, 31), (33, 33), (1, 50), (50, 1), (101, 64), (64, 101)]


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(
    ("resize", "height", "width", "inner", "outer"),
    [
        ("stretch", 30, 50, (64, 64), (64, 64)),
        ("stretch", 500, 3, (64, 64), (64, 64)),
        ("letterbox", 30, 120, (16, 64), (64, 64)),
        ("letterbox", 128, 128, (64, 64), (64, 64)),
        ("letterbox", 120, 31, (64, 17), (64, 64)),  # 31 * 64 / 120 = 16.53
        ("letterbox", 10, 20, (32, 64), (64, 64)),
        ("letterbox", 1, 1000, (1, 64), (64, 64)),  # 0.064 of a pixel is still one
        ("longest", 30, 120, (16, 64), (16, 64)),
        ("longest", 120, 31, (64, 17), (64, 17)),
        ("longest", 64, 64, (64, 64), (64, 64)),
    ],
)
def test_places(resize: Resize, height: int, width: int, inner: tuple[int, int], outer: tuple[int, int]) -> None:
    assert Geometry(64, resize).place(height, width) == Placement((height, width), inner, outer)


def test_native_changes_nothing() -> None:
    place = Geometry.native().place(375, 501)
    assert place == Placement((375, 501), (375, 501), (375, 501))
    image, labels = noise(3, 375, 501), torch.arange(375 * 501).reshape(375, 501).byte()
    assert place.image(image).equal(image)
    assert place.labels(labels).equal(labels)
    assert place.valid().all()
    assert place.restore(image[None]).equal(image[None])


@pytest.mark.parametrize("size", [32, 47, 473])
@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 333), (7, 9), (641, 427)])
def test_the_longer_side_is_the_size(size: int, height: int, width: int) -> None:
    place = Geometry(size, "letterbox").place(height, width)
    assert max(place.inner) == size
    assert place.inner[0] / place.inner[1] == pytest.approx(height / width, rel=1 / min(place.inner))


@pytest.mark.parametrize("size", [31, 0, -64])
def test_a_size_that_is_too_small(size: int) -> None:
    with pytest.raises(ValueError, match=f"size {size} is too small: at least 32"):
        Geometry(size)


@pytest.mark.parametrize(("height", "width"), ODD)
@pytest.mark.parametrize("resize", ["stretch", "letterbox", "longest"])
def test_shapes_of_odd_sizes(resize: Resize, height: int, width: int) -> None:
    place = Geometry(45, resize).place(height, width)
    assert place.image(noise(3, height, width)).shape == (3, *place.outer)
    assert place.labels(torch.zeros(height, width, dtype=torch.uint8)).shape == place.outer
    assert place.valid().shape == place.outer
    assert place.restore(noise(2, 3, *place.outer)).shape == (2, 3, height, width)


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "longest"])
def test_padding_is_not_valid_and_255(resize: Resize) -> None:
    place = Geometry(64, resize).place(20, 80)
    image = place.image(torch.full((3, 20, 80), 0.2))
    labels = place.labels(torch.full((20, 80), 7, dtype=torch.uint8))
    valid = place.valid()
    assert valid.sum() == place.inner[0] * place.inner[1]
    assert valid[: place.inner[0], : place.inner[1]].all()
    torch.testing.assert_close(image[:, valid], torch.full((3, int(valid.sum())), 0.2))
    assert (image[:, ~valid] == 0.45).all()
    assert (labels[valid] == 7).all()
    assert (labels[~valid] == 255).all()
    assert (image.dtype, labels.dtype, valid.dtype) == (torch.float32, torch.uint8, torch.bool)


def test_results_are_plain_tensors() -> None:
    place = Geometry(32, "letterbox").place(20, 40)
    assert type(place.image(noise(3, 20, 40))) is Tensor
    assert type(place.labels(torch.zeros(20, 40, dtype=torch.uint8))) is Tensor


@pytest.mark.parametrize(("height", "width"), ODD)
@pytest.mark.parametrize("resize", ["stretch", "letterbox", "longest"])
def test_resizing_makes_no_new_labels(resize: Resize, height: int, width: int) -> None:
    values = torch.tensor([0, 7, 200, 255], dtype=torch.uint8)
    labels = values[torch.randint(4, (height, width), generator=torch.Generator().manual_seed(1))]
    for size in (32, 45, 90):
        placed = Geometry(size, resize).place(height, width).labels(labels)
        assert set(placed.unique().tolist()) <= set(values.tolist())


def test_labels_at_twice_the_size_repeat_each_pixel() -> None:
    labels = (torch.arange(32 * 32) % 251).to(torch.uint8).reshape(32, 32)
    place = Geometry(64).place(32, 32)
    assert torch.equal(place.labels(labels), labels.repeat_interleave(2, 0).repeat_interleave(2, 1))


def test_shrinking_an_image_takes_means_not_single_pixels() -> None:
    columns = torch.tensor([1.0, 0.0, 0.0, 1.0]).repeat(32).expand(3, 128, 128)
    shrunk = Geometry(32).place(128, 128).image(columns)
    assert (shrunk - 0.5).abs().max() < 0.1


def test_the_size_itself_changes_nothing() -> None:
    image, labels = noise(3, 40, 40), (255 * noise(40, 40)).byte()
    scores = noise(1, 2, 40, 40)
    place = Geometry(40).place(40, 40)
    assert torch.equal(place.image(image), image)
    assert torch.equal(place.labels(labels), labels)
    assert torch.equal(place.restore(scores), scores)


@pytest.mark.parametrize(("height", "width"), ODD)
@pytest.mark.parametrize("resize", ["stretch", "letterbox", "longest"])
def test_restores_a_constant(resize: Resize, height: int, width: int) -> None:
    place = Geometry(45, resize).place(height, width)
    scores = torch.tensor([0.25, -3.0])[None, :, None, None].expand(1, 2, *place.outer)
    torch.testing.assert_close(place.restore(scores), scores[:, :, :1, :1].expand(1, 2, height, width))


@pytest.mark.parametrize("size", [(6, 6), (64, 17), (16, 64), (63, 64), (1, 1)])
def test_scores_of_another_size_are_refused(size: tuple[int, int]) -> None:
    """On a feature grid cells lie elsewhere than a resize by size alone would put them: see `srpnet.nn.grid`."""
    place = Geometry(64, "letterbox").place(30, 120)
    with pytest.raises(ValueError, match=rf"scores of size \({size[0]}, {size[1]}\) .* placed photograph: \(64, 64\)"):
        place.restore(noise(1, 2, *size))


def centres(count: int, span: float) -> Tensor:
    """The middles of `count` equal steps over 0..span."""
    return (torch.arange(count) + 0.5) * span / count


@pytest.mark.parametrize("resize", ["letterbox", "stretch", "longest"])
@pytest.mark.parametrize(("height", "width"), [(40, 80), (80, 40)])
def test_restores_a_ramp(resize: Resize, height: int, width: int) -> None:
    """A ramp over the photograph as placed is a ramp over the photograph as it was."""
    place = Geometry(64, resize).place(height, width)
    down = centres(place.outer[0], place.outer[0] / place.inner[0])[:, None].expand(place.outer)
    right = centres(place.outer[1], place.outer[1] / place.inner[1]).expand(place.outer)
    restored = place.restore(torch.stack([down, right])[None])[0]
    edge = 2  # beyond the middle of the outermost pixel there is nothing to interpolate
    inside = (slice(edge, height - edge), slice(edge, width - edge))
    torch.testing.assert_close(restored[0][inside], centres(height, 1.0)[:, None].expand(height, width)[inside])
    torch.testing.assert_close(restored[1][inside], centres(width, 1.0).expand(height, width)[inside])


def test_padding_does_not_come_back() -> None:
    place = Geometry(64, "letterbox").place(40, 80)
    scores = torch.where(place.valid(), 1.0, -9.0)[None, None]
    torch.testing.assert_close(place.restore(scores), torch.ones(1, 1, 40, 80))
