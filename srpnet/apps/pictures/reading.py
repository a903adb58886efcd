"""Read a person's photographs and masks from paths, Pillow images, arrays or tensors."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar, Union

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from episodes.data.pictures import opening
from episodes.data.pictures.depth import Values, as_rgb
from episodes.data.pictures.images import head
from episodes.data.pictures.opening import Opened, check_picture, read_image, readable
from episodes.data.source import IGNORE, Array
from episodes.errors import InputError, warn
from episodes.threads import map_in_threads
from srpnet.apps.pictures.masks import label_map, object_map
from srpnet.apps.pictures.raster import Raster

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
Picture = Union[str, Path, Image.Image, NDArray[Any], "Tensor"]

RECOGNISED_ONLY = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
"""Formats that Pillow recognises, but cannot read, or only with another program."""
PLUGINS = {".avif", ".heic", ".heif", ".hif"}
"""Endings of photographs that Pillow reads with a plugin."""

SAMPLE = (64, 64)
"""The pixels of a photograph that are looked at to tell whether it is nearly constant."""

NEARLY_CONSTANT = 3
"""A photograph whose channels all vary by fewer steps of 255 shows nothing."""


def read_photograph(picture: Picture) -> Image.Image:
    """A photograph in RGB, turned upright as its EXIF data say.

    Deeper than eight bits, it is scaled by the values in use: see `episodes.data.pictures.depth`. An array or tensor is
    grey (H, W), or has colours (H, W, 3) or (3, H, W), of any number type. A nearly constant one gets a warning.

    Raises:
        InputError: if it is not a readable picture.
    """
    name = str(picture) if isinstance(picture, str | Path) else "a photograph"
    with readable(name):
        photograph = as_rgb(_opened(picture, "photograph").pixels, name)
    sample = np.asarray(photograph.resize(SAMPLE, Image.Resampling.NEAREST)).reshape(-1, 3)
    if min(photograph.size) > 1 and np.ptp(sample, axis=0).max() < NEARLY_CONSTANT:
        colour = tuple(sample[0].tolist())
        warn(f"{name} is almost a single colour, RGB {colour}: is it the right photograph?")
    return photograph


def read_mask(picture: Picture, classes: int = 1) -> Array:
    """A label map uint8 (H, W): 0 background, 1..N classes, 255 is ignored.

    With one class, what is painted is the object: `srpnet.apps.pictures.masks` tells how. With more, the values, or
    the palette indices, are the labels.

    Raises:
        InputError: if it is not a readable picture, or not clearly a mask; the values in it are listed.
    """
    name = str(picture) if isinstance(picture, str | Path) else "a mask"
    with readable(name):
        raster = Raster.of(_opened(picture, "mask"))
    return object_map(raster, name) if classes == 1 else label_map(raster, classes, name)


def read_strokes(picture: Picture) -> Image.Image:
    """A picture of strokes in RGB; what is transparent is black.

    Raises:
        InputError: if it is not a readable picture.
    """
    name = str(picture) if isinstance(picture, str | Path) else "a picture of strokes"
    with readable(name):
        pixels = _opened(picture, "picture of strokes").pixels
        if isinstance(pixels, Image.Image) and pixels.has_transparency_data:
            strokes = pixels.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", strokes.size, "black"), strokes).convert("RGB")
        return as_rgb(pixels, name)


def described(labels: Array, names: Sequence[str] = ("object",)) -> str:
    """What a label map (H, W) shows of the classes, in words: "10 % object, under 1 % ignored".

    Of several classes those are named that it shows: "10 % cup, 4 % plate".
    """
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    words = {**dict(enumerate(names, start=1)), IGNORE: "ignored"}
    shares = {int(value): count / labels.size for value, count in zip(values, counts, strict=True)}
    if len(names) == 1:
        shares = {1: 0.0, **shares}
    return ", ".join(f"{_percent(share)} {words[value]}" for value, share in shares.items())


def _percent(share: float) -> str:
    """Whole percent, but neither "0 %" of something nor "100 %" of less than all."""
    if 0 < share < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", " %")


def declared_size(picture: Picture) -> tuple[int, int] | None:
    """Width and height as a file's header declares them, upright; None if it is not a file or has no such header."""
    if not isinstance(picture, str | Path):
        return None
    try:
        height, width = head(Path(picture)).upright
    except InputError:  # which reading it says better
        return None
    return width, height


