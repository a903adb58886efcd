"""Score students: their class activation maps on photographs for training, their segmentation on the others.

Letters: C classes, S S pixels of the input, H W of a photograph.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from episodes.data import open_source
from episodes.data.image_tags import PREFIX, tags_of
from episodes.data.source import IGNORE, Array, Labels, OnProgress, Source, Split, same_name, silent
from episodes.draws import Draws
from episodes.errors import InputError
from episodes.inputs import read_json
from episodes.threads import map_in_threads
from srpnet.nn.device import Runtime, runtime
from srpnet.weak.inference import Seen, cam_labels, label_map, look, scaled_views
from srpnet.weak.saving import FIX, load_students
from srpnet.weak.scores import ClassScores
from srpnet.weak.settings import WeakEvalSettings, scales_of
from srpnet.weak.students import Students
from srpnet.weak.views import as_tensor, stretched

MEAN = "mean"
"""What the two students' scores together are called."""


@dataclass(frozen=True)
class Truth:
    """Label maps of a source, in the numbers of students.

    Attributes:
        source: Whose.
        labels: For each class of the students its number in the source; None where that has no such class.
    """

    source: Source
    labels: tuple[int | None, ...]

    @classmethod
    def of(cls, source: Source, classes: Sequence[str]) -> "Truth":
        """Classes go by their names.

        Raises:
            InputError: if the source has none of them.
        """
        known = {same_name(name): label for label, name in enumerate(source.classes, start=1)}
        labels = tuple(known.get(same_name(name)) for name in classes)
        if not any(labels):
            raise InputError(f"{source.name} has none of the classes {', '.join(classes)}: name the data of the run")
        return cls(source, labels)

    @property
    def known(self) -> tuple[int, ...]:
        """Labels of the source that students know."""
        return tuple(label for label in self.labels if label is not None)

    def translated(self, labels_HW: Labels) -> Tensor:
        """uint8 (H, W): 0, 1..C, and 255 for what is ignored, and for classes that the students do not know."""
        table = np.full(max(int(labels_HW.max(initial=0)), IGNORE) + 1, IGNORE, np.uint8)
        table[0] = 0
        for number, label in enumerate(self.labels, start=1):
            if label is not None:
                table[label] = number
        return torch.from_numpy(table[labels_HW])

    def tags(self, id: str) -> Tensor:
        """(C,): 1 for what a photograph shows."""
        areas = self.source.classes_in(id)
        return torch.tensor([float(label in areas) for label in self.labels])


def run_evaluation(run: Path, settings: WeakEvalSettings, on_progress: OnProgress = silent) -> dict[str, Any]:
    """Scores of the students of a run, for JSON.

    Raises:
        InputError: if run or data are wrong, or the data have no masks.
    """
    machine = runtime(settings.device, settings.precision)
    students = load_students(run).to(machine.device)
    data = settings.data or data_of(run)
    if data.startswith(PREFIX):
        raise InputError(f"{data} has tags and no masks to compare with: name a data set with masks as `data`")
    source = open_source(data, on_progress)
    truth = Truth.of(source, students.config.classes)
    found: dict[str, Any] = {"run": str(run), "settings": asdict(settings), "data": data, "device": str(machine)}
    titles: Mapping[Split, str] = {"train": "Locating", "val": "Segmenting"}
    for split, title in titles.items():
        ids = _ids(truth, split, settings.photographs)
        scores = score(students, truth, ids, split, settings, machine, on_progress, title)
        found["cam" if split == "train" else "segmentation"] = {name: each.content() for name, each in scores.items()}
    return found


def data_of(run: Path) -> str:
    """What a run was trained on, as its settings name it.

    Raises:
        InputError: if it does not say.
    """
    content = read_json(run / "settings.json", FIX)
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("data"), str):
        raise InputError(f"{run / 'settings.json'} does not say which data the run is of: name them as `data`")
    return data["data"]


def _ids(truth: Truth, split: Split, count: int | None) -> Sequence[str]:
    if split == "train":
        tagged = tags_of(truth.source, split, truth.known, (), drop=False)
        ids = [id for id, tags in tagged.tags.items() if tags]
    else:
        ids = [id for id in truth.source.ids(split) if truth.source.has(id)]
    if not ids:
        raise InputError(f"{truth.source.name} has no photographs of the split {split} that can be scored")
    if count is None or count >= len(ids):
        return ids
    drawn = set(Draws("scored photographs", split).sample(ids, count))
    return [id for id in ids if id in drawn]


def score(
    students: Students,
    truth: Truth,
    ids: Sequence[str],
    split: Split,
    settings: WeakEvalSettings,
    machine: Runtime,
    on_progress: OnProgress = silent,
    title: str = "Scoring",
) -> Mapping[str, ClassScores]:
    """Scores of each student, and of their mean if there are two: of CAMs on `train`, of segmentation on `val`."""
    cam = split == "train"
    scales, cam_scales = scales_of(settings.scales, "scales"), scales_of(settings.cam_scales, "cam_scales")
    chosen: dict[str, Any] = {"cam_scales": cam_scales} if cam else {"scales": scales}
    scores: dict[str, ClassScores] = {}
    for number, (photograph, labels, tags_C) in enumerate(_read(truth, ids)):
        seen = look_at(students, photograph, tags_C, machine, **chosen)
        for name, prediction_HW in predictions(seen, photograph.shape[:2], settings.cam_threshold):
            own = scores.setdefault(name, ClassScores(students.config.classes))
            own.add(prediction_HW.cpu(), truth.translated(labels))
        on_progress(title, number + 1, len(ids))
    return scores


def look_at(students: Students, photograph: Array, tags_C: Tensor, machine: Runtime, **scales: Sequence[float]) -> Seen:
    """What students see in a photograph (H, W, 3); `scales` and `cam_scales` as in `look`."""
    size = students.config.size
    image_13SS = as_tensor(stretched(photograph, size))[None].to(machine.device).float() / 255
    every = [scale for some in scales.values() for scale in some]
    views = scaled_views(students, image_13SS, machine, every)
    return look(students, views, size, tags_C[None].to(machine.device), machine, **scales)


def predictions(seen: Seen, size: tuple[int, ...], threshold: float) -> Iterator[tuple[str, Tensor]]:
    """Label maps (H, W) of one photograph by name: `student 1`, `student 2` and `mean`, or `student 1` alone.

    By CAMs where there are no probabilities.
    """
    pixels = (size[0], size[1])
    maps_IKSS = seen.probabilities_IBPSS[:, 0] if seen.probabilities_IBPSS.numel() else seen.cams_IBCSS[:, 0]
    named = {f"student {number}": own_KSS for number, own_KSS in enumerate(maps_IKSS, start=1)}
    if len(named) > 1:
        named[MEAN] = maps_IKSS.mean(0)
    for name, own_KSS in named.items():
        if seen.probabilities_IBPSS.numel():
            yield name, label_map(own_KSS, pixels)[0]
        else:
            yield name, cam_labels(own_KSS, threshold, pixels)


def _read(truth: Truth, ids: Sequence[str]) -> Iterator[tuple[Array, Labels, Tensor]]:
    """Photographs, label maps and tags, read in threads ahead of their use."""

    def read(id: str) -> tuple[Array, Labels, Tensor]:
        return *truth.source.load(id), truth.tags(id)

    return map_in_threads(read, ids)
