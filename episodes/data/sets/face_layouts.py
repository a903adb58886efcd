"""How the data sets of faces lie in their folders, and what their labels mean."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from episodes.data.pictures.images import NoLabelMap, first_file, open_picture, state_of
from episodes.data.source import Array, Split
from episodes.errors import InputError
from episodes.inputs import read_text

PARTS = ("left brow", "right brow", "left eye", "right eye", "nose", "upper lip", "inner mouth", "lower lip")
"""The parts of face parsing: label p is `PARTS[p - 1]`, and 0 all else. Left is the person's."""
MIRRORED = (0, 2, 1, 4, 3, 5, 6, 7, 8)
"""What each label becomes in the mirror."""

MERGED = {f"{side} {part}": part for side in ("left", "right") for part in ("eye", "brow", "ear")}
MERGED |= {"upper lip": "lip", "lower lip": "lip"}
"""Class of a layout -> class of episodes, where the two differ."""

CELEBAMASK = (
    *("skin", "nose", "glasses", "left eye", "right eye", "left brow", "right brow", "left ear", "right ear"),
    *("inner mouth", "upper lip", "lower lip", "hair", "hat", "earring", "necklace", "neck", "cloth"),
)
ELEVEN = ("skin", *PARTS, "hair")

LAYOUT = (
    "a folder of faces holds images/NAME.jpg and masks/NAME.png with the 19 labels of CelebAMask-HQ, and val.txt, "
    "unless the last eighth by name is for testing; or is that of Helen (images/, labels/NAME/NAME_lbl00.png to 10.png)"
    ", or of LaPa (train/images/, train/labels/, test/images/, test/labels/)"
)


class Layout(ABC):
    """How a data set lies in its folder.

    Attributes:
        name: Of the data set.
        classes: What its labels 1, 2, ... mean; 0 is background.
    """

    name: str
    classes: tuple[str, ...]

    @abstractmethod
    def fits(self, root: Path) -> bool:
        """Whether a folder looks like it."""

    @abstractmethod
    def splits(self, root: Path, last: int) -> dict[Split, tuple[str, ...]]:
        """The ids of both splits; without lists, one in `last` of them is for testing."""

    @abstractmethod
    def images(self, id: str) -> Path:
        """Where its photograph lies below the root, without the ending."""

    @abstractmethod
    def read(self, root: Path, id: str) -> Array:
        """Its labels (H, W), in the numbers of `classes`."""

    @abstractmethod
    def state(self, root: Path, id: str) -> str:
        """What changes when the files of its labels do."""

    def _known(self, labels: Array, path: Path) -> Array:
        if (highest := int(labels.max())) > len(self.classes):
            raise NoLabelMap(f"{path} holds label {highest}: those of {self.name} are 0 to {len(self.classes)}")
        return labels


class CelebAMask(Layout):
    """Label maps of the 19 classes of CelebAMask-HQ (Lee et al. 2020), as palette or greyscale PNG."""

    name, classes = "CelebAMask-HQ", CELEBAMASK

    def fits(self, root: Path) -> bool:
        """It has `masks/`."""
        return (root / "masks").is_dir()

    def splits(self, root: Path, last: int) -> dict[Split, tuple[str, ...]]:
        """By `val.txt`, or by name."""
        ids = _pairs(root / "images", {file.stem for file in _files(root / "masks") if file.suffix.lower() == ".png"})
        return _split(ids, root / "val.txt", last)

    def images(self, id: str) -> Path:
        """In `images/`."""
        return Path("images") / id

    def read(self, root: Path, id: str) -> Array:
        """From one file."""
        return self._known(_label_map(path := self._mask(root, id)), path)

    def state(self, root: Path, id: str) -> str:
        """Of that file."""
        return state_of(self._mask(root, id))

    def _mask(self, root: Path, id: str) -> Path:
        return first_file(root / "masks", id, ("png",))


