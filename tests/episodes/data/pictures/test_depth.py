"""Pictures of any depth as eight bits: by the values in use."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from episodes.data.pictures.depth import as_rgb, eight_bits
from episodes.errors import InputError


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 7, 255]], np.uint8), [0, 7, 255]),
        (np.array([[0, 1]], np.uint8), [0, 1]),
        (np.array([[False, True]]), [0, 255]),
        (np.array([[0, 0.5, 1]]), [0, 128, 255]),
        (np.array([[0, 0.5]], np.float16), [0, 128]),
        (np.array([[-0.02, 0.5, 1.04]]), [0, 128, 255]),
        (np.array([[0.0, 100, 200]]), [0, 100, 200]),
        (np.array([[-4.0, 100, 259]]), [0, 100, 255]),
        (np.array([[0, 100, 200]], np.uint16), [0, 100, 200]),
        (np.array([[0, 100, 200]], np.int64), [0, 100, 200]),
        (np.array([[0, 1]], np.int64), [0, 1]),
        (np.array([[0, 2048, 4095]], np.uint16), [0, 128, 255]),
        (np.array([[0, 1000]], np.uint16), [0, 62]),
        (np.array([[0, 257, 65535]], np.uint16), [0, 1, 255]),
        (np.array([[0, 257 * 90]], ">u2"), [0, 90]),
        (np.array([[0, 32768, 65535]], np.int32), [0, 128, 255]),
        (np.array([[0, 2**23, 2**24 - 1]], np.int32), [0, 128, 255]),
        (np.array([[0, 2**31 - 1]], np.int32), [0, 128]),
    ],
    ids=lambda values: str(getattr(values, "dtype", values)),
)
def test_the_values_in_use_tell_the_scale(values: Any, expected: list[int]) -> None:
    scaled = eight_bits(values, "it")
    assert scaled.dtype == np.uint8
    assert scaled.tolist() == [expected]


def test_eight_bits_are_not_copied() -> None:
    values = np.zeros((2, 2), np.uint8)
    assert eight_bits(values, "it") is values


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ([0.0, 1.0, np.nan, 1.0], r"it contains NaN or infinite values \(25.00% of them\)"),
        ([0.0, np.inf], "it contains NaN or infinite values"),
        ([-2.1, 0.3, 2.6], r"it holds values from -2.1 to 2.6: .* \(undo a normalisation first\)"),
        ([-1.0, 1.0], "it holds values from -1 to 1"),
        ([0.0, 1.5], "it holds values from 0 to 1.5"),
        ([-1, 3], "it holds values from -1 to 3"),
        ([0.0, 1e12], r"it holds values from 0 to 1e\+12"),
    ],
)
def test_what_has_no_scale_is_refused(values: list[float], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        eight_bits(np.array([values]), "it")


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"]
)
def test_every_mode_becomes_rgb(mode: str) -> None:
    rgb = as_rgb(Image.new(mode, (3, 2)), "it")
    assert (rgb.mode, rgb.size) == ("RGB", (3, 2))


@pytest.mark.filterwarnings("error")
def test_transparency_of_a_palette_is_dropped_in_silence() -> None:
    image = Image.new("P", (2, 1), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.info["transparency"] = b"\x00\x80"
    assert as_rgb(image, "it").getpixel((0, 0)) == (10, 20, 30)


@pytest.mark.parametrize(("channels", "expected"), [(1, [7, 7, 7]), (2, [7, 7, 7]), (3, [7, 9, 255]), (4, [7, 9, 255])])
def test_deep_channels_are_grey_or_colours_and_perhaps_alpha(channels: int, expected: list[int]) -> None:
    values = np.full((2, 2, channels), 65535, np.uint16)
    values[0, 0] = 257 * np.array({1: [7], 2: [7, 80], 3: [7, 9, 255], 4: [7, 9, 255, 80]}[channels])
    assert np.asarray(as_rgb(values, "it"))[0, 0].tolist() == expected


def test_other_channels_are_refused() -> None:
    with pytest.raises(InputError, match="it has 5 channels"):
        as_rgb(np.zeros((2, 2, 5)), "it")
