"""The presets once more, slowly and from the published facts alone: numpy and Pillow, and nothing of `episodes`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]
Masks = Mapping[str, Array]
Scores = Callable[[Sequence[Array], Sequence[Array], Array, int], Array]
"""Support images, their labels, the query's image, number of ways -> scores (ways, H, W); background has score 0."""

LARGE = 2 * 32 * 32


def options(preset: str, masks: Masks, novel: Sequence[int], listed: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
    """Which (query image, class) there are."""
    if preset == "hsnet":
        return set(listed)
    shown = {id: {c: (mask == c).sum() for c in novel if (mask == c).any()} for id, mask in masks.items()}
    if preset == "panet":
        return {(id, c) for id, areas in shown.items() for c in areas}
    return {(id, c) for id, areas in shown.items() if max(areas.values(), default=0) >= LARGE for c in areas}


def pool(preset: str, masks: Masks, label: int, listed: Sequence[tuple[str, int]]) -> set[str]:
    """Which images support a class."""
    if preset == "hsnet":
        return {id for id, c in listed if c == label}
    least = 1 if preset == "panet" else LARGE
    return {id for id, mask in masks.items() if (mask == label).sum() >= least}


def network_size(preset: str, height: int, width: int) -> tuple[int, int]:
    """Height and width of the photograph itself in what the network sees."""
    if preset == "panet":
        return 417, 417
    if preset == "hsnet":
        return 400, 400
    if preset == "ssp":
        return height, width
    longer = max(height, width)
    sides = [473 if side == longer else int(side * (473 * 1.0 / longer)) for side in (height, width)]
    return sides[0] - sides[0] % 8, sides[1] - sides[1] % 8


def network_image(preset: str, image: Array) -> Array:
    """(H0, W0, 3) bytes -> (H, W, 3) in [0, 1]."""
    height, width = network_size(preset, *image.shape[:2])
    if preset in ("panet", "hsnet"):
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)) / 255
    if preset == "ssp":
        return image / 255
    square = np.zeros((473, 473, 3))  # black before the mean is taken off
    rows, columns = (_linear(new, old) for new, old in zip((height, width), image.shape[:2], strict=True))
    channels = [rows @ (image[..., channel] / 255) @ columns.T for channel in range(3)]
    square[:height, :width] = np.stack(channels, axis=-1)
    return square


def network_labels(preset: str, labels: Array) -> Array:
    """(H0, W0) -> (H, W)."""
    height, width = network_size(preset, *labels.shape)
    if preset == "panet":
        return np.asarray(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))
    if preset == "ssp":
        return labels
    rows, columns = (_nearest(preset, new, old) for new, old in zip((height, width), labels.shape, strict=True))
    if preset == "hsnet":
        return labels[rows][:, columns]
    square = np.full((473, 473), 255, np.uint8)
    square[:height, :width] = labels[rows][:, columns]
    return square


def _nearest(preset: str, new: int, old: int) -> list[int]:
    if preset == "hsnet":  # PyTorch, in single precision
        return [int(np.float32(position) * np.float32(old / new)) for position in range(new)]
    return [min(int(position * (1 / (new / old))), old - 1) for position in range(new)]  # OpenCV


def _linear(new: int, old: int, aligned: bool = False) -> Array:
    """(new, old): the weights of bilinear interpolation without antialiasing."""
    weights = np.zeros((new, old))
    for position in range(new):
        place = position * (old - 1) / (new - 1) if aligned else (position + 0.5) * old / new - 0.5
        place = min(max(place, 0), old - 1)
        below = min(int(place), old - 2)
        weights[position, below] += 1 - (place - below)
        weights[position, below + 1] += place - below
    return weights


def taught(preset: str, labels: Array, classes: Sequence[int], padding: Array) -> Array:
    """What a support says: 0 background, 1..N, 255 nothing."""
    said = _ways(labels, classes)
    if preset in ("panet", "hsnet"):
        said[(said == 255) & ~padding] = 0
    return said


def _ways(labels: Array, classes: Sequence[int]) -> Array:
    said = np.where(labels == 255, 255, 0)
    for way, label in enumerate(classes, start=1):
        said[labels == label] = way
    return said


def predict(preset: str, scores: Array, height: int, width: int) -> Array:
    """Scores (ways, H, W) at network size -> the label map that is compared."""
    if preset in ("pfenet", "bam"):
        longer = max(height, width)
        weights = _linear(longer, 473, aligned=True)
        scores = (weights @ scores @ weights.T)[:, :height, :width]
    return np.concatenate([np.zeros_like(scores[:1]), scores]).argmax(0)


def figures(
    preset: str,
    episodes: Sequence[tuple[Sequence[int], Sequence[Sequence[str]], str]],
    images: Masks,
    masks: Masks,
    novel: Sequence[int],
    method: Scores,
) -> tuple[float, float]:
    """mIoU and FB-IoU of one run; an episode is its classes, supports by way, and query."""
    counts = {label: np.zeros(3) for label in novel}
    foreground, background = np.zeros(3), np.zeros(3)
    for classes, supports, query in episodes:
        ids = [id for way in supports for id in way]
        labels = [taught(preset, network_labels(preset, masks[id]), classes, _padding(preset, masks[id])) for id in ids]
        scores = method(
            [network_image(preset, images[id]) for id in ids],
            labels,
            network_image(preset, images[query]),
            len(classes),
        )
        found = predict(preset, scores, *masks[query].shape)
        truth = _ways(masks[query] if preset in ("pfenet", "bam") else network_labels(preset, masks[query]), classes)
        found, truth = found[truth != 255], truth[truth != 255]
        lost_counts = preset != "panet"
        for way, label in enumerate(classes, start=1):
            own = _tp_fp_fn(found == way, truth == way, lost_counts)
            counts[label] += own
            if preset == "panet":
                foreground += own
        if preset != "panet":
            foreground += _tp_fp_fn(found > 0, truth > 0, True)
        background += _tp_fp_fn(found == 0, truth == 0, lost_counts)
    ious = [_iou(count) for count in counts.values()]
    if preset == "ssp":
        ious = [iou for iou in ious if not np.isnan(iou)]
    elif preset != "panet":
        ious = [0 if np.isnan(iou) else iou for iou in ious]
    return float(np.mean(ious)), (_iou(foreground) + _iou(background)) / 2


def _padding(preset: str, mask: Array) -> Array:
    height, width = network_size(preset, *mask.shape)
    padding = np.ones(network_labels(preset, mask).shape, bool)
    padding[:height, :width] = False
    return padding


def _tp_fp_fn(found: Array, truth: Array, lost_counts: bool) -> Array:
    if not truth.any() and not lost_counts:
        return np.zeros(3)
    return np.array([(found & truth).sum(), (found & ~truth).sum(), (~found & truth).sum()], float)


def _iou(counts: Array) -> float:
    return float(counts[0] / counts.sum()) if counts.sum() else float("nan")
