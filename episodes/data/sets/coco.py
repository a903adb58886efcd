"""COCO folders: instances rasterised to label maps, the ground of COCO-20i."""

import os
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Literal

from episodes.data.class_index import Index
from episodes.data.coco.annotations import Annotations
from episodes.data.data_set import DataSet
from episodes.data.pictures.images import fit, read_photograph, state_of
from episodes.data.remarks import Remark
from episodes.data.source import Array, Crowds, LocalProgress, OnProgress, Split, silent
from episodes.data.survey import Look, Survey, remarks, survey
from episodes.errors import InputError
from episodes.files import expanded

LAYOUT = (
    "a COCO folder holds annotations/instances_train2014.json and instances_val2014.json (or 2017) "
    "with train2014/ and val2014/, or annotations/instances.json with images/, which is used as val only"
)


class Coco:
    """A `Source` over a COCO folder (see `LAYOUT`); both roles draw from the same photographs.

    An id is the photograph's file name without its extension, and with its folders where names repeat. Classes are the
    category ids in ascending order, so the official 80 are 1..80. An annotation file is read when first needed, which
    takes a while the first time.

    Args:
        root: The folder.
        name: How reports name it; `coco:ROOT` if not given.
        on_progress: Called with the progress of reading and counting.

    Raises:
        InputError: An annotation file or a folder of photographs is missing; from any method also: the
            annotations are corrupt, or the two splits disagree on categories or share an id.
    """

    def __init__(self, root: Path | str, name: str | None = None, on_progress: OnProgress = silent) -> None:
        self.root = expanded(root)
        self.name = name or f"coco:{root}"
        self._on_progress = LocalProgress(on_progress)
        self._layout = _layout(self.root)
        self._read: dict[Split, Annotations] = {}
        self._areas: dict[Split, Index] = {}
        self._there: dict[Split, Mapping[str, Path]] = {}
        self._surveys: dict[Split, Survey] = {}
        self.crowds: Crowds = "ignore"
        self._treated: dict[Crowds, Coco] = {"ignore": self}

    def treating(self, crowds: Crowds) -> "Coco":
        """The same photographs with crowds treated so: the same object for the same way."""
        if crowds not in self._treated:
            other = copy(self)  # what was read of photographs and annotations is shared, their pixels are counted again
            other.crowds, other._areas = crowds, {}
            self._treated[crowds] = other
        return self._treated[crowds]

    @property
    def classes(self) -> tuple[str, ...]:
        """Category names; class c is the c-th smallest category id."""
        return next(self._parts())[1].classes

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that have annotations."""
        return tuple(self._layout)

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> tuple[str, ...]:
        """The photographs of a split, with and without instances, in the order of the annotation file."""
        return self._part(split).ids

    def has(self, id: str) -> bool:
        """Whether the id is annotated, and its photograph is there and can be used."""
        found = next((self._survey(split)[id] for split, part in self._parts() if id in part.files), None)
        return found is not None and not found.passed_over

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Class -> visible pixels, at least 1; none of a photograph that cannot be used, see `remarks`.

        The first call counts the whole split in several processes, looks at its photographs, and keeps the result.

        Raises:
            InputError: An unknown id.
        """
        split, part = self._find(id)
        if self._survey(split)[id].passed_over:
            return {}
        if split not in self._areas:
            self._areas[split] = part.index(self.crowds)
        return self._areas[split][id]

    def remarks(self, split: Split) -> list[Remark]:
        """Annotations and photographs of a split that are skipped, and EXIF rotations."""
        return [*self._part(split).remarks, *remarks(self._survey(split))]

    def load(self, id: str) -> tuple[Array, Array]:
        """The photograph, RGB (H, W, 3), and its label map (H, W): 0 background, 1..C classes, 255 crowds unless they
        are treated otherwise.

        Raises:
            InputError: An unknown id, or a photograph that is missing, unreadable or of another size than annotated.
        """
        split, part = self._find(id)
        return read_photograph(self._photograph(split, id), part.sizes[id]), part.labels(id, self.crowds)

    def _photograph(self, split: Split, id: str) -> Path:
        found, root = self._located(split), self._layout[split][1]
        return found[id] if id in found else root / self._part(split).files[id]

    def _located(self, split: Split) -> Mapping[str, Path]:
        """Where the photographs are that are there, by one look into the folders: they must not change."""
        if split not in self._there:
            folder = self._layout[split][1]  # file names may begin with its own name
            self._there[split] = located(self._part(split).files, (folder, folder.parent, self.root))
        return self._there[split]

    def _survey(self, split: Split) -> Survey:
        if split not in self._surveys:
            part, there = self._part(split), self._located(split)

            def look(id: str) -> Look:
                return Look({}, fit(self._photograph(split, id), part.sizes[id]), part.files[id])

            lines = [f"{id} {part.sizes[id]} {state_of(there[id]) if id in there else '-'}" for id in part.ids]
            title = f"Checking the {split} photographs"
            self._surveys[split] = survey(part.ids, look, ["coco", *lines], title, self._on_progress)
        return self._surveys[split]

    def _find(self, id: str) -> tuple[Split, Annotations]:
        for split, part in self._parts():
            if id in part.files:
                return split, part
        raise InputError(f"{self.name} has no photograph {id!r}: an id is a file name without its extension")

    def _parts(self) -> Iterator[tuple[Split, Annotations]]:
        """The splits that are there, each read as late as can be: the small val file before the large one."""
        yield from tuple(self._read.items())
        for split in ("val", "train"):
            if split in self._layout and split not in self._read:
                yield split, self._part(split)

    def _part(self, split: Split) -> Annotations:
        if split not in self._layout:
            raise InputError(f"{self.root} has no annotations for {split}: {LAYOUT}")
        if split not in self._read:
            part = Annotations(self._layout[split][0], self._on_progress)
            for other in self._read.values():
                part.check_beside(other)
            self._read[split] = part
        return self._read[split]


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
        raise InputError(f"no photographs: {' or '.join(map(str, folders))} does not exist; {LAYOUT}")
    return found


def located(files: Mapping[str, str], folders: Sequence[Path]) -> dict[str, Path]:
    """Id -> path, of those files that lie below one of the folders, the first before the others.

    A folder is listed sooner than each file is asked for, above all afar. The ending may be in other letters' case.

    Raises:
        InputError: The first folder cannot be listed.
    """
    listed: dict[Path, dict[str, str]] = {folders[0]: _listed(folders[0], needed=True)}
    found: dict[str, Path] = {}
    for id, file in files.items():
        inner, _, name = file.rpartition("/")
        for folder in folders:
            subfolder = folder / inner
            if subfolder not in listed:
                listed[subfolder] = _listed(subfolder)
            if there := listed[subfolder].get(name) or listed[subfolder].get(_any_case(name)):
                found[id] = subfolder / there
                break
    return found


def _listed(folder: Path, needed: bool = False) -> dict[str, str]:
    """The names of a folder's files by themselves, and by the name with its ending in small letters."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_file()]
    except OSError as error:
        if needed:
            raise InputError(f"{folder} cannot be listed ({error.strerror}): check the folder") from None
        return {}
    return {_any_case(name): name for name in names} | {name: name for name in names}


def _any_case(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return f"{stem}{dot}{ending.lower()}"


COCO = DataSet(
    name="coco",
    title="COCO",
    help="COCO layout",
    open_folder=Coco,
    classes=80,
    photographs={"train": (82783, 118287), "val": (40504, 5000)},  # of 2014, or 2017
    archives="photographs and instances of COCO 2014 (20 GB)",
)
