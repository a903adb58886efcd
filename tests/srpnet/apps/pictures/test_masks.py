"""What a mask means, whatever program it comes from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from episodes.data.pictures.opening import Opened
from episodes.data.source import Array
from episodes.errors import InputError
from srpnet.apps.pictures.masks import label_map, object_map
from srpnet.apps.pictures.raster import Raster
from srpnet.apps.pictures.reading import read_mask

Make = Callable[[Array], Any]


def disc(radius: int = 12, height: int = 60, width: int = 80) -> Array:
    """A disc of 1 on 0, off the middle."""
    y, x = np.ogrid[:height, :width]
    return ((y - 25) ** 2 + (x - 30) ** 2 < radius**2).astype(np.uint8)


MASK = disc()
LEFT = MASK & (np.arange(80) < 30)
"""The left one of two instances."""


def with_ring(mask: Array, value: int) -> Array:
    """`mask` with a ring of two pixels around the object, as label maps have it."""
    grown = np.asarray(Image.fromarray(mask).filter(ImageFilter.MaxFilter(5)))
    return np.where(grown > mask, value, mask).astype(np.uint8)


def palette_picture(indices: Array, *colours: tuple[int, int, int], **info: Any) -> Image.Image:
    image = Image.fromarray(indices)
    image.putpalette([channel for colour in colours for channel in colour])
    image.info.update(info)
    assert image.mode == "P"
    return image


def colours(indices: Array, *palette: tuple[int, int, int]) -> Array:
    return np.array(palette, np.uint8)[indices]


def soft(mask: Array, blur: float = 1.5) -> Array:
    return np.asarray(Image.fromarray(mask * np.uint8(255)).filter(ImageFilter.GaussianBlur(blur)))


def saved(path: Path, pixels: Any, **options: Any) -> Path:
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)
    return path


BLACK, WHITE, GREY, RED, GREEN, BLUE = (
    (0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0), (0, 255, 0), (0, 0, 255),
)  # fmt: skip
CREAM = (224, 224, 192)

EXACT: dict[str, Make] = {
    "bool": lambda mask: mask.astype(bool),
    "0/1": lambda mask: mask,
    "0/128": lambda mask: mask * 128,
    "0/254": lambda mask: mask * 254,
    "1/255": lambda mask: np.where(mask, 255, 1).astype(np.uint8),
    "100/200": lambda mask: 100 + mask * 100,
    "int64": lambda mask: mask.astype(np.int64),
    "int32 0/255": lambda mask: mask.astype(np.int32) * 255,
    "16 bits 0/1": lambda mask: mask.astype(np.uint16),
    "16 bits": lambda mask: mask.astype(np.uint16) * 65535,
    "big-endian 16 bits": lambda mask: (mask * 65535.0).astype(">u2"),
    "float 0/1": lambda mask: mask.astype(float),
    "float 0/0.95": lambda mask: mask * np.float32(0.95),
    "float16": lambda mask: mask.astype(np.float16),
    "tensor": torch.from_numpy,
    "tensor (1, H, W)": lambda mask: torch.from_numpy(mask)[None].float(),
    "tensor of bool": lambda mask: torch.from_numpy(mask).bool(),
    "array (H, W, 1)": lambda mask: mask[..., None],
    "one bit": lambda mask: Image.fromarray(mask * 255).convert("1"),
    "RGB": lambda mask: np.dstack([mask * 255] * 3),
    "CMYK": lambda mask: Image.fromarray(np.dstack([mask * 255] * 3)).convert("CMYK"),
    "opaque RGBA": lambda mask: np.dstack([mask * 255] * 3 + [mask * 0 + 255]),
    "RGBA with alpha 254 or 255": lambda mask: np.dstack([mask * 255] * 3 + [254 + LEFT]),
    "RGBA of which a few pixels are transparent": lambda mask: np.dstack(
        [mask * 255] * 3 + [np.where(np.arange(80) < 1, np.arange(60)[:, None] > 9, True) * np.uint8(255)]
    ),
    "RGBA that is transparent everywhere": lambda mask: np.dstack([mask * 255] * 3 + [mask * 0]),
    "LA": lambda mask: Image.fromarray(mask * 255).convert("LA"),
    "cut-out on black": lambda mask: np.dstack([noise()[..., :3], mask * 255]),
    "cut-out with soft alpha": lambda mask: np.dstack([noise()[..., :3], soft(mask, 0.5)]),
    "grey cut-out": lambda mask: Image.fromarray(np.dstack([noise()[..., 0], mask * 255]), "LA"),
    "white strokes on nothing": lambda mask: np.dstack([mask * 0 + 255] * 3 + [mask * 255]),
    "black strokes on nothing": lambda mask: np.dstack([mask * 0] * 3 + [mask * 255]),
    "white and black on nothing": lambda mask: np.dstack(
        [mask * 255] * 3 + [np.asarray(disc(20)) * 255]
    ),
    "red on black": lambda mask: colours(mask, BLACK, RED),
    "blue on black": lambda mask: colours(mask, BLACK, BLUE),
    "red on white": lambda mask: colours(mask, WHITE, RED),
    "red on grey": lambda mask: colours(mask, (90, 91, 92), RED),
    "two instances in colours": lambda mask: colours(mask + LEFT, BLACK, BLUE, GREEN),
    "two instances on white": lambda mask: colours(mask + LEFT, WHITE, BLUE, (10, 90, 10)),
    "colours (3, H, W)": lambda mask: np.moveaxis(colours(mask, BLACK, RED), 2, 0),
    "colours of 16 bits": lambda mask: colours(mask, BLACK, RED).astype(np.uint16) * 257,
    "instances 1 and 2": lambda mask: mask + LEFT,
    "instances 1 and 5 as floats": lambda mask: (mask + LEFT * 4).astype(np.float32),
    "instances 100 and 200": lambda mask: (mask + LEFT) * 100,
    "instances 1000 and 26000": lambda mask: mask.astype(np.uint16) * 1000 + LEFT * np.uint16(25000),
    "index 0 white": lambda mask: palette_picture(1 - mask, WHITE, BLACK),
    "index 0 black": lambda mask: palette_picture(mask, BLACK, WHITE),
    "index 0 white, index 1 grey": lambda mask: palette_picture(1 - mask, WHITE, (50, 50, 50)),
    "greys out of order": lambda mask: palette_picture(7 - mask, *[WHITE] * 7, BLACK),
    "a palette of greys": lambda mask: Image.fromarray(mask * 255).convert("P"),
    "index 0 black, others in colour": lambda mask: palette_picture(mask * 3, BLACK, RED, GREEN, BLUE),
    "index 0 is the border's colour": lambda mask: palette_picture(mask, (10, 90, 10), RED),
    "red before black": lambda mask: palette_picture(1 - mask, RED, BLACK),
    "a transparent index": lambda mask: palette_picture(1 - mask, RED, GREEN, transparency=1),
    "transparency in bytes": lambda mask: palette_picture(1 - mask, RED, GREEN, transparency=b"\xff\x00"),
    "PA": lambda mask: palette_picture(1 - mask, RED, GREEN, transparency=1).convert("PA"),
}  # fmt: skip


def noise() -> Array:
    return np.random.default_rng(0).integers(1, 256, (60, 80, 4), dtype=np.uint8)


@pytest.mark.parametrize("make", EXACT.values(), ids=EXACT.keys())
def test_masks_without_a_border_are_read_exactly(make: Make) -> None:
    assert np.array_equal(read_mask(make(MASK)), MASK)


ONE: dict[str, tuple[Any, int]] = {
    "black": (np.zeros((4, 5, 3), np.uint8), 0),
    "white": (np.full((4, 5), 255, np.uint8), 1),
    "True": (np.ones((4, 5), bool), 1),
    "1.0": (torch.ones(4, 5), 1),
    "128": (np.full((4, 5), 128, np.uint8), 1),
    "one pixel": (np.ones((1, 1), np.uint8), 1),
    "white, at index 0": (palette_picture(np.zeros((4, 5), np.uint8), WHITE, BLACK), 1),
    "black, at index 1": (palette_picture(np.ones((4, 5), np.uint8), WHITE, BLACK), 0),
    "index 2 of labels": (palette_picture(np.full((4, 5), 2, np.uint8), BLACK, RED, GREEN), 1),
    "255 of labels": (palette_picture(np.full((4, 5), 255, np.uint8), *[BLACK, RED, *[GREEN] * 254]), 1),
}


@pytest.mark.parametrize(("mask", "expected"), ONE.values(), ids=ONE.keys())
def test_one_value_is_nothing_or_all(mask: Any, expected: int) -> None:
    assert (read_mask(mask) == expected).all()


IGNORED: dict[str, Make] = {
    "VOC's palette": lambda ring: palette_picture(ring, *[BLACK, RED, *[GREEN] * 253, CREAM]),
    "0/1/255": lambda ring: ring,
    "0/15/255": lambda ring: np.where(ring == 1, 15, ring).astype(np.uint8),
    "0/15/255 in 16 bits": lambda ring: np.where(ring == 1, 15, ring).astype(np.uint16),
    "0/15/255 times 257": lambda ring: np.where(ring == 1, 15, ring).astype(np.uint16) * 257,
    "0/90/255": lambda ring: np.where(ring == 1, 90, ring).astype(np.uint8),
    "floats": lambda ring: ring.astype(float),
    "VOC in colours": lambda ring: colours(ring.clip(0, 2), BLACK, (192, 128, 0), CREAM),
}


@pytest.mark.parametrize("make", IGNORED.values(), ids=IGNORED.keys())
def test_what_counts_neither_way_is_told_from_the_object(make: Make) -> None:
    ring = with_ring(MASK, 255)
    assert np.array_equal(read_mask(make(ring)), ring)


def test_scribbles_of_0_1_and_255_are_taken_as_they_are() -> None:
    scribbles = np.full((60, 80), 255, np.uint8)
    scribbles[20, 20:40], scribbles[50, 5:70] = 1, 0
    assert np.array_equal(read_mask(scribbles), scribbles)


@pytest.mark.parametrize(
    "deeper",
    [
        lambda eight: eight.astype(np.uint16) * 257,
        lambda eight: eight / 255,
        lambda eight: (eight / 255).astype(np.float32) * 0.95,
        lambda eight: eight.astype(np.int32) * 16,
        lambda eight: torch.from_numpy(eight)[None] / 255,
        lambda eight: Image.fromarray(eight),
        lambda eight: Image.fromarray(eight).convert("RGB"),
        lambda eight: Image.fromarray(eight).convert("P"),
    ],
    ids=["16 bits", "0..1", "0..0.95", "12 bits", "tensor", "image", "RGB", "palette"],
)
def test_soft_edges_are_cut_at_half_at_any_depth(deeper: Make) -> None:
    eight = soft(MASK)
    assert len(np.unique(eight)) > 50
    assert np.array_equal(read_mask(deeper(eight)), eight > 127)


@pytest.mark.parametrize("quality", [20, 50, 75, 95])
@pytest.mark.parametrize("ending", ["jpg", "webp"])
@pytest.mark.parametrize(
    "make",
    [
        lambda mask: mask * 255,
        lambda mask: colours(mask, BLACK, RED),
        lambda mask: colours(mask, WHITE, BLUE),
        lambda mask: colours(mask + LEFT, BLACK, BLUE, GREEN),
    ],
    ids=["black and white", "red on black", "blue on white", "two colours"],
)
def test_lossy_masks(make: Make, ending: str, quality: int, tmp_path: Path) -> None:
    large = np.kron(make(MASK), np.ones((4, 4, 1) if make(MASK).ndim == 3 else (4, 4), np.uint8))
    read = read_mask(saved(tmp_path / f"mask.{ending}", large, quality=quality))
    truth = np.kron(MASK, np.ones((4, 4), np.uint8))
    assert set(np.unique(read)) == {0, 1}
    assert (read & truth).sum() / (read | truth).sum() > 0.95


def test_the_noise_of_compression_is_no_label() -> None:
    """Black and white that was a JPEG once, and is a PNG now."""
    noise = np.zeros_like(MASK)
    noise[24:30, 18] = 2 * (1 - MASK[24:30, 18])
    assert 0 < (noise > 0).sum() < 20
    assert np.array_equal(read_mask(MASK * 255 + noise), MASK)


@pytest.mark.parametrize("levels", [4, 16])
def test_labels_of_few_bits_keep_their_values(levels: int) -> None:
    """Pillow spreads them over 0..255, so that the 3 of two bits would be 255."""
    values = MASK + LEFT * 2
    raster = Raster.of(Opened(Image.fromarray(values * np.uint8(255 // (levels - 1))), grey_levels=levels))
    assert np.array_equal(object_map(raster, "it"), MASK)
    assert np.array_equal(label_map(raster, 3, "it"), values)


def large_photograph() -> Image.Image:
    """Blurred noise of full contrast."""
    rough = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    return rough.resize((100, 100), Image.Resampling.BICUBIC)


REFUSED: dict[str, tuple[Make, str]] = {
    "a trimap": (lambda mask: with_ring(2 - mask, 3), "the values 1, 2, 3"),
    "labels without 0": (lambda mask: 2 - mask, "the values 1, 2"),
    "two light greys": (lambda mask: 254 + mask, "the values 254, 255"),
    "a trimap of three greys": (lambda mask: mask * 127 + disc(18) * 128, "the values 0, 128, 255"),
    "stretched labels": (lambda mask: (mask + LEFT + disc(4)) * 85, "the values 0, 85, 170, 255"),
    "labels with -1": (lambda mask: mask.astype(int) - LEFT * 2, "the values -1, 0, 1"),
    "a photograph": (lambda _: noise()[..., :3], "more than 1000 colours"),
    "a grey photograph": (lambda _: noise()[..., 0], r"255 values \(1, 2, 3, ... 255\)"),
    "red scribbles on a photograph": (
        lambda mask: np.where(mask[..., None], np.uint8(RED), noise()[..., :3]), "more than 1000 colours",
    ),
    "a photograph as palette": (lambda _: Image.fromarray(noise()[..., :3]).quantize(200), "200 colours"),
    "NaN": (lambda mask: np.where(mask, np.nan, 0.0), "NaN"),
    "no index 0": (lambda mask: palette_picture(mask + 1, RED, GREEN, BLUE), "the palette indices 1, 2"),
    "a photograph in 16 colours": (lambda _: large_photograph().quantize(16), "16 palette indices"),
    "a photograph in 16 greys": (lambda _: np.asarray(large_photograph().convert("L")) // 16, "16 values"),
    "a close-up on white": (lambda _: colours((np.indices((60, 80))[1] < 70).astype(int), WHITE, RED), "the colours"),
    "negative colours": (lambda mask: colours(mask, BLACK, RED) - 1.0, "the colours"),
    "black outlines on white": (lambda mask: colours(with_ring(mask, 2), WHITE, RED, BLACK), "the colours"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "holds"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_plainly_a_mask_is_refused_with_its_values(make: Make, holds: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=holds):
        read_mask(make(MASK))


@pytest.mark.parametrize("values", [(0, 1), (0, 3), (1, 40)])
def test_labels_in_a_lossy_format_are_refused(values: tuple[int, int], tmp_path: Path) -> None:
    large = np.kron(np.where(MASK, values[1], values[0]).astype(np.uint8), np.ones((4, 4), np.uint8))
    with pytest.raises(InputError, match=r"mask.jpg is not clearly a mask.* save it as PNG"):
        read_mask(saved(tmp_path / "mask.jpg", large, quality=95))


def test_a_mask_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "mask.png", np.rot90(MASK * 255), exif=exif)
    assert np.array_equal(read_mask(path), MASK)


# ------------------------------------------------------------------------------------------------- several classes


@pytest.mark.parametrize(
    "make",
    [
        lambda labels: labels,
        lambda labels: labels.astype(np.int64),
        lambda labels: labels.astype(float),
        lambda labels: labels.astype(np.uint16),
        lambda labels: torch.from_numpy(labels)[None],
        lambda labels: np.dstack([labels] * 3),
        lambda labels: palette_picture(labels, WHITE, BLACK, GREY),
        lambda labels: palette_picture(labels, BLACK, RED, GREEN, BLUE),
    ],
    ids=["uint8", "int64", "float", "16 bits", "tensor", "equal channels", "a palette of greys", "a palette"],
)
def test_labels_are_taken_at_full_depth(make: Make) -> None:
    labels = with_ring(MASK + LEFT, 255)
    assert np.array_equal(read_mask(make(labels), classes=2), labels)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda labels: labels + 2, r"a mask holds the label 3: 2 classes are 0\.\.2, and 255 is ignored"),
        (lambda labels: labels * 0.5, r"holds the label 0\.5"),
        (lambda labels: labels.astype(int) * 257, r"holds the label 257"),
        (lambda labels: labels.astype(int) - 1, r"holds the label -1"),
        (lambda labels: colours(labels, BLACK, RED, GREEN), "holds colours and not labels"),
    ],
)
def test_anything_but_labels_is_refused(make: Make, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_mask(make(MASK + LEFT), classes=2)


def test_labels_are_not_taken_from_jpeg(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mask.jpg has a format that changes labels"):
        read_mask(saved(tmp_path / "mask.jpg", MASK + LEFT), classes=2)
