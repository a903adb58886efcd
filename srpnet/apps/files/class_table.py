"""`classes.csv`: which value of the masks in a folder is which class.

| column | |
|---|---|
| value | of the class in every mask: 255 if there is one class, else 1, 2 ... |
| class | its name |
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from episodes.checks import shown
from episodes.errors import InputError
from episodes.files import write_text
from episodes.inputs import read_text
from srpnet.apps.examples.reading import check_names

NAME = "classes.csv"
COLUMNS = ["value", "class"]


def values_of(names: Sequence[str]) -> list[int]:
    """The value of each class in a mask.

    >>> values_of(["cup"]), values_of(["cup", "plate"])
    ([255], [1, 2])
    """
    return [255] if len(names) == 1 else list(range(1, len(names) + 1))


def write_classes(folder: Path, names: Sequence[str]) -> None:
    """Write the file, whole or not at all.

    Raises:
        InputError: if it cannot be written, or says otherwise already: then masks of other classes are there.
    """
    if (folder / NAME).exists() and (there := read_classes(folder)) != tuple(names):
        raise InputError(f"{folder / NAME} names other classes ({', '.join(there)}): name another `out`")
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *zip(values_of(names), names, strict=True)])
    write_text(folder / NAME, text.getvalue())


def read_classes(folder: Path) -> tuple[str, ...]:
    """The names, by value; the file is not trusted.

    Raises:
        InputError: if it is no such file.
    """
    fix = "move it away, or name another folder"
    try:
        rows = list(csv.reader(io.StringIO(read_text(folder / NAME, fix), newline="")))
    except csv.Error as error:
        raise InputError(f"{folder / NAME} cannot be read ({error}): {fix}") from None
    names = [row[-1] for row in rows[1:]]
    if not rows or rows != [
        COLUMNS,
        *([str(value), name] for value, name in zip(values_of(names), names, strict=True)),
    ]:
        raise InputError(f"{folder / NAME} is not a table of values and classes ({shown(rows[:2])}): {fix}")
    try:
        check_names(names)
    except InputError as error:
        raise InputError(f"{folder / NAME}: {error}") from None
    return tuple(names)
