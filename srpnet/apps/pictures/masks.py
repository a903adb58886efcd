"""What a person's mask means, told from the values in it at their full depth.

These kinds are tried in order; what is of none of them is refused, and its values are listed:

- `cut_out`: a picture with transparency is the object where it is opaque, so strokes on nothing are the object.
- `palette_map`: in a palette picture index 0 is background, every other index the object, and 255 beside others counts
  neither way (as in PASCAL VOC). Where the colours in use are greys, the colours decide, and not the indices.
- `one_value`: 0 everywhere is empty, anything else everywhere is all object.
- `labels`: of a few small integers with 0 among them (classes, or instances) all others are the object, but 255 beside
  them is ignored. So 0/1/255 may be scribbles: background, object, and 255 where nothing is known.
- `two_ends`: two values, or nearly all close to two (blurred, resampled, compressed; probabilities): the object is what
  lies above half of the range.
- `spread_labels`: of a few integers of any size that fill areas, with 0 among them, all others are the object.
- `few_colours`: black, or without it the commonest colour of the border, is background, every other colour the object;
  VOC's cream beside others is ignored. What compression or smoothing adds belongs to the nearest colour.
"""

from collections.abc import Callable

import numpy as np

from episodes.data.pictures.depth import Values
from episodes.data.source import IGNORE, Array
from episodes.errors import InputError
from srpnet.apps.pictures.raster import (
    FEW,
    NEAR,
    Raster,
    border,
    fills_areas,
    interior,
    listed,
    painted_colours,
    simplest,
)

HOW = "paint the object white on black, in the photograph's size, and save it as PNG"

SMALL = 126
"""The largest label that cannot be taken for a grey between black and white."""
FAINT = 32
"""Labels up to here are darker than the edges between black and white are, taken together."""
NOISE = 3
"""Steps of 255 by which a lossy format changes even areas."""
PLATEAU = 0.05
"""A middle value whose even areas are a larger share of the smaller end's pixels is a label and no edge."""
LOSSY_RANGE = 64
"""Values closer than this do not survive lossy compression."""
CREAM = np.array([224, 224, 192])
"""The border of VOC's coloured masks."""


def object_map(raster: Raster, name: str) -> Array:
    """Where the object is: (H, W), 0 background, 1 object, 255 neither.

    Raises:
        InputError: The mask is of none of the kinds above.
    """
    if np.issubdtype(raster.values.dtype, np.floating) and not np.isfinite(raster.values).all():
        raise InputError(f"{name} contains NaN or infinite values: {HOW}")
    raster = simplest(raster)
    for kind in KINDS:
        if (meaning := kind(raster)) is not None:
            return meaning
    raise InputError(f"{name} is not clearly a mask: it holds {listed(raster)}: {HOW}")


def label_map(raster: Raster, classes: int, name: str) -> Array:
    """Values, or palette indices, as labels: (H, W), 0 background, 1..N, 255 neither.

    Raises:
        InputError: It holds anything else, or its format may have changed the values.
    """
    expected = f"{classes} classes are 0..{classes}, and {IGNORE} is ignored"
    if raster.lossy:
        raise InputError(f"{name} has a format that changes labels ({expected}): save it as PNG")
    if raster.palette is None:
        raster = simplest(raster)
    if raster.values.ndim != 2:
        raise InputError(f"{name} holds colours and not labels: {expected}")
    strange = np.setdiff1d(raster.values, [*range(classes + 1), IGNORE])
    if strange.size:
        raise InputError(f"{name} holds the label {strange[0]}: {expected}; it has {listed(raster)}")
    return raster.values.astype(np.uint8)


# ------------------------------------------------------------------------------------------------------------- kinds


