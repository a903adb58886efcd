"""YOLO's segmentation: a text file for each photograph, a line for each object: its class, and corners as fractions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import yaml

from episodes.data.formats.annotated import Annotated, Format, Marked, inner
from episodes.data.formats.contents import Contents, check_size
from episodes.data.formats.drawing.fill import Shape, paint
from episodes.data.formats.drawing.objects import ExportSettings, objects
from episodes.data.formats.drawing.outline import joined
from episodes.data.formats.numbers import MOST_CLASSES, box, class_name
from episodes.data.pictures.images import PictureError, Size, state_of
from episodes.data.source import Labels
from episodes.errors import InputError
from episodes.files import write_text
from episodes.inputs import read_text

LARGEST = 16 << 20
"""Bytes of a text file."""
NAMES = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
HOW = "write a line for each object: the number of its class, and then x y of each corner, as fractions of the sides"


def write(folder: Path, names: Sequence[str], marked: Iterable[Marked], settings: ExportSettings) -> None:
    """`labels/NAME.txt`, empty where nothing is, and `data.yaml`. All parts of an object are one polygon, by slits."""
    for name, labels in marked:
        sides = np.array((labels.shape[1], labels.shape[0]), float)
        lines = []
        for each in objects(labels, len(names), settings):
            corners = (joined(each.polygons(settings)) / sides).ravel()
            lines.append(" ".join([str(each.label - 1), *(f"{value:.6f}" for value in corners)]) + "\n")
        write_text(folder / "labels" / inner(name).with_suffix(".txt"), "".join(lines))
    known = yaml.safe_dump(dict(enumerate(names)), allow_unicode=True, default_flow_style=False)
    indented = "".join(f"  {line}\n" for line in known.splitlines())
    write_text(folder / "data.yaml", f"path: .\ntrain: images\nval: images\nnames:\n{indented}")


def find(contents: Contents) -> list[str]:
    """Text files in `labels/`, or beside a photograph of the same name."""
    pictures = {str(PurePosixPath(file).with_suffix("")) for file in contents.pictures}
    return [
        file for file in contents.ending(".txt") if "labels" in PurePosixPath(file).parts[:-1] or file[:-4] in pictures
    ]


@dataclass(frozen=True)
class YoloEntry:
    """One photograph, and its text file if it has one."""

    file: Path | None
    classes: Sequence[str]
    state: str
    size: None = None

    def labels(self, size: Size, numbers: Mapping[str, int]) -> Labels:
        """Read when it is asked for: there may be a hundred thousand."""
        shapes = [] if self.file is None else read_shapes(self.file, self.classes, size)
        return paint(shapes, size, numbers)


def read_shapes(file: Path, classes: Sequence[str], size: Size) -> list[Shape]:
    """The objects of a text file; boxes as boxes.

    Raises:
        PictureError: A line is none of an object, or its class has no name.
    """
    try:
        check_size(file, LARGEST)
        text = read_text(file, HOW)
    except InputError as error:
        raise PictureError(str(error)) from None
    shapes = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not (words := line.split()):
            continue
        try:
            label, values = int(words[0]), np.array(words[1:], float)
        except ValueError:
            label, values = -1, np.zeros(0)
        usable = (len(values) == 4 or (len(values) >= 6 and len(values) % 2 == 0)) and (np.abs(values) <= 10).all()
        if not 0 <= label < len(classes) or not usable:
            raise PictureError(f"{file}, line {number}: {line[:60]!r} is invalid ({len(classes)} classes): {HOW}")
        if len(values) == 4:
            x, y, width, height = values
            corners = box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        else:
            corners = values.reshape(-1, 2)
        shapes.append(Shape(classes[label], [corners * (size[1], size[0])]))
    return shapes


def read(contents: Contents, files: Sequence[str]) -> Annotated:
    """Photographs with their text files. One in a folder `images` without a text file shows nothing, as YOLO has it."""
    classes = class_names(contents, files)
    by_stem = {str(PurePosixPath(file).with_suffix("")): file for file in files}
    entries = {}
    for picture in contents.pictures:
        stem = PurePosixPath(picture).with_suffix("")
        file = next((by_stem[str(place)] for place in _places(stem) if str(place) in by_stem), None)
        if file is None and "images" not in stem.parts:
            continue
        contents.check_inside(picture, file or picture)
        path, state = (None, "-") if file is None else (contents.root / file, contents.state(file))
        entries[picture] = YoloEntry(path, classes, state)
    return Annotated(classes, entries)


def read_text_file(file: Path) -> tuple[tuple[str, ...], YoloEntry]:
    """The names of the classes, from the file's folder or the one above it, and what it says of its photograph.

    Raises:
        InputError: Nothing names the classes.
    """
    folders = [file.absolute().parent, file.absolute().parent.parent]
    near = [Contents(folder, [path.name for path in sorted(folder.iterdir()) if path.is_file()]) for folder in folders]
    known = next((contents for contents in near if contents.ending("classes.txt", ".yaml", ".yml")), near[0])
    classes = class_names(known, [file.name])
    return classes, YoloEntry(file, classes, state_of(file))


def class_names(contents: Contents, files: Sequence[str]) -> tuple[str, ...]:
    """The names in `data.yaml`, or another YAML file with `names`, or in `classes.txt`.

    Raises:
        InputError: There is no such file, or it names no classes.
    """
    if listing := next(iter(contents.ending("classes.txt")), None):
        check_size(contents.root / listing, LARGEST)
        found: object = read_text(contents.root / listing, "write a class a line").splitlines()
    else:
        named = sorted(contents.ending(".yaml", ".yml"), key=lambda file: PurePosixPath(file).name not in NAMES)
        listing = next(iter(named), None)
        if listing is None:
            raise InputError(
                f"{contents.root} has labels of YOLO ({files[0]}), but nothing names their classes: add "
                "classes.txt, a class a line"
            )
        found = _yaml(contents.root / listing)
        found = found.get("names") if isinstance(found, dict) else None
    if isinstance(found, dict) and set(found) == set(range(len(found))):
        found = [found[number] for number in range(len(found))]
    names = [class_name(str(name)) for name in found] if isinstance(found, list) else []
    classes = tuple(name for name in names if name)
    if not classes or len(classes) < len(names) or len({*classes}) < len(classes) or len(classes) > MOST_CLASSES:
        raise InputError(
            f"{contents.root / listing} does not name classes: write each once, under its number from 0 on"
        )
    return classes


def _yaml(path: Path) -> object:
    """What a YAML file holds; aliases, by which a short file may become a huge one, are refused."""
    check_size(path, LARGEST)
    text = read_text(path, "write it as YAML")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise InputError(f"{path} has aliases: write out what they stand for")
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is not valid YAML ({reason}): correct it") from None


def _places(stem: PurePosixPath) -> list[PurePosixPath]:
    """Where the text file of a photograph may be: beside it, or in `labels` for the last `images` of its path."""
    parts, places = list(stem.parts), [stem]
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[-2::-1].index("images")
        places.insert(0, PurePosixPath(*parts[:last], "labels", *parts[last + 1 :]))
    return [*places, PurePosixPath("labels") / stem]


YOLO = Format("yolo", "YOLO-seg", "labels/NAME.txt and data.yaml, polygons", write, find, read)
