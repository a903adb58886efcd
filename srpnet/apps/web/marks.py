"""What a person paints on the page: green on the object, red on what is not it."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from episodes.data.pictures.opening import readable
from episodes.data.source import IGNORE, Array
from episodes.errors import InputError

PREFIX = "data:image/png;base64,"
LONGEST = 8_000_000
"""Characters of a painting; one of 1280 x 1280 pixels takes some ten thousand."""
GREEN, RED = (0, 200, 0, 255), (230, 0, 0, 255)


@dataclass(frozen=True, eq=False)
class Painted:
    """What was painted of one class, an `Annotation`.

    Attributes:
        map: uint8 (h, w), 0 is not the class, 1 is, 255 nobody knows; as large as the page shows the
            photograph.
    """

    map: Array

    @classmethod
    def of(cls, painting: Image.Image, complete: bool) -> "Painted":
        """What a painting says.

        Args:
            painting: RGBA.
            complete: What is not painted is not the object; else only red is not, and of the rest nothing is said.

        Raises:
            InputError: if nothing is painted that says anything.
        """
        red, green, _, alpha = np.asarray(painting.convert("RGBA")).astype(np.int16).transpose(2, 0, 1)
        opaque = alpha > 127
        painted, not_it = opaque & (green > red), opaque & (red > green)
        if not (painted.any() or (not_it.any() and not complete)):
            raise InputError(
                "nothing is painted green: paint the object, or choose that the photograph does not show it"
            )
        labels = np.full(painted.shape, 0 if complete else IGNORE, dtype=np.uint8)
        labels[not_it], labels[painted] = 0, 1
        return cls(labels)

    def files(self) -> tuple[Path, ...]:
        """None."""
        return ()

    def check(self, name: str, size: tuple[int, int]) -> None:
        """It fits every photograph that the page shows."""

    def labels(self, name: str, photograph: Image.Image) -> Array:
        """At the photograph's own size."""
        return np.asarray(Image.fromarray(self.map).resize(photograph.size, Image.Resampling.NEAREST))


def painting_of(labels: Array) -> Image.Image:
    """The painting that says 1 where a map (h, w) does, and 0 there if it leaves something open."""
    painting = np.zeros((*labels.shape, 4), dtype=np.uint8)
    painting[labels == 1] = GREEN
    if (labels == IGNORE).any():
        painting[labels == 0] = RED
    return Image.fromarray(painting)


def encoded(picture: Image.Image, format: str = "PNG") -> str:
    """A picture as a data URL."""
    data = io.BytesIO()
    picture.save(data, format, quality=88)
    return f"data:image/{format.lower()};base64,{base64.b64encode(data.getvalue()).decode()}"


def decoded(url: object, size: tuple[int, int]) -> Image.Image:
    """The painting in a data URL, which comes from a browser and is not trusted.

    Raises:
        InputError: if it is none, or not of this width and height.
    """
    if not isinstance(url, str) or not url.startswith(PREFIX) or len(url) > LONGEST:
        raise InputError("the painting cannot be read: reload the page")
    with readable("the painting"):
        painting = Image.open(io.BytesIO(base64.b64decode(url.removeprefix(PREFIX))), formats=["PNG"])
        if painting.size != size:
            raise InputError("the painting is not of this photograph: choose the photograph again")
        return painting.convert("RGBA")
