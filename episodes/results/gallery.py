"""Pictures of a scored run: from its best episode to its worst, and of the worst alone."""

from collections.abc import Sequence
from contextlib import suppress
from math import nan
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from episodes.data import data_set
from episodes.errors import InputError
from episodes.fewshot.episode import EpisodeSpec
from episodes.fewshot.folds import Fold
from episodes.fewshot.scenes.loading import Loader
from episodes.files import atomic_write, clear_parts
from episodes.names import for_path
from episodes.results.output import Scored
from episodes.results.pictures import panel
from episodes.scoring.evaluate import answered
from episodes.scoring.methods import Method
from episodes.scoring.metrics import Score
from episodes.scoring.photograph_cache import PhotographCache
from episodes.scoring.records import Records

FOLDERS = ("pictures", "worst")
"""Where pictures go."""


class Ranked(NamedTuple):
    """An episode and its IoU, the mean over its ways."""

    iou: float
    spec: EpisodeSpec
    ious: tuple[float, ...]


def ranked(records: Records) -> list[Ranked]:
    """The episodes from the lowest IoU to the highest, without those in which there was nothing to find."""
    scores: dict[EpisodeSpec, Score] = {}
    for row in records.role("query").rows:
        scores.setdefault(row.spec, Score({})).add(row.spec.classes, row.matrix)
    found = []
    for spec, score in scores.items():
        ious = tuple(score.classes[label].iou for label in spec.classes)
        counted = [iou for iou in ious if iou == iou]
        found.append(Ranked(fmean(counted) if counted else nan, spec, ious))
    return sorted(
        (episode for episode in found if episode.iou == episode.iou),
        key=lambda episode: (episode.iou, episode.spec.index),
    )


def chosen(order: Sequence[Ranked], pictures: int, worst: int) -> dict[str, list[Ranked]]:
    """Folder -> the episodes to draw into it: evenly spread from the best to the worst, and the worst, lowest first."""
    count = min(pictures, len(order))
    ranks = [round(rank * (len(order) - 1) / max(1, count - 1)) for rank in range(count)]
    return {"pictures": [order[-1 - rank] for rank in ranks], "worst": list(order[:worst])}


def draw_pictures(folder: Path, scored: Scored) -> None:
    """Write the pictures that were asked for; those of an earlier run go.

    Raises:
        InputError: if a picture cannot be written.
    """
    plan, output = scored.plan, scored.output
    drawn = chosen(ranked(scored.outcome.records), output.pictures, output.worst)
    draw(folder, plan.fold, plan.loader(), scored.method, scored.cache, drawn)


def draw(
    folder: Path, fold: Fold, loader: Loader, method: Method, cache: PhotographCache, drawn: dict[str, list[Ranked]]
) -> None:
    """Ask the method again and write `<rank>-<index>-<classes>.png`, ranks from 1. Those of an earlier run go.

    Args:
        folder: Of the run.
        fold, loader: Whose classes are drawn, and how photographs are loaded.
        method, cache: What was scored, and what it prepared.
        drawn: From `chosen`.

    Raises:
        InputError: if a picture cannot be written.
    """
    clear_pictures(folder)
    note = data_set(fold.source.name).note
    for name, episodes in drawn.items():
        built = [loader.build(rated.spec) for rated in episodes]
        answers = answered(method, built, cache)
        for rank, (rated, (episode, _, answer)) in enumerate(zip(episodes, answers, strict=True), start=1):
            names = [fold.source.classes[label - 1] for label in rated.spec.classes]
            file = f"{rank:03d}-{rated.spec.index:06d}-{for_path('-'.join(names))}.png"
            with atomic_write(folder / name / file) as temporary:
                predictions = [prediction.cpu() for prediction in answer.queries]
                panel(episode, predictions, names, rated.ious, note).save(temporary, "PNG")


def pictures_in(folder: Path) -> list[Path]:
    """The files that `draw` wrote there, in order."""
    return sorted(file for file in folder.glob(f"{3 * '[0-9]'}-{6 * '[0-9]'}-*.png") if file.is_file())


def clear_pictures(folder: Path) -> None:
    """Remove the pictures of an earlier run, and their folders if nothing else is there.

    Raises:
        InputError: if that cannot be.
    """
    for name in FOLDERS:
        clear_parts(folder / name)
        try:
            for file in pictures_in(folder / name):
                file.unlink()
        except OSError as error:
            raise InputError(f"{folder / name} cannot be cleared ({error}): name another folder") from None
        with suppress(OSError):  # it is not there, or somebody else's files are in it
            (folder / name).rmdir()
