"""Pictures of a scored run: of some episodes, evenly spread, and of its worst."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from statistics import fmean
from typing import NamedTuple, Self

from PIL import Image
from torch import Tensor

from episodes.episode import Episode
from episodes.files import atomic_write
from episodes.metrics import Score
from episodes.pictures import panel
from episodes.results import STICKERS_NOTE
from episodes.task import Task


class Drawn(NamedTuple):
    """An episode that was drawn; its rank, by IoU and index, ascends from the worst."""

    rank: tuple[float, int]
    name: str
    panel: Image.Image


@dataclass
class Gallery:
    """Draws episodes as they are scored.

    Attributes:
        task: Whose classes are drawn.
        spread: The episodes to draw in any case, by index.
        worst: How many of those with the lowest IoU (mean over the ways) to draw besides.
    """

    task: Task
    spread: frozenset[int]
    worst: int
    pictures: list[Drawn] = field(default_factory=list)
    failures: list[Drawn] = field(default_factory=list)

    @classmethod
    def of(cls, task: Task, episodes: int, pictures: int, worst: int) -> Self:
        """A gallery of so many pictures of so many episodes."""
        pictures = min(pictures, episodes)
        return cls(task, frozenset(place * episodes // pictures for place in range(pictures)), worst)

    def see(self, episode: Episode, predictions: Sequence[Tensor], matrix: Tensor) -> None:
        """Draw an episode if it is one of those to draw.

        Args:
            episode, predictions: What was asked and answered.
            matrix: Its counts, see `episodes.confusion`.
        """
        score = Score({})
        score.add(episode.spec.classes, matrix)
        ious = [score.classes[label].iou for label in episode.spec.classes]
        counted = [iou for iou in ious if iou == iou]
        rank = (fmean(counted) if counted else nan, episode.spec.index)
        # A query without anything to find has no IoU, and is no failure.
        failed = bool(counted) and (
            len(self.failures) < self.worst or any(rank < failure.rank for failure in self.failures)
        )
        if not failed and episode.spec.index not in self.spread:
            return
        names = [self.task.source.classes[label - 1] for label in episode.spec.classes]
        note = STICKERS_NOTE if self.task.source.name == "stickers" else ""
        name = f"{episode.spec.index:06d}-{'-'.join(names)}.png".replace(" ", "_")
        drawn = Drawn(rank, name, panel(episode, list(predictions), names, ious, note))
        if episode.spec.index in self.spread:
            self.pictures.append(drawn)
        if failed:
            self._fail([drawn])

    def take(self, drawn: Sequence[tuple[list[Drawn], list[Drawn]]]) -> None:
        """Replace what was drawn by the pictures and failures of all processes."""
        self.pictures = [each for pictures, _ in drawn for each in pictures]
        self.failures = []
        self._fail([each for _, failures in drawn for each in failures])

    def _fail(self, drawn: Sequence[Drawn]) -> None:
        self.failures = sorted([*self.failures, *drawn], key=lambda each: each.rank)[: self.worst]

    def write(self, folder: Path) -> None:
        """Write `pictures/<index>-<classes>.png` and `worst/<place>-<index>-<classes>.png`, the worst first.

        Those of an earlier run into the same folder are removed.
        """
        files = {f"pictures/{drawn.name}": drawn.panel for drawn in self.pictures}
        files |= {f"worst/{place:03d}-{drawn.name}": drawn.panel for place, drawn in enumerate(self.failures, 1)}
        number = "[0-9]"
        for old in (
            *(folder / "pictures").glob(f"{6 * number}-*.png"),
            *(folder / "worst").glob(f"{3 * number}-{6 * number}-*.png"),
        ):
            old.unlink()
        for name, picture in files.items():
            with atomic_write(folder / name) as temporary:
                picture.save(temporary, "PNG")
