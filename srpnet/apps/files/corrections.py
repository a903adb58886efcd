"""Masks that `srpnet predict` wrote and a person corrected: they become examples."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from episodes.data.source import IGNORE
from srpnet.apps.examples.annotations import Annotation, Label, Mask
from srpnet.apps.files import class_table
from srpnet.apps.files.found_table import photograph_of
from srpnet.apps.pictures.reading import read_mask


class Correction(NamedTuple):
    """What a corrected mask says.

    Attributes:
        photograph: Of which it is the mask.
        classes: Name of each class that it shows, and what is marked as it; the name is None where the folder names no
            class. None at all: the photograph shows none.
    """

    photograph: Path
    classes: list[tuple[str | None, Annotation]]


def read_correction(mask: Path) -> Correction:
    """A mask in a folder of `srpnet predict`; its `found.csv` knows the photograph, and its `classes.csv` the classes.

    Raises:
        InputError: if the mask cannot be read, or is not in such a folder, or its photograph is not there.
    """
    folder, photograph = photograph_of(mask)
    names: tuple[str | None, ...] = (None,)
    if (folder / class_table.NAME).exists():
        names = class_table.read_classes(folder)
    shown = {int(label) for label in np.unique(read_mask(mask, len(names)))} - {0, IGNORE}
    if len(names) == 1:
        return Correction(photograph, [(names[0], Mask(mask))] if shown else [])
    return Correction(photograph, [(names[label - 1], Label(mask, label, len(names))) for label in sorted(shown)])
