"""COCO's instances: one JSON file for all photographs, with polygons, or with run lengths, which lose nothing."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from episodes.data.coco.annotations import Annotations
from episodes.data.formats.annotated import Annotated, Format, Marked
from episodes.data.formats.contents import Contents
from episodes.data.formats.drawing.fill import Shape, mask_of
from episodes.data.formats.drawing.objects import ExportSettings, Object, objects
from episodes.data.formats.drawing.run_lengths import column_lengths
from episodes.data.formats.sniff import json_kind
from episodes.data.pictures.images import Size
from episodes.data.source import Array, Labels, numbered, silent
from episodes.errors import InputError
from episodes.files import atomic_write

FILE = "annotations.json"


def write(
    folder: Path, names: Sequence[str], marked: Iterable[Marked], settings: ExportSettings, run_lengths: bool = False
) -> None:
    """`annotations.json`. A hole in a polygon hangs on the outline by a slit, as the format knows no holes."""
    images: list[dict[str, Any]] = []
    with atomic_write(folder / FILE) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"categories": ')
        json.dump([{"id": number, "name": name} for number, name in enumerate(names, start=1)], file)
        file.write(',\n"annotations": [')
        annotations = _annotations(marked, len(names), settings, run_lengths, images)
        for number, annotation in enumerate(annotations, start=1):
            file.write(",\n" if number > 1 else "\n")
            json.dump({"id": number, **annotation}, file)
        file.write('],\n"images": ')
        json.dump(images, file)
        file.write("}\n")


def _annotations(
    marked: Iterable[Marked], classes: int, settings: ExportSettings, run_lengths: bool, images: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for number, (name, labels) in enumerate(marked, start=1):
        height, width = labels.shape
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        for each in objects(labels, classes, settings):
            yield {
                "image_id": number,
                "category_id": each.label,
                "iscrowd": 0,
                "area": each.area,
                "bbox": each.box,
                "segmentation": _runs(each, labels) if run_lengths else _polygons(each, settings),
            }


def _polygons(each: Object, settings: ExportSettings) -> list[list[float]]:
    return [polygon.ravel().tolist() for polygon in each.polygons(settings)]


def _runs(each: Object, labels: Array) -> dict[str, Any]:
    size = (labels.shape[0], labels.shape[1])
    mask = mask_of(Shape("", each.parts[0]), size)
    for part in each.parts[1:]:
        mask |= mask_of(Shape("", part), size)
    return {"size": size, "counts": column_lengths(mask)}


def find(contents: Contents) -> list[str]:
    """JSON files that begin as COCO's do."""
    return [file for file in contents.ending(".json") if json_kind(contents.head(file)) == "coco"]


@dataclass(frozen=True)
class CocoEntry:
    """One photograph of an annotation file; crowds are ignored."""

    annotations: Annotations
    id: str
    size: Size
    state: str

    def labels(self, size: Size, numbers: Mapping[str, int]) -> Labels:
        """As `coco:PATH` draws it."""
        return self.annotations.labels(self.id)


def read(contents: Contents, files: Sequence[str]) -> Annotated:
    """All annotation files, which must declare the same categories, and different photographs."""
    entries: dict[str, CocoEntry] = {}
    read_before: list[Annotations] = []
    for by in files:
        annotations = Annotations(contents.root / by, silent)
        for other in read_before:
            annotations.check_beside(other)
        read_before.append(annotations)
        state = contents.state(by)
        for id, name in annotations.files.items():
            file = contents.photograph(name, by)
            if file in entries:
                raise InputError(f"{contents.root / by}: {name} is the same photograph as another: list it once")
            entries[file] = CocoEntry(annotations, id, annotations.sizes[id], state)
    remarks = [remark for annotations in read_before for remark in annotations.remarks]
    return Annotated(numbered(read_before[0].classes), entries, remarks)


COCO = Format("coco", "COCO", "JSON with polygons", write, find, read)
COCO_RLE = Format("coco-rle", "COCO", "JSON with run lengths, which lose nothing", partial(write, run_lengths=True))
