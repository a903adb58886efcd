"""Photographs of one object each, with its mask and the name of its class."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from episodes.data.data_set import DataSet
from episodes.data.pictures.images import first_file, read_photograph, state_of
from episodes.data.remarks import Remark
from episodes.data.sets.fss import RESIZED, light_mask
from episodes.data.source import UNNAMED, Array, FoldNumber, Labels, LocalProgress, OnProgress, Split, numbered, silent
from episodes.data.survey import Look, Survey, remarks, survey
from episodes.errors import InputError
from episodes.files import expanded

LAYOUT = (
    "such a folder holds images/NAME.jpg, masks/NAME.png, light where the object is, and classes.tsv, a line for each "
    "photograph whose class is known: NAME, a tab, its class; and val.txt if some classes are kept from training: "
    "their names, one a line"
)
CLASSES, VAL = "classes.tsv", "val.txt"


class Masks:
    """A `Source` over a folder of photographs of one object each, see `LAYOUT`.

    The classes that `val.txt` names are the novel ones of fold 0, and their photographs the val split; all others are
    base classes and the train split. A line of `classes.tsv` may hold more columns between the name and the class.
    Photographs without a line come last and show an `UNNAMED` object, which is not a base class. As there may be more
    than 254 classes, label maps are int16; no class bears the number 255, so one name in `classes` may be empty.

    Args:
        root: The folder.
        name: How reports name it; `masks:ROOT` if not given.
        on_progress: Called with the progress of counting.

    Raises:
        InputError: A list is missing or malformed, or names a class that no photograph has.
    """

    def __init__(self, root: Path | str, name: str | None = None, on_progress: OnProgress = silent) -> None:
        self.root = expanded(root)
        self.name = name or f"masks:{root}"
        self._on_progress = LocalProgress(on_progress)
        self._class = _classes(self.root / CLASSES)
        names = sorted(set(self._class.values()))
        if unnamed := _others(self.root, self._class):
            names, self._class = [*names, UNNAMED], self._class | dict.fromkeys(unnamed, UNNAMED)
        self.classes = numbered(names)
        self._label = {each: label for label, each in enumerate(self.classes, start=1) if each}
        self._val = _kept_back(self.root / VAL, self._label)
        self._surveys: dict[Split, Survey] = {}

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that have photographs."""
        return ("train", "val") if self._val else ("train",)

    def novel_and_base(self, fold: FoldNumber) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The novel and the base classes of a fold, ascending; `all` has every class as a base class.

        Raises:
            InputError: if there is no such fold.
        """
        labels = sorted(label for name, label in self._label.items() if name != UNNAMED)
        if fold == "all":
            return (), tuple(labels)
        if fold != 0 or not self._val:
            raise InputError(f"fold {fold} does not exist: {self.name} has `all`, and 0 if {VAL} names its classes")
        novel = {self._label[name] for name in self._val}
        return tuple(sorted(novel)), tuple(label for label in labels if label not in novel)

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> tuple[str, ...]:
        """The photographs of a split, in the order of `classes.tsv`."""
        return tuple(id for id, name in self._class.items() if (name in self._val) == (split == "val"))

    def has(self, id: str) -> bool:
        """Whether the photograph and its mask are both there and can be used."""
        return id in self._class and not self._look_at(id).passed_over

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Class -> pixels, at least 1; none of a photograph that cannot be used, see `remarks`.

        The first call looks at its whole split in threads and keeps what it finds.

        Raises:
            InputError: An unknown id.
        """
        self._check(id)
        return self._look_at(id).areas

    def remarks(self, split: Split) -> list[Remark]:
        """Photographs and masks of a split that are skipped, masks that are resized, and EXIF rotations."""
        return remarks(self._survey(split))

    def load(self, id: str) -> tuple[Array, Labels]:
        """The photograph, RGB (H, W, 3), and its label map (H, W) int16: 0 background, else the class.

        Raises:
            InputError: An unknown id, or a file that is missing or unreadable.
        """
        self._check(id)
        mask, _ = light_mask(self._mask(id), self._photograph(id))
        height, width = mask.shape
        return read_photograph(self._photograph(id), (height, width)), mask * np.int16(self._label[self._class[id]])

    def _look_at(self, id: str) -> Look:
        return self._survey("val" if self._class[id] in self._val else "train")[id]

    def _survey(self, split: Split) -> Survey:
        if split not in self._surveys:
            ids = self.ids(split)
            lines = [f"{name} {label}" for name, label in self._label.items()]
            lines += [f"{id} {state_of(self._mask(id))} {state_of(self._photograph(id))}" for id in ids]
            title = f"Counting the {split} masks"
            self._surveys[split] = survey(ids, self._look, ["masks", RESIZED, *lines], title, self._on_progress)
        return self._surveys[split]

    def _look(self, id: str) -> Look:
        mask, kind = light_mask(self._mask(id), self._photograph(id))
        pixels = int(mask.sum())
        return Look({self._label[self._class[id]]: pixels} if pixels else {}, kind, id)

    def _photograph(self, id: str) -> Path:
        return first_file(self.root / "images", id, ("jpg", "jpeg", "png"))

    def _mask(self, id: str) -> Path:
        return first_file(self.root / "masks", id, ("png",))

    def _check(self, id: str) -> None:
        if id not in self._class:
            raise InputError(f"{self.name} has no photograph {id!r}: {CLASSES} names them")


def _others(root: Path, named: Mapping[str, str]) -> list[str]:
    """The photographs with a mask that are not among these, in alphabetical order."""
    try:
        masks = {file.stem for file in (root / "masks").iterdir() if file.suffix.lower() == ".png"}
        images = {file.stem for file in (root / "images").iterdir()}
    except OSError as error:
        raise InputError(f"{error.filename} cannot be listed ({error.strerror}): {LAYOUT}") from None
    return sorted(id for id in masks & images - named.keys() if not id.startswith("."))


def _classes(file: Path) -> dict[str, str]:
    """Photograph -> the name of its class, in the order of the file; none if there is no file."""
    named: dict[str, str] = {}
    if not file.is_file():
        return named
    for number, line in enumerate(_lines(file), start=1):
        id, name = line.partition("\t")[0].strip(), line.rpartition("\t")[2].strip()
        if "\t" not in line or id.startswith(".") or "/" in id or "\\" in id:
            raise InputError(f"{file}, line {number}: {line[:80]!r} is invalid: write NAME, a tab, and its class")
        if id in named:
            raise InputError(f"{file}, line {number}: {id} is listed twice: each photograph shows one class")
        named[id] = name
        if name == UNNAMED:
            raise InputError(f"{file}, line {number}: {UNNAMED} is not a class: leave the line out")
    return named


def _kept_back(file: Path, known: Mapping[str, int]) -> frozenset[str]:
    """The classes of the val split; none if there is no list."""
    names = _lines(file) if file.is_file() else []
    if unknown := [name for name in names if name not in known or name == UNNAMED]:
        raise InputError(f"{file}: {unknown[0]!r} is not a class of {CLASSES}: correct one of them")
    if names and {*names} == {*known} - {UNNAMED}:
        raise InputError(f"{file} names every class: leave some for training")
    return frozenset(names)


def _lines(file: Path) -> Sequence[str]:
    """The lines of a list that are not empty."""
    try:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): {LAYOUT}") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


MASKS = DataSet(
    name="masks",
    title="objects with masks",
    help="images/, masks/ and classes.tsv, one object a photograph",
    open_folder=Masks,
    every_pair=True,
)
