"""What every source of labelled photographs offers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.uint8]
Labels = NDArray[np.uint8] | NDArray[np.int16]
"""A label map of a source; int16 where it has more than 254 classes."""
Split = Literal["train", "val"]
FoldNumber = int | Literal["all"]
"""The number of a fold, or `all`: no class is novel, so that every class is trained, or tested, as the case may be."""
Crowds = Literal["ignore", "object", "background"]
"""What COCO's crowds are: label 255, objects of their category, or background."""

OnProgress = Callable[[str, int, int], None]
"""Called now and then during long work with its title, how much is done, and how much there is, in one unit."""


def silent(title: str, done: int, total: int) -> None:
    """The `OnProgress` of whoever does not want to know."""


class LocalProgress:
    """Passes progress on, but is silent in other processes: a bar cannot be pickled with the source that tells it."""

    def __init__(self, on_progress: OnProgress = silent) -> None:
        self._on_progress = on_progress

    def __call__(self, title: str, done: int, total: int) -> None:
        self._on_progress(title, done, total)

    def __reduce__(self) -> tuple[type["LocalProgress"], tuple[()]]:
        return LocalProgress, ()


PASCAL_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle",
    "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person",
    "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""The 20 classes of PASCAL VOC in their usual, alphabetical order: class c is `PASCAL_CLASSES[c - 1]`."""

COCO_NAMES = {
    "airplane": "aeroplane",
    "couch": "sofa",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "tv": "tvmonitor",
}
"""What COCO calls a PASCAL class, where the two differ."""


def same_name(name: str) -> str:
    """A class's name in PASCAL's spelling and in small letters, so that one class is recognised in several sources.

    >>> same_name("airplane"), same_name("dining_table"), same_name("Persian cat")
    ('aeroplane', 'diningtable', 'persian cat')
    """
    plain = name.replace("_", " ").lower()
    return COCO_NAMES.get(plain, plain)


UNNAMED = "unnamed object"
"""The class of objects of which nobody says what they are: neither a base class nor a novel one."""

IGNORE = 255
"""The label of pixels that count for nothing: object borders, crowds, padding."""


class Source(Protocol):
    """Labelled photographs. Ids are strings, unique over both splits; classes are 1..len(classes). A source that is not
    divided has the same pool as both splits.

    A pool is an ordered list of ids: `ids("train")` is for the base classes, `ids("val")` for the novel ones. A source
    whose supports must not share anything with its queries returns different pools for the two roles; the others
    return the same one.
    """

    @property
    def name(self) -> str:
        """How a person names it, see `episodes.data.DATA_SETS`."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; class c is `classes[c - 1]`."""
        ...

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> Sequence[str]:
        """The ordered ids of a split that may play this role in an episode."""
        ...

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Class -> number of its pixels (at least 1) at the photograph's own size, without decoding it again."""
        ...

    def has(self, id: str) -> bool:
        """Whether `load` would find both the photograph and its labels; any string may be asked for."""
        ...

    def load(self, id: str) -> tuple[Array, Labels]:
        """The photograph, RGB (H, W, 3), and its label map (H, W): 0 background, 1..C classes, 255 ignore."""
        ...


@runtime_checkable
class Divided(Protocol):
    """A source whose classes are dealt by lists of its own, not into folds of equal size."""

    def novel_and_base(self, fold: FoldNumber) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The novel and the base classes of a fold, ascending; `all` has every class as a base class."""
        ...


@runtime_checkable
class Partial(Protocol):
    """A source of which a split may be missing."""

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that are there."""
        ...


@runtime_checkable
class Crowded(Protocol):
    """A source that has crowds, which can be treated in several ways."""

    @property
    def crowds(self) -> Crowds:
        """How they are treated."""
        ...

    def treating(self, crowds: Crowds) -> "Source":
        """The same photographs with crowds treated so: the same object for the same way."""
        ...


def numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Class names by label, from 1 on: as label 255 is ignored everywhere, an empty name stands there."""
    return (*names[: IGNORE - 1], *([""] if len(names) >= IGNORE else []), *names[IGNORE - 1 :])
