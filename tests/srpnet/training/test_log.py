"""The log: what the meter counts, and the lines that it becomes."""

import json
import math
from pathlib import Path

import pytest
import torch

from srpnet.training.log import Meter, Progress, append_line, iou_rows, keep_lines


def test_rows_count_what_is_right() -> None:
    """One class: of the object's two pixels one is found, and a pixel of the background is taken for it."""
    labels = torch.tensor([[[0, 0, 1, 1], [0, 0, 255, 255]]], dtype=torch.uint8)
    found = torch.tensor([[[1, 0, 1, 0], [0, 0, 1, 0]]])
    logits = torch.stack([1 - found, found], 1).float()
    assert iou_rows((700,), logits.requires_grad_(), labels).tolist() == [[700, 1, 1, 1]]


def test_the_meter_takes_means_of_losses_and_of_ious() -> None:
    """Two labels with IoUs of 1/2 and 1; a third, of which nothing was counted, is no part of the mean."""
    meter = Meter(unit="episodes")
    rows = torch.tensor([[7, 1, 0, 0], [700, 2, 0, 0], [9, 0, 0, 0]])
    meter.add(2, {"loss": torch.tensor([6.0, 8.0]), "query_loss": torch.tensor([2.0, 2.0]), "query_miou": rows})
    meter.add(
        1, {"loss": torch.tensor([7.0]), "query_loss": torch.tensor([5.0]), "query_miou": torch.tensor([[7, 0, 0, 1]])}
    )
    progress = meter.read(3, 0.1, None)
    assert (progress.step, progress.validation) == (3, None)
    assert progress.figures.pop("episodes_per_second") > 0
    assert progress.figures == {"loss": 7, "query_loss": 3, "query_miou": 0.75, "lr": 0.1}


def test_items_a_second_are_items_however_many_losses_each_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two episodes of four ways that learn alone, in half a second."""
    times = iter([10.0, 10.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    meter = Meter(unit="episodes")
    meter.add(2, {"loss": torch.arange(8.0), "query_miou": torch.tensor([[7, 1, 0, 0]])})
    assert meter.read(1, 0.1, None).figures["episodes_per_second"] == 4


PROGRESS = Progress(2, {"loss": 1.5, "query_miou": 0.25, "lr": 0.001, "episodes_per_second": 9.0})


def test_a_line_of_the_log_is_json(tmp_path: Path) -> None:
    append_line(tmp_path / "log.jsonl", PROGRESS)
    append_line(tmp_path / "log.jsonl", PROGRESS._replace(step=3, validation=0.5))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [
        {"step": 2, **PROGRESS.figures, "validation": None},
        {"step": 3, **PROGRESS.figures, "validation": 0.5},
    ]
    append_line(tmp_path / "log.jsonl", PROGRESS._replace(validation=math.nan))
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[2])["validation"] is None


def test_lines_past_a_step_are_dropped(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    keep_lines(log, 3)
    assert not log.exists()
    for step in (1, 2, 5):
        append_line(log, PROGRESS._replace(step=step))
    keep_lines(log, 2)
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [1, 2]
