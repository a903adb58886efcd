"""Make the tasks by which the forecast and the risk are calibrated and judged: `python benchmarks/tasks.py --help`.

A task is a class and five examples; or of some of them the first three, or the first alone. Its record holds what the
examples say of themselves, the IoU of each query that shows the class, and the presence of photographs that show it
and of some that do not (those of the class before it). Every class is written when it is done, so that the script can
be stopped and started again.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from episodes import open_source
from episodes.data.source import IGNORE, Array, Source, Split
from episodes.draws import Draws
from episodes.files import write_text
from srpnet import Segmenter
from srpnet.apps.looks.placing import PlacedPhotograph, place_photograph
from srpnet.fewshot.predictor import Encoded, Prediction, Predictor
from srpnet.nn.grid import label_maps

SHOTS = (5, 3, 1)
TASKS = ((0, 5), (5, 5), (0, 3), (0, 1))
"""The first example and how many, of each task of a class; the queries are all its photographs but five."""
WITHOUT = 8
"""Photographs without the class."""
MOST, FEWEST = 13, 10
"""Photographs of a class."""
KEPT = 60
"""Photographs that are remembered from class to class."""
SPLITS: tuple[Split, ...] = ("val", "train")
LEFT_OUT = ("maillot", "miniskirt")
"""Which DUTS names by the ImageNet class of the file, though they are persons."""


class RememberingPredictor(Predictor):
    """Encodes each photograph once. What it gives is what a `Predictor` gives."""

    def __init__(self, like: Predictor) -> None:
        super().__init__(like.network, like.runtime)
        self.known: dict[bytes, Encoded] = {}

    def encode(self, images_B3HW: Tensor, deep: bool = False, fit: bool = False) -> Encoded:
        each = [self._encoded(image_3HW) for image_3HW in images_B3HW]
        levels = tuple(map(torch.cat, zip(*(one.levels_BChw for one in each), strict=True)))
        features_BChw = torch.cat([one.features_BChw for one in each])
        return Encoded(features_BChw, levels[-1] if deep else None, levels if fit else ())

    def levels(self, images_B3HW: Tensor) -> tuple[Tensor, ...]:
        return self.encode(images_B3HW, fit=True).levels_BChw

    def _encoded(self, image_3HW: Tensor) -> Encoded:
        key = image_3HW.numpy().tobytes()
        if key not in self.known:
            one_13HW = image_3HW[None]
            levels = Predictor.levels(self, one_13HW)
            with torch.inference_mode(), self.runtime.autocast():
                self.known[key] = Encoded(self.network.encode(one_13HW), None, levels)
        return self.known[key]


def photographs(source: Source, least_pixels: int) -> dict[str, list[str]]:
    """Class -> ids of the photographs that show enough of it, in a drawn order."""
    found: dict[str, list[str]] = {}
    for split in SPLITS:
        try:
            ids = source.ids(split)
        except ValueError:  # a part that is not there
            continue
        for id in ids:
            if source.has(id):
                for label, pixels in source.classes_in(id).items():
                    if pixels >= least_pixels:
                        found.setdefault(source.classes[label - 1], []).append(id)
    return {
        name: Draws("forecast", source.name.partition(":")[0], name).sample(ids, len(ids))
        for name, ids in sorted(found.items())
        if name not in LEFT_OUT and name != "unnamed object"
    }


def mask_of(source: Source, id: str, label: int) -> tuple[Array, Array]:
    """A photograph, and 0, 1 or 255 for each pixel."""
    photograph, labels = source.load(id)
    return photograph, np.where(labels == label, 1, np.where(labels == IGNORE, IGNORE, 0)).astype(np.uint8)


def segment(segmenter: Segmenter, placed: PlacedPhotograph) -> Prediction:
    """As `Segmenter.predict` does, with presence, but in a square, as examples are, so that it is encoded once."""
    predictor, supports = segmenter.predictor, segmenter.supports
    encoded = predictor.encode(placed.image[None], deep=True, fit=supports.head is not None)
    return predictor.segment(encoded, [supports], placed.placement.valid()[None], predictor.network.config.iqi)


def iou(segmenter: Segmenter, placed: PlacedPhotograph, prediction: Prediction, mask: Array) -> float:
    """Of what is found in a photograph, at its own size; pixels that are 255 count for nothing."""
    stride = segmenter.predictor.network.stride
    found = label_maps(prediction.logits_BPhw, stride, placed.placement, original=True)[0].numpy() == 1
    found &= mask != IGNORE
    return float((found & (mask == 1)).sum() / max(1, (found | (mask == 1)).sum()))


class Marked(NamedTuple):
    """A photograph and its mask."""

    id: str
    photograph: Array
    mask: Array
    placed: PlacedPhotograph


def tasks_of(
    segmenter: Segmenter, source: Source, name: str, ids: Sequence[str], others: Sequence[Marked]
) -> tuple[list[dict[str, Any]], list[Marked]]:
    """The records of a class, and its photographs, which serve the next class as photographs without it."""
    label = source.classes.index(name) + 1
    marked = []
    for id in ids[:MOST]:
        photograph, mask = mask_of(source, id, label)
        placed = place_photograph(Image.fromarray(photograph), segmenter.size, "letterbox")
        marked.append(Marked(id, photograph, mask, placed))
    without = [each for each in others if label not in source.classes_in(each.id)][:WITHOUT]
    records = []
    for first, shots in TASKS:
        shown = marked[first:][:shots]
        asked = [each for each in marked if each.id not in {one.id for one in marked[first:][: max(SHOTS)]}]
        segmenter.set_support([each.photograph for each in shown], [each.mask for each in shown])
        (evidence,) = segmenter.evidence()
        predictions = [segment(segmenter, each.placed) for each in asked]
        record: dict[str, Any] = {"class": name, "shots": shots, "share": segmenter.fitted_share}
        record |= {key: value for key, value in evidence._asdict().items() if key != "names"}
        record["queries"] = [
            iou(segmenter, each.placed, prediction, each.mask)
            for each, prediction in zip(asked, predictions, strict=True)
        ]
        record["present"] = [float(prediction.presence_BN) for prediction in predictions]
        record["absent"] = [float(segment(segmenter, each.placed).presence_BN) for each in without]
        records.append(record)
    return records, marked


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Which classes of which data are taken, and how they are looked at."""
    arguments.add_argument("--data", nargs="+", default=["stickers"], help="as for `srpnet eval`")
    arguments.add_argument("--size", type=int, default=193)
    arguments.add_argument("--least-pixels", type=int, default=2048)
    arguments.add_argument("--checkpoint", default="srpnet-base")
    arguments.add_argument("--every", type=int, default=1, help="take one class in so many")
    arguments.add_argument("--seconds", type=float, default=560, help="after which it stops; start it again to go on")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    arguments.add_argument("--out", type=Path, required=True, help="folder for the records, a file for each class")
    add_arguments(arguments)
    given = arguments.parse_args()
    started = time.monotonic()
    segmenter = Segmenter(given.checkpoint, size=given.size, device="cpu")
    segmenter.predictor = predictor = RememberingPredictor(segmenter.predictor)
    for data in given.data:
        domain, source, others = data.partition(":")[0], open_source(data), list[Marked]()
        classes = {name: ids for name, ids in photographs(source, given.least_pixels).items() if len(ids) >= FEWEST}
        for name in list(classes)[:: given.every]:
            file = given.out / f"{domain} {name}.json"
            if file.exists():
                continue
            if time.monotonic() > started + given.seconds:
                return
            records, others = tasks_of(segmenter, source, name, classes[name], others)
            content = {"domain": domain, "size": given.size, "tasks": records}
            write_text(file, json.dumps(rounded(content)))
            for key in list(predictor.known)[:-KEPT]:
                del predictor.known[key]
            print(f"{time.monotonic() - started:.0f} s  {file.stem}: {len(records)} tasks", flush=True)


def rounded(value: Any) -> Any:
    """The same with four digits."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, (list, tuple)) else value


if __name__ == "__main__":
    main()
