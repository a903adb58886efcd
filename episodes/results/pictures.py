"""Pictures of episodes and masks, for people to look at."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from episodes.data.source import IGNORE, Array, Source
from episodes.errors import InputError
from episodes.fewshot.episode import AnyPhotograph, Episode, Photograph
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.scenes.loading import Loader
from episodes.files import atomic_write
from episodes.names import for_display, for_path
from episodes.scoring.plans.manifest import Manifest

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
# A quarter of each channel and 0.6 of the mean of all three, in the way of `Image.convert`: what shows no class.
GREYED = (0.45, 0.2, 0.2, 0, 0.2, 0.45, 0.2, 0, 0.2, 0.2, 0.45, 0)
TILE, GAP, CAPTION = 240, 8, 22
LONGEST_NAME = 24
"""Characters of a class name in a caption: a tile holds about 30."""


def overlay(photograph: Image.Image, labels: Array) -> Image.Image:
    """An RGB photograph with its label map (H, W) painted over it, and all else turned dark and grey."""
    painted = photograph.convert("RGB", GREYED)
    for label, pixels in enumerate(Image.fromarray(labels).histogram()):
        if not pixels or label in (0, IGNORE):
            continue
        inside = labels == label
        colour = COLOURS[(label - 1) % len(COLOURS)]
        tinted = photograph.point([(value + tone + 1) // 2 for tone in colour for value in range(256)])
        painted.paste(tinted, mask=Image.fromarray(inside))
        painted.paste("white", mask=Image.fromarray(_border(inside)))
    return painted


def panel(
    episode: Episode,
    predictions: Sequence[Tensor],
    names: Sequence[str],
    ious: Sequence[float] = (),
    note: str = "",
) -> Image.Image:
    """An episode as one picture: supports with their masks, then for each query the photograph, prediction and truth.

    Args:
        episode: What was asked.
        predictions: A label map for each query; none at all shows what was asked alone.
        names: Class name of each way.
        ious: IoU of each way in this episode, as a fraction.
        note: A line below, for example where the data come from.
    """
    tiles: list[tuple[str, Image.Image]] = []
    names = [for_display(name, LONGEST_NAME) for name in names]
    shots = [name for name, way in zip(names, episode.spec.supports, strict=True) for _ in way]
    for name, support in zip(shots, episode.supports(), strict=True):
        tiles.append((f"support: {name}", overlay(_picture(support), episode.labels(support).numpy())))
    score = ", ".join(f"{name} {100 * iou:.0f}" for name, iou in zip(names, ious, strict=False))
    queries = episode.queries()
    for query, prediction in zip_longest(queries, predictions):
        photograph, truth = _picture(query), episode.truth(query).numpy()
        if episode.score_at == "original":  # which has no padding
            photograph = photograph.crop((0, 0, query.placement.inner[1], query.placement.inner[0]))
        sized = photograph.resize((truth.shape[1], truth.shape[0]))
        tiles.append(("query", photograph))
        if prediction is not None:
            tiles.append((f"prediction, IoU {score}", overlay(sized, prediction.numpy())))
        tiles.append(("truth", overlay(sized, truth)))
    width = GAP + len(tiles) * (TILE + GAP)
    sheet = Image.new("RGB", (width, TILE + CAPTION + GAP + (CAPTION if note else 0)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for number, (caption, tile) in enumerate(tiles):
        left = GAP + number * (TILE + GAP)
        draw.text((left, 3), caption, "black", font)
        sheet.paste(tile.resize((TILE, TILE), Image.Resampling.LANCZOS), (left, CAPTION))
    if note:
        draw.text((GAP, CAPTION + TILE + 4), note, "#555555", font)
    return sheet


def draw_manifest(manifest: Manifest, source: Source, count: int, folder: Path) -> list[Path]:
    """Draw episodes of a manifest, evenly spread: `<place>-<classes>.png` each, its place counted from 0.

    Raises:
        InputError: if the manifest is of other classes, a photograph is not there, or a picture cannot be written.
    """
    for label, name in manifest.header.classes.items():
        if (there := dict(enumerate(source.classes, start=1)).get(int(label))) != name:
            raise InputError(f"the manifest calls class {label} {name!r}, and {source.name} {there!r}: name its data")
    loader = Loader(source, Geometry(TILE))
    count = min(count, len(manifest.specs))
    files = []
    for position in (part * len(manifest.specs) // count for part in range(count)):
        spec = manifest.specs[position]
        names = [source.classes[label - 1] for label in spec.classes]
        files.append(folder / f"{position:06d}-{for_path('-'.join(names))}.png")
        with atomic_write(files[-1]) as temporary:
            panel(loader.build(spec), [], names).save(temporary, "PNG")
    return files


def _picture(photograph: AnyPhotograph) -> Image.Image:
    assert isinstance(photograph, Photograph)  # the evaluator tells of episodes whose photographs are loaded again
    return Image.fromarray((photograph.image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())


def _border(
    inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Pixels inside whose left, right, upper or lower neighbour is outside."""
    padded = np.pad(inside, 1, mode="edge")
    kept = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~kept
