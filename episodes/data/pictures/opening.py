"""Open a picture file at its full depth, whatever wrote it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from episodes.data.pictures.depth import Values
from episodes.errors import InputError
from episodes.inputs import check_regular

RUN_PROGRAMS = {"EPS"}
"""Formats that are programs: Pillow hands them to Ghostscript, if it is there."""
LOSSY = {"JPEG", "MPO", "WEBP", "AVIF", "HEIF", "JPEG2000"}
"""Formats that may change the values."""

TURNS: dict[int, Callable[[Values], Values]] = {
    2: lambda values: values[:, ::-1],
    3: lambda values: values[::-1, ::-1],
    4: lambda values: values[::-1],
    5: lambda values: values.swapaxes(0, 1),
    6: lambda values: np.rot90(values, -1),
    7: lambda values: values[::-1, ::-1].swapaxes(0, 1),
    8: lambda values: np.rot90(values),
}
"""What turns the pixels of an EXIF orientation upright."""

_FAILURES = (OSError, SyntaxError, ValueError, EOFError, MemoryError, Image.DecompressionBombError)
"""What Pillow raises for files that are damaged, or no pictures."""


class Opened(NamedTuple):
    """A picture, read.

    Attributes:
        pixels: A Pillow image in its own mode; or colours of more than eight bits, (H, W, C).
        lossy: Whether its format may have changed the values.
        grey_levels: 4 or 16 where Pillow has spread so many over 0..255, else 256.
    """

    pixels: Image.Image | Values
    lossy: bool = False
    grey_levels: int = 256


def open_picture(path: Path | str, upright: bool = False) -> Opened:
    """Read a file's first picture; `upright` turns it as its EXIF data say (which Pillow does with every TIFF).

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is damaged or no picture, or takes a library that is not there.
    """
    check_regular(path)
    with readable(path):
        try:
            image = head(path)
        except UnidentifiedImageError:
            if not _is_tiff(path):
                raise
            return Opened(_read_tiff(path))  # of kinds that Pillow does not know
        with image:
            return read_image(image, upright, in_place=True)


def check_picture(path: Path | str) -> None:
    """Look at a file's head alone.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is not a picture, or takes a library that is not there.
    """
    check_regular(path)
    with readable(path):
        try:
            head(path).close()
        except UnidentifiedImageError:
            if not _is_tiff(path):
                raise
            _library("tifffile", "tiff", path)


@contextmanager
def readable(name: Path | str) -> Iterator[None]:
    """Turns what Pillow raises of a picture, but that its file is missing, into an `InputError` that names it."""
    try:
        yield
    except (FileNotFoundError, InputError):
        raise
    except _FAILURES as error:
        raise _unreadable(name, error) from None


def read_image(image: Image.Image, upright: bool = False, in_place: bool = False) -> Opened:
    """The pixels of a Pillow image; if they are still to be read, then from its file and at full depth.

    Raises:
        OSError, SyntaxError, ValueError, InputError: The file is damaged, or takes a library that is not there.
    """
    raw, path = _raw_mode(image), getattr(image, "filename", "")
    bits = image.tag_v2.get(ExifTags.Base.BitsPerSample, (8,)) if isinstance(image, TiffImageFile) else (8,)
    if path and len(bits) > 1 and max(bits) > 8 and ";16" not in raw:  # planes, which Pillow reads as noise
        return Opened(_read_tiff(path))
    if path and ";16" in raw and image.mode in ("RGB", "RGBA"):
        values = _sixteen_bits(image, path, raw)
        return Opened(_turned(values, image.getexif().get(ExifTags.Base.Orientation, 1)) if upright else values)
    lossy = image.format in LOSSY
    image.load()
    if upright and in_place:  # of a large photograph every copy counts
        ImageOps.exif_transpose(image, in_place=True)
    elif upright:
        image = ImageOps.exif_transpose(image)
    return Opened(image, lossy, {"L;2": 4, "L;4": 16}.get(raw, 256))


def head(path: Path | str) -> Image.Image:
    """Pillow's `open`, which reads the head, with a plugin for what it cannot read itself."""
    try:
        image = Image.open(path)
        if image.format in RUN_PROGRAMS:
            image.close()
            raise ValueError(f"{image.format} is a program, not a picture: save it as PNG")
        return image
    except UnidentifiedImageError:
        brand = _start(path)[4:12]
        if brand[:4] != b"ftyp":
            raise
        if brand[4:] in (b"avif", b"avis"):
            raise InputError(f"{path} is AVIF, which needs Pillow 11.3 or newer: pip install -U pillow") from None
        if brand[4:] not in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"):
            raise
    _library("pillow_heif", "heif", path).register_heif_opener()
    return Image.open(path)


