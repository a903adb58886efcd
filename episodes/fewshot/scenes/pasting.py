"""Compose a photograph of several: cut an object out by its mask, and paste it into another photograph.

Simple copy-paste (Ghiasi et al., CVPR 2021, sec. 3) with three differences: the edges are soft, the brightness comes
part of the way to that of its new place, and what is pasted may also lie behind what is there.
"""

import math
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from episodes.data.source import IGNORE, Array, Labels
from episodes.draws import Draws

LEAST_PIXELS = 200
"""Of an object that is worth cutting out."""
SHARE = (0.04, 0.25)
"""The share of the photograph that a pasted object covers, where nothing stands against it."""
LARGEST_SIDE = 0.8
"""Of a pasted object, as a share of the photograph's."""
LARGEST_SCALE = 2.0
"""More would show, as blur, what is pasted."""
OUTSIDE = 0.25
"""The share of each of its sides that a pasted object may lie outside the photograph."""
MOST_HIDDEN = 0.5
"""The share of a target that what is pasted in front of it may hide."""
LEAST_SEEN = 0.3
"""The share of what is pasted behind a target that shall be seen."""
PLACES = 8
"""So many are drawn, in front or behind, to find one that does both; the last is taken as it is, behind."""
EDGE = (0.001, 0.004)
"""Standard deviation of the blur of its edge, as a share of the photograph's longer side."""
MOST_MATCHED = 0.6
"""The share of the difference in brightness that is taken away, at most."""


class Cutout(NamedTuple):
    """An object without its surroundings.

    Attributes:
        image: (h, w, 3) uint8, RGB, the object's bounding box.
        mask: (h, w) bool, where in it the object is.
    """

    image: Array
    mask: NDArray[np.bool_]


def cut_out(image: Array, labels: Labels, label: int) -> Cutout | None:
    """What bears a label, in one piece however many objects that are; None if it has fewer than `LEAST_PIXELS`.

    Args:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W): 0 background, 1..C, 255 ignore.
        label: One of 1..C.
    """
    mask = labels == label
    if mask.sum() < LEAST_PIXELS:
        return None
    rows, columns = (_span(mask.any(axis)) for axis in (1, 0))
    return Cutout(image[rows, columns], mask[rows, columns])


def paste(
    image: Array, labels: Labels, cutout: Cutout, label: int, draws: Draws, targets: Collection[int] = ()
) -> tuple[Array, Labels]:
    """A photograph with an object pasted into it: where, how large and how bright is drawn.

    The object covers a share of the photograph drawn from `SHARE`, less if it would get larger than `LARGEST_SIDE` or
    `LARGEST_SCALE`. It lies in front of the targets or behind them, which is drawn too; in front it hides at most half
    of each. Pixels that count for nothing stay so where something is pasted on them.

    Args:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W): 0 background, 1..C, 255 ignore.
        cutout: The object.
        label: Its label, 1..C, or 0 if it shall be background.
        draws: Where it goes.
        targets: Labels that it must not hide.

    Returns:
        Copies of both.
    """
    image, labels = image.copy(), labels.copy()
    pixels, alpha = _scaled(cutout, labels.shape, draws)
    present = [labels == target for target in targets]
    for _ in range(PLACES):
        in_front = draws.chance(0.5)
        there, part = _place(labels.shape, alpha.shape, draws)
        solid = alpha[part] > 0.5
        covered = [target[there] & solid for target in present]
        hidden = [over.sum() / max(1, target.sum()) for over, target in zip(covered, present, strict=True)]
        seen = 1 - sum(over.sum() for over in covered) / max(1, solid.sum())
        if max(hidden, default=0) <= MOST_HIDDEN if in_front else seen >= LEAST_SEEN:
            break
    else:
        in_front = False
    pixels, alpha = pixels[part], alpha[part]
    for target in () if in_front else present:
        alpha = alpha * ~target[there]
    solid = alpha > 0.5
    if solid.any():
        matched = draws.uniform(0, MOST_MATCHED) * (image.mean() - pixels[solid].mean())
        behind = image[there].astype(np.float32)
        mixed = behind + alpha[..., None] * ((pixels + np.float32(matched)).clip(0, 255) - behind)
        image[there] = mixed.round().astype(np.uint8)
        labels[there][solid & (labels[there] != IGNORE)] = label
    return image, labels


def _span(shown: NDArray[np.bool_]) -> slice:
    """From the first to the last that is True."""
    positions = np.flatnonzero(shown)
    return slice(int(positions[0]), int(positions[-1]) + 1)


def _scaled(cutout: Cutout, size: tuple[int, ...], draws: Draws) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The object as large as it is pasted: its pixels (h, w, 3) in 0..255, and their opacity (h, w) in [0, 1]."""
    height, width = cutout.mask.shape
    scale = min(
        math.sqrt(draws.uniform(*SHARE) * size[0] * size[1] / cutout.mask.sum()),
        LARGEST_SIDE * size[0] / height,
        LARGEST_SIDE * size[1] / width,
        LARGEST_SCALE,
    )
    wanted = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = Image.fromarray(cutout.image).resize(wanted, Image.Resampling.BILINEAR)
    mask = Image.fromarray(cutout.mask.astype(np.uint8) * 255).resize(wanted, Image.Resampling.BILINEAR)
    blur = max(size) * draws.uniform(*EDGE)
    rim = math.ceil(3 * blur)  # of nothing, so that the edge is as soft where the bounding box touches the object
    padded = Image.fromarray(np.pad(np.asarray(mask), rim)).filter(ImageFilter.GaussianBlur(blur))
    blurred = np.asarray(padded, np.float32)[rim:-rim, rim:-rim] / 255
    # From nothing at the old edge to all a little further inside: the old surroundings never shine through.
    return np.asarray(image, np.float32), (2 * blurred - 1).clip(0, 1)


def _place(size: tuple[int, ...], of: tuple[int, ...], draws: Draws) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Somewhere in a photograph for an object of that size: rows and columns of the photograph, and of the object."""
    there, part = [], []
    for side, own in zip(size, of, strict=True):
        outside = int(OUTSIDE * own)
        start = draws.below(side - own + 2 * outside + 1) - outside
        first, last = max(0, start), min(side, start + own)
        there.append(slice(first, last))
        part.append(slice(first - start, last - start))
    return (there[0], there[1]), (part[0], part[1])
