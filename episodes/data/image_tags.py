"""Photographs of which only tags are known: from a CSV file, folders, or the masks of a source, which are not shown."""

import csv
import hashlib
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from episodes.data.class_index import fingerprint
from episodes.data.file_names import ids_of
from episodes.data.pictures.depth import as_rgb
from episodes.data.pictures.images import Missing, PictureError
from episodes.data.pictures.opening import open_picture
from episodes.data.source import Array, Source, Split
from episodes.draws import Draws
from episodes.errors import InputError
from episodes.files import expanded
from episodes.inputs import read_text
from episodes.names import for_display

PREFIX = "tags:"
"""What stands before a file or folder of tags in place of a data set."""
ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic"}
HEADS = {"photograph", "photo", "image", "file", "filename", "path", "name"}
"""How the first column of a CSV file may be called, if its first line names columns."""


@dataclass(frozen=True)
class TaggedPhotographs:
    """Photographs with tags.

    Attributes:
        name: As a person names them.
        classes: The tags that there are, in order.
        labels: The number of each in label maps.
        tags: Id -> positions in `classes`, at least one, ascending; in order.
        read: Id -> photograph, RGB (H, W, 3).
        remarks: What was left out, a line each.
    """

    name: str
    classes: tuple[str, ...]
    labels: tuple[int, ...]
    tags: Mapping[str, tuple[int, ...]]
    read: Callable[[str], Array]
    remarks: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the photographs."""
        return tuple(self.tags)

    @property
    def sha256(self) -> str:
        """SHA-256, in hexadecimal, over ids and tags."""
        return fingerprint(f"{id}: {', '.join(self.classes[tag] for tag in own)}" for id, own in self.tags.items())

    def limited(self, count: int | None, seed: int) -> "TaggedPhotographs":
        """So many of them, drawn by the seed; all if there are no more."""
        if count is None or count >= len(self.tags):
            return self
        drawn = set(Draws("tagged photographs", seed).sample(self.ids, count))
        return replace(self, tags={id: own for id, own in self.tags.items() if id in drawn})


def checked(tagged: TaggedPhotographs, only: Sequence[str] = ()) -> TaggedPhotographs:
    """The photographs with these tags alone, without those that have none of them.

    Args:
        tagged: Photographs; their tags may be empty.
        only: Names of classes; none: all that there are.

    Raises:
        InputError: if a class is unknown or no photograph has it, or there is one class alone.
    """
    known = {name: position for position, name in enumerate(tagged.classes)}
    if unknown := [name for name in only if name not in known]:
        there = ", ".join(for_display(name) for name in tagged.classes)
        raise InputError(f"no photograph of {tagged.name} has the tag {unknown[0]!r}: there are {there}")
    kept = [known[name] for name in dict.fromkeys(only)] or list(range(len(known)))
    used = {tag for own in tagged.tags.values() for tag in own}
    if only and (unused := [tagged.classes[position] for position in kept if position not in used]):
        raise InputError(f"no photograph of {tagged.name} has the tag {unused[0]!r}: leave it out, or add photographs")
    kept = [position for position in kept if position in used]
    if len(kept) < 2:
        named = f"the tag {tagged.classes[kept[0]]!r} alone" if kept else "no tags"
        raise InputError(
            f"{tagged.name} has {named}: what all photographs show cannot be told from its surroundings; "
            "give photographs of at least two classes"
        )
    numbers = {position: number for number, position in enumerate(kept)}
    tags = {id: tuple(sorted(numbers[tag] for tag in own if tag in numbers)) for id, own in tagged.tags.items()}
    untagged = [id for id, own in tags.items() if not own]
    what = "without a tag" if not only else "without any of these tags"
    remarks = [f"photographs {what}, left out: {len(untagged):,} of {len(tags):,} ({untagged[0]})"] if untagged else []
    return replace(
        tagged,
        classes=tuple(tagged.classes[position] for position in kept),
        labels=tuple(tagged.labels[position] for position in kept),
        tags={id: own for id, own in tags.items() if own},
        remarks=(*tagged.remarks, *remarks),
    )


def read_tags(path: Path | str) -> TaggedPhotographs:
    """Photographs of a CSV file, or of a folder with a folder for each class.

    A line of the file is a photograph's path, from the file's folder on, and its tags: a column each, or several in one
    with semicolons between. The first line may name the columns. In folders, copies of one photograph are one with
    several tags. An id is the path without its ending.

    Raises:
        InputError: if nothing is there, a photograph is missing, or a line is invalid.
    """
    root = expanded(path)
    if root.is_dir():
        return _of_folders(root)
    if not root.is_file():
        raise InputError(
            f"{root} is not there: name a CSV file of photographs and tags, or a folder with a folder a tag"
        )
    return _of_file(root)


def _of_file(file: Path) -> TaggedPhotographs:
    fix = "write a photograph's path and its tags on each line, with commas between"
    rows = list(csv.reader(io.StringIO(read_text(file, fix))))
    given: dict[str, list[str]] = {}
    for number, row in enumerate(rows, start=1):
        name, *cells = [cell.strip() for cell in row] or [""]
        if not name or (number == 1 and name.lower() in HEADS):
            continue
        if name in given:
            raise InputError(f"{file}, line {number}: {name} is there twice: give all its tags on one line")
        if not (file.parent / name).is_file():
            raise InputError(f"{file}, line {number}: there is no photograph {file.parent / name}")
        given[name] = [tag for cell in cells for tag in (part.strip() for part in cell.split(";")) if tag]
    return _tagged(f"{PREFIX}{file}", file.parent, given)


def _of_folders(root: Path) -> TaggedPhotographs:
    by_content: dict[str, str] = {}
    given: dict[str, list[str]] = {}
    for folder in sorted(child for child in root.iterdir() if child.is_dir() and not child.name.startswith(".")):
        for file in sorted(folder.rglob("*")):
            if file.suffix.lower() not in ENDINGS or not file.is_file() or file.name.startswith("."):
                continue
            with file.open("rb") as content:
                first = by_content.setdefault(
                    hashlib.file_digest(content, "sha256").hexdigest(), str(file.relative_to(root))
                )
            tags = given.setdefault(first, [])
            if folder.name not in tags:
                tags.append(folder.name)
    return _tagged(f"{PREFIX}{root}", root, given)


def _tagged(name: str, root: Path, given: Mapping[str, Sequence[str]]) -> TaggedPhotographs:
    if not given:
        raise InputError(f"{name} has no photographs: give each class a folder, or each photograph a line")
    classes = tuple(sorted({tag for tags in given.values() for tag in tags}))
    if len(classes) > 254:
        raise InputError(f"{name} has {len(classes)} tags, and a label map holds 254: use fewer")
    ids = dict(zip(ids_of(list(given)), given, strict=True))
    tags = {id: tuple(sorted(map(classes.index, given[file]))) for id, file in ids.items()}
    paths = {id: root / file for id, file in ids.items()}
    return TaggedPhotographs(name, classes, tuple(range(1, len(classes) + 1)), tags, partial(_read, paths))


def _read(paths: Mapping[str, Path], id: str) -> Array:
    try:
        return np.array(as_rgb(open_picture(paths[id], upright=True).pixels, str(paths[id])))
    except FileNotFoundError:
        raise Missing(f"{paths[id]} does not exist: every line needs a photograph") from None
    except InputError as error:
        raise PictureError(str(error)) from None


def tags_of(
    source: Source, split: Split, classes: Collection[int], unseen: Collection[int], drop: bool, min_pixels: int = 1
) -> TaggedPhotographs:
    """Tags by a source's masks, which nobody is shown: for benchmarks.

    Args:
        source, split: Whose photographs.
        classes: Labels whose tags are given.
        unseen: Labels that must not be: novel classes.
        drop: Leave out photographs that show such, too; else they are given, without these tags.
        min_pixels: Fewest pixels of a class for its tag.

    Raises:
        InputError: if no photograph can be used.
    """
    given = {label: position for position, label in enumerate(sorted(classes))}
    tags: dict[str, tuple[int, ...]] = {}
    dropped, missing = 0, 0
    for id in source.ids(split):
        areas = source.classes_in(id)
        if not source.has(id):
            missing += 1
        elif drop and not set(unseen).isdisjoint(areas):
            dropped += 1
        else:
            shown = (label for label, pixels in areas.items() if label in given and pixels >= min_pixels)
            tags[id] = tuple(sorted(given[label] for label in shown))
    if not tags:
        raise InputError(f"{source.name} has no photographs for training that can be used")
    remarks = [f"photographs that show novel classes, left out: {dropped:,}"] if dropped else []
    remarks += [f"photographs that are not there, left out: {missing:,}"] if missing else []
    names = tuple(source.classes[label - 1] for label in given)
    return TaggedPhotographs(source.name, names, tuple(given), tags, partial(_photograph, source), tuple(remarks))


def _photograph(source: Source, id: str) -> Array:
    return source.load(id)[0]
