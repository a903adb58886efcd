"""Labelled photographs: each data set is one file here with its record, named at the command line as `name:PATH`."""

from pathlib import Path

from episodes.data.coco import COCO
from episodes.data.data_set import DataSet
from episodes.data.fss import FSS
from episodes.data.masks import MASKS
from episodes.data.source import OnProgress, Source, silent
from episodes.data.stickers import STICKERS
from episodes.data.voc import PASCAL
from episodes.errors import InputError

DATA_SETS = {record.name: record for record in (STICKERS, PASCAL, COCO, FSS, MASKS)}
"""By name."""
USAGE = ", ".join(f"{record.usage} ({record.help})" for record in DATA_SETS.values())
"""What `--data` takes, for help texts."""


def data_set(name: str) -> DataSet:
    """The record of the data that `pascal:PATH` or `stickers` names; an empty one for a source that only its user has.

    >>> data_set("coco:/data/coco").title
    'COCO'
    """
    kind = name.partition(":")[0]
    return DATA_SETS.get(kind, DataSet(kind))


def open_source(name: str, on_progress: OnProgress = silent) -> Source:
    """Open `NAME:PATH`, or NAME alone where there is no folder, see `DATA_SETS`.

    `pascal` alone is its class names without photographs, see `Names`.

    What takes long, such as the first count of a large folder's classes, is told to `on_progress`.

    Raises:
        InputError: if the name is none of these, or the folder lacks what the layout needs.
    """
    record, (_, colon, path) = data_set(name), name.partition(":")
    if path and record.open_folder:
        return record.open_folder(Path(path), name, on_progress)
    if not colon and record.open_alone:
        return record.open_alone(name)
    *others, last = (record.usage for record in DATA_SETS.values())
    raise InputError(f"{name!r} names no data: use {', '.join(others)} or {last}")
