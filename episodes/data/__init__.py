"""Labelled photographs: each kind of source is one file here, named at the command line as `kind:PATH`."""

from pathlib import Path

from episodes.data.coco import Coco
from episodes.data.fss import Fss
from episodes.data.names_only import Names
from episodes.data.source import OnProgress, Source, silent
from episodes.data.stickers import Stickers
from episodes.data.voc import Voc
from episodes.errors import InputError


def open_source(name: str, on_progress: OnProgress = silent) -> Source:
    """`pascal:PATH` (VOC layout), `coco:PATH` (COCO layout), `fss:PATH` (FSS-1000 layout) or `stickers` (embedded).

    `pascal` alone is its class names without photographs, see `Names`.

    What takes long, such as the first count of a large folder's classes, is told to `on_progress`.

    Raises:
        InputError: if the name is none of these, or the folder lacks what the layout needs.
    """
    kind, _, path = name.partition(":")
    if kind == "stickers" and not path:
        return Stickers()
    if name == "pascal":
        return Names(name)
    if kind == "pascal" and path:
        return Voc(Path(path), name, on_progress)
    if kind == "coco" and path:
        return Coco(Path(path), name, on_progress)
    if kind == "fss" and path:
        return Fss(Path(path), name, on_progress)
    raise InputError(f"{name!r} names no data: use stickers, pascal:PATH, coco:PATH or fss:PATH")
