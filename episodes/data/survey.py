"""A look at every photograph of a split: what it shows, and whether it can be used, before any episode is drawn."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from episodes.data.class_index import fingerprint, kept, read_areas
from episodes.data.pictures.images import STORED, UNSURE, UPRIGHT, Missing, NoLabelMap, OtherSize, PictureError
from episodes.data.remarks import Remark, Tally
from episodes.data.source import OnProgress


class Look(NamedTuple):
    """What a look at a photograph finds.

    Attributes:
        areas: Class -> pixels, at least 1; empty if the photograph cannot be used.
        kind: What is to be said of it, see `Remark`; empty if nothing is.
        example: Its name, or what is wrong with it.
        passed_over: Whether it cannot be used.
    """

    areas: dict[int, int]
    kind: str = ""
    example: str = ""
    passed_over: bool = False


Survey = dict[str, Look]
KINDS = [UPRIGHT, STORED, UNSURE, *(error.kind for error in (PictureError, Missing, OtherSize, NoLabelMap))]
"""What may be said of a photograph; what is kept holds these words."""


def survey(
    ids: Sequence[str],
    look: Callable[[str], Look],
    made_from: Sequence[str],
    title: str,
    on_progress: OnProgress,
) -> Survey:
    """Id -> what a look finds, from the cache or in threads. A `PictureError` of a look makes it one to skip.

    Args:
        ids: Photographs.
        look: At one of them; called from several threads.
        made_from: Everything that it depends on, line by line.
        title: Of the progress.
        on_progress: Called with the progress.
    """

    def careful(id: str) -> Look:
        try:
            return look(id)
        except PictureError as error:
            return Look({}, error.kind, str(error), True)

    return kept(ids, careful, fingerprint(["survey 1", *KINDS, *made_from]), _read, partial(on_progress, title))


def remarks(found: Mapping[str, Look]) -> list[Remark]:
    """What is to be said of the photographs of a split, kind by kind."""
    tally, passed_over = Tally(), dict[str, bool]()
    for look in found.values():
        if look.kind:
            tally.add(look.kind, look.example)
            passed_over[look.kind] = look.passed_over
    return [tally.remark(kind, len(found), lost) for kind, lost in sorted(passed_over.items())]


def _read(content: Any) -> Look:
    areas, kind, example, passed_over = content
    return Look(read_areas(areas), str(kind), str(example), bool(passed_over))