class Lapa(Layout):
    """LaPa (Liu et al. 2020): a folder for each split, of which train is trained and test is tested."""

    name, classes = "LaPa", ELEVEN

    def fits(self, root: Path) -> bool:
        """It has `train/labels/`."""
        return (root / "train" / "labels").is_dir()

    def splits(self, root: Path, last: int) -> dict[Split, tuple[str, ...]]:
        """The folders `train` and `test`."""
        found: dict[Split, tuple[str, ...]] = {}
        both: tuple[tuple[Split, str], ...] = (("train", "train"), ("val", "test"))
        for split, folder in both:
            labels = {file.stem for file in _files(root / folder / "labels") if file.suffix.lower() == ".png"}
            found[split] = tuple(f"{folder}/{id}" for id in _pairs(root / folder / "images", labels))
        return found

    def images(self, id: str) -> Path:
        """In the folder of its split."""
        split, _, name = id.partition("/")
        return Path(split) / "images" / name

    def read(self, root: Path, id: str) -> Array:
        """From one file."""
        return self._known(_label_map(path := self._mask(root, id)), path)

    def state(self, root: Path, id: str) -> str:
        """Of that file."""
        return state_of(self._mask(root, id))

    def _mask(self, root: Path, id: str) -> Path:
        split, _, name = id.partition("/")
        return first_file(root / split / "labels", name, ("png",))


class Helen(Layout):
    """Helen with the segmentations of Smith et al. 2013: a greyscale picture for each label, from 0 to 255."""

    name, classes = "Helen", ELEVEN

    def fits(self, root: Path) -> bool:
        """It has `labels/`."""
        return (root / "labels").is_dir()

    def splits(self, root: Path, last: int) -> dict[Split, tuple[str, ...]]:
        """By `testing.txt`, or by name."""
        ids = _pairs(root / "images", {file.name for file in _files(root / "labels") if file.is_dir()})
        return _split(ids, root / "testing.txt", last)

    def images(self, id: str) -> Path:
        """In `images/`."""
        return Path("images") / id

    def read(self, root: Path, id: str) -> Array:
        """The strongest of the channels at each pixel."""
        channels = [np.array(open_picture(path).convert("L")) for path in self._channels(root, id)]
        if len({channel.shape for channel in channels}) > 1:
            raise NoLabelMap(f"{root / 'labels' / id}: its pictures differ in size: make them one size")
        return np.argmax(channels, 0).astype(np.uint8)

    def state(self, root: Path, id: str) -> str:
        """Of all its files."""
        return " ".join(state_of(path) for path in self._channels(root, id))

    def _channels(self, root: Path, id: str) -> list[Path]:
        return [root / "labels" / id / f"{id}_lbl{label:02d}.png" for label in range(len(self.classes) + 1)]


LAYOUTS: tuple[Layout, ...] = (CelebAMask(), Lapa(), Helen())


def _pairs(images: Path, labels: set[str]) -> tuple[str, ...]:
    """The names that have both a photograph and labels, in order."""
    photographs = {file.stem for file in _files(images) if not file.name.startswith(".")}
    if not photographs & labels:
        raise InputError(f"{images.parent} holds no photograph with labels: {LAYOUT}")
    return tuple(sorted(photographs & labels))


def _split(ids: tuple[str, ...], listing: Path, last: int) -> dict[Split, tuple[str, ...]]:
    """Those that a list names are for testing; without one, one in `last` is, by order."""
    if not listing.is_file():
        first = len(ids) - max(1, len(ids) // last)
        return {"train": ids[:first], "val": ids[first:]}
    lines = read_text(listing, LAYOUT).splitlines()
    named = dict.fromkeys(line.rpartition(",")[2].strip() for line in lines if line.strip())  # Helen numbers its lines
    if unknown := [name for name in named if name not in ids]:
        raise InputError(f"{listing}: there is no photograph {unknown[0]!r} with labels: correct the list")
    return {"train": tuple(id for id in ids if id not in named), "val": tuple(id for id in ids if id in named)}


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder} cannot be listed ({error.strerror}): {LAYOUT}") from None


def _label_map(path: Path) -> Array:
    image = open_picture(path)
    if image.mode not in ("P", "L", "1"):
        raise NoLabelMap(
            f"{path} is a colour picture ({image.mode}): store class numbers as a palette or greyscale PNG"
        )
    return np.array(image).astype(np.uint8)
