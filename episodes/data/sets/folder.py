"""A folder of photographs with annotations beside them, in any of the formats of `episodes.data.formats`."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from episodes.data.class_index import areas_of
from episodes.data.data_set import DataSet
from episodes.data.file_names import ids_of
from episodes.data.formats import read_folder
from episodes.data.pictures.images import fit, head, read_photograph, state_of
from episodes.data.remarks import Remark
from episodes.data.source import Array, Labels, LocalProgress, OnProgress, Split, silent
from episodes.data.survey import Look, Survey, remarks, survey
from episodes.errors import InputError
from episodes.files import expanded

SPLITS: Mapping[str, Split] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "test": "val",
}  # fmt: skip
"""What a folder on a photograph's path is called, in small letters -> its split."""


class Folder:
    """A `Source` over a folder of photographs with annotations.

    An id is the photograph's file name without its extension, and with its folders where names repeat. If photographs
    lie in folders that are called by splits, see `SPLITS`, these are the splits, and what lies in none is for training.
    Else every photograph is in both: no class is base and novel at once, but photographs are not kept apart.

    Label maps are int16 if there are more than 254 classes; then no class bears the number 255.

    Args:
        root: The folder.
        name: How reports name it; `folder:ROOT` if not given.
        on_progress: Called with the progress of counting.

    Raises:
        InputError: The folder is in no known format, or in two, or a file of it is malformed.
    """

    def __init__(self, root: Path | str, name: str | None = None, on_progress: OnProgress = silent) -> None:
        self.root = expanded(root)
        self.name = name or f"folder:{root}"
        self._on_progress = LocalProgress(on_progress)
        annotated = read_folder(self.root)
        self.classes = annotated.classes
        self._remarks = tuple(annotated.remarks)
        self._numbers = {each: label for label, each in enumerate(self.classes, start=1) if each}
        files = sorted(annotated.entries)
        self._files = dict(zip(ids_of(files), files, strict=True))
        if len(self._files) < len(files) or not files:
            raise InputError(f"{self.root} has no photographs with annotations: put them beside each other")
        self._entries = {id: annotated.entries[file] for id, file in self._files.items()}
        split_of = {id: _split(file) for id, file in self._files.items()}
        self._divided = {*split_of.values()} >= {"train", "val"}
        self._pools: dict[Split, tuple[str, ...]] = {
            split: tuple(id for id in self._files if not self._divided or (split_of[id] or "train") == split)
            for split in ("train", "val")
        }
        self._surveys: dict[Split, Survey] = {}

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> tuple[str, ...]:
        """The annotated photographs of a split, by their paths."""
        return self._pools[split]

    def has(self, id: str) -> bool:
        """Whether the photograph and its annotation are both there and can be used."""
        return id in self._files and not self._look_at(id).passed_over

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Class -> pixels, at least 1; none of a photograph that cannot be used, see `remarks`.

        The first call looks at its whole split in threads and keeps what it finds.

        Raises:
            InputError: An unknown id.
        """
        self._check(id)
        return self._look_at(id).areas

    def remarks(self, split: Split) -> list[Remark]:
        """Annotations and photographs of a split that are skipped, and EXIF rotations."""
        return [*self._remarks, *remarks(self._survey(split))]

    def load(self, id: str) -> tuple[Array, Labels]:
        """The photograph, RGB (H, W, 3), and its label map (H, W): 0 background, 1..C classes, 255 ignored.

        Raises:
            InputError: An unknown id, or a photograph or mask that is missing, unreadable or of another size.
        """
        self._check(id)
        labels = self._labels(id)
        return read_photograph(self._path(id), (labels.shape[0], labels.shape[1])), labels

    def _labels(self, id: str) -> Labels:
        entry = self._entries[id]
        return entry.labels(entry.size or head(self._path(id)).upright, self._numbers)

    def _path(self, id: str) -> Path:
        return self.root / self._files[id]

    def _look_at(self, id: str) -> Look:
        return self._survey("train" if id in self._pools["train"] else "val")[id]

    def _survey(self, split: Split) -> Survey:
        if not self._divided:
            split = "train"
        if split not in self._surveys:
            ids = self._pools[split]
            lines = [f"{label} {name}" for name, label in self._numbers.items()]
            lines += [f"{id} {self._entries[id].state} {state_of(self._path(id))}" for id in ids]
            title = f"Counting the {split} annotations"
            self._surveys[split] = survey(ids, self._look, ["folder 1", *lines], title, self._on_progress)
        return self._surveys[split]

    def _look(self, id: str) -> Look:
        labels = self._labels(id)
        return Look(areas_of(labels), fit(self._path(id), (labels.shape[0], labels.shape[1])), self._files[id])

    def _check(self, id: str) -> None:
        if id not in self._files:
            raise InputError(f"{self.name} has no photograph {id!r}: an id is a file name without its extension")


def _split(file: str) -> Split | None:
    """The split that the folders of a photograph name, the outermost before the others; None if they name none."""
    return next((SPLITS[part.lower()] for part in PurePosixPath(file).parts[:-1] if part.lower() in SPLITS), None)


FOLDER = DataSet(
    name="folder",
    title="annotated photographs",
    help="photographs with annotations beside them: COCO, YOLO, LabelMe, CVAT, Label Studio, masks",
    open_folder=Folder,
    every_pair=True,
)
