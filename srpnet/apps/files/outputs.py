"""The files that are made of a segmented photograph: each by a writer of its own."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from PIL import Image

from episodes.data.source import Array
from episodes.files import atomic_write

OVERLAY = 2000
"""The longer side of an overlay, in pixels, at most."""
Writer = Callable[[Path, Image.Image, Array, int], None]
"""Writes a file of a photograph (RGB), its label map (H, W) and the number of classes."""


def write_mask(file: Path, photograph: Image.Image, labels: Array, classes: int) -> None:
    """The label map; with one class the value of the object is 255, else it is the label."""
    # Compressed so it takes half as long as by the usual 6, and masks stay small.
    Image.fromarray(labels * 255 if classes == 1 else labels).save(file, "PNG", compress_level=1)


def write_overlay(file: Path, photograph: Image.Image, labels: Array, classes: int) -> None:
    """The photograph with its label map over it, to look at."""
    overlaid(photograph, labels).save(file, "JPEG", quality=90)


def overlaid(photograph: Image.Image, labels: Array) -> Image.Image:
    """A photograph (RGB) with its label map (H, W) over it; its longer side has `OVERLAY` pixels at most."""
    from episodes.results.pictures import overlay  # which takes torch

    return overlay(*_for_the_eye(photograph, labels))


MASK = "-mask.png"
WRITERS: Mapping[str, Writer] = {MASK: write_mask, "-overlay.jpg": write_overlay}
"""How the name of a file ends -> what writes it."""


def mask_path(folder: Path, name: str) -> Path:
    """Where the mask of a photograph goes; the name may have folders in it."""
    return folder / f"{name}{MASK}"


def output_paths(folder: Path, name: str) -> list[Path]:
    """Where all that is made of a photograph goes."""
    return [folder / f"{name}{end}" for end in WRITERS]


def write_outputs(folder: Path, name: str, photograph: Image.Image, labels: Array, classes: int) -> None:
    """Write all files, each whole or not at all. Where there is a mask, there are the others too.

    Args:
        folder: Made if need be.
        name: Of the files; it may have folders in it.
        photograph, labels, classes: See `Writer`.

    Raises:
        InputError: if a file cannot be written.
    """
    with ExitStack() as files:  # the last one gets its name first, so the mask, which tells that all are there, last
        for path, write in zip(output_paths(folder, name), WRITERS.values(), strict=True):
            write(files.enter_context(atomic_write(path)), photograph, labels, classes)


def _for_the_eye(photograph: Image.Image, labels: Array) -> tuple[Image.Image, Array]:
    """Both shrunk by a whole number until no side has more than `OVERLAY` pixels: drawing must not take long."""
    factor = -(-max(photograph.size) // OVERLAY)
    return (photograph.reduce(factor), labels[::factor, ::factor]) if factor > 1 else (photograph, labels)