def cut_out(raster: Raster) -> Array | None:
    """The opaque part, where more than a few pixels are transparent; of black and white on nothing, the white."""
    alpha = raster.alpha
    if alpha is None or alpha.max() == 0 or (alpha == 0).sum() <= max(16, alpha.size // 1000):
        return None
    opaque = alpha > alpha.max() / 2
    colours = raster.values if raster.palette is None else raster.palette[raster.values]
    visible = simplest(Raster(np.where(opaque if colours.ndim == 2 else opaque[..., None], colours, 0))).values
    shown = np.unique(visible[opaque])
    black_and_white = visible.ndim == 2 and len(shown) == 2 and shown[0] == 0
    return (opaque & (visible > 0) if black_and_white else opaque).astype(np.uint8)


def palette_map(raster: Raster) -> Array | None:
    """Indices, if index 0 looks like background: black, or the commonest colour of the border."""
    if raster.palette is None or not fills_areas(interior(raster.values), len(np.unique(raster.values))):
        return None
    looks_like_background = not raster.palette[0].any() or border(raster.values == 0).mean() > 0.5
    return _all_but_ignored(raster.values) if looks_like_background else None


def one_value(raster: Raster) -> Array | None:
    """The same everywhere."""
    if not raster.is_grey or raster.values.min() != raster.values.max():
        return None
    return (raster.values > 0).astype(np.uint8)


def labels(raster: Raster) -> Array | None:
    """A few small integers, with 0 among them."""
    values = _few_integers(raster)
    if values is None or not (others := values[(values > 0) & (values != IGNORE)]).size or others.max() > SMALL:
        return None
    if IGNORE in values:
        labelled, ignored = np.isin(raster.values, others), raster.values == IGNORE
        if others.max() > FAINT and not (labelled & interior(raster.values)).any():
            return None  # edges between black and white
        if others.max() > 1 and 20 * labelled.sum() < ignored.sum() < (raster.values == 0).sum():
            return None  # black and white, with the noise of a lossy format that it had once
    return _all_but_ignored(raster.values)


def two_ends(raster: Raster) -> Array | None:
    """Values close to the two ends, but for a few between them that fill no areas."""
    values = raster.values
    if not raster.is_grey or not _has_background(raster, low := float(values.min()), high := float(values.max())):
        return None
    steps = np.rint((values - low) * (255 / (high - low))).astype(np.uint8)
    counts = np.bincount(steps.ravel(), minlength=256)
    even = np.bincount(steps[interior(steps)], minlength=256)
    smaller_end = min(counts[: NEAR + 1].sum(), counts[-NEAR - 1 :].sum())
    between = counts[NEAR + 1 : -NEAR - 1].sum()
    if between > max(16, steps.size // 100, min(smaller_end, steps.size // 8)):
        return None
    if even[NOISE + 1 : -NOISE - 1].max() > max(8, PLATEAU * smaller_end):
        return None
    return (values > (low + high) / 2).astype(np.uint8)


def spread_labels(raster: Raster) -> Array | None:
    """A few integers of any size, with 0 among them, that fill areas; the largest must not stand for "neither"."""
    values = _few_integers(raster)
    if values is None or values[-1] in (IGNORE, 2**16 - 1):
        return None
    even = np.unique(raster.values[interior(raster.values)])
    return (raster.values > 0).astype(np.uint8) if np.isin(values[1:], even).all() else None


def few_colours(raster: Raster) -> Array | None:
    """Every colour but the background's, and VOC's cream beside others."""
    if raster.values.ndim != 3 or (painted := painted_colours(raster)) is None:
        return None
    colours, index = painted
    tolerance = NEAR if raster.lossy else 0
    on_border = np.bincount(border(index), minlength=len(colours)) / border(index).size
    commonest = int(on_border.argmax())
    black = np.flatnonzero(colours.max(axis=1) <= tolerance)
    white = np.flatnonzero(colours.min(axis=1) >= 255 - tolerance)
    if black.size and (on_border[black].any() or on_border[commonest] < 0.9):
        background = int(black[0])
    elif not black.size and on_border[commonest] > 0.5 and (commonest in white or not on_border[white].any()):
        background = commonest
    else:  # such as black outlines on white, or a close-up in colour on white
        return None
    cream = np.abs(colours - CREAM).max(axis=1) <= tolerance
    meaning = np.where(cream & (len(colours) > 2), IGNORE, 1).astype(np.uint8)
    meaning[background] = 0
    return meaning[index]


KINDS: tuple[Callable[[Raster], Array | None], ...] = (
    cut_out,
    palette_map,
    one_value,
    labels,
    two_ends,
    spread_labels,
    few_colours,
)


def _has_background(raster: Raster, low: float, high: float) -> bool:
    """Whether the smallest value may be the background: plainly darker than the largest, and no label from 1 on."""
    integers = np.issubdtype(raster.values.dtype, np.integer)
    return (
        0 <= 4 * low <= 3 * high
        and not (integers and low > 0 and high <= SMALL)
        and not (raster.lossy and high - low < LOSSY_RANGE)
    )


def _few_integers(raster: Raster) -> Values | None:
    """The distinct values in order, if they may be labels: few integers, of which the smallest is 0."""
    if not raster.is_grey or raster.lossy or not np.issubdtype(raster.values.dtype, np.integer):
        return None
    values = np.unique(raster.values)
    few = values[0] == 0 and len(values) <= FEW and fills_areas(interior(raster.values), len(values))
    return values if few else None


def _all_but_ignored(values: Values) -> Array:
    """0 where it is 0, 255 where it is 255 beside other labels, and 1 elsewhere."""
    neither = (values == IGNORE) & bool(((values > 0) & (values != IGNORE)).any())
    return np.where(neither, IGNORE, values > 0).astype(np.uint8)
