"""What the tests of training runs share: quick runs, and how two of them are compared."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from srpnet.fewshot.training.settings import FewShotLoopSettings
from srpnet.fewshot.training.trainable import TrainableSRPNet
from srpnet.nn.device import Runtime
from srpnet.training.run import TrainingRun

FP32 = Runtime(torch.device("cpu"), "fp32")
QUICK = FewShotLoopSettings(steps=6, batch=1, warmup=2, workers=0, log_every=1, save_every=2)

Run = TrainingRun[TrainableSRPNet]
Begin = Callable[..., Run]


def log_of(run: Run) -> list[dict[str, Any]]:
    """The log's lines, without the one value that no two runs share."""
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "episodes_per_second"} for line in lines]


def weights_of(run: Run) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in run.trainable.module.state_dict().items()}


def same(first: Any, second: Any) -> bool:
    """Equal to the last bit, however nested."""
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def assert_same_run(first: Run, second: Run) -> None:
    """Weights, saved state with the optimizer's, and log are equal to the last bit."""
    assert same(weights_of(first), weights_of(second))
    states = [torch.load(run.folder / "training.pt", weights_only=True) for run in (first, second)]
    for name in ("step", "network", "optimizer", "validations"):
        assert same(states[0][name], states[1][name]), name
    assert log_of(first) == log_of(second)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def run_until(run: Run, episodes: Any, step: int, stop: Callable[[], Any] = interrupt) -> None:
    """Train, and from the log's callback after this step ask to stop."""
    run.train(episodes, lambda progress: stop() if progress.step == step else None)
