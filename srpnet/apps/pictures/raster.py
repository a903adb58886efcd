"""The pixels of a mask, in their simplest form: grey values, palette indices or colours."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from episodes.data.pictures.depth import Values
from episodes.data.pictures.opening import Opened
from episodes.data.source import Array

FEW = 64
"""Distinct values, or colours, of a label map at most."""
NEAR = 32
"""How far compression and smoothing may move a value from what was painted, in steps of 255."""
SOME = 16
"""Colours that were painted at most, if compression or smoothing added others."""

TINT = 8
"""Steps of 255 by which lossy compression lets the channels of a grey differ."""
AREAS = 0.6
"""The least share of pixels that equal all their neighbours, if there are more than `CERTAIN` labels. Masks of PASCAL
VOC have 0.87 or more, and photographs reduced to 16 colours at most 0.64 (0.5 but for one in twenty)."""
CERTAIN = 4
"""Distinct values that are labels without looking at their areas."""

Bits = NDArray[np.bool_]


class Raster(NamedTuple):
    """The pixels of a mask.

    Attributes:
        values: Grey values or palette indices (H, W), or colours (H, W, 3); of any depth.
        palette: (256, 3), where the values are its indices.
        alpha: (H, W), if there is any.
        lossy: Whether its format may have changed the values.
    """

    values: Values
    palette: Array | None = None
    alpha: Values | None = None
    lossy: bool = False

    @property
    def is_grey(self) -> bool:
        """Whether the values are greys, and neither indices nor colours."""
        return self.values.ndim == 2 and self.palette is None

    @staticmethod
    def of(opened: Opened) -> "Raster":
        """The raster of a picture of any mode."""
        image, lossy, grey_levels = opened
        if not isinstance(image, Image.Image):
            return _of_array(image)
        if image.mode in ("P", "PA"):
            return _of_palette(image, lossy)
        if image.mode not in ("1", "L", "LA", "RGB", "RGBA") and not image.mode.startswith(("I", "F")):
            image = image.convert("RGB")  # CMYK and the like
        values = np.asarray(image)
        if image.mode == "1":
            values = values.astype(np.uint8) * np.uint8(255)
        if grey_levels < 256:  # Pillow spread them
            values = values // np.uint8(255 // (grey_levels - 1))
        raster = _of_array(values)._replace(lossy=lossy)
        clear = image.info.get("transparency")
        if clear is None or image.mode not in ("1", "L", "RGB"):
            return raster
        opaque = values != np.array(clear)
        return raster._replace(alpha=(opaque.any(axis=2) if opaque.ndim == 3 else opaque).astype(np.uint8))


def simplest(raster: Raster) -> Raster:
    """Colours for indices where the colours decide, greys for equal channels, small numbers for large ones."""
    values, palette = raster.values, raster.palette
    if palette is not None and _colours_decide(values, palette):
        values, palette = palette[values], None
    if values.ndim == 3 and (np.ptp(values, axis=2) <= (TINT if raster.lossy else 0)).all():
        values = values[..., 1]
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    if np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.result_type(values, np.float32))
        if (np.abs(values) < 2**31).all() and (values == np.rint(values)).all():
            values = values.astype(np.int64)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2 and not (values % 257).any():  # saved from eight bits
        values = (values // 257).astype(np.uint8)
    return raster._replace(values=values, palette=palette)


def painted_colours(raster: Raster) -> tuple[NDArray[np.int64], NDArray[np.intp]] | None:
    """The colours painted, (N, 3) in 0..255, and the index of the nearest at each pixel, (H, W); None if many.

    Few colours were all painted. Of more, as compression and smoothing make them, those were that fill areas, if the
    pixels of all others are fewer than those of the objects.
    """
    if raster.values.min() < 0:
        return None
    values = _as_bytes(raster.values)
    red, green, blue = np.moveaxis(values.astype(np.uint32), 2, 0)
    even = interior(red << 16 | green << 8 | blue)
    exact = _colours(values, FEW)
    if not fills_areas(even, FEW + 1 if exact is None else len(exact)):
        return None
    large = _colours(values[even][None], 2**16) if even.any() else np.zeros((0, 4), dtype=np.int64)
    if exact is not None and not raster.lossy and len(exact) <= max(SOME, 2 * len([] if large is None else large)):
        return exact[:, 1:], _nearest(values, exact[:, 1:])[0]
    if large is None:
        return None
    painted = _far_apart(large[large[:, 0] > max(8, even.size // 1000), 1:])
    if not 0 < len(painted) <= SOME:
        return None
    nearest, distance = _nearest(values, painted)
    far = int((distance > NEAR).sum())
    objects = even.size - far - int(np.bincount(nearest[distance <= NEAR]).max())
    return (painted, nearest) if far <= max(16, min(objects, even.size // 8)) else None


def interior(values: Values) -> Bits:
    """(H, W): the pixels that equal all of their eight neighbours."""
    inside = np.zeros(values.shape, dtype=bool)
    across = (values[:, 1:-1] == values[:, :-2]) & (values[:, 1:-1] == values[:, 2:])
    middle = values[1:-1, 1:-1]
    upright = (middle == values[:-2, 1:-1]) & (middle == values[2:, 1:-1])
    inside[1:-1, 1:-1] = across[1:-1] & across[:-2] & across[2:] & upright
    return inside


def fills_areas(even: Bits, distinct: int) -> bool:
    """Whether so many distinct values, of which these (H, W) fill areas, may be labels: a photograph of few may not."""
    return distinct <= CERTAIN or even.size < 64 * 64 or bool(even[1:-1, 1:-1].mean() >= AREAS)


def border(values: Values) -> Values:
    """The outermost pixels of (H, W), in a row."""
    outermost = np.ones(values.shape, dtype=bool)
    outermost[1:-1, 1:-1] = False
    return values[outermost]


def listed(raster: Raster) -> str:
    """What a mask holds, for a person: "the values 1, 2, 3"."""
    if raster.values.ndim == 3:
        colours = _colours(_as_bytes(raster.values), 1000)
        if colours is None:
            return "more than 1000 colours"
        return _enumerated("colours", [str(tuple(colour)) for colour in colours[:, 1:].tolist()])
    what = "values" if raster.palette is None else "palette indices"
    return _enumerated(what, [f"{value:g}" for value in np.unique(raster.values).tolist()])


def _enumerated(what: str, names: list[str]) -> str:
    if len(names) <= 8:
        return f"the {what} {', '.join(names)}" if len(names) > 1 else f"only {names[0]}"
    return f"{len(names)} {what} ({', '.join(names[:3])}, ... {names[-1]})"


def _of_array(values: Values) -> Raster:
    """Grey values or colours, with alpha last or without."""
    channels = values.shape[2] if values.ndim == 3 else 0
    alpha = values[..., -1] if channels in (2, 4) else None
    colours = values if alpha is None else values[..., :-1]
    return Raster(colours[..., 0] if channels in (1, 2) else colours, None, alpha)


def _of_palette(image: Image.Image, lossy: bool) -> Raster:
    has_alpha = image.mode == "PA" or "transparency" in image.info
    alpha = np.asarray(image.convert("RGBA"))[..., 3] if has_alpha else None
    values = np.asarray(image)
    colours = np.array(image.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    palette = np.concatenate([colours, greys[len(colours) :]])
    return Raster(values[..., 0] if image.mode == "PA" else values, palette, alpha, lossy)


def _colours_decide(values: Values, palette: Array) -> bool:
    """Whether the colours in use are all greys, too many for labels, or have their black elsewhere than at index 0."""
    used = np.unique(values)
    colours = palette[used]
    if len(used) > FEW or (colours == colours[:, :1]).all():
        return True
    first_is_background = not palette[0].any() or border(values == 0).mean() > 0.5
    return not first_is_background and not colours.any(axis=1).all()


def _as_bytes(values: Values) -> Array:
    """Colours of any depth, scaled to 0..255 by the largest value."""
    if values.dtype == np.uint8:
        return values
    return np.rint(values * (255.0 / max(float(values.max()), 1e-30))).clip(0, 255).astype(np.uint8)


def _colours(values: Array, most: int) -> NDArray[np.int64] | None:
    """The distinct colours, commonest first: count, red, green and blue (N, 4); None if there are more than `most`."""
    colours = Image.fromarray(values).getcolors(most)
    if colours is None:
        return None
    ordered: list[Any] = sorted(colours, reverse=True)
    return np.array([(count, *rgb) for count, rgb in ordered], dtype=np.int64)


def _nearest(values: Array, colours: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.int16]]:
    """The index of the nearest colour at each pixel, and its distance in the channel that differs most; both (H, W)."""
    shape = values.shape[:2]
    nearest, distance = np.zeros(shape, dtype=np.intp), np.full(shape, 256, dtype=np.int16)
    for number, colour in enumerate(colours.astype(np.int16)):
        away = np.abs(values.astype(np.int16) - colour).max(axis=2)
        nearest[away < distance] = number
        np.minimum(distance, away, out=distance)
    return nearest, distance


def _far_apart(colours: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the colours (N, 3) that are not near an earlier one."""
    kept: list[NDArray[np.int64]] = []
    for colour in colours:
        if all(np.abs(colour - other).max() > NEAR for other in kept):
            kept.append(colour)
    return np.array(kept, dtype=np.int64).reshape(-1, 3)
