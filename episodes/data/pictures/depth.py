"""Pictures of any depth as RGB of eight bits: one rule for data sets, supports and queries."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from episodes.data.source import Array
from episodes.errors import InputError

Values = NDArray[Any]
"""Grey values (H, W) or colours (H, W, C), of any depth."""

FULL_SCALES = (1, 255, 4095, 65535, 2**24 - 1, 2**32 - 1)
"""What white may be: a fraction, 8, 12, 16, 24 and 32 bits."""

OVERSHOOT = 0.1
"""How far fractions may lie outside of their scale, as a share of it: resampling rings beside edges."""

DARKEST = 8
"""White of a picture in fractions of 0..255, at least: with less, 1 may have been meant to be white."""

CHANNELS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def eight_bits(values: Values, name: str) -> Array:
    """Values of any depth, scaled to 0..255; uint8 is returned as it is.

    White is the smallest of `FULL_SCALES` that holds all values in use: so 12 bits in a file of 16 are told from 16,
    and all pictures of a camera but very dark ones are scaled alike. Only floats may be fractions.

    Raises:
        InputError: There is NaN or an infinite value, one below 0, or one above all scales.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    fractional = np.issubdtype(values.dtype, np.floating)
    if fractional and not (finite := np.isfinite(values)).all():
        raise InputError(f"{name} contains NaN or infinite values ({1 - finite.mean():.2%} of them): replace them")
    tolerance = OVERSHOOT if fractional else 0.0
    scales = FULL_SCALES if fractional else FULL_SCALES[1:]
    low, high = float(values.min()), float(values.max())
    scale = next((scale for scale in scales if high <= scale * (1 + tolerance)), None)
    if scale is None or low < -tolerance * high or (fractional and scale == 255 and high < DARKEST):
        raise InputError(
            f"{name} holds values from {low:g} to {high:g}: a photograph has 0..1, 0..255, 0..4095 or 0..65535 "
            "(undo a normalisation first)"
        )
    # In float32 a photograph of 24 megapixels takes a third of the memory; 24 bits are still exact.
    scaled = values.astype(np.float32) * np.float32(255 / scale)
    return np.rint(scaled.clip(0, 255)).astype(np.uint8)


def as_rgb(pixels: Image.Image | Values, name: str) -> Image.Image:
    """A picture of any mode and depth in RGB. Transparency is dropped.

    Raises:
        InputError: See `eight_bits`; or its channels are neither grey nor colours.
    """
    if isinstance(pixels, Image.Image):
        if pixels.mode == "RGB":
            return pixels
        if not pixels.mode.startswith(("I", "F")):
            # Transparency given in bytes makes a direct conversion warn.
            opaque = pixels.convert("RGBA") if pixels.mode == "P" and "transparency" in pixels.info else pixels
            return opaque.convert("RGB")
        pixels = np.asarray(pixels)  # `convert` would cut it off at 255
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if channels not in CHANNELS:
        raise InputError(
            f"{name} has {channels} channels: a photograph has 1 (grey) or 3 (colour), and perhaps one more for alpha"
        )
    values = eight_bits(pixels, name)
    return Image.fromarray(values[..., 0] if values.ndim == 3 and channels == 1 else values).convert("RGB")
