"""FSS-1000 folders: a thousand classes of ten photographs, each of which shows one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from episodes.data.data_set import DataSet
from episodes.data.pictures.images import first_file, fit, head, open_picture, read_photograph, state_of
from episodes.data.remarks import Remark
from episodes.data.source import Array, FoldNumber, Labels, LocalProgress, OnProgress, Split, numbered, silent
from episodes.data.survey import Look, Survey, remarks, survey
from episodes.errors import InputError
from episodes.files import expanded

LAYOUT = (
    "an FSS-1000 folder holds a folder for each class with 1.jpg and 1.png to 10.jpg and 10.png, and beside them, or "
    "in splits/, the class names train.txt (or trn.txt), val.txt, and test.txt (or fss_test_set.txt)"
)
LISTS: Mapping[str, Sequence[str]] = {
    "train": ("train.txt", "trn.txt"),
    "val": ("val.txt",),
    "test": ("test.txt", "fss_test_set.txt"),
}
RESIZED = "masks whose size differs from their photograph's, resized by nearest neighbour"
TESTED = ("test", "val")
"""Which list each fold has as novel classes."""


class Fss:
    """A `Source` over an FSS-1000 folder (Li et al., FSS-1000, CVPR 2020), see `LAYOUT`.

    Base classes are those of the train list (520). Fold 0 has those of the test list (240) as novel ones, fold 1 those
    of the validation list (240), for choices. An id is `<class>/<number>`. As there are more than 254 classes, label
    maps are int16; no class bears the number 255, which is ignored everywhere, so one name in `classes` is empty.

    Args:
        root: The folder.
        name: How reports name it; `fss:ROOT` if not given.
        on_progress: Called with the progress of counting.

    Raises:
        InputError: A list or the folder of a class is missing, or a class stands on two lists.
    """

    def __init__(self, root: Path | str, name: str | None = None, on_progress: OnProgress = silent) -> None:
        self.root = expanded(root)
        self.name = name or f"fss:{root}"
        self._on_progress = LocalProgress(on_progress)
        self._lists = {split: _names(self.root, files) for split, files in LISTS.items()}
        known: dict[str, str] = {}
        for split, names in self._lists.items():
            for name in names:  # two lists with one class would test what was trained
                if name in known:
                    raise InputError(f"{self.root}: class {name} is on the lists {known[name]} and {split}: leave one")
                if not (self.root / name).is_dir():
                    raise InputError(f"{self.root} has no folder {name}, a class of the list {split}: {LAYOUT}")
                known[name] = split
        self.classes = numbered(sorted(known))
        self._label = {each: label for label, each in enumerate(self.classes, start=1) if each}
        self._surveys: dict[Split, Survey] = {}

    def novel_and_base(self, fold: FoldNumber) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The novel and the base classes of a fold, ascending; `all` has every class as a base class.

        Raises:
            InputError: if there is no such fold.
        """
        if fold == "all":
            return (), tuple(sorted(self._label.values()))
        if fold not in range(len(TESTED)):
            raise InputError(f"fold {fold} does not exist: FSS-1000 has fold 0, its test classes, and 1, those of val")
        novel, base = (
            tuple(sorted(self._label[name] for name in self._lists[split])) for split in (TESTED[fold], "train")
        )
        return novel, base

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> tuple[str, ...]:
        """The photographs of the train list's classes, or those of the other two, by class and number."""
        return tuple(id for name in self._of(split) for id in self._inside(name))

    def has(self, id: str) -> bool:
        """Whether the photograph and its mask are both there and can be used."""
        return self._known(id) and id in (found := self._survey(self._split(id))) and not found[id].passed_over

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Class -> pixels, at least 1; none of a photograph that cannot be used, see `remarks`.

        The first call looks at its whole split in threads and keeps what it finds.

        Raises:
            InputError: An unknown id.
        """
        found = self._survey(self._split(id)) if self._known(id) else {}
        if id not in found:
            raise self._unknown(id)
        return found[id].areas

    def remarks(self, split: Split) -> list[Remark]:
        """Photographs and masks of a split that are skipped, masks that are resized, and EXIF rotations."""
        return remarks(self._survey(split))

    def load(self, id: str) -> tuple[Array, Labels]:
        """The photograph, RGB (H, W, 3), and its label map (H, W) int16: 0 background, else the class.

        Raises:
            InputError: An unknown id, or a file that is missing or unreadable.
        """
        mask, _ = self._mask(id)
        height, width = mask.shape
        photograph = read_photograph(self._photograph(id), (height, width))
        return photograph, mask * np.int16(self._label[id.partition("/")[0]])

    def _survey(self, split: Split) -> Survey:
        if split not in self._surveys:
            ids = self.ids(split)
            lines = [f"{name} {label}" for name, label in self._label.items()]
            lines += [f"{id} {state_of(self._file(id))} {state_of(self._photograph(id))}" for id in ids]
            title = f"Counting the {split} masks"
            self._surveys[split] = survey(ids, self._look, ["fss", RESIZED, *lines], title, self._on_progress)
        return self._surveys[split]

    def _look(self, id: str) -> Look:
        mask, kind = self._mask(id)
        pixels = int(mask.sum())
        return Look({self._label[id.partition("/")[0]]: pixels} if pixels else {}, kind, id)

    def _split(self, id: str) -> Split:
        return "train" if id.partition("/")[0] in self._lists["train"] else "val"

    def _of(self, split: Split) -> list[str]:
        lists = ("train",) if split == "train" else ("val", "test")
        return sorted(name for split in lists for name in self._lists[split])

    def _inside(self, name: str) -> list[str]:
        files = (file for file in (self.root / name).iterdir() if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
        numbers = {int(file.stem) for file in files if file.stem.isdecimal()}
        return [f"{name}/{number}" for number in sorted(numbers)]

    def _known(self, id: str) -> bool:
        name, _, number = id.partition("/")
        return name in self._label and number.isdecimal()

    def _unknown(self, id: str) -> InputError:
        return InputError(f"{self.name} has no photograph {id!r}: an id is <class>/<number>")

    def _photograph(self, id: str) -> Path:
        return self._file(id, ("jpg", "jpeg"))

    def _file(self, id: str, endings: tuple[str, ...] = ("png",)) -> Path:
        if not self._known(id):
            raise self._unknown(id)
        name, _, number = id.partition("/")
        return first_file(self.root / name, number, endings)

    def _mask(self, id: str) -> tuple[NDArray[np.int16], str]:
        return light_mask(self._file(id), self._photograph(id))


def light_mask(file: Path, photograph: Path) -> tuple[NDArray[np.int16], str]:
    """(H, W): 1 where a mask is light, and what is to be said of how it lies on its photograph.

    Masks are colour or greyscale pictures, black and white but for blur. Some are published in another size than
    their photograph; as published evaluators do, they are resized to it, by the nearest pixel.

    Raises:
        PictureError: One of them is missing, unreadable, or fits the other in no way.
    """
    picture = open_picture(file).convert("L")
    size, found = (picture.height, picture.width), head(photograph)
    if resized := size != found.stored and found.turn == 1:
        size = found.stored
        picture = picture.resize((size[1], size[0]), Image.Resampling.NEAREST)
    how = fit(photograph, size)
    return (np.array(picture) >= 128).astype(np.int16), RESIZED if resized else how


def _names(root: Path, files: Sequence[str]) -> tuple[str, ...]:
    """The class names of the first of these lists that is there, one a line; `,` and spaces around one are let pass."""
    candidates = [folder / file for file in files for folder in (root, root / "splits")]
    listing = next((listing for listing in candidates if listing.is_file()), None)
    if listing is None:
        raise InputError(f"{root} has no list {' or '.join(files)}: {LAYOUT}")
    lines = listing.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    names = [name for line in lines if (name := line.strip(" ,\t"))]
    for name in names:
        if "/" in name or name.startswith("."):
            raise InputError(f"{listing}: {name!r} is not a class name: write one folder name a line")
        if names.count(name) > 1:
            raise InputError(f"{listing}: {name} is listed twice: list each class once")
    return tuple(names)


FSS = DataSet(
    name="fss",
    title="FSS-1000",
    help="FSS-1000 layout",
    open_folder=Fss,
    classes=1000,
    photographs={"train": (5200,), "val": (4800,)},
    every_pair=True,
)
