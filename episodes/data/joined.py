"""Several sources as one."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from episodes.data.remarks import Remark, Remarked
from episodes.data.source import (
    IGNORE,
    UNNAMED,
    Array,
    Crowded,
    Crowds,
    Labels,
    Partial,
    Source,
    Split,
    numbered,
    same_name,
)

Role = Literal["support", "query"]


class Joined:
    """A `Source` over the photographs of several, the first before the others.

    Classes of one name, in the spelling of `same_name`, are one class; those of the first source come first, in its
    order. A photograph shows the classes that its own source annotates: those of the others may be in its background.

    Ids are those of the sources; one that an earlier source has too is led by the number of its source: `2:cat01`. All
    photographs of a source that has one split alone are for training. Label maps are int16 if there are more than 254
    classes; no class bears the number 255, so one name in `classes` may be empty.

    Args:
        sources: At least one.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self.name = " + ".join(source.name for source in sources)
        names: dict[str, str] = {}
        for source in sources:
            for name in filter(None, source.classes):
                names.setdefault(same_name(name), name)
        self.classes = numbered(sorted(names.values(), key=lambda name: name == UNNAMED))  # which comes last
        label_of = {same_name(name): label for label, name in enumerate(self.classes, start=1) if name}
        self._dtype = np.uint8 if len(self.classes) < IGNORE else np.int16
        self._tables: list[NDArray[Any]] = [_table(source, label_of).astype(self._dtype) for source in sources]
        self._treated: dict[Crowds, Joined] = {self.crowds: self}

    def labels_of(self, number: int, labels: Sequence[int]) -> tuple[int, ...]:
        """What labels of one of the sources, counted from 0, are here; ascending."""
        return tuple(sorted({int(self._tables[number][label]) for label in labels}))

    def ids(self, split: Split, role: Role = "query") -> tuple[str, ...]:
        """The photographs of a split that may play this role, source by source."""
        return tuple(
            self._joined_ids[number, id]
            for number, source in enumerate(self.sources)
            if split in _splits(source)
            for id in source.ids(_splits(source)[split], role)
        )

    def has(self, id: str) -> bool:
        """Whether `load` would find both the photograph and its labels."""
        return id in self._own_ids and self._source(id).has(self._own_ids[id][1])

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Class -> number of its pixels.

        Raises:
            InputError: as the photograph's own source does.
        """
        number, own = self._own_ids.get(id, (0, id))
        areas: dict[int, int] = {}
        for label, pixels in self.sources[number].classes_in(own).items():
            joined = int(self._tables[number][label])
            areas[joined] = areas.get(joined, 0) + pixels
        return areas

    def remarks(self, split: Split) -> list[Remark]:
        """What each source says of the split."""
        told = [source for source in self.sources if isinstance(source, Remarked) and split in _splits(source)]
        return [remark for source in told for remark in source.remarks(_splits(source)[split])]

    def load(self, id: str) -> tuple[Array, Labels]:
        """The photograph, RGB (H, W, 3), and its label map (H, W): 0 background, 1..C classes, 255 ignore.

        Raises:
            InputError: as the photograph's own source does.
        """
        number, own = self._own_ids.get(id, (0, id))
        image, labels = self.sources[number].load(own)
        return image, self._tables[number][labels]

    @property
    def crowds(self) -> Crowds:
        """How the crowds are treated of the sources that have some."""
        return next((source.crowds for source in self.sources if isinstance(source, Crowded)), "ignore")

    def treating(self, crowds: Crowds) -> "Joined":
        """The same photographs with crowds treated so: the same object for the same way."""
        if not any(isinstance(source, Crowded) for source in self.sources):
            return self
        if crowds not in self._treated:
            treated = [source.treating(crowds) if isinstance(source, Crowded) else source for source in self.sources]
            self._treated[crowds] = Joined(treated)
        return self._treated[crowds]

    def _source(self, id: str) -> Source:
        return self.sources[self._own_ids[id][0]]

    @cached_property
    def _own_ids(self) -> dict[str, tuple[int, str]]:
        """Id -> the number of its source, and its id there."""
        own: dict[str, tuple[int, str]] = {}
        for number, source in enumerate(self.sources):
            ids = dict.fromkeys(
                id for split in _splits(source).values() for role in get_args(Role) for id in source.ids(split, role)
            )
            own |= {f"{number + 1}:{id}" if id in own else id: (number, id) for id in ids}
        return own

    @cached_property
    def _joined_ids(self) -> dict[tuple[int, str], str]:
        return {own: id for id, own in self._own_ids.items()}


def _splits(source: Source) -> dict[Split, Split]:
    """Split here -> split of the source."""
    there = source.splits if isinstance(source, Partial) else get_args(Split)
    return {"train": there[0]} if len(there) == 1 else {split: split for split in there}


def _table(source: Source, label_of: Mapping[str, int]) -> NDArray[np.int16]:
    """(L,) int16: at each label of the source, background and 255 included, the label here."""
    table = np.zeros(max(len(source.classes), IGNORE) + 1, np.int16)
    table[1 : len(source.classes) + 1] = [label_of[same_name(name)] if name else 0 for name in source.classes]
    table[IGNORE] = IGNORE
    return table
