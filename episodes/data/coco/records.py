"""The records of a COCO annotation file, one by one: what can be used of each, and what is skipped."""

import json
import math
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from PIL import Image as Pillow

from episodes.data.file_names import below
from episodes.data.remarks import Remark, Tally
from episodes.data.source import IGNORE
from episodes.errors import InputError

T = TypeVar("T")
Image = tuple[str, int, int]
"""File name below the folder of photographs, height and width."""

MOST_PIXELS = 2 * (Pillow.MAX_IMAGE_PIXELS or 1 << 27)
"""Of a photograph; Pillow opens no larger ones."""
FAR = 10
"""Points of polygons that lie further outside, in sides of the photograph, are no points of it."""

NO_FILE = "photographs declared without a usable file name, number or size"
OUTSIDE = "photographs whose file name leads out of the folder (it must be a path below it)"
TWICE = "photographs declared twice with different values"
NO_NUMBER = "categories declared without a unique number and name"
NO_IMAGE = "annotations of undeclared photographs"
LOST_IMAGE = "annotations of skipped photographs"
NO_CATEGORY = "annotations of undeclared categories"
NO_SHAPE = "annotations without a shape"
NO_POLYGON = "annotations whose shape cannot be drawn"
PART = "annotations of which a part cannot be drawn"
OTHER_SIZE = "annotations whose mask and photograph differ in size"
AS_TEXT = "annotations with a number written as text, or text as a number, read by its value"
SAME_ID = "annotations with duplicate ids, all of them used"
NOT_MOST = 0.5
"""The share that may be of undeclared photographs: for a part of a data set, people trim only `images`."""

USED = {AS_TEXT, SAME_ID}
LOST = -1
"""In place of the row of a photograph that was skipped."""


class Drawn(NamedTuple):
    """An annotation that can be drawn.

    Attributes:
        row: Of the photograph, in `Records.images`.
        category: Its number.
        crowd: Whether it is a crowd.
        segmentation: Polygons or run lengths, see `drawable`.
    """

    row: int
    category: int
    crowd: bool
    segmentation: Any


class Declared(Generic[T]):
    """What is declared under ids. The number 7 and the text "7" are the same id unless both are declared."""

    def __init__(self) -> None:
        self._values: dict[Hashable, T] = {}

    def __len__(self) -> int:
        return len(self._values)

    def add(self, id: object, value: T) -> T | None:
        """Declare; None, or what was declared under this id before, which stays."""
        key = _key(id)
        if key in self._values:
            return self._values[key]
        self._values[key] = value
        return None

    def find(self, id: object) -> tuple[T, bool] | None:
        """What is declared, and whether it was under the id as it is written; None if nothing is."""
        if (key := _key(id)) in self._values:
            return self._values[key], True
        if (other := _other(key)) is not None and other in self._values:
            return self._values[other], False
        return None


class Records:
    """Reads the three lists in turn: first all `images`, then all `categories`, then `annotations`.

    Attributes:
        images: Those that can be used, in file order.
        categories: Number -> name.
    """

    def __init__(self) -> None:
        self.images: list[Image] = []
        self.categories: dict[int, str] = {}
        self._rows: Declared[int] = Declared()
        self._numbers: Declared[int] = Declared()
        self._files: dict[str, int] = {}
        self._ids: set[Hashable] = set()
        self._tally = Tally()
        self._declared = self._listed = self.annotations = 0

    def add_image(self, record: Any) -> None:
        """Take an element of `images`."""
        self._declared += 1
        record = record if isinstance(record, Mapping) else {}
        name, id = record.get("file_name"), record.get("id")
        height, width = _whole(record.get("height")), _whole(record.get("width"))
        label = name if isinstance(name, str) else f"number {id}"
        if not isinstance(name, str) or not name or _key(id) is None or not _a_size(height, width):
            self._pass_over(NO_FILE, label, id)
            return
        if (file := below(name)) is None:
            self._pass_over(OUTSIDE, label, id)
            return
        image: Image = (file, height, width)
        known = self._files.get(file)  # one photograph under two ids is one photograph
        row = len(self.images) if known is None else known
        alike = known is None or self.images[row] == image
        if self._rows.add(id, row if alike else LOST) not in (None, row) or not alike:
            self._tally.add(TWICE, label)
        elif known is None:
            self._files[file] = row
            self.images.append(image)

    def add_category(self, record: Any) -> None:
        """Take an element of `categories`."""
        self._listed += 1
        record = record if isinstance(record, Mapping) else {}
        number, name = _whole(record.get("id")), record.get("name")
        if number < 0 or isinstance(name, list | dict) or name is None:
            self._tally.add(NO_NUMBER, f"{name}")
        elif self._numbers.add(number, number) is None:
            self.categories[number] = str(name)
        elif self.categories[number] != str(name):
            self._tally.add(NO_NUMBER, f"{name}")

    def drawn(self, annotations: Iterable[Any]) -> Iterator[Drawn]:
        """Each of the `annotations` that can be drawn."""
        for record in annotations:
            self.annotations += 1
            record = record if isinstance(record, Mapping) else {}
            if (taken := self._taken(record, f"annotation {record.get('id')}")) is not None:
                yield taken

    def _taken(self, record: Mapping[str, Any], label: str) -> Drawn | None:
        image, category = self._rows.find(record.get("image_id")), self._numbers.find(record.get("category_id"))
        if image is None:
            self._tally.add(NO_IMAGE, f"{label} of photograph {json.dumps(record.get('image_id'))}")
        elif image[0] == LOST:
            self._tally.add(LOST_IMAGE, label)
        elif category is None:
            self._tally.add(NO_CATEGORY, f"{label} of category {json.dumps(record.get('category_id'))}")
        else:
            row = image[0]
            shape, fault = drawable(record.get("segmentation"), *self.images[row][1:])
            if fault is not None:
                self._tally.add(fault, label)
            if shape is None:
                return None
            if not (image[1] and category[1]):
                self._tally.add(AS_TEXT, label)
            if (id := _key(record.get("id"))) in self._ids:
                self._tally.add(SAME_ID, label)
            elif id is not None:
                self._ids.add(id)
            return Drawn(row, category[0], record.get("iscrowd") not in (None, 0, False, "0", ""), shape)
        return None

    def _pass_over(self, kind: str, label: str, id: object) -> None:
        self._tally.add(kind, label)
        if _key(id) is not None:
            self._rows.add(id, LOST)

    def remarks(self) -> list[Remark]:
        """What was skipped, or read differently from how it is written."""
        totals = dict.fromkeys((NO_FILE, OUTSIDE, TWICE), self._declared) | {NO_NUMBER: self._listed}
        return [
            self._tally.remark(
                kind,
                totals.get(kind, self.annotations),
                kind not in USED,
                **({"share": NOT_MOST} if kind == NO_IMAGE else {}),
            )
            for kind in self._tally.counts
        ]

    def check(self, path: object) -> None:
        """See that label maps can be drawn at all.

        Raises:
            InputError: There is nothing to draw, or more categories than label maps hold.
        """
        if not (self._declared and self._listed and self.annotations):
            raise InputError(f"{path} needs categories, images with their sizes, and annotations")
        if not (self.images and self.categories):
            raise InputError(f"{path} has nothing usable: {self.remarks()[0]}")
        if len(self.categories) >= IGNORE:
            raise InputError(f"{path} has {len(self.categories)} categories: label maps hold up to {IGNORE - 1}")


