"""PASCAL VOC folders, with or without the SBD masks: the ground of PASCAL-5i."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from episodes.data.class_index import Index, areas_of
from episodes.data.data_set import DataSet
from episodes.data.names_only import Names
from episodes.data.pictures.images import NoLabelMap, first_file, fit, open_picture, read_photograph, state_of
from episodes.data.remarks import EXAMPLES, Remark
from episodes.data.source import IGNORE, PASCAL_CLASSES, Array, LocalProgress, OnProgress, Split, silent
from episodes.data.survey import Look, Survey, remarks, survey
from episodes.errors import InputError
from episodes.files import expanded
from episodes.inputs import check_regular

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
        on_progress: Called with the progress of counting.

    Raises:
        InputError: A folder or list is missing, or a list is invalid.
    """

    def __init__(self, root: Path | str, name: str | None = None, on_progress: OnProgress = silent) -> None:
        self.root = expanded(root)
        self.name = name or f"pascal:{root}"
        self.classes = PASCAL_CLASSES
        self._on_progress = LocalProgress(on_progress)
        self._photographs = self._first_of("JPEGImages")
        self._masks = self._first_of("SegmentationClassAug", "SegmentationClass")
        lists = self._first_of("ImageSets/Segmentation")
        listed = {
            split: _read_ids(self._first_of(*(f"{lists.relative_to(self.root)}/{name}" for name in names)))
            for split, names in LISTS.items()
        }
        self._ids: dict[Split, tuple[str, ...]] = {split: ids for split, (ids, _) in listed.items()}
        self._repeated = {split: repeated for split, (_, repeated) in listed.items()}
        self._split_of = {id: split for split, ids in self._ids.items() for id in ids}
        self._surveys: dict[Split, Survey] = {}
        self._unlisted: Index = {}

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> tuple[str, ...]:
        """The ids of `trainaug.txt` (or `train.txt`) or of `val.txt`, in list order."""
        return self._ids[split]

    def has(self, id: str) -> bool:
        """Whether the photograph and its mask are both there, and of a listed id also whether they can be used."""
        if (split := self._split_of.get(id)) is not None:
            return not self._survey(split)[id].passed_over
        return self._photograph(id).is_file() and self._mask(id).is_file()

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Class -> pixels, at least 1; none of a listed photograph that cannot be used, see `remarks`.

        The first call for a listed id looks at its whole split in threads and keeps what it finds.

        Raises:
            InputError: The mask of an id that is not listed is missing, unreadable or holds labels of no VOC class.
        """
        if (split := self._split_of.get(id)) is not None:
            return self._survey(split)[id].areas
        if id not in self._unlisted:
            self._unlisted[id] = areas_of(self._labels(id))
        return self._unlisted[id]

    def remarks(self, split: Split) -> list[Remark]:
        """Photographs and masks of a split that are skipped, EXIF rotations, and ids that its list repeats."""
        repeated = self._repeated[split]
        twice = Remark("ids listed twice", len(repeated), len(self._ids[split]), repeated[:EXAMPLES], False)
        return [*([twice] if repeated else []), *remarks(self._survey(split))]

    def load(self, id: str) -> tuple[Array, Array]:
        """The photograph, RGB (H, W, 3), and its label map (H, W): 0 background, 1..20 classes, 255 ignore.

        Raises:
            InputError: A file is missing or unreadable, the two differ in size, or a label is no VOC class.
        """
        labels = self._labels(id)
        height, width = labels.shape
        return read_photograph(self._photograph(id), (height, width)), labels

    def _photograph(self, id: str) -> Path:
        return first_file(self._photographs, id, ("jpg", "jpeg"))

    def _mask(self, id: str) -> Path:
        return first_file(self._masks, id, ("png",))

    def _first_of(self, *names: str) -> Path:
        found = next((self.root / name for name in names if (self.root / name).exists()), None)
        if found is None:
            raise InputError(f"{self.root} has no {' or '.join(names)}: {LAYOUT}")
        return found

    def _labels(self, id: str) -> Array:
        path = self._mask(id)
        image = open_picture(path)
        if image.mode not in ("P", "L"):
            raise NoLabelMap(
                f"{path} is a colour picture ({image.mode}), not a label map: "
                "store class numbers 0..20 and 255 as a palette or greyscale PNG"
            )
        labels = np.array(image)
        strange = np.unique(labels[(labels > len(self.classes)) & (labels != IGNORE)])
        if strange.size:
            raise NoLabelMap(f"{path} holds label {strange[0]}: VOC masks hold 0 (background), 1..20 and 255 (ignore)")
        return labels

    def _look(self, id: str) -> Look:
        labels, photograph = self._labels(id), self._photograph(id)
        height, width = labels.shape
        return Look(areas_of(labels), fit(photograph, (height, width)), photograph.name)

    def _survey(self, split: Split) -> Survey:
        if split not in self._surveys:
            ids = self._ids[split]
            lines = [f"{id} {state_of(self._mask(id))} {state_of(self._photograph(id))}" for id in ids]
            title = f"Counting the {split} masks"
            self._surveys[split] = survey(ids, self._look, ["voc", *lines], title, self._on_progress)
        return self._surveys[split]


def _read_ids(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """One id a line, in order, and those that are repeated; blank lines and spaces around an id are let pass."""
    ids: dict[str, None] = {}
    repeated: dict[str, None] = {}
    check_regular(path)
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        id = line.strip()
        if len(id.split()) > 1 or "/" in id or not id.isprintable():
            raise InputError(
                f"{path}, line {number}: {id!r} is invalid: give one image id, without folder or extension"
            )
        if id in ids:
            repeated[id] = None
        if id:
            ids[id] = None
    return tuple(ids), tuple(repeated)


PASCAL = DataSet(
    name="pascal",
    title="PASCAL",
    help="VOC layout",
    open_folder=Voc,
    open_alone=Names,
    classes=len(PASCAL_CLASSES),
    photographs={"train": (10582, 1464), "val": (1449,)},  # VOC 2012 with the masks of SBD, or alone
    pairs={"train": (2286, 3425, 5883, 2086), "val": (346, 451, 725, 346)},
    no_labels=f"store the numbers of the classes, 1..{len(PASCAL_CLASSES)}",
    archives="VOC 2012 (2 GB) with the masks of SBD (1.4 GB) as SegmentationClassAug, and the lists trainaug.txt, of "
    "10,582 photographs, and val.txt, of 1,449",
)
