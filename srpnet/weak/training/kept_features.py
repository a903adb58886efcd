"""What the frozen blocks make of each photograph, computed once: as it is, mirrored, and its strong view.

Letters: N photographs, V versions, S S pixels.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from episodes.data.image_tags import TaggedPhotographs
from episodes.errors import InputError
from episodes.threads import map_in_threads
from srpnet.nn.device import Runtime
from srpnet.weak.encoders import Levels
from srpnet.weak.settings import Reuse
from srpnet.weak.students import Students
from srpnet.weak.training.items import kept_views

PLAIN, MIRRORED, STRONG = range(3)
FOLDER = ".weak-features-"


class KeptFeatures:
    """Photographs and their levels in memory, or in a file that is gone with the process.

    Args:
        photographs: Which.
        students: With frozen blocks, in evaluation mode.
        seed: Of the strong views.
        runtime: Device and precision.
        where: `memory` or `disk`.
        folder: On a disk with room.
        limit: The most gigabytes (10^9 bytes) that they may take.
        strong: Whether strong views are needed.
        on_progress: Called with the number of photographs done, and of all.

    Raises:
        InputError: if they are larger than the limit, or the disk has no room, or a photograph cannot be read.
    """

    def __init__(
        self,
        photographs: TaggedPhotographs,
        students: Students,
        seed: int,
        runtime: Runtime,
        where: Reuse,
        folder: Path,
        limit: float,
        strong: bool = True,
        on_progress: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        self._runtime, count, size = runtime, len(photographs.ids), students.config.size
        self._dtype = torch.bfloat16 if runtime.precision == "bf16" else torch.float32
        views = map_in_threads(partial(kept_views, photographs, size, seed), range(count))
        self.images_N3SS = torch.empty(count, 3, size, size, dtype=torch.uint8)
        self._levels: list[list[Tensor]] = []  # version -> level -> (N, ...)
        for number, (image_3SS, strong_3TT) in enumerate(views):
            self.images_N3SS[number] = image_3SS
            for version, view in enumerate((image_3SS, image_3SS.flip(-1), strong_3TT)[: 3 if strong else 2]):
                levels = self._lower(students, view)
                if number == 0:
                    self._levels.append([self._room(level, count, where, folder) for level in levels])
                for room, level in zip(self._levels[version], levels, strict=True):
                    room[number] = level[0]
            if number == 0:
                self._check(limit)
            on_progress(number + 1, count)

    def _lower(self, students: Students, view: Tensor) -> Levels:
        with torch.no_grad(), self._runtime.autocast():
            return students.lower(view[None].to(self._runtime.device).float() / 255)

    def _room(self, level: Tensor, count: int, where: Reuse, folder: Path) -> Tensor:
        shape = (count, *level.shape[1:])
        if where == "memory":
            return torch.empty(shape, dtype=self._dtype)
        try:
            with tempfile.TemporaryDirectory(prefix=FOLDER, dir=folder, ignore_cleanup_errors=True) as temporary:
                file = str(Path(temporary) / "level")  # its name goes at once, its space with the process
                return torch.from_file(file, True, count * level[0].numel(), dtype=self._dtype).view(shape)
        except (OSError, RuntimeError) as error:
            raise InputError(f"features cannot be kept in {folder} ({error}): name another folder") from None

    def _check(self, limit: float) -> None:
        size = sum(room.numel() * room.element_size() for version in self._levels for room in version) / 1e9
        if size > limit:
            raise InputError(
                f"the features of {len(self.images_N3SS)} photographs take {size:.1f} GB, and `cache_limit` is "
                f"{limit:g}: raise it, use fewer `photographs`, or leave out `reuse_features`"
            )

    def levels(self, numbers_B: Tensor, versions_B: Tensor) -> Levels:
        """The levels of some photographs, each in one of the first two versions."""
        parts = zip(*(self._levels[version] for version in (PLAIN, MIRRORED)), strict=True)
        rows = list(zip(numbers_B.tolist(), versions_B.tolist(), strict=True))
        return tuple(self._placed([level[version][number] for number, version in rows]) for level in parts)

    def strong(self, numbers_B: Tensor) -> Levels:
        """The levels of the strong views of some photographs."""
        return tuple(self._placed(list(room[numbers_B])) for room in self._levels[STRONG])

    def _placed(self, rows: list[Tensor]) -> Tensor:
        return torch.stack(rows).to(self._runtime.device, torch.float32)