def drawable(segmentation: Any, height: int, width: int) -> tuple[Any, str | None]:
    """What can be drawn of a segmentation, None if nothing can, and what is wrong with it, if anything is.

    A list of four numbers would be a polygon of two points; pycocotools takes it for a box.
    """
    if not segmentation or (isinstance(segmentation, list) and all(part == [] for part in segmentation)):
        return None, NO_SHAPE
    if isinstance(segmentation, list):
        parts = [part for part in segmentation if part != []]
        polygons = [part for part in parts if _a_polygon(part, height, width)]
        if not polygons:
            return None, NO_POLYGON
        return polygons, PART if len(polygons) < len(parts) else None
    if not isinstance(segmentation, dict):
        return None, NO_POLYGON
    if segmentation.get("size") != [height, width]:
        return None, OTHER_SIZE if isinstance(segmentation.get("size"), list) else NO_POLYGON
    return (segmentation, None) if _fills(segmentation.get("counts"), height, width) else (None, NO_POLYGON)


def _key(id: object) -> Hashable | None:
    """An id for a table: whole numbers and texts are ids, and nothing else is."""
    if isinstance(id, float) and id.is_integer():
        return int(id)
    return id if isinstance(id, int | str) and not isinstance(id, bool) else None


def _other(key: Hashable | None) -> Hashable | None:
    """The number that a text spells, or the text that spells a number."""
    if isinstance(key, int):
        return str(key) if abs(key) < 10**18 else None
    if isinstance(key, str) and len(key) < 18 and re.fullmatch(r"0|-?[1-9][0-9]*", key):
        return int(key)
    return None


def _whole(value: object) -> int:
    """A whole number from 0 on, also if it is written as text; -1 if it is none, or larger than any count."""
    key = _key(value)
    number = key if isinstance(key, int) else _other(key)
    return number if isinstance(number, int) and 0 <= number < 1 << 53 else -1


def _a_size(height: int, width: int) -> bool:
    return height > 0 and width > 0 and height * width <= MOST_PIXELS


def _a_polygon(part: Any, height: int, width: int) -> bool:
    if not isinstance(part, list) or len(part) < 6 or len(part) % 2:
        return False
    if not all(type(value) in (int, float) for value in part):
        return False
    low, high = -FAR * max(height, width), (FAR + 1) * max(height, width)
    return low <= min(part) and max(part) <= high and all(map(math.isfinite, part))


def _fills(counts: Any, height: int, width: int) -> bool:
    """Whether run lengths, plain or packed, fill a photograph and no more."""
    if isinstance(counts, str):
        counts = _unpacked(counts)
    if not isinstance(counts, list) or not all(type(value) is int and value >= 0 for value in counts):
        return False
    return sum(counts) == height * width


def _unpacked(code: str) -> list[int] | None:
    """The run lengths in a packed code: five bits a character, lowest first; from the fourth on, differences."""
    lengths: list[int] = []
    value = shift = 0
    for character in code:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    return None if shift else lengths
