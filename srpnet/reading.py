"""Read a person's photographs and masks from paths, PIL images or arrays."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from episodes.errors import InputError
from episodes.sources.base import IGNORE, Array

Picture = str | Path | Image.Image | Array


def read_photograph(picture: Picture) -> Image.Image:
    """A picture in RGB, turned upright as its EXIF data say.

    Raises:
        InputError: if it is no readable picture.
    """
    image = _open(picture, "photograph")
    if image.mode.startswith("I"):  # 16-bit grey, which `convert` would cut off at 255
        image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
    return image if image.mode == "RGB" else image.convert("RGB")


def read_mask(picture: Picture, classes: int = 1) -> Array:
    """A label map uint8 (H, W): 0 background, 1..N classes, 255 counts neither way.

    With one class the object is what is painted bright: values above half of the largest, so that 0/1 and 0/255 masks
    and soft or compressed edges all work; a label map of 0, 1 and 255 is taken as it is. A picture with transparency (a
    cut-out) is the object where it is opaque. In a palette picture (as in PASCAL VOC) every index is an object, but 255
    beside others counts neither way. With more classes the values, or the palette indices, are the labels.

    Raises:
        InputError: if it is no readable picture, or holds labels above N.
    """
    image = _open(picture, "mask")
    cut_out = image.mode in ("RGBA", "LA", "PA") and bool((np.asarray(image.getchannel("A")) < 255).any())
    channel = image.getchannel("A") if cut_out else image if image.mode == "P" else image.convert("L")
    values = np.array(channel)
    if classes > 1:
        if strange := sorted(set(np.unique(values).tolist()) - {*range(classes + 1), IGNORE}):
            raise InputError(
                f"{_name(picture, 'mask')} holds the label {strange[0]}: {classes} classes are 0..{classes}"
            )
        return values
    if image.mode == "P":
        neither = (values == IGNORE) & bool(((values > 0) & (values < IGNORE)).any())
        return np.where(neither, IGNORE, values > 0).astype(np.uint8)
    if set(np.unique(values).tolist()) == {0, 1, IGNORE}:
        return values
    return (values > values.max() / 2).astype(np.uint8)


def described(labels: Array) -> str:
    """What a label map (H, W) of `read_mask` shows, in words: "10 % object, under 1 % ignored".

    Classes beyond the first are named one by one: "10 % class 1, 4 % class 2".
    """
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    one = not ((values > 1) & (values < IGNORE)).any()
    words = {1: "object", IGNORE: "ignored"} if one else {IGNORE: "ignored"}
    shares = {int(value): count / labels.size for value, count in zip(values, counts, strict=True)}
    if one:
        shares = {1: 0.0, **shares}
    return ", ".join(f"{_percent(share)} {words.get(value, f'class {value}')}" for value, share in shares.items())


def _percent(share: float) -> str:
    """Whole percent, but neither "0 %" of something nor "100 %" of less than all."""
    if 0 < share < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", " %")


def check_photograph(path: Path) -> None:
    """Look at a file's head alone.

    Raises:
        InputError: if it is no picture.
    """
    try:
        with Image.open(path):
            pass
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str | Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read as a picture ({error})")


def _open(picture: Picture, what: str) -> Image.Image:
    if isinstance(picture, np.ndarray):
        shapes = ((2,), (3, 3), (3, 4))
        if picture.dtype not in (np.uint8, np.bool_) or (picture.ndim, *picture.shape[2:]) not in shapes:
            raise InputError(f"a {what} array must be uint8 (H, W) or (H, W, 3), not {picture.dtype} {picture.shape}")
        return Image.fromarray(picture.astype(np.uint8))
    try:
        if isinstance(picture, Image.Image):
            return ImageOps.exif_transpose(picture)  # which reads it, if nobody has yet
        with Image.open(picture) as image:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # of a large photograph every copy counts
            return image
    except FileNotFoundError:
        raise InputError(f"there is no {what} {picture}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{_name(picture, what)} cannot be read as a picture ({error})") from None


def _name(picture: Picture, what: str) -> str:
    return str(picture) if isinstance(picture, str | Path) else f"a {what}"
