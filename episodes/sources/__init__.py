"""Labelled photographs: each kind of source is one file here, named at the command line as `kind:PATH`."""

from pathlib import Path

from episodes.errors import InputError
from episodes.sources.base import Source
from episodes.sources.coco import Coco
from episodes.sources.stickers import Stickers
from episodes.sources.voc import Voc


def open_source(name: str) -> Source:
    """`pascal:PATH` (VOC layout), `coco:PATH` (COCO layout) or `stickers` (embedded).

    Raises:
        InputError: if the name is none of these, or the folder lacks what the layout needs.
    """
    kind, _, path = name.partition(":")
    if kind == "stickers" and not path:
        return Stickers()
    if kind == "pascal" and path:
        return Voc(Path(path), name)
    if kind == "coco" and path:
        return Coco(Path(path), name)
    raise InputError(f"{name!r} names no data: use stickers, pascal:PATH or coco:PATH")
