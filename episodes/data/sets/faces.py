"""Photographs of one face each, with a label map of its parts: CelebAMask-HQ, Helen and LaPa."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from episodes.data.class_index import areas_of
from episodes.data.data_set import DataSet
from episodes.data.pictures.images import first_file, fit, head, read_photograph, state_of
from episodes.data.remarks import Remark
from episodes.data.sets.face_layouts import LAYOUTS, MERGED, MIRRORED, PARTS, Layout
from episodes.data.sets.fss import RESIZED
from episodes.data.source import Array, LocalProgress, OnProgress, Split, silent
from episodes.data.survey import Look, Survey, remarks, survey
from episodes.errors import InputError
from episodes.files import expanded

CLASSES = (
    *("eye", "ear", "hair", "earring"),
    *("lip", "glasses", "skin", "hat"),
    *("nose", "neck", "necklace"),
    *("brow", "inner mouth", "cloth"),
)
"""The classes of episodes, a line for each of four folds: left and right are one class, and so are both lips."""
SWAPPED = "label maps with left and right exchanged, which face parsing puts right"
"""One in fourteen of CelebAMask-HQ."""
LAST = 8
"""Without a list, one in so many photographs, the last ones by name, is for testing."""


class Faces:
    """A `Source` over a folder of faces; which layout it has, see `face_layouts`, shows at its folders.

    For episodes, the classes are merged parts: `CLASSES`. For face parsing, `parts` has left and right apart.

    Args:
        root: The folder.
        name: How reports name it; `faces:ROOT` if not given.
        on_progress: Called with the progress of counting.

    Raises:
        InputError: The folder has none of the layouts, holds no photographs, or a list names one that is not there.
    """

    def __init__(self, root: Path | str, name: str | None = None, on_progress: OnProgress = silent) -> None:
        self.root = expanded(root)
        self.name = name or f"faces:{root}"
        self.classes = CLASSES
        self._on_progress = LocalProgress(on_progress)
        self.layout: Layout = next((layout for layout in LAYOUTS if layout.fits(self.root)), LAYOUTS[0])
        self._ids: dict[Split, tuple[str, ...]] = self.layout.splits(self.root, LAST)
        self._split_of = {id: split for split, ids in self._ids.items() for id in ids}
        self._surveys: dict[Split, Survey] = {}
        labels = {name: label for label, name in enumerate(CLASSES, start=1)}
        self._merged = _table([labels[MERGED.get(name, name)] for name in self.layout.classes])
        self._parts = _table([PARTS.index(name) + 1 if name in PARTS else 0 for name in self.layout.classes])

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> tuple[str, ...]:
        """The photographs of a split, by name; of the val split, those for testing."""
        return self._ids[split]

    def has(self, id: str) -> bool:
        """Whether the photograph and its label map are both there and can be used."""
        return id in self._split_of and not self._survey(self._split_of[id])[id].passed_over

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Class -> pixels, at least 1; none of a photograph that cannot be used, see `remarks`.

        The first call looks at its whole split in threads and keeps what it finds.

        Raises:
            InputError: An unknown id.
        """
        self._check(id)
        return self._survey(self._split_of[id])[id].areas

    def remarks(self, split: Split) -> list[Remark]:
        """Photographs and label maps of a split that are skipped or resized, and EXIF rotations."""
        return remarks(self._survey(split))

    def load(self, id: str) -> tuple[Array, Array]:
        """The photograph, RGB (H, W, 3), and its label map (H, W): 0 background, else the class.

        Raises:
            InputError: An unknown id, a file that is missing or unreadable, or a label that the layout does not know.
        """
        return self._load(id, self._merged)

    def parts(self, id: str) -> tuple[Array, Array]:
        """The photograph, RGB (H, W, 3), and its label map (H, W) of `PARTS`: 0 for all else. Raises as `load`.

        Left is the person's left, which is on the right of an upright face: where a label map says otherwise, left and
        right change places.
        """
        photograph, labels = self._load(id, self._parts)
        return photograph, np.array(MIRRORED, np.uint8)[labels] if swapped(labels) else labels

    def _load(self, id: str, table: Array) -> tuple[Array, Array]:
        self._check(id)
        labels, _ = self._labels(id)
        height, width = labels.shape
        return read_photograph(self._photograph(id), (height, width)), table[labels]

    def _labels(self, id: str) -> tuple[Array, str]:
        """The layout's own labels, and what is to be said of how they lie on the photograph."""
        labels, photograph = self.layout.read(self.root, id), self._photograph(id)
        found = head(photograph)
        if resized := labels.shape != found.stored and found.turn == 1 and _same_shape(labels.shape, found.stored):
            height, width = found.stored
            labels = np.array(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))
        how = fit(photograph, (labels.shape[0], labels.shape[1]))
        return labels, RESIZED if resized else how

    def _photograph(self, id: str) -> Path:
        folder = self.root / self.layout.images(id)
        return first_file(folder.parent, folder.name, ("jpg", "jpeg", "png"))

    def _survey(self, split: Split) -> Survey:
        if split not in self._surveys:
            ids, layout = self._ids[split], self.layout
            lines = [f"{id} {layout.state(self.root, id)} {state_of(self._photograph(id))}" for id in ids]
            title = f"Counting the {split} label maps"
            made_from = ["faces", layout.name, RESIZED, SWAPPED, *CLASSES, *lines]
            self._surveys[split] = survey(ids, self._look, made_from, title, self._on_progress)
        return self._surveys[split]

    def _look(self, id: str) -> Look:
        labels, kind = self._labels(id)
        return Look(areas_of(self._merged[labels]), kind or (SWAPPED if swapped(self._parts[labels]) else ""), id)

    def _check(self, id: str) -> None:
        if id not in self._split_of:
            raise InputError(f"{self.name} has no photograph {id!r}: an id is the name of its file")


def _table(values: Sequence[int]) -> Array:
    """Label of a layout, 0 for background -> another label."""
    return np.array([0, *values], np.uint8)


def swapped(labels: Array) -> bool:
    """Whether left parts lie left of right ones in a label map (H, W) of `PARTS`."""
    columns = [np.flatnonzero((labels == label).any(0)) for label in range(len(PARTS) + 1)]
    pairs = [(columns[left], columns[right]) for left, right in ((1, 2), (3, 4))]
    return sum(left.mean() - right.mean() for left, right in pairs if len(left) and len(right)) < 0


def _same_shape(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two sizes are the same but for their scale, to a pixel."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(*one, *other)


FACES = DataSet(
    name="faces",
    title="faces",
    help="CelebAMask-HQ as images/ and masks/ of 19 classes, Helen or LaPa",
    open_folder=Faces,
    every_pair=True,
)
