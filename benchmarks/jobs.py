"""Jobs of `own_things.py` as folders, and what builds them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from harness import ids_of
from PIL import Image
from scipy import ndimage
from skimage import data
from skimage.segmentation import watershed

from episodes import open_source
from episodes.data.source import IGNORE, Array

WANTED = {
    "coco": ("bus", "handbag", "sink", "wine glass"),
    "pascal": ("bottle", "sheep"),
    "faces": ("brow", "eye", "lip"),
}
"""Kind of data set -> classes, none of which is a test class of the released models."""
LEAST, MOST = 0.005, 0.5
"""Share of a photograph that an object may have."""
SEED = 16

Example = tuple[Array, Array]


@dataclass(frozen=True)
class Job:
    """A folder with `supports/`, `queries/` and `truth/`."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def scores(self) -> Path:
        """What was scored of it."""
        return self.folder / "scores.json"

    def supports(self, count: int) -> list[Example]:
        """The first examples."""
        files = sorted(file for file in (self.folder / "supports").iterdir() if not file.stem.endswith("-mask"))
        return [_read(file, file.with_name(f"{file.stem}-mask.png")) for file in files[:count]]

    def queries(self) -> list[Example]:
        """Photographs and their truth."""
        return [
            _read(file, self.folder / "truth" / f"{file.stem}.png")
            for file in sorted((self.folder / "queries").iterdir())
        ]


def jobs_in(folder: Path, only: Sequence[str]) -> list[Job]:
    """The jobs in a folder, by name."""
    return [
        Job(each) for each in sorted(folder.iterdir()) if (each / "truth").is_dir() and (not only or each.name in only)
    ]


def build(folder: Path, sources: Sequence[str], shots: int, queries: int) -> None:
    """Build the jobs that are not there yet, from these data sets and from scikit-image's pictures."""
    makers: dict[str, Callable[[], list[Example]]] = {
        "coins": coins,
        "gravel in grass": lambda: textures("gravel", "grass", shots + queries),
        "brick in gravel": lambda: textures("brick", "gravel", shots + queries),
    }
    for name in sources:
        for wanted in WANTED[name.partition(":")[0]]:
            makers[wanted] = lambda name=name, wanted=wanted: list(_of_class(name, wanted, shots + queries))
    for name, make in makers.items():
        if (folder / name / "truth").is_dir():
            continue
        examples = make()[: shots + queries]
        for number, example in enumerate(examples):
            part = "supports" if number < shots else "queries"
            _write(folder / name, part, f"{number:02}", example)


def _of_class(name: str, wanted: str, count: int) -> Iterator[Example]:
    """Photographs of a class of a data set, drawn by a seed."""
    source = open_source(name)
    label = source.classes.index(wanted) + 1
    showing = [id for id in ids_of(source) if source.has(id) and label in source.classes_in(id)]
    for number in np.random.default_rng(SEED).permutation(len(showing)).tolist():
        photograph, labels = source.load(showing[number])
        mask = np.where(labels == IGNORE, IGNORE, labels == label).astype(np.uint8)
        if LEAST <= (mask == 1).mean() <= MOST:
            yield photograph, mask
            count -= 1
        if not count:
            return


def coins() -> list[Example]:
    """Parts of a photograph of coins; the truth is a watershed of its edges, without what is smaller than a coin."""
    grey = data.coins()
    markers = np.where(grey < 30, 1, np.where(grey > 150, 2, 0))
    mask = ndimage.binary_fill_holes(watershed(_edges(grey), markers) == 2)
    labels, _ = ndimage.label(mask)
    mask &= np.bincount(labels.ravel())[labels] > 200
    photograph = np.repeat(grey[..., None], 3, 2)
    height, width = grey.shape[0] // 4, grey.shape[1] // 3
    parts = [
        (slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width))
        for row in range(4)
        for column in range(3)
    ]
    order = np.random.default_rng(SEED).permutation(len(parts)).tolist()
    return [(photograph[parts[number]], mask[parts[number]].astype(np.uint8)) for number in order]


def textures(thing: str, ground: str, count: int) -> list[Example]:
    """Blobs of one texture in another of the same brightness; where they are is known exactly."""
    rng = np.random.default_rng(SEED)
    pictures = [getattr(data, name)().astype(np.float64) for name in (thing, ground)]
    front, back = ((picture - picture.mean()) / picture.std() * 45 + 120 for picture in pictures)
    examples = []
    for _ in range(count):
        side = 256
        noise = ndimage.gaussian_filter(rng.normal(size=(side, side)), 28)
        mask = noise > np.quantile(noise, rng.uniform(0.6, 0.85))
        corners = rng.integers(0, [front.shape[0] - side, front.shape[1] - side], (2, 2))
        cut = [picture[y : y + side, x : x + side] for picture, (y, x) in zip((front, back), corners, strict=True)]
        grey = np.where(mask, *cut).clip(0, 255).astype(np.uint8)
        examples.append((np.repeat(grey[..., None], 3, 2), mask.astype(np.uint8)))
    return examples


def _edges(grey: Array) -> np.ndarray:
    return np.hypot(*(ndimage.sobel(grey.astype(np.float64), axis) for axis in (0, 1)))


def _write(folder: Path, part: str, name: str, example: Example) -> None:
    masks = folder / ("supports" if part == "supports" else "truth")
    for each in (folder / part, masks):
        each.mkdir(parents=True, exist_ok=True)
    photograph, mask = (Image.fromarray(np.ascontiguousarray(pixels)) for pixels in example)
    photograph.save(folder / part / f"{name}.png")
    mask.save(masks / (f"{name}-mask.png" if part == "supports" else f"{name}.png"))


def _read(photograph: Path, mask: Path) -> Example:
    return np.array(Image.open(photograph).convert("RGB")), np.array(Image.open(mask))
