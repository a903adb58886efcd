"""Label Studio: a JSON list of tasks."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import quoteattr

import numpy as np

from episodes.data.formats.annotated import Annotated, Format, Marked
from episodes.data.formats.contents import URL, Contents
from episodes.data.formats.drawing.fill import Patch, Polygon
from episodes.data.formats.drawing.objects import ExportSettings, objects
from episodes.data.formats.drawing.run_lengths import brush
from episodes.data.formats.numbers import box, ellipse, polygon_of, size_of, turned
from episodes.data.formats.shapes import Collected
from episodes.data.formats.sniff import json_kind
from episodes.data.pictures.images import Size
from episodes.errors import InputError
from episodes.files import atomic_write, write_text

FILE = "tasks.json"
LOCAL = "/data/local-files/"
UPLOADED = re.compile(r"/?data/upload/(?:\d+/)?((?:[0-9a-f]{8}-)?([^/]+))")
KINDS = {"polygonlabels": "polygon", "rectanglelabels": "box", "ellipselabels": "ellipse", "brushlabels": "brush"}


def write(folder: Path, names: Sequence[str], marked: Iterable[Marked], settings: ExportSettings) -> None:
    """`tasks.json` with polygons, and `config.xml`, the labelling interface that goes with them.

    Photographs are named as Label Studio's local storage has them: `/data/local-files/?d=NAME`.
    """
    labels = "\n".join(f"    <Label value={quoteattr(name)}/>" for name in names)
    write_text(
        folder / "config.xml",
        '<View>\n  <Image name="image" value="$image"/>\n  <PolygonLabels name="label" toName="image">\n'
        f"{labels}\n  </PolygonLabels>\n</View>\n",
    )
    with atomic_write(folder / FILE) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("[")
        for number, (name, label_map) in enumerate(marked, start=1):
            task = {
                "id": number,
                "data": {"image": f"{LOCAL}?d={quote(name)}"},
                "annotations": [{"id": number, "result": _results(label_map, number, names, settings)}],
            }
            file.write(",\n" if number > 1 else "\n")
            json.dump(task, file)
        file.write("]\n")


def _results(labels: Any, task: int, names: Sequence[str], settings: ExportSettings) -> list[dict[str, Any]]:
    height, width = labels.shape
    found: list[dict[str, Any]] = []
    for each in objects(labels, len(names), settings):
        for polygon in each.polygons(settings):
            points = (polygon * (100 / width, 100 / height)).round(5).tolist()
            found.append(
                {
                    "id": f"{task}-{len(found) + 1}",
                    "from_name": "label",
                    "to_name": "image",
                    "type": "polygonlabels",
                    "original_width": width,
                    "original_height": height,
                    "image_rotation": 0,
                    "value": {"points": points, "closed": True, "polygonlabels": [names[each.label - 1]]},
                }
            )
    return found


def find(contents: Contents) -> list[str]:
    """JSON files that are lists of tasks."""
    return [file for file in contents.ending(".json") if json_kind(contents.head(file)) == "label-studio"]


def read(contents: Contents, files: Sequence[str]) -> Annotated:
    """Polygons, rectangles, ellipses and brushes of the first annotation of each task that was not cancelled.

    Without one, those of the first prediction. A task without either is not annotated, and left out.
    """
    collected = Collected(contents)
    for by in files:
        tasks = contents.json(by)
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            raise InputError(f"{contents.root / by} is no list of Label Studio's tasks: export it as JSON")
        for task in tasks:
            results = _first_results(task)
            if results is None:
                continue
            size = next((_size(result) for result in results if _size(result)), None)
            collected.photograph(_name(task.get("data"), by, contents), size, by)
            for result in results:
                _add(collected, result)
    return collected.done()


def _first_results(task: dict[str, Any]) -> list[dict[str, Any]] | None:
    for kind in ("annotations", "completions", "predictions"):
        listed = task.get(kind)
        for annotation in listed if isinstance(listed, list) else []:
            if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
                results = annotation.get("result")
                return [each for each in results if isinstance(each, dict)] if isinstance(results, list) else []
    return None


def _name(data: Any, by: str, contents: Contents) -> str:
    """The path of a task's photograph, as it would be in the folder.

    Raises:
        InputError: There is none, or it lies elsewhere in the web.
    """
    values = [value for value in data.values() if isinstance(value, str)] if isinstance(data, dict) else []
    image = data.get("image") if isinstance(data, dict) else None
    name = image if isinstance(image, str) else next(iter(values), "")
    if name.startswith(LOCAL):
        return parse_qs(urlsplit(name).query).get("d", [""])[0]
    if uploaded := UPLOADED.fullmatch(name):
        return next((name for name in uploaded.groups() if contents.holds(name)), uploaded[2])
    if URL.match(name):
        raise InputError(
            f"{contents.root / by}: the photograph {name[:80]} lies in the web: put it into the folder, and write its "
            "name there"
        )
    return name


def _size(result: dict[str, Any]) -> Size | None:
    return size_of(result.get("original_height"), result.get("original_width"))


def _add(collected: Collected, result: dict[str, Any]) -> None:
    value, size = result.get("value"), _size(result)
    kind = next((kind for kind in KINDS if isinstance(value, dict) and kind in value), None)
    if not isinstance(value, dict) or kind is None:
        return  # a choice, a text, a rating, or a relation
    names = value[kind] if isinstance(value[kind], list) else []
    area = None if size is None else _area(KINDS[kind], value, size)
    for name in names or [None]:
        collected.shape(name, area)


def _area(kind: str, value: dict[str, Any], size: Size) -> Polygon | Patch | None:
    height, width = size
    if kind == "brush":
        opacity = brush(value.get("rle"), size)
        return None if opacity is None else Patch(0, 0, opacity >= 128)
    sides = np.array((width / 100, height / 100))
    if kind == "polygon":
        polygon = polygon_of(value.get("points"), (100, 100))
        return None if polygon is None else polygon * sides
    names = ("x", "y", "width", "height") if kind == "box" else ("x", "y", "radiusX", "radiusY")
    found = polygon_of(
        [[value.get(names[0]), value.get(names[1])], [value.get(names[2]), value.get(names[3])]], None, 2
    )
    turn = value.get("rotation", 0)
    if found is None or type(turn) not in (int, float):
        return None
    (x, y), (across, down) = (found * sides).tolist()
    drawn = box(x, y, x + across, y + down) if kind == "box" else ellipse(x, y, across, down)
    return polygon_of(turned(drawn, turn, x, y).tolist(), size)  # about the corner of a box, the centre of an ellipse


LABEL_STUDIO = Format("label-studio", "Label Studio", "tasks.json and config.xml, polygons", write, find, read)
