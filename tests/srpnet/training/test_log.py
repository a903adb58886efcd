"""The log: what the meter counts, and the lines that it becomes."""

import json
import math
from pathlib import Path

import torch

from srpnet.fewshot.batches import EpisodeTensors
from srpnet.training.log import Meter, Progress, append_line, keep_lines


def test_the_meter_counts_what_is_right() -> None:
    """One episode of one class: on the query half of the object is found, on the support all of it."""
    labels = torch.tensor([[[0, 0, 1, 1], [0, 0, 255, 255]]], dtype=torch.uint8)
    images, member, valid = torch.zeros(1, 3, 2, 4), torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 2, 4).bool()
    episode = EpisodeTensors((700,), images, labels, valid, member, images, labels, valid)
    right = torch.stack([labels == 0, labels > 0], 1).float()
    half = right.clone()
    half[:, :, :, 2] = torch.tensor([1.0, 0])[None, :, None]
    meter = Meter()
    meter.add(episode, half.requires_grad_(), right, *torch.tensor([2.0, 4, 6]))
    meter.add(episode, half, right, *torch.tensor([4.0, 4, 8]))
    progress = meter.read(3, 0.1, None)
    assert progress[:7] == (3, 7, 3, 4, 0.5, 1, 0.1)


PROGRESS = Progress(2, 1.5, 1.0, 0.5, 0.25, 0.5, 0.001, 9.0)


def test_a_line_of_the_log_is_json(tmp_path: Path) -> None:
    append_line(tmp_path / "log.jsonl", PROGRESS)
    append_line(tmp_path / "log.jsonl", PROGRESS._replace(step=3, validation=0.5))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [PROGRESS._asdict(), PROGRESS._asdict() | {"step": 3, "validation": 0.5}]
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
