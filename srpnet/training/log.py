"""The log of a training run: means between two logging steps, one JSON line each."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from episodes.distributed import ALONE, World
from episodes.files import write_text
from episodes.scoring.metrics import Counts, confusion


class Progress(NamedTuple):
    """An entry of the log.

    Attributes:
        step: How many are done.
        figures: By name: means since the last logging step or since resuming, `loss` first, and IoUs as fractions; the
            learning rate `lr`, and items a second.
        validation: None but on validation steps.
    """

    step: int
    figures: Mapping[str, float]
    validation: float | None = None


class Meter:
    """Means over the items between two logging steps: each process adds its items, and all read together.

    Args:
        world: The processes.
        unit: What an item is.
    """

    def __init__(self, world: World = ALONE, unit: str = "items") -> None:
        self._world, self._unit = world, unit
        self._start = time.perf_counter()
        self._items = 0
        self._added: list[dict[str, Tensor]] = []

    def add(self, items: int, logged: Mapping[str, Tensor]) -> None:
        """Add `Losses.logged` of so many items, which may have several losses each."""
        self._items += items
        self._added.append({name: value.detach() for name, value in logged.items()})

    def read(self, step: int, lr: float, validation: float | None) -> Progress:
        """The means over all that was added, in any process."""
        added = {name: torch.cat([figures[name] for figures in self._added]).cpu() for name in self._added[0]}
        losses = {name: value.double() for name, value in added.items() if value.is_floating_point()}
        items, rows = (count * self._world.size for count in (self._items, len(losses["loss"])))  # all add alike
        means = self._world.sum(torch.stack(list(losses.values()), 1).sum(0)) / rows
        figures = dict(zip(losses, means.tolist(), strict=True))
        figures |= {name: self._mean_iou(rows) for name, rows in added.items() if name not in losses}
        figures |= {"lr": lr, f"{self._unit}_per_second": items / (time.perf_counter() - self._start)}
        return Progress(step, figures, validation)

    def _mean_iou(self, rows_R4: Tensor) -> float:
        """Of rows of a label and its true positives, false positives and false negatives; 0 if there is nothing."""
        labels_R, counts_R3 = rows_R4[:, 0], rows_R4[:, 1:]
        # The sum of the largest labels is beyond that of every process, and the same in all.
        size = int(self._world.sum(labels_R.max() + 1))
        counts = torch.zeros(size, 3, dtype=torch.int64).index_add_(0, labels_R, counts_R3)
        ious = [Counts(*row).iou for row in self._world.sum(counts).tolist()]
        known = [iou for iou in ious if not math.isnan(iou)]
        return sum(known) / len(known) if known else 0.0


@torch.no_grad()
def iou_rows(classes: Sequence[int], logits_BPHW: Tensor, labels_BHW: Tensor) -> Tensor:
    """For each class its label, and true positives, false positives and false negatives over all images: (N, 4) int64.

    Args:
        classes: Labels of the N classes that the logits are of, after the background.
        logits_BPHW: P = N + 1.
        labels_BHW: uint8, 0..N; 255 is not counted.
    """
    matrix = confusion(highest(logits_BPHW), labels_BHW, len(classes))
    right = matrix.diagonal()[1:]
    labels = torch.tensor(classes, device=matrix.device)
    return torch.stack([labels, right, matrix.sum(0)[1:] - right, matrix.sum(1)[1:] - right], 1)


def append_line(path: Path, progress: Progress) -> None:
    """Add one JSON line to a log; NaN becomes null."""
    fields: dict[str, float | None] = {"step": progress.step, **progress.figures, "validation": progress.validation}
    line = {name: None if value is not None and math.isnan(value) else value for name, value in fields.items()}
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line, allow_nan=False) + "\n")


def keep_lines(path: Path, step: int) -> None:
    """Drop the lines of a log that lie past a step: they are about to be written again."""
    if path.exists():
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        write_text(path, "".join(line + "\n" for line in lines if json.loads(line)["step"] <= step))


def highest(scores_BPHW: Tensor) -> Tensor:
    """The class with the highest score at each pixel, the first of equal ones: uint8 (B, H, W).

    The same as `argmax(1)`, which on the CPU takes many times as long over so few classes.
    """
    best, *others = scores_BPHW.detach().unbind(1)
    labels = torch.zeros_like(best, dtype=torch.uint8)
    for label, score in enumerate(others, start=1):
        labels = torch.where(score > best, label, labels)
        best = torch.maximum(score, best)
    return labels
