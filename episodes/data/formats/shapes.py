"""Collects the shapes of photographs from files that list them, and counts what cannot be drawn."""

from collections.abc import Sequence

from episodes.data.formats.annotated import Annotated, Drawn
from episodes.data.formats.contents import Contents
from episodes.data.formats.drawing.fill import Patch, Polygon, Runs, Shape
from episodes.data.formats.numbers import MOST_CLASSES, NO_AREA, NO_NAME, NO_SHAPE, class_name
from episodes.data.pictures.images import Size
from episodes.data.remarks import Tally
from episodes.data.source import numbered
from episodes.errors import InputError

TWICE = "photographs that are annotated twice, of which the first counts"


class Collected:
    """Photograph by photograph, shape by shape.

    Args:
        contents: Of the folder.
        classes: Those that are known to be there, in their order; others follow in alphabetical order.
    """

    def __init__(self, contents: Contents, classes: Sequence[str] = ()) -> None:
        self._contents, self._classes = contents, list(dict.fromkeys(classes))
        self._entries: dict[str, Drawn] = {}
        self._shapes: list[Shape] = []
        self._names: set[str] = set()
        self._tally, self._total, self._by = Tally(), 0, ""

    def photograph(self, name: object, size: Size | None, by: str) -> None:
        """The shapes that follow are of this one, which the annotation file `by` names.

        Raises:
            InputError: See `Contents.photograph`.
        """
        file, self._by, self._shapes = self._contents.photograph(name, by), by, []
        if file in self._entries:
            self._tally.add(TWICE, file)
        else:
            self._entries[file] = Drawn(self._shapes, size, self._contents.state(by))

    def shape(self, name: object, area: Polygon | Patch | None) -> None:
        """One object; None if it cannot be drawn."""
        self._total += 1
        if (known := class_name(name)) is None:
            self._tally.add(NO_NAME, self._by)
        elif area is None:
            self._tally.add(NO_SHAPE, self._by)
        else:
            self._names.add(known)
            self._shapes.append(Shape(known, Runs.of(area) if isinstance(area, Patch) else [area]))

    def without_area(self) -> None:
        """A point or a line."""
        self._total += 1
        self._tally.add(NO_AREA, self._by)

    def done(self) -> Annotated:
        """All of it.

        Raises:
            InputError: There are too many classes.
        """
        classes = [*self._classes, *sorted(self._names - {*self._classes})]
        if len(classes) > MOST_CLASSES:
            raise InputError(f"{self._contents.root} has {len(classes)} classes: {MOST_CLASSES} are the most")
        totals = {TWICE: len(self._entries)}
        remarks = [
            self._tally.remark(kind, totals.get(kind, self._total), share=1 if kind == NO_AREA else 0.1)
            for kind in self._tally.counts
        ]
        return Annotated(numbered(classes), self._entries, remarks)
