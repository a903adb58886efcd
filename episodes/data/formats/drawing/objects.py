"""The objects of a label map, as annotation formats take them."""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np

from episodes.checks import check_number, check_type, check_whole
from episodes.data.formats.drawing.fill import Patch, Polygon
from episodes.data.formats.drawing.outline import cut, outline, parts
from episodes.data.source import Array
from episodes.settings import setting


@dataclass(frozen=True)
class ExportSettings:
    """How label maps become annotations."""

    _: KW_ONLY
    instances: bool = setting(False, "Each connected part is an object of its own, in formats that have objects.")
    smallest: int = setting(
        64, "With `instances`: parts of fewer pixels are dropped.", low=1, high=1 << 30, flag="--smallest"
    )
    tolerance: float = setting(
        1.0,
        "Pixels by which polygons may miss the border; less where that would cost a part 0.4 % IoU; 0 is exact.",
        low=0,
        high=100,
    )

    def __post_init__(self) -> None:
        check_type(self, bool, "instances")
        check_whole(self, 1, 1 << 30, "smallest")
        check_number(self, 0, 100, "tolerance")


class Object(NamedTuple):
    """One object.

    Attributes:
        label: Of its class, from 1 on.
        parts: The connected parts of it.
    """

    label: int
    parts: Sequence[Patch]

    @property
    def area(self) -> int:
        """Its pixels."""
        return sum(int(part.mask.sum()) for part in self.parts)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width and height in pixels."""
        left, top = min(part.left for part in self.parts), min(part.top for part in self.parts)
        right = max(part.left + part.mask.shape[1] for part in self.parts)
        bottom = max(part.top + part.mask.shape[0] for part in self.parts)
        return left, top, right - left, bottom - top

    def polygons(self, settings: ExportSettings) -> list[Polygon]:
        """One for each part; corners lie on whole and half pixels."""
        return [outline(part, settings.tolerance) for part in self.parts]


def objects(labels: Array, classes: int, settings: ExportSettings) -> Iterator[Object]:
    """What a label map (H, W) shows of the classes 1..classes: an object for each class, or for each connected part."""
    for label in range(1, classes + 1):
        shown = cut(labels == label)
        if not shown.mask.size:
            continue
        found = [Patch(shown.left + left, shown.top + top, mask) for left, top, mask in parts(shown.mask)]
        if settings.instances:
            yield from (Object(label, [part]) for part in found if np.count_nonzero(part.mask) >= settings.smallest)
        else:
            yield Object(label, found)
