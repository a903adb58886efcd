"""How to train: the settings, and the optimizer and learning rates that follow from them."""

import math
from dataclasses import dataclass
from typing import Literal

import torch

from episodes.checks import check_choice, check_number, check_type, check_whole
from episodes.errors import InputError
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.query_inference import MOST_ROUNDS

MOST_STEPS = 10_000_000
MOST_EPISODES = 10_000
MOST_WORKERS = 256


@dataclass(frozen=True)
class TrainingSettings:
    """How to train. An option that the paper leaves open says so.

    Attributes:
        steps: Optimizer steps, up to 10 million.
        batch: Episodes a step, up to 10,000, over all processes together; the loss is the mean over episodes of each
            episode's mean.
        accumulate: Backward passes of each process in a step; divides its share of `batch`. More need less memory and
            give the same loss.
        support_weight: lambda, the weight of the self-regularization loss, up to 1000 (open).
        both_ways: Learn each episode the other way round too, its queries as supports and its supports as queries; the
            loss is the mean of both. The features are there already, so this costs little (open; PANet, sec. 3.4, does
            so with the mask that it predicted for the query, here it is the true one).
        train_rounds: Rounds of query inference while training, up to 100 (open).
        optimizer: `adamw` or `sgd` (momentum 0.9).
        lr: Largest learning rate of the head, above 0 and up to 1000.
        backbone_lr: The same for the backbone, if it is trained.
        weight_decay: As the optimizer defines it, up to 1000.
        schedule: After the warm-up, `cosine` to zero, or `poly` with power 0.9.
        warmup: Steps of linear warm-up, up to 10 million.
        clip: Largest norm of the gradient, up to a million; 0 does not clip.
        workers: Processes that load photographs, up to 256, for each process that trains; 0 loads in that one.
        log_every, save_every, validate_every: In steps, up to 10 million.

    Raises:
        InputError: if one is out of its range.
    """

    steps: int = 500
    batch: int = 4
    accumulate: int = 1
    support_weight: float = 1.0
    both_ways: bool = False
    train_rounds: int = 0
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float = 1e-3
    backbone_lr: float = 3e-5
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "poly"] = "cosine"
    warmup: int = 20
    clip: float = 1.0
    workers: int = 1
    log_every: int = 10
    save_every: int = 50
    validate_every: int = 100

    def __post_init__(self) -> None:
        check_whole(self, 1, MOST_STEPS, "steps", "log_every", "save_every", "validate_every")
        check_whole(self, 0, MOST_STEPS, "warmup")
        check_whole(self, 1, MOST_EPISODES, "batch", "accumulate")
        check_whole(self, 0, MOST_ROUNDS, "train_rounds")
        check_whole(self, 0, MOST_WORKERS, "workers")
        check_number(self, 0, 1000, "support_weight", "weight_decay")
        check_number(self, 0, 1000, "lr", "backbone_lr", above=True)
        check_number(self, 0, 1e6, "clip")
        check_type(self, bool, "both_ways")
        check_choice(self, ("adamw", "sgd"), "optimizer")
        check_choice(self, ("cosine", "poly"), "schedule")
        if self.batch % self.accumulate:
            raise InputError(f"{self.accumulate} backward passes do not divide a batch of {self.batch} episodes")

    def share(self, size: int) -> int:
        """Episodes of a step for each of `size` processes.

        Raises:
            InputError: if the batch cannot be cut into equal passes of all of them.
        """
        parts = size * self.accumulate
        if self.batch % parts:
            passes = f" with {self.accumulate} backward passes each" if self.accumulate > 1 else ""
            enough = -(-self.batch // parts) * parts
            raise InputError(
                f"{size} processes{passes} do not divide a batch of {self.batch} episodes: use --batch {enough}"
            )
        return self.batch // size


def make_optimizer(network: SRPNet, settings: TrainingSettings) -> torch.optim.Optimizer:
    """AdamW or SGD over the trainable parameters: head and backbone with a learning rate each.

    Raises:
        InputError: if the network has nothing to train.
    """
    groups = [
        {"params": [weights for weights in module.parameters() if weights.requires_grad], "peak": lr}
        for module, lr in ((network.reduce, settings.lr), (network.backbone, settings.backbone_lr))
        if module is not None
    ]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise InputError("this network has nothing to train: give it a head (--width) or use --train all")
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=0.9, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay)


def lr_factor(step: int, settings: TrainingSettings, schedule_steps: int) -> float:
    """Share of the largest learning rate at a step (0-based): linear warm-up, then cosine or poly to zero.

    >>> settings = TrainingSettings(warmup=10)
    >>> [round(lr_factor(step, settings, 110), 3) for step in (0, 9, 10, 60, 109)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    done = min(1.0, (step - settings.warmup) / max(1, schedule_steps - settings.warmup))
    return float((1 - done) ** 0.9) if settings.schedule == "poly" else 0.5 * (1 + math.cos(math.pi * done))