def _sixteen_bits(image: Image.Image, path: str, raw: str) -> Values:
    """Colours of 16 bits (H, W, C), of which Pillow reads the high bytes, or, taking them for swapped, the low ones."""
    with Image.open(path) as swapped:
        if raw == "LA;16B":  # both bytes of both, as if they were four channels
            swapped.tile = [_with_raw_mode(tile, "RGBA") for tile in swapped.tile]
            return np.ascontiguousarray(swapped).view(">u2")
        native = {"little": "L", "big": "B"}[sys.byteorder]
        other = {"L": "B", "B": "L"}[native if raw[-1] == "N" else raw[-1]]
        swapped.tile = [_with_raw_mode(tile, raw[:-1] + other) for tile in swapped.tile]
        return np.asarray(image).astype(np.uint16) << 8 | np.asarray(swapped)


def _with_raw_mode(tile: Any, raw: str) -> Any:
    arguments = raw if isinstance(tile[3], str) else (raw, *tile[3][1:])
    changed = (*tile[:3], arguments)
    return tile._make(changed) if hasattr(tile, "_make") else changed  # a plain tuple before Pillow 11


def _read_tiff(path: Path | str) -> Values:
    """The first page of any depth, (H, W) or (H, W, C), upright, as Pillow turns every TIFF."""
    tifffile = _library("tifffile", "tiff", path)
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            if page.imagewidth * page.imagelength > 2 * (Image.MAX_IMAGE_PIXELS or 2**31):
                raise ValueError(f"{page.imagewidth} x {page.imagelength} pixels are too many")
            if page.photometric.name not in ("MINISBLACK", "RGB"):
                raise ValueError(f"its colours are {page.photometric.name}: save it in grey or RGB")
            values, axes, orientation = page.asarray(), page.axes, page.tags.valueof(ExifTags.Base.Orientation, 1)
    except Exception as error:  # of a damaged file it raises anything, from KeyError to zlib.error
        raise _unreadable(path, error) from None
    if axes not in ("YX", "YXS", "SYX"):
        raise InputError(f"{path} has the axes {axes}: save one picture, in grey or RGB")
    return _turned(np.moveaxis(values, 0, 2) if axes == "SYX" else values, orientation)


def _raw_mode(image: Image.Image) -> str:
    """How the pixels lie in a file that is still to be read, in Pillow's terms; "" of any other image."""
    tile = getattr(image, "tile", None)
    if not tile:
        return ""
    arguments = tile[0][3]
    return str(arguments if isinstance(arguments, str) else arguments[0] if arguments else "")


def _turned(values: Values, orientation: int) -> Values:
    return np.ascontiguousarray(TURNS[orientation](values)) if orientation in TURNS else values


def _library(name: str, extra: str, path: Path | str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError:
        library = name.replace("_", "-")
        raise InputError(f"{path} needs {library} to be read: pip install 'srpnet[{extra}]'") from None


def _is_tiff(path: Path | str) -> bool:
    return _start(path)[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _start(path: Path | str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(12)


def _unreadable(name: Path | str, error: Exception) -> InputError:
    return InputError(f"{name} cannot be read as a picture ({error}): replace the file")
