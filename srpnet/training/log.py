"""What a training run says of itself: means between two logging steps, one JSON line each."""

import json
import math
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from episodes.distributed import ALONE, World
from episodes.files import write_text
from episodes.scoring.metrics import Counts, Score, confusion
from srpnet.fewshot.batches import EpisodeTensors


class Progress(NamedTuple):
    """What a logging step says. Losses and IoUs are means since the last one or since resuming; IoUs are fractions.

    The support mIoU is the ceiling of the query mIoU (method, 5). `validation` is None but on validation steps.
    """

    step: int
    loss: float
    query_loss: float
    support_loss: float
    query_miou: float
    support_miou: float
    lr: float
    episodes_per_second: float
    validation: float | None = None


class Meter:
    """Losses and IoUs between two logging steps: each process adds its own episodes, and all read together."""

    def __init__(self, world: World = ALONE) -> None:
        self._world = world
        self._start = time.perf_counter()
        self._losses: list[Tensor] = []
        self._queries, self._supports = Score({}, absent="skip"), Score({}, absent="skip")

    @torch.no_grad()
    def add(self, episode: EpisodeTensors, query_logits: Tensor, support_logits: Tensor, *losses: Tensor) -> None:
        """Add an episode: its logits, and its query, support and total loss."""
        self._losses.append(torch.stack(losses).detach())
        for score, logits, labels in (
            (self._queries, query_logits, episode.query_labels),
            (self._supports, support_logits, episode.support_labels),
        ):
            score.add(episode.classes, confusion(highest(logits), labels, len(episode.classes)))

    def read(self, step: int, lr: float, validation: float | None) -> Progress:
        """The means over all that was added, in any process."""
        episodes = len(self._losses) * self._world.size  # all add alike
        losses = self._world.sum(torch.stack(self._losses).cpu().double().sum(0)) / episodes
        queries, supports = (self._mean_iou(score) for score in (self._queries, self._supports))
        query_loss, support_loss, loss = losses.tolist()
        rate = episodes / (time.perf_counter() - self._start)
        return Progress(step, loss, query_loss, support_loss, queries, supports, lr, rate, validation)

    def _mean_iou(self, score: Score) -> float:
        # The sum of the largest labels is beyond that of every process, and the same in all.
        size = int(self._world.sum(torch.tensor(max(score.classes, default=0) + 1)))
        counts = torch.zeros(size, 3, dtype=torch.int64)
        for label, own in score.classes.items():
            counts[label] = torch.tensor([own.tp, own.fp, own.fn])
        ious = [Counts(*row).iou for row in self._world.sum(counts).tolist()]
        known = [iou for iou in ious if not math.isnan(iou)]
        return sum(known) / len(known) if known else 0.0


def append_line(path: Path, progress: Progress) -> None:
    """Add one JSON line to a log; NaN becomes null."""
    with path.open("a", encoding="utf-8") as log:
        fields = progress._asdict().items()
        line = {name: None if value is not None and math.isnan(value) else value for name, value in fields}
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
