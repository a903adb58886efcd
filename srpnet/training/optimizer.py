"""Optimizers and learning-rate schedules, by name."""

import math
from collections.abc import Callable
from typing import Any

from torch.optim import SGD, AdamW, Optimizer

from srpnet.training.settings import LoopSettings

Groups = list[dict[str, Any]]
"""Groups of parameters, each with its largest learning rate as `peak`."""
OPTIMIZERS: dict[str, Callable[[Groups, LoopSettings], Optimizer]] = {
    "adamw": lambda groups, settings: AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay),
    "sgd": lambda groups, settings: SGD(groups, lr=settings.lr, momentum=0.9, weight_decay=settings.weight_decay),
}
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "poly": lambda done: (1 - done) ** 0.9,
}
"""The share of the largest learning rate after a share of the steps: both fall from 1 to 0."""


def lr_factor(step: int, settings: LoopSettings, schedule_steps: int) -> float:
    """Share of the largest learning rate at a step (0-based): linear warm-up, then the schedule, to zero.

    >>> settings = LoopSettings(warmup=10)
    >>> [round(lr_factor(step, settings, 110), 3) for step in (0, 9, 10, 60, 109)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    done = min(1.0, (step - settings.warmup) / max(1, schedule_steps - settings.warmup))
    return SCHEDULES[settings.schedule](done)
