"""Picture files of data sets."""

from pathlib import Path

import numpy as np
from PIL import Image

from episodes.errors import InputError
from episodes.sources import opening
from episodes.sources.base import Array, Labels
from episodes.sources.depth import Values, as_rgb


def read_photograph(path: Path) -> Array:
    """RGB (H, W, 3) as stored. EXIF orientation is not applied: a data set's masks lie on the stored pixels.

    Raises:
        InputError: The file is missing, truncated or no picture.
    """
    return np.array(as_rgb(_opened(path), str(path)))


def check_sizes(photograph: Array, labels: Labels, place: Path) -> None:
    """`InputError`, naming `place`, unless the label map (H, W) covers the photograph (H, W, 3) exactly."""
    if photograph.shape[:2] != labels.shape:
        (height, width), (mask_height, mask_width) = photograph.shape[:2], labels.shape
        raise InputError(
            f"{place}: the mask is {mask_width} x {mask_height} pixels, its photograph {width} x {height}: "
            "make them one size"
        )


def open_picture(path: Path) -> Image.Image:
    """A picture with its pixels, in its own mode.

    Raises:
        InputError: The file is missing, truncated or no picture, or has colours of more than eight bits.
    """
    pixels = _opened(path)
    if not isinstance(pixels, Image.Image):
        raise InputError(f"{path} has colours of {pixels.dtype}: save it with eight bits")
    return pixels


def _opened(path: Path) -> Image.Image | Values:
    try:
        return opening.open_picture(path).pixels
    except FileNotFoundError:
        raise InputError(f"{path} is not there: every id needs its photograph and its mask") from None
