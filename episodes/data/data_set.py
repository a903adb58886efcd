"""What there is to say of a data set before any folder of it is opened."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from episodes.data.source import OnProgress, Source, Split


@dataclass(frozen=True)
class DataSet:
    """The record of a data set. Nothing else asks a source of what kind it is.

    Attributes:
        name: What stands before the colon in `--data NAME:PATH`, and in manifests.
        title: What people call it.
        help: What a folder of it looks like, in a few words.
        open_folder: Opens `NAME:PATH`: called with the path, the whole name, and the progress callback.
        open_alone: Opens NAME without a path.
        embedded: Whether its photographs come with the package.
        note: What every output that is made from it says.
        classes: How many classes the published data set has; None where there is no such number.
        photographs: How many photographs each split of it has, in each of its editions.
        pairs: How many pairs the common pair lists have, fold by fold.
        every_pair: Whether every photograph of a class makes a pair with it, however small the object is.
        no_labels: What to do about masks that hold no class at all.
        archives: The published archives that `make` in `episodes/data/prepare/NAME.py` builds a folder of, in words.
    """

    name: str
    title: str = ""
    help: str = ""
    open_folder: Callable[[Path, str, OnProgress], Source] | None = None
    open_alone: Callable[[str], Source] | None = None
    embedded: bool = False
    note: str = ""
    classes: int | None = None
    photographs: Mapping[Split, Sequence[int]] = field(default_factory=dict)
    pairs: Mapping[Split, Sequence[int]] = field(default_factory=dict)
    every_pair: bool = False
    no_labels: str = "check the annotations"
    archives: str = ""

    @property
    def usage(self) -> str:
        """What a person types."""
        return f"{self.name}:PATH" if self.open_folder else self.name
