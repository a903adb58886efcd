"""Annotation formats, one file each: which there are, which a folder is in, and what it holds."""

from pathlib import Path

from episodes.data.formats.annotated import Annotated, Entry, Format, Marked, Writer
from episodes.data.formats.coco import COCO, COCO_RLE
from episodes.data.formats.contents import Contents
from episodes.data.formats.cvat import CVAT
from episodes.data.formats.label_studio import LABEL_STUDIO
from episodes.data.formats.labelme import LABELME
from episodes.data.formats.masks import CLASS_MASKS, INDEXED, PROBABILITIES
from episodes.data.formats.objects import ExportSettings
from episodes.data.formats.yolo import YOLO
from episodes.errors import InputError

__all__ = ["FORMATS", "Annotated", "Contents", "Entry", "ExportSettings", "Format", "Marked", "Writer", "recognise"]

FORMATS = {
    record.name: record
    for record in (INDEXED, CLASS_MASKS, PROBABILITIES, COCO, COCO_RLE, YOLO, LABELME, CVAT, LABEL_STUDIO)
}
"""By name."""


def recognise(contents: Contents) -> tuple[Format, list[str]]:
    """The format of a folder, told from its files, and the files that are annotations.

    Raises:
        InputError: There are annotations of two formats, or none.
    """
    found = [(record, files) for record in FORMATS.values() if record.read and (files := list(record.find(contents)))]
    if len(found) > 1:
        (one, (first, *_)), (other, (second, *_)) = found[:2]
        raise InputError(
            f"{contents.root} has annotations of {one.title} ({first}) and of {other.title} ({second}): leave one"
        )
    if not found:
        known = ", ".join(dict.fromkeys(record.title for record in FORMATS.values()))
        raise InputError(
            f"{contents.root} holds no annotations: put those of one format beside the photographs ({known})"
        )
    return found[0]


def read_folder(root: Path) -> Annotated:
    """What a folder of photographs with annotations holds; see `recognise` and `Format.read`.

    Raises:
        InputError: Its format is not clear, or a file of it is malformed.
    """
    contents = Contents(root)
    record, files = recognise(contents)
    assert record.read is not None
    return record.read(contents, files)
