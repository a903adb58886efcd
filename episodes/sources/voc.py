"""PASCAL VOC folders, with or without the SBD masks: the ground of PASCAL-5i."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from episodes.errors import InputError
from episodes.files import expanded
from episodes.inputs import check_regular
from episodes.sources.base import IGNORE, PASCAL_CLASSES, Array, OnProgress, Split, Teller, silent
from episodes.sources.index import Index, areas_of, class_index, fingerprint
from episodes.sources.pictures import check_sizes, open_picture, read_photograph

LAYOUT = (
    "a VOC folder holds JPEGImages/, SegmentationClassAug/ or SegmentationClass/, "
    "and ImageSets/Segmentation/ with trainaug.txt or train.txt, and val.txt"
)
LISTS: Mapping[Split, Sequence[str]] = {"train": ("trainaug.txt", "train.txt"), "val": ("val.txt",)}


class Voc:
    """A `Source` over a PASCAL VOC folder (see `LAYOUT`); both roles draw from the same photographs.

    Any id whose photograph and mask are there can be loaded and counted, listed or not: the usual pair lists
    name SBD photographs that VOC's own lists do not.

    Args:
        root: The folder, often called `VOC2012`.
        name: How reports name it; `pascal:ROOT` if not given.
        on_progress: Told how far counting has come.

    Raises:
        InputError: A folder or list is missing, or a list is malformed.
    """

    def __init__(self, root: Path | str, name: str | None = None, on_progress: OnProgress = silent) -> None:
        self.root = expanded(root)
        self.name = name or f"pascal:{root}"
        self.classes = PASCAL_CLASSES
        self._on_progress = Teller(on_progress)
        self._photographs = self._first_of("JPEGImages")
        self._masks = self._first_of("SegmentationClassAug", "SegmentationClass")
        lists = self._first_of("ImageSets/Segmentation")
        self._ids: dict[Split, tuple[str, ...]] = {
            split: _read_ids(self._first_of(*(f"{lists.relative_to(self.root)}/{name}" for name in names)))
            for split, names in LISTS.items()
        }
        self._split_of = {id: split for split, ids in self._ids.items() for id in ids}
        self._indexed: set[Split] = set()
        self._areas: Index = {}

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> tuple[str, ...]:
        """The ids of `trainaug.txt` (or `train.txt`) or of `val.txt`, in list order."""
        return self._ids[split]

    def has(self, id: str) -> bool:
        """Whether the photograph and its mask are both there."""
        return self._photograph(id).is_file() and self._mask(id).is_file()

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Class -> pixels, at least 1.

        The first call for a listed id counts its whole split in threads and keeps the result.

        Raises:
            InputError: A mask is missing, unreadable or holds labels that are no VOC class.
        """
        split = self._split_of.get(id)
        if split is not None and split not in self._indexed:
            self._areas |= self._index(split)
            self._indexed.add(split)
        if id not in self._areas:
            self._areas[id] = self._count(id)
        return self._areas[id]

    def load(self, id: str) -> tuple[Array, Array]:
        """The photograph, RGB (H, W, 3), and its label map (H, W): 0 background, 1..20 classes, 255 ignore.

        Raises:
            InputError: A file is missing or unreadable, the two differ in size, or a label is no VOC class.
        """
        photograph, labels = read_photograph(self._photograph(id)), self._labels(id)
        check_sizes(photograph, labels, self._mask(id))
        return photograph, labels

    def _photograph(self, id: str) -> Path:
        return self._photographs / f"{id}.jpg"

    def _mask(self, id: str) -> Path:
        return self._masks / f"{id}.png"

    def _first_of(self, *names: str) -> Path:
        found = next((self.root / name for name in names if (self.root / name).exists()), None)
        if found is None:
            raise InputError(f"{self.root} has no {' or '.join(names)}: {LAYOUT}")
        return found

    def _labels(self, id: str) -> Array:
        path = self._mask(id)
        image = open_picture(path)
        if image.mode not in ("P", "L"):
            raise InputError(
                f"{path} is a colour picture ({image.mode}), not a label map: "
                "store class numbers 0..20 and 255 as a palette or greyscale PNG"
            )
        labels = np.array(image)
        strange = np.unique(labels[(labels > len(self.classes)) & (labels != IGNORE)])
        if strange.size:
            raise InputError(f"{path} holds label {strange[0]}: VOC masks hold 0 (background), 1..20 and 255 (ignore)")
        return labels

    def _count(self, id: str) -> dict[int, int]:
        return areas_of(self._labels(id))

    def _index(self, split: Split) -> Index:
        # A listed id without a mask is an error of whoever asks for it, not of everybody who uses the split.
        masks = {id: self._mask(id) for id in self._ids[split]}
        stats = {id: mask.stat() for id, mask in masks.items() if mask.is_file()}
        lines = (f"{masks[id].name} {stat.st_size} {stat.st_mtime_ns}" for id, stat in stats.items())
        progress = partial(self._on_progress, f"Counting the {split} masks")
        return class_index(tuple(stats), self._count, fingerprint(["voc", *lines]), progress)


def _read_ids(path: Path) -> tuple[str, ...]:
    """One id a line, in order; blank lines and spaces around an id are let pass."""
    ids: dict[str, None] = {}
    check_regular(path)
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        id = line.strip()
        if len(id.split()) > 1 or "/" in id:
            raise InputError(f"{path}, line {number}: {id!r} is malformed: give one image id, without folder or ending")
        if id in ids:
            raise InputError(f"{path}, line {number}: {id} is listed twice; list each photograph once")
        if id:
            ids[id] = None
    return tuple(ids)
