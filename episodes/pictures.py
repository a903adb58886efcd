"""Pictures of episodes and masks, for people to look at."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from episodes.episode import Episode, Photograph
from episodes.sources.base import IGNORE, Array

# Okabe and Ito's palette, which the colour-blind can tell apart; one colour a way, in turn.
COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
TILE, GAP, CAPTION = 240, 8, 22


def overlay(image: Array, labels: Array, opacity: float = 0.5) -> Array:
    """A photograph (H, W, 3) with its label map (H, W) painted over it, and all else turned grey."""
    grey = image.mean(2, keepdims=True).repeat(3, 2)
    painted = np.where(np.isin(labels, (0, IGNORE))[..., None], 0.25 * image + 0.6 * grey, image.astype(np.float32))
    for label in np.unique(labels[(labels > 0) & (labels < IGNORE)]):
        inside = labels == label
        colour = np.array(COLOURS[(int(label) - 1) % len(COLOURS)], np.float32)
        painted[inside] = (1 - opacity) * painted[inside] + opacity * colour
        painted[_border(inside)] = 255
    return painted.round().astype(np.uint8)


def panel(
    episode: Episode,
    predictions: Sequence[Tensor],
    names: Sequence[str],
    ious: Sequence[float],
    note: str = "",
) -> Image.Image:
    """An episode as one picture: supports with their masks, then for each query the photograph, prediction and truth.

    Args:
        episode: What was asked.
        predictions: A label map for each query.
        names: Class name of each way.
        ious: IoU of each way in this episode, as a fraction.
        note: A line below, for example where the data come from.
    """
    tiles: list[tuple[str, Array]] = []
    shots = [name for name, way in zip(names, episode.spec.supports, strict=True) for _ in way]
    for name, support in zip(shots, episode.supports(), strict=True):
        tiles.append((f"support: {name}", overlay(_pixels(support), episode.labels(support).numpy())))
    score = ", ".join(f"{name} {100 * iou:.0f}" for name, iou in zip(names, ious, strict=True))
    for query, prediction in zip(episode.queries(), predictions, strict=True):
        pixels, truth = _pixels(query), episode.truth(query).numpy()
        if episode.score_at == "original":  # which has no padding
            pixels = pixels[: query.placement.inner[0], : query.placement.inner[1]]
        sized = np.array(Image.fromarray(pixels).resize((truth.shape[1], truth.shape[0])))
        tiles.append(("query", pixels))
        tiles.append((f"prediction, IoU {score}", overlay(sized, prediction.numpy())))
        tiles.append(("truth", overlay(sized, truth)))
    width = GAP + len(tiles) * (TILE + GAP)
    sheet = Image.new("RGB", (width, TILE + CAPTION + GAP + (CAPTION if note else 0)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for place, (caption, pixels) in enumerate(tiles):
        left = GAP + place * (TILE + GAP)
        draw.text((left, 3), caption, "black", font)
        sheet.paste(Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.LANCZOS), (left, CAPTION))
    if note:
        draw.text((GAP, CAPTION + TILE + 4), note, "#555555", font)
    return sheet


def _pixels(photograph: Photograph) -> Array:
    pixels: Array = (photograph.image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return pixels


def _border(
    inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Pixels inside whose left, right, upper or lower neighbour is outside."""
    padded = np.pad(inside, 1, mode="edge")
    kept = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~kept
