"""Labelled photographs: each data set is a file in `sets` with its record, named as `name:PATH` by a person."""

import re
from pathlib import Path

from episodes.data.data_set import DataSet
from episodes.data.joined import Joined
from episodes.data.sets.coco import COCO
from episodes.data.sets.faces import FACES
from episodes.data.sets.folder import FOLDER
from episodes.data.sets.fss import FSS
from episodes.data.sets.masks import MASKS
from episodes.data.sets.stickers import STICKERS
from episodes.data.sets.voc import PASCAL
from episodes.data.source import OnProgress, Source, silent
from episodes.errors import InputError

DATA_SETS = {record.name: record for record in (STICKERS, PASCAL, COCO, FSS, MASKS, FACES, FOLDER)}
"""By name."""
USAGE = ", ".join(f"{record.usage} ({record.help})" for record in DATA_SETS.values())
"""What `--data` takes, for help texts."""


JOINED = re.compile(rf" \+ (?=(?:{'|'.join(DATA_SETS)})\b)")
"""What stands between the names of sources that are one together."""


def data_set(name: str) -> DataSet:
    """The record of the data that `pascal:PATH` or `stickers` names; an empty one for a source that only its user has.

    Several sources of one kind have the record of that kind.

    >>> data_set("coco:/data/coco").title
    'COCO'
    >>> data_set("coco:/data/coco + pascal:/data/voc").name
    'coco + pascal'
    """
    kinds = dict.fromkeys(part.partition(":")[0] for part in JOINED.split(name))
    first, *others = (DATA_SETS.get(kind, DataSet(kind)) for kind in kinds)
    if not others:
        return first
    every = (first, *others)
    return DataSet(
        name=" + ".join(record.name for record in every),
        title=" + ".join(record.title for record in every),
        note=" ".join(record.note for record in every if record.note),
        every_pair=all(record.every_pair for record in every),
    )


def open_source(name: str, on_progress: OnProgress = silent) -> Source:
    """Open `NAME:PATH`, or NAME alone where there is no folder, see `DATA_SETS`; several with ` + ` between are one.

    `pascal` alone is its class names without photographs, see `Names`.

    What takes long, such as the first count of a large folder's classes, is reported to `on_progress`.

    Raises:
        InputError: if the name is none of these, or the folder lacks what the layout needs.
    """
    if len(parts := JOINED.split(name)) > 1:
        return Joined([open_source(part, on_progress) for part in parts])
    record, (_, colon, path) = data_set(name), name.partition(":")
    if path and record.open_folder:
        return record.open_folder(Path(path), name, on_progress)
    if not colon and record.open_alone:
        return record.open_alone(name)
    *others, last = (record.usage for record in DATA_SETS.values())
    raise InputError(f"{name!r} is not a data set: use {', '.join(others)} or {last}")
