"""A source whose training masks are replaced by those of a folder, as `srpnet weak masks` writes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from episodes.data.class_index import Index, areas_of, class_index, fingerprint
from episodes.data.joined import Joined
from episodes.data.pictures.images import open_picture, state_of
from episodes.data.remarks import Remark, Remarked
from episodes.data.source import IGNORE, Array, Divided, Labels, LocalProgress, OnProgress, Source, Split, silent
from episodes.errors import InputError
from episodes.files import expanded, write_json
from episodes.inputs import read_json, read_text

MASKS, CONFIDENCE, LIST, CLASSES = "SegmentationClass", "Confidence", "ImageSets/Segmentation/train.txt", "classes.json"
FIX = "name a folder that `srpnet weak masks` wrote"


def write_classes(folder: Path, names: Mapping[int, str]) -> None:
    """Say which class each label of the masks is."""
    write_json(folder / CLASSES, {str(label): name for label, name in names.items()})


class Relabelled:
    """A `Source` with other masks for training; those of the val split stay.

    Only photographs that the folder lists are for training.

    Args:
        source: Whose photographs.
        folder: With label maps `SegmentationClass/ID.png`, a list of ids, and `classes.json`.
        on_progress: Called with the progress of counting.

    Raises:
        InputError: if the folder is not such a one, or of other classes or photographs.
    """

    def __init__(self, source: Source, folder: Path | str, on_progress: OnProgress = silent) -> None:
        self.source, self.folder = source, expanded(folder)
        if isinstance(source, Joined | Divided):
            raise InputError(
                f"`labels` cannot replace the masks of {source.name}: use a data set with numbered classes"
            )
        content = read_json(self.folder / CLASSES, FIX)
        if not isinstance(content, dict):
            raise InputError(f"{self.folder / CLASSES} names no classes: {FIX}")
        self.names = {int(label): str(name) for label, name in content.items() if str(label).isdecimal()}
        for label, name in self.names.items():
            if not 1 <= label <= len(source.classes) or source.classes[label - 1] != name:
                raise InputError(f"{self.folder} has masks of {name!r} as class {label}, {source.name} has not: {FIX}")
        listed = read_text(self.folder / LIST, FIX).split("\n")
        known = set(source.ids("train"))
        self._ids = tuple(id for id in listed if id)
        if unknown := [id for id in self._ids if id not in known]:
            raise InputError(f"{self.folder} has a mask of {unknown[0]}, which {source.name} has not for training")
        self._known = frozenset(self._ids)
        self._on_progress = LocalProgress(on_progress)
        self._index: Index = {}

    @property
    def name(self) -> str:
        """That of the source."""
        return self.source.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of the source."""
        return self.source.classes

    @property
    def sha256(self) -> str:
        """SHA-256, in hexadecimal, over ids and the sizes of their masks."""
        return fingerprint(f"{id} {sorted(self.classes_in(id).items())}" for id in self._ids)

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> Sequence[str]:
        """Of the train split those that the folder lists."""
        if split == "val":
            return self.source.ids(split, role)
        return [id for id in self.source.ids(split, role) if id in self._known]

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Class -> pixels, by the masks of the folder where it has one."""
        if id not in self._known:
            return self.source.classes_in(id)
        if not self._index:
            made_from = fingerprint(["relabelled", *(f"{each} {state_of(self._mask(each))}" for each in self._ids)])
            self._index = class_index(
                self._ids,
                lambda each: areas_of(self._labels(each)),
                made_from,
                lambda done, total: self._on_progress("Counting the masks", done, total),
            )
        return self._index[id]

    def has(self, id: str) -> bool:
        """Whether photograph and mask are there."""
        return self.source.has(id) and (id not in self._known or self._mask(id).is_file())

    def remarks(self, split: Split) -> list[Remark]:
        """Those of the source."""
        return list(self.source.remarks(split)) if isinstance(self.source, Remarked) else []

    def load(self, id: str) -> tuple[Array, Labels]:
        """The photograph, and the folder's label map where it has one.

        Raises:
            InputError: if a file is missing or unreadable, or the mask is of another size or class.
        """
        photograph, labels = self.source.load(id)
        if id not in self._known:
            return photograph, labels
        own = self._labels(id)
        if own.shape != photograph.shape[:2]:
            raise InputError(f"{self._mask(id)} is not of its photograph's size: {FIX}")
        return photograph, own

    def _mask(self, id: str) -> Path:
        return self.folder / MASKS / f"{id}.png"

    def _labels(self, id: str) -> Array:
        image = open_picture(self._mask(id))
        if image.mode not in ("P", "L"):
            raise InputError(f"{self._mask(id)} is a colour picture, not a label map: {FIX}")
        labels = np.array(image)
        strange = np.setdiff1d(labels, [0, IGNORE, *self.names])
        if strange.size:
            raise InputError(f"{self._mask(id)} holds label {strange[0]}, which {CLASSES} does not name: {FIX}")
        return labels
