"""COCO folders: instances rasterised to label maps, the ground of COCO-20i."""

import contextlib
import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from episodes.errors import InputError
from episodes.sources.base import IGNORE, Array, Split
from episodes.sources.index import Index, areas_of, class_index, fingerprint
from episodes.sources.voc import check_sizes, read_photograph

LAYOUT = (
    "a COCO folder holds annotations/instances_train2014.json and instances_val2014.json (or 2017) "
    "with train2014/ and val2014/, or annotations/instances.json with images/, which serves as val alone"
)


class Coco:
    """A `Source` over a COCO folder (see `LAYOUT`); both roles draw from the same photographs.

    An id is the photograph's file name without its ending. Classes are the category ids in ascending order,
    so the official 80 are 1..80. An annotation file is read when first needed: the largest take a while.

    Args:
        root: The folder.
        name: How reports name it; `coco:ROOT` if not given.

    Raises:
        InputError: An annotation file or a folder of photographs is missing; from any method also: the
            annotations are corrupt, or the two splits disagree on categories or share an id.
    """

    def __init__(self, root: Path | str, name: str | None = None) -> None:
        self.root = Path(root).expanduser()
        self.name = name or f"coco:{root}"
        self._layout = _layout(self.root)
        self._read: dict[Split, _Annotations] = {}
        self._areas: dict[Split, Index] = {}

    @property
    def classes(self) -> tuple[str, ...]:
        """Category names; class c is the c-th smallest category id."""
        return next(self._parts())[1].classes

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> tuple[str, ...]:
        """The photographs of a split, with and without instances, in the order of the annotation file."""
        return self._part(split).ids

    def has(self, id: str) -> bool:
        """Whether the id is annotated and its photograph is there."""
        return any(id in part.images and self._photograph(split, id).is_file() for split, part in self._parts())

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Class -> visible pixels, at least 1.

        The first call counts the whole split in threads and keeps the result.

        Raises:
            InputError: An unknown id, or a segmentation that cannot be rasterised.
        """
        split, part = self._find(id)
        if split not in self._areas:
            made_from = fingerprint(["coco: crowds, then instances from large to small", part.sha256()])
            self._areas[split] = class_index(part.ids, lambda id: areas_of(part.labels(id)), made_from)
        return self._areas[split][id]

    def load(self, id: str) -> tuple[Array, Array]:
        """The photograph, RGB (H, W, 3), and its label map (H, W): 0 background, 1..C classes, 255 crowds.

        Raises:
            InputError: An unknown id, a photograph that is missing, unreadable or of another size than
                annotated, or a segmentation that cannot be rasterised.
        """
        split, part = self._find(id)
        path = self._photograph(split, id)
        photograph, labels = read_photograph(path), part.labels(id)
        check_sizes(photograph, labels, path)
        return photograph, labels

    def _photograph(self, split: Split, id: str) -> Path:
        return self._layout[split][1] / str(self._part(split).images[id]["file_name"])

    def _find(self, id: str) -> tuple[Split, "_Annotations"]:
        for split, part in self._parts():
            if id in part.images:
                return split, part
        raise InputError(f"{self.name} has no photograph {id!r}: an id is a file name without its ending")

    def _parts(self) -> Iterator[tuple[Split, "_Annotations"]]:
        """The splits that are there, each read as late as can be: the small val file before the large one."""
        for split in sorted(self._layout, key=lambda split: (split not in self._read, split != "val")):
            yield split, self._part(split)

    def _part(self, split: Split) -> "_Annotations":
        if split not in self._layout:
            raise InputError(f"{self.root} has no annotations for {split}: {LAYOUT}")
        if split not in self._read:
            part = _Annotations(self._layout[split][0])
            for other in self._read.values():
                part.check_beside(other)
            self._read[split] = part
        return self._read[split]


class _Annotations:
    """One annotation file, read and checked.

    Attributes:
        images: Id -> the photograph's record.
        ids: The same ids, in file order.
        classes: Category names by ascending category id.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._coco = _read_quietly(path)
        try:
            categories = {int(number): str(record["name"]) for number, record in self._coco.cats.items()}
            records = [(Path(record["file_name"]).stem, record) for record in self._coco.imgs.values()]
            sizes = [(int(record["height"]), int(record["width"])) for _, record in records]
            used = {annotation["category_id"]: number for number, annotation in self._coco.anns.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is not a COCO instances file: {error!r} in its records") from None
        if not (records and categories and used) or min(map(min, sizes)) < 1:
            raise InputError(f"{path} needs categories, images with their sizes, and annotations")
        if len(categories) >= IGNORE:
            raise InputError(f"{path} has {len(categories)} categories: label maps hold up to {IGNORE - 1}")
        for category in used.keys() - categories.keys():
            raise InputError(f"{path}: annotation {used[category]} has undeclared category {category}")
        self.images: dict[str, dict[str, Any]] = dict(records)
        self.ids = tuple(self.images)
        if len(self.ids) < len(records):
            raise InputError(f"{path}: two images share a file name, which is the id and must be unique")
        self.classes = tuple(categories[number] for number in sorted(categories))
        self._class_of = {number: position for position, number in enumerate(sorted(categories), start=1)}

    def check_beside(self, other: "_Annotations") -> None:
        """`InputError` unless both files declare the same categories and different photographs."""
        both = f"{self.path} and {other.path}"
        if (self._class_of, self.classes) != (other._class_of, other.classes):
            raise InputError(f"{both} declare different categories: use two files of one release")
        if shared := self.images.keys() & other.images.keys():
            raise InputError(f"{both} share {len(shared)} photographs, {min(shared)} for one: keep each in one split")

    def sha256(self) -> str:
        """Hash of the file's content, so that a copy keeps its index; it takes less time than parsing."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def labels(self, id: str) -> Array:
        """The label map (H, W): crowds as 255, over them instances from large to small, so that all show.

        Raises:
            InputError: A segmentation is missing, malformed or of another size than its photograph.
        """
        from pycocotools import mask

        image = self.images[id]
        shapes = [
            (
                IGNORE if annotation.get("iscrowd") else self._class_of[annotation["category_id"]],
                self._shape(annotation, image),
            )
            for annotation in self._coco.imgToAnns.get(image["id"], [])
        ]
        # pycocotools decodes masks column by column; painting in the same order saves a quarter of the time.
        labels = np.zeros((image["height"], image["width"]), dtype=np.uint8, order="F")
        for label, shape in sorted(shapes, key=lambda each: (each[0] != IGNORE, -int(mask.area(each[1])))):
            labels[mask.decode(shape).view(bool)] = label
        return np.ascontiguousarray(labels)

    def _shape(self, annotation: dict[str, Any], image: dict[str, Any]) -> dict[str, Any]:
        """The run-length code of one instance, checked to be of its photograph's size."""
        try:
            shape: dict[str, Any] = self._coco.annToRLE(annotation)
            if list(shape["size"]) != [image["height"], image["width"]]:
                raise ValueError(f"its size is {shape['size']}, its photograph's another")
        except Exception as error:  # pycocotools raises bare ones
            raise InputError(
                f"{self.path}: the segmentation of annotation {annotation['id']} cannot be drawn: {error}"
            ) from None
        return shape


def _layout(root: Path) -> dict[Split, tuple[Path, Path]]:
    """The annotation file and the folder of photographs of each split that is there.

    Years are never mixed: train2017 holds most of val2014.
    """
    annotations, images = root / "annotations", root / "images"
    for year in ("2014", "2017"):
        names: dict[Split, str] = {"train": f"train{year}", "val": f"val{year}"}
        files = {split: annotations / f"instances_{name}.json" for split, name in names.items()}
        if any(file.is_file() for file in files.values()):
            return {
                split: (file, _first_folder(root / names[split], images / names[split], images))
                for split, file in files.items()
                if file.is_file()
            }
    if (annotations / "instances.json").is_file():
        return {"val": (annotations / "instances.json", _first_folder(images))}
    raise InputError(f"{root} has no annotations: {LAYOUT}")


def _first_folder(*folders: Path) -> Path:
    found = next((folder for folder in folders if folder.is_dir()), None)
    if found is None:
        raise InputError(f"no photographs: {' or '.join(map(str, folders))} is not there; {LAYOUT}")
    return found


def _read_quietly(path: Path) -> Any:
    try:
        from pycocotools.coco import COCO
    except ImportError:
        raise InputError("COCO needs pycocotools: pip install 'srpnet[coco]'") from None
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its progress would end up in piped output
            return COCO(str(path))
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise InputError(f"{path} is not a COCO instances file, or was cut short: {error!r}") from None
