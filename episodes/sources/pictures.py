"""Picture files of data sets."""

from pathlib import Path

import numpy as np
from PIL import Image

from episodes.errors import InputError
from episodes.sources.base import Array, Labels


def read_photograph(path: Path) -> Array:
    """RGB (H, W, 3) as stored. EXIF orientation is not applied: a data set's masks lie on the stored pixels.

    Raises:
        InputError: The file is missing, truncated or no picture.
    """
    return np.array(open_picture(path).convert("RGB"))


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
        InputError: The file is missing, truncated or no picture.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise InputError(f"{path} is not there: every id needs its photograph and its mask") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as a picture ({error}): replace the file") from None
