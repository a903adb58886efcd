"""The files that are made of a segmented photograph: its mask, and an overlay to look at."""

from pathlib import Path

from PIL import Image

from episodes.data.source import Array
from episodes.files import atomic_write
from episodes.results.pictures import overlay
from srpnet.apps.output_names import mask_path, overlay_path

OVERLAY = 2000
"""The longer side of an overlay, in pixels, at most."""


def write_outputs(folder: Path, name: str, photograph: Image.Image, labels: Array, classes: int) -> None:
    """Write both files, each whole or not at all. Where there is a mask there is an overlay too.

    Args:
        folder: Made if need be.
        name: Of the files; it may have folders in it.
        photograph: RGB.
        labels: Its label map (H, W). With one class the mask's value of the object is 255, else it is the label.
        classes: How many there are.

    Raises:
        InputError: if a file cannot be written.
    """
    mask = Image.fromarray(labels * 255 if classes == 1 else labels)
    with atomic_write(mask_path(folder, name)) as temporary:  # it gets its name last
        mask.save(temporary, "PNG", compress_level=1)  # twice as fast as the usual 6, and masks stay small
        with atomic_write(overlay_path(folder, name)) as temporary_overlay:
            overlay(*_for_the_eye(photograph, labels)).save(temporary_overlay, "JPEG", quality=90)


def _for_the_eye(photograph: Image.Image, labels: Array) -> tuple[Image.Image, Array]:
    """Both shrunk by a whole number until no side has more than `OVERLAY` pixels: drawing must not take long."""
    factor = -(-max(photograph.size) // OVERLAY)
    return (photograph.reduce(factor), labels[::factor, ::factor]) if factor > 1 else (photograph, labels)
