"""LabelMe: a JSON file for each photograph, beside it."""

import base64
import binascii
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from episodes.data.formats.annotated import Annotated, Format, Marked
from episodes.data.formats.contents import Contents
from episodes.data.formats.drawing.fill import Patch, Polygon
from episodes.data.formats.drawing.objects import ExportSettings, objects
from episodes.data.formats.numbers import box, ellipse, polygon_of, size_of
from episodes.data.formats.shapes import Collected
from episodes.data.formats.sniff import json_kind
from episodes.data.pictures import opening
from episodes.errors import InputError
from episodes.files import write_json

VERSION = "5.4.1"
"""Of LabelMe, whose files these are."""


def write(folder: Path, names: Sequence[str], marked: Iterable[Marked], settings: ExportSettings) -> None:
    """`NAME.json` beside each photograph, with polygons, those of an object in one group; holes hang on slits."""
    for name, labels in marked:
        shapes = [
            {
                "label": names[each.label - 1],
                "points": polygon.tolist(),
                "group_id": number if len(each.parts) > 1 else None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
            }
            for number, each in enumerate(objects(labels, len(names), settings), start=1)
            for polygon in each.polygons(settings)
        ]
        content = {
            "version": VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": PurePosixPath(name).name,
            "imageData": None,
            "imageHeight": labels.shape[0],
            "imageWidth": labels.shape[1],
        }
        write_json((folder / name).with_suffix(".json"), content)


def find(contents: Contents) -> list[str]:
    """JSON files that begin as LabelMe's do."""
    return [file for file in contents.ending(".json") if json_kind(contents.head(file)) == "labelme"]


def read(contents: Contents, files: Sequence[str]) -> Annotated:
    """Polygons, rectangles, circles and masks; lines and points have no area. `imageData` is not looked at."""
    collected = Collected(contents)
    for by in files:
        content = contents.json(by)
        shapes = content.get("shapes") if isinstance(content, dict) else None
        if not isinstance(shapes, list):
            raise InputError(f"{contents.root / by} is no file of LabelMe: it has no list `shapes`")
        size = size_of(content.get("imageHeight"), content.get("imageWidth"))
        collected.photograph(content.get("imagePath"), size, by)
        for shape in shapes:
            shape = shape if isinstance(shape, dict) else {}
            kind = shape.get("shape_type") or "polygon"
            if kind in ("point", "points", "line", "linestrip"):
                collected.without_area()
            else:
                collected.shape(shape.get("label"), _area(kind, shape))
    return collected.done()


def _area(kind: str, shape: dict[str, Any]) -> Polygon | Patch | None:
    if kind == "polygon":
        return polygon_of(shape.get("points"))
    corners = polygon_of(shape.get("points"), least=2)
    if corners is None or len(corners) != 2:
        return None
    (left, top), (right, bottom) = corners.tolist()
    if kind == "rectangle":
        return box(left, top, right, bottom)
    if kind == "circle":
        radius = math.hypot(right - left, bottom - top)
        return ellipse(left, top, radius, radius)
    return _patch(shape.get("mask"), round(left), round(top)) if kind == "mask" else None


def _patch(code: object, left: int, top: int) -> Patch | None:
    """A mask as a picture in base64."""
    if not isinstance(code, str):
        return None
    try:
        with opening.readable("a mask"), Image.open(io.BytesIO(base64.b64decode(code)), formats=["PNG"]) as image:
            return Patch(left, top, np.asarray(image.convert("L")) > 0)
    except (binascii.Error, InputError, OSError):
        return None


LABELME = Format("labelme", "LabelMe", "NAME.json, polygons", write, find, read)
