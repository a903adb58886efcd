"""Picture files of data sets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from episodes.data.pictures import opening
from episodes.data.pictures.depth import as_rgb
from episodes.data.source import Array
from episodes.errors import InputError
from episodes.inputs import check_regular

Size = tuple[int, int]
"""Height and width in pixels."""
ORIENTATION = 0x0112
"""The EXIF tag that says how to turn a photograph: 1 is as stored."""
ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
"""What the last bytes of a whole file hold; one without it is decoded to see."""
TAIL = 64

UPRIGHT = "photographs with an EXIF rotation, used upright because only that fits their annotation"
STORED = "photographs with an EXIF rotation, used as stored because only that fits their annotation"
UNSURE = "photographs with an EXIF rotation that fit their annotation either way, used as stored: check some of them"


class PictureError(InputError):
    """A photograph or a mask that cannot be used."""

    kind: ClassVar[str] = "photographs or masks that cannot be read"


class Missing(PictureError):
    """One that is not there."""

    kind = "missing photographs or masks"


class OtherSize(PictureError):
    """A photograph that is not of its annotation's size."""

    kind = "photographs whose size differs from their annotation's"


class NoLabelMap(PictureError):
    """A picture where a label map should be."""

    kind = "masks that are not label maps"


class Head(NamedTuple):
    """What a file says of its picture before the pixels.

    Attributes:
        stored: The size as stored.
        turn: The EXIF orientation, 1..8; 1 is as stored.
        format: In Pillow's terms; "" of a kind that it does not know.
    """

    stored: Size
    turn: int = 1
    format: str = ""

    @property
    def upright(self) -> Size:
        """The size as EXIF rotations it."""
        height, width = self.stored
        return (width, height) if self.turn in (5, 6, 7, 8) else self.stored

    def fit(self, size: Size, path: Path) -> str:
        """How it lies on an annotation of this size, see below.

        Raises:
            OtherSize: Neither way.
        """
        if size == self.stored:
            return "" if self.turn == 1 else UNSURE if self.upright == size else STORED
        if size == self.upright:
            return UPRIGHT
        (height, width), (mask_height, mask_width) = self.stored, size
        words = f"the mask is {mask_width} x {mask_height} pixels, its photograph {width} x {height}"
        if self.turn != 1:
            words += f", and {self.upright[1]} x {self.upright[0]} as its EXIF orientation {self.turn} turns it"
        raise OtherSize(f"{path}: {words}: make them one size")


def read_photograph(path: Path, size: Size) -> Array:
    """RGB (H, W, 3) of this size, which is its annotation's: as stored, or turned as EXIF says if only this fits.

    Raises:
        PictureError: The file is missing, truncated or no picture, or of another size.
    """
    turned = head(path).fit(size, path) == UPRIGHT  # before anything is decoded
    with _named(path):
        photograph = np.array(as_rgb(opening.open_picture(path, upright=turned).pixels, str(path)))
    Head((photograph.shape[0], photograph.shape[1])).fit(size, path)
    return photograph


def fit(path: Path, size: Size) -> str:
    """How a photograph fits its annotation: `UPRIGHT`, `STORED`, `UNSURE`, or nothing if it has no EXIF rotation.

    Its pixels are decoded only if the end of the file is missing.

    Raises:
        PictureError: As `read_photograph`.
    """
    found = head(path)
    how = found.fit(size, path)
    if found.format in ENDS and ENDS[found.format] not in _tail(path):
        open_picture(path)
    return how


def head(path: Path) -> Head:
    """What a file says of its picture; of kinds that Pillow does not know, the pixels are read.

    Raises:
        PictureError: The file is missing, or no picture.
    """
    with _named(path):
        try:
            with opening.head(path) as image:
                # Pillow turns every TIFF by itself.
                turn = 1 if image.format == "TIFF" else _turn(image)
                return Head((image.height, image.width), turn, image.format or "")
        except UnidentifiedImageError:
            pixels = opening.open_picture(path).pixels
            height, width = np.asarray(pixels).shape[:2]
            return Head((height, width))


def open_picture(path: Path) -> Image.Image:
    """A picture with its pixels, in its own mode.

    Raises:
        PictureError: The file is missing, truncated or no picture, or has colours of more than eight bits.
    """
    with _named(path):
        pixels = opening.open_picture(path).pixels
    if not isinstance(pixels, Image.Image):
        raise PictureError(f"{path} has colours of {pixels.dtype}: save it with 8 bits a channel")
    return pixels


def first_file(folder: Path, name: str, endings: tuple[str, ...]) -> Path:
    """The file of this name with the first ending that is there, in small or capital letters; else with the first."""
    for ending in endings:
        for file in (folder / f"{name}.{ending}", folder / f"{name}.{ending.upper()}"):
            if file.is_file():
                return file
    return folder / f"{name}.{endings[0]}"


def state_of(file: Path) -> str:
    """Size and time of a file, which change with its content; `-` if it is not there."""
    try:
        stat = file.stat()
    except OSError:
        return "-"
    return f"{file.name} {stat.st_size} {stat.st_mtime_ns}"


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is raised of a picture as a `PictureError` that names it."""
    try:
        check_regular(path)
        with opening.readable(path):
            yield
    except FileNotFoundError:
        raise Missing(f"{path} does not exist: every id needs a photograph and a mask") from None
    except PictureError:
        raise
    except InputError as error:
        raise PictureError(str(error)) from None


def _turn(image: Image.Image) -> int:
    try:
        turn = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF data make the reader raise nearly anything, and turn nothing
        return 1
    return turn if turn in range(1, 9) else 1


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-min(TAIL, path.stat().st_size), os.SEEK_END)
        return file.read()