def check_photograph(path: Path) -> None:
    """Look at a file's head alone.

    Raises:
        InputError: if it is not a picture.
    """
    try:
        check_picture(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} cannot be read as a picture ({error})") from None


def read_ahead(paths: Iterable[Path], read: Callable[[Path], T]) -> Iterator[tuple[Path, T | InputError]]:
    """Each path and what is read of it, a few ahead in threads; in the place of what cannot be read its error."""

    def careful(path: Path) -> tuple[Path, T | InputError]:
        try:
            return path, read(path)
        except InputError as error:
            return path, error

    return map_in_threads(careful, paths)


def picture_suffixes() -> frozenset[str]:
    """Lower-case endings of pictures that Pillow reads, or would read with a plugin that may not be installed."""
    formats = Image.registered_extensions()
    known = set(Image.OPEN) - RECOGNISED_ONLY
    return frozenset(suffix for suffix, name in formats.items() if name in known) | PLUGINS


def paired(
    images: Picture | Iterable[Picture], masks: Picture | Iterable[Picture]
) -> tuple[list[Picture], list[Picture]]:
    """Photographs and masks in lists, whether several are given, one alone, or a stack of arrays."""
    photographs = _listed(images, 3)
    return photographs, _listed(masks, 3 if len(photographs) == 1 else 2)


def _listed(pictures: Picture | Iterable[Picture], most_axes: int) -> list[Picture]:
    """`most_axes`: of an array that is one picture."""
    if isinstance(pictures, np.ndarray) or _is_tensor(pictures):
        return [pictures] if pictures.ndim <= most_axes else [*pictures]
    if isinstance(pictures, str | Path | Image.Image) or not isinstance(pictures, Iterable):
        return [pictures]
    return [*pictures]


def _is_tensor(picture: object) -> "TypeGuard[Tensor]":
    """Without importing PyTorch, which takes seconds: whoever has a tensor has done so."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(picture, torch.Tensor)


def _opened(picture: Picture, what: str) -> Opened:
    if isinstance(picture, str | Path):
        try:
            return opening.open_picture(Path(picture), upright=True)
        except FileNotFoundError:
            raise InputError(f"there is no {what} {picture}") from None
    if isinstance(picture, Image.Image):
        return read_image(picture, upright=True)
    expected = (
        f"a {what} must be a path, a Pillow image, or an array or tensor of numbers (H, W), (H, W, 3) or (3, H, W)"
    )
    if _is_tensor(picture):
        values = picture.detach().cpu().to_dense()
        values = values.float() if values.is_floating_point() else values  # NumPy knows no bfloat16
        return Opened(_channels_last(values.numpy(), (0, 2), expected))
    if isinstance(picture, np.ndarray):
        return Opened(_channels_last(picture, (2, 0), expected))
    raise InputError(f"{expected}, not {type(picture).__name__}")


def _channels_last(values: Values, axes: tuple[int, ...], expected: str) -> Values:
    """(H, W) or (H, W, C), where the channels lie on the first of these axes that has 1, 3 or 4 entries."""
    numbers = np.issubdtype(values.dtype, np.integer) or np.issubdtype(values.dtype, np.floating)
    if values.size and (numbers or values.dtype == np.bool_):
        if values.ndim == 2:
            return values
        for axis in axes if values.ndim == 3 else ():
            if values.shape[axis] in (1, 3, 4):
                return np.moveaxis(values, axis, 2)
    raise InputError(f"{expected}, not {values.dtype} {values.shape}")
