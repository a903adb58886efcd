"""CVAT for images 1.1: one XML file for all photographs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from episodes.data.formats.annotated import Annotated, Format, Marked, inner
from episodes.data.formats.contents import Contents, parse_xml
from episodes.data.formats.drawing.fill import Patch, Polygon
from episodes.data.formats.drawing.objects import ExportSettings, objects
from episodes.data.formats.drawing.run_lengths import values_of
from episodes.data.formats.numbers import box, ellipse, polygon_of, size_of, turned
from episodes.data.formats.shapes import Collected
from episodes.errors import InputError
from episodes.files import atomic_write

FILE = "annotations.xml"
LINES = ("polyline", "points", "cuboid", "skeleton", "tag")
AREAS = ("polygon", "box", "ellipse", "mask")


def write(folder: Path, names: Sequence[str], marked: Iterable[Marked], settings: ExportSettings) -> None:
    """`annotations.xml` with polygons, those of an object in one group; holes hang on slits.

    Names of photographs are below `images`, as CVAT has them.
    """
    with atomic_write(folder / FILE) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta><task><labels>\n'
        )
        file.writelines(f"<label><name>{escape(name)}</name></label>\n" for name in names)
        file.write("</labels></task></meta>\n")
        for number, (name, labels) in enumerate(marked):
            height, width = labels.shape
            file.write(f'<image id="{number}" name={quoteattr(str(inner(name)))} width="{width}" height="{height}">\n')
            for group, each in enumerate(objects(labels, len(names), settings), start=1):
                grouped = f' group_id="{group}"' if len(each.parts) > 1 else ""
                for polygon in each.polygons(settings):
                    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in polygon)
                    label = quoteattr(names[each.label - 1])
                    file.write(
                        f'<polygon label={label} source="auto" occluded="0" points="{points}" z_order="0"{grouped}>'
                        "</polygon>\n"
                    )
            file.write("</image>\n")
        file.write("</annotations>\n")


def find(contents: Contents) -> list[str]:
    """XML files whose root is `annotations`."""
    return [file for file in contents.ending(".xml") if b"<annotations" in contents.head(file)]


def read(contents: Contents, files: Sequence[str]) -> Annotated:
    """Polygons, boxes, ellipses and masks of `image` elements; lines and points have no area."""
    labels = _Labels()
    for by in files:
        parse_xml(contents.root / by, labels)
    collected = Collected(contents, labels.names)
    for by in files:
        parse_xml(contents.root / by, _Images(collected, contents.root / by, by))
    return collected.done()


class _Labels:
    """Hears the names of labels in `meta`, in their order, as there need not be any of an object."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._path: list[str] = []
        self._text = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._path.append(name)
        self._text = ""

    def text(self, words: str) -> None:
        if self._path[-2:] == ["label", "name"]:
            self._text += words

    def end(self, name: str) -> None:
        if self._path[-2:] == ["label", "name"] and self._text.strip():
            self.names.append(self._text.strip())
        self._path.pop()


class _Images:
    """Hears `image` elements and the shapes in them."""

    def __init__(self, collected: Collected, path: Path, by: str) -> None:
        self._collected, self._path, self._by = collected, path, by
        self._inside = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "track":
            raise InputError(f"{self._path} is of a video: export it as CVAT for images")
        if name == "image":
            self._inside = True
            size = size_of(attributes.get("height"), attributes.get("width"))
            self._collected.photograph(attributes.get("name"), size, self._by)
        elif self._inside and name in LINES:
            self._collected.without_area()
        elif self._inside and name in AREAS:
            try:
                area = _area(name, attributes)
            except (KeyError, ValueError, OverflowError):
                area = None
            self._collected.shape(attributes.get("label"), area)

    def text(self, words: str) -> None:
        pass

    def end(self, name: str) -> None:
        self._inside = self._inside and name != "image"


def _area(kind: str, attributes: Mapping[str, str]) -> Polygon | Patch | None:
    """What an element draws.

    Raises:
        KeyError, ValueError, OverflowError: It is malformed.
    """
    if kind == "polygon":
        return polygon_of([[float(value) for value in pair.split(",")] for pair in attributes["points"].split(";")])
    if kind == "mask":
        left, top, width, height = (int(attributes[name]) for name in ("left", "top", "width", "height"))
        size = size_of(height, width)
        values = values_of([int(length) for length in attributes["rle"].split(",")], width * height) if size else None
        return None if values is None else Patch(left, top, values.reshape(height, width))
    names = ("xtl", "ytl", "xbr", "ybr") if kind == "box" else ("cx", "cy", "rx", "ry")
    a, b, c, d = (float(attributes[name]) for name in names)
    drawn = box(a, b, c, d) if kind == "box" else ellipse(a, b, c, d)
    x, y = ((a + c) / 2, (b + d) / 2) if kind == "box" else (a, b)
    return polygon_of(turned(drawn, float(attributes.get("rotation", 0)), x, y).tolist())


CVAT = Format("cvat", "CVAT for images", "annotations.xml, polygons", write, find, read)
